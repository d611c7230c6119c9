/* What the operators do at the edges, as tables of expected results: zeros of both signs, denormals, the largest
 * double, infinities, NaN; kinks and ties; masked logits; and the messages for wrong shapes, arguments outside a
 * domain, and results that are not finite.
 *     test_ad_special [pattern]           runs the tests whose names match */
#include <float.h>
#include <limits.h>
#include <math.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>

#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "autodiff/ad.h"
#include "autodiff/ad_node.h"
#include "autodiff/linalg.h"
#include "tests/child_process.h"

#define COUNT(a) ((int)(sizeof(a) / sizeof((a)[0])))

/* ---- expected numbers ---- */
#define M   DBL_MAX
#define T   0x1p-1074                       /* the least double */
#define I   INFINITY
#define Q   NAN
#define END -0x1.deadp+777                  /* not a result: the program ends, exit 4 */

static bool bits_equal(double a, double b) { return memcmp(&a, &b, sizeof a) == 0; }

/* NaN for NaN, zeros and infinities with their signs, others within 4 units: the library's exp, log, tanh */
static bool as_expected(double got, double want)
{
    if (isnan(want)) return isnan(got);
    if (want == 0 || isinf(want)) return bits_equal(got, want);
    return fabs(got - want) <= 4 * DBL_EPSILON * fabs(want);
}

static void expect_all(ad a, double want, const char *what, const char *op, double x)
{
    for (int i = 0; i < ad_nrows(a) * ad_ncols(a); i++)
        if (!as_expected(ad_value(a)[i], want))
            fail_msg("%s of %s at %g: entry %d is %.17g, expected %.17g", what, op, x, i, ad_value(a)[i], want);
}

static void expect_end(struct ending end, int status, const char *const parts[], int n)
{
    const char *newline = strchr(end.err, '\n');
    bool held = WIFEXITED(end.status) && WEXITSTATUS(end.status) == status && newline && !newline[1];
    for (int i = 0; i < n; i++) held = held && strstr(end.err, parts[i]);
    if (held) return;
    for (int i = 0; i < n; i++) print_error("expected: %s\n", parts[i]);
    fail_msg("expected exit %d and one line with these; wait status %#x, stderr: %s", status, (unsigned)end.status,
             end.err);
}

/* ---- one operand: f at each special number, as a matrix of 35 equal entries, so that vector code and its
 * remainder both see it ---- */
static const double special[] = { 0, -0.0, T, -T, M, -M, I, -I, Q };
enum { SPECIALS = COUNT(special), SIDE_R = 5, SIDE_C = 7 };

#define F(name, call) static ad f_##name(ad a) { return call; }
F(scale, ad_scale(2, a))
F(scale_0, ad_scale(0, a))
F(neg, ad_neg(a))
F(shift, ad_shift(a, 1))
F(square, ad_square(a))
F(pow, ad_pow(a, 2))
F(pow_0, ad_pow(a, 0))
F(pow_inverse, ad_pow(a, -1))
F(exp, ad_exp(a))
F(log, ad_log(a))
F(sqrt, ad_sqrt(a))
F(tanh, ad_tanh(a))
F(sigmoid, ad_sigmoid(a))
F(softplus, ad_softplus(a))
F(relu, ad_relu(a))
F(abs, ad_abs(a))
F(clip, ad_clip(a, -1, 1))
F(inside, ad_inside(a, -1, 1))
F(sign, ad_sign(a))
F(negative, ad_less(a, ad_constant(a->tape, 0, a->r, a->c)))

#define LN2 0.693147180559945309
static const struct {
    const char *name;                       /* of the operator that ends the program */
    ad (*f)(ad a);
    double y[SPECIALS], slope[SPECIALS];    /* slope: dy/da; where y ends the program it is not looked at */
} unary[] = {
    /*                           0    -0     T    -T     M    -M     I    -I    NaN */
    { "scale",    f_scale,    {  0, -0.0,  2*T, -2*T,    I,   -I,    I,   -I,    Q },
                              {  2,    2,    2,    2,    2,    2,    2,    2,    2 } },
    { "scale",    f_scale_0,  {  0, -0.0,    0, -0.0,    0, -0.0,    Q,    Q,    Q },
                              {  0,    0,    0,    0,    0,    0,    0,    0,    0 } },
    { "scale",    f_neg,      { -0.0,  0,   -T,    T,   -M,    M,   -I,    I,    Q },
                              { -1,   -1,   -1,   -1,   -1,   -1,   -1,   -1,   -1 } },
    { "shift",    f_shift,    {  1,    1,    1,    1,    M,   -M,    I,   -I,    Q },
                              {  1,    1,    1,    1,    1,    1,    1,    1,    1 } },
    { "square",   f_square,   {  0,    0,    0,    0,    I,    I,    I,    I,    Q },
                              {  0, -0.0,  2*T, -2*T,  END,  END,  END,  END,  END } },
    { "pow",      f_pow,      { END, END,    0,  END,    I,  END,    I,  END,    Q },
                              {  0,    0,  2*T,    0,  END,    0,  END,    0,  END } },
    { "pow",      f_pow_0,    { END, END,    1,  END,    1,  END,    1,  END,    1 },       /* as C's pow */
                              {  0,    0,    0,    0,    0,    0,    0,    0,    0 } },
    { "pow",      f_pow_inverse, { END, END, I,  END,  1/M,  END,    0,  END,    Q },
                              {  0,    0,  END,    0, -0.0,    0, -0.0,    0,  END } },
    { "exp",      f_exp,      {  1,    1,    1,    1,    I,    0,    I,    0,    Q },
                              {  1,    1,    1,    1,  END,    0,  END,    0,  END } },
    { "log",      f_log,      { END, END, -1074*LN2, END, 1024*LN2, END, I, END, Q },
                              {  0,    0,  END,    0,  1/M,    0,    0,    0,  END } },
    { "sqrt",     f_sqrt,     {  0, -0.0, 0x1p-537, END, 0x1p512, END, I, END, Q },
                              { END, END, 0x1p536,  0, 0x1p-513, 0,    0,    0,  END } },
    { "tanh",     f_tanh,     {  0, -0.0,    T,   -T,    1,   -1,    1,   -1,    Q },
                              {  1,    1,    1,    1,    0,    0,    0,    0,  END } },
    { "sigmoid",  f_sigmoid,  { .5,   .5,   .5,   .5,    1,    0,    1,    0,    Q },
                              { .25, .25,  .25,  .25,    0,    0,    0,    0,  END } },
    { "softplus", f_softplus, { LN2, LN2,  LN2,  LN2,    M,    0,    I,    0,    Q },
                              { .5,   .5,   .5,   .5,    1,    0,    1,    0,  END } },
    { "relu",     f_relu,     {  0,    0,    T,    0,    M,    0,    I,    0,    Q },
                              {  0,    0,    1,    0,    1,    0,    1,    0,    1 } },
    { "abs",      f_abs,      {  0,    0,    T,    T,    M,    M,    I,    I,    Q },
                              {  0,    0,    1,   -1,    1,   -1,    1,   -1,    0 } },
    { "clip",     f_clip,     {  0, -0.0,    T,   -T,    1,   -1,    1,   -1,    Q },
                              {  1,    1,    1,    1,    0,    0,    0,    0,    0 } },
    { "inside",   f_inside,   {  1,    1,    1,    1,    0,    0,    0,    0,    0 },    /* masks have no slope, */
                              {  0,    0,    0,    0,    0,    0,    0,    0,    0 } },  /* NaN is not in them */
    { "sign",     f_sign,     {  0,    0,    1,   -1,    1,   -1,    1,   -1,    0 },
                              {  0,    0,    0,    0,    0,    0,    0,    0,    0 } },
    { "less",     f_negative, {  0,    0,    0,    1,    0,    1,    0,    1,    0 },
                              {  0,    0,    0,    0,    0,    0,    0,    0,    0 } },
};


