/* The operators on whole matrices: see ad_elementwise.c for how an operator is written. */
#include "autodiff/ad_node.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "autodiff/linalg.h"
#include "autodiff/require.h"
#include "autodiff/vector_math.h"

#undef AD_AT
#define AD_AT y->at
#define A y->in[0]
#define B y->in[1]

#define VJP(op) static void op##_vjp(ad y, ad g, ad share[])
#define ENTRY(op, formula, is) static const ad_op op_##op = { #op, formula, op##_forward, op##_vjp, is };

static ad unary(const ad_op *op, ad a, int r, int c, const char *at)
{
    return ad_compute(ad_record(op, r, c, 1, &a, at));
}

static double *row(ad a, int i) { return a->value + (size_t)i * (size_t)a->c; }

/* ---- parts of a vector ---- */
VJP(view)
{
    (void)share;
    if (ad_wants(y, 0)) ad_collect(y, g);
}
static const ad_op op_view = { "view", "a[o .. o+rc)", NULL, view_vjp, AD_INSIDE };

ad ad_view_(ad a, int offset, int r, int c, const char *at)
{
    ad y = ad_record(&op_view, r, c, 1, &a, at);
    if (offset < 0 || offset > AD_SIZE(a) - AD_SIZE(y)) {
        char expected[96];
        snprintf(expected, sizeof expected, "a part inside, found %d entries from %d on of %d", AD_SIZE(y), offset,
                 AD_SIZE(a));
        ad_shape_error(at, "view", a, NULL, expected);
    }
    y->offset = offset;
    return ad_compute(y);
}

/* ---- products ---- */
static void dot_forward(ad y)
{
    const double *a = A->value, *b = B->value;
    double sum = 0;
    int n = AD_SIZE(A);
    #pragma omp simd reduction(+:sum)
    for (int i = 0; i < n; i++) sum += a[i] * b[i];
    y->value[0] = sum;
}
VJP(dot)
{
    if (ad_wants(y, 0)) share[0] = ad_smul(g, B);
    if (ad_wants(y, 1)) share[1] = ad_smul(g, A);
}
ENTRY(dot, "<a, b>", 0)

ad ad_dot_(ad a, ad b, const char *at)
{
    if (a->r != b->r || a->c != b->c) ad_shape_error(at, "dot", a, b, "equal shapes");
    return ad_compute(ad_record(&op_dot, 1, 1, 2, (ad[]){ a, b }, at));
}

static void smul_forward(ad y)
{
    const double k = A->value[0], *b = B->value;
    for (int i = 0; i < AD_SIZE(y); i++) y->value[i] = k * b[i];
}
VJP(smul)
{
    if (ad_wants(y, 0)) share[0] = ad_dot(g, B);
    if (ad_wants(y, 1)) share[1] = ad_smul(A, g);
}
ENTRY(smul, "k a", 0)

ad ad_smul_(ad k, ad a, const char *at)
{
    if (k->r != 1 || k->c != 1) ad_shape_error(at, "smul", k, a, "[1 x 1] first");
    return ad_compute(ad_record(&op_smul, a->r, a->c, 2, (ad[]){ k, a }, at));
}

static void matmul_forward(ad y)                    /* y = op(a) op(b) */
{
    (y->onto ? linalg_matmul_add : linalg_matmul)(y->ta, y->tb, y->r, y->c, y->ta ? A->r : A->c, A->value, B->value,
                                                  y->value);
}
VJP(matmul)                                         /* op(a)' = g op(b)^T, op(b)' = op(a)^T g; transposed back */
{
    ad a = A, b = B;
    if (ad_wants(y, 0)) share[0] = y->ta ? ad_matmul_t(y->tb, true, b, g) : ad_matmul_t(false, !y->tb, g, b);
    if (ad_wants(y, 1)) share[1] = y->tb ? ad_matmul_t(true, y->ta, g, a) : ad_matmul_t(!y->ta, false, a, g);
}
ENTRY(matmul, "op(a) op(b)", AD_ADDS)

