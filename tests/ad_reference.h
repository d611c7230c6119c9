/* What the tape is tested against: naive formulas in 113-bit numbers, their derivatives by differences of five
 * points,
 *     f'(x) = [8 (f(x+h) - f(x-h)) - (f(x+2h) - f(x-2h))] / 12h + O(h^4),
 * nested once for second order. With f of order 1 and roundings of 2^-113 = 1e-34: first order at h = 2^-24
 * is right to h^4 + 1e-34/h = 1e-29 + 2e-27, second order at h = 2^-18 to h^4 + 1e-34/h^2 = 2e-22 + 1e-23.
 * Both are below a millionth of the double's own 2e-16: the reference never limits a test.
 *
 * The unit. An error is measured in u N S, u = 2^-52, N = number of terms that the entry sums, each a few
 * roundings of a number <= S, S = max(1, largest entry of the reference). The limit is 10 units. */
#ifndef ASCENT_TESTS_AD_REFERENCE_H
#define ASCENT_TESTS_AD_REFERENCE_H

#include <float.h>
#include <math.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>

#define COUNT(a) ((int)(sizeof(a) / sizeof((a)[0])))

/* ---- 113-bit numbers ---- */
#if LDBL_MANT_DIG >= 113
typedef long double quad;
#else
typedef __float128 quad;
#endif

static inline quad quad_abs(quad x) { return x < 0 ? -x : x; }

/* e^x = 2^k e^r with |r| <= ln2/2: the series to r^25/25! < 1e-36; ln2 in three doubles, 159 bits */
static inline quad quad_exp_series(quad x)
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

/* Differences move one entry at a time: the others come with the same argument again. One thread only. */
static inline quad quad_exp(quad x)
{
    static struct { quad x, y; bool filled; } known[1024];
    uint64_t half[2] = { 0 };
    memcpy(half, &x, sizeof x < sizeof half ? sizeof x : sizeof half);
    size_t at = ((half[0] ^ (half[1] * 31)) * 0x9e3779b97f4a7c15u) >> 54;
    if (!known[at].filled || known[at].x != x) {
        known[at].x = x;
        known[at].y = quad_exp_series(x);
        known[at].filled = true;
    }
    return known[at].y;
}

static inline quad quad_sigmoid(quad x) { return 1 / (1 + quad_exp(-x)); }
static inline quad quad_tanh(quad x)    { return 2 * quad_sigmoid(2 * x) - 1; }

/* Newton on e^y = x from the double's value: errors 1e-16, 1e-32, then rounding */
static inline quad quad_log(quad x)
{
    quad y = log((double)x);
    for (int i = 0; i < 2; i++) y += x * quad_exp(-y) - 1;
    return y;
}

static inline quad quad_pow(quad x, quad k) { return quad_exp(k * quad_log(x)); }

/* ---- derivatives ---- */
enum { MAX = 640 };                         /* entries of all operands, of a result */

/* y [m] = f(x [n]) */
typedef struct { void (*value)(const void *p, const quad *x, quad *y); const void *p; int n, m; } function;

/* y = derivative of f at x along v, or, with u, of the derivative along u along v */
static inline void slope(function f, const quad *x, const double *v, const double *u, double h, quad *y)
{
    quad at[MAX], side[4][MAX];
    static const int step[4] = { 1, -1, 2, -2 };
    for (int s = 0; s < 4; s++) {
        for (int i = 0; i < f.n; i++) at[i] = v[i] == 0 ? x[i] : x[i] + step[s] * (quad)h * v[i];
        if (u) slope(f, at, u, NULL, h, side[s]);
        else   f.value(f.p, at, side[s]);
    }
    for (int j = 0; j < f.m; j++)
        y[j] = (8 * (side[0][j] - side[1][j]) - (side[2][j] - side[3][j])) / (12 * (quad)h);
}

static const double FIRST_STEP = 0x1p-24, SECOND_STEP = 0x1p-18;

/* y = J v at the double point x; with u the derivative of J u along v */
static inline void derivative(function f, const double *x, const double *v, const double *u, quad *y)
{
    quad at[MAX];
    for (int i = 0; i < f.n; i++) at[i] = x[i];
    slope(f, at, v, u, u ? SECOND_STEP : FIRST_STEP, y);
}

/* Gradient of a scalar f at x; with u the product of its Hessian with u. */
static inline void gradient(function f, const double *x, const double *u, quad *result)
{
    double e[MAX] = { 0 };
    for (int i = 0; i < f.n; i++) {
        e[i] = 1;
        derivative(f, x, e, u, &result[i]);
        e[i] = 0;
    }
}

/* ---- the comparison ---- */
static const double LIMIT = 10;

/* The largest error in units u N S, S at least `least`; NaN if there is one. */
static inline double units(int n, const double *got, const quad *ref, double N, double least)
{
    double S = least, worst = 0;
    for (int i = 0; i < n; i++) S = fmax(S, fabs((double)ref[i]));
    for (int i = 0; i < n; i++) {
        double error = (double)quad_abs(got[i] - ref[i]) / (DBL_EPSILON * N * S);
        if (!(error <= worst)) worst = error;
        if (isnan(worst)) return worst;
    }
    return worst;
}

/* Plants errors into got, one after the other, and counts those that the comparison lets pass: in (at most 20)
 * entries that are not tiny a sign flip, a factor 2, a dropped term, a small relative error, its neighbour's
 * value, a NaN; and the first two in all entries at once. *planted counts all of them. */
static inline int plants_accepted(int n, const double *got, const quad *ref, double N, double least, int *planted)
{
    const double small = fmax(1e-9, 1e4 * N * DBL_EPSILON);
    double wrong[MAX], largest = least;
    int accepted = 0;
    for (int j = 0; j < n; j++) largest = fmax(largest, fabs(got[j]));
    for (int i = 0; i < n; i += 1 + n / 20) {
        double next = got[(i + 1) % n];
        if (fabs(got[i]) < 1e-2 * largest) continue;
        const double plant[] = { -got[i], 2 * got[i], 0, got[i] * (1 + small), next, NAN };
        memcpy(wrong, got, (size_t)n * sizeof *got);
        for (int k = 0; k < COUNT(plant); k++) {
            if (k == 4 && fabs(next - got[i]) < small * largest) continue;
            wrong[i] = plant[k];
            accepted += units(n, wrong, ref, N, least) <= LIMIT;
            ++*planted;
        }
    }
    for (int k = 0; k < 2 && largest > least; k++) {
        for (int j = 0; j < n; j++) wrong[j] = k ? 2 * got[j] : -got[j];
        accepted += units(n, wrong, ref, N, least) <= LIMIT;
        ++*planted;
    }
    return accepted;
}

#endif
