/* Bias against standard deviation as a picture: see estimate_table.h. What has no bias is named at the left of the
 * plot, where its points lie, the rest at its right, each name tied to its point. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "algorithms/plot.h"
#include "autodiff/require.h"
#include "derivations/estimate_table.h"

enum { WIDTH = 1180, LEFT = 360, PLOT_W = 460, TOP = 64, PLOT_H = 440, BELOW = 84, LINE = 17 };

/* Okabe and Ito's blue and vermilion: the critics; grey: none */
static const char *const style =
    "<style>\n"
    "svg { background: #fff; --text: #222; --grid: #e3e3e3; --c0: #6b6b6b; --c1: #0072b2; --c2: #d55e00 }\n"
    "@media (prefers-color-scheme: dark) { svg { background: #16181c; --text: #ddd; --grid: #33363c;\n"
    "  --c0: #a8a8a8; --c1: #4da3d9; --c2: #f08040 } }\n"
    "text { fill: var(--text); font: 13px system-ui, sans-serif }\n"
    ".title { font-size: 16px; font-weight: 600 }\n"
    ".grid { stroke: var(--grid) }\n"
    ".tie { stroke: var(--c0); stroke-width: .6; opacity: .7 }\n"
    ".family { fill: none; stroke-width: 1.8 }\n"
    ".gae { stroke-dasharray: 5 4 }\n"
    "</style>\n";

struct axes { double x1, y1, x_tick, y_tick; };

static double px(const struct axes *a, double x) { return LEFT + PLOT_W * x / a->x1; }
static double py(const struct axes *a, double y) { return TOP + PLOT_H * (1 - y / a->y1); }

static struct axes axes_of(const estimate_table *t)
{
    struct axes a = { 0 };
    for (int i = 0; i < t->rows; i++) {
        if (isfinite(t->row[i].off)) a.x1 = fmax(a.x1, t->row[i].off);
        if (isfinite(t->row[i].sd)) a.y1 = fmax(a.y1, t->row[i].sd);
    }
    if (!(a.x1 > 1e-9 * t->size)) a.x1 = t->size > 0 ? t->size : 1;
    if (!(a.y1 > 0)) a.y1 = 1;
    a.x_tick = plot_tick(0, a.x1, 6);
    a.y_tick = plot_tick(0, a.y1, 8);
    a.x1 = ceil(a.x1 / a.x_tick - 1e-9) * a.x_tick;
    a.y1 = ceil(a.y1 / a.y_tick - 1e-9) * a.y_tick;
    return a;
}

static void grid(const struct axes *a, FILE *out)
{
    char text[32];
    for (int i = 0; i * a->x_tick <= a->x1 * (1 + 1e-9); i++) {
        double x = px(a, i * a->x_tick);
        plot_number(text, i * a->x_tick);
        fprintf(out, "<line class=\"grid\" x1=\"%.1f\" y1=\"%d\" x2=\"%.1f\" y2=\"%d\"/>\n"
                "<text x=\"%.1f\" y=\"%d\" text-anchor=\"middle\">%s</text>\n", x, TOP, x, TOP + PLOT_H, x,
                TOP + PLOT_H + 20, text);
    }
    for (int i = 0; i * a->y_tick <= a->y1 * (1 + 1e-9); i++) {
        double y = py(a, i * a->y_tick);
        plot_number(text, i * a->y_tick);
        fprintf(out, "<line class=\"grid\" x1=\"%d\" y1=\"%.1f\" x2=\"%d\" y2=\"%.1f\"/>\n"
                "<text x=\"%d\" y=\"%.1f\" text-anchor=\"end\">%s</text>\n", LEFT, y, LEFT + PLOT_W, y, LEFT - 12,
                y + 5, text);
    }
    fprintf(out, "<text x=\"%d\" y=\"%d\" text-anchor=\"middle\">bias, |E[g] - grad J|</text>\n", LEFT + PLOT_W / 2,
            TOP + PLOT_H + 42);
    fprintf(out, "<text x=\"%d\" y=\"%d\" text-anchor=\"end\">standard deviation, sqrt(E|g - E[g]|^2)</text>\n",
            LEFT + PLOT_W, TOP - 12);
}

/* A name and the points that lie on one another there */
struct name { double x, y, at; int colour; char text[256]; };

static int by_height(const void *a, const void *b)
{
    double x = ((const struct name *)a)->y, y = ((const struct name *)b)->y;
    return (x > y) - (x < y);
}

