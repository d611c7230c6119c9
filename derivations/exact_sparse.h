/* Sparse matrices by rows, and (I - gamma P) x = b for a P too large for a dense solve.
 *
 * B = I - gamma P is an M-matrix: no entry off the diagonal is positive and B^{-1} >= 0. Such a matrix has an
 * incomplete factorisation on its own pattern, ILU(0), with positive pivots (Meijerink and van der Vorst 1977):
 * M = LU about B. States are numbered by reverse Cuthill-McKee. BiCGSTAB (van der Vorst 1992) on B M^{-1} does
 * the work; where rounding breaks it GMRES (Saad and Schultz 1986) goes on; both start anew from the true
 * residual until only rounding is left in it. */
#ifndef ASCENT_EXACT_SPARSE_H
#define ASCENT_EXACT_SPARSE_H

#include <stdbool.h>

typedef struct {
    int n;
    int *row;               /* [n + 1]: the entries of row i are row[i] <= k < row[i + 1] */
    int *col;               /* [row[n]] */
    double *x;              /* [row[n]] */
} sparse;
sparse *sparse_new(int n, int entries);         /* room for so many */
void    sparse_free(sparse *A);                 /* NULL is fine */
void    sparse_times(const sparse *A, bool transposed, const double *x, double *y);     /* y = A x or A^T x */

typedef struct bellman_ilu bellman_ilu;
/* NULL where a pivot is not positive: I - gamma P is singular, or no M-matrix. P stays the caller's. */
bellman_ilu *bellman_ilu_new(double gamma, const sparse *P);
void         bellman_ilu_free(bellman_ilu *f);
/* x = (I - gamma P)^{-1} b, or with P^T. Returns what is left: ||b - B x|| / (||b|| + ||x||) in the max
 * norm; for P^T in the 1-norm: rounding, 8 u, or more where the iterations do not converge. The error of x
 * is at most ||B^{-1}||_inf ||b - B x|| in the same norm. steps: of BiCGSTAB, two products with B each, and of
 * GMRES, one. */
double bellman_ilu_solve(const bellman_ilu *f, bool transposed, const double *b, double *x, int *steps);

#endif
