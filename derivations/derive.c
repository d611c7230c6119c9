/* `ascent derive ID [MDP]`: a proof, line by line, each line with its number. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "autodiff/options.h"
#include "autodiff/require.h"
#include "derivations/commands.h"
#include "derivations/problem.h"
#include "derivations/registry.h"

static void print_line(const derivation *d, const derivation_result *r, int l, int i)
{
    static const char *const stands[] = { [EQUAL] = "from", [AT_MOST] = "above", [AT_LEAST] = "below",
                                          [DIFFERS] = "from" };
    const derivation_line *line = &d->line[l];
    printf("%2d  %s%s%s%s\n      %s\n", l + 1, line->erratum ? "[" : "", line->erratum ? line->erratum : "",
           line->erratum ? "] " : "", line->latex, line->why);
    if (!r->computed[l])    printf("      left out: too large here\n\n");
    else if (l == r->first) printf("      %24.17g\n\n", derivation_number(r, l, i));
    else if (line->relation == DIFFERS)
        printf("      %24.17g     %.2g units from line %d: %s\n\n", derivation_number(r, l, i), r->units[l],
               r->first + 1, !r->differs[l] ? "not to be told apart here"
                             : line->erratum ? "REFUTED" : "differs, as it must");
    else printf("      %24.17g     %.2g units %s line %d, %.2g allowed\n\n", derivation_number(r, l, i),
                r->units[l], stands[line->relation], r->first + 1, r->allowed[l]);
}

/* p NULL: on its own problem */
static void print_derivation(const derivation *d, const problem *p, const derivation_result *r)
{
    const registry_row *row = registry_find(d->id);
    printf("%s   %s\n    %s\n    source: %s\n\n", d->id, d->says, row->statement, row->documents);
    if (p) printf("on %s: %d states, %d actions, gamma %.15g; pi: %s; pi': %s\n", p->M->name, p->M->nS, p->M->nA,
                  p->gamma, p->policy[0].name, p->policy[0].name1);
    else printf("on %s\n", d->own_problem);
    if (r->verdict == NOT_APPLICABLE) {
        printf("not applicable here: %s\n", r->reason);
        return;
    }
    int i = derivation_shown(r);
    printf("each line's number: %s", d->of);
    if (r->n > 1) printf(", number %d of %d", i + 1, r->n);
    printf("\n\n");
    for (int l = 0; l < r->lines; l++) print_line(d, r, l, i);
    printf("%s (one unit is %.1e)%s%s\n", verdict_name(r->verdict), r->unit, r->reason ? ": " : "",
           r->reason ? r->reason : "");
}

static enum verdict derive(const derivation *d, const problem *p, const setting *x)
{
    derivation_result r = derivation_run(d, x);
    print_derivation(d, p, &r);
    if (d->page && r.verdict != NOT_APPLICABLE) {
        putchar('\n');
        d->page(x, stdout);
    }
    derivation_result_free(&r);
    return r.verdict;
}

/* Of an id, or of an erratum: the derivation beside which its line stands */
static const derivation *derivation_of(const char *id)
{
    int line;
    const derivation *d = derivation_find(id);
    if (!d) d = derivation_find_erratum(id, &line);
    if (!d && !registry_find(id)) bad_input("derive: no id %s; `ascent list` prints them all", id);
    if (!d) bad_input("derive: %s has no derivation yet", id);
    return d;
}

int derive_command(int argc, char **argv)
{
    const char *gamma = NULL, *policy = NULL, *class = NULL, *seed_text = "1";
    const option table[] = { { "--gamma", "G", "discount instead of the MDP's own", &gamma, NULL },
                             { "--policy", "FILE", "pi: logits, CSV, one row a state", &policy, NULL },
                             { "--class", "KIND", "pi: random; linear:D in D features, network:H of H units",
                               &class, NULL },
                             { "--seed", "K", "of pi' and of sampled trajectories (1)", &seed_text, NULL },
                             { NULL, NULL, NULL, NULL, NULL } };
    int left = options_parse(argc, argv, "derive ID [MDP] [--gamma G] [--policy FILE | --class KIND] [--seed K]",
        "Prints a derivation: each line, the reason for the step, and its value computed by its own means.\n"
        "ID: of an equation, or of an erratum (ERR-30): its line stands beside the right ones.\n"
        "MDP: a .mdp file or a built-in name (E5). Exit 1 unless the verdict is PASS.", table);
    if (left < 1 || left > 2)
        bad_input("derive: expected an id and perhaps an MDP, found %d arguments", left);
    const derivation *d = derivation_of(argv[1]);
    uint64_t seed = options_seed("--seed", seed_text);
    if (d->own_problem) {
        if (left == 2 || gamma || policy || class)
            bad_input("derive: %s has a problem of its own, it takes no MDP", d->id);
        return derive(d, NULL, &(setting){ .seed = seed }) == PASS ? EXIT_HELD : EXIT_CHECK_FAILED;
    }
    problem p = problem_open(left == 2 ? argv[2] : "E5", gamma, policy, class, seed);
    enum verdict verdict = derive(d, &p, p.policy[0].setting);
    problem_close(&p);
    return verdict == PASS ? EXIT_HELD : EXIT_CHECK_FAILED;
}
