/* The code that trains, on the trajectories of the enumerator: a policy over states as the policy that acts
 * (algorithms/policy.h), and a trajectory as the rollout that an update is made from. Nothing is sampled and no
 * environment is needed; all else is what a training run does.
 *
 *   policy over states     acts on                          theta there
 *   tabular                one-hot observations, linear     theta [nS x nA], and biases [nA], which are 0
 *   linear                 the features of s, linear        theta [d x nA],  and biases [nA], which are 0
 *   mlp                    the features of s, the network   theta
 *
 * so that theta comes first, and so does its gradient in any gradient of the agent's. */
#ifndef ASCENT_AGENT_H
#define ASCENT_AGENT_H

#include "algorithms/rollout.h"
#include "algorithms/traj.h"
#include "derivations/policy.h"

typedef struct {
    const policy_class *states; /* the caller's */
    policy pi;
    double *theta;              /* [pi.n] */
    rollout *tau;               /* what was seen last */
    ad_tape *t;
    double *w, *g;              /* [H+1], [pi.n]: for weights and a gradient */
    double *s;                  /* [pi.d] one observation */
} agent;

agent *agent_new(const policy_class *states, const double *theta, int H);   /* for trajectories up to H + 1 steps */
void   agent_free(agent *b);                                            /* NULL is fine */
const double *agent_observation(agent *b, int s);                       /* [pi.d], until the next call */
void   agent_sees(agent *b, const traj *tau);                           /* b->tau is tau; at least one step */

#endif
