/* A3C, asynchronous advantage actor-critic: see a3c.c. */
#ifndef ASCENT_A3C_H
#define ASCENT_A3C_H

#include "algorithms/algorithm.h"

enum { A3C_RMSPROP_SHARED, A3C_RMSPROP_OWN, A3C_SGD };

typedef struct {
    long workers;           /* N: threads, each with an environment */
    long t_max;             /* steps of a worker an update, fewer where an episode ends */
    double gamma;           /* discount */
    double c_V, beta;       /* weights of (R - V)^2 and of the entropy */
    double lr, lr_V;        /* step sizes alpha, alpha_v of pi and V */
    long anneal_steps;      /* steps of all workers over which both fall to 0; 0: they do not */
    double clip;            /* greatest norm of an update's gradient; 0: any */
    int optimiser;          /* A3C_RMSPROP_SHARED (A3C-28), _RMSPROP_OWN: a g for each worker, A3C_SGD */
    double alpha, eps;      /* RMSProp's decay; eps in the root */
    int schedule;           /* who comes when: enum in schedule.h */
    int locks;              /* threads: copies and updates one at a time, or entry by entry, as Hogwild! does */
    widths hidden;          /* of the networks of pi and V */
    int activation;         /* enum ad_activation */
} a3c_config;
extern const a3c_config a3c_defaults;
extern const config_field a3c_fields[];

/* A3C-14   R_t = r_t + gamma R_{t+1}, A_t = R_t - V(s_t) along one segment: r, A, R [T], V [T] = V(s_t), and
 * V_end = 0 or V(s_T) (critic.h) */
void a3c_advantages(int T, const double *r, const double *V, double V_end, double gamma, double *A, double *R);
/* Sums over the steps of a segment: logp, A, V, R, H [T x 1] -> scalar
 * A3C-27: sum_i log pi(a_i|s_i) A_i + beta H_i, to be raised;  A3C-8: c_V sum_i (R_i - V_i)^2, to be lowered */
ad a3c_policy_objective(ad logp, ad A, ad H, double beta);
ad a3c_V_loss(ad V, ad R, double c_V);
/* d_theta [p->n], d_phi [n of V]: their gradients at a worker's (theta', phi') */
void a3c_gradients(ad_tape *t, const a3c_config *c, const policy *p, const network *f, const double *theta,
                   const double *phi, const rollout *b, const double *A, const double *R, double *d_theta,
                   double *d_phi);

policy a3c_policy(const env *e, const void *config);
void   a3c(run *r, const void *config);
void   a3c_explain(FILE *out, const void *config, uint64_t seed);

#endif
