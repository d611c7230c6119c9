/* Errata whose line has a number once one reading of it is settled.
 * What is printed, and where, is in errata.c; here it is computed beside the right line. */
#include <float.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "algorithms/target.h"
#include "autodiff/linalg.h"
#include "autodiff/require.h"
#include "derivations/derivation.h"
#include "derivations/distribution_shift.h"
#include "derivations/performance_difference.h"
#include "derivations/policy_gradient_theorem.h"
#include "derivations/small_problem.h"
#include "derivations/surrogate_sums.h"

/* ---- sizes, units, where ---- */

static int n_theta1(const setting *x) { return x->pi1->n; }

static double unit_gradient1(const setting *x) { return x->pi1->unit_gradient; }

static const char *no_choice(const setting *x)
{
    return x->pi->nA > 1 ? NULL : "there is one action, and nothing to choose";
}

static const char *small_or_no_choice(const setting *x)
{
    const char *reason = no_choice(x);
    return reason ? reason : small_not_applicable(x);
}

static const char *no_ratio(const setting *x)
{
    for (int i = 0; i < x->pi->nSA; i++)
        if (!(x->pi->pi[i] <= 1e100 * x->pi1->pi[i] && x->pi1->pi[i] <= 1e100 * x->pi->pi[i]))
            return "one of pi and pi' never does what the other does: there is no ratio";
    return no_choice(x);
}

/* ---- ERR-7, MDP-3: the steps of an episode ---- */

static double unit_steps(const setting *x)
{
    return DBL_EPSILON * fmax(4, x->pi->nS) * FINITE_HORIZON * FINITE_HORIZON;
}

static double steps_forward(const setting *x, double *out)
{
    finite_horizon *f = small_new(x);
    double *visits = small_visits(f);
    *out = 0;
    for (int i = 0; i < f->H * x->pi->nS; i++)
        if (!mdp_absorbing(f->M, i % x->pi->nS)) *out += visits[i];
    free(visits);
    finite_free(f);
    return 0;
}

static void steps_of(void *context, const traj *tau, double *g)
{
    (void)context;
    *g = tau->T;
}

static double steps_enumerated(const setting *x, double *out)
{
    finite_horizon *f = small_new(x);
    enumerate_moments(f->M, f->x->pi, f->H, steps_of, NULL, 1, out, NULL);
    double room = 2 * f->H * f->H * enumerate_defect(f->M);
    finite_free(f);
    return room;
}

/* ---- ERR-39, MDP-2: whether two draws in a state agree ---- */

static double unit_probability(const setting *x) { return DBL_EPSILON * fmax(4, x->pi->nA); }

static double two_draws(const setting *x, double *out)
{
    for (int s = 0; s < x->pi->nS; s++)
        out[s] = linalg_dot(x->pi->nA, x->pi->pi + s * x->pi->nA, x->pi->pi + s * x->pi->nA);
    return 0;
}

/* sum_a e^{2z} / (sum_a e^z)^2, z the logits */
static double two_draws_of_logits(const setting *x, double *out)
{
    for (int s = 0; s < x->pi->nS; s++) {
        const double *z = x->pi->logits + s * x->pi->nA;
        double most = z[0], sum = 0, squares = 0;
        for (int a = 1; a < x->pi->nA; a++) most = fmax(most, z[a]);
        for (int a = 0; a < x->pi->nA; a++) {
            double e = exp(z[a] - most);
            sum += e;
            squares += e * e;
        }
        out[s] = squares / (sum * sum);
    }
    return 0;
}

static double always_the_same(const setting *x, double *out)
{
    for (int s = 0; s < x->pi->nS; s++) out[s] = 1;
    return 0;
}

/* ---- ERR-46, PGT-1: a step of alpha = 1 ---- */

static double no_step(const setting *x, double *out)
{
    memset(out, 0, (size_t)x->pi->n * sizeof *out);
    return 0;
}

/* ---- ERR-79, DSB-2: where the parenthesis that is closed opens; four steps, eps = .1 ---- */

enum { T = 4 };
static const double EPS = .1;

