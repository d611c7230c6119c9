/* The natural gradient F^+ g. F is singular for the tabular softmax (NPG-8), so F^{-1} does not exist and
 * the pseudo-inverse takes its place: the shortest x with F x = g. */
#ifndef ASCENT_NATURAL_GRADIENT_H
#define ASCENT_NATURAL_GRADIENT_H

#include "algorithms/cg.h"
#include "derivations/exact.h"

/* Rank rule: an eigenvalue counts when it exceeds 10 n u max|lambda|, u = 2^-52: LAPACK's eigenvalues and
 * the rounding of F's own entries each move a zero by a few n u max|lambda|. */
typedef struct {
    int n, rank;
    double cond;            /* largest over least counted eigenvalue: the condition on F's range */
    double *lambda;         /* [n] ascending */
    double *Ut;             /* [n x n], row i the eigenvector of lambda[i] */
} fisher_spectrum;
fisher_spectrum *fisher_spectrum_new(int n, const double *F);
bool             fisher_spectrum_doubtful(const fisher_spectrum *f);    /* one counts by less than a factor 10 */
void             fisher_spectrum_free(fisher_spectrum *f);
void             fisher_project(const fisher_spectrum *f, double *x);       /* x [n] <- its part in F's range */

/* x [n] = F^+ g. By Cholesky where F is regular beyond doubt (reciprocal condition above 1e3 n u),
 * else by the eigendecomposition under the rank rule. */
void natural_gradient_lapack(const fisher_spectrum *f, const double *F, const double *g, double *x);

/* The same by conjugate gradients on Fisher-vector products (the mean KL differentiated twice; F is not
 * formed): tol 1e-12, at most 20 n steps. g and the result are projected on F's range: the rounding of g has
 * a part in the null space, which no x can reach. The result's residual is that of the projected g. */
cg_result natural_gradient_cg(const exact *policy, const fisher_spectrum *f, const double *g, double *x);

double fisher_norm(int n, const double *F, const double *x);            /* sqrt(x^T F x) */
/* sqrt((x-y)^T F (x-y) / x^T F x): the distance that counts, 0 in F's null space; NaN when x^T F x = 0 */
double fisher_distance(int n, const double *F, const double *x, const double *y);
/* What it must not exceed (goals): 1e-10 for cond <= 1e6, else 1e3 u cond */
double fisher_distance_bound(double cond);

/* NULL, or why the rank of F cannot be told from F: the least d(s) pi(a|s) drowns in rounding, or F is too
 * large to be formed. */
const char *fisher_rank_undecided(const exact *policy);
/* NULL, or why F^+ g is not to be compared: the same, an eigenvalue near the cutoff, or a gradient of rounding.
 * g [n], x_F the F-norm of F^+ g. */
const char *natural_gradient_none(const exact *policy, const fisher_spectrum *f, const double *g, double x_F);

#endif
