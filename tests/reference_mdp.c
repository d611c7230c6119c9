/* MDP files against what other programs say they mean, in any folder of the formats of tests/reference:
 *
 *   reference_mdp DIR       DIR/mdp_syntax/NAME.mdp with NAME.expected.csv, NAME.expected_start.csv;
 *                           DIR/mdp/NAME.mdp, NAME_g1.mdp with NAME.transitions.csv, index.csv, starts.csv
 *
 * Prints `name error limit PASS|FAIL` for each file: the greatest difference of a probability or, relatively, of a
 * reward, in units of 2^-52; infinite where the tables are not made of the same transitions. */
#include <float.h>
#include <glob.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "autodiff/require.h"
#include "envs/mdp.h"

/* A probability may be a sum of three slips, a reward their weighted mean: some roundings each. */
static const double LIMIT = 8;

enum { PATH_SIZE = 1024 };
static int passed, failed;

static void report(const char *name, double error)
{
    bool ok = error <= LIMIT;
    printf("%s %.3g %g %s\n", name, error, LIMIT, ok ? "PASS" : "FAIL");
    ok ? passed++ : failed++;
}

static double apart(double a, double b) { return fabs(a - b) / (DBL_EPSILON * fmax(1, fabs(b))); }

static double greater(double a, double b) { return isnan(a) || b <= a ? a : b; }

/* ---- CSV: comments and the header are lines whose first field after `names` is no number ---- */
static FILE *open_beside(const char *stem, const char *ending)
{
    char path[PATH_SIZE + 32];
    snprintf(path, sizeof path, "%s%s", stem, ending);
    return fopen(path, "r");
}

/* The next row: its name, if it starts with one, and up to six numbers; how many. */
static int next_row(FILE *f, char name[64], double x[6])
{
    char line[512];
    while (fgets(line, sizeof line, f)) {
        char *p = line, *end;
        int n = 0;
        if (line[0] == '#') continue;
        if (name) {
            size_t length = strcspn(line, ",");
            snprintf(name, 64, "%.*s", (int)length, line);
            p += length + (line[length] == ',');
        }
        for (; n < 6; p = end + 1, n++) {
            x[n] = strtod(p, &end);
            if (end == p) break;
            if (*end != ',') { n++; break; }
        }
        if (n > 0) return n;
    }
    return 0;
}

/* ---- mdp_syntax: one row for each (s, a, s') of positive probability, in order ---- */
static double syntax_error(const mdp *M, const char *stem)
{
    double worst = 0, x[6];
    int k = 0, s = 0;
    FILE *f = open_beside(stem, ".expected.csv"), *start = open_beside(stem, ".expected_start.csv");
    if (!f || !start) return INFINITY;
    for (; next_row(f, NULL, x) == 5; k++) {
        int row = (int)x[0] * M->nA + (int)x[1];
        if (row < 0 || row >= M->nS * M->nA || k < M->row[row] || k >= M->row[row + 1] || M->next[k] != (int)x[2])
            return INFINITY;
        worst = greater(worst, greater(apart(M->P[k], x[3]), apart(M->R[k], x[4])));
    }
    for (; next_row(start, NULL, x) == 2; s++) {
        if (s >= M->nS) return INFINITY;
        worst = greater(worst, apart(M->mu0[s], x[1]));
    }
    fclose(f);
    fclose(start);
    return k == M->row[M->nS * M->nA] && s == M->nS ? worst : INFINITY;
}

/* ---- mdp: rows in any order, equal ones to be added; terminated ones enter the last state ---- */
typedef struct { double *P, *PR; } dense;               /* [nS*nA x nS] */

static dense expected_table(FILE *f, int nS, int nA, int episodic)
{
    size_t all = (size_t)nS * (size_t)nA * (size_t)nS, wide = (size_t)nS;
    dense t = { allocate(all, sizeof(double), "a table"), allocate(all, sizeof(double), "a table") };
    double x[6];
    while (next_row(f, NULL, x) == 6) {
        size_t to = episodic && x[5] != 0 ? wide - 1 : (size_t)x[2];
        size_t at = ((size_t)x[0] * (size_t)nA + (size_t)x[1]) * wide + to;
        require(at < all, "a row of the table is out of range");
        t.P[at] += x[3];
        t.PR[at] += x[3] * x[4];
    }
    for (size_t a = 0; a < (size_t)nA && episodic; a++) t.P[((wide - 1) * (size_t)nA + a) * wide + wide - 1] = 1;
    return t;
}

