/* n-step returns: what their mean is, and what n costs. Through algorithms/nstep.c on enumerated trajectories, and by
 * recursions that make no trajectory. 004 (l.81-115, l.187), 002 (l.135). */
#include "derivations/nstep_return.h"

#include <float.h>
#include <gsl/gsl_math.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "algorithms/nstep.h"
#include "algorithms/vpg.h"
#include "autodiff/linalg.h"
#include "autodiff/require.h"
#include "derivations/agent.h"
#include "derivations/derivation.h"
#include "derivations/small_problem.h"

/* Any v does: the end is worth 0, and a trajectory that is cut off goes on in its last state. */
static double any_v(const finite_horizon *f, int s) { return mdp_absorbing(f->M, s) ? 0 : 0.5 + cos(3 * s); }

static double *values(const finite_horizon *f, const traj *tau)                 /* [T+1] v(s_t) */
{
    double *v = allocate((size_t)tau->T + 1, sizeof *v, "values along a trajectory");
    for (int t = 0; t <= tau->T; t++) v[t] = any_v(f, tau->s[t]);
    return v;
}

/* ---- A3C-3: [FINITE_HORIZON][nS], n = 1, 2, .. from each start ---- */

static int n_means(const setting *x) { return FINITE_HORIZON * x->pi->nS; }

/* A3C-3   v_n(s) = (T_pi v_{n-1})(s) = sum_a pi(a|s) sum_s' P (r + gamma v_{n-1}(s')), v_0 = v */
static double bellman_n_times(const setting *x, double *out)
{
    finite_horizon *f = small_new(x);
    const mdp *M = f->M;
    double *v = allocate(2 * (size_t)M->nS, sizeof *v, "values"), *next = v + M->nS;
    memset(out, 0, (size_t)n_means(x) * sizeof *out);
    for (int s = 0; s < M->nS; s++) v[s] = any_v(f, s);
    for (int n = 1; n <= f->H; n++) {
        memset(next, 0, (size_t)M->nS * sizeof *next);
        for (int i = 0; i < M->nS * M->nA; i++)
            for (int k = M->row[i]; k < M->row[i + 1] && !mdp_absorbing(M, i / M->nA); k++)
                next[i / M->nA] += f->x->pi[i] * M->P[k] * (M->R[k] + f->gamma * v[M->next[k]]);
        memcpy(v, next, (size_t)M->nS * sizeof *v);
        for (int s = 0; s < M->nS; s++) out[(n - 1) * M->nS + s] = M->mu0[s] * v[s];
    }
    double room = finite_room(f, 1);
    free(v);
    finite_free(f);
    return room;
}

/* A3C-3   G_0^(n), written where n and s_0 are counted */
static void returns_of_start(void *context, const traj *tau, double *out)
{
    const finite_horizon *f = context;
    double *v = values(f, tau), G[FINITE_HORIZON] = { 0 };
    memset(out, 0, (size_t)(FINITE_HORIZON * f->M->nS) * sizeof *out);
    for (int n = 1; n <= f->H; n++) {
        nstep_fixed(tau->T, n, tau->r, v, v[tau->T], f->gamma, G);
        out[(n - 1) * f->M->nS + tau->s[0]] = G[0];
    }
    free(v);
}

static double mean_returns(const setting *x, double *out)
{
    finite_horizon *f = small_new(x);
    enumerate_moments(f->M, f->x->pi, f->H, returns_of_start, f, n_means(x), out, NULL);
    finite_free(f);
    return 0;
}

