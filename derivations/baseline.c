/* Baselines: what may be taken from Q without changing the gradient, and what that does to its variance.
 * 000 (l.188-205, eq 8, 9, image 3), 002 (l.119-121), 003 (l.92). Where an expected value is 0, the error
 * is measured against the terms that cancel in it. */
#include "derivations/baseline.h"

#include <float.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "autodiff/linalg.h"
#include "autodiff/require.h"
#include "derivations/bellman.h"
#include "derivations/derivation.h"
#include "derivations/equivalent_forms.h"
#include "derivations/estimate.h"
#include "derivations/policy_gradient_theorem.h"
#include "derivations/small_problem.h"
#include "derivations/value_table.h"

/* d log pi(a|s) / d z[s,b] */
static double score_z(const exact *x, int s, int a, int b)
{
    const double *pi = x->pi + s * x->nA;
    if (a != b) return -pi[b];
    double others = 0;
    for (int c = 0; c < x->nA; c++) others += c == a ? 0 : pi[c];
    return others;
}

static double score_squared(const exact *x, int s, int a)       /* |grad log pi(a|s)|^2 */
{
    double sum = 0;
    for (int b = 0; b < x->nA; b++) sum += pow(score_z(x, s, a, b), 2);
    return sum;
}

/* ---- units ---- */

/* Relative to what cancels: sums over actions */
static double unit_relative(const setting *x) { return DBL_EPSILON * fmax(x->pi->nA, 4); }

/* ---- PGT-24, BL-1, BL-3: sums that are 0 ---- */

/* Terms that cancel have relative accuracy where they are more than that */
static const double LEAST_TERMS = DBL_MIN / DBL_EPSILON;

/* The largest of the terms that cancel: weight(s) sum_a pi(a|s) |d log pi(a|s) / d z[s,b]| */
static double size_of_terms(const exact *x, const double *weight)
{
    double size = 0;
    for (int i = 0; i < x->nSA; i++) {
        double terms = 0;
        for (int a = 0; a < x->nA; a++)
            terms += x->pi[i / x->nA * x->nA + a] * fabs(score_z(x, i / x->nA, a, i % x->nA));
        size = fmax(size, fabs(weight[i / x->nA]) * terms);
    }
    return size;
}

/* max |a_i - b_i|, relative to them */
static double relative_to(const exact *x, const double *weight, int n, const double *a, const double *b)
{
    double worst = 0;
    for (int i = 0; i < n; i++) worst = linalg_greater(worst, fabs(a[i] - b[i]));
    return worst == 0 ? 0 : worst / size_of_terms(x, weight);
}

static double *ones(const exact *x)                             /* [nS] */
{
    double *weight = allocate((size_t)x->nS, sizeof *weight, "weights");
    for (int s = 0; s < x->nS; s++) weight[s] = x->absorbing[s] ? 0 : 1;
    return weight;
}

static double *times_d(const exact *x, double (*b)(const exact *, int))     /* [nS] d(s) b(s) */
{
    double *weight = allocate((size_t)x->nS, sizeof *weight, "weights");
    for (int s = 0; s < x->nS; s++) weight[s] = x->d[s] * b(x, s);
    return weight;
}

/* An arbitrary baseline: any numbers do. */
static double any_B(const exact *x, int s) { (void)x; return 2 + cos(3 * s); }
static double V_pi(const exact *x, int s)  { return x->V[s]; }

static double distance_of_scores(const setting *x, int n, const double *a, const double *b)
{
    double *weight = ones(x->pi), distance = relative_to(x->pi, weight, n, a, b);
    free(weight);
    return distance;
}

static double distance_of_BL_1(const setting *x, int n, const double *a, const double *b)
{
    double *weight = times_d(x->pi, any_B), distance = relative_to(x->pi, weight, n, a, b);
    free(weight);
    return distance;
}

static double distance_of_BL_3(const setting *x, int n, const double *a, const double *b)
{
    double *weight = times_d(x->pi, V_pi), distance = relative_to(x->pi, weight, n, a, b);
    free(weight);
    return distance;
}

/* sum_a weight(s) pi(a|s) [d log pi(a|s) / d z[s,b]] */
static void mean_scores(const exact *x, const double *weight, double *out)
{
    for (int i = 0; i < x->nSA; i++) {
        out[i] = 0;
        for (int a = 0; a < x->nA; a++)
            out[i] += weight[i / x->nA] * x->pi[i / x->nA * x->nA + a] * score_z(x, i / x->nA, a, i % x->nA);
    }
}

