/* Q of a deterministic policy on a regulator: of lines, against their closed forms, with noise and without; of a
 * network that is no line, against V by quadrature on a grid, which shares no code with it. */
#include <float.h>
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "autodiff/linalg.h"
#include "autodiff/random.h"
#include "autodiff/require.h"
#include "derivations/lqr_of_mu.h"
#include "derivations/regulators.h"
#include "tests/child_process.h"

enum { MOST = 5000 };
#define CUT 1e-8                /* gamma^T: the sum ends there */

static lqr_exact *optimum(const lqr_system *L)
{
    char error[256];
    lqr_exact *best = lqr_optimum(L, error, sizeof error);
    assert_non_null(best);
    return best;
}

/* mu(s) = -K s as a network without hidden layers: theta = W [n x m], b [m], W = -K^T */
static policy line(int i, const double *K, double *theta)
{
    env *e = lqr_system_env_new("a line", regulator_system(i));
    policy p = deterministic_policy_of(e, 0, NULL, AD_RELU);
    memset(theta, 0, (size_t)p.n * sizeof *theta);
    for (int r = 0; r < p.d; r++)
        for (int c = 0; c < p.k; c++) theta[r * p.k + c] = -K[c * p.d + r];
    p.low = p.high = NULL;
    env_free(e);
    return p;
}

static void draw(gsl_rng *rng, int n, double *x)
{
    for (int i = 0; i < n; i++) x[i] = 4 * gsl_rng_uniform(rng) - 2;
}

/* W = 0: nothing is drawn; left out is gamma^T of what is lost after T, less than CUT of all that is lost */
static void lines_without_noise(void **state)
{
    (void)state;
    enum { N = 50 };
    gsl_rng *rng = random_stream(1, 0, RANDOM_TEST);
    for (int i = 0; i < REGULATORS; i++) {
        double theta[16], x[N * REGULATOR_MAX], u[N * REGULATOR_MAX], Q[N];
        lqr_system *L = regulator_system(i);
        memset(L->W, 0, (size_t)(L->n * L->n) * sizeof *L->W);
        lqr_exact *of = regulator_exact(i, L, NULL), *best = optimum(L);
        policy p = line(i, of->K, theta);
        draw(rng, N * L->n, x);
        draw(rng, N * L->m, u);
        lqr_Q_of_mu(best, &p, theta, N, x, u, NULL, Q);
        for (int k = 0; k < N; k++) {
            const double *s = x + k * L->n, *a = u + k * L->m;
            double exact = lqr_Q(of, s, a), lost = lqr_Q(best, s, a) - exact;
            double allowed = CUT * lost + 1e4 * DBL_EPSILON * fabs(exact);
            assert_true(lost > 1e3 * allowed);
            if (!(fabs(Q[k] - exact) <= allowed))
                fail_msg("%s: %.17g is not %.17g", regulator_name(i), Q[k], exact);
        }
        lqr_exact_free(of);
        lqr_exact_free(best);
        lqr_system_free(L);
    }
    gsl_rng_free(rng);
}

/* Of N paths from one (x, u): is the mean exact within 4 standard errors, once in 16000 not; and what was lost, on
 * which all depends, seen as 25 of them? */
static void agrees(int N, const double *Q, double exact, double best, const char *what)
{
    double sum = 0, squares = 0;
    for (int i = 0; i < N; i++) sum += Q[i] - exact, squares += (Q[i] - exact) * (Q[i] - exact);
    double mean = sum / N, se = sqrt((squares / N - mean * mean) / (N - 1));
    if (!(fabs(mean) <= 4 * se)) fail_msg("%s: off by %g, %g standard errors", what, mean, mean / se);
    if (!(best - exact >= 25 * se)) fail_msg("%s: %g was lost, the standard error %g", what, best - exact, se);
}

static void lines_with_noise(void **state)
{
    (void)state;
    int i = 2;                                              /* the rooms: W is no multiple of 1 */
    const double x0[3] = { 0.2, -0.1, 0.3 }, u0[2] = { 0.1, -0.3 };
    double theta[16], *x = allocate(MOST, 3 * sizeof *x, "x"), *u = allocate(MOST, 2 * sizeof *u, "u");
    double *Q = allocate(MOST, sizeof *Q, "Q");
    lqr_system *L = regulator_system(i);
    lqr_exact *of = regulator_exact(i, L, NULL), *best = optimum(L);
    policy p = line(i, of->K, theta);
    gsl_rng *rng = random_stream(2, 0, RANDOM_TEST);
    for (int k = 0; k < MOST; k++) memcpy(x + 3 * k, x0, sizeof x0), memcpy(u + 2 * k, u0, sizeof u0);
    lqr_Q_of_mu(best, &p, theta, MOST, x, u, rng, Q);
    agrees(MOST, Q, lqr_Q(of, x0, u0), lqr_Q(best, x0, u0), "rooms");
    gsl_rng_free(rng);
    lqr_exact_free(of);
    lqr_exact_free(best);
    lqr_system_free(L);
    free(Q);
    free(u);
    free(x);
}

