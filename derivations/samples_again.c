/* Samples of an earlier policy, used again: why PPO throws them away, and what weights of whole trajectories make of
 * them. 000 (l.256), 001 (l.40), 002 (l.304). */
#include <float.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "algorithms/ppo_clip.h"
#include "autodiff/require.h"
#include "derivations/agent.h"
#include "derivations/small_problem.h"

/* ---- PPO-27: E over the batch of the gradient at theta of PPO's surrogate, A exact: fresh samples, or pi's ---- */

struct batch { const finite_horizon *f; agent *b; const double *logp_old; };

/* PPO-27   sum_t gamma^t A_t grad r_t = T grad L_CPI with A_t weighted */
static void surrogate_gradient(void *context, const traj *tau, double *g)
{
    const struct batch *d = context;
    agent *b = d->b;
    double logp_old[FINITE_HORIZON], A[FINITE_HORIZON], gamma_t = 1;
    int n = d->f->policy->n, nA = d->f->policy->nA;
    memset(g, 0, (size_t)n * sizeof *g);
    if (tau->T == 0) return;
    agent_sees(b, tau);
    for (int t = 0; t < tau->T; t++, gamma_t *= d->f->gamma) {
        logp_old[t] = d->logp_old[tau->s[t] * nA + tau->a[t]];
        A[t] = tau->T * gamma_t * (finite_Q(d->f, t, tau->s[t], tau->a[t]) - finite_V(d->f, t, tau->s[t]));
    }
    ad_mark start = ad_here(b->t);
    ad x = ad_input(b->t, b->theta, b->pi.n, 1), s = ad_input(b->t, b->tau->s, tau->T, b->pi.d);
    ad logp = policy_logp(b->t, &b->pi, x, s, b->tau->a, b->tau->index);
    ad L = ppo_L_CPI(ppo_ratio(logp, ad_input(b->t, logp_old, tau->T, 1)), ad_input(b->t, A, tau->T, 1));
    memcpy(g, ad_value(ad_grad(L, x)), (size_t)n * sizeof *g);
    ad_reset(b->t, start);
}

/* The samples drawn by `who` */
static double mean_surrogate_gradient(const setting *x, const exact *who, double *g)
{
    finite_horizon *f = small_new(x);
    struct batch d = { f, agent_new(&x->pi->policy, x->pi->theta, f->H), who->logpi };
    enumerate_moments(f->M, who->pi, f->H, surrogate_gradient, &d, x->pi->n, g, NULL);
    agent_free(d.b);
    finite_free(f);
    return 0;
}

static double fresh(const setting *x, double *g) { return mean_surrogate_gradient(x, x->pi, g); }
static double stale(const setting *x, double *g) { return mean_surrogate_gradient(x, x->pi1, g); }

static const char *no_ratio(const setting *x)
{
    const char *reason = small_not_applicable(x);
    if (reason) return reason;
    for (int i = 0; i < x->pi->nSA; i++)
        if (!(fabs(x->pi->logpi[i] - x->pi1->logpi[i]) < 50)) return "one policy never does what the other does";
    return NULL;
}

/* ---- IS-4: one behaviour policy, pi; six policies on the way from pi to pi' ---- */

enum { UPDATES = 6 };

struct reuse { const finite_horizon *f; const exact *old; double *logpi[UPDATES]; };

/* u N H of each of H rewards, and what the weights' logs are off by */
static double unit_reuse(const setting *x)
{
    finite_horizon *f = small_new(x);
    double unit = DBL_EPSILON * fmax(x->pi->nS, 4) * f->H * f->H * finite_scale(f);
    finite_free(f);
    return unit * fmax(small_size_of_logs(x, x->pi), small_size_of_logs(x, x->pi1));
}

/* The small problem under theta_k = theta + k/5 (theta' - theta) */
static finite_horizon *updated(const finite_horizon *f, const setting *x, int k)
{
    char error[256];
    double *theta = allocate((size_t)x->pi->n, sizeof *theta, "theta");
    for (int i = 0; i < x->pi->n; i++)
        theta[i] = x->pi->theta[i] + k * (x->pi1->theta[i] - x->pi->theta[i]) / (UPDATES - 1);
    finite_horizon *at = finite_new(f->M, f->gamma, f->policy, theta, f->H, error, sizeof error);
    require(at, "%s", error);
    free(theta);
    return at;
}

static int n_updates(const setting *x) { (void)x; return UPDATES; }

static double by_own_samples(const setting *x, double *out)
{
    finite_horizon *f = small_new(x);
    for (int k = 0; k < UPDATES; k++) {
        finite_horizon *at = updated(f, x, k);
        out[k] = at->x->J;
        finite_free(at);
    }
    double room = small_room(f, 1);
    finite_free(f);
    return room;
}

