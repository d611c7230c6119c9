/* PPO: its surrogates case by case, its gradient, KL estimates and samples against plain loops, and whole training
 * runs, with every option, against the same updates done by hand in long double.
 *     test_ppo [pattern]       runs the tests whose names match */
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
#include <gsl/gsl_integration.h>

#include "algorithms/kl_estimates.h"
#include "algorithms/ppo_clip.h"
#include "tests/child_process.h"
#include "tests/ppo_by_hand.h"

/* ---- the equations ---- */

/* PPO-5, PPO-6   what L is worth, and its slope in r, case by case: nothing to gain above 1 + eps where A > 0, below
 * 1 - eps where A < 0 */
static double L_by_cases(double r, double A, double eps)
{
    if (A >= 0) return r > 1 + eps ? (1 + eps) * A : r * A;
    return r < 1 - eps ? (1 - eps) * A : r * A;
}

static double slope_by_cases(double r, double A, double eps)
{
    return (A > 0 && r > 1 + eps) || (A < 0 && r < 1 - eps) ? 0 : A;
}

/* The grid of ratio x sign(A), and slopes through the mean; ERR-60's line differs where A < 0 and r is outside. */
static void surrogate_table(void **state)
{
    (void)state;
    const double ratios[] = { 0.01, 0.5, 0.75, 0.85, 0.95, 1, 1.05, 1.15, 1.25, 1.5, 4 }, epss[] = { 0.1, 0.2, 0.3 };
    ad_tape *t = ad_tape_new();
    for (int k = 0; k < 3 * 11 * 5; k++) {
        double eps = epss[k % 3], r[2] = { ratios[k / 3 % 11], 1 }, A[2] = { k / 33 - 2, 3 };
        ad x = ad_input(t, r, 2, 1), a = ad_input(t, A, 2, 1);
        ad L[] = { ppo_L_clip(x, a, eps), ppo_L_g(x, a, eps), ppo_L_CPI(x, a) };
        for (int i = 0; i < 3; i++) {
            bool clips = i < 2;
            double value = clips ? L_by_cases(r[0], A[0], eps) : r[0] * A[0];
            assert_near(ad_scalar(L[i]), (value + 3) / 2, 2e-15);
            const double *g = ad_value(ad_grad(L[i], x));
            assert_near(g[0], (clips ? slope_by_cases(r[0], A[0], eps) : A[0]) / 2, 1e-15);
            assert_near(g[1], 1.5, 1e-15);
        }
        double outside = fmin(r[0], fmin(fmax(r[0], 1 - eps), 1 + eps)) * A[0], right = L_by_cases(r[0], A[0], eps);
        if (A[0] >= 0) assert_near(outside, right, 1e-15);
        else if (fabs(r[0] - 1) > eps) assert_true(outside > right + 0.04);
    }
    ad_tape_free(t);
}

/* PPO-4   g's form is the same to the bit. PPO-8: never above r A. */
static void forms_agree(void **state)
{
    (void)state;
    enum { N = 100000 };
    gsl_rng *rng = random_stream(1, 0, RANDOM_TEST);
    ad_tape *t = ad_tape_new();
    for (int k = 0; k < N; k++) {
        double r = exp(gsl_ran_gaussian(rng, 0.4)), A = gsl_ran_gaussian(rng, 2), eps = 0.5 * gsl_rng_uniform(rng);
        ad_mark start = ad_here(t);
        ad x = ad_input(t, &r, 1, 1), a = ad_input(t, &A, 1, 1);
        double clip = ad_scalar(ppo_L_clip(x, a, eps));
        assert_true(clip == ad_scalar(ppo_L_g(x, a, eps)));
        assert_true(clip <= ad_scalar(ppo_L_CPI(x, a)));
        assert_true(ad_scalar(ppo_g(eps, a)) == (A < 0 ? 1 - eps : 1 + eps) * A);
        ad_reset(t, start);
    }
    gsl_rng_free(rng);
    ad_tape_free(t);
}

