/* Reverse-mode differentiation on a dynamic tape. This header is the manual.
 *
 *     ad_tape *t = ad_tape_new();
 *     ad x = ad_input(t, data, 3, 1);               [3 x 1]    a node is a dense matrix of doubles
 *     ad y = ad_sum(ad_exp(ad_mul(x, x)));          [1 x 1]    computed as it is written down
 *     ad g = ad_grad(y, x);                         [3 x 1]    dy/dx: nodes like any others, so ...
 *     ad Hv = ad_grad(ad_dot(g, v), x);             [3 x 1]    ... they can be differentiated again
 *     ad_tape_free(t);
 *
 * Every operator appends a node whose inputs are older; the order of creation is therefore an order of
 * evaluation, and reverse mode walks it backwards. The rule that propagates an adjoint (the operator's
 * vector-Jacobian product, VJP) is written with the same operators, which is all that second derivatives
 * need. The operators stand in ad_elementwise.c and ad_matrix.c, one entry each; the tests follow this file.
 *
 * Replay. An input borrows the caller's array. Refill the array and run again the part of the graph that
 * depends on it:
 *
 *     ad_plan plan = ad_slice(1, &x, 1, &g);        the nodes between x and g
 *     for (...) { data[0] = ...; ad_run(&plan);     ad_value(g)[0] ... }
 *
 * A replayed graph is the same graph: the shapes stay, and what the C code decided on values stays decided.
 *
 * Shapes are exact and nothing is broadcast silently: a row is spread over a matrix by ad_rows, a column by
 * ad_cols, a scalar by ad_spread. A wrong shape stops the program with operator, shapes, file and line; an
 * argument outside an operator's domain, a y of ad_grad, a derivative, or an output of ad_run that is not finite end
 * it with exit 4, naming the node where it began. Values are row-major. One tape belongs to one thread; there are
 * no globals. Kinks: relu'(0) = 0 and |0|' = 0; min, max and row_max give the adjoint to the first of equals; clip
 * passes it at its bounds. */
#ifndef ASCENT_AD_H
#define ASCENT_AD_H

#include <stdbool.h>
#include <stdio.h>

#include "autodiff/arena.h"

typedef struct ad_tape ad_tape;
typedef struct ad_node *ad;                 /* a node: a matrix on its tape, void after ad_reset */

/* ---- the tape ---- */
ad_tape *ad_tape_new(void);
void     ad_tape_free(ad_tape *t);          /* NULL is fine */

typedef struct ad_mark ad_mark;
ad_mark  ad_here(const ad_tape *t);
void     ad_reset(ad_tape *t, ad_mark m);   /* nodes recorded since the mark are void; memory is kept */

int           ad_nrows(ad a);
int           ad_ncols(ad a);
const double *ad_value(ad a);               /* [r x c], row-major; lives as long as the node */
double        ad_scalar(ad a);              /* the value of a 1 x 1 node */
ad            ad_name(ad a, const char *name);  /* a, known by that name in drawings and messages; not copied */

/* ---- leaves ---- */
#define ad_input(t, p, r, c)    ad_input_(t, p, r, c, AD_AT)    /* p [r x c], borrowed: read again by ad_run */
#define ad_copy(t, p, r, c)     ad_copy_(t, p, r, c, AD_AT)     /* a copy of p [r x c] */
#define ad_constant(t, k, r, c) ad_constant_(t, k, r, c, AD_AT) /* every entry k */
#define ad_eye(t, n)            ad_eye_(t, n, AD_AT)            /* I [n x n] */
#define ad_reset_but(t, m, y)   ad_reset_but_(t, m, y, AD_AT)   /* a copy of y, after ad_reset(t, m) */

