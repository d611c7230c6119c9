/* Deterministic policies: Bellman's equation without an expectation over actions, what stands for max_a, the
 * deterministic policy gradient theorem, and what the mean over a buffer makes of it. 002 (l.170-183), 004
 * (l.524-596); Silver et al. (2014), theorems 1 and 2; Lillicrap et al. (2016), equations 3 and 6. Continuous actions
 * have no finite table: their exact values are those of linear-quadratic regulators (lqr_exact.h). */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <gsl/gsl_randist.h>

#include "autodiff/ad.h"
#include "autodiff/linalg.h"
#include "autodiff/random.h"
#include "autodiff/require.h"
#include "derivations/derivation.h"
#include "derivations/regulators.h"

enum { MAX = REGULATOR_MAX, PLACES = 4 };       /* states and actions to look at, of each regulator */

typedef struct {
    lqr_system *L[REGULATORS];
    lqr_exact *x[REGULATORS];
    double s[REGULATORS][PLACES][MAX], a[REGULATORS][PLACES][MAX];      /* ~ N(0, 1) */
} problems;

static problems problems_new(const setting *y)
{
    problems p;
    gsl_rng *rng = random_stream(y->seed, 0, RANDOM_POLICY);
    for (int i = 0; i < REGULATORS; i++) {
        p.L[i] = regulator_system(i);
        p.x[i] = regulator_exact(i, p.L[i], NULL);
        for (int k = 0; k < PLACES * MAX; k++) {
            p.s[i][k / MAX][k % MAX] = gsl_ran_gaussian_ziggurat(rng, 1);
            p.a[i][k / MAX][k % MAX] = gsl_ran_gaussian_ziggurat(rng, 1);
        }
    }
    gsl_rng_free(rng);
    return p;
}

static void problems_free(problems *p)
{
    for (int i = 0; i < REGULATORS; i++) {
        lqr_exact_free(p->x[i]);
        lqr_system_free(p->L[i]);
    }
}

/* A line: one regulator after the other */
typedef double (*of_regulator)(const lqr_exact *x, double *g);

static double each(const setting *y, of_regulator f, double *out)
{
    problems p = problems_new(y);
    double own = 0;
    for (int i = 0; i < REGULATORS; out += p.x[i]->m * p.x[i]->n, i++) {
        memset(out, 0, (size_t)(p.x[i]->m * p.x[i]->n) * sizeof *out);
        own = fmax(own, f(p.x[i], out));
    }
    problems_free(&p);
    return own;
}

/* and a line of values at places */
typedef double (*at_place)(const lqr_exact *x, const double *s, const double *a);

static double at_places(const setting *y, at_place f, double *out)
{
    problems p = problems_new(y);
    for (int i = 0; i < REGULATORS; i++)
        for (int k = 0; k < PLACES; k++) *out++ = f(p.x[i], p.s[i][k], p.a[i][k]);
    problems_free(&p);
    return 0;
}

/* ---- DDPG-27: both sides of the theorem ---- */

/* J = -sum_t gamma^t E[x_t^T (Q + K^T R K) x_t], the moments E[x_t x_t^T] followed step by step on the tape until
 * gamma^t is nothing, and J differentiated through all of it: no theorem */
static double unrolled(const lqr_exact *x, double *g)
{
    const lqr_system *L = x->L;
    int n = x->n, m = x->m, T = (int)ceil(log(1e-20) / log(L->gamma));
    double start[MAX * MAX];
    for (int i = 0; i < n * n; i++) start[i] = L->Sigma0[i] + L->mean[i / n] * L->mean[i % n];
    ad_tape *t = ad_tape_new();
    ad K = ad_input(t, x->K, m, n), R = ad_input(t, L->R, m, m), W = ad_input(t, L->W, n, n);
    ad F = ad_sub(ad_input(t, L->A, n, n), ad_matmul(ad_input(t, L->B, n, m), K));
    ad cost = ad_add(ad_input(t, L->Q, n, n), ad_matmul_t(true, false, K, ad_matmul(R, K)));
    ad xx = ad_input(t, start, n, n), J = ad_constant(t, 0, 1, 1);
    double weight = 1;
    for (int i = 0; i < T; i++, weight *= L->gamma) {
        J = ad_sub(J, ad_scale(weight, ad_dot(cost, xx)));
        xx = ad_add(ad_matmul_t(false, true, ad_matmul(F, xx), F), W);
    }
    memcpy(g, ad_value(ad_grad(J, K)), (size_t)(m * n) * sizeof *g);
    ad_tape_free(t);
    return 0;
}

