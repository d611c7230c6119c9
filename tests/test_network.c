/* Networks: where parameters stand, the forward pass and its gradient against loops written by hand in
 * long double, and the laws of first parameters.
 *     test_network [pattern]          runs the tests whose names match
 * u = 2^-52. Sampled checks have fixed seeds; a right program fails one with probability <= 1e-6 a seed,
 * and each is shown to reject a wrong law. */
#include <float.h>
#include <math.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <gsl/gsl_randist.h>

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "autodiff/network.h"
#include "autodiff/optimiser.h"
#include "autodiff/random.h"

#define COUNT(a) ((int)(sizeof(a) / sizeof((a)[0])))

static void gaussians(uint32_t worker, int n, double scale, double *x)
{
    gsl_rng *rng = random_stream(41, worker, RANDOM_TEST);
    for (int i = 0; i < n; i++) x[i] = scale * gsl_ran_ugaussian(rng);
    gsl_rng_free(rng);
}

/* ---- where parameters stand ---- */
static void counts(void **state)
{
    (void)state;
    static const struct { network f; int n; } known[] = {
        { { 3, { 4, 64, 64, 2 }, AD_TANH }, 4610 },         /* 4*64+64 + 64*64+64 + 64*2+2 */
        { { 2, { 4, 128, 2 }, AD_RELU }, 898 },
        { { 3, { 3, 256, 256, 1 }, AD_RELU }, 67073 },
        { { 1, { 16, 4 }, AD_LINEAR }, 68 },
        { { 7, { 1, 1, 1, 1, 1, 1, 1, 1 }, AD_TANH }, 14 },
        { { 2, { NETWORK_MAX_SIZE, 1, NETWORK_MAX_SIZE }, AD_TANH }, 30001 },
    };
    for (int i = 0; i < COUNT(known); i++) assert_int_equal(network_n(&known[i].f), known[i].n);
}

/* W_1, b_1, W_2, b_2, ... tile theta, in this order. */
static void parts(void **state)
{
    (void)state;
    const network f = { 3, { 5, 7, 3, 2 }, AD_TANH };
    int at = 0;
    for (int l = 1; l <= 3; l++) {
        network_layer p = network_part(&f, l);
        assert_true(p.W == at && p.k == f.size[l - 1] && p.n == f.size[l] && p.b == at + p.k * p.n);
        at = p.b + p.n;
    }
    assert_int_equal(at, network_n(&f));
}

/* ---- forward and backward by hand ---- */
enum { WIDEST = 8, ROWS = 6, LAYERS = 4, PARAMETERS = 300 };

typedef struct { long double h[LAYERS + 1][ROWS][WIDEST]; } activations;

static long double slope(enum ad_activation f, long double h)           /* f'(z) by h = f(z) */
{
    return f == AD_TANH ? 1 - h * h : f == AD_RELU ? h > 0 : 1;
}

static void forward_by_hand(const network *f, const double *theta, int T, const double *x, activations *a)
{
    for (int t = 0; t < T; t++)
        for (int i = 0; i < f->size[0]; i++) a->h[0][t][i] = x[t * f->size[0] + i];
    for (int l = 1; l <= f->layers; l++) {
        int k = f->size[l - 1], n = f->size[l];
        for (int t = 0; t < T; t++)
            for (int j = 0; j < n; j++) {
                long double z = theta[k * n + j];
                for (int i = 0; i < k; i++) z += a->h[l - 1][t][i] * theta[i * n + j];
                if (l < f->layers && f->hidden == AD_TANH) z = tanhl(z);
                if (l < f->layers && f->hidden == AD_RELU && z < 0) z = 0;
                a->h[l][t][j] = z;
            }
        theta += (k + 1) * n;
    }
}

/* Backpropagation of dJ/dy = h_L: J = sum y^2 / 2. g as theta, g_x as x */
static void backward_by_hand(const network *f, const double *theta, int T, const activations *a,
                             long double *g, long double *g_x)
{
    long double delta[ROWS][WIDEST], below[ROWS][WIDEST];
    memcpy(delta, a->h[f->layers], sizeof delta);
    int at = network_n(f);
    for (int l = f->layers; l >= 1; l--) {
        int k = f->size[l - 1], n = f->size[l];
        at -= (k + 1) * n;
        for (int j = 0; j < n; j++) {
            g[at + k * n + j] = 0;
            for (int t = 0; t < T; t++) g[at + k * n + j] += delta[t][j];
            for (int i = 0; i < k; i++) {
                g[at + i * n + j] = 0;
                for (int t = 0; t < T; t++) g[at + i * n + j] += a->h[l - 1][t][i] * delta[t][j];
            }
        }
        for (int t = 0; t < T; t++)
            for (int i = 0; i < k; i++) {
                below[t][i] = 0;
                for (int j = 0; j < n; j++) below[t][i] += delta[t][j] * theta[at + i * n + j];
                if (l > 1) below[t][i] *= slope(f->hidden, a->h[l - 1][t][i]);
            }
        memcpy(delta, below, sizeof delta);
    }
    for (int t = 0; t < T; t++)
        for (int i = 0; i < f->size[0]; i++) g_x[t * f->size[0] + i] = delta[t][i];
}