enum stage { VALUE, GRADIENT };

/* (dy/dx)^T 1, whatever y is: ad_grad of the sum would refuse a y that is not finite. */
static ad pull_ones(ad y, ad x) { return ad_vjp(y, x, ad_constant(y->tape, 1, y->r, y->c)); }

/* The value, or the gradient of its sum; ends the program where that is expected. */
static ad unary_result(ad_tape *t, int row, double x, enum stage stage)
{
    ad a = ad_constant(t, x, SIDE_R, SIDE_C), y = unary[row].f(a);
    return stage == VALUE ? y : pull_ones(y, a);
}

static void unary_child(int which)
{
    unary_result(ad_tape_new(), which / 2 / SPECIALS, special[which / 2 % SPECIALS], (enum stage)(which % 2));
}

static void test_one_operand(void **state)
{
    (void)state;
    for (int row = 0; row < COUNT(unary); row++)
        for (int k = 0; k < SPECIALS; k++)
            for (int stage = VALUE; stage <= GRADIENT; stage++) {
                double want = stage == VALUE ? unary[row].y[k] : unary[row].slope[k];
                if (stage == GRADIENT && unary[row].y[k] == END) continue;
                if (want == END) {
                    char name[20];
                    snprintf(name, sizeof name, "ad_%s,", unary[row].name);
                    const char *const parts[] = { "test_ad_special.c:", "[5 x 7]: entry (0, 0)", name };
                    struct ending end = run_child(unary_child, (row * SPECIALS + k) * 2 + stage);
                    expect_end(end, 4, parts, stage == VALUE ? 3 : 2);
                } else {
                    ad_tape *t = ad_tape_new();
                    ad got = unary_result(t, row, special[k], (enum stage)stage);
                    expect_all(got, want, stage ? "slope" : "value", unary[row].name, special[k]);
                    ad_tape_free(t);
                }
            }
}

/* clip passes the adjoint at its bounds; with equal bounds only there */
static void test_clip_bounds(void **state)
{
    (void)state;
    ad_tape *t = ad_tape_new();
    const double x[5] = { -1, 2, -1 - DBL_EPSILON, 2 + 2 * DBL_EPSILON, 0 }, slope[5] = { 1, 1, 0, 0, 1 };
    ad a = ad_input(t, x, 1, 5), g = ad_grad(ad_sum(ad_clip(a, -1, 2)), a), same = ad_clip(a, 2, 2);
    assert_memory_equal(ad_value(g), slope, sizeof slope);
    g = ad_grad(ad_sum(same), a);
    for (int i = 0; i < 5; i++) assert_true(ad_value(same)[i] == 2 && ad_value(g)[i] == (i == 1));
    ad_tape_free(t);
}

/* Far out the slopes keep their digits: sigmoid' and softplus'' = e / (1 + e)^2 with e = e^-|x|, softplus' =
 * 1 / (1 + e^-x), each a few roundings. */
static void test_tails(void **state)
{
    (void)state;
    static const double x[] = { 20, -20, 40, -40, 300, -300, 700, -700 };
    for (int k = 0; k < COUNT(x); k++) {
        ad_tape *t = ad_tape_new();
        ad a = ad_input(t, &x[k], 1, 1), first = ad_grad(ad_softplus(a), a);
        double e = exp(-fabs(x[k])), curve = e / (1 + e) / (1 + e), slope = x[k] > 0 ? 1 / (1 + e) : e / (1 + e);
        assert_true(fabs(ad_scalar(first) - slope) <= 8 * DBL_EPSILON * slope);
        assert_true(fabs(ad_scalar(ad_grad(first, a)) - curve) <= 8 * DBL_EPSILON * curve);
        assert_true(fabs(ad_scalar(ad_grad(ad_sigmoid(a), a)) - curve) <= 8 * DBL_EPSILON * curve);
        ad_tape_free(t);
    }
}

/* ---- two and three operands ---- */
#define G(name, call) static ad g_##name(ad m, ad a, ad b) { (void)m; (void)b; return call; }
G(add, ad_add(a, b))
G(sub, ad_sub(a, b))
G(mul, ad_mul(a, b))
G(div, ad_div(a, b))
G(min, ad_min(a, b))
G(max, ad_max(a, b))
G(less, ad_less(a, b))
G(where, ad_where(m, a, b))
G(keep, ad_keep(a, m, true))
G(keep_not, ad_keep(a, m, false))
G(dtanh, ad_dtanh(a, b))
G(mul3, ad_mul3(-2, m, a, b))

