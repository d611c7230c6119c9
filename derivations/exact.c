/* The exact layer by dense linear algebra: see exact.h. One function per equation, in the order in which
 * they depend on one another. */
#include "derivations/exact.h"

#include <float.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "autodiff/linalg.h"
#include "autodiff/require.h"

/* pi(a|s) = exp(theta[s,a]) / sum_b exp(theta[s,b]) and its logarithm, the row's maximum taken out first */
static void softmax(int nS, int nA, const double *theta, double *logpi, double *pi)
{
    for (int s = 0; s < nS; s++) {
        const double *z = theta + s * nA;
        double max = z[0], sum = 0;
        for (int a = 1; a < nA; a++) max = fmax(max, z[a]);
        for (int a = 0; a < nA; a++) sum += exp(z[a] - max);
        for (int a = 0; a < nA; a++) {
            logpi[s * nA + a] = (z[a] - max) - log(sum);
            pi[s * nA + a] = exp(z[a] - max) / sum;
        }
    }
}

/* P_pi(s,s') = sum_a pi(a|s) P(s'|s,a) between decision states; rows and columns of absorbing ones are 0 */
static void transition_matrix(const mdp *M, const bool *absorbing, const double *pi, double *P_pi)
{
    memset(P_pi, 0, (size_t)M->nS * (size_t)M->nS * sizeof *P_pi);
    for (int s = 0; s < M->nS; s++)
        for (int a = 0; a < M->nA && !absorbing[s]; a++)
            for (int k = M->row[s * M->nA + a]; k < M->row[s * M->nA + a + 1]; k++)
                if (!absorbing[M->next[k]])
                    P_pi[s * M->nS + M->next[k]] += pi[s * M->nA + a] * M->P[k];
}

/* r(s,a) = sum_s' P(s'|s,a) r(s,a,s'), and r_pi(s) = sum_a pi(a|s) r(s,a) */
static void rewards(const mdp *M, const double *pi, double *r, double *r_pi)
{
    for (int s = 0; s < M->nS; s++) {
        r_pi[s] = 0;
        for (int a = 0; a < M->nA; a++) {
            r[s * M->nA + a] = mdp_reward(M, s, a);
            r_pi[s] += pi[s * M->nA + a] * r[s * M->nA + a];
        }
    }
}

/* LU factors of I - gamma P_pi */
static linalg_lu *bellman_matrix(int nS, double gamma, const double *P_pi)
{
    double *B = allocate((size_t)nS * (size_t)nS, sizeof *B, "the matrix of Bellman's equation");
    for (int s = 0; s < nS; s++)
        for (int s1 = 0; s1 < nS; s1++)
            B[s * nS + s1] = (s == s1) - gamma * P_pi[s * nS + s1];
    linalg_lu *lu = linalg_lu_new(nS);
    if (linalg_lu_factor(lu, B) == LINALG_SINGULAR)
        numerical_failure("I - gamma P_pi is singular to working precision (%d states, gamma %.17g, reciprocal "
                          "condition %.1e): almost no discount and almost no end", nS, gamma, lu->rcond);
    free(B);
    return lu;
}

/* MDP-7   Q(s,a) = r(s,a) + gamma sum_s' P(s'|s,a) V(s') */
static double action_value(const mdp *M, double gamma, const double *V, int s, int a)
{
    double r = 0, next = 0;
    for (int k = M->row[s * M->nA + a]; k < M->row[s * M->nA + a + 1]; k++) {
        r += M->P[k] * M->R[k];
        next += M->P[k] * V[M->next[k]];
    }
    return r + gamma * next;
}

/* A state, never absorbing, from which no absorbing state is reached under pi; -1 when there is none.
 * can[s] is set where one is reached. Backward search by repeated sweeps. */
static int never_ends(const mdp *M, const bool *absorbing, const double *pi, bool *can)
{
    memcpy(can, absorbing, (size_t)M->nS * sizeof *can);
    for (bool changed = true; changed;) {
        changed = false;
        for (int s = M->nS - 1; s >= 0; s--)
            for (int i = s * M->nA; i < (s + 1) * M->nA && !can[s]; i++)
                for (int k = M->row[i]; k < M->row[i + 1] && !can[s]; k++)
                    if (pi[i] > 0 && can[M->next[k]]) can[s] = changed = true;
    }
    for (int s = 0; s < M->nS; s++)
        if (!can[s]) return s;
    return -1;
}

