/* Maximum entropy: its objective, the gradient, and the regulariser that is taken for it. 004 (l.196-220), 002
 * (l.137-138). The estimates of algorithms/maxent_pg.c over all trajectories; and whether entropy leads past local
 * optima. */
#include "derivations/entropy.h"

#include <float.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "algorithms/maxent_pg.h"
#include "autodiff/distribution.h"
#include "autodiff/linalg.h"
#include "autodiff/random.h"
#include "autodiff/require.h"
#include "derivations/agent.h"
#include "derivations/missing_gamma.h"
#include "derivations/performance_difference.h"
#include "derivations/policy_gradient_theorem.h"
#include "derivations/measured.h"
#include "derivations/small_problem.h"

/* What a nat of entropy pays in every derivation */
#define BETA 0.5

/* ---- ENT-1: H of each state, then the gradient of their sum ---- */

static int n_entropies(const setting *x) { return x->pi->nS + x->pi->n; }

static double unit_entropy(const setting *x)
{
    return DBL_EPSILON * fmax(x->pi->nA, 4) * fmax(1, log(x->pi->nA)) * x->pi->c;
}

/* ENT-1   H(s) = -sum_a pi log pi,   grad H = -sum_a (log pi + 1) grad pi */
static double entropies_by_definition(const setting *x, double *out)
{
    const exact *pi = x->pi;
    double *one = allocate((size_t)pi->nS + (size_t)pi->nSA, sizeof *one, "weights"), *F = one + pi->nS;
    for (int s = 0; s < pi->nS; s++) one[s] = 1, out[s] = 0;
    for (int i = 0; i < pi->nSA; i++) {
        out[i / pi->nA] -= pi->pi[i] * pi->logpi[i];
        F[i] = -(pi->logpi[i] + 1);
    }
    gradient_sum(pi, one, F, out + pi->nS);
    free(one);
    return 0;
}

/* E_a[-log pi], -log pi = ln sum_b e^z_b - z_a;  dH/dz_b = pi_b (-log pi_b - H). Rounding is a share of |z|. */
static double entropies_of_logits(const setting *x, double *out)
{
    const exact *pi = x->pi;
    double *g_z = allocate((size_t)pi->nSA, sizeof *g_z, "a gradient in the logits");
    for (int s = 0; s < pi->nS; s++) {
        const double *z = pi->logits + s * pi->nA, *p = pi->pi + s * pi->nA;
        double most = z[0], sum = 0, mean = 0;
        for (int a = 1; a < pi->nA; a++) most = fmax(most, z[a]);
        for (int a = 0; a < pi->nA; a++) sum += exp(z[a] - most);
        for (int a = 0; a < pi->nA; a++) mean += p[a] * (most + log(sum) - z[a]);
        for (int a = 0; a < pi->nA; a++) g_z[s * pi->nA + a] = p[a] * (most + log(sum) - z[a] - mean);
        out[s] = mean;
    }
    exact_chain(pi, g_z, out + pi->nS);
    free(g_z);
    return 4 * DBL_EPSILON * linalg_max_abs(pi->nSA, pi->logits) * pi->c;
}

static double entropies_by_autodiff(const setting *x, double *out)
{
    const exact *pi = x->pi;
    ad_tape *t = ad_tape_new();
    ad theta = ad_input(t, pi->theta, pi->n, 1), H = categorical_entropy(policy_logits(t, &pi->policy, theta));
    memcpy(out, ad_value(H), (size_t)pi->nS * sizeof *out);
    memcpy(out + pi->nS, ad_value(ad_grad(ad_sum(H), theta)), (size_t)pi->n * sizeof *out);
    ad_tape_free(t);
    return 0;
}

/* ---- differences, extrapolated as in gradient_differences ---- */

struct along { const exact *x; double (*f)(const struct along *, const double *theta); double unit; };

static double differences(const struct along *c, double *g)
{
    const double h = 0x1p-5;
    const exact *x = c->x;
    double *theta = allocate((size_t)x->n, sizeof *theta, "parameters"), worst = 0;
    memcpy(theta, x->theta, (size_t)x->n * sizeof *theta);
    for (int i = 0; i < x->n; i++) {
        double D[3];
        for (int level = 0; level < 3; level++) {
            double step = ldexp(h, -level), f[2];
            for (int side = 0; side < 2; side++) {
                theta[i] = x->theta[i] + (side ? step : -step);
                f[side] = c->f(c, theta);
            }
            D[level] = (f[1] - f[0]) / (2 * step);
        }
        theta[i] = x->theta[i];
        double once = (4 * D[1] - D[0]) / 3, again = (4 * D[2] - D[1]) / 3;
        g[i] = (16 * again - once) / 15;
        worst = fmax(worst, fabs(g[i] - again));
    }
    free(theta);
    return worst + 2 * c->unit / (h / 4);
}

