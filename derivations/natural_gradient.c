/* The natural gradient by LAPACK, by conjugate gradients, and in closed form for the tabular softmax, where
 * it is the advantage. 001 (l.516-550), 004 (l.461); Kakade 2002. */
#include "derivations/natural_gradient.h"

#include <float.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "autodiff/linalg.h"
#include "autodiff/require.h"
#include "derivations/derivation.h"
#include "derivations/fisher.h"
#include "derivations/policy_gradient_theorem.h"

fisher_spectrum *fisher_spectrum_new(int n, const double *F)
{
    fisher_spectrum *f = allocate(1, sizeof *f, "a spectrum");
    f->n = n;
    f->lambda = allocate((size_t)n, sizeof *f->lambda, "a spectrum");
    f->Ut = allocate((size_t)n * (size_t)n, sizeof *f->Ut, "eigenvectors");
    linalg_eigen_symmetric(n, F, f->lambda, f->Ut);
    double cutoff = 10 * n * DBL_EPSILON * linalg_max_abs(n, f->lambda);
    while (f->rank < n && f->lambda[n - 1 - f->rank] > cutoff) f->rank++;
    f->cond = f->rank ? f->lambda[n - 1] / f->lambda[n - f->rank] : 1;
    return f;
}

void fisher_spectrum_free(fisher_spectrum *f)
{
    if (!f) return;
    free(f->lambda);
    free(f->Ut);
    free(f);
}

/* sum over counted eigenvalues of u_i (u_i^T g) w_i, w_i = lambda_i^{-1} or 1 */
static void spectral(const fisher_spectrum *f, bool inverse, const double *g, double *x)
{
    double *sum = allocate((size_t)f->n, sizeof *sum, "a projection");
    for (int i = f->n - f->rank; i < f->n; i++) {
        const double *u = f->Ut + (size_t)i * (size_t)f->n;
        double c = linalg_dot(f->n, u, g) / (inverse ? f->lambda[i] : 1);
        for (int j = 0; j < f->n; j++) sum[j] += c * u[j];
    }
    memcpy(x, sum, (size_t)f->n * sizeof *x);
    free(sum);
}

void fisher_project(const fisher_spectrum *f, double *x) { spectral(f, false, x, x); }

void natural_gradient_lapack(const fisher_spectrum *f, const double *F, const double *g, double *x)
{
    linalg_cholesky *L = linalg_cholesky_new(f->n);
    bool regular = linalg_cholesky_factor(L, F) == LINALG_OK && L->rcond > 1e3 * f->n * DBL_EPSILON;
    if (regular) linalg_cholesky_solve(L, g, x);
    else         spectral(f, true, g, x);
    linalg_cholesky_free(L);
}

cg_result natural_gradient_cg(const exact *policy, const fisher_spectrum *f, const double *g, double *x)
{
    int n = policy->n;
    double *direction = allocate((size_t)n, sizeof *direction, "a gradient");
    double scale = fmax(linalg_max_abs(n, g), DBL_MIN);         /* the squares of g must not overflow */
    for (int i = 0; i < n; i++) direction[i] = g[i] / scale;
    fisher_product *F = fisher_product_new(policy);
    cg_result result = cg(fisher_times, F, n, direction, 1e-12, 20 * n, x);
    fisher_product_free(F);
    free(direction);
    fisher_project(f, x);
    for (int i = 0; i < n; i++) x[i] *= scale;
    return result;
}

double fisher_distance(int n, const double *F, const double *x, const double *y)
{
    double *e = allocate(2 * (size_t)n, sizeof *e, "a distance"), *Fe = e + n;
    double scale = fmax(linalg_max_abs(n, x), DBL_MIN);         /* the squares of x must not overflow */
    for (int i = 0; i < n; i++) e[i] = x[i] / scale;
    linalg_matvec(n, n, F, e, Fe);
    double xFx = linalg_dot(n, e, Fe);
    for (int i = 0; i < n; i++) e[i] = x[i] / scale - y[i] / scale;
    linalg_matvec(n, n, F, e, Fe);
    double eFe = linalg_dot(n, e, Fe);
    free(e);
    return xFx > 0 ? sqrt(eFe > 0 ? eFe / xFx : 0 * eFe) : NAN;        /* a NaN stays one */
}

double fisher_distance_bound(double cond)
{
    return cond <= 1e6 ? 1e-10 : 1e3 * DBL_EPSILON * cond;
}

/* ---- the derivations ---- */
static int n_theta(const setting *x) { return x->pi->n; }

static double unit_distance(const setting *x) { return fisher_distance_bound(x->spectrum->cond) / 10; }

static double distance(const setting *x, int n, const double *a, const double *b)
{
    return fisher_distance(n, x->F, a, b);
}

static const char *no_direction(const setting *x)
{
    if (fisher_rank_undecided(x)) return fisher_rank_undecided(x);
    return linalg_max_abs(x->pi->n, x->g) == 0 ? "the gradient is zero" : NULL;
}

static double by_lapack(const setting *x, double *out)
{
    natural_gradient_lapack(x->spectrum, x->F, x->g, out);
    return 0;
}

static double by_cg(const setting *x, double *out)
{
    natural_gradient_cg(x->pi, x->spectrum, x->g, out);
    return 0;
}

/* NPG-9   F^+ g = (A(s,a) - mean_b A(s,b)) / fisher_scale where s is visited, else 0. The weights of F and
 * of g cancel, d(s) = fisher_scale rho(s), so only the ratio of their scales is left. */
static double by_advantage(const setting *x, double *out)
{
    const exact *pi = x->pi;
    for (int s = 0; s < pi->nS; s++) {
        double mean = 0;
        for (int a = 0; a < pi->nA; a++) mean += pi->A[s * pi->nA + a] / pi->nA;
        for (int a = 0; a < pi->nA; a++)
            out[s * pi->nA + a] = pi->d[s] > 0 ? (pi->A[s * pi->nA + a] - mean) / pi->fisher_scale : 0;
    }
    return 0;
}

const derivation natural_gradient[] = {
    { "NPG-7", "F x = g by conjugate gradients = by LAPACK, in the F-norm", "x[s,a]",
      n_theta, unit_distance, no_direction, distance, {
        { "x=F^+g", "LAPACK: eigendecomposition of F from the scores, rank rule 10 n u max|lambda|", by_lapack },
        { "Fx=g", "conjugate gradients on Fisher-vector products; F is never formed", by_cg } } },
    { "NPG-9", "tabular softmax: F^+ grad J = A up to a constant per state", "x[s,a]",
      n_theta, unit_distance, no_direction, distance, {
        { "x=F^+\\nabla_\\theta J", "LAPACK: eigendecomposition of F from the scores", by_lapack },
        { "=\\frac{1}{1-\\gamma}(A^\\pi(s,a)-\\tfrac1{|A|}\\sum_bA^\\pi(s,b))",
          "solve block by block: rho pi A = d (diag pi - pi pi^T) x; the shortest x has mean 0", by_advantage } } },
    { .id = NULL }
};
