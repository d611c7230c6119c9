/* The operators of autodiff/ad.h and ad_node.h, each once more as a naive loop over 113-bit numbers, in one
 * table: how it is recorded, the loop, its shapes, where its operands are drawn. The generic tests run over the
 * table at every size. */
#ifndef ASCENT_TESTS_AD_OPERATORS_H
#define ASCENT_TESTS_AD_OPERATORS_H

#include <gsl/gsl_rng.h>

#include "autodiff/ad.h"
#include "autodiff/ad_node.h"
#include "tests/ad_reference.h"

typedef struct { int r, c; } shape;
typedef struct op op;
struct op {
    const char *name;                                   /* as in ad.h, without ad_ */
    ad   (*build)(const op *o, const ad *x);
    void (*naive)(const op *o, const quad *a, const quad *b, const quad *c, quad *y);
    shape in[3], y;                                     /* {0, 0}: no such operand */
    int k[2];                                           /* attributes: transposes, a number in quarters, .. */
    double low, high;                                   /* entries are uniform there */
    double scale;                                       /* S is at least that; 0: 1 */
    bool sums;                                          /* an entry of a result or derivative sums several terms */
    bool dominant;                                      /* the diagonal of a is made to dominate */
    int index[17];                                      /* gather: repeated, and not in order */
};

/* ---- recording; x: the operands ---- */
#define BUILD(name) static inline ad build_##name(const op *o, const ad *x)

BUILD(add)      { (void)o; return ad_add(x[0], x[1]); }
BUILD(sub)      { (void)o; return ad_sub(x[0], x[1]); }
BUILD(mul)      { (void)o; return ad_mul(x[0], x[1]); }
BUILD(div)      { (void)o; return ad_div(x[0], x[1]); }
BUILD(scale)    { return ad_scale(o->k[0] / 4.0, x[0]); }
BUILD(shift)    { return ad_shift(x[0], o->k[0] / 4.0); }
BUILD(square)   { (void)o; return ad_square(x[0]); }
BUILD(pow)      { return ad_pow(x[0], o->k[0] / 4.0); }
BUILD(exp)      { (void)o; return ad_exp(x[0]); }
BUILD(log)      { (void)o; return ad_log(x[0]); }
BUILD(sqrt)     { (void)o; return ad_sqrt(x[0]); }
BUILD(tanh)     { (void)o; return ad_tanh(x[0]); }
BUILD(dtanh)    { (void)o; return ad_dtanh(x[0], x[1]); }
BUILD(mul3)     { return ad_mul3(o->k[0] / 4.0, x[0], x[1], x[2]); }
BUILD(sigmoid)  { (void)o; return ad_sigmoid(x[0]); }
BUILD(softplus) { (void)o; return ad_softplus(x[0]); }
BUILD(relu)     { (void)o; return ad_relu(x[0]); }
BUILD(abs)      { (void)o; return ad_abs(x[0]); }
BUILD(min)      { (void)o; return ad_min(x[0], x[1]); }
BUILD(max)      { (void)o; return ad_max(x[0], x[1]); }
BUILD(clip)     { return ad_clip(x[0], o->k[0] / 4.0, o->k[1] / 4.0); }
BUILD(where)    { (void)o; return ad_where(ad_relu(x[0]), x[1], x[2]); }            /* where x[0] > 0 */
BUILD(keep)     { return ad_keep(x[0], ad_relu(x[1]), o->k[0]); }
BUILD(less)     { (void)o; return ad_less(x[0], x[1]); }
BUILD(inside)   { return ad_inside(x[0], o->k[0] / 4.0, o->k[1] / 4.0); }
BUILD(sign)     { (void)o; return ad_sign(x[0]); }
BUILD(smul)     { (void)o; return ad_smul(x[0], x[1]); }
BUILD(dot)      { (void)o; return ad_dot(x[0], x[1]); }
BUILD(sum)      { (void)o; return ad_sum(x[0]); }
BUILD(mean)     { (void)o; return ad_mean(x[0]); }
BUILD(row_sum)  { (void)o; return ad_row_sum(x[0]); }
BUILD(col_sum)  { (void)o; return ad_col_sum(x[0]); }
BUILD(spread)   { return ad_spread(x[0], o->y.r, o->y.c); }
BUILD(cols)     { return ad_cols(x[0], o->y.c); }
BUILD(rows)     { return ad_rows(x[0], o->y.r); }
BUILD(transpose) { (void)o; return ad_transpose(x[0]); }
BUILD(concat)   { (void)o; return ad_concat(x[0], x[1]); }
BUILD(columns)  { return ad_columns(x[0], o->in[0].c - o->y.c, o->y.c); }
BUILD(into_columns) { return ad_into_columns(x[0], o->y.c - o->in[0].c, o->y.c); }
BUILD(view)     { return ad_view(x[0], o->k[0], o->y.r, o->y.c); }
BUILD(matmul)   { return ad_matmul_t(o->k[0], o->k[1], x[0], x[1]); }
BUILD(dense)    { return ad_dense(x[0], x[1], x[2], (enum ad_activation)o->k[0]); }
BUILD(solve)    { return ad_solve_(o->k[0], x[0], x[1], AD_AT); }
BUILD(row_max)  { (void)o; return ad_row_max(x[0]); }
BUILD(at_max)   { (void)o; return ad_at_max(x[0], x[1]); }
BUILD(of_max)   { (void)o; return ad_of_max(x[0], x[1]); }
BUILD(log_softmax) { (void)o; return ad_log_softmax(x[0]); }
BUILD(log_sum_exp) { (void)o; return ad_log_sum_exp(x[0]); }
BUILD(gather)   { return ad_gather(x[0], o->index); }
BUILD(ungather) { return ad_ungather(x[0], o->index, o->y.c); }