static bool solvable(const mdp *M, double gamma, const bool *absorbing, const double *pi, char *error,
                     size_t size)
{
    if (M->nS > EXACT_MAX_STATES) {
        snprintf(error, size, "%s: expected at most %d states for a dense solve, found %d", M->name,
                 EXACT_MAX_STATES, M->nS);
        return false;
    }
    if (gamma < 1) return true;
    bool *can = allocate((size_t)M->nS, sizeof *can, "a search");
    int s = never_ends(M, absorbing, pi, can);
    free(can);
    if (s < 0) return true;
    snprintf(error, size, "%s: at gamma = 1 expected every state to reach an absorbing zero-reward state under "
             "the policy, found state %d%s%s%s that does not", M->name, s, M->state_name ? " (" : "",
             M->state_name ? M->state_name[s] : "", M->state_name ? ")" : "");
    return false;
}

/* MDP-12  rho = (I - gamma P_pi^T)^{-1} mu0; an absorbing state collects what flows in, again and again
 * with a factor gamma. */
static void visitation(exact *x, const linalg_lu *lu)
{
    const mdp *M = x->M;
    double *mu0 = allocate((size_t)x->nS, sizeof *mu0, "a start distribution"), total = 0;
    for (int s = 0; s < x->nS; s++) mu0[s] = x->absorbing[s] ? 0 : M->mu0[s];
    linalg_lu_solve(lu, true, 1, mu0, x->rho);
    for (int s = 0; s < x->nS; s++) total += x->rho[s];
    x->fisher_scale = x->gamma < 1 ? 1 - x->gamma : total > 0 ? 1 / total : 0;
    for (int s = 0; s < x->nS; s++) x->d[s] = x->absorbing[s] ? 0 : x->fisher_scale * x->rho[s];

    for (int s = 0; s < x->nS; s++)
        if (x->absorbing[s]) x->rho[s] = x->gamma < 1 ? M->mu0[s] / (1 - x->gamma) : NAN;
    for (int s = 0; s < x->nS && x->gamma < 1; s++)
        for (int i = s * x->nA; i < (s + 1) * x->nA && !x->absorbing[s]; i++)
            for (int k = M->row[i]; k < M->row[i + 1]; k++)
                if (x->absorbing[M->next[k]])
                    x->rho[M->next[k]] += x->rho[s] * x->pi[i] * M->P[k] * x->gamma / (1 - x->gamma);
    free(mu0);
}

/* k = ||(I - gamma P_pi)^{-1}||_inf: the inverse is sum_t (gamma P_pi)^t and has no negative entry, so its row
 * sums are its image of 1, each at least 1. If one is not, the sum diverges: rows of P that exceed 1 by what
 * is tolerated in a file outweigh the discount. */
static double inverse_norm(int nS, const linalg_lu *lu)
{
    double *one = allocate(2 * (size_t)nS, sizeof *one, "a norm"), *sum = one + nS, least = 1;
    for (int s = 0; s < nS; s++) one[s] = 1;
    linalg_lu_solve(lu, false, 1, one, sum);
    for (int s = 0; s < nS; s++) least = fmin(least, sum[s]);
    double k = linalg_greater(1, linalg_max_abs(nS, sum));
    free(one);
    if (!(least > 0.5))
        numerical_failure("discounted sums diverge: rows of P sum to more than 1, with almost no discount");
    return k;
}

static void set_units(exact *x)
{
    double u = DBL_EPSILON, N = fmax(x->nS, 4);
    double M = fmax(1, fmax(linalg_max_abs(x->nS, x->V), linalg_max_abs(x->n, x->A)));
    x->unit_V = u * N * x->k * M;
    x->unit_rho = u * N * x->k * x->k;
    x->unit_gradient = u * N * x->k * x->k * M;
    x->unit_fisher = fmax(u, x->unit_rho * x->fisher_scale);
}

