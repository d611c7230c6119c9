/* Means and variances of importance sampling: see importance.h. */
#include "derivations/importance.h"

#include <gsl/gsl_cdf.h>
#include <gsl/gsl_math.h>
#include <math.h>

#include "autodiff/linalg.h"
#include "autodiff/require.h"

double importance_variance(int n, const double *p, const double *q, const double *f)
{
    double mean = 0, variance = 0;
    for (int i = 0; i < n; i++) mean += q[i] > 0 ? p[i] * f[i] : 0;
    for (int i = 0; i < n; i++)
        if (q[i] > 0) variance += q[i] * gsl_pow_2(p[i] / q[i] * f[i] - mean);
    return variance;
}

double importance_second_moment(int n, const double *p, const double *q, const double *f)
{
    double sum = 0;
    for (int i = 0; i < n; i++) sum += q[i] > 0 ? p[i] * (p[i] / q[i]) * f[i] * f[i] : 0;
    return sum;
}

double importance_variance_by_moments(int n, const double *p, const double *q, const double *f)
{
    double E = 0, E2 = 0;
    for (int i = 0; i < n; i++) {
        double w = q[i] > 0 ? p[i] / q[i] : 0;
        E += q[i] * (f[i] * w), E2 += q[i] * gsl_pow_2(f[i] * w);
    }
    return E2 - E * E;
}

double importance_variance_under_p(int n, const double *p, const double *q, const double *f)
{
    return importance_second_moment(n, p, q, f) - gsl_pow_2(linalg_dot(n, p, f));
}

importance importance_discrete(int n, const double *p, const double *q, const double *f)
{
    importance x = { .supported = true, .covered = true };
    double mean_q = 0, squares = 0;
    for (int i = 0; i < n; i++) {
        double w = q[i] > 0 ? p[i] / q[i] : 0;
        x.supported &= q[i] > 0 || p[i] * f[i] == 0;
        x.covered &= q[i] > 0 || p[i] == 0;
        x.mean_f += p[i] * f[i];
        x.mean_wf += q[i] * w * f[i];
        x.mean_w += q[i] * w;
        squares += q[i] * w * w;
        mean_q += q[i] * f[i];
        x.tv += fabs(p[i] - q[i]) / 2;
        x.max_w = fmax(x.max_w, w);
        if (p[i] > 0) x.kl_pq += q[i] > 0 ? p[i] * log(w) : INFINITY;
        if (q[i] > 0) x.kl_qp += p[i] > 0 ? -q[i] * log(w) : INFINITY;
    }
    x.ess = x.mean_w * x.mean_w / squares;
    x.self_bias = mean_q - x.mean_f;
    for (int i = 0; i < n; i++) {
        double w = q[i] > 0 ? p[i] / q[i] : 0;
        x.var_f += p[i] * gsl_pow_2(f[i] - x.mean_f);
        x.var_wf += q[i] * gsl_pow_2(w * f[i] - x.mean_wf);
        x.var_w += q[i] * gsl_pow_2(w - x.mean_w);
        x.self_var += q[i] * gsl_pow_2(w * (f[i] - x.mean_wf / x.mean_w) / x.mean_w);
    }
    return x;
}

double importance_gaussian_f(const importance_gaussians *g, double x)
{
    switch (g->f) {
        case IMPORTANCE_ONE:   return 1;
        case IMPORTANCE_X:     return x;
        case IMPORTANCE_X2:    return x * x;
        case IMPORTANCE_EXP:   return exp(g->t * x);
        case IMPORTANCE_ABOVE: return x > g->t;
    }
    require(false, "no such f: %d", (int)g->f);
}

static double density(double m, double s, double x)
{
    return exp(-gsl_pow_2((x - m) / s) / 2) / (s * sqrt(2 * M_PI));
}

double importance_gaussian_p(const importance_gaussians *g, double x) { return density(g->m1, g->s1, x); }
double importance_gaussian_q(const importance_gaussians *g, double x) { return density(g->m2, g->s2, x); }

double importance_gaussian_w(const importance_gaussians *g, double x)
{
    return g->s2 / g->s1 * exp((gsl_pow_2((x - g->m2) / g->s2) - gsl_pow_2((x - g->m1) / g->s1)) / 2);
}

