/* TRPO's Algorithm 1: its argmax against closed forms, its KKT conditions and generic optimisers; and what it
 * promises, on tables whose policies the exact layer solves.     test_trpo_mm [pattern]      runs the tests whose
 * names match */
#include "tests/improvement_by_hand.h"

#include <gsl/gsl_min.h>
#include <gsl/gsl_multimin.h>

#include "algorithms/dual_gradient.h"
#include "algorithms/trpo_mm.h"

enum { MOST = 11 * 5 };

static double expected(int n, const double *p, const double *A)
{
    long double E = 0;
    for (int a = 0; a < n; a++) E += (long double)p[a] * (long double)A[a];
    return (double)E;
}

/* A distribution with probabilities down to about e^-spread, and A ~ N(0, 1) */
static void random_state(gsl_rng *rng, int n, double spread, double *pi, double *A)
{
    double sum = 0;
    for (int a = 0; a < n; a++) sum += pi[a] = exp(-spread * gsl_rng_uniform(rng));
    for (int a = 0; a < n; a++) {
        pi[a] /= sum;
        A[a] = 4 * gsl_rng_uniform(rng) - 2;
    }
}

/* X15 of ERR-34: p = (.5, .5), q = (.9, .1): .5108 one way, .3681 the other */
static void kl(void **state)
{
    (void)state;
    const double p[] = { 0.5, 0.5 }, q[] = { 0.9, 0.1 };
    hand_near(trpo_mm_kl(2, p, q), log(1 / 0.6), 1e-15, "KL(p||q)");
    hand_near(trpo_mm_kl(2, q, p), 0.9 * log(1.8) + 0.1 * log(0.2), 1e-15, "KL(q||p)");
    hand_near(dual_gradient_kl(2, q, p), 0.9 * log(1.8) + 0.1 * log(0.2), 1e-15, "KL(q||p)");
    hand_near(dual_gradient_kl(2, p, q), log(1 / 0.6), 1e-15, "KL(p||q)");
    gsl_rng *rng = random_stream(1, 0, RANDOM_TEST);
    for (int k = 0; k < 2000; k++) {
        double pi[4], pi1[4], A[4];
        random_state(rng, 4, 20, pi, A);
        random_state(rng, 4, k % 2 ? 20 : 1, pi1, A);
        for (int a = 0; a < 4 && k % 3 == 0; a++)
            pi1[a] = pi[a] * (1 + 1e-3 * (a == 0 ? pi[1] : a == 1 ? -pi[0] : 0));
        double D = (double)hand_kl(4, pi, pi1), D1 = (double)hand_kl(4, pi1, pi);
        /* sums are 1 to rounding only */
        assert_true(fabs(trpo_mm_kl(4, pi, pi1) - D) <= 1e-13 * D + 1e-15);
        assert_true(fabs(dual_gradient_kl(4, pi1, pi) - D1) <= 1e-13 * D1 + 1e-15);
    }
    gsl_rng_free(rng);
    assert_true(trpo_mm_kl(2, p, (double[]){ 1, 0 }) == INFINITY);
    assert_true(dual_gradient_kl(2, (double[]){ 1, 0 }, p) == log(2));
    assert_true(dual_gradient_kl(2, p, (double[]){ 1, 0 }) == INFINITY);
    hand_near(trpo_mm_kl(2, (double[]){ 1, 0 }, p), log(2), 1e-15, "KL from a corner");
    assert_true(trpo_mm_kl(2, p, p) == 0 && dual_gradient_kl(2, p, p) == 0);
}

/* Two actions leave one unknown, the root of KL = delta, here by bisection */
static void two_actions(void **state)
{
    (void)state;
    static const double qs[] = { 0.5, 0.9, 0.01, 1 - 1e-9, 1e-12 }, deltas[] = { 1e-4, 0.01, 0.3, 4, 40 };
    const double A[] = { 3, -1 };
    for (int i = 0; i < 25; i++) {
        double pi[2] = { qs[i / 5], 1 - qs[i / 5] }, delta = deltas[i % 5], pi1[2];
        long double low = 0, high = 1;                          /* of the share of pi(1) that moves to 0 */
        for (int k = 0; k < 200; k++) {
            long double w = (low + high) / 2, rest = 1 - w;
            long double ratio = ((long double)pi[0] + (long double)pi[1] * w) / (long double)pi[0];
            long double D = -(long double)pi[0] * logl(ratio) - (long double)pi[1] * logl(rest);
            if (D > (long double)delta) high = w;
            else                        low = w;
        }
        double lambda = trpo_mm_state(2, pi, A, delta, pi1);
        if (low < 0.9999L) hand_near(pi1[1], (double)((long double)pi[1] * (1 - low)), 1e-9, "pi'");
        hand_near(pi1[0] + pi1[1], 1, 1e-15, "sum");
        hand_near(lambda * (pi[0] / pi1[0] - pi[1] / pi1[1]), -4, 1e-6, "A + lambda pi/pi' = mu in both");
    }
}

