/* Bounds between policies. What they say is checked against closed forms (an ok state that a mistake leaves for
 * ever, two actions), all whole-number solutions of small linear programs, and numbers for E5 of an independent
 * program (plain Python, Gauss-Jordan); that they hold, on random MDPs. */
#include <float.h>
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "autodiff/random.h"
#include "derivations/bounds_table.h"
#include "derivations/coupling.h"
#include "derivations/derivation.h"
#include "derivations/distribution_shift.h"
#include "derivations/guaranteed_step.h"
#include "derivations/improvement_bound.h"
#include "derivations/kl_bounds.h"
#include "derivations/performance_difference.h"
#include "derivations/random_pairs.h"

static void near(const char *what, double found, double wanted, double relative)
{
    if (!(fabs(found - wanted) <= relative * fabs(wanted)))
        fail_msg("%s: expected %.17g, found %.17g", what, wanted, found);
}

static exact *solved(const mdp *M, double gamma, const double *logits)
{
    char error[256];
    exact *x = exact_new(M, gamma, logits, error, sizeof error);
    assert_non_null(x);
    return x;
}

/* ---- ok-bad: pi is always right, pi' wrong with probability e ---- */

static void ok_bad(void **state)
{
    (void)state;
    static const double gammas[] = { 0, 0.5, 0.9, 0.99 }, es[] = { 1e-3, 0.1, 0.5, 0.9 };
    mdp *M = mdp_builtin("ok-bad");
    for (int i = 0; i < 16; i++) {
        double g = gammas[i / 4], e = es[i % 4], z[4] = { 0, -1e4, 0, -1e4 };
        double z1[4] = { log1p(-e), log(e), log1p(-e), log(e) }, parted = 2 * g * e / ((1 - g) * (1 - g + g * e));
        exact *pi = solved(M, g, z), *pi1 = solved(M, g, z1);
        improvement_bounds b = improvement_bounds_of(pi, pi1);
        near("alpha", b.alpha, e, 1e-12);
        near("eps", b.eps, 1, 1e-14);
        near("C", b.C, e, 1e-12);
        near("kl", b.kl, -log1p(-e), 1e-11);
        near("attained: 2 (1 - (1-eps)^t)", shift_ratio(M, pi->pi, pi1->pi, e, 30), 1, 1e-12);
        near("J", b.dJ, -e / (1 - g) + parted * e, 1e-11);      /* -1 where ok, +1 where bad */
        near("L", b.dL, -e / (1 - g), 1e-12);
        if (g > 0) {
            double gap = parted * e;
            near("TRPO-3", gap / b.tv, (1 - g) / (2 * (1 - g + g * e)), 1e-11);
            near("DSB-10", gap / b.shift, (1 - g) / (1 - g + g * e), 1e-11);
            near("linear", b.linear / b.shift, 1 / e, 1e-11);
            near("TRPO-4", b.trpo / b.tv, -log1p(-e) / (e * e), 1e-11);
        }
        near("what solve prints", compare_policies(pi, pi1).lower_bound, b.L - b.trpo, 1e-11);
        exact_free(pi);
        exact_free(pi1);
    }
    mdp_free(M);
}

static void bound_of_shift(void **state)
{
    (void)state;
    for (int t = 0; t <= 40; t++)
        for (int i = 0; i <= 10; i++) {
            long double eps = i / 10.0L, power = 1;
            for (int k = 0; k < t; k++) power *= 1 - eps;
            assert_true(fabs(shift_bound((double)eps, t) - (double)(2 * (1 - power))) <= 1e-14);
        }
    near("of tiny eps", shift_bound(1e-18, 3), 6e-18, 1e-14);
    const double pi[4] = { 0.25, 0.25, 0.25, 0.25 }, pi1[4] = { 0.35, 0.35, 0.15, 0.15 };       /* ERR-6 */
    mdp *M = mdp_garnet("one", 1, 4, 1, 1);
    near("TV, and no action's difference", shift_eps(M, pi, pi1), 0.2, 1e-14);
    mdp_free(M);
}

/* ---- E5, theta(s,a) = cos(s+2a), pi' = theta + t A; gain over each penalty (ERR-33) ---- */

