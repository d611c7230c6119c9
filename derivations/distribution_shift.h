/* How far the states that pi' visits are from those of pi when the two policies are close: 001 (l.189-288). Here
 * |.| is the L1 norm, sum_s |p'(s) - p(s)|, of state distributions, and eps = max_s D_TV(pi'(.|s), pi(.|s))
 * (ERR-6). */
#ifndef ASCENT_DISTRIBUTION_SHIFT_H
#define ASCENT_DISTRIBUTION_SHIFT_H

#include "derivations/exact.h"

/* p1(s') = sum_s p(s) sum_a pi(a|s) P(s'|s,a); pi [nS x nA], p, p1 [nS] */
void    shift_step(const mdp *M, const double *pi, const double *p, double *p1);
double *shift_states(const mdp *M, const double *pi, int T);       /* [T+1 x nS] Pr(s_t = s), to be freed */
double  shift_L1(int n, const double *p, const double *q);

/* DSB-1   the bound on || p'(s_t) - p(s_t) ||_1: 2 (1 - (1-eps)^t) <= 2 eps t */
double  shift_bound(double eps, double t);

/* The greatest || p' - p ||_1 / shift_bound(eps, t) over t = 1 .. T; 0 where eps = 0 */
double  shift_ratio(const mdp *M, const double *pi, const double *pi1, double eps, int T);

/* max_s D_TV(pi(.|s), pi'(.|s)) over the states that are not absorbing */
double  shift_eps(const mdp *M, const double *pi, const double *pi1);

#endif