static double J_at(const lqr_exact *x, int i, double moved)
{
    char error[256] = "";
    double K[MAX * MAX];
    memcpy(K, x->K, (size_t)(x->m * x->n) * sizeof *K);
    K[i] += moved;
    lqr_exact *y = lqr_exact_new(x->L, K, NULL, error, sizeof error);
    require(y, "%s", error);
    double J = y->J;
    lqr_exact_free(y);
    return J;
}

/* Central differences, extrapolated once, at h and h / 2: right to how far these are apart, and what rounding does */
static double differences(const lqr_exact *x, double *g)
{
    double own = 0, h = ldexp(1, -8);
    for (int i = 0; i < x->m * x->n; i++) {
        double slope[2];
        for (int k = 0; k < 2; k++) {
            double d = k ? h / 2 : h, near = J_at(x, i, d) - J_at(x, i, -d),
                far = J_at(x, i, 2 * d) - J_at(x, i, -2 * d);
            slope[k] = (8 * near - far) / (12 * d);
        }
        g[i] = slope[1];
        own = fmax(own, fabs(slope[0] - slope[1]) + 10 * x->unit_J / h);
    }
    return own;
}

/*[snip deterministic-pg-theorem later]*/
/* DDPG-27   dJ/dtheta = sum_s rho(s) dmu_theta(s)/dtheta^T dQ(s, a)/da at a = mu_theta(s);
 * theta = K, mu(s) = -K s: d mu_k / d K_kj = -s_j */
static void theorem_at(const lqr_exact *x, const double *s, double rho, double *g)
{
    double a[MAX], grad_a_Q[MAX];
    lqr_mu(x, s, a);
    lqr_grad_a_Q(x, s, a, grad_a_Q);
    for (int k = 0; k < x->m; k++)
        for (int j = 0; j < x->n; j++) g[k * x->n + j] += rho * -s[j] * grad_a_Q[k];
}
/*[/snip]*/

static double theorem(const lqr_exact *x, double *g)
{
    regulator_visits(x, theorem_at, g);
    return 0;
}

static double closed_form(const lqr_exact *x, double *g)
{
    memcpy(g, x->gradient, (size_t)(x->m * x->n) * sizeof *g);
    return 0;
}

/* Noise N(0, S) in the actions: E[grad log pi(a|s) Q(s, a)] = E[-S^-1 xi Q(s, mu(s) + xi)] s^T */
struct score { const lqr_exact *x; const double *s; int k; };

static double score_times_Q(const double *xi, const void *of)
{
    const struct score *c = of;
    double a[MAX];
    lqr_mu(c->x, c->s, a);
    for (int k = 0; k < c->x->m; k++) a[k] += xi[k];
    return -xi[c->k] / c->x->S[c->k * (c->x->m + 1)] * lqr_Q(c->x, c->s, a);
}

static void likelihood_ratio_at(const lqr_exact *x, const double *s, double rho, double *g)
{
    for (int k = 0; k < x->m; k++) {
        double E = regulator_mean(x->m, x->S, score_times_Q, &(struct score){ x, s, k });
        for (int j = 0; j < x->n; j++) g[k * x->n + j] += rho * E * s[j];
    }
}

/* Theorem 2 of Silver et al.: at S = sigma^2 1 the gradient is affine in sigma^2, so that two tell its limit */
static double limit_of_stochastic(const lqr_exact *x, double *g)
{
    int n = x->m * x->n;
    char error[256] = "";
    for (int k = 1; k <= 2; k++) {
        double S[MAX * MAX] = { 0 }, g_S[MAX * MAX] = { 0 };
        for (int i = 0; i < x->m; i++) S[i * (x->m + 1)] = 0.25 * k;
        lqr_exact *y = lqr_exact_new(x->L, x->K, S, error, sizeof error);
        require(y, "%s", error);
        regulator_visits(y, likelihood_ratio_at, g_S);
        for (int i = 0; i < n; i++) g[i] += (k == 1 ? 2 : -1) * g_S[i];
        lqr_exact_free(y);
    }
    return 0;
}