static double highest(int n, const double *A)
{
    double most = A[0];
    for (int a = 1; a < n; a++) most = fmax(most, A[a]);
    return most;
}

/* In every state A(a) + lambda pi/pi' is the same mu for all actions, KL = delta, sum = 1; radii tiny to large */
static void stationary(void **state)
{
    (void)state;
    gsl_rng *rng = random_stream(2, 0, RANDOM_TEST);
    for (int k = 0; k < 3000; k++) {
        int n = 2 + k % 4;
        double pi[5], A[5], pi1[5], delta = exp(-35 + 37 * gsl_rng_uniform(rng)), sum = 0;
        random_state(rng, n, k % 3 * 8, pi, A);
        double lambda = trpo_mm_state(n, pi, A, delta, pi1), mu = A[0] + lambda * pi[0] / pi1[0];
        for (int a = 0; a < n; a++) {
            sum += pi1[a];
            hand_near(A[a] + lambda * pi[a] / pi1[a], mu, 1e-12 * fmax(1, lambda), "mu");
        }
        hand_near(sum, 1, 1e-15, "sum");
        assert_true(lambda > 0);
        if (lambda < 1e-15) {                                   /* all is gained before KL = delta */
            hand_near(expected(n, pi1, A), highest(n, A), 1e-15, "max E[A]");
            continue;
        }
        if (delta > 1e-8) hand_near((double)hand_kl(n, pi, pi1), delta, 1e-6, "KL");
        hand_near(trpo_mm_kl(n, pi, pi1), delta, delta > 1e-13 ? 1e-6 : 1e-3, "KL");
    }
    gsl_rng_free(rng);
}

/* ---- a generic account of one state with three actions: the furthest point of the KL ball in each direction ---- */

struct ball { const double *pi, *A; double delta; };

static double in_direction(double angle, void *context)         /* minus E[A] at the border, in plane coordinates */
{
    const struct ball *b = context;
    double u = cos(angle), v = sin(angle), step[3] = { u, v, -u - v }, low = 0, high = INFINITY, p[3];
    for (int a = 0; a < 3; a++)
        if (step[a] < 0) high = fmin(high, b->pi[a] / -step[a]);
    for (int k = 0; k < 100; k++) {
        double t = (low + high) / 2;
        for (int a = 0; a < 3; a++) p[a] = b->pi[a] + t * step[a];
        if (p[0] > 0 && p[1] > 0 && p[2] > 0 && hand_kl(3, b->pi, p) <= (long double)b->delta) low = t;
        else high = t;
    }
    for (int a = 0; a < 3; a++) p[a] = b->pi[a] + low * step[a];
    return -expected(3, p, b->A);
}

static double by_search(const double *pi, const double *A, double delta)
{
    struct ball b = { pi, A, delta };
    double best = 0, least = INFINITY;
    for (int k = 0; k < 90; k++) {
        double value = in_direction(k * M_PI / 45, &b);
        if (value < least) least = value, best = k * M_PI / 45;
    }
    gsl_min_fminimizer *m = gsl_min_fminimizer_alloc(gsl_min_fminimizer_brent);
    gsl_min_fminimizer_set(m, &(gsl_function){ in_direction, &b }, best, best - M_PI / 45, best + M_PI / 45);
    for (int k = 0; k < 60; k++) gsl_min_fminimizer_iterate(m);
    least = gsl_min_fminimizer_f_minimum(m);
    gsl_min_fminimizer_free(m);
    return -least;
}

