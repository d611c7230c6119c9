/* Linear-quadratic regulators: the exact table against naive recursions in long double, against a complex step and
 * differences, against closed forms; Stein's equation; the environment; the readers. */
#include <complex.h>
#include <float.h>
#include <math.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <gsl/gsl_math.h>
#include <gsl/gsl_randist.h>

#include "autodiff/linalg.h"
#include "autodiff/random.h"
#include "autodiff/require.h"
#include "derivations/derivation.h"
#include "derivations/lqr_exact.h"
#include "derivations/regulators.h"
#include "envs/lqr.h"
#include "tests/child_process.h"

enum { D = 6 };                                     /* the greatest dimension here */
typedef long double complex number;                 /* wide enough for a complex step */

static double normal(gsl_rng *rng) { return gsl_ran_gaussian_ziggurat(rng, 1); }

static void random_matrix(gsl_rng *rng, int n, double scale, double *X)
{
    for (int i = 0; i < n; i++) X[i] = scale * normal(rng);
}

static void random_covariance(gsl_rng *rng, int n, double scale, double ridge, double *S)
{
    double G[D * D];
    random_matrix(rng, n * n, sqrt(scale / n), G);
    linalg_matmul(false, true, n, n, n, G, G, S);
    for (int i = 0; i < n; i++) {
        S[i * n + i] += ridge;
        for (int j = 0; j < i; j++) S[i * n + j] = S[j * n + i];
    }
}

/* One whose best gain is stable by a margin, and a gain around that one, stable too */
static lqr_system *random_system(gsl_rng *rng, int n, int m, double gamma, double *K)
{
    lqr_system *L = lqr_system_new(n, m);
    char error[256];
    lqr_exact *best = NULL, *x = NULL;
    L->gamma = gamma;
    for (int tries = 0; !best || best->radius > 0.85; tries++) {
        assert_true(tries < 1000);
        lqr_exact_free(best);
        random_matrix(rng, n * n, 1 / sqrt(n), L->A);
        random_matrix(rng, n * m, 1, L->B);
        random_covariance(rng, n, 1, 0.1, L->Q);
        random_covariance(rng, m, 1, 0.1, L->R);
        best = lqr_optimum(L, error, sizeof error);
        assert_non_null(best);
    }
    if (gamma < 1) random_covariance(rng, n, 0.5, 0, L->W);
    random_covariance(rng, n, 1, 0, L->Sigma0);
    random_matrix(rng, n, 1, L->mean);
    for (double scale = 0.5; !x || x->radius > 0.9; scale /= 2) {
        lqr_exact_free(x);
        random_matrix(rng, m * n, scale, K);
        for (int i = 0; i < m * n; i++) K[i] += best->K[i];
        x = lqr_exact_new(L, K, NULL, error, sizeof error);
    }
    lqr_exact_free(x);
    lqr_exact_free(best);
    return L;
}

/* ---- oracles: sums over time, term by term ---- */

typedef struct { int n, m; number F[D][D], M[D][D], P[D][D], J; } naive;

/* P = sum_t gamma^t F^tT (Q + K^T R K) F^t, and J, with K complex; transposes, not conjugates. S may be NULL. */
static naive sum_over_time(const lqr_system *L, const number *K, const double *S)
{
    naive o = { .n = L->n, .m = L->m };
    int n = L->n, m = L->m;
    for (int i = 0; i < n; i++)
        for (int j = 0; j < n; j++) {
            o.F[i][j] = L->A[i * n + j];
            o.M[i][j] = L->Q[i * n + j];
            for (int k = 0; k < m; k++) o.F[i][j] -= L->B[i * m + k] * K[k * n + j];
            for (int k = 0; k < m; k++)
                for (int l = 0; l < m; l++) o.M[i][j] += K[k * n + i] * L->R[k * m + l] * K[l * n + j];
        }
    for (int t = 0; t < 500; t++) {                         /* P <- M + gamma F^T P F; .9^1000 < 1e-45 */
        number PF[D][D] = { { 0 } }, P[D][D];
        for (int i = 0; i < n; i++)
            for (int j = 0; j < n; j++)
                for (int k = 0; k < n; k++) PF[i][j] += o.P[i][k] * o.F[k][j];
        for (int i = 0; i < n; i++)
            for (int j = 0; j < n; j++) {
                P[i][j] = o.M[i][j];
                for (int k = 0; k < n; k++) P[i][j] += L->gamma * o.F[k][i] * PF[k][j];
            }
        memcpy(o.P, P, sizeof P);
    }
    long double g = L->gamma, later = g < 1 ? 1 / (1 - g) : 0;
    for (int i = 0; i < n; i++)
        for (int j = 0; j < n; j++) {
            long double source = L->Sigma0[i * n + j] + (long double)L->mean[i] * L->mean[j];
            source += g * later * L->W[i * n + j];
            for (int k = 0; S && k < m; k++)
                for (int l = 0; l < m; l++)
                    source += g * later * (long double)L->B[i * m + k] * S[k * m + l] * L->B[j * m + l];
            o.J -= o.P[i][j] * source;
        }
    for (int i = 0; S && i < m * m; i++) o.J -= later * L->R[i] * (long double)S[i];
    return o;
}

static naive sum_of_real(const lqr_system *L, const double *K, const double *S)
{
    number z[D * D];
    for (int i = 0; i < L->m * L->n; i++) z[i] = K[i];
    return sum_over_time(L, z, S);
}

/* dJ/dK_i by a complex step: no difference is taken, so h can be as small as one likes */
static double complex_step(const lqr_system *L, const double *K, const double *S, int i)
{
    const long double h = 1e-30L;
    number z[D * D];
    for (int k = 0; k < L->m * L->n; k++) z[k] = K[k] + (k == i ? h * _Complex_I : 0);
    return (double)(cimagl(sum_over_time(L, z, S).J) / h);
}

