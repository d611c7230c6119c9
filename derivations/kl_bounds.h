/* The KL divergence of distributions given by their log-probabilities [n]. */
#ifndef ASCENT_KL_BOUNDS_H
#define ASCENT_KL_BOUNDS_H

/* D_KL(p || q) = sum_x p(x) log(p(x) / q(x)) >= 0, each term with its share of sum_x q(x) - p(x) = 0, by which
 * none is negative: p and q may be so close that what is left of the plain sum is rounding. */
double kl_divergence(int n, const double *logp, const double *logq);

#endif
