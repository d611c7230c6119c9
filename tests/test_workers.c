/* Workers that share parameters: their turns, their rows, and the order of both, with a small algorithm whose
 * numbers depend on all of them.
 *     test_workers [pattern]       runs the tests whose names match */
#include <math.h>
#include <sched.h>
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
#include "autodiff/require.h"
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
struct toy { policy p; double *policy_theta; actor *pi[SCHEDULE_MAX_WORKERS]; struct told *told; };

/* What a run shows and, as the workers saw it themselves, what their episodes returned */
struct told {
    double lag;
    struct { double so_far, sum, squares; long episodes; } of[SCHEDULE_MAX_WORKERS];
};

static void tell(struct told *told, const rollout *b, int i)
{
    const segment *g = b->segment;
    for (int t = 0; t < b->T; t++) told->of[i].so_far += b->r[t];
    if (!g->terminated && !g->truncated) return;
    told->of[i].sum += told->of[i].so_far;
    told->of[i].squares += told->of[i].so_far * told->of[i].so_far;
    told->of[i].so_far = 0;
    told->of[i].episodes++;
}

static void learner(worker *w, void *of)
{
    struct toy *toy = of;
    while ((w = worker_turn(w))) {
        double x[N], reward = 0;
        rollout_segment(w->b, T_MAX, w->env, w->env_rng, toy->pi[w->i], w->policy_rng);
        tell(toy->told, w->b, w->i);
        for (int t = 0; t < w->b->T; t++) reward += w->b->r[t] + w->b->s[t * w->b->d];
        worker_updates(w);
        shared_load(N, w->all->x, x);
        for (int i = 1; i < N; i++) x[i] = 0.99 * x[i] + 0.01 * (reward + (i + w->i) * w->theta[i] / 100);
        x[0] += 1;
        shared_store(N, x, w->all->x);
    }
}

static run *toy_run_showing(int n, int kind, bool locks, uint64_t seed, long steps, const char *replay,
                            struct told *told)
{
    run *r = run_new("toy", make("CartPole-v1"), seed, steps);
    struct toy toy = { .p = policy_of(r->env, 0, NULL, AD_TANH), .told = told };
    double x[N] = { 0 };
    toy.policy_theta = calloc((size_t)toy.p.n, sizeof(double));
    for (int i = 1; i < N; i++) x[i] = 1.0 / i;
    if (replay) r->schedule = strcpy(malloc(strlen(replay) + 1), replay);
    workers *all = workers_new(r, (shared_part[]){ { "x", N }, { NULL } }, N, n, kind, locks);
    for (int i = 0; i < n; i++) toy.pi[i] = actor_new(&toy.p, toy.policy_theta);
    shared_store(N, x, all->x);
    workers_begin(all, NULL, NULL);
    workers_run(all, learner, &toy);
    told->lag = all->lag_mean;
    workers_end(all);
    for (int i = 0; i < n; i++) actor_free(toy.pi[i]);
    free(toy.policy_theta);
    return r;
}

static run *toy_run(int n, int kind, bool locks, uint64_t seed, long steps, const char *replay)
{
    struct told told = { 0 };
    return toy_run_showing(n, kind, locks, seed, steps, replay, &told);
}

static void done(run *r)
{
    env *e = r->env;
    run_free(r);
    env_free(e);
}

static long events(const char *text, char least, char most)
{
    long n = 0;
    for (; *text; text++) n += least <= *text && *text <= most;
    return n;
}

