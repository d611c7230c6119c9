/* Acting: the interface of env.h, and finite MDPs through it. Sampled transitions are compared with the table
 * that the exact layer solves, by chi squared, and must be refused when the table is another one.
 *     test_env [pattern]       runs the tests whose names match */
#include <math.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>
#include <gsl/gsl_cdf.h>

#include "autodiff/linalg.h"
#include "autodiff/random.h"
#include "autodiff/require.h"
#include "derivations/exact.h"
#include "envs/env.h"
#include "envs/env_mdp.h"

#ifndef REFERENCE
#define REFERENCE "tests/reference"
#endif
#define COUNT(a) ((int)(sizeof(a) / sizeof((a)[0])))

static env *make(const char *id, int limit)
{
    char error[512] = "";
    env *e = env_make(id, limit, error, sizeof error);
    if (!e) fail_msg("%s", error);
    return e;
}

static mdp *named(const char *name)
{
    mdp *M = mdp_builtin(name);
    assert_non_null(M);
    return M;
}

/* ---------------------------------------------------------------------------------------- the interface */

static void test_make(void **state)
{
    (void)state;
    static const struct { const char *id; int nS, nA, limit; } table[] = {
        { "FrozenLake-v1", 17, 4, 100 }, { "FrozenLake8x8-v1", 65, 4, 200 }, { "CliffWalking-v1", 49, 4, 0 },
        { "Taxi-v4", 501, 6, 200 }, { "chain:3", 4, 2, 0 }, { REFERENCE "/mdp/sb41.mdp", 17, 4, 0 } };
    for (int i = 0; i < COUNT(table); i++) {
        env *e = make(table[i].id, ENV_OWN_LIMIT);
        assert_string_equal(e->id, table[i].id);
        assert_int_equal(e->limit, table[i].limit);
        assert_true(e->action.n == table[i].nA && e->action.dim == 1 && !e->action.low);
        assert_true(e->observation.n == table[i].nS && e->observation.dim == table[i].nS);
        assert_true(e->over && e->state_n == 1);
        env_free(e);
        e = make(table[i].id, ENV_NO_LIMIT);
        assert_int_equal(e->limit, 0);
        env_free(e);
        e = make(table[i].id, 7);
        assert_int_equal(e->limit, 7);
        env_free(e);
    }
    char error[2048], want[512];                    /* an unknown name is answered with all there are */
    assert_null(env_make("CartPole-v9", ENV_OWN_LIMIT, error, sizeof error));
    assert_string_equal(strtok(error, " "), "CartPole-v9:");
    for (int i = 0; env_id(i); i++) {
        assert_null(env_make("CartPole-v9", ENV_OWN_LIMIT, error, sizeof error));
        assert_non_null(strstr(error, env_id(i)));
    }
    static const char *const wrong[] = { "no.mdp", "tests", "chain:0", "garnet:1" };     /* as mdp_open says */
    for (int i = 0; i < COUNT(wrong); i++) {
        assert_null(env_make(wrong[i], ENV_OWN_LIMIT, error, sizeof error));
        assert_null(mdp_open(wrong[i], want, sizeof want));
        assert_string_equal(error, want);
    }
    env_free(NULL);
}

/* The four pairs of flags on chain:3, whose third step to the right ends it: no limit; one before, at, after. */
static void test_flags(void **state)
{
    (void)state;
    static const struct { int limit, t; bool terminated, truncated; } table[] = {
        { 0, 3, true, false }, { 4, 3, true, false }, { 3, 3, true, true },
        { 2, 2, false, true }, { 1, 1, false, true } };
    gsl_rng *rng = random_stream(1, 0, RANDOM_TEST);
    for (int i = 0; i < COUNT(table); i++) {
        env *e = make("chain:3", table[i].limit);
        for (int episode = 0; episode < 2; episode++) {
            env_reset(e, rng);
            assert_true(env_state(e) == 0 && e->t == 0 && !e->over);
            double right = 1, reward;
            bool terminated, truncated;
            for (int t = 1; t <= table[i].t; t++) {
                env_step(e, &right, &reward, &terminated, &truncated);
                bool last = t == table[i].t;
                assert_int_equal(terminated, last && table[i].terminated);
                assert_int_equal(truncated, last && table[i].truncated);
                assert_int_equal(e->over, last);
                assert_true(e->t == t && env_state(e) == t && e->obs[t] == 1);      /* the true last observation */
                assert_true(reward == (t == 3));
            }
        }
        env_free(e);
    }
    gsl_rng_free(rng);
}

