/* The operators that work element by element: for each its forward rule, its VJP written with the same
 * operators, its entry (name, formula, forward, vjp), and the function that checks shapes and records it.
 * y = f(a, b); g is the adjoint of y; share[i] the adjoint's share of input i. */
#include "autodiff/ad_node.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "autodiff/require.h"
#include "autodiff/vector_math.h"

/* A VJP records its nodes at the place of the operator they belong to. */
#undef AD_AT
#define AD_AT y->at
#define A y->in[0]
#define B y->in[1]

_Noreturn void ad_shape_error(const char *at, const char *op, ad a, ad b, const char *expected)
{
    fprintf(stderr, "%s: ad_%s: [%d x %d]", at, op, a->r, a->c);
    if (b) fprintf(stderr, " and [%d x %d]", b->r, b->c);
    fprintf(stderr, ": expected %s\n", expected);
    abort();
}

_Noreturn void ad_domain_error(ad y, int input, int i, const char *expected)
{
    ad a = y->in[input];
    numerical_failure("%s: ad_%s, [%d x %d]: entry (%d, %d) of argument %d is %g: expected %s", y->at, y->op->name,
                      y->r, y->c, i / a->c, i % a->c, input + 1, a->value[i], expected);
}

/* The forward rule: every element of y from those of a (and b) at the same place. */
#define FORWARD(op, expression)                                         \
    static void op##_forward(ad y)                                      \
    {                                                                   \
        const double *a = A->value, *b = y->inputs > 1 ? B->value : a;  \
        double *out = y->value, k = y->k[0];                            \
        int n = AD_SIZE(y);                                             \
        (void)b; (void)k;                                               \
        VECTOR_LOOP                                                     \
        for (int i = 0; i < n; i++) out[i] = (expression);              \
    }
#define VJP(op) static void op##_vjp(ad y, ad g, ad share[])
#define ENTRY(op, formula, is) static const ad_op op_##op = { #op, formula, op##_forward, op##_vjp, is };
#define MASK(op, formula)      static const ad_op op_##op = { #op, formula, op##_forward, NULL, 0 };

/* ---- recording: shapes are equal ---- */
static ad unary(const ad_op *op, ad a, const char *at)
{
    return ad_compute(ad_record(op, a->r, a->c, 1, &a, at));
}

static ad with_number(const ad_op *op, ad a, double k, const char *at)
{
    ad y = ad_record(op, a->r, a->c, 1, &a, at);
    y->k[0] = k;
    return ad_compute(y);
}

static ad with_bounds(const ad_op *op, ad a, double lo, double hi, const char *at)
{
    ad y = ad_record(op, a->r, a->c, 1, &a, at);
    y->k[0] = lo;
    y->k[1] = hi;
    return ad_compute(y);
}

static ad binary(const ad_op *op, ad a, ad b, const char *at)
{
    if (a->r != b->r || a->c != b->c) ad_shape_error(at, op->name, a, b, "equal shapes");
    return ad_compute(ad_record(op, a->r, a->c, 2, (ad[]){ a, b }, at));
}

/* Every entry of input i is as the condition on x says; NaN is let through, to be found where it began. */
#define DOMAIN(input, condition, expected)                                                      \
    for (int j_ = 0; j_ < AD_SIZE(y); j_++) {                                                   \
        double x = y->in[input]->value[j_];                                                     \
        if (!(condition) && !isnan(x)) ad_domain_error(y, input, j_, expected);                 \
    }

/* ---- arithmetic ---- */
FORWARD(add, a[i] + b[i])
VJP(add) { (void)y; share[0] = share[1] = g; }
ENTRY(add, "a + b", AD_SUM)
ad ad_add_(ad a, ad b, const char *at) { return binary(&op_add, a, b, at); }

FORWARD(sub, a[i] - b[i])
VJP(sub)
{
    share[0] = g;
    if (ad_wants(y, 1)) share[1] = ad_neg(g);
}
ENTRY(sub, "a - b", 0)
ad ad_sub_(ad a, ad b, const char *at) { return binary(&op_sub, a, b, at); }

/*[snip mul-operator]*/
FORWARD(mul, a[i] * b[i])
VJP(mul)
{
    if (ad_wants(y, 0)) share[0] = ad_mul(g, B);
    if (ad_wants(y, 1)) share[1] = ad_mul(g, A);
}
/*[/snip]*/
ENTRY(mul, "a b", 0)
ad ad_mul_(ad a, ad b, const char *at) { return binary(&op_mul, a, b, at); }

static void div_forward(ad y)
{
    DOMAIN(1, x != 0, "a divisor other than 0")
    const double *a = A->value, *b = B->value;
    for (int i = 0; i < AD_SIZE(y); i++) y->value[i] = a[i] / b[i];
}
VJP(div)                                            /* a' = g / b,  b' = -g y / b */
{
    ad g_b = ad_div(g, B);
    share[0] = g_b;
    if (ad_wants(y, 1)) share[1] = ad_neg(ad_mul(g_b, y));
}
ENTRY(div, "a / b", AD_READS_Y)
ad ad_div_(ad a, ad b, const char *at) { return binary(&op_div, a, b, at); }

