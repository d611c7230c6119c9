/* The regulators on which the derivations about deterministic policies are evaluated: one state and one action
 * without noise, ERR-68's; a cart (2 and 1); three rooms with two heaters (3 and 2), with noise. Each with a gain
 * that is stable, and not the best. */
#ifndef ASCENT_REGULATORS_H
#define ASCENT_REGULATORS_H

#include <stdint.h>

#include <gsl/gsl_rng.h>

#include "derivations/lqr_exact.h"

enum { REGULATORS = 3, REGULATOR_MAX = 3 };         /* states or actions of each, at most */

#define THREE_REGULATORS "three regulators: 1 state and 1 action (ERR-68), a cart, three rooms with noise"
const char *regulator_name(int i);
lqr_system *regulator_system(int i);
/* Its table under its gain; S [m x m] the covariance of noise in the actions, NULL: none. L stays the caller's. */
lqr_exact  *regulator_exact(int i, const lqr_system *L, const double *S);

/* f(x, s, weight, to) for states s and weights with sum weight s s^T = X = sum_t gamma^t E[x_t x_t^T]: the columns
 * of a root of M0, which say what X is made of, each followed along F until gamma^t |F^t|^2 is nothing. What is
 * quadratic in the state has there the sum that it has over rho. */
typedef void (*regulator_visit)(const lqr_exact *x, const double *s, double weight, double *to);
void regulator_visits(const lqr_exact *x, regulator_visit f, double *to);

/* E[f(xi)] for xi ~ N(0, C), C [n x n], n <= 3: f at 3^n nodes, exact up to degree 5. */
typedef double (*regulator_function)(const double *xi, const void *of);
double regulator_mean(int n, const double *C, regulator_function f, const void *of);

#endif
