/* Optimal values, by policy iteration and by value iteration: see exact.h. */
#include <float.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "autodiff/linalg.h"
#include "autodiff/require.h"
#include "derivations/exact.h"
#include "derivations/exact_bellman.h"
#include "derivations/exact_parts.h"

/* What is being planned. Closed states, absorbing or unbounded, are worth 0 and never left. */
struct plan {
    const mdp *M;
    double gamma;
    double *r, *Q;              /* [nS x nA] */
    bool *closed, *unbounded;   /* [nS] */
    bool *ends;                 /* [nS] a closed state is reached under the policy */
    double *V;                  /* [nS] of the policy */
    int *policy;                /* [nS] */
};

static struct plan plan_new(const mdp *M, double gamma, double *V, int *policy)
{
    size_t nS = (size_t)M->nS, nSA = nS * (size_t)M->nA;
    struct plan p = { .M = M, .gamma = gamma, .V = V, .policy = policy };
    p.r = allocate(2 * nSA, sizeof *p.r, "optimal values");
    p.Q = p.r + nSA;
    p.closed = allocate(3 * nS, sizeof *p.closed, "optimal values");
    p.unbounded = p.closed + nS;
    p.ends = p.closed + 2 * nS;
    for (int i = 0; i < M->nS * M->nA; i++) p.r[i] = mdp_reward(M, i / M->nA, i % M->nA);
    for (int s = 0; s < M->nS; s++) p.closed[s] = mdp_absorbing(M, s);
    return p;
}

static void plan_free(struct plan *p)
{
    free(p->r);
    free(p->closed);
}

/* The deterministic policy as a table; the caller's to free */
static double *policy_table(const struct plan *p)
{
    int nS = p->M->nS, nA = p->M->nA;
    double *pi = allocate((size_t)nS * (size_t)nA, sizeof *pi, "a policy");
    for (int s = 0; s < nS; s++) pi[s * nA + p->policy[s]] = 1;
    return pi;
}

/* V of the policy and k, returning sum_s V(s) */
static double evaluate(struct plan *p, double *k)
{
    const mdp *M = p->M;
    double *pi = policy_table(p), *r_pi = allocate((size_t)M->nS, sizeof *r_pi, "rewards"), total = 0;
    for (int s = 0; s < M->nS; s++) r_pi[s] = p->closed[s] ? 0 : p->r[s * M->nA + p->policy[s]];
    sparse *P_pi = transition_matrix(M, p->closed, pi);
    bellman *B = bellman_new(p->gamma, P_pi, M->nS <= EXACT_MAX_DENSE);
    bellman_solve(B, false, r_pi, p->V);
    *k = bellman_norm(B);
    for (int s = 0; s < M->nS; s++) total += p->V[s];
    bellman_free(B);
    sparse_free(P_pi);
    free(r_pi);
    free(pi);
    if (!isfinite(total))
        numerical_failure("%s: the optimal values are too large for double precision", M->name);
    return total;
}

/* ---- gamma = 1: policies that never end ---- */

static bool policy_ends(struct plan *p)
{
    double *pi = policy_table(p);
    bool all = reaches(p->M, p->closed, pi, p->ends, NULL) < 0;
    free(pi);
    return all;
}

/* A policy under which every state reaches a closed one, if it can at all; the others keep action 0 */
static void proper_policy(struct plan *p)
{
    memset(p->policy, 0, (size_t)p->M->nS * sizeof *p->policy);
    reaches(p->M, p->closed, NULL, p->ends, p->policy);
}

/* The average reward per step from each state that never reaches a closed one under the policy, 0
 * elsewhere: lim_T ((I + P) / 2)^T r, by squaring; half of a step at a time has no period. */
