/* `ascent derive ID [MDP]`: a proof, line by line, each line with its number. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "autodiff/options.h"
#include "autodiff/require.h"
#include "derivations/commands.h"
#include "derivations/errata.h"
#include "derivations/plain_math.h"
#include "derivations/problem.h"
#include "derivations/registry.h"

/* How to print it: as Markdown, the lines from one number to another; formulas as they are written */
struct style { bool markdown, latex; int from, to; };
static bool whole(struct style style) { return style.from == 1 && style.to == DERIVATION_MAX_LINES; }

static void print_formula(FILE *out, const char *latex, struct style style)
{
    char *plain = plain_math(latex);
    fputs(style.latex ? latex : plain, out);
    free(plain);
}

static void print_line(FILE *out, const derivation *d, const derivation_result *r, int l, int i, struct style style)
{
    static const char *const stands[] = { [EQUAL] = "from", [AT_MOST] = "above", [AT_LEAST] = "below",
                                          [DIFFERS] = "from" };
    const derivation_line *line = &d->line[l];
    fprintf(out, "%2d  %s%s%s", l + 1, line->erratum ? "[" : "", line->erratum ? line->erratum : "",
            line->erratum ? "] " : "");
    print_formula(out, line->latex, style);
    fprintf(out, "\n      %s\n", line->why);
    enum relation kind = relation_kind(line->relation);
    int against = r->against[l];
    /* Where it differs, or what it speaks of, may be elsewhere. */
    int k = kind == DIFFERS ? r->furthest[l] : line->from > i ? line->from : i;
    if (!r->computed[l]) {
        fprintf(out, "      left out: too large here\n\n");
        return;
    }
    fprintf(out, "      %24.17g", derivation_number(r, l, k));
    if (k != i) fprintf(out, "     number %d, for %.17g of line %d:", k + 1, derivation_number(r, against, k),
                        against + 1);
    if (l == r->first) fprintf(out, "\n\n");
    else if (kind == DIFFERS)
        fprintf(out, "%s%.2g units%s: %s\n\n", k == i ? "     " : " ", r->units[l],
                k != i ? "" : against == r->first ? " from the first" : " from the line above",
                !r->differs[l] ? "not to be told apart here" : line->erratum ? "REFUTED" : "differs, as it must");
    else fprintf(out, "%s%.2g units %s line %d, %.2g allowed\n\n", k == i ? "     " : " ", r->units[l], stands[kind],
                 against + 1, r->allowed[l]);
}

/* As text of a page: * _ < [ are no markup */
static void print_escaped(FILE *out, const char *text)
{
    for (; *text; text++) {
        if (strchr("*_<[", *text)) fputc('\\', out);
        fputc(*text, out);
    }
}

/* What no rounding error can change: ten digits, 0 where all of it may be error, errors by their class */
static void print_number(FILE *out, const derivation_result *r, int l, int i)
{
    double x = derivation_number(r, l, i);
    fprintf(out, "`%.10g`", fabs(x) <= fmax(10, r->allowed[l]) * r->unit * r->measure[i] ? 0 : x);
}

static void print_markdown_line(FILE *out, const derivation *d, const derivation_result *r, int l, int i)
{
    const derivation_line *line = &d->line[l];
    const int indent = l < 9 ? 3 : 4;                           /* what a list item's paragraphs need */
    enum relation kind = relation_kind(line->relation);
    int k = kind == DIFFERS ? r->furthest[l] : line->from > i ? line->from : i;
    fprintf(out, "%d. %s%s%s", l + 1, line->erratum ? "**" : "", line->erratum ? line->erratum : "",
            line->erratum ? "**, wrong: " : "");
    print_escaped(out, line->why);
    fprintf(out, "\n\n%*s$$\n%*s%s\n%*s$$\n\n%*s", indent, "", indent, "", line->latex, indent, "", indent,
            "");
    if (!r->computed[l]) fprintf(out, "left out: too large here\n\n");
    else if (l == r->first) print_number(out, r, l, i), fprintf(out, "\n\n");
    else if (kind == DIFFERS) {
        print_number(out, r, l, k);
        if (k == i) fprintf(out, ": ");
        else fprintf(out, " (number %d) for ", k + 1), print_number(out, r, r->against[l], k), fprintf(out, ": ");
        fprintf(out, "%s\n\n", !r->differs[l] ? "not to be told apart here" : line->erratum ? "refuted"
                                                                                      : "differs, as it must");
    } else {
        static const char *const stands[] = { [EQUAL] = "=", [AT_MOST] = "at most", [AT_LEAST] = "at least" };
        print_number(out, r, l, k);
        if (k != i) fprintf(out, " (number %d, where line %d has ", k + 1, r->against[l] + 1),
                    print_number(out, r, r->against[l], k), fputc(')', out);
        fprintf(out, " %s line %d, within %s\n\n", stands[kind], r->against[l] + 1,
                r->allowed[l] > 10.5 ? "its own error" : "10 units");
    }
}

