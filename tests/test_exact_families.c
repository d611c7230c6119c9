/* The exact layer, dense and sparse, on families that are hard for a solver, against Gaussian elimination
 * in long double; on large problems against closed forms and long double sweeps; and under changes of the
 * problem whose effect is known. The oracles share no code with what they check. */
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

#include "autodiff/linalg.h"
#include "autodiff/random.h"
#include "autodiff/require.h"
#include "derivations/exact.h"
#include "derivations/policy_gradient_theorem.h"

typedef long double real;

/* ---- the families ---- */

enum family { GARNET, PERIODIC, REDUCIBLE, DECOUPLED, EPISODIC, WALK, FAMILIES };
static const char *const family_name[] = { "garnet", "periodic", "reducible", "near-decoupled", "episodic",
                                           "walk" };

static void spread(mdp_builder *b, gsl_rng *rng, int s, int a, int first, int n, double mass)
{
    int m = n < 4 ? n : 4;
    double w[4], total = 0;
    for (int i = 0; i < m; i++) total += w[i] = 0.05 + gsl_rng_uniform(rng);
    for (int i = 0; i < m; i++)
        mdp_transition(b, s, a, first + (int)gsl_rng_uniform_int(rng, (unsigned long)n), mass * w[i] / total,
                       gsl_ran_gaussian(rng, 1));
}

static void fill_row(mdp_builder *b, gsl_rng *rng, enum family f, int n, int s, int a)
{
    int half = n / 2, low = s < half;
    switch (f) {
    case GARNET:    spread(b, rng, s, a, 0, n, 1); break;
    case PERIODIC:  mdp_transition(b, s, a, (s + 1) % n, 1, gsl_ran_gaussian(rng, 1)); break;
    case REDUCIBLE:                             /* the upper half is never left */
        if (low) spread(b, rng, s, a, 0, n, 1);
        else     spread(b, rng, s, a, half, n - half, 1);
        break;
    case DECOUPLED:                             /* halves that are left once in 1e8 steps */
        spread(b, rng, s, a, low ? 0 : half, low ? half : n - half, 1 - 1e-8);
        mdp_transition(b, s, a, low ? n - 1 : 0, 1e-8, 0);
        break;
    case EPISODIC:                              /* the last state is absorbing */
        if (s == n - 1) mdp_transition(b, s, a, s, 1, 0);
        else {
            spread(b, rng, s, a, 0, n, 0.9375);
            mdp_transition(b, s, a, n - 1, 0.0625, 1);
        }
        break;
    default:                                    /* a random walk with an absorbing end, 0 reflects */
        if (s == n - 1) mdp_transition(b, s, a, s, 1, 0);
        else {
            double right = a ? 0.625 : 0.5;
            mdp_transition(b, s, a, s + 1, right, -1);
            mdp_transition(b, s, a, s ? s - 1 : 0, 1 - right, -1);
        }
    }
}

static mdp *family_mdp(enum family f, int n, double gamma, uint32_t seed)
{
    gsl_rng *rng = random_stream(31, seed, RANDOM_TEST);
    mdp_builder *b = mdp_begin(family_name[f], n, 2, gamma);
    int starts = n < 3 ? 1 : 2;
    for (int s = 0; s < starts; s++) mdp_start(b, s, 1.0 / starts);
    for (int s = 0; s < n; s++)
        for (int a = 0; a < 2; a++) fill_row(b, rng, f, n, s, a);
    gsl_rng_free(rng);
    return mdp_finish(b);
}

static double *random_logits(const mdp *M, uint32_t seed)
{
    gsl_rng *rng = random_stream(32, seed, RANDOM_TEST);
    double *z = allocate((size_t)(M->nS * M->nA), sizeof *z, "logits");
    for (int i = 0; i < M->nS * M->nA; i++) z[i] = gsl_ran_gaussian(rng, 1);
    gsl_rng_free(rng);
    return z;
}

/* ---- the oracle ---- */

struct oracle { int n, nA; real *pi, *V, *rho, *Q, J; bool *absorbing; };

