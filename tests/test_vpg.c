/* Vanilla policy gradient: each function against a plain loop, and whole training runs, with every option, against
 * the same updates done by hand in long double.
 *     test_vpg [pattern]       runs the tests whose names match */
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

#include "algorithms/vpg.h"
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
static const double r[T] = { 1, -0.5, 2, 0, 3.25, -1, 0.75 }, V[T] = { 0.3, 1, -2, 0.5, 4, 0, 1 };

static void weights(void **state)
{
    (void)state;
    const double gammas[] = { 0, 0.3, 0.9, 1 };
    for (int k = 0; k < 4; k++) {
        double gamma = gammas[k], total[T], to_go[T], A[T];
        vpg_total_return(T, r, gamma, total);
        vpg_reward_to_go(T, r, gamma, to_go);
        vpg_advantage(T, r, V, gamma, A);
        for (int t = 0; t < T; t++) {
            assert_near(total[t], (double)hand_G(T, r, gamma, 0), 1e-14);
            assert_near(to_go[t], (double)hand_G(T, r, gamma, t), 1e-14);
            assert_near(A[t], (double)(hand_G(T, r, gamma, t) - V[t]), 1e-14);
        }
    }
}

/* Two segments of 4 and 3 steps */
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
        if (t == 3 || t == T - 1) rollout_end(b, s, true, true, false);
    }
    gsl_rng_free(rng);
    return b;
}

static policy any_policy(int k, double **theta)
{
    env e = { .observation = { .dim = 3 }, .action = { .n = k % 2 ? 0 : 4, .dim = k % 2 ? 2 : 1 } };
    vpg_config c = vpg_defaults;
    c.hidden = (widths){ k / 2 % 3, { 5, 4 } };
    c.activation = k < 6 ? AD_TANH : AD_RELU;
    policy p = vpg_policy(&e, &c);
    gsl_rng *rng = random_stream(2, (uint32_t)k, RANDOM_TEST);
    *theta = malloc((size_t)p.n * sizeof **theta);
    for (int i = 0; i < p.n; i++) (*theta)[i] = gsl_ran_gaussian(rng, 0.6);
    gsl_rng_free(rng);
    return p;
}

/* VPG-2, VPG-4, PPO-18: both means of the scores; they differ by the factor |D|/N exactly. */
static void gradients(void **state)
{
    (void)state;
    for (int k = 0; k < 12; k++) {
        double *theta, over_D[200], over_N[200];
        long double want[200], at[200], w[T], size = 0;
        policy p = any_policy(k, &theta);
        rollout *b = any_rollout(&p, (uint32_t)k);
        ad_tape *t = ad_tape_new();
        for (int i = 0; i < T; i++) w[i] = V[i];
        for (int i = 0; i < p.n; i++) at[i] = theta[i];
        vpg_gradient(t, &p, theta, b, V, VPG_MEAN_OVER_TRAJECTORIES, over_D);
        vpg_gradient(t, &p, theta, b, V, VPG_MEAN_OVER_STEPS, over_N);
        hand_gradient(p.n, at, hand_objective, &(struct hand_objective){ &p, b, w }, want);
        for (int i = 0; i < p.n; i++) size = fmaxl(size, fabsl(want[i]));
        for (int i = 0; i < p.n; i++) {
            assert_near(over_D[i], (double)want[i] / 2, 1e-13 * (double)size);
            assert_near(over_N[i], (double)want[i] / T, 1e-13 * (double)size);
            assert_near(over_N[i], over_D[i] * 2 / T, 1e-14 * (double)size);
        }
        ad_tape_free(t);
        rollout_free(b);
        free(theta);
    }
}

