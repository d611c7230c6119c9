/* Reads a regulator and a gain: the formats are in lqr.h. A file is a few lines, so all of it is read first. */
#include "envs/lqr.h"

#include <errno.h>
#include <float.h>
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "autodiff/linalg.h"
#include "autodiff/require.h"

enum { FILE_MAX = 4000000 };                    /* bytes: LQR_MAX^2 numbers eight times, 100 bytes each */
static const double NUMBER_MAX = 1e100;

enum block_name { DISCOUNT, A_, B_, Q_, R_, W_, MEAN, SIGMA0, BLOCKS };
static const char *const block_name[BLOCKS] = { "discount", "A", "B", "Q", "R", "W", "mean", "Sigma0" };

struct block { int line, rows, cols; double *x; };      /* line 0: not there; x [LQR_MAX x cols], owned */

struct reader {
    const char *path;
    char *at, *end;                             /* what is unread; *end is a NUL */
    const char *start;                          /* of the current line */
    int line;                                   /* its number, from 1 */
    bool failed;
    char *error;                                /* [size] */
    size_t size;
};

/* `path:line:column: ` and the text. Only the first error counts. */
static bool fail(struct reader *r, int line, const char *p, const char *fmt, ...) PRINTF_LIKE(4, 5);
static bool fail(struct reader *r, int line, const char *p, const char *fmt, ...)
{
    if (r->failed) return false;
    r->failed = true;
    int column = p ? (int)(p - r->start) + 1 : 1;
    int n = snprintf(r->error, r->size, "%s:%d:%d: ", r->path, line, column);
    if (n < 0 || (size_t)n >= r->size) return false;
    va_list args;
    va_start(args, fmt);
    vsnprintf(r->error + n, r->size - (size_t)n, fmt, args);
    va_end(args);
    return false;
}

/* `expected ..., found` the word at p */
static bool expected(struct reader *r, const char *p, const char *what)
{
    char found[32];
    size_t n = strcspn(p, " \t,");
    if (n == 0 && *p) n = 1;
    if (n > 24) n = 24;
    for (size_t i = 0; i < n; i++) found[i] = p[i] > ' ' && p[i] <= '~' ? p[i] : '?';
    found[n] = '\0';
    return fail(r, r->line, p, "expected %s, found %s%s%s", what, n ? "\"" : "the end of the line", found,
                n ? "\"" : "");
}

static char *skip_blanks(char *p) { return p + strspn(p, " \t"); }

/* The next line that holds something, without its comment and the blanks before it; NULL at the end. */
static char *next_line(struct reader *r)
{
    while (r->at < r->end && !r->failed) {
        char *line = r->at, *end = memchr(line, '\n', (size_t)(r->end - line));
        if (!end) end = r->end;
        r->at = end < r->end ? end + 1 : end;
        r->start = line;
        r->line++;
        if (end > line && end[-1] == '\r') end--;
        *end = '\0';
        size_t n = strcspn(line, "#");
        if (line[n] == '\0' && line + n < end) fail(r, r->line, line + n, "expected text, found '\\x00'");
        line[n] = '\0';
        line = skip_blanks(line);
        if (*line && !r->failed) return line;
    }
    return NULL;
}

/* One row of at most LQR_MAX numbers; how many, 0 after an error. */
static int read_row(struct reader *r, char *p, double *row)
{
    int n = 0;
    while (*p) {
        char *end;
        double x = strtod(p, &end);
        bool decimal = strspn(p, "+-0123456789.eE") >= (size_t)(end - p);
        if (end == p || !decimal || !(fabs(x) <= NUMBER_MAX) || !(*end == '\0' || strchr(" \t,", *end))) {
            expected(r, p, "a number in [-1e100, 1e100]");
            return 0;
        }
        if (n == LQR_MAX) {
            fail(r, r->line, p, "expected at most %d numbers, found more", LQR_MAX);
            return 0;
        }
        row[n++] = x;
        p = skip_blanks(end);
        if (*p != ',') continue;
        p = skip_blanks(p + 1);
        if (!*p) return expected(r, p, "a number after the comma"), 0;
    }
    return n;
}

/* One more row at p; the first one says how many numbers each has. */
static void add_row(struct reader *r, struct block *b, char *p)
{
    double row[LQR_MAX];
    int n = read_row(r, p, row);
    if (r->failed) return;
    if (b->rows == LQR_MAX) {
        fail(r, r->line, p, "expected at most %d rows, found more", LQR_MAX);
        return;
    }
    if (b->rows > 0 && n != b->cols) {
        fail(r, r->line, p, "expected %d numbers as in the row above, found %d", b->cols, n);
        return;
    }
    if (b->rows == 0) b->x = allocate((size_t)n * LQR_MAX, sizeof *b->x, "a matrix");
    b->cols = n;
    memcpy(b->x + b->rows++ * n, row, (size_t)n * sizeof *row);
}