/* a from the start, b from k[0] on, or behind a: one behind the other, overlapping, or apart */
BUILD(assemble)
{
    int *place = ad_alloc(x[0]->tape, 2 * sizeof *place);
    place[0] = 0;
    place[1] = o->k[0] < 0 ? ad_nrows(x[0]) * ad_ncols(x[0]) : o->k[0];
    return ad_assemble(x[0]->tape, o->y.r, o->y.c, 2, x, place, AD_AT);
}

/* ---- the naive loops; a, b, c: the operands, m: columns of y ---- */
#define NAIVE(name) \
    static inline void naive_##name(const op *o, const quad *a, const quad *b, const quad *c, quad *y)
#define EACH(i) (void)b; (void)c; for (int i = 0, m = o->y.c; i < o->y.r * m; i++)
#define A_ENTRIES (o->in[0].r * o->in[0].c)
#define A_COLS (o->in[0].c)

NAIVE(add)      { EACH(i) y[i] = a[i] + b[i]; }
NAIVE(sub)      { EACH(i) y[i] = a[i] - b[i]; }
NAIVE(mul)      { EACH(i) y[i] = a[i] * b[i]; }
NAIVE(div)      { EACH(i) y[i] = a[i] / b[i]; }
NAIVE(scale)    { EACH(i) y[i] = a[i] * o->k[0] / 4; }
NAIVE(shift)    { EACH(i) y[i] = a[i] + (quad)o->k[0] / 4; }
NAIVE(square)   { EACH(i) y[i] = a[i] * a[i]; }
NAIVE(pow)      { EACH(i) y[i] = quad_pow(a[i], (quad)o->k[0] / 4); }
NAIVE(exp)      { EACH(i) y[i] = quad_exp(a[i]); }
NAIVE(log)      { EACH(i) y[i] = quad_log(a[i]); }
NAIVE(sqrt)     { EACH(i) y[i] = quad_pow(a[i], (quad)1 / 2); }
NAIVE(tanh)     { EACH(i) y[i] = quad_tanh(a[i]); }
NAIVE(dtanh)    { EACH(i) y[i] = a[i] * (1 - b[i] * b[i]); }
NAIVE(mul3)     { EACH(i) y[i] = (quad)o->k[0] / 4 * a[i] * b[i] * c[i]; }
NAIVE(sigmoid)  { EACH(i) y[i] = quad_sigmoid(a[i]); }
NAIVE(softplus) { EACH(i) y[i] = quad_log(1 + quad_exp(a[i])); }
NAIVE(relu)     { EACH(i) y[i] = a[i] > 0 ? a[i] : 0; }
NAIVE(abs)      { EACH(i) y[i] = quad_abs(a[i]); }
NAIVE(min)      { EACH(i) y[i] = a[i] < b[i] ? a[i] : b[i]; }
NAIVE(max)      { EACH(i) y[i] = a[i] > b[i] ? a[i] : b[i]; }
NAIVE(where)    { EACH(i) y[i] = a[i] > 0 ? b[i] : c[i]; }
NAIVE(keep)     { EACH(i) y[i] = (b[i] > 0) == o->k[0] ? a[i] : 0; }
NAIVE(less)     { EACH(i) y[i] = a[i] < b[i]; }
NAIVE(sign)     { EACH(i) y[i] = a[i] > 0 ? 1 : a[i] < 0 ? -1 : 0; }
NAIVE(inside)   { EACH(i) y[i] = 4 * a[i] >= o->k[0] && 4 * a[i] <= o->k[1]; }
NAIVE(smul)     { EACH(i) y[i] = a[0] * b[i]; }
NAIVE(spread)   { EACH(i) y[i] = a[0]; }
NAIVE(cols)     { EACH(i) y[i] = a[i / m]; }
NAIVE(rows)     { EACH(i) y[i] = a[i % m]; }
NAIVE(view)     { EACH(i) y[i] = a[o->k[0] + i]; }
NAIVE(transpose) { EACH(i) y[i] = a[i % m * A_COLS + i / m]; }
NAIVE(columns)  { EACH(i) y[i] = a[i / m * A_COLS + A_COLS - m + i % m]; }
NAIVE(gather)   { EACH(i) y[i] = a[i * A_COLS + o->index[i]]; }
NAIVE(ungather) { EACH(i) y[i] = i % m == o->index[i / m] ? a[i / m] : 0; }

