/* The derivations about PPO: each holds where it applies, its wrong lines and controls are told apart, and the
 * numbers that the errata quote come out, to the digits printed. Those are an independent program's.
 *     test_ppo_derivations [pattern]       runs the tests whose names match */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "derivations/measured.h"

static void near(double x, double want, double bound, int line)
{
    if (!(fabs(x - want) <= bound)) fail_msg("line %d: %.17g, expected %.17g within %.2g", line, x, want, bound);
}
#define assert_near(x, want, bound) near(x, want, bound, __LINE__)

struct example { mdp *M; policy_class *class; exact *pi, *pi1; setting *x; };

static struct example example_of(const char *name, double scale)
{
    char error[256];
    struct example e = { .M = mdp_builtin(name) };
    assert_non_null(e.M);
    e.class = policy_tabular(e.M);
    double *theta = calloc((size_t)e.class->n, sizeof *theta);
    policy_theta_random(e.class, 3, 1, theta);
    e.pi1 = exact_new_policy(e.M, e.M->gamma, e.class, theta, error, sizeof error);
    for (int i = 0; i < e.class->n; i++) theta[i] = scale * cos(i / e.M->nA + 2 * (i % e.M->nA));
    e.pi = exact_new_policy(e.M, e.M->gamma, e.class, theta, error, sizeof error);
    free(theta);
    assert_true(e.pi && e.pi1);
    e.x = setting_new(e.pi, e.pi1, 1);
    return e;
}

static void example_free(struct example *e)
{
    setting_free(e->x);
    exact_free(e->pi);
    exact_free(e->pi1);
    policy_free(e->class);
    mdp_free(e->M);
}

/* Every line that must agree does; every DIFFERS line is further off than rounding */
static void holds(const char *id, const setting *x)
{
    const derivation *d = derivation_find(id);
    assert_non_null(d);
    derivation_result r = derivation_run(d, x);
    if (r.verdict != PASS) fail_msg("%s: %s (line %d)", id, verdict_name(r.verdict), r.worst + 1);
    for (int l = 0; l < r.lines; l++)
        if (d->line[l].relation == DIFFERS && !r.differs[l]) fail_msg("%s: line %d does not differ", id, l + 1);
    derivation_result_free(&r);
}

static void on_mdps(const char *const *ids, int n)
{
    static const struct { const char *name; double scale; } at[] = { { "E5", 1 }, { "E5", 3 }, { "E5x", 1 },
        { "X3", 1 }, { "garnet:8,4,3,2", 1 } };
    for (size_t k = 0; k < sizeof at / sizeof *at; k++) {
        struct example e = example_of(at[k].name, at[k].scale);
        for (int i = 0; i < n; i++) holds(ids[i], e.x);
        example_free(&e);
    }
}

static void objectives(void **state)
{
    (void)state;
    static const char *const own[] = { "PPO-2", "PPO-4", "PPO-5", "PPO-6", "PPO-8", "PPO-9", "PPO-10", "PPO-15",
        "PPO-32", "PPO-37" }, *const mdps[] = { "PPO-1" };
    for (int i = 0; i < 10; i++) holds(own[i], &(setting){ .seed = 1 });
    on_mdps(mdps, 1);
}

static void iterations(void **state)
{
    (void)state;
    static const char *const own[] = { "PPO-7", "PPO-11", "PPO-13", "PPO-34" }, *const mdps[] = { "PPO-27", "IS-4" };
    for (int i = 0; i < 4; i++) holds(own[i], &(setting){ .seed = 1 });
    on_mdps(mdps, 2);
}

static void penalties(void **state)
{
    (void)state;
    static const char *const own[] = { "PPO-22", "PPO-23" };
    static const char *const mdps[] = { "PPO-20", "PPO-21", "PPO-25", "TRPO-28" };
    for (int i = 0; i < 2; i++) holds(own[i], &(setting){ .seed = 1 });
    on_mdps(mdps, 4);
}

