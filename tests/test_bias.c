/* Bias and variance: the table of all estimators, the compatible critic, the two gradients of the squared TD
 * error, and n-step returns by recursion. Against definitions written out here,
 * the errata's numbers, and each other. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <gsl/gsl_randist.h>

#include "algorithms/compatible.h"
#include "algorithms/nstep.h"
#include "autodiff/linalg.h"
#include "autodiff/random.h"
#include "derivations/agent.h"
#include "derivations/baseline.h"
#include "derivations/derivation.h"
#include "derivations/estimate_table.h"
#include "derivations/fisher.h"
#include "derivations/likelihood_ratio.h"
#include "derivations/nstep_return.h"
#include "derivations/policy_gradient_theorem.h"
#include "derivations/residual_gradient.h"
#include "derivations/small_problem.h"

enum { NS = 5, NA = 3 };

static void near(double x, double want, double bound, int line)
{
    if (!(fabs(x - want) <= bound)) fail_msg("line %d: %.17g, expected %.17g within %.2g", line, x, want, bound);
}
#define assert_near(x, want, bound) near(x, want, bound, __LINE__)

struct example { mdp *M; policy_class *policy; exact *x; double theta[64]; };

/* d = 0: tabular, theta(s,a) = cos(s + 2a); else d random features */
static struct example example_of(const char *name, double gamma, int d)
{
    char error[256];
    struct example e = { .M = mdp_builtin(name) };
    e.policy = d ? policy_linear_random(e.M, d, 5) : policy_tabular(e.M);
    for (int i = 0; i < e.policy->n; i++) e.theta[i] = cos(i / e.M->nA + 2 * (i % e.M->nA));
    e.x = exact_new_policy(e.M, gamma, e.policy, e.theta, error, sizeof error);
    assert_non_null(e.x);
    return e;
}

static void example_free(struct example *e)
{
    exact_free(e->x);
    policy_free(e->policy);
    mdp_free(e->M);
}

/* ---- ERR-15 ---- */

/* X9: E5, d stationary, to the digits printed */
static void the_erratum(void **state)
{
    (void)state;
    static const double V_pi[NS] = { .5563, .1680, -.5968, -.0359, -.0655 };
    static const double V_residual[NS] = { .4409, .1667, -.3471, -.0592, -.1653 };
    struct example e = example_of("E5", 0.9, 0);
    double d[NS], V[NS], furthest = 0;
    assert_true(fisher_stationary_weights(e.x, d));
    assert_true(residual_gradient_fixed_point(e.x, d, SEMI_GRADIENT, V));
    for (int s = 0; s < NS; s++) {
        assert_near(V[s], V_pi[s], 0.6e-4);
        assert_near(V[s], e.x->V[s], 1e-13);
    }
    assert_true(residual_gradient_fixed_point(e.x, d, RESIDUAL_GRADIENT, V));
    for (int s = 0; s < NS; s++) {
        assert_near(V[s], V_residual[s], 0.6e-4);
        furthest = fmax(furthest, fabs(V[s] - e.x->V[s]));
    }
    assert_near(furthest, 0.2497, 0.6e-4);
    example_free(&e);
}

/* J = - (1/2) E_d[delta^2] on a tape, the target detached or not: its gradient is the mean update of that name */
static void by_autodiff(const exact *x, const double *d, const double *V, bool detached, double *g)
{
    const mdp *M = x->M;
    ad_tape *t = ad_tape_new();
    ad v = ad_input(t, V, x->nS, 1), J = ad_constant(t, 0, 1, 1);
    for (int i = 0; i < x->nSA; i++)
        for (int k = M->row[i]; k < M->row[i + 1] && !x->absorbing[i / x->nA]; k++) {
            double from[16] = { 0 }, to[16] = { 0 };
            from[i / x->nA] = 1;
            if (!x->absorbing[M->next[k]]) to[M->next[k]] = x->gamma;
            ad target = ad_add(ad_constant(t, M->R[k], 1, 1), ad_dot(ad_copy(t, to, x->nS, 1), v));
            ad off = ad_sub(detached ? ad_detach(target) : target, ad_dot(ad_copy(t, from, x->nS, 1), v));
            J = ad_sub(J, ad_scale(0.5 * d[i / x->nA] * x->pi[i] * M->P[k], ad_square(off)));
        }
    memcpy(g, ad_value(ad_grad(J, v)), (size_t)x->nS * sizeof *g);
    ad_tape_free(t);
}

