/* The surrogate as an expectation: states of pi, actions of pi or of any other policy beta, divided by how likely
 * beta made them. 004 (l.356-374), 000 eq (14); Schulman et al. 2015. */
#include <math.h>
#include <stdlib.h>

#include "algorithms/trpo.h"
#include "autodiff/require.h"
#include "derivations/derivation.h"
#include "derivations/exact_batch.h"
#include "derivations/kl_over_states.h"
#include "derivations/performance_difference.h"
#include "derivations/surrogate_sums.h"

static const char *no_distribution(const setting *x)
{
    return x->pi->gamma < 1 ? surrogate_no_ratio(x) : "gamma = 1: rho is no distribution times 1/(1-gamma)";
}

/* ---- IS-10, PDI-11, TRPO-11 ---- */

static double reweighted_by(const setting *x, const double *beta)
{
    double sum = 0;
    for (int s = 0; s < x->pi->nS; s++) sum += exact_rho(x->pi, s) * reweighted(x->pi, x->pi1->pi, beta, s);
    return sum;
}

/* IS-10, PDI-11   sum_s rho_pi(s) sum_a pi(a|s) [ pi~(a|s)/pi(a|s) A_pi(s,a) ] */
static double by_ratio(const setting *x, double *out)
{
    *out = reweighted_by(x, x->pi->pi);
    return 0;
}

static double by_new_policy(const setting *x, double *out)
{
    *out = visited_gain(x->pi, x->pi1->pi);
    return 0;
}

static double L_less_eta(const setting *x, double *out)
{
    *out = compare_policies(x->pi, x->pi1).surrogate - x->pi->J;
    return 0;
}

static double gain_of_eta(const setting *x, double *out)
{
    *out = x->pi1->J - x->pi->J;
    return 0;
}

/* E_{s ~ d, a ~ beta}[ pi~/beta A ] */
static double mean_under(const setting *x, const double *d, const double *beta)
{
    double E = 0;
    for (int s = 0; s < x->pi->nS; s++) E += d[s] * reweighted(x->pi, x->pi1->pi, beta, s);
    return E;
}

static double mean_alone(const setting *x, double *out)
{
    double *d = distribution(x->pi);
    if (d) *out = mean_under(x, d, x->pi->pi);
    free(d);
    return d ? 0 : LEFT_OUT;
}

/* PDI-11   1/(1-gamma) E_{d,pi}[ pi~/pi A ] */
static double scaled_mean(const setting *x, double *out)
{
    double room = mean_alone(x, out);
    *out /= 1 - x->pi->gamma;
    return room;
}

/* Three policies to draw the action from: pi, half pi and half pi~, all actions alike */
enum { BETAS = 3 };
static int n_betas(const setting *x) { (void)x; return BETAS; }

static double *beta_of(const setting *x, int k)
{
    double *beta = allocate((size_t)x->pi->nSA, sizeof *beta, "a policy");
    for (int i = 0; i < x->pi->nSA; i++) {
        double pi = x->pi->pi[i], pi_new = x->pi1->pi[i];
        beta[i] = k == 0 ? pi : k == 1 ? pi / 2 + pi_new / 2 : 1.0 / x->pi->nA;
    }
    return beta;
}

static double the_same(const setting *x, double y, double *out)
{
    (void)x;
    for (int k = 0; k < BETAS; k++) out[k] = y;
    return 0;
}

static double betas_none(const setting *x, double *out)
{
    return the_same(x, visited_gain(x->pi, x->pi1->pi), out);
}

/* TRPO-11   sum_s rho_old(s) sum_a beta(a|s) pi_theta(a|s)/beta(a|s) A_old(s,a) */
static double betas_by_ratio(const setting *x, double *out)
{
    for (int k = 0; k < BETAS; k++) {
        double *beta = beta_of(x, k);
        out[k] = reweighted_by(x, beta);
        free(beta);
    }
    return 0;
}

static double betas_mean(const setting *x, double *out)
{
    double *d = distribution(x->pi);
    for (int k = 0; k < BETAS && d; k++) {
        double *beta = beta_of(x, k);
        out[k] = mean_under(x, d, beta);
        free(beta);
    }
    free(d);
    return d ? 0 : LEFT_OUT;
}

/* ... over DRAWS draws of s ~ d, then a ~ beta; off by sum |f| / DRAWS at most, f = pi_theta/beta A/(1-gamma) */
static double betas_drawn(const setting *x, double *out)
{
    const exact *pi = x->pi;
    double *part = allocate(2 * (size_t)pi->nSA, sizeof *part, "draws"), *p = part + pi->nSA, room = 0;
    for (int k = 0; k < BETAS; k++) {
        double *beta = beta_of(x, k), size = 0;
        for (int i = 0; i < pi->nSA; i++) p[i] = (1 - pi->gamma) * exact_rho(pi, i / pi->nA) * beta[i];
        drawn(pi->nSA, p, part);
        out[k] = 0;
        for (int i = 0; i < pi->nSA; i++) {
            double f = beta[i] > 0 ? x->pi1->pi[i] / beta[i] * pi->A[i] / (1 - pi->gamma) : 0;
            out[k] += part[i] * f;
            size += fabs(f);
        }
        room = fmax(room, size / DRAWS);
        free(beta);
    }
    free(part);
    return isfinite(room) ? room : LEFT_OUT;
}

