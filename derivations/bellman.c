/* What V, Q, A and J are, each by its definition as a sum over time and by an equation that it solves.
 * 000 eq (1), (8), 001 (l.133), 002 (l.78, l.173, l.219-231), 003 (l.24), 004 (l.204, l.293, l.301). */
#include "derivations/bellman.h"

#include <float.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "algorithms/returns.h"
#include "autodiff/linalg.h"
#include "autodiff/require.h"
#include "derivations/derivation.h"
#include "derivations/enumerate.h"

enum { FIRST_REWARDS = 100 };

/*[snip Q-backup]*/
/* MDP-10  Q(s,a) = sum_s' P(s'|s,a) [ r(s,a,s') + gamma sum_a' pi(a'|s') Q(s',a') ] */
static double backup(const exact *x, const double *Q, int i)
{
    const mdp *M = x->M;
    double E = 0;
    for (int k = M->row[i]; k < M->row[i + 1]; k++) {
        const int s1 = M->next[k];
        E += M->P[k] * (M->R[k] + x->gamma * linalg_dot(x->nA, x->pi + s1 * x->nA, Q + s1 * x->nA));
    }
    return x->absorbing[i / x->nA] ? 0 : E;
}
/*[/snip]*/

bool bellman_Q(const exact *x, double *Q)
{
    int n = x->nSA;
    if (n > BELLMAN_MAX_PAIRS) return false;
    const mdp *M = x->M;
    double *B = allocate((size_t)n * (size_t)n, sizeof *B, "an equation for pairs");   /* I - gamma P Pi */
    double *r = allocate((size_t)n, sizeof *r, "rewards");
    for (int i = 0; i < n; i++) {
        B[i * n + i] = 1;
        if (x->absorbing[i / x->nA]) continue;
        r[i] = x->r[i];
        for (int k = M->row[i]; k < M->row[i + 1]; k++)
            for (int j = M->next[k] * x->nA; j < (M->next[k] + 1) * x->nA && !x->absorbing[M->next[k]]; j++)
                B[i * n + j] -= x->gamma * M->P[k] * x->pi[j];
    }
    linalg_lu *lu = linalg_lu_new(n);
    bool regular = linalg_lu_factor(lu, B) == LINALG_OK;
    if (regular) linalg_lu_solve(lu, false, 1, r, Q);
    linalg_lu_free(lu);
    free(B);
    free(r);
    return regular;
}

double bellman_Q_room(const exact *x) { return 10 * x->unit_V * x->nSA / fmax(x->nS, 4); }

/* ---- units ---- */
static int n_advantage(const setting *x) { return x->pi->nSA + x->pi->nS; }

static bool too_many_states(const setting *x) { return x->pi->nS > EXACT_MAX_TIME_SUM; }

/* ---- MDP-1 ---- */

/* Each row, mu0, and at gamma = 1 the end from each state */
static int n_sums(const setting *x) { return x->pi->nSA + 1 + (x->pi->gamma == 1 ? x->pi->nS : 0); }

/* A table is written in decimals: what is within 1e-9 of 1 is a distribution. */
static double unit_sum(const setting *x) { return fmax(1e-10, x->pi->gamma == 1 ? x->pi->unit_rho : 0); }

static const char *end_not_followed(const setting *x)
{
    return x->pi->gamma == 1 && too_many_states(x) ? "too many states to sum over time" : NULL;
}

static double ones(const setting *x, double *out)
{
    for (int i = 0; i < n_sums(x); i++) out[i] = 1;
    return 0;
}

/* Pr(the end is reached | s): sum_t P_pi^t e, where e(s) is the probability that the next state is the end */
static void absorption(const exact *x, double *out)
{
    const mdp *M = x->M;
    double *e = allocate((size_t)x->nS, sizeof *e, "ways out");
    for (int i = 0; i < x->nSA; i++)
        for (int k = M->row[i]; k < M->row[i + 1]; k++)
            if (!x->absorbing[i / x->nA] && x->absorbing[M->next[k]]) e[i / x->nA] += x->pi[i] * M->P[k];
    exact_sum_over_time(x, false, e, out);
    for (int s = 0; s < x->nS; s++)
        if (x->absorbing[s]) out[s] = 1;
    free(e);
}

