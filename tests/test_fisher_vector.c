/* Fisher-vector products against two other accounts: the Fisher matrix by plain loops from scores summed over the
 * actions (discrete) or in closed form (Gaussian), and the mean KL differentiated twice. policy_kl against plain
 * loops.
 *     test_fisher_vector [pattern]       runs the tests whose names match */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <gsl/gsl_randist.h>

#include "algorithms/cg.h"
#include "algorithms/fisher_vector.h"
#include "autodiff/random.h"

enum { T = 7, D = 3, N_MAX = 200 };

/* observations of 3 numbers, hidden layers of 5 and 4; nA actions, or k numbers */
static policy make(int nA, int k)
{
    env e = { .observation = { .dim = D }, .action = { .n = nA, .dim = nA ? 1 : k } };
    return policy_of(&e, 2, (int[]){ 5, 4 }, AD_TANH);
}

static void any(gsl_rng *rng, int n, double sd, double *x)
{
    for (int i = 0; i < n; i++) x[i] = gsl_ran_gaussian(rng, sd);
}

/* J [m x n]: row j the gradient of the j-th parameter of pi(.|s), and z [m]: one reverse sweep each */
static int jacobian(const policy *p, const double *theta, const double *s, double *z, double *J)
{
    ad_tape *t = ad_tape_new();
    ad x = ad_input(t, theta, p->n, 1), y = policy_parameters(p, x, ad_input(t, s, 1, D));
    int m = ad_ncols(y);
    for (int j = 0; j < m; j++) {
        z[j] = ad_value(y)[j];
        memcpy(J + j * p->n, ad_value(ad_grad(ad_sum(ad_columns(y, j, 1)), x)), (size_t)p->n * sizeof *J);
    }
    ad_tape_free(t);
    return m;
}

/* Fv += w J^T M J v, in long double. Discrete: sum_a pi(a) score_a (score_a^T v), score_a = J_a - sum_b pi(b) J_b.
 * Gaussian: sum_j Jmean_j Jmean_j^T v / sd_j^2 + 2 Jlog_sd_j Jlog_sd_j^T v. */
static void add_by_hand(const policy *p, int m, const double *z, const double *J, const double *v, double w,
                        long double *Fv)
{
    int n = p->n;
    long double weight[8] = { 0 }, sum = 0, mean[N_MAX] = { 0 };
    for (int j = 0; j < m && p->nA; j++) sum += expl(z[j]);
    for (int j = 0; j < m; j++)
        weight[j] = p->nA ? expl(z[j]) / sum : j < m / 2 ? expl(-2 * (long double)z[j + m / 2]) : 2;
    for (int j = 0; j < m && p->nA; j++)
        for (int i = 0; i < n; i++) mean[i] += weight[j] * J[j * n + i];
    for (int j = 0; j < m; j++) {
        long double dot = 0;
        for (int i = 0; i < n; i++) dot += (J[j * n + i] - mean[i]) * v[i];
        for (int i = 0; i < n; i++) Fv[i] += w * weight[j] * (J[j * n + i] - mean[i]) * dot;
    }
}

static void by_kl(const policy *p, const double *theta, const double *s, const double *w, const double *v, double *Fv)
{
    ad_tape *t = ad_tape_new();
    ad x = ad_input(t, theta, p->n, 1), z = policy_parameters(p, x, ad_input(t, s, T, D));
    ad g = ad_grad(ad_dot(ad_input(t, w, T, 1), policy_kl(p, ad_detach(z), z)), x);
    memcpy(Fv, ad_value(ad_grad(ad_dot(g, ad_input(t, v, p->n, 1)), x)), (size_t)p->n * sizeof *Fv);
    ad_tape_free(t);
}