static void e5(void **state)
{
    (void)state;
    static const struct { double gamma, t, eps, alpha, kl, dJ, dL, linear, shift, tv; } known[] = {
        { 0.9, 1, 1.5647679246897868, 0.3552121543485893, 0.2867560684328717, 2.6585968155648665,
          2.614611772681908, 0.026133462491705922, 0.06299273610905767, 0.036785709852230605 },
        { 0.9, 0.1, 1.5647679246897868, 0.025205045019560342, 0.002077523481192974, 0.23612020400788847,
          0.23614981147360614, 0.033264246129657636, 1.2270907607041131, 0.659872777530113 },
        { 0.99, 0.1, 1.5544941092655593, 0.025433698944709225, 0.0020604255543786518, 2.313838774134327,
          2.3141825769147464, 0.002956200065938973, 0.1092709794316912, 0.05811581068812503 } };
    mdp *M = mdp_builtin("E5");
    double theta[15], z[15];
    for (int i = 0; i < 15; i++) theta[i] = cos(i / 3 + 2 * (i % 3));
    for (size_t k = 0; k < sizeof known / sizeof *known; k++) {
        exact *pi = solved(M, known[k].gamma, theta);
        for (int i = 0; i < 15; i++) z[i] = theta[i] + known[k].t * pi->A[i];
        exact *pi1 = solved(M, known[k].gamma, z);
        improvement_bounds b = improvement_bounds_of(pi, pi1);
        near("eps", b.eps, known[k].eps, 1e-11);
        near("alpha", b.alpha, known[k].alpha, 1e-11);
        near("kl", b.kl, known[k].kl, 1e-11);
        near("J' - J", b.dJ, known[k].dJ, 1e-10);
        near("L - J", b.dL, known[k].dL, 1e-10);
        near("gain over the linear penalty", b.dL / b.linear, known[k].linear, 1e-10);
        if (k != 1) near("over 001's", b.dL / b.shift, known[k].shift, 1e-10);
        near("over the quadratic penalty", b.dL / b.tv, known[k].tv, 1e-10);
        near("C", b.trpo / b.kl, k < 2 ? 563.3164528883235 : 61557.966726916035, 1e-10);
        exact_free(pi);
        exact_free(pi1);
    }
    mdp_free(M);
}

/* ---- DSB-6, DSB-12: against all solutions in whole numbers, among which those of the linear programs are ---- */

enum { CELLS = 3, MASS = 6 };

static int most_agreeing(int left, const int *p, const int *q, int x, int y, int agreed)
{
    int rest_p[CELLS], rest_q[CELLS], most = -1;
    if (left == 0) return agreed;
    if (x == CELLS) return -1;
    memcpy(rest_p, p, sizeof rest_p);
    memcpy(rest_q, q, sizeof rest_q);
    for (int m = 0; m <= p[x] && m <= q[y]; m++) {          /* so much to the pair (x, y) */
        rest_p[x] = p[x] - m, rest_q[y] = q[y] - m;
        int found = most_agreeing(left - m, rest_p, rest_q, y == CELLS - 1 ? x + 1 : x, (y + 1) % CELLS,
                                  agreed + (x == y) * m);
        if (found > most) most = found;
    }
    return most;
}

static void couplings(void **state)
{
    (void)state;
    gsl_rng *rng = random_stream(3, 0, RANDOM_TEST);
    for (int k = 0; k < 200; k++) {
        int p[CELLS] = { 0 }, q[CELLS] = { 0 };
        double P[CELLS], Q[CELLS], joint[CELLS * CELLS], agree = 0;
        for (int i = 0; i < MASS; i++) p[gsl_rng_uniform_int(rng, CELLS)]++, q[gsl_rng_uniform_int(rng, CELLS)]++;
        for (int x = 0; x < CELLS; x++) P[x] = (double)p[x] / MASS, Q[x] = (double)q[x] / MASS;
        double most = most_agreeing(MASS, p, q, 0, 0, 0) / (double)MASS;
        coupling_maximal(CELLS, P, Q, joint);
        for (int x = 0; x < CELLS; x++) {
            double row = 0, column = 0;
            for (int y = 0; y < CELLS; y++) {
                assert_true(joint[x * CELLS + y] >= 0);
                row += joint[x * CELLS + y];
                column += joint[y * CELLS + x];
            }
            assert_true(fabs(row - P[x]) <= 1e-15 && fabs(column - Q[x]) <= 1e-15);
            agree += joint[x * CELLS + x];
        }
        assert_true(fabs(agree - most) <= 1e-15);
        assert_true(fabs(overlap(CELLS, P, Q) - most) <= 1e-15);
        assert_true(fabs(1 - coupling_dual(CELLS, P, Q) - most) <= 1e-15);
        assert_true(fabs(1 - total_variation(CELLS, P, Q) - most) <= 1e-15);
    }
    gsl_rng_free(rng);
}

