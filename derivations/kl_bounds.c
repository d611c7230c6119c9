/* The KL divergence as a distance of policies: its definition in both directions, state by state, and Pinsker's
 * inequality, by which it bounds the total variation. 001 (l.328-347, l.562), 004 (l.398-410), 002 (image TRPO10).
 * Pinsker: Cover, Thomas (2006), lemma 11.6.1. */
#include "derivations/kl_bounds.h"

#include <float.h>
#include <gsl/gsl_sf_exp.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "autodiff/distribution.h"
#include "autodiff/linalg.h"
#include "autodiff/require.h"
#include "derivations/coupling.h"
#include "derivations/derivation.h"
#include "derivations/kl_over_states.h"
#include "derivations/natural_step.h"
#include "derivations/performance_difference.h"
#include "derivations/random_pairs.h"

/* KL-1   sum_x p (e^d - 1 - d), d = log q - log p; e^d - 1 - d = d^2/2 exprel_2(d) does not cancel */
double kl_divergence(int n, const double *logp, const double *logq)
{
    double sum = 0;
    for (int x = 0; x < n; x++) {
        double d = logq[x] - logp[x], p = exp(logp[x]);
        sum += fabs(d) < 1 ? p * (d * d / 2) * gsl_sf_exprel_2(d) : (p > 0 ? -p * d : 0) - p + exp(logq[x]);
    }
    return sum;
}

/* ---- lines: D_KL in each state, of two policies in either order ---- */

static double largest_gap(const setting *x)
{
    return fmax(1, fmax(linalg_max_abs(x->pi->nSA, x->pi->logpi), linalg_max_abs(x->pi->nSA, x->pi1->logpi)));
}

/* nA terms of log-probabilities, which are right to u times the largest of them */
static double unit(const setting *x) { return DBL_EPSILON * fmax(4, x->pi->nA) * largest_gap(x); }

static double least(const setting *x, double *out)          /* no distance is less */
{
    memset(out, 0, (size_t)x->pi->nS * sizeof *out);
    return 0;
}

/* sum_a p(a) log(p(a) / q(a)), as it stands */
static double sum_of_log_ratios(const exact *p, const exact *q, double *out)
{
    for (int s = 0; s < p->nS; s++) {
        out[s] = 0;
        for (int i = s * p->nA; i < (s + 1) * p->nA; i++)
            if (p->pi[i] > 0) out[s] += p->pi[i] * (p->logpi[i] - q->logpi[i]);
    }
    return 0;
}

static double term_by_term(const exact *p, const exact *q, double *out)
{
    for (int s = 0; s < p->nS; s++) out[s] = kl_divergence(p->nA, p->logpi + s * p->nA, q->logpi + s * p->nA);
    return 0;
}

static double log_sum_exp(int n, const double *z)
{
    double most = z[0], sum = 0;
    for (int a = 1; a < n; a++) most = fmax(most, z[a]);
    for (int a = 0; a < n; a++) sum += exp(z[a] - most);
    return most + log(sum);
}

/* lse(z') - lse(z) - sum_a p(a) (z'(a) - z(a)): how far the convex lse is above its tangent at z */
static double above_tangent(const exact *p, const exact *q, double *out)
{
    for (int s = 0; s < p->nS; s++) {
        const double *z = p->logits + s * p->nA, *z1 = q->logits + s * p->nA;
        double lse = log_sum_exp(p->nA, z), lse1 = log_sum_exp(p->nA, z1);
        out[s] = 0;
        for (int a = 0; a < p->nA; a++)
            if (p->pi[s * p->nA + a] > 0) out[s] -= p->pi[s * p->nA + a] * ((z1[a] - lse1) - (z[a] - lse));
    }
    return 0;
}

/* E_p[-log q] less the entropy E_p[-log p] */
static double cross_entropy(const exact *p, const exact *q, double *out)
{
    for (int s = 0; s < p->nS; s++) {
        double cross = 0, entropy = 0;
        for (int i = s * p->nA; i < (s + 1) * p->nA; i++) {
            if (!(p->pi[i] > 0)) continue;
            cross -= p->pi[i] * q->logpi[i];
            entropy -= p->pi[i] * p->logpi[i];
        }
        out[s] = cross - entropy;
    }
    return 0;
}

