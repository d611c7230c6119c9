/* The compatible critic: see compatible.h. */
#include "algorithms/compatible.h"

#include <float.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "autodiff/linalg.h"
#include "autodiff/require.h"

/* QAC-3   phi_t = grad_theta log pi_theta(a_t|s_t) */
void compatible_features(ad_tape *t, const policy *p, const double *theta, const rollout *b, double *phi)
{
    size_t n = (size_t)p->n, d = (size_t)b->d, k = (size_t)b->k;
    for (int i = 0; i < b->T; i++) {
        ad_mark start = ad_here(t);
        ad x    = ad_input(t, theta, p->n, 1);
        ad s    = ad_input(t, b->s + (size_t)i * d, 1, b->d);
        ad logp = policy_logp(t, p, x, s, b->a + (size_t)i * k, b->index ? b->index + i : NULL);
        memcpy(phi + (size_t)i * n, ad_value(ad_grad(ad_sum(logp), x)), n * sizeof *phi);
        ad_reset(t, start);
    }
}

/*[snip compatible later]*/
/* QAC-3   Q_w(s,a) = w^T grad_theta log pi_theta(a|s) */
void compatible_Q(int T, int n, const double *phi, const double *w, double *Q)
{
    /* BEGIN SOLUTION QAC-3 */
    linalg_matvec(T, n, phi, w, Q);
    /* END SOLUTION */
}

/* QAC-3   w = F^+ b,   F = sum_t d_t phi_t phi_t^T,   b = sum_t d_t A_t phi_t: where the mean square is least */
void compatible_fit(int T, int n, const double *phi, const double *d, const double *A, double *w)
{
    /* BEGIN SOLUTION QAC-3 */
    size_t N = (size_t)n, steps = (size_t)T;
    double *F = allocate(2 * N * N + 2 * N + steps * N, sizeof *F, "a compatible critic");
    double *Ut = F + N * N, *lambda = Ut + N * N, *b = lambda + N, *d_phi = b + N;
    for (size_t i = 0; i < steps * N; i++) d_phi[i] = d[i / N] * phi[i];
    linalg_matmul(true, false, n, n, T, d_phi, phi, F);
    linalg_matmul(true, false, n, 1, T, d_phi, A, b);
    linalg_eigen_symmetric(n, F, lambda, Ut);
    memset(w, 0, N * sizeof *w);
    for (size_t i = 0; i < N; i++) {
        const double *u = Ut + i * N;
        if (!(lambda[i] > 10 * n * DBL_EPSILON * lambda[n - 1])) continue;
        double along = linalg_dot(n, u, b) / lambda[i];
        for (size_t j = 0; j < N; j++) w[j] += along * u[j];
    }
    free(F);
    /* END SOLUTION */
}
/*[/snip]*/
