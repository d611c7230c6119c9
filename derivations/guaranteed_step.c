/* The step of 001's objective: the best policy within a distance (l.308-321), and whether a step that is small enough
 * is guaranteed to improve J (l.321, l.375). */
#include "derivations/guaranteed_step.h"

#include <float.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "autodiff/linalg.h"
#include "autodiff/random.h"
#include "autodiff/require.h"
#include "derivations/bounded_objective.h"
#include "derivations/coupling.h"
#include "derivations/derivation.h"
#include "derivations/improvement_bound.h"

static double gain_in(const exact *pi, const double *p, int s)              /* sum_a p(a) A_pi(s,a) */
{
    return linalg_dot(pi->nA, p, pi->A + s * pi->nA);
}

/* ---- DSB-12: the best policy within eps, in each state ---- */

static const double STEP_EPS = 0.1;

static int n_steps(const setting *x) { return x->pi->nS + 1; }      /* each state's, and what they make together */

/* DSB-12   what is taken from the worst actions goes to the best one */
double improvement_step(int n, const double *pi, const double *A, double eps, double *p)
{
    int best = 0;
    double left = eps, value = 0;
    for (int a = 1; a < n; a++)
        if (A[a] > A[best]) best = a;
    memcpy(p, pi, (size_t)n * sizeof *p);
    while (left > 0) {
        int worst = best;
        for (int a = 0; a < n; a++)
            if (p[a] > 0 && A[a] < A[worst]) worst = a;
        if (worst == best) break;
        double moved = fmin(left, p[worst]);
        p[worst] = left < p[worst] ? p[worst] - left : 0;
        p[best] += moved;
        left -= moved;
    }
    for (int a = 0; a < n; a++) value += p[a] * A[a];
    return value;
}

/* min_{l >= 0} l eps + sum_a pi(a) max(A(a), max A - l): convex and piecewise linear, least at a corner */
double improvement_step_dual(int n, const double *pi, const double *A, double eps)
{
    double most = A[0], least = INFINITY;
    for (int a = 1; a < n; a++) most = fmax(most, A[a]);
    for (int corner = 0; corner < n; corner++) {
        double l = most - A[corner], value = l * eps;
        for (int a = 0; a < n; a++) value += pi[a] * fmax(A[a], most - l);
        least = fmin(least, value);
    }
    return least;
}

/* A is right to 2 unit_V, a sum of nA terms to u N; and their sum over rho is up to k times as large */
static double unit_step(const setting *x)
{
    double A = fmax(1, linalg_max_abs(x->pi->nSA, x->pi->A));
    return x->pi->k * fmax(2 * x->pi->unit_V, 4 * DBL_EPSILON * fmax(4, x->pi->nA) * A);
}

/* out [nS + 1]: behind the states' numbers sum_s rho(s) times them, which is L - J */
static void add_surrogate(const exact *pi, double *out)
{
    out[pi->nS] = 0;
    for (int s = 0; s < pi->nS; s++) out[pi->nS] += exact_rho(pi, s) * out[s];
}

static double best_policy(const exact *pi, double eps, double *p, double *out)      /* p [nSA], out [nS + 1] */
{
    for (int s = 0, nA = pi->nA; s < pi->nS; s++)
        out[s] = improvement_step(nA, pi->pi + s * nA, pi->A + s * nA, eps, p + s * nA);
    add_surrogate(pi, out);
    return 0;
}

static double best_step(const setting *x, double *out)
{
    double *p = allocate((size_t)x->pi->nSA, sizeof *p, "a policy");
    best_policy(x->pi, STEP_EPS, p, out);
    free(p);
    return 0;
}

/* DSB-12   E_{a ~ pi}[ p/pi A ] in each state, and summed over time, as it is to be maximised */
static double best_step_over_time(const setting *x, double *out)
{
    const exact *pi = x->pi;
    double *p = allocate((size_t)pi->nSA, sizeof *p, "a policy");
    best_policy(pi, STEP_EPS, p, out);
    bool covered = reweighted_over_time(pi, pi, p, &out[pi->nS]);
    for (int s = 0; s < pi->nS; s++) {
        out[s] = 0;
        for (int i = s * pi->nA; i < (s + 1) * pi->nA; i++)
            if (p[i] > 0) out[s] += pi->pi[i] * (p[i] / pi->pi[i]) * pi->A[i];
    }
    free(p);
    return covered ? 10 * unit_step(x) : LEFT_OUT;
}