/* PGT-21: with weights 1 it is the gradient of minus the cross entropy, here of a softmax in features by hand. */
static void supervised(void **state)
{
    (void)state;
    double *theta, g[200], want[200] = { 0 }, one[T] = { 1, 1, 1, 1, 1, 1, 1 };
    policy p = any_policy(0, &theta);                           /* no hidden layer */
    rollout *b = any_rollout(&p, 3);
    ad_tape *t = ad_tape_new();
    for (int i = 0; i < T; i++) {
        double z[4], sum = 0;
        for (int a = 0; a < 4; a++) {
            z[a] = theta[3 * 4 + a];
            for (int j = 0; j < 3; j++) z[a] += b->s[3 * i + j] * theta[j * 4 + a];
            sum += exp(z[a]);
        }
        for (int a = 0; a < 4; a++) {
            double score = (a == b->index[i]) - exp(z[a]) / sum;
            for (int j = 0; j < 3; j++) want[j * 4 + a] += b->s[3 * i + j] * score / T;
            want[12 + a] += score / T;
        }
    }
    vpg_gradient(t, &p, theta, b, one, VPG_MEAN_OVER_STEPS, g);
    for (int i = 0; i < p.n; i++) assert_near(g[i], want[i], 1e-14);
    ad_tape_free(t);
    rollout_free(b);
    free(theta);
}

/* No gradient passes through the weights; V's objective is what it says. */
static void objectives(void **state)
{
    (void)state;
    const double at[2] = { 0.3, -0.8 }, target[2] = { 1, 2 };
    ad_tape *t = ad_tape_new();
    ad x = ad_input(t, at, 2, 1), w = ad_square(x), G = ad_input(t, target, 2, 1);
    const double *over_D = ad_value(ad_grad(vpg_mean_over_trajectories(x, w, 5), x));
    const double *over_N = ad_value(ad_grad(vpg_mean_over_steps(x, w), x));
    ad J = vpg_V_objective(x, G);
    const double *g = ad_value(ad_grad(J, x));
    for (int i = 0; i < 2; i++) {
        assert_near(over_D[i], at[i] * at[i] / 5, 1e-15);
        assert_near(over_N[i], at[i] * at[i] / 2, 1e-15);
        assert_near(g[i], target[i] - at[i], 1e-15);
    }
    assert_near(ad_scalar(J), -(0.49 + 7.84) / 2, 1e-14);
    ad_tape_free(t);
}

/* ---- whole runs ---- */

struct V_objective { const network *f; const rollout *b; const long double *G; };
static number V_objective(const void *context, const number *phi)
{
    const struct V_objective *c = context;
    number sum = 0, v;
    for (int t = 0; t < c->b->T; t++) {
        hand_network(c->f, phi, c->b->s + t * c->b->d, &v);
        sum -= (v - c->G[t]) * (v - c->G[t]);
    }
    return sum / c->b->T;
}

static long double V_at(const network *f, const long double *phi, int n, const double *s)
{
    number c[1000], v;
    for (int i = 0; i < n; i++) c[i] = phi[i];
    hand_network(f, c, s, &v);
    return creall(v);
}

struct hand { long double theta[1000], phi[1000], g[1000], w[1000], G[1000]; struct hand_adam step, step_V; };

static void update_by_hand(struct hand *h, const vpg_config *c, const policy *p, const network *f, const rollout *D)
{
    int nV = network_n(f);
    assert_true(D->T < 1000);
    for (int i = 0; i < D->segments; i++) {
        const segment *g = &D->segment[i];
        for (int t = 0; t < g->T; t++) {
            int k = g->first + t;
            long double G = h->G[k] = hand_G(g->T, D->r + g->first, c->gamma, t);
            long double weight = c->psi == VPG_TOTAL_RETURN ? hand_G(g->T, D->r + g->first, c->gamma, 0) : G;
            if (c->psi == VPG_ADVANTAGE) weight -= V_at(f, h->phi, nV, D->s + k * D->d);
            h->w[k] = weight / (c->mean == VPG_MEAN_OVER_STEPS ? D->T : D->segments);
        }
    }
    hand_gradient(p->n, h->theta, hand_objective, &(struct hand_objective){ p, D, h->w }, h->g);
    hand_adam_ascend(&h->step, p->n, c->lr, h->theta, h->g);
    for (long k = 0; k < c->V_steps; k++) {
        hand_gradient(nV, h->phi, V_objective, &(struct V_objective){ f, D, h->G }, h->g);
        hand_adam_ascend(&h->step_V, nV, c->lr_V, h->phi, h->g);
    }
}

