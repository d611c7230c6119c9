/* Asynchronous Q-learning, SARSA and n-step Q-learning: each function against a plain loop, whole training runs, with
 * every option, against the same updates done by hand in long double, and what tables converge to.
 *     test_async_q [pattern]       runs the tests whose names match */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>
#include <gsl/gsl_randist.h>

#include "algorithms/async_q.h"
#include "algorithms/async_sarsa.h"
#include "algorithms/epsilon.h"
#include "algorithms/nstep_q.h"
#include "algorithms/run_folder.h"
#include "algorithms/schedule.h"
#include "algorithms/target.h"
#include "autodiff/distribution.h"
#include "autodiff/random.h"
#include "derivations/asynchronous_q.h"
#include "derivations/exact.h"
#include "envs/env_mdp.h"
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

enum { T = 6, nA = 3 };
static const double r[T] = { 1, -0.5, 2, 0, 3.25, -1 }, Q1[nA] = { -2, 0.5, -0.25 };

static void targets(void **state)
{
    (void)state;
    double R[T];
    assert_near(async_q_y(1.5, false, nA, Q1, 0.9), 1.5 + 0.9 * 0.5, 1e-15);
    assert_near(async_q_y(1.5, true, nA, Q1, 0.9), 1.5, 0);
    assert_near(async_q_y(1.5, false, 1, Q1, 0.9), 1.5 - 1.8, 1e-15);
    for (int a = 0; a < nA; a++) assert_near(async_sarsa_y(1.5, false, a, Q1, 0.9), 1.5 + 0.9 * Q1[a], 1e-15);
    assert_near(async_sarsa_y(1.5, true, 2, Q1, 0.9), 1.5, 0);
    for (int n = 1; n <= T; n++)                            /* minimalRL#8: gamma^n, not gamma */
        for (int terminal = 0; terminal < 2; terminal++) {
            nstep_q_R(n, r, terminal, nA, Q1, 0.9, R);
            for (int i = 0; i < n; i++) {
                long double want = terminal ? 0 : powl(0.9L, n - i) * 0.5L;
                for (int k = i; k < n; k++) want += powl(0.9L, k - i) * r[k];
                assert_near(R[i], (double)want, 1e-14);
            }
        }
}

/* sum_i -(y_i - Q(s_i,a_i))^2; network and batch of a policy by values */
struct squares { const network *f; const rollout *b; const long double *y; };
static number squares(const void *context, const number *theta)
{
    const struct squares *c = context;
    number sum = 0, Q[HAND_WIDEST];
    for (int i = 0; i < c->b->T; i++) {
        hand_network(c->f, theta, c->b->s + i * c->b->d, Q);
        sum -= (c->y[i] - Q[c->b->index[i]]) * (c->y[i] - Q[c->b->index[i]]);
    }
    return sum;
}

static void gradients(void **state)
{
    (void)state;
    const network fs[] = { { 1, { 4, nA }, AD_LINEAR }, { 2, { 4, 5, nA }, AD_TANH },
                           { 3, { 4, 5, 3, nA }, AD_RELU } };
    gsl_rng *rng = random_stream(1, 0, RANDOM_TEST);
    for (int k = 0; k < 3; k++) {
        const network *f = &fs[k];
        int n = network_n(f);
        double theta[100], g[3][100], s[4];
        long double at[100], y[T], want[100];
        rollout *b = rollout_shaped(4, 1, true);
        ad_tape *t = ad_tape_new();
        for (int i = 0; i < n; i++) at[i] = theta[i] = gsl_ran_gaussian(rng, 0.7);
        for (int i = 0; i < T; i++) {
            for (int j = 0; j < 4; j++) s[j] = gsl_ran_gaussian(rng, 1);
            rollout_add(b, s, &(double){ (double)gsl_rng_uniform_int(rng, nA) }, r[i]);
            y[i] = r[i];
        }
        rollout_end(b, s, true, false, false);
        async_q_gradient(t, f, theta, b, r, g[0]);
        async_sarsa_gradient(t, f, theta, b, r, g[1]);
        nstep_q_gradient(t, f, theta, b, r, g[2]);
        hand_gradient(n, at, squares, &(struct squares){ f, b, y }, want);
        for (int i = 0; i < n; i++)
            for (int j = 0; j < 3; j++) assert_near(g[j][i], (double)want[i], 1e-12);
        ad_tape_free(t);
        rollout_free(b);
    }
    gsl_rng_free(rng);
}

