/* Environments through the interface that algorithms use: 1000 steps with random actions, resets included. */
#include <stdio.h>

#include "autodiff/random.h"
#include "autodiff/require.h"
#include "envs/env.h"
#include "tests/bench/bench.h"

enum { STEPS = 1000 };
typedef struct { env *e; gsl_rng *rng; double action[STEPS]; } job;

static void take_steps(void *p)
{
    job *j = p;
    double reward;
    bool terminated, truncated;
    for (int n = 0; n < STEPS; n++) {
        if (j->e->over) env_reset(j->e, j->rng);
        env_step(j->e, &j->action[n], &reward, &terminated, &truncated);
    }
}

void bench_envs(void)
{
    static const struct { const char *id, *goal; } table[] = {
        { "CartPole-v1", "<= 66.7, 15 M steps/s" }, { "Acrobot-v1", "none" }, { "MountainCar-v0", "none" },
        { "MountainCarContinuous-v0", "none" }, { "Pendulum-v1", "none" }, { "FrozenLake-v1", "none" } };
    for (int i = 0; i < (int)(sizeof table / sizeof *table); i++) {
        char name[64], error[2048];
        job j = { .e = env_make(table[i].id, ENV_OWN_LIMIT, error, sizeof error),
                  .rng = random_stream(1, 0, RANDOM_ENV) };
        if (!j.e) bad_input("%s", error);
        for (int n = 0; n < STEPS; n++)
            j.action[n] = j.e->action.n ? (double)gsl_rng_uniform_int(j.rng, (unsigned long)j.e->action.n)
                                        : gsl_rng_uniform(j.rng);
        snprintf(name, sizeof name, "%s, 1000 steps", table[i].id);
        bench_row(name, table[i].goal, &j, 1, &(bench_contestant){ "steps", take_steps });
        gsl_rng_free(j.rng);
        env_free(j.e);
    }
}