typedef struct { double *p, *p1, *mistaken; } three_states;     /* [T+1 x nS], one block from p on */

static int likeliest(const exact *pi, int s)
{
    int best = 0;
    for (int a = 1; a < pi->nA; a++)
        if (pi->pi[s * pi->nA + a] > pi->pi[s * pi->nA + best]) best = a;
    return best;
}

/* pi: the likeliest action; pi': with eps another, any of them. p, p', and what has made a mistake, forward
 * in time */
static three_states forward(const setting *x)
{
    const mdp *M = x->pi->M;
    int nS = M->nS, nA = M->nA, nSA = x->pi->nSA;
    double *pi = allocate(3 * (size_t)nSA + (size_t)nS, sizeof *pi, "policies");
    double *pi1 = pi + nSA, *wrong = pi1 + nSA, *new = wrong + nSA;
    for (int i = 0; i < nSA; i++) {
        pi[i] = i % nA == likeliest(x->pi, i / nA);
        wrong[i] = EPS * (1 - pi[i]) / (nA - 1);
        pi1[i] = (1 - EPS) * pi[i] + wrong[i];
    }
    three_states f = { shift_states(M, pi, T), shift_states(M, pi1, T),
                       allocate((size_t)((T + 1) * nS), sizeof(double), "state distributions") };
    for (int t = 0; t < T; t++) {
        double *m = f.mistaken + t * nS;
        shift_step(M, pi1, m, m + nS);
        shift_step(M, wrong, f.p + t * nS, new);
        for (int s = 0; s < nS; s++) m[nS + s] += pow(1 - EPS, t) * new[s];
    }
    free(pi);
    return f;
}

static void let_go(three_states f)
{
    free(f.p);
    free(f.p1);
    free(f.mistaken);
}

static int    n_after(const setting *x)    { return T * x->pi->nS; }
static double unit_after(const setting *x) { return DBL_EPSILON * T * fmax(4, fmax(x->pi->nS, x->pi->nA)); }

static double new_states(const setting *x, double *out)
{
    three_states f = forward(x);
    memcpy(out, f.p1 + x->pi->nS, (size_t)n_after(x) * sizeof *out);
    let_go(f);
    return 0;
}

/* (1-eps)^t p + (1 - (1-eps)^t) p_mistake, or ((1-eps)^t p + (1 - (1-eps)^t)) p_mistake */
static void mixture(const setting *x, bool opened_first, double *out)
{
    int nS = x->pi->nS;
    three_states f = forward(x);
    for (int i = 0; i < T * nS; i++) {
        double ok = pow(1 - EPS, i / nS + 1), p = f.p[nS + i], p_mistake = f.mistaken[nS + i] / (1 - ok);
        out[i] = opened_first ? (ok * p + (1 - ok)) * p_mistake : ok * p + (1 - ok) * p_mistake;
    }
    let_go(f);
}

static double mixed(const setting *x, double *out)
{
    mixture(x, false, out);
    return 10 * unit_after(x) / EPS;                            /* divided by 1 - (1-eps)^t >= eps, and back */
}

static double mixed_as_printed(const setting *x, double *out)
{
    mixture(x, true, out);
    return 0;
}

/* ---- ERR-79, KL-9: pi_g / pi_theta with g = theta' ---- */

static double by_gain(const setting *x, double *out)
{
    gain_gradient(x->pi, x->pi->theta, out);
    return 0;
}

/* sum_s w(s) sum_a p(a|s) f(s,a) grad log pi(a|s): in the logits of s, w (p f - pi sum_a p f) */
static void scores_under(const exact *pi, const double *w, const double *p, const double *f, double *g)
{
    double *z = allocate((size_t)pi->nSA, sizeof *z, "a gradient in the logits");
    for (int i = 0; i < pi->nSA; i++) {
        int s = i / pi->nA;
        double mean = linalg_dot(pi->nA, p + s * pi->nA, f + s * pi->nA);
        z[i] = pi->absorbing[s] ? 0 : w[s] * (p[i] * f[i] - pi->pi[i] * mean);
    }
    exact_chain(pi, z, g);
    free(z);
}

