/* MDP-3: what an agent has seen, step after step, in one array; a batch for one update. It is cut into
 * segments: episodes, or parts of episodes where the batch began or ended within one.
 *
 *     rollout *b = rollout_new(e);
 *     rollout_clear(b);
 *     rollout_episode(b, e, env_rng, actor, policy_rng);
 *
 * `terminated` and `truncated` are two things. What follows the last step of a segment is worth 0 if it
 * terminated, else V(s_end), whether the time limit or the batch cut it there: an algorithm with a V may add
 * it, one without ends its sums there. */
#ifndef ASCENT_ROLLOUT_H
#define ASCENT_ROLLOUT_H

#include "algorithms/policy.h"

typedef struct {
    int first, T;               /* steps first .. first + T - 1 of the batch; T >= 1 */
    bool starts;                /* the first step is the first of its episode */
    bool terminated, truncated; /* after the last step; neither: the batch ended before the episode did */
    int worker;                 /* whose: run.h */
} segment;

typedef struct {
    int d, k;                   /* numbers in an observation, in an action */
    int T;                      /* steps */
    double *s;                  /* [T x d] s_t */
    double *a;                  /* [T x k] a_t */
    int *index;                 /* [T] a_t of a discrete space; a box: NULL */
    double *r;                  /* [T] r_t, paid for a_t */
    int segments;
    segment *segment;           /* [segments] */
    double *s_end;              /* [segments x d] what was seen after the last step of each */
    int worker;                 /* of the segments to come: 0, until somebody writes another number */
    int room, segment_room;     /* how many steps and segments there is memory for */
} rollout;

rollout *rollout_new(const env *e);                     /* empty, of e's shapes */
rollout *rollout_shaped(int d, int k, bool discrete);   /* empty */
void     rollout_free(rollout *b);                      /* NULL is fine */
void     rollout_clear(rollout *b);

/* Resets e and runs one episode to its end; exit 2 if it has none within ROLLOUT_EPISODE_MAX steps.
 * Environment and policy draw from streams of their own. */
enum { ROLLOUT_EPISODE_MAX = 100000 };
void rollout_episode(rollout *b, env *e, gsl_rng *env_rng, actor *pi, gsl_rng *policy_rng);
/* Goes on until the batch holds T steps: to the end of the episode at most, or over ends of episodes. e stays within
 * its episode. */
void rollout_segment(rollout *b, int T, env *e, gsl_rng *env_rng, actor *pi, gsl_rng *policy_rng);
void rollout_steps(rollout *b, int T, env *e, gsl_rng *env_rng, actor *pi, gsl_rng *policy_rng);

/* Written by hand: one step, and the end of its segment (see there). s, s_end [d], a [k] */
void rollout_add(rollout *b, const double *s, const double *a, double r);
void rollout_end(rollout *b, const double *s_end, bool starts, bool terminated, bool truncated);
/* Both: the step that e took by a; its segment ends with the episode, or where the batch holds T steps */
void rollout_take(rollout *b, int T, const env *e, const double *s, const double *a, double r, bool terminated,
                  bool truncated);

#endif