/* A x = b by elimination with row pivots; A, b overwritten by the factors and x */
static void o_solve(int n, real *A, real *b)
{
    for (int c = 0; c < n; c++) {
        int pivot = c;
        for (int i = c + 1; i < n; i++) if (fabsl(A[i * n + c]) > fabsl(A[pivot * n + c])) pivot = i;
        for (int j = 0; j < n && pivot != c; j++) {
            real swap = A[c * n + j];
            A[c * n + j] = A[pivot * n + j];
            A[pivot * n + j] = swap;
        }
        real swap = b[c];
        b[c] = b[pivot];
        b[pivot] = swap;
        for (int i = c + 1; i < n; i++) {
            real l = A[i * n + c] / A[c * n + c];
            for (int j = c; j < n && l != 0; j++) A[i * n + j] -= l * A[c * n + j];
            b[i] -= l * b[c];
        }
    }
    for (int i = n - 1; i >= 0; i--) {
        for (int j = i + 1; j < n; j++) b[i] -= A[i * n + j] * b[j];
        b[i] /= A[i * n + i];
    }
}

static bool o_absorbing(const mdp *M, int s)
{
    for (int i = s * M->nA; i < (s + 1) * M->nA; i++)
        if (M->row[i + 1] != M->row[i] + 1 || M->next[M->row[i]] != s || M->R[M->row[i]] != 0) return false;
    return true;
}

static struct oracle oracle_new(const mdp *M, double gamma, const double *z)
{
    int n = M->nS, nA = M->nA;
    struct oracle o = { .n = n, .nA = nA };
    o.pi = allocate((size_t)(2 * n * nA + 2 * n), sizeof(real), "oracle");
    o.Q = o.pi + n * nA;
    o.V = o.Q + n * nA;
    o.rho = o.V + n;
    o.absorbing = allocate((size_t)n, sizeof(bool), "oracle");
    for (int s = 0; s < n; s++) o.absorbing[s] = o_absorbing(M, s);
    for (int i = 0; i < n * nA; i++) {
        real sum = 0;
        for (int b = 0; b < nA; b++) sum += expl((real)z[i / nA * nA + b] - z[i]);
        o.pi[i] = 1 / sum;
    }
    for (int transposed = 0; transposed < 2; transposed++) {
        real *A = allocate((size_t)n * (size_t)n, sizeof *A, "oracle"), *x = transposed ? o.rho : o.V;
        for (int s = 0; s < n; s++) {
            A[s * n + s] += 1;
            x[s] = transposed ? o.absorbing[s] ? 0 : M->mu0[s] : 0;
            for (int i = s * nA; i < (s + 1) * nA && !o.absorbing[s]; i++)
                for (int k = M->row[i]; k < M->row[i + 1]; k++) {
                    int j = M->next[k];
                    if (!transposed) x[s] += o.pi[i] * M->P[k] * M->R[k];
                    if (o.absorbing[j]) continue;
                    A[transposed ? j * n + s : s * n + j] -= (real)gamma * o.pi[i] * M->P[k];
                }
        }
        o_solve(n, A, x);
        free(A);
    }
    for (int i = 0; i < n * nA; i++)
        for (int k = M->row[i]; k < M->row[i + 1] && !o.absorbing[i / nA]; k++)
            o.Q[i] += M->P[k] * (M->R[k] + (real)gamma * o.V[M->next[k]]);
    for (int s = 0; s < n; s++) o.J += M->mu0[s] * o.V[s];
    return o;
}

static void oracle_free(struct oracle *o)
{
    free(o->pi);
    free(o->absorbing);
}

static void within(const char *what, const exact *x, int i, double got, real want, double unit)
{
    double units = (double)fabsl(got - want) / unit;
    if (!(units <= 10))
        fail_msg("%s, %s, n = %d, gamma = %.17g, %s, entry %d: got %.17g, expected %.17Lg: %.3g units", what,
                 x->M->name, x->nS, x->gamma, x->P_pi ? "dense" : "sparse", i, got, want, units);
}

static void compare(const exact *x, const struct oracle *o)
{
    double *g = allocate((size_t)x->nSA, sizeof *g, "gradient");
    gradient_theorem(x, g);
    within("J", x, 0, x->J, o->J, x->unit_V);
    for (int s = 0; s < o->n; s++) {
        within("V", x, s, x->V[s], o->V[s], x->unit_V);
        within("rho", x, s, exact_rho(x, s), o->rho[s], x->unit_rho);
        for (int i = s * o->nA; i < (s + 1) * o->nA; i++) {
            within("Q", x, i, x->Q[i], o->Q[i], x->unit_V);
            within("A", x, i, x->A[i], o->Q[i] - o->V[s], 2 * x->unit_V);
            within("gradient", x, i, g[i], o->rho[s] * o->pi[i] * (o->Q[i] - o->V[s]), x->unit_gradient);
        }
    }
    free(g);
}

