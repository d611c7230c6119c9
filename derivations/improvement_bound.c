/* How much a new policy gains at least, from the advantages and the states of the old one: TRPO's Theorem 1, line by
 * line. 002 (l.248, images TRPO9-12); Schulman et al. (2015), eq 7-9. */
#include "derivations/improvement_bound.h"

#include <float.h>
#include <math.h>
#include <stdlib.h>

#include "autodiff/linalg.h"
#include "autodiff/require.h"
#include "derivations/coupling.h"
#include "derivations/derivation.h"
#include "derivations/enumerate.h"
#include "derivations/performance_difference.h"
#include "derivations/shifted_expectation.h"

/* sum_a pi'(a|s) A_pi(s,a) = sum_a (pi' - pi)(a|s) A_pi(s,a) */
double improvement_A_bar(const exact *pi, const exact *pi1, int s)
{
    double sum = 0;
    for (int i = s * pi->nA; i < (s + 1) * pi->nA; i++) sum += (pi1->pi[i] - pi->pi[i]) * pi->A[i];
    return sum;
}

improvement_bounds improvement_bounds_of(const exact *pi, const exact *pi1)
{
    policy_comparison c = compare_policies(pi, pi1);
    improvement_bounds b = { .J = pi->J, .J1 = pi1->J, .alpha = c.tv_max, .kl = c.kl_max };
    double horizon = pi->gamma / ((1 - pi->gamma) * (1 - pi->gamma));       /* sum_t t gamma^t */
    b.eps = linalg_max_abs(pi->nSA, pi->A);
    for (int s = 0; s < pi->nS; s++) {
        double A = improvement_A_bar(pi, pi1, s);
        b.dL += exact_rho(pi, s) * A;
        b.dJ += exact_rho(pi1, s) * A;                      /* PDI-6 */
        b.C = fmax(b.C, fabs(A));
    }
    b.L = b.J + b.dL;
    b.shift = 2 * b.alpha * horizon * b.C;
    b.linear = 2 * b.alpha * horizon * b.eps;
    b.tv = 4 * b.eps * horizon * b.alpha * b.alpha;
    b.trpo = 4 * b.eps * horizon * b.kl;
    return b;
}

exact *improvement_step_along(const exact *pi, const double *d, double t)
{
    char error[256];
    double *z = allocate((size_t)pi->nSA, sizeof *z, "logits");
    for (int i = 0; i < pi->nSA; i++) z[i] = pi->logits[i] + t * (d ? d : pi->A)[i];
    exact *pi1 = exact_new(pi->M, pi->gamma, z, error, sizeof error);
    require(pi1, "%s", error);                              /* gamma < 1 */
    free(z);
    return pi1;
}

improvement_bounds improvement_bounds_along(const exact *pi, const double *d, double t)
{
    exact *pi1 = improvement_step_along(pi, d, t);
    improvement_bounds b = improvement_bounds_of(pi, pi1);
    exact_free(pi1);
    return b;
}

/* k and the sums of rho are at most 1/(1-gamma); A is off by 2 unit_V, pi' - pi by u, a sum of N terms by u N. */
double improvement_unit(const exact *pi, const exact *pi1, const improvement_bounds *b)
{
    double k = fmax(pi->k, pi1->k);
    return k * (4 * fmax(pi->unit_V, pi1->unit_V) * b->alpha + DBL_EPSILON * fmax(4, pi->nS) * b->eps);
}

/* alpha and || p' - p ||_1 of 64 steps are off by u N a step, A by 2 unit_V, sums of 60 doublings by 4 u each; and
 * rows of P that sum to 1 within 1e-9 only, and so distributions, may add that to a sum over time of eps */
double improvement_room(const exact *pi, const exact *pi1, const improvement_bounds *b, double penalty)
{
    double left = 1 - pi->gamma, k = fmax(pi->k, pi1->k), u = DBL_EPSILON, N = fmax(4, fmax(pi->nS, pi->nA));
    return (64 * u * N * b->eps + 16 * pi->unit_V * b->alpha * b->alpha) / (left * left) + 240 * u * penalty
         + 4 * enumerate_defect(pi->M) * k * k * b->eps;
}

const char *improvement_no_bound(const setting *x)
{
    if (!(x->pi->gamma < 1)) return "gamma = 1: the bounds are infinite";
    return isfinite(improvement_bounds_of(x->pi, x->pi1).trpo) ? NULL : "the bounds overflow";
}

double improvement_unit_J(const setting *x) { return pair_unit(x->pi, x->pi1) * fmax(x->pi->k, x->pi1->k); }

/* ---- TRPO-1: D_TV^max ---- */

static double unit_TV(const setting *x) { return DBL_EPSILON * fmax(4, x->pi->nA); }

