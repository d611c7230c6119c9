/* What maximises the surrogate less a penalty on the KL, E_s[ sum_a pi(a|s) A(s,a) - beta KL_s ], state by
 * state, over all policies: in closed form for either direction of the KL, and by Newton's method on the
 * training code's own objective. Advantages are in units of the greatest, max|A|, and so is beta. PPO-20,
 * PPO-21. */
#ifndef ASCENT_KL_MAXIMISER_H
#define ASCENT_KL_MAXIMISER_H

#include "derivations/exact.h"

enum direction { OLD_NEW, NEW_OLD };            /* KL(pi_old||pi), PPO's and TRPO's; KL(pi||pi_old), 001's */
enum account { NEWTON, CLOSED };

/* pi [nSA] of all states; 0 where nothing is decided */
void   maximisers(const exact *x, double beta, enum direction direction, enum account account, double *pi);

double penalty_unit(const exact *x);                            /* max|A| */
/* A(s,.) [nA] in these units, less that of the state's best action: as sum_a pi(a) = 1, this moves the surrogate by
 * a constant */
void   penalty_gaps(const exact *x, int s, double *A);

#endif
