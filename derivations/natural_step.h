/* Steps in theta on a finite MDP: what they gain, how far the KL lets them go, and the natural one.
 *   gain   E_s[ sum_a pi'(a|s) A_pi(s,a) ]
 *   KL     E_s[ KL_s ], KL_s = KL(pi(.|s) || pi'(.|s)), or the maximum of KL_s
 * over the decision states, weighted as in kl_over_states.h: the mean KL's Hessian is F / sum d. */
#ifndef ASCENT_NATURAL_STEP_H
#define ASCENT_NATURAL_STEP_H

#include <stdint.h>

#include "derivations/derivation.h"
#include "derivations/kl_over_states.h"

/* theta' = theta + t v, v [n] */
typedef struct { double gain, kl, kl_max; } region_step;
region_step step_along(const exact *pi, const double *v, double t);
/* The first t > 0 at which the KL (its maximum) is delta; INFINITY if it stays below */
double      step_length(const exact *pi, const double *v, bool greatest, double delta);

/* TRPO-23   v [n] = sqrt(2 delta sum d / g^T F^+ g) F^+ g; where natural_gradient_none is NULL */
void        natural_step(const setting *x, double delta, double *v);
void        natural_step_of_norm(const setting *x, double radius, double *v);   /* v^T F v / 2 = radius */
/* How far the rounding of g may take F^+ g, relative and in the F-norm: over the root of the least eigenvalue */
double      natural_step_rounding(const setting *x);

enum { RANDOM_PROBLEM_N = 40 };             /* numbers in theta */
/* A random problem: a Garnet of 10 states, 4 actions and 3 successors, a random table, gamma .9 */
typedef struct { mdp *M; policy_class *table; exact *pi; setting *x; } random_problem;
random_problem random_problem_new(uint64_t seed);
void           random_problem_free(random_problem *p);

#endif