/* Visits forward in time: sum_{k<n} gamma^k E[r_k] + gamma^n E[v(s_n)], from one start after the other */
static double by_visits(const setting *x, double *out)
{
    finite_horizon *f = small_new(x);
    const mdp *M = f->M;
    mdp from = *M;
    finite_horizon start = *f;
    start.M = &from;
    memset(out, 0, (size_t)n_means(x) * sizeof *out);
    for (int s0 = 0; s0 < M->nS; s0++) {
        if (!(M->mu0[s0] > 0)) continue;
        from.mu0 = allocate((size_t)M->nS, sizeof *from.mu0, "a start");
        from.mu0[s0] = M->mu0[s0];
        double *p = small_visits(&start), earned = 0;
        for (int n = 1; n <= f->H; n++) {
            double rest = 0;
            for (int i = 0; i < M->nS * M->nA; i++)
                earned += gsl_pow_int(f->gamma, n - 1) * p[(n - 1) * M->nS + i / M->nA] * f->x->pi[i]
                          * mdp_reward(M, i / M->nA, i % M->nA);
            for (int s = 0; s < M->nS; s++) rest += p[n * M->nS + s] * any_v(f, s);
            out[(n - 1) * M->nS + s0] = earned + gsl_pow_int(f->gamma, n) * rest;
        }
        free(p);
        free(from.mu0);
    }
    finite_free(f);
    return 0;
}

/* ---- A3C-4: G_t^(2) ---- */

enum { TWO = 2 };

static void closed_sum(const finite_horizon *f, const traj *tau, double *out)
{
    double *v = values(f, tau);
    for (int t = 0; t < tau->T; t++) {
        int end = t + TWO < tau->T ? t + TWO : tau->T;
        out[t] = gsl_pow_int(f->gamma, end - t) * v[end];
        for (int k = t; k < end; k++) out[t] += gsl_pow_int(f->gamma, k - t) * tau->r[k];
    }
    free(v);
}

/* A3C-4   G_t^(n) = r_t + gamma G_{t+1}^(n-1),  G_t^(0) = v(s_t) */
static double recursive(const finite_horizon *f, const traj *tau, int t, int n)
{
    return n == 0 || t == tau->T ? any_v(f, tau->s[t]) : tau->r[t] + f->gamma * recursive(f, tau, t + 1, n - 1);
}

static void by_recursion(const finite_horizon *f, const traj *tau, double *out)
{
    for (int t = 0; t < tau->T; t++) out[t] = recursive(f, tau, t, TWO);
}

static void by_code(const finite_horizon *f, const traj *tau, double *out)
{
    double *v = values(f, tau);
    nstep_fixed(tau->T, TWO, tau->r, v, v[tau->T], f->gamma, out);
    free(v);
}

static double sums(const setting *x, double *out)       { return small_steps(x, closed_sum, out); }
static double recursions(const setting *x, double *out) { return small_steps(x, by_recursion, out); }
static double code(const setting *x, double *out)       { return small_steps(x, by_code, out); }

/* ---- A3C-7: ten steps in X3 ---- */

enum { TEN = 10 };
static const int    worked_s[TEN + 1] = { 0, 0, 1, 1, 0, 1, 0, 0, 0, 1, 1 };
static const int    worked_a[TEN] = { 0, 1, 0, 1, 0, 1, 1, 0, 0, 1 };
static const double worked_r[TEN] = { 1, 0.2, -0.5, 0.7, 1, 0.7, 0.2, 1, 1, 0.7 };      /* r(s,a) of X3 */
static const double worked_v[2] = { 2, 1.5 }, worked_gamma = 0.9;
static const double worked_pi[2][2] = { { 0.7, 0.3 }, { 0.4, 0.6 } };

/* dtheta [4], then the weights of the rows k = 0 and k = 9 */
static int    n_worked(const setting *x)    { (void)x; return 6; }
static double unit_worked(const setting *x) { (void)x; return DBL_EPSILON * 4 * TEN * 10; }

/* A3C-7   row k: (r_{t+k} + .. + gamma^{9-k} r_{t+9} + gamma^{10-k} v(s_{t+10}) - v(s_{t+k})) grad log pi, in closed
 * form: 1{b = a} - pi(b|s) in the direction of theta(s,b) */
