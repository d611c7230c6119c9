/* `ascent plot DIR...`: learning curves of one run or many, on the terminal or as SVG or PNG. */
#include "algorithms/plot.h"

#include <glob.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <gsl/gsl_sort.h>
#include <gsl/gsl_statistics_double.h>

#include "algorithms/canvas.h"
#include "algorithms/commands.h"
#include "algorithms/run.h"
#include "algorithms/whole_file.h"
#include "autodiff/options.h"
#include "autodiff/random.h"
#include "autodiff/require.h"

/* ---- means and bands ---- */

/* Percentile bootstrap over seeds (Efron, Tibshirani 1993, chapter 13): each time n of the n curves are drawn, the
 * same ones at all points. */
static void bootstrap(series *s, const double *y, uint64_t seed)        /* y [n x POINTS] */
{
    enum { TIMES = 2000 };
    gsl_rng *rng = random_stream(seed, 0, RANDOM_BOOTSTRAP);
    double *mean = allocate((size_t)POINTS * TIMES, sizeof *mean, "a bootstrap");       /* [POINTS x TIMES] */
    for (int b = 0; b < TIMES; b++)
        for (int i = 0; i < s->n; i++) {
            const double *drawn = y + gsl_rng_uniform_int(rng, (unsigned long)s->n) * POINTS;
            for (int k = 0; k < POINTS; k++) mean[k * TIMES + b] += drawn[k] / s->n;
        }
    for (int k = 0; k < POINTS; k++) {
        gsl_sort(mean + k * TIMES, 1, TIMES);
        s->low[k] = gsl_stats_quantile_from_sorted_data(mean + k * TIMES, 1, TIMES, 0.025);
        s->high[k] = gsl_stats_quantile_from_sorted_data(mean + k * TIMES, 1, TIMES, 0.975);
    }
    free(mean);
    gsl_rng_free(rng);
}

void plot_band(series *s, uint64_t seed)
{
    double from = 0, to = INFINITY;
    double *y = allocate((size_t)s->n * POINTS, sizeof *y, "curves");   /* [n x POINTS] */
    for (int i = 0; i < s->n; i++) {
        from = fmax(from, s->seed[i]->steps[0]);
        to = fmin(to, s->seed[i]->steps[s->seed[i]->n - 1]);
    }
    to = fmax(from, to);
    for (int k = 0; k < POINTS; k++) {
        s->at[k] = from + (to - from) * k / (POINTS - 1);
        s->mean[k] = 0;
        for (int i = 0; i < s->n; i++) s->mean[k] += (y[i * POINTS + k] = curve_at(s->seed[i], s->at[k])) / s->n;
    }
    s->band = s->n >= BAND_SEEDS;
    if (s->band) bootstrap(s, y, seed);
    free(y);
}

/* ---- axes ---- */

double plot_tick(double low, double high, int most)
{
    double rough = (high - low) / most, power = pow(10, floor(log10(rough)));
    return power * (rough <= power ? 1 : rough <= 2 * power ? 2 : rough <= 5 * power ? 5 : 10);
}

void plot_number(char text[32], double x)
{
    double size = fabs(x);
    if (size >= 1e12)     snprintf(text, 32, "%.3g", x);
    else if (size >= 1e6) snprintf(text, 32, "%.6gM", x / 1e6);
    else if (size >= 1e4) snprintf(text, 32, "%.6gk", x / 1e3);
    else                  snprintf(text, 32, "%.6g", size < 1e-12 ? 0 : x);
}

static void axes(figure *f)
{
    double low = INFINITY, high = -INFINITY, last = 0;
    for (const series *s = f->series; s < f->series + f->n; s++)
        for (int i = 0; i < s->n; i++) {
            last = fmax(last, s->seed[i]->steps[s->seed[i]->n - 1]);
            for (int k = 0; k < s->seed[i]->n; k++) {
                low = fmin(low, s->seed[i]->y[k]);
                high = fmax(high, s->seed[i]->y[k]);
            }
        }
    if (!(high - low > 1e-9 * fmax(fabs(high), fabs(low)))) low -= 1, high += 1;
    f->x_tick = plot_tick(0, last, 6);
    f->y_tick = plot_tick(low, high, 6);
    f->x1 = last;
    f->y0 = f->y_tick * floor(low / f->y_tick);
    f->y1 = f->y_tick * ceil(high / f->y_tick);
}

/* ---- runs and groups ---- */

static void add_run(figure *f, experiment *x, curve *c)
{
    char *kind = experiment_text(x, EXPERIMENT_KIND);
    series *s = f->series;
    while (s < f->series + f->n && strcmp(s->kind, kind) != 0) s++;
    if (s == f->series + f->n) {
        f->series = reallocate(f->series, (size_t)f->n + 1, sizeof *s, "curves");
        s = f->series + f->n++;
        *s = (series){ .kind = kind, .x = x };
    } else free(kind);
    s->seed = reallocate(s->seed, (size_t)s->n + 1, sizeof *s->seed, "curves");
    s->seed[s->n++] = c;
}

static void read_run(figure *f, const char *folder, experiment **x)
{
    char error[512], *path = path_of(folder, "progress.csv");
    *x = experiment_read(folder);
    curve *c = curve_read(path, error, sizeof error);
    if (!c) bad_input("%s", error);
    if (c->n == 0) bad_input("%s: expected a row with a return, found none: no episode has ended yet", path);
    add_run(f, *x, c);
    free(path);
}

