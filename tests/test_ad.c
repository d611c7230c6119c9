/* Every operator of the tape against its naive loop (ad_operators.h, ad_reference.h): values, whole Jacobians in
 * reverse and forward mode, Hessians, at every size; an independent second reference for the analytic ones; the
 * products at every small shape; relations; and errors planted into every operator's derivative.
 *     test_ad [pattern [operator]]           runs the tests whose names match, on that operator only */
#include <complex.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <cmocka.h>

#include "autodiff/linalg.h"
#include "autodiff/random.h"
#include "tests/ad_operators.h"

#ifndef AD_HEADERS
#define AD_HEADERS "autodiff/ad.h", "autodiff/ad_node.h"
#endif

/* ---- what every test over the table does ---- */
struct tally { double worst; char name[20]; int compared, planted; };

static void check(struct tally *tally, const char *what, const struct problem *p, int n, const double *got,
                  const quad *ref, double N, double S)
{
    const op *o = &p->o;
    double error = units(n, got, ref, N, S);
    if (!(error <= LIMIT))
        fail_msg("%s of %s [%d x %d] [%d x %d] [%d x %d] k %d %d: %.3g units, limit %g", what, o->name, o->in[0].r,
                 o->in[0].c, o->in[1].r, o->in[1].c, o->in[2].r, o->in[2].c, o->k[0], o->k[1], error, LIMIT);
    int accepted = plants_accepted(n, got, ref, N, S, &tally->planted);
    if (accepted) fail_msg("%s of %s: %d planted errors pass", what, o->name, accepted);
    if (error >= tally->worst) {
        tally->worst = error;
        snprintf(tally->name, sizeof tally->name, "%s", o->name);
    }
    tally->compared++;
}

static void report(const char *what, const struct tally *t)
{
    print_message("  %-20s %6d compared, worst %.2f units (%s), limit %g; %d wrong numbers rejected\n", what,
                  t->compared, t->worst, t->name, LIMIT, t->planted);
    assert_true(t->compared > 0);
}

static const char *only;                    /* the operator asked for, or NULL */

/* Calls body for every row of the table and every size of at most `largest` operand entries, `rounds` times, large
 * ones once. */
static void over_table(const char *name, unsigned seed, int largest, int rounds,
                       void (*body)(struct tally *tally, gsl_rng *rng, const op *row, size s))
{
    gsl_rng *rng = random_stream(seed, 0, RANDOM_TEST);
    struct tally tally = { 0 };
    for (int i = 0; i < COUNT(table); i++)
        for (int k = 0; k < COUNT(sizes) && (!only || strcmp(only, table[i].name) == 0); k++) {
            const op o = at_size(&table[i], sizes[k]);
            int n = entries(o.in[0]) + entries(o.in[1]) + entries(o.in[2]);
            if (n > largest || n > MAX || entries(o.y) > MAX) continue;
            for (int round = 0; round < (n > 120 ? 1 : rounds); round++) body(&tally, rng, &table[i], sizes[k]);
        }
    report(name, &tally);
    gsl_rng_free(rng);
}

/* dL/dx or d<W, y>/dx, the leaves' one behind the other */
static void gradient_of(const struct recorded *r, ad L, double *out)
{
    ad g[3];
    ad_grads(L, r->leaves, r->x, g);
    assert_true(values(r, g, out));
}

/* ---- values ---- */
static void value(struct tally *tally, gsl_rng *rng, const op *row, size s)
{
    struct problem p;
    quad x[MAX], ref[MAX];
    draw(rng, row, s, false, &p);
    ad_tape *t = ad_tape_new();
    struct recorded r = record(t, &p);
    assert_true(ad_nrows(r.y) == p.o.y.r && ad_ncols(r.y) == p.o.y.c);
    for (int i = 0; i < p.n; i++) x[i] = p.x[i];
    naive_y(&p, x, ref);
    check(tally, "value", &p, p.m, ad_value(r.y), ref, p.N, p.S);
    ad_tape_free(t);
}

static void test_values(void **state) { (void)state; over_table("values", 11, MAX, 10, value); }

/* ---- Jacobians, every entry ---- */
/* Row by row on the tape: one gradient, replayed for every entry of y; column by column in the reference. */
static void jacobian(struct tally *tally, gsl_rng *rng, const op *row, size s)
{
    struct problem p;
    draw(rng, row, s, false, &p);
    double *J = calloc((size_t)(p.m * p.n), sizeof *J), before[MAX], W[MAX] = { 0 }, e[MAX] = { 0 };
    assert_non_null(J);
    memcpy(before, p.x, sizeof before);
    ad_tape *t = ad_tape_new();
    struct recorded r = record(t, &p);
    ad w = ad_input(t, W, p.o.y.r, p.o.y.c), g[3];
    ad_grads(ad_dot(r.y, w), r.leaves, r.x, g);
    ad_plan plan = ad_slice(1, &w, r.leaves, g);
    for (int i = 0; i < p.m; i++) {
        W[i] = 1;
        ad_run(&plan);
        W[i] = 0;
        assert_true(values(&r, g, J + i * p.n));
    }
    for (int j = 0; j < p.n; j++) {
        quad ref[MAX];
        double got[MAX];
        e[j] = 1;
        derivative(y_of(&p), p.x, e, NULL, ref);
        e[j] = 0;
        for (int i = 0; i < p.m; i++) got[i] = J[i * p.n + j];
        check(tally, "Jacobian", &p, p.m, got, ref, p.N, p.S);
    }
    assert_memory_equal(before, p.x, sizeof before);        /* the operands are as they were, to the bit */
    free(J);
    ad_tape_free(t);
}

