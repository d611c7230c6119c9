/* A2C: each function against a plain loop, and whole training runs, with every option, against the same updates
 * done by hand in long double.
 *     test_a2c [pattern]       runs the tests whose names match */
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

#include "algorithms/a2c.h"
#include "algorithms/gae.h"
#include "algorithms/checkpoint.h"
#include "algorithms/critic.h"
#include "algorithms/run_folder.h"
#include "autodiff/random.h"
#include "derivations/derivation.h"
#include "tests/child_process.h"
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

enum { MOST = 400 };                            /* numbers of theta and phi, and steps of a batch */

/* ---- the equations ---- */

enum { T = 12 };
static const double r[T] = { 1, -0.5, 2, 0, 3.25, -1, 0.75, 0.5, 0, 1.5, -2, 1 };
static const double V[T] = { 0.3, 1, -2, 0.5, 4, 0, 1, -1, 0.25, 2, 1, 0 };

/* lambda = 1: r_t + .. + gamma^{n-1} r_{t+n-1} + gamma^n V_end - V(s_t), n the steps that are left: 1 .. 12.
 * Else the sum of (gamma lambda)^l delta_{t+l}. */
static void advantages(void **state)
{
    (void)state;
    const double gammas[] = { 0, 0.7, 0.99, 1 }, lambdas[] = { 1, 0.95, 0.5, 0 }, V_end = 1.5;
    for (int k = 0; k < 16; k++) {
        double gamma = gammas[k / 4], lambda = lambdas[k % 4], A[T], R[T];
        a2c_advantages(T, r, V, V_end, gamma, lambda, A, R);
        for (int t = 0; t < T; t++) {
            long double G = powl(gamma, T - t) * V_end, sum = 0;
            for (int i = t; i < T; i++) {
                G += powl(gamma, i - t) * r[i];
                long double delta = r[i] + gamma * (i < T - 1 ? V[i + 1] : V_end) - V[i];
                sum += powl((long double)gamma * lambda, i - t) * delta;
            }
            if (lambda == 1) assert_near((double)sum, (double)(G - V[t]), 1e-14);
            assert_near(A[t], (double)sum, 1e-14);
            assert_near(R[t], (double)(sum + V[t]), 1e-14);
        }
    }
}

static void normalised(void **state)
{
    (void)state;
    double A[T], same[3] = { 2, 2, 2 }, two[2] = { 1, 3 };
    long double mean = 0, squares = 0;
    memcpy(A, r, sizeof A);
    advantages_normalise(T, A);
    for (int t = 0; t < T; t++) mean += (long double)r[t] / T;
    for (int t = 0; t < T; t++) squares += (r[t] - mean) * (r[t] - mean);
    for (int t = 0; t < T; t++)
        assert_near(A[t], (double)((r[t] - mean) / (sqrtl(squares / (T - 1)) + 1e-8)), 1e-14);
    advantages_normalise(3, same);
    advantages_normalise(2, two);
    assert_true(same[0] == 0 && same[1] == 0 && same[2] == 0);
    assert_near(two[1], 1 / (sqrt(2) + 1e-8), 1e-15);
}

/* No gradient passes through the advantage or the target; each part has the sign that is to be ascended. */
static void objectives(void **state)
{
    (void)state;
    const double at[2] = { 0.3, -0.8 }, target[2] = { 1, 2 };
    ad_tape *t = ad_tape_new();
    ad x = ad_input(t, at, 2, 1), y = ad_input(t, target, 2, 1);
    ad J_pi = a2c_policy_objective(x, ad_sub(ad_square(y), x)), J_V = a2c_V_objective(x, ad_add(y, ad_square(x)));
    ad J_H = a2c_entropy_bonus(ad_square(x));
    const double *g = ad_value(ad_grad(J_pi, x)), *to_A = ad_value(ad_grad(J_pi, y));
    const double *gV = ad_value(ad_grad(J_V, x)), *to_R = ad_value(ad_grad(J_V, y));
    const double *whole = ad_value(ad_grad(a2c_objective(J_pi, J_V, J_H, 0.25, 0.1, 8), x));
    for (int i = 0; i < 2; i++) {
        double A = target[i] * target[i] - at[i], R = target[i] + at[i] * at[i];
        assert_near(g[i], A, 1e-15);
        assert_near(gV[i], 2 * (R - at[i]), 1e-15);
        assert_true(to_A[i] == 0 && to_R[i] == 0);
        assert_near(whole[i], (A + 0.25 * 2 * (R - at[i]) + 0.1 * 2 * at[i]) / 8, 1e-15);
    }
    assert_near(ad_scalar(J_pi), 0.3 * 0.7 - 0.8 * 4.8, 1e-15);
    assert_near(ad_scalar(J_V), -(0.79 * 0.79 + 3.44 * 3.44), 1e-14);
    assert_near(ad_scalar(J_H), 0.73, 1e-15);
    ad_tape_free(t);
}

