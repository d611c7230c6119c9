/* The built-in MDPs: against the reference tables, against values that the literature and closed forms give,
 * and against naive sums in long double. Garnets by their distribution, the time-expanded MDP by backward
 * induction.
 *     test_mdp_named [pattern]       runs the tests whose names match */
#include <float.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

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

#ifndef REFERENCE
#define REFERENCE "tests/reference"
#endif
#define COUNT(a) ((int)(sizeof(a) / sizeof((a)[0])))

typedef long double real;
static const double U = DBL_EPSILON;

static mdp *named(const char *name)
{
    char error[512] = "";
    mdp *M = mdp_named(name, error, sizeof error);
    if (!M) fail_msg("%s", error);
    return M;
}

/* Logits of a policy that takes action 0 with probability p in every state of two actions. */
static double *aliased(const mdp *M, double p)
{
    assert_int_equal(M->nA, 2);
    double *logits = allocate(2 * (size_t)M->nS, sizeof *logits, "logits");
    for (int s = 0; s < M->nS; s++) logits[2 * s] = log(p), logits[2 * s + 1] = log1p(-p);
    return logits;
}

static exact *solved(const mdp *M, double gamma, const double *logits)
{
    char error[512] = "";
    double *uniform = allocate((size_t)M->nS * (size_t)M->nA, sizeof *uniform, "logits");
    exact *x = exact_new(M, gamma, logits ? logits : uniform, error, sizeof error);
    if (!x) fail_msg("%s", error);
    free(uniform);
    return x;
}

static exact *solved_aliased(const mdp *M, double gamma, double p)
{
    double *logits = aliased(M, p);
    exact *x = solved(M, gamma, logits);
    free(logits);
    return x;
}

static double J_aliased(const mdp *M, double gamma, double p)
{
    exact *x = solved_aliased(M, gamma, p);
    double J = x->J;
    exact_free(x);
    return J;
}

/* |x - y| <= 10 units; prints what was found where it is not. */
static void assert_close(const char *what, double x, double y, double unit)
{
    if (!(fabs(x - y) <= 10 * unit))
        fail_msg("%s: %.17g, expected %.17g, %.3g units apart", what, x, y, fabs(x - y) / unit);
}

/* -------------------------------------------------------------------------------- tables and names */

static double ulps_apart(double x, double y) { return x == y ? 0 : fabs(x - y) / (U * fmax(fabs(x), fabs(y))); }

static void test_reference_tables(void **state)
{
    (void)state;
    static const char *const pair[][2] = {
        { "FrozenLake-v1", "fl4_slip" },        { "FrozenLake8x8-v1", "fl8_slip" },
        { "FrozenLakeNotSlippery-v1", "fl4_det" }, { "FrozenLake8x8NotSlippery-v1", "fl8_det" },
        { "CliffWalking-v1", "cliff" },         { "CliffWalkingSlippery-v1", "cliff_slip" },
        { "Taxi-v4", "taxi" },                  { "Taxi-v3", "taxi" },
        { "gridworld-3.5", "sb35" },            { "gridworld-4.1", "sb41" },
        { "random-walk", "rw5" },               { "windy-gridworld", "windy" } };
    for (int i = 0; i < COUNT(pair); i++) {
        char path[256], error[512] = "";
        snprintf(path, sizeof path, REFERENCE "/mdp/%s.mdp", pair[i][1]);
        mdp *M = named(pair[i][0]), *N = mdp_read(path, error, sizeof error);
        if (!N) fail_msg("%s", error);
        assert_int_equal(M->nS, N->nS);
        assert_int_equal(M->nA, N->nA);
        assert_true(M->gamma == N->gamma);
        for (int s = 0; s < M->nS; s++) assert_true(ulps_apart(M->mu0[s], N->mu0[s]) <= 2);
        for (int k = 0; k <= M->nS * M->nA; k++) assert_int_equal(M->row[k], N->row[k]);
        for (int k = 0; k < M->row[M->nS * M->nA]; k++) {
            assert_int_equal(M->next[k], N->next[k]);
            assert_true(ulps_apart(M->P[k], N->P[k]) <= 2);
            assert_true(ulps_apart(M->R[k], N->R[k]) <= 2);
        }
        for (int a = 0; a < M->nA && N->action_name; a++)
            assert_string_equal(M->action_name[a], N->action_name[a]);
        mdp_free(M);
        mdp_free(N);
    }
}

