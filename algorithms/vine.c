/* Trying out: rollouts from states of a trajectory, the trunk (002, l.271, image TRPO21; see trpo_vine.h). From each
 * rollout state the environment is run again and again, each time with another first action.
 *
 * Critical
 *   - All rollouts of s_n begin at s_n: state, clock of the time limit, and what the agent saw there. The trunk
 *     has an environment of its own, and goes on where it was.
 *   - Common random numbers: the rollouts of s_n draw the same ones, from the same places of their streams, so
 *     that Q's differences are those of the actions. Those of the next state draw others.
 *   - Every step counts, those of the rollouts too. A rollout is no episode: its return is none of pi_theta's. */
#include <stdlib.h>
#include <string.h>

#include <gsl/gsl_randist.h>

#include "algorithms/trpo_vine.h"
#include "autodiff/random.h"
#include "autodiff/require.h"

vine vine_new(const policy *p, const trpo_vine_config *c)
{
    bool all = p->nA && c->estimator == VINE_ALL;
    vine v = { .N = (int)c->states, .K = all ? p->nA : (int)c->actions, .d = p->d, .k = p->k, .all = all };
    size_t N = (size_t)v.N, K = (size_t)v.K, d = (size_t)v.d, k = (size_t)v.k;
    v.s = allocate(N * (d + K * (k + 1)), sizeof *v.s, "a vine");
    v.a = v.s + N * d;
    v.Q = v.a + N * K * k;
    if (p->nA) v.index = allocate(N * K, sizeof *v.index, "a vine");
    return v;
}

void vine_free(vine *v)
{
    free(v->s);
    free(v->index);
}

vine_places vine_places_new(const env *e, const trpo_vine_config *c)
{
    size_t T = (size_t)(c->trpo.workers * c->trpo.n_steps), S = (size_t)e->state_n, d = (size_t)e->observation.dim;
    vine_places x = { .state = allocate(T * S + d + (size_t)e->action.dim, sizeof *x.state, "states of a trunk"),
                      .time = allocate(2 * T, sizeof *x.time, "times of a trunk") };
    x.which = x.time + T;
    x.s = x.state + T * S;
    x.a = x.s + d;
    return x;
}

void vine_places_free(vine_places *x)
{
    free(x->state);
    free(x->time);
}

/* Goes on for n steps, over ends of episodes */
static void grow(rollout *b, int n, run_worker *w, actor *pi, vine_places *x)
{
    env *e = w->env;
    size_t S = (size_t)e->state_n;
    for (int end = b->T + n; b->T < end;) {
        bool terminated = false, truncated = false;
        if (e->over) env_reset(e, w->env_rng);
        bool starts = e->t == 0;
        do {
            double r;
            memcpy(x->state + (size_t)b->T * S, e->state, S * sizeof *x->state);
            memcpy(x->s, e->obs, (size_t)b->d * sizeof *x->s);
            x->time[b->T] = e->t;
            actor_draw(pi, w->policy_rng, e->obs, x->a);
            env_step(e, x->a, &r, &terminated, &truncated);
            rollout_add(b, x->s, x->a, r);
        } while (!e->over && b->T < end);
        rollout_end(b, e->obs, starts, terminated, truncated);
    }
}

/*[snip vine-rollout later]*/
/* s <- the state; a, then a_t ~ pi(.|s_t) */
void vine_rollout(rollout *b, env *e, const double *state, int time, const double *a, int length, gsl_rng *env_rng,
                  actor *pi, gsl_rng *policy_rng)
{
    /* BEGIN SOLUTION TRPO-15 */
    bool terminated, truncated;
    double r, *s = allocate((size_t)b->d, sizeof *s, "an observation");
    env_restore(e, env_rng, state, time);
    memcpy(s, e->obs, (size_t)b->d * sizeof *s);
    env_step(e, a, &r, &terminated, &truncated);
    rollout_add(b, s, a, r);
    if (e->over || length == 1) rollout_end(b, e->obs, false, terminated, truncated);
    else rollout_segment(b, b->T + length - 1, e, env_rng, pi, policy_rng);
    free(s);
    /* END SOLUTION */
}
/*[/snip]*/

static uint64_t largest(uint64_t a, uint64_t b) { return a > b ? a : b; }

/* a_{n,1} .. a_{n,K}: all, or each from pi(.|s_n) */
static void choose(const vine *v, size_t n, actor *pi, gsl_rng *rng)
{
    size_t K = (size_t)v->K, d = (size_t)v->d, k = (size_t)v->k;
    double *a = v->a + n * K * k;
    for (size_t i = 0; i < K; i++) {
        if (v->all) a[i] = (double)i;
        else        actor_draw(pi, rng, v->s + n * d, a + i * k);
        if (v->index) v->index[n * K + i] = (int)a[i * k];
    }
}

/*[snip vine-try-out later]*/
/* TRPO-15   the K actions of state n, and their rollouts */
static void try_out(const trpo_vine_config *c, vine *v, size_t n, const vine_places *x, run_worker *w, actor *pi,
                    rollout *b)
{
    size_t K = (size_t)v->K, d = (size_t)v->d, k = (size_t)v->k, at = (size_t)x->which[n];
    const double *state = x->state + at * (size_t)w->env->state_n;
    memcpy(v->s + n * d, b->s + at * d, d * sizeof *v->s);
    choose(v, n, pi, w->policy_rng);
    uint64_t env_at = random_position(w->env_rng), policy_at = random_position(w->policy_rng);
    uint64_t env_end = env_at, policy_end = policy_at;
    for (size_t i = n * K; i < (n + 1) * K; i++) {
        if (c->common) {
            random_seek(w->env_rng, env_at);
            random_seek(w->policy_rng, policy_at);
        }
        vine_rollout(b, w->env, state, x->time[at], v->a + i * k, (int)c->length, w->env_rng, pi, w->policy_rng);
        env_end    = largest(env_end, random_position(w->env_rng));
        policy_end = largest(policy_end, random_position(w->policy_rng));
    }
    random_seek(w->env_rng, env_end);                   /* the next state draws other numbers */
    random_seek(w->policy_rng, policy_end);
}
/*[/snip]*/

/* which [N] of the T steps of the trunk, all equally likely, in order */
static void draw_states(gsl_rng *rng, int T, int N, int *which)
{
    int *each = allocate((size_t)T, sizeof *each, "an order");
    for (int t = 0; t < T; t++) each[t] = t;
    gsl_ran_choose(rng, which, (size_t)N, each, (size_t)T, sizeof *each);
    free(each);
}

rollout vine_act(const trpo_vine_config *c, run *training, actor *pi, vine_places *x, vine *v, rollout *b)
{
    int workers = (int)c->trpo.workers;
    rollout_clear(b);
    for (int i = 0; i < workers; i++) {
        b->worker = i;
        grow(b, (int)c->trpo.n_steps, &training->worker[i], pi, x);
    }
    int T = b->T, segments = b->segments;
    draw_states(training->update_rng, T, v->N, x->which);
    b->worker = workers;
    for (size_t n = 0; n < (size_t)v->N; n++) try_out(c, v, n, x, &training->worker[workers], pi, b);
    rollout trunk = *b;
    trunk.T = T;
    trunk.segments = segments;
    return trunk;
}

void vine_count_no_episodes(rollout *b, int trunk)
{
    for (int i = trunk; i < b->segments; i++) {
        b->segment[i].starts = true;
        b->segment[i].terminated = b->segment[i].truncated = false;
    }
}
