/* Fisher-vector products of a policy over a batch of states, without forming F: what conjugate gradients (cg.h) need
 * for F x = g. NPG-2, NPG-3; 001, l.550; Schulman et al. (2015), arXiv:1502.05477, appendix C.1.
 *
 *     F = sum_t w_t J_t^T M_t J_t
 *       = the Hessian at theta' = theta of sum_t w_t KL(pi_theta(.|s_t) || pi_theta'(.|s_t))
 *
 * w_t: 1/T for the mean over a batch; d(s_t) where it holds all states. J_t: the Jacobian of the parameters of
 * pi(.|s_t) (policy_parameters) in theta; M_t: the Fisher matrix in those parameters, diag(pi) - pi pi^T of logits,
 * diag(1/sd^2) of means, 2 of each log_sd. So F v costs a forward derivative J v and a reverse one J^T u, half of
 * what the KL differentiated twice costs; that one is the tests' account. */
#ifndef ASCENT_FISHER_VECTOR_H
#define ASCENT_FISHER_VECTOR_H

#include "algorithms/rollout.h"

/* The graph is recorded once, on the caller's tape (void after its ad_reset); each product replays the part that
 * depends on v. theta [n x 1], s [T x d]; w [T] >= 0, borrowed, NULL: 1/T each; v [n] is the caller's memory,
 * written by each product. */
typedef struct {
    double *v;
    ad Fv;                  /* [n x 1] */
    ad_plan again;
    double damping;         /* of (F + damping 1) v */
    long products;          /* made so far (TRPO-26) */
} fisher_vector;
fisher_vector fisher_vector_of(ad_tape *t, const policy *p, ad theta, ad s, const double *w, double damping,
                               double *v);

/* What F is averaged over: one in `every` states of b, s [T x d], and w_F [T], of w [b->T] (NULL: 1/b->T each),
 * with the sum of all w. Returns T; there is room for b->T. */
int fisher_states(const rollout *b, const double *w, int every, double *s, double *w_F);

/* Fv [n] = (F + damping 1) v, v [n]; F is a fisher_vector. A cg_product. */
void fisher_vector_times(void *F, int n, const double *v, double *Fv);

#endif
