/* Acting in a finite MDP. The observation is one-hot over the states; entering an absorbing zero-reward state
 * terminates. Rows are sampled in O(log of the successors); one with a single successor draws no number. */
#ifndef ASCENT_ENV_MDP_H
#define ASCENT_ENV_MDP_H

#include "envs/env.h"
#include "envs/mdp.h"

/* M stays the caller's and must outlive the environment. No time limit; e->limit may be set. */
env *env_mdp_new(const mdp *M);
/* mdp_open's, freed with the environment; NULL and the error as there. */
env *env_mdp_open(const char *name_or_path, char *error, size_t size);

#endif
