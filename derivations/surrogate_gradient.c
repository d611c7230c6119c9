/* What the surrogate adds to eta(pi), its value and its gradient at another policy: 001 (l.410-460) calls it
 * A^-(theta'), and writes theta' for the new policy.
 * Its gradient is that of J at theta' = theta, and nowhere else. */
#include <float.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "autodiff/linalg.h"
#include "autodiff/require.h"
#include "derivations/derivation.h"
#include "derivations/performance_difference.h"
#include "derivations/policy_gradient_theorem.h"
#include "derivations/surrogate_sums.h"

static double unit_gradient(const setting *x) { return surrogate_unit(x) * fmax(x->pi->c, x->pi1->c); }

/* ---- KL-7, KL-8, KL-9: A^-(theta') of 001 ---- */

/* KL-7   sum_t E_{s_t ~ p_theta}[ E_{a_t ~ pi_theta}[ ratio gamma^t A ] ]; at theta' = theta 0 */
static double A_over_time(const setting *x, double *out)
{
    double room = gain_over_time(x->pi, x->pi1->pi, out);
    return room < 0 ? room : gain_over_time(x->pi, x->pi->pi, out + 1);
}

static double A_by_visits(const setting *x, double *out)
{
    out[0] = visited_gain(x->pi, x->pi1->pi);
    out[1] = visited_gain(x->pi, x->pi->pi);
    return 0;
}

static double A_by_surrogate(const setting *x, double *out)
{
    out[0] = compare_policies(x->pi, x->pi1).surrogate - x->pi->J;
    out[1] = 0;
    return 0;
}

static double grad_A_reverse(const setting *x, double *g)
{
    gain_gradient(x->pi, x->pi1->theta, g);
    return 0;
}

/* KL-8   sum_t E[ E[ ratio gamma^t grad log pi_theta'(a|s) A ] ] */
static double grad_A_scores(const setting *x, double *g)
{
    score_form(x->pi, x->pi1, g);
    return 0;
}

/* Central differences with h = 1/64, 1/128, 1/256 of a logit's change, extrapolated: what is left is O(h^6) */
static double grad_A_differences(const setting *x, double *g)
{
    const exact *pi = x->pi;
    if ((double)pi->n * pi->nSA > 1e5) return LEFT_OUT;
    double *theta = allocate((size_t)pi->n, sizeof *theta, "theta"), error = 0, size = 0;
    memcpy(theta, x->pi1->theta, (size_t)pi->n * sizeof *theta);
    for (int s = 0; s < pi->nS; s++) size += exact_rho(pi, s);
    size *= linalg_max_abs(pi->nSA, pi->A);
    for (int i = 0; i < pi->n; i++) {
        double D[3], h = 1.0 / 64 / pi->c;
        for (int k = 0; k < 3; k++, h /= 2) {
            theta[i] = x->pi1->theta[i] + h;
            double plus = gain_at(pi, theta);
            theta[i] = x->pi1->theta[i] - h;
            D[k] = (plus - gain_at(pi, theta)) / (2 * h);
        }
        theta[i] = x->pi1->theta[i];
        double once = (4 * D[1] - D[0]) / 3, again = (4 * D[2] - D[1]) / 3;
        g[i] = (16 * again - once) / 15;
        error = linalg_greater(error, fabs(g[i] - again));
    }
    free(theta);
    return error + 2048 * DBL_EPSILON * pi->c * size;
}

/* KL-9   at theta' = theta the ratio is 1 */
static double grad_A_here(const setting *x, double *g)
{
    score_form(x->pi, x->pi, g);
    return 0;
}

static double grad_A_here_reverse(const setting *x, double *g)
{
    gain_gradient(x->pi, x->pi->theta, g);
    return 0;
}

/* theta + t (theta' - theta), [n] to be freed */
static double *towards(const setting *x, double t)
{
    double *theta = allocate((size_t)x->pi->n, sizeof *theta, "theta");
    for (int i = 0; i < x->pi->n; i++) theta[i] = x->pi->theta[i] + t * (x->pi1->theta[i] - x->pi->theta[i]);
    return theta;
}

/* grad A^-(theta_t) - grad J(theta_t), theta_t on the way to theta', [n]; false where J is not known there */
static bool gradient_gap(const setting *x, double t, double *gap)
{
    char error[256];
    double *theta = towards(x, t), *J = allocate((size_t)x->pi->n, sizeof *J, "a gradient");
    exact *there = exact_new_policy(x->pi->M, x->pi->gamma, &x->pi->policy, theta, error, sizeof error);
    gain_gradient(x->pi, theta, gap);
    if (there) gradient_theorem(there, J);
    for (int i = 0; i < x->pi->n; i++) gap[i] -= J[i];
    bool known = there != NULL;
    exact_free(there);
    free(theta);
    free(J);
    return known;
}

