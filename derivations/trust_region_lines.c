/* The trust region as a constrained optimisation: what TRPO's step is an approximation of. 001 (l.339-552),
 * 002 (l.259-276, images TRPO14-19, PPO2), 004 (l.390-484), 000 eq (14)-(16); Schulman et al. 2015. */
#include <float.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "autodiff/linalg.h"
#include "autodiff/require.h"
#include "derivations/fisher.h"
#include "derivations/natural_step.h"
#include "derivations/performance_difference.h"
#include "derivations/surrogate_sums.h"
#include "derivations/trust_region.h"

/* ---- units and where the lines apply ---- */

static const double delta = 0.01;

/* Where pi(best|s) = 1 - tiny, all of the rest is worth less than delta, and the optimum takes it: p(a|s)
 * underflows. */
static const char *no_optimum(const setting *x)
{
    if (no_natural_gradient(x)) return no_natural_gradient(x);
    double *p = allocate((size_t)x->pi->nSA, sizeof *p, "a policy"), least_p = 1;
    trust_region_max(x->pi, delta, p);
    for (int i = 0; i < x->pi->nSA; i++) least_p = fmin(least_p, p[i]);
    trust_region_mean(x->pi, delta, p);
    for (int i = 0; i < x->pi->nSA; i++) least_p = fmin(least_p, p[i]);
    free(p);
    return least_p < 1e-100 ? "the optimum never does some action" : NULL;
}

static bool too_many_pairs(const setting *x) { return x->pi->nSA > REGION_DUAL_MAX; }

/* u nSA max|A| / sqrt(2 delta): eta is that large, and the dual subtracts two sums of its size. */
static double unit_gain(const setting *x)
{
    double A_max = linalg_max_abs(x->pi->nSA, x->pi->A);
    return DBL_EPSILON * x->pi->nSA * fmax(A_max, DBL_MIN) / sqrt(2 * delta);
}

static double *new_table(const exact *pi) { return allocate((size_t)pi->nSA, sizeof(double), "a policy"); }
static double *new_step(const setting *x) { return allocate((size_t)x->pi->n, sizeof(double), "a step"); }

/* ---- TRPO-10: the mean KL ---- */

static double optimum_mean(const setting *x, double *out)
{
    double *p = new_table(x->pi);
    *out = trust_region_mean(x->pi, delta, p).gain;
    free(p);
    return 0;
}

static double dual_mean(const setting *x, double *out)
{
    if (too_many_pairs(x)) return LEFT_OUT;
    double *w = region_weights(x->pi);
    *out = region_dual(x->pi, w, 0, x->pi->nS, delta);
    free(w);
    return 0;
}

/* KKT: A + eta pi/p = nu, the same for all a. Then sum_a p A = nu - eta; and nu = E_pi[A] + eta E_pi[pi/p]. */
static double by_kkt(const setting *x, double *out)
{
    const exact *pi = x->pi;
    double *p = new_table(pi), eta = trust_region_mean(pi, delta, p).eta;
    *out = 0;
    for (int i = 0; i < pi->nSA; i++)
        *out += pi->d[i / pi->nA] / visited(pi) * pi->pi[i] * (pi->A[i] + eta * (pi->pi[i] / p[i] - 1));
    free(p);
    return 0;
}

static double gain_along(const setting *x, const double *v)     /* as far as the KL lets */
{
    return step_along(x->pi, v, step_length(x->pi, v, false, delta)).gain;
}

static double along_natural(const setting *x, double *out)
{
    double *v = new_step(x);
    natural_step(x, delta, v);
    *out = gain_along(x, v);
    free(v);
    return 0;
}

static double along_gradient(const setting *x, double *out)
{
    double *v = new_step(x), norm = linalg_norm2(x->pi->n, x->g);
    for (int i = 0; i < x->pi->n; i++) v[i] = x->g[i] / norm;
    *out = gain_along(x, v);
    free(v);
    return 0;
}

/* TRPO-10's linear model at the natural step: sqrt(2 delta g^T H^+ g), g = scale grad J / sum d and H = F /
 * sum d */
static double gain_predicted(const setting *x, double *out)
{
    *out = sqrt(2 * delta / visited(x->pi)) * x->x_F * x->pi->fisher_scale;
    return 0;
}

/* ---- TRPO-8: the greatest KL ---- */

