/* The rules of algorithms/cg.c, each where it decides: when the residual is recomputed, what counts as success, as
 * progress, as no curvature. The F of most of these is no matrix but a script, so that every residual is known. */
#include <math.h>
#include <string.h>

#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "algorithms/cg.h"
#include "autodiff/linalg.h"

enum { CHECK_EVERY = 50, N_MAX = 64 };

/* p^T F p > 0, but F = 1 + (a rotation by 90 degrees of the first two coordinates), so that the recursive
 * residual does not shrink. After every 50 such products comes one for the recomputed residual, which the script
 * decides: g - F x is residual[0], residual[1], ... times the first unit vector; the last one stays. */
struct script { const double *g, *residual; int n_residuals, calls, checks; };

static void scripted(void *F, int n, const double *v, double *Fv)
{
    struct script *s = F;
    if (++s->calls % (CHECK_EVERY + 1) == 0) {
        int k = s->checks++ < s->n_residuals ? s->checks - 1 : s->n_residuals - 1;
        memcpy(Fv, s->g, (size_t)n * sizeof *Fv);
        Fv[0] -= s->residual[k];
        return;
    }
    memcpy(Fv, v, (size_t)n * sizeof *Fv);
    Fv[0] -= v[1];
    Fv[1] += v[0];
}

/* ||g|| = 4; residuals at steps 50, 100, ...; n unknowns */
static cg_result run_script(int n, int n_residuals, const double *residual, int max_iterations, struct script *s)
{
    double g[N_MAX] = { 4 }, x[N_MAX];
    *s = (struct script){ g, residual, n_residuals, 0, 0 };
    cg_result r = cg(scripted, s, n, g, 1e-12, max_iterations, x);
    for (int i = 0; i < n && r.residual == 1 && max_iterations >= CHECK_EVERY; i++)
        assert_true(x[i] == 0);                                                 /* none was better than 0 */
    return r;
}

/* It gives up when the least residual has not halved for max(5n, 200) steps, looking every 50. */
static void test_patience(void **state)
{
    (void)state;
    static const struct { double residual[3]; int n, n_residuals, steps; double best; } run[] = {
        { { 4 },            2, 1, 200, 1 },             /* no progress at all */
        { { 2.125 },        2, 1, 200, 2.125 / 4 },     /* progress, but not by half */
        { { 2 },            2, 1, 250, 0.5 },           /* half at step 50 */
        { { 3, 2 },         2, 2, 300, 0.5 },           /* half of the first, not of the last, at step 100 */
        { { 1.5, 1, 0.875 }, 2, 3, 250, 0.875 / 4 },    /* half at 50, and not again: 0.875 > 1.5 / 2 ... */
        { { 1.5, 1, 0.75 },  2, 3, 350, 0.75 / 4 },     /* ... and again at 150 */
        { { 4 },           40, 1, 200, 1 },             /* 5n = 200 */
        { { 4 },           41, 1, 250, 1 },
        { { 4 },           50, 1, 250, 1 },
        { { 4 },           51, 1, 300, 1 },
    };
    for (size_t i = 0; i < sizeof run / sizeof *run; i++) {
        struct script s;
        cg_result r = run_script(run[i].n, run[i].n_residuals, run[i].residual, 1000, &s);
        assert_int_equal(r.outcome, CG_STAGNATED);
        assert_int_equal(r.iterations, run[i].steps);
        assert_int_equal(s.checks, run[i].steps / CHECK_EVERY);
        assert_int_equal(s.calls, run[i].steps + s.checks + 1);     /* and once at the end */
        assert_true(r.residual == run[i].best);
    }
}

/* What it returns is the x that had the least recomputed residual, the first if several had it, and not the last. */
static void test_returns_best(void **state)
{
    (void)state;
    static const double residual[][3] = { { 2, 2, 2 }, { 3.5, 3.5, 3.5 }, { 3, 2.5, 2.75 } };
    static const int best_check[] = { 1, 1, 2 };
    for (int i = 0; i < 3; i++) {
        double g[3] = { 4 }, best[3], x[3];
        struct script s = { g, residual[i], 3, 0, 0 };
        cg(scripted, &s, 3, g, 1e-12, CHECK_EVERY * best_check[i], best);
        assert_true(best[0] != 0 && best[1] != 0);
        s = (struct script){ g, residual[i], 3, 0, 0 };
        assert_int_equal(cg(scripted, &s, 3, g, 1e-12, 1000, x).outcome, CG_STAGNATED);
        assert_memory_equal(x, best, sizeof x);
    }
}

/* Not a step more than it may take, and that is said. */
static void test_steps(void **state)
{
    (void)state;
    static const double residual[] = { 4 };
    for (int steps = 1; steps < 200; steps += 33) {
        struct script s;
        cg_result r = run_script(2, 1, residual, steps, &s);
        assert_int_equal(r.outcome, CG_STEPS_EXHAUSTED);
        assert_int_equal(r.iterations, steps);
        assert_int_equal(s.calls, steps + steps / CHECK_EVERY + 1);
    }
}

