/* Learning curves and drawings: bands against all resamples enumerated, axes, pictures at known places, the
 * reader of progress.csv.
 *     test_plot [pattern]       runs the tests whose names match */
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>
#include <gsl/gsl_math.h>

#include "algorithms/canvas.h"
#include "algorithms/plot.h"
#include "autodiff/random.h"
#include "autodiff/require.h"
#include "envs/draw.h"

#define COUNT(a) ((int)(sizeof(a) / sizeof((a)[0])))

/* ---------------------------------------------------------------------------------------- bands */

static double steps[2] = { 100, 300 }, level[5][2];
static curve flat[5];
static curve *seeds[5];

/* Five runs whose returns never change */
static series five(int n)
{
    static const double y[5] = { 1.4142135, 3.1622776, -2.2360679, 7.7781745, 5.3851648 };
    for (int i = 0; i < 5; i++) {
        level[i][0] = level[i][1] = y[i];
        flat[i] = (curve){ 2, steps, level[i] };
        seeds[i] = &flat[i];
    }
    return (series){ .n = n, .seed = seeds };
}

/* The share of all 5^5 resamples whose mean is less than x */
static double share_below(double x)
{
    int below = 0;
    for (int k = 0; k < 3125; k++) {
        double sum = 0;
        for (int i = 0, left = k; i < 5; i++, left /= 5) sum += level[left % 5][0];
        below += sum / 5 < x;
    }
    return below / 3125.0;
}

/* The 2.5th and 97.5th percentile of 2000 resamples, each within 5 standard errors, sqrt(p q / 2000), of the
 * share it has among all of them; that of another percentile, 5 or 1, is not. */
static void test_band(void **state)
{
    (void)state;
    const double within = 5 * sqrt(0.025 * 0.975 / 2000);
    assert_true(within < 0.0249);
    for (uint64_t seed = 1; seed <= 5; seed++) {
        series s = five(5);
        plot_band(&s, seed);
        assert_true(s.band);
        const double end[] = { s.low[7], s.high[7] }, share[] = { 0.025, 0.975 };
        for (int i = 0; i < 2; i++) {
            assert_true(share_below(end[i] - 1e-9) <= share[i] + within);
            assert_true(share_below(end[i] + 1e-9) >= share[i] - within);
        }
        assert_true(s.low[0] == s.low[POINTS - 1]);             /* the same curves are drawn at all points */
        double mean = 0;
        for (int i = 0; i < 5; i++) mean += level[i][0] / 5;
        for (int k = 0; k < POINTS; k++) assert_true(fabs(s.mean[k] - mean) <= 1e-14);
    }
    series s = five(4);
    plot_band(&s, 1);
    assert_false(s.band);
}

/* Seeds that saw other steps: the mean stands where all have been. */
static void test_common_steps(void **state)
{
    (void)state;
    double at[2][3] = { { 10, 50, 110 }, { 30, 40, 90 } }, y[2][3] = { { 10, 50, 110 }, { 60, 80, 180 } };
    curve a = { 3, at[0], y[0] }, b = { 3, at[1], y[1] }, *both[] = { &a, &b };     /* y = x and y = 2 x */
    series s = { .n = 2, .seed = both };
    plot_band(&s, 1);
    assert_true(s.at[0] == 30 && s.at[POINTS - 1] == 90 && !s.band);
    for (int k = 0; k < POINTS; k++) assert_true(fabs(s.mean[k] - 1.5 * s.at[k]) <= 1e-12);
}

/* ---------------------------------------------------------------------------------------- axes, pictures */

static void test_numbers(void **state)
{
    (void)state;
    static const struct { double low, high, tick; } ticks[] = {
        { 0, 500, 100 }, { 0, 1, 0.2 }, { 0, 6, 1 }, { -200, -80, 20 }, { 0, 1e6, 200000 }, { 0, 0.031, 0.01 } };
    for (int i = 0; i < COUNT(ticks); i++)
        assert_true(fabs(plot_tick(ticks[i].low, ticks[i].high, 6) / ticks[i].tick - 1) < 1e-12);
    static const struct { double x; const char *text; } numbers[] = {
        { 0, "0" }, { 0.1 + 0.2, "0.3" }, { -0.0, "0" }, { 500, "500" }, { 20000, "20k" }, { 1500000, "1.5M" },
        { -7, "-7" } };
    for (int i = 0; i < COUNT(numbers); i++) {
        char text[32];
        plot_number(text, numbers[i].x);
        assert_string_equal(text, numbers[i].text);
    }
    static const struct { double x; const char *text; } shortest[] = {
        { 0.1, "0.1" }, { 1.0 / 3, "0.3333333333333333" }, { 0.1 + 0.2, "0.30000000000000004" },
        { 1e300, "1e+300" } };
    for (int i = 0; i < COUNT(shortest); i++) {
        char text[PROGRESS_NUMBER];
        progress_number(text, shortest[i].x);
        assert_string_equal(text, shortest[i].text);
        assert_true(strtod(text, NULL) == shortest[i].x);
    }
}