static double optimum_max(const setting *x, double *out)
{
    double *p = new_table(x->pi);
    *out = trust_region_max(x->pi, delta, p).gain;
    free(p);
    return 0;
}

static double dual_max(const setting *x, double *out)
{
    const exact *pi = x->pi;
    if (too_many_pairs(x)) return LEFT_OUT;
    double *w = region_weights(pi);
    *out = 0;
    for (int s = 0; s < pi->nS; s++) *out += region_dual(pi, w, s, s + 1, w[s] * delta);
    free(w);
    return 0;
}

/* The penalty that leads to the same region: C = what more KL is worth, sum_s d(s) eta_s. The greatest KL that
 * max_p L(p) - C max_s KL_s takes is delta. */
typedef struct { const exact *pi; double C, *p; } penalised;

static double minus_penalised(double log_kl, void *context)
{
    const penalised *P = context;
    return P->C * exp(log_kl) - trust_region_max(P->pi, exp(log_kl), P->p).gain;
}

static double optimum_penalised(const setting *x, double *out)
{
    double *p = new_table(x->pi);
    penalised P = { x->pi, trust_region_max(x->pi, delta, p).eta, p };
    if (!too_many_pairs(x)) *out = P.C * delta - region_least(minus_penalised, &P, log(delta) - 3, log(delta) + 3);
    free(p);
    return too_many_pairs(x) ? LEFT_OUT : 0;
}

/* u sum d max(1, |log pi|) for each logarithm */
static double unit_kl(const setting *x)
{
    double log_max = fmax(linalg_max_abs(x->pi->nSA, x->pi->logpi), linalg_max_abs(x->pi->nSA, x->pi1->logpi));
    return DBL_EPSILON * fmax(x->pi->nS, 4) * fmax(1, log_max);
}

/* ---- TRPO-12, PPO-19: the same problem with visits for probabilities, and as a mean over time ---- */

static double sum_rho(const exact *pi) { return visited(pi) / pi->fisher_scale; }

/* unit_gain as often as there are visits; J's rounding of the surrogate's */
static double unit_sum(const setting *x) { return unit_gain(x) * sum_rho(x->pi) + x->pi->unit_V * x->pi->k; }

/* The policy p as one of logits log p; NULL when that does not end */
static exact *solved(const exact *pi, const double *p)
{
    char error[256];
    double *z = new_table(pi);
    for (int i = 0; i < pi->nSA; i++) z[i] = log(p[i]);
    exact *x = exact_new(pi->M, pi->gamma, z, error, sizeof error);
    free(z);
    return x;
}

/* TRPO-12   max_p sum_s rho(s) sum_a p(a|s) A(s,a)  subject to  E_s[KL_s] <= delta */
static double sum_of_visits(const setting *x, double *out)
{
    const exact *pi = x->pi;
    double *p = new_table(pi);
    trust_region_mean(pi, delta, p);
    *out = 0;
    for (int i = 0; i < pi->nSA; i++) *out += exact_rho(pi, i / pi->nA) * p[i] * pi->A[i];
    free(p);
    return 0;
}

static double scaled_dual(const setting *x, double *out)
{
    if (dual_mean(x, out) < 0) return LEFT_OUT;
    *out *= sum_rho(x->pi);
    return 0;
}

static double surrogate_less_J(const setting *x, double *out)
{
    double *p = new_table(x->pi);
    trust_region_mean(x->pi, delta, p);
    exact *pi1 = solved(x->pi, p);
    free(p);
    if (!pi1) return LEFT_OUT;
    *out = compare_policies(x->pi, pi1).surrogate - x->pi->J;
    exact_free(pi1);
    return 0;
}

/* 001's region, KL(p || pi) <= delta: there the best policy is pi exp(A/eta) / Z. p [nS x nA], beta = 1/eta */
static double reversed_at(const exact *pi, double beta, double *p)
{
    double kl = 0;
    for (int s = 0; s < pi->nS; s++) {
        double Z = 0, E = 0, top = region_best(pi, s);
        for (int i = s * pi->nA; i < (s + 1) * pi->nA; i++) Z += p[i] = pi->pi[i] * exp(beta * (pi->A[i] - top));
        for (int i = s * pi->nA; i < (s + 1) * pi->nA; i++) E += (p[i] /= Z) * beta * (pi->A[i] - top);
        kl += pi->d[s] / visited(pi) * (E - log(Z));
    }
    return kl;
}

