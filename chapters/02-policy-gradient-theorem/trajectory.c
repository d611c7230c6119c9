/* One trajectory of E5 under theta(s,a) = cos(s + 2a): its probability factor by factor, and the derivatives of
 * the factors' logarithms in theta(1,2). */
#include <math.h>
#include <stdio.h>

#include "autodiff/linalg.h"
#include "autodiff/require.h"
#include "derivations/exact.h"

enum { nS = 5, nA = 3, T = 3 };

static double P(const mdp *M, int s, int a, int s1)
{
    for (int k = M->row[s * nA + a]; k < M->row[s * nA + a + 1]; k++)
        if (M->next[k] == s1) return M->P[k];
    return 0;
}

int main(void)
{
    const int s[T + 1] = { 3, 1, 1, 4 }, a[T] = { 0, 2, 0 };
    char error[256];
    double theta[nS * nA];
    linalg_start();
    for (int i = 0; i < nS * nA; i++) theta[i] = cos(i / nA + 2 * (i % nA));
    mdp *M = mdp_builtin("E5");
    exact *x = exact_new(M, M->gamma, theta, error, sizeof error);
    double p = M->mu0[s[0]], score = 0;
    printf("rho_0(%d)    %.6f     0\n", s[0], p);
    for (int t = 0; t < T; t++) {
        double pi = x->pi[s[t] * nA + a[t]], d = s[t] == 1 ? (a[t] == 2) - x->pi[1 * nA + 2] : 0;
        double next = P(M, s[t], a[t], s[t + 1]);
        printf("pi(%d|%d)     %.6f  %9.6f\n", a[t], s[t], pi, d);
        printf("P(%d|%d,%d)    %.6f     0\n", s[t + 1], s[t], a[t], next);
        p *= pi * next;
        score += d;
    }
    printf("together    %.4e %9.6f\n", p, score);
    exact_free(x);
    mdp_free(M);
    finish(EXIT_HELD);
}
