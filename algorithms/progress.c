/* Reading and writing progress.csv: see progress.h. */
#include "algorithms/progress.h"

#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "autodiff/require.h"

bool progress_due(long steps, long row_steps) { return steps - row_steps > row_steps / 128; }

void progress_number(char text[PROGRESS_NUMBER], double x)
{
    for (int digits = 15; digits <= 17; digits++) {
        snprintf(text, PROGRESS_NUMBER, "%.*g", digits, x);
        if (strtod(text, NULL) == x) return;
    }
}

/* ---- reading ---- */

enum { LINE = 4096 };

struct reader {
    const char *path;
    char line[LINE];            /* the line, its number, and the place in it */
    int number, column;
    char *error;
    size_t size;
};

static bool wrong(struct reader *r, const char *expected)
{
    const char *found = r->line + r->column - 1;
    int n = (int)strcspn(found, ",\n");
    for (int i = 0; i < n; i++)
        if ((unsigned char)found[i] < ' ' || (unsigned char)found[i] > '~') n = i;      /* no text */
    snprintf(r->error, r->size, "%s:%d:%d: expected %s, found \"%.*s\"", r->path, r->number, r->column, expected,
             n > 40 ? 40 : n, found);
    return false;
}

/* The next cell, which must be a decimal; the last one of those that are read may be empty: NaN */
static bool cell(struct reader *r, bool last, double *x)
{
    const char *text = r->line + r->column - 1;
    size_t n = strcspn(text, ",\n");
    char *end;
    *x = strtod(text, &end);
    if (n == 0 && last) *x = NAN;
    else if (n == 0 || strspn(text, "+-0123456789.eE") < n || end != text + n || !isfinite(*x))
        return wrong(r, last ? "a number or nothing" : "a number");
    r->column += (int)n;
    if (!last && text[n] != ',') return wrong(r, "a comma");
    r->column++;
    return true;
}

static void add(curve *c, int *room, double steps, double y)
{
    if (c->n == *room) {
        *room = *room ? 2 * *room : 256;
        c->steps = reallocate(c->steps, (size_t)*room, sizeof *c->steps, "a curve");
        c->y = reallocate(c->y, (size_t)*room, sizeof *c->y, "a curve");
    }
    c->steps[c->n] = steps;
    c->y[c->n++] = y;
}

static bool read_row(struct reader *r, curve *c, int *room, double *last)
{
    double steps, episodes, y;
    if (!cell(r, false, &steps)) return false;
    if (!(steps > *last)) {
        r->column = 1;
        return wrong(r, "more steps than in the row before");
    }
    if (!cell(r, false, &episodes) || !cell(r, true, &y)) return false;
    if (!isnan(y)) add(c, room, steps, y);
    *last = steps;
    return true;
}

static bool read_rows(struct reader *r, FILE *f, curve *c)
{
    static const char names[] = "steps,episodes,return_mean";
    int room = 0;
    double last = 0;
    while (fgets(r->line, LINE, f)) {
        bool whole = strchr(r->line, '\n');
        r->number++;
        r->column = 1;
        if (r->number == 1) {
            if (strncmp(r->line, names, strlen(names)) != 0 || !strchr(",\n", r->line[strlen(names)]))
                return wrong(r, "steps,episodes,return_mean,...");
        } else if (!whole && fgetc(f) == EOF) return true;          /* the row that is being written */
        else if (!whole) return wrong(r, "a line of text, less than 4096 bytes");
        else if (!read_row(r, c, &room, &last)) return false;
    }
    if (ferror(f)) return false;
    if (r->number == 0)
        snprintf(r->error, r->size, "%s: expected steps,episodes,return_mean,..., found nothing", r->path);
    return r->number > 0;
}

curve *curve_read(const char *path, char *error, size_t size)
{
    struct reader r = { .path = path, .error = error, .size = size };
    curve *c = allocate(1, sizeof *c, "a curve");
    FILE *f = fopen(path, "r");
    *error = 0;
    if (!f || !read_rows(&r, f, c)) {
        if (!*error && errno == ENOMEM) out_of_memory(0, path);
        if (!*error) snprintf(error, size, "%s: cannot be read: %s", path, strerror(errno));
        curve_free(c);
        c = NULL;
    }
    if (f) fclose(f);
    return c;
}

void curve_free(curve *c)
{
    if (!c) return;
    free(c->steps);
    free(c->y);
    free(c);
}

double curve_at(const curve *c, double steps)
{
    int low = 0, high = c->n - 1;
    if (!(steps > c->steps[low])) return c->y[low];
    if (!(steps < c->steps[high])) return c->y[high];
    while (high - low > 1) {
        int middle = (low + high) / 2;
        if (c->steps[middle] <= steps) low = middle;
        else                           high = middle;
    }
    double part = (steps - c->steps[low]) / (c->steps[high] - c->steps[low]);
    return c->y[low] + part * (c->y[high] - c->y[low]);
}