static void test_jacobians(void **state) { (void)state; over_table("Jacobians, columns", 12, 60, 1, jacobian); }

/* J v in forward mode (ad_jvp), and <u, J v> = <J^T u, v>: both sides sum n or m products, each within p.N
 * units. */
static void directional(struct tally *tally, gsl_rng *rng, const op *row, size s)
{
    struct problem p;
    draw(rng, row, s, false, &p);
    ad_tape *t = ad_tape_new();
    struct recorded r = record(t, &p);
    ad v[3], Jv = ad_constant(t, 0, p.o.y.r, p.o.y.c);
    quad ref[MAX], right = 0, sum = 0;
    double Jt_W[MAX], left[1], size_of_terms = p.S;
    like_leaves(t, &r, p.v, v);
    for (int k = 0; k < r.leaves; k++) Jv = ad_add(Jv, ad_jvp(r.y, r.x[k], v[k]));
    derivative(y_of(&p), p.x, p.v, NULL, ref);
    check(tally, "J v", &p, p.m, ad_value(Jv), ref, p.N + p.n, p.S);
    gradient_of(&r, ad_dot(r.y, r.W), Jt_W);
    for (int i = 0; i < p.n; i++) right += (quad)Jt_W[i] * p.v[i];
    for (int i = 0; i < p.m; i++) {
        sum += ref[i] * p.W[i];
        size_of_terms = fmax(size_of_terms, fabs((double)ref[i]));
    }
    left[0] = (double)right;
    check(tally, "<J^T W, v>", &p, 1, left, &sum, p.N * (p.n + p.m), size_of_terms);
    left[0] = ad_scalar(ad_dot(Jv, r.W));
    check(tally, "<W, J v>", &p, 1, left, &right, p.N * (p.n + p.m), size_of_terms);
    ad_tape_free(t);
}

static void test_directions(void **state) { (void)state; over_table("directions", 13, MAX, 10, directional); }

/* ---- Hessians of L ---- */
static void hessian(struct tally *tally, gsl_rng *rng, const op *row, size s)
{
    struct problem p;
    quad ref[MAX];
    double got[MAX] = { 0 };
    draw(rng, row, s, false, &p);
    ad_tape *t = ad_tape_new();
    struct recorded r = record(t, &p);
    assert_true(hessian_times(t, &r, p.v, got));
    gradient(L_of(&p), p.x, p.v, ref);
    check(tally, "Hessian", &p, p.n, got, ref, p.n + p.m, p.S);
    ad_tape_free(t);
}

static void test_hessians(void **state) { (void)state; over_table("Hessian x v", 14, 24, 1, hessian); }

/* u^T H v where H is larger, and u^T H v = v^T H u */
static void bilinear(struct tally *tally, gsl_rng *rng, const op *row, size s)
{
    struct problem p;
    quad ref;
    double Hv[MAX], Hu[MAX], terms = 1;
    draw(rng, row, s, false, &p);
    ad_tape *t = ad_tape_new();
    struct recorded r = record(t, &p);
    assert_true(hessian_times(t, &r, p.v, Hv) && hessian_times(t, &r, p.u, Hu));
    derivative(L_of(&p), p.x, p.u, p.v, &ref);
    quad uHv = 0, vHu = 0;
    for (int i = 0; i < p.n; i++) {
        uHv += (quad)p.u[i] * Hv[i];
        vHu += (quad)p.v[i] * Hu[i];
        terms = fmax(terms, fmax(fabs(Hv[i]), fabs(Hu[i])));
    }
    const double got[2] = { (double)uHv, (double)vHu };
    const quad both[2] = { ref, ref };
    check(tally, "u^T H v", &p, 2, got, both, p.n * (p.n + p.m), fmax(p.S, terms));
    ad_tape_free(t);
}

static void test_bilinear(void **state) { (void)state; over_table("u^T H v", 15, MAX, 2, bilinear); }

/* ---- one node as both operands: its adjoint is the sum of both shares (of solve(a, a) = I nothing depends on
 * a: the shares cancel) ---- */
