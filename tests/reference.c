/* Compares `ascent solve --json` with reference data computed by other programs.
 *
 *   reference ASCENT DIR [--max-states N]
 *
 * DIR holds mdp/ and exact/ in the formats of tests/reference; an MDP with more than N states (70 unless
 * given) is left out. The program under test is seen from outside only: a policy file goes in, JSON comes
 * out, once for every row of exact/scalars.csv and once more for every row of exact/pairs.csv.
 *
 * Each comparison prints `name error limit PASS|WEAK|FAIL`, name = mdp/gamma/policy/quantity. Error and
 * limit are in units: u = 2^-52, k = max(1, ||(I - gamma P_pi)^-1||_inf), N = max(n, 4),
 * M = max(1, max|V|, max|A|); V, Q, J: u N k M; A: twice that; rho: u N k^2; gradient: u N k^2 M.
 * A quantity holds within 10 of them.
 * WEAK: it holds, but 10 units exceed 1e-6 of the quantity, so that this says nothing; counted apart.
 * The natural gradient's error and limit are relative errors in the F-norm; those of counts are counts.
 *
 * Exit status: 0 all held; 1 something failed or nothing ran; 2 bad usage or bad reference data; 3 I/O;
 * 5 out of memory. Left out: speed, and every check that has no number in the reference data. */
#include <errno.h>
#include <fcntl.h>
#include <gsl/gsl_eigen.h>
#include <gsl/gsl_errno.h>
#include <gsl/gsl_linalg.h>
#include <gsl/gsl_sort_vector.h>
#include <jansson.h>
#include <math.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

enum { HELD = 0, CHECK_FAILED = 1, BAD_INPUT = 2, IO_FAILURE = 3, OUT_OF_MEMORY = 5 };
enum { SECONDS_PER_RUN = 300, FISHER_MAX = 1500 };      /* --fisher is refused above FISHER_MAX = |S||A| */
static const double u = 0x1p-52, UNITS = 10;

/* ------------------------------------------------------------------------------------------ plumbing */

static _Noreturn void stop(int status, const char *fmt, ...)
{
    va_list args;
    fflush(stdout);
    fputs("reference: ", stderr);
    va_start(args, fmt);
    vfprintf(stderr, fmt, args);
    va_end(args);
    fputc('\n', stderr);
    exit(status);
}

static void *allocate(size_t n, size_t size)
{
    void *p = calloc(n ? n : 1, size);
    if (!p) stop(OUT_OF_MEMORY, "out of memory: %zu objects of %zu bytes", n, size);
    return p;
}

static double *vector(int n) { return allocate((size_t)n, sizeof(double)); }

/* The formatted text, to be freed. */
static char *text_of(const char *fmt, ...)
{
    va_list args;
    va_start(args, fmt);
    int length = vsnprintf(NULL, 0, fmt, args);
    va_end(args);
    if (length < 0) stop(BAD_INPUT, "cannot format a name");
    char *text = allocate((size_t)length + 1, 1);
    va_start(args, fmt);
    vsnprintf(text, (size_t)length + 1, fmt, args);
    va_end(args);
    return text;
}

/* All that is left of a stream, ended by a NUL; NULL with errno on a read error. */
static char *read_all(FILE *in, size_t *length)
{
    size_t room = 1 << 16, n = 0, got;
    char *text = allocate(room, 1);
    while ((got = fread(text + n, 1, room - n - 1, in)) > 0)
        if ((n += got) == room - 1) {
            char *moved = realloc(text, room *= 2);
            if (!moved) stop(OUT_OF_MEMORY, "out of memory: %zu bytes of text", room);
            text = moved;
        }
    if (ferror(in)) {
        free(text);
        return NULL;
    }
    text[n] = '\0';
    *length = n;
    return text;
}

/* --------------------------------------------------------------------------------------------- CSV */

/* `#` lines, one header line, then rows with as many fields; no quotes. Fields are pointers into text. */
typedef struct {
    char *path, *text;
    char **field;               /* [(1 + rows) * columns], the header first */
    int rows, columns;
} csv;

static void csv_split(csv *c, size_t length)
{
    int line = 0, fields;
    size_t lines = 1;
    for (size_t i = 0; i < length; i++) lines += c->text[i] == '\n';
    c->rows = -1;
    for (char *next, *p = c->text; *p; p = next) {
        size_t span = strcspn(p, "\n");
        next = p + span + (p[span] == '\n');
        p[span] = '\0';
        if (span && p[span - 1] == '\r') p[span - 1] = '\0';
        line++;
        if (!*p || *p == '#') continue;
        if (c->rows < 0) {
            c->columns = 1;
            for (char *q = p; *q; q++) c->columns += *q == ',';
            c->field = allocate(lines * (size_t)c->columns, sizeof *c->field);
        }
        char **row = c->field + (size_t)++c->rows * (size_t)c->columns;
        for (fields = 0; p && fields < c->columns; fields++) {
            row[fields] = p;
            if ((p = strchr(p, ','))) *p++ = '\0';
        }
        if (p || fields < c->columns)
            stop(BAD_INPUT, "%s:%d: expected %d fields, found %s", c->path, line, c->columns,
                 p ? "more" : "fewer");
    }
    if (c->rows < 0) stop(BAD_INPUT, "%s: expected a header line, found none", c->path);
}

/* The file at `path` (freed with the table); it must exist. */
static csv csv_read(char *path)
{
    csv c = { .path = path };
    size_t length = 0;
    FILE *in = fopen(path, "r");
    if (!in || !(c.text = read_all(in, &length))) stop(IO_FAILURE, "%s: %s", path, strerror(errno));
    fclose(in);
    csv_split(&c, length);
    return c;
}

static void csv_free(csv *c)
{
    free(c->path);
    free(c->text);
    free(c->field);
    *c = (csv){ 0 };
}

static int csv_column(const csv *c, const char *name)
{
    for (int j = 0; j < c->columns; j++)
        if (strcmp(c->field[j], name) == 0) return j;
    stop(BAD_INPUT, "%s: expected a column %s, found none", c->path, name);
}

static const char *csv_text(const csv *c, int row, const char *column)
{
    return c->field[(size_t)(1 + row) * (size_t)c->columns + (size_t)csv_column(c, column)];
}

static double csv_number(const csv *c, int row, const char *column)
{
    const char *text = csv_text(c, row, column);
    char *end;
    double x = strtod(text, &end);
    if (end == text || *end) stop(BAD_INPUT, "%s: expected a number as %s, found %s", c->path, column, text);
    return x;
}

