/* Importance sampling: the mean under p from samples of q, and its variance, which decides how many are needed (IS-1,
 * IS-2). 001 (l.38-74), 004 (l.360-390), 000 eq (14). Discrete: in each state, p = pi'(.|s), q = pi(.|s) and f =
 * A_pi(s,.), as 004 substitutes (l.370); A is divided by max|A|, so that its square is a number. Continuous:
 * Gaussians, by quadrature and in closed form. */
#include <float.h>
#include <gsl/gsl_math.h>
#include <gsl/gsl_randist.h>
#include <math.h>
#include <stdlib.h>

#include "autodiff/linalg.h"
#include "autodiff/random.h"
#include "autodiff/require.h"
#include "derivations/derivation.h"
#include "derivations/importance_integrals.h"

/* ---- the pairs: every state, then Gaussians of finite variance ---- */

static const importance_gaussians pair[] = {
    { 0, 1, 0.5, 1.5, IMPORTANCE_X2, 0 }, { 1, 0.5, 0, 1, IMPORTANCE_X, 0 }, { 0, 1, 0, 2, IMPORTANCE_ONE, 0 },
    { 0.3, 1.2, -0.4, 1.5, IMPORTANCE_EXP, 0.5 }, { 0, 1, 1, 0.9, IMPORTANCE_ABOVE, 0.4 } };
enum { PAIRS = sizeof pair / sizeof *pair };

static int n_pairs(const setting *x) { return x->pi->nS + PAIRS; }

static const double LARGEST_RATIO = 1e100;

static const char *no_ratio(const setting *x)
{
    for (int i = 0; i < x->pi->nSA; i++)
        if (!(x->pi1->pi[i] <= LARGEST_RATIO * x->pi->pi[i]))
            return "pi never does what pi' does: there is no ratio";
    return linalg_max_abs(x->pi->nSA, x->pi->A) > 0 ? NULL : "no action is better than another: f is 0";
}

/* p = pi'(.|s), q = pi(.|s), f = A_pi(s,.) / max|A|, of all states; f [nSA] to be freed */
static double *advantages(const setting *x)
{
    double *f = allocate((size_t)x->pi->nSA, sizeof *f, "advantages"), most = linalg_max_abs(x->pi->nSA, x->pi->A);
    for (int i = 0; i < x->pi->nSA; i++) f[i] = x->pi->A[i] / most;
    return f;
}

typedef double (*of_state)(int n, const double *p, const double *q, const double *f);
static void each_state(const setting *x, of_state h, double *out)
{
    double *f = advantages(x);
    for (int s = 0, nA = x->pi->nA; s < x->pi->nS; s++)
        out[s] = h(nA, x->pi1->pi + s * nA, x->pi->pi + s * nA, f + s * nA);
    free(f);
}

/* ---- IS-1 ---- */

static double unit_mean(const setting *x) { return 4 * DBL_EPSILON * fmax(x->pi->nA, 4); }

static double f_p(const importance_gaussians *g, double x)
{
    return importance_gaussian_f(g, x) * importance_gaussian_p(g, x);
}

static double sum_p_f(int n, const double *p, const double *q, const double *f)
{
    (void)q;
    return linalg_dot(n, p, f);
}

static double sum_f_ratio_q(int n, const double *p, const double *q, const double *f)
{
    double sum = 0;
    for (int i = 0; i < n; i++) sum += q[i] > 0 ? f[i] * (p[i] / q[i]) * q[i] : 0;
    return sum;
}

static double mean_under_q(int n, const double *p, const double *q, const double *f)
{
    return importance_discrete(n, p, q, f).mean_wf;
}

/* q without the action that adds most to the mean, the others made a little likelier: w = 0 there is what a
 * program that divides only where it can makes of it */
static double mean_not_covered(int n, const double *p, const double *q, const double *f)
{
    double *left = allocate((size_t)n, sizeof *left, "a policy that misses an action");
    int missed = 0;
    for (int i = 1; i < n; i++)
        if (p[i] * fabs(f[i]) > p[missed] * fabs(f[missed])) missed = i;
    for (int i = 0; i < n; i++) left[i] = i == missed ? 0 : q[i] / (1 - q[missed]);
    double mean = q[missed] < 1 ? importance_discrete(n, p, left, f).mean_wf : 0;
    free(left);
    return mean;
}

