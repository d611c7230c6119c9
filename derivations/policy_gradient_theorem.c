/* The policy gradient theorem: the gradient of J needs no derivative of the state distribution.
 * 000 eq (2), 004 slide TRPO (l.305, l.311); Sutton et al. 2000. Each account of grad J below is one
 * function; the derivations at the end set them side by side. Sums over s and a are written in the logits z,
 * grad_z J [nS x nA], for which pi is the softmax; grad J = J_z^T grad_z J for every parametrisation. */
#include "derivations/policy_gradient_theorem.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "autodiff/require.h"
#include "derivations/derivation.h"

/* d log pi(a|s) / d z[s,b] = 1{a = b} - pi(b|s); 1 - pi(a|s) as the sum of the others, which keeps its
 * digits when pi is nearly deterministic */
static double grad_log_pi(const exact *x, int s, int a, int b)
{
    const double *pi = x->pi + s * x->nA;
    if (a != b) return -pi[b];
    double others = 0;
    for (int c = 0; c < x->nA; c++) others += c == a ? 0 : pi[c];
    return others;
}

/* d pi(a|s) / d z[s,b] = pi(a|s) (1{a = b} - pi(b|s)) for the softmax; 0 for another state's z */
static double grad_pi(const exact *x, int s, int a, int b)
{
    return x->pi[s * x->nA + a] * grad_log_pi(x, s, a, b);
}

/* PGT-3   grad J = sum_s rho(s) sum_a Q(s,a) grad pi(a|s) */
static void theorem_z(const exact *x, double *g)
{
    for (int s = 0; s < x->nS; s++)
        for (int b = 0; b < x->nA; b++) {
            double sum_a = 0;
            for (int a = 0; a < x->nA; a++) sum_a += x->Q[s * x->nA + a] * grad_pi(x, s, a, b);
            g[s * x->nA + b] = exact_rho(x, s) * sum_a;
        }
}

/* PGT-5   grad J = sum_s rho(s) sum_a pi(a|s) grad log pi(a|s) Q(s,a) */
static void likelihood_ratio_z(const exact *x, double *g)
{
    for (int s = 0; s < x->nS; s++)
        for (int b = 0; b < x->nA; b++) {
            double E_a = 0;
            for (int a = 0; a < x->nA; a++)
                E_a += x->pi[s * x->nA + a] * grad_log_pi(x, s, a, b) * x->Q[s * x->nA + a];
            g[s * x->nA + b] = exact_rho(x, s) * E_a;
        }
}

/* PGT-15  grad J = E[ sum_t gamma^t grad log pi(a_t|s_t) A(s_t,a_t) ], summed over time by
 * powers of gamma P_pi; no visitation is solved for. */
static void over_time_z(const exact *x, double *g)
{
    double *mu0 = allocate(2 * (size_t)x->nS, sizeof *mu0, "a visitation");
    double *sum_t = mu0 + x->nS;                    /* [nS] sum_t gamma^t Pr(s_t = s) */
    for (int s = 0; s < x->nS; s++) mu0[s] = x->absorbing[s] ? 0 : x->M->mu0[s];
    exact_sum_over_time(x, true, mu0, sum_t);
    for (int s = 0; s < x->nS; s++)
        for (int b = 0; b < x->nA; b++) {
            double E_a = 0;
            for (int a = 0; a < x->nA; a++)
                E_a += x->pi[s * x->nA + a] * grad_log_pi(x, s, a, b) * x->A[s * x->nA + a];
            g[s * x->nA + b] = sum_t[s] * E_a;
        }
    free(mu0);
}

/* For the softmax sum_a pi(a|s) (1{a = b} - pi(b|s)) A(s,a) = pi(b|s) A(s,b), as E_pi[A] = 0. */
static void advantage_z(const exact *x, double *g)
{
    for (int i = 0; i < x->nSA; i++) g[i] = exact_rho(x, i / x->nA) * x->pi[i] * x->A[i];
}

/* grad J = J_z^T grad_z J */
static void in_theta(const exact *x, void (*gradient_z)(const exact *, double *), double *g)
{
    double *g_z = allocate((size_t)x->nSA, sizeof *g_z, "a gradient in the logits");
    gradient_z(x, g_z);
    exact_chain(x, g_z, g);
    free(g_z);
}

void gradient_theorem(const exact *x, double *g) { in_theta(x, theorem_z, g); }

bool gradient_autodiff(const exact *x, double *g)
{
    if ((double)x->nA * x->nS * x->nS > 1 << 22) return false;      /* some 500 MB */
    ad_tape *t = ad_tape_new();
    ad theta = ad_input(t, x->theta, x->n, 1);
    ad grad_J = ad_grad(exact_J_node(t, x, theta), theta);
    memcpy(g, ad_value(grad_J), (size_t)x->n * sizeof *g);
    ad_tape_free(t);
    return true;
}