/* sum_s weight(s) sum_a pi(a|s) differentiated by reverse mode, which rounds at the size of the weights; left out,
 * -1, where that is all there is to see */
static double grad_of_total(const exact *x, const double *weight, double *out)
{
    ad_tape *t = ad_tape_new();
    ad z = ad_input(t, x->logits, x->nS, x->nA);
    ad total = ad_row_sum(ad_exp(ad_log_softmax(z)));                           /* [nS x 1] sum_a pi(a|s) */
    memcpy(out, ad_value(ad_grad(ad_dot(total, ad_input(t, weight, x->nS, 1)), z)), (size_t)x->nSA * sizeof *out);
    ad_tape_free(t);
    double room = 10 * DBL_EPSILON * fmax(x->nA, 4) * linalg_max_abs(x->nS, weight) / size_of_terms(x, weight);
    return room <= 1e-6 ? room : LEFT_OUT;
}

/* PGT-24  E_a[grad log pi(a|s)] = grad sum_a pi(a|s) = 0 */
static double mean_score(const setting *x, double *out)
{
    double *weight = ones(x->pi);
    mean_scores(x->pi, weight, out);
    free(weight);
    return 0;
}

static double grad_of_one(const setting *x, double *out)
{
    double *weight = ones(x->pi), room = grad_of_total(x->pi, weight, out);
    free(weight);
    return room;
}

static double zeros(const setting *x, double *out)
{
    memset(out, 0, (size_t)x->pi->nSA * sizeof *out);
    return 0;
}

/* BL-1    sum_s d(s) sum_a grad pi(a|s) B(s), in each direction z[s,b] */
static double baseline_inside(const setting *x, double *out)
{
    double *weight = times_d(x->pi, any_B);
    mean_scores(x->pi, weight, out);
    free(weight);
    return 0;
}

static double baseline_outside(const setting *x, double *out)
{
    double *weight = times_d(x->pi, any_B), room = grad_of_total(x->pi, weight, out);
    free(weight);
    return room;
}

/* BL-3    E_{s~d, a~pi}[ V(s) d log pi(a|s) / d z[s,b] ] */
static double V_times_score(const setting *x, double *out)
{
    double *weight = times_d(x->pi, V_pi);
    mean_scores(x->pi, weight, out);
    free(weight);
    return 0;
}

static double mean_V(const setting *x, double *out)             /* E_d[V], said of each component */
{
    double E = linalg_dot(x->pi->nS, x->pi->d, x->pi->V);
    for (int i = 0; i < x->pi->nSA; i++) out[i] = E;
    return 0;
}

static const char *no_score(const setting *x)
{
    double *weight = ones(x->pi), size = size_of_terms(x->pi, weight);
    free(weight);
    return size > LEAST_TERMS ? NULL : "pi is deterministic: every score is 0, or next to it";
}

static const char *nothing_visited(const setting *x)
{
    double *weight = times_d(x->pi, any_B), size = size_of_terms(x->pi, weight);
    free(weight);
    return size > LEAST_TERMS ? NULL : "every score is 0, or next to it, where pi goes";
}

static const char *no_value(const setting *x)
{
    double *weight = times_d(x->pi, V_pi), size = size_of_terms(x->pi, weight);
    free(weight);
    return size > LEAST_TERMS ? NULL : "every score or value is 0, or next to it, where pi goes";
}

/* ---- BL-2 ---- */

/* sum_s rho(s) sum_a grad pi(a|s) (Q(s,a) + k V(s) + m B(s)) */
static double with(const setting *x, const double *Q, double k, double m, double *g)
{
    const exact *pi = x->pi;
    double *F = allocate((size_t)pi->nSA, sizeof *F, "values");
    for (int i = 0; i < pi->nSA; i++) F[i] = Q[i] + k * pi->V[i / pi->nA] + m * any_B(pi, i / pi->nA);
    gradient_sum(pi, NULL, F, g);
    free(F);
    return 0;
}

static double with_Q(const setting *x, double *g)         { return with(x, x->pi->Q, 0, 0, g); }
static double with_Q_minus_B(const setting *x, double *g) { return with(x, x->pi->Q, 0, -1, g); }