/* A3C-12, A3C-30: every update came after a copy of the same worker and was applied once; no step is lost. */
static void every_turn_counts(void **state)
{
    (void)state;
    for (int kind = SCHEDULE_THREADS; kind <= SCHEDULE_RANDOM; kind++)
        for (int n = 1; n <= 5; n += 2) {
            run *r = toy_run(n, kind, true, 3, 4000, NULL);
            long updates = events(r->schedule, 'A', 'Z'), copies = events(r->schedule, 'a', 'z');
            bool begun[26] = { 0 };
            assert_true(r->steps >= 4000 && r->steps < 4000 + WORKERS_ROW + n * T_MAX);
            assert_true(r->theta[0] == (double)updates);
            assert_true(updates * T_MAX >= r->steps && copies - updates >= 0 && copies - updates < n);
            if (kind <= SCHEDULE_SERIAL) assert_int_equal(copies, updates);
            for (const char *c = r->schedule; *c; c++) {
                if (*c == '\n') continue;
                bool copies_now = *c >= 'a';
                int i = *c - (copies_now ? 'a' : 'A');
                assert_true(i < n && begun[i] != copies_now);
                begun[i] = copies_now;
            }
            done(r);
        }
}

/* The returns that are logged are those of each worker's own episodes, also of those that last over a row. */
static void returns_are_whole(void **state)
{
    (void)state;
    for (int kind = SCHEDULE_THREADS; kind <= SCHEDULE_RANDOM; kind++)
        for (int n = 1; n <= 5; n++) {
            struct told told = { 0 };
            run *r = toy_run_showing(n, kind, true, 4, 1100, NULL, &told);
            double sum = 0, squares = 0;
            long episodes = 0;
            assert_true(r->steps > 2 * WORKERS_ROW && r->episodes < RUN_WINDOW);
            for (long k = 0; k < r->episodes; k++) sum += r->returns[k], squares += r->returns[k] * r->returns[k];
            for (int i = 0; i < n; i++) {
                sum -= told.of[i].sum;
                squares -= told.of[i].squares;
                episodes += told.of[i].episodes;
            }
            assert_true(r->episodes == episodes && sum == 0 && squares == 0);       /* whole numbers */
            done(r);
        }
}

/* Without locks updates may be lost, steps may not. */
static void lock_free_steps(void **state)
{
    (void)state;
    run *r = toy_run(4, SCHEDULE_THREADS, false, 5, 20000, NULL);
    assert_true(r->steps >= 20000 && r->steps < 20000 + WORKERS_ROW + 4 * T_MAX);
    assert_null(r->schedule);
    assert_true(r->theta[0] > 0 && r->theta[0] <= (double)r->steps);
    done(r);
}

/* What threads did in an order that the system chose, one thread does again, bit for bit. */
static void replay(void **state)
{
    (void)state;
    for (uint64_t seed = 1; seed <= 4; seed++) {
        int n = (int)seed + 1;
        run *r = toy_run(n, SCHEDULE_THREADS, true, seed, 6000, NULL);
        run *again = toy_run(n, SCHEDULE_REPLAY, true, seed, 6000, r->schedule);
        assert_string_equal(r->schedule, again->schedule);
        assert_memory_equal(r->theta, again->theta, N * sizeof(double));
        assert_int_equal(r->steps, again->steps);
        assert_int_equal(r->episodes, again->episodes);
        assert_memory_equal(r->returns, again->returns, sizeof r->returns);
        run *to_its_end = toy_run(n, SCHEDULE_REPLAY, true, seed, 1000000, r->schedule);
        assert_int_equal(r->steps, to_its_end->steps);
        assert_memory_equal(r->theta, to_its_end->theta, N * sizeof(double));
        done(to_its_end);
        run *other = toy_run(n, SCHEDULE_SERIAL, true, seed, 6000, NULL);
        assert_memory_not_equal(r->theta, other->theta, N * sizeof(double));
        done(other);
        done(again);
        done(r);
    }
}