/* An entry is a sum of at most N = T + all widths terms along its path, each rounded a few times:
 * 10 u N S, S = max(1, largest entry). */
static void assert_close(const char *what, int n, const double *got, const long double *want, double N)
{
    double S = 1;
    for (int i = 0; i < n; i++) S = fmax(S, (double)fabsl(want[i]));
    for (int i = 0; i < n; i++)
        if (!(fabsl(got[i] - want[i]) <= 10 * DBL_EPSILON * N * S))
            fail_msg("%s[%d] = %.17g, expected %.17Lg: %.2Lg units of 10", what, i, got[i], want[i],
                     fabsl(got[i] - want[i]) / (DBL_EPSILON * N * S));
}

static const network shapes[] = {
    { 3, { 4, 8, 7, 2 }, AD_TANH }, { 3, { 4, 8, 7, 2 }, AD_RELU }, { 2, { 3, 5, 1 }, AD_TANH },
    { 1, { 6, 3 }, AD_TANH }, { 2, { 1, 8, 4 }, AD_RELU }, { 4, { 5, 6, 8, 6, 3 }, AD_TANH },
    { 2, { 8, 8, 8 }, AD_LINEAR },
};

static void by_hand(void **state)
{
    (void)state;
    for (int s = 0; s < COUNT(shapes); s++)
        for (int T = 1; T <= ROWS; T += ROWS - 1) {
            const network *f = &shapes[s];
            int n = network_n(f), out = f->size[f->layers];
            double theta[PARAMETERS], x[ROWS * WIDEST], N = T;
            for (int l = 0; l <= f->layers; l++) N += f->size[l];
            assert_true(n <= PARAMETERS);
            gaussians((uint32_t)s, n, 0.5, theta);
            gaussians((uint32_t)(s + 100), T * f->size[0], 1, x);

            ad_tape *t = ad_tape_new();
            ad node[2] = { ad_input(t, theta, n, 1), ad_input(t, x, T, f->size[0]) }, g[2];
            ad y = network_forward(f, node[0], node[1]);
            ad_grads(ad_scale(0.5, ad_dot(y, y)), 2, node, g);

            static activations a;
            long double want_y[ROWS * WIDEST], want_g[PARAMETERS], want_x[ROWS * WIDEST];
            forward_by_hand(f, theta, T, x, &a);
            backward_by_hand(f, theta, T, &a, want_g, want_x);
            for (int i = 0; i < T * out; i++) want_y[i] = a.h[f->layers][i / out][i % out];
            assert_true(ad_nrows(y) == T && ad_ncols(y) == out);
            assert_close("output", T * out, ad_value(y), want_y, N);
            assert_close("gradient", n, ad_value(g[0]), want_g, N);
            assert_close("gradient by x", T * f->size[0], ad_value(g[1]), want_x, N);
            ad_tape_free(t);
        }
}

/* Two networks and three numbers more in one vector, through views: each part's gradient is that of the
 * network alone, the rest of the vector's is its own. */
static void one_vector(void **state)
{
    (void)state;
    const network pi = { 2, { 3, 5, 2 }, AD_TANH }, V = { 2, { 3, 4, 1 }, AD_TANH };
    enum { N_PI = 32, N_V = 21, REST = 3, N = N_PI + REST + N_V };
    double theta[N], x[4 * 3];
    gaussians(7, N, 0.5, theta);
    gaussians(8, 4 * 3, 1, x);
    assert_true(network_n(&pi) == N_PI && network_n(&V) == N_V);
    ad_tape *t = ad_tape_new();
    ad s = ad_input(t, x, 4, 3), all = ad_input(t, theta, N, 1);
    ad rest = ad_view(all, N_PI, REST, 1);
    ad J_pi = ad_sum(ad_square(network_forward(&pi, ad_view(all, 0, N_PI, 1), s)));
    ad J_V = ad_sum(ad_square(network_forward(&V, ad_view(all, N_PI + REST, N_V, 1), s)));
    ad g = ad_grad(ad_add(ad_add(J_pi, J_V), ad_dot(rest, rest)), all);
    ad alone_pi = ad_input(t, theta, N_PI, 1), alone_V = ad_input(t, theta + N_PI + REST, N_V, 1);
    ad g_pi = ad_grad(ad_sum(ad_square(network_forward(&pi, alone_pi, s))), alone_pi);
    ad g_V = ad_grad(ad_sum(ad_square(network_forward(&V, alone_V, s))), alone_V);
    assert_memory_equal(ad_value(g), ad_value(g_pi), N_PI * sizeof(double));
    assert_memory_equal(ad_value(g) + N_PI + REST, ad_value(g_V), N_V * sizeof(double));
    for (int i = N_PI; i < N_PI + REST; i++) assert_true(ad_value(g)[i] == 2 * theta[i]);
    ad_tape_free(t);
}

