/* `ascent verify [MDP...]`: every derivation on every MDP and policy, as one table. */
#include <float.h>
#include <jansson.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "autodiff/options.h"
#include "autodiff/require.h"
#include "derivations/commands.h"
#include "autodiff/json.h"
#include "derivations/errata.h"
#include "derivations/plain_math.h"
#include "derivations/problem.h"
#include "derivations/registry.h"
#include "derivations/verify_errata.h"

static const char about[] =
    "Evaluates both sides of every equation exactly and compares them. MDP: a .mdp file or a built-in name;\n"
    "FrozenLake-v1 and E5 when none is given. The two sides are shown at their largest entry, for the first\n"
    "policy; the error is that of the worst policy, in units of rounding error, and 10 units are allowed:\n"
    "  values      u N k M     u = 2^-52, N = max(states, 4), k = ||(I - gamma P)^-1||, M = max(1, |V|, |A|)\n"
    "  gradient    u N k^2 M c   c = max(1, ||dz/dtheta||_1), z the logits: 1 for a table\n"
    "  F           u N max d c^2\n"
    "  H steps     u N H^2 W c   W = max(1, sum_{t<H} gamma^t max|r|); variances: u N H (H W c)^2\n"
    "  NPG-7, -9   a tenth of 1e-10, or of 1e3 u cond(F) where cond(F) > 1e6; relative, in the F-norm\n"
    "and what a line knows of its own error: differences, sums over time, conjugate gradients that gave up.\n"
    "WEAK: so much is allowed, more than 1e-6 of the quantity, that agreement says nothing, or a control that has\n"
    "to differ does not, as between steps that have one direction left; n/a: it does not apply, or trains and is\n"
    "left to `ascent derive ID`. Neither is PASS. Exit 1 if anything fails or nothing passes. Below an id\n"
    "stand the documents' wrong lines about it: REFUTED, or `agrees` where the MDP is one on which they happen to\n"
    "be right.\n"
    "--errata: ERR-1 to ERR-86 one by one, a document's line as printed, or the reading of it that has a number,\n"
    "the right line, and the numbers of both where they are furthest apart; in words where a word or a name is\n"
    "wrong. Without an MDP, or with --id, those that train are computed, too (half a minute). Exit 1 if one is not\n"
    "refuted, or a right line beside it fails; with an MDP, --gamma or --policy of your choice a document's line\n"
    "may happen to be right: that is n/a. --json: an array of\n"
    "  {erratum, verdict (shown, in words, not shown, n/a), words: [{id, place, document, right}],\n"
    "   lines: [{id, document, why, right, numbers, own_problem, verdict (REFUTED, holds, agrees, WEAK, FAIL,\n"
    "           n/a), settings: [{mdp, gamma, policy, document, right, units, bound, unit, verdict, reason}]}]},\n"
    "formulas as LaTeX; units: by how much the two differ, if REFUTED by more than bound; unit: of what size.\n"
    "Without --errata: of {id, mdp, gamma, policy, left, relation, right, units, bound, unit, verdict, reason}.";

struct tally { int count[4], refuted; };            /* count: by verdict */

/* A row of the table stands for all policies: the verdict and error of the worst, and the two sides of the
 * first policy, or of the one that fails. */
struct row {
    enum verdict verdict;
    const char *reason;
    enum relation relation;             /* of the right side to the left */
    double left, right, units, allowed, unit;
};

static void print_unbound(void)
{
    int unbound = 0;
    for (const registry_row *r = registry; r->id; r++) {
        if (strcmp(r->class_, "stated") == 0 || derivation_find(r->id)) continue;
        char *plain = plain_math(r->statement);
        printf("%-8s %-8s part %s  %s\n", r->id, r->class_, r->part, plain);
        free(plain);
        unbound++;
    }
    printf("%d ids have no check yet\n", unbound);
}

