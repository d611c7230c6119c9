/* `ascent watch DIR`: a trained policy acting, on the terminal or as an animated SVG. */
#include <limits.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "algorithms/canvas.h"
#include "algorithms/commands.h"
#include "algorithms/trained.h"
#include "algorithms/whole_file.h"
#include "autodiff/options.h"
#include "autodiff/require.h"
#include "envs/draw.h"

struct show {
    trained *w;
    int episodes;
    uint64_t seed;
    double fps;
};

/* Where an episode is, and the action [k] that led there */
struct place { int episode, t; double R; bool over; const double *a; int k; };

/* Calls see() before each step and after the last one. */
static void act(const struct show *s, void (*see)(void *to, const struct place *p, const drawing *d), void *to)
{
    drawing d;
    for (int i = 0; i < s->episodes; i++) {
        struct place p = { .episode = i + 1, .a = s->w->a, .k = s->w->e->action.dim };
        gsl_rng *env_rng = trained_reset(s->w, s->seed, i);
        for (;;) {
            p.t = s->w->e->t;
            p.over = s->w->e->over;
            env_draw(s->w->e, &d);
            see(to, &p, &d);
            if (p.over) break;
            p.R += trained_step(s->w);
        }
        gsl_rng_free(env_rng);
    }
}

static bool has_looks(const struct show *s)
{
    drawing d;
    gsl_rng *env_rng = trained_reset(s->w, s->seed, 0);
    bool known = env_draw(s->w->e, &d);
    gsl_rng_free(env_rng);
    return known;
}

/* ---- lines, for a pipe ---- */

/* A step's line ends with its action, which is known at the next one */
static void print_line(void *out, const struct place *p, const drawing *d)
{
    if (p->t > 0) fputs("  action", out);
    for (int i = 0; p->t > 0 && i < p->k; i++) fprintf(out, " %.6g%s", p->a[i], i + 1 < p->k ? "" : "\n");
    fprintf(out, "episode %d  t %d  return so far %.6g  %s%s", p->episode, p->t, p->R, d->text,
            p->over ? "  end\n" : "");
}

/* ---- the terminal ---- */

struct screen { canvas c; double fps; bool drawn; };

static void sleep_for(double seconds)
{
    struct timespec t = { (time_t)seconds, (long)(1e9 * (seconds - floor(seconds))) };
    nanosleep(&t, NULL);
}

static void draw_parts(canvas *c, const drawing *d)
{
    double scale = fmin(c->wide / (d->right - d->left), c->high / (d->high - d->low));
    double x0 = (c->wide - scale * (d->right + d->left)) / 2, y0 = (c->high + scale * (d->high + d->low)) / 2;
    for (const drawn *p = d->part; p < d->part + d->n; p++) {
        int owner = (int)p->colour + 1;
        double x1 = x0 + scale * p->x0, y1 = y0 - scale * p->y0, x2 = x0 + scale * p->x1, y2 = y0 - scale * p->y1;
        double half = scale * p->width / 2, length = hypot(x2 - x1, y2 - y1);
        if (p->disc) canvas_disc(c, owner, x1, y1, half);
        else for (double k = -floor(half); k <= half; k++)                      /* a thick line is several */
            canvas_line(c, owner, x1 - k * (y2 - y1) / length, y1 + k * (x2 - x1) / length,
                        x2 - k * (y2 - y1) / length, y2 + k * (x2 - x1) / length);
    }
}

static void print_frame(void *to, const struct place *p, const drawing *d)
{
    struct screen *s = to;
    canvas_clear(&s->c);
    draw_parts(&s->c, d);
    if (s->drawn) printf("\033[%dA", s->c.rows + 1);
    s->drawn = true;
    for (int j = 0; j < s->c.rows; j++) {
        canvas_row(&s->c, j, stdout);
        fputs("\033[K\n", stdout);
    }
    printf("episode %d  t %d  return %.6g  %s\033[K\n", p->episode, p->t, p->R, d->text);
    if (fflush(stdout) != 0) finish(EXIT_IO);
    sleep_for(p->over ? 0.7 : 1 / s->fps);
}

/* ---- SVG ---- */

enum { FRAMES_MAX = 20000, EPISODES_MAX = 1000, WIDE = 640, BELOW = 34 };

struct film {
    int frames, room, parts, hold;      /* hold: how often the last frame of an episode is shown */
    drawn *part;                        /* [room x parts] */
    drawing look;                       /* of the first frame */
    int episodes, begins[EPISODES_MAX + 1];     /* the first frame of each */
    double R[EPISODES_MAX];
};

