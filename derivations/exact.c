/* The exact layer: see exact.h. One function per equation, in the order of their dependence. */
#include "derivations/exact.h"

#include <float.h>
#include <gsl/gsl_math.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "autodiff/linalg.h"
#include "autodiff/require.h"
#include "derivations/exact_bellman.h"
#include "derivations/exact_parts.h"

/*[snip softmax]*/
/* pi(a|s) = exp(z[s,a]) / sum_b exp(z[s,b]) and its logarithm, the row's maximum taken out first */
static void softmax(int nS, int nA, const double *logits, double *logpi, double *pi)
{
    for (int s = 0; s < nS; s++) {
        const double *z = logits + s * nA;
        double max = z[0], sum = 0;
        for (int a = 1; a < nA; a++) max = fmax(max, z[a]);
        for (int a = 0; a < nA; a++) sum += pi[s * nA + a] = exp(z[a] - max);
        double log_sum = log(sum);
        for (int a = 0; a < nA; a++) {
            logpi[s * nA + a] = (z[a] - max) - log_sum;
            pi[s * nA + a] /= sum;
        }
    }
}
/*[/snip]*/

/* P_pi(s,s') = sum_a pi(a|s) P(s'|s,a) between decision states */
sparse *transition_matrix(const mdp *M, const bool *closed, const double *pi)
{
    sparse *P = sparse_new(M->nS, M->row[M->nS * M->nA]);
    int *at = allocate((size_t)M->nS, sizeof *at, "a transition matrix"), end = 0;  /* 1 + where s' is */
    for (int s = 0; s < M->nS; s++) {
        for (int i = s * M->nA; i < (s + 1) * M->nA && !closed[s]; i++) {
            if (pi[i] == 0) continue;
            for (int k = M->row[i]; k < M->row[i + 1]; k++) {
                int s1 = M->next[k];
                if (closed[s1]) continue;
                if (at[s1] <= P->row[s]) {
                    P->col[end] = s1;
                    at[s1] = ++end;
                }
                P->x[at[s1] - 1] += pi[i] * M->P[k];
            }
        }
        P->row[s + 1] = end;
    }
    free(at);
    return P;
}

static double *dense_matrix(const sparse *P)
{
    size_t n = (size_t)P->n;
    double *A = allocate(n * n, sizeof *A, "the transition matrix of a policy");
    for (size_t s = 0; s < n; s++)
        for (int k = P->row[s]; k < P->row[s + 1]; k++) A[s * n + (size_t)P->col[k]] = P->x[k];
    return A;
}

/*[snip rewards]*/
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
    if (!isfinite(linalg_max_abs(M->nS, r_pi)))
        numerical_failure("%s: the rewards are too large for double precision", M->name);
}
/*[/snip]*/

double action_value(const mdp *M, double gamma, const double *r, const double *V, int i)
{
    double next = 0;
    for (int k = M->row[i]; k < M->row[i + 1]; k++) next += M->P[k] * V[M->next[k]];
    return r[i] + gamma * next;
}

/* Which rows i = s*nA + a lead to each state: the entries from[row[s1]] .. from[row[s1 + 1] - 1] */
static int *predecessors(const mdp *M, const double *pi, int *row)
{
    int rows = M->nS * M->nA, *from = allocate((size_t)M->row[rows], sizeof *from, "a search");
    for (int i = 0; i < rows; i++)
        for (int k = M->row[i]; k < M->row[i + 1]; k++)
            if (!pi || pi[i] > 0) row[M->next[k] + 1]++;
    for (int s = 0; s < M->nS; s++) row[s + 1] += row[s];
    for (int i = 0; i < rows; i++)
        for (int k = M->row[i]; k < M->row[i + 1]; k++)
            if (!pi || pi[i] > 0) from[row[M->next[k]]++] = i;
    for (int s = M->nS; s > 0; s--) row[s] = row[s - 1];
    row[0] = 0;
    return from;
}

/* Backward from the targets, breadth first */
int reaches(const mdp *M, const bool *target, const double *pi, bool *can, int *action)
{
    int *row = allocate(2 * (size_t)M->nS + 1, sizeof *row, "a search"), *queue = row + M->nS + 1, found = 0;
    int *from = predecessors(M, pi, row);
    for (int s = 0; s < M->nS; s++)
        if ((can[s] = target[s])) queue[found++] = s;
    for (int done = 0; done < found; done++)
        for (int k = row[queue[done]]; k < row[queue[done] + 1]; k++) {
            int s = from[k] / M->nA;
            if (can[s]) continue;
            can[s] = true;
            if (action) action[s] = from[k] % M->nA;
            queue[found++] = s;
        }
    free(from);
    free(row);
    for (int s = 0; s < M->nS; s++)
        if (!can[s]) return s;
    return -1;
}

