/* Estimators of the policy gradient by name, as `ascent estimate` and the derivations run them over all
 * trajectories: each is a weight of the scores (algorithms/psi.h, nstep.h, gae.h, reinforce.h, vpg.h) and autodiff's
 * gradient of the objective. */
#ifndef ASCENT_ESTIMATE_H
#define ASCENT_ESTIMATE_H

#include "derivations/enumerate.h"
#include "derivations/value_table.h"

/* What a weight may depend on beside the trajectory */
typedef struct {
    double gamma;
    const value_table *critic;
    int n;                                          /* steps of an n-step return, >= 1 */
    double lambda;                                  /* of GAE, in [0, 1] */
    const double *log_pi, *log_pi1;                 /* [nS x nA] log pi(a|s) of the policy, and of who acts */
    int nA;
} weighing;

/* Who makes a gradient of the weights: psi_objective; reinforce_gradient; vpg_gradient, whose mean over one
 * trajectory is its sum, or with the mean over its steps; a2c_gradient; off_policy_gradient. Or the on-line
 * actor-critics, which know their weights: the sum of theta's steps (tabular policies only). */
enum estimate_by { BY_PSI, BY_REINFORCE, BY_VPG, BY_VPG_STEPS, BY_A2C, BY_OFF_POLICY,
                   BY_Q_ACTOR_CRITIC, BY_ADVANTAGE_ACTOR_CRITIC, BY_TD_ACTOR_CRITIC };
enum { NEEDS_V = 1, NEEDS_Q = 2, NEEDS_N = 4, NEEDS_LAMBDA = 8, NEEDS_BEHAVIOUR = 16 };
typedef struct {
    const char *name;
    const char *about;                              /* w_t, in text */
    void (*weights)(const weighing *c, const traj *tau, double *w);     /* w [T]; NULL: they know */
    enum estimate_by by;
    unsigned needs;                                 /* of a weighing */
} gradient_estimator;

extern const gradient_estimator gradient_estimators[];
const gradient_estimator *gradient_estimator_find(const char *name);        /* NULL when there is none */

/* g [n] = sum_t w_t grad log pi(a_t|s_t) on a tape that is kept, for the policy of f;
 * with the exact critic and n = 1, lambda = 0, or with others; critic, the caller's, may be NULL: the exact one. */
typedef struct gradient_estimate gradient_estimate;
gradient_estimate *gradient_estimate_new(const finite_horizon *f, const gradient_estimator *e);
gradient_estimate *gradient_estimate_with(const finite_horizon *f, const gradient_estimator *e,
                                          const value_table *critic, int n, double lambda);
void               gradient_estimate_free(gradient_estimate *g);            /* NULL is fine */
void               gradient_estimate_run(void *estimate, const traj *tau, double *g);   /* an `estimator` */

/* Trajectories of pi1 [nS x nA], another policy: for estimators of NEEDS_BEHAVIOUR, which else see their own */
void gradient_estimate_behaviour(gradient_estimate *g, const double *pi1);

/* Exact mean and, unless NULL, variance [n] of a named estimator. */
void gradient_estimator_moments(const finite_horizon *f, const char *name, double *mean, double *variance);
void gradient_estimator_moments_with(const finite_horizon *f, const char *name, const value_table *critic, int n,
                                     double lambda, double *mean, double *variance);
void gradient_estimator_moments_off_policy(const finite_horizon *f, const char *name, const double *pi1, double *mean,
                                           double *variance);

#endif