static double sum_in_reversed_region(const setting *x, double *out)
{
    const exact *pi = x->pi;
    double *p = new_table(pi), low = 0, high = 1 / region_spread(pi, pi->d, 0, pi->nS);
    for (int k = 0; k < 200 && reversed_at(pi, high, p) <= delta; k++) low = high, high *= 2;
    for (int k = 0; k < 60; k++) {
        double beta = (low + high) / 2;
        if (reversed_at(pi, beta, p) > delta) high = beta;
        else                                  low = beta;
    }
    *out = region_gain(pi, p) * sum_rho(pi);
    free(p);
    return 0;
}

/* PPO-19   E_t[ pi'/pi A ] and E_t[KL] of the optimum: mu0^T sum_t (gamma P)^t f / sum rho, or w^T f with
 * weights of its own */
static double means_over_time(const setting *x, const double *w, double *out)
{
    const exact *pi = x->pi;
    if (pi->nS > EXACT_MAX_TIME_SUM) return LEFT_OUT;
    double *p = new_table(pi), *f = allocate((size_t)pi->nS, sizeof *f, "means of states"), room = 0;
    trust_region_mean(pi, delta, p);
    for (int k = 0; k < 2; k++) {
        memset(f, 0, (size_t)pi->nS * sizeof *f);
        for (int i = 0; i < pi->nSA; i++) {
            double ratio = p[i] / pi->pi[i];
            if (!pi->absorbing[i / pi->nA]) f[i / pi->nA] += pi->pi[i] * (k == 0 ? ratio * pi->A[i] : -log(ratio));
        }
        out[k] = w ? linalg_dot(pi->nS, w, f) : mean_over_time(pi, f) / sum_rho(pi);
        room = fmax(room, 10 * pi->unit_rho / sum_rho(pi) * linalg_max_abs(pi->nS, f));
    }
    free(f);
    free(p);
    return room;
}

static double over_time(const setting *x, double *out) { return means_over_time(x, NULL, out); }

/* What a batch's mean over t estimates: how often pi is in s in the long run, whatever gamma */
static double over_batch(const setting *x, double *out)
{
    double *w = allocate((size_t)x->pi->nS, sizeof *w, "weights"), room = -1;
    if (x->pi->gamma < 1 && fisher_stationary_weights(x->pi, w)) room = means_over_time(x, w, out);
    free(w);
    return room;
}

static double dual_and_delta(const setting *x, double *out)
{
    out[1] = delta;
    return dual_mean(x, out);
}

static double optimum_and_kl(const setting *x, double *out)
{
    const exact *pi = x->pi;
    double *p = new_table(pi);
    out[0] = trust_region_mean(pi, delta, p).gain;
    double *logp = kl_table(pi, p);
    out[1] = kl_mean(pi, pi->logpi, logp);
    free(logp);
    free(p);
    return 0;
}

static double unit_gain_and_kl(const setting *x) { return unit_gain(x) + unit_kl(x); }

/* ---- TRPO-13: any q that covers pi', and Q for A ---- */

static const char *not_covered(const setting *x)
{
    if (x->pi->nSA != x->pi1->nSA) return "pi and pi' are not comparable";
    for (int i = 0; i < x->pi->nSA; i++)
        if (!(x->pi->pi[i] > 1e-200)) return "pi never does some action";
    return NULL;
}

static int n_value_and_gradient(const setting *x) { return 1 + x->pi1->n; }

/* u N k^2 M c, as of a gradient at theta' */
static double unit_objective(const setting *x)
{
    return x->pi->unit_gradient / x->pi->c * fmax(x->pi1->c, x->pi->c);
}

/* grad_theta' of sum_s rho(s) sum_a w(s,a) pi'(a|s): exact's chain rule through d pi(a)/d z_b = pi(a) (1_ab -
 * pi(b)) */
static void gradient_of(const exact *pi1, const double *w, double *g)
{
    double *h = new_table(pi1);
    for (int s = 0; s < pi1->nS; s++) {
        double E = 0;
        for (int i = s * pi1->nA; i < (s + 1) * pi1->nA; i++) E += pi1->pi[i] * w[i];
        for (int i = s * pi1->nA; i < (s + 1) * pi1->nA; i++) h[i] = pi1->pi[i] * (w[i] - E);
    }
    exact_chain(pi1, h, g);
    free(h);
}

