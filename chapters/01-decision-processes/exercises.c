/* The exercises of chapter 1. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "autodiff/linalg.h"
#include "autodiff/require.h"
#include "chapters/exercise.h"
#include "derivations/exact.h"
#include "derivations/visitation.h"

enum { nS = 5, nA = 3, WHY = 200 };

static exact *solved(const mdp *M, double gamma, const double *logits)
{
    char error[256];
    exact *x = exact_new(M, gamma, logits, error, sizeof error);
    if (!x) bad_input("%s", error);
    return x;
}

static void action_values(double *right)
{
    const double uniform[nS * nA] = { 0 };
    mdp *M = mdp_builtin("E5");
    exact *x = solved(M, 0.95, uniform);
    memcpy(right, x->Q + 2 * nA, nA * sizeof *right);
    exact_free(x);
    mdp_free(M);
}

/* Under the uniform policy at gamma = .9, some rho(s) > 5 with mu0(s) = 0 and s not absorbing */
static bool crowded_state(const char *path, char *why)
{
    char error[256];
    mdp *M = mdp_read(path, error, sizeof error);
    if (!M) bad_input("%s", error);
    double *uniform = allocate((size_t)M->nS * (size_t)M->nA, sizeof *uniform, "logits"), most = 0;
    exact *x = solved(M, 0.9, uniform);
    for (int s = 0; s < M->nS; s++)
        if (!x->absorbing[s] && M->mu0[s] == 0) most = fmax(most, x->rho[s]);
    snprintf(why, WHY, "the largest rho(s) of a state that is neither a start nor absorbing is %.6g", most);
    exact_free(x);
    free(uniform);
    mdp_free(M);
    return most > 5;
}

/* v that minimises E_{s~d, a~pi, s'}[(r + gamma v(s') - v(s))^2], d stationary, on E5 with theta = cos(s + 2a):
 * with x = e_s - gamma e_s' the normal equations are E[x x^T] v = E[x r]. */
static void residual_minimiser(double *right)
{
    double theta[nS * nA], d[nS], B[nS * nS] = { 0 }, b[nS] = { 0 };
    for (int i = 0; i < nS * nA; i++) theta[i] = cos(i / nA + 2 * (i % nA));
    mdp *M = mdp_builtin("E5");
    exact *x = solved(M, M->gamma, theta);
    visitation_stationary(x, d, NULL);
    for (int i = 0; i < nS * nA; i++)
        for (int k = M->row[i]; k < M->row[i + 1]; k++) {
            double w = d[i / nA] * x->pi[i] * M->P[k], e[nS] = { 0 };
            e[i / nA] += 1;
            e[M->next[k]] -= M->gamma;
            for (int p = 0; p < nS; p++) {
                b[p] += w * e[p] * M->R[k];
                for (int q = 0; q < nS; q++) B[p * nS + q] += w * e[p] * e[q];
            }
        }
    linalg_lu *lu = linalg_lu_new(nS);
    require(linalg_lu_factor(lu, B) == LINALG_OK, "regular normal equations");
    linalg_lu_solve(lu, false, 1, b, right);
    linalg_lu_free(lu);
    exact_free(x);
    mdp_free(M);
}

const exercise exercises_01[] = {
    { "1.1", "Q(2,0), Q(2,1), Q(2,2) of E5 under the uniform policy at gamma = .95", 3, 1e-10, action_values },
    { "1.2", "a file: an MDP with rho(s) > 5 at gamma = .9, uniform policy, s neither a start nor absorbing", 0, 0,
      NULL, crowded_state },
    { "1.3", "E5, theta = cos(s+2a): the v that minimises the mean squared TD error, v(0) ... v(4)", nS, 1e-8,
      residual_minimiser },
    { .id = NULL }
};