static void same_operand(struct tally *tally, gsl_rng *rng, const op *row, size s)
{
    struct problem p;
    quad x[MAX], ref[MAX];
    double got[MAX] = { 0 };
    const op o = at_size(row, s);
    if (!o.in[1].r || o.in[0].r != o.in[1].r || o.in[0].c != o.in[1].c) return;
    draw(rng, row, s, true, &p);
    ad_tape *t = ad_tape_new();
    struct recorded r = record(t, &p);
    for (int i = 0; i < p.n; i++) x[i] = p.x[i];
    naive_y(&p, x, ref);
    check(tally, "value", &p, p.m, ad_value(r.y), ref, p.N, p.S);
    gradient_of(&r, r.L, got);
    gradient(L_of(&p), p.x, NULL, ref);
    check(tally, "gradient", &p, p.n, got, ref, p.n + p.m, p.S);
    assert_true(hessian_times(t, &r, p.v, got));
    gradient(L_of(&p), p.x, p.v, ref);
    check(tally, "Hessian", &p, p.n, got, ref, p.n + p.m, p.S);
    ad_tape_free(t);
}

static void test_same_operand(void **state) { (void)state; over_table("one node twice", 16, 24, 1, same_operand); }

/* Every operator declared in the headers has a row here. */
static void test_table_complete(void **state)
{
    (void)state;
    static const char *const headers[] = { AD_HEADERS };
    static const char *const other[] = { "input", "copy", "constant", "eye", "reset_but", "detach", "freeze",
                                         "grad", "vjp", "jvp" };
    int found = 0;
    for (int h = 0; h < COUNT(headers); h++) {
        FILE *f = fopen(headers[h], "r");
        if (!f) fail_msg("%s: %s (run from the root of the project)", headers[h], strerror(errno));
        char line[300], name[64];
        while (fgets(line, sizeof line, f)) {
            if (sscanf(line, "ad ad_%63[a-z0-9_](", name) != 1 || name[strlen(name) - 1] != '_') continue;
            name[strlen(name) - 1] = 0;
            bool known = false;
            for (int i = 0; i < COUNT(other); i++) known = known || strcmp(name, other[i]) == 0;
            for (int i = 0; i < COUNT(table); i++) known = known || strcmp(name, table[i].name) == 0;
            if (!known) fail_msg("ad_%s is in %s, but not in the table of operators", name, headers[h]);
            found++;
        }
        fclose(f);
    }
    assert_true(found >= 50);                               /* the declarations are where they were */
}

/* ---- the reference and the comparison themselves ---- */
static void exp_of_product(const void *p, const quad *x, quad *y) { (void)p; *y = quad_exp(x[0] * x[1]); }

/* quad_exp, quad_log: e to 33 digits, inverses of each other; the differences on f = e^{xy}, whose
 * derivatives are known: they keep the accuracy claimed in ad_reference.h, with room for the constants. */
static void test_reference(void **state)
{
    (void)state;
    quad e = 0x1.5bf0a8b145769p+1 + (quad)0x1.4d57ee2b1013ap-53 + (quad)-0x1.618713a31d3e2p-109;
    assert_true((double)quad_abs(quad_exp(1) - e) <= 1e-32);
    for (int k = -40; k <= 40; k++) {
        quad x = (quad)k * 7 / 3;
        assert_true((double)quad_abs(quad_exp(x) * quad_exp(-x) - 1) <= 1e-30);
        assert_true(quad_exp(x) == quad_exp_series(x));
        if (k > 0) assert_true((double)quad_abs(quad_exp(quad_log(x)) / x - 1) <= 1e-31);
    }
    const double x[2] = { 0.7, -1.3 }, v[2] = { 0.4, 0.9 };
    quad g[2], Hv[2], p = quad_exp((quad)x[0] * x[1]), q = (quad)x[0] * x[1];
    function f = { exp_of_product, NULL, 2, 1 };
    gradient(f, x, NULL, g);
    gradient(f, x, v, Hv);
    assert_true((double)quad_abs(g[0] - x[1] * p) <= 1e-25);
    assert_true((double)quad_abs(g[1] - x[0] * p) <= 1e-25);
    assert_true((double)quad_abs(Hv[0] - p * ((quad)x[1] * x[1] * v[0] + (1 + q) * v[1])) <= 1e-20);
    assert_true((double)quad_abs(Hv[1] - p * ((quad)x[0] * x[0] * v[1] + (1 + q) * v[0])) <= 1e-20);
}

/* Right numbers pass and every planted error is rejected, on numbers of mixed size; a difference just above
 * the limit fails and one just below passes. */
static void test_checker(void **state)
{
    (void)state;
    const double right[6] = { 1, -2, 0.5, 4, 0, 1e-9 };
    quad ref[6];
    for (int i = 0; i < 6; i++) ref[i] = right[i];
    assert_true(units(6, right, ref, 12, 1) == 0);
    int planted = 0;
    assert_int_equal(plants_accepted(6, right, ref, 12, 1, &planted), 0);
    assert_int_equal(planted, 4 * 6 + 2);                   /* four entries are not tiny */
    for (int i = 0; i < 6; i++) {
        double unit = DBL_EPSILON * 12 * 4, near[6];        /* S = 4 */
        memcpy(near, right, sizeof near);
        near[i] = right[i] + 9.5 * unit;
        assert_true(units(6, near, ref, 12, 1) <= LIMIT);
        near[i] = right[i] + 10.5 * unit;
        assert_false(units(6, near, ref, 12, 1) <= LIMIT);
        near[i] = NAN;
        assert_false(units(6, near, ref, 12, 1) <= LIMIT);
        near[i] = INFINITY;
        assert_false(units(6, near, ref, 12, 1) <= LIMIT);
    }
}