static const struct {
    const char *name;
    ad (*f)(ad m, ad a, ad b);
    double m, a, b, y, slope_a, slope_b;
} several[] = {
    { "add", g_add, 0,  -0.0, -0.0,  -0.0, 1, 1 }, { "add", g_add, 0, -0.0, 0, 0, 1, 1 },
    { "add", g_add, 0,     M,    M,     I, 1, 1 }, { "add", g_add, 0,  I, -I, Q, 1, 1 },
    { "add", g_add, 0,     Q,    1,     Q, 1, 1 }, { "add", g_add, 0, T, -T, 0, 1, 1 },
    { "sub", g_sub, 0,  -0.0,    0,  -0.0, 1, -1 }, { "sub", g_sub, 0, 0, 0, 0, 1, -1 },
    { "sub", g_sub, 0,     I,    I,     Q, 1, -1 }, { "sub", g_sub, 0, 1, Q, Q, 1, -1 },
    { "mul", g_mul, 0,     0,   -1,  -0.0, -1, 0 }, { "mul", g_mul, 0, T, 0.5, 0, 0.5, T },
    { "mul", g_mul, 0,     M,    2,     I, 2, M },  { "mul", g_mul, 0, I, 0, Q, 0, END },
    { "mul", g_mul, 0,     Q,    0,     Q, 0, END },
    { "div", g_div, 0,     1,    0,   END, 0, 0 },  { "div", g_div, 0, 1, -0.0, END, 0, 0 },
    { "div", g_div, 0,     0,    0,   END, 0, 0 },  { "div", g_div, 0, Q, 0, END, 0, 0 },
    { "div", g_div, 0,     1,    T,     I, END, END }, { "div", g_div, 0, 1, I, 0, 0, -0.0 },
    { "div", g_div, 0,     0,   -2,  -0.0, -0.5, -0.0 }, { "div", g_div, 0, M, 0.5, I, 2, END },
    { "div", g_div, 0,     Q,    1,     Q, 1, END }, { "div", g_div, 0, 1, Q, Q, END, END },
    /* ties go to the first, and the sign of a zero with them; NaN goes through from either side */
    { "min", g_min, 0,     1,    1,     1, 1, 0 }, { "min", g_min, 0,    0, -0.0,    0, 1, 0 },
    { "min", g_min, 0,  -0.0,    0,  -0.0, 1, 0 }, { "min", g_min, 0,    1,   -I,   -I, 0, 1 },
    { "min", g_min, 0,     I,    M,     M, 0, 1 }, { "min", g_min, 0,   -I,   -I,   -I, 1, 0 },
    { "min", g_min, 0,     Q,    1,     Q, 1, 0 }, { "min", g_min, 0,    1,    Q,    Q, 1, 0 },
    { "min", g_min, 0,     T,    0,     0, 0, 1 }, { "min", g_min, 0,   -I,    Q,    Q, 1, 0 },
    { "max", g_max, 0,     1,    1,     1, 1, 0 }, { "max", g_max, 0,    0, -0.0,    0, 1, 0 },
    { "max", g_max, 0,  -0.0,    0,  -0.0, 1, 0 }, { "max", g_max, 0,    1,    I,    I, 0, 1 },
    { "max", g_max, 0,    -I,   -M,    -M, 0, 1 }, { "max", g_max, 0,    I,    I,    I, 1, 0 },
    { "max", g_max, 0,     Q,    1,     Q, 1, 0 }, { "max", g_max, 0,    1,    Q,    Q, 1, 0 },
    { "max", g_max, 0,     0,    T,     T, 0, 1 }, { "max", g_max, 0,    I,    Q,    Q, 1, 0 },
    { "less", g_less, 0,   0, -0.0,     0, 0, 0 }, { "less", g_less, 0, -T, 0, 1, 0, 0 },
    { "less", g_less, 0,  -I,    I,     1, 0, 0 }, { "less", g_less, 0, Q, 1, 0, 0, 0 },
    { "less", g_less, 0,   1,    Q,     0, 0, 0 },
    /* what is not chosen reaches neither value nor derivative; -0 is 0, and NaN is not 0 */
    { "where", g_where, 1, 2,    Q,     2, 1, 0 }, { "where", g_where, 0, Q, 2, 2, 0, 1 },
    { "where", g_where, -0.0, I, 2,     2, 0, 1 }, { "where", g_where, T, -0.0, I, -0.0, 1, 0 },
    { "where", g_where, Q, 1,    2,     1, 1, 0 }, { "where", g_where, 1, Q, 2, Q, 1, 0 },
    { "where", g_where, 0, 1,    Q,     Q, 0, 1 }, { "where", g_where, -I, -I, 0, -I, 1, 0 },
    { "keep", g_keep, 1,   Q,    0,     Q, 1, 0 }, { "keep", g_keep, 0, Q, 0, 0, 0, 0 },
    { "keep", g_keep, 0,   I,    0,     0, 0, 0 }, { "keep", g_keep, -0.0, -I, 0, 0, 0, 0 },
    { "keep", g_keep_not, 0, Q,  0,     Q, 1, 0 }, { "keep", g_keep_not, 1, Q, 0, 0, 0, 0 },
    { "dtanh", g_dtanh, 0, M,    1,     0, 0, END }, { "dtanh", g_dtanh, 0, 1, -1, 0, 0, 2 },
    { "dtanh", g_dtanh, 0, I,    1,     Q, 0, END }, { "dtanh", g_dtanh, 0, 0, Q, Q, END, END },
    { "mul3", g_mul3, 1,   T,    0,  -0.0, -0.0, -2*T }, { "mul3", g_mul3, 0, I, 1, Q, -0.0, END },
};

static void several_result(ad_tape *t, int row, enum stage stage, ad *y, ad g[3])
{
    ad in[3] = { ad_constant(t, several[row].m, SIDE_R, SIDE_C), ad_constant(t, several[row].a, SIDE_R, SIDE_C),
                 ad_constant(t, several[row].b, SIDE_R, SIDE_C) };
    *y = several[row].f(in[0], in[1], in[2]);
    for (int i = 0; i < 3 && stage == GRADIENT; i++) g[i] = pull_ones(*y, in[i]);
}

static void several_child(int which)
{
    ad y, g[3];
    several_result(ad_tape_new(), which / 2, (enum stage)(which % 2), &y, g);
}

static void test_several_operands(void **state)
{
    (void)state;
    for (int row = 0; row < COUNT(several); row++) {
        bool domain = several[row].y == END, infinite = several[row].slope_a == END || several[row].slope_b == END;
        char name[20];
        snprintf(name, sizeof name, "ad_%s,", several[row].name);
        const char *const parts[] = { "test_ad_special.c:", "[5 x 7]: entry (0, 0)", name };
        if (domain || infinite) expect_end(run_child(several_child, row * 2 + !domain), 4, parts, domain ? 3 : 2);
        if (domain) continue;
        ad_tape *t = ad_tape_new();
        ad y, g[3];
        several_result(t, row, infinite ? VALUE : GRADIENT, &y, g);
        expect_all(y, several[row].y, "value", several[row].name, several[row].a);
        if (!infinite) {
            expect_all(g[1], several[row].slope_a, "slope by a", several[row].name, several[row].a);
            expect_all(g[2], several[row].slope_b, "slope by b", several[row].name, several[row].a);
            if (strcmp(several[row].name, "mul3") != 0)
                expect_all(g[0], 0, "slope by the mask", several[row].name, 0);
        }
        ad_tape_free(t);
    }
}

