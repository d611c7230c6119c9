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
 * Line ends mean no more than blanks; '#' starts a comment to the end of its line; a byte order mark
 * before all else is skipped. Later statements override earlier ones cell by cell. A lone integer after
 * `start:` is a state; with one state, "0" is.
 *
 * What T and R say is logged as entries (s,a,s') -> number, '*' expanded, and sorted once the whole file
 * is read: two counting sorts, O(entries + rows). The bounds below hold any file to 256 MB and a second. */
#include <errno.h>
#include <float.h>
#include <math.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "autodiff/require.h"
#include "envs/mdp.h"

#ifndef MDP_BOUNDS
#define MDP_BOUNDS 1                /* the fuzzers take 1000, to meet the bounds and lose no time */
#endif
enum { COUNT_MAX = 1000000 / MDP_BOUNDS,        /* states; actions */
       ROWS_MAX = 2000000 / MDP_BOUNDS,         /* states times actions */
       NAMES_MAX = 20000 / MDP_BOUNDS,          /* names of states; of actions */
       NAME_MAX = 200,                          /* bytes of a name */
       WORD_MAX = 1100,                         /* bytes of a word: every double has a shorter exact decimal */
       ENTRIES_MAX = 4000000 / MDP_BOUNDS,      /* of T and R together: memory */
       STEPS_MAX = 16000000 / MDP_BOUNDS,       /* numbers, indices, rows, names that share a slot: time */
       FILE_MAX = 100000000 };                  /* bytes */
enum { DISCOUNT = 1, VALUES = 2, STATES = 4, ACTIONS = 8, START = 16 };     /* the bits of `seen` */
static const double SUM_TOLERANCE = 1e-9;

struct place { int line, column; };         /* from 1; the column counts bytes */

struct names {
    const char *what;       /* "a state", "an action" */
    int n;                  /* 0: not declared yet */
    char **name;            /* [n], or NULL: numbers only */
    int *slot;              /* [slots] a hash table of 1 + index; 0 is free */
    unsigned slots;         /* a power of 2, at least 2n */
};

struct entry {
    int row, s1;            /* row s*nA + a; in R nS stands for '*' as s and as s1 */
    double x;
};

struct entries { struct entry *at; int n, room; };

struct cell { int s1; double p; };

struct row {
    int since;              /* entries of T before this one were overridden by a whole row */
    struct place wrote;     /* the last statement or number about it; line 0: none */
};

typedef struct {
    const char *path;
    FILE *file;             /* NULL: what is unread is all there is */
    char *buffer;           /* [BUFFER_SIZE] of the file */
    const char *at, *end;   /* what is unread */
    size_t length;          /* bytes of the text so far */
    struct place here;      /* of *at */
    struct {
        enum { WORD, COLON, STAR, END } kind;
        struct place at;
        int length;
        char text[WORD_MAX + 1];
    } now;                  /* the current token */
    char *error;            /* [size] the first error */
    size_t size;
    bool failed;            /* from then on `now` is END */

    unsigned seen;          /* the statements that occurred */
    struct place statement; /* the current one */
    int steps;
    bool cost;
    double gamma;
    struct names states, actions;
    double *mu0;            /* [nS] */
    struct cell *start;     /* [starts] of mu0 what is not 0, once a reset needs it */
    int starts;
    struct cell *cell;      /* [nS] the row being read */
    struct row *row;        /* [nS*nA] */
    struct entries T, R;    /* in the order of the file */
} reader;

/* ----------------------------------------------------------------------------------------- errors */

enum { SHOWN_MAX = 40, SHOWN_SIZE = 4 * SHOWN_MAX + 6 };

static const char *shown(const char *text, size_t length, char out[SHOWN_SIZE])
{
    char *o = out;
    *o++ = '\'';
    for (size_t i = 0; i < length && i < SHOWN_MAX; i++) {
        unsigned char c = (unsigned char)text[i];
        o += sprintf(o, c < 0x20 || c > 0x7e ? "\\x%02X" : "%c", c);
    }
    strcpy(o, length > SHOWN_MAX ? "...'" : "'");
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

/* `expected ..., found` the current token */
static void expected(reader *r, const char *fmt, ...) PRINTF_LIKE(2, 3);
static void expected(reader *r, const char *fmt, ...)
{
    char what[200], found[SHOWN_SIZE] = "end of file";
    va_list args;
    va_start(args, fmt);
    vsnprintf(what, sizeof what, fmt, args);
    va_end(args);
    if (r->now.kind != END) shown(r->now.text, (size_t)r->now.length, found);
    fail(r, r->now.at, "expected %s, found %s", what, found);
}

static void spend(reader *r, int steps)
{
    r->steps += steps;
    if (r->steps > STEPS_MAX)
        fail(r, r->statement, "expected at most %d numbers, indices and rows, found more", STEPS_MAX);
}

/* ----------------------------------------------------------------------------------------- tokens */

enum { BUFFER_SIZE = 1 << 16 };

static void check_length(reader *r)
{
    if (r->length > FILE_MAX) fail(r, r->here, "expected at most %d bytes, found more", FILE_MAX);
}

static bool refill(reader *r)
{
    if (!r->file || r->failed) return false;
    errno = 0;
    size_t n = fread(r->buffer, 1, BUFFER_SIZE, r->file);
    r->at = r->buffer;
    r->end = r->buffer + n;
    r->length += n;
    if (ferror(r->file)) {
        snprintf(r->error, r->size, "%s: %s", r->path, errno ? strerror(errno) : "read failed");
        r->failed = true;
        r->now.kind = END;
    }
    if (n < BUFFER_SIZE) r->file = NULL;
    check_length(r);
    return n > 0 && !r->failed;
}

/* The next byte, or -1. */
static int peek(reader *r) { return r->at < r->end || refill(r) ? (unsigned char)*r->at : -1; }

static void skip(reader *r)
{
    r->at++;
    r->here.column++;
}

static bool is_blank(int c) { return c == ' ' || (c >= '\t' && c <= '\r'); }
static bool is_mark(int c)  { return c == ':' || c == '*' || c == '#'; }
static bool is_digit(int c) { return c >= '0' && c <= '9'; }

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

static void check_characters(reader *r)
{
    const char *text = r->now.text, *end = text + r->now.length;
    const char *stop = r->now.length == WORD_MAX ? end - 3 : end;       /* cut, perhaps within a character */
    for (const char *p = text; p < stop && !r->failed; ) {
        size_t n = character(p, end);
        if (n == 0) {
            r->now.at.column += (int)(p - text);
            r->now.text[0] = *p;
            r->now.length = 1;
            expected(r, "UTF-8 text");
        }
        p += n;
    }
}

static void skip_blanks(reader *r)
{
    for (int c; (c = peek(r)) == '#' || is_blank(c); ) {
        while (c == '#' && peek(r) >= 0 && *r->at != '\n' && *r->at != '\0') skip(r);
        if (c == '#') continue;
        skip(r);
        if (c == '\n') r->here = (struct place){ r->here.line + 1, 1 };
    }
}

static void advance(reader *r)
{
    if (r->failed) return;
    skip_blanks(r);
    int c = peek(r), n = 0;
    bool plain = true;
    r->now.at = r->here;
    r->now.kind = r->failed || c < 0 ? END : c == ':' ? COLON : c == '*' ? STAR : WORD;
    if (is_mark(c)) r->now.text[n++] = *r->at++;
    for (; n < WORD_MAX && c >= 0 && !is_blank(c) && !is_mark(c); c = peek(r)) {
        plain = plain && c > 0x20 && c < 0x7f;
        r->now.text[n++] = *r->at++;
    }
    r->now.text[r->now.length = n] = '\0';
    r->here.column += n;
    if (!plain) check_characters(r);
    if (n == WORD_MAX) expected(r, "a word of less than %d bytes", WORD_MAX);
}

static bool is(const reader *r, const char *word)
{
    return r->now.kind == WORD && *r->now.text == *word && strcmp(r->now.text, word) == 0;
}

static bool is_reserved(const reader *r)
{
    static const char *const words[] = {
        "discount", "values", "states", "actions", "observations", "start", "T", "O", "R",
        "reward", "cost", "include", "exclude", "uniform", "identity", "reset" };
    for (size_t i = 0; i < sizeof words / sizeof *words; i++)
        if (is(r, words[i])) return true;
    return false;
}

static bool accept(reader *r, bool condition)
{
    if (condition) advance(r);
    return condition;
}

static void read_colon(reader *r)
{
    if (!accept(r, r->now.kind == COLON)) expected(r, "':'");
}

/* ---------------------------------------------------------------------------------------- numbers */

static bool begins_number(int c) { return is_digit(c) || c == '+' || c == '-' || c == '.'; }

static bool is_number_like(const reader *r) { return r->now.kind == WORD && begins_number(*r->now.text); }

static bool number_follows(reader *r)
{
    skip_blanks(r);
    return begins_number(peek(r));
}

static int digits(const char *p)
{
    int n = 0;
    while (is_digit(p[n])) n++;
    return n;
}

static bool is_decimal(const char *p)
{
    p += *p == '+' || *p == '-';
    int whole = digits(p), fraction = p[whole] == '.' ? digits(p + whole + 1) : 0;
    p += whole + fraction + (p[whole] == '.');
    if (whole + fraction == 0 || (*p != 'e' && *p != 'E')) return whole + fraction > 0 && *p == '\0';
    p += p[1] == '+' || p[1] == '-' ? 2 : 1;
    return digits(p) > 0 && p[digits(p)] == '\0';
}

static double read_number(reader *r, double low, double high, const char *what)
{
    double x = is_number_like(r) && is_decimal(r->now.text) ? strtod(r->now.text, NULL) : NAN;
    if (!(x >= low && x <= high)) expected(r, "%s", what);
    spend(r, 1);
    advance(r);
    return x;
}

static double read_probability(reader *r) { return read_number(r, 0, 1, "a probability in [0, 1]"); }
static double read_reward(reader *r)      { return read_number(r, -DBL_MAX, DBL_MAX, "a finite number"); }

/* The value of a word of digits, COUNT_MAX + 1 for every greater one, -1 for other tokens. */
static int whole_number(const reader *r)
{
    int n = 0;
    const char *p = r->now.text;
    if (r->now.kind != WORD) return -1;
    for (; is_digit(*p); p++) {
        n = 10 * n + (*p - '0');
        if (n > COUNT_MAX) n = COUNT_MAX + 1;
    }
    return *p ? -1 : n;
}

/* ------------------------------------------------------------------------------ states and actions */

/* The slot that holds this name, or the free one where it belongs. */
static int *find(reader *r, const struct names *names, const char *name)
{
    uint32_t hash = 2166136261u;                        /* FNV-1a */
    for (const char *p = name; *p; p++) hash = (hash ^ (unsigned char)*p) * 16777619u;
    for (unsigned i = hash ^ hash >> 15; ; i++) {
        int *slot = &names->slot[i & (names->slots - 1)];
        if (*slot == 0 || strcmp(names->name[*slot - 1], name) == 0) return slot;
        spend(r, 1);
    }
}

static void add_name(reader *r, struct names *names, int n)
{
    if (n == NAMES_MAX) expected(r, "at most %d names", NAMES_MAX);
    if (r->now.length > NAME_MAX) expected(r, "a name of at most %d bytes", NAME_MAX);
    if (is_number_like(r)) expected(r, "a name that begins with no digit, sign or point");
    if (r->failed) return;
    if (2 * (unsigned)n >= names->slots) {
        names->slots = names->slots ? 2 * names->slots : 16;
        free(names->slot);
        names->slot = allocate(names->slots, sizeof *names->slot, "names");
        names->name = reallocate(names->name, names->slots / 2, sizeof *names->name, "names");
        for (int i = 0; i < n; i++) *find(r, names, names->name[i]) = i + 1;
    }
    int *slot = find(r, names, r->now.text);
    if (*slot) expected(r, "each name only once");
    if (r->failed) return;
    names->name[n] = allocate((size_t)r->now.length + 1, 1, "names");
    strcpy(names->name[n], r->now.text);
    names->n = *slot = n + 1;
}

static void read_names(reader *r, struct names *names)
{
    read_colon(r);
    if (r->now.kind == WORD && is_digit(*r->now.text)) {
        names->n = whole_number(r);
        if (names->n < 1 || names->n > COUNT_MAX) expected(r, "a number from 1 to %d", COUNT_MAX);
        advance(r);
        return;
    }
    for (; r->now.kind == WORD && !is_reserved(r); advance(r)) add_name(r, names, names->n);
    if (names->n == 0) expected(r, "a number or a list of names");
}

/* -1 for '*', if it may be. */
static int read_index(reader *r, const struct names *names, const char *or_star)
{
    int i = whole_number(r);
    bool star = r->now.kind == STAR && *or_star;
    if (r->now.kind == WORD && i < 0 && names->name) i = *find(r, names, r->now.text) - 1;
    if (!star && (i < 0 || i >= names->n))
        expected(r, "the %snumber (0 to %d) of %s%s", names->name ? "name or " : "", names->n - 1, names->what,
                 or_star);
    spend(r, 1);
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
    r->gamma = read_number(r, 0, 1, "a discount in [0, 1]") + 0.0;     /* -0 is 0 */
}

static void read_values(reader *r)
{
    read_colon(r);
    r->cost = is(r, "cost");
    if (!accept(r, r->cost || is(r, "reward"))) expected(r, "reward or cost");
}

/* Once both sizes are known. */
static void allocate_rows(reader *r)
{
    long long rows = (long long)r->states.n * r->actions.n;
    if (r->failed || rows == 0) return;
    if (rows > ROWS_MAX)
        fail(r, r->statement, "expected at most %d states times actions, found %lld", ROWS_MAX, rows);
    else r->row = allocate((size_t)rows, sizeof *r->row, "rows of an MDP");
}

static void read_states(reader *r)
{
    read_names(r, &r->states);
    if (r->failed) return;
    size_t nS = (size_t)r->states.n;
    r->mu0 = allocate(nS, sizeof *r->mu0, "start distribution");
    r->cell = allocate(nS, sizeof *r->cell, "a row of an MDP");
    fill(r->mu0, r->states.n, 1.0 / r->states.n);
    allocate_rows(r);
}

static void read_actions(reader *r)
{
    read_names(r, &r->actions);
    allocate_rows(r);
}

/* ------------------------------------------------------------------------------------------ start */

static void read_start_distribution(reader *r)
{
    struct place first = r->now.at;
    double sum = 0;
    for (int s = 0; s < r->states.n && !r->failed; s++) sum += r->mu0[s] = read_probability(r);
    if (!(fabs(sum - 1) <= SUM_TOLERANCE))
        fail(r, first, "expected start probabilities that sum to 1, found %.15g", sum);
}

/* Uniform over the states that are (include) or are not (exclude) listed. */
static void read_start_list(reader *r, bool include)
{
    int listed = 0, nS = r->states.n;
    struct place first = r->now.at;
    fill(r->mu0, nS, 0);
    do {
        int s = read_index(r, &r->states, "");
        if (s >= 0 && s < nS && r->mu0[s] == 0) r->mu0[s] = ++listed;
    } while (r->now.kind == WORD && !is_reserved(r));
    if (!include && listed == nS) fail(r, first, "expected a state that is not excluded, found none");
    if (r->failed) return;
    for (int s = 0; s < nS; s++)
        r->mu0[s] = (r->mu0[s] > 0) == include ? 1.0 / (include ? listed : nS - listed) : 0;
}

static void read_start(reader *r)
{
    bool include = is(r, "include");
    if (accept(r, include || is(r, "exclude"))) {
        read_colon(r);
        read_start_list(r, include);
        return;
    }
    read_colon(r);
    if (accept(r, is(r, "uniform"))) return;
    if (is_number_like(r) && (number_follows(r) || (r->states.n == 1 && !is(r, "0")))) {
        read_start_distribution(r);
        return;
    }
    int s = read_index(r, &r->states, "");
    fill(r->mu0, r->states.n, 0);
    if (!r->failed) r->mu0[s] = 1;
}

/* ---------------------------------------------------------------------------------------- T and R */

static void append(reader *r, struct entries *e, int row, int s1, double x)
{
    if (r->T.n + r->R.n == ENTRIES_MAX)
        fail(r, r->statement, "expected at most %d entries of T and R, found more", ENTRIES_MAX);
    if (r->failed) return;
    if (e->n == e->room) {
        e->room = e->room ? 2 * e->room : 64;
        e->at = reallocate(e->at, (size_t)e->room, sizeof *e->at, "entries of T and R");
    }
    e->at[e->n++] = (struct entry){ row, s1, x };
}

/* a [ : s [ : s1 ] ]: how many of them there are; -1 is '*' */
static int read_indices(reader *r, int *a, int *s, int *s1)
{
    *a = *s = *s1 = -1;
    read_colon(r);
    *a = read_index(r, &r->actions, ", or *");
    if (!accept(r, r->now.kind == COLON)) return 1;
    *s = read_index(r, &r->states, ", or *");
    if (!accept(r, r->now.kind == COLON)) return 2;
    *s1 = read_index(r, &r->states, ", or *");
    return 3;
}

/* The n cells become part of the rows (s,a) that are meant (-1 is '*'), or all that is in them. */
static void store(reader *r, int s, int a, struct place at, const struct cell *cell, int n, bool whole)
{
    int nA = r->actions.n, s_end = s < 0 ? r->states.n : s + 1, a_end = a < 0 ? nA : a + 1;
    for (int i = s < 0 ? 0 : s; i < s_end; i++)
        for (int j = a < 0 ? 0 : a; j < a_end && !r->failed; j++) {
            struct row *row = &r->row[i * nA + j];
            row->wrote = at;
            if (whole) row->since = r->T.n;
            for (int k = 0; k < n; k++) append(r, &r->T, i * nA + j, cell[k].s1, cell[k].p);
            spend(r, 1);
        }
}

/* Every s' with the same probability. */
static void store_constant(reader *r, int s, int a, double p)
{
    for (int j = 0; j < r->states.n; j++) r->cell[j] = (struct cell){ j, p };
    store(r, s, a, r->statement, r->cell, r->states.n, true);
}

static void store_start(reader *r, int s, int a)
{
    if (!r->start) {
        r->start = allocate((size_t)r->states.n, sizeof *r->start, "start distribution");
        for (int j = 0; j < r->states.n; j++)
            if (r->mu0[j] > 0) r->start[r->starts++] = (struct cell){ j, r->mu0[j] };
    }
    r->seen |= START;
    store(r, s, a, r->statement, r->start, r->starts, true);
}

static void read_row(reader *r, int s, int a)
{
    struct place first = r->now.at;
    int n = 0;
    for (int j = 0; j < r->states.n && !r->failed; j++) {
        double p = read_probability(r);
        if (p != 0) r->cell[n++] = (struct cell){ j, p };
    }
    if (!r->failed) store(r, s, a, first, r->cell, n, true);
}

static void read_T(reader *r)
{
    int a, s, s1, given = read_indices(r, &a, &s, &s1);
    if (given == 3) {
        double p = read_probability(r);
        if (r->failed) return;
        if (s1 < 0) store_constant(r, s, a, p);
        else store(r, s, a, r->statement, &(struct cell){ s1, p }, 1, false);
    } else if (accept(r, is(r, "uniform"))) {                       /* of a matrix: s is '*' */
        store_constant(r, s, a, 1.0 / r->states.n);
    } else if (given == 2 && accept(r, is(r, "reset"))) {
        store_start(r, s, a);
    } else if (given == 1 && accept(r, is(r, "identity"))) {
        for (int i = 0; i < r->states.n; i++) store(r, i, a, r->statement, &(struct cell){ i, 1 }, 1, true);
    } else if (given == 2) {
        read_row(r, s, a);
    } else {
        for (int i = 0; i < r->states.n && !r->failed; i++) read_row(r, i, a);
    }
}

static void read_R(reader *r)
{
    int a, s, s1, given = read_indices(r, &a, &s, &s1), nS = r->states.n, nA = r->actions.n;
    if (given == 3 && accept(r, r->now.kind == COLON))
        if (!accept(r, r->now.kind == STAR || is(r, "0")))
            expected(r, "* or 0, for an MDP has no observations");
    if (s < 0) s = nS;
    if (s1 < 0) s1 = nS;
    int s_first = given == 1 ? 0 : s, s_end = given == 1 ? nS : s + 1;
    int j_first = given == 3 ? s1 : 0, j_end = given == 3 ? s1 + 1 : nS;
    for (int i = s_first; i < s_end; i++)
        for (int j = j_first; j < j_end && !r->failed; j++) {
            double x = read_reward(r);
            for (int b = a < 0 ? 0 : a; b < (a < 0 ? nA : a + 1); b++) append(r, &r->R, i * nA + b, j, x);
        }
}

static void read_statement(reader *r)
{
    static const struct { const char *word; unsigned once, needs; void (*read)(reader *r); } statement[] = {
        { "discount", DISCOUNT, 0, read_discount }, { "values", VALUES, 0, read_values },
        { "states", STATES, 0, read_states },       { "actions", ACTIONS, 0, read_actions },
        { "start", START, STATES, read_start },
        { "T", 0, STATES | ACTIONS, read_T },       { "R", 0, STATES | ACTIONS, read_R } };
    r->statement = r->now.at;
    if (is(r, "observations") || is(r, "O")) expected(r, "an MDP, which has no observations");
    for (size_t i = 0; i < sizeof statement / sizeof *statement; i++) {
        if (!is(r, statement[i].word)) continue;
        unsigned once = statement[i].once, needs = statement[i].needs;
        if (r->seen & once)
            expected(r, "%s only once%s", statement[i].word, once == START ? " and before any reset" : "");
        if ((r->seen & needs) != needs)
            expected(r, needs == STATES ? "states before the start" : "states and actions before T and R");
        r->seen |= once;
        advance(r);
        if (!r->failed) statement[i].read(r);
        return;
    }
    expected(r, "discount, values, states, actions, start, T or R");
}

/* -------------------------------------------------------------------------------------- the table */

static int row_of(const struct entry *e) { return e->row; }
static int s1_of(const struct entry *e)  { return e->s1; }

/* order [n] by key, else as before (NULL: as in the file); end[k]: where those of key k end */
static int *counting_sort(const struct entries *e, const int *order, int (*key)(const struct entry *), int keys,
                          int *end)
{
    int *by_key = allocate((size_t)e->n, sizeof *by_key, "entries of T and R");
    for (int i = 0; i < e->n; i++) end[key(&e->at[i])]++;
    for (int k = 1; k < keys; k++) end[k] += end[k - 1];
    for (int i = e->n - 1; i >= 0; i--) {
        int j = order ? order[i] : i;
        by_key[--end[key(&e->at[j])]] = j;
    }
    for (int k = 0; k < keys; k++) end[k] = k + 1 < keys ? end[k + 1] : e->n;
    return by_key;
}

/* The entries of row i by (s', place in the file): order[k], end[i-1] <= k < end[i]. */
static int *sort_entries(const struct entries *e, int rows, int columns, int **end)
{
    int *ends = allocate((size_t)columns, sizeof *ends, "columns of an MDP");
    *end = allocate((size_t)rows, sizeof **end, "rows of an MDP");
    int *by_s1 = counting_sort(e, NULL, s1_of, columns, ends);
    int *order = counting_sort(e, by_s1, row_of, rows, *end);
    free(by_s1);
    free(ends);
    return order;
}

/* The name of the i-th, else its number. */
static const char *label(const struct names *names, int i, char out[SHOWN_SIZE])
{
    if (names->name) return shown(names->name[i], strlen(names->name[i]), out);
    sprintf(out, "%d", i);
    return out;
}

/* Row i was given and sums to 1. */
static void check_row(reader *r, const mdp *M, int i)
{
    char s[SHOWN_SIZE], a[SHOWN_SIZE];
    double sum = 0;
    for (int k = M->row[i]; k < M->row[i + 1]; k++) sum += M->P[k];
    if (r->row[i].wrote.line > 0 && fabs(sum - 1) <= SUM_TOLERANCE) return;
    label(&r->states, i / M->nA, s);
    label(&r->actions, i % M->nA, a);
    if (r->row[i].wrote.line == 0) expected(r, "T of action %s in state %s", a, s);
    else fail(r, r->row[i].wrote, "expected T of action %s in state %s to sum to 1, found %.15g", a, s, sum);
}

/* M->row, next and P: of the entries about one cell that no whole row overrode, the last. */
static void build_T(reader *r, mdp *M)
{
    int *end, n = 0, rows = M->nS * M->nA, *order = sort_entries(&r->T, rows, M->nS, &end);
    M->row = allocate((size_t)rows + 1, sizeof *M->row, "rows of an MDP");
    M->next = allocate((size_t)r->T.n, sizeof *M->next, "next states");
    M->P = allocate((size_t)r->T.n, sizeof *M->P, "transition probabilities");
    for (int i = 0, k = 0; i < rows && !r->failed; i++) {
        for (; k < end[i]; k++) {
            const struct entry *t = &r->T.at[order[k]];
            if (order[k] < r->row[i].since) continue;
            if (n > M->row[i] && M->next[n - 1] == t->s1) n--;
            M->next[n] = t->s1;
            M->P[n] = t->x;
            n += t->x > 0;
        }
        M->row[i + 1] = n;
        check_row(r, M, i);
    }
    free(order);
    free(end);
}

/* M->R: r(s,a,s') is the last of (s,a,s'), (s,a,*), (*,a,s'), (*,a,*) in the file, else 0. As the entries
 * of R count in the order of the file, the last is the greatest number. */
static void build_R(reader *r, mdp *M)
{
    int nS = M->nS, nA = M->nA, *end, *order = sort_entries(&r->R, (nS + 1) * nA, nS + 1, &end);
    int *any = allocate((size_t)nS + 1, sizeof *any, "rewards");      /* the last of (*,a,s'), or -1 */
    M->R = allocate((size_t)M->row[nS * nA], sizeof *M->R, "rewards");
    for (int a = 0; a < nA; a++) {
        for (int j = 0; j <= nS; j++) any[j] = -1;
        for (int k = end[nS * nA + a - 1]; k < end[nS * nA + a]; k++) any[r->R.at[order[k]].s1] = order[k];
        for (int s = 0; s < nS; s++) {
            int i = s * nA + a, k = i ? end[i - 1] : 0, all = any[nS];
            bool star = k < end[i] && r->R.at[order[end[i] - 1]].s1 == nS;
            if (star && order[end[i] - 1] > all) all = order[end[i] - 1];
            for (int t = M->row[i]; t < M->row[i + 1]; t++) {
                int last = any[M->next[t]] > all ? any[M->next[t]] : all;
                for (; k < end[i] && r->R.at[order[k]].s1 <= M->next[t]; k++)
                    if (r->R.at[order[k]].s1 == M->next[t] && order[k] > last) last = order[k];
                M->R[t] = last < 0 ? 0 : r->cost ? 0 - r->R.at[last].x : r->R.at[last].x;
            }
        }
    }
    free(any);
    free(order);
    free(end);
}

/* Once the whole file is read; NULL when something is missing. */
static mdp *build(reader *r)
{
    if (!(r->seen & DISCOUNT)) expected(r, "discount");
    if (!(r->seen & STATES)) expected(r, "states");
    if (!(r->seen & ACTIONS)) expected(r, "actions");
    if (r->failed) return NULL;
    mdp *M = allocate(1, sizeof *M, "MDP");
    *M = (mdp){ .nS = r->states.n, .nA = r->actions.n, .gamma = r->gamma };
    build_T(r, M);
    if (r->failed) {
        mdp_free(M);
        return NULL;
    }
    build_R(r, M);
    M->name = allocate(strlen(r->path) + 1, 1, "name of an MDP");
    strcpy(M->name, r->path);
    M->mu0 = r->mu0;
    M->state_name = r->states.name;
    M->action_name = r->actions.name;
    r->mu0 = NULL;
    r->states.name = r->actions.name = NULL;
    return M;
}

static void free_names(struct names *names)
{
    for (int i = 0; names->name && i < names->n; i++) free(names->name[i]);
    free(names->name);
    free(names->slot);
}

/* From the text at r->at, and then from r->file. */
static mdp *read_all(reader *r)
{
    r->states.what = "a state";
    r->actions.what = "an action";
    r->here = (struct place){ 1, 1 };
    check_length(r);
    peek(r);
    if (r->end - r->at >= 3 && memcmp(r->at, "\xEF\xBB\xBF", 3) == 0) r->at += 3;
    advance(r);
    while (!r->failed && r->now.kind != END) read_statement(r);
    mdp *M = r->failed ? NULL : build(r);
    free_names(&r->states);
    free_names(&r->actions);
    free(r->mu0);
    free(r->start);
    free(r->cell);
    free(r->row);
    free(r->T.at);
    free(r->R.at);
    return M;
}

mdp *mdp_parse(const char *name, const char *text, size_t length, char *error, size_t size)
{
    return read_all(&(reader){ .path = name, .at = text, .end = text + length, .length = length, .error = error,
                               .size = size });
}

mdp *mdp_read(const char *path, char *error, size_t size)
{
    char buffer[BUFFER_SIZE];
    FILE *file = fopen(path, "rb");
    if (!file) {
        if (errno == ENOMEM) out_of_memory(0, path);
        snprintf(error, size, "%s: %s", path, strerror(errno));
        return NULL;
    }
    mdp *M = read_all(&(reader){ .path = path, .file = file, .buffer = buffer, .error = error, .size = size });
    fclose(file);
    return M;
}
