/* The operators: for each its forward rule, its VJP written with the same operators, its entry in the
 * table (name, forward, vjp), and the function that checks shapes and records it. y = f(a, b); g is the
 * adjoint of y; vjp(y, g, i) is the adjoint's share of input i. Formulas and shapes: ad.h. */
#include "autodiff/ad_node.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "autodiff/linalg.h"
#include "autodiff/require.h"

#define EACH(y, i) for (int i = 0, n_ = (y)->r * (y)->c; i < n_; i++)

static _Noreturn void shape_error(const char *at, const char *op, ad a, ad b, const char *expected)
{
    fprintf(stderr, "%s: ad_%s: [%d x %d]", at, op, a->r, a->c);
    if (b) fprintf(stderr, " and [%d x %d]", b->r, b->c);
    fprintf(stderr, ": expected %s\n", expected);
    abort();
}

/* Records y = op(a, b) of shape r x c; computed() fills it in once its attributes are set. */
static ad record(const ad_op *op, int r, int c, ad a, ad b, const char *at)
{
    if (b && b->tape != a->tape) shape_error(at, op->name, a, b, "nodes of one tape");
    if (r < 1 || c < 1) shape_error(at, op->name, a, b, "a result with at least one row and column");
    return ad_node_new(a->tape, op, r, c, a, b, at);
}

static ad computed(ad y)
{
    y->op->forward(y);
    return y;
}

/* ---- leaves: no forward rule, and no VJP, so adjoints end here ---- */
static const ad_op op_input = { "input", NULL, NULL };

static ad leaf(ad_tape *t, int r, int c, const char *at)
{
    require(r >= 1 && c >= 1, "%s: a leaf of [%d x %d]: expected at least one row and column", at, r, c);
    return ad_node_new(t, &op_input, r, c, NULL, NULL, at);
}

ad ad_input_(ad_tape *t, const double *p, int r, int c, const char *at)
{
    ad y = leaf(t, r, c, at);
    memcpy(y->value, p, (size_t)r * (size_t)c * sizeof *p);
    return y;
}

ad ad_constant_(ad_tape *t, double k, int r, int c, const char *at)
{
    ad y = leaf(t, r, c, at);
    EACH(y, i) y->value[i] = k;
    return y;
}

ad ad_eye_(ad_tape *t, int n, const char *at)
{
    ad y = ad_constant_(t, 0, n, n, at);
    for (int i = 0; i < n; i++) y->value[i * n + i] = 1;
    return y;
}

/* ---- elementwise ---- */
static void add_forward(ad y) { EACH(y, i) y->value[i] = y->in[0]->value[i] + y->in[1]->value[i]; }
static void sub_forward(ad y) { EACH(y, i) y->value[i] = y->in[0]->value[i] - y->in[1]->value[i]; }
static void mul_forward(ad y) { EACH(y, i) y->value[i] = y->in[0]->value[i] * y->in[1]->value[i]; }
static void scale_forward(ad y) { EACH(y, i) y->value[i] = y->k * y->in[0]->value[i]; }
static void exp_forward(ad y) { EACH(y, i) y->value[i] = exp(y->in[0]->value[i]); }

static ad add_vjp(ad y, ad g, int i)   { (void)y; (void)i; return g; }
static ad sub_vjp(ad y, ad g, int i)   { (void)y; return i == 0 ? g : ad_scale(-1, g); }
static ad mul_vjp(ad y, ad g, int i)   { return ad_mul(g, y->in[1 - i]); }
static ad scale_vjp(ad y, ad g, int i) { (void)i; return ad_scale(y->k, g); }
static ad exp_vjp(ad y, ad g, int i)   { (void)i; return ad_mul(g, y); }

static const ad_op op_add   = { "add",   add_forward,   add_vjp };
static const ad_op op_sub   = { "sub",   sub_forward,   sub_vjp };
static const ad_op op_mul   = { "mul",   mul_forward,   mul_vjp };
static const ad_op op_scale = { "scale", scale_forward, scale_vjp };
static const ad_op op_exp   = { "exp",   exp_forward,   exp_vjp };

static ad elementwise(const ad_op *op, ad a, ad b, const char *at)
{
    if (a->r != b->r || a->c != b->c) shape_error(at, op->name, a, b, "equal shapes");
    return computed(record(op, a->r, a->c, a, b, at));
}

ad ad_add_(ad a, ad b, const char *at) { return elementwise(&op_add, a, b, at); }
ad ad_sub_(ad a, ad b, const char *at) { return elementwise(&op_sub, a, b, at); }
ad ad_mul_(ad a, ad b, const char *at) { return elementwise(&op_mul, a, b, at); }
ad ad_exp_(ad a, const char *at)       { return computed(record(&op_exp, a->r, a->c, a, NULL, at)); }

ad ad_scale_(double k, ad a, const char *at)
{
    ad y = record(&op_scale, a->r, a->c, a, NULL, at);
    y->k = k;
    return computed(y);
}

/* ---- parts of a vector: view takes rc entries from the offset on, unview puts them back into zeros ---- */
static void view_forward(ad y) { EACH(y, i) y->value[i] = y->in[0]->value[y->offset + i]; }

