/* Worker processes: what they average, what the run's process knows of them, and how they end, whoever fails.
 *     test_processes [pattern]       runs the tests whose names match */
#include <errno.h>
#include <fcntl.h>
#include <math.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>

#include <cmocka.h>

#include "algorithms/processes.h"
#include "autodiff/random.h"
#include "autodiff/require.h"
#include "tests/child_process.h"

/* ---- the mean ---- */

/* Of rank i, number k: of all sizes, so that another order of adding gives other bits */
static double number_of(int i, int k) { return (i % 2 ? -1 : 1) * ldexp(sin(3 * i + k), (5 * i + 11 * k) % 60); }

static double mean_of(int K, int k)
{
    volatile double sum = number_of(0, k);
    for (int i = 1; i < K; i++) sum = sum + number_of(i, k);
    return sum / K;
}

/* Each process compares the mean with its own account of it; 1: all of them found all bits right. */
static double all_found_it_right(int K, int n)
{
    processes *all = processes_new(K);
    double *x = malloc((size_t)n * sizeof *x), right = 1;
    for (int k = 0; k < n; k++) x[k] = number_of(all->rank, k);
    processes_mean(all, (size_t)n, x);
    for (int k = 0; k < n; k++) {
        double want = mean_of(K, k);
        if (memcmp(&x[k], &want, sizeof want) != 0) right = 0;
    }
    processes_mean(all, 1, &right);
    free(x);
    processes_end(all);
    return right;
}

static void mean(void **state)
{
    (void)state;
    for (int K = 1; K <= 5; K++) assert_true(all_found_it_right(K, 100) == 1);
    assert_true(all_found_it_right(3, 0) == 1);
    assert_true(all_found_it_right(40, 7) == 1);
    assert_true(all_found_it_right(4, 300000) == 1);            /* more than a socket holds */
}

/* (1e16 + 1) - 1e16 = 0 in double, 1e16 - 1e16 + 1 = 1 */
static void rank_order(void **state)
{
    (void)state;
    static const double x[3] = { 1e16, 1, -1e16 };
    processes *all = processes_new(3);
    double own = x[all->rank];
    if (all->rank == 1) nanosleep(&(struct timespec){ 0, 20000000 }, NULL);         /* the last to come */
    processes_mean(all, 1, &own);
    processes_end(all);
    assert_true(own == 0);
}

/* ---- the run ---- */

enum { STEPS = 7, EACH = 2 };

static env *make_env(void)
{
    char error[512] = "";
    env *e = env_make("CartPole-v1", 9, error, sizeof error);
    if (!e) fail_msg("%s", error);
    return e;
}

static void act(run *r, int first, int end, actor *pi, rollout *b)
{
    rollout_clear(b);
    for (int i = first; i < end; i++) {
        run_worker *w = &r->worker[i];
        b->worker = i;
        rollout_steps(b, b->T + STEPS, w->env, w->env_rng, pi, w->policy_rng);
    }
}

/* theta <- theta + (1/K) sum_i U_i, U_i uniform from process i's stream; K = 0: one process that plays all of them */
static run *train(env *e, int K, int played, long steps)
{
    int n = K ? K : played;
    const policy p = policy_of(e, 0, NULL, AD_LINEAR);
    double theta[40] = { 0 };
    assert_true(p.n <= 40);
    run *r = run_new("test", e, 3, steps);
    actor *pi = actor_new(&p, theta);
    rollout *b = rollout_new(e);
    const kept survives[] = { { "theta", theta, (size_t)p.n }, { .name = NULL } };
    run_workers(r, n * EACH);
    if (K) {
        processes *all = processes_new(K);
        processes_begin(all, r, survives, NULL);
        while (processes_update(all, b)) {
            act(r, all->first, all->first + all->workers, pi, b);
            double U = gsl_rng_uniform(all->update_rng);
            processes_mean(all, 1, &U);
            theta[0] += U;
        }
        processes_end(all);
    } else {
        gsl_rng *stream[8];
        for (int i = 0; i < n; i++) stream[i] = random_stream(3, (uint32_t)i, RANDOM_UPDATE);
        run_begin(r, survives, NULL);
        while (run_update(r, b)) {
            double U = 0;
            act(r, 0, n * EACH, pi, b);
            for (int i = 0; i < n; i++) U += gsl_rng_uniform(stream[i]);
            theta[0] += U / n;
        }
        run_end(r);
        for (int i = 0; i < n; i++) gsl_rng_free(stream[i]);
    }
    rollout_free(b);
    actor_free(pi);
    return r;
}

/* What rank 0 knows at the end is what one process that plays all parts knows: counts, returns, environments,
 * streams. */
