/* Dual gradient descent on the KL-constrained surrogate: its parts by hand, the multiplier against a one-dimensional
 * search that knows no policy, the projection, what it leaves alone.
 *     test_dual_gradient [pattern]      runs the tests whose names match */
#include "tests/improvement_by_hand.h"

#include "algorithms/dual_gradient.h"

enum { MOST = 11 * 5 };

static long double visits(const exact_table *x)
{
    long double sum = 0;
    for (int s = 0; s < x->nS; s++) sum += (long double)x->rho[s];
    return sum;
}

/* The dual function, max over pi' of the Lagrangian:
 * lambda (epsilon + sum_s d(s) log E_pi[exp(A sum(rho)/lambda)]) */
static long double dual(const exact_table *x, long double epsilon, long double lambda)
{
    long double N = visits(x), g = epsilon;
    for (int s = 0; s < x->nS; s++) {
        long double top = -INFINITY, Z = 0;
        for (int a = 0; a < x->nA; a++)
            if (x->pi[s * x->nA + a] > 0) top = fmaxl(top, (long double)x->A[s * x->nA + a]);
        for (int a = 0; a < x->nA; a++)
            Z += (long double)x->pi[s * x->nA + a] * expl(((long double)x->A[s * x->nA + a] - top) * N / lambda);
        g += (long double)x->rho[s] / N * (logl(Z) + top * N / lambda);
    }
    return lambda * g;
}

/* Its least value by golden section over log lambda: the multiplier to some 1e-9, since it is flat there */
static long double best_lambda(const exact_table *x, long double epsilon, long double unit)
{
    const long double golden = 0.61803398874989484820L;
    long double low = logl(unit) - 8, high = logl(unit) + 8;
    for (int k = 0; k < 200; k++) {
        long double l = high - golden * (high - low), h = low + golden * (high - low);
        if (dual(x, epsilon, expl(l)) < dual(x, epsilon, expl(h))) high = h;
        else                                                     low = l;
    }
    return expl((low + high) / 2);
}

static long double hand_mean_kl(const exact_table *x, const double *pi1)
{
    long double sum = 0;
    for (int s = 0; s < x->nS; s++)
        sum += (long double)x->rho[s] * hand_kl(x->nA, pi1 + s * x->nA, x->pi + s * x->nA);
    return sum / visits(x);
}

/* One state, pi = (1/2, 1/2), A = (1, -1): pi' = (1+t, 1-t)/2 with t = tanh(rho/lambda), and
 * KL = ((1+t) log(1+t) + (1-t) log(1-t)) / 2 */
static void bandit(void **state)
{
    (void)state;
    const double pi[] = { 0.5, 0.5 }, r[] = { 3, 1 };
    static const double radii[] = { 1e-8, 1e-4, 0.01, 0.3, 0.6 };
    for (int k = 0; k < 5; k++) {
        hand_bandit b;
        exact_table x = hand_bandit_of(&b, 2, pi, r, 0.75);                     /* rho = 4 */
        long double low = 0, high = 1;
        for (int j = 0; j < 200; j++) {
            long double t = (low + high) / 2, D = ((1 + t) * log1pl(t) + (1 - t) * log1pl(-t)) / 2;
            if (D > (long double)radii[k]) high = t;
            else                           low = t;
        }
        dual_gradient_config c = dual_gradient_defaults;
        c.delta_kl = radii[k];
        double new_pi[2];
        improvement i = dual_gradient_improve(&c, &x, new_pi);
        assert_int_equal(i.outcome, IMPROVED);
        hand_near(new_pi[0], (double)((1 + low) / 2), 1e-8, "pi'");
        hand_near(i.step, (double)(4 / atanhl(low)), 1e-8, "lambda");
        hand_near(i.L, x.J + 4 * (double)low, 1e-8, "L");
        hand_near(dual_gradient_unit(&x, radii[k]), 4 / sqrt(2 * radii[k]), 1e-15, "unit");
        assert_true(isnan(i.bound));
    }
}

/* X59 of ERR-36: max -x^2 subject to x^2 <= 1, where nothing binds, from lambda = 0 by steps of 1/2: without the
 * projection lambda is -1/2, -1; with it 0 stays 0. */