/* No gradient passes through a target, even where it is made of theta. */
static void detached(void **state)
{
    (void)state;
    const double at[2] = { 0.3, -0.8 };
    ad (*const J[])(ad, ad) = { async_q_J, async_sarsa_J, nstep_q_J };
    for (int k = 0; k < 3; k++) {
        ad_tape *t = ad_tape_new();
        ad x = ad_input(t, at, 2, 1), j = J[k](x, ad_square(x));
        const double *g = ad_value(ad_grad(j, x));
        double want = 0;
        for (int i = 0; i < 2; i++) {
            assert_near(g[i], 2 * (at[i] * at[i] - at[i]), 1e-15);
            want -= pow(at[i] * at[i] - at[i], 2);
        }
        assert_near(ad_scalar(j), want, 1e-15);
        ad_tape_free(t);
    }
}

/* Copies at T = I, 2 I, ..; a segment that steps over one counts as one that ends there. */
static void copies(void **state)
{
    (void)state;
    for (long every = 1; every <= 7; every++)
        for (long before = 0; before < 30; before++)
            for (long now = before + 1; now < before + 9; now++) {
                bool want = false;
                for (long at = before + 1; at <= now; at++) want |= at % every == 0;
                assert_int_equal(target_due(before, now, every), want);
            }
}

static void polyak(void **state)
{
    (void)state;
    const double theta[2] = { 1, -3 }, rho = 0.995;
    double targ[2] = { 2, 5 }, kappa_targ[2] = { 2, 5 }, copy[2] = { 2, 5 };
    for (int k = 1; k <= 400; k++) {
        target_polyak(2, rho, theta, targ);
        for (int i = 0; i < 2; i++)                             /* the other convention: kappa = 1 - rho */
            kappa_targ[i] = (1 - rho) * theta[i] + (1 - (1 - rho)) * kappa_targ[i];
        for (int i = 0; i < 2; i++) {
            assert_near(targ[i], theta[i] + pow(rho, k) * ((i ? 5 : 2) - theta[i]), 1e-12);
            assert_near(targ[i], kappa_targ[i], 1e-12);
        }
    }
    target_polyak(2, 0, theta, copy);
    assert_true(copy[0] == theta[0] && copy[1] == theta[1]);
    assert_near(target_half_life(rho), 138.28, 0.005);
    assert_near(target_half_life(0.005), 0.13, 0.001);          /* ERR-70: the same number read as kappa */
    assert_near(pow(rho, target_half_life(rho)), 0.5, 1e-14);
}

/* ---- epsilons ---- */

static void epsilons(void **state)
{
    (void)state;
    enum { N = 100000 };
    int count[3] = { 0 };
    for (int i = 0; i < N; i++) {
        double last = epsilon_last((i + 0.5) / N);
        count[last == 0.1 ? 0 : last == 0.01 ? 1 : 2]++;
        assert_true(last == 0.1 || last == 0.01 || last == 0.5);
    }
    assert_int_equal(count[0], 40000);
    assert_int_equal(count[1], 30000);
    assert_near(epsilon_annealed(0.1, 0, 100), 1, 0);
    assert_near(epsilon_annealed(0.1, 50, 100), 0.55, 1e-15);
    assert_near(epsilon_annealed(0.1, 100, 100), 0.1, 1e-16);
    assert_near(epsilon_annealed(0.1, 1e9, 100), 0.1, 0);
    assert_near(epsilon_annealed(0.1, 0, 0), 0.1, 0);
}