static void two_gradients(void **state)
{
    (void)state;
    static const char *const names[] = { "E5", "E5x", "X3", "chain:4", "garnet:8,2,3,4" };
    gsl_rng *rng = random_stream(41, 0, RANDOM_TEST);
    for (int i = 0; i < 10; i++) {
        struct example e = example_of(names[i / 2], 0.9, 0);
        const exact *x = e.x;
        double V[16], fixed[2][16], g[16], want[16];
        for (int s = 0; s < x->nS; s++) V[s] = gsl_ran_gaussian(rng, 1);
        residual_gradient_mean(x, x->d, V, i % 2 ? SEMI_GRADIENT : RESIDUAL_GRADIENT, g);
        by_autodiff(x, x->d, V, i % 2, want);
        for (int s = 0; s < x->nS; s++) assert_near(g[s], want[s], 1e-14);
        for (int kind = 0; kind < 2; kind++) {
            enum td_gradient which = kind ? RESIDUAL_GRADIENT : SEMI_GRADIENT;
            assert_true(residual_gradient_fixed_point(x, x->d, which, fixed[kind]));
            residual_gradient_mean(x, x->d, fixed[kind], which, g);
            assert_near(linalg_max_abs(x->nS, g), 0, 1e-14);
        }
        for (int s = 0; s < x->nS; s++)
            if (x->d[s] > 0) assert_near(fixed[0][s], x->V[s], 1e-11);
        assert_true(residual_gradient_loss(x, x->d, fixed[1]) < 0.99 * residual_gradient_loss(x, x->d, x->V));
        example_free(&e);
    }
    gsl_rng_free(rng);
}

/* Where nothing is random both have one fixed point: a ring of three states and one action */
static void nothing_random(void **state)
{
    (void)state;
    char error[256];
    const double z[3] = { 0 };
    double V[3];
    mdp_builder *b = mdp_begin("ring", 3, 1, 0.5);
    mdp_start(b, 0, 1);
    for (int s = 0; s < 3; s++) mdp_transition(b, s, 0, (s + 1) % 3, 1, s);
    mdp *M = mdp_finish(b);
    exact *x = exact_new(M, 0.5, z, error, sizeof error);
    assert_true(residual_gradient_fixed_point(x, x->d, RESIDUAL_GRADIENT, V));
    for (int s = 0; s < 3; s++) assert_near(V[s], x->V[s], 1e-14);
    assert_near(residual_gradient_loss(x, x->d, V), 0, 1e-28);
    exact_free(x);
    mdp_free(M);
}

/* ---- QAC-3 ---- */

static void compatible_critic(void **state)
{
    (void)state;
    for (int d = 0; d <= 2; d += 2) {
        struct example e = example_of("E5", 0.9, d);
        int n = e.policy->n;
        double phi[225], weight[15], w[15], Q_w[15], rho[NS], g[15], want[15], F[225], left[15];
        likelihood_ratio_scores(e.x, phi);
        for (int i = 0; i < 15; i++) weight[i] = e.x->d[i / NA] * e.x->pi[i];
        compatible_fit(15, n, phi, weight, e.x->A, w);
        compatible_Q(15, n, phi, w, Q_w);
        for (int s = 0; s < NS; s++) rho[s] = e.x->rho[s];
        gradient_sum(e.x, rho, Q_w, g);
        gradient_theorem(e.x, want);
        for (int i = 0; i < n; i++) assert_near(g[i], want[i], 1e-12 * linalg_max_abs(n, want));
        fisher_kl(e.x, F);                              /* another account of F: F w = (1-gamma) grad J */
        linalg_matvec(n, n, F, w, left);
        for (int i = 0; i < n; i++) assert_near(left[i], 0.1 * want[i], 1e-12);
        double off = 0;
        for (int s = 0; s < NS; s++) {
            double mean = 0;
            for (int a = 0; a < NA; a++) {
                mean += e.x->pi[s * NA + a] * Q_w[s * NA + a];
                off = fmax(off, fabs(Q_w[s * NA + a] - e.x->A[s * NA + a]));
            }
            assert_near(mean, 0, 1e-14);
        }
        assert_true(d ? off > 0.5 : off < 1e-13);       /* a table has room for A, two features have not */
        example_free(&e);
    }
}

