/* The exact layer against an oracle of its own: small random MDPs kept as dense long double tables, values by
 * backward iteration, visits by forward iteration, derivatives by differences of those, the Fisher matrix and
 * every comparison of policies by their definitions. It shares no code with what it checks. */
#include <float.h>
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>
#include <gsl/gsl_randist.h>

#include "algorithms/cg.h"
#include "autodiff/linalg.h"
#include "autodiff/random.h"
#include "derivations/derivation.h"
#include "derivations/fisher.h"
#include "derivations/natural_gradient.h"
#include "derivations/performance_difference.h"
#include "derivations/policy_file.h"
#include "derivations/policy_gradient_theorem.h"

typedef long double real;
enum { S_MAX = 9, A_MAX = 4, N_MAX = S_MAX * A_MAX, CASES = 40 };

struct oracle {
    int nS, nA;
    real gamma, mu0[S_MAX], P[S_MAX][A_MAX][S_MAX], R[S_MAX][A_MAX][S_MAX];
    bool absorbing[S_MAX];
};

/* ---- cases: a random MDP, twice ---- */

static mdp *random_mdp(gsl_rng *rng, struct oracle *o, bool episodic, double gamma)
{
    memset(o, 0, sizeof *o);
    o->nS = 2 + (int)gsl_rng_uniform_int(rng, S_MAX - 2);
    o->nA = 2 + (int)gsl_rng_uniform_int(rng, A_MAX - 1);
    o->gamma = gamma;
    mdp_builder *b = mdp_begin("random", o->nS, o->nA, gamma);
    double left = 1;
    for (int s = 0; s < o->nS; s++) {
        double p = s == o->nS - 1 ? left : left * gsl_rng_uniform(rng);
        o->mu0[s] = p;
        left -= p;
        mdp_start(b, s, p);
    }
    for (int s = 0; s < o->nS; s++) {
        o->absorbing[s] = episodic && s == o->nS - 1;
        for (int a = 0; a < o->nA; a++) {
            double weight[S_MAX], total = 0;
            for (int j = 0; j < o->nS; j++) {
                weight[j] = gsl_rng_uniform(rng) < 0.6 || j == o->nS - 1 ? gsl_rng_uniform(rng) + 0.01 : 0;
                if (o->absorbing[s]) weight[j] = j == s;
                total += weight[j];
            }
            for (int j = 0; j < o->nS; j++) {
                double p = weight[j] / total, r = o->absorbing[s] ? 0 : gsl_ran_gaussian(rng, 1);
                o->P[s][a][j] = p;
                o->R[s][a][j] = r;
                if (p > 0) mdp_transition(b, s, a, j, p, r);
            }
        }
    }
    return mdp_finish(b);
}

struct example { mdp *M; struct oracle o; double theta[N_MAX], theta1[N_MAX]; exact *x, *x1; };

static struct example example(int number)
{
    static const double gammas[] = { 0.9, 0, 0.5, 0.99, 1 };
    struct example e;
    char error[256];
    gsl_rng *rng = random_stream(7, (uint32_t)number, RANDOM_TEST);
    double gamma = gammas[number % 5];
    e.M = random_mdp(rng, &e.o, number % 2 || gamma == 1, gamma);
    for (int i = 0; i < N_MAX; i++) {
        e.theta[i] = gsl_ran_gaussian(rng, 1);
        e.theta1[i] = gsl_ran_gaussian(rng, 1);
    }
    gsl_rng_free(rng);
    e.x = exact_new(e.M, gamma, e.theta, error, sizeof error);
    e.x1 = exact_new(e.M, gamma, e.theta1, error, sizeof error);
    assert_non_null(e.x);
    assert_non_null(e.x1);
    return e;
}

static void example_free(struct example *e)
{
    exact_free(e->x);
    exact_free(e->x1);
    mdp_free(e->M);
}

/* ---- the oracle ---- */

static real o_pi(const struct oracle *o, const real *theta, int s, int a)
{
    real sum = 0;
    for (int b = 0; b < o->nA; b++) sum += expl(theta[s * o->nA + b]);
    return expl(theta[s * o->nA + a]) / sum;
}

static real o_Q(const struct oracle *o, const real *V, int s, int a)
{
    real Q = 0;
    for (int j = 0; j < o->nS; j++) Q += o->P[s][a][j] * (o->R[s][a][j] + o->gamma * V[j]);
    return Q;
}

/* V by backward iteration until nothing moves; absorbing states stay 0 by themselves */
static void o_V(const struct oracle *o, const real *theta, real *V)
{
    real pi[S_MAX][A_MAX], next[S_MAX];
    for (int s = 0; s < o->nS; s++)
        for (int a = 0; a < o->nA; a++) pi[s][a] = o_pi(o, theta, s, a);
    memset(V, 0, S_MAX * sizeof *V);
    for (int sweep = 0; sweep < 20000; sweep++) {
        real moved = 0;
        for (int s = 0; s < o->nS; s++) {
            next[s] = 0;
            for (int a = 0; a < o->nA; a++) next[s] += pi[s][a] * o_Q(o, V, s, a);
            moved = fmaxl(moved, fabsl(next[s] - V[s]));
        }
        memcpy(V, next, sizeof next);
        if (moved < 1e-20L) return;
    }
}

static real o_J(const struct oracle *o, const real *theta)
{
    real V[S_MAX], J = 0;
    o_V(o, theta, V);
    for (int s = 0; s < o->nS; s++) J += o->mu0[s] * V[s];
    return J;
}

/* rho over decision states by forward iteration, step by step in time */
static void o_rho(const struct oracle *o, const real *theta, real *rho)
{
    real p[S_MAX], next[S_MAX], mass = 1;
    memcpy(p, o->mu0, sizeof p);
    memset(rho, 0, S_MAX * sizeof *rho);
    for (int t = 0; t < 20000 && mass > 1e-21L; t++) {
        memset(next, 0, sizeof next);
        mass = 0;
        for (int s = 0; s < o->nS; s++) {
            if (o->absorbing[s]) continue;
            rho[s] += p[s];
            for (int a = 0; a < o->nA; a++)
                for (int j = 0; j < o->nS; j++) next[j] += o->gamma * p[s] * o_pi(o, theta, s, a) * o->P[s][a][j];
        }
        memcpy(p, next, sizeof p);
        for (int s = 0; s < o->nS; s++) mass += o->absorbing[s] ? 0 : p[s];
    }
}

/* dJ/dtheta_i: three levels of Richardson extrapolation, error some 1e-16 */
static real o_dJ(const struct oracle *o, const real *theta, int i)
{
    real at[N_MAX], D[3], h = 0x1p-6L;
    memcpy(at, theta, sizeof at);
    for (int level = 0; level < 3; level++, h /= 2) {
        at[i] = theta[i] + h;
        D[level] = o_J(o, at);
        at[i] = theta[i] - h;
        D[level] = (D[level] - o_J(o, at)) / (2 * h);
    }
    real once = (4 * D[1] - D[0]) / 3, again = (4 * D[2] - D[1]) / 3;
    return (16 * again - once) / 15;
}

static void widen(const double *x, real *y) { for (int i = 0; i < N_MAX; i++) y[i] = x[i]; }

/* |got - want| <= 10 units, and the message says where */
static void within(const char *what, int number, int i, double got, real want, double unit)
{
    double units = (double)fabsl(got - want) / unit;
    if (!(units <= 10))
        fail_msg("%s, case %d, entry %d: got %.17g, expected %.17Lg: %.3g units", what, number, i, got, want, units);
}

/* ---- values ---- */