/* Adds 1 to each of many shared numbers, and lets others go on in between */
enum { MANY = 50000 };
struct slow { struct toy toy; bool torn[SCHEDULE_MAX_WORKERS]; };
static void add_slowly(worker *w, void *of)
{
    struct slow *all = of;
    while ((w = worker_turn(w))) {
        for (int i = 1; i < MANY; i++) all->torn[w->i] |= w->theta[i] != w->theta[0];
        rollout_segment(w->b, T_MAX, w->env, w->env_rng, all->toy.pi[w->i], w->policy_rng);
        worker_updates(w);
        for (int i = 0; i < MANY; i++) {
            double x;
            shared_load(1, w->all->x + i, &x);
            x += 1;
            shared_store(1, &x, w->all->x + i);
            if (i % 5000 == 0) sched_yield();
        }
    }
}

/* With locks a copy is what stood between two updates, never half of one, and no update is lost. */
static void locks_hold(void **state)
{
    (void)state;
    enum { WORKERS = 8 };
    double *zero = calloc(MANY, sizeof *zero);
    run *r = run_new("slow", make("CartPole-v1"), 1, 1500);
    struct slow slow = { .toy.p = policy_of(r->env, 0, NULL, AD_TANH) };
    slow.toy.policy_theta = calloc((size_t)slow.toy.p.n, sizeof(double));
    workers *all = workers_new(r, (shared_part[]){ { "x", MANY }, { NULL } }, MANY, WORKERS, SCHEDULE_THREADS, true);
    for (int i = 0; i < WORKERS; i++) slow.toy.pi[i] = actor_new(&slow.toy.p, slow.toy.policy_theta);
    shared_store(MANY, zero, all->x);
    workers_begin(all, NULL, NULL);
    workers_run(all, add_slowly, &slow);
    workers_end(all);
    for (int i = 0; i < WORKERS; i++) {
        assert_false(slow.torn[i]);
        actor_free(slow.toy.pi[i]);
    }
    long updates = events(r->schedule, 'A', 'Z');
    for (int i = 0; i < MANY; i++) assert_true(r->theta[i] == (double)updates);
    free(slow.toy.policy_theta);
    free(zero);
    done(r);
}

static void same_without_locks(void **state)
{
    (void)state;
    run *with = toy_run(1, SCHEDULE_THREADS, true, 7, 3000, NULL);
    run *without = toy_run(1, SCHEDULE_THREADS, false, 7, 3000, NULL);
    run *serial = toy_run(1, SCHEDULE_SERIAL, false, 7, 3000, NULL);
    assert_memory_equal(with->theta, without->theta, N * sizeof(double));
    assert_memory_equal(with->theta, serial->theta, N * sizeof(double));
    done(serial);
    done(without);
    done(with);
}

/* Two runs of one seed are one; a longer run begins as a shorter one. */
static void given_by_the_seed(void **state)
{
    (void)state;
    for (int kind = SCHEDULE_SERIAL; kind <= SCHEDULE_RANDOM; kind++) {
        run *r = toy_run(4, kind, true, 1, 3000, NULL), *again = toy_run(4, kind, true, 1, 3000, NULL);
        run *longer = toy_run(4, kind, true, 1, 5000, NULL), *other = toy_run(4, kind, true, 2, 3000, NULL);
        assert_memory_equal(r->theta, again->theta, N * sizeof(double));
        assert_memory_not_equal(r->theta, other->theta, N * sizeof(double));
        assert_int_equal(strncmp(longer->schedule, r->schedule, strlen(r->schedule)), 0);
        done(r);
        done(again);
        done(longer);
        done(other);
    }
}