/* A state, an action or a flag: an integer in [0, limit). */
static int csv_index(const csv *c, int row, const char *column, int limit)
{
    double x = csv_number(c, row, column);
    if (!(x >= 0 && x < limit && x == floor(x)))
        stop(BAD_INPUT, "%s: expected %s in 0..%d, found %g", c->path, column, limit - 1, x);
    return (int)x;
}

/* Which rows: a NULL member matches everything, also in a table without that column. */
typedef struct { const char *mdp, *gamma, *policy; } key;

static bool csv_matches(const csv *c, int row, key k)
{
    if (k.mdp && strcmp(csv_text(c, row, "mdp"), k.mdp) != 0) return false;
    if (k.policy && strcmp(csv_text(c, row, "policy"), k.policy) != 0) return false;
    return !k.gamma || strcmp(csv_text(c, row, "gamma"), k.gamma) == 0
        || csv_number(c, row, "gamma") == strtod(k.gamma, NULL);
}

/* The first row of that key, or -1. */
static int csv_row(const csv *c, key k)
{
    for (int row = 0; row < c->rows; row++)
        if (csv_matches(c, row, k)) return row;
    return -1;
}

/* x [nS] or, with nA > 0, x [nS*nA] from a column of the rows of that key. False if there is no such row;
 * a state or an action left out or given twice is bad data. */
static bool csv_fill(const csv *c, key k, int nS, int nA, const char *column, double *x)
{
    int n = nS * (nA ? nA : 1), filled = 0;
    bool *seen = allocate((size_t)n, sizeof *seen);
    for (int row = 0; row < c->rows; row++) {
        if (!csv_matches(c, row, k)) continue;
        int i = csv_index(c, row, "s", nS);
        if (nA) i = i * nA + csv_index(c, row, "a", nA);
        if (seen[i]) stop(BAD_INPUT, "%s: state %d given twice", c->path, nA ? i / nA : i);
        seen[i] = true;
        x[i] = csv_number(c, row, column);
        filled++;
    }
    free(seen);
    if (filled && filled < n) stop(BAD_INPUT, "%s: expected %d rows, found %d", c->path, n, filled);
    return filled > 0;
}

/* ---------------------------------------------------------------------------------- reference data */

typedef struct {
    const char *dir;
    csv index, scalars, pairs, optimal_v, optimal_scalars;
} library;

/* One MDP. The program's table has one state more than the reference if transitions can terminate. */
typedef struct {
    const char *name;
    char *file;                 /* its .mdp */
    int nS, nA, nX;             /* states in the reference, actions, states in the .mdp */
    bool *absorbing;            /* [nS] P(s|s,a) = 1, r(s,a) = 0 for every a: no decision state */
    bool absorbs;               /* there is one */
    csv transitions, policies, state, sa, fisher, optimal_q;
    bool has_fisher;
} problem;

/* What the reference says of one (gamma, policy). Rows of the extra state are 0. */
typedef struct {
    const char *gamma_text;
    const char *policy;
    double gamma;
    double *theta, *pi;                         /* [nX*nA]; pi [nS*nA] */
    bool solved;                                /* the arrays below are given */
    double *V, *rho, *Q, *A, *grad, *natgrad;   /* [nX], [nX*nA] */
    double *d;                                  /* [nX] weights of the Fisher matrix */
    double J, rho_sum, fisher_scale, A_max;
    double k, N, M;                             /* what the units are made of */
} answer;

static void find_absorbing(problem *p)
{
    const csv *t = &p->transitions;
    double *stay = vector(p->nS * p->nA);
    p->absorbing = allocate((size_t)p->nS, sizeof *p->absorbing);
    for (int s = 0; s < p->nS; s++) p->absorbing[s] = true;
    for (int row = 0; row < t->rows; row++) {
        int s = csv_index(t, row, "s", p->nS), a = csv_index(t, row, "a", p->nA);
        bool stays = csv_index(t, row, "s_next", p->nS) == s && !csv_index(t, row, "terminated", 2);
        if (stays) stay[s * p->nA + a] += csv_number(t, row, "prob");
        if (csv_number(t, row, "reward") != 0) p->absorbing[s] = false;
    }
    for (int i = 0; i < p->nS * p->nA; i++)
        if (!(fabs(stay[i] - 1) <= 1e-9)) p->absorbing[i / p->nA] = false;
    for (int s = 0; s < p->nS; s++) p->absorbs |= p->absorbing[s];
    free(stay);
}

static problem read_problem(const library *l, int row)
{
    problem p = { .name = csv_text(&l->index, row, "mdp") };
    p.nS = csv_index(&l->index, row, "states", 100000);
    p.nA = csv_index(&l->index, row, "actions", 10000);
    p.nX = p.nS + csv_index(&l->index, row, "episodic", 2);
    if (p.nS < 1 || p.nA < 1) stop(BAD_INPUT, "%s: %s has no state or no action", l->index.path, p.name);
    p.file = text_of("%s/mdp/%s.mdp", l->dir, p.name);
    p.transitions = csv_read(text_of("%s/mdp/%s.transitions.csv", l->dir, p.name));
    p.policies = csv_read(text_of("%s/exact/%s.policies.csv", l->dir, p.name));
    p.state = csv_read(text_of("%s/exact/%s.state.csv", l->dir, p.name));
    p.sa = csv_read(text_of("%s/exact/%s.sa.csv", l->dir, p.name));
    p.optimal_q = csv_read(text_of("%s/exact/%s.optimal_q.csv", l->dir, p.name));
    char *fisher = text_of("%s/exact/%s.fisher.csv", l->dir, p.name);
    p.has_fisher = access(fisher, F_OK) == 0;           /* given for small MDPs only */
    if (p.has_fisher) p.fisher = csv_read(fisher);
    else free(fisher);
    find_absorbing(&p);
    return p;
}

static void free_problem(problem *p)
{
    free(p->file);
    free(p->absorbing);
    csv *tables[] = { &p->transitions, &p->policies, &p->state, &p->sa, &p->fisher, &p->optimal_q };
    for (size_t i = 0; i < sizeof tables / sizeof *tables; i++) csv_free(tables[i]);
}

static double max_abs(int n, const double *x)
{
    double most = 0;
    for (int i = 0; i < n; i++) most = fmax(most, fabs(x[i]));
    return most;
}