/* BL-2    grad J = sum_s rho(s) sum_a grad pi(a|s) (Q(s,a) - V(s)) */
static double with_A(const setting *x, double *g)         { return with(x, x->pi->Q, -1, 0, g); }

static double with_A_w(const setting *x, double *g)             /* A_w = Q_w - V, Q_w = .7 Q + .3 sin(7 s + 4 a) */
{
    double *Q_w = value_table_X29_Q(x->pi);
    with(x, Q_w, -1, 0, g);
    free(Q_w);
    return 0;
}

/* ---- BL-5, BL-7: least squares in each state ---- */

/* v_s(b) = E_a[ |grad log pi(a|s)|^power (Q(s,a) - b)^2 ], Q and b in units of `unit` */
static double spread(const exact *x, int s, int power, double unit, double b)
{
    double E = 0;
    for (int a = 0; a < x->nA; a++)
        E += x->pi[s * x->nA + a] * (power ? score_squared(x, s, a) : 1)
             * pow(x->Q[s * x->nA + a] / unit - b / unit, 2);
    return E;
}

/* Where the parabola through v(-h), v(0), v(h) is least; 0 where it is flat. In units of h no square overflows. */
static double vertex(const exact *x, int s, int power, double h)
{
    double minus = spread(x, s, power, h, -h), zero = spread(x, s, power, h, 0), plus = spread(x, s, power, h, h);
    double bend = minus - 2 * zero + plus;
    return bend > 0 ? h * (minus - plus) / (2 * bend) : 0;
}

/* BL-5    b*(s) = E_a[ |grad log pi|^2 Q ] / E_a[ |grad log pi|^2 ] */
void baseline_optimal(const exact *x, double *b)
{
    for (int s = 0; s < x->nS; s++) {
        double top = 0, bottom = 0;
        for (int i = s * x->nA; i < (s + 1) * x->nA; i++) {
            double w = x->pi[i] * score_squared(x, s, i % x->nA);
            top += w * x->Q[i];
            bottom += w;
        }
        b[s] = bottom > 0 ? top / bottom : 0;
    }
}

/* E_{s~d}[v_s(b(s))] - |E[(Q - b) grad log pi]|^2; the mean does not depend on b. */
double baseline_trace(const exact *x, const double *b)
{
    double E = 0;
    for (int s = 0; s < x->nS; s++) {
        E += x->d[s] * spread(x, s, 2, 1, b[s]);
        for (int c = 0; c < x->nA; c++) {
            double mean = 0;
            for (int a = 0; a < x->nA; a++)
                mean += x->pi[s * x->nA + a] * score_z(x, s, a, c) * (x->Q[s * x->nA + a] - b[s]);
            E -= pow(x->d[s] * mean, 2);
        }
    }
    return E;
}

/* BL-4    v_s(0) - v_s(V) = E|score|^2 (b*^2 - (V - b*)^2) = E|score|^2 V (2 b* - V), since v_s is quadratic */
double baseline_gain(const exact *x)
{
    double gain = 0, *b = allocate((size_t)x->nS, sizeof *b, "baselines");
    baseline_optimal(x, b);
    for (int s = 0; s < x->nS; s++)
        for (int a = 0; a < x->nA; a++)
            gain += x->d[s] * x->pi[s * x->nA + a] * score_squared(x, s, a) * x->V[s] * (2 * b[s] - x->V[s]);
    free(b);
    return gain;
}

static double largest_Q(const exact *x) { return fmax(1, linalg_max_abs(x->nSA, x->Q)); }

static int n_spreads(const setting *x) { return x->pi->nS + 1; }

static const char *no_spread(const setting *x)
{
    return largest_Q(x->pi) > 1e150 ? "values too large to be squared" : no_score(x);
}

/* |grad log pi|^2 <= 2 times (Q - b)^2, |b| <= max|Q|, in sums over actions; weighed by d, over states */
static double unit_of_spread(const setting *x)
{
    return DBL_EPSILON * fmax(x->pi->nSA, 4) * 8 * pow(largest_Q(x->pi), 2);
}

/* v_s(b(s)) in each decision state, then the trace of the covariance */
static double spreads(const setting *x, const double *b, double *out)
{
    for (int s = 0; s < x->pi->nS; s++) out[s] = x->pi->absorbing[s] ? 0 : spread(x->pi, s, 2, 1, b[s]);
    out[x->pi->nS] = baseline_trace(x->pi, b);
    return 0;
}

