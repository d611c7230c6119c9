/* The promises of an environment, each a function that returns NULL or says what is wrong: see env_checker.h.
 *
 * Goes beyond Gymnasium's check_env, which compares one step and allows differences of 1e-5: here everything is
 * compared bit by bit over ten thousand steps, and the place that env_restore goes on from is one of them. */
#include "envs/env_checker.h"

#include <math.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <gsl/gsl_randist.h>

#include "autodiff/random.h"
#include "autodiff/require.h"

enum { STEPS = 10000,                   /* for each promise, */
       NUMBERS = 1000000 };             /* but not more than so many numbers of observations */

struct checked {
    env_maker *make;
    const void *what;
    uint64_t seed;
    int steps;
    char why[200];
    const char *nothing;            /* why the promise had nothing to check, or NULL */
};

enum { ENV_STREAM, ACTION_STREAM, OTHER_STREAM };           /* workers of the streams of random numbers */

static gsl_rng *stream(const struct checked *c, uint32_t worker)
{
    return random_stream(c->seed, worker, RANDOM_TEST);
}

static const char *wrong(struct checked *c, const char *fmt, ...) PRINTF_LIKE(2, 3);
static const char *wrong(struct checked *c, const char *fmt, ...)
{
    va_list args;
    va_start(args, fmt);
    vsnprintf(c->why, sizeof c->why, fmt, args);
    va_end(args);
    return c->why;
}

/* ---- steps ---- */

struct outcome { double reward; bool terminated, truncated; };

static struct outcome take(env *e, const double *action)
{
    struct outcome o;
    memset(&o, 0, sizeof o);
    env_step(e, action, &o.reward, &o.terminated, &o.truncated);
    return o;
}

/* Uniform over what there is; in an unbounded direction N(0,1) from the bound or from 0. */
static void random_action(const env *e, gsl_rng *rng, double *action)
{
    const env_space *space = &e->action;
    if (space->n > 0) action[0] = (double)gsl_rng_uniform_int(rng, (unsigned long)space->n);
    for (int i = 0; i < space->dim && space->n == 0; i++) {
        double low = space->low[i], high = space->high[i], z = gsl_ran_gaussian(rng, 1);
        action[i] = isfinite(low) && isfinite(high) ? gsl_ran_flat(rng, low, high)
                  : isfinite(low) ? low + fabs(z) : isfinite(high) ? high - fabs(z) : z;
    }
}

static bool same_bits(const double *x, const double *y, int n)
{
    return memcmp(x, y, (size_t)n * sizeof *x) == 0;
}

/* n steps with random actions from where e is, or from a new episode */
static void play(env *e, gsl_rng *rng, gsl_rng *actions, double *a, int n)
{
    for (int i = 0; i < n; i++) {
        if (e->over) env_reset(e, rng);
        random_action(e, actions, a);
        take(e, a);
    }
}

/* What differs between two environments after the same steps, or NULL */
static const char *difference(const env *e, const env *f, struct outcome o, struct outcome p)
{
    if (!same_bits(e->state, f->state, e->state_n)) return "another state";
    if (!same_bits(e->obs, f->obs, e->observation.dim)) return "another observation";
    if (!same_bits(&o.reward, &p.reward, 1)) return "another reward";
    if (o.terminated != p.terminated || o.truncated != p.truncated || e->over != f->over || e->t != f->t)
        return "other flags";
    return NULL;
}

static const char *outside(const env *e)                    /* what of it is not in the space of observations */
{
    const env_space *space = &e->observation;
    double ones = 0, s = e->state[0];
    for (int i = 0; i < e->state_n; i++)
        if (!isfinite(e->state[i])) return "of a state that is not finite";
    if (space->n > 0 && (s < 0 || s >= space->n || s != floor(s))) return "of a state that is none";
    for (int i = 0; i < space->dim; i++) {
        if (!isfinite(e->obs[i])) return "not finite";
        bool inside = space->n > 0 || (e->obs[i] >= space->low[i] && e->obs[i] <= space->high[i]);
        if (!inside) return "out of its bounds";
        if (space->n > 0 && e->obs[i] != 0 && e->obs[i] != 1) return "not one-hot";
        ones += e->obs[i];
    }
    if (space->n > 0 && (ones != 1 || e->obs[(int)s] != 1)) return "not one-hot at its state";
    return NULL;
}

/* ---- the promises ---- */

static const char *bad_space(const env_space *space, bool action)
{
    if (space->dim < 1) return "no dimension";
    if (space->n > 0) return space->low || space->high ? "discrete, with bounds"
                           : space->dim != (action ? 1 : space->n) ? "discrete, of another dimension" : NULL;
    if (space->n < 0 || !space->low || !space->high) return "a box without bounds";
    for (int i = 0; i < space->dim; i++)
        if (!(space->low[i] < space->high[i])) return "low >= high";
    return NULL;
}

