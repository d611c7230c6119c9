/* Garnet: random MDPs with few successors (Archibald, McKinnon & Thomas 1995, On the generation of Markov
 * decision processes; as in Bhatnagar, Sutton, Ghavamzadeh & Lee 2009, Natural actor-critic algorithms,
 * without their noise on rewards and their drift). */
#include <stdlib.h>

#include <gsl/gsl_randist.h>

#include "autodiff/random.h"
#include "autodiff/require.h"
#include "envs/mdp_named.h"

static int ascending(const void *x, const void *y)
{
    double a = *(const double *)x, b = *(const double *)y;
    return (a > b) - (a < b);
}

/* 0 = cut[0] <= ... <= cut[b] = 1: b - 1 uniform points between. All are multiples of 2^-53, so that the
 * spacings are exact, and sum to 1 exactly in any order. */
static void cut_points(gsl_rng *rng, int b, double *cut)
{
    cut[0] = 0;
    cut[b] = 1;
    for (int i = 1; i < b; i++) cut[i] = gsl_rng_uniform(rng);
    qsort(cut + 1, (size_t)b - 1, sizeof *cut, ascending);
}

mdp *mdp_garnet(const char *name, int nS, int nA, int b, uint64_t seed)
{
    require(nS >= 1 && nA >= 1 && b >= 1 && b <= nS, "Garnet of %d states, %d actions, %d successors", nS, nA, b);
    gsl_rng *rng = random_stream(seed, 0, RANDOM_MDP);
    double *cut = allocate((size_t)b + 1, sizeof *cut, "cut points");
    int *state = allocate((size_t)nS, sizeof *state, "a permutation of the states");
    for (int s = 0; s < nS; s++) state[s] = s;
    mdp_builder *m = mdp_begin(name, nS, nA, 0.9);
    for (int s = 0; s < nS; s++) {
        mdp_start(m, s, 1.0 / nS);
        for (int a = 0; a < nA; a++) {
            double r = gsl_ran_gaussian(rng, 1);
            cut_points(rng, b, cut);
            for (int i = 0; i < b; i++) {       /* the first b of a random permutation (Fisher and Yates) */
                int j = i + (int)gsl_rng_uniform_int(rng, (unsigned long)(nS - i)), next = state[j];
                state[j] = state[i];
                state[i] = next;
                mdp_transition(m, s, a, next, cut[i + 1] - cut[i], r);
            }
        }
    }
    free(state);
    free(cut);
    gsl_rng_free(rng);
    return mdp_finish(m);
}

/* x: S, A, b, seed */
mdp *mdp_garnet_named(const char *name, const double *x)
{
    bool fit = x[2] <= x[0] && x[0] * x[1] * x[2] <= MDP_GARNET_MAX;
    return fit ? mdp_garnet(name, (int)x[0], (int)x[1], (int)x[2], (uint64_t)x[3]) : NULL;
}