/* E_{x~p}[f(x)] = f(0) + E_{x~p}[f(x) - f(0)] */
static double mean_from_first(int n, const double *p, const double *q, const double *f)
{
    (void)q;
    double from_first = 0;
    for (int i = 1; i < n; i++) from_first += p[i] * (f[i] - f[0]);
    return f[0] + from_first;
}

static double mean_of_p(const setting *x, double *out)
{
    each_state(x, mean_from_first, out);
    for (int k = 0; k < PAIRS; k++) out[x->pi->nS + k] = importance_gaussian(&pair[k]).mean_f;
    return 0;
}

static double by_line(const setting *x, of_state h, integrand i, double *out)
{
    double error = 0;
    each_state(x, h, out);
    for (int k = 0; k < PAIRS; k++) out[x->pi->nS + k] = integral_over_line(i, &pair[k], &error);
    return error;
}

static double integral_p(const setting *x, double *out) { return by_line(x, sum_p_f, f_p, out); }
static double integral_ratio_q(const setting *x, double *out)
{
    return by_line(x, sum_f_ratio_q, integrand_f_w_q, out);
}

/* IS-1   E_{x~q}[f(x) p(x)/q(x)] */
static double mean_of_q(const setting *x, double *out)
{
    double error = 0;
    each_state(x, mean_under_q, out);
    for (int k = 0; k < PAIRS; k++) out[x->pi->nS + k] = integral_over_quantiles(integrand_f_w, &pair[k], &error);
    return error;
}

/* ERR-50: q misses an action, or all above its mean */
static double mean_without_support(const setting *x, double *out)
{
    double error = 0;
    each_state(x, mean_not_covered, out);
    for (int k = 0; k < PAIRS; k++)
        out[x->pi->nS + k] = integral_between(f_p, &pair[k], pair[k].m2 - INTEGRAL_FAR * pair[k].s1, pair[k].m2,
                                              &error);
    return error;
}

/* Sampled: a mean of each pair, from as many x ~ q as its variance asks for, so that all have one standard error. Of
 * five means one is off by more than MOST_Z of these for 3e-4 of all seeds; one that is wrong by 6 is seen with
 * probability .98. */
enum { MOST_Z = 4 };

/* The means of h, and MOST_Z errors; with another q in the ratio, one `to_the_right` */
static double by_sampling(const setting *x, integrand h, const double *variance, double error, double to_the_right,
                          double *out)
{
    gsl_rng *rng = random_stream(x->seed, 0, RANDOM_TEST);
    for (int k = 0; k < PAIRS; k++) {
        importance_gaussians g = pair[k];
        long n = (long)ceil(variance[k] / (error * error));
        double sum = 0;
        g.m2 += to_the_right;
        for (long i = 0; i < n; i++) sum += h(&g, pair[k].m2 + gsl_ran_gaussian(rng, pair[k].s2));
        out[k] = sum / (double)n;
    }
    gsl_rng_free(rng);
    return MOST_Z * error;
}

static double sampled_mean(const setting *x, double to_the_right, double *out)
{
    double variance[PAIRS];
    for (int k = 0; k < PAIRS; k++) variance[k] = importance_gaussian(&pair[k]).var_wf;
    each_state(x, mean_from_first, out);
    return by_sampling(x, integrand_f_w, variance, 0.01, to_the_right, out + x->pi->nS);
}

static double sampled(const setting *x, double *out)         { return sampled_mean(x, 0, out); }
static double sampled_wrong_q(const setting *x, double *out) { return sampled_mean(x, 0.5, out); }

/* ---- IS-2 ---- */

/* Of the greatest second moment, from which a mean is taken off */
static double unit_variance(const setting *x)
{
    double most = 1, *moment = allocate((size_t)x->pi->nS, sizeof *moment, "second moments");
    each_state(x, importance_second_moment, moment);
    for (int s = 0; s < x->pi->nS; s++) most = fmax(most, moment[s]);
    free(moment);
    for (int k = 0; k < PAIRS; k++) {
        importance g = importance_gaussian(&pair[k]);
        most = fmax(most, g.var_wf + g.mean_f * g.mean_f);
    }
    return 4 * DBL_EPSILON * fmax(x->pi->nA, 4) * most;
}