static void against_search(void **state)
{
    (void)state;
    gsl_rng *rng = random_stream(3, 0, RANDOM_TEST);
    for (int k = 0; k < 60; k++) {
        double pi[3], A[3], pi1[3], delta = exp(-10 + 10 * gsl_rng_uniform(rng));
        random_state(rng, 3, 2, pi, A);
        trpo_mm_state(3, pi, A, delta, pi1);
        hand_near(expected(3, pi1, A), by_search(pi, A, delta), 1e-9, "max E[A]");
    }
    gsl_rng_free(rng);
}

/* ---- all of M by a simplex search over the logits of two states, which knows no KKT condition ---- */

static void softmax_rows(const gsl_vector *z, double *pi)
{
    for (int s = 0; s < 2; s++) {
        double e[3] = { 1, exp(gsl_vector_get(z, (size_t)(2 * s))), exp(gsl_vector_get(z, (size_t)(2 * s + 1))) };
        for (int a = 0; a < 3; a++) pi[3 * s + a] = e[a] / (e[0] + e[1] + e[2]);
    }
}

struct whole { const exact_table *x; double C; };

static double hand_M(const exact_table *x, double C, const double *pi1)
{
    long double most = 0;
    for (int s = 0; s < x->nS; s++) most = fmaxl(most, hand_kl(x->nA, x->pi + s * x->nA, pi1 + s * x->nA));
    return (double)(hand_L(x, pi1) - (long double)C * most);
}

static double minus_M(const gsl_vector *z, void *context)
{
    const struct whole *w = context;
    double pi[6];
    softmax_rows(z, pi);
    return -hand_M(w->x, w->C, pi);
}

static void against_simplex(void **state)
{
    (void)state;
    for (uint64_t seed = 0; seed < 10; seed++) {
        double z[6], new_pi[6];
        mdp *M = mdp_garnet("garnet", 2, 3, 2, seed + 1);
        policy_random(M, seed, 0, z);
        hand_problem p = hand_of(M, 0.5, z);
        double C = 4 * 0.5 / 0.25 * trpo_mm_epsilon(&p.x);
        improvement i = trpo_mm_improve(&trpo_mm_defaults, &p.x, new_pi);
        hand_near(i.bound, hand_M(&p.x, C, new_pi), 1e-10, "M");
        struct whole w = { &p.x, C };
        gsl_vector *at = gsl_vector_alloc(4), *step = gsl_vector_alloc(4);
        gsl_multimin_fminimizer *m = gsl_multimin_fminimizer_alloc(gsl_multimin_fminimizer_nmsimplex2, 4);
        for (size_t k = 0; k < 4; k++) {
            const double *row = p.x.pi + 3 * (k / 2);
            gsl_vector_set(at, k, log(row[k % 2 + 1] / row[0]));
        }
        for (int again = 0; again < 12; again++) {              /* M has an edge: the simplex needs new starts */
            gsl_vector_set_all(step, 0.05);
            gsl_multimin_fminimizer_set(m, &(gsl_multimin_function){ minus_M, 4, &w }, at, step);
            for (int k = 0; k < 400; k++) gsl_multimin_fminimizer_iterate(m);
            gsl_vector_memcpy(at, m->x);
        }
        double found = -m->fval;
        if (!(found <= i.bound + 1e-11)) fail_msg("seed %d: simplex %.15g above %.15g", (int)seed, found, i.bound);
        if (!(found >= i.bound - 1e-4 * (i.bound - p.x.J)))
            fail_msg("seed %d: simplex %.15g far below %.15g", (int)seed, found, i.bound);
        gsl_multimin_fminimizer_free(m);
        gsl_vector_free(at);
        gsl_vector_free(step);
        hand_free(&p);
    }
}

/* The multipliers: lambda_s = d max E[A] / d delta by differences, and sum_s rho lambda_s = C at the best radius */
static void multipliers(void **state)
{
    (void)state;
    for (uint64_t seed = 0; seed < 40; seed++) {
        hand_problem p = hand_garnet(seed, 0.8, 2);
        double C = trpo_mm_C(trpo_mm_epsilon(&p.x), 0.8), delta = trpo_mm_delta(&p.x, C), sum = 0, pi1[5];
        double epsilon = 0;
        for (int i = 0; i < p.pi->nSA; i++) epsilon = fmax(epsilon, fabs(p.x.A[i]));
        hand_near(C, 4 * 0.8 / (0.2 * 0.2) * epsilon, 1e-14, "C");
        for (int s = 0; s < p.x.nS; s++) {
            const double *pi = p.x.pi + s * p.x.nA, *A = p.x.A + s * p.x.nA;
            double lambda = trpo_mm_state(p.x.nA, pi, A, delta, pi1), h = 1e-4 * delta;
            sum += p.x.rho[s] * lambda;
            trpo_mm_state(p.x.nA, pi, A, delta + h, pi1);
            double after = expected(p.x.nA, pi1, A);
            trpo_mm_state(p.x.nA, pi, A, delta - h, pi1);
            hand_near((after - expected(p.x.nA, pi1, A)) / (2 * h), lambda, 1e-6, "lambda");
        }
        hand_near(sum, C, 1e-10, "sum of rho lambda");
        hand_free(&p);
    }
}

