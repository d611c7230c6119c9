/* Acting in a linear-quadratic regulator: see lqr.h. */
#include "envs/lqr.h"

#include <math.h>
#include <stdlib.h>

#include <gsl/gsl_randist.h>

#include "autodiff/require.h"

const lqr lqr_scalar = { .A = 1, .B = 0.5, .Q = 1, .R = 0.1, .W = 0, .X0 = 1, .gamma = 0.9 };

static void observe(env *e) { e->obs[0] = e->state[0]; }

static void reset(env *e)
{
    const lqr *L = e->model;
    e->state[0] = gsl_ran_gaussian_ziggurat(e->rng, sqrt(L->X0));
    observe(e);
}

static bool step(env *e, const double *action, double *reward)
{
    const lqr *L = e->model;
    double x = e->state[0], u = action[0];
    double w = L->W > 0 ? gsl_ran_gaussian_ziggurat(e->rng, sqrt(L->W)) : 0;
    *reward = -(L->Q * x * x + L->R * u * u);
    e->state[0] = L->A * x + L->B * u + w;
    observe(e);
    return false;
}

env *lqr_env_new(const char *id, const lqr *L)
{
    static const char *const state_name[] = { "x" };
    static const struct env_kind kind = { reset, step, observe, free, state_name };
    static const double low[] = { -INFINITY }, high[] = { INFINITY };
    require(L->Q >= 0 && L->R >= 0 && L->W >= 0 && L->X0 >= 0, "%s: Q %g, R %g, W %g, X0 %g", id, L->Q, L->R,
            L->W, L->X0);
    lqr *model = allocate(1, sizeof *model, "an environment");
    *model = *L;
    return env_new(id, &kind, model, 1, (env_space){ .dim = 1, .low = low, .high = high },
                   (env_space){ .dim = 1, .low = low, .high = high });
}

env *lqr_scalar_new(const char *id) { return lqr_env_new(id, &lqr_scalar); }