static int names_of(const estimate_table *t, const struct axes *a, bool biased, struct name *name)
{
    int n = 0;
    for (int i = 0; i < t->rows; i++) {
        const estimate_row *r = &t->row[i];
        char text[64];
        int k = 0;
        if (!isfinite(r->sd) || !isfinite(r->off) || (r->off > 1e-9 * t->size) != biased) continue;
        estimate_row_name(r, text);
        struct name here = { .x = px(a, r->off), .y = py(a, r->sd), .colour = r->critic + 1 };
        while (k < n && !(hypot(name[k].x - here.x, name[k].y - here.y) < 1 && name[k].colour == here.colour)) k++;
        if (k == n) name[n++] = here;
        size_t length = strlen(name[k].text);
        snprintf(name[k].text + length, sizeof name[k].text - length, "%s%s", length ? ", " : "", text);
    }
    qsort(name, (size_t)n, sizeof *name, by_height);
    for (int k = 0; k < n; k++) name[k].at = k > 0 ? fmax(name[k].y, name[k - 1].at + LINE) : name[k].y;
    for (int k = n - 1; k >= 0; k--)
        name[k].at = fmin(name[k].at, k < n - 1 ? name[k + 1].at - LINE : TOP + PLOT_H);
    return n;
}

static void print_names(const estimate_table *t, const struct axes *a, bool biased, FILE *out)
{
    struct name *name = allocate((size_t)t->rows, sizeof *name, "names in a picture");
    int n = names_of(t, a, biased, name);
    int x = biased ? LEFT + PLOT_W + 28 : LEFT - 60;
    for (int k = 0; k < n; k++) {
        fprintf(out, "<polyline class=\"tie\" fill=\"none\" points=\"%d,%.1f %.1f,%.1f\"/>\n", biased ? x - 4 : x + 4,
                name[k].at, name[k].x, name[k].y);
        fprintf(out, "<circle cx=\"%.1f\" cy=\"%.1f\" r=\"4\" fill=\"var(--c%d)\"/>\n", name[k].x, name[k].y,
                name[k].colour);
        fprintf(out, "<text x=\"%d\" y=\"%.1f\" text-anchor=\"%s\" style=\"fill: var(--c%d)\">%s</text>\n", x,
                name[k].at + 4, biased ? "start" : "end", name[k].colour, name[k].text);
    }
    free(name);
}

static void print_family(const estimate_table *t, const struct axes *a, const char *family, int critic, FILE *out)
{
    fprintf(out, "<polyline class=\"family %s\" stroke=\"var(--c%d)\" points=\"", family, critic + 1);
    for (int i = 0; i < t->rows; i++) {
        const estimate_row *r = &t->row[i];
        if (r->critic != critic || strcmp(r->e->name, family) != 0 || !isfinite(r->sd)) continue;
        fprintf(out, "%.1f,%.1f ", px(a, r->off), py(a, r->sd));
    }
    fputs("\"/>\n", out);
}

static void escaped(FILE *out, const char *text)
{
    for (; *text; text++) switch (*text) {
        case '&': fputs("&amp;", out); break;
        case '<': fputs("&lt;", out); break;
        case '>': fputs("&gt;", out); break;
        default:  fputc((unsigned char)*text < ' ' ? '?' : *text, out);
    }
}

static void print_title(const estimate_table *t, FILE *out)
{
    escaped(out, t->f->M->name);
    fprintf(out, ", gamma %g, %d steps: estimators of grad J, over all trajectories", t->f->gamma, t->f->H);
}

static void legend(const estimate_table *t, FILE *out)
{
    fprintf(out, "<text x=\"%d\" y=\"%d\" text-anchor=\"middle\"><tspan style=\"fill: var(--c1)\">exact critic"
            "</tspan>, <tspan style=\"fill: var(--c2)\">critic ", LEFT + PLOT_W / 2, TOP + PLOT_H + 68);
    escaped(out, t->critic);
    fputs("</tspan>; lines: n-step returns, dashed GAE</text>\n", out);
}

char *estimate_table_svg(const estimate_table *t)
{
    char *text;
    size_t size;
    FILE *out = print_to_memory(&text, &size);
    struct axes a = axes_of(t);
    fprintf(out, "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 %d %d\" width=\"%d\" height=\"%d\" "
            "role=\"img\">\n<title>", WIDTH, TOP + PLOT_H + BELOW, WIDTH, TOP + PLOT_H + BELOW);
    print_title(t, out);
    fprintf(out, "</title>\n%s<text class=\"title\" x=\"%d\" y=\"28\" text-anchor=\"middle\">", style, WIDTH / 2);
    print_title(t, out);
    fputs("</text>\n", out);
    grid(&a, out);
    for (int critic = 0; critic < 2; critic++) {
        print_family(t, &a, "nstep", critic, out);
        print_family(t, &a, "gae", critic, out);
    }
    print_names(t, &a, false, out);
    print_names(t, &a, true, out);
    legend(t, out);
    fputs("</svg>\n", out);
    print_done(out, &text);
    return text;
}