static exact *solve(const mdp *M, double gamma, const double *z, bool dense)
{
    char error[256];
    policy_class *p = policy_tabular(M);
    exact *x = dense ? exact_new(M, gamma, z, error, sizeof error)
                     : exact_new_sparse(M, gamma, p, z, error, sizeof error);
    policy_free(p);
    if (!x) fail_msg("%s", error);
    assert_int_equal(x->P_pi != NULL, dense);
    return x;
}

/* Every family, size and discount, dense and sparse */
static void families(void **state)
{
    (void)state;
    static const int size[] = { 2, 3, 5, 10, 50, 200, 1000 };
    static const double gamma[] = { 0, 0.5, 0.9, 0.99, 0.999999, 1 - 1e-12, 1 };
    for (int f = 0; f < FAMILIES; f++)
        for (int i = 0; i < 7; i++)
            for (int g = 0; g < 7; g++) {
                bool ends = f == EPISODIC || f == WALK;
                if (gamma[g] == 1 && !ends) continue;
                if (size[i] == 1000 && (f != DECOUPLED || g != 3) && (f != EPISODIC || g != 6)) continue;
                mdp *M = family_mdp(f, size[i], gamma[g], (uint32_t)(10 * f + i));
                double *z = random_logits(M, (uint32_t)i);
                struct oracle o = oracle_new(M, gamma[g], z);
                for (int dense = 0; dense < 2; dense++) {
                    exact *x = solve(M, gamma[g], z, dense);
                    compare(x, &o);
                    exact_free(x);
                }
                oracle_free(&o);
                free(z);
                mdp_free(M);
            }
}

/* One state that pays r for ever: V = r / (1 - gamma), rho = k = 1 / (1 - gamma) */
static void one_state(void **state)
{
    (void)state;
    static const double gamma[] = { 0, 0.5, 0.999999, 1 - 1e-12 }, r[] = { 1, 1e-300, 1e290 };
    for (int i = 0; i < 12; i++) {
        double G = gamma[i / 3], z[1] = { 3 };
        mdp_builder *b = mdp_begin("one", 1, 1, G);
        mdp_start(b, 0, 1);
        mdp_transition(b, 0, 0, 0, 1, r[i % 3]);
        mdp *M = mdp_finish(b);
        for (int dense = 0; dense < 2; dense++) {
            exact *x = solve(M, G, z, dense);
            double V = r[i % 3] / (1 - G);
            within("V", x, 0, x->V[0], r[i % 3] / (1 - (real)G), 4 * DBL_EPSILON / (1 - G) * V);
            within("rho", x, 0, x->rho[0], 1 / (1 - (real)G), x->unit_rho);
            within("k", x, 0, x->k, 1 / (1 - (real)G), x->unit_rho);
            assert_true(x->A[0] == 0 || fabs(x->A[0]) <= 10 * DBL_EPSILON * x->V[0]);
            exact_free(x);
        }
        mdp_free(M);
    }
}

/* V alone is V */
static void values_alone(void **state)
{
    (void)state;
    for (int f = 0; f < FAMILIES; f++)
        for (int c = 0; c < 3; c++) {
            static const double gamma[] = { 0.9, 1 - 1e-12, 1 };
            if (c == 2 && f != EPISODIC && f != WALK) continue;
            char error[256];
            mdp *M = family_mdp(f, 40, gamma[c], 3);
            double *z = random_logits(M, 4), V[40];
            exact *x = solve(M, gamma[c], z, true);
            assert_true(exact_V(M, gamma[c], z, V, error, sizeof error));
            for (int s = 0; s < 40; s++) within("V alone", x, s, V[s], x->V[s], x->unit_V);
            within("J alone", x, 0, exact_J(M, gamma[c], z), x->J, x->unit_V);
            exact_free(x);
            free(z);
            mdp_free(M);
        }
}

/* ---- large problems ---- */

/* States 0 .. n-2 step on with probability p_a, else stay, pay 1 a step; n - 1 is absorbing. With p the
 * policy's probability and x = gamma p / (1 - gamma (1 - p)): V(s) = (1 - x^m) / (1 - gamma), m = n - 1 -
 * s, or m / p at gamma = 1; rho(s) = x^s / (1 - gamma (1 - p)) from state 0. Numbered at random, to hide
 * the order. */
