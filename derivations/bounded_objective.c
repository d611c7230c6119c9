/* What 001 maximises for pi' is on the states of pi: the bound that allows it, and the penalty (l.297-299). */
#include "derivations/bounded_objective.h"

#include <float.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "autodiff/linalg.h"
#include "autodiff/require.h"
#include "derivations/derivation.h"
#include "derivations/enumerate.h"
#include "derivations/improvement_bound.h"
#include "derivations/performance_difference.h"
#include "derivations/shifted_expectation.h"

/* ---- DSB-10: the objective on the states of pi' against that on the states of pi ---- */

static double objective(const setting *x, double *out)
{
    *out = x->pi1->J - x->pi->J;
    return 0;
}

bool reweighted_over_time(const exact *of, const exact *pi, const double *new, double *sum)
{
    double *f = allocate((size_t)pi->nS, sizeof *f, "a function of the state");
    bool covered = pi->nS <= EXACT_MAX_TIME_SUM;
    for (int i = 0; i < pi->nSA && covered; i++) {
        double ratio = new[i] / pi->pi[i];
        if (pi->absorbing[i / pi->nA] || new[i] == 0) continue;
        f[i / pi->nA] += pi->pi[i] * ratio * pi->A[i];
        covered = isfinite(ratio);
    }
    if (covered) *sum = mean_over_time(of, f);
    free(f);
    return covered;
}

static double on_new_states(const setting *x, double *out)
{
    return reweighted_over_time(x->pi1, x->pi, x->pi1->pi, out) ? 10 * improvement_unit_J(x) : LEFT_OUT;
}

static double gain_less(const setting *x, const improvement_bounds *b, double penalty, double *out)
{
    *out = b->dL - penalty;
    return improvement_room(x->pi, x->pi1, b, penalty);
}

static double minus_shift(const setting *x, double *out)
{
    improvement_bounds b = improvement_bounds_of(x->pi, x->pi1);
    return gain_less(x, &b, shift_over_time(x->pi, x->pi1) * b.C, out);
}

static double minus_parted(const setting *x, double *out)
{
    improvement_bounds b = improvement_bounds_of(x->pi, x->pi1);
    return gain_less(x, &b, 2 * parted_over_time(x->pi->gamma, b.alpha) * b.C, out);
}

/* sum_t 2 eps t gamma^t by doubling T: S = sum_{t<T} gamma^t, W = sum_{t<T} t gamma^t, until W stands still */
static double linear_over_time(double gamma, double eps)
{
    double S = 1, W = 0;
    for (double T = 1; T < 1e18; T *= 2) {
        double power = pow(gamma, T), last = W;
        W += power * (W + T * S);
        S += power * S;
        if (power == 0 || (W > 0 && W - last <= 0x1p-60 * W)) break;
    }
    return 2 * eps * W;
}

/* DSB-10   L - J - sum_t 2 eps t gamma^t C */
static double minus_linear(const setting *x, double *out)
{
    improvement_bounds b = improvement_bounds_of(x->pi, x->pi1);
    return gain_less(x, &b, linear_over_time(x->pi->gamma, b.alpha) * b.C, out);
}

static double minus_closed(const setting *x, double *out)
{
    improvement_bounds b = improvement_bounds_of(x->pi, x->pi1);
    return gain_less(x, &b, b.shift, out);
}

/* L - J - sum_{t<T} 2 eps t C, as 001 l.299 prints it (ERR-33) */
static double minus_undiscounted(const setting *x, double *out)
{
    enum { FIRST = 1000 };
    improvement_bounds b = improvement_bounds_of(x->pi, x->pi1);
    double room = gain_less(x, &b, b.alpha * FIRST * (FIRST - 1) * b.C, out);
    return isfinite(*out) ? room : LEFT_OUT;
}

/* ---- DSB-11: the sum of the penalties, and C ---- */

enum { OVER_TIME, OVER_EPISODE, CONSTANT, GROWTH, PENALTIES };
enum { EPISODE = 100 };
static int n_penalty(const setting *x) { (void)x; return PENALTIES; }

static double unit_penalty(const setting *x)
{
    improvement_bounds b = improvement_bounds_of(x->pi, x->pi1);
    double sums = fmax(b.shift, EPISODE * EPISODE * b.C);           /* of 60 doublings, or of 100 terms */
    return fmax(2 * x->pi->unit_V, 100 * DBL_EPSILON * fmax(1, sums));
}

