/* How many samples importance sampling needs where p and q are far apart, and where fewer do (IS-3): the logarithm of
 * E_q[(w f)^2] / E_p[f]^2, 1 + the relative variance of one sample, by quadrature, in closed form, and through the
 * code that trains. 001 (l.56, l.72). */
#include <float.h>
#include <gsl/gsl_math.h>
#include <gsl/gsl_sf_dawson.h>
#include <math.h>

#include "algorithms/off_policy_pg.h"
#include "derivations/derivation.h"
#include "derivations/importance_integrals.h"

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
        double E = integral_over_line(integrand_f_w_q, &apart[k], &error);
        double off = 0, E2 = integral_over_line(integrand_square_q, &apart[k], &off);
        error = fmax(error, off / E2);
        out[k] = log(E2 / (E * E));
    }
    for (int i = 0; i < SIXTEENTHS; i++) chi2 += gsl_pow_2(p16[i] - q16[i]) / q16[i] / 16;
    out[APART] = log1p(chi2);
    for (int k = 0; k < CUTS; k++) {
        importance_gaussians g = { 0, 1, 0, narrow, IMPORTANCE_ONE, 0 };
        double off = 0, E2 = 2 * integral_between(p2_over_q, &g, 0, cut[k], &off);
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
    fprintf(out, "f = e^x: Var/mean^2 of a sample of p itself %.4g, of q = N(1,1) ~ f p %.4g: q far from p"
            " need not be worse\nq = N(0, .6^2): the part of E_q[w^2] from |x| < 2, 4, 8: %.4g, %.4g, %.4g: without"
            " end, though E_q[w] = 1\n",
            expm1(number[Q_AS_P]), fabs(number[Q_AS_F_P]) < 1e-9 ? 0 : expm1(number[Q_AS_F_P]),
            exp(number[APART + 1]), exp(number[APART + 2]), exp(number[APART + 3]));
}

const derivation importance_apart[] = {
    { "IS-3", "p, q far apart: more samples, by 1 + chi^2; or fewer, with q ~ |f| p none but one",
      "log E_q[(w f)^2]/E_p[f]^2, see below; w = p/q", n_apart, unit_apart, NULL, NULL, {
        { "\\log E_q[(f\\frac pq)^2]/E_p[f]^2",
          "by quadrature: one sample's variance over its squared mean, plus 1", log_second_moments },
        { "=\\log(1+\\chi^2(p\\|q)),\\ f=1", "chi^2 = Var_q[p/q], the whole variance where f is constant",
          log_closed_form },
        { "=-\\log ESS/n", "of n samples of q as many of p: ESS = n/(1 + chi^2). Of p and q in sixteenths, through"
          " algorithms/off_policy_pg.c; the others as above", minus_log_ess },
        { "\\log E_p[f^2]/E_p[f]^2", "001 (l.56, 72): the variances of the two differ much. Samples of p itself:"
          " 0 where f = 1, but 1 where f = e^x, more than with q ~ f p", log_on_policy, DIFFERS } },
      "Gaussians apart, narrower, q ~ f p; p and q in sixteenths; parts of an infinite variance", page_apart },
    { .id = NULL }
};
