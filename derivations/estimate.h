/* Estimators of the policy gradient by name, as `ascent estimate` and the derivations run them over all
 * trajectories: each is a weight of the scores (algorithms/psi.h) and autodiff's gradient of the objective. */
#ifndef ASCENT_ESTIMATE_H
#define ASCENT_ESTIMATE_H

#include "derivations/enumerate.h"

typedef struct {
    const char *name;
    const char *about;                              /* gamma^t Psi_t, in text */
    /* w [T]; values come from f. NULL ends the list. */
    void (*weights)(const finite_horizon *f, const traj *tau, double *w);
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
