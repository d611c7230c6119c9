/* The trace of the covariance of one episode's estimate of the gradient, on X3 with pi = (.7, .3; .4, .6), gamma
 * .9, for episodes of 1 to 8 steps: exact, over all trajectories, as CSV. */
#include <math.h>
#include <stdio.h>

#include "autodiff/linalg.h"
#include "autodiff/require.h"
#include "derivations/estimate.h"

enum { n = 4, HORIZONS = 8, ESTIMATORS = 4 };

int main(void)
{
    static const char *const name[ESTIMATORS] = { "total-return", "reward-to-go", "baseline", "advantage" };
    const double theta[n] = { log(0.7), log(0.3), log(0.4), log(0.6) };
    char error[256];
    linalg_start();
    mdp *M = mdp_builtin("X3");
    policy_class *states = policy_tabular(M);
    printf("H,R,G,G - V,A\n");
    for (int H = 1; H <= HORIZONS; H++) {
        finite_horizon *f = finite_new(M, 0.9, states, theta, H, error, sizeof error);
        require(f, "%s", error);
        printf("%d", H);
        for (int e = 0; e < ESTIMATORS; e++) {
            double mean[n], variance[n], trace = 0;
            gradient_estimator_moments(f, name[e], mean, variance);
            for (int i = 0; i < n; i++) trace += variance[i];
            printf(",%.6f", trace);
        }
        printf("\n");
        finite_free(f);
    }
    policy_free(states);
    mdp_free(M);
    finish(EXIT_HELD);
}
