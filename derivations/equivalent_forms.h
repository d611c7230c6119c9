/* Means and variances of the six estimators of PGT-9 .. PGT-14 without a trajectory: moments carried
 * backward in time. */
#ifndef ASCENT_EQUIVALENT_FORMS_H
#define ASCENT_EQUIVALENT_FORMS_H

#include "derivations/enumerate.h"

enum form { TOTAL_RETURN, REWARD_TO_GO, BASELINE, ACTION_VALUE, ADVANTAGE, TD_RESIDUAL, FORMS };
extern const char *const form_name[FORMS];          /* as estimators are called in estimate.h */

/* mean [n] of g, and the trace of its covariance */
void form_moments(const finite_horizon *f, enum form form, double *mean, double *trace);
/* The same for the total return with an a_T drawn and its score added (ERR-40), over all trajectories */
void form_sum_to_T(const finite_horizon *f, double *mean, double *trace);

/* All six over all trajectories: how far the mean is from the gradient, and the trace of the covariance */
void form_table(const finite_horizon *f, FILE *out);

#endif
