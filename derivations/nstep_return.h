/* n-step returns of a value function v that is off by e = v - V^pi: their bias and variance. */
#ifndef ASCENT_NSTEP_RETURN_H
#define ASCENT_NSTEP_RETURN_H

#include "derivations/exact.h"

/* Of G_0^(1) .. G_0^(n) from s_0 = s, over all time; v [nS], 0 in absorbing states. mean, variance [n] by moments
 * carried backward: mean[k-1] = (T_pi^k v)(s), so that the bias is mean - V(s). */
void nstep_return_moments(const exact *x, const double *v, int s, int n, double *mean, double *variance);

#endif
