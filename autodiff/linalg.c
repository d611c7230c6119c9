/* CBLAS and LAPACKE behind row-major names: see linalg.h. LAPACKE is called column-major throughout,
 * because its row-major mode copies every matrix: a row-major A is a column-major A^T. Workspace is ours:
 * where LAPACKE has no memory for its own it says so on stdout, and takes the norm of a matrix for 0. */
#include "autodiff/linalg.h"

#include <cblas.h>
#include <complex.h>
#include <float.h>
#include <lapacke.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "autodiff/require.h"

void linalg_start(void)
{
#ifdef OPENBLAS_CONFIG_H
    /* one for each of its threads, which take theirs when they like */
    size_t buffers = (136u << 20) * (size_t)openblas_get_num_threads();
    void *probe = malloc(buffers);
    if (!probe) out_of_memory(buffers, "the buffers of OpenBLAS");
    free(probe);
    openblas_set_num_threads(1);
    double A = 1, C;                            /* a small dgemm may do without the buffer; dsyrk does not */
    cblas_dsyrk(CblasRowMajor, CblasUpper, CblasNoTrans, 1, 1, 1.0, &A, 1, 0.0, &C, 1);
#endif
}

void linalg_print_backend(FILE *out)
{
#ifdef OPENBLAS_CONFIG_H
    fprintf(out, "%s, core type %s, %d thread\n", openblas_get_config(), openblas_get_corename(),
            openblas_get_num_threads());
#else
    fprintf(out, "BLAS without a name\n");
#endif
}

/* ---- one row or one term in each sum: BLAS would spend more on preparations than on the product ---- */

enum { NARROW = 4 };

/* c [n] += a [k] B, four rows of B [k x n] at a time */
static void row_times_matrix(int n, int k, const double *a, const double *B, double *c)
{
    int p = 0;
    for (; p + 4 <= k; p += 4, a += 4, B += 4 * n) {
        double a0 = a[0], a1 = a[1], a2 = a[2], a3 = a[3];
        #pragma omp simd
        for (int j = 0; j < n; j++)
            c[j] += (a0 * B[j] + a1 * B[n + j]) + (a2 * B[2 * n + j] + a3 * B[3 * n + j]);
    }
    for (; p < k; p++, a++, B += n)
        for (int j = 0; j < n; j++) c[j] += a[0] * B[j];
}

/* c [n] += B a with B [n x k], four rows of B at a time */
static void matrix_times_column(int n, int k, const double *a, const double *B, double *c)
{
    int j = 0;
    for (; j + 4 <= n; j += 4, B += 4 * k) {
        double s0 = 0, s1 = 0, s2 = 0, s3 = 0;
        #pragma omp simd reduction(+:s0, s1, s2, s3)
        for (int p = 0; p < k; p++) {
            s0 += a[p] * B[p];
            s1 += a[p] * B[k + p];
            s2 += a[p] * B[2 * k + p];
            s3 += a[p] * B[3 * k + p];
        }
        c[j] += s0, c[j + 1] += s1, c[j + 2] += s2, c[j + 3] += s3;
    }
    for (; j < n; j++, B += k)
        for (int p = 0; p < k; p++) c[j] += a[p] * B[p];
}

/* C [m x n] = a b^T, or += */
static void column_times_row(bool add, int m, int n, const double *a, const double *b, double *C)
{
    for (int i = 0; i < m; i++, C += n) {
        if (add) for (int j = 0; j < n; j++) C[j] += a[i] * b[j];
        else     for (int j = 0; j < n; j++) C[j] = a[i] * b[j];
    }
}

/* The same where a policy has few actions, or a value function its one: n, or the k of B^T, is small, and known to
 * the compiler. */
static inline void row_times_narrow(int n, int k, const double *a, const double *B, double *c)
{
    double s[4][NARROW] = { { 0 } };            /* four sums at a time: each waits for the one before */
    int p = 0;
    for (; p + 4 <= k; p += 4)
        for (int l = 0; l < 4; l++)
            for (int j = 0; j < n; j++) s[l][j] += a[p + l] * B[(p + l) * n + j];
    for (; p < k; p++)
        for (int j = 0; j < n; j++) s[0][j] += a[p] * B[p * n + j];
    for (int j = 0; j < n; j++) c[j] += (s[0][j] + s[1][j]) + (s[2][j] + s[3][j]);
}