/* ---- a second reference: the complex step, f'(x) = Im f(x + ih) / h + O(h^2) with h = 1e-100: no difference, so
 * no digits lost; and 1000 points for every partial derivative of every analytic operator ---- */
typedef double complex cplx;
static cplx step_add(const cplx *x, double k)      { (void)k; return x[0] + x[1]; }
static cplx step_sub(const cplx *x, double k)      { (void)k; return x[0] - x[1]; }
static cplx step_mul(const cplx *x, double k)      { (void)k; return x[0] * x[1]; }
static cplx step_div(const cplx *x, double k)      { (void)k; return x[0] / x[1]; }
static cplx step_scale(const cplx *x, double k)    { return k * x[0]; }
static cplx step_shift(const cplx *x, double k)    { return x[0] + k; }
static cplx step_square(const cplx *x, double k)   { (void)k; return x[0] * x[0]; }
static cplx step_pow(const cplx *x, double k)      { return cpow(x[0], k); }
static cplx step_exp(const cplx *x, double k)      { (void)k; return cexp(x[0]); }
static cplx step_log(const cplx *x, double k)      { (void)k; return clog(x[0]); }
static cplx step_sqrt(const cplx *x, double k)     { (void)k; return csqrt(x[0]); }
static cplx step_tanh(const cplx *x, double k)     { (void)k; return ctanh(x[0]); }
static cplx step_sigmoid(const cplx *x, double k)  { (void)k; return 1 / (1 + cexp(-x[0])); }
static cplx step_softplus(const cplx *x, double k) { (void)k; return clog(1 + cexp(x[0])); }
static cplx step_dtanh(const cplx *x, double k)    { (void)k; return x[0] * (1 - x[1] * x[1]); }
static cplx step_mul3(const cplx *x, double k)     { return k * x[0] * x[1] * x[2]; }

static const struct { const char *name; cplx (*f)(const cplx *x, double k); } analytic[] = {
    { "add", step_add }, { "sub", step_sub }, { "mul", step_mul }, { "div", step_div }, { "scale", step_scale },
    { "shift", step_shift }, { "square", step_square }, { "pow", step_pow }, { "exp", step_exp },
    { "log", step_log }, { "sqrt", step_sqrt }, { "tanh", step_tanh }, { "sigmoid", step_sigmoid },
    { "softplus", step_softplus }, { "dtanh", step_dtanh }, { "mul3", step_mul3 },
};

/* Each entry by itself, in units of u max(1, |f'|): a few roundings on either side. */
static void test_complex_step(void **state)
{
    (void)state;
    enum { POINTS = 1000 };
    const double h = 1e-100;
    gsl_rng *rng = random_stream(17, 0, RANDOM_TEST);
    double worst = 0;
    int compared = 0;
    for (int a = 0; a < COUNT(analytic); a++)
        for (int i = 0; i < COUNT(table); i++) {
            const op *o = &table[i];
            if (strcmp(o->name, analytic[a].name) != 0 || (only && strcmp(only, o->name) != 0)) continue;
            static double x[3][POINTS];
            ad_tape *t = ad_tape_new();
            ad leaf[3], g[3];
            int operands = 0;
            for (; operands < 3 && o->in[operands].r; operands++) {
                fill(rng, POINTS, o->low, o->high, x[operands]);
                leaf[operands] = ad_input(t, x[operands], POINTS / 8, 8);
            }
            ad_grads(ad_sum(o->build(o, leaf)), operands, leaf, g);
            for (int k = 0; k < operands; k++)
                for (int n = 0; n < POINTS; n++) {
                    cplx point[3] = { x[0][n], x[1][n], x[2][n] };
                    point[k] += h * _Complex_I;
                    double want = cimag(analytic[a].f(point, o->k[0] / 4.0)) / h;
                    double error = fabs(ad_value(g[k])[n] - want) / (DBL_EPSILON * fmax(1, fabs(want)));
                    if (!(error <= LIMIT))
                        fail_msg("%s: %.17g, complex step %.17g", o->name, ad_value(g[k])[n], want);
                    worst = fmax(worst, error);
                    compared++;
                }
            ad_tape_free(t);
        }
    print_message("  %-20s %6d compared, worst %.2f units, limit %g\n", "complex step", compared, worst, LIMIT);
    gsl_rng_free(rng);
}

/* ---- products at every small shape, where another kernel may be at work, against loops in long double ---- */
enum { LONGEST = 64 };

