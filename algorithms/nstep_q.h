/* Asynchronous n-step Q-learning: see nstep_q.c. */
#ifndef ASCENT_NSTEP_Q_H
#define ASCENT_NSTEP_Q_H

#include "algorithms/algorithm.h"

enum { NSTEP_Q_RMSPROP, NSTEP_Q_SGD };

typedef struct {
    double gamma;           /* discount */
    double lr;              /* step size alpha at T = 0 */
    long lr_half;           /* steps T at which alpha has halved, alpha / (1 + T / lr_half); 0: constant */
    int optimiser;          /* NSTEP_Q_RMSPROP, its mean square shared; NSTEP_Q_SGD */
    double alpha, eps;      /* of RMSProp: decay of the mean square, and what is added in its root */
    long t_max;             /* t_max = I_AsyncUpdate: steps of a worker */
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
} nstep_q_config;
extern const nstep_q_config nstep_q_defaults;
extern const config_field nstep_q_fields[];

/* NSQ-1: R_i = r_i + .. + gamma^{T-1-i} r_{T-1} + gamma^{T-i} max_a Q_end[a], Q_end [nA] = Q(s_T,.;theta^-);
 * nothing behind the rewards if s_T is terminal. r, R [T]. Truncated is not terminal. */
void   nstep_q_R(int T, const double *r, bool terminal, int nA, const double *Q_end, double gamma, double *R);
/* What is ascended; Q [T x 1] = Q(s_i,a_i;theta), R [T x 1] -> scalar: -sum_i (R_i - Q_i)^2, R held constant */
ad     nstep_q_J(ad Q, ad R);
/* d_theta [n] at theta [n] for the batch: the gradient of that; f: observation -> Q(s,.) */
void   nstep_q_gradient(ad_tape *t, const network *f, const double *theta, const rollout *b, const double *R,
                        double *d_theta);

policy nstep_q_policy(const env *e, const void *config);
void   nstep_q(run *r, const void *config);
void   nstep_q_explain(FILE *out, const void *config, uint64_t seed);

#endif
