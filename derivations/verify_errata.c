/* The errata desk: see verify_errata.h. */
#include "derivations/verify_errata.h"

#include <float.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "autodiff/json.h"
#include "autodiff/options.h"
#include "autodiff/require.h"
#include "derivations/errata.h"
#include "derivations/plain_math.h"
#include "derivations/registry.h"

enum { WIDTH = 100 };

/* A document's line on one MDP under one policy */
typedef struct {
    const problem *p;               /* NULL: its own */
    int policy;
    enum showing showing;
    const char *reason;
    double document, right, units, allowed, unit;
} look;

static bool is_wrong(const derivation_line *line) { return relation_kind(line->relation) == DIFFERS; }

static const char *showing_name(enum showing s, const derivation_line *line)
{
    static const char *const name[] = { "n/a", "agrees", "WEAK", "REFUTED", "FAIL" };
    return s == SHOWN && !is_wrong(line) ? "holds" : name[s];
}

/* ---- looking ---- */

static look look_at(const derivation *d, int l, const derivation_result *r)
{
    look k = { .reason = r->reason, .document = NAN, .right = NAN, .units = NAN, .allowed = NAN, .unit = NAN };
    if (r->verdict == NOT_APPLICABLE) return k;
    if (!r->computed[l]) {
        k.reason = "too large here";
        return k;
    }
    int i = is_wrong(&d->line[l]) ? r->furthest[l] : derivation_shown(r);
    k.document = derivation_number(r, l, i);
    k.right = derivation_number(r, r->against[l], i);
    k.units = fmin(r->units[l], DBL_MAX);
    k.allowed = r->allowed[l];
    k.unit = r->unit * r->measure[i];
    k.showing = r->verdict == FAIL ? SHOWN_TO_FAIL : r->verdict == WEAK ? SHOWN_TOO_LOOSELY
              : r->differs[l] || !is_wrong(&d->line[l]) ? SHOWN : SHOWN_TO_AGREE;
    if (k.showing == SHOWN_TO_FAIL) k.reason = "a line called right is off";
    if (k.showing == SHOWN_TO_AGREE) k.reason = "here the document's line happens to be right";
    return k;
}

/* Derivation d in each setting that it is about: seen [DERIVATION_MAX_LINES x room], the looks at line l from
 * l room on. Returns how many each line has. */
static int look_everywhere(const errata_desk *desk, const derivation *d, int room, look *seen)
{
    bool left_out = d->trains > 0 && !desk->trains;
    int looks = 0;
    for (int i = 0; i < (d->own_problem ? 1 : desk->count); i++) {
        const problem *p = d->own_problem ? NULL : &desk->p[i];
        for (int k = 0; k < (p ? p->policies : 1); k++, looks++) {
            derivation_result r = { .verdict = NOT_APPLICABLE, .reason = "trains: `ascent derive` prints it" };
            if (!left_out) r = derivation_run(d, p ? p->policy[k].setting : desk->own);
            for (int l = 0; l < DERIVATION_MAX_LINES && d->line[l].latex; l++) {
                seen[l * room + looks] = look_at(d, l, &r);
                seen[l * room + looks].p = p;
                seen[l * room + looks].policy = k;
            }
            derivation_result_free(&r);
        }
    }
    return looks;
}

/* The most decisive of these; the first of them */
static const look *best(const look *seen, int looks)
{
    const look *most = seen;
    for (const look *k = seen; k < seen + looks; k++)
        if (k->showing > most->showing) most = k;
    return most;
}

/* The equation's corrected statement; where the erratum has a derivation of its own, the first two lines of
 * that. To be freed */
static char *right_line(const derivation *d)
{
    bool own = derivation_find(d->id) != d;
    const char *first = own ? d->line[0].latex : registry_find(d->id)->statement;
    const char *second = own && !d->line[1].erratum ? d->line[1].latex : "";
    char *text = allocate(strlen(first) + strlen(second) + 1, 1, "a formula");
    strcpy(text, first);
    return strcat(text, second);
}

/* ---- text ---- */

/* end NULL: to the end of the text */
static void print_wrapped(const char *before, const char *text, const char *end)
{
    int column = printf("%s", before), indent = column;
    if (!end) end = text + strlen(text);
    while (text < end) {
        int word = (int)strcspn(text, " ");
        if (word > end - text) word = (int)(end - text);
        if (column > indent && column + 1 + word > WIDTH) {
            printf("\n%*s", indent, "");
            column = indent;
        } else if (column > indent) column += printf(" ");
        column += printf("%.*s", word, text);
        text += word + (text[word] == ' ');
    }
    putchar('\n');
}