static const char *spaces(struct checked *c)
{
    env *e = c->make(c->what, ENV_OWN_LIMIT);
    const char *why = bad_space(&e->action, true);
    if (why) why = wrong(c, "actions: %s", why);
    else if ((why = bad_space(&e->observation, false))) why = wrong(c, "observations: %s", why);
    else if (e->state_n < 1 || e->limit < 0) why = wrong(c, "%d numbers of state, limit %d", e->state_n, e->limit);
    else if (!e->over) why = wrong(c, "an episode has begun before env_reset");
    env_free(e);
    return why;
}

static const char *observations(struct checked *c)
{
    env *e = c->make(c->what, ENV_OWN_LIMIT);
    gsl_rng *rng = stream(c, ENV_STREAM), *actions = stream(c, ACTION_STREAM);
    double *a = allocate((size_t)e->action.dim, sizeof *a, "an action");
    const char *why = NULL;
    for (int i = 0; i < c->steps && !why; i++) {
        struct outcome o = { 0 };
        if (e->over) {
            env_reset(e, rng);
        } else {
            random_action(e, actions, a);
            o = take(e, a);
        }
        if ((why = outside(e)))       why = wrong(c, "at t = %d: %s", e->t, why);
        else if (!isfinite(o.reward)) why = wrong(c, "at t = %d: a reward of %g", e->t, o.reward);
    }
    free(a);
    gsl_rng_free(rng);
    gsl_rng_free(actions);
    env_free(e);
    return why;
}

/* Two instances take the same actions from the same seed. The second may have been through an episode before, or a
 * third may act in between: neither may matter. */
enum company { ALONE, AFTER_AN_EPISODE, WITH_A_THIRD };

static const char *compare_two(struct checked *c, enum company company)
{
    env *e[3];
    gsl_rng *rng[3] = { stream(c, ENV_STREAM), stream(c, ENV_STREAM), stream(c, OTHER_STREAM) };
    gsl_rng *actions = stream(c, ACTION_STREAM);
    for (int k = 0; k < 3; k++) e[k] = c->make(c->what, ENV_OWN_LIMIT);
    double *a = allocate((size_t)e[0]->action.dim, sizeof *a, "an action");
    const char *why = NULL;
    if (company == AFTER_AN_EPISODE) play(e[1], rng[2], rng[2], a, 100);
    env_reset(e[0], rng[0]), env_reset(e[1], rng[1]);
    for (int i = 0; i < c->steps && !why; i++) {
        if (e[0]->over) env_reset(e[0], rng[0]), env_reset(e[1], rng[1]);
        random_action(e[0], actions, a);
        struct outcome o = take(e[0], a), p = take(e[1], a);
        if ((why = difference(e[0], e[1], o, p))) why = wrong(c, "%s after %d steps", why, i + 1);
        else if (company == WITH_A_THIRD) play(e[2], rng[2], rng[2], a, 1);
    }
    free(a);
    for (int k = 0; k < 3; k++) env_free(e[k]), gsl_rng_free(rng[k]);
    gsl_rng_free(actions);
    return why;
}

static const char *same_seed(struct checked *c)    { return compare_two(c, ALONE); }
static const char *independence(struct checked *c) { return compare_two(c, AFTER_AN_EPISODE); }
static const char *separateness(struct checked *c) { return compare_two(c, WITH_A_THIRD); }

/* Every step is also taken by an instance that was restored to the place before it, with a copy of the generator,
 * and that has acted for itself until then. */
static const char *restoring(struct checked *c)
{
    env *e = c->make(c->what, ENV_OWN_LIMIT), *f = c->make(c->what, ENV_OWN_LIMIT);
    gsl_rng *rng = stream(c, ENV_STREAM), *copy = gsl_rng_clone(rng), *actions = stream(c, ACTION_STREAM);
    gsl_rng *other = stream(c, OTHER_STREAM);
    double *a = allocate((size_t)e->action.dim, sizeof *a, "an action");
    const char *why = NULL;
    for (int i = 0; i < c->steps && !why; i++) {
        if (e->over) env_reset(e, rng);
        play(f, other, other, a, 1 + i % 2);
        gsl_rng_memcpy(copy, rng);
        env_restore(f, copy, e->state, e->t);
        random_action(e, actions, a);
        bool same = same_bits(e->obs, f->obs, e->observation.dim);
        struct outcome o = take(e, a), p = take(f, a);
        if (!same) why = wrong(c, "restored to t = %d: another observation", e->t - 1);
        else if ((why = difference(e, f, o, p))) why = wrong(c, "restored to t = %d: %s", e->t - 1, why);
    }
    free(a);
    gsl_rng_free(rng), gsl_rng_free(copy), gsl_rng_free(actions), gsl_rng_free(other);
    env_free(e), env_free(f);
    return why;
}

