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

static const double LOGIT_MAX = 1e300;          /* so that no difference of two overflows */

struct reader { const char *path; int line; char *error; size_t size; };

/* `path:line:column: expected ..., found` the n bytes at p, or the end of the line */
static bool wrong(const struct reader *r, const char *line, const char *p, size_t n, const char *expected)
{
    char found[40] = "the end of the line";
    if (n > 24) n = 24;
    for (size_t i = 0; i < n; i++) found[i + 1] = p[i] >= ' ' && p[i] <= '~' ? p[i] : '?';
    if (n > 0) {
        found[0] = found[n + 1] = '"';
        found[n + 2] = '\0';
    }
    snprintf(r->error, r->size, "%s:%d:%d: expected %s, found %s", r->path, r->line, (int)(p - line) + 1,
             expected, found);
    return false;
}

/* One row: nA numbers, a comma between two. The line is NUL-terminated. */
static bool read_row(const struct reader *r, const char *line, int nA, double *row)
{
    const char *p = line;
    char expected[64];
    for (int a = 0; a < nA; a++) {
        p += strspn(p, " \t");
        char *end;
        double x = strtod(p, &end);
        size_t decimal = strspn(p, "+-0123456789.eE"), n = strcspn(p, ",");
        snprintf(expected, sizeof expected, "a finite logit (number %d of %d)", a + 1, nA);
        if (end == p || decimal < (size_t)(end - p) || !(fabs(x) <= LOGIT_MAX))
            return wrong(r, line, p, n, expected);
        row[a] = x;
        p = end + strspn(end, " \t");
        snprintf(expected, sizeof expected, "a comma and number %d of %d", a + 2, nA);
        if (a < nA - 1 && *p != ',') return wrong(r, line, p, strcspn(p, ","), expected);
        if (a < nA - 1) p++;
    }
    snprintf(expected, sizeof expected, "the end of the line after %d numbers", nA);
    return *p == '\0' || wrong(r, line, p, strlen(p), expected);
}

/* Reads lines until one holds something, and cuts its comment and end off. 1: there is one, 0: end of the
 * file, -1: error. */
static int next_line(FILE *f, struct reader *r, char **line, size_t *room)
{
    ssize_t length;
    while ((length = getline(line, room, f)) >= 0) {
        char *text = *line;
        r->line++;
        if (length > 0 && text[length - 1] == '\n') text[--length] = '\0';
        if (length > 0 && text[length - 1] == '\r') text[--length] = '\0';
        size_t n = strcspn(text, "#\r");                       /* and at a NUL */
        if (n < (size_t)length && text[n] != '#') return wrong(r, text, text + n, 1, "text") - 1;
        text[n] = '\0';
        if (text[strspn(text, " \t")] != '\0') return 1;
    }
    if (feof(f)) return 0;
    if (!ferror(f)) out_of_memory(0, "a line of a policy");     /* getline had no room for it */
    snprintf(r->error, r->size, "%s: %s", r->path, strerror(errno));
    return -1;
}

static bool read_rows(FILE *f, struct reader *r, const mdp *M, char **line, size_t *room, double *logits)
{
    char expected[64];
    int s = 0, needed = M->nS, found;
    while (needed > 0 && mdp_absorbing(M, needed - 1)) needed--;
    snprintf(expected, sizeof expected, "%d rows, one for each state", M->nS);
    while ((found = next_line(f, r, line, room)) > 0) {
        if (s == M->nS) return wrong(r, *line, *line, strlen(*line), expected);
        if (!read_row(r, *line, M->nA, logits + s * M->nA)) return false;
        s++;
    }
    if (found < 0) return false;
    if (s < needed) {
        snprintf(r->error, r->size, "%s:%d:1: expected %s, found the end of the file after %d", r->path,
                 r->line + 1, expected, s);
        return false;
    }
    for (int i = s * M->nA; i < M->nS * M->nA; i++) logits[i] = 0;
    return true;
}

bool policy_read(const char *path, const mdp *M, double *logits, char *error, size_t size)
{
    struct reader r = { path, 0, error, size };
    FILE *f = fopen(path, "r");
    if (!f) {
        if (errno == ENOMEM) out_of_memory(0, path);
        snprintf(error, size, "%s: %s", path, strerror(errno));
        return false;
    }
    char *line = NULL;
    size_t room = 0;
    bool ok = read_rows(f, &r, M, &line, &room, logits);
    free(line);
    fclose(f);
    return ok;
}

void policy_random(const mdp *M, uint64_t seed, uint32_t worker, double *logits)
{
    gsl_rng *rng = random_stream(seed, worker, RANDOM_POLICY);
    for (int i = 0; i < M->nS * M->nA; i++) logits[i] = gsl_ran_gaussian_ziggurat(rng, 1);
    gsl_rng_free(rng);
}
