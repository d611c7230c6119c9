/* The on-line actor-critics (algorithms/q_actor_critic.c, advantage_actor_critic.c, td_actor_critic.c) along a
 * trajectory that is given: theta's steps, with gamma_t on, added up while theta stands still. What they see is
 * one-hot, (s, 0) where they act and (0, s') behind it, so that a critic may have another table at each time. */
#ifndef ASCENT_ACTOR_STEPS_H
#define ASCENT_ACTOR_STEPS_H

#include "derivations/estimate.h"

typedef struct actor_steps actor_steps;
actor_steps *actor_steps_new(const policy_class *tabular, const double *theta, enum estimate_by by);
void         actor_steps_free(actor_steps *x);                                  /* NULL is fine */
/* g [n] += sum_t gamma^t Psi_t grad log pi(a_t|s_t), Psi_t as that algorithm makes it of c's critic */
void         actor_steps_sum(actor_steps *x, const weighing *c, const traj *tau, double *g);

#endif
