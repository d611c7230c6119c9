/* Policy iteration that never falls: conservative policy iteration and TRPO's Algorithm 1, through algorithms/cpi.c
 * and trpo_mm.c, with exact advantages. 002 (l.254-256, images TRPO9-13); Schulman et al. 2015, eq 5, 6, 10; Kakade
 * and Langford 2002. */
#include <float.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "algorithms/cpi.h"
#include "algorithms/trpo_mm.h"
#include "autodiff/linalg.h"
#include "autodiff/require.h"
#include "derivations/derivation.h"
#include "derivations/improvement.h"
#include "derivations/performance_difference.h"
#include "derivations/policy_file.h"
#include "derivations/shifted_expectation.h"

enum { ALPHAS = 8, ITERATIONS = 5, MOST_STATES = 300 };

static const char *not_applicable(const setting *x)
{
    const exact *pi = x->pi;
    double left = 1 - pi->gamma, r = linalg_max_abs(pi->nSA, pi->r);
    if (left == 0) return "gamma = 1: the penalty gamma/(1-gamma)^2 is infinite";
    if (left < 1e-12) return "almost no discount: a new policy need not end";
    if (pi->nS > MOST_STATES) return "too large to solve a chain of policies";
    return r > 1e280 * left * left * left ? "the penalty might overflow" : NULL;
}

/* ... and of logs of probabilities */
static const char *not_everywhere(const setting *x)
{
    for (int i = 0; i < x->pi->nSA; i++)
        if (!(x->pi->pi[i] > 1e-100)) return "pi hardly ever takes some action";
    if (x->pi->gamma > 0 && x->pi->gamma < 1e-3) return "almost no penalty: pi_{i+1} hardly ever takes some action";
    return not_applicable(x);
}

static exact *solve(const exact *pi, const double *pi1)
{
    char error[256];
    exact *next = improvement_exact(pi, pi1, error, sizeof error);
    require(next, "%s", error);                                 /* gamma < 1 */
    return next;
}

/* ---- TRPO-2: alpha = 1/128, 1/64, .., 1 ---- */

static int n_alphas(const setting *x) { (void)x; return ALPHAS; }

/* What a line says of one alpha */
typedef struct { const exact *pi; const exact_table *t; const double *pi1; double alpha, gain, epsilon; } mixture;
typedef double (*about_mixture)(const mixture *m, double *room);

static double mixtures(const setting *x, about_mixture about, double *out)
{
    double *pi1 = allocate((size_t)x->pi->nSA, sizeof *pi1, "a policy"), room = 0;
    exact_table t = improvement_table(x->pi);
    cpi_greedy(&t, pi1);
    mixture m = { x->pi, &t, pi1, .gain = surrogate_gain(&t, pi1), .epsilon = cpi_epsilon(&t, pi1) };
    for (int k = 0; k < ALPHAS; k++) {
        m.alpha = ldexp(1, k + 1 - ALPHAS);
        out[k] = about(&m, &room);
    }
    improvement_table_free(&t);
    free(pi1);
    return room;
}

static exact *mixed(const mixture *m, double *room)
{
    double *pi_new = allocate((size_t)m->pi->nSA, sizeof *pi_new, "a policy");
    cpi_mixture(m->pi->nSA, m->alpha, m->pi->pi, m->pi1, pi_new);
    exact *next = solve(m->pi, pi_new);
    *room = fmax(*room, 10 * pair_unit(m->pi, next));
    free(pi_new);
    return next;
}

static double eta_of_mixture(const mixture *m, double *room)
{
    exact *next = mixed(m, room);
    double J = next->J;
    exact_free(next);
    return J;
}

/* PDI-6 for the mixture, E_pi'[A] as the greedy policy has it: max_a A */
static double eta_by_visits(const mixture *m, double *room)
{
    exact *next = mixed(m, room);
    double J = m->pi->J;
    for (int s = 0; s < m->pi->nS; s++) {
        double best = 0;
        for (int i = s * m->pi->nA; i < (s + 1) * m->pi->nA; i++) best = fmax(best, m->pi->A[i]);
        J += exact_rho(next, s) * m->alpha * best;
    }
    exact_free(next);
    return J;
}