/* KL-2   through autodiff/distribution.c, which training takes */
static double trained_with(const exact *p, const exact *q, double *out)
{
    ad_tape *t = ad_tape_new();
    ad z = ad_input(t, p->logits, p->nS, p->nA), z1 = ad_input(t, q->logits, p->nS, p->nA);
    memcpy(out, ad_value(categorical_kl(z, z1)), (size_t)p->nS * sizeof *out);
    ad_tape_free(t);
    return 0;
}

static double KL_sum(const setting *x, double *out)     { return sum_of_log_ratios(x->pi, x->pi1, out); }
static double KL_terms(const setting *x, double *out)   { return term_by_term(x->pi, x->pi1, out); }
static double KL_tangent(const setting *x, double *out) { return above_tangent(x->pi, x->pi1, out); }
static double KL_cross(const setting *x, double *out)   { return cross_entropy(x->pi, x->pi1, out); }
static double KL_trained(const setting *x, double *out) { return trained_with(x->pi, x->pi1, out); }
static double KL_new_old(const setting *x, double *out) { return term_by_term(x->pi1, x->pi, out); }

/* KL-3   max_s D_KL(pi' || pi), absorbing states left out, and sum_s rho(s) D_KL(pi' || pi) / sum_s rho(s) */
typedef double (*in_states)(const exact *p, const exact *q, double *out);

static double both(const setting *x, in_states value, const exact *p, const exact *q, double *out)
{
    double *D = allocate((size_t)p->nS, sizeof *D, "divergences"), visits = 0;
    value(p, q, D);
    out[0] = out[1] = 0;
    for (int s = 0; s < p->nS; s++) {
        if (x->pi->absorbing[s]) continue;
        out[0] = linalg_greater(out[0], D[s]);
        out[1] += exact_rho(x->pi, s) * D[s];
        visits += exact_rho(x->pi, s);
    }
    out[1] /= visits;
    free(D);
    return 0;
}

static double new_old(const setting *x, double *out) { return both(x, sum_of_log_ratios, x->pi1, x->pi, out); }
static double new_old_flat(const setting *x, double *out) { return both(x, above_tangent, x->pi1, x->pi, out); }

static double new_old_over_states(const setting *x, double *out)
{
    out[0] = kl_max(x->pi, x->pi1->logpi, x->pi->logpi);
    out[1] = kl_mean(x->pi, x->pi1->logpi, x->pi->logpi);
    return 0;
}

static double old_new(const setting *x, double *out)
{
    out[0] = kl_max(x->pi, x->pi->logpi, x->pi1->logpi);
    out[1] = kl_mean(x->pi, x->pi->logpi, x->pi1->logpi);
    return 0;
}

/* ERR-35: one multiplier can hold one number, the mean, and that says nothing about the greatest. */
static double mean_for_both(const setting *x, double *out)
{
    new_old_over_states(x, out);
    out[0] = out[1];
    return 0;
}

static const char *never_decides(const setting *x)
{
    for (int s = 0; s < x->pi->nS; s++)
        if (exact_rho(x->pi, s) > 0) return NULL;
    return "no state with a choice is visited";
}

/* How the directions of ERR-34 differ: both against d^T F d / 2 along theta + t A, for the policies of this page */
static void page_of_directions(const setting *x, FILE *out)
{
    const exact *pi = x->pi;
    char error[256];
    double *z = allocate((size_t)pi->nSA, sizeof *z, "logits"), *D = allocate((size_t)pi->nS, sizeof *D, "KL");
    const double p[2] = { log(0.5), log(0.5) }, q[2] = { log(0.9), log(0.1) };
    fprintf(out, "ERR-34: p = (.5, .5), q = (.9, .1): D(p||q) = %.4f, D(q||p) = %.4f.\n"
            "Along theta + t A, over t^2/2 sum_a pi(a|s) A(s,a)^2, which is both to second order, in the mean over\n"
            "the states of pi:\n",
            kl_divergence(2, p, q), kl_divergence(2, q, p));
    for (int k = 0; k < 3; k++) {
        double t = pow(10, -k), mean[2] = { 0 }, square = 0;
        for (int i = 0; i < pi->nSA; i++) z[i] = pi->logits[i] + t * pi->A[i];
        exact *pi1 = exact_new(pi->M, 0, z, error, sizeof error);        /* probabilities are all it is for */
        require(pi1, "%s", error);
        for (int way = 0; way < 2; way++) {
            term_by_term(way ? pi1 : pi, way ? pi : pi1, D);
            for (int s = 0; s < pi->nS; s++) mean[way] += exact_rho(pi, s) * D[s];
        }
        for (int i = 0; i < pi->nSA; i++)
            square += t * t / 2 * exact_rho(pi, i / pi->nA) * pi->pi[i] * pi->A[i] * pi->A[i];
        if (square > 0)
            fprintf(out, "  t = %-4g  old||new %.4f   new||old %.4f\n", t, mean[0] / square, mean[1] / square);
        exact_free(pi1);
    }
    fprintf(out, "Where the new policy drops an action, new||old stays finite, and old||new does not.\n");
    free(z);
    free(D);
}