/* An episode that begins where nothing more can happen ends at its first step, without a reward. */
static void test_absorbing_start(void **state)
{
    (void)state;
    mdp_builder *b = mdp_begin("b", 2, 1, 0.9);
    mdp_start(b, 1, 1);
    mdp_transition(b, 0, 0, 1, 1, 5);
    mdp_transition(b, 1, 0, 1, 1, 0);
    mdp *M = mdp_finish(b);
    env *e = env_mdp_new(M);
    gsl_rng *rng = random_stream(1, 0, RANDOM_TEST);
    double a = 0, reward;
    bool terminated, truncated;
    env_reset(e, rng);
    env_step(e, &a, &reward, &terminated, &truncated);
    assert_true(terminated && !truncated && reward == 0);
    gsl_rng_free(rng);
    env_free(e);
    mdp_free(M);
}

/* A point on a line that the action moves: the smallest environment with boxes. */
static void line_reset(env *e) { e->state[0] = e->obs[0] = gsl_rng_uniform(e->rng); }
static void line_observe(env *e) { e->obs[0] = e->state[0]; }
static void line_free(void *model) { assert_null(model); }
static bool line_step(env *e, const double *action, double *reward)
{
    e->obs[0] = e->state[0] += action[0];
    *reward = -fabs(e->state[0]);
    return fabs(e->state[0]) > 10;
}

static env *line_new(void)
{
    static const struct env_kind kind = { line_reset, line_step, line_observe, line_free };
    static const double low[] = { -2 }, high[] = { 2 }, least[] = { -INFINITY }, most[] = { INFINITY };
    return env_new("line", &kind, NULL, 1, (env_space){ 0, 1, low, high }, (env_space){ 0, 1, least, most });
}

static void test_boxes(void **state)
{
    (void)state;
    env *e = line_new();
    gsl_rng *rng = random_stream(3, 0, RANDOM_TEST), *same = random_stream(3, 0, RANDOM_TEST);
    double x, a = 1.5, reward;
    bool terminated = false, truncated;
    env_reset(e, rng);
    x = gsl_rng_uniform(same);
    assert_true(e->obs[0] == x);
    for (int t = 1; !terminated; t++) {
        env_step(e, &a, &reward, &terminated, &truncated);
        x += a;
        assert_true(e->obs[0] == x && e->state[0] == x && reward == -x && !truncated);
        assert_int_equal(terminated, x > 10);
    }
    gsl_rng_free(rng);
    gsl_rng_free(same);
    env_free(e);
}

/* What is a bug: see env.h. The child must end by abort, and on the line that is meant. */
enum { BEFORE_RESET, AFTER_TERMINATION, AFTER_TRUNCATION, TOO_SMALL, TOO_LARGE, BETWEEN, NOT_A_NUMBER,
       BOX_INFINITE, BOX_STATE, RESTORED_AT_LIMIT, RESTORED_TO_NO_STATE, RESTORED_BETWEEN, BAD_LIMIT, BUGS };

