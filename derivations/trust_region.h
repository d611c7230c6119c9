/* What a trust region allows on a finite MDP: the policy that gains most within it (gain and KL as in
 * natural_step.h). TRPO-8, TRPO-10; Schulman et al. (2015), arXiv:1502.05477, eq 11-12. */
#ifndef ASCENT_TRUST_REGION_H
#define ASCENT_TRUST_REGION_H

#include "derivations/exact.h"

/* The optimum over all policies, p [nS x nA], whatever the class of pi; every pi(a|s) > 0. Exact up to rounding. */
typedef struct {
    double gain;
    double eta;             /* the multiplier: what a little more KL is worth, d gain / d delta */
} region_optimum;
region_optimum trust_region_mean(const exact *pi, double delta, double *p);     /* E_s[KL_s] <= delta */
region_optimum trust_region_max(const exact *pi, double delta, double *p);      /* KL_s <= delta in each s */

/* The least value of the dual over the states first <= s < end, weighted by w [nS]: no policy of the region
 * gains more. Minimised by looking, without a derivative; up to REGION_DUAL_MAX pairs (s,a): minima within a
 * minimum take time. */
enum { REGION_DUAL_MAX = 256 };
double region_dual(const exact *pi, const double *w, int first, int end, double delta);

double *region_weights(const exact *pi);                        /* d / sum d [nS], to be freed */
double  region_gain(const exact *pi, const double *p);          /* E_s[ sum_a p(a|s) A(s,a) ] */
double  region_best(const exact *pi, int s);                    /* max_a A(s,a) */
/* max_s (max_a A - min_a A) over the states first <= s < end where w(s) > 0 */
double  region_spread(const exact *pi, const double *w, int first, int end);
/* min f over [low, high] by golden sections; f falls, then rises */
typedef double (*region_function)(double x, void *context);
double  region_least(region_function f, void *context, double low, double high);

#endif
