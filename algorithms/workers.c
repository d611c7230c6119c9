/* Threads, turns and rows: see workers.h. */
#include "algorithms/workers.h"

#include <math.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>

#include "autodiff/require.h"

/* ---- shared numbers ---- */

void shared_load(size_t n, _Atomic double *x, double *to)
{
    for (size_t i = 0; i < n; i++) to[i] = atomic_load_explicit(&x[i], memory_order_relaxed);
}

void shared_store(size_t n, const double *from, _Atomic double *x)
{
    for (size_t i = 0; i < n; i++) atomic_store_explicit(&x[i], from[i], memory_order_relaxed);
}

static long count_of(atomic_long *count) { return atomic_load_explicit(count, memory_order_relaxed); }

/* The count as it was before */
static long add(atomic_long *count, long k) { return atomic_fetch_add_explicit(count, k, memory_order_relaxed); }

/* ---- what survives ---- */

static int length(const kept *k)
{
    int n = 0;
    while (k && k[n].name) n++;
    return n;
}

static void list_kept(workers *all, const shared_part *parts, const kept *also)
{
    enum { OF_ALL = 3, OF_ONE = 4 };
    int n = 0, others = length(also), most = others + OF_ALL + OF_ONE * all->n + 1;
    while (parts[n].name) n++, most++;
    kept *k = all->kept = allocate((size_t)most, sizeof *k, "what is kept");
    double *x = all->mirror;
    for (const shared_part *p = parts; p->name; x += p++->n) *k++ = (kept){ p->name, x, p->n };
    for (int i = 0; i < others; i++) *k++ = also[i];
    *k++ = (kept){ "events", .count = &all->schedule->events };
    *k++ = (kept){ "next worker", .count = &all->schedule->next };
    *k++ = (kept){ "updates", .count = &all->updates_kept };
    for (worker *w = all->worker; w < all->worker + all->n; w++) {
        *k++ = (kept){ "theta'", w->theta, all->copied, .seen = true };
        *k++ = (kept){ "t", .count = &w->t };
        *k++ = (kept){ "turn begun", .count = &w->begun };
        *k++ = (kept){ "version of theta'", .count = &w->version };
    }
}

workers *workers_new(run *r, const shared_part *parts, size_t copied, int n, int kind, bool locks)
{
    workers *all = allocate(1, sizeof *all, "workers");
    *all = (workers){ .run = r, .n = n, .copied = copied, .locks = locks,
                      .threads = kind == SCHEDULE_THREADS && n > 1, .lag_mean = NAN, .parts = parts,
                      .seen = rollout_new(r->env) };
    for (const shared_part *p = parts; p->name; p++) all->size += p->n;
    require(copied <= all->size, "%zu numbers of %zu are copied", copied, all->size);
    all->x = allocate(all->size, sizeof *all->x, "shared parameters");
    all->mirror = allocate(all->size, sizeof *all->mirror, "shared parameters");
    all->schedule = schedule_new(kind, n, locks || !all->threads);
    all->worker = allocate((size_t)n, sizeof *all->worker, "workers");
    run_workers(r, n);
    for (int i = 0; i < n; i++) {
        run_worker *own = &r->worker[i];
        all->worker[i] = (worker){ .i = i, .all = all, .env = own->env, .env_rng = own->env_rng,
                                   .policy_rng = own->policy_rng, .b = rollout_new(own->env),
                                   .seen = rollout_new(own->env),
                                   .theta = allocate(copied, sizeof(double), "a worker's parameters") };
        all->worker[i].b->worker = i;
    }
    int failed = pthread_mutex_init(&all->one, NULL) || pthread_mutex_init(&all->gate, NULL)
              || pthread_cond_init(&all->all_stopped, NULL) || pthread_cond_init(&all->go_on, NULL);
    if (failed) out_of_memory(0, "a lock");
    return all;
}

void workers_free(workers *all)
{
    if (!all) return;
    for (worker *w = all->worker; w < all->worker + all->n; w++) {
        rollout_free(w->b);
        rollout_free(w->seen);
        free(w->theta);
    }
    free(all->worker);
    pthread_mutex_destroy(&all->one);
    pthread_mutex_destroy(&all->gate);
    pthread_cond_destroy(&all->all_stopped);
    pthread_cond_destroy(&all->go_on);
    schedule_free(all->schedule);
    rollout_free(all->seen);
    free(all->kept);
    free(all->mirror);
    free(all->x);
    free(all);
}

/* ---- rows ---- */

static void append(rollout *to, const rollout *b, int whose)
{
    size_t d = (size_t)b->d, k = (size_t)b->k;
    to->worker = whose;
    for (int i = 0; i < b->segments; i++) {
        const segment *g = &b->segment[i];
        for (size_t t = (size_t)g->first; t < (size_t)(g->first + g->T); t++)
            rollout_add(to, b->s + t * d, b->a + t * k, b->r[t]);
        rollout_end(to, b->s_end + (size_t)i * d, g->starts, g->terminated, g->truncated);
    }
}

static bool row_is_due(workers *all) { return count_of(&all->T) - all->row_T >= WORKERS_ROW; }