/* C = op(A) op(B) within LIMIT units of u k S */
static void check_product(const char *what, bool ta, bool tb, int m, int n, int k, const double *A,
                          const double *B, const double *bias, const double *got)
{
    double worst = 0, S = 1;
    for (int i = 0; i < m; i++)
        for (int j = 0; j < n; j++) {
            long double sum = bias ? bias[j] : 0;
            for (int l = 0; l < k; l++)
                sum += (long double)(ta ? A[l * m + i] : A[i * k + l]) * (tb ? B[j * k + l] : B[l * n + j]);
            S = fmax(S, fabs((double)sum));
            worst = linalg_greater(worst, fabs((double)(got[i * n + j] - sum)));
        }
    if (!(worst <= LIMIT * DBL_EPSILON * k * S))
        fail_msg("%s%s%s, m = %d, n = %d, k = %d: error %g", what, ta ? ", first transposed" : "",
                 tb ? ", second transposed" : "", m, n, k, worst);
}

static const int lengths[] = { 1, 2, 3, 4, 5, 6, 7, 8, 9, 17, 64 };

static void every_shape(unsigned seed, void (*body)(ad_tape *t, int m, int n, int k, const double *random))
{
    static double random[3 * LONGEST * LONGEST];
    gsl_rng *rng = random_stream(seed, 0, RANDOM_TEST);
    ad_tape *t = ad_tape_new();
    ad_mark start = ad_here(t);
    fill(rng, COUNT(random), -1, 1, random);
    for (int m = 0; m < COUNT(lengths); m++)
        for (int n = 0; n < COUNT(lengths); n++)
            for (int k = 0; k < COUNT(lengths); k++) {
                body(t, lengths[m], lengths[n], lengths[k], random);
                ad_reset(t, start);
            }
    ad_tape_free(t);
    gsl_rng_free(rng);
}

/* Values and both shares of matmul, all four ways */
static void matmul_shape(ad_tape *t, int m, int n, int k, const double *random)
{
    const double *A = random, *B = A + LONGEST * LONGEST, *G = B + LONGEST * LONGEST;
    for (int way = 0; way < 4; way++) {
        bool ta = way & 1, tb = way & 2;
        ad in[2] = { ad_input(t, A, ta ? k : m, ta ? m : k), ad_input(t, B, tb ? n : k, tb ? k : n) }, g[2];
        ad y = ad_matmul_t(ta, tb, in[0], in[1]);
        ad_grads(ad_dot(y, ad_input(t, G, m, n)), 2, in, g);
        check_product("a b", ta, tb, m, n, k, A, B, NULL, ad_value(y));
        if (ta) check_product("share of a", tb, true, k, m, n, B, G, NULL, ad_value(g[0]));
        else    check_product("share of a", false, !tb, m, k, n, G, B, NULL, ad_value(g[0]));
        if (tb) check_product("share of b", true, ta, n, k, m, G, A, NULL, ad_value(g[1]));
        else    check_product("share of b", !ta, false, k, n, m, A, G, NULL, ad_value(g[1]));
    }
}

static void test_matmul_shapes(void **state) { (void)state; every_shape(18, matmul_shape); }

/* f(x W + 1 b): before f as a product; then y = f(z) entry by entry, and the shares from z' = f'(z) G */
static void dense_shape(ad_tape *t, int m, int n, int k, const double *random)
{
    static double z_bar[LONGEST * LONGEST], ones[LONGEST];
    const double *x = random, *W = x + LONGEST * LONGEST, *G = W + LONGEST * LONGEST, *b = G + LONGEST;
    for (int i = 0; i < m; i++) ones[i] = 1;
    for (int f = AD_LINEAR; f <= AD_RELU; f++) {
        ad in[3] = { ad_input(t, x, m, k), ad_input(t, W, k, n), ad_input(t, b, 1, n) }, g[3];
        ad z = ad_affine(in[0], in[1], in[2]), y = ad_dense(in[0], in[1], in[2], (enum ad_activation)f);
        check_product("x W + 1 b", false, false, m, n, k, x, W, b, ad_value(z));
        ad_grads(ad_dot(y, ad_input(t, G, m, n)), 3, in, g);
        for (int i = 0; i < m * n; i++) {
            double zi = ad_value(z)[i], want = f == AD_TANH ? tanh(zi) : f == AD_RELU ? fmax(zi, 0) : zi;
            if (!(fabs(ad_value(y)[i] - want) <= LIMIT * DBL_EPSILON * fmax(1, fabs(want))))
                fail_msg("dense [%d x %d x %d]: %.17g, expected %.17g", m, n, k, ad_value(y)[i], want);
            z_bar[i] = G[i] * (f == AD_TANH ? 1 - want * want : f == AD_RELU ? zi > 0 : 1);
        }
        check_product("share of x", false, true, m, k, n, z_bar, W, NULL, ad_value(g[0]));
        check_product("share of W", true, false, k, n, m, x, z_bar, NULL, ad_value(g[1]));
        check_product("share of b", false, false, 1, n, m, ones, z_bar, NULL, ad_value(g[2]));
    }
}