static double row_by_hand(int k)
{
    double G = gsl_pow_int(worked_gamma, TEN - k) * worked_v[worked_s[TEN]];
    for (int i = k; i < TEN; i++) G += gsl_pow_int(worked_gamma, i - k) * worked_r[i];
    return G - worked_v[worked_s[k]];
}

static double rows_by_hand(const setting *x, double *out)
{
    (void)x;
    memset(out, 0, 6 * sizeof *out);
    for (int k = 0; k < TEN; k++)
        for (int b = 0; b < 2; b++)
            out[2 * worked_s[k] + b] += row_by_hand(k) * ((b == worked_a[k]) - worked_pi[worked_s[k]][b]);
    out[4] = row_by_hand(0);
    out[5] = row_by_hand(TEN - 1);
    return 0;
}

/* The weights w [TEN] by one backward loop, or each by a return of its own of 10 - k steps */
static double rows_by_training(bool backward, bool over, double *out)
{
    own_problem p = own_problem_X3(1);
    agent *b = agent_new(p.states, p.f->theta, TEN);
    int s[TEN + 1], a[TEN];
    double r[TEN], v[TEN + 1];
    memcpy(s, worked_s, sizeof s), memcpy(a, worked_a, sizeof a), memcpy(r, worked_r, sizeof r);
    for (int t = 0; t <= TEN; t++) v[t] = t == TEN && over ? 0 : worked_v[s[t]];
    agent_sees(b, &(traj){ .T = TEN, .s = s, .a = a, .r = r });
    if (backward) nstep_returns(TEN, r, v[TEN], worked_gamma, b->w);
    for (int k = 0; k < TEN && !backward; k++) {
        double G[TEN];
        nstep_fixed(TEN, TEN - k, r, v, v[TEN], worked_gamma, G);
        b->w[k] = G[k];
    }
    for (int k = 0; k < TEN; k++) b->w[k] -= v[k];
    vpg_gradient(b->t, &b->pi, b->theta, b->tau, b->w, VPG_MEAN_OVER_TRAJECTORIES, b->g);
    memcpy(out, b->g, 4 * sizeof *out);
    out[4] = b->w[0];
    out[5] = b->w[TEN - 1];
    agent_free(b);
    own_problem_free(&p);
    return 0;
}

static double rows_backward(const setting *x, double *out) { (void)x; return rows_by_training(true, false, out); }
static double rows_of_the_end(const setting *x, double *out) { (void)x; return rows_by_training(true, true, out); }
static double rows_one_by_one(const setting *x, double *out) { (void)x; return rows_by_training(false, false, out); }

static void page_of_rows(const setting *x, FILE *out)
{
    (void)x;
    fprintf(out, "gamma .9, v = (2, 1.5), s_t+10 = 1\n  k  s  a     r  n-k      G      v   G - v\n");
    for (int k = 0; k < TEN; k++)
        fprintf(out, "%3d %2d %2d %5.1f %4d %6.4f %6.1f %7.4f\n", k, worked_s[k], worked_a[k], worked_r[k], TEN - k,
                row_by_hand(k) + worked_v[worked_s[k]], worked_v[worked_s[k]], row_by_hand(k));
}

/* ---- TDA-9: bias and variance for n = 1 .. 10, X3 from its start ---- */

/* E[G], E[G^2] from each state for n steps from those for n - 1 */
static void moments_back(const exact *x, const double *m, const double *mm, double *m1, double *mm1)
{
    const mdp *M = x->M;
    for (int s = 0; s < x->nS; s++) m1[s] = mm1[s] = 0;
    for (int i = 0; i < x->nSA; i++)
        for (int k = M->row[i]; k < M->row[i + 1] && !x->absorbing[i / x->nA]; k++) {
            double p = x->pi[i] * M->P[k], r = M->R[k], g = x->gamma;
            int s = i / x->nA, s1 = M->next[k];
            m1[s]  += p * (r + g * m[s1]);
            mm1[s] += p * (r * r + 2 * g * r * m[s1] + g * g * mm[s1]);
        }
}