static void chains(void **state)
{
    (void)state;
    static const int sizes[] = { 500, 5000, 100000 };
    static const double gammas[] = { 0.9, 0.9999, 1 };
    for (int c = 0; c < 9; c++) {
        int n = sizes[c / 3], *name = allocate((size_t)n, sizeof *name, "names");
        double G = gammas[c % 3], p[] = { 0.25, 0.75 };
        gsl_rng *rng = random_stream(33, (uint32_t)c, RANDOM_TEST);
        for (int s = 0; s < n; s++) name[s] = s;
        gsl_ran_shuffle(rng, name, (size_t)n, sizeof *name);
        gsl_rng_free(rng);
        mdp_builder *b = mdp_begin("chain", n, 2, G);
        mdp_start(b, name[0], 1);
        for (int i = 0; i < 2 * n; i++) {
            int s = name[i / 2], last = i / 2 == n - 1;
            mdp_transition(b, s, i % 2, last ? s : name[i / 2 + 1], last ? 1 : p[i % 2], !last);
            if (!last) mdp_transition(b, s, i % 2, s, 1 - p[i % 2], 1);
        }
        mdp *M = mdp_finish(b);
        double *z = allocate((size_t)(4 * n), sizeof *z, "logits and gradient"), *g = z + 2 * n;
        for (int i = 0; i < 2 * n; i++) z[i] = i % 2 ? 0 : 1;
        real pi0 = expl(1) / (1 + expl(1)), step = pi0 * p[0] + (1 - pi0) * p[1];
        real stay = 1 - G * (1 - step), x0 = G * step / stay;
        exact *x = solve(M, G, z, n <= EXACT_MAX_DENSE);
        gradient_theorem(x, g);
        for (int i = 0; i < n - 1; i++) {
            int s = name[i], m = n - 1 - i;
            real V = G < 1 ? (1 - powl(x0, m)) / (1 - (real)G) : m / step, rho = powl(x0, i) / stay;
            real V1 = G < 1 ? (1 - powl(x0, m - 1)) / (1 - (real)G) : (m - 1) / step;
            real Q0 = 1 + G * (p[0] * V1 + (1 - p[0]) * V);
            within("V", x, s, x->V[s], V, x->unit_V);
            within("rho", x, s, x->rho[s], rho, x->unit_rho);
            within("Q", x, s, x->Q[2 * s], Q0, x->unit_V);
            within("A", x, s, x->A[2 * s], Q0 - V, 2 * x->unit_V);
            within("gradient", x, s, g[2 * s], rho * pi0 * (Q0 - V), x->unit_gradient);
        }
        within("k", x, 0, x->k, x->V[name[0]], x->unit_V);
        exact_free(x);
        free(z);
        free(name);
        mdp_free(M);
    }
}

/* Gauss-Seidel in long double until nothing moves */
static void large_garnets(void **state)
{
    (void)state;
    for (int c = 0; c < 2; c++) {
        int n = c ? 5000 : 60000;
        double G = c ? 0.99 : 0.9;
        mdp *M = family_mdp(GARNET, n, G, 50);
        double *z = random_logits(M, 51);
        exact *x = solve(M, G, z, false);
        real *V = allocate((size_t)n, sizeof *V, "oracle"), moved = 1;
        while (moved > 1e-16L) {
            moved = 0;
            for (int s = 0; s < n; s++) {
                real sum = 0, total = 0, before = V[s];
                for (int i = 2 * s; i < 2 * s + 2; i++) {
                    real Q = 0, w = expl((real)z[i] - z[2 * s]);
                    for (int k = M->row[i]; k < M->row[i + 1]; k++)
                        Q += M->P[k] * (M->R[k] + (real)G * V[M->next[k]]);
                    sum += w * Q;
                    total += w;
                }
                V[s] = sum / total;
                moved = fmaxl(moved, fabsl(V[s] - before));
            }
        }
        for (int s = 0; s < n; s++) within("V", x, s, x->V[s], V[s], x->unit_V);
        real J = 0;
        for (int s = 0; s < n; s++) J += exact_rho(x, s) * (real)x->r_pi[s];
        within("rho^T r", x, 0, (double)J, x->J, x->unit_V);
        within("k", x, 0, x->k, 1 / (1 - (real)G), x->unit_rho);
        free(V);
        free(z);
        exact_free(x);
        mdp_free(M);
    }
}

