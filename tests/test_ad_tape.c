/* The tape as a whole: random graphs against the naive reference, replay against recording anew, views, several
 * gradients at once, memory, threads, depth.
 *     test_ad_tape [pattern]           runs the tests whose names match */
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>

#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <cmocka.h>

/* The arena, here with what it asks of the system counted, in each thread */
static _Thread_local int asked;
static void *counted_malloc(size_t bytes) { asked++; return malloc(bytes); }
#define malloc counted_malloc
#include "autodiff/arena.c"
#undef malloc

#include "autodiff/linalg.h"
#include "autodiff/random.h"
#include "tests/ad_operators.h"
#include "tests/child_process.h"

static bool exactly(ad a, int r, int c, double k)
{
    bool equal = ad_nrows(a) == r && ad_ncols(a) == c;
    for (int i = 0; equal && i < r * c; i++) equal = ad_value(a)[i] == k;
    return equal;
}

/* ---- random graphs: a list of steps, each on earlier nodes, all [3 x 3]; recorded on the tape and, from the
 * same list, computed in the naive reference. Every result is scaled by a power of two to at most 1 in size, so
 * that forty steps neither overflow nor vanish. ---- */
enum { SIDE = 3, ENTRIES = SIDE * SIDE, LEAVES = 2, INPUTS = LEAVES * ENTRIES, MAX_STEPS = 40 };
enum step_op { ADD, SUB, MUL, DIV, EXP, TANH, SOFTPLUS, RELU, MIN, WHERE, MATMUL, DENSE_TANH, TRANSPOSE,
               LOG_SOFTMAX, ROW_MAX, SOLVE_SHIFTED, ROW_SUM, COL_SUM, SUM, SHIFT, SIDE_BY_SIDE, PICK, STEP_OPS };

struct step { enum step_op op; int a, b, k[2]; double scale; };
struct graph {
    int steps;
    struct step step[MAX_STEPS];
    double x[INPUTS], W[ENTRIES];
    int index[2][SIDE];                     /* of PICK */
};

static ad tape_step(ad_tape *t, const struct graph *g, const struct step *s, ad a, ad b)
{
    switch (s->op) {
    case ADD:           return ad_add(a, b);
    case SUB:           return ad_sub(a, b);
    case MUL:           return ad_mul(a, b);
    case DIV:           return ad_div(a, ad_shift(b, 3));
    case EXP:           return ad_exp(a);
    case TANH:          return ad_tanh(a);
    case SOFTPLUS:      return ad_softplus(a);
    case RELU:          return ad_relu(a);
    case MIN:           return ad_min(a, b);
    case WHERE:         return ad_where(ad_less(a, b), ad_square(a), b);
    case MATMUL:        return ad_matmul_t(s->k[0], s->k[1], a, b);
    case DENSE_TANH:    return ad_dense(a, b, ad_view(b, 3, 1, SIDE), AD_TANH);
    case TRANSPOSE:     return ad_transpose(a);
    case LOG_SOFTMAX:   return ad_log_softmax(a);
    case ROW_MAX:       return ad_cols(ad_row_max(a), SIDE);
    case SOLVE_SHIFTED: return ad_solve_(s->k[0], ad_add(a, ad_scale(4, ad_eye(t, SIDE))), b, AD_AT);
    case ROW_SUM:       return ad_cols(ad_row_sum(a), SIDE);
    case COL_SUM:       return ad_rows(ad_col_sum(a), SIDE);
    case SUM:           return ad_spread(ad_sum(a), SIDE, SIDE);
    case SHIFT:         return ad_assemble(t, SIDE, SIDE, 1, (ad[]){ ad_view(a, s->k[0], 2, 2) }, &s->k[1], AD_AT);
    case SIDE_BY_SIDE:  return ad_columns(ad_concat(a, b), 2, SIDE);
    default:            return ad_ungather(ad_gather(a, g->index[0]), g->index[1], SIDE);
    }
}

static void naive_step(const struct graph *g, const struct step *s, const quad *a, const quad *b, quad *y)
{
    const op o = { .in = { S(SIDE, SIDE), S(SIDE, SIDE) }, .y = S(SIDE, SIDE), .k = { s->k[0], s->k[1] } };
    const op tanh_layer = { .in = { S(SIDE, SIDE), S(SIDE, SIDE) }, .y = S(SIDE, SIDE), .k = { AD_TANH } };
    quad shifted[ENTRIES], row[SIDE] = { 0 }, col[SIDE] = { 0 }, all = 0;
    for (int i = 0; i < ENTRIES; i++) {
        shifted[i] = a[i] + (i % (SIDE + 1) == 0 ? 4 : 0);
        row[i / SIDE] += a[i];
        col[i % SIDE] += a[i];
        all += a[i];
        y[i] = 0;
    }
    switch (s->op) {
    case MATMUL:        naive_matmul(&o, a, b, NULL, y); break;
    case DENSE_TANH:    naive_dense(&tanh_layer, a, b, b + 3, y); break;
    case LOG_SOFTMAX:   naive_log_softmax(&o, a, b, NULL, y); break;
    case SOLVE_SHIFTED: naive_solve(&o, shifted, b, NULL, y); break;
    case SHIFT:         for (int i = 0; i < 4; i++) y[s->k[1] + i] = a[s->k[0] + i]; break;
    case PICK:
        for (int i = 0; i < SIDE; i++) y[i * SIDE + g->index[1][i]] = a[i * SIDE + g->index[0][i]];
        break;
    default:
        for (int i = 0; i < ENTRIES; i++) {
            const quad p = a[i], q = b[i];
            int r = i / SIDE, c = i % SIDE;
            switch (s->op) {
            case ADD:       y[i] = p + q; break;
            case SUB:       y[i] = p - q; break;
            case MUL:       y[i] = p * q; break;
            case DIV:       y[i] = p / (q + 3); break;
            case EXP:       y[i] = quad_exp(p); break;
            case TANH:      y[i] = quad_tanh(p); break;
            case SOFTPLUS:  y[i] = quad_log(1 + quad_exp(p)); break;
            case RELU:      y[i] = p > 0 ? p : 0; break;
            case MIN:       y[i] = p < q ? p : q; break;
            case WHERE:     y[i] = p < q ? p * p : q; break;
            case TRANSPOSE: y[i] = a[c * SIDE + r]; break;
            case ROW_MAX:   y[i] = a[r * SIDE + greatest(SIDE, a + r * SIDE)]; break;
            case ROW_SUM:   y[i] = row[r]; break;
            case COL_SUM:   y[i] = col[c]; break;
            case SUM:       y[i] = all; break;
            default:        y[i] = c == 0 ? a[i + 2] : b[i - 1]; break;     /* SIDE_BY_SIDE */
            }
        }
    }
    for (int i = 0; i < ENTRIES; i++) y[i] *= s->scale;
}