static void values(void **state)
{
    (void)state;
    for (int c = 0; c < CASES; c++) {
        struct example e = example(c);
        real theta[N_MAX], V[S_MAX];
        widen(e.theta, theta);
        o_V(&e.o, theta, V);
        for (int s = 0; s < e.o.nS; s++) {
            within("V", c, s, e.x->V[s], V[s], e.x->unit_V);
            for (int a = 0; a < e.o.nA; a++) {
                int i = s * e.o.nA + a;
                within("Q", c, i, e.x->Q[i], o_Q(&e.o, V, s, a), e.x->unit_V);
                within("A", c, i, e.x->A[i], o_Q(&e.o, V, s, a) - V[s], 2 * e.x->unit_V);
            }
        }
        within("J", c, 0, e.x->J, o_J(&e.o, theta), e.x->unit_V);
        example_free(&e);
    }
}

static void visitation(void **state)
{
    (void)state;
    for (int c = 0; c < CASES; c++) {
        struct example e = example(c);
        real theta[N_MAX], rho[S_MAX], total = 0;
        widen(e.theta, theta);
        o_rho(&e.o, theta, rho);
        for (int s = 0; s < e.o.nS; s++) total += rho[s];
        for (int s = 0; s < e.o.nS; s++) {
            if (e.o.absorbing[s] && e.o.gamma == 1) assert_true(isnan(e.x->rho[s]));
            else if (e.o.absorbing[s])
                within("rho, absorbing", c, s, e.x->rho[s], 1 / (1 - e.o.gamma) - total, e.x->unit_rho);
            else within("rho", c, s, e.x->rho[s], rho[s], e.x->unit_rho);
            real scale = e.o.gamma < 1 ? 1 - e.o.gamma : 1 / total;
            within("d", c, s, e.x->d[s], e.o.absorbing[s] ? 0 : scale * rho[s], e.x->unit_fisher);
        }
        example_free(&e);
    }
}

/* k = ||(I - gamma P_pi)^{-1}||_inf is the value of a reward of 1 in every decision state */
static void condition(void **state)
{
    (void)state;
    for (int c = 0; c < CASES; c++) {
        struct example e = example(c);
        real theta[N_MAX], V[S_MAX], k = 1;
        widen(e.theta, theta);
        for (int s = 0; s < e.o.nS; s++)
            for (int a = 0; a < e.o.nA; a++)
                for (int j = 0; j < e.o.nS; j++) e.o.R[s][a][j] = !e.o.absorbing[s];
        o_V(&e.o, theta, V);
        for (int s = 0; s < e.o.nS; s++) k = fmaxl(k, V[s]);
        within("k", c, 0, e.x->k, k, 2.3e-16 * 10 * e.x->k * e.x->k);
        example_free(&e);
    }
}

static void time_sums(void **state)
{
    (void)state;
    for (int c = 0; c < CASES; c++) {
        struct example e = example(c);
        double start[S_MAX] = { 0 }, V[S_MAX], rho[S_MAX];
        for (int s = 0; s < e.o.nS; s++) start[s] = e.o.absorbing[s] ? 0 : e.M->mu0[s];
        exact_sum_over_time(e.x, false, e.x->r_pi, V);
        exact_sum_over_time(e.x, true, start, rho);
        real theta[N_MAX], want_V[S_MAX], want_rho[S_MAX];
        widen(e.theta, theta);
        o_V(&e.o, theta, want_V);
        o_rho(&e.o, theta, want_rho);
        for (int s = 0; s < e.o.nS; s++) {
            within("sum over time: V", c, s, V[s], want_V[s], e.x->unit_V);
            within("sum over time: rho", c, s, rho[s], want_rho[s], e.x->unit_rho);
        }
        example_free(&e);
    }
}

/* ---- gradients and the Fisher matrix ---- */

static void gradients(void **state)
{
    (void)state;
    for (int c = 0; c < CASES; c++) {
        struct example e = example(c);
        double theorem[N_MAX], autodiff[N_MAX], differences[N_MAX];
        real theta[N_MAX];
        widen(e.theta, theta);
        gradient_theorem(e.x, theorem);
        assert_true(gradient_autodiff(e.x, autodiff));
        double error = gradient_differences(e.x, differences);
        assert_true(error >= 0 && error < 1e-6);
        for (int i = 0; i < e.x->n; i++) {
            real want = o_dJ(&e.o, theta, i);
            within("gradient by the theorem", c, i, theorem[i], want, e.x->unit_gradient);
            within("gradient by autodiff", c, i, autodiff[i], want, e.x->unit_gradient);
            within("gradient by differences", c, i, differences[i], want, error / 10);
        }
        example_free(&e);
    }
}

static real o_score(const struct oracle *o, const real *theta, int i, int j)    /* d log pi_i / d theta_j */
{
    if (i / o->nA != j / o->nA) return 0;
    return (i == j) - o_pi(o, theta, j / o->nA, j % o->nA);
}

static void fisher_matrices(void **state)
{
    (void)state;
    for (int c = 0; c < CASES; c++) {
        struct example e = example(c);
        int n = e.x->n;
        double F[3][N_MAX * N_MAX];
        real theta[N_MAX], rho[S_MAX], total = 0;
        widen(e.theta, theta);
        o_rho(&e.o, theta, rho);
        for (int s = 0; s < e.o.nS; s++) total += rho[s];
        real scale = e.o.gamma < 1 ? 1 - e.o.gamma : 1 / total;
        fisher_scores(e.x, F[0]);
        fisher_kl(e.x, F[1]);
        fisher_jacobian(e.x, F[2]);
        for (int j = 0; j < n; j++)
            for (int k = 0; k < n; k++) {
                real want = 0;
                for (int i = 0; i < n; i++)
                    want += scale * rho[i / e.o.nA] * o_pi(&e.o, theta, i / e.o.nA, i % e.o.nA) *
                            o_score(&e.o, theta, i, j) * o_score(&e.o, theta, i, k);
                within("F by scores", c, j * n + k, F[0][j * n + k], want, e.x->unit_fisher);
                within("F by the KL", c, j * n + k, F[1][j * n + k], want, e.x->unit_fisher);
                within("F by the Jacobian", c, j * n + k, F[2][j * n + k], want, e.x->unit_fisher);
            }
        example_free(&e);
    }
}

/* ---- policies with features: z = X W, and z = tanh(X W1 + b1) W2 + b2 ---- */

enum { FEATURES = 3, HIDDEN = 4 };

/* z and dz_i / dtheta_j in long double, by hand */
static void o_logits(const struct oracle *o, const policy_class *p, const real *theta, real *z,
                     real J_z[N_MAX][N_MAX])
{
    int nA = o->nA;
    memset(J_z, 0, N_MAX * sizeof *J_z);
    for (int i = 0; i < o->nS * nA; i++) {
        const double *X = p->X + i / nA * FEATURES;
        int b = i % nA;
        z[i] = 0;
        if (p->kind == POLICY_LINEAR)
            for (int f = 0; f < FEATURES; f++) z[i] += (J_z[i][f * nA + b] = X[f]) * theta[f * nA + b];
        else {
            const real *W1 = theta, *b1 = W1 + FEATURES * HIDDEN, *W2 = b1 + HIDDEN, *b2 = W2 + HIDDEN * nA;
            z[i] = b2[b];
            J_z[i][FEATURES * HIDDEN + HIDDEN + HIDDEN * nA + b] = 1;
            for (int j = 0; j < HIDDEN; j++) {
                real sum = b1[j];
                for (int f = 0; f < FEATURES; f++) sum += X[f] * W1[f * HIDDEN + j];
                real h = tanhl(sum), dh = (1 - h * h) * W2[j * nA + b];
                z[i] += h * W2[j * nA + b];
                for (int f = 0; f < FEATURES; f++) J_z[i][f * HIDDEN + j] = X[f] * dh;
                J_z[i][FEATURES * HIDDEN + j] = dh;
                J_z[i][FEATURES * HIDDEN + HIDDEN + j * nA + b] = h;
            }
        }
    }
}

