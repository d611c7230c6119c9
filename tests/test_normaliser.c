/* The normaliser against two passes in long double, also where the mean is 1e9 times the deviation.
 *     test_normaliser [pattern]       runs the tests whose names match */
#include <float.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>
#include <gsl/gsl_randist.h>

#include "autodiff/random.h"
#include "autodiff/require.h"
#include "envs/normaliser.h"

enum { N = 10000, DIM = 3 };
static const double offset[DIM] = { 0, 1e9, -1e3 }, deviation[DIM] = { 1, 1, 1e-2 };

static double *numbers(void)                                        /* [N x DIM] */
{
    gsl_rng *rng = random_stream(1, 0, RANDOM_TEST);
    double *x = allocate(N * DIM, sizeof *x, "numbers");
    for (int k = 0; k < N * DIM; k++) x[k] = offset[k % DIM] + gsl_ran_gaussian(rng, deviation[k % DIM]);
    gsl_rng_free(rng);
    return x;
}

static void two_passes(const double *x, int n, int i, long double *mean, long double *var)
{
    *mean = *var = 0;
    for (int k = 0; k < n; k++) *mean += x[k * DIM + i];
    *mean /= n;
    for (int k = 0; k < n; k++) *var += (x[k * DIM + i] - *mean) * (x[k * DIM + i] - *mean);
    *var /= n;
}

/* Chan, Golub & LeVeque 1983: the recursion's relative error is at most of the order n u kappa, with kappa =
 * sqrt(1 + mean^2 / var); that of the mean square less the squared mean is n u kappa^2, which is 1e6 here. Errors
 * that go either way add up to sqrt(n) rather than n, which is asked for. */
static void check(const normaliser *f, const double *x)
{
    assert_true(f->state[0] == N);
    for (int i = 0; i < DIM; i++) {
        long double mean, var;
        two_passes(x, N, i, &mean, &var);
        double kappa = (double)sqrtl(1 + mean * mean / var), unit = 4 * sqrt(N) * DBL_EPSILON * kappa;
        assert_true(fabsl(normaliser_mean(f, i) - mean) <= unit * sqrtl(var));
        assert_true(fabsl(normaliser_var(f, i) - var) <= unit * var);
    }
}

static void test_update(void **state)
{
    (void)state;
    double *x = numbers();
    normaliser *f = normaliser_new(DIM), *rows = normaliser_new(DIM);
    normaliser_update(f, N, x);
    for (int k = 0; k < N; k++) normaliser_update(rows, 1, x + k * DIM);
    check(f, x);
    assert_memory_equal(f->state, rows->state, (1 + 2 * DIM) * sizeof *f->state);
    normaliser_free(f), normaliser_free(rows);
    free(x);
}

/* Parts of any size, empty ones too, add up to the whole. */
static void test_merge(void **state)
{
    (void)state;
    static const int cut[] = { 0, 0, 1, 10, 11, 4000, 9999, N };
    double *x = numbers();
    normaliser *all = normaliser_new(DIM);
    for (int k = 0; k + 1 < (int)(sizeof cut / sizeof *cut); k++) {
        normaliser *part = normaliser_new(DIM);
        normaliser_update(part, cut[k + 1] - cut[k], x + cut[k] * DIM);
        normaliser_merge(all, part);
        normaliser_free(part);
    }
    check(all, x);
    normaliser_free(all);
    free(x);
}

static void test_apply(void **state)
{
    (void)state;
    double *x = numbers(), y[4 * DIM], far[4 * DIM];
    normaliser *f = normaliser_new(DIM);
    normaliser_apply(f, 4, x, y);                                   /* nothing seen: the identity, clipped */
    for (int k = 0; k < 4 * DIM; k++) assert_true(y[k] == fmin(fmax(x[k], -10), 10));
    for (int i = 0; i < DIM; i++) assert_true(normaliser_var(f, i) == 1 && normaliser_mean(f, i) == 0);
    normaliser_update(f, 1, x);
    normaliser_apply(f, 1, x, y);                                   /* one seen: it is the mean, and var is 0 */
    for (int k = 0; k < DIM; k++) assert_true(y[k] == 0 && normaliser_var(f, k) == 0);
    double off = x[0] + 1e-4;
    normaliser_apply(f, 1, (double[]){ off, x[1], x[2] }, y);
    assert_true(fabs(y[0] - (off - x[0]) / sqrt(1e-8)) <= 4 * DBL_EPSILON);
    normaliser_update(f, N - 1, x + DIM);
    normaliser_apply(f, 4, x, y);
    for (int k = 0; k < 4 * DIM; k++) {
        double z = (x[k] - normaliser_mean(f, k % DIM)) / sqrt(normaliser_var(f, k % DIM) + 1e-8);
        assert_true(fabs(z) < 5 && fabs(y[k] - z) <= 4 * DBL_EPSILON * fabs(z));
        far[k] = x[k] + (k % 2 ? 11 : -11) * (1 + deviation[k % DIM]) * 1.5;
    }
    normaliser_apply(f, 4, far, far);                               /* in place */
    for (int k = 0; k < 4 * DIM; k++) assert_true(far[k] == (k % 2 ? 10 : -10));
    far[1] = NAN;
    normaliser_apply(f, 1, far, far);
    assert_true(isnan(far[1]));                                     /* not hidden by the clip */
    normaliser_free(f);
    free(x);
}

static void test_frozen(void **state)
{
    (void)state;
    double *x = numbers(), kept[1 + 2 * DIM];
    normaliser *f = normaliser_new(DIM), *other = normaliser_new(DIM);
    normaliser_update(f, 100, x);
    normaliser_update(other, 50, x);
    memcpy(kept, f->state, sizeof kept);
    f->frozen = true;
    normaliser_update(f, 100, x + 100 * DIM);
    normaliser_merge(f, other);
    assert_memory_equal(f->state, kept, sizeof kept);
    f->frozen = false;
    normaliser_update(f, 100, x + 100 * DIM);
    memcpy(other->state, kept, sizeof kept);                        /* the state is all there is */
    normaliser_update(other, 100, x + 100 * DIM);
    assert_memory_equal(f->state, other->state, sizeof kept);
    normaliser_free(f), normaliser_free(other);
    free(x);
}

int main(int argc, char **argv)
{
    if (argc > 1) cmocka_set_test_filter(argv[1]);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_update), cmocka_unit_test(test_merge), cmocka_unit_test(test_apply),
        cmocka_unit_test(test_frozen),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
