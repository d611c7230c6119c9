/* Steps of NPG and TRPO in plain loops of long double, for their tests: they share nothing with the code but the
 * layout of theta and the streams of random numbers. F is formed, from scores summed over the actions or in closed
 * form (Gaussian); F x = g by Cholesky, or by so many steps of conjugate gradients. And what these tests do alike. */
#ifndef ASCENT_TESTS_TRUST_REGION_BY_HAND_H
#define ASCENT_TESTS_TRUST_REGION_BY_HAND_H

#include <stdio.h>

#include <gsl/gsl_randist.h>

#include "algorithms/algorithm.h"
#include "algorithms/critic.h"
#include "autodiff/random.h"
#include "tests/policy_by_hand.h"

enum { HAND_N = 100, HAND_T = 40 };                     /* numbers of theta, or of phi; steps of a batch */

/* What both have among their settings, and tests vary */
struct hand_settings {
    int workers, n_steps, normalise, lapack, max_kl, cg_iterations, F_every, backtracks, V_epochs, V_batch;
    double gamma, lambda, delta, damping, cg_tol, alpha, lr_V;
};

struct hand_batch {
    const policy *p;
    int T;
    const double *s, *a;                                /* [T x d], [T x k] */
    long double A[HAND_T], w[HAND_T];
};

/* log pi(.|s) [nA], or the means and log_sd [2k] */
static void hand_parameters(const policy *p, const long double *theta, const double *s, long double *z)
{
    number at[HAND_N], f[HAND_WIDEST];
    long double Z = 0, most = -INFINITY;
    for (int i = 0; i < p->n; i++) at[i] = theta[i];
    hand_network(&p->f, at, s, f);
    for (int a = 0; a < p->nA; a++) most = fmaxl(most, creall(f[a]));
    for (int a = 0; a < p->nA; a++) Z += expl(creall(f[a]) - most);
    for (int a = 0; a < p->nA; a++) z[a] = creall(f[a]) - most - logl(Z);
    for (int j = 0; j < p->k && !p->nA; j++) {
        z[j] = creall(f[j]);
        z[p->k + j] = theta[p->n - p->k + j];
    }
}

/* log pi(a|s) of such a row, up to what is alike for all policies */
static long double hand_logp_of(const policy *p, const long double *z, const double *a)
{
    long double logp = p->nA ? z[(int)a[0]] : 0;
    for (int j = 0, k = p->k; j < k && !p->nA; j++)
        logp -= z[k + j] + (a[j] - z[j]) * (a[j] - z[j]) / (2 * expl(2 * z[k + j]));
    return logp;
}

static long double hand_kl_at(const policy *p, const long double *old, const long double *new, const double *s)
{
    long double z[HAND_WIDEST], z1[HAND_WIDEST], kl = 0;
    hand_parameters(p, old, s, z);
    hand_parameters(p, new, s, z1);
    for (int a = 0; a < p->nA; a++) kl += expl(z[a]) * (z[a] - z1[a]);
    for (int j = 0, k = p->k; j < k && !p->nA; j++)
        kl += z1[k + j] - z[k + j] - 0.5L
            + (expl(2 * z[k + j]) + (z[j] - z1[j]) * (z[j] - z1[j])) / (2 * expl(2 * z1[k + j]));
    return kl;
}

/* KL(old||new), the mean or the greatest, and L(new) - L(old) */
static inline void hand_kl_and_L(const struct hand_batch *b, bool max_kl, const long double *old,
                                 const long double *new, long double *kl, long double *L)
{
    const policy *p = b->p;
    *kl = *L = 0;
    for (int t = 0; t < b->T; t++) {
        long double z[HAND_WIDEST], z1[HAND_WIDEST], here = hand_kl_at(p, old, new, b->s + t * p->d);
        const double *a = b->a + t * p->k;
        hand_parameters(p, old, b->s + t * p->d, z);
        hand_parameters(p, new, b->s + t * p->d, z1);
        *kl = max_kl ? fmaxl(*kl, here) : *kl + b->w[t] * here;
        *L += b->w[t] * expm1l(hand_logp_of(p, z1, a) - hand_logp_of(p, z, a)) * b->A[t];
    }
}