static double spread_V(const setting *x, double *out) { return spreads(x, x->pi->V, out); }

static double spread_none(const setting *x, double *out)
{
    double *b = allocate((size_t)x->pi->nS, sizeof *b, "baselines");
    spreads(x, b, out);
    free(b);
    return 0;
}

static double spread_optimal(const setting *x, double *out)
{
    double *b = allocate((size_t)x->pi->nS, sizeof *b, "baselines");
    baseline_optimal(x->pi, b);
    spreads(x, b, out);
    free(b);
    return 0;
}

static double spread_least(const setting *x, double *out)       /* a quadratic: its vertex */
{
    double *b = allocate((size_t)x->pi->nS, sizeof *b, "baselines");
    for (int s = 0; s < x->pi->nS; s++) b[s] = vertex(x->pi, s, 2, largest_Q(x->pi));
    spreads(x, b, out);
    free(b);
    return 0;
}

static double V_by_solve(const setting *x, double *out)
{
    memcpy(out, x->pi->V, (size_t)x->pi->nS * sizeof *out);
    return 0;
}

/* BL-7    V(s) = E_{a~pi}[Q(s,a)], Q by its own solve */
static double mean_Q(const setting *x, double *out)
{
    double *Q = allocate((size_t)x->pi->nSA, sizeof *Q, "action values");
    bool solved = bellman_Q(x->pi, Q);
    for (int s = 0, nA = x->pi->nA; s < x->pi->nS; s++) out[s] = linalg_dot(nA, x->pi->pi + s * nA, Q + s * nA);
    free(Q);
    return solved ? bellman_Q_room(x->pi) : LEFT_OUT;
}

/* The parabola's three values are of size 4 max|Q|^2, its bend is h^2 = max|Q|^2: u times some max|Q| is left. */
static double nearest_to_Q(const setting *x, double *out)
{
    for (int s = 0; s < x->pi->nS; s++)
        out[s] = x->pi->absorbing[s] ? 0 : vertex(x->pi, s, 0, largest_Q(x->pi));
    return 10 * DBL_EPSILON * fmax(x->pi->nA, 4) * largest_Q(x->pi);
}

/* ---- BL-4, BL-6: two actions in one state, softmax, probability p of the first ---- */

/* sum_a p(a) |(Q(a) - b) grad log pi(a)|^2 - |mean|^2, as its definition reads */
static double two_action_trace(double p, double Q0, double Q1, double b)
{
    const double pi[2] = { p, 1 - p }, Q[2] = { Q0, Q1 };
    double mean[2] = { 0 }, E = 0;
    for (int a = 0; a < 2; a++)
        for (int c = 0; c < 2; c++) mean[c] += pi[a] * (Q[a] - b) * ((a == c) - pi[c]);
    for (int a = 0; a < 2; a++)
        for (int c = 0; c < 2; c++) E += pi[a] * pow((Q[a] - b) * ((a == c) - pi[c]) - mean[c], 2);
    return E;
}

/* = 2 p (1-p) (b* - b)^2 with b* = (1-p) Q0 + p Q1 */
static double two_action_formula(double p, double Q0, double Q1, double b)
{
    return 2 * p * (1 - p) * pow((1 - p) * Q0 + p * Q1 - b, 2);
}

enum { PROBABILITIES = 4 };
static const double probability[PROBABILITIES] = { 0.6, 0.7, 0.9, 0.99 };

static int    n_probabilities(const setting *x) { (void)x; return PROBABILITIES; }

/* BL-4    Var[(Q - b) grad log pi] for Q = (1, 0) and b = V = p */
static double trace_V(const setting *x, double *out)
{
    (void)x;
    for (int i = 0; i < PROBABILITIES; i++) out[i] = two_action_trace(probability[i], 1, 0, probability[i]);
    return 0;
}

static double trace_V_formula(const setting *x, double *out)
{
    (void)x;
    for (int i = 0; i < PROBABILITIES; i++) out[i] = two_action_formula(probability[i], 1, 0, probability[i]);
    return 0;
}

static double trace_optimal(const setting *x, double *out)
{
    (void)x;
    for (int i = 0; i < PROBABILITIES; i++) out[i] = two_action_trace(probability[i], 1, 0, 1 - probability[i]);
    return 0;
}

