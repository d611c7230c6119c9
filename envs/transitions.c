/* Reading a file of transitions: see transitions.h. */
#include "envs/transitions.h"

#include <errno.h>
#include <limits.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "autodiff/require.h"

enum { FILE_MAX = 64000000,                     /* bytes */
       FIELDS_MAX = 1000 };                     /* of a line */

/* A column that is read: where it stands, and the numbers it may hold. */
struct column { char name[32]; int at; double low, high; bool whole; };

struct reader {
    const char *path;
    const env *e;
    const char *at, *end;                       /* what is unread */
    int line;                                   /* the last one read, from 1 */
    struct column *column;                      /* [columns] the state, the action, and perhaps t */
    int columns, fields;                        /* fields in a line */
    char *error;                                /* [size] */
    size_t size;
};

/* found: the n characters at p; NULL: nothing any more */
static bool wrong(const struct reader *r, int position, const char *p, size_t n, const char *expected)
{
    char found[40];
    strcpy(found, p ? "an empty field" : "the end of the line");
    if (n > 24) n = 24;
    for (size_t i = 0; i < n; i++) found[i + 1] = p[i] >= ' ' && p[i] <= '~' ? p[i] : '?';
    if (n > 0) {
        found[0] = found[n + 1] = '"';
        found[n + 2] = '\0';
    }
    snprintf(r->error, r->size, "%s:%d:%d: expected %s, found %s", r->path, r->line, position, expected, found);
    return false;
}

/* The next line that is neither blank nor a comment: its length without its end; NULL at the end of the text */
static const char *next_line(struct reader *r, size_t *length)
{
    while (r->at < r->end) {
        const char *line = r->at, *end = memchr(line, '\n', (size_t)(r->end - line));
        if (!end) end = r->end;
        r->at = end < r->end ? end + 1 : end;
        r->line++;
        if (end > line && end[-1] == '\r') end--;
        *length = (size_t)(end - line);
        size_t blank = 0;
        while (blank < *length && (line[blank] == ' ' || line[blank] == '\t')) blank++;
        if (blank < *length && line[blank] != '#') return line;
    }
    return NULL;
}

/* The i-th field of a line, without the blanks around it; NULL where the line has fewer */
static const char *field(const char *line, size_t length, int i, size_t *n)
{
    const char *p = line, *end = line + length, *comma;
    for (; i > 0; i--) {
        if (!(p = memchr(p, ',', (size_t)(end - p)))) return NULL;
        p++;
    }
    if ((comma = memchr(p, ',', (size_t)(end - p)))) end = comma;
    while (p < end && (*p == ' ' || *p == '\t')) p++;
    while (p < end && (end[-1] == ' ' || end[-1] == '\t')) end--;
    *n = (size_t)(end - p);
    return p;
}

static int count_fields(const char *line, size_t length)
{
    int n = 1;
    for (size_t i = 0; i < length; i++) n += line[i] == ',';
    return n;
}

/* ---- the columns of this environment ---- */

static void list_columns(struct reader *r)
{
    const env *e = r->e;
    int n = 0;
    r->column = allocate((size_t)(e->state_n + e->action.dim + 1), sizeof *r->column, "columns");
    for (int i = 0; i < e->state_n; i++, n++) {
        struct column *c = &r->column[n];
        *c = (struct column){ .low = -INFINITY, .high = INFINITY };
        if (e->observation.n > 0) *c = (struct column){ .high = e->observation.n - 1, .whole = true };
        env_state_name(e, i, c->name);
    }
    for (int i = 0; i < e->action.dim; i++, n++) {
        struct column *c = &r->column[n];
        *c = (struct column){ .low = -INFINITY, .high = INFINITY };
        if (e->action.n > 0) *c = (struct column){ .high = e->action.n - 1, .whole = true };
        if (e->action.dim == 1) snprintf(c->name, sizeof c->name, "action");
        else                    snprintf(c->name, sizeof c->name, "action%d", i);
    }
    r->column[n] = (struct column){ .name = "t", .whole = true,
                                    .high = e->limit == ENV_NO_LIMIT ? INT_MAX - 1 : e->limit - 1 };
    r->columns = n;                                                 /* t only if the header has it */
}

static bool read_header(struct reader *r)
{
    size_t length, n;
    const char *line = next_line(r, &length), *p;
    if (!line) {
        r->line++;
        return wrong(r, 1, NULL, 0, "a header with the names of the columns");
    }
    r->fields = count_fields(line, length);
    if (r->fields > FIELDS_MAX) return wrong(r, 1, line, length, "at most 1000 columns");
    for (int c = 0; c <= r->columns; c++) {
        struct column *column = &r->column[c];
        column->at = -1;
        for (int i = 0; i < r->fields; i++) {
            p = field(line, length, i, &n);
            if (n != strlen(column->name) || memcmp(p, column->name, n) != 0) continue;
            if (column->at >= 0) return wrong(r, (int)(p - line) + 1, p, n, "no column twice");
            column->at = i;
        }
        char expected[64];
        snprintf(expected, sizeof expected, "a header with a column %s", column->name);
        if (column->at < 0 && c < r->columns) return wrong(r, 1, line, length, expected);
    }
    if (r->column[r->columns].at >= 0) r->columns++;
    return true;
}

