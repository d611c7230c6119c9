/* DQN: see dqn.c. */
#ifndef ASCENT_DQN_H
#define ASCENT_DQN_H

#include "algorithms/algorithm.h"
#include "algorithms/replay_learner.h"

typedef struct {
    double gamma;           /* discount */
    double lr_Q;            /* step size */
    long target_every;      /* steps from one copy of phi into phi_targ to the next */
    double rho;             /* what phi_targ keeps of itself then; 0: a copy */
    int double_Q;           /* on: phi chooses a', phi_targ says its worth */
    long batch;             /* |B|: transitions of an update */
    long capacity;          /* |D| */
    long start_steps;       /* steps before the first update, of random actions */
    long update_every;      /* so many steps, then as many updates */
    double epsilon;         /* of the policy, in the end */
    long anneal_steps;      /* steps until it has come there from 1 */
    double clip_norm;       /* greatest norm of a gradient; 0: any */
    widths hidden;          /* of Q's network */
    int activation;         /* enum ad_activation */
} dqn_config;
extern const dqn_config dqn_defaults;
extern const config_field dqn_fields[];

/* Of a minibatch. ASQ-1: y [T x 1], r, done [T x 1], Q1 = max_a' Q_phi_targ(s', a') [T x 1], or TD3-2's.
 * DDPG-6, DDPG-7: a loss -> scalar */
ad dqn_y(ad r, ad done, ad Q1, double gamma);
ad dqn_L(ad Q, ad y);
/* TD3-2: the best of Q [T x nA] in each row, the first of equals: index [T] */
void dqn_choice(int T, int nA, const double *Q, int *index);

/* g = -grad L [network_n(Q)], and L */
double dqn_gradient(ad_tape *t, const dqn_config *c, const network *Q, const double *phi, const double *phi_targ,
                    const minibatch *B, double *g);

replay_learner dqn_learner(const dqn_config *c, const env *e);
/* ASQ-3: l->a, the t-th action, t = 1, 2, .., at l->s;  DDPG-7: a step of Adam, from the minibatch l->B */
void dqn_act(const dqn_config *c, replay_learner *l, long t, gsl_rng *rng);
void dqn_ascend(const dqn_config *c, replay_learner *l);

policy dqn_policy(const env *e, const void *config);
void   dqn(run *r, const void *config);
void   dqn_explain(FILE *out, const void *config, uint64_t seed);

#endif
