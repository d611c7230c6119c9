/* NPG: each function against a plain loop; the closed form of the tabular softmax, where x is the advantage; updates
 * with every option against the same in long double, F formed by hand; singular ones; whole runs.
 *     test_npg [pattern]       runs the tests whose names match */
#include <float.h>
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "algorithms/cg.h"
#include "algorithms/npg.h"
#include "autodiff/random.h"
#include "derivations/exact_batch.h"
#include "tests/child_process.h"
#include "tests/trust_region_by_hand.h"

/* ---- the equations ---- */

/* The problem's equations: test_trpo */
static void equations(void **state)
{
    (void)state;
    const double x[2] = { 1, -2 }, g[2] = { 3, -0.5 };
    assert_near(npg_beta(0.02, 2, g, x), sqrt(0.04 / 4), DBL_EPSILON);
}

/* F = U diag(lambda) U^T with U a Householder reflection: x by its eigenvectors, and the rank: 5, 3, 0, and 4 where
 * an eigenvalue is rounding */
static void solving(void **state)
{
    (void)state;
    enum { N = 5 };
    const double v[N] = { 0.5, -0.1, 0.7, 0.1, 0.49 }, g[N] = { 1, -2, 0.5, 3, -1 };     /* |v|^2 = 1.0001 */
    const double lambdas[][N] = { { 2, 1, 0.5, 0.1, 3 }, { 2, 0, 0.5, 0, 3 }, { 0 }, { 1e-18, 1, 1, 1, 1 } };
    const int rank[] = { 5, 3, 0, 4 };
    long double vv = 0;
    for (int i = 0; i < N; i++) vv += v[i] * v[i];
    for (int k = 0; k < 4; k++) {
        double F[N * N], x[N];
        long double U[N][N], want[N] = { 0 };
        for (int i = 0; i < N * N; i++) U[i / N][i % N] = (i / N == i % N) - 2 * v[i / N] * v[i % N] / vv;
        for (int i = 0; i < N * N; i++) {
            long double sum = 0;
            for (int l = 0; l < N; l++) sum += U[i / N][l] * lambdas[k][l] * U[i % N][l];
            F[i] = (double)sum;
        }
        for (int l = 0; l < N; l++) {
            long double along = 0;
            for (int i = 0; i < N; i++) along += U[i][l] * g[i];
            for (int i = 0; i < N && lambdas[k][l] > 1e-9; i++) want[i] += along / lambdas[k][l] * U[i][l];
        }
        assert_int_equal(npg_solve(N, F, g, x), rank[k]);
        for (int i = 0; i < N; i++) assert_near(x[i], (double)want[i], 1e-13);
    }
}

/* NPG-9: x is the advantage, but for what is alike for all actions of a state. So, with exact advantages, NPG takes
 * pi to pi(a|s) e^{beta A(s,a)} / Z(s), beta = sqrt(2 delta / sum_s d(s) sum_a pi(a|s) A(s,a)^2). */
