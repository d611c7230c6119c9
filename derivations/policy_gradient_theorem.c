/* The policy gradient theorem: the gradient of J needs no derivative of the state distribution.
 * 000 eq (2), 004 slide TRPO (l.305, l.311); Sutton et al. 2000. Each account of grad J below is one
 * function; the derivations at the end set them side by side. Sums over s and a are written in the logits z,
 * grad_z J [nS x nA], for which pi is the softmax; grad J = J_z^T grad_z J for every parametrisation. */
#include "derivations/policy_gradient_theorem.h"

#include <float.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "autodiff/linalg.h"
#include "autodiff/require.h"
#include "derivations/bellman.h"
#include "derivations/derivation.h"
#include "derivations/enumerate.h"
#include "derivations/visitation.h"

/*[snip grad-pi]*/
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
/*[/snip]*/

void gradient_sum(const exact *x, const double *w, const double *F, double *g)
{
    double *g_z = allocate((size_t)x->nSA, sizeof *g_z, "a gradient in the logits");
    for (int s = 0; s < x->nS; s++)
        for (int b = 0; b < x->nA; b++) {
            double sum_a = 0;
            for (int a = 0; a < x->nA; a++) sum_a += F[s * x->nA + a] * grad_pi(x, s, a, b);
            g_z[s * x->nA + b] = (w ? w[s] : exact_rho(x, s)) * sum_a;
        }
    exact_chain(x, g_z, g);
    free(g_z);
}

/*[snip theorem]*/
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
/*[/snip]*/