static double best_step_dual(const setting *x, double *out)
{
    int nA = x->pi->nA;
    for (int s = 0; s < x->pi->nS; s++)
        out[s] = improvement_step_dual(nA, x->pi->pi + s * nA, x->pi->A + s * nA, STEP_EPS);
    add_surrogate(x->pi, out);
    return 0;
}

/* (1 - eps) pi + eps greedy: it is allowed, and wastes what it takes from good actions */
static double mixed_step(const setting *x, double *out)
{
    for (int s = 0; s < x->pi->nS; s++) {
        double most = -INFINITY, mean = gain_in(x->pi, x->pi->pi + s * x->pi->nA, s);
        for (int i = s * x->pi->nA; i < (s + 1) * x->pi->nA; i++) most = fmax(most, x->pi->A[i]);
        out[s] = (1 - STEP_EPS) * mean + STEP_EPS * most;
    }
    add_surrogate(x->pi, out);
    return 0;
}

/* pi + t (q - pi), q random, t the largest with D_TV <= eps: the best of 100 */
static double random_steps(const setting *x, double *out)
{
    int nA = x->pi->nA;
    double *q = allocate((size_t)nA, sizeof *q, "a policy in one state");
    gsl_rng *rng = random_stream(x->seed, 0, RANDOM_TEST);
    for (int s = 0; s < x->pi->nS; s++) {
        const double *pi = x->pi->pi + s * nA;
        out[s] = -INFINITY;
        for (int k = 0; k < 100; k++) {
            double sum = 0;
            for (int a = 0; a < nA; a++) sum += q[a] = -log(gsl_rng_uniform_pos(rng));
            for (int a = 0; a < nA; a++) q[a] /= sum;
            double far = total_variation(nA, pi, q), t = far > STEP_EPS ? STEP_EPS / far : 1;
            for (int a = 0; a < nA; a++) q[a] = pi[a] + t * (q[a] - pi[a]);
            out[s] = fmax(out[s], gain_in(x->pi, q, s));
        }
    }
    gsl_rng_free(rng);
    free(q);
    add_surrogate(x->pi, out);
    return 0;
}

static double greedy_step(const setting *x, double *out)
{
    for (int s = 0; s < x->pi->nS; s++) {
        out[s] = x->pi->A[s * x->pi->nA];
        for (int a = 1; a < x->pi->nA; a++) out[s] = fmax(out[s], x->pi->A[s * x->pi->nA + a]);
    }
    add_surrogate(x->pi, out);
    return 0;
}

/* pi with the best step of length eps in every state, and where gamma < 1 what it is worth */
static void page_of_best_steps(const setting *x, FILE *out)
{
    static const double lengths[] = { 0.3, 0.1, 0.03, 0.01, 0.003 };
    const exact *pi = x->pi;
    char error[256];
    double *p = allocate((size_t)(pi->nSA + n_steps(x)), sizeof *p, "a policy"), *value = p + pi->nSA;
    if (!(pi->gamma < 1)) fprintf(out, "gamma = 1: no bound on what these steps gain is finite\n");
    else fprintf(out, "That step in every state: its gain in the surrogate, in J, and what TRPO-3 promises of it\n"
                 "     eps          L - J         J' - J   L - J - TRPO-3\n");
    for (int k = 0; k < 5 && pi->gamma < 1; k++) {
        best_policy(pi, lengths[k], p, value);
        for (int i = 0; i < pi->nSA; i++) p[i] = p[i] > 0 ? log(p[i]) : -1e4;       /* exp(-1e4) is 0 */
        exact *pi1 = exact_new(pi->M, pi->gamma, p, error, sizeof error);
        require(pi1, "%s", error);
        improvement_bounds b = improvement_bounds_of(pi, pi1);
        fprintf(out, "  %6g %14.6g %14.6g %16.6g\n", lengths[k], b.dL, b.dJ, b.dL - b.tv);
        exact_free(pi1);
    }
    free(p);
}

/* ---- DSB-13: along theta + t A, A the natural gradient of a table ---- */

/* The power of 1/t by which gain/penalty grows as t -> 0, to the nearest whole number; and the greatest share of the
 * gain that the penalty leaves at t = 1/max|A|, an eighth of it, .., counted up to 1/2 */
enum { POWER, SHARE, OF_STEPS };
static int n_of_steps(const setting *x)      { (void)x; return OF_STEPS; }
static double unit_share(const setting *x)   { (void)x; return DBL_EPSILON; }      /* numbers such as 1 and 1/2 */