/* What has no finite answer ends with exit 4, never with a number: rows that sum to 1 + 8e-10, no discount */
static void diverges(bool dense)
{
    double z[4] = { 0 };
    mdp_builder *b = mdp_begin("sup", 4, 1, 1 - 1e-10);
    mdp_start(b, 0, 1);
    for (int s = 0; s < 4; s++)
        for (int s1 = 0; s1 < 4; s1++) mdp_transition(b, s, 0, s1, 0.25 + 2e-10, 1);
    solve(mdp_finish(b), 1 - 1e-10, z, dense);
}

static void no_answer(void **state)
{
    (void)state;
    for (int dense = 0; dense < 2; dense++) {
        fflush(NULL);
        pid_t child = fork();
        assert_true(child >= 0);
        if (child == 0) {
            if (!freopen("/dev/null", "w", stderr)) _exit(98);
            diverges(dense);
            _exit(99);
        }
        int status;
        assert_true(waitpid(child, &status, 0) == child);
        assert_int_equal(WIFEXITED(status) ? WEXITSTATUS(status) : -1, 4);
    }
}

/* ---- changes whose effect is known ---- */

/* M with other rewards R' = change(M, k, s) and states renamed by `name` (NULL: not) */
static mdp *changed(const mdp *M, double (*change)(const mdp *M, int k, int s), const int *name)
{
    mdp_builder *b = mdp_begin(M->name, M->nS, M->nA, M->gamma);
    for (int s = 0; s < M->nS; s++) mdp_start(b, name ? name[s] : s, M->mu0[s]);
    for (int i = 0; i < M->nS * M->nA; i++)
        for (int k = M->row[i]; k < M->row[i + 1]; k++) {
            int s = i / M->nA, s1 = M->next[k];
            mdp_transition(b, name ? name[s] : s, i % M->nA, name ? name[s1] : s1, M->P[k], change(M, k, s));
        }
    return mdp_finish(b);
}

static double same(const mdp *M, int k, int s)      { (void)s; return M->R[k]; }
static double large(const mdp *M, int k, int s)     { (void)s; return M->R[k] * 0x1p40; }
static double huge(const mdp *M, int k, int s)      { (void)s; return M->R[k] * 0x1p900; }
static double tiny(const mdp *M, int k, int s)      { (void)s; return M->R[k] * 0x1p-900; }
static double affine(const mdp *M, int k, int s)    { return mdp_absorbing(M, s) ? 0 : 3 * M->R[k] + 0.7; }
static double one(const mdp *M, int k, int s)       { (void)k; return !mdp_absorbing(M, s); }

static double potential(const mdp *M, int s)        { return mdp_absorbing(M, s) ? 0 : sin(s + 1); }
static double shaped(const mdp *M, int k, int s)
{
    return mdp_absorbing(M, s) ? 0 : M->R[k] + M->gamma * potential(M, M->next[k]) - potential(M, s);
}

struct pair { mdp *M, *M1; double *z; exact *x, *x1; };

static struct pair pair(int c, double (*change)(const mdp *M, int k, int s))
{
    static const double gamma[] = { 0.9, 0.999, 1 };
    enum family f = (enum family)(c % FAMILIES);
    bool ends = f == EPISODIC || f == WALK, dense = c / FAMILIES % 2;
    struct pair p = { .M = family_mdp(f, 30, gamma[c / FAMILIES / 2 % (ends ? 3 : 2)], (uint32_t)c) };
    p.z = random_logits(p.M, (uint32_t)c);
    p.M1 = changed(p.M, change, NULL);
    p.x = solve(p.M, p.M->gamma, p.z, dense);
    p.x1 = solve(p.M1, p.M->gamma, p.z, dense);
    return p;
}

static void pair_free(struct pair *p)
{
    exact_free(p->x);
    exact_free(p->x1);
    mdp_free(p->M);
    mdp_free(p->M1);
    free(p->z);
}

enum { PAIRS = FAMILIES * 6 };

static void bits_equal(int n, const double *x, double factor, const double *x1)
{
    for (int i = 0; i < n; i++) assert_true(x[i] * factor == x1[i]);
}

