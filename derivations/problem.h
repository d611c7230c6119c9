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

/* The first policy is that of the file policy_path; when NULL, E5's own theta, or the uniform policy. The
 * second is random (logits ~ N(0, 1)), and so is pi', but for E5's own theta, which is compared with theta + A.
 * gamma_text: NULL for the MDP's own discount. Exit 2 on bad input. */
problem problem_open(const char *name_or_path, const char *gamma_text, const char *policy_path, uint64_t seed);
void    problem_close(problem *p);

#endif
