/* What experiments have in common: whole training runs in memory, and the exact J of the policies that they leave.
 * Policies are linear on one-hot observations, without hidden layers: theta = W [nS x nA], b [nA]. */
#ifndef ASCENT_MEASURED_H
#define ASCENT_MEASURED_H

#include <math.h>

#include "algorithms/run.h"
#include "derivations/derivation.h"
#include "envs/env_mdp.h"

env  *measured_env(const char *id);               /* with its own time limit */
/* Takes over e. until: a mean return that ends it, or INFINITY */
run  *measured_run(env *e, void (*train)(run *, const void *), const void *config, uint64_t seed, long steps,
                     double until);
void  measured_free(run *r);                      /* with its environment */

void   measured_logits(const mdp *M, const double *theta, double *z);     /* z [nS x nA] = W + 1 b */
exact *measured_exact(const mdp *M, const double *theta);
double measured_J(const mdp *M, const double *theta);
double measured_J_optimal(const mdp *M);

double measured_median(int n, const double *x);

/* Of a derivation: how many numbers its lines have; u for numbers that are compared as they are */
int    measured_one(const setting *x);
int    measured_two(const setting *x);
double measured_unit(const setting *x);

#endif