/* exact/scalars.csv. Where V itself is not given M has |J| instead, which is smaller: tighter units. */
static void read_scalars(const library *l, const problem *p, answer *a)
{
    const csv *c = &l->scalars;
    int row = csv_row(c, (key){ p->name, a->gamma_text, a->policy });
    if (row < 0) stop(BAD_INPUT, "%s: no row %s,%s,%s", c->path, p->name, a->gamma_text, a->policy);
    a->gamma = csv_number(c, row, "gamma");
    a->J = csv_number(c, row, "J");
    a->rho_sum = csv_number(c, row, "rho_sum");
    a->fisher_scale = csv_number(c, row, "fisher_scale");
    a->A_max = csv_number(c, row, "max_abs_A");
    a->k = fmax(1, csv_number(c, row, "inv_norm_inf"));
    a->N = p->nS > 4 ? p->nS : 4;
    a->M = fmax(fmax(1, a->A_max), a->solved ? max_abs(p->nS, a->V) : fabs(a->J));
}

static answer read_answer(const library *l, const problem *p, const char *gamma, const char *policy)
{
    int nS = p->nS, nA = p->nA, nXA = p->nX * nA;
    key k = { NULL, gamma, policy };
    answer a = { .gamma_text = gamma, .policy = policy };
    a.theta = vector(nXA), a.pi = vector(nXA);
    a.V = vector(p->nX), a.rho = vector(p->nX), a.d = vector(p->nX);
    a.Q = vector(nXA), a.A = vector(nXA), a.grad = vector(nXA), a.natgrad = vector(nXA);
    if (!csv_fill(&p->policies, (key){ NULL, NULL, policy }, nS, nA, "theta", a.theta))
        stop(BAD_INPUT, "%s: no policy %s", p->policies.path, policy);
    csv_fill(&p->policies, (key){ NULL, NULL, policy }, nS, nA, "pi", a.pi);
    a.solved = csv_fill(&p->state, k, nS, 0, "V", a.V);
    if (a.solved) {
        csv_fill(&p->state, k, nS, 0, "rho", a.rho);
        if (!csv_fill(&p->sa, k, nS, nA, "Q", a.Q))
            stop(BAD_INPUT, "%s: no rows %s,%s", p->sa.path, gamma, policy);
        csv_fill(&p->sa, k, nS, nA, "A", a.A);
        csv_fill(&p->sa, k, nS, nA, "grad", a.grad);
        csv_fill(&p->sa, k, nS, nA, "natgrad", a.natgrad);
    }
    read_scalars(l, p, &a);
    for (int s = 0; s < nS; s++) a.d[s] = p->absorbing[s] ? 0 : a.fisher_scale * a.rho[s];
    return a;
}

static void free_answer(answer *a)
{
    double *arrays[] = { a->theta, a->pi, a->V, a->rho, a->d, a->Q, a->A, a->grad, a->natgrad };
    for (size_t i = 0; i < sizeof arrays / sizeof *arrays; i++) free(arrays[i]);
}

/* F [nXA x nXA]: blocks d(s) (diag(pi) - pi pi^T), 0 elsewhere; where fisher.csv covers (gamma, policy) its
 * entries and zeros instead. */
static void read_fisher(const problem *p, const answer *a, double *F)
{
    const csv *c = &p->fisher;
    int nA = p->nA;
    size_t nXA = (size_t)(p->nX * nA);
    key k = { NULL, a->gamma_text, a->policy };
    bool listed = p->has_fisher && csv_row(c, k) >= 0;
    memset(F, 0, nXA * nXA * sizeof *F);
    for (int s = 0; s < p->nS && !listed; s++)
        for (int i = 0; i < nA; i++)
            for (int j = 0; j < nA; j++) {
                const double *pi = a->pi + s * nA;
                double *entry = F + (size_t)(s * nA + i) * nXA + (size_t)(s * nA + j);
                *entry = a->d[s] * ((i == j) * pi[i] - pi[i] * pi[j]);
            }
    for (int row = 0; row < c->rows && listed; row++) {
        if (!csv_matches(c, row, k)) continue;
        int s = csv_index(c, row, "s", p->nS);
        size_t i = (size_t)(s * nA + csv_index(c, row, "a", nA));
        size_t j = (size_t)(s * nA + csv_index(c, row, "b", nA));
        if (!p->absorbing[s]) F[i * nXA + j] = F[j * nXA + i] = csv_number(c, row, "F");
    }
}

/* ------------------------------------------------------------------------------------ one verdict */

static int n_passed, n_failed, n_weak;

/* One row of output. The comparison is written so that a NaN fails. */
static void verdict(const char *name, const char *what, double error, double limit, bool weak,
                    const char *why)
{
    bool held = error <= limit;
    if (held && weak) n_weak++;
    else if (held) n_passed++;
    else n_failed++;
    printf("%s/%s %.3g %.3g %s%s%s\n", name, what, error, limit, !held ? "FAIL" : weak ? "WEAK" : "PASS",
           !held && *why ? " " : "", held ? "" : why);
}

/* Error and unit in the quantity's own scale; scale is its magnitude. */
static void verdict_in_units(const char *name, const char *what, double error, double unit, double scale,
                             const char *why)
{
    verdict(name, what, error / unit, UNITS, !(UNITS * unit <= 1e-6 * scale), why);
}

/* NaN stands for null: undefined or infinite. It equals only itself. */
static double distance(double x, double y)
{
    if (isnan(x) || isnan(y)) return isnan(x) && isnan(y) ? 0 : INFINITY;
    return fabs(x - y);
}

/* -------------------------------------------------------------------------------------- the program */

typedef struct {
    const char *ascent;
    char *folder, *policy, *against, *errors;       /* temporary: two policy files, the program's stderr */
} workshop;

static workshop bench;

static void bench_clear(void)
{
    if (!bench.folder) return;
    unlink(bench.policy);
    unlink(bench.against);
    unlink(bench.errors);
    rmdir(bench.folder);
}

static void bench_open(const char *ascent)
{
    const char *tmp = getenv("TMPDIR");
    char *folder = text_of("%s/reference.XXXXXX", tmp && *tmp ? tmp : "/tmp");
    if (!mkdtemp(folder)) stop(IO_FAILURE, "%s: %s", folder, strerror(errno));
    bench = (workshop){ ascent, folder, text_of("%s/policy.csv", folder), text_of("%s/against.csv", folder),
                        text_of("%s/errors", folder) };
    atexit(bench_clear);
}

/* A policy file: one row of nA logits per state, all zeros for the extra state. */
static void write_policy(const char *path, const problem *p, const double *theta)
{
    FILE *out = fopen(path, "w");
    if (!out) stop(IO_FAILURE, "%s: %s", path, strerror(errno));
    for (int i = 0; i < p->nX * p->nA; i++)
        fprintf(out, "%.17g%c", theta[i], (i + 1) % p->nA ? ',' : '\n');
    bool lost = ferror(out);
    if (fclose(out) != 0 || lost) stop(IO_FAILURE, "%s: %s", path, strerror(errno));
}

