/* TD3: see td3.c. */
#ifndef ASCENT_TD3_H
#define ASCENT_TD3_H

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
    int twins;              /* on: Q_A and Q_B, the lesser of them in y; off: Q_A */
    double sigma_targ, c;   /* noise on the target's action, 0: none, and its bound, in half widths of the box */
    long delay;             /* d: updates of Q for one of mu and the targets */
    widths hidden;          /* of the networks of mu and Q */
    int activation;         /* enum ad_activation */
} td3_config;
extern const td3_config td3_defaults;
extern const config_field td3_fields[];

/* Of a minibatch; r, done, Q1, Q = Q_phi(s, a), y [T x 1]. TD3-3: y [T x 1];  TD3-6: a loss -> scalar;
 * TD3-7: Q = Q_phi_A(s, mu_theta(s)), ascended -> scalar */
ad td3_y(ad r, ad done, ad Q1, double gamma);
/* TD3-4: a' [T x k] = mu1 + eps clipped to [-c, c], within the box of p; mu1 = mu_theta_targ(s') [T x k], eps
 * [T x k] as drawn, eps and c in half widths of the box */
ad td3_a1(ad_tape *t, const policy *p, ad mu1, ad eps, double c);
ad td3_L(ad Q, ad y);
/* Q_A(s,a), which = 0, or with twins Q_B(s,a), 1, of x = (phi_A, phi_B); s [T x d], a [T x k] -> [T x 1] */
ad td3_twin(const network *Q, int which, ad x, ad s, ad a);
ad td3_J(ad Q);

/* TD3-10: a [k] = clip(mu + eps, a_low, a_high), mu, eps [k], eps in half widths of p's box */
void td3_explore(const policy *p, const double *mu, const double *eps, double *a);

/* TD3-8: is the t-th update of Q one of mu and of the targets, too? */
bool td3_due(long t, long delay);

/* Directions of ascent; Q: the network of Q_phi, critic_Q_of_box(p). theta [p->n]; phi [network_n(Q)], with twins A's
 * and then B's. TD3-11: g = -grad L, as phi, and L, with twins the sum of both; eps [T x k] as above, or NULL.
 * TD3-12: g = grad J [p->n], and J */
double td3_critic_gradient(ad_tape *t, const td3_config *c, const policy *p, const network *Q, const double *phi,
                           const double *theta_targ, const double *phi_targ, const double *eps, const minibatch *B,
                           double *g);
double td3_actor_gradient(ad_tape *t, const policy *p, const network *Q, const double *theta, const double *phi,
                          const minibatch *B, double *g);

replay_learner td3_learner(const td3_config *c, const env *e);
/* TD3-10: l->a, the t-th action, t = 1, 2, .., at l->s */
void td3_act(const td3_config *c, replay_learner *l, long t, gsl_rng *rng);

policy td3_policy(const env *e, const void *config);
void   td3(run *r, const void *config);
void   td3_explain(FILE *out, const void *config, uint64_t seed);

#endif
