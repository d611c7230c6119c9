/* Reads a finite MDP in Cassandra's plain-text format (pomdp.org/code/pomdp-file-spec.html), without
 * the observations of a POMDP.
 *
 *   file      = { statement }          `discount`, `states`, `actions` must occur; before T and R the
 *                                      latter two. All but T and R occur at most once.
 *   statement = "discount" ":" number                            in [0, 1]
 *             | "values" ":" ( "reward" | "cost" )               default reward; cost negates every R
 *             | "states" ":" ( count | name { name } )
 *             | "actions" ":" ( count | name { name } )
 *             | "start" ":" ( state | "uniform" | |S| numbers )  after `states`; default uniform
 *             | "start" ( "include" | "exclude" ) ":" state { state }   uniform over these | the others
 *             | "T" ":" a ":" s ":" s1 number
 *             | "T" ":" a ":" s ( "uniform" | "reset" | |S| numbers )       reset: the start distribution
 *             | "T" ":" a ( "uniform" | "identity" | |S| x |S| numbers )    row s, column s1
 *             | "R" ":" a ":" s ":" s1 [ ":" ( "*" | "0" ) ] number         the observation is optional
 *             | "R" ":" a ":" s |S| numbers
 *             | "R" ":" a |S| x |S| numbers
 *   state     = name | its number from 0;      a = the same of an action | "*";      s, s1 = state | "*"
 *   number    = a finite decimal: [sign] digits, a point before, among or after them, [ "e" [sign] digits ]
 *   name      = UTF-8 text without blanks, ':', '*', '#', that begins with no digit, sign or point and is
 *               no reserved word (the quoted words above, "observations", "O")
 *
 * Line ends mean no more than blanks; '#' starts a comment to the end of its line. Later statements
 * override earlier ones cell by cell. A lone integer after `start:` is a state; with one state, "0" is. */
#include <errno.h>
#include <float.h>
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "autodiff/require.h"
#include "envs/mdp.h"

/* Bounds, so that a hostile file fails at once. */
enum { COUNT_MAX = 1000000,         /* states; actions */
       PAIRS_MAX = 4000000,         /* states times actions */
       ENTRIES_MAX = 4000000,       /* of T after expansion; of R */
       NUMBER_MAX = 1000,           /* characters of a number */
       FILE_MAX = 256 << 20 };      /* bytes */
enum { DISCOUNT = 1, VALUES = 2, STATES = 4, ACTIONS = 8, START = 16 };     /* the bits of `seen` */
static const double SUM_TOLERANCE = 1e-9;

typedef struct {
    enum { WORD, COLON, STAR, END } kind;
    const char *text;       /* in the file's text */
    size_t length;
    int line, column;       /* from 1; the column counts bytes */
} token;

struct name { token at; int index; };

struct names {
    const char *what;       /* "a state", "an action" */
    int n;                  /* 0: not declared yet */
    struct name *name;      /* [n] sorted by text, or NULL: numbers only */
};

struct entry {
    int s, a, s1;           /* in R, -1 is * */
    int order;
    double x;
};

struct entries { struct entry *at; int n, room; };

struct place { int line, column; };

typedef struct {
    const char *path, *at, *end, *line_start;   /* the text from `at` on is unread */
    int line;
    token now, head;        /* the current token; the first one of its statement */
    char *error;            /* [size] the first error */
    size_t size;
    bool failed;            /* from then on `now` is END */

    unsigned seen;          /* the statements that occurred */
    bool cost;
    double gamma;
    struct names states, actions;
    double *mu0;            /* [nS] */
    struct entries T, R;
    struct place *wrote;    /* [nS*nA] where the row was last written; line 0: nowhere */
    struct place row;       /* the row being read: its first number, or its statement, */
    double *p;              /* [nS] its values ... */
    int *cell, n_cells;     /* ... and the cells of it to store */
} reader;

/* ----------------------------------------------------------------------------------------- errors */

static struct place place_of(token t) { return (struct place){ t.line, t.column }; }

enum { SHOWN_MAX = 40, SHOWN_SIZE = 4 * SHOWN_MAX + 6 };