FORWARD(scale, k * a[i])
VJP(scale) { share[0] = ad_scale(y->k[0], g); }
ENTRY(scale, "k a", 0)
ad ad_scale_(double k, ad a, const char *at) { return with_number(&op_scale, a, k, at); }

FORWARD(shift, a[i] + k)
VJP(shift) { (void)y; share[0] = g; }
ENTRY(shift, "a + k", 0)
ad ad_shift_(ad a, double k, const char *at) { return with_number(&op_shift, a, k, at); }

/* ---- powers, exponentials ---- */
FORWARD(square, a[i] * a[i])
VJP(square) { share[0] = ad_scale(2, ad_mul(g, A)); }
ENTRY(square, "a^2", 0)
ad ad_square_(ad a, const char *at) { return unary(&op_square, a, at); }

static void pow_forward(ad y)
{
    DOMAIN(0, x > 0, "a base > 0")
    for (int i = 0; i < AD_SIZE(y); i++) y->value[i] = pow(A->value[i], y->k[0]);
}
VJP(pow)
{
    double k = y->k[0];
    if (k != 0) share[0] = ad_scale(k, ad_mul(g, ad_pow(A, k - 1)));
}
ENTRY(pow, "a^k", 0)
ad ad_pow_(ad a, double k, const char *at) { return with_number(&op_pow, a, k, at); }

FORWARD(exp, exp(a[i]))
VJP(exp) { share[0] = ad_mul(g, y); }
ENTRY(exp, "exp a", AD_READS_Y)
ad ad_exp_(ad a, const char *at) { return unary(&op_exp, a, at); }

static void log_forward(ad y)
{
    DOMAIN(0, x > 0, "an argument > 0")
    const double *a = A->value;
    double *out = y->value;
    int n = AD_SIZE(y);
    VECTOR_LOOP
    for (int i = 0; i < n; i++) out[i] = log(a[i]);
}
VJP(log) { share[0] = ad_div(g, A); }
ENTRY(log, "ln a", 0)
ad ad_log_(ad a, const char *at) { return unary(&op_log, a, at); }

static void sqrt_forward(ad y)
{
    DOMAIN(0, x >= 0, "an argument >= 0")
    for (int i = 0; i < AD_SIZE(y); i++) y->value[i] = sqrt(A->value[i]);
}
VJP(sqrt) { share[0] = ad_scale(0.5, ad_div(g, y)); }
ENTRY(sqrt, "sqrt a", AD_READS_Y)
ad ad_sqrt_(ad a, const char *at) { return unary(&op_sqrt, a, at); }

/* ---- activations ---- */
FORWARD(tanh, tanh(a[i]))
VJP(tanh) { share[0] = ad_dtanh(g, y); }
ENTRY(tanh, "tanh a", AD_READS_Y)
ad ad_tanh_(ad a, const char *at) { return unary(&op_tanh, a, at); }

/* tanh' with its adjoint: a = g, b = tanh; the second factor keeps its digits where tanh is near 1 */
FORWARD(dtanh, a[i] * ((1 - b[i]) * (1 + b[i])))
VJP(dtanh)
{
    if (ad_wants(y, 0)) share[0] = ad_dtanh(g, B);
    if (ad_wants(y, 1)) share[1] = ad_mul3(-2, g, A, B);
}
ENTRY(dtanh, "a (1 - b^2)", 0)
ad ad_dtanh_(ad g, ad tanh, const char *at) { return binary(&op_dtanh, g, tanh, at); }

static void mul3_forward(ad y)
{
    const double *a = A->value, *b = B->value, *c = y->in[2]->value;
    for (int i = 0; i < AD_SIZE(y); i++) y->value[i] = y->k[0] * a[i] * b[i] * c[i];
}
VJP(mul3)
{
    ad a = A, b = B, c = y->in[2];
    if (ad_wants(y, 0)) share[0] = ad_mul3(y->k[0], g, b, c);
    if (ad_wants(y, 1)) share[1] = ad_mul3(y->k[0], g, a, c);
    if (ad_wants(y, 2)) share[2] = ad_mul3(y->k[0], g, a, b);
}
ENTRY(mul3, "k a b c", 0)
ad ad_mul3_(double k, ad a, ad b, ad c, const char *at)
{
    ad y = ad_record(&op_mul3, a->r, a->c, 3, (ad[]){ a, b, c }, at);
    y->k[0] = k;
    return ad_compute(y);
}

FORWARD(sigmoid, 1 / (1 + exp(-a[i])))
VJP(sigmoid) { share[0] = ad_mul(g, ad_mul(y, ad_sigmoid(ad_neg(A)))); }       /* 1 - y without cancellation */
ENTRY(sigmoid, "1 / (1 + exp -a)", AD_READS_Y)
ad ad_sigmoid_(ad a, const char *at) { return unary(&op_sigmoid, a, at); }

