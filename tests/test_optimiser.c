/* Optimisers against traces done by hand in rational numbers, recursions in long double, and closed forms.
 *     test_optimiser [pattern]        runs the tests whose names match
 * u = 2^-52. Every run is deterministic. */
#include <float.h>
#include <math.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <gsl/gsl_randist.h>

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "autodiff/optimiser.h"
#include "autodiff/random.h"
#include "autodiff/require.h"

static void assert_near(const char *what, double got, long double want, double allowed)
{
    if (!(fabsl(got - want) <= allowed))
        fail_msg("%s: %.17g, expected %.17Lg, error %.2Lg, allowed %.2g", what, got, want,
                 fabsl(got - want), allowed);
}

static void gaussians(uint32_t worker, int n, double *x)
{
    gsl_rng *rng = random_stream(31, worker, RANDOM_TEST);
    for (int i = 0; i < n; i++) x[i] = gsl_ran_ugaussian(rng);
    gsl_rng_free(rng);
}

/* ---- by hand ---- */
/* beta1 = 1/2, beta2 = 3/4, eps = 1, lr = 1. Numbers for which every root is rational:
 *     g = 2, 5, -4:   m = 1, 3, -1/2,   m^ = 2, 4, -4/7;   v = 1, 7, 37/4,   v^ = 4, 16, 16;
 *                     steps 2/3, 4/5, -4/35
 *     g = 1, -1, 1:   m^ = 1, -1/3, 3/7 and v^ = 1 at every step: a constant square is its own mean */
static void adam_trace(void **state)
{
    (void)state;
    static const double g[3][2] = { { 2, 1 }, { 5, -1 }, { -4, 1 } };
    static const long double theta_want[3][2] = { { 2 / 3.0L, 1 / 2.0L }, { 22 / 15.0L, 1 / 3.0L },
                                                  { 142 / 105.0L, 23 / 42.0L } };
    double theta[2] = { 0 }, m[2] = { 0 }, v[2] = { 0 };
    adam o = { 2, 1, 0.5, 0.75, 1, 0, m, v };
    for (int t = 0; t < 3; t++) {
        adam_ascend(&o, theta, g[t]);
        for (int i = 0; i < 2; i++) assert_near("theta", theta[i], theta_want[t][i], 1e-15);
    }
    assert_true(m[0] == -0.5 && v[0] == 37 / 4.0 && o.t == 3);
    assert_true(m[1] == 0.375 && v[1] == 37 / 64.0);
}

/* alpha = 3/4, eps = 3, lr = 1. Inside the root: g = 2, 1, -7: v = 1, 1, 13; steps 2/2, 1/2, -7/4. Outside:
 * g = 2, 1, -1: v = 1, 1, 1; steps 2/4, 1/4, -1/4. */
static void rmsprop_traces(void **state)
{
    (void)state;
    static const double g[2][3] = { { 2, 1, -7 }, { 2, 1, -1 } };
    static const double want[2][3] = { { 1, 1.5, -0.25 }, { 0.5, 0.75, 0.5 } };
    for (int outside = 0; outside < 2; outside++) {
        double theta = 0, v = 0;
        rmsprop o = { 1, 1, 0.75, 3, &v };
        for (int t = 0; t < 3; t++) {
            (outside ? rmsprop_outside_ascend : rmsprop_ascend)(&o, &theta, &g[outside][t]);
            assert_true(theta == want[outside][t]);
        }
        assert_true(v == (outside ? 1 : 13));
    }
}

static void sgd_trace(void **state)
{
    (void)state;
    double theta[3] = { 1, 2, 3 };
    const double g[3] = { 4, -8, 0 };
    sgd_ascend(3, 0.25, theta, g);
    assert_true(theta[0] == 2 && theta[1] == 0 && theta[2] == 3);
}

/* ---- the same recursions in long double, from the formulas as printed ---- */
enum { STEPS = 100, ENTRIES = 50 };

/* A step's m and v carry at most 2t roundings, so a step of size <= 10 lr is right to about t u 10 lr;
 * T = STEPS of them, and as many roundings of theta: u T (|theta| + 10 lr T). Ten of these. */
static double allowance(double theta, double lr)
{
    return 10 * DBL_EPSILON * STEPS * (fabs(theta) + 10 * lr * STEPS);
}

