/* Sparse matrices, ILU(0) and BiCGSTAB for Bellman's equation: see exact_sparse.h. */
#include "derivations/exact_sparse.h"

#include <float.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "autodiff/linalg.h"
#include "autodiff/require.h"

enum { BICGSTAB_STEPS = 5000, MAX_STEPS = 20000,        /* in one run, in one solve */
       RESTART = 30 };                                  /* steps of GMRES in one run */

sparse *sparse_new(int n, int entries)
{
    sparse *A = allocate(1, sizeof *A, "a sparse matrix");
    A->n = n;
    A->row = allocate((size_t)n + 1, sizeof *A->row, "rows of a sparse matrix");
    A->col = allocate((size_t)entries, sizeof *A->col, "columns of a sparse matrix");
    A->x = allocate((size_t)entries, sizeof *A->x, "entries of a sparse matrix");
    return A;
}

void sparse_free(sparse *A)
{
    if (!A) return;
    free(A->row);
    free(A->col);
    free(A->x);
    free(A);
}

void sparse_times(const sparse *A, bool transposed, const double *x, double *y)
{
    if (transposed) memset(y, 0, (size_t)A->n * sizeof *y);
    for (int i = 0; i < A->n; i++) {
        double sum = 0;
        if (transposed) for (int k = A->row[i]; k < A->row[i + 1]; k++) y[A->col[k]] += A->x[k] * x[i];
        else            for (int k = A->row[i]; k < A->row[i + 1]; k++) sum += A->x[k] * x[A->col[k]];
        if (!transposed) y[i] = sum;
    }
}

/* A^T; the columns of each of its rows ascend */
static sparse *transpose(const sparse *A)
{
    sparse *T = sparse_new(A->n, A->row[A->n]);
    for (int k = 0; k < A->row[A->n]; k++) T->row[A->col[k] + 1]++;
    for (int j = 0; j < A->n; j++) T->row[j + 1] += T->row[j];
    for (int i = 0; i < A->n; i++)
        for (int k = A->row[i]; k < A->row[i + 1]; k++) {
            int at = T->row[A->col[k]]++;               /* row[j] runs up to the start of row j + 1 ... */
            T->col[at] = i;
            T->x[at] = A->x[k];
        }
    for (int j = A->n; j > 0; j--) T->row[j] = T->row[j - 1];       /* ... and is put back */
    T->row[0] = 0;
    return T;
}

/* ---- the order of the states ---- */

/* Breadth first over the edges of P and P^T, directions ignored; writes what it finds to order, returns how
 * much. seen[s] = stamp marks the states found. */
static int breadth_first(const sparse *P, const sparse *Pt, int root, int stamp, int *seen, int *order)
{
    int found = 1;
    order[0] = root;
    seen[root] = stamp;
    for (int done = 0; done < found; done++)
        for (int side = 0; side < 2; side++) {
            const sparse *A = side ? Pt : P;
            for (int k = A->row[order[done]]; k < A->row[order[done] + 1]; k++) {
                int s = A->col[k];
                if (seen[s] == stamp) continue;
                seen[s] = stamp;
                order[found++] = s;
            }
        }
    return found;
}

/* Neighbours get near numbers, from one end of each connected part to the other: the last state of a search
 * from anywhere is at an end. order [n]: which state is i-th. */
static int *cuthill_mckee(const sparse *P, const sparse *Pt)
{
    int n = P->n, *order = allocate(2 * (size_t)n, sizeof *order, "an order of states"), *seen = order + n;
    for (int root = 0, ordered = 0; root < n; root++) {
        if (seen[root]) continue;
        int found = breadth_first(P, Pt, root, 1, seen, order + ordered);
        breadth_first(P, Pt, order[ordered + found - 1], 2, seen, order + ordered);
        ordered += found;
    }
    for (int i = 0; i < n / 2; i++) {
        int last = order[n - 1 - i];
        order[n - 1 - i] = order[i];
        order[i] = last;
    }
    return order;
}

/* ---- B = I - gamma P in that order, and its incomplete factors ---- */