/* Nobody's stream is another's: the first numbers of all streams differ, and so do the first observations. */
static void own_streams(void **state)
{
    (void)state;
    enum { MOST = SCHEDULE_MAX_WORKERS };
    run *r = run_new("toy", make("CartPole-v1"), 1, 0);
    workers *all = workers_new(r, (shared_part[]){ { "x", N }, { NULL } }, N, MOST, SCHEDULE_SERIAL, false);
    unsigned long first[2 * MOST + 2];
    for (int i = 0; i < MOST; i++) {
        worker *w = &all->worker[i];
        first[2 * i] = gsl_rng_get(w->env_rng);
        first[2 * i + 1] = gsl_rng_get(w->policy_rng);
        env_reset(w->env, w->env_rng);
        for (int j = 0; j < i; j++) assert_memory_not_equal(w->env->obs, all->worker[j].env->obs, 4 * sizeof(double));
    }
    first[2 * MOST] = gsl_rng_get(r->init_rng);
    first[2 * MOST + 1] = gsl_rng_get(r->update_rng);
    for (int i = 0; i < 2 * MOST + 2; i++)
        for (int j = 0; j < i; j++) assert_true(first[i] != first[j]);
    workers_free(all);
    done(r);
}

/* Threads begin and end, again and again */
static void start_and_stop(void **state)
{
    (void)state;
    for (uint64_t k = 0; k < 300; k++) {
        run *r = toy_run(2 + (int)k % 7, SCHEDULE_THREADS, k % 2, k, 1, NULL);
        assert_true(r->steps >= WORKERS_ROW);
        done(r);
    }
}

/* The orders that one thread follows, letter by letter, as schedule.h has them: aAbBcC.., abcAaBbCc.., and abc, then
 * whoever is drawn: Aa, Cc, Aa, .. */
static void orders(void **state)
{
    (void)state;
    for (int kind = SCHEDULE_SERIAL; kind <= SCHEDULE_RANDOM; kind++)
        for (int n = 1; n <= 4; n++) {
            run *r = toy_run(n, kind, true, 3, 2000, NULL);
            gsl_rng *rng = random_stream(3, 0, RANDOM_UPDATE);
            const char *c = r->schedule;
            for (int i = 0; i < n && kind != SCHEDULE_SERIAL; i++) assert_int_equal(*c++, 'a' + i);
            for (int turn = 0; *c; turn++) {
                int i = kind == SCHEDULE_RANDOM ? (int)gsl_rng_uniform_int(rng, (unsigned long)n) : turn % n;
                if (kind == SCHEDULE_SERIAL) assert_int_equal(*c++, 'a' + i);
                assert_int_equal(*c++, 'A' + i);
                c += *c == '\n';
                if (kind != SCHEDULE_SERIAL && *c) assert_int_equal(*c++, 'a' + i);
            }
            gsl_rng_free(rng);
            done(r);
        }
}

/* A3C-31 */
static void lags(void **state)
{
    (void)state;
    long lag[5];
    schedule_lags("abABaAcC\naA", 4, lag);                  /* A: 0, B: 1, A: 0, C: 0, A: 0 */
    assert_true(lag[0] == 4 && lag[1] == 1 && lag[2] == 0);
    run *r = toy_run(4, SCHEDULE_SERIAL, true, 1, 3000, NULL);
    schedule_lags(r->schedule, 4, lag);
    assert_true(lag[0] == events(r->schedule, 'A', 'Z'));
    done(r);
    r = toy_run(4, SCHEDULE_STALE, true, 1, 3000, NULL);
    schedule_lags(r->schedule, 4, lag);                     /* the first round: 0, 1, 2, 3 */
    assert_true(lag[0] == 1 && lag[1] == 1 && lag[2] == 1 && lag[3] == events(r->schedule, 'A', 'Z') - 3);
    done(r);
}

/* A3C-31   What is shown as lag is the mean over the updates of the last row, as the order says it. */
static void lag_of_the_last_row(void **state)
{
    (void)state;
    for (int kind = SCHEDULE_THREADS; kind <= SCHEDULE_RANDOM; kind++)
        for (int n = 1; n <= 4; n++) {
            struct told told = { 0 };
            run *r = toy_run_showing(n, kind, true, 2, 2000, NULL, &told);
            long updates = 0, lag = 0, in_row = 0, copied[26] = { 0 };
            for (const char *c = r->schedule; *c; c++) {
                if (*c == '\n') {
                    if (c[1]) lag = in_row = 0;
                } else if (*c >= 'a') copied[*c - 'a'] = updates;
                else {
                    lag += updates++ - copied[*c - 'A'];
                    in_row++;
                }
            }
            if (kind == SCHEDULE_SERIAL) assert_int_equal(lag, 0);
            if (kind == SCHEDULE_STALE) assert_int_equal(lag, (n - 1) * in_row);
            assert_true(in_row > 0 && told.lag == (double)lag / (double)in_row);
            done(r);
        }
}