/* Actions of beta, and the ratio with pi_old under it */
static double betas_wrong(const setting *x, double *out)
{
    const exact *pi = x->pi;
    for (int k = 0; k < BETAS; k++) {
        double *beta = beta_of(x, k);
        out[k] = 0;
        for (int i = 0; i < pi->nSA; i++)
            if (pi->pi[i] > 0)
                out[k] += exact_rho(pi, i / pi->nA) * beta[i] * (x->pi1->pi[i] / pi->pi[i]) * pi->A[i];
        free(beta);
    }
    return 0;
}

static double betas_scaled(const setting *x, double *out)
{
    double room = betas_mean(x, out);
    for (int k = 0; k < BETAS && room >= 0; k++) out[k] /= 1 - x->pi->gamma;
    return room;
}

static double betas_J(const setting *x, double *out) { return the_same(x, x->pi1->J, out); }

/* ---- TRPO-27: beta = pi_old ---- */

static const char *no_gradient(const setting *x)
{
    for (int i = 0; i < x->pi->nSA && x->pi->nSA == x->pi1->nSA; i++)
        if (!(x->pi->pi[i] > 1e-100 && x->pi1->pi[i] > 1e-100)) return "pi or pi' never does some action";
    const char *reason = surrogate_not_comparable(x);
    return reason ? reason : no_natural_gradient(x);
}

static double unit_surrogate_gradient(const setting *x)
{
    return x->pi->unit_gradient * x->pi->fisher_scale / visited(x->pi);
}

static double policy_gradient(const setting *x, double *out)
{
    for (int i = 0; i < x->pi->n; i++) out[i] = x->g[i] * x->pi->fisher_scale / visited(x->pi);
    return 0;
}

/* TRPO-27   grad_theta E_{a~beta}[ pi_theta(a|s)/beta(a|s) A ] at theta_old, beta = pi_old */
static double beta_is_old(const setting *x, double *out)
{
    full_batch B = full_batch_new(x->pi);
    trpo_problem at = trpo_problem_of(B.b->t, TRPO_MEAN, &B.b->pi, B.b->theta, B.b->tau, B.A, B.w);
    const double *g = ad_value(ad_grad(at.L, at.theta));
    for (int i = 0; i < x->pi->n; i++) out[i] = B.scale * g[i];
    full_batch_free(&B);
    return 0;
}

/* Actions of beta = pi'; divided by how likely they were, or not */
static double beta_is_other(const setting *x, bool divided, double *out)
{
    const exact *pi = x->pi;
    full_batch B = full_batch_new(pi);
    const rollout *b = B.b->tau;
    double *logp_beta = allocate((size_t)b->T, sizeof *logp_beta, "log beta");
    for (int i = 0, k = 0; i < pi->nSA; i++) {
        if (pi->d[i / pi->nA] <= 0) continue;
        B.w[k] = pi->d[i / pi->nA] * x->pi1->pi[i] / visited(pi);
        logp_beta[k++] = divided ? x->pi1->logpi[i] : 0;
    }
    ad_tape *t = B.b->t;
    ad theta = ad_input(t, B.b->theta, B.b->pi.n, 1), s = ad_input(t, b->s, b->T, b->d);
    ad ratio = trpo_ratio(policy_logp(t, &B.b->pi, theta, s, b->a, b->index), ad_input(t, logp_beta, b->T, 1));
    ad J = trpo_surrogate(ratio, ad_input(t, B.A, b->T, 1), ad_input(t, B.w, b->T, 1));
    const double *g = ad_value(ad_grad(J, theta));
    for (int i = 0; i < pi->n; i++) out[i] = B.scale * g[i];
    free(logp_beta);
    full_batch_free(&B);
    return 0;
}

static double beta_divided(const setting *x, double *out)     { return beta_is_other(x, true, out); }
static double beta_not_divided(const setting *x, double *out) { return beta_is_other(x, false, out); }

