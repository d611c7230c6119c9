/* KL(old||new) from samples a_t ~ old: Schulman (2020), "Approximating KL divergence". With r = new(a)/old(a), means
 * over t of
 *
 *     k1 = -ln r              unbiased; single ones may be negative, and so may their mean
 *     k2 = (ln r)^2 / 2       biased, by terms of third order in ln r; never negative
 *     k3 = r - 1 - ln r       unbiased, E[r] = 1; never negative
 *
 * logp_old, logp [T] = ln old(a_t), ln new(a_t). The KL itself: policy_kl. */
#ifndef ASCENT_KL_ESTIMATES_H
#define ASCENT_KL_ESTIMATES_H

double kl_k1(int T, const double *logp_old, const double *logp);
double kl_k2(int T, const double *logp_old, const double *logp);
double kl_k3(int T, const double *logp_old, const double *logp);

#endif