/* ---- whole rows ---- */
enum row_op { LOG_SOFTMAX, SOFTMAX, LOG_SUM_EXP, ROW_MAX };
enum { WIDE = 4 };
/* Value (of log_sum_exp and row_max the first number), and gradient: of the first entry of log_softmax, softmax */
static const struct { enum row_op op; double a[WIDE], y[WIDE], g[WIDE]; } rows[] = {
    /* masked logits: probability 0, gradient 0 */
    { LOG_SOFTMAX, { 0, -I, 0, -I }, { -LN2, -I, -LN2, -I }, { 0.5, 0, -0.5, 0 } },
    { SOFTMAX,     { 0, -I, 0, -I }, { 0.5, 0, 0.5, 0 }, { 0.25, 0, -0.25, 0 } },
    { LOG_SUM_EXP, { 0, -I, 0, -I }, { LN2 }, { 0.5, 0, 0.5, 0 } },
    { LOG_SOFTMAX, { 3, -I, -I, -I }, { 0, -I, -I, -I }, { 0, 0, 0, 0 } },
    { SOFTMAX,     { 3, -I, -I, -I }, { 1, 0, 0, 0 }, { 0, 0, 0, 0 } },
    { LOG_SUM_EXP, { 3, -I, -I, -I }, { 3 }, { 1, 0, 0, 0 } },
    /* gaps of 1e308 are finite; of 2e308 they are not a double, and still nothing is NaN */
    { LOG_SOFTMAX, { 0, 1e308, 1e308, 0 }, { -1e308, -LN2, -LN2, -1e308 }, { 1, -0.5, -0.5, 0 } },
    { SOFTMAX,     { 0, 1e308, 1e308, 0 }, { 0, 0.5, 0.5, 0 }, { 0, 0, 0, 0 } },
    { LOG_SUM_EXP, { 0, 1e308, 1e308, -1e308 }, { 1e308 }, { 0, 0.5, 0.5, 0 } },
    { LOG_SOFTMAX, { M, -M, 0, M }, { -LN2, -I, -M, -LN2 }, { 0.5, 0, 0, -0.5 } },
    { SOFTMAX,     { M, -M, 0, M }, { 0.5, 0, 0, 0.5 }, { 0.25, 0, 0, -0.25 } },
    { LOG_SUM_EXP, { -M, -M, -M, -M }, { -M }, { 0.25, 0.25, 0.25, 0.25 } },
    { LOG_SUM_EXP, { M, M, M, M }, { M }, { 0.25, 0.25, 0.25, 0.25 } },
    { LOG_SOFTMAX, { T, -T, 0, -0.0 }, { -2*LN2, -2*LN2, -2*LN2, -2*LN2 }, { 0.75, -0.25, -0.25, -0.25 } },
    /* nothing to choose from, or NaN: the whole row is NaN, or its sum 0 = e^-inf */
    { LOG_SOFTMAX, { -I, -I, -I, -I }, { Q, Q, Q, Q }, { END } },
    { LOG_SUM_EXP, { -I, -I, -I, -I }, { -I }, { END } },
    { LOG_SOFTMAX, { 0, Q, 0, 0 }, { Q, Q, Q, Q }, { END } },
    { LOG_SUM_EXP, { 0, 0, 0, Q }, { Q }, { END } },
    { LOG_SUM_EXP, { I, 0, 0, 0 }, { I }, { END } },
    { LOG_SOFTMAX, { 0, I, 0, 0 }, { Q, Q, Q, Q }, { END } },
    /* the first of equals; a NaN counts as greatest */
    { ROW_MAX, { 3, 5, 5, 1 }, { 5 }, { 0, 1, 0, 0 } },
    { ROW_MAX, { 7, 7, 7, 7 }, { 7 }, { 1, 0, 0, 0 } },
    { ROW_MAX, { -0.0, 0, -1, 0 }, { -0.0 }, { 1, 0, 0, 0 } },
    { ROW_MAX, { -I, -I, -I, -I }, { -I }, { 1, 0, 0, 0 } },
    { ROW_MAX, { 1, 2, I, I }, { I }, { 0, 0, 1, 0 } },
    { ROW_MAX, { 1, 2, Q, I }, { Q }, { 0, 0, 1, 0 } },
    { ROW_MAX, { I, 2, Q, Q }, { Q }, { 0, 0, 1, 0 } },
    { ROW_MAX, { Q, 2, 3, 1 }, { Q }, { 1, 0, 0, 0 } },
    { ROW_MAX, { 0, T, 0, -M }, { T }, { 0, 1, 0, 0 } },
};

static ad row_result(ad_tape *t, int which, enum stage stage)
{
    static const int first[1] = { 0 };
    ad a = ad_input(t, rows[which].a, 1, WIDE), y;
    switch (rows[which].op) {
    case LOG_SOFTMAX: y = ad_log_softmax(a); break;
    case SOFTMAX:     y = ad_exp(ad_log_softmax(a)); break;
    case LOG_SUM_EXP: y = ad_log_sum_exp(a); break;
    default:          y = ad_row_max(a);
    }
    return stage == VALUE ? y : pull_ones(ad_gather(y, first), a);
}

static void row_child(int which) { row_result(ad_tape_new(), which, GRADIENT); }

static void test_rows(void **state)
{
    (void)state;
    for (int k = 0; k < COUNT(rows); k++) {
        ad_tape *t = ad_tape_new();
        ad y = row_result(t, k, VALUE);
        for (int j = 0; j < ad_ncols(y); j++)
            if (!as_expected(ad_value(y)[j], rows[k].y[j]))
                fail_msg("row %d: value %d is %.17g, expected %.17g", k, j, ad_value(y)[j], rows[k].y[j]);
        const char *const parts[] = { "test_ad_special.c:" };
        if (rows[k].g[0] == END) expect_end(run_child(row_child, k), 4, parts, 1);
        ad g = rows[k].g[0] == END ? NULL : row_result(t, k, GRADIENT);
        for (int j = 0; g && j < WIDE; j++)
            if (!(fabs(ad_value(g)[j] - rows[k].g[j]) <= 4 * DBL_EPSILON))
                fail_msg("row %d: gradient %d is %.17g, expected %.17g", k, j, ad_value(g)[j], rows[k].g[j]);
        ad_tape_free(t);
    }
}

/* H v of log_sum_exp, p (v - <p, v>), with masked logits: 0 where masked */
static void test_masked_hessian(void **state)
{
    (void)state;
    ad_tape *t = ad_tape_new();
    const double logits[4] = { 0, -I, 0, -I }, v[4] = { 1, 2, 3, 4 }, want[4] = { -0.5, 0, 0.5, 0 };
    ad a = ad_input(t, logits, 1, 4), g = ad_grad(ad_log_sum_exp(a), a);
    ad Hv = ad_grad(ad_dot(g, ad_input(t, v, 1, 4)), a);
    for (int j = 0; j < 4; j++) assert_true(fabs(ad_value(Hv)[j] - want[j]) <= 4 * DBL_EPSILON);
    ad_tape_free(t);
}

/* Gaps of 1e300: value a - max, exactly; gradient W - softmax sum W with softmax = (0, 1, 0): exact in small
 * integers; H v = 0, not NaN. */
static void test_log_softmax_gaps(void **state)
{
    (void)state;
    static const double gaps[][3] = { { 0, 1e300, -1e300 }, { -1e300, 1e300, 1 }, { 800, 2e4, -2e4 },
                                      { -1e300, -2e299, -8e299 }, { 0, 1e308, -7e307 } };
    const double W[3] = { 3, 5, -7 }, v[3] = { 1, -2, 4 }, want[3] = { 3, 5 - 1, -7 };
    for (int i = 0; i < COUNT(gaps); i++) {
        ad_tape *t = ad_tape_new();
        ad x = ad_input(t, gaps[i], 1, 3), y = ad_log_softmax(x);
        for (int j = 0; j < 3; j++) assert_true(ad_value(y)[j] == gaps[i][j] - gaps[i][1]);
        ad g = ad_vjp(y, x, ad_input(t, W, 1, 3)), Hv = ad_grad(ad_dot(g, ad_input(t, v, 1, 3)), x);
        for (int j = 0; j < 3; j++) assert_true(ad_value(g)[j] == want[j] && ad_value(Hv)[j] == 0);
        ad_tape_free(t);
    }
}

/* ---- sums: infinities of both signs are NaN, overflow is infinite, NaN stays; slopes are 1, or 1/n ---- */
static void test_sums(void **state)
{
    (void)state;
    static const struct { double last[2], sum; } sums[] = {
        { { I, -I }, Q }, { { I, 1 }, I }, { { -I, -I }, -I }, { { M, M }, I }, { { -M, M }, 0 }, { { Q, 0 }, Q },
        { { 0, Q }, Q }, { { Q, I }, Q }, { { -0.0, 0 }, 0 }, { { T, T }, 2*T },
    };
    for (int k = 0; k < COUNT(sums); k++)
        for (int n = 2; n <= 19; n++) {             /* zeros, then the two numbers */
            double x[19] = { 0 };
            memcpy(x + n - 2, sums[k].last, sizeof sums[k].last);
            ad_tape *t = ad_tape_new();
            ad row = ad_input(t, x, 1, n), column = ad_input(t, x, n, 1), ones = ad_constant(t, 1, n, 1);
            ad y[] = { ad_sum(row), ad_row_sum(row), ad_col_sum(column), ad_dot(column, ones),
                       ad_matmul(row, ones), ad_matmul_t(true, false, ones, column),
                       ad_affine(row, ones, ad_constant(t, 0, 1, 1)) };
            for (int i = 0; i < COUNT(y); i++) {
                expect_all(y[i], sums[k].sum, "value", y[i]->op->name, x[n - 2]);
                bool of_row = i == 0 || i == 1 || i == 4 || i == 6;
                expect_all(pull_ones(y[i], of_row ? row : column), 1, "slope", y[i]->op->name, x[n - 2]);
            }
            expect_all(pull_ones(ad_mean(row), row), 1.0 / n, "slope", "mean", x[n - 2]);
            ad_tape_free(t);
        }
}