static void closed_form(void **state)
{
    (void)state;
    const char *name[] = { "E5", "E5x", "FrozenLake-v1", "garnet:8,3,2,1", "garnet:6,2,3,5", "chain:4" };
    for (int k = 0; k < 12; k++) {
        char error[256];
        mdp *M = mdp_builtin(name[k % 6]);
        policy_class *table = policy_tabular(M);
        double *z = calloc((size_t)(M->nS * M->nA + M->nA), sizeof *z);
        policy_theta_random(table, 3, (uint32_t)k, z);
        exact *at = exact_new(M, M->gamma, z, error, sizeof error);
        exact_batch y = exact_batch_new(at);
        policy p = exact_batch_policy(at);
        npg_config c = { .delta = 0.05, .solver = k < 6 ? NPG_LAPACK : NPG_CG, .cg_iterations = 20 * p.n,
                         .cg_tol = 1e-13, .F_every = 1 };
        ad_tape *t = ad_tape_new();
        npg_step step = npg_update(t, &c, &p, z, y.b, y.A, y.w);
        assert_int_equal(step.outcome, NPG_STEPPED);
        long double AA = 0, kl = 0, L = 0;
        for (int i = 0; i < at->nSA; i++) AA += (long double)at->d[i / at->nA] * at->pi[i] * at->A[i] * at->A[i];
        long double beta = sqrtl(2 * c.delta / AA);
        assert_near(step.beta, (double)beta, 1e-11 * (double)beta);
        for (int s = 0; s < at->nS; s++) {
            long double Z = 0, Z1 = 0;
            const double *pi = at->pi + s * at->nA, *A = at->A + s * at->nA;
            if (!(at->d[s] > 0)) continue;                      /* its biases move with those of others */
            for (int a = 0; a < at->nA; a++) {
                Z += pi[a] * expl(beta * A[a]);
                Z1 += expl(z[s * at->nA + a] + (long double)z[at->nSA + a]);
            }
            for (int a = 0; a < at->nA; a++) {
                long double want = pi[a] * expl(beta * A[a]) / Z;
                long double found = expl(z[s * at->nA + a] + (long double)z[at->nSA + a]) / Z1;
                assert_near((double)found, (double)want, 1e-10);
                kl += at->d[s] * pi[a] * logl(pi[a] / want);
                L += at->d[s] * (want - pi[a]) * A[a];
            }
        }
        assert_near(step.kl, (double)kl, 1e-10);
        assert_near(step.L, (double)L, 1e-10 * fmax(1, (double)L));
        ad_tape_free(t);
        exact_batch_free(&y);
        exact_free(at);
        policy_free(table);
        free(z);
        mdp_free(M);
    }
}

/* ---- updates by hand ---- */

static npg_config config_of(const struct hand_settings *h)
{
    return (npg_config){ .workers = h->workers, .n_steps = h->n_steps, .gamma = h->gamma, .lambda = h->lambda,
                         .normalise = h->normalise, .delta = h->delta, .solver = h->lapack ? NPG_LAPACK : NPG_CG,
                         .damping = h->damping, .cg_iterations = h->cg_iterations, .cg_tol = h->cg_tol,
                         .F_every = h->F_every, .lr_V = h->lr_V, .V_epochs = h->V_epochs, .V_batch = h->V_batch };
}

static struct hand_settings option(int k)
{
    struct hand_settings h = hand_option(k);
    h.lapack = k / 2 % 2;
    h.delta = fmin(h.delta, 0.3);                               /* nobody shortens the step */
    return h;
}

static void updates_by_hand(void **state)
{
    (void)state;
    for (int k = 0; k < 90; k++) {
        struct any x = any_new(k, 6 + k % 7, 0.6);
        struct hand_settings h = option(k);
        struct hand_batch batch = batch_of(&x, k % 3);
        npg_config c = config_of(&h);
        long double theta[HAND_N], old[HAND_N];
        for (int i = 0; i < x.p.n; i++) theta[i] = old[i] = x.theta[i];
        hand_update(&h, false, &batch, theta);
        ad_tape *t = ad_tape_new();
        npg_step step = npg_update(t, &c, &x.p, x.theta, x.b, x.A, k % 3 ? x.w : NULL);
        assert_int_equal(step.outcome, NPG_STEPPED);
        assert_true(h.lapack ? step.residual <= 1e-13 && step.cg_iterations == 0 : step.cg_iterations > 0);
        same_step(&x, &batch, false, old, theta, step.kl, step.L);
        ad_tape_free(t);
        rollout_free(x.b);
    }
}

