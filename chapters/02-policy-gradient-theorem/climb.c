/* J after k steps along the exact gradient, on E5 from theta(s,a) = cos(s + 2a), for three step sizes, as CSV. */
#include <math.h>
#include <stdio.h>

#include "autodiff/linalg.h"
#include "autodiff/require.h"
#include "derivations/exact.h"
#include "derivations/policy_gradient_theorem.h"

enum { n = 15, STEPS = 60, SIZES = 3 };

int main(void)
{
    static const double alpha[SIZES] = { 0.05, 0.5, 5 };
    char error[256];
    double J[SIZES][STEPS + 1], theta[n], g[n];
    linalg_start();
    mdp *M = mdp_builtin("E5");
    for (int j = 0; j < SIZES; j++) {
        for (int i = 0; i < n; i++) theta[i] = cos(i / 3 + 2 * (i % 3));
        /*[snip climb]*/
        for (int k = 0; k <= STEPS; k++) {
            exact *x = exact_new(M, M->gamma, theta, error, sizeof error);
            J[j][k] = x->J;
            gradient_theorem(x, g);
            for (int i = 0; i < n; i++) theta[i] += alpha[j] * g[i];
            exact_free(x);
        }
        /*[/snip]*/
    }
    printf("k,alpha 0.05,alpha 0.5,alpha 5\n");
    for (int k = 0; k <= STEPS; k += 2) printf("%d,%.6f,%.6f,%.6f\n", k, J[0][k], J[1][k], J[2][k]);
    mdp_free(M);
    finish(EXIT_HELD);
}
