/* Conservative policy iteration: the bound, its maximiser, and what it promises, on tables whose policies the exact
 * layer solves.     test_cpi [pattern]      runs the tests whose names match */
#include "tests/improvement_by_hand.h"

#include "algorithms/cpi.h"

enum { MOST = 11 * 5 };

/* One state: gain = g/(1-gamma) and epsilon = g, the gap to the mean, so alpha = (1-gamma)/(4 gamma) whatever the
 * rewards, at most 1, which it is at gamma = 1/5; and the bound is eta + alpha gain / 2 where it is less than 1. */
static void bandit(void **state)
{
    (void)state;
    static const double gammas[] = { 0, 0.1, 0.2, 0.3, 0.5, 0.9, 0.99, 0.9999999 };
    const double pi[] = { 0.2, 0.3, 0.5 }, r[] = { 1, 4, 2 };
    for (int k = 0; k < 8; k++) {
        double g = gammas[k], gap = 4 - 2.4, alpha = g <= 0.2 ? 1 : (1 - g) / (4 * g), new_pi[3];
        hand_bandit b;
        exact_table x = hand_bandit_of(&b, 3, pi, r, g);
        improvement i = cpi_improve(&cpi_defaults, &x, new_pi);
        assert_int_equal(i.outcome, IMPROVED);
        hand_near(i.step, alpha, 1e-14, "alpha");
        hand_near(i.L, x.J + alpha * gap / (1 - g), 1e-14, "L");
        hand_near(i.bound, x.J + alpha * gap / (1 - g) - 2 * gap * g / ((1 - g) * (1 - g)) * alpha * alpha, 1e-13,
                  "bound");
        for (int a = 0; a < 3; a++) hand_near(new_pi[a], (1 - alpha) * pi[a] + alpha * (a == 1), 1e-15, "pi");
    }
}

/* No other alpha in [0, 1] has a greater bound, and the bound at alpha is where its slope is 0, or 1 is the end. */
static void best_alpha(void **state)
{
    (void)state;
    for (uint64_t seed = 0; seed < 200; seed++) {
        static const double gammas[] = { 0.05, 0.3, 0.9, 0.99 };
        hand_problem p = hand_garnet(seed, gammas[seed % 4], 1);
        double pi1[MOST], new_pi[MOST], most = -INFINITY;
        cpi_greedy(&p.x, pi1);
        double gain = surrogate_gain(&p.x, pi1), epsilon = 0;
        for (int s = 0; s < p.x.nS; s++) {
            double best = 0;
            for (int a = 0; a < p.x.nA; a++) best = fmax(best, p.x.A[s * p.x.nA + a]);
            epsilon = fmax(epsilon, best);
        }
        improvement i = cpi_improve(&cpi_defaults, &p.x, new_pi);
        hand_near(cpi_epsilon(&p.x, pi1), epsilon, 0, "epsilon");
        for (int k = 0; k <= 1000; k++)
            most = fmax(most, cpi_bound(p.x.J, gain, epsilon, p.x.gamma, k / 1000.0));
        assert_true(i.step > 0 && i.step <= 1);
        assert_true(i.bound >= most - 10 * p.pi->unit_V);
        assert_true(fabs((double)hand_L(&p.x, new_pi) - i.L) <= 10 * p.pi->unit_V);
        hand_free(&p);
    }
}

/* TRPO-2, on 300 MDPs and alphas from 1/64 to 1: eta(pi_new) >= L - penalty. X81: the gap L - eta(pi_new) is at most
 * .1341 of the penalty there, and with (1-gamma) once, a tenth of it, the bound is broken. */
static void bound_holds(void **state)
{
    (void)state;
    double tightest = 0;
    for (uint64_t seed = 0; seed < 300; seed++) {
        hand_problem p = hand_garnet(seed, 0.9, 1);
        double pi1[MOST], new_pi[MOST];
        cpi_greedy(&p.x, pi1);
        double gain = surrogate_gain(&p.x, pi1), epsilon = cpi_epsilon(&p.x, pi1);
        for (double alpha = 1; alpha > 0.01; alpha /= 2) {
            cpi_mixture(p.pi->nSA, alpha, p.x.pi, pi1, new_pi);
            double J = hand_J(&p, new_pi), L = p.x.J + alpha * gain;
            double bound = cpi_bound(p.x.J, gain, epsilon, p.x.gamma, alpha);
            if (!(J >= bound - 20 * p.pi->unit_V))
                fail_msg("seed %d, alpha %g: %g below %g", (int)seed, alpha, J, bound);
            tightest = fmax(tightest, (L - J) / (L - bound));
        }
        hand_free(&p);
    }
    print_message("greatest gap over penalty: %.4f\n", tightest);
    assert_true(tightest > 0.101 && tightest <= 1);
}