/* Drawn as often as said: N draws, 5 standard errors (two-sided 6e-7 for each of 12);
 * 4 epsilons, the policy sums to 1 */
static void greedily(void **state)
{
    (void)state;
    enum { N = 200000 };
    const double Q[nA] = { 0.3, 0.7, 0.7 }, epsilon[] = { 0, 0.05, 0.5, 1 };    /* the first of equals */
    gsl_rng *rng = random_stream(1, 2, RANDOM_TEST);
    assert_int_equal(greedy_action(nA, Q), 1);
    for (int k = 0; k < 4; k++) {
        double pi[nA], sum = 0;
        int count[nA] = { 0 };
        epsilon_greedy(nA, Q, epsilon[k], pi);
        for (int i = 0; i < N; i++) count[epsilon_greedy_sample(rng, nA, Q, epsilon[k])]++;
        for (int a = 0; a < nA; a++) {
            assert_near(pi[a], epsilon[k] / nA + (a == 1 ? 1 - epsilon[k] : 0), 1e-16);
            assert_near((double)count[a] / N, pi[a], 5 * sqrt(pi[a] * (1 - pi[a]) / N));
            sum += pi[a];
        }
        assert_near(sum, 1, 1e-15);
    }
    gsl_rng_free(rng);
}

/* ---- whole runs, by hand ---- */

enum method { ONE_STEP, SARSA, N_STEP };
static void (*const train_of[])(run *, const void *) = { async_q, async_sarsa, nstep_q };

/* The three configs have the same fields. */
static run *trained(enum method m, const env *e, const async_q_config *c, uint64_t seed, long steps)
{
    run *t = run_new("by the code that trains", env_again(e), seed, steps);
    train_of[m](t, c);
    return t;
}

static void trained_free(run *t)
{
    env *e = t->env;
    run_free(t);
    env_free(e);
}

static long double Q_by_hand(const network *f, const long double *theta, const double *s, int a)
{
    number at[1000], Q[HAND_WIDEST];
    for (int i = 0; i < network_n(f); i++) at[i] = theta[i];
    hand_network(f, at, s, Q);
    return creall(Q[a]);
}

static int greedy_by_hand(const network *f, const long double *theta, const double *s)
{
    int best = 0;
    for (int a = 1; a < f->size[f->layers]; a++)
        if (Q_by_hand(f, theta, s, a) > Q_by_hand(f, theta, s, best)) best = a;
    return best;
}

struct hand {
    enum method m;
    const async_q_config *c;
    network f;
    int n;
    long double theta[1000], theta_targ[1000], v[1000];         /* shared */
    long double own[8][1000], own_targ[8][1000];                /* a worker's copies */
    run *streams;
    double epsilon[8];
    long t[8], T, ends, limits;
    int a1[8];
};

static int choose(struct hand *h, int w, double epsilon)
{
    run_worker *own = &h->streams->worker[w];
    double u = gsl_rng_uniform(own->policy_rng);
    int all = h->f.size[h->f.layers];
    return u < epsilon ? (int)(u / epsilon * all) : greedy_by_hand(&h->f, h->own[w], own->env->obs);
}

static void copy_by_hand(struct hand *h, int w)
{
    memcpy(h->own[w], h->theta, sizeof h->theta);
    memcpy(h->own_targ[w], h->theta_targ, sizeof h->theta_targ);
}