struct bellman_ilu {
    int n;
    int *order;             /* [n], and seen */
    sparse *B;              /* rows with ascending columns */
    int *diagonal;          /* [n] where in a row the diagonal is */
    double *LU;             /* [entries of B] L without its diagonal of ones, and U */
};

static sparse *bellman_matrix(double gamma, const sparse *P, const sparse *Pt, const int *order, int *diagonal)
{
    int n = P->n, *place = allocate((size_t)n, sizeof *place, "an order of states");
    sparse *B = sparse_new(n, P->row[n] + n);
    for (int i = 0; i < n; i++) place[order[i]] = i;
    for (int i = 0; i < n; i++) {
        int s = order[i], entries = 1;
        for (int k = P->row[s]; k < P->row[s + 1]; k++) entries += P->col[k] != s;
        B->row[i + 1] = B->row[i] + entries;
    }
    int *end = allocate((size_t)n, sizeof *end, "rows of a sparse matrix");
    memcpy(end, B->row, (size_t)n * sizeof *end);
    for (int j = 0; j < n; j++) {                       /* column by column, so that columns ascend */
        int s1 = order[j];
        diagonal[j] = end[j]++;
        B->col[diagonal[j]] = j;
        B->x[diagonal[j]] = 1;
        for (int k = Pt->row[s1]; k < Pt->row[s1 + 1]; k++) {
            int i = place[Pt->col[k]], at = i == j ? diagonal[j] : end[i]++;
            B->col[at] = j;
            B->x[at] -= gamma * Pt->x[k];
        }
    }
    free(end);
    free(place);
    return B;
}

/* ILU(0): Gaussian elimination that drops what falls outside the pattern of B. false where a pivot is not
 * positive. */
static bool factor(bellman_ilu *f)
{
    const sparse *B = f->B;
    int *at = allocate((size_t)f->n, sizeof *at, "incomplete factors");     /* 1 + place of column j in row i */
    bool positive = true;
    memcpy(f->LU, B->x, (size_t)B->row[f->n] * sizeof *f->LU);
    for (int i = 0; i < f->n && positive; i++) {
        for (int k = B->row[i]; k < B->row[i + 1]; k++) at[B->col[k]] = k + 1;
        for (int k = B->row[i]; k < f->diagonal[i]; k++) {
            int j = B->col[k];
            double l = f->LU[k] /= f->LU[f->diagonal[j]];
            for (int m = f->diagonal[j] + 1; m < B->row[j + 1]; m++)
                if (at[B->col[m]]) f->LU[at[B->col[m]] - 1] -= l * f->LU[m];
        }
        for (int k = B->row[i]; k < B->row[i + 1]; k++) at[B->col[k]] = 0;
        positive = f->LU[f->diagonal[i]] > 0;
    }
    free(at);
    return positive;
}

bellman_ilu *bellman_ilu_new(double gamma, const sparse *P)
{
    bellman_ilu *f = allocate(1, sizeof *f, "incomplete factors");
    sparse *Pt = transpose(P);
    f->n = P->n;
    f->order = cuthill_mckee(P, Pt);
    f->diagonal = allocate((size_t)f->n, sizeof *f->diagonal, "incomplete factors");
    f->B = bellman_matrix(gamma, P, Pt, f->order, f->diagonal);
    f->LU = allocate((size_t)f->B->row[f->n], sizeof *f->LU, "incomplete factors");
    sparse_free(Pt);
    if (factor(f)) return f;
    bellman_ilu_free(f);
    return NULL;
}

void bellman_ilu_free(bellman_ilu *f)
{
    if (!f) return;
    free(f->order);
    sparse_free(f->B);
    free(f->diagonal);
    free(f->LU);
    free(f);
}