static double sum_of_entropies(const struct along *c, const double *theta)
{
    const exact *x = c->x;
    double *z = allocate((size_t)x->nSA, sizeof *z, "logits"), sum = 0;
    policy_logits_at(&x->policy, theta, z);
    for (int s = 0; s < x->nS; s++) {
        double all = 0, most = z[s * x->nA];
        for (int i = s * x->nA; i < (s + 1) * x->nA; i++) most = fmax(most, z[i]);
        for (int i = s * x->nA; i < (s + 1) * x->nA; i++) all += exp(z[i] - most);
        for (int i = s * x->nA; i < (s + 1) * x->nA; i++)
            sum -= exp(z[i] - most) / all * (z[i] - most - log(all));
    }
    free(z);
    return sum;
}

static double entropies_by_differences(const setting *x, double *out)
{
    const exact *pi = x->pi;
    if ((double)pi->n * pi->nSA > 1e5 || differences_lost(pi)) return LEFT_OUT;
    entropies_by_definition(x, out);
    double unit = DBL_EPSILON * fmax(pi->nSA, 4) * fmax(1, linalg_max_abs(pi->nS, out));
    return differences(&(struct along){ pi, sum_of_entropies, unit }, out + pi->nS);
}

/* ---- ENT-2, ENT-3: J, and J with entropy ---- */

static double unit_soft_V(const setting *x)
{
    soft_values *v = soft_values_new(x->pi, BETA);
    double unit = v->unit_V;
    soft_values_free(v);
    return unit;
}

/* ENT-2   J_0 = E[sum_t gamma^t r_t] = mu0^T V */
static double J_of_V(const setting *x, double *J)
{
    *J = x->pi->J;
    return 0;
}

/* E of sum_t gamma^t f(s_t), over time; f [nS] */
static double over_time(const exact *x, const double *f, double *J)
{
    if (x->nS > EXACT_MAX_TIME_SUM || !x->P_pi) return LEFT_OUT;
    *J = mean_over_time(x, f);
    return 0;
}

/* and over visits */
static double over_visits(const exact *x, const double *f, double *J)
{
    *J = 0;
    for (int s = 0; s < x->nS; s++) *J += exact_rho(x, s) * f[s];
    return 0;
}

static double J_over_time(const setting *x, double *J)   { return over_time(x->pi, x->pi->r_pi, J); }
static double J_over_visits(const setting *x, double *J) { return over_visits(x->pi, x->pi->r_pi, J); }

static double soft_J(const setting *x, double *J)
{
    soft_values *v = soft_values_new(x->pi, BETA);
    *J = v->J;
    soft_values_free(v);
    return 0;
}

/* r_pi + beta H, H = E_a[-log pi] */
static double *pays(const exact *x)
{
    double *f = allocate((size_t)x->nS, sizeof *f, "rewards");
    for (int i = 0; i < x->nSA; i++)
        if (!x->absorbing[i / x->nA]) f[i / x->nA] += x->pi[i] * (x->r[i] - BETA * x->logpi[i]);
    return f;
}

static double soft_J_over_time(const setting *x, double *J)
{
    double *f = pays(x->pi), own = over_time(x->pi, f, J);
    free(f);
    return own;
}

static double soft_J_over_visits(const setting *x, double *J)
{
    double *f = pays(x->pi);
    over_visits(x->pi, f, J);
    free(f);
    return 0;
}

double entropy_undiscounted(const exact *x, double beta, long steps)
{
    soft_values *v = soft_values_new(x, beta);
    double *p = allocate(2 * (size_t)x->nS, sizeof *p, "probabilities"), *next = p + x->nS, sum = 0;
    for (int s = 0; s < x->nS; s++) p[s] = x->absorbing[s] ? 0 : x->M->mu0[s];
    for (long t = 0; t < steps; t++) {
        sum += beta * linalg_dot(x->nS, p, v->H);
        sparse_times(x->P, true, p, next);
        memcpy(p, next, (size_t)x->nS * sizeof *p);
    }
    free(p);
    soft_values_free(v);
    return sum;
}

static double gamma_t_before_r_only(const setting *x, double *J)
{
    *J = x->pi->J + entropy_undiscounted(x->pi, BETA, 1000);
    return 0;
}