/* ---- a network, by quadrature ---- */

enum { HALF_GRID = 80, GRID = 2 * HALF_GRID + 1, BACKUPS = 200 };       /* .9^200 = 7e-10 */
#define H 0.1                                                           /* from -8 to 8 */
static const lqr scalar_ = { .A = 1, .B = 0.5, .Q = 1, .R = 0.1, .W = 0.1, .X0 = 1, .gamma = 0.9 };

/* mu(x) = .1 - tanh(x + .3) - .8 tanh(x / 2 - .2) */
static const double tanhs[] = { 1, 0.5, 0.3, -0.2, -1, -0.8, 0.1 };
static double mu(double x) { return 0.1 - tanh(x + 0.3) - 0.8 * tanh(x / 2 - 0.2); }
static double at(int i) { return H * (i - HALF_GRID); }

/* int V(y) N(y; A x + B u, W) dy by the trapezoid rule: sqrt W / H = 3.2, an error below rounding */
static double next_V(const double *V, double x, double u)
{
    double f = scalar_.A * x + scalar_.B * u, sum = 0, weights = 0;
    for (int j = 0; j < GRID; j++) {
        double w = exp(-(at(j) - f) * (at(j) - f) / (2 * scalar_.W));
        sum += w * V[j];
        weights += w;
    }
    return sum / weights;
}
static double Q_by_grid(const double *V, double x, double u)
{
    return -(scalar_.Q * x * x + scalar_.R * u * u) + scalar_.gamma * next_V(V, x, u);
}

static void network_by_quadrature(void **state)
{
    (void)state;
    static double V[GRID], V1[GRID];
    double *x = allocate(MOST, sizeof *x, "x"), *u = allocate(MOST, sizeof *u, "u");
    double *Q = allocate(MOST, sizeof *Q, "Q");
    lqr_system *L = lqr_system_of(&scalar_);
    lqr_exact *best = optimum(L);
    env *e = lqr_env_new("scalar", &scalar_);
    policy p = deterministic_policy_of(e, 1, (int[]){ 2 }, AD_TANH);
    gsl_rng *rng = random_stream(3, 0, RANDOM_TEST);
    assert_int_equal(p.n, sizeof tanhs / sizeof *tanhs);
    for (int k = 0; k < BACKUPS; k++) {
        for (int i = 0; i < GRID; i++) V1[i] = Q_by_grid(V, at(i), mu(at(i)));
        memcpy(V, V1, sizeof V);
    }
    for (int k = 0; k < 6; k++) {                           /* u = mu(x) and others */
        double x0 = k - 2.5, u0 = mu(x0) + (k % 2 ? 0.5 : 0), exact = Q_by_grid(V, x0, u0);
        for (int i = 0; i < MOST; i++) x[i] = x0, u[i] = u0;
        lqr_Q_of_mu(best, &p, tanhs, MOST, x, u, rng, Q);
        agrees(MOST, Q, exact, lqr_Q(best, &x0, &u0), "tanh");
    }
    gsl_rng_free(rng);
    env_free(e);
    lqr_exact_free(best);
    lqr_system_free(L);
    free(Q);
    free(u);
    free(x);
}

/* A mu that drives x away, to one side or, with inf - inf on its way, to both, loses everything: and no stop */
static void runs_away(void **state)
{
    (void)state;
    const double K[2] = { -1e3, 1e3 }, x = 1, u = 0;
    lqr_system *L = regulator_system(0);
    lqr_exact *best = optimum(L);
    for (int i = 0; i < 2; i++) {
        double theta[2], Q;
        policy p = line(0, K + i, theta);
        lqr_Q_of_mu(best, &p, theta, 1, &x, &u, NULL, &Q);
        assert_true(Q == -INFINITY);
    }
    lqr_exact_free(best);
    lqr_system_free(L);
}

/* Only of a deterministic policy of the regulator's own shape, and gamma < 1: else it stops at once */
static void of_another(int which)
{
    double K = 0.5, theta[2], x = 1, Q;
    lqr_system *L = regulator_system(0);
    lqr_exact *best = optimum(L);
    policy p = line(0, &K, theta);
    if (which == 1) p.deterministic = false;
    if (which == 2) p.d = 2;
    if (which == 3) p.k = 2;
    if (which == 4) L->gamma = 1;
    lqr_Q_of_mu(best, &p, theta, 1, &x, &x, NULL, &Q);
    lqr_exact_free(best);
    lqr_system_free(L);
}

static void stops(void **state)
{
    (void)state;
    for (int which = 0; which <= 4; which++) {
        struct ending end = run_child(of_another, which);
        assert_true(which ? WIFSIGNALED(end.status) : WIFEXITED(end.status) && WEXITSTATUS(end.status) == 99);
        assert_true(!which || strstr(end.err, ", gamma "));
    }
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(lines_without_noise), cmocka_unit_test(lines_with_noise),
        cmocka_unit_test(network_by_quadrature), cmocka_unit_test(runs_away),
        cmocka_unit_test(stops) };
    if (argc > 1) cmocka_set_test_filter(argv[1]);
    linalg_start();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