/* Kakade and Langford's alpha is no more than the bound's, and promises A^2 / (8 R (1-gamma)) in our units. */
static void kakade(void **state)
{
    (void)state;
    const cpi_config c = { .alpha = CPI_KAKADE, .tolerance = 1e-10 };
    for (uint64_t seed = 0; seed < 100; seed++) {
        hand_problem p = hand_garnet(seed, 0.8, 1);
        double new_pi[MOST], wide[MOST];
        improvement i = cpi_improve(&c, &p.x, new_pi), most = cpi_improve(&cpi_defaults, &p.x, wide);
        double gain = (most.L - p.x.J) / most.step, A = 0.2 * 0.2 * gain, promised = A * A / (8 * p.x.R * 0.2);
        hand_near(i.step, 0.2 * A / (4 * p.x.R), 1e-11, "alpha");
        assert_true(i.step <= most.step && i.bound <= most.bound);
        assert_true(i.bound - p.x.J >= promised);
        assert_true(hand_J(&p, new_pi) - p.x.J >= promised);
        hand_free(&p);
    }
    assert_true(cpi_alpha_kakade(1e9, 1, 0.5) == 1 && cpi_alpha_kakade(1, 0, 0.5) == 0);
}

/* 50 iterations on 100 MDPs: eta >= the bound >= the eta before */
static void monotone(void **state)
{
    (void)state;
    for (uint64_t seed = 0; seed < 100; seed++) {
        static const double gammas[] = { 0.5, 0.9, 0.95, 0.1 };
        hand_problem p = hand_garnet(seed, gammas[seed % 4], seed % 7 == 6 ? 12 : 1);
        for (int k = 0; k < 50; k++) {
            double new_pi[MOST], before = p.x.J, room = 1e-12 + 20 * p.pi->unit_V;
            improvement i = cpi_improve(&cpi_defaults, &p.x, new_pi);
            if (i.outcome != IMPROVED) break;
            hand_next(&p, new_pi);
            assert_true(i.bound >= before - room);
            if (!(p.x.J >= i.bound - room)) fail_msg("seed %d, k %d: %g below %g", (int)seed, k, p.x.J, i.bound);
        }
        hand_free(&p);
    }
}

static void rows_and_ties(void **state)
{
    (void)state;
    const double pi[] = { 0.5, 0.5, 0, 0.25, 0.25, 0.5, 0.1, 0.2, 0.7 }, A[] = { -1, 1, 1, 0, 0, 0, 0, -1, 0 };
    const double rho[] = { 1, 1, 0 };
    const exact_table x = { .nS = 3, .nA = 3, .gamma = 0.5, .R = 2, .pi = pi, .A = A, .rho = rho };
    double pi1[9], new_pi[9];
    cpi_greedy(&x, pi1);
    assert_memory_equal(pi1, ((double[]){ 0, 1, 0, 0.25, 0.25, 0.5, 0.1, 0.2, 0.7 }), sizeof pi1);
    cpi_mixture(9, 0, pi, pi1, new_pi);
    assert_memory_equal(new_pi, pi, sizeof pi);
    cpi_mixture(9, 1, pi, pi1, new_pi);
    assert_memory_equal(new_pi, pi1, sizeof pi);
    assert_true(cpi_alpha(-1, 1, 0.5) == 0 && cpi_alpha(0, 1, 0) == 0 && cpi_alpha(1, 1, 0) == 1);
}

static void stays(hand_problem p)
{
    double new_pi[MOST], before[MOST];
    memcpy(before, p.x.pi, (size_t)p.pi->nSA * sizeof *before);
    improvement i = cpi_improve(&cpi_defaults, &p.x, new_pi);
    assert_int_equal(i.outcome, IMPROVEMENT_OPTIMAL);
    assert_true(i.L == p.x.J && i.bound == p.x.J && i.step == 0);
    assert_memory_equal(new_pi, before, (size_t)p.pi->nSA * sizeof *before);
    hand_free(&p);
}

/* Bit for bit: the optimal policy, one that is right to rounding, no rewards, one action */
static void no_gain(void **state)
{
    (void)state;
    static const double scales[] = { 1e4, 200, 36 };
    for (uint64_t seed = 1; seed < 30; seed++) {
        mdp *M = mdp_garnet("garnet", 5, 3, 2, seed);
        double V[5], unit, z[15];
        int best[5];
        char error[256];
        assert_true(exact_optimal(M, 0.9, V, best, &unit, error, sizeof error));
        for (int i = 0; i < 15; i++) z[i] = best[i / 3] == i % 3 ? 0 : -scales[seed % 3];
        stays(hand_of(M, 0.9, z));
    }
    mdp *M = mdp_garnet("garnet", 5, 3, 2, 1);
    for (int k = 0; k < M->row[15]; k++) M->R[k] = 0;
    double z[15] = { 1, 2, 3 };
    stays(hand_of(M, 0.9, z));
    stays(hand_of(mdp_garnet("garnet", 7, 1, 2, 3), 0.9, z));
}

