/* Values from Bellman's equation for pairs (s,a). */
#ifndef ASCENT_BELLMAN_H
#define ASCENT_BELLMAN_H

#include "derivations/exact.h"

/* Q [nS x nA] by one solve of Q = r + gamma P Pi Q over the pairs of decision states, without V; false when there
 * are more than BELLMAN_MAX_PAIRS, or the system is singular to working precision. Error: some u nSA k max|Q|. */
enum { BELLMAN_MAX_PAIRS = 600 };
bool bellman_Q(const exact *x, double *Q);
/* What that error may be beyond 10 units of V */
double bellman_Q_room(const exact *x);

#endif
