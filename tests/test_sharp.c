/* Every derivation where double precision ends: policies whose probabilities underflow or are 0, logits that a step
 * is lost in, discounts next to 0 and 1. What can be said holds, in numbers; what cannot is n/a. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "autodiff/linalg.h"
#include "derivations/derivation.h"

enum { PAIRS = 24 };

/* Two states; without `choice` both actions of the first are the same */
static mdp *two_states(bool choice)
{
    mdp_builder *b = mdp_begin("two states", 2, 2, 0.9);
    mdp_start(b, 0, 1);
    for (int i = 0; i < 4; i++) {
        int s1 = i / 2 == (i % 2);
        double r = i == 3 ? 3 : i < 2;
        if (choice || i == 3) mdp_transition(b, i / 2, i % 2, s1, 1, r);
        else                  mdp_transition(b, i / 2, i % 2, 0, 0.5, r), mdp_transition(b, i / 2, i % 2, 1, 0.5, r);
    }
    return mdp_finish(b);
}

static void holds_at(const setting *x, const char *name)
{
    const derivation *d;
    for (int i = 0; (d = derivation_at(i)); i++) {
        if (d->own_problem) continue;
        derivation_result r = derivation_run(d, x);
        if (r.verdict == FAIL)
            fail_msg("%s on %s, gamma %.15g: line %d is off by %.3g units, %.3g allowed", d->id, name, x->pi->gamma,
                     r.worst + 1, r.units[r.worst], r.allowed[r.worst]);
        for (int j = 0; j < r.lines * r.n; j++)
            if (r.computed[j / r.n] && !isfinite(r.value[j]))
                fail_msg("%s on %s, gamma %.15g: line %d is %g", d->id, name, x->pi->gamma, j / r.n + 1, r.value[j]);
        derivation_result_free(&r);
    }
}

/* pi with these logits, against one without extremes */
static void holds(const mdp *M, double gamma, const double *logits)
{
    char error[256];
    double smooth[PAIRS];
    for (int i = 0; i < M->nS * M->nA; i++) smooth[i] = cos(1 + 2 * i);
    exact *sharp = exact_new(M, gamma, logits, error, sizeof error);
    exact *other = exact_new(M, gamma, smooth, error, sizeof error);
    if (!sharp || !other) fail_msg("%s", error);
    setting *x = setting_new(sharp, other, 1);
    holds_at(x, M->name);
    setting_free(x);
    exact_free(sharp);
    exact_free(other);
}

/* The second action by far, or one of them by how far cos says */
static void sharp_policies(void **state)
{
    (void)state;
    static const char *const names[] = { "E5x", "ok-bad:0.1" };
    static const double far[] = { 18, 740, 1e300 };
    for (int m = -1; m < 2; m++) {
        mdp *M = m < 0 ? two_states(true) : mdp_builtin(names[m]);
        for (int k = 0; k < 6; k++) {
            double logits[PAIRS];
            for (int i = 0; i < M->nS * M->nA; i++)
                logits[i] = k < 3 ? (i % M->nA == 1 ? far[k] : 0) : far[k - 3] * cos(5 * i);
            holds(M, 0.9, logits);
        }
        mdp_free(M);
    }
}

/* Actions that are never done beside some that are: pi has a choice, and none of the best */
static void actions_never_done(void **state)
{
    (void)state;
    static const double logits[] = { 700, 700, 700, -700 }, equal[] = { 1e300, 1e300, -1e300, 1e300 };
    mdp *M = two_states(true);
    holds(M, 0.9, logits);
    holds(M, 0, logits);
    holds(M, 0.9, equal);
    mdp_free(M);
}

static void sharp_where_it_matters_little(void **state)
{
    (void)state;
    static const double logits[] = { 19.883414041401046, 1.5913467000107517, 13.384434577783502, 3.9324137178142853 };
    mdp *M = mdp_builtin("ok-bad:0.1");
    holds(M, 0.9, logits);
    mdp_free(M);
}

static void discounts(void **state)
{
    (void)state;
    static const double gamma[] = { 1e-10, 0.999999, 1 - 1e-10, 1 - 1e-14 };
    static const double logits[PAIRS] = { 0.3, -0.2, 0.1, 0.4, -0.6, 0, 1, -1 };
    for (int m = 0; m < 3; m++) {
        mdp *M = m < 2 ? two_states(m) : mdp_builtin("E5x");
        for (int k = 0; k < 4; k++) holds(M, gamma[k], logits);
        mdp_free(M);
    }
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(sharp_policies), cmocka_unit_test(actions_never_done),
        cmocka_unit_test(sharp_where_it_matters_little), cmocka_unit_test(discounts) };
    if (argc > 1) cmocka_set_test_filter(argv[1]);
    linalg_start();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