/* Where pi never acts an action is free: from a corner max E[A] = gap (1 - e^-delta). One state stalls for gamma >=
 * 1/5: gap e^-delta/(1-gamma) = C = 4 gap gamma/(1-gamma)^2 has delta = log((1-gamma)/(4 gamma)). */
static void corners(void **state)
{
    (void)state;
    const double pi[] = { 1, 0, 0 }, r[] = { 1, 3, 2 };
    static const double deltas[] = { 1e-12, 1e-3, 1, 30 }, gammas[] = { 0.01, 0.1, 0.19, 0.21, 0.9 };
    for (int k = 0; k < 4; k++) {
        double pi1[3], lambda = trpo_mm_state(3, pi, r, deltas[k], pi1);
        hand_near(lambda, 2 * exp(-deltas[k]), 1e-14, "lambda");
        hand_near(pi1[0], exp(-deltas[k]), 1e-14, "pi'(0)");
        hand_near(pi1[1], -expm1(-deltas[k]), 1e-14, "pi'(1)");
        assert_true(pi1[2] == 0);
    }
    for (int k = 0; k < 5; k++) {
        double g = gammas[k], new_pi[3];
        hand_bandit b;
        exact_table x = hand_bandit_of(&b, 3, pi, r, g);
        improvement i = trpo_mm_improve(&trpo_mm_defaults, &x, new_pi);
        assert_int_equal(i.outcome, g < 0.2 ? IMPROVED : IMPROVEMENT_STALLED);
        if (g < 0.2) hand_near(i.step, log((1 - g) / (4 * g)), 1e-11, "delta");
        else         assert_memory_equal(new_pi, pi, sizeof pi);
    }
}

/* Partly: the free action waits until mu has come down to its A, and f' = lambda does not jump there */
static void free_action(void **state)
{
    (void)state;
    const double pi[] = { 0.5, 0.5, 0 }, A[] = { -1, 1, 1.5 };
    double before = INFINITY, pi1[3], other[3], less[3];
    bool used = false;
    for (double delta = 1e-6; delta < 14; delta *= 1.02) {
        double lambda = trpo_mm_state(3, pi, A, delta, pi1);
        assert_true(lambda < before);
        before = lambda;
        hand_near(pi1[0] + pi1[1] + pi1[2], 1, 1e-14, "sum");
        hand_near((double)hand_kl(2, pi, pi1), delta, 1e-9, "KL");
        trpo_mm_state(3, pi, A, delta * (1 + 1e-4), other);
        trpo_mm_state(3, pi, A, delta * (1 - 1e-4), less);
        hand_near((expected(3, other, A) - expected(3, less, A)) / (2e-4 * delta), lambda, 1e-5, "lambda");
        used |= pi1[2] > 0;
        if (pi1[2] > 0) hand_near(A[0] + lambda * pi[0] / pi1[0], 1.5, 1e-12, "mu");
        else            assert_true(A[0] + lambda * pi[0] / pi1[0] >= 1.5);
    }
    assert_true(used);
}

/* TRPO-5, TRPO-6 on 100 MDPs, 50 iterations each: eta(pi_{i+1}) - eta(pi_i) >= M_i(pi_{i+1}) - M_i(pi_i) >= 0 */
static void monotone(void **state)
{
    (void)state;
    int moved = 0;
    for (uint64_t seed = 0; seed < 100; seed++) {
        static const double gammas[] = { 0.5, 0.9, 0.95, 0.1 };
        hand_problem p = hand_garnet(seed, gammas[seed % 4], seed % 7 == 6 ? 12 : 1);
        for (int k = 0; k < 50; k++) {
            double new_pi[MOST], before = p.x.J, C = trpo_mm_C(trpo_mm_epsilon(&p.x), p.x.gamma);
            improvement i = trpo_mm_improve(&trpo_mm_defaults, &p.x, new_pi);
            if (i.outcome != IMPROVED) break;
            double M = trpo_mm_M(&p.x, C, new_pi) - trpo_mm_M(&p.x, C, p.x.pi);
            hand_next(&p, new_pi);
            moved++;
            if (!(M >= -1e-12 && p.x.J - before >= M - 1e-12))
                fail_msg("seed %d, k %d: eta rises by %g, M by %g", (int)seed, k, p.x.J - before, M);
        }
        hand_free(&p);
    }
    assert_true(moved > 4500);
}

