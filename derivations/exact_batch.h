/* The batch from which an update is exact: every decision state with every action, weighted by how often they come,
 * w = d(s) pi(a|s), with the advantages A_pi(s,a). L over it is the surrogate times x->fisher_scale, and the mean KL is
 * that over d; sampled batches are estimates of this one. */
#ifndef ASCENT_EXACT_BATCH_H
#define ASCENT_EXACT_BATCH_H

#include "algorithms/rollout.h"
#include "derivations/exact.h"

typedef struct {
    rollout *b;             /* one-hot s_t [T x nS], a_t; T <= nS nA: those of w > 0 */
    double *A, *w;          /* [T] each */
} exact_batch;
exact_batch exact_batch_new(const exact *x);
void        exact_batch_free(exact_batch *y);

/* On one-hot observations: theta = W [nS x nA], b [nA], the policy with logits W + 1 b */
policy exact_batch_policy(const exact *x);

#endif
