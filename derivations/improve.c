/* `ascent improve ALGORITHM MDP`: policy iteration that knows everything: advantages and visits are exact, so that
 * what an algorithm promises of J can be seen to hold. */
#include <jansson.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "algorithms/algorithm.h"
#include "algorithms/dual_gradient.h"
#include "algorithms/trpo_mm.h"
#include "algorithms/whole_file.h"
#include "autodiff/json.h"
#include "autodiff/linalg.h"
#include "autodiff/options.h"
#include "autodiff/require.h"
#include "derivations/commands.h"
#include "derivations/improvement.h"
#include "derivations/performance_difference.h"
#include "derivations/policy_file.h"

enum { SETTINGS = 64, MOST_ITERATIONS = 1000000 };

/* Of iteration i: what was promised of pi_i when it was made, and what it is */
typedef struct {
    improvement promised;
    double J, unit;                 /* exact, and a unit of its and its predecessor's error */
    double kl_max, kl_mean;         /* max KL(old||new), mean KL(new||old) */
} row;

typedef struct {
    const algorithm *algorithm;
    void *config;
    exact *pi;                      /* the last policy */
    row *row;                       /* [rows]; of row 0 J alone */
    int rows;
    enum improvement_outcome outcome;       /* IMPROVED: as many iterations as were asked for */
} iteration;

/* One update: false when the policy stays as it is */
static bool improve(iteration *it)
{
    char error[512];
    exact *old = it->pi;
    exact_table x = improvement_table(old);
    double *pi1 = allocate((size_t)old->nSA, sizeof *pi1, "a policy"), left = 1 - old->gamma;
    if (it->algorithm->discounted && !isfinite(4 * linalg_max_abs(old->nSA, old->A) / (left * left)))
        numerical_failure("improve: the penalty 4 max|A| gamma/(1-gamma)^2 overflows");
    row r = { .promised = it->algorithm->improve(it->config, &x, pi1) };
    it->outcome = r.promised.outcome;
    if (it->outcome == IMPROVED) {
        r.kl_max = trpo_mm_kl_max(&x, pi1);
        r.kl_mean = dual_gradient_mean_kl(&x, pi1);
        it->pi = improvement_exact(old, pi1, error, sizeof error);
        if (!it->pi) bad_input("after %d iterations: %s", it->rows, error);
        r.J = it->pi->J;
        r.unit = pair_unit(old, it->pi);
        it->row[it->rows++] = r;
        exact_free(old);
    }
    free(pi1);
    improvement_table_free(&x);
    return it->outcome == IMPROVED;
}

static bool promises_J(const iteration *it) { return it->rows > 1 && !isnan(it->row[1].promised.bound); }

/* Did all hold that was promised of pi_i? Each within 10 units */
static bool held(const iteration *it, int i)
{
    const row *r = &it->row[i];
    double before = it->row[i - 1].J, room = 10 * r->unit;
    bool L = r->promised.L >= before - room, kl = !(r->promised.kl_limit > 0) || r->kl_mean <= r->promised.kl_limit;
    if (isnan(r->promised.bound)) return L && kl;
    return L && kl && r->J >= r->promised.bound - room && r->promised.bound >= before - room;
}

static int times_held(const iteration *it)
{
    int n = 0;
    for (int i = 1; i < it->rows; i++) n += held(it, i);
    return n;
}

static int times_fallen(const iteration *it)
{
    int n = 0;
    for (int i = 1; i < it->rows; i++) n += it->row[i].J < it->row[i - 1].J - 10 * it->row[i].unit;
    return n;
}

static const char *ending(enum improvement_outcome o)
{
    static const char *const text[] = {
        [IMPROVED] = "as many iterations as were asked for",
        [IMPROVEMENT_OPTIMAL] = "no policy has an L of more than J, the tolerance and rounding",
        [IMPROVEMENT_STALLED] = "an action is better, but no step towards it is worth its penalty",
        [IMPROVEMENT_UNSETTLED] = "the inner iteration did not settle; the policy stays" };
    return text[o];
}

