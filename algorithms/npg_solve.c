/* NPG's F x = g by LAPACK (NPG-4; 001, l.528): see npg_solve.h.
 *
 * Critical: a Cholesky factor of a singular F need not fail (ERR-55), so its condition is looked at. F is singular
 * wherever theta says something twice, as a softmax does of which one logit is too many. */
#include "algorithms/npg_solve.h"

#include <float.h>
#include <stdlib.h>
#include <string.h>

#include "autodiff/linalg.h"
#include "autodiff/require.h"

/*[snip npg-solve later]*/
/* NPG-4   x = F^{-1} g by Cholesky; where F is singular F^+ g, from its eigenvalues that are not rounding */
int npg_solve(int n, const double *F, const double *g, double *x)
{
    /* BEGIN SOLUTION NPG-4 */
    linalg_cholesky *L = linalg_cholesky_new(n);
    bool regular = linalg_cholesky_factor(L, F) == LINALG_OK && L->rcond > 1e3 * n * DBL_EPSILON;
    if (regular) linalg_cholesky_solve(L, g, x);
    linalg_cholesky_free(L);
    if (regular) return n;

    double *lambda = allocate((size_t)n * (size_t)(n + 1), sizeof *lambda, "eigenvectors of F"), *Ut = lambda + n;
    int rank = 0;
    linalg_eigen_symmetric(n, F, lambda, Ut);
    memset(x, 0, (size_t)n * sizeof *x);
    for (int k = 0; k < n; k++) {
        if (!(lambda[k] > 10 * n * DBL_EPSILON * linalg_max_abs(n, lambda))) continue;
        double along = linalg_dot(n, Ut + (size_t)k * (size_t)n, g) / lambda[k];
        for (int i = 0; i < n; i++) x[i] += along * Ut[(size_t)k * (size_t)n + (size_t)i];
        rank++;
    }
    free(lambda);
    return rank;
    /* END SOLUTION */
}
/*[/snip]*/

double npg_solve_formed(fisher_vector *F, int n, const double *g, double *x)
{
    size_t N = (size_t)n;
    double *dense = allocate(N * (N + 2), sizeof *dense, "F"), *e = dense + N * N, *r = e + N;
    for (int i = 0; i < n; i++) {
        e[i] = 1;
        fisher_vector_times(F, n, e, dense + (size_t)i * N);                    /* column i: F is symmetric */
        e[i] = 0;
    }
    npg_solve(n, dense, g, x);
    linalg_matvec(n, n, dense, x, r);
    for (int i = 0; i < n; i++) r[i] = g[i] - r[i];
    double residual = linalg_norm2(n, r), norm_g = linalg_norm2(n, g);
    free(dense);
    return norm_g > 0 ? residual / norm_g : 0;
}
