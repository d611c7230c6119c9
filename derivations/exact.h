/* The exact layer: everything about a policy on a finite MDP that a linear solve can say.
 *
 * Policy: pi(a|s) = softmax of one row of logits z per state, z a function of theta (policy.h): z = theta,
 * the table, or any other. V, Q, A, rho depend on z alone; gradients and F are those in theta. Conventions:
 * the visitation is unnormalised, rho = mu0 + gamma P_pi^T rho. An absorbing zero-reward state is no
 * decision state: V, Q, A and its share of every gradient are 0, and it is left out of P_pi; rho there is
 * reported for gamma < 1 and NaN (printed as null) at gamma = 1. At gamma = 1 every decision state must
 * reach an absorbing one. */
#ifndef ASCENT_EXACT_H
#define ASCENT_EXACT_H

#include <stdbool.h>
#include <stddef.h>

#include "autodiff/ad.h"
#include "derivations/exact_sparse.h"
#include "derivations/policy.h"
#include "envs/mdp.h"

enum { EXACT_MAX_DENSE = 4096,          /* states: direct solves up to here, sparse iterative ones beyond */
       EXACT_MAX_JACOBIAN = 1 << 24,    /* entries of J_z: 128 MB */
       EXACT_MAX_TIME_SUM = 1024 };     /* exact_sum_over_time: some ten matrix products */

typedef struct {
    const mdp *M;
    double gamma;
    policy_class policy;    /* what it points to stays the caller's */
    int nS, nA, nSA;        /* nSA = nS nA, the length of logits, pi, Q, A; index s*nA + a */
    int n;                  /* length of theta; nSA for the tabular policy */
    bool *absorbing;        /* [nS] */
    double *theta;          /* [n] */
    double *logits;         /* [nS x nA] z; theta itself for the tabular policy */
    double *J_z;            /* [nSA x n] dz/dtheta; NULL for the tabular policy, where it is I */
    double *logpi, *pi;     /* [nS x nA] log pi(a|s), pi(a|s) */
    double *r, *r_pi;       /* [nS x nA], [nS] expected reward */
    sparse *P;              /* P_pi by rows, from decision state to decision state */
    double *P_pi;           /* [nS x nS] the same, dense; NULL where the solves are sparse */
    double *V, *Q, *A;      /* [nS], [nS x nA], [nS x nA] */
    double *rho;            /* [nS] discounted visitation */
    double *d;              /* [nS] weights of the Fisher matrix: fisher_scale rho; absorbing 0 */
    double fisher_scale;    /* 1 - gamma, or 1 / sum of rho over decision states at gamma = 1 */
    double J;               /* mu0^T V */
    double k;               /* max(1, ||(I - gamma P_pi)^{-1}||_inf) */
    /* One unit of rounding error, u = 2^-52, N = max(nS, 4), M = max(1, max|V|, max|A|): */
    double unit_V;          /* u N k M      V, Q, J; twice that for A */
    double unit_rho;        /* u N k^2 */
    double unit_gradient;   /* u N k^2 M c */
    double unit_fisher;     /* max(u, u N k^2 fisher_scale) c^2: rho's unit times the weight's scale */
    double c;               /* max(1, ||J_z||_1): what J_z^T makes of an error in each logit; tabular 1 */
} exact;

/* logits [nS x nA]. NULL and one line in error[size] when gamma = 1 and a decision state, named, cannot
 * reach an absorbing one under pi. Exit 4, with the reason, when the system is singular to working
 * precision, diverges, a sparse solve does not converge, or V overflows. */
exact *exact_new(const mdp *M, double gamma, const double *logits, char *error, size_t size);
exact *exact_new_policy(const mdp *M, double gamma, const policy_class *p, const double *theta, char *error,
                        size_t size);                       /* theta [n]; also NULL when J_z is too large */
/* By sparse iterative solves whatever the size: to compare, or for a large P with few entries. */
exact *exact_new_sparse(const mdp *M, double gamma, const policy_class *p, const double *theta, char *error,
                        size_t size);
void   exact_free(exact *x);                                        /* NULL is fine */

/* The chain rule: w [nS x nA], a gradient in the logits, to g [n] = J_z^T w, by one reverse sweep */
void exact_chain(const exact *x, const double *w, double *g);

/* rho(s) where it counts: 0 in absorbing states */
double exact_rho(const exact *x, int s);

/* V [nS] alone, for the price of one dgesv; false and one line in error[size] where exact_new gives NULL. */
bool exact_V(const mdp *M, double gamma, const double *logits, double *V, char *error, size_t size);
/* J alone, for differences; NaN where exact_new gives NULL. */
double exact_J(const mdp *M, double gamma, const double *logits);
double exact_J_at(const exact *x, const double *theta);     /* the same policy class at another theta [n] */

/* The same J as a node: mu0^T (I - gamma P_pi)^{-1} r_pi, theta [n x 1]. It can be differentiated, and
 * owes nothing to the policy gradient theorem. Memory: some nA nS^2 doubles. */
ad exact_J_node(ad_tape *t, const exact *x, ad theta);

/* sum_{t >= 0} (gamma P)^t f with P = P_pi, or P_pi^T where transposed; f, sum [nS]. By doubling,
 * sum_{t < 2T} = (1 + (gamma P)^T) sum_{t < T}, until the power is below 2^-60, or, where there are more states than
 * steps until then, step by step: an account of time that uses no linear solve. f = r_pi gives V; transposed, f = mu0
 * gives rho. */
void exact_sum_over_time(const exact *x, bool transposed, const double *f, double *sum);

/* Optimal values V* [nS] and a deterministic policy [nS] that attains them, by policy iteration. At
 * gamma = 1 over the policies that reach an absorbing state from everywhere; V* is NaN and the action -1 where
 * rewards can be collected without end. For gamma < 1 the lowest-numbered optimal action. unit: u N k M of
 * the optimal policy. false and one line in error[size] as exact_new. */
bool exact_optimal(const mdp *M, double gamma, double *V, int *policy, double *unit, char *error, size_t size);
/* max_s |max_a Q(s,a) - V(s)| over the states where V is finite: Bellman's optimality residual. */
double exact_optimal_residual(const mdp *M, double gamma, const double *V);

/* V* [nS] by value iteration, an account that knows nothing of policies: V <- max_a [r + gamma P V] from 0
 * until a sweep moves nothing by more than its own rounding e, or VALUE_ITERATION_WORK is used up. With
 * q < 1, gamma times the greatest row sum of P, ||V_{k+1} - V*|| <= (q ||V_{k+1} - V_k|| + e) / (1 - q) =
 * bound. On the way V is moved on by the geometric series where all of it moves alike (MacQueen 1966), and
 * by half a step where it goes round in a circle; neither has a part in the bound.
 * At gamma = 1 a sweep does not contract: it starts at the values of a policy that ends, which V* exceeds,
 * so V rises to V*, but no bound is known (INFINITY). States left out (NULL: none), where V* is infinite,
 * are NaN. */
#define VALUE_ITERATION_WORK 1e9        /* transitions looked at */
typedef struct { int sweeps; bool settled; double bound; } value_iteration;
value_iteration exact_value_iteration(const mdp *M, double gamma, const bool *left_out, double *V);

#endif