ad ad_matmul_(bool ta, bool tb, ad a, ad b, const char *at)
{
    if ((ta ? a->r : a->c) != (tb ? b->c : b->r))
        ad_shape_error(at, "matmul", a, b, ta || tb ? "equal inner sizes after transposing" : "equal inner sizes");
    ad y = ad_record(&op_matmul, ta ? a->c : a->r, tb ? b->r : b->c, 2, (ad[]){ a, b }, at);
    y->ta = ta;
    y->tb = tb;
    return ad_compute(y);
}

static void dense_forward(ad y)                     /* y = f(x W + 1 b) */
{
    linalg_matmul(false, false, y->r, y->c, A->c, A->value, B->value, y->value);
    const double *b = y->in[2]->value;
    int n = y->c;
    for (int i = 0; i < y->r; i++) {
        double *z = row(y, i);
        switch (y->f) {
        case AD_LINEAR:
            for (int j = 0; j < n; j++) z[j] += b[j];
            break;
        case AD_TANH:
            VECTOR_LOOP
            for (int j = 0; j < n; j++) z[j] = tanh(z[j] + b[j]);
            break;
        case AD_RELU:
            for (int j = 0; j < n; j++) {
                double a = z[j] + b[j];
                z[j] = a > 0 || isnan(a) ? a : 0;
            }
            break;
        }
    }
}
VJP(dense)                                          /* z' = f'(z) g;  x' = z' W^T,  W' = x^T z',  b' = 1^T z' */
{
    ad z_bar = y->f == AD_TANH ? ad_dtanh(g, y) : y->f == AD_RELU ? ad_keep(g, y, true) : g;
    if (ad_wants(y, 0)) share[0] = ad_matmul_t(false, true, z_bar, B);
    if (ad_wants(y, 1)) share[1] = ad_matmul_t(true, false, A, z_bar);
    if (ad_wants(y, 2)) share[2] = ad_col_sum(z_bar);
}
ENTRY(dense, "f(x W + 1 b)", AD_READS_Y)

ad ad_dense_(ad x, ad W, ad b, enum ad_activation f, const char *at)
{
    if (x->c != W->r) ad_shape_error(at, "dense", x, W, "as many columns of x as rows of W");
    if (b->r != 1 || b->c != W->c) ad_shape_error(at, "dense", W, b, "b as one row of W's width");
    ad y = ad_record(&op_dense, x->r, W->c, 3, (ad[]){ x, W, b }, at);
    y->f = f;
    return ad_compute(y);
}

static void solve_forward(ad y)                     /* y = op(a)^{-1} b */
{
    if (!isfinite(linalg_max_abs(AD_SIZE(A), A->value)))
        numerical_failure("%s: ad_solve: the [%d x %d] matrix has an entry that is not finite", y->at, y->r, y->r);
    linalg_lu *f = linalg_lu_new(y->r);
    enum linalg_outcome outcome = linalg_lu_factor(f, A->value);
    double rcond = f->rcond;
    if (outcome == LINALG_OK) linalg_lu_solve(f, y->ta, y->c, B->value, y->value);
    linalg_lu_free(f);
    if (outcome == LINALG_SINGULAR)
        numerical_failure("%s: ad_solve: the [%d x %d] matrix is singular to working precision (rcond %.1e)",
                          y->at, y->r, y->r, rcond);
}
VJP(solve)                                          /* b' = op(a)^{-T} g;  op(a)' = -b' y^T, transposed back */
{
    ad b_bar = y->ta ? ad_solve(A, g) : ad_solve_t(A, g);
    share[1] = b_bar;
    if (ad_wants(y, 0))
        share[0] = ad_neg(y->ta ? ad_matmul_t(false, true, y, b_bar) : ad_matmul_t(false, true, b_bar, y));
}
ENTRY(solve, "op(a)^-1 b", AD_READS_Y)