static void print_formula(const char *before, const char *latex)
{
    char *plain = plain_math(latex);
    print_wrapped(before, plain, NULL);
    free(plain);
}

static void print_heading(const char *erratum, bool numbers)
{
    printf("\n%s", erratum);
    if (numbers) printf("%*s %20s %9s", 45 - (int)strlen(erratum), "document", "right", "units");
    putchar('\n');
}

/* One row for an MDP: its most decisive look; and how often, and why elsewhere not */
static void print_looks(const derivation_line *line, const look *seen, int looks)
{
    const look *most = best(seen, looks);
    int alike = 0;
    for (const look *k = seen; k < seen + looks; k++) alike += k->showing == most->showing;
    const char *where = most->p ? most->p->M->name : "its own problem";
    size_t n = strlen(where);
    printf("    %-20s ", n > 20 ? where + n - 20 : where);               /* of a path its end */
    if (most->showing == SHOWN_NOT_HERE) {
        printf("n/a: %s\n", most->reason);
        return;
    }
    printf("%20.13g %20.13g %9.2g  %s", most->document, most->right, most->units,
           showing_name(most->showing, line));
    if (most->p) printf(", %d of %d policies", alike, looks);
    putchar('\n');
    if (most->showing != SHOWN) printf("%25s%s\n", "", most->reason);
    for (const look *k = seen; k < seen + looks; k++) {
        if (k->showing == most->showing) continue;
        printf("%25s%s elsewhere%s%s\n", "", showing_name(k->showing, line), k->reason ? ": " : "",
               k->reason ? k->reason : "");
        break;
    }
}

static void print_line(const derivation *d, int l, const look *seen, int looks)
{
    char *title = allocate(strlen(d->line[l].why) + strlen(d->id) + 8, 1, "a title");
    sprintf(title, "%s: %s", d->id, d->line[l].why);
    print_wrapped("  ", title, NULL);
    free(title);
    print_formula("    document  ", d->line[l].latex);
    char *right = right_line(d);
    print_formula("    right     ", right);
    free(right);
    print_wrapped("    numbers   ", d->of, strstr(d->of, ", see below"));
    if (d->own_problem) print_wrapped("    on        ", d->own_problem, NULL);
    for (int first = 0, end; first < looks; first = end) {
        for (end = first + 1; end < looks && seen[end].p == seen[first].p; end++) {}
        print_looks(&d->line[l], seen + first, end - first);
    }
}

/* ---- JSON ---- */

static json_t *line_json(const derivation *d, int l, const look *seen, int looks)
{
    json_t *o = json_checked(json_object()), *all = json_checked(json_array());
    char *right = right_line(d);
    json_set(o, "id", json_text(d->id));
    json_set(o, "document", json_text(d->line[l].latex));
    json_set(o, "why", json_text(d->line[l].why));
    json_set(o, "right", json_text(right));
    free(right);
    json_set(o, "numbers", json_text(d->of));
    json_set(o, "own_problem", d->own_problem ? json_text(d->own_problem) : json_null());
    json_set(o, "verdict", json_text(showing_name(best(seen, looks)->showing, &d->line[l])));
    for (const look *k = seen; k < seen + looks; k++) {
        json_t *v = json_checked(json_object());
        json_set(v, "mdp", k->p ? json_text(k->p->M->name) : json_null());
        json_set(v, "gamma", json_number(k->p ? k->p->gamma : NAN));
        json_set(v, "policy", k->p ? json_text(k->p->policy[k->policy].name) : json_null());
        json_set(v, "document", json_number(k->document));
        json_set(v, "right", json_number(k->right));
        json_set(v, "units", json_number(k->units));
        json_set(v, "bound", json_number(k->allowed));
        json_set(v, "unit", json_number(k->unit));
        json_set(v, "verdict", json_text(showing_name(k->showing, &d->line[l])));
        json_set(v, "reason", k->reason ? json_text(k->reason) : json_null());
        json_append(all, v);
    }
    json_set(o, "settings", all);
    return o;
}

static json_t *words_json(const erratum_in_words *e)
{
    json_t *o = json_checked(json_object());
    json_set(o, "id", json_text(e->beside));
    json_set(o, "place", json_text(e->place));
    json_set(o, "document", json_text(e->printed));
    json_set(o, "right", json_text(e->right));
    return o;
}

