/* What value learners converge to, by solving for the zero of their mean update: see asynchronous_q.c. */
#ifndef ASCENT_ASYNCHRONOUS_Q_H
#define ASCENT_ASYNCHRONOUS_Q_H

#include "derivations/exact.h"

/* Q [nS x nA] with E[R^(n)|s,a] = Q(s,a), where R^(n) = n rewards under the behaviour beta [nS x nA] and
 * gamma^n max Q behind them. n = 1: Q^*, for every beta. gamma < 1 */
void nstep_q_fixed_point(const exact *x, int n, const double *beta, double *Q);
void optimal_Q(const exact *x, double *Q);              /* Q^* [nS x nA], by policy iteration */

#endif