/* grad J = J_z^T grad_z J with grad_z J by differences; F = J_z^T M J_z, M the covariance of the score in z */
static void parametrised_case(int c, const struct example *e, const exact *x, const double *theta)
{
    const struct oracle *o = &e->o;
    int n = x->n, nSA = x->nSA, nA = o->nA;
    double g[3][N_MAX], F[3][N_MAX * N_MAX];
    real th[N_MAX], z[N_MAX], J_z[N_MAX][N_MAX], rho[S_MAX], g_z[N_MAX], total = 0;
    widen(theta, th);
    o_logits(o, &x->policy, th, z, J_z);
    o_rho(o, z, rho);
    for (int s = 0; s < o->nS; s++) total += rho[s];
    real scale = o->gamma < 1 ? 1 - o->gamma : 1 / total;
    gradient_theorem(x, g[0]);
    assert_true(gradient_autodiff(x, g[1]));
    double error = gradient_differences(x, g[2]);
    assert_true(error >= 0 && error < 1e-6);
    fisher_scores(x, F[0]);
    fisher_kl(x, F[1]);
    fisher_jacobian(x, F[2]);
    for (int i = 0; i < nSA; i++) {
        g_z[i] = o_dJ(o, z, i);
        within("z", c, i, x->logits[i], z[i], 1e-15);
        for (int j = 0; j < n; j++) within("J_z", c, i, x->J_z[i * n + j], J_z[i][j], 1e-15);
    }
    for (int j = 0; j < n; j++) {
        real want = 0;
        for (int i = 0; i < nSA; i++) want += J_z[i][j] * g_z[i];
        within("gradient by the theorem", c, j, g[0][j], want, x->unit_gradient);
        within("gradient by autodiff", c, j, g[1][j], want, x->unit_gradient);
        within("gradient by differences", c, j, g[2][j], want, error / 10);
        for (int k = 0; k < n; k++) {
            want = 0;
            for (int i = 0; i < nSA; i++)
                for (int b = i / nA * nA; b < i / nA * nA + nA; b++)
                    want += scale * rho[i / nA] * o_pi(o, z, i / nA, i % nA) *
                            ((i == b) - o_pi(o, z, i / nA, b % nA)) * J_z[i][j] * J_z[b][k];
            for (int way = 0; way < 3; way++) within("F", c, j * n + k, F[way][j * n + k], want, x->unit_fisher);
        }
    }
}

static void parametrised(bool mlp)
{
    for (int c = 0; c < CASES; c++) {
        struct example e = example(c);
        char error[256];
        const int width[] = { HIDDEN };
        double theta[N_MAX] = { 0 };
        policy_class *p = policy_linear_random(e.M, FEATURES, (uint64_t)c);
        if (mlp) {
            policy_class *linear = p;
            p = policy_mlp(e.M, FEATURES, linear->X, 1, width);
            policy_free(linear);
        }
        assert_int_equal(p->n, mlp ? (FEATURES + 1) * HIDDEN + (HIDDEN + 1) * e.o.nA : FEATURES * e.o.nA);
        policy_theta_random(p, 5, (uint32_t)c, theta);
        exact *x = exact_new_policy(e.M, e.o.gamma, p, theta, error, sizeof error);
        assert_non_null(x);
        parametrised_case(c, &e, x, theta);
        setting *at = setting_new(x, e.x1, 3);
        const derivation *d;
        for (int i = 0; c % 4 == 0 && (d = derivation_at(i)); i++) {
            if (d->own_problem) continue;                       /* says nothing of x */
            derivation_result r = derivation_run(d, at);
            if (r.verdict == FAIL) fail_msg("%s, case %d: %.3g units", d->id, c, r.units[r.worst]);
            derivation_result_free(&r);
        }
        setting_free(at);
        exact_free(x);
        policy_free(p);
        example_free(&e);
    }
}

static void linear_policies(void **state) { (void)state; parametrised(false); }
static void mlp_policies(void **state)    { (void)state; parametrised(true); }

/* With one-hot features the linear policy is the tabular one, to the bit: products with 0 and 1 do not round */
static void one_hot_features(void **state)
{
    (void)state;
    for (int c = 0; c < CASES; c++) {
        struct example e = example(c);
        char error[256];
        double X[S_MAX * S_MAX] = { 0 }, g[2][N_MAX];
        for (int s = 0; s < e.o.nS; s++) X[s * e.o.nS + s] = 1;
        policy_class *p = policy_linear(e.M, e.o.nS, X);
        exact *x = exact_new_policy(e.M, e.o.gamma, p, e.theta, error, sizeof error);
        assert_int_equal(x->n, e.x->n);
        assert_memory_equal(x->V, e.x->V, (size_t)e.o.nS * sizeof *x->V);
        assert_true(x->J == e.x->J && x->unit_gradient == e.x->unit_gradient);
        gradient_theorem(x, g[0]);
        gradient_theorem(e.x, g[1]);
        for (int i = 0; i < x->n; i++) assert_true(g[0][i] == g[1][i]);
        exact_free(x);
        policy_free(p);
        /* twice the features, half of theta: the same pi, twice the gradient and four times F, and so their units */
        double half[N_MAX];
        for (int i = 0; i < e.o.nS * e.o.nS; i++) X[i] *= 2;
        for (int i = 0; i < e.x->n; i++) half[i] = e.theta[i] / 2;
        p = policy_linear(e.M, e.o.nS, X);
        x = exact_new_policy(e.M, e.o.gamma, p, half, error, sizeof error);
        assert_true(x->J == e.x->J && x->unit_gradient == 2 * e.x->unit_gradient);
        assert_true(x->unit_fisher == 4 * e.x->unit_fisher);
        exact_free(x);
        policy_free(p);
        for (int i = 0; i < e.o.nS * e.o.nS; i++) X[i] /= 2;
        const int width[] = { 1, 2 };
        policy_class *given = policy_mlp(e.M, e.o.nS, X, 2, width);
        p = policy_mlp(e.M, 0, NULL, 2, width);
        assert_int_equal(p->n, given->n);
        assert_memory_equal(p->X, given->X, (size_t)(e.o.nS * e.o.nS) * sizeof *X);
        policy_free(p);
        policy_free(given);
        example_free(&e);
    }
}

/* F^+ g by both ways: F x = g, nothing in the null space (each state's mean is 0), F-norm agreement, rank */
static void natural_gradients(void **state)
{
    (void)state;
    for (int c = 0; c < CASES; c++) {
        struct example e = example(c);
        int n = e.x->n, decisions = 0;
        double F[N_MAX * N_MAX], g[N_MAX], x[2][N_MAX], Fx[N_MAX];
        fisher_scores(e.x, F);
        gradient_theorem(e.x, g);
        fisher_spectrum *f = fisher_spectrum_new(n, F);
        natural_gradient_lapack(f, F, g, x[0]);
        cg_result cg = natural_gradient_cg(e.x, f, g, x[1]);
        assert_int_equal(cg.outcome, CG_CONVERGED);
        assert_true(cg.residual <= 1e-12);
        for (int s = 0; s < e.o.nS; s++) decisions += e.x->d[s] > 0;
        assert_int_equal(f->rank, decisions * (e.o.nA - 1));
        for (int way = 0; way < 2; way++) {
            linalg_matvec(n, n, F, x[way], Fx);
            for (int i = 0; i < n; i++)
                within("F x = g", c, i, Fx[i], g[i], 1e-13 * linalg_norm2(n, g) + 1e-300);     /* cg's tol */
            for (int s = 0; s < e.o.nS; s++) {
                double mean = 0, largest = linalg_max_abs(n, x[way]);
                for (int a = 0; a < e.o.nA; a++) mean += x[way][s * e.o.nA + a] / e.o.nA;
                within("null space", c, s, mean, 0, 1e-12 * largest + 1e-300);
            }
        }
        if (linalg_max_abs(n, g) > 0)
            assert_true(fisher_distance(n, F, x[0], x[1]) <= fisher_distance_bound(f->cond));
        fisher_spectrum_free(f);
        example_free(&e);
    }
}