NAIVE(clip)
{
    quad lo = (quad)o->k[0] / 4, hi = (quad)o->k[1] / 4;
    EACH(i) y[i] = a[i] < lo ? lo : a[i] < hi ? a[i] : hi;
}

NAIVE(concat)
{
    int p = o->in[0].c, q = o->in[1].c;
    EACH(i) y[i] = i % m < p ? a[i / m * p + i % m] : b[i / m * q + i % m - p];
}

NAIVE(into_columns)
{
    EACH(i) {
        int j = i % m - (m - A_COLS);
        y[i] = j < 0 ? 0 : a[i / m * A_COLS + j];
    }
}

NAIVE(assemble)
{
    int place = o->k[0] < 0 ? A_ENTRIES : o->k[0];
    EACH(i) y[i] = 0;
    for (int i = 0; i < A_ENTRIES; i++) y[i] += a[i];
    for (int i = 0; i < o->in[1].r * o->in[1].c; i++) y[place + i] += b[i];
}

NAIVE(dot)
{
    EACH(i) y[i] = 0;
    for (int i = 0; i < A_ENTRIES; i++) y[0] += a[i] * b[i];
}

NAIVE(sum)
{
    EACH(i) y[i] = 0;
    for (int i = 0; i < A_ENTRIES; i++) y[0] += a[i];
}

NAIVE(mean)
{
    EACH(i) y[i] = 0;
    for (int i = 0; i < A_ENTRIES; i++) y[0] += a[i] / A_ENTRIES;
}

NAIVE(row_sum)
{
    EACH(i) y[i] = 0;
    for (int i = 0; i < A_ENTRIES; i++) y[i / A_COLS] += a[i];
}

NAIVE(col_sum)
{
    EACH(i) y[i] = 0;
    for (int i = 0; i < A_ENTRIES; i++) y[i % A_COLS] += a[i];
}

