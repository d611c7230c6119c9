/* Reverse mode against references that share nothing with it: one table of operators, generic tests over
 * the table, random graphs, stored 100-digit cases, and the errors.
 *     test_ad [pattern]           runs the tests whose names match
 *
 * The reference. Each operator is written a second time as a naive loop over 113-bit numbers; derivatives
 * of the same loop come from central differences of five points,
 *     f'(x) = [8 (f(x+h) - f(x-h)) - (f(x+2h) - f(x-2h))] / 12h + O(h^4),
 * nested once for second order. With f of order 1 and roundings of 2^-113 = 1e-34: first order at h = 2^-24
 * is right to h^4 + 1e-34/h = 1e-29 + 2e-27, second order at h = 2^-18 to h^4 + 1e-34/h^2 = 2e-22 + 1e-23.
 * Both are below a millionth of the double's own 2e-16: the reference never limits a test.
 *
 * The unit. An error is measured in u N S, u = 2^-52, N = number of entries of operands and result (each
 * entry of a result or derivative is a sum of at most N terms, each a few roundings of a number <= S), S =
 * max(1, largest entry of the reference). The limit is 10 units; where N = 30 that is 7e-14 S. */
#include <errno.h>
#include <float.h>
#include <math.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "autodiff/ad.h"
#include "autodiff/ad_node.h"
#include "autodiff/linalg.h"
#include "autodiff/random.h"

#ifndef REFERENCE
#define REFERENCE "tests/reference"
#endif
#ifndef AD_HEADER
#define AD_HEADER "autodiff/ad.h"
#endif

#define COUNT(a) ((int)(sizeof(a) / sizeof((a)[0])))

/* ---- 113-bit numbers ---- */
#if LDBL_MANT_DIG >= 113
typedef long double quad;
#else
typedef __float128 quad;
#endif

static quad quad_abs(quad x) { return x < 0 ? -x : x; }

/* e^x = 2^k e^r with |r| <= ln2/2: the series to r^25/25! < 1e-36; ln2 in three doubles, 159 bits */
static quad quad_exp(quad x)
{
    static const double ln2[3] = { 0x1.62e42fefa39efp-1, 0x1.abc9e3b39803fp-56, 0x1.7b57a079a1934p-111 };
    if (x < -10000) return 0;
    int k = (int)lround((double)x / ln2[0]);
    quad r = ((x - k * (quad)ln2[0]) - k * (quad)ln2[1]) - k * (quad)ln2[2], term = 1, sum = 1;
    for (int i = 1; i <= 25; i++) {
        term *= r / i;
        sum += term;
    }
    for (; k > 0; k--) sum *= 2;
    for (; k < 0; k++) sum /= 2;
    return sum;
}

static quad quad_sigmoid(quad x) { return 1 / (1 + quad_exp(-x)); }
static quad quad_tanh(quad x)    { return 2 * quad_sigmoid(2 * x) - 1; }

/* Newton on e^y = x from the double's value: errors 1e-16, 1e-32, then rounding */
static quad quad_log(quad x)
{
    quad y = log((double)x);
    for (int i = 0; i < 2; i++) y += x * quad_exp(-y) - 1;
    return y;
}

static quad quad_pow(quad x, quad k) { return quad_exp(k * quad_log(x)); }

/* ---- derivatives of a reference ---- */
enum { MAX = 96 };                          /* entries of all operands, of a result */

typedef struct { quad (*value)(const void *p, const quad *x); const void *p; int n; } function;

/* Derivative along v of f, or of f's derivative along u */
static quad slope(function f, const quad *x, const double *v, const double *u, double h)
{
    quad at[MAX], difference[2];
    for (int k = 1; k <= 2; k++) {
        quad side[2];
        for (int s = 0; s < 2; s++) {
            for (int i = 0; i < f.n; i++) at[i] = x[i] + (s ? -k : k) * (quad)h * v[i];
            side[s] = u ? slope(f, at, u, NULL, h) : f.value(f.p, at);
        }
        difference[k - 1] = side[0] - side[1];
    }
    return (8 * difference[0] - difference[1]) / (12 * (quad)h);
}

/* Gradient of f at x; with v the product of its Hessian with v. */
static void reference(function f, const double *x, const double *v, quad *result)
{
    quad at[MAX];
    double e[MAX] = { 0 };
    for (int i = 0; i < f.n; i++) at[i] = x[i];
    for (int i = 0; i < f.n; i++) {
        e[i] = 1;
        result[i] = slope(f, at, e, v, v ? 0x1p-18 : 0x1p-24);
        e[i] = 0;
    }
}

/* ---- the comparison ---- */
static const double LIMIT = 10;

static double units(int n, const double *got, const quad *ref, double N)
{
    double S = 1, worst = 0;
    for (int i = 0; i < n; i++) S = fmax(S, fabs((double)ref[i]));
    for (int i = 0; i < n; i++) {
        double error = (double)quad_abs(got[i] - ref[i]) / (DBL_EPSILON * N * S);
        if (!(error <= worst)) worst = error;
        if (isnan(worst)) return worst;
    }
    return worst;
}

/* Plants errors into got, one after the other, and counts those that the comparison lets pass: in each
 * entry that is not tiny a sign flip, a factor 2, a dropped term, a relative 1e-10, its neighbour's
 * value, a NaN; and the first two in all entries at once. *planted counts all of them. */
static int plants_accepted(int n, const double *got, const quad *ref, double N, int *planted)
{
    double wrong[MAX];
    int accepted = 0;
    for (int i = 0; i < n; i++) {
        double largest = 1, next = got[(i + 1) % n];
        for (int j = 0; j < n; j++) largest = fmax(largest, fabs(got[j]));
        if (fabs(got[i]) < 1e-2 * largest) continue;
        const double plant[] = { -got[i], 2 * got[i], 0, got[i] * (1 + 1e-10), next, NAN };
        for (int k = 0; k < COUNT(plant); k++) {
            if (k == 4 && fabs(next - got[i]) < 1e-10 * largest) continue;
            memcpy(wrong, got, (size_t)n * sizeof *got);
            wrong[i] = plant[k];
            accepted += units(n, wrong, ref, N) <= LIMIT;
            ++*planted;
        }
        for (int k = 0; k < 2; k++) {
            for (int j = 0; j < n; j++) wrong[j] = k ? 2 * got[j] : -got[j];
            accepted += units(n, wrong, ref, N) <= LIMIT;
            ++*planted;
        }
    }
    return accepted;
}

/* ---- the table of operators ---- */
typedef struct { int r, c; } shape;
typedef struct op op;
struct op {
    const char *name;                                   /* as in ad.h, without ad_ */
    ad   (*build)(const op *o, const ad *x);
    void (*naive)(const op *o, const quad *a, const quad *b, quad *y);
    shape a, b, y;                                      /* b = {0, 0}: one operand */
    int k[2];                                           /* attributes: transposes, offset, number */
    double low, high, diagonal;                         /* entries uniform in [low, high); a + diagonal I */
};

static const int columns[] = { 1, 1, 0, 2, 1, 0 };      /* gather: repeated, and not in order */

/* a at the place in zeros */
static ad unview(ad a, const int *place, int r, int c) { return ad_assemble(a->tape, r, c, 1, &a, place, AD_AT); }

static ad build_add(const op *o, const ad *x)         { (void)o; return ad_add(x[0], x[1]); }
static ad build_sub(const op *o, const ad *x)         { (void)o; return ad_sub(x[0], x[1]); }
static ad build_mul(const op *o, const ad *x)         { (void)o; return ad_mul(x[0], x[1]); }
static ad build_scale(const op *o, const ad *x)       { return ad_scale(o->k[0] / 4.0, x[0]); }
static ad build_exp(const op *o, const ad *x)         { (void)o; return ad_exp(x[0]); }
static ad build_div(const op *o, const ad *x)         { (void)o; return ad_div(x[0], x[1]); }
static ad build_shift(const op *o, const ad *x)       { return ad_shift(x[0], o->k[0] / 4.0); }
static ad build_square(const op *o, const ad *x)      { (void)o; return ad_square(x[0]); }
static ad build_pow(const op *o, const ad *x)         { return ad_pow(x[0], o->k[0] / 4.0); }
static ad build_log(const op *o, const ad *x)         { (void)o; return ad_log(x[0]); }
static ad build_sqrt(const op *o, const ad *x)        { (void)o; return ad_sqrt(x[0]); }
static ad build_tanh(const op *o, const ad *x)        { (void)o; return ad_tanh(x[0]); }
static ad build_dtanh(const op *o, const ad *x)       { (void)o; return ad_dtanh(x[0], x[1]); }
static ad build_sigmoid(const op *o, const ad *x)     { (void)o; return ad_sigmoid(x[0]); }
static ad build_softplus(const op *o, const ad *x)    { (void)o; return ad_softplus(x[0]); }
static ad build_relu(const op *o, const ad *x)        { (void)o; return ad_relu(x[0]); }
static ad build_abs(const op *o, const ad *x)         { (void)o; return ad_abs(x[0]); }
static ad build_min(const op *o, const ad *x)         { (void)o; return ad_min(x[0], x[1]); }
static ad build_max(const op *o, const ad *x)         { (void)o; return ad_max(x[0], x[1]); }
static ad build_clip(const op *o, const ad *x)        { return ad_clip(x[0], o->k[0] / 4.0, o->k[1] / 4.0); }
static ad build_where(const op *o, const ad *x)       { (void)o; return ad_where(ad_detach(ad_less(x[0], ad_neg(x[1]))), x[0], x[1]); }
static ad build_keep(const op *o, const ad *x)        { return ad_keep(x[0], ad_less(x[0], x[1]), o->k[0]); }
static ad build_less(const op *o, const ad *x)        { (void)o; return ad_less(x[0], x[1]); }
static ad build_inside(const op *o, const ad *x)      { return ad_inside(x[0], o->k[0] / 4.0, o->k[1] / 4.0); }
static ad build_sign(const op *o, const ad *x)        { (void)o; return ad_sign(x[0]); }
static ad build_smul(const op *o, const ad *x)        { (void)o; return ad_smul(x[0], x[1]); }
static ad build_dot(const op *o, const ad *x)         { (void)o; return ad_dot(x[0], x[1]); }
static ad build_mean(const op *o, const ad *x)        { (void)o; return ad_mean(x[0]); }
static ad build_col_sum(const op *o, const ad *x)     { (void)o; return ad_col_sum(x[0]); }
static ad build_rows(const op *o, const ad *x)        { return ad_rows(x[0], o->y.r); }
static ad build_transpose(const op *o, const ad *x)   { (void)o; return ad_transpose(x[0]); }
static ad build_concat(const op *o, const ad *x)      { (void)o; return ad_concat(x[0], x[1]); }
static ad build_columns(const op *o, const ad *x)     { return ad_columns(x[0], o->k[0], o->y.c); }
static ad build_into_columns(const op *o, const ad *x) { return ad_into_columns(x[0], o->k[0], o->y.c); }
static ad build_log_sum_exp(const op *o, const ad *x) { (void)o; return ad_log_sum_exp(x[0]); }
static ad build_row_max(const op *o, const ad *x)     { (void)o; return ad_row_max(x[0]); }
static ad build_at_max(const op *o, const ad *x)      { (void)o; return ad_at_max(x[0], x[1]); }
static ad build_of_max(const op *o, const ad *x)      { (void)o; return ad_of_max(x[0], x[1]); }