static inline void narrow_times_column(int k, int n, const double *a, const double *B, double *c)
{
    for (int j = 0; j < n; j++)
        for (int p = 0; p < k; p++) c[j] += a[p] * B[j * k + p];
}

static inline void column_times_narrow(int n, int m, bool add, const double *a, const double *b, double *C)
{
    for (int i = 0; i < m; i++)
        for (int j = 0; j < n; j++) C[i * n + j] = (add ? C[i * n + j] : 0) + a[i] * b[j];
}

#define KNOWN(n, f, ...) \
    ((n) == 1 ? f(1, __VA_ARGS__) : (n) == 2 ? f(2, __VA_ARGS__) : (n) == 3 ? f(3, __VA_ARGS__) : f(4, __VA_ARGS__))

/* Plain loops where a tool looks at every access to memory: it sees none of BLAS's. */
#ifdef ASCENT_PLAIN_LOOPS
static void dgemm(bool add, bool At, bool Bt, int m, int n, int k, const double *A, const double *B, double *C)
{
    for (int i = 0; i < m; i++)
        for (int j = 0; j < n; j++) {
            double sum = add ? C[i * n + j] : 0;
            for (int p = 0; p < k; p++) sum += A[At ? p * m + i : i * k + p] * B[Bt ? j * k + p : p * n + j];
            C[i * n + j] = sum;
        }
}

static void dgemv(int m, int n, const double *A, const double *x, double *y)
{
    dgemm(false, false, false, m, 1, n, A, x, y);
}

double linalg_dot(int n, const double *x, const double *y)
{
    double sum = 0;
    for (int i = 0; i < n; i++) sum += x[i] * y[i];
    return sum;
}

double linalg_norm2(int n, const double *x)
{
    double norm = 0;
    for (int i = 0; i < n; i++) norm = hypot(norm, x[i]);
    return norm;
}
#else
static void dgemm(bool add, bool At, bool Bt, int m, int n, int k, const double *A, const double *B, double *C)
{
    cblas_dgemm(CblasRowMajor, At ? CblasTrans : CblasNoTrans, Bt ? CblasTrans : CblasNoTrans, m, n, k, 1.0, A,
                At ? m : (k ? k : 1), B, Bt ? (k ? k : 1) : n, add, C, n);
}

static void dgemv(int m, int n, const double *A, const double *x, double *y)
{
    cblas_dgemv(CblasRowMajor, CblasNoTrans, m, n, 1.0, A, n, x, 1, 0.0, y, 1);
}

double linalg_dot(int n, const double *x, const double *y) { return cblas_ddot(n, x, 1, y, 1); }
double linalg_norm2(int n, const double *x)                { return cblas_dnrm2(n, x, 1); }
#endif

static void matmul(bool add, bool At, bool Bt, int m, int n, int k, const double *A, const double *B, double *C)
{
    enum { SHORT = 8 };                     /* vectors for which BLAS is as good */
    if (m == 0 || n == 0) return;
    int last = Bt ? k : n;                  /* the length of B's rows */
    bool narrow = 0 < last && last <= NARROW;
    if (m == 1 && (narrow || last >= SHORT)) {
        if (!add) memset(C, 0, (size_t)n * sizeof *C);
        if (!narrow) (Bt ? matrix_times_column : row_times_matrix)(n, k, A, B, C);
        else if (Bt) KNOWN(k, narrow_times_column, n, A, B, C);
        else         KNOWN(n, row_times_narrow, k, A, B, C);
    } else if (k == 1 && n >= SHORT) {
        column_times_row(add, m, n, A, B, C);
    } else if (k == 1 && n <= NARROW) {
        KNOWN(n, column_times_narrow, m, add, A, B, C);
    } else {
        dgemm(add, At, Bt, m, n, k, A, B, C);
    }
}

