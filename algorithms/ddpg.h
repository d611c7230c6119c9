/* DDPG: see ddpg.c. */
#ifndef ASCENT_DDPG_H
#define ASCENT_DDPG_H

#include "algorithms/algorithm.h"
#include "algorithms/replay_learner.h"

typedef struct {
    double gamma;           /* discount */
    double lr, lr_Q;        /* step sizes of mu and Q */
    double rho;             /* what the targets keep of themselves at each update */
    long batch;             /* |B|: transitions of an update */
    long capacity;          /* |D| */
    long start_steps;       /* steps before the first update, actions uniform in the box */
    long update_every;      /* so many steps, then as many updates */
    int noise;              /* NOISE_GAUSSIAN, NOISE_OU */
    double sigma;           /* its size, in half widths of the box */
    double ou_theta;        /* rate at which OU comes back */
    widths hidden;          /* of the networks of mu and Q */
    int activation;         /* enum ad_activation */
    int batch_norm;         /* DDPG_NORM_OFF, _ON, _RUNNING: of mu's layers, and of Q's before a enters */
} ddpg_config;
enum { DDPG_NORM_OFF, DDPG_NORM_ON, DDPG_NORM_RUNNING };
extern const ddpg_config ddpg_defaults;
extern const config_field ddpg_fields[];

/* Of a minibatch; r, done, Q1 = Q_phi_targ(s', a'), Q = Q_phi(s, a), y [T x 1].
 * DDPG-16: y [T x 1];  DDPG-17: a loss -> scalar;  DDPG-18: Q = Q_phi(s, mu_theta(s)), ascended -> scalar */
ad ddpg_y(ad r, ad done, ad Q1, double gamma);
ad ddpg_L(ad Q, ad y);
ad ddpg_J(ad Q);

/* DDPG-21: how Q sees s in the steps of Q and of mu */
enum batch_norm_mode ddpg_Q_mode(const ddpg_config *c);

/* DDPG-13: a [k] = clip(mu + eps, a_low, a_high), mu, eps [k], eps in half widths of p's box */
void ddpg_explore(const policy *p, const double *mu, const double *eps, double *a);

/* Directions of ascent; Q: the network of Q_phi, critic_Q_of_box(p). theta [p->n], phi [critic_n(p, Q)].
 * DDPG-17: g = -grad L [critic_n(p, Q)], and L;  DDPG-18: g = grad J [p->n], and J */
double ddpg_critic_gradient(ad_tape *t, const ddpg_config *c, const policy *p, const network *Q, const double *phi,
                            const double *theta_targ, const double *phi_targ, const minibatch *B, double *g);
double ddpg_actor_gradient(ad_tape *t, const ddpg_config *c, const policy *p, const network *Q, const double *theta,
                           const double *phi, const minibatch *B, double *g);

replay_learner ddpg_learner(const ddpg_config *c, const env *e);
/* DDPG-13: l->a, the t-th action, t = 1, 2, .., at l->s */
void ddpg_act(const ddpg_config *c, replay_learner *l, long t, gsl_rng *rng);

policy ddpg_policy(const env *e, const void *config);
void   ddpg_check(const void *config);
void   ddpg(run *r, const void *config);
void   ddpg_explain(FILE *out, const void *config, uint64_t seed);

#endif