/* grad J = sum_s rho(s) sum_a pi(a|s) grad log pi(a|s) Q(s,a) */
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
/*[snip differences]*/
double gradient_differences(const exact *x, double *g)
{
    const double h = 0x1p-5;
    double S = x->nS, worst = 0;
    if (x->n * (S * S * S) > 2e9) return LEFT_OUT;
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
/*[/snip]*/

bool differences_lost(const exact *x) { return linalg_max_abs(x->n, x->theta) > 1e4; }

/* ---- the derivations ---- */

static double by_differences(const setting *x, double *g)
{
    return differences_lost(x->pi) ? LEFT_OUT : gradient_differences(x->pi, g);
}

static double by_likelihood_ratio(const setting *x, double *g)
{
    in_theta(x->pi, likelihood_ratio_z, g);
    return 0;
}

static double by_time(const setting *x, double *g)
{
    if (x->pi->nS > EXACT_MAX_TIME_SUM) return LEFT_OUT;
    in_theta(x->pi, over_time_z, g);
    return 0;
}

static double by_advantage(const setting *x, double *g)
{
    in_theta(x->pi, advantage_z, g);
    return 0;
}

/* ---- PGT-3, step by step ---- */

/* The recursion for grad_z V [nS x nSA]: grad V(s) = phi(s) + gamma sum_s' P_pi(s,s') grad V(s'), where
 * phi(s) = sum_a Q(s,a) grad pi(a|s) has entries for its own state's logits only. */
struct recursion { double *phi, *grad_V; };

static bool recursion_new(const exact *x, struct recursion *r)
{
    size_t nS = (size_t)x->nS, n = nS * (size_t)x->nSA;
    if (!x->P_pi || (double)x->nS * x->nS * x->nSA > 1e8) return false;
    r->phi = allocate(2 * n, sizeof *r->phi, "gradients of V");
    r->grad_V = r->phi + n;
    for (int s = 0; s < x->nS; s++)
        for (int i = s * x->nA; i < (s + 1) * x->nA; i++)
            for (int a = 0; a < x->nA; a++)
                r->phi[s * x->nSA + i] += x->Q[s * x->nA + a] * grad_pi(x, s, a, i % x->nA);
    double *B = allocate(nS * nS, sizeof *B, "the matrix of Bellman's equation");
    for (int s = 0; s < x->nS; s++)
        for (int j = 0; j < x->nS; j++) B[s * x->nS + j] = (s == j) - x->gamma * x->P_pi[s * x->nS + j];
    linalg_lu *lu = linalg_lu_new(x->nS);
    bool regular = linalg_lu_factor(lu, B) == LINALG_OK;
    if (regular) linalg_lu_solve(lu, false, x->nSA, r->phi, r->grad_V);
    else         free(r->phi);
    linalg_lu_free(lu);
    free(B);
    return regular;
}

/* mu0^T [ sum_{t<steps} (gamma P_pi)^t phi + (gamma P_pi)^steps grad V ] */
static double unrolled(const setting *x, int steps, double *g)
{
    const exact *pi = x->pi;
    struct recursion r;
    if (!recursion_new(pi, &r)) return LEFT_OUT;
    double *p = allocate(2 * (size_t)pi->nS + (size_t)pi->nSA, sizeof *p, "probabilities");
    double *next = p + pi->nS, *g_z = p + 2 * pi->nS;
    for (int s = 0; s < pi->nS; s++) p[s] = pi->absorbing[s] ? 0 : pi->M->mu0[s];
    for (int t = 0; t <= steps; t++) {
        const double *term = t < steps ? r.phi : r.grad_V;
        memset(next, 0, (size_t)pi->nS * sizeof *next);
        for (int s = 0; s < pi->nS; s++) {
            for (int i = 0; i < pi->nSA; i++) g_z[i] += p[s] * term[s * pi->nSA + i];
            for (int j = 0; j < pi->nS; j++) next[j] += pi->gamma * p[s] * pi->P_pi[s * pi->nS + j];
        }
        memcpy(p, next, (size_t)pi->nS * sizeof *p);
    }
    exact_chain(pi, g_z, g);
    free(p);
    free(r.phi);
    return 0;
}

static double by_recursion(const setting *x, double *g)     { return unrolled(x, 0, g); }
static double unrolled_once(const setting *x, double *g)    { return unrolled(x, 1, g); }
static double unrolled_thrice(const setting *x, double *g)  { return unrolled(x, 3, g); }

static double by_time_Q(const setting *x, double *g)            /* sum_t gamma^t sum_s Pr(s_t = s) phi(s) */
{
    const exact *pi = x->pi;
    if (pi->nS > EXACT_MAX_TIME_SUM) return LEFT_OUT;
    double *mu0 = allocate(2 * (size_t)pi->nS, sizeof *mu0, "a visitation"), *sum_t = mu0 + pi->nS;
    for (int s = 0; s < pi->nS; s++) mu0[s] = pi->absorbing[s] ? 0 : pi->M->mu0[s];
    exact_sum_over_time(pi, true, mu0, sum_t);
    gradient_sum(pi, sum_t, pi->Q, g);
    free(mu0);
    return 0;
}

static double by_normalised_d(const setting *x, double *g)      /* d = (1 - gamma) rho, as printed */
{
    gradient_sum(x->pi, x->pi->d, x->pi->Q, g);
    return 0;
}

static double by_scaled_d(const setting *x, double *g)          /* and divided by that factor */
{
    by_normalised_d(x, g);
    for (int i = 0; i < x->pi->n && x->pi->fisher_scale > 0; i++) g[i] /= x->pi->fisher_scale;
    return 0;
}

static double by_stationary_d(const setting *x, double *g)
{
    double *d = allocate((size_t)x->pi->nS, sizeof *d, "a distribution");
    const char *reason = visitation_stationary(x->pi, d, NULL);
    if (!reason) gradient_sum(x->pi, d, x->pi->Q, g);
    free(d);
    return reason ? LEFT_OUT : 0;
}

/* ---- PGT-2, MDP-19: two readings of J ---- */

static const char *nothing_in_the_long_run(const setting *x)
{
    if (x->pi->gamma == 1) return "at gamma = 1 J of the long run is infinite or 0";
    double *d = allocate((size_t)x->pi->nS, sizeof *d, "a distribution"), decides = 0;
    const char *reason = visitation_stationary(x->pi, d, NULL);
    for (int s = 0; s < x->pi->nS; s++) decides += x->pi->absorbing[s] ? 0 : d[s];
    free(d);
    return reason ? reason : decides < 1e-6 ? "in the long run all is over" : NULL;
}

/* d is right to u N kappa, and each step counts for up to k */
static double unit_long_run(const setting *x)
{
    double *d = allocate((size_t)x->pi->nS, sizeof *d, "a distribution"), kappa = 1;
    visitation_stationary(x->pi, d, &kappa);
    free(d);
    return x->pi->unit_V * kappa;
}

/* sum_s d(s) f(s) with the stationary d */
static double long_run(const exact *x, const double *f)
{
    double *d = allocate((size_t)x->nS, sizeof *d, "a distribution");
    visitation_stationary(x, d, NULL);
    double J = linalg_dot(x->nS, d, f);
    free(d);
    return J;
}

/* PGT-2   J = sum_s d(s) V(s) = sum_s d(s) sum_a pi(a|s) Q(s,a) */
static double J_of_V(const setting *x, double *out)
{
    *out = long_run(x->pi, x->pi->V);
    return 0;
}

static void mean_of_Q(const exact *x, const double *Q, double *V)       /* V(s) = sum_a pi(a|s) Q(s,a) */
{
    for (int s = 0; s < x->nS; s++) V[s] = linalg_dot(x->nA, x->pi + s * x->nA, Q + s * x->nA);
}

static double J_of_Q(const setting *x, double *out)
{
    double *Q = allocate((size_t)x->pi->nSA + (size_t)x->pi->nS, sizeof *Q, "values"), *V = Q + x->pi->nSA;
    bool solved = bellman_Q(x->pi, Q);
    mean_of_Q(x->pi, Q, V);
    if (solved) *out = long_run(x->pi, V);
    free(Q);
    return solved ? bellman_Q_room(x->pi) : LEFT_OUT;
}

static double J_of_mean_reward(const setting *x, double *out)
{
    const exact *pi = x->pi;
    *out = long_run(pi, pi->r_pi) / (1 - pi->gamma);
    return enumerate_defect(pi->M) * linalg_max_abs(pi->nS, pi->V) / (1 - pi->gamma);
}

static double J_from_start(const setting *x, double *out)
{
    *out = x->pi->J;
    return 0;
}

/* MDP-19  J = sum_s mu0(s) E_{a~pi}[Q(s,a)] */
static double J_of_mean_Q(const setting *x, double *out)
{
    double *V = allocate((size_t)x->pi->nS, sizeof *V, "values");
    mean_of_Q(x->pi, x->pi->Q, V);
    *out = linalg_dot(x->pi->nS, x->pi->M->mu0, V);
    free(V);
    return 0;
}

static double J_of_summed_Q(const setting *x, double *out)
{
    *out = 0;
    for (int i = 0; i < x->pi->nSA; i++) *out += x->pi->M->mu0[i / x->pi->nA] * x->pi->Q[i];
    return 0;
}

/* ---- PGT-5 on two states, where 000's (4) is no gradient of (1) ---- */

/* In G action a pays 1 and leads to B, b pays .9 and stays; from B it goes back with probability .1. The one
 * parameter is p = pi(a|G). */
enum { GAMMAS = 2 };
static const double two_state_gamma[GAMMAS] = { 0, 0.05 }, two_state_p = 0.5;

static int n_gammas(const setting *x) { (void)x; return GAMMAS; }

static double unit_two_states(const setting *x) { (void)x; return DBL_EPSILON * 4 * 2 * 2 * 2; }    /* u N k^2 M */

/* sum_s d(s) sum_a weight_a Q(s,a) in G, with the stationary d */
static void in_G(double weight_a, double weight_b, double *out)
{
    char error[256];
    const double logits[4] = { log(two_state_p), log(1 - two_state_p), 0, 0 };
    mdp_builder *b = mdp_begin("two states", 2, 2, 0.5);
    mdp_start(b, 0, 1);
    mdp_transition(b, 0, 0, 1, 1, 1);
    mdp_transition(b, 0, 1, 0, 1, 0.9);
    for (int a = 0; a < 2; a++) {
        mdp_transition(b, 1, a, 0, 0.1, 0);
        mdp_transition(b, 1, a, 1, 0.9, 0);
    }
    mdp *M = mdp_finish(b);
    for (int i = 0; i < GAMMAS; i++) {
        double d[2];
        exact *x = exact_new(M, two_state_gamma[i], logits, error, sizeof error);
        visitation_stationary(x, d, NULL);
        out[i] = d[0] * (weight_a * x->Q[0] + weight_b * x->Q[1]);
        exact_free(x);
    }
    mdp_free(M);
}

static double with_grad_pi(const setting *x, double *out)
{
    (void)x;
    in_G(1, -1, out);                                           /* dpi(a|G)/dp = 1, dpi(b|G)/dp = -1 */
    return 0;
}

/* PGT-5   sum_s d(s) sum_a Q grad pi = sum_s d(s) sum_a pi grad log pi Q */
static double with_grad_log_pi(const setting *x, double *out)
{
    (void)x;
    double p = two_state_p;
    in_G(p * (1 / p), (1 - p) * (-1 / (1 - p)), out);
    return 0;
}

/* d(G) (Q(G,a) - Q(G,b)) in closed form: d(G) = .1 / (.1 + p), V(B) = .1 gamma V(G) / (1 - .9 gamma) */
static double in_closed_form(const setting *x, double *out)
{
    (void)x;
    for (int i = 0; i < GAMMAS; i++) {
        double p = two_state_p, gamma = two_state_gamma[i], back = 0.1 * gamma / (1 - 0.9 * gamma);
        double V_G = (p + 0.9 * (1 - p)) / (1 - gamma * (1 - p) - gamma * p * back);
        out[i] = 0.1 / (0.1 + p) * (0.1 + gamma * (back * V_G - V_G));
    }
    return 0;
}

/* (1) with that d is the mean reward over 1 - gamma (PGT-2), .1 (.9 + .1 p) / (.1 + p) / (1 - gamma) */
static double gradient_of_1(const setting *x, double *out)
{
    (void)x;
    for (int i = 0; i < GAMMAS; i++)
        out[i] = 0.1 * (0.1 * 0.1 - 0.9) / pow(0.1 + two_state_p, 2) / (1 - two_state_gamma[i]);
    return 0;
}

/* ---- PGT-17 on E5: how far one step moves the policy ---- */

enum { STEP_SIZES = 4, ASCENT_STEPS = 20 };
static const double step_size[STEP_SIZES] = { 1, 0.1, 0.01, 0.001 };

static int    n_step_sizes(const setting *x) { (void)x; return STEP_SIZES; }

static double largest_tv(const exact *x, const exact *y)
{
    double worst = 0;
    for (int s = 0; s < x->nS; s++) {
        double tv = 0;
        for (int i = s * x->nA; i < (s + 1) * x->nA; i++) tv += fabs(x->pi[i] - y->pi[i]) / 2;
        worst = fmax(worst, tv);
    }
    return worst;
}

/* max_s (max_a - min_a) / 4 of a step in the logits: TV moves by sum_a pi |step - mean step| / 2 at most, and the
 * mean deviation of what lies in an interval is half its length at most. */
static double bound_of_tv(const exact *x, const double *step)
{
    double worst = 0;
    for (int s = 0; s < x->nS; s++) {
        double low = INFINITY, high = -INFINITY;
        for (int i = s * x->nA; i < (s + 1) * x->nA; i++) {
            low = fmin(low, step[i]);
            high = fmax(high, step[i]);
        }
        worst = fmax(worst, (high - low) / 4);
    }
    return worst;
}

/* PGT-17  theta' = theta + alpha grad J: the most that a state's policy moves in 20 such steps, and its bound */
static void ascent_on_e5(double alpha, double *tv, double *bound)
{
    char error[256];
    mdp *M = mdp_builtin("E5");
    double theta[15], g[15];
    for (int i = 0; i < 15; i++) theta[i] = cos(i / 3 + 2 * (i % 3));
    exact *x = exact_new(M, M->gamma, theta, error, sizeof error);
    *tv = *bound = 0;
    for (int step = 0; step < ASCENT_STEPS; step++) {
        gradient_theorem(x, g);
        for (int i = 0; i < 15; i++) theta[i] = x->theta[i] + (g[i] *= alpha);
        exact *next = exact_new(M, M->gamma, theta, error, sizeof error);
        *tv = fmax(*tv, largest_tv(x, next));
        *bound = fmax(*bound, bound_of_tv(x, g));
        exact_free(x);
        x = next;
    }
    exact_free(x);
    mdp_free(M);
}

static double tv_of_gradient(const setting *x, double *out)
{
    (void)x;
    double bound;
    for (int i = 0; i < STEP_SIZES; i++) ascent_on_e5(step_size[i], &out[i], &bound);
    return 0;
}

static double tv_bound(const setting *x, double *out)
{
    (void)x;
    double tv;
    for (int i = 0; i < STEP_SIZES; i++) ascent_on_e5(step_size[i], &tv, &out[i]);
    return 0;
}

/* Greedy improvement from `always action 0': the largest step between one deterministic policy and the next */
static double tv_of_policy_iteration(const setting *x, double *out)
{
    (void)x;
    char error[256];
    mdp *M = mdp_builtin("E5");
    double z[15], worst = 0;
    for (int i = 0; i < 15; i++) z[i] = i % 3 ? -1e4 : 0;
    exact *pi = exact_new(M, M->gamma, z, error, sizeof error);
    for (int step = 0; step < ASCENT_STEPS; step++) {
        for (int s = 0; s < 5; s++) {
            const double *A = pi->A + 3 * s, best = fmax(A[0], fmax(A[1], A[2]));
            for (int a = 0; a < 3; a++) z[3 * s + a] = A[a] >= best ? 0 : -1e4;
        }
        exact *greedy = exact_new(M, M->gamma, z, error, sizeof error);
        worst = fmax(worst, largest_tv(pi, greedy));
        exact_free(pi);
        pi = greedy;
    }
    exact_free(pi);
    mdp_free(M);
    for (int i = 0; i < STEP_SIZES; i++) out[i] = worst;
    return 0;
}

/* ---- PGT-19 on two-peak: where ascent ends ---- */

/* From pi(action 0) = .1 and .9 in every state: J at the end of the ascent, then |grad J| there */
enum { STARTS = 2, CLIMB_STEPS = 400 };
static const double start_p[STARTS] = { 0.1, 0.9 };

static int n_ends(const setting *x) { (void)x; return 2 * STARTS; }

static double unit_two_peak(const setting *x) { (void)x; return DBL_EPSILON * 11 * 4 * 4 * 37; }    /* u N k^2 M */

/* PGT-19  theta' = theta + alpha grad J, one theta for all states (aliased) or one for each */
static void climb(bool aliased, double *out)
{
    char error[256];
    mdp *M = mdp_builtin("two-peak");
    double same[11];
    for (int s = 0; s < M->nS; s++) same[s] = 1;                /* one feature, 1 in every state */
    policy_class *policy = aliased ? policy_linear(M, 1, same) : policy_tabular(M);
    double *theta = allocate(2 * (size_t)policy->n, sizeof *theta, "parameters"), *g = theta + policy->n;
    for (int k = 0; k < STARTS; k++) {
        for (int i = 0; i < policy->n; i++) theta[i] = i % 2 ? 0 : log(start_p[k] / (1 - start_p[k]));
        for (int step = 0; step <= CLIMB_STEPS; step++) {
            exact *x = exact_new_policy(M, M->gamma, policy, theta, error, sizeof error);
            gradient_theorem(x, g);
            out[k] = x->J;
            out[STARTS + k] = linalg_norm2(policy->n, g);
            for (int i = 0; i < policy->n; i++) theta[i] += 0.05 * g[i];
            exact_free(x);
        }
    }
    free(theta);
    policy_free(policy);
    mdp_free(M);
}

static double ends_aliased(const setting *x, double *out)
{
    (void)x;
    climb(true, out);
    return 0;
}

/* J(p) = sum_k c_k C(4,k) p^k (1-p)^{4-k} at the two maxima, 1/5 and 4/5, where dJ/dp = -12 (5p-1)(5p-2)(5p-4) */
static double maxima(const setting *x, double *out)
{
    (void)x;
    static const double c[] = { 0, 24, -22, 37, 1 }, choose[] = { 1, 4, 6, 4, 1 }, p[STARTS] = { 0.2, 0.8 };
    for (int k = 0; k < STARTS; k++) {
        out[k] = 0;
        for (int j = 0; j <= 4; j++) out[k] += c[j] * choose[j] * pow(p[k], j) * pow(1 - p[k], 4 - j);
        out[STARTS + k] = -12 * (5 * p[k] - 1) * (5 * p[k] - 2) * (5 * p[k] - 4);
    }
    return 0;
}

static double ends_tabular(const setting *x, double *out)
{
    (void)x;
    climb(false, out);
    return 0;
}

const derivation policy_gradient_theorem[] = {
    { "PGT-3", "grad J = sum_s rho(s) sum_a Q(s,a) grad pi(a|s)", "dJ/dtheta[i]",
      count_theta, unit_of_gradient, NULL, NULL, {
        { "\\nabla_\\theta J(\\theta)=\\nabla_\\theta\\,\\rho_0^T(I-\\gamma P_\\pi)^{-1}r_\\pi",
          "J = rho_0^T V and V solves Bellman's equation; reverse mode through the solve", gradient_by_autodiff },
        { "=\\lim_{h\\to0}\\frac{J(\\theta+he)-J(\\theta-he)}{2h}",
          "the definition of a derivative; central differences, extrapolated", by_differences },
        { "=\\rho_0^T\\nabla V,\\quad\\nabla V(s)=\\phi(s)+\\gamma\\sum_{s'}P_\\pi(s,s')\\nabla V(s'),"
          "\\quad\\phi(s)=\\sum_aQ^\\pi(s,a)\\nabla_\\theta\\pi_\\theta(a|s)",
          "V = sum_a pi Q by the product rule, and grad Q = gamma P grad V: r and P do not know theta; one solve",
          by_recursion },
        { "=\\rho_0^T(\\phi+\\gamma P_\\pi\\nabla V)", "the recursion put into itself, once", unrolled_once },
        { "=\\rho_0^T(\\phi+\\gamma P_\\pi\\phi+\\gamma^2P_\\pi^2\\phi+\\gamma^3P_\\pi^3\\nabla V)",
          "and twice more: what is left has a factor gamma^3", unrolled_thrice },
        { "=\\sum_{t=0}^\\infty\\gamma^t\\sum_sP_\\pi(s_t=s)\\,\\phi(s)", "for ever: what is left goes to 0",
          by_time_Q },
        { "=\\sum_s\\rho_\\pi(s)\\sum_aQ^\\pi(s,a)\\nabla_\\theta\\pi_\\theta(a|s)",
          "sum over t first: the discounted visits, MDP-12; their gradient never appears", gradient_by_theorem },
        { "=\\sum_s\\rho_\\pi(s)\\sum_a\\pi_\\theta(a|s)\\nabla_\\theta\\log\\pi_\\theta(a|s)Q^\\pi(s,a)",
          "grad pi = pi grad log pi (PGT-4)", by_likelihood_ratio },
        { "=\\frac1{1-\\gamma}E_{s\\sim d,a\\sim\\pi}[Q^\\pi\\nabla_\\theta\\log\\pi_\\theta(a|s)]",
          "d = (1-gamma) rho is a distribution (at gamma = 1 rho over its sum, and that sum in front)",
          by_scaled_d },
        { "=E_{s\\sim d,a\\sim\\pi}[Q^\\pi\\nabla_\\theta\\log\\pi_\\theta(a|s)]",
          "000 eq 2, 4: an expectation, over d = rho / sum_s rho(s): off by that sum, 1/(1-gamma) where nothing ends",
          by_normalised_d, DIFFERS, "ERR-1" },
        { "=\\sum_sd^\\pi(s)\\sum_aQ^\\pi(s,a)\\nabla_\\theta\\pi_\\theta(a|s)",
          "000 eq 1, 4: d as the probability of being in s, the stationary distribution: another direction",
          by_stationary_d, DIFFERS, "ERR-1" } } },
    { "PGT-2", "J = sum_s d(s) V(s) with the stationary d = mean reward / (1 - gamma)", "J of the long run",
      count_one, unit_long_run, nothing_in_the_long_run, NULL, {
        { "J(\\theta)=\\sum_sd^\\pi(s)V^\\pi(s)", "000 eq 1, with d = P_pi^T d (MDP-14)", J_of_V },
        { "=\\sum_sd^\\pi(s)\\sum_a\\pi_\\theta(a|s)Q^\\pi(s,a)", "MDP-11; Q by a solve over the pairs", J_of_Q },
        { "=\\frac1{1-\\gamma}\\sum_sd^\\pi(s)r_\\pi(s)",
          "V = r_pi + gamma P_pi V, and d^T P_pi = d^T. As an objective it does not care for gamma; PGT-3 is"
          " not its gradient (ERR-1)", J_of_mean_reward } } },
    { "PGT-5", "sum_s d sum_a Q grad pi = E_d[Q grad log pi]; it need not be the gradient of sum_s d V",
      "the sum at gamma 0, .05", n_gammas, unit_two_states, NULL, NULL, {
        { "\\sum_sd(s)\\sum_a\\nabla\\pi(a|s)Q(s,a)", "000 eq 4, its first line; d is stationary", with_grad_pi },
        { "=\\sum_sd(s)\\sum_a\\pi(a|s)\\nabla\\log\\pi(a|s)Q(s,a)", "PGT-4", with_grad_log_pi },
        { "=E_{s\\sim d,a\\sim\\pi}[Q\\nabla\\log\\pi]=d(G)(Q(G,a)-Q(G,b))",
          "only G has a choice; d and Q in closed form", in_closed_form },
        { "=\\nabla_\\theta\\sum_sd^\\pi(s)V^\\pi(s)",
          "000 eq 4: the sum taken for the gradient of (1). That is the mean reward's over 1-gamma, with the"
          " other sign", gradient_of_1, DIFFERS, "ERR-1" } },
      "states G, B: in G a pays 1 and leads to B, b pays .9 and stays; B goes back with probability .1; p ="
      " pi(a|G) = .5" },
    { "PGT-17", "gradient steps move the policy by at most a multiple of alpha; greedy improvement jumps",
      "max TV of one step, alpha 1, .1, .01, .001", n_step_sizes, unit_of_one, NULL, NULL, {
        { "\\max_sD_{TV}(\\pi_k,\\pi_{k+1})(s),\\quad\\theta_{k+1}=\\theta_k+\\alpha\\nabla J(\\theta_k)",
          "20 steps along the exact gradient", tv_of_gradient },
        { "\\le\\frac\\alpha4\\max_s(\\max_a-\\min_a)\\nabla_{z(s,a)}J",
          "the softmax moves by half of the mean deviation of the step, at most a quarter of its range", tv_bound,
          AT_LEAST },
        { "\\max_sD_{TV}(\\pi_k,\\pi_{k+1})(s),\\quad\\pi_{k+1}=\\mathrm{greedy}(Q^{\\pi_k})",
          "the control: policy iteration, a deterministic policy each time, jumps by 1",
          tv_of_policy_iteration, DIFFERS } },
      "E5 from theta(s,a) = cos(s+2a)" },
    { "PGT-19", "gradient ascent may stop at a local optimum", "J at the end from p = .1, .9, then |grad J|",
      n_ends, unit_two_peak, NULL, NULL, {
        { "J(\\theta_k),\\ \\|\\nabla J(\\theta_k)\\|,\\quad k=400",
          "one theta for all states; exact gradient, alpha .05", ends_aliased },
        { "=J(1/5),\\ J(4/5),\\quad dJ/dp=-12(5p-1)(5p-2)(5p-4)=0",
          "J(p) written out: two maxima, 7.4 and 12.8; ascent ends at the one it starts near", maxima },
        { "\\text{a row of theta for each state}",
          "the control: where each state has a row of its own, both starts go on past both",
          ends_tabular, DIFFERS } },
      "two-peak: four choices in a row, whose states look alike; gamma 1" },
    { "MDP-19", "J reads as action values averaged over actions and states, not summed", "J", count_one, unit_of_V,
      NULL, NULL, {
        { "J(\\theta)=\\rho_0^TV^{\\pi_\\theta}", "MDP-6", J_from_start },
        { "=\\sum_s\\rho_0(s)\\sum_a\\pi_\\theta(a|s)Q^\\pi(s,a)", "each weighed by its probability (MDP-11)",
          J_of_mean_Q },
        { "\\sum_s\\rho_0(s)\\sum_aQ^\\pi(s,a)", "the control: 000 l.32 read as a plain sum over the actions",
          J_of_summed_Q, DIFFERS } } },
    { "PGT-15", "grad J = E[sum_t gamma^t grad log pi(a_t|s_t) A(s_t,a_t)]", "dJ/dtheta[i]",
      count_theta, unit_of_gradient, NULL, NULL, {
        { "\\nabla_\\theta\\eta(\\theta)=\\nabla_\\theta\\,\\rho_0^T(I-\\gamma P_\\pi)^{-1}r_\\pi",
          "the definition of eta = J; reverse mode through the solve", gradient_by_autodiff },
        { "=E_{\\pi_\\theta}[\\sum_{t=0}^\\infty\\gamma^t\\nabla_\\theta\\log\\pi_\\theta(a_t|s_t)"
          "A_{\\pi_\\theta}(s_t,a_t)]",
          "PGT-3 over time; Q becomes A, since E_a[grad log pi(a|s)] V(s) = 0", by_time },
        { "=\\sum_s\\rho_\\pi(s)\\,\\pi_\\theta(b|s)A_{\\pi_\\theta}(s,b)\\ \\text{in the direction of }z_{s,b}",
          "the softmax's score, and E_a[A] = 0", by_advantage } } },
    { .id = NULL }
};