NAIVE(matmul)
{
    int inner = o->k[0] ? o->in[0].r : A_COLS, n = o->in[1].c;
    EACH(i) {
        y[i] = 0;
        for (int l = 0; l < inner; l++)
            y[i] += (o->k[0] ? a[l * A_COLS + i / m] : a[i / m * A_COLS + l]) *
                    (o->k[1] ? b[i % m * n + l] : b[l * n + i % m]);
    }
}

NAIVE(dense)
{
    EACH(i) {
        y[i] = c[i % m];
        for (int l = 0; l < A_COLS; l++) y[i] += a[i / m * A_COLS + l] * b[l * m + i % m];
        if (o->k[0] == AD_TANH) y[i] = quad_tanh(y[i]);
        if (o->k[0] == AD_RELU && y[i] < 0) y[i] = 0;
    }
}

NAIVE(solve)                                /* Gauss-Jordan without pivoting: the diagonal dominates */
{
    int n = o->in[0].r, columns = o->in[1].c;
    quad A[MAX];
    EACH(i) y[i] = b[i];
    for (int i = 0; i < n * n; i++) A[i] = o->k[0] ? a[i % n * n + i / n] : a[i];
    for (int p = 0; p < n; p++) {
        quad pivot = A[p * n + p];
        for (int j = p; j < n; j++) A[p * n + j] /= pivot;
        for (int j = 0; j < columns; j++) y[p * columns + j] /= pivot;
        for (int i = 0; i < n; i++) {
            quad factor = i == p ? 0 : A[i * n + p];
            for (int j = p; j < n && i != p; j++) A[i * n + j] -= factor * A[p * n + j];
            for (int j = 0; j < columns && i != p; j++) y[i * columns + j] -= factor * y[p * columns + j];
        }
    }
}

static inline int greatest(int n, const quad *a)
{
    int at = n - 1;
    for (int j = n - 2; j >= 0; j--)
        if (a[j] >= a[at]) at = j;
    return at;
}

NAIVE(row_max)  { EACH(i) y[i] = a[i * A_COLS + greatest(A_COLS, a + i * A_COLS)]; }
NAIVE(at_max)   { EACH(i) y[i] = i % m == greatest(m, b + i / m * m) ? a[i / m] : 0; }
NAIVE(of_max)   { EACH(i) y[i] = a[i * A_COLS + greatest(A_COLS, b + i * A_COLS)]; }

NAIVE(log_sum_exp)                          /* as the formula stands, no maximum taken out */
{
    EACH(i) y[i] = 0;
    for (int i = 0; i < A_ENTRIES; i++) y[i / A_COLS] += quad_exp(a[i]);
    for (int i = 0; i < o->y.r; i++) y[i] = quad_log(y[i]);
}

NAIVE(log_softmax)
{
    quad sum[MAX] = { 0 };
    for (int i = 0; i < A_ENTRIES; i++) sum[i / A_COLS] += quad_exp(a[i]);
    for (int i = 0; i < o->y.r; i++) sum[i] = quad_log(sum[i]);
    EACH(i) y[i] = a[i] - sum[i / m];
}

/* ---- the table; sizes r, c, k are put in where it says R, C, K ---- */
enum { R = 1001, C, K, C2, KC };                        /* C2 = 2c, KC = k + c */
#define S(r, c) { r, c }
#define OP(op) .name = #op, .build = build_##op, .naive = naive_##op
#define UNARY(op, k0, k1, lo, hi) \
    { OP(op), .in = { S(R, C) }, .y = S(R, C), .k = { k0, k1 }, .low = lo, .high = hi }
#define BINARY(op, k0, lo, hi) \
    { OP(op), .in = { S(R, C), S(R, C) }, .y = S(R, C), .k = { k0 }, .low = lo, .high = hi }
#define MATMUL(ta, tb, a, b) \
    { OP(matmul), .in = { a, b }, .y = S(R, C), .k = { ta, tb }, .low = -1, .high = 1, .sums = true }
#define TO(op, a, result) { OP(op), .in = { a }, .y = result, .low = -1, .high = 1, .sums = true }