enum { LENGTHS = 11 };
static double length(int k) { return ldexp(1, -3 * k); }       /* of t max|A| */
static const double SHORT = 1e-4;                               /* where O(t) is next to nothing */

static improvement_bounds at_length(const exact *pi, double length)
{
    double *d = allocate((size_t)pi->nSA, sizeof *d, "a direction"), eps = linalg_max_abs(pi->nSA, pi->A);
    for (int i = 0; i < pi->nSA; i++) d[i] = pi->A[i] / eps;
    improvement_bounds b = improvement_bounds_along(pi, d, length);
    free(d);
    return b;
}

/* To first order gain = t sum_s rho sum_a pi A^2 and alpha = t/2 max_s sum_a pi |A|: is half of the gain left by
 * TRPO-3's penalty, and can the power be seen, at lengths where rounding is less than 1 % of the gain? */
static const char *no_gain(const setting *x)
{
    const exact *pi = x->pi;
    if (!(pi->gamma < 1)) return improvement_no_bound(x);
    if (pi->gamma == 0) return "gamma = 0: the penalty is 0 whatever the step";
    if (linalg_max_abs(pi->nSA, pi->logits) > 1e5) return "short steps are lost in such logits";
    double gain = 0, alpha = 0, eps = linalg_max_abs(pi->nSA, pi->A), left = 1 - pi->gamma;     /* A / eps for A */
    if (!isfinite(4 * eps / (left * left))) return "the bounds overflow";
    for (int s = 0; s < pi->nS && eps > 0; s++) {
        double square = 0, norm = 0;
        for (int i = s * pi->nA; i < (s + 1) * pi->nA && !pi->absorbing[s]; i++)
            square += pi->pi[i] * (pi->A[i] / eps) * (pi->A[i] / eps), norm += pi->pi[i] * fabs(pi->A[i] / eps);
        gain += exact_rho(pi, s) * square;
        alpha = fmax(alpha, norm / 2);
    }
    if (!(gain > 0)) return "no action is better than another where pi goes";
    double half = gain * left * left / (8 * pi->gamma * alpha * alpha);         /* where the penalty is half */
    double t = fmin(fmin(half / 8, SHORT / 10), length(0));
    double rounding = pi->k * (4 * pi->unit_V / eps * t * alpha + DBL_EPSILON * fmax(4, pi->nS));
    if (!(rounding <= 0.01 * t * gain)) return "what is gained where pi goes is less than rounding";
    return t >= length(LENGTHS - 1) ? NULL : "the step that is sure to gain is too short";
}

typedef double (*penalty_of)(const improvement_bounds *b);
static double quadratic(const improvement_bounds *b)  { return b->tv; }
static double of_shift(const improvement_bounds *b)   { return b->shift; }
static double constant_C(const improvement_bounds *b) { return b->linear; }

/* DSB-13   the gain less its penalty, by the gain: above 0, a step is guaranteed to improve J */
static double guaranteed(const exact *pi, penalty_of penalty, double *out)
{
    double share = -INFINITY;
    improvement_bounds b = at_length(pi, SHORT), b1 = at_length(pi, SHORT / 10);
    out[POWER] = round(log10(b1.dL / penalty(&b1)) - log10(b.dL / penalty(&b)));
    for (int k = 0; k < LENGTHS && share < 0.5; k++) {
        b = at_length(pi, length(k));
        share = fmax(share, 1 - penalty(&b) / b.dL);
    }
    out[SHARE] = fmin(0.5, share);
    return 0;
}

static double by_quadratic(const setting *x, double *out)  { return guaranteed(x->pi, quadratic, out); }
static double by_shift(const setting *x, double *out)      { return guaranteed(x->pi, of_shift, out); }
static double by_constant_C(const setting *x, double *out) { return guaranteed(x->pi, constant_C, out); }

/* What that step gains in J, by what it gains in the surrogate */
static double gained(const setting *x, double *out)
{
    memset(out, 0, OF_STEPS * sizeof *out);
    for (int k = 0; k < LENGTHS; k++) {
        improvement_bounds b = at_length(x->pi, length(k));
        if (1 - b.tv / b.dL < 0.5) continue;
        out[SHARE] = b.dJ / b.dL;
        break;
    }
    return 0;
}

