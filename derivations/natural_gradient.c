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
        const double *u = f->Ut + i * f->n;
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
    fisher_project(f, direction);
    fisher_product *F = fisher_product_new(policy);
    cg_result result = cg(fisher_times, F, n, direction, 1e-12, 20 * n, x);
    fisher_product_free(F);
    free(direction);
    fisher_project(f, x);
    for (int i = 0; i < n; i++) x[i] *= scale;
    return result;
}

double fisher_norm(int n, const double *F, const double *x)
{
    double *y = allocate(2 * (size_t)n, sizeof *y, "a norm"), *Fy = y + n;
    double scale = fmax(linalg_max_abs(n, x), DBL_MIN);         /* the squares of x must not overflow */
    for (int i = 0; i < n; i++) y[i] = x[i] / scale;
    linalg_matvec(n, n, F, y, Fy);
    double yFy = linalg_dot(n, y, Fy);
    free(y);
    return scale * sqrt(yFy < 0 ? 0 : yFy);                     /* below 0 by rounding only; a NaN stays one */
}

double fisher_distance(int n, const double *F, const double *x, const double *y)
{
    double *e = allocate((size_t)n, sizeof *e, "a distance"), norm = fisher_norm(n, F, x);
    for (int i = 0; i < n; i++) e[i] = x[i] - y[i];
    double distance = norm > 0 ? fisher_norm(n, F, e) / norm : NAN;
    free(e);
    return distance;
}

double fisher_distance_bound(double cond)
{
    return cond <= 1e6 ? 1e-10 : 1e3 * DBL_EPSILON * cond;
}

/* The least nonzero eigenvalue of a block is at least d(s) min_a pi(a|s), by interlacing; where that drowns
 * in the rounding of the largest, no rule that looks at F alone can find the rank. */
const char *fisher_rank_undecided(const exact *policy)
{
    if (policy->n > FISHER_MAX_N) return "more than 1500 parameters: no dense F";
    double least = INFINITY, greatest = 0;
    for (int i = 0; i < policy->nSA; i++) {
        double d = policy->d[i / policy->nA];
        if (d <= 0) continue;
        least = fmin(least, d * policy->pi[i]);
        greatest = fmax(greatest, d * policy->pi[i]);
    }
    bool drowns = least < 1e2 * policy->n * DBL_EPSILON * greatest;
    return drowns ? "the least d(s) pi(a|s) drowns in rounding" : NULL;
}

/* ---- the derivations: distances are relative, in the F-norm ---- */
static int n_theta(const setting *x) { return x->pi->n; }

static double unit_distance(const setting *x) { return fisher_distance_bound(x->spectrum->cond) / 10; }

static double distance(const setting *x, int n, const double *a, const double *b)
{
    return fisher_distance(n, x->F, a, b);
}

static const char *no_direction(const setting *x)
{
    if (fisher_rank_undecided(x->pi)) return fisher_rank_undecided(x->pi);
    return x->x_F > 0 ? NULL : "the gradient is zero";
}

static double by_lapack(const setting *x, double *out)
{
    memcpy(out, x->x, (size_t)x->pi->n * sizeof *out);          /* natural_gradient_lapack(F, g) */
    return 0;
}

/* ||x - x_cg||_F = ||F^{+1/2} r|| <= ||r|| / sqrt(least eigenvalue): where CG has given up, the residual says
 * how little its answer is worth. */
static double by_cg(const setting *x, double *out)
{
    const fisher_spectrum *f = x->spectrum;
    cg_result result = natural_gradient_cg(x->pi, f, x->g, out);
    return result.residual * linalg_norm2(x->pi->n, x->g) / sqrt(f->lambda[f->n - f->rank]) / x->x_F;
}

static const char *no_closed_form(const setting *x)
{
    return x->pi->J_z ? "the policy is not tabular" : no_direction(x);
}

/* NPG-9   F^+ g = (A(s,a) - mean_b A(s,b)) / fisher_scale where s is visited, else 0. The weights of F and
 * of g cancel, d(s) = fisher_scale rho(s), so only the ratio of their scales is left.
 * Its distance to F^+ g comes from the rounding of g: 2 nA u rho(s) max|Q| in each entry of state s, divided
 * by the root of that block's least eigenvalue, at least d(s) min_a pi(a|s). */
static double by_advantage(const setting *x, double *out)
{
    const exact *pi = x->pi;
    double rounding = 2 * pi->nA * DBL_EPSILON * linalg_max_abs(pi->nSA, pi->Q), square = 0;
    for (int s = 0; s < pi->nS; s++) {
        const double *A = pi->A + s * pi->nA;
        double mean = 0, least = 1;
        for (int a = 0; a < pi->nA; a++) mean += A[a] / pi->nA;
        for (int a = 0; a < pi->nA; a++) least = fmin(least, pi->pi[s * pi->nA + a]);
        for (int a = 0; a < pi->nA; a++)
            out[s * pi->nA + a] = pi->d[s] > 0 ? (A[a] - mean) / pi->fisher_scale : 0;
        if (pi->d[s] > 0) square += pi->nA * pi->rho[s] / (pi->fisher_scale * least);
    }
    return rounding / x->x_F * sqrt(square);
}

const derivation natural_gradient[] = {
    { "NPG-7", "F x = g by conjugate gradients = by LAPACK, in the F-norm", "x[i]",
      n_theta, unit_distance, no_direction, distance, {
        { "x=F^+g", "LAPACK: eigendecomposition of F from the scores, rank rule 10 n u max|lambda|",
          by_lapack },
        { "Fx=g", "conjugate gradients on Fisher-vector products; F is never formed", by_cg } } },
    { "NPG-9", "tabular softmax: F^+ grad J = A/(1-gamma) up to a constant per state", "x[s,a]",
      n_theta, unit_distance, no_closed_form, distance, {
        { "x=F^+\\nabla_\\theta J", "LAPACK: eigendecomposition of F from the scores", by_lapack },
        { "=\\frac1c(A^\\pi(s,a)-\\tfrac1{|A|}\\sum_bA^\\pi(s,b)),\\quad d(s)=c\\,\\rho_\\pi(s)",
          "solve rho pi A = d (diag pi - pi pi^T) x state by state, the shortest x has mean 0;"
          " c = 1-gamma, or 1/sum rho at gamma = 1", by_advantage } } },
    { .id = NULL }
};
