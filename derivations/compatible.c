/* The compatible critic: the one function Q_w that may stand for Q^pi in the policy gradient although it is not Q^pi,
 * and whose weights are the natural gradient. 000 (eq 6); Sutton et al. (2000), Kakade (2002). */
#include "algorithms/compatible.h"

#include <float.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "autodiff/linalg.h"
#include "autodiff/require.h"
#include "derivations/derivation.h"
#include "derivations/likelihood_ratio.h"
#include "derivations/policy_gradient_theorem.h"
#include "derivations/value_table.h"

/* [n] the gradient that some Q makes, then [n] weights w */
static int n_twice(const setting *x) { return 2 * x->pi->n; }

/* Gradients are compared relative to grad J, weights in the F-norm */
static double distance(const setting *x, int n, const double *a, const double *b)
{
    double off = 0;
    for (int i = 0; i < n / 2; i++) off = linalg_greater(off, fabs(a[i] - b[i]));
    return linalg_greater(off / linalg_max_abs(n / 2, x->g), fisher_distance(n / 2, x->F, a + n / 2, b + n / 2));
}

/* The bound on a distance of weights; for the gradient F w / (1-gamma), what a solver leaves of it, u n |F| |w|; and
 * u N M c in sums over rho, of length k: the values, which all lines share, are exact here. All relative. */
static double unit_relative(const setting *x)
{
    const exact *pi = x->pi;
    double size = linalg_max_abs(pi->n, x->g), left = x->spectrum->lambda[pi->n - 1] * linalg_norm2(pi->n, x->x);
    return fisher_distance_bound(x->spectrum->cond) / 10
           + (DBL_EPSILON * pi->n * left + pi->unit_gradient / pi->k) / size;
}

/* sum_s rho(s) sum_a grad pi(a|s) Q_w(s,a), and w behind it */
static void with_critic(const setting *x, const double *Q_w, const double *w, double *out)
{
    gradient_sum(x->pi, NULL, Q_w, out);
    memcpy(out + x->pi->n, w, (size_t)x->pi->n * sizeof *w);
}

static void with_weights(const setting *x, const double *phi, const double *w, double *out)
{
    double *Q_w = allocate((size_t)x->pi->nSA, sizeof *Q_w, "a critic");
    compatible_Q(x->pi->nSA, x->pi->n, phi, w, Q_w);
    with_critic(x, Q_w, w, out);
    free(Q_w);
}

static double *natural(const setting *x)                                /* [n] (1-gamma) F^+ grad J */
{
    double *w = allocate((size_t)x->pi->n, sizeof *w, "weights of a critic");
    for (int i = 0; i < x->pi->n; i++) w[i] = x->pi->fisher_scale * x->x[i];
    return w;
}

static double with_Q(const setting *x, double *out)
{
    double *w = natural(x);
    with_critic(x, x->pi->Q, w, out);
    free(w);
    return 0;
}

/* QAC-3   w = argmin E_{d,pi}[(Q_w - A)^2], over all pairs (s,a) with their weights */
static double fitted_to(const setting *x, const double *A, double *out)
{
    const exact *pi = x->pi;
    size_t n = (size_t)pi->n, pairs = (size_t)pi->nSA;
    double *phi = allocate(pairs * n + pairs + n, sizeof *phi, "scores"), *d = phi + pairs * n, *w = d + pairs;
    likelihood_ratio_scores(pi, phi);
    for (int i = 0; i < pi->nSA; i++) d[i] = pi->d[i / pi->nA] * pi->pi[i];
    compatible_fit(pi->nSA, pi->n, phi, d, A, w);
    with_weights(x, phi, w, out);
    free(phi);
    return 0;
}

static double fitted_to_A(const setting *x, double *out) { return fitted_to(x, x->pi->A, out); }
static double fitted_to_Q(const setting *x, double *out) { return fitted_to(x, x->pi->Q, out); }

static double by_natural_gradient(const setting *x, double *out)
{
    double *phi = allocate((size_t)x->pi->nSA * (size_t)x->pi->n, sizeof *phi, "scores"), *w = natural(x);
    likelihood_ratio_scores(x->pi, phi);
    with_weights(x, phi, w, out);
    free(w);
    free(phi);
    return 0;
}

/* ERR-12: X29's critic, .7 Q + .3 sin(7s + 4a) */
static double with_any_critic(const setting *x, double *out)
{
    double *Q_w = value_table_X29_Q(x->pi), *w = natural(x);
    with_critic(x, Q_w, w, out);
    free(Q_w);
    free(w);
    return 0;
}

/* How far from A the critic is that gives the gradient nevertheless */
static void page(const setting *x, FILE *out)
{
    const exact *pi = x->pi;
    size_t n = (size_t)pi->n, pairs = (size_t)pi->nSA;
    double *phi = allocate(pairs * n + pairs + 2 * n, sizeof *phi, "scores"), *Q_w = phi + pairs * n;
    double *both = Q_w + pairs, off = 0;
    likelihood_ratio_scores(pi, phi);
    fitted_to_A(x, both);
    compatible_Q(pi->nSA, pi->n, phi, both + n, Q_w);
    for (int i = 0; i < pi->nSA; i++)
        if (pi->d[i / pi->nA] > 0) off = fmax(off, fabs(Q_w[i] - pi->A[i]));
    fprintf(out, "%d parameters for %d pairs (s,a): max |Q_w - A| = %.2g of max |A| = %.4g where pi goes. A table has"
            " room\nfor A itself; a policy with fewer parameters has not (--class linear:2), and its gradient is"
            " right all the same.\n", pi->n, pi->nSA, off, linalg_max_abs(pi->nSA, pi->A));
    free(phi);
}

const derivation compatible[] = {
    { "QAC-3", "the compatible critic gives the exact gradient, and its weights are the natural gradient",
      "sum rho grad pi Q_w, then w", n_twice, unit_relative, no_natural_gradient, distance, {
        { "\\sum_s\\rho(s)\\sum_a\\nabla_\\theta\\pi_\\theta(a|s)Q^\\pi(s,a);\\quad "
          "w=(1-\\gamma)F^+\\nabla_\\theta J",
          "PGT-3; LAPACK, F from the scores. At gamma = 1 the scale of d for 1 - gamma", with_Q },
        { "=\\sum_s\\rho(s)\\sum_a\\nabla_\\theta\\pi_\\theta(a|s)Q_w(s,a);\\quad "
          "w=\\arg\\min_wE_{d,\\pi}[(Q_w-A^\\pi)^2],\\ Q_w=w^T\\nabla_\\theta\\log\\pi_\\theta",
          "at the minimum E[(Q_w - A) grad_w Q_w] = 0, and grad_w Q_w is the score; algorithms/compatible.c",
          fitted_to_A },
        { "w=\\arg\\min_wE_{d,\\pi}[(Q_w-Q^\\pi)^2]", "BL-3: V times the score has mean 0, so the same w",
          fitted_to_Q },
        { "w=(1-\\gamma)F^+\\nabla_\\theta J", "E[Q_w grad log pi] = F w", by_natural_gradient },
        { "\\sum_s\\rho(s)\\sum_a\\nabla_\\theta\\pi_\\theta(a|s)Q_w(s,a),\\quad Q_w=.7Q^\\pi+.3\\sin(7s+4a)",
          "000 eq 6, 9, 13 write = for any critic", with_any_critic, DIFFERS, "ERR-12" } },
      .page = page },
    { .id = NULL }
};