/* The block that the line at *p begins, *p moved behind its colon */
static struct block *begin_block(struct reader *r, struct block *block, char **p)
{
    size_t n = strcspn(*p, ": \t");
    char *colon = skip_blanks(*p + n);
    for (int i = 0; i < BLOCKS && *colon == ':'; i++) {
        if (strlen(block_name[i]) != n || strncmp(*p, block_name[i], n) != 0) continue;
        if (block[i].line) fail(r, r->line, *p, "expected %s once, found it again after line %d", block_name[i],
                                block[i].line);
        block[i].line = r->line;
        *p = skip_blanks(colon + 1);
        return &block[i];
    }
    expected(r, *p, "discount:, A:, B:, Q:, R:, W:, mean: or Sigma0:");
    return NULL;
}

static bool read_blocks(struct reader *r, struct block *block)
{
    struct block *b = NULL;
    for (char *p; (p = next_line(r)); ) {
        if (!b || strchr(p, ':')) b = begin_block(r, block, &p);
        if (b && *p) add_row(r, b, p);
    }
    return !r->failed;
}

/* ---- what the blocks must be ---- */

/* rows or cols 0: any number; an absent block is right */
static bool check_shape(struct reader *r, const struct block *block, int i, int rows, int cols)
{
    const struct block *b = &block[i];
    if (!b->line || (b->rows == rows && b->cols == cols)) return true;
    if (b->rows == 0) return fail(r, b->line, NULL, "expected numbers of %s, found none", block_name[i]);
    return fail(r, b->line, NULL, "expected %s of %d row%s of %d number%s, found %d of %d", block_name[i], rows,
                rows == 1 ? "" : "s", cols, cols == 1 ? "" : "s", b->rows, b->cols);
}

static bool check_shapes(struct reader *r, const struct block *block)
{
    static const int needed[] = { DISCOUNT, A_, B_, Q_, R_ };
    for (size_t i = 0; i < sizeof needed / sizeof *needed; i++)
        if (!block[needed[i]].line)
            return fail(r, r->line + 1, NULL, "expected a block %s:, found the end of the file",
                        block_name[needed[i]]);
    if (!block[MEAN].line && !block[SIGMA0].line)
        return fail(r, r->line + 1, NULL, "expected a start, mean: or Sigma0:, found the end of the file");
    int n = block[A_].cols > 0 ? block[A_].cols : 1, m = block[B_].cols > 0 ? block[B_].cols : 1;
    return check_shape(r, block, DISCOUNT, 1, 1) && check_shape(r, block, A_, n, n) &&
           check_shape(r, block, B_, n, m) && check_shape(r, block, Q_, n, n) && check_shape(r, block, R_, m, m) &&
           check_shape(r, block, W_, n, n) && check_shape(r, block, MEAN, 1, n) &&
           check_shape(r, block, SIGMA0, n, n);
}

static bool check_symmetric(struct reader *r, const struct block *block, int i)
{
    const struct block *b = &block[i];
    for (int j = 0; j < b->rows; j++)
        for (int k = 0; k < j; k++)
            if (b->x[j * b->cols + k] != b->x[k * b->cols + j])
                return fail(r, b->line, NULL, "expected %s symmetric, found %g in row %d, column %d and %g across",
                            block_name[i], b->x[j * b->cols + k], j + 1, k + 1, b->x[k * b->cols + j]);
    return true;
}

/* Symmetric, no eigenvalue below 0, or, of a definite one, none that rounding could make 0 */
static bool check_covariance(struct reader *r, const struct block *block, int i, bool definite)
{
    const struct block *b = &block[i];
    if (!b->line) return true;
    if (!check_symmetric(r, block, i)) return false;
    double w[LQR_MAX], *U = allocate((size_t)(b->rows * b->rows), sizeof *U, "eigenvectors");
    linalg_eigen_symmetric(b->rows, b->x, w, U);
    free(U);
    double rounding = 4 * b->rows * DBL_EPSILON * linalg_max_abs(b->rows, w);          /* as lqr_root's */
    if (definite ? w[0] > rounding : w[0] >= -rounding) return true;
    return fail(r, b->line, NULL, "expected %s positive %s, found an eigenvalue %g", block_name[i],
                definite ? "definite" : "semidefinite", w[0]);
}

static bool check_discount(struct reader *r, const struct block *block)
{
    const struct block *b = &block[DISCOUNT], *W = &block[W_];
    if (!(0 <= b->x[0] && b->x[0] <= 1))
        return fail(r, b->line, NULL, "expected a discount in [0, 1], found %g", b->x[0]);
    if (b->x[0] < 1 || !W->line || linalg_max_abs(W->rows * W->cols, W->x) == 0) return true;
    return fail(r, b->line, NULL, "expected a discount below 1, as W is not zero, found 1");
}