static void projection(void **state)
{
    (void)state;
    double lambda = 0;
    for (int k = 0; k < 5; k++) lambda = dual_gradient_lambda(lambda, 0.5, 0, 1);
    assert_true(lambda == 0);
    hand_near(dual_gradient_lambda(2, 0.5, 3, 1), 3, 0, "it rises where the constraint is violated");
    hand_near(dual_gradient_lambda(2, 0.5, 0.5, 1), 1.75, 0, "it falls where there is room");
    const exact_table *x = &improvement_example;                /* where KL is at most .954 */
    static const double from[] = { 0, 0.01, 1, 100 };
    for (int k = 0; k < 4; k++) {
        dual_gradient_config c = dual_gradient_defaults;
        c.delta_kl = 3;
        c.lambda = from[k];
        double new_pi[6];
        improvement i = dual_gradient_improve(&c, x, new_pi);
        assert_int_equal(i.outcome, IMPROVED);
        assert_true(i.step == 0 && i.L == 3.75);
        assert_memory_equal(new_pi, ((double[]){ 1, 0, 0, 1, 0, 0 }), sizeof new_pi);
    }
}

/* KL-6 on random MDPs: lambda is the KKT multiplier to 1e-6, KL = epsilon, A_bar the dual's least value; from
 * wherever lambda begins. Every other feasible policy has less. */
static void multiplier(void **state)
{
    (void)state;
    gsl_rng *rng = random_stream(5, 0, RANDOM_TEST);
    for (uint64_t seed = 0; seed < 120; seed++) {
        static const double radii[] = { 1e-5, 0.01, 0.2 }, from[] = { 0, 1, 30 };
        hand_problem p = hand_garnet(seed, 0.9, seed % 4 == 3 ? 8 : 1);
        dual_gradient_config c = dual_gradient_defaults;
        double new_pi[MOST], other[MOST];
        c.delta_kl = radii[seed % 3];
        c.lambda = from[seed / 3 % 3];
        improvement i = dual_gradient_improve(&c, &p.x, new_pi);
        assert_int_equal(i.outcome, IMPROVED);
        long double unit = (long double)dual_gradient_unit(&p.x, c.delta_kl);
        long double lambda = best_lambda(&p.x, (long double)c.delta_kl, unit);
        if (i.step > 0) {
            hand_near(i.step, (double)lambda, 1e-6, "lambda");
            hand_near((double)hand_mean_kl(&p.x, new_pi), c.delta_kl, 2e-9, "KL");
        }
        long double A_bar = hand_L(&p.x, new_pi) - (long double)p.x.J;
        hand_near((double)A_bar, (double)dual(&p.x, (long double)c.delta_kl, lambda), 1e-8, "A_bar");
        hand_near(i.L, p.x.J + (double)A_bar, 1e-13, "L");
        for (int k = 0; k < 20; k++) {                          /* towards a random policy, to the border */
            double z[MOST], low = 0, high = 1;
            policy_random(p.M, seed * 20 + (uint64_t)k, 7, z);
            for (int j = 0; j < 60; j++) {
                double t = (low + high) / 2;
                for (int s = 0, nA = p.x.nA; s < p.x.nS; s++) {
                    double Z = 0;
                    for (int a = s * nA; a < (s + 1) * nA; a++) Z += exp(4 * z[a]);
                    for (int a = s * nA; a < (s + 1) * nA; a++)
                        other[a] = (1 - t) * new_pi[a] + t * exp(4 * z[a]) / Z;
                }
                if (hand_mean_kl(&p.x, other) <= (long double)c.delta_kl) low = t;
                else                                                     high = t;
            }
            assert_true(hand_L(&p.x, other) - (long double)p.x.J <= A_bar * (1 + 1e-8L));
        }
        hand_free(&p);
    }
    gsl_rng_free(rng);
}

