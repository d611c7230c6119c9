/* Where a policy goes: discounted visits rho and the long-run distribution d. 002 (l.240), 004 (l.340-342),
 * 000 (l.31). Which of them weights the states decides whether the policy gradient theorem is an equality. */
#include "derivations/visitation.h"

#include <float.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "autodiff/linalg.h"
#include "autodiff/require.h"
#include "derivations/derivation.h"
#include "derivations/enumerate.h"

/* P_pi [nS x nS] of the whole chain; an absorbing state stays where it is. Rows are scaled to sum to 1. */
static double *whole_chain(const exact *x)
{
    const mdp *M = x->M;
    double *P = allocate((size_t)x->nS * (size_t)x->nS, sizeof *P, "a Markov chain");
    for (int i = 0; i < x->nSA; i++)
        for (int k = M->row[i]; k < M->row[i + 1]; k++) P[i / x->nA * x->nS + M->next[k]] += x->pi[i] * M->P[k];
    for (int s = 0; s < x->nS; s++) {
        double sum = 0;
        for (int j = 0; j < x->nS; j++) sum += P[s * x->nS + j];
        for (int j = 0; j < x->nS; j++) P[s * x->nS + j] /= sum;
    }
    return P;
}

/*[snip balance]*/
/* MDP-14  d = P_pi^T d,  sum_s d(s) = 1: the balance of one state, which the others imply, makes room for
 * the sum. */
static bool solve_balance(int nS, const double *P, double *d)
{
    double *B = allocate((size_t)nS * (size_t)nS, sizeof *B, "balance equations");      /* I - P^T, then the sum */
    double *right = allocate((size_t)nS, sizeof *right, "balance equations");
    for (int s = 0; s < nS; s++)
        for (int j = 0; j < nS; j++) B[s * nS + j] = s < nS - 1 ? (s == j) - P[j * nS + s] : 1;
    right[nS - 1] = 1;
    linalg_lu *lu = linalg_lu_new(nS);
    bool regular = linalg_lu_factor(lu, B) == LINALG_OK && lu->rcond > 1e-12;
    if (regular) linalg_lu_solve(lu, false, 1, right, d);
    linalg_lu_free(lu);
    free(B);
    free(right);
    return regular;
}
/*[/snip]*/

/* ||(I - P + 1 d^T)^{-1}||_inf */
static double sensitivity(int nS, const double *P, const double *d)
{
    size_t n = (size_t)nS * (size_t)nS;
    double *B = allocate(3 * n, sizeof *B, "a fundamental matrix"), *I = B + n, *Z = B + 2 * n, kappa = 1;
    for (int s = 0; s < nS; s++)
        for (int j = 0; j < nS; j++) {
            I[s * nS + j] = s == j;
            B[s * nS + j] = (s == j) - P[s * nS + j] + d[j];
        }
    linalg_lu *lu = linalg_lu_new(nS);
    if (linalg_lu_factor(lu, B) == LINALG_OK) linalg_lu_solve(lu, false, nS, I, Z);
    else kappa = INFINITY;
    for (int s = 0; s < nS; s++) {
        double sum = 0;
        for (int j = 0; j < nS; j++) sum += fabs(Z[s * nS + j]);
        kappa = linalg_greater(kappa, sum);
    }
    linalg_lu_free(lu);
    free(B);
    return kappa;
}

const char *visitation_stationary(const exact *x, double *d, double *kappa)
{
    if (x->nS > VISITATION_MAX_STATES) return "too many states for a dense chain";
    double *P = whole_chain(x);
    bool regular = solve_balance(x->nS, P, d);
    if (regular && kappa) *kappa = sensitivity(x->nS, P, d);
    free(P);
    return regular ? NULL : "several closed sets of states: more than one stationary distribution";
}

/* ---- units ---- */

static double unit_rho(const setting *x) { return x->pi->unit_rho; }

/* ---- MDP-12 ---- */

