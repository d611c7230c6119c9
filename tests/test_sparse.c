/* The sparse solver alone: against Gaussian elimination in long double, and how many steps it takes. Where the
 * graph of P is a tree the incomplete factorisation is complete, LU = I - gamma P, and one step is enough; random
 * graphs of 4 next states took 13 to 21 steps at gamma 0.9, and something is wrong that takes many more. */
#include <float.h>
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>
#include <gsl/gsl_randist.h>

#include "autodiff/linalg.h"
#include "autodiff/random.h"
#include "derivations/exact_sparse.h"

typedef long double real;
enum { N = 60 };

/* Rows of weights > 0 on the pattern, each summing to 1 */
static sparse *stochastic(bool pattern[N][N], gsl_rng *rng)
{
    int entries = 0;
    for (int i = 0; i < N * N; i++) entries += pattern[i / N][i % N];
    sparse *P = sparse_new(N, entries);
    for (int i = 0, k = 0; i < N; i++) {
        double sum = 0;
        P->row[i] = k;
        for (int j = 0; j < N; j++)
            if (pattern[i][j]) {
                P->col[k] = j;
                sum += P->x[k++] = 0.1 + gsl_rng_uniform(rng);
            }
        for (int l = P->row[i]; l < k; l++) P->x[l] /= sum;
        P->row[i + 1] = k;
    }
    return P;
}

/* (I - gamma P) x = b, or with P^T, by elimination with pivots */
static void eliminate(const sparse *P, double gamma, bool transposed, const double *b, real *x)
{
    static real A[N][N + 1];
    for (int i = 0; i < N; i++)
        for (int j = 0; j <= N; j++) A[i][j] = j == N ? b[i] : i == j;
    for (int i = 0; i < N; i++)
        for (int k = P->row[i]; k < P->row[i + 1]; k++)
            A[transposed ? P->col[k] : i][transposed ? i : P->col[k]] -= (real)gamma * P->x[k];
    for (int c = 0; c < N; c++) {
        int pivot = c;
        for (int i = c + 1; i < N; i++)
            if (fabsl(A[i][c]) > fabsl(A[pivot][c])) pivot = i;
        for (int j = 0; j <= N; j++) {
            real t = A[c][j];
            A[c][j] = A[pivot][j];
            A[pivot][j] = t;
        }
        for (int i = c + 1; i < N; i++)
            for (int j = N; j >= c; j--) A[i][j] -= A[i][c] / A[c][c] * A[c][j];
    }
    for (int i = N - 1; i >= 0; i--) {
        x[i] = A[i][N];
        for (int j = i + 1; j < N; j++) x[i] -= A[i][j] * x[j];
        x[i] /= A[i][i];
    }
}

/* Solves with P and P^T; error at most 10 u N / (1 - gamma)^2 of max|b| = 1. Returns the most steps. */
static int most_steps(const sparse *P, double gamma, gsl_rng *rng)
{
    bellman_ilu *f = bellman_ilu_new(gamma, P);
    assert_non_null(f);
    int most = 0;
    for (int c = 0; c < 20; c++) {
        double b[N], x[N];
        real want[N];
        for (int i = 0; i < N; i++) b[i] = c < 4 ? i == 17 * c : 2 * gsl_rng_uniform(rng) - 1;
        for (int i = 0; i < N; i++) x[i] = 1e9;                             /* what was there is of no account */
        int steps;
        double left = bellman_ilu_solve(f, c % 2, b, x, &steps);
        if (!(left <= 8 * DBL_EPSILON)) fail_msg("case %d: %g is left", c, left);
        eliminate(P, gamma, c % 2, b, want);
        double bound = 10 * DBL_EPSILON * N / ((1 - gamma) * (1 - gamma));
        for (int i = 0; i < N; i++)
            if (!(fabsl(x[i] - want[i]) <= bound))
                fail_msg("case %d, x[%d] = %.17g, not %.17Lg", c, i, x[i], want[i]);
        if (steps > most) most = steps;
    }
    bellman_ilu_free(f);
    return most;
}

static void trees(void **state)
{
    (void)state;
    gsl_rng *rng = random_stream(1, 0, RANDOM_TEST);
    for (int c = 0; c < 10; c++) {
        static bool pattern[N][N];
        int name[N];
        for (int i = 0; i < N; i++) name[i] = i;
        gsl_ran_shuffle(rng, name, N, sizeof *name);
        for (int i = 0; i < N * N; i++) pattern[i / N][i % N] = i / N == i % N;
        for (int i = 1; i < N; i++) {                                       /* a chain, or any tree */
            int parent = c < 5 ? i - 1 : (int)gsl_rng_uniform_int(rng, (unsigned long)i);
            pattern[name[i]][name[parent]] = pattern[name[parent]][name[i]] = true;
        }
        sparse *P = stochastic(pattern, rng);
        int steps = most_steps(P, 0.9, rng);
        if (steps != 1) fail_msg("tree %d takes %d steps", c, steps);
        sparse_free(P);
    }
    gsl_rng_free(rng);
}

static void garnets(void **state)
{
    (void)state;
    gsl_rng *rng = random_stream(2, 0, RANDOM_TEST);
    for (int c = 0; c < 10; c++) {
        static bool pattern[N][N];
        for (int i = 0; i < N * N; i++) pattern[i / N][i % N] = false;
        for (int i = 0; i < 4 * N; i++) pattern[i / 4][gsl_rng_uniform_int(rng, N)] = true;
        sparse *P = stochastic(pattern, rng);
        int steps = most_steps(P, 0.9, rng);
        if (steps > 24) fail_msg("garnet %d takes %d steps", c, steps);
        sparse_free(P);
    }
    gsl_rng_free(rng);
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = { cmocka_unit_test(trees), cmocka_unit_test(garnets) };
    if (argc > 1) cmocka_set_test_filter(argv[1]);
    linalg_start();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
