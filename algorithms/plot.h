/* Learning curves: what plot.c reads and computes, and plot_svg.c, plot_png.c and plot_terminal.c draw. */
#ifndef ASCENT_PLOT_H
#define ASCENT_PLOT_H

#include <stdio.h>

#include "algorithms/experiment.h"
#include "algorithms/progress.h"

enum { BAND_SEEDS = 5, POINTS = 200 };          /* no band of fewer seeds; points of a mean */

/* Runs that differ in nothing but their seeds */
typedef struct {
    char *kind;                         /* config.json without seed and steps */
    char *label, *note;                 /* for the legend: what, and how many seeds */
    const experiment *x;                /* of its first run */
    int n;
    curve **seed;                       /* [n] */
    bool band;                          /* n >= BAND_SEEDS */
    double at[POINTS], mean[POINTS];    /* steps that all seeds have seen; mean return there */
    double low[POINTS], high[POINTS];   /* 95 % of the means of n seeds drawn from these n, with replacement */
} series;

typedef struct {
    int n;
    series *series;                     /* [n] */
    char title[256];
    double x1, y0, y1;                  /* the axes: steps from 0 to x1, returns from tick y0 to tick y1 */
    double x_tick, y_tick;
} figure;

void plot_band(series *s, uint64_t seed);                       /* at, mean, low, high from seed */
double plot_tick(double low, double high, int most);            /* 1, 2 or 5 times a power of ten */
void plot_number(char text[32], double x);                      /* 1500000 as 1.5M */

char *plot_svg(const figure *f);                                /* the text of a file, to be freed */
void plot_png(const figure *f, const char *path);               /* through gnuplot; exit 3 where there is none */
void plot_terminal(const figure *f, FILE *out, int width, int height, bool braille, bool colour);

#endif