/* PPO-15's parts; V's clipping takes the greater error, whichever side V is on. */
static void objective_parts(void **state)
{
    (void)state;
    ad_tape *t = ad_tape_new();
    const double R[] = { 1, 1, 1, 1 }, old[] = { 0, 0, 0, 2 }, V[] = { 0.1, 0.9, -0.9, 1.5 };
    const double near_V[] = { 0.1, 0.2, -0.2, 1.8 };
    double plain = 0, clipped = 0;
    for (int i = 0; i < 4; i++) {
        plain += (V[i] - R[i]) * (V[i] - R[i]) / 4;
        clipped += fmax((V[i] - R[i]) * (V[i] - R[i]), (near_V[i] - R[i]) * (near_V[i] - R[i])) / 4;
    }
    ad v = ad_input(t, V, 4, 1), target = ad_input(t, R, 4, 1);
    ad L_VF = ppo_L_VF_clip(v, ad_input(t, old, 4, 1), target, 0.2);
    const double *g = ad_value(ad_grad(L_VF, v)), *g0 = ad_value(ad_grad(ppo_L_VF(v, target), v));
    const double want[] = { -0.45, 0, -0.95, 0 };               /* .9 is nearer to R than what is clipped: flat */
    for (int i = 0; i < 4; i++) {
        assert_near(g[i], want[i], 1e-15);
        assert_near(g0[i], 2 * (V[i] - R[i]) / 4, 1e-15);
    }
    assert_near(ad_scalar(ppo_L_VF(v, target)), plain, 1e-15);
    assert_near(ad_scalar(L_VF), clipped, 1e-15);
    ad one = ad_constant(t, 3, 1, 1), two = ad_constant(t, 5, 1, 1), three = ad_constant(t, 7, 1, 1);
    assert_near(ad_scalar(ppo_objective(one, two, three, 0.5, 0.1)), 3 - 2.5 + 0.7, 1e-15);
    ad_tape_free(t);
}

/* ---- the KL estimates, over all that can be drawn ---- */

static void kl_of_categorical(void **state)
{
    (void)state;
    const double p[] = { 0.5, 0.3, 0.15, 0.05 }, q[] = { 0.2, 0.4, 0.1, 0.3 };
    long double kl = 0, E[3] = { 0 }, second = 0;
    for (int a = 0; a < 4; a++) {
        double old = log(p[a]), new = log(q[a]);
        kl += p[a] * logl((long double)p[a] / q[a]);
        second += p[a] * powl(logl((long double)q[a] / p[a]), 2) / 2;
        E[0] += p[a] * kl_k1(1, &old, &new);
        E[1] += p[a] * kl_k2(1, &old, &new);
        E[2] += p[a] * kl_k3(1, &old, &new);
        assert_true(kl_k2(1, &old, &new) >= 0 && kl_k3(1, &old, &new) >= 0);
    }
    assert_near((double)E[0], (double)kl, 1e-15);
    assert_near((double)E[2], (double)kl, 1e-15);
    assert_near((double)E[1], (double)second, 1e-15);
    assert_true(fabsl(E[1] - kl) > 0.02L);                      /* k2's bias */
    double old[2] = { log(0.5), log(0.3) }, new[2] = { log(0.2), log(0.4) };
    assert_near(kl_k1(2, old, new), (log(2.5) - log(4 / 3.0)) / 2, 1e-15);      /* a mean */
    assert_true(kl_k1(1, old + 1, new + 1) < 0);                /* a single k1 may be negative */
}

