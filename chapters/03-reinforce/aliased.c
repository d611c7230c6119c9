/* The aliased chain, whose states share one probability p: p and J along the mean updates of REINFORCE, with
 * and without gamma^t, as CSV. */
#include <math.h>
#include <stdio.h>

#include "autodiff/linalg.h"
#include "autodiff/require.h"
#include "derivations/exact.h"
#include "derivations/missing_gamma.h"

enum { nS = 4, nA = 2, STEPS = 100, EVERY = 5 };

static double J_at(const mdp *M, double gamma, double p)
{
    double theta[nS * nA];
    for (int i = 0; i < nS * nA; i++) theta[i] = log(i % nA == 0 ? p : 1 - p);
    return exact_J(M, gamma, theta);
}

int main(void)
{
    const double alpha = 2;
    double z[2] = { 0 }, p[2], J[2], unused;
    linalg_start();
    mdp *M = mdp_builtin("aliased-chain");
    printf("k,p with gamma^t,p without,J with gamma^t,J without,J_1 with gamma^t,J_1 without\n");
    for (int k = 0; k <= STEPS; k++) {
        double update[2];
        for (int i = 0; i < 2; i++) {
            p[i] = 1 / (1 + exp(-z[i]));
            J[i] = J_at(M, M->gamma, p[i]);
        }
        if (k % EVERY == 0)
            printf("%d,%.6f,%.6f,%.6f,%.6f,%.6f,%.6f\n", k, p[0], p[1], J[0], J[1], J_at(M, 1, p[0]),
                   J_at(M, 1, p[1]));
        /*[snip aliased-steps]*/
        missing_gamma_aliased(p[0], &update[0], &unused, &unused);      /* E[sum_t gamma^t G_t d log pi / dp] */
        missing_gamma_aliased(p[1], &unused, &update[1], &unused);      /* E[sum_t G_t d log pi / dp] */
        for (int i = 0; i < 2; i++) z[i] += alpha * p[i] * (1 - p[i]) * update[i];  /* dp/dz = p (1 - p) */
        /*[/snip]*/
    }
    mdp_free(M);
    finish(EXIT_HELD);
}