/* ---- text ---- */

static void print_number(int width, int digits, double x)
{
    if (isfinite(x)) printf(" %*.*g", width, digits, x);
    else             printf(" %*s", width, "-");
}

static void print_rows(const iteration *it)
{
    printf("%4s %22s %22s %22s %12s %12s %12s\n", "i", "J", "L", "bound", it->algorithm->step, "max KL", "mean KL");
    for (int i = 0; i < it->rows; i++) {
        const row *r = &it->row[i];
        printf("%4d %22.17g", i, r->J);
        print_number(22, 17, i ? r->promised.L : NAN);
        print_number(22, 17, i ? r->promised.bound : NAN);
        print_number(12, 6, i ? r->promised.step : NAN);
        print_number(12, 6, i ? r->kl_max : NAN);
        print_number(12, 6, i ? r->kl_mean : NAN);
        putchar('\n');
    }
}

static void print_text(const iteration *it)
{
    const exact *x = it->pi;
    int n = it->rows - 1;
    printf("%s on %s: %d states, %d actions, gamma %.15g; max KL(old||new), mean KL(new||old)\n\n",
           it->algorithm->name, x->M->name, x->nS, x->nA, x->gamma);
    print_rows(it);
    printf("\n%s: %s\n", improvement_outcome_name(it->outcome), ending(it->outcome));
    if (n == 0) return;
    if (promises_J(it)) printf("promised: J >= bound >= J before. ");
    else                printf("promised: L >= J before");
    if (it->row[1].promised.kl_limit > 0) printf(", mean KL <= %.10g", it->row[1].promised.kl_limit);
    if (!promises_J(it)) printf("; nothing of J, which fell %d times. ", times_fallen(it));
    printf("Held in %d of %d iterations\n", times_held(it), n);
}

/* ---- the JSON object ---- */

static json_t *row_json(const iteration *it, int i)
{
    const row *r = &it->row[i];
    json_t *o = json_checked(json_object());
    json_set(o, "J", json_number(r->J));
    json_set(o, "surrogate", json_number(i ? r->promised.L : NAN));
    json_set(o, "bound", json_number(i ? r->promised.bound : NAN));
    json_set(o, it->algorithm->step, json_number(i ? r->promised.step : NAN));
    json_set(o, "kl_max", json_number(i ? r->kl_max : NAN));
    json_set(o, "kl_mean", json_number(i ? r->kl_mean : NAN));
    json_set(o, "held", i ? json_checked(json_boolean(held(it, i))) : json_null());
    return o;
}

static void print_json(const iteration *it)
{
    const exact *x = it->pi;
    json_t *o = json_checked(json_object()), *rows = json_checked(json_array());
    for (int i = 0; i < it->rows; i++) json_append(rows, row_json(it, i));
    json_set(o, "algorithm", json_text(it->algorithm->name));
    json_set(o, "states", json_integer(x->nS));
    json_set(o, "actions", json_integer(x->nA));
    json_set(o, "discount", json_number(x->gamma));
    json_set(o, "iterations", rows);
    json_set(o, "outcome", json_text(improvement_outcome_name(it->outcome)));
    json_set(o, "fell", json_integer(times_fallen(it)));
    json_set(o, "held", json_checked(json_boolean(times_held(it) == it->rows - 1)));
    json_set(o, "policy", json_matrix(x->nS, x->nA, x->logits));
    json_print(o);
}

/* ---- the command ---- */

/* Logits, as --policy reads them */
static void write_policy(const iteration *it, const char *path)
{
    const exact *x = it->pi;
    char *text;
    size_t n;
    FILE *out = print_to_memory(&text, &n);
    fprintf(out, "# logits, a row for each state, by %s after %d iterations\n", it->algorithm->name, it->rows - 1);
    for (int i = 0; i < x->nSA; i++) fprintf(out, "%.17g%c", x->logits[i], (i + 1) % x->nA ? ',' : '\n');
    print_done(out, &text);
    whole_file_text(path, text);
    free(text);
}