/* sum_t w_t A_t log pi(a_t|s_t), whose gradient at theta is that of L */
static inline number hand_L(const void *context, const number *theta)
{
    const struct hand_batch *b = context;
    number sum = 0;
    for (int t = 0; t < b->T; t++)
        sum += b->w[t] * b->A[t] * hand_logp(b->p, theta, b->s + t * b->p->d, b->a + t * b->p->k);
    return sum;
}

struct hand_entry { const policy *p; const double *s; int j; };
static inline number hand_entry(const void *context, const number *theta)  /* log pi(j|s), or the j-th mean */
{
    const struct hand_entry *c = context;
    number f[HAND_WIDEST];
    if (c->p->nA) return hand_logp(c->p, theta, c->s, (double[]){ c->j });
    hand_network(&c->p->f, theta, c->s, f);
    return f[c->j];
}

/* F [n x n] over every `every`-th state, and damping on its diagonal */
static inline void hand_fisher(const struct hand_batch *b, const long double *theta, int every, double damping,
                               long double *F)
{
    const policy *p = b->p;
    int n = p->n;
    long double all = 0, some = 0;
    for (int i = 0; i < n * n; i++) F[i] = 0;
    for (int t = 0; t < b->T; t++) all += b->w[t];
    for (int t = 0; t < b->T; t += every) some += b->w[t];
    for (int t = 0; t < b->T; t += every) {
        long double z[HAND_WIDEST], g[HAND_N];
        hand_parameters(p, theta, b->s + t * p->d, z);
        for (int j = 0; j < (p->nA ? p->nA : p->k); j++) {
            struct hand_entry entry = { p, b->s + t * p->d, j };
            hand_gradient(n, theta, hand_entry, &entry, g);
            long double weight = b->w[t] * all / some * (p->nA ? expl(z[j]) : expl(-2 * z[p->k + j]));
            for (int i = 0; i < n * n; i++) F[i] += weight * g[i / n] * g[i % n];
        }
        for (int i = n - p->k; i < n && !p->nA; i++) F[i * n + i] += 2 * b->w[t] * all / some;
    }
    for (int i = 0; i < n; i++) F[i * n + i] += damping;
}

/* x = F^{-1} g by L L^T */
static inline void hand_cholesky(int n, const long double *F, const long double *g, long double *x)
{
    static long double L[HAND_N * HAND_N];
    for (int i = 0; i < n; i++)
        for (int j = 0; j <= i; j++) {
            long double sum = F[i * n + j];
            for (int k = 0; k < j; k++) sum -= L[i * n + k] * L[j * n + k];
            L[i * n + j] = i == j ? sqrtl(sum) : sum / L[j * n + j];
        }
    for (int i = 0; i < n; i++) {
        x[i] = g[i];
        for (int k = 0; k < i; k++) x[i] -= L[i * n + k] * x[k];
        x[i] /= L[i * n + i];
    }
    for (int i = n - 1; i >= 0; i--) {
        for (int k = i + 1; k < n; k++) x[i] -= L[k * n + i] * x[k];
        x[i] /= L[i * n + i];
    }
}

static inline long double hand_dot(int n, const long double *x, const long double *y)
{
    long double sum = 0;
    for (int i = 0; i < n; i++) sum += x[i] * y[i];
    return sum;
}

static inline void hand_times(int n, const long double *F, const long double *v, long double *Fv)
{
    for (int i = 0; i < n; i++) Fv[i] = hand_dot(n, F + i * n, v);
}

/* So many steps of conjugate gradients from 0, or fewer, until |r| <= tol |g| */
static inline void hand_cg(int n, const long double *F, const long double *g, int most, double tol, long double *x)
{
    long double r[HAND_N], d[HAND_N], Fd[HAND_N], rr = hand_dot(n, g, g), gg = rr;
    for (int i = 0; i < n; i++) x[i] = 0, r[i] = d[i] = g[i];
    for (int k = 0; k < most && sqrtl(rr) > tol * sqrtl(gg); k++) {
        hand_times(n, F, d, Fd);
        long double along = rr / hand_dot(n, d, Fd), before = rr;
        for (int i = 0; i < n; i++) x[i] += along * d[i], r[i] -= along * Fd[i];
        rr = hand_dot(n, r, r);
        for (int i = 0; i < n; i++) d[i] = r[i] + rr / before * d[i];
    }
}