static void within(const char *what, double a, double b, double unit)
{
    double units = fabs(a - b) / unit;
    if (!(units <= 10)) fail_msg("%s: %.17g and %.17g differ by %.3g units", what, a, b, units);
    if (!(10 * unit <= 1e-5 * fmax(1, fmax(fabs(a), fabs(b))))) fail_msg("%s: a unit of %g says nothing", what, unit);
}

/* P, J and dJ/dK of random systems and gains, with and without noise in the actions; V, Q, dQ/da at random places */
static void check_values(gsl_rng *rng, const lqr_exact *x, const double *S)
{
    int n = x->n, m = x->m;
    naive o = sum_of_real(x->L, x->K, S);
    for (int i = 0; i < n * n; i++) within("P", x->P[i], (double)creall(o.P[i / n][i % n]), x->unit_P);
    within("J", x->J, (double)creall(o.J), x->unit_J);
    double cost = 0;                                /* J = -tr((Q + K^T R K) X) without noise in the actions */
    for (int i = 0; i < n * n; i++) cost += (double)creall(o.M[i / n][i % n]) * x->X[i];
    if (!S) within("X", x->J, -cost, x->unit_J);
    for (int i = 0; i < m * n; i++) within("dJ/dK", x->gradient[i], complex_step(x->L, x->K, S, i), x->unit_gradient);

    double s[D], a[D], g[D], moved[D];
    random_matrix(rng, n, 1, s);
    lqr_mu(x, s, a);
    if (!S) within("Q(s, mu(s)) = V(s)", lqr_Q(x, s, a), lqr_V(x, s), lqr_unit_Q(x, s, a));
    random_matrix(rng, m, 1, a);
    lqr_grad_a_Q(x, s, a, g);
    for (int i = 0; i < m; i++) {                   /* exact for a parabola, whatever the step */
        double Q[2];
        for (int k = 0; k < 2; k++) {
            memcpy(moved, a, sizeof moved);
            moved[i] += k ? -1 : 1;
            Q[k] = lqr_Q(x, s, moved);
        }
        moved[i] += 2;
        within("dQ/da", g[i], (Q[0] - Q[1]) / 2, lqr_unit_Q(x, s, moved));
    }
}

static void values_and_gradients(void **state)
{
    (void)state;
    gsl_rng *rng = random_stream(1, 0, RANDOM_TEST);
    char error[256];
    for (int trial = 0; trial < 36; trial++) {
        int n = 1 + trial % D, m = 1 + (int)gsl_rng_uniform_int(rng, (unsigned long)n);
        double K[D * D], S[D * D], gamma = trial % 3 == 0 ? 1 : 0.5 + 0.49 * gsl_rng_uniform(rng);
        lqr_system *L = random_system(rng, n, m, gamma, K);
        random_covariance(rng, m, 0.3, 0, S);
        for (int noisy = 0; noisy < (gamma < 1 ? 2 : 1); noisy++) {
            lqr_exact *x = lqr_exact_new(L, K, noisy ? S : NULL, error, sizeof error);
            assert_non_null(x);
            check_values(rng, x, noisy ? S : NULL);
            lqr_exact_free(x);
        }
        lqr_system_free(L);
    }
    gsl_rng_free(rng);
}

/* The same gradient by central differences of J, extrapolated once, to what h = 2^-12 allows */
static void gradient_by_differences(void **state)
{
    (void)state;
    gsl_rng *rng = random_stream(2, 0, RANDOM_TEST);
    char error[256];
    for (int trial = 0; trial < 10; trial++) {
        double K[D * D], h = ldexp(1, -12);
        lqr_system *L = random_system(rng, 1 + trial % 4, 1 + trial % 2, 0.9, K);
        lqr_exact *x = lqr_exact_new(L, K, NULL, error, sizeof error);
        for (int i = 0; i < L->m * L->n; i++) {
            double J[5], kept = K[i];
            for (int k = -2; k <= 2; k++) {
                K[i] = kept + k * h;
                lqr_exact *moved = lqr_exact_new(L, K, NULL, error, sizeof error);
                assert_non_null(moved);
                J[k + 2] = moved->J;
                lqr_exact_free(moved);
            }
            K[i] = kept;
            double slope = (8 * (J[3] - J[1]) - (J[4] - J[0])) / (12 * h);
            assert_true(fabs(slope - x->gradient[i]) <= 1e-7 * fmax(1, fabs(x->J)));
        }
        lqr_exact_free(x);
        lqr_system_free(L);
    }
    gsl_rng_free(rng);
}

/* At K*: no gradient, no residual of Riccati's equation, no advantage of the greedy gain; and for every other K,
 * J(K) - J(K*) = -tr((K - K*)^T H (K - K*) X_K) <= 0, the performance difference. */
static void optimum(void **state)
{
    (void)state;
    gsl_rng *rng = random_stream(3, 0, RANDOM_TEST);
    char error[256];
    for (int trial = 0; trial < 60; trial++) {
        int n = 1 + trial % D, m = 1 + (int)gsl_rng_uniform_int(rng, (unsigned long)n);
        double K[D * D], K1[D * D], H[D * D], d[D * D], Hd[D * D], dX[D * D];
        lqr_system *L = random_system(rng, n, m, trial % 4 == 0 ? 1 : 0.5 + 0.49 * gsl_rng_uniform(rng), K);
        lqr_exact *best = lqr_optimum(L, error, sizeof error), *x = lqr_exact_new(L, K, NULL, error, sizeof error);
        assert_true(best->radius < 1);
        assert_true(linalg_max_abs(m * n, best->gradient) <= 10 * best->unit_gradient);
        assert_true(lqr_riccati_residual(best) <= 10 * best->unit_P * (1 + linalg_norm2(n * n, L->A)));
        lqr_greedy_gain(best, K1);
        lqr_curvature(best, H);
        for (int i = 0; i < m * n; i++) {
            assert_true(fabs(K1[i] - best->K[i]) <= 1e-8 * fmax(1, linalg_max_abs(m * n, K1)));
            d[i] = K[i] - best->K[i];
        }
        linalg_matmul(false, false, m, n, m, H, d, Hd);
        linalg_matmul(false, false, m, n, n, d, x->X, dX);
        double less = linalg_dot(m * n, Hd, dX);
        assert_true(less > 0 && x->J <= best->J);
        within("J(K) - J(K*)", x->J - best->J, -less, x->unit_J + best->unit_J);
        lqr_exact_free(x);
        lqr_exact_free(best);
        lqr_system_free(L);
    }
    gsl_rng_free(rng);
}

