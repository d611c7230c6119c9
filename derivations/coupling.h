/* Two distributions p, q [n] made into one of pairs: joint [n x n], joint[x n + y] = Pr(X = x, Y = y), with p
 * and q as its marginals. 001 (l.246-248); Lindvall (1992), Lectures on the coupling method. */
#ifndef ASCENT_COUPLING_H
#define ASCENT_COUPLING_H

double total_variation(int n, const double *p, const double *q);        /* 1/2 sum_x |p(x) - q(x)| */
double overlap(int n, const double *p, const double *q);                /* sum_x min(p(x), q(x)) = 1 - TV */

/* The pairs that agree most often: Pr(X = Y) = 1 - TV, the rest independent of one another */
void   coupling_maximal(int n, const double *p, const double *q, double *joint);

/* The least Pr(X != Y) of all couplings, as a linear program, from its dual: max sum_x f(x) p(x) - sum_y g(y) q(y)
 * with f(x) - g(y) <= 1[x != y]. NaN if the f, g that it builds were not allowed. */
double coupling_dual(int n, const double *p, const double *q);

#endif
