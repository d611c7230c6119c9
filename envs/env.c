/* What all environments share: see env.h. */
#include "envs/env.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "autodiff/require.h"
#include "envs/classic_control.h"
#include "envs/env_mdp.h"
#include "envs/lqr.h"

/* Gymnasium's ids with its max_episode_steps and reward_threshold (CliffWalking has neither), and our own. */
static const struct named {
    const char *id;
    env *(*make)(const char *id);           /* NULL: the finite MDP of this name */
    int limit;
    double threshold;
} named[] = {
    { "CartPole-v1", cartpole_new, 500, 475 },
    { "Acrobot-v1", acrobot_new, 500, -100 },
    { "MountainCar-v0", mountain_car_new, 200, -110 },
    { "MountainCarContinuous-v0", mountain_car_continuous_new, 999, 90 },
    { "Pendulum-v1", pendulum_new, 200, NAN },
    { "lqr", lqr_scalar_new, 100, NAN },
    { "FrozenLake-v1", NULL, 100, 0.70 },
    { "FrozenLakeNotSlippery-v1", NULL, 100, 0.70 },
    { "FrozenLake8x8-v1", NULL, 200, 0.85 },
    { "FrozenLake8x8NotSlippery-v1", NULL, 200, 0.85 },
    { "Taxi-v3", NULL, 200, 8 },
    { "Taxi-v4", NULL, 200, 8 },
};
enum { COUNT = sizeof named / sizeof *named };

static const struct named *find(const char *id)
{
    for (int i = 0; i < COUNT; i++)
        if (strcmp(named[i].id, id) == 0) return &named[i];
    return NULL;
}

bool env_is_file(const char *id)
{
    const struct named *own = find(id);
    return !(own && own->make) && !mdp_is_builtin(id);
}

const char *env_id(int i)
{
    for (int k = 0; k < COUNT; k++)
        if (named[k].make && i-- == 0) return named[k].id;
    return mdp_builtin_name(i);
}

/* mdp_open's answer to an unknown name, with the environments that are no finite MDPs before the others */
static void list_names(const char *id, char *error, size_t size)
{
    snprintf(error, size, "%s: expected a .mdp or .lqr file or one of ", id);
    for (int i = 0; i < COUNT; i++)
        if (named[i].make) snprintf(error + strlen(error), size - strlen(error), "%s, ", named[i].id);
    mdp_builtin_list(error + strlen(error), size - strlen(error));
}

env *env_make(const char *id, int limit, char *error, size_t size)
{
    require(limit >= ENV_OWN_LIMIT, "time limit %d of %s", limit, id);
    const struct named *own = find(id);
    env *e = own && own->make ? own->make(id) :
             lqr_is_file(id) ? lqr_env_open(id, error, size) : env_mdp_open(id, error, size);
    if (!e && !mdp_is_builtin(id) && !strpbrk(id, "./") && access(id, F_OK) != 0) list_names(id, error, size);
    if (!e) return NULL;
    if (own) e->threshold = own->threshold;
    e->limit = limit != ENV_OWN_LIMIT ? limit : own ? own->limit : ENV_NO_LIMIT;
    return e;
}

env *env_new(const char *id, const struct env_kind *kind, void *model, int state_n,
             env_space action, env_space observation)
{
    env *e = allocate(1, sizeof *e, "an environment");
    *e = (env){ .id = allocate(strlen(id) + 1, 1, "an environment's id"), .kind = kind, .model = model,
                .action = action, .observation = observation, .state_n = state_n, .over = true,
                .threshold = NAN, .gamma = NAN,
                .state = allocate((size_t)state_n, sizeof *e->state, "an environment's state"),
                .obs = allocate((size_t)observation.dim, sizeof *e->obs, "an observation") };
    strcpy(e->id, id);
    return e;
}

env *env_again(const env *e)
{
    env *again = env_new(e->id, e->kind, e->model, e->state_n, e->action, e->observation);
    again->borrowed = true;
    again->limit = e->limit;
    again->threshold = e->threshold;
    again->gamma = e->gamma;
    return again;
}

void env_free(env *e)
{
    if (!e) return;
    if (e->kind->free && !e->borrowed) e->kind->free(e->model);
    free(e->id);
    free(e->state);
    free(e->obs);
    free(e);
}

void env_reset(env *e, gsl_rng *rng)
{
    e->rng = rng;
    e->t = 0;
    e->over = false;
    e->kind->reset(e);
}

void env_restore(env *e, gsl_rng *rng, const double *state, int t)
{
    require(t >= 0 && (e->limit == ENV_NO_LIMIT || t < e->limit), "%s: restored at t = %d", e->id, t);
    e->rng = rng;
    e->t = t;
    e->over = false;
    memcpy(e->state, state, (size_t)e->state_n * sizeof *state);
    e->kind->observe(e);
}

static void require_action(const env *e, const double *action)
{
    const env_space *space = &e->action;
    double a = action[0];
    if (space->n > 0)
        require(a >= 0 && a < space->n && a == (int)a, "%s: action %g of %d", e->id, a, space->n);
    for (int i = 0; i < space->dim; i++)
        require(isfinite(action[i]), "%s: action[%d] = %g", e->id, i, action[i]);
}

void env_step(env *e, const double *action, double *reward, bool *terminated, bool *truncated)
{
    require(!e->over, "%s: a step before env_reset or after the end of an episode", e->id);
    require_action(e, action);
    *terminated = e->kind->step(e, action, reward);
    e->t++;
    *truncated = e->limit != ENV_NO_LIMIT && e->t >= e->limit;
    e->over = *terminated || *truncated;
}

void env_state_name(const env *e, int i, char name[32])
{
    if (e->kind->state_name) snprintf(name, 32, "%s", e->kind->state_name[i]);
    else                     snprintf(name, 32, "state%d", i);
}

int env_state(const env *e)
{
    require(e->observation.n > 0, "%s has no states with numbers", e->id);
    return (int)e->state[0];
}
