/* PPO in plain loops of long double, for the tests of ppo_clip and ppo_penalty: batches of all kinds, and
 * whole training runs done by hand. What they ascend is the test's own (hand_J.J). They share nothing with
 * the code but the layout of theta and phi, the streams of random numbers, and the actor. */
#ifndef ASCENT_TESTS_PPO_BY_HAND_H
#define ASCENT_TESTS_PPO_BY_HAND_H

#include <math.h>
#include <stdio.h>
#include <unistd.h>

#include <gsl/gsl_randist.h>

#include "algorithms/checkpoint.h"
#include "algorithms/critic.h"
#include "algorithms/ppo_learner.h"
#include "algorithms/run_folder.h"
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

enum { MOST = 400 };                            /* numbers of theta and phi, and steps of a batch */

/* ---- entropy and KL in one state ---- */

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

/* KL(old||new) */
static number hand_kl(const policy *p, const number *old, const number *new, const double *s)
{
    number f[HAND_WIDEST], g[HAND_WIDEST], Zf = 0, Zg = 0, kl = 0;
    hand_network(&p->f, old, s, f);
    hand_network(&p->f, new, s, g);
    for (int a = 0; a < p->nA; a++) Zf += cexpl(f[a]), Zg += cexpl(g[a]);
    for (int a = 0; a < p->nA; a++) kl += cexpl(f[a]) / Zf * (f[a] - clogl(Zf) - g[a] + clogl(Zg));
    for (int j = 0; j < p->k && !p->nA; j++) {
        number u = old[p->n - p->k + j], v = new[p->n - p->k + j], d = f[j] - g[j];
        kl += v - u + (cexpl(2 * u) + d * d) / (2 * cexpl(2 * v)) - 0.5L;
    }
    return kl;
}

/* ---- what is ascended ---- */

/* A minibatch: M samples, those that `which` names, of a batch */
struct hand_J {
    hand_function J;                                                    /* of this, at (theta, phi) */
    const policy *p; const network *f; const rollout *b;
    const int *which; int M;
    int kind;                                                           /* the surrogate, or the KL's direction */
    double c1, c2, eps, eps_V;
    long double beta, logp_old[MOST], V_old[MOST], A[MOST], R[MOST];    /* of the batch; */
    long double normed[MOST];                                           /* A of the minibatch */
    number old[MOST];                                                   /* theta_old */
};

static void hand_normalise(int n, long double *A)
{
    long double mean = 0, squares = 0;
    for (int i = 0; i < n; i++) mean += A[i] / n;
    for (int i = 0; i < n; i++) squares += (A[i] - mean) * (A[i] - mean);
    for (int i = 0; i < n; i++) A[i] = (A[i] - mean) / (sqrtl(squares / (n - 1)) + 1e-8);
}

/* ---- policies and batches of all kinds ---- */

enum { T = 12 };

static rollout *any_rollout(const policy *p, uint32_t seed)
{
    gsl_rng *rng = random_stream(1, seed, RANDOM_TEST);
    rollout *b = rollout_shaped(p->d, p->k, p->nA > 0);
    double s[8], a[4];
    for (int t = 0; t < T; t++) {
        for (int i = 0; i < p->d; i++) s[i] = gsl_ran_gaussian(rng, 1);
        for (int i = 0; i < p->k; i++)
            a[i] = p->nA ? (double)gsl_rng_uniform_int(rng, (unsigned long)p->nA) : gsl_ran_gaussian(rng, 1);
        rollout_add(b, s, a, 1);
    }
    rollout_end(b, s, true, false, false);
    gsl_rng_free(rng);
    return b;
}

static const int all_of_them[MOST] = { 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11 };

/* pi_old, and pi some way off, so that ratios lie on both sides of a range */
struct any {
    policy p; network f; rollout *b; samples *D; ad_tape *t;
    double old[MOST], w[MOST];
    struct hand_J h;
};