/* 2 epsilon alpha sum_t gamma^t (1 - (1-alpha)^t) */
static double penalty_over_time(const mixture *m)
{
    return 2 * m->epsilon * m->alpha * parted_over_time(m->pi->gamma, m->alpha);
}

static double L_by_hand(const mixture *m)                       /* eta + alpha sum_s rho(s) max_a A(s,a) */
{
    double L = m->pi->J;
    for (int s = 0; s < m->pi->nS; s++) {
        double best = 0;
        for (int i = s * m->pi->nA; i < (s + 1) * m->pi->nA; i++) best = fmax(best, m->pi->A[i]);
        L += exact_rho(m->pi, s) * m->alpha * best;
    }
    return L;
}

/* Sums of 60 doublings, off by 4 u each */
static double below_over_time(const mixture *m, double *room)
{
    *room = fmax(*room, 240 * DBL_EPSILON * penalty_over_time(m));
    return L_by_hand(m) - penalty_over_time(m);
}

static double below_closed(const mixture *m, double *room)
{
    double gamma = m->pi->gamma, left = 1 - gamma;
    double penalty = 2 * m->epsilon * gamma * m->alpha * m->alpha / (left * (left + gamma * m->alpha));
    *room = fmax(*room, 240 * DBL_EPSILON * penalty);
    return L_by_hand(m) - penalty;
}

static double above_over_time(const mixture *m, double *room)
{
    (void)room;
    return L_by_hand(m) + penalty_over_time(m);
}

static double below_by_cpi(const mixture *m, double *room)
{
    (void)room;
    return cpi_bound(m->pi->J, m->gain, m->epsilon, m->pi->gamma, m->alpha);
}

static double line_eta(const setting *x, double *out)       { return mixtures(x, eta_of_mixture, out); }
static double line_visits(const setting *x, double *out)    { return mixtures(x, eta_by_visits, out); }
static double line_below(const setting *x, double *out)     { return mixtures(x, below_over_time, out); }
static double line_above(const setting *x, double *out)     { return mixtures(x, above_over_time, out); }
static double line_closed(const setting *x, double *out)    { return mixtures(x, below_closed, out); }
static double line_cpi(const setting *x, double *out)       { return mixtures(x, below_by_cpi, out); }

/* ---- TRPO-5, TRPO-6: five iterations ---- */

static int n_iterations(const setting *x) { (void)x; return ITERATIONS; }

typedef struct {
    const exact *pi, *pi1;                  /* pi_i and pi_{i+1}, which is pi_i where the iteration has ended */
    const exact_table *t;
    double C, delta;                        /* of trpo_mm.c; delta = 0 at the end */
    const double *table1;                   /* pi_{i+1} as trpo_mm_improve left it */
} pair;
typedef double (*about_pair)(const pair *p, double *room);

static double iterations(const setting *x, about_pair about, double *out)
{
    const exact *pi = x->pi;
    exact *owned = NULL;
    double *table1 = allocate((size_t)pi->nSA, sizeof *table1, "a policy"), room = 0;
    for (int i = 0; i < ITERATIONS; i++) {
        exact_table t = improvement_table(pi);
        improvement made = trpo_mm_improve(&trpo_mm_defaults, &t, table1);
        exact *next = solve(pi, table1);
        pair p = { pi, next, &t, trpo_mm_C(trpo_mm_epsilon(&t), t.gamma), made.step, table1 };
        double rounded = p.C * DBL_EPSILON * DBL_EPSILON;       /* C KL of probabilities right to u */
        room = fmax(room, 10 * (pair_unit(pi, next) + rounded));
        out[i] = about(&p, &room);
        improvement_table_free(&t);
        exact_free(owned);
        pi = owned = next;
    }
    exact_free(owned);
    free(table1);
    return room;
}

static double M_of_next(const pair *p, double *room)  { (void)room; return trpo_mm_M(p->t, p->C, p->table1); }
static double eta_before(const pair *p, double *room) { (void)room; return p->pi->J; }
static double eta_after(const pair *p, double *room)  { (void)room; return p->pi1->J; }

