/* Vanilla policy gradient: see vpg.c. */
#ifndef ASCENT_VPG_H
#define ASCENT_VPG_H

#include "algorithms/algorithm.h"

enum { VPG_TOTAL_RETURN, VPG_REWARD_TO_GO, VPG_ADVANTAGE };
enum { VPG_MEAN_OVER_TRAJECTORIES, VPG_MEAN_OVER_STEPS };

typedef struct {
    double gamma;           /* discount */
    double lr, lr_V;        /* step sizes of pi and V */
    long trajectories;      /* |D|: episodes an update */
    int psi;                /* VPG_TOTAL_RETURN, _REWARD_TO_GO, _ADVANTAGE */
    int mean;               /* VPG_MEAN_OVER_TRAJECTORIES, _STEPS */
    long V_steps;           /* steps of V an update */
    widths hidden;          /* of the networks of pi and V */
    int activation;         /* enum ad_activation */
} vpg_config;
extern const vpg_config vpg_defaults;
extern const config_field vpg_fields[];

/* The weights of the scores of one trajectory; r, w, A [T], V [T] = V(s_t). gamma = 1 gives 003's.
 * VPG-1, VPG-2: R(tau);  PGT-10: G_t;  VPG-3: G_t - V(s_t) */
void vpg_total_return(int T, const double *r, double gamma, double *w);
void vpg_reward_to_go(int T, const double *r, double gamma, double *w);
void vpg_advantage(int T, const double *r, const double *V, double gamma, double *A);
/* What is ascended; logp, w [N x 1], the steps of all trajectories -> scalar.
 * VPG-2: (1/D) sum_tau sum_t w_t log pi(a_t|s_t);  VPG-4, PPO-18: (1/N) sum_tau sum_t .. */
ad vpg_mean_over_trajectories(ad logp, ad w, int D);
ad vpg_mean_over_steps(ad logp, ad w);
ad vpg_V_objective(ad V, ad G);                             /* -(1/N) sum (V(s_t) - G_t)^2 */
/* g [p->n] at theta for the batch, with weights w [b->T] and the mean of that config */
void vpg_gradient(ad_tape *t, const policy *p, const double *theta, const rollout *b, const double *w,
                  int mean, double *g);

policy vpg_policy(const env *e, const void *config);
void   vpg(run *r, const void *config);
void   vpg_explain(FILE *out, const void *config, uint64_t seed);

#endif