/* What mdp.h promises of every built-in: its name, rows that sum to 1 within the rounding of their length, and
 * one absorbing state, the last, or none. */
static void test_every_name(void **state)
{
    (void)state;
    static const char *const endless[] = { "gridworld-3.5", "E5", "X3", "ok-bad", "loops", "garnet" };
    char list[512];
    mdp_builtin_list(list, sizeof list);
    for (int i = 0; mdp_builtin_name(i); i++) {
        const char *name = mdp_builtin_name(i);
        assert_non_null(strstr(list, name));
        assert_true(mdp_is_builtin(name));
        mdp *M = mdp_builtin(name);
        assert_string_equal(M->name, name);
        bool ends = true;
        for (int j = 0; j < COUNT(endless); j++) ends = ends && strcmp(endless[j], name) != 0;
        for (int s = 0; s < M->nS; s++) {
            assert_int_equal(mdp_absorbing(M, s), ends && s == M->nS - 1);
            assert_false(mdp_absorbing(M, s) && M->mu0[s] != 0);
        }
        for (int r = 0; r < M->nS * M->nA; r++) {
            real sum = 0;
            int n = M->row[r + 1] - M->row[r];
            for (int k = M->row[r]; k < M->row[r + 1]; k++) sum += (real)M->P[k];
            assert_true(fabsl(sum - 1) <= n * U);
        }
        for (int a = 0; a < M->nA && M->action_name; a++) assert_true(strlen(M->action_name[a]) > 0);
        mdp_free(M);
    }
}

static void test_wrong_names(void **state)
{
    (void)state;
    static const char *const wrong[][2] = {
        { "E5:", "E5:: expected E5 alone" },
        { "E5:3", "E5:3: expected E5 alone" },
        { "chain:", "chain:: expected a whole number N in [1, 100000], found \"\"" },
        { "chain:0", "chain:0: expected a whole number N in [1, 100000], found \"0\"" },
        { "chain:100001", "chain:100001: expected a whole number N in [1, 100000], found \"100001\"" },
        { "chain:3.0", "chain:3.0: expected a whole number N in [1, 100000], found \"3.0\"" },
        { "chain:+3", "chain:+3: expected a whole number N in [1, 100000], found \"+3\"" },
        { "chain: 3", "chain: 3: expected a whole number N in [1, 100000], found \" 3\"" },
        { "chain:3 ", "chain:3 : expected a whole number N in [1, 100000], found \"3 \"" },
        { "chain:3,4", "chain:3,4: expected chain:N" },
        { "chain:3,", "chain:3,: expected chain:N" },
        { "chain:3:4", "chain:3:4: expected a whole number N in [1, 100000], found \"3:4\"" },
        { "loops:1", "loops:1: expected a whole number N in [2, 100000], found \"1\"" },
        { "ok-bad:", "ok-bad:: expected a number eps in [0, 1], found \"\"" },
        { "ok-bad:1.5", "ok-bad:1.5: expected a number eps in [0, 1], found \"1.5\"" },
        { "ok-bad:-1", "ok-bad:-1: expected a number eps in [0, 1], found \"-1\"" },
        { "ok-bad:nan", "ok-bad:nan: expected a number eps in [0, 1], found \"nan\"" },
        { "ok-bad:0x1", "ok-bad:0x1: expected a number eps in [0, 1], found \"0x1\"" },
        { "ok-bad:1e", "ok-bad:1e: expected a number eps in [0, 1], found \"1e\"" },
        { "garnet:5,2,3", "garnet:5,2,3: expected garnet:S,A,b,seed" },
        { "garnet:5,2,3,1,1", "garnet:5,2,3,1,1: expected garnet:S,A,b,seed" },
        { "garnet:5,,3,1", "garnet:5,,3,1: expected a whole number A in [1, 10000], found \"\"" },
        { "garnet:5,2,6,1", "garnet:5,2,6,1: expected b <= S and S A b <= 10000000" },
        { "garnet:1000000,11,1,1", "garnet:1000000,11,1,1: expected b <= S and S A b <= 10000000" },
        { "garnet:5,2,3,9007199254740994",
          "garnet:5,2,3,9007199254740994: expected a whole number seed in [0, 9007199254740992], "
          "found \"9007199254740994\"" } };
    for (int i = 0; i < COUNT(wrong); i++) {
        char error[512] = "";
        assert_null(mdp_open(wrong[i][0], error, sizeof error));
        assert_string_equal(error, wrong[i][1]);
        assert_null(mdp_builtin(wrong[i][0]));
    }
    assert_false(mdp_is_builtin("E"));
    assert_false(mdp_is_builtin("E5y"));
    assert_false(mdp_is_builtin("E5.mdp"));
    assert_false(mdp_is_builtin(""));
    char small[8];
    mdp_builtin_list(small, sizeof small);
    assert_string_equal(small, "FrozenL");
    assert_null(mdp_named("chain:0", small, sizeof small));
    assert_string_equal(small, "chain:0");
}

