/* Policies as tables of logits: see policy_file.h. */
#include "derivations/policy_file.h"

#include <errno.h>
#include <gsl/gsl_randist.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "autodiff/random.h"
#include "autodiff/require.h"

enum { MAX_LINE = 1 << 20 };

struct reader { const char *path; int line; char *error; size_t size; };

static bool wrong(const struct reader *r, int column, const char *expected, const char *found)
{
    char shown[33];
    size_t n = 0;
    for (; n < sizeof shown - 1 && found[n] && !strchr(",\r\n", found[n]); n++)
        shown[n] = found[n] >= ' ' && found[n] <= '~' ? found[n] : '?';
    shown[n] = '\0';
    snprintf(r->error, r->size, "%s:%d:%d: expected %s, found %s%s%s", r->path, r->line, column, expected,
             n ? "\"" : "", n ? shown : "the end of the line", n ? "\"" : "");
    return false;
}

/* One row: nA numbers, a comma between two. */
static bool read_row(const struct reader *r, const char *text, int nA, double *row)
{
    const char *p = text;
    char expected[64];
    for (int a = 0; a < nA; a++) {
        p += strspn(p, " \t");
        char *end;
        double x = strtod(p, &end);
        if (end == p || !isfinite(x) || strspn(p, "+-0123456789.eE") < (size_t)(end - p)) {
            snprintf(expected, sizeof expected, "a finite logit (number %d of %d)", a + 1, nA);
            return wrong(r, (int)(p - text) + 1, expected, p);
        }
        row[a] = x;
        p = end + strspn(end, " \t");
        if (a < nA - 1 && *p != ',') {
            snprintf(expected, sizeof expected, "a comma and number %d of %d", a + 2, nA);
            return wrong(r, (int)(p - text) + 1, expected, p);
        }
        if (a < nA - 1) p++;
    }
    if (*p == '\0') return true;
    snprintf(expected, sizeof expected, "the end of the line after %d numbers", nA);
    char found[40];
    snprintf(found, sizeof found, "%c%.30s", *p == ',' ? ';' : *p, p + 1);
    if (*p == ',') memcpy(found, "a comma", sizeof "a comma");
    return wrong(r, (int)(p - text) + 1, expected, found);
}

/* The next line that holds something, without its comment and end; false at the end of the file. */
static bool next_line(FILE *f, struct reader *r, char *line)
{
    while (fgets(line, MAX_LINE, f)) {
        r->line++;
        line[strcspn(line, "#\r\n")] = '\0';
        if (line[strspn(line, " \t")] != '\0') return true;
    }
    return false;
}

static bool read_rows(FILE *f, struct reader *r, const mdp *M, double *logits)
{
    char *line = allocate(MAX_LINE, 1, "a line of a policy file");
    bool ok = true;
    int s = 0, needed = M->nS;
    while (needed > 0 && mdp_absorbing(M, needed - 1)) needed--;
    while (ok && next_line(f, r, line)) {
        char expected[64];
        snprintf(expected, sizeof expected, "%d rows, one for each state", M->nS);
        ok = s < M->nS ? read_row(r, line, M->nA, logits + s * M->nA) : wrong(r, 1, expected, line);
        s++;
    }
    if (ok && ferror(f)) {
        snprintf(r->error, r->size, "%s: %s", r->path, strerror(errno));
        ok = false;
    } else if (ok && s < needed) {
        r->line++;
        snprintf(r->error, r->size, "%s:%d:1: expected %d rows, one for each state, found the end of the file after %d",
                 r->path, r->line, M->nS, s);
        ok = false;
    }
    for (; s < M->nS; s++)
        for (int a = 0; a < M->nA; a++) logits[s * M->nA + a] = 0;
    free(line);
    return ok;
}

bool policy_read(const char *path, const mdp *M, double *logits, char *error, size_t size)
{
    struct reader r = { path, 0, error, size };
    FILE *f = fopen(path, "r");
    if (!f) {
        snprintf(error, size, "%s: %s", path, strerror(errno));
        return false;
    }
    bool ok = read_rows(f, &r, M, logits);
    fclose(f);
    return ok;
}

void policy_random(const mdp *M, uint64_t seed, uint32_t worker, double *logits)
{
    gsl_rng *rng = random_stream(seed, worker, RANDOM_POLICY);
    for (int i = 0; i < M->nS * M->nA; i++) logits[i] = gsl_ran_gaussian_ziggurat(rng, 1);
    gsl_rng_free(rng);
}