/* Into an array: the program may end in the midst of its use. */
static void about(char *text, size_t size)
{
    FILE *out = fmemopen(text, size, "w");
    if (!out) out_of_memory(0, "a text of help");
    fprintf(out, "Improves a softmax policy on a finite MDP again and again, with exact advantages and visits.\n"
                 "A row for each policy has J, and of the update that made it the surrogate L, the bound below J,\n"
                 "the step and the KL of both policies. Exit 1 if a promise is not held.\n\nalgorithms, and what"
                 " --set can change:\n");
    for (const algorithm *a = algorithms; a->name; a++) {
        if (!a->improve) continue;
        fprintf(out, "\n%s: %s\n", a->name, a->about);
        config_help(out, a->fields, a->defaults);
    }
    long n = ftell(out);
    if (ferror(out) || fclose(out) != 0) out_of_memory(0, "a text of help");
    require(0 < n && n < (long)size, "a text of help of %ld bytes", n);
    text[n - 1] = 0;                            /* its last newline */
}

int improve_command(int argc, char **argv)
{
    const char *gamma = NULL, *start = "uniform", *iterations = "10", *out = NULL, *set[SETTINGS] = { NULL };
    bool json = false;
    const option table[] = {
        { "--iterations", "N", "how many, at most (10)", &iterations, NULL },
        { "--gamma", "G", "discount instead of the MDP's own", &gamma, NULL },
        { "--policy", "FILE", "the first: logits, CSV, a row a state; or uniform (the default)", &start, NULL },
        { "--set", "NAME=VALUE", "of the algorithm's settings; any number of them", set, NULL, SETTINGS },
        { "--out", "FILE", "the last policy, as --policy reads it", &out, NULL },
        { "--json", NULL, "one JSON object with everything", NULL, &json },
        { NULL }
    };
    char text[1 << 13];
    about(text, sizeof text);
    int left = options_parse(argc, argv, "improve ALGORITHM MDP [--iterations N] [--gamma G] [--policy FILE]"
                             " [--set NAME=VALUE]... [--out FILE] [--json]", text, table);
    if (left != 2) bad_input("improve: expected an algorithm and an MDP, found %d arguments", left);
    iteration it = { .algorithm = algorithm_on_tables(argv[1]) };
    it.config = allocate(it.algorithm->config_size, 1, "a configuration");
    memcpy(it.config, it.algorithm->defaults, it.algorithm->config_size);
    for (int i = 0; i < SETTINGS && set[i]; i++) config_set(it.algorithm->fields, it.config, "--set", set[i]);
    int n = (int)options_whole("--iterations", iterations, 0, MOST_ITERATIONS);

    char error[512];
    mdp *M = mdp_open(argv[2], error, sizeof error);
    if (!M) bad_input("%s", error);
    double G = gamma ? options_number("--gamma", gamma, 0, 1) : M->gamma;
    if (G == 1 && it.algorithm->discounted)
        bad_input("improve: expected gamma < 1 for %s, found 1: its bound has gamma/(1-gamma)^2 in it", argv[1]);
    it.pi = policy_solved(start, M, G);
    it.row = allocate((size_t)n + 1, sizeof *it.row, "iterations");
    it.row[it.rows++].J = it.pi->J;
    while (it.rows <= n && improve(&it)) { }
    if (out) write_policy(&it, out);
    if (json) print_json(&it);
    else      print_text(&it);
    bool all = times_held(&it) == it.rows - 1;

    exact_free(it.pi);
    free(it.row);
    free(it.config);
    mdp_free(M);
    return all ? EXIT_HELD : EXIT_CHECK_FAILED;
}