/* Two Gaussians, E by Gauss and Hermite; k2's bias is of third order: 8 times less at half the distance */
static void kl_of_gaussian(void **state)
{
    (void)state;
    gsl_integration_fixed_workspace *w = gsl_integration_fixed_alloc(gsl_integration_fixed_hermite, 60, 0, 0.5, 0, 0);
    const double *x = gsl_integration_fixed_nodes(w), *weight = gsl_integration_fixed_weights(w);
    double bias[2];
    for (int k = 0; k < 2; k++) {
        double mean = k ? 0.1 : 0.2, sd = exp(k ? -0.1 : -0.2);
        double kl = log(sd) + (1 + mean * mean) / (2 * sd * sd) - 0.5, E[3] = { 0 };
        for (int i = 0; i < 60; i++) {
            double P = weight[i] / sqrt(2 * acos(-1)), old = -x[i] * x[i] / 2;
            double new = -(x[i] - mean) * (x[i] - mean) / (2 * sd * sd) - log(sd);
            E[0] += P * kl_k1(1, &old, &new);
            E[1] += P * kl_k2(1, &old, &new);
            E[2] += P * kl_k3(1, &old, &new);
        }
        assert_near(E[0], kl, 1e-13);
        assert_near(E[2], kl, 1e-13);
        bias[k] = E[1] - kl;
    }
    assert_true(fabs(bias[0]) > 1e-4 && bias[0] / bias[1] > 6 && bias[0] / bias[1] < 11);
    gsl_integration_fixed_free(w);
}

/* ---- by hand ---- */

static number hand_J_clip(const void *context, const number *w)         /* w = (theta, phi) */
{
    const struct hand_J *h = context;
    number J = 0, V;
    for (int i = 0; i < h->M; i++) {
        int k = h->which[i];
        const double *s = h->b->s + k * h->b->d;
        long double A = h->normed[i];
        number ratio = cexpl(hand_logp(h->p, w, s, h->b->a + k * h->b->k) - h->logp_old[k]);
        if (h->kind != PPO_CPI && A >= 0 && creall(ratio) > 1 + h->eps) ratio = 1 + h->eps;
        if (h->kind != PPO_CPI && A < 0 && creall(ratio) < 1 - h->eps)  ratio = 1 - h->eps;
        hand_network(h->f, w + h->p->n, s, &V);
        number error = (V - h->R[k]) * (V - h->R[k]), moved = V - h->V_old[k];
        if (h->eps_V > 0 && fabsl(creall(moved)) > h->eps_V) {
            number near_R = h->V_old[k] + (creall(moved) > 0 ? h->eps_V : -h->eps_V) - h->R[k];
            if (creall(near_R * near_R) > creall(error)) error = near_R * near_R;
        }
        J += ratio * A - h->c1 * error + h->c2 * hand_entropy(h->p, w, s);
    }
    return J / h->M;
}

/* Cases of all kinds, and the settings that say the same */
static ppo_clip_config any_clip(struct any *x, int k, double off)
{
    any_new(x, hand_J_clip, k, off);
    x->h.kind = k % 3, x->h.eps = k % 4 ? 0.2 : 0.1, x->h.eps_V = k % 5 < 2 ? 0.4 : 0;
    return (ppo_clip_config){ .objective = x->h.kind, .eps = x->h.eps, .eps_V = x->h.eps_V, .c1 = x->h.c1,
                              .c2 = x->h.c2 };
}

static void gradients(void **state)
{
    (void)state;
    static struct any x;
    int clipped = 0;
    for (int k = 0; k < 24; k++) {
        double g[MOST];
        const ppo_clip_config c = any_clip(&x, k, 0.1);
        ppo_gradient(x.t, &c, &x.p, &x.f, x.w, x.w + x.p.n, x.D, g);
        assert_gradient(&x, g);
        clipped += ppo_measure(x.t, &c, &x.p, x.w, x.D).clip_fraction > 0.2;
        any_free(&x);
    }
    assert_true(clipped >= 12);
}

/* PPO-1, PPO-8   At theta_old r = 1, and the gradient of each L is the policy gradient, mean of A grad log pi. */
static void at_theta_old(void **state)
{
    (void)state;
    static struct any x;
    for (int k = 0; k < 12; k++) {
        double g[MOST];
        long double at[MOST], want[MOST], w[MOST], size = 0;
        ppo_clip_config c = any_clip(&x, k, 0);
        c.c1 = c.c2 = 0;
        ad theta = ad_input(x.t, x.w, x.p.n, 1), s = ad_input(x.t, x.D->s, T, x.p.d);
        const double *r = ad_value(ppo_ratio(policy_logp(x.t, &x.p, theta, s, x.D->a, x.D->index),
                                             ad_input(x.t, x.D->logp_old, T, 1)));
        for (int i = 0; i < T; i++) assert_near(r[i], 1, 1e-13);
        for (int i = 0; i < T; i++) w[i] = x.h.A[i] / T;
        for (int i = 0; i < x.p.n; i++) at[i] = x.w[i];
        ppo_gradient(x.t, &c, &x.p, &x.f, x.w, x.w + x.p.n, x.D, g);
        hand_gradient(x.p.n, at, hand_objective, &(struct hand_objective){ &x.p, x.b, w }, want);
        for (int i = 0; i < x.p.n; i++) size = fmaxl(size, fabsl(want[i]));
        for (int i = 0; i < x.p.n; i++) assert_near(g[i], (double)want[i], 1e-13 * (double)size);
        any_free(&x);
    }
}