static void graph_value(const void *graph, const quad *x, quad *L)      /* <W, the last three nodes added> */
{
    const struct graph *g = graph;
    quad node[LEAVES + MAX_STEPS][ENTRIES], sum = 0;
    for (int i = 0; i < INPUTS; i++) node[i / ENTRIES][i % ENTRIES] = x[i];
    for (int k = 0; k < g->steps; k++)
        naive_step(g, &g->step[k], node[g->step[k].a], node[g->step[k].b], node[LEAVES + k]);
    for (int k = g->steps - 1; k < g->steps + 2; k++)
        for (int i = 0; i < ENTRIES; i++) sum += g->W[i] * node[k][i];
    *L = sum;
}

/* An earlier node: half the time one of the last three, so that graphs get deep as well as shared. */
static int earlier(gsl_rng *rng, int nodes)
{
    bool recent = gsl_rng_uniform(rng) < 0.5 && nodes > 3;
    return (int)gsl_rng_uniform_int(rng, recent ? 3 : (unsigned long)nodes) + (recent ? nodes - 3 : 0);
}

static double power_of_two_above(ad y)
{
    double largest = 0;
    int e;
    for (int i = 0; i < ENTRIES; i++) largest = fmax(largest, fabs(ad_value(y)[i]));
    frexp(largest, &e);
    return e > 0 ? ldexp(1, -e) : 1;
}

/* node[0], node[1]: the leaves; returns L. With `scaling` the steps' scales are chosen on the way. */
static ad record_graph(ad_tape *t, struct graph *g, bool scaling, ad *node)
{
    for (int k = 0; k < LEAVES; k++) node[k] = ad_input(t, g->x + k * ENTRIES, SIDE, SIDE);
    for (int k = 0; k < g->steps; k++) {
        struct step *s = &g->step[k];
        ad y = tape_step(t, g, s, node[s->a], node[s->b]);
        if (scaling) s->scale = power_of_two_above(y);
        node[LEAVES + k] = ad_scale(s->scale, y);
    }
    const ad *last = node + LEAVES + g->steps;
    return ad_dot(ad_add(ad_add(last[-1], last[-2]), last[-3]), ad_input(t, g->W, SIDE, SIDE));
}

static void draw_graph(gsl_rng *rng, struct graph *g)
{
    fill(rng, INPUTS, -1, 1, g->x);
    fill(rng, ENTRIES, -1, 1, g->W);
    for (int i = 0; i < 2 * SIDE; i++) g->index[i / SIDE][i % SIDE] = (int)gsl_rng_uniform_int(rng, SIDE);
    g->steps = 5 + (int)gsl_rng_uniform_int(rng, MAX_STEPS - 5 + 1);
    for (int k = 0; k < g->steps; k++) {
        struct step *s = &g->step[k];
        *s = (struct step){ .op = (enum step_op)gsl_rng_uniform_int(rng, STEP_OPS), .scale = 1 };
        s->a = earlier(rng, LEAVES + k);
        s->b = earlier(rng, LEAVES + k);
        for (int i = 0; i < 2; i++) s->k[i] = (int)gsl_rng_uniform_int(rng, s->op == SHIFT ? 6 : 2);
    }
    ad node[LEAVES + MAX_STEPS];
    ad_tape *t = ad_tape_new();
    record_graph(t, g, true, node);
    ad_tape_free(t);
}

/* L, its gradient and H v, one behind the other */
struct outputs { double L, g[INPUTS], Hv[INPUTS]; };
struct on_tape { ad leaf[LEAVES], L, g[LEAVES], Hv[LEAVES]; };

static struct on_tape record_derivatives(ad_tape *t, struct graph *g, bool scaling, const double *v)
{
    struct on_tape y = { .L = NULL };
    ad node[LEAVES + MAX_STEPS], slope_v = ad_constant(t, 0, 1, 1);
    y.L = record_graph(t, g, scaling, node);
    memcpy(y.leaf, node, sizeof y.leaf);
    ad_grads(y.L, LEAVES, y.leaf, y.g);
    for (int k = 0; k < LEAVES; k++)
        slope_v = ad_add(slope_v, ad_dot(y.g[k], ad_input(t, v + k * ENTRIES, SIDE, SIDE)));
    ad_grads(slope_v, LEAVES, y.leaf, y.Hv);
    return y;
}

static struct outputs read_outputs(const struct on_tape *y)
{
    struct outputs out = { .L = ad_scalar(y->L) };
    for (int i = 0; i < INPUTS; i++) {
        out.g[i] = ad_value(y->g[i / ENTRIES])[i % ENTRIES];
        out.Hv[i] = ad_value(y->Hv[i / ENTRIES])[i % ENTRIES];
    }
    return out;
}

/* Values and directional derivatives of every graph; every entry of the gradient for each 50th, v^T H v for each
 * 20th. N = the entries of all nodes: the error of a node passes through steps whose derivatives are of order
 * 1, so it is of the order N u S, as for one operator. */
static void test_random_graphs(void **state)
{
    (void)state;
    enum { GRAPHS = 3000 };
    gsl_rng *rng = random_stream(31, 0, RANDOM_TEST);
    double worst = 0;
    int compared = 0;
    for (int i = 0; i < GRAPHS; i++) {
        ad_tape *t = ad_tape_new();
        struct graph g;
        double v[INPUTS], got[3] = { 0 };
        quad x[INPUTS], ref[INPUTS], third = 0;
        draw_graph(rng, &g);
        fill(rng, INPUTS, -1, 1, v);
        struct on_tape on = record_derivatives(t, &g, false, v);
        struct outputs out = read_outputs(&on);
        function f = { graph_value, &g, INPUTS, 1 };
        for (int j = 0; j < INPUTS; j++) {
            x[j] = g.x[j];
            got[1] += out.g[j] * v[j];
            got[2] += out.Hv[j] * v[j];
        }
        got[0] = out.L;
        graph_value(&g, x, &ref[0]);
        derivative(f, g.x, v, NULL, &ref[1]);
        if (i % 20 == 0) derivative(f, g.x, v, v, &third);
        ref[2] = i % 20 ? got[2] : third;
        double N = ENTRIES * g.steps, S = 1;
        for (int j = 0; j < INPUTS; j++) S = fmax(S, fmax(fabs(out.g[j]), fabs(out.Hv[j])));
        for (int q = 0; q < 3; q++) {
            double error = units(1, &got[q], &ref[q], N, S);
            if (!(error <= LIMIT)) fail_msg("graph %d, order %d: %g units (limit %g)", i, q, error, LIMIT);
            worst = fmax(worst, error);
            compared += q < 2 || i % 20 == 0;
        }
        if (i % 50 == 0) {
            gradient(f, g.x, NULL, ref);
            double error = units(INPUTS, out.g, ref, N, 1);
            if (!(error <= LIMIT)) fail_msg("graph %d, gradient: %g units (limit %g)", i, error, LIMIT);
            compared += INPUTS;
        }
        ad_tape_free(t);
    }
    print_message("  %d numbers of %d graphs, worst %.2f units, limit %g\n", compared, GRAPHS, worst, LIMIT);
    gsl_rng_free(rng);
}

