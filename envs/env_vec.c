/* Many environments stepped as one: see env_vec.h. */
#include "envs/env_vec.h"

#include <stdlib.h>
#include <string.h>

#include "autodiff/random.h"
#include "autodiff/require.h"

env_vec *env_vec_make(const char *id, int n, int limit, uint64_t seed, uint32_t first, char *error, size_t size)
{
    require(n > 0, "%d copies of %s", n, id);
    env *e = env_make(id, limit, error, size);
    if (!e) return NULL;
    env_vec *v = allocate(1, sizeof *v, "environments");
    *v = (env_vec){ .n = n, .e = allocate((size_t)n, sizeof *v->e, "environments"),
                    .rng = allocate((size_t)n, sizeof *v->rng, "random streams"),
                    .obs = allocate((size_t)n * (size_t)e->observation.dim, sizeof *v->obs, "observations") };
    for (int i = 0; i < n; i++) {
        v->e[i] = i == 0 ? e : env_make(id, limit, error, size);
        v->rng[i] = random_stream(seed, first + (uint32_t)i, RANDOM_ENV);
        if (v->e[i]) continue;
        v->n = i + 1;                                               /* the file has changed meanwhile */
        env_vec_free(v);
        return NULL;
    }
    return v;
}

void env_vec_free(env_vec *v)
{
    if (!v) return;
    for (int i = 0; i < v->n; i++) env_free(v->e[i]), gsl_rng_free(v->rng[i]);
    free(v->e);
    free(v->rng);
    free(v->obs);
    free(v);
}

static void show(env_vec *v, int i)
{
    int dim = v->e[i]->observation.dim;
    memcpy(v->obs + i * dim, v->e[i]->obs, (size_t)dim * sizeof *v->obs);
}

void env_vec_reset(env_vec *v, int i)
{
    env_reset(v->e[i], v->rng[i]);
    show(v, i);
}

void env_vec_step(env_vec *v, const double *action, double *reward, bool *terminated, bool *truncated)
{
    for (int i = 0; i < v->n; i++) {
        env_step(v->e[i], action + i * v->e[i]->action.dim, &reward[i], &terminated[i], &truncated[i]);
        show(v, i);
    }
}
