/* `ascent verify [MDP...]`: every derivation on every MDP and policy, as one table. */
#include <jansson.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "autodiff/options.h"
#include "autodiff/require.h"
#include "derivations/commands.h"
#include "derivations/json.h"
#include "derivations/problem.h"
#include "derivations/registry.h"

static const char about[] =
    "Evaluates both sides of every equation exactly and compares them. MDP: a .mdp file or a built-in name;\n"
    "FrozenLake-v1 and E5 when none is given. The two sides are shown at their largest entry, for the first\n"
    "policy; the error is that of the worst policy, in units of rounding error, and 10 units are allowed:\n"
    "  values      u N k M     u = 2^-52, N = max(states, 4), k = ||(I - gamma P)^-1||, M = max(1, |V|, |A|)\n"
    "  gradient    u N k^2 M\n"
    "  F           u N max d\n"
    "  NPG-7, -9   a tenth of 1e-10, or of 1e3 u cond(F) where cond(F) > 1e6; relative, in the F-norm\n"
    "and what a line knows of its own error: differences, sums over time, conjugate gradients that gave up.\n"
    "WEAK: so much is allowed, more than 1e-6 of the quantity, that agreement says nothing; n/a: it does not\n"
    "apply. Neither is PASS. Exit 1 if anything fails or nothing passes.";

struct tally { int count[4]; };         /* by verdict */

/* A row of the table stands for all policies: the verdict and error of the worst, and the two sides of the
 * first policy, or of the one that fails. */
struct row { enum verdict verdict; const char *reason; double left, right, units, allowed, unit; };

static void print_unbound(void)
{
    int unbound = 0;
    for (const registry_row *r = registry; r->id; r++) {
        if (strcmp(r->class_, "stated") == 0 || derivation_find(r->id)) continue;
        printf("%-8s %-8s part %s  %s\n", r->id, r->class_, r->part, r->statement);
        unbound++;
    }
    printf("%d ids have no check yet\n", unbound);
}

static struct row row_of(const derivation_result *r)
{
    struct row row = { .verdict = r->verdict, .reason = r->reason, .left = NAN, .right = NAN };
    if (r->verdict == NOT_APPLICABLE) return row;
    int shown = derivation_shown(r), last = r->lines - 1;
    while (!r->computed[last]) last--;
    row.left = derivation_number(r, r->first, shown);
    row.right = derivation_number(r, r->verdict == FAIL ? r->worst : last, shown);
    row.units = r->units[r->worst];
    row.allowed = r->allowed[r->worst];
    row.unit = r->unit;
    return row;
}

/* FAIL before WEAK before PASS before n/a, then the greater error. */
static void merge(struct row *row, const struct row *other)
{
    static const int rank[] = { [NOT_APPLICABLE] = 0, [PASS] = 1, [WEAK] = 2, [FAIL] = 3 };
    if (rank[other->verdict] > rank[row->verdict]) *row = *other;
    else if (other->verdict == row->verdict && !(other->units <= row->units)) {
        row->units = other->units;
        row->allowed = other->allowed;
        row->unit = other->unit;
    }
}

static void print_head(const problem *p)
{
    printf("\n%s: %d states, %d actions, gamma %.15g\n", p->M->name, p->M->nS, p->M->nA, p->gamma);
    printf("pi: %s; and %s.  pi': %s\n", p->policy_name[0], p->policy_name[1], p->pi1_name);
    printf("%-7s %20s %20s %8s %8s %8s  %-7s  %s\n", "id", "one side", "the other", "units", "allowed", "1 unit",
           "verdict", "what it says");
}

static void print_row(const derivation *d, const struct row *row)
{
    printf("%-7s ", d->id);
    if (row->verdict == NOT_APPLICABLE) printf("%20s %20s %8s %8s %8s  ", "", "", "", "", "");
    else printf("%20.13g %20.13g %8.2g %8.2g %8.1e  ", row->left, row->right, row->units, row->allowed, row->unit);
    printf("%-7s  %s", verdict_name(row->verdict), d->says);
    if (row->reason) printf(" (%s)", row->reason);
    putchar('\n');
}

