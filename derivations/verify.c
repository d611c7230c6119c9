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

struct tally { int count[4]; };         /* by verdict */

/* A row of the table: the worst policy's result, and the largest number of its first line beside the same
 * number of its last. */
struct shown { derivation_result r; double left, right; };

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

/* FAIL before WEAK before PASS before n/a: one row stands for all policies */
static bool worse(const derivation_result *a, const derivation_result *b)
{
    static const int rank[] = { [NOT_APPLICABLE] = 0, [PASS] = 1, [WEAK] = 2, [FAIL] = 3 };
    if (rank[a->verdict] != rank[b->verdict]) return rank[a->verdict] > rank[b->verdict];
    return a->worst > b->worst || isnan(a->worst);
}

static struct shown look(const derivation_result *r)
{
    struct shown shown = { .r = *r };
    int last = r->lines - 1;
    while (last > 0 && !r->computed[last]) last--;
    if (r->lines == 0) return shown;
    shown.left = r->value[derivation_largest(r)];
    shown.right = r->value[(size_t)last * (size_t)r->n + (size_t)derivation_largest(r)];
    return shown;
}

static void print_head(const problem *p)
{
    printf("\n%s: %d states, %d actions, gamma %.15g\n", p->M->name, p->M->nS, p->M->nA, p->gamma);
    printf("pi: %s; and %s.  pi': %s.  Worst over pi:\n", p->policy_name[0], p->policy_name[1], p->pi1_name);
    printf("%-7s %20s %20s %8s %8s  %-7s  %s\n", "id", "one side", "the other", "units", "10 units", "verdict",
           "what it says");
}

static void print_row(const derivation *d, const struct shown *shown)
{
    const derivation_result *r = &shown->r;
    printf("%-7s ", d->id);
    if (r->verdict == NOT_APPLICABLE) printf("%20s %20s %8s %8s  ", "", "", "", "");
    else printf("%20.13g %20.13g %8.2g %8.1e  ", shown->left, shown->right, r->worst, r->bound);
    printf("%-7s  %s%s%s%s\n", verdict_name(r->verdict), d->says, r->reason ? " (" : "", r->reason ? r->reason : "",
           r->reason ? ")" : "");
}

static json_t *row_json(const problem *p, int policy, const derivation *d, const derivation_result *r)
{
    bool said = r->verdict != NOT_APPLICABLE;
    return json_pack("{s:s, s:s, s:o, s:s, s:o, s:o, s:s, s:s?}", "id", d->id, "mdp", p->M->name, "gamma",
                     json_number(p->gamma), "policy", p->policy_name[policy], "units",
                     json_number(said ? r->worst : NAN), "bound", json_number(said ? r->bound : NAN), "verdict",
                     verdict_name(r->verdict), "reason", r->reason);
}

static void verify_problem(const problem *p, const char *id, json_t *rows, struct tally *tally)
{
    const derivation *d;
    if (!rows) print_head(p);
    for (int i = 0; (d = derivation_at(i)); i++) {
        if (id && strcmp(d->id, id) != 0) continue;
        struct shown shown = { 0 };
        for (int k = 0; k < p->policies; k++) {
            derivation_result r = derivation_run(d, p->setting[k]);
            if (rows) json_array_append_new(rows, row_json(p, k, d, &r));
            if (k == 0 || worse(&r, &shown.r)) shown = look(&r);
            derivation_result_free(&r);
        }
        tally->count[shown.r.verdict]++;
        if (!rows) print_row(d, &shown);
    }
}

int verify_command(int argc, char **argv)
{
    const char *id = NULL, *gamma = NULL, *seed_text = "1";
    bool unbound = false, json = false;
    const option table[] = {
        { "--id", "ID", "only this equation", &id, NULL },
        { "--gamma", "G", "discount instead of the MDP's own", &gamma, NULL },
        { "--seed", "K", "of the random policies and trajectories (1)", &seed_text, NULL },
        { "--unbound", NULL, "list the ids that have no check yet", NULL, &unbound },
        { "--json", NULL, "one object for each id, MDP and policy", NULL, &json },
        { NULL, NULL, NULL, NULL, NULL } };
    int left = options_parse(argc, argv, "verify [MDP...] [--id ID] [--gamma G] [--seed K] [--unbound] [--json]",
        "Evaluates both sides of every equation exactly and compares them. MDP: a .mdp file or a built-in\n"
        "name; FrozenLake-v1 and E5 when none is given. Errors are in units of rounding error (10 pass):\n"
        "u N k M for values, u = 2^-52, N = max(states, 4), k = ||(I - gamma P)^-1||, M the largest value.\n"
        "WEAK: the bound is too loose here to mean anything. Exit 1 if anything fails or nothing passes.", table);
    if (unbound) {
        print_unbound();
        return EXIT_HELD;
    }
    if (id && !registry_find(id)) bad_input("verify: no id %s; `ascent list` prints them all", id);
    if (id && !derivation_find(id)) bad_input("verify: %s has no check yet", id);
    static char *standard[] = { "FrozenLake-v1", "E5" };
    char **name = left ? argv + 1 : standard;
    int count = left ? left : 2;
    uint64_t seed = options_seed("--seed", seed_text);

    struct tally tally = { { 0 } };
    json_t *rows = json ? json_array() : NULL;
    for (int i = 0; i < count; i++) {
        problem p = problem_open(name[i], gamma, seed);
        verify_problem(&p, id, rows, &tally);
        problem_close(&p);
    }
    if (json) json_print(rows);
    else printf("\n%d PASS, %d FAIL, %d WEAK, %d n/a\n", tally.count[PASS], tally.count[FAIL], tally.count[WEAK],
                tally.count[NOT_APPLICABLE]);
    return tally.count[FAIL] == 0 && tally.count[PASS] > 0 ? EXIT_HELD : EXIT_CHECK_FAILED;
}