/* ---- replay ---- */
static void same_bits(const struct outputs *got, const struct outputs *want, int graph, const char *how)
{
    if (memcmp(got, want, sizeof *got) != 0) fail_msg("graph %d: %s is not recording anew", graph, how);
}

/* New numbers in both leaves, in one only, in PICK's index, in v: what a replay gives is what recording gives, to
 * the bit: value, gradient and H v, from one plan with several outputs. */
static void test_replay_is_recording(void **state)
{
    (void)state;
    gsl_rng *rng = random_stream(32, 0, RANDOM_TEST);
    for (int i = 0; i < 300; i++) {
        ad_tape *t = ad_tape_new(), *anew = ad_tape_new();
        struct graph g;
        double v[INPUTS];
        draw_graph(rng, &g);
        fill(rng, INPUTS, -1, 1, v);
        struct on_tape on = record_derivatives(t, &g, false, v);
        ad outputs[1 + 2 * LEAVES] = { on.L, on.g[0], on.g[1], on.Hv[0], on.Hv[1] };
        ad_plan both = ad_slice(LEAVES, on.leaf, COUNT(outputs), outputs);
        ad_plan second = ad_slice(1, &on.leaf[1], COUNT(outputs), outputs);
        assert_true(second.n <= both.n);
        for (int change = 0; change < 3; change++) {
            fill(rng, change == 1 ? ENTRIES : INPUTS, -1, 1, g.x + (change == 1 ? ENTRIES : 0));
            if (change == 2)
                for (int k = 0; k < SIDE; k++) g.index[0][k] = (g.index[0][k] + 1) % SIDE;
            ad_run(change == 1 ? &second : &both);
            ad_mark start = ad_here(anew);
            struct on_tape fresh = record_derivatives(anew, &g, false, v);
            struct outputs got = read_outputs(&on), want = read_outputs(&fresh);
            static const char *const how[] = { "replay", "replay of one leaf", "replay with another index" };
            same_bits(&got, &want, i, how[change]);
            ad_reset(anew, start);
        }
        ad_tape_free(anew);
        ad_tape_free(t);
    }
    gsl_rng_free(rng);
}

/* A plan has the nodes between its inputs and outputs and no others: of y = f(x) + h(z), changing x, not h. */
static void test_slice(void **state)
{
    (void)state;
    ad_tape *t = ad_tape_new();
    double x_value = 1, z_value = 2;
    ad x = ad_input(t, &x_value, 1, 1), z = ad_input(t, &z_value, 1, 1);
    ad h = ad_exp(ad_square(z)), f = ad_square(x), dead = ad_exp(f), y = ad_add(f, h);
    ad_plan of_x = ad_slice(1, &x, 1, &y), of_z = ad_slice(1, &z, 1, &y), none = ad_slice(1, &z, 1, &f);
    assert_int_equal(of_x.n, 2);
    assert_true(of_x.node[0] == f && of_x.node[1] == y);
    assert_int_equal(of_z.n, 3);
    assert_int_equal(none.n, 0);
    double h_before = ad_scalar(h), dead_before = ad_scalar(dead);
    x_value = 3;
    z_value = 5;
    ad_run(&of_x);
    assert_true(ad_scalar(y) == 9 + h_before && ad_scalar(h) == h_before && ad_scalar(dead) == dead_before);
    ad_run(&none);
    assert_true(ad_scalar(f) == 9);
    ad both[2] = { x, z }, outs[2] = { y, dead };
    z_value = 0;
    x_value = 0.5;
    ad_plan all = ad_slice(2, both, 2, outs);
    ad_run(&all);
    assert_true(ad_scalar(y) == 1.25 && ad_scalar(dead) == exp(0.25));
    ad_tape_free(t);
}

/* detach follows its input, freeze keeps the value of its moment: L = <x, stopped x>. */
static void test_detach_follows_freeze_stays(void **state)
{
    (void)state;
    ad_tape *t = ad_tape_new();
    double data[2] = { 1, 2 };
    ad x = ad_input(t, data, 2, 1), y = ad_scale(3, x), follows = ad_detach(y), stays = ad_freeze(y);
    ad L[2] = { ad_dot(x, follows), ad_dot(x, stays) }, g[2] = { ad_grad(L[0], x), ad_grad(L[1], x) };
    ad outs[4] = { L[0], L[1], g[0], g[1] };
    ad_plan plan = ad_slice(1, &x, 4, outs);
    data[0] = 10;
    ad_run(&plan);
    assert_true(ad_value(follows)[0] == 30 && ad_value(stays)[0] == 3);
    assert_true(ad_scalar(L[0]) == 10 * 30 + 2 * 6 && ad_scalar(L[1]) == 10 * 3 + 2 * 6);
    assert_true(ad_value(g[0])[0] == 30 && ad_value(g[0])[1] == 6);
    assert_true(ad_value(g[1])[0] == 3 && ad_value(g[1])[1] == 6);
    ad_tape_free(t);
}

/* An index is read again even where no input of the plan reaches the gather otherwise. */
static void test_index_is_borrowed(void **state)
{
    (void)state;
    ad_tape *t = ad_tape_new();
    const double a_value[6] = { 1, 2, 3, 4, 5, 6 };
    double k_value = 1;
    int index[2] = { 0, 2 };
    ad a = ad_input(t, a_value, 2, 3), k = ad_input(t, &k_value, 1, 1);
    ad L = ad_mul(k, ad_sum(ad_square(ad_gather(a, index)))), g = ad_grad(L, a);
    ad outs[2] = { L, g };
    ad_plan plan = ad_slice(1, &k, 2, outs);
    index[0] = 1;
    k_value = 10;
    ad_run(&plan);
    const double want[6] = { 0, 40, 0, 0, 0, 120 };
    assert_true(ad_scalar(L) == 10 * (4 + 36));
    assert_memory_equal(ad_value(g), want, sizeof want);
    ad_tape_free(t);
}

/* ---- several gradients in one sweep ---- */
/* z = x^2, y = z w + x at x = 3, w = 5: dy/dz = w, dy/dx = 2 x w + 1, dy/dw = z. Of the list [x, z, x, w, y,
 * later] one x depends on another, one comes twice, one is y, one is younger than y; each as ad_grad alone. */
static void test_several_gradients(void **state)
{
    (void)state;
    ad_tape *t = ad_tape_new();
    const double value[2] = { 3, 5 }, want[6] = { 31, 5, 31, 9, 1, 0 };
    ad x = ad_input(t, &value[0], 1, 1), w = ad_input(t, &value[1], 1, 1), z = ad_square(x);
    ad y = ad_add(ad_mul(z, w), x), later = ad_exp(ad_scale(0.1, y));
    ad list[6] = { x, z, x, w, y, later }, g[6], again[2], seconds[2] = { x, w };
    ad_grads(y, 6, list, g);
    for (int i = 0; i < 6; i++)
        assert_true(ad_scalar(g[i]) == want[i] && ad_scalar(ad_grad(y, list[i])) == want[i]);
    ad youngest_first[3] = { y, z, x }, of[3];
    ad_grads(y, 3, youngest_first, of);
    assert_true(ad_scalar(of[0]) == 1 && ad_scalar(of[1]) == 5 && ad_scalar(of[2]) == 31);
    ad_grads(g[0], 2, seconds, again);                  /* d/dx, d/dw of 2 x w + 1 */
    assert_true(ad_scalar(again[0]) == 10 && ad_scalar(again[1]) == 6);
    assert_true(ad_scalar(ad_grad(ad_grad(y, y), z)) == 0);
    const double zero = 0;                              /* the slope of sqrt at 0 is not asked for */
    ad root = ad_sqrt(ad_input(t, &zero, 1, 1));
    assert_true(ad_scalar(ad_grad(ad_scale(3, root), root)) == 3);
    ad_tape_free(t);
}