/* Features by reverse mode are the scores; a fit to fewer steps than parameters goes through them and is the
 * shortest: it lies in their span */
static void features(void **state)
{
    (void)state;
    struct example e = example_of("E5", 0.9, 0);
    agent *b = agent_new(e.policy, e.theta, 6);
    int n = b->pi.n, s[7] = { 0, 3, 1, 4, 2, 0, 1 }, a[6] = { 0, 2, 1, 1, 0, 2 };
    double r[6] = { 0 }, score[225], phi[6 * 18], d[6] = { 1, 2, 1, 0.5, 1, 3 }, A[6] = { 1, -2, 0.5, 3, -1, 2 };
    double w[18], Q[6], coefficient[6], gram[36], again[18];
    agent_sees(b, &(traj){ .T = 6, .s = s, .a = a, .r = r });
    compatible_features(b->t, &b->pi, b->theta, b->tau, phi);
    likelihood_ratio_scores(e.x, score);
    for (int t = 0; t < 6; t++)
        for (int i = 0; i < 15; i++) assert_near(phi[t * n + i], score[(s[t] * NA + a[t]) * 15 + i], 1e-15);
    compatible_fit(6, n, phi, d, A, w);
    compatible_Q(6, n, phi, w, Q);
    for (int t = 0; t < 6; t++) assert_near(Q[t], A[t], 1e-12);
    linalg_matmul(false, true, 6, 6, n, phi, phi, gram);            /* w = phi^T c with phi phi^T c = A */
    linalg_lu *f = linalg_lu_new(6);
    assert_int_equal(linalg_lu_factor(f, gram), LINALG_OK);
    linalg_lu_solve(f, false, 1, A, coefficient);
    linalg_matmul(true, false, n, 1, 6, phi, coefficient, again);
    for (int i = 0; i < n; i++) assert_near(w[i], again[i], 1e-12);
    linalg_lu_free(f);
    agent_free(b);
    example_free(&e);
}

/* Two numbers an action, N(0, 1) each at theta = 0: the scores are s_i a_j, a_j and, of log_sd, a_j^2 - 1. */
static void features_of_boxes(void **state)
{
    (void)state;
    enum { T = 3, D = 2, K = 2, n = D * K + 2 * K };
    const env e = { .action = { .dim = K }, .observation = { .dim = D } };
    const double s[T][D] = { { 1, -2 }, { 0.5, 3 }, { -1, 0.25 } },
        a[T][K] = { { 0.5, 2 }, { -1, 1.5 }, { 3, -0.5 } };
    double theta[n] = { 0 }, phi[T * n];
    policy p = policy_of(&e, 0, NULL, AD_TANH);
    rollout *b = rollout_shaped(D, K, false);
    ad_tape *t = ad_tape_new();
    assert_int_equal(p.n, n);
    for (int i = 0; i < T; i++) rollout_add(b, s[i], a[i], 0);
    compatible_features(t, &p, theta, b, phi);
    for (int i = 0; i < T; i++)
        for (int j = 0; j < K; j++) {
            for (int k = 0; k < D; k++) assert_near(phi[i * n + k * K + j], s[i][k] * a[i][j], 1e-15);
            assert_near(phi[i * n + D * K + j], a[i][j], 1e-15);
            assert_near(phi[i * n + D * K + K + j], a[i][j] * a[i][j] - 1, 1e-14);
        }
    ad_tape_free(t);
    rollout_free(b);
}

/* ---- BL-4 ---- */

/* The condition for V to lower the variance, against the variances: on random problems both ways round */
static void gain_of_V(void **state)
{
    (void)state;
    int lowers = 0, raises = 0;
    char error[256];
    gsl_rng *rng = random_stream(43, 0, RANDOM_TEST);
    for (int i = 0; i < 40; i++) {
        mdp *M = mdp_garnet("random", 4, 2 + i % 2, 2, 50 + (uint64_t)i);
        double z[12], none[4] = { 0 };
        for (int k = 0; k < 12; k++) z[k] = gsl_ran_gaussian(rng, 1 + i % 4);
        exact *x = exact_new(M, i % 3 ? 0.5 : 0.9, z, error, sizeof error);
        double gain = baseline_gain(x), without = baseline_trace(x, none), with_V = baseline_trace(x, x->V);
        assert_near(gain, without - with_V, 1e-13 * fmax(1, fmax(without, with_V)));
        lowers += gain > 1e-3;
        raises += gain < -1e-3;
        exact_free(x);
        mdp_free(M);
    }
    assert_true(lowers > 5 && raises > 5);
    gsl_rng_free(rng);
}