/* Three operands: b holds the second and the third, one behind the other. */
static ad build_mul3(const op *o, const ad *x)
{
    int r = o->a.r, c = o->a.c;
    return ad_mul3(o->k[0] / 4.0, x[0], ad_view(x[1], 0, r, c), ad_view(x[1], r * c, r, c));
}

static ad build_dense(const op *o, const ad *x)
{
    int k = o->a.c, n = o->y.c;
    return ad_dense(x[0], ad_view(x[1], 0, k, n), ad_view(x[1], k * n, 1, n), (enum ad_activation)o->k[0]);
}

static ad build_view(const op *o, const ad *x)        { return ad_view(x[0], o->k[0], o->y.r, o->y.c); }
static ad build_unview(const op *o, const ad *x)      { return unview(x[0], o->k, o->y.r, o->y.c); }
static ad build_cols(const op *o, const ad *x)        { return ad_cols(x[0], o->y.c); }
static ad build_spread(const op *o, const ad *x)      { return ad_spread(x[0], o->y.r, o->y.c); }
static ad build_row_sum(const op *o, const ad *x)     { (void)o; return ad_row_sum(x[0]); }
static ad build_sum(const op *o, const ad *x)         { (void)o; return ad_sum(x[0]); }
static ad build_matmul(const op *o, const ad *x)      { (void)o; return ad_matmul(x[0], x[1]); }
static ad build_matmul_t(const op *o, const ad *x)    { return ad_matmul_t(o->k[0], o->k[1], x[0], x[1]); }
static ad build_log_softmax(const op *o, const ad *x) { (void)o; return ad_log_softmax(x[0]); }
static ad build_gather(const op *o, const ad *x)      { (void)o; return ad_gather(x[0], columns); }
static ad build_ungather(const op *o, const ad *x)    { return ad_ungather(x[0], columns, o->y.c); }
static ad build_solve(const op *o, const ad *x)       { (void)o; return ad_solve(x[0], x[1]); }
static ad build_solve_t(const op *o, const ad *x)     { (void)o; return ad_solve_t(x[0], x[1]); }

#define NAIVE(name) static void naive_##name(const op *o, const quad *a, const quad *b, quad *y)
#define EACH(i) (void)b; for (int i = 0; i < o->y.r * o->y.c; i++)

NAIVE(add)    { EACH(i) y[i] = a[i] + b[i]; }
NAIVE(sub)    { EACH(i) y[i] = a[i] - b[i]; }
NAIVE(mul)    { EACH(i) y[i] = a[i] * b[i]; }
NAIVE(scale)  { EACH(i) y[i] = a[i] * o->k[0] / 4; }
NAIVE(exp)    { EACH(i) y[i] = quad_exp(a[i]); }
NAIVE(div)    { EACH(i) y[i] = a[i] / b[i]; }
NAIVE(shift)  { EACH(i) y[i] = a[i] + (quad)o->k[0] / 4; }
NAIVE(square) { EACH(i) y[i] = a[i] * a[i]; }
NAIVE(pow)    { EACH(i) y[i] = quad_pow(a[i], (quad)o->k[0] / 4); }
NAIVE(log)    { EACH(i) y[i] = quad_log(a[i]); }
NAIVE(sqrt)   { EACH(i) y[i] = quad_pow(a[i], (quad)1 / 2); }
NAIVE(tanh)   { EACH(i) y[i] = quad_tanh(a[i]); }
NAIVE(dtanh)  { EACH(i) y[i] = a[i] * (1 - b[i] * b[i]); }
NAIVE(sigmoid) { EACH(i) y[i] = quad_sigmoid(a[i]); }
NAIVE(softplus) { EACH(i) y[i] = quad_log(1 + quad_exp(a[i])); }
NAIVE(relu)   { EACH(i) y[i] = a[i] > 0 ? a[i] : 0; }
NAIVE(abs)    { EACH(i) y[i] = quad_abs(a[i]); }
NAIVE(min)    { EACH(i) y[i] = a[i] < b[i] ? a[i] : b[i]; }
NAIVE(max)    { EACH(i) y[i] = a[i] > b[i] ? a[i] : b[i]; }
NAIVE(where)  { EACH(i) y[i] = a[i] < -b[i] ? a[i] : b[i]; }
NAIVE(keep)   { EACH(i) y[i] = (a[i] < b[i]) == o->k[0] ? a[i] : 0; }
NAIVE(less)   { EACH(i) y[i] = a[i] < b[i]; }
NAIVE(sign)   { EACH(i) y[i] = a[i] > 0 ? 1 : a[i] < 0 ? -1 : 0; }
NAIVE(inside) { EACH(i) y[i] = 4 * a[i] >= o->k[0] && 4 * a[i] <= o->k[1]; }
NAIVE(smul)   { EACH(i) y[i] = a[0] * b[i]; }
NAIVE(rows)   { EACH(i) y[i] = a[i % o->y.c]; }
NAIVE(columns) { EACH(i) y[i] = a[i / o->y.c * o->a.c + o->k[0] + i % o->y.c]; }
NAIVE(transpose) { EACH(i) y[i] = a[i % o->y.c * o->a.c + i / o->y.c]; }

NAIVE(clip)
{
    quad lo = (quad)o->k[0] / 4, hi = (quad)o->k[1] / 4;
    EACH(i) y[i] = a[i] < lo ? lo : a[i] < hi ? a[i] : hi;
}

NAIVE(concat)
{
    int p = o->a.c, q = o->b.c;
    EACH(i) y[i] = i % (p + q) < p ? a[i / (p + q) * p + i % (p + q)] : b[i / (p + q) * q + i % (p + q) - p];
}

NAIVE(into_columns)
{
    EACH(i) {
        int j = i % o->y.c - o->k[0];
        y[i] = j < 0 || j >= o->a.c ? 0 : a[i / o->y.c * o->a.c + j];
    }
}

NAIVE(dot)
{
    EACH(i) y[i] = 0;
    for (int i = 0; i < o->a.r * o->a.c; i++) y[0] += a[i] * b[i];
}

NAIVE(mean)
{
    EACH(i) y[i] = 0;
    for (int i = 0; i < o->a.r * o->a.c; i++) y[0] += a[i] / (o->a.r * o->a.c);
}

NAIVE(col_sum)
{
    EACH(i) y[i] = 0;
    for (int i = 0; i < o->a.r * o->a.c; i++) y[i % o->a.c] += a[i];
}

NAIVE(mul3)
{
    int n = o->a.r * o->a.c;
    EACH(i) y[i] = (quad)o->k[0] / 4 * a[i] * b[i] * b[n + i];
}

NAIVE(dense)
{
    int k = o->a.c, n = o->y.c;
    EACH(i) {
        y[i] = b[k * n + i % n];
        for (int l = 0; l < k; l++) y[i] += a[i / n * k + l] * b[l * n + i % n];
        if (o->k[0] == AD_TANH) y[i] = quad_tanh(y[i]);
        if (o->k[0] == AD_RELU && y[i] < 0) y[i] = 0;
    }
}

static int best(int n, const quad *a)
{
    int at = n - 1;
    for (int j = n - 2; j >= 0; j--)
        if (a[j] >= a[at]) at = j;
    return at;
}

NAIVE(row_max) { EACH(i) y[i] = a[i * o->a.c + best(o->a.c, a + i * o->a.c)]; }
NAIVE(at_max)  { EACH(i) y[i] = i % o->y.c == best(o->y.c, b + i / o->y.c * o->y.c) ? a[i / o->y.c] : 0; }
NAIVE(of_max)  { EACH(i) y[i] = a[i * o->a.c + best(o->a.c, b + i * o->a.c)]; }

NAIVE(log_sum_exp)
{
    EACH(i) y[i] = 0;
    for (int i = 0; i < o->a.r * o->a.c; i++) y[i / o->a.c] += quad_exp(a[i]);
    for (int i = 0; i < o->y.r; i++) y[i] = quad_log(y[i]);
}

NAIVE(view)   { EACH(i) y[i] = a[o->k[0] + i]; }
NAIVE(unview) { EACH(i) y[i] = i < o->k[0] || i >= o->k[0] + o->a.r * o->a.c ? 0 : a[i - o->k[0]]; }
NAIVE(cols)   { EACH(i) y[i] = a[i / o->y.c]; }
NAIVE(spread) { EACH(i) y[i] = a[0]; }

NAIVE(row_sum)
{
    EACH(i) y[i] = 0;
    for (int i = 0; i < o->a.r * o->a.c; i++) y[i / o->a.c] += a[i];
}

NAIVE(sum)
{
    EACH(i) y[i] = 0;
    for (int i = 0; i < o->a.r * o->a.c; i++) y[0] += a[i];
}

NAIVE(matmul)
{
    int inner = o->k[0] ? o->a.r : o->a.c;
    for (int i = 0; i < o->y.r; i++)
        for (int j = 0; j < o->y.c; j++) {
            y[i * o->y.c + j] = 0;
            for (int l = 0; l < inner; l++)
                y[i * o->y.c + j] += (o->k[0] ? a[l * o->a.c + i] : a[i * o->a.c + l]) *
                                     (o->k[1] ? b[j * o->b.c + l] : b[l * o->b.c + j]);
        }
}

NAIVE(log_softmax)                          /* as the formula stands, no maximum taken out */
{
    quad sum[MAX] = { 0 };
    for (int i = 0; i < o->a.r * o->a.c; i++) sum[i / o->a.c] += quad_exp(a[i]);
    for (int i = 0; i < o->a.r; i++) sum[i] = quad_log(sum[i]);
    EACH(i) y[i] = a[i] - sum[i / o->a.c];
}

NAIVE(gather)   { EACH(i) y[i] = a[i * o->a.c + columns[i]]; }
NAIVE(ungather) { EACH(i) y[i] = i % o->y.c == columns[i / o->y.c] ? a[i / o->y.c] : 0; }

NAIVE(solve)                                /* Gauss-Jordan without pivoting: the diagonal dominates */
{
    int n = o->a.r, m = o->b.c;
    quad A[MAX];
    for (int i = 0; i < n * n; i++) A[i] = o->k[0] ? a[i % n * n + i / n] : a[i];
    for (int i = 0; i < n * m; i++) y[i] = b[i];
    for (int p = 0; p < n; p++) {
        quad pivot = A[p * n + p];
        for (int j = 0; j < n; j++) A[p * n + j] /= pivot;
        for (int j = 0; j < m; j++) y[p * m + j] /= pivot;
        for (int i = 0; i < n; i++) {
            quad factor = i == p ? 0 : A[i * n + p];
            for (int j = 0; j < n; j++) A[i * n + j] -= factor * A[p * n + j];
            for (int j = 0; j < m; j++) y[i * m + j] -= factor * y[p * m + j];
        }
    }
}