/* KL-5: the maximiser is stationary and no neighbour has a greater Lagrangian; pi1 = pi exp(A/beta)/Z */
static void lagrangian(void **state)
{
    (void)state;
    gsl_rng *rng = random_stream(6, 0, RANDOM_TEST);
    for (uint64_t seed = 0; seed < 60; seed++) {
        hand_problem p = hand_garnet(seed, 0.9, 1);
        double pi1[MOST], other[MOST], lambda = exp(8 * gsl_rng_uniform(rng) - 2), N = (double)visits(&p.x);
        dual_gradient_maximise(&p.x, lambda, pi1);
        double most = dual_gradient_lagrangian(&p.x, 0.1, lambda, pi1);
        long double by_hand = hand_L(&p.x, pi1) - (long double)p.x.J
                              - (long double)lambda * (hand_mean_kl(&p.x, pi1) - 0.1L);
        assert_true(fabs((double)by_hand - most) <= 1e-12 * (1 + lambda));
        assert_true(fabs((double)dual(&p.x, 0.1L, (long double)lambda) - most) <= 1e-12 * (1 + lambda));
        for (int s = 0, nA = p.x.nA; s < p.x.nS; s++) {
            double sum = 0;
            for (int a = s * nA; a < (s + 1) * nA; a++) sum += pi1[a];
            hand_near(sum, 1, 1e-15, "sum");
            for (int a = s * nA + 1; a < (s + 1) * nA; a++)
                if (pi1[a] > 1e-200 && pi1[a - 1] > 1e-200)
                    assert_true(fabs(log(pi1[a] / p.x.pi[a]) - log(pi1[a - 1] / p.x.pi[a - 1])
                                     - (p.x.A[a] - p.x.A[a - 1]) * N / lambda) <= 1e-11);
        }
        for (int k = 0; k < 30; k++) {
            for (int s = 0, nA = p.x.nA; s < p.x.nS; s++) {
                double Z = 0;
                for (int a = s * nA; a < (s + 1) * nA; a++)
                    Z += other[a] = pi1[a] * exp((k % 3 ? 0.01 : 1) * (gsl_rng_uniform(rng) - 0.5));
                for (int a = s * nA; a < (s + 1) * nA; a++) other[a] /= Z;
            }
            assert_true(dual_gradient_lagrangian(&p.x, 0.1, lambda, other) <= most + 1e-12 * (1 + lambda));
        }
        hand_free(&p);
    }
    gsl_rng_free(rng);
}

/* The gradient in the logits, by differences of the Lagrangian by hand; and an ascent that ends at the maximiser */
static void ascent_steps(void **state)
{
    (void)state;
    for (uint64_t seed = 1; seed < 20; seed++) {
        hand_problem p = hand_garnet(seed, 0.8, 1);
        int n = p.pi->nSA, nA = p.x.nA;
        double z[MOST], before[MOST], pi1[MOST] = { 0 }, moved[MOST], lambda = 3, largest = 0;
        policy_random(p.M, seed, 9, z);
        memcpy(before, z, sizeof z);
        for (int i = 0; i < n; i++) {
            double Z = 0;
            for (int a = i / nA * nA; a < (i / nA + 1) * nA; a++) Z += exp(z[a]);
            pi1[i] = exp(z[i]) / Z;
        }
        memcpy(moved, pi1, sizeof pi1);
        double said = dual_gradient_ascend(&p.x, lambda, 1, z, moved);
        for (int i = 0; i < n; i++) {
            const long double h = 1e-6L;
            long double value[2];
            for (int side = 0; side < 2; side++) {
                double other[MOST];
                long double e = expl(side ? h : -h), Z = 1 + (long double)pi1[i] * (e - 1);
                memcpy(other, pi1, sizeof other);
                for (int a = i / nA * nA; a < (i / nA + 1) * nA; a++)
                    other[a] = (double)((long double)pi1[a] * (a == i ? e : 1) / Z);
                value[side] = hand_L(&p.x, other) - (long double)lambda * hand_mean_kl(&p.x, other);
            }
            double g = (double)((value[1] - value[0]) / (2 * h));
            assert_true(fabs(z[i] - before[i] - g) <= 1e-8);
            largest = fmax(largest, fabs(z[i] - before[i]));
        }
        hand_near(said, largest, 1e-12, "the largest entry");
        hand_free(&p);
    }
    hand_problem p = hand_named("E5", 0.9);
    dual_gradient_config few = dual_gradient_defaults;
    double whole[15] = { 0 }, steps[15] = { 0 };
    improvement i = dual_gradient_improve(&few, &p.x, whole);
    few.steps = 5;
    improvement j = dual_gradient_improve(&few, &p.x, steps);
    assert_int_equal(j.outcome, IMPROVED);
    hand_near(i.step, j.step, 1e-6, "lambda by few steps");
    for (int k = 0; k < 15; k++) hand_near(whole[k], steps[k], 1e-6, "pi' by few steps");
    hand_free(&p);
}

static void stays_as(enum improvement_outcome why, const dual_gradient_config *c, const exact_table *x)
{
    double new_pi[MOST];
    improvement i = dual_gradient_improve(c, x, new_pi);
    assert_int_equal(i.outcome, why);
    assert_true(i.L == x->J && i.kl_limit == 0);
    assert_memory_equal(new_pi, x->pi, (size_t)(x->nS * x->nA) * sizeof *new_pi);
}

