/* `ascent grade N DIR`: what of an assignment is right, equation by equation. */
#define _DEFAULT_SOURCE                     /* realpath */
#include "chapters/grade.h"

#include <errno.h>
#include <fcntl.h>
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "autodiff/json.h"
#include "autodiff/linalg.h"
#include "autodiff/options.h"
#include "autodiff/random.h"
#include "autodiff/require.h"
#include "chapters/commands.h"
#include "chapters/grade_sandbox.h"

enum { MAX_CHECKS = 40, MAX_FILE = 1 << 20 };
#define CHECK_SECONDS   2.0             /* wall; the processor's limit is 1 s: 50 and 25 times what is needed */
#define ALL_SECONDS     8.0
#define COMPILE_SECONDS 8.0

struct grading {
    const assignment *a;
    sandbox room;
    gsl_rng *rng;                       /* of the check that is going on */
    foreign f;                          /* its process */
    bool running;
    bool answered;                      /* the last question */
    bool changed;                       /* a question, by an answer to it */
    const char *failure;                /* why what came is no answer, or NULL */
};

/* What a check found */
typedef struct {
    const check *c;
    int score;
    char why[GRADE_WHY];            /* lines; "" when all is right */
    char printed[FOREIGN_PRINTED + 1];
} finding;

typedef struct {
    const assignment *a;
    const char *room;                   /* the sandbox, in words */
    char missing[1000];                 /* lines: the files that were not taken, and why */
    char failure[FOREIGN_PRINTED + 200];        /* nothing could be asked; or "" */
    int n, score, most;
    finding finding[MAX_CHECKS];
} report;

/* ---- asking ---- */

gsl_rng *grading_rng(grading *g) { return g->rng; }

bool grading_ask(grading *g, const question *q, int n, double *x)
{
    question sent = *q;
    answer a;
    sent.nonce = (uint64_t)gsl_rng_get(g->rng) << 32 | gsl_rng_get(g->rng);
    sent.beyond = gsl_rng_uniform(g->rng);
    if (!g->running) sandbox_run(&g->room, CHECK_SECONDS, &g->f);
    g->running = true;
    g->answered = foreign_ask(&g->f, &sent, sizeof sent, &a, sizeof a) == FOREIGN_ANSWERED;
    if (!g->answered) {
        g->failure = "no answer";
        return false;
    }
    if (a.nonce != sent.nonce || a.n != n) {
        g->failure = "something wrote in its stead: what came back is no answer";
        return false;
    }
    g->changed = g->changed || a.changed;
    for (int i = n; i < QUESTION_N && !g->failure; i++)
        if (a.x[i] != sent.beyond) g->failure = "it writes behind the end of its result";
    memcpy(x, a.x, (size_t)n * sizeof *x);
    return !g->failure;
}

/* ---- judging ---- */

int grading_say(char *why, int at, const char *fmt, ...)
{
    va_list args;
    va_start(args, fmt);
    int n = vsnprintf(why + at, (size_t)(GRADE_WHY - at), fmt, args);
    va_end(args);
    return at + n < GRADE_WHY - 1 ? at + n : GRADE_WHY - 1;
}

/* The first number that is off by more than `room` errors, or -1; what it should be in want. NaN is off. */
static int first_off(const check *c, const asked *x, respond *right, const numbers *got, double room, double *want)
{
    double says[QUESTION_N] = { 0 };
    right(x, says);
    for (int i = 0; i < c->f.size(x); i++)
        if (!(fabs(got->x[i] - says[i]) <= room * c->error(x))) {
            *want = says[i];
            return i;
        }
    return -1;
}

static bool all_as(const check *c, const asked *x, respond *says, const numbers *got, double room)
{
    double want;
    for (int k = 0; k < c->questions; k++)
        if (first_off(c, &x[k], says, &got[k], room, &want) >= 0) return false;
    return true;
}

static const char *variant_like(const check *c, const asked *x, const numbers *got)
{
    for (const variant *v = c->wrong; v && v->name; v++)
        if (all_as(c, x, v->answer, got, 1)) return v->name;
    return NULL;
}

static int say_list(char *why, int at, const char *name, int T, const double *x)
{
    for (int t = 0; t < T; t++) at = grading_say(why, at, "%s%s%.6g", t ? ", " : name, t ? "" : " = (", x[t]);
    return grading_say(why, at, ")");
}