/* DSB-11   the sum over all t with gamma^t; that over an episode of T = 100 steps without; C; and, C left as it is,
 * log10 of how the first grows when 1/(1-gamma) grows from 100 to 1000 */
static double penalty_summed(const setting *x, double *out)
{
    improvement_bounds b = improvement_bounds_of(x->pi, x->pi1);
    out[OVER_TIME] = linear_over_time(x->pi->gamma, b.alpha) * b.C;
    out[OVER_EPISODE] = 0;
    for (int t = 0; t < EPISODE; t++) out[OVER_EPISODE] += 2 * b.alpha * t * b.C;
    out[CONSTANT] = b.C;
    out[GROWTH] = log10(linear_over_time(0.999, 1) / linear_over_time(0.99, 1));
    return 0;
}

static double penalty_closed(const setting *x, double *out)
{
    improvement_bounds b = improvement_bounds_of(x->pi, x->pi1);
    out[OVER_TIME] = b.shift;
    out[OVER_EPISODE] = b.alpha * EPISODE * (EPISODE - 1) * b.C;
    out[CONSTANT] = 0;                                      /* by Q: the mean of Q under pi' less that under pi */
    for (int s = 0; s < x->pi->nS; s++) {
        double more = 0;
        for (int i = s * x->pi->nA; i < (s + 1) * x->pi->nA; i++)
            more += (x->pi1->pi[i] - x->pi->pi[i]) * x->pi->Q[i];
        out[CONSTANT] = fmax(out[CONSTANT], fabs(more));
    }
    out[GROWTH] = 2 + log10(0.999 / 0.99);
    return 0;
}

/* Every value lies between those of the least and of the greatest reward for ever: so |C| <= alpha R / (1-gamma)
 * with R their difference, at absorbing states 0 */
static double reward_range(const setting *x)
{
    double least = INFINITY, most = -INFINITY;
    for (int i = 0; i < x->pi->nSA; i++) {
        least = fmin(least, x->pi->r[i]);
        most = fmax(most, x->pi->r[i]);
    }
    return most - least;
}

static const char *no_sums(const setting *x)
{
    double left = 1 - x->pi->gamma, most = reward_range(x) * EPISODE * EPISODE;
    if (improvement_no_bound(x)) return improvement_no_bound(x);
    return isfinite(200 * most / (left * left * left)) ? NULL : "the sums overflow";
}

static double penalty_by_rewards(const setting *x, double *out)
{
    improvement_bounds b = improvement_bounds_of(x->pi, x->pi1);
    double gamma = x->pi->gamma, C = b.alpha * reward_range(x) / (1 - gamma);
    out[OVER_TIME] = 2 * b.alpha * gamma / ((1 - gamma) * (1 - gamma)) * C;
    out[OVER_EPISODE] = b.alpha * EPISODE * (EPISODE - 1) * C;
    out[CONSTANT] = C;
    out[GROWTH] = 3 + log10(0.999 / 0.99);                  /* one power more, of C */
    return enumerate_defect(x->pi->M) * x->pi->k * linalg_max_abs(x->pi->nS, x->pi->V) * EPISODE * EPISODE
         + 4 * enumerate_defect(x->pi->M) * x->pi->k * x->pi->k * C;
}

/* ERR-33: O(T r_max) or O(r_max/(1-gamma)), which C may be, for the whole sum: tenfold at most */
static double underbrace(const setting *x, double *out)
{
    memset(out, 0, PENALTIES * sizeof *out);
    (void)x;
    out[GROWTH] = 1;
    return 0;
}

static void page_of_penalty(const setting *x, FILE *out)
{
    static const double gammas[] = { 0.9, 0.99, 0.999 };
    improvement_bounds b = improvement_bounds_of(x->pi, x->pi1);
    fprintf(out, "ERR-33: sum_t 2 eps t gamma^t over 1/(1-gamma), which an O(r_max/(1-gamma)) would keep bounded\n"
            "(eps = %.3g):\n", b.alpha);
    for (int i = 0; i < 3; i++)
        fprintf(out, "  gamma = %-5g  %.4g\n", gammas[i], linear_over_time(gammas[i], b.alpha) * (1 - gammas[i]));
}