#define ONE { 0, 0 }
#define ROW(op, a, b, y, k0, k1, low, high) { #op, build_##op, naive_##op, a, b, y, { k0, k1 }, low, high, 0 }
#define MATMUL(build, a, b, y, ta, tb) { "matmul", build, naive_matmul, a, b, y, { ta, tb }, -1, 1, 0 }
#define SOLVE(t, build, a, b, d) { "solve", build, naive_solve, a, b, b, { t, 0 }, -1, 1, d }
#define S(r, c) { r, c }

static const op table[] = {
    ROW(add, S(1, 1), S(1, 1), S(1, 1), 0, 0, -1, 1),
    ROW(add, S(3, 4), S(3, 4), S(3, 4), 0, 0, -1, 1),
    ROW(sub, S(1, 1), S(1, 1), S(1, 1), 0, 0, -1, 1),
    ROW(sub, S(3, 4), S(3, 4), S(3, 4), 0, 0, -1, 1),
    ROW(mul, S(1, 1), S(1, 1), S(1, 1), 0, 0, -2, 2),
    ROW(mul, S(3, 4), S(3, 4), S(3, 4), 0, 0, -2, 2),
    ROW(mul, S(5, 1), S(5, 1), S(5, 1), 0, 0, -2, 2),
    ROW(scale, S(3, 4), ONE, S(3, 4), -3, 0, -1, 1),
    ROW(scale, S(1, 5), ONE, S(1, 5), 10, 0, -1, 1),
    ROW(scale, S(2, 2), ONE, S(2, 2), 0, 0, -1, 1),
    ROW(exp, S(1, 1), ONE, S(1, 1), 0, 0, -2, 2),
    ROW(exp, S(3, 4), ONE, S(3, 4), 0, 0, -2, 2),
    ROW(div, S(3, 4), S(3, 4), S(3, 4), 0, 0, 0.5, 2),
    ROW(div, S(2, 3), S(2, 3), S(2, 3), 0, 0, -2, -0.5),
    ROW(shift, S(3, 4), ONE, S(3, 4), -3, 0, -1, 1),
    ROW(square, S(3, 4), ONE, S(3, 4), 0, 0, -2, 2),
    ROW(pow, S(3, 4), ONE, S(3, 4), 15, 0, 0.2, 2),
    ROW(pow, S(3, 4), ONE, S(3, 4), -6, 0, 0.5, 2),
    ROW(pow, S(2, 2), ONE, S(2, 2), 4, 0, 0.5, 2),
    ROW(pow, S(2, 2), ONE, S(2, 2), 0, 0, 0.5, 2),
    ROW(log, S(3, 4), ONE, S(3, 4), 0, 0, 0.2, 3),
    ROW(sqrt, S(3, 4), ONE, S(3, 4), 0, 0, 0.2, 3),
    ROW(tanh, S(3, 4), ONE, S(3, 4), 0, 0, -2, 2),
    ROW(tanh, S(5, 7), ONE, S(5, 7), 0, 0, -30, 30),
    ROW(dtanh, S(3, 4), S(3, 4), S(3, 4), 0, 0, -1, 1),
    ROW(mul3, S(3, 4), S(6, 4), S(3, 4), -8, 0, -1, 1),
    ROW(sigmoid, S(3, 4), ONE, S(3, 4), 0, 0, -30, 30),
    ROW(softplus, S(3, 4), ONE, S(3, 4), 0, 0, -30, 30),
    ROW(relu, S(3, 4), ONE, S(3, 4), 0, 0, -1, 1),
    ROW(abs, S(3, 4), ONE, S(3, 4), 0, 0, -1, 1),
    ROW(min, S(3, 4), S(3, 4), S(3, 4), 0, 0, -1, 1),
    ROW(max, S(3, 4), S(3, 4), S(3, 4), 0, 0, -1, 1),
    ROW(clip, S(3, 4), ONE, S(3, 4), -2, 1, -1, 1),
    ROW(where, S(3, 4), S(3, 4), S(3, 4), 0, 0, -1, 1),
    ROW(keep, S(3, 4), S(3, 4), S(3, 4), 1, 0, -1, 1),
    ROW(keep, S(3, 4), S(3, 4), S(3, 4), 0, 0, -1, 1),
    ROW(less, S(3, 4), S(3, 4), S(3, 4), 0, 0, -1, 1),
    ROW(inside, S(3, 4), ONE, S(3, 4), -2, 1, -1, 1),
    ROW(sign, S(3, 4), ONE, S(3, 4), 0, 0, -1, 1),
    ROW(smul, S(1, 1), S(3, 4), S(3, 4), 0, 0, -1, 1),
    ROW(dot, S(3, 4), S(3, 4), S(1, 1), 0, 0, -1, 1),
    ROW(mean, S(3, 4), ONE, S(1, 1), 0, 0, -1, 1),
    ROW(col_sum, S(3, 4), ONE, S(1, 4), 0, 0, -1, 1),
    ROW(rows, S(1, 4), ONE, S(3, 4), 0, 0, -1, 1),
    ROW(transpose, S(3, 4), ONE, S(4, 3), 0, 0, -1, 1),
    ROW(concat, S(3, 2), S(3, 4), S(3, 6), 0, 0, -1, 1),
    ROW(columns, S(3, 5), ONE, S(3, 2), 2, 0, -1, 1),
    ROW(into_columns, S(3, 2), ONE, S(3, 5), 2, 0, -1, 1),
    ROW(dense, S(3, 4), S(5, 2), S(3, 2), AD_LINEAR, 0, -1, 1),
    ROW(dense, S(3, 4), S(5, 2), S(3, 2), AD_TANH, 0, -1, 1),
    ROW(dense, S(1, 4), S(5, 7), S(1, 7), AD_TANH, 0, -1, 1),
    ROW(dense, S(3, 4), S(5, 2), S(3, 2), AD_RELU, 0, -1, 1),
    ROW(row_max, S(3, 5), ONE, S(3, 1), 0, 0, -1, 1),
    ROW(at_max, S(3, 1), S(3, 5), S(3, 5), 0, 0, -1, 1),
    ROW(of_max, S(3, 5), S(3, 5), S(3, 1), 0, 0, -1, 1),
    ROW(log_sum_exp, S(3, 5), ONE, S(3, 1), 0, 0, -5, 5),
    ROW(log_sum_exp, S(2, 4), ONE, S(2, 1), 0, 0, -300, 300),
    ROW(view, S(3, 4), ONE, S(2, 2), 0, 0, -1, 1),
    ROW(view, S(3, 4), ONE, S(2, 3), 5, 0, -1, 1),
    ROW(view, S(3, 4), ONE, S(4, 1), 8, 0, -1, 1),
    ROW(view, S(12, 1), ONE, S(3, 4), 0, 0, -1, 1),
    ROW(view, S(1, 1), ONE, S(1, 1), 0, 0, -1, 1),
    ROW(unview, S(2, 2), ONE, S(3, 4), 0, 0, -1, 1),
    ROW(unview, S(2, 3), ONE, S(3, 4), 5, 0, -1, 1),
    ROW(unview, S(4, 1), ONE, S(3, 4), 8, 0, -1, 1),
    ROW(unview, S(3, 4), ONE, S(12, 1), 0, 0, -1, 1),
    ROW(cols, S(4, 1), ONE, S(4, 3), 0, 0, -1, 1),
    ROW(cols, S(1, 1), ONE, S(1, 5), 0, 0, -1, 1),
    ROW(cols, S(3, 1), ONE, S(3, 1), 0, 0, -1, 1),
    ROW(spread, S(1, 1), ONE, S(3, 4), 0, 0, -1, 1),
    ROW(spread, S(1, 1), ONE, S(1, 1), 0, 0, -1, 1),
    ROW(row_sum, S(3, 4), ONE, S(3, 1), 0, 0, -1, 1),
    ROW(row_sum, S(1, 5), ONE, S(1, 1), 0, 0, -1, 1),
    ROW(row_sum, S(5, 1), ONE, S(5, 1), 0, 0, -1, 1),
    ROW(sum, S(3, 4), ONE, S(1, 1), 0, 0, -1, 1),
    ROW(sum, S(1, 1), ONE, S(1, 1), 0, 0, -1, 1),
    MATMUL(build_matmul, S(3, 4), S(4, 2), S(3, 2), 0, 0),
    MATMUL(build_matmul, S(1, 4), S(4, 1), S(1, 1), 0, 0),
    MATMUL(build_matmul, S(4, 1), S(1, 3), S(4, 3), 0, 0),
    MATMUL(build_matmul_t, S(3, 4), S(4, 2), S(3, 2), 0, 0),
    MATMUL(build_matmul_t, S(4, 3), S(4, 2), S(3, 2), 1, 0),
    MATMUL(build_matmul_t, S(3, 4), S(2, 4), S(3, 2), 0, 1),
    MATMUL(build_matmul_t, S(4, 3), S(2, 4), S(3, 2), 1, 1),
    MATMUL(build_matmul, S(3, 3), S(3, 3), S(3, 3), 0, 0),
    MATMUL(build_matmul_t, S(3, 3), S(3, 3), S(3, 3), 1, 0),
    MATMUL(build_matmul_t, S(3, 3), S(3, 3), S(3, 3), 0, 1),
    MATMUL(build_matmul_t, S(3, 3), S(3, 3), S(3, 3), 1, 1),
    ROW(log_softmax, S(3, 5), ONE, S(3, 5), 0, 0, -5, 5),
    ROW(log_softmax, S(2, 4), ONE, S(2, 4), 0, 0, -300, 300),   /* its rounding: 300 u in an exponent */
    ROW(log_softmax, S(1, 1), ONE, S(1, 1), 0, 0, -5, 5),
    ROW(log_softmax, S(4, 1), ONE, S(4, 1), 0, 0, -5, 5),
    ROW(gather, S(6, 3), ONE, S(6, 1), 0, 0, -1, 1),
    ROW(gather, S(1, 5), ONE, S(1, 1), 0, 0, -1, 1),
    ROW(ungather, S(6, 1), ONE, S(6, 3), 0, 0, -1, 1),
    ROW(ungather, S(1, 1), ONE, S(1, 4), 0, 0, -1, 1),
    SOLVE(0, build_solve, S(4, 4), S(4, 3), 5),
    SOLVE(0, build_solve, S(4, 4), S(4, 1), 5),
    SOLVE(0, build_solve, S(3, 3), S(3, 3), 4),
    SOLVE(0, build_solve, S(1, 1), S(1, 2), 3),
    SOLVE(1, build_solve_t, S(4, 4), S(4, 3), 5),
    SOLVE(1, build_solve_t, S(4, 4), S(4, 1), 5),
    SOLVE(1, build_solve_t, S(3, 3), S(3, 3), 4),
};

/* ---- a problem: an operator, a point, and the scalar L(x) = <W, y> + <V, y y>, whose second term gives
 * linear operators a Hessian too ---- */
struct problem {
    const op *o;
    bool same;                              /* one node as both operands */
    int na, n, m;                           /* entries of a, of all operands, of the result */
    double x[MAX], W[MAX], V[MAX], u[MAX], v[MAX];      /* u, v: directions */
};

