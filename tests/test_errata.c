/* The errata desk: every erratum, with its place in the documents; what is exchanged, or fails, is not shown. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>
#include <jansson.h>

#include "autodiff/options.h"
#include "autodiff/require.h"
#include "derivations/errata.h"
#include "derivations/registry.h"
#include "derivations/verify_errata.h"

static const char *erratum_name(int n)
{
    static char name[16];
    snprintf(name, sizeof name, "ERR-%d", n);
    return name;
}

/* "000" .. "004" */
static bool names_a_document(const char *text)
{
    for (text = strstr(text, "00"); text; text = strstr(text + 1, "00"))
        if (text[2] >= '0' && text[2] <= '4') return true;
    return false;
}

/* By numbers: all but three, which are a word, a name and a title. Each says where it stands. */
static void all_are_there(void **state)
{
    (void)state;
    for (int n = 1; n <= ERRATA; n++) {
        const char *erratum = erratum_name(n);
        int lines = 0, l, places = 0;
        for (const derivation *d = NULL; (d = derivation_next_erratum(erratum, d, &l)); lines++)
            places += names_a_document(d->line[l].why);
        bool words_only = n == 52 || n == 59 || n == 78;
        if ((lines == 0) != words_only) fail_msg("%s has %d lines", erratum, lines);
        if (words_only) assert_true(erratum_has_words(erratum));
        else if (!places) fail_msg("%s: in which document?", erratum);
    }
    assert_false(erratum_has_words("ERR-1"));
    assert_null(derivation_next_erratum("ERR-87", NULL, &(int){ 0 }));
}

/* Those with a derivation here stand beside a row of the registry; no derivation of an id is hidden by one. */
static void lines_have_rows(void **state)
{
    (void)state;
    for (const derivation *d = errata_lines; d->id; d++) {
        assert_non_null(registry_find(d->id));
        assert_ptr_not_equal(derivation_find(d->id), d);
        int errata = 0;
        for (int l = 0; l < DERIVATION_MAX_LINES && d->line[l].latex; l++) errata += d->line[l].erratum != NULL;
        assert_int_equal(errata, 1);
    }
}

typedef struct { problem p[2]; errata_desk desk; setting own; } fixture;

/* Where the errata are verified by default, but without those that train */
static void open_desk(fixture *f)
{
    f->own = (setting){ .seed = 1 };
    f->p[0] = problem_open("FrozenLake-v1", NULL, NULL, NULL, 1);
    f->p[1] = problem_open("E5", NULL, NULL, NULL, 1);
    f->desk = (errata_desk){ f->p, 2, &f->own, false, false, true };
}

static void close_desk(fixture *f)
{
    problem_close(&f->p[0]);
    problem_close(&f->p[1]);
}

static enum showing shown_in(const fixture *f, const char *erratum, const derivation *d)
{
    json_t *lines = json_array();
    enum showing showing = errata_lines_shown(&f->desk, erratum, d, lines);
    json_decref(lines);
    return showing;
}

static void swap_numbers(derivation_line *a, derivation_line *b)
{
    const derivation_line old = *a;
    a->value = b->value, memcpy(a->is, b->is, sizeof a->is);
    b->value = old.value, memcpy(b->is, old.is, sizeof b->is);
}

/* Each line, in each derivation: and no longer when the document's line and the right one are exchanged. Where
 * the first line is a bound, the right one is the second. */
static void exchange_shows(void **state)
{
    (void)state;
    fixture f;
    open_desk(&f);
    int tried = 0, l;
    for (int n = 1; n <= ERRATA; n++) {
        const char *erratum = erratum_name(n);
        for (const derivation *d = NULL; (d = derivation_next_erratum(erratum, d, &l));) {
            enum showing showing = shown_in(&f, erratum, d);
            if (showing != (d->trains > 0 ? SHOWN_NOT_HERE : SHOWN))
                fail_msg("%s in %s: %d", erratum, d->id, showing);
            if (d->trains > 0 || d->line[l].relation == EQUAL) continue;
            derivation swapped = *d;
            int right = strcmp(erratum, "ERR-71") == 0;
            swap_numbers(&swapped.line[l], &swapped.line[right]);
            showing = shown_in(&f, erratum, &swapped);
            if (showing == SHOWN || showing == SHOWN_NOT_HERE)
                fail_msg("%s in %s, exchanged: shown", erratum, d->id);
            tried++;
        }
    }
    assert_true(tried > 110);
    close_desk(&f);
}