/* Some of its lines, for a chapter; the title above the first of all */
static void print_markdown(FILE *out, const derivation *d, const problem *p, const derivation_result *r,
                           struct style style)
{
    int i = derivation_shown(r);
    if (style.from == 1) {
        fprintf(out, "**%s** on ", d->id);
        if (p) fprintf(out, "%s, gamma %.15g, pi: ", p->M->name, p->gamma);
        print_escaped(out, p ? p->policy[0].name : d->own_problem);
        fprintf(out, ". The number of each line: ");
        const char *below = strstr(d->of, ", see below");       /* which is printed with the whole only */
        char *of = allocate(strlen(d->of) + 1, 1, "a text");
        if (!below || whole(style)) strcpy(of, d->of);
        else sprintf(of, "%.*s%s", (int)(below - d->of), d->of, below + strlen(", see below"));
        print_escaped(out, of);
        free(of);
        if (r->n > 1) fprintf(out, ", number %d of %d", i + 1, r->n);
        fprintf(out, ".\n\n");
    }
    for (int l = style.from - 1; l < r->lines && l < style.to; l++) print_markdown_line(out, d, r, l, i);
}

/* p NULL: on its own problem */
static void print_derivation(FILE *out, const derivation *d, const problem *p, const derivation_result *r,
                             struct style style)
{
    const registry_row *row = registry_find(d->id);
    fprintf(out, "%s   %s\n    ", d->id, d->says);
    print_formula(out, row->statement, style);
    fprintf(out, "\n    source: %s\n\n", row->documents);
    if (p) fprintf(out, "on %s: %d states, %d actions, gamma %.15g; pi: %s; pi': %s\n", p->M->name, p->M->nS,
                   p->M->nA,
                  p->gamma, p->policy[0].name, p->policy[0].name1);
    else fprintf(out, "on %s\n", d->own_problem);
    if (r->verdict == NOT_APPLICABLE) {
        fprintf(out, "not applicable here: %s\n", r->reason);
        return;
    }
    int i = derivation_shown(r);
    fprintf(out, "each line's number: %s", d->of);
    if (r->n > 1) fprintf(out, ", number %d of %d", i + 1, r->n);
    fprintf(out, "\n\n");
    for (int l = 0; l < r->lines; l++) print_line(out, d, r, l, i, style);
    fprintf(out, "%s (one unit is %.1e)%s%s\n", verdict_name(r->verdict), r->unit * r->measure[i],
            r->reason ? ": " : "", r->reason ? r->reason : "");
}

static enum verdict derive(FILE *out, const derivation *d, const problem *p, const setting *x, struct style style)
{
    derivation_result r = derivation_run(d, x);
    if (style.markdown && r.verdict != NOT_APPLICABLE) print_markdown(out, d, p, &r, style);
    else print_derivation(out, d, p, &r, style);
    if (d->page && r.verdict != NOT_APPLICABLE && whole(style)) {
        fprintf(out, style.markdown ? "```text\n" : "\n");
        d->page(x, out);
        if (style.markdown) fprintf(out, "```\n");
    }
    derivation_result_free(&r);
    return r.verdict;
}

static bool is_erratum(const char *id) { return strncmp(id, "ERR-", 4) == 0; }

/* Of an id; of an erratum the derivations that hold its lines, one after the other. */
static const derivation *first_of(const char *id)
{
    int line;
    const derivation *d = is_erratum(id) ? derivation_next_erratum(id, NULL, &line) : derivation_find(id);
    for (const erratum_in_words *e = errata_in_words; !d && e->erratum; e++)
        if (strcmp(e->erratum, id) == 0) bad_input("derive: %s is words: `ascent list %s` prints them", id, id);
    if (!d && is_erratum(id)) bad_input("derive: no erratum %s: expected ERR-1 to ERR-86", id);
    if (!d && !registry_find(id)) bad_input("derive: no id %s; `ascent list` prints them all", id);
    if (!d && strcmp(registry_find(id)->class_, "stated") == 0)
        bad_input("derive: %s is stated only, nothing to compute: `ascent list %s` prints it", id, id);
    if (!d) bad_input("derive: %s has no derivation yet", id);
    return d;
}

