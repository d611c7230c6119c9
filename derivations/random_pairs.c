/* See random_pairs.h. */
#include "derivations/random_pairs.h"

#include <gsl/gsl_randist.h>
#include <math.h>
#include <stdlib.h>

#include "autodiff/random.h"
#include "autodiff/require.h"

random_pair random_pair_new(uint64_t seed, uint32_t i)
{
    char error[256];
    gsl_rng *rng = random_stream(seed, i, RANDOM_MDP);
    int nS = 2 + (int)gsl_rng_uniform_int(rng, 8), nA = 2 + (int)gsl_rng_uniform_int(rng, 4);
    int next = 1 + (int)gsl_rng_uniform_int(rng, (unsigned long)nS);
    double gamma = 0.5 + 0.49 * gsl_rng_uniform(rng), distance = pow(10, 4 * gsl_rng_uniform(rng) - 3);
    random_pair r = { mdp_garnet("random", nS, nA, next, seed + i), NULL, NULL };
    double *logits = allocate(2 * (size_t)(nS * nA), sizeof *logits, "logits"), *logits1 = logits + nS * nA;
    for (int k = 0; k < nS * nA; k++) {
        logits[k] = gsl_ran_gaussian(rng, 1);
        logits1[k] = logits[k] + distance * gsl_ran_gaussian(rng, 1);
    }
    r.pi = exact_new(r.M, gamma, logits, error, sizeof error);
    r.pi1 = exact_new(r.M, gamma, logits1, error, sizeof error);
    require(r.pi && r.pi1, "%s", error);
    free(logits);
    gsl_rng_free(rng);
    return r;
}

void random_pair_free(random_pair *r)
{
    exact_free(r->pi);
    exact_free(r->pi1);
    mdp_free(r->M);
}