static void first_line(const char *path, char *line, size_t size)
{
    FILE *in = fopen(path, "r");
    if (!in || !fgets(line, (int)size, in)) snprintf(line, size, "nothing on stderr");
    line[strcspn(line, "\n")] = '\0';
    if (in) fclose(in);
}

/* Runs argv and returns what it wrote to stdout, or NULL with the reason. */
static char *run_program(char *const argv[], size_t *length, char *why, size_t size)
{
    int ends[2], status;
    char line[300];
    fflush(stdout);
    if (pipe(ends) != 0) stop(IO_FAILURE, "pipe: %s", strerror(errno));
    pid_t child = fork();
    if (child < 0) stop(IO_FAILURE, "fork: %s", strerror(errno));
    if (child == 0) {
        int errors = open(bench.errors, O_WRONLY | O_CREAT | O_TRUNC, 0600);
        if (errors < 0 || dup2(ends[1], 1) < 0 || dup2(errors, 2) < 0) _exit(126);
        close(ends[0]);
        close(ends[1]);
        close(errors);
        alarm(SECONDS_PER_RUN);         /* stays set across exec: a hanging program is a failure */
        execvp(argv[0], argv);
        _exit(127);
    }
    close(ends[1]);
    FILE *in = fdopen(ends[0], "r");
    char *text = in ? read_all(in, length) : NULL;
    if (!text) stop(IO_FAILURE, "reading from %s: %s", argv[0], strerror(errno));
    fclose(in);
    while (waitpid(child, &status, 0) < 0)
        if (errno != EINTR) stop(IO_FAILURE, "waitpid: %s", strerror(errno));
    if (WIFEXITED(status) && WEXITSTATUS(status) == 0) return text;
    first_line(bench.errors, line, sizeof line);
    snprintf(why, size, "%s %d: %s", WIFEXITED(status) ? "exit status" : "signal",
             WIFEXITED(status) ? WEXITSTATUS(status) : WTERMSIG(status), line);
    free(text);
    return NULL;
}

/* The JSON object of one run, or NULL after a FAIL row. */
static json_t *run_json(const char *name, char *const argv[])
{
    char why[400] = "";
    size_t length = 0;
    json_error_t bad;
    json_t *out = NULL;
    char *text = run_program(argv, &length, why, sizeof why);
    if (text && !(out = json_loadb(text, length, JSON_REJECT_DUPLICATES, &bad)))
        snprintf(why, sizeof why, "not JSON: line %d column %d: %s", bad.line, bad.column, bad.text);
    if (out && !json_is_object(out)) {
        snprintf(why, sizeof why, "not a JSON object");
        json_decref(out);
        out = NULL;
    }
    if (!out) verdict(name, "run", NAN, 0, false, why);
    free(text);
    return out;
}

/* -------------------------------------------------------------------------------- comparing JSON */

/* A number or null. */
static bool read_number(const json_t *node, double *x)
{
    *x = json_is_number(node) ? json_number_value(node) : NAN;
    return json_is_number(node) || json_is_null(node);
}

/* x [rows*columns] from an array of arrays, or x [rows] from an array when columns = 0. */
static bool read_array(const json_t *node, int rows, int columns, double *x, char *why, size_t size)
{
    if (!json_is_array(node) || json_array_size(node) != (size_t)rows) {
        snprintf(why, size, "expected an array of %d, found %s of %zu", rows, node ? "one" : "no key,",
                 json_array_size(node));
        return false;
    }
    for (int i = 0; i < rows; i++) {
        const json_t *row = json_array_get(node, (size_t)i);
        if (columns) {
            if (!read_array(row, columns, 0, x + (size_t)i * (size_t)columns, why, size)) return false;
        } else if (!read_number(row, &x[i])) {
            snprintf(why, size, "expected a number, found something else at %d", i);
            return false;
        }
    }
    return true;
}

/* The first `compared` of the program's nX rows against the reference. */
static void compare_array(const char *name, const char *what, const json_t *node, const problem *p,
                          int columns, int compared, const double *expected, double unit, double M)
{
    int width = columns ? columns : 1, worst = 0;
    double *x = vector(p->nX * width), error = 0;
    char why[200] = "";
    if (!read_array(node, p->nX, columns, x, why, sizeof why)) error = NAN;
    for (int i = 0; i < compared * width && !isnan(error); i++)
        if (distance(x[i], expected[i]) > error) error = distance(x[i], expected[worst = i]);
    if (!*why) snprintf(why, sizeof why, "state %d action %d: expected %.17g, found %.17g", worst / width,
                        worst % width, expected[worst], x[worst]);
    double scale = max_abs(compared * width, expected);
    verdict_in_units(name, what, error, unit, scale > 0 ? scale : M, why);
    free(x);
}

static void compare_number(const char *name, const char *what, const json_t *node, double expected,
                           double unit, double M)
{
    double x, error = NAN;
    char why[200] = "missing, or not a number";
    if (read_number(node, &x)) {
        error = distance(x, expected);
        snprintf(why, sizeof why, "expected %.17g, found %.17g", expected, x);
    }
    verdict_in_units(name, what, error, unit, fabs(expected) > 0 ? fabs(expected) : M, why);
}

/* A whole number that must be met exactly. */
static void compare_count(const char *name, const char *what, const json_t *node, double expected)
{
    double x, error = NAN;
    char why[200] = "missing, or not a number";
    if (read_number(node, &x)) {
        error = distance(x, expected);
        snprintf(why, sizeof why, "expected %.17g, found %.17g", expected, x);
    }
    verdict(name, what, error, 0, false, why);
}

/* The object has exactly the keys of `expected`, a list of words; the error counts the differences. */
static void compare_keys(const char *name, const char *what, json_t *node, const char *expected)
{
    char why[300] = "", word[40];
    int wrong = 0, used;
    size_t n = 0;
    for (const char *p = expected; sscanf(p, "%39s%n", word, &used) == 1; p += used, n++)
        if (!json_object_get(node, word)) {
            wrong++;
            snprintf(why, sizeof why, "no key %s", word);
        }
    size_t have = json_object_size(node) + (size_t)wrong;
    if (have > n) {
        snprintf(why, sizeof why, "%zu keys too many; expected: %s", have - n, expected);
        wrong += (int)(have - n);
    }
    verdict(name, what, wrong, 0, false, why);
}

/* ------------------------------------------------------------------------- Fisher, natural gradient */

/* e^T F e = sum_s d(s) Var_pi(e(s,.)), without cancellation */
static double fisher_form(const problem *p, const answer *a, const double *e)
{
    double sum = 0;
    for (int s = 0; s < p->nS; s++) {
        const double *pi = a->pi + s * p->nA, *es = e + s * p->nA;
        double mean = 0, var = 0;
        for (int b = 0; b < p->nA; b++) mean += pi[b] * es[b];
        for (int b = 0; b < p->nA; b++) var += pi[b] * (es[b] - mean) * (es[b] - mean);
        sum += a->d[s] * var;
    }
    return sum;
}