/* ---- matrices ---- */

static void diagonal(void *F, int n, const double *v, double *Fv)
{
    const double *d = F;
    for (int i = 0; i < n; i++) Fv[i] = d[i] * v[i];
}

/* Where the caller cuts it short the last x is returned, though its residual is ten times that of 0. */
static void test_cut_short(void **state)
{
    (void)state;
    double F[2] = { 1, 1e4 }, g[2] = { 10, 1 }, x[2];
    cg_result r = cg(diagonal, F, 2, g, 1e-12, 1, x);
    assert_int_equal(r.outcome, CG_STEPS_EXHAUSTED);
    assert_true(fabs(x[0] - 0.1) <= 1e-16 && fabs(x[1] - 0.01) <= 1e-17);       /* g^T g / g^T F g = 1/100 */
    assert_true(fabs(r.residual - sqrt(9.9 * 9.9 + 99 * 99) / sqrt(101)) <= 1e-14);
}

/* A residual of exactly tol ||g|| is success: 0 with tol = 0. */
static void test_equality(void **state)
{
    (void)state;
    double one[3] = { 1, 1, 1 }, g[3] = { 1, 2, -2 }, x[3];
    cg_result r = cg(diagonal, one, 3, g, 0, 10, x);
    assert_int_equal(r.outcome, CG_CONVERGED);
    assert_int_equal(r.iterations, 1);
    assert_true(r.residual == 0);
    assert_memory_equal(x, g, sizeof x);
}

/* The tolerance is relative: g times a power of two gives x times it, to the bit, in as many steps. */
static void test_scale(void **state)
{
    (void)state;
    double d[5] = { 1, 2, 3, 5, 8 }, g[5] = { 1, -1, 2, 0.5, 3 }, x[5], scaled_g[5], scaled_x[5];
    cg_result r = cg(diagonal, d, 5, g, 1e-12, 100, x);
    assert_int_equal(r.outcome, CG_CONVERGED);
    assert_int_equal(r.iterations, 5);              /* as many as there are different eigenvalues */
    assert_true(r.residual <= 1e-12);
    for (int power = -100; power <= 100; power += 50) {
        for (int i = 0; i < 5; i++) scaled_g[i] = ldexp(g[i], power);
        cg_result scaled = cg(diagonal, d, 5, scaled_g, 1e-12, 100, scaled_x);
        assert_int_equal(scaled.outcome, CG_CONVERGED);
        assert_int_equal(scaled.iterations, r.iterations);
        assert_true(scaled.residual == r.residual);
        for (int i = 0; i < 5; i++) assert_true(scaled_x[i] == ldexp(x[i], power));
    }
}

/* g = 0 needs no step; F = 0 and F < 0 allow none, and x stays 0. */
static void test_nothing_to_do(void **state)
{
    (void)state;
    static const double sign[] = { 1, 0, -1 };
    for (int i = 0; i < 3; i++) {
        double d[2] = { sign[i], sign[i] }, g[2] = { i > 0, i > 0 }, x[2] = { NAN, NAN };
        cg_result r = cg(diagonal, d, 2, g, 1e-12, 10, x);
        assert_int_equal(r.outcome, i == 0 ? CG_CONVERGED : CG_NO_CURVATURE);
        assert_int_equal(r.iterations, i == 0 ? 0 : 1);
        assert_true(r.residual == (i == 0 ? 0 : 1));
        assert_true(x[0] == 0 && x[1] == 0);
    }
}

/* With 50 steps and more allowed it is the best x, 0 if none was better; with 49 the last one. */
static void test_fifty(void **state)
{
    (void)state;
    static const double residual[] = { 5 };                     /* worse than that of 0, which is 4 */
    for (int steps = CHECK_EVERY - 1; steps <= CHECK_EVERY; steps++) {
        double g[2] = { 4 }, x[2];
        struct script s = { g, residual, 1, 0, 0 };
        cg_result r = cg(scripted, &s, 2, g, 1e-12, steps, x);
        assert_int_equal(r.outcome, CG_STEPS_EXHAUSTED);
        assert_int_equal(r.iterations, steps);
        assert_true((x[0] == 0 && x[1] == 0) == (steps == CHECK_EVERY));
        if (steps == CHECK_EVERY) assert_true(r.residual == 1);
    }
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_patience), cmocka_unit_test(test_returns_best), cmocka_unit_test(test_steps),
        cmocka_unit_test(test_cut_short),
        cmocka_unit_test(test_equality), cmocka_unit_test(test_scale), cmocka_unit_test(test_nothing_to_do),
        cmocka_unit_test(test_fifty),
    };
    if (argc > 1) cmocka_set_test_filter(argv[1]);
    linalg_start();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