/* NPG-9's closed form is the shortest solution: F x = g, and no part in the null space */
static void natural_gradient_closed_form(void **state)
{
    (void)state;
    for (int c = 0; c < CASES; c++) {
        struct example e = example(c);
        int n = e.x->n;
        double x[N_MAX], Fx[N_MAX];
        setting *at = setting_new(e.x, e.x1, 1);
        derivation_find("NPG-9")->line[1].value(at, x);
        linalg_matvec(n, n, at->F, x, Fx);
        for (int i = 0; i < n; i++) within("F x = g", c, i, Fx[i], at->g[i], e.x->unit_gradient);
        for (int s = 0; s < e.o.nS; s++) {
            double mean = 0;
            for (int a = 0; a < e.o.nA; a++) mean += x[s * e.o.nA + a] / e.o.nA;
            within("null space", c, s, mean, 0, 1e-15 * (1 + linalg_max_abs(n, x)));
        }
        setting_free(at);
        example_free(&e);
    }
}

/* Random Fisher matrices sum_s d(s) sum_a pi(a|s) score score^T with min d(s) pi(a|s) >= 1e-6: the rank rule
 * is right on all 2000. */
static void rank_rule(void **state)
{
    (void)state;
    gsl_rng *rng = random_stream(11, 0, RANDOM_TEST);
    for (int c = 0; c < 2000;) {
        int nS = 1 + (int)gsl_rng_uniform_int(rng, 6), nA = 2 + (int)gsl_rng_uniform_int(rng, 4), n = nS * nA;
        double F[36 * 36] = { 0 }, least = 1, d[6], p[6][5], total = 0;
        for (int s = 0; s < nS; s++) total += d[s] = exp(6 * gsl_rng_uniform(rng));
        for (int s = 0; s < nS; s++) {
            double sum = 0;
            for (int a = 0; a < nA; a++) sum += p[s][a] = exp(8 * gsl_rng_uniform(rng));
            for (int a = 0; a < nA; a++) least = fmin(least, d[s] / total * (p[s][a] /= sum));
        }
        if (least < 1e-6) continue;
        c++;
        for (int s = 0; s < nS; s++)
            for (int i = 0; i < nA * nA * nA; i++) {
                int a = i / nA / nA, b = i / nA % nA, k = i % nA;
                F[(s * nA + b) * n + s * nA + k] +=
                    d[s] / total * p[s][a] * ((a == b) - p[s][b]) * ((a == k) - p[s][k]);
            }
        fisher_spectrum *f = fisher_spectrum_new(n, F);
        if (f->rank != nS * (nA - 1)) fail_msg("matrix %d: rank %d, expected %d", c, f->rank, nS * (nA - 1));
        fisher_spectrum_free(f);
    }
    gsl_rng_free(rng);
}

/* A regular F takes the Cholesky path and must give the inverse: F = B^T B + I */
static void regular_fisher(void **state)
{
    (void)state;
    gsl_rng *rng = random_stream(12, 0, RANDOM_TEST);
    double B[36], F[36], x[6], g[6], got[6];
    for (int i = 0; i < 36; i++) B[i] = gsl_ran_gaussian(rng, 1);
    for (int i = 0; i < 6; i++) x[i] = gsl_ran_gaussian(rng, 1);
    gsl_rng_free(rng);
    linalg_matmul(true, false, 6, 6, 6, B, B, F);
    for (int i = 0; i < 6; i++) F[i * 7] += 1;
    linalg_matvec(6, 6, F, x, g);
    fisher_spectrum *f = fisher_spectrum_new(6, F);
    assert_int_equal(f->rank, 6);
    natural_gradient_lapack(f, F, g, got);
    for (int i = 0; i < 6; i++) within("Cholesky", 0, i, got[i], x[i], 2.3e-16 * f->cond * 6);
    fisher_spectrum_free(f);
}

/* ---- conjugate gradients ---- */

struct dense { const double *A; int products; };

static void dense_product(void *F, int n, const double *v, double *Fv)
{
    struct dense *d = F;
    d->products++;
    for (int i = 0; i < n; i++) {
        Fv[i] = 0;
        for (int j = 0; j < n; j++) Fv[i] += d->A[i * n + j] * v[j];
    }
}

/* As many steps as different nonzero eigenvalues: diag(1, 1, 4, 4, 9, 0) with g in its range takes three. */
static void cg_steps(void **state)
{
    (void)state;
    double A[36] = { 0 }, g[6] = { 1, 2, 3, 4, 5, 0 }, x[6];
    const double lambda[6] = { 1, 1, 4, 4, 9, 0 };
    for (int i = 0; i < 6; i++) A[i * 7] = lambda[i];
    struct dense F = { A, 0 };
    cg_result r = cg(dense_product, &F, 6, g, 1e-12, 120, x);
    assert_int_equal(r.outcome, CG_CONVERGED);
    assert_int_equal(r.iterations, 3);
    for (int i = 0; i < 5; i++) within("cg", 0, i, x[i], g[i] / lambda[i], 1e-14);
    assert_true(x[5] == 0);
}

static void cg_outcomes(void **state)
{
    (void)state;
    double zero[2] = { 0, 0 }, g[2] = { 1, 2 }, x[2];
    double indefinite[4] = { 1, 0, 0, -1 };
    struct dense F = { indefinite, 0 };
    cg_result r = cg(dense_product, &F, 2, zero, 1e-12, 40, x);
    assert_int_equal(r.outcome, CG_CONVERGED);
    assert_int_equal(r.iterations, 0);
    assert_true(x[0] == 0 && x[1] == 0);
    r = cg(dense_product, &F, 2, g, 1e-12, 40, x);
    assert_int_equal(r.outcome, CG_NO_CURVATURE);

    /* Hilbert's matrix, singular to working precision, g = H 1: no residual is ever 0, so with tol = 0 it
     * must stagnate, and return the best x, not the last: its residual is at the level of rounding. */
    enum { n = 30 };
    double H[n * n], b[n], y[n];
    for (int i = 0; i < n; i++) {
        b[i] = 0;
        for (int j = 0; j < n; j++) b[i] += H[i * n + j] = 1.0 / (i + j + 1);
    }
    F = (struct dense){ H, 0 };
    r = cg(dense_product, &F, n, b, 0, 100000, y);
    assert_int_equal(r.outcome, CG_STAGNATED);
    assert_true(r.iterations < 2000);
    if (!(r.residual < 1e-12)) fail_msg("stagnated at %.3g after %d steps", r.residual, r.iterations);
    double Hy[n], true_residual = 0;
    dense_product(&F, n, y, Hy);
    for (int i = 0; i < n; i++) true_residual += (b[i] - Hy[i]) * (b[i] - Hy[i]);
    within("reported residual", 0, 0, r.residual, sqrt(true_residual) / linalg_norm2(n, b), 1e-12);
    r = cg(dense_product, &F, n, b, 0, 7, y);
    assert_int_equal(r.outcome, CG_STEPS_EXHAUSTED);
    assert_int_equal(r.iterations, 7);
}

