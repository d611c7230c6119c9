/* Distributions of actions, one a row: parameters [T x ..] in, a node [T x 1] out, which can be
 * differentiated in every argument. The mean over states is ad_mean of it. What must stay fixed is for
 * the caller to detach: categorical_kl(ad_detach(z_old), z_new) is KL(old||new) as a function of the new
 * policy. KL(new||old) has the arguments swapped. Cover, Thomas (2006), chapters 2 and 8. */
#ifndef ASCENT_DISTRIBUTION_H
#define ASCENT_DISTRIBUTION_H

#include <gsl/gsl_rng.h>

#include "autodiff/ad.h"

/* ---- Categorical: logits z [T x nA], pi(a) = e^{z_a} / sum_b e^{z_b} ----
 * Gaps between logits may have any size; a constant added to a row changes nothing, so log-probabilities
 * are logits. The logit CATEGORICAL_FORBIDDEN forbids an action: probability 0, and derivative 0 in that
 * logit, exactly. It is finite because the tape accepts no infinity. */
#define CATEGORICAL_FORBIDDEN (-1e9)
ad categorical_log_probabilities(ad z);     /* log pi(a) = z_a - ln sum_b e^{z_b}      [T x nA] */
ad categorical_logp(ad z, const int *a);    /* log pi(a_t); a [T] borrowed, as by ad_gather */
ad categorical_entropy(ad z);               /* H = -sum_a pi(a) log pi(a) */
ad categorical_kl(ad z_old, ad z_new);      /* sum_a pi_old(a) [log pi_old(a) - log pi_new(a)] */
/* Draws a ~ pi; z [nA] are plain numbers, and -INFINITY forbids too. An action whose logit lies 746 or
 * more below the greatest has probability 0 and is never drawn. Exit 4 if one is NaN or none is finite. */
int categorical_sample(gsl_rng *rng, int nA, const double *z);

/* ---- epsilon-greedy: Q [nA] plain numbers, pi(a) = epsilon / nA, and 1 - epsilon more for the best action,
 * the first of equals ---- */
int  greedy_action(int nA, const double *Q);
void epsilon_greedy(int nA, const double *Q, double epsilon, double *pi);           /* pi [nA] */
int  epsilon_greedy_sample(gsl_rng *rng, int nA, const double *Q, double epsilon);  /* by one number of rng */

/* ---- diagonal Gaussian: a_j ~ N(mean_j, sd_j^2), j = 1 .. n, independent ----
 * mean, a [T x n]; log_sd = ln sd, of the standard deviation and not of the variance, [1 x n] for all
 * states or [T x n]. Actions are stored as drawn, and clipped only inside an environment. */
ad gaussian_logp(ad mean, ad log_sd, ad a); /* sum_j -((a_j - mean_j) / sd_j)^2/2 - ln sd_j - ln(2 pi)/2 */
ad gaussian_entropy(ad log_sd);             /* H = sum_j ln sd_j + (1 + ln(2 pi))/2; rows as log_sd */
/* KL(old||new) = sum_j ln(sd_new / sd_old) + (sd_old^2 + (mean_old - mean_new)^2) / (2 sd_new^2) - 1/2 */
ad gaussian_kl(ad mean_old, ad log_sd_old, ad mean_new, ad log_sd_new);
/* Draws a; mean, log_sd, a [n]. */
void gaussian_sample(gsl_rng *rng, int n, const double *mean, const double *log_sd, double *a);

/* ---- squashed Gaussian: a = tanh u, u ~ N(mean, sd^2): Haarnoja et al. (2018), arXiv:1801.01290,
 * appendix C ---- log p(a) as a function of u [T x n], since tanh u rounds to 1 from |u| = 19.1 on:
 * log p(u) - sum_j ln(1 - tanh^2 u_j),    ln(1 - tanh^2 u) = 2 (ln 2 - u - softplus(-2u)) */
ad tanh_gaussian_logp(ad mean, ad log_sd, ad u);

#endif
