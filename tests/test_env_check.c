/* The environment checker: every environment of the project passes, each planted fault is found by the promise
 * that it breaks. And many environments stepped as one.
 *     test_env_check [pattern]       runs the tests whose names match */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "autodiff/random.h"
#include "autodiff/require.h"
#include "envs/env_checker.h"
#include "envs/env_vec.h"

#define COUNT(a) ((int)(sizeof(a) / sizeof((a)[0])))

static env *make(const void *id, int limit)
{
    char error[2048] = "";
    env *e = env_make(id, limit, error, sizeof error);
    if (!e) fail_msg("%s", error);
    return e;
}

/* What env_check prints, freed by free() */
static char *checked(env_maker *maker, const void *what, int *failed)
{
    char *text = NULL;
    size_t size;
    FILE *out = open_memstream(&text, &size);
    assert_non_null(out);
    *failed = env_check(maker, what, 1, out);
    fclose(out);
    return text;
}

static void test_all_pass(void **state)
{
    (void)state;
    for (int i = 0; env_id(i); i++) {
        int failed;
        char *text = checked(make, env_id(i), &failed);
        env *e = make(env_id(i), ENV_OWN_LIMIT);        /* a bound on actions is only where there are some */
        const char *says = e->action.n         ? "n/a an action outside the box leads where the nearest inside does: "
                                                 "actions are discrete\n7 passed, 0 failed, 1 n/a\n"
                         : isinf(*e->action.low) ? "inside does: no action is bounded\n7 passed, 0 failed, 1 n/a\n"
                                                 : "ok an action outside the box leads where the nearest inside"
                                                   " does\n8 passed, 0 failed, 0 n/a\n";
        if (failed || !strstr(text, says)) fail_msg("%s: %s", env_id(i), text);
        env_free(e);
        free(text);
    }
}

/* ---- a point on a line, moved by a and by chance, with one fault at a time ---- */

enum fault { NONE, HIDDEN_STATE, SHARED_STATE, OWN_CHANCE, OUT_OF_BOUNDS, NOT_FINITE, BAD_REWARD, KEPT_OVER_RESET,
             STALE_OBSERVATION, OTHER_OBSERVATION, NOT_CLIPPED, NO_LIMIT, LIMIT_OFF, NO_BOX, TWO_ACTIONS, FAULTS };

struct faulty { enum fault fault; int steps; };

static int shared_steps;
static unsigned own_chance;

static void faulty_observe(env *e)
{
    const struct faulty *m = e->model;
    e->obs[0] = e->state[0];
    if (m->fault == OUT_OF_BOUNDS && e->t == 30) e->obs[0] = 11;
    if (m->fault == NOT_FINITE && e->t == 30) e->obs[0] = NAN;
}

static void faulty_reset(env *e)
{
    const struct faulty *m = e->model;
    e->state[0] = gsl_rng_uniform(e->rng);
    if (m->fault != KEPT_OVER_RESET) e->state[1] = 0;
    faulty_observe(e);
}

static bool faulty_step(env *e, const double *action, double *reward)
{
    struct faulty *m = e->model;
    double a = m->fault == NOT_CLIPPED ? action[0] : fmin(fmax(action[0], -1), 1);
    double chance = gsl_rng_uniform(e->rng);
    if (m->fault == HIDDEN_STATE) chance += m->steps++ % 7 == 6;
    if (m->fault == SHARED_STATE) chance += shared_steps++ % 7 == 6;
    if (m->fault == OWN_CHANCE) chance = (own_chance = own_chance * 1664525 + 1013904223) * 0x1p-32;
    e->state[1] += 1;
    e->state[0] = fmin(fmax(e->state[0] + a + chance - 0.5 + (e->state[1] > 20), -10), 10);
    if (m->fault != STALE_OBSERVATION) faulty_observe(e);
    if (m->fault == OTHER_OBSERVATION) e->obs[0] /= 2;
    *reward = m->fault == BAD_REWARD && e->state[0] > 9 ? INFINITY : -e->state[0];
    return e->state[1] >= 40;
}

static env *faulty_make(const void *what, int limit)
{
    static const struct env_kind kind = { faulty_reset, faulty_step, faulty_observe, free, NULL };
    static const double low[] = { -10 }, high[] = { 10 }, least[] = { -1 }, most[] = { 1 };
    struct faulty *m = allocate(1, sizeof *m, "an environment");
    m->fault = *(const enum fault *)what;
    env_space action = { .dim = 1, .low = least, .high = m->fault == NO_BOX ? least : most };
    if (m->fault == TWO_ACTIONS) action = (env_space){ .n = 2, .dim = 2 };
    env *e = env_new("faulty", &kind, m, 2, action, (env_space){ .dim = 1, .low = low, .high = high });
    e->limit = limit == ENV_OWN_LIMIT || m->fault == NO_LIMIT ? 0 : limit + (m->fault == LIMIT_OFF && limit > 0);
    return e;
}

static void test_faults(void **state)
{
    (void)state;
    static const char *const line[FAULTS] = {
        [HIDDEN_STATE] = "FAIL env_restore", [SHARED_STATE] = "FAIL the same seed",
        [OWN_CHANCE] = "FAIL the same seed", [OUT_OF_BOUNDS] = "FAIL observations stay",
        [NOT_FINITE] = "FAIL observations stay", [BAD_REWARD] = "FAIL observations stay",
        [KEPT_OVER_RESET] = "FAIL an episode does not depend", [STALE_OBSERVATION] = "FAIL env_restore",
        [OTHER_OBSERVATION] = "FAIL env_restore", [NOT_CLIPPED] = "FAIL an action outside",
        [NO_LIMIT] = "FAIL truncated", [LIMIT_OFF] = "FAIL truncated", [NO_BOX] = "FAIL the spaces",
        [TWO_ACTIONS] = "FAIL the spaces" };
    for (enum fault fault = NONE; fault < FAULTS; fault++) {
        int failed;
        char *text = checked(faulty_make, &fault, &failed);
        bool right = fault == NONE ? failed == 0 : failed > 0 && strstr(text, line[fault]);
        if (!right) fail_msg("fault %d: %s", fault, text);
        free(text);
    }
}