void nstep_return_moments(const exact *x, const double *v, int s, int n, double *mean, double *variance)
{
    size_t nS = (size_t)x->nS;
    double *m = allocate(4 * nS, sizeof *m, "moments of returns"), *mm = m + nS, *m1 = mm + nS, *mm1 = m1 + nS;
    for (int i = 0; i < x->nS; i++) {
        m[i] = x->absorbing[i] ? 0 : v[i];
        mm[i] = m[i] * m[i];
    }
    for (int k = 0; k < n; k++) {
        moments_back(x, m, mm, m1, mm1);
        memcpy(m, m1, 2 * nS * sizeof *m);
        mean[k] = m[s];
        variance[k] = mm[s] - m[s] * m[s];
    }
    free(m);
}

struct x3 { own_problem p; exact *x; double v[2]; };

static struct x3 x3_new(int H, double e0, double e1)                 /* v = V + (e0, e1) */
{
    char error[256];
    struct x3 c = { .p = own_problem_X3(H) };
    c.x = exact_new_policy(c.p.M, c.p.M->gamma, c.p.states, c.p.f->theta, error, sizeof error);
    require(c.x, "%s", error);
    c.v[0] = c.x->V[0] + e0;
    c.v[1] = c.x->V[1] + e1;
    return c;
}

static void x3_free(struct x3 *c)
{
    exact_free(c->x);
    own_problem_free(&c->p);
}

static const double off[2] = { 0.5, -0.3 };

static int    n_twenty(const setting *x)    { (void)x; return 2 * TEN; }
static double unit_twenty(const setting *x) { (void)x; return DBL_EPSILON * 4 * TEN * 100; }    /* u N n G^2 */

static void ten_returns(void *context, const traj *tau, double *out)
{
    const struct x3 *c = context;
    double v[TEN + 1], G[TEN];
    for (int t = 0; t <= tau->T; t++) v[t] = c->v[tau->s[t]];
    for (int n = 1; n <= TEN; n++) {
        int T = n < TEN ? n + 1 : TEN;                                  /* enough for G_0 */
        nstep_fixed(T, n, tau->r, v, v[T], c->x->gamma, G);
        out[n - 1] = G[0];
    }
}

static double by_trajectories(const setting *x, double *out)
{
    (void)x;
    struct x3 c = x3_new(TEN, off[0], off[1]);
    enumerate_moments(c.p.M, c.p.f->x->pi, TEN, ten_returns, &c, TEN, out, out + TEN);
    for (int i = 0; i < TEN; i++) out[i] = fabs(out[i] - c.x->V[0]);
    x3_free(&c);
    return 0;
}

/* TDA-9   bias gamma^n E[e(s_n)]. Variance: G^(n) - E[G^(n)] is the sum of gamma^k eps_k, k < n, with eps_k = r_k +
 * gamma v_{n-k-1}(s_{k+1}) - v_{n-k}(s_k) and v_j = T_pi^j v: each has mean 0 given the past, so squares add up. */