/* theta stays as it was, with both solvers */
static void outcomes(void **state)
{
    (void)state;
    for (int k = 0; k < 4; k++) {
        npg_config c = { .delta = 0.01, .solver = k / 2 ? NPG_LAPACK : NPG_CG, .cg_iterations = 10, .F_every = 1 };
        struct any x = one_state(k), before = x;
        ad_tape *t = ad_tape_new();
        npg_step step = npg_update(t, &c, &x.p, x.theta, x.b, x.A, NULL);
        assert_int_equal(step.outcome, k % 2 ? NPG_NO_CURVATURE : NPG_NO_GRADIENT);
        assert_true(step.beta == 0 && step.kl == 0 && step.L == 0);
        assert_memory_equal(x.theta, before.theta, sizeof before.theta);
        ad_tape_free(t);
        rollout_free(x.b);
    }
}

/* pi(.|s) = N(0, 1), a = 0, A = 1: log_sd falls by sqrt(delta) = 1000, and KL has e^2000. Nothing refuses the step,
 * nor does it end the program. */
static void steps_too_far(void **state)
{
    (void)state;
    env e = { .observation = { .dim = 1 }, .action = { .dim = 1 } };
    const npg_config c = { .delta = 1e6, .cg_iterations = 10, .F_every = 1 };
    const policy p = policy_of(&e, 0, NULL, AD_LINEAR);
    double theta[3] = { 0 };
    rollout *b = rollout_shaped(1, 1, false);
    ad_tape *t = ad_tape_new();
    rollout_add(b, (double[]){ 1 }, (double[]){ 0 }, 0);
    rollout_end(b, (double[]){ 1 }, true, true, false);
    npg_step step = npg_update(t, &c, &p, theta, b, (double[]){ 1 }, NULL);
    assert_int_equal(step.outcome, NPG_FAR);
    assert_true(isnan(step.kl) && isnan(step.L) && theta[0] == 0 && theta[1] == 0);
    assert_near(theta[2], -1000, 1e-9);
    ad_tape_free(t);
    rollout_free(b);
}

/* ---- whole runs ---- */

static void runs_by_hand(void **state)
{
    (void)state;
    for (int k = 0; k < 24; k++) {
        struct hand_settings h = option(k);
        npg_config c = config_of(&h);
        c.hidden = (widths){ k % 3, { 4, 3 } };
        c.activation = AD_TANH;
        same_run("npg", k, &h, false, c.hidden, npg, &c);
    }
}

static void explained(void **state)
{
    (void)state;
    for (int k = 0; k < 3; k++) {
        npg_config c = npg_defaults;
        c.hidden = (widths){ 0 };
        c.workers = 2 - k % 2;
        c.n_steps = 4 - k % 2;
        c.solver = k == 2 ? NPG_LAPACK : NPG_CG;
        char *text = explanation("npg", npg_explain, npg, &c);
        assert_non_null(strstr(text, k == 2 ? "LAPACK" : "iterations"));
        free(text);
    }
}

/* A batch of one step has no standard deviation: refused before anything is made of it */
static void train_one_step(int normalise)
{
    npg_config c = npg_defaults;
    c.workers = c.n_steps = 1, c.normalise = normalise;
    npg(run_new("npg", make("E5x", 0), 1, 10), &c);
}

static void refusals(void **state)
{
    (void)state;
    struct ending end = run_child(train_one_step, 1);
    assert_true(WIFEXITED(end.status) && WEXITSTATUS(end.status) == 2);
    assert_non_null(strstr(end.err, "normalise=off"));
    end = run_child(train_one_step, 0);
    assert_true(WIFEXITED(end.status) && WEXITSTATUS(end.status) == 99);
}

/* At most 2000 parameters with LAPACK: of hidden layers in whatever environment, or in this one */
static void lapack(int hidden)
{
    npg_config c = npg_defaults;
    c.solver = NPG_LAPACK;
    c.hidden = (widths){ hidden > 0, { hidden } };
    npg_check(&c);
    env e = { .observation = { .dim = 1001 }, .action = { .n = 2, .dim = 1 } };
    if (!hidden) npg(run_new("npg", &e, 1, 1), &c);
}