/* TRPO-1   max_s D_TV(pi(.|s), pi'(.|s)) */
static double TV_max(const setting *x, double *out)
{
    *out = compare_policies(x->pi, x->pi1).tv_max;
    return 0;
}

typedef double (*of_row)(int n, const double *p, const double *q);

static double positive_part(int n, const double *p, const double *q)
{
    double sum = 0;
    for (int a = 0; a < n; a++) sum += fmax(p[a] - q[a], 0);
    return sum;
}

static double greatest(const setting *x, of_row value, double sign, double *out)
{
    int nA = x->pi->nA;
    *out = 0;
    for (int s = 0; s < x->pi->nS; s++) {
        double v = value(nA, x->pi->pi + s * nA, x->pi1->pi + s * nA);
        if (!x->pi->absorbing[s]) *out = fmax(*out, sign > 0 ? v : 1 - v);
    }
    return 0;
}

static double TV_by_events(const setting *x, double *out)  { return greatest(x, positive_part, 1, out); }
static double TV_by_overlap(const setting *x, double *out) { return greatest(x, overlap, -1, out); }
static double TV_by_sums(const setting *x, double *out)    { return greatest(x, total_variation, 1, out); }

/* ---- TRPO-3: the theorem, here and on ok-bad, where pi never leaves for the bad state and pi' does with probability
 * e. The rewards are reversed: leaving pays, but once only, and so pi' gains less than L says. ---- */

static const double OK_BAD_GAMMA = 0.9, OK_BAD_E = 0.01;

enum { HERE, OK_BAD, PLACES };

static int here_and_ok_bad(const setting *x) { (void)x; return PLACES; }

static mdp *ok_bad_new(double gamma, double e, exact **pi, exact **pi1)
{
    const double z[4] = { 0, -1e4, 0, -1e4 };                               /* exp(-1e4) is 0 */
    const double z1[4] = { log1p(-e), log(e), log1p(-e), log(e) };
    char error[256];
    mdp *M = mdp_builtin("ok-bad");
    for (int k = 0; k < M->row[M->nS * M->nA]; k++) M->R[k] = -M->R[k];
    *pi = exact_new(M, gamma, z, error, sizeof error);
    *pi1 = exact_new(M, gamma, z1, error, sizeof error);
    require(*pi && *pi1, "%s", error);
    return M;
}

/* A line's number, of two policies of one MDP; what it may be off beyond the units of J is added to room */
typedef double (*of_pair)(const exact *pi, const exact *pi1, double *room);

static double in_both(const setting *x, of_pair value, double *out)
{
    exact *pi, *pi1;
    mdp *M = ok_bad_new(OK_BAD_GAMMA, OK_BAD_E, &pi, &pi1);
    double room = 0;
    out[HERE] = value(x->pi, x->pi1, &room);
    out[OK_BAD] = value(pi, pi1, &room);
    exact_free(pi);
    exact_free(pi1);
    mdp_free(M);
    return room;
}

static double J_new(const exact *pi, const exact *pi1, double *room) { (void)pi, (void)room; return pi1->J; }

/* L + sum_s (rho' - rho)(s) sum_a pi'(a|s) A(s,a) */
static double J_by_visits(const exact *pi, const exact *pi1, double *room)
{
    double J = improvement_bounds_of(pi, pi1).L;
    (void)room;
    for (int s = 0; s < pi->nS; s++)
        J += (exact_rho(pi1, s) - exact_rho(pi, s)) * improvement_A_bar(pi, pi1, s);
    return J;
}

static double L_less(const exact *pi, const exact *pi1, const improvement_bounds *b, double penalty, double *room)
{
    *room += improvement_room(pi, pi1, b, penalty);
    return b->L - penalty;
}

static double J_minus_shift(const exact *pi, const exact *pi1, double *room)
{
    improvement_bounds b = improvement_bounds_of(pi, pi1);
    return L_less(pi, pi1, &b, shift_over_time(pi, pi1) * b.C, room);
}

static double J_minus_parted(const exact *pi, const exact *pi1, double *room)
{
    improvement_bounds b = improvement_bounds_of(pi, pi1);
    return L_less(pi, pi1, &b, 2 * parted_over_time(pi->gamma, b.alpha) * b.C, room);
}

/* |sum_a pi' A| = |sum_a (pi' - pi) A| <= 2 alpha eps */
static double J_minus_two_alpha(const exact *pi, const exact *pi1, double *room)
{
    improvement_bounds b = improvement_bounds_of(pi, pi1);
    return L_less(pi, pi1, &b, 4 * b.alpha * parted_over_time(pi->gamma, b.alpha) * b.eps, room);
}