/* ---- n-step returns ---- */

struct looked { const exact *x; const double *v; int H; };

static void returns_from_start(void *context, const traj *tau, double *out)
{
    const struct looked *c = context;
    double v[8], G[8];
    for (int t = 0; t <= tau->T; t++) v[t] = c->x->absorbing[tau->s[t]] ? 0 : c->v[tau->s[t]];
    for (int n = 1; n <= c->H; n++) {
        out[n - 1] = 0;
        if (tau->T > 0) nstep_fixed(tau->T, n, tau->r, v, v[tau->T], c->x->gamma, G);
        if (tau->T > 0) out[n - 1] = G[0];
    }
}

static void moments_of_returns(void **state)
{
    (void)state;
    static const char *const names[] = { "X3", "E5x", "garnet:4,2,2,3", "chain:4" };
    enum { H = 4 };
    gsl_rng *rng = random_stream(42, 0, RANDOM_TEST);
    for (int i = 0; i < 4; i++) {
        struct example e = example_of(names[i], 0.9, 0);
        double v[16], mean[H], variance[H], want[H], want2[H], *mu0 = e.M->mu0;
        double start[16] = { 1 };
        for (int s = 0; s < e.x->nS; s++) v[s] = gsl_ran_gaussian(rng, 1);
        struct looked c = { e.x, v, H };
        e.M->mu0 = start;
        enumerate_moments(e.M, e.x->pi, H, returns_from_start, &c, H, want, want2);
        e.M->mu0 = mu0;
        nstep_return_moments(e.x, v, 0, H, mean, variance);
        for (int n = 0; n < H; n++) {
            assert_near(mean[n], want[n], 1e-13);
            assert_near(variance[n], want2[n], 1e-12);
        }
        nstep_return_moments(e.x, e.x->V, 0, H, mean, variance);        /* exact: no bias, a variance that grows */
        for (int n = 0; n < H; n++) {
            assert_near(mean[n], e.x->V[0], 1e-12);
            assert_true(n == 0 || variance[n] >= variance[n - 1] - 1e-13);
        }
        example_free(&e);
    }
    gsl_rng_free(rng);
}

/* TDA-9 is no law: a critic that is right in the mean after one step, and one that scatters more than rewards do */
static void more_steps(void **state)
{
    (void)state;
    char error[256];
    double v[2], mean[10], variance[10];
    own_problem p = own_problem_X3(1);
    exact *x = exact_new_policy(p.M, 0.9, p.states, p.f->theta, error, sizeof error);
    assert_non_null(x);
    v[0] = x->V[0] + 0.35, v[1] = x->V[1] - 0.65;               /* P_pi(s'|0) = (.65, .35) */
    nstep_return_moments(x, v, 0, 10, mean, variance);
    assert_near(mean[0], x->V[0], 1e-14);
    assert_true(fabs(mean[1] - x->V[0]) > 0.1);
    v[0] = x->V[0] + 3, v[1] = x->V[1] - 3;
    nstep_return_moments(x, v, 0, 10, mean, variance);
    for (int n = 1; n < 10; n++) assert_true(variance[n] < variance[n - 1]);
    exact_free(x);
    own_problem_free(&p);
}

/* ---- the table ---- */

static const estimate_row *row_of(const estimate_table *t, const char *name, int critic)
{
    char text[64];
    for (int i = 0; i < t->rows; i++) {
        estimate_row_name(&t->row[i], text);
        if (strcmp(text, name) == 0 && t->row[i].critic == critic) return &t->row[i];
    }
    fail_msg("no row %s", name);
    return NULL;
}