static double trace_none(const setting *x, double *out)
{
    (void)x;
    for (int i = 0; i < PROBABILITIES; i++) out[i] = two_action_trace(probability[i], 1, 0, 0);
    return 0;
}

static double trace_V_lowered(const setting *x, double *out)    /* what it would be if V never raised it */
{
    double none[PROBABILITIES];
    trace_V(x, out);
    trace_none(x, none);
    for (int i = 0; i < PROBABILITIES; i++) out[i] = fmin(out[i], none[i]);
    return 0;
}

/* X3 over 3 steps: the condition, what it says of one pair, and whole estimates, in one row */
static void row_of_advantages(double p_0, double p_1, FILE *out)
{
    static const char *const names[] = { "Q", "advantage", "reward-to-go", "baseline" };
    const double theta[4] = { log(p_0), log(1 - p_0), log(p_1), log(1 - p_1) };
    own_problem own = own_problem_new(mdp_builtin("X3"), 0.9, 0, NULL, theta, 3);
    const exact *pi = own.f->x;
    double *none = allocate((size_t)pi->nS, sizeof *none, "baselines");
    fprintf(out, "%6g %6g %10.4f %14.4f", p_0, p_1, baseline_gain(pi),
            baseline_trace(pi, none) - baseline_trace(pi, pi->V));
    for (int i = 0; i < 4; i++) {
        double moments[5];
        small_estimator(own.f, names[i], moments);
        fprintf(out, i == 2 ? " %13.4f" : " %10.4f", moments[4]);
    }
    putc('\n', out);
    free(none);
    own_problem_free(&own);
}

static void page_of_advantages(const setting *x, FILE *out)
{
    (void)x;
    fprintf(out, "When V_t lowers the variance: where gain = sum_s d(s) E|grad log pi|^2 V (2 b* - V) > 0, for"
            " one pair (s,a) ~ d.\nX3 over 3 steps, gamma .9, pi(0|s) = p_s, and the trace variance of whole"
            " estimates over all trajectories:\n%6s %6s %10s %14s %10s %10s %13s %10s\n",
            "p_0", "p_1", "gain", "Var Q - Var A", "Q", "advantage", "reward-to-go", "baseline");
    row_of_advantages(0.7, 0.4, out);
    row_of_advantages(0.95, 0.95, out);
    row_of_advantages(0.05, 0.95, out);
    fprintf(out, "V helps in a state when it lies between 0 and 2 b*. Where one action is nearly certain, V is that"
            " action's value and\nb* the other's, whose scores are long: nearer to certain, V helps less.\n");
}

static const double Q_big[2] = { 1e6, 999900 }, p_big = 0.3;

/* u max|Q| in each Q - b, of which 100 is left: relative to the ratio, 4 u 1e6 / 100 */
static double unit_ratio(const setting *x) { (void)x; return 4 * DBL_EPSILON * 1e4 * 6.25e8; }

/* BL-6    Var without / Var with b = V, Q = 1e6 and 999900 */
static double ratio(const setting *x, double *out)
{
    (void)x;
    double V = p_big * Q_big[0] + (1 - p_big) * Q_big[1];
    *out = two_action_trace(p_big, Q_big[0], Q_big[1], 0) / two_action_trace(p_big, Q_big[0], Q_big[1], V);
    return 0;
}

static double ratio_formula(const setting *x, double *out)      /* (b* / D)^2 / (1 - 2p)^2, D = 100 */
{
    (void)x;
    double b_star = (1 - p_big) * Q_big[0] + p_big * Q_big[1], D = Q_big[0] - Q_big[1];
    *out = pow(b_star / D, 2) / pow(1 - 2 * p_big, 2);
    return 0;
}

/* ---- VPG-8: X3, horizon 3 ---- */

/* The variance table, in the order of form_name; each form beside the one it improves on */
static int n_forms(const setting *x) { (void)x; return FORMS; }

static double unit_x3(const setting *x)         /* u N H (H W)^2: see PGT-9 */
{
    (void)x;
    return DBL_EPSILON * 4 * 3 * pow(3 * 2.71, 2);
}

/* VPG-8   Var[g], the trace of its covariance, for each choice of Psi */
static double table(bool by_trajectories, double *out)
{
    own_problem p = own_problem_X3(3);
    double mean[4], variance[4];
    for (int i = 0; i < FORMS; i++) {
        if (by_trajectories) {
            gradient_estimator_moments(p.f, form_name[i], mean, variance);
            out[i] = 0;
            for (int c = 0; c < 4; c++) out[i] += variance[c];
        } else {
            form_moments(p.f, (enum form)i, mean, &out[i]);
        }
    }
    own_problem_free(&p);
    return 0;
}