/* Nobody is within a turn, or all others have only copied and one thread acts for all. */
static void row(workers *all)
{
    if (!all->threads || all->locks) schedule_row(all->schedule);
    rollout_clear(all->seen);
    for (worker *w = all->worker; w < all->worker + all->n; w++) {
        append(all->seen, w->seen, w->i);
        rollout_clear(w->seen);
    }
    long updates = count_of(&all->updates), lag = count_of(&all->lag);
    all->lag_mean = (double)(lag - all->row_lag) / (double)(updates - all->row_updates);
    all->row_updates = all->updates_kept = updates;
    all->row_lag = lag;
    all->row_T = count_of(&all->T);
    shared_load(all->size, all->x, all->mirror);
    all->ended = !run_update(all->run, all->seen);
    require(all->run->steps == all->row_T, "%ld steps counted, %ld made", all->run->steps, all->row_T);
}

/* All threads come here when a row is due: T only grows. */
static void stop_for_row(worker *w)
{
    workers *all = w->all;
    pthread_mutex_lock(&all->gate);
    long before = all->rows;
    all->stopped++;
    if (w->i > 0) {
        if (all->stopped == all->n) pthread_cond_signal(&all->all_stopped);
        while (all->rows == before) pthread_cond_wait(&all->go_on, &all->gate);
    } else {
        while (all->stopped < all->n) pthread_cond_wait(&all->all_stopped, &all->gate);
        row(all);
        all->stopped = 0;
        all->rows++;
        pthread_cond_broadcast(&all->go_on);
    }
    pthread_mutex_unlock(&all->gate);
}

/* ---- turns ---- */

/* One event at a time, where it is written down */
static void event_begins(workers *all, char event)
{
    if (all->threads && !all->locks) return;
    if (all->threads) pthread_mutex_lock(&all->one);
    schedule_event(all->schedule, event);
}

static void event_ends(workers *all)
{
    if (all->threads && all->locks) pthread_mutex_unlock(&all->one);
}

static void copy(worker *w)                                         /* theta' <- theta */
{
    workers *all = w->all;
    event_begins(all, (char)('a' + w->i));
    w->version = count_of(&all->updates);
    shared_load(all->copied, all->x, w->theta);
    w->begun = 1;
    event_ends(all);
}

void worker_updates(worker *w)
{
    workers *all = w->all;
    require(w->acts && w->b->T > 0, "worker %d updates without a turn, or without a step", w->i);
    event_begins(all, (char)('A' + w->i));
    add(&all->lag, add(&all->updates, 1) - w->version);
    w->T = add(&all->T, w->b->T) + w->b->T;
    w->t += w->b->T;
    w->begun = 0;
}

static void end_turn(worker *w)
{
    require(!w->begun, "worker %d ends its turn without an update", w->i);
    event_ends(w->all);
    w->acts = false;
    append(w->seen, w->b, w->i);
    rollout_clear(w->b);
}

/* One thread acts for all: events up to the next update */
static worker *next_worker(workers *all)
{
    bool begun[SCHEDULE_MAX_WORKERS];
    while (!all->ended) {
        for (int i = 0; i < all->n; i++) begun[i] = all->worker[i].begun;
        bool replay = all->schedule->kind == SCHEDULE_REPLAY;
        char event = !replay && row_is_due(all) ? '\n' : schedule_next(all->schedule, all->run, begun);
        if (event == 0)        all->ended = true;
        else if (event == '\n') row(all);
        else if (event >= 'a') copy(&all->worker[event - 'a']);
        else return &all->worker[event - 'A'];
    }
    return NULL;
}

worker *worker_turn(worker *w)
{
    workers *all = w->all;
    if (w->acts) end_turn(w);
    if (all->threads) {
        if (row_is_due(all)) stop_for_row(w);
        if (all->ended) return NULL;
        copy(w);
    } else if (!(w = next_worker(all))) return NULL;
    w->acts = true;
    return w;
}

/* ---- the run ---- */

void workers_begin(workers *all, const kept *also, const shown *s)
{
    run *r = all->run;
    list_kept(all, all->parts, also);
    shared_load(all->size, all->x, all->mirror);
    run_begin(r, all->kept, s);
    shared_store(all->size, all->mirror, all->x);
    atomic_store(&all->T, r->steps);
    atomic_store(&all->updates, all->updates_kept);
    all->row_T = r->steps;
    all->row_updates = all->updates_kept;
    schedule_begin(all->schedule, r);
    all->ended = !run_update(r, all->seen);
}

struct thread { pthread_t id; worker *w; void (*learner)(worker *w, void *of); void *of; };

static void *in_thread(void *of)
{
    struct thread *t = of;
    const run *r = t->w->all->run;
    numerical_failure_says(r->algorithm, &r->steps);
    t->learner(t->w, t->of);
    return NULL;
}

/* Signals are the first thread's: it obeys them in run_update. */
void workers_run(workers *all, void (*learner)(worker *w, void *of), void *of)
{
    int others = all->threads ? all->n - 1 : 0;
    struct thread *t = allocate((size_t)others, sizeof *t, "threads");
    sigset_t every, before;
    sigfillset(&every);
    pthread_sigmask(SIG_SETMASK, &every, &before);
    for (int i = 0; i < others; i++) {
        t[i] = (struct thread){ .w = &all->worker[i + 1], .learner = learner, .of = of };
        if (pthread_create(&t[i].id, NULL, in_thread, &t[i]) != 0) out_of_memory(0, "a thread");
    }
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    learner(&all->worker[0], of);
    for (int i = 0; i < others; i++) pthread_join(t[i].id, NULL);
    free(t);
}

void workers_end(workers *all)
{
    schedule_end(all->schedule, all->run);
    run_end(all->run);
    workers_free(all);
}
