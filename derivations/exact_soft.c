/* Soft values, their gradient, and the soft optimum: see exact_soft.h. 004 (l.209-218). */
#include "derivations/exact_soft.h"

#include <float.h>
#include <math.h>
#include <stdlib.h>

#include "autodiff/distribution.h"
#include "autodiff/require.h"
#include "derivations/exact_bellman.h"
#include "derivations/exact_parts.h"
#include "derivations/policy_gradient_theorem.h"

/*[snip soft-values later]*/
/* ENT-1   H(pi(.|s)) = -sum_a pi(a|s) log pi(a|s) */
static double entropy(const exact *x, int s)
{
    double H = 0;
    for (int i = s * x->nA; i < (s + 1) * x->nA; i++) H -= x->pi[i] * x->logpi[i];
    return x->absorbing[s] ? 0 : H;
}

/* ENT-3   J = mu0^T V_soft, V_soft = (I - gamma P_pi)^{-1} (r_pi + beta H)
 * ENT-4   Q_soft = r - beta log pi + gamma P V_soft */
static void solve(soft_values *v)
{
    const exact *x = v->x;
    double *pays = allocate((size_t)x->nS, sizeof *pays, "rewards");
    for (int s = 0; s < x->nS; s++) pays[s] = x->r_pi[s] + v->beta * (v->H[s] = entropy(x, s));
    bellman *B = bellman_new(x->gamma, x->P, x->P_pi != NULL);
    bellman_solve(B, false, pays, v->V);
    for (int i = 0; i < x->nSA; i++)
        if (!x->absorbing[i / x->nA])
            v->Q[i] = action_value(x->M, x->gamma, x->r, v->V, i) - v->beta * x->logpi[i];
    for (int s = 0; s < x->nS; s++) v->J += x->M->mu0[s] * v->V[s];
    bellman_free(B);
    free(pays);
}
/*[/snip]*/

soft_values *soft_values_new(const exact *x, double beta)
{
    soft_values *v = allocate(1, sizeof *v, "soft values");
    size_t nS = (size_t)x->nS;
    *v = (soft_values){ .x = x, .beta = beta };
    v->H = allocate(2 * nS + (size_t)x->nSA, sizeof *v->H, "soft values");
    v->V = v->H + nS;
    v->Q = v->V + nS;
    solve(v);
    double unit_per_M = DBL_EPSILON * fmax(x->nS, 4) * x->k, M = x->unit_V / unit_per_M;
    double M_soft = M + beta * x->k * fmax(1, log(x->nA));
    v->unit_V = unit_per_M * M_soft;
    v->unit_gradient = x->unit_gradient * (M_soft / M);
    return v;
}

void soft_values_free(soft_values *v)
{
    if (!v) return;
    free(v->H);
    free(v);
}

double soft_J_at(const exact *x, double beta, const double *theta)
{
    char error[256];
    double *z = allocate((size_t)x->nSA, sizeof *z, "logits");
    policy_logits_at(&x->policy, theta, z);
    exact *at = exact_new(x->M, x->gamma, z, error, sizeof error);
    require(at, "%s", error);
    soft_values *v = soft_values_new(at, beta);
    double J = v->J;
    soft_values_free(v);
    exact_free(at);
    free(z);
    return J;
}

/* P(.|., a) between decision states [nS x nS] */
static ad transitions(ad_tape *t, const exact *x, int a)
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

ad soft_J_node(ad_tape *t, const exact *x, double beta, ad theta)
{
    int nS = x->nS, nA = x->nA;
    double *decides = allocate((size_t)nS, sizeof *decides, "a mask");
    for (int s = 0; s < nS; s++) decides[s] = !x->absorbing[s];
    ad z    = policy_logits(t, &x->policy, theta);
    ad pi   = ad_exp(categorical_log_probabilities(z));                         /* [nS x nA] */
    ad H    = ad_mul(ad_copy(t, decides, nS, 1), categorical_entropy(z));       /* [nS x 1] */
    ad pays = ad_add(ad_row_sum(ad_mul(pi, ad_input(t, x->r, nS, nA))), ad_scale(beta, H));
    ad P_pi = NULL;                                                             /* [nS x nS] */
    for (int a = 0; a < nA; a++) {
        ad term = ad_mul(ad_cols(ad_columns(pi, a, 1), nS), transitions(t, x, a));
        P_pi = P_pi ? ad_add(P_pi, term) : term;
    }
    free(decides);
    ad V = ad_solve(ad_sub(ad_eye(t, nS), ad_scale(x->gamma, P_pi)), pays);     /* [nS x 1] */
    return ad_dot(ad_input(t, x->M->mu0, nS, 1), V);
}

/* ---- gradients ---- */

/*[snip soft-gradients later]*/
/* ENT-4   grad J = sum_s rho(s) sum_a Q_soft(s,a) grad pi(a|s) */
void soft_gradient(const soft_values *v, double *g)
{
    gradient_sum(v->x, NULL, v->Q, g);
}

/* ENT-6   sum_s rho(s) [ sum_a Q(s,a) grad pi(a|s) + beta grad H(s) ], grad H = -sum_a (log pi + 1) grad pi */
void soft_regulariser(const exact *x, double beta, double *g)
{
    double *F = allocate((size_t)x->nSA, sizeof *F, "values");
    for (int i = 0; i < x->nSA; i++) F[i] = x->Q[i] - beta * (x->logpi[i] + 1);
    gradient_sum(x, NULL, F, g);
    free(F);
}
/*[/snip]*/

/* The logits of every time are the same z: as finite_gradient. */
void soft_finite_gradient(const finite_horizon *f, double beta, double *g)
{
    int nSA = f->M->nS * f->M->nA;
    double *all = allocate((size_t)f->x->nSA + (size_t)nSA, sizeof *all, "a gradient at all times");
    double *g_z = all + f->x->nSA;
    soft_values *v = soft_values_new(f->x, beta);
    soft_gradient(v, all);
    for (int i = 0; i < f->H * nSA; i++) g_z[i % nSA] += all[i];
    policy_vjp(f->policy, f->theta, g_z, g);
    soft_values_free(v);
    free(all);
}

/* ---- the optimum ---- */

static double log_sum_exp(int n, const double *z)
{
    double most = z[0], sum = 0;
    for (int i = 1; i < n; i++) most = fmax(most, z[i]);
    for (int i = 0; i < n; i++) sum += exp(z[i] - most);
    return most + log(sum);
}

/* A sweep is a contraction by gamma: from 0, the error after k of them is at most gamma^k max|V|. */
void soft_optimal(const mdp *M, double gamma, double beta, double *V, double *logits)
{
    require(gamma < 1 && beta > 0, "the soft optimum at gamma %g, beta %g", gamma, beta);
    int nSA = M->nS * M->nA;
    double *r = allocate((size_t)nSA, sizeof *r, "rewards");
    for (int i = 0; i < nSA; i++) r[i] = mdp_reward(M, i / M->nA, i % M->nA);
    for (int s = 0; s < M->nS; s++) V[s] = 0;
    for (double left = 1; left > DBL_EPSILON; left *= gamma) {
        for (int i = 0; i < nSA; i++) logits[i] = action_value(M, gamma, r, V, i) / beta;
        for (int s = 0; s < M->nS; s++)
            V[s] = mdp_absorbing(M, s) ? 0 : beta * log_sum_exp(M->nA, logits + s * M->nA);
    }
    free(r);
}