/* MDP-1   sum_s' P(s'|s,a) = 1,  sum_s mu0(s) = 1 */
static double sums(const setting *x, double *out)
{
    const mdp *M = x->pi->M;
    memset(out, 0, (size_t)n_sums(x) * sizeof *out);
    for (int i = 0; i < x->pi->nSA; i++)
        for (int k = M->row[i]; k < M->row[i + 1]; k++) out[i] += M->P[k];
    for (int s = 0; s < M->nS; s++) out[x->pi->nSA] += M->mu0[s];
    if (x->pi->gamma == 1) absorption(x->pi, out + x->pi->nSA + 1);
    return x->pi->gamma == 1 ? enumerate_defect(M) * x->pi->k : 0;
}

/* With |P| for P the sum is the same only where none is negative; and then none is above 1. */
static double sums_of_sizes(const setting *x, double *out)
{
    const mdp *M = x->pi->M;
    sums(x, out);
    for (int i = 0; i <= x->pi->nSA; i++) out[i] = 0;
    for (int i = 0; i < x->pi->nSA; i++)
        for (int k = M->row[i]; k < M->row[i + 1]; k++) out[i] += fabs(M->P[k]);
    for (int s = 0; s < M->nS; s++) out[x->pi->nSA] += fabs(M->mu0[s]);
    return x->pi->gamma == 1 ? enumerate_defect(M) * x->pi->k : 0;
}

/* ---- MDP-5: a finite horizon, undiscounted ---- */

/* The small problem of x at gamma = 1 */
static finite_horizon *undiscounted(const setting *x, const char **reason)
{
    finite_horizon *f = finite_small(x->pi, reason);
    if (!f || f->gamma == 1) return f;
    char error[256];
    finite_horizon *g = finite_new(f->M, 1, f->policy, f->theta, f->H, error, sizeof error);
    g->start = f->start;                                    /* handed over, with its mu0 */
    f->start = NULL;
    finite_free(f);
    return g;
}

static const char *no_small_problem(const setting *x) { return finite_small_reason(x->pi); }

/* H backups of numbers up to W = H max|r|, each a sum over the next states: u N H W */
static double unit_sum_of_rewards(const setting *x)
{
    const char *reason;
    finite_horizon *f = undiscounted(x, &reason);
    double unit = DBL_EPSILON * fmax(x->pi->nS, 4) * f->H * finite_scale(f);
    finite_free(f);
    return unit;
}

static double over_horizon(const finite_horizon *f) { return f->x->J; }

/*[snip backward-induction]*/
/* MDP-5   V_t(s) = sum_a pi(a|s) sum_s' P(s'|s,a) [ r(s,a,s') + V_{t+1}(s') ],  V_T = 0,  J = mu0^T V_0 */
static double backward(const finite_horizon *f)
{
    const mdp *M = f->M;
    double *V = allocate(2 * (size_t)M->nS, sizeof *V, "values"), *before = V + M->nS;
    for (int t = f->H - 1; t >= 0; t--) {
        memset(before, 0, (size_t)M->nS * sizeof *before);
        for (int i = 0; i < M->nS * M->nA; i++)
            for (int k = M->row[i]; k < M->row[i + 1]; k++)
                before[i / M->nA] += f->x->pi[i] * M->P[k] * (M->R[k] + V[M->next[k]]);
        memcpy(V, before, (size_t)M->nS * sizeof *V);
    }
    double J = linalg_dot(M->nS, M->mu0, V);
    free(V);
    return J;
}
/*[/snip]*/

static double forward(const finite_horizon *f)          /* sum_t sum_s Pr(s_t = s) r_pi(s) */
{
    const mdp *M = f->M;
    double *p = allocate(2 * (size_t)M->nS, sizeof *p, "probabilities"), *next = p + M->nS, J = 0;
    memcpy(p, M->mu0, (size_t)M->nS * sizeof *p);
    for (int t = 0; t < f->H; t++) {
        memset(next, 0, (size_t)M->nS * sizeof *next);
        for (int i = 0; i < M->nS * M->nA; i++) {
            double p_i = p[i / M->nA] * f->x->pi[i];
            J += p_i * mdp_reward(M, i / M->nA, i % M->nA);
            for (int k = M->row[i]; k < M->row[i + 1]; k++) next[M->next[k]] += p_i * M->P[k];
        }
        memcpy(p, next, (size_t)M->nS * sizeof *p);
    }
    free(p);
    return J;
}

static void total_reward(void *context, const traj *tau, double *g)
{
    (void)context;
    *g = returns_total(tau->T, tau->r, 1);
}

static double over_trajectories(const finite_horizon *f)
{
    double J;
    enumerate_moments(f->M, f->x->pi, f->H, total_reward, NULL, 1, &J, NULL);
    return J;
}