/* z = (LU)^{-1} r, or (LU)^{-T} r */
static void precondition(const bellman_ilu *f, bool transposed, const double *r, double *z)
{
    const sparse *B = f->B;
    memcpy(z, r, (size_t)f->n * sizeof *z);
    if (transposed) {
        for (int i = 0; i < f->n; i++) {                                        /* U^T */
            z[i] /= f->LU[f->diagonal[i]];
            for (int k = f->diagonal[i] + 1; k < B->row[i + 1]; k++) z[B->col[k]] -= f->LU[k] * z[i];
        }
        for (int i = f->n - 1; i >= 0; i--)                                     /* L^T */
            for (int k = B->row[i]; k < f->diagonal[i]; k++) z[B->col[k]] -= f->LU[k] * z[i];
    } else {
        for (int i = 0; i < f->n; i++)                                          /* L */
            for (int k = B->row[i]; k < f->diagonal[i]; k++) z[i] -= f->LU[k] * z[B->col[k]];
        for (int i = f->n - 1; i >= 0; i--) {                                   /* U */
            for (int k = f->diagonal[i] + 1; k < B->row[i + 1]; k++) z[i] -= f->LU[k] * z[B->col[k]];
            z[i] /= f->LU[f->diagonal[i]];
        }
    }
}

/* ---- the iterations: x about B^{-1} r0, or B^{-T} r0, up to tol ||r0||_2; they return the steps used ---- */

static int bicgstab(const bellman_ilu *f, bool transposed, double tol, const double *r0, double *x)
{
    int n = f->n, step = 0;
    size_t N = (size_t)n;
    double *r = allocate(6 * N, sizeof *r, "a sparse solve"), *p = r + N, *v = p + N, *t = v + N;
    double *p_hat = t + N, *r_hat = p_hat + N;
    double rho = 1, alpha = 1, omega = 1, enough = tol * linalg_norm2(n, r0);
    memcpy(r, r0, N * sizeof *r);
    memset(x, 0, N * sizeof *x);
    while (step < BICGSTAB_STEPS && linalg_norm2(n, r) > enough) {
        double rho_old = rho;
        rho = linalg_dot(n, r0, r);
        double beta = rho / rho_old * (alpha / omega);
        for (int i = 0; i < n; i++) p[i] = r[i] + beta * (p[i] - omega * v[i]);
        precondition(f, transposed, p, p_hat);
        sparse_times(f->B, transposed, p_hat, v);
        alpha = rho / linalg_dot(n, r0, v);
        for (int i = 0; i < n; i++) r[i] -= alpha * v[i];
        precondition(f, transposed, r, r_hat);
        sparse_times(f->B, transposed, r_hat, t);
        double t_t = linalg_dot(n, t, t);
        omega = t_t > 0 ? linalg_dot(n, t, r) / t_t : 0;
        step++;
        if (!isfinite(alpha) || !isfinite(omega)) break;                        /* broken down: x as it was */
        for (int i = 0; i < n; i++) {
            x[i] += alpha * p_hat[i] + omega * r_hat[i];
            r[i] -= omega * t[i];
        }
        if (omega == 0) break;
    }
    free(r);
    return step;
}

/* V [RESTART + 1][n] orthonormal in the first m + 1 rows; B M^{-1} V = V R with R upper Hessenberg, by
 * column. Takes one step: the next v by modified Gram-Schmidt, its column h of R [m + 2]. */
static void arnoldi(const bellman_ilu *f, bool transposed, int m, double *V, double *z, double *h)
{
    size_t n = (size_t)f->n;
    double *w = V + (size_t)(m + 1) * n;
    precondition(f, transposed, w - n, z);
    sparse_times(f->B, transposed, z, w);
    for (int i = 0; i <= m; i++) {
        const double *v = V + (size_t)i * n;
        h[i] = linalg_dot(f->n, v, w);
        for (size_t j = 0; j < n; j++) w[j] -= h[i] * v[j];
    }
    h[m + 1] = linalg_norm2(f->n, w);
    for (size_t j = 0; j < n && h[m + 1] > 0; j++) w[j] /= h[m + 1];
}

/* GMRES(RESTART): the x = M^{-1} V y that leaves the least ||r0 - B x||_2 = ||g - R y||_2, R made
 * triangular by rotations */
