/* Check your own estimator against the exact gradient of your own MDP: no sampling, so a bias of 1e-13 shows.
 *     make examples && build/chapters/examples/own_estimator
 * The MDP: from 0, `stay` pays 0.1; `go` pays 1 and reaches the end with probability 0.8. The estimator:
 * REINFORCE with a constant baseline b, over 3 steps. */
#include <math.h>
#include <stdio.h>

#include "autodiff/linalg.h"
#include "derivations/enumerate.h"

enum { STAY, GO, nS = 2, nA = 2, n = nS * nA, H = 3 };

typedef struct { double gamma, b, pi[n]; } own;

/* g = sum_t gamma^t (G_t - b) grad log pi(a_t|s_t), for a table of logits: grad log pi = e_a - pi(.|s) */
static void my_estimator(void *context, const traj *tau, double *g)
{
    const own *o = context;
    double G = 0;
    for (int i = 0; i < n; i++) g[i] = 0;
    for (int t = tau->T - 1; t >= 0; t--) {
        G = tau->r[t] + o->gamma * G;
        for (int a = 0, i = tau->s[t] * nA; a < nA; a++, i++)
            g[i] += pow(o->gamma, t) * (G - o->b) * ((a == tau->a[t]) - o->pi[i]);
    }
}

int main(void)
{
    linalg_start();
    mdp_builder *build = mdp_begin("mine", nS, nA, 0.9);
    mdp_start(build, 0, 1);
    mdp_transition(build, 0, STAY, 0, 1, 0.1);
    mdp_transition(build, 0, GO, 1, 0.8, 1);
    mdp_transition(build, 0, GO, 0, 0.2, 1);
    for (int a = 0; a < nA; a++) mdp_transition(build, 1, a, 1, 1, 0);      /* the end: absorbing, pays nothing */
    mdp *M = mdp_finish(build);

    double theta[n] = { 0.3, -0.2 }, mean[n], variance[n], exact_g[n];
    char error[256];
    policy_class *table = policy_tabular(M);
    finite_horizon *f = finite_new(M, M->gamma, table, theta, H, error, sizeof error);
    if (!f) return fprintf(stderr, "%s\n", error), 1;
    finite_gradient(f, exact_g);

    own o = { .gamma = M->gamma, .b = 0.5 };
    for (int i = 0; i < n; i++) o.pi[i] = f->x->pi[i];
    enumerate_moments(M, o.pi, H, my_estimator, &o, n, mean, variance);
    for (int a = 0; a < nA; a++)
        printf("theta(0,%d): mean %.15g  exact %.15g  bias %.1e  variance %.6g\n", a, mean[a], exact_g[a],
               mean[a] - exact_g[a], variance[a]);
    finite_free(f), policy_free(table), mdp_free(M);
    return fabs(mean[0] - exact_g[0]) <= 1e-13 && fabs(mean[1] - exact_g[1]) <= 1e-13 ? 0 : 1;
}