/* theta <- theta + sqrt(2 delta / x^T F x) x, shortened until it is accepted where there is a line search: its j, or
 * -1 and theta as it was */
static inline int hand_update(const struct hand_settings *c, bool searches, const struct hand_batch *b,
                              long double *theta)
{
    static long double F[HAND_N * HAND_N];
    long double g[HAND_N], x[HAND_N], Fx[HAND_N], new[HAND_N], kl, L;
    int n = b->p->n;
    hand_gradient(n, theta, hand_L, b, g);
    hand_fisher(b, theta, c->F_every, c->damping, F);
    if (c->lapack) hand_cholesky(n, F, g, x);
    else           hand_cg(n, F, g, c->cg_iterations, c->cg_tol, x);
    hand_times(n, F, x, Fx);
    long double beta = sqrtl(2 * c->delta / hand_dot(n, x, searches ? Fx : g));
    for (int j = 0; j < (searches ? c->backtracks : 1); j++) {
        for (int i = 0; i < n; i++) new[i] = theta[i] + powl(c->alpha, j) * beta * x[i];
        if (searches) hand_kl_and_L(b, c->max_kl, theta, new, &kl, &L);
        if (searches && !(kl <= c->delta && L > 0)) continue;
        memcpy(theta, new, (size_t)n * sizeof *theta);
        return j;
    }
    return -1;
}

/* ---- whole runs ---- */

static long double hand_V(const network *f, const long double *phi, const double *s)
{
    number at[HAND_N], v;
    for (int i = 0; i < network_n(f); i++) at[i] = phi[i];
    hand_network(f, at, s, &v);
    return creall(v);
}

/* A, each by its sum to the end of its segment, and R = A + V; then A is normalised */
static inline void hand_advantages(const struct hand_settings *c, const network *f, const long double *phi,
                                   const rollout *b, long double *A, long double *R)
{
    for (int j = 0; j < b->segments; j++)
        for (int k = b->segment[j].first, end = k + b->segment[j].T; k < end; k++) {
            A[k] = 0;
            for (int i = k; i < end; i++) {
                long double next = i < end - 1              ? hand_V(f, phi, b->s + (i + 1) * b->d)
                                 : b->segment[j].terminated ? 0 : hand_V(f, phi, b->s_end + j * b->d);
                A[k] += powl((long double)c->gamma * c->lambda, i - k)
                        * (b->r[i] + c->gamma * next - hand_V(f, phi, b->s + i * b->d));
            }
            R[k] = A[k] + hand_V(f, phi, b->s + k * b->d);
        }
    long double mean = 0, squares = 0;
    for (int k = 0; k < b->T; k++) mean += A[k] / b->T;
    for (int k = 0; k < b->T; k++) squares += (A[k] - mean) * (A[k] - mean);
    for (int k = 0; k < b->T && c->normalise; k++) A[k] = (A[k] - mean) / (sqrtl(squares / (b->T - 1)) + 1e-8);
}

struct hand_errors { const network *f; int B, d; const double *s; const int *order; const long double *R; };
static inline number hand_errors(const void *context, const number *phi)
{
    const struct hand_errors *c = context;
    number sum = 0, v;
    for (int k = 0; k < c->B; k++) {
        hand_network(c->f, phi, c->s + c->order[k] * c->d, &v);
        sum -= (v - c->R[c->order[k]]) * (v - c->R[c->order[k]]) / c->B;
    }
    return sum;
}

/* phi and Adam's moments after V's steps of an update */
static inline void hand_fit_V(const struct hand_settings *c, const network *f, const rollout *b,
                              const long double *R, gsl_rng *rng, struct hand_adam *moments, long double *phi)
{
    int order[HAND_T], B = b->T < c->V_batch ? b->T : c->V_batch, nV = network_n(f);
    long double g[HAND_N];
    for (int k = 0; k < b->T; k++) order[k] = k;
    for (int epoch = 0; epoch < c->V_epochs; epoch++) {
        gsl_ran_shuffle(rng, order, (size_t)b->T, sizeof *order);
        for (int k = 0; k < b->T / B; k++) {
            struct hand_errors error = { f, B, b->d, b->s, order + k * B, R };
            hand_gradient(nV, phi, hand_errors, &error, g);
            hand_adam_ascend(moments, nV, c->lr_V, phi, g);
        }
    }
}

