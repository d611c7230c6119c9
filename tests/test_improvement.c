/* The derivations about policy improvement, derivations/monotone.c and kl_constraint.c: their numbers on E5 with
 * theta(s,a) = cos(s+2a), as an independent program has them; where they hold, and where they say that they do not
 * apply.
 *     test_improvement [pattern]      runs the tests whose names match */
#include "tests/improvement_by_hand.h"

#include "algorithms/cpi.h"
#include "derivations/derivation.h"

/* pi = theta, pi' = theta + A */
static setting *e5_at(double gamma, mdp **M, exact **pi, exact **pi1)
{
    double z[15];
    char error[256];
    *M = mdp_builtin("E5");
    for (int i = 0; i < 15; i++) z[i] = cos(i / 3 + 2 * (i % 3));
    *pi = exact_new(*M, gamma, z, error, sizeof error);
    for (int i = 0; i < 15; i++) z[i] += (*pi)->A[i];
    *pi1 = exact_new(*M, gamma, z, error, sizeof error);
    return setting_new(*pi, *pi1, 1);
}

static setting *e5(mdp **M, exact **pi, exact **pi1) { return e5_at(0.9, M, pi, pi1); }

static void says(const derivation_result *r, int line, int i, double x, double relative)
{
    char what[60];
    sprintf(what, "line %d, number %d", line + 1, i + 1);
    assert_true(r->computed[line]);
    hand_near(derivation_number(r, line, i), x, relative, what);
}

static derivation_result passing(const char *id, const setting *x)
{
    derivation_result r = derivation_run(derivation_find(id), x);
    if (r.verdict != PASS) fail_msg("%s: %s, line %d", id, verdict_name(r.verdict), r.worst + 1);
    for (int l = 0; l < r.lines; l++) {
        assert_true(r.computed[l]);
        if (l > 0 && !(r.allowed[l] >= 10 && r.allowed[l] * r.unit < 1e-6 * fmax(1, fabs(r.value[0]))))
            fail_msg("%s: line %d is loose", id, l + 1);
    }
    return r;
}

/* 001's lambda after five steps along the gradient of A_bar, in logits, from pi: alpha (KL - epsilon), epsilon
 * beyond any KL; lr = 1/unit, alpha = unit/(4 epsilon), unit = sqrt(sum(rho) sum_s rho Var[A] / (2 epsilon)) */
static double first_lambda(const exact *x)
{
    double p[64], z[64], rho = 0, var = 0, epsilon = 1, kl = 0;
    for (int s = 0; s < x->nS; s++) rho += x->rho[s];
    for (int s = 0; s < x->nS; s++) {
        double least = 1;
        for (int i = s * x->nA; i < (s + 1) * x->nA; i++) {
            p[i] = x->pi[i], z[i] = log(p[i]);
            var += x->rho[s] * p[i] * x->A[i] * x->A[i];                /* E_pi[A] = 0 */
            least = fmin(least, p[i]);
        }
        epsilon -= x->rho[s] / rho * log(least);
    }
    double unit = sqrt(rho * var / (2 * epsilon));
    for (int k = 0; k < 5; k++)
        for (int s = 0; s < x->nS; s++) {
            double E = 0, Z = 0;
            for (int i = s * x->nA; i < (s + 1) * x->nA; i++) E += p[i] * x->A[i];
            for (int i = s * x->nA; i < (s + 1) * x->nA; i++) z[i] += x->rho[s] * p[i] * (x->A[i] - E) / unit;
            for (int i = s * x->nA; i < (s + 1) * x->nA; i++) Z += exp(z[i]);
            for (int i = s * x->nA; i < (s + 1) * x->nA; i++) p[i] = exp(z[i]) / Z;
        }
    for (int i = 0; i < x->nSA; i++) kl += x->rho[i / x->nA] / rho * p[i] * log(p[i] / x->pi[i]);
    return unit / (4 * epsilon) * (kl - epsilon);
}