/* tanh' = (1 - tanh)(1 + tanh) of the tanh that is stored, also where that is all but 1 */
static void test_tanh_near_1(void **state)
{
    (void)state;
    ad_tape *t = ad_tape_new();
    for (double x = 0.5; x < 18; x += 0.5) {
        ad a = ad_input(t, &x, 1, 1), y = ad_tanh(a);
        long double b = ad_scalar(y);
        double want = (double)((1 - b) * (1 + b)), slope = ad_scalar(ad_grad(y, a));
        if (!(fabs(slope - want) <= 2 * DBL_EPSILON * want))
            fail_msg("tanh'(%g) = %.17g, expected %.17g", x, slope, want);
    }
    ad_tape_free(t);
}

/* ---- operators that move numbers move their bits ---- */
static void expect_bits(ad y, int n, const int *from)
{
    for (int i = 0; i < n; i++) {
        double want = from[i] < 0 ? 0 : special[from[i]];
        if (!bits_equal(ad_value(y)[i], want))
            fail_msg("ad_%s: entry %d is %g, expected %g", y->op->name, i, ad_value(y)[i], want);
    }
}

static void test_moved_bits(void **state)
{
    (void)state;
    static const int index[3] = { 2, 0, 1 }, place[2] = { 3, 0 };
    ad_tape *t = ad_tape_new();
    ad a = ad_input(t, special, 3, 3), row = ad_input(t, special, 1, 9), column = ad_input(t, special, 9, 1);
    expect_bits(ad_transpose(a), 9, (int[]){ 0, 3, 6, 1, 4, 7, 2, 5, 8 });
    expect_bits(ad_view(a, 3, 2, 3), 6, (int[]){ 3, 4, 5, 6, 7, 8 });
    expect_bits(ad_concat(a, ad_columns(a, 1, 2)), 15, (int[]){ 0, 1, 2, 1, 2, 3, 4, 5, 4, 5, 6, 7, 8, 7, 8 });
    expect_bits(ad_into_columns(a, 1, 4), 12, (int[]){ -1, 0, 1, 2, -1, 3, 4, 5, -1, 6, 7, 8 });
    expect_bits(ad_gather(a, index), 3, (int[]){ 2, 3, 7 });
    expect_bits(ad_ungather(ad_view(row, 6, 3, 1), index, 3), 9, (int[]){ -1, -1, 6, 7, -1, -1, -1, 8, -1 });
    expect_bits(ad_rows(row, 2), 18, (int[]){ 0, 1, 2, 3, 4, 5, 6, 7, 8, 0, 1, 2, 3, 4, 5, 6, 7, 8 });
    expect_bits(ad_cols(column, 2), 18, (int[]){ 0, 0, 1, 1, 2, 2, 3, 3, 4, 4, 5, 5, 6, 6, 7, 7, 8, 8 });
    expect_bits(ad_assemble(t, 3, 2, 2, (ad[]){ ad_view(a, 0, 3, 1), ad_view(a, 6, 3, 1) }, place, AD_AT), 6,
                (int[]){ 6, 7, 8, 0, 1, 2 });
    for (int k = 0; k < SPECIALS; k++)
        expect_bits(ad_spread(ad_view(row, k, 1, 1), 1, 3), 3, (int[]){ k, k, k });
    ad same[] = { ad_detach(a), ad_freeze(a), ad_copy(t, special, 3, 3), ad_detach(ad_freeze(ad_detach(a))) };
    for (int i = 0; i < COUNT(same); i++) expect_bits(same[i], 9, (int[]){ 0, 1, 2, 3, 4, 5, 6, 7, 8 });
    ad_tape_free(t);
}

/* ---- products: 0 NaN = 0 inf = NaN, at every small shape, in that row or column and in no other ---- */
static void test_nan_in_products(void **state)
{
    (void)state;
    static const int lengths[] = { 1, 2, 3, 4, 5, 6, 8, 17 };
    double A[17 * 17], B[17 * 17], zeros[17] = { 0 };
    for (int shape = 0; shape < COUNT(lengths) * COUNT(lengths) * COUNT(lengths); shape++) {
        int m = lengths[shape % COUNT(lengths)], n = lengths[shape / COUNT(lengths) % COUNT(lengths)];
        int k = lengths[shape / COUNT(lengths) / COUNT(lengths)], row = m / 2, column = n - 1, inner = k / 3;
        for (int way = 0; way < 12; way++) {
            bool ta = way & 1, tb = way & 2, in_a = way < 8;
            double bad = way & 4 ? I : Q;
            memset(A, 0, sizeof A);
            memset(B, 0, sizeof B);
            if (in_a) A[ta ? inner * m + row : row * k + inner] = bad;
            else      B[tb ? column * k + inner : inner * n + column] = bad;
            ad_tape *t = ad_tape_new();
            ad a = ad_input(t, A, ta ? k : m, ta ? m : k), b = ad_input(t, B, tb ? n : k, tb ? k : n);
            ad y[3] = { ad_matmul_t(ta, tb, a, b) };
            int results = 1;
            if (!ta && !tb)
                for (int f = AD_TANH; f <= AD_RELU; f++)
                    y[results++] = ad_dense(a, b, ad_input(t, zeros, 1, n), (enum ad_activation)f);
            for (int r = 0; r < results; r++)
                for (int i = 0; i < m * n; i++) {
                    bool nan = in_a ? i / n == row : i % n == column;
                    if (isnan(ad_value(y[r])[i]) != nan || (!nan && ad_value(y[r])[i] != 0))
                        fail_msg("%s [%d x %d x %d], transposed %d %d: entry %d is %g", y[r]->op->name, m, k, n,
                                 ta, tb, i, ad_value(y[r])[i]);
                }
            ad_tape_free(t);
        }
    }
}

/* What was NaN is not when run again on finite numbers: no operator reads its old result. */
static void test_nan_does_not_stay(void **state)
{
    (void)state;
    double x[16], y[16];
    static const int index[4] = { 3, 2, 1, 0 };
    for (int i = 0; i < 16; i++) x[i] = y[i] = NAN;
    ad_tape *t = ad_tape_new();
    ad a = ad_input(t, x, 4, 4), b = ad_input(t, y, 4, 4), all = ad_sum(a);
    ad nodes[] = { ad_exp(all), ad_add(a, b), ad_min(a, b), ad_relu(a), ad_clip(a, 0, 1), ad_matmul(a, b),
                   ad_transpose(a), ad_dot(a, b), ad_dense(a, b, ad_view(b, 0, 1, 4), AD_TANH), ad_row_sum(a),
                   ad_col_sum(a), ad_row_max(a), ad_log_softmax(a), ad_log_sum_exp(a),
                   ad_ungather(ad_gather(a, index), index, 4), ad_concat(a, b), ad_into_columns(a, 2, 7),
                   ad_at_max(ad_row_sum(a), b), ad_of_max(a, b), ad_square(all) };
    ad_plan plan = ad_slice(2, (const ad[]){ a, b }, COUNT(nodes), nodes);
    for (int i = 0; i < 16; i++) x[i] = y[i] = 0.01 * i;
    ad_run(&plan);                                  /* ends the program where a result is NaN */
    assert_true(fabs(ad_scalar(nodes[0]) - exp(1.2)) <= 1e-15 * 16);
    ad_tape_free(t);
}

