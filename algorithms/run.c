/* What every update has in common: counting, and looking for what is not finite. The files: run_folder.c. */
#include "algorithms/run.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "algorithms/run_folder.h"
#include "autodiff/random.h"
#include "autodiff/require.h"

run *run_new(const char *algorithm, env *e, uint64_t seed, long steps_wanted)
{
    run *r = allocate(1, sizeof *r, "a run");
    *r = (run){ .algorithm = algorithm, .env = e, .seed = seed, .steps_wanted = steps_wanted,
                .return_mean = NAN, .until = INFINITY,
                .init_rng   = random_stream(seed, 0, RANDOM_INIT),
                .update_rng = random_stream(seed, 0, RANDOM_UPDATE) };
    run_workers(r, 1);
    return r;
}

void run_workers(run *r, int workers)
{
    require(workers >= r->workers && !r->kept, "%d workers of %d, in a run that has begun?", workers, r->workers);
    r->worker = reallocate(r->worker, (size_t)workers, sizeof *r->worker, "workers");
    for (int i = r->workers; i < workers; i++)
        r->worker[i] = (run_worker){ .env = i == 0 ? r->env : env_again(r->env),
                                     .env_rng    = random_stream(r->seed, (uint32_t)i, RANDOM_ENV),
                                     .policy_rng = random_stream(r->seed, (uint32_t)i, RANDOM_POLICY) };
    r->workers = workers;
    r->env_rng = r->worker[0].env_rng;
    r->policy_rng = r->worker[0].policy_rng;
}

void run_act(run *r, int first, int workers, int n, actor *pi, rollout *b)
{
    rollout_clear(b);
    for (int i = 0; i < workers; i++) {
        run_worker *w = &r->worker[first + i];
        b->worker = first + i;
        rollout_steps(b, b->T + n, w->env, w->env_rng, pi, w->policy_rng);
    }
}

void run_free(run *r)
{
    if (!r) return;
    for (int i = 0; i < r->workers; i++) {
        if (i > 0) env_free(r->worker[i].env);
        gsl_rng_free(r->worker[i].env_rng);
        gsl_rng_free(r->worker[i].policy_rng);
    }
    free(r->worker);
    gsl_rng_free(r->init_rng);
    gsl_rng_free(r->update_rng);
    run_folder_free(r->folder);
    free(r->theta);
    free(r->schedule);
    free(r);
}

/* ---- what is not finite ---- */

static const char *kind_of(double x) { return isnan(x) ? "nan" : x > 0 ? "inf" : "-inf"; }

static bool all_finite(size_t n, const double *x)       /* integers, so that it takes no time beside an update */
{
    const uint64_t exponent = (uint64_t)0x7ff << 52;
    uint64_t wrong = 0;
    for (size_t i = 0; i < n; i++) {
        uint64_t bits;
        memcpy(&bits, &x[i], sizeof bits);
        wrong |= (uint64_t)((bits & exponent) == exponent);
    }
    return !wrong;
}

static void look_through(const char *name, size_t n, const double *x)
{
    if (all_finite(n, x)) return;
    size_t i = 0;
    while (isfinite(x[i])) i++;
    numerical_failure("%s[%zu] is %s", name, i, kind_of(x[i]));
}

static void look_through_batch(const rollout *b)
{
    size_t T = (size_t)b->T;
    look_through("reward", T, b->r);
    look_through("observation", T * (size_t)b->d, b->s);
    look_through("last observation", (size_t)b->segments * (size_t)b->d, b->s_end);
    look_through("action", T * (size_t)b->k, b->a);
}

static void look_through_kept(const run *r)
{
    for (const kept *k = r->kept; k->name; k++)
        if (k->x && !k->seen) look_through(k->name, k->n, k->x);
    for (const shown *s = r->shown; s && s->name; s++)
        if (isinf(*s->x)) numerical_failure("%s is %s", s->name, kind_of(*s->x));
}

/* ---- counting ---- */

static double window_mean(const run *r)
{
    long n = r->episodes < RUN_WINDOW ? r->episodes : RUN_WINDOW;
    double sum = 0;
    for (long i = 0; i < n; i++) sum += r->returns[i];
    return n > 0 ? sum / (double)n : NAN;
}

static void count(run *r, const rollout *b)
{
    long before = r->episodes;
    r->steps += b->T;
    for (const segment *g = b->segment; g < b->segment + b->segments; g++) {
        require(g->worker < r->workers, "a segment of worker %d of %d", g->worker, r->workers);
        double *sum = &r->worker[g->worker].episode_return;
        if (g->starts) *sum = 0;
        for (int t = g->first; t < g->first + g->T; t++) {
            *sum += b->r[t];
            r->largest_reward = fmax(r->largest_reward, fabs(b->r[t]));
        }
        if (g->terminated || g->truncated) r->returns[r->episodes++ % RUN_WINDOW] = *sum;
    }
    if (r->episodes != before) r->return_mean = window_mean(r);
}

/* ---- the three calls ---- */

void run_begin(run *r, const kept *k, const shown *s)
{
    r->kept = k;
    r->shown = s;
    numerical_failure_says(r->algorithm, &r->steps);
    if (r->folder) run_folder_begin(r);
    r->return_mean = window_mean(r);
}

bool run_update(run *r, const rollout *batch)
{
    if (batch->T > 0) {
        count(r, batch);
        look_through_batch(batch);
        look_through_kept(r);
        if (r->folder) run_folder_update(r);
    }
    bool reached = r->episodes >= RUN_WINDOW && r->return_mean >= r->until;
    return r->steps < r->steps_wanted && !reached;
}

void run_end(run *r)
{
    if (r->folder) run_folder_end(r);
    else if (r->kept->x) {
        r->theta = reallocate(r->theta, r->kept->n, sizeof *r->theta, "theta");
        memcpy(r->theta, r->kept->x, r->kept->n * sizeof *r->theta);
    }
    numerical_failure_says(NULL, NULL);
    r->kept = NULL;
    r->shown = NULL;
}