static const op table[] = {
    BINARY(add, 0, -1, 1), BINARY(sub, 0, -1, 1), BINARY(mul, 0, -2, 2), BINARY(div, 0, 0.5, 2),
    BINARY(div, 0, -2, -0.5),
    UNARY(scale, -3, 0, -1, 1), UNARY(scale, 10, 0, -1, 1), UNARY(scale, 0, 0, -1, 1), UNARY(shift, -3, 0, -1, 1),
    UNARY(square, 0, 0, -2, 2), UNARY(pow, 15, 0, 0.2, 2), UNARY(pow, -6, 0, 0.5, 2), UNARY(pow, 4, 0, 0.5, 2),
    UNARY(pow, 0, 0, 0.5, 2),
    UNARY(exp, 0, 0, -2, 2), UNARY(log, 0, 0, 0.2, 3), UNARY(sqrt, 0, 0, 0.2, 3), UNARY(tanh, 0, 0, -2, 2),
    UNARY(tanh, 0, 0, -30, 30), UNARY(sigmoid, 0, 0, -4, 4), UNARY(sigmoid, 0, 0, -30, 30),
    UNARY(softplus, 0, 0, -4, 4), UNARY(softplus, 0, 0, -30, 30), BINARY(dtanh, 0, -1, 1),
    { OP(mul3), .in = { S(R, C), S(R, C), S(R, C) }, .y = S(R, C), .k = { -8 }, .low = -1, .high = 1 },
    UNARY(relu, 0, 0, -1, 1), UNARY(abs, 0, 0, -1, 1), BINARY(min, 0, -1, 1), BINARY(max, 0, -1, 1),
    UNARY(clip, -2, 1, -1, 1),
    { OP(where), .in = { S(R, C), S(R, C), S(R, C) }, .y = S(R, C), .low = -1, .high = 1 },
    BINARY(keep, 1, -1, 1), BINARY(keep, 0, -1, 1), BINARY(less, 0, -1, 1), UNARY(inside, -2, 1, -1, 1),
    UNARY(sign, 0, 0, -1, 1),
    { OP(smul), .in = { S(1, 1), S(R, C) }, .y = S(R, C), .low = -1, .high = 1, .sums = true },
    { OP(dot), .in = { S(R, C), S(R, C) }, .y = S(1, 1), .low = -1, .high = 1, .sums = true },
    TO(sum, S(R, C), S(1, 1)), TO(mean, S(R, C), S(1, 1)), TO(spread, S(1, 1), S(R, C)),
    TO(row_sum, S(R, C), S(R, 1)), TO(cols, S(R, 1), S(R, C)), TO(col_sum, S(R, C), S(1, C)),
    TO(rows, S(1, C), S(R, C)), TO(transpose, S(R, C), S(C, R)),
    { OP(concat), .in = { S(R, K), S(R, C) }, .y = S(R, KC), .low = -1, .high = 1 },
    TO(columns, S(R, KC), S(R, C)), TO(into_columns, S(R, C), S(R, KC)),
    { OP(view), .in = { S(R, C2) }, .y = S(C, R), .k = { 0 }, .low = -1, .high = 1 },
    { OP(view), .in = { S(R, C2) }, .y = S(C, R), .k = { 1 }, .low = -1, .high = 1 },
    { OP(assemble), .in = { S(R, C), S(R, C) }, .y = S(R, C2), .k = { -1 }, .low = -1, .high = 1 },
    { OP(assemble), .in = { S(R, C), S(R, C) }, .y = S(R, C2), .k = { 1 }, .low = -1, .high = 1 },
    { OP(assemble), .in = { S(R, C), S(R, C) }, .y = S(R, C2), .k = { 0 }, .low = -1, .high = 1 },
    MATMUL(0, 0, S(R, K), S(K, C)), MATMUL(1, 0, S(K, R), S(K, C)), MATMUL(0, 1, S(R, K), S(C, K)),
    MATMUL(1, 1, S(K, R), S(C, K)),
#define DENSE(f) \
    { OP(dense), .in = { S(R, K), S(K, C), S(1, C) }, .y = S(R, C), .k = { f }, \
      .low = -1, .high = 1, .sums = true }
    DENSE(AD_LINEAR), DENSE(AD_TANH), DENSE(AD_RELU),
#define SOLVE(t) \
    { OP(solve), .in = { S(R, R), S(R, C) }, .y = S(R, C), .k = { t }, \
      .low = -1, .high = 1, .sums = true, .dominant = true }
    SOLVE(0), SOLVE(1),
    TO(row_max, S(R, C), S(R, 1)),
    { OP(at_max), .in = { S(R, 1), S(R, C) }, .y = S(R, C), .low = -1, .high = 1 },
    { OP(of_max), .in = { S(R, C), S(R, C) }, .y = S(R, 1), .low = -1, .high = 1 },
    /* in the second of each pair: 300 u of rounding in an exponent */
    { OP(log_softmax), .in = { S(R, C) }, .y = S(R, C), .low = -5, .high = 5, .scale = 5, .sums = true },
    { OP(log_softmax), .in = { S(R, C) }, .y = S(R, C), .low = -300, .high = 300, .scale = 300, .sums = true },
    { OP(log_sum_exp), .in = { S(R, C) }, .y = S(R, 1), .low = -5, .high = 5, .scale = 5, .sums = true },
    { OP(log_sum_exp), .in = { S(R, C) }, .y = S(R, 1), .low = -300, .high = 300, .scale = 300, .sums = true },
    TO(gather, S(R, C), S(R, 1)), TO(ungather, S(R, 1), S(R, C)),
};