static void test_dense_shapes(void **state) { (void)state; every_shape(19, dense_shape); }

/* ---- relations ---- */
/* The adjoint of 2 W + 3 V is 2 (that of W) + 3 (that of V). */
static void linear(struct tally *tally, gsl_rng *rng, const op *row, size s)
{
    struct problem p;
    draw(rng, row, s, false, &p);
    ad_tape *t = ad_tape_new();
    struct recorded r = record(t, &p);
    ad V = ad_input(t, p.V, p.o.y.r, p.o.y.c), adjoint[] = { r.W, V, ad_add(ad_scale(2, r.W), ad_scale(3, V)) };
    double got[3][MAX];
    quad want[MAX];
    for (int k = 0; k < 3; k++) gradient_of(&r, ad_dot(r.y, adjoint[k]), got[k]);
    for (int j = 0; j < p.n; j++) want[j] = 2 * (quad)got[0][j] + 3 * (quad)got[1][j];
    check(tally, "2 W + 3 V", &p, p.n, got[2], want, 5 * (p.n + p.m), p.S);
    ad_tape_free(t);
}

static void test_linearity(void **state) { (void)state; over_table("linear in W", 20, 60, 1, linear); }

static bool exactly(ad a, int r, int c, double k)
{
    bool equal = ad_nrows(a) == r && ad_ncols(a) == c;
    for (int i = 0; equal && i < r * c; i++) equal = ad_value(a)[i] == k;
    return equal;
}

/* Zero, exactly, not merely small: the derivative through a detached or frozen node, by an unused leaf, by a
 * node younger than y. x detach(x) has derivative x, not 2x. A second ad_grad gives the same bits. */
static void stops(struct tally *tally, gsl_rng *rng, const op *row, size s)
{
    struct problem p;
    draw(rng, row, s, false, &p);
    ad_tape *t = ad_tape_new();
    size_t bytes = (size_t)p.m * sizeof(double);
    ad unused = ad_input(t, p.W, p.o.y.r, p.o.y.c);
    struct recorded r = record(t, &p);
    ad stopped[2] = { ad_detach(r.y), ad_freeze(r.y) };
    for (int i = 0; i < 2; i++) {
        ad fixed = stopped[i], L = ad_dot(fixed, r.W);
        assert_memory_equal(ad_value(fixed), ad_value(r.y), bytes);
        for (int k = 0; k < r.leaves; k++)
            assert_true(exactly(ad_grad(L, r.x[k]), ad_nrows(r.x[k]), ad_ncols(r.x[k]), 0));
        ad product = ad_sum(ad_mul(r.y, fixed));
        assert_memory_equal(ad_value(ad_grad(product, r.y)), ad_value(r.y), bytes);
        assert_memory_equal(ad_value(ad_grad(product, fixed)), ad_value(r.y), bytes);
    }
    assert_true(exactly(ad_grad(r.L, unused), p.o.y.r, p.o.y.c, 0));
    assert_true(exactly(ad_grad(r.L, ad_scale(2, r.L)), 1, 1, 0));
    double once[MAX], twice[MAX];
    gradient_of(&r, r.L, once);
    gradient_of(&r, r.L, twice);
    assert_memory_equal(once, twice, (size_t)p.n * sizeof *once);
    tally->compared++;
    ad_tape_free(t);
}

static void test_stops(void **state) { (void)state; over_table("stops", 21, 60, 1, stops); }

/* ---- a batch of one is a row of a batch ---- */
static bool row_by_row(const op *o)
{
    static const char *const by_rows[] = { "row_sum", "cols", "row_max", "at_max", "of_max", "log_softmax",
                                           "log_sum_exp", "gather", "ungather", "concat", "columns",
                                           "into_columns" };
    bool elementwise = !o->sums && o->in[0].r == R && o->in[0].c == C && o->y.r == R && o->y.c == C;
    bool found = elementwise || strcmp(o->name, "dense") == 0;
    for (int i = 0; i < COUNT(by_rows); i++) found = found || strcmp(o->name, by_rows[i]) == 0;
    return found;
}

