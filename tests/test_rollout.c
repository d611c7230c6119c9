/* Rollouts: what stands in a batch, of an environment whose numbers say where they come from.
 *     test_rollout [pattern]       runs the tests whose names match */
#include <limits.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "algorithms/rollout.h"
#include "autodiff/random.h"
#include "autodiff/require.h"
#include "tests/child_process.h"

/* Episode i (from 1) lasts LENGTH[i % 3] steps; it shows (i, t), and the step from t with action a pays
 * 100 i + t + a / 10. */
static const int length[3] = { 4, 2, 3 };
static void show(env *e)
{
    e->obs[0] = e->state[0];
    e->obs[1] = e->state[1];
}

static void numbered_reset(env *e)
{
    e->state[0]++;
    e->state[1] = 0;
    show(e);
}

static bool numbered_step(env *e, const double *action, double *reward)
{
    *reward = 100 * e->state[0] + e->state[1] + action[0] / 10;
    e->state[1]++;
    show(e);
    return e->state[1] == length[(int)e->state[0] % 3];
}

static const struct env_kind numbered = { .reset = numbered_reset, .step = numbered_step, .observe = show };

struct fixture { env *e; policy p; double *theta; actor *pi; gsl_rng *env_rng, *policy_rng; rollout *b; };

static struct fixture make(int limit, int nA)
{
    struct fixture x = { .e = env_new("numbered", &numbered, NULL, 2, (env_space){ .n = nA, .dim = nA ? 1 : 2 },
                                      (env_space){ .dim = 2 }) };
    x.e->limit = limit;
    x.p = policy_of(x.e, 0, NULL, AD_LINEAR);
    x.theta = calloc((size_t)x.p.n, sizeof *x.theta);
    x.pi = actor_new(&x.p, x.theta);
    x.env_rng = random_stream(1, 0, RANDOM_ENV);
    x.policy_rng = random_stream(1, 0, RANDOM_POLICY);
    x.b = rollout_new(x.e);
    return x;
}

static void drop(struct fixture *x)
{
    rollout_free(x->b);
    gsl_rng_free(x->policy_rng);
    gsl_rng_free(x->env_rng);
    actor_free(x->pi);
    free(x->theta);
    env_free(x->e);
}

/* Segment i of the batch holds T steps of that episode from `from` on */
static void assert_segment(const rollout *b, int i, int first, int T, int episode, int from, bool terminated,
                           bool truncated)
{
    assert_true(i < b->segments);
    segment g = b->segment[i];
    assert_int_equal(g.first, first);
    assert_int_equal(g.T, T);
    assert_int_equal(g.starts, from == 0);
    assert_int_equal(g.terminated, terminated);
    assert_int_equal(g.truncated, truncated);
    for (int t = 0; t < T; t++) {
        const double *s = b->s + (first + t) * b->d, *a = b->a + (first + t) * b->k;
        assert_true(s[0] == episode && s[1] == from + t);
        assert_true(b->r[first + t] == 100 * episode + (from + t) + a[0] / 10);
        if (b->index) assert_true(b->index[first + t] == a[0]);
    }
    /* the true last observation */
    assert_true(b->s_end[i * b->d] == episode && b->s_end[i * b->d + 1] == from + T);
}

static void episodes(void **state)
{
    (void)state;
    struct fixture x = make(ENV_NO_LIMIT, 3);
    for (int i = 0; i < 3; i++) rollout_episode(x.b, x.e, x.env_rng, x.pi, x.policy_rng);
    assert_true(x.b->T == 2 + 3 + 4 && x.b->segments == 3 && x.b->d == 2 && x.b->k == 1);
    assert_segment(x.b, 0, 0, 2, 1, 0, true, false);
    assert_segment(x.b, 1, 2, 3, 2, 0, true, false);
    assert_segment(x.b, 2, 5, 4, 3, 0, true, false);
    rollout_clear(x.b);
    assert_true(x.b->T == 0 && x.b->segments == 0);
    rollout_episode(x.b, x.e, x.env_rng, x.pi, x.policy_rng);
    assert_true(x.b->T == 2 && x.b->segments == 1);
    assert_segment(x.b, 0, 0, 2, 4, 0, true, false);
    drop(&x);
}

/* A limit of 3 cuts the episode of 4; where it coincides with the end both flags are set. */
static void limits(void **state)
{
    (void)state;
    struct fixture x = make(3, 3);
    for (int i = 0; i < 3; i++) rollout_episode(x.b, x.e, x.env_rng, x.pi, x.policy_rng);
    assert_segment(x.b, 0, 0, 2, 1, 0, true, false);
    assert_segment(x.b, 1, 2, 3, 2, 0, true, true);
    assert_segment(x.b, 2, 5, 3, 3, 0, false, true);
    drop(&x);
}