void linalg_matmul(bool At, bool Bt, int m, int n, int k, const double *A, const double *B, double *C)
{
    matmul(false, At, Bt, m, n, k, A, B, C);
}

void linalg_matmul_add(bool At, bool Bt, int m, int n, int k, const double *A, const double *B, double *C)
{
    matmul(true, At, Bt, m, n, k, A, B, C);
}

void linalg_matvec(int m, int n, const double *A, const double *x, double *y)
{
    if (m == 0) return;
    if (n == 0) memset(y, 0, (size_t)m * sizeof *y);        /* BLAS would leave y as it is */
    else        dgemv(m, n, A, x, y);
}

double linalg_greater(double a, double b)
{
    return isnan(a) || b <= a ? a : b;
}

double linalg_max_abs(int n, const double *x)
{
    double max = 0;
    for (int i = 0; i < n; i++) max = linalg_greater(max, fabs(x[i]));
    return max;
}

static void check_info(const char *routine, lapack_int info, int n)
{
    require(info >= 0, "%s: argument %d is not valid (n = %d; a NaN in the matrix?)", routine, (int)-info, n);
}

static void require_finite(const char *routine, int n, double norm)
{
    require(isfinite(norm), "%s: an entry is not finite (n = %d)", routine, n);
}

linalg_lu *linalg_lu_new(int n)
{
    require(n >= 1, "linalg_lu_new: n = %d", n);
    linalg_lu *f = allocate(1, sizeof *f, "an LU factorisation");
    f->n = n;
    f->LU = allocate((size_t)n * (size_t)n, sizeof *f->LU, "an LU factorisation");
    f->pivot = allocate((size_t)n, sizeof *f->pivot, "an LU factorisation");
    f->work = allocate(4 * (size_t)n, sizeof *f->work, "an LU factorisation");
    f->iwork = allocate((size_t)n, sizeof *f->iwork, "an LU factorisation");
    return f;
}

void linalg_lu_free(linalg_lu *f)
{
    if (!f) return;
    free(f->LU);
    free(f->pivot);
    free(f->work);
    free(f->iwork);
    free(f);
}

enum linalg_outcome linalg_lu_in_place(linalg_lu *f)
{
    lapack_int info = LAPACKE_dgetrf_work(LAPACK_COL_MAJOR, f->n, f->n, f->LU, f->n, f->pivot);
    check_info("dgetrf", info, f->n);
    f->rcond = -1;
    return info == 0 ? LINALG_OK : LINALG_SINGULAR;
}

enum linalg_outcome linalg_lu_factor(linalg_lu *f, const double *A)
{
    int n = f->n;
    memcpy(f->LU, A, (size_t)n * (size_t)n * sizeof *A);
    double norm_1 = LAPACKE_dlange_work(LAPACK_COL_MAJOR, 'I', n, n, A, n, f->work);    /* ||A^T||_inf */
    require_finite("linalg_lu_factor", n, norm_1);
    bool singular = linalg_lu_in_place(f) == LINALG_SINGULAR;
    f->rcond = 0;
    if (singular) return LINALG_SINGULAR;
    lapack_int info = LAPACKE_dgecon_work(LAPACK_COL_MAJOR, 'I', n, f->LU, n, norm_1, &f->rcond, f->work, f->iwork);
    check_info("dgecon", info, n);
    return f->rcond >= DBL_EPSILON ? LINALG_OK : LINALG_SINGULAR;
}

void linalg_lu_solve(const linalg_lu *f, bool transposed, int m, const double *B, double *X)
{
    int n = f->n;
    double *column = m == 1 ? X : allocate((size_t)n * (size_t)m, sizeof *column, "a linear solve");
    for (int j = 0; j < m; j++)                         /* row-major B [n x m] to column-major */
        for (int i = 0; i < n; i++) column[(size_t)j * (size_t)n + i] = B[(size_t)i * (size_t)m + j];
    char op = transposed ? 'N' : 'T';                   /* the factors are those of A^T */
    require_finite("linalg_lu_solve", n, linalg_max_abs(n * m, column));
    check_info("dgetrs", LAPACKE_dgetrs_work(LAPACK_COL_MAJOR, op, n, m, f->LU, n, f->pivot, column, n), n);
    if (m == 1) return;
    for (int j = 0; j < m; j++)
        for (int i = 0; i < n; i++) X[(size_t)i * (size_t)m + j] = column[(size_t)j * (size_t)n + i];
    free(column);
}