/* D(h) = (J(theta + h e) - J(theta - h e)) / 2h has an error in even powers of h: two steps of Richardson
 * extrapolation leave O(h^6). The error returned is the last extrapolation's correction, which bounds what
 * it left, and one unit of rounding in J at the smallest step, amplified by the extrapolation. */
double gradient_differences(const exact *x, double *g)
{
    const double h = 0x1p-5;
    double S = x->nS, worst = 0;
    if (x->n * (S * S * S) > 2e9) return -1;
    double *theta = allocate((size_t)x->n, sizeof *theta, "parameters");
    memcpy(theta, x->theta, (size_t)x->n * sizeof *theta);
    for (int i = 0; i < x->n; i++) {
        double D[3];
        for (int level = 0; level < 3; level++) {
            double step = ldexp(h, -level);
            theta[i] = x->theta[i] + step;
            double J_plus = exact_J_at(x, theta);
            theta[i] = x->theta[i] - step;
            double J_minus = exact_J_at(x, theta);
            D[level] = (J_plus - J_minus) / (2 * step);
        }
        theta[i] = x->theta[i];
        double once = (4 * D[1] - D[0]) / 3, again = (4 * D[2] - D[1]) / 3;
        g[i] = (16 * again - once) / 15;
        worst = fmax(worst, fabs(g[i] - again));
    }
    free(theta);
    return worst + 2 * x->unit_V / (h / 4);
}

/* ---- the derivations ---- */
static int    n_theta(const setting *x)       { return x->pi->n; }
static double unit_gradient(const setting *x) { return x->pi->unit_gradient; }

static double by_autodiff(const setting *x, double *g)    { return gradient_autodiff(x->pi, g) ? 0 : -1; }
static double by_differences(const setting *x, double *g) { return gradient_differences(x->pi, g); }

static double by_theorem(const setting *x, double *g)
{
    gradient_theorem(x->pi, g);
    return 0;
}

static double by_likelihood_ratio(const setting *x, double *g)
{
    in_theta(x->pi, likelihood_ratio_z, g);
    return 0;
}

static double by_time(const setting *x, double *g)
{
    if (x->pi->nS > EXACT_MAX_TIME_SUM) return -1;
    in_theta(x->pi, over_time_z, g);
    return 0;
}

static double by_advantage(const setting *x, double *g)
{
    in_theta(x->pi, advantage_z, g);
    return 0;
}

const derivation policy_gradient_theorem[] = {
    { "PGT-3", "grad J = sum_s rho(s) sum_a Q(s,a) grad pi(a|s)", "dJ/dtheta[i]",
      n_theta, unit_gradient, NULL, NULL, {
        { "\\nabla_\\theta J(\\theta)=\\nabla_\\theta\\,\\mu_0^T(I-\\gamma P_\\pi)^{-1}r_\\pi",
          "J = mu0^T V and V solves Bellman's equation; reverse mode through the solve", by_autodiff },
        { "=\\lim_{h\\to0}\\frac{J(\\theta+he)-J(\\theta-he)}{2h}",
          "the definition of a derivative; central differences, extrapolated", by_differences },
        { "=\\sum_s\\rho_\\pi(s)\\sum_aQ^\\pi(s,a)\\nabla_\\theta\\pi_\\theta(a|s)",
          "unroll grad V(s) = sum_a [grad pi Q + gamma pi sum_s' P grad V(s')] over time", by_theorem },
        { "=\\sum_s\\rho_\\pi(s)\\sum_a\\pi_\\theta(a|s)\\nabla_\\theta\\log\\pi_\\theta(a|s)Q^\\pi(s,a)",
          "grad pi = pi grad log pi", by_likelihood_ratio } } },
    { "PGT-15", "grad J = E[sum_t gamma^t grad log pi(a_t|s_t) A(s_t,a_t)]", "dJ/dtheta[i]",
      n_theta, unit_gradient, NULL, NULL, {
        { "\\nabla_\\theta\\eta(\\theta)=\\nabla_\\theta\\,\\mu_0^T(I-\\gamma P_\\pi)^{-1}r_\\pi",
          "the definition of eta = J; reverse mode through the solve", by_autodiff },
        { "=E_{\\pi_\\theta}[\\sum_{t=0}^\\infty\\gamma^t\\nabla_\\theta\\log\\pi_\\theta(a_t|s_t)A_{\\pi_\\theta}(s_t,a_t)]",
          "PGT-3 over time; Q becomes A, since E_a[grad log pi(a|s)] V(s) = 0", by_time },
        { "=\\sum_s\\rho_\\pi(s)\\,\\pi_\\theta(b|s)A_{\\pi_\\theta}(s,b)\\ \\text{in the direction of }z_{s,b}",
          "the softmax's score, and E_a[A] = 0", by_advantage } } },
    { .id = NULL }
};