static double visits_by_solve(const setting *x, double *out)
{
    for (int s = 0; s < x->pi->nS; s++) out[s] = exact_rho(x->pi, s);
    return 0;
}

/* MDP-12  rho = sum_t (gamma P_pi^T)^t mu0 */
static double visits_over_time(const setting *x, double *out)
{
    const exact *pi = x->pi;
    if (pi->nS > EXACT_MAX_TIME_SUM) return LEFT_OUT;
    double *mu0 = allocate((size_t)pi->nS, sizeof *mu0, "a start distribution");
    for (int s = 0; s < pi->nS; s++) mu0[s] = pi->absorbing[s] ? 0 : pi->M->mu0[s];
    exact_sum_over_time(pi, true, mu0, out);
    free(mu0);
    return 0;
}

/*[snip visits-step-by-step]*/
/* gamma^t Pr(s_t = s), step by step through the table, until what is left of it cannot matter. What is not yet
 * absorbed after t steps is seen k times more at most, and that is the line's error. */
static double visits_step_by_step(const setting *x, double *out)
{
    const exact *pi = x->pi;
    const mdp *M = pi->M;
    size_t nS = (size_t)pi->nS;
    double *p = allocate(2 * nS, sizeof *p, "probabilities"), *next = p + nS, left = 1;
    double steps = 0, most = 2e6 / M->row[pi->nSA];
    memset(out, 0, nS * sizeof *out);
    for (int s = 0; s < pi->nS; s++) p[s] = pi->absorbing[s] ? 0 : M->mu0[s];
    for (; left * pi->k > DBL_EPSILON && steps < most; steps++) {
        memset(next, 0, nS * sizeof *next);
        for (int i = 0; i < pi->nSA; i++)
            for (int k = M->row[i]; k < M->row[i + 1]; k++)
                next[M->next[k]] += pi->gamma * p[i / pi->nA] * pi->pi[i] * M->P[k];
        left = 0;
        for (int s = 0; s < pi->nS; s++) {
            out[s] += p[s];
            p[s] = pi->absorbing[s] ? 0 : next[s];
            left += p[s];
        }
    }
    free(p);
    return left * pi->k > 1e-3 * pi->unit_rho + DBL_EPSILON ? LEFT_OUT : left * pi->k;
}
/*[/snip]*/

static double as_a_probability(const setting *x, double *out)
{
    memcpy(out, x->pi->d, (size_t)x->pi->nS * sizeof *out);
    return 0;
}

/* ---- MDP-13 ---- */

static const char *no_discount(const setting *x)
{
    return x->pi->gamma == 1 ? "at gamma = 1 the visits have no finite sum" : NULL;
}

/* The flow through the chain is balanced to u N k, and a step's error counts 1/(1-gamma) times in the end. */
static double unit_total(const setting *x)
{
    return DBL_EPSILON * fmax(x->pi->nS, 4) * x->pi->k / (1 - x->pi->gamma);
}

/* Rows of P off by `defect` lose that much of the k visits to decision states, for the rest of time. */
static double room_of_rows(const exact *x) { return enumerate_defect(x->M) * x->k / (1 - x->gamma); }

static double total_expected(const setting *x, double *out)
{
    out[0] = 1 / (1 - x->pi->gamma);
    out[1] = 1;
    return 0;
}

/* MDP-13  sum_s rho(s) = 1 / (1 - gamma), absorbing states counted */
static double total_visits(const setting *x, double *out)
{
    out[0] = out[1] = 0;
    for (int s = 0; s < x->pi->nS; s++) {
        out[0] += x->pi->rho[s];
        out[1] += (1 - x->pi->gamma) * x->pi->rho[s];
    }
    return room_of_rows(x->pi);
}

/* MDP-13  sum_s |rho(s)|: the same where none is negative */
static double total_sizes(const setting *x, double *out)
{
    out[0] = out[1] = 0;
    for (int s = 0; s < x->pi->nS; s++) {
        out[0] += fabs(x->pi->rho[s]);
        out[1] += fabs((1 - x->pi->gamma) * x->pi->rho[s]);
    }
    return room_of_rows(x->pi);
}

