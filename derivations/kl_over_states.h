/* The KL divergence of two policies p, q, tables of log-probabilities [nS x nA], over the decision states:
 * its mean, weighted by how often pi is there (exact.h's d over its sum, which is less than 1 where episodes
 * end), and its maximum. In nats; absorbing states count in neither. */
#ifndef ASCENT_KL_OVER_STATES_H
#define ASCENT_KL_OVER_STATES_H

#include "derivations/exact.h"

double visited(const exact *pi);                                            /* sum d */
double kl_of_state(const exact *pi, int s, const double *logp, const double *logq);     /* KL(p(.|s) || q(.|s)) */
/* TRPO-9   sum_s d(s) KL(p(.|s) || q(.|s)) / sum d */
double kl_mean(const exact *pi, const double *logp, const double *logq);
double kl_max(const exact *pi, const double *logp, const double *logq);     /* TRPO-8   over all decision states */

double *kl_table(const exact *pi, const double *p);     /* log p [nS x nA], to be freed, of probabilities p */

#endif
