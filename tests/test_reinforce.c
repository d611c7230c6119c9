/* REINFORCE: each function against a plain loop, and whole training runs, with every option, against the same updates
 * done by hand in long double.
 *     test_reinforce [pattern]       runs the tests whose names match */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <gsl/gsl_randist.h>

#include "algorithms/reinforce.h"
#include "autodiff/random.h"
#include "tests/policy_by_hand.h"

static void near(double x, double want, double bound, int line)
{
    if (!(fabs(x - want) <= bound)) fail_msg("line %d: %.17g, expected %.17g within %.2g", line, x, want, bound);
}
#define assert_near(x, want, bound) near(x, want, bound, __LINE__)

static env *make(const char *id, int limit)
{
    char error[512] = "";
    env *e = env_make(id, limit, error, sizeof error);
    if (!e) fail_msg("%s", error);
    return e;
}

/* ---- the equations ---- */

enum { T = 7 };
static const double r[T] = { 1, -0.5, 2, 0, 3.25, -1, 0.75 };

static void weights(void **state)
{
    (void)state;
    const double gammas[] = { 0, 0.3, 0.9, 1 };
    for (int k = 0; k < 4; k++) {
        double gamma = gammas[k], w[T], w_t[T], mean = 0;
        reinforce_w(T, r, gamma, 0.7, w);
        reinforce_w_gamma_t(T, r, gamma, 0.7, w_t);
        for (int t = 0; t < T; t++) {
            long double G = hand_G(T, r, gamma, t);
            assert_near(w[t], (double)(G - 0.7L), 1e-14);
            assert_near(w_t[t], (double)(powl(gamma, t) * (G - 0.7L)), 1e-14);
            mean += (double)G / T;
        }
        assert_near(reinforce_next_b(0.7, 0.05, T, r, gamma), 0.7 + 0.05 * (mean - 0.7), 1e-14);
        assert_true(reinforce_next_b(0.7, 0, T, r, gamma) == 0.7);
    }
}

static rollout *any_rollout(const policy *p, uint32_t worker)
{
    gsl_rng *rng = random_stream(1, worker, RANDOM_TEST);
    rollout *b = rollout_shaped(p->d, p->k, p->nA > 0);
    double s[8], a[4];
    for (int t = 0; t < T; t++) {
        for (int i = 0; i < p->d; i++) s[i] = gsl_ran_gaussian(rng, 1);
        for (int i = 0; i < p->k; i++)
            a[i] = p->nA ? (double)gsl_rng_uniform_int(rng, (unsigned long)p->nA) : gsl_ran_gaussian(rng, 1);
        rollout_add(b, s, a, r[t]);
    }
    rollout_end(b, s, true, true, false);
    gsl_rng_free(rng);
    return b;
}

static policy any_policy(int k, double **theta)         /* discrete and boxes; no hidden layer, tanh, relu */
{
    env e = { .observation = { .dim = 3 }, .action = { .n = k % 2 ? 0 : 4, .dim = k % 2 ? 2 : 1 } };
    reinforce_config c = reinforce_defaults;
    c.hidden = (widths){ k / 2 % 3, { 5, 4 } };
    c.activation = k < 6 ? AD_TANH : AD_RELU;
    policy p = reinforce_policy(&e, &c);
    gsl_rng *rng = random_stream(2, (uint32_t)k, RANDOM_TEST);
    *theta = malloc((size_t)p.n * sizeof **theta);
    for (int i = 0; i < p.n; i++) (*theta)[i] = gsl_ran_gaussian(rng, 0.6);
    gsl_rng_free(rng);
    return p;
}

/* Bound: T scores, each below some |theta| sizes times 10; all come out below 1e-13 of the largest entry. */
static void gradients(void **state)
{
    (void)state;
    for (int k = 0; k < 12; k++) {
        double *theta, w[T], g[200];
        long double want[200], at[200], w_long[T], size = 0;
        policy p = any_policy(k, &theta);
        rollout *b = any_rollout(&p, (uint32_t)k);
        ad_tape *t = ad_tape_new();
        reinforce_w(T, b->r, 0.9, 0.2, w);
        for (int i = 0; i < T; i++) w_long[i] = w[i];
        for (int i = 0; i < p.n; i++) at[i] = theta[i];
        reinforce_gradient(t, &p, theta, b, w, g);
        hand_gradient(p.n, at, hand_objective, &(struct hand_objective){ &p, b, w_long }, want);
        for (int i = 0; i < p.n; i++) size = fmaxl(size, fabsl(want[i]));
        for (int i = 0; i < p.n; i++) assert_near(g[i], (double)want[i], 1e-13 * (double)size);
        reinforce_gradient(t, &p, theta, b, w, g);                      /* again on the same tape */
        for (int i = 0; i < p.n; i++) assert_near(g[i], (double)want[i], 1e-13 * (double)size);
        ad_tape_free(t);
        rollout_free(b);
        free(theta);
    }
}