/* ---- by hand ---- */

static number hand_entropy(const policy *p, const number *theta, const double *s)
{
    number f[HAND_WIDEST], Z = 0, H = 0;
    if (!p->nA) {
        for (int j = 0; j < p->k; j++) H += theta[p->n - p->k + j] + (1 + logl(2 * acosl(-1))) / 2;
        return H;
    }
    hand_network(&p->f, theta, s, f);
    for (int a = 0; a < p->nA; a++) Z += cexpl(f[a]);
    for (int a = 0; a < p->nA; a++) H -= cexpl(f[a]) / Z * clogl(cexpl(f[a]) / Z);
    return H;
}

struct hand_J {
    const a2c_config *c; const policy *p; const network *f; const rollout *b;
    long double A[MOST], R[MOST];
};

static number hand_J(const void *context, const number *w)              /* w = (theta, phi) */
{
    const struct hand_J *h = context;
    number J = 0, v;
    for (int t = 0; t < h->b->T; t++) {
        const double *s = h->b->s + t * h->b->d;
        hand_network(h->f, w + h->p->n, s, &v);
        J += hand_logp(h->p, w, s, h->b->a + t * h->b->k) * h->A[t] + h->c->beta * hand_entropy(h->p, w, s)
             - h->c->c_V * (h->R[t] - v) * (h->R[t] - v);
    }
    return J / (h->c->mean == A2C_MEAN_OVER_STEPS ? h->b->T : h->c->workers);
}

static policy any_policy(int k, const a2c_config *c, double *w)
{
    env e = { .observation = { .dim = 3 }, .action = { .n = k % 2 ? 0 : 4, .dim = k % 2 ? 2 : 1 } };
    policy p = a2c_policy(&e, c);
    gsl_rng *rng = random_stream(2, (uint32_t)k, RANDOM_TEST);
    for (int i = 0; i < MOST; i++) w[i] = gsl_ran_gaussian(rng, 0.6);
    gsl_rng_free(rng);
    return p;
}

/* Segments of 4, 2 and 6 steps, of workers 0, 1 and 1: all alike for the same seed */
static rollout *any_rollout(const policy *p, uint32_t seed, int first, int end)
{
    gsl_rng *rng = random_stream(1, seed, RANDOM_TEST);
    rollout *b = rollout_shaped(p->d, p->k, p->nA > 0);
    double s[8], a[4];
    for (int t = 0; t < T; t++) {
        for (int i = 0; i < p->d; i++) s[i] = gsl_ran_gaussian(rng, 1);
        for (int i = 0; i < p->k; i++)
            a[i] = p->nA ? (double)gsl_rng_uniform_int(rng, (unsigned long)p->nA) : gsl_ran_gaussian(rng, 1);
        if (t >= first && t < end) rollout_add(b, s, a, r[t]);
        if (t >= first && t < end && (t == 3 || t == 5 || t == T - 1)) rollout_end(b, s, true, t == 5, false);
    }
    gsl_rng_free(rng);
    return b;
}

/* The gradient of J in both vectors, for policies of all kinds */
static void gradients(void **state)
{
    (void)state;
    for (int k = 0; k < 12; k++) {
        a2c_config c = { .workers = 2, .c_V = k % 3 ? 0.25 : 1, .beta = k % 4 ? 0.3 : 0, .mean = k % 4 / 2,
                         .hidden = { k / 2 % 3, { 5, 4 } }, .activation = k < 6 ? AD_TANH : AD_RELU };
        double w[MOST], g[MOST];
        long double at[MOST], want[MOST], size = 0;
        policy p = any_policy(k, &c, w);
        network f = critic_V(&p);
        int n = p.n + network_n(&f);
        rollout *b = any_rollout(&p, (uint32_t)k, 0, T);
        ad_tape *t = ad_tape_new();
        struct hand_J h = { &c, &p, &f, b, { 0 }, { 0 } };
        for (int i = 0; i < T; i++) h.A[i] = V[i], h.R[i] = r[i];
        for (int i = 0; i < n; i++) at[i] = w[i];
        a2c_gradient(t, &c, &p, &f, w, w + p.n, b, V, r, g);
        hand_gradient(n, at, hand_J, &h, want);
        for (int i = 0; i < n; i++) size = fmaxl(size, fabsl(want[i]));
        for (int i = 0; i < n; i++) assert_near(g[i], (double)want[i], 1e-13 * (double)size);
        ad_tape_free(t);
        rollout_free(b);
    }
}