/* ---- TRPO-9: the mean of the KL over states ---- */

static const char *never_compared(const setting *x)
{
    for (int s = 0; s < x->pi->nS; s++)
        if (x->pi->d[s] > 0) return x->pi->nSA == x->pi1->nSA ? NULL : "pi and pi' are not comparable";
    return "nowhere to be";
}

/* u N |log pi|: a sum over the states of numbers that are right to u times the largest logarithm */
static double unit_mean(const setting *x) { return DBL_EPSILON * fmax(4, x->pi->nS) * largest_gap(x); }

static const double delta = 0.01;

/* max/mean over the states of natural steps to a mean KL of delta, on random problems: least and greatest */
enum { PROBLEMS = 200 };
static void max_over_mean(double *least_ratio, double *most_ratio)
{
    double v[RANDOM_PROBLEM_N];
    *least_ratio = INFINITY, *most_ratio = 0;
    for (uint64_t k = 1; k <= PROBLEMS; k++) {
        random_problem r = random_problem_new(k);
        natural_step(r.x, delta, v);
        region_step step = step_along(r.pi, v, step_length(r.pi, v, false, delta));
        *least_ratio = fmin(*least_ratio, step.kl_max / step.kl);
        *most_ratio = fmax(*most_ratio, step.kl_max / step.kl);
        random_problem_free(&r);
    }
}

/* A mean KL, once for itself and twice as the unit of max/mean: of the least, and of the greatest over 1.5 */
static double three_times(double kl, double *out)
{
    out[0] = out[1] = out[2] = kl;
    return 0;
}

/* TRPO-9   E_{s~rho}[ KL(pi(.|s) || pi'(.|s)) ], rho normalised over the states where pi decides */
static double kl_mean_of(const setting *x, double *out)
{
    return three_times(kl_mean(x->pi, x->pi->logpi, x->pi1->logpi), out);
}

/* Over time: sum_t gamma^t E_{s_t ~ pi}[KL_s_t] / sum_t gamma^t Pr(not ended) */
static double kl_over_time(const setting *x, double *out)
{
    const exact *pi = x->pi;
    if (pi->nS > EXACT_MAX_TIME_SUM) return LEFT_OUT;
    double *f = allocate((size_t)pi->nS, sizeof *f, "KL of states");
    for (int s = 0; s < pi->nS; s++) f[s] = kl_of_state(pi, s, pi->logpi, x->pi1->logpi);
    double scale = pi->fisher_scale / visited(pi);
    three_times(scale * mean_over_time(pi, f), out);
    double room = 10 * scale * pi->unit_rho * linalg_max_abs(pi->nS, f);
    free(f);
    return room;
}

/* The greatest here; on the random problems max/mean, in units of this mean */
static double kl_max_of(const setting *x, double *out)
{
    double kl = kl_mean(x->pi, x->pi->logpi, x->pi1->logpi);
    out[0] = kl_max(x->pi, x->pi->logpi, x->pi1->logpi);
    max_over_mean(&out[1], &out[2]);
    out[1] *= kl, out[2] *= kl / 1.5;
    return 0;
}

static double kl_reversed(const setting *x, double *out)
{
    return three_times(kl_mean(x->pi, x->pi1->logpi, x->pi->logpi), out);
}

static void page_of_states(const setting *x, FILE *out)
{
    double least_ratio, most_ratio;
    (void)x;
    max_over_mean(&least_ratio, &most_ratio);
    fprintf(out, "greatest over mean KL of a natural step to a mean KL of %g, %d random problems: %.3f to %.3f;"
            " their\nmedian stands on TRPO-31's page\n", delta, PROBLEMS, least_ratio, most_ratio);
}

