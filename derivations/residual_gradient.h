/* Two gradients of a squared TD error (ERR-15), delta = r + gamma V(s') - V(s), for a table V and weights d of
 * states:
 *
 *     semi-gradient      E_d[delta grad V(s)]                        the target r + gamma V(s') is held constant
 *     residual gradient  E_d[delta (grad V(s) - gamma grad V(s'))]   it is not: minus half of grad E_d[delta^2]
 *
 * The first is 0 at V^pi (QAC-7, TDA-7, A3C-9). The second is 0 where E_d[delta^2] is least: E_d[E[delta|s]^2], which
 * is 0 at V^pi, and the variance of delta given s. Where what follows s is random, by pi or by P, another V has less
 * of that. */
#ifndef ASCENT_RESIDUAL_GRADIENT_H
#define ASCENT_RESIDUAL_GRADIENT_H

#include "derivations/exact.h"

enum td_gradient { SEMI_GRADIENT, RESIDUAL_GRADIENT };

/* g [nS] the mean update of V [nS] under weights d [nS]; V counts as 0 in absorbing states, where g is 0 */
void residual_gradient_mean(const exact *x, const double *d, const double *V, enum td_gradient kind, double *g);
/* V [nS] where it is 0, by one dense solve over the decision states with d > 0 (elsewhere V is 0). false where that
 * is singular to working precision. With kind SEMI_GRADIENT and d > 0 in all of them: V^pi. */
bool residual_gradient_fixed_point(const exact *x, const double *d, enum td_gradient kind, double *V);
/* E_d[delta^2], what the residual gradient descends */
double residual_gradient_loss(const exact *x, const double *d, const double *V);

#endif
