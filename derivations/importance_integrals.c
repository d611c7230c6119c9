/* Quadrature with GSL: see importance_integrals.h. */
#include "derivations/importance_integrals.h"

#include <gsl/gsl_cdf.h>
#include <gsl/gsl_integration.h>
#include <gsl/gsl_math.h>
#include <math.h>

struct integral { integrand h; const importance_gaussians *g; };

static double at(double x, void *context)
{
    const struct integral *i = context;
    return i->h(i->g, x);
}

enum { PARTS = 1000 };

double integral_between(integrand h, const importance_gaussians *g, double from, double to, double *error)
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

double integral_over_line(integrand h, const importance_gaussians *g, double *error)
{
    double v = 1 / (2 / (g->s1 * g->s1) - 1 / (g->s2 * g->s2));
    double m = v * (2 * g->m1 / (g->s1 * g->s1) - g->m2 / (g->s2 * g->s2));
    double far = INTEGRAL_FAR * fmax(sqrt(v), fmax(g->s1, g->s2)), middle = g->f == IMPORTANCE_ABOVE ? g->t : m;
    double least = fmin(m, fmin(g->m1, g->m2)) - far, most = fmax(m, fmax(g->m1, g->m2)) + far;
    return integral_between(h, g, least, middle, error) + integral_between(h, g, middle, most, error);
}

struct quantiles { integrand h; const importance_gaussians *g; };
static double both_tails(double u, void *context)
{
    const struct quantiles *c = context;
    double z = gsl_cdf_ugaussian_Pinv(u);
    return c->h(c->g, c->g->m2 + c->g->s2 * z) + c->h(c->g, c->g->m2 - c->g->s2 * z);
}

double integral_over_quantiles(integrand h, const importance_gaussians *g, double *error)
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

double integrand_f_w(const importance_gaussians *g, double x)
{
    return importance_gaussian_f(g, x) * importance_gaussian_w(g, x);
}

double integrand_f_w_q(const importance_gaussians *g, double x)
{
    return integrand_f_w(g, x) * importance_gaussian_q(g, x);
}

double integrand_square(const importance_gaussians *g, double x) { return gsl_pow_2(integrand_f_w(g, x)); }

double integrand_square_q(const importance_gaussians *g, double x)
{
    return gsl_pow_2(integrand_f_w(g, x)) * importance_gaussian_q(g, x);
}