static int gmres(const bellman_ilu *f, bool transposed, double tol, const double *r0, double *x)
{
    int m = 0;
    size_t n = (size_t)f->n;
    double *V = allocate((RESTART + 2) * n, sizeof *V, "a sparse solve"), *z = V + (RESTART + 1) * n;
    double R[RESTART][RESTART + 1], cosine[RESTART], sine[RESTART], g[RESTART + 1], y[RESTART];
    double beta = linalg_norm2(f->n, r0);
    for (size_t i = 0; i < n && beta > 0; i++) V[i] = r0[i] / beta;
    g[0] = beta;
    while (m < RESTART && fabs(g[m]) > tol * beta) {
        double *h = R[m];
        arnoldi(f, transposed, m, V, z, h);
        for (int i = 0; i < m; i++) {
            double above = cosine[i] * h[i] + sine[i] * h[i + 1];
            h[i + 1] = cosine[i] * h[i + 1] - sine[i] * h[i];
            h[i] = above;
        }
        double length = hypot(h[m], h[m + 1]);
        if (!(length > 0) || !isfinite(length)) break;
        cosine[m] = h[m] / length;
        sine[m] = h[m + 1] / length;
        h[m] = length;
        g[m + 1] = -sine[m] * g[m];
        g[m] *= cosine[m];
        m++;
    }
    memset(z, 0, n * sizeof *z);
    for (int i = m - 1; i >= 0; i--) {
        y[i] = g[i];
        for (int j = i + 1; j < m; j++) y[i] -= R[j][i] * y[j];
        y[i] /= R[i][i];
        for (size_t j = 0; j < n; j++) z[j] += y[i] * V[(size_t)i * n + j];
    }
    precondition(f, transposed, z, x);
    free(V);
    return m;
}

static double norm(int n, bool transposed, const double *x)
{
    double sum = 0;
    if (!transposed) return linalg_max_abs(n, x);
    for (int i = 0; i < n; i++) sum += fabs(x[i]);
    return sum;
}

/* r = b - B x and its norm; size = ||b|| + ||x|| */
static double residual(const bellman_ilu *f, bool transposed, const double *b, const double *x, double *r,
                       double *size)
{
    sparse_times(f->B, transposed, x, r);
    for (int i = 0; i < f->n; i++) r[i] = b[i] - r[i];
    *size = norm(f->n, transposed, b) + norm(f->n, transposed, x);
    return norm(f->n, transposed, r);
}

/* x <- x + d with d about B^{-1} (b - B x), by BiCGSTAB, where that fails by GMRES, while it brings the
 * residual down: until only rounding is left, or both have failed. b, x [n] in the factors' order, x from
 * 0; work [3n]. Returns the residual over ||b|| + ||x||, and the steps of both. */
static double refine(const bellman_ilu *f, bool transposed, const double *b, double *x, double *work, int *steps)
{
    size_t n = (size_t)f->n;
    double *r = work, *d = r + n, *tried = d + n, size, now = residual(f, transposed, b, x, r, &size);
    bool rescue = false;
    *steps = 0;
    while (now > 8 * DBL_EPSILON * size && *steps < MAX_STEPS) {
        *steps += rescue ? gmres(f, transposed, 1e-8, r, d) : bicgstab(f, transposed, 1e-8, r, d);
        for (size_t i = 0; i < n; i++) tried[i] = x[i] + d[i];
        double size_tried, then = residual(f, transposed, b, tried, d, &size_tried);
        bool gained = then < 0.5 * now;
        if (then < now) {
            memcpy(x, tried, n * sizeof *x);
            memcpy(r, d, n * sizeof *r);
            now = then;
            size = size_tried;
        }
        if (!gained && rescue) break;
        rescue = !gained;
    }
    return size > 0 ? now / size : 0;
}

double bellman_ilu_solve(const bellman_ilu *f, bool transposed, const double *b, double *x, int *steps)
{
    size_t n = (size_t)f->n;
    double *work = allocate(5 * n, sizeof *work, "a sparse solve"), *c = work + 3 * n, *y = c + n;
    int exponent;
    frexp(linalg_max_abs(f->n, b), &exponent);                  /* so that no square over- or underflows */
    for (size_t i = 0; i < n; i++) c[i] = ldexp(b[f->order[i]], -exponent);
    double left = refine(f, transposed, c, y, work, steps);
    for (size_t i = 0; i < n; i++) x[f->order[i]] = ldexp(y[i], exponent);
    free(work);
    return left;
}