static void page_of_sums(const setting *x, FILE *out)
{
    char error[256];
    const double theta[2] = { 0 };
    (void)x;
    mdp_builder *b = mdp_begin("one state", 1, 2, 0.9);
    mdp_start(b, 0, 1);
    for (int a = 0; a < 2; a++) mdp_transition(b, 0, a, 0, 1, a);       /* it pays, so it is no end */
    mdp *M = mdp_finish(b);
    exact *uniform = exact_new(M, M->gamma, theta, error, sizeof error);
    require(uniform, "%s", error);
    fprintf(out, "One state, two actions, uniform policy, beta = .01: what entropy pays without gamma^t,\n");
    for (long steps = 10; steps <= 100000; steps *= 100)
        fprintf(out, "%8ld steps %10.4g\n", steps, entropy_undiscounted(uniform, 0.01, steps));
    soft_values *v = soft_values_new(uniform, 0.01);
    fprintf(out, "and with it, gamma = .9, for ever %.4g\n", v->J - uniform->J);
    soft_values_free(v);
    exact_free(uniform);
    mdp_free(M);
}

/* ---- ENT-4: the gradient ---- */

static double unit_soft_gradient(const setting *x)
{
    soft_values *v = soft_values_new(x->pi, BETA);
    double unit = v->unit_gradient;
    soft_values_free(v);
    return unit;
}

static double by_autodiff(const setting *x, double *g)
{
    const exact *pi = x->pi;
    if ((double)pi->nA * pi->nS * pi->nS > 1 << 22) return LEFT_OUT;
    ad_tape *t = ad_tape_new();
    ad theta = ad_input(t, pi->theta, pi->n, 1);
    memcpy(g, ad_value(ad_grad(soft_J_node(t, pi, BETA, theta), theta)), (size_t)pi->n * sizeof *g);
    ad_tape_free(t);
    return 0;
}

static double J_along(const struct along *c, const double *theta) { return soft_J_at(c->x, BETA, theta); }

static double by_differences(const setting *x, double *g)
{
    double S = x->pi->nS;
    if (x->pi->n * (S * S * S) > 1e8 || differences_lost(x->pi)) return LEFT_OUT;
    return differences(&(struct along){ x->pi, J_along, unit_soft_V(x) }, g);
}

/* sum_s rho(s) [ beta grad H(s) + sum_a grad pi(a|s) (r + gamma P V_soft) ] */
static double by_both_ways(const setting *x, double *g)
{
    const exact *pi = x->pi;
    soft_values *v = soft_values_new(pi, BETA);
    double *leads_to = allocate(2 * (size_t)pi->nSA + (size_t)pi->n, sizeof *leads_to, "a gradient");
    double *F = leads_to + pi->nSA, *direct = F + pi->nSA;
    for (int i = 0; i < pi->nSA; i++) {
        leads_to[i] = v->Q[i] + BETA * pi->logpi[i];                /* r + gamma P V_soft */
        F[i] = -BETA * (pi->logpi[i] + 1);
    }
    gradient_sum(pi, NULL, leads_to, g);
    gradient_sum(pi, NULL, F, direct);
    for (int i = 0; i < pi->n; i++) g[i] += direct[i];
    free(leads_to);
    soft_values_free(v);
    return 2 * DBL_EPSILON * BETA * linalg_max_abs(pi->nSA, pi->logpi) * pi->k * pi->c;   /* log pi taken away */
}

static double by_Q_soft(const setting *x, double *g)
{
    soft_values *v = soft_values_new(x->pi, BETA);
    soft_gradient(v, g);
    soft_values_free(v);
    return 0;
}

static void page_of_optimum(const setting *x, FILE *out)
{
    char error[256];
    double V[5], z[15], g[15];
    (void)x;
    mdp *M = mdp_builtin("E5");
    fprintf(out, "The soft optimum of E5, V = beta ln sum_a e^(Q/beta), pi = e^((Q-V)/beta):\n"
            "  beta   J with entropy        J of reward   |grad J|\n");
    for (double beta = 0.1; beta < 100; beta *= 10) {
        soft_optimal(M, M->gamma, beta, V, z);
        exact *best = exact_new(M, M->gamma, z, error, sizeof error);
        require(best, "%s", error);
        soft_values *v = soft_values_new(best, beta);
        soft_gradient(v, g);
        fprintf(out, "%6g %16.10f %18.10f   %.0e\n", beta, v->J, best->J, linalg_norm2(15, g));
        soft_values_free(v);
        exact_free(best);
    }
    mdp_free(M);
}

/* ---- ENT-6: over H steps, through the code that trains ---- */

static double unit_small(const setting *x) { return small_unit(x) * (1 + BETA * fmax(1, log(x->pi->nA))); }

static double gradient_in_time(const setting *x, double *g)
{
    finite_horizon *f = small_new(x);
    soft_finite_gradient(f, BETA, g);
    double room = finite_room(f, x->pi->c) * (1 + BETA * fmax(1, log(x->pi->nA)));
    finite_free(f);
    return room;
}