/* ---- DSB-14: Pinsker's inequality ---- */

static double unit_TV(const setting *x) { return DBL_EPSILON * fmax(4, x->pi->nA) * largest_gap(x); }

static double TV(const setting *x, double *out)
{
    int nA = x->pi->nA;
    for (int s = 0; s < x->pi->nS; s++)
        out[s] = total_variation(nA, x->pi->pi + s * nA, x->pi1->pi + s * nA);
    return 0;
}

/* DSB-14   sqrt(D_KL / 2) */
static double pinsker(const exact *p, const exact *q, double factor, double *out)
{
    term_by_term(p, q, out);
    for (int s = 0; s < p->nS; s++) out[s] = sqrt(factor * out[s]);
    return 0;
}

static double pinsker_old_new(const setting *x, double *out) { return pinsker(x->pi, x->pi1, 0.5, out); }
static double pinsker_new_old(const setting *x, double *out) { return pinsker(x->pi1, x->pi, 0.5, out); }
static double trpo(const setting *x, double *out)            { return pinsker(x->pi, x->pi1, 1, out); }

static void page_of_pinsker(const setting *x, FILE *out)
{
    enum { PAIRS = 1000 };
    double tight = 0, loose = 0;
    int states = 0;
    for (uint32_t i = 0; i < PAIRS; i++) {
        random_pair r = random_pair_new(x->seed, i);
        for (int s = 0, nA = r.M->nA; s < r.M->nS; s++, states++) {
            double tv = total_variation(nA, r.pi->pi + s * nA, r.pi1->pi + s * nA);
            double D = kl_divergence(nA, r.pi->logpi + s * nA, r.pi1->logpi + s * nA);
            tight = fmax(tight, tv / sqrt(D / 2));
            loose = fmax(loose, tv * tv / D);
        }
        random_pair_free(&r);
    }
    fprintf(out, "In %d states of %d random MDPs, two policies each: D_TV / sqrt(D_KL / 2) at most %.4f,\n"
            "D_TV^2 / D_KL at most %.4f: 002's form has a factor of 2 to spare.\n", states, PAIRS, tight, loose);
}

#define KL_S "D_{KL}(\\pi(\\cdot|s)\\|\\pi'(\\cdot|s))"

