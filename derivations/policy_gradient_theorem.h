/* Independent accounts of grad J in theta, g [n]; for the tabular policy [nS x nA], index s*nA + a. */
#ifndef ASCENT_POLICY_GRADIENT_THEOREM_H
#define ASCENT_POLICY_GRADIENT_THEOREM_H

#include "derivations/exact.h"

/* PGT-3: sum_s rho(s) sum_a Q(s,a) grad pi(a|s). Error: some units of rounding of the gradient. */
void gradient_theorem(const exact *x, double *g);
/* sum_s w(s) sum_a F(s,a) grad pi(a|s): what the theorem makes of weights w [nS], NULL for rho, and values
 * F [nS x nA] */
void gradient_sum(const exact *x, const double *w, const double *F, double *g);
/* Reverse mode through mu0^T (I - gamma P_pi)^{-1} r_pi; false when nA nS^2 is too large for a tape. */
bool gradient_autodiff(const exact *x, double *g);
/* Central differences of J, extrapolated; returns a bound on their error, or -1 when the many solves would
 * take too long. */
double gradient_differences(const exact *x, double *g);
bool differences_lost(const exact *x);          /* theta + 2^-7 is right to fewer than nine digits of the 2^-7 */

#endif