static double largest_visit(const setting *x, double *out)
{
    out[0] = linalg_max_abs(x->pi->nS, x->pi->rho);
    out[1] = (1 - x->pi->gamma) * out[0];
    return room_of_rows(x->pi);
}

/* 1^T rho = mu0^T sum_t (gamma P)^t 1, whole chain: a way into an absorbing state is worth gamma/(1-gamma) */
static double total_over_time(const setting *x, double *out)
{
    const exact *pi = x->pi;
    if (pi->nS > EXACT_MAX_TIME_SUM) return LEFT_OUT;
    double *f = allocate(2 * (size_t)pi->nS, sizeof *f, "a sum over time"), *sum = f + pi->nS;
    double e = 1 / (1 - pi->gamma);
    for (int s = 0; s < pi->nS; s++) f[s] = !pi->absorbing[s];
    for (int i = 0; i < pi->nSA; i++)
        for (int k = pi->M->row[i]; k < pi->M->row[i + 1]; k++)
            if (!pi->absorbing[i / pi->nA] && pi->absorbing[pi->M->next[k]])
                f[i / pi->nA] += pi->pi[i] * pi->M->P[k] * pi->gamma * e;
    exact_sum_over_time(pi, false, f, sum);
    out[0] = 0;
    for (int s = 0; s < pi->nS; s++) out[0] += pi->M->mu0[s] * (pi->absorbing[s] ? e : sum[s]);
    out[1] = (1 - pi->gamma) * out[0];
    free(f);
    return room_of_rows(pi);
}

/* ---- MDP-14 ---- */

/* Pr(s_t = s) at t = 2^40, by squaring P; rows are scaled again at each squaring, so that rounding does
 * not add up */
static void far_ahead(const exact *x, double *d)
{
    int nS = x->nS;
    double *P = whole_chain(x), *square = allocate((size_t)nS * (size_t)nS, sizeof *square, "a power of a chain");
    for (int doublings = 0; doublings < 40; doublings++) {
        linalg_matmul(false, false, nS, nS, nS, P, P, square);
        for (int s = 0; s < nS; s++) {
            double sum = 0;
            for (int j = 0; j < nS; j++) sum += square[s * nS + j];
            for (int j = 0; j < nS; j++) P[s * nS + j] = square[s * nS + j] / sum;
        }
    }
    memset(d, 0, (size_t)nS * sizeof *d);
    for (int s = 0; s < nS; s++)
        for (int j = 0; j < nS; j++) d[j] += x->M->mu0[s] * P[s * nS + j];
    free(P);
    free(square);
}

static const char *no_limit(const setting *x)
{
    double *d = allocate(2 * (size_t)x->pi->nS, sizeof *d, "distributions"), *after = d + x->pi->nS;
    double kappa, step = 0;
    const char *reason = visitation_stationary(x->pi, d, &kappa);
    if (!reason && !(kappa < 1e6)) reason = "two sets of states that hardly communicate";
    if (!reason) {
        double *P = whole_chain(x->pi);
        far_ahead(x->pi, d);
        for (int s = 0; s < x->pi->nS; s++)
            for (int j = 0; j < x->pi->nS; j++) after[j] += d[s] * P[s * x->pi->nS + j];
        for (int j = 0; j < x->pi->nS; j++) step = linalg_greater(step, fabs(after[j] - d[j]));
        free(P);
        if (!(step < 1e-9)) reason = "periodic: Pr(s_t = s) has no limit";
    }
    free(d);
    return reason;
}

/* An error of u N in P_pi moves d by kappa times that; 40 squarings that are scaled add one such error each. */
static double unit_stationary(const setting *x)
{
    double *d = allocate((size_t)x->pi->nS, sizeof *d, "a distribution"), kappa = 1;
    visitation_stationary(x->pi, d, &kappa);
    free(d);
    return DBL_EPSILON * fmax(x->pi->nS, 4) * kappa;
}