static void record(void *to, const struct place *p, const drawing *d)
{
    struct film *f = to;
    if (p->t == 0) f->begins[f->episodes++] = f->frames;
    if (f->frames == 0) {
        f->look = *d;
        f->parts = d->n;
    }
    require(d->n == f->parts, "a drawing of %d parts, then of %d", f->parts, d->n);
    for (int i = 0; i < (p->over ? f->hold : 1); i++) {
        if (f->frames == FRAMES_MAX)
            bad_input("--svg: expected at most %d frames; --episodes makes fewer", FRAMES_MAX);
        if (f->frames == f->room) {
            f->room = f->room ? 2 * f->room : 256;
            f->part = reallocate(f->part, (size_t)f->room * (size_t)f->parts, sizeof *f->part, "frames");
        }
        memcpy(f->part + f->frames++ * f->parts, d->part, (size_t)d->n * sizeof *d->part);
    }
    f->begins[f->episodes] = f->frames;
    f->R[f->episodes - 1] = p->R;
}

static double scale_of(const struct film *f) { return WIDE / (f->look.right - f->look.left); }

/* Coordinate 0: x0, 1: y0, 2: x1, 3: y1 of a part, in pixels */
static double pixel(const struct film *f, int frame, int i, int coordinate)
{
    const drawn *p = &f->part[frame * f->parts + i];
    double x = coordinate == 0 ? p->x0 : p->x1, y = coordinate == 1 ? p->y0 : p->y1;
    return scale_of(f) * (coordinate % 2 ? f->look.high - y : x - f->look.left);
}

static void begin_animation(FILE *out, const char *name, double seconds)
{
    fprintf(out, "<animate attributeName=\"%s\" dur=\"%.3fs\" repeatCount=\"indefinite\" ", name, seconds);
    fputs("calcMode=\"discrete\" ", out);
}

static void animate(const struct film *f, FILE *out, int i, int coordinate, const char *name, double seconds)
{
    bool moves = false;
    for (int k = 1; k < f->frames && !moves; k++)
        moves = fabs(pixel(f, k, i, coordinate) - pixel(f, 0, i, coordinate)) > 0.05;
    if (!moves) return;
    begin_animation(out, name, seconds);
    fputs("values=\"", out);
    for (int k = 0; k < f->frames; k++) fprintf(out, "%s%.1f", k ? ";" : "", pixel(f, k, i, coordinate));
    fputs("\"/>", out);
}

static void put_part(const struct film *f, FILE *out, int i, double seconds)
{
    static const char *const line[] = { "x1", "y1", "x2", "y2" }, *const disc[] = { "cx", "cy" };
    const drawn *p = &f->part[i];
    const char *const *names = p->disc ? disc : line;
    int n = p->disc ? 2 : 4;
    fprintf(out, "<%s class=\"c%d\"", p->disc ? "circle" : "line", (int)p->colour);
    for (int k = 0; k < n; k++) fprintf(out, " %s=\"%.1f\"", names[k], pixel(f, 0, i, k));
    fprintf(out, p->disc ? " r=\"%.1f\">" : " stroke-width=\"%.1f\">", scale_of(f) * p->width / (p->disc ? 2 : 1));
    for (int k = 0; k < n; k++) animate(f, out, i, k, names[k], seconds);
    fprintf(out, "</%s>\n", p->disc ? "circle" : "line");
}

/* Shown while its episode lasts */
static void put_title(const struct film *f, FILE *out, int i, const char *what, double y, double seconds)
{
    double from = (double)f->begins[i] / f->frames, to = (double)f->begins[i + 1] / f->frames;
    fprintf(out, "<text x=\"12\" y=\"%.0f\" visibility=\"%s\">%s, episode %d: return %.6g", y,
            i ? "hidden" : "visible", what, i + 1, f->R[i]);
    if (f->episodes > 1) {
        begin_animation(out, "visibility", seconds);
        if (i == 0)                    fprintf(out, "values=\"visible;hidden\" keyTimes=\"0;%.6f\"/>", to);
        else if (i == f->episodes - 1) fprintf(out, "values=\"hidden;visible\" keyTimes=\"0;%.6f\"/>", from);
        else fprintf(out, "values=\"hidden;visible;hidden\" keyTimes=\"0;%.6f;%.6f\"/>", from, to);
    }
    fputs("</text>\n", out);
}

