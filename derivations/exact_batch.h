/* The batch from which an update is exact: every decision state with every action, weighted by how often they
 * come, w = d(s) pi(a|s), with the advantages A_pi(s,a); sampled batches are estimates of this one. */
#ifndef ASCENT_EXACT_BATCH_H
#define ASCENT_EXACT_BATCH_H

#include "algorithms/rollout.h"
#include "derivations/agent.h"
#include "derivations/exact.h"

/* One-hot. L over it is the surrogate times x->fisher_scale, and the mean KL is that over d. */
typedef struct {
    rollout *b;             /* one-hot s_t [T x nS], a_t; T <= nS nA: those of w > 0 */
    double *A, *w;          /* [T] each */
} exact_batch;
exact_batch exact_batch_new(const exact *x);
void        exact_batch_free(exact_batch *y);

/* On one-hot observations: theta = W [nS x nA], b [nA], the policy with logits W + 1 b */
policy exact_batch_policy(const exact *x);

/* Of any class of policies that trains, weights that sum to 1: L over it is E_s[sum_a pi'(a|s) A(s,a)] / scale */
typedef struct {
    agent *b;               /* its policy, theta and tape; tau holds a row for each pair (s,a), d(s) > 0 */
    double *A, *w;          /* [T] A(s,a) / scale; d(s) pi(a|s) / sum d */
    double scale;           /* max |A|: squares of g must not overflow */
} full_batch;
full_batch full_batch_new(const exact *pi);
void       full_batch_free(full_batch *B);

#endif