static void test_svg(void **state)
{
    (void)state;
    double x[] = { 50, 100 }, y[] = { 0, 10 };
    curve c = { 2, x, y }, *one[] = { &c };
    char label[] = "a < b & c", note[] = "n = 1 seed";
    series s = { .n = 1, .seed = one, .label = label, .note = note };
    figure f = { .n = 1, .series = &s, .title = "<T>", .x1 = 100, .y0 = 0, .y1 = 10, .x_tick = 20, .y_tick = 2 };
    char *svg = plot_svg(&f);
    assert_non_null(strstr(svg, "points=\"406.0,408.0 736.0,48.0 \""));      /* middle to upper right corner */
    assert_non_null(strstr(svg, "a &lt; b &amp; c (n = 1 seed)"));
    assert_non_null(strstr(svg, "<title>&lt;T&gt;</title>"));
    free(svg);
}

static void test_canvas(void **state)
{
    (void)state;
    char *text;
    size_t n;
    canvas c = canvas_new(3, 2, true, false);
    canvas_line(&c, 1, 0, 0, 5, 7);         /* dots (0,0) (1,1) (1,2) (2,3) (3,4) (4,5) (4,6) (5,7), by hand */
    canvas_line(&c, 1, NAN, 0, 1, 1);
    canvas_disc(&c, 2, 100, 100, 3);
    static const unsigned char dots[] = { 0x01 | 0x10 | 0x20, 0x40, 0, 0, 0x08, 0x02 | 0x04 | 0x80 };
    assert_memory_equal(c.dots, dots, sizeof dots);
    FILE *out = print_to_memory(&text, &n);
    canvas_row(&c, 1, out);
    print_done(out, &text);
    assert_string_equal(text, " \xe2\xa0\x88\xe2\xa2\x86");     /* U+2808, U+2886 */
    free(text);
    canvas_clear(&c);
    canvas_disc(&c, 2, 2, 2, 1);
    assert_true(c.dots[0] == (0x20) && c.dots[1] == (0x02 | 0x04 | 0x40 | 0x20) && c.owner[1] == 2);
    canvas_free(&c);
}

/* The disc stands in the state's field, and nothing else moves. */
static void test_draw(void **state)
{
    (void)state;
    env *e = env_make("FrozenLake-v1", ENV_OWN_LIMIT, (char[256]){ 0 }, 256);
    gsl_rng *rng = random_stream(1, 0, RANDOM_TEST);
    drawing first, d;
    for (int s = 0; s < 17; s++) {
        const double place = s;
        env_restore(e, rng, &place, 0);
        assert_true(env_draw(e, &d));
        if (s == 0) first = d;
        assert_true(d.n == first.n && d.part[d.n - 1].disc);
        assert_true(d.part[d.n - 1].x0 == s % 4 + 0.5 && d.part[d.n - 1].y0 == 4.5 - s / 4);
        for (int i = 0; i < d.n - 1; i++)
            assert_memory_equal(&d.part[i].x0, &first.part[i].x0, 4 * sizeof(double));
    }
    gsl_rng_free(rng);
    env_free(e);
}

