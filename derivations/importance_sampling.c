/* Importance sampling: the mean under p from samples of q, and its variance, which decides how many are needed.
 * 001 (l.38-74), 004 (l.360-390), 000 eq (14). Discrete: in each state, p = pi'(.|s), q = pi(.|s) and f =
 * A_pi(s,.), as 004 substitutes (l.370); A is divided by max|A|, so that its square is a number. Continuous:
 * Gaussians, by quadrature and in closed form. */
#include <float.h>
#include <gsl/gsl_cdf.h>
#include <gsl/gsl_integration.h>
#include <gsl/gsl_math.h>
#include <gsl/gsl_randist.h>
#include <gsl/gsl_sf_dawson.h>
#include <math.h>
#include <stdlib.h>

#include "algorithms/off_policy_pg.h"
#include "autodiff/linalg.h"
#include "autodiff/random.h"
#include "autodiff/require.h"
#include "derivations/derivation.h"
#include "derivations/importance.h"
#include "derivations/performance_difference.h"

/* ---- integrals over the line ---- */

typedef double (*integrand)(const importance_gaussians *g, double x);
struct integral { integrand h; const importance_gaussians *g; };

static double at(double x, void *context)
{
    const struct integral *i = context;
    return i->h(i->g, x);
}

enum { PARTS = 1000 };

/* int_from^to h dx; *error is raised to a bound on its error */
static double integrate(integrand h, const importance_gaussians *g, double from, double to, double *error)
{
    struct integral i = { h, g };
    gsl_function f = { at, &i };
    gsl_integration_workspace *w = gsl_integration_workspace_alloc(PARTS);
    double result, off;
    gsl_integration_qag(&f, from, to, 0, 1e-13, PARTS, GSL_INTEG_GAUSS61, w, &result, &off);
    gsl_integration_workspace_free(w);
    *error = fmax(*error, off);
    return result;
}

/* All of p, q and p^2/q lies within FAR of their larger standard deviation about their means, but for some e^-72;
 * cut in two at the jump of 1{x > t}, or at the mean. */
enum { FAR = 12 };
static double over_line(integrand h, const importance_gaussians *g, double *error)
{
    double v = 1 / (2 / (g->s1 * g->s1) - 1 / (g->s2 * g->s2));
    double m = v * (2 * g->m1 / (g->s1 * g->s1) - g->m2 / (g->s2 * g->s2));
    double wide = fmax(sqrt(v), fmax(g->s1, g->s2)), middle = g->f == IMPORTANCE_ABOVE ? g->t : m;
    double least = fmin(m, fmin(g->m1, g->m2)) - FAR * wide, most = fmax(m, fmax(g->m1, g->m2)) + FAR * wide;
    return integrate(h, g, least, middle, error) + integrate(h, g, middle, most, error);
}

/* E_q[h(x)] as the mean over q's quantiles u, in (0, 1), from both ends: x(u) = m2 -+ s2 Phi^{-1}(u) */
struct quantiles { integrand h; const importance_gaussians *g; };
static double both_tails(double u, void *context)
{
    const struct quantiles *c = context;
    double z = gsl_cdf_ugaussian_Pinv(u);
    return c->h(c->g, c->g->m2 + c->g->s2 * z) + c->h(c->g, c->g->m2 - c->g->s2 * z);
}

static double over_quantiles(integrand h, const importance_gaussians *g, double *error)
{
    struct quantiles c = { h, g };
    gsl_function f = { both_tails, &c };
    gsl_integration_workspace *w = gsl_integration_workspace_alloc(PARTS);
    double jump = gsl_cdf_ugaussian_P((g->t - g->m2) / g->s2), result, off;
    double point[] = { 0, g->f == IMPORTANCE_ABOVE ? fmin(jump, 1 - jump) : 0.25, 0.5 };
    gsl_integration_qagp(&f, point, 3, 0, 1e-12, PARTS, w, &result, &off);
    gsl_integration_workspace_free(w);
    *error = fmax(*error, off);
    return result;
}

/* ---- the pairs of IS-1 and IS-2: every state, then Gaussians of finite variance ---- */

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