static void fill(gsl_rng *rng, int n, double low, double high, double *p)
{
    for (int i = 0; i < n; i++) p[i] = low + (high - low) * gsl_rng_uniform(rng);
}

static void draw(gsl_rng *rng, const op *o, bool same, struct problem *p)
{
    *p = (struct problem){ .o = o, .same = same, .na = o->a.r * o->a.c, .m = o->y.r * o->y.c };
    p->n = p->na + (same ? 0 : o->b.r * o->b.c);
    fill(rng, p->n, o->low, o->high, p->x);
    for (int i = 0; i < o->a.r && o->diagonal > 0; i++) p->x[i * o->a.c + i] += o->diagonal;
    fill(rng, p->m, -1, 1, p->W);
    fill(rng, p->m, -1, 1, p->V);
    fill(rng, p->n, -1, 1, p->u);
    fill(rng, p->n, -1, 1, p->v);
}

static void naive_y(const struct problem *p, const quad *x, quad *y)
{
    p->o->naive(p->o, x, p->same ? x : x + p->na, y);
}

static quad inner_W(const void *problem, const quad *x)         /* <W, y> */
{
    const struct problem *p = problem;
    quad y[MAX], sum = 0;
    naive_y(p, x, y);
    for (int i = 0; i < p->m; i++) sum += p->W[i] * y[i];
    return sum;
}

static quad objective(const void *problem, const quad *x)       /* <W, y> + <V, y y> */
{
    const struct problem *p = problem;
    quad y[MAX], sum = 0;
    naive_y(p, x, y);
    for (int i = 0; i < p->m; i++) sum += p->W[i] * y[i] + p->V[i] * y[i] * y[i];
    return sum;
}

struct recorded { int leaves; ad x[2], y, W, L; };

static struct recorded record(ad_tape *t, const struct problem *p)
{
    const op *o = p->o;
    struct recorded r = { .leaves = 1 };
    r.x[0] = r.x[1] = ad_input(t, p->x, o->a.r, o->a.c);
    if (p->n > p->na) r.x[r.leaves++] = ad_input(t, p->x + p->na, o->b.r, o->b.c);
    r.y = o->build(o, r.x);
    if (ad_nrows(r.y) != o->y.r || ad_ncols(r.y) != o->y.c)
        fail_msg("%s: [%d x %d], expected [%d x %d]", o->name, ad_nrows(r.y), ad_ncols(r.y), o->y.r, o->y.c);
    r.W = ad_input(t, p->W, o->y.r, o->y.c);
    r.L = ad_add(ad_dot(r.y, r.W), ad_dot(ad_mul(r.y, r.y), ad_input(t, p->V, o->y.r, o->y.c)));
    return r;
}

/* The values of the nodes one behind the other; their shapes must be those of the leaves. */
static void values(const struct recorded *r, const ad *node, double *out)
{
    for (int k = 0; k < r->leaves; k++) {
        int rows = ad_nrows(r->x[k]), cols = ad_ncols(r->x[k]);
        assert_true(ad_nrows(node[k]) == rows && ad_ncols(node[k]) == cols);
        for (int i = 0; i < rows * cols; i++) *out++ = ad_value(node[k])[i];
    }
}

static void hessian_times(ad_tape *t, const struct recorded *r, const double *v, double *out)
{
    ad slope_v = NULL, Hv[2];               /* <dL/dx, v> over all leaves, so mixed derivatives count */
    for (int k = 0; k < r->leaves; k++) {
        ad v_k = ad_input(t, v, ad_nrows(r->x[k]), ad_ncols(r->x[k]));
        ad share = ad_dot(ad_grad(r->L, r->x[k]), v_k);
        slope_v = slope_v ? ad_add(slope_v, share) : share;
        v += ad_nrows(r->x[k]) * ad_ncols(r->x[k]);
    }
    for (int k = 0; k < r->leaves; k++) Hv[k] = ad_grad(slope_v, r->x[k]);
    values(r, Hv, out);
}

/* ---- generic tests: each runs over the whole table, five points a row ---- */
enum { ROUNDS = 5 };
struct tally { double worst; const char *name; int compared, planted; };

static void check(struct tally *tally, const char *what, const op *o, int n, const double *got,
                  const quad *ref, double N)
{
    double error = units(n, got, ref, N);
    if (!(error <= LIMIT))
        fail_msg("%s of %s [%d x %d] [%d x %d] k %d %d: %.3g units, limit %g", what, o->name, o->a.r, o->a.c,
                 o->b.r, o->b.c, o->k[0], o->k[1], error, LIMIT);
    int accepted = plants_accepted(n, got, ref, N, &tally->planted);
    if (accepted) fail_msg("%s of %s: %d planted errors pass", what, o->name, accepted);
    if (error >= tally->worst) *tally = (struct tally){ error, o->name, tally->compared, tally->planted };
    tally->compared++;
}

static void report(const char *what, const struct tally *t)
{
    print_message("  %-20s %5d compared, worst %.2f units (%s), limit %g; %d planted errors rejected\n", what,
                  t->compared, t->worst, t->name, LIMIT, t->planted);
    assert_true(t->compared > 0 && t->planted > 0);
}

enum what { VALUE, GRADIENT, HESSIAN };

static void compare(struct tally *tally, enum what what, gsl_rng *rng, const op *o, bool same)
{
    struct problem p;
    quad ref[MAX];
    double got[MAX] = { 0 };
    draw(rng, o, same, &p);
    ad_tape *t = ad_tape_new();
    struct recorded r = record(t, &p);
    if (what == VALUE) {
        quad x[MAX];
        for (int i = 0; i < p.n; i++) x[i] = p.x[i];
        naive_y(&p, x, ref);
        check(tally, "value", o, p.m, ad_value(r.y), ref, p.n + p.m);
    } else if (what == GRADIENT) {
        ad g[2];
        for (int k = 0; k < r.leaves; k++) g[k] = ad_vjp(r.y, r.x[k], r.W);
        values(&r, g, got);
        reference((function){ inner_W, &p, p.n }, p.x, NULL, ref);
        check(tally, "gradient", o, p.n, got, ref, p.n + p.m);
    } else {
        hessian_times(t, &r, p.v, got);
        reference((function){ objective, &p, p.n }, p.x, p.v, ref);
        check(tally, "Hessian", o, p.n, got, ref, p.n + p.m);
    }
    double x[MAX];
    values(&r, r.x, x);                                     /* the leaves are as they were, to the bit */
    assert_memory_equal(x, p.x, (size_t)p.n * sizeof *x);
    ad_tape_free(t);
}

static void over_table(enum what what, const char *name, uint64_t seed)
{
    gsl_rng *rng = random_stream(seed, 0, RANDOM_TEST);
    struct tally tally = { 0 };
    for (int i = 0; i < COUNT(table); i++)
        for (int round = 0; round < ROUNDS; round++) compare(&tally, what, rng, &table[i], false);
    report(name, &tally);
    gsl_rng_free(rng);
}

static void test_values(void **state)    { (void)state; over_table(VALUE, "values", 11); }
static void test_gradients(void **state) { (void)state; over_table(GRADIENT, "gradients", 12); }
static void test_hessians(void **state)  { (void)state; over_table(HESSIAN, "Hessian x v", 13); }

/* One node as both operands, for every operator that takes two of one shape: its adjoint is the sum of
 * both shares. (Of solve(a, a) = I nothing depends on a: the shares cancel.) */
static void test_same_operand(void **state)
{
    (void)state;
    gsl_rng *rng = random_stream(14, 0, RANDOM_TEST);
    struct tally tally = { 0 };
    for (int i = 0; i < COUNT(table); i++) {
        const op *o = &table[i];
        if (o->b.r == 0 || o->a.r != o->b.r || o->a.c != o->b.c) continue;
        for (int round = 0; round < ROUNDS; round++)
            for (enum what what = VALUE; what <= HESSIAN; what++) compare(&tally, what, rng, o, true);
    }
    report("same node twice", &tally);
    gsl_rng_free(rng);
}

/* Every operator declared in ad.h has a row here. */
static void test_table_complete(void **state)
{
    (void)state;
    static const char *const other[] = { "input", "copy", "constant", "eye", "detach", "freeze", "grad", "vjp", "jvp" };
    FILE *f = fopen(AD_HEADER, "r");
    if (!f) fail_msg("%s: %s (run from the root of the project)", AD_HEADER, strerror(errno));
    char line[300], name[64];
    int found = 0;
    while (fgets(line, sizeof line, f)) {
        if (sscanf(line, "ad ad_%63[a-z0-9_](", name) != 1 || name[strlen(name) - 1] != '_') continue;
        name[strlen(name) - 1] = 0;
        bool known = false;
        for (int i = 0; i < COUNT(other); i++) known = known || strcmp(name, other[i]) == 0;
        for (int i = 0; i < COUNT(table); i++) known = known || strcmp(name, table[i].name) == 0;
        if (!known) fail_msg("ad_%s is in %s, but not in the table of operators", name, AD_HEADER);
        found++;
    }
    fclose(f);
    assert_true(found >= 20);                               /* the declarations are where they were */
}

/* ---- the reference and the comparison themselves ---- */
static quad exp_of_product(const void *p, const quad *x) { (void)p; return quad_exp(x[0] * x[1]); }

/* quad_exp, quad_log: e to 33 digits, inverses of each other; the differences on f = e^{xy}, whose
 * derivatives are known: they keep the accuracy claimed at the top, with room for the constants. */
static void test_reference(void **state)
{
    (void)state;
    quad e = 0x1.5bf0a8b145769p+1 + (quad)0x1.4d57ee2b1013ap-53 + (quad)-0x1.618713a31d3e2p-109;
    assert_true((double)quad_abs(quad_exp(1) - e) <= 1e-32);
    for (int k = -40; k <= 40; k++) {
        quad x = (quad)k * 7 / 3;
        assert_true((double)quad_abs(quad_exp(x) * quad_exp(-x) - 1) <= 1e-30);
        if (k > 0) assert_true((double)quad_abs(quad_exp(quad_log(x)) / x - 1) <= 1e-31);
    }
    const double x[2] = { 0.7, -1.3 }, v[2] = { 0.4, 0.9 };
    quad g[2], Hv[2], p = quad_exp((quad)x[0] * x[1]), q = (quad)x[0] * x[1];
    reference((function){ exp_of_product, NULL, 2 }, x, NULL, g);
    reference((function){ exp_of_product, NULL, 2 }, x, v, Hv);
    assert_true((double)quad_abs(g[0] - x[1] * p) <= 1e-25);
    assert_true((double)quad_abs(g[1] - x[0] * p) <= 1e-25);
    assert_true((double)quad_abs(Hv[0] - p * ((quad)x[1] * x[1] * v[0] + (1 + q) * v[1])) <= 1e-20);
    assert_true((double)quad_abs(Hv[1] - p * ((quad)x[0] * x[0] * v[1] + (1 + q) * v[0])) <= 1e-20);
}

/* A right gradient passes and every planted error is rejected, on numbers of mixed size; a difference
 * just above the limit fails and one just below passes. */