/* E_D[...] over a buffer with E_D[s s^T] = 1 in the place of rho */
static double over_buffer(const lqr_exact *x, double *g)
{
    for (int j = 0; j < x->n; j++) {
        double s[MAX] = { 0 };
        s[j] = 1;
        theorem_at(x, s, 1, g);
    }
    return 0;
}

static double PG_unrolled(const setting *y, double *g)    { return each(y, unrolled, g); }
static double PG_differences(const setting *y, double *g) { return each(y, differences, g); }
static double PG_theorem(const setting *y, double *g)     { return each(y, theorem, g); }
static double PG_closed(const setting *y, double *g)      { return each(y, closed_form, g); }
static double PG_limit(const setting *y, double *g)       { return each(y, limit_of_stochastic, g); }
static double PG_buffer(const setting *y, double *g)      { return each(y, over_buffer, g); }

static int n_gains(const setting *y)
{
    problems p = problems_new(y);
    int n = 0;
    for (int i = 0; i < REGULATORS; i++) n += p.x[i]->m * p.x[i]->n;
    problems_free(&p);
    return n;
}

static double unit_gradient(const setting *y)
{
    problems p = problems_new(y);
    double unit = 0;
    for (int i = 0; i < REGULATORS; i++) unit = fmax(unit, p.x[i]->unit_gradient);
    problems_free(&p);
    return unit;
}

static double angle(int n, const double *g, const double *h)            /* in degrees */
{
    return acos(fmax(-1, fmin(1, linalg_dot(n, g, h) / (linalg_norm2(n, g) * linalg_norm2(n, h))))) * 180 / acos(-1);
}

/* ERR-68: how far the gradient over a buffer points from that of J, for D of all directions alike, and for the worst
 * D of one direction in the plane of the first two states */
static void page_of_buffers(const setting *y, FILE *out)
{
    problems p = problems_new(y);
    fprintf(out, "ERR-68: the gradient over a buffer D beside dJ/dK.\n"
            "  %-8s %12s %12s %8s   %s\n",
            "", "|dJ/dK|", "E_D[s s^T]=1", "angle", "worst D of one direction in s_1, s_2");
    for (int i = 0; i < REGULATORS; i++) {
        const lqr_exact *x = p.x[i];
        int n = x->m * x->n, worst = 0;
        double g[MAX * MAX] = { 0 }, most = 0;
        over_buffer(x, g);
        for (int k = 0; k < 180 && x->n > 1; k++) {
            double s[MAX] = { cos(k * acos(-1) / 180), sin(k * acos(-1) / 180) }, h[MAX * MAX] = { 0 };
            theorem_at(x, s, 1, h);
            double off = angle(n, x->gradient, h);
            if (off > most) most = off, worst = k;
        }
        fprintf(out, "  %-8s %12.8g %12.8g %7.1f°   ", regulator_name(i), linalg_norm2(n, x->gradient),
                linalg_norm2(n, g), angle(n, x->gradient, g));
        if (x->n > 1) fprintf(out, "at %d°: %.1f°\n", worst, most);
        else          fprintf(out, "there is but one\n");
    }
    fprintf(out, "In one dimension only the size is wrong. In several, some D point downhill.\n");
    problems_free(&p);
}

/* ---- DDPG-1: Q of a deterministic policy ---- */

static double Q_closed(const lqr_exact *x, const double *s, const double *a) { return lqr_Q(x, s, a); }

static void next_state(const lqr_exact *x, const double *s, const double *a, const double *w, double *s1)
{
    const lqr_system *L = x->L;
    for (int i = 0; i < x->n; i++) {
        s1[i] = w[i];
        for (int j = 0; j < x->n; j++) s1[i] += L->A[i * x->n + j] * s[j];
        for (int j = 0; j < x->m; j++) s1[i] += L->B[i * x->m + j] * a[j];
    }
}

static double reward(const lqr_exact *x, const double *s, const double *a)
{
    double r = 0;
    for (int i = 0; i < x->n * x->n; i++) r -= s[i / x->n] * x->L->Q[i] * s[i % x->n];
    for (int i = 0; i < x->m * x->m; i++) r -= a[i / x->m] * x->L->R[i] * a[i % x->m];
    return r;
}

struct transition { const lqr_exact *x; const double *s, *a; };