/* ---- two policies ---- */

static void comparisons(void **state)
{
    (void)state;
    for (int c = 0; c < CASES; c++) {
        struct example e = example(c);
        real th[N_MAX], th1[N_MAX], V[S_MAX], rho[S_MAX], tv_max = 0, kl_max = 0, kl_mean = 0, visits = 0, eps = 0;
        widen(e.theta, th);
        widen(e.theta1, th1);
        o_V(&e.o, th, V);
        o_rho(&e.o, th, rho);
        real L = o_J(&e.o, th);
        for (int s = 0; s < e.o.nS; s++) {
            real tv = 0, kl = 0;
            for (int a = 0; a < e.o.nA; a++) {
                real p = o_pi(&e.o, th, s, a), p1 = o_pi(&e.o, th1, s, a), A = o_Q(&e.o, V, s, a) - V[s];
                tv += fabsl(p - p1) / 2;
                kl += p * logl(p / p1);
                L += rho[s] * p1 * A;
                eps = fmaxl(eps, fabsl(A));
            }
            if (e.o.absorbing[s]) continue;
            tv_max = fmaxl(tv_max, tv);
            kl_max = fmaxl(kl_max, kl);
            kl_mean += rho[s] * kl;
            visits += rho[s];
        }
        policy_comparison p = compare_policies(e.x, e.x1);
        double unit = pair_unit(e.x, e.x1);
        real difference = o_J(&e.o, th1) - o_J(&e.o, th);
        within("J(pi')", c, 0, p.J, o_J(&e.o, th1), unit);
        within("lhs", c, 0, p.lhs, difference, unit);
        within("rhs", c, 0, p.rhs, difference, unit);
        within("surrogate", c, 0, p.surrogate, L, unit);
        within("TV max", c, 0, p.tv_max, tv_max, 1e-15);
        within("KL max", c, 0, p.kl_max, kl_max, 1e-15 * 10);
        if (visits > 0) within("KL mean", c, 0, p.kl_mean, kl_mean / visits, 1e-15 * 10);
        real C = 4 * eps * e.o.gamma / ((1 - e.o.gamma) * (1 - e.o.gamma));
        if (e.o.gamma == 1) assert_true(isnan(p.lower_bound));
        else within("lower bound", c, 0, p.lower_bound, L - C * kl_max, unit + 1e-14 * (double)(C * kl_max));
        example_free(&e);
    }
}

/* ---- optimal values: the best of all deterministic policies, tried one by one ---- */

static void optimal(void **state)
{
    (void)state;
    char error[256];
    double unit;
    for (int c = 0, tried = 0; tried < 12; c++) {
        struct example e = example(c);
        int policies = 1, policy[S_MAX];
        double V[S_MAX];
        for (int s = 0; s < e.o.nS; s++) policies *= e.o.nA;
        if (policies > 300) { example_free(&e); continue; }
        tried++;
        real best[S_MAX];
        for (int s = 0; s < e.o.nS; s++) best[s] = -HUGE_VALL;
        for (int k = 0; k < policies; k++) {
            real theta[N_MAX], Vk[S_MAX];
            for (int s = 0, rest = k; s < e.o.nS; s++, rest /= e.o.nA)
                for (int a = 0; a < e.o.nA; a++) theta[s * e.o.nA + a] = a == rest % e.o.nA ? 0 : -20000;
            o_V(&e.o, theta, Vk);
            for (int s = 0; s < e.o.nS; s++) best[s] = fmaxl(best[s], Vk[s]);
        }
        assert_true(exact_optimal(e.M, e.M->gamma, V, policy, &unit, error, sizeof error));
        for (int s = 0; s < e.o.nS; s++) {
            within("V*", c, s, V[s], best[s], unit);
            if (!e.o.absorbing[s]) within("greedy", c, s, (double)o_Q(&e.o, best, s, policy[s]), best[s], 1e-11);
        }
        assert_true(exact_optimal_residual(e.M, e.M->gamma, V) <= 10 * unit);
        value_iteration result = exact_value_iteration(e.M, e.M->gamma, NULL, V);
        assert_true(result.settled && (e.o.gamma == 1 ? isinf(result.bound) : result.bound > 0));
        for (int s = 0; s < e.o.nS; s++) {
            within("V* by value iteration", c, s, V[s], best[s], unit);
            if (e.o.gamma < 1) within("its bound", c, s, V[s], best[s], result.bound / 10);
        }
        example_free(&e);
    }
}

/* Value iteration where it is slow: a ring in which V goes round in circles and a ring walk, at discounts near 1.
 * Entering state 0 pays 1. On the ring V*(s) = gamma^m / (1 - gamma^n), m = (-s - 1) mod n. */
static void value_iteration_near_one(void **state)
{
    (void)state;
    static const double gamma[] = { 0.9, 0.9999, 1 - 1e-9, 1 - 1e-12 };
    for (int c = 0; c < 8; c++) {
        int n = c < 4 ? 2 : 7;
        double G = gamma[c % 4], V[7], V1[7], unit;
        int policy[7];
        char error[256];
        mdp_builder *b = mdp_begin("ring", n, 2, G);
        mdp_start(b, 0, 1);
        for (int s = 0; s < n; s++) {
            mdp_transition(b, s, 0, (s + 1) % n, 1, s == n - 1);
            mdp_transition(b, s, 1, (s + 1) % n, 1, (s == n - 1) - 0.5);
        }
        mdp *M = mdp_finish(b);
        value_iteration result = exact_value_iteration(M, G, NULL, V);
        assert_true(result.settled && result.sweeps < 2e6);
        assert_true(exact_optimal(M, G, V1, policy, &unit, error, sizeof error));
        for (int s = 0; s < n; s++) {
            real want = powl(G, n - 1 - s) / (1 - powl(G, n));
            within("value iteration on a ring", c, s, V[s], want, unit);
            within("its bound", c, s, V[s], want, result.bound / 10);
            within("policy iteration on a ring", c, s, V1[s], want, unit);
        }
        mdp_free(M);
    }
}

/* States 0 .. n - 1, two actions that lead on with probability 0.2 or 0.4 for 3 or 1 a step, gamma = 1: staying is
 * slow and paid, so V*(s) = 15 (n - 1 - s). Where V* is infinite the states are left out, and so they stay. */
static void value_iteration_without_discount(void **state)
{
    (void)state;
    enum { N = 20 };
    mdp_builder *b = mdp_begin("slow", N + 1, 2, 1);
    mdp_start(b, 0, 1);
    for (int s = 0; s < N; s++)
        for (int a = 0; a < 2 && s < N - 1; a++) {
            mdp_transition(b, s, a, s, a ? 0.6 : 0.8, a ? 1 : 3);
            mdp_transition(b, s, a, s + 1, a ? 0.4 : 0.2, a ? 1 : 3);
        }
    for (int a = 0; a < 2; a++) {
        mdp_transition(b, N - 1, a, N - 1, 1, 0);
        mdp_transition(b, N, a, a ? N - 1 : N, 1, a ? 0 : 1);
    }
    mdp *M = mdp_finish(b);
    double V[N + 1], V1[N + 1], unit;
    int policy[N + 1];
    bool left_out[N + 1];
    char error[256];
    assert_true(exact_optimal(M, 1, V1, policy, &unit, error, sizeof error));
    for (int s = 0; s <= N; s++) left_out[s] = isnan(V1[s]);
    value_iteration result = exact_value_iteration(M, 1, left_out, V);
    assert_true(result.settled && isinf(result.bound) && isnan(V[N]) && left_out[N]);
    for (int s = 0; s < N; s++) {
        within("V* by value iteration", 0, s, V[s], 15 * (N - 1 - s), unit);
        within("V* by policy iteration", 0, s, V1[s], 15 * (N - 1 - s), unit);
    }
    mdp_free(M);
}