static const char *shown(token t, char out[SHOWN_SIZE])
{
    if (t.kind == END) return "end of file";
    char *o = out;
    *o++ = '\'';
    for (size_t i = 0; i < t.length && i < SHOWN_MAX; i++) {
        unsigned char c = (unsigned char)t.text[i];
        o += sprintf(o, c < 0x20 || c > 0x7e ? "\\x%02X" : "%c", c);
    }
    strcpy(o, t.length > SHOWN_MAX ? "...'" : "'");
    return out;
}

/* Only the first error counts. */
static void fail(reader *r, struct place at, const char *fmt, ...) PRINTF_LIKE(3, 4);
static void fail(reader *r, struct place at, const char *fmt, ...)
{
    if (r->failed) return;
    r->failed = true;
    r->now.kind = END;
    int n = snprintf(r->error, r->size, "%s:%d:%d: ", r->path, at.line, at.column);
    if (n < 0 || (size_t)n >= r->size) return;
    va_list args;
    va_start(args, fmt);
    vsnprintf(r->error + n, r->size - (size_t)n, fmt, args);
    va_end(args);
}

/* `expected ..., found` t */
static void expected(reader *r, token t, const char *fmt, ...) PRINTF_LIKE(3, 4);
static void expected(reader *r, token t, const char *fmt, ...)
{
    char what[200], found[SHOWN_SIZE];
    va_list args;
    va_start(args, fmt);
    vsnprintf(what, sizeof what, fmt, args);
    va_end(args);
    fail(r, place_of(t), "expected %s, found %s", what, shown(t, found));
}

/* ----------------------------------------------------------------------------------------- tokens */

static bool is_blank(char c) { return c == ' ' || (c >= '\t' && c <= '\r'); }
static bool is_mark(char c)  { return c == ':' || c == '*' || c == '#'; }
static bool is_digit(char c) { return c >= '0' && c <= '9'; }

/* Bytes of the character at p: 0 for a control character and for what is no UTF-8. */
static size_t character(const char *p, const char *end)
{
    static const unsigned long first[5] = { 0, 0, 0x80, 0x800, 0x10000 };   /* of those of n bytes */
    unsigned char lead = (unsigned char)*p;
    if (lead < 0x80) return lead >= 0x20 && lead != 0x7f;
    size_t n = lead >= 0xf8 ? 0 : lead >= 0xf0 ? 4 : lead >= 0xe0 ? 3 : lead >= 0xc0 ? 2 : 0;
    if (n == 0 || (size_t)(end - p) < n) return 0;
    unsigned long c = lead & (0x7fu >> n);
    for (size_t i = 1; i < n; i++) {
        if (((unsigned char)p[i] & 0xc0) != 0x80) return 0;
        c = c << 6 | ((unsigned char)p[i] & 0x3f);
    }
    return c < first[n] || c > 0x10ffff || (c >= 0xd800 && c <= 0xdfff) ? 0 : n;
}

static void advance(reader *r)
{
    if (r->failed) return;
    const char *p = r->at, *end = r->end;
    for (; p < end && (is_blank(*p) || *p == '#'); p++) {
        if (*p == '#') while (p + 1 < end && p[1] != '\n' && p[1] != '\0') p++;
        if (*p == '\n') r->line++, r->line_start = p + 1;
    }
    token t = { END, p, 0, r->line, (int)(p - r->line_start) + 1 };
    if (p < end) {
        t.kind = *p == ':' ? COLON : *p == '*' ? STAR : WORD;
        t.length = t.kind != WORD;
    }
    for (const char *q = p; t.kind == WORD && q < end && !is_blank(*q) && !is_mark(*q); ) {
        size_t n = character(q, end);
        if (n == 0) {
            expected(r, (token){ WORD, q, 1, r->line, (int)(q - r->line_start) + 1 }, "UTF-8 text");
            return;
        }
        q += n;
        t.length = (size_t)(q - p);
    }
    r->now = t;
    r->at = p + t.length;
}

static bool is(token t, const char *word)
{
    return t.kind == WORD && t.length == strlen(word) && memcmp(t.text, word, t.length) == 0;
}

static bool is_reserved(token t)
{
    static const char *const words[] = {
        "discount", "values", "states", "actions", "observations", "start", "T", "O", "R",
        "reward", "cost", "include", "exclude", "uniform", "identity", "reset" };
    for (size_t i = 0; i < sizeof words / sizeof *words; i++)
        if (is(t, words[i])) return true;
    return false;
}