static void any_new(struct any *x, hand_function J, int k, double off)
{
    env e = { .observation = { .dim = 3 }, .action = { .n = k % 2 ? 0 : 4, .dim = k % 2 ? 2 : 1 } };
    *x = (struct any){ .p = policy_of(&e, k / 2 % 3, (int[]){ 5, 4 }, k < 6 ? AD_TANH : AD_RELU) };
    gsl_rng *first = random_stream(2, (uint32_t)k, RANDOM_TEST), *rng = random_stream(3, (uint32_t)k, RANDOM_TEST);
    for (int i = 0; i < MOST; i++) x->old[i] = gsl_ran_gaussian(first, 0.6);
    x->f = critic_V(&x->p);
    x->b = any_rollout(&x->p, (uint32_t)k);
    x->t = ad_tape_new();
    x->D = samples_new(&x->p, T);
    samples_old(x->D, x->t, &x->p, x->old, x->b);
    x->h = (struct hand_J){ J, &x->p, &x->f, x->b, all_of_them, T, .c1 = k % 3 ? 0.25 : 1, .c2 = k % 4 ? 0.3 : 0 };
    for (int i = 0; i < MOST; i++) {
        x->h.old[i] = x->old[i];
        x->w[i] = x->old[i] + gsl_ran_gaussian(rng, off);
    }
    for (int i = 0; i < T; i++) {
        x->D->A[i] = gsl_ran_gaussian(rng, 1), x->D->R[i] = gsl_ran_gaussian(rng, 1);
        x->D->V_old[i] = gsl_ran_gaussian(rng, 1);
        x->h.A[i] = x->h.normed[i] = x->D->A[i], x->h.R[i] = x->D->R[i], x->h.V_old[i] = x->D->V_old[i];
        x->h.logp_old[i] = creall(hand_logp(&x->p, x->h.old, x->b->s + i * x->p.d, x->b->a + i * x->p.k));
        assert_near(x->D->logp_old[i], (double)x->h.logp_old[i], 1e-13);
    }
    gsl_rng_free(first);
    gsl_rng_free(rng);
}

static void any_free(struct any *x)
{
    samples_free(x->D);
    rollout_free(x->b);
    ad_tape_free(x->t);
}

/* g [n + nV] is the gradient of J at x->w */
static void assert_gradient(const struct any *x, const double *g)
{
    int n = x->p.n + network_n(&x->f);
    long double at[MOST], want[MOST], size = 0;
    for (int i = 0; i < n; i++) at[i] = x->w[i];
    hand_gradient(n, at, x->h.J, &x->h, want);
    for (int i = 0; i < n; i++) size = fmaxl(size, fabsl(want[i]));
    for (int i = 0; i < n; i++) assert_near(g[i], (double)want[i], 1e-13 * (double)size);
}

/* KL exact, k1, k2, k3, entropy and L of pi at x->w, each a mean over the samples */
static void assert_measured(struct any *x, const double measured[6])
{
    number new[MOST];
    long double want[6] = { 0 };
    for (int i = 0; i < MOST; i++) new[i] = x->w[i];
    for (int i = 0; i < T; i++) {
        const double *s = x->b->s + i * x->p.d;
        long double l = creall(hand_logp(&x->p, new, s, x->b->a + i * x->p.k)) - x->h.logp_old[i];
        want[0] += creall(hand_kl(&x->p, x->h.old, new, s)) / T;
        want[1] -= l / T, want[2] += l * l / 2 / T, want[3] += (expl(l) - 1 - l) / T;
        want[4] += creall(hand_entropy(&x->p, new, s)) / T;
    }
    x->h.c1 = x->h.c2 = 0;
    want[5] = creall(x->h.J(&x->h, new));
    for (int i = 0; i < 6; i++) assert_near(measured[i], (double)want[i], 1e-13 * fmax(1, fabs((double)want[i])));
    assert_true(measured[0] > 1e-4);
}

/* ---- runs in folders ---- */

typedef void hand_trained(run *, const void *config);