/* A2C-1: J's gradient is the mean of the gradients of the workers, each a sum over its own steps; of N workers
 * that saw the same it is that of one, for N = 1, 2, 4. */
static void workers(void **state)
{
    (void)state;
    for (int k = 0; k < 4; k++) {
        a2c_config c = { .workers = 2, .c_V = 0.5, .beta = 0.1, .mean = A2C_MEAN_OVER_WORKERS,
                         .hidden = { 1, { 5 } }, .activation = AD_TANH };
        a2c_config own = c;
        own.workers = 1;
        double w[MOST], whole[MOST], first[MOST], second[MOST], alike[MOST], size = 0;
        policy p = any_policy(k, &c, w);
        network f = critic_V(&p);
        int n = p.n + network_n(&f);
        rollout *b = any_rollout(&p, 1, 0, T), *b0 = any_rollout(&p, 1, 0, 4), *b1 = any_rollout(&p, 1, 4, T);
        ad_tape *t = ad_tape_new();
        a2c_gradient(t, &c, &p, &f, w, w + p.n, b, V, r, whole);
        a2c_gradient(t, &own, &p, &f, w, w + p.n, b0, V, r, first);
        a2c_gradient(t, &own, &p, &f, w, w + p.n, b1, V + 4, r + 4, second);
        for (int i = 0; i < n; i++) size = fmax(size, fabs(whole[i]));
        for (int i = 0; i < n; i++) assert_near(whole[i], (first[i] + second[i]) / 2, 1e-14 * size);
        for (int N = 1; N <= 4; N *= 2)
            for (own.mean = 0; own.mean < 2; own.mean++) {
                rollout *copies = rollout_shaped(p.d, p.k, p.nA > 0);
                double A[4 * T], R[4 * T];
                for (int i = 0; i < N * T; i++) {
                    A[i] = V[i % T], R[i] = r[i % T];
                    rollout_add(copies, b->s + i % T * p.d, b->a + i % T * p.k, r[i % T]);
                    if (i % T == T - 1) rollout_end(copies, b->s, false, false, false);
                }
                own.workers = N;
                a2c_gradient(t, &own, &p, &f, w, w + p.n, copies, A, R, alike);
                double D = own.mean == A2C_MEAN_OVER_STEPS ? T : 1;
                for (int i = 0; i < n; i++) assert_near(alike[i], 2 * whole[i] / D, 4e-14 * size);
                rollout_free(copies);
            }
        ad_tape_free(t);
        rollout_free(b);
        rollout_free(b0);
        rollout_free(b1);
    }
}

/* A step along the gradient of beta H raises the entropy; nothing of it, nor of J_pi, reaches phi. */
static void entropy_rises(void **state)
{
    (void)state;
    const double zero[T] = { 0 };
    for (int k = 0; k < 2; k++) {
        a2c_config c = { .workers = 1, .beta = 0.5, .hidden = { 1, { 5 } }, .activation = AD_TANH };
        double w[MOST], g[MOST], H[2] = { 0 };
        policy p = any_policy(k, &c, w);
        network f = critic_V(&p);
        rollout *b = any_rollout(&p, 1, 0, T);
        ad_tape *t = ad_tape_new();
        a2c_gradient(t, &c, &p, &f, w, w + p.n, b, zero, r, g);
        for (int j = 0; j < 2; j++) {
            number at[MOST];
            for (int i = 0; i < p.n; i++) at[i] = w[i] + j * 0.01 * g[i];
            for (int i = 0; i < T; i++) H[j] += (double)creall(hand_entropy(&p, at, b->s + i * b->d));
        }
        assert_true(H[1] > H[0] + 1e-5);
        a2c_gradient(t, &c, &p, &f, w, w + p.n, b, V, r, g);                    /* c_V = 0 */
        for (int i = p.n; i < p.n + network_n(&f); i++) assert_true(g[i] == 0);
        ad_tape_free(t);
        rollout_free(b);
    }
}