static void steps_in_a_state(void **state)
{
    (void)state;
    enum { N = 4, WHOLE = 8 };
    gsl_rng *rng = random_stream(4, 0, RANDOM_TEST);
    for (int k = 0; k < 200; k++) {
        int pi[N] = { 0 }, eps = (int)gsl_rng_uniform_int(rng, WHOLE + 1);
        double A[N], Pi[N], p[N], best = -INFINITY, far, value;
        for (int i = 0; i < WHOLE; i++) pi[gsl_rng_uniform_int(rng, N)]++;
        for (int a = 0; a < N; a++) A[a] = 2 * gsl_rng_uniform(rng) - 1, Pi[a] = (double)pi[a] / WHOLE;
        for (int i = 0; i <= WHOLE; i++)
            for (int j = 0; i + j <= WHOLE; j++)
                for (int l = 0; i + j + l <= WHOLE; l++) {
                    int to[N] = { i, j, l, WHOLE - i - j - l }, moved = 0;
                    for (int a = 0; a < N; a++) moved += abs(to[a] - pi[a]);
                    if (moved <= 2 * eps)
                        best = fmax(best, (i * A[0] + j * A[1] + l * A[2] + to[3] * A[3]) / WHOLE);
                }
        value = improvement_step(N, Pi, A, (double)eps / WHOLE, p);
        far = total_variation(N, Pi, p);
        assert_true(fabs(value - best) <= 1e-14 && far <= (double)eps / WHOLE + 1e-15);
        assert_true(fabs(improvement_step_dual(N, Pi, A, (double)eps / WHOLE) - best) <= 1e-14);
    }
    gsl_rng_free(rng);
}

/* ---- the KL divergence ---- */

static void kl(void **state)
{
    (void)state;
    for (int k = -9; k <= 3; k++) {                             /* D(1/2 || sigma(d)) = log cosh(d/2) */
        double d = pow(10, k), p[2] = { log(0.5), log(0.5) }, q[2] = { -log1p(exp(-d)), -log1p(exp(d)) };
        if (d > 700) q[1] = -d;
        double wanted = d < 1e-3 ? d * d / 8 : d / 2 + log1p(exp(-d)) - log(2);
        near("log cosh", kl_divergence(2, p, q), wanted, fmax(1e-7, 1e-15 / d));
    }
    gsl_rng *rng = random_stream(5, 0, RANDOM_TEST);
    for (int k = 0; k < 300; k++) {
        double p[4], q[4], logp[4], logq[4], sum_p = 0, sum_q = 0;
        long double D = 0;
        for (int x = 0; x < 4; x++) {
            sum_p += p[x] = gsl_rng_uniform_pos(rng);
            sum_q += q[x] = gsl_rng_uniform_pos(rng);
        }
        for (int x = 0; x < 4; x++) {
            logp[x] = (double)logl((long double)p[x] / sum_p);
            logq[x] = (double)logl((long double)q[x] / sum_q);
            D += expl(logp[x]) * ((long double)logp[x] - logq[x]);
        }
        assert_true(fabs(kl_divergence(4, logp, logq) - (double)D) <= 1e-14 * (1 + (double)D));
        assert_true(kl_divergence(4, logp, logq) >= 0 && kl_divergence(4, logp, logp) == 0);
    }
    gsl_rng_free(rng);
    const double sure[2] = { 0, -2000 }, other[2] = { -2000, 0 };       /* e^-2000 is 0 */
    near("an action dropped", kl_divergence(2, sure, other), 2000, 1e-14);
}

