/* Batch normalisation: values, first and second derivatives through the batch's statistics, what runs, and networks
 * with it, against plain loops in long double and complex steps through them.
 *     test_batch_norm [pattern]       runs the tests whose names match */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <gsl/gsl_randist.h>

#include "autodiff/batch_norm.h"
#include "autodiff/random.h"
#include "tests/child_process.h"
#include "tests/batch_norm_by_hand.h"

enum { ROWS = 7, COLUMNS = 3, MOST = ROWS * COLUMNS + 2 * COLUMNS, LONGEST = 300 };

static void gaussians(unsigned seed, int n, double sd, double *x)
{
    gsl_rng *rng = random_stream(seed, 0, RANDOM_TEST);
    for (int i = 0; i < n; i++) x[i] = gsl_ran_gaussian(rng, sd);
    gsl_rng_free(rng);
}

/* ---- one normalisation: J = sum_ij c_ij y_ij^3 of (x, gain, bias), in one vector; T rows ---- */

struct cube { int T; double c[ROWS * COLUMNS]; };

static number cube_by_hand(const void *context, const number *v)
{
    const struct cube *q = context;
    const number *gain = v + q->T * COLUMNS, *bias = gain + COLUMNS;
    number J = 0;
    for (int j = 0; j < COLUMNS; j++) {
        number mean = 0, var = 0;
        for (int t = 0; t < q->T; t++) mean += v[t * COLUMNS + j] / q->T;
        for (int t = 0; t < q->T; t++) var += (v[t * COLUMNS + j] - mean) * (v[t * COLUMNS + j] - mean) / q->T;
        for (int t = 0; t < q->T; t++) {
            number y = gain[j] * (v[t * COLUMNS + j] - mean) / csqrtl(var + 1e-5) + bias[j];
            J += q->c[t * COLUMNS + j] * y * y * y;
        }
    }
    return J;
}

/* Columns of different scales, .1, 1 and 100, and one whose mean is 10 times its deviation */
static void columns(unsigned seed, int T, double *v)
{
    gaussians(seed, MOST, 1, v);
    for (int t = 0; t < T; t++) v[t * COLUMNS] = 0.1 * v[t * COLUMNS] + 1, v[t * COLUMNS + 2] *= 100;
}

/* J'' v, as central differences of complex steps */
static void differences(int n, const double *v, const double *along, long double h, const struct cube *q,
                        long double *out)
{
    long double at[MOST], down[MOST];
    for (int i = 0; i < n; i++) at[i] = v[i] - h * along[i];
    hand_gradient(n, at, cube_by_hand, q, down);
    for (int i = 0; i < n; i++) at[i] = v[i] + h * along[i];
    hand_gradient(n, at, cube_by_hand, q, out);
    for (int i = 0; i < n; i++) out[i] = (out[i] - down[i]) / (2 * h);
}

/* x - mean loses |mean| / sd = 10 of its digits, and each sum has T terms: 10 u N S, N = 10 T. The second derivative
 * is compared with differences, extrapolated (Richardson): h |along| is 1e-4 of the least deviation and less, its
 * fourth power their error. */