/* ----------------------------------------------------------------------------- values from the literature */

/* The figures of the book have one decimal. */
static void test_gridworld_3_5(void **state)
{
    (void)state;
    static const double V_pi[25] = { 3.3, 8.8, 4.4, 5.3, 1.5,  1.5, 3.0, 2.3, 1.9, 0.5,  0.1, 0.7, 0.7, 0.4, -0.4,
                                     -1.0, -0.4, -0.4, -0.6, -1.2,  -1.9, -1.3, -1.2, -1.4, -2.0 };
    static const double V_star[25] = { 22.0, 24.4, 22.0, 19.4, 17.5,  19.8, 22.0, 19.8, 17.8, 16.0,
                                       17.8, 19.8, 17.8, 16.0, 14.4,  16.0, 17.8, 16.0, 14.4, 13.0,
                                       14.4, 16.0, 14.4, 13.0, 11.7 };
    mdp *M = named("gridworld-3.5");
    exact *x = solved(M, 0.9, NULL);
    double V[25], unit;
    int policy[25];
    char error[512];
    assert_true(exact_optimal(M, 0.9, V, policy, &unit, error, sizeof error));
    for (int s = 0; s < 25; s++) {
        assert_true(fabs(x->V[s] - V_pi[s]) <= 0.05);
        assert_true(fabs(V[s] - V_star[s]) <= 0.05);
    }
    exact_free(x);
    mdp_free(M);
}

static void test_gridworld_4_1(void **state)
{
    (void)state;
    static const double V[16] = { 0, -14, -20, -22,  -14, -18, -20, -20,  -20, -20, -18, -14,  -22, -20, -14, 0 };
    mdp *M = named("gridworld-4.1");
    exact *x = solved(M, 1, NULL);
    for (int s = 0; s < 16; s++) assert_close("V", x->V[s], V[s], x->unit_V);
    exact_free(x);
    mdp_free(M);
}

static void test_random_walk(void **state)
{
    (void)state;
    static const int length[] = { 1, 2, 5, 19 };
    for (int i = 0; i < COUNT(length); i++) {
        char name[64];
        snprintf(name, sizeof name, "random-walk:%d", length[i]);
        mdp *M = named(name);
        assert_int_equal(M->nS, length[i] + 1);
        assert_true(M->mu0[length[i] / 2] == 1);
        exact *x = solved(M, 1, NULL);
        for (int s = 0; s < length[i]; s++)
            assert_close("V", x->V[s], (s + 1.0) / (length[i] + 1), x->unit_V);
        exact_free(x);
        mdp_free(M);
    }
}

/* Steps on the shortest way, probabilities of success and mean returns of the best policy, at gamma = 1 */
static void test_best_returns(void **state)
{
    (void)state;
    static const struct { const char *name; double J; } best[] = {
        { "CliffWalking-v1", -13 }, { "windy-gridworld", -15 }, { "FrozenLake-v1", 14.0 / 17.0 },
        { "FrozenLakeNotSlippery-v1", 1 }, { "FrozenLake8x8NotSlippery-v1", 1 }, { "FrozenLake8x8-v1", 1 },
        { "gridworld-4.1", -2 }, { "Taxi-v4", 7.93 } };
    for (int i = 0; i < COUNT(best); i++) {
        mdp *M = named(best[i].name);
        double *V = allocate((size_t)M->nS, sizeof *V, "values"), J = 0, unit;
        int *policy = allocate((size_t)M->nS, sizeof *policy, "a policy");
        char error[512];
        if (!exact_optimal(M, 1, V, policy, &unit, error, sizeof error)) fail_msg("%s", error);
        for (int s = 0; s < M->nS; s++) if (M->mu0[s] > 0) J += M->mu0[s] * V[s];
        assert_close(best[i].name, J, best[i].J, unit);
        free(V);
        free(policy);
        mdp_free(M);
    }
}

