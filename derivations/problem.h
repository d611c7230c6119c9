/* What verify and derive work on: an MDP at one discount with the policies that are tried on it. */
#ifndef ASCENT_PROBLEM_H
#define ASCENT_PROBLEM_H

#include "derivations/derivation.h"

enum { PROBLEM_MAX_POLICIES = 2 };

typedef struct {
    mdp *M;
    double gamma;
    int policies;
    const char *policy_name[PROBLEM_MAX_POLICIES];
    exact *pi[PROBLEM_MAX_POLICIES];
    const char *pi1_name;
    exact *pi1;                                 /* pi' of every setting */
    setting *setting[PROBLEM_MAX_POLICIES];
} problem;

/* E5 gets its own policy theta, a random one (logits ~ N(0, 1)), and theta + A for pi'; other MDPs the uniform
 * policy and two random ones.
 * gamma_text: NULL for the MDP's own discount. Exit 2 on bad input. */
problem problem_open(const char *name_or_path, const char *gamma_text, uint64_t seed);
void    problem_close(problem *p);

#endif