ad ad_solve_(bool transposed, ad a, ad b, const char *at)
{
    if (a->r != a->c || a->r != b->r) ad_shape_error(at, "solve", a, b, "a square matrix and as many rows");
    ad y = ad_record(&op_solve, b->r, b->c, 2, (ad[]){ a, b }, at);
    y->ta = transposed;
    return ad_compute(y);
}

/* ---- sums and spreads: each is the other's transpose ---- */
static void sum_forward(ad y)
{
    const double *a = A->value;
    double sum = 0;
    int n = AD_SIZE(A);
    #pragma omp simd reduction(+:sum)
    for (int i = 0; i < n; i++) sum += a[i];
    y->value[0] = sum;
}
VJP(sum) { share[0] = ad_spread(g, A->r, A->c); }
ENTRY(sum, "sum a", 0)
ad ad_sum_(ad a, const char *at)  { return unary(&op_sum, a, 1, 1, at); }
ad ad_mean_(ad a, const char *at) { return ad_scale_(1.0 / AD_SIZE(a), ad_sum_(a, at), at); }

static void spread_forward(ad y)
{
    for (int i = 0; i < AD_SIZE(y); i++) y->value[i] = A->value[0];
}
VJP(spread) { (void)y; share[0] = ad_sum(g); }
ENTRY(spread, "a everywhere", 0)

ad ad_spread_(ad a, int r, int c, const char *at)
{
    if (a->r != 1 || a->c != 1) ad_shape_error(at, "spread", a, NULL, "[1 x 1]");
    return unary(&op_spread, a, r, c, at);
}

static void row_sum_forward(ad y)
{
    for (int i = 0; i < y->r; i++) {
        double sum = 0;
        for (int j = 0; j < A->c; j++) sum += row(A, i)[j];
        y->value[i] = sum;
    }
}
VJP(row_sum) { share[0] = ad_cols(g, A->c); }
ENTRY(row_sum, "sum_j a[i,j]", 0)
ad ad_row_sum_(ad a, const char *at) { return unary(&op_row_sum, a, a->r, 1, at); }

static void cols_forward(ad y)
{
    for (int i = 0; i < y->r; i++)
        for (int j = 0; j < y->c; j++) row(y, i)[j] = A->value[i];
}
VJP(cols) { (void)y; share[0] = ad_row_sum(g); }
ENTRY(cols, "a[i] in each column", 0)

ad ad_cols_(ad a, int c, const char *at)
{
    if (a->c != 1) ad_shape_error(at, "cols", a, NULL, "one column");
    return unary(&op_cols, a, a->r, c, at);
}

static void col_sum_forward(ad y)
{
    double *out = y->value;
    memcpy(out, A->value, (size_t)y->c * sizeof *out);
    for (int i = 1; i < A->r; i++)
        for (int j = 0; j < y->c; j++) out[j] += row(A, i)[j];
}
VJP(col_sum) { share[0] = ad_rows(g, A->r); }
ENTRY(col_sum, "sum_i a[i,j]", 0)
ad ad_col_sum_(ad a, const char *at) { return unary(&op_col_sum, a, 1, a->c, at); }

static void rows_forward(ad y)
{
    for (int i = 0; i < y->r; i++) memcpy(row(y, i), A->value, (size_t)y->c * sizeof(double));
}
VJP(rows) { (void)y; share[0] = ad_col_sum(g); }
ENTRY(rows, "a[j] in each row", 0)

ad ad_rows_(ad a, int r, const char *at)
{
    if (a->r != 1) ad_shape_error(at, "rows", a, NULL, "one row");
    return unary(&op_rows, a, r, a->c, at);
}

/* ---- rearranging ---- */
static void transpose_forward(ad y)
{
    for (int i = 0; i < y->r; i++)
        for (int j = 0; j < y->c; j++) row(y, i)[j] = row(A, j)[i];
}
VJP(transpose) { (void)y; share[0] = ad_transpose(g); }
ENTRY(transpose, "a^T", 0)
ad ad_transpose_(ad a, const char *at) { return unary(&op_transpose, a, a->c, a->r, at); }

