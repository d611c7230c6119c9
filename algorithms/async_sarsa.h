/* Asynchronous one-step SARSA: see async_sarsa.c. */
#ifndef ASCENT_ASYNC_SARSA_H
#define ASCENT_ASYNC_SARSA_H

#include "algorithms/algorithm.h"

enum { ASYNC_SARSA_RMSPROP, ASYNC_SARSA_SGD };

typedef struct {
    double gamma;           /* discount */
    double lr;              /* step size alpha at T = 0 */
    long lr_half;           /* steps T at which alpha has halved, alpha / (1 + T / lr_half); 0: constant */
    int optimiser;          /* ASYNC_SARSA_RMSPROP, its mean square shared; ASYNC_SARSA_SGD */
    double alpha, eps;      /* of RMSProp: decay of the mean square, and what is added in its root */
    long update_every;      /* I_AsyncUpdate: steps of a worker */
    long target_every;      /* I_target: steps of all */
    double rho;             /* theta^- <- rho theta^- + (1 - rho) theta; 0: a copy */
    int epsilons;           /* EPSILON_DRAWN, EPSILON_SAME */
    double epsilon;         /* last epsilon of all workers, if the same; eval's */
    long anneal_steps;      /* steps of all until the last epsilons are reached */
    long workers;           /* actor-learners */
    int schedule;           /* SCHEDULE_THREADS, .. */
    int locks;              /* threads: copies and updates one at a time, or entry by entry, as Hogwild! does */
    widths hidden;          /* of the network of Q */
    int activation;         /* enum ad_activation */
} async_sarsa_config;
extern const async_sarsa_config async_sarsa_defaults;
extern const config_field async_sarsa_fields[];

/* ASS-1: r + gamma Q1[a1], Q1 [nA] = Q(s',.;theta^-), a1 = a'; r if s' is terminal. Truncated is not terminal. */
double async_sarsa_y(double r, bool terminal, int a1, const double *Q1, double gamma);
/* What is ascended; Q [T x 1] = Q(s_i,a_i;theta), y [T x 1] -> scalar: -sum_i (y_i - Q_i)^2, y held constant */
ad     async_sarsa_J(ad Q, ad y);
/* d_theta [n] at theta [n] for the batch: the gradient of that; f: observation -> Q(s,.) */
void   async_sarsa_gradient(ad_tape *t, const network *f, const double *theta, const rollout *b, const double *y,
                        double *d_theta);

policy async_sarsa_policy(const env *e, const void *config);
void   async_sarsa(run *r, const void *config);
void   async_sarsa_explain(FILE *out, const void *config, uint64_t seed);

#endif