/* IS-4   E over pi's trajectories of prod_t pi_k/pi R(tau), and of the squares of the products behind them */
static void weighted_return(void *context, const traj *tau, double *out)
{
    const struct reuse *d = context;
    int nA = d->f->policy->nA;
    double R = 0, gamma_t = 1;
    for (int t = 0; t < tau->T; t++, gamma_t *= d->f->gamma) R += gamma_t * tau->r[t];
    for (int k = 0; k < UPDATES; k++) {
        double log_w = 0;
        for (int t = 0; t < tau->T; t++) {
            int i = tau->s[t] * nA + tau->a[t];
            log_w += d->logpi[k][i] - d->old->logpi[i];
        }
        out[k] = exp(log_w) * R;
        out[UPDATES + k] = exp(2 * log_w);
    }
}

/* ERR-27: J(pi) + E of sum_t gamma^t pi_k/pi(a_t|s_t) A(s_t,a_t): the states stay pi's */
static void ratio_of_actions(void *context, const traj *tau, double *out)
{
    const struct reuse *d = context;
    int nA = d->f->policy->nA;
    for (int k = 0; k < UPDATES; k++) {
        double gamma_t = 1;
        out[k] = d->f->x->J;
        for (int t = 0; t < tau->T; t++, gamma_t *= d->f->gamma) {
            int i = tau->s[t] * nA + tau->a[t];
            double A = finite_Q(d->f, t, tau->s[t], tau->a[t]) - finite_V(d->f, t, tau->s[t]);
            out[k] += gamma_t * exp(d->logpi[k][i] - d->old->logpi[i]) * A;
        }
    }
}

static void reused(const setting *x, estimator estimate, int n, double *out)
{
    finite_horizon *f = small_new(x);
    struct reuse d = { f, x->pi, { NULL } };
    for (int k = 0; k < UPDATES; k++) {
        finite_horizon *at = updated(f, x, k);
        d.logpi[k] = allocate((size_t)x->pi->nSA, sizeof *d.logpi[k], "log pi");
        memcpy(d.logpi[k], at->x->logpi, (size_t)x->pi->nSA * sizeof *d.logpi[k]);
        finite_free(at);
    }
    enumerate_moments(f->M, x->pi->pi, f->H, estimate, &d, n, out, NULL);
    for (int k = 0; k < UPDATES; k++) free(d.logpi[k]);
    finite_free(f);
}

static double by_weights(const setting *x, double *out)
{
    double both[2 * UPDATES];
    reused(x, weighted_return, 2 * UPDATES, both);
    memcpy(out, both, UPDATES * sizeof *out);
    return 0;
}

static double by_ratios(const setting *x, double *out)
{
    reused(x, ratio_of_actions, UPDATES, out);
    return 0;
}

static void page_of_reuse(const setting *x, FILE *out)
{
    double both[2 * UPDATES];
    reused(x, weighted_return, 2 * UPDATES, both);
    fprintf(out, "update     J   effective share of pi's samples, 1 / E[w^2]\n");
    for (int k = 0; k < UPDATES; k++)
        fprintf(out, "%6d  %8.4f   %.4f\n", k, both[k], 1 / both[UPDATES + k]);
    fprintf(out, "Unbiased for all of them, from one batch; but the more updates, the fewer samples count. Nothing in"
            "\nit explores: what pi never does has no sample.\n");
    small_page(x, out);
}

const derivation samples_again[] = {
    { "PPO-27", "PPO is on-policy: a fresh batch has the policy gradient, a kept one has not",
      "the gradient at theta", small_n, small_unit, no_ratio, NULL, {
        { "\\nabla_\\theta J_H(\\theta)", "the policy gradient theorem, in time", small_gradient },
        { "=E_{\\tau\\sim\\pi_\\theta}[\\sum_t\\gamma^t\\nabla r_t(\\theta)A_t]",
          "all trajectories of pi_theta, through the training code's surrogate; then they are thrown away", fresh },
        { "E_{\\tau\\sim\\pi'}[\\sum_t\\gamma^t\\nabla\\tfrac{\\pi_\\theta(a_t|s_t)}{\\pi'(a_t|s_t)}A_t]",
          "000 (l.256): samples of an earlier policy, corrected by the ratio of the actions; the states are not",
          stale, DIFFERS, "ERR-27" } },
      .page = small_page },
    { "IS-4", "with a fixed behaviour policy one batch serves many updates, if whole trajectories are weighted",
      "J_H after 0 .. 5 updates", n_updates, unit_reuse, no_ratio, NULL, {
        { "J_H(\\theta_k)", "each policy's own, solved backwards in time", by_own_samples },
        { "=E_{\\tau\\sim\\pi}[\\prod_t\\tfrac{\\pi_{\\theta_k}(a_t|s_t)}{\\pi(a_t|s_t)}R(\\tau)]",
          "all from the trajectories of one policy, weighted by the product of the ratios", by_weights },
        { "J_H(\\theta)+E_{\\tau\\sim\\pi}[\\sum_t\\gamma^t\\tfrac{\\pi_{\\theta_k}(a_t|s_t)}"
          "{\\pi(a_t|s_t)}A(s_t,a_t)]",
          "000 (l.256), eq (14): the ratio of the action corrects actions, not states: one batch serves one update,"
          " and no optimal policy follows", by_ratios, DIFFERS, "ERR-27" } },
      .page = page_of_reuse },
    { .id = NULL }
};