/* L and the KL of the solved policies, whose logs of probabilities are right to u of their size */
static double M_by_comparison(const pair *p, double *room)
{
    *room = fmax(*room, 100 * DBL_EPSILON * p->C);
    return compare_policies(p->pi, p->pi1).lower_bound;
}

/* Weak duality: for any weights w_s >= 0 that sum to C and any mu_s > max A, no policy has an M above
 *     eta + sum_s rho (mu - lambda) + w sum_a pi log(lambda/(mu - A)),   w = rho lambda
 * Here those that the maximiser has by its first-order conditions, lambda scaled so that the w sum to C. */
static double M_from_above(const pair *p, double *room)
{
    const exact *pi = p->pi;
    double U = pi->J, sum = 0;
    if (p->delta == 0 || p->C == 0) return M_of_next(p, room);
    double *lambda = allocate((size_t)(pi->nS + pi->nA), sizeof *lambda, "multipliers"), *pi1 = lambda + pi->nS;
    for (int s = 0; s < pi->nS; s++) {
        lambda[s] = trpo_mm_state(pi->nA, pi->pi + s * pi->nA, pi->A + s * pi->nA, p->delta, pi1);
        sum += exact_rho(pi, s) * lambda[s];
    }
    for (int s = 0; s < pi->nS; s++) {
        const double *q = pi->pi + s * pi->nA, *A = pi->A + s * pi->nA, *q1 = p->table1 + s * pi->nA;
        double l = lambda[s] * (p->C / sum), top = -INFINITY, above = 0, logs = 0;      /* above: mu - top */
        if (!(lambda[s] > 0) || exact_rho(pi, s) == 0) continue;
        for (int a = 0; a < pi->nA; a++) top = fmax(top, A[a]);
        for (int a = 0; a < pi->nA; a++) above = fmax(above, l * (q[a] / q1[a]) - (top - A[a]));
        for (int a = 0; a < pi->nA; a++) logs += q[a] * log(l / (above + (top - A[a])));
        U += exact_rho(pi, s) * (top + above - l + l * logs);
    }
    free(lambda);
    *room = fmax(*room, 1e4 * DBL_EPSILON * p->C);              /* C and lambda go out of the sum */
    return U;
}

/* The best M of pi exp(tA)/Z, t max|A| = 4^-8, 4^-7, .., 4: the path of the natural gradient */
static double M_along_path(const pair *p, double *room)
{
    const exact *pi = p->pi;
    double *q = allocate((size_t)pi->nSA, sizeof *q, "a policy"), best = -INFINITY;
    *room = fmax(*room, 100 * DBL_EPSILON * p->C);
    double size = linalg_max_abs(pi->nSA, pi->A);
    for (double t = ldexp(1, -16); t <= 4; t *= 4) {
        for (int s = 0, nA = pi->nA; s < pi->nS; s++) {
            double Z = 0, top = -INFINITY;
            for (int i = s * nA; i < (s + 1) * nA; i++) top = fmax(top, pi->A[i]);
            for (int i = s * nA; i < (s + 1) * nA; i++)
                Z += q[i] = pi->pi[i] * exp(size > 0 ? t * ((pi->A[i] - top) / size) : 0);
            for (int i = s * nA; i < (s + 1) * nA; i++) q[i] /= Z;
        }
        exact *other = solve(pi, q);
        best = fmax(best, compare_policies(pi, other).lower_bound);
        exact_free(other);
    }
    free(q);
    return best;
}

static double line_M(const setting *x, double *out)             { return iterations(x, M_of_next, out); }
static double line_compared(const setting *x, double *out)      { return iterations(x, M_by_comparison, out); }
static double line_from_above(const setting *x, double *out)    { return iterations(x, M_from_above, out); }
static double line_path(const setting *x, double *out)          { return iterations(x, M_along_path, out); }
static double line_before(const setting *x, double *out)        { return iterations(x, eta_before, out); }
static double line_after(const setting *x, double *out)         { return iterations(x, eta_after, out); }

/* ---- TRPO-6: the same as differences; and behind them, for another policy pi' ---- */