static void test_checker(void **state)
{
    (void)state;
    const double right[6] = { 1, -2, 0.5, 4, 0, 1e-9 };
    quad ref[6];
    for (int i = 0; i < 6; i++) ref[i] = right[i];
    assert_true(units(6, right, ref, 12) == 0);
    int planted = 0;
    assert_int_equal(plants_accepted(6, right, ref, 12, &planted), 0);
    assert_true(planted >= 4 * 7);                          /* four entries are not tiny */
    for (int i = 0; i < 6; i++) {
        double unit = DBL_EPSILON * 12 * 4, near[6];        /* S = 4 */
        memcpy(near, right, sizeof near);
        near[i] = right[i] + 9.5 * unit;
        assert_true(units(6, near, ref, 12) <= LIMIT);
        near[i] = right[i] + 10.5 * unit;
        assert_false(units(6, near, ref, 12) <= LIMIT);
        near[i] = NAN;
        assert_false(units(6, near, ref, 12) <= LIMIT);
        near[i] = INFINITY;
        assert_false(units(6, near, ref, 12) <= LIMIT);
    }
}

/* ---- relations ---- */
static double dot(int n, const double *a, const double *b, double *magnitude)
{
    double sum = 0;
    for (int i = 0; i < n; i++) {
        sum += a[i] * b[i];
        *magnitude += fabs(a[i] * b[i]);
    }
    return sum;
}

/* <u, Hv> = <v, Hu>. Each entry of Hu, Hv is within a few N u S of the true one (test_hessians), and the
 * two inner products add n such errors times |u|, |v| <= 1: 10 units of u N (1 + n max|Hu|, |Hv|). */
static void test_symmetry(void **state)
{
    (void)state;
    gsl_rng *rng = random_stream(15, 0, RANDOM_TEST);
    for (int i = 0; i < COUNT(table); i++)
        for (int round = 0; round < ROUNDS; round++) {
            struct problem p;
            double Hu[MAX] = { 0 }, Hv[MAX] = { 0 }, S = 0;
            draw(rng, &table[i], false, &p);
            ad_tape *t = ad_tape_new();
            struct recorded r = record(t, &p);
            hessian_times(t, &r, p.u, Hu);
            hessian_times(t, &r, p.v, Hv);
            double uHv = dot(p.n, p.u, Hv, &S), vHu = dot(p.n, p.v, Hu, &S);
            if (!(fabs(uHv - vHu) <= LIMIT * DBL_EPSILON * (p.n + p.m) * fmax(1, S)))
                fail_msg("%s: <u,Hv> = %.17g, <v,Hu> = %.17g", p.o->name, uHv, vHu);
            ad_tape_free(t);
        }
    gsl_rng_free(rng);
}

/* The adjoint of 2 W + 3 V is 2 (that of W) + 3 (that of V); the bound as for gradients. */
static void test_linearity(void **state)
{
    (void)state;
    gsl_rng *rng = random_stream(16, 0, RANDOM_TEST);
    for (int i = 0; i < COUNT(table); i++)
        for (int round = 0; round < ROUNDS; round++) {
            struct problem p;
            draw(rng, &table[i], false, &p);
            ad_tape *t = ad_tape_new();
            struct recorded r = record(t, &p);
            ad V = ad_input(t, p.V, p.o->y.r, p.o->y.c), sum = ad_add(ad_scale(2, r.W), ad_scale(3, V));
            double got[3][MAX] = { { 0 } };
            for (int k = 0; k < 3; k++) {
                ad g[2], adjoint[] = { r.W, V, sum };
                for (int j = 0; j < r.leaves; j++) g[j] = ad_vjp(r.y, r.x[j], adjoint[k]);
                values(&r, g, got[k]);
            }
            quad want[MAX];
            for (int j = 0; j < p.n; j++) want[j] = 2 * (quad)got[0][j] + 3 * (quad)got[1][j];
            double error = units(p.n, got[2], want, 2 * (p.n + p.m));
            if (!(error <= LIMIT)) fail_msg("%s: not linear in the adjoint: %g units", p.o->name, error);
            ad_tape_free(t);
        }
    gsl_rng_free(rng);
}

static bool exactly(ad a, int r, int c, double k)
{
    bool equal = ad_nrows(a) == r && ad_ncols(a) == c;
    for (int i = 0; equal && i < r * c; i++) equal = ad_value(a)[i] == k;
    return equal;
}

/* Zero, exactly: the derivative through a detached node, by an unused leaf, by a node younger than y, and
 * by a leaf that y reaches only through detach; not merely small. x detach(x) has derivative x, not 2x. */
static void test_detached_and_unused(void **state)
{
    (void)state;
    gsl_rng *rng = random_stream(17, 0, RANDOM_TEST);
    for (int i = 0; i < COUNT(table); i++) {
        struct problem p;
        draw(rng, &table[i], false, &p);
        ad_tape *t = ad_tape_new();
        ad unused = ad_input(t, p.W, p.o->y.r, p.o->y.c);
        struct recorded r = record(t, &p);
        ad fixed = ad_detach(r.y), L = ad_dot(fixed, r.W);
        assert_memory_equal(ad_value(fixed), ad_value(r.y), (size_t)p.m * sizeof(double));
        for (int k = 0; k < r.leaves; k++)
            assert_true(exactly(ad_grad(L, r.x[k]), ad_nrows(r.x[k]), ad_ncols(r.x[k]), 0));
        assert_true(exactly(ad_grad(r.L, unused), p.o->y.r, p.o->y.c, 0));
        assert_true(exactly(ad_grad(r.L, ad_exp(r.L)), 1, 1, 0));
        ad g = ad_grad(ad_sum(ad_mul(r.y, fixed)), r.y), g_fixed = ad_grad(ad_sum(ad_mul(r.y, fixed)), fixed);
        assert_memory_equal(ad_value(g), ad_value(r.y), (size_t)p.m * sizeof(double));
        assert_memory_equal(ad_value(g_fixed), ad_value(r.y), (size_t)p.m * sizeof(double));
        ad_tape_free(t);
    }
    gsl_rng_free(rng);
}

/* Derivatives by nodes that are not leaves, by y itself, and a node whose users come in several orders:
 * y = z^2 e^z + z at z = a + b, dy/dz = (z^2 + 2z) e^z + 1, the same by a and by b, bit by bit. */
static void test_intermediate(void **state)
{
    (void)state;
    ad_tape *t = ad_tape_new();
    const double value[2] = { 0.75, -0.5 };
    ad a = ad_input(t, &value[0], 1, 1), b = ad_input(t, &value[1], 1, 1), z = ad_add(a, b);
    ad y = ad_add(ad_mul(ad_mul(z, z), ad_exp(z)), z);
    const double got = ad_scalar(ad_grad(y, z)), want = (0.25 * 0.25 + 0.5) * exp(0.25) + 1;
    assert_true(fabs(got - want) <= 4 * DBL_EPSILON * want);
    assert_true(ad_scalar(ad_grad(y, a)) == got && ad_scalar(ad_grad(y, b)) == got);
    assert_true(ad_scalar(ad_grad(y, y)) == 1 && ad_scalar(ad_grad(z, y)) == 0);
    assert_true(ad_scalar(ad_grad(ad_grad(y, y), z)) == 0);
    ad_tape_free(t);
}

/* Leaves: an input is borrowed, a copy is not; constant and identity; shapes; NULL may be freed. */
static void test_leaves(void **state)
{
    (void)state;
    ad_tape *t = ad_tape_new();
    double data[6] = { 1, 2, 3, 4, 5, 6 };
    ad x = ad_copy(t, data, 2, 3), borrowed = ad_input(t, data, 2, 3), I = ad_eye(t, 3);
    data[4] = -1;
    for (int i = 0; i < 6; i++) assert_true(ad_value(x)[i] == i + 1);
    assert_ptr_equal(ad_value(borrowed), data);
    assert_true(ad_nrows(x) == 2 && ad_ncols(x) == 3);
    for (int i = 0; i < 9; i++) assert_true(ad_value(I)[i] == (i % 4 == 0));
    assert_true(exactly(ad_constant(t, 2.5, 4, 2), 4, 2, 2.5));
    assert_true(ad_scalar(ad_constant(t, -3, 1, 1)) == -3);
    const int index[2] = { 2, 0 };
    ad picked = ad_sum(ad_gather(x, index));
    const double want[6] = { 0, 0, 1, 1, 0, 0 };
    assert_memory_equal(ad_value(ad_grad(picked, x)), want, sizeof want);
    ad_tape_free(t);
    ad_tape_free(NULL);
}

static void bits(ad_tape *t, const struct problem *p, double *out)
{
    struct recorded r = record(t, p);
    ad g[2];
    for (int k = 0; k < r.leaves; k++) g[k] = ad_grad(r.L, r.x[k]);
    *out++ = ad_scalar(r.L);
    values(&r, g, out);
    hessian_times(t, &r, p->v, out + p->n);
}

/* Record, reset, record something else, reset, record again: value, gradient, Hv are the same to the bit,
 * and in the same memory. A leaf from before the mark lives on. */
static void test_reset(void **state)
{
    (void)state;
    gsl_rng *rng = random_stream(18, 0, RANDOM_TEST);
    ad_tape *t = ad_tape_new();
    const double kept_value[2] = { 3, 4 };
    ad kept = ad_input(t, kept_value, 2, 1);
    ad_mark mark = ad_here(t);
    for (int i = 0; i < COUNT(table); i++) {
        struct problem p, other;
        double first[2 * MAX + 1] = { 0 }, again[2 * MAX + 1] = { 0 }, scratch[2 * MAX + 1];
        draw(rng, &table[i], false, &p);
        draw(rng, &table[(i + 1) % COUNT(table)], false, &other);
        bits(t, &p, first);
        ad_reset(t, mark);
        bits(t, &other, scratch);
        ad_reset(t, mark);
        const double *place = ad_value(ad_constant(t, 1, 1, 1));
        ad_reset(t, mark);
        assert_ptr_equal(place, ad_value(ad_constant(t, 1, 1, 1)));
        ad_reset(t, mark);
        bits(t, &p, again);
        assert_memory_equal(first, again, sizeof first);
        ad norm = ad_dot(kept, kept);
        assert_true(ad_scalar(norm) == 25 && ad_value(ad_grad(norm, kept))[1] == 8);
        ad_reset(t, mark);
    }
    ad_tape_free(t);
    gsl_rng_free(rng);
}

/* Gaps of 1e300: e^(max) would overflow and the sum underflow. Value a - max, exactly; gradient W -
 * softmax * sum W with softmax = (0, 1, 0): exact in small integers; Hv = 0, not NaN. */
