/* What a step is measured with: advantages from a batch against their moments, the surrogate's slopes against loops
 * over states and actions. */
#include <gsl/gsl_rng.h>
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "autodiff/linalg.h"
#include "autodiff/random.h"
#include "derivations/derivation.h"
#include "derivations/step_size.h"

/* From either of two states the action a leads to the first with probability p[a], and pays R[a] there: V is the same
 * in both, and r + gamma V(s') - V(s) has the mean p R - E[p R] and the variance p (1 - p) R^2. */
static const double p[] = { 0.3, 0.8, 0.5 }, R[] = { 2, -1, 4 }, probability[] = { 0.2, 0.3, 0.5 };

static exact *coins(mdp **M)
{
    char error[256];
    double logits[6];
    mdp_builder *b = mdp_begin("coins", 2, 3, 0.9);
    mdp_start(b, 0, 1);
    for (int i = 0; i < 6; i++) {
        mdp_transition(b, i / 3, i % 3, 0, p[i % 3], R[i % 3]);
        mdp_transition(b, i / 3, i % 3, 1, 1 - p[i % 3], 0);
        logits[i] = log(probability[i % 3]);
    }
    *M = mdp_finish(b);
    exact *pi = exact_new(*M, 0.9, logits, error, sizeof error);
    if (!pi) fail_msg("%s", error);
    return pi;
}

/* 400 batches of 5000 steps: means within 5 standard errors (false alarm 4e-6 for all), variances of a mean over the
 * N d(s) pi(a|s) times that it was tried to 5 of theirs, sqrt(2/400). One that is wrong by 10 % of a standard
 * deviation of a TD error would be seen in the first, a batch of half as many steps in the second. */
static void advantages_of_batches(void **state)
{
    (void)state;
    enum { BATCHES = 400, STEPS = 5000 };
    mdp *M;
    exact *pi = coins(&M);
    double sum[6] = { 0 }, square[6] = { 0 }, A[6], mean = 0, first = 0;
    gsl_rng *rng = random_stream(1, 0, RANDOM_TEST);
    for (int a = 0; a < 3; a++) mean += probability[a] * p[a] * R[a], first += probability[a] * p[a];
    for (int k = 0; k < BATCHES; k++) {
        advantages_from_data(pi, STEPS, rng, A);
        for (int i = 0; i < 6; i++) {
            double off = A[i] - (p[i % 3] * R[i % 3] - mean);
            sum[i] += off, square[i] += off * off;
        }
    }
    for (int i = 0; i < 6; i++) {
        int a = i % 3;
        double tried = STEPS * (i < 3 ? first : 1 - first) * probability[a];
        double variance = p[a] * (1 - p[a]) * R[a] * R[a] / tried;
        double z = sum[i] / sqrt(BATCHES * variance), ratio = square[i] / BATCHES / variance;
        if (!(fabs(z) <= 5)) fail_msg("A[%d] is off by %g standard errors", i, z);
        if (!(fabs(ratio - 1) <= 5 * sqrt(2.0 / BATCHES))) fail_msg("A[%d] has %g times its variance", i, ratio);
    }
    gsl_rng_free(rng);
    exact_free(pi);
    mdp_free(M);
}

/* What was never tried is 0; an infinite batch knows all */
static void batches_of_none_and_all(void **state)
{
    (void)state;
    mdp *M;
    exact *pi = coins(&M);
    double A[6];
    gsl_rng *rng = random_stream(2, 0, RANDOM_TEST);
    advantages_from_data(pi, 1, rng, A);
    int tried = 0;
    for (int i = 0; i < 6; i++) tried += A[i] != 0;
    assert_int_equal(tried, 1);
    advantages_from_data(pi, INFINITY, rng, A);
    assert_memory_equal(A, pi->A, sizeof A);
    gsl_rng_free(rng);
    exact_free(pi);
    mdp_free(M);
}

/* PDI-9's page: eta(theta_t) - eta(theta), L - eta(theta) and the slope of their difference, on E5 */
static void slopes_on_the_page(void **state)
{
    (void)state;
    char text[4000], error[256];
    double theta[15], theta1[15], last = NAN, t, rise, gain, off, slope;
    int rows = 0;
    mdp *M = mdp_builtin("E5");
    for (int i = 0; i < 15; i++) theta[i] = cos(i / 3 + 2 * (i % 3)), theta1[i] = theta[i] + sin(1 + i);
    exact *pi = exact_new(M, 0.9, theta, error, sizeof error), *pi1 = exact_new(M, 0.9, theta1, error, sizeof error);
    setting *x = setting_new(pi, pi1, 1);
    FILE *out = fmemopen(text, sizeof text, "w");
    derivation_find("PDI-9")->page(x, out);
    fclose(out);
    for (char *row = strchr(strchr(text, '\n') + 1, '\n') + 1; *row; row = strchr(row, '\n') + 1, rows++) {
        char line[200];
        assert_int_equal(sscanf(row, "%199[^\n]", line), 1);
        int n = sscanf(line, "%lf %lf %lf %lf %lf", &t, &rise, &gain, &off, &slope);
        assert_int_equal(n, rows ? 5 : 4);
        double z[15], L = 0;
        for (int i = 0; i < 15; i++) z[i] = theta[i] + t * (theta1[i] - theta[i]);
        exact *there = exact_new(M, 0.9, z, error, sizeof error);
        for (int i = 0; i < 15; i++) L += exact_rho(pi, i / 3) * there->pi[i] * pi->A[i];
        assert_true(fabs(rise - (there->J - pi->J)) <= 1e-6);
        assert_true(fabs(gain - L) <= 1e-6);
        double apart = L - (there->J - pi->J);
        assert_true(fabs(off - apart) <= 1e-3 * fabs(apart));
        if (rows) assert_true(fabs(slope - log2(fabs(last / apart))) <= 0.006);
        last = apart;
        exact_free(there);
    }
    assert_int_equal(rows, 9);
    assert_true(fabs(slope - 2) < 0.1);
    setting_free(x);
    exact_free(pi);
    exact_free(pi1);
    mdp_free(M);
}

/* 1.9 stands for all that is steeper; a surrogate that is off by a constant has the slope 0 */
static void slope_of_a_constant(void **state)
{
    (void)state;
    char error[256];
    double theta[15], theta1[15], out[2];
    mdp *M = mdp_builtin("E5");
    for (int i = 0; i < 15; i++) theta[i] = cos(i / 3 + 2 * (i % 3)), theta1[i] = theta[i] + sin(1 + i);
    exact *pi = exact_new(M, 0.9, theta, error, sizeof error), *pi1 = exact_new(M, 0.9, theta1, error, sizeof error);
    setting *x = setting_new(pi, pi1, 1);
    const derivation *d = derivation_find("PDI-9");
    d->line[1].value(x, out);
    assert_true(out[1] == 1.9);
    d->line[3].value(x, out);
    assert_true(fabs(out[1]) < 0.01);
    setting_free(x);
    exact_free(pi);
    exact_free(pi1);
    mdp_free(M);
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(advantages_of_batches), cmocka_unit_test(batches_of_none_and_all),
        cmocka_unit_test(slopes_on_the_page), cmocka_unit_test(slope_of_a_constant) };
    if (argc > 1) cmocka_set_test_filter(argv[1]);
    linalg_start();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