static const char *limits(struct checked *c)
{
    const char *why = NULL;
    gsl_rng *rng = stream(c, ENV_STREAM), *actions = stream(c, ACTION_STREAM);
    for (int limit = 0; limit <= 8 && !why; limit += 1 + limit) {           /* 0: none; 1, 3, 7 */
        env *e = c->make(c->what, limit);
        double *a = allocate((size_t)e->action.dim, sizeof *a, "an action");
        for (int i = 0; i < 500 && !why; i++) {
            if (e->over) env_reset(e, rng);
            random_action(e, actions, a);
            struct outcome o = take(e, a);
            if (o.truncated != (limit > 0 && e->t == limit))
                why = wrong(c, "%s at t = %d of %d", o.truncated ? "truncated" : "not truncated", e->t, limit);
        }
        free(a);
        env_free(e);
    }
    gsl_rng_free(rng), gsl_rng_free(actions);
    return why;
}

/* From one place, once with an action beyond a bound and once with the bound. */
static const char *clipping(struct checked *c)
{
    env *e = c->make(c->what, ENV_NO_LIMIT), *f = c->make(c->what, ENV_NO_LIMIT);
    gsl_rng *rng = stream(c, ENV_STREAM), *copy = gsl_rng_clone(rng), *actions = stream(c, ACTION_STREAM);
    double *a = allocate(2 * (size_t)e->action.dim, sizeof *a, "actions"), *beyond = a + e->action.dim;
    const char *why = NULL;
    c->nothing = e->action.n ? "actions are discrete" : "no action is bounded";
    for (int i = 0; i < c->steps && e->action.n == 0 && !why; i++) {
        if (e->over) env_reset(e, rng);
        random_action(e, actions, a);
        memcpy(beyond, a, (size_t)e->action.dim * sizeof *a);
        int k = i % e->action.dim;
        double bound = i / e->action.dim % 2 ? e->action.high[k] : e->action.low[k];
        if (isfinite(bound)) {
            c->nothing = NULL;
            a[k] = bound;
            beyond[k] = bound + (bound == e->action.low[k] ? -1 : 1) * gsl_ran_exponential(actions, 1);
        }
        gsl_rng_memcpy(copy, rng);
        env_restore(f, copy, e->state, e->t);
        take(e, a), take(f, beyond);
        if (!same_bits(e->state, f->state, e->state_n))
            why = wrong(c, "action[%d] = %g leads elsewhere than %g", k, beyond[k], a[k]);
    }
    free(a);
    gsl_rng_free(rng), gsl_rng_free(copy), gsl_rng_free(actions);
    env_free(e), env_free(f);
    return why;
}

int env_check(env_maker *make, const void *what, uint64_t seed, FILE *out)
{
    static const struct { const char *promise; const char *(*check)(struct checked *c); } promises[] = {
        { "the spaces make sense", spaces },
        { "observations stay in their space, rewards are finite", observations },
        { "the same seed gives the same episodes, bit by bit", same_seed },
        { "an episode does not depend on the one before", independence },
        { "one instance does not disturb another", separateness },
        { "env_restore goes on bit by bit", restoring },
        { "truncated at the limit and only there", limits },
        { "an action outside the box leads where the nearest inside does", clipping },
    };
    enum { COUNT = sizeof promises / sizeof *promises };
    struct checked c = { .make = make, .what = what, .seed = seed, .steps = STEPS };
    env *e = make(what, ENV_OWN_LIMIT);
    if (c.steps > NUMBERS / e->observation.dim) c.steps = NUMBERS / e->observation.dim + 1;
    env_free(e);
    int failed = 0, empty = 0, tried = 0;
    while (tried < COUNT && !(tried == 1 && failed)) {              /* without spaces there is no use going on */
        const char *promise = promises[tried].promise;
        c.nothing = NULL;
        const char *why = promises[tried++].check(&c);
        failed += why != NULL;
        empty += c.nothing != NULL;
        if (why)            fprintf(out, "FAIL %s: %s\n", promise, why);
        else if (c.nothing) fprintf(out, "n/a %s: %s\n", promise, c.nothing);
        else                fprintf(out, "ok %s\n", promise);
    }
    fprintf(out, "%d passed, %d failed, %d n/a\n", tried - failed - empty, failed, empty);
    return failed;
}
