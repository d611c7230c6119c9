/* Exploration noise: see noise.h. */
#include "algorithms/noise.h"

#include <math.h>

#include <gsl/gsl_randist.h>

const char *const noise_kinds[] = { "gaussian", "ou", NULL };

/*[snip noise later]*/
/* DDPG-14   x <- x - theta x dt + sigma sqrt(dt) n */
void noise_ou_euler(int k, double theta, double sigma, double dt, gsl_rng *rng, double *x)
{
    /* BEGIN SOLUTION DDPG-14 */
    for (int i = 0; i < k; i++) x[i] += -theta * x[i] * dt + sigma * sqrt(dt) * gsl_ran_gaussian_ziggurat(rng, 1);
    /* END SOLUTION */
}

/* DDPG-14   x(t+dt) ~ N( e^{-theta dt} x(t), sigma^2 (1 - e^{-2 theta dt}) / (2 theta) ) */
void noise_ou_exact(int k, double theta, double sigma, double dt, gsl_rng *rng, double *x)
{
    /* BEGIN SOLUTION DDPG-14 */
    double sd = sigma * sqrt(-expm1(-2 * theta * dt) / (2 * theta));
    for (int i = 0; i < k; i++) x[i] = exp(-theta * dt) * x[i] + sd * gsl_ran_gaussian_ziggurat(rng, 1);
    /* END SOLUTION */
}
/*[/snip]*/

void noise_next(int kind, int k, double theta, double sigma, gsl_rng *rng, double *x)
{
    if (kind == NOISE_OU) noise_ou_euler(k, theta, sigma, 1, rng, x);
    else for (int i = 0; i < k; i++) x[i] = sigma * gsl_ran_gaussian_ziggurat(rng, 1);
}
