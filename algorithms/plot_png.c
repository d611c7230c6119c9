/* Learning curves as PNG, drawn by gnuplot: see plot.h. */
#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "algorithms/plot.h"
#include "autodiff/require.h"

enum { COLOURS = 7 };
static const char *const colour[COLOURS] = {
    "0072b2", "d55e00", "009e73", "cc79a7", "e69f00", "56b4e9", "6b6b6b"
};

/* In gnuplot's single quotes a quote is written twice and nothing else means anything. */
static void quoted(FILE *out, const char *text)
{
    fputc('\'', out);
    for (; *text; text++) {
        if (*text == '\'') fputc('\'', out);
        fputc((unsigned char)*text < ' ' ? '?' : *text, out);
    }
    fputc('\'', out);
}

static void block(FILE *out, char kind, int i, int j, int n, const double *x, const double *y, const double *z)
{
    fprintf(out, "$%c%d_%d << EOD\n", kind, i, j);
    for (int k = 0; k < n; k++) {
        fprintf(out, "%.17g %.17g", x[k], y[k]);
        if (z) fprintf(out, " %.17g", z[k]);
        fputc('\n', out);
    }
    fputs("EOD\n", out);
}

static void script(const figure *f, const char *path, FILE *out)
{
    fputs("set terminal pngcairo size 1120,800 font 'sans,13' noenhanced\nset output ", out);
    quoted(out, path);
    fputs("\nset title ", out);
    quoted(out, f->title);
    fputs("\nset rmargin 6\nset xlabel 'steps of the environment' offset 0,0.6\n", out);
    fprintf(out, "set xrange [0:%.17g]\nset yrange [%.17g:%.17g]\n", f->x1, f->y0, f->y1);
    fprintf(out, "set xtics %.17g\nset ytics %.17g\nset grid lc rgb '#e3e3e3' lt 1\n", f->x_tick, f->y_tick);
    fputs("set format x '%.6g'\nset key below left Left reverse height 1\n", out);
    fputs("set style fill transparent solid 0.2 noborder\n", out);
    for (int i = 0; i < f->n; i++) {
        const series *s = &f->series[i];
        for (int k = 0; k < s->n; k++)
            block(out, 's', i, k, s->seed[k]->n, s->seed[k]->steps, s->seed[k]->y, NULL);
        block(out, 'm', i, 0, POINTS, s->at, s->mean, NULL);
        if (s->band) block(out, 'b', i, 0, POINTS, s->at, s->low, s->high);
    }
    fputs("plot ", out);
    for (int i = 0; i < f->n; i++) {
        const series *s = &f->series[i];
        const char *c = colour[i % COLOURS];
        for (int k = 0; k < s->n && s->n > 1; k++)
            fprintf(out, "$s%d_%d with lines lw 1 lc rgb '#b0%s' notitle, ", i, k, c);
        if (s->band) fprintf(out, "$b%d_0 with filledcurves lc rgb '#%s' notitle, ", i, c);
        fprintf(out, "$%c%d_0 with lines lw 2.5 lc rgb '#%s' title ", s->n > 1 ? 'm' : 's', i, c);
        char label[512];
        snprintf(label, sizeof label, "%s (%s)", s->label, s->note);
        quoted(out, label);
        fputs(i + 1 < f->n ? ", " : "\n", out);
    }
}

/* A child with the script as its input. Its own messages are not shown: what is wrong is the path or gnuplot. */
static int run_gnuplot(FILE *input)
{
    int status;
    fflush(NULL);
    pid_t child = fork();
    if (child < 0) io_failure("gnuplot cannot be started: %s", strerror(errno));
    if (child == 0) {
        if (!freopen("/dev/null", "w", stderr) || dup2(fileno(input), STDIN_FILENO) < 0) _exit(126);
        lseek(STDIN_FILENO, 0, SEEK_SET);
        execlp("gnuplot", "gnuplot", (char *)NULL);
        _exit(127);
    }
    while (waitpid(child, &status, 0) < 0)
        if (errno != EINTR) io_failure("gnuplot: %s", strerror(errno));
    return WIFEXITED(status) ? WEXITSTATUS(status) : 126;
}

void plot_png(const figure *f, const char *path)
{
    size_t n = strlen(path) + sizeof ".tmp";
    char *aside = allocate(n, 1, "the name of a file");
    snprintf(aside, n, "%s.tmp", path);
    FILE *input = tmpfile();
    if (!input && errno == ENOMEM) out_of_memory(0, "a temporary file");
    if (!input) io_failure("a temporary file cannot be made: %s", strerror(errno));
    script(f, aside, input);
    bool lost = ferror(input) || fflush(input) != 0;
    if (lost && errno == ENOMEM) out_of_memory(0, "a temporary file");
    if (lost) io_failure("a temporary file cannot be written: %s", strerror(errno));
    int status = run_gnuplot(input);
    fclose(input);
    if (status == 127) io_failure("%s: gnuplot is not installed (Debian: gnuplot-nox); .svg needs nothing", path);
    if (status != 0 || rename(aside, path) != 0) {
        unlink(aside);
        io_failure("%s: cannot be written by gnuplot", path);
    }
    free(aside);
}
