/* Policies: log-probabilities against plain loops, GSL's distributions and quadrature; acting against the
 * probabilities that are said, by chi squared, where a policy that is a little off must be refused.
 *     test_policy [pattern]       runs the tests whose names match */
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
#include <gsl/gsl_integration.h>
#include <gsl/gsl_randist.h>

#include "autodiff/random.h"
#include "tests/policy_by_hand.h"

static void near(double x, double want, double bound, int line)
{
    if (!(fabs(x - want) <= bound)) fail_msg("line %d: %.17g, expected %.17g within %.2g", line, x, want, bound);
}
#define assert_near(x, want, bound) near(x, want, bound, __LINE__)

/* observations of 3 numbers; nA actions, or k numbers */
static policy make(int nA, int k, int layers, enum ad_activation hidden)
{
    env e = { .observation = { .dim = 3 }, .action = { .n = nA, .dim = nA ? 1 : k } };
    return policy_of(&e, layers, (int[]){ 5, 4 }, hidden);
}

static double *any_theta(const policy *p, uint32_t worker)
{
    gsl_rng *rng = random_stream(1, worker, RANDOM_TEST);
    double *theta = malloc((size_t)p->n * sizeof *theta);
    for (int i = 0; i < p->n; i++) theta[i] = gsl_ran_gaussian(rng, 0.7);
    gsl_rng_free(rng);
    return theta;
}

static number *complex_of(const policy *p, const double *theta)
{
    number *c = malloc((size_t)p->n * sizeof *c);
    for (int i = 0; i < p->n; i++) c[i] = theta[i];
    return c;
}

static const double seen[6] = { 0.3, -1.2, 0.5, 2, 0.1, -0.4 };        /* two observations */

static double logp(const policy *p, const double *theta, const double *s, const double *a)
{
    ad_tape *t = ad_tape_new();
    int index = (int)a[0];
    double value = ad_scalar(policy_logp(t, p, ad_input(t, theta, p->n, 1), ad_input(t, s, 1, p->d), a, &index));
    ad_tape_free(t);
    return value;
}

static double entropy(const policy *p, const double *theta, const double *s)
{
    ad_tape *t = ad_tape_new();
    double value = ad_scalar(policy_entropy(p, ad_input(t, theta, p->n, 1), ad_input(t, s, 1, p->d)));
    ad_tape_free(t);
    return value;
}

static void shapes(void **state)
{
    (void)state;
    policy p = make(4, 0, 2, AD_RELU);
    assert_true(p.d == 3 && p.nA == 4 && p.k == 1 && p.n == 4 * 5 + 6 * 4 + 5 * 4 && p.f.hidden == AD_RELU);
    p = make(0, 2, 1, AD_TANH);
    assert_true(p.nA == 0 && p.k == 2 && p.n == 4 * 5 + 6 * 2 + 2 && p.f.hidden == AD_TANH);
    p = make(3, 0, 0, AD_LINEAR);
    assert_true(p.n == 4 * 3 && p.f.layers == 1);
}

/* At first all actions are nearly equally likely, and sd = 1. */
static void first_parameters(void **state)
{
    (void)state;
    gsl_rng *rng = random_stream(1, 0, RANDOM_INIT);
    policy p = make(4, 0, 2, AD_TANH);
    double *theta = any_theta(&p, 0);
    policy_init(&p, rng, theta);
    for (int a = 0; a < 4; a++) assert_near(logp(&p, theta, seen, &(double){ a }), -log(4), 0.05);
    assert_true(logp(&p, theta, seen, &(double){ 0 }) != logp(&p, theta, seen, &(double){ 1 }));
    free(theta);
    p = make(0, 2, 2, AD_TANH);
    theta = any_theta(&p, 0);
    policy_init(&p, rng, theta);
    assert_true(theta[p.n - 1] == 0 && theta[p.n - 2] == 0);
    assert_near(logp(&p, theta, seen, (double[]){ 0, 0 }), -log(2 * M_PI), 0.01);
    free(theta);
    gsl_rng_free(rng);
}