/* theta, phi after so many updates on e; who acts is the code's actor. */
static inline void hand_train(const struct hand_settings *c, bool searches, const policy *p, env *e, uint64_t seed,
                            int updates, long double *theta, long double *phi)
{
    const network f = critic_V(p);
    static struct hand_adam moments;
    double w[HAND_N], first[HAND_N];
    memset(&moments, 0, sizeof moments);
    run *streams = run_new("by hand", e, seed, 0);
    run_workers(streams, c->workers);
    policy_init(p, streams->init_rng, w);
    network_init_orthogonal(&f, sqrt(2), 1, streams->init_rng, first);
    for (int i = 0; i < p->n; i++) theta[i] = w[i];
    for (int i = 0; i < network_n(&f); i++) phi[i] = first[i];
    actor *pi = actor_new(p, w);
    rollout *b = rollout_new(e);
    for (int k = 0; k < updates; k++) {
        long double R[HAND_T];
        rollout_clear(b);
        for (int i = 0; i < c->workers; i++) {
            run_worker *x = &streams->worker[i];
            for (int most = b->T + c->n_steps; b->T < most;)
                rollout_segment(b, most, x->env, x->env_rng, pi, x->policy_rng);
        }
        struct hand_batch batch = { p, b->T, b->s, b->a, { 0 }, { 0 } };
        for (int t = 0; t < b->T; t++) batch.w[t] = 1.0L / b->T;
        hand_advantages(c, &f, phi, b, batch.A, R);
        hand_update(c, searches, &batch, theta);
        hand_fit_V(c, &f, b, R, streams->update_rng, &moments, phi);
        for (int i = 0; i < p->n; i++) w[i] = (double)theta[i];
    }
    rollout_free(b);
    actor_free(pi);
    run_free(streams);
}

/* ---- what the tests do alike ---- */

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

/* Every value of every option, beside others */
static inline struct hand_settings hand_option(int k)
{
    return (struct hand_settings){ .workers = 1 + k % 3, .n_steps = 4 + k % 5, .gamma = k % 3 ? 0.9 : 1,
        .lambda = (double[]){ 1, 0.95, 0 }[k % 3], .normalise = k % 4 < 2,
        .delta = (double[]){ 0.01, 0.3, 1e-4, 3 }[k % 4], .max_kl = k / 2 % 2,
        .damping = (double[]){ 0.05, 0.3, 1 }[k % 3], .cg_iterations = k % 5 ? 300 : 2,
        .cg_tol = k % 7 == 1 ? 0.1 : 1e-14, .F_every = 1 + k % 3, .alpha = k % 2 ? 0.8 : 0.3,
        .backtracks = k % 6 ? 12 : 1, .lr_V = 1e-2, .V_epochs = 1 + k % 3, .V_batch = k % 2 ? 3 : 50 };
}

/* A policy with random theta, of every kind; steps with random states, its actions, random advantages and weights */
struct any { policy p; rollout *b; double theta[HAND_N], A[HAND_T], w[HAND_T]; };
static inline struct any any_new(int k, int T, double sd)
{
    struct any x;
    env e = { .observation = { .dim = 3 }, .action = { .n = k % 2 ? 0 : 4, .dim = k % 2 ? 2 : 1 } };
    gsl_rng *rng = random_stream(3, (uint32_t)k, RANDOM_TEST);
    double s[3], a[2], sum = 0;
    x.p = policy_of(&e, k / 2 % 3, (int[]){ 5, 4 }, k % 4 < 2 ? AD_TANH : AD_RELU);
    x.b = rollout_shaped(3, x.p.k, x.p.nA > 0);
    assert_true(x.p.n <= HAND_N && T <= HAND_T);
    for (int i = 0; i < x.p.n; i++) x.theta[i] = gsl_ran_gaussian(rng, sd);
    actor *pi = actor_new(&x.p, x.theta);
    for (int t = 0; t < T; t++) {
        for (int i = 0; i < 3; i++) s[i] = gsl_ran_gaussian(rng, 1);
        actor_draw(pi, rng, s, a);
        x.A[t] = gsl_ran_gaussian(rng, 1);
        sum += x.w[t] = 0.1 + gsl_rng_uniform(rng);
        rollout_add(x.b, s, a, 0);
    }
    rollout_end(x.b, s, true, true, false);
    for (int t = 0; t < T; t++) x.w[t] /= sum;
    actor_free(pi);
    gsl_rng_free(rng);
    return x;
}