/* Batches of 5 steps cut episodes of 2, 3, 4, 2, ...: the next batch goes on where the last one stopped. */
static void cut_by_the_batch(void **state)
{
    (void)state;
    struct fixture x = make(ENV_NO_LIMIT, 3);
    rollout_steps(x.b, 5, x.e, x.env_rng, x.pi, x.policy_rng);
    assert_true(x.b->T == 5 && x.b->segments == 2);             /* ends with an episode: nothing begun */
    assert_segment(x.b, 1, 2, 3, 2, 0, true, false);
    rollout_clear(x.b);
    rollout_steps(x.b, 3, x.e, x.env_rng, x.pi, x.policy_rng);
    assert_true(x.b->T == 3 && x.b->segments == 1);
    assert_segment(x.b, 0, 0, 3, 3, 0, false, false);
    rollout_clear(x.b);
    rollout_steps(x.b, 4, x.e, x.env_rng, x.pi, x.policy_rng);
    assert_true(x.b->T == 4 && x.b->segments == 3);
    assert_segment(x.b, 0, 0, 1, 3, 3, true, false);            /* not a first step */
    assert_segment(x.b, 1, 1, 2, 4, 0, true, false);
    assert_segment(x.b, 2, 3, 1, 5, 0, false, false);
    rollout_episode(x.b, x.e, x.env_rng, x.pi, x.policy_rng);   /* a new one, whatever was under way */
    assert_segment(x.b, 3, 4, 4, 6, 0, true, false);
    drop(&x);
}

/* Past every size that memory was first taken for */
static void grows(void **state)
{
    (void)state;
    struct fixture x = make(ENV_NO_LIMIT, 3);
    rollout_steps(x.b, 3006, x.e, x.env_rng, x.pi, x.policy_rng);
    assert_true(x.b->T == 3006 && x.b->segments == 1002);
    int first = 0;
    for (int i = 0; i < x.b->segments; i++) {
        assert_segment(x.b, i, first, length[(i + 1) % 3], i + 1, 0, true, false);
        first += x.b->segment[i].T;
    }
    drop(&x);
}

/* A box: two numbers an action, kept as drawn; no index. */
static void boxes(void **state)
{
    (void)state;
    struct fixture x = make(ENV_NO_LIMIT, 0);
    gsl_rng *again = random_stream(1, 0, RANDOM_POLICY);
    rollout_episode(x.b, x.e, x.env_rng, x.pi, x.policy_rng);
    assert_true(x.b->k == 2 && !x.b->index);
    assert_segment(x.b, 0, 0, 2, 1, 0, true, false);
    for (int t = 0; t < 2; t++) {
        double a[2];
        actor_draw(x.pi, again, x.b->s + 2 * t, a);
        assert_memory_equal(a, x.b->a + 2 * t, sizeof a);
    }
    gsl_rng_free(again);
    drop(&x);
}

/* a_t ~ pi(.|s_t), of that step: here N(s_t, 1e-26), with steps in several segments */
static void acts_on_what_it_sees(void **state)
{
    (void)state;
    struct fixture x = make(3, 0);
    x.theta[0] = x.theta[3] = 1;                            /* the mean is the observation */
    x.theta[6] = x.theta[7] = -30;                          /* log sd */
    for (int T = 4; T <= 20; T += 4) rollout_steps(x.b, T, x.e, x.env_rng, x.pi, x.policy_rng);
    assert_true(x.b->T == 20 && x.b->segments > 5 && x.p.n == 8);
    for (int i = 0; i < 40; i++) assert_true(x.b->a[i] - x.b->s[i] < 1e-11 && x.b->s[i] - x.b->a[i] < 1e-11);
    drop(&x);
}

/* The bound of an episode is none of a batch. */
static void many_episodes(void **state)
{
    (void)state;
    struct fixture x = make(ENV_NO_LIMIT, 3);
    while (x.b->T <= ROLLOUT_EPISODE_MAX) rollout_episode(x.b, x.e, x.env_rng, x.pi, x.policy_rng);
    const segment *last = &x.b->segment[x.b->segments - 1];
    assert_true(last->first + last->T == x.b->T && last->terminated);
    assert_int_equal(last->T, length[x.b->segments % 3]);
    drop(&x);
}

