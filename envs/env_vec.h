/* n copies of one environment stepped as one, each with random numbers of its own. Nothing resets itself: a copy
 * that is over keeps its true last observation until env_vec_reset, and a step before that is a bug (abort).
 *
 *     for (int i = 0; i < v->n; i++) env_vec_reset(v, i);
 *     for (;;) {
 *         env_vec_step(v, action, reward, terminated, truncated);          action from v->obs
 *         ...                                                              what v->obs shows is still the end
 *         for (int i = 0; i < v->n; i++)
 *             if (v->e[i]->over) env_vec_reset(v, i);
 *     } */
#ifndef ASCENT_ENV_VEC_H
#define ASCENT_ENV_VEC_H

#include <stdint.h>

#include "envs/env.h"

typedef struct {
    int n;
    env **e;                    /* [n] */
    gsl_rng **rng;              /* [n] the i-th is random_stream(seed, first + i, RANDOM_ENV) */
    double *obs;                /* [n x observation.dim] */
} env_vec;

/* As env_make. Workers of one run that have n copies each take first = worker * n: no two share random numbers. */
env_vec *env_vec_make(const char *id, int n, int limit, uint64_t seed, uint32_t first, char *error, size_t size);
void env_vec_free(env_vec *v);                                      /* NULL is fine */

void env_vec_reset(env_vec *v, int i);
/* action [n x action.dim]; reward, terminated, truncated [n] */
void env_vec_step(env_vec *v, const double *action, double *reward, bool *terminated, bool *truncated);

#endif