/* Steps on theta where it lies, then replay: the bits of recording anew at the new theta. */
static void replay(void **state)
{
    (void)state;
    const network *f = &shapes[0];
    double theta[PARAMETERS], x[ROWS * WIDEST];
    int n = network_n(f);
    gaussians(11, n, 0.5, theta);
    gaussians(12, ROWS * f->size[0], 1, x);
    ad_tape *t = ad_tape_new();
    ad input = ad_input(t, theta, n, 1), y = network_forward(f, input, ad_input(t, x, ROWS, f->size[0]));
    ad J = ad_neg(ad_mean(ad_square(y))), g = ad_grad(J, input);
    const ad out[2] = { J, g };
    ad_plan plan = ad_slice(1, &input, 2, out);
    for (int step = 0; step < 5; step++) {
        double before = ad_scalar(J);
        sgd_ascend(n, 0.01, theta, ad_value(g));
        ad_run(&plan);
        assert_true(ad_scalar(J) > before);
        ad_tape *fresh = ad_tape_new();
        ad again = ad_input(fresh, theta, n, 1);
        ad z = network_forward(f, again, ad_input(fresh, x, ROWS, f->size[0]));
        ad J_again = ad_neg(ad_mean(ad_square(z)));
        assert_true(ad_scalar(J) == ad_scalar(J_again));
        assert_memory_equal(ad_value(g), ad_value(ad_grad(J_again, again)), (size_t)n * sizeof(double));
        ad_tape_free(fresh);
    }
    ad_tape_free(t);
}

