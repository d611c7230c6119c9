/* Entropy in the return and beside it: what the claims of entropy.c measure, for pages and tests. */
#ifndef ASCENT_ENTROPY_H
#define ASCENT_ENTROPY_H

#include "derivations/exact_soft.h"

/* ERR-26: sum_{t<steps} Pr over s_t of beta H(pi(.|s_t)), without gamma^t */
double entropy_undiscounted(const exact *x, double beta, long steps);

/* s0 leads to s1, where pi is uniform, or to s2, where it is deterministic, and both to the end; no reward, gamma
 * .9, beta .5, p = pi(to s1|s0) = .5. The derivative of ENT-3 in the logit of it, and the regulariser there */
void   entropy_three_states(double *maxent, double *regulariser);

/* ERR-22: E5, 300 steps of alpha = 1 along the exact gradient with the regulariser: the mean entropy of its states */
double entropy_after_ascent(double beta);

/* Four choices in a row in states that look alike, as two-peak; the last pays c[k] for k times action 0. So J(p) =
 * sum_k c_k C(4,k) p^k (1-p)^(4-k), and here dJ/dp = -1500 (p - at[0]) (p - at[1]) (p - at[2]). */
mdp   *entropy_peaks(const double at[3]);
/* Ascent of ENT-3 at gamma 1 on such an MDP from p, then of J alone: p at the end. episodes 0: exact gradients;
 * else through algorithms/maxent_pg.c, so many an update */
double entropy_climb(const mdp *M, double p, double beta, int episodes, uint64_t seed);

#endif
