/* The exercises of chapter 3. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "autodiff/require.h"
#include "chapters/exercise.h"
#include "derivations/estimate.h"
#include "derivations/missing_gamma.h"

enum { WHY = 200, MOST_STATES = 100, nA = 2 };

/* ---- 3.1: one p, the probability of action 0, for all states ---- */

/* The policy with logit z of action 0 and 0 of action 1 in every state; NULL and why where it cannot be solved */
static exact *alike(const mdp *M, double gamma, double z, char *why)
{
    double logits[MOST_STATES * nA];
    for (int i = 0; i < M->nS * nA; i++) logits[i] = i % nA == 0 ? z : 0;
    return exact_new(M, gamma, logits, why, WHY);
}

/* Follows the mean of sum_t G_t d log pi / dz from p = 1/2 to where it is 0 or p is .001 or .999. J [2],
 * discounted and not: there, and the least and the greatest for p from .001 to .999. false and why when episodes need not
 * end. */
enum { SIDE = 140 };
static bool follow(const mdp *M, double *z_end, double J[2], double least[2], double most[2], char *why)
{
    double update[2 * SIDE + 1], g[MOST_STATES * nA];
    for (int k = 0; k <= 2 * SIDE; k++) {
        exact *x[2] = { alike(M, M->gamma, (k - SIDE) * 0.05, why), alike(M, 1, (k - SIDE) * 0.05, why) };
        if (!x[0] || !x[1]) return exact_free(x[0]), exact_free(x[1]), false;
        require(missing_gamma_field(x[0], g), "it could be solved at gamma = 1");
        update[k] = 0;
        for (int s = 0; s < M->nS; s++) update[k] += g[s * nA];
        for (int i = 0; i < 2; i++) {
            least[i] = k == 0 ? x[i]->J : fmin(least[i], x[i]->J);
            most[i] = k == 0 ? x[i]->J : fmax(most[i], x[i]->J);
            exact_free(x[i]);
        }
    }
    int k = SIDE, way = (update[k] > 0) - (update[k] < 0);
    while (k > 0 && k < 2 * SIDE && way * update[k] > 0) k += way;
    *z_end = (k - SIDE) * 0.05;
    for (int i = 0; i < 2; i++) {
        exact *x = alike(M, i == 0 ? M->gamma : 1, *z_end, why);
        J[i] = x->J;
        exact_free(x);
    }
    return true;
}

static bool ends_worst(const char *path, char *why)
{
    double z, J[2], least[2], most[2];
    char error[256];
    mdp *M = mdp_read(path, error, sizeof error);
    if (!M) bad_input("%s", error);
    bool right = M->nA == nA && M->nS <= MOST_STATES && M->gamma >= 0.9 && M->gamma < 1;
    if (!right) snprintf(why, WHY, "expected 2 actions, at most %d states and .9 <= gamma < 1", MOST_STATES);
    else if ((right = follow(M, &z, J, least, most, why))) {
        for (int i = 0; i < 2; i++)
            right = right && most[i] - least[i] > 1e-3 * fmax(fabs(most[i]), fabs(least[i])) &&
                    J[i] <= least[i] + 1e-6 * (most[i] - least[i]);
        snprintf(why, WHY,
                 "the update ends at p = %.3f, J_gamma = %.4f of %.4f to %.4f, J_1 = %.4f of %.4f to %.4f",
                 1 / (1 + exp(-z)), J[0], least[0], most[0], J[1], least[1], most[1]);
    }
    mdp_free(M);
    return right;
}

/* ---- 3.2 ---- */

/* X3 over 4 steps: the mean of 004's update in theta(0,0) and theta(1,0), and the trace of its covariance */
static void printed_index(double *right)
{
    const double theta[4] = { log(0.7), log(0.3), log(0.4), log(0.6) };
    double mean[4], variance[4];
    char error[256];
    mdp *M = mdp_builtin("X3");
    policy_class *states = policy_tabular(M);
    finite_horizon *f = finite_new(M, 0.9, states, theta, 4, error, sizeof error);
    require(f, "%s", error);
    gradient_estimator_moments(f, "extra-return-index", mean, variance);
    right[0] = mean[0];
    right[1] = mean[2];
    right[2] = variance[0] + variance[1] + variance[2] + variance[3];
    finite_free(f);
    policy_free(states);
    mdp_free(M);
}

/* ---- 3.3 ---- */

/* E[D/N] - p: N steps in D episodes, Pr(N = k) = C(k-1, D-1) p^D (1-p)^{k-D} */
static double mean_over_steps(int D, double p)
{
    double Pr = pow(p, D), sum = 0;
    for (int k = D; k < 2000; k++) {
        sum += Pr * D / k;
        Pr *= (1 - p) * k / (k - D + 1);
    }
    return sum - p;
}

static void short_episodes(double *right)
{
    right[0] = mean_over_steps(1, 0.2);
    right[1] = mean_over_steps(2, 0.2);
}

const exercise exercises_03[] = {
    { "3.1", "a file: an MDP, .9 <= gamma < 1, all states alike: the update without gamma^t ends at the worst p",
      0, 0, NULL, ends_worst },
    { "3.2", "X3, 4 steps, the G_t of 004 l.241: mean update in theta(0,0), theta(1,0), trace of its covariance",
      3, 1e-8, printed_index },
    { "3.3", "one state, ending has p = .2 and pays 1: the mean over steps, of one episode, of two", 2, 1e-8,
      short_episodes },
    { .id = NULL }
};