/* ---- whole runs ---- */

struct hand { long double w[MOST], v[MOST], m[MOST], g[MOST]; int t; };

static long double hand_V(const struct hand *h, const policy *p, const network *f, const double *s)
{
    number c[MOST], v;
    for (int i = 0; i < network_n(f); i++) c[i] = h->w[p->n + i];
    hand_network(f, c, s, &v);
    return creall(v);
}

/* A and R of a batch, each by its sum to the end of its segment */
static void hand_advantages(const struct hand *h, struct hand_J *J)
{
    const rollout *b = J->b;
    for (int j = 0; j < b->segments; j++)
        for (int k = b->segment[j].first, end = k + b->segment[j].T; k < end; k++) {
            long double A = 0;
            for (int i = k; i < end; i++) {
                long double next = i < end - 1              ? hand_V(h, J->p, J->f, b->s + (i + 1) * b->d)
                                 : b->segment[j].terminated ? 0
                                                            : hand_V(h, J->p, J->f, b->s_end + j * b->d);
                A += powl((long double)J->c->gamma * J->c->lambda, i - k)
                     * (b->r[i] + J->c->gamma * next - hand_V(h, J->p, J->f, b->s + i * b->d));
            }
            J->A[k] = A;
            J->R[k] = A + hand_V(h, J->p, J->f, b->s + k * b->d);
        }
    long double mean = 0, squares = 0;
    if (!J->c->normalise) return;
    for (int k = 0; k < b->T; k++) mean += J->A[k] / b->T;
    for (int k = 0; k < b->T; k++) squares += (J->A[k] - mean) * (J->A[k] - mean);
    for (int k = 0; k < b->T; k++) J->A[k] = (J->A[k] - mean) / (sqrtl(squares / (b->T - 1)) + 1e-8);
}

static void hand_ascend(struct hand *h, const a2c_config *c, int n, int nV, long steps)
{
    long double norm = 0, left = 1, beta = c->optimiser == A2C_ADAM ? (long double)0.999 : c->alpha;
    for (int i = 0; i < n + nV; i++) norm += h->g[i] * h->g[i];
    norm = sqrtl(norm);
    if (c->anneal_steps > 0) left = steps < c->anneal_steps ? 1 - (long double)steps / c->anneal_steps : 0;
    h->t++;
    for (int i = 0; i < n + nV; i++) {
        long double g = c->clip > 0 && norm > c->clip ? h->g[i] * c->clip / norm : h->g[i];
        long double lr = left * (i < n ? c->lr : c->lr_V);
        h->v[i] = beta * h->v[i] + (1 - beta) * g * g;
        if (c->optimiser == A2C_ADAM) {
            h->m[i] = (long double)0.9 * h->m[i] + (1 - (long double)0.9) * g;
            h->w[i] += lr * h->m[i] / (1 - powl(0.9, h->t)) / (sqrtl(h->v[i] / (1 - powl(0.999, h->t))) + c->eps);
        } else
            h->w[i] += lr * g / (c->optimiser == A2C_RMSPROP ? sqrtl(h->v[i] + c->eps) : sqrtl(h->v[i]) + c->eps);
    }
}

static char *new_folder(char *path, const char *name)
{
    static int folders;
    sprintf(path, "/tmp/test_a2c.%d.%s.XXXXXX", folders++, name);
    assert_non_null(mkdtemp(path));          /* one that a killed test left has another name */
    return path;
}

static void remove_folder(const char *path)
{
    char command[300];
    sprintf(command, "rm -r %s", path);
    assert_int_equal(system(command), 0);
}

static void train_in(const char *folder, const char *id, int limit, const a2c_config *c, long steps, bool resumed)
{
    env *e = make(id, limit);
    run *trained = run_new("a2c", e, 5, steps);
    run_manner manner = { .save_every = 1e9, .quiet = true, .resumed = resumed };
    run_in_folder(trained, folder, "{}", "a2c", manner);
    a2c(trained, c);
    run_free(trained);
    env_free(e);
}

static void assert_kept(const char *folder, const char *name, int n, const long double *want)
{
    char path[320];
    size_t found;
    sprintf(path, "%s/checkpoint", folder);
    double *x = checkpoint_find(path, name, &found);
    assert_non_null(x);
    assert_int_equal(found, n);
    for (int i = 0; i < n; i++) {
        double bound = 1e-12 * fmax(1, fabs((double)want[i]));
        if (!(fabs(x[i] - (double)want[i]) <= bound))
            fail_msg("%s[%d] = %.17g, expected %.17g", name, i, x[i], (double)want[i]);
    }
    free(x);
}