/* One that agrees everywhere is not shown, and the command fails. */
static double zero(const setting *x, double *out)
{
    memset(out, 0, (size_t)x->pi->n * sizeof *out);
    return 0;
}

static void agreement_is_not_shown(void **state)
{
    (void)state;
    fixture f;
    open_desk(&f);
    const derivation *d = errata_lines;
    while (strcmp(d->id, "PGT-1") != 0) d++;
    derivation changed = *d;
    changed.line[2].value = d->line[1].value;
    assert_int_equal(shown_in(&f, "ERR-46", &changed), SHOWN_TO_AGREE);
    changed = *d;
    changed.line[1].value = zero;
    assert_int_equal(shown_in(&f, "ERR-46", &changed), SHOWN_TO_FAIL);
    changed.line[0].value = zero;
    assert_int_equal(shown_in(&f, "ERR-46", &changed), SHOWN_TOO_LOOSELY);      /* the quantity is zero */
    close_desk(&f);
}

/* What the command prints, to be freed; its exit status in *status */
static char *printed(const errata_desk *desk, const char *id, int *status)
{
    FILE *file = tmpfile();
    assert_non_null(file);
    fflush(stdout);
    int stdout_was = dup(1);
    dup2(fileno(file), 1);
    *status = verify_errata(desk, id);
    fflush(stdout);
    dup2(stdout_was, 1);
    close(stdout_was);
    long n = ftell(file);
    char *text = allocate((size_t)n + 1, 1, "what is printed");
    rewind(file);
    assert_int_equal(fread(text, 1, (size_t)n, file), n);
    fclose(file);
    return text;
}

static int times(const char *text, const char *part)
{
    int n = 0;
    for (text = strstr(text, part); text; text = strstr(text + 1, part)) n++;
    return n;
}

static void page_has_each_once(void **state)
{
    (void)state;
    fixture f;
    open_desk(&f);
    f.desk.json = false;
    int status;
    char *text = printed(&f.desk, NULL, &status);
    assert_int_equal(status, EXIT_HELD);
    for (int n = 1; n <= ERRATA; n++) {
        char with_columns[24], without[24];
        snprintf(with_columns, sizeof with_columns, "\nERR-%d ", n);
        snprintf(without, sizeof without, "\nERR-%d\n", n);
        assert_int_equal(times(text, with_columns) + times(text, without), 1);
    }
    assert_non_null(strstr(text, "82 of 86 errata shown: 79 by numbers, 3 in words; 0 not shown, 4 n/a\n"));
    assert_int_equal(times(text, "trains: "), 4);
    free(text);
    close_desk(&f);
}

static const char *member(const json_t *o, const char *key) { return json_string_value(json_object_get(o, key)); }

static void json_has_each_once(void **state)
{
    (void)state;
    fixture f;
    open_desk(&f);
    int status;
    char *text = printed(&f.desk, NULL, &status);
    json_t *all = json_loads(text, 0, NULL), *line, *at;
    assert_int_equal(json_array_size(all), ERRATA);
    for (int n = 1; n <= ERRATA; n++) {
        const json_t *o = json_array_get(all, (size_t)n - 1);
        assert_string_equal(member(o, "erratum"), erratum_name(n));
        size_t i, k, refuted = 0;
        json_array_foreach(json_object_get(o, "lines"), i, line) {
            assert_non_null(registry_find(member(line, "id")));
            json_array_foreach(json_object_get(line, "settings"), k, at) {
                bool numbers = json_is_number(json_object_get(at, "document"));
                assert_true(numbers || *member(at, "reason"));
                if (strcmp(member(at, "verdict"), "REFUTED") != 0) continue;
                refuted++;
                assert_true(json_number_value(json_object_get(at, "units")) >
                            json_number_value(json_object_get(at, "bound")));
            }
        }
        bool words = strcmp(member(o, "verdict"), "in words") == 0,
            shown = strcmp(member(o, "verdict"), "shown") == 0;
        assert_int_equal(words, n == 52 || n == 59 || n == 78);
        assert_int_equal(shown && n != 86, refuted > 0);
        if (words) assert_int_equal(json_array_size(json_object_get(o, "lines")), 0);
    }
    json_decref(all);
    free(text);
    close_desk(&f);
}