static void concat_forward(ad y)
{
    for (int i = 0; i < y->r; i++) {
        memcpy(row(y, i), row(A, i), (size_t)A->c * sizeof(double));
        memcpy(row(y, i) + A->c, row(B, i), (size_t)B->c * sizeof(double));
    }
}
VJP(concat)
{
    if (ad_wants(y, 0)) share[0] = ad_columns(g, 0, A->c);
    if (ad_wants(y, 1)) share[1] = ad_columns(g, A->c, B->c);
}
ENTRY(concat, "(a b)", 0)

ad ad_concat_(ad a, ad b, const char *at)
{
    if (a->r != b->r) ad_shape_error(at, "concat", a, b, "as many rows");
    return ad_compute(ad_record(&op_concat, a->r, a->c + b->c, 2, (ad[]){ a, b }, at));
}

static void columns_forward(ad y)
{
    for (int i = 0; i < y->r; i++) memcpy(row(y, i), row(A, i) + y->offset, (size_t)y->c * sizeof(double));
}
VJP(columns) { share[0] = ad_into_columns(g, y->offset, A->c); }
ENTRY(columns, "columns of a", 0)

static ad columns(const ad_op *op, ad a, int j, int c, const char *at)
{
    ad y = ad_record(op, a->r, c, 1, &a, at);
    y->offset = j;
    return ad_compute(y);
}

ad ad_columns_(ad a, int j, int c, const char *at)
{
    if (j < 0 || c > a->c - j) ad_shape_error(at, "columns", a, NULL, "columns inside");
    return columns(&op_columns, a, j, c, at);
}

static void into_columns_forward(ad y)
{
    memset(y->value, 0, (size_t)AD_SIZE(y) * sizeof(double));
    for (int i = 0; i < y->r; i++) memcpy(row(y, i) + y->offset, row(A, i), (size_t)A->c * sizeof(double));
}
VJP(into_columns) { share[0] = ad_columns(g, y->offset, A->c); }
ENTRY(into_columns, "a among zeros", 0)
ad ad_into_columns_(ad a, int j, int c, const char *at) { return columns(&op_into_columns, a, j, c, at); }

/* ---- one entry of each row, and back ---- */
static void check_index(ad y, int c)
{
    for (int i = 0; i < y->r; i++)
        require(0 <= y->index[i] && y->index[i] < c, "%s: ad_%s: index[%d] = %d, expected 0 .. %d", y->at,
                y->op->name, i, y->index[i], c - 1);
}

static void gather_forward(ad y)
{
    check_index(y, A->c);
    for (int i = 0; i < y->r; i++) y->value[i] = row(A, i)[y->index[i]];
}
VJP(gather) { share[0] = ad_ungather(g, y->index, A->c); }
ENTRY(gather, "a[i, index[i]]", 0)

ad ad_gather_(ad a, const int *index, const char *at)
{
    ad y = ad_record(&op_gather, a->r, 1, 1, &a, at);
    y->index = index;
    return ad_compute(y);
}

static void ungather_forward(ad y)
{
    check_index(y, y->c);
    memset(y->value, 0, (size_t)AD_SIZE(y) * sizeof(double));
    for (int i = 0; i < y->r; i++) row(y, i)[y->index[i]] = A->value[i];
}
VJP(ungather) { share[0] = ad_gather(g, y->index); }
ENTRY(ungather, "a[i] at index[i]", 0)

ad ad_ungather_(ad a, const int *index, int c, const char *at)
{
    if (a->c != 1) ad_shape_error(at, "ungather", a, NULL, "one column");
    ad y = ad_record(&op_ungather, a->r, c, 1, &a, at);
    y->index = index;
    return ad_compute(y);
}