/* A turn of worker w: at most I steps, with y as the page has it, and the update */
static void turn_by_hand(struct hand *h, int w)
{
    enum { MOST = 20 };
    const async_q_config *c = h->c;
    run_worker *own = &h->streams->worker[w];
    env *e = own->env;
    rollout *b = rollout_new(e);
    long double y[MOST] = { 0 }, g[1000];
    double epsilon = 1 + (h->epsilon[w] - 1) * fmin(1, c->anneal_steps ? (double)(h->t[w] * c->workers)
                                                                         / (double)c->anneal_steps : 1);
    bool terminated = false, truncated = false;
    if (e->over) env_reset(e, own->env_rng);
    bool starts = e->t == 0;
    int a = h->m == SARSA && !starts ? h->a1[w] : choose(h, w, epsilon);
    while (b->T < c->update_every) {
        double s[8], reward;
        memcpy(s, e->obs, (size_t)b->d * sizeof *s);
        env_step(e, &(double){ a }, &reward, &terminated, &truncated);
        rollout_add(b, s, &(double){ a }, reward);
        if (h->m == SARSA ? !terminated : !e->over && b->T < c->update_every) a = choose(h, w, epsilon);
        int i = b->T - 1, best = greedy_by_hand(&h->f, h->own_targ[w], e->obs);
        long double V = terminated ? 0 : Q_by_hand(&h->f, h->own_targ[w], e->obs, h->m == SARSA ? a : best);
        y[i] = reward + c->gamma * V;
        if (h->m == N_STEP)
            for (int k = 0; k <= i; k++) {                      /* the last step's bootstrap is the one that stays */
                y[k] = powl(c->gamma, i + 1 - k) * V;
                for (int j = k; j <= i; j++) y[k] += powl(c->gamma, j - k) * b->r[j];
            }
        if (e->over) break;
    }
    h->a1[w] = a;
    h->ends += terminated;
    h->limits += truncated && !terminated;
    rollout_end(b, e->obs, starts, terminated, truncated);
    hand_gradient(h->n, h->own[w], squares, &(struct squares){ &h->f, b, y }, g);
    long before = h->T;
    h->T += b->T;
    h->t[w] += b->T;
    long double lr = c->lr_half ? c->lr / (1 + (long double)h->T / c->lr_half) : c->lr;
    for (int i = 0; i < h->n; i++) {
        h->v[i] = c->alpha * h->v[i] + (1 - (long double)c->alpha) * g[i] * g[i];
        h->theta[i] += c->optimiser == ASYNC_Q_SGD ? lr * g[i] : lr * g[i] / sqrtl(h->v[i] + c->eps);
    }
    bool copy = false;
    for (long at = before + 1; at <= h->T; at++) copy |= at % c->target_every == 0;
    for (int i = 0; i < h->n && copy; i++)
        h->theta_targ[i] = c->rho * h->theta_targ[i] + (1 - (long double)c->rho) * h->theta[i];
    rollout_free(b);
}

/* Workers in turn; `stale`: each copies right behind its own last update, and updates what the others made since */
static void same_run(enum method m, const char *id, int limit, const async_q_config *c, long steps, bool all_ends)
{
    env *e = make(id, limit);
    struct hand *h = calloc(1, sizeof *h);
    policy p = async_q_policy(e, c);
    double theta[1000];
    *h = (struct hand){ .m = m, .c = c, .f = p.f, .n = p.n, .streams = run_new("by hand", e, 7, 0) };
    run_workers(h->streams, (int)c->workers);
    network_init_orthogonal(&p.f, sqrt(2), 1, h->streams->init_rng, theta);
    for (int i = 0; i < p.n; i++) h->theta[i] = h->theta_targ[i] = theta[i];
    for (int w = 0; w < c->workers; w++) {
        double u = gsl_rng_uniform(h->streams->init_rng);
        h->epsilon[w] = c->epsilons == EPSILON_SAME ? c->epsilon : u < 0.4 ? 0.1 : u < 0.7 ? 0.01 : 0.5;
    }
    for (int w = 0; w < c->workers; w++) copy_by_hand(h, w);
    for (int w = 0; h->T < steps; w = (w + 1) % (int)c->workers) {
        if (c->schedule == SCHEDULE_SERIAL) copy_by_hand(h, w);
        turn_by_hand(h, w);
        copy_by_hand(h, w);
    }
    assert_true(h->T > 0 && (!all_ends || (h->ends > 2 && h->limits > 2)));
    run *got = trained(m, e, c, 7, 1);                          /* one row */
    assert_int_equal(got->steps, h->T);
    for (int i = 0; i < p.n; i++)
        assert_near(got->theta[i], (double)h->theta[i], 1e-12 * fmax(1, fabs((double)h->theta[i])));
    trained_free(got);
    run_free(h->streams);
    free(h);
    env_free(e);
}

