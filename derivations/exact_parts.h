/* What the files of the exact layer share. Not for other files. */
#ifndef ASCENT_EXACT_PARTS_H
#define ASCENT_EXACT_PARTS_H

#include <stdbool.h>
#include <stddef.h>

#include "derivations/exact_sparse.h"
#include "envs/mdp.h"

/* MDP-7   Q(s,a) = r(s,a) + gamma sum_s' P(s'|s,a) V(s'), i = s*nA + a; r [nS x nA] */
double action_value(const mdp *M, double gamma, const double *r, const double *V, int i);

/* P_pi(s,s') = sum_a pi(a|s) P(s'|s,a), by rows; rows and columns of closed states are empty */
sparse *transition_matrix(const mdp *M, const bool *closed, const double *pi);

/* can[s]: from s a target state is reached with positive probability under pi [nS x nA], under some policy
 * when pi is NULL. action[s] (may be NULL): an action that leads one step nearer, in states that can and
 * are no target. Returns a state that cannot, or -1. */
int reaches(const mdp *M, const bool *target, const double *pi, bool *can, int *action);

/* For gamma = 1: false and one line in error[size] when some state does not reach an absorbing one under pi */
bool all_end(const mdp *M, double gamma, const bool *absorbing, const double *pi, char *error, size_t size);

#endif
