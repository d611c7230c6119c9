/* The batch of an update: see rollout.h. */
#include "algorithms/rollout.h"

#include <limits.h>
#include <stdlib.h>
#include <string.h>

#include "autodiff/require.h"

rollout *rollout_shaped(int d, int k, bool discrete)
{
    require(d >= 1 && k >= 1 && (!discrete || k == 1), "a rollout of observations [%d], actions [%d]", d, k);
    rollout *b = allocate(1, sizeof *b, "a rollout");
    *b = (rollout){ .d = d, .k = k, .index = discrete ? allocate(1, sizeof *b->index, "a rollout") : NULL };
    return b;
}

rollout *rollout_new(const env *e)
{
    return rollout_shaped(e->observation.dim, e->action.dim, e->action.n > 0);
}

void rollout_free(rollout *b)
{
    if (!b) return;
    free(b->s);
    free(b->a);
    free(b->index);
    free(b->r);
    free(b->segment);
    free(b->s_end);
    free(b);
}

void rollout_clear(rollout *b)
{
    b->T = b->segments = 0;
}

static void make_room(rollout *b)
{
    if (b->room > INT_MAX / 2) out_of_memory(0, "a batch of more steps than it can count");
    b->room = b->room ? 2 * b->room : 512;
    size_t T = (size_t)b->room;
    b->s = reallocate(b->s, T * (size_t)b->d, sizeof *b->s, "a rollout");
    b->a = reallocate(b->a, T * (size_t)b->k, sizeof *b->a, "a rollout");
    b->r = reallocate(b->r, T, sizeof *b->r, "a rollout");
    if (b->index) b->index = reallocate(b->index, T, sizeof *b->index, "a rollout");
}

static void make_segment_room(rollout *b)
{
    b->segment_room = b->segment_room ? 2 * b->segment_room : 16;
    size_t n = (size_t)b->segment_room;
    b->segment = reallocate(b->segment, n, sizeof *b->segment, "a rollout");
    b->s_end = reallocate(b->s_end, n * (size_t)b->d, sizeof *b->s_end, "a rollout");
}

/* The steps behind the last segment's belong to one that has not ended yet. */
static int last_end(const rollout *b)
{
    return b->segments ? b->segment[b->segments - 1].first + b->segment[b->segments - 1].T : 0;
}

/* Room for one more step from s; a_t [k] and r_t are to be written */
static void begin_step(rollout *b, const double *s)
{
    if (b->T == b->room) make_room(b);
    memcpy(b->s + (size_t)b->T * (size_t)b->d, s, (size_t)b->d * sizeof *s);
}

static double *action(const rollout *b) { return b->a + (size_t)b->T * (size_t)b->k; }

static void end_step(rollout *b)
{
    if (b->index) b->index[b->T] = (int)*action(b);
    b->T++;
}

void rollout_add(rollout *b, const double *s, const double *a, double r)
{
    begin_step(b, s);
    memcpy(action(b), a, (size_t)b->k * sizeof *a);
    b->r[b->T] = r;
    end_step(b);
}

void rollout_end(rollout *b, const double *s_end, bool starts, bool terminated, bool truncated)
{
    int first = last_end(b);
    require(b->T > first, "a segment of a rollout without a step");
    if (b->segments == b->segment_room) make_segment_room(b);
    memcpy(b->s_end + (size_t)b->segments * (size_t)b->d, s_end, (size_t)b->d * sizeof *s_end);
    b->segment[b->segments++] = (segment){ first, b->T - first, starts, terminated, truncated, b->worker };
}

void rollout_take(rollout *b, int T, const env *e, const double *s, const double *a, double r, bool terminated,
                  bool truncated)
{
    rollout_add(b, s, a, r);
    if (e->over || b->T == T) rollout_end(b, e->obs, e->t == b->T - last_end(b), terminated, truncated);
}

/* One segment: to the end of the episode, or until the batch holds T steps */
static void go_on(rollout *b, int T, env *e, actor *pi, gsl_rng *rng)
{
    bool starts = e->t == 0, terminated = false, truncated = false;
    while (!e->over && b->T < T) {
        begin_step(b, e->obs);
        actor_draw(pi, rng, e->obs, action(b));
        env_step(e, action(b), &b->r[b->T], &terminated, &truncated);
        end_step(b);
    }
    rollout_end(b, e->obs, starts, terminated, truncated);
}

void rollout_episode(rollout *b, env *e, gsl_rng *env_rng, actor *pi, gsl_rng *policy_rng)
{
    env_reset(e, env_rng);
    go_on(b, b->T + ROLLOUT_EPISODE_MAX, e, pi, policy_rng);
    if (!e->over)
        bad_input("%s: expected an episode to end within %d steps; --limit T cuts it off", e->id,
                  ROLLOUT_EPISODE_MAX);
}

void rollout_segment(rollout *b, int T, env *e, gsl_rng *env_rng, actor *pi, gsl_rng *policy_rng)
{
    if (e->over) env_reset(e, env_rng);
    go_on(b, T, e, pi, policy_rng);
}

void rollout_steps(rollout *b, int T, env *e, gsl_rng *env_rng, actor *pi, gsl_rng *policy_rng)
{
    while (b->T < T) rollout_segment(b, T, e, env_rng, pi, policy_rng);
}