bool all_end(const mdp *M, double gamma, const bool *absorbing, const double *pi, char *error, size_t size)
{
    if (gamma < 1) return true;
    bool *can = allocate((size_t)M->nS, sizeof *can, "a search");
    int s = reaches(M, absorbing, pi, can, NULL);
    free(can);
    if (s < 0) return true;
    snprintf(error, size, "%s: at gamma = 1 expected every state to reach an absorbing zero-reward state under "
             "the policy, found state %d%s%s%s that does not", M->name, s, M->state_name ? " (" : "",
             M->state_name ? M->state_name[s] : "", M->state_name ? ")" : "");
    return false;
}

/* MDP-12  rho = (I - gamma P_pi^T)^{-1} mu0; an absorbing state collects what flows in, again and again
 * with a factor gamma. */
static void visitation(exact *x, const bellman *B)
{
    const mdp *M = x->M;
    double *mu0 = allocate((size_t)x->nS, sizeof *mu0, "a start distribution"), total = 0;
    for (int s = 0; s < x->nS; s++) mu0[s] = x->absorbing[s] ? 0 : M->mu0[s];
    bellman_solve(B, true, mu0, x->rho);
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

static double jacobian_norm(const exact *x)         /* max(1, max_j sum_i |J_z[i,j]|) */
{
    double greatest = 1;
    for (int j = 0; j < x->n && x->J_z; j++) {
        double sum = 0;
        for (int i = 0; i < x->nSA; i++) sum += fabs(x->J_z[(size_t)i * (size_t)x->n + (size_t)j]);
        greatest = linalg_greater(greatest, sum);
    }
    return greatest;
}

static void set_units(exact *x)
{
    double u = DBL_EPSILON, N = fmax(x->nS, 4);
    double M = fmax(1, fmax(linalg_max_abs(x->nS, x->V), linalg_max_abs(x->nSA, x->A)));
    x->unit_V = u * N * x->k * M;
    x->unit_rho = u * N * x->k * x->k;
    x->c = jacobian_norm(x);
    x->unit_gradient = u * N * x->k * x->k * M * x->c;
    x->unit_fisher = fmax(u, x->unit_rho * x->fisher_scale) * x->c * x->c;
}

/*[snip values]*/
static void values(exact *x)
{
    bellman *B = bellman_new(x->gamma, x->P, x->P_pi);
    bellman_solve(B, false, x->r_pi, x->V);                     /* MDP-8   V = (I - gamma P_pi)^{-1} r_pi */
    for (int i = 0; i < x->nSA; i++) {
        int s = i / x->nA;
        x->Q[i] = x->absorbing[s] ? 0 : action_value(x->M, x->gamma, x->r, x->V, i);
        x->A[i] = x->Q[i] - x->V[s];                            /* MDP-9   A = Q - V */
    }
    if (!isfinite(linalg_max_abs(x->nS, x->V)) || !isfinite(linalg_max_abs(x->nSA, x->Q)))
        numerical_failure("%s: the values are too large for double precision", x->M->name);
    x->J = linalg_dot(x->nS, x->M->mu0, x->V);                  /* MDP-6   J = mu0^T V */
    x->k = bellman_norm(B);
    visitation(x, B);
    bellman_free(B);
    set_units(x);
}
/*[/snip]*/

/* Memory for everything but J_z and P_pi */
static exact *exact_allocate(const mdp *M, double gamma, const policy_class *policy)
{
    exact *x = allocate(1, sizeof *x, "an exact solution");
    size_t nS = (size_t)M->nS, nSA = nS * (size_t)M->nA;
    bool tabular = policy->kind == POLICY_TABULAR;
    *x = (exact){ .M = M, .gamma = gamma, .policy = *policy, .nS = M->nS, .nA = M->nA, .nSA = M->nS * M->nA,
                  .n = policy->n };
    double *p = allocate(4 * nS + 6 * nSA + (tabular ? 0 : (size_t)x->n), sizeof *p, "an exact solution");
    x->logits = p;          x->logpi = p + nSA;     x->pi = p + 2 * nSA;
    x->r = p + 3 * nSA;     x->Q = p + 4 * nSA;     x->A = p + 5 * nSA;
    x->V = p + 6 * nSA;     x->r_pi = x->V + nS;    x->rho = x->V + 2 * nS;     x->d = x->V + 3 * nS;
    x->theta = tabular ? x->logits : x->V + 4 * nS;
    x->absorbing = allocate(nS, sizeof *x->absorbing, "an exact solution");
    return x;
}

/* z and J_z at theta; false when J_z is too large */
static bool logits_and_jacobian(exact *x)
{
    if (x->policy.kind == POLICY_TABULAR) return true;
    if ((double)x->nSA * x->n > EXACT_MAX_JACOBIAN) return false;
    policy_logits_at(&x->policy, x->theta, x->logits);
    x->J_z = allocate((size_t)x->nSA * (size_t)x->n, sizeof *x->J_z, "the Jacobian of the logits");
    policy_jacobian(&x->policy, x->theta, x->J_z);
    return true;
}

static exact *solve(const mdp *M, double gamma, const policy_class *p, const double *theta, bool dense,
                    char *error, size_t size)
{
    require(p->nS == M->nS && p->nA == M->nA, "a policy for %d states, %d actions", p->nS, p->nA);
    exact *x = exact_allocate(M, gamma, p);
    memcpy(x->theta, theta, (size_t)x->n * sizeof *theta);
    bool fits = logits_and_jacobian(x);
    if (!fits) snprintf(error, size, "%s: %d parameters for %d logits: J_z is too large", M->name, x->n, x->nSA);
    softmax(x->nS, x->nA, x->logits, x->logpi, x->pi);
    for (int s = 0; s < x->nS; s++) x->absorbing[s] = mdp_absorbing(M, s);
    if (!fits || !all_end(M, gamma, x->absorbing, x->pi, error, size)) {
        exact_free(x);
        return NULL;
    }
    x->P = transition_matrix(M, x->absorbing, x->pi);
    if (dense) x->P_pi = dense_matrix(x->P);
    rewards(M, x->pi, x->r, x->r_pi);
    values(x);
    return x;
}

exact *exact_new_policy(const mdp *M, double gamma, const policy_class *p, const double *theta, char *error,
                        size_t size)
{
    return solve(M, gamma, p, theta, M->nS <= EXACT_MAX_DENSE, error, size);
}

exact *exact_new_sparse(const mdp *M, double gamma, const policy_class *p, const double *theta, char *error,
                        size_t size)
{
    return solve(M, gamma, p, theta, false, error, size);
}

exact *exact_new(const mdp *M, double gamma, const double *logits, char *error, size_t size)
{
    policy_class tabular = { .kind = POLICY_TABULAR, .nS = M->nS, .nA = M->nA, .n = M->nS * M->nA };
    return exact_new_policy(M, gamma, &tabular, logits, error, size);
}

void exact_free(exact *x)
{
    if (!x) return;
    free(x->logits);        /* and all that was cut from the same block */
    free(x->absorbing);
    sparse_free(x->P);
    free(x->P_pi);
    free(x->J_z);
    free(x);
}

void exact_chain(const exact *x, const double *w, double *g)
{
    if (x->policy.kind == POLICY_TABULAR) memmove(g, w, (size_t)x->n * sizeof *g);
    else                                  policy_vjp(&x->policy, x->theta, w, g);
}

double exact_rho(const exact *x, int s) { return x->absorbing[s] ? 0 : x->rho[s]; }

/* I - gamma P_pi into B [nS x nS], zeroed, and r_pi [nS], in one pass */
static void bellman_system(const mdp *M, double gamma, const double *pi, double *B, double *r_pi)
{
    for (int s = 0; s < M->nS; s++) {
        double *row = B + (size_t)s * (size_t)M->nS;
        row[s] = 1;
        r_pi[s] = 0;
        if (mdp_absorbing(M, s)) continue;                      /* V(s) = 0, so its column does not matter */
        for (int i = s * M->nA; i < (s + 1) * M->nA; i++) {
            double r = 0;
            for (int k = M->row[i]; k < M->row[i + 1]; k++) {
                r += M->P[k] * M->R[k];
                row[M->next[k]] -= gamma * pi[i] * M->P[k];
            }
            r_pi[s] += pi[i] * r;
        }
    }
}

/* No row of gamma P sums to more than q = gamma (1 + 1e-9), the tolerance of mdp.h; where q < 1 beyond doubt,
 * 1/(1 - q) bounds the inverse, and one factorisation and one solve are enough. */
bool exact_V(const mdp *M, double gamma, const double *logits, double *V, char *error, size_t size)
{
    size_t nS = (size_t)M->nS, nSA = nS * (size_t)M->nA;
    bool regular = gamma * (1 + 1e-9) < 1 - 1e-9;
    if (!regular || M->nS > EXACT_MAX_DENSE) {
        exact *x = exact_new(M, gamma, logits, error, size);
        if (x) memcpy(V, x->V, nS * sizeof *V);
        exact_free(x);
        return x != NULL;
    }
    double *pi = allocate(2 * nSA + nS, sizeof *pi, "values"), *logpi = pi + nSA, *r_pi = logpi + nSA;
    linalg_lu *B = linalg_lu_new(M->nS);
    softmax(M->nS, M->nA, logits, logpi, pi);
    bellman_system(M, gamma, pi, B->LU, r_pi);
    bool solvable = linalg_lu_in_place(B) == LINALG_OK && isfinite(linalg_max_abs(M->nS, r_pi));
    if (solvable) linalg_lu_solve(B, false, 1, r_pi, V);
    if (!solvable || !isfinite(linalg_max_abs(M->nS, V)))
        numerical_failure("%s: the values are too large for double precision", M->name);
    linalg_lu_free(B);
    free(pi);
    return true;
}

double exact_J(const mdp *M, double gamma, const double *logits)
{
    char error[256];
    double *V = allocate((size_t)M->nS, sizeof *V, "values");
    double J = exact_V(M, gamma, logits, V, error, sizeof error) ? linalg_dot(M->nS, M->mu0, V) : NAN;
    free(V);
    return J;
}

double exact_J_at(const exact *x, const double *theta)
{
    if (x->policy.kind == POLICY_TABULAR) return exact_J(x->M, x->gamma, theta);
    double *z = allocate((size_t)x->nSA, sizeof *z, "logits");
    policy_logits_at(&x->policy, theta, z);
    double J = exact_J(x->M, x->gamma, z);
    free(z);
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

/*[snip J-node]*/
/* MDP-6   J(theta) = mu0^T (I - gamma P_pi)^{-1} r_pi */
ad exact_J_node(ad_tape *t, const exact *x, ad theta)
{
    int nS = x->nS, nA = x->nA;
    ad pi   = ad_exp(ad_log_softmax(policy_logits(t, &x->policy, theta)));  /* [nS x nA] */
    ad r_pi = ad_row_sum(ad_mul(pi, ad_input(t, x->r, nS, nA)));            /* [nS x 1]  */
    ad P_pi = NULL;                             /* [nS x nS] sum_a pi(a|.) P(.|.,a) */
    for (int a = 0; a < nA; a++) {
        ad term = ad_mul(ad_cols(ad_columns(pi, a, 1), nS), transition_node(t, x, a));
        P_pi = P_pi ? ad_add(P_pi, term) : term;
    }
    ad V = ad_solve(ad_sub(ad_eye(t, nS), ad_scale(x->gamma, P_pi)), r_pi); /* [nS x 1]  */
    return ad_dot(ad_input(t, x->M->mu0, nS, 1), V);
}
/*[/snip]*/

/* The same step by step */
static void sum_by_steps(const exact *x, bool transposed, int T, const double *f, double *sum)
{
    size_t nS = (size_t)x->nS;
    double *now = allocate(2 * nS, sizeof *now, "a sum over time"), *next = now + nS;
    memcpy(now, f, nS * sizeof *now);
    memcpy(sum, f, nS * sizeof *sum);
    for (int t = 1; t <= T; t++) {
        sparse_times(x->P, transposed, now, next);
        for (size_t s = 0; s < nS; s++) sum[s] += now[s] = x->gamma * next[s];
    }
    free(now);
}

void exact_sum_over_time(const exact *x, bool transposed, const double *f, double *sum)
{
    int nS = x->nS;
    double T = x->gamma < 1 ? ceil(60 * M_LN2 / -log(x->gamma)) : INFINITY;     /* gamma^T <= 2^-60 */
    require(x->P_pi, "%d states: no dense P_pi", nS);
    if (T <= nS) {                                      /* so many additions, u max|sum| each: at most a unit */
        sum_by_steps(x, transposed, (int)T, f, sum);
        return;
    }
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