static bool accept(reader *r, bool condition)
{
    if (condition) advance(r);
    return condition;
}

static void read_colon(reader *r)
{
    if (!accept(r, r->now.kind == COLON)) expected(r, r->now, "':'");
}

/* ---------------------------------------------------------------------------------------- numbers */

static bool is_number_like(token t)
{
    return t.kind == WORD && (is_digit(*t.text) || strchr("+-.", *t.text));
}

static const char *digits(const char *p, const char *end)
{
    while (p < end && is_digit(*p)) p++;
    return p;
}

static bool is_decimal(token t)
{
    if (!is_number_like(t)) return false;
    const char *p = t.text, *end = p + t.length;
    if (*p == '+' || *p == '-') p++;
    const char *whole = p;
    p = digits(p, end);
    size_t n = (size_t)(p - whole);
    if (p < end && *p == '.') {
        const char *fraction = ++p;
        p = digits(p, end);
        n += (size_t)(p - fraction);
    }
    if (n > 0 && p < end && (*p == 'e' || *p == 'E')) {
        if (++p < end && (*p == '+' || *p == '-')) p++;
        if (p == end) return false;
        p = digits(p, end);
    }
    return n > 0 && p == end;
}

static double number_in(reader *r, token t, double low, double high, const char *what)
{
    char text[NUMBER_MAX + 1];
    if (is_decimal(t) && t.length > NUMBER_MAX) {
        expected(r, t, "a number of at most %d characters", NUMBER_MAX);
        return low;
    }
    double x = NAN;
    if (is_decimal(t)) {
        memcpy(text, t.text, t.length);
        text[t.length] = '\0';
        x = strtod(text, NULL);
    }
    if (!(x >= low && x <= high)) expected(r, t, "%s", what);
    return x;
}

static double probability_in(reader *r, token t)
{
    return number_in(r, t, 0, 1, "a probability in [0, 1]");
}

static double read_probability(reader *r)
{
    double p = probability_in(r, r->now);
    advance(r);
    return p;
}

static double read_reward(reader *r)
{
    double x = number_in(r, r->now, -DBL_MAX, DBL_MAX, "a finite number");
    advance(r);
    return x;
}

/* The value of a word of digits, COUNT_MAX + 1 for every greater one, -1 for other tokens. */
static int whole_number(token t)
{
    int n = 0;
    if (t.kind != WORD) return -1;
    for (size_t i = 0; i < t.length; i++) {
        if (!is_digit(t.text[i])) return -1;
        n = 10 * n + (t.text[i] - '0');
        if (n > COUNT_MAX) n = COUNT_MAX + 1;
    }
    return n;
}

/* ------------------------------------------------------------------------------ states and actions */

static int by_text(const void *x, const void *y)
{
    const token *t = &((const struct name *)x)->at, *u = &((const struct name *)y)->at;
    int order = memcmp(t->text, u->text, t->length < u->length ? t->length : u->length);
    return order ? order : (t->length > u->length) - (t->length < u->length);
}

static int by_text_and_index(const void *x, const void *y)
{
    int order = by_text(x, y);
    return order ? order : ((const struct name *)x)->index - ((const struct name *)y)->index;
}

static void sort_names(reader *r, struct names *names, int n)
{
    const struct name *twice = NULL;            /* the first in the file that was there before */
    qsort(names->name, (size_t)n, sizeof *names->name, by_text_and_index);
    for (const struct name *x = names->name + 1; x < names->name + n; x++)
        if (by_text(x - 1, x) == 0 && (!twice || x->index < twice->index)) twice = x;
    if (twice) expected(r, twice->at, "each name only once");
}

static void read_names(reader *r, struct names *names)
{
    int n = 0, room = 0;
    read_colon(r);
    if (r->now.kind == WORD && is_digit(*r->now.text)) {
        n = whole_number(r->now);
        if (n < 1 || n > COUNT_MAX) expected(r, r->now, "a number from 1 to %d", COUNT_MAX);
        advance(r);
    } else {
        for (; r->now.kind == WORD && !is_reserved(r->now); n++) {
            if (is_number_like(r->now))
                expected(r, r->now, "a name that begins with no digit, sign or point");
            if (n == COUNT_MAX) expected(r, r->now, "at most %d names", COUNT_MAX);
            if (n == room) {
                room = room ? 2 * room : 16;
                names->name = reallocate(names->name, (size_t)room, sizeof *names->name, "names");
            }
            names->name[n] = (struct name){ r->now, n };
            advance(r);
        }
        if (n == 0) expected(r, r->now, "a number or a list of names");
        else sort_names(r, names, n);
    }
    names->n = r->failed ? 0 : n;
}