struct training { const finite_horizon *f; agent *agent; maxent_pg_config c; };

/* An update's gradient from one trajectory; V the exact values of the rewards: any baseline will do */
static void estimate(void *context, const traj *tau, double *g)
{
    const struct training *c = context;
    agent *b = c->agent;
    double h[FINITE_HORIZON], V[FINITE_HORIZON], u[FINITE_HORIZON], G[FINITE_HORIZON];
    memset(g, 0, (size_t)b->states->n * sizeof *g);
    if (tau->T == 0) return;
    for (int t = 0; t < tau->T; t++) V[t] = finite_V(c->f, t, tau->s[t]);
    agent_sees(b, tau);
    maxent_pg_entropies(b->t, &b->pi, b->theta, b->tau, c->c.form, h);
    maxent_pg_weights(&c->c, b->tau, h, V, u, b->w, G);
    maxent_pg_gradient(b->t, &b->pi, b->theta, &c->c, b->tau, u, b->w, b->g);
    memcpy(g, b->g, (size_t)b->states->n * sizeof *g);
}

static double mean_estimate(const setting *x, int entropy, int form, double *g)
{
    finite_horizon *f = small_new(x);
    struct training c = { f, agent_new(f->policy, f->theta, f->H),
                          { .gamma = f->gamma, .beta = BETA, .entropy = entropy, .form = form, .gamma_t = 1 } };
    enumerate_moments(f->M, f->x->pi, f->H, estimate, &c, x->pi->n, g, NULL);
    agent_free(c.agent);
    finite_free(f);
    return 0;
}

static double analytic(const setting *x, double *g)
{
    return mean_estimate(x, MAXENT_PG_RETURN, MAXENT_PG_ANALYTIC, g);
}

static double sampled(const setting *x, double *g)
{
    return mean_estimate(x, MAXENT_PG_RETURN, MAXENT_PG_SAMPLED, g);
}

static double regulariser(const setting *x, double *g)
{
    return mean_estimate(x, MAXENT_PG_REGULARISER, MAXENT_PG_ANALYTIC, g);
}

/* gamma^t sum_{k>t} gamma^{k-t} beta H(pi(.|s_k)) */
static void later_entropies(const finite_horizon *f, const traj *tau, double *w)
{
    int nA = f->M->nA;
    for (int t = 0; t < tau->T; t++) {
        w[t] = 0;
        for (int k = t + 1; k < tau->T; k++)
            for (int i = tau->s[k] * nA; i < (tau->s[k] + 1) * nA; i++)
                w[t] -= pow(f->gamma, k) * BETA * f->x->pi[i] * f->x->logpi[i];
    }
}

static double regulariser_and_credit(const setting *x, double *g)
{
    int n = x->pi->n;
    finite_horizon *f = small_new(x);
    double *credit = allocate((size_t)n + 1, sizeof *credit, "a gradient");
    small_by_hand(f, later_entropies, credit);
    regulariser(x, g);
    for (int i = 0; i < n; i++) g[i] += credit[i];
    free(credit);
    finite_free(f);
    return 0;
}

void entropy_three_states(double *maxent, double *regular)
{
    enum { s0, s1, s2, end, nA = 2 };
    char error[256];
    const double theta[4 * nA] = { 0, 0, 0, 0, 1000, 0, 0, 0 };
    double g[4 * nA];
    mdp_builder *b = mdp_begin("to the uniform or to the deterministic state", 4, nA, 0.9);
    mdp_start(b, s0, 1);
    for (int a = 0; a < nA; a++) {
        mdp_transition(b, s0, a, a == 0 ? s1 : s2, 1, 0);
        for (int s = s1; s <= end; s++) mdp_transition(b, s, a, end, 1, 0);
    }
    mdp *M = mdp_finish(b);
    exact *x = exact_new(M, M->gamma, theta, error, sizeof error);
    require(x, "%s", error);
    soft_values *v = soft_values_new(x, 0.5);
    soft_gradient(v, g);
    *maxent = g[0];
    soft_regulariser(x, 0.5, g);
    *regular = g[0];
    soft_values_free(v);
    exact_free(x);
    mdp_free(M);
}

