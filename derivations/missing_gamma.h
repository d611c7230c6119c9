/* What the update without gamma^t follows. */
#ifndef ASCENT_MISSING_GAMMA_H
#define ASCENT_MISSING_GAMMA_H

#include "derivations/exact.h"

/* g [n] = sum_s eta(s) sum_a grad pi(a|s) Q_gamma(s,a), eta = sum_t Pr(s_t = s) undiscounted, of an MDP whose
 * episodes end; false when they do not. */
bool missing_gamma_field(const exact *x, double *g);
/* |D - D^T| / |D| (Frobenius) of the derivative D of a field in theta, by central differences: 0 of a gradient */
double missing_gamma_asymmetry(const exact *x, bool (*field)(const exact *x, double *g));

/* On the aliased chain, whose states share one p, at p: the mean update in p over all trajectories, through
 * algorithms/reinforce.c, with gamma^t, without, and with gamma = 1 */
void missing_gamma_aliased(double p, double *with, double *without, double *undiscounted);

#endif