/* J(p) = 2 (p-2) / (p (1-p)), p the probability of right; the best p of a scan is 2 - sqrt 2. */
static void test_short_corridor(void **state)
{
    (void)state;
    mdp *M = named("short-corridor");
    double best = -INFINITY, best_p = 0;
    for (int i = 1; i < 1000; i++) {
        double p = i / 1000.0;
        exact *x = solved_aliased(M, M->gamma, 1 - p);
        assert_close("J", x->J, 2 * (p - 2) / (p * (1 - p)), x->unit_V);
        if (x->J > best) best = x->J, best_p = p;
        exact_free(x);
    }
    double most = -(6 + 4 * sqrt(2));
    assert_true(fabs(best_p - (2 - sqrt(2))) <= 0.0005);
    /* J = -4/p - 2/(1-p), so J''/2 = -48 at the maximum, and > -50 within 0.0005 of it */
    assert_true(best <= most + 1e-12 && best >= most - 50 * 0.0005 * 0.0005);
    mdp_free(M);
}

/* With the probability q of action 1 everywhere, V at the start solves
 *     V = (1-q) (g^(N-1) + g^N V) + q (sum_{i=1}^{N-1} q^(i-1) (1-q) g^(i+1) V + q^(N-1) (2 g^(N-1) + g^N V)) */
static void check_loops_policy(const char *name, int N, double q)
{
    mdp *M = named(name);
    exact *x = solved_aliased(M, 0.9, 1 - q);
    double g = 0.9, paid = ((1 - q) + 2 * pow(q, N)) * pow(g, N - 1), back = ((1 - q) + pow(q, N)) * pow(g, N);
    for (int i = 1; i < N; i++) back += pow(q, i) * (1 - q) * pow(g, i + 1);
    assert_close(name, x->J, paid / (1 - back), x->unit_V);
    exact_free(x);
    mdp_free(M);
}

static void test_lines_and_loops(void **state)
{
    (void)state;
    static const int length[] = { 2, 5, 40 };
    for (int i = 0; i < COUNT(length); i++) {
        int n = length[i], policy[100];
        char name[64], error[512];
        double V[100], unit;
        snprintf(name, sizeof name, "chain:%d", n);
        mdp *M = named(name);
        assert_true(exact_optimal(M, 0.9, V, policy, &unit, error, sizeof error));
        assert_close("chain", V[0], pow(0.9, n - 1), unit);
        exact *x = solved(M, 1, NULL);              /* a reflecting walk: n (n+1) steps on average */
        double steps = 0;
        for (int s = 0; s < n; s++) steps += x->rho[s];
        assert_close("steps", steps, n * (n + 1.0), x->unit_rho * n);
        exact_free(x);
        mdp_free(M);

        snprintf(name, sizeof name, "loops:%d", n);
        M = named(name);
        assert_int_equal(M->nS, 2 * n - 1);
        assert_true(exact_optimal(M, 0.9, V, policy, &unit, error, sizeof error));
        assert_close("loops", V[0], 2 * pow(0.9, n - 1) / (1 - pow(0.9, n)), unit);
        mdp_free(M);
        check_loops_policy(name, n, 0.6);
    }
}

/* -------------------------------------------------------------------------------- problems of the errata */

/* X74: the mean length of an episode of E5x under theta(s,a) = cos(s + 2a) is 5.6561, by a sum over time. */
static void test_E5x(void **state)
{
    (void)state;
    mdp *M = named("E5x"), *N = named("E5");
    real p[5], next[5], length = 0;
    for (int s = 0; s < 5; s++) {
        p[s] = (s + 1) / 15.0L;
        for (int a = 0; a < 3; a++) {
            double c = 0.70 + 0.25 * ((s + a) % 2);
            const int *row = &M->row[s * 3 + a], *full = &N->row[s * 3 + a];
            assert_int_equal(row[1] - row[0], full[1] - full[0] + 1);
            for (int k = 0; k < row[1] - row[0]; k++) {
                bool last = k == row[1] - row[0] - 1;
                assert_int_equal(M->next[row[0] + k], last ? 5 : N->next[full[0] + k]);
                assert_true(ulps_apart(M->P[row[0] + k], last ? 1 - c : c * N->P[full[0] + k]) <= 2);
                assert_true(M->R[row[0] + k] == sin(1 + 2 * s + 3 * a));
            }
        }
    }
    for (int t = 0; t < 2000; t++) {
        memset(next, 0, sizeof next);
        for (int s = 0; s < 5; s++) {
            real z = 0;
            length += p[s];
            for (int a = 0; a < 3; a++) z += expl(cosl(s + 2 * a));
            for (int a = 0; a < 3; a++)
                for (int k = M->row[s * 3 + a]; k < M->row[s * 3 + a + 1]; k++)
                    if (M->next[k] < 5) next[M->next[k]] += p[s] * expl(cosl(s + 2 * a)) / z * (real)M->P[k];
        }
        memcpy(p, next, sizeof p);
    }
    assert_true(fabsl(length - 5.6561L) <= 0.00005L);
    mdp_free(M);
    mdp_free(N);
}