/* A8, A9 of the bug zoo: along the gradient of c2 S the entropy rises */
static void entropy_rises(void **state)
{
    (void)state;
    static struct any x;
    for (int k = 0; k < 4; k++) {
        double g[MOST], H[2] = { 0 };
        ppo_clip_config c = any_clip(&x, k, 0);
        c.c1 = 0, c.c2 = 0.5, c.objective = PPO_CLIP;
        for (int i = 0; i < T; i++) x.D->A[i] = 0;
        ppo_gradient(x.t, &c, &x.p, &x.f, x.w, x.w + x.p.n, x.D, g);
        for (int j = 0; j < 2; j++) {
            number at[MOST];
            for (int i = 0; i < x.p.n; i++) at[i] = x.w[i] + j * 0.01 * g[i];
            for (int i = 0; i < T; i++) H[j] += (double)creall(hand_entropy(&x.p, at, x.b->s + i * x.p.d));
        }
        assert_true(H[1] > H[0] + 1e-5);
        any_free(&x);
    }
}

static void measured(void **state)
{
    (void)state;
    static struct any x;
    for (int k = 0; k < 12; k++) {
        const ppo_clip_config c = any_clip(&x, k, 0.1);
        ppo_measured m = ppo_measure(x.t, &c, &x.p, x.w, x.D);
        number new[MOST];
        int outside = 0;
        for (int i = 0; i < MOST; i++) new[i] = x.w[i];
        for (int i = 0; i < T; i++) {
            long double logp = creall(hand_logp(&x.p, new, x.b->s + i * x.p.d, x.b->a + i * x.p.k));
            outside += fabsl(expl(logp - x.h.logp_old[i]) - 1) > c.eps;
        }
        assert_measured(&x, (double[]){ m.kl_exact, m.kl_k1, m.kl_k2, m.kl_k3, m.entropy, m.L });
        assert_near(m.clip_fraction, outside / (double)T, 1e-15);
        assert_true(outside > 0);
        any_free(&x);
    }
}

/* ---- samples ---- */

/* Each order of 3 about equally often: 5 degrees of freedom, 1 in 10^6 above 36. Parts of an order take each sample
 * once, all of its columns from one row. */
static void each_sample_once(void **state)
{
    (void)state;
    static struct any x;
    gsl_rng *rng = random_stream(1, 0, RANDOM_UPDATE);
    int order[T], found[27] = { 0 }, seen[T] = { 0 };
    double chi2 = 0;
    for (int i = 0; i < 6000; i++) {
        samples_shuffle(rng, 3, order);
        found[order[0] + 3 * order[1] + 9 * order[2]]++;
    }
    for (int i = 0; i < 27; i++)
        if (i % 3 != i / 3 % 3 && i % 3 != i / 9 && i / 3 % 3 != i / 9) chi2 += pow(found[i] - 1000, 2) / 1000;
        else assert_int_equal(found[i], 0);
    assert_true(chi2 < 36);
    for (int k = 0; k < 2; k++) {
        any_clip(&x, k, 0);
        samples *m = samples_new(&x.p, 5);
        memset(seen, 0, sizeof seen);
        samples_shuffle(rng, T, order);
        for (int i = 0; i < T; i += 5) {
            samples_gather(m, x.D, order + i, T - i < 5 ? T - i : 5);
            assert_int_equal(m->T, i < 10 ? 5 : 2);
            for (int j = 0; j < m->T; j++) {
                int at = order[i + j];
                seen[at]++;
                assert_memory_equal(m->s + j * m->d, x.b->s + at * m->d, (size_t)m->d * sizeof *m->s);
                assert_memory_equal(m->a + j * m->k, x.b->a + at * m->k, (size_t)m->k * sizeof *m->a);
                assert_memory_equal(m->pi_old + j * m->m, x.D->pi_old + at * m->m, (size_t)m->m * sizeof *m->a);
                if (m->index) assert_int_equal(m->index[j], x.b->index[at]);
                assert_true(m->logp_old[j] == x.D->logp_old[at] && m->V_old[j] == x.D->V_old[at]);
                assert_true(m->A[j] == x.D->A[at] && m->R[j] == x.D->R[at]);
            }
        }
        for (int i = 0; i < T; i++) assert_int_equal(seen[i], 1);
        samples_free(m);
        any_free(&x);
    }
    gsl_rng_free(rng);
}