static char *new_folder(char *path, const char *name)
{
    static int folders;
    sprintf(path, "/tmp/test_ppo.%d.%s.XXXXXX", folders++, name);
    assert_non_null(mkdtemp(path));          /* one that a killed test left has another name */
    return path;
}

static void remove_folder(const char *path)
{
    char command[300];
    sprintf(command, "rm -r %s", path);
    assert_int_equal(system(command), 0);
}

static void run_in(const char *folder, hand_trained *train, const void *config, const char *id, int limit,
                   long steps, bool resumed)
{
    env *e = make(id, limit);
    run *trained = run_new("ppo", e, 5, steps);
    run_manner manner = { .save_every = 1e9, .quiet = true, .resumed = resumed };
    run_in_folder(trained, folder, "{}", "ppo", manner);
    train(trained, config);
    run_free(trained);
    env_free(e);
}

/* A column of progress.csv: how many rows */
static int column(const char *folder, const char *name, double *x)
{
    char path[320], line[4096], row[4096];
    int rows = 0;
    sprintf(path, "%s/progress.csv", folder);
    FILE *f = fopen(path, "r");
    assert_non_null(f);
    assert_non_null(fgets(line, sizeof line, f));
    const char *found = strstr(line, name);
    assert_non_null(found);
    for (; fgets(row, sizeof row, f); rows++) {
        const char *at = row;
        for (const char *c = line; c < found; c++)
            if (*c == ',') at = strchr(at, ',') + 1;
        assert_true(rows < MOST);
        x[rows] = strtod(at, NULL);
    }
    fclose(f);
    return rows;
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

/* ---- whole runs by hand ---- */

/* What both have among their settings, and tests vary */
struct hand_settings {
    long workers, n_steps, epochs, minibatch, anneal_steps;
    int normalise, joint;
    double gamma, lambda, target_kl, lr, lr_V, adam_eps, clip_norm;
};
#define HAND_SETTINGS(c, target_kl) { \
    (c)->workers, (c)->n_steps, (c)->epochs, (c)->minibatch, (c)->anneal_steps, (c)->normalise, (c)->joint, \
    (c)->gamma, (c)->lambda, target_kl, (c)->lr, (c)->lr_V, (c)->adam_eps, (c)->clip_norm }

/* Every value of every option that both have; each twice at least, beside others */
static struct hand_settings hand_option(int k)
{
    const double lambda[] = { 0, 1, 0.8 }, clip_norm[] = { 0.2, 0, 100, 0.2, 0.2 };
    const int minibatch[] = { 3, 5, 12, 4 };
    return (struct hand_settings){ .workers = 1 + k % 3, .n_steps = 12 / (1 + k % 3), .epochs = 1 + k % 4,
                                   .minibatch = minibatch[k % 4], .anneal_steps = k % 5 == 3 ? 20 : k % 7 ? 0 : 60,
                                   .normalise = k / 2 % 3, .joint = k % 2, .gamma = k % 3 ? 0.9 : 1,
                                   .lambda = lambda[k % 3], .target_kl = k % 6 == 3 ? 1e-4 : 0, .lr = 1e-2,
                                   .lr_V = k % 2 ? 2e-2 : 5e-3, .adam_eps = k % 2 ? 1e-5 : 1e-3,
                                   .clip_norm = clip_norm[k % 5] };
}

/* theta and phi, Adam's moments, the settings of this update */
struct hand {
    struct hand_settings c;
    long double w[MOST], v[MOST], m[MOST], g[MOST];
    int t;
};

static long double hand_V(const struct hand *h, const struct hand_J *J, const double *s)
{
    number c[MOST], v;
    for (int i = 0; i < network_n(J->f); i++) c[i] = h->w[J->p->n + i];
    hand_network(J->f, c, s, &v);
    return creall(v);
}