typedef struct { int r, c, k; } size;
static const size sizes[] = {
    { 1, 1, 1 }, { 1, 5, 3 }, { 2, 3, 1 }, { 3, 2, 5 }, { 5, 1, 2 }, { 3, 3, 3 }, { 1, 17, 2 }, { 17, 1, 3 },
    { 3, 2, 17 }, { 2, 17, 1 }, { 17, 3, 2 }, { 17, 17, 17 },
};

static inline op at_size(const op *row, size s)
{
    op o = *row;
    shape *shapes[] = { &o.in[0], &o.in[1], &o.in[2], &o.y };
    const int sized[] = { s.r, s.c, s.k, 2 * s.c, s.k + s.c };
    for (int i = 0; i < COUNT(shapes); i++) {
        if (shapes[i]->r >= R) shapes[i]->r = sized[shapes[i]->r - R];
        if (shapes[i]->c >= R) shapes[i]->c = sized[shapes[i]->c - R];
    }
    for (int i = 0; i < COUNT(o.index); i++) o.index[i] = (3 * i * i + 2 * i + 1) % s.c;
    return o;
}

static inline int entries(shape s) { return s.r * s.c; }

/* ---- a problem: an operator at a size and a point, and the scalar L(x) = <W, y> + <V, y y>, whose second
 * term gives linear operators a Hessian too ---- */
struct problem {
    op o;
    bool same;                              /* one node as the first two operands */
    int n, m;                               /* entries of all operands, of the result */
    double N, S;                            /* of the unit, for an entry of y or of its derivative */
    double x[MAX], W[MAX], V[MAX], u[MAX], v[MAX];      /* u, v: directions */
};

static inline void fill(gsl_rng *rng, int n, double low, double high, double *p)
{
    for (int i = 0; i < n; i++) p[i] = low + (high - low) * gsl_rng_uniform(rng);
}

/* No kink within reach of a difference: no entry, sum or difference of two entries near 0, none near a quarter */
static inline bool apart(int n, const double *x, double by)
{
    double last = x[n - 1];
    if (fabs(remainder(last, 0.25)) < by) return false;
    for (int i = 0; i < n - 1; i++)
        if (fabs(last - x[i]) < by || fabs(last + x[i]) < by) return false;
    return true;
}