/* What two share shows only when a third one acts in between, if two see it at the same time. */
static bool turned;
static bool turned_step(env *e, const double *action, double *reward)
{
    (void)action;
    turned = e->state[0] > 0.5 ? !turned : turned;
    *reward = turned;
    e->state[0] = e->obs[0] = gsl_rng_uniform(e->rng);
    return false;
}
static void turned_reset(env *e) { turned = false, e->state[0] = e->obs[0] = gsl_rng_uniform(e->rng); }
static void turned_observe(env *e) { e->obs[0] = e->state[0]; }
static env *turned_make(const void *what, int limit)
{
    static const struct env_kind kind = { turned_reset, turned_step, turned_observe, NULL, NULL };
    static const double low[] = { 0 }, high[] = { 1 };
    (void)what;
    env *e = env_new("turned", &kind, NULL, 1, (env_space){ .n = 2, .dim = 1 }, (env_space){ 0, 1, low, high });
    e->limit = limit == ENV_OWN_LIMIT ? 0 : limit;
    return e;
}

static void test_shared_switch(void **state)
{
    (void)state;
    int failed;
    char *text = checked(turned_make, NULL, &failed);
    assert_non_null(strstr(text, "FAIL one instance does not disturb another: another reward"));
    free(text);
}

/* ---- many environments as one ---- */

static env_vec *make_vec(const char *id, int n, int limit, uint32_t first)
{
    char error[2048] = "";
    env_vec *v = env_vec_make(id, n, limit, 7, first, error, sizeof error);
    if (!v) fail_msg("%s", error);
    return v;
}

/* The i-th of n goes as one alone with the i-th stream, resets whenever it is over, and not before it is asked
 * to. */
static void test_vec(void **state)
{
    (void)state;
    static const char *const id[] = { "CartPole-v1", "Pendulum-v1", "FrozenLake-v1", "chapters/examples/rooms.lqr" };
    enum { N = 5, STEPS = 300, ACTION_MAX = 2 };
    for (int k = 0; k < COUNT(id); k++) {
        env_vec *v = make_vec(id[k], N, 13, 0);
        env *alone[N];
        gsl_rng *rng[N];
        double action[N * ACTION_MAX], reward[N], r;
        bool terminated[N], truncated[N], t[2];
        int dim = v->e[0]->observation.dim, wide = v->e[0]->action.dim, ends = 0;
        assert_int_equal(wide, k == 3 ? 2 : 1);
        for (int i = 0; i < N; i++) {
            alone[i] = make(id[k], 13);
            rng[i] = random_stream(7, (uint32_t)i, RANDOM_ENV);
            env_reset(alone[i], rng[i]);
            env_vec_reset(v, i);
        }
        for (int n = 0; n < STEPS; n++) {
            for (int i = 0; i < N; i++) {
                if (alone[i]->over) {
                    assert_true(v->e[i]->over);
                    ends++;
                    env_reset(alone[i], rng[i]), env_vec_reset(v, i);
                }
                assert_memory_equal(v->obs + i * dim, alone[i]->obs, (size_t)dim * sizeof *v->obs);
                for (int j = 0; j < wide; j++) action[i * wide + j] = (n + i + j) % 3 % 2;
            }
            env_vec_step(v, action, reward, terminated, truncated);
            for (int i = 0; i < N; i++) {
                env_step(alone[i], action + i * wide, &r, &t[0], &t[1]);
                assert_true(reward[i] == r && terminated[i] == t[0] && truncated[i] == t[1]);
                assert_memory_equal(v->obs + i * dim, alone[i]->obs, (size_t)dim * sizeof *v->obs);
            }
        }
        assert_true(ends > 10);
        for (int i = 0; i < N; i++) env_free(alone[i]), gsl_rng_free(rng[i]);
        env_vec_free(v);
    }
    char error[2048] = "";
    assert_null(env_vec_make("NoSuch-v1", 3, 0, 7, 0, error, sizeof error));
    assert_non_null(strstr(error, "NoSuch-v1: expected"));
    env_vec_free(NULL);
}

/* No two copies, of one worker or of two, see the same start. */
static void test_vec_streams(void **state)
{
    (void)state;
    enum { N = 8 };
    env_vec *v[2] = { make_vec("CartPole-v1", N, 0, 0), make_vec("CartPole-v1", N, 0, N) };
    for (int i = 0; i < 2 * N; i++) {
        env_vec_reset(v[i / N], i % N);
        for (int k = 0; k < i; k++) assert_true(v[i / N]->obs[4 * (i % N)] != v[k / N]->obs[4 * (k % N)]);
    }
    env_vec_free(v[0]), env_vec_free(v[1]);
}

int main(int argc, char **argv)
{
    if (argc > 1) cmocka_set_test_filter(argv[1]);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_all_pass), cmocka_unit_test(test_faults), cmocka_unit_test(test_shared_switch),
        cmocka_unit_test(test_vec), cmocka_unit_test(test_vec_streams),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
