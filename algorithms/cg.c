/* NPG-7   F x = g by conjugate gradients instead of F^{-1} (Hestenes and Stiefel 1952; 001 l.550).
 *
 *     x = 0,  r = g,  p = r
 *     repeat   alpha = r^T r / p^T F p
 *              x     = x + alpha p
 *              r1    = r - alpha F p                  until ||r1|| <= tol ||g||
 *              beta  = r1^T r1 / r^T r
 *              p     = r1 + beta p,   r = r1
 *
 * In exact arithmetic it ends after as many steps as F has different nonzero eigenvalues, and x stays in
 * the range of F when g lies there. Deviations from the page, both because F may be singular:
 *   1. every 50 steps, and before success is believed, r is recomputed as g - F x: the recursive r goes
 *      on shrinking when the true residual no longer does;
 *   2. it stops when the least recomputed residual has not halved for max(5n, 200) steps, and returns the
 *      x that had it: run on, plain CG drifts into the null space. (The patience is in multiples of n
 *      because ||r||, unlike the error in the F-norm, may rise and stay up for some n steps when F is
 *      ill-conditioned.)
 *   3. where fewer than 50 steps are allowed, as in TRPO, the last x is returned: (x - x*)^T F (x - x*) falls with
 *      every step, while ||r|| may rise above ||g||.
 * Critical: p^T F p <= 0 must stop the loop; alpha would send x anywhere. */
#include "algorithms/cg.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "autodiff/linalg.h"
#include "autodiff/require.h"

enum { CHECK_EVERY = 50, PATIENCE = 200 };

const char *cg_outcome_name(enum cg_outcome outcome)
{
    static const char *const name[] = { "converged", "stagnated", "no curvature", "steps exhausted" };
    return name[outcome];
}

/* The recomputed residual of the best x so far, and the last step at which it had halved. */
struct best { double *x, residual, halved_residual; int halved_at; };

static void keep_best(struct best *best, int n, const double *x, double residual, int step)
{
    if (!(residual < best->residual)) return;
    memcpy(best->x, x, (size_t)n * sizeof *x);
    best->residual = residual;
    if (residual > 0.5 * best->halved_residual) return;
    best->halved_residual = residual;
    best->halved_at = step;
}

static double recompute(cg_product product, void *F, int n, const double *g, const double *x, double *r)
{
    product(F, n, x, r);                                        /* r = g - F x */
    for (int i = 0; i < n; i++) r[i] = g[i] - r[i];
    return linalg_norm2(n, r);
}

cg_result cg(cg_product product, void *F, int n, const double *g, double tol, int max_iterations, double *x)
{
    double norm_g = linalg_norm2(n, g);
    cg_result result = { CG_CONVERGED, 0, 0 };
    memset(x, 0, (size_t)n * sizeof *x);
    if (norm_g == 0) return result;

    double *work = allocate(4 * (size_t)n, sizeof *work, "conjugate gradients");
    double *r = work, *p = work + n, *Fp = work + 2 * n;        /* [n] each */
    struct best best = { work + 3 * n, norm_g, norm_g, 0 };
    memcpy(r, g, (size_t)n * sizeof *r);
    memcpy(p, g, (size_t)n * sizeof *p);
    double rr = norm_g * norm_g;
    result.outcome = CG_STEPS_EXHAUSTED;
    while (result.iterations < max_iterations) {
        product(F, n, p, Fp);
        result.iterations++;
        double pFp = linalg_dot(n, p, Fp);
        if (!(pFp > 0)) { result.outcome = CG_NO_CURVATURE; break; }
        double alpha = rr / pFp;
        for (int i = 0; i < n; i++) x[i] += alpha * p[i];
        for (int i = 0; i < n; i++) r[i] -= alpha * Fp[i];
        if (linalg_norm2(n, r) <= tol * norm_g || result.iterations % CHECK_EVERY == 0) {
            keep_best(&best, n, x, recompute(product, F, n, g, x, r), result.iterations);
            if (best.residual <= tol * norm_g) { result.outcome = CG_CONVERGED; break; }
            if (result.iterations - best.halved_at >= (5 * n > PATIENCE ? 5 * n : PATIENCE)) {
                result.outcome = CG_STAGNATED;
                break;
            }
        }
        double rr1 = linalg_dot(n, r, r), beta = rr1 / rr;
        for (int i = 0; i < n; i++) p[i] = r[i] + beta * p[i];
        rr = rr1;
    }
    if (result.outcome == CG_STEPS_EXHAUSTED && max_iterations < CHECK_EVERY) best.residual = INFINITY;
    keep_best(&best, n, x, recompute(product, F, n, g, x, r), result.iterations);
    memcpy(x, best.x, (size_t)n * sizeof *x);                   /* 0 where nothing was better */
    result.residual = best.residual / norm_g;
    free(work);
    return result;
}