static double ratio_to_g(const setting *x, double *out)
{
    scores_under(x->pi, x->pi->rho, x->pi1->pi, x->pi->A, out);
    return 0;
}

/* ---- ERR-79, PPO-21, and ERR-83, PPO-1: another ratio in the surrogate ---- */

static double surrogate_sum(const setting *x, double *out)
{
    *out = visited_gain(x->pi, x->pi1->pi);
    return 0;
}

static double eta_less_mismatch(const setting *x, double *out)
{
    *out = x->pi1->J - x->pi->J;
    for (int s = 0; s < x->pi->nS; s++)
        *out -= (exact_rho(x->pi1, s) - exact_rho(x->pi, s)) * state_gain(x->pi, x->pi1->pi, s);
    return 0;
}

/* p_theta'(s)/p_theta(s) takes the states to those of pi', and leaves the actions to pi. */
static double ratio_of_states(const setting *x, double *out)
{
    *out = 0;
    for (int s = 0; s < x->pi->nS; s++) *out += exact_rho(x->pi1, s) * state_gain(x->pi, x->pi->pi, s);
    return 0;
}

static const char *no_ratio_of_parameters(const setting *x)
{
    if (x->pi->policy.kind != POLICY_TABULAR || x->pi1->policy.kind != POLICY_TABULAR)
        return "theta has no parameter for each (s,a)";
    for (int i = 0; i < x->pi->nSA; i++)
        if (x->pi->theta[i] == 0) return "theta_old has a 0 to divide by";
    return no_choice(x);
}

static double ratio_of_parameters(const setting *x, double *out)
{
    const exact *pi = x->pi;
    *out = 0;
    for (int i = 0; i < pi->nSA; i++)
        *out += exact_rho(pi, i / pi->nA) * pi->pi[i] * (x->pi1->theta[i] / pi->theta[i]) * pi->A[i];
    return 0;
}

/* ---- ERR-79, PPO-2: pi_{pi_{theta^k}} inside the clip, eps = .2 ---- */

static const double CLIP = .2;

static double clip(double x) { return fmin(fmax(x, 1 - CLIP), 1 + CLIP); }

/* sum_s rho(s) sum_a min(pi' A, clip(pi'/below) pi A); below [nS x nA] */
static double clipped(const setting *x, const double *below)
{
    const exact *pi = x->pi;
    double sum = 0;
    for (int i = 0; i < pi->nSA; i++) {
        double p1 = x->pi1->pi[i], A = pi->A[i];
        sum += exact_rho(pi, i / pi->nA) * fmin(p1 * A, clip(p1 / below[i]) * pi->pi[i] * A);
    }
    return sum;
}

static double clipped_by_cases(const setting *x, double *out)
{
    const exact *pi = x->pi;
    *out = 0;
    for (int i = 0; i < pi->nSA; i++) {
        double p1 = x->pi1->pi[i], low = (1 - CLIP) * pi->pi[i], high = (1 + CLIP) * pi->pi[i];
        *out += exact_rho(pi, i / pi->nA) * (pi->A[i] > 0 ? fmin(p1, high) : fmax(p1, low)) * pi->A[i];
    }
    return 0;
}

static double clipped_by_min(const setting *x, double *out)
{
    *out = clipped(x, x->pi->pi);
    return 0;
}

/* A policy's parameters are logits: below is the softmax of pi's probabilities. */
static double clipped_as_printed(const setting *x, double *out)
{
    const exact *pi = x->pi;
    double *below = allocate((size_t)pi->nSA, sizeof *below, "a policy of a policy");
    for (int s = 0; s < pi->nS; s++) {
        double sum = 0;
        for (int i = s * pi->nA; i < (s + 1) * pi->nA; i++) sum += below[i] = exp(pi->pi[i]);
        for (int i = s * pi->nA; i < (s + 1) * pi->nA; i++) below[i] /= sum;
    }
    *out = clipped(x, below);
    free(below);
    return 0;
}

