/* Sparse matrices, ILU(0) and BiCGSTAB for Bellman's equation: see exact_sparse.h. */
#include "derivations/exact_sparse.h"

#include <float.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "autodiff/linalg.h"
#include "autodiff/require.h"

enum { MAX_STEPS = 20000 };             /* in one solve */

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

/* Breadth first over the edges of P and P^T, directions ignored; writes what it finds to order, returns how much.
 * seen[s] = stamp marks the states found. */
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

/* Neighbours get near numbers, from one end of each connected part to the other: the last state of a search from
 * anywhere is at an end. order [n]: which state is i-th. */
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

/* ILU(0): Gaussian elimination that drops what falls outside the pattern of B. false where a pivot is not positive. */
static bool factor(bellman_ilu *f)
{
    const sparse *B = f->B;
    int *at = allocate((size_t)f->n, sizeof *at, "incomplete factors");         /* 1 + where column j is in row i */
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

/* ---- the iterations ---- */

/* x with B x = r up to tol ||r||_2 or as far as BiCGSTAB comes, preconditioned from the right. work [6n] */
static int bicgstab(const bellman_ilu *f, bool transposed, double tol, int max_steps, const double *r0, double *x,
                    double *work)
{
    int n = f->n, step = 0;
    double *r = work, *p = r + n, *v = p + n, *t = v + n, *p_hat = t + n, *r_hat = p_hat + n;
    double rho = 1, alpha = 1, omega = 1, enough = tol * linalg_norm2(n, r0);
    memcpy(r, r0, (size_t)n * sizeof *r);
    memset(p, 0, 2 * (size_t)n * sizeof *p);                                    /* and v */
    memset(x, 0, (size_t)n * sizeof *x);
    while (step++ < max_steps && linalg_norm2(n, r) > enough) {
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
        if (!isfinite(alpha) || !isfinite(omega)) break;                        /* broken down: x as it was */
        for (int i = 0; i < n; i++) {
            x[i] += alpha * p_hat[i] + omega * r_hat[i];
            r[i] -= omega * t[i];
        }
        if (omega == 0) break;
    }
    return step;
}

static double norm(int n, bool transposed, const double *x)
{
    double sum = 0;
    if (!transposed) return linalg_max_abs(n, x);
    for (int i = 0; i < n; i++) sum += fabs(x[i]);
    return sum;
}

/* r = b - B x; its norm over ||b|| + ||x|| */
static double residual(const bellman_ilu *f, bool transposed, const double *b, const double *x, double *r)
{
    sparse_times(f->B, transposed, x, r);
    for (int i = 0; i < f->n; i++) r[i] = b[i] - r[i];
    double size = norm(f->n, transposed, b) + norm(f->n, transposed, x);
    return size > 0 ? norm(f->n, transposed, r) / size : 0;
}

/* x <- x + d, d about B^{-1} (b - B x) by BiCGSTAB; where that does not halve the residual, 100 plain steps
 * d = (LU)^{-1} (b - B x) bring it onto another way. Until only rounding is left or a whole round gains nothing.
 * b, x in the factors' order; x starts from 0; work [9n] */
static double refine(const bellman_ilu *f, bool transposed, const double *b, double *x, double *work)
{
    int n = f->n, left = MAX_STEPS;
    double *r = work, *d = r + n, *tried = d + n, now = residual(f, transposed, b, x, r), before = INFINITY;
    while (now > 8 * DBL_EPSILON && now < 0.9 * before && left > 0) {
        before = now;
        left -= bicgstab(f, transposed, 1e-8, MAX_STEPS / 4, r, d, work + 3 * n);
        for (int i = 0; i < n; i++) tried[i] = x[i] + d[i];
        double then = residual(f, transposed, b, tried, d);
        if (then < now) {
            memcpy(x, tried, (size_t)n * sizeof *x);
            memcpy(r, d, (size_t)n * sizeof *r);
            now = then;
        }
        for (int steps = 0; steps < 100 && now > 0.5 * before && now > 8 * DBL_EPSILON; steps++, left--) {
            precondition(f, transposed, r, d);
            for (int i = 0; i < n; i++) x[i] += d[i];
            now = residual(f, transposed, b, x, r);
        }
    }
    return now;
}

double bellman_ilu_solve(const bellman_ilu *f, bool transposed, const double *b, double *x)
{
    size_t n = (size_t)f->n;
    double *work = allocate(11 * n, sizeof *work, "a sparse solve"), *c = work + 9 * n, *y = c + n;
    int exponent;
    frexp(linalg_max_abs(f->n, b), &exponent);                  /* so that no square over- or underflows */
    for (size_t i = 0; i < n; i++) c[i] = ldexp(b[f->order[i]], -exponent);
    double left = refine(f, transposed, c, y, work);
    for (size_t i = 0; i < n; i++) x[f->order[i]] = ldexp(y[i], exponent);
    free(work);
    return left;
}