/* A power of 2 goes through everything without rounding */
static void scaled_rewards(void **state)
{
    (void)state;
    static double (*const change[])(const mdp *M, int k, int s) = { large, huge, tiny };
    static const double factor[] = { 0x1p40, 0x1p900, 0x1p-900 };
    for (int c = 0; c < 3 * PAIRS; c++) {
        struct pair p = pair(c / 3, change[c % 3]);
        double g[60], g1[60], F = factor[c % 3];
        gradient_theorem(p.x, g);
        gradient_theorem(p.x1, g1);
        bits_equal(30, p.x->V, F, p.x1->V);
        bits_equal(60, p.x->Q, F, p.x1->Q);
        bits_equal(60, p.x->A, F, p.x1->A);
        bits_equal(60, g, F, g1);
        bits_equal(1, &p.x->J, F, &p.x1->J);
        pair_free(&p);
    }
}

/* r <- a r + b in the decision states: V <- a V + b T, T the value of being paid 1, 1/(1-gamma) where
 * nothing ends */
static void affine_rewards(void **state)
{
    (void)state;
    for (int c = 0; c < PAIRS; c++) {
        struct pair p = pair(c, affine);
        mdp *M = changed(p.M, one, NULL);
        exact *x = solve(M, M->gamma, p.z, p.x->P_pi != NULL);
        for (int i = 0; i < 60; i++) {
            real T = mdp_absorbing(p.M, 29) ? x->V[i / 2] : 1 / (1 - (real)M->gamma);
            double room = p.x1->unit_V + 3 * p.x->unit_V + x->unit_V, A = mdp_absorbing(p.M, 29) ? x->A[i] : 0;
            within("a V + b T", p.x1, i, p.x1->V[i / 2], 3 * p.x->V[i / 2] + 0.7L * T, room);
            within("a A + b A_T", p.x1, i, p.x1->A[i], 3 * p.x->A[i] + 0.7L * A, 2 * room);
        }
        exact_free(x);
        mdp_free(M);
        pair_free(&p);
    }
}

/* r <- r + gamma phi(s') - phi(s), phi = 0 where it ends: V <- V - phi, and A stays */
static void shaped_rewards(void **state)
{
    (void)state;
    for (int c = 0; c < PAIRS; c++) {
        struct pair p = pair(c, shaped);
        for (int i = 0; i < 60; i++) {
            double room = p.x1->unit_V + p.x->unit_V;
            within("V - phi", p.x1, i, p.x1->V[i / 2], p.x->V[i / 2] - potential(p.M, i / 2), room);
            within("A", p.x1, i, p.x1->A[i], p.x->A[i], 2 * room);
        }
        pair_free(&p);
    }
}

static void renamed_states(void **state)
{
    (void)state;
    for (int c = 0; c < PAIRS; c++) {
        struct pair p = pair(c, same);
        int name[30];
        double z[60], g[60], g1[60];
        for (int s = 0; s < 30; s++) name[s] = 7 * s % 30;
        for (int i = 0; i < 60; i++) z[2 * name[i / 2] + i % 2] = p.z[i];
        mdp *M = changed(p.M, same, name);
        exact *x = solve(M, M->gamma, z, p.x->P_pi != NULL);
        gradient_theorem(p.x, g);
        gradient_theorem(x, g1);
        for (int i = 0; i < 60; i++) {
            int s = i / 2, j = 2 * name[s] + i % 2;
            within("V renamed", x, i, x->V[name[s]], p.x->V[s], x->unit_V);
            within("rho renamed", x, i, exact_rho(x, name[s]), exact_rho(p.x, s), x->unit_rho);
            within("Q renamed", x, i, x->Q[j], p.x->Q[i], x->unit_V);
            within("gradient renamed", x, i, g1[j], g[i], x->unit_gradient);
        }
        exact_free(x);
        mdp_free(M);
        pair_free(&p);
    }
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(families), cmocka_unit_test(one_state), cmocka_unit_test(values_alone),
        cmocka_unit_test(chains), cmocka_unit_test(large_garnets), cmocka_unit_test(no_answer),
        cmocka_unit_test(scaled_rewards), cmocka_unit_test(affine_rewards), cmocka_unit_test(shaped_rewards),
        cmocka_unit_test(renamed_states) };
    if (argc > 1) cmocka_set_test_filter(argv[1]);
    linalg_start();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