/* ---- ERR-80, IS-5: theta' of 001's first half, or of its second; the mean reward of one step ---- */

static double unit_reward(const setting *x)
{
    return unit_probability(x) * fmax(1, linalg_max_abs(x->pi->nSA, x->pi->r));
}

static double reward(const setting *x, double *out)
{
    memcpy(out, x->pi->r_pi, (size_t)x->pi->nS * sizeof *out);
    return 0;
}

/* E_{a ~ acts}[ above(a|s)/below(a|s) r(s,a) ] */
static void reweighted_reward(const exact *acts, const double *above, const double *below, double *out)
{
    memset(out, 0, (size_t)acts->nS * sizeof *out);
    for (int i = 0; i < acts->nSA; i++) out[i / acts->nA] += acts->pi[i] * (above[i] / below[i]) * acts->r[i];
}

static double reward_reweighted(const setting *x, double *out)
{
    reweighted_reward(x->pi1, x->pi->pi, x->pi1->pi, out);
    return 0;
}

static double reward_other_half(const setting *x, double *out)
{
    reweighted_reward(x->pi1, x->pi1->pi, x->pi->pi, out);
    return 0;
}

/* ---- ERR-84, TDA-8: data of one's own, or given ---- */

static double own_data(const setting *x, double *out)
{
    gradient_theorem(x->pi1, out);
    return 0;
}

static double own_by_autodiff(const setting *x, double *out) { return gradient_autodiff(x->pi1, out) ? 0 : LEFT_OUT; }

static double given_data(const setting *x, double *out)
{
    scores_under(x->pi1, x->pi->rho, x->pi->pi, x->pi->Q, out);
    return 0;
}

/* ---- ERR-86, TD3-8: J(theta) = -w (theta - 1)^2 ---- */

static const double KAPPA = .005, ALPHA = .1, THETA[] = { .5, -.3 }, W[] = { .8, .2 };  /* and targets */

static double grad_J(void) { return -2 * W[0] * (THETA[0] - 1); }

static double targets_first(const setting *x, double *out)
{
    (void)x;
    out[0] = KAPPA * THETA[0] + (1 - KAPPA) * THETA[1];
    out[1] = KAPPA * W[0] + (1 - KAPPA) * W[1];
    return 0;
}

static double targets_first_and_more(const setting *x, double *out)
{
    targets_first(x, out);
    out[0] += KAPPA * ALPHA * grad_J();
    return 0;
}

static double policy_first(const setting *x, double *out)
{
    (void)x;
    double theta = THETA[0] + ALPHA * grad_J();
    out[0] = THETA[1];
    out[1] = W[1];
    target_polyak(1, 1 - KAPPA, &theta, &out[0]);
    target_polyak(1, 1 - KAPPA, &W[0], &out[1]);
    return 0;
}

#define SURROGATE_AND_ETA \
    { "\\sum_s\\rho_\\pi(s)\\sum_a\\pi_{\\theta'}(a|s)A(s,a)", "IS-10", surrogate_sum }, \
    { "=\\eta(\\theta')-\\eta(\\theta)-\\sum_s(\\rho_{\\pi'}(s)-\\rho_\\pi(s))\\sum_a\\pi_{\\theta'}(a|s)A(s,a)", \
      "PDI-6", eta_less_mismatch }

