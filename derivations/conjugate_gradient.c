/* x */
#include "derivations/natural_gradient.h"

#include <float.h>
#include <math.h>
#include <string.h>

#include "autodiff/linalg.h"
#include "derivations/derivation.h"

static int n_theta(const setting *x) { return x->pi->n; }

static double unit_distance(const setting *x) { return fisher_distance_bound(x->spectrum->cond) / 10; }

static double distance(const setting *x, int n, const double *a, const double *b)
{
    return fisher_distance(n, x->F, a, b);
}

static const char *no_direction(const setting *x)
{
    const char *undecided = fisher_rank_undecided(x->pi);
    if (undecided) return undecided;
    if (x->pi->J_z && fisher_spectrum_doubtful(x->spectrum)) return "an eigenvalue of F is too near its rounding";
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

const derivation conjugate_gradient[] = {
    { "NPG-7", "F x = g by conjugate gradients = by LAPACK, in the F-norm", "x[i]",
      n_theta, unit_distance, no_direction, distance, {
        { "x=F^+g", "LAPACK: eigendecomposition of F from the scores, rank rule 10 n u max|lambda|",
          by_lapack },
        { "Fx=g", "conjugate gradients on Fisher-vector products; F is never formed", by_cg } } },
    { .id = NULL }
};
