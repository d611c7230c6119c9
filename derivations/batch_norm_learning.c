/* DDPG with and without batch normalisation, on inputs of different scales. 002 (l.165, l.192); Lillicrap et al.
 * 2016, section 3. The derivatives through the batch's statistics are checked by tests/test_batch_norm.c. */
#include <gsl/gsl_sort.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "algorithms/ddpg.h"
#include "autodiff/random.h"
#include "autodiff/require.h"
#include "derivations/derivation.h"
#include "derivations/measured.h"

/* ---- an environment whose observations are multiplied by `scale` ---- */

typedef struct { env *e; double scale; } scaled;

static void show(env *e)
{
    const scaled *m = e->model;
    memcpy(e->state, m->e->state, (size_t)e->state_n * sizeof *e->state);
    for (int i = 0; i < e->observation.dim; i++) e->obs[i] = m->scale * m->e->obs[i];
}

static void scaled_reset(env *e)
{
    env_reset(((scaled *)e->model)->e, e->rng);
    show(e);
}

static bool scaled_step(env *e, const double *action, double *reward)
{
    bool terminated, truncated;
    env_step(((scaled *)e->model)->e, action, reward, &terminated, &truncated);
    show(e);
    return terminated;
}

static void scaled_free(void *model)
{
    env_free(((scaled *)model)->e);
    free(model);
}

/* The scalar regulator with |u| <= 2, so that no policy drives x beyond numbers; or Pendulum-v1 */
static env *scaled_env(bool regulator, double scale)
{
    static const struct env_kind kind = { scaled_reset, scaled_step, NULL, scaled_free, NULL };
    static const double low[] = { -2 }, high[] = { 2 };
    scaled *m = allocate(1, sizeof *m, "an environment");
    *m = (scaled){ measured_env(regulator ? "lqr" : "Pendulum-v1"), scale };
    env_space action = regulator ? (env_space){ .dim = 1, .low = low, .high = high } : m->e->action;
    env *e = env_new("scaled", &kind, m, m->e->state_n, action, m->e->observation);
    e->limit = regulator ? 20 : 200;
    return e;
}

/* ---- runs, and what their policies earn ---- */

enum { RUNS = 11, PENDULA = 3, STARTS = 20 };

/* Mean return from the same STARTS starts; mu NULL: of doing nothing */
static double mean_return(env *e, actor *mu)
{
    gsl_rng *rng = random_stream(1, 0, RANDOM_TEST);
    double sum = 0, r, a = 0;
    bool terminated, truncated;
    for (int i = 0; i < STARTS; i++)
        for (env_reset(e, rng); !e->over; sum += r) {
            if (mu) actor_mode(mu, e->obs, &a);
            env_step(e, &a, &r, &terminated, &truncated);
        }
    gsl_rng_free(rng);
    return sum / STARTS;
}

/* DDPG-21   mean return of what a run of algorithms/ddpg.c leaves */
static double learnt(bool regulator, double scale, bool batch_norm, uint64_t seed)
{
    ddpg_config c = ddpg_defaults;
    c.start_steps = 1000;
    c.batch = regulator ? 64 : 32;
    c.hidden = regulator ? (widths){ 1, { 32 } } : (widths){ 2, { 32, 32 } };
    c.gamma = regulator ? 0.9 : 0.95;
    c.sigma = regulator ? 0.25 : 0.1;
    c.rho = 0.98;
    c.batch_norm = batch_norm;
    env *e = scaled_env(regulator, scale);
    policy p = ddpg_policy(e, &c);
    run *r = measured_run(e, ddpg, &c, seed, regulator ? 3000 : 4000, INFINITY);
    actor *mu = actor_new(&p, r->theta);
    double J = mean_return(e, mu);
    actor_free(mu);
    measured_free(r);
    return J;
}

static double nothing_done(void)
{
    env *e = scaled_env(true, 1);
    double J = mean_return(e, NULL);
    env_free(e);
    return J;
}

/* Of RUNS policies, what they pay, as a part of what doing nothing pays; sorted */
static void costs(uint64_t seed, double scale, bool batch_norm, double cost[RUNS])
{
    double nothing = nothing_done();
    for (int k = 0; k < RUNS; k++) cost[k] = learnt(true, scale, batch_norm, seed + (uint64_t)k) / nothing;
    gsl_sort(cost, 1, RUNS);
}

static double median_cost(const setting *x, double scale, bool batch_norm, double *out)
{
    double cost[RUNS];
    costs(x->seed, scale, batch_norm, cost);
    *out = cost[RUNS / 2];
    return 0;
}

static double plain_1(const setting *x, double *out)        { return median_cost(x, 1, false, out); }
static double plain_100(const setting *x, double *out)      { return median_cost(x, 100, false, out); }
static double normalised_100(const setting *x, double *out) { return median_cost(x, 100, true, out); }

static void page_of_scales(const setting *x, FILE *out)
{
    static const char *const name[] = { "without", "with" };
    fprintf(out, "part of the cost that is left, of %d runs: least, median, greatest\n%10s", RUNS, "scale");
    for (int on = 0; on < 2; on++) fprintf(out, " %30s", name[on]);
    putc('\n', out);
    for (int scale = 1; scale <= 100; scale *= 10) {
        fprintf(out, "%10d", scale);
        for (int on = 0; on < 2; on++) {
            double cost[RUNS];
            costs(x->seed, scale, on, cost);
            fprintf(out, " %10.3f%10.3f%10.3f", cost[0], cost[RUNS / 2], cost[RUNS - 1]);
        }
        putc('\n', out);
    }
    fprintf(out, "A median of %d is wrong when six runs are: were three of four on the other side of a half, it"
            " would be seen with\nprobability .97.\n\nIt is no rule. Pendulum-v1, scale 10, mean returns of %d"
            " runs of 4000 steps:", RUNS, PENDULA);
    for (int on = 0; on < 2; on++) {
        fprintf(out, "\n%10s", name[on]);
        for (int k = 0; k < PENDULA; k++) fprintf(out, " %8.0f", learnt(false, 10, on, x->seed + (uint64_t)k));
    }
    putc('\n', out);
}

const derivation batch_norm_learning[] = {
    { "DDPG-21", "batch normalisation lets one setting learn whatever the scale of its inputs",
      "cost of the policy / cost of doing nothing, the median of eleven runs", count_one,
      unit_of_one, NULL, NULL, {
        { "\\tfrac12", "of what doing nothing costs", .is = { 0.5 } },
        { "\\ge C,\\ s\\ \\text{as it is}",
          "the control: without normalisation the task itself is learnt", plain_1,
          AT_MOST },
        { "\\ge C,\\ 100\\,s,\\ \\text{normalised}", "batch_norm = on, nothing else is changed", normalised_100,
          AT_MOST },
        { "\\le C,\\ 100\\,s", "without: the same setting learns next to nothing", plain_100, AT_LEAST } },
      "the scalar regulator with |u| <= 2, 20 steps an episode; algorithms/ddpg.c, 3000 steps", page_of_scales,
      .trains = 3 },
    { .id = NULL }
};
