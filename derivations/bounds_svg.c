/* Bounds as pictures, for light and dark pages: see bounds_table.h. */
#include <math.h>
#include <stdlib.h>

#include "algorithms/plot.h"
#include "autodiff/require.h"
#include "derivations/bounds_table.h"

enum { LEFT = 78, TOP = 72, RIGHT = 22, LINE = 20 };

/* Okabe and Ito's colours, as in algorithms/plot_svg.c */
static const char *const style =
    "<style>\n"
    "svg { background: #fff; --text: #222; --grid: #e3e3e3; --c0: #222; --c1: #0072b2; --c2: #e69f00;\n"
    "  --c3: #cc79a7; --c4: #009e73; --c5: #d55e00 }\n"
    "@media (prefers-color-scheme: dark) { svg { background: #16181c; --text: #ddd; --grid: #33363c;\n"
    "  --c0: #eee; --c1: #4da3d9; --c4: #2fc498; --c5: #f08040 } }\n"
    "text { fill: var(--text); font: 13px system-ui, sans-serif }\n"
    ".title { font-size: 16px; font-weight: 600 }\n"
    ".grid { stroke: var(--grid) }\n"
    ".curve { fill: none; stroke-width: 2 }\n"
    ".dots { fill: none; stroke: var(--c1); stroke-width: 2.4; stroke-linecap: round; opacity: .4 }\n"
    "</style>\n";

static void escaped(FILE *out, const char *text)
{
    for (; *text; text++) switch (*text) {
        case '&': fputs("&amp;", out); break;
        case '<': fputs("&lt;", out); break;
        case '>': fputs("&gt;", out); break;
        default:  fputc((unsigned char)*text < ' ' ? '?' : *text, out);
    }
}

static void begin(FILE *out, const char *title, int width, int height)
{
    fprintf(out, "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 %d %d\" width=\"%d\" height=\"%d\" "
            "role=\"img\">\n<title>", width, height, width, height);
    escaped(out, title);
    fprintf(out, "</title>\n%s<text class=\"title\" x=\"%d\" y=\"28\">", style, LEFT);
    escaped(out, title);
    fputs("</text>\n", out);
}

static void words(FILE *out, int x, int y, const char *anchor, const char *text)
{
    fprintf(out, "<text x=\"%d\" y=\"%d\" text-anchor=\"%s\">", x, y, anchor);
    escaped(out, text);
    fputs("</text>\n", out);
}

/* A rectangle of the picture and what it shows: x from x0 to x1, y from y0 to y1 */
struct panel { int left, top, width, height; double x0, x1, y0, y1; };

static double px(const struct panel *p, double x) { return p->left + p->width * (x - p->x0) / (p->x1 - p->x0); }
static double py(const struct panel *p, double y) { return p->top + p->height * (p->y1 - y) / (p->y1 - p->y0); }

static void x_line(FILE *out, const struct panel *p, double x, const char *text)
{
    int below = p->top + p->height;
    fprintf(out, "<line class=\"grid\" x1=\"%.1f\" y1=\"%d\" x2=\"%.1f\" y2=\"%d\"/>\n", px(p, x), p->top,
            px(p, x), below);
    words(out, (int)lround(px(p, x)), below + 18, "middle", text);
}

static void y_line(FILE *out, const struct panel *p, double y, const char *text)
{
    fprintf(out, "<line class=\"grid\" x1=\"%d\" y1=\"%.1f\" x2=\"%d\" y2=\"%.1f\"/>\n", p->left, py(p, y),
            p->left + p->width, py(p, y));
    words(out, p->left - 8, (int)lround(py(p, y)) + 5, "end", text);
}

/* ---- J, L and the bounds along a line: near, and all the way ---- */

