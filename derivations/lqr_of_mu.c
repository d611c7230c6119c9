/* Q of a network on a regulator: see lqr_of_mu.h. */
#include "derivations/lqr_of_mu.h"

#include <gsl/gsl_randist.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "autodiff/linalg.h"
#include "autodiff/require.h"

#define LEFT_OUT 1e-8

/* x_{t+1} [n] = A x + B u + root w, w ~ N(0, I); without noise nothing is drawn */
static void next(const lqr_system *L, const double *root, const double *u, gsl_rng *rng, double *x)
{
    double Bu[LQR_MAX], w[LQR_MAX], noise[LQR_MAX] = { 0 }, x1[LQR_MAX];
    if (root) {
        for (int i = 0; i < L->n; i++) w[i] = gsl_ran_gaussian_ziggurat(rng, 1);
        linalg_matvec(L->n, L->n, root, w, noise);
    }
    linalg_matvec(L->n, L->n, L->A, x, x1);
    linalg_matvec(L->n, L->m, L->B, u, Bu);
    for (int i = 0; i < L->n; i++) x[i] = x1[i] + Bu[i] + noise[i];
}

/* l(x) = (u + K* x)^T H (u + K* x) */
static double lost(const lqr_exact *best, const double *H, const double *x, const double *u)
{
    double off[LQR_MAX], H_off[LQR_MAX];
    lqr_mu(best, x, off);
    for (int i = 0; i < best->m; i++) off[i] = u[i] - off[i];
    linalg_matvec(best->m, best->m, H, off, H_off);
    return linalg_dot(best->m, off, H_off);
}

/*[snip lqr-of-mu later]*/
void lqr_Q_of_mu(const lqr_exact *best, const policy *p, const double *theta, int N, const double *x,
                 const double *u, gsl_rng *rng, double *Q)
{
    const lqr_system *L = best->L;
    int n = L->n, m = L->m;
    require(p->deterministic && p->d == n && p->k == m && L->gamma < 1, "%d to %d, gamma %g", p->d, p->k, L->gamma);
    double H[LQR_MAX * LQR_MAX], *root = allocate((size_t)(n * n), sizeof *root, "a root of W");
    double *xt = allocate((size_t)(N * n), sizeof *xt, "states");
    double *ut = allocate((size_t)(N * m), sizeof *ut, "actions");
    bool noisy = linalg_max_abs(n * n, L->W) > 0;
    ad_tape *t = ad_tape_new();
    lqr_curvature(best, H);
    lqr_root(n, L->W, root);
    memcpy(xt, x, (size_t)(N * n) * sizeof *xt);
    memcpy(ut, u, (size_t)(N * m) * sizeof *ut);
    for (int i = 0; i < N; i++) Q[i] = lqr_Q(best, x + i * n, u + i * m);
    for (double discount = L->gamma; discount > LEFT_OUT; discount *= L->gamma) {
        for (int i = 0; i < N; i++) next(L, noisy ? root : NULL, ut + i * m, rng, xt + i * n);
        ad_mark start = ad_here(t);
        memcpy(ut, ad_value(policy_action(t, p, ad_input(t, theta, p->n, 1), ad_input(t, xt, N, n))),
               (size_t)(N * m) * sizeof *ut);
        ad_reset(t, start);
        for (int i = 0; i < N; i++) Q[i] -= discount * lost(best, H, xt + i * n, ut + i * m);
    }
    for (int i = 0; i < N; i++) if (!isfinite(Q[i])) Q[i] = -INFINITY;
    ad_tape_free(t);
    free(ut);
    free(xt);
    free(root);
}
/*[/snip]*/