/* One state, one action: P is the positive root of gamma B^2 P^2 + (R - gamma B^2 Q - gamma A^2 R) P - Q R = 0; and
 * ERR-68's numbers. */
static void scalar_closed_forms(void **state)
{
    (void)state;
    gsl_rng *rng = random_stream(4, 0, RANDOM_TEST);
    char error[256];
    for (int trial = 0; trial < 100; trial++) {
        lqr l = trial == 0 ? lqr_scalar : (lqr){ normal(rng), normal(rng), fabs(normal(rng)),
                                                 0.05 + fabs(normal(rng)), fabs(normal(rng)), fabs(normal(rng)),
                                                 0.98 * gsl_rng_uniform(rng) };
        lqr_system *L = lqr_system_of(&l);
        lqr_exact *best = lqr_optimum(L, error, sizeof error);
        assert_non_null(best);
        double a = l.gamma * l.B * l.B, b = l.R - a * l.Q - l.gamma * l.A * l.A * l.R;
        double root = sqrt(b * b + 4 * a * l.Q * l.R);
        double P = b > 0 ? 2 * l.Q * l.R / (b + root) : (root - b) / (2 * a);
        double J = -P * (l.X0 + l.gamma * l.W / (1 - l.gamma));
        within("Riccati", *best->P, P, best->unit_P + 10 * DBL_EPSILON * P);
        within("gain", *best->K, l.gamma * l.A * l.B * P / (l.R + a * P), best->unit_E / (l.R + a * P));
        within("J*", best->J, J, best->unit_J);
        lqr_exact_free(best);
        lqr_system_free(L);
    }
    lqr_system *L = lqr_system_of(&lqr_scalar);
    const double K = 0.4, one = 1;
    lqr_exact *x = lqr_exact_new(L, &K, NULL, error, sizeof error);
    double a, g, slope = (0.72 * 1.016 - 0.08 * 0.424) / (0.424 * 0.424);
    lqr_mu(x, &one, &a);
    lqr_grad_a_Q(x, &one, &a, &g);
    within("ERR-68", *x->gradient, slope, x->unit_gradient);
    assert_true(fabs(*x->gradient - 3.88038448) <= 5e-9 && fabs(-g - 1.64528302) <= 5e-9);
    assert_true(lqr_unit_Q(x, &one, &one) <= 1e-13 && x->unit_J <= 1e-13 && x->unit_gradient <= 1e-12);
    lqr_exact_free(x);
    lqr_system_free(L);
    gsl_rng_free(rng);
}

/* Costs that differ by 1e8, and modes that grow: there doubling alone may leave a gradient of tens of units, as (I
 * + G H) is solved with a condition that its errors carry on; Newton's steps take it away. */
static void badly_scaled_optima(void **state)
{
    (void)state;
    gsl_rng *rng = random_stream(8, 0, RANDOM_TEST);
    char error[256];
    int found = 0;
    for (int trial = 0; trial < 600; trial++) {
        int n = 3 + trial % 2, m = 1 + trial % 2;
        lqr_system *L = lqr_system_new(n, m);
        L->gamma = 0.9 + 0.1 * gsl_rng_uniform(rng);
        random_matrix(rng, n * n, (1 + gsl_rng_uniform(rng)) / sqrt(n), L->A);
        random_matrix(rng, n * m, 1, L->B);
        for (int i = 0; i < n; i++) L->Q[i * (n + 1)] = pow(10, 8 * gsl_rng_uniform(rng) - 6);
        for (int i = 0; i < n; i++) L->Sigma0[i * (n + 1)] = 1;
        for (int i = 0; i < m; i++) L->R[i * (m + 1)] = pow(10, 8 * gsl_rng_uniform(rng) - 6);
        lqr_exact *best = lqr_optimum(L, error, sizeof error);
        if (best) {
            found++;
            assert_true(linalg_max_abs(m * n, best->gradient) <= 10 * best->unit_gradient);
            assert_true(lqr_riccati_residual(best) <= 10 * best->unit_P * (1 + linalg_norm2(n * n, L->A)));
        }
        lqr_exact_free(best);
        lqr_system_free(L);
    }
    assert_in_range(found, 500, 600);
    gsl_rng_free(rng);
}

/* gamma = A = B = R = 1 and next to no Q: P = (Q + sqrt(Q^2 + 4 Q)) / 2, under which x shrinks by as little as 1e-7 a
 * step */
static void slow_optima(void **state)
{
    (void)state;
    char error[256];
    for (int k = 2; k <= 14; k += 2) {
        lqr_system *L = lqr_system_new(1, 1);
        *L->A = *L->B = *L->R = *L->Sigma0 = L->gamma = 1, *L->Q = pow(10, -k);
        lqr_exact *best = lqr_optimum(L, error, sizeof error);
        assert_non_null(best);
        double P = (*L->Q + sqrt(*L->Q * *L->Q + 4 * *L->Q)) / 2;
        assert_true(fabs(*best->P - P) <= 10 * best->unit_P && 10 * best->unit_P <= 1e-6 * P);
        lqr_exact_free(best);
        lqr_system_free(L);
    }
}

/* |P - Q - gamma A^T P A + gamma A^T P B K1| in plain loops, for two actions and a gain that is not the best, where
 * neither K is K1 nor the residual 0 */
