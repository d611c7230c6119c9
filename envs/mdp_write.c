/* Writes a finite MDP in the format whose grammar stands in mdp_read.c: see mdp.h. Each transition is a
 * line of T; a row of (s,a) whose transitions all pay the same is one line of R, other rewards are one
 * line each, and rewards of 0 are left out.
 *
 * Numbers are decimals of the fewest digits that read back as the same double, written without an
 * exponent at any magnitude: Cassandra's grammar has none. */
#include <float.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "envs/mdp.h"

enum { EXACT_DIGITS = 17,           /* of a decimal: they always read back as the same double */
       PER_LINE = 10 };             /* names, numbers */

/* x = 0.d1d2...dn * 10^point for x > 0, with the fewest digits; n */
static int fewest_digits(double x, char d[EXACT_DIGITS + 1], int *point)
{
    /* The decimals that read back as x lie around x, but half as far below it when x is a power of 2:
     * the nearest to their middle is one of them if any decimal of n digits is. */
    int n, e;
    long double middle = frexp(x, &e) == 0.5 ? x + x * 0x1p-55L : x;
    char text[64];
    for (n = x < DBL_MIN ? 1 : DBL_DIG; n < EXACT_DIGITS; n++) {
        snprintf(text, sizeof text, "%.*Le", n - 1, middle);
        if (strtod(text, NULL) == x) break;
    }
    if (n == EXACT_DIGITS) snprintf(text, sizeof text, "%.*e", n - 1, x);

    *point = atoi(strchr(text, 'e') + 1) + 1;
    d[0] = text[0];
    memcpy(d + 1, text + 2, (size_t)n - 1);
    while (n > 1 && d[n - 1] == '0') n--;
    return n;
}

static void write_number(FILE *out, double x)
{
    char d[EXACT_DIGITS + 1], text[512], *p = text;
    int point = 1, n = x == 0 ? 0 : fewest_digits(fabs(x), d, &point);
    if (signbit(x)) *p++ = '-';
    for (int i = point > 0 ? 0 : point - 1; i < n || i < point; i++) {
        if (i == point) *p++ = '.';
        *p++ = i >= 0 && i < n ? d[i] : '0';
    }
    *p = '\0';
    fputs(text, out);
}

/* The name of the i-th, else its number. */
static void write_label(FILE *out, char **name, int i)
{
    if (name) fputs(name[i], out);
    else fprintf(out, "%d", i);
}

static void write_labels(FILE *out, const char *what, char **name, int n)
{
    fprintf(out, "%s:", what);
    if (!name) fprintf(out, " %d", n);
    for (int i = 0; name && i < n; i++) fprintf(out, "%s%s", i > 0 && i % PER_LINE == 0 ? "\n  " : " ", name[i]);
    putc('\n', out);
}

static bool same(double x, double y) { return memcmp(&x, &y, sizeof x) == 0; }

static void write_start(FILE *out, const mdp *M)
{
    int uniform = 0, zero = 0, one = 0;         /* how many are 1/nS, are 0; the last that is 1 */
    for (int s = 0; s < M->nS; s++) {
        uniform += same(M->mu0[s], 1.0 / M->nS);
        zero += same(M->mu0[s], 0);
        if (M->mu0[s] == 1) one = s;
    }
    fputs("start:", out);
    if (uniform == M->nS) {
        fputs(" uniform", out);
    } else if (M->mu0[one] == 1 && zero == M->nS - 1) {
        putc(' ', out);
        write_label(out, M->state_name, one);
    } else {
        for (int s = 0; s < M->nS; s++) {
            fputs(s > 0 && s % PER_LINE == 0 ? "\n  " : " ", out);
            write_number(out, M->mu0[s]);
        }
    }
    putc('\n', out);
}

/* "T: a : s : s'" or, for s' < 0, "R: a : s : *" */
static void write_cell(FILE *out, const mdp *M, char what, int s, int a, int s1)
{
    fprintf(out, "%c: ", what);
    write_label(out, M->action_name, a);
    fputs(" : ", out);
    write_label(out, M->state_name, s);
    fputs(" : ", out);
    if (s1 < 0) putc('*', out);
    else write_label(out, M->state_name, s1);
    fputs(what == 'R' ? " : * " : " ", out);
}

static void write_rewards(FILE *out, const mdp *M, int s, int a)
{
    const int *row = &M->row[s * M->nA + a];
    bool equal = true;
    for (int k = row[0]; k < row[1]; k++) equal = equal && same(M->R[k], M->R[row[0]]);
    for (int k = row[0]; k < row[1]; k++) {
        if (same(M->R[k], 0) || (equal && k > row[0])) continue;
        write_cell(out, M, 'R', s, a, equal ? -1 : M->next[k]);
        write_number(out, M->R[k]);
        putc('\n', out);
    }
}

bool mdp_write(const mdp *M, FILE *out)
{
    fputs("discount: ", out);
    write_number(out, M->gamma);
    fputs("\nvalues: reward\n", out);
    write_labels(out, "states", M->state_name, M->nS);
    write_labels(out, "actions", M->action_name, M->nA);
    write_start(out, M);
    for (int s = 0; s < M->nS; s++)
        for (int a = 0; a < M->nA; a++) {
            for (int k = M->row[s * M->nA + a]; k < M->row[s * M->nA + a + 1]; k++) {
                write_cell(out, M, 'T', s, a, M->next[k]);
                write_number(out, M->P[k]);
                putc('\n', out);
            }
            write_rewards(out, M, s, a);
        }
    return fflush(out) == 0 && !ferror(out);
}
