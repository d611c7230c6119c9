/* Policies' distributions, of one action a row. Rows are states: [T x ..] in, [T x 1] out. All results are nodes and can
 * be differentiated in every argument. What a mean over states needs is ad_mean of the result; what must stay
 * fixed is for the caller to detach: KL(old||new) is categorical_kl(ad_detach(z_old), z_new), and the reversed
 * KL(new||old) has the arguments swapped. Kullback, Leibler (1951); Cover, Thomas (2006), chapters 2 and 8. */
#ifndef ASCENT_DISTRIBUTION_H
#define ASCENT_DISTRIBUTION_H

#include <gsl/gsl_rng.h>

#include "autodiff/ad.h"

/* ---- Categorical, nA actions: logits z [T x nA], pi(a) = e^{z_a} / sum_b e^{z_b} ----
 * Gaps between logits may be as large as one likes. An action is forbidden by the logit CATEGORICAL_FORBIDDEN, a
 * finite number (the tape accepts no infinity): its probability, and every derivative through its logit, is then
 * exactly 0. Adding a constant to a row changes nothing, so log-probabilities are logits too. */
#define CATEGORICAL_FORBIDDEN (-1e9)
ad categorical_log_probabilities(ad z);         /* log pi(a) = z_a - ln sum_b e^{z_b}             [T x nA] */
ad categorical_logp(ad z, const int *a);        /* log pi(a_t), a [T] borrowed as by ad_gather    [T x 1] */
ad categorical_entropy(ad z);                   /* H = -sum_a pi(a) log pi(a)                     [T x 1] */
ad categorical_kl(ad z_old, ad z_new);          /* KL(old||new) = sum_a pi_old(a) [log pi_old(a) - log pi_new(a)] */
/* One action a ~ pi from plain logits z [nA]; -INFINITY forbids an action here too. An action of probability 0
 * (z below the greatest by more than 745) is never drawn. Exit 4 if a logit is NaN, or none is finite. */
int categorical_sample(gsl_rng *rng, int nA, const double *z);

/* ---- diagonal Gaussian: a_j ~ N(mean_j, sd_j^2) independently, j = 1 .. n; mean, a [T x n]; log_sd = ln sd, the
 * logarithm of the standard deviation and not of the variance, [1 x n] for all states or [T x n] ----
 * Actions are stored as drawn and clipped only inside an environment: gaussian_logp is the density of what was drawn. */
ad gaussian_logp(ad mean, ad log_sd, ad a);     /* sum_j -((a_j - mean_j) / sd_j)^2 / 2 - ln sd_j - ln(2 pi) / 2 */
ad gaussian_entropy(ad log_sd);                 /* H = sum_j ln sd_j + (1 + ln(2 pi)) / 2         [rows of log_sd x 1] */
ad gaussian_kl(ad mean_old, ad log_sd_old, ad mean_new, ad log_sd_new);
        /* KL(old||new) = sum_j ln(sd_new / sd_old) + (sd_old^2 + (mean_old - mean_new)^2) / (2 sd_new^2) - 1/2 */
void gaussian_sample(gsl_rng *rng, int n, const double *mean, const double *log_sd, double *a);     /* all [n] */

/* ---- squashed Gaussian: a = tanh u, u ~ N(mean, sd^2), a in (-1, 1)^n. Haarnoja et al. (2018), arXiv:1801.01290,
 * appendix C ---- of the raw action u [T x n], because tanh u = 1 in double precision from |u| = 19 on:
 * log p(a) = log p(u) - sum_j ln(1 - tanh^2 u_j),   ln(1 - tanh^2 u) = 2 (ln 2 - u - softplus(-2u)) */
ad tanh_gaussian_logp(ad mean, ad log_sd, ad u);

#endif