static void counts(void **state)
{
    (void)state;
    int over = 0, under_way = 0;
    for (int k = 0; k < 24; k++) {
        int K = 1 + k % 4, steps = 600 + k / 4 * K * EACH * STEPS;
        env *e = make_env(), *e1 = make_env();
        run *r = train(e, K, 0, steps), *want = train(e1, 0, K, steps);
        assert_int_equal(r->steps, want->steps);
        assert_int_equal(r->episodes, want->episodes);
        assert_true(r->episodes > 40);
        assert_memory_equal(r->returns, want->returns, sizeof r->returns);
        assert_memory_equal(r->theta, want->theta, sizeof *r->theta);
        for (int i = 0; i < r->workers; i++) {
            run_worker *w = &r->worker[i], *w1 = &want->worker[i];
            assert_int_equal(random_position(w->env_rng), random_position(w1->env_rng));
            assert_int_equal(random_position(w->policy_rng), random_position(w1->policy_rng));
            assert_true(w->episode_return == w1->episode_return);
            assert_int_equal(w->env->over, w1->env->over);
            if (i >= EACH) over += w->env->over, under_way += !w->env->over;        /* of other processes */
            if (w->env->over) continue;
            assert_int_equal(w->env->t, w1->env->t);
            assert_memory_equal(w->env->state, w1->env->state, (size_t)w->env->state_n * sizeof(double));
        }
        run_free(r), run_free(want);
        env_free(e), env_free(e1);
    }
    assert_true(over > 3 && under_way > 3);
}

/* ---- how they end ---- */

enum ends { NUMBERS, NUMBERS_IN_ALL, MEMORY, KILLED, BUG, FIRST_FAILS, FIRST_KILLED, MUCH_SAID, SIGNALS_IGNORED,
            OTHER_BITS, NO_SOCKETS, LEAVES_EARLY, ENDINGS };

static void fails(const processes *all, enum ends which)
{
    static const long steps = 7;
    bool last = all->rank == all->n - 1;
    numerical_failure_says("test", &steps);
    if (which == NUMBERS && last) numerical_failure("x[3] is nan");
    if (which == NUMBERS_IN_ALL) numerical_failure("x[3] is nan");
    if (which == MEMORY && all->rank == 1) out_of_memory(1 << 22, "a test");
    if (which == KILLED && all->rank == 2) raise(SIGKILL);
    if (which == BUG && last) require(all->n == 0, "%d processes", all->n);
    if (which == FIRST_FAILS && all->rank == 0) numerical_failure("y is inf");
    if (which == FIRST_KILLED && all->rank == 0) raise(SIGKILL);
    if (which == FIRST_KILLED) nanosleep(&(struct timespec){ 0, 30000000 }, NULL);      /* at work, and alone */
    if (which == MUCH_SAID && last) {
        for (int i = 0; i < 4000; i++) fprintf(stderr, "a line of fifty characters, of a sanitizer, say.\n");
        _exit(3);
    }
    if (which == SIGNALS_IGNORED && all->rank > 0) raise(SIGINT), raise(SIGTERM), raise(SIGHUP);
    if (which == LEAVES_EARLY && last) _exit(0);
}

static void ends(int which)
{
    signal(SIGPIPE, SIG_IGN);                           /* run_child reads so much only */
    if (which == NO_SOCKETS) setrlimit(RLIMIT_NOFILE, &(struct rlimit){ 8, 8 });
    if (which == OTHER_BITS) {
        env *e = make_env();
        run *r = run_new("test", e, 1, 100);
        rollout *b = rollout_new(e);
        double x[2] = { 1, 2 };
        const kept survives[] = { { "x", x, 2 }, { .name = NULL } };
        run_workers(r, 2);
        processes *all = processes_new(2);
        processes_begin(all, r, survives, NULL);
        processes_update(all, b);
        x[1] += 1e-15 * all->rank;
        processes_update(all, b);
        _exit(0);
    }
    processes *all = processes_new(4);
    double x[2] = { all->rank, 1 };
    processes_mean(all, 2, x);
    fails(all, which);
    x[0] = all->rank;
    processes_mean(all, 2, x);
    processes_end(all);
    _exit(x[0] == 1.5 ? 0 : 98);
}