static void softplus_forward(ad y)                  /* ln(1 + e^a) = max(a, 0) + ln(1 + e^-|a|) */
{
    const double *a = A->value;
    for (int i = 0; i < AD_SIZE(y); i++) y->value[i] = (a[i] > 0 ? a[i] : 0) + log1p(exp(-fabs(a[i])));
}
VJP(softplus) { share[0] = ad_mul(g, ad_sigmoid(A)); }
ENTRY(softplus, "ln(1 + exp a)", 0)
ad ad_softplus_(ad a, const char *at) { return unary(&op_softplus, a, at); }

/* ---- kinks: NaN goes through ---- */
FORWARD(relu, a[i] > 0 || isnan(a[i]) ? a[i] : 0)
VJP(relu) { share[0] = ad_keep(g, y, true); }       /* y != 0 exactly where a > 0 */
ENTRY(relu, "max(a, 0)", AD_READS_Y)
ad ad_relu_(ad a, const char *at) { return unary(&op_relu, a, at); }

FORWARD(abs, fabs(a[i]))
VJP(abs) { share[0] = ad_mul(g, ad_sign(A)); }
ENTRY(abs, "|a|", 0)
ad ad_abs_(ad a, const char *at) { return unary(&op_abs, a, at); }

FORWARD(min, b[i] < a[i] || isnan(b[i]) ? b[i] : a[i])
VJP(min)
{
    ad second = ad_less(B, A);
    if (ad_wants(y, 0)) share[0] = ad_keep(g, second, false);
    if (ad_wants(y, 1)) share[1] = ad_keep(g, second, true);
}
ENTRY(min, "min(a, b)", 0)
ad ad_min_(ad a, ad b, const char *at) { return binary(&op_min, a, b, at); }

FORWARD(max, b[i] > a[i] || isnan(b[i]) ? b[i] : a[i])
VJP(max)
{
    ad second = ad_less(A, B);
    if (ad_wants(y, 0)) share[0] = ad_keep(g, second, false);
    if (ad_wants(y, 1)) share[1] = ad_keep(g, second, true);
}
ENTRY(max, "max(a, b)", 0)
ad ad_max_(ad a, ad b, const char *at) { return binary(&op_max, a, b, at); }

/* PPO-3   clip(x, lo, hi) = min(max(x, lo), hi) */
static void clip_forward(ad y)
{
    const double *a = A->value, lo = y->k[0], hi = y->k[1];
    for (int i = 0; i < AD_SIZE(y); i++) y->value[i] = a[i] < lo ? lo : a[i] > hi ? hi : a[i];
}
VJP(clip) { share[0] = ad_keep(g, ad_inside(A, y->k[0], y->k[1]), true); }
ENTRY(clip, "clip(a, lo, hi)", 0)
ad ad_clip_(ad a, double lo, double hi, const char *at)
{
    require(lo <= hi, "%s: ad_clip: bounds %g and %g: expected the first to be at most the second", at, lo, hi);
    return with_bounds(&op_clip, a, lo, hi, at);
}

static void where_forward(ad y)
{
    const double *m = A->value, *a = B->value, *b = y->in[2]->value;
    for (int i = 0; i < AD_SIZE(y); i++) y->value[i] = m[i] != 0 ? a[i] : b[i];
}
VJP(where)
{
    if (ad_wants(y, 1)) share[1] = ad_keep(g, A, true);
    if (ad_wants(y, 2)) share[2] = ad_keep(g, A, false);
}
ENTRY(where, "a where m, else b", 0)
ad ad_where_(ad m, ad a, ad b, const char *at)
{
    if (m->r != a->r || m->c != a->c) ad_shape_error(at, "where", m, a, "equal shapes");
    if (a->r != b->r || a->c != b->c) ad_shape_error(at, "where", a, b, "equal shapes");
    return ad_compute(ad_record(&op_where, a->r, a->c, 3, (ad[]){ m, a, b }, at));
}

/* a where the mask b is set (or, with k = 0, where it is not), else 0, whatever a is there */
FORWARD(keep, (b[i] != 0) == (k != 0) ? a[i] : 0)
VJP(keep) { share[0] = ad_keep(g, B, y->k[0] != 0); }
ENTRY(keep, "a where b, else 0", 0)
ad ad_keep_(ad a, ad mask, bool where, const char *at)
{
    if (a->r != mask->r || a->c != mask->c) ad_shape_error(at, "keep", a, mask, "equal shapes");
    ad y = ad_record(&op_keep, a->r, a->c, 2, (ad[]){ a, mask }, at);
    y->k[0] = where;
    return ad_compute(y);
}

/* ---- masks ---- */
FORWARD(less, a[i] < b[i])
MASK(less, "a < b")
ad ad_less_(ad a, ad b, const char *at) { return binary(&op_less, a, b, at); }

FORWARD(inside, y->k[0] <= a[i] && a[i] <= y->k[1])
MASK(inside, "lo <= a <= hi")
ad ad_inside_(ad a, double lo, double hi, const char *at) { return with_bounds(&op_inside, a, lo, hi, at); }

FORWARD(sign, (a[i] > 0) - (a[i] < 0))
MASK(sign, "sign a")
ad ad_sign_(ad a, const char *at) { return unary(&op_sign, a, at); }