/* Bit for bit: nothing to gain, nothing within a finite KL, and where lambda did not settle */
static void leaves_alone(void **state)
{
    (void)state;
    const dual_gradient_config *c = &dual_gradient_defaults;
    for (uint64_t seed = 1; seed < 20; seed++) {
        mdp *M = mdp_garnet("garnet", 5, 3, 2, seed);
        double V[5], unit, z[15];
        int best[5];
        char error[256];
        assert_true(exact_optimal(M, 0.9, V, best, &unit, error, sizeof error));
        for (int i = 0; i < 15; i++) z[i] = best[i / 3] == i % 3 ? 0 : -1e4;
        hand_problem p = hand_of(M, 0.9, z);
        stays_as(IMPROVEMENT_OPTIMAL, c, &p.x);
        hand_free(&p);
    }
    hand_problem one = hand_of(mdp_garnet("garnet", 7, 1, 2, 3), 0.9, (double[7]){ 0 });
    stays_as(IMPROVEMENT_OPTIMAL, c, &one.x);
    hand_free(&one);
    const double corner[] = { 1, 0 }, r[] = { 1, 3 };
    hand_bandit b;
    exact_table x = hand_bandit_of(&b, 2, corner, r, 0.5);
    stays_as(IMPROVEMENT_STALLED, c, &x);
    dual_gradient_config hasty = *c;
    hasty.updates = 3;
    stays_as(IMPROVEMENT_UNSETTLED, &hasty, &improvement_example);
    /* a tie stays, a state without visits moves, an action that pi never takes is never taken */
    const double pi[] = { 0.5, 0.25, 0.25, 0.5, 0, 0.5, 0.5, 0.3, 0.2 }, A[] = { 0, 0, 0, 1, 3, -1, 1, -1, -1 };
    const double rho[] = { 1, 1, 0 };
    const exact_table y = { .nS = 3, .nA = 3, .gamma = 0.5, .R = 2, .pi = pi, .A = A, .rho = rho };
    double new_pi[9];
    improvement i = dual_gradient_improve(c, &y, new_pi);
    assert_int_equal(i.outcome, IMPROVED);
    assert_memory_equal(new_pi, pi, 3 * sizeof *pi);
    assert_true(new_pi[4] == 0 && new_pi[3] > 0.5 && new_pi[6] > 0.5);
    hand_near((double)hand_mean_kl(&y, new_pi), 0.01, 1e-8, "KL");
}

/* A step of lambda that leaps to and fro is halved: pi hardly ever takes the best action, or alpha is large. */
static void steep(void **state)
{
    (void)state;
    for (int k = 0; k < 60; k++) {
        double rare = pow(10, -k / 4.0), pi[] = { rare, (1 - rare) / 2, (1 - rare) / 2 }, new_pi[3];
        const double r[] = { 1, 0, 0.1 * (k % 3 == 0) };
        hand_bandit b;
        exact_table x = hand_bandit_of(&b, 3, pi, r, 0.9);
        dual_gradient_config c = dual_gradient_defaults;
        c.alpha = k % 4 == 3 ? 20 : 0.5;
        improvement i = dual_gradient_improve(&c, &x, new_pi);
        if (k > 0) assert_int_equal(i.outcome, IMPROVED);
        if (k > 0) hand_near((double)hand_kl(3, new_pi, pi), 0.01, 2e-9, "KL");
    }
}