static double greatest_A(const setting *x) { return linalg_max_abs(x->pi->nSA, x->pi->A); }

/* p = pi'(.|s), q = pi(.|s), f = A_pi(s,.) / max|A|, of all states; f [nSA] to be freed */
static double *advantages(const setting *x)
{
    double *f = allocate((size_t)x->pi->nSA, sizeof *f, "advantages"), most = greatest_A(x);
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

static double f_ratio(const importance_gaussians *g, double x)
{
    return importance_gaussian_f(g, x) * importance_gaussian_w(g, x);
}

static double f_ratio_q(const importance_gaussians *g, double x)
{
    return f_ratio(g, x) * importance_gaussian_q(g, x);
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
    for (int k = 0; k < PAIRS; k++) out[x->pi->nS + k] = over_line(i, &pair[k], &error);
    return error;
}

static double integral_p(const setting *x, double *out)       { return by_line(x, sum_p_f, f_p, out); }
static double integral_ratio_q(const setting *x, double *out) { return by_line(x, sum_f_ratio_q, f_ratio_q, out); }

/* IS-1   E_{x~q}[f(x) p(x)/q(x)] */
static double mean_of_q(const setting *x, double *out)
{
    double error = 0;
    each_state(x, mean_under_q, out);
    for (int k = 0; k < PAIRS; k++) out[x->pi->nS + k] = over_quantiles(f_ratio, &pair[k], &error);
    return error;
}

/* ERR-50: q misses an action, or all above its mean */
static double mean_without_support(const setting *x, double *out)
{
    double error = 0;
    each_state(x, mean_not_covered, out);
    for (int k = 0; k < PAIRS; k++)
        out[x->pi->nS + k] = integrate(f_p, &pair[k], pair[k].m2 - FAR * pair[k].s1, pair[k].m2, &error);
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
    return by_sampling(x, f_ratio, variance, 0.01, to_the_right, out + x->pi->nS);
}

static double sampled(const setting *x, double *out)         { return sampled_mean(x, 0, out); }
static double sampled_wrong_q(const setting *x, double *out) { return sampled_mean(x, 0.5, out); }

/* ---- IS-2 ---- */

/* Of the greatest second moment, from which a mean is taken off */
static double unit_variance(const setting *x)
{
    double most = 1, *square = allocate((size_t)x->pi->nS, sizeof *square, "second moments");
    each_state(x, importance_second_moment, square);
    for (int s = 0; s < x->pi->nS; s++) most = fmax(most, square[s]);
    free(square);
    for (int k = 0; k < PAIRS; k++) {
        importance g = importance_gaussian(&pair[k]);
        most = fmax(most, g.var_wf + g.mean_f * g.mean_f);
    }
    return 4 * DBL_EPSILON * fmax(x->pi->nA, 4) * most;
}

static double deviation_q(const importance_gaussians *g, double x)
{
    return gsl_pow_2(f_ratio(g, x) - importance_gaussian(g).mean_f) * importance_gaussian_q(g, x);
}

static double square(const importance_gaussians *g, double x) { return gsl_pow_2(f_ratio(g, x)); }

static double square_q(const importance_gaussians *g, double x)
{
    return gsl_pow_2(f_ratio(g, x)) * importance_gaussian_q(g, x);
}

static double square_q_over_p_p(const importance_gaussians *g, double x)
{
    return gsl_pow_2(f_ratio(g, x)) * (1 / importance_gaussian_w(g, x)) * importance_gaussian_p(g, x);
}

static double E_square_minus_square(int n, const double *p, const double *q, const double *f)
{
    double E = 0, E2 = 0;
    for (int i = 0; i < n; i++) {
        double w = q[i] > 0 ? p[i] / q[i] : 0;
        E += q[i] * (f[i] * w), E2 += q[i] * gsl_pow_2(f[i] * w);
    }
    return E2 - E * E;
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

static double second_moment_minus(int n, const double *p, const double *q, const double *f)
{
    return importance_second_moment(n, p, q, f) - gsl_pow_2(linalg_dot(n, p, f));
}

static double variance_of_q(const setting *x, double *out)
{
    return by_line(x, importance_variance, deviation_q, out);
}

static double moments_of_q(const setting *x, double *out)
{
    double error = 0;
    each_state(x, E_square_minus_square, out);
    for (int k = 0; k < PAIRS; k++) {
        double E = over_quantiles(f_ratio, &pair[k], &error);
        out[x->pi->nS + k] = over_quantiles(square, &pair[k], &error) - E * E;
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
    return minus_mean_of_p(x, sum_square_q, square_q, out);
}

static double square_under_p(const setting *x, double *out)
{
    return minus_mean_of_p(x, sum_square_q_over_p_p, square_q_over_p_p, out);
}

static double fourth_power_q(const importance_gaussians *g, double x)
{
    return gsl_pow_4(f_ratio(g, x)) * importance_gaussian_q(g, x);
}

/* The states by the line above it */
static double sampled_square(const setting *x, double to_the_right, double *out)
{
    double variance[PAIRS], error = 0;
    for (int k = 0; k < PAIRS; k++) {
        importance g = importance_gaussian(&pair[k]);
        variance[k] = over_line(fourth_power_q, &pair[k], &error) - gsl_pow_2(g.var_wf + g.mean_f * g.mean_f);
    }
    each_state(x, second_moment_minus, out);
    double room = by_sampling(x, square, variance, 0.02, to_the_right, out + x->pi->nS);
    for (int k = 0; k < PAIRS; k++) out[x->pi->nS + k] -= gsl_pow_2(importance_gaussian(&pair[k]).mean_f);
    return room;
}

static double sampled_variance(const setting *x, double *out)         { return sampled_square(x, 0, out); }
static double sampled_variance_wrong_q(const setting *x, double *out) { return sampled_square(x, 0.5, out); }

/* IS-2   E_{x~p}[f(x)^2 p(x)/q(x)] - (E_{x~p}[f(x)])^2 */
static double second_moment_of_p(const setting *x, double *out)
{
    double condition = 0;
    each_state(x, second_moment_minus, out);
    for (int k = 0; k < PAIRS; k++) {
        importance g = importance_gaussian(&pair[k]);
        out[x->pi->nS + k] = g.var_wf;
        condition = fmax(condition, importance_gaussian_condition(&pair[k]) * (g.var_wf + g.mean_f * g.mean_f));
    }
    return 4 * DBL_EPSILON * condition;
}

/* ---- IS-3: log of E_q[(w f)^2] / E_p[f]^2 = 1 + the relative variance of one sample ---- */

/* Further and further off; narrower and narrower; q ~ f p with f = e^x, and p itself with that f */
static const importance_gaussians apart[] = {
    { 0, 1, 0.5, 1, IMPORTANCE_ONE, 0 }, { 0, 1, 1, 1, IMPORTANCE_ONE, 0 }, { 0, 1, 2, 1, IMPORTANCE_ONE, 0 },
    { 0, 1, 3, 1, IMPORTANCE_ONE, 0 }, { 0, 1, 0, 2, IMPORTANCE_ONE, 0 }, { 0, 1, 0, 0.8, IMPORTANCE_ONE, 0 },
    { 0, 1, 0, 0.75, IMPORTANCE_ONE, 0 }, { 0, 1, 1, 1, IMPORTANCE_EXP, 1 }, { 0, 1, 0, 1, IMPORTANCE_EXP, 1 } };
/* Behind them: p and q in sixteenths; and p^2/q of p = N(0, 1), q = N(0, .36) over |x| < 2, 4, 8: no end to it */
enum { SHIFTS = 4, Q_AS_F_P = 7, Q_AS_P };
enum { APART = sizeof apart / sizeof *apart, SIXTEENTHS = 3, CUTS = 3, N_APART = APART + 1 + CUTS };
static const double p16[SIXTEENTHS] = { 8, 6, 2 }, q16[SIXTEENTHS] = { 3, 8, 5 }, narrow = 0.6;
static const double cut[CUTS] = { 2, 4, 8 };

static int    n_apart(const setting *x)    { (void)x; return N_APART; }
static double unit_apart(const setting *x) { (void)x; return 64 * DBL_EPSILON; }

static double p2_over_q(const importance_gaussians *g, double x)
{
    return importance_gaussian_w(g, x) * importance_gaussian_p(g, x);
}

/* By quadrature of what is squared; chi^2 = sum (p - q)^2 / q; up to |x| < c */
static double log_second_moments(const setting *x, double *out)
{
    (void)x;
    double error = 0, chi2 = 0;
    for (int k = 0; k < APART; k++) {
        double E = over_line(f_ratio_q, &apart[k], &error), off = 0, E2 = over_line(square_q, &apart[k], &off);
        error = fmax(error, off / E2);
        out[k] = log(E2 / (E * E));
    }
    for (int i = 0; i < SIXTEENTHS; i++) chi2 += gsl_pow_2(p16[i] - q16[i]) / q16[i] / 16;
    out[APART] = log1p(chi2);
    for (int k = 0; k < CUTS; k++) {
        importance_gaussians g = { 0, 1, 0, narrow, IMPORTANCE_ONE, 0 };
        double off = 0, E2 = 2 * integrate(p2_over_q, &g, 0, cut[k], &off);
        error = fmax(error, 2 * off / E2);
        out[APART + 1 + k] = log(E2);
    }
    return 3 * error;
}

/* IS-3   in closed form: 1 + chi^2 of Gaussians; of a mean of discrete numbers; and
 * int_{|x|<c} p^2/q = 2 s/sqrt(2 pi a) e^{a c^2} D(c sqrt a), a = 1/(2 s^2) - 1, D Dawson's integral */
static double log_closed_form(const setting *x, double *out)
{
    (void)x;
    const double one[SIXTEENTHS] = { 1, 1, 1 };
    double p[SIXTEENTHS], q[SIXTEENTHS], condition = 0, a = 1 / (2 * narrow * narrow) - 1;
    for (int k = 0; k < APART; k++) {
        importance g = importance_gaussian(&apart[k]);
        out[k] = log1p(g.var_wf / (g.mean_f * g.mean_f));
        condition = fmax(condition, importance_gaussian_condition(&apart[k]));
    }
    for (int i = 0; i < SIXTEENTHS; i++) p[i] = p16[i] / 16, q[i] = q16[i] / 16;
    out[APART] = log1p(importance_discrete(SIXTEENTHS, p, q, one).var_w);
    for (int k = 0; k < CUTS; k++)
        out[APART + 1 + k] = log(2 * narrow / sqrt(2 * M_PI * a) * gsl_sf_dawson(cut[k] * sqrt(a)))
                           + a * gsl_pow_2(cut[k]);
    return 4 * DBL_EPSILON * condition;
}

/* IS-3   ESS = 1/(1 + chi^2) of a sample; of sixteen samples, as often as q says, by training code */
static double minus_log_ess(const setting *x, double *out)
{
    double L[16], room = log_closed_form(x, out);
    int D = 0;
    for (int i = 0; i < SIXTEENTHS; i++)
        for (int j = 0; j < q16[i]; j++) L[D++] = log(p16[i] / q16[i]);
    out[APART] = -log(off_policy_ess(D, L) / D);
    return room;
}

/* Samples of p itself: E_p[f^2] / E_p[f]^2, and 1 for f = 1 */
static double log_on_policy(const setting *x, double *out)
{
    (void)x;
    for (int k = 0; k < N_APART; k++) out[k] = 0;
    for (int k = 0; k < APART; k++) {
        importance g = importance_gaussian(&apart[k]);
        out[k] = log1p(g.var_f / (g.mean_f * g.mean_f));
    }
    return 0;
}

static void page_apart(const setting *x, FILE *out)
{
    double number[N_APART];
    static const double s2[] = { 2, 1, 0.8, 0.72, 0.70710678118654752440, 0.6 };
    static const char *const as[] = { "2", "1", "0.8", "0.72", "1/sqrt 2", "0.6" };
    log_closed_form(x, number);
    fprintf(out, "p = N(0,1), f = 1\n  q             Var of one weight     effective part of a sample\n");
    for (int k = 0; k < SHIFTS; k++)
        fprintf(out, "  N(%g, 1)%*s %17.6g %30.4g\n", apart[k].m2, apart[k].m2 == 0.5 ? 3 : 5, "", expm1(number[k]),
                exp(-number[k]));
    for (int k = 0; k < 6; k++) {
        importance g = importance_gaussian(&(importance_gaussians){ 0, 1, 0, s2[k], IMPORTANCE_ONE, 0 });
        if (isinf(g.var_w) || k == 4) fprintf(out, "  sd = %-8s %17s %30s\n", as[k], "infinite", "0");
        else                          fprintf(out, "  sd = %-8s %17.6g %30.4g\n", as[k], g.var_w, g.ess);
    }
    fprintf(out, "f = e^x: Var/mean^2 of a sample of p itself %.4g, of q = N(1,1) ~ f p %.4g: q far from p need"
        " not be"
            " worse\nq = N(0, .6^2): the part of E_q[w^2] from |x| < 2, 4, 8: %.4g, %.4g, %.4g: without end, though"
            " E_q[w] = 1\n", expm1(number[Q_AS_P]), fabs(number[Q_AS_F_P]) < 1e-9 ? 0 : expm1(number[Q_AS_F_P]),
            exp(number[APART + 1]), exp(number[APART + 2]), exp(number[APART + 3]));
}

/* ---- IS-11: pi_t = pi e^{tA} / Z, the logits moved along A; (s, a) of P = d pi_t, Q = d pi ---- */

static const double ladder[] = { 0.25, 0.5, 1, 2 };
enum { STEPS = sizeof ladder / sizeof *ladder };
static int n_ladder(const setting *x) { (void)x; return STEPS; }

/* P, Q, f [nSA] in one block, to be freed: Q(s,a) = d(s) pi(a|s), P with pi_t, f = A / sqrt(E_Q[A^2]). A larger
 * than 2 is first made 2 for the step: no ratio is then above e^4t. NULL where E_Q[A^2] is 0. */
static double *moved(const setting *x, double t)
{
    const exact *pi = x->pi;
    size_t n = (size_t)pi->nSA;
    double *P = allocate(3 * n, sizeof *P, "distributions"), *Q = P + n, *f = Q + n, visits = 0, E = 0;
    double most = greatest_A(x);
    for (int s = 0; s < pi->nS; s++) visits += exact_rho(pi, s);
    for (int s = 0; s < pi->nS && most > 0 && visits > 0; s++) {
        double Z = 0, d = exact_rho(pi, s) / visits;
        for (int i = s * pi->nA; i < (s + 1) * pi->nA; i++) {
            f[i] = pi->A[i] / most;
            Q[i] = d * pi->pi[i];
            E += Q[i] * f[i] * f[i];
            Z += P[i] = pi->pi[i] * exp(t * f[i] * fmin(most, 2));
        }
        for (int i = s * pi->nA; i < (s + 1) * pi->nA; i++) P[i] *= d / Z;
    }
    for (size_t i = 0; i < n; i++) f[i] /= sqrt(E);
    if (E > 1e-100) return P;
    free(P);
    return NULL;
}

static const char *all_alike(const setting *x)
{
    double *P = moved(x, 0);
    free(P);
    return P && greatest_A(x) > 20 * x->pi->unit_V ? NULL : "where pi goes no action is better than another";
}

/* u N of the greatest second moment */
static double unit_ladder(const setting *x)
{
    size_t n = (size_t)x->pi->nSA;
    double most = 1;
    for (int k = 0; k < STEPS; k++) {
        double *P = moved(x, ladder[k]);
        most = fmax(most, importance_second_moment((int)n, P, P + n, P + 2 * n));
        free(P);
    }
    return 4 * DBL_EPSILON * fmax((double)n, 4) * most;
}

static double along(const setting *x, of_state h, double *out)
{
    size_t n = (size_t)x->pi->nSA;
    for (int k = 0; k < STEPS; k++) {
        double *P = moved(x, ladder[k]);
        out[k] = h((int)n, P, P + n, P + 2 * n);
        free(P);
    }
    return 0;
}

/* max f^2 (1 + chi^2(P||Q)) - (E_P f)^2 */
static double chi2_bound(int n, const double *p, const double *q, const double *f)
{
    double square = 0;
    for (int i = 0; i < n; i++) square += q[i] > 0 ? p[i] * (p[i] / q[i]) : 0;
    return gsl_pow_2(linalg_max_abs(n, f)) * square - gsl_pow_2(linalg_dot(n, p, f));
}

static double ladder_variance(const setting *x, double *out) { return along(x, importance_variance, out); }
static double ladder_moments(const setting *x, double *out)  { return along(x, E_square_minus_square, out); }
/* IS-11   Var[Z] = E_P[(P/Q) f^2] - E_P[f]^2 */
static double ladder_of_P(const setting *x, double *out)     { return along(x, second_moment_minus, out); }
static double ladder_bound(const setting *x, double *out)    { return along(x, chi2_bound, out); }

static void page_of_ladder(const setting *x, FILE *out)
{
    size_t n = (size_t)x->pi->nSA;
    fprintf(out, "logits + tA%s     chi^2    samples for the same error as at t = 0\n",
            greatest_A(x) > 2 ? " (A scaled to 2)" : "");
    for (int k = 0; k < STEPS; k++) {
        double *P = moved(x, ladder[k]);
        importance i = importance_discrete((int)n, P, P + n, P + 2 * n);
        fprintf(out, "t = %-6g %11.4g %27.4g times\n", ladder[k], i.var_w, i.var_wf);
        free(P);
    }
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
    { "IS-3", "p, q far apart: more samples, by 1 + chi^2; or fewer, with q ~ |f| p none but one",
      "log E_q[(w f)^2]/E_p[f]^2, see below; w = p/q", n_apart, unit_apart, NULL, NULL, {
        { "\\log E_q[(f\\frac pq)^2]/E_p[f]^2", "by quadrature: one sample's variance over its squared mean,"
          " plus 1",
          log_second_moments },
        { "=\\log(1+\\chi^2(p\\|q)),\\ f=1", "chi^2 = Var_q[p/q], the whole variance where f is constant",
          log_closed_form },
        { "=-\\log ESS/n", "of n samples of q as many of p: ESS = n/(1 + chi^2). Of p and q in sixteenths, through"
          " algorithms/off_policy_pg.c; the others as above", minus_log_ess },
        { "\\log E_p[f^2]/E_p[f]^2", "001 (l.56, 72): the variances of the two differ much. Samples of p itself:"
          " 0 where f = 1, but 1 where f = e^x, more than with q ~ f p", log_on_policy, DIFFERS } },
      "Gaussians apart, narrower, q ~ f p; p and q in sixteenths; parts of an infinite variance", page_apart },
    { "IS-11", "the ratio estimator's variance: E_P[(P/Q) A^2] - E_P[A]^2, bounded by chi^2 only",
      "Var of ratio A, over that of A; (s,a) ~ d pi, logits + tA, t = 1/4, 1/2, 1, 2", n_ladder, unit_ladder,
      all_alike, NULL, {
        { "Var[Z],\\quad Z=\\frac{P(X)}{Q(X)}f(X)",
          "an expectation has none, as 004 (l.378) writes it: Z, one sample of it, has", ladder_variance },
        { "=E_{X\\sim Q}[(\\frac{P(X)}{Q(X)}f(X))^2]-E_{X\\sim Q}[\\frac{P(X)}{Q(X)}f(X)]^2",
          "Var Z = E Z^2 - (E Z)^2",
          ladder_moments },
        { "=E_{X\\sim P}[\\frac{P(X)}{Q(X)}f(X)^2]-E_{X\\sim P}[f(X)]^2", "IS-2, P = d pi~, Q = d pi, f = A",
          ladder_of_P },
        { "\\le\\max f^2\\,(1+\\chi^2(P\\|Q))-E_{X\\sim P}[f(X)]^2",
          "so it stays small where pi~ stays near pi", ladder_bound, AT_LEAST } },
      .page = page_of_ladder },
    { .id = NULL }
};