/* ---- whole runs ---- */

static ppo_clip_config option(int k)
{
    const struct hand_settings c = hand_option(k);
    return (ppo_clip_config){ .workers = c.workers, .n_steps = c.n_steps, .epochs = c.epochs,
                              .minibatch = c.minibatch, .objective = k % 5 < 3 ? PPO_CLIP : k % 5 - 2,
                              .eps = k % 2 ? 0.02 : 0.05, .gamma = c.gamma, .lambda = c.lambda,
                              .normalise = c.normalise, .c1 = k % 5 / 4.0, .c2 = k % 2 ? 0.05 : 0,
                              .eps_V = k % 4 == 1 ? 0.01 : 0, .target_kl = c.target_kl, .lr = c.lr, .lr_V = c.lr_V,
                              .adam_eps = c.adam_eps, .clip_norm = c.clip_norm, .joint = c.joint,
                              .anneal_steps = c.anneal_steps, .anneal_eps = k % 7 == 0,
                              .hidden = { k % 3, { 4, 3 } }, .activation = k % 2 ? AD_TANH : AD_RELU };
}

static double last_number(const char *folder, const char *name)
{
    double x[MOST];
    return x[column(folder, name, x) - 1];
}

/* Returns how many updates had fewer epochs than K. */
static int same_clip_run(const char *id, int limit, const ppo_clip_config *c, long steps)
{
    char folder[256];
    long double beta;
    long epochs;
    env *e = make(id, limit);
    const struct hand_run r = { ppo_clip, c, HAND_SETTINGS(c, c->target_kl), ppo_clip_policy(e, c),
        { .J = hand_J_clip, .kind = c->objective, .c1 = c->c1, .c2 = c->c2, .eps = c->eps, .eps_V = c->eps_V },
        c->anneal_eps, NULL };
    int stopped = same_run(&r, id, limit, steps, folder, &beta, &epochs);
    assert_true(last_number(folder, "epochs") == (double)epochs);
    remove_folder(folder);
    env_free(e);
    return stopped;
}

static void options(void **state)
{
    (void)state;
    const char *id[] = { "E5x", "CartPole-v1", "lqr", "FrozenLake-v1" };
    const int limit[] = { 0, 5, 4, 9 };
    int stopped = 0;
    for (int k = 0; k < 24; k++) {
        ppo_clip_config c = option(k);
        stopped += same_clip_run(id[k * 7 / 4 % 4], limit[k * 7 / 4 % 4], &c, 36);
    }
    assert_true(stopped >= 2);
}