static void explained(void **state)
{
    (void)state;
    char text[4000];
    const exact_table *x = &improvement_example;
    double new_pi[6], unit = sqrt(2 * (1.25 * 1 + 0.75 * 1.5) / 0.02);         /* Var[A] = 1, 3/2 */
    hand_explain(dual_gradient_explain, &dual_gradient_defaults, text, sizeof text);
    improvement i = dual_gradient_improve(&dual_gradient_defaults, x, new_pi);
    hand_says(text, "/ (2 epsilon)) = ", unit, 1e-7);
    hand_says(text, "unit / (2 epsilon) = ", 0.5 * unit / 0.02, 1e-5);
    double lambda = unit, pi1[6];
    for (int k = 0; k < 8; k++) {               /* a row: k, lambda, mean KL, A_bar, Lagrangian, alpha */
        char row[20], *at;
        sprintf(row, "\n%5d ", k);
        hand_says(text, row, lambda, 1e-6);                     /* alpha times what KL is rounded by */
        lambda = strtod(strstr(text, row) + strlen(row), &at);
        dual_gradient_maximise(x, lambda, pi1);
        double kl = strtod(at, &at), A_bar = strtod(at, &at), value = strtod(at, &at), alpha = strtod(at, &at);
        assert_true(fabs(kl - (double)hand_mean_kl(x, pi1)) < 2e-9);
        assert_true(fabs(value - (A_bar - lambda * (kl - 0.01))) < 1e-6);
        lambda += alpha * (kl - 0.01);
        assert_true(k > 0 || fabs(alpha - 0.5 * unit / 0.02) < 1e-5);
    }
    hand_says(text, "L(pi_new) = eta + A_bar = ", (double)hand_L(x, new_pi), 1e-7);
    assert_true(strstr(text, "the constraint binds") && i.step > 0);
    const dual_gradient_config wide = { .delta_kl = 3, .alpha = 1, .updates = 9, .settled = 1e-9 };
    hand_explain(dual_gradient_explain, &wide, text, sizeof text);
    assert_true(strstr(text, "it does not bind") != NULL);
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
        improvement i = dual_gradient_improve(&dual_gradient_defaults, &x, new_pi);
        assert_int_equal(i.outcome, k ? IMPROVEMENT_OPTIMAL : IMPROVED);
        assert_int_equal(memcmp(new_pi, pi, sizeof pi) == 0, k);
    }
}

/* An action that pi never takes has no part in the maximum, however good it is: not where lambda is 0, nor where
 * it is so small that exp(-1000/beta) is 0. */
static void best_of_what_pi_does(void **state)
{
    (void)state;
    const double pi[] = { 0.5, 0.5, 0 }, A[] = { 1, -1, 1000 }, rho[] = { 1 }, lambda[] = { 0, 0.5 };
    const exact_table x = { .nS = 1, .nA = 3, .gamma = 0.5, .R = 2, .pi = pi, .A = A, .rho = rho };
    for (int k = 0; k < 2; k++) {
        double pi1[3], worse = k ? exp(-2 / lambda[k]) : 0;
        dual_gradient_maximise(&x, lambda[k], pi1);
        hand_near(pi1[0], 1 / (1 + worse), 1e-15, "the best that pi does");
        hand_near(pi1[1], worse / (1 + worse), 1e-14, "the other");
        assert_true(pi1[2] == 0);
    }
}

/* Where lambda settles roughly the KL may end above epsilon: what is promised is the KL all the same. */
static void promised_kl(void **state)
{
    (void)state;
    dual_gradient_config c = dual_gradient_defaults;
    int above = 0;
    c.settled = 0.5;
    for (uint64_t seed = 0; seed < 60; seed++) {
        hand_problem p = hand_garnet(seed, 0.9, 1);
        double new_pi[MOST];
        improvement i = dual_gradient_improve(&c, &p.x, new_pi);
        assert_int_equal(i.outcome, IMPROVED);
        double kl = (double)hand_mean_kl(&p.x, new_pi);
        assert_true(kl <= i.kl_limit * (1 + 1e-12) && i.kl_limit <= 1.5 * c.delta_kl * (1 + 1e-12));
        above += kl > c.delta_kl;
        hand_free(&p);
    }
    assert_true(above >= 5);
}

/* Where lambda did not settle all its steps were taken, and that is told. */
static void steps_told(void **state)
{
    (void)state;
    dual_gradient_config c = dual_gradient_defaults;
    double new_pi[6];
    for (long updates = 1; updates < 4; updates++) {
        c.updates = updates;
        improvement i = dual_gradient_improve(&c, &improvement_example, new_pi);
        assert_int_equal(i.outcome, IMPROVEMENT_UNSETTLED);
        assert_int_equal(i.steps, updates);
    }
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(bandit), cmocka_unit_test(projection), cmocka_unit_test(multiplier),
        cmocka_unit_test(lagrangian), cmocka_unit_test(ascent_steps), cmocka_unit_test(leaves_alone),
        cmocka_unit_test(steep), cmocka_unit_test(explained),
        cmocka_unit_test(gain_of_rounding), cmocka_unit_test(best_of_what_pi_does), cmocka_unit_test(promised_kl),
        cmocka_unit_test(steps_told) };
    if (argc > 1) cmocka_set_test_filter(argv[1]);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