static void residual_elsewhere(void **state)
{
    (void)state;
    enum { n = 3, m = 2 };
    gsl_rng *rng = random_stream(9, 0, RANDOM_TEST);
    char error[256];
    for (int trial = 0; trial < 10; trial++) {
        double K[m * n];
        lqr_system *L = random_system(rng, n, m, 0.9, K);
        lqr_exact *x = lqr_exact_new(L, K, NULL, error, sizeof error);
        long double H[m][m], BtPA[m][n] = { { 0 } }, K1[m][n], PA[n][n] = { { 0 } }, PB[n][m] = { { 0 } },
            squares = 0;
        for (int i = 0; i < n; i++)
            for (int k = 0; k < n; k++) {
                for (int j = 0; j < n; j++) PA[i][j] += (long double)x->P[i * n + k] * L->A[k * n + j];
                for (int j = 0; j < m; j++) PB[i][j] += (long double)x->P[i * n + k] * L->B[k * m + j];
            }
        for (int a = 0; a < m; a++) {
            for (int b = 0; b < m; b++) H[a][b] = L->R[a * m + b];
            for (int k = 0; k < n; k++) {
                for (int b = 0; b < m; b++) H[a][b] += (long double)L->gamma * L->B[k * m + a] * PB[k][b];
                for (int j = 0; j < n; j++) BtPA[a][j] += (long double)L->gamma * L->B[k * m + a] * PA[k][j];
            }
        }
        long double det = H[0][0] * H[1][1] - H[0][1] * H[1][0];                /* Cramer */
        for (int j = 0; j < n; j++) {
            K1[0][j] = (H[1][1] * BtPA[0][j] - H[0][1] * BtPA[1][j]) / det;
            K1[1][j] = (H[0][0] * BtPA[1][j] - H[1][0] * BtPA[0][j]) / det;
        }
        for (int i = 0; i < n; i++)
            for (int j = 0; j < n; j++) {
                long double off = x->P[i * n + j] - L->Q[i * n + j];
                for (int k = 0; k < n; k++) off -= (long double)L->gamma * L->A[k * n + i] * PA[k][j];
                for (int a = 0; a < m; a++) off += BtPA[a][i] * K1[a][j];
                squares += off * off;
            }
        double want = (double)sqrtl(squares);
        assert_true(want > 1e-3);
        assert_true(fabs(lqr_riccati_residual(x) - want) <= 1e-10 * (1 + linalg_norm2(n * n, x->P)));
        lqr_exact_free(x);
        lqr_system_free(L);
    }
    gsl_rng_free(rng);
}

static void refusals(void **state)
{
    (void)state;
    char error[256] = "";
    lqr l = lqr_scalar;
    lqr_system *L = lqr_system_of(&l);
    double none = 0;                                    /* gamma = 1, x' = x: the cost goes on for ever */
    L->gamma = 1;
    assert_null(lqr_exact_new(L, &none, NULL, error, sizeof error));
    assert_non_null(strstr(error, "expected a stable gain, below 1: the spectral radius of"));
    L->gamma = l.gamma;
    double K = -0.2;                                    /* sqrt(.9) 1.1 = 1.0436 */
    assert_null(lqr_exact_new(L, &K, NULL, error, sizeof error));
    assert_non_null(strstr(error, "expected a stable gain, below 1: the spectral radius of sqrt(gamma) (A - B K)"
                                  " is 1.04"));
    lqr_system *twin = lqr_system_new(1, 2);            /* two actions that do the same, at next to no cost */
    *twin->A = *twin->Q = twin->B[0] = twin->B[1] = 1, twin->R[0] = twin->R[3] = 1e-20, twin->gamma = 0.9;
    assert_null(lqr_optimum(twin, error, sizeof error));
    assert_non_null(strstr(error, "R + gamma B^T P B is singular"));
    lqr_system_free(twin);
    *L->B = 0, *L->A = 1.5;                             /* nothing can be done */
    assert_null(lqr_optimum(L, error, sizeof error));
    assert_non_null(strstr(error, "no gain is stable"));
    lqr_system *two = lqr_system_new(2, 1);        /* what grows is free, and A^(2^k) overflows before P settles */
    two->A[0] = 9, two->A[3] = 1, two->Q[3] = *two->R = 1, two->gamma = 0.98;
    assert_null(lqr_optimum(two, error, sizeof error));
    assert_non_null(strstr(error, "no gain is stable"));
    lqr_system_free(two);
    *L->B = 1, *L->Q = 0;                               /* it grows, and nobody minds: the best is to do nothing */
    assert_null(lqr_optimum(L, error, sizeof error));
    assert_non_null(strstr(error, "the cheapest gain lets grow what costs nothing: expected a stable gain"));
    lqr_system_free(L);
}

/* ---- linalg: Schur's form, Stein's equation ---- */

/* X = M + A^T X A as n^2 linear equations */
static void stein_by_kronecker(int n, const double *A, const double *M, double *X)
{
    int N = n * n;
    double *big = allocate((size_t)(N * N), sizeof *big, "a test");
    for (int i = 0; i < N; i++)
        for (int j = 0; j < N; j++)
            big[i * N + j] = (i == j) - A[j / n * n + i / n] * A[j % n * n + i % n];
    linalg_lu *lu = linalg_lu_new(N);
    assert_int_equal(linalg_lu_factor(lu, big), LINALG_OK);
    linalg_lu_solve(lu, false, 1, M, X);
    linalg_lu_free(lu);
    free(big);
}