/* PPO-11   With M = N T an epoch is a step: before the last one the KL is within 1.5 target_kl, after it not. */
static void stops_early(void **state)
{
    (void)state;
    for (int k = 0; k < 2; k++) {
        const char *id = k ? "lqr" : "CartPole-v1";
        char folder[256];
        ppo_clip_config c = option(0), fixed;
        c.workers = 2, c.n_steps = c.minibatch = 32, c.minibatch *= 2, c.epochs = 200, c.target_kl = 2e-3;
        c.objective = PPO_CPI, c.normalise = PPO_NORMALISE_BATCH;
        double kl[3];
        long done = 0;
        for (int i = 0; i < 3; i++) {                   /* stopped; as many epochs; one less */
            fixed = c;
            if (i > 0) fixed.target_kl = 0, fixed.epochs = done + 1 - i;
            run_in(new_folder(folder, "early"), ppo_clip, &fixed, id, 30, 64, false);
            kl[i] = last_number(folder, "kl_exact");
            if (i == 0) done = (long)last_number(folder, "epochs");
            remove_folder(folder);
        }
        assert_true(done > 2 && done < 200);
        assert_true(kl[0] == kl[1] && kl[0] > 1.5 * c.target_kl && kl[2] <= 1.5 * c.target_kl);
    }
}

/* L is the mean of the lesser products. */
static void explained(void **state)
{
    (void)state;
    ppo_clip_config c = ppo_clip_defaults;
    c.hidden = (widths){ 0 };
    c.workers = 2, c.n_steps = 4, c.minibatch = 3;
    char *text = NULL;
    assert_explained(ppo_clip_explain, ppo_clip, &c, &text);
    double sum = 0, L = NAN;
    const char *row = strchr(strstr(text, "ratio_t = pi/pi_old"), '\n') + 1;
    for (int i = 0; i < 8; i++, row = strchr(row, '\n') + 1) {
        double x[4];
        assert_int_equal(sscanf(row, "%lf %lf %lf %lf", &x[0], &x[1], &x[2], &x[3]), 4);
        assert_near(x[2], x[0] * x[1], 2e-5);
        sum += fmin(x[2], x[3]) / 8;
    }
    assert_int_equal(sscanf(row, "PPO-2 min of both; L, its mean: %lf", &L), 1);
    assert_near(L, sum, 2e-5);
    free(text);
}

/* A sample alone has no standard deviation, and M > N T no samples: refused before anything is made of it */
static const struct { int workers, n_steps, minibatch, normalise, status; const char *says; } refused[] = {
    { 2, 4, 1, PPO_NORMALISE_MINIBATCH, 2, "normalise=off" },
    { 2, 4, 7, PPO_NORMALISE_MINIBATCH, 2, "normalise=off" },
    { 1, 1, 1, PPO_NORMALISE_BATCH, 2, "normalise=off" },
    { 2, 4, 9, PPO_NORMALISE_OFF, 2, "at most workers * n_steps" },
    { 2, 4, 1, PPO_NORMALISE_OFF, 99, "" }, { 2, 4, 7, PPO_NORMALISE_BATCH, 99, "" },
    { 2, 4, 6, PPO_NORMALISE_MINIBATCH, 99, "" }, { 2, 4, 8, PPO_NORMALISE_MINIBATCH, 99, "" } };

static void train_refused(int k)
{
    ppo_clip_config c = ppo_clip_defaults;
    c.workers = refused[k].workers, c.n_steps = refused[k].n_steps, c.minibatch = refused[k].minibatch;
    c.normalise = refused[k].normalise;
    ppo_clip(run_new("ppo_clip", make("E5x", 0), 1, 10), &c);
}

static void refusals(void **state)
{
    (void)state;
    for (int k = 0; k < 8; k++) {
        struct ending end = run_child(train_refused, k);
        assert_true(WIFEXITED(end.status));
        assert_int_equal(WEXITSTATUS(end.status), refused[k].status);
        assert_non_null(strstr(end.err, refused[k].says));
    }
}

static void learns(void **state)
{
    (void)state;
    ppo_clip_config c = ppo_clip_defaults;
    c.gamma = 0.9;
    c.lr = c.lr_V = 1e-2;
    c.hidden = (widths){ 0 };
    env *e = make("chain:5", 0);
    run *trained = run_new("ppo_clip", e, 1, 10000);
    ppo_clip(trained, &c);
    assert_true(trained->return_mean == 1 && trained->episodes > 1000);
    run_free(trained);
    env_free(e);
}

/* PPO-11   The KL is that of the whole batch, whatever the last minibatch was: of k epochs the k-th is the first
 * after which it is beyond 1.5 target_kl. */