/* On random graphs, every node as an x at once: as each alone, to the bit. */
static void test_all_gradients_at_once(void **state)
{
    (void)state;
    gsl_rng *rng = random_stream(33, 0, RANDOM_TEST);
    for (int i = 0; i < 100; i++) {
        ad_tape *t = ad_tape_new();
        struct graph g;
        ad node[LEAVES + MAX_STEPS], all[LEAVES + MAX_STEPS];
        draw_graph(rng, &g);
        ad L = record_graph(t, &g, false, node);
        ad_grads(L, LEAVES + g.steps, node, all);
        for (int k = 0; k < LEAVES + g.steps; k++) {
            ad one = ad_grad(L, node[k]);
            assert_memory_equal(ad_value(one), ad_value(all[k]), ENTRIES * sizeof(double));
            double numbers[ENTRIES];
            ad_grad_into(L, node[k], numbers);
            assert_memory_equal(ad_value(one), numbers, ENTRIES * sizeof(double));
        }
        ad_tape_free(t);
    }
    gsl_rng_free(rng);
}

/* Into the caller's memory as into the tape's, and nothing behind it: of a network's theta [6], of which there are
 * parts; of a vector beside y, 0; of y itself, 1. */
static void test_gradient_as_numbers(void **state)
{
    (void)state;
    ad_tape *t = ad_tape_new();
    const double value[6] = { 0.5, -0.25, 0.75, 1.5, 0.125, -1 }, zero[6] = { 0 };
    ad theta = ad_input(t, value, 6, 1), beside = ad_input(t, value, 6, 1), x = ad_input(t, value, 3, 2);
    ad h = ad_dense(x, ad_view(theta, 0, 2, 2), ad_view(theta, 4, 1, 2), AD_TANH), y = ad_mean(ad_square(h));
    double g[7] = { NAN, NAN, NAN, NAN, NAN, NAN, 7 }, one[2] = { NAN, 7 };
    ad_grad_into(y, theta, g);
    assert_memory_equal(g, ad_value(ad_grad(y, theta)), sizeof value);
    ad_grad_into(y, beside, g);
    assert_memory_equal(g, zero, sizeof zero);
    ad_grad_into(y, y, one);
    assert_true(g[6] == 7 && one[0] == 1 && one[1] == 7);
    ad_tape_free(t);
}

/* y = z^2 e^z + z at z = a + b, dy/dz = (z^2 + 2z) e^z + 1, the same by a and by b, bit by bit. */
static void test_intermediate(void **state)
{
    (void)state;
    ad_tape *t = ad_tape_new();
    const double value[2] = { 0.75, -0.5 };
    ad a = ad_input(t, &value[0], 1, 1), b = ad_input(t, &value[1], 1, 1), z = ad_add(a, b);
    ad y = ad_add(ad_mul(ad_mul(z, z), ad_exp(z)), z);
    const double got = ad_scalar(ad_grad(y, z)), want = (0.25 * 0.25 + 0.5) * exp(0.25) + 1;
    assert_true(fabs(got - want) <= 4 * DBL_EPSILON * want);
    assert_true(ad_scalar(ad_grad(y, a)) == got && ad_scalar(ad_grad(y, b)) == got);
    assert_true(ad_scalar(ad_grad(y, y)) == 1 && ad_scalar(ad_grad(z, y)) == 0);
    ad_tape_free(t);
}

/* On random graphs: <u, J v> = <J^T u, v> for the map from a leaf to the last node, in units of the terms. */
static void test_adjoint_identity(void **state)
{
    (void)state;
    gsl_rng *rng = random_stream(34, 0, RANDOM_TEST);
    for (int i = 0; i < 300; i++) {
        ad_tape *t = ad_tape_new();
        struct graph g;
        double u_value[ENTRIES], v_value[ENTRIES], terms = 1;
        ad node[LEAVES + MAX_STEPS];
        draw_graph(rng, &g);
        fill(rng, ENTRIES, -1, 1, u_value);
        fill(rng, ENTRIES, -1, 1, v_value);
        record_graph(t, &g, false, node);
        ad u = ad_input(t, u_value, SIDE, SIDE), v = ad_input(t, v_value, SIDE, SIDE);
        ad y = node[LEAVES + g.steps - 1];
        ad Jv = ad_jvp(y, node[i % 2], v), Jt_u = ad_vjp(y, node[i % 2], u);
        for (int j = 0; j < ENTRIES; j++) terms += fabs(ad_value(Jv)[j]) + fabs(ad_value(Jt_u)[j]);
        double left = ad_scalar(ad_dot(u, Jv)), right = ad_scalar(ad_dot(Jt_u, v));
        if (!(fabs(left - right) <= LIMIT * DBL_EPSILON * ENTRIES * g.steps * terms))
            fail_msg("graph %d: <u, J v> = %.17g, <J^T u, v> = %.17g", i, left, right);
        ad_tape_free(t);
    }
    gsl_rng_free(rng);
}

/* ---- views ---- */
enum { THETA = 12, MAX_VIEWS = 8 };
struct layout { int views, offset[MAX_VIEWS], n[MAX_VIEWS], parent[MAX_VIEWS]; bool direct; };

/* Views overlap, nest (of a view before: parent >= 0), repeat, leave gaps or, each third time, tile theta. */
static struct layout draw_layout(gsl_rng *rng, int i)
{
    struct layout l = { .views = 1 + (int)gsl_rng_uniform_int(rng, MAX_VIEWS), .direct = i % 2 };
    int at = 0;
    for (int k = 0; k < l.views; k++) {
        int p = i % 3 && k ? (int)gsl_rng_uniform_int(rng, (unsigned long)k + 1) - 1 : -1;
        int whole = p < 0 ? THETA : l.n[p];
        l.parent[k] = p;
        if (i % 3 == 0) {                           /* the next part; the last one takes the rest */
            int left = THETA - at - (l.views - 1 - k);
            l.n[k] = k == l.views - 1 ? THETA - at : 1 + (int)gsl_rng_uniform_int(rng, (unsigned long)left);
            l.offset[k] = at;
            at += l.n[k];
        } else {
            l.n[k] = 1 + (int)gsl_rng_uniform_int(rng, (unsigned long)whole);
            l.offset[k] = (int)gsl_rng_uniform_int(rng, (unsigned long)(whole - l.n[k] + 1));
        }
    }
    return l;
}