static double J_minus_closed(const exact *pi, const exact *pi1, double *room)
{
    improvement_bounds b = improvement_bounds_of(pi, pi1);
    double gamma = pi->gamma, sum = gamma * b.alpha / ((1 - gamma) * (1 - gamma + gamma * b.alpha));
    return L_less(pi, pi1, &b, 4 * b.alpha * sum * b.eps, room);
}

/* TRPO-3   L - 4 eps gamma alpha^2 / (1-gamma)^2 */
static double J_minus_tv(const exact *pi, const exact *pi1, double *room)
{
    improvement_bounds b = improvement_bounds_of(pi, pi1);
    return L_less(pi, pi1, &b, b.tv, room);
}

/* On ok-bad L - J(pi') = e^2 2 gamma / ((1-gamma)(1 - gamma + gamma e)): this share of the penalty, up to 1/2 */
static double share_of_penalty(double gamma, double e) { return (1 - gamma) / (2 * (1 - gamma + gamma * e)); }

static double J_minus_share(const exact *pi, const exact *pi1, double *room)
{
    improvement_bounds b = improvement_bounds_of(pi, pi1);
    return L_less(pi, pi1, &b, share_of_penalty(pi->gamma, OK_BAD_E) * b.tv, room);
}

static double line_J(const setting *x, double *out)         { return in_both(x, J_new, out); }
static double line_visits(const setting *x, double *out)    { return in_both(x, J_by_visits, out); }
static double line_shift(const setting *x, double *out)     { return in_both(x, J_minus_shift, out); }
static double line_parted(const setting *x, double *out)    { return in_both(x, J_minus_parted, out); }
static double line_two_alpha(const setting *x, double *out) { return in_both(x, J_minus_two_alpha, out); }
static double line_closed(const setting *x, double *out)    { return in_both(x, J_minus_closed, out); }
static double line_tv(const setting *x, double *out)        { return in_both(x, J_minus_tv, out); }
static double line_share(const setting *x, double *out)     { return in_both(x, J_minus_share, out); }

static void page_of_tightness(const setting *x, FILE *out)
{
    static const double es[] = { 0.1, 0.01, 0.001 };
    (void)x;
    fprintf(out, "|J(pi') - L| over the penalty where it is largest: ok-bad, gamma .9, pi stays ok, pi' leaves"
            " with probability e\n");
    for (int k = 0; k < 3; k++) {
        exact *pi, *pi1;
        mdp *M = ok_bad_new(OK_BAD_GAMMA, es[k], &pi, &pi1);
        improvement_bounds b = improvement_bounds_of(pi, pi1);
        fprintf(out, "  e = %-6g TRPO-3 %.4f   TRPO-4 %.4f   DSB-10 %.4f\n", es[k], fabs(b.dJ - b.dL) / b.tv,
                fabs(b.dJ - b.dL) / b.trpo, fabs(b.dJ - b.dL) / b.shift);
        exact_free(pi);
        exact_free(pi1);
        mdp_free(M);
    }
    fprintf(out, "TRPO-3: (1-gamma) / (2 (1 - gamma + gamma e)), up to 1/2. On random MDPs it is far less:\n"
            "`ascent bounds --mdps 3000`.\n");
}

/* ---- TRPO-4: by the KL divergence ---- */

static double of_this(const setting *x, of_pair value, double *out)
{
    double room = 0;
    *out = value(x->pi, x->pi1, &room);
    return room;
}

static double J_minus_pinsker(const exact *pi, const exact *pi1, double *room)      /* alpha^2 <= kl / 2 */
{
    improvement_bounds b = improvement_bounds_of(pi, pi1);
    return L_less(pi, pi1, &b, b.trpo / 2, room);
}

/* TRPO-4   L - 4 eps gamma max KL / (1-gamma)^2 */
static double J_minus_trpo(const exact *pi, const exact *pi1, double *room)
{
    improvement_bounds b = improvement_bounds_of(pi, pi1);
    return L_less(pi, pi1, &b, b.trpo, room);
}

static double kl_J(const setting *x, double *out)       { return of_this(x, J_new, out); }
static double kl_visits(const setting *x, double *out)  { return of_this(x, J_by_visits, out); }
static double kl_tv(const setting *x, double *out)      { return of_this(x, J_minus_tv, out); }
static double kl_pinsker(const setting *x, double *out) { return of_this(x, J_minus_pinsker, out); }
static double kl_trpo(const setting *x, double *out)    { return of_this(x, J_minus_trpo, out); }

