/* The surrogate L_pi(pi~): what another policy pi~ would earn if it went where pi goes. It equals eta in value and
 * gradient at pi~ = pi, and is off by O(t^2) beside it. 002 (images TRPO7, TRPO8), 004 (l.333-352); Schulman et al.
 * 2015. Its ratios are in surrogate_actions.c, its gradient at another policy in surrogate_gradient.c. */
#include <math.h>
#include <stdlib.h>

#include "autodiff/require.h"
#include "derivations/derivation.h"
#include "derivations/performance_difference.h"
#include "derivations/policy_gradient_theorem.h"
#include "derivations/surrogate_sums.h"

static int n_and_value(const setting *x) { return x->pi->n + 1; }

/* ---- PDI-9 ---- */

/* max(1, the change of a logit from theta to theta'); a unit of a network sees 3 times the change of a weight */
static double length(const setting *x)
{
    double most = 1;
    for (int i = 0; i < x->pi->nSA; i++) most = fmax(most, fabs(x->pi1->logits[i] - x->pi->logits[i]));
    for (int i = 0; i < x->pi->n && x->pi->policy.kind == POLICY_MLP; i++)
        most = fmax(most, 3 * fabs(x->pi1->theta[i] - x->pi->theta[i]));
    return most;
}

/* constant + A^- - eta at theta + t (theta' - theta) */
static double off_at(const setting *x, double constant, double t)
{
    const exact *pi = x->pi;
    double *theta = allocate((size_t)pi->n, sizeof *theta, "theta");
    for (int i = 0; i < pi->n; i++) theta[i] = pi->theta[i] + t * (x->pi1->theta[i] - pi->theta[i]);
    double off = constant + gain_at(pi, theta) - exact_J_at(pi, theta);
    free(theta);
    return off;
}

enum { HALVINGS = 12 };
static const double SLOPE = 1.9;                /* 2, less what t^4 does to it at small t > 0 */

/* The slope of log |off| against log t, where t is small against 1/k, the reach of eta's series: of its even part,
 * c_0 + c_2 t^2 + c_4 t^4 .., and of its odd one, c_1 t + c_3 t^3 ..; the smaller of the two. Each at the three
 * smallest t where it stands out of rounding, J's and A's, and of these the greatest: it may cross 0. NaN where it
 * never does. */
static double slope(const setting *x, double constant)
{
    double found[2][3] = { { NAN, NAN, NAN }, { NAN, NAN, NAN } }, last[2] = { NAN, NAN };
    double t = 1 / (8 * x->pi->k * length(x)), J = fmax(x->pi->unit_V, x->pi1->unit_V);
    for (int k = 0; k < HALVINGS; k++, t /= 2) {
        double plus = off_at(x, constant, t), minus = off_at(x, constant, -t);
        double part[2] = { fabs(plus + minus) / 2, fabs(plus - minus) / 2 };
        for (int odd = 0; odd < 2; odd++) {
            bool seen = part[odd] > 100 * (J + t * length(x) * surrogate_unit(x));
            if (seen && last[odd] > 0) found[odd][k % 3] = log2(last[odd] / part[odd]);
            last[odd] = seen ? part[odd] : NAN;
        }
    }
    double even = fmax(found[0][0], fmax(found[0][1], found[0][2]));
    return fmin(even, fmax(found[1][0], fmax(found[1][1], found[1][2])));
}

static const char *nothing_to_see(const setting *x)
{
    const char *reason = surrogate_not_comparable(x);
    if (reason) return reason;
    if (x->pi->nS > EXACT_MAX_TIME_SUM) return "too many states to solve again and again";
    return isnan(slope(x, x->pi->J)) ? "L and eta cannot be told apart here" : NULL;
}

/* L, and the slope where it is less than it must be */
static double L_and_slope(const setting *x, double L, double *out)
{
    out[0] = L;
    out[1] = fmin(SLOPE, slope(x, L - visited_gain(x->pi, x->pi1->pi)));
    return 0;
}

/* PDI-9   L_pi(pi~) = eta(pi) + sum_s rho_pi(s) sum_a pi~(a|s) A_pi(s,a) */
static double L_by_sum(const setting *x, double *out)
{
    out[0] = compare_policies(x->pi, x->pi1).surrogate;
    out[1] = SLOPE;
    return 0;
}

static double L_measured(const setting *x, double *out)
{
    return L_and_slope(x, x->pi->J + visited_gain(x->pi, x->pi1->pi), out);
}

/* eta(pi~) less what the other visits earn: PDI-6 */
static double eta_less_mismatch(const setting *x, double *out)
{
    out[0] = x->pi1->J;
    out[1] = SLOPE;
    for (int s = 0; s < x->pi->nS; s++)
        out[0] -= (exact_rho(x->pi1, s) - exact_rho(x->pi, s)) * state_gain(x->pi, x->pi1->pi, s);
    return 0;
}