/* Largest over smallest nonzero eigenvalue of F, block by block. The block of a visited state has exactly
 * one eigenvalue 0 (its rows sum to 0): the smallest is skipped, the next one counts. */
static double fisher_condition(const problem *p, const answer *a)
{
    int nA = p->nA;
    double *block = vector(nA * nA), *w = vector(nA), most = 0, least = INFINITY;
    gsl_matrix_view F = gsl_matrix_view_array(block, (size_t)nA, (size_t)nA);
    gsl_vector_view lambda = gsl_vector_view_array(w, (size_t)nA);
    gsl_eigen_symm_workspace *work = gsl_eigen_symm_alloc((size_t)nA);
    for (int s = 0; s < p->nS && nA > 1; s++) {
        const double *pi = a->pi + s * nA;
        if (!(a->d[s] > 0)) continue;
        for (int i = 0; i < nA; i++)
            for (int j = 0; j < nA; j++) block[i * nA + j] = (i == j) * pi[i] - pi[i] * pi[j];
        if (gsl_eigen_symm(&F.matrix, &lambda.vector, work) != GSL_SUCCESS)
            stop(CHECK_FAILED, "%s: no eigenvalues in state %d", p->name, s);
        gsl_sort_vector(&lambda.vector);                    /* ascending */
        most = fmax(most, a->d[s] * w[nA - 1]);
        least = fmin(least, a->d[s] * fmax(w[1], 0));
    }
    gsl_eigen_symm_free(work);
    free(block);
    free(w);
    return most > 0 ? most / least : 1;
}

/* The part of x in the null space of F, relative to x: a constant in each state, all of x in a state that is
 * not visited. The pseudo-inverse leaves nothing there. */
static double null_space_part(const problem *p, const answer *a, const double *x)
{
    double part = 0, all = 0;
    for (int s = 0; s < p->nX; s++) {
        double sum = 0, square = 0;
        for (int b = 0; b < p->nA; b++) {
            sum += x[s * p->nA + b];
            square += x[s * p->nA + b] * x[s * p->nA + b];
        }
        part += a->d[s] > 0 ? sum * sum / p->nA : square;
        all += square;
    }
    return all > 0 ? sqrt(part / all) : sqrt(part);
}

/* natural_gradient.lapack and .cg: the error in the F-norm, sqrt((x-y)^T F (x-y) / x^T F x), and the part in
 * the null space, which that norm does not see. Where the gradient is 0 there is nothing to be relative to:
 * then x is A's rounding error over fisher_scale, and is held against 10 units of that. */
static void compare_natural(const char *name, const char *what, const json_t *node, const problem *p,
                            const answer *a, double limit)
{
    int n = p->nX * p->nA;
    double *x = vector(n), *e = vector(n), error = NAN, part = NAN;
    char why[200] = "", *range = text_of("%s_range", what);
    if (read_array(node, p->nX, p->nA, x, why, sizeof why)) {
        for (int i = 0; i < n; i++) e[i] = x[i] - a->natgrad[i];
        double size = fisher_form(p, a, a->natgrad), off = fisher_form(p, a, e);
        double noise = UNITS * 2 * u * a->N * a->k * a->M / a->fisher_scale;
        error = size > 0 ? sqrt(off / size) : limit * sqrt(off) / noise;
        part = size > 0 ? null_space_part(p, a, x) : 0;
    }
    verdict(name, what, error, limit, limit > 1e-6, why);
    verdict(name, range, part, limit, limit > 1e-6, why);
    free(range);
    free(x);
    free(e);
}

/* Rank: |A| - 1 for each visited decision state. It is promised only where every d(s) pi(a|s) >= 1e-6. */
static void compare_rank(const char *name, const json_t *node, const problem *p, const answer *a)
{
    int rank = 0;
    double least = 1;
    for (int s = 0; s < p->nS; s++)
        for (int b = 0; b < p->nA && a->d[s] > 0; b++) {
            rank += b > 0;
            least = fmin(least, a->d[s] * a->pi[s * p->nA + b]);
        }
    if (least >= 1e-6) compare_count(name, "natural_gradient/rank", node, rank);
}

/* Agreement is between two solutions for one computed gradient: cond(F on its range) alone limits it. The
 * reference's natural gradient is A up to a constant, and A has the condition k of I - gamma P_pi, too. */
static void compare_natural_gradient(const char *name, json_t *node, const problem *p, const answer *a)
{
    double cond = fisher_condition(p, a), agree = cond <= 1e6 ? 1e-10 : 1e3 * u * cond, x;
    double limit = fmax(agree, 1e3 * u * a->k);
    compare_keys(name, "natural_gradient/keys", node, "lapack cg cg_iterations cg_outcome rank agreement");
    compare_rank(name, json_object_get(node, "rank"), p, a);
    if (!read_number(json_object_get(node, "cg_iterations"), &x) || !(x >= 0)) x = NAN;
    verdict(name, "natural_gradient/cg_iterations", x, 20.0 * p->nX * p->nA, false, "not a count");
    verdict(name, "natural_gradient/cg_outcome", !json_is_string(json_object_get(node, "cg_outcome")), 0,
            false, "not a string");
    if (strcmp(a->policy, "sharp") == 0) return;        /* eigenvalues down to exp(-40): no rank is right */
    compare_natural(name, "natural_gradient/lapack", json_object_get(node, "lapack"), p, a, limit);
    compare_natural(name, "natural_gradient/cg", json_object_get(node, "cg"), p, a, limit);
    /* where the gradient is 0 the ratio is 0/0: null, or whatever rounding made of it */
    bool given = read_number(json_object_get(node, "agreement"), &x);
    if (given && !(fisher_form(p, a, a->natgrad) > 0)) x = 0;
    verdict(name, "natural_gradient/agreement", x, agree, agree > 1e-6, "missing or null");
}

/* d(s) = fisher_scale rho(s), so F has rho's error times the scale; at gamma = 1 the scale 1/sum rho has as
 * much again, which the 10 units cover. Products and sums of pi <= 1 add a few u. */
