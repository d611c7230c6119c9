/* PPO with a penalty on the KL: its objective, gradient and rules for beta against plain loops, and whole training
 * runs, with every option, against the same updates done by hand in long double.
 *     test_ppo_penalty [pattern]       runs the tests whose names match */
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

#include "algorithms/checkpoint.h"
#include "algorithms/critic.h"
#include "algorithms/ppo_clip.h"
#include "algorithms/ppo_penalty.h"
#include "algorithms/run_folder.h"
#include "autodiff/random.h"
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

/* Value, and the slope in each argument: r and the KL are functions of theta, A is not */
static void objective(void **state)
{
    (void)state;
    const double r[] = { 0.5, 1, 1.7 }, A[] = { 2, -1, -0.3 }, kl[] = { 0.2, 0, 0.05 };
    ad_tape *t = ad_tape_new();
    for (int k = 0; k < 3; k++) {
        double beta = k * 1.5;
        ad x = ad_input(t, r, 3, 1), y = ad_input(t, kl, 3, 1), g[2];
        ad L = ppo_L_KLPEN(x, ad_input(t, A, 3, 1), y, beta);
        ad_grads(L, 2, ((ad[]){ x, y }), g);
        assert_near(ad_scalar(L), (1 - 1 - 0.51 - beta * 0.25) / 3, 1e-15);
        for (int i = 0; i < 3; i++) {
            assert_near(ad_value(g[0])[i], A[i] / 3, 1e-15);
            assert_near(ad_value(g[1])[i], -beta / 3, 1e-15);
        }
    }
    ad_tape_free(t);
}