static int n_differences(const setting *x) { (void)x; return ITERATIONS + 1; }

static double line_rise(const setting *x, double *out)
{
    double before[ITERATIONS], room = line_before(x, before);
    line_after(x, out);
    for (int i = 0; i < ITERATIONS; i++) out[i] -= before[i];
    out[ITERATIONS] = x->pi1->J - x->pi->J;
    return room + 10 * pair_unit(x->pi, x->pi1);
}

static double line_M_rise(const setting *x, double *out)
{
    double before[ITERATIONS], room = line_before(x, before);
    exact_table t = improvement_table(x->pi);
    double C = trpo_mm_C(trpo_mm_epsilon(&t), t.gamma);
    line_M(x, out);
    for (int i = 0; i < ITERATIONS; i++) out[i] -= before[i];           /* M_i(pi_i) = eta(pi_i) */
    out[ITERATIONS] = trpo_mm_M(&t, C, x->pi1->pi) - trpo_mm_M(&t, C, x->pi->pi);
    improvement_table_free(&t);
    return room;
}

static double line_no_less(const setting *x, double *out)
{
    for (int i = 0; i < ITERATIONS; i++) out[i] = 0;
    out[ITERATIONS] = x->pi1->J - x->pi->J;
    return 0;
}

/* ---- pages ---- */

static void page_of_alphas(const setting *x, FILE *out)
{
    static const double alphas[] = { 0.001, 0.01, 0.03, 0.1, 0.3, 1 };
    double *pi1 = allocate((size_t)x->pi->nSA, sizeof *pi1, "a policy"), room = 0;
    exact_table t = improvement_table(x->pi);
    cpi_greedy(&t, pi1);
    mixture m = { x->pi, &t, pi1, .gain = surrogate_gain(&t, pi1), .epsilon = cpi_epsilon(&t, pi1) };
    double best = cpi_alpha(m.gain, m.epsilon, x->pi->gamma);
    fprintf(out, "%10s %14s %14s %14s %14s\n", "alpha", "eta(pi_new)", "L(pi_new)", "bound", "gap/penalty");
    for (int k = 0; k < 7; k++) {
        m.alpha = k < 6 ? alphas[k] : best;
        double J = eta_of_mixture(&m, &room), L = x->pi->J + m.alpha * m.gain, bound = below_by_cpi(&m, &room);
        fprintf(out, "%10.6f %14.8f %14.8f %14.8f ", m.alpha, J, L, bound);
        if (L > bound) fprintf(out, "%14.6f", (L - J) / (L - bound));
        else           fprintf(out, "%14s", "-");
        fprintf(out, k < 6 ? "\n" : "   the bound's best\n");
    }
    improvement_table_free(&t);
    free(pi1);
}

static void page_of_iterations(const setting *x, FILE *out)
{
    double before[ITERATIONS], after[ITERATIONS], M[ITERATIONS];
    line_before(x, before);
    line_after(x, after);
    line_M(x, M);
    fprintf(out, "%3s %18s %18s %18s %12s\n", "i", "eta(pi_i)", "M_i(pi_i+1)", "eta(pi_i+1)", "M's share");
    for (int i = 0; i < ITERATIONS; i++) {
        fprintf(out, "%3d %18.12g %18.12g %18.12g ", i, before[i], M[i], after[i]);
        if (after[i] > before[i]) fprintf(out, "%12.4f\n", (M[i] - before[i]) / (after[i] - before[i]));
        else                      fprintf(out, "%12s\n", "-");
    }
    fprintf(out, "M's share: what of the rise of eta was promised. More with `ascent improve trpo_mm %s`\n",
            x->pi->M->name);
}