/* ERR-37: near, as 001 asks, a hundredth of the way to theta', what A^- puts for the gradient of J there */
static double grad_A_near(const setting *x, double *g)
{
    double *gap = allocate((size_t)x->pi->n, sizeof *gap, "a gap");
    bool known = gradient_gap(x, 0.01, gap);
    gradient_theorem(x->pi, g);
    for (int i = 0; i < x->pi->n; i++) g[i] += gap[i];
    free(gap);
    return known ? 0 : LEFT_OUT;
}

static void page_of_gaps(const setting *x, FILE *out)
{
    static const double t[] = { 0, 0.01, 0.1, 1 };
    double *gap = allocate((size_t)x->pi->n, sizeof *gap, "a gap");
    fprintf(out, "       t   |grad A^-(theta_t) - grad J(theta_t)|, theta_t = theta + t (theta' - theta)\n");
    for (int k = 0; k < 4; k++)
        if (gradient_gap(x, t[k], gap)) fprintf(out, "%8g   %.3g\n", t[k], linalg_norm2(x->pi->n, gap));
    free(gap);
}

#define A_BAR "\\bar A(\\theta')"

const derivation surrogate_gradients[] = {
    { "KL-7", "A^-(theta') = sum_t E_{p_theta}[E_{pi_theta}[ratio gamma^t A]], A^-(theta) = 0",
      "A^- at theta', and at theta", count_two, surrogate_unit, surrogate_no_ratio, NULL, {
        { A_BAR "=\\sum_tE_{s_t\\sim p_\\theta(s_t)}[E_{a_t\\sim\\pi_\\theta}[\\frac{\\pi_{\\theta'}(a_t|s_t)}"
          "{\\pi_\\theta(a_t|s_t)}\\gamma^tA^{\\pi_\\theta}(s_t,a_t)]]", "summed over time", A_over_time },
        { "=\\sum_s\\rho_\\theta(s)\\sum_a\\pi_{\\theta'}(a|s)A^{\\pi_\\theta}(s,a)",
          "rho = sum_t gamma^t Pr(s_t = s)",
          A_by_visits },
        { "=L_{\\pi_\\theta}(\\pi_{\\theta'})-\\eta(\\pi_\\theta),\\quad\\bar A(\\theta)=0",
          "PDI-9; sum_a pi A = 0", A_by_surrogate } } },
    { "KL-8", "grad A^-(theta') = sum_t E_{p_theta}[E_{pi_theta}[ratio gamma^t grad log pi_theta' A]]",
      "dA^-/dtheta'[i] at theta'", count_theta, unit_gradient, surrogate_not_comparable, NULL, {
        { "\\nabla_{\\theta'}" A_BAR, "A^- as one node, by reverse mode", grad_A_reverse },
        { "=\\sum_tE_{s_t\\sim p_\\theta}[E_{a_t\\sim\\pi_\\theta}[\\frac{\\pi_{\\theta'}}{\\pi_\\theta}\\gamma^t"
          "\\nabla_{\\theta'}\\log\\pi_{\\theta'}\\,A^{\\pi_\\theta}]]",
          "grad pi' = pi' grad log pi'; scores in closed form",
          grad_A_scores },
        { "=\\lim_{h\\to0}(\\bar A(\\theta'+he_i)-\\bar A(\\theta'-he_i))/2h", "values of A^- alone, extrapolated",
          grad_A_differences } } },
    { "KL-9", "grad A^-(theta') = grad J(theta) at theta' = theta, exactly, and nowhere else", "dJ/dtheta[i]",
      count_theta,
      unit_gradient, surrogate_not_comparable, NULL, {
        { "\\nabla_\\theta J(\\theta)", "PGT-3", gradient_by_theorem },
        { "=\\sum_tE_{s_t\\sim p_\\theta}[E_{a_t\\sim\\pi_\\theta}[\\gamma^t\\nabla_\\theta\\log\\pi_\\theta\\,"
          "A^{\\pi_\\theta}]]", "KL-8 at theta' = theta, where every ratio is 1", grad_A_here },
        { "=\\nabla_{\\theta'}" A_BAR "|_{\\theta'=\\theta}", "by reverse mode", grad_A_here_reverse },
        { "=\\nabla_\\theta\\,\\rho_0^T(I-\\gamma P_\\pi)^{-1}r_\\pi", "by reverse mode through the linear solve",
          gradient_by_autodiff },
        { "\\nabla_\\theta J(\\theta)+\\nabla_{\\theta'}" A_BAR "-\\nabla_{\\theta'}J(\\theta'),"
          "\\quad\\theta'\\approx\\theta",
          "001 (l.450): the two are one \"because the gap is very small\". There must be none: a hundredth of the way"
          " to theta' they differ", grad_A_near, DIFFERS, "ERR-37" } },
      .page = page_of_gaps },
    { .id = NULL }
};
