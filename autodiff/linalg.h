/* Dense linear algebra in double precision: thin names over CBLAS and LAPACKE, the only file that
 * includes their headers. Matrices are row-major, [r x c] has element (i, j) at i * c + j.
 * Outputs are the caller's and do not overlap inputs. An argument that LAPACK rejects is a bug. */
#ifndef ASCENT_LINALG_H
#define ASCENT_LINALG_H

#include <stdbool.h>
#include <stdio.h>

/* Called once at the start. One thread inside BLAS, so that results do not depend on the number of cores; and
 * OpenBLAS takes its buffer now, because it tries for ever where there is no memory for it: exit 5. */
void linalg_start(void);
void linalg_print_backend(FILE *out);       /* BLAS, its kernels' core type, threads */

/* C [m x n] = op(A) [m x k] op(B) [k x n], op(X) = X^T where the flag is set */
void linalg_matmul(bool At, bool Bt, int m, int n, int k, const double *A, const double *B, double *C);
void linalg_matmul_add(bool At, bool Bt, int m, int n, int k, const double *A, const double *B, double *C); /* C += */
void linalg_matvec(int m, int n, const double *A, const double *x, double *y);      /* y [m] = A x */
double linalg_dot(int n, const double *x, const double *y);
double linalg_norm2(int n, const double *x);            /* ||x||_2, without overflow */
double linalg_max_abs(int n, const double *x);          /* max_i |x_i|; NaN if any x_i is NaN */
double linalg_greater(double a, double b);              /* max(a, b); NaN if either is NaN, unlike fmax */

enum linalg_outcome {
    LINALG_OK,
    LINALG_SINGULAR         /* exactly singular, or singular to working precision: rcond < 2^-52 */
};

/* P A = L U by partial pivoting. rcond is the reciprocal condition number in the 1-norm: LAPACK's
 * `info == 0` does not mean that a matrix is regular, this number does. */
typedef struct { int n; double *LU; int *pivot; double rcond, *work; int *iwork; } linalg_lu;
linalg_lu *linalg_lu_new(int n);
void       linalg_lu_free(linalg_lu *f);
enum linalg_outcome linalg_lu_factor(linalg_lu *f, const double *A);                /* A [n x n] */
/* The same for the A that stands in f->LU, where it is overwritten; rcond is not computed (-1), and only an exact
 * zero among the pivots makes it singular: for callers that have a better judge of the condition. */
enum linalg_outcome linalg_lu_in_place(linalg_lu *f);
/* X [n x m] = A^{-1} B, or A^{-T} B; B [n x m]. Normwise backward stable: residual O(n eps |A| |X|). */
void linalg_lu_solve(const linalg_lu *f, bool transposed, int m, const double *B, double *X);

/* A = L L^T for symmetric positive definite A [n x n] (upper triangle read), and x = A^{-1} b [n].
 * Not positive definite counts as singular. */
typedef struct { int n; double *L; double rcond, *work; int *iwork; } linalg_cholesky;
linalg_cholesky *linalg_cholesky_new(int n);
void             linalg_cholesky_free(linalg_cholesky *f);
enum linalg_outcome linalg_cholesky_factor(linalg_cholesky *f, const double *A);
void linalg_cholesky_solve(const linalg_cholesky *f, const double *b, double *x);

/* A = U diag(w) U^T for symmetric A [n x n]; w [n] ascending, row i of Ut [n x n] the eigenvector of
 * w[i]. Eigenvalues are right to O(n eps max|w|) absolutely, so small ones have no relative accuracy. */
void linalg_eigen_symmetric(int n, const double *A, double *w, double *Ut);

/* A = U T U^H for any A [n x n], U unitary and T upper triangular, both complex: Schur's form. */
typedef struct { int n; double _Complex *T, *U; } linalg_schur;     /* [n x n] column-major */
linalg_schur *linalg_schur_new(int n, const double *A);
void          linalg_schur_free(linalg_schur *s);
double linalg_spectral_radius(const linalg_schur *s);               /* max |eigenvalue of A| */
/* X = M + A^T X A [n x n] for symmetric M, the sum of A^tT M A^t over t where the spectral radius is below 1.
 * Residual O(n eps (|M| + |A|^2 |X|)); singular when a product of two eigenvalues is 1 to working precision. */
enum linalg_outcome linalg_stein(const linalg_schur *s, const double *M, double *X);

#endif