static void average_reward(const struct plan *p, double *gain)
{
    const mdp *M = p->M;
    int nS = M->nS;
    double *P = allocate(2 * (size_t)nS * (size_t)nS, sizeof *P, "a limit matrix");
    double *square = P + nS * nS;
    double *r = allocate((size_t)nS, sizeof *r, "rewards");
    for (int s = 0; s < nS; s++) {
        int row = s * M->nA + p->policy[s];
        P[s * nS + s] = p->ends[s] ? 1 : 0.5;
        if (p->ends[s]) continue;
        r[s] = p->r[row];
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

/* Under this policy some states never reach a closed one. Where they earn more than 0 a step for ever, they
 * and all that can reach them under any policy are closed as unbounded. false when none does. */
static bool close_unbounded(struct plan *p)
{
    const mdp *M = p->M;
    size_t nS = (size_t)M->nS;
    double *gain = allocate(nS, sizeof *gain, "average rewards"), largest_r = 0;
    bool *earns = allocate(2 * nS, sizeof *earns, "a search"), *can = earns + nS, found = false;
    average_reward(p, gain);
    for (int s = 0; s < M->nS; s++) largest_r = fmax(largest_r, fabs(p->r[s * M->nA + p->policy[s]]));
    for (int s = 0; s < M->nS; s++)
        found |= earns[s] = !p->ends[s] && gain[s] > 1e2 * M->nS * DBL_EPSILON * largest_r;
    reaches(M, earns, NULL, can, NULL);
    for (int s = 0; s < M->nS && found; s++)
        if (can[s]) p->closed[s] = p->unbounded[s] = true;
    free(gain);
    free(earns);
    return found;
}

/* ---- policy iteration ---- */

static double backup(struct plan *p)                            /* Q of V; max |Q(s,a)| */
{
    int nSA = p->M->nS * p->M->nA;
    for (int i = 0; i < nSA; i++) p->Q[i] = action_value(p->M, p->gamma, p->r, p->V, i);
    return linalg_max_abs(nSA, p->Q);
}

/* policy(s) <- argmax_a Q(s,a), kept where nothing is better by more than rounding */
static bool improve(struct plan *p, double rounding)
{
    bool changed = false;
    for (int s = 0; s < p->M->nS; s++) {
        const double *Q = p->Q + s * p->M->nA;
        if (p->closed[s]) continue;
        double best = Q[p->policy[s]];
        for (int a = 0; a < p->M->nA; a++) {
            if (!(Q[a] > best + rounding)) continue;
            best = Q[a];
            p->policy[s] = a;
            changed = true;
        }
    }
    return changed;
}

/* For gamma < 1: the lowest-numbered action that is optimal up to 1e-12 of its state's value, or one unit of
 * rounding, of which at most 1e-12 max |Q| counts. */
static void lowest_optimal(struct plan *p, double rounding)
{
    rounding = fmin(rounding, 1e-12 * backup(p));
    for (int s = 0; s < p->M->nS; s++) {
        const double *Q = p->Q + s * p->M->nA;
        double best = -INFINITY;
        for (int a = 0; a < p->M->nA; a++) best = fmax(best, Q[a]);
        double tie = fmax(rounding, 1e-12 * fabs(best));
        p->policy[s] = 0;
        while (Q[p->policy[s]] < best - tie) p->policy[s]++;
    }
}

/* At gamma = 1 the policy is made one that ends: by closing what is unbounded, else by going back to the
 * one before. True when something was closed. */
static bool make_proper(struct plan *p, const int *before)
{
    if (policy_ends(p)) return false;
    bool closed = close_unbounded(p);
    if (closed) proper_policy(p);
    else        memcpy(p->policy, before, (size_t)p->M->nS * sizeof *p->policy);
    return closed;
}

/* Policy iteration; at gamma = 1 from a policy that ends. V is known to u N k max|Q|: what seems better by
 * less is no better (at most 1e-11 max|Q|, as the first policy may have a large k). That bound grows
 * whenever what seemed better was not: the sum of V did not rise, or, at gamma = 1, the better policy goes
 * round for ever and earns nothing. Returns u N k max|Q|, at least u N k. */
static double policy_iteration(struct plan *p)
{
    size_t nS = (size_t)p->M->nS;
    int *before = allocate(nS, sizeof *before, "a policy");
    double total = -INFINITY, k, scale, u_N = DBL_EPSILON * fmax(p->M->nS, 4), growth = 1;
    memset(p->V, 0, nS * sizeof *p->V);
    memset(p->policy, 0, nS * sizeof *p->policy);
    if (p->gamma == 1) proper_policy(p);
    else {
        backup(p);
        improve(p, 0);                                          /* the best rewards */
    }
    do {
        double total_before = total;
        if (p->gamma == 1 && make_proper(p, before)) total_before = -INFINITY;
        total = evaluate(p, &k);
        if (!(total > total_before)) growth *= 2;
        memcpy(before, p->policy, nS * sizeof *before);
        scale = backup(p);
    } while (improve(p, growth * fmin(u_N * k, 1e-11) * scale));
    free(before);
    return u_N * k * fmax(1, scale);
}

bool exact_optimal(const mdp *M, double gamma, double *V, int *policy, double *unit, char *error, size_t size)
{
    struct plan p = plan_new(M, gamma, V, policy);
    bool solvable = all_end(M, gamma, p.closed, NULL, error, size);
    if (solvable && gamma == 1 && M->nS > EXACT_MAX_DENSE) {
        snprintf(error, size, "%s: optimal values at gamma = 1: expected at most %d states, found %d", M->name,
                 EXACT_MAX_DENSE, M->nS);
        solvable = false;
    }
    if (solvable) {
        *unit = policy_iteration(&p);
        if (gamma < 1) lowest_optimal(&p, *unit);
        for (int s = 0; s < M->nS; s++)
            if (p.unbounded[s]) {
                V[s] = NAN;
                policy[s] = -1;
            }
    }
    plan_free(&p);
    return solvable;
}

double exact_optimal_residual(const mdp *M, double gamma, const double *V)
{
    double residual = 0;
    for (int s = 0; s < M->nS; s++) {
        if (isnan(V[s]) || mdp_absorbing(M, s)) continue;
        double best = -INFINITY;
        for (int a = 0; a < M->nA; a++) {
            double next = 0;
            for (int i = s * M->nA + a, k = M->row[i]; k < M->row[i + 1]; k++) next += M->P[k] * V[M->next[k]];
            best = fmax(best, mdp_reward(M, s, a) + gamma * next);
        }
        residual = linalg_greater(residual, fabs(best - V[s]));
    }
    return residual;
}

/* ---- value iteration ---- */

/* next(s) = max_a [ r(s,a) + gamma sum_s' P(s'|s,a) V(s') ]; the least and greatest of next - V, closed
 * states' 0 among them */
static void sweep(const struct plan *p, const double *V, double *next, double *low, double *high)
{
    *low = INFINITY;
    *high = -INFINITY;
    for (int s = 0; s < p->M->nS; s++) {
        double best = p->closed[s] ? V[s] : -INFINITY;
        for (int i = s * p->M->nA; i < (s + 1) * p->M->nA && !p->closed[s]; i++)
            best = fmax(best, action_value(p->M, p->gamma, p->r, V, i));
        next[s] = best;
        *low = fmin(*low, best - V[s]);
        *high = fmax(*high, best - V[s]);
    }
}

/* The contraction factor q of a sweep, gamma times the greatest row sum; and the longest row */
static double contraction(const struct plan *p, int *longest)
{
    const mdp *M = p->M;
    double greatest = 0;
    *longest = 0;
    for (int i = 0; i < M->nS * M->nA; i++) {
        double sum = 0;
        for (int k = M->row[i]; k < M->row[i + 1]; k++) sum += M->P[k];
        greatest = fmax(greatest, sum);
        if (M->row[i + 1] - M->row[i] > *longest) *longest = M->row[i + 1] - M->row[i];
    }
    return p->gamma * greatest;
}

/* The sweeps; V [nS] at the start and at the end, next [nS] for work */
static value_iteration iterate(const struct plan *p, double *V, double *next)
{
    int nS = p->M->nS, longest;
    size_t bytes = (size_t)nS * sizeof *V;
    double q = contraction(p, &longest), largest_r = linalg_max_abs(nS * p->M->nA, p->r);
    double work = 0, sweep_work = p->M->row[nS * p->M->nA] + 4.0 * nS * p->M->nA, low, high, span = INFINITY;
    for (int sweeps = 1;; sweeps++) {
        sweep(p, V, next, &low, &high);
        double most = fmax(-low, high), span_before = span;
        double rounding = (longest + 3) * DBL_EPSILON * (largest_r + linalg_max_abs(nS, next));
        bool settled = most <= rounding;
        if (settled || (work += sweep_work) > VALUE_ITERATION_WORK) {
            memcpy(V, next, bytes);
            return (value_iteration){ sweeps, settled, q < 1 ? (q * most + rounding) / (1 - q) : INFINITY };
        }
        span = high - low;
        if (q < 1 && span < most / 4) {                         /* all moves alike: gamma + gamma^2 + ... */
            for (int s = 0; s < nS; s++) V[s] = next[s] + p->gamma / (1 - p->gamma) * (low + high) / 2;
        } else if (span > 0.999 * span_before) {                /* V goes round in a circle: half of a step */
            for (int s = 0; s < nS; s++) V[s] = (V[s] + next[s]) / 2;
        } else {
            memcpy(V, next, bytes);
        }
    }
}

value_iteration exact_value_iteration(const mdp *M, double gamma, const bool *left_out, double *V)
{
    size_t nS = (size_t)M->nS;
    int *policy = allocate(nS, sizeof *policy, "a policy");
    double *next = allocate(nS, sizeof *next, "values"), k;
    struct plan p = plan_new(M, gamma, V, policy);
    for (size_t s = 0; s < nS && left_out; s++) p.closed[s] |= left_out[s];
    memset(V, 0, nS * sizeof *V);
    if (gamma == 1) {                                           /* below V*: what follows rises to it */
        proper_policy(&p);
        evaluate(&p, &k);
    }
    value_iteration result = iterate(&p, V, next);
    for (size_t s = 0; s < nS && left_out; s++)
        if (left_out[s]) V[s] = NAN;
    free(next);
    free(policy);
    plan_free(&p);
    return result;
}
