/* Noise on the actions of a deterministic policy, without which it would never try anything else (DDPG-13,
 * TD3-15). In each of k dimensions, by itself:
 *
 *     gaussian        x = sigma n,   n ~ N(0, 1), another one at each step        (004 l.705; TD3's paper)
 *     ou              dx = -theta x dt + sigma dW                                  (002, l.193-195; DDPG's paper)
 *
 * The Ornstein-Uhlenbeck process comes back to 0 at the rate theta, and pushes the same way for 1/theta steps: it
 * carries a car farther up a hill than independent noise does. Stationary, its variance is sigma^2 / (2 theta), and
 * x_t and x_{t+dt} are correlated by e^{-theta dt}. Programs take Euler's steps with dt = 1, whose process is
 * another one: variance sigma^2 / (1 - (1 - theta)^2), correlation 1 - theta (DDPG-14). */
#ifndef ASCENT_NOISE_H
#define ASCENT_NOISE_H

#include <gsl/gsl_rng.h>

extern const char *const noise_kinds[];                 /* choices of a config: "gaussian", "ou" */
enum { NOISE_GAUSSIAN, NOISE_OU };

/* x [k] as it was -> as it is a time dt later */
void noise_ou_euler(int k, double theta, double sigma, double dt, gsl_rng *rng, double *x);
void noise_ou_exact(int k, double theta, double sigma, double dt, gsl_rng *rng, double *x);
/* The next one of a kind; ou: by Euler with dt = 1, as DDPG's programs do */
void noise_next(int kind, int k, double theta, double sigma, gsl_rng *rng, double *x);

#endif