static void stein(void **state)
{
    (void)state;
    gsl_rng *rng = random_stream(5, 0, RANDOM_TEST);
    for (int trial = 0; trial < 60; trial++) {          /* also where the sum over time would diverge */
        int n = 1 + trial % D;
        double A[D * D], M[D * D], X[D * D], Y[D * D];
        random_matrix(rng, n * n, trial % 2 ? 1.5 : 0.5, A);
        random_covariance(rng, n, 1, 0, M);
        linalg_schur *s = linalg_schur_new(n, A);
        if (linalg_stein(s, M, X) == LINALG_OK) {
            stein_by_kronecker(n, A, M, Y);
            for (int i = 0; i < n * n; i++)
                assert_true(fabs(X[i] - Y[i]) <= 1e-9 * fmax(1, linalg_max_abs(n * n, Y)));
        }
        linalg_schur_free(s);
    }
    /* lambda^3 = 2: a companion matrix; and a rotation, whose products of eigenvalues are 1 */
    const double companion[9] = { 0, 0, 2, 1, 0, 0, 0, 1, 0 };
    const double turn[4] = { 0.6, -0.8, 0.8, 0.6 }, one[4] = { 1, 0, 0, 1 };
    double X[4];
    linalg_schur *s = linalg_schur_new(3, companion);
    assert_true(fabs(linalg_spectral_radius(s) - cbrt(2)) <= 1e-14);
    linalg_schur_free(s);
    s = linalg_schur_new(2, turn);
    assert_true(fabs(linalg_spectral_radius(s) - 1) <= 1e-15);
    assert_int_equal(linalg_stein(s, one, X), LINALG_SINGULAR);
    linalg_schur_free(s);
    gsl_rng_free(rng);
}

static void schur_of_bad(int at)
{
    double A[4] = { 1, 2, 3, 4 };
    A[at] = at % 2 ? NAN : INFINITY;
    linalg_schur_free(linalg_schur_new(2, A));
}

/* An entry that is not finite is a bug, and said to be one before Schur's form is looked for, wherever it stands. */
static void no_schur(void **state)
{
    (void)state;
    for (int at = 0; at < 4; at++) {
        struct ending end = run_child(schur_of_bad, at);
        assert_true(WIFSIGNALED(end.status) && WTERMSIG(end.status) == SIGABRT);
        assert_non_null(strstr(end.err, "linalg_schur_new: an entry is not finite (n = 2)"));
    }
}

/* ---- the environment ---- */

/* The mean discounted return under u = -K x is J, the covariance of x_1 the right one; each within 5 standard errors
 * of a mean; and a step without noise is A x + B u, whose reward counts x, not x'. */
static void environment(void **state)
{
    (void)state;
    enum { n = 3, m = 2, RETURNS = 20000, STEPS = 80 };
    gsl_rng *rng = random_stream(6, 0, RANDOM_TEST);
    char error[256];
    double K[D * D], u[m], reward, sum = 0, squares = 0, cross[n * n] = { 0 };
    lqr_system *L = random_system(rng, n, m, 0.8, K);
    lqr_exact *x = lqr_exact_new(L, K, NULL, error, sizeof error);
    env *e = lqr_system_env_new("vector", L);
    bool terminated, truncated;
    assert_true(e->action.dim == m && e->observation.dim == n && e->state_n == n);
    for (int i = 0; i < RETURNS; i++) {
        double G = 0, weight = 1;
        env_reset(e, rng);
        for (int k = 0; k < n * n; k++)
            cross[k] += (e->state[k / n] - L->mean[k / n]) * (e->state[k % n] - L->mean[k % n]);
        for (int t = 0; t < STEPS; t++, weight *= L->gamma) {
            lqr_mu(x, e->obs, u);
            env_step(e, u, &reward, &terminated, &truncated);
            assert_false(terminated);
            G += weight * reward;
        }
        sum += G, squares += G * G;
    }
    double se = sqrt((squares / RETURNS - pow(sum / RETURNS, 2)) / RETURNS);
    assert_true(fabs(sum / RETURNS - x->J) <= 5 * se && se <= 0.02 * fabs(x->J));
    for (int k = 0; k < n * n; k++) {
        double variance = L->Sigma0[k / n * (n + 1)] * L->Sigma0[k % n * (n + 1)] + pow(L->Sigma0[k], 2);
        assert_true(fabs(cross[k] / RETURNS - L->Sigma0[k]) <= 5 * sqrt(variance / RETURNS));
    }
    lqr_exact_free(x);
    env_free(e);

    lqr_system *quiet = lqr_system_new(2, 1);
    *quiet = (lqr_system){ 2, 1, quiet->A, quiet->B, quiet->Q, quiet->R, quiet->W, quiet->Sigma0, quiet->mean, 0.9 };
    memcpy(quiet->A, (double[]){ 1, 0.5, 0, 2 }, 4 * sizeof(double));
    memcpy(quiet->B, (double[]){ 3, -1 }, 2 * sizeof(double));
    memcpy(quiet->Q, (double[]){ 1, 0.25, 0.25, 4 }, 4 * sizeof(double));
    *quiet->R = 0.5;
    e = lqr_system_env_new("quiet", quiet);
    env_restore(e, NULL, (double[]){ 2, -4 }, 0);       /* without a stream: nothing may be drawn */
    env_step(e, (double[]){ 6 }, &reward, &terminated, &truncated);
    assert_true(e->obs[0] == 18 && e->obs[1] == -14 && reward == -(4 - 4 + 64 + 18));
    env_free(e);
    gsl_rng_free(rng);
}

/* Noise on the second state alone, as on a velocity: x_1' is exact, x_2' has its variance, 4; of 10000 within 5
 * standard errors, 4 sqrt(2/10000) */
static void noise_on_one_state(void **state)
{
    (void)state;
    enum { N = 10000 };
    lqr_system *L = lqr_system_new(2, 1);
    memcpy(L->A, (double[]){ 1, 0.5, 0, 2 }, 4 * sizeof(double));
    L->W[3] = 4;
    env *e = lqr_system_env_new("velocity", L);
    gsl_rng *rng = random_stream(10, 0, RANDOM_TEST);
    double reward, squares = 0;
    bool terminated, truncated;
    env_reset(e, rng);
    for (int i = 0; i < N; i++) {
        env_restore(e, rng, (double[]){ 2, -4 }, 0);
        env_step(e, (double[]){ 0 }, &reward, &terminated, &truncated);
        assert_true(e->obs[0] == 0);
        squares += (e->obs[1] + 8) * (e->obs[1] + 8) / N;
    }
    assert_true(fabs(squares - 4) <= 5 * 4 * sqrt(2.0 / N));
    gsl_rng_free(rng);
    env_free(e);
}

