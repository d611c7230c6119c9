/* What DQN, DDPG and TD3 have in common beside their equations: memory, and the first parameters. What is done with
 * them is in dqn.c, ddpg.c, td3.c. */
#ifndef ASCENT_REPLAY_LEARNER_H
#define ASCENT_REPLAY_LEARNER_H

#include "algorithms/critic.h"
#include "algorithms/replay.h"
#include "autodiff/optimiser.h"

typedef struct {
    policy p;                                       /* who acts: mu; DQN: epsilon-greedy in Q, by phi */
    network Q;                                      /* of one critic */
    size_t n, nQ;                                   /* of theta, DQN: 0; of phi, all critics one behind the other */
    double *theta, *phi, *theta_targ, *phi_targ;    /* [n], [nQ], and again, one behind the other */
    double *m, *g;                                  /* [2 (n + nQ)] Adam's, of theta, then of phi; [n or nQ] */
    double *s, *a, *eps;                            /* [d], [k], [k]: s, an action, its noise */
    double *eps1;                                   /* [batch x k] noise on the targets' actions */
    adam step, step_Q;
    replay *D;
    minibatch *B;
    actor *pi;
    ad_tape *t;
    double L, J, epsilon;                           /* of the last update; of the last action */
} replay_learner;

/* Q: of each of so many critics */
replay_learner replay_learner_new(const env *e, const policy *p, const network *Q, int critics,
                                  double lr, double lr_Q, long capacity, long batch);
void           replay_learner_init(replay_learner *l, gsl_rng *rng);    /* theta, phi, and both targets the same */
void           replay_learner_free(replay_learner *l);

#endif