/* ---- operators, element by element: y has the shape of a, and b is of that shape ---- */
#define ad_add(a, b)            ad_add_(a, b, AD_AT)            /* a + b */
#define ad_sub(a, b)            ad_sub_(a, b, AD_AT)            /* a - b */
#define ad_mul(a, b)            ad_mul_(a, b, AD_AT)            /* a b */
#define ad_div(a, b)            ad_div_(a, b, AD_AT)            /* a / b,            b != 0 */
#define ad_scale(k, a)          ad_scale_(k, a, AD_AT)          /* k a,              k a number */
#define ad_shift(a, k)          ad_shift_(a, k, AD_AT)          /* a + k,            k a number */
#define ad_neg(a)               ad_scale_(-1, a, AD_AT)         /* -a */
#define ad_square(a)            ad_square_(a, AD_AT)            /* a^2 */
#define ad_pow(a, k)            ad_pow_(a, k, AD_AT)            /* a^k,              k a number; a > 0 */
#define ad_exp(a)               ad_exp_(a, AD_AT)               /* e^a */
#define ad_log(a)               ad_log_(a, AD_AT)               /* ln a,             a > 0 */
#define ad_sqrt(a)              ad_sqrt_(a, AD_AT)              /* sqrt(a),          a >= 0; its gradient a > 0 */
#define ad_tanh(a)              ad_tanh_(a, AD_AT)              /* tanh a */
#define ad_sigmoid(a)           ad_sigmoid_(a, AD_AT)           /* 1 / (1 + e^-a) */
#define ad_softplus(a)          ad_softplus_(a, AD_AT)          /* ln(1 + e^a) */
#define ad_relu(a)              ad_relu_(a, AD_AT)              /* max(a, 0) */
#define ad_abs(a)               ad_abs_(a, AD_AT)               /* |a| */
#define ad_min(a, b)            ad_min_(a, b, AD_AT)            /* min(a, b) */
#define ad_max(a, b)            ad_max_(a, b, AD_AT)            /* max(a, b) */
#define ad_clip(a, lo, hi)      ad_clip_(a, lo, hi, AD_AT)      /* min(max(a, lo), hi), lo <= hi numbers */
#define ad_where(m, a, b)       ad_where_(m, a, b, AD_AT)       /* a where m != 0, else b; m as a */
/* masks, 1 or 0 and without derivative: */
#define ad_less(a, b)           ad_less_(a, b, AD_AT)           /* a < b */
#define ad_inside(a, lo, hi)    ad_inside_(a, lo, hi, AD_AT)    /* lo <= a <= hi, numbers */
#define ad_sign(a)              ad_sign_(a, AD_AT)              /* 1, 0, -1 as a > 0, a = 0, a < 0 */

