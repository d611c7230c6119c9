/* A batch as single samples: what several epochs of minibatches draw from (PPO-12). What the old policy said of them
 * is computed once, before the first step, and held constant. */
#ifndef ASCENT_SAMPLES_H
#define ASCENT_SAMPLES_H

#include "algorithms/rollout.h"

typedef struct {
    int T;                  /* samples */
    int d, k, m;            /* numbers in an observation, in an action, in the parameters of pi(.|s) */
    double *s;              /* [T x d] s_t */
    double *a;              /* [T x k] a_t, as drawn */
    int *index;             /* [T] a_t of a discrete space; a box: NULL */
    double *pi_old;         /* [T x m] the parameters of pi_old(.|s_t): policy_parameters */
    double *logp_old;       /* [T] log pi_old(a_t|s_t) */
    double *V_old;          /* [T] V_old(s_t) */
    double *A, *R;          /* [T] advantages, targets of V */
    int room;
} samples;

samples *samples_new(const policy *p, int room);
void     samples_free(samples *b);                      /* NULL is fine */

/* s, a and what pi_theta says of them, of a whole rollout of at most `room` steps; V_old, A and R are the caller's */
void samples_old(samples *b, ad_tape *t, const policy *p, const double *theta, const rollout *from);
/* The M samples that `which` names, into b */
void samples_gather(samples *b, const samples *from, const int *which, int M);
/* order [T] <- a permutation of 0 .. T-1, all equally likely (Fisher, Yates) */
void samples_shuffle(gsl_rng *rng, int T, int *order);

#endif
