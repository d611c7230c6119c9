/* The replay buffer and the noise of deterministic policies.
 *     test_replay [pattern]       runs the tests whose names match */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <gsl/gsl_cdf.h>

#include "algorithms/noise.h"
#include "algorithms/replay.h"
#include "autodiff/random.h"
#include "derivations/derivation.h"

static env *make(const char *id)
{
    char error[512] = "";
    env *e = env_make(id, ENV_OWN_LIMIT, error, sizeof error);
    if (!e) fail_msg("%s", error);
    return e;
}

/* ---- replay ---- */

/* The i-th transition ever, all of its numbers different from all others' */
static void store(replay *D, long i)
{
    double s[3], s1[3], a[1] = { 0.25 + (double)i };
    for (int j = 0; j < 3; j++) s[j] = (double)(100 * i + j), s1[j] = -(double)(100 * i + j) - 0.5;
    replay_store(D, s, a, 1000.0 + (double)i, s1, i % 3 == 0);
}

static void assert_transition(const minibatch *B, int t, long i)
{
    for (int j = 0; j < 3; j++) {
        assert_true(B->s[3 * t + j] == (double)(100 * i + j));
        assert_true(B->s1[3 * t + j] == -(double)(100 * i + j) - 0.5);
    }
    assert_true(B->a[t] == 0.25 + (double)i);
    assert_true(B->done[t] == (i % 3 == 0));
}

/* After n, the last `capacity` of them are there and no other, whole, each drawn as often as the others: chi^2 of
 * what 200 minibatches of 7 hold stays under its 1 - 1e-6 quantile; 24 tables, so that a false alarm has 2.4e-5.
 * Power: a buffer that never draws its last place adds 1400/50 = 28 at capacity 50,
 * one that draws half of it at most 1400. */
static void overwrites_and_draws(void **state)
{
    (void)state;
    enum { CAPACITY = 50, MINIBATCH = 7, TIMES = 200 };
    env *e = make("Pendulum-v1");
    gsl_rng *rng = random_stream(3, 0, RANDOM_TEST);
    minibatch *B = minibatch_new(e, MINIBATCH);
    assert_null(B->index);
    for (long n = 1; n <= 120; n += 5) {
        replay *D = replay_new(e, CAPACITY);
        long seen[120] = { 0 }, first = n > CAPACITY ? n - CAPACITY : 0, size = n - first;
        for (long i = 0; i < n; i++) store(D, i);
        assert_int_equal(replay_size(D), size);
        assert_int_equal(D->count, n);
        for (int k = 0; k < TIMES; k++) {
            replay_sample(D, rng, B);
            for (int t = 0; t < MINIBATCH; t++) {
                long i = (long)B->r[t] - 1000;
                assert_in_range(i, first, n - 1);
                assert_transition(B, t, i);
                seen[i]++;
            }
        }
        double expected = (double)(TIMES * MINIBATCH) / (double)size, chi2 = 0;
        for (long i = first; i < n; i++)
            chi2 += ((double)seen[i] - expected) * ((double)seen[i] - expected) / expected;
        if (size > 1 && !(chi2 < gsl_cdf_chisq_Qinv(1e-6, (double)(size - 1)))) fail_msg("%ld: chi^2 %g", n, chi2);
        for (long i = first; i < n; i++) assert_true(seen[i] > 0);              /* 50 (1 - 1/50)^1400 = 3e-11 */
        replay_free(D);
    }
    minibatch_free(B);
    gsl_rng_free(rng);
    env_free(e);
}

/* With replacement: in a buffer of 2 a pair holds the same one twice half the time. Of 2000 pairs 1000 +- 5 sd 22 */
static void draws_one_by_one(void **state)
{
    (void)state;
    env *e = make("Pendulum-v1");
    gsl_rng *rng = random_stream(4, 0, RANDOM_TEST);
    replay *D = replay_new(e, 2);
    minibatch *B = minibatch_new(e, 2);
    int twice = 0;
    store(D, 0);
    store(D, 1);
    for (int k = 0; k < 2000; k++) {
        replay_sample(D, rng, B);
        twice += B->r[0] == B->r[1];
    }
    assert_in_range(twice, 1000 - 112, 1000 + 112);
    minibatch_free(B);
    replay_free(D);
    gsl_rng_free(rng);
    env_free(e);
}

static void numbers_actions(void **state)
{
    (void)state;
    env *e = make("CartPole-v1");
    gsl_rng *rng = random_stream(5, 0, RANDOM_TEST);
    replay *D = replay_new(e, 4);
    minibatch *B = minibatch_new(e, 50);
    for (int i = 0; i < 4; i++) replay_store(D, (double[4]){ i }, (double[]){ i % 2 }, i, (double[4]){ i }, false);
    replay_sample(D, rng, B);
    for (int t = 0; t < 50; t++) {
        assert_int_equal(B->index[t], (int)B->r[t] % 2);
        assert_true(B->a[t] == B->index[t]);
    }
    minibatch_free(B);
    replay_free(D);
    gsl_rng_free(rng);
    env_free(e);
}

/* ---- noise ---- */

enum { N = 200000 };

/* Variance and correlation of neighbours of a long series x [N], and its mean. Standard errors of a stationary
 * Gaussian AR(1) with correlation c: of the mean sqrt(v/N (1+c)/(1-c)); of v, relative, sqrt(2/N (1+c^2)/(1-c^2));
 * of c sqrt((1-c^2)/N). 5 of them: a false alarm in 6e-7 each, 18 of them. Power: at N = 200000 the other law of
 * OU differs by .1441/.1333, 18 standard errors, and white noise by hundreds. */