static double by_differences(const setting *unused, double *out)
{
    (void)unused;
    struct x3 c = x3_new(1, off[0], off[1]);
    const exact *x = c.x;
    double v[TEN + 1][2] = { { c.v[0], c.v[1] } }, p[TEN + 1][2] = { { 1, 0 } };
    for (int k = 0; k < TEN; k++)
        for (int i = 0; i < 4; i++)
            for (int e = x->M->row[i]; e < x->M->row[i + 1]; e++) {
                double P = x->pi[i] * x->M->P[e];
                v[k + 1][i / 2] += P * (x->M->R[e] + x->gamma * v[k][x->M->next[e]]);
                p[k + 1][x->M->next[e]] += p[k][i / 2] * P;
            }
    for (int n = 1; n <= TEN; n++) {
        out[n - 1] = fabs(gsl_pow_int(x->gamma, n) * (p[n][0] * off[0] + p[n][1] * off[1]));
        out[TEN + n - 1] = 0;
        for (int k = 0; k < n; k++)
            for (int i = 0; i < 4; i++)
                for (int e = x->M->row[i]; e < x->M->row[i + 1]; e++) {
                    double eps = x->M->R[e] + x->gamma * v[n - k - 1][x->M->next[e]] - v[n - k][i / 2];
                    double P = p[k][i / 2] * x->pi[i] * x->M->P[e];
                    out[TEN + n - 1] += gsl_pow_int(x->gamma, 2 * k) * P * eps * eps;
                }
    }
    x3_free(&c);
    return 0;
}

static double by_moments(const setting *x, double *out)
{
    (void)x;
    struct x3 c = x3_new(1, off[0], off[1]);
    nstep_return_moments(c.x, c.v, 0, TEN, out, out + TEN);
    for (int i = 0; i < TEN; i++) out[i] = fabs(out[i] - c.x->V[0]);
    x3_free(&c);
    return 0;
}

/* The bias of n - 1 steps, |e(s_0)| for none, and the variance of n + 1 */
static double neighbours(const setting *x, double *out)
{
    (void)x;
    struct x3 c = x3_new(1, off[0], off[1]);
    double mean[TEN + 1], variance[TEN + 1];
    nstep_return_moments(c.x, c.v, 0, TEN + 1, mean, variance);
    for (int i = 0; i < TEN; i++) {
        out[i] = fabs(i == 0 ? off[0] : mean[i - 1] - c.x->V[0]);
        out[TEN + i] = variance[i + 1];
    }
    x3_free(&c);
    return 0;
}

static void page_of_n(const setting *x, FILE *out)
{
    static const double e[3][2] = { { 0.5, -0.3 }, { 0.35, -0.65 }, { 3, -3 } };
    static const char *const says[3] = { "",
        ": right in the mean after one step, and after no other number: the bias rises",
        ": so far off that the critic scatters more than rewards do: the variance falls" };
    (void)x;
    fprintf(out, "G^(n) from state 0, as an estimate of V(0):\n");
    for (int k = 0; k < 3; k++) {
        struct x3 c = x3_new(1, e[k][0], e[k][1]);
        double mean[TEN], variance[TEN];
        nstep_return_moments(c.x, c.v, 0, TEN, mean, variance);
        fprintf(out, "%sv = V + (%g, %g)%s\n  n          bias  std. dev.  rms error\n", k ? "\n" : "", e[k][0],
                e[k][1], says[k]);
        for (int n = 1; n <= TEN; n++) {
            double bias = mean[n - 1] - c.x->V[0], sd = sqrt(variance[n - 1]);
            fprintf(out, "%3d %13.6f %10.6f %10.6f\n", n, bias, sd, hypot(bias, sd));
        }
        x3_free(&c);
    }
    fprintf(out, "\nWhat always holds: |bias| <= gamma^n max |e|; and with e = 0 no bias at all, and a variance"
            " that only grows,\nsum_{k<n} gamma^2k E[delta_k^2].\n");
}

#define TRAINING "over all trajectories, through algorithms/nstep.c"