/* J over all trajectories of length 3 with pi(0|.) = (.7, .4), and by the exact layer on the time-expanded MDP */
static real X3_return(int s, int t, real weight)
{
    static const real P[2][2] = { { .8L, .3L }, { .5L, .1L } }, r[2][2] = { { 1, .2L }, { -.5L, .7L } };
    static const real pi[2] = { .7L, .4L };
    real J = 0;
    for (int a = 0; a < 2 && t < 3; a++)
        for (int j = 0; j < 2; j++) {
            real p = weight * (a == 0 ? pi[s] : 1 - pi[s]) * (j == 0 ? P[s][a] : 1 - P[s][a]);
            J += p * powl(0.9L, t) * r[s][a] + X3_return(j, t + 1, p);
        }
    return J;
}

static void test_X3(void **state)
{
    (void)state;
    mdp *M = named("X3"), *U3 = mdp_unroll(M, 3);
    double logits[14] = { 0 };
    for (int t = 0; t < 3; t++)
        for (int s = 0; s < 2; s++) {
            double p = s == 0 ? .7 : .4;
            logits[(t * 2 + s) * 2] = log(p), logits[(t * 2 + s) * 2 + 1] = log(1 - p);
        }
    exact *x = solved(U3, U3->gamma, logits);
    assert_close("J", x->J, (double)X3_return(0, 0, 1), x->unit_V);
    exact_free(x);
    mdp_free(U3);
    mdp_free(M);
}

/* ERR-3: dJ/dp at both gammas; the update that forgets gamma^t sums the undiscounted visits times the
 * difference of the discounted action values. J is linear in p. */
static void test_aliased_chain(void **state)
{
    (void)state;
    mdp *M = named("aliased-chain");
    assert_true(M->gamma == 0.5);
    assert_true(fabs(J_aliased(M, 0.5, 0.75) - J_aliased(M, 0.5, 0.25) - 0.25 * 0.5) <= 1e-15);
    assert_true(fabs(J_aliased(M, 1, 0.75) - J_aliased(M, 1, 0.25) - 0.5 * 0.5) <= 1e-15);
    exact *discounted = solved_aliased(M, 0.5, 0.3), *plain = solved_aliased(M, 1, 0.3);
    double forgetful = 0;
    for (int s = 0; s < 3; s++) forgetful += plain->rho[s] * (discounted->Q[2 * s] - discounted->Q[2 * s + 1]);
    assert_true(fabs(forgetful - -0.5) <= 1e-15);
    exact_free(discounted);
    exact_free(plain);
    mdp_free(M);
}

/* ERR-6, X52: the states at time t under a policy that errs with probability q against one that never does,
 * and how far J(pi') and L(pi') are apart. */