static double table_error(const mdp *M, const dense *t)
{
    double worst = 0;
    for (int i = 0; i < M->nS * M->nA; i++) {
        int k = M->row[i];
        for (int s1 = 0; s1 < M->nS; s1++) {
            size_t at = (size_t)i * (size_t)M->nS + (size_t)s1;
            bool there = k < M->row[i + 1] && M->next[k] == s1;
            if (there != (t->P[at] > 0)) return INFINITY;
            if (!there) continue;
            worst = greater(worst, greater(apart(M->P[k], t->P[at]), apart(M->R[k], t->PR[at] / t->P[at])));
            k++;
        }
    }
    return worst;
}

static double start_error(const mdp *M, const char *dir, const char *name)
{
    char path[PATH_SIZE], row_name[64];
    double x[6], worst = 0, *mu0 = allocate((size_t)M->nS, sizeof *mu0, "a start");
    snprintf(path, sizeof path, "%s/mdp/starts", dir);
    FILE *f = open_beside(path, ".csv");
    if (!f) return INFINITY;
    while (next_row(f, row_name, x))
        if (strcmp(row_name, name) == 0 && x[0] < M->nS) mu0[(int)x[0]] = x[1];
    fclose(f);
    for (int s = 0; s < M->nS; s++) worst = greater(worst, apart(M->mu0[s], mu0[s]));
    free(mu0);
    return worst;
}

static double mdp_error(const mdp *M, const char *dir, const char *stem, const char *name)
{
    char path[PATH_SIZE], row_name[64];
    double x[6], shape[4] = { 0 };
    snprintf(path, sizeof path, "%s/mdp/index", dir);
    FILE *index = open_beside(path, ".csv"), *f = open_beside(stem, ".transitions.csv");
    if (!index || !f) return INFINITY;
    while (next_row(index, row_name, x) > 0)
        if (strcmp(row_name, name) == 0) memcpy(shape, x, sizeof shape);
    fclose(index);
    int episodic = shape[3] != 0, nS = (int)shape[0] + episodic;
    if (M->nS != nS || M->nA != (int)shape[1]) return INFINITY;
    dense t = expected_table(f, nS, M->nA, episodic);
    double worst = greater(table_error(M, &t), start_error(M, dir, name));
    fclose(f);
    free(t.P);
    free(t.PR);
    return worst;
}

static void check_file(const char *dir, const char *folder, const char *path)
{
    char error[512], stem[PATH_SIZE], label[PATH_SIZE + 32];
    snprintf(stem, sizeof stem, "%.*s", (int)(strlen(path) - strlen(".mdp")), path);
    const char *slash = strrchr(stem, '/');
    snprintf(label, sizeof label, "%s/%s", folder, slash ? slash + 1 : stem);
    mdp *M = mdp_read(path, error, sizeof error);
    if (!M) fprintf(stderr, "%s\n", error);
    bool syntax = strcmp(folder, "mdp_syntax") == 0;
    size_t length = strlen(stem);
    if (!syntax && length > 3 && strcmp(stem + length - 3, "_g1") == 0) stem[length - 3] = '\0';
    slash = strrchr(stem, '/');
    report(label, !M ? INFINITY : syntax ? syntax_error(M, stem) : mdp_error(M, dir, stem, slash ? slash + 1 : stem));
    mdp_free(M);
}

int main(int argc, char **argv)
{
    static const char *const folder[] = { "mdp_syntax", "mdp" };
    if (argc != 2) bad_input("usage: reference_mdp DIR");
    for (int i = 0; i < 2; i++) {
        char pattern[PATH_SIZE];
        glob_t g;
        snprintf(pattern, sizeof pattern, "%s/%s/*.mdp", argv[1], folder[i]);
        if (glob(pattern, 0, NULL, &g) != 0) continue;
        for (size_t k = 0; k < g.gl_pathc; k++) check_file(argv[1], folder[i], g.gl_pathv[k]);
        globfree(&g);
    }
    printf("%d passed, %d failed\n", passed, failed);
    return failed || !passed;
}