const derivation kl_bounds[] = {
    { "KL-1", "D_KL(p || q) = sum_x p(x) log(p(x)/q(x)) >= 0", "D_KL(pi(.|s) || pi'(.|s)) in each state",
      count_states, unit, NULL, NULL, {
        { "\\sum_ap(a)\\log\\frac{p(a)}{q(a)}", "p = pi(.|s), q = pi'(.|s)", KL_sum },
        { "=E_p[-\\log q(a)]-E_p[-\\log p(a)]", "the cross entropy less the entropy", KL_cross },
        { "=\\sum_ap(a)(e^{d(a)}-1-d(a)),\\quad d(a)=\\log\\frac{q(a)}{p(a)}",
          "sum_a q(a) - p(a) = 0 added: e^d >= 1 + d, so that no term is negative", KL_terms },
        { "\\ge0", "and 0 only where q = p", least, AT_MOST } } },
    { "KL-2", "D_KL(pi || pi'), the old policy first: what TRPO and PPO measure", "in each state", count_states,
      unit, NULL, NULL, {
        { "\\sum_a\\pi_\\theta(a|s)\\log\\frac{\\pi_\\theta(a|s)}{\\pi_{\\tilde\\theta}(a|s)}", "old||new",
          KL_sum },
        { "=D_{KL}(\\pi_\\theta\\|\\pi_{\\tilde\\theta})", "by categorical_kl, with which policies are trained",
          KL_trained },
        { "=lse(z')-lse(z)-\\sum_a\\pi_\\theta(a|s)(z'(a)-z(a)),\\quad lse(z)=\\log\\sum_be^{z(b)}",
          "from the logits z, z': how far lse is above its tangent at z", KL_tangent },
        { "D_{KL}(\\pi_{\\tilde\\theta}\\|\\pi_\\theta)",
          "the control: 001's order (l.339, l.371, l.396, l.562, l.587) is another number (ERR-34)",
          KL_new_old, DIFFERS } }, .page = page_of_directions },
    { "KL-3", "001's constraint D_KL(pi' || pi) <= eps, the new policy first: for every state, and for the mean",
      "the greatest D_KL(pi'(.|s) || pi(.|s)) over s, and the mean", count_two, unit, never_decides, NULL, {
        { "\\max_sD_s,\\quad E_{s\\sim d}[D_s],\\quad D_s=\\sum_a\\pi_{\\theta'}(a|s)"
          "\\log\\frac{\\pi_{\\theta'}(a|s)}{\\pi_\\theta(a|s)}", "new||old; d = rho / sum rho", new_old },
        { "=\\max_s,\\ E_{s\\sim d}[lse(z)-lse(z')-\\sum_a\\pi_{\\theta'}(a|s)(z(a)-z'(a))]",
          "KL-2's line with z and z' swapped", new_old_flat },
        { "=\\max_s,\\ E_{s\\sim d}[\\sum_a\\pi_{\\theta'}(a|s)(e^{-d(a)}-1+d(a))],\\quad d(a)=\\log\\frac{"
          "\\pi_{\\theta'}(a|s)}{\\pi_\\theta(a|s)}", "KL-1's terms, none of them negative", new_old_over_states },
        { "D_{KL}(\\pi_{\\theta'}(a_t|s_t)\\|\\pi_\\theta(a_t|s_t))\\le\\epsilon,\\ \\text{one }\\lambda",
          "001 (l.339, 371, 388) names no state, and has one multiplier: that holds the mean, and the greatest is not"
          " below it", mean_for_both, DIFFERS, "ERR-35" },
        { "\\max_s,\\ E_{s\\sim d}[D_{KL}(\\pi_\\theta\\|\\pi_{\\theta'})]",
          "the control: the other direction, that of 001 l.600, 000, 004 and both papers", old_new, DIFFERS } } },
    { "TRPO-9", "the mean KL over states: never above the greatest, and so a weaker constraint",
      "mean KL; then, in its unit, max/mean on 200 random problems: the least, and the greatest over 1.5",
      count_three, unit_mean,
      never_compared, NULL, {
        { "E_{s\\sim d}[" KL_S "],\\quad1,\\quad1", "weights d = rho / sum rho, which sum to 1", kl_mean_of },
        { "=\\sum_t\\gamma^tE_{s_t\\sim\\pi}[D_{KL}(\\pi(\\cdot|s_t)\\|\\pi'(\\cdot|s_t))]/\\sum_s\\rho(s)",
          "as a mean over time along pi's trajectories", kl_over_time },
        { "\\le\\max_s" KL_S ",\\quad\\min\\tfrac{\\max_sKL}{E_s[KL]},"
                             "\\quad\\tfrac1{1.5}\\max\\tfrac{\\max_sKL}{E_s[KL]}",
          "a mean is at most the greatest: TRPO-8's constraint implies this one. On 200 natural steps, too, and on"
          " some by more than half", kl_max_of, AT_LEAST },
        { "E_{s\\sim d}[D_{KL}(\\pi'(\\cdot|s)\\|\\pi(\\cdot|s))]",
          "the control: the other direction, 001's (l.339, 371, 396, 562, 587), is another number", kl_reversed,
          DIFFERS } },
      .page = page_of_states },
    { "DSB-14", "Pinsker: D_TV(p, q) <= sqrt(D_KL(p || q) / 2)", "D_TV in each state", count_states, unit_TV, NULL,
      NULL, {
        { "\\tfrac12\\sum_a|\\pi_\\theta(a|s)-\\pi_{\\theta'}(a|s)|", "the total variation", TV },
        { "\\le\\sqrt{\\tfrac12D_{KL}(\\pi_\\theta\\|\\pi_{\\theta'})}", "Pinsker, old||new", pinsker_old_new,
          AT_LEAST },
        { "\\le\\sqrt{\\tfrac12D_{KL}(\\pi_{\\theta'}\\|\\pi_\\theta)}",
          "D_TV is symmetric: new||old bounds it as well",
          pinsker_new_old, AT_LEAST },
        { "\\le\\sqrt{D_{KL}(\\pi_\\theta\\|\\pi_{\\theta'})}",
          "002 image TRPO10, D_TV^2 <= D_KL: the same with a factor of 2 to spare", trpo, AT_LEAST } },
      .page = page_of_pinsker },
    { .id = NULL }
};