/* The number that t names, or -1. */
static int index_of(const struct names *names, token t)
{
    int i = whole_number(t);
    if (i >= 0) return i < names->n ? i : -1;
    if (t.kind != WORD || !names->name) return -1;
    struct name key = { t, 0 };
    const struct name *x = bsearch(&key, names->name, (size_t)names->n, sizeof key, by_text);
    return x ? x->index : -1;
}

static int index_in(reader *r, token t, const struct names *names, const char *or_star)
{
    int i = index_of(names, t);
    if (i < 0)
        expected(r, t, "the %snumber (0 to %d) of %s%s", names->name ? "name or " : "", names->n - 1,
                 names->what, or_star);
    return i;
}

/* -1 for '*' */
static int read_index(reader *r, const struct names *names)
{
    int i = r->now.kind == STAR ? -1 : index_in(r, r->now, names, ", or *");
    advance(r);
    return i;
}

/* --------------------------------------------------------------------------------------- preamble */

static void fill(double *x, int n, double value)
{
    for (int i = 0; i < n; i++) x[i] = value;
}

static void read_discount(reader *r)
{
    read_colon(r);
    r->gamma = number_in(r, r->now, 0, 1, "a discount in [0, 1]");
    advance(r);
}

static void read_values(reader *r)
{
    read_colon(r);
    r->cost = is(r->now, "cost");
    if (!accept(r, r->cost || is(r->now, "reward"))) expected(r, r->now, "reward or cost");
}

/* Once both sizes are known. */
static void allocate_rows(reader *r)
{
    long long pairs = (long long)r->states.n * r->actions.n;
    if (pairs == 0) return;
    if (pairs > PAIRS_MAX) {
        fail(r, place_of(r->head), "expected at most %d states times actions, found %lld", PAIRS_MAX, pairs);
        return;
    }
    r->wrote = allocate((size_t)pairs, sizeof *r->wrote, "rows of an MDP");
    r->p = allocate((size_t)r->states.n, sizeof *r->p, "a row of an MDP");
    r->cell = allocate((size_t)r->states.n, sizeof *r->cell, "a row of an MDP");
}

static void read_states(reader *r)
{
    read_names(r, &r->states);
    if (r->failed) return;
    r->mu0 = allocate((size_t)r->states.n, sizeof *r->mu0, "start distribution");
    fill(r->mu0, r->states.n, 1.0 / r->states.n);
    allocate_rows(r);
}

static void read_actions(reader *r)
{
    read_names(r, &r->actions);
    if (!r->failed) allocate_rows(r);
}

static void read_observations(reader *r)
{
    expected(r, r->head, "an MDP, which has no observations");
}

/* ------------------------------------------------------------------------------------------ start */

static void read_start_distribution(reader *r, token first)
{
    double sum = r->mu0[0] = probability_in(r, first);
    for (int s = 1; s < r->states.n && !r->failed; s++) sum += r->mu0[s] = read_probability(r);
    if (!(fabs(sum - 1) <= SUM_TOLERANCE))
        fail(r, place_of(first), "expected start probabilities that sum to 1, found %.15g", sum);
}

/* Uniform over the states that are (include) or are not (exclude) listed. */
static void read_start_list(reader *r, bool include)
{
    int listed = 0, nS = r->states.n;
    token first = r->now;
    fill(r->mu0, nS, 0);
    do {
        int s = index_in(r, r->now, &r->states, "");
        if (s >= 0 && r->mu0[s] == 0) r->mu0[s] = ++listed;
        advance(r);
    } while (r->now.kind == WORD && !is_reserved(r->now));
    if (!include && listed == nS) expected(r, first, "a state that is not excluded");
    for (int s = 0; s < nS; s++)
        r->mu0[s] = (r->mu0[s] > 0) == include ? 1.0 / (include ? listed : nS - listed) : 0;
}