static void unview_forward(ad y)
{
    ad a = y->in[0];
    memset(y->value, 0, (size_t)y->r * (size_t)y->c * sizeof *y->value);
    EACH(a, i) y->value[y->offset + i] = a->value[i];
}

static ad view_vjp(ad y, ad g, int i)   { return ad_unview(g, y->offset, y->in[i]->r, y->in[i]->c); }
static ad unview_vjp(ad y, ad g, int i) { return ad_view(g, y->offset, y->in[i]->r, y->in[i]->c); }

static const ad_op op_view   = { "view",   view_forward,   view_vjp };
static const ad_op op_unview = { "unview", unview_forward, unview_vjp };

/* A part of n entries from the offset on must lie inside a whole of that many. */
static void check_part(const char *at, const char *op, ad a, int offset, long n, long whole)
{
    char expected[96];
    snprintf(expected, sizeof expected, "a part inside, found %ld entries from %d on of %ld", n, offset, whole);
    if (offset < 0 || n < 1 || offset + n > whole) shape_error(at, op, a, NULL, expected);
}

ad ad_view_(ad a, int offset, int r, int c, const char *at)
{
    check_part(at, "view", a, offset, r < 1 || c < 1 ? 0 : (long)r * c, (long)a->r * a->c);
    ad y = record(&op_view, r, c, a, NULL, at);
    y->offset = offset;
    return computed(y);
}

ad ad_unview_(ad a, int offset, int r, int c, const char *at)
{
    check_part(at, "unview", a, offset, (long)a->r * a->c, r < 1 || c < 1 ? 0 : (long)r * c);
    ad y = record(&op_unview, r, c, a, NULL, at);
    y->offset = offset;
    return computed(y);
}

/* ---- spreading and summing: each is the other's transpose ---- */
static void cols_forward(ad y)   { EACH(y, i) y->value[i] = y->in[0]->value[i / y->c]; }
static void spread_forward(ad y) { EACH(y, i) y->value[i] = y->in[0]->value[0]; }

static void row_sum_forward(ad y)
{
    ad a = y->in[0];
    for (int i = 0; i < a->r; i++) {
        y->value[i] = 0;
        for (int j = 0; j < a->c; j++) y->value[i] += a->value[i * a->c + j];
    }
}

static void sum_forward(ad y)
{
    ad a = y->in[0];
    y->value[0] = 0;
    EACH(a, i) y->value[0] += a->value[i];
}

static ad cols_vjp(ad y, ad g, int i)    { (void)y; (void)i; return ad_row_sum(g); }
static ad row_sum_vjp(ad y, ad g, int i) { return ad_cols(g, y->in[i]->c); }
static ad spread_vjp(ad y, ad g, int i)  { (void)y; (void)i; return ad_sum(g); }
static ad sum_vjp(ad y, ad g, int i)     { return ad_spread(g, y->in[i]->r, y->in[i]->c); }

static const ad_op op_cols    = { "cols",    cols_forward,    cols_vjp };
static const ad_op op_row_sum = { "row_sum", row_sum_forward, row_sum_vjp };
static const ad_op op_spread  = { "spread",  spread_forward,  spread_vjp };
static const ad_op op_sum     = { "sum",     sum_forward,     sum_vjp };

ad ad_cols_(ad a, int n, const char *at)
{
    if (a->c != 1) shape_error(at, "cols", a, NULL, "one column");
    return computed(record(&op_cols, a->r, n, a, NULL, at));
}

ad ad_spread_(ad a, int r, int c, const char *at)
{
    if (a->r != 1 || a->c != 1) shape_error(at, "spread", a, NULL, "[1 x 1]");
    return computed(record(&op_spread, r, c, a, NULL, at));
}

ad ad_row_sum_(ad a, const char *at) { return computed(record(&op_row_sum, a->r, 1, a, NULL, at)); }
ad ad_sum_(ad a, const char *at)     { return computed(record(&op_sum, 1, 1, a, NULL, at)); }

/* ---- y = op(a) op(b), op = transpose where ta, tb ---- */
static void matmul_forward(ad y)
{
    ad a = y->in[0];
    linalg_matmul(y->ta, y->tb, y->r, y->c, y->ta ? a->r : a->c, a->value, y->in[1]->value, y->value);
}

static ad matmul_vjp(ad y, ad g, int i)     /* op(a)' = g op(b)^T, op(b)' = op(a)^T g; transposed back */
{
    ad a = y->in[0], b = y->in[1];
    if (i == 0) return y->ta ? ad_matmul_t(y->tb, true, b, g) : ad_matmul_t(false, !y->tb, g, b);
    return y->tb ? ad_matmul_t(true, y->ta, g, a) : ad_matmul_t(!y->ta, false, a, g);
}

static const ad_op op_matmul = { "matmul", matmul_forward, matmul_vjp };