static async_q_config by_default(void)
{
    async_q_config c = async_q_defaults;
    c.schedule = SCHEDULE_SERIAL;
    c.hidden = (widths){ 1, { 4 } };
    c.target_every = 37;
    c.anneal_steps = 200;
    return c;
}

/* Terminated and truncated episodes, every option; 500 steps: one row */
static void options(void **state)
{
    (void)state;
    for (int m = ONE_STEP; m <= N_STEP; m++)
        for (int k = 0; k < 6; k++) {
            async_q_config c = by_default();
            c.schedule = k > 3 ? SCHEDULE_STALE : SCHEDULE_SERIAL;
            c.workers = k % 3 + 1;
            c.update_every = (const int[]){ 1, 3, 5, 5, 2, 10 }[k];
            c.optimiser = k % 2 ? ASYNC_Q_SGD : ASYNC_Q_RMSPROP;
            c.lr = k % 2 ? 2e-3 : 1e-2;
            c.alpha = k == 4 ? 0.9 : 0.99;
            c.eps = k == 4 ? 1e-3 : 0.1;
            c.lr_half = k == 2 || k == 5 ? 150 : 0;
            c.rho = k == 3 || k == 4 ? 0.8 : 0;
            c.target_every = k == 1 ? 1 : k == 3 ? 2 : 37;
            c.epsilons = k % 3 ? EPSILON_DRAWN : EPSILON_SAME;
            c.epsilon = 0.3;
            c.anneal_steps = k == 4 ? 0 : 300;
            c.gamma = k == 2 ? 1 : 0.9;
            same_run(m, "E5x", 7, &c, 500, true);
        }
}

static void carts(void **state)
{
    (void)state;
    for (int m = ONE_STEP; m <= N_STEP; m++) {
        async_q_config c = by_default();
        c.activation = AD_RELU;
        same_run(m, "CartPole-v1", 15, &c, 500, true);
    }
}

/* The same run again, bit for bit, in every order that one thread decides. */
static void once_more(void **state)
{
    (void)state;
    env *e = make("CartPole-v1", 0);
    for (int m = ONE_STEP; m <= N_STEP; m++)
        for (int kind = SCHEDULE_SERIAL; kind <= SCHEDULE_RANDOM; kind++) {
            async_q_config c = by_default();
            c.schedule = kind;
            c.workers = 3;
            run *once = trained(m, e, &c, 3, 900), *again = trained(m, e, &c, 3, 900),
                *other = trained(m, e, &c, 4, 900);
            size_t n = (size_t)async_q_policy(e, &c).n * sizeof(double);
            assert_memory_equal(once->theta, again->theta, n);
            assert_memory_not_equal(once->theta, other->theta, n);
            trained_free(once);
            trained_free(again);
            trained_free(other);
        }
    env_free(e);
}

static char *new_folder(char *path, const char *name)
{
    static int folders;
    sprintf(path, "/tmp/test_async_q.%d.%s.XXXXXX", folders++, name);
    assert_non_null(mkdtemp(path));          /* one that a killed test left has another name */
    return path;
}

static void remove_folder(const char *path)
{
    char command[300];
    sprintf(command, "rm -r %s", path);
    assert_int_equal(system(command), 0);
}