static double table_by_trajectories(const setting *x, double *out) { (void)x; return table(true, out); }
static double table_by_recursion(const setting *x, double *out)    { (void)x; return table(false, out); }

static void page_of_x3(const setting *x, FILE *out)
{
    (void)x;
    own_problem p = own_problem_X3(3);
    form_table(p.f, out);
    own_problem_free(&p);
}

static double table_before(const setting *x, double *out)
{
    static const enum form before[FORMS] = { [TOTAL_RETURN] = TOTAL_RETURN, [REWARD_TO_GO] = TOTAL_RETURN,
        [BASELINE] = REWARD_TO_GO, [ACTION_VALUE] = REWARD_TO_GO, [ADVANTAGE] = TD_RESIDUAL,
        [TD_RESIDUAL] = BASELINE };
    double now[FORMS];
    table_by_trajectories(x, now);
    for (int i = 0; i < FORMS; i++) out[i] = now[before[i]];
    return 0;
}

const derivation baseline[] = {
    { "PGT-24", "E_a[grad log pi(a|s)] = 0", "E_a[d log pi(a|s)/dz[s,b]]", count_pairs, unit_relative, no_score,
      distance_of_scores, {
        { "E_{a\\sim\\pi}[\\nabla_\\theta\\log\\pi_\\theta(a|s)]", "the mean of the softmax's score", mean_score },
        { "=\\nabla_\\theta\\sum_a\\pi_\\theta(a|s)",
          "pi grad log pi = grad pi (PGT-4); reverse mode", grad_of_one },
        { "=0", "the sum is 1 for every theta", zeros } } },
    { "BL-1", "a baseline B(s) adds nothing: sum_s d(s) sum_a grad pi(a|s) B(s) = 0",
      "its component z[s,b], B(s) = 2 + cos(3s)", count_pairs, unit_relative, nothing_visited, distance_of_BL_1, {
        { "\\sum_sd(s)\\sum_a\\nabla_\\theta\\pi_\\theta(a|s)B(s)", "for any numbers B(s)", baseline_inside },
        { "=\\sum_sd(s)B(s)\\nabla_\\theta\\sum_a\\pi_\\theta(a|s)", "B(s) knows no action; reverse mode",
          baseline_outside },
        { "=0", "PGT-24", zeros } } },
    { "BL-2", "grad J = E[A grad log pi]", "dJ/dtheta[i]", count_theta, unit_of_gradient, NULL, NULL, {
        { "\\nabla_\\theta J(\\theta)", "reverse mode through rho_0^T (I - gamma P_pi)^-1 r_pi",
          gradient_by_autodiff },
        { "=\\sum_s\\rho(s)\\sum_a\\nabla_\\theta\\pi_\\theta(a|s)Q^\\pi(s,a)", "PGT-3", with_Q },
        { "=\\sum_s\\rho(s)\\sum_a\\nabla_\\theta\\pi_\\theta(a|s)(Q^\\pi(s,a)-B(s))", "BL-1, B(s) = 2 + cos(3s)",
          with_Q_minus_B },
        { "=\\sum_s\\rho(s)\\sum_a\\nabla_\\theta\\pi_\\theta(a|s)A^\\pi(s,a)", "B = V, 000 eq 8", with_A },
        { "=\\sum_s\\rho(s)\\sum_a\\nabla_\\theta\\pi_\\theta(a|s)A_w(s,a)",
          "000 eq 9: = with a critic, here A_w = .7 Q + .3 sin(7s+4a) - V; it is an approximation",
          with_A_w, DIFFERS, "ERR-12" } } },
    { "BL-3", "E_a[B(s) grad log pi(a|s)] = 0, with B = V", "E[V(s) d log pi/dz[s,b]]", count_pairs, unit_relative,
      no_value, distance_of_BL_3, {
        { "0", "what a baseline may add to the gradient", zeros },
        { "=E_{s\\sim d,a\\sim\\pi}[V(s)\\nabla_\\theta\\log\\pi_\\theta(a|s)]",
          "PGT-24 in each state", V_times_score },
        { "=E_{s\\sim d}[V(s)]",
          "000 l.205: `the expectation of B(s), that is V, is 0': of V times the score it is",
          mean_V, DIFFERS, "ERR-17" } } },
    { "BL-4", "a suitable baseline lowers the variance; V need not", "trace variance at p = .6, .7, .9, .99",
      n_probabilities, unit_of_one, NULL, NULL, {
        { "\\mathrm{Var}[(Q-V)\\nabla\\log\\pi]", "the definition", trace_V },
        { "=2p(1-p)(b^*-V)^2,\\quad b^*=(1-p)Q_0+pQ_1", "multiplied out for two actions", trace_V_formula },
        { "\\ge\\mathrm{Var}[(Q-b^*)\\nabla\\log\\pi]=0", "the suitable one (BL-5)", trace_optimal, AT_MOST },
        { "\\mathrm{Var}[(Q-V)\\nabla\\log\\pi]=\\min(\\mathrm{Var}[(Q-V)\\nabla\\log\\pi],"
          "\\mathrm{Var}[Q\\nabla\\log\\pi])",
          "000 l.190, 002 l.119: subtracting V lowers the variance. Not for p > 2/3: at p = .9 .0018 becomes"
          " .1152", trace_V_lowered, DIFFERS, "ERR-18" } }, "two actions, softmax, pi = (p, 1-p), Q = (1, 0)",
      .page = page_of_advantages },
    { "BL-5", "the best state baseline: b* = E[|score|^2 Q] / E[|score|^2]",
      "E_a[|score|^2 (Q - b)^2] in s, then the trace variance", n_spreads, unit_of_spread, no_spread, NULL, {
        { "v(b^*),\\quad v(b)=E_a[\\|\\nabla\\log\\pi\\|^2(Q-b)^2]", "b* by its formula", spread_optimal },
        { "=\\min_bv(b)",
          "all that depends on b in the variance; quadratic in b: the vertex through three of its values",
          spread_least },
        { "v(b^*)\\le v(V)", "V is another choice", spread_V, AT_LEAST },
        { "v(b^*)\\le v(0)", "none is another", spread_none, AT_LEAST } } },
    { "BL-6", "Q = 1e6 and 999900: a baseline makes the variance 6.2e8 times smaller at p = .3",
      "variance without / with V", count_one, unit_ratio, NULL, NULL, {
        { "\\frac{\\mathrm{Var}[Q\\nabla\\log\\pi]}{\\mathrm{Var}[(Q-V)\\nabla\\log\\pi]}",
          "both by the definition", ratio },
        { "=\\frac{(b^*/D)^2}{(1-2p)^2},\\quad D=Q_0-Q_1",
          "BL-4's formula, V - b* = (2p-1) D; infinite at p = 1/2", ratio_formula },
        { "=100",
          "the control: the difference 100 of 000 l.193 is what is left of Q, not what is gained", NULL, DIFFERS,
          .is = { 100 } } }, "two actions, softmax, pi = (.3, .7), Q = (1e6, 999900)" },
    { "BL-7", "V is Q averaged over actions: the natural baseline", "V(s)", count_states, unit_of_V, NULL, NULL, {
        { "V^\\pi(s)", "a linear solve over the states", V_by_solve },
        { "=E_{a\\sim\\pi}[Q^\\pi(s,a)]", "Q by a solve over the pairs", mean_Q },
        { "=\\arg\\min_bE_{a\\sim\\pi}[(Q^\\pi(s,a)-b)^2]",
          "the one number nearest to all of them", nearest_to_Q } } },
    { "VPG-8", "the variance of the estimate, and how it is lowered step by step",
      "trace variance: total, to go, to go - V, Q, A, TD", n_forms, unit_x3, NULL, NULL, {
        { "\\mathrm{Var}[\\hat g]", "over all trajectories, through algorithms/psi.c", table_by_trajectories },
        { "=E|\\hat g|^2-|\\nabla J|^2", "moments carried backward in time", table_by_recursion },
        { "\\le\\mathrm{Var}[\\hat g]\\ \\text{before the step}",
          "to go for total, V taken off, Q for to go, A for TD, TD for to go - V (here; see BL-4)", table_before,
          AT_LEAST } }, "X3: 2 states, 2 actions, pi = (.7, .3; .4, .6), gamma .9, horizon 3",
      .page = page_of_x3 },
    { .id = NULL }
};