static inline void draw(gsl_rng *rng, const op *row, size s, bool same, struct problem *p)
{
    const op o = at_size(row, s);
    *p = (struct problem){ .o = o, .same = same, .m = entries(o.y), .S = fmax(1, o.scale) };
    p->n = entries(o.in[0]) + (same ? 0 : entries(o.in[1])) + entries(o.in[2]);
    p->N = o.sums ? fmax(entries(o.in[0]), fmax(s.r, fmax(s.c, s.k))) : 1;
    for (int i = 0; i < p->n; i++)
        do p->x[i] = o.low + (o.high - o.low) * gsl_rng_uniform(rng);
        while (!apart(i + 1, p->x, 0x1p-14));
    for (int i = 0; i < o.in[0].r && o.dominant; i++) p->x[i * o.in[0].c + i] += 2 + o.in[0].r;
    fill(rng, p->m, -1, 1, p->W);
    fill(rng, p->m, -1, 1, p->V);
    fill(rng, p->n, -1, 1, p->u);
    fill(rng, p->n, -1, 1, p->v);
}

static inline void naive_y(const void *problem, const quad *x, quad *y)
{
    const struct problem *p = problem;
    const quad *b = p->same ? x : x + entries(p->o.in[0]);
    p->o.naive(&p->o, x, b, x + p->n - entries(p->o.in[2]), y);
}

static inline void naive_L(const void *problem, const quad *x, quad *L)
{
    const struct problem *p = problem;
    quad y[MAX], sum = 0;
    naive_y(p, x, y);
    for (int i = 0; i < p->m; i++) sum += p->W[i] * y[i] + p->V[i] * y[i] * y[i];
    *L = sum;
}

static inline function y_of(const struct problem *p) { return (function){ naive_y, p, p->n, p->m }; }
static inline function L_of(const struct problem *p) { return (function){ naive_L, p, p->n, 1 }; }

/* ---- the same on a tape ---- */
struct recorded { int leaves; ad x[3], y, W, L; };

static inline struct recorded record(ad_tape *t, const struct problem *p)
{
    const op *o = &p->o;
    struct recorded r = { .leaves = 0 };
    ad operand[3] = { NULL };
    const double *x = p->x;
    for (int k = 0; k < 3 && o->in[k].r; k++) {
        if (k == 1 && p->same) {
            operand[1] = operand[0];
            continue;
        }
        operand[k] = r.x[r.leaves++] = ad_input(t, x, o->in[k].r, o->in[k].c);
        x += entries(o->in[k]);
    }
    r.y = o->build(o, operand);
    r.W = ad_input(t, p->W, o->y.r, o->y.c);
    r.L = ad_add(ad_dot(r.y, r.W), ad_dot(ad_mul(r.y, r.y), ad_input(t, p->V, o->y.r, o->y.c)));
    return r;
}

/* The values of nodes shaped as the leaves, one behind the other; false if a shape is another. */
static inline bool values(const struct recorded *r, const ad *node, double *out)
{
    for (int k = 0; k < r->leaves; k++) {
        int rows = ad_nrows(r->x[k]), cols = ad_ncols(r->x[k]);
        if (ad_nrows(node[k]) != rows || ad_ncols(node[k]) != cols) return false;
        memcpy(out, ad_value(node[k]), (size_t)(rows * cols) * sizeof *out);
        out += rows * cols;
    }
    return true;
}

/* v [n], numbers one behind the other, as nodes shaped as the leaves */
static inline void like_leaves(ad_tape *t, const struct recorded *r, const double *v, ad *node)
{
    for (int k = 0; k < r->leaves; k++) {
        node[k] = ad_input(t, v, ad_nrows(r->x[k]), ad_ncols(r->x[k]));
        v += ad_nrows(r->x[k]) * ad_ncols(r->x[k]);
    }
}

/* H v of L; <dL/dx, v> over all leaves, so mixed derivatives count */
static inline bool hessian_times(ad_tape *t, const struct recorded *r, const double *v, double *out)
{
    ad g[3], Hv[3], direction[3], slope_v = ad_constant(t, 0, 1, 1);
    like_leaves(t, r, v, direction);
    ad_grads(r->L, r->leaves, r->x, g);
    for (int k = 0; k < r->leaves; k++) slope_v = ad_add(slope_v, ad_dot(g[k], direction[k]));
    ad_grads(slope_v, r->leaves, r->x, Hv);
    return values(r, Hv, out);
}

#endif