/* Row i of value and gradient against the same operator on row i alone; dense keeps its W and b. */
static void batch(struct tally *tally, gsl_rng *rng, const op *row, size s)
{
    if (s.r == 1 || !row_by_row(row)) return;
    struct problem p, one;
    double g[MAX], g1[MAX];
    draw(rng, row, s, false, &p);
    ad_tape *t = ad_tape_new();
    struct recorded r = record(t, &p);
    gradient_of(&r, ad_dot(r.y, r.W), g);
    for (int i = 0; i < s.r; i++) {
        draw(rng, row, (size){ 1, s.c, s.k }, false, &one);
        one.o.index[0] = p.o.index[i];
        for (int k = 0, from = 0, to = 0; k < 3 && p.o.in[k].r; from += entries(p.o.in[k++])) {
            bool all = p.o.in[k].r != s.r || (k > 0 && strcmp(p.o.name, "dense") == 0);
            int n = all ? entries(p.o.in[k]) : p.o.in[k].c;
            memcpy(one.x + to, p.x + from + (all ? 0 : i * n), (size_t)n * sizeof *p.x);
            to += n;
        }
        int m = p.o.y.c, n = p.o.in[0].c;
        memcpy(one.W, p.W + i * m, (size_t)m * sizeof *p.W);
        struct recorded r1 = record(t, &one);
        gradient_of(&r1, ad_dot(r1.y, r1.W), g1);
        quad y[MAX], gradient_row[MAX];
        for (int j = 0; j < m; j++) y[j] = ad_value(r.y)[i * m + j];
        for (int j = 0; j < n; j++) gradient_row[j] = g[i * n + j];
        check(tally, "row alone: value", &p, m, ad_value(r1.y), y, 2 * p.N, p.S);
        check(tally, "row alone: gradient", &p, n, g1, gradient_row, 2 * (one.n + one.m), p.S);
    }
    ad_tape_free(t);
}

static void test_batch_of_one(void **state) { (void)state; over_table("batch of one", 22, 120, 1, batch); }

/* ---- errors planted into the derivative of every operator: its VJP is replaced by one that is wrong ---- */
enum plant { SIGN, TWICE, DROPPED, TERM, TRANSPOSED, SWAPPED, STALE, OVERWRITTEN, INVENTED, DETACHED, PLANTS };
static const char *const plant_name[PLANTS] = {
    "sign flipped", "factor 2", "share dropped", "term dropped", "transposed", "shares swapped", "stale values",
    "overwritten, not accumulated", "a derivative where there is none", "detached, so H is wrong",
};

/* What the wrong VJP has to know beyond its arguments */
static struct { enum plant what; int input; const ad_op *right; ad mask, stale; } planted;

static ad spoiled(ad share)
{
    switch (planted.what) {
    case SIGN:       return ad_neg(share);
    case TWICE:      return ad_scale(2, share);
    case DROPPED:    return NULL;
    case TERM:       return ad_mul(share, planted.mask);
    case TRANSPOSED: return ad_transpose(share);
    case DETACHED:   return ad_detach(share);
    default:         return share;
    }
}

static void wrong_vjp(ad y, ad g, ad share[])
{
    int i = planted.input;
    ad from = y;
    if (planted.what == OVERWRITTEN) {
        y->in[i]->adjoint = NULL;
        y->in[i]->parts = NULL;
    }
    if (planted.what == STALE) {                    /* the same operator on other values */
        from = planted.stale;
        for (int k = 0; k < y->inputs; k++) from->in[k]->sweep = y->in[k]->sweep;
    }
    if (planted.right->is & AD_INSIDE) {                    /* a view: its VJP hands g on without a share */
        ad wrong = spoiled(g);
        if (wrong) planted.right->vjp(from, wrong, share);
        return;
    }
    if (planted.right->vjp) planted.right->vjp(from, g, share);
    if (planted.what == INVENTED) share[i] = g;
    if (planted.what == SWAPPED) {
        ad other = share[i + 1];
        share[i + 1] = share[i];
        share[i] = other;
    }
    if (share[i]) share[i] = spoiled(share[i]);
}

/* The node that the row is about; NULL where the name stands for several (mean). */
static ad operator_node(const struct recorded *r, const char *name)
{
    ad n = r->y;
    while (n && strcmp(n->op->name, name) != 0) n = n == r->x[0] ? NULL : n->older;
    return n;
}

/* How much the plant changes the reference G [n] of d<W, y>/dx, whose part of input i begins at `from`; G_stale:
 * the reference at the stale point. What changes nothing is no error. */
static double effect(const struct problem *p, int i, int from, const quad *G, const quad *G_stale, int *term)
{
    shape s = p->o.in[i];
    double most = 0;
    for (int j = 0; j < entries(s); j++) {
        double change = fabs((double)G[from + j]);
        if (planted.what == TERM && change > most) *term = j;
        if (planted.what == TRANSPOSED) change = fabs((double)(G[from + j] - G[from + j % s.c * s.c + j / s.c]));
        if (planted.what == SWAPPED)    change = fabs((double)(G[from + j] - G[from + entries(s) + j]));
        if (planted.what == STALE)      change = fabs((double)(G[from + j] - G_stale[from + j]));
        if (planted.what == INVENTED)   change = change == 0;
        if (planted.what == OVERWRITTEN) change = change > 0;
        most = fmax(most, change);
    }
    return most;
}

static bool applies(const struct problem *p, ad node, int i)
{
    shape s = p->o.in[i], next = i < 2 ? p->o.in[i + 1] : (shape){ 0, 0 };
    bool inside = node->op->is & AD_INSIDE, constant = !node->op->vjp;
    switch (planted.what) {
    case TRANSPOSED: return s.r == s.c && s.r > 1 && !inside && !constant;
    case TERM:       return !inside && !constant;
    case SWAPPED:    return s.r == next.r && s.c == next.c && !constant;
    case INVENTED:   return s.r == p->o.y.r && s.c == p->o.y.c && !inside;
    case STALE:      return !inside && !constant;
    default:         return !constant;
    }
}