/* "T = 2, gamma = 0.5, r = (1, 2), b = 0.25": what the function sees of it, lists only where they are short */
static int say_question(char *why, const check *c, const question *q)
{
    int at = grading_say(why, 0, "T = %d", q->T);
    for (const char *i = c->inputs; *i; i++) switch (*i) {
        case 'g': at = grading_say(why, at, ", gamma = %.6g", q->gamma); break;
        case 'b': at = grading_say(why, at, ", b = %.6g", q->b); break;
        case 'a': at = grading_say(why, at, ", rate = %.6g", q->rate); break;
        case 'D': at = grading_say(why, at, ", |D| = %d", q->segments); break;
        case 'p': at = grading_say(why, at, ", %d observed, %d actions, %d hidden", q->d, q->nA, q->hidden); break;
        case 'r': if (q->T <= 4) at = say_list(why, at, ", r", q->T, q->r); break;
        case 'V': if (q->T <= 4) at = say_list(why, at, ", V", q->T, q->V); break;
        case 'w': if (q->T <= 4) at = say_list(why, at, ", w", q->T, q->w); break;
        case 'l': if (q->T <= 4) at = say_list(why, at, ", log pi", q->T, q->logp); break;
        default:  require(false, "an input %c", *i);
    }
    return at;
}

static void say_wrong(char *why, const check *c, const asked *x, const numbers *got)
{
    double want = 0;
    int k = 0, i;
    while ((i = first_off(c, &x[k], c->f.right, &got[k], 1, &want)) < 0) k++;
    int at = say_question(why, c, &x[k].q);
    if (c->scalar && i == 0) at = grading_say(why, at, ": %s", c->scalar);
    else                     at = grading_say(why, at, ": %s[%d]", c->vector, c->scalar ? i - 1 : i);
    grading_say(why, at, " expected %.10g, got %.10g\n", want, got[k].x[i]);
}

/* y: x with the student's own answers of the function that c is built on in the place of the right ones. false
 * when there is nothing to build on: no answer, no numbers, or 0 throughout. */
static bool take_own(grading *g, const check *c, const asked *x, asked *y)
{
    double largest = 0;
    for (int k = 0; k < c->questions; k++) {
        y[k] = x[k];
        question q = x[k].q;
        const int n = c->given->size(&x[k]);
        q.what = c->given->what;
        bool came = grading_ask(g, &q, n, y[k].given.x);
        g->failure = NULL;                          /* that function's loss, not this one's */
        if (!came) return false;
        const int behind_J = n == q.T + 1;          /* of an objective the slopes count */
        largest = linalg_greater(largest, linalg_max_abs(n - behind_J, y[k].given.x + behind_J));
    }
    return largest > 0 && largest < 1e9;            /* false for NaN */
}

/* Does the function write into its inputs, and not only the one that it is built on? */
static bool writes_into_inputs(grading *g, const check *c, const asked *x, char *why)
{
    if (!g->changed) return false;
    double unused[QUESTION_N];
    g->changed = false;
    for (int k = 0; k < c->questions && c->given && !g->changed; k++) {
        question q = x[k].q;
        q.what = c->given->what;
        grading_ask(g, &q, c->given->size(&x[k]), unused);
    }
    g->failure = NULL;
    if (g->changed) return false;
    grading_say(why, 0, "its numbers are right, but it writes into its inputs, which belong to the caller\n");
    return true;
}

static bool right_or_why(grading *g, const check *c, const asked *x, const numbers *got, char *why)
{
    if (all_as(c, x, c->f.right, got, 1)) return true;
    asked *y = allocate((size_t)c->questions, sizeof *y, "questions");
    const bool own = c->given && take_own(g, c, x, y), right = own && all_as(c, y, c->f.right, got, 1);
    const char *like = variant_like(c, x, got);
    if (!like && own) like = variant_like(c, y, got);
    if (!like && all_as(c, x, c->f.right, got, 0x1p29))         /* 52 - 23 bits */
        like = "right to some seven digits: float instead of double";
    free(y);
    if (right) return true;
    say_wrong(why, c, x, got);
    if (like) grading_say(why, (int)strlen(why), "matches: %s\n", like);
    return false;
}

static bool judge_questions(grading *g, const check *c, char *why)
{
    asked *x = allocate((size_t)c->questions, sizeof *x, "questions");
    numbers *got = allocate((size_t)c->questions, sizeof *got, "answers");
    bool right = true;
    for (int k = 0; k < c->questions && right; k++) {
        c->ask(g->rng, k, &x[k]);
        x[k].q.what = c->f.what;
        if (c->given) c->given->right(&x[k], x[k].given.x);
        right = grading_ask(g, &x[k].q, c->f.size(&x[k]), got[k].x);
        if (!right) grading_say(why, say_question(why, c, &x[k].q), ": ");
    }
    right = right && right_or_why(g, c, x, got, why) && !writes_into_inputs(g, c, x, why);
    free(got);
    free(x);
    return right;
}