static void test_ok_bad(void **state)
{
    (void)state;
    static const struct { const char *name; double eps; } variant[] = {
        { "ok-bad", 1 }, { "ok-bad:1", 1 }, { "ok-bad:0.25", 0.25 }, { "ok-bad:0", 0 } };
    const double q = 0.05, gamma = 0.9;
    for (int i = 0; i < COUNT(variant); i++) {
        mdp *M = named(variant[i].name);
        double p[2] = { 1, 0 };
        for (int t = 0; t <= 20; t++) {
            double difference = fabs(p[0] - 1) + p[1], next[2] = { 0 };
            assert_true(fabs(difference - 2 * (1 - pow(1 - variant[i].eps * q, t))) <= 100 * U);
            for (int s = 0; s < 2; s++)
                for (int a = 0; a < 2; a++)
                    for (int k = M->row[2 * s + a]; k < M->row[2 * s + a + 1]; k++)
                        next[M->next[k]] += p[s] * (a == 0 ? 1 - q : q) * M->P[k];
            memcpy(p, next, sizeof p);
        }
        mdp_free(M);
    }
    mdp *M = named("ok-bad");
    double never[4] = { 0, -800, 0, -800 };                         /* exp(-800) = 0 */
    exact *pi = solved(M, gamma, never), *pi1 = solved_aliased(M, gamma, 1 - q);
    assert_true(pi->pi[1] == 0 && pi->A[1] == -1 && pi->A[3] == 1);
    double L = pi->J;
    for (int s = 0; s < 2; s++)
        for (int a = 0; a < 2; a++) L += pi->rho[s] * pi1->pi[2 * s + a] * pi->A[2 * s + a];
    double bound = 4 * gamma * q * q / ((1 - gamma) * (1 - gamma));
    double ratio = 0.5 * (1 - gamma) / (1 - gamma + gamma * q);
    assert_close("J - L", fabs(pi1->J - L) / bound, ratio, pi1->unit_V / bound);
    exact_free(pi);
    exact_free(pi1);
    mdp_free(M);
}

/* Local maxima of f on the grid 1/1000 ... 999/1000; the places of the first two. */
static int count_maxima(const double *f, int n, double place[2])
{
    int maxima = 0;
    for (int i = 1; i + 1 < n; i++)
        if (f[i] > f[i - 1] && f[i] > f[i + 1]) {
            if (maxima < 2) place[maxima] = (i + 1) / (n + 1.0);
            maxima++;
        }
    return maxima;
}

static void test_two_peak(void **state)
{
    (void)state;
    enum { n = 999 };
    mdp *M = named("two-peak");
    assert_true(M->gamma == 1);
    double J[n], soft[n], place[2] = { 0 };
    for (int i = 0; i < n; i++) {
        double p = (i + 1) / (n + 1.0), H = -p * log(p) - (1 - p) * log(1 - p);
        exact *x = solved_aliased(M, 1, p);
        assert_close("J", x->J, p * (96 + p * (-420 + p * (700 - 375 * p))), x->unit_V);
        J[i] = x->J;
        soft[i] = x->J + 3 * 4 * H;                                 /* beta = 3, four steps */
        exact_free(x);
    }
    assert_int_equal(count_maxima(J, n, place), 2);
    assert_true(fabs(place[0] - 0.2) <= 1e-9 && fabs(place[1] - 0.8) <= 1e-9);
    assert_true(fabs(J[199] - 7.4) <= 1e-12 && fabs(J[399] - 6.4) <= 1e-12 && fabs(J[799] - 12.8) <= 1e-12);
    assert_int_equal(count_maxima(soft, n, place), 1);
    assert_true(place[0] > 0.5);
    mdp_free(M);
}

/* -------------------------------------------------------------------------------------------- Garnets */

static void test_garnet_tables(void **state)
{
    (void)state;
    static const int size[][3] = { { 1, 1, 1 }, { 2, 3, 1 }, { 7, 2, 7 }, { 50, 6, 10 }, { 300, 2, 300 } };
    for (int i = 0; i < COUNT(size); i++) {
        int nS = size[i][0], nA = size[i][1], b = size[i][2];
        char name[64];
        snprintf(name, sizeof name, "garnet:%d,%d,%d,5", nS, nA, b);
        mdp *M = named(name);
        mdp *again = mdp_garnet("again", nS, nA, b, 5), *other = mdp_garnet("other", nS, nA, b, 6);
        assert_true(M->nS == nS && M->nA == nA && M->gamma == 0.9);
        for (int s = 0; s < nS; s++) assert_true(M->mu0[s] == 1.0 / nS);
        for (int r = 0; r < nS * nA; r++) {
            double sum = 0;
            assert_int_equal(M->row[r + 1] - M->row[r], b);         /* distinct: a row holds no state twice */
            for (int k = M->row[r]; k < M->row[r + 1]; k++) {
                sum += M->P[k];
                assert_true(M->R[k] == M->R[M->row[r]]);
            }
            assert_true(sum == 1);
        }
        size_t n = (size_t)(nS * nA * b);
        assert_memory_equal(M->next, again->next, n * sizeof *M->next);
        assert_memory_equal(M->P, again->P, n * sizeof *M->P);
        assert_memory_equal(M->R, again->R, n * sizeof *M->R);
        assert_memory_not_equal(M->R, other->R, n * sizeof *M->R);
        mdp_free(M);
        mdp_free(again);
        mdp_free(other);
    }
}