double entropy_after_ascent(double beta)
{
    char error[256];
    double theta[15], g[15], mean = 0;
    mdp *M = mdp_builtin("E5");
    for (int i = 0; i < 15; i++) theta[i] = cos(i / 3 + 2 * (i % 3));
    for (int k = 0; k <= 300; k++) {
        exact *x = exact_new(M, M->gamma, theta, error, sizeof error);
        require(x, "%s", error);
        soft_regulariser(x, beta, g);
        for (int i = 0; i < 15 && k == 300; i++) mean -= x->pi[i] * x->logpi[i] / 5;
        for (int i = 0; i < 15; i++) theta[i] += g[i];
        exact_free(x);
    }
    mdp_free(M);
    return mean;
}

static bool field_of_maxent(const exact *x, double *g)
{
    soft_values *v = soft_values_new(x, BETA);
    soft_gradient(v, g);
    soft_values_free(v);
    return true;
}

static bool field_of_regulariser(const exact *x, double *g)
{
    soft_regulariser(x, BETA, g);
    return true;
}

static void page_of_regulariser(const setting *x, FILE *out)
{
    char error[256];
    double maxent, regular, theta[15], g[15], off[15];
    small_page(x, out);
    entropy_three_states(&maxent, &regular);
    fprintf(out, "\ns0 leads to s1, where pi is uniform, or to s2, where it is deterministic; no reward, gamma .9,"
            " beta .5, p = .5: in\nthe logit of the way to s1 the gradient of ENT-3 is %.4f, the regulariser %.4f.\n",
            maxent, regular);
    mdp *M = mdp_builtin("E5");
    for (int i = 0; i < 15; i++) theta[i] = cos(i / 3 + 2 * (i % 3));
    exact *e5 = exact_new(M, M->gamma, theta, error, sizeof error);
    require(e5, "%s", error);
    field_of_maxent(e5, g);
    field_of_regulariser(e5, off);
    double norm = linalg_norm2(15, g);
    for (int i = 0; i < 15; i++) off[i] -= g[i];
    fprintf(out, "On E5 over all time, theta(s,a) = cos(s+2a), they differ by %.4f of the gradient. The derivative D"
            " of the\nregulariser's field is not symmetric, so it is the gradient of no function: |D - D^T| / |D|"
            " = %.4f (%.0e for ENT-3).\n", linalg_norm2(15, off) / norm,
            missing_gamma_asymmetry(e5, field_of_regulariser), missing_gamma_asymmetry(e5, field_of_maxent));
    fprintf(out, "ERR-22, 002 l.138 takes a cross entropy for it. What the regulariser does on E5, 300 exact steps,"
            " alpha = 1: the mean\nentropy of the states is %.3f with beta = 0, %.3f with beta = .1.\n",
            entropy_after_ascent(0), entropy_after_ascent(0.1));
    exact_free(e5);
    mdp_free(M);
}

/* ---- ENT-5: starts that reach the better of two optima ---- */

enum { CLIMB_STARTS = 20, CLIMB_STEPS = 400, EPISODES = 25, N_BETAS = 5 };
static const double climb_beta[N_BETAS] = { 0, 0.3, 1, 2, 3 };
/* Maximum, minimum, better maximum: as decided as the other one (two-peak), or more */
static const double two_peak[3] = { 0.2, 0.4, 0.8 }, edge_peak[3] = { 0.5, 0.7, 0.95 };

/* J(p) = sum_i a_i p^i with dJ/dp = -1500 (p - at[0]) (p - at[1]) (p - at[2]) and J(0) = 0 */
static void coefficients(const double at[3], double a[5])
{
    a[0] = 0;
    a[1] = 1500 * at[0] * at[1] * at[2];
    a[2] = -1500 * (at[0] * at[1] + at[0] * at[2] + at[1] * at[2]) / 2;
    a[3] = 1500 * (at[0] + at[1] + at[2]) / 3;
    a[4] = -1500.0 / 4;
}

mdp *entropy_peaks(const double at[3])
{
    enum { H = 4, end = H * (H + 1) / 2 };
    double a[H + 1];
    coefficients(at, a);
    static const double choose[H + 1][H + 1] = { { 1 }, { 1, 1 }, { 1, 2, 1 }, { 1, 3, 3, 1 }, { 1, 4, 6, 4, 1 } };
    mdp_builder *b = mdp_begin("two peaks", end + 1, 2, 1);
    mdp_start(b, 0, 1);
    for (int t = 0; t < H; t++)
        for (int i = 0; i <= t; i++)                                            /* action 0 so often */
            for (int action = 0; action < 2; action++) {
                int k = i + (action == 0), s = t * (t + 1) / 2 + i, s1 = (t + 1) * (t + 2) / 2 + k;
                double c = 0;
                for (int j = 0; j <= k; j++) c += choose[k][j] / choose[H][j] * a[j];
                mdp_transition(b, s, action, t < H - 1 ? s1 : end, 1, t < H - 1 ? 0 : c);
            }
    for (int action = 0; action < 2; action++) mdp_transition(b, end, action, end, 1, 0);
    return mdp_finish(b);
}