/* ---- errors: what the one line on stderr must contain, beside the place of the call (0: it has none) ---- */
struct message { const char *op, *shapes, *detail; int line; };
static struct message expected;             /* filled in by the case that was asked for */

#define CASE(n, name, text, more, call)                                 \
    case n:                                                             \
        expected = (struct message){ name, text, more, __LINE__ };      \
        if (run) (void)(call);                                          \
        return true
#define SHAPES(n, name, text, call) CASE(n, name, text, "expected", call)

static const double numbers[6] = { 1, 2, 3, 4, 5, -1 }, zeros[6] = { 1, 1, 1, 1, 1, 0 };

/* Case `which`; with run set makes the call. False behind the last case. */
static bool bad_shape(int which, bool run)
{
    static const int index[] = { 1, 3, 0 }, negative[] = { 0, -1 };
    static ad_tape *t, *other;
    if (!t) t = ad_tape_new();
    if (!other) other = ad_tape_new();
    ad a = ad_input(t, numbers, 2, 3), b = ad_input(t, numbers, 3, 2), s = ad_eye(t, 2);
    ad column = ad_input(t, numbers, 3, 1), row = ad_input(t, numbers, 1, 3);
    ad scalar = ad_input(t, numbers, 1, 1), g[2];
    switch (which) {
    SHAPES(0, "ad_add", "[2 x 3] and [3 x 2]", ad_add(a, b));
    SHAPES(1, "ad_sub", "[3 x 1] and [1 x 3]", ad_sub(column, row));
    SHAPES(2, "ad_mul", "[1 x 3] and [3 x 1]", ad_mul(row, column));
    SHAPES(3, "ad_dot", "[2 x 3] and [1 x 1]", ad_dot(a, scalar));
    CASE(4, "ad_matmul", "[2 x 3] and [2 x 3]", "expected equal inner sizes\n", ad_matmul(a, a));
    CASE(5, "ad_matmul", "[2 x 3] and [3 x 2]", "inner sizes after transposing\n", ad_matmul_t(true, false, a, b));
    CASE(6, "ad_matmul", "[2 x 3] and [3 x 2]", "inner sizes after transposing\n", ad_matmul_t(false, true, a, b));
    SHAPES(7, "ad_matmul", "[2 x 3] and [2 x 3]", ad_matmul_t(true, true, a, a));
    SHAPES(8, "ad_solve", "[2 x 3] and [2 x 2]", ad_solve(a, s));
    SHAPES(9, "ad_solve", "[2 x 2] and [3 x 2]", ad_solve(s, b));
    SHAPES(10, "ad_solve", "[3 x 2] and [2 x 2]", ad_solve_t(b, s));
    SHAPES(11, "ad_solve", "[2 x 2] and [3 x 1]", ad_solve_t(s, column));
    CASE(12, "ad_view", "[2 x 3]", "found 6 entries from 1 on of 6\n", ad_view(a, 1, 2, 3));
    CASE(13, "ad_view", "[2 x 3]", "found 1 entries from -1 on of 6\n", ad_view(a, -1, 1, 1));
    SHAPES(14, "ad_view", "[2 x 3]", ad_view(a, 0, 0, 1));
    SHAPES(15, "ad_view", "[2 x 3]", ad_view(a, 0, 1, -1));
    SHAPES(16, "ad_rows", "[3 x 1]", ad_rows(column, 3));
    SHAPES(17, "ad_columns", "[2 x 3]", ad_columns(a, 2, 2));
    SHAPES(18, "ad_concat", "[2 x 3] and [3 x 2]", ad_concat(a, b));
    SHAPES(19, "ad_cols", "[1 x 3]", ad_cols(row, 3));
    SHAPES(20, "ad_cols", "[3 x 1]", ad_cols(column, 0));
    SHAPES(21, "ad_spread", "[3 x 1]", ad_spread(column, 3, 3));
    SHAPES(22, "ad_spread", "[1 x 1]", ad_spread(scalar, 2, 0));
    CASE(23, "ad_gather", "index[1] = 3", "expected 0 .. 2 (", ad_gather(a, index));
    SHAPES(24, "ad_gather", "index[1] = -1", ad_gather(a, negative));
    SHAPES(25, "ad_ungather", "[2 x 3]", ad_ungather(a, index, 3));
    CASE(26, "ad_ungather", "index[1] = 3", "expected 0 .. 2 (", ad_ungather(ad_row_sum(a), index, 3));
    SHAPES(27, "ad_ungather", "index[1] = -1", ad_ungather(ad_row_sum(a), negative, 3));
    SHAPES(28, "ad_grad", "[2 x 3]", ad_grad(a, a));
    SHAPES(29, "ad_grad", "[3 x 1]", ad_grad(column, scalar));
    SHAPES(30, "ad_vjp", "[2 x 3] and [3 x 2]", ad_vjp(a, a, b));
    SHAPES(31, "ad_input", "[0 x 3]", ad_input(t, numbers, 0, 3));
    SHAPES(32, "ad_input", "[2 x 0]", ad_constant(t, 1, 2, 0));
    SHAPES(33, "ad_input", "[-1 x -1]", ad_eye(t, -1));
    SHAPES(34, "ad_add", "nodes of one tape", ad_add(s, ad_eye(other, 2)));
    CASE(35, "ad_grad", "tapes", "different", ad_grad(scalar, ad_eye(other, 1)));
    SHAPES(36, "ad_input", "[65536 x 65536]", ad_constant(t, 1, 65536, 65536));
    SHAPES(37, "ad_grad", "[1 x 3]", (ad_grads(row, 2, (&(ad[2]){ row, a }[0]), g), row));
    SHAPES(38, "ad_div", "[2 x 3] and [3 x 2]", ad_div(a, b));
    SHAPES(39, "ad_min", "[2 x 3] and [1 x 1]", ad_min(a, scalar));
    SHAPES(40, "ad_max", "[1 x 1] and [2 x 3]", ad_max(scalar, a));
    SHAPES(41, "ad_less", "[1 x 3] and [3 x 1]", ad_less(row, column));
    SHAPES(42, "ad_where", "[2 x 2] and [2 x 3]", ad_where(s, a, a));
    SHAPES(43, "ad_where", "[2 x 3] and [3 x 2]", ad_where(a, a, b));
    SHAPES(44, "ad_smul", "[3 x 1] and [2 x 3]", ad_smul(column, a));
    SHAPES(45, "ad_dense", "[2 x 3] and [2 x 3]", ad_affine(a, a, row));
    SHAPES(46, "ad_dense", "[3 x 2] and [1 x 3]", ad_affine(a, b, row));
    SHAPES(47, "ad_dense", "[3 x 2] and [2 x 2]", ad_dense(a, b, s, AD_TANH));
    SHAPES(48, "ad_columns", "[2 x 3]", ad_columns(a, -1, 2));
    SHAPES(49, "ad_columns", "[2 x 3]", ad_columns(a, 1, 0));
    SHAPES(50, "ad_rows", "[1 x 3]", ad_rows(row, 0));
    SHAPES(51, "ad_clip", "bounds 2 and 1", ad_clip(a, 2, 1));
    SHAPES(52, "ad_clip", "bounds nan and 1", ad_clip(a, NAN, 1));
    SHAPES(53, "ad_keep", "[2 x 3] and [2 x 2]", ad_keep(a, s, true));
    SHAPES(54, "ad_at_max", "[3 x 1] and [2 x 3]", ad_at_max(column, a));
    SHAPES(55, "ad_of_max", "[2 x 3] and [2 x 2]", ad_of_max(a, s));
    SHAPES(56, "ad_jvp", "[2 x 3] and [2 x 2]", ad_jvp(row, a, s));
    SHAPES(57, "ad_ungather", "[2 x 1]", ad_ungather(ad_row_sum(a), index, 0));
    case 58: case 59: case 60:              /* these do not know who called them */
        expected = (struct message){ "ad_scalar", which == 58 ? "[2 x 3]" : which == 59 ? "[1 x 3]" : "[3 x 1]",
                                     "", 0 };
        if (run) ad_scalar(which == 58 ? a : which == 59 ? row : column);
        return true;
    case 61: case 62:
        expected = (struct message){ "ad_slice", which == 61 ? "0 inputs, 1 outputs" : "1 inputs, 0 outputs",
                                     "at least one of each", 0 };
        if (run) ad_slice(which != 61, &a, which == 61, &b);
        return true;
    SHAPES(63, "ad_dot", "[2 x 3] and [2 x 2]", ad_dot(a, s));
    SHAPES(64, "ad_dot", "[2 x 3] and [1 x 3]", ad_dot(a, row));
    SHAPES(65, "ad_add", "[2 x 3] and [2 x 2]", ad_add(a, s));
    SHAPES(66, "ad_add", "[2 x 3] and [1 x 3]", ad_add(a, row));
    SHAPES(67, "ad_where", "[2 x 3] and [2 x 2]", ad_where(a, a, s));
    SHAPES(68, "ad_where", "[2 x 3] and [1 x 3]", ad_where(a, a, row));
    SHAPES(69, "ad_vjp", "[2 x 3] and [2 x 2]", ad_vjp(a, a, s));
    SHAPES(70, "ad_vjp", "[2 x 3] and [1 x 3]", ad_vjp(a, a, row));
    CASE(71, "ad_vjp", "[2 x 2] and [2 x 2]", "on one tape", ad_vjp(s, s, ad_eye(other, 2)));
    SHAPES(72, "ad_jvp", "[2 x 3] and [1 x 3]", ad_jvp(a, a, row));
    CASE(73, "ad_jvp", "[2 x 2] and [2 x 2]", "on one tape", ad_jvp(s, s, ad_eye(other, 2)));
    CASE(74, "ad_smul", "[1 x 1] and [2 x 2]", "nodes of one tape", ad_smul(scalar, ad_eye(other, 2)));
    CASE(75, "ad_gather", "index[0] = 3", "expected 0 .. 2 (", ad_gather(a, index + 1));
    CASE(76, "ad_view", "[2 x 3]", "at least one row", ad_view(a, 0, -1, -1));
    CASE(77, "ad_columns", "[2 x 3]", "at least one row", ad_columns(a, 0, -1));
    }
    return false;
}