static void read_start(reader *r)
{
    if (r->states.n == 0) {
        expected(r, r->head, "states before the start");
        return;
    }
    bool include = is(r->now, "include");
    if (accept(r, include || is(r->now, "exclude"))) {
        read_colon(r);
        if (!r->failed) read_start_list(r, include);
        return;
    }
    read_colon(r);
    if (r->failed || accept(r, is(r->now, "uniform"))) return;

    token first = r->now;
    advance(r);
    bool alone = !is_number_like(r->now) && (r->states.n > 1 || is(first, "0"));
    if (is_number_like(first) && !alone) {
        read_start_distribution(r, first);
        return;
    }
    int s = index_in(r, first, &r->states, "");
    fill(r->mu0, r->states.n, 0);
    if (s >= 0) r->mu0[s] = 1;
}

/* ---------------------------------------------------------------------------------------- T and R */

static void append(reader *r, struct entries *e, int s, int a, int s1, double x)
{
    if (e->n == ENTRIES_MAX) {
        fail(r, place_of(r->head), "expected at most %d entries of T and of R, found more", ENTRIES_MAX);
        return;
    }
    if (e->n == e->room) {
        e->room = e->room ? 2 * e->room : 64;
        e->at = reallocate(e->at, (size_t)e->room, sizeof *e->at, "entries of T and R");
    }
    e->at[e->n] = (struct entry){ s, a, s1, e->n, x };
    e->n++;
}

/* a [ : s [ : s1 ] ]: how many of them there are; -1 is '*' */
static int read_indices(reader *r, int *a, int *s, int *s1)
{
    *a = *s = *s1 = -1;
    if (r->states.n == 0 || r->actions.n == 0) expected(r, r->head, "states and actions before T and R");
    read_colon(r);
    if (r->failed) return 0;
    *a = read_index(r, &r->actions);
    if (!accept(r, r->now.kind == COLON)) return 1;
    *s = read_index(r, &r->states);
    if (!accept(r, r->now.kind == COLON)) return 2;
    *s1 = read_index(r, &r->states);
    return 3;
}

/* The listed cells of p become part of row (s,a), or all of p becomes the row. Zeros are stored only
 * where they may override something. */
static void store_row(reader *r, int s, int a, bool whole)
{
    struct place *wrote = &r->wrote[s * r->actions.n + a];
    if (whole && wrote->line > 0)
        for (int s1 = 0; s1 < r->states.n && !r->failed; s1++) append(r, &r->T, s, a, s1, r->p[s1]);
    else
        for (int i = 0; i < r->n_cells && !r->failed; i++)
            append(r, &r->T, s, a, r->cell[i], r->p[r->cell[i]]);
    *wrote = r->row;
}

/* The same for every (s,a) that is meant; -1 is '*'. */
static void store_rows(reader *r, int s, int a, bool whole)
{
    int s_end = s < 0 ? r->states.n : s + 1, a_end = a < 0 ? r->actions.n : a + 1;
    for (int i = s < 0 ? 0 : s; i < s_end; i++)
        for (int j = a < 0 ? 0 : a; j < a_end && !r->failed; j++) store_row(r, i, j, whole);
}

/* p is the row of every (s,a) that is meant. */
static void store_p(reader *r, int s, int a)
{
    r->n_cells = 0;
    for (int s1 = 0; s1 < r->states.n; s1++)
        if (r->p[s1] != 0) r->cell[r->n_cells++] = s1;
    store_rows(r, s, a, true);
}

static void store_cell(reader *r, int s, int a, int s1, double p)
{
    r->p[r->cell[0] = s1] = p;
    r->n_cells = 1;
    store_rows(r, s, a, false);
}

static void store_identity(reader *r, int a)
{
    fill(r->p, r->states.n, 0);
    r->n_cells = 1;
    for (int s = 0; s < r->states.n && !r->failed; s++) {
        r->p[r->cell[0] = s] = 1;
        store_rows(r, s, a, true);
        r->p[s] = 0;
    }
}

