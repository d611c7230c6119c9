/* The TD error: an unbiased estimate of the advantage, when it is made with V_pi and not with another V.
 * And the two targets for V: the return, which waits for the end, and one step with the value behind it.
 * 000 eq (10), (11), (l.213, l.215), 002 (l.106-107). */
#include "derivations/td_error.h"

#include <float.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "algorithms/psi.h"
#include "algorithms/returns.h"
#include "autodiff/linalg.h"
#include "autodiff/require.h"
#include "derivations/bellman.h"
#include "derivations/derivation.h"
#include "derivations/enumerate.h"
#include "derivations/estimate.h"
#include "derivations/policy_gradient_theorem.h"
#include "derivations/small_problem.h"

/* ERR-19's wrong critic: V_w(s) = V(s) + 0.1 s; the end is known to be worth 0. */
static double critic_error(const exact *x, int s) { return x->absorbing[s] ? 0 : 0.1 * s; }

/* TDA-2   E[delta | s, a] = sum_s' P(s'|s,a) [ r(s,a,s') + gamma V_w(s') - V_w(s) ] */
void td_error_mean(const exact *x, const double *V_w, double *delta)
{
    const mdp *M = x->M;
    for (int i = 0; i < x->nSA; i++) {
        delta[i] = 0;
        for (int k = M->row[i]; k < M->row[i + 1] && !x->absorbing[i / x->nA]; k++)
            delta[i] += M->P[k] * (M->R[k] + x->gamma * V_w[M->next[k]] - V_w[i / x->nA]);
    }
}

/* ---- TDA-1, on trajectories of the small problem of enumerate.h ---- */

static const char *no_small_problem(const setting *x) { return finite_small_reason(x->pi); }

static finite_horizon *small(const setting *x)
{
    const char *reason;
    return finite_small(x->pi, &reason);
}

/* Each from numbers of size W, exact to u N H W as a solution of the unrolled MDP */
static double unit_of_values(const setting *x)
{
    finite_horizon *f = small(x);
    double unit = DBL_EPSILON * fmax(x->pi->nS, 4) * f->H * finite_scale(f);
    finite_free(f);
    return unit;
}

/* TDA-1   gamma^t delta_t, delta_t = r_t + gamma V(s_{t+1}) - V(s_t) */
static void td_errors(const finite_horizon *f, const traj *tau, double *out)
{
    double V[FINITE_HORIZON + 1];
    for (int t = 0; t <= tau->T; t++) V[t] = finite_V(f, t, tau->s[t]);
    psi_td_residual(tau->T, tau->r, V, f->gamma, out);
}

/* What G_t is off from V(s_t) is what the TD errors from t on add up to; so a TD error is a difference of two. */
static void differences_of_surprises(const finite_horizon *f, const traj *tau, double *out)
{
    double G[FINITE_HORIZON + 1] = { 0 }, gamma_t = 1;
    returns_to_go(tau->T, tau->r, f->gamma, G);
    for (int t = 0; t < tau->T; t++, gamma_t *= f->gamma) {
        double now = G[t] - finite_V(f, t, tau->s[t]), next = G[t + 1] - finite_V(f, t + 1, tau->s[t + 1]);
        out[t] = gamma_t * (now - f->gamma * (t + 1 < tau->T ? next : 0));
    }
}

static double deltas(const setting *x, double *out) { return small_steps(x, td_errors, out); }
static double of_surprises(const setting *x, double *out)
{
    return small_steps(x, differences_of_surprises, out);
}

/* ---- TDA-2 ---- */

static double mean_delta(const setting *x, double *out)
{
    td_error_mean(x->pi, x->pi->V, out);
    return enumerate_room(x->pi);
}

static double Q_minus_V(const setting *x, double *out)
{
    if (!bellman_Q(x->pi, out)) return LEFT_OUT;
    for (int i = 0; i < x->pi->nSA; i++) out[i] -= x->pi->V[i / x->pi->nA];
    return bellman_Q_room(x->pi);
}

static double advantage(const setting *x, double *out)
{
    memcpy(out, x->pi->A, (size_t)x->pi->nSA * sizeof *out);
    return 0;
}

static double mean_delta_of_critic(const setting *x, double *out)
{
    double *V_w = allocate((size_t)x->pi->nS, sizeof *V_w, "a critic");
    for (int s = 0; s < x->pi->nS; s++) V_w[s] = x->pi->V[s] + critic_error(x->pi, s);
    td_error_mean(x->pi, V_w, out);
    free(V_w);
    return 0;
}

