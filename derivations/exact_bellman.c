/* Bellman's equation, dense or sparse: see exact_bellman.h. */
#include "derivations/exact_bellman.h"

#include <float.h>
#include <math.h>
#include <stdlib.h>

#include "autodiff/require.h"

bellman *bellman_new(double gamma, const sparse *P, bool dense)
{
    bellman *B = allocate(1, sizeof *B, "Bellman's equation");
    *B = (bellman){ .gamma = gamma, .P = P };
    bool singular;
    if (dense) {
        size_t n = (size_t)P->n;
        B->lu = linalg_lu_new(P->n);
        for (size_t s = 0; s < n; s++) {                                        /* I - gamma P */
            double *row = B->lu->LU + s * n;
            row[s] = 1;
            for (int k = P->row[s]; k < P->row[s + 1]; k++) row[P->col[k]] -= gamma * P->x[k];
        }
        singular = linalg_lu_in_place(B->lu) == LINALG_SINGULAR;
    } else {
        B->ilu = bellman_ilu_new(gamma, P);
        singular = !B->ilu;
    }
    if (singular)
        numerical_failure("I - gamma P_pi is singular (%d states, gamma %.17g): no discount and no end",
                          P->n, gamma);
    return B;
}

void bellman_free(bellman *B)
{
    if (!B) return;
    linalg_lu_free(B->lu);
    bellman_ilu_free(B->ilu);
    free(B);
}

void bellman_solve(const bellman *B, bool transposed, const double *b, double *x)
{
    if (B->lu) {
        linalg_lu_solve(B->lu, transposed, 1, b, x);
        return;
    }
    int steps;
    double left = bellman_ilu_solve(B->ilu, transposed, b, x, &steps);
    if (!(left <= fmax(B->P->n, 16) * DBL_EPSILON))
        numerical_failure("(I - gamma P_pi) x = b is not solved (%d states, gamma %.17g): the iteration ends with "
                          "a residual of %.1e", B->P->n, B->gamma, left);
}

/* The inverse is sum_t (gamma P)^t and has no negative entry, so its row sums y = (I - gamma P)^{-1} 1 give
 * its norm. What comes out of the solve may be anything when the sum diverges (rows of P may exceed 1 by
 * what is tolerated in a file) or rounding has taken over. But a y > 0 with (I - gamma P) y > 0 exists only
 * where the sum converges. */
double bellman_norm(const bellman *B)
{
    int n = B->P->n;
    double *one = allocate(3 * (size_t)n, sizeof *one, "a norm"), *y = one + n, *Py = y + n;
    double k = 1, least = INFINITY;
    for (int s = 0; s < n; s++) one[s] = 1;
    bellman_solve(B, false, one, y);
    sparse_times(B->P, false, y, Py);
    for (int s = 0; s < n; s++) {
        k = linalg_greater(k, y[s]);
        least = fmin(least, fmin(y[s], y[s] - B->gamma * Py[s]));
    }
    free(one);
    if (!(least > 0.5))
        numerical_failure("I - gamma P_pi is singular to working precision, or its discounted sums diverge "
                          "(%d states, gamma %.17g): almost no discount and almost no end", n, B->gamma);
    return k;
}