/* DDPG-1   r + gamma Q(s', mu(s')), in the mean over s' alone: no action is drawn */
static double bellman_target(const double *w, const void *of)
{
    const struct transition *c = of;
    double s1[MAX], a1[MAX];
    next_state(c->x, c->s, c->a, w, s1);
    lqr_mu(c->x, s1, a1);
    return reward(c->x, c->s, c->a) + c->x->L->gamma * lqr_Q(c->x, s1, a1);
}

static double Q_bellman(const lqr_exact *x, const double *s, const double *a)
{
    return regulator_mean(x->n, x->L->W, bellman_target, &(struct transition){ x, s, a });
}

/* sum_t gamma^t E[r_t] after (s, a): the mean goes on alone, the covariance C too, C' = F C F^T + W */
static double Q_rollout(const lqr_exact *x, const double *s, const double *a)
{
    const lqr_system *L = x->L;
    int n = x->n, T = (int)ceil(log(1e-20) / log(L->gamma));
    double mean[MAX], u[MAX], C[MAX * MAX], FC[MAX * MAX], cost[MAX * MAX], RK[MAX * MAX], none[MAX] = { 0 };
    double Q = reward(x, s, a), weight = L->gamma;
    linalg_matmul(false, false, x->m, n, x->m, L->R, x->K, RK);
    memcpy(cost, L->Q, (size_t)(n * n) * sizeof *cost);
    linalg_matmul_add(true, false, n, n, x->m, x->K, RK, cost);
    next_state(x, s, a, none, mean);
    memcpy(C, L->W, (size_t)(n * n) * sizeof *C);
    for (int t = 1; t < T; t++, weight *= L->gamma) {
        double moved[MAX];
        lqr_mu(x, mean, u);
        Q += weight * (reward(x, mean, u) - linalg_dot(n * n, cost, C));
        next_state(x, mean, u, none, moved);
        memcpy(mean, moved, sizeof mean);
        linalg_matmul(false, false, n, n, n, x->F, C, FC);
        memcpy(C, L->W, (size_t)(n * n) * sizeof *C);
        linalg_matmul_add(false, true, n, n, n, FC, x->F, C);
    }
    return Q;
}

static double Bellman_Q(const setting *y, double *out)       { return at_places(y, Q_closed, out); }
static double Bellman_target(const setting *y, double *out)  { return at_places(y, Q_bellman, out); }
static double Bellman_rollout(const setting *y, double *out) { return at_places(y, Q_rollout, out); }

static int n_places(const setting *y) { (void)y; return REGULATORS * PLACES; }

static double unit_Q(const setting *y)
{
    problems p = problems_new(y);
    double unit = 0;
    for (int i = 0; i < REGULATORS; i++)
        for (int k = 0; k < PLACES; k++) unit = fmax(unit, lqr_unit_Q(p.x[i], p.s[i][k], p.a[i][k]));
    problems_free(&p);
    return unit;
}

/* ---- DDPG-8: pi(s) in the place of argmax_a q(s, a) ---- */

static double Q_greatest(const lqr_exact *x, const double *s, const double *a)
{
    double K1[MAX * MAX], a1[MAX];
    (void)a;
    lqr_greedy_gain(x, K1);
    for (int k = 0; k < x->m; k++) a1[k] = -linalg_dot(x->n, K1 + k * x->n, s);
    return lqr_Q(x, s, a1);
}

/* One action after the other to the top of the parabola through q at -1, 0, 1: no gain, no gradient, only q */
static double Q_search(const lqr_exact *x, const double *s, const double *a)
{
    double b[MAX];
    memcpy(b, a, sizeof b);
    for (int sweep = 0; sweep < 100; sweep++)
        for (int k = 0; k < x->m; k++) {
            double at = b[k], q[3];
            for (int d = 0; d < 3; d++) b[k] = at + d - 1, q[d] = lqr_Q(x, s, b);
            b[k] = at + (q[2] - q[0]) / (2 * (2 * q[1] - q[0] - q[2]));
        }
    return lqr_Q(x, s, b);
}

/* DDPG-8   q(s, pi(s)) for max_a q(s, a) */
static double Q_policy(const lqr_exact *x, const double *s, const double *a)
{
    double b[MAX];
    (void)a;
    lqr_mu(x, s, b);
    return lqr_Q(x, s, b);
}