static void same(const estimate_table *t, const char *a, const char *b, int critic)
{
    const estimate_row *x = row_of(t, a, critic), *y = row_of(t, b, critic);
    for (int i = 0; i < t->f->policy->n; i++) {
        assert_near(x->mean[i], y->mean[i], 1e-14);
        assert_near(x->variance[i], y->variance[i], 1e-14);
    }
}

/* X3 over 3 steps: the errata's table X72; and what must be equal or unbiased whatever the numbers are */
static void table(void **state)
{
    (void)state;
    static const struct { const char *name; double trace; } known[] = {
        { "baseline", 0.42738 }, { "q-actor-critic", 1.10663 }, { "advantage-actor-critic", 0.18890 },
        { "td-actor-critic", 0.23733 } };
    own_problem p = own_problem_X3(3);
    value_table *other = value_table_X29(p.f);
    estimate_table *t = estimate_table_new(p.f, other, "X29");
    assert_int_equal(t->rows, estimate_table_runs(p.f, other));
    for (size_t i = 0; i < sizeof known / sizeof *known; i++)
        assert_near(pow(row_of(t, known[i].name, 0)->sd, 2), known[i].trace, 0.6e-5);
    assert_near(pow(row_of(t, "total-return", -1)->sd, 2), 3.76593, 0.6e-5);
    for (int critic = 0; critic < 2; critic++) {
        same(t, "td-actor-critic", "nstep n=1", critic);
        same(t, "td-actor-critic", "gae lambda=0", critic);
        same(t, "baseline", "nstep n=3", critic);
        same(t, "baseline", "gae lambda=1", critic);
        assert_near(row_of(t, "baseline", critic)->off, 0, 1e-14);
    }
    double trace = 0, off = 0;
    for (int i = 0; i < t->rows; i++) {
        const estimate_row *r = &t->row[i];
        if (r->critic < 1) assert_near(r->off, 0, 1e-14);
        trace = off = 0;
        for (int k = 0; k < 4; k++) {
            trace += r->variance[k];
            off += pow(r->mean[k] - t->exact[k], 2);
        }
        assert_near(r->sd * r->sd, trace, 1e-14);
        assert_near(r->off * r->off, off, 1e-14);
        assert_near(r->rms * r->rms, trace + off, 1e-14);
    }
    const estimate_row *Q = row_of(t, "q-actor-critic", 1), *A = row_of(t, "advantage-actor-critic", 1);
    assert_true(Q->off > 0.1 && row_of(t, "td-actor-critic", 1)->off > 0.01);
    /* QAC-2: V_w takes nothing from the bias of Q_w, and does from its variance here */
    assert_near(Q->off, A->off, 1e-14);
    assert_true(A->sd < Q->sd);
    estimate_table_free(t);
    value_table_free(other);
    own_problem_free(&p);
}

static int count(const char *text, const char *what)
{
    int n = 0;
    for (; (text = strstr(text, what)); text++) n++;
    return n;
}

/* Every row is named once, every name has a point, and no number is none */
static void picture(void **state)
{
    (void)state;
    own_problem p = own_problem_X3(3);
    value_table *other = value_table_X29(p.f);
    estimate_table *t = estimate_table_new(p.f, other, "<&>.csv");
    char *svg = estimate_table_svg(t);
    assert_int_equal(count(svg, "<circle"), count(svg, "class=\"tie\""));
    assert_int_equal(count(svg, "nan") + count(svg, "inf"), 0);
    assert_int_equal(count(svg, "critic &lt;&amp;&gt;.csv"), 1);
    assert_int_equal(count(svg, "nstep n=2") + count(svg, "nstep n=3"), 4);
    assert_int_equal(count(svg, "td-actor-critic, nstep n=1, gae lambda=0"), 2);
    assert_int_equal(count(svg, "total-return"), 1);
    free(svg);
    estimate_table_free(t);
    value_table_free(other);
    own_problem_free(&p);
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_erratum), cmocka_unit_test(two_gradients), cmocka_unit_test(nothing_random),
        cmocka_unit_test(compatible_critic),
        cmocka_unit_test(features), cmocka_unit_test(features_of_boxes), cmocka_unit_test(gain_of_V),
        cmocka_unit_test(moments_of_returns), cmocka_unit_test(more_steps), cmocka_unit_test(table),
        cmocka_unit_test(picture) };
    if (argc > 1) cmocka_set_test_filter(argv[1]);
    linalg_start();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