/* F F^T = S, also where S has rank 1 and rounding gives it eigenvalues below 0; but no root of what has one at -1 */
static void roots(void **state)
{
    (void)state;
    gsl_rng *rng = random_stream(11, 0, RANDOM_TEST);
    int below = 0;
    for (int trial = 0; trial < 50; trial++) {
        enum { n = 4 };
        double g[n], S[n * n], F[n * n], w[n], Ut[n * n];
        random_matrix(rng, n, 1, g);
        for (int i = 0; i < n * n; i++) S[i] = g[i / n] * g[i % n];
        linalg_eigen_symmetric(n, S, w, Ut);
        below += w[0] < 0;
        assert_true(lqr_root(n, S, F));
        for (int i = 0; i < n * n; i++)
            assert_true(fabs(linalg_dot(n, F + i / n * n, F + i % n * n) - S[i]) <=
                        1e-14 * (1 + linalg_dot(n, g, g)));
    }
    assert_true(below > 0);
    double F[4];
    assert_false(lqr_root(2, (double[]){ 3, 0, 0, -1 }, F));
    assert_false(lqr_root(2, (double[]){ 0, 1, 1, 0 }, F));
    assert_true(lqr_root(2, (double[]){ 0, 0, 0, 0 }, F));
    gsl_rng_free(rng);
}

/* ---- the derivations on them ---- */

/* At other places than the default ones; both sides of the theorem within 1e-10, and X56's two numbers. */
static void derivations_hold(void **state)
{
    (void)state;
    static const char *const id[] = { "DDPG-1", "DDPG-2", "DDPG-8", "DDPG-11", "DDPG-27" };
    for (uint64_t seed = 1; seed <= 4; seed++)
        for (size_t i = 0; i < sizeof id / sizeof *id; i++) {
            const derivation *d = derivation_find(id[i]);
            assert_non_null(d);
            derivation_result r = derivation_run(d, &(setting){ .seed = seed });
            if (r.verdict != PASS) fail_msg("%s, seed %d: %s", id[i], (int)seed, verdict_name(r.verdict));
            for (int l = 0; l < r.lines; l++)
                if (d->line[l].relation == DIFFERS) assert_true(r.differs[l]);
            for (int l = 0; i == 4 && l < r.lines; l++) {
                bool wrong = d->line[l].relation == DIFFERS, differences = l == 1;
                assert_true(fabs(r.value[l * r.n] - (wrong ? 1.64528302 : 3.88038448)) <= 1e-8);
                for (int k = 0; !wrong && !differences && k < r.n; k++)
                    assert_true(fabs(r.value[l * r.n + k] - r.value[k]) <= 1e-10);
            }
            derivation_result_free(&r);
        }
}

/* cos of the angle between dJ/dK = -2 E X and what a buffer with E_D[s s^T] = Y makes of it, -2 E Y */
static double cosine(const lqr_exact *x, const double *Y)
{
    double both = 0, g2 = 0, h2 = 0;
    for (int i = 0; i < x->m; i++)
        for (int j = 0; j < x->n; j++) {
            double g = 0, h = 0;
            for (int k = 0; k < x->n; k++) {
                g += x->E[i * x->n + k] * x->X[k * x->n + j];
                h += x->E[i * x->n + k] * Y[k * x->n + j];
            }
            both += g * h, g2 += g * g, h2 += h * h;
        }
    return both / sqrt(g2 * h2);
}

/* ERR-68's page: the angle for Y = 1, and the greatest one among Y = s s^T, s = (cos k, sin k), k in degrees */
static void angles_on_page(void **state)
{
    (void)state;
    char *text = NULL;
    size_t size;
    FILE *page = open_memstream(&text, &size);
    derivation_find("DDPG-27")->page(&(setting){ .seed = 1 }, page);
    fclose(page);
    for (int i = 0; i < REGULATORS; i++) {
        lqr_system *L = regulator_system(i);
        lqr_exact *x = regulator_exact(i, L, NULL);
        double one[9] = { 0 }, size_J, size_D, off, most, least = 2;
        int n = x->n, at, worst = 0;
        char name[20], line[32];
        for (int k = 0; k < n; k++) one[k * (n + 1)] = 1;
        snprintf(line, sizeof line, "\n  %s ", regulator_name(i));
        const char *row = strstr(text, line);
        assert_non_null(row);
        int found = sscanf(row, "%19s %lf %lf %lf° at %d°: %lf°", name, &size_J, &size_D, &off, &at, &most);
        assert_int_equal(found, n > 1 ? 6 : 4);
        assert_true(fabs(cos(off * M_PI / 180) - fmin(1, cosine(x, one))) <= 0.06 * M_PI / 180);
        assert_true(fabs(size_D - 2 * linalg_norm2(x->m * n, x->E)) <= 1e-7 * size_D);
        for (int k = 0; n > 1 && k < 180; k++) {
            double s[3] = { cos(k * M_PI / 180), sin(k * M_PI / 180), 0 }, Y[9];
            for (int j = 0; j < n * n; j++) Y[j] = s[j / n] * s[j % n];
            double c = cosine(x, Y);
            if (c < least) least = c, worst = k;
        }
        if (n > 1) assert_true(at == worst && fabs(cos(most * M_PI / 180) - least) <= 0.06 * M_PI / 180);
        lqr_exact_free(x);
        lqr_system_free(L);
    }
    free(text);
}

/* Sum of weight s s^T over the visits is X; E[xi] = 0, E[xi_i xi_j] = C, and fourth moments, by the quadrature */
static void visit(const lqr_exact *x, const double *s, double weight, double *to)
{
    for (int i = 0; i < x->n * x->n; i++) to[i] += weight * s[i / x->n] * s[i % x->n];
}