/* What stays as it is through the epochs: each advantage by its sum to the end of its segment */
static void hand_old(const struct hand *h, struct hand_J *J)
{
    const rollout *b = J->b;
    for (int i = 0; i < J->p->n; i++) J->old[i] = h->w[i];
    for (int k = 0; k < b->T; k++) {
        J->logp_old[k] = creall(hand_logp(J->p, J->old, b->s + k * b->d, b->a + k * b->k));
        J->V_old[k] = hand_V(h, J, b->s + k * b->d);
    }
    for (int j = 0; j < b->segments; j++)
        for (int k = b->segment[j].first, end = k + b->segment[j].T; k < end; k++) {
            long double A = 0;
            for (int i = k; i < end; i++) {
                long double next = i < end - 1              ? J->V_old[i + 1]
                                 : b->segment[j].terminated ? 0 : hand_V(h, J, b->s_end + j * b->d);
                A += powl((long double)h->c.gamma * h->c.lambda, i - k)
                     * (b->r[i] + h->c.gamma * next - J->V_old[i]);
            }
            J->A[k] = A;
            J->R[k] = A + J->V_old[k];
        }
    if (h->c.normalise == PPO_NORMALISE_BATCH) hand_normalise(b->T, J->A);
}

static void hand_ascend(struct hand *h, double left, int n, int nV)
{
    const struct hand_settings *c = &h->c;
    long double norm[2] = { 0 };
    for (int i = 0; i < n + nV; i++) norm[c->joint ? 0 : i >= n] += h->g[i] * h->g[i];
    h->t++;
    for (int i = 0; i < n + nV; i++) {
        long double size = sqrtl(norm[c->joint ? 0 : i >= n]), lr = left * (i < n ? c->lr : c->lr_V);
        long double g = c->clip_norm > 0 && size > c->clip_norm ? h->g[i] * c->clip_norm / size : h->g[i];
        h->m[i] = (long double)0.9 * h->m[i] + (1 - (long double)0.9) * g;
        h->v[i] = (long double)0.999 * h->v[i] + (1 - (long double)0.999) * g * g;
        h->w[i] += lr * h->m[i] / (1 - powl(0.9, h->t))
                   / (sqrtl(h->v[i] / (1 - powl(0.999, h->t))) + c->adam_eps);
    }
}

/* How many epochs; the KL they lead to, over the whole batch */
static long hand_epochs(struct hand *h, struct hand_J *J, double left, gsl_rng *rng, long double *kl)
{
    const struct hand_settings *c = &h->c;
    int NT = J->b->T, order[MOST], n = J->p->n, nV = network_n(J->f);
    number new[MOST];
    for (long k = 1;; k++) {
        for (int i = 0; i < NT; i++) order[i] = i;
        for (int i = NT - 1; i > 0; i--) {
            int j = (int)gsl_rng_uniform_int(rng, (unsigned long)i + 1), other = order[i];
            order[i] = order[j];
            order[j] = other;
        }
        for (int i = 0; i < NT; i += J->M) {
            J->M = (int)c->minibatch < NT - i ? (int)c->minibatch : NT - i;
            J->which = order + i;
            for (int j = 0; j < J->M; j++) J->normed[j] = J->A[order[i + j]];
            if (c->normalise == PPO_NORMALISE_MINIBATCH) hand_normalise(J->M, J->normed);
            hand_gradient(n + nV, h->w, J->J, J, h->g);
            hand_ascend(h, left, n, nV);
        }
        *kl = 0;
        for (int i = 0; i < n; i++) new[i] = h->w[i];
        for (int i = 0; i < NT; i++) *kl += creall(hand_kl(J->p, J->old, new, J->b->s + i * J->b->d)) / NT;
        if (k == c->epochs || (c->target_kl > 0 && *kl > (long double)1.5 * c->target_kl)) return k;
    }
}

/* A run to be repeated by hand */
struct hand_run {
    hand_trained *train; const void *config;
    struct hand_settings c;
    policy p;
    struct hand_J J;                            /* J, kind, c1, c2, eps, eps_V, beta of the first update */
    bool anneal_eps;
    void (*after)(const void *config, struct hand_J *J, long double kl);    /* an update; or NULL */
};