static void make_bad_shape(int which) { bad_shape(which, true); }

static void expect_line(struct ending end, bool aborted, int which)
{
    char place[40] = "";
    if (expected.line) snprintf(place, sizeof place, "test_ad_special.c:%d:", expected.line);
    const char *newline = strchr(end.err, '\n');
    bool ended = aborted ? WIFSIGNALED(end.status) && WTERMSIG(end.status) == SIGABRT
                         : WIFEXITED(end.status) && WEXITSTATUS(end.status) == 4;
    if (!ended || !strstr(end.err, expected.op) || !strstr(end.err, expected.shapes) ||
        !strstr(end.err, expected.detail) || !strstr(end.err, place) || !newline || newline[1])
        fail_msg("case %d: expected %s and a line with `%s`, `%s`, `%s`, `%s`; wait status %#x, stderr: %s", which,
                 aborted ? "abort()" : "exit 4", place, expected.op, expected.shapes, expected.detail,
                 (unsigned)end.status, end.err);
}

/* Every wrong shape ends in abort(), after one line with operator, shapes and the caller's place. */
static void test_shape_errors(void **state)
{
    (void)state;
    int n = 0;
    for (; bad_shape(n, false); n++) expect_line(run_child(make_bad_shape, n), true, n);
    assert_int_equal(n, 78);
}

/* [2 x 3], ones but for the last entry (1, 2) */
static ad ending_in(ad_tape *t, double last)
{
    const double value[6] = { 1, 1, 1, 1, 1, last };
    return ad_copy(t, value, 2, 3);
}

static ad slope(ad y, ad x)        { return ad_grad(ad_sum(y), x); }
static ad second_slope(ad y, ad x) { return slope(slope(y, x), x); }
static ad of_square(ad x)          { return slope(ad_square(x), x); }