/* gamma = 1. State 0: action 0 stays and pays r, action 1 ends and pays 1. State 1: ends, or goes to 0 in
 * front of it. State 2 is absorbing. State 3: only ends, pays 5. */
static mdp *loop_mdp(double r)
{
    mdp_builder *b = mdp_begin("loop", 4, 2, 1);
    mdp_start(b, 1, 1);
    mdp_transition(b, 0, 0, 0, 1, r);
    mdp_transition(b, 0, 1, 2, 1, 1);
    mdp_transition(b, 1, 0, 2, 1, 0);
    mdp_transition(b, 1, 1, 0, 1, 0);
    for (int a = 0; a < 2; a++) {
        mdp_transition(b, 2, a, 2, 1, 0);
        mdp_transition(b, 3, a, 2, 1, 5);
    }
    return mdp_finish(b);
}

static void optimal_at_gamma_one(void **state)
{
    (void)state;
    char error[256];
    double V[4], unit;
    int policy[4];
    mdp *M = loop_mdp(0.25);                        /* staying in 0 pays for ever */
    assert_true(exact_optimal(M, 1, V, policy, &unit, error, sizeof error));
    assert_true(isnan(V[0]) && isnan(V[1]) && policy[0] == -1 && policy[1] == -1);
    assert_true(V[2] == 0 && V[3] == 5);
    mdp_free(M);
    M = loop_mdp(0);                                /* staying pays nothing: ending at once is as good */
    assert_true(exact_optimal(M, 1, V, policy, &unit, error, sizeof error));
    assert_true(V[0] == 1 && V[1] == 1 && policy[0] == 1 && policy[1] == 1);
    assert_true(exact_optimal(M, 0.5, V, policy, &unit, error, sizeof error));
    assert_true(V[0] == 1 && V[1] == 0.5);
    mdp_free(M);
}

/* What an action is worth is measured by its own state: beside values of 1e7, 1e-5 against 9e-6 is no tie. Of 10 and
 * 10 + 1e-9 the latter is better, but not beside 1e7, whose rounding is more; of 10 and 10 (1 + 2 u) neither is. */
static void ties_in_their_state(void **state)
{
    (void)state;
    char error[256];
    double V[4], unit;
    int policy[4];
    static const double r[4][2] = { { 1e6, 0 }, { 0, 1e-6 }, { 1, 1 + 1e-10 }, { 1, 1 + 2 * DBL_EPSILON } };
    for (int with_large = 0; with_large < 2; with_large++) {
        mdp_builder *b = mdp_begin("ties", 4, 2, 0.9);
        mdp_start(b, 1, 1);
        for (int i = 0; i < 8; i++)
            mdp_transition(b, i / 2, i % 2, i / 2, 1, i / 2 || with_large ? r[i / 2][i % 2] : 1 - i % 2);
        mdp *M = mdp_finish(b);
        assert_true(exact_optimal(M, 0.9, V, policy, &unit, error, sizeof error));
        assert_int_equal(policy[0], 0);
        assert_int_equal(policy[1], 1);
        assert_true(fabs(V[1] - 1e-5) <= 10 * unit);
        assert_int_equal(policy[2], !with_large);
        assert_int_equal(policy[3], 0);
        mdp_free(M);
    }
}

/* gamma = 1/2. In 0 both actions are worth 1, action 0 through state 1; of states 0 and 1 the best reward is that of
 * action 1. Named is the lowest that is optimal: 0 in 0, but 1 in 1, where 0 is worth less. */
static void lowest_of_equals(void **state)
{
    (void)state;
    char error[256];
    double V[3], unit;
    int policy[3];
    mdp_builder *b = mdp_begin("equals", 3, 2, 0.5);
    mdp_start(b, 0, 1);
    mdp_transition(b, 0, 0, 1, 1, 0);
    mdp_transition(b, 0, 1, 2, 1, 1);
    mdp_transition(b, 1, 0, 2, 1, 1.5);
    mdp_transition(b, 1, 1, 2, 1, 2);
    for (int a = 0; a < 2; a++) mdp_transition(b, 2, a, 2, 1, 0);
    mdp *M = mdp_finish(b);
    assert_true(exact_optimal(M, 0.5, V, policy, &unit, error, sizeof error));
    assert_true(V[0] == 1 && V[1] == 2 && V[2] == 0);
    assert_true(policy[0] == 0 && policy[1] == 1);
    mdp_free(M);
}

/* Lakes on n x n cells, moves that slip with probabilities whose sums round, reward 1 for the goal only, no
 * discount: going round in circles pays nothing, so no value is unbounded or above 1, and all are at least those
 * of any one policy. */
static mdp *lake(gsl_rng *rng, int n)
{
    int end = n * n, goal = (int)gsl_rng_uniform_int(rng, (unsigned long)end);
    double slip = 0.02 + 0.2 * gsl_rng_uniform(rng);
    bool hole[36];
    for (int s = 0; s < end; s++) hole[s] = s != goal && gsl_rng_uniform(rng) < 0.15;
    mdp_builder *b = mdp_begin("lake", end + 1, 4, 1);
    mdp_start(b, goal ? 0 : 1, 1);
    for (int s = 0; s <= end; s++)
        for (int a = 0; a < 4; a++) {
            if (s == end || s == goal || hole[s]) mdp_transition(b, s, a, end, 1, 0);
            else for (int turn = -1; turn <= 1; turn++) {
                static const int dx[] = { -1, 0, 1, 0 }, dy[] = { 0, 1, 0, -1 };
                int way = (a + turn + 4) % 4, x = s % n + dx[way], y = s / n + dy[way];
                int to = x < 0 || x >= n || y < 0 || y >= n ? s : y * n + x;
                mdp_transition(b, s, a, to, turn ? slip : 1 - 2 * slip, to == goal);
            }
        }
    return mdp_finish(b);
}

static void optimal_without_pay(void **state)
{
    (void)state;
    gsl_rng *rng = random_stream(21, 0, RANDOM_TEST);
    for (int c = 0; c < 300; c++) {
        int n = 3 + c % 4, policy[37];
        double V[37], logits[37 * 4] = { 0 }, unit;
        char error[256];
        mdp *M = lake(rng, n);
        assert_true(exact_optimal(M, 1, V, policy, &unit, error, sizeof error));
        exact *uniform = exact_new(M, 1, logits, error, sizeof error);
        for (int s = 0; s <= n * n; s++)
            if (!(V[s] <= 1 + 10 * unit && V[s] >= uniform->V[s] - 10 * (unit + uniform->unit_V) && policy[s] >= 0))
                fail_msg("lake %d, state %d: V* = %g, V of the uniform policy %g", c, s, V[s], uniform->V[s]);
        exact_free(uniform);
        mdp_free(M);
    }
    gsl_rng_free(rng);

    /* A ring of three that pays .1, .2 and -.3 + 8e-15 a round, or 1 for leaving: the gain is rounding */
    static const double pays[] = { 0.1, 0.2, -0.3 + 8e-15 }, want[] = { 1.3, 1.2, 1, 0 };
    int policy[4];
    double V[4], unit;
    char error[256];
    mdp_builder *b = mdp_begin("ring", 4, 2, 1);
    mdp_start(b, 0, 1);
    for (int s = 0; s < 4; s++) {
        mdp_transition(b, s, 0, s < 3 ? (s + 1) % 3 : 3, 1, s < 3 ? pays[s] : 0);
        mdp_transition(b, s, 1, 3, 1, s < 3);
    }
    mdp *M = mdp_finish(b);
    assert_true(exact_optimal(M, 1, V, policy, &unit, error, sizeof error));
    for (int s = 0; s < 4; s++) within("V* of the ring", 0, s, V[s], want[s], 1e-14);
    assert_int_equal(policy[2], 1);
    mdp_free(M);
}