static void compare_fisher(const char *name, const json_t *node, const problem *p, const answer *a)
{
    int n = p->nX * p->nA;
    size_t entries = (size_t)n * (size_t)n;
    double *F = allocate(entries, sizeof *F), *x = allocate(entries, sizeof *x), error = 0, scale = 0;
    double unit = u * a->N * a->k * a->k * a->fisher_scale + 4 * u;
    char why[200] = "";
    size_t worst = 0;
    read_fisher(p, a, F);
    if (!read_array(node, n, n, x, why, sizeof why)) error = NAN;
    for (size_t i = 0; i < entries && !isnan(error); i++) {
        scale = fmax(scale, fabs(F[i]));
        if (distance(x[i], F[i]) > error) error = distance(x[i], F[worst = i]);
    }
    if (!*why) snprintf(why, sizeof why, "row %zu column %zu: expected %.17g, found %.17g", worst / (size_t)n,
                        worst % (size_t)n, F[worst], x[worst]);
    verdict_in_units(name, "fisher", error, unit, scale > 0 ? scale : 1, why);
    free(F);
    free(x);
}

/* ----------------------------------------------------------------------------------- optimal values */

/* The largest expected number of steps to the end under a deterministic policy at gamma = 1; this is
 * ||(I - P_pi)^-1||_inf, whose rows sum to these times. INFINITY if some state never ends. */
static double steps_to_end(const problem *p, const double *policy)
{
    const csv *t = &p->transitions;
    int n = p->nS;
    double *I_P = allocate((size_t)n * (size_t)n, sizeof *I_P), *steps = vector(n), most = 1;
    gsl_matrix_view A = gsl_matrix_view_array(I_P, (size_t)n, (size_t)n);
    gsl_vector_view x = gsl_vector_view_array(steps, (size_t)n);
    gsl_permutation *pivot = gsl_permutation_alloc((size_t)n);
    int sign;
    for (int s = 0; s < n; s++) {
        I_P[(size_t)s * (size_t)n + (size_t)s] = 1;
        steps[s] = !p->absorbing[s];
    }
    for (int row = 0; row < t->rows; row++) {
        int s = csv_index(t, row, "s", n), s1 = csv_index(t, row, "s_next", n);
        if (csv_index(t, row, "a", p->nA) != (int)policy[s] || csv_index(t, row, "terminated", 2)) continue;
        if (!p->absorbing[s]) I_P[(size_t)s * (size_t)n + (size_t)s1] -= csv_number(t, row, "prob");
    }
    bool singular = gsl_linalg_LU_decomp(&A.matrix, pivot, &sign) != GSL_SUCCESS ||
                    gsl_linalg_LU_svx(&A.matrix, pivot, &x.vector) != GSL_SUCCESS;
    for (int s = 0; s < n; s++) {
        /* a class that never ends makes I - P_pi singular; rounding turns that into 1/u of either sign */
        if (singular || !(p->absorbing[s] || (steps[s] >= 0.5 && steps[s] < 1e12))) most = INFINITY;
        most = fmax(most, steps[s]);
    }
    free(I_P);
    free(steps);
    gsl_permutation_free(pivot);
    return most;
}

/* optimal.policy: how many states have an action that optimal_q.csv does not list as optimal; at gamma = 1
 * also whether the policy ends, since ties there include actions that go round for ever. */
static void compare_optimal_policy(const char *name, const json_t *node, const problem *p, const answer *a)
{
    int wrong = 0;
    double *policy = vector(p->nX), *good = vector(p->nS * p->nA);
    char why[200] = "";
    key k = { NULL, a->gamma_text, NULL };
    bool given = csv_fill(&p->optimal_q, k, p->nS, p->nA, "is_optimal", good);
    bool read = read_array(node, p->nX, 0, policy, why, sizeof why);
    for (int s = 0; read && s < p->nX; s++)
        if (!(policy[s] >= 0 && policy[s] < p->nA && policy[s] == floor(policy[s]))) {
            snprintf(why, sizeof why, "state %d: expected an action, found %g", s, policy[s]);
            read = false;
        }
    for (int s = 0; read && given && s < p->nS; s++)
        if (!(good[s * p->nA + (int)policy[s]] == 1) && wrong++ == 0)
            snprintf(why, sizeof why, "state %d: action %g is not optimal", s, policy[s]);
    if (given || !read) verdict(name, "optimal/policy", read ? wrong : NAN, 0, false, why);
    if (read && a->gamma == 1)
        verdict(name, "optimal/policy_ends", isinf(steps_to_end(p, policy)), 0, false,
                "it never ends in some state");
    free(policy);
    free(good);
}

/* V* is V of an optimal policy and has its unit, u N k M. For gamma < 1, k <= 1/(1-gamma) for every policy.
 * At gamma = 1 that bound is infinite; |V*| bounds k only where every step costs at least 1 (k <= max|V*|,
 * as in the cliff), not where reward comes at the end alone (a lake has V* <= 1 and k > 10). So k is taken
 * from the transitions under the reference's own optimal action: the expected number of steps to the end. */
static void compare_optimal(const char *name, json_t *node, const library *l, const problem *p,
                            const answer *a)
{
    key k = { p->name, a->gamma_text, NULL };
    double *V = vector(p->nX), *action = vector(p->nS);
    int row = csv_row(&l->optimal_scalars, k);
    compare_keys(name, "optimal/keys", node, "V policy J");
    if (csv_fill(&l->optimal_v, k, p->nS, 0, "V_star", V)) {
        csv_fill(&l->optimal_v, k, p->nS, 0, "action", action);
        double steps = a->gamma < 1 ? 1 / (1 - a->gamma) : steps_to_end(p, action);
        if (isinf(steps))
            stop(BAD_INPUT, "%s: the optimal policy of %s never ends", l->optimal_v.path, p->name);
        double M = fmax(1, max_abs(p->nS, V)), unit = u * a->N * steps * M;
        compare_array(name, "optimal/V", json_object_get(node, "V"), p, 0, p->nX, V, unit, M);
        if (row >= 0)
            compare_number(name, "optimal/J", json_object_get(node, "J"),
                           csv_number(&l->optimal_scalars, row, "J_star"), unit, M);
    }
    compare_optimal_policy(name, json_object_get(node, "policy"), p, a);
    free(V);
    free(action);
}

/* ------------------------------------------------------------------------------ one (gamma, policy) */

/* residuals: named errors in units, at least one, none above 10. */
static void compare_residuals(const char *name, json_t *node)
{
    const char *which, *worst = "no residual";
    json_t *value;
    double most = json_object_size(node) ? 0 : NAN, x;
    json_object_foreach(node, which, value) {
        bool bad = !read_number(value, &x) || !(x >= 0);
        if (bad || x > most) worst = which;
        most = bad || isnan(most) ? NAN : fmax(most, x);
    }
    verdict(name, "residuals", most, UNITS, false, worst);
}

