/* n-step returns and GAE against sums over every step in long double, and, sharing nothing with those either, against
 * the linear systems that they solve: G = (I - gamma S)^{-1} (r + ..), A = (I - gamma lambda S)^{-1} delta with S the
 * shift by one step. Every n, lambda, way to end, and length down to 1.
 * A3C-3, A3C-4, A3C-7, A3C-14, PPO-16, PPO-17. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>
#include <gsl/gsl_linalg.h>
#include <gsl/gsl_randist.h>

#include "algorithms/gae.h"
#include "algorithms/nstep.h"
#include "algorithms/returns.h"
#include "autodiff/random.h"

typedef long double real;
enum { T_MAX = 24, CASES = 200, N_MAX = 10 };

static void near(real x, real want, real bound, int line)
{
    if (!(fabsl(x - want) <= bound))
        fail_msg("line %d: %.18Lg, expected %.18Lg within %.2Lg", line, x, want, bound);
}
#define assert_near(x, want, bound) near(x, want, bound, __LINE__)

/* One segment: terminated ones are worth 0 at the end */
struct segment_case { int T; double gamma, r[T_MAX], V[T_MAX + 1]; };

static struct segment_case random_case(gsl_rng *rng, int number)
{
    static const double gammas[] = { 0.9, 1, 0, 0.99, 0.5 };
    struct segment_case c = { .T = 1 + number % T_MAX, .gamma = gammas[number % 5] };
    for (int t = 0; t < c.T; t++) c.r[t] = gsl_ran_gaussian(rng, 1);
    for (int t = 0; t <= c.T; t++) c.V[t] = gsl_ran_gaussian(rng, 2);
    if (number / 5 % 2) c.V[c.T] = 0;
    return c;
}

/* Numbers of size 10 in sums of up to T terms: T u 10 T at most */
static real bound(const struct segment_case *c) { return 0x1p-52L * 10 * (c->T + 2); }

/* sum_{k=t}^{end-1} gamma^{k-t} r_k + gamma^{end-t} V(s_end) */
static real look_ahead(const struct segment_case *c, int t, int end)
{
    real G = powl(c->gamma, end - t) * c->V[end];
    for (int k = t; k < end; k++) G += powl(c->gamma, k - t) * c->r[k];
    return G;
}

static real delta(const struct segment_case *c, int t) { return c->r[t] + (real)c->gamma * c->V[t + 1] - c->V[t]; }

/* x [T] = (I - q S)^{-1} b by GSL's LU, (S x)_t = x_{t+1} */
static void shifted_solve(int T, double q, const double *b, double *x)
{
    gsl_matrix *M = gsl_matrix_alloc((size_t)T, (size_t)T);
    gsl_permutation *p = gsl_permutation_alloc((size_t)T);
    gsl_vector_view solution = gsl_vector_view_array(x, (size_t)T);
    gsl_vector_const_view right = gsl_vector_const_view_array(b, (size_t)T);
    int sign;
    gsl_matrix_set_identity(M);
    for (int t = 0; t + 1 < T; t++) gsl_matrix_set(M, (size_t)t, (size_t)t + 1, -q);
    gsl_linalg_LU_decomp(M, p, &sign);
    gsl_linalg_LU_solve(M, p, &right.vector, &solution.vector);
    gsl_permutation_free(p);
    gsl_matrix_free(M);
}

/* A3C-3, A3C-4, A3C-14: as far as the segment goes; as a sum, as a recursion, as the solution of a system */
static void to_the_end(void **state)
{
    (void)state;
    gsl_rng *rng = random_stream(31, 0, RANDOM_TEST);
    for (int i = 0; i < CASES; i++) {
        struct segment_case c = random_case(rng, i);
        double G[T_MAX], b[T_MAX], x[T_MAX];
        nstep_returns(c.T, c.r, c.V[c.T], c.gamma, G);
        memcpy(b, c.r, sizeof b);
        b[c.T - 1] += c.gamma * c.V[c.T];
        shifted_solve(c.T, c.gamma, b, x);
        for (int t = 0; t < c.T; t++) {
            assert_near(G[t], look_ahead(&c, t, c.T), bound(&c));
            assert_near(G[t], x[t], 2 * bound(&c));
            assert_near(G[t], c.r[t] + (real)c.gamma * (t + 1 < c.T ? G[t + 1] : c.V[c.T]), bound(&c));
        }
    }
    gsl_rng_free(rng);
}

