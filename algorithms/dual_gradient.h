/* Dual gradient descent on the KL-constrained surrogate: see dual_gradient.c. */
#ifndef ASCENT_DUAL_GRADIENT_H
#define ASCENT_DUAL_GRADIENT_H

#include "algorithms/algorithm.h"

typedef struct {
    double delta_kl;        /* epsilon: what the mean KL may be */
    double lambda, alpha;   /* the first multiplier and its step size, in their units (dual_gradient_unit) */
    long steps;             /* of gradient ascent in theta' for each step of lambda; 0: to the maximum */
    double lr;              /* of these steps, in units of 1/lambda's unit */
    long updates;           /* of lambda, at most */
    double settled;         /* relative: |KL - epsilon| <= settled epsilon ends it */
    double tolerance;       /* nothing is done when no policy has L - eta of more */
} dual_gradient_config;
extern const dual_gradient_config dual_gradient_defaults;
extern const config_field dual_gradient_fields[];

double dual_gradient_kl(int nA, const double *pi1, const double *pi);           /* KL-3   KL(pi1||pi) of one state */
double dual_gradient_mean_kl(const exact_table *x, const double *pi1);          /* over the decision states, by rho */
/* KL-5   A_bar - lambda (mean KL - epsilon), A_bar(pi1) = surrogate_gain(x, pi1) */
double dual_gradient_lagrangian(const exact_table *x, double epsilon, double lambda, const double *pi1);
/* KL-6, step 1: pi1 [nS x nA] = argmax of it, lambda >= 0; 0: the limit from above */
void   dual_gradient_maximise(const exact_table *x, double lambda, double *pi1);
/* ... or one step of size lr along its gradient in the logits z [nS x nA] of pi1 = softmax z. Returns the gradient's
 * largest entry, before the step. */
double dual_gradient_ascend(const exact_table *x, double lambda, double lr, double *z, double *pi1);
double dual_gradient_lambda(double lambda, double alpha, double mean_kl, double epsilon);       /* KL-6, step 2 */
/* The multiplier if KL were its quadratic form and A_bar linear: the unit of lambda; that of alpha is it / (2 eps) */
double dual_gradient_unit(const exact_table *x, double epsilon);

improvement dual_gradient_improve(const void *config, const exact_table *x, double *pi_new);
void        dual_gradient_explain(FILE *out, const void *config, uint64_t seed);

#endif
