/* Estimators of the policy gradient by name, as `ascent estimate` and the derivations run them over all
 * trajectories: each is a weight of the scores (algorithms/psi.h, reinforce.h, vpg.h) and autodiff's gradient of the
 * objective. */
#ifndef ASCENT_ESTIMATE_H
#define ASCENT_ESTIMATE_H

#include "derivations/enumerate.h"

/* Who makes a gradient of the weights: psi_objective; reinforce_gradient; vpg_gradient, whose mean over one
 * trajectory is its sum, or with the mean over its steps */
enum estimate_by { BY_PSI, BY_REINFORCE, BY_VPG, BY_VPG_STEPS };
typedef struct {
    const char *name;
    const char *about;                              /* w_t, in text */
    /* w [T]; values come from f. NULL ends the list. */
    void (*weights)(const finite_horizon *f, const traj *tau, double *w);
    enum estimate_by by;
} gradient_estimator;

extern const gradient_estimator gradient_estimators[];
const gradient_estimator *gradient_estimator_find(const char *name);        /* NULL when there is none */

/* g [n] = sum_t w_t grad log pi(a_t|s_t) on a tape that is kept, for the policy of f. */
typedef struct gradient_estimate gradient_estimate;
gradient_estimate *gradient_estimate_new(const finite_horizon *f, const gradient_estimator *e);
void               gradient_estimate_free(gradient_estimate *g);            /* NULL is fine */
void               gradient_estimate_run(void *estimate, const traj *tau, double *g);   /* an `estimator` */

/* Exact mean and, unless NULL, variance [n] of a named estimator. */
void gradient_estimator_moments(const finite_horizon *f, const char *name, double *mean, double *variance);

#endif