/* ---- operators on whole matrices ----                          y                      shapes */
#define ad_smul(k, a)           ad_smul_(k, a, AD_AT)           /* k a                    [1 x 1], any -> as a */
#define ad_dot(a, b)            ad_dot_(a, b, AD_AT)            /* <a, b> = sum_ij a b    equal -> [1 x 1] */
#define ad_sum(a)               ad_sum_(a, AD_AT)               /* sum_ij a[i,j]          any -> [1 x 1] */
#define ad_row_sum(a)           ad_row_sum_(a, AD_AT)           /* y[i] = sum_j a[i,j]    [r x c] -> [r x 1] */
#define ad_col_sum(a)           ad_col_sum_(a, AD_AT)           /* y[j] = sum_i a[i,j]    [r x c] -> [1 x c] */
#define ad_mean(a)              ad_mean_(a, AD_AT)              /* ad_sum(a) / (r c)      any -> [1 x 1] */
#define ad_spread(a, r, c)      ad_spread_(a, r, c, AD_AT)      /* y[i,j] = a             [1 x 1] -> [r x c] */
#define ad_cols(a, c)           ad_cols_(a, c, AD_AT)           /* y[i,j] = a[i]          [r x 1] -> [r x c] */
#define ad_rows(a, r)           ad_rows_(a, r, AD_AT)           /* y[i,j] = a[j]          [1 x c] -> [r x c] */
#define ad_transpose(a)         ad_transpose_(a, AD_AT)         /* a^T                    [r x c] -> [c x r] */
#define ad_view(a, o, r, c)     ad_view_(a, o, r, c, AD_AT)     /* a[o .. o+rc) as matrix any -> [r x c] */
#define ad_concat(a, b)         ad_concat_(a, b, AD_AT)         /* (a b), side by side    [r x p], [r x q] */
#define ad_columns(a, j, c)     ad_columns_(a, j, c, AD_AT)     /* columns j .. j+c-1     [r x n] -> [r x c] */
#define ad_matmul(a, b)         ad_matmul_(false, false, a, b, AD_AT)   /* a b            [m x k], [k x n] */
#define ad_matmul_t(ta, tb, a, b) ad_matmul_(ta, tb, a, b, AD_AT)       /* op(a) op(b), op = ^T where set */
#define ad_affine(x, W, b)      ad_dense_(x, W, b, AD_LINEAR, AD_AT)    /* x W + 1 b      [T x k], [k x n], [1 x n] */
#define ad_dense(x, W, b, f)    ad_dense_(x, W, b, f, AD_AT)    /* f(x W + 1 b)           -> [T x n] */
#define ad_solve(a, b)          ad_solve_(false, a, b, AD_AT)   /* a^{-1} b               [n x n], [n x m] */
#define ad_solve_t(a, b)        ad_solve_(true, a, b, AD_AT)    /* a^{-T} b; a regular, or exit 4 */
#define ad_log_softmax(a)       ad_log_softmax_(a, AD_AT)       /* a[i,j] - ln sum_k e^a[i,k]   as a */
#define ad_log_sum_exp(a)       ad_log_sum_exp_(a, AD_AT)       /* y[i] = ln sum_j e^a[i,j]  -> [r x 1] */
#define ad_row_max(a)           ad_row_max_(a, AD_AT)           /* y[i] = max_j a[i,j]    [r x c] -> [r x 1] */
#define ad_gather(a, index)     ad_gather_(a, index, AD_AT)     /* y[i] = a[i, index[i]]  [r x c] -> [r x 1] */
#define ad_ungather(a, index, c) ad_ungather_(a, index, c, AD_AT) /* y[i, index[i]] = a[i], else 0 -> [r x c] */
/* index[] is borrowed, as an input's array. */
enum ad_activation { AD_LINEAR, AD_TANH, AD_RELU };

/* ---- stops ---- */
#define ad_detach(a)            ad_detach_(a, AD_AT)            /* a, a constant to every derivative; follows a */
#define ad_freeze(a)            ad_freeze_(a, AD_AT)            /* a leaf with a's value of now */

/* ---- derivatives ---- */
/* dy/dx for a scalar y [1 x 1]: a node of x's shape, zero where y does not depend on x. Only nodes that
 * lie between x and y are visited. Reverse mode: the cost is a small multiple of computing y. */
#define ad_grad(y, x)           ad_grad_(y, x, AD_AT)
/* The same as numbers, written to g (as many as x has): memory that no node which y is made of reads. */
#define ad_grad_into(y, x, g)   ad_grad_into_(y, x, g, AD_AT)
/* g[i] = dy/dx[i] for k nodes at once, in one sweep. */
#define ad_grads(y, k, x, g)    ad_grads_(y, k, x, g, AD_AT)
/* J^T w with J = dy/dx, for any y: w as y, result as x. w is a constant to this derivative. */
#define ad_vjp(y, x, w)         ad_vjp_(y, x, w, AD_AT)
/* J v: v as x, result as y. J^T u is linear in u; the transpose of its Jacobian in u, times v, is J v. */
#define ad_jvp(y, x, v)         ad_jvp_(y, x, v, AD_AT)

/* ---- replay ---- */
typedef struct { int n; ad *node; int outs; ad *out; } ad_plan;     /* on the tape, void after ad_reset */
/* What must run again, in order, when the k inputs change and the m outputs are wanted. */
ad_plan ad_slice(int k, const ad in[], int m, const ad out[]);
/* Runs it. The other nodes keep their values. */
void    ad_run(const ad_plan *plan);
/* The same where an output may overflow and that is to be reacted to: false if one is not finite. */
bool    ad_try(const ad_plan *plan);


