/* What NPG and TRPO solve: maximise L(theta') subject to KL(theta') <= delta. See trpo_problem.c. */
#ifndef ASCENT_TRPO_PROBLEM_H
#define ASCENT_TRPO_PROBLEM_H

#include "algorithms/rollout.h"

enum { TRPO_MEAN, TRPO_MAX };           /* KL of the policies: the mean over states, or the greatest */

/* What is in expectation over the batch has weights w [T x 1], which sum to 1. -> scalar, but ratio */
ad trpo_ratio(ad logp, ad logp_old);                        /* PPO-1    pi(a_t|s_t) / pi_old(a_t|s_t) [T x 1] */
ad trpo_surrogate(ad ratio, ad A, ad w);                    /* TRPO-10  sum_t w_t ratio_t A_t */
ad trpo_mean_kl(ad kl, ad w);                               /* TRPO-9   sum_t w_t KL_t, KL_t [T x 1] by policy_kl */
ad trpo_max_kl(ad kl);                                      /* TRPO-8   max_t KL_t */

/* L and KL as nodes in theta' on the caller's tape, which borrows theta [p->n] as theta'; both are counted from
 * theta as it is now, where they are 0, and have their values at another theta' once they run again. b: its s and
 * its actions, with advantages A [b->T] and weights w [b->T], NULL: 1/T each. */
typedef struct { ad theta, L, kl; } trpo_problem;
trpo_problem trpo_problem_of(ad_tape *t, int constraint, const policy *p, const double *theta, const rollout *b,
                             const double *A, const double *w);

#endif