static void adam_recursion(void **state)
{
    (void)state;
    double theta[ENTRIES] = { 0 }, m[ENTRIES] = { 0 }, v[ENTRIES] = { 0 }, g[ENTRIES];
    long double x[ENTRIES] = { 0 }, M[ENTRIES] = { 0 }, V[ENTRIES] = { 0 }, power1 = 1, power2 = 1;
    adam o = { ENTRIES, 1e-3, 0.9, 0.999, 1e-8, 0, m, v };
    for (int t = 0; t < STEPS; t++) {
        gaussians((uint32_t)t, ENTRIES, g);
        o.lr = 1e-3 * (1 - (double)t / STEPS);                      /* annealed, as PPO does */
        adam_ascend(&o, theta, g);
        power1 *= (long double)o.beta1;
        power2 *= (long double)o.beta2;
        for (int i = 0; i < ENTRIES; i++) {
            M[i] = o.beta1 * M[i] + (1 - (long double)o.beta1) * g[i];
            V[i] = o.beta2 * V[i] + (1 - (long double)o.beta2) * g[i] * g[i];
            x[i] += o.lr * (M[i] / (1 - power1)) / (sqrtl(V[i] / (1 - power2)) + o.eps);
        }
    }
    for (int i = 0; i < ENTRIES; i++) assert_near("Adam", theta[i], x[i], allowance(theta[i], 1e-3));
}

static void rmsprop_recursions(void **state)
{
    (void)state;
    for (int outside = 0; outside < 2; outside++)
        for (double eps = 1e-8; eps < 1; eps *= 1e7) {              /* 1e-8, .1 */
            double theta[ENTRIES] = { 0 }, v[ENTRIES] = { 0 }, g[ENTRIES];
            long double x[ENTRIES] = { 0 }, V[ENTRIES] = { 0 };
            rmsprop o = { ENTRIES, 7e-4, 0.99, eps, v };
            for (int t = 0; t < STEPS; t++) {
                gaussians((uint32_t)(1000 + t), ENTRIES, g);
                (outside ? rmsprop_outside_ascend : rmsprop_ascend)(&o, theta, g);
                for (int i = 0; i < ENTRIES; i++) {
                    V[i] = o.alpha * V[i] + (1 - (long double)o.alpha) * g[i] * g[i];
                    x[i] += o.lr * g[i] / (outside ? sqrtl(V[i]) + eps : sqrtl(V[i] + eps));
                }
            }
            for (int i = 0; i < ENTRIES; i++)
                assert_near("RMSProp", theta[i], x[i], allowance(theta[i], 7e-4));
        }
}

/* ---- closed forms ---- */
/* Adam's first step is lr g / (|g| + eps), which is lr sign(g) up to eps / |g|; a dozen roundings. */
static void adam_first_step(void **state)
{
    (void)state;
    for (double size = 1e-12; size < 1e7; size *= 10)
        for (int sign = -1; sign <= 1; sign += 2) {
            double theta = 0, m = 0, v = 0, g = sign * size;
            adam o = { 1, 3e-4, 0.9, 0.999, 1e-8, 0, &m, &v };
            adam_ascend(&o, &theta, &g);
            long double want = 3e-4 * (long double)g / (size + 1e-8L);
            assert_near("the first step", theta, want, 12 * DBL_EPSILON * (double)fabsl(want));
        }
}

/* Under a constant gradient with eps = 0 every step is lr sign(g): m^ = g and v^ = g^2 at every t, if
 * 1 - beta^t has all its digits. */
static void adam_constant(void **state)
{
    (void)state;
    double theta = 0, m = 0, v = 0, g = -3;
    adam o = { 1, 1, 0.9, 0.999, 0, 0, &m, &v };
    for (int t = 1; t <= 20; t++) {
        adam_ascend(&o, &theta, &g);
        assert_near("theta", theta, -t, 12 * DBL_EPSILON * t);
    }
}

/* Adam with eps = 0 does not see the scale of g: by a power of two not in a single bit. */
static void adam_scale(void **state)
{
    (void)state;
    double theta[2][20] = { { 0 } }, m[2][20] = { { 0 } }, v[2][20] = { { 0 } }, g[20], g_scaled[20];
    adam o[2] = { { 20, 1e-2, 0.9, 0.999, 0, 0, m[0], v[0] }, { 20, 1e-2, 0.9, 0.999, 0, 0, m[1], v[1] } };
    for (uint32_t t = 0; t < 10; t++) {
        gaussians(t, 20, g);
        for (int i = 0; i < 20; i++) g_scaled[i] = ldexp(g[i], 20);
        adam_ascend(&o[0], theta[0], g);
        adam_ascend(&o[1], theta[1], g_scaled);
    }
    assert_memory_equal(theta[0], theta[1], sizeof theta[0]);
}