static void values(exact *x)
{
    linalg_lu *lu = bellman_matrix(x->nS, x->gamma, x->P_pi);
    linalg_lu_solve(lu, false, 1, x->r_pi, x->V);               /* MDP-8   V = (I - gamma P_pi)^{-1} r_pi */
    for (int s = 0; s < x->nS; s++)
        if (x->absorbing[s]) x->V[s] = 0;
    for (int s = 0; s < x->nS; s++)
        for (int a = 0; a < x->nA; a++) {
            x->Q[s * x->nA + a] = x->absorbing[s] ? 0 : action_value(x->M, x->gamma, x->V, s, a);
            x->A[s * x->nA + a] = x->Q[s * x->nA + a] - x->V[s];            /* MDP-9   A = Q - V */
        }
    if (!isfinite(linalg_max_abs(x->nS, x->V)) || !isfinite(linalg_max_abs(x->n, x->Q)))
        numerical_failure("%s: the values are too large for double precision", x->M->name);
    visitation(x, lu);
    x->J = linalg_dot(x->nS, x->M->mu0, x->V);                  /* MDP-6   J = mu0^T V */
    x->k = inverse_norm(x->nS, lu);
    linalg_lu_free(lu);
    set_units(x);
}

exact *exact_new(const mdp *M, double gamma, const double *logits, char *error, size_t size)
{
    exact *x = allocate(1, sizeof *x, "an exact solution");
    size_t nS = (size_t)M->nS, n = nS * (size_t)M->nA;
    *x = (exact){ .M = M, .gamma = gamma, .nS = M->nS, .nA = M->nA, .n = M->nS * M->nA };
    double *p = allocate(4 * nS + 6 * n, sizeof *p, "an exact solution");
    x->theta = p;           x->logpi = p + n;       x->pi = p + 2 * n;
    x->r = p + 3 * n;       x->Q = p + 4 * n;       x->A = p + 5 * n;
    x->V = p + 6 * n;       x->r_pi = x->V + nS;    x->rho = x->V + 2 * nS;     x->d = x->V + 3 * nS;
    x->absorbing = allocate(nS, sizeof *x->absorbing, "an exact solution");

    memcpy(x->theta, logits, n * sizeof *logits);
    softmax(x->nS, x->nA, x->theta, x->logpi, x->pi);
    for (int s = 0; s < x->nS; s++) x->absorbing[s] = mdp_absorbing(M, s);
    if (!solvable(M, gamma, x->absorbing, x->pi, error, size)) {
        exact_free(x);
        return NULL;
    }
    x->P_pi = allocate(nS * nS, sizeof *x->P_pi, "the transition matrix of a policy");
    transition_matrix(M, x->absorbing, x->pi, x->P_pi);
    rewards(M, x->pi, x->r, x->r_pi);
    values(x);
    return x;
}

void exact_free(exact *x)
{
    if (!x) return;
    free(x->theta);         /* and all that was cut from the same block */
    free(x->absorbing);
    free(x->P_pi);
    free(x);
}

double exact_rho(const exact *x, int s) { return x->absorbing[s] ? 0 : x->rho[s]; }

double exact_J(const mdp *M, double gamma, const double *logits)
{
    char error[256];
    exact *x = exact_new(M, gamma, logits, error, sizeof error);
    if (!x) return NAN;
    double J = x->J;
    exact_free(x);
    return J;
}

/* P(.|., a) between decision states, [nS x nS] */
static ad transition_node(ad_tape *t, const exact *x, int a)
{
    const mdp *M = x->M;
    double *P = allocate((size_t)x->nS * (size_t)x->nS, sizeof *P, "a transition matrix");
    for (int s = 0; s < x->nS; s++)
        for (int k = M->row[s * x->nA + a]; k < M->row[s * x->nA + a + 1] && !x->absorbing[s]; k++)
            if (!x->absorbing[M->next[k]]) P[s * x->nS + M->next[k]] = M->P[k];
    ad node = ad_copy(t, P, x->nS, x->nS);
    free(P);
    return node;
}