/* By chi squared: each state is a successor equally often (the counts of a row are without replacement: their
 * variance is b/S (1 - b/S), their sum fixed); a spacing of b - 1 points exceeds x with probability (1-x)^(b-1),
 * so this is uniform, in 20 bins; so is Phi(r). Three tests, 1e-6 altogether: fails by chance once in 1e6. */
static void test_garnet_distribution(void **state)
{
    (void)state;
    enum { S = 40, A = 50, b = 4, rows = S * A, BINS = 20 };
    int successor[S] = { 0 }, spacing[BINS] = { 0 }, reward[BINS] = { 0 };
    mdp *M = named("garnet:40,50,4,2");
    for (int r = 0; r < rows; r++) {
        int first = M->row[r];
        for (int k = first; k < M->row[r + 1]; k++) successor[M->next[k]]++;
        /* the spacings of one row depend on each other: one of them, of a state that has nothing to do with it */
        spacing[(int)(BINS * pow(1 - M->P[first + r % b], b - 1))]++;
        reward[(int)(BINS * gsl_cdf_ugaussian_P(M->R[first]))]++;
    }
    double expected = rows * b / (double)S, chi2[3] = { 0 };
    for (int s = 0; s < S; s++)
        chi2[0] += pow(successor[s] - expected, 2) / (expected * (1 - b / (double)S)) * (S - 1) / S;
    for (int i = 0; i < BINS; i++) {
        double in_bin = rows / (double)BINS;
        chi2[1] += pow(spacing[i] - in_bin, 2) / in_bin;
        chi2[2] += pow(reward[i] - in_bin, 2) / in_bin;
    }
    assert_true(gsl_cdf_chisq_Q(chi2[0], S - 1) >= 1e-6 / 3);
    assert_true(gsl_cdf_chisq_Q(chi2[1], BINS - 1) >= 1e-6 / 3);
    assert_true(gsl_cdf_chisq_Q(chi2[2], BINS - 1) >= 1e-6 / 3);
    mdp_free(M);
}

static void test_large_garnet(void **state)
{
    (void)state;
    mdp *M = named("garnet:100000,4,5,1");
    assert_int_equal(M->row[M->nS * M->nA], 2000000);
    mdp_free(M);
}

/* ------------------------------------------------------------------------------- the time-expanded MDP */

/* V_t(s) under logits that depend on (t, s), backwards in long double; V [H+1][nS] */
static void backward(const mdp *M, int H, const double *logits, real *V)
{
    for (int s = 0; s < M->nS; s++) V[H * M->nS + s] = 0;
    for (int t = H - 1; t >= 0; t--)
        for (int s = 0; s < M->nS; s++) {
            const double *z = logits + (t * M->nS + s) * M->nA;
            real total = 0, *v = &V[t * M->nS + s];
            for (int a = 0; a < M->nA; a++) total += expl(z[a]);
            *v = 0;
            for (int a = 0; a < M->nA; a++)
                for (int k = M->row[s * M->nA + a]; k < M->row[s * M->nA + a + 1]; k++)
                    *v += expl(z[a]) / total * (real)M->P[k]
                        * ((real)M->R[k] + (real)M->gamma * V[(t + 1) * M->nS + M->next[k]]);
        }
}