/* L = sum_k <w_k, view_k^2> (+ <w, theta^2> directly): gradient 2 w theta and H v = 2 w v added up where the views
 * lie, exact in small integers; on record and after a replay; the gradient seen through a view. */
static void test_views(void **state)
{
    (void)state;
    gsl_rng *rng = random_stream(35, 0, RANDOM_TEST);
    for (int i = 0; i < 600; i++) {
        struct layout l = draw_layout(rng, i);
        double data[THETA], v_value[THETA], w[MAX_VIEWS + 1][THETA], total[THETA] = { 0 };
        for (int j = 0; j < THETA; j++) v_value[j] = (int)gsl_rng_uniform_int(rng, 9) - 4;
        for (int j = 0; j < THETA; j++) data[j] = (int)gsl_rng_uniform_int(rng, 9) - 4;
        for (int j = 0; j < COUNT(w) * THETA; j++) w[j / THETA][j % THETA] = (int)gsl_rng_uniform_int(rng, 9) - 4;
        ad_tape *t = ad_tape_new();
        ad theta = ad_input(t, data, THETA, 1), view[MAX_VIEWS], L = ad_constant(t, 0, 1, 1);
        int start[MAX_VIEWS];
        for (int k = 0; k < l.views; k++) {
            start[k] = l.offset[k] + (l.parent[k] < 0 ? 0 : start[l.parent[k]]);
            view[k] = ad_view(l.parent[k] < 0 ? theta : view[l.parent[k]], l.offset[k], 1, l.n[k]);
            assert_ptr_equal(ad_value(view[k]), data + start[k]);
            L = ad_add(L, ad_dot(ad_input(t, w[k], 1, l.n[k]), ad_square(view[k])));
            for (int j = 0; j < l.n[k]; j++) total[start[k] + j] += 2 * w[k][j];
        }
        if (l.direct) L = ad_add(L, ad_dot(ad_input(t, w[MAX_VIEWS], THETA, 1), ad_square(theta)));
        for (int j = 0; j < THETA && l.direct; j++) total[j] += 2 * w[MAX_VIEWS][j];
        ad g = ad_grad(L, theta), Hv = ad_grad(ad_dot(g, ad_input(t, v_value, THETA, 1)), theta);
        ad part = ad_view(g, 2, 3, 2), outs[2] = { g, Hv };
        ad_plan plan = ad_slice(1, &theta, 2, outs);
        for (int run = 0; run < 2; run++) {
            for (int j = 0; j < THETA; j++)
                if (ad_value(g)[j] != total[j] * data[j] || ad_value(Hv)[j] != total[j] * v_value[j])
                    fail_msg("layout %d, run %d, entry %d: gradient %g, expected %g; H v %g, expected %g", i, run,
                             j, ad_value(g)[j], total[j] * data[j], ad_value(Hv)[j], total[j] * v_value[j]);
            for (int j = 0; j < 6; j++) assert_true(ad_value(part)[j] == ad_value(g)[2 + j]);
            for (int j = 0; j < THETA; j++) data[j] = (int)gsl_rng_uniform_int(rng, 9) - 4;
            ad_run(&plan);
        }
        ad of_part = ad_grad(ad_sum(ad_square(part)), theta);       /* of sum (2 w theta)^2: 2 (2 w)^2 theta */
        for (int j = 0; j < THETA; j++)
            assert_true(ad_value(of_part)[j] == (j < 2 || j >= 8 ? 0 : 2 * total[j] * total[j] * data[j]));
        ad_tape_free(t);
    }
    gsl_rng_free(rng);
}

/* One adjoint for two views, and views on two vectors of one adjoint: sum (a + b), a and b views; and the
 * adjoint 1 itself as the only part. */
static void test_views_share_an_adjoint(void **state)
{
    (void)state;
    const double data[4] = { 1, 2, 3, 4 }, w_value[2] = { 5, 7 };
    const double twice[4] = { 5, 7, 5, 7 }, once[4] = { 5, 7, 0, 0 };
    ad_tape *t = ad_tape_new();
    ad x = ad_input(t, data, 4, 1), z = ad_input(t, data, 4, 1), w = ad_input(t, w_value, 2, 1);
    ad g[2], both[2] = { x, z };
    ad y = ad_add(ad_add(ad_view(x, 0, 2, 1), ad_view(x, 2, 2, 1)), ad_view(z, 0, 2, 1));
    ad_grads(ad_dot(y, w), 2, both, g);
    assert_memory_equal(ad_value(g[0]), twice, sizeof twice);
    assert_memory_equal(ad_value(g[1]), once, sizeof once);
    ad scalar = ad_input(t, data, 1, 1);
    assert_true(exactly(ad_grad(ad_view(scalar, 0, 1, 1), scalar), 1, 1, 1));
    ad_tape_free(t);
}

/* A gradient by a view leaves nothing behind for the next one, by what it is a view of: L = sum (2 x)^2 over the
 * first two of three entries, seen through z = 2 x, v = part of z. */
static void test_view_as_x(void **state)
{
    (void)state;
    const double data[3] = { 1, 2, 3 }, by_v[2] = { 4, 8 }, by_z[3] = { 4, 8, 0 }, by_x[3] = { 8, 16, 0 };
    ad_tape *t = ad_tape_new();
    ad x = ad_input(t, data, 3, 1), z = ad_scale(2, x), v = ad_view(z, 0, 2, 1), L = ad_sum(ad_square(v));
    for (int round = 0; round < 2; round++) {
        assert_memory_equal(ad_value(ad_grad(L, v)), by_v, sizeof by_v);
        assert_memory_equal(ad_value(ad_grad(L, z)), by_z, sizeof by_z);
        assert_memory_equal(ad_value(ad_grad(L, v)), by_v, sizeof by_v);
        assert_memory_equal(ad_value(ad_grad(L, x)), by_x, sizeof by_x);
    }
    ad_tape_free(t);
}

/* ---- leaves, memory ---- */
/* An input is borrowed, a copy is not; constant and identity; shapes; NULL may be freed. */
static void test_leaves(void **state)
{
    (void)state;
    ad_tape *t = ad_tape_new();
    double data[6] = { 1, 2, 3, 4, 5, 6 };
    ad x = ad_copy(t, data, 2, 3), borrowed = ad_input(t, data, 2, 3), I = ad_eye(t, 3);
    data[4] = -1;
    for (int i = 0; i < 6; i++) assert_true(ad_value(x)[i] == i + 1);
    assert_ptr_equal(ad_value(borrowed), data);
    assert_true(ad_nrows(x) == 2 && ad_ncols(x) == 3);
    for (int i = 0; i < 9; i++) assert_true(ad_value(I)[i] == (i % 4 == 0));
    assert_true(exactly(ad_constant(t, 2.5, 4, 2), 4, 2, 2.5));
    assert_true(ad_scalar(ad_constant(t, -3, 1, 1)) == -3);
    ad_tape_free(t);
    ad_tape_free(NULL);
}