/* Arguments outside a domain, and results that are not finite: exit 4. */
static bool bad_number(int which, bool run)
{
    static ad_tape *t;
    static double refilled[6] = { 1, 1, 1, 1, 1, 1 };
    static const double nan_last[6] = { 1, 1, 1, 1, 1, NAN };
    if (!t) t = ad_tape_new();
    ad a = ad_input(t, numbers, 2, 3), b = ad_input(t, zeros, 2, 3), x = ad_input(t, refilled, 2, 3), y = NULL;
    if (which == 9) y = ad_sum(ad_log(x));  /* refilled below: its place is this line */
    int line_9 = __LINE__ - 1;
    ad big = ending_in(t, 710), small = ending_in(t, 1e-300);
    ad_plan plan;
    switch (which) {
    CASE(0, "ad_log", "[2 x 3]", "entry (1, 2) of argument 1 is -1", ad_log(a));
    CASE(1, "ad_log", "[2 x 3]", "entry (1, 2) of argument 1 is 0", ad_log(b));
    CASE(2, "ad_log", "[3 x 2]", "entry (2, 1) of argument 1 is -1", ad_log(ad_view(a, 0, 3, 2)));
    CASE(3, "ad_sqrt", "[2 x 3]", "entry (1, 2) of argument 1 is -1", ad_sqrt(a));
    CASE(4, "ad_pow", "[2 x 3]", "entry (1, 2) of argument 1 is 0", ad_pow(b, 2));
    CASE(5, "ad_pow", "[2 x 3]", "entry (1, 2) of argument 1 is -1", ad_pow(a, -0.5));
    CASE(6, "ad_div", "[2 x 3]", "entry (1, 2) of argument 2 is 0", ad_div(a, b));
    CASE(7, "ad_div", "[2 x 3]", "entry (1, 2) of argument 2 is -0", ad_div(a, ad_neg(b)));
    CASE(8, "ad_div", "[2 x 3]", "entry (1, 2)", slope(ad_sqrt(b), b));
    case 9:                                 /* a replay leaves the domain */
        expected = (struct message){ "ad_log", "[2 x 3]", "entry (1, 2) of argument 1 is -3", line_9 };
        if (!run) return true;
        plan = ad_slice(1, &x, 1, &y);
        refilled[5] = -3;
        ad_run(&plan);
        return true;
    CASE(10, "ad_exp (ratio)", "[2 x 3]", "entry (1, 2) is inf", slope(ad_name(ad_exp(big), "ratio"), big));
    CASE(11, "ad_div", "[2 x 3]", "in a derivative", slope(ad_log(ad_scale(1e-10, small)), small));
    CASE(12, "ad_pow", "[2 x 3]", "in a derivative", second_slope(ad_pow(small, 0.5), small));
    CASE(13, "ad_input (batch)", "[2 x 3]", "is nan", of_square(ad_name(ad_input(t, nan_last, 2, 3), "batch")));
    case 14:                                /* a replay overflows */
        expected = (struct message){ "ad_exp", "[2 x 3]", "entry (1, 2) is inf", __LINE__ + 2 };
        if (!run) return true;
        y = ad_exp(x);
        plan = ad_slice(1, &x, 1, &y);
        refilled[5] = 710;
        ad_run(&plan);
        return true;
    CASE(15, "ad_exp", "[2 x 3]", "entry (1, 2) is inf", ad_jvp(ad_exp(big), big, a));
    /* and not the infinity beside it; a NaN where clip' = 0 */
    CASE(16, "ad_exp (mine)", "[2 x 3]", "is inf", (ad_exp(ending_in(t, 800)), slope(ad_name(ad_exp(big), "mine"), big)));
    CASE(17, "ad_input (y)", "[2 x 3]", "is nan", slope(ad_clip(ad_name(ad_input(t, nan_last, 2, 3), "y"), -1, 1), x));
    CASE(18, "ad_solve", "[2 x 2]", "not finite", ad_solve(ad_constant(t, NAN, 2, 2), ad_constant(t, 1, 2, 1)));
    }
    return false;
}

/* One NaN or infinity in n zeros is found, wherever it is, and named by its place. */
enum { MOST = 20 };
static void look_for_nan(int which)
{
    double w[MOST] = { 0 };
    int n = which / MOST + 1, at = which % MOST;
    w[at] = at % 2 ? NAN : -INFINITY;
    ad_tape *t = ad_tape_new();
    ad x = ad_input(t, w, n, 1);
    ad_vjp(x, x, x);
}

static void test_finds_not_finite(void **state)
{
    (void)state;
    for (int n = 1; n <= MOST; n++)
        for (int at = 0; at < n; at++) {
            char shape[40], entry[40];
            snprintf(shape, sizeof shape, "[%d x 1]", n);
            snprintf(entry, sizeof entry, "entry (%d, 0) is %s", at, at % 2 ? "nan" : "-inf");
            expect_end(run_child(look_for_nan, (n - 1) * MOST + at), 4, (const char *[]){ shape, entry }, 2);
        }
}

/* The largest shape there is; and J v is finite where J^T 1 is not. */
static void test_large_and_finite(void **state)
{
    (void)state;
    ad_tape *t = ad_tape_new();
    assert_int_equal(ad_nrows(ad_input(t, numbers, INT_MAX, 1)), INT_MAX);
    ad x = ad_constant(t, 1, 1, 1), y = ad_scale(1e308, ad_spread(x, 2, 1));
    ad Jv = ad_jvp(y, x, ad_constant(t, 0.5, 1, 1));
    assert_true(ad_value(Jv)[0] == 5e307 && ad_value(Jv)[1] == 5e307);
    ad_tape_free(t);
}

/* k a b c by each of its operands alone */
static void test_each_factor_alone(void **state)
{
    (void)state;
    ad_tape *t = ad_tape_new();
    ad x[3] = { ad_constant(t, 3, 1, 1), ad_constant(t, 5, 1, 1), ad_constant(t, 7, 1, 1) };
    static const double want[3] = { 2 * 5 * 7, 2 * 3 * 7, 2 * 3 * 5 };
    ad y = ad_mul3_(2, x[0], x[1], x[2], "");
    for (int i = 0; i < 3; i++) assert_true(ad_scalar(ad_grad(y, x[i])) == want[i]);
    ad_tape_free(t);
}

/* What stands where no maximum is: 0, not merely little. */
static void test_zeros_beside_maximum(void **state)
{
    (void)state;
    ad_tape *t = ad_tape_new();
    ad x = ad_input(t, numbers, 2, 3), g = ad_grad(ad_sum(ad_row_max(x)), x);      /* 1 2 3, 4 5 -1 */
    for (int i = 0; i < 6; i++) assert_true(ad_value(g)[i] == (i == 2 || i == 4));
    ad_tape_free(t);
}

static void make_bad_number(int which) { bad_number(which, true); }

static void test_numerical_errors(void **state)
{
    (void)state;
    int n = 0;
    for (; bad_number(n, false); n++) expect_line(run_child(make_bad_number, n), false, n);
    assert_int_equal(n, 19);
}

enum { ZERO, RANK_ONE, HILBERT, SINGULAR_KINDS };
static const int singular_line = __LINE__ + 1;
static ad solve_here(ad a, ad b) { return ad_solve(a, b); }

static void solve_singular(int which)
{
    double A[144];
    for (int i = 0; i < 144; i++) {
        int row = i / 12 + 1, column = i % 12 + 1;
        A[i] = which == ZERO ? 0 : which == RANK_ONE ? row * column : 1.0 / (row + column - 1);
    }
    ad_tape *t = ad_tape_new();
    solve_here(ad_input(t, A, 12, 12), ad_constant(t, 1, 12, 1));
}

/* Singular, and singular to working precision only (Hilbert of order 12: condition 4e16, no zero pivot):
 * exit 4 and the place of the call. */
static void test_singular_solve(void **state)
{
    (void)state;
    for (int kind = 0; kind < SINGULAR_KINDS; kind++) {
        expected = (struct message){ "ad_solve", "[12 x 12]", "singular", singular_line };
        expect_line(run_child(solve_singular, kind), false, kind);
    }
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_one_operand), cmocka_unit_test(test_clip_bounds), cmocka_unit_test(test_tails),
        cmocka_unit_test(test_several_operands),
        cmocka_unit_test(test_rows), cmocka_unit_test(test_masked_hessian),
        cmocka_unit_test(test_log_softmax_gaps), cmocka_unit_test(test_sums),
        cmocka_unit_test(test_moved_bits), cmocka_unit_test(test_tanh_near_1), cmocka_unit_test(test_nan_in_products),
        cmocka_unit_test(test_nan_does_not_stay), cmocka_unit_test(test_shape_errors),
        cmocka_unit_test(test_finds_not_finite), cmocka_unit_test(test_large_and_finite),
        cmocka_unit_test(test_zeros_beside_maximum), cmocka_unit_test(test_each_factor_alone),
        cmocka_unit_test(test_numerical_errors), cmocka_unit_test(test_singular_solve),
    };
    if (argc > 1) cmocka_set_test_filter(argv[1]);
    linalg_start();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
