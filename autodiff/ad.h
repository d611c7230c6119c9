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
 * need. The table of operators is in ad_ops.c, one entry each; this file and the tests follow it.
 *
 * Shapes are exact and nothing is broadcast silently: a column is spread over a matrix by ad_cols, a
 * scalar by ad_spread. A wrong shape stops the program with operator, shapes, file and line.
 * Values are row-major. One tape belongs to one thread; there are no globals. */
#ifndef ASCENT_AD_H
#define ASCENT_AD_H

#include <stdbool.h>

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

/* ---- leaves ---- */
#define ad_input(t, p, r, c)    ad_input_(t, p, r, c, AD_AT)    /* a copy of p [r x c] */
#define ad_constant(t, k, r, c) ad_constant_(t, k, r, c, AD_AT) /* every entry k */
#define ad_eye(t, n)            ad_eye_(t, n, AD_AT)            /* I [n x n] */

/* ---- operators ----                                            y                      shape of y      */
#define ad_add(a, b)            ad_add_(a, b, AD_AT)            /* a + b                  as a and b      */
#define ad_sub(a, b)            ad_sub_(a, b, AD_AT)            /* a - b                  as a and b      */
#define ad_mul(a, b)            ad_mul_(a, b, AD_AT)            /* a b, by element        as a and b      */
#define ad_scale(k, a)          ad_scale_(k, a, AD_AT)          /* k a, k a number        as a            */
#define ad_exp(a)               ad_exp_(a, AD_AT)               /* e^a                    as a            */
#define ad_view(a, o, r, c)     ad_view_(a, o, r, c, AD_AT)     /* a[o .. o+rc) as r x c  [r x c]         */
#define ad_unview(a, o, r, c)   ad_unview_(a, o, r, c, AD_AT)   /* a at offset o in zeros [r x c]         */
#define ad_cols(a, n)           ad_cols_(a, n, AD_AT)           /* y[i,j] = a[i]          [r x 1]->[r x n] */
#define ad_spread(a, r, c)      ad_spread_(a, r, c, AD_AT)      /* y[i,j] = a             [1 x 1]->[r x c] */
#define ad_row_sum(a)           ad_row_sum_(a, AD_AT)           /* sum_j a[i,j]           [r x c]->[r x 1] */
#define ad_sum(a)               ad_sum_(a, AD_AT)               /* sum_ij a[i,j]          [1 x 1]         */
#define ad_matmul(a, b)         ad_matmul_(false, false, a, b, AD_AT)   /* a b            [m x k][k x n]  */
#define ad_matmul_t(ta, tb, a, b) ad_matmul_(ta, tb, a, b, AD_AT)       /* op(a) op(b), op = ^T where set */
#define ad_log_softmax(a)       ad_log_softmax_(a, AD_AT)       /* a[i,j] - ln sum_k e^a[i,k]   as a      */
#define ad_gather(a, index)     ad_gather_(a, index, AD_AT)     /* y[i] = a[i, index[i]]  [r x c]->[r x 1] */
#define ad_ungather(a, index, c) ad_ungather_(a, index, c, AD_AT) /* y[i, index[i]] = a[i], else 0  [r x c] */
#define ad_solve(a, b)          ad_solve_(false, a, b, AD_AT)   /* a^{-1} b               [n x n][n x m]  */
#define ad_solve_t(a, b)        ad_solve_(true, a, b, AD_AT)    /* a^{-T} b               [n x n][n x m]  */
#define ad_detach(a)            ad_detach_(a, AD_AT)            /* a; its derivative is 0 as a            */
/* index[] is copied. ad_solve needs a regular a: exit 4, naming the place, when it is singular to working
 * precision. */
#define ad_dot(a, b)            ad_sum(ad_mul(a, b))            /* <a, b> = sum_ij a b    [1 x 1]         */

/* ---- derivatives ---- */
/* dy/dx for a scalar y [1 x 1]: a node of x's shape, zero where y does not depend on x. Only nodes that
 * lie between x and y are visited. Reverse mode: the cost is a small multiple of computing y. */
#define ad_grad(y, x)           ad_grad_(y, x, AD_AT)
/* w^T dy/dx for any y: the gradient of <y, w>; w as y, result as x */
#define ad_vjp(y, x, w)         ad_vjp_(y, x, w, AD_AT)

/* ---- behind the names above: every call carries its place in the source for the error message ---- */
#define AD_LINE_(l) #l
#define AD_LINE(l) AD_LINE_(l)
#define AD_AT __FILE__ ":" AD_LINE(__LINE__)

struct ad_mark { arena_mark memory; ad last; };
ad ad_input_(ad_tape *t, const double *p, int r, int c, const char *at);
ad ad_constant_(ad_tape *t, double k, int r, int c, const char *at);
ad ad_eye_(ad_tape *t, int n, const char *at);
ad ad_add_(ad a, ad b, const char *at);
ad ad_sub_(ad a, ad b, const char *at);
ad ad_mul_(ad a, ad b, const char *at);
ad ad_scale_(double k, ad a, const char *at);
ad ad_exp_(ad a, const char *at);
ad ad_view_(ad a, int offset, int r, int c, const char *at);
ad ad_unview_(ad a, int offset, int r, int c, const char *at);
ad ad_cols_(ad a, int n, const char *at);
ad ad_spread_(ad a, int r, int c, const char *at);
ad ad_row_sum_(ad a, const char *at);
ad ad_sum_(ad a, const char *at);
ad ad_matmul_(bool ta, bool tb, ad a, ad b, const char *at);
ad ad_log_softmax_(ad a, const char *at);
ad ad_gather_(ad a, const int *index, const char *at);
ad ad_ungather_(ad a, const int *index, int c, const char *at);
ad ad_solve_(bool transposed, ad a, ad b, const char *at);
ad ad_detach_(ad a, const char *at);
ad ad_grad_(ad y, ad x, const char *at);
ad ad_vjp_(ad y, ad x, ad w, const char *at);

#endif
