/* The compatible critic: linear in the scores of the policy. Sutton, McAllester, Singh and Mansour (2000), theorem 2;
 * Kakade (2002). 000 (eq 6) writes = for any critic; with this one it holds.
 *
 *     phi_t = grad_theta log pi_theta(a_t|s_t)                                the features
 *     Q_w(s,a) = w^T phi(s,a)                                                 linear: grad_w Q_w = phi
 *     w = argmin sum_t d_t (Q_w(s_t,a_t) - A_t)^2,    A_t = Q or A: both give the same w in the mean
 *
 * Then E[Q_w grad log pi] = E[Q^pi grad log pi], and w is the natural gradient, (1-gamma) F^+ grad J (QAC-3). In each
 * state Q_w has mean 0 over actions: it is an advantage, and says nothing of V. */
#ifndef ASCENT_COMPATIBLE_H
#define ASCENT_COMPATIBLE_H

#include "algorithms/rollout.h"

/* phi [b->T x p->n], one reverse sweep a step */
void compatible_features(ad_tape *t, const policy *p, const double *theta, const rollout *b, double *phi);
/* w [n], of all minimisers the shortest: the features of a softmax depend on one another. phi [T x n]; d [T] >= 0;
 * A [T]. An eigenvalue of sum_t d_t phi_t phi_t^T counts as 0 up to 10 n u times the largest. */
void compatible_fit(int T, int n, const double *phi, const double *d, const double *A, double *w);
void compatible_Q(int T, int n, const double *phi, const double *w, double *Q);         /* Q_w [T] */

#endif
