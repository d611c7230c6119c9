/* Categorical and diagonal Gaussian: each function is its formula in distribution.h. */
#include "autodiff/distribution.h"

#include <gsl/gsl_math.h>
#include <gsl/gsl_randist.h>
#include <math.h>

#include "autodiff/require.h"

/* ---- Categorical ---- */
ad categorical_log_probabilities(ad z) { return ad_log_softmax(z); }

ad categorical_logp(ad z, const int *a) { return ad_gather(ad_log_softmax(z), a); }

ad categorical_entropy(ad z)
{
    ad logpi = ad_log_softmax(z);                                   /* [T x nA] */
    return ad_neg(ad_row_sum(ad_mul(ad_exp(logpi), logpi)));
}

ad categorical_kl(ad z_old, ad z_new)
{
    ad old = ad_log_softmax(z_old), new = ad_log_softmax(z_new);    /* [T x nA] */
    return ad_row_sum(ad_mul(ad_exp(old), ad_sub(old, new)));
}

/* The first action whose cumulated weight exceeds u, a uniform part of the total: an action of weight 0
 * adds nothing, and the last sum is the total (the same terms in the same order), which exceeds u. */
int categorical_sample(gsl_rng *rng, int nA, const double *z)
{
    double max = -INFINITY, total = 0;
    for (int a = 0; a < nA; a++) max = fmax(max, z[a]);
    for (int a = 0; a < nA; a++) total += exp(z[a] - max);
    if (isnan(total)) numerical_failure("categorical_sample: a logit of %d is NaN, or none is finite", nA);
    double u = gsl_rng_uniform(rng) * total, sum = exp(z[0] - max);
    int a = 0;
    while (sum <= u) sum += exp(z[++a] - max);
    return a;
}

/* ---- epsilon-greedy ---- */
int greedy_action(int nA, const double *Q)
{
    int best = 0;
    for (int a = 1; a < nA; a++)
        if (Q[a] > Q[best]) best = a;
    return best;
}

/* ASQ-3   pi(a|s) = (1 - epsilon) [a = argmax_b Q(s,b)] + epsilon / |A| */
void epsilon_greedy(int nA, const double *Q, double epsilon, double *pi)
{
    for (int a = 0; a < nA; a++) pi[a] = epsilon / nA;
    pi[greedy_action(nA, Q)] += 1 - epsilon;
}

/* Below epsilon u is uniform again: it says which of all actions. */
int epsilon_greedy_sample(gsl_rng *rng, int nA, const double *Q, double epsilon)
{
    double u = gsl_rng_uniform(rng);
    if (!(u < epsilon)) return greedy_action(nA, Q);
    int a = (int)(u / epsilon * nA);
    return a < nA ? a : nA - 1;
}

/* ---- diagonal Gaussian ---- */
static const double LN_2PI = M_LN2 + M_LNPI;

static ad each_state(ad log_sd, int T)                              /* [1 x n] or [T x n] -> [T x n] */
{
    return ad_nrows(log_sd) == T ? log_sd : ad_rows(log_sd, T);
}

ad gaussian_logp(ad mean, ad log_sd, ad a)
{
    ad ln_sd = each_state(log_sd, ad_nrows(mean));
    ad x = ad_mul(ad_sub(a, mean), ad_exp(ad_neg(ln_sd)));          /* (a - mean) / sd */
    ad logp = ad_shift(ad_sub(ad_scale(-0.5, ad_square(x)), ln_sd), -0.5 * LN_2PI);
    return ad_row_sum(logp);
}

ad gaussian_entropy(ad log_sd)
{
    return ad_row_sum(ad_shift(log_sd, 0.5 * (1 + LN_2PI)));
}

ad gaussian_kl(ad mean_old, ad log_sd_old, ad mean_new, ad log_sd_new)
{
    int T = ad_nrows(mean_old);
    ad ln_old = each_state(log_sd_old, T), ln_new = each_state(log_sd_new, T);
    ad ln_ratio = ad_sub(ln_new, ln_old);                           /* ln(sd_new / sd_old) */
    ad spread = ad_exp(ad_scale(-2, ln_ratio));                     /* sd_old^2 / sd_new^2 */
    ad shift = ad_square(ad_mul(ad_sub(mean_old, mean_new), ad_exp(ad_neg(ln_new))));
    ad half = ad_scale(0.5, ad_shift(ad_add(spread, shift), -1));
    return ad_row_sum(ad_add(ln_ratio, half));
}

void gaussian_sample(gsl_rng *rng, int n, const double *mean, const double *log_sd, double *a)
{
    for (int j = 0; j < n; j++) a[j] = mean[j] + exp(log_sd[j]) * gsl_ran_ugaussian(rng);
}

ad tanh_gaussian_logp(ad mean, ad log_sd, ad u)
{
    ad ln_slope = ad_scale(2, ad_shift(ad_neg(ad_add(u, ad_softplus(ad_scale(-2, u)))), M_LN2));
    return ad_sub(gaussian_logp(mean, log_sd, u), ad_row_sum(ln_slope));
}