/* RF-8: the listing's sweeps, one a step and added up, against one for the summed loss: <= 1e-14, relative */
static void accumulated(void **state)
{
    (void)state;
    for (int k = 0; k < 12; k++) {
        double *theta, w[T], g[200], sum[200] = { 0 }, one[200], size = 0;
        policy p = any_policy(k, &theta);
        rollout *b = any_rollout(&p, (uint32_t)k);
        ad_tape *t = ad_tape_new();
        reinforce_w(T, b->r, 0.98, 0, w);
        reinforce_gradient(t, &p, theta, b, w, g);
        double R = 0;
        for (int i = T - 1; i >= 0; i--) {
            rollout *step = rollout_shaped(p.d, p.k, p.nA > 0);
            rollout_add(step, b->s + i * p.d, b->a + i * p.k, b->r[i]);
            R = b->r[i] + 0.98 * R;
            reinforce_gradient(t, &p, theta, step, &R, one);
            for (int j = 0; j < p.n; j++) sum[j] += one[j];
            rollout_free(step);
        }
        for (int j = 0; j < p.n; j++) size = fmax(size, fabs(g[j]));
        for (int j = 0; j < p.n; j++) assert_near(sum[j], g[j], 1e-14 * size);
        ad_tape_free(t);
        rollout_free(b);
        free(theta);
    }
}

/* The weights are numbers: where they depend on theta no gradient comes back through them. */
static void weights_are_constant(void **state)
{
    (void)state;
    const double at[2] = { 0.3, -0.8 };
    ad_tape *t = ad_tape_new();
    ad x = ad_input(t, at, 2, 1), logp = ad_scale(2, x), w = ad_square(x);
    const double *g = ad_value(ad_grad(reinforce_objective(logp, w), x));
    for (int i = 0; i < 2; i++) assert_near(g[i], 2 * at[i] * at[i], 1e-15);
    ad_tape_free(t);
}

/* ---- whole runs ---- */

/* The same run by hand: episodes are drawn by the actor (test_policy), all else is in long double. */
static int by_hand(env *e, const reinforce_config *c, uint64_t seed, long steps, double *theta, double *baseline)
{
    static struct hand_adam o;
    run *streams = run_new("by hand", e, seed, 0);
    policy p = reinforce_policy(e, c);
    long double exactly[1000], g[1000], w[1000], b = 0;
    int updates = 0;
    memset(&o, 0, sizeof o);
    if (c->init == REINFORCE_FAN_IN) network_init_fan_in(&p.f, streams->init_rng, theta);
    else                             policy_init(&p, streams->init_rng, theta);
    for (int i = 0; i < p.n; i++) exactly[i] = theta[i];
    actor *pi = actor_new(&p, theta);
    rollout *tau = rollout_new(e);
    for (long done = 0; done < steps; done += tau->T, updates++) {
        long double mean = 0;
        rollout_clear(tau);
        rollout_episode(tau, e, streams->env_rng, pi, streams->policy_rng);
        assert_true(tau->T < 1000);
        for (int t = 0; t < tau->T; t++) {
            long double G = hand_G(tau->T, tau->r, c->gamma, t);
            w[t] = (c->gamma_t ? powl(c->gamma, t) : 1) * (G - b);
            mean += G / tau->T;
        }
        hand_gradient(p.n, exactly, hand_objective, &(struct hand_objective){ &p, tau, w }, g);
        if (c->optimiser == REINFORCE_ADAM) hand_adam_ascend(&o, p.n, c->lr, exactly, g);
        else for (int i = 0; i < p.n; i++)  exactly[i] += c->lr * g[i];
        for (int i = 0; i < p.n; i++) theta[i] = (double)exactly[i];
        b += c->b_rate * (mean - b);
    }
    *baseline = (double)b;
    rollout_free(tau);
    actor_free(pi);
    run_free(streams);
    return updates;
}

/* Some ten updates; Adam divides by the square root of v, which brings what rounding leaves of a gradient that is
 * nearly 0 to the size of lr: 1e-12 holds where no gradient is. */