const derivation monotone[] = {
    { "TRPO-2", "a mixture with another policy costs alpha^2 at most: conservative policy iteration",
      "eta(pi_new), alpha = 1/128, 1/64, .., 1", n_alphas, unit_of_V, not_applicable, NULL, {
        { "\\eta(\\pi_{new}),\\quad\\pi_{new}=(1-\\alpha)\\pi_{old}+\\alpha\\pi'",
          "pi' greedy in A; one linear solve for each alpha", line_eta },
        { "=\\eta(\\pi_{old})+\\alpha\\sum_s\\rho_{\\pi_{new}}(s)E_{a\\sim\\pi'}[A_\\pi(s,a)]",
          "PDI-6, where E_pi[A] = 0 leaves alpha E_pi'[A]", line_visits },
        { "\\ge L_{\\pi_{old}}(\\pi_{new})-2\\epsilon\\alpha\\sum_t\\gamma^t(1-(1-\\alpha)^t)",
          "with probability (1-alpha)^t no action was pi' before t, and s_t is where pi_old goes; else E[A] is off by"
          " at most 2 epsilon", line_below, AT_MOST_ABOVE },
        { "=L_{\\pi_{old}}(\\pi_{new})-\\frac{2\\epsilon\\gamma\\alpha^2}{(1-\\gamma)(1-\\gamma(1-\\alpha))}",
          "two geometric series; the line above has added them up", line_closed, EQUAL_ABOVE },
        { "\\ge L_{\\pi_{old}}(\\pi_{new})-\\frac{2\\epsilon\\gamma}{(1-\\gamma)^2}\\alpha^2",
          "1-gamma(1-alpha) >= 1-gamma; algorithms/cpi.c", line_cpi, AT_MOST_ABOVE },
        { "\\eta(\\pi_{new})\\le L_{\\pi_{old}}(\\pi_{new})+2\\epsilon\\alpha\\sum_t\\gamma^t(1-(1-\\alpha)^t)",
          "the same argument holds on the other side", line_above, AT_LEAST } },
      .page = page_of_alphas },
    { "TRPO-5", "Algorithm 1: the argmax of L - C max KL raises eta", "M_i(pi_{i+1}), five iterations",
      n_iterations, unit_of_V, not_everywhere, NULL, {
        { "M_i(\\pi_{i+1})=\\max_\\pi[L_{\\pi_i}(\\pi)-C\\,D_{KL}^{max}(\\pi_i,\\pi)]",
          "algorithms/trpo_mm.c: a root in each state, and one in the radius", line_M },
        { "=L_{\\pi_i}(\\pi_{i+1})-C\\,D_{KL}^{max}(\\pi_i,\\pi_{i+1})",
          "L and KL of the two policies as the exact layer has them", line_compared },
        { "=\\eta(\\pi_i)+\\sum_s\\rho(\\mu_s-\\lambda_s)+\\rho\\lambda_s\\sum_a\\pi_i"
          "\\log\\frac{\\lambda_s}{\\mu_s-A(s,a)}",
          "weak duality: no policy has a greater M than this, whatever mu > max A and sum rho lambda = C; so it is"
          " the argmax", line_from_above },
        { "\\ge\\max_tM_i(\\pi_ie^{tA}/Z)", "one of the others: the natural gradient's path", line_path, AT_MOST },
        { "\\ge M_i(\\pi_i)=\\eta(\\pi_i)", "pi_i is a candidate: L = eta there, KL = 0", line_before, AT_MOST },
        { "\\le\\eta(\\pi_{i+1})", "TRPO-4: M is nowhere above eta. With the line before, eta does not fall",
          line_after, AT_LEAST } },
      .page = page_of_iterations },
    { "TRPO-6", "minorisation: what M gains, eta gains", "eta(pi_{i+1}) - eta(pi_i), and of any pi'",
      n_differences, unit_of_V, not_everywhere, NULL, {
        { "\\eta(\\pi_{i+1})-\\eta(\\pi_i),\\quad\\eta(\\pi')-\\eta(\\pi)",
          "solved, in five iterations of Algorithm 1; and for a policy pi' that has nothing to do with it",
          line_rise },
        { "\\ge M_i(\\pi_{i+1})-M_i(\\pi_i)", "eta >= M_i by TRPO-4, and eta(pi_i) = M_i(pi_i)",
          line_M_rise, AT_MOST },
        { "\\ge0", "where pi_{i+1} is the argmax of M_i", line_no_less, AT_MOST } } },
    { .id = NULL }
};