/* MDP-6   J(theta) = mu0^T (I - gamma P_pi)^{-1} r_pi */
ad exact_J_node(ad_tape *t, const exact *x, ad theta)
{
    int nS = x->nS, nA = x->nA;
    ad pi   = ad_exp(ad_log_softmax(ad_view(theta, 0, nS, nA)));            /* [nS x nA] */
    ad r_pi = ad_row_sum(ad_mul(pi, ad_input(t, x->r, nS, nA)));            /* [nS x 1]  */
    ad P_pi = NULL;                             /* [nS x nS] sum_a pi(a|.) P(.|.,a) */
    for (int a = 0; a < nA; a++) {
        ad term = ad_mul(ad_cols(ad_columns(pi, a, 1), nS), transition_node(t, x, a));
        P_pi = P_pi ? ad_add(P_pi, term) : term;
    }
    ad V = ad_solve(ad_sub(ad_eye(t, nS), ad_scale(x->gamma, P_pi)), r_pi); /* [nS x 1]  */
    return ad_dot(ad_input(t, x->M->mu0, nS, 1), V);
}

void exact_sum_over_time(const exact *x, bool transposed, const double *f, double *sum)
{
    int nS = x->nS;
    size_t bytes = (size_t)nS * (size_t)nS * sizeof(double);
    double *power = allocate(2 * (size_t)nS * (size_t)nS, sizeof *power, "powers of P_pi");     /* (gamma P)^T */
    double *square = power + nS * nS;
    double *tail = allocate((size_t)nS, sizeof *tail, "a sum over time");
    for (int i = 0; i < nS; i++)
        for (int j = 0; j < nS; j++)
            power[i * nS + j] = x->gamma * x->P_pi[transposed ? j * nS + i : i * nS + j];
    memcpy(sum, f, (size_t)nS * sizeof *sum);
    for (int doublings = 0; doublings < 64; doublings++) {
        linalg_matvec(nS, nS, power, sum, tail);
        for (int s = 0; s < nS; s++) sum[s] += tail[s];
        if (linalg_max_abs(nS * nS, power) * nS < 0x1p-60) break;       /* a bound on its row sums */
        linalg_matmul(false, false, nS, nS, nS, power, power, square);
        memcpy(power, square, bytes);
    }
    free(power);
    free(tail);
}

/* ---- optimal values by policy iteration ---- */

/* V of a deterministic policy and k, returning sum_s V(s). Closed states, absorbing or unbounded, are worth 0
 * and never left. */
static double evaluate(const mdp *M, double gamma, const bool *closed, const int *policy, double *V, double *k)
{
    size_t nS = (size_t)M->nS;
    double *pi = allocate(nS * (size_t)M->nA, sizeof *pi, "a policy");
    double *P_pi = allocate(nS * nS, sizeof *P_pi, "a transition matrix");
    double *r_pi = allocate(nS, sizeof *r_pi, "rewards"), total = 0;
    for (int s = 0; s < M->nS; s++) {
        pi[s * M->nA + policy[s]] = 1;
        r_pi[s] = closed[s] ? 0 : mdp_reward(M, s, policy[s]);
    }
    transition_matrix(M, closed, pi, P_pi);
    linalg_lu *lu = bellman_matrix(M->nS, gamma, P_pi);
    linalg_lu_solve(lu, false, 1, r_pi, V);
    *k = inverse_norm(M->nS, lu);
    for (int s = 0; s < M->nS; s++) total += V[s];
    linalg_lu_free(lu);
    free(pi);
    free(P_pi);
    free(r_pi);
    if (!isfinite(total))
        numerical_failure("%s: the optimal values are too large for double precision", M->name);
    return total;
}

/* The average reward per step from each state that never reaches a closed one under the policy, 0 elsewhere:
 * lim_T ((I + P) / 2)^T r, by squaring; half of a step at a time has no period. */