/* out: L, and its gradient at theta'; by autodiff. sum_s rho(s) sum_a pi'(a|s) A(s,a) + sum_s rho(s) V(s) */
static double with_A(const setting *x, double *out)
{
    const exact *pi = x->pi, *pi1 = x->pi1;
    double *rho_A = new_table(pi), constant = 0;
    for (int i = 0; i < pi->nSA; i++) rho_A[i] = exact_rho(pi, i / pi->nA) * pi->A[i];
    for (int s = 0; s < pi->nS; s++) constant += exact_rho(pi, s) * pi->V[s];
    ad_tape *t = ad_tape_new();
    ad theta = ad_input(t, pi1->theta, pi1->n, 1);
    ad pi_theta = ad_exp(ad_log_softmax(policy_logits(t, &pi1->policy, theta)));        /* [nS x nA] */
    ad L = ad_dot(ad_input(t, rho_A, pi->nS, pi->nA), pi_theta);
    out[0] = ad_scalar(L) + constant;
    memcpy(out + 1, ad_value(ad_grad(L, theta)), (size_t)pi1->n * sizeof *out);
    ad_tape_free(t);
    free(rho_A);
    return 0;
}

/* TRPO-13   scale E_{s~d, a~q}[ pi'(a|s) / q(a|s) Q(s,a) ] */
static double with_Q(const setting *x, bool uniform, double *out)
{
    const exact *pi = x->pi, *pi1 = x->pi1;
    double *w = new_table(pi), scale = 1 / pi->fisher_scale;
    out[0] = 0;
    for (int i = 0; i < pi->nSA; i++) {
        double q = uniform ? 1.0 / pi->nA : pi->pi[i], d = pi->d[i / pi->nA];
        w[i] = scale * d * q * (1 / q) * pi->Q[i];
        out[0] += scale * d * q * (pi1->pi[i] / q) * pi->Q[i];
    }
    gradient_of(pi1, w, out + 1);
    free(w);
    return 0;
}

/* ... over DRAWS draws of s ~ d, then a ~ q. e(s,a) = scale |Q|/q / DRAWS is what a part of a draw may do to
 * w(s,a): to the value sum pi' e, to the derivative in a logit twice that, and c to a sum of these */
static double drawn_with_Q(const setting *x, bool uniform, double *out)
{
    const exact *pi = x->pi, *pi1 = x->pi1;
    double *part = new_table(pi), *p = new_table(pi), *w = new_table(pi), scale = 1 / pi->fisher_scale, room = 0;
    for (int i = 0; i < pi->nSA; i++) p[i] = pi->d[i / pi->nA] * (uniform ? 1.0 / pi->nA : pi->pi[i]);
    drawn(pi->nSA, p, part);
    out[0] = 0;
    for (int i = 0; i < pi->nSA; i++) {
        double q = uniform ? 1.0 / pi->nA : pi->pi[i];
        w[i] = scale * part[i] / q * pi->Q[i];
        out[0] += w[i] * pi1->pi[i];
        room += 2 * pi1->c * pi1->pi[i] * scale * fabs(pi->Q[i]) / q / DRAWS;
    }
    gradient_of(pi1, w, out + 1);
    free(w);
    free(p);
    free(part);
    return isfinite(room) ? room : LEFT_OUT;
}

static double q_is_old(const setting *x, double *out)     { return with_Q(x, false, out); }
static double q_is_old_drawn(const setting *x, double *out)     { return drawn_with_Q(x, false, out); }
static double q_is_uniform_drawn(const setting *x, double *out) { return drawn_with_Q(x, true, out); }
static double q_is_uniform(const setting *x, double *out) { return with_Q(x, true, out); }

/* Samples of pi, a ~ pi, and the mean over actions without dividing by q */
static double no_ratio(const setting *x, double *out)
{
    const exact *pi = x->pi, *pi1 = x->pi1;
    double *w = new_table(pi);
    out[0] = 0;
    for (int i = 0; i < pi->nSA; i++) {
        w[i] = exact_rho(pi, i / pi->nA) * pi->pi[i] * pi->Q[i];
        out[0] += w[i] * pi1->pi[i];
    }
    gradient_of(pi1, w, out + 1);
    free(w);
    return 0;
}