static double deviation_q(const importance_gaussians *g, double x)
{
    return gsl_pow_2(integrand_f_w(g, x) - importance_gaussian(g).mean_f) * importance_gaussian_q(g, x);
}

static double square_q_over_p_p(const importance_gaussians *g, double x)
{
    return gsl_pow_2(integrand_f_w(g, x)) * (1 / importance_gaussian_w(g, x)) * importance_gaussian_p(g, x);
}

static double sum_square_q(int n, const double *p, const double *q, const double *f)
{
    double sum = 0;
    for (int i = 0; i < n; i++) sum += q[i] > 0 ? gsl_pow_2(f[i] * (p[i] / q[i])) * q[i] : 0;
    return sum - gsl_pow_2(linalg_dot(n, p, f));
}

static double sum_square_q_over_p_p(int n, const double *p, const double *q, const double *f)
{
    double sum = 0;
    for (int i = 0; i < n; i++)
        if (p[i] > 0 && q[i] > 0) sum += gsl_pow_2(f[i] * (p[i] / q[i])) * (q[i] / p[i]) * p[i];
    return sum - gsl_pow_2(linalg_dot(n, p, f));
}

static double variance_of_q(const setting *x, double *out)
{
    return by_line(x, importance_variance, deviation_q, out);
}

static double moments_of_q(const setting *x, double *out)
{
    double error = 0;
    each_state(x, importance_variance_by_moments, out);
    for (int k = 0; k < PAIRS; k++) {
        double E = integral_over_quantiles(integrand_f_w, &pair[k], &error);
        out[x->pi->nS + k] = integral_over_quantiles(integrand_square, &pair[k], &error) - E * E;
        error = fmax(error, 3 * error * fabs(E));
    }
    return error;
}

static double minus_mean_of_p(const setting *x, of_state h, integrand i, double *out)
{
    double error = by_line(x, h, i, out);
    for (int k = 0; k < PAIRS; k++) out[x->pi->nS + k] -= gsl_pow_2(importance_gaussian(&pair[k]).mean_f);
    return error;
}

static double square_under_q(const setting *x, double *out)
{
    return minus_mean_of_p(x, sum_square_q, integrand_square_q, out);
}

static double square_under_p(const setting *x, double *out)
{
    return minus_mean_of_p(x, sum_square_q_over_p_p, square_q_over_p_p, out);
}

static double fourth_power_q(const importance_gaussians *g, double x)
{
    return gsl_pow_4(integrand_f_w(g, x)) * importance_gaussian_q(g, x);
}

/* The states by the line above it */
static double sampled_square(const setting *x, double to_the_right, double *out)
{
    double variance[PAIRS], error = 0;
    for (int k = 0; k < PAIRS; k++) {
        importance g = importance_gaussian(&pair[k]);
        variance[k] = integral_over_line(fourth_power_q, &pair[k], &error)
                    - gsl_pow_2(g.var_wf + g.mean_f * g.mean_f);
    }
    each_state(x, importance_variance_under_p, out);
    double room = by_sampling(x, integrand_square, variance, 0.02, to_the_right, out + x->pi->nS);
    for (int k = 0; k < PAIRS; k++) out[x->pi->nS + k] -= gsl_pow_2(importance_gaussian(&pair[k]).mean_f);
    return room;
}

static double sampled_variance(const setting *x, double *out)         { return sampled_square(x, 0, out); }
static double sampled_variance_wrong_q(const setting *x, double *out) { return sampled_square(x, 0.5, out); }

/* IS-2   E_{x~p}[f(x)^2 p(x)/q(x)] - (E_{x~p}[f(x)])^2 */
static double second_moment_of_p(const setting *x, double *out)
{
    double condition = 0;
    each_state(x, importance_variance_under_p, out);
    for (int k = 0; k < PAIRS; k++) {
        importance g = importance_gaussian(&pair[k]);
        out[x->pi->nS + k] = g.var_wf;
        condition = fmax(condition, importance_gaussian_condition(&pair[k]) * (g.var_wf + g.mean_f * g.mean_f));
    }
    return 4 * DBL_EPSILON * condition;
}