const derivation nstep_return[] = {
    { "A3C-3", "the mean of the n-step return is T_pi applied n times: E[G^(n) | s] = (T_pi^n v)(s)",
      "mu0(s) E[G^(n) | s_0 = s], n = 1, 2, .., over " FINITE_SMALL, n_means, small_unit_of_V, small_not_applicable,
      NULL, {
        { "(T_\\pi^nv)(s),\\quad (T_\\pi v)(s)=\\sum_a\\pi(a|s)\\sum_{s'}P(s'|s,a)(r+\\gamma v(s'))",
          "v(s) = .5 + cos 3s, 0 in the end; Bellman's operator n times", bellman_n_times },
        { "=\\sum_{k<n}\\gamma^kE[r_k|s]+\\gamma^nE[v(s_n)|s]", "visits carried forward in time", by_visits },
        { "=E[r_0+\\gamma r_1+\\dots+\\gamma^{n-1}r_{n-1}+\\gamma^nv(s_n)\\,|\\,s_0=s]", TRAINING,
          mean_returns } },
      .page = small_page },
    { "A3C-4", "an n-step return is a reward and the (n-1)-step return behind it",
      "G_t^(2) on up to 64 trajectories of " FINITE_SMALL, small_n_steps, small_unit_of_V, small_not_applicable,
      NULL, {
        { "r_t+\\gamma r_{t+1}+\\gamma^2v(s_{t+2})", "the sum, as far as the trajectory goes", sums },
        { "=r_t+\\gamma G_{t+1}^{(1)},\\quad G_t^{(0)}=v(s_t)", "the recursion", recursions },
        { "=G_t^{(2)}", "algorithms/nstep.c", code } },
      .page = small_page },
    { "A3C-7", "ten steps, worked: row k looks 10 - k steps ahead", "dtheta [4], then G - v of rows 0 and 9",
      n_worked, unit_worked, NULL, NULL, {
        { "\\sum_{k=0}^9\\nabla\\log\\pi(a_{t+k}|s_{t+k})\\,(\\sum_{i=k}^9\\gamma^{i-k}r_{t+i}"
          "+\\gamma^{10-k}v(s_{t+10})-v(s_{t+k}))", "row by row, scores in closed form", rows_by_hand },
        { "=\\sum_{k=0}^9\\nabla\\log\\pi(a_{t+k}|s_{t+k})\\,(G_{t+k}^{(10-k)}-v(s_{t+k}))",
          "ten returns, algorithms/nstep.c; reverse mode", rows_one_by_one },
        { "R\\leftarrow v(s_{t+10});\\ R\\leftarrow r_i+\\gamma R,\\ i=t+9,\\dots,t",
          "one backward loop (A3C-14)", rows_backward },
        { "R\\leftarrow0",
          "000 (code l.136): steps are cut off at a limit, and what would have come is taken for nothing, as after a"
          " fall. The last return of 500 steps of CartPole-v1 is then 1 for 1/(1-gamma)", rows_of_the_end, DIFFERS,
          "ERR-10" } },
      "ten steps in X3 with pi = (.7, .3; .4, .6), gamma .9", page_of_rows },
    { "TDA-9", "more steps: less bias, more variance", "|bias| for n = 1 .. 10, then the variance of G^(n)",
      n_twenty, unit_twenty, NULL, NULL, {
        { "|E[G^{(n)}]-V^\\pi(s)|,\\quad E(G^{(n)}-E[G^{(n)}])^2", "4^10 trajectories, through algorithms/nstep.c",
          by_trajectories },
        { "=\\gamma^n|E[e(s_{t+n})]|,\\quad\\sum_{k<n}\\gamma^{2k}E[\\epsilon_k^2],\\quad"
          "\\epsilon_k=r_k+\\gamma v_{n-k-1}(s_{k+1})-v_{n-k}(s_k),\\ v_j=T_\\pi^jv",
          "e = v - V; a sum of differences whose means are 0 given the past", by_differences },
        { "=|(T_\\pi^nv)(s)-V^\\pi(s)|,\\quad E[(G^{(n)})^2]-E[G^{(n)}]^2", "moments carried backward in time",
          by_moments },
        { "\\text{bias of }n-1\\text{ steps, variance of }n+1",
          "both as said, with this v; not with every v, see below", neighbours, AT_LEAST } },
      "X3 from state 0, pi = (.7, .3; .4, .6), gamma .9, v = V + (.5, -.3)", page_of_n },
    { .id = NULL }
};