static void commit(int bug)
{
    static const double odd[] = { [TOO_SMALL] = -1, [TOO_LARGE] = 2, [BETWEEN] = 0.5, [NOT_A_NUMBER] = NAN };
    gsl_rng *rng = random_stream(1, 0, RANDOM_TEST);
    double right = 1, no_state = 4, half = 0.5, infinite = INFINITY, reward;
    bool terminated, truncated;
    env *e = make("chain:3", bug == BAD_LIMIT ? -2 : bug == AFTER_TRUNCATION || bug == RESTORED_AT_LIMIT ? 2 : 0);
    env *line = line_new();
    env_reset(line, rng);
    if (bug != BEFORE_RESET) env_reset(e, rng);
    switch (bug) {
    case AFTER_TERMINATION: case AFTER_TRUNCATION:
        while (!e->over) env_step(e, &right, &reward, &terminated, &truncated);
        /* fallthrough */
    case BEFORE_RESET: env_step(e, &right, &reward, &terminated, &truncated); break;
    case TOO_SMALL: case TOO_LARGE: case BETWEEN: case NOT_A_NUMBER:
        env_step(e, &odd[bug], &reward, &terminated, &truncated); break;
    case BOX_INFINITE: env_step(line, &infinite, &reward, &terminated, &truncated); break;
    case BOX_STATE: env_state(line); break;
    case RESTORED_AT_LIMIT: env_restore(e, rng, &right, 2); break;
    case RESTORED_TO_NO_STATE: env_restore(e, rng, &no_state, 0); break;
    case RESTORED_BETWEEN: env_restore(e, rng, &half, 0); break;
    }
}

static void test_bugs(void **state)
{
    (void)state;
    static const char *const line[BUGS] = {
        "chain:3: a step before env_reset or after", "chain:3: a step before env_reset or after",
        "chain:3: a step before env_reset or after", "chain:3: action -1 of 2", "chain:3: action 2 of 2",
        "chain:3: action 0.5 of 2", "chain:3: action nan of 2", "line: action[0] = inf", "line has no states",
        "chain:3: restored at t = 2", "chain:3: state 4 of 4", "chain:3: state 0.5 of 4",
        "time limit -2 of chain:3" };
    for (int bug = 0; bug < BUGS; bug++) {
        int err[2], status;
        char text[1024];
        assert_int_equal(pipe(err), 0);
        fflush(NULL);
        pid_t child = fork();
        assert_true(child >= 0);
        if (child == 0) {
            dup2(err[1], STDERR_FILENO);
            commit(bug);
            _exit(0);
        }
        close(err[1]);
        assert_true(waitpid(child, &status, 0) == child);
        ssize_t n = read(err[0], text, sizeof text - 1);            /* all of it: it fits into the pipe */
        close(err[0]);
        assert_true(n >= 0);
        text[n] = '\0';
        if (!WIFSIGNALED(status) || WTERMSIG(status) != SIGABRT || !strstr(text, line[bug]))
            fail_msg("bug %d: status %d, \"%s\"", bug, status, text);
    }
}

/* ------------------------------------------------------------------------------------------ trajectories */

enum { STEPS = 100000 };
struct record { int s, t; double reward; bool terminated, truncated; };

/* Takes random actions from a stream of their own. */
static void run(const char *id, uint64_t seed, struct record *x)
{
    env *e = make(id, 50);
    gsl_rng *rng = random_stream(seed, 0, RANDOM_TEST), *actions = random_stream(1, 1, RANDOM_TEST);
    for (int i = 0; i < STEPS; i++) {
        if (e->over) env_reset(e, rng);
        double a = (double)gsl_rng_uniform_int(actions, (unsigned long)e->action.n);
        memset(&x[i], 0, sizeof x[i]);
        env_step(e, &a, &x[i].reward, &x[i].terminated, &x[i].truncated);
        x[i].s = env_state(e);
        x[i].t = e->t;
    }
    double ones = 0;
    for (int s = 0; s < e->observation.dim; s++) ones += e->obs[s];
    assert_true(ones == 1 && e->obs[env_state(e)] == 1);
    gsl_rng_free(rng);
    gsl_rng_free(actions);
    env_free(e);
}

