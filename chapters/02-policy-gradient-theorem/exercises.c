/* The exercises of chapter 2. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "autodiff/linalg.h"
#include "autodiff/require.h"
#include "chapters/exercise.h"
#include "derivations/exact.h"
#include "derivations/policy_gradient_theorem.h"
#include "derivations/visitation.h"

enum { WHY = 200, MOST_STATES = 20 };

static exact *solved(const mdp *M, double gamma, const double *logits)
{
    char error[256];
    exact *x = exact_new(M, gamma, logits, error, sizeof error);
    if (!x) bad_input("%s", error);
    return x;
}

static void gradient_of_X3(double *right)
{
    const double theta[4] = { log(0.7), log(0.3), log(0.4), log(0.6) };
    mdp *M = mdp_builtin("X3");
    exact *x = solved(M, 0.9, theta);
    require(gradient_autodiff(x, right), "a small problem");
    exact_free(x);
    mdp_free(M);
}

/* (1) sum_s d(s) V(s), d stationary, at logits z */
static double objective_1(const mdp *M, const double *z)
{
    double d[MOST_STATES];
    exact *x = solved(M, M->gamma, z);
    const char *reason = visitation_stationary(x, d, NULL);
    if (reason) bad_input("%s: %s", M->name, reason);
    double J = linalg_dot(M->nS, d, x->V);
    exact_free(x);
    return J;
}

/* The cosine between the gradient of (1), by differences, and formula (4), at the uniform policy */
static double cosine(const mdp *M)
{
    int n = M->nS * M->nA;
    double d[MOST_STATES], h = 0x1p-8;
    double *z = allocate(3 * (size_t)n, sizeof *z, "gradients"), *g1 = z + n, *g4 = z + 2 * n;
    exact *x = solved(M, M->gamma, z);
    for (int i = 0; i < n; i++) {
        double J[4];
        for (int k = 0; k < 4; k++) {
            z[i] = (k < 2 ? h : h / 2) * (k % 2 ? -1 : 1);
            J[k] = objective_1(M, z);
        }
        z[i] = 0;
        g1[i] = (4 * (J[2] - J[3]) / h - (J[0] - J[1]) / (2 * h)) / 3;
    }
    visitation_stationary(x, d, NULL);
    gradient_sum(x, d, x->Q, g4);
    double c = linalg_dot(n, g1, g4) / (linalg_norm2(n, g1) * linalg_norm2(n, g4));
    exact_free(x);
    free(z);
    return c;
}

static bool wrong_sign(const char *path, char *why)
{
    char error[256];
    mdp *M = mdp_read(path, error, sizeof error);
    if (!M) bad_input("%s", error);
    bool fits = M->nS <= MOST_STATES && M->gamma >= 0.5 && M->gamma < 1;
    double c = fits ? cosine(M) : NAN;
    if (fits) snprintf(why, WHY, "between formula (4) and the gradient of (1) the cosine is %.6f", c);
    else      snprintf(why, WHY, "expected at most %d states and .5 <= gamma < 1", MOST_STATES);
    mdp_free(M);
    return c < -1e-3;
}

/* At gamma = 1 grad J = sum_s rho(s) ... = E[T] E_d[...], d = rho / E[T] */
static void proportionality(double *right)
{
    double theta[18] = { 0 };
    for (int i = 0; i < 15; i++) theta[i] = cos(i / 3 + 2 * (i % 3));
    mdp *M = mdp_builtin("E5x");
    exact *x = solved(M, 1, theta);
    *right = 0;
    for (int s = 0; s < M->nS; s++) *right += exact_rho(x, s);
    exact_free(x);
    mdp_free(M);
}

const exercise exercises_02[] = {
    { "2.1", "X3, gamma = .9, pi(0|0) = .7, pi(0|1) = .4: dJ/dtheta(0,0), (0,1), (1,0), (1,1)", 4, 1e-8,
      gradient_of_X3 },
    { "2.2", "a file: an MDP, .5 <= gamma < 1: formula (4), uniform policy, points against the gradient of (1)", 0,
      0, NULL, wrong_sign },
    { "2.3", "E5x, gamma = 1, theta = cos(s+2a): the factor between grad J and E_d[Q grad log pi]", 1, 1e-6,
      proportionality },
    { .id = NULL }
};
