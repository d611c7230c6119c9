/* Mean and variance of an estimator without its trajectories: of
 *
 *     g = sum_t grad log pi(a_t|s_t) sum_k kappa(t,k) f_k,        f_k = f(k; s_k, a_k, s_{k+1})
 *
 * from E[c_t A_t c_t' A_t'], A_t = sum_k kappa(t,k) f_k, for each pair of times: sums over states carried forward in
 * time. All estimators of estimate.h that are not divided by the length of an episode are of this form: with rewards
 * as f or, V_t taken off, with TD errors, since G^(n) - V, GAE and G - V are sums of these. */
#ifndef ASCENT_SCORE_MOMENTS_H
#define ASCENT_SCORE_MOMENTS_H

#include "derivations/value_table.h"

typedef struct {
    int H, K;               /* K: transitions of the MDP, M->row[nS nA] */
    double *f;              /* [H x K] */
    double *kappa;          /* [H x H] */
} score_weights;

/* The weights of a named estimator; NULL where it has not this form. */
score_weights *score_weights_new(const finite_horizon *f, const char *name, const value_table *critic, int n,
                                 double lambda);
void           score_weights_free(score_weights *w);            /* NULL is fine */

/* mean [n] and, unless NULL, variance [n]. Error: that of E[g^2] - E[g]^2, some u H^2 E[g^2]. */
void score_moments(const finite_horizon *f, const score_weights *w, double *mean, double *variance);

#endif