static void test_log_softmax_gaps(void **state)
{
    (void)state;
    static const double gaps[][3] = { { 0, 1e300, -1e300 }, { -1e300, 1e300, 1 }, { 800, 2e4, -2e4 },
                                      { -1e300, -2e299, -8e299 } };
    const double W[3] = { 3, 5, -7 }, v[3] = { 1, -2, 4 }, want[3] = { 3, 5 - 1, -7 };
    for (int i = 0; i < COUNT(gaps); i++) {
        ad_tape *t = ad_tape_new();
        ad x = ad_input(t, gaps[i], 1, 3), y = ad_log_softmax(x);
        for (int j = 0; j < 3; j++) assert_true(ad_value(y)[j] == gaps[i][j] - gaps[i][1]);
        ad g = ad_vjp(y, x, ad_input(t, W, 1, 3));
        for (int j = 0; j < 3; j++) assert_true(ad_value(g)[j] == want[j]);
        assert_true(exactly(ad_grad(ad_dot(g, ad_input(t, v, 1, 3)), x), 1, 3, 0));
        ad_tape_free(t);
    }
}

static size_t bytes_between(ad_mark before, ad_mark after)
{
    assert_ptr_equal(before.memory.block, after.memory.block);      /* else the difference means nothing */
    return after.memory.used - before.memory.used;
}

/* Only nodes between x and y are visited: the gradient of y = x^2 - f(z) by x records the adjoint 1, two
 * shares of x x and their sum, four nodes of one number; nothing for f, however long it is. */
static void test_visits_only_between(void **state)
{
    (void)state;
    for (int length = 1; length <= 25; length += 24) {
        ad_tape *t = ad_tape_new();
        ad_mark start = ad_here(t);
        ad z = ad_constant(t, 1, 1, 1);
        size_t node = bytes_between(start, ad_here(t));
        ad x = ad_constant(t, 1, 1, 1), f = z;
        for (int i = 0; i < length; i++) f = ad_scale(0.5, ad_mul(f, z));
        ad y = ad_sub(ad_mul(x, x), f);
        ad_mark before = ad_here(t);
        assert_true(ad_scalar(ad_grad(y, x)) == 2);
        assert_true(bytes_between(before, ad_here(t)) <= 4 * node);
        ad_tape_free(t);
    }
}

/* ---- random graphs: a list of steps, each on earlier nodes, all [3 x 3]; built on the tape and, from the
 * same list, in the naive reference. Every result is scaled by a power of two to at most 1 in size, so that
 * forty steps neither overflow nor vanish. ---- */
enum { SIDE = 3, ENTRIES = SIDE * SIDE, GRAPH_LEAVES = 2, MAX_STEPS = 40, GRAPHS = 300 };
enum step_op { ADD, SUB, MUL, EXP, MATMUL, LOG_SOFTMAX, SOLVE, ROW_SUM, SUM, SHIFT, PICK, STEP_OPS };

struct step { enum step_op op; int a, b, k[2]; double scale; };
struct graph { int steps; struct step step[MAX_STEPS]; double W[ENTRIES]; };

static ad tape_step(ad_tape *t, const struct step *s, ad a, ad b)
{
    switch (s->op) {
    case ADD:         return ad_add(a, b);
    case SUB:         return ad_sub(a, b);
    case MUL:         return ad_mul(a, b);
    case EXP:         return ad_exp(a);
    case MATMUL:      return ad_matmul_t(s->k[0], s->k[1], a, b);
    case LOG_SOFTMAX: return ad_log_softmax(a);
    case SOLVE:       return ad_solve_(s->k[0], ad_add(a, ad_scale(4, ad_eye(t, SIDE))), b, AD_AT);
    case ROW_SUM:     return ad_cols(ad_row_sum(a), SIDE);
    case SUM:         return ad_spread(ad_sum(a), SIDE, SIDE);
    case SHIFT:       return unview(ad_view(a, s->k[0], 2, 2), &s->k[1], SIDE, SIDE);
    case PICK:        return ad_ungather(ad_gather(a, columns), columns + 2, SIDE);
    default:          return NULL;
    }
}

static void naive_step(const struct step *s, const quad *a, const quad *b, quad *y)
{
    const op o = { .a = S(SIDE, SIDE), .b = S(SIDE, SIDE), .y = S(SIDE, SIDE), .k = { s->k[0], s->k[1] } };
    quad shifted[ENTRIES], row[SIDE] = { 0 }, all = 0;
    for (int i = 0; i < ENTRIES; i++) {
        shifted[i] = a[i] + (i % (SIDE + 1) == 0 ? 4 : 0);
        row[i / SIDE] += a[i];
        all += a[i];
    }
    switch (s->op) {
    case ADD:         naive_add(&o, a, b, y); break;
    case SUB:         naive_sub(&o, a, b, y); break;
    case MUL:         naive_mul(&o, a, b, y); break;
    case EXP:         naive_exp(&o, a, b, y); break;
    case MATMUL:      naive_matmul(&o, a, b, y); break;
    case LOG_SOFTMAX: naive_log_softmax(&o, a, b, y); break;
    case SOLVE:       naive_solve(&o, shifted, b, y); break;
    case ROW_SUM:     for (int i = 0; i < ENTRIES; i++) y[i] = row[i / SIDE]; break;
    case SUM:         for (int i = 0; i < ENTRIES; i++) y[i] = all; break;
    case SHIFT:
        for (int i = 0; i < ENTRIES; i++) y[i] = 0;
        for (int i = 0; i < 4; i++) y[s->k[1] + i] = a[s->k[0] + i];
        break;
    default:
        for (int i = 0; i < ENTRIES; i++) y[i] = 0;
        for (int i = 0; i < SIDE; i++) y[i * SIDE + columns[2 + i]] = a[i * SIDE + columns[i]];
    }
    for (int i = 0; i < ENTRIES; i++) y[i] *= s->scale;
}

static quad graph_value(const void *graph, const quad *x)       /* <W, the last three nodes added> */
{
    const struct graph *g = graph;
    quad node[GRAPH_LEAVES + MAX_STEPS][ENTRIES], sum = 0;
    for (int i = 0; i < GRAPH_LEAVES * ENTRIES; i++) node[i / ENTRIES][i % ENTRIES] = x[i];
    for (int k = 0; k < g->steps; k++)
        naive_step(&g->step[k], node[g->step[k].a], node[g->step[k].b], node[GRAPH_LEAVES + k]);
    for (int k = g->steps - 1; k < g->steps + 2; k++)
        for (int i = 0; i < ENTRIES; i++) sum += g->W[i] * node[k][i];
    return sum;
}

/* An earlier node: half the time one of the last three, so that graphs get deep as well as shared. */
static int earlier(gsl_rng *rng, int nodes)
{
    bool recent = gsl_rng_uniform(rng) < 0.5 && nodes > 3;
    return (int)gsl_rng_uniform_int(rng, recent ? 3 : (unsigned long)nodes) + (recent ? nodes - 3 : 0);
}

/* Draws a graph while recording it on t: node[0], node[1] are its leaves, x their values. */
static ad record_graph(gsl_rng *rng, ad_tape *t, struct graph *g, double *x, ad *node)
{
    fill(rng, GRAPH_LEAVES * ENTRIES, -1, 1, x);
    fill(rng, ENTRIES, -1, 1, g->W);
    g->steps = 5 + (int)gsl_rng_uniform_int(rng, MAX_STEPS - 5 + 1);
    for (int k = 0; k < GRAPH_LEAVES; k++) node[k] = ad_input(t, x + k * ENTRIES, SIDE, SIDE);
    for (int k = 0; k < g->steps; k++) {
        struct step s = { .op = gsl_rng_uniform_int(rng, STEP_OPS), .scale = 1 };
        int range = s.op == SHIFT ? 6 : 2, e;
        s.a = earlier(rng, GRAPH_LEAVES + k);
        s.b = earlier(rng, GRAPH_LEAVES + k);
        for (int i = 0; i < 2; i++) s.k[i] = (int)gsl_rng_uniform_int(rng, (unsigned long)range);
        g->step[k] = s;
        ad y = tape_step(t, &g->step[k], node[s.a], node[s.b]);
        double largest = 0;
        for (int i = 0; i < ENTRIES; i++) largest = fmax(largest, fabs(ad_value(y)[i]));
        frexp(largest, &e);
        if (e > 0) g->step[k].scale = ldexp(1, -e);
        node[GRAPH_LEAVES + k] = ad_scale(g->step[k].scale, y);
    }
    const ad *last = node + GRAPH_LEAVES + g->steps;
    return ad_dot(ad_add(ad_add(last[-1], last[-2]), last[-3]), ad_input(t, g->W, SIDE, SIDE));
}

/* Gradients, and for every sixth graph H v. N = the entries of all nodes; the error of a node passes
 * through steps whose derivatives are of order 1, so it is of the order N u S, as for one operator. */
static void test_random_graphs(void **state)
{
    (void)state;
    gsl_rng *rng = random_stream(20, 0, RANDOM_TEST);
    struct tally first = { 0 }, second = { 0 };
    const op name = { .name = "random graph" };
    enum { N = GRAPH_LEAVES * ENTRIES };
    for (int i = 0; i < GRAPHS; i++) {
        ad_tape *t = ad_tape_new();
        struct graph g;
        double x[N], v[N], got[N];
        quad ref[N];
        ad node[GRAPH_LEAVES + MAX_STEPS], L = record_graph(rng, t, &g, x, node);
        function f = { graph_value, &g, N };
        struct recorded r = { .leaves = GRAPH_LEAVES, .x = { node[0], node[1] }, .L = L };
        ad gradient[GRAPH_LEAVES] = { ad_grad(L, node[0]), ad_grad(L, node[1]) };
        values(&r, gradient, got);
        reference(f, x, NULL, ref);
        check(&first, "gradient", &name, N, got, ref, ENTRIES * g.steps);
        if (i % 6 == 0) {
            fill(rng, N, -1, 1, v);
            hessian_times(t, &r, v, got);
            reference(f, x, v, ref);
            check(&second, "Hessian", &name, N, got, ref, ENTRIES * g.steps);
        }
        ad_tape_free(t);
    }
    report("graphs, gradient", &first);
    report("graphs, Hessian x v", &second);
    gsl_rng_free(rng);
}

/* ---- child processes: deep graphs on a small stack, and the errors ---- */
struct ending { int status; char err[2048]; };

/* A child that ends early holds memory: no leak, and LeakSanitizer must not change its exit status. */
static bool in_child;
int __lsan_is_turned_off(void);
int __lsan_is_turned_off(void) { return in_child; }

static struct ending run_child(void (*body)(int), int which)
{
    struct ending end = { 0 };
    int err[2];
    size_t n = 0;
    assert_int_equal(pipe(err), 0);
    fflush(NULL);
    pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        in_child = true;
        dup2(err[1], STDERR_FILENO);
        body(which);
        _exit(99);                                      /* the body came back */
    }
    close(err[1]);
    for (ssize_t k; n < sizeof end.err - 1 && (k = read(err[0], end.err + n, sizeof end.err - 1 - n)) > 0;)
        n += (size_t)k;
    close(err[0]);
    assert_true(waitpid(child, &end.status, 0) == child);
    return end;
}

/* y = x^(n+1) at x = 1 as a chain: y' = n + 1, y'' = (n + 1) n, exact in doubles since every partial sum is
 * an integer below 2^53. A recursion would need at least 16 bytes a level; 256 KB of stack hold 16384. */