static void derivatives(void **state)
{
    (void)state;
    for (int T = 2; T <= ROWS; T++) {
        struct cube q = { .T = T };
        int n = T * COLUMNS + 2 * COLUMNS;
        double v[MOST], along[MOST];
        long double at[MOST], g[MOST], wide[MOST], S = 0, S2 = 0;
        number same[MOST];
        columns((unsigned)T, T, v);
        gaussians(50, ROWS * COLUMNS, 1, q.c);
        gaussians(60 + (unsigned)T, MOST, 1e-2, along);
        for (int i = 0; i < n; i++) same[i] = at[i] = v[i];

        ad_tape *t = ad_tape_new();
        ad x = ad_input(t, v, n, 1), a = ad_view(x, 0, T, COLUMNS), c = ad_input(t, q.c, T, COLUMNS);
        ad gain = ad_view(x, T * COLUMNS, 1, COLUMNS), bias = ad_view(x, T * COLUMNS + COLUMNS, 1, COLUMNS);
        ad y = batch_norm(a, batch_mean(a), batch_var(a), gain, bias);
        ad J = ad_sum(ad_mul(c, ad_mul(y, ad_square(y))));
        ad first = ad_grad(J, x), second = ad_grad(ad_dot(first, ad_input(t, along, n, 1)), x);

        long double J_hand = creall(cube_by_hand(&q, same));
        assert_true(fabsl(ad_scalar(J) - J_hand) <= 100 * T * 2.3e-16L * (10 + fabsl(J_hand)));
        hand_gradient(n, at, cube_by_hand, &q, g);
        for (int i = 0; i < n; i++) S = fmaxl(S, fabsl(g[i]));
        for (int i = 0; i < n; i++)
            if (!(fabsl(ad_value(first)[i] - g[i]) <= 100 * T * 2.3e-16L * S))
                fail_msg("T %d, J'[%d]: %.17g, %.17Lg", T, i, ad_value(first)[i], g[i]);
        differences(n, v, along, 1e-3L, &q, wide);
        differences(n, v, along, 5e-4L, &q, g);
        for (int i = 0; i < n; i++) g[i] = (4 * g[i] - wide[i]) / 3, S2 = fmaxl(S2, fabsl(g[i]));
        for (int i = 0; i < n; i++)
            if (!(fabsl(ad_value(second)[i] - g[i]) <= 1e-10L * S2))
                fail_msg("T %d, (J'' v)[%d]: %.17g, %.17Lg", T, i, ad_value(second)[i], g[i]);
        ad_tape_free(t);
    }
}

/* Each column has mean `bias` and variance gain^2 var / (var + eps); a constant one is `bias` */
static void moments(void **state)
{
    (void)state;
    double x[ROWS * COLUMNS], gain[] = { 1, 2, -0.5 }, bias[] = { 0, -3, 0.25 };
    gaussians(3, ROWS * COLUMNS, 1, x);
    for (int t = 0; t < ROWS; t++) x[t * COLUMNS] *= 1e-3, x[t * COLUMNS + 1] = 4;
    ad_tape *t = ad_tape_new();
    ad a = ad_input(t, x, ROWS, COLUMNS), var = batch_var(a);
    ad y = batch_norm(a, batch_mean(a), var, ad_input(t, gain, 1, COLUMNS), ad_input(t, bias, 1, COLUMNS));
    const double *m = ad_value(batch_mean(y)), *v = ad_value(batch_var(y)), *was = ad_value(var);
    for (int j = 0; j < COLUMNS; j++) {
        assert_true(fabs(m[j] - bias[j]) <= 1e-14);
        assert_true(fabs(v[j] - gain[j] * gain[j] * was[j] / (was[j] + 1e-5)) <= 1e-14);
    }
    for (int i = 0; i < ROWS; i++) assert_true(ad_value(y)[i * COLUMNS + 1] == bias[1]);
    ad_tape_free(t);
}

/* ---- networks ---- */

static const struct { network f; int inputs, n; } shapes[] = {
    { { 3, { 3, 5, 4, 2 }, AD_TANH }, 3, 54 + 4 * 12 },       { { 3, { 3, 5, 4, 2 }, AD_RELU }, 3, 54 + 4 * 12 },
    { { 2, { 4, 6, 1 }, AD_TANH }, 3, 37 + 4 * 3 },           { { 1, { 5, 2 }, AD_TANH }, 5, 12 + 4 * 5 },
    { { 1, { 5, 2 }, AD_TANH }, 1, 12 + 4 },                  { { 2, { 2, 3, 1 }, AD_LINEAR }, 2, 13 + 4 * 5 },
    { { 4, { 2, 3, 2, 4, 1 }, AD_TANH }, 2, 34 + 4 * 11 },
};
enum { SHAPES = sizeof shapes / sizeof *shapes };

/* Anything but what batch_norm_init gives; variances positive. w: numbers normalised */
static int random_theta(int k, double *theta, double *x)
{
    int n = shapes[k].n, bare = network_n(&shapes[k].f), w = (n - bare) / 4;
    gaussians(10 + (unsigned)k, n, 0.7, theta);
    for (int i = n - w; i < n; i++) theta[i] = 0.2 + fabs(theta[i]);
    gaussians(30 + (unsigned)k, ROWS * shapes[k].f.size[0], 2, x);
    return w;
}