static void average_reward(const mdp *M, const bool *ends, const int *policy, double *gain)
{
    int nS = M->nS;
    double *P = allocate(2 * (size_t)nS * (size_t)nS, sizeof *P, "a limit matrix");
    double *square = P + nS * nS;
    double *r = allocate((size_t)nS, sizeof *r, "rewards");
    for (int s = 0; s < nS; s++) {
        int row = s * M->nA + policy[s];
        P[s * nS + s] = ends[s] ? 1 : 0.5;
        if (ends[s]) continue;
        r[s] = mdp_reward(M, s, policy[s]);
        for (int k = M->row[row]; k < M->row[row + 1]; k++) P[s * nS + M->next[k]] += M->P[k] / 2;
    }
    for (int doublings = 0; doublings < 60; doublings++) {
        linalg_matmul(false, false, nS, nS, nS, P, P, square);
        for (int s = 0; s < nS; s++) {
            double sum = 0, *to = P + s * nS, *from = square + s * nS;
            for (int j = 0; j < nS; j++) sum += from[j];
            for (int j = 0; j < nS; j++) to[j] = from[j] / sum;         /* rounding must not drift */
        }
    }
    linalg_matvec(nS, nS, P, r, gain);
    free(P);
    free(r);
}

/* Under this policy some states never reach a closed one. Where they earn more than 0 a step for ever, they and
 * all that can reach them under any policy are closed as unbounded. false when none does. */
static bool close_unbounded(const mdp *M, const bool *ends, const int *policy, bool *closed, bool *unbounded)
{
    size_t nS = (size_t)M->nS;
    double *gain = allocate(nS, sizeof *gain, "average rewards"), largest_r = 0;
    double *any = allocate(nS * (size_t)M->nA, sizeof *any, "a policy");
    bool *earns = allocate(2 * nS, sizeof *earns, "a search"), *can = earns + nS, found = false;
    average_reward(M, ends, policy, gain);
    for (int s = 0; s < M->nS; s++) largest_r = fmax(largest_r, fabs(mdp_reward(M, s, policy[s])));
    for (int s = 0; s < M->nS; s++)
        found |= earns[s] = !ends[s] && gain[s] > 1e2 * M->nS * DBL_EPSILON * largest_r;
    for (size_t i = 0; i < nS * (size_t)M->nA; i++) any[i] = 1;
    never_ends(M, earns, any, can);                                     /* can: reaches one that earns */
    for (int s = 0; s < M->nS && found; s++)
        if (can[s]) closed[s] = unbounded[s] = true;
    free(gain);
    free(any);
    free(earns);
    return found;
}

/* A policy from which every state reaches a closed one: each takes an action that may lead to a state done
 * before. The states where none exists keep action 0. */
static void proper_policy(const mdp *M, const bool *closed, int *policy)
{
    bool *done = allocate((size_t)M->nS, sizeof *done, "a search"), changed = true;
    memcpy(done, closed, (size_t)M->nS * sizeof *done);
    memset(policy, 0, (size_t)M->nS * sizeof *policy);
    while (changed) {
        changed = false;
        for (int s = M->nS - 1; s >= 0; s--)
            for (int a = 0; a < M->nA && !done[s]; a++)
                for (int k = M->row[s * M->nA + a]; k < M->row[s * M->nA + a + 1] && !done[s]; k++)
                    if (done[M->next[k]]) {
                        policy[s] = a;
                        done[s] = changed = true;
                    }
    }
    free(done);
}

static double scale_of_Q(const mdp *M, double gamma, const double *V)       /* max |Q(s,a)| */
{
    double scale = 0;
    for (int s = 0; s < M->nS; s++)
        for (int a = 0; a < M->nA; a++) scale = fmax(scale, fabs(action_value(M, gamma, V, s, a)));
    return scale;
}

/* policy(s) <- argmax_a Q(s,a), kept where nothing is better by more than rounding max|Q|. */
static bool improve(const mdp *M, double gamma, const bool *closed, const double *V, double rounding,
                    int *policy)
{
    bool changed = false;
    rounding *= scale_of_Q(M, gamma, V);
    for (int s = 0; s < M->nS; s++) {
        if (closed[s]) continue;
        double best = action_value(M, gamma, V, s, policy[s]);
        for (int a = 0; a < M->nA; a++) {
            double Q = action_value(M, gamma, V, s, a);
            if (!(Q > best + rounding)) continue;
            best = Q;
            policy[s] = a;
            changed = true;
        }
    }
    return changed;
}