static double J_undiscounted(const setting *x, double (*account)(const finite_horizon *), double *out)
{
    const char *reason;
    finite_horizon *f = undiscounted(x, &reason);
    *out = account(f);
    double room = f->H * enumerate_defect(f->M) * finite_scale(f);
    finite_free(f);
    return room;
}

static double J_by_solve(const setting *x, double *out) { return J_undiscounted(x, over_horizon, out); }
static double J_backward(const setting *x, double *out) { return J_undiscounted(x, backward, out); }
static double J_forward(const setting *x, double *out)  { return J_undiscounted(x, forward, out); }
static double J_over_all(const setting *x, double *out) { return J_undiscounted(x, over_trajectories, out); }

/* ---- J, V, Q, A ---- */

static double J_from_start(const setting *x, double *out)       /* mu0^T V */
{
    *out = linalg_dot(x->pi->nS, x->pi->M->mu0, x->pi->V);
    return 0;
}

/* MDP-6   J = sum_s rho(s) sum_a pi(a|s) r(s,a) */
static double J_from_visits(const setting *x, double *out)
{
    const exact *pi = x->pi;
    *out = 0;
    for (int i = 0; i < pi->nSA; i++) *out += exact_rho(pi, i / pi->nA) * pi->pi[i] * pi->r[i];
    return 0;
}

/* sum_t gamma^t E[f(s_t)], for a reward f [nS] */
static double discounted(const exact *x, const double *f)
{
    double *sum = allocate((size_t)x->nS, sizeof *sum, "a sum over time");
    exact_sum_over_time(x, false, f, sum);
    double J = 0;
    for (int s = 0; s < x->nS; s++) J += x->absorbing[s] ? 0 : x->M->mu0[s] * sum[s];
    free(sum);
    return J;
}

static double J_over_time(const setting *x, double *out)
{
    if (too_many_states(x)) return LEFT_OUT;
    *out = discounted(x->pi, x->pi->r_pi);
    return 0;
}

static double J_of_state_rewards(const setting *x, double *out)
{
    const exact *pi = x->pi;
    if (too_many_states(x)) return LEFT_OUT;
    double *r = allocate((size_t)pi->nS, sizeof *r, "rewards of states");
    for (int i = 0; i < pi->nSA; i++) r[i / pi->nA] += pi->r[i] / pi->nA;
    *out = discounted(pi, r);
    free(r);
    return 0;
}

static double V_by_solve(const setting *x, double *out)
{
    memcpy(out, x->pi->V, (size_t)x->pi->nS * sizeof *out);
    return 0;
}

/* MDP-8   V = sum_t (gamma P_pi)^t r_pi */
static double V_over_time(const setting *x, double *out)
{
    if (too_many_states(x)) return LEFT_OUT;
    exact_sum_over_time(x->pi, false, x->pi->r_pi, out);
    return 0;
}

static double V_after_one_step(const setting *x, double *out)   /* r_pi + gamma P_pi V */
{
    const exact *pi = x->pi;
    sparse_times(pi->P, false, pi->V, out);
    for (int s = 0; s < pi->nS; s++) out[s] = pi->r_pi[s] + pi->gamma * out[s];
    return 0;
}

static double V_undiscounted(const setting *x, double *out)
{
    const exact *pi = x->pi;
    if (too_many_states(x)) return LEFT_OUT;
    if (pi->gamma == 1) return V_over_time(x, out);
    if (linalg_max_abs(pi->nS, pi->r_pi) > 1e300 / FIRST_REWARDS) return LEFT_OUT;
    double *next = allocate((size_t)pi->nS, sizeof *next, "values");
    memset(out, 0, (size_t)pi->nS * sizeof *out);
    for (int t = 0; t < FIRST_REWARDS; t++) {
        sparse_times(pi->P, false, out, next);
        for (int s = 0; s < pi->nS; s++) out[s] = pi->r_pi[s] + next[s];
    }
    free(next);
    return 0;
}

/* MDP-11  V(s) = sum_a pi(a|s) Q(s,a) */
static void mean_over_actions(const exact *x, const double *Q, double *V)
{
    for (int s = 0; s < x->nS; s++) V[s] = linalg_dot(x->nA, x->pi + s * x->nA, Q + s * x->nA);
}

static double V_from_Q(const setting *x, double *out)
{
    mean_over_actions(x->pi, x->pi->Q, out);
    return 0;
}

static double V_from_pairs(const setting *x, double *out)
{
    double *Q = allocate((size_t)x->pi->nSA, sizeof *Q, "action values");
    bool solved = bellman_Q(x->pi, Q);
    if (solved) mean_over_actions(x->pi, Q, out);
    free(Q);
    return solved ? bellman_Q_room(x->pi) : LEFT_OUT;
}