static void train_in(const char *folder, int m, const async_q_config *c, long steps, bool again)
{
    void (*const train[])(run *, const void *) = { async_q, async_sarsa, nstep_q };
    env *e = make("CartPole-v1", 20);
    run *of = run_new("asynchronous", e, 5, steps);
    run_in_folder(of, folder, "{}", "asynchronous",
                  (run_manner){ .save_every = 1e9, .quiet = true, .resumed = again });
    train[m](of, c);
    run_free(of);
    env_free(e);
}

/* Cut while epsilon falls and gone on with: bit for bit what it is in one go */
static void resumed(void **state)
{
    (void)state;
    for (int m = ONE_STEP; m <= N_STEP; m++)
        for (int kind = SCHEDULE_SERIAL; kind <= SCHEDULE_RANDOM; kind++) {
            async_q_config c = by_default();
            c.schedule = kind;
            c.workers = 3;
            c.anneal_steps = 3000;
            char whole[256], cut[256], command[1200];
            new_folder(whole, "whole");
            new_folder(cut, "cut");
            train_in(whole, m, &c, 1900, false);
            train_in(cut, m, &c, 400, false);
            train_in(cut, m, &c, 1100, true);
            train_in(cut, m, &c, 1900, true);
            sprintf(command, "cmp %s/checkpoint %s/checkpoint && cmp %s/progress.csv %s/progress.csv", whole, cut,
                    whole, cut);
            assert_int_equal(system(command), 0);
            remove_folder(whole);
            remove_folder(cut);
        }
}

/* Steps are counted exactly, with threads too, locked or not. */
static void threads(void **state)
{
    (void)state;
    env *e = make("CartPole-v1", 20);
    for (int m = ONE_STEP; m <= N_STEP; m++)
        for (int locks = 0; locks < 2; locks++) {
            async_q_config c = by_default();
            c.schedule = SCHEDULE_THREADS;
            c.locks = locks;
            c.workers = 3;
            run *t = trained(m, e, &c, 3, 4000);
            assert_true(t->steps >= 4000 && t->steps < 4500 + 3 * c.update_every && t->episodes >= 200);
            assert_true(!t->schedule == !locks);                        /* an order is there where there is one */
            for (int i = 0; i < async_q_policy(e, &c).n; i++) assert_true(isfinite(t->theta[i]));
            trained_free(t);
        }
    env_free(e);
}

/* ---- tables ---- */

/* A linear network on one-hot observations: Q(s,a) = theta[s,a] + b[a] */
static double off(const exact *x, const double *theta, const double *Q)
{
    double worst = 0;
    for (int i = 0; i < x->nSA; i++)
        if (!x->absorbing[i / x->nA])
            worst = fmax(worst, fabs(theta[i] + theta[x->nSA + i % x->nA] - Q[i]));
    return worst;
}

static async_q_config tabular(double gamma)
{
    return (async_q_config){ .gamma = gamma, .lr = 0.1, .lr_half = 600, .optimiser = ASYNC_Q_SGD, .update_every = 1,
                             .target_every = 1, .epsilons = EPSILON_SAME, .epsilon = 1, .workers = 2,
                             .schedule = SCHEDULE_SERIAL, .locks = 1 };
}

static exact *uniform_on(const mdp *M, double gamma)
{
    char error[256];
    double *zero = calloc((size_t)(M->nS * M->nA), sizeof *zero);
    exact *x = exact_new(M, gamma, zero, error, sizeof error);
    if (!x) fail_msg("%s", error);
    free(zero);
    return x;
}

/* S-20, S-21, S-22: with decreasing steps one-step Q-learning finds Q^*, SARSA Q of the uniform behaviour, and n-step
 * Q-learning neither: see below */
