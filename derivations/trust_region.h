/* What a trust region allows on a finite MDP: the policy that gains most within it (gain and KL as in natural_step.h).
 * TRPO-8, TRPO-10; Schulman et al. (2015), arXiv:1502.05477, eq 11-12. */
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

#endif