/* A3C-3: n = 1 .. 10 and more than there are steps; A3C-4: G_t^(n) = r_t + gamma G_{t+1}^(n-1), G^(0) = V */
static void fixed_n(void **state)
{
    (void)state;
    gsl_rng *rng = random_stream(32, 0, RANDOM_TEST);
    for (int i = 0; i < CASES; i++) {
        struct segment_case c = random_case(rng, i);
        double G[T_MAX], before[T_MAX + 1];
        memcpy(before, c.V, sizeof before);
        for (int n = 1; n <= N_MAX; n++) {
            nstep_fixed(c.T, n, c.r, c.V, c.V[c.T], c.gamma, G);
            for (int t = 0; t < c.T; t++) {
                assert_near(G[t], look_ahead(&c, t, t + n < c.T ? t + n : c.T), bound(&c));
                assert_near(G[t], c.r[t] + (real)c.gamma * before[t + 1], bound(&c));
            }
            memcpy(before, G, (size_t)c.T * sizeof *before);
        }
        double end[T_MAX];
        nstep_returns(c.T, c.r, c.V[c.T], c.gamma, end);
        nstep_fixed(c.T, c.T, c.r, c.V, c.V[c.T], c.gamma, G);
        assert_memory_equal(G, end, (size_t)c.T * sizeof *G);
        nstep_fixed(c.T, 1 << 30, c.r, c.V, c.V[c.T], c.gamma, G);
        assert_memory_equal(G, end, (size_t)c.T * sizeof *G);
    }
    gsl_rng_free(rng);
}

/* PPO-17 as the sum of TD errors, as a system, and as the mean of n-step advantages with weights (1 - lambda)
 * lambda^{n-1}; PPO-16 and TDA-6 at its ends */
static void advantages(void **state)
{
    (void)state;
    static const double lambdas[] = { 0, 0.3, 0.5, 0.9, 0.95, 1 };
    gsl_rng *rng = random_stream(33, 0, RANDOM_TEST);
    for (int i = 0; i < CASES; i++) {
        struct segment_case c = random_case(rng, i);
        for (int j = 0; j < 6; j++) {
            double A[T_MAX], b[T_MAX], x[T_MAX], lambda = lambdas[j];
            gae_advantages(c.T, c.r, c.V, c.V[c.T], c.gamma, lambda, A);
            for (int t = 0; t < c.T; t++) b[t] = (double)delta(&c, t);
            shifted_solve(c.T, c.gamma * lambda, b, x);
            for (int t = 0; t < c.T; t++) {
                real sum = 0, mean = powl(lambda, c.T - t - 1) * (look_ahead(&c, t, c.T) - c.V[t]);
                for (int k = t; k < c.T; k++) sum += powl((real)c.gamma * lambda, k - t) * delta(&c, k);
                for (int n = 1; t + n < c.T; n++)
                    mean += (1 - (real)lambda) * powl(lambda, n - 1) * (look_ahead(&c, t, t + n) - c.V[t]);
                assert_near(A[t], sum, 2 * bound(&c));
                assert_near(A[t], mean, 2 * bound(&c));
                assert_near(A[t], x[t], 4 * bound(&c));
                if (lambda == 0) assert_near(A[t], delta(&c, t), 0x1p-50L * 10);
                if (lambda == 1) assert_near(A[t], look_ahead(&c, t, c.T) - c.V[t], 2 * bound(&c));
            }
        }
    }
    gsl_rng_free(rng);
}

/* Termination, truncation and the cut of a batch differ in V_end alone: what the end is worth is gamma^{T-t} (gamma
 * lambda^{T-1-t} in GAE) of it; with V = 0 both are the returns. */