static void read_T(reader *r)
{
    int a, s, s1, given = read_indices(r, &a, &s, &s1), nS = r->states.n;
    if (r->failed) return;
    r->row = place_of(r->head);
    if (given == 3 && s1 >= 0) {
        store_cell(r, s, a, s1, read_probability(r));
    } else if (given == 3) {
        fill(r->p, nS, read_probability(r));
        store_p(r, s, a);
    } else if (accept(r, is(r->now, "uniform"))) {          /* of a matrix: s is '*' */
        fill(r->p, nS, 1.0 / nS);
        store_p(r, s, a);
    } else if (given == 2 && accept(r, is(r->now, "reset"))) {
        r->seen |= START;
        memcpy(r->p, r->mu0, (size_t)nS * sizeof *r->p);
        store_p(r, s, a);
    } else if (given == 1 && accept(r, is(r->now, "identity"))) {
        store_identity(r, a);
    } else {
        int end = given == 2 ? s + 1 : nS;
        for (int i = given == 2 ? s : 0; i < end && !r->failed; i++) {
            r->row = place_of(r->now);
            for (int j = 0; j < nS && !r->failed; j++) r->p[j] = read_probability(r);
            store_p(r, i, a);
        }
    }
}

static void read_R(reader *r)
{
    int a, s, s1, given = read_indices(r, &a, &s, &s1), nS = r->states.n;
    if (given == 3 && accept(r, r->now.kind == COLON))
        if (!accept(r, r->now.kind == STAR || is(r->now, "0")))
            expected(r, r->now, "* or 0, for an MDP has no observations");
    int s_first = given == 1 ? 0 : s, s_end = given == 1 ? nS : s + 1;
    int j_first = given == 3 ? s1 : 0, j_end = given == 3 ? s1 + 1 : nS;
    for (int i = s_first; i < s_end; i++)
        for (int j = j_first; j < j_end && !r->failed; j++) append(r, &r->R, i, a, j, read_reward(r));
}

static int by_cell(const struct entry *t, const struct entry *u)
{
    if (t->s != u->s) return t->s < u->s ? -1 : 1;
    if (t->a != u->a) return t->a < u->a ? -1 : 1;
    return (t->s1 > u->s1) - (t->s1 < u->s1);
}

static int compare_cells(const void *x, const void *y) { return by_cell(x, y); }

static int compare_cells_and_order(const void *x, const void *y)
{
    int order = by_cell(x, y);
    return order ? order : ((const struct entry *)x)->order - ((const struct entry *)y)->order;
}

/* Sorted by (s, a, s1); of equal ones the last stays. */
static void sort_entries(struct entries *e)
{
    if (e->n == 0) return;
    qsort(e->at, (size_t)e->n, sizeof *e->at, compare_cells_and_order);
    int n = 0;
    for (int i = 0; i < e->n; i++) {
        if (n > 0 && by_cell(&e->at[n - 1], &e->at[i]) == 0) n--;
        e->at[n++] = e->at[i];
    }
    e->n = n;
}

/* r(s,a,s') is the last of the eight patterns (s or *, a or *, s' or *) that match. */
static double reward_of(const reader *r, const struct entry *t)
{
    const struct entry *last = NULL;
    for (int stars = 0; stars < 8 && r->R.n > 0; stars++) {
        struct entry key = { stars & 1 ? -1 : t->s, stars & 2 ? -1 : t->a, stars & 4 ? -1 : t->s1, 0, 0 };
        const struct entry *x = bsearch(&key, r->R.at, (size_t)r->R.n, sizeof key, compare_cells);
        if (x && (!last || x->order > last->order)) last = x;
    }
    return !last ? 0 : r->cost ? 0 - last->x : last->x;
}

/* -------------------------------------------------------------------------------------- the whole */

static void read_statement(reader *r)
{
    static const struct { const char *word; unsigned once; void (*read)(reader *r); } statement[] = {
        { "discount", DISCOUNT, read_discount }, { "values", VALUES, read_values },
        { "states", STATES, read_states },       { "actions", ACTIONS, read_actions },
        { "start", START, read_start },          { "T", 0, read_T }, { "R", 0, read_R },
        { "observations", 0, read_observations }, { "O", 0, read_observations } };
    r->head = r->now;
    for (size_t i = 0; i < sizeof statement / sizeof *statement; i++) {
        if (!is(r->head, statement[i].word)) continue;
        if (r->seen & statement[i].once)
            expected(r, r->head, "%s only once%s", statement[i].word,
                     statement[i].once == START ? " and before any reset" : "");
        r->seen |= statement[i].once;
        advance(r);
        if (!r->failed) statement[i].read(r);
        return;
    }
    expected(r, r->head, "discount, values, states, actions, start, T or R");
}

