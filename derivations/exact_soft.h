/* Soft values: of a policy where entropy pays as reward does, beta a nat (ENT-3, ENT-4), and the best there are.
 * Conventions as in exact.h; an absorbing zero-reward state is no decision state, and its entropy pays nothing. */
#ifndef ASCENT_EXACT_SOFT_H
#define ASCENT_EXACT_SOFT_H

#include "derivations/enumerate.h"
#include "derivations/exact.h"

typedef struct {
    const exact *x;         /* the caller's */
    double beta;
    double *H;              /* [nS] H(pi(.|s)) */
    double *V;              /* [nS] V_soft = r_pi + beta H + gamma P_pi V_soft */
    double *Q;              /* [nS x nA] Q_soft = r - beta log pi + gamma P V_soft */
    double J;               /* mu0^T V_soft */
    double unit_V, unit_gradient;       /* as exact.h's, with M + beta k max(1, ln nA) for M */
} soft_values;
soft_values *soft_values_new(const exact *x, double beta);
void         soft_values_free(soft_values *v);                  /* NULL is fine */

/* J alone, at another theta [n] of the same policy class */
double soft_J_at(const exact *x, double beta, const double *theta);
/* The same J as a node, of theta [n x 1]; x small enough for exact_J_node */
ad     soft_J_node(ad_tape *t, const exact *x, double beta, ad theta);

/* ENT-4: grad J = sum_s rho(s) sum_a Q_soft(s,a) grad pi(a|s); g [n] */
void   soft_gradient(const soft_values *v, double *g);
/* A3C-27 over all states: sum_s rho(s) [ sum_a Q(s,a) grad pi(a|s) + beta grad H(pi(.|s)) ], Q of rewards alone */
void   soft_regulariser(const exact *x, double beta, double *g);
/* ENT-4 for a finite horizon, theta one for all times */
void   soft_finite_gradient(const finite_horizon *f, double beta, double *g);

/* The optimum, gamma < 1, beta > 0: V(s) = beta ln sum_a e^{Q(s,a) / beta}, Q = r + gamma P V, and the logits
 * Q / beta [nS x nA] of the policy that attains it, by value iteration. */
void   soft_optimal(const mdp *M, double gamma, double beta, double *V, double *logits);

#endif
