/* Learning curves on a terminal: see plot.h. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "algorithms/canvas.h"
#include "algorithms/plot.h"
#include "autodiff/require.h"

enum { MARGIN = 9 };

static void trace(canvas *c, const figure *f, int owner, int n, const double *x, const double *y)
{
    double right = c->wide - 1, below = c->high - 1, last_i = 0, last_j = 0;
    for (int k = 0; k < n; k++) {
        double i = right * x[k] / f->x1, j = below * (f->y1 - y[k]) / (f->y1 - f->y0);
        canvas_line(c, owner, k ? last_i : i, k ? last_j : j, i, j);
        last_i = i;
        last_j = j;
    }
}

/* The number of the tick in a row, or nothing */
static void tick_label(const figure *f, int row, int rows, char number[32])
{
    *number = 0;
    for (int i = 0; f->y0 + i * f->y_tick <= f->y1 + 1e-9 * f->y_tick; i++) {
        double y = f->y0 + i * f->y_tick;
        if (lround((rows - 1) * (f->y1 - y) / (f->y1 - f->y0)) == row) plot_number(number, y);
    }
}

static void print_below(const figure *f, FILE *out, int columns)
{
    char number[32], *line = allocate((size_t)columns + 33, 1, "a line of text");
    fprintf(out, "%*s +", MARGIN - 2, "");
    for (int i = 0; i < columns; i++) fputc('-', out);
    memset(line, ' ', (size_t)columns + 32);
    for (int i = 0; i * f->x_tick <= f->x1 * (1 + 1e-9); i++) {
        plot_number(number, i * f->x_tick);
        int n = (int)strlen(number), at = (int)lround((columns - 1) * (i * f->x_tick) / f->x1) - n / 2;
        if (at + n > columns) at = columns - n;
        memcpy(line + (at > 0 ? at : 0), number, (size_t)n);
    }
    line[columns] = 0;
    fprintf(out, "\n%*s%s\n%*ssteps of the environment\n", MARGIN, "", line, MARGIN, "");
    free(line);
}

void plot_terminal(const figure *f, FILE *out, int width, int height, bool braille, bool colour)
{
    char number[32];
    canvas c = canvas_new(width - MARGIN - 1, height, braille, colour);
    for (int i = 0; i < f->n; i++) {
        const series *s = &f->series[i];
        if (s->n == 1) trace(&c, f, i + 1, s->seed[0]->n, s->seed[0]->steps, s->seed[0]->y);
        else           trace(&c, f, i + 1, POINTS, s->at, s->mean);
    }
    fprintf(out, "%*s%s\n", MARGIN, "", f->title);
    for (int j = 0; j < height; j++) {
        tick_label(f, j, height, number);
        fprintf(out, "%*s |", MARGIN - 2, number);
        canvas_row(&c, j, out);
        fputc('\n', out);
    }
    print_below(f, out, c.columns);
    for (int i = 0; i < f->n; i++) {
        fprintf(out, "%*s", MARGIN, "");
        canvas_mark(&c, i + 1, out);
        fprintf(out, "%s (%s)\n", f->series[i].label, f->series[i].note);
    }
    canvas_free(&c);
}