linalg_cholesky *linalg_cholesky_new(int n)
{
    require(n >= 1, "linalg_cholesky_new: n = %d", n);
    linalg_cholesky *f = allocate(1, sizeof *f, "a Cholesky factorisation");
    f->n = n;
    f->L = allocate((size_t)n * (size_t)n, sizeof *f->L, "a Cholesky factorisation");
    f->work = allocate(3 * (size_t)n, sizeof *f->work, "a Cholesky factorisation");
    f->iwork = allocate((size_t)n, sizeof *f->iwork, "a Cholesky factorisation");
    return f;
}

void linalg_cholesky_free(linalg_cholesky *f)
{
    if (!f) return;
    free(f->L);
    free(f->work);
    free(f->iwork);
    free(f);
}

enum linalg_outcome linalg_cholesky_factor(linalg_cholesky *f, const double *A)
{
    int n = f->n;
    memcpy(f->L, A, (size_t)n * (size_t)n * sizeof *A);
    double norm_1 = LAPACKE_dlansy_work(LAPACK_COL_MAJOR, '1', 'L', n, A, n, f->work);
    require_finite("linalg_cholesky_factor", n, norm_1);
    lapack_int info = LAPACKE_dpotrf(LAPACK_COL_MAJOR, 'L', n, f->L, n);
    check_info("dpotrf", info, n);
    f->rcond = 0;
    if (info > 0) return LINALG_SINGULAR;
    info = LAPACKE_dpocon_work(LAPACK_COL_MAJOR, 'L', n, f->L, n, norm_1, &f->rcond, f->work, f->iwork);
    check_info("dpocon", info, n);
    return f->rcond >= DBL_EPSILON ? LINALG_OK : LINALG_SINGULAR;
}

void linalg_cholesky_solve(const linalg_cholesky *f, const double *b, double *x)
{
    memcpy(x, b, (size_t)f->n * sizeof *b);
    check_info("dpotrs", LAPACKE_dpotrs(LAPACK_COL_MAJOR, 'L', f->n, 1, f->L, f->n, x, f->n), f->n);
}

void linalg_eigen_symmetric(int n, const double *A, double *w, double *Ut)
{
    require(n >= 1, "linalg_eigen_symmetric: n = %d", n);
    memcpy(Ut, A, (size_t)n * (size_t)n * sizeof *A);
    require_finite("linalg_eigen_symmetric", n, LAPACKE_dlansy_work(LAPACK_COL_MAJOR, 'M', 'L', n, A, n, NULL));
    double room;                                        /* a first call only asks how much workspace is best */
    lapack_int iroom, info = LAPACKE_dsyevd_work(LAPACK_COL_MAJOR, 'V', 'L', n, Ut, n, w, &room, -1, &iroom, -1);
    check_info("dsyevd", info, n);
    double *work = allocate((size_t)room, sizeof *work, "eigenvalues");
    lapack_int *iwork = allocate((size_t)iroom, sizeof *iwork, "eigenvalues");
    info = LAPACKE_dsyevd_work(LAPACK_COL_MAJOR, 'V', 'L', n, Ut, n, w, work, (lapack_int)room, iwork, iroom);
    check_info("dsyevd", info, n);
    free(work);
    free(iwork);
    if (info > 0) numerical_failure("dsyevd: %d elements did not converge (n = %d)", (int)info, n);
}

/* ---- Schur's form, and Stein's equation by it ---- */

