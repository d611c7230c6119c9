/* Workers of one run that share its parameters: the plumbing of A3C and its family. Each has an environment and
 * random streams of its own, and a copy theta' of the shared parameters. An algorithm's worker reads as the
 * page does:
 *
 *     static void actor_learner(worker *w, void *of)
 *     {
 *         while ((w = worker_turn(w))) {                  theta' <- theta; the last turn, if any, is over
 *             rollout_segment(w->b, t_max, w->env, w->env_rng, pi, w->policy_rng);
 *             ...                                         d_theta, from w->theta and w->b
 *             worker_updates(w);                          T <- T + t - t_start; alone, where locks = on
 *             rmsprop_shared_ascend(&step, w->all->x, d_theta);
 *         }
 *     }
 *
 *     workers *all = workers_new(run, parts, copied, c->workers, c->schedule, c->locks);
 *     shared_store(n, theta, all->x);                     first parameters
 *     workers_begin(all, NULL, NULL);
 *     workers_run(all, actor_learner, of);
 *     workers_end(all);                                   run->theta, if in memory, is all->x's first part
 *
 * Under schedule = threads each worker is a thread. locks = on: copying is one event and updating another, no
 * two at once, and their order is written down (schedule.h). locks = off: Hogwild!, entries are read and
 * written one by one while others do; such a run cannot be replayed. Every other schedule is executed by one
 * thread, which acts as one worker after the other: worker_turn then returns another worker than it was given.
 * One worker is one thread.
 *
 * Steps are counted by rows: when WORKERS_ROW steps were made since the last row, workers come to a stop at
 * their next turn, and the first thread alone calls run_update with everybody's segments. So a checkpoint holds
 * nothing that is half done, no step is made that is not counted, and all that run_update does is done by one
 * thread. */
#ifndef ASCENT_WORKERS_H
#define ASCENT_WORKERS_H

#include <pthread.h>
#include <stdatomic.h>

#include "algorithms/schedule.h"

enum { WORKERS_ROW = 500 };

/* Relaxed loads and stores, entry by entry */
void shared_load(size_t n, _Atomic double *x, double *to);
void shared_store(size_t n, const double *from, _Atomic double *x);

typedef struct workers workers;
typedef struct {
    int i;                              /* its number, from 0 */
    workers *all;
    env *env;
    gsl_rng *env_rng, *policy_rng;      /* as run->worker[i] */
    double *theta;                      /* [copied] theta': the first `copied` of all->x, as they were */
    rollout *b;                         /* what it sees in this turn: empty when that begins */
    long T, t;                          /* set by worker_updates: the steps of all, its own, so far, b's among them */
    /* the plumbing's own: */
    rollout *seen;                      /* since the last row */
    long begun, version;                /* its turn has begun, at this number of updates; survive */
    bool acts;                          /* between worker_turn and worker_turn */
} worker;

/* The shared vector x is made of parts, one behind the other; each is kept in the checkpoint under its name. */
typedef struct { const char *name; size_t n; } shared_part;        /* ends at name NULL */

struct workers {
    run *run;
    int n;
    worker *worker;                     /* [n] */
    _Atomic double *x;                  /* [size] */
    size_t size, copied;
    atomic_long T;                      /* steps of all */
    atomic_long updates, lag;           /* made; the sum of how many others came between copy and update */
    double lag_mean;                    /* of the updates of the last row, to be shown */
    /* the plumbing's own: */
    bool locks, threads;
    schedule *schedule;
    const shared_part *parts;
    kept *kept;
    double *mirror;                     /* [size] x as run_update sees it */
    rollout *seen;
    long row_T, row_updates, row_lag, updates_kept;     /* at the last row */
    pthread_mutex_t one;                /* who copies or updates */
    pthread_mutex_t gate;               /* who comes to a stop */
    pthread_cond_t all_stopped, go_on;
    int stopped;
    long rows;
    bool ended;
};

/* copied: how many of the first numbers of x a worker copies. `parts` is borrowed until workers_begin. */
workers *workers_new(run *r, const shared_part *parts, size_t copied, int n, int schedule, bool locks);
void     workers_free(workers *all);                                /* NULL is fine */
/* run_begin; `also` (or NULL): what the algorithm keeps beside x. Only at a row is it looked at. */
void     workers_begin(workers *all, const kept *also, const shown *s);
/* Calls learner(worker, of) in each thread. It returns when worker_turn returned NULL. */
void     workers_run(workers *all, void (*learner)(worker *w, void *of), void *of);
void     workers_end(workers *all);                                 /* run_end, and workers_free */

/* Ends w's turn, if it is in one. Then whose turn it is, theta' being copied; NULL at the end of the run. */
worker *worker_turn(worker *w);
void    worker_updates(worker *w);

#endif