/* rho, its sum over the reference's states, and its mass in the extra state: what is left of 1/(1-gamma),
 * null at gamma = 1. That state's row of (I - gamma P_pi^T)^-1 has the norm 1/(1-gamma). */
static void compare_rho(const char *name, const json_t *node, const problem *p, const answer *a)
{
    double *x = vector(p->nX), *expected = vector(p->nX), sum = 0, unit = u * a->N * a->k * a->k;
    double all = 1 / (1 - a->gamma), rest = a->gamma == 1 ? NAN : all - a->rho_sum;
    char why[200];
    for (int s = 0; s < p->nS; s++) expected[s] = p->absorbing[s] && a->gamma == 1 ? NAN : a->rho[s];
    if (a->solved) compare_array(name, "rho", node, p, 0, p->nS, expected, unit, 1);
    bool read = read_array(node, p->nX, 0, x, why, sizeof why);
    for (int s = 0; s < p->nS && read; s++) sum += isnan(expected[s]) ? 0 : x[s];
    /* n errors add up, but rho's is bounded in the 1-norm, too: by u N k sum(rho) <= u N k^2 */
    verdict_in_units(name, "rho_sum", read ? fabs(sum - a->rho_sum) : NAN, unit, a->rho_sum,
                     "rho is off or missing");
    if (p->nX > p->nS)
        verdict_in_units(name, "rho_absorbing", read ? distance(x[p->nS], rest) : NAN,
                         isnan(rest) ? u : u * a->N * all * all, isnan(rest) ? 1 : all,
                         "expected 1/(1-gamma) - sum(rho), null at gamma = 1");
    free(x);
    free(expected);
}

static void compare_solution(const char *name, json_t *out, const library *l, const problem *p,
                             const answer *a)
{
    bool fisher = p->nX * p->nA <= FISHER_MAX;
    double unit = u * a->N * a->k * a->M;
    compare_keys(name, "keys", out, fisher
        ? "states actions discount J V rho Q A gradient residuals fisher natural_gradient optimal"
        : "states actions discount J V rho Q A gradient residuals optimal");
    compare_count(name, "states", json_object_get(out, "states"), p->nX);
    compare_count(name, "actions", json_object_get(out, "actions"), p->nA);
    compare_count(name, "discount", json_object_get(out, "discount"), a->gamma);
    compare_number(name, "J", json_object_get(out, "J"), a->J, unit, a->M);
    compare_rho(name, json_object_get(out, "rho"), p, a);
    compare_residuals(name, json_object_get(out, "residuals"));
    if (a->solved) {
        compare_array(name, "V", json_object_get(out, "V"), p, 0, p->nX, a->V, unit, a->M);
        compare_array(name, "Q", json_object_get(out, "Q"), p, p->nA, p->nX, a->Q, unit, a->M);
        compare_array(name, "A", json_object_get(out, "A"), p, p->nA, p->nX, a->A, 2 * unit, a->M);
        compare_array(name, "gradient", json_object_get(out, "gradient"), p, p->nA, p->nX, a->grad,
                      unit * a->k, a->M);
    }
    if (fisher && a->solved) {
        compare_fisher(name, json_object_get(out, "fisher"), p, a);
        compare_natural_gradient(name, json_object_get(out, "natural_gradient"), p, a);
    }
    compare_optimal(name, json_object_get(out, "optimal"), l, p, a);
}

static void test_solution(const library *l, const problem *p, int row)
{
    const char *gamma = csv_text(&l->scalars, row, "gamma");
    answer a = read_answer(l, p, gamma, csv_text(&l->scalars, row, "policy"));
    char *name = text_of("%s/%s/%s", p->name, gamma, a.policy), *G = text_of("%s", gamma);
    char *argv[] = { (char *)bench.ascent, "solve", p->file, "--gamma", G, "--policy", bench.policy,
                     "--optimal", "--json", p->nX * p->nA <= FISHER_MAX ? "--fisher" : NULL, NULL };
    write_policy(bench.policy, p, a.theta);
    json_t *out = run_json(name, argv);
    if (out) compare_solution(name, out, l, p, &a);
    json_decref(out);
    free(name);
    free(G);
    free_answer(&a);
}

/* ------------------------------------------------------------------------------- pairs of policies */

typedef struct { double tv_max, kl_max, kl_mean, log_range; } divergence;

/* log pi(a|s) = theta(s,a) - log sum_b exp theta(s,b) */
static double log_pi(const answer *a, int nA, int s, int b)
{
    double sum = 0, most = -INFINITY;
    for (int c = 0; c < nA; c++) most = fmax(most, a->theta[s * nA + c]);
    for (int c = 0; c < nA; c++) sum += exp(a->theta[s * nA + c] - most);
    return a->theta[s * nA + b] - most - log(sum);
}

/* pairs.csv's maxima and mean run over all the reference's states, the program's over decision states: the
 * same unless a state absorbs; then they are made here. log_range = max(|log pi|, |log pi'|) is for units. */
static divergence read_divergence(const library *l, const problem *p, const answer *a, const answer *b,
                                  int row)
{
    const csv *c = &l->pairs;
    divergence d = { csv_number(c, row, "tv_max"), csv_number(c, row, "kl_pi_pi2_max"),
                     csv_number(c, row, "kl_pi_pi2_mean"), 1 }, own = { 0 };
    double weight = 0;
    for (int s = 0; s < p->nS; s++) {
        double tv = 0, kl = 0;
        if (p->absorbing[s]) continue;
        for (int i = 0; i < p->nA; i++) {
            double x = log_pi(a, p->nA, s, i), y = log_pi(b, p->nA, s, i);
            tv += fabs(exp(x) - exp(y)) / 2;
            kl += exp(x) * (x - y);
            d.log_range = fmax(d.log_range, fmax(-x, -y));
        }
        own.tv_max = fmax(own.tv_max, tv);
        own.kl_max = fmax(own.kl_max, kl);
        own.kl_mean += a->rho[s] * kl;
        weight += a->rho[s];
    }
    own.kl_mean = a->solved ? own.kl_mean / weight : NAN;
    own.log_range = d.log_range;
    return p->absorbs ? own : d;
}

/* Units, with k, M of pi and k2, M2 of pi':
 * J(pi') u N k2 M2; lhs both J's units; rhs: rho_pi' has a 1-norm error of u N k2 sum(rho_pi') <= u N k2^2
 * and weighs A <= M, A has 2 u N k M and is weighed by sum(rho_pi') <= k2; surrogate: the same with rho_pi,
 * and J's. tv: pi has |A| entries <= 1, each within a few u: u max(|A|, 4). kl: each of |A| terms
 * pi (log pi - log pi') has an error of u times the largest |log pi| =: L: u max(|A|, 4) L. Its mean over
 * rho_pi: the same, and rho's relative error in the 1-norm, u N k, times the largest kl.
 * lower_bound = surrogate - C kl_max with C = 4 eps gamma/(1-gamma)^2: the errors of the surrogate, of
 * C kl_max through kl_max, and of eps (2 u N k M) and a few roundings through C. */