struct forward { int k, T; const double *x; bool training; };

static void rows_of(int k, int T, const double *x, number rows[][HAND_WIDEST])
{
    int d = shapes[k].f.size[0];
    for (int t = 0; t < T; t++)
        for (int i = 0; i < d; i++) rows[t][i] = x[t * d + i];
}

static number squares_by_hand(const void *context, const number *theta)
{
    const struct forward *c = context;
    number rows[ROWS][HAND_WIDEST], sum = 0;
    rows_of(c->k, c->T, c->x, rows);
    hand_normalised(&shapes[c->k].f, shapes[c->k].inputs, c->training, theta, c->T, rows, NULL);
    for (int t = 0; t < c->T; t++)
        for (int j = 0; j < shapes[c->k].f.size[shapes[c->k].f.layers]; j++) sum += rows[t][j] * rows[t][j];
    return sum;
}

/* sum y^2 and its gradient, by either mode: 1e-13 of the largest entry, some 500 roundings */
static void networks(void **state)
{
    (void)state;
    for (int k = 0; k < SHAPES; k++)
        for (int mode = 0; mode < 2; mode++) {
            const network *f = &shapes[k].f;
            double theta[LONGEST], x[ROWS * 8];
            long double at[LONGEST], g[LONGEST], S = 0;
            number same[LONGEST];
            int n = shapes[k].n, w = random_theta(k, theta, x);
            struct forward c = { k, ROWS, x, mode == BATCH_NORM_TRAIN };
            assert_int_equal(batch_norm_n(f, shapes[k].inputs), n);
            for (int i = 0; i < n; i++) same[i] = at[i] = theta[i];
            ad_tape *t = ad_tape_new();
            ad v = ad_input(t, theta, n, 1), s = ad_input(t, x, ROWS, f->size[0]);
            ad J = ad_sum(ad_square(batch_norm_forward(f, shapes[k].inputs, v, s, (enum batch_norm_mode)mode)));
            const double *J1 = ad_value(ad_grad(J, v));
            long double J_hand = creall(squares_by_hand(&c, same));
            assert_true(fabsl(ad_scalar(J) - J_hand) <= 1e-13L * J_hand);
            hand_gradient(n, at, squares_by_hand, &c, g);
            for (int i = n - 2 * w; i < n; i++) g[i] = 0;                   /* what runs is no parameter */
            for (int i = 0; i < n; i++) S = fmaxl(S, fabsl(g[i]));
            for (int i = 0; i < n; i++)
                if (!(fabsl(J1[i] - g[i]) <= 1e-13L * S)) fail_msg("%d, J'[%d]: %.17g, %.17Lg", k, i, J1[i], g[i]);
            for (int i = n - 2 * w; i < n; i++) assert_true(J1[i] == 0);
            ad_tape_free(t);
        }
}

/* In evaluation a row's y is its own, whatever T is (BLAS sums in another order: 1e-14); with what batch_norm_init
 * gives it is that of the network on x / sqrt(1 + eps), where nothing else is normalised. */
static void alone(void **state)
{
    (void)state;
    for (int k = 0; k < SHAPES; k++) {
        const network *f = &shapes[k].f;
        double theta[LONGEST], x[ROWS * 8];
        int n = shapes[k].n, d = f->size[0], out = f->size[f->layers];
        random_theta(k, theta, x);
        ad_tape *t = ad_tape_new();
        ad v = ad_input(t, theta, n, 1);
        ad all = batch_norm_forward(f, shapes[k].inputs, v, ad_input(t, x, ROWS, d), BATCH_NORM_EVALUATE);
        for (int i = 0; i < ROWS; i++) {
            ad one = batch_norm_forward(f, shapes[k].inputs, v, ad_input(t, x + i * d, 1, d), BATCH_NORM_EVALUATE);
            for (int j = 0; j < out; j++) assert_true(fabs(ad_value(one)[j] - ad_value(all)[i * out + j]) <= 1e-14);
        }
        batch_norm_init(f, shapes[k].inputs, theta);
        ad y = batch_norm_forward(f, shapes[k].inputs, ad_copy(t, theta, n, 1), ad_input(t, x, ROWS, d),
                                  BATCH_NORM_EVALUATE);
        double scaled[ROWS * 8];
        for (int i = 0; i < ROWS * d; i++) scaled[i] = i % d < shapes[k].inputs ? x[i] / sqrt(1 + 1e-5) : x[i];
        ad plain = network_forward(f, ad_copy(t, theta, network_n(f), 1), ad_input(t, scaled, ROWS, d));
        bool only = f->layers == 1 || shapes[k].inputs < d;
        for (int i = 0; only && i < ROWS * out; i++) assert_true(fabs(ad_value(y)[i] - ad_value(plain)[i]) <= 1e-13);
        ad_tape_free(t);
    }
}