static void same_run(const char *id, int limit, const a2c_config *c, long steps)
{
    char folder[256];
    env *e = make(id, limit);
    policy p = a2c_policy(e, c);
    network f = critic_V(&p);
    int n = p.n, nV = network_n(&f), N = (int)c->workers, updates = 0;
    assert_true(n + nV <= MOST && c->workers * c->n_steps <= MOST);
    static struct hand h;
    h = (struct hand){ .t = 0 };
    double w[MOST];
    run *streams = run_new("by hand", e, 5, 0);
    run_workers(streams, N);
    policy_init(&p, streams->init_rng, w);
    network_init_orthogonal(&f, sqrt(2), 1, streams->init_rng, w + n);
    for (int i = 0; i < n + nV; i++) h.w[i] = w[i];
    actor *pi = actor_new(&p, w);
    rollout *b = rollout_new(e);
    long done = 0;
    for (; done < steps; updates++) {
        rollout_clear(b);
        for (int i = 0; i < N; i++) {
            run_worker *x = &streams->worker[i];
            int most = b->T + (int)c->n_steps;
            do rollout_segment(b, most, x->env, x->env_rng, pi, x->policy_rng);
            while (c->until == A2C_UNTIL_STEPS && b->T < most);
        }
        static struct hand_J J;
        J = (struct hand_J){ c, &p, &f, b, { 0 }, { 0 } };
        hand_advantages(&h, &J);
        hand_gradient(n + nV, h.w, hand_J, &J, h.g);
        hand_ascend(&h, c, n, nV, done);
        for (int i = 0; i < n; i++) w[i] = (double)h.w[i];
        done += b->T;
    }
    assert_true(updates >= 4);
    new_folder(folder, "whole");
    train_in(folder, id, limit, c, steps, false);
    assert_kept(folder, "theta", n, h.w);
    assert_kept(folder, "phi", nV, h.w + n);
    assert_kept(folder, "v", n + nV, h.v);
    assert_kept(folder, "m", n + nV, h.m);
    remove_folder(folder);
    rollout_free(b);
    actor_free(pi);
    run_free(streams);
    env_free(e);
}

/* Every value of every option; each twice at least, beside others */
static a2c_config option(int k)
{
    const double lambda[] = { 0, 1, 0.8 }, clip[] = { 0.2, 0, 100, 0.2, 0.2 };
    return (a2c_config){ .workers = 1 + k % 4, .n_steps = k % 4 ? 1 + k % 5 : 7, .until = k / 2 % 2,
                         .gamma = k % 3 ? 0.9 : 1, .lambda = lambda[k % 3], .c_V = k % 5 / 4.0,
                         .beta = k % 2 ? 0.05 : 0, .mean = k / 3 % 2, .normalise = k % 4 >= 2,
                         .lr = 1e-2, .lr_V = k % 2 ? 2e-2 : 5e-3,
                         .anneal_steps = k % 5 == 3 ? 30 : k % 7 ? 0 : 1000, .clip = clip[k % 5],
                         .optimiser = k % 3, .alpha = k % 2 ? 0.9 : 0.99, .eps = k % 2 ? 1e-5 : 1e-3,
                         .hidden = { k % 3, { 4, 3 } }, .activation = k % 2 ? AD_TANH : AD_RELU };
}

static void options(void **state)
{
    (void)state;
    const char *id[] = { "E5x", "E5x", "CartPole-v1", "lqr" };
    const int limit[] = { 0, 0, 5, 4 };
    for (int k = 0; k < 24; k++) {
        a2c_config c = option(k);
        same_run(id[k % 4], limit[k % 4], &c, 60);
    }
    for (int k = 0; k < 3; k++) {                   /* workers whose episodes end at different times */
        a2c_config c = option(2 + k);
        c.workers = 3;
        c.n_steps = 3 + k;
        c.until = A2C_UNTIL_END;
        same_run("E5x", 0, &c, 60);
    }
}