static void tables(void **state)
{
    (void)state;
    const char *const id[] = { "E5", "E5x" };
    for (int k = 0; k < 2; k++) {
        env *e = make(id[k], k ? 0 : 50);
        mdp *M = mdp_builtin(id[k]);
        async_q_config c = tabular(0.5);
        exact *x = uniform_on(M, c.gamma);
        double Q[18], apart = 0;
        optimal_Q(x, Q);
        for (int i = 0; i < x->nSA; i++) apart = fmax(apart, fabs(Q[i] - x->Q[i]));
        assert_true(apart > 0.2);
        run *q = trained(ONE_STEP, e, &c, 1, 1500000), *sarsa = trained(SARSA, e, &c, 1, 1500000);
        double q_off = off(x, q->theta, Q), sarsa_off = off(x, sarsa->theta, x->Q);
        print_message("%s: |Q - Q^*| %.4f, SARSA |Q - Q^pi| %.4f\n", id[k], q_off, sarsa_off);
        assert_true(q_off < 1e-2);
        assert_true(sarsa_off < 1e-2);
        trained_free(q);
        trained_free(sarsa);
        exact_free(x);
        mdp_free(M);
        env_free(e);
    }
}

/* ERR-25's numbers; and a table that learns with t_max = 1 finds Q^*, with 2 a mean of one- and two-step targets */
static void n_steps(void **state)
{
    (void)state;
    mdp *M = mdp_builtin("E5");
    exact *x = uniform_on(M, 0.9);
    double Q[15], Q_n[15], uniform[15], most = 0;
    optimal_Q(x, Q);
    for (int i = 0; i < 15; i++) {
        uniform[i] = 1.0 / 3;
        most = fmax(most, fabs(Q[i]));
    }
    assert_near(most, 7.754, 5e-4);
    const int n[] = { 1, 2, 5 };
    const double want[] = { 0, 3.644, 5.422 };
    for (int k = 0; k < 3; k++) {
        double worst = 0;
        nstep_q_fixed_point(x, n[k], uniform, Q_n);
        for (int i = 0; i < 15; i++) worst = fmax(worst, fabs(Q_n[i] - Q[i]));
        assert_near(worst, want[k], k ? 5e-4 : 1e-12);
    }
    exact_free(x);
    mdp_free(M);
}

/* Segments of two steps: half of the updates look one step ahead, half two. The fixed point of their mean, iterated:
 * Q = (T_1 Q + T_2 Q)/2 with the stationary uniform behaviour, in plain loops. */
static void two_step_table(void **state)
{
    (void)state;
    mdp *M = mdp_builtin("E5");
    env *e = make("E5", 0);
    async_q_config c = tabular(0.5);
    c.update_every = 2;
    exact *x = uniform_on(M, c.gamma);
    double Q[15] = { 0 }, Q_opt[15];
    for (int k = 0; k < 200; k++) {
        double V[5], W[5] = { 0 }, next[15] = { 0 };
        for (int s = 0; s < 5; s++) V[s] = fmax(Q[3 * s], fmax(Q[3 * s + 1], Q[3 * s + 2]));
        for (int i = 0; i < 15; i++)
            for (int j = M->row[i]; j < M->row[i + 1]; j++)
                W[i / 3] += M->P[j] * (M->R[j] + c.gamma * V[M->next[j]]) / 3;
        for (int i = 0; i < 15; i++)
            for (int j = M->row[i]; j < M->row[i + 1]; j++)
                next[i] += M->P[j] * (M->R[j] + c.gamma * (V[M->next[j]] + W[M->next[j]]) / 2);
        memcpy(Q, next, sizeof Q);
    }
    optimal_Q(x, Q_opt);
    run *t = trained(N_STEP, e, &c, 1, 1500000);
    double n_off = off(x, t->theta, Q), opt_off = off(x, t->theta, Q_opt);
    print_message("t_max = 2: |Q - fixed point| %.4f, |Q - Q^*| %.4f\n", n_off, opt_off);
    assert_true(n_off < 1e-2);
    assert_true(opt_off > 0.2);
    trained_free(t);
    exact_free(x);
    mdp_free(M);
    env_free(e);
}

