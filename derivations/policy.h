/* Policies over the states of a finite MDP as functions of a parameter vector: theta [n x 1] gives the logits
 * z [nS x nA], pi(a|s) = softmax of row s. Everything that is true of the logits reaches theta through the
 * Jacobian J_z = dz/dtheta [nS nA x n] (row s*nA + a) by the chain rule.
 *
 *   tabular   z = theta                      n = nS nA, J_z = I
 *   linear    z = X W                        X [nS x d] features, W [d x nA] = theta
 *   mlp       z = network_forward(theta, X)  tanh in the hidden layers (autodiff/network.h) */
#ifndef ASCENT_DERIVATIONS_POLICY_H
#define ASCENT_DERIVATIONS_POLICY_H

#include <stdint.h>

#include "autodiff/ad.h"
#include "autodiff/network.h"
#include "envs/mdp.h"

enum policy_kind { POLICY_TABULAR, POLICY_LINEAR, POLICY_MLP };

typedef struct {
    enum policy_kind kind;
    int nS, nA;
    int n;                  /* length of theta */
    int d;                  /* features; tabular 0 */
    double *X;              /* [nS x d]; tabular NULL */
    network net;            /* of the mlp */
} policy_class;

policy_class *policy_tabular(const mdp *M);
policy_class *policy_linear(const mdp *M, int d, const double *X);              /* X [nS x d] is copied */
policy_class *policy_linear_random(const mdp *M, int d, uint64_t seed);         /* X ~ N(0, 1/d) */
/* width [hidden] of the hidden layers. X NULL: one-hot, d = nS; d then does not count. */
policy_class *policy_mlp(const mdp *M, int d, const double *X, int hidden, const int *width);
void          policy_free(policy_class *p);                                     /* NULL is fine */

/* theta [n] ~ N(0, 1), of an mlp N(0, 1/4), from the stream (seed, worker): no logit is large. */
void policy_theta_random(const policy_class *p, uint64_t seed, uint32_t worker, double *theta);

ad   policy_logits(ad_tape *t, const policy_class *p, ad theta);         /* theta [n x 1] -> z [nS x nA] */
/* Their value z [nS x nA], and derivatives by reverse sweeps: J_z^T w for w [nS x nA] by one, J_z [nS nA x n]
 * by one for each logit. */
void policy_logits_at(const policy_class *p, const double *theta, double *z);
void policy_vjp(const policy_class *p, const double *theta, const double *w, double *Jz_t_w);
void policy_jacobian(const policy_class *p, const double *theta, double *J_z);

#endif