/* Record, reset, record something else, reset, record again: the same to the bit, in the same memory. A leaf from
 * before the mark lives on, and a mark inside a mark holds. */
static void test_reset(void **state)
{
    (void)state;
    gsl_rng *rng = random_stream(36, 0, RANDOM_TEST);
    ad_tape *t = ad_tape_new();
    const double kept_value[2] = { 3, 4 };
    ad kept = ad_input(t, kept_value, 2, 1);
    ad_mark mark = ad_here(t);
    for (int i = 0; i < 100; i++) {
        struct graph g, other;
        double v[INPUTS];
        draw_graph(rng, &g);
        draw_graph(rng, &other);
        fill(rng, INPUTS, -1, 1, v);
        struct on_tape first = record_derivatives(t, &g, false, v);
        struct outputs want = read_outputs(&first);
        const double *place = ad_value(first.Hv[0]);
        ad_mark inner = ad_here(t);
        record_derivatives(t, &other, false, v);
        ad_reset(t, inner);
        struct outputs still = read_outputs(&first);
        same_bits(&still, &want, i, "what an inner reset leaves");
        ad_reset(t, mark);
        struct on_tape again = record_derivatives(t, &g, false, v);
        struct outputs got = read_outputs(&again);
        same_bits(&got, &want, i, "recording after a reset");
        assert_ptr_equal(place, ad_value(again.Hv[0]));
        ad norm = ad_dot(kept, kept);
        assert_true(ad_scalar(norm) == 25 && ad_value(ad_grad(norm, kept))[1] == 8);
        ad_reset(t, mark);
    }
    ad_tape_free(t);
    gsl_rng_free(rng);
}

/* What is kept has its value and shape, leads to nothing, and lies where what is gone lay. */
static void test_reset_but(void **state)
{
    (void)state;
    const double p[6] = { 1, -2, 3, 4, 5, -6 };
    ad_tape *t = ad_tape_new();
    ad x = ad_input(t, p, 6, 1);
    ad_mark start = ad_here(t);
    ad first = ad_square(x), y = ad_reset_but(t, start, ad_view(ad_square(first), 2, 4, 1));
    assert_ptr_equal(y, first);
    assert_int_equal(ad_nrows(y), 4);
    assert_int_equal(ad_ncols(y), 1);
    ad g = ad_grad(ad_dot(y, ad_view(x, 2, 4, 1)), x);      /* of y^T x: y */
    for (int i = 0; i < 4; i++)
        assert_true(ad_value(y)[i] == pow(p[2 + i], 4) && ad_value(g)[2 + i] == pow(p[2 + i], 4));
    assert_true(ad_value(g)[0] == 0 && ad_value(g)[1] == 0);
    ad_reset(t, start);
    assert_ptr_equal(ad_square(x), first);
    ad_tape_free(t);
}

/* After a reset the list ends at the mark, also for a slice that is the first to look at it. */
static void test_slice_after_reset(void **state)
{
    (void)state;
    ad_tape *t = ad_tape_new();
    double value = 2;
    ad x = ad_input(t, &value, 1, 1), y = ad_square(x);
    ad_mark mark = ad_here(t);
    for (int i = 0; i < 50; i++) ad_add(y, ad_scale(i, x));
    ad_reset(t, mark);
    ad_plan plan = ad_slice(1, &x, 1, &y);
    value = 3;
    ad_run(&plan);
    assert_true(plan.n == 1 && plan.node[0] == y && y->newer == NULL && ad_scalar(y) == 9);
    ad_tape_free(t);
}

/* After the first round nothing is asked of the system: 1000 times record, differentiate twice, replay, reset. */
static void test_steady_state(void **state)
{
    (void)state;
    gsl_rng *rng = random_stream(37, 0, RANDOM_TEST);
    struct graph g;
    double v[INPUTS];
    draw_graph(rng, &g);
    fill(rng, INPUTS, -1, 1, v);
    asked = 0;
    ad_tape *t = ad_tape_new();
    assert_true(asked > 0);                             /* the count works */
    ad_mark start = ad_here(t);
    int after_first = 0;
    for (int i = 0; i < 1000; i++) {
        struct on_tape on = record_derivatives(t, &g, false, v);
        ad_plan plan = ad_slice(LEAVES, on.leaf, LEAVES, on.Hv);
        ad_run(&plan);
        ad_reset(t, start);
        if (i == 0) after_first = asked;
    }
    assert_int_equal(asked, after_first);
    ad_tape_free(t);
    gsl_rng_free(rng);
}

#ifdef ASCENT_CHECKED
/* In checking builds what a reset takes back turns to NaN. */
static void test_reset_poisons(void **state)
{
    (void)state;
    ad_tape *t = ad_tape_new();
    ad_mark start = ad_here(t);
    const double *stale = ad_value(ad_constant(t, 1, 2, 2));
    ad_reset(t, start);
    for (int i = 0; i < 4; i++) assert_true(isnan(stale[i]));
    ad_tape_free(t);
}
#endif

static size_t bytes_between(ad_mark before, ad_mark after)
{
    assert_ptr_equal(before.memory.block, after.memory.block);      /* else the difference means nothing */
    return after.memory.used - before.memory.used;
}

/* Only nodes between x and y are visited: the gradient of y = x^2 - f(z) by x records the adjoint 1, two
 * shares of x x and their sum, four nodes of one number; nothing for f, however long it is. */
static void test_visits_only_between(void **state)
{
    (void)state;
    for (int length = 1; length <= 25; length += 24) {
        ad_tape *t = ad_tape_new();
        ad_mark start = ad_here(t);
        ad z = ad_constant(t, 1, 1, 1);
        size_t node = bytes_between(start, ad_here(t));
        ad x = ad_constant(t, 1, 1, 1), f = z;
        for (int i = 0; i < length; i++) f = ad_scale(0.5, ad_mul(f, z));
        ad y = ad_sub(ad_mul(x, x), f);
        ad_mark before = ad_here(t);
        assert_true(ad_scalar(ad_grad(y, x)) == 2);
        assert_true(bytes_between(before, ad_here(t)) <= 4 * node);
        ad_tape_free(t);
    }
}

/* The parts of a vector's gradient stand in the gradient's own memory, and the sum of two products in one. */
static void test_gradient_in_place(void **state)
{
    (void)state;
    ad_tape *t = ad_tape_new();
    const double value[8] = { 0.5, -1, 2, 0.25, 1, -0.5, 0.125, 3 };
    ad theta = ad_input(t, value, 8, 1), x = ad_input(t, value, 3, 2);
    ad W = ad_view(theta, 0, 2, 3), b = ad_view(theta, 6, 1, 2);
    ad h = ad_matmul(ad_matmul(x, W), x);                           /* [3 x 2] [2 x 3] [3 x 2] */
    ad y = ad_sum(ad_square(ad_add(h, ad_rows(b, 3)))), g = ad_grad(y, theta);
    assert_true(g->inputs == 2 && g->tiled);
    for (int i = 0; i < g->inputs; i++) assert_ptr_equal(g->in[i]->value, g->value + g->place[i]);

    for (int newer = 0; newer < 2; newer++) {           /* V twice: the newer product adds to the older */
        ad V = ad_input(t, value, 2, 2), z = ad_input(t, value + newer, 2, 2);
        ad Vz = ad_matmul(V, z), zV = ad_matmul(z, V), twice = newer ? ad_sub(zV, Vz) : ad_add(Vz, zV);
        ad gV = ad_grad(ad_sum(twice), V);
        assert_true(gV->joined && gV->in[0]->value == gV->value && gV->in[1]->value == gV->value);
        assert_true(gV->in[0]->onto != gV->in[1]->onto);
    }
    ad_tape_free(t);
}