const derivation bounded_objective[] = {
    { "DSB-10", "sum_t E_p'[E_pi[pi'/pi gamma^t A]] >= the same on p(s_t) less sum_t 2 eps t gamma^t C",
      "J(pi') - J(pi)", count_one, improvement_unit_J, improvement_no_bound, NULL, {
        { "J(\\theta')-J(\\theta)", "two policies, two linear solves", objective },
        { "=\\sum_tE_{s_t\\sim p_{\\theta'}}[E_{a_t\\sim\\pi_\\theta}[\\frac{\\pi_{\\theta'}(a_t|s_t)}"
          "{\\pi_\\theta(a_t|s_t)}\\gamma^tA^{\\pi_\\theta}(s_t,a_t)]]", "PDI-1, on the states of pi'",
          on_new_states },
        { "\\ge\\sum_tE_{s_t\\sim p_\\theta}[\\dots]-\\sum_t\\gamma^t\\|p_{\\theta'}(s_t)-p_\\theta(s_t)\\|_1C,"
          "\\quad C=\\max_s|\\sum_a\\pi_{\\theta'}(a|s)A^{\\pi_\\theta}(s,a)|",
          "DSB-9 for f(s) the inner mean; 64 steps forward in time, and DSB-8 for what is behind them",
          minus_shift, AT_MOST_ABOVE },
        { "\\ge\\sum_tE_{s_t\\sim p_\\theta}[\\dots]-\\sum_t\\gamma^t2(1-(1-\\epsilon)^t)C", "DSB-8", minus_parted,
          AT_MOST_ABOVE },
        { "\\ge\\sum_tE_{s_t\\sim p_\\theta}[\\dots]-\\sum_t2\\epsilon t\\gamma^tC", "DSB-4", minus_linear,
          AT_MOST_ABOVE },
        { "=\\sum_tE_{s_t\\sim p_\\theta}[\\dots]-\\frac{2\\epsilon\\gamma C}{(1-\\gamma)^2}",
          "DSB-11", minus_closed,
          EQUAL_ABOVE },
        { "\\sum_tE_{s_t\\sim p_\\theta}[\\dots]-\\sum_t2\\epsilon tC",
          "001 l.299 prints no gamma^t: its first 1000 terms; the sum of all is infinite, and would bound nothing",
          minus_undiscounted, DIFFERS_ABOVE, "ERR-33" } } },
    { "DSB-11", "sum_t 2 eps t gamma^t C = 2 eps gamma C / (1-gamma)^2: one 1/(1-gamma) is C's, two are the sum's",
      "the sum over all t; T = 100 steps without gamma^t; C; log10 of the first's growth from gamma .99 to .999",
      n_penalty, unit_penalty, no_sums, NULL, {
        { "\\sum_t2\\epsilon t\\gamma^tC,\\quad\\sum_{t<T}2\\epsilon tC,\\quad "
          "C=\\max_s|\\sum_a\\pi_{\\theta'}(a|s)A^{\\pi_\\theta}(s,a)|,\\quad\\log_{10}\\frac{S_{.999}}{S_{.99}}",
          "summed: the first by doubling; S is that sum with C left as it is", penalty_summed },
        { "=\\frac{2\\epsilon\\gamma C}{(1-\\gamma)^2},\\quad\\epsilon T(T-1)C,\\quad"
          "\\max_s|\\sum_a(\\pi_{\\theta'}-\\pi_\\theta)(a|s)Q^{\\pi_\\theta}(s,a)|,\\quad "
          "2+\\log_{10}\\frac{.999}{.99}",
          "in closed form", penalty_closed },
        { "\\le\\dots,\\quad C\\le\\epsilon\\frac{r_{max}-r_{min}}{1-\\gamma}",
          "no two values are further apart than those of the best and the worst reward for ever: C may grow tenfold",
          penalty_by_rewards, AT_LEAST },
        { "O(\\frac{r_{max}}{1-\\gamma}),\\quad\\log_{10}\\frac{S_{.999}}{S_{.99}}\\le1",
          "001 l.299 has this below the whole sum: it is what C alone may be, and leaves the sum a tenfold growth",
          underbrace, DIFFERS, "ERR-33", .from = GROWTH } },
      .page = page_of_penalty },
    { .id = NULL }
};