static void same_run(const char *id, int limit, const reinforce_config *c, long steps)
{
    double theta[1000], b;
    env *e = make(id, limit);
    policy p = reinforce_policy(e, c);
    int updates = by_hand(e, c, 5, steps, theta, &b);
    assert_true(updates >= 5);
    run *r1 = run_new("reinforce", e, 5, steps);
    reinforce(r1, c);
    assert_int_equal(r1->episodes, updates);
    assert_true(r1->steps >= steps);
    for (int i = 0; i < p.n; i++) assert_near(r1->theta[i], theta[i], 1e-12 * fmax(1, fabs(theta[i])));
    run_free(r1);
    env_free(e);
}

static void plain_steps(void **state)
{
    (void)state;
    reinforce_config c = { .gamma = 0.9, .lr = 0.1, .optimiser = REINFORCE_SGD, .activation = AD_TANH };
    same_run("E5x", 0, &c, 50);
    c.gamma_t = 1;
    same_run("E5x", 0, &c, 50);
    c.b_rate = 0.3;
    same_run("E5x", 0, &c, 50);
    c.gamma_t = 0;
    c.hidden = (widths){ 1, { 3 } };
    same_run("E5x", 4, &c, 30);                                 /* cut at 4 steps: the sum of rewards ends */
}

static void adam_steps(void **state)
{
    (void)state;
    reinforce_config c = { .gamma = 0.98, .lr = 1e-2, .optimiser = REINFORCE_ADAM, .hidden = { 1, { 6 } },
                           .activation = AD_TANH, .b_rate = 0.05 };
    same_run("CartPole-v1", ENV_OWN_LIMIT, &c, 200);
    c.activation = AD_RELU;
    c.init = REINFORCE_FAN_IN;
    c.gamma_t = 1;
    same_run("CartPole-v1", ENV_OWN_LIMIT, &c, 200);
}

static void boxes(void **state)
{
    (void)state;
    reinforce_config c = { .gamma = 0.9, .lr = 1e-3, .optimiser = REINFORCE_SGD, .hidden = { 0 } };
    same_run("lqr", 5, &c, 40);
    c.optimiser = REINFORCE_ADAM;
    same_run("lqr", 5, &c, 40);
}

/* What explain prints is the first update of a training run from that seed, and fits on a screen. */
static void explained(void **state)
{
    (void)state;
    reinforce_config c = reinforce_defaults;
    c.hidden = (widths){ 0 };
    char *text = NULL;
    size_t size;
    FILE *out = open_memstream(&text, &size);
    reinforce_explain(out, &c, 7);
    fclose(out);
    int lines = 0;
    for (const char *at = text; *at; at++) lines += *at == '\n';
    assert_true(lines >= 20 && lines <= 40);
    env *e = make("E5x", 5);
    run *first = run_new("reinforce", e, 7, 1);
    reinforce(first, &c);
    const char *row = strstr(text, "theta after");
    assert_non_null(row);
    for (int i = 0; i < 7; i++) {                               /* s, then g, before, after: 3 numbers each */
        double x[9];
        row = strchr(row, '\n') + 1;
        assert_int_equal(sscanf(row + 5, "%lf %lf %lf %lf %lf %lf %lf %lf %lf", &x[0], &x[1], &x[2], &x[3], &x[4],
                                &x[5], &x[6], &x[7], &x[8]), 9);
        for (int a = 0; a < 3; a++) assert_near(x[6 + a], first->theta[3 * i + a], 0.51e-4);
    }
    run_free(first);
    env_free(e);
    free(text);
}

/* ---- learning ---- */

/* The baseline changes the path, not the goal: chain:5 is learnt with it and without it. */
static void learns(void **state)
{
    (void)state;
    for (int k = 0; k < 2; k++) {
        reinforce_config c = { .gamma = 0.9, .lr = 0.1, .optimiser = REINFORCE_SGD, .b_rate = k ? 0.05 : 0 };
        env *e = make("chain:5", 0);
        run *r1 = run_new("reinforce", e, 1, 5000);
        reinforce(r1, &c);
        assert_true(r1->return_mean == 1 && r1->episodes > 500);        /* 5 steps each at the best */
        run_free(r1);
        env_free(e);
    }
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(weights), cmocka_unit_test(gradients), cmocka_unit_test(accumulated),
        cmocka_unit_test(weights_are_constant), cmocka_unit_test(plain_steps), cmocka_unit_test(adam_steps),
        cmocka_unit_test(boxes), cmocka_unit_test(explained), cmocka_unit_test(learns) };
    if (argc > 1) cmocka_set_test_filter(argv[1]);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