/* PPO-22, PPO-23   All three branches from each, edges and all; what leads up leads down again to the same bits. */
static void rules(void **state)
{
    (void)state;
    const double delta = 3.0 / 128, d[] = { 0.5, 2.0 / 3, 1, 1.5, 1.6 };        /* delta/1.5, 1.5 delta: exact */
    for (int i = 0; i < 125; i++) {
        double beta = 0.7, other = 0.7, want = 0.7;
        for (int k = 0, path = i; k < 3; k++, path /= 5) {
            int at = path % 5;
            double now = at == 1 ? 1.0 / 64 : d[at] * delta;
            beta = ppo_beta_of_target(beta, now, delta);
            other = ppo_beta_of_bounds(other, now, 1.0 / 64, 9.0 / 256, 3);
            want *= at == 0 ? 0.5 : at == 4 ? 2 : 1;
            assert_true(beta == want);
            assert_near(other, 0.7 * pow(3, log2(want / 0.7)), 1e-14);
        }
    }
    assert_true(ppo_beta_of_target(1, 0, delta) == 0.5 && ppo_beta_of_target(1, 1e9, delta) == 2);
    assert_true(ppo_beta_of_bounds(1, 0.3, 0.3, 0.3, 7) == 1 && ppo_beta_of_bounds(1, 0.31, 0.3, 0.3, 7) == 7);
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

/* KL(old||new) in one state */
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

/* A minibatch: M samples, those that `which` names, of a batch */
struct hand_J {
    const ppo_penalty_config *c; const policy *p; const network *f; const rollout *b;
    const int *which; int M;
    long double beta, logp_old[MOST], V_old[MOST], A[MOST], R[MOST];    /* of the batch; */
    long double normed[MOST];                                           /* A of the minibatch */
    number old[MOST];                                                   /* theta_old */
};

static number hand_J(const void *context, const number *w)              /* w = (theta, phi) */
{
    const struct hand_J *h = context;
    const ppo_penalty_config *c = h->c;
    number J = 0, V;
    for (int i = 0; i < h->M; i++) {
        int k = h->which[i];
        const double *s = h->b->s + k * h->b->d;
        long double A = h->normed[i];
        number r = cexpl(hand_logp(h->p, w, s, h->b->a + k * h->b->k) - h->logp_old[k]);
        number kl = c->direction == PPO_OLD_NEW ? hand_kl(h->p, h->old, w, s) : hand_kl(h->p, w, h->old, s);
        hand_network(h->f, w + h->p->n, s, &V);
        number error = (V - h->R[k]) * (V - h->R[k]);
        J += r * A - h->beta * kl - c->c1 * error + c->c2 * hand_entropy(h->p, w, s);
    }
    return J / h->M;
}

static void hand_normalise(int n, long double *A)
{
    long double mean = 0, squares = 0;
    for (int i = 0; i < n; i++) mean += A[i] / n;
    for (int i = 0; i < n; i++) squares += (A[i] - mean) * (A[i] - mean);
    for (int i = 0; i < n; i++) A[i] = (A[i] - mean) / (sqrtl(squares / (n - 1)) + 1e-8);
}

enum { T = 12 };
static policy any_policy(int k, const ppo_penalty_config *c, double *w)
{
    env e = { .observation = { .dim = 3 }, .action = { .n = k % 2 ? 0 : 4, .dim = k % 2 ? 2 : 1 } };
    policy p = ppo_penalty_policy(&e, c);
    gsl_rng *rng = random_stream(2, (uint32_t)k, RANDOM_TEST);
    for (int i = 0; i < MOST; i++) w[i] = gsl_ran_gaussian(rng, 0.6);
    gsl_rng_free(rng);
    return p;
}

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

/* Policies and batches of all kinds: pi_old, and pi some way off */
struct any { ppo_penalty_config c; policy p; network f; rollout *b; samples *D; ad_tape *t; double old[MOST], w[MOST];
             struct hand_J h; };

static void any_new(struct any *x, int k, double off)
{
    *x = (struct any){ .c = { .direction = k / 2 % 2, .c1 = k % 3 ? 0.25 : 1, .c2 = k % 4 ? 0.3 : 0,
                              .hidden = { k / 2 % 3, { 5, 4 } },
                              .activation = k < 6 ? AD_TANH : AD_RELU } };
    x->p = any_policy(k, &x->c, x->old);
    x->f = critic_V(&x->p);
    x->b = any_rollout(&x->p, (uint32_t)k);
    x->t = ad_tape_new();
    x->D = samples_new(&x->p, T);
    samples_old(x->D, x->t, &x->p, x->old, x->b);
    x->h = (struct hand_J){ &x->c, &x->p, &x->f, x->b, all_of_them, T, .beta = k % 5 ? 0.3 * k : 0 };
    gsl_rng *rng = random_stream(3, (uint32_t)k, RANDOM_TEST);
    number at[MOST];
    for (int i = 0; i < MOST; i++) {
        at[i] = x->old[i];
        x->h.old[i] = at[i];
        x->w[i] = x->old[i] + gsl_ran_gaussian(rng, off);
    }
    for (int i = 0; i < T; i++) {
        x->D->A[i] = gsl_ran_gaussian(rng, 1), x->D->R[i] = gsl_ran_gaussian(rng, 1);
        x->D->V_old[i] = gsl_ran_gaussian(rng, 1);
        x->h.A[i] = x->h.normed[i] = x->D->A[i], x->h.R[i] = x->D->R[i], x->h.V_old[i] = x->D->V_old[i];
        x->h.logp_old[i] = creall(hand_logp(&x->p, at, x->b->s + i * x->p.d, x->b->a + i * x->p.k));
        assert_near(x->D->logp_old[i], (double)x->h.logp_old[i], 1e-13);
    }
    gsl_rng_free(rng);
}

static void any_free(struct any *x)
{
    samples_free(x->D);
    rollout_free(x->b);
    ad_tape_free(x->t);
}

static void gradients(void **state)
{
    (void)state;
    static struct any x;
    for (int k = 0; k < 24; k++) {
        double g[MOST];
        long double at[MOST], want[MOST], size = 0;
        any_new(&x, k, 0.1);
        int n = x.p.n + network_n(&x.f);
        for (int i = 0; i < n; i++) at[i] = x.w[i];
        ppo_penalty_gradient(x.t, &x.c, (double)x.h.beta, &x.p, &x.f, x.w, x.w + x.p.n, x.D, g);
        hand_gradient(n, at, hand_J, &x.h, want);
        for (int i = 0; i < n; i++) size = fmaxl(size, fabsl(want[i]));
        for (int i = 0; i < n; i++) assert_near(g[i], (double)want[i], 1e-13 * (double)size);
        any_free(&x);
    }
}

/* At theta_old the penalty has no gradient, whatever beta is; and pi_old's parameters have none anywhere. */
static void at_theta_old(void **state)
{
    (void)state;
    static struct any x;
    for (int k = 0; k < 12; k++) {
        double g[MOST], free_of_charge[MOST], size = 0;
        any_new(&x, k, 0);
        int n = x.p.n + network_n(&x.f);
        ppo_penalty_gradient(x.t, &x.c, 100, &x.p, &x.f, x.w, x.w + x.p.n, x.D, g);
        ppo_penalty_gradient(x.t, &x.c, 0, &x.p, &x.f, x.w, x.w + x.p.n, x.D, free_of_charge);
        for (int i = 0; i < n; i++) size = fmax(size, fabs(g[i]));
        for (int i = 0; i < n; i++) assert_near(g[i], free_of_charge[i], 1e-12 * fmax(1, size));
        any_free(&x);
    }
}

static void measured(void **state)
{
    (void)state;
    static struct any x;
    for (int k = 0; k < 12; k++) {
        any_new(&x, k, 0.1);
        ppo_penalty_measured m = ppo_penalty_measure(x.t, &x.c, (double)x.h.beta, &x.p, x.w, x.D);
        number old[MOST], new[MOST];
        long double kl = 0, k1 = 0, k2 = 0, k3 = 0, H = 0;
        for (int i = 0; i < MOST; i++) old[i] = x.old[i], new[i] = x.w[i];
        for (int i = 0; i < T; i++) {
            const double *s = x.b->s + i * x.p.d;
            long double l = creall(hand_logp(&x.p, new, s, x.b->a + i * x.p.k)) - x.h.logp_old[i];
            kl += creall(hand_kl(&x.p, old, new, s)) / T;
            k1 -= l / T, k2 += l * l / 2 / T, k3 += (expl(l) - 1 - l) / T;
            H += creall(hand_entropy(&x.p, new, s)) / T;
        }
        x.c.c1 = x.c.c2 = 0;
        double L = (double)creall(hand_J(&x.h, new));
        assert_near(m.L, L, 1e-13 * fmax(1, fabs(L)));
        assert_near(m.kl_exact, (double)kl, 1e-13 * fmax(1, (double)kl));
        assert_near(m.kl_k1, (double)k1, 1e-13 * fmax(1, (double)k1));
        assert_near(m.kl_k2, (double)k2, 1e-13 * fmax(1, (double)k2));
        assert_near(m.kl_k3, (double)k3, 1e-13 * fmax(1, (double)k3));
        assert_near(m.entropy, (double)H, 1e-13);
        assert_true(m.kl_exact > 1e-4);
        any_free(&x);
    }
}

/* ---- whole runs ---- */

struct hand { long double w[MOST], v[MOST], m[MOST], g[MOST]; int t; };

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
    number at[MOST];
    for (int i = 0; i < J->p->n; i++) at[i] = h->w[i];
    for (int k = 0; k < b->T; k++) {
        J->logp_old[k] = creall(hand_logp(J->p, at, b->s + k * b->d, b->a + k * b->k));
        J->V_old[k] = hand_V(h, J, b->s + k * b->d);
    }
    for (int j = 0; j < b->segments; j++)
        for (int k = b->segment[j].first, end = k + b->segment[j].T; k < end; k++) {
            long double A = 0;
            for (int i = k; i < end; i++) {
                long double next = i < end - 1              ? J->V_old[i + 1]
                                 : b->segment[j].terminated ? 0 : hand_V(h, J, b->s_end + j * b->d);
                A += powl((long double)J->c->gamma * J->c->lambda, i - k)
                     * (b->r[i] + J->c->gamma * next - J->V_old[i]);
            }
            J->A[k] = A;
            J->R[k] = A + J->V_old[k];
        }
    if (J->c->normalise == PPO_NORMALISE_BATCH) hand_normalise(b->T, J->A);
}