/* g [2] of ENT-3 in the two logits that all states share, exact */
static void exact_step(const mdp *M, const policy_class *aliased, const double *theta, double beta, double *g)
{
    char error[256];
    exact *x = exact_new_policy(M, 1, aliased, theta, error, sizeof error);
    require(x, "%s", error);
    soft_values *v = soft_values_new(x, beta);
    soft_gradient(v, g);
    soft_values_free(v);
    exact_free(x);
}

/* The same from so many episodes, as an update of algorithms/maxent_pg.c has it. All states look alike, so V is
 * one number: the mean of G_t in the update before. */
static void sampled_step(agent *b, env *e, gsl_rng *rng, const double *theta, double beta, int episodes,
                         double *V_s, double *g)
{
    enum { MOST = 4 * EPISODES };
    const maxent_pg_config c = { .gamma = 1, .beta = beta, .entropy = MAXENT_PG_RETURN };
    double h[MOST], V[MOST], u[MOST], w[MOST], G[MOST], p0 = 1 / (1 + exp(theta[1] - theta[0])), sum = 0;
    require(episodes <= EPISODES, "%d episodes", episodes);
    memcpy(b->theta, theta, 2 * sizeof *theta);
    rollout_clear(b->tau);
    for (int i = 0; i < episodes; i++) {
        bool terminated = false, truncated;
        for (env_reset(e, rng); !e->over;) {
            double r, a = gsl_rng_uniform(rng) >= p0;
            env_step(e, &a, &r, &terminated, &truncated);
            rollout_add(b->tau, agent_observation(b, 0), &a, r);
        }
        rollout_end(b->tau, agent_observation(b, 0), true, terminated, false);
    }
    for (int t = 0; t < b->tau->T; t++) V[t] = *V_s;
    maxent_pg_entropies(b->t, &b->pi, b->theta, b->tau, c.form, h);
    maxent_pg_weights(&c, b->tau, h, V, u, w, G);
    maxent_pg_gradient(b->t, &b->pi, b->theta, &c, b->tau, u, w, b->g);
    memcpy(g, b->g, 2 * sizeof *g);
    for (int t = 0; t < b->tau->T; t++) sum += G[t];
    *V_s = sum / b->tau->T;
}

double entropy_climb(const mdp *M, double p, double beta, int episodes, uint64_t seed)
{
    double *one = allocate((size_t)M->nS, sizeof *one, "features"), theta[2] = { log(p), log(1 - p) }, g[2], V = 0;
    for (int s = 0; s < M->nS; s++) one[s] = 1;
    policy_class *aliased = policy_linear(M, 1, one);
    agent *b = agent_new(aliased, theta, 0);
    env *e = env_mdp_new(M);
    gsl_rng *rng = random_stream(seed, 0, RANDOM_ENV);
    for (int k = 0; k < 2 * CLIMB_STEPS; k++) {
        double now = k < CLIMB_STEPS ? beta : 0;
        if (episodes) sampled_step(b, e, rng, theta, now, episodes, &V, g);
        else          exact_step(M, aliased, theta, now, g);
        for (int i = 0; i < 2; i++) theta[i] += 0.005 * g[i];
    }
    gsl_rng_free(rng);
    env_free(e);
    agent_free(b);
    policy_free(aliased);
    free(one);
    return 1 / (1 + exp(theta[1] - theta[0]));
}

static double J_at(const double at[3], double p)
{
    double a[5];
    coefficients(at, a);
    return p * (a[1] + p * (a[2] + p * (a[3] + p * a[4])));
}

/* ENT-5   how many of 20 starts, p = .025, .075, .., end on the better maximum's side of the minimum */
static int reach(const double at[3], double beta, int episodes, uint64_t seed)
{
    mdp *M = entropy_peaks(at);
    int count = 0;
    for (int i = 0; i < CLIMB_STARTS; i++)
        count += entropy_climb(M, (i + 0.5) / CLIMB_STARTS, beta, episodes, seed + (uint64_t)i) > at[1];
    mdp_free(M);
    return count;
}

static double gained(const setting *x, double *out)
{
    (void)x;
    *out = reach(two_peak, 3, 0, 0) - reach(two_peak, 0, 0, 0);
    return 0;
}

static double gained_in_training(const setting *x, double *out)
{
    *out = reach(two_peak, 3, EPISODES, x->seed) - reach(two_peak, 0, EPISODES, x->seed);
    return 0;
}

static double gained_at_the_edge(const setting *x, double *out)
{
    (void)x;
    *out = reach(edge_peak, 3, 0, 0) - reach(edge_peak, 0, 0, 0);
    return 0;
}