/* What TRPO's step loses against the optimum */
static void page_of_gains(const setting *x, FILE *out)
{
    static const double radius[] = { 0.001, 0.01, 0.1, 1 };
    const exact *pi = x->pi;
    double *v = new_step(x), *p = new_table(pi), norm = linalg_norm2(pi->n, x->g);
    fprintf(out, "gain over that of the best policy with mean KL <= delta, each step as long as the KL lets\n"
            "%8s %14s %10s %10s %12s\n", "delta", "best gain", "natural", "gradient", "max KL <= delta");
    for (int k = 0; k < 4; k++) {
        double best = trust_region_mean(pi, radius[k], p).gain;
        natural_step(x, radius[k], v);
        double natural = step_along(pi, v, step_length(pi, v, false, radius[k])).gain;
        for (int i = 0; i < pi->n; i++) v[i] = x->g[i] / norm;
        double gradient = step_along(pi, v, step_length(pi, v, false, radius[k])).gain;
        fprintf(out, "%8g %14.6g %10.4f %10.4f %12.4f\n", radius[k], best, natural / best, gradient / best,
                trust_region_max(pi, radius[k], p).gain / best);
    }
    free(p);
    free(v);
}

#define L "E_{s\\sim d,a\\sim\\pi}[\\frac{\\pi'(a|s)}{\\pi(a|s)}A^\\pi(s,a)]"
#define KL_S "D_{KL}(\\pi(\\cdot|s)\\|\\pi'(\\cdot|s))"
#define ST "\\ \\text{s.t.}\\ "

