/* Variance of (Q(s,a) - b(s)) grad log pi(a|s) over s ~ d, a ~ pi, and the baseline that makes it least. d
 * = x->d. */
#ifndef ASCENT_BASELINE_H
#define ASCENT_BASELINE_H

#include "derivations/exact.h"

double baseline_trace(const exact *x, const double *b);     /* trace of the covariance, in the logits; b [nS] */
void   baseline_optimal(const exact *x, double *b);             /* BL-5; 0 where the score is 0 */

/* What V takes from that variance, negative where it adds to it: Var[Q grad log pi] - Var[(Q - V) grad log pi] =
 * sum_s d(s) E[|grad log pi|^2] V(s) (2 b*(s) - V(s)). In a state V helps when it lies between 0 and 2 b*. */
double baseline_gain(const exact *x);

#endif
