/* The best policy within a distance of another, in one state: 001 (l.308-321) */
#ifndef ASCENT_GUARANTEED_STEP_H
#define ASCENT_GUARANTEED_STEP_H

/* DSB-12   max_p sum_a p(a) A(a) over distributions p [n] with D_TV(p, pi) <= eps; p receives one of them */
double improvement_step(int n, const double *pi, const double *A, double eps, double *p);
double improvement_step_dual(int n, const double *pi, const double *A, double eps);     /* the same by its dual */

#endif