const derivation improvement_bound[] = {
    { "TRPO-1", "D_TV^max = max_s 1/2 sum_a |pi(a|s) - pi'(a|s)|", "D_TV^max", count_one, unit_TV, NULL, NULL, {
        { "\\max_s\\tfrac12\\sum_a|\\pi(a|s)-\\tilde\\pi(a|s)|", "as `ascent solve --against` prints it: tv_max",
          TV_max },
        { "=\\max_s\\sum_a(\\pi(a|s)-\\tilde\\pi(a|s))^+", "what one loses is what another gains", TV_by_events },
        { "=\\max_s\\{1-\\sum_a\\min(\\pi(a|s),\\tilde\\pi(a|s))\\}", "how often they must differ: DSB-6",
          TV_by_overlap },
        { "=\\max_sD_{TV}(\\pi(\\cdot|s)\\|\\tilde\\pi(\\cdot|s))", "state by state, as in derivations/coupling.c",
          TV_by_sums } } },
    { "TRPO-3", "J(pi') >= L_pi(pi') - 4 eps gamma alpha^2 / (1-gamma)^2, alpha = D_TV^max, eps = max|A_pi|",
      "J(pi'); on ok-bad, rewards reversed, gamma .9: pi stays ok, pi' leaves with probability .01",
      here_and_ok_bad, improvement_unit_J, improvement_no_bound, NULL, {
        { "\\eta(\\pi_{new})", "a linear solve", line_J },
        { "=L_{\\pi_{old}}(\\pi_{new})+\\sum_s(\\rho_{new}(s)-\\rho_{old}(s))\\bar A(s),\\quad"
          "\\bar A(s)=\\sum_a\\pi_{new}(a|s)A_{\\pi_{old}}(s,a)", "PDI-6 against the surrogate", line_visits },
        { "\\ge L-\\sum_t\\gamma^t\\|p_{new}(s_t)-p_{old}(s_t)\\|_1\\max_s|\\bar A(s)|",
          "64 steps forward in time, and DSB-8 for what is behind them", line_shift, AT_MOST_ABOVE },
        { "\\ge L-\\sum_t\\gamma^t2(1-(1-\\alpha)^t)\\max_s|\\bar A(s)|",
          "DSB-8: drawn together, they have parted by t with probability 1 - (1-alpha)^t at most", line_parted,
          AT_MOST_ABOVE },
        { "\\ge L-\\sum_t\\gamma^t4\\alpha(1-(1-\\alpha)^t)\\epsilon",
          "sum_a pi A = 0, so |sum_a (pi' - pi) A| <= 2 alpha max|A|", line_two_alpha, AT_MOST_ABOVE },
        { "=L-\\frac{4\\alpha^2\\gamma\\epsilon}{(1-\\gamma)(1-\\gamma(1-\\alpha))}",
          "two geometric series; the line above has added them up", line_closed, EQUAL_ABOVE },
        { "\\ge L-\\frac{4\\epsilon\\gamma}{(1-\\gamma)^2}\\alpha^2", "1 - gamma (1-alpha) >= 1 - gamma", line_tv,
          AT_MOST_ABOVE },
        { "\\eta(\\pi_{new})=L-\\frac{1-\\gamma}{2(1-\\gamma+\\gamma\\alpha)}\\,"
          "\\frac{4\\epsilon\\gamma}{(1-\\gamma)^2}\\alpha^2",
          "on ok-bad, where the lines down to that of DSB-8 are attained: up to half of the penalty, as alpha falls",
          line_share, .from = OK_BAD } }, .page = page_of_tightness },
    { "TRPO-4", "J(pi') >= L_pi(pi') - C D_KL^max(pi, pi'), C = 4 eps gamma / (1-gamma)^2", "J(pi')", count_one,
      improvement_unit_J, improvement_no_bound, NULL, {
        { "\\eta(\\tilde\\pi)", "a linear solve", kl_J },
        { "=L_\\pi(\\tilde\\pi)+\\sum_s(\\rho_{\\tilde\\pi}(s)-\\rho_\\pi(s))\\bar A(s)",
          "as in TRPO-3", kl_visits },
        { "\\ge L_\\pi(\\tilde\\pi)-\\frac{4\\epsilon\\gamma}{(1-\\gamma)^2}\\alpha^2", "TRPO-3", kl_tv,
          AT_MOST_ABOVE },
        { "\\ge L_\\pi(\\tilde\\pi)-\\tfrac12C\\,D_{KL}^{max}(\\pi,\\tilde\\pi)",
          "Pinsker, DSB-14: alpha^2 <= KL/2", kl_pinsker, AT_MOST_ABOVE },
        { "\\ge L_\\pi(\\tilde\\pi)-C\\,D_{KL}^{max}(\\pi,\\tilde\\pi)", "TRPO takes alpha^2 <= KL", kl_trpo,
          AT_MOST_ABOVE } } },
    { .id = NULL }
};