/* The graph of y as Graphviz DOT: formulas, shapes, values (a matrix by its range); dashed where gradients stop.
 * With adjoints: those of the last ad_grad. */
void    ad_draw(FILE *out, ad y, bool adjoints);

/* ---- behind the names above: every call carries its place in the source for the error message ---- */
#define AD_LINE_(l) #l
#define AD_LINE(l) AD_LINE_(l)
#define AD_AT __FILE__ ":" AD_LINE(__LINE__)

struct ad_mark { arena_mark memory; ad last; };
ad ad_input_(ad_tape *t, const double *p, int r, int c, const char *at);
ad ad_copy_(ad_tape *t, const double *p, int r, int c, const char *at);
ad ad_constant_(ad_tape *t, double k, int r, int c, const char *at);
ad ad_eye_(ad_tape *t, int n, const char *at);
ad ad_reset_but_(ad_tape *t, ad_mark m, ad y, const char *at);
ad ad_add_(ad a, ad b, const char *at);
ad ad_sub_(ad a, ad b, const char *at);
ad ad_mul_(ad a, ad b, const char *at);
ad ad_div_(ad a, ad b, const char *at);
ad ad_scale_(double k, ad a, const char *at);
ad ad_shift_(ad a, double k, const char *at);
ad ad_square_(ad a, const char *at);
ad ad_pow_(ad a, double k, const char *at);
ad ad_exp_(ad a, const char *at);
ad ad_log_(ad a, const char *at);
ad ad_sqrt_(ad a, const char *at);
ad ad_tanh_(ad a, const char *at);
ad ad_sigmoid_(ad a, const char *at);
ad ad_softplus_(ad a, const char *at);
ad ad_relu_(ad a, const char *at);
ad ad_abs_(ad a, const char *at);
ad ad_min_(ad a, ad b, const char *at);
ad ad_max_(ad a, ad b, const char *at);
ad ad_clip_(ad a, double lo, double hi, const char *at);
ad ad_where_(ad m, ad a, ad b, const char *at);
ad ad_less_(ad a, ad b, const char *at);
ad ad_inside_(ad a, double lo, double hi, const char *at);
ad ad_sign_(ad a, const char *at);
ad ad_smul_(ad k, ad a, const char *at);
ad ad_dot_(ad a, ad b, const char *at);
ad ad_sum_(ad a, const char *at);
ad ad_row_sum_(ad a, const char *at);
ad ad_col_sum_(ad a, const char *at);
ad ad_mean_(ad a, const char *at);
ad ad_spread_(ad a, int r, int c, const char *at);
ad ad_cols_(ad a, int c, const char *at);
ad ad_rows_(ad a, int r, const char *at);
ad ad_transpose_(ad a, const char *at);
ad ad_view_(ad a, int offset, int r, int c, const char *at);
ad ad_concat_(ad a, ad b, const char *at);
ad ad_columns_(ad a, int j, int c, const char *at);
ad ad_matmul_(bool ta, bool tb, ad a, ad b, const char *at);
ad ad_dense_(ad x, ad W, ad b, enum ad_activation f, const char *at);
ad ad_solve_(bool transposed, ad a, ad b, const char *at);
ad ad_log_softmax_(ad a, const char *at);
ad ad_log_sum_exp_(ad a, const char *at);
ad ad_row_max_(ad a, const char *at);
ad ad_gather_(ad a, const int *index, const char *at);
ad ad_ungather_(ad a, const int *index, int c, const char *at);
ad ad_detach_(ad a, const char *at);
ad ad_freeze_(ad a, const char *at);
ad ad_grad_(ad y, ad x, const char *at);
void ad_grad_into_(ad y, ad x, double *g, const char *at);
void ad_grads_(ad y, int k, const ad x[], ad g[], const char *at);
ad ad_vjp_(ad y, ad x, ad w, const char *at);
ad ad_jvp_(ad y, ad x, ad v, const char *at);

#endif