/* Absorbing and unreachable states have no part: E5x's end keeps its row, and a state that nobody enters moves on
 * with the others, without weight in L. */
static void states_without_weight(void **state)
{
    (void)state;
    hand_problem p = hand_named("E5x", 0.9);
    double new_pi[18];
    improvement i = cpi_improve(&cpi_defaults, &p.x, new_pi);
    assert_int_equal(i.outcome, IMPROVED);
    assert_memory_equal(new_pi + 15, p.x.pi + 15, 3 * sizeof *new_pi);
    hand_free(&p);
    const double pi[] = { 0.5, 0.5, 0.5, 0.5 }, A[] = { 1, -1, -3, 3 }, rho[] = { 2, 0 };
    const exact_table x = { .nS = 2, .nA = 2, .gamma = 0.5, .R = 2, .pi = pi, .A = A, .rho = rho };
    i = cpi_improve(&cpi_defaults, &x, new_pi);
    hand_near(i.step, 2 * 0.25 / (4 * 3 * 0.5), 1e-15, "alpha");        /* epsilon = 3, over all states */
    assert_true(new_pi[3] > 0.5);
}

static void explained(void **state)
{
    (void)state;
    char text[4000];
    hand_explain(cpi_explain, &cpi_defaults, text, sizeof text);
    double alpha = 2.75 * 0.25 / (4 * 2 * 0.5);                         /* 5/4 * 1 + 3/4 * 2; epsilon 2 */
    hand_says(text, "sum_a pi'(a|s) A(s,a) = ", 2.75, 1e-5);
    hand_says(text, "(4 epsilon gamma) = ", alpha, 1e-5);
    hand_says(text, "eta + alpha gain = ", 1 + alpha * 2.75, 1e-5);
    hand_says(text, "(1-gamma)^2 alpha^2 = ", 1 + alpha * 2.75 - 8 * alpha * alpha, 1e-5);
    const cpi_config c = { .alpha = CPI_KAKADE };
    hand_explain(cpi_explain, &c, text, sizeof text);
    hand_says(text, "(1-gamma) A/(4R) = ", 0.5 * 0.25 * 2.75 / 12, 1e-5);
    hand_says(text, "(1-gamma)^2 gain = ", 0.25 * 2.75, 1e-5);
    assert_non_null(strstr(text, "     1.00000\n   1  0.75000"));       /* E_pi'[A] */
    assert_non_null(strstr(text, "     2.00000\n\nPDI-9"));
    hand_explain(cpi_explain, &(cpi_config){ .tolerance = 3 }, text, sizeof text);
    assert_true(strstr(text, "optimal") && !strstr(text, "epsilon ="));
}

/* The greatest |E_{a ~ pi1}[A]| counts where pi1 does worse than pi, too; and no action has to be better for the most
 * that a policy gains to be a sum of maxima. */
static void worse_policies(void **state)
{
    (void)state;
    const double pi[] = { 0.5, 0.5, 0.5, 0.5 }, A[] = { 1, -1, -3, 3 }, rho[] = { 2, 1 }, pi1[] = { 1, 0, 1, 0 };
    const exact_table x = { .nS = 2, .nA = 2, .gamma = 0.5, .R = 2, .pi = pi, .A = A, .rho = rho };
    assert_true(cpi_epsilon(&x, pi1) == 3);
    const double worse[] = { -1, -2, -3, -0.5 };
    const exact_table y = { .nS = 2, .nA = 2, .gamma = 0.5, .R = 2, .pi = pi, .A = worse, .rho = rho };
    assert_true(surrogate_gain_most(&y) == -2.5);
}

/* A gain that the tables' rounding explains is none, whatever the tolerance. */
static void gain_of_rounding(void **state)
{
    (void)state;
    const double pi[] = { 0.5, 0.5 }, A[] = { 1e-3, -1e-3 }, rho[] = { 2 };
    exact_table x = { .nS = 1, .nA = 2, .gamma = 0.5, .J = 7, .R = 2, .pi = pi, .A = A, .rho = rho };
    double new_pi[2];
    for (int k = 0; k < 2; k++) {
        x.rounding = k ? 2.1e-3 : 1.9e-3;                       /* the gain is 2e-3 */
        improvement i = cpi_improve(&cpi_defaults, &x, new_pi);
        assert_int_equal(i.outcome, k ? IMPROVEMENT_OPTIMAL : IMPROVED);
        assert_int_equal(memcmp(new_pi, pi, sizeof pi) == 0, k);
    }
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(bandit), cmocka_unit_test(best_alpha), cmocka_unit_test(bound_holds),
        cmocka_unit_test(kakade), cmocka_unit_test(monotone), cmocka_unit_test(rows_and_ties),
        cmocka_unit_test(no_gain), cmocka_unit_test(states_without_weight), cmocka_unit_test(explained),
        cmocka_unit_test(worse_policies), cmocka_unit_test(gain_of_rounding) };
    if (argc > 1) cmocka_set_test_filter(argv[1]);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