static void test_same_seed(void **state)
{
    (void)state;
    static const char *const id[] = { "FrozenLake-v1", "E5", "garnet:20,3,4,7" };
    struct record *x = allocate(STEPS, sizeof *x, "a run"), *y = allocate(STEPS, sizeof *y, "a run");
    for (int i = 0; i < COUNT(id); i++) {
        run(id[i], 5, x);
        run(id[i], 5, y);
        assert_memory_equal(x, y, STEPS * sizeof *x);
        run(id[i], 6, y);
        assert_memory_not_equal(x, y, STEPS * sizeof *x);
    }
    free(x);
    free(y);
}

/* A run that is kept at any step and taken up again in another environment goes on as it would have. */
static void test_restore(void **state)
{
    (void)state;
    env *e = make("FrozenLake-v1", 20), *f = make("FrozenLake-v1", 20);
    gsl_rng *rng = random_stream(1, 0, RANDOM_TEST), *copy = gsl_rng_clone(rng);
    double a = 2, reward[2];
    bool terminated[2], truncated[2];
    env_reset(f, copy);
    for (int i = 0; i < 10000; i++) {
        if (e->over) env_reset(e, rng);
        gsl_rng_memcpy(copy, rng);
        env_restore(f, copy, e->state, e->t);
        env_step(e, &a, &reward[0], &terminated[0], &truncated[0]);
        env_step(f, &a, &reward[1], &terminated[1], &truncated[1]);
        assert_true(reward[0] == reward[1] && terminated[0] == terminated[1] && truncated[0] == truncated[1]);
        assert_memory_equal(e->obs, f->obs, (size_t)e->observation.dim * sizeof *e->obs);
        assert_true(e->state[0] == f->state[0] && e->t == f->t && e->over == f->over);
    }
    gsl_rng_free(rng);
    gsl_rng_free(copy);
    env_free(e);
    env_free(f);
}

/* ------------------------------------------------------------------------- sampled against tabulated: EN6 */

/* Chi squared of counts against n p, cells of fewer than 10 expected thrown together with the largest. */
static void add_chi2(const int *count, const double *p, int m, int n, double *chi2, int *freedom)
{
    int largest = 0, cells = 0;
    for (int i = 1; i < m; i++) if (p[i] > p[largest]) largest = i;
    double observed = count[largest], expected = n * p[largest];
    for (int i = 0; i < m; i++) {
        if (i == largest) continue;
        if (n * p[i] < 10) observed += count[i], expected += n * p[i];
        else *chi2 += pow(count[i] - n * p[i], 2) / (n * p[i]), cells++;
    }
    *chi2 += pow(observed - expected, 2) / expected;
    *freedom += cells;                              /* the sum of the counts is fixed */
}

/* p-value that n steps of every (s,a) of the environment, spread evenly over the rows, come from the table M.
 * What is impossible by M fails at once. */
static double transitions_p(env *e, const mdp *M, int n, uint64_t seed)
{
    gsl_rng *rng = random_stream(seed, 0, RANDOM_TEST);
    int rows = M->nS * M->nA, each = n / rows, freedom = 0;
    int *count = allocate((size_t)M->row[rows], sizeof *count, "counts");
    double chi2 = 0;
    for (int i = 0; i < rows; i++) {
        int first = M->row[i], m = M->row[i + 1] - first;
        double s = i / M->nA, a = i % M->nA, reward;
        bool terminated, truncated;
        for (int j = 0; j < each; j++) {
            env_restore(e, rng, &s, 0);
            env_step(e, &a, &reward, &terminated, &truncated);
            int k = first;
            while (k < first + m && M->next[k] != env_state(e)) k++;
            assert_true(k < first + m && reward == M->R[k] && !truncated);
            assert_int_equal(terminated, mdp_absorbing(M, M->next[k]));
            count[k]++;
        }
        add_chi2(count + first, M->P + first, m, each, &chi2, &freedom);
    }
    free(count);
    gsl_rng_free(rng);
    return gsl_cdf_chisq_Q(chi2, freedom);
}