/* ---- the greatest of each row; a NaN counts as greatest ---- */
static int first_max(int n, const double *a)
{
    int at = 0;
    for (int j = 1; j < n && !isnan(a[at]); j++)
        if (a[j] > a[at] || isnan(a[j])) at = j;
    return at;
}

static void row_max_forward(ad y)
{
    for (int i = 0; i < y->r; i++) y->value[i] = row(A, i)[first_max(A->c, row(A, i))];
}
VJP(row_max) { share[0] = ad_at_max(g, A); }
ENTRY(row_max, "max_j a[i,j]", 0)
ad ad_row_max_(ad a, const char *at) { return unary(&op_row_max, a, a->r, 1, at); }

static void at_max_forward(ad y)
{
    memset(y->value, 0, (size_t)AD_SIZE(y) * sizeof(double));
    for (int i = 0; i < y->r; i++) row(y, i)[first_max(y->c, row(B, i))] = A->value[i];
}
VJP(at_max) { share[0] = ad_of_max(g, B); }
ENTRY(at_max, "a[i] at b's maximum", 0)

ad ad_at_max_(ad a, ad b, const char *at)
{
    if (a->c != 1 || a->r != b->r) ad_shape_error(at, "at_max", a, b, "one column, and as many rows");
    return ad_compute(ad_record(&op_at_max, b->r, b->c, 2, (ad[]){ a, b }, at));
}

static void of_max_forward(ad y)
{
    for (int i = 0; i < y->r; i++) y->value[i] = row(A, i)[first_max(B->c, row(B, i))];
}
VJP(of_max) { share[0] = ad_at_max(g, B); }
ENTRY(of_max, "a at b's maximum", 0)

ad ad_of_max_(ad a, ad b, const char *at)
{
    if (a->r != b->r || a->c != b->c) ad_shape_error(at, "of_max", a, b, "equal shapes");
    return ad_compute(ad_record(&op_of_max, a->r, 1, 2, (ad[]){ a, b }, at));
}

/* ---- ln sum_j e^a[i,j]: the row's maximum is taken out first, so nothing overflows ---- */
static double log_sum_exp(int n, const double *a)
{
    double max = a[first_max(n, a)], sum = 0;
    for (int j = 0; j < n; j++) sum += exp(a[j] - max);
    return isinf(max) ? max : max + log(sum);
}

static void log_softmax_forward(ad y)
{
    for (int i = 0; i < y->r; i++) {
        const double *a = row(A, i);
        double max = a[first_max(y->c, a)], sum = 0;
        for (int j = 0; j < y->c; j++) sum += exp(a[j] - max);
        for (int j = 0; j < y->c; j++) row(y, i)[j] = (a[j] - max) - log(sum);
    }
}
VJP(log_softmax)                                    /* g - softmax(a) sum_j g[:,j] */
{
    share[0] = ad_sub(g, ad_mul(ad_exp(y), ad_cols(ad_row_sum(g), y->c)));
}
ENTRY(log_softmax, "a[i,j] - ln sum_k e^a[i,k]", AD_READS_Y)
ad ad_log_softmax_(ad a, const char *at) { return unary(&op_log_softmax, a, a->r, a->c, at); }

static void log_sum_exp_forward(ad y)
{
    for (int i = 0; i < y->r; i++) y->value[i] = log_sum_exp(A->c, row(A, i));
}
VJP(log_sum_exp) { share[0] = ad_mul(ad_cols(g, A->c), ad_exp(ad_log_softmax(A))); }
ENTRY(log_sum_exp, "ln sum_j e^a[i,j]", 0)
ad ad_log_sum_exp_(ad a, const char *at) { return unary(&op_log_sum_exp, a, a->r, 1, at); }

/* ---- y = a, a constant to every derivative: no VJP ---- */
static const ad_op op_detach = { "detach", "a, constant", NULL, NULL, AD_INSIDE };
ad ad_detach_(ad a, const char *at) { return unary(&op_detach, a, a->r, a->c, at); }