static void judge(grading *g, const check *c, uint64_t seed, uint32_t k, finding *found)
{
    char how[120], why[GRADE_WHY] = "";
    g->rng = random_stream(seed, k, RANDOM_TEST);
    g->running = false;
    g->failure = NULL;
    g->changed = false;
    bool right = c->judge ? c->judge(g, why) : judge_questions(g, c, why);
    if (g->running) foreign_end(&g->f, how, sizeof how);
    const char *ended = g->answered ? "" : how;
    if (g->failure) grading_say(why, (int)strlen(why), "%s%s%s\n", g->failure, *ended ? ": " : "", ended);
    *found = (finding){ .c = c, .score = right ? c->points : 0 };
    bool unwritten = !right && g->running && strstr(g->f.printed, "not implemented yet (required: !\"written\")");
    if (unwritten) strcpy(found->why, "not implemented yet\n");
    else if (!right) {
        memcpy(found->why, why, sizeof why);
        if (g->running) memcpy(found->printed, g->f.printed, sizeof found->printed);
    }
    gsl_rng_free(g->rng);
}

/* ---- the submission ---- */

/* Nothing to grade is a mistake in the call; a file too few costs what is in it. */
static void require_a_file(const assignment *a, const char *folder)
{
    char path[1200], names[200] = "";
    struct stat s;
    for (const char *const *f = a->files; *f; f++) {
        snprintf(path, sizeof path, "%.1000s/%s", folder, *f);
        if (lstat(path, &s) == 0) return;
        strcat(strcat(names, f == a->files ? "" : ", "), *f);
    }
    bad_input("%s: expected %s in it, found none of them", folder, names);
}

/* Copies DIR/name, a plain file of some size, to the room; where there is none, an empty one, and why */
static void take_file(const grading *g, const char *folder, const char *name, char *why, size_t size)
{
    char from[1200], to[1200];
    struct stat s;
    snprintf(from, sizeof from, "%.1000s/%s", folder, name);
    snprintf(to, sizeof to, "%s/src/%s", g->room.work, name);
    int in = open(from, O_RDONLY | O_NOFOLLOW | O_NONBLOCK);
    bool plain = in >= 0 && fstat(in, &s) == 0 && S_ISREG(s.st_mode) && s.st_size <= MAX_FILE;
    const char *found = plain ? "" : in < 0 ? strerror(errno) : S_ISREG(s.st_mode) ? "a larger one" : "none";
    if (!plain) snprintf(why, size, "%s: expected a plain file of at most 1 MB, found %s\n", name, found);
    char *text = allocate(MAX_FILE, 1, "a file");
    ssize_t n = plain ? read(in, text, MAX_FILE) : 0;
    FILE *out = fopen(to, "w");
    if (n < 0 || !out || fwrite(text, 1, (size_t)n, out) != (size_t)n || fclose(out) != 0)
        io_failure("%s: %s", to, strerror(errno));
    if (in >= 0) close(in);
    free(text);
}

/* Compiles each file by itself, so that messages carry its name, then links them to out/student.so: of its
 * names only answer_question is seen, and what that does not reach (the training loop) is left out. */
static void write_script(const grading *g, char *script, size_t size)
{
    const char *cc = getenv("CC");
    if (!cc || !*cc || strspn(cc, "abcdefghijklmnopqrstuvwxyz0123456789+-._/") != strlen(cc)) cc = "cc";
    int n = snprintf(script, size,
        "pids=; for f in");
    for (const char *const *f = g->a->files; *f; f++) n += snprintf(script + n, size - (size_t)n, " %s", *f);
    snprintf(script + n, size - (size_t)n,
        "; do %s -std=c11 -D_POSIX_C_SOURCE=200809L -I$ASSIGNMENTS/include -O1 -fPIC -ffp-contract=off"
        " -ffunction-sections -fdata-sections -Wall -Wextra -Wno-unused-parameter -Wno-missing-field-initializers"
        " -MD -MF $OUT/$f.d -c $f -o $OUT/$f.o & pids=\"$pids $!\"; done\n"
        "for p in $pids; do wait $p || exit 1; done\n"
        "echo '{ global: answer_question; local: *; };' >$OUT/names\n"
        "exec %s -shared -o $OUT/student.so $OUT/*.o $ASSIGNMENTS/%d/answers.o -Wl,-z,lazy,--gc-sections"
        ",--version-script=$OUT/names\n", cc, cc, g->a->number);
}