/* The shorter experiments; the others are left to `make test-full` */
static void learns(void **state)
{
    (void)state;
    holds("PPO-24", &(setting){ .seed = 1 });
}

static void both_kinds_of_action(void **state)
{
    (void)state;
    holds("PPO-28", &(setting){ .seed = 1 });
}

/* Of n numbers the k-th and the k-th from the end: by Pascal's triangle the greatest k for which the k - 1 outer ones
 * of a side have less than 1/40 of the 2^n. Of ratios of medians:
 * shifted logs shift the interval, which has its sign */
static double ratio_of_medians(int n, const double *x) { return measured_median(n, x) / measured_median(n, x + n); }

static void intervals(void **state)
{
    (void)state;
    for (int n = 6; n <= 61; n++) {
        double x[61], below = 0, choose = 1;
        int k = 0;
        for (int i = 0; i < n; i++) x[i] = (i + n / 2) % n + 1;                     /* 1 .. n, not in order */
        while (below + choose < ldexp(1, n) / 40) below += choose, choose *= (double)(n - k) / (k + 1), k++;
        interval found = measured_interval(n, x);
        assert_near(found.low, k, 0);
        assert_near(found.median, (n + 1) / 2.0, 0);
        assert_near(found.high, n + 1 - k, 0);
    }
    double x[2 * 21];
    for (int i = 0; i < 21; i++) x[i] = 2 * exp(0.1 * (i - 10)), x[21 + i] = exp(0.1 * (i % 21 - 10));
    interval twice = measured_bootstrap(2, 21, x, ratio_of_medians, 1);
    assert_near(twice.median, 2, 1e-15);
    assert_true(twice.low < 1.6 && twice.low > 0.7 && twice.high > 2.4 && twice.high < 5.5);
    for (int i = 0; i < 21; i++) x[i] = 3;
    interval once = measured_bootstrap(1, 21, x, measured_median, 1);
    assert_true(once.low == 3 && once.median == 3 && once.high == 3);
}

/* X18 and X30: r = .5 and 1.5 with A = -1, value and slope, right and ERR-60's; and p = .99, .999999 */
static void known_numbers(void **state)
{
    (void)state;
    enum { LEFT = 2 * (4 * 10 + 2), RIGHT = 2 * (4 * 10 + 8) };         /* in the table: row of A, column of r */
    static const struct { const char *id; int line, i; double number, digit; } known[] = {
        { "PPO-2", 1, LEFT, -0.80, 1e-12 }, { "PPO-2", 1, LEFT + 1, 0, 1e-12 },
        { "PPO-2", 2, LEFT, -0.50, 1e-12 }, { "PPO-2", 2, LEFT + 1, -1, 1e-12 },
        { "PPO-2", 1, RIGHT, -1.50, 1e-12 }, { "PPO-2", 1, RIGHT + 1, -1, 1e-12 },
        { "PPO-2", 2, RIGHT, -1.20, 1e-12 }, { "PPO-2", 2, RIGHT + 1, 0, 1e-12 },
        { "PPO-10", 1, 8, 0.1445, 1e-4 }, { "PPO-10", 1, 15, 0.28, 1e-5 }, { "PPO-10", 1, 16, 1.111, 1e-3 },
        { "PPO-10", 1, 17, 0, 2e-5 }, { "PPO-10", 1, 18, 1.06, 1e-2 } };
    for (size_t k = 0; k < sizeof known / sizeof *known; k++) {
        derivation_result result = derivation_run(derivation_find(known[k].id), &(setting){ .seed = 1 });
        double found = derivation_number(&result, known[k].line, known[k].i);
        assert_near(found, known[k].number, 0.51 * known[k].digit);
        derivation_result_free(&result);
    }
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(objectives), cmocka_unit_test(iterations), cmocka_unit_test(penalties),
        cmocka_unit_test(learns), cmocka_unit_test(both_kinds_of_action),
        cmocka_unit_test(intervals), cmocka_unit_test(known_numbers) };
    if (argc > 1) cmocka_set_test_filter(argv[1]);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