static double starts_p(env *e, const mdp *M, int n, uint64_t seed)
{
    gsl_rng *rng = random_stream(seed, 0, RANDOM_TEST);
    int *count = allocate((size_t)M->nS, sizeof *count, "counts"), freedom = 0;
    double chi2 = 0;
    for (int j = 0; j < n; j++) {
        env_reset(e, rng);
        assert_true(M->mu0[env_state(e)] > 0);
        count[env_state(e)]++;
    }
    add_chi2(count, M->mu0, M->nS, n, &chi2, &freedom);
    free(count);
    gsl_rng_free(rng);
    return gsl_cdf_chisq_Q(chi2, freedom);
}

static const char *const sampled[] = { "FrozenLake-v1", "CliffWalkingSlippery-v1", "E5", "E5x",
                                       "garnet:20,3,4,7" };
static const char *const started[] = { "E5", "Taxi-v4", "garnet:20,3,4,7" };
enum { TESTS = COUNT(sampled) + COUNT(started) };
static const double ALPHA = 1e-6 / TESTS;           /* 1e-6 for the family: all fail by chance once in 1e6 seeds */

static void test_transitions(void **state)
{
    (void)state;
    for (int i = 0; i < COUNT(sampled); i++) {
        env *e = make(sampled[i], ENV_NO_LIMIT);
        mdp *M = named(sampled[i]);
        double p = transitions_p(e, M, 1000000 / COUNT(sampled), 10);
        if (!(p >= ALPHA)) fail_msg("%s: p = %g", sampled[i], p);
        mdp_free(M);
        env_free(e);
    }
    for (int i = 0; i < COUNT(started); i++) {
        env *e = make(started[i], ENV_NO_LIMIT);
        mdp *M = named(started[i]);
        double p = starts_p(e, M, 100000, 11);
        if (!(p >= ALPHA)) fail_msg("start of %s: p = %g", started[i], p);
        mdp_free(M);
        env_free(e);
    }
}

/* The same test refuses an ice that slips otherwise: .03 are moved onto the first successor of each row. Of the
 * 200000 steps 2941 fall on each row; 38 rows have three successors, 6 two, which gives 82 degrees of freedom
 * and a critical value of 166. The bias adds sum n (change)^2 / P = 524: the mean is 606, the standard deviation
 * sqrt(2 (82 + 2 * 524)) = 48, and the refusal missed with a probability below 1e-15. The bias of the start adds
 * 100000 * .01^2 (15 + 3) = 180 to 4 degrees of freedom, critical value 38: missed below 1e-6. */
static void test_biased_transitions(void **state)
{
    (void)state;
    mdp *M = named("FrozenLake-v1"), *N = named("FrozenLake-v1");
    for (int i = 0; i < N->nS * N->nA; i++) {
        int first = N->row[i], m = N->row[i + 1] - first;
        for (int k = 0; k < m && m > 1; k++) N->P[first + k] += k == 0 ? 0.03 : -0.03 / (m - 1);
    }
    env *biased = env_mdp_new(N);
    assert_true(transitions_p(biased, M, 200000, 10) < ALPHA);
    assert_true(transitions_p(biased, N, 200000, 10) >= ALPHA);
    env_free(biased);
    mdp_free(M);
    mdp_free(N);

    M = named("E5"), N = named("E5");
    N->mu0[0] += 0.01, N->mu0[4] -= 0.01;
    biased = env_mdp_new(N);
    assert_true(starts_p(biased, M, 100000, 11) < ALPHA);
    env_free(biased);
    mdp_free(M);
    mdp_free(N);
}

/* A generator that always gives one number */
static double given;
static void given_set(void *state, unsigned long seed) { (void)state, (void)seed; }
static unsigned long given_get(void *state) { (void)state; return 0; }
static double given_double(void *state) { (void)state; return given; }
static const gsl_rng_type given_type = { "given", 1, 0, 1, given_set, given_get, given_double };

/* The smallest and the largest u lead to the first and the last successor of every row, never past it; a start
 * state, too, has mu0 > 0. Rows and mu0 that sum to less than the largest u are among them. */
