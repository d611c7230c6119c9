/* Estimates of the KL: see kl_estimates.h. */
#include "algorithms/kl_estimates.h"

#include <math.h>

/*[snip kl-estimates later]*/
/* k1 = -ln r,   ln r = ln new(a_t) - ln old(a_t) */
double kl_k1(int T, const double *logp_old, const double *logp)
{
    double sum = 0;
    for (int t = 0; t < T; t++) sum -= logp[t] - logp_old[t];
    return sum / T;
}

/* k2 = (ln r)^2 / 2 */
double kl_k2(int T, const double *logp_old, const double *logp)
{
    double sum = 0;
    for (int t = 0; t < T; t++) sum += (logp[t] - logp_old[t]) * (logp[t] - logp_old[t]) / 2;
    return sum / T;
}

/* k3 = (r - 1) - ln r */
double kl_k3(int T, const double *logp_old, const double *logp)
{
    double sum = 0;
    for (int t = 0; t < T; t++) sum += expm1(logp[t] - logp_old[t]) - (logp[t] - logp_old[t]);
    return sum / T;
}
/*[/snip]*/
