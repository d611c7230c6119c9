/* Q of a deterministic policy mu on a regulator, when mu is a network, no line, so that nothing is quadratic: by the
 * performance difference (PDI-1) against the best gain K*, whose table is closed (lqr_exact.h):
 *
 *     Q^mu(x, u) = Q*(x, u) - E sum_{t >= 1} gamma^t l(x_t),   x_1 = A x + B u + w,  x_{t+1} = A x_t + B mu(x_t) + w
 *     l(x) = -A*(x, mu(x)) = (mu(x) + K* x)^T H (mu(x) + K* x),   H = R + gamma B^T P* B
 *
 * Only what mu loses against K* is summed. Two errors:
 *
 *     the end     gamma^T E[(V* - V^mu)(x_T)], T the first step with gamma^T <= 1e-8
 *     the noise   with W = 0 none; else each sum is one path's: unbiased, and small where mu is near K* */
#ifndef ASCENT_LQR_OF_MU_H
#define ASCENT_LQR_OF_MU_H

#include <gsl/gsl_rng.h>

#include "algorithms/policy.h"
#include "derivations/lqr_exact.h"

/* best: lqr_optimum's, gamma < 1; p a deterministic policy of its system, theta [p->n]; x [N x n], u [N x m]
 * -> Q [N]; of a mu that does not keep x finite -INFINITY. rng: for the noise; without any it may be NULL. */
void lqr_Q_of_mu(const lqr_exact *best, const policy *p, const double *theta, int N, const double *x,
                 const double *u, gsl_rng *rng, double *Q);

#endif