/* Both kinds, all activations, two states in one call: the long double loop */
static void log_probabilities(void **state)
{
    (void)state;
    for (int k = 0; k < 12; k++) {
        policy p = make(k % 2 ? 4 : 0, 2, k / 2 % 3, k < 6 ? AD_TANH : AD_RELU);
        double *theta = any_theta(&p, (uint32_t)k), a[4] = { 0.4, -1.1, 2, 3 };
        int index[2] = { 1, 3 };
        number *c = complex_of(&p, theta);
        ad_tape *t = ad_tape_new();
        ad at = ad_input(t, theta, p.n, 1), s = ad_input(t, seen, 2, 3);
        const double *value = ad_value(policy_logp(t, &p, at, s, p.nA ? NULL : a, p.nA ? index : NULL));
        for (int i = 0; i < 2; i++) {
            double done = index[i];
            assert_near(value[i], (double)creall(hand_logp(&p, c, seen + 3 * i, p.nA ? &done : a + 2 * i)), 1e-13);
        }
        ad_tape_free(t);
        free(c);
        free(theta);
    }
}

static void sums_to_one(void **state)
{
    (void)state;
    policy p = make(4, 0, 1, AD_TANH);
    double *theta = any_theta(&p, 20), sum = 0, H = 0;
    for (int a = 0; a < 4; a++) {
        double l = logp(&p, theta, seen, &(double){ a });
        sum += exp(l);
        H -= exp(l) * l;
    }
    assert_near(sum, 1, 1e-15);
    assert_near(entropy(&p, theta, seen), H, 1e-14);
    free(theta);
}

struct density { const policy *p; const double *theta; };
static double density(double a, void *context)
{
    const struct density *c = context;
    return exp(logp(c->p, c->theta, seen, &a));
}

static double minus_p_log_p(double a, void *context)
{
    const struct density *c = context;
    double l = logp(c->p, c->theta, seen, &a);
    return -exp(l) * l;
}

/* By GSL's quadrature, and against its density; of two numbers the density is the product. */
static void gaussian_density(void **state)
{
    (void)state;
    policy p = make(0, 1, 1, AD_TANH), p2 = make(0, 2, 0, AD_TANH);
    double *theta = any_theta(&p, 21), *theta2 = any_theta(&p2, 22), value, error, mean, means[2];
    struct density c = { &p, theta };
    gsl_integration_workspace *w = gsl_integration_workspace_alloc(1000);
    gsl_function f = { density, &c }, H = { minus_p_log_p, &c };
    gsl_integration_qagi(&f, 0, 1e-11, 1000, w, &value, &error);
    assert_near(value, 1, 1e-10);
    gsl_integration_qagi(&H, 0, 1e-11, 1000, w, &value, &error);
    assert_near(entropy(&p, theta, seen), value, 1e-9);
    actor *b = actor_new(&p, theta), *b2 = actor_new(&p2, theta2);
    actor_mode(b, seen, &mean);
    actor_mode(b2, seen, means);
    for (double a = -3; a <= 3; a += 0.5) {
        double sd = exp(theta[p.n - 1]), pdf = 1, both[2] = { a, 0.3 - a };
        assert_near(exp(logp(&p, theta, seen, &a)), gsl_ran_gaussian_pdf(a - mean, sd), 1e-14);
        for (int j = 0; j < 2; j++) pdf *= gsl_ran_gaussian_pdf(both[j] - means[j], exp(theta2[p2.n - 2 + j]));
        assert_near(exp(logp(&p2, theta2, seen, both)), pdf, 1e-14);
    }
    actor_free(b2);
    actor_free(b);
    gsl_integration_workspace_free(w);
    free(theta2);
    free(theta);
}

/* ---- acting: chi squared at a level of 1e-4. With n = 50000 draws a p that is off by 10% of its odds has a
 * noncentrality above 100: missed once in 10^9. ---- */

enum { DRAWS = 50000 };
static double p_value(const policy *p, const double *acting, const double *said)
{
    int count[4] = { 0 };
    double statistic = 0, a;
    actor *b = actor_new(p, acting);
    gsl_rng *rng = random_stream(2, 0, RANDOM_TEST);
    for (int i = 0; i < DRAWS; i++) {
        actor_draw(b, rng, seen, &a);
        assert_true(a == (int)a && a >= 0 && a < p->nA);
        count[(int)a]++;
    }
    for (int i = 0; i < p->nA; i++) {
        double expected = DRAWS * exp(logp(p, said, seen, &(double){ i }));
        statistic += pow(count[i] - expected, 2) / expected;
    }
    gsl_rng_free(rng);
    actor_free(b);
    return gsl_cdf_chisq_Q(statistic, p->nA - 1);
}