static void hand_ascend(struct hand *h, const ppo_penalty_config *c, int n, int nV)
{
    long double norm[2] = { 0 };
    for (int i = 0; i < n + nV; i++) norm[c->joint ? 0 : i >= n] += h->g[i] * h->g[i];
    h->t++;
    for (int i = 0; i < n + nV; i++) {
        long double size = sqrtl(norm[c->joint ? 0 : i >= n]);
        long double g = c->clip_norm > 0 && size > c->clip_norm ? h->g[i] * c->clip_norm / size : h->g[i];
        h->m[i] = (long double)0.9 * h->m[i] + (1 - (long double)0.9) * g;
        h->v[i] = (long double)0.999 * h->v[i] + (1 - (long double)0.999) * g * g;
        h->w[i] += (i < n ? c->lr : c->lr_V) * h->m[i] / (1 - powl(0.9, h->t))
                   / (sqrtl(h->v[i] / (1 - powl(0.999, h->t))) + c->adam_eps);
    }
}

/* The KL they lead to, over the whole batch */
static long double hand_epochs(struct hand *h, struct hand_J *J, gsl_rng *rng)
{
    const ppo_penalty_config *c = J->c;
    int NT = J->b->T, order[MOST], n = J->p->n, nV = network_n(J->f);
    number new[MOST];
    long double kl = 0;
    for (int i = 0; i < n; i++) J->old[i] = h->w[i];
    for (long k = 0; k < c->epochs; k++) {
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
            hand_gradient(n + nV, h->w, hand_J, J, h->g);
            hand_ascend(h, c, n, nV);
        }
    }
    for (int i = 0; i < n; i++) new[i] = h->w[i];
    for (int i = 0; i < NT; i++) kl += creall(hand_kl(J->p, J->old, new, J->b->s + i * J->b->d)) / NT;
    return kl;
}