static double Q_by_solve(const setting *x, double *out)         /* r + gamma P V, with V by its solve */
{
    memcpy(out, x->pi->Q, (size_t)x->pi->nSA * sizeof *out);
    return 0;
}

static double Q_by_pairs(const setting *x, double *out)
{
    return bellman_Q(x->pi, out) ? bellman_Q_room(x->pi) : LEFT_OUT;
}

/* MDP-7   Q(s,a) = E[ r_0 + sum_{l >= 1} gamma^l r_l | s_0 = s, a_0 = a ] */
static double Q_over_time(const setting *x, double *out)
{
    const exact *pi = x->pi;
    const mdp *M = pi->M;
    if (too_many_states(x)) return LEFT_OUT;
    double *rest = allocate((size_t)pi->nS, sizeof *rest, "a sum over time");
    exact_sum_over_time(pi, false, pi->r_pi, rest);
    for (int i = 0; i < pi->nSA; i++) {
        out[i] = pi->r[i];
        for (int k = M->row[i]; k < M->row[i + 1]; k++) out[i] += pi->gamma * M->P[k] * rest[M->next[k]];
    }
    free(rest);
    return 0;
}

static double Q_backed_up(const setting *x, double *out)
{
    for (int i = 0; i < x->pi->nSA; i++) out[i] = backup(x->pi, x->pi->Q, i);
    return enumerate_room(x->pi);
}

/* MDP-9   A = Q - V, and sum_a pi(a|s) A(s,a) behind it */
static void advantages(const exact *x, const double *Q, const double *V, double *out)
{
    for (int i = 0; i < x->nSA; i++) out[i] = Q[i] - V[i / x->nA];
    mean_over_actions(x, out, out + x->nSA);
}

static double A_by_solve(const setting *x, double *out)
{
    advantages(x->pi, x->pi->Q, x->pi->V, out);
    return 0;
}

static double A_by_pairs(const setting *x, double *out)
{
    const exact *pi = x->pi;
    double *Q = allocate((size_t)n_advantage(x), sizeof *Q, "values"), *V = Q + pi->nSA;
    double room = Q_by_pairs(x, Q);
    mean_over_actions(pi, Q, V);
    advantages(pi, Q, V, out);
    for (int s = 0; s < pi->nS; s++) out[pi->nSA + s] = 0;                  /* as it must be */
    free(Q);
    return 2 * room;
}

static void page(const setting *x, FILE *out)
{
    const char *reason;
    finite_horizon *f = undiscounted(x, &reason);
    finite_small_describe(f, out);
    finite_free(f);
}