static double L_without_eta(const setting *x, double *out)
{
    return L_and_slope(x, visited_gain(x->pi, x->pi1->pi), out);
}

static void page_of_slopes(const setting *x, FILE *out)
{
    const exact *pi = x->pi;
    double *theta = allocate((size_t)pi->n, sizeof *theta, "theta"), last = NAN;
    fprintf(out, "theta + t (theta' - theta):\n       t  eta(pi~) - eta(pi)     L - eta(pi)      L - eta(pi~)"
        "   slope\n");
    for (double t = 1; t >= 1.0 / 256; t /= 2) {
        for (int i = 0; i < pi->n; i++) theta[i] = pi->theta[i] + t * (x->pi1->theta[i] - pi->theta[i]);
        double rise = exact_J_at(pi, theta) - pi->J, L = gain_at(pi, theta), off = fabs(L - rise);
        fprintf(out, "%8g %19.6f %15.6f %17.3e", t, rise, L, L - rise);
        if (last > 0 && off > 0) fprintf(out, " %7.2f", log2(last / off));
        fputc('\n', out);
        last = off;
    }
    free(theta);
}

/* ---- PDI-10: value and gradient at theta ---- */

static double unit_of_both(const setting *x) { return fmax(x->pi->unit_V, x->pi->unit_gradient); }

static double eta_and_gradient(const setting *x, double *out)
{
    gradient_theorem(x->pi, out);
    out[x->pi->n] = x->pi->J;
    return 0;
}

static double eta_through_solve(const setting *x, double *out)
{
    out[x->pi->n] = x->pi->J;
    return gradient_autodiff(x->pi, out) ? 0 : LEFT_OUT;
}

/* PDI-10   L_{pi_0}(pi_0), grad L_{pi_0} at theta_0 */
static double L_and_gradient(const setting *x, double *out)
{
    gain_gradient(x->pi, x->pi->theta, out);
    out[x->pi->n] = x->pi->J + gain_at(x->pi, x->pi->theta);
    return 0;
}

const derivation surrogate[] = {
    { "PDI-9", "L_pi(pi~) = eta(pi) + sum_s rho_pi(s) sum_a pi~(a|s) A_pi(s,a) = eta(pi~) + O(t^2)",
      "L, and the slope of log|L - eta(pi~)| against log t, where below 1.9", count_two, surrogate_unit,
      nothing_to_see, NULL, {
        { "L_\\pi(\\tilde\\pi)=\\eta(\\pi)+\\sum_s\\rho_\\pi(s)\\sum_a\\tilde\\pi(a|s)A_\\pi(s,a),\\quad2-0.1",
          "PDI-6 with pi's visits for pi~'s; 2 - 0.1: the slope that an error of second order has", L_by_sum },
        { "L_\\pi(\\tilde\\pi),\\quad\\min(\\mathrm{slope},1.9)",
          "the slope at the smallest steps from theta towards theta' where rounding does not hide it",
          L_measured },
        { "=\\eta(\\tilde\\pi)-\\sum_s(\\rho_{\\tilde\\pi}(s)-\\rho_\\pi(s))\\sum_a\\tilde\\pi(a|s)A_\\pi(s,a)",
          "PDI-6: both factors vanish with t, so that their product is O(t^2)", eta_less_mismatch },
        { "\\sum_s\\rho_\\pi(s)\\sum_a\\tilde\\pi(a|s)A_\\pi(s,a)",
          "004 (l.352) drops the constant eta(pi): it has no part in a maximum, but near eta(pi~) this is not",
          L_without_eta, DIFFERS } },
      .page = page_of_slopes },
    { "PDI-10", "L and eta have the same value and the same gradient at theta_0", "dL/dtheta[i], then L",
      n_and_value, unit_of_both, NULL, NULL, {
        { "\\nabla_\\theta\\eta|_{\\theta_0},\\quad\\eta(\\pi_{\\theta_0})", "the policy gradient theorem, PGT-3",
          eta_and_gradient },
        { "=\\nabla_\\theta L_{\\pi_{\\theta_0}}|_{\\theta_0},\\quad L_{\\pi_{\\theta_0}}(\\pi_{\\theta_0})",
          "by reverse mode: rho and A are those of theta_0, whatever theta is", L_and_gradient },
        { "=\\nabla_\\theta\\,\\rho_0^T(I-\\gamma P_\\pi)^{-1}r_\\pi|_{\\theta_0}",
          "eta's by reverse mode through the linear solve: with rho's part in it", eta_through_solve } } },
    { .id = NULL }
};