static void known_numbers(void **state)
{
    (void)state;
    mdp *M;
    exact *pi, *pi1;
    setting *x = e5(&M, &pi, &pi1);
    derivation_result r = passing("TRPO-2", x);
    for (int line = 0; line < 2; line++) {
        says(&r, line, 4, 0.778090814868679, 1e-13);                            /* alpha = 1/8 */
        says(&r, line, 7, 6.56833827786456, 1e-13);                             /* and 1 */
    }
    says(&r, 2, 4, -1.290144484051286, 1e-12);
    says(&r, 2, 7, -21.27999312611711, 1e-12);
    says(&r, 4, 4, -3.62003790132836, 1e-12);
    says(&r, 4, 7, -274.772396925863, 1e-12);
    for (int i = 0; i < 8; i++)                                 /* L is in the middle of both bounds over time */
        hand_near((derivation_number(&r, 2, i) + derivation_number(&r, 5, i)) / 2,
                  pi->J + ldexp(1, i - 7) * (6.885829519048822 + 0.0912649176293878), 1e-8, "L");
    derivation_result_free(&r);

    r = passing("TRPO-5", x);
    for (int line = 0; line < 3; line++) says(&r, line, 0, -0.0720227215646, 1e-10);
    says(&r, 4, 0, -0.0912649176293878, 1e-13);
    says(&r, 5, 0, -0.052757612, 1e-8);
    says(&r, 3, 0, -0.079200767346, 1e-10);
    derivation_result_free(&r);

    r = passing("TRPO-6", x);
    says(&r, 0, 0, 0.0912649176293878 - 0.052757612, 1e-8);
    says(&r, 0, 5, pi1->J - pi->J, 1e-15);
    says(&r, 1, 0, 0.0912649176293878 - 0.0720227215646, 1e-9);
    assert_true(derivation_number(&r, 1, 5) < derivation_number(&r, 0, 5));
    derivation_result_free(&r);

    r = passing("KL-4", x);
    for (int line = 0; line < 2; line++) {
        says(&r, line, 0, 0.0683572529948, 1e-9);
        says(&r, line, 1, 0.69157979334, 1e-9);
        says(&r, line, 2, 2.24349167514, 1e-9);
    }
    for (int i = 0; i < 3; i++) {               /* others come near it, so that the bound says something */
        assert_true(derivation_number(&r, 2, i) > 0.2 * derivation_number(&r, 0, i));
        assert_true(derivation_number(&r, 2, i) < derivation_number(&r, 0, i));
    }
    derivation_result_free(&r);

    r = passing("KL-5", x);
    for (int line = 0; line < 3; line++) says(&r, line, 3, 0.69157979334, 1e-9);
    for (int i = 0; i < 8; i++) {
        assert_true(derivation_number(&r, 3, i) < 0.69157 && derivation_number(&r, 3, i) > -2);
        assert_true(derivation_number(&r, 4, i) > 0.6915 && derivation_number(&r, 4, i) < 4);
    }
    derivation_result_free(&r);

    r = passing("KL-6", x);
    for (int line = 0; line < 2; line++) {
        says(&r, line, 0, 35.0280611206, 1e-8);
        assert_true(derivation_number(&r, line, 1) == 0);
    }
    assert_true(r.differs[3] && derivation_number(&r, 3, 1) < 0);               /* ERR-36 */
    assert_true(derivation_number(&r, 2, 1) == 0);
    hand_near(derivation_number(&r, 3, 1), first_lambda(pi), 1e-12, "001's lambda");
    derivation_result_free(&r);
    setting_free(x);
    exact_free(pi);
    exact_free(pi1);
    mdp_free(M);
}

