/* Comparing two policies on one MDP (both of exact.h, same MDP and gamma). */
#ifndef ASCENT_PERFORMANCE_DIFFERENCE_H
#define ASCENT_PERFORMANCE_DIFFERENCE_H

#include "derivations/exact.h"

/* PDI-6: sum_s rho_pi'(s) sum_a pi'(a|s) A_pi(s,a). Equals J(pi') - J(pi) up to units of J. */
double performance_difference_sum(const exact *pi, const exact *pi1);

/* One unit of J on either policy: u N k M with the larger k and M. */
double pair_unit(const exact *pi, const exact *pi1);

/* E_{tau ~ pi}[ sum_t gamma^t f(s_t) ] = mu0^T sum_t (gamma P_pi)^t f; f [nS], 0 in absorbing states; at most
 * EXACT_MAX_TIME_SUM states */
double mean_over_time(const exact *pi, const double *f);

typedef struct {
    double J;               /* J(pi') */
    double lhs, rhs;        /* J(pi') - J(pi), and PDI-6 */
    double tv_max;          /* max over decision states of 1/2 sum_a |pi - pi'| */
    double kl_max, kl_mean; /* KL(pi || pi') over decision states: maximum, and mean weighted by rho_pi;
                             * NaN for the mean when no decision state is visited */
    double surrogate;       /* L_pi(pi') = J(pi) + sum_s rho_pi(s) sum_a pi'(a|s) A_pi(s,a) */
    double lower_bound;     /* L - 4 eps gamma / (1-gamma)^2 kl_max, eps = max |A_pi|; NaN at gamma = 1 */
} policy_comparison;
policy_comparison compare_policies(const exact *pi, const exact *pi1);

#endif