/* The maximum and mean are over decision states: TV .1, .4, and .9 in the absorbing one; rho = (1, .5, .) */
static void which_states(void **state)
{
    (void)state;
    mdp_builder *build = mdp_begin("three", 3, 2, 0.5);
    mdp_start(build, 0, 1);
    for (int a = 0; a < 2; a++) {
        mdp_transition(build, 0, a, 1, 1, a);
        mdp_transition(build, 1, a, 2, 1, 1);
        mdp_transition(build, 2, a, 2, 1, 0);
    }
    mdp *M = mdp_finish(build);
    const double z[6] = { log(.5), log(.5), log(.5), log(.5), log(.95), log(.05) };
    const double z1[6] = { log(.6), log(.4), log(.9), log(.1), log(.05), log(.95) };
    exact *pi = solved(M, 0.5, z), *pi1 = solved(M, 0.5, z1);
    policy_comparison c = compare_policies(pi, pi1);
    double kl0 = -log(4 * .6 * .4) / 2, kl1 = -log(4 * .9 * .1) / 2;
    near("tv_max", c.tv_max, 0.4, 1e-13);
    near("kl_max", c.kl_max, kl1, 1e-13);
    near("kl_mean", c.kl_mean, (kl0 + 0.5 * kl1) / 1.5, 1e-13);
    near("eps", shift_eps(M, pi->pi, pi1->pi), 0.4, 1e-13);
    near("surrogate", c.surrogate, pi->J - 0.1, 1e-13);         /* r = a in state 0: A = -1/2, 1/2 */
    near("lower bound", c.lower_bound, pi->J - 0.1 - 4 * 0.5 * 0.5 / 0.25 * kl1, 1e-13);
    exact_free(pi);
    exact_free(pi1);
    mdp_free(M);
}

/* ---- all of them on random MDPs ---- */

static void random_mdps(void **state)
{
    (void)state;
    static const double least[TIGHT_BOUNDS] = { 0.5, 0.1, 0.999, 0.5, 0.03, 0.01 };
    tightness t = tightness_new(300, 1), again = tightness_new(20, 1), other = tightness_new(20, 2);
    assert_true(tightness_holds(&t));
    for (int bound = 0; bound < TIGHT_BOUNDS; bound++) {
        double worst = t.row[tightness_worst(&t, bound)].ratio[bound];
        if (!(worst <= 1 + 1e-12 && worst >= least[bound]))
            fail_msg("%s: at most %.4g", tightness_name[bound].id, worst);
    }
    assert_memory_equal(t.row, again.row, 20 * sizeof *t.row);
    assert_memory_not_equal(t.row, other.row, 20 * sizeof *t.row);
    t.row[7].ratio[TIGHT_TRPO_3] = 1.001;
    assert_false(tightness_holds(&t));
    t.row[7].ratio[TIGHT_TRPO_3] = NAN;
    assert_false(tightness_holds(&t));
    tightness_free(&t);
    tightness_free(&again);
    tightness_free(&other);
}

/* Every line of these derivations, on random pairs of policies near and far */
static void every_line(void **state)
{
    (void)state;
    static const char *const ids[] = { "DSB-2", "DSB-3", "DSB-5", "DSB-6", "DSB-7", "DSB-8", "DSB-9", "DSB-10",
        "DSB-11", "DSB-12", "DSB-13", "DSB-14", "DSB-15", "KL-1", "KL-2", "KL-3", "PDI-12", "TRPO-1", "TRPO-3",
        "TRPO-4" };
    int passed = 0;
    for (uint32_t i = 0; i < 60; i++) {
        random_pair r = random_pair_new(9, i);
        setting *x = setting_new(r.pi, r.pi1, i);
        for (size_t k = 0; k < sizeof ids / sizeof *ids; k++) {
            derivation_result d = derivation_run(derivation_find(ids[k]), x);
            if (d.verdict == FAIL)
                fail_msg("%s on MDP %u: line %d, %.3g units", ids[k], i, d.worst + 1, d.units[d.worst]);
            passed += d.verdict == PASS;
            derivation_result_free(&d);
        }
        setting_free(x);
        random_pair_free(&r);
    }
    assert_true(passed >= 60 * 18);
}

