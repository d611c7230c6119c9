/* What the PPO files have in common beside their objectives: memory, the batch made ready, a bounded step
 * of Adam. PPO-1, PPO-2, PPO-15: ppo_clip.c; PPO-20: ppo_penalty.c; PPO-29: ppo_parallel.c. */
#ifndef ASCENT_PPO_LEARNER_H
#define ASCENT_PPO_LEARNER_H

#include "algorithms/samples.h"
#include "autodiff/optimiser.h"

/* Advantages with mean 0 and standard deviation 1: not, in each minibatch, or in the batch */
enum { PPO_NORMALISE_OFF, PPO_NORMALISE_MINIBATCH, PPO_NORMALISE_BATCH };
extern const char *const ppo_normalises[];

typedef struct {
    policy p;                               /* of n parameters */
    network f;                              /* V, of nV */
    double *theta, *phi, *g;                /* [n], [nV] behind it; [n + nV] */
    double *m;                              /* [2 (n + nV)] Adam's, of theta, then of phi */
    adam step, step_V;
    samples *D, *minibatch;                 /* of the whole batch; of M of them */
    int *order;                             /* [NT] */
    double *V_end;                          /* [segments] */
    ad_tape *t;
} ppo_learner;

/* For batches of at most NT samples, minibatches of at most M */
ppo_learner ppo_learner_new(const policy *p, long NT, long M, double adam_eps);
void        ppo_learner_init(ppo_learner *l, gsl_rng *rng);             /* the first theta, phi */
void        ppo_learner_free(ppo_learner *l);
/* exit 2: M > NT; a sample alone, normalised. So many processes have as many each. */
void ppo_learner_check(long NT, long M, int normalise, long processes);

/* PPO-17: l->D from the batch, with pi_old, log pi_old, V_old of l's theta and phi; A is not normalised */
void ppo_prepare(ppo_learner *l, const rollout *b, double gamma, double lambda);
/* Adam's steps along l->g, its norm bounded before (0: not): of the whole, or of theta's and phi's parts */
void ppo_ascend(ppo_learner *l, double lr, double lr_V, double clip_norm, bool joint);

#endif