const derivation errata_lines[] = {
    { .id = "MDP-3", .says = "an episode has T steps", .of = "E[T] over " FINITE_SMALL,
      .n = count_one, .unit = unit_steps, .not_applicable = small_or_no_choice, .page = small_page, .line = {
        { "\\sum_{t<H}P(s_t\\text{ goes on})", "forward in time", steps_forward },
        { "=E_{\\tau\\sim\\pi}[T]", "over all trajectories", steps_enumerated },
        { "1", "000 (l.71): episode = step, so that one has one", NULL, DIFFERS, "ERR-7", .is = { 1 } } } },
    { .id = "MDP-2", .says = "a stochastic policy is no map",
      .of = "in each state, Pr(two draws are the same action)",
      .n = count_states, .unit = unit_probability, .not_applicable = no_choice, .line = {
        { "\\sum_a\\pi(a|s)^2", "two independent draws", two_draws },
        { "=\\frac{\\sum_ae^{2z_a}}{(\\sum_ae^{z_a})^2}", "of the logits z", two_draws_of_logits },
        { "1", "003 (l.20): a map from states to actions, which does the same each time",
          always_the_same, DIFFERS, "ERR-39" } } },
    { .id = "PGT-1", .says = "a step leads from theta to theta'",
      .of = "theta'-theta = alpha grad J(theta)[i], alpha = 1",
      .n = count_theta, .unit = unit_of_gradient, .not_applicable = no_choice, .line = {
        { "\\theta'-\\theta=\\alpha\\nabla_\\theta J(\\theta)", "PGT-3", gradient_by_theorem },
        { "=\\alpha\\nabla_\\theta\\rho_0^T(I-\\gamma P_\\pi)^{-1}r_\\pi", "by reverse mode",
          gradient_by_autodiff },
        { "\\theta'-\\theta'=0", "002 (l.85) has theta' on both sides: alpha grad J would have to be 0",
          no_step, DIFFERS, "ERR-46" } } },
    { .id = "DSB-2", .says = "one parenthesis opens p_mistake's share", .of = "p'(s_t), t = 1 .. 4",
      .n = n_after, .unit = unit_after, .not_applicable = no_choice, .line = {
        { "p_{\\theta'}(s_t)", "forward in time; pi: its likeliest action, pi': with eps = .1 another",
          new_states },
        { "=(1-\\epsilon)^tp_\\theta(s_t)+(1-(1-\\epsilon)^t)p_{mistake}(s_t)",
          "those that have made no mistake apart from those that have", mixed },
        { "=((1-\\epsilon)^tp_\\theta(s_t)+(1-(1-\\epsilon)^t))p_{mistake}(s_t)",
          "001 (l.214) closes a parenthesis that none opens. Opened behind the equals sign it makes a"
          " product of the sum", mixed_as_printed, DIFFERS, "ERR-79" } } },
    { .id = "KL-9", .says = "at theta' = theta every ratio is 1", .of = "dJ/dtheta[i]",
      .n = count_theta, .unit = unit_of_gradient, .not_applicable = no_choice, .line = {
        { "\\nabla_\\theta J(\\theta)", "PGT-3", gradient_by_theorem },
        { "=\\nabla_{\\theta'}\\bar A(\\theta')|_{\\theta'=\\theta}", "by reverse mode", by_gain },
        { "=\\sum_tE_{s_t}[E_{a_t\\sim\\pi_\\theta}[\\frac{\\pi_g(a_t|s_t)}{\\pi_\\theta(a_ts_t)}\\gamma^t"
          "\\nabla_\\theta\\log\\pi_\\theta(a_t|s_t)A^{\\pi_\\theta}(s_t,a_t)]]",
          "001 (l.454) has pi_g above the line, and pi_theta(a_t s_t) below. One reading of g: another"
          " policy, here theta'", ratio_to_g, DIFFERS, "ERR-79" } } },
    { .id = "PPO-21", .says = "the ratio is that of the actions", .of = "E_pi[ratio A]",
      .n = count_one, .unit = surrogate_unit, .not_applicable = no_choice, .line = {
        SURROGATE_AND_ETA,
        { "E_{(s_t,a_t)\\sim\\pi_\\theta}[\\frac{p_{\\theta'}}{p_\\theta}A]",
          "001 (l.566): p, elsewhere (l.180) the states' distribution. Of pi's own advantages the mean"
          " is 0 there, too", ratio_of_states, DIFFERS, "ERR-79" } } },
    { .id = "PPO-2", .says = "one ratio, inside the clip and outside",
      .of = "E_pi[L_CLIP] at theta', eps = .2",
      .n = count_one, .unit = surrogate_unit, .not_applicable = no_choice, .line = {
        { "A>0:\\ \\min(r,1+\\epsilon)A;\\quad A<0:\\ \\max(r,1-\\epsilon)A", "by cases",
          clipped_by_cases },
        { "=\\min(rA,clip(r,1-\\epsilon,1+\\epsilon)A)", "as it should be printed", clipped_by_min },
        { "\\min(rA,clip(\\frac{\\pi_\\theta}{\\pi_{\\pi_{\\theta^k}}},1-\\epsilon,1+\\epsilon)A)",
          "001 (l.611): the policy whose parameters are pi_{theta^k}, the softmax of its probabilities",
          clipped_as_printed, DIFFERS, "ERR-79" } } },
    { .id = "IS-5", .says = "theta' is who acts in 001's first half, and the new policy in its second",
      .of = "of one step, E[r | s]",
      .n = count_states, .unit = unit_reward, .not_applicable = no_ratio, .line = {
        { "E_{a\\sim\\pi_\\theta}[r(s,a)]", "with no ratio", reward },
        { "=E_{a\\sim\\pi_{\\theta'}}[\\frac{\\pi_\\theta(a|s)}{\\pi_{\\theta'}(a|s)}r(s,a)]", "001 (l.85)",
          reward_reweighted },
        { "E_{a\\sim\\pi_{\\theta'}}[\\frac{\\pi_{\\theta'}(a|s)}{\\pi_\\theta(a|s)}r(s,a)]",
          "001 (l.85) with the ratio of l.180, where theta' is the other one: l.125 says so, no letter does",
          reward_other_half, DIFFERS, "ERR-80" } } },
    { .id = "PPO-1", .says = "the ratio is that of the probabilities", .of = "E_pi[ratio A]",
      .n = count_one, .unit = surrogate_unit, .not_applicable = no_ratio_of_parameters, .line = {
        SURROGATE_AND_ETA,
        { "E_{\\pi_\\theta}[\\frac{\\theta'_{sa}}{\\theta_{sa}}A(s,a)]",
          "000 (l.286): the ratio of theta_old and theta", ratio_of_parameters, DIFFERS, "ERR-83" } } },
    { .id = "TDA-8", .says = "episodes of the policy that is updated, one after the other",
      .of = "dJ(theta')/dtheta'[i]",
      .n = n_theta1, .unit = unit_gradient1, .not_applicable = no_choice, .line = {
        { "E_{\\tau\\sim\\pi_{\\theta'}}[\\sum_t\\gamma^tG_t\\nabla\\log\\pi_{\\theta'}(a_t|s_t)]",
          "the second update, from an episode of its own: PGT-3", own_data },
        { "=\\nabla_{\\theta'}J(\\theta')", "by reverse mode through the linear solve", own_by_autodiff },
        { "E_{\\tau\\sim\\pi_\\theta}[\\sum_t\\gamma^tG_t\\nabla\\log\\pi_{\\theta'}(a_t|s_t)]",
          "002 (l.103) calls it offline: from data that are given, here those of the first update",
          given_data, DIFFERS, "ERR-84" } } },
    { .id = "TD3-8", .says = "policy step and targets in either order",
      .of = "theta', w' after one update", .n = count_two, .unit = unit_of_one,
      .own_problem = "J(theta) = -w (theta-1)^2, theta = .5, theta' = -.3, w = .8, w' = .2;"
                     " kappa .005, alpha .1", .line = {
        { "\\kappa\\theta+(1-\\kappa)\\theta'+\\kappa\\alpha\\nabla J,\\quad\\kappa w+(1-\\kappa)w'",
          "the targets first, and what the policy's step adds to theta'", targets_first_and_more },
        { "=\\kappa(\\theta+\\alpha\\nabla J)+(1-\\kappa)\\theta',\\quad\\kappa w+(1-\\kappa)w'",
          "004 (l.715-722): the policy's step first. The paper's order, too, and no error",
          policy_first, EQUAL, "ERR-86" },
        { "\\kappa\\theta+(1-\\kappa)\\theta',\\quad\\kappa w+(1-\\kappa)w'",
          "the control: the targets first, and no more: theta' is kappa alpha grad J behind, and w' the same",
          targets_first, DIFFERS } } },
    { .id = NULL }
};