/* J = -(theta - 3)^2 / 2 grows at every one of the first steps from 0, with each of them. */
static void all_ascend(void **state)
{
    (void)state;
    for (int which = 0; which < 5; which++) {
        double theta = 0, m = 0, v = 0;
        _Atomic double shared_theta = 0, shared_v = 0;
        adam a = { 1, 0.01, 0.9, 0.999, 1e-8, 0, &m, &v };
        rmsprop r = { 1, 0.01, 0.99, 0.1, &v };
        rmsprop_shared s = { 1, 0.01, 0.99, 0.1, &shared_v };
        for (int t = 0; t < 10; t++) {
            double before = theta, g = 3 - theta;
            if (which == 0) sgd_ascend(1, 0.01, &theta, &g);
            if (which == 1) adam_ascend(&a, &theta, &g);
            if (which == 2) rmsprop_ascend(&r, &theta, &g);
            if (which == 3) rmsprop_outside_ascend(&r, &theta, &g);
            if (which == 4) rmsprop_shared_ascend(&s, &shared_theta, &g);
            if (which == 4) theta = shared_theta;
            assert_true(theta > before && theta < 3);
        }
    }
}

/* ---- one long vector and its parts give the same bits, whatever the vector loops do at their ends ---- */
enum { LONG = 1000 };

static void splitting(void **state)
{
    (void)state;
    static const int part[] = { 1, 7, 64, 65, 3, 860 };
    static double g[LONG], theta[2][LONG], m[2][LONG], v[2][LONG];
    static _Atomic double shared_theta[2][LONG], shared_v[2][LONG];
    for (int which = 0; which < 5; which++) {
        memset(theta, 0, sizeof theta);
        memset(m, 0, sizeof m);
        memset(v, 0, sizeof v);
        for (uint32_t t = 0; t < 3; t++) {
            gaussians(t, LONG, g);
            for (int split = 0; split < 2; split++)
                for (int k = 0, at = 0; at < LONG; at += split ? part[k++] : LONG) {
                    int n = split ? part[k] : LONG;
                    adam a = { n, 0.01, 0.9, 0.999, 1e-8, t, m[split] + at, v[split] + at };
                    rmsprop r = { n, 0.01, 0.99, 0.1, v[split] + at };
                    rmsprop_shared s = { n, 0.01, 0.99, 0.1, shared_v[split] + at };
                    if (which == 0) sgd_ascend(n, 0.01, theta[split] + at, g + at);
                    if (which == 1) adam_ascend(&a, theta[split] + at, g + at);
                    if (which == 2) rmsprop_ascend(&r, theta[split] + at, g + at);
                    if (which == 3) rmsprop_outside_ascend(&r, theta[split] + at, g + at);
                    if (which == 4) rmsprop_shared_ascend(&s, shared_theta[split] + at, g + at);
                }
        }
        for (int i = 0; i < LONG && which == 4; i++)
            for (int split = 0; split < 2; split++) theta[split][i] = shared_theta[split][i];
        assert_true(theta[0][0] != 0 && theta[0][LONG - 1] != 0);
        assert_memory_equal(theta[0], theta[1], sizeof theta[0]);
    }
}

/* ---- shared statistics ---- */
/* Workers that take turns on one v and one theta are one worker on the merged sequence of gradients, to
 * the bit; with statistics of their own they are not. */
static void shared_is_merged(void **state)
{
    (void)state;
    enum { N = 130 };
    static _Atomic double theta[N], v[N];
    double merged[N] = { 0 }, merged_v[N] = { 0 }, own[N] = { 0 }, own_v[2][N] = { { 0 } }, g[N];
    for (int t = 0; t < 20; t++) {
        int worker = t * t / 3 % 2;
        gaussians((uint32_t)(10 * t + worker), N, g);
        const rmsprop_shared shared = { N, 0.01, 0.99, 0.1, v };
        const rmsprop one = { N, 0.01, 0.99, 0.1, merged_v }, alone = { N, 0.01, 0.99, 0.1, own_v[worker] };
        rmsprop_shared_ascend(&shared, theta, g);
        rmsprop_ascend(&one, merged, g);
        rmsprop_ascend(&alone, own, g);
    }
    int different = 0;
    for (int i = 0; i < N; i++) {
        assert_true(theta[i] == merged[i] && v[i] == merged_v[i]);
        different += own[i] != merged[i];
    }
    assert_int_equal(different, N);
}

enum { WORKERS = 4, ROUNDS = 500, WIDTH = 200 };
static _Atomic double common_theta[WIDTH], common_v[WIDTH];

static void *work(void *unused)
{
    double g[WIDTH];
    for (int i = 0; i < WIDTH; i++) g[i] = 1;
    const rmsprop_shared o = { WIDTH, 0.01, 0.99, 0.1, common_v };
    for (int t = 0; t < ROUNDS; t++) rmsprop_shared_ascend(&o, common_theta, g);
    return unused;
}

/* Threads at once, g = 1: updates may be lost, but no entry is torn. v stays in [1 - alpha, 1], so a step
 * is between lr / sqrt(1 + eps) and lr / sqrt(1 - alpha + eps), and theta between one step and all. */