/* E[f] and E[f^2] under N(m, s^2) */
static void moments(const importance_gaussians *g, double m, double s, double *mean, double *square)
{
    double m2 = m * m, s2 = s * s, t = g->t;
    switch (g->f) {
        case IMPORTANCE_ONE: *mean = *square = 1; break;
        case IMPORTANCE_X:   *mean = m, *square = m2 + s2; break;
        case IMPORTANCE_X2:  *mean = m2 + s2, *square = m2 * m2 + 6 * m2 * s2 + 3 * s2 * s2; break;
        case IMPORTANCE_EXP: *mean = exp(t * m + t * t * s2 / 2), *square = exp(2 * t * m + 2 * t * t * s2); break;
        case IMPORTANCE_ABOVE: *mean = *square = gsl_cdf_ugaussian_Q((t - m) / s); break;
    }
}

/* 2 s2^2 - s1^2: w f has a variance where this is positive */
static double room(const importance_gaussians *g) { return 2 * g->s2 * g->s2 - g->s1 * g->s1; }

/* 1 + chi^2 = E_q[w^2] = s2^2 / (s1 sqrt(2 s2^2 - s1^2)) exp((m1 - m2)^2 / (2 s2^2 - s1^2)) */
static double one_plus_chi2(const importance_gaussians *g)
{
    return g->s2 * g->s2 / (g->s1 * sqrt(room(g))) * exp(gsl_pow_2(g->m1 - g->m2) / room(g));
}

static double kl(double m1, double s1, double m2, double s2)
{
    return log(s2 / s1) + (s1 * s1 + gsl_pow_2(m1 - m2)) / (2 * s2 * s2) - 0.5;
}

/* IS-2   E_q[(w f)^2] = (1 + chi^2) E_{N(m, s^2)}[f^2],   1/s^2 = 2/s1^2 - 1/s2^2,   m/s^2 = 2 m1/s1^2 - m2/s2^2 */
importance importance_gaussian(const importance_gaussians *g)
{
    double s1 = g->s1 * g->s1, s2 = g->s2 * g->s2, square, unused;
    importance x = { .supported = true, .covered = true, .mean_w = 1, .var_wf = INFINITY, .var_w = INFINITY };
    x.kl_pq = kl(g->m1, g->s1, g->m2, g->s2);
    x.kl_qp = kl(g->m2, g->s2, g->m1, g->s1);
    moments(g, g->m1, g->s1, &x.mean_f, &square);
    x.mean_wf = x.mean_f;
    x.var_f = square - x.mean_f * x.mean_f;
    if (!(room(g) > 0)) return x;
    double C = one_plus_chi2(g), v = s1 * s2 / room(g);                         /* v = s^2 */
    moments(g, v * (2 * g->m1 / s1 - g->m2 / s2), sqrt(v), &unused, &square);
    x.var_wf = C * square - x.mean_f * x.mean_f;
    x.var_w = C - 1;
    x.ess = 1 / C;
    return x;
}

/* 2 s2^2 - s1^2 loses digits, and with it the exponent, m and s; f^2 grows with them by a power of 4 at most,
 * e^{2 t x} by its exponent, and 1 - Phi(z) by z^2. Of sizes that add, not cancel: so it is with m1, m2 and t. */
double importance_gaussian_condition(const importance_gaussians *g)
{
    double s1 = g->s1 * g->s1, s2 = g->s2 * g->s2, v = s1 * s2 / room(g);
    double m = v * (2 * fabs(g->m1) / s1 + fabs(g->m2) / s2), t = fabs(g->t), of_f = 4;
    if (g->f == IMPORTANCE_X || g->f == IMPORTANCE_X2) of_f = 4 * (1 + m * m / v);
    if (g->f == IMPORTANCE_EXP) of_f = 2 * t * m + 2 * t * t * v;
    if (g->f == IMPORTANCE_ABOVE) of_f = 1 + (t + m) * (t + m) / v;
    double exponent = gsl_pow_2(fabs(g->m1) + fabs(g->m2)) / room(g);
    return (2 * s2 + s1) / room(g) * (2 + exponent + of_f);
}
