/* Lower bounds on J(pi') by what is known of pi: 001 (l.297-321), 002 (images TRPO9-12), Schulman et al. (2015) */
#ifndef ASCENT_IMPROVEMENT_BOUND_H
#define ASCENT_IMPROVEMENT_BOUND_H

#include "derivations/derivation.h"

/* Two policies, of the same MDP and gamma < 1. Each penalty P bounds |J(pi') - L_pi(pi')|, so J(pi') >= L - P. */
typedef struct {
    double J, J1;           /* J(pi), J(pi') */
    double L;               /* the surrogate, J(pi) + sum_s rho_pi(s) sum_a pi'(a|s) A_pi(s,a) */
    double dJ, dL;          /* J1 - J and L - J, from the differences pi' - pi: right even where they are tiny */
    double alpha, kl;       /* max over decision states of D_TV(pi, pi') and of D_KL(pi || pi') */
    double eps, C;          /* max |A_pi(s,a)|, max |sum_a pi'(a|s) A_pi(s,a)| <= 2 alpha eps */
    double shift;           /* DSB-10  2 alpha gamma C / (1-gamma)^2 */
    double linear;          /* 001 l.299, its C read as eps: the same with eps for C, linear in alpha */
    double tv;              /* TRPO-3  4 eps gamma alpha^2 / (1-gamma)^2 */
    double trpo;            /* TRPO-4  4 eps gamma kl / (1-gamma)^2 */
} improvement_bounds;
improvement_bounds improvement_bounds_of(const exact *pi, const exact *pi1);

/* sum_a pi'(a|s) A_pi(s,a) = sum_a (pi' - pi)(a|s) A_pi(s,a) */
double improvement_A_bar(const exact *pi, const exact *pi1, int s);

/* The policy with logits + t d, d [nSA]; d NULL: A_pi, the natural gradient of a table. gamma < 1 */
exact             *improvement_step_along(const exact *pi, const double *d, double t);
improvement_bounds improvement_bounds_along(const exact *pi, const double *d, double t);

/* One unit of error of dJ and dL, and what L - penalty may be off beyond the units of J */
double improvement_unit(const exact *pi, const exact *pi1, const improvement_bounds *b);
double improvement_room(const exact *pi, const exact *pi1, const improvement_bounds *b, double penalty);

/* For lines about J(pi'): their unit, and why there may be no bound */
double      improvement_unit_J(const setting *x);
const char *improvement_no_bound(const setting *x);

#endif