static void assert_series(const double *x, double v, double c)
{
    double mean = 0, squares = 0, products = 0;
    for (int t = 0; t < N; t++) mean += x[t] / N;
    for (int t = 0; t < N; t++) squares += x[t] * x[t] / N;
    for (int t = 1; t < N; t++) products += x[t] * x[t - 1] / (N - 1);
    double of_mean = sqrt(v / N * (1 + c) / (1 - c)), of_v = v * sqrt(2.0 / N * (1 + c * c) / (1 - c * c));
    if (!(fabs(mean) < 5 * of_mean)) fail_msg("mean %g, standard error %g", mean, of_mean);
    if (!(fabs(squares - v) < 5 * of_v)) fail_msg("variance %g, expected %g, standard error %g", squares, v, of_v);
    if (!(fabs(products / squares - c) < 5 * sqrt((1 - c * c) / N)))
        fail_msg("correlation %g, %g", products / squares, c);
}

static void series(int law, double theta, double sigma, double dt, int k, int which, double *x)
{
    gsl_rng *rng = random_stream(6, (uint32_t)law, RANDOM_TEST);
    double at[3] = { 0 };
    for (int t = -1000; t < N; t++) {                           /* from 0, until it is stationary */
        if (law == 0)      noise_ou_euler(k, theta, sigma, dt, rng, at);
        else if (law == 1) noise_ou_exact(k, theta, sigma, dt, rng, at);
        else               noise_next(law - 2, k, theta, sigma, rng, at);
        if (t >= 0) x[t] = at[which];
    }
    gsl_rng_free(rng);
}

static void stationary(void **state)
{
    (void)state;
    double *x = malloc(N * sizeof *x);
    const double theta = 0.15, sigma = 0.2;
    series(0, theta, sigma, 1, 1, 0, x);
    assert_series(x, 0.04 / (1 - 0.85 * 0.85), 0.85);
    series(0, theta, sigma, 0.01, 3, 2, x);
    assert_series(x, 0.04 * 0.01 / (1 - 0.9985 * 0.9985), 0.9985);
    series(1, theta, sigma, 1, 2, 1, x);
    assert_series(x, 0.04 / 0.3, exp(-0.15));
    series(1, 2, sigma, 0.5, 1, 0, x);
    assert_series(x, 0.01, exp(-1));
    series(2 + NOISE_OU, theta, sigma, 1, 1, 0, x);
    assert_series(x, 0.04 / (1 - 0.85 * 0.85), 0.85);
    series(2 + NOISE_GAUSSIAN, theta, sigma, 1, 3, 1, x);
    assert_series(x, 0.04, 0);
    free(x);
}

/* Dimensions by themselves: products of neighbours in a vector have mean 0, standard error
 * v sqrt((1+c^2)/(1-c^2)/N) */
static void by_itself(void **state)
{
    (void)state;
    for (int kind = 0; kind < 2; kind++) {
        gsl_rng *rng = random_stream(7, (uint32_t)kind, RANDOM_TEST);
        double x[3] = { 0 }, sum = 0, c = kind == NOISE_OU ? 0.85 : 0, v = 0.04 / (1 - c * c);
        for (int t = 0; t < N; t++) {
            noise_next(kind, 3, 0.15, 0.2, rng, x);
            sum += (x[0] * x[1] + x[1] * x[2]) / (2.0 * N);
        }
        assert_true(fabs(sum) < 5 * v * sqrt((1 + c * c) / (1 - c * c) / N));
        gsl_rng_free(rng);
    }
}

/* DDPG-14's page: variance and correlation of 100000 steps of each law are those of series() within 5 standard
 * errors, and z says how far off */
static void laws_on_page(void **state)
{
    (void)state;
    const struct { const char *name; double dt, v, c; } law[] = {
        { "exact", 1, 0.04 / 0.3, exp(-0.15) },          { "exact", 0.1, 0.04 / 0.3, exp(-0.015) },
        { "Euler", 1, 0.04 / (1 - 0.85 * 0.85), 0.85 },  { "Euler", 0.1, 0.004 / (1 - 0.985 * 0.985), 0.985 } };
    char *text = NULL;
    size_t size;
    FILE *page = open_memstream(&text, &size);
    derivation_find("DDPG-14")->page(&(setting){ .seed = 1 }, page);
    fclose(page);
    const char *row = strstr(text, "exact ");
    for (int i = 0; i < 4; i++) {
        char name[20];
        double dt, v, z_v, c, z_c, k = law[i].c * law[i].c;
        int n;
        assert_non_null(row);
        assert_int_equal(sscanf(row, "%19s %lf %lf %lf %lf %lf%n", name, &dt, &v, &z_v, &c, &z_c, &n), 6);
        double of_v = law[i].v * sqrt(2e-5 * (1 + k) / (1 - k)), of_c = sqrt((1 - k) / 1e5);
        assert_string_equal(name, law[i].name);
        assert_true(dt == law[i].dt && fabs(z_v) < 5 && fabs(z_c) < 5);
        assert_true(fabs((v - law[i].v) / of_v - z_v) <= 0.006 + 1e-5 / of_v);          /* as printed */
        assert_true(fabs((c - law[i].c) / of_c - z_c) <= 0.006 + 1e-5 / of_c);
        row += n;
    }
    free(text);
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(overwrites_and_draws), cmocka_unit_test(draws_one_by_one), cmocka_unit_test(numbers_actions),
        cmocka_unit_test(stationary), cmocka_unit_test(by_itself),
        cmocka_unit_test(laws_on_page),
    };
    if (argc > 1) cmocka_set_test_filter(argv[1]);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
