/* The surrogate L_pi(pi~): what another policy pi~ would earn if it went where pi goes. It is pi's own importance
 * sampling of actions, not of states; equals eta in value and gradient at pi~ = pi, and is off by O(t^2) beside
 * it. 002 (images TRPO7, TRPO8), 004 (l.333-374), 001 (l.300-460), 000 eq (14); Schulman et al. 2015. 001 calls
 * what is added to eta(pi) A^-(theta'), and writes theta' for the new policy. */
#include <float.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "algorithms/trpo.h"
#include "autodiff/linalg.h"
#include "autodiff/require.h"
#include "derivations/derivation.h"
#include "derivations/exact_batch.h"
#include "derivations/kl_over_states.h"
#include "derivations/likelihood_ratio.h"
#include "derivations/performance_difference.h"
#include "derivations/policy_gradient_theorem.h"
#include "derivations/surrogate_sums.h"

/* ---- sizes, units, where ---- */

static int one(const setting *x)         { (void)x; return 1; }
static int two(const setting *x)         { (void)x; return 2; }
static int n_theta(const setting *x)     { return x->pi->n; }
static int n_and_value(const setting *x) { return x->pi->n + 1; }

/* Sums over rho, at most k in all, of advantages that are right to two units of V */
static double unit_sum(const setting *x) { return pair_unit(x->pi, x->pi1) * fmax(x->pi->k, x->pi1->k); }

static double unit_gradient(const setting *x) { return unit_sum(x) * fmax(x->pi->c, x->pi1->c); }

static const char *no_ratio(const setting *x)
{
    for (int i = 0; i < x->pi->nSA; i++)
        if (!(x->pi1->pi[i] <= 1e100 * x->pi->pi[i])) return "pi never does what pi' does: there is no ratio";
    return NULL;
}

static const char *no_distribution(const setting *x)
{
    return x->pi->gamma < 1 ? no_ratio(x) : "gamma = 1: rho is no distribution times 1/(1-gamma)";
}

static const char *not_comparable(const setting *x)
{
    bool same = x->pi->n == x->pi1->n && x->pi->policy.kind == x->pi1->policy.kind;
    return same ? no_ratio(x) : "pi and pi' have no difference: their parameters are not the same";
}

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
            bool seen = part[odd] > 100 * (J + t * length(x) * unit_sum(x));
            if (seen && last[odd] > 0) found[odd][k % 3] = log2(last[odd] / part[odd]);
            last[odd] = seen ? part[odd] : NAN;
        }
    }
    double even = fmax(found[0][0], fmax(found[0][1], found[0][2]));
    return fmin(even, fmax(found[1][0], fmax(found[1][1], found[1][2])));
}

static const char *nothing_to_see(const setting *x)
{
    const char *reason = not_comparable(x);
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
    return gradient_autodiff(x->pi, out) ? 0 : -1;
}