static void threads(void **state)
{
    (void)state;
    pthread_t thread[WORKERS];
    for (int i = 0; i < WORKERS; i++) assert_int_equal(pthread_create(&thread[i], NULL, work, NULL), 0);
    for (int i = 0; i < WORKERS; i++) assert_int_equal(pthread_join(thread[i], NULL), 0);
    for (int i = 0; i < WIDTH; i++) {
        assert_true(common_v[i] >= 0.01 - 1e-15 && common_v[i] <= 1 + 1e-12);
        assert_true(common_theta[i] >= 0.99 * 0.01 / sqrt(1.1));
        assert_true(common_theta[i] <= 1.01 * WORKERS * ROUNDS * 0.01 / sqrt(0.11));
    }
}

/* ---- clipping ---- */
static void clipping(void **state)
{
    (void)state;
    double g[2] = { 3, 4 };
    assert_true(clip_global_norm(2, g, 5) == 5 && g[0] == 3 && g[1] == 4);      /* at the bound: as it was */
    assert_true(clip_global_norm(2, g, 10) == 5 && g[0] == 3 && g[1] == 4);
    assert_true(clip_global_norm(2, g, 2.5) == 5 && g[0] == 1.5 && g[1] == 2);  /* its direction stays */
    for (int k = 1; k <= 50; k++) {                 /* where g / norm * norm would be another number */
        double at_bound[2] = { k, 3.14 * k }, norm = clip_global_norm(2, at_bound, INFINITY);
        assert_true(clip_global_norm(2, at_bound, norm) == norm && at_bound[0] == k && at_bound[1] == 3.14 * k);
    }
    double zero[3] = { 0 };
    assert_true(clip_global_norm(3, zero, 1) == 0 && zero[0] == 0);

    /* sizes whose squares leave the range of doubles: the norm to n u, each entry to a few u of it */
    for (int e = -300; e <= 300; e += 50) {
        double x[ENTRIES], before[ENTRIES];
        long double sum = 0, clipped = 0;
        const double allowed = (ENTRIES + 4) * DBL_EPSILON;
        gaussians(7, ENTRIES, x);
        for (int i = 0; i < ENTRIES; i++) {
            before[i] = x[i] *= pow(10, e);
            sum += (long double)x[i] * x[i];
        }
        double max_norm = pow(10, e) / 4, norm = clip_global_norm(ENTRIES, x, max_norm);
        assert_near("norm", norm, sqrtl(sum), ENTRIES * DBL_EPSILON * norm);
        for (int i = 0; i < ENTRIES; i++) {
            clipped += (long double)x[i] * x[i];
            assert_near("entry", x[i], before[i] / sqrtl(sum) * max_norm, allowed * fabs(x[i]));
        }
        assert_near("norm afterwards", (double)sqrtl(clipped), max_norm, allowed * max_norm);
    }
    double far[2] = { 3e300, 4e300 };               /* max_norm / norm = 1e-310 has lost its digits */
    clip_global_norm(2, far, 5e-10);
    assert_near("far", far[0], 3e-10L, 4 * DBL_EPSILON * 3e-10);
}

static int status_of(int which)
{
    fflush(NULL);
    pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        if (!freopen("/dev/null", "w", stderr)) _exit(98);
        double bad[3] = { 1, which == 0 ? NAN : INFINITY, 2 }, good[1] = { 1 };
        if (which < 2) clip_global_norm(3, bad, 1);
        else           clip_global_norm(1, good, which == 2 ? 0 : NAN);
        _exit(99);
    }
    int status;
    assert_true(waitpid(child, &status, 0) == child);
    return status;
}

/* A gradient that is not finite is a numerical failure, exit 4; a bound that is no bound is a bug. */
static void clipping_errors(void **state)
{
    (void)state;
    for (int which = 0; which < 4; which++) {
        int status = status_of(which);
        if (which < 2) assert_true(WIFEXITED(status) && WEXITSTATUS(status) == EXIT_NUMERICAL);
        else           assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGABRT);
    }
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(adam_trace), cmocka_unit_test(rmsprop_traces), cmocka_unit_test(sgd_trace),
        cmocka_unit_test(adam_recursion), cmocka_unit_test(rmsprop_recursions),
        cmocka_unit_test(adam_first_step), cmocka_unit_test(adam_constant),
        cmocka_unit_test(adam_scale), cmocka_unit_test(all_ascend), cmocka_unit_test(splitting),
        cmocka_unit_test(shared_is_merged), cmocka_unit_test(threads), cmocka_unit_test(clipping),
        cmocka_unit_test(clipping_errors),
    };
    if (argc > 1) cmocka_set_test_filter(argv[1]);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
