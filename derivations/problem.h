/* What verify and derive work on: an MDP at one discount with the policies that are tried on it. */
#ifndef ASCENT_PROBLEM_H
#define ASCENT_PROBLEM_H

#include "derivations/derivation.h"

enum { PROBLEM_MAX_POLICIES = 4 };

/* A policy pi and the pi' it is compared with, of the same class */
typedef struct {
    char *name, *name1;
    policy_class *class;                        /* NULL: a table */
    exact *pi, *pi1;
    setting *setting;
} trial;

typedef struct {
    mdp *M;
    double gamma;
    int policies;
    trial policy[PROBLEM_MAX_POLICIES];
} problem;

/* The first policy is that of the file policy_path; when NULL, E5's own theta, or the uniform policy. The second
 * is a random table (logits ~ N(0, 1)); where an F of that size can be formed, a third is linear in random features
 * and the fourth a small network. pi' is random, but for E5's own theta, which is compared with theta + A. With
 * class_text, "linear:D" or "network:H", there is one policy, random, of D features or H hidden units. gamma_text:
 * NULL for the MDP's own discount. Exit 2 on bad input. */
problem problem_open(const char *name_or_path, const char *gamma_text, const char *policy_path,
                     const char *class_text, uint64_t seed);
void    problem_close(problem *p);

/* The seed of a setting with a problem of its own: experiments use it and the next ones, one a run, and no two values
 * of --seed share a run. --seed 1 is 1, --seed 2 is 1001. */
uint64_t problem_seed(uint64_t seed);

#endif