/* ---- the rows ---- */

static bool read_number(const struct reader *r, const struct column *c, const char *line, size_t length, double *x)
{
    char digits[400], expected[96], *end;
    size_t n;
    const char *p = field(line, length, c->at, &n);
    bool whole_field = n > 0 && n < sizeof digits;
    snprintf(digits, sizeof digits, "%.*s", whole_field ? (int)n : 0, p);
    *x = strtod(digits, &end);
    if (whole_field && strspn(digits, "+-0123456789.eE") == n && end == digits + n && isfinite(*x) && *x >= c->low
        && *x <= c->high && (!c->whole || *x == floor(*x))) return true;
    if (c->whole) snprintf(expected, sizeof expected, "%s, a whole number from 0 to %.0f", c->name, c->high);
    else          snprintf(expected, sizeof expected, "%s, a finite number", c->name);
    return wrong(r, (int)(p - line) + 1, p, n, expected);
}

static void add_row(transitions *x, const env *e, int *room)
{
    if (x->n < *room) return;
    size_t n = (size_t)(*room = *room ? 2 * *room : 256);
    x->state  = reallocate(x->state, n * (size_t)e->state_n, sizeof *x->state, "transitions");
    x->action = reallocate(x->action, n * (size_t)e->action.dim, sizeof *x->action, "transitions");
    x->t      = reallocate(x->t, n, sizeof *x->t, "transitions");
    x->line   = reallocate(x->line, n, sizeof *x->line, "transitions");
}

/* A line of another number of fields than the header: where it ends, or goes on. */
static bool wrong_fields(const struct reader *r, const char *line, size_t length)
{
    char expected[64];
    size_t n = 0;
    const char *p = field(line, length, r->fields, &n);
    snprintf(expected, sizeof expected, "%d fields, as in the header", r->fields);
    return p ? wrong(r, (int)(p - line) + 1, p, n, expected) : wrong(r, (int)length + 1, NULL, 0, expected);
}

static bool read_rows(struct reader *r, transitions *x)
{
    int state_n = r->e->state_n, dim = r->e->action.dim, room = 0;
    size_t length;
    const char *line;
    while ((line = next_line(r, &length))) {
        if (count_fields(line, length) != r->fields) return wrong_fields(r, line, length);
        add_row(x, r->e, &room);
        x->t[x->n] = 0;
        x->line[x->n] = r->line;
        for (int c = 0; c < r->columns; c++) {
            double number;
            if (!read_number(r, &r->column[c], line, length, &number)) return false;
            if (c < state_n)            x->state[x->n * state_n + c] = number;
            else if (c < state_n + dim) x->action[x->n * dim + c - state_n] = number;
            else                        x->t[x->n] = (int)number;
        }
        x->n++;
    }
    x->has_t = r->columns > state_n + dim;
    return true;
}

transitions *transitions_parse(const char *name, const char *text, size_t length, const env *e, char *error,
                               size_t size)
{
    struct reader r = { .path = name, .e = e, .at = text, .end = text + length, .error = error, .size = size };
    transitions *x = allocate(1, sizeof *x, "transitions");
    list_columns(&r);
    bool ok = read_header(&r) && read_rows(&r, x);
    free(r.column);
    if (ok) return x;
    transitions_free(x);
    return NULL;
}

transitions *transitions_read(const char *path, const env *e, char *error, size_t size)
{
    FILE *f = fopen(path, "r");
    if (!f) {
        if (errno == ENOMEM) out_of_memory(0, path);
        snprintf(error, size, "%s: %s", path, strerror(errno));
        return NULL;
    }
    char *text = NULL;
    size_t length = 0, room = 0;
    while (length <= FILE_MAX && !feof(f) && !ferror(f)) {
        if (length == room) text = reallocate(text, room = room ? 2 * room : 1 << 16, 1, "transitions");
        errno = 0;
        length += fread(text + length, 1, room - length, f);
    }
    transitions *x = NULL;
    if (ferror(f)) snprintf(error, size, "%s: %s", path, errno ? strerror(errno) : "read failed");
    else if (length > FILE_MAX)
        snprintf(error, size, "%s: expected at most %d bytes, found more", path, FILE_MAX);
    else x = transitions_parse(path, text, length, e, error, size);
    fclose(f);
    free(text);
    return x;
}

void transitions_free(transitions *x)
{
    if (!x) return;
    free(x->state);
    free(x->action);
    free(x->t);
    free(x->line);
    free(x);
}