struct powers { int n, k[4]; };
static double product(const double *xi, const void *of)
{
    const struct powers *p = of;
    double y = 1;
    for (int i = 0; i < p->n; i++) y *= xi[p->k[i]];
    return y;
}

static void visits_and_quadrature(void **state)
{
    (void)state;
    for (int i = 0; i < REGULATORS; i++) {
        lqr_system *L = regulator_system(i);
        lqr_exact *x = regulator_exact(i, L, NULL);
        double X[9] = { 0 };
        regulator_visits(x, visit, X);
        for (int k = 0; k < x->n * x->n; k++) within("visits", X[k], x->X[k], x->unit_X);
        lqr_exact_free(x);
        lqr_system_free(L);
    }
    const double C[9] = { 2, 0.5, 0.3, 0.5, 1, -0.4, 0.3, -0.4, 3 };
    for (int a = 0; a < 3; a++)
        for (int b = 0; b < 3; b++) {
            struct powers two = { 2, { a, b } }, three = { 3, { a, a, b } }, four = { 4, { a, a, b, b } };
            double isserlis = C[a * 4] * C[b * 4] + 2 * C[a * 3 + b] * C[a * 3 + b];
            assert_true(fabs(regulator_mean(3, C, product, &two) - C[a * 3 + b]) <= 1e-14);
            assert_true(fabs(regulator_mean(3, C, product, &three)) <= 1e-13);
            if (a == b) assert_true(fabs(regulator_mean(3, C, product, &(struct powers){ 0 }) - 1) <= 1e-14);
            /* xi_a^2 xi_b^2 has degree 4 in all, which the tensor of 3 nodes meets: each z_i to degree 5 */
            assert_true(fabs(regulator_mean(3, C, product, &four) - isserlis) <= 1e-13);
        }
}

/* The files of chapters/examples are these regulators. */
static void examples(void **state)
{
    (void)state;
    for (int i = 0; i < REGULATORS; i++) {
        char path[100], error[256] = "";
        double K[9];
        snprintf(path, sizeof path, "chapters/examples/%s.lqr", regulator_name(i));
        lqr_system *L = regulator_system(i), *file = lqr_system_read(path, error, sizeof error);
        assert_string_equal(error, "");
        lqr_exact *x = regulator_exact(i, L, NULL);
        snprintf(path, sizeof path, "chapters/examples/%s.csv", regulator_name(i));
        assert_true(lqr_gain_read(path, L, K, error, sizeof error));
        lqr_exact *y = lqr_exact_new(file, K, NULL, error, sizeof error);
        assert_non_null(y);
        assert_true(x->J == y->J && memcmp(x->gradient, y->gradient, (size_t)(x->m * x->n) * sizeof *K) == 0);
        lqr_exact_free(x);
        lqr_exact_free(y);
        lqr_system_free(L);
        lqr_system_free(file);
    }
}

/* ---- the readers ---- */

static const char *const good =
    "# a cart\n" "discount: 0.9\n" "A: 1 0.1\n" "   0 1   # rows\n" "B:\n" "0\n" "0.1\n"
    "Q: 1, 0\r\n" "0, 1\n" "R: 0.1\n" "mean: 1 -2.5e0\n" "W: 0.01 0\n0 0\n";

static void gain_reader(void **state)
{
    (void)state;
    char error[256] = "";
    lqr_system *L = lqr_system_parse("f", good, strlen(good), error, sizeof error);
    assert_string_equal(error, "");
    assert_true(L->n == 2 && L->m == 1 && L->gamma == 0.9 && L->A[1] == 0.1 && L->B[1] == 0.1 && L->Q[3] == 1);
    assert_true(L->R[0] == 0.1 && L->mean[1] == -2.5 && L->W[0] == 0.01 && L->Sigma0[0] == 0);
    double K[2];
    assert_true(lqr_gain_parse("k", "# gain\n 1, 2\n", 13, L, K, error, sizeof error) && K[0] == 1 && K[1] == 2);
    static const struct { const char *gain, *says; } wrong_gain[] = {
        { "1\n", "k:1:1: expected 2 numbers, one for each state, found 1" },
        { "1 2 3\n", "k:1:1: expected 2 numbers, one for each state, found 3" },
        { "1 2\n3 4\n", "k:2:1: expected 1 row, one for each action, found more" },
        { "\n", "k:2:1: expected 1 row, one for each action, found the end of the file after 0" },
        { "1,", "k:1:3: expected a number after the comma, found the end of the line" },
        { "1 nan", "k:1:3: expected a number in [-1e100, 1e100], found \"nan\"" },
        { "1 0x2", "k:1:3: expected a number in [-1e100, 1e100], found \"0x2\"" },
        { "1 1e101", "k:1:3: expected a number in [-1e100, 1e100], found \"1e101\"" } };
    for (size_t i = 0; i < sizeof wrong_gain / sizeof *wrong_gain; i++) {
        assert_false(lqr_gain_parse("k", wrong_gain[i].gain, strlen(wrong_gain[i].gain), L, K, error, sizeof error));
        assert_string_equal(error, wrong_gain[i].says);
    }
    lqr_system_free(L);
}