static void stays(hand_problem p)
{
    double new_pi[MOST], before[MOST];
    memcpy(before, p.x.pi, (size_t)p.pi->nSA * sizeof *before);
    improvement i = trpo_mm_improve(&trpo_mm_defaults, &p.x, new_pi);
    assert_int_equal(i.outcome, IMPROVEMENT_OPTIMAL);
    assert_true(i.L == p.x.J && i.bound == p.x.J && i.step == 0);
    assert_memory_equal(new_pi, before, (size_t)p.pi->nSA * sizeof *before);
    hand_free(&p);
}

/* Bit for bit: the optimal policy, no rewards, one action */
static void no_gain(void **state)
{
    (void)state;
    for (uint64_t seed = 1; seed < 30; seed++) {
        mdp *M = mdp_garnet("garnet", 5, 3, 2, seed);
        double V[5], unit, z[15];
        int best[5];
        char error[256];
        assert_true(exact_optimal(M, 0.9, V, best, &unit, error, sizeof error));
        for (int i = 0; i < 15; i++) z[i] = best[i / 3] == i % 3 ? 0 : seed % 2 ? -1e4 : -200;
        stays(hand_of(M, 0.9, z));
    }
    mdp *M = mdp_garnet("garnet", 5, 3, 2, 1);
    for (int k = 0; k < M->row[15]; k++) M->R[k] = 0;
    double z[15] = { 1, 2, 3 };
    stays(hand_of(M, 0.9, z));
    stays(hand_of(mdp_garnet("garnet", 7, 1, 2, 3), 0.9, z));
}

/* Ties stay bit for bit, a state without visits moves with the others and counts for nothing, gamma = 0 is greedy. */
static void states(void **state)
{
    (void)state;
    const double pi[] = { 0.5, 0.25, 0.25, 0.3, 0.3, 0.4, 0.5, 0.3, 0.2, 0.5, 0.3, 0.2 };
    const double A[] = { 1, -1, -1, 0, 0, 0, 1, -1, -1, 1, 0, -2.5 }, rho[] = { 2, 1, 0, 0 };
    exact_table x = { .nS = 2, .nA = 3, .gamma = 0.5, .R = 2, .pi = pi, .A = A, .rho = rho };
    double few[12], all[12];
    improvement i = trpo_mm_improve(&trpo_mm_defaults, &x, few);
    assert_memory_equal(few + 3, pi + 3, 3 * sizeof *few);
    hand_near(trpo_mm_kl_max(&x, few), i.step, 1e-9, "the maximum over a state that moves and one that does not");
    x.nS = 3;
    improvement j = trpo_mm_improve(&trpo_mm_defaults, &x, all);
    assert_true(i.L == j.L && i.step == j.step);
    hand_near(trpo_mm_kl(3, pi + 6, all + 6), i.step, 1e-9, "KL of a state without visits");
    x.gamma = 0;
    i = trpo_mm_improve(&trpo_mm_defaults, &x, all);
    assert_memory_equal(all, ((double[]){ 1, 0, 0, 0.3, 0.3, 0.4, 1, 0, 0 }), 9 * sizeof *all);
    assert_true(i.bound == i.L && i.step == INFINITY);
    x.gamma = 0.5;
    const trpo_mm_config wide = { .C_scale = 0.01 };
    j = trpo_mm_improve(&wide, &x, all);
    assert_true(isnan(j.bound) && j.L > i.L / 2 && trpo_mm_kl_max(&x, all) > 0.1);
    double pi1[3];
    trpo_mm_state(3, (double[]){ 0.5, 0.3, 0.2 }, (double[]){ 1, 1, -4 }, INFINITY, pi1);       /* ties share */
    hand_near(pi1[0], 0.625, 1e-15, "a tie");
}