static void ends(void **state)
{
    (void)state;
    gsl_rng *rng = random_stream(34, 0, RANDOM_TEST);
    for (int i = 0; i < CASES; i++) {
        struct segment_case c = random_case(rng, i);
        double G[T_MAX], G0[T_MAX], A[T_MAX], A0[T_MAX], zero[T_MAX] = { 0 }, to_go[T_MAX], end = 3;
        nstep_returns(c.T, c.r, end, c.gamma, G);
        nstep_returns(c.T, c.r, 0, c.gamma, G0);
        gae_advantages(c.T, c.r, c.V, end, c.gamma, 0.7, A);
        gae_advantages(c.T, c.r, c.V, 0, c.gamma, 0.7, A0);
        for (int t = 0; t < c.T; t++) {
            assert_near(G[t] - G0[t], powl(c.gamma, c.T - t) * end, 2 * bound(&c));
            assert_near(A[t] - A0[t], powl(c.gamma, c.T - t) * powl(0.7L, c.T - 1 - t) * end, 4 * bound(&c));
        }
        returns_to_go(c.T, c.r, c.gamma, to_go);
        assert_memory_equal(G0, to_go, (size_t)c.T * sizeof *G0);
        gae_advantages(c.T, c.r, zero, 0, c.gamma, 1, A);
        for (int t = 0; t < c.T; t++) assert_near(A[t], to_go[t], bound(&c));
        for (int n = 1; n <= 3; n++) {                              /* only the last n steps see the end */
            double F[T_MAX], F0[T_MAX];
            nstep_fixed(c.T, n, c.r, c.V, end, c.gamma, F);
            nstep_fixed(c.T, n, c.r, c.V, 0, c.gamma, F0);
            for (int t = 0; t < c.T; t++)
                assert_near(F[t] - F0[t], t + n < c.T ? 0 : powl(c.gamma, c.T - t) * end, 2 * bound(&c));
        }
    }
    gsl_rng_free(rng);
}

/* By hand, in numbers that binary fractions hold: gamma 1/2, r = (1, 2, 4), V = (8, 16, 32), then 64 or the end */
static void by_hand(void **state)
{
    (void)state;
    const double r[] = { 1, 2, 4 }, V[] = { 8, 16, 32 };
    double x[3];
    nstep_returns(3, r, 64, 0.5, x);
    assert_true(x[0] == 11 && x[1] == 20 && x[2] == 36);
    nstep_returns(3, r, 0, 0.5, x);
    assert_true(x[0] == 3 && x[1] == 4 && x[2] == 4);
    nstep_fixed(3, 1, r, V, 64, 0.5, x);
    assert_true(x[0] == 9 && x[1] == 18 && x[2] == 36);
    nstep_fixed(3, 2, r, V, 64, 0.5, x);
    assert_true(x[0] == 10 && x[1] == 20 && x[2] == 36);
    nstep_fixed(3, 2, r, V, 0, 0.5, x);
    assert_true(x[0] == 10 && x[1] == 4 && x[2] == 4);
    gae_advantages(3, r, V, 64, 0.5, 0.5, x);                       /* delta = (1, 2, 4) */
    assert_true(x[0] == 1.75 && x[1] == 3 && x[2] == 4);
    gae_advantages(3, r, V, 0, 0.5, 0.5, x);                        /* delta = (1, 2, -28) */
    assert_true(x[0] == -0.25 && x[1] == -5 && x[2] == -28);
    nstep_returns(1, r, 64, 0.5, x);
    assert_true(x[0] == 33);
    gae_advantages(1, r, V, 0, 0.5, 0.9, x);
    assert_true(x[0] == -7);
}

/* A3C-7: n = 10, rows k = 0 and k = 9, gamma = 1/2, r_k = 2^k: each of ten terms of row 0 is 1, and gamma^10 V = 3 */
static void ten_steps(void **state)
{
    (void)state;
    double r[10], V[10], R[10];
    for (int k = 0; k < 10; k++) {
        r[k] = ldexp(1, k);
        V[k] = k;
    }
    nstep_returns(10, r, 3072, 0.5, R);
    assert_true(R[0] - V[0] == 13);                                 /* 10 + 3072 / 1024 - 0 */
    assert_true(R[9] - V[9] == 2039);                               /* 512 + 3072 / 2 - 9 */
    for (int k = 0; k < 10; k++) {
        double G[10];
        nstep_fixed(10, 10 - k, r, V, 3072, 0.5, G);
        assert_true(G[k] == R[k]);
    }
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(to_the_end), cmocka_unit_test(fixed_n), cmocka_unit_test(advantages), cmocka_unit_test(ends),
        cmocka_unit_test(by_hand), cmocka_unit_test(ten_steps) };
    if (argc > 1) cmocka_set_test_filter(argv[1]);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