/* The last line that equals the first, or, where there is none, that bounds it, be it through others */
static int other_side(const derivation *d, const derivation_result *r)
{
    int bound = -1;
    for (int l = r->lines - 1; l > r->first; l--) {
        enum relation kind = relation_kind(d->line[l].relation);
        if (!r->computed[l] || d->line[l].from) continue;
        if (d->line[l].relation == EQUAL) return l;
        if (kind != EQUAL && kind != DIFFERS && bound < 0) bound = l;
    }
    return bound;
}

static struct row row_of(const derivation *d, const derivation_result *r)
{
    struct row row = { .verdict = r->verdict, .reason = r->reason, .left = NAN, .right = NAN };
    if (r->verdict == NOT_APPLICABLE) return row;
    int shown = derivation_shown(r), other = r->verdict == FAIL ? r->worst : other_side(d, r);
    row.left = derivation_number(r, r->verdict == FAIL ? r->against[other] : r->first, shown);
    row.right = derivation_number(r, other, shown);
    row.relation = relation_kind(d->line[other].relation);
    row.units = r->units[r->worst];
    row.allowed = r->allowed[r->worst];
    row.unit = r->unit * r->measure[shown];
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

/* A wrong line's row: the two sides where they are furthest apart. */
static struct row wrong_row(const derivation_result *r, int l)
{
    int i = r->furthest[l];
    return (struct row){ .left = derivation_number(r, r->against[l], i), .right = derivation_number(r, l, i),
                         .units = r->units[l], .allowed = r->allowed[l], .unit = r->unit * r->measure[i],
                         .relation = r->differs[l] ? DIFFERS : EQUAL };
}

static void print_head(void)
{
    printf("%-7s %20s %2s %20s %8s %8s %8s  %-7s  %s\n", "id", "one side", "", "the other", "units", "allowed",
           "1 unit", "verdict", "what it says");
}

static const char *sign_of(enum relation relation)
{
    static const char *const sign[] = { [EQUAL] = "=", [AT_MOST] = ">=", [AT_LEAST] = "<=", [DIFFERS] = "!=" };
    return sign[relation];
}

static void print_row(const char *id, const struct row *row, const char *verdict, const char *says)
{
    printf("%-7s ", id);
    if (isnan(row->left)) printf("%20s %2s %20s %8s %8s %8s  ", "", "", "", "", "", "");
    else printf("%20.13g %2s %20.13g %8.2g %8.2g %8.1e  ", row->left, sign_of(row->relation), row->right,
                fmin(row->units, DBL_MAX), row->allowed, row->unit);
    printf("%-7s  %s", verdict, says);
    if (row->reason) printf(" (%s)", row->reason);
    putchar('\n');
}

/* p NULL: a problem of its own */
static json_t *row_json(const problem *p, int policy, const char *id, const struct row *row, const char *verdict)
{
    bool said = !isnan(row->left);
    json_t *o = json_checked(json_object());
    json_set(o, "id", json_text(id));
    json_set(o, "mdp", p ? json_text(p->M->name) : json_null());
    json_set(o, "gamma", json_number(p ? p->gamma : NAN));
    json_set(o, "policy", p ? json_text(p->policy[policy].name) : json_null());
    json_set(o, "left", json_number(row->left));
    json_set(o, "relation", json_text(sign_of(row->relation)));
    json_set(o, "right", json_number(row->right));
    json_set(o, "units", json_number(said ? row->units : NAN));
    json_set(o, "bound", json_number(said ? row->allowed : NAN));
    json_set(o, "unit", json_number(said ? row->unit : NAN));
    json_set(o, "verdict", json_text(verdict));
    json_set(o, "reason", row->reason ? json_text(row->reason) : json_null());
    return o;
}

static const char *refuted(bool differs) { return differs ? "REFUTED" : "agrees"; }

/* A training of that length is left out of the table, which is what its row says: n/a is not PASS. */
static void leave_out(const derivation *d, json_t *rows, struct tally *tally)
{
    char reason[80];
    struct row row = { .verdict = NOT_APPLICABLE, .reason = reason, .left = NAN, .right = NAN };
    snprintf(reason, sizeof reason, "trains, some %g s: `ascent derive %s`", d->trains, d->id);
    tally->count[NOT_APPLICABLE]++;
    if (rows) json_append(rows, row_json(NULL, 0, d->id, &row, verdict_name(row.verdict)));
    else      print_row(d->id, &row, verdict_name(row.verdict), d->says);
}

/* One derivation under every policy of p, or on its own problem. */
static void verify_one(const derivation *d, const problem *p, const setting *own, json_t *rows, struct tally *tally)
{
    struct row shown = { 0 }, wrong[DERIVATION_MAX_LINES] = { { 0 } };
    bool differs[DERIVATION_MAX_LINES] = { false };
    for (int k = 0; k < (p ? p->policies : 1); k++) {
        derivation_result r = derivation_run(d, p ? p->policy[k].setting : own);
        struct row row = row_of(d, &r);
        if (rows) json_append(rows, row_json(p, k, d->id, &row, verdict_name(row.verdict)));
        if (k == 0) shown = row;
        else        merge(&shown, &row);
        for (int l = 0; l < r.lines; l++) {
            if (!d->line[l].erratum || !r.computed[l]) continue;
            struct row w = wrong_row(&r, l);
            if (rows) json_append(rows, row_json(p, k, d->line[l].erratum, &w, refuted(r.differs[l])));
            if (!wrong[l].unit || (r.differs[l] && !differs[l])) wrong[l] = w;
            differs[l] |= r.differs[l];
        }
        derivation_result_free(&r);
    }
    tally->count[shown.verdict]++;
    if (!rows) print_row(d->id, &shown, verdict_name(shown.verdict), d->says);
    for (int l = 0; l < DERIVATION_MAX_LINES; l++) {
        if (!wrong[l].unit) continue;
        tally->refuted += differs[l];
        if (!rows) print_row(d->line[l].erratum, &wrong[l], refuted(differs[l]), d->line[l].why);
    }
}

/* The next derivation that is asked for, d NULL: the first; i counts. id NULL: all; of an erratum, those that
 * hold its lines */
static const derivation *next_asked(const char *id, const derivation *d, int *i)
{
    int line;
    if (!id) return derivation_at((*i)++);
    if (strncmp(id, "ERR-", 4) == 0) return derivation_next_erratum(id, d, &line);
    return d ? NULL : derivation_find(id);
}

/* Every derivation, or that of the id, on the MDP of p; p NULL: those that have a problem of their own. */
static void verify_all(const problem *p, const setting *own, const char *id, double longest, json_t *rows,
                       struct tally *tally)
{
    const derivation *d = NULL;
    for (int i = 0; (d = next_asked(id, d, &i));) {
        if (!p != !!d->own_problem) continue;
        if (d->trains > longest && !id) leave_out(d, rows, tally);
        else                            verify_one(d, p, own, rows, tally);
    }
}

static void print_problem(const problem *p)
{
    printf("\n%s: %d states, %d actions, gamma %.15g\n", p->M->name, p->M->nS, p->M->nA, p->gamma);
    for (int k = 0; k < p->policies; k++)
        printf("%s%s%s", k == 0 ? "pi: " : "; ", p->policy[k].name, k < p->policies - 1 ? "" : "\n");
    printf("pi': %s\n", p->policy[0].name1);
    print_head();
}

/* Is one asked for that is about MDPs, or, with own, about a problem of its own? */
static bool any_asked(const char *id, bool own)
{
    const derivation *d = NULL;
    for (int i = 0; (d = next_asked(id, d, &i));)
        if (!d->own_problem == !own) return true;
    return false;
}

/* As a table of ids */
static int verify_ids(problem *p, int count, const setting *own, const char *id, double longest, bool json)
{
    struct tally tally = { { 0 } };
    json_t *rows = json ? json_checked(json_array()) : NULL;
    for (int i = 0; i < count; i++) {
        if (!rows && any_asked(id, false)) print_problem(&p[i]);
        verify_all(&p[i], NULL, id, 0, rows, &tally);
        problem_close(&p[i]);
    }
    if (!rows && any_asked(id, true)) {
        printf("\nOn problems of their own (`ascent derive ID` shows which)\n");
        print_head();
    }
    verify_all(NULL, own, id, longest, rows, &tally);
    if (json) json_print(rows);
    else printf("\n%d PASS, %d FAIL, %d WEAK, %d n/a; %d wrong lines of the documents REFUTED\n", tally.count[PASS],
                tally.count[FAIL], tally.count[WEAK], tally.count[NOT_APPLICABLE], tally.refuted);
    return tally.count[FAIL] == 0 && tally.count[PASS] > 0 ? EXIT_HELD : EXIT_CHECK_FAILED;
}

/* Of the errata one by one, or of the table of ids: is that id one, and may it have an MDP? */
static void check_id(const char *id, bool errata, bool has_mdp)
{
    bool on_mdps = any_asked(id, false), known = on_mdps || any_asked(id, true);
    if (errata && id) {
        if (strncmp(id, "ERR-", 4) != 0 || !(known || erratum_has_words(id)))
            bad_input("verify: --errata: expected ERR-1 to ERR-%d, found %s", ERRATA, id);
    } else if (!known && registry_find(id))
        bad_input("verify: %s is stated only, nothing to compute: `ascent list %s` prints it", id, id);
    else if (!known && erratum_has_words(id))
        bad_input("verify: %s is words: `ascent verify --errata --id %s` prints them", id, id);
    else if (!known) bad_input("verify: no id %s; `ascent list` prints them all", id);
    if (!known && has_mdp) bad_input("verify: %s is words, it takes no MDP, --gamma or --policy", id);
    if (!on_mdps && has_mdp)
        bad_input("verify: %s has a problem of its own, it takes no MDP, --gamma or --policy", id);
}

int verify_command(int argc, char **argv)
{
    const char *id = NULL, *gamma = NULL, *policy = NULL, *seed_text = "1";
    bool unbound = false, errata = false, json = false;
    const option table[] = {
        { "--id", "ID", "only this equation, or erratum", &id, NULL },
        { "--gamma", "G", "discount instead of the MDP's own", &gamma, NULL },
        { "--policy", "FILE", "pi: logits, CSV, one row a state, or `uniform`", &policy, NULL },
        { "--seed", "K", "of the random policies and trajectories (1)", &seed_text, NULL },
        { "--errata", NULL, "the documents' errata, each with what shows it", NULL, &errata },
        { "--unbound", NULL, "list the ids that have no check yet", NULL, &unbound },
        { "--json", NULL, "one object for each id, MDP and policy, or for each erratum", NULL, &json },
        { NULL, NULL, NULL, NULL, NULL } };
    int left = options_parse(argc, argv,
        "verify [MDP...] [--id ID] [--gamma G] [--policy FILE] [--seed K] [--errata | --unbound] [--json]", about,
        table);
    if (unbound) {
        if (left || json || errata) bad_input("verify: --unbound takes no MDP, no --errata and no --json");
        print_unbound();
        return EXIT_HELD;
    }
    char spelt[REGISTRY_ID];
    if (id) id = registry_spelt(id, spelt);
    check_id(id, errata, left || gamma || policy);
    static char *standard[] = { "FrozenLake-v1", "E5" };
    char **name = left ? argv + 1 : standard;
    int count = left ? left : 2;
    uint64_t seed = options_seed("--seed", seed_text);
    setting own = { .seed = problem_seed(seed) };

    problem *p = allocate((size_t)count, sizeof *p, "problems");        /* all are opened before one is shown */
    for (int i = 0; i < count; i++) p[i] = problem_open(name[i], gamma, policy, NULL, seed);
    int status;
    if (errata) {
        status = verify_errata(&(errata_desk){ p, count, &own, left || gamma || policy, !left || id, json }, id);
        for (int i = 0; i < count; i++) problem_close(&p[i]);
    } else status = verify_ids(p, count, &own, id, left ? 0 : 1, json);
    free(p);
    return status;
}
