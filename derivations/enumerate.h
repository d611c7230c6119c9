/* The enumerator: all trajectories of a finite MDP under a policy, up to horizon H, with their probabilities. An
 * estimator that is run over all of them has its exact mean and variance, with no sampling at all; the estimator
 * is the code that training uses. And the oracle for a finite horizon: M unrolled in time and solved exactly.
 *
 * A trajectory ends (terminated) in an absorbing zero-reward state, else it is cut off after H steps (truncated).
 *
 * Error of a mean E[g_i]: p(tau) is a product of 2H+1 factors, each multiplication right to u = 2^-52; the sum is
 * compensated (Neumaier), so that its length does not count. In all (2H + 2) u E|g_i|, and the estimator's own
 * rounding. The variance is summed in a second pass as E[(g_i - mean_i)^2]: nothing cancels as in
 * E[g^2] - E[g]^2. */
#ifndef ASCENT_ENUMERATE_H
#define ASCENT_ENUMERATE_H

#include <stddef.h>
#include <stdio.h>

#include "algorithms/traj.h"
#include "derivations/exact.h"

/* Looks at one trajectory and writes all of g [n]. */
typedef void (*estimator)(void *context, const traj *tau, double *g);

/* How many trajectories of positive probability there are; exact to 2^53. pi [nS x nA] */
double enumerate_count(const mdp *M, const double *pi, int H);
/* max |sum_s' P(s'|s,a) - 1|: rows off by that much gain or lose so much probability in each step. */
double enumerate_defect(const mdp *M);
/* What E[r + gamma V(s') | s,a], summed over s', may be off by: the defect's share of V; and rounding, u N max|R|,
 * which shows where rewards larger than all values cancel. */
double enumerate_room(const exact *x);

/* mean [n] = E[g], and, unless NULL, variance [n], of each component: their sum is the trace of the covariance. */
void enumerate_moments(const mdp *M, const double *pi, int H, estimator f, void *context, int n, double *mean,
                       double *variance);

/* The oracle: V_t, Q_t and the gradient of J_H(theta) = E[sum_{t<H} gamma^t r_t], from the exact layer on the
 * unrolled MDP (mdp_unroll), whose state t nS + s is s at time t. theta is one for all times. gamma may be 1. */
enum { FINITE_MAX_STATES = 20000 };         /* of all times together */
typedef struct {
    const mdp *M;                   /* the caller's, and so is policy */
    double gamma;
    const policy_class *policy;
    double *theta;                  /* [n] */
    mdp *start;                     /* NULL, or M but for mu0, which it owns */
    int H;
    mdp *unrolled;
    exact *x;                       /* on it: pi, V, Q, rho of all times */
} finite_horizon;

/* H >= 1. NULL and one line in error[size] when it is too large to be solved. */
finite_horizon *finite_new(const mdp *M, double gamma, const policy_class *policy, const double *theta, int H,
                           char *error, size_t size);
void            finite_free(finite_horizon *f);                         /* NULL is fine */
double          finite_V(const finite_horizon *f, int t, int s);            /* 0 at t = H */
double          finite_Q(const finite_horizon *f, int t, int s, int a);
void            finite_gradient(const finite_horizon *f, double *g);        /* [n] */

/* The problem that the derivations enumerate: the MDP and policy of x, from the FINITE_STARTS states where
 * pi's actions differ most, sum_a pi(a|s) |A(s,a)|, equally likely (a start far from every reward says
 * nothing), over the longest horizon <= FINITE_HORIZON that has at most FINITE_TRAJECTORIES. NULL and the
 * reason when there is none. */
enum { FINITE_STARTS = 4, FINITE_HORIZON = 3, FINITE_TRAJECTORIES = 5000, FINITE_STATES = 400 };
finite_horizon *finite_small(const exact *x, const char **reason);
const char     *finite_small_reason(const exact *x);                        /* NULL: there is one */
#define FINITE_SMALL "H <= 3 steps from up to 4 states, see below"
void            finite_small_describe(const finite_horizon *f, FILE *out);  /* which steps and states */

/* One unit of error of a gradient by either account: u N H^2 W c, N = max(nS, 4), and W = max(1, sum_{t<H} gamma^t
 * max|r|) bounds every weight of a score; an estimate has H of them, and V_t H sums behind it. c: see exact.h. */
double finite_unit_gradient(const finite_horizon *f, double c);
double finite_scale(const finite_horizon *f);                               /* W */
/* What rows of P that do not sum to 1 may add to it: each step's defect, on each of H weights */
double finite_room(const finite_horizon *f, double c);

#endif