static void page_of_peaks(const setting *x, FILE *out)
{
    static const double *const problem[] = { two_peak, edge_peak };
    fprintf(out, "%d starts, p = .025, .075, .., .975; %d steps with beta, then %d without; how many end at the"
            " better optimum\n%41s", CLIMB_STARTS, CLIMB_STEPS, CLIMB_STEPS, "");
    for (int k = 0; k < N_BETAS; k++) fprintf(out, "  beta %-3g", climb_beta[k]);
    for (int i = 0; i < 4; i++) {
        const double *at = problem[i / 2];
        fprintf(out, "\n  J(%.2f) = %5.2f, J(%.2f) = %5.2f, %s ", at[0], J_at(at, at[0]), at[2], J_at(at, at[2]),
                i % 2 ? "sampled" : "exact  ");
        for (int k = 0; k < N_BETAS; k++)
            fprintf(out, "%10d", reach(at, climb_beta[k], i % 2 ? EPISODES : 0, x->seed));
    }
    fprintf(out, "\nEntropy draws to p = 1/2, past the optima on the way. It helps where the better one lies there or"
            " beyond; where the\nbetter one is the more decided it leads away from it. Sampled steps are noisy and"
            " cross low valleys by themselves.\n");
}

const derivation max_entropy[] = {
    { "ENT-1", "H = -sum_a pi log pi = E[-log pi], grad H = -sum_a (log pi + 1) grad pi",
      "H(pi(.|s)) of each s, then the gradient of their sum", n_entropies, unit_entropy, NULL, NULL, {
        { "H(\\pi_\\theta(\\cdot|s))=-\\sum_a\\pi_\\theta(a|s)\\log\\pi_\\theta(a|s),\\quad "
          "\\nabla_\\theta H=-\\sum_a(\\log\\pi_\\theta(a|s)+1)\\nabla_\\theta\\pi_\\theta(a|s)",
          "004 l.216; the product rule", entropies_by_definition },
        { "=E_{a\\sim\\pi_\\theta}[-\\log\\pi_\\theta(a|s)],\\quad "
          "\\partial H/\\partial z_b=\\pi(b|s)(-\\log\\pi(b|s)-H)",
          "004 l.218, with -log pi = ln sum_b e^{z_b} - z_a; the gradient through the logits",
          entropies_of_logits },
        { "=H,\\ \\nabla_\\theta H", "reverse mode", entropies_by_autodiff },
        { "=H,\\ \\lim_{h\\to0}\\frac{H(\\theta+he)-H(\\theta-he)}{2h}", "central differences, extrapolated",
          entropies_by_differences } } },
    { "ENT-2", "the objective without entropy: J = E[sum_t gamma^t r]", "J", count_one, unit_of_V, NULL, NULL, {
        { "J_0(\\theta)=\\rho_0^TV^{\\pi_\\theta}", "MDP-6", J_of_V },
        { "=E_{\\pi_\\theta}[\\sum_{t=0}^\\infty\\gamma^tr(s_t,a_t)]", "004 l.204; summed over time, no solve",
          J_over_time },
        { "=\\sum_s\\rho_\\pi(s)\\,r_\\pi(s)", "sum over t first: visits, MDP-12", J_over_visits } } },
    { "ENT-3", "the objective with entropy: J = E[sum_t gamma^t (r + beta H)]", "J, beta = 0.5",
      count_one, unit_soft_V, NULL, NULL, {
        { "J(\\theta)=\\rho_0^TV_{soft},\\quad V_{soft}=(I-\\gamma P_\\pi)^{-1}(r_\\pi+\\beta H)",
          "Bellman's equation with beta H as reward", soft_J },
        { "=E_{\\pi_\\theta}[\\sum_{t=0}^\\infty\\gamma^t(r(s_t,a_t)+\\beta H(\\pi_\\theta(\\cdot|s_t)))]",
          "summed over time, no solve", soft_J_over_time },
        { "=\\sum_s\\rho_\\pi(s)\\sum_a\\pi_\\theta(a|s)(r(s,a)-\\beta\\log\\pi_\\theta(a|s))",
          "visits, and ENT-1: entropy as a reward of each action", soft_J_over_visits },
        { "=E_{\\pi_\\theta}[\\sum_{t=0}^\\infty\\gamma^tr(s_t,a_t)+\\beta H(\\pi_\\theta(\\cdot|s_t))]",
          "004 l.209: gamma^t does not reach H. Here its first 1000 steps; where episodes do not end the sum is"
          " infinite", gamma_t_before_r_only, DIFFERS, "ERR-26" } },
      .page = page_of_sums },
    { "ENT-4", "grad J = sum_s rho(s) sum_a grad pi Q_soft, Q_soft = r - beta log pi + gamma P V_soft",
      "dJ/dtheta[i], beta = 0.5", count_theta, unit_soft_gradient, NULL, NULL, {
        { "\\nabla_\\theta J(\\theta)=\\nabla_\\theta\\,\\rho_0^T(I-\\gamma P_\\pi)^{-1}(r_\\pi+\\beta H)",
          "ENT-3; reverse mode through the solve", by_autodiff },
        { "=\\lim_{h\\to0}\\frac{J(\\theta+he)-J(\\theta-he)}{2h}", "central differences, extrapolated",
          by_differences },
        { "=\\sum_s\\rho_\\pi(s)[\\beta\\nabla H(\\pi(\\cdot|s))+\\sum_a\\nabla\\pi(a|s)"
          "(r(s,a)+\\gamma(PV_{soft})(s,a))]",
          "V_soft = beta H + sum_a pi (r + gamma P V_soft): the product rule, then PGT-3's recursion; what"
          " algorithms/maxent_pg.c samples", by_both_ways },
        { "=\\sum_s\\rho_\\pi(s)\\sum_a\\nabla\\pi(a|s)Q_{soft}(s,a),\\quad "
          "Q_{soft}=r-\\beta\\log\\pi+\\gamma PV_{soft}",
          "ENT-1's gradient, and sum_a grad pi = 0 takes away its 1", by_Q_soft } },
      .page = page_of_optimum },
    { "ENT-6", "the regulariser beta sum_t grad H is not the gradient of ENT-3: no credit for entropy to come",
      "E[g_i], beta = 0.5, over " FINITE_SMALL, small_n, unit_small, small_not_applicable, NULL, {
        { "\\nabla_\\theta J,\\quad J=E[\\sum_t\\gamma^t(r_t+\\beta H_t)],\\ H_t=H(\\pi_\\theta(\\cdot|s_t))",
          "ENT-4 on the time-expanded MDP", gradient_in_time },
        { "=E[\\sum_t\\gamma^t(G_t-V(s_t))\\nabla\\log\\pi(a_t|s_t)+\\gamma^t\\beta\\nabla H_t],\\quad "
          "G_t=r_t+\\sum_{k>t}\\gamma^{k-t}(r_k+\\beta H_k)",
          "over all trajectories, through algorithms/maxent_pg.c", analytic },
        { "=E[\\sum_t\\gamma^t(G_t-V(s_t))\\nabla\\log\\pi(a_t|s_t)],\\quad "
          "G_t=\\sum_{k\\ge t}\\gamma^{k-t}(r_k-\\beta\\log\\pi(a_k|s_k))",
          "the same with form=sampled: samples of Q_soft", sampled },
        { "=E[\\ldots]_{\\text{regulariser}}+E[\\sum_t\\nabla\\log\\pi(a_t|s_t)\\sum_{k>t}\\gamma^k\\beta H_k]",
          "what entropy=regulariser leaves out, by hand", regulariser_and_credit },
        { "=E[\\sum_t\\gamma^t(\\sum_{k\\ge t}\\gamma^{k-t}r_k-V(s_t))\\nabla\\log\\pi(a_t|s_t)"
          "+\\gamma^t\\beta\\nabla H_t]",
          "004 l.213-214, 002 l.138 (A3C-27): the regulariser, as if it were the gradient; entropy=regulariser",
          regulariser, DIFFERS, "ERR-26" } },
      .page = page_of_regulariser },
    { "ENT-5", "entropy leads more starts to the better optimum, where that is not the more decided one",
      "starts of 20 gained by beta = 3", count_one, unit_of_one, NULL, NULL, {
        { "5", "a quarter of them", .is = { CLIMB_STARTS / 4 } },
        { "\\ge\\text{gain},\\quad\\arg\\max J\\ \\text{at}\\ p=.95,\\ \\text{the other maximum at}\\ .5",
          "the control, and a counterexample: the better optimum is the more decided one, and entropy leads away",
          gained_at_the_edge, AT_MOST },
        { "\\le\\text{gain},\\quad\\arg\\max J\\ \\text{at}\\ p=.8,\\ \\text{the other maximum at}\\ .2",
          "two-peak; 400 exact steps with entropy, 400 without", gained, AT_LEAST },
        { "\\le\\text{gain, sampled}", "the same through algorithms/maxent_pg.c, 25 episodes an update",
          gained_in_training, AT_LEAST } },
      "four choices in a row whose states look alike; gamma 1", page_of_peaks, .trains = 5 },
    { .id = NULL }
};