linalg_schur *linalg_schur_new(int n, const double *A)
{
    require(n >= 1, "linalg_schur_new: n = %d", n);
    require_finite("linalg_schur_new", n, linalg_max_abs(n * n, A));
    linalg_schur *s = allocate(1, sizeof *s, "Schur's form");
    size_t nn = (size_t)n * (size_t)n;
    *s = (linalg_schur){ .n = n, .T = allocate(nn, sizeof *s->T, "Schur's form"),
                         .U = allocate(nn, sizeof *s->U, "Schur's form") };
    lapack_int none, room = 4 * n;
    double complex *w = allocate(5 * (size_t)n, sizeof *w, "Schur's form"), *work = w + n;
    double *rwork = allocate((size_t)n, sizeof *rwork, "Schur's form");
    for (int i = 0; i < n; i++)
        for (int j = 0; j < n; j++) s->T[j * n + i] = A[i * n + j];
    lapack_int info = LAPACKE_zgees_work(LAPACK_COL_MAJOR, 'V', 'N', NULL, n, s->T, n, &none, w, s->U, n, work, room,
                                         rwork, NULL);
    check_info("zgees", info, n);
    free(w);
    free(rwork);
    if (info > 0) numerical_failure("zgees: eigenvalue %d did not converge (n = %d)", (int)info, n);
    return s;
}

void linalg_schur_free(linalg_schur *s)
{
    if (!s) return;
    free(s->T);
    free(s->U);
    free(s);
}

double linalg_spectral_radius(const linalg_schur *s)
{
    double radius = 0;
    for (int i = 0; i < s->n; i++) radius = linalg_greater(radius, cabs(s->T[i * s->n + i]));
    return radius;
}

/* C [n x n] = op(A) B, op(X) = X^H where the flag is set, or A op(B) by the second flag; all column-major */
static void complex_product(bool Ah, bool Bh, int n, const double complex *A, const double complex *B,
                            double complex *C)
{
    const double complex one = 1, zero = 0;
    cblas_zgemm(CblasColMajor, Ah ? CblasConjTrans : CblasNoTrans, Bh ? CblasConjTrans : CblasNoTrans, n, n, n, &one,
                A, n, B, n, &zero, C, n);
}

/* Y = N + T^H Y T, column after column: (I - T_jj T^H) Y_j = N_j + T^H sum_{k<j} T_kj Y_k. Y overwrites N. */
static enum linalg_outcome solve_triangular(int n, const double complex *T, double complex *Y)
{
    double complex *known = allocate((size_t)n, sizeof *known, "Stein's equation");
    double least = INFINITY;
    for (int j = 0; j < n; j++) {
        double complex *y = Y + j * n;
        for (int i = 0; i < n; i++) {
            known[i] = 0;
            for (int k = 0; k < j; k++) known[i] += T[j * n + k] * Y[k * n + i];
        }
        for (int i = 0; i < n; i++) {               /* T^H is lower triangular */
            double complex sum = y[i], pivot = 1 - T[j * n + j] * conj(T[i * n + i]);
            for (int k = 0; k <= i; k++) sum += conj(T[i * n + k]) * known[k];
            for (int k = 0; k < i; k++)  sum += conj(T[i * n + k]) * T[j * n + j] * y[k];
            least = fmin(least, cabs(pivot));
            y[i] = pivot != 0 ? sum / pivot : 0;
        }
    }
    free(known);
    return least >= n * DBL_EPSILON ? LINALG_OK : LINALG_SINGULAR;
}

enum linalg_outcome linalg_stein(const linalg_schur *s, const double *M, double *X)
{
    int n = s->n;
    size_t nn = (size_t)n * (size_t)n;
    double complex *Y = allocate(2 * nn, sizeof *Y, "Stein's equation"), *Z = Y + nn;
    for (size_t i = 0; i < nn; i++) Y[i] = M[i];                /* symmetric: row- or column-major */
    complex_product(true, false, n, s->U, Y, Z);                /* U^H M U */
    complex_product(false, false, n, Z, s->U, Y);
    enum linalg_outcome outcome = solve_triangular(n, s->T, Y);
    complex_product(false, false, n, s->U, Y, Z);               /* X = U Y U^H */
    complex_product(false, true, n, Z, s->U, Y);
    for (int i = 0; i < n; i++)
        for (int j = 0; j < n; j++) X[i * n + j] = (creal(Y[j * n + i]) + creal(Y[i * n + j])) / 2;
    free(Y);
    return outcome;
}