/* ---- where the lines of a chain are attained, or known in closed form ---- */

/* One number of each line of a derivation; NaN: not to be looked at */
static void lines_are(const char *id, const setting *x, int number, int lines, const double *wanted)
{
    derivation_result r = derivation_run(derivation_find(id), x);
    assert_int_equal(r.verdict, PASS);
    for (int l = 0; l < lines; l++) {
        double found = derivation_number(&r, l, number);
        if (!isnan(wanted[l]) && !(fabs(found - wanted[l]) <= 1e-11 * (1 + fabs(wanted[l]))))
            fail_msg("%s, line %d: expected %.17g, found %.17g", id, l + 1, wanted[l], found);
    }
    derivation_result_free(&r);
}

/* ok-bad with its rewards reversed: pi stays ok, pi' leaves with probability e, which pays once */
static void attained_by_leaving(double e)
{
    const double g = 0.9, h = g / ((1 - g) * (1 - g)), z[4] = { 0, -1e4, 0, -1e4 };
    const double z1[4] = { log1p(-e), log(e), log1p(-e), log(e) };
    mdp *M = mdp_builtin("ok-bad");
    for (int k = 0; k < M->row[4]; k++) M->R[k] = -M->R[k];
    exact *pi = solved(M, g, z), *pi1 = solved(M, g, z1);
    setting *x = setting_new(pi, pi1, 1);
    double apart = 2 * g * e / ((1 - g) * (1 - g + g * e)), gain = e / (1 - g), J = 0, kl = -log1p(-e);
    double dJ = gain - apart * e, L = J + gain;
    lines_are("DSB-10", x, 0, 6, (double[]){ dJ, NAN, dJ, dJ, gain - 2 * e * h * e, gain - 2 * e * h * e });
    lines_are("TRPO-3", x, 0, 7, (double[]){ J + dJ, J + dJ, J + dJ, J + dJ, L - 2 * apart * e, L - 2 * apart * e,
                                             L - 4 * h * e * e });
    lines_are("TRPO-4", x, 0, 5, (double[]){ J + dJ, J + dJ, L - 4 * h * e * e, L - 2 * h * kl, L - 4 * h * kl });
    lines_are("PDI-12", x, 0, 5, (double[]){ apart, apart, apart, apart, 2 * e * h });
    for (int t = 1; t <= 16; t++) {
        double both = pow(1 - e, t), away = 2 * (1 - both);
        lines_are("DSB-8", x, t - 1, 4, (double[]){ away, away, away, 2 * e * t });
        lines_are("DSB-9", x, 3 * 16 + t - 1, 6,            /* f = 1 where ok, -1 where bad */
                  (double[]){ 1 - away, 1 - away, 1 - away, 1 - away, 1 - away, 1 - 2 * e * t });
    }
    setting_free(x);
    exact_free(pi);
    exact_free(pi1);
    mdp_free(M);
}

static void attained(void **state)
{
    (void)state;
    for (int i = 0; i < 3; i++) attained_by_leaving((double[]){ 0.3, 0.1, 0.01 }[i]);
    const double stay[4] = { 0, -1e4, 0, -1e4 }, leave[4] = { -1e4, 0, -1e4, 0 };
    mdp *M = mdp_builtin("ok-bad");
    exact *pi = solved(M, 0.9, stay), *pi1 = solved(M, 0.9, leave);
    setting *x = setting_new(pi, pi1, 1);
    for (int t = 1; t <= 16; t++) {                         /* DSB-3 has its own eps, .1, in the ok state */
        double away = 2 * (1 - pow(0.9, t));
        lines_are("DSB-3", x, t - 1, 4, (double[]){ away, away, away, 0.2 * t });
    }
    setting_free(x);
    exact_free(pi);
    exact_free(pi1);
    mdp_free(M);

    mdp_builder *build = mdp_begin("two actions", 1, 2, 0.9);       /* |A| = 1/2 of both: nothing is lost */
    mdp_start(build, 0, 1);
    for (int a = 0; a < 2; a++) mdp_transition(build, 0, a, 0, 1, a);
    M = mdp_finish(build);
    const double half[2] = { 0, 0 }, more[2] = { 0, 2 };
    pi = solved(M, 0.9, half), pi1 = solved(M, 0.9, more);
    x = setting_new(pi, pi1, 1);
    double dJ = 10 * (1 / (1 + exp(-2)) - 0.5), alpha = dJ / 10, kl = log(cosh(1)), L = 5 + dJ;
    lines_are("DSB-15", x, 0, 4, (double[]){ dJ, dJ, dJ, dJ });
    lines_are("TRPO-4", x, 0, 5, (double[]){ L, L, L - 180 * alpha * alpha, L - 90 * kl, L - 180 * kl });
    setting_free(x);
    exact_free(pi);
    exact_free(pi1);
    mdp_free(M);
}