/* One text of `good` replaced by another */
static void system_reader(void **state)
{
    (void)state;
    char error[256] = "", text[1000];
    static const struct { const char *old, *new, *says; } wrong[] = {
        { "discount: 0.9\n", "", "f:13:1: expected a block discount:, found the end of the file" },
        { "discount: 0.9", "discount: 1.5", "f:2:1: expected a discount in [0, 1], found 1.5" },
        { "discount: 0.9", "discount: 1", "f:2:1: expected a discount below 1, as W is not zero" },
        { "discount: 0.9", "discount: 0.9 1", "f:2:1: expected discount of 1 row of 1 number, found 1 of 2" },
        { "mean: 1 -2.5e0\n", "", "f:13:1: expected a start, mean: or Sigma0:, found the end of the file" },
        { "   0 1   #", "   0   #", "f:4:4: expected 2 numbers as in the row above, found 1" },
        { "   0 1   # rows\n", "", "f:3:1: expected A of 2 rows of 2 numbers, found 1 of 2" },
        { "B:\n0\n0.1\n", "B:\n0\n", "f:5:1: expected B of 2 rows of 1 number, found 1 of 1" },
        { "0, 1\n", "0.5, 1\n", "f:8:1: expected Q symmetric, found 0.5 in row 2, column 1 and 0 across" },
        { "0, 1\n", "0, -1\n", "f:8:1: expected Q positive semidefinite, found an eigenvalue -1" },
        { "R: 0.1", "R: 0", "f:10:1: expected R positive definite, found an eigenvalue 0" },
        { "R: 0.1", "R: 0.1 0\n0 1", "f:10:1: expected R of 1 row of 1 number, found 2 of 2" },
        { "W: 0.01 0", "W: -0.01 0", "f:12:1: expected W positive semidefinite, found an eigenvalue -0.01" },
        { "B:\n0\n0.1\n", "B:\n", "f:5:1: expected numbers of B, found none" },
        { "W: 0.01 0", "A: 0.01 0", "f:12:1: expected A once, found it again after line 3" },
        { "R: 0.1", "S: 0.1", "f:10:1: expected discount:, A:, B:, Q:, R:, W:, mean: or Sigma0:, found \"S:\"" },
        { "# a cart\n", "1 2\n", "f:1:1: expected discount:, A:, B:, Q:, R:, W:, mean: or Sigma0:, found \"1\"" },
        { "A: 1 0.1", "A: 1 0.1x", "f:3:6: expected a number in [-1e100, 1e100], found \"0.1x\"" },
        { "A: 1 0.1", "A: 1 inf", "f:3:6: expected a number in [-1e100, 1e100], found \"inf\"" } };
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        const char *at = strstr(good, wrong[i].old);
        assert_non_null(at);
        snprintf(text, sizeof text, "%.*s%s%s", (int)(at - good), good, wrong[i].new, at + strlen(wrong[i].old));
        assert_null(lqr_system_parse("f", text, strlen(text), error, sizeof error));
        if (strncmp(error, wrong[i].says, strlen(wrong[i].says)) != 0) fail_msg("%s\nnot %s", error, wrong[i].says);
    }
}

/* A covariance that is read has a root, however near its least eigenvalue is to what is taken for rounding. */
static void negative_by_rounding(void **state)
{
    (void)state;
    int read = 0;
    enum { NEAR = 100 };
    for (int i = 0; i < NEAR; i++) {
        char text[300], error[256] = "";
        double F[4], W[4] = { 1, 1, 1, 1 - i * 0x1p-53 };               /* least eigenvalue: nearly -i 2^-54 */
        snprintf(text, sizeof text, "discount: 0\nA: 1 0\n0 1\nB: 1\n1\nQ: 1 0\n0 1\nR: 1\nmean: 1 1\n"
                 "W: 1 1\n1 %.17g\n", W[3]);
        lqr_system *L = lqr_system_parse("f", text, strlen(text), error, sizeof error);
        assert_true(L ? lqr_root(2, W, F) : strstr(error, "expected W positive semidefinite") != NULL);
        read += L != NULL;
        lqr_system_free(L);
    }
    assert_in_range(read, 1, NEAR - 1);
}

static void any_bytes(void **state)
{
    (void)state;
    char error[256] = "", text[1000];
    for (size_t n = 0; n < strlen(good); n++) {         /* cut anywhere: right, or one line about it */
        lqr_system *L = lqr_system_parse("f", good, n, error, sizeof error);
        assert_true(L || strncmp(error, "f:", 2) == 0);
        lqr_system_free(L);
    }
    gsl_rng *rng = random_stream(7, 0, RANDOM_TEST);    /* and with bytes of any kind in it */
    for (int trial = 0; trial < 20000; trial++) {
        size_t n = strlen(good);
        memcpy(text, good, n);
        for (int k = 0; k < 1 + trial % 3; k++) {
            size_t at = gsl_rng_uniform_int(rng, n), from = gsl_rng_uniform_int(rng, n);
            text[at] = trial % 2 ? (char)gsl_rng_uniform_int(rng, 256) : good[from];
        }
        error[0] = '\0';
        lqr_system *L = lqr_system_parse("f", text, n, error, sizeof error);
        assert_true(L ? error[0] == '\0' : strncmp(error, "f:", 2) == 0 && !strchr(error, '\n'));
        lqr_system_free(L);
    }
    gsl_rng_free(rng);
    char *row = allocate(4 * LQR_MAX + 100, 1, "a test");
    strcpy(row, "A:");
    for (int i = 0; i <= LQR_MAX; i++) strcat(row, " 1");
    assert_null(lqr_system_parse("f", row, strlen(row), error, sizeof error));
    assert_non_null(strstr(error, "expected at most 64 numbers, found more"));
    free(row);
}

int main(int argc, char **argv)
{
    if (argc > 1) cmocka_set_test_filter(argv[1]);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(values_and_gradients), cmocka_unit_test(gradient_by_differences), cmocka_unit_test(optimum),
        cmocka_unit_test(scalar_closed_forms), cmocka_unit_test(badly_scaled_optima), cmocka_unit_test(slow_optima),
        cmocka_unit_test(residual_elsewhere), cmocka_unit_test(refusals), cmocka_unit_test(stein),
        cmocka_unit_test(no_schur),
        cmocka_unit_test(environment), cmocka_unit_test(noise_on_one_state), cmocka_unit_test(roots),
        cmocka_unit_test(gain_reader),
        cmocka_unit_test(system_reader), cmocka_unit_test(any_bytes),
        cmocka_unit_test(derivations_hold), cmocka_unit_test(angles_on_page),
        cmocka_unit_test(visits_and_quadrature), cmocka_unit_test(examples), cmocka_unit_test(negative_by_rounding),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
