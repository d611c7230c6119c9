/* Three independent accounts of the Fisher matrix F [n x n] in theta (for the tabular softmax index s*nA + a):
 * F = sum_s d(s) sum_a pi(a|s) grad log pi(a|s) grad log pi(a|s)^T with x->d as weights. */
#ifndef ASCENT_FISHER_H
#define ASCENT_FISHER_H

#include "derivations/exact.h"

enum { FISHER_MAX_N = 1500 };               /* rows of a dense F */

void fisher_scores(const exact *x, double *F);      /* NPG-2: scores by one reverse sweep each */
void fisher_kl(const exact *x, double *F);          /* NPG-3: the mean KL differentiated twice */
void fisher_jacobian(const exact *x, double *F);    /* J_z^T blockdiag(d(s) (diag pi - pi pi^T)) J_z */

/* KL(theta_old || theta) in the mean over states weighted by d, as a node; theta [n x 1], theta_old = x->theta.
 * Reversed: KL(theta || theta_old), as 001 has it (ERR-34). */
ad fisher_mean_kl(ad_tape *t, const exact *x, ad theta);
ad fisher_mean_kl_reversed(ad_tape *t, const exact *x, ad theta);

/* Weights d [nS] without gamma^t (ERR-38): how often pi is in s in the long run, started anew by mu0 when it ends.
 * false when that depends on the start, or the chain is not dense. */
bool fisher_stationary_weights(const exact *x, double *d);

/* F v without F: grad (grad KL . v) on a tape that is kept. fisher_times fits cg_product. */
typedef struct fisher_product fisher_product;
fisher_product *fisher_product_new(const exact *x);
void            fisher_product_free(fisher_product *F);
void            fisher_times(void *F, int n, const double *v, double *Fv);

#endif
