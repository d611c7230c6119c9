/* The registry: complete, and every derivation belongs to a row of it and has a line of code. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "derivations/derivation.h"
#include "derivations/errata.h"
#include "derivations/registry.h"

static void rows(void **state)
{
    (void)state;
    int count = 0, stated = 0;
    for (const registry_row *r = registry; r->id; r++, count++) {
        assert_ptr_equal(registry_find(r->id), r);                  /* no id twice */
        assert_true(*r->statement && *r->topic && *r->part);
        stated += strcmp(r->class_, "stated") == 0;
        assert_true(!strcmp(r->class_, "proved") || !strcmp(r->class_, "measured") || !strcmp(r->class_, "stated"));
    }
    assert_int_equal(count, 322);
    assert_int_equal(stated, 12);
    assert_null(registry_find("PDI-0"));
}

/* Text with backslashes, quotes and primes comes through the generated table unharmed. */
static void text(void **state)
{
    (void)state;
    assert_string_equal(registry_find("MDP-9")->statement, "A^\\pi(s,a)=Q^\\pi(s,a)-V^\\pi(s)");
    assert_non_null(strstr(registry_find("MDP-8")->note, "\"discounted\""));
}

static void derivations_are_bound(void **state)
{
    (void)state;
    const derivation *d;
    for (int i = 0; (d = derivation_at(i)); i++) {
        const registry_row *r = registry_find(d->id);
        if (!r) fail_msg("%s is not in the registry", d->id);
        if (!*r->code) fail_msg("%s: no comment in a .c file opens with it", d->id);
        if (!*r->check) fail_msg("%s: the place of its check was not found", d->id);
        assert_ptr_equal(derivation_find(d->id), d);
        assert_true(d->line[0].latex && d->line[1].latex);
    }
}

/* All that can be checked has a check. */
static void all_are_checked(void **state)
{
    (void)state;
    for (const registry_row *r = registry; r->id; r++) {
        if (strcmp(r->class_, "stated") == 0) continue;
        if (!derivation_find(r->id)) fail_msg("%s: no check", r->id);
    }
}

/* Where an id is at home, and not in what comes first in the alphabet; why a statement has no check */
static void places(void **state)
{
    (void)state;
    static const char *const at[][2] = { { "TRPO-10", "algorithms/trpo_problem.c:" },
                                         { "PPO-1", "algorithms/ppo_clip.c:" },
                                         { "NPG-4", "algorithms/npg.c:" } };
    for (size_t i = 0; i < sizeof at / sizeof *at; i++)
        assert_memory_equal(registry_find(at[i][0])->code, at[i][1], strlen(at[i][1]));
    for (const registry_row *r = registry; r->id; r++)
        assert_int_equal(*r->reason != 0, strcmp(r->class_, "stated") == 0);
}

static bool in_words(const char *erratum)
{
    const erratum_in_words *e = errata_in_words;
    while (e->erratum && strcmp(e->erratum, erratum) != 0) e++;
    return e->erratum;
}

/* All 86 errata are shown, by a number or in words. */
static void errata(void **state)
{
    (void)state;
    for (int k = 1; k <= 86; k++) {
        char erratum[16];
        int line;
        snprintf(erratum, sizeof erratum, "ERR-%d", k);
        if (!derivation_next_erratum(erratum, NULL, &line) && !in_words(erratum))
            fail_msg("%s is not shown", erratum);
    }
    for (const erratum_in_words *e = errata_in_words; e->erratum; e++) {
        if (!registry_find(e->beside)) fail_msg("%s: no %s", e->erratum, e->beside);
        assert_true(*e->place && strcmp(e->printed, e->right) != 0);
    }
}

static void first_table(void **state)
{
    (void)state;
    static const char *const id[] = { "PGT-3", "PGT-15", "PDI-1", "PDI-2", "PDI-3", "PDI-4", "PDI-6", "NPG-2",
                                      "NPG-3", "NPG-7", "NPG-8", "NPG-9" };
    for (size_t i = 0; i < sizeof id / sizeof *id; i++) assert_non_null(derivation_find(id[i]));
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = { cmocka_unit_test(rows), cmocka_unit_test(text),
                                        cmocka_unit_test(derivations_are_bound), cmocka_unit_test(first_table),
                                        cmocka_unit_test(all_are_checked), cmocka_unit_test(places),
                                        cmocka_unit_test(errata) };
    if (argc > 1) cmocka_set_test_filter(argv[1]);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