/* TRPO-7 to first order in t: gain = t g, max KL = t^2 m / 2, so t = g / (C m), g = sum_s rho sum_a pi A^2, m the
 * greatest sum_a pi A^2 */
static void steps_of_theory(void **state)
{
    (void)state;
    mdp *M = mdp_builtin("E5");
    double theta[15];
    for (int i = 0; i < 15; i++) theta[i] = cos(i / 3 + 2 * (i % 3));
    derivation_result r = derivation_run(derivation_find("TRPO-7"), &(setting){ 0 });
    assert_int_equal(r.verdict, PASS);
    for (int k = 0; k < 2; k++) {
        exact *pi = solved(M, k ? 0.99 : 0.9, theta);
        double left = 1 - pi->gamma, eps = 0, g = 0, m = 0;
        for (int s = 0; s < 5; s++) {
            double square = 0;
            for (int i = 3 * s; i < 3 * s + 3; i++) {
                square += pi->pi[i] * pi->A[i] * pi->A[i];
                eps = fmax(eps, fabs(pi->A[i]));
            }
            g += pi->rho[s] * square;
            m = fmax(m, square);
        }
        double C = 4 * eps * pi->gamma / (left * left), t = g / (C * m);
        near("its KL over .01", pow(10, derivation_number(&r, 1, k)), t * t * m / 2 / 0.01, k ? 2e-3 : 0.02);
        exact_free(pi);
    }
    derivation_result_free(&r);
    mdp_free(M);
}

/* ---- the line of policies ---- */

static void a_line(void **state)
{
    (void)state;
    mdp *M = mdp_builtin("E5");
    double theta[15];
    for (int i = 0; i < 15; i++) theta[i] = cos(i / 3 + 2 * (i % 3));
    exact *pi = solved(M, 0.9, theta);
    bounds_line *l = bounds_line_new(pi, NULL);
    const bounds_point *end = &l->point[1][BOUNDS_POINTS - 1], *zero = &l->point[0][BOUNDS_POINTS - 1];
    assert_true(bounds_line_holds(l) && bounds_line_finite(l));
    near("theta + A", end->b.dJ, 2.6585968155648665, 1e-10);
    assert_true(zero->t == l->near && l->near > 0.02 && l->near < 0.04);
    assert_true(zero->b.dL < zero->b.trpo && l->point[0][10].b.dL > l->point[0][10].b.trpo);
    l->point[1][5].b.dJ = -1e3;
    assert_false(bounds_line_holds(l));
    l->point[1][5].b.dJ = NAN;
    assert_false(bounds_line_holds(l));
    bounds_line_free(l);
    exact_free(pi);
    mdp_free(M);
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = { cmocka_unit_test(ok_bad), cmocka_unit_test(bound_of_shift),
                                        cmocka_unit_test(e5), cmocka_unit_test(couplings),
                                        cmocka_unit_test(steps_in_a_state), cmocka_unit_test(kl),
                                        cmocka_unit_test(which_states),
                                        cmocka_unit_test(random_mdps), cmocka_unit_test(every_line),
                                        cmocka_unit_test(attained),
                                        cmocka_unit_test(steps_of_theory),
                                        cmocka_unit_test(a_line) };
    if (argc > 1) cmocka_set_test_filter(argv[1]);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