static char *new_folder(char *path, const char *name)
{
    static int folders;
    sprintf(path, "/tmp/test_ppo_penalty.%ld.%d.%s", (long)getpid(), folders++, name);
    return path;
}

static void remove_folder(const char *path)
{
    char command[300];
    sprintf(command, "rm -r %s", path);
    assert_int_equal(system(command), 0);
}

static void train_in(const char *folder, const char *id, int limit, const ppo_penalty_config *c, long steps,
                     bool resumed)
{
    env *e = make(id, limit);
    run *trained = run_new("ppo_penalty", e, 5, steps);
    run_manner manner = { .save_every = 1e9, .quiet = true, .resumed = resumed };
    run_in_folder(trained, folder, "{}", "ppo_penalty", manner);
    ppo_penalty(trained, c);
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

static void hand_anneal(ppo_penalty_config *now, const ppo_penalty_config *c, long steps)
{
    double left = c->anneal_steps == 0 ? 1 : fmax(0, 1 - (double)steps / (double)c->anneal_steps);
    *now = *c;
    now->lr = left * c->lr, now->lr_V = left * c->lr_V;
}

/* PPO-22, PPO-23   each by its own words */
static long double hand_beta(const ppo_penalty_config *c, long double beta, long double d)
{
    if (c->adapt == PPO_ADAPT_OFF) return beta;
    bool target = c->adapt == PPO_ADAPT_TARGET;
    long double low = target ? c->delta_kl / 1.5L : c->KL_min, high = target ? c->delta_kl * 1.5L : c->KL_max;
    long double factor = target ? 2 : c->factor;
    return d < low ? beta / factor : d > high ? beta * factor : beta;
}

/* How often beta went down, stayed, went up */
struct moves { int down, same, up; };
static struct moves same_run(const char *id, int limit, const ppo_penalty_config *c, long steps)
{
    char folder[256];
    env *e = make(id, limit);
    policy p = ppo_penalty_policy(e, c);
    network f = critic_V(&p);
    int n = p.n, nV = network_n(&f), N = (int)c->workers, updates = 0;
    assert_true(n + nV <= MOST && c->workers * c->n_steps <= MOST);
    static struct hand h;
    static struct hand_J J;
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
    long double beta = c->beta, was;
    struct moves moves = { 0 };
    for (; done < steps; updates++) {
        ppo_penalty_config now;
        rollout_clear(b);
        for (int i = 0; i < N; i++) {
            run_worker *x = &streams->worker[i];
            for (int most = b->T + (int)c->n_steps; b->T < most;)
                rollout_segment(b, most, x->env, x->env_rng, pi, x->policy_rng);
        }
        hand_anneal(&now, c, done);
        J = (struct hand_J){ &now, &p, &f, b, NULL, (int)c->minibatch, .beta = beta };
        hand_old(&h, &J);
        was = beta;
        beta = hand_beta(c, beta, hand_epochs(&h, &J, streams->update_rng));
        moves.down += beta < was, moves.same += beta == was, moves.up += beta > was;
        for (int i = 0; i < n; i++) w[i] = (double)h.w[i];
        done += b->T;
    }
    assert_true(updates >= 2);
    long double v[2 * MOST];                                /* kept: m and v of theta, then of phi */
    for (int i = 0; i < n; i++) v[i] = h.m[i], v[n + i] = h.v[i];
    for (int i = 0; i < nV; i++) v[2 * n + i] = h.m[n + i], v[2 * n + nV + i] = h.v[n + i];
    new_folder(folder, "whole");
    train_in(folder, id, limit, c, steps, false);
    assert_kept(folder, "theta", n, h.w);
    assert_kept(folder, "phi", nV, h.w + n);
    assert_kept(folder, "m, v", 2 * (n + nV), v);
    assert_kept(folder, "beta", 1, &beta);
    remove_folder(folder);
    rollout_free(b);
    actor_free(pi);
    run_free(streams);
    env_free(e);
    return moves;
}

/* Every value of every option; each twice at least, beside others */
static ppo_penalty_config option(int k)
{
    const double lambda[] = { 0, 1, 0.8 }, clip_norm[] = { 0.2, 0, 100, 0.2, 0.2 };
    const int minibatch[] = { 3, 5, 12, 4 };
    return (ppo_penalty_config){ .workers = 1 + k % 3, .n_steps = 12 / (1 + k % 3), .epochs = 1 + k % 4,
                                 .minibatch = minibatch[k % 4], .beta = k % 5 ? k : 0.3,
                                 .adapt = k % 7 == 6 ? PPO_ADAPT_OFF : k % 2, .delta_kl = k % 3 ? 1e-4 : 1e-2, .KL_min = 1e-4, .KL_max = k % 4 ? 1e-3 : 1e-4,
                                 .factor = k % 3 ? 1.5 : 3, .direction = k / 3 % 2, .gamma = k % 3 ? 0.9 : 1,
                                 .lambda = lambda[k % 3], .normalise = k / 2 % 3, .c1 = k % 5 / 4.0,
                                 .c2 = k % 2 ? 0.05 : 0, .lr = 1e-2, .lr_V = k % 2 ? 2e-2 : 5e-3,
                                 .adam_eps = k % 2 ? 1e-5 : 1e-3, .clip_norm = clip_norm[k % 5], .joint = k % 2,
                                 .anneal_steps = k % 5 == 3 ? 20 : k % 7 ? 0 : 60,
                                 .hidden = { k % 3, { 4, 3 } }, .activation = k % 2 ? AD_TANH : AD_RELU };
}

static void options(void **state)
{
    (void)state;
    const char *id[] = { "E5x", "CartPole-v1", "lqr", "FrozenLake-v1" };
    const int limit[] = { 0, 5, 4, 9 };
    struct moves all = { 0 };
    for (int k = 0; k < 24; k++) {
        ppo_penalty_config c = option(k);
        struct moves m = same_run(id[k * 7 / 4 % 4], limit[k * 7 / 4 % 4], &c, 36);
        all.down += m.down, all.same += m.same, all.up += m.up;
    }
    assert_true(all.down >= 10 && all.same >= 10 && all.up >= 10);
}

/* beta in a run: once an update, by the KL over the whole batch in the row above, whatever the number of minibatches;
 * unchanged by a stop and going on */
static void beta_walks(void **state)
{
    (void)state;
    for (int k = 0; k < 4; k++) {
        ppo_penalty_config c = ppo_penalty_defaults;
        char folder[256];
        double beta[MOST], kl[MOST];
        struct moves m = { 0 };
        c.hidden = (widths){ 1, { 8 } };
        c.workers = 2, c.n_steps = 16, c.minibatch = k % 2 ? 4 : 32, c.epochs = k % 2 ? 4 : 20, c.lr = 1e-2;
        c.adapt = k / 2 ? PPO_ADAPT_BOUNDS : PPO_ADAPT_TARGET;
        c.KL_min = 0.004, c.KL_max = 0.012, c.factor = 1.25;
        train_in(new_folder(folder, "walk"), "CartPole-v1", 50, &c, 20 * 32, false);
        train_in(folder, "CartPole-v1", 50, &c, 100 * 32, true);
        int rows = column(folder, "beta", beta);
        assert_int_equal(rows, 100);
        assert_int_equal(column(folder, "kl_exact", kl), 100);
        assert_true(beta[0] == c.beta);
        for (int i = 1; i < rows; i++) {
            double want = (double)hand_beta(&c, beta[i - 1], kl[i - 1]);
            assert_near(beta[i], want, 1e-15 * want);
            m.down += beta[i] < beta[i - 1], m.same += beta[i] == beta[i - 1], m.up += beta[i] > beta[i - 1];
        }
        assert_true(m.down >= 5 && m.same >= 5 && m.up >= 5);
        remove_folder(folder);
    }
}

/* Halved for ever it would be 0; doubled for ever, no number. */
static void beta_stays_a_number(void **state)
{
    (void)state;
    for (int k = 0; k < 2; k++) {
        ppo_penalty_config c = ppo_penalty_defaults;
        char folder[256];
        double beta[MOST];
        c.hidden = (widths){ 0 };
        c.workers = 1, c.n_steps = c.minibatch = 8, c.epochs = 1;
        c.beta = k ? 3e9 : 3e-10, c.delta_kl = k ? 1e-300 : 1e9, c.lr = k ? 1e-3 : 0;
        train_in(new_folder(folder, "far"), "E5x", 0, &c, 40, false);
        assert_int_equal(column(folder, "beta", beta), 5);
        assert_true(beta[1] == (k ? 6e9 : 1.5e-10) && beta[3] == (k ? 1e10 : 1e-10) && beta[4] == beta[3]);
        remove_folder(folder);
    }
}

/* A larger beta keeps pi closer; beta = 0 is the surrogate that nothing holds: PPO-1 */
static void penalty_holds(void **state)
{
    (void)state;
    for (int direction = 0; direction < 2; direction++) {
        double kl[3];
        for (int k = 0; k < 3; k++) {
            ppo_penalty_config c = ppo_penalty_defaults;
            char folder[256];
            c.adapt = PPO_ADAPT_OFF, c.direction = direction, c.beta = k == 0 ? 0 : k == 1 ? 3 : 30;
            c.workers = 1, c.n_steps = c.minibatch = 64, c.epochs = 60, c.lr = 3e-3;
            train_in(new_folder(folder, "held"), "CartPole-v1", 0, &c, 64, false);
            assert_int_equal(column(folder, "kl_exact", &kl[k]), 1);
            remove_folder(folder);
        }
        assert_true(kl[0] > 3 * kl[1] && kl[1] > 10 * kl[2] && kl[2] > 0);
    }
}

/* What explain prints is the first update of a training run from that seed, and fits on a screen. */
static void explained(void **state)
{
    (void)state;
    ppo_penalty_config c = ppo_penalty_defaults;
    c.hidden = (widths){ 0 };
    c.workers = 2, c.n_steps = 4, c.minibatch = 3, c.beta = 4, c.lr = 0.05;
    char *text = NULL;
    size_t size;
    FILE *out = open_memstream(&text, &size);
    ppo_penalty_explain(out, &c, 7);
    fclose(out);
    int lines = 0;
    for (const char *at = text; *at; at++) lines += *at == '\n';
    assert_true(lines >= 30 && lines <= 55);
    env *e = make("E5x", 5);
    run *first = run_new("ppo_penalty", e, 7, 1);
    ppo_penalty(first, &c);
    const char *row = strstr(text, "theta after");
    assert_non_null(row);
    for (int i = 0; i < 7; i++) {                               /* s, then g, before, after: 3 numbers each */
        double x[9];
        row = strchr(row, '\n') + 1;
        assert_int_equal(sscanf(row + 5, "%lf %lf %lf %lf %lf %lf %lf %lf %lf", &x[0], &x[1], &x[2], &x[3], &x[4],
                                &x[5], &x[6], &x[7], &x[8]), 9);
        for (int a = 0; a < 3; a++) assert_near(x[6 + a], first->theta[3 * i + a], 0.51e-4);
    }
    double sum = 0, L = NAN, beta = NAN;                        /* L is the mean of gain less price */
    row = strchr(strstr(text, "r_t = pi/pi_old"), '\n') + 1;
    for (int i = 0; i < 8; i++, row = strchr(row, '\n') + 1) {
        double x[5];
        assert_int_equal(sscanf(row, "%lf %lf %lf %lf %lf", &x[0], &x[1], &x[2], &x[3], &x[4]), 5);
        assert_near(x[2], x[0] * x[1], 2e-5);
        assert_near(x[4], c.beta * x[3], 4e-6);
        sum += (x[2] - x[4]) / 8;
    }
    assert_int_equal(sscanf(row, "PPO-20 r_t A_t - beta KL(pi_old||pi); L, its mean: %lf", &L), 1);
    assert_near(L, sum, 2e-5);
    assert_non_null(strstr(text, "PPO-22"));
    assert_int_equal(sscanf(strstr(text, "beta <- "), "beta <- %lf", &beta), 1);
    assert_true(beta == 2 || beta == 4 || beta == 8);
    run_free(first);
    env_free(e);
    free(text);
}

/* A sample alone has no standard deviation, and M > N T no samples: refused before anything is made of it */
static const struct { int workers, n_steps, minibatch, normalise, status; const char *says; } refused[] = {
    { 2, 4, 1, PPO_NORMALISE_MINIBATCH, 2, "normalise=off" }, { 2, 4, 7, PPO_NORMALISE_MINIBATCH, 2, "normalise=off" },
    { 1, 1, 1, PPO_NORMALISE_BATCH, 2, "normalise=off" }, { 2, 4, 9, PPO_NORMALISE_OFF, 2, "at most workers" },
    { 2, 4, 1, PPO_NORMALISE_OFF, 99, "" }, { 2, 4, 7, PPO_NORMALISE_BATCH, 99, "" },
    { 2, 4, 6, PPO_NORMALISE_MINIBATCH, 99, "" }, { 2, 4, 8, PPO_NORMALISE_MINIBATCH, 99, "" },
    { 2, 4, 8, PPO_NORMALISE_OFF, 2, "KL_min of at most KL_max" } };

static void train_refused(int k)
{
    ppo_penalty_config c = ppo_penalty_defaults;
    c.workers = refused[k].workers, c.n_steps = refused[k].n_steps, c.minibatch = refused[k].minibatch;
    c.normalise = refused[k].normalise;
    if (k == 8) c.adapt = PPO_ADAPT_BOUNDS, c.KL_min = 2 * c.KL_max;
    ppo_penalty(run_new("ppo_penalty", make("E5x", 0), 1, 10), &c);
}

static void refusals(void **state)
{
    (void)state;
    for (int k = 0; k < 9; k++) {
        struct ending end = run_child(train_refused, k);
        assert_true(WIFEXITED(end.status));
        assert_int_equal(WEXITSTATUS(end.status), refused[k].status);
        assert_non_null(strstr(end.err, refused[k].says));
    }
}

static void learns(void **state)
{
    (void)state;
    ppo_penalty_config c = ppo_penalty_defaults;
    c.gamma = 0.9;
    c.lr = c.lr_V = 1e-2;
    c.hidden = (widths){ 0 };
    env *e = make("chain:5", 0);
    run *trained = run_new("ppo_penalty", e, 1, 10000);
    ppo_penalty(trained, &c);
    assert_true(trained->return_mean == 1 && trained->episodes > 1000);
    run_free(trained);
    env_free(e);
}

/* A fixed beta stays what it is, 0 too, which is no penalty at all. */
static void fixed_beta(void **state)
{
    (void)state;
    for (int k = 0; k < 2; k++) {
        ppo_penalty_config c = ppo_penalty_defaults;
        char folder[256];
        double beta[MOST];
        c.hidden = (widths){ 1, { 4 } };
        c.workers = 1, c.n_steps = c.minibatch = 16, c.epochs = 2, c.adapt = PPO_ADAPT_OFF, c.beta = k ? 1e-12 : 0;
        train_in(new_folder(folder, "fixed"), "CartPole-v1", 50, &c, 4 * 16, false);
        int rows = column(folder, "beta", beta);
        assert_int_equal(rows, 4);
        for (int i = 0; i < rows; i++) assert_true(beta[i] == c.beta);
        remove_folder(folder);
    }
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(objective), cmocka_unit_test(rules), cmocka_unit_test(gradients),
        cmocka_unit_test(at_theta_old), cmocka_unit_test(measured), cmocka_unit_test(options),
        cmocka_unit_test(beta_walks), cmocka_unit_test(beta_stays_a_number), cmocka_unit_test(penalty_holds),
        cmocka_unit_test(explained), cmocka_unit_test(refusals), cmocka_unit_test(learns),
        cmocka_unit_test(fixed_beta) };
    if (argc > 1) cmocka_set_test_filter(argv[1]);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