/* The sum over time by doubling; for this number, of alpha = 1/4, it was summed term by term. */
static void long_horizon(void **state)
{
    (void)state;
    mdp *M;
    exact *pi, *pi1;
    setting *x = e5_at(0.9995, &M, &pi, &pi1);
    derivation_result r = derivation_run(derivation_find("TRPO-2"), x);
    assert_int_equal(r.verdict, PASS);
    says(&r, 2, 5, -1201.21188756844, 1e-9);
    derivation_result_free(&r);
    setting_free(x);
    exact_free(pi);
    exact_free(pi1);
    mdp_free(M);
}

static const char *const ids[] = { "TRPO-2", "TRPO-5", "TRPO-6", "KL-4", "KL-5", "KL-6" };

/* One unit of each: of J, of sums of rho A, of the multiplier */
static void units(void **state)
{
    (void)state;
    mdp *M;
    exact *pi, *pi1;
    setting *x = e5(&M, &pi, &pi1);
    double most = 0;
    for (int i = 0; i < 15; i++) most = fmax(most, fabs(pi->A[i]));
    for (int k = 0; k < 3; k++) hand_near(derivation_find(ids[k])->unit(x), pi->unit_V, 1e-15, "unit of J");
    for (int k = 3; k < 5; k++)
        hand_near(derivation_find(ids[k])->unit(x), ldexp(5, -52) * 10 * most, 1e-13, "unit of A_bar");
    hand_near(derivation_find("KL-6")->unit(x), ldexp(5, -52) * 35.0280611206, 1e-9, "unit of lambda");
    setting_free(x);
    exact_free(pi);
    exact_free(pi1);
    mdp_free(M);
}

/* 30 MDPs, each with policies from even to almost deterministic: none is broken, and most say something */
static void hold(void **state)
{
    (void)state;
    int passed[6] = { 0 };
    for (uint64_t seed = 0; seed < 30; seed++) {
        static const double gammas[] = { 0.9, 0.99, 0.5 };
        hand_problem p = hand_garnet(seed, gammas[seed % 3], seed % 5 == 4 ? 10 : 1);
        setting *x = setting_new(p.pi, p.pi, seed);
        for (int k = 0; k < 6; k++) {
            derivation_result r = derivation_run(derivation_find(ids[k]), x);
            if (r.verdict == FAIL) fail_msg("%s, seed %d, line %d", ids[k], (int)seed, r.worst + 1);
            passed[k] += r.verdict == PASS;
            derivation_result_free(&r);
        }
        setting_free(x);
        hand_free(&p);
    }
    for (int k = 0; k < 6; k++)
        if (passed[k] < 24) fail_msg("%s passes %d times in 30", ids[k], passed[k]);
}

static void not_applicable(void **state)
{
    (void)state;
    hand_problem p = hand_named("E5x", 1);
    setting *x = setting_new(p.pi, p.pi, 1);
    for (int k = 0; k < 3; k++) assert_non_null(strstr(derivation_find(ids[k])->not_applicable(x), "gamma = 1"));
    for (int k = 3; k < 6; k++) assert_null(derivation_find(ids[k])->not_applicable(x));
    setting_free(x);
    hand_free(&p);
    p = hand_of(mdp_garnet("garnet", 7, 1, 2, 3), 0.9, (double[7]){ 0 });
    x = setting_new(p.pi, p.pi, 1);
    for (int k = 3; k < 6; k++)
        assert_non_null(strstr(derivation_find(ids[k])->not_applicable(x), "nothing to gain"));
    setting_free(x);
    hand_free(&p);
    double z[15];
    for (int i = 0; i < 15; i++) z[i] = i % 3 ? -300 : 0;
    p = hand_of(mdp_builtin("E5"), 0.9, z);
    x = setting_new(p.pi, p.pi, 1);
    for (int k = 1; k < 6; k++) assert_non_null(strstr(derivation_find(ids[k])->not_applicable(x), "pi hardly ever"));
    assert_null(derivation_find("TRPO-2")->not_applicable(x));
    setting_free(x);
    hand_free(&p);
    for (int most = 300; most < 302; most++) {
        char name[40];
        sprintf(name, "chain:%d", most - 1);                            /* and its end */
        p = hand_named(name, 0.9);
        assert_int_equal(p.pi->nS, most);
        x = setting_new(p.pi, p.pi, 1);
        assert_true(!derivation_find("TRPO-2")->not_applicable(x) == (most == 300));
        setting_free(x);
        hand_free(&p);
    }
    static const double sizes[] = { 1e200, 1e275, 1e285 };              /* of rewards: which formulas overflow */
    for (int k = 0; k < 3; k++) {
        mdp *M = mdp_builtin("E5");
        for (int i = 0; i < M->row[15]; i++) M->R[i] *= sizes[k];
        p = hand_of(M, 0.9, (double[15]){ 0 });
        x = setting_new(p.pi, p.pi, 1);
        for (int j = 0; j < 6; j++) {
            const char *why = derivation_find(ids[j])->not_applicable(x);
            if (!why != (k < 2)) fail_msg("%s, rewards of %g: %s", ids[j], sizes[k], why ? why : "nothing");
            derivation_result r = derivation_run(derivation_find(ids[j]), x);
            assert_int_not_equal(r.verdict, FAIL);
            derivation_result_free(&r);
        }
        setting_free(x);
        hand_free(&p);
    }
}