/* Weights NULL are 1/T each. */
static void compare(const policy *p, double damping, const double *weights)
{
    double theta[N_MAX], s[T * D], v[N_MAX], memory[N_MAX], Fv[N_MAX], twice[N_MAX], z[8], J[8 * N_MAX], w[T];
    for (int k = 0; k < T; k++) w[k] = weights ? weights[k] : 1.0 / T;
    assert_true(p->n <= N_MAX);
    gsl_rng *rng = random_stream(1, (uint32_t)p->nA, RANDOM_TEST);
    any(rng, p->n, 0.6, theta);
    any(rng, T * D, 1, s);
    ad_tape *t = ad_tape_new();
    fisher_vector F = fisher_vector_of(t, p, ad_input(t, theta, p->n, 1), ad_input(t, s, T, D), weights, damping,
                                       memory);
    for (int trial = 0; trial < 3; trial++) {                   /* the second and third are replays */
        long double want[N_MAX] = { 0 }, size = 0;
        any(rng, p->n, 1, v);
        for (int k = 0; k < T; k++) add_by_hand(p, jacobian(p, theta, s + k * D, z, J), z, J, v, w[k], want);
        by_kl(p, theta, s, w, v, twice);
        fisher_vector_times(&F, p->n, v, Fv);
        for (int i = 0; i < p->n; i++) size = fmaxl(size, fabsl(want[i]));
        /* some 2 (layers) x 5 sums of at most 7 terms, and their factors: 100 u of the largest entry */
        for (int i = 0; i < p->n; i++) {
            if (!(fabsl(Fv[i] - want[i] - damping * v[i]) <= 100 * 0x1p-52L * size))
                fail_msg("nA = %d, entry %d: %.17g, expected %.17Lg", p->nA, i, Fv[i], want[i] + damping * v[i]);
            if (!(fabsl(twice[i] - want[i]) <= 100 * 0x1p-52L * size))
                fail_msg("KL twice, nA = %d, entry %d: %.17g, expected %.17Lg", p->nA, i, twice[i], want[i]);
        }
    }
    assert_int_equal(F.products, 3);
    ad_tape_free(t);
    gsl_rng_free(rng);
}

static void products(void **state)
{
    (void)state;
    policy discrete = make(4, 0), box = make(0, 2);
    const double w[T] = { 0.5, 0, 0.1, 0.05, 0.25, 1, 0.02 };
    for (int k = 0; k < 4; k++) {
        compare(&discrete, k % 2 ? 0.25 : 0, k / 2 ? w : NULL);
        compare(&box, k % 2 ? 0.25 : 0, k / 2 ? w : NULL);
    }
}

/* (F + damping 1) x = g by conjugate gradients, whose products these are */
static void solves(void **state)
{
    (void)state;
    policy p = make(0, 2);
    double theta[N_MAX], s[T * D], g[N_MAX], memory[N_MAX], x[N_MAX], back[N_MAX];
    gsl_rng *rng = random_stream(2, 0, RANDOM_TEST);
    any(rng, p.n, 0.6, theta);
    any(rng, T * D, 1, s);
    any(rng, p.n, 1, g);
    ad_tape *t = ad_tape_new();
    fisher_vector F = fisher_vector_of(t, &p, ad_input(t, theta, p.n, 1), ad_input(t, s, T, D), NULL, 0.1, memory);
    cg_result r = cg(fisher_vector_times, &F, p.n, g, 1e-12, 20 * p.n, x);
    assert_int_equal(r.outcome, CG_CONVERGED);
    fisher_vector_times(&F, p.n, x, back);
    double off = 0, size = 0;
    for (int i = 0; i < p.n; i++) off += (back[i] - g[i]) * (back[i] - g[i]), size += g[i] * g[i];
    assert_true(sqrt(off / size) <= 2e-12);
    ad_tape_free(t);
    gsl_rng_free(rng);
}

/* KL(old||new) of two rows against sums by hand; 0 of a policy from itself */
static void kl(void **state)
{
    (void)state;
    const double old[4] = { 0.3, -1, 0.2, -0.5 }, new[4] = { 1, 0.5, -0.3, 0.25 };
    policy discrete = { .nA = 4, .k = 1 }, box = { .k = 2 };
    ad_tape *t = ad_tape_new();
    ad a = ad_input(t, old, 1, 4), b = ad_input(t, new, 1, 4);
    long double Z = 0, Z1 = 0, want = 0;
    for (int i = 0; i < 4; i++) Z += expl(old[i]), Z1 += expl(new[i]);
    for (int i = 0; i < 4; i++) want += expl(old[i]) / Z * (old[i] - logl(Z) - new[i] + logl(Z1));
    assert_true(fabsl(ad_scalar(policy_kl(&discrete, a, b)) - want) <= 16 * 0x1p-52L);
    want = 0;
    for (int j = 0; j < 2; j++) {
        long double s0 = expl(old[2 + j]), s1 = expl(new[2 + j]), m = (long double)old[j] - new[j];
        want += logl(s1 / s0) + (s0 * s0 + m * m) / (2 * s1 * s1) - 0.5L;
    }
    assert_true(fabsl(ad_scalar(policy_kl(&box, a, b)) - want) <= 16 * 0x1p-52L);
    assert_true(fabs(ad_scalar(policy_kl(&discrete, a, a))) <= 16 * 0x1p-52);
    assert_true(fabs(ad_scalar(policy_kl(&box, a, a))) <= 16 * 0x1p-52);
    ad_tape_free(t);
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = { cmocka_unit_test(products), cmocka_unit_test(solves), cmocka_unit_test(kl) };
    if (argc > 1) cmocka_set_test_filter(argv[1]);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