static const struct { int status; bool signalled; const char *says; int lines; } expected[ENDINGS] = {
    [NUMBERS]         = { EXIT_NUMERICAL, false, "ascent: numerical failure: test, after 7 steps: x[3] is nan\n", 1 },
    [NUMBERS_IN_ALL]  = { EXIT_NUMERICAL, false, "ascent: numerical failure: test, after 7 steps: x[3] is nan\n", 1 },
    [MEMORY]          = { EXIT_MEMORY, false, "ascent: out of memory: 4194304 bytes for a test\n", 1 },
    [KILLED]          = { 128 + SIGKILL, false, "was ended by signal 9\n", 1 },
    [BUG]             = { 128 + SIGABRT, false, "4 processes (required: all->n == 0)\n", 1 },
    [FIRST_FAILS]     = { EXIT_NUMERICAL, false, "after 7 steps: y is inf\n", 1 },
    [FIRST_KILLED]    = { SIGKILL, true, "", 0 },
    [MUCH_SAID]       = { 3, false, "a line of fifty", -1 },
    [SIGNALS_IGNORED] = { 0, false, "", 0 },
    [OTHER_BITS]      = { SIGABRT, true, "the parameters of process 1 are not those of process 0", 1 },
    [NO_SOCKETS]      = { EXIT_MEMORY, false, "ascent: out of memory: a socket to a process\n", 1 },
    [LEAVES_EARLY]    = { SIGABRT, true, "process 3 of 4 left before the others", 1 },
};

/* run_child comes back when nobody holds its pipe any more: none of the processes is left then. */
static void endings(void **state)
{
    (void)state;
    for (int k = 0; k < ENDINGS; k++) {
        struct ending end = run_child(ends, k);
        int lines = 0, status = WIFSIGNALED(end.status) ? WTERMSIG(end.status) : WEXITSTATUS(end.status);
        for (const char *c = end.err; *c; c++) lines += *c == '\n';
        if (status != expected[k].status || WIFSIGNALED(end.status) != expected[k].signalled)
            fail_msg("ending %d: %#x: %s", k, (unsigned)end.status, end.err);
        if (!strstr(end.err, expected[k].says)) fail_msg("ending %d: %s", k, end.err);
        if (expected[k].lines >= 0 && lines != expected[k].lines)
            fail_msg("ending %d, %d lines: %s", k, lines, end.err);
    }
}

static int open_descriptors(void)
{
    int n = 0;
    for (int fd = 0; fd < 1000; fd++) n += fcntl(fd, F_GETFD) >= 0;
    return n;
}

/* No zombie, no descriptor, however often */
static void nothing_is_left(void **state)
{
    (void)state;
    int before = open_descriptors();
    for (int k = 0; k < 20; k++) all_found_it_right(4, 3);
    assert_int_equal(open_descriptors(), before);
    assert_int_equal(waitpid(-1, NULL, WNOHANG), -1);
    assert_int_equal(errno, ECHILD);
}

/* ---- what differs, and what is no number, wherever it is ---- */

enum differs { IN_SECOND, IN_COUNT, IN_LAST_OBSERVATION, DIFFERS };

static void differ(int which)
{
    env *e = make_env();
    run *r = run_new("test", e, 1, 100);
    rollout *b = rollout_new(e);
    double x[2] = { 1, 2 }, y[1] = { 3 }, zero[16] = { 0 }, end[16] = { 0 };
    long count = 4;
    const kept survives[] = { { "x", x, 2 }, { "y", y, 1 }, { .name = "count", .count = &count }, { .name = NULL } };
    assert_true(b->d <= 16);
    run_workers(r, 2);
    processes *all = processes_new(2);
    processes_begin(all, r, survives, NULL);
    processes_update(all, b);
    for (int i = 0; i < 2; i++) {                          /* two segments: the second ends in what is no number */
        if (which == IN_LAST_OBSERVATION && all->rank == 1 && i == 1) end[b->d - 1] = NAN;
        b->worker = all->rank;
        rollout_add(b, zero, zero, 1);
        rollout_end(b, end, true, false, true);
    }
    if (which == IN_SECOND) y[0] += 1e-15 * all->rank;
    if (which == IN_COUNT) count += all->rank;
    processes_update(all, b);
    _exit(0);
}

static void seen_anywhere(void **state)
{
    (void)state;
    static const char *const says[DIFFERS] = {
        [IN_SECOND] = "the parameters of process 1 are not those of process 0",
        [IN_COUNT]  = "the parameters of process 1 are not those of process 0",
        [IN_LAST_OBSERVATION] = "last observation[15] is " };
    for (int k = 0; k < DIFFERS; k++) {
        struct ending end = run_child(differ, k);
        int status = WIFSIGNALED(end.status) ? WTERMSIG(end.status) : WEXITSTATUS(end.status);
        if (status != (k == IN_LAST_OBSERVATION ? EXIT_NUMERICAL : SIGABRT) || !strstr(end.err, says[k]))
            fail_msg("case %d: %#x: %s", k, (unsigned)end.status, end.err);
    }
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(mean), cmocka_unit_test(rank_order), cmocka_unit_test(counts), cmocka_unit_test(endings),
        cmocka_unit_test(nothing_is_left),
        cmocka_unit_test(seen_anywhere),
    };
    if (argc > 1) cmocka_set_test_filter(argv[1]);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