/* ---- TDA-5: over all trajectories of the small problem ---- */

static double unit_gradient(const setting *x)
{
    finite_horizon *f = small(x);
    double unit = finite_unit_gradient(f, x->pi->c);
    finite_free(f);
    return unit;
}

static double parameter(const setting *x, double *g)
{
    finite_horizon *f = small(x);
    finite_gradient(f, g);
    double room = finite_room(f, x->pi->c);
    finite_free(f);
    return room;
}

/* TDA-5   unbiased: E of the estimate, over everything that may be sampled, is what is estimated */
static double mean_of_estimate(const setting *x, double *g)
{
    finite_horizon *f = small(x);
    gradient_estimator_moments(f, "td", g, NULL);
    finite_free(f);
    return 0;
}

static double mean_of_biased_estimate(const setting *x, double *g)
{
    finite_horizon *f = small(x);
    value_table *V_w = value_table_exact(f);
    for (int i = 0; i < f->H * x->pi->nS; i++) V_w->V[i] += critic_error(x->pi, i % x->pi->nS);
    gradient_estimator_moments_with(f, "td", V_w, 1, 0, g, NULL);
    value_table_free(V_w);
    finite_free(f);
    return 0;
}

/* ---- TDA-8: targets for V_0(s_0) ---- */

/* A mean of numbers up to W, in H backups; and of their squares */
static double unit_of_targets(const setting *x)
{
    finite_horizon *f = small(x);
    double unit = DBL_EPSILON * fmax(x->pi->nS, 4) * f->H * finite_scale(f);
    finite_free(f);
    return unit;
}

static void measure_of_targets(const setting *x, int n, double *m)
{
    finite_horizon *f = small(x);
    for (int i = 0; i < n; i++) m[i] = i % 2 ? finite_scale(f) : 1;
    finite_free(f);
}

struct target { const finite_horizon *f; bool one_step; double critic_error; };

/* TDA-8   e = target - V(s_0), the target G_0 at the end or r_0 + gamma V(s_1) after one step; and its square */
static void error_of_target(void *context, const traj *tau, double *out)
{
    const struct target *target = context;
    const finite_horizon *f = target->f;
    double e = 0, next = 0;
    if (target->one_step) {
        bool over = f->H == 1 || mdp_absorbing(f->M, tau->s[1]);
        next = finite_V(f, 1, tau->s[1]) + (over ? 0 : target->critic_error);
        e = tau->r[0] + f->gamma * next - finite_V(f, 0, tau->s[0]);
    } else {
        e = returns_total(tau->T, tau->r, f->gamma) - finite_V(f, 0, tau->s[0]);
    }
    out[0] = e;
    out[1] = e * e;
}

static double over_targets(const setting *x, bool one_step, double critic, double *out)
{
    finite_horizon *f = small(x);
    struct target target = { f, one_step, critic };
    enumerate_moments(f->M, f->x->pi, f->H, error_of_target, &target, 2, out, NULL);
    out[0] = fabs(out[0]);
    double room = 4 * f->H * enumerate_defect(f->M) * finite_scale(f);
    finite_free(f);
    return room;
}

static double monte_carlo(const setting *x, double *out)  { return over_targets(x, false, 0, out); }
static double td_exact(const setting *x, double *out)     { return over_targets(x, true, 0, out); }
static double td_critic(const setting *x, double *out)    { return over_targets(x, true, 1, out); }

/* Var[G_0 | s_0] = sum_t gamma^2t E[Var of one step's target at t]: backward, without a trajectory */
static double monte_carlo_by_steps(const setting *x, double *out)
{
    finite_horizon *f = small(x);
    const mdp *M = f->M;
    double *v = allocate(2 * (size_t)M->nS, sizeof *v, "variances"), *before = v + M->nS;
    for (int t = f->H - 1; t >= 0; t--) {
        memset(before, 0, (size_t)M->nS * sizeof *before);
        for (int i = 0; i < M->nS * M->nA; i++)
            for (int k = M->row[i]; k < M->row[i + 1]; k++) {
                double delta = M->R[k] + f->gamma * finite_V(f, t + 1, M->next[k]) - finite_V(f, t, i / M->nA);
                before[i / M->nA] += f->x->pi[i] * M->P[k] * (delta * delta + f->gamma * f->gamma * v[M->next[k]]);
            }
        memcpy(v, before, (size_t)M->nS * sizeof *v);
    }
    out[0] = 0;
    out[1] = linalg_dot(M->nS, M->mu0, v);
    free(v);
    finite_free(f);
    return 0;
}