static inline struct hand_batch batch_of(const struct any *x, bool weighted)
{
    struct hand_batch b = { &x->p, x->b->T, x->b->s, x->b->a, { 0 }, { 0 } };
    for (int t = 0; t < b.T; t++) b.A[t] = x->A[t], b.w[t] = weighted ? x->w[t] : 1.0L / b.T;
    return b;
}

/* theta by code and by hand, KL and L of the step. x = F^-1 g is right to u cond(F): F's largest eigenvalue is below
 * 100, its least at least the damping */
static inline void same_step(const struct any *x, const struct hand_batch *batch, bool max_kl,
                             const long double *old, const long double *theta, double kl, double L)
{
    long double want_kl, want_L;
    hand_kl_and_L(batch, max_kl, old, theta, &want_kl, &want_L);
    for (int i = 0; i < x->p.n; i++)
        assert_near(x->theta[i], (double)theta[i], 1e-12 * fmax(1, fabs((double)theta[i])));
    assert_near(kl, (double)want_kl, 1e-12 * fmax(1, (double)want_kl));
    assert_near(L, (double)want_L, 1e-12 * fmax(1, fabs((double)want_L)));
}

/* Two steps in one state. k odd: of two actions, where pi is deterministic, F = 0; even: of one action, g = 0 */
static inline struct any one_state(int k)
{
    env e = { .observation = { .dim = 1 }, .action = { .n = 1 + k % 2, .dim = 1 } };
    struct any x = { .p = policy_of(&e, 0, NULL, AD_LINEAR), .b = rollout_shaped(1, 1, true),
                     .theta = { k % 2 ? 900 : 0.5, k % 2 ? -900 : -0.25 }, .A = { 1, 2 } };
    for (int t = 0; t < 2; t++) rollout_add(x.b, (double[]){ 1 }, (double[]){ k % 2 }, 0);
    rollout_end(x.b, (double[]){ 1 }, true, true, false);
    return x;
}

/* Three updates of a training run; the second and third are of data that the code's own policies, equal to 1e-11,
 * drew. hidden: that of the config */
static inline void same_run(const char *name, int k, const struct hand_settings *h, bool searches, widths hidden,
                            void (*train)(run *, const void *), const void *config)
{
    const char *id[] = { "E5x", "CartPole-v1", "lqr", "E5x" };
    const int limit[] = { 7, 5, 4, 0 };
    long double theta[HAND_N], phi[HAND_N];
    env *e = make(id[k % 4], limit[k % 4]);
    policy p = policy_of(e, hidden.layers, hidden.width, AD_TANH);
    hand_train(h, searches, &p, e, 5, 3, theta, phi);
    env_free(e);
    e = make(id[k % 4], limit[k % 4]);
    run *trained = run_new(name, e, 5, 2 * h->workers * h->n_steps + 1);
    train(trained, config);
    assert_int_equal(trained->steps, 3 * h->workers * h->n_steps);
    for (int i = 0; i < p.n; i++)
        assert_near(trained->theta[i], (double)theta[i], 1e-11 * fmax(1, fabs((double)theta[i])));
    run_free(trained);
    env_free(e);
}

/* What explain prints, to be freed: it fits on a screen, and is the first update of a training run from that seed */
static inline char *explanation(const char *name, void (*explain)(FILE *, const void *, uint64_t),
                                void (*train)(run *, const void *), const void *config)
{
    char *text = NULL;
    size_t size;
    int lines = 0;
    FILE *out = open_memstream(&text, &size);
    explain(out, config, 7);
    fclose(out);
    for (const char *at = text; *at; at++) lines += *at == '\n';
    assert_true(lines >= 18 && lines <= 45);
    env *e = make("E5x", 5);
    run *first = run_new(name, e, 7, 1);
    train(first, config);
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
    return text;
}

#endif