/* For a room that does not hide the rest of the machine: only headers of the library, of the system, and
 * the files themselves. The compiler's list of what it read, out/NAME.d, is a make rule. */
static bool includes_allowed(const grading *g, const char *name, char *why, size_t size)
{
    char path[1200], word[2048], real[4200], here[1200];
    snprintf(path, sizeof path, "%s/out/%s.d", g->room.work, name);
    snprintf(here, sizeof here, "%s/include/", g->room.home);
    FILE *in = fopen(path, "r");
    bool allowed = in != NULL;
    while (allowed && fscanf(in, "%2047s", word) == 1) {
        if (word[strlen(word) - 1] == ':' || !strchr(word, '/')) continue;
        allowed = *word == '/' && realpath(word, real) &&
                  (strncmp(real, here, strlen(here)) == 0 || strncmp(real, "/usr/include/", 13) == 0 ||
                   strncmp(real, "/usr/lib", 8) == 0 || strncmp(real, "/usr/local/include/", 19) == 0);
        if (!allowed)
            snprintf(why, size, "%s: includes %.1000s: expected headers of the library and the system\n", name,
                     word);
    }
    if (in) fclose(in);
    return allowed;
}

static bool build(grading *g, const char *folder, report *r)
{
    char script[4000], how[120];
    for (const char *const *f = g->a->files; *f; f++) {
        const size_t at = strlen(r->missing);
        take_file(g, folder, *f, r->missing + at, sizeof r->missing - at);
    }
    write_script(g, script, sizeof script);
    sandbox_compile(&g->room, script, COMPILE_SECONDS, &g->f);
    if (!foreign_end(&g->f, how, sizeof how)) {
        snprintf(r->failure, sizeof r->failure, "it does not compile (%s)\n%s", how, g->f.printed);
        return false;
    }
    for (const char *const *f = g->a->files; *f && !*g->room.bwrap; f++)
        if (!includes_allowed(g, *f, r->failure, sizeof r->failure)) return false;
    return true;
}

static void grade(grading *g, const char *folder, uint64_t seed, report *r)
{
    const double until = monotonic_seconds() + COMPILE_SECONDS + ALL_SECONDS;
    const bool built = build(g, folder, r);
    for (const check *c = g->a->checks; c->function && !sandbox_interrupted(); c++) {
        finding *found = &r->finding[r->n++];
        require(r->n <= MAX_CHECKS, "more than %d checks", MAX_CHECKS);
        *found = (finding){ .c = c };
        if (built && monotonic_seconds() < until) judge(g, c, seed, (uint32_t)r->n, found);
        else if (built) grading_say(found->why, 0, "not asked: the checks before have used up the time\n");
        r->score += found->score;
        r->most += c->points;
    }
}

/* ---- the report ---- */

/* Each line of the text behind a margin, at most `most` of them */
static void print_lines(const char *margin, const char *text, int most)
{
    for (int l = 0; *text; l++) {
        int n = (int)strcspn(text, "\n");
        if (l == most) {
            printf("%s...\n", margin);
            return;
        }
        printf("%s%.*s\n", margin, n, text);
        text += n + (text[n] == '\n');
    }
}

static void print_text(const report *r)
{
    printf("Assignment %d: %s\n\n", r->a->number, r->a->title);
    print_lines("", r->missing, 60);
    print_lines("", r->failure, 60);
    for (int i = 0; i < r->n && !*r->failure; i++) {
        const finding *f = &r->finding[i];
        printf("== %d.%-2d %-12s %s:  %s == %d/%d\n", r->a->number, i + 1, f->c->ids, f->c->function,
               f->c->equation, f->score, f->c->points);
        print_lines("     ", f->why, 20);
        if (*f->printed) printf("     it printed:\n");
        print_lines("     | ", f->printed, 8);
    }
    printf("\nScore: %d/%d      (sandbox: %s)\n", r->score, r->most, r->room);
}