/* PDI-10   L_{pi_0}(pi_0), grad L_{pi_0} at theta_0 */
static double L_and_gradient(const setting *x, double *out)
{
    gain_gradient(x->pi, x->pi->theta, out);
    out[x->pi->n] = x->pi->J + gain_at(x->pi, x->pi->theta);
    return 0;
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
    return d ? 0 : -1;
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
    return d ? 0 : -1;
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
    return isfinite(room) ? room : -1;
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
    return not_comparable(x) ? not_comparable(x) : natural_gradient_none(x->pi, x->spectrum, x->g, x->x_F);
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
    if ((double)pi->n * pi->nSA > 1e5) return -1;
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

static double grad_J(const setting *x, double *g)
{
    gradient_theorem(x->pi, g);
    return 0;
}

static double grad_J_through_solve(const setting *x, double *g) { return gradient_autodiff(x->pi, g) ? 0 : -1; }

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
    return known ? 0 : -1;
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

const derivation surrogate[] = {
    { "PDI-9", "L_pi(pi~) = eta(pi) + sum_s rho_pi(s) sum_a pi~(a|s) A_pi(s,a) = eta(pi~) + O(t^2)",
      "L, and the slope of log|L - eta(pi~)| against log t, where below 1.9", two, unit_sum, nothing_to_see, NULL, {
        { "L_\\pi(\\tilde\\pi)=\\eta(\\pi)+\\sum_s\\rho_\\pi(s)\\sum_a\\tilde\\pi(a|s)A_\\pi(s,a),\\quad2-0.1",
          "PDI-6 with pi's visits for pi~'s; 2 - 0.1: the slope that an error of second order has", L_by_sum },
        { "L_\\pi(\\tilde\\pi),\\quad\\min(\\mathrm{slope},1.9)",
          "the slope at the smallest steps from theta towards theta' where rounding does not hide it",
          L_measured },
        { "=\\eta(\\tilde\\pi)-\\sum_s(\\rho_{\\tilde\\pi}(s)-\\rho_\\pi(s))\\sum_a\\tilde\\pi(a|s)A_\\pi(s,a)",
          "PDI-6: both factors vanish with t, so that their product is O(t^2)", eta_less_mismatch },
        { "\\sum_s\\rho_\\pi(s)\\sum_a\\tilde\\pi(a|s)A_\\pi(s,a)",
          "004 (l.351) drops the constant eta(pi): it has no part in a maximum, but near eta(pi~) this is not",
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
    { "IS-10", "E_pi[(pi~/pi) A_pi] = L(pi~) - eta(pi), not eta(pi~) - eta(pi)", "L - eta(pi)", one, unit_sum,
      no_ratio,
      NULL, {
        { "\\sum_s\\rho_\\pi(s)\\sum_a\\pi(a|s)[\\frac{\\tilde\\pi(a|s)}{\\pi(a|s)}A_\\pi(s,a)]",
          "IS-1 with P = pi~(a|s), Q = pi(a|s) (004 l.368 prints pi(s|a))", by_ratio },
        { "=\\sum_s\\rho_\\pi(s)\\sum_a\\tilde\\pi(a|s)A_\\pi(s,a)", "the ratio is for the action; s comes from pi",
          by_new_policy },
        { "=L_\\pi(\\tilde\\pi)-\\eta(\\pi)", "PDI-9", L_less_eta },
        { "J(\\tilde\\theta)=\\eta(\\tilde\\theta)-\\eta(\\theta)",
          "004 (l.366, 374) takes it for J: there the states would have to be pi~'s", gain_of_eta, DIFFERS,
          "ERR-5" } } },
    { "PDI-11", "a sum over rho is 1/(1-gamma) times a mean", "L - eta(pi)", one, unit_sum, no_distribution, NULL, {
        { "\\sum_s\\rho_{\\pi_\\theta}(s)\\sum_a\\pi_\\theta(a|s)"
          "[\\frac{\\pi_{\\tilde\\theta}}{\\pi_\\theta}A_{\\pi_\\theta}]", "rho by a linear solve", by_ratio },
        { "=\\frac1{1-\\gamma}E_{s\\sim d_\\gamma,a\\sim\\pi_\\theta}[\\frac{\\pi_{\\tilde\\theta}}{\\pi_\\theta}"
          "A_{\\pi_\\theta}]", "d_gamma = (1-gamma) rho is a distribution: of s_T, T of chance (1-gamma) gamma^T",
          scaled_mean },
        { "E_{\\pi_\\theta}[\\frac{\\pi_{\\tilde\\theta}(a|s)}{\\pi_\\theta(a|s)}A_{\\pi_\\theta}(s,a)]",
          "004 (l.356): a mean has lost the factor", mean_alone, DIFFERS, "ERR-9" } } },
    { "TRPO-11", "L - eta(pi_old) with actions from any beta",
      "L - eta(pi_old), by beta = pi_old, half pi_old and half pi_theta, uniform",
      n_betas, unit_sum, no_distribution, NULL, {
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
      "gradient of the surrogate", n_theta, unit_surrogate_gradient, no_gradient, NULL, {
        { "E_{s\\sim d,a\\sim\\pi}[\\nabla\\log\\pi\\,A]", "the policy gradient theorem, divided by sum rho",
          policy_gradient },
        { "=\\nabla E_{a\\sim\\pi_{old}}[\\frac{\\pi_\\theta}{\\pi_{old}}A]",
          "algorithms/trpo.c, beta = pi_old (000 l.262; its heading, l.254, has TPRO)",
          beta_is_old },
        { "=\\nabla E_{a\\sim\\beta}[\\frac{\\pi_\\theta}\\beta A]",
          "beta = pi': 000 eq (14)", beta_divided },
        { "\\nabla E_{a\\sim\\beta}[\\pi_\\theta A]", "the control: beta = pi', not divided by",
          beta_not_divided, DIFFERS } } },
    { "KL-7", "A^-(theta') = sum_t E_{p_theta}[E_{pi_theta}[ratio gamma^t A]], A^-(theta) = 0",
      "A^- at theta', and at theta", two, unit_sum, no_ratio, NULL, {
        { A_BAR "=\\sum_tE_{s_t\\sim p_\\theta(s_t)}[E_{a_t\\sim\\pi_\\theta}[\\frac{\\pi_{\\theta'}(a_t|s_t)}"
          "{\\pi_\\theta(a_t|s_t)}\\gamma^tA^{\\pi_\\theta}(s_t,a_t)]]", "summed over time", A_over_time },
        { "=\\sum_s\\rho_\\theta(s)\\sum_a\\pi_{\\theta'}(a|s)A^{\\pi_\\theta}(s,a)",
          "rho = sum_t gamma^t Pr(s_t = s)",
          A_by_visits },
        { "=L_{\\pi_\\theta}(\\pi_{\\theta'})-\\eta(\\pi_\\theta),\\quad\\bar A(\\theta)=0",
          "PDI-9; sum_a pi A = 0", A_by_surrogate } } },
    { "KL-8", "grad A^-(theta') = sum_t E_{p_theta}[E_{pi_theta}[ratio gamma^t grad log pi_theta' A]]",
      "dA^-/dtheta'[i] at theta'", n_theta, unit_gradient, not_comparable, NULL, {
        { "\\nabla_{\\theta'}" A_BAR, "A^- as one node, by reverse mode", grad_A_reverse },
        { "=\\sum_tE_{s_t\\sim p_\\theta}[E_{a_t\\sim\\pi_\\theta}[\\frac{\\pi_{\\theta'}}{\\pi_\\theta}\\gamma^t"
          "\\nabla_{\\theta'}\\log\\pi_{\\theta'}\\,A^{\\pi_\\theta}]]",
          "grad pi' = pi' grad log pi'; scores in closed form",
          grad_A_scores },
        { "=\\lim_{h\\to0}(\\bar A(\\theta'+he_i)-\\bar A(\\theta'-he_i))/2h", "values of A^- alone, extrapolated",
          grad_A_differences } } },
    { "KL-9", "grad A^-(theta') = grad J(theta) at theta' = theta, exactly, and nowhere else", "dJ/dtheta[i]",
      n_theta,
      unit_gradient, not_comparable, NULL, {
        { "\\nabla_\\theta J(\\theta)", "PGT-3", grad_J },
        { "=\\sum_tE_{s_t\\sim p_\\theta}[E_{a_t\\sim\\pi_\\theta}[\\gamma^t\\nabla_\\theta\\log\\pi_\\theta\\,"
          "A^{\\pi_\\theta}]]", "KL-8 at theta' = theta, where every ratio is 1", grad_A_here },
        { "=\\nabla_{\\theta'}" A_BAR "|_{\\theta'=\\theta}", "by reverse mode", grad_A_here_reverse },
        { "=\\nabla_\\theta\\,\\rho_0^T(I-\\gamma P_\\pi)^{-1}r_\\pi", "by reverse mode through the linear solve",
          grad_J_through_solve },
        { "\\nabla_\\theta J(\\theta)+\\nabla_{\\theta'}" A_BAR "-\\nabla_{\\theta'}J(\\theta'),"
          "\\quad\\theta'\\approx\\theta",
          "001 (l.450): the two are one \"because the gap is very small\". There must be none: a hundredth of the way"
          " to theta' they differ", grad_A_near, DIFFERS, "ERR-37" } },
      .page = page_of_gaps },
    { .id = NULL }
};
