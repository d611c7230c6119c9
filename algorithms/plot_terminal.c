/* Learning curves on a terminal: see plot.h. In braille a character holds 2 x 4 dots; else series are letters. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "algorithms/plot.h"
#include "autodiff/require.h"

enum { MARGIN = 9, COLOURS = 6 };

struct canvas {
    int columns, rows;                  /* characters */
    bool braille;
    unsigned char *dots, *owner;        /* [rows x columns] bits of a braille character; series + 1, 0: none */
};

/* Dot (x, y) of columns * 2 by rows * 4, from above */
static void dot(struct canvas *c, int x, int y, int owner)
{
    static const unsigned char bit[4][2] = { { 0x01, 0x08 }, { 0x02, 0x10 }, { 0x04, 0x20 }, { 0x40, 0x80 } };
    int i = y / 4 * c->columns + x / 2;
    c->dots[i] |= bit[y % 4][x % 2];
    c->owner[i] = (unsigned char)owner;
}

static void trace(struct canvas *c, const figure *f, int owner, int n, const double *x, const double *y)
{
    int last_x = -1, last_y = 0, right = 2 * c->columns - 1, below = 4 * c->rows - 1;
    for (int k = 0; k < n; k++) {
        int i = (int)lround(right * x[k] / f->x1), j = (int)lround(below * (f->y1 - y[k]) / (f->y1 - f->y0));
        if (last_x < 0) last_x = i, last_y = j;
        int steps = abs(i - last_x) > abs(j - last_y) ? abs(i - last_x) : abs(j - last_y);
        for (int t = 0; t <= steps; t++)
            dot(c, last_x + (i - last_x) * t / (steps ? steps : 1), last_y + (j - last_y) * t / (steps ? steps : 1),
                owner);
        last_x = i;
        last_y = j;
    }
}

static void put(const struct canvas *c, FILE *out, int i, bool colour)
{
    int owner = c->owner[i], pattern = 0x2800 + c->dots[i];
    if (!owner) {
        fputc(' ', out);
        return;
    }
    if (colour) fprintf(out, "\033[3%dm", 1 + (owner - 1 + 3) % COLOURS);
    if (c->braille) fprintf(out, "%c%c%c", 0xe0 | pattern >> 12, 0x80 | (pattern >> 6 & 0x3f), 0x80 | (pattern & 0x3f));
    else            fputc('a' + (owner - 1) % 26, out);
    if (colour) fputs("\033[m", out);
}

static void rows(const struct canvas *c, const figure *f, FILE *out, bool colour)
{
    char number[32];
    for (int j = 0; j < c->rows; j++) {
        double tick_row = 0, value = 0;
        bool labelled = false;
        for (int i = 0; f->y0 + i * f->y_tick <= f->y1 + 1e-9 * f->y_tick; i++) {
            value = f->y0 + i * f->y_tick;
            tick_row = (c->rows - 1) * (f->y1 - value) / (f->y1 - f->y0);
            if ((labelled = lround(tick_row) == j)) break;
        }
        plot_number(number, value);
        fprintf(out, "%*s |", MARGIN - 2, labelled ? number : "");
        int last = c->columns;
        while (last > 0 && !c->owner[j * c->columns + last - 1]) last--;
        for (int i = 0; i < last; i++) put(c, out, j * c->columns + i, colour);
        fputc('\n', out);
    }
}

static void below(const struct canvas *c, const figure *f, FILE *out)
{
    char number[32], *line = allocate((size_t)c->columns + 33, 1, "a line of text");
    fprintf(out, "%*s +", MARGIN - 2, "");
    for (int i = 0; i < c->columns; i++) fputc('-', out);
    memset(line, ' ', (size_t)c->columns + 32);
    for (int i = 0; i * f->x_tick <= f->x1 * (1 + 1e-9); i++) {
        plot_number(number, i * f->x_tick);
        int n = (int)strlen(number), at = (int)lround((c->columns - 1) * (i * f->x_tick) / f->x1) - n / 2;
        if (at + n > c->columns) at = c->columns - n;
        memcpy(line + (at > 0 ? at : 0), number, (size_t)n);
    }
    line[c->columns] = 0;
    fprintf(out, "\n%*s%s\n%*ssteps of the environment\n", MARGIN, "", line, MARGIN, "");
    free(line);
}

void plot_terminal(const figure *f, FILE *out, int width, int height, bool braille, bool colour)
{
    struct canvas c = { .columns = width - MARGIN - 1, .rows = height, .braille = braille };
    size_t n = (size_t)c.columns * (size_t)c.rows;
    c.dots = allocate(n, 1, "a drawing");
    c.owner = allocate(n, 1, "a drawing");
    for (int i = 0; i < f->n; i++) {
        const series *s = &f->series[i];
        if (s->n == 1) trace(&c, f, i + 1, s->seed[0]->n, s->seed[0]->steps, s->seed[0]->y);
        else           trace(&c, f, i + 1, POINTS, s->at, s->mean);
    }
    fprintf(out, "%*s%s\n", MARGIN, "", f->title);
    rows(&c, f, out, colour);
    below(&c, f, out);
    for (int i = 0; i < f->n; i++) {
        fprintf(out, "%*s", MARGIN, "");
        if (colour) fprintf(out, "\033[3%dm--\033[m ", 1 + (i + 3) % COLOURS);
        else if (!braille) fprintf(out, "%c: ", 'a' + i % 26);
        fprintf(out, "%s (%s)\n", f->series[i].label, f->series[i].note);
    }
    free(c.dots);
    free(c.owner);
}