static void deep_chain(int n)
{
    const double one = 1;
    const struct rlimit small = { 256 << 10, 256 << 10 };
    if (setrlimit(RLIMIT_STACK, &small) != 0) _exit(98);
    ad_tape *t = ad_tape_new();
    ad x = ad_input(t, &one, 1, 1), y = x;
    for (int i = 0; i < n; i++) y = ad_mul(y, x);
    ad first = ad_grad(y, x), second = ad_grad(first, x);
    if (ad_scalar(first) != n + 1.0) _exit(1);
    if (ad_scalar(second) != (n + 1.0) * n) _exit(2);
    _exit(0);
}

static void test_deep_chain(void **state)
{
    (void)state;
    struct ending end = run_child(deep_chain, 20000);
    if (!WIFEXITED(end.status) || WEXITSTATUS(end.status) != 0)
        fail_msg("wait status %#x (1, 2: wrong derivative; signal 11: stack)", (unsigned)end.status);
}

/* What the line on stderr must contain: operator, shapes, test_ad.c:line (0: the call carries no place). */
struct message { const char *op, *shapes; int line; };

#define BAD(n, name, text, call)                                        \
    case n:                                                             \
        *m = (struct message){ name, text, __LINE__ };                  \
        if (run) (void)(call);                                          \
        return true

/* Case `which`: fills in the message; with run set makes the call. False behind the last case. */
static bool bad_call(int which, bool run, struct message *m)
{
    static const double zeros[6] = { 0 };
    static const int index[] = { 1, 3 }, negative[] = { 0, -1 };
    static ad_tape *t, *other;
    if (!t) t = ad_tape_new();
    if (!other) other = ad_tape_new();
    ad a = ad_input(t, zeros, 2, 3), b = ad_input(t, zeros, 3, 2), s = ad_eye(t, 2);
    ad column = ad_input(t, zeros, 3, 1), row = ad_input(t, zeros, 1, 3), scalar = ad_input(t, zeros, 1, 1);
    switch (which) {
    BAD(0, "ad_add", "[2 x 3] and [3 x 2]", ad_add(a, b));
    BAD(1, "ad_sub", "[3 x 1] and [1 x 3]", ad_sub(column, row));
    BAD(2, "ad_mul", "[1 x 3] and [3 x 1]", ad_mul(row, column));
    BAD(3, "ad_dot", "[2 x 3] and [1 x 1]", ad_dot(a, scalar));
    BAD(4, "ad_matmul", "[2 x 3] and [2 x 3]", ad_matmul(a, a));
    BAD(5, "ad_matmul", "[2 x 3] and [3 x 2]", ad_matmul_t(true, false, a, b));
    BAD(6, "ad_matmul", "[2 x 3] and [3 x 2]", ad_matmul_t(false, true, a, b));
    BAD(7, "ad_matmul", "[2 x 3] and [2 x 3]", ad_matmul_t(true, true, a, a));
    BAD(8, "ad_solve", "[2 x 3] and [2 x 2]", ad_solve(a, s));
    BAD(9, "ad_solve", "[2 x 2] and [3 x 2]", ad_solve(s, b));
    BAD(10, "ad_solve", "[3 x 2] and [2 x 2]", ad_solve_t(b, s));
    BAD(11, "ad_solve", "[2 x 2] and [3 x 1]", ad_solve_t(s, column));
    BAD(12, "ad_view", "[2 x 3]", ad_view(a, 1, 2, 3));
    BAD(13, "ad_view", "[2 x 3]", ad_view(a, -1, 1, 1));
    BAD(14, "ad_view", "[2 x 3]", ad_view(a, 0, 0, 1));
    BAD(15, "ad_view", "[2 x 3]", ad_view(a, 0, 1, -1));
    BAD(16, "ad_rows", "[3 x 1]", ad_rows(column, 3));
    BAD(17, "ad_columns", "[2 x 3]", ad_columns(a, 2, 2));
    BAD(18, "ad_concat", "[2 x 3] and [3 x 2]", ad_concat(a, b));
    BAD(19, "ad_cols", "[1 x 3]", ad_cols(row, 3));
    BAD(20, "ad_cols", "[3 x 1]", ad_cols(column, 0));
    BAD(21, "ad_spread", "[3 x 1]", ad_spread(column, 3, 3));
    BAD(22, "ad_spread", "[1 x 1]", ad_spread(scalar, 2, 0));
    BAD(23, "ad_gather", "index[1] = 3", ad_gather(a, index));
    BAD(24, "ad_gather", "index[1] = -1", ad_gather(a, negative));
    BAD(25, "ad_ungather", "[2 x 3]", ad_ungather(a, index, 3));
    BAD(26, "ad_ungather", "index[1] = 3", ad_ungather(ad_row_sum(a), index, 3));
    BAD(27, "ad_ungather", "index[1] = -1", ad_ungather(ad_row_sum(a), negative, 3));
    BAD(28, "ad_grad", "[2 x 3]", ad_grad(a, a));
    BAD(29, "ad_grad", "[3 x 1]", ad_grad(column, scalar));
    BAD(30, "ad_vjp", "[2 x 3] and [3 x 2]", ad_vjp(a, a, b));
    BAD(31, "", "[0 x 3]", ad_input(t, zeros, 0, 3));
    BAD(32, "", "[2 x 0]", ad_constant(t, 1, 2, 0));
    BAD(33, "", "[-1 x -1]", ad_eye(t, -1));
    BAD(34, "ad_add", "[2 x 2] and [2 x 2]", ad_add(s, ad_eye(other, 2)));
    BAD(35, "ad_grad", "tapes", ad_grad(scalar, ad_eye(other, 1)));
    BAD(36, "ad_add", "[2 x 3] and [2 x 2]", ad_add(a, s));
    BAD(37, "ad_grad", "[1 x 3]", ad_grad(row, row));
    case 38:
        *m = (struct message){ "ad_scalar", "[2 x 3]", 0 };
        if (run) ad_scalar(a);
        return true;
    }
    return false;
}

static void make_bad_call(int which)
{
    struct message m;
    bad_call(which, true, &m);
}

/* Every bad call ends in abort(), after one line with operator, shapes and the caller's place. */
static void test_shape_errors(void **state)
{
    (void)state;
    struct message m;
    int n = 0;
    for (; bad_call(n, false, &m); n++) {
        struct ending end = run_child(make_bad_call, n);
        char place[40];
        snprintf(place, sizeof place, "test_ad.c:%d:", m.line);
        if (!WIFSIGNALED(end.status) || WTERMSIG(end.status) != SIGABRT)
            fail_msg("bad call %d (%s): wait status %#x, expected abort()", n, m.op, (unsigned)end.status);
        const char *newline = strchr(end.err, '\n');
        if (!strstr(end.err, m.op) || !strstr(end.err, m.shapes) || (m.line && !strstr(end.err, place)) ||
            !newline || newline[1])
            fail_msg("bad call %d: expected one line with %s, %s, %s; got: %s", n, m.op, m.shapes, place,
                     end.err);
    }
    assert_int_equal(n, 39);
}

enum { ZERO, RANK_ONE, HILBERT, SINGULAR_KINDS };
static const int singular_line = __LINE__ + 1;
static ad solve_here(ad a, ad b) { return ad_solve(a, b); }

static void solve_singular(int which)
{
    double A[144];
    for (int i = 0; i < 144; i++) {
        int row = i / 12 + 1, column = i % 12 + 1;
        A[i] = which == ZERO ? 0 : which == RANK_ONE ? row * column : 1.0 / (row + column - 1);
    }
    ad_tape *t = ad_tape_new();
    solve_here(ad_input(t, A, 12, 12), ad_constant(t, 1, 12, 1));
}

/* Singular, and singular to working precision only (Hilbert of order 12: condition 4e16, no zero pivot):
 * exit 4 and the place of the call. */
static void test_singular_solve(void **state)
{
    (void)state;
    char place[40];
    snprintf(place, sizeof place, "test_ad.c:%d:", singular_line);
    for (int kind = 0; kind < SINGULAR_KINDS; kind++) {
        struct ending end = run_child(solve_singular, kind);
        assert_true(WIFEXITED(end.status));
        assert_int_equal(WEXITSTATUS(end.status), 4);
        if (!strstr(end.err, place) || !strstr(end.err, "ad_solve") || !strstr(end.err, "[12 x 12]"))
            fail_msg("expected ad_solve, [12 x 12] and %s; got: %s", place, end.err);
    }
}

/* ---- stored cases: out, gradient and H v of formulas.txt, computed in 100 digits ---- */
enum { MAX_TENSORS = 8 };
enum kind { IN, CONST, DIR, OUT, GRAD, HVP, KINDS };
static const char *const kind_name[KINDS] = { "in", "const", "dir", "out", "grad", "hvp" };

struct tensor { char name[8]; bool differentiated; int r, c; double value[KINDS][MAX]; };
struct formula_data { int tensors; struct tensor t[MAX_TENSORS]; double out; };

static ad square(ad a)                    { return ad_mul(a, a); }
static ad mean(ad a)                      { return ad_scale(1.0 / (ad_nrows(a) * ad_ncols(a)), ad_sum(a)); }
static ad ones(ad_tape *t, int r, int c)  { return ad_constant(t, 1, r, c); }
static ad down(ad_tape *t, ad row, int r) { return ad_matmul(ones(t, r, 1), row); }     /* to [r x c] */
static ad col_sum(ad_tape *t, ad a)       { return ad_matmul(ones(t, 1, ad_nrows(a)), a); } /* to [1 x c] */
static ad row_mean_sum(ad a)              { return ad_scale(1.0 / ad_nrows(a), ad_sum(a)); }

static ad pick(ad a, ad labels)                         /* a[i, label[i]] */
{
    int *index = ad_alloc(a->tape, (size_t)ad_nrows(a) * sizeof *index);
    for (int i = 0; i < ad_nrows(labels); i++) index[i] = (int)ad_value(labels)[i];
    return ad_gather(a, index);
}

static ad kl(ad x, ad y)                                /* mean over rows of KL(softmax x || softmax y) */
{
    ad p = ad_log_softmax(x), q = ad_log_softmax(y);
    return row_mean_sum(ad_mul(ad_exp(p), ad_sub(p, q)));
}

static const double LOG_2PI = 1.8378770664093454836;

/* One function a case, named as in formulas.txt; x[] in the order of cases.csv. */
#define CASE(name) static ad case_##name(ad_tape *t, const ad *x)
#define WEIGHTED(w, y) ((void)t, ad_dot(w, y))