/* ---- conventions ---- */

/* A body that must end the program with this exit status */
static int exit_status_of(void (*body)(void))
{
    fflush(NULL);
    pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        if (!freopen("/dev/null", "w", stderr)) _exit(98);
        body();
        _exit(99);
    }
    int status;
    assert_true(waitpid(child, &status, 0) == child);
    return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

static void one_state(double P, double gamma, double r)
{
    char error[256];
    double logits[1] = { 0 };
    mdp_builder *b = mdp_begin("one", 1, 1, gamma);
    mdp_start(b, 0, 1);
    mdp_transition(b, 0, 0, 0, P, r);
    exact_new(mdp_finish(b), gamma, logits, error, sizeof error);
}

/* A row that sums to more than 1 by what is tolerated, and no discount to speak of; two halves, as a single
 * probability cannot exceed 1 */
static void diverges(void)
{
    char error[256];
    double logits[2] = { 0 };
    mdp_builder *b = mdp_begin("sup", 2, 1, 1 - 1e-10);
    mdp_start(b, 0, 1);
    for (int s = 0; s < 2; s++)
        for (int s1 = 0; s1 < 2; s1++) mdp_transition(b, s, 0, s1, 0.5 + 4e-10, 1);
    exact_new(mdp_finish(b), 1 - 1e-10, logits, error, sizeof error);
}

static void overflows(void) { one_state(1, 0.9, 1e308); }
static void is_fine(void)   { one_state(1, 0.9, 1e300); }

static void divergence(void **state)
{
    (void)state;
    assert_int_equal(exit_status_of(diverges), 4);
    assert_int_equal(exit_status_of(overflows), 4);
    assert_int_equal(exit_status_of(is_fine), 99);
}

static void policy_files(void **state)
{
    (void)state;
#define TEXT(s) s, sizeof s - 1
    static const struct { const char *text; size_t length; const char *error; } file[] = {
        { TEXT("0,1\n2,3\n"), NULL },
        { TEXT("0 , 1 # a\r\n\n -2e0,\t3.5"), NULL },
        { TEXT("0,1\0" "junk\n2,3\n"), ":1:4: expected text, found \"?\"" },
        { TEXT("0,1\rjunk\n2,3\n"), ":1:4: expected text, found \"?\"" },
        { TEXT("0,1\n2\n"), ":2:2: expected a comma and number 2 of 2, found the end of the line" },
        { TEXT("0,1\n2,3,4\n"), ":2:4: expected the end of the line after 2 numbers, found \",4\"" },
        { TEXT("0,1e308\n2,3\n"), ":1:3: expected a logit in [-1e300, 1e300] (number 2 of 2), found \"1e308\"" },
        { TEXT("0,nan\n2,3\n"), ":1:3: expected a logit in [-1e300, 1e300] (number 2 of 2), found \"nan\"" },
        { TEXT("0,0x1\n2,3\n"), ":1:3: expected a logit in [-1e300, 1e300] (number 2 of 2), found \"0x1\"" },
        { TEXT("0,1\n"), ":2:1: expected 2 rows, one for each state, found the end of the file after 1" },
        { TEXT("0,1\n2,3\n4,5\n"), ":3:1: expected 2 rows, one for each state, found \"4,5\"" } };
#undef TEXT
    char path[] = "/tmp/ascent_policy_XXXXXX", error[256], expected[256];
    int fd = mkstemp(path);
    assert_true(fd >= 0);
    mdp_builder *b = mdp_begin("two", 2, 2, 0.9);
    mdp_start(b, 0, 1);
    for (int i = 0; i < 4; i++) mdp_transition(b, i / 2, i % 2, 1 - i / 2, 1, 1);
    mdp *M = mdp_finish(b);
    for (size_t i = 0; i < sizeof file / sizeof *file; i++) {
        double logits[4] = { 9, 9, 9, 9 };
        assert_int_equal(ftruncate(fd, 0), 0);
        assert_true(pwrite(fd, file[i].text, file[i].length, 0) == (ssize_t)file[i].length);
        bool read = policy_read(path, M, logits, error, sizeof error);
        assert_int_equal(read, file[i].error == NULL);
        if (read) continue;
        snprintf(expected, sizeof expected, "%s%s", path, file[i].error);
        assert_string_equal(error, expected);
    }
    close(fd);
    unlink(path);
    mdp_free(M);
}

static void gamma_one_needs_an_end(void **state)
{
    (void)state;
    char error[256] = "";
    double theta[6] = { 0 };
    mdp_builder *b = mdp_begin("ring", 3, 2, 0.9);
    mdp_start(b, 0, 1);
    for (int a = 0; a < 2; a++) {
        mdp_transition(b, 0, a, a ? 2 : 1, 1, 1);
        mdp_transition(b, 1, a, 1, 1, a);           /* stays for ever but is paid: not absorbing */
        mdp_transition(b, 2, a, 2, 1, 0);           /* absorbing */
    }
    mdp *M = mdp_finish(b);
    assert_false(mdp_absorbing(M, 1));
    assert_true(mdp_absorbing(M, 2));
    assert_null(exact_new(M, 1, theta, error, sizeof error));
    assert_non_null(strstr(error, "state 1"));
    exact *x = exact_new(M, 0.5, theta, error, sizeof error);
    assert_non_null(x);
    assert_true(x->V[2] == 0 && x->Q[4] == 0 && x->Q[5] == 0 && x->A[4] == 0 && x->d[2] == 0);
    within("rho of the absorbing state", 0, 2, x->rho[2], 0.5L, x->unit_rho);   /* gamma/2 / (1 - gamma) */
    exact_free(x);
    mdp_free(M);
}

/* ---- the derivations themselves ---- */

static void all_derivations_hold(void **state)
{
    (void)state;
    for (int c = 0; c < CASES; c++) {
        struct example e = example(c);
        setting *x = setting_new(e.x, e.x1, 3);
        const derivation *d;
        int passed = 0;
        for (int i = 0; (d = derivation_at(i)); i++) {
            if (c > 0 && d->own_problem) continue;              /* says nothing of x: once is enough */
            if (d->trains > 1) continue;
            derivation_result r = derivation_run(d, x);
            if (r.verdict == FAIL) fail_msg("%s, case %d: %.3g units", d->id, c, r.units[r.worst]);
            passed += r.verdict == PASS;
            derivation_result_free(&r);
        }
        assert_true(passed >= (e.o.gamma == 0 ? 8 : 10));
        setting_free(x);
        example_free(&e);
    }
}

/* A start in the absorbing state: nothing is visited, F is 0;
 * nothing fails, and nothing about F or grad J is a PASS. */