/* Cut at steps within the episodes of several workers and gone on with: bit for bit what it is in one go */
static void resumed(void **state)
{
    (void)state;
    for (int k = 0; k < 12; k++) {
        a2c_config c = option(k);
        char whole[256], cut[256], command[1200];
        const char *id = k % 2 ? "CartPole-v1" : "FrozenLake-v1";
        new_folder(whole, "whole");
        new_folder(cut, "cut");
        train_in(whole, id, 20, &c, 900, false);
        train_in(cut, id, 20, &c, 100 + 37 * k, false);
        train_in(cut, id, 20, &c, 700, true);
        train_in(cut, id, 20, &c, 900, true);
        sprintf(command, "cmp %s/checkpoint %s/checkpoint && cmp %s/progress.csv %s/progress.csv", whole, cut,
                whole, cut);
        assert_int_equal(system(command), 0);
        remove_folder(whole);
        remove_folder(cut);
    }
}

/* What explain prints is the first update of a training run from that seed, and fits on a screen. */
static void explain_update(long workers, long n_steps)
{
    a2c_config c = a2c_defaults;
    c.hidden = (widths){ 0 };
    c.workers = workers;
    c.n_steps = n_steps;
    char *text = NULL;
    size_t size;
    FILE *out = open_memstream(&text, &size);
    a2c_explain(out, &c, 7);
    fclose(out);
    int lines = 0;
    for (const char *at = text; *at; at++) lines += *at == '\n';
    assert_true(lines >= 12 + workers * n_steps && lines <= 45);
    env *e = make("E5x", 5);
    run *first = run_new("a2c", e, 7, 1);
    a2c(first, &c);
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

static void explained(void **state)
{
    (void)state;
    explain_update(2, 4);
    explain_update(1, 3);
}

/* A batch of one step has no standard deviation: refused before anything is made of it */
static const struct { int workers, n_steps, until, status; } refused[] = {
    { 1, 1, A2C_UNTIL_STEPS, 2 }, { 1, 5, A2C_UNTIL_END, 2 }, { 1, 2, A2C_UNTIL_STEPS, 99 },
    { 2, 1, A2C_UNTIL_END, 99 } };

static void train_normalised(int k)
{
    a2c_config c = a2c_defaults;
    c.workers = refused[k].workers, c.n_steps = refused[k].n_steps, c.until = refused[k].until, c.normalise = 1;
    a2c(run_new("a2c", make("E5x", 0), 1, 10), &c);
}

static void refusals(void **state)
{
    (void)state;
    for (int k = 0; k < 4; k++) {
        struct ending end = run_child(train_normalised, k);
        assert_true(WIFEXITED(end.status));
        assert_int_equal(WEXITSTATUS(end.status), refused[k].status);
        if (refused[k].status == 2) assert_non_null(strstr(end.err, "normalise=off"));
    }
}

/* X8 and X80 of the errata, as an independent program has them */
static void known_numbers(void **state)
{
    (void)state;
    static const struct { const char *id; int line, i; double number, digit; } known[] = {
        { "A3C-14", 1, 50, 0.1216, 1e-4 }, { "A3C-14", 2, 50, 6.727, 1e-3 }, { "A3C-27", 1, 36, 0.239, 1e-3 },
        { "A3C-27", 2, 36, 0.042, 1e-3 } };
    for (int k = 0; k < 4; k++) {
        derivation_result result = derivation_run(derivation_find(known[k].id), &(setting){ .seed = 1 });
        assert_int_equal(result.verdict, PASS);
        double found = derivation_number(&result, known[k].line, known[k].i);
        assert_near(found, known[k].number, 0.51 * known[k].digit);
        derivation_result_free(&result);
    }
}

static void learns(void **state)
{
    (void)state;
    a2c_config c = a2c_defaults;
    c.gamma = 0.9;
    c.lr = c.lr_V = 1e-2;
    c.hidden = (widths){ 0 };
    env *e = make("chain:5", 0);
    run *trained = run_new("a2c", e, 1, 10000);
    a2c(trained, &c);
    assert_true(trained->return_mean == 1 && trained->episodes > 1000);
    run_free(trained);
    env_free(e);
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(advantages), cmocka_unit_test(normalised), cmocka_unit_test(objectives),
        cmocka_unit_test(gradients), cmocka_unit_test(workers), cmocka_unit_test(entropy_rises),
        cmocka_unit_test(options), cmocka_unit_test(resumed), cmocka_unit_test(explained),
        cmocka_unit_test(refusals), cmocka_unit_test(known_numbers), cmocka_unit_test(learns) };
    if (argc > 1) cmocka_set_test_filter(argv[1]);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