static const derivation *next_of(const char *id, const derivation *d)
{
    int line;
    return is_erratum(id) ? derivation_next_erratum(id, d, &line) : NULL;
}

static void read_lines(const char *text, struct style *style)
{
    char rest;
    if (!style->markdown) bad_input("--lines: expected --markdown beside it");
    if (sscanf(text, "%d-%d%c", &style->from, &style->to, &rest) != 2 || style->from < 1
        || style->from > style->to || style->to > DERIVATION_MAX_LINES)
        bad_input("--lines: expected I-J, 1 <= I <= J <= %d, found \"%s\"", DERIVATION_MAX_LINES, text);
}

static void require_lines(const derivation *d, struct style style)
{
    int n = 0;
    while (n < DERIVATION_MAX_LINES && d->line[n].latex) n++;
    if (style.from > n)
        bad_input("--lines: expected lines of %s, which has %d, found %d-%d", d->id, n, style.from, style.to);
}

int derive_command(int argc, char **argv)
{
    const char *gamma = NULL, *policy = NULL, *class = NULL, *seed_text = "1", *lines = NULL;
    struct style style = { .from = 1, .to = DERIVATION_MAX_LINES };
    const option table[] = { { "--gamma", "G", "discount instead of the MDP's own", &gamma, NULL },
                             { "--policy", "FILE", "pi: logits, CSV, one row a state, or `uniform`", &policy, NULL },
                             { "--class", "KIND", "pi: random; linear:D in D features, network:H of H units",
                               &class, NULL },
                             { "--seed", "K", "of pi' and of sampled trajectories (1)", &seed_text, NULL },
                             { "--markdown", NULL, "as a part of a page, formulas and all", NULL, &style.markdown },
                             { "--latex", NULL, "formulas as LaTeX", NULL, &style.latex },
                             { "--lines", "I-J", "these lines of it, with --markdown", &lines, NULL },
                             { NULL, NULL, NULL, NULL, NULL } };
    int left = options_parse(argc, argv, "derive ID [MDP] [--gamma G] [--policy FILE | --class KIND] [--seed K]"
        " [--latex | --markdown [--lines I-J]]",
        "Prints a derivation: each line, the reason for the step, and its value computed by its own means.\n"
        "Of several numbers the one that is largest in line 1 is shown, or, if a line fails, the one furthest off;\n"
        "all are compared. Units: of rounding error, see `ascent verify --help`.\n"
        "ID: of an equation, or of an erratum (ERR-30): its line stands beside the right ones.\n"
        "MDP: a .mdp file or a built-in name (E5). Exit 1 unless the verdict is PASS.", table);
    if (left < 1 || left > 2)
        bad_input("derive: expected an id and perhaps an MDP, found %d arguments", left);
    char spelt[REGISTRY_ID];
    const char *id = registry_spelt(argv[1], spelt);
    const derivation *first = first_of(id);
    uint64_t seed = options_seed("--seed", seed_text);
    if (lines) read_lines(lines, &style);
    if (first->own_problem && (left == 2 || gamma || policy || class))
        bad_input("derive: %s has a problem of its own, it takes no MDP, --gamma, --policy or --class", first->id);
    problem p = problem_open(left == 2 ? argv[2] : "E5", gamma, policy, class, seed);
    bool all_passed = true;
    char *text = NULL;                                      /* printed at the end: all of it, or nothing */
    size_t length;
    FILE *out = open_memstream(&text, &length);
    if (!out) out_of_memory(0, "a derivation's text");
    for (const derivation *d = first; d; d = next_of(id, d)) {
        require_lines(d, style);
        if (d != first) fprintf(out, "\n\n");
        enum verdict verdict = d->own_problem ? derive(out, d, NULL, &(setting){ .seed = problem_seed(seed) }, style)
                                              : derive(out, d, &p, p.policy[0].setting, style);
        all_passed = all_passed && verdict == PASS;
    }
    bool lost = ferror(out);
    if (fclose(out) != 0 || lost || !text) out_of_memory(0, "a derivation's text");
    fwrite(text, 1, length, stdout);
    free(text);
    problem_close(&p);
    return all_passed ? EXIT_HELD : EXIT_CHECK_FAILED;
}