static double limit_in_time(const setting *x, double *out)
{
    far_ahead(x->pi, out);
    return 40 * DBL_EPSILON * x->pi->nS;
}

static double by_balance(const setting *x, double *out)
{
    visitation_stationary(x->pi, out, NULL);
    return 0;
}

static double one_step_on(const setting *x, double *out)        /* P_pi^T d */
{
    const exact *pi = x->pi;
    double *P = whole_chain(pi), *d = allocate((size_t)pi->nS, sizeof *d, "a distribution");
    visitation_stationary(pi, d, NULL);
    memset(out, 0, (size_t)pi->nS * sizeof *out);
    for (int s = 0; s < pi->nS; s++)
        for (int j = 0; j < pi->nS; j++) out[j] += P[s * pi->nS + j] * d[s];
    free(P);
    free(d);
    return 0;
}

const derivation state_visits[] = {
    { "MDP-12", "rho(s) = sum_t gamma^t Pr(s_t = s) = [(I - gamma P_pi^T)^-1 rho_0](s)",
      "rho(s), 0 in absorbing states", count_states, unit_rho, NULL, NULL, {
        { "\\rho_\\pi=(I-\\gamma P_\\pi^T)^{-1}\\rho_0", "a linear solve", visits_by_solve },
        { "=\\sum_{t=0}^\\infty(\\gamma P_\\pi^T)^t\\rho_0", "the geometric series, by powers of gamma P_pi^T",
          visits_over_time },
        { "=\\sum_{t=0}^\\infty\\gamma^tP_\\pi(s_t=s)",
          "the definition: one step after the other through the table", visits_step_by_step },
        { "=P(\\text{the agent is in }s)",
          "004 l.340 calls rho(s) the probability of being in s. One reading: d = (1-gamma) rho, which is one"
          " (at gamma = 1 rho over its sum)", as_a_probability, DIFFERS, "ERR-9" } } },
    { "MDP-13", "sum_s rho(s) = 1/(1-gamma): (1-gamma) rho is a distribution, rho is none",
      "sum rho, then sum (1-gamma) rho", count_two, unit_total, no_discount, NULL, {
        { "\\sum_t\\gamma^t=\\frac1{1-\\gamma},\\quad1", "in each step the agent is somewhere", total_expected },
        { "=\\sum_s\\rho_\\pi(s),\\quad\\sum_s(1-\\gamma)\\rho_\\pi(s)",
          "rho by its solve, absorbing states counted", total_visits },
        { "=\\rho_0^T\\sum_t(\\gamma P_\\pi)^t1", "the same sum, backwards in time", total_over_time },
        { "=\\sum_s|\\rho_\\pi(s)|,\\quad\\sum_s|(1-\\gamma)\\rho_\\pi(s)|", "none of them is negative",
          total_sizes },
        { "\\ge\\max_s\\rho_\\pi(s),\\quad\\max_s(1-\\gamma)\\rho_\\pi(s)",
          "a single one: rho may exceed 1, (1-gamma) rho cannot", largest_visit, AT_MOST },
        { "=1", "004 l.356, 000 eq 14-16 write sum_s rho(s) as an expectation, without a factor. One reading: rho"
          " sums to 1", NULL, DIFFERS, "ERR-9", .is = { 1, 1 } } } },
    { "MDP-14", "d(s) = lim_t Pr(s_t = s) solves d = P_pi^T d", "d(s), absorbing states included", count_states,
      unit_stationary, no_limit, NULL, {
        { "d^\\pi(s)=\\lim_{t\\to\\infty}P_\\pi(s_t=s)", "t = 2^40, by squaring P_pi", limit_in_time },
        { "d^\\pi=P_\\pi^Td^\\pi,\\quad\\sum_sd^\\pi(s)=1", "the balance equations, one solve", by_balance },
        { "=P_\\pi^Td^\\pi", "one step further nothing changes", one_step_on } } },
    { .id = NULL }
};