static void frequencies(void **state)
{
    (void)state;
    policy p = make(4, 0, 1, AD_TANH);
    double *theta = any_theta(&p, 23);
    double level = p_value(&p, theta, theta);
    if (!(level > 1e-4)) fail_msg("drawn with other probabilities than said: p = %g", level);
    double *off = any_theta(&p, 23);
    off[p.n - 1] += 0.1;                                        /* the last bias: its action's odds times 1.1 */
    level = p_value(&p, off, theta);
    if (!(level < 1e-4)) fail_msg("a policy that is off was not seen: p = %g", level);
    free(off);
    free(theta);
}

/* mean and variance of what is drawn: z of both; with log_sd off by .03 the variance is off by 6 %, 9 z */
static double worst_z(const policy *p, const double *acting, const double *said)
{
    double mean[2], sum[2] = { 0 }, squares[2] = { 0 }, a[2], worst = 0;
    actor *b = actor_new(p, acting), *b_said = actor_new(p, said);
    gsl_rng *rng = random_stream(3, 0, RANDOM_TEST);
    actor_mode(b_said, seen, mean);
    for (int i = 0; i < DRAWS; i++) {
        actor_draw(b, rng, seen, a);
        for (int j = 0; j < 2; j++) {
            double z = (a[j] - mean[j]) / exp(said[p->n - 2 + j]);
            sum[j] += z;
            squares[j] += z * z;
        }
    }
    for (int j = 0; j < 2; j++)
        worst = fmax(worst, fmax(fabs(sum[j]) / sqrt(DRAWS), fabs(squares[j] - DRAWS) / sqrt(2.0 * DRAWS)));
    gsl_rng_free(rng);
    actor_free(b_said);
    actor_free(b);
    return worst;
}

static void gaussian_draws(void **state)
{
    (void)state;
    policy p = make(0, 2, 1, AD_TANH);
    double *theta = any_theta(&p, 24), *off = any_theta(&p, 24);
    double z = worst_z(&p, theta, theta);
    if (!(z < 4.5)) fail_msg("|z| = %g", z);                    /* false alarm: 3e-5 */
    off[p.n - 1] += 0.03;
    z = worst_z(&p, off, theta);
    if (!(z > 4.5)) fail_msg("a policy that is off was not seen: |z| = %g", z);
    free(off);
    free(theta);
}

/* The most likely action; a change of theta shows at the next action, mode and draw alike. */
static void acts_with_theta(void **state)
{
    (void)state;
    policy p = make(4, 0, 0, AD_LINEAR), box = make(0, 2, 0, AD_LINEAR);
    double *theta = any_theta(&p, 25), *theta_box = any_theta(&box, 26), a[2], before[2];
    gsl_rng *rng = random_stream(4, 0, RANDOM_TEST);
    actor *b = actor_new(&p, theta), *b_box = actor_new(&box, theta_box);
    for (int best = 0; best < 4; best++) {
        for (int i = 0; i < 4; i++) theta[p.n - 4 + i] = i == best ? 800 : 0;
        actor_mode(b, seen, a);
        assert_true(a[0] == best);
        theta[p.n - 4 + best] = 0;
        theta[p.n - 4 + (best + 1) % 4] = 800;
        actor_draw(b, rng, seen, a);
        assert_true(a[0] == (best + 1) % 4);
    }
    for (int i = 0; i < 4; i++) theta[p.n - 4 + i] = 0;
    for (int s = 0; s < 2; s++) {                               /* of each observation its own */
        double most = -INFINITY;
        int best = 0;
        for (int i = 0; i < 4; i++) {
            double l = logp(&p, theta, seen + 3 * s, &(double){ i });
            if (l > most) most = l, best = i;
        }
        actor_mode(b, seen + 3 * s, a);
        assert_true(a[0] == best);
    }
    actor_mode(b_box, seen, before);
    theta_box[box.n - 4] += 5;                                  /* the first mean's bias */
    theta_box[box.n - 2] = theta_box[box.n - 1] = -40;          /* sd e^-40 */
    actor_draw(b_box, rng, seen, a);
    assert_near(a[0], before[0] + 5, 1e-13);
    assert_near(a[1], before[1], 1e-13);
    actor_free(b_box);
    actor_free(b);
    actor_free(NULL);
    gsl_rng_free(rng);
    free(theta_box);
    free(theta);
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(shapes), cmocka_unit_test(first_parameters), cmocka_unit_test(log_probabilities),
        cmocka_unit_test(sums_to_one), cmocka_unit_test(gaussian_density), cmocka_unit_test(frequencies),
        cmocka_unit_test(gaussian_draws), cmocka_unit_test(acts_with_theta) };
    if (argc > 1) cmocka_set_test_filter(argv[1]);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