static void test_edges(void **state)
{
    (void)state;
    static const double edge[] = { 0, 1 - 0x1p-53 };
    gsl_rng *rng = gsl_rng_alloc(&given_type);
    mdp_builder *b = mdp_begin("tenths", 12, 1, 0.9);               /* ten times .1 is 1 - 2^-53 */
    for (int s = 0; s < 12; s++) {
        if (s > 0 && s < 11) mdp_start(b, s, 0.1);
        for (int s1 = 1; s1 < 11; s1++) mdp_transition(b, s, 0, s1, 0.1, s1);
    }
    mdp *tenths = mdp_finish(b);
    for (int i = -1; i < 0 || mdp_builtin_name(i); i++) {
        mdp *M = i < 0 ? tenths : mdp_builtin(mdp_builtin_name(i));
        env *e = env_mdp_new(M);
        for (int j = 0; j < 2; j++) {
            given = edge[j];
            env_reset(e, rng);
            int s0 = env_state(e);
            assert_true(M->mu0[s0] > 0);
            for (int s = 0; s < M->nS; s++) assert_true(M->mu0[s] == 0 || (j == 0 ? s >= s0 : s <= s0));
            for (int r = 0; r < M->nS * M->nA; r++) {
                double s = r / M->nA, a = r % M->nA, reward;
                bool terminated, truncated;
                env_restore(e, rng, &s, 0);
                env_step(e, &a, &reward, &terminated, &truncated);
                int k = j == 0 ? M->row[r] : M->row[r + 1] - 1;
                assert_int_equal(env_state(e), M->next[k]);
                assert_true(reward == M->R[k]);
            }
        }
        env_free(e);
        mdp_free(M);
    }
    gsl_rng_free(rng);
}

/* Whole episodes against the exact layer: the mean return and the mean length of E5x under the uniform policy at
 * gamma = 1, within 5.1 standard errors each (two-sided, two tests: once in 1e6 by chance). */
static void test_episodes(void **state)
{
    (void)state;
    enum { EPISODES = 100000 };
    mdp *M = named("E5x");
    double logits[18] = { 0 }, sum[2] = { 0 }, square[2] = { 0 }, expected[2] = { 0 };
    char error[512];
    exact *x = exact_new(M, 1, logits, error, sizeof error);
    assert_non_null(x);
    expected[0] = x->J;
    for (int s = 0; s < 5; s++) expected[1] += x->rho[s];
    env *e = env_mdp_new(M);
    gsl_rng *rng = random_stream(12, 0, RANDOM_TEST);
    for (int i = 0; i < EPISODES; i++) {
        double total[2] = { 0 }, reward;
        bool terminated, truncated;
        for (env_reset(e, rng); !e->over; total[0] += reward) {
            double a = (double)gsl_rng_uniform_int(rng, 3);
            env_step(e, &a, &reward, &terminated, &truncated);
        }
        total[1] = e->t;
        for (int j = 0; j < 2; j++) sum[j] += total[j], square[j] += total[j] * total[j];
    }
    for (int j = 0; j < 2; j++) {
        double mean = sum[j] / EPISODES, error_of_mean = sqrt((square[j] / EPISODES - mean * mean) / EPISODES);
        assert_true(fabs(mean - expected[j]) <= 5.1 * error_of_mean);
        assert_true(error_of_mean < 0.02 * fabs(expected[1]));
    }
    gsl_rng_free(rng);
    env_free(e);
    exact_free(x);
    mdp_free(M);
}

int main(int argc, char **argv)
{
    linalg_start();
    if (argc > 1) cmocka_set_test_filter(argv[1]);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_make), cmocka_unit_test(test_flags), cmocka_unit_test(test_absorbing_start),
        cmocka_unit_test(test_boxes), cmocka_unit_test(test_bugs), cmocka_unit_test(test_same_seed),
        cmocka_unit_test(test_restore), cmocka_unit_test(test_transitions),
        cmocka_unit_test(test_biased_transitions), cmocka_unit_test(test_edges), cmocka_unit_test(test_episodes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
