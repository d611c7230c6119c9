/* Bellman's equation (I - gamma P) x = b and its transpose: dense by LU, sparse by iteration. */
#ifndef ASCENT_EXACT_BELLMAN_H
#define ASCENT_EXACT_BELLMAN_H

#include <stdbool.h>

#include "autodiff/linalg.h"
#include "derivations/exact_sparse.h"

typedef struct {
    double gamma;
    const sparse *P;            /* the caller's */
    linalg_lu *lu;              /* NULL when sparse */
    bellman_ilu *ilu;           /* NULL when dense */
} bellman;

/* Exit 4 when a factor is singular. */
bellman *bellman_new(double gamma, const sparse *P, bool dense);
void     bellman_free(bellman *B);                              /* NULL is fine */

/* x = (I - gamma P)^{-1} b, or with P^T. Sparse: a residual of at most N u (||b|| + ||x||), N = max(n, 16),
 * in the max norm, for P^T in the 1-norm, so that the error is at most k times that; else exit 4. */
void bellman_solve(const bellman *B, bool transposed, const double *b, double *x);

/* k = max(1, ||(I - gamma P)^{-1}||_inf), which is proved on the way to exist: exit 4 when it cannot be. */
double bellman_norm(const bellman *B);

#endif
