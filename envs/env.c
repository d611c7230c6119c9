/* What all environments share: see env.h. */
#include "envs/env.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "autodiff/require.h"
#include "envs/env_mdp.h"

/* Gymnasium's max_episode_steps; its CliffWalking has none. */
static const struct { const char *id; int steps; } own_limit[] = {
    { "FrozenLake-v1", 100 },   { "FrozenLakeNotSlippery-v1", 100 },
    { "FrozenLake8x8-v1", 200 }, { "FrozenLake8x8NotSlippery-v1", 200 },
    { "Taxi-v3", 200 },         { "Taxi-v4", 200 },
};

static int limit_of(const char *id)
{
    for (size_t i = 0; i < sizeof own_limit / sizeof *own_limit; i++)
        if (strcmp(own_limit[i].id, id) == 0) return own_limit[i].steps;
    return ENV_NO_LIMIT;
}

env *env_make(const char *id, int limit, char *error, size_t size)
{
    require(limit >= ENV_OWN_LIMIT, "time limit %d of %s", limit, id);
    env *e = env_mdp_open(id, error, size);
    if (e) e->limit = limit == ENV_OWN_LIMIT ? limit_of(id) : limit;
    return e;
}

env *env_new(const char *id, const struct env_kind *kind, void *model, int state_n,
             env_space action, env_space observation)
{
    env *e = allocate(1, sizeof *e, "an environment");
    *e = (env){ .id = allocate(strlen(id) + 1, 1, "an environment's id"), .kind = kind, .model = model,
                .action = action, .observation = observation, .state_n = state_n, .over = true,
                .state = allocate((size_t)state_n, sizeof *e->state, "an environment's state"),
                .obs = allocate((size_t)observation.dim, sizeof *e->obs, "an observation") };
    strcpy(e->id, id);
    return e;
}

void env_free(env *e)
{
    if (!e) return;
    e->kind->free(e->model);
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

int env_state(const env *e)
{
    require(e->observation.n > 0, "%s has no states with numbers", e->id);
    return (int)e->state[0];
}