static void hand_act(run *streams, const struct hand_settings *c, actor *pi, rollout *b)
{
    rollout_clear(b);
    for (int i = 0; i < c->workers; i++) {
        run_worker *x = &streams->worker[i];
        for (int most = b->T + (int)c->n_steps; b->T < most;)
            rollout_segment(b, most, x->env, x->env_rng, pi, x->policy_rng);
    }
}

/* h as so many steps leave it, and beta; how many updates had fewer epochs than K; the last one's epochs */
static int hand_updates(const struct hand_run *r, env *e, long steps, struct hand *h, long double *beta,
                        long *epochs)
{
    const struct hand_settings *c = &r->c;
    const network f = critic_V(&r->p);
    int n = r->p.n, nV = network_n(&f), stopped = 0, updates = 0;
    static struct hand_J J;
    double w[MOST];
    assert_true(n + nV <= MOST && c->workers * c->n_steps <= MOST);
    *h = (struct hand){ .c = *c };
    *beta = r->J.beta;
    run *streams = run_new("by hand", e, 5, 0);
    run_workers(streams, (int)c->workers);
    policy_init(&r->p, streams->init_rng, w);
    network_init_orthogonal(&f, sqrt(2), 1, streams->init_rng, w + n);
    for (int i = 0; i < n + nV; i++) h->w[i] = w[i];
    actor *pi = actor_new(&r->p, w);
    rollout *b = rollout_new(e);
    for (long done = 0; done < steps; done += b->T, updates++) {
        double left = c->anneal_steps == 0 ? 1 : fmax(0, 1 - (double)done / (double)c->anneal_steps);
        long double kl;
        hand_act(streams, c, pi, b);
        J = r->J;
        J.p = &r->p, J.f = &f, J.b = b, J.M = (int)c->minibatch, J.beta = *beta;
        if (r->anneal_eps) J.eps *= left, J.eps_V *= left;
        hand_old(h, &J);
        *epochs = hand_epochs(h, &J, left, streams->update_rng, &kl);
        stopped += *epochs < c->epochs;
        if (r->after) r->after(r->config, &J, kl);
        *beta = J.beta;
        for (int i = 0; i < n; i++) w[i] = (double)h->w[i];
    }
    assert_true(updates >= 2);
    rollout_free(b);
    actor_free(pi);
    run_free(streams);
    return stopped;
}

/* The run in a folder, held against the same one by hand: the folder is left to be looked at */
static int same_run(const struct hand_run *r, const char *id, int limit, long steps, char *folder,
                    long double *beta, long *epochs)
{
    static struct hand h;
    env *e = make(id, limit);
    const network f = critic_V(&r->p);
    int n = r->p.n, nV = network_n(&f), stopped = hand_updates(r, e, steps, &h, beta, epochs);
    long double v[2 * MOST];                                /* kept: m and v of theta, then of phi */
    for (int i = 0; i < n; i++) v[i] = h.m[i], v[n + i] = h.v[i];
    for (int i = 0; i < nV; i++) v[2 * n + i] = h.m[n + i], v[2 * n + nV + i] = h.v[n + i];
    run_in(new_folder(folder, "whole"), r->train, r->config, id, limit, steps, false);
    assert_kept(folder, "theta", n, h.w);
    assert_kept(folder, "phi", nV, h.w + n);
    assert_kept(folder, "m, v", 2 * (n + nV), v);
    env_free(e);
    return stopped;
}

/* ---- what explain prints ---- */

typedef void hand_explained(FILE *out, const void *config, uint64_t seed);

/* Its text, for the caller to free, fits on a screen; theta is that after the first update of a training run */
static void assert_explained(hand_explained *explain, hand_trained *train, const void *config, char **text)
{
    size_t size;
    int lines = 0;
    FILE *out = open_memstream(text, &size);
    explain(out, config, 7);
    fclose(out);
    for (const char *at = *text; *at; at++) lines += *at == '\n';
    assert_true(lines >= 30 && lines <= 55);
    env *e = make("E5x", 5);
    run *first = run_new("ppo", e, 7, 1);
    train(first, config);
    const char *row = strstr(*text, "theta after");
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
}

#endif
