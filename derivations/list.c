/* `ascent list [ID|TEXT]`: the registry, and where each of its rows stands. */
#include <ctype.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "autodiff/options.h"
#include "autodiff/require.h"
#include "derivations/commands.h"
#include "derivations/derivation.h"
#include "derivations/errata.h"
#include "derivations/plain_math.h"
#include "derivations/registry.h"

const registry_row *registry_find(const char *id)
{
    for (const registry_row *r = registry; r->id; r++)
        if (strcmp(r->id, id) == 0) return r;
    return NULL;
}

const char *registry_spelt(const char *id, char spelt[REGISTRY_ID])
{
    size_t n = strlen(id);
    for (size_t i = 0; i <= n && n < REGISTRY_ID; i++) spelt[i] = (char)toupper((unsigned char)id[i]);
    return n < REGISTRY_ID && (registry_find(spelt) || strncmp(spelt, "ERR-", 4) == 0) ? spelt : id;
}

/* A text in memory that cannot grow says so here only */
static void print(FILE *out, const char *format, ...)
{
    va_list values;
    va_start(values, format);
    if (vfprintf(out, format, values) < 0) out_of_memory(0, "a text");
    va_end(values);
}

static void print_place(FILE *out, const char *what, const char *place, const char *otherwise)
{
    print(out, "  %-9s %s\n", what, *place ? place : otherwise);
}

static void print_formula(FILE *out, const char *before, const char *formula, bool latex, const char *after)
{
    char *plain = plain_math(formula);
    print(out, "%s%s%s", before, latex ? formula : plain, after);
    free(plain);
}

/* Those of an erratum, or beside an id: what is NULL does not matter. Returns their number. */
static int print_words(FILE *out, const char *erratum, const char *id)
{
    int n = 0;
    for (const erratum_in_words *e = errata_in_words; e->erratum; e++) {
        if ((erratum && strcmp(e->erratum, erratum) != 0) || (id && strcmp(e->beside, id) != 0)) continue;
        if (erratum) print(out, "%s%s  in words; beside %s\n", n ? "\n" : "", erratum, e->beside);
        else         print(out, "  %s\n", e->erratum);
        print_place(out, "source", e->place, "");
        print_place(out, "wrong", e->printed, "");
        print_place(out, "right", e->right, "");
        n++;
    }
    return n;
}

static void print_row(FILE *out, const registry_row *r, bool latex)
{
    print(out, "%s  %s\n%s, %s%s, part %s\n", r->id, r->topic, r->kind,
           *r->check || strcmp(r->class_, "stated") == 0 ? "" : "to be ", r->class_, r->part);
    print_formula(out, "\n    ", r->statement, latex, "\n\n");
    print_place(out, "source", r->documents, "none: derived");
    print_place(out, "code", r->code, "no line yet");
    if (*r->reason) print(out, "  %-9s none: %s\n", "check", r->reason);
    else            print_place(out, "check", r->check, "none yet");
    print_place(out, "chapter", r->chapter, "none yet");
    if (*r->note) print_place(out, "note", r->note, "");
    print_words(out, NULL, r->id);
}

/* An erratum: its lines, each beside the equation with which it is computed; its words. false: there is none. */
static bool print_erratum(FILE *out, const char *erratum, bool latex)
{
    int line, words = print_words(out, erratum, NULL);
    const derivation *d = derivation_next_erratum(erratum, NULL, &line);
    if (!d) return words > 0;
    print(out, "%s%s  a line of the documents; `ascent derive %s` computes it beside the right ones\n",
          words ? "\n" : "", erratum, erratum);
    for (; d; d = derivation_next_erratum(erratum, d, &line)) {
        print(out, "\nbeside %s\n", d->id);
        print_formula(out, "\n    ", d->line[line].latex, latex, "\n\n");
        print_place(out, "wrong", d->line[line].why, "");
        print_formula(out, "  right     ", registry_find(d->id)->statement, latex, "\n");
    }
    return true;
}

/* All of them: one line each, of the first place where it is computed or else told */
static void print_errata(FILE *out)
{
    for (int k = 1; k <= ERRATA; k++) {
        char erratum[REGISTRY_ID];
        int line;
        snprintf(erratum, sizeof erratum, "ERR-%d", k);
        const derivation *d = derivation_next_erratum(erratum, NULL, &line);
        const erratum_in_words *e = errata_in_words;
        while (!d && strcmp(e->erratum, erratum) != 0) e++;
        if (d) print(out, "%-7s %-8s %s\n", erratum, d->id, d->line[line].why);
        else   print(out, "%-7s %-8s %s: %s\n", erratum, e->beside, e->place, e->printed);
    }
}

/* In any case of its letters, but capitals alone (IS, GAE) as they stand */
static bool contains(const char *text, const char *part)
{
    size_t n = strlen(part);
    bool capitals = true;
    for (size_t i = 0; i < n; i++) capitals = capitals && !islower((unsigned char)part[i]);
    int (*compare)(const char *, const char *, size_t) = capitals ? strncmp : strncasecmp;
    while (*text && compare(text, part, n) != 0) text++;
    return *text;
}

/* Is it about that? Its id begins so, or its topic, formula or note says so, or its check. */
static bool is_about(const registry_row *r, const char *part)
{
    const derivation *d = derivation_find(r->id);
    return strncasecmp(r->id, part, strlen(part)) == 0 || contains(r->topic, part) ||
           contains(r->statement, part) || contains(r->note, part) || (d && contains(d->says, part));
}

/* All, or those that are about something: one line each. Returns their number. */
static int print_rows(FILE *out, const char *about, bool latex)
{
    int n = 0;
    for (const registry_row *r = registry; r->id; r++) {
        if (about && !is_about(r, about)) continue;
        print(out, "%-8s %-8s part %s  %-7s", r->id, r->class_, r->part, *r->check ? "checked" : "-");
        print_formula(out, "  ", r->statement, latex, "\n");
        n++;
    }
    return n;
}

int list_command(int argc, char **argv)
{
    bool latex = false;
    const option table[] = { { "--latex", NULL, "formulas as LaTeX", NULL, &latex }, { NULL } };
    int left = options_parse(argc, argv, "list [ID|TEXT] [--latex]",
        "Prints every equation, claim and algorithm of the five documents, or all that is known of one: what is\n"
        "to be done with it (proved: a check that a planted error fails; measured: an experiment; stated:\n"
        "nothing can be checked), where it stands in the documents (README), and where in the code.\n"
        "TEXT, such as TRPO or entropy: those whose id begins with it, or whose topic, formula, note or\n"
        "check has it. IS, all in capitals, is not found in \"is\". ERR: the documents' errata.", table);
    if (left > 1) bad_input("list: expected at most one id, found %d", left);
    char *text;
    size_t n;
    FILE *out = print_to_memory(&text, &n);                 /* all of it or nothing */
    char spelt[REGISTRY_ID];
    const char *asked = left == 1 ? registry_spelt(argv[1], spelt) : "";
    const registry_row *r = registry_find(asked);
    bool found = true;
    if (r)                                    print_row(out, r, latex);
    else if (left == 0)                       print_rows(out, NULL, latex);
    else if (strcasecmp(asked, "ERR") == 0)   print_errata(out);
    else                found = *asked && (print_erratum(out, asked, latex) || print_rows(out, asked, latex));
    print_done(out, &text);
    if (!found) bad_input("list: no id or equation with %s; `ascent list` prints them all", argv[1]);
    fputs(text, stdout);
    free(text);
    return EXIT_HELD;
}