/* and the gap between them, ((K - K1) s)^T H (K - K1) s */
static double Q_policy_and_gap(const lqr_exact *x, const double *s, const double *a)
{
    double K1[MAX * MAX], H[MAX * MAX], d[MAX], gap = 0;
    lqr_greedy_gain(x, K1);
    lqr_curvature(x, H);
    for (int k = 0; k < x->m; k++)
        d[k] = linalg_dot(x->n, x->K + k * x->n, s) - linalg_dot(x->n, K1 + k * x->n, s);
    for (int i = 0; i < x->m * x->m; i++) gap += d[i / x->m] * H[i] * d[i % x->m];
    return Q_policy(x, s, a) + gap;
}

static double Max_closed(const setting *y, double *out) { return at_places(y, Q_greatest, out); }
static double Max_search(const setting *y, double *out) { return at_places(y, Q_search, out); }
static double Max_gap(const setting *y, double *out)    { return at_places(y, Q_policy_and_gap, out); }
static double Max_policy(const setting *y, double *out) { return at_places(y, Q_policy, out); }

const derivation deterministic_pg[] = {
    { "DDPG-1", "Bellman's equation of a deterministic policy: no expectation over actions",
      "Q(s, a) at 12 places",
      n_places, unit_Q, NULL, NULL, {
        { "Q^\\mu(s,a)=-(s^TQs+a^TRa)-\\gamma(s'^TPs'+\\mathrm{tr}\\,PW+v_0)",
          "s' = A s + B a; P by Stein's equation", Bellman_Q },
        { "=E_{r,s'}[r+\\gamma Q^\\mu(s',\\mu(s'))]",
          "by quadrature over s', which is exact for what is quadratic", Bellman_target },
        { "=E[\\sum_t\\gamma^tr_t|s_0=s,a_0=a]", "the mean and the covariance of the states, step by step",
          Bellman_rollout } },
      .own_problem = THREE_REGULATORS },
    { "DDPG-8", "the policy's action for the best one: q(s, pi(s)) <= max_a q(s, a)", "max_a q(s, a) at 12 states",
      n_places, unit_Q, NULL, NULL, {
        { "\\max_aq(s,a)", "q is a parabola in a: its top at -K_1 s", Max_closed },
        { "=\\max_aq(s,a)", "found by values of q alone, one action after the other", Max_search },
        { "=q(s,\\pi(s))+((K-K_1)s)^TH(K-K_1)s", "the gap; H = R + gamma B^T P B is half the curvature", Max_gap },
        { "\\ge q(s,\\pi_\\theta(s))", "what stands for it; equal when pi is greedy for q", Max_policy,
          .relation = AT_MOST } },
      .own_problem = THREE_REGULATORS },
    { "DDPG-27", "the deterministic policy gradient theorem", "dJ/dK", n_gains, unit_gradient, NULL, NULL, {
        { "\\nabla_\\theta J(\\mu_\\theta)", "reverse mode through J's sum over time, E[x_t x_t^T] step by step",
          PG_unrolled },
        { "\\approx\\frac{8(J(\\theta+h)-J(\\theta-h))-(J(\\theta+2h)-J(\\theta-2h))}{12h}",
          "the definition of a derivative", PG_differences },
        { "=\\sum_s\\rho^\\mu(s)\\nabla_\\theta\\mu_\\theta(s)\\nabla_aQ^\\mu(s,a)|_{a=\\mu_\\theta(s)}",
          "the theorem, over the states that are visited", PG_theorem },
        { "=-2\\,((R+\\gamma B^TPB)K-\\gamma B^TPA)\\,X",
          "its closed form here; X = sum_t gamma^t E[x_t x_t^T] by Stein's equation", PG_closed },
        { "=\\lim_{S\\to0}E[\\nabla_\\theta\\log\\pi_{\\theta,S}(a|s)Q^{\\pi_S}(s,a)]",
          "the stochastic policy gradient of mu with ever less noise N(0, S), by quadrature over a", PG_limit },
        { "\\nabla_\\theta J(\\theta)=E_D[\\nabla_aq_w\\nabla_\\theta\\pi_\\theta]",
          "004 (l.588-596): the mean over a buffer, here E_D[s s^T] = 1, is no gradient of J", PG_buffer,
          .relation = DIFFERS, .erratum = "ERR-68" } },
      .own_problem = THREE_REGULATORS, .page = page_of_buffers },
    { NULL }
};