const derivation surrogate_actions[] = {
    { "IS-10", "E_pi[(pi~/pi) A_pi] = L(pi~) - eta(pi), not eta(pi~) - eta(pi)", "L - eta(pi)", count_one,
      surrogate_unit,
      surrogate_no_ratio,
      NULL, {
        { "\\sum_s\\rho_\\pi(s)\\sum_a\\pi(a|s)[\\frac{\\tilde\\pi(a|s)}{\\pi(a|s)}A_\\pi(s,a)]",
          "IS-1 with P = pi~(a|s), Q = pi(a|s) (004 l.370 prints pi(s|a))", by_ratio },
        { "=\\sum_s\\rho_\\pi(s)\\sum_a\\tilde\\pi(a|s)A_\\pi(s,a)",
          "the ratio is for the action; s comes from pi",
          by_new_policy },
        { "=L_\\pi(\\tilde\\pi)-\\eta(\\pi)", "PDI-9", L_less_eta },
        { "J(\\tilde\\theta)=\\eta(\\tilde\\theta)-\\eta(\\theta)",
          "004 (l.366, 374) takes it for J: there the states would have to be pi~'s", gain_of_eta, DIFFERS,
          "ERR-5" } } },
    { "PDI-11", "a sum over rho is 1/(1-gamma) times a mean", "L - eta(pi)", count_one, surrogate_unit,
      no_distribution, NULL, {
        { "\\sum_s\\rho_{\\pi_\\theta}(s)\\sum_a\\pi_\\theta(a|s)"
          "[\\frac{\\pi_{\\tilde\\theta}}{\\pi_\\theta}A_{\\pi_\\theta}]", "rho by a linear solve", by_ratio },
        { "=\\frac1{1-\\gamma}E_{s\\sim d_\\gamma,a\\sim\\pi_\\theta}[\\frac{\\pi_{\\tilde\\theta}}{\\pi_\\theta}"
          "A_{\\pi_\\theta}]", "d_gamma = (1-gamma) rho is a distribution: of s_T, T of chance (1-gamma) gamma^T",
          scaled_mean },
        { "E_{\\pi_\\theta}[\\frac{\\pi_{\\tilde\\theta}(a|s)}{\\pi_\\theta(a|s)}A_{\\pi_\\theta}(s,a)]",
          "004 (l.356): a mean has lost the factor", mean_alone, DIFFERS, "ERR-9" } } },
    { "TRPO-11", "L - eta(pi_old) with actions from any beta",
      "L - eta(pi_old), by beta = pi_old, half pi_old and half pi_theta, uniform",
      n_betas, surrogate_unit, no_distribution, NULL, {
        { "\\sum_s\\rho_{old}(s)\\sum_a\\pi_\\theta(a|s)\\hat A_{old}(s,a)",
          "000 eq 14, with the (s) that it leaves out",
          betas_none },
        { "=\\sum_s\\rho_{old}(s)\\sum_a\\beta(a|s)\\frac{\\pi_\\theta(a|s)}{\\beta(a|s)}\\hat A_{old}(s,a)",
          "beta/beta = 1, wherever pi_theta acts (IS-1)", betas_by_ratio },
        { "=\\frac1{1-\\gamma}E_{s\\sim d_{old},a\\sim\\beta}[\\frac{\\pi_\\theta(a|s)}{\\beta(a|s)}\\hat"
          " A_{old}(s,a)]",
          "PDI-11; a from beta, which 000 calls alpha", betas_scaled },
        { "=\\frac1{1-\\gamma}\\hat E_{s\\sim d_{old},a\\sim\\beta}[\\frac{\\pi_\\theta(a|s)}{\\beta(a|s)}"
          "\\hat A_{old}(s,a)]",
          "a million draws of (s,a) at equal distances: no further than sum |f| / 10^6 from it", betas_drawn },
        { "\\sum_s\\rho_{old}(s)E_{a\\sim\\beta}[\\frac{\\pi_\\theta(a|s)}{\\pi_{old}(a|s)}\\hat A_{old}(s,a)]",
          "the control: actions of beta, divided by how likely pi_old makes them", betas_wrong, DIFFERS },
        { "J(\\theta)", "000 eq 14 calls it J: it is the surrogate, without its eta(pi_old)", betas_J, DIFFERS,
          "ERR-56" },
        { "E_{s\\sim\\rho_{old},a\\sim\\beta}[\\frac{\\pi_\\theta(a|s)}{\\beta(a|s)}\\hat A_{old}(s,a)]",
          "000 eq 14: rho sums to 1/(1-gamma), and has to be made a distribution first", betas_mean, DIFFERS,
          "ERR-9" } } },
    { "TRPO-27", "beta = pi_old: at theta_old the surrogate's gradient is the policy gradient",
      "gradient of the surrogate", count_theta, unit_surrogate_gradient, no_gradient, NULL, {
        { "E_{s\\sim d,a\\sim\\pi}[\\nabla\\log\\pi\\,A]", "the policy gradient theorem, divided by sum rho",
          policy_gradient },
        { "=\\nabla E_{a\\sim\\pi_{old}}[\\frac{\\pi_\\theta}{\\pi_{old}}A]",
          "algorithms/trpo.c, beta = pi_old (000 l.262; its heading, l.254, has TPRO)",
          beta_is_old },
        { "=\\nabla E_{a\\sim\\beta}[\\frac{\\pi_\\theta}\\beta A]",
          "beta = pi': 000 eq (14)", beta_divided },
        { "\\nabla E_{a\\sim\\beta}[\\pi_\\theta A]", "the control: beta = pi', not divided by",
          beta_not_divided, DIFFERS } } },
    { .id = NULL }
};