/* gamma from 0 to .9999999, near-deterministic policies: eta never falls by more than rounding */
static void extremes(void **state)
{
    (void)state;
    static const double gammas[] = { 0, 1e-12, 0.001, 0.2, 0.999, 0.9999999 }, scales[] = { 1, 20, 60, 300 };
    for (uint64_t seed = 0; seed < 96; seed++) {
        hand_problem p = hand_garnet(seed, gammas[seed % 6], scales[seed / 6 % 4]);
        double new_pi[MOST], before = p.x.J, room = 20 * p.pi->unit_V;
        improvement i = trpo_mm_improve(&trpo_mm_defaults, &p.x, new_pi);
        for (int s = 0; s < p.x.nS; s++) {
            double sum = 0;
            for (int a = 0; a < p.x.nA; a++) {
                assert_true(new_pi[s * p.x.nA + a] >= 0);
                sum += new_pi[s * p.x.nA + a];
            }
            hand_near(sum, 1, 1e-14, "sum");
        }
        assert_true(i.L >= before - room && i.bound >= before - room);
        if (i.outcome == IMPROVED) assert_true(hand_J(&p, new_pi) >= i.bound - room);
        hand_free(&p);
    }
}

static void explained(void **state)
{
    (void)state;
    char text[4000];
    double new_pi[6], lambda = 0, C = 4 * 2 * 0.5 / 0.25;
    const exact_table *x = &improvement_example;
    hand_explain(trpo_mm_explain, &trpo_mm_defaults, text, sizeof text);
    improvement i = trpo_mm_improve(&trpo_mm_defaults, x, new_pi);
    for (int s = 0; s < 2; s++)
        lambda += x->rho[s] * trpo_mm_state(3, x->pi + 3 * s, x->A + 3 * s, i.step, new_pi + 3 * s);
    hand_near(lambda, C, 1e-9, "sum of rho lambda");
    hand_says(text, "gamma/(1-gamma)^2 = ", C, 0);
    hand_says(text, "= C at delta = ", i.step, 1e-9);
    hand_says(text, "max_s KL(pi||pi_new) = ", (double)hand_kl(3, x->pi, new_pi), 1e-9);
    hand_says(text, "pi_new(a|s) A(s,a) = ", (double)hand_L(x, new_pi), 1e-7);
    hand_says(text, "C max_s KL = ", hand_M(x, C, new_pi), 1e-7);
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
        improvement i = trpo_mm_improve(&trpo_mm_defaults, &x, new_pi);
        assert_int_equal(i.outcome, k ? IMPROVEMENT_OPTIMAL : IMPROVED);
        assert_int_equal(memcmp(new_pi, pi, sizeof pi) == 0, k);
    }
}

/* With a discount near 1 C is large and the step tiny, but a step: delta = (rho sd / C)^2 / 2, to first order. */
static void tiny_steps(void **state)
{
    (void)state;
    const double pi[] = { 0.5, 0.5 }, r[] = { 1, 0 }, gamma = 1 - 0x1p-22;
    hand_bandit b;
    exact_table x = hand_bandit_of(&b, 2, pi, r, gamma);                /* A = 1/2, -1/2: sd = epsilon = 1/2 */
    double new_pi[2], wanted = 0x1p-44 / (16 * gamma * gamma) / 2;     /* rho sd / C = (1-gamma) / (4 gamma) */
    improvement i = trpo_mm_improve(&trpo_mm_defaults, &x, new_pi);
    assert_int_equal(i.outcome, IMPROVED);
    hand_near(i.step, wanted, 1e-5, "delta");
    hand_near(new_pi[0] - 0.5, sqrt(2 * wanted) / 2, 1e-5, "the step");
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(kl), cmocka_unit_test(two_actions), cmocka_unit_test(stationary),
        cmocka_unit_test(against_search), cmocka_unit_test(against_simplex), cmocka_unit_test(multipliers),
        cmocka_unit_test(corners), cmocka_unit_test(free_action), cmocka_unit_test(monotone),
        cmocka_unit_test(no_gain), cmocka_unit_test(states), cmocka_unit_test(extremes),
        cmocka_unit_test(explained),
        cmocka_unit_test(gain_of_rounding),
        cmocka_unit_test(tiny_steps) };
    if (argc > 1) cmocka_set_test_filter(argv[1]);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