/* Environment and policy draw from their own streams: the order of draws in one leaves the other as it was. */
static void streams(void **state)
{
    (void)state;
    struct fixture x = make(ENV_NO_LIMIT, 3);
    gsl_rng *untouched = random_stream(1, 0, RANDOM_ENV);
    rollout_steps(x.b, 20, x.e, x.env_rng, x.pi, x.policy_rng);
    assert_true(gsl_rng_get(untouched) == gsl_rng_get(x.env_rng));      /* numbered draws nothing */
    gsl_rng_free(untouched);
    drop(&x);
}

/* MDP-3: what is written is read back. */
static void by_hand(void **state)
{
    (void)state;
    const double s[3][2] = { { 1, 2 }, { 3, 4 }, { 5, 6 } }, a[2] = { 2, 0 };
    rollout *b = rollout_shaped(2, 1, true);
    rollout_add(b, s[0], &a[0], -1);
    rollout_add(b, s[1], &a[1], 0.5);
    rollout_end(b, s[2], false, false, true);
    rollout_add(b, s[1], &a[0], 7);
    rollout_end(b, s[0], true, true, false);
    assert_true(b->T == 3 && b->segments == 2);
    assert_memory_equal(b->s, s, 4 * sizeof **s);
    assert_memory_equal(b->s_end, s[2], sizeof s[2]);
    assert_memory_equal(b->s_end + 2, s[0], sizeof s[0]);
    assert_true(b->index[0] == 2 && b->index[1] == 0 && b->index[2] == 2);
    assert_true(b->r[0] == -1 && b->r[1] == 0.5 && b->r[2] == 7);
    assert_true(!b->segment[0].starts && !b->segment[0].terminated && b->segment[0].truncated &&
                b->segment[0].T == 2);
    assert_true(b->segment[1].starts && b->segment[1].terminated && !b->segment[1].truncated);
    assert_true(b->segment[1].first == 2 && b->segment[1].T == 1);
    rollout_free(b);
    rollout_free(NULL);
}

/* The same episodes acted in by hand, step by step: the batches of rollout_steps, with a time limit and without */
static void taken(void **state)
{
    (void)state;
    for (int limit = 0; limit <= 3; limit += 3) {
        struct fixture x = make(limit ? limit : ENV_NO_LIMIT, 3), y = make(limit ? limit : ENV_NO_LIMIT, 3);
        for (int round = 0; round < 4; round++) {
            rollout_clear(x.b);
            rollout_steps(x.b, 7, x.e, x.env_rng, x.pi, x.policy_rng);
            rollout_clear(y.b);
            while (y.b->T < 7) {
                bool terminated, truncated;
                double s[2], a, r;
                if (y.e->over) env_reset(y.e, y.env_rng);
                memcpy(s, y.e->obs, sizeof s);
                actor_draw(y.pi, y.policy_rng, s, &a);
                env_step(y.e, &a, &r, &terminated, &truncated);
                rollout_take(y.b, 7, y.e, s, &a, r, terminated, truncated);
            }
            assert_int_equal(x.b->segments, y.b->segments);
            assert_memory_equal(x.b->r, y.b->r, 7 * sizeof *x.b->r);
            assert_memory_equal(x.b->s, y.b->s, 14 * sizeof *x.b->s);
            assert_memory_equal(x.b->index, y.b->index, 7 * sizeof *x.b->index);
            assert_memory_equal(x.b->s_end, y.b->s_end, 2 * (size_t)x.b->segments * sizeof *x.b->s_end);
            for (int i = 0; i < x.b->segments; i++) {
                segment g = x.b->segment[i], h = y.b->segment[i];
                assert_true(g.first == h.first && g.T == h.T && g.starts == h.starts);
                assert_true(g.terminated == h.terminated && g.truncated == h.truncated);
            }
        }
        drop(&x);
        drop(&y);
    }
}

static void one_too_many(int unused)
{
    (void)unused;
    rollout *b = rollout_shaped(1, 1, true);
    b->T = b->room = INT_MAX / 2 + 1;
    rollout_add(b, (double[]){ 0 }, (double[]){ 0 }, 0);
}

/* Trajectories without end: not by a count that has become negative */
static void too_long(void **state)
{
    (void)state;
    struct ending e = run_child(one_too_many, 0);
    assert_int_equal(e.status, EXIT_MEMORY << 8);
    assert_non_null(strstr(e.err, "more steps than it can count"));
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(episodes), cmocka_unit_test(limits), cmocka_unit_test(cut_by_the_batch),
        cmocka_unit_test(grows), cmocka_unit_test(boxes), cmocka_unit_test(acts_on_what_it_sees),
        cmocka_unit_test(many_episodes), cmocka_unit_test(streams), cmocka_unit_test(by_hand),
        cmocka_unit_test(taken), cmocka_unit_test(too_long) };
    if (argc > 1) cmocka_set_test_filter(argv[1]);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