/* ---- first parameters ---- */
static int ascending(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

/* Kolmogorov's statistic of w [n] (which is sorted) against U(-c, c), and its limit:
 * P(sqrt n D > x) <= 2 e^{-2 x^2} (Massart 1990) = 1e-6 at x = 2.70. */
static void uniform_cdf_check(const char *what, int n, double *w, double c, bool holds)
{
    double D = 0, limit = sqrt(log(2 / 1e-6) / 2 / n);
    qsort(w, (size_t)n, sizeof *w, ascending);
    for (int i = 0; i < n; i++) {
        double F = (w[i] / c + 1) / 2;
        D = fmax(D, fmax(F - (double)i / n, (i + 1.0) / n - F));
    }
    if (!((D <= limit) == holds))
        fail_msg("%s: D = %g, limit %g, expected %s", what, D, limit, holds ? "below" : "above");
}

static const network wide = { 3, { 40, 300, 200, 10 }, AD_TANH };
enum { N_WIDE = 40 * 300 + 300 + 300 * 200 + 200 + 200 * 10 + 10 };

/* Bounds, law, variance, and biases. A bound 3 % off is rejected where n = 60000: D = .015 against a
 * limit of 2.70 / sqrt(n) = .011. */
static void uniform_laws(void **state)
{
    (void)state;
    static double theta[N_WIDE];
    for (int glorot = 0; glorot < 2; glorot++) {
        gsl_rng *rng = random_stream(5, 0, RANDOM_INIT);
        (glorot ? network_init_glorot : network_init_fan_in)(&wide, rng, theta);
        gsl_rng_free(rng);
        for (int l = 1; l <= wide.layers; l++) {
            network_layer p = network_part(&wide, l);
            double c = glorot ? sqrt(6.0 / (p.k + p.n)) : 1 / sqrt(p.k), square = 0;
            int n = p.k * p.n;
            for (int i = 0; i < n; i++) {
                assert_true(fabs(theta[p.W + i]) <= c);
                square += theta[p.W + i] * theta[p.W + i] / n;
            }
            for (int j = 0; j < p.n; j++)
                assert_true(glorot ? theta[p.b + j] == 0 : theta[p.b + j] != 0 && fabs(theta[p.b + j]) <= c);
            /* E w^2 = c^2 / 3, which is Glorot's 2 / (k + n); its mean has the deviation c^2 sqrt(4/45 / n) */
            assert_true(fabs(square - c * c / 3) <= 5 * c * c * sqrt(4 / 45.0 / n));
            uniform_cdf_check("weights", n, theta + p.W, c, true);
            if (!glorot) uniform_cdf_check("biases", p.n, theta + p.b, c, true);
            if (n < 20000) continue;
            for (int i = 0; i < n; i++) theta[p.W + i] *= 1.03;
            uniform_cdf_check("weights 3 % too large", n, theta + p.W, c, false);
        }
    }
}

/* W^T W = gain^2 I, or W W^T where W is wide: to 10 u k gain^2. Biases 0. */
static void orthogonality(void **state)
{
    (void)state;
    static const network f[] = { { 3, { 4, 64, 64, 2 }, AD_TANH }, { 2, { 30, 7, 7 }, AD_RELU },
                                 { 2, { 1, 3, 1 }, AD_TANH } };
    static double theta[5000];
    for (int which = 0; which < COUNT(f); which++) {
        gsl_rng *rng = random_stream(6, 0, RANDOM_INIT);
        network_init_orthogonal(&f[which], sqrt(2), 0.01, rng, theta);
        gsl_rng_free(rng);
        for (int l = 1; l <= f[which].layers; l++) {
            network_layer p = network_part(&f[which], l);
            double gain = l < f[which].layers ? sqrt(2) : 0.01;
            int narrow = p.k < p.n ? p.k : p.n, tall = p.k < p.n ? p.n : p.k;
            for (int a = 0; a < narrow; a++)
                for (int b = 0; b < narrow; b++) {
                    long double dot = 0;
                    for (int i = 0; i < tall; i++)
                        dot += p.k < p.n ? (long double)theta[p.W + a * p.n + i] * theta[p.W + b * p.n + i]
                                         : (long double)theta[p.W + i * p.n + a] * theta[p.W + i * p.n + b];
                    double error = (double)fabsl(dot / (gain * gain) - (a == b));
                    if (!(error <= 10 * DBL_EPSILON * tall))
                        fail_msg("layer %d, (%d, %d): %g units", l, a, b, error / (DBL_EPSILON * tall));
                }
            for (int j = 0; j < p.n; j++) assert_true(theta[p.b + j] == 0);
        }
    }
}

/* The first parameters of one layer are the Q, or Q^T, of the stream's Gaussian matrix A = QR: Q^T A is upper
 * triangular with a diagonal > 0, to 10 u k ||column of A||. */
static void factor_of_draws(void **state)
{
    (void)state;
    enum { LONG = 6, SHORT = 4 };
    static const int size[][2] = { { LONG, SHORT }, { SHORT, LONG }, { SHORT, SHORT } };
    for (int which = 0; which < COUNT(size); which++) {
        int k = size[which][0], n = size[which][1], tall = k < n ? n : k, narrow = k < n ? k : n;
        const network f = { 1, { k, n }, AD_LINEAR };
        double W[(LONG + 1) * LONG], A[LONG * LONG];
        gsl_rng *rng = random_stream(11, 0, RANDOM_INIT);
        network_init_orthogonal(&f, 1, 1, rng, W);
        gsl_rng_free(rng);
        rng = random_stream(11, 0, RANDOM_INIT);
        for (int i = 0; i < tall * narrow; i++) A[i] = gsl_ran_ugaussian(rng);
        gsl_rng_free(rng);
        for (int j = 0; j < narrow; j++)
            for (int q = 0; q < narrow; q++) {
                long double dot = 0, norm = 0;
                for (int i = 0; i < tall; i++) {
                    dot += (long double)(k < n ? W[q * n + i] : W[i * n + q]) * A[i * narrow + j];
                    norm = hypotl(norm, A[i * narrow + j]);
                }
                if (q > j) assert_true(fabsl(dot) <= 10 * DBL_EPSILON * tall * norm);
                if (q == j) assert_true(dot > 1e-3L);
            }
    }
}

/* Every entry of a uniformly distributed rotation or reflection of three dimensions is uniform on [-1, 1]
 * (Archimedes' hat box). Householder's Q as it comes is not: its last entry, say, has always one sign. */
static void uniform_on_the_group(void **state)
{
    (void)state;
    enum { DRAWS = 20000 };
    static double entry[9][DRAWS];
    const network f = { 1, { 3, 3 }, AD_LINEAR };
    gsl_rng *rng = random_stream(7, 0, RANDOM_INIT);
    for (int i = 0; i < DRAWS; i++) {
        double theta[12];
        network_init_orthogonal(&f, 1, 1, rng, theta);
        for (int e = 0; e < 9; e++) entry[e][i] = theta[e];
    }
    gsl_rng_free(rng);
    double *folded = entry[8];
    for (int e = 0; e < 9; e++) uniform_cdf_check("entry", DRAWS, entry[e], 1, true);
    for (int i = 0; i < DRAWS; i++) folded[i] = -fabs(folded[i]);
    uniform_cdf_check("always negative", DRAWS, folded, 1, false);
}

/* The same stream gives the same parameters, another one others, and every parameter is drawn. */
static void streams(void **state)
{
    (void)state;
    const network f = { 2, { 4, 9, 2 }, AD_TANH };
    double theta[3][65];
    for (int i = 0; i < 3; i++) {
        gsl_rng *rng = random_stream(i == 2 ? 9 : 8, 0, RANDOM_INIT);
        for (int k = 0; k < 65; k++) theta[i][k] = NAN;
        network_init_orthogonal(&f, sqrt(2), 1, rng, theta[i]);
        for (int k = 0; k < 65; k++) assert_true(isfinite(theta[i][k]));
        gsl_rng_free(rng);
    }
    assert_memory_equal(theta[0], theta[1], sizeof theta[0]);
    assert_memory_not_equal(theta[0], theta[2], sizeof theta[0]);
}

/* ---- errors: bugs, with the numbers ---- */
static const struct { network f; int theta, x, layer; const char *text; } wrong[] = {      /* no theta: the part */
    { { 2, { 3, 4, 2 }, AD_TANH }, 25, 3, 0, "theta is [25 x 1], expected [26 x 1]" },
    { { 2, { 3, 4, 2 }, AD_TANH }, 26, 4, 0, "x is [1 x 4], expected 3 columns" },
    { { 2, { 3, 4, 0 }, AD_TANH }, 26, 3, 0, "size[2] of a network is 0" },
    { { 0, { 3 }, AD_TANH }, 26, 3, 0, "a network of 0 layers, expected 1 .. 7" },
    { { 8, { 3, 3, 3, 3, 3, 3, 3, 3 }, AD_TANH }, 26, 3, 0, "a network of 8 layers, expected 1 .. 7" },
    { { 2, { 0, 4, 2 }, AD_TANH }, 26, 3, 0, "size[0] of a network is 0, expected 1 .. 10000" },
    { { 1, { 1, 10001 }, AD_TANH }, 26, 3, 0, "size[1] of a network is 10001, expected 1 .. 10000" },
    { { 2, { 3, 4, 2 }, AD_TANH }, 0, 0, 3, "layer 3 of a network with layers 1 .. 2" },
    { { 2, { 3, 4, 2 }, AD_TANH }, 0, 0, 0, "layer 0 of a network with layers 1 .. 2" },
};

static void errors(void **state)
{
    (void)state;
    for (int i = 0; i < COUNT(wrong); i++) {
        int err[2], status;
        char text[1024] = { 0 };
        assert_int_equal(pipe(err), 0);
        fflush(NULL);
        pid_t child = fork();
        if (child == 0) {
            dup2(err[1], STDERR_FILENO);
            if (!wrong[i].theta) network_part(&wrong[i].f, wrong[i].layer);
            ad_tape *t = ad_tape_new();
            ad theta = ad_constant(t, 1, wrong[i].theta, 1), x = ad_constant(t, 1, 1, wrong[i].x);
            network_forward(&wrong[i].f, theta, x);
            _exit(99);
        }
        close(err[1]);
        for (ssize_t n, k = 0; (n = read(err[0], text + k, sizeof text - 1 - (size_t)k)) > 0;) k += n;
        close(err[0]);
        assert_true(waitpid(child, &status, 0) == child);
        if (!WIFSIGNALED(status) || WTERMSIG(status) != SIGABRT || !strstr(text, wrong[i].text))
            fail_msg("case %d: wait status %#x, stderr: %s", i, (unsigned)status, text);
    }
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(counts), cmocka_unit_test(parts), cmocka_unit_test(by_hand),
        cmocka_unit_test(one_vector), cmocka_unit_test(replay), cmocka_unit_test(uniform_laws),
        cmocka_unit_test(orthogonality), cmocka_unit_test(factor_of_draws),
        cmocka_unit_test(uniform_on_the_group), cmocka_unit_test(streams), cmocka_unit_test(errors),
    };
    if (argc > 1) cmocka_set_test_filter(argv[1]);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