static void compare_pair(const char *name, json_t *out, const library *l, const problem *p,
                         const answer *a, const answer *b, int row)
{
    const csv *c = &l->pairs;
    divergence d = read_divergence(l, p, a, b, row);
    json_t *difference = json_object_get(out, "performance_difference");
    double M = fmax(a->M, b->M), J1 = u * a->N * a->k * a->M, J2 = u * b->N * b->k * b->M;
    double L = csv_number(c, row, "surrogate_L");
    double C = csv_number(c, row, "C"), eps = csv_number(c, row, "eps");
    double rhs = u * a->N * b->k * (b->k * a->A_max + 2 * a->k * a->M);
    double surrogate = J1 + u * a->N * a->k * (a->k * a->A_max + 2 * a->k * a->M);
    double tv = u * (p->nA > 4 ? p->nA : 4), kl = tv * d.log_range;
    double bound = surrogate + C * kl + C * d.kl_max * (2 * J1 / fmax(eps, J1) + 4 * u);

    compare_keys(name, "keys", out, "J performance_difference tv_max kl_max kl_mean surrogate lower_bound");
    compare_keys(name, "performance_difference/keys", difference, "lhs rhs");
    compare_number(name, "J", json_object_get(out, "J"), csv_number(c, row, "eta_pi2"), J2, M);
    compare_number(name, "performance_difference/lhs", json_object_get(difference, "lhs"),
                   csv_number(c, row, "eta_diff"), J1 + J2, M);
    compare_number(name, "performance_difference/rhs", json_object_get(difference, "rhs"),
                   csv_number(c, row, "perf_diff_sum"), rhs, M);
    compare_number(name, "tv_max", json_object_get(out, "tv_max"), d.tv_max, tv, 1);
    compare_number(name, "kl_max", json_object_get(out, "kl_max"), d.kl_max, kl, 1);
    if (!isnan(d.kl_mean))
        compare_number(name, "kl_mean", json_object_get(out, "kl_mean"), d.kl_mean,
                       kl + u * a->N * a->k * d.kl_max, 1);
    compare_number(name, "surrogate", json_object_get(out, "surrogate"), L, surrogate, M);
    json_t *lower = json_object_get(out, "lower_bound");
    if (a->gamma == 1) compare_number(name, "lower_bound", lower, NAN, u, 1);
    else compare_number(name, "lower_bound", lower, L - C * d.kl_max, bound, M);
}

static void test_pair(const library *l, const problem *p, int row)
{
    const char *gamma = csv_text(&l->pairs, row, "gamma");
    answer a = read_answer(l, p, gamma, csv_text(&l->pairs, row, "pi"));
    answer b = read_answer(l, p, gamma, csv_text(&l->pairs, row, "pi2"));
    char *name = text_of("%s/%s/%s-%s", p->name, gamma, a.policy, b.policy), *G = text_of("%s", gamma);
    char *argv[] = { (char *)bench.ascent, "solve", p->file, "--gamma", G, "--policy", bench.policy,
                     "--against", bench.against, "--json", NULL };
    write_policy(bench.policy, p, a.theta);
    write_policy(bench.against, p, b.theta);
    json_t *out = run_json(name, argv);
    if (out) compare_pair(name, json_object_get(out, "against"), l, p, &a, &b, row);
    json_decref(out);
    free(name);
    free(G);
    free_answer(&a);
    free_answer(&b);
}

/* ---------------------------------------------------------------------------------------------- main */

static void test_problem(const library *l, int row)
{
    problem p = read_problem(l, row);
    key k = { p.name, NULL, NULL };
    for (int i = 0; i < l->scalars.rows; i++)
        if (csv_matches(&l->scalars, i, k)) test_solution(l, &p, i);
    for (int i = 0; i < l->pairs.rows; i++)
        if (csv_matches(&l->pairs, i, k)) test_pair(l, &p, i);
    free_problem(&p);
}

static void test_library(const char *dir, int max_states)
{
    library l = { .dir = dir };
    l.index = csv_read(text_of("%s/mdp/index.csv", dir));
    l.scalars = csv_read(text_of("%s/exact/scalars.csv", dir));
    l.pairs = csv_read(text_of("%s/exact/pairs.csv", dir));
    l.optimal_v = csv_read(text_of("%s/exact/optimal_v.csv", dir));
    l.optimal_scalars = csv_read(text_of("%s/exact/optimal_scalars.csv", dir));
    for (int row = 0; row < l.index.rows; row++) {
        int nS = csv_index(&l.index, row, "states", 100000);
        if (nS <= max_states) test_problem(&l, row);
        else printf("# %s left out: %d states\n", csv_text(&l.index, row, "mdp"), nS);
    }
    csv *tables[] = { &l.index, &l.scalars, &l.pairs, &l.optimal_v, &l.optimal_scalars };
    for (size_t i = 0; i < sizeof tables / sizeof *tables; i++) csv_free(tables[i]);
}

int main(int argc, char **argv)
{
    const char *given[2] = { NULL, NULL };
    int n = 0;
    long max_states = 70;
    gsl_set_error_handler_off();            /* its calls are checked where they stand */
    for (int i = 1; i < argc; i++) {
        char *end;
        if (strcmp(argv[i], "--max-states") == 0 && i + 1 < argc) {
            errno = 0;
            max_states = strtol(argv[++i], &end, 10);
            if (end == argv[i] || *end || errno || max_states < 1 || max_states >= 100000)
                stop(BAD_INPUT, "--max-states: expected a number in 1..99999, found %s", argv[i]);
        } else if (argv[i][0] == '-' || n == 2) {
            stop(BAD_INPUT, "usage: reference ASCENT DIR [--max-states N]; found %s", argv[i]);
        } else {
            given[n++] = argv[i];
        }
    }
    if (n < 2) stop(BAD_INPUT, "usage: reference ASCENT DIR [--max-states N]");
    bench_open(given[0]);
    test_library(given[1], (int)max_states);
    if (n_weak) printf("%d weak: they hold, but the bound is too loose to mean anything\n", n_weak);
    printf("%d passed, %d failed\n", n_passed, n_failed);
    if (fflush(stdout) != 0 || ferror(stdout)) stop(IO_FAILURE, "stdout: %s", strerror(errno));
    return n_failed || !n_passed ? CHECK_FAILED : HELD;
}