/* Gradescope's results.json */
static void print_json(const report *r)
{
    json_t *o = json_checked(json_object()), *tests = json_checked(json_array());
    json_set(o, "score", json_number(r->score));
    char says[sizeof r->missing + sizeof r->failure];
    snprintf(says, sizeof says, "%s%s", r->missing, *r->failure ? r->failure : r->room);
    json_set(o, "output", json_text(says));
    for (int i = 0; i < r->n; i++) {
        const finding *f = &r->finding[i];
        char name[400], number[20], output[GRADE_WHY + FOREIGN_PRINTED + 40];
        snprintf(number, sizeof number, "%d.%d", r->a->number, i + 1);
        snprintf(name, sizeof name, "%s %s: %s", f->c->ids, f->c->function, f->c->equation);
        snprintf(output, sizeof output, "%s%s%s", f->why, *f->printed ? "it printed:\n" : "", f->printed);
        json_t *t = json_checked(json_object());
        json_set(t, "number", json_text(number));
        json_set(t, "name", json_text(name));
        json_set(t, "score", json_number(f->score));
        json_set(t, "max_score", json_number(f->c->points));
        json_set(t, "status", json_text(f->score == f->c->points ? "passed" : "failed"));
        json_set(t, "output", json_text(output));
        json_append(tests, t);
    }
    json_set(o, "tests", tests);
    json_print(o);
}

static void print_tap(const report *r)
{
    printf("TAP version 13\n1..%d\n", r->n);
    print_lines("# ", r->missing, 60);
    print_lines("# ", r->failure, 60);
    for (int i = 0; i < r->n; i++) {
        const finding *f = &r->finding[i];
        printf("%s %d - %d.%d %s %s: %d of %d points\n", f->score == f->c->points ? "ok" : "not ok", i + 1,
               r->a->number, i + 1, f->c->ids, f->c->function, f->score, f->c->points);
        print_lines("# ", f->why, 20);
        print_lines("# | ", f->printed, 8);
    }
    printf("# score: %d of %d\n", r->score, r->most);
}

/* FNV-1a, 64 bits, of the student's id, on top of the seed */
static uint64_t seed_of(uint64_t seed, const char *student)
{
    uint64_t hash = 0xcbf29ce484222325u;
    if (!student) return seed;
    for (int i = 0; i < 8; i++) hash = (hash ^ (seed >> 8 * i & 0xff)) * 0x100000001b3u;
    for (; *student; student++) hash = (hash ^ (unsigned char)*student) * 0x100000001b3u;
    return hash;
}

int grade_command(int argc, char **argv)
{
    const char *seed = "1", *student = NULL, *format = "text";
    char error[300], home[SANDBOX_PATH], secret[SANDBOX_PATH], runner[SANDBOX_PATH];
    const option table[] = {
        { "--seed", "K", "which inputs and MDPs are asked about (1)", &seed, NULL },
        { "--student", "ID", "inputs of this student's own, beside those of the seed", &student, NULL },
        { "--format", "F", "text, json (Gradescope's results.json) or tap", &format, NULL },
        { NULL, NULL, NULL, NULL, NULL } };
    int left = options_parse(argc, argv, "grade N DIR [--seed K] [--student ID] [--format text|json|tap]",
        "Grades the files of DIR for assignment N: each equation has points and is asked about fresh inputs, in\n"
        "a sandbox; a wrong answer is compared with those of known mistakes. Exit 0 for full marks, 1 for less,\n"
        "2 where there is nothing to grade, or no sandbox that works.", table);
    if (left != 2)
        bad_input("grade: expected the number of an assignment and a folder, found %d arguments", left);
    const assignment *a = assignment_find(argv[1]);
    const uint64_t K = seed_of(options_seed("--seed", seed), student);
    const bool text = strcmp(format, "text") == 0, json = strcmp(format, "json") == 0;
    if (!text && !json && strcmp(format, "tap") != 0)
        bad_input("--format: expected text, json or tap, found %s", format);
    struct stat s;
    if (stat(argv[2], &s) != 0 || !S_ISDIR(s.st_mode)) bad_input("%s: expected a folder", argv[2]);
    require_a_file(a, argv[2]);

    grading *g = allocate(1, sizeof *g, "a grading");
    report *r = allocate(1, sizeof *r, "a report");
    g->a = r->a = a;
    assignment_path(home, sizeof home, "assignments");
    assignment_path(secret, sizeof secret, "libascent.a");
    assignment_path(runner, sizeof runner, "assignments/runner");
    if (access(runner, X_OK) != 0) bad_input("%s: %s; `make` builds it", runner, strerror(errno));
    if (!sandbox_open(&g->room, home, secret, error, sizeof error)) bad_input("%s", error);
    r->room = g->room.about;
    grade(g, argv[2], K, r);
    sandbox_close(&g->room);
    if (text)      print_text(r);
    else if (json) print_json(r);
    else           print_tap(r);
    bool full = r->score == r->most;
    free(r);
    free(g);
    return full ? EXIT_HELD : EXIT_CHECK_FAILED;
}