static void page_of_lengths(const setting *x, FILE *out)
{
    static const double ts[] = { 0.1, 0.03, 0.01, 0.001 };
    fprintf(out, "The gain L - J over each penalty, at theta + t A: it must exceed 1 for a step to be sure.\n"
            "       t   linear, C = max|A|   DSB-10, C = max_s |sum_a pi' A|   TRPO-3, quadratic\n");
    for (int i = 0; i < 4; i++) {
        improvement_bounds b = improvement_bounds_along(x->pi, NULL, ts[i]);
        fprintf(out, "  %6g   %18.4f   %29.3g   %17.3g\n", ts[i], b.dL / b.linear, b.dL / b.shift, b.dL / b.tv);
    }
}

const derivation guaranteed_step[] = {
    { "DSB-12", "argmax of the surrogate s.t. D_TV <= eps = .1: in each state .1 moves from the worst to the best",
      "the best sum_a p(a) A(s,a) in each state; L - J of these together", n_steps, unit_step, NULL, NULL, {
        { "\\max_p\\sum_ap(a)A(s,a)\\;s.t.\\;D_{TV}(p,\\pi_\\theta(\\cdot|s))\\le\\epsilon",
          "a linear program: eps taken from the worst actions, given to the best", best_step },
        { "=\\min_{\\lambda\\ge0}\\{\\lambda\\epsilon+\\sum_a\\pi_\\theta(a|s)"
          "\\max(A(s,a),\\max_bA(s,b)-\\lambda)\\}",
          "its dual, at the corners: no p does better", best_step_dual },
        { "=E_{a\\sim\\pi_\\theta}[\\frac{p(a)}{\\pi_\\theta(a|s)}A(s,a)],\\quad\\sum_tE_{s_t\\sim p_\\theta}"
          "[E_{a_t\\sim\\pi_\\theta}[\\frac{p(a_t|s_t)}{\\pi_\\theta(a_t|s_t)}\\gamma^tA(s_t,a_t)]]",
          "001 l.309 for that p, summed over time: rho(s) >= 0, so the best in each state is the best of all",
          best_step_over_time },
        { "\\ge\\sum_a((1-\\epsilon)\\pi_\\theta+\\epsilon\\,1_{a=\\arg\\max A})A(s,a)",
          "a mixture with the greedy policy is allowed, and takes from good actions as from bad", mixed_step,
          AT_MOST },
        { "\\ge\\sum_ap(a)A(s,a)", "the best of 100 random p that are allowed", random_steps, AT_MOST },
        { "\\le\\max_aA(s,a)", "without a constraint", greedy_step, AT_LEAST } },
      .page = page_of_best_steps },
    { "DSB-13", "small enough a step improves J: by the quadratic penalty; 001's linear one promises nothing",
      "the power of 1/t by which gain/penalty grows; the share of L - J that is sure at some t, up to 1/2",
      n_of_steps, unit_share, no_gain, NULL, {
        { "\\lim_{t\\to0}\\log_{10}\\frac{g(t/10)}{g(t)}=1,\\quad\\max_t\\{1-\\tfrac1{g(t)}\\}\\ge\\tfrac12,\\quad "
          "g=\\frac{L(\\theta_t)-J(\\theta)}{penalty},\\quad\\theta_t=\\theta+tA^{\\pi_\\theta}",
          "a gain that falls as t, a penalty that falls as t^2: what is to be shown",
          .is = { [POWER] = 1, [SHARE] = 0.5 } },
        { "=\\dots,\\quad penalty=\\frac{4\\alpha^2\\gamma\\max|A|}{(1-\\gamma)^2}", "TRPO-3, alpha falls as t",
          by_quadratic },
        { "=\\dots,\\quad penalty=\\frac{2\\alpha\\gamma C}{(1-\\gamma)^2},\\quad "
          "C=\\max_s|\\sum_a\\pi_{\\theta'}(a|s)A(s,a)|",
          "DSB-10: quadratic as well, since C is 0 at t = 0", by_shift },
        { "\\le\\frac{J(\\theta_t)-J(\\theta)}{L(\\theta_t)-J(\\theta)}",
          "at the longest t at which TRPO-3 leaves half of L - J, more than that half is gained", gained, AT_LEAST,
          .from = SHARE },
        { "\\dots,\\quad penalty=\\frac{2\\alpha\\gamma C}{(1-\\gamma)^2},\\quad C=\\max_{s,a}|A(s,a)|",
          "001 l.299, l.321, l.375 with a constant C: penalty and gain both fall as t, and no t makes a step sure",
          by_constant_C, DIFFERS, "ERR-33" } }, .page = page_of_lengths },
    { .id = NULL }
};