static char *film_svg(const struct film *f, const char *what, double fps)
{
    static const char *const style =
        "<style>\nsvg { background: #fff; --text: #222; --c0: #9a9a9a; --c1: #0072b2; --c2: #d55e00;\n"
        "  --c3: #009e73 }\n"
        "@media (prefers-color-scheme: dark) { svg { background: #16181c; --text: #ddd; --c0: #777;\n"
        "  --c1: #4da3d9; --c2: #f08040; --c3: #2fc498 } }\n"
        "text { fill: var(--text); font: 15px system-ui, sans-serif }\n"
        "line.c0 { stroke: var(--c0) } line.c1 { stroke: var(--c1) } line.c2 { stroke: var(--c2) }\n"
        "line.c3 { stroke: var(--c3) } circle.c0 { fill: var(--c0) } circle.c1 { fill: var(--c1) }\n</style>\n";
    char *text;
    size_t size;
    double high = scale_of(f) * (f->look.high - f->look.low), seconds = f->frames / fps;
    FILE *out = print_to_memory(&text, &size);
    fprintf(out, "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 %d %.0f\" ", WIDE, high + BELOW);
    fprintf(out, "width=\"%d\" height=\"%.0f\" ", WIDE, high + BELOW);
    fprintf(out, "role=\"img\">\n<title>%s</title>\n%s", what, style);
    for (int i = 0; i < f->parts; i++) put_part(f, out, i, seconds);
    for (int i = 0; i < f->episodes; i++) put_title(f, out, i, what, high + 22, seconds);
    fputs("</svg>\n", out);
    print_done(out, &text);
    return text;
}

static void film(const struct show *s, const char *path)
{
    char what[256];
    struct film *f = allocate(1, sizeof *f, "an animation");
    if (!has_looks(s)) bad_input("watch: nothing is known of how %s looks", s->w->e->id);
    if (s->episodes > EPISODES_MAX) bad_input("--svg: expected at most %d episodes", EPISODES_MAX);
    f->hold = (int)fmax(1, s->fps / 2);
    act(s, record, f);
    snprintf(what, sizeof what, "%s, %s", s->w->e->id, s->w->x->algorithm->name);
    for (char *c = what; *c; c++)
        if (strchr("<>&\"", *c) || (unsigned char)*c < ' ') *c = '_';
    char *text = film_svg(f, what, s->fps);
    whole_file_text(path, text);
    free(text);
    free(f->part);
    free(f);
}

/* ---- the command ---- */

static void on_terminal(const struct show *s)
{
    int columns, rows;
    terminal_size(STDOUT_FILENO, &columns, &rows);
    columns = columns < 100 ? columns : 100;
    rows = rows - 3 < 30 ? rows - 3 : 30;
    struct screen screen = { .c = canvas_new(columns - 1, rows, terminal_utf8(), true), .fps = s->fps };
    act(s, print_frame, &screen);
    canvas_free(&screen.c);
}

int watch_command(int argc, char **argv)
{
    const char *episodes = "3", *seed = "1", *fps = "30", *svg = NULL;
    bool greedy = false;
    const option table[] = {
        { "--episodes", "N", "how many (3)", &episodes, NULL },
        { "--seed", "K", "as for eval: the same episodes (1)", &seed, NULL },
        { "--greedy", NULL, "the most likely action instead of a drawn one", NULL, &greedy },
        { "--svg", "FILE", "write an animation instead", &svg, NULL },
        { "--fps", "F", "steps a second (30)", &fps, NULL },
        { NULL }
    };
    int left = options_parse(argc, argv, "watch DIR [--episodes N] [--seed K] [--greedy] [--svg FILE] [--fps F]",
        "The policy in a run's checkpoint acting, drawn on the terminal; a line for each step in a pipe.", table);
    if (left != 1) bad_input("watch: expected one run's folder, found %d", left);
    struct show s = { .episodes = (int)options_whole("--episodes", episodes, 1, INT_MAX),
                      .seed = options_seed("--seed", seed), .fps = options_number("--fps", fps, 0.1, 1000) };
    int seeds;
    char **folder = trained_folders(argv[1], &seeds);
    if (seeds > 1)
        bad_input("%s: expected one run's folder, found %d, of a seed each: %s is the first, %s the last", argv[1],
                  seeds, folder[0], folder[seeds - 1]);
    s.w = trained_read(folder[0], greedy);
    free(folder[0]);
    free(folder);
    if (svg)                                          film(&s, svg);
    else if (isatty(STDOUT_FILENO) && has_looks(&s))  on_terminal(&s);
    else                                              act(&s, print_line, stdout);
    trained_free(s.w);
    return EXIT_HELD;
}
