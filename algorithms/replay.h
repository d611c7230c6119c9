/* DDPG-20, S-41   Experience replay (002, l.162-163, l.186-190): what was seen, kept, and drawn from again and again:
 *
 *     D: the last `capacity` transitions (s, a, r, s', d)         the oldest is written over
 *     B: minibatch of them, each drawn uniformly and by itself, so that one may come twice
 *
 * d says that s' TERMINATED the task, so that nothing can be earned from it on (ERR-67). Where the time limit cut the
 * episode d = 0, and s' is what was seen last, not where the next episode began. */
#ifndef ASCENT_REPLAY_H
#define ASCENT_REPLAY_H

#include <gsl/gsl_rng.h>

#include "envs/env.h"

/* D. What survives a checkpoint: x and count. */
typedef struct {
    int d, k;                   /* numbers in an observation, in an action */
    long capacity;
    long count;                 /* stored, ever; the next goes to count % capacity */
    size_t n;
    double *x;                  /* [n], n = capacity (2d + k + 2): a row of s, a, r, s', d each */
} replay;
replay *replay_new(const env *e, long capacity);
void    replay_free(replay *D);                         /* NULL is fine */
long    replay_size(const replay *D);                   /* how many there are */
void    replay_store(replay *D, const double *s, const double *a, double r, const double *s1, bool terminated);

/* B */
typedef struct {
    int T;                      /* transitions */
    int d, k;
    double *s, *s1;             /* [T x d] */
    double *a;                  /* [T x k] */
    int *index;                 /* [T] a of a discrete space; a box: NULL */
    double *r, *done;           /* [T]; done: the d above, 1 or 0 */
} minibatch;
minibatch *minibatch_new(const env *e, int T);
void         minibatch_free(minibatch *B);          /* NULL is fine */
void         replay_sample(const replay *D, gsl_rng *rng, minibatch *B);

#endif