/* Views that start together and are not of one shape each keep an adjoint of their own. */
static void test_views_start_together(void **state)
{
    (void)state;
    ad_tape *t = ad_tape_new();
    const double value[4] = { 1, 2, 3, 4 };
    ad x = ad_input(t, value, 4, 1);
    ad two = ad_sum(ad_square(ad_view(x, 0, 2, 1))), three = ad_sum(ad_square(ad_view(x, 0, 3, 1)));
    ad g = ad_grad(ad_add(two, three), x);
    for (int i = 0; i < 4; i++) assert_true(ad_value(g)[i] == (i < 2 ? 4 : i < 3 ? 2 : 0) * value[i]);
    ad_tape_free(t);
}

/* An adjoint that a node keeps, for drawings, is not overwritten by a sum in which it is a term. y = sum (x + 1)^2 +
 * sum (x M)^2: the adjoint of x + 1, 2 (x + 1), is the first term of x's. y = sum ((x + 1) M)^2 + sum x^2: it is
 * 2 (x + 1) M M^T, and the second. */
static void test_adjoints_stay(void **state)
{
    (void)state;
    ad_tape *t = ad_tape_new();
    const double value[4] = { 1, 2, 3, 4 }, M_value[4] = { 1, 1, 0, 1 };
    ad x = ad_input(t, value, 2, 2), M = ad_input(t, M_value, 2, 2), xM = ad_matmul(x, M);
    ad z = ad_add(x, ad_constant(t, 1, 2, 2));
    ad y = ad_add(ad_sum(ad_square(xM)), ad_sum(ad_square(z))), g = ad_grad(y, x);
    static const double want[4] = { 4 + 2 + 6, 6 + 6, 8 + 6 + 14, 10 + 14 };    /* 2 (x + 1) + 2 x M M^T */
    for (int i = 0; i < 4; i++) {
        assert_true(ad_value(z->adjoint)[i] == 2 * (value[i] + 1));
        assert_true(ad_value(g)[i] == want[i]);
    }
    z = ad_add(x, ad_constant(t, 1, 2, 2));
    y = ad_sum(ad_square(ad_matmul(z, M)));
    g = ad_grad(ad_add(y, ad_sum(ad_mul(x, x))), x);
    static const double MMt[4] = { 2, 1, 1, 1 };
    for (int i = 0; i < 4; i++) {
        const double *row = value + i / 2 * 2;
        double adjoint = 2 * ((row[0] + 1) * MMt[i % 2] + (row[1] + 1) * MMt[2 + i % 2]);
        assert_true(ad_value(z->adjoint)[i] == adjoint);
        assert_true(ad_value(g)[i] == adjoint + 2 * value[i]);
    }
    ad_tape_free(t);
}

/* The caller's gradients are nodes of their own: z's is not the place of x's, where it is a term (z = x + 1), nor
 * does it change that of theta, of which it is a part, when it alone is run again. */
static void test_gradients_of_the_caller(void **state)
{
    (void)state;
    ad_tape *t = ad_tape_new();
    double value[6] = { 1, 2, 3, 4, 5, 6 };
    const double M_value[4] = { 1, 1, 0, 1 };
    ad x = ad_copy(t, value, 2, 2), xM = ad_matmul(x, ad_input(t, M_value, 2, 2)), g[2];
    ad z = ad_add(x, ad_constant(t, 1, 2, 2));
    ad zx[2] = { z, x }, y = ad_add(ad_sum(ad_square(xM)), ad_sum(ad_square(z)));
    ad_grads(y, 2, zx, g);
    for (int i = 0; i < 4; i++) assert_true(ad_value(g[0])[i] == 2 * (value[i] + 1));

    ad theta = ad_input(t, value, 6, 1), first = ad_view(theta, 0, 2, 2), second = ad_view(theta, 4, 2, 1);
    ad both[2] = { first, theta };
    ad_grads(ad_add(ad_sum(ad_mul(first, ad_mul(first, first))), ad_sum(second)), 2, both, g);
    ad_plan plan = ad_slice(1, &theta, 1, g);
    value[0] = 10;
    ad_run(&plan);
    assert_true(ad_value(g[0])[0] == 300 && ad_value(g[1])[0] == 3);
    ad_tape_free(t);
}

/* The same for a term whose own derivative reads its value: y = sum ln x + sum (x M)^2, where the first term of x's
 * adjoint is the quotient 1 / x. H v = -v / x^2 + 2 v M M^T. */
static void test_terms_stay(void **state)
{
    (void)state;
    ad_tape *t = ad_tape_new();
    const double value[4] = { 1, 2, 4, 8 }, M_value[4] = { 1, 1, 0, 1 }, v[4] = { 16, 32, 64, 128 };
    ad x = ad_input(t, value, 2, 2), squares = ad_sum(ad_square(ad_matmul(x, ad_input(t, M_value, 2, 2))));
    ad g = ad_grad(ad_add(squares, ad_sum(ad_log(x))), x), Hv = ad_grad(ad_dot(g, ad_input(t, v, 2, 2)), x);
    static const double vMMt[4] = { 64, 48, 256, 192 };
    for (int i = 0; i < 4; i++) assert_true(ad_value(Hv)[i] == -v[i] / (value[i] * value[i]) + 2 * vMMt[i]);
    ad_tape_free(t);
}

/* Whether a node lay between x and y is asked of this ad_grad only, also after a reset has taken back an older one:
 * the gradient by x alone records as many nodes as ever. */
static void test_sweeps_apart(void **state)
{
    (void)state;
    size_t bytes[2];
    for (int before = 0; before < 2; before++) {
        ad_tape *t = ad_tape_new();
        ad x = ad_constant(t, 3, 1, 1), w = ad_constant(t, 5, 1, 1), y = ad_mul(x, w);
        ad_mark mark = ad_here(t);
        for (int i = 0; i < before; i++) assert_true(ad_scalar(ad_grad(y, w)) == 3);
        ad_reset(t, mark);
        assert_true(ad_scalar(ad_grad(y, x)) == 5);
        bytes[before] = bytes_between(mark, ad_here(t));
        ad_tape_free(t);
    }
    assert_true(bytes[0] == bytes[1]);
}