/* A deterministic table needs no decreasing steps: chain:5 to 1e-6; a limit that truncates does no harm. */
static void chain(void **state)
{
    (void)state;
    mdp *M = mdp_builtin("chain:5");
    exact *x = uniform_on(M, 0.9);
    double Q[12];
    optimal_Q(x, Q);
    for (int limit = 0; limit < 8; limit += 7) {
        env *e = make("chain:5", limit);
        async_q_config c = tabular(0.9);
        c.lr_half = 0;
        c.lr = 0.1;
        c.target_every = 10;
        run *t = trained(ONE_STEP, e, &c, 1, 300000);
        assert_near(off(x, t->theta, Q), 0, 1e-6);
        trained_free(t);
        env_free(e);
    }
    exact_free(x);
    mdp_free(M);
}

/* ---- explain: the first update of a training run from that seed, on a screen ---- */

static void explained(void **state)
{
    (void)state;
    void (*const explain[])(FILE *, const void *, uint64_t) = { async_q_explain, async_sarsa_explain,
                                                                nstep_q_explain };
    for (int k = 0; k < 6; k++) {
        int m = k % 3;
        async_q_config c = by_default();
        c.hidden = (widths){ 0 };
        c.workers = 1;
        c.epsilons = EPSILON_SAME;
        c.lr_half = k < 3 ? 0 : 3;
        c.target_every = k < 3 ? 500 : 1;
        char *text = NULL;
        size_t size;
        FILE *out = open_memstream(&text, &size);
        explain[m](out, &c, 9);
        fclose(out);
        int lines = 0;
        for (const char *at = text; *at; at++) lines += *at == '\n';
        assert_true(lines >= 16 && lines <= 40);
        assert_non_null(strstr(text, k < 3 ? "theta^- <- theta when" : "theta^- <- theta now"));
        env *e = make("E5x", 5);
        struct hand *h = calloc(1, sizeof *h);
        policy p = async_q_policy(e, &c);
        double theta[100];
        *h = (struct hand){ .m = m, .c = &c, .f = p.f, .n = p.n, .streams = run_new("by hand", e, 9, 0) };
        network_init_orthogonal(&p.f, sqrt(2), 1, h->streams->init_rng, theta);
        for (int i = 0; i < p.n; i++) h->theta[i] = h->theta_targ[i] = theta[i];
        h->epsilon[0] = c.epsilon;
        copy_by_hand(h, 0);
        turn_by_hand(h, 0);
        const char *row = strstr(text, "theta after");
        assert_non_null(row);
        for (int s = 0; s < 7; s++) {
            double x[9];
            row = strchr(row, '\n') + 1;
            assert_int_equal(sscanf(row + 5, "%lf %lf %lf %lf %lf %lf %lf %lf %lf", &x[0], &x[1], &x[2], &x[3], &x[4],
                                    &x[5], &x[6], &x[7], &x[8]), 9);
            for (int a = 0; a < 3; a++) assert_near(x[6 + a], (double)h->theta[3 * s + a], 0.51e-4);
        }
        run_free(h->streams);
        free(h);
        env_free(e);
        free(text);
    }
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(targets), cmocka_unit_test(gradients), cmocka_unit_test(detached), cmocka_unit_test(copies),
        cmocka_unit_test(polyak), cmocka_unit_test(epsilons), cmocka_unit_test(greedily), cmocka_unit_test(options),
        cmocka_unit_test(carts), cmocka_unit_test(once_more), cmocka_unit_test(resumed), cmocka_unit_test(threads),
        cmocka_unit_test(tables),
        cmocka_unit_test(n_steps), cmocka_unit_test(two_step_table), cmocka_unit_test(chain),
        cmocka_unit_test(explained) };
    if (argc > 1) cmocka_set_test_filter(argv[1]);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