/* The name of the i-th, else its number. */
static const char *label(const struct names *names, int i, char out[SHOWN_SIZE])
{
    for (int k = 0; names->name && k < names->n; k++)
        if (names->name[k].index == i) return shown(names->name[k].at, out);
    sprintf(out, "%d", i);
    return out;
}

/* Every row of T was given and sums to 1. */
static void check_rows(reader *r)
{
    char s_label[SHOWN_SIZE], a_label[SHOWN_SIZE];
    int nA = r->actions.n, rows = r->states.n * nA, k = 0;
    for (int i = 0; i < rows; i++) {
        double sum = 0;
        for (; k < r->T.n && r->T.at[k].s * nA + r->T.at[k].a == i; k++) sum += r->T.at[k].x;
        if (r->wrote[i].line > 0 && fabs(sum - 1) <= SUM_TOLERANCE) continue;

        label(&r->states, i / nA, s_label);
        label(&r->actions, i % nA, a_label);
        if (r->wrote[i].line == 0) expected(r, r->now, "T of action %s in state %s", a_label, s_label);
        else fail(r, r->wrote[i], "expected T of action %s in state %s to sum to 1, found %.15g",
                  a_label, s_label, sum);
        return;
    }
}

static char **name_list(const struct names *names)
{
    if (!names->name) return NULL;
    char **list = allocate((size_t)names->n, sizeof *list, "names");
    for (const struct name *x = names->name; x < names->name + names->n; x++) {
        list[x->index] = allocate(x->at.length + 1, 1, "names");
        memcpy(list[x->index], x->at.text, x->at.length);
    }
    return list;
}

/* The table, once the whole file is read; NULL when something is missing. */
static mdp *build(reader *r)
{
    if (!(r->seen & DISCOUNT)) expected(r, r->now, "discount");
    if (!(r->seen & STATES)) expected(r, r->now, "states");
    if (!(r->seen & ACTIONS)) expected(r, r->now, "actions");
    if (r->failed) return NULL;
    sort_entries(&r->T);
    sort_entries(&r->R);
    check_rows(r);
    if (r->failed) return NULL;

    mdp_builder *b = mdp_begin(r->path, r->states.n, r->actions.n, r->gamma);
    for (int s = 0; s < r->states.n; s++) mdp_start(b, s, r->mu0[s]);
    for (int k = 0; k < r->T.n; k++) {
        const struct entry *t = &r->T.at[k];
        if (t->x > 0) mdp_transition(b, t->s, t->a, t->s1, t->x, reward_of(r, t));
    }
    mdp *M = mdp_finish(b);
    M->state_name = name_list(&r->states);
    M->action_name = name_list(&r->actions);
    return M;
}

mdp *mdp_parse(const char *name, const char *text, size_t length, char *error, size_t size)
{
    reader r = { .path = name, .at = text, .end = text + length, .line_start = text, .line = 1,
                 .error = error, .size = size,
                 .states.what = "a state", .actions.what = "an action" };
    advance(&r);
    while (!r.failed && r.now.kind != END) read_statement(&r);
    mdp *M = r.failed ? NULL : build(&r);
    free(r.states.name);
    free(r.actions.name);
    free(r.mu0);
    free(r.T.at);
    free(r.R.at);
    free(r.wrote);
    free(r.p);
    free(r.cell);
    return M;
}

mdp *mdp_read(const char *path, char *error, size_t size)
{
    FILE *f = fopen(path, "rb");
    if (!f) {
        if (errno == ENOMEM) out_of_memory(0, path);
        snprintf(error, size, "%s: %s", path, strerror(errno));
        return NULL;
    }
    char *text = NULL;
    size_t length = 0, room = 0;
    while (length <= FILE_MAX && !feof(f) && !ferror(f)) {
        if (length == room) text = reallocate(text, room = room ? 2 * room : 1 << 16, 1, "a file");
        errno = 0;
        length += fread(text + length, 1, room - length, f);
    }
    mdp *M = NULL;
    if (ferror(f)) snprintf(error, size, "%s: %s", path, errno ? strerror(errno) : "read failed");
    else if (length > FILE_MAX)
        snprintf(error, size, "%s: expected at most %d bytes, found more", path, FILE_MAX);
    else M = mdp_parse(path, text, length, error, size);
    fclose(f);
    free(text);
    return M;
}