/* ---- one erratum, and all ---- */

static void show_words(const char *erratum, bool alone, json_t *words)
{
    for (const erratum_in_words *e = errata_in_words; e->erratum; e++) {
        if (strcmp(e->erratum, erratum) != 0) continue;
        if (words) {
            json_append(words, words_json(e));
            continue;
        }
        printf("  %s: %s%s\n", e->beside, e->place, alone ? ", in words" : "");
        print_wrapped("    document  ", e->printed, NULL);
        print_wrapped("    right     ", e->right, NULL);
    }
}

enum showing errata_lines_shown(const errata_desk *desk, const char *erratum, const derivation *d,
                                json_t *lines)
{
    enum showing most = SHOWN_NOT_HERE;
    int room = 1;
    for (int i = 0; i < desk->count; i++) room += desk->p[i].policies;
    look *seen = allocate((size_t)(DERIVATION_MAX_LINES * room), sizeof *seen, "what is seen of an erratum");
    int looks = look_everywhere(desk, d, room, seen);
    for (int l = 0; l < DERIVATION_MAX_LINES && d->line[l].latex; l++) {
        if (!d->line[l].erratum || strcmp(d->line[l].erratum, erratum) != 0) continue;
        if (lines) json_append(lines, line_json(d, l, seen + l * room, looks));
        else       print_line(d, l, seen + l * room, looks);
        enum showing showing = best(seen + l * room, looks)->showing;
        if (showing > most) most = showing;
    }
    free(seen);
    return most;
}

/* What became of one, as the last line counts */
enum outcome { BY_NUMBERS, IN_WORDS, NOT_SHOWN, NOWHERE, OUTCOMES };

static enum outcome outcome_of(const errata_desk *desk, enum showing most)
{
    if (most == SHOWN) return BY_NUMBERS;
    if (desk->named && most < SHOWN) return NOWHERE;
    return most == SHOWN_NOT_HERE && !desk->trains ? NOWHERE : NOT_SHOWN;
}

static enum outcome show(const errata_desk *desk, const char *erratum, json_t *rows)
{
    static const char *const name[] = { "shown", "in words", "not shown", "n/a" };
    json_t *words = rows ? json_checked(json_array()) : NULL, *lines = rows ? json_checked(json_array()) : NULL;
    int line;
    const derivation *d = derivation_next_erratum(erratum, NULL, &line);
    if (!rows) print_heading(erratum, d);
    show_words(erratum, !d, words);
    enum outcome without = erratum_has_words(erratum) ? IN_WORDS : NOT_SHOWN, outcome = d ? NOWHERE : without;
    for (enum showing most = SHOWN_NOT_HERE; d; d = derivation_next_erratum(erratum, d, &line)) {
        enum showing showing = errata_lines_shown(desk, erratum, d, lines);
        if (showing > most) most = showing;
        outcome = outcome_of(desk, most);
    }
    if (!rows) {
        if (outcome == NOT_SHOWN) printf("  %s is NOT SHOWN\n", erratum);
        fflush(stdout);                                         /* all take a while */
        return outcome;
    }
    json_t *o = json_checked(json_object());
    json_set(o, "erratum", json_text(erratum));
    json_set(o, "verdict", json_text(name[outcome]));
    json_set(o, "words", words);
    json_set(o, "lines", lines);
    json_append(rows, o);
    return outcome;
}

int verify_errata(const errata_desk *desk, const char *id)
{
    int count[OUTCOMES] = { 0 }, total = 0;
    json_t *rows = desk->json ? json_checked(json_array()) : NULL;
    for (int n = 1; n <= ERRATA; n++) {
        char erratum[16];
        snprintf(erratum, sizeof erratum, "ERR-%d", n);
        if (id && strcmp(id, erratum) != 0) continue;
        count[show(desk, erratum, rows)]++;
        total++;
    }
    int shown = count[BY_NUMBERS] + count[IN_WORDS];
    if (rows) json_print(rows);
    else printf("\n%d of %d errata shown: %d by numbers, %d in words; %d not shown, %d n/a\n", shown, total,
                count[BY_NUMBERS], count[IN_WORDS], count[NOT_SHOWN], count[NOWHERE]);
    return count[NOT_SHOWN] == 0 && shown > 0 ? EXIT_HELD : EXIT_CHECK_FAILED;
}