static void nothing_visited(void **state)
{
    (void)state;
    char error[256];
    double theta[4] = { 0.5, 0, 0, 0 };
    mdp_builder *b = mdp_begin("ended", 2, 2, 0.9);
    mdp_start(b, 1, 1);
    for (int i = 0; i < 4; i++) mdp_transition(b, i / 2, i % 2, 1, 1, i == 0);
    mdp *M = mdp_finish(b);
    exact *x = exact_new(M, 0.9, theta, error, sizeof error);
    setting *at = setting_new(x, x, 1);
    const derivation *d;
    for (int i = 0; (d = derivation_at(i)); i++) {
        if (d->own_problem) continue;                           /* says nothing of x */
        derivation_result r = derivation_run(d, at);
        bool of_visits = strncmp(d->id, "NPG-", 4) == 0 || strcmp(d->id, "PGT-3") == 0 ||
                         strcmp(d->id, "PGT-15") == 0;
        if (r.verdict == FAIL || (of_visits && r.verdict == PASS))
            fail_msg("%s is %s", d->id, verdict_name(r.verdict));
        derivation_result_free(&r);
    }
    setting_free(at);
    exact_free(x);
    mdp_free(M);
}

/* One line off by 1e-6 of the value is a FAIL; a NaN is a FAIL; a value of zero is WEAK. NULL: the numbers 1, 2 */
static double line_one(const setting *x, double *out)   { (void)x; out[0] = 1; out[1] = 2; return 0; }
static double line_off(const setting *x, double *out)   { (void)x; out[0] = 1; out[1] = 2 + 2e-6; return 0; }
static double line_nan(const setting *x, double *out)   { (void)x; out[0] = NAN; out[1] = 2; return 0; }
static double line_zero(const setting *x, double *out)  { (void)x; out[0] = out[1] = 0; return 0; }
static double line_rough(const setting *x, double *out) { line_off(x, out); return 1e-5; }
static double line_left_out(const setting *x, double *out) { line_off(x, out); return -1; }
static int    two(const setting *x)     { (void)x; return 2; }
static double small(const setting *x)   { (void)x; return 1e-15; }

static enum verdict verdict_of(line_value first, line_value second)
{
    derivation d = { "X-1", "", "", two, small, NULL, NULL,
                     { { "", "", first, .is = { 1, 2 } }, { "", "", second, .is = { 1, 2 } } } };
    setting x = { 0 };
    derivation_result r = derivation_run(&d, &x);
    derivation_result_free(&r);
    return r.verdict;
}

static void verdicts(void **state)
{
    (void)state;
    assert_int_equal(verdict_of(line_one, line_one), PASS);
    assert_int_equal(verdict_of(line_one, line_off), FAIL);
    assert_int_equal(verdict_of(line_one, line_nan), FAIL);
    assert_int_equal(verdict_of(line_nan, line_one), FAIL);
    assert_int_equal(verdict_of(line_zero, line_zero), WEAK);
    assert_int_equal(verdict_of(line_one, line_rough), WEAK);
    assert_int_equal(verdict_of(line_one, line_left_out), NOT_APPLICABLE);
    assert_int_equal(verdict_of(line_one, NULL), PASS);
    assert_int_equal(verdict_of(NULL, line_off), FAIL);
}

/* A bound that holds to the last bit does not make an equation that allows all say something; without one
 * it counts. */
static void what_an_equation_allows(void **state)
{
    (void)state;
    const setting x = { 0 };
    derivation d = { "X-1", "", "", two, small, NULL, NULL,
                     { { "", "", line_one }, { "", "", line_rough }, { "", "", line_zero, AT_MOST } } };
    derivation_result r = derivation_run(&d, &x);
    assert_int_equal(r.verdict, WEAK);
    derivation_result_free(&r);
    d.line[1] = d.line[2];
    d.line[2].latex = NULL;
    r = derivation_run(&d, &x);
    assert_int_equal(r.verdict, PASS);
    derivation_result_free(&r);
}

/* A chain of bounds: each line against the one above, those left out and those that must differ passed over; numbers
 * that a line does not speak of have no part in anything. */
static double line_three(const setting *x, double *out) { (void)x; out[0] = 3; out[1] = 6; return 0; }

static derivation_result of_three(derivation_line second, derivation_line third, derivation_line fourth)
{
    const setting x = { 0 };
    derivation d = { "X-1", "", "", two, small, NULL, NULL, { { "", "", line_zero }, second, third, fourth } };
    derivation_result r = derivation_run(&d, &x);
    return r;
}

static void links(void **state)
{
    (void)state;
    const derivation_line above = { "", "", line_three, AT_LEAST }, between = { "", "", line_one, AT_LEAST_ABOVE },
        first = { "", "", line_one, AT_LEAST }, control = { "", "", line_one, DIFFERS }, none = { 0 },
        skipped = { "", "", line_left_out, AT_LEAST_ABOVE }, same = { "", "", line_one, EQUAL_ABOVE },
        off = { "", "", line_off, EQUAL_ABOVE }, nan_before = { "", "", line_nan, EQUAL_ABOVE, .from = 1 },
        wrong = { "", "", line_off, DIFFERS_ABOVE, "ERR-1" },
        nothing_new = { "", "", line_one, DIFFERS_ABOVE, "ERR-1" };
    const struct { derivation_line line[3]; bool fails; int against, worst; } known[] = {
        { { above, between }, true, 1, 2 }, { { first, { "", "", line_three, AT_LEAST_ABOVE } }, false, 1, 0 },
        { { above, control, between }, true, 0, 3 }, { { above, skipped, between }, true, 0, 3 },
        { { first, same }, false, 1, 0 }, { { first, off }, true, 1, 2 }, { { first, nan_before }, false, 1, 0 },
        { { above, nan_before }, true, 1, 2 }, { { first, wrong }, false, 1, 0 } };
    for (size_t k = 0; k < sizeof known / sizeof *known; k++) {
        const derivation_line *l = known[k].line;
        derivation_result r = of_three(l[0], l[1], l[2]);
        assert_int_equal(r.verdict == FAIL, known[k].fails);
        if (known[k].fails) assert_int_equal(r.worst, known[k].worst);
        if (known[k].against) assert_int_equal(r.against[2], known[k].against);
        if (k == 7) assert_int_equal(derivation_shown(&r), 1);
        if (k == 6) assert_int_equal(r.common, 1);
        if (k == 8) assert_true(r.differs[2]);
        derivation_result_free(&r);
    }
    derivation_result r = of_three(first, nothing_new, none);
    assert_false(r.differs[2]);
    derivation_result_free(&r);
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(links), cmocka_unit_test(what_an_equation_allows), cmocka_unit_test(values),
        cmocka_unit_test(visitation), cmocka_unit_test(condition), cmocka_unit_test(time_sums),
        cmocka_unit_test(gradients), cmocka_unit_test(fisher_matrices),
        cmocka_unit_test(linear_policies), cmocka_unit_test(mlp_policies), cmocka_unit_test(one_hot_features),
        cmocka_unit_test(natural_gradients), cmocka_unit_test(natural_gradient_closed_form),
        cmocka_unit_test(rank_rule), cmocka_unit_test(regular_fisher),
        cmocka_unit_test(cg_steps), cmocka_unit_test(cg_outcomes), cmocka_unit_test(comparisons),
        cmocka_unit_test(optimal), cmocka_unit_test(value_iteration_near_one),
        cmocka_unit_test(value_iteration_without_discount), cmocka_unit_test(optimal_at_gamma_one),
        cmocka_unit_test(lowest_of_equals), cmocka_unit_test(ties_in_their_state),
        cmocka_unit_test(optimal_without_pay),
        cmocka_unit_test(gamma_one_needs_an_end), cmocka_unit_test(divergence), cmocka_unit_test(policy_files),
        cmocka_unit_test(all_derivations_hold), cmocka_unit_test(nothing_visited), cmocka_unit_test(verdicts) };
    if (argc > 1) cmocka_set_test_filter(argv[1]);
    linalg_start();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