#define OF_PAIRS "in each state, p = pi'(.|s), q = pi(.|s), f = A/max|A|; then five pairs of Gaussians"

const derivation importance_sampling[] = {
    { "IS-1", "E_p[f] = E_q[f p/q], where q(x) = 0 => p(x) f(x) = 0", OF_PAIRS, n_pairs, unit_mean, no_ratio,
      NULL, {
        { "E_{x\\sim p}[f(x)]", "what is wanted: f of the first action, and what the others add; moments of a"
          " Gaussian", mean_of_p },
        { "=\\int f(x)p(x)dx", "the definition (004: a sum); quadrature", integral_p },
        { "=\\int f(x)\\frac{p(x)}{q(x)}q(x)dx", "q/q = 1 wherever q > 0, and elsewhere p f = 0",
          integral_ratio_q },
        { "=E_{x\\sim q}[f(x)\\frac{p(x)}{q(x)}]", "a mean under q: over its quantiles", mean_of_q },
        { "\\approx\\frac1n\\sum_{i=1}^nf(x_i)\\frac{p(x_i)}{q(x_i)},\\quad x_i\\sim q",
          "the Gaussians sampled to a"
          " standard error of .01, |z| < 4 (false alarm 3e-4; a mean off by .06 is seen with .98); states as above",
          sampled },
        { "\\frac1n\\sum_{i=1}^nf(x_i)\\frac{p(x_i)}{q(x_i-1/2)},\\quad x_i\\sim q",
          "the control: the same samples, divided by another q", sampled_wrong_q, DIFFERS },
        { "E_{x\\sim q}[f(x)\\frac{p(x)}{q(x)}],\\quad q(x)=0<p(x)|f(x)|\\text{ for some }x",
          "001 (l.51), 004 (l.362), 000 eq 14 ask nothing of q. Here it never does the action that adds most to the"
          " mean, or nothing above its own mean: what is missing is missing", mean_without_support, DIFFERS,
          "ERR-50" } } },
    { "IS-2", "Var_q[f p/q] = E_p[f^2 p/q] - (E_p[f])^2", OF_PAIRS, n_pairs, unit_variance, no_ratio, NULL, {
        { "Var_{x\\sim q}[f(x)\\frac{p(x)}{q(x)}]", "the mean squared distance from the mean", variance_of_q },
        { "=E_{x\\sim q}[(f(x)\\frac{p(x)}{q(x)})^2]-(E_{x\\sim q}[f(x)\\frac{p(x)}{q(x)}])^2",
          "Var Z = E Z^2 - (E Z)^2 (004 l.380)", moments_of_q },
        { "=\\int(f(x)\\frac{p(x)}{q(x)})^2q(x)dx-(E_{x\\sim p}[f(x)])^2", "IS-1 in the second term",
          square_under_q },
        { "=\\int(f(x)\\frac{p(x)}{q(x)})^2\\frac{q(x)}{p(x)}p(x)dx-(E_{x\\sim p}[f(x)])^2", "p/p = 1",
          square_under_p },
        { "=E_{x\\sim p}[f(x)^2\\frac{p(x)}{q(x)}]-(E_{x\\sim p}[f(x)])^2",
          "one of the two ratios is gone (004 l.384); Gaussians in closed form", second_moment_of_p },
        { "\\approx\\frac1n\\sum_{i=1}^n(f(x_i)\\frac{p(x_i)}{q(x_i)})^2-(E_{x\\sim p}[f(x)])^2,\\quad x_i\\sim q",
          "sampled, as in IS-1: standard error .02, |z| < 4 (false alarm 3e-4; one off by .12 is seen with .98)",
          sampled_variance },
        { "\\frac1n\\sum_{i=1}^n(f(x_i)\\frac{p(x_i)}{q(x_i-1/2)})^2-(E_{x\\sim p}[f(x)])^2,\\quad x_i\\sim q",
          "the control: the same samples, divided by another q", sampled_variance_wrong_q, DIFFERS } } },
    { .id = NULL }
};
