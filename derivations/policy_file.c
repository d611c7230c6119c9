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

enum { FILE_MAX = 64000000 };                   /* bytes */

struct reader {
    const char *path;
    const char *a_number;                       /* "a logit" */
    char *at, *end;                             /* what is unread */
    int line;                                   /* the last one read, from 1 */
    bool failed;
    char *error;                                /* [size] */
    size_t size;
};

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

/* One row: n numbers, a comma between two. The line is NUL-terminated. */
static bool read_row(const struct reader *r, const char *line, int n, double *row)
{
    const char *p = line;
    char expected[64];
    for (int a = 0; a < n; a++) {
        p += strspn(p, " \t");
        char *end;
        double x = strtod(p, &end);
        size_t decimal = strspn(p, "+-0123456789.eE"), length = strcspn(p, ",");
        snprintf(expected, sizeof expected, "%s in [-1e300, 1e300] (number %d of %d)", r->a_number, a + 1, n);
        if (end == p || decimal < (size_t)(end - p) || !(fabs(x) <= LOGIT_MAX))
            return wrong(r, line, p, length, expected);
        row[a] = x;
        p = end + strspn(end, " \t");
        snprintf(expected, sizeof expected, "a comma and number %d of %d", a + 2, n);
        if (a < n - 1 && *p != ',') return wrong(r, line, p, strcspn(p, ","), expected);
        if (a < n - 1) p++;
    }
    snprintf(expected, sizeof expected, "the end of the line after %d number%s", n, n == 1 ? "" : "s");
    return *p == '\0' || wrong(r, line, p, strlen(p), expected);
}

/* The next line that holds something, cut at its comment or end; NULL at the end of the text, or after
 * an error. text[length], past the end, is a NUL. */
static char *next_line(struct reader *r)
{
    while (r->at < r->end) {
        char *line = r->at, *end = memchr(line, '\n', (size_t)(r->end - line));
        if (!end) end = r->end;
        r->at = end < r->end ? end + 1 : end;
        r->line++;
        *end = '\0';
        if (end > line && end[-1] == '\r') *--end = '\0';
        size_t n = strcspn(line, "#\r");                        /* and at a NUL */
        if (line + n < end && line[n] != '#') {
            wrong(r, line, line + n, 1, "text");
            r->failed = true;
            return NULL;
        }
        line[n] = '\0';
        if (line[strspn(line, " \t")] != '\0') return line;
    }
    return NULL;
}

static bool read_rows(struct reader *r, const mdp *M, double *logits)
{
    char expected[64], *line;
    int s = 0, needed = M->nS;
    while (needed > 0 && mdp_absorbing(M, needed - 1)) needed--;
    snprintf(expected, sizeof expected, "%d rows, one for each state", M->nS);
    while ((line = next_line(r))) {
        if (s == M->nS) return wrong(r, line, line, strlen(line), expected);
        if (!read_row(r, line, M->nA, logits + s * M->nA)) return false;
        s++;
    }
    if (r->failed) return false;
    if (s < needed) {
        snprintf(r->error, r->size, "%s:%d:1: expected %s, found the end of the file after %d", r->path,
                 r->line + 1, expected, s);
        return false;
    }
    for (int i = s * M->nA; i < M->nS * M->nA; i++) logits[i] = 0;
    return true;
}

bool policy_parse(const char *name, const char *text, size_t length, const mdp *M, double *logits, char *error,
                  size_t size)
{
    char *copy = allocate(length + 1, 1, "policy");
    memcpy(copy, text, length);
    struct reader r = { .path = name, .a_number = "a logit", .at = copy, .end = copy + length, .error = error,
                        .size = size };
    bool ok = read_rows(&r, M, logits);
    free(copy);
    return ok;
}

/* The whole of a file, with a NUL behind it, to be freed; NULL and one line in error */
static char *whole_text(const char *path, const char *what, size_t *length, char *error, size_t size)
{
    FILE *f = fopen(path, "r");
    if (!f) {
        if (errno == ENOMEM) out_of_memory(0, path);
        snprintf(error, size, "%s: %s", path, strerror(errno));
        return NULL;
    }
    char *text = NULL;
    size_t room = 0;
    *length = 0;
    while (*length <= FILE_MAX && !feof(f) && !ferror(f)) {
        if (*length + 1 >= room) text = reallocate(text, room = room ? 2 * room : 1 << 16, 1, what);
        errno = 0;
        *length += fread(text + *length, 1, room - 1 - *length, f);
    }
    bool ok = !ferror(f) && *length <= FILE_MAX;
    if (ferror(f)) snprintf(error, size, "%s: %s", path, errno ? strerror(errno) : "read failed");
    else if (!ok) snprintf(error, size, "%s: expected at most %d bytes, found more", path, FILE_MAX);
    fclose(f);
    if (ok) {
        text[*length] = '\0';
        return text;
    }
    free(text);
    return NULL;
}

bool policy_read(const char *path, const mdp *M, double *logits, char *error, size_t size)
{
    size_t length;
    char *text = whole_text(path, "policy", &length, error, size);
    bool ok = text && policy_parse(path, text, length, M, logits, error, size);
    free(text);
    return ok;
}

int policy_read_values(const char *path, int nA, int rows, double *x, int *columns, char *error, size_t size)
{
    size_t length;
    char *line, *text = whole_text(path, "values", &length, error, size);
    if (!text) return -1;
    struct reader r = { .path = path, .a_number = "a value", .at = text, .end = text + length, .error = error,
                        .size = size };
    int n = 0;
    *columns = 1;
    while (!r.failed && (line = next_line(&r))) {
        char expected[64];
        snprintf(expected, sizeof expected, "at most %d rows", rows);
        if (n == 0 && strchr(line, ',')) *columns = 1 + nA;
        if (n == rows) r.failed = !wrong(&r, line, line, strlen(line), expected);
        else r.failed = !read_row(&r, line, *columns, x + n++ * *columns);
    }
    free(text);
    return r.failed ? -1 : n;
}

double *policy_named(const char *name, const mdp *M)
{
    char error[512];
    double *logits = allocate((size_t)M->nS * (size_t)M->nA, sizeof *logits, "logits");     /* 0: uniform */
    if (strcmp(name, "uniform") != 0 && !policy_read(name, M, logits, error, sizeof error)) bad_input("%s", error);
    return logits;
}

exact *policy_solved(const char *name, const mdp *M, double gamma)
{
    char error[512];
    double *logits = policy_named(name, M);
    exact *x = exact_new(M, gamma, logits, error, sizeof error);
    if (!x) bad_input("%s", error);
    free(logits);
    return x;
}

void policy_random(const mdp *M, uint64_t seed, uint32_t worker, double *logits)
{
    gsl_rng *rng = random_stream(seed, worker, RANDOM_POLICY);
    for (int i = 0; i < M->nS * M->nA; i++) logits[i] = gsl_ran_gaussian_ziggurat(rng, 1);
    gsl_rng_free(rng);
}
