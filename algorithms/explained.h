/* What the explanations of single updates share: they act in a small finite MDP, whose observations are
 * one-hot, with a policy without hidden layers, so that theta is a row of logits a state and a row of biases. */
#ifndef ASCENT_EXPLAINED_H
#define ASCENT_EXPLAINED_H

#include <stdio.h>

#include "algorithms/samples.h"

/* E5x; the scalar LQR, whose actions are a box: of at most 5 steps */
env *explained_env(void);
env *explained_box(void);
int  explained_state(const rollout *b, int t);                                          /* the number of s_t */
void explained_logp(const policy *p, const double *theta, const rollout *b, double *logp);      /* [b->T] */
/* g, before, after [p->n]: a line a state */
void explained_theta(FILE *out, const policy *p, const double *g, const double *before, const double *after);
/* The same of other parameters, by their name */
void explained_table(FILE *out, const char *name, const policy *p, const double *g, const double *before,
                     const double *after);
/* g, before, after [n] of parameters with a name each */
void explained_vector(FILE *out, size_t n, const char *const name[], const double *g, const double *before,
                      const double *after);
/* The parameters of V without hidden layers, [n]: a column a state, and b */
void explained_V(FILE *out, const char *name, int n, const double *g, const double *before, const double *after);
/* The steps of a batch with V(s_t), A_t and log pi(a_t|s_t) [b->T], and what follows each segment */
void explained_segments(FILE *out, const rollout *b, const double *V, const double *V_end, const double *A,
                        const double *logp);
/* PPO-17   The same of samples, with their targets; normalised: of what, or "off" */
void explained_samples(FILE *out, const rollout *b, const samples *D, const double *V_end,
                       const char *normalised);
/* The mean of (V(s_t) - R_t)^2; R [b->T] */
double explained_V_error(ad_tape *t, const network *f, const double *phi, const rollout *b, const double *R);
/* A3C-28   the first step of RMSProp, eps in its root or beside it */
void explained_rmsprop(FILE *out, double alpha, double eps, bool outside);

#endif