/* DIR, or what --seeds has put into it */
static void add_folder(glob_t *runs, const char *folder)
{
    char *config = path_of(folder, "config.json"), *seeds = path_of(folder, "seed-*");
    int flags = runs->gl_pathc ? GLOB_APPEND : 0, status = GLOB_NOMATCH;
    if (access(config, F_OK) != 0) status = glob(seeds, flags, NULL, runs);
    if (status == GLOB_NOMATCH) status = glob(folder, flags | GLOB_NOCHECK, NULL, runs);
    if (status == GLOB_NOSPACE) out_of_memory(0, "names of folders");
    free(config);
    free(seeds);
}

/* The settings in which series of one algorithm differ, as ", lr=0.1" */
static void differences(const figure *f, const series *s, FILE *out)
{
    for (const config_field *k = s->x->algorithm->fields; k->name; k++) {
        char ours[CONFIG_VALUE], theirs[CONFIG_VALUE];
        bool differ = false;
        config_value(k, s->x->config, ours);
        for (const series *o = f->series; o < f->series + f->n; o++)
            if (o->x->algorithm == s->x->algorithm) {
                config_value(k, o->x->config, theirs);
                differ = differ || strcmp(ours, theirs) != 0;
            }
        if (differ) fprintf(out, ", %s=%s", k->name, ours);
    }
}

static void label(const figure *f, series *s)
{
    size_t size;
    bool same_env = true;
    for (int i = 0; i < f->n; i++) same_env = same_env && strcmp(f->series[i].x->env, s->x->env) == 0;
    FILE *out = print_to_memory(&s->label, &size);
    fputs(s->x->algorithm->name, out);
    if (!same_env) fprintf(out, ", %s", s->x->env);
    differences(f, s, out);
    print_done(out, &s->label);
    s->note = allocate(80, 1, "a legend");
    if (s->band)       snprintf(s->note, 80, "mean of n = %d seeds, 95 %% bootstrap band", s->n);
    else if (s->n > 1) snprintf(s->note, 80, "mean of n = %d seeds; no band: fewer than %d", s->n, BAND_SEEDS);
    else               snprintf(s->note, 80, "n = 1 seed");
}

static void complete(figure *f)
{
    bool same_env = true;
    for (int i = 0; i < f->n; i++) {
        plot_band(&f->series[i], 1);
        same_env = same_env && strcmp(f->series[i].x->env, f->series[0].x->env) == 0;
    }
    for (int i = 0; i < f->n; i++) label(f, &f->series[i]);
    snprintf(f->title, sizeof f->title, "%s: mean return of the last %d episodes",
             same_env ? f->series[0].x->env : "Learning", RUN_WINDOW);
    axes(f);
}

static void free_figure(figure *f)
{
    for (series *s = f->series; s < f->series + f->n; s++) {
        for (int i = 0; i < s->n; i++) curve_free(s->seed[i]);
        free(s->seed);
        free(s->kind);
        free(s->label);
        free(s->note);
    }
    free(f->series);
}

/* ---- the command ---- */

static bool ends_in(const char *path, const char *end)
{
    size_t n = strlen(path), m = strlen(end);
    return n > m && strcmp(path + n - m, end) == 0;
}

static void draw(const figure *f, const char *out, bool terminal)
{
    int columns, rows;
    bool tty = isatty(STDOUT_FILENO);
    if (out && ends_in(out, ".svg")) {
        char *svg = plot_svg(f);
        whole_file_text(out, svg);
        free(svg);
    } else if (out) plot_png(f, out);
    if (out && !terminal) return;
    terminal_size(STDOUT_FILENO, &columns, &rows);
    char *text;
    size_t size;
    FILE *memory = print_to_memory(&text, &size);       /* all of it or nothing */
    plot_terminal(f, memory, columns < 120 ? columns : 120, rows < 30 ? rows - 6 : 24,
                  terminal_utf8() && (tty || f->n == 1), tty);
    print_done(memory, &text);
    fputs(text, stdout);
    free(text);
}

int plot_command(int argc, char **argv)
{
    const char *out = NULL;
    bool terminal = false;
    const option table[] = {
        { "--out", "FILE", "a picture, by its ending: .svg, or .png (needs gnuplot)", &out, NULL },
        { "--terminal", NULL, "draw on the terminal, as without --out", NULL, &terminal },
        { NULL }
    };
    int left = options_parse(argc, argv, "plot DIR... [--out FILE.svg|FILE.png] [--terminal]",
        "Returns over steps, of one run or many. Runs that differ in nothing but their seeds are one\n"
        "curve: their mean, each seed thin behind it, and from 5 seeds on a 95 % bootstrap band.", table);
    if (left < 1) bad_input("plot: expected a run's folder");
    if (out && !ends_in(out, ".svg") && !ends_in(out, ".png"))
        bad_input("--out: expected a name that ends in .svg or .png, found %s", out);
    figure f = { 0 };
    glob_t runs = { 0 };
    for (int i = 1; i <= left; i++) add_folder(&runs, argv[i]);
    experiment **x = allocate(runs.gl_pathc, sizeof(experiment *), "runs");
    for (size_t i = 0; i < runs.gl_pathc; i++) read_run(&f, runs.gl_pathv[i], &x[i]);
    complete(&f);
    draw(&f, out, terminal);
    free_figure(&f);
    for (size_t i = 0; i < runs.gl_pathc; i++) experiment_free(x[i]);
    free(x);
    globfree(&runs);
    return EXIT_HELD;
}