/* Plants one error into input i and returns whether the comparison of gradients (or, for DETACHED, of H v) rejects
 * it; -1 where the error does not apply or changes nothing. */
static int rejects(gsl_rng *rng, const op *row, size s, int i, enum plant what)
{
    struct problem p, other;
    draw(rng, row, s, false, &p);
    draw(rng, row, s, false, &other);
    if (what != DETACHED) memset(p.V, 0, sizeof p.V);
    memcpy(other.W, p.W, sizeof p.W);
    quad G[MAX], G_stale[MAX], ref[MAX];
    double got[MAX], mask[MAX];
    int from = 0, term = 0, verdict = -1;
    for (int k = 0; k < i; k++) from += entries(p.o.in[k]);
    gradient(L_of(&p), p.x, NULL, G);
    memset(other.V, 0, sizeof other.V);
    gradient(L_of(&other), other.x, NULL, G_stale);
    if (what == DETACHED) gradient(L_of(&p), p.x, p.v, ref);
    ad_tape *t = ad_tape_new();
    struct recorded before = record(t, &other), r = record(t, &p);
    ad node = operator_node(&r, row->name);
    planted.what = what;
    planted.input = i;
    if (node && applies(&p, node, i) && effect(&p, i, from, what == DETACHED ? ref : G, G_stale, &term) > 1e-6) {
        for (int j = 0; j < MAX; j++) mask[j] = j != term;
        planted.mask = ad_input(t, mask, p.o.in[i].r, p.o.in[i].c);
        planted.stale = operator_node(&before, row->name);
        planted.right = node->op;
        ad_op wrong = *node->op;
        wrong.vjp = wrong_vjp;
        node->op = &wrong;
        if (what == DETACHED) {
            assert_true(hessian_times(t, &r, p.v, got));
        } else {
            ad u[3], L = r.L;               /* <u, x> comes in first: what is overwritten is missed */
            like_leaves(t, &r, p.u, u);
            for (int k = 0; k < r.leaves; k++) L = ad_add(L, ad_dot(r.x[k], u[k]));
            gradient_of(&r, L, got);
            for (int j = 0; j < p.n; j++) ref[j] = G[j] + p.u[j];
        }
        verdict = !(units(p.n, got, ref, p.n + p.m, p.S) <= LIMIT);
    }
    ad_tape_free(t);
    return verdict;
}

/* Every plant that applies to an operator is rejected, 100 %; each operator with a derivative gets at least the
 * first four, and each without one a derivative that it has not. */
static void test_planted_errors(void **state)
{
    (void)state;
    gsl_rng *rng = random_stream(23, 0, RANDOM_TEST);
    int rejected[PLANTS] = { 0 }, operators = 0;
    for (int row = 0; row < COUNT(table); row++) {
        if (only && strcmp(only, table[row].name) != 0) continue;
        int of_this = 0;
        for (int s = 0; s < 2; s++)
            for (int what = 0; what < PLANTS; what++)
                for (int i = 0; i < 3 && table[row].in[i].r; i++) {
                    static const size plant_sizes[2] = { { 3, 3, 3 }, { 3, 2, 5 } };
                    int verdict = rejects(rng, &table[row], plant_sizes[s], i, (enum plant)what);
                    if (verdict == 0)
                        fail_msg("%s, input %d: passes with %s", table[row].name, i, plant_name[what]);
                    if (verdict < 0) continue;
                    rejected[what]++;
                    of_this++;
                }
        operators += of_this > 0;
        if (!of_this && strcmp(table[row].name, "mean") != 0) fail_msg("nothing planted into %s", table[row].name);
    }
    for (int what = 0; what < PLANTS; what++) {
        print_message("  %3d planted, all rejected: %s\n", rejected[what], plant_name[what]);
        if (!only && rejected[what] < 4) fail_msg("hardly ever planted: %s", plant_name[what]);
    }
    print_message("  planted into %d rows of the table\n", operators);
    gsl_rng_free(rng);
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_reference), cmocka_unit_test(test_checker), cmocka_unit_test(test_table_complete),
        cmocka_unit_test(test_values), cmocka_unit_test(test_jacobians), cmocka_unit_test(test_directions),
        cmocka_unit_test(test_hessians), cmocka_unit_test(test_bilinear), cmocka_unit_test(test_same_operand),
        cmocka_unit_test(test_complex_step), cmocka_unit_test(test_matmul_shapes),
        cmocka_unit_test(test_dense_shapes), cmocka_unit_test(test_linearity),
        cmocka_unit_test(test_stops), cmocka_unit_test(test_batch_of_one),
        cmocka_unit_test(test_planted_errors),
    };
    if (argc > 1) cmocka_set_test_filter(argv[1]);
    if (argc > 2) only = argv[2];
    linalg_start();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