/* For gamma < 1: the lowest-numbered action that is optimal up to 1e-12 max |Q|. */
static void lowest_optimal(const mdp *M, double gamma, const double *V, int *policy)
{
    double tie = 1e-12 * scale_of_Q(M, gamma, V);
    for (int s = 0; s < M->nS; s++) {
        double best = -INFINITY;
        for (int a = 0; a < M->nA; a++) best = fmax(best, action_value(M, gamma, V, s, a));
        policy[s] = 0;
        while (action_value(M, gamma, V, s, policy[s]) < best - tie) policy[s]++;
    }
}

/* Whether every state reaches a closed one under a deterministic policy; ends[s]: this one does. */
static bool all_end(const mdp *M, const bool *closed, const int *policy, bool *ends)
{
    double *pi = allocate((size_t)M->nS * (size_t)M->nA, sizeof *pi, "a policy");
    for (int s = 0; s < M->nS; s++) pi[s * M->nA + policy[s]] = 1;
    bool all = never_ends(M, closed, pi, ends) < 0;
    free(pi);
    return all;
}

/* Policy iteration from a policy that ends. V is known to u N k max|Q|: what seems better by less is no better
 * (at most 1e-11 max|Q|, as the first policy may have a large k). That bound grows whenever what seemed better
 * was not: the sum of V did not rise, or, at gamma = 1, the better policy goes round for ever and earns nothing. */
static void policy_iteration(const mdp *M, double gamma, bool *closed, bool *unbounded, double *V, int *policy,
                             double *unit)
{
    size_t nS = (size_t)M->nS;
    int *before = allocate(nS, sizeof *before, "a policy");
    bool *ends = allocate(nS, sizeof *ends, "a search");
    double total = -INFINITY, k, u_N = DBL_EPSILON * fmax(M->nS, 4), growth = 1;
    proper_policy(M, closed, policy);
    do {
        double total_before = total;
        if (gamma == 1 && !all_end(M, closed, policy, ends)) {
            if (close_unbounded(M, ends, policy, closed, unbounded)) {
                proper_policy(M, closed, policy);
                total_before = -INFINITY;
            } else {
                memcpy(policy, before, nS * sizeof *policy);
            }
        }
        total = evaluate(M, gamma, closed, policy, V, &k);
        if (!(total > total_before)) growth *= 2;
        memcpy(before, policy, nS * sizeof *policy);
    } while (improve(M, gamma, closed, V, growth * fmin(u_N * k, 1e-11), policy));
    *unit = u_N * k * fmax(1, scale_of_Q(M, gamma, V));
    free(before);
    free(ends);
}

bool exact_optimal(const mdp *M, double gamma, double *V, int *policy, double *unit, char *error, size_t size)
{
    size_t nS = (size_t)M->nS, n = nS * (size_t)M->nA;
    bool *closed = allocate(2 * nS, sizeof *closed, "optimal values"), *unbounded = closed + nS;
    double *any = allocate(n, sizeof *any, "optimal values");
    for (size_t i = 0; i < n; i++) any[i] = 1;                          /* every action possible */
    for (int s = 0; s < M->nS; s++) closed[s] = mdp_absorbing(M, s);
    bool solved = solvable(M, gamma, closed, any, error, size);
    if (solved) {
        policy_iteration(M, gamma, closed, unbounded, V, policy, unit);
        if (gamma < 1) lowest_optimal(M, gamma, V, policy);
        for (int s = 0; s < M->nS; s++)
            if (unbounded[s]) {
                V[s] = NAN;
                policy[s] = -1;
            }
    }
    free(closed);
    free(any);
    return solved;
}

double exact_optimal_residual(const mdp *M, double gamma, const double *V)
{
    double residual = 0;
    for (int s = 0; s < M->nS; s++) {
        if (isnan(V[s])) continue;
        double best = -INFINITY;
        for (int a = 0; a < M->nA; a++) best = fmax(best, action_value(M, gamma, V, s, a));
        if (!mdp_absorbing(M, s)) residual = linalg_greater(residual, fabs(best - V[s]));
    }
    return residual;
}
