/* The makers behind the built-in names of mdp.h. Each gets the name as the user wrote it and x, the
 * numbers of its line in the table of mdp_named.c; NULL where these do not fit together. */
#ifndef ASCENT_MDP_NAMED_H
#define ASCENT_MDP_NAMED_H

#include "envs/mdp.h"

typedef mdp *mdp_maker(const char *name, const double *x);

mdp_maker mdp_frozen_lake, mdp_cliff_walking, mdp_taxi,                         /* mdp_grids.c */
          mdp_gridworld_3_5, mdp_gridworld_4_1, mdp_windy_gridworld;
mdp_maker mdp_E5, mdp_X3, mdp_aliased_chain, mdp_ok_bad, mdp_two_peak,          /* mdp_problems.c */
          mdp_random_walk, mdp_short_corridor, mdp_chain, mdp_loops;
mdp_maker mdp_garnet_named;                                                     /* mdp_garnet.c */

/* s is absorbing and pays nothing. */
void mdp_absorb(mdp_builder *b, int nA, int s);
/* The table, with nA names of actions in one string, blanks between them. */
mdp *mdp_finish_with_actions(mdp_builder *b, const char *names);

#endif