static void too_large_for_lapack(void **state)
{
    (void)state;
    for (int k = 0; k < 3; k++) {                               /* 3 m + 1 parameters of 1-m-1 */
        struct ending end = run_child(lapack, (int[]){ 667, 666, 0 }[k]);
        assert_true(WIFEXITED(end.status) && WEXITSTATUS(end.status) == (k == 1 ? 99 : 2));
        if (k != 1) assert_non_null(strstr(end.err, k ? "found 2004" : "found 2002"));
    }
}

/* An eigenvalue of 5e-15 is rounding beside 1, though F's Cholesky factor exists: F^+ g leaves its direction out. */
static void nearly_singular(void **state)
{
    (void)state;
    enum { N = 5 };
    const double v[N] = { 0.5, -0.1, 0.7, 0.1, 0.49 }, g[N] = { 1, -2, 0.5, 3, -1 };
    double F[N * N], x[N];
    long double vv = 0, u[N], along = 0;        /* F = 1 - (1 - 5e-15) u u^T, u a column of a reflection */
    for (int i = 0; i < N; i++) vv += v[i] * v[i];
    for (int i = 0; i < N; i++) u[i] = (i == 0) - 2 * v[0] * v[i] / vv, along += u[i] * g[i];
    for (int i = 0; i < N * N; i++) F[i] = (double)((i / N == i % N) - (1 - 5e-15L) * u[i / N] * u[i % N]);
    assert_int_equal(npg_solve(N, F, g, x), N - 1);
    for (int i = 0; i < N; i++) assert_near(x[i], (double)(g[i] - along * u[i]), 1e-13);
}

/* A step is the same for advantages of any size, and so is what is told of it: one iteration is not enough, and that
 * is said with what is left; a hundred are, and a part of them. */
static void any_size(void **state)
{
    (void)state;
    static const double size[] = { 1, 0x1p-40, 0x1p40 };
    for (int k = 0; k < 3; k++) {
        double theta[HAND_N];
        for (int i = 0; i < 3; i++) {
            struct any x = any_new(0, 9, 0.6);
            npg_config c = { .delta = 0.01, .damping = 0.1, .cg_iterations = k == 0 ? 1 : 100, .cg_tol = 1e-13,
                             .F_every = 1 };
            c.solver = k == 2 ? NPG_LAPACK : NPG_CG;
            ad_tape *t = ad_tape_new();
            for (int j = 0; j < x.b->T; j++) x.A[j] *= size[i];
            npg_step step = npg_update(t, &c, &x.p, x.theta, x.b, x.A, NULL);
            assert_int_equal(step.outcome, NPG_STEPPED);
            assert_true(k == 0 ? step.residual > 1e-3 : step.residual <= 1e-11);
            if (k < 2) {                                        /* not by LAPACK */
                assert_int_equal(step.cg_outcome, k == 0 ? CG_STEPS_EXHAUSTED : CG_CONVERGED);
                assert_true(k == 0 ? step.cg_iterations == 1 : step.cg_iterations > 1 && step.cg_iterations < 100);
            }
            for (int j = 0; j < x.p.n; j++) {
                if (i == 0) theta[j] = x.theta[j];
                else        assert_near(x.theta[j], theta[j], 1e-9);
            }
            ad_tape_free(t);
            rollout_free(x.b);
        }
    }
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(equations), cmocka_unit_test(solving), cmocka_unit_test(closed_form),
        cmocka_unit_test(updates_by_hand), cmocka_unit_test(outcomes), cmocka_unit_test(steps_too_far),
        cmocka_unit_test(runs_by_hand), cmocka_unit_test(explained), cmocka_unit_test(refusals),
        cmocka_unit_test(too_large_for_lapack),
        cmocka_unit_test(nearly_singular), cmocka_unit_test(any_size),
    };
    if (argc > 1) cmocka_set_test_filter(argv[1]);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
