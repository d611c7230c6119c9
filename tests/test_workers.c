/* Workers that share parameters: their turns, their rows, and the order of both, with a small algorithm whose numbers
 * depend on all of them.
 *     test_workers [pattern]       runs the tests whose names match */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "algorithms/workers.h"
#include "autodiff/random.h"
#include "tests/child_process.h"

static env *make(const char *id)
{
    char error[512] = "";
    env *e = env_make(id, ENV_OWN_LIMIT, error, sizeof error);
    if (!e) fail_msg("%s", error);
    return e;
}

/* x <- .99 x + .01 (rewards seen, theta'): any change of order, copy or stream shows. counts: exact. */
enum { N = 70, T_MAX = 5 };
struct toy { policy p; double *policy_theta; actor *pi[SCHEDULE_MAX_WORKERS]; };

static void learner(worker *w, void *of)
{
    struct toy *toy = of;
    while ((w = worker_turn(w))) {
        double x[N], reward = 0;
        rollout_segment(w->b, T_MAX, w->env, w->env_rng, toy->pi[w->i], w->policy_rng);
        for (int t = 0; t < w->b->T; t++) reward += w->b->r[t] + w->b->s[t * w->b->d];
        worker_updates(w);
        shared_load(N, w->all->x, x);
        for (int i = 1; i < N; i++) x[i] = 0.99 * x[i] + 0.01 * (reward + (i + w->i) * w->theta[i]);
        x[0] += 1;
        shared_store(N, x, w->all->x);
    }
}

static run *toy_run(int n, int schedule, bool locks, uint64_t seed, long steps, const char *replay)
{
    env *e = make("CartPole-v1");
    run *r = run_new("toy", e, seed, steps);
    struct toy toy = { .p = policy_of(e, 0, NULL, AD_TANH) };
    double x[N] = { 0 };
    toy.policy_theta = calloc((size_t)toy.p.n, sizeof(double));
    for (int i = 1; i < N; i++) x[i] = 1.0 / i;
    if (replay) r->schedule = strcpy(malloc(strlen(replay) + 1), replay);
    workers *all = workers_new(r, (shared_part[]){ { "x", N }, { NULL } }, N, n, schedule, locks);
    for (int i = 0; i < n; i++) toy.pi[i] = actor_new(&toy.p, toy.policy_theta);
    shared_store(N, x, all->x);
    workers_begin(all, NULL, NULL);
    workers_run(all, learner, &toy);
    workers_end(all);
    for (int i = 0; i < n; i++) actor_free(toy.pi[i]);
    free(toy.policy_theta);
    r->env = NULL;                          /* closed here */
    r->workers = r->workers;
    return r;
}

int main(int argc, char **argv) { (void)argc; (void)argv; (void)toy_run; return 0; }