static void page(const setting *x, FILE *out)
{
    finite_horizon *f = small(x);
    finite_small_describe(f, out);
    finite_free(f);
}

const derivation td_error[] = {
    { "TDA-1", "delta_t = r_t + gamma V(s_t+1) - V(s_t)",
      "gamma^t delta_t, on up to 64 trajectories of " FINITE_SMALL, small_n_steps,
      unit_of_values, no_small_problem, NULL, {
        { "\\delta^\\pi=r+\\gamma V^\\pi(s')-V^\\pi(s)", "the definition, through algorithms/psi.c", deltas },
        { "=(G_t-V^\\pi(s_t))-\\gamma(G_{t+1}-V^\\pi(s_{t+1}))",
          "what a return is off from V(s_t) is the sum of the TD errors from t on, discounted", of_surprises } },
      .page = page },
    { "TDA-2", "E[delta | s,a] = Q(s,a) - V(s) = A(s,a)", "A(s,a)", count_pairs, unit_of_A, NULL, NULL, {
        { "E[r+\\gamma V^\\pi(s')-V^\\pi(s)\\,|\\,s,a]", "the mean over s'; V by its solve", mean_delta },
        { "=Q^\\pi(s,a)-V^\\pi(s)", "E[r + gamma V(s')] is Q (MDP-7); Q by its solve over pairs", Q_minus_V },
        { "=A^\\pi(s,a)", "MDP-9", advantage },
        { "=E[r+\\gamma V_w(s')-V_w(s)\\,|\\,s,a]",
          "000 eq 10, 11 print V^pi and are right; l.213 learns v and eq 12 prints a bare delta. One reading:"
          " the learned V's, here V + 0.1 s, off by gamma E[e(s')] - e(s)",
          mean_delta_of_critic, DIFFERS, "ERR-19" } } },
    { "TDA-5", "unbiased: the mean of the estimate is what is estimated", "dJ/dtheta[i] over " FINITE_SMALL,
      count_theta, unit_gradient, no_small_problem, NULL, {
        { "\\vartheta=\\nabla_\\theta J(\\theta)",
          "what is estimated: PGT-3 on the time-expanded MDP", parameter },
        { "=E[\\hat\\vartheta],\\quad\\hat\\vartheta"
          "=\\sum_t\\gamma^t\\delta_t\\nabla_\\theta\\log\\pi_\\theta(a_t|s_t)",
          "the estimate's mean, over all that can be sampled", mean_of_estimate },
        { "=E[\\hat\\vartheta_w],\\quad\\delta_t=r_t+\\gamma V_w(s_{t+1})-V_w(s_t)",
          "000 eq 12, its bare delta read as that of the V which l.213 learns, here V + 0.1 s: biased",
          mean_of_biased_estimate, DIFFERS, "ERR-19" } },
      .page = page },
    { "TDA-8", "Monte Carlo waits for the end; TD after one step: less spread, and bias when V is off",
      "|E[e]|, E[e^2], e = target - V(s_0); over " FINITE_SMALL,
      count_two, unit_of_targets, no_small_problem, NULL, {
        { "|E[G_0-V(s_0)]|,\\quad E[(G_0-V(s_0))^2]", "Monte Carlo's target: the return, known at the end",
          monte_carlo },
        { "=0,\\quad\\sum_t\\gamma^{2t}E[\\delta_t^2]",
          "G_0 - V(s_0) = sum_t gamma^t delta_t (TDA-1), and TD errors have mean 0 given the past, so that their"
          " squares add up; backward in time",
          monte_carlo_by_steps },
        { "\\ge|E[\\delta_0]|,\\quad E[\\delta_0^2],\\quad\\delta_0=r_0+\\gamma V(s_1)-V(s_0)",
          "TD's target is the mean of the return given the first step: no more bias or spread, no wait",
          td_exact, AT_MOST },
        { "|E[e]|,\\quad E[e^2],\\quad e=r_0+\\gamma V_w(s_1)-V(s_0),\\quad V_w=V+1",
          "the control: behind a V that is off by 1 the target is biased, by gamma times the probability that the"
          " episode goes on",
          td_critic, DIFFERS_ABOVE } },
      .measure = measure_of_targets, .page = page },
    { .id = NULL }
};