/* Where the moving parts end in known states: upright, hanging, to the right, at the goal */
static void test_draw_control(void **state)
{
    (void)state;
    static const struct { const char *id; double state[4]; int part; double x1, y1; } table[] = {
        { "CartPole-v1", { 0, 0, 0, 0 }, 2, 0, 1.2 },
        { "CartPole-v1", { 1, 0, M_PI / 6, 0 }, 2, 1.5, 0.2 + 0.8660254037844386 },     /* leans to the right */
        { "Acrobot-v1", { 0, 0, 0, 0 }, 1, 0, -1 },
        { "Acrobot-v1", { 0, 0, 0, 0 }, 2, 0, -2 },
        { "Acrobot-v1", { M_PI, 0, 0, 0 }, 2, 0, 2 },
        { "Acrobot-v1", { M_PI / 2, -M_PI / 2, 0, 0 }, 2, 1, -1 },                      /* the second link hangs */
        { "Pendulum-v1", { 0, 0 }, 0, 0, 1 },
        { "Pendulum-v1", { M_PI / 2, 0 }, 0, -1, 0 },
        { "Pendulum-v1", { M_PI, 0 }, 0, 0, -1 },
        { "MountainCar-v0", { -M_PI / 6, 0 }, 41, -M_PI / 6, 0.14 },              /* at the bottom of the valley */
        { "MountainCarContinuous-v0", { 0.45, 0 }, 40, 0.45, 1.139 },                   /* its flag */
    };
    gsl_rng *rng = random_stream(1, 0, RANDOM_TEST);
    for (int i = 0; i < COUNT(table); i++) {
        drawing d;
        env *e = env_make(table[i].id, ENV_OWN_LIMIT, (char[256]){ 0 }, 256);
        assert_non_null(e);
        env_restore(e, rng, table[i].state, 0);
        assert_true(env_draw(e, &d) && table[i].part < d.n);
        const drawn *p = &d.part[table[i].part];
        if (!(hypot(p->x1 - table[i].x1, p->y1 - table[i].y1) < 1e-3)) fail_msg("%d: %g %g", i, p->x1, p->y1);
        for (p = d.part; p < d.part + d.n; p++)
            assert_true(p->x1 >= d.left - 0.1 && p->x1 <= d.right + 0.1 && p->y1 >= d.low - 0.1 &&
                        p->y1 <= d.high + 0.1);
        env_free(e);
    }
    gsl_rng_free(rng);
}

/* ---------------------------------------------------------------------------------------- progress.csv */

static void test_reader(void **state)
{
    (void)state;
    static const struct { const char *text, *error; int n; } table[] = {
        { "steps,episodes,return_mean\n", NULL, 0 },
        { "steps,episodes,return_mean,x\n1,0,,3\n2,1,-0.5,\n30,4,1e3,4\n", NULL, 2 },
        { "steps,episodes,return_mean\n1,1,2\n2,1,3", NULL, 1 },                /* being written */
        { "", "expected steps,episodes,return_mean,..., found nothing", 0 },
        { "steps,episodes,return\n", ":1:1: expected steps,episodes,return_mean,...", 0 },
        { "steps,episodes,return_means\n", ":1:1: expected steps,episodes,return_mean,...", 0 },
        { "steps,episodes,return_mean\n1,1\n", ":2:4: expected a comma", 0 },
        { "steps,episodes,return_mean\n1,,1\n", ":2:3: expected a number, found \"\"", 0 },
        { "steps,episodes,return_mean\n1,1,nan\n", ":2:5: expected a number or nothing, found \"nan\"", 0 },
        { "steps,episodes,return_mean\n1,1,0x1\n", ":2:5: expected a number or nothing, found \"0x1\"", 0 },
        { "steps,episodes,return_mean\n1,1,1e999\n", ":2:5: expected a number or nothing", 0 },
        { "steps,episodes,return_mean\n2,1,1\n2,1,1\n", ":3:1: expected more steps than in the row before", 0 },
        { "steps,episodes,return_mean\n\n", ":2:1: expected a number, found \"\"", 0 },
    };
    char path[] = "/tmp/test_plot.XXXXXX";
    int fd = mkstemp(path);
    assert_true(fd >= 0);
    close(fd);
    for (int i = 0; i < COUNT(table); i++) {
        char error[256] = "";
        FILE *f = fopen(path, "w");
        fputs(table[i].text, f);
        fclose(f);
        curve *c = curve_read(path, error, sizeof error);
        if (!table[i].error != !!c) fail_msg("%d: %s", i, error);
        if (c) assert_int_equal(c->n, table[i].n);
        else if (!strstr(error, table[i].error) || strncmp(error, path, strlen(path)) != 0) fail_msg("%s", error);
        curve_free(c);
    }
    char *error = allocate(256, 1, "a message");
    unlink(path);
    assert_null(curve_read(path, error, 256));
    assert_non_null(strstr(error, "cannot be read: No such file"));
    free(error);
}

int main(int argc, char **argv)
{
    if (argc > 1) cmocka_set_test_filter(argv[1]);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_band), cmocka_unit_test(test_common_steps), cmocka_unit_test(test_numbers),
        cmocka_unit_test(test_svg), cmocka_unit_test(test_canvas), cmocka_unit_test(test_draw),
        cmocka_unit_test(test_draw_control),
        cmocka_unit_test(test_reader),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
