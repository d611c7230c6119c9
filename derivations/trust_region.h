/* What a trust region allows on a finite MDP: the policy that gains most within it, and how far a step in theta may go.
 * Gains are those of the surrogate, E_{s~d}[ sum_a pi'(a|s) A_pi(s,a) ], with d the weights of the Fisher matrix, which
 * sum to 1; regions are of the KL of pi to pi', KL_s = KL(pi(.|s) || pi'(.|s)), in the mean over d or in the maximum over
 * the decision states. TRPO-8, TRPO-10; Schulman et al. (2015), arXiv:1502.05477, eq 11-12. */
#ifndef ASCENT_TRUST_REGION_H
#define ASCENT_TRUST_REGION_H

#include "derivations/derivation.h"

/* The optimum over all policies, p [nS x nA], whatever the class of pi; every pi(a|s) > 0. Exact up to rounding. */
typedef struct {
    double gain;
    double eta;             /* the multiplier: what a little more KL is worth, d gain / d delta */
} region_optimum;
region_optimum trust_region_mean(const exact *pi, double delta, double *p);     /* sum_s d(s) KL_s <= delta */
region_optimum trust_region_max(const exact *pi, double delta, double *p);      /* KL_s <= delta in each s */

/* theta' = theta + t v, v [n]: what it gains, and its KL in the mean and in the maximum over states */
typedef struct { double gain, kl, kl_max, kl_reversed; } region_step;
region_step step_along(const exact *pi, const double *v, double t);
/* The first t > 0 at which the KL (its maximum) is delta; INFINITY if it stays below */
double      step_length(const exact *pi, const double *v, bool greatest, double delta);

/* TRPO-23   v [n] = sqrt(2 delta / g^T F^+ g) F^+ g */
void        natural_step(const setting *x, double delta, double *v);

#endif