/* Where every step is certain the TD error is the advantage, and ERR-29's line right. */
static void status_says_it(void **state)
{
    (void)state;
    problem p = problem_open("chain:5", NULL, NULL, NULL, 1);
    setting own = { .seed = 1 };
    static const struct { const char *id; bool named; int status; const char *last; } want[] = {
        { "ERR-29", false, EXIT_CHECK_FAILED, "0 of 1 errata shown: 0 by numbers, 0 in words; 1 not shown, 0 n/a" },
        { "ERR-29", true, EXIT_CHECK_FAILED, "0 of 1 errata shown: 0 by numbers, 0 in words; 0 not shown, 1 n/a" },
        { "ERR-59", true, EXIT_HELD, "1 of 1 errata shown: 0 by numbers, 1 in words; 0 not shown, 0 n/a" },
        { NULL, false, EXIT_CHECK_FAILED, " not shown, " },
        { NULL, true, EXIT_HELD, "; 0 not shown, " },
    };
    for (size_t i = 0; i < sizeof want / sizeof *want; i++) {
        errata_desk desk = { &p, 1, &own, want[i].named, false, false };
        int status;
        char *text = printed(&desk, want[i].id, &status);
        if (status != want[i].status || !strstr(text, want[i].last))
            fail_msg("case %d: status %d\n%s", (int)i, status, text);
        assert_int_equal(times(text, "NOT SHOWN") > 0, !want[i].named);
        free(text);
    }
    problem_close(&p);
}

/* ERR-79, DSB-2: p'(s_t) of pi', which takes pi's likeliest action with .9, each of the others with .1 / (nA - 1) */
static void mistakes(void **state)
{
    (void)state;
    problem p = problem_open("E5", NULL, NULL, NULL, 1);
    const exact *pi = p.policy[0].setting->pi;
    const mdp *M = pi->M;
    int l, nS = M->nS, nA = M->nA;
    const derivation *d = derivation_next_erratum("ERR-79", NULL, &l);
    while (strcmp(d->id, "DSB-2") != 0) d = derivation_next_erratum("ERR-79", d, &l);
    double out[4 * 8];
    long double now[8], next[8];
    assert_true(nS <= 8 && nA > 2 && d->n(p.policy[0].setting) == 4 * nS);
    assert_true(d->line[0].value(p.policy[0].setting, out) == 0);
    for (int s = 0; s < nS; s++) now[s] = M->mu0[s];
    for (int t = 1; t <= 4; t++) {
        memset(next, 0, sizeof next);
        for (int i = 0; i < nS * nA; i++) {
            bool likeliest = true;
            for (int b = 0; b < nA; b++) likeliest &= pi->pi[i] >= pi->pi[i / nA * nA + b];
            for (int k = M->row[i]; k < M->row[i + 1]; k++)
                next[M->next[k]] += now[i / nA] * (likeliest ? 0.9L : 0.1L / (nA - 1)) * M->P[k];
        }
        memcpy(now, next, sizeof now);
        for (int s = 0; s < nS; s++) assert_true(fabsl(out[(t - 1) * nS + s] - now[s]) <= 1e-14L);
    }
    problem_close(&p);
}

/* ERR-86, TD3-8: .005 (.5 + .1 1.6 .5) - .995 .3 = -.2956 and .005 .8 + .995 .2 = .203 in either order; and the control
 * without the step, .005 .5 - .995 .3 = -.296 */
static void orders(void **state)
{
    (void)state;
    int l;
    const derivation *d = derivation_next_erratum("ERR-86", NULL, &l);
    for (int k = 0; k < 3; k++) {
        double out[2];
        assert_true(d->line[k].value(&(setting){ .seed = 1 }, out) == 0);
        assert_true(fabs(out[0] - (k < 2 ? -0.2956 : -0.296)) <= 1e-15 && fabs(out[1] - 0.203) <= 1e-15);
    }
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = { cmocka_unit_test(all_are_there), cmocka_unit_test(lines_have_rows),
                                        cmocka_unit_test(exchange_shows),
                                        cmocka_unit_test(agreement_is_not_shown),
                                        cmocka_unit_test(page_has_each_once), cmocka_unit_test(json_has_each_once),
                                        cmocka_unit_test(status_says_it), cmocka_unit_test(mistakes),
                                        cmocka_unit_test(orders) };
    if (argc > 1) cmocka_set_test_filter(argv[1]);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