/* The tables below the lines */
static void pages(void **state)
{
    (void)state;
    char text[4000] = "";
    mdp *M;
    exact *pi, *pi1;
    setting *x = e5(&M, &pi, &pi1);
    static const char *const with[] = { "TRPO-2", "TRPO-5", "KL-4" };
    static const char *const row[] = { "\n  1.000000     6.56833828     6.88582952  -274.77239693       0.001127",
                                       "\n  0   -0.0912649176294   -0.0720227215648   -0.0527576120442       0.4997",
                                       "\n      0.01      35.028061           0.01     0.69157979       0.69157979" };
    for (int k = 0; k < 3; k++) {
        memset(text, 0, sizeof text);
        FILE *out = fmemopen(text, sizeof text, "w");
        derivation_find(with[k])->page(x, out);
        fclose(out);
        if (!strstr(text, row[k])) fail_msg("%s: no row %s in\n%s", with[k], row[k], text);
    }
    setting_free(x);
    exact_free(pi);
    exact_free(pi1);
    mdp_free(M);
}

/* A policy as a table and back: what did not change keeps its logits, what is 0 gets one whose exp is 0. */
static void tables(void **state)
{
    (void)state;
    double z[18], pi1[18];
    for (int i = 0; i < 18; i++) z[i] = i * i % 7;
    hand_problem p = hand_of(mdp_builtin("E5x"), 0.9, z);
    assert_true(p.x.rho[5] == 0 && p.pi->rho[5] > 0 && p.x.rho[2] == p.pi->rho[2]);
    double least = 0, most = 0;
    for (int i = 0; i < 15; i++) {
        least = fmin(least, mdp_reward(p.M, i / 3, i % 3));
        most = fmax(most, mdp_reward(p.M, i / 3, i % 3));
    }
    hand_near(p.x.R, most - least, 1e-15, "R");
    memcpy(pi1, p.x.pi, sizeof pi1);
    memcpy(pi1 + 3, (double[]){ 0.25, 0, 0.75 }, 3 * sizeof *pi1);
    hand_next(&p, pi1);
    assert_memory_equal(p.pi->logits, z, 3 * sizeof *z);
    assert_memory_equal(p.pi->logits + 6, z + 6, 12 * sizeof *z);
    assert_true(p.pi->pi[4] == 0);
    hand_near(p.pi->pi[3], 0.25, 1e-15, "pi");
    hand_free(&p);
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = { cmocka_unit_test(known_numbers), cmocka_unit_test(long_horizon),
                                        cmocka_unit_test(units), cmocka_unit_test(hold),
                                        cmocka_unit_test(not_applicable), cmocka_unit_test(pages),
                                        cmocka_unit_test(tables) };
    if (argc > 1) cmocka_set_test_filter(argv[1]);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
