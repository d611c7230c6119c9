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

/* What n >= 6 runs know of their median: the sign test's interval, from the k-th least number to the k-th greatest
 * with the greatest k for which it misses the median less often than once in 20 times. Of 7 runs k = 1 (once in
 * 64), of 11 k = 2 (once in 85), of 31 k = 10 (once in 34). */
typedef struct { double low, median, high; } interval;
interval measured_interval(int n, const double *x);

/* The middle 95 % of f over 1000 samples of the runs, drawn with replacement: the percentile bootstrap; and f of the
 * runs themselves. x [groups x n]: the runs of each setting, drawn among themselves. */
typedef double (*statistic)(int n, const double *x);
interval measured_bootstrap(int groups, int n, const double *x, statistic f, uint64_t seed);

#endif
