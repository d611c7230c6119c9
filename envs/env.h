/* Something to act in: the interface of all environments, and all that an algorithm knows of them.
 *
 *     env *e = env_make("FrozenLake-v1", ENV_OWN_LIMIT, error, sizeof error);
 *     env_reset(e, rng);
 *     while (!e->over) {
 *         double a = ...;                                          from e->obs
 *         env_step(e, &a, &reward, &terminated, &truncated);
 *     }
 *
 * terminated: the task is over and nothing can be earned any more; the value of what follows is 0.
 * truncated: the time limit cut the episode here; what follows has a value, that of e->obs, which is the true
 * last observation. A step that terminates at the limit sets both, as in Gymnasium: terminated decides.
 * Nothing resets itself: after the end only env_reset is allowed, and a step is a bug (abort). After env_reset
 * there is always a step to take: an episode that starts where nothing can happen any more (an absorbing state of
 * a finite MDP) ends with its first step, which pays nothing. */
#ifndef ASCENT_ENV_H
#define ASCENT_ENV_H

#include <stdbool.h>
#include <stddef.h>

#include <gsl/gsl_rng.h>

/* What actions or observations are made of: vectors of [dim] doubles. An action of a discrete space is its
 * number, 0..n-1, in one double; an observation of a discrete space is one-hot, and env_state its number. */
typedef struct {
    int n;                          /* discrete: how many; a box: 0 */
    int dim;
    const double *low, *high;       /* [dim] bounds of a box, infinite where there is none; discrete: NULL */
} env_space;

typedef struct env env;
struct env {                        /* to be read by anyone, written by the functions below only */
    char *id;
    env_space action, observation;
    double *obs;                    /* [observation.dim] what the agent sees; the next step writes over it */
    double *state;                  /* [state_n] all that the future depends on, but for t */
    int state_n;
    int t, limit;                   /* steps taken since reset; truncated at this many, 0: never */
    double threshold;               /* mean return at which it counts as solved (Gymnasium's), NaN: none */
    double gamma;                   /* for who solves its MDP or regulator; a step does not discount. NaN: none */
    bool over;                      /* the episode has ended, or none has begun */
    gsl_rng *rng;                   /* the caller's: its only source of randomness */
    const struct env_kind *kind;
    void *model;                    /* the kind's own: nothing in it changes between steps */
    bool borrowed;                  /* the model is another's (env_again) */
};

enum { ENV_NO_LIMIT = 0, ENV_OWN_LIMIT = -1 };

/* An environment by its id, or any finite MDP by its built-in name or file (envs/mdp.h), or a regulator by its file,
 * whose name ends in .lqr (envs/lqr.h). limit: the steps of an
 * episode, ENV_NO_LIMIT, or ENV_OWN_LIMIT for Gymnasium's max_episode_steps, where it has one. NULL and one line
 * in error[size] when there is none of that name or the file is wrong. */
env *env_make(const char *id, int limit, char *error, size_t size);
bool env_is_file(const char *id);    /* is that, if env_make takes it, the name of a file? */
const char *env_id(int i);          /* the i-th that has an id or a built-in name, from 0; NULL past the last */
/* Another one of the same id and limit, with a state of its own. They may act in two threads at once. It looks at e's
 * model, so e must outlive it. */
env *env_again(const env *e);
void env_free(env *e);                                              /* NULL is fine */

/* Begins an episode. All random numbers until the next reset are drawn from rng, which stays the caller's. */
void env_reset(env *e, gsl_rng *rng);
/* action [action.dim], finite; discrete: one of 0..n-1. Outside a box it is no mistake: the environment acts as
 * at the nearest action inside, and only a reward that counts the action may count the one given. */
void env_step(env *e, const double *action, double *reward, bool *terminated, bool *truncated);
/* The number of the state, for tables; an environment without one is a bug. */
int  env_state(const env *e);

/* As in the header of a file of transitions: the i-th component's own name, or state0, state1, ... */
void env_state_name(const env *e, int i, char name[32]);

/* Goes on from a place that was kept: state [state_n] and t as they were between two steps. */
void env_restore(env *e, gsl_rng *rng, const double *state, int t);

/* ---- for those who write environments ---- */

struct env_kind {
    void (*reset)(env *e);                                          /* draws state, writes obs */
    bool (*step)(env *e, const double *action, double *reward);     /* moves state, writes obs; terminated */
    void (*observe)(env *e);                                        /* writes obs from state */
    void (*free)(void *model);                                      /* NULL: there is no model */
    const char *const *state_name;                                  /* [state_n]; NULL: they have none */
};
/* Takes over the model; threshold and gamma none, no limit. The arrays of the spaces must outlive it. */
env *env_new(const char *id, const struct env_kind *kind, void *model, int state_n,
             env_space action, env_space observation);

#endif