/* running <- .9 running + .1 of the batch, variances by T - 1; all else stays. The same batch again and again:
 * evaluation becomes training, but for T / (T-1). */
static void running(void **state)
{
    (void)state;
    for (int k = 0; k < SHAPES; k++) {
        const network *f = &shapes[k].f;
        double theta[LONGEST], before[LONGEST], x[ROWS * 8];
        long double seen[LONGEST];
        number rows[ROWS][HAND_WIDEST], at[LONGEST];
        int n = shapes[k].n, w = random_theta(k, theta, x);
        ad_tape *t = ad_tape_new();
        for (int i = 0; i < n; i++) at[i] = before[i] = theta[i];
        rows_of(k, ROWS, x, rows);
        hand_normalised(f, shapes[k].inputs, true, at, ROWS, rows, seen);
        ad s = ad_input(t, x, ROWS, f->size[0]);
        batch_norm_track(t, f, shapes[k].inputs, s, theta);
        assert_memory_equal(theta, before, (size_t)(n - 2 * w) * sizeof *theta);
        for (int i = 0; i < 2 * w; i++) {
            long double want = 0.9L * before[n - 2 * w + i] + 0.1L * seen[i];
            if (!(fabsl(theta[n - 2 * w + i] - want) <= 1e-13L * (1 + fabsl(want))))
                fail_msg("%d, running[%d]: %.17g, %.17Lg", k, i, theta[n - 2 * w + i], want);
        }
        for (int i = 0; i < 400; i++) batch_norm_track(t, f, shapes[k].inputs, s, theta);       /* .9^400 = 5e-19 */
        for (int i = 0; i < 2 * w; i++)
            assert_true(fabsl(theta[n - 2 * w + i] - seen[i]) <= 1e-12L * (1 + fabsl(seen[i])));
        ad_tape_free(t);
    }
}

/* ---- what is a bug stops ---- */

enum { ONE_ROW, SHORT_THETA, NARROW_X, NO_INPUTS, TOO_MANY, BAD };

static void do_wrong(int which)
{
    const network f = { 2, { 3, 4, 1 }, AD_TANH };
    double theta[LONGEST], x[ROWS * 8];
    ad_tape *t = ad_tape_new();
    gaussians(1, LONGEST, 1, theta);
    gaussians(2, ROWS * 8, 1, x);
    int inputs = which == NO_INPUTS ? 0 : which == TOO_MANY ? 4 : 3, n = 21 + 4 * 7 - (which == SHORT_THETA);
    ad s = ad_input(t, x, which == ONE_ROW ? 1 : ROWS, which == NARROW_X ? 2 : 3);
    batch_norm_forward(&f, inputs, ad_input(t, theta, n, 1), s, BATCH_NORM_TRAIN);
}

static void stops(void **state)
{
    (void)state;
    static const char *const says[] = { "a batch of 1 has no variance", "theta is [48 x 1], expected [49 x 1]",
                                        "x is [7 x 2], expected 3 columns", "0 of 3 inputs", "4 of 3 inputs" };
    for (int which = 0; which < BAD; which++) {
        struct ending end = run_child(do_wrong, which);
        if (!WIFSIGNALED(end.status) || !strstr(end.err, says[which]))
            fail_msg("mistake %d: status %d, %s", which, end.status, end.err);
    }
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(derivatives), cmocka_unit_test(moments), cmocka_unit_test(networks), cmocka_unit_test(alone),
        cmocka_unit_test(running), cmocka_unit_test(stops),
    };
    if (argc > 1) cmocka_set_test_filter(argv[1]);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
