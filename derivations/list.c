/* `ascent list [ID]`: the registry, and where each of its rows stands. */
#include <stdio.h>
#include <string.h>

#include "autodiff/options.h"
#include "autodiff/require.h"
#include "derivations/commands.h"
#include "derivations/derivation.h"
#include "derivations/registry.h"

const registry_row *registry_find(const char *id)
{
    for (const registry_row *r = registry; r->id; r++)
        if (strcmp(r->id, id) == 0) return r;
    return NULL;
}

static void print_place(const char *what, const char *place, const char *otherwise)
{
    printf("  %-9s %s\n", what, *place ? place : otherwise);
}

static void print_row(const registry_row *r)
{
    printf("%s  %s\n%s, to be %s, part %s\n\n    %s\n\n", r->id, r->topic, r->kind, r->class_, r->part,
           r->statement);
    print_place("source", r->documents, "none: derived");
    print_place("code", r->code, "no line yet");
    print_place("check", r->check, strcmp(r->class_, "stated") == 0 ? "none: stated only" : "none yet");
    print_place("chapter", r->chapter, "none yet");
    if (*r->note) print_place("note", r->note, "");
}

/* An erratum: the wrong line, and the equation beside which it is computed */
static void print_erratum(const derivation *d, int line)
{
    printf("%s  beside %s\nas printed; `ascent derive %s` computes it beside the right lines\n\n    %s\n\n",
           d->line[line].erratum, d->id, d->line[line].erratum, d->line[line].latex);
    print_place("wrong", d->line[line].why, "");
    print_place("right", registry_find(d->id)->statement, "");
}

int list_command(int argc, char **argv)
{
    const option table[] = { { NULL, NULL, NULL, NULL, NULL } };
    int left = options_parse(argc, argv, "list [ID]",
        "Prints every equation, claim and algorithm of the five documents, or all that is known of one: what is\n"
        "to be done with it (proved: a check that a planted error fails; measured: an experiment; stated:\n"
        "nothing can be checked), where it stands in the documents (README), and where in the code.", table);
    if (left > 1) bad_input("list: expected at most one id, found %d", left);
    if (left == 1) {
        const registry_row *r = registry_find(argv[1]);
        int line;
        const derivation *d = r ? NULL : derivation_find_erratum(argv[1], &line);
        if (d) {
            print_erratum(d, line);
            return EXIT_HELD;
        }
        if (!r) bad_input("list: no id %s; `ascent list` prints them all", argv[1]);
        print_row(r);
        return EXIT_HELD;
    }
    for (const registry_row *r = registry; r->id; r++)
        printf("%-8s %-8s part %s  %-7s  %s\n", r->id, r->class_, r->part, *r->check ? "checked" : "-",
               r->statement);
    return EXIT_HELD;
}