const derivation trust_region[] = {
    { "TRPO-8", "the most that the greatest KL <= delta allows: each state for itself",
      "gain at delta = 0.01", count_one,
      unit_gain, no_optimum, NULL, {
        { "\\max_{\\pi'}" L ST "\\max_s" KL_S "\\le\\delta",
          "in each state pi' = eta pi/(nu - A): nu so that it sums to 1, eta_s so that KL_s = delta", optimum_max },
        { "=E_s[\\min_{\\eta,\\nu}\\eta\\delta+\\nu-\\eta-\\eta\\sum_a\\pi\\log\\frac{\\nu-A}\\eta]",
          "the dual of each state, which no policy of the region exceeds: minimised by golden sections", dual_max },
        { "=\\max_{\\pi'}(" L "-C\\max_s" KL_S ")+C\\delta,\\quad C=E_s[\\eta_s]",
          "002 l.261: penalty to constraint; this C is the one that leads to delta", optimum_penalised },
        { "\\le\\max_{\\pi'}" L ST "E_s[" KL_S "]\\le\\delta",
          "if all are at most delta, so is their mean: TRPO-10",
          optimum_mean, AT_LEAST } } },
    { "TRPO-10", "the most that mean KL <= delta allows, and what a step along F^+ g makes of it",
      "gain at delta = 0.01", count_one, unit_gain, no_optimum, NULL, {
        { "\\max_{\\pi'}" L ST "E_s[" KL_S "]\\le\\delta",
          "pi' = eta pi/(nu - A), nu for each state, one eta for all so that the mean KL is delta", optimum_mean },
        { "=\\min_{\\eta,\\nu}\\eta\\delta+E_s[\\nu_s-\\eta-\\eta\\sum_a\\pi\\log\\frac{\\nu_s-A}\\eta]",
          "the dual, which no policy of the region exceeds: minimised by golden sections", dual_mean },
        { "=E_{s,a\\sim\\pi}[A+\\eta\\frac\\pi{\\pi'}]-\\eta",
          "KKT: A + eta pi/pi' = nu_s for every a, so the gain in s is nu_s - eta", by_kkt },
        { "\\ge " L ",\\ \\theta'=\\theta+tF^+g",
          "the natural step, t as long as mean KL <= delta", along_natural,
          AT_MOST },
        { "\\ge " L ",\\ \\theta'=\\theta+tg", "the gradient's, with the same KL", along_gradient, AT_MOST },
        { "g^Tv=\\sqrt{2\\delta\\,g^TF^+g}", "the control: what the linear model promises for a quadratic KL",
          gain_predicted, DIFFERS } },
      .page = page_of_gains },
    { "TRPO-12", "the same with visits for probabilities: sum rho times as much",
      "gain at delta = 0.01", count_one,
      unit_sum, no_optimum, NULL, {
        { "\\max_{\\pi'}\\sum_s\\rho(s)\\sum_a\\pi'(a|s)A^\\pi(s,a)" ST "E_s[" KL_S "]\\le\\delta",
          "at TRPO-10's optimum", sum_of_visits },
        { "=\\sum_s\\rho(s)\\,\\min_{\\eta,\\nu}(\\eta\\delta+E_s[\\nu_s-\\eta-\\eta\\sum_a\\pi\\log"
          "\\frac{\\nu_s-A}\\eta])",
          "TRPO-10's dual; 002: sum_s rho(s) = 1/(1-gamma) where nothing ends", scaled_dual },
        { "=L_\\pi(\\pi')-J(\\pi)",
          "the surrogate of that policy, solved like any other: PDI-9", surrogate_less_J },
        { "\\max_{\\pi'}\\sum_s\\rho(s)\\sum_a\\pi'(a|s)A^\\pi(s,a)" ST
          "E_s[D_{KL}(\\pi'(\\cdot|s)\\|\\pi(\\cdot|s))]\\le\\delta",
          "001 (l.371, 396) has new||old: another region, whose best is pi exp(A/eta)/Z", sum_in_reversed_region,
          DIFFERS, "ERR-34" } } },
    { "PPO-19", "E_t[ratio A] subject to E_t[KL] <= delta: TRPO's problem, as a mean over time",
      "gain, KL", count_two,
      unit_gain_and_kl, no_optimum, NULL, {
        { "L(\\pi'),\\ E_s[" KL_S "]", "of TRPO-10's optimum, over states", optimum_and_kl },
        { "=\\sum_t\\gamma^tE_\\pi[r_t(\\theta)A_t]/\\sum\\rho,\\ \\sum_t\\gamma^tE_\\pi[KL_t]/\\sum\\rho",
          "over time, along pi's trajectories", over_time },
        { "=\\min_{\\eta,\\nu}(\\eta\\delta+E_s[\\nu_s-\\eta-\\eta\\sum_a\\pi\\log\\frac{\\nu_s-A}\\eta]),"
          "\\quad\\delta", "no policy has more gain, and the constraint is active",
          dual_and_delta },
        { "\\hat E_t[r_tA_t],\\ \\hat E_t[KL_t]",
          "the control: a batch's plain mean over t, without gamma^t, is another mean", over_batch, DIFFERS } } },
    { "TRPO-13", "any q that covers pi', and Q in place of A: the same but for a constant",
      "value, gradient at theta'",
      n_value_and_gradient, unit_objective, not_covered, NULL, {
        { "\\sum_s\\rho(s)\\sum_a\\pi'(a|s)A(s,a)+\\sum_s\\rho(s)V(s),\\quad\\nabla_{\\theta'}",
          "the surrogate and a constant; by autodiff", with_A },
        { "=\\frac1{1-\\gamma}E_{s\\sim d,a\\sim\\pi}[\\frac{\\pi'(a|s)}{\\pi(a|s)}Q(s,a)],"
          "\\quad\\nabla_{\\theta'}",
          "single path, q = pi: Q = A + V, and sum_a pi' = 1; score by score", q_is_old },
        { "=\\frac1{1-\\gamma}E_{s\\sim d,a\\sim q}[\\frac{\\pi'(a|s)}{q(a|s)}Q(s,a)],\\quad\\nabla_{\\theta'}",
          "vine, q uniform", q_is_uniform },
        { "=\\frac1{1-\\gamma}\\hat E_{s\\sim d,a\\sim\\pi}[\\frac{\\pi'(a|s)}{\\pi(a|s)}Q(s,a)],"
          "\\quad\\nabla_{\\theta'}",
          "a million draws of (s,a) at equal distances, q = pi", q_is_old_drawn },
        { "=\\frac1{1-\\gamma}\\hat E_{s\\sim d,a\\sim q}[\\frac{\\pi'(a|s)}{q(a|s)}Q(s,a)],\\quad\\nabla_{\\theta'}",
          "and q uniform: no further than the sum of what is averaged, over 10^6", q_is_uniform_drawn },
        { "\\sum_s\\rho(s)E_{a\\sim\\pi}[\\pi'(a|s)Q(s,a)]",
          "the control: not divided by q", no_ratio, DIFFERS } } },
    { .id = NULL }
};
