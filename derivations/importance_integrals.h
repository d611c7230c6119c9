/* Integrals for the lines about importance sampling between Gaussians: by quadrature, beside importance.h's closed
 * forms. *error is raised to a bound on the integral's error. */
#ifndef ASCENT_IMPORTANCE_INTEGRALS_H
#define ASCENT_IMPORTANCE_INTEGRALS_H

#include "derivations/importance.h"

typedef double (*integrand)(const importance_gaussians *g, double x);
double integrand_f_w(const importance_gaussians *g, double x);          /* f p/q */
double integrand_f_w_q(const importance_gaussians *g, double x);        /* f p/q q */
double integrand_square(const importance_gaussians *g, double x);       /* (f p/q)^2 */
double integrand_square_q(const importance_gaussians *g, double x);     /* (f p/q)^2 q */

double integral_between(integrand h, const importance_gaussians *g, double from, double to, double *error);
/* All of p, q and p^2/q lies within INTEGRAL_FAR of their larger standard deviation about their means, but for some
 * e^-72; cut in two at the jump of 1{x > t}, or at the mean. */
enum { INTEGRAL_FAR = 12 };
double integral_over_line(integrand h, const importance_gaussians *g, double *error);
/* E_q[h(x)] as the mean over q's quantiles u, in (0, 1), from both ends: x(u) = m2 -+ s2 Phi^{-1}(u) */
double integral_over_quantiles(integrand h, const importance_gaussians *g, double *error);

#endif