CASE(matmul)         { return WEIGHTED(x[2], ad_matmul(x[0], x[1])); }
CASE(matmul_tn)      { return WEIGHTED(x[2], ad_matmul_t(true, false, x[0], x[1])); }
CASE(matmul_nt)      { return WEIGHTED(x[2], ad_matmul_t(false, true, x[0], x[1])); }
CASE(quadratic_form) { return WEIGHTED(x[0], ad_matmul(x[1], x[0])); }
CASE(transpose)      { return ad_dot(x[1], square(ad_matmul_t(true, false, x[0], ad_eye(t, 3)))); }
CASE(bias_add_row)   { return ad_dot(x[2], square(ad_add(x[0], down(t, x[1], 4)))); }
CASE(mul_col)        { return WEIGHTED(x[2], ad_mul(x[0], ad_cols(x[1], 3))); }
CASE(mul_scalar)     { return WEIGHTED(x[2], ad_mul(square(x[0]), ad_spread(x[1], 2, 3))); }
CASE(outer)          { return WEIGHTED(x[2], ad_matmul(x[0], x[1])); }
CASE(exp)            { return WEIGHTED(x[1], ad_exp(x[0])); }
CASE(sum_axis0)      { return ad_dot(x[1], square(col_sum(t, x[0]))); }
CASE(mean_axis0)     { return ad_dot(x[1], ad_exp(ad_scale(0.25, col_sum(t, x[0])))); }
CASE(log_softmax)    { return WEIGHTED(x[1], ad_log_softmax(x[0])); }
CASE(softmax)        { return WEIGHTED(x[1], ad_exp(ad_log_softmax(x[0]))); }
CASE(cross_entropy)  { (void)t; return ad_scale(-1, mean(pick(ad_log_softmax(x[0]), x[1]))); }
CASE(kl_categorical) { (void)t; return kl(x[0], x[1]); }
CASE(kl_categorical_same) { (void)t; return kl(x[1], x[0]); }
CASE(is_surrogate)   { (void)t; return mean(ad_mul(ad_exp(ad_sub(x[0], x[1])), x[2])); }
CASE(mse)            { (void)t; return mean(square(ad_sub(x[0], x[1]))); }
CASE(variance)       { (void)t; return mean(square(ad_sub(x[0], ad_spread(mean(x[0]), 3, 4)))); }

CASE(sub_mul)
{
    return WEIGHTED(x[2], ad_mul(ad_sub(x[0], x[1]), x[0]));
}

CASE(square_cube)
{
    return ad_add(WEIGHTED(x[1], square(x[0])), WEIGHTED(x[2], ad_mul(x[0], square(x[0]))));
}

CASE(sum_axis1)
{
    ad sum = ad_row_sum(x[0]);
    return WEIGHTED(x[1], ad_mul(sum, square(sum)));
}

CASE(logsumexp)                             /* a[:,0] - log_softmax(a)[:,0] */
{
    static const int first[3] = { 0 };
    return WEIGHTED(x[1], ad_sub(ad_gather(x[0], first), ad_gather(ad_log_softmax(x[0]), first)));
}

CASE(entropy_categorical)
{
    ad logp = ad_log_softmax(x[0]);
    (void)t;
    return ad_scale(-1, row_mean_sum(ad_mul(ad_exp(logp), logp)));
}

CASE(gauss_logprob)                         /* x, mu, ls */
{
    ad ls = down(t, x[2], 4), z = ad_mul(ad_sub(x[0], x[1]), ad_exp(ad_scale(-1, ls)));
    ad logp = ad_sub(ad_sub(ad_scale(-0.5, square(z)), ls), ad_constant(t, LOG_2PI / 2, 4, 3));
    return row_mean_sum(logp);
}

CASE(gauss_entropy)
{
    return ad_sum(square(ad_add(x[0], ad_constant(t, 0.5 + LOG_2PI / 2, 1, 3))));
}

CASE(kl_gauss)                              /* m1, l1, m2, l2 */
{
    ad l1 = down(t, x[1], 2), l2 = down(t, x[3], 2);
    ad squares = ad_add(ad_exp(ad_scale(2, l1)), square(ad_sub(x[0], x[2])));
    ad ratio = ad_scale(0.5, ad_mul(squares, ad_exp(ad_scale(-2, l2))));
    return row_mean_sum(ad_sub(ad_add(ad_sub(l2, l1), ratio), ad_constant(t, 0.5, 2, 3)));
}

CASE(gae)                                   /* v, r, w, vlast; (I - 0.97 0.9 shift) adv = delta */
{
    double A[36] = { 0 };
    for (int i = 0; i < 6; i++) A[i * 6 + i] = 1;
    for (int i = 0; i < 5; i++) A[i * 6 + i + 1] = -0.97 * 0.9;
    static const int place[2] = { 0, 5 };
    ad next = ad_assemble(t, 6, 1, 2, (ad[]){ ad_view(x[0], 1, 5, 1), x[3] }, place, AD_AT);
    ad delta = ad_sub(ad_add(x[1], ad_scale(0.97, next)), x[0]);
    return ad_dot(x[2], square(ad_solve(ad_copy(t, A, 6, 6), delta)));
}

#define STORED(name) { #name, case_##name }
static const struct formula { const char *name; ad (*build)(ad_tape *t, const ad *x); } formulas[] = {
    STORED(matmul), STORED(matmul_tn), STORED(matmul_nt), STORED(quadratic_form), STORED(transpose),
    STORED(bias_add_row), STORED(mul_col), STORED(mul_scalar), STORED(outer), STORED(sub_mul), STORED(exp),
    STORED(square_cube), STORED(sum_axis0), STORED(sum_axis1), STORED(mean_axis0), STORED(log_softmax),
    { "log_softmax_large", case_log_softmax }, STORED(softmax), STORED(logsumexp), STORED(cross_entropy),
    STORED(entropy_categorical), STORED(kl_categorical), STORED(kl_categorical_same), STORED(gauss_logprob),
    STORED(gauss_entropy), STORED(kl_gauss), STORED(is_surrogate), STORED(mse), STORED(variance), STORED(gae),
};

static FILE *open_reference(const char *file)
{
    char path[1000];
    snprintf(path, sizeof path, "%s/autodiff/%s", REFERENCE, file);
    FILE *f = fopen(path, "r");
    if (!f) fail_msg("%s: %s", path, strerror(errno));
    return f;
}

#define WORDS "%63[^,],%63[^,],%63[^,]"

/* Shapes from cases.csv, numbers from values.csv. What the file lacks stays NaN, which fails later. */
static void load(const char *name, struct formula_data *d)
{
    char line[300], field[3][64];
    int i, j;
    double value;
    *d = (struct formula_data){ .out = NAN };
    FILE *f = open_reference("cases.csv");
    while (fgets(line, sizeof line, f)) {
        if (sscanf(line, WORDS ",%d,%d", field[0], field[1], field[2], &i, &j) != 5) continue;
        if (strcmp(field[0], name) != 0) continue;
        assert_true(d->tensors < MAX_TENSORS && i * j <= MAX);
        struct tensor *x = &d->t[d->tensors++];
        snprintf(x->name, sizeof x->name, "%.7s", field[1]);
        x->differentiated = strcmp(field[2], "in") == 0;
        x->r = i;
        x->c = j;
        for (int k = 0; k < KINDS * MAX; k++) x->value[k / MAX][k % MAX] = NAN;
    }
    fclose(f);
    f = open_reference("values.csv");
    while (fgets(line, sizeof line, f)) {
        if (sscanf(line, WORDS ",%d,%d,%lf", field[0], field[1], field[2], &i, &j, &value) != 6) continue;
        if (strcmp(field[0], name) != 0) continue;
        if (strcmp(field[1], "out") == 0) d->out = value;
        for (int k = 0; k < d->tensors; k++)
            for (int kind = 0; kind < KINDS; kind++)
                if (strcmp(field[2], d->t[k].name) == 0 && strcmp(field[1], kind_name[kind]) == 0 &&
                    i < d->t[k].r && j < d->t[k].c)
                    d->t[k].value[kind][i * d->t[k].c + j] = value;
    }
    fclose(f);
    assert_true(d->tensors > 0);
}

/* The tensors of a kind, of all inputs, one behind the other; returns how many numbers. */
static int flatten(const struct formula_data *d, enum kind kind, quad *out)
{
    int n = 0;
    for (int k = 0; k < d->tensors; k++)
        for (int i = 0; i < d->t[k].r * d->t[k].c && d->t[k].differentiated; i++)
            out[n++] = d->t[k].value[kind][i];
    return n;
}

/* N counts the entries of all tensors: the formulas are sums of few terms for each of them. The stored
 * numbers themselves are right to 1e-16 relative, below half a unit. */
static void test_stored_cases(void **state)
{
    (void)state;
    struct tally tally = { 0 };
    for (int f = 0; f < COUNT(formulas); f++) {
        static struct formula_data d;
        load(formulas[f].name, &d);
        const op name = { .name = formulas[f].name };
        ad_tape *t = ad_tape_new();
        ad x[MAX_TENSORS], g[MAX_TENSORS], slope_v = ad_constant(t, 0, 1, 1);
        double N = 1, got[2][MAX];
        quad ref[MAX], out = d.out;
        for (int k = 0; k < d.tensors; k++) {
            x[k] = ad_input(t, d.t[k].value[d.t[k].differentiated ? IN : CONST], d.t[k].r, d.t[k].c);
            N += d.t[k].r * d.t[k].c;
        }
        ad y = formulas[f].build(t, x);
        for (int k = 0; k < d.tensors; k++) {
            if (!d.t[k].differentiated) continue;
            g[k] = ad_grad(y, x[k]);
            slope_v = ad_add(slope_v, ad_dot(g[k], ad_input(t, d.t[k].value[DIR], d.t[k].r, d.t[k].c)));
        }
        int n = 0;
        for (int k = 0; k < d.tensors; k++) {
            if (!d.t[k].differentiated) continue;
            const double *first = ad_value(g[k]), *second = ad_value(ad_grad(slope_v, x[k]));
            for (int i = 0; i < d.t[k].r * d.t[k].c; i++, n++) {
                got[0][n] = first[i];
                got[1][n] = second[i];
            }
        }
        check(&tally, "value", &name, 1, ad_value(y), &out, N);
        assert_int_equal(flatten(&d, GRAD, ref), n);
        check(&tally, "gradient", &name, n, got[0], ref, N);
        assert_int_equal(flatten(&d, HVP, ref), n);
        check(&tally, "Hessian x v", &name, n, got[1], ref, N);
        ad_tape_free(t);
    }
    report("stored cases", &tally);
    assert_int_equal(tally.compared, 3 * COUNT(formulas));
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_reference), cmocka_unit_test(test_checker),
        cmocka_unit_test(test_table_complete), cmocka_unit_test(test_values),
        cmocka_unit_test(test_gradients), cmocka_unit_test(test_hessians),
        cmocka_unit_test(test_same_operand), cmocka_unit_test(test_symmetry),
        cmocka_unit_test(test_linearity), cmocka_unit_test(test_detached_and_unused),
        cmocka_unit_test(test_intermediate), cmocka_unit_test(test_leaves), cmocka_unit_test(test_reset),
        cmocka_unit_test(test_log_softmax_gaps), cmocka_unit_test(test_visits_only_between),
        cmocka_unit_test(test_random_graphs), cmocka_unit_test(test_deep_chain),
        cmocka_unit_test(test_shape_errors), cmocka_unit_test(test_singular_solve),
        cmocka_unit_test(test_stored_cases),
    };
    if (argc > 1) cmocka_set_test_filter(argv[1]);
    linalg_start();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