enum { J, L, SHIFT, LINEAR, TV, KL, CURVES };
enum { LINE_WIDTH = 400, LINE_HEIGHT = 380, BETWEEN = 82 };
static const struct { const char *id, *of, *dash; } drawn[CURVES] = {
    [J] = { "J(pi')", "", "" }, [L] = { "L", "the surrogate", " stroke-dasharray=\"6 4\"" },
    [SHIFT] = { "DSB-10", "L - 2 alpha gamma C / (1-gamma)^2, C = max_s |sum_a pi'(a|s) A(s,a)|", "" },
    [LINEAR] = { "001 l.299", "the same with a constant C = max|A|: below J(pi) at once",
                 " stroke-dasharray=\"2 3\"" },
    [TV] = { "TRPO-3", "L - 4 eps gamma alpha^2 / (1-gamma)^2, alpha the greatest TV", "" },
    [KL] = { "TRPO-4", "L - 4 eps gamma max KL / (1-gamma)^2", "" } };

static double value(const improvement_bounds *b, int which)        /* less J(pi) */
{
    double penalty[CURVES] = { 0, 0, b->shift, b->linear, b->tv, b->trpo };
    return (which == J ? b->dJ : b->dL) - penalty[which];
}

/* What J and L take, and room below it for the bounds */
static struct panel panel_of(const bounds_point *p, int left, double room)
{
    double low = INFINITY, high = -INFINITY;
    for (int i = 0; i < BOUNDS_POINTS; i++) {
        low = fmin(low, fmin(p[i].b.dJ, p[i].b.dL));
        high = fmax(high, fmax(p[i].b.dJ, p[i].b.dL));
    }
    double span = high > low ? high - low : 1;
    double tick = plot_tick(low - room * span, high + 0.05 * span, 6);
    return (struct panel){ left, TOP, LINE_WIDTH, LINE_HEIGHT, 0, p[BOUNDS_POINTS - 1].t,
                           tick * floor((low - room * span) / tick), tick * ceil((high + 0.05 * span) / tick) };
}

static void draw_panel(FILE *out, const bounds_point *p, const struct panel *panel, int number, const char *title)
{
    char text[32];
    double x_tick = plot_tick(0, panel->x1, 5), y_tick = plot_tick(panel->y0, panel->y1, 7);
    for (int i = 0; i * x_tick <= panel->x1 * (1 + 1e-9); i++) {
        plot_number(text, i * x_tick);
        x_line(out, panel, i * x_tick, text);
    }
    for (double k = ceil(panel->y0 / y_tick - 1e-9); k * y_tick <= panel->y1 + 1e-9 * y_tick; k++) {
        plot_number(text, k * y_tick);
        y_line(out, panel, k * y_tick, text);
    }
    words(out, panel->left, TOP - 12, "start", title);
    words(out, panel->left + LINE_WIDTH / 2, TOP + LINE_HEIGHT + 36, "middle", "t");
    fprintf(out, "<clipPath id=\"panel%d\"><rect x=\"%d\" y=\"%d\" width=\"%d\" height=\"%d\"/></clipPath>\n",
            number, panel->left, TOP, LINE_WIDTH, LINE_HEIGHT);
    for (int k = 0; k < CURVES; k++) {
        int which = k < CURVES - 2 ? CURVES - 1 - k : k - (CURVES - 2);         /* J, and L over it, last */
        fprintf(out, "<polyline class=\"curve\" clip-path=\"url(#panel%d)\" stroke=\"var(--c%d)\"%s points=\"",
                number, which, drawn[which].dash);
        for (int i = 0; i < BOUNDS_POINTS; i++) {           /* far below the panel is below it */
            double y = fmin(py(panel, value(&p[i].b, which)), TOP + 50 * LINE_HEIGHT);
            fprintf(out, "%.1f,%.1f ", px(panel, p[i].t), y);
        }
        fputs("\"/>\n", out);
    }
}

