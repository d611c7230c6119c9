/* State distributions of a policy's Markov chain. */
#ifndef ASCENT_VISITATION_H
#define ASCENT_VISITATION_H

#include "derivations/exact.h"

enum { VISITATION_MAX_STATES = 300 };

/* The stationary distribution d = P_pi^T d of the whole chain, absorbing states included and rows of P
 * scaled to sum to 1, by one solve. NULL, or the reason why there is none or more than one, or it was not
 * computed. kappa, unless NULL: ||(I - P_pi + 1 d^T)^{-1}||_inf, which bounds what an error in P_pi makes
 * of d (Schweitzer 1968). */
const char *visitation_stationary(const exact *x, double *d, double *kappa);

#endif