const derivation bellman[] = {
    { "MDP-1", "P(.|s,a) and rho_0 are distributions; gamma = 1 only where the end is certain",
      "sum P(.|s,a), sum rho_0; at gamma = 1 Pr(end|s)", n_sums, unit_sum, end_not_followed, NULL, {
        { "1", "what a finite MDP promises: gamma = 1 also that absorption is certain", ones },
        { "=\\sum_{s'}P(s'|s,a)=\\sum_s\\rho_0(s)", "the table as it was read; within 1e-9", sums },
        { "=\\sum_{s'}|P(s'|s,a)|=\\sum_s|\\rho_0(s)|",
          "none is negative, so with the sum 1 none is above 1 (002 l.222 lets P be any real number)",
          sums_of_sizes } } },
    { "MDP-5", "J = E[sum_{t<T} r_t], undiscounted", "J over " FINITE_SMALL, count_one,
      unit_sum_of_rewards, no_small_problem, NULL, {
        { "J(\\theta)=\\rho_0^T(I-P_\\pi)^{-1}r_\\pi",
          "on the time-expanded MDP, whose states (t,s) end after T steps: a solve at gamma = 1", J_by_solve },
        { "=\\rho_0^TV_0,\\quad V_t=r_\\pi+P_\\pi V_{t+1},\\ V_T=0", "backward induction", J_backward },
        { "=\\sum_{t=0}^{T-1}\\sum_sP_\\pi(s_t=s)r_\\pi(s)", "the same sum, forward in time", J_forward },
        { "=\\sum_\\tau p_\\theta(\\tau)\\sum_{t=0}^{T-1}r_t",
          "the definition: every trajectory with its probability", J_over_all } },
      .page = page },
    { "MDP-6", "J = rho_0^T V = sum_s rho(s) sum_a pi(a|s) r(s,a)", "J", count_one, unit_of_V, NULL, NULL, {
        { "J(\\theta)=\\rho_0^TV^{\\pi_\\theta}", "V by the solve of Bellman's equation", J_from_start },
        { "=E[\\sum_{t=0}^\\infty\\gamma^tr(s_t,a_t)]", "the definition: a sum over time, by powers of gamma P_pi",
          J_over_time },
        { "=\\sum_s\\rho_\\pi(s)\\sum_a\\pi_\\theta(a|s)r(s,a)",
          "the same sum, state by state: how often each is seen, discounted", J_from_visits },
        { "=E[\\sum_{t=0}^\\infty\\gamma^tr(s_t)]",
          "004 l.301 prints r(s_t), l.324 r(s_t,a_t). One reading of r(s): the plain mean over the actions",
          J_of_state_rewards, DIFFERS, "ERR-44" } } },
    { "MDP-7", "Q(s,a) = E[sum_l gamma^l r_{t+l} | s_t = s, a_t = a]", "Q(s,a)",
      count_pairs, unit_of_V, NULL, NULL, {
        { "Q^\\pi(s,a)=E_\\pi[\\sum_{l\\ge0}\\gamma^lr_{t+l}\\,|\\,s_t=s,a_t=a]",
          "the definition: a first, then pi, summed over time by powers of gamma P_pi", Q_over_time },
        { "=r(s,a)+\\gamma\\sum_{s'}P(s'|s,a)V^\\pi(s')",
          "the first reward taken out; V by its solve", Q_by_solve },
        { "=[(I-\\gamma P\\Pi)^{-1}r](s,a)", "a solve over the pairs (s,a), without V", Q_by_pairs } } },
    { "MDP-8", "V(s) = E[sum_l gamma^l r_{t+l} | s_t = s] = (I - gamma P_pi)^-1 r_pi", "V(s)",
      count_states, unit_of_V, NULL, NULL, {
        { "V^\\pi=(I-\\gamma P_\\pi)^{-1}r_\\pi", "a linear solve", V_by_solve },
        { "=\\sum_{l\\ge0}(\\gamma P_\\pi)^lr_\\pi", "the definition, by powers of gamma P_pi", V_over_time },
        { "=r_\\pi+\\gamma P_\\pi V^\\pi", "the first reward taken out: Bellman's equation", V_after_one_step },
        { "=E_\\pi[\\sum_{l\\ge0}r_{t+l}\\,|\\,s_t=s]",
          "002 l.231: V as a sum without a discount, beside a discounted Q; here its first 100 rewards (at"
          " gamma = 1 all)", V_undiscounted, DIFFERS, "ERR-45" } } },
    { "MDP-9", "A = Q - V, and its mean over pi is 0", "A(s,a), then sum_a pi(a|s) A(s,a)", n_advantage, unit_of_A,
      NULL, NULL, {
        { "A^\\pi(s,a)=Q^\\pi(s,a)-V^\\pi(s)", "the definition, Q and V from the solve for V", A_by_solve },
        { "=Q^\\pi(s,a)-\\sum_b\\pi(b|s)Q^\\pi(s,b),\\quad\\sum_a\\pi(a|s)A^\\pi(s,a)=0",
          "MDP-11, with Q from the solve over pairs", A_by_pairs } } },
    { "MDP-10", "Q(s,a) = E[r + gamma E_a'[Q(s',a')]]", "Q(s,a)", count_pairs, unit_of_V, NULL, NULL, {
        { "Q^\\pi(s,a)", "its definition, MDP-7, summed over time", Q_over_time },
        { "=E_{r,s'}[r+\\gamma E_{a'\\sim\\pi}[Q^\\pi(s',a')]]",
          "the rewards from s' on, if pi goes on there, are gamma Q(s',a') in the mean", Q_backed_up },
        { "=[(I-\\gamma P\\Pi)^{-1}r](s,a)", "and nothing else solves it (gamma < 1, or an end)", Q_by_pairs } } },
    { "MDP-11", "V(s) = sum_a pi(a|s) Q(s,a)", "V(s)", count_states, unit_of_V, NULL, NULL, {
        { "V^\\pi(s)", "a linear solve over the states", V_by_solve },
        { "=\\sum_a\\pi(a|s)Q^\\pi(s,a)", "the mean over the first action", V_from_Q },
        { "=\\sum_a\\pi(a|s)[(I-\\gamma P\\Pi)^{-1}r](s,a)", "the same with Q from the solve over pairs",
          V_from_pairs } } },
    { .id = NULL }
};