/* ---- the drawing, whole ---- */
static void test_drawing(void **state)
{
    (void)state;
    static const char *const want =
        "digraph {\n"
        "  rankdir=LR;\n"
        "  node [shape=box, fontname=\"sans-serif\", fontsize=10];\n"
        "  n0 [label=\"x \\\"1\\\"\\ninput [1 x 3]\\n-2 .. 0.5\\nadjoint -4 .. 1\", shape=ellipse];\n"
        "  n2 [label=\"square = a^2\\nsquare [1 x 3]\\n0.0625 .. 4\\nadjoint 1 .. 1\"];\n"
        "  n0 -> n2;\n"
        "  n3 [label=\"a, constant\\ndetach [1 x 3]\\n-2 .. 0.5\", style=dashed];\n"
        "  n0 -> n3 [style=dashed];\n"
        "  n4 [label=\"a + b\\nadd [1 x 3]\\n-0.1875 .. 2\\nadjoint 1 .. 1\"];\n"
        "  n2 -> n4;\n"
        "  n3 -> n4;\n"
        "  n5 [label=\"sum a\\nsum [1 x 1]\\n2.5625\\nadjoint 1\"];\n"
        "  n4 -> n5;\n"
        "}\n";
    ad_tape *t = ad_tape_new();
    const double value[3] = { 0.5, -2, -0.25 };
    ad x = ad_name(ad_input(t, value, 1, 3), "x \"1\"");
    ad_constant(t, 7, 1, 1);                            /* not in the drawing */
    ad square = ad_name(ad_square(x), "square"), constant = ad_detach(x);
    ad y = ad_sum(ad_add(square, constant)), g = ad_grad(y, x);
    char *text = NULL;
    size_t length = 0;
    FILE *f = open_memstream(&text, &length);
    ad_draw(f, y, true);
    fclose(f);
    assert_string_equal(text, want);
    free(text);

    f = open_memstream(&text, &length);                   /* the gradient, without adjoints */
    ad_draw(f, g, false);
    fclose(f);
    assert_null(strstr(text, "adjoint"));
    assert_non_null(strstr(text, "\", color=gray50, fontcolor=gray30];"));
    free(text);
    ad_tape_free(t);
}

/* ---- two threads, two tapes ---- */
enum { THREAD_GRAPHS = 60 };
struct job { struct graph *g; const double *v; struct outputs out[THREAD_GRAPHS]; };

static void *work(void *of)
{
    struct job *job = of;
    ad_tape *t = ad_tape_new();
    ad_mark start = ad_here(t);
    for (int i = 0; i < THREAD_GRAPHS; i++) {
        struct on_tape on = record_derivatives(t, &job->g[i], false, job->v);
        ad outs[1 + 2 * LEAVES] = { on.L, on.g[0], on.g[1], on.Hv[0], on.Hv[1] };
        ad_plan plan = ad_slice(LEAVES, on.leaf, COUNT(outs), outs);
        ad_run(&plan);
        job->out[i] = read_outputs(&on);
        ad_reset(t, start);
    }
    ad_tape_free(t);
    return NULL;
}

/* The same graphs in two threads at once and in one alone: the same bits. */
static void test_two_threads(void **state)
{
    (void)state;
    static struct graph g[THREAD_GRAPHS];
    static struct job job[3];
    double v[INPUTS];
    gsl_rng *rng = random_stream(38, 0, RANDOM_TEST);
    for (int i = 0; i < THREAD_GRAPHS; i++) draw_graph(rng, &g[i]);
    fill(rng, INPUTS, -1, 1, v);
    for (int k = 0; k < 3; k++) job[k] = (struct job){ .g = g, .v = v };
    work(&job[2]);
    for (int round = 0; round < 5; round++) {
        pthread_t thread[2];
        for (int k = 0; k < 2; k++) assert_int_equal(pthread_create(&thread[k], NULL, work, &job[k]), 0);
        for (int k = 0; k < 2; k++) pthread_join(thread[k], NULL);
        for (int k = 0; k < 2; k++)
            for (int i = 0; i < THREAD_GRAPHS; i++)
                same_bits(&job[k].out[i], &job[2].out[i], i, "a thread's result");
    }
    gsl_rng_free(rng);
}

/* ---- depth ---- */
/* y = x^(n+1) at x = 1 as a chain: y' = n + 1, y'' = (n + 1) n, exact in doubles since every partial sum is
 * an integer below 2^53. A recursion would need at least 16 bytes a level; 256 KB of stack hold 16384. */
static void deep_chain(int n)
{
    const double one = 1;
    const struct rlimit small = { 256 << 10, 256 << 10 };
    if (setrlimit(RLIMIT_STACK, &small) != 0) _exit(98);
    ad_tape *t = ad_tape_new();
    ad x = ad_input(t, &one, 1, 1), y = x;
    for (int i = 0; i < n; i++) y = ad_mul(y, x);
    ad first = ad_grad(y, x), second = ad_grad(first, x);
    if (ad_scalar(first) != n + 1.0) _exit(1);
    if (ad_scalar(second) != (n + 1.0) * n) _exit(2);
    ad_plan plan = ad_slice(1, &x, 1, &second);
    ad_run(&plan);
    if (ad_scalar(second) != (n + 1.0) * n) _exit(3);
    _exit(0);
}

static void test_deep_chain(void **state)
{
    (void)state;
    struct ending end = run_child(deep_chain, 20000);
    if (!WIFEXITED(end.status) || WEXITSTATUS(end.status) != 0)
        fail_msg("wait status %#x (1, 2, 3: wrong derivative; signal 11: stack)", (unsigned)end.status);
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_random_graphs), cmocka_unit_test(test_replay_is_recording),
        cmocka_unit_test(test_slice), cmocka_unit_test(test_detach_follows_freeze_stays),
        cmocka_unit_test(test_index_is_borrowed), cmocka_unit_test(test_several_gradients),
        cmocka_unit_test(test_all_gradients_at_once),
        cmocka_unit_test(test_gradient_as_numbers), cmocka_unit_test(test_intermediate),
        cmocka_unit_test(test_adjoint_identity), cmocka_unit_test(test_views),
        cmocka_unit_test(test_views_share_an_adjoint), cmocka_unit_test(test_view_as_x),
        cmocka_unit_test(test_leaves), cmocka_unit_test(test_reset), cmocka_unit_test(test_reset_but),
        cmocka_unit_test(test_slice_after_reset),
        cmocka_unit_test(test_steady_state), cmocka_unit_test(test_gradient_in_place),
        cmocka_unit_test(test_adjoints_stay),
        cmocka_unit_test(test_gradients_of_the_caller), cmocka_unit_test(test_terms_stay),
        cmocka_unit_test(test_views_start_together),
        cmocka_unit_test(test_sweeps_apart), cmocka_unit_test(test_drawing),
        cmocka_unit_test(test_visits_only_between),
        cmocka_unit_test(test_two_threads), cmocka_unit_test(test_deep_chain),
#ifdef ASCENT_CHECKED
        cmocka_unit_test(test_reset_poisons),
#endif
    };
    if (argc > 1) cmocka_set_test_filter(argv[1]);
    linalg_start();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