/* ---- what must end the program ---- */

static void wrong_schedule(int which)
{
    const char *const text[] = { "aA\nbAB\n", "aAB\n", "aac\n", "aA c\n", "aA\nbB" };
    done(toy_run(2, SCHEDULE_REPLAY, true, 1, 3000, text[which]));
}

static void not_finite(int which)
{
    (void)which;
    env *e = make("CartPole-v1");
    run *r = run_new("toy", e, 1, 100000);
    workers *all = workers_new(r, (shared_part[]){ { "x", N }, { NULL } }, N, 3, SCHEDULE_THREADS, false);
    shared_store(1, &(double){ NAN }, all->x + 5);
    struct toy toy = { .p = policy_of(e, 0, NULL, AD_TANH), .told = &(struct told){ 0 } };
    toy.policy_theta = calloc((size_t)toy.p.n, sizeof(double));
    for (int i = 0; i < 3; i++) toy.pi[i] = actor_new(&toy.p, toy.policy_theta);
    workers_begin(all, NULL, NULL);
    workers_run(all, learner, &toy);
}

static void fails_in_each(worker *w, void *of)
{
    (void)of;
    while ((w = worker_turn(w))) numerical_failure("worker");
}

static void all_fail(int which)
{
    (void)which;
    run *r = run_new("toy", make("CartPole-v1"), 1, 100000);
    workers *all = workers_new(r, (shared_part[]){ { "x", N }, { NULL } }, N, 8, SCHEDULE_THREADS, false);
    workers_begin(all, NULL, NULL);
    workers_run(all, fails_in_each, NULL);
}

static int lines(const char *text) { return (int)events(text, '\n', '\n'); }

static void endings(void **state)
{
    (void)state;
    static const char *const says[] = { "schedule:2:2:", "schedule:1:3:", "schedule:1:2:", "schedule:1:3:",
                                        "schedule:2:3:" };
    for (int k = 0; k < 5; k++) {
        struct ending end = run_child(wrong_schedule, k);
        assert_true(WIFEXITED(end.status) && WEXITSTATUS(end.status) == 2 && lines(end.err) == 1);
        if (!strstr(end.err, says[k])) fail_msg("%s", end.err);
    }
    struct ending end = run_child(not_finite, 0);
    assert_true(WIFEXITED(end.status) && WEXITSTATUS(end.status) == 4 && lines(end.err) == 1);
    assert_non_null(strstr(end.err, "x[5] is nan"));
    for (int k = 0; k < 20; k++) {
        end = run_child(all_fail, 0);
        assert_true(WIFEXITED(end.status) && WEXITSTATUS(end.status) == 4 && lines(end.err) == 1);
        assert_non_null(strstr(end.err, "toy, after 0 steps: worker"));
    }
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_turn_counts), cmocka_unit_test(returns_are_whole),
        cmocka_unit_test(lock_free_steps), cmocka_unit_test(replay), cmocka_unit_test(locks_hold),
        cmocka_unit_test(same_without_locks), cmocka_unit_test(given_by_the_seed), cmocka_unit_test(own_streams),
        cmocka_unit_test(start_and_stop),
        cmocka_unit_test(orders), cmocka_unit_test(lags), cmocka_unit_test(lag_of_the_last_row),
        cmocka_unit_test(endings) };
    if (argc > 1) cmocka_set_test_filter(argv[1]);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