static void test_unroll(void **state)
{
    (void)state;
    static const char *const name[] = { "E5", "E5x", "FrozenLake-v1", "CliffWalking-v1", "X3", "short-corridor",
                                        "ok-bad:0.5", "garnet:7,3,4,9" };
    static const int horizon[] = { 1, 2, 7 };
    gsl_rng *rng = random_stream(1, 0, RANDOM_TEST);
    for (int i = 0; i < COUNT(name) * COUNT(horizon); i++) {
        int H = horizon[i % COUNT(horizon)];
        mdp *M = named(name[i / COUNT(horizon)]);
        for (int undiscounted = 0; undiscounted < 2; undiscounted++) {
            if (undiscounted) M->gamma = 1;
            mdp *N = mdp_unroll(M, H);
            size_t n = (size_t)N->nS * (size_t)N->nA;
            assert_int_equal(N->nS, H * M->nS + 1);
            assert_int_equal(N->nA, M->nA);
            assert_true(N->gamma == M->gamma && mdp_absorbing(N, H * M->nS));
            for (int k = 0; k < N->row[N->nS * N->nA]; k++)         /* no copy of an absorbing state is entered */
                assert_true(N->next[k] == H * M->nS || !mdp_absorbing(M, N->next[k] % M->nS));
            double *logits = allocate(n, sizeof *logits, "logits"), J = 0;
            real *V = allocate((size_t)((H + 1) * M->nS), sizeof *V, "values");
            for (size_t j = 0; j < n; j++) logits[j] = 2 * gsl_rng_uniform(rng) - 1;
            backward(M, H, logits, V);
            exact *x = solved(N, N->gamma, logits);
            for (int s = 0; s < H * M->nS; s++) assert_close("V", x->V[s], (double)V[s], x->unit_V);
            for (int s = 0; s < M->nS; s++) J += M->mu0[s] * (double)V[s];
            assert_close("J", x->J, J, x->unit_V);
            exact_free(x);
            free(logits);
            free(V);
            mdp_free(N);
        }
        mdp_free(M);
    }
    gsl_rng_free(rng);
}

/* Episodes that end by themselves within H steps lose nothing: two-peak takes four. Else what is lost is what
 * was still to come, sum_s Pr(s_H = s) V(s): the corridor under the uniform policy at gamma = 1. */
static void test_unroll_against_no_horizon(void **state)
{
    (void)state;
    mdp *M = named("two-peak"), *N = mdp_unroll(M, 4);
    exact *x = solved(M, 1, NULL), *y = solved(N, 1, NULL);
    assert_close("J", y->J, x->J, y->unit_V);
    exact_free(x);
    exact_free(y);
    mdp_free(N);
    mdp_free(M);

    enum { H = 30 };
    M = named("short-corridor"), N = mdp_unroll(M, H);
    x = solved(M, 1, NULL), y = solved(N, 1, NULL);
    real p[4] = { 1, 0, 0, 0 }, lost = 0;
    for (int t = 0; t < H; t++) {
        real next[4] = { (p[0] + p[1]) / 2, (p[0] + p[2]) / 2, p[1] / 2, p[2] / 2 + p[3] };
        memcpy(p, next, sizeof p);
    }
    for (int s = 0; s < 3; s++) lost += p[s] * (real)x->V[s];
    assert_true(lost < -0.1L);
    assert_close("J", y->J, x->J - (double)lost, x->unit_V + y->unit_V);
    exact_free(x);
    exact_free(y);
    mdp_free(N);
    mdp_free(M);
}

static void test_unroll_names(void **state)
{
    (void)state;
    char error[512];
    mdp *M = mdp_read(REFERENCE "/mdp/sb35.mdp", error, sizeof error), *N = mdp_unroll(M, 12);
    assert_string_equal(N->state_name[0], "r0c0@0");
    assert_string_equal(N->state_name[11 * 25 + 24], "r4c4@11");
    assert_string_equal(N->state_name[12 * 25], "end");
    assert_string_equal(N->action_name[3], "west");
    assert_non_null(strstr(N->name, "sb35.mdp over 12 steps"));
    mdp_free(N);
    mdp_free(M);
    M = named("E5"), N = mdp_unroll(M, 2);
    assert_null(N->state_name);
    assert_null(N->action_name);
    mdp_free(N);
    mdp_free(M);
}

int main(int argc, char **argv)
{
    linalg_start();
    if (argc > 1) cmocka_set_test_filter(argv[1]);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_reference_tables), cmocka_unit_test(test_every_name),
        cmocka_unit_test(test_wrong_names), cmocka_unit_test(test_gridworld_3_5),
        cmocka_unit_test(test_gridworld_4_1), cmocka_unit_test(test_random_walk),
        cmocka_unit_test(test_best_returns), cmocka_unit_test(test_short_corridor),
        cmocka_unit_test(test_lines_and_loops), cmocka_unit_test(test_E5x), cmocka_unit_test(test_X3),
        cmocka_unit_test(test_aliased_chain), cmocka_unit_test(test_ok_bad), cmocka_unit_test(test_two_peak),
        cmocka_unit_test(test_garnet_tables), cmocka_unit_test(test_garnet_distribution),
        cmocka_unit_test(test_large_garnet), cmocka_unit_test(test_unroll),
        cmocka_unit_test(test_unroll_against_no_horizon), cmocka_unit_test(test_unroll_names),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