static void stops_by_the_whole_batch(void **state)
{
    (void)state;
    int between = 0;
    for (int k = 0; k < 12; k++) {
        char folder[256];
        ppo_clip_config c = option(0), fixed;
        c.workers = 2, c.n_steps = 16, c.minibatch = 4, c.epochs = 12, c.target_kl = 5e-4 * (k + 1);
        c.normalise = PPO_NORMALISE_BATCH, c.anneal_steps = 0, c.anneal_eps = 0, c.lr = 3e-3;
        double kl[3];
        long done = 0;
        for (int i = 0; i < 3; i++) {                   /* stopped; as many epochs; one less */
            fixed = c;
            if (i > 0) fixed.target_kl = 0, fixed.epochs = done + 1 - i;
            if (fixed.epochs == 0) continue;
            run_in(new_folder(folder, "whole_batch"), ppo_clip, &fixed, "CartPole-v1", 30, 32, false);
            kl[i] = last_number(folder, "kl_exact");
            if (i == 0) done = (long)last_number(folder, "epochs");
            remove_folder(folder);
        }
        assert_true(kl[0] == kl[1]);
        assert_true(done == c.epochs || kl[0] > 1.5 * c.target_kl);
        assert_true(done == 1 || kl[2] <= 1.5 * c.target_kl);
        between += done > 1 && done < c.epochs;
    }
    assert_true(between >= 6);
}

/* What is shown of an annealed clip range is of that range: L_CPI trains without one, so that the last update's
 * eps (1 - 32/128) alone shows the same. */
static void shows_the_annealed_range(void **state)
{
    (void)state;
    int narrower = 0;
    for (int k = 0; k < 8; k++) {
        double outside[3], eps = ldexp(1, -k);
        for (int i = 0; i < 3; i++) {                   /* annealed; what it ends with; what it begins with */
            char folder[256];
            ppo_clip_config c = option(0);
            c.workers = 2, c.n_steps = 16, c.minibatch = 8, c.epochs = 8, c.objective = PPO_CPI, c.lr = 0.03;
            c.target_kl = 0, c.anneal_steps = 128, c.anneal_eps = i == 0, c.eps = i == 1 ? 0.75 * eps : eps;
            run_in(new_folder(folder, "annealed"), ppo_clip, &c, "CartPole-v1", 30, 64, false);
            outside[i] = last_number(folder, "clip_fraction");
            remove_folder(folder);
        }
        assert_true(outside[0] == outside[1]);
        narrower += outside[0] > outside[2];
    }
    assert_true(narrower >= 2);
}

/* Clip ranges that fall to nothing in no time */
static void train_with_eps_alone(int alone)
{
    ppo_clip_config c = ppo_clip_defaults;
    c.anneal_eps = 1, c.anneal_steps = alone ? 0 : 100;
    ppo_clip_check(&c);
}

static void annealing_alone(void **state)
{
    (void)state;
    struct ending end = run_child(train_with_eps_alone, 1);
    assert_true(WIFEXITED(end.status) && WEXITSTATUS(end.status) == 2 && strstr(end.err, "anneal_steps"));
    end = run_child(train_with_eps_alone, 0);
    assert_true(WIFEXITED(end.status) && WEXITSTATUS(end.status) == 99);
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(surrogate_table), cmocka_unit_test(forms_agree), cmocka_unit_test(objective_parts),
        cmocka_unit_test(kl_of_categorical), cmocka_unit_test(kl_of_gaussian), cmocka_unit_test(gradients),
        cmocka_unit_test(at_theta_old), cmocka_unit_test(entropy_rises), cmocka_unit_test(measured),
        cmocka_unit_test(each_sample_once), cmocka_unit_test(options), cmocka_unit_test(stops_early),
        cmocka_unit_test(explained), cmocka_unit_test(refusals), cmocka_unit_test(learns),
        cmocka_unit_test(stops_by_the_whole_batch), cmocka_unit_test(shows_the_annealed_range),
        cmocka_unit_test(annealing_alone) };
    if (argc > 1) cmocka_set_test_filter(argv[1]);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