static void same_run(const char *id, int limit, const vpg_config *c, long steps)
{
    env *e = make(id, limit);
    policy p = vpg_policy(e, c);
    network f = p.f;
    f.size[f.layers] = 1;
    struct hand *h = calloc(1, sizeof *h);
    double *theta = calloc((size_t)p.n, sizeof *theta), *phi = calloc((size_t)network_n(&f), sizeof *phi);
    run *streams = run_new("by hand", e, 5, 0);
    policy_init(&p, streams->init_rng, theta);
    network_init_orthogonal(&f, sqrt(2), 1, streams->init_rng, phi);
    for (int i = 0; i < p.n; i++) h->theta[i] = theta[i];
    for (int i = 0; i < network_n(&f); i++) h->phi[i] = phi[i];
    actor *pi = actor_new(&p, theta);
    rollout *D = rollout_new(e);
    int updates = 0;
    for (long done = 0; done < steps; done += D->T, updates++) {
        rollout_clear(D);
        while (D->segments < c->trajectories) rollout_episode(D, e, streams->env_rng, pi, streams->policy_rng);
        update_by_hand(h, c, &p, &f, D);
        for (int i = 0; i < p.n; i++) theta[i] = (double)h->theta[i];
    }
    assert_true(updates >= 4);
    run *trained = run_new("vpg", e, 5, steps);
    vpg(trained, c);
    assert_int_equal(trained->episodes, updates * c->trajectories);
    for (int i = 0; i < p.n; i++) assert_near(trained->theta[i], theta[i], 1e-12 * fmax(1, fabs(theta[i])));
    run_free(trained);
    rollout_free(D);
    actor_free(pi);
    run_free(streams);
    free(phi);
    free(theta);
    free(h);
    env_free(e);
}

/* Each psi with each mean; V with few steps and with none */
static void options(void **state)
{
    (void)state;
    for (int k = 0; k < 6; k++) {
        vpg_config c = { .gamma = k % 2 ? 1 : 0.9, .lr = 1e-2, .lr_V = 2e-2, .trajectories = 3, .psi = k % 3,
                         .mean = k / 3, .V_steps = k == 5 ? 0 : 4, .hidden = { 1, { 4 } }, .activation = AD_TANH };
        same_run("E5x", 0, &c, 60);
    }
}

static void one_trajectory(void **state)
{
    (void)state;
    vpg_config c = { .gamma = 0.95, .lr = 1e-2, .lr_V = 1e-2, .trajectories = 1, .psi = VPG_ADVANTAGE,
                     .mean = VPG_MEAN_OVER_STEPS, .V_steps = 2, .hidden = { 1, { 5 } }, .activation = AD_RELU };
    same_run("CartPole-v1", 30, &c, 120);
}

static void boxes(void **state)
{
    (void)state;
    vpg_config c = { .gamma = 0.9, .lr = 1e-2, .lr_V = 1e-2, .trajectories = 4, .psi = VPG_ADVANTAGE, .V_steps = 3,
                     .hidden = { 1, { 4 } }, .activation = AD_TANH };
    same_run("lqr", 5, &c, 80);
}

/* What explain prints is the first update of a training run from that seed, and fits on a screen. */
static void explained(void **state)
{
    (void)state;
    vpg_config c = vpg_defaults;
    c.hidden = (widths){ 0 };
    c.trajectories = 2;
    char *text = NULL;
    size_t size;
    FILE *out = open_memstream(&text, &size);
    vpg_explain(out, &c, 7);
    fclose(out);
    int lines = 0;
    for (const char *at = text; *at; at++) lines += *at == '\n';
    assert_true(lines >= 20 && lines <= 40);
    env *e = make("E5x", 5);
    run *first = run_new("vpg", e, 7, 1);
    vpg(first, &c);
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

static void learns(void **state)
{
    (void)state;
    vpg_config c = { .gamma = 0.9, .lr = 0.05, .lr_V = 0.05, .trajectories = 5, .psi = VPG_ADVANTAGE, .V_steps = 5,
                     .activation = AD_TANH };
    env *e = make("chain:5", 0);
    run *trained = run_new("vpg", e, 1, 10000);
    vpg(trained, &c);
    assert_true(trained->return_mean == 1 && trained->episodes > 1000);
    run_free(trained);
    env_free(e);
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(weights), cmocka_unit_test(gradients), cmocka_unit_test(supervised),
        cmocka_unit_test(objectives), cmocka_unit_test(options), cmocka_unit_test(one_trajectory),
        cmocka_unit_test(boxes), cmocka_unit_test(explained), cmocka_unit_test(learns) };
    if (argc > 1) cmocka_set_test_filter(argv[1]);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
