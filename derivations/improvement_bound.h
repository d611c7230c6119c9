/* Lower bounds on J(pi') by what is known of pi: 001 (l.297-321), 002 (images TRPO9-12), Schulman et al. (2015) */
#ifndef ASCENT_IMPROVEMENT_BOUND_H
#define ASCENT_IMPROVEMENT_BOUND_H

#include "derivations/exact.h"

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

/* DSB-12   max_p sum_a p(a) A(a) over distributions p [n] with D_TV(p, pi) <= eps; p receives one of them */
double improvement_step(int n, const double *pi, const double *A, double eps, double *p);
double improvement_step_dual(int n, const double *pi, const double *A, double eps);     /* the same by its dual */

#endif