static void copy_block(const struct block *b, double *x)
{
    if (b->line) memcpy(x, b->x, (size_t)(b->rows * b->cols) * sizeof *x);
}

static lqr_system *system_of(struct reader *r, struct block *block)
{
    bool ok = read_blocks(r, block) && check_shapes(r, block) && check_discount(r, block) &&
              check_covariance(r, block, Q_, false) && check_covariance(r, block, R_, true) &&
              check_covariance(r, block, W_, false) && check_covariance(r, block, SIGMA0, false);
    if (!ok) return NULL;
    lqr_system *L = lqr_system_new(block[A_].rows, block[B_].cols);
    L->gamma = block[DISCOUNT].x[0];
    copy_block(&block[A_], L->A);
    copy_block(&block[B_], L->B);
    copy_block(&block[Q_], L->Q);
    copy_block(&block[R_], L->R);
    copy_block(&block[W_], L->W);
    copy_block(&block[MEAN], L->mean);
    copy_block(&block[SIGMA0], L->Sigma0);
    return L;
}

/* ---- texts and files ---- */

static char *copy_text(const char *text, size_t length)
{
    char *copy = allocate(length + 1, 1, "a file");
    memcpy(copy, text, length);
    return copy;
}

lqr_system *lqr_system_parse(const char *name, const char *text, size_t length, char *error, size_t size)
{
    char *copy = copy_text(text, length);
    struct block block[BLOCKS] = { { 0 } };
    struct reader r = { .path = name, .at = copy, .end = copy + length, .start = copy, .error = error,
                        .size = size };
    lqr_system *L = system_of(&r, block);
    for (int i = 0; i < BLOCKS; i++) free(block[i].x);
    free(copy);
    return L;
}

bool lqr_gain_parse(const char *name, const char *text, size_t length, const lqr_system *L, double *K, char *error,
                    size_t size)
{
    char *copy = copy_text(text, length), *p;
    struct block b = { 0 };
    struct reader r = { .path = name, .at = copy, .end = copy + length, .start = copy, .error = error,
                        .size = size };
    while ((p = next_line(&r))) {
        if (b.rows == L->m) fail(&r, r.line, p, "expected %d row%s, one for each action, found more", L->m,
                                 L->m == 1 ? "" : "s");
        add_row(&r, &b, p);
        if (!r.failed && b.cols != L->n)
            fail(&r, r.line, p, "expected %d number%s, one for each state, found %d", L->n, L->n == 1 ? "" : "s",
                 b.cols);
    }
    if (!r.failed && b.rows < L->m)
        fail(&r, r.line + 1, NULL, "expected %d row%s, one for each action, found the end of the file after %d",
             L->m, L->m == 1 ? "" : "s", b.rows);
    if (!r.failed) memcpy(K, b.x, (size_t)(L->m * L->n) * sizeof *K);
    free(b.x);
    free(copy);
    return !r.failed;
}

/* The whole of a file, to be freed; NULL and one line in error */
static char *whole_text(const char *path, size_t *length, char *error, size_t size)
{
    FILE *f = fopen(path, "r");
    if (!f && errno == ENOMEM) out_of_memory(0, path);
    if (!f) {
        snprintf(error, size, "%s: %s", path, strerror(errno));
        return NULL;
    }
    char *text = allocate(FILE_MAX + 1, 1, "a file");
    errno = 0;
    *length = fread(text, 1, FILE_MAX + 1, f);
    bool lost = ferror(f);
    if (lost) snprintf(error, size, "%s: %s", path, errno ? strerror(errno) : "read failed");
    else if (*length > FILE_MAX)
        snprintf(error, size, "%s: expected at most %d bytes, found more", path, FILE_MAX);
    fclose(f);
    if (!lost && *length <= FILE_MAX) return text;
    free(text);
    return NULL;
}

bool lqr_is_file(const char *name)
{
    size_t n = strlen(name);
    return n > 4 && strcmp(name + n - 4, ".lqr") == 0;
}

lqr_system *lqr_system_read(const char *path, char *error, size_t size)
{
    size_t length;
    char *text = whole_text(path, &length, error, size);
    lqr_system *L = text ? lqr_system_parse(path, text, length, error, size) : NULL;
    free(text);
    return L;
}

bool lqr_gain_read(const char *path, const lqr_system *L, double *K, char *error, size_t size)
{
    size_t length;
    char *text = whole_text(path, &length, error, size);
    bool ok = text && lqr_gain_parse(path, text, length, L, K, error, size);
    free(text);
    return ok;
}
