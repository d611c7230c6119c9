/* Learning curves as SVG, for light and dark pages: see plot.h. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "algorithms/plot.h"
#include "autodiff/require.h"

enum { WIDTH = 760, LEFT = 76, RIGHT = 24, TOP = 48, PLOT = 360, BELOW = 62, LINE = 22, COLOURS = 7 };

/* Okabe and Ito's colours, which colour-blind readers can tell apart; the dark page's are lighter where needed. */
static const char *const style =
    "<style>\n"
    "svg { background: #fff; --text: #222; --grid: #e3e3e3; --c0: #0072b2; --c1: #d55e00; --c2: #009e73;\n"
    "  --c3: #cc79a7; --c4: #e69f00; --c5: #56b4e9; --c6: #6b6b6b }\n"
    "@media (prefers-color-scheme: dark) { svg { background: #16181c; --text: #ddd; --grid: #33363c;\n"
    "  --c0: #4da3d9; --c1: #f08040; --c2: #2fc498; --c6: #a8a8a8 } }\n"
    "text { fill: var(--text); font: 14px system-ui, sans-serif }\n"
    ".title { font-size: 16px; font-weight: 600 }\n"
    ".grid { stroke: var(--grid) }\n"
    ".seed { fill: none; stroke-width: 1; opacity: .3 }\n"
    ".mean { fill: none; stroke-width: 2.2; stroke-linejoin: round }\n"
    ".band { stroke: none; opacity: .2 }\n"
    "</style>\n";

static double px(const figure *f, double x) { return LEFT + (WIDTH - LEFT - RIGHT) * x / f->x1; }
static double py(const figure *f, double y) { return TOP + PLOT * (f->y1 - y) / (f->y1 - f->y0); }

static void escaped(FILE *out, const char *text)
{
    for (; *text; text++) switch (*text) {
        case '&': fputs("&amp;", out); break;
        case '<': fputs("&lt;", out); break;
        case '>': fputs("&gt;", out); break;
        default:  fputc((unsigned char)*text < ' ' ? '?' : *text, out);
    }
}

static void line(FILE *out, const char *look, double x1, double y1, double x2, double y2)
{
    fprintf(out, "<line %s x1=\"%.1f\" y1=\"%.1f\" x2=\"%.1f\" y2=\"%.1f\"/>\n", look, x1, y1, x2, y2);
}

static void grid(const figure *f, FILE *out)
{
    char text[32];
    for (int i = 0; i * f->x_tick <= f->x1 * (1 + 1e-9); i++) {
        double x = px(f, i * f->x_tick);
        plot_number(text, i * f->x_tick);
        line(out, "class=\"grid\"", x, TOP, x, TOP + PLOT);
        fprintf(out, "<text x=\"%.1f\" y=\"%d\" text-anchor=\"middle\">%s</text>\n", x, TOP + PLOT + 20, text);
    }
    for (int i = 0; f->y0 + i * f->y_tick <= f->y1 + 1e-9 * f->y_tick; i++) {
        double y = py(f, f->y0 + i * f->y_tick);
        plot_number(text, f->y0 + i * f->y_tick);
        line(out, "class=\"grid\"", LEFT, y, WIDTH - RIGHT, y);
        fprintf(out, "<text x=\"%d\" y=\"%.1f\" text-anchor=\"end\">%s</text>\n", LEFT - 8, y + 5, text);
    }
    fprintf(out, "<text x=\"%d\" y=\"%d\" text-anchor=\"middle\">steps of the environment</text>\n",
            (LEFT + WIDTH - RIGHT) / 2, TOP + PLOT + 44);
}

/* Points less than half a pixel apart are left out, but for the last. */
static void polyline(const figure *f, FILE *out, const char *kind, int colour, int n, const double *x,
                     const double *y)
{
    double last = -1;
    fprintf(out, "<polyline class=\"%s\" stroke=\"var(--c%d)\" points=\"", kind, colour);
    for (int k = 0; k < n; k++)
        if (px(f, x[k]) - last >= 0.5 || k == n - 1) {
            last = px(f, x[k]);
            fprintf(out, "%.1f,%.1f ", last, py(f, y[k]));
        }
    fputs("\"/>\n", out);
}

static void band(const figure *f, FILE *out, const series *s, int colour)
{
    fprintf(out, "<polygon class=\"band\" fill=\"var(--c%d)\" points=\"", colour);
    for (int k = 0; k < POINTS; k++) fprintf(out, "%.1f,%.1f ", px(f, s->at[k]), py(f, s->high[k]));
    for (int k = POINTS - 1; k >= 0; k--) fprintf(out, "%.1f,%.1f ", px(f, s->at[k]), py(f, s->low[k]));
    fputs("\"/>\n", out);
}

static void legend(const figure *f, FILE *out)
{
    for (int i = 0; i < f->n; i++) {
        int y = TOP + PLOT + BELOW + LINE * i;
        char look[64];
        snprintf(look, sizeof look, "class=\"mean\" stroke=\"var(--c%d)\"", i % COLOURS);
        line(out, look, LEFT, y + 3, LEFT + 24, y + 3);
        fprintf(out, "<text x=\"%d\" y=\"%d\">", LEFT + 34, y + 8);
        escaped(out, f->series[i].label);
        fprintf(out, " (%s)</text>\n", f->series[i].note);
    }
}

char *plot_svg(const figure *f)
{
    char *text;
    size_t size;
    FILE *out = print_to_memory(&text, &size);
    int height = TOP + PLOT + BELOW + LINE * f->n + 8;
    fprintf(out, "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 %d %d\" width=\"%d\" height=\"%d\" ",
            WIDTH, height, WIDTH, height);
    fputs("role=\"img\">\n<title>", out);
    escaped(out, f->title);
    fprintf(out, "</title>\n%s<text class=\"title\" x=\"%d\" y=\"28\">", style, LEFT);
    escaped(out, f->title);
    fputs("</text>\n", out);
    grid(f, out);
    for (int i = 0; i < f->n; i++) {
        const series *s = &f->series[i];
        for (int k = 0; k < s->n && s->n > 1; k++)
            polyline(f, out, "seed", i % COLOURS, s->seed[k]->n, s->seed[k]->steps, s->seed[k]->y);
        if (s->band) band(f, out, s, i % COLOURS);
    }
    for (int i = 0; i < f->n; i++) {
        const series *s = &f->series[i];
        if (s->n == 1) polyline(f, out, "mean", i % COLOURS, s->seed[0]->n, s->seed[0]->steps, s->seed[0]->y);
        else           polyline(f, out, "mean", i % COLOURS, POINTS, s->at, s->mean);
    }
    legend(f, out);
    fputs("</svg>\n", out);
    print_done(out, &text);
    return text;
}