static json_t *row_json(const problem *p, int policy, const derivation *d, const struct row *row)
{
    bool said = row->verdict != NOT_APPLICABLE;
    json_t *o = json_checked(json_object());
    json_set(o, "id", json_text(d->id));
    json_set(o, "mdp", json_text(p->M->name));
    json_set(o, "gamma", json_number(p->gamma));
    json_set(o, "policy", json_text(p->policy_name[policy]));
    json_set(o, "left", json_number(row->left));
    json_set(o, "right", json_number(row->right));
    json_set(o, "units", json_number(said ? row->units : NAN));
    json_set(o, "bound", json_number(said ? row->allowed : NAN));
    json_set(o, "unit", json_number(said ? row->unit : NAN));
    json_set(o, "verdict", json_text(verdict_name(row->verdict)));
    json_set(o, "reason", row->reason ? json_text(row->reason) : json_null());
    return o;
}

static void verify_problem(const problem *p, const char *id, json_t *rows, struct tally *tally)
{
    const derivation *d;
    if (!rows) print_head(p);
    for (int i = 0; (d = derivation_at(i)); i++) {
        if (id && strcmp(d->id, id) != 0) continue;
        struct row shown = { 0 };
        for (int k = 0; k < p->policies; k++) {
            derivation_result r = derivation_run(d, p->setting[k]);
            struct row row = row_of(&r);
            derivation_result_free(&r);
            if (rows) json_append(rows, row_json(p, k, d, &row));
            if (k == 0) shown = row;
            else        merge(&shown, &row);
        }
        tally->count[shown.verdict]++;
        if (!rows) print_row(d, &shown);
    }
}

int verify_command(int argc, char **argv)
{
    const char *id = NULL, *gamma = NULL, *policy = NULL, *seed_text = "1";
    bool unbound = false, json = false;
    const option table[] = {
        { "--id", "ID", "only this equation", &id, NULL },
        { "--gamma", "G", "discount instead of the MDP's own", &gamma, NULL },
        { "--policy", "FILE", "pi: logits, CSV, one row a state", &policy, NULL },
        { "--seed", "K", "of the random policies and trajectories (1)", &seed_text, NULL },
        { "--unbound", NULL, "list the ids that have no check yet", NULL, &unbound },
        { "--json", NULL, "one object for each id, MDP and policy", NULL, &json },
        { NULL, NULL, NULL, NULL, NULL } };
    int left = options_parse(argc, argv,
        "verify [MDP...] [--id ID] [--gamma G] [--policy FILE] [--seed K] [--unbound] [--json]", about, table);
    if (unbound) {
        if (left || json) bad_input("verify: --unbound takes no MDP and no --json");
        print_unbound();
        return EXIT_HELD;
    }
    if (id && !registry_find(id)) bad_input("verify: no id %s; `ascent list` prints them all", id);
    if (id && !derivation_find(id)) bad_input("verify: %s has no check yet", id);
    static char *standard[] = { "FrozenLake-v1", "E5" };
    char **name = left ? argv + 1 : standard;
    int count = left ? left : 2;
    uint64_t seed = options_seed("--seed", seed_text);

    problem *p = allocate((size_t)count, sizeof *p, "problems");        /* all are opened before one is shown */
    for (int i = 0; i < count; i++) p[i] = problem_open(name[i], gamma, policy, seed);
    struct tally tally = { { 0 } };
    json_t *rows = json ? json_checked(json_array()) : NULL;
    for (int i = 0; i < count; i++) {
        verify_problem(&p[i], id, rows, &tally);
        problem_close(&p[i]);
    }
    free(p);
    if (json) json_print(rows);
    else printf("\n%d PASS, %d FAIL, %d WEAK, %d n/a\n", tally.count[PASS], tally.count[FAIL],
                tally.count[WEAK], tally.count[NOT_APPLICABLE]);
    return tally.count[FAIL] == 0 && tally.count[PASS] > 0 ? EXIT_HELD : EXIT_CHECK_FAILED;
}