ad ad_matmul_(bool ta, bool tb, ad a, ad b, const char *at)
{
    if ((ta ? a->r : a->c) != (tb ? b->c : b->r))
        shape_error(at, "matmul", a, b, ta || tb ? "equal inner sizes after transposing" : "equal inner sizes");
    ad y = record(&op_matmul, ta ? a->c : a->r, tb ? b->r : b->c, a, b, at);
    y->ta = ta;
    y->tb = tb;
    return computed(y);
}

/* ---- y = op(a)^{-1} b ---- */
static void solve_forward(ad y)
{
    linalg_lu *f = linalg_lu_new(y->r);
    enum linalg_outcome outcome = linalg_lu_factor(f, y->in[0]->value);
    double rcond = f->rcond;
    if (outcome == LINALG_OK) linalg_lu_solve(f, y->ta, y->c, y->in[1]->value, y->value);
    linalg_lu_free(f);
    if (outcome == LINALG_SINGULAR)
        numerical_failure("%s: ad_solve: the [%d x %d] matrix is singular to working precision (rcond %.1e)",
                          y->at, y->r, y->r, rcond);
}

static ad solve_vjp(ad y, ad g, int i)      /* b' = op(a)^{-T} g;  op(a)' = -b' y^T, transposed back */
{
    ad b_bar = y->ta ? ad_solve(y->in[0], g) : ad_solve_t(y->in[0], g);
    if (i == 1) return b_bar;
    return ad_scale(-1, y->ta ? ad_matmul_t(false, true, y, b_bar) : ad_matmul_t(false, true, b_bar, y));
}

static const ad_op op_solve = { "solve", solve_forward, solve_vjp };

ad ad_solve_(bool transposed, ad a, ad b, const char *at)
{
    if (a->r != a->c || a->r != b->r) shape_error(at, "solve", a, b, "a square matrix and as many rows");
    ad y = record(&op_solve, b->r, b->c, a, b, at);
    y->ta = transposed;
    return computed(y);
}

/* ---- y[i,j] = a[i,j] - ln sum_k e^a[i,k]: the row's maximum is taken out first, so nothing overflows ---- */
static void log_softmax_forward(ad y)
{
    for (int i = 0; i < y->r; i++) {
        const double *a = y->in[0]->value + (size_t)i * (size_t)y->c;
        double *out = y->value + (size_t)i * (size_t)y->c, max = a[0], sum = 0;
        for (int j = 1; j < y->c; j++) max = a[j] > max ? a[j] : max;
        for (int j = 0; j < y->c; j++) sum += exp(a[j] - max);
        for (int j = 0; j < y->c; j++) out[j] = (a[j] - max) - log(sum);
    }
}

static ad log_softmax_vjp(ad y, ad g, int i)            /* g - softmax(a) sum_j g[:,j] */
{
    (void)i;
    return ad_sub(g, ad_mul(ad_exp(y), ad_cols(ad_row_sum(g), y->c)));
}

static const ad_op op_log_softmax = { "log_softmax", log_softmax_forward, log_softmax_vjp };

ad ad_log_softmax_(ad a, const char *at) { return computed(record(&op_log_softmax, a->r, a->c, a, NULL, at)); }

/* ---- one entry of each row, and back ---- */
static void gather_forward(ad y) { EACH(y, i) y->value[i] = y->in[0]->value[i * y->in[0]->c + y->index[i]]; }

static void ungather_forward(ad y)
{
    memset(y->value, 0, (size_t)y->r * (size_t)y->c * sizeof *y->value);
    for (int i = 0; i < y->r; i++) y->value[i * y->c + y->index[i]] = y->in[0]->value[i];
}

static ad gather_vjp(ad y, ad g, int i)   { return ad_ungather(g, y->index, y->in[i]->c); }
static ad ungather_vjp(ad y, ad g, int i) { (void)i; return ad_gather(g, y->index); }

static const ad_op op_gather   = { "gather",   gather_forward,   gather_vjp };
static const ad_op op_ungather = { "ungather", ungather_forward, ungather_vjp };

static ad indexed(ad y, const int *index, int n, int c)     /* index [n], each in 0 .. c-1 */
{
    int *copy = ad_tape_alloc(y->tape, (size_t)n * sizeof *copy);
    for (int i = 0; i < n; i++) {
        require(0 <= index[i] && index[i] < c, "%s: ad_%s: index[%d] = %d, expected 0 .. %d", y->at,
                y->op->name, i, index[i], c - 1);
        copy[i] = index[i];
    }
    y->index = copy;
    return computed(y);
}

ad ad_gather_(ad a, const int *index, const char *at)
{
    return indexed(record(&op_gather, a->r, 1, a, NULL, at), index, a->r, a->c);
}

ad ad_ungather_(ad a, const int *index, int c, const char *at)
{
    if (a->c != 1) shape_error(at, "ungather", a, NULL, "one column");
    return indexed(record(&op_ungather, a->r, c, a, NULL, at), index, a->r, c);
}

/* ---- y = a, a constant to every derivative: no VJP ---- */
static void detach_forward(ad y) { EACH(y, i) y->value[i] = y->in[0]->value[i]; }
static const ad_op op_detach = { "detach", detach_forward, NULL };

ad ad_detach_(ad a, const char *at) { return computed(record(&op_detach, a->r, a->c, a, NULL, at)); }