static void key(FILE *out, int which)
{
    int y = TOP + LINE_HEIGHT + 62 + LINE * which;
    char text[160];
    fprintf(out, "<line class=\"curve\" stroke=\"var(--c%d)\"%s x1=\"%d\" y1=\"%d\" x2=\"%d\" y2=\"%d\"/>\n",
            which, drawn[which].dash, LEFT, y, LEFT + 26, y);
    snprintf(text, sizeof text, "%s%s%s", drawn[which].id, *drawn[which].of ? ": " : "", drawn[which].of);
    words(out, LEFT + 36, y + 5, "start", text);
}

char *bounds_line_svg(const bounds_line *l)
{
    char *text;
    size_t size;
    FILE *out = print_to_memory(&text, &size);
    struct panel near = panel_of(l->point[0], LEFT, 1);
    struct panel far = panel_of(l->point[1], LEFT + LINE_WIDTH + BETWEEN, 0.3);
    begin(out, l->title, far.left + LINE_WIDTH + RIGHT, TOP + LINE_HEIGHT + 66 + LINE * CURVES);
    draw_panel(out, l->point[0], &near, 0, "more than J(pi), where TRPO-4 promises something");
    draw_panel(out, l->point[1], &far, 1, "more than J(pi), all the way");
    for (int which = 0; which < CURVES; which++) key(out, which);
    fputs("</svg>\n", out);
    print_done(out, &text);
    return text;
}

/* ---- ratios on random MDPs, by how far the policies are from one another: a panel for each bound ---- */

enum { COLUMNS = 3, WIDE = 260, HIGH = 190, ACROSS = WIDE + 78, DOWN = HIGH + 78 };
enum { LEAST_TV = -4, LEAST_RATIO = -6 };                   /* powers of ten */

static struct panel panel_at(int i)
{
    return (struct panel){ LEFT + i % COLUMNS * ACROSS, TOP + i / COLUMNS * DOWN, WIDE, HIGH,
                           LEAST_TV, 0, LEAST_RATIO, 0 };
}

static void draw_bound(FILE *out, const tightness *t, int bound)
{
    static const char *const power[] = { "1", "0.1", "0.01", "0.001", "10^-4", "10^-5", "10^-6" };
    struct panel p = panel_at(bound);
    char text[64];
    for (int k = LEAST_TV; k <= 0; k++) x_line(out, &p, k, power[-k]);
    for (int k = LEAST_RATIO; k <= 0; k++) y_line(out, &p, k, power[-k]);
    snprintf(text, sizeof text, "%s: at most %.3g", tightness_name[bound].id,
             t->row[tightness_worst(t, bound)].ratio[bound]);
    words(out, p.left, p.top - 10, "start", text);
    words(out, p.left + WIDE / 2, p.top + HIGH + 36, "middle", "max TV");
    fputs("<path class=\"dots\" d=\"", out);
    for (int i = 0; i < t->n; i++) {
        double x = log10(t->row[i].alpha), y = log10(t->row[i].ratio[bound]);
        if (x >= LEAST_TV && y >= LEAST_RATIO) fprintf(out, "M%.1f %.1fh0", px(&p, x), py(&p, y));
    }
    fputs("\"/>\n", out);
}

char *tightness_svg(const tightness *t)
{
    enum { ROWS = (TIGHT_BOUNDS + COLUMNS - 1) / COLUMNS, BELOW = TOP + ROWS * DOWN };
    char *text, line[200];
    size_t size;
    FILE *out = print_to_memory(&text, &size);
    snprintf(line, sizeof line, "%d random MDPs: what is bounded, over its bound", t->n);
    begin(out, line, LEFT + COLUMNS * ACROSS - 78 + RIGHT, BELOW + LINE * TIGHT_BOUNDS);
    for (int bound = 0; bound < TIGHT_BOUNDS; bound++) {
        draw_bound(out, t, bound);
        snprintf(line, sizeof line, "%s: %s", tightness_name[bound].id, tightness_name[bound].of);
        words(out, LEFT, BELOW + LINE * bound, "start", line);
    }
    fputs("</svg>\n", out);
    print_done(out, &text);
    return text;
}
