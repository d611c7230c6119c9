/* One gradient, six estimators: all have its mean, each a variance of its own. 002 (images A3C3-A3C5;
 * Schulman et al. 2016, eq 1), 000 eq (5), (13), 003 (l.53, l.80). Estimators run over all trajectories,
 * through the code of algorithms/psi.c; their second moments are also carried backward in time, where no
 * trajectory is made. */
#include "derivations/equivalent_forms.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "algorithms/returns.h"
#include "autodiff/linalg.h"
#include "autodiff/require.h"
#include "derivations/bellman.h"
#include "derivations/derivation.h"
#include "derivations/estimate.h"
#include "derivations/policy_gradient_theorem.h"
#include "derivations/small_problem.h"
#include "derivations/value_table.h"

const char *const form_name[FORMS] = { "total-return", "reward-to-go", "baseline", "Q", "advantage", "td" };

/* ---- moments by recursion ----
 *
 * From time t on, for one parameter with scores c(s,a), and discounted from t: G_t = r_t + gamma G_{t+1} and
 * X_t = Psi_t c(s_t,a_t) + gamma X_{t+1}, g = X_0. Moments given s_t = s follow from those given s_{t+1}. */
struct moments { double X, XX, G, GG, GX; };

/* Psi_t = psi, a number that s_t, a_t, s_{t+1} fix: E[X], E[X^2] */
static struct moments with_values(double psi, double c, double gamma, struct moments m)
{
    double w = psi * c;
    return (struct moments){ .X = w + gamma * m.X, .XX = w * w + 2 * gamma * w * m.X + gamma * gamma * m.XX };
}

/* Psi_t = G_t - b: also E[G], E[G^2], E[G X] */
static struct moments with_returns(double r, double b, double c, double gamma, struct moments m)
{
    double G = r + gamma * m.G, GG = r * r + 2 * gamma * r * m.G + gamma * gamma * m.GG;
    double G_X1 = r * m.X + gamma * m.GX;                                       /* E[G_t X_{t+1}] */
    return (struct moments){
        .G = G, .GG = GG,
        .X = (G - b) * c + gamma * m.X,
        .XX = (GG - 2 * b * G + b * b) * c * c + 2 * gamma * c * (G_X1 - b * m.X) + gamma * gamma * m.XX,
        .GX = (GG - b * G) * c + gamma * G_X1 };
}

static struct moments one_step(const finite_horizon *f, enum form form, int t, int i, int k, double c,
                               struct moments m)
{
    int s = i / f->M->nA, a = i % f->M->nA;
    double r = f->M->R[k], V = finite_V(f, t, s), Q = finite_Q(f, t, s, a), V1 = finite_V(f, t + 1, f->M->next[k]);
    switch (form) {
        case ACTION_VALUE: return with_values(Q, c, f->gamma, m);
        case ADVANTAGE:    return with_values(Q - V, c, f->gamma, m);
        case TD_RESIDUAL:  return with_values(r + f->gamma * V1 - V, c, f->gamma, m);
        case BASELINE:     return with_returns(r, V, c, f->gamma, m);
        default:           return with_returns(r, 0, c, f->gamma, m);
    }
}

static void add(struct moments *sum, double p, struct moments m)
{
    sum->X += p * m.X;
    sum->XX += p * m.XX;
    sum->G += p * m.G;
    sum->GG += p * m.GG;
    sum->GX += p * m.GX;
}

/* The moments at t from those at t + 1, both [nS]; score [nSA x n], its column j */
static void step_back(const finite_horizon *f, enum form form, int t, const double *score, int j,
                      const struct moments *next, struct moments *now)
{
    const mdp *M = f->M;
    memset(now, 0, (size_t)M->nS * sizeof *now);
    for (int i = 0; i < M->nS * M->nA; i++)
        for (int k = M->row[i]; k < M->row[i + 1]; k++) {
            double c = score[(size_t)i * (size_t)f->policy->n + (size_t)j];
            add(&now[i / M->nA], f->x->pi[i] * M->P[k], one_step(f, form, t, i, k, c, next[M->next[k]]));
        }
}

/* The total return: g = R S with R = sum_t gamma^t r_t and S = sum_t c_t. E[R^p S^q] for p, q <= 2 from
 * those of the rest: (r + gamma R')^p (c + S')^q, multiplied out. */
struct powers { double m[3][3]; };

static void add_total(const double *r, const double *c, const double *gamma, double p, const struct powers *rest,
                      struct powers *to)            /* r, c, gamma [3]: powers 0, 1, 2 */
{
    static const double binomial[3][3] = { { 1, 0, 0 }, { 1, 1, 0 }, { 1, 2, 1 } };
    for (int i = 0; i <= 2; i++)                    /* E[R^i S^j] */
        for (int j = 0; j <= 2; j++)
            for (int u = 0; u <= i; u++)            /* R'^u S'^v */
                for (int v = 0; v <= j; v++)
                    to->m[i][j] += p * binomial[i][u] * r[i - u] * gamma[u]
                                   * binomial[j][v] * c[j - v] * rest->m[u][v];
}

static void step_back_total(const finite_horizon *f, const bool *absorbing, const double *score, int j,
                            const struct powers *next, struct powers *now)
{
    const mdp *M = f->M;
    const double gamma[3] = { 1, f->gamma, f->gamma * f->gamma };
    memset(now, 0, (size_t)M->nS * sizeof *now);
    for (int i = 0; i < M->nS * M->nA; i++) {
        struct powers *to = &now[i / M->nA];
        if (absorbing[i / M->nA]) {                     /* no decision, and so no score */
            to->m[0][0] = 1;
            continue;
        }
        double c_1 = score[(size_t)i * (size_t)f->policy->n + (size_t)j], c[3] = { 1, c_1, c_1 * c_1 };
        for (int k = M->row[i]; k < M->row[i + 1]; k++) {
            double r[3] = { 1, M->R[k], M->R[k] * M->R[k] };
            add_total(r, c, gamma, f->x->pi[i] * M->P[k], &next[M->next[k]], to);
        }
    }
}

static void total_moments(const finite_horizon *f, const double *score, int j, double *X, double *XX)
{
    int nS = f->M->nS;
    struct powers *next = allocate(2 * (size_t)nS, sizeof *next, "moments"), *now = next + nS;
    bool *absorbing = allocate((size_t)nS, sizeof *absorbing, "absorbing states");
    for (int s = 0; s < nS; s++) {
        next[s].m[0][0] = 1;
        absorbing[s] = mdp_absorbing(f->M, s);
    }
    for (int t = 0; t < f->H; t++) {
        step_back_total(f, absorbing, score, j, next, now);
        memcpy(next, now, (size_t)nS * sizeof *next);
    }
    for (int s = 0; s < nS; s++) {
        *X += f->M->mu0[s] * next[s].m[1][1];
        *XX += f->M->mu0[s] * next[s].m[2][2];
    }
    free(absorbing);
    free(next);
}

static void other_moments(const finite_horizon *f, enum form form, const double *score, int j, double *X,
                          double *XX)
{
    int nS = f->M->nS;
    struct moments *next = allocate(2 * (size_t)nS, sizeof *next, "moments"), *now = next + nS;
    for (int t = f->H - 1; t >= 0; t--) {
        step_back(f, form, t, score, j, next, now);
        memcpy(next, now, (size_t)nS * sizeof *next);
    }
    for (int s = 0; s < nS; s++) {
        *X += f->M->mu0[s] * next[s].X;
        *XX += f->M->mu0[s] * next[s].XX;
    }
    free(next);
}

void form_moments(const finite_horizon *f, enum form form, double *mean, double *trace)
{
    int n = f->policy->n;
    double *score = small_scores(f);
    *trace = 0;
    for (int j = 0; j < n; j++) {
        double XX = 0;
        mean[j] = 0;
        if (form == TOTAL_RETURN) total_moments(f, score, j, &mean[j], &XX);
        else                      other_moments(f, form, score, j, &mean[j], &XX);
        *trace += XX - mean[j] * mean[j];
    }
    free(score);
}

/* ERR-40: an action a_T is drawn where the trajectory is cut off, and its score added. Its mean over a_T,
 * and that of its square, are written behind one another: [n], 1. */
struct beyond { const finite_horizon *f; gradient_estimate *estimate; traj tau; double *g; };

static void one_action_more(void *context, const traj *tau, double *out)
{
    struct beyond *b = context;
    int n = b->f->policy->n, T = tau->T;
    const double *pi = b->f->x->pi + tau->s[T] * b->f->M->nA;
    if (tau->terminated) {
        gradient_estimate_run(b->estimate, tau, out);
        out[n] = linalg_dot(n, out, out);
        return;
    }
    memset(out, 0, ((size_t)n + 1) * sizeof *out);
    memcpy(b->tau.s, tau->s, ((size_t)T + 1) * sizeof *tau->s);
    memcpy(b->tau.a, tau->a, (size_t)T * sizeof *tau->a);
    memcpy(b->tau.r, tau->r, (size_t)T * sizeof *tau->r);
    b->tau.T = T + 1;
    b->tau.s[T + 1] = tau->s[T];
    b->tau.r[T] = 0;
    for (int a = 0; a < b->f->M->nA; a++) {
        b->tau.a[T] = a;
        gradient_estimate_run(b->estimate, &b->tau, b->g);
        for (int i = 0; i < n; i++) out[i] += pi[a] * b->g[i];
        out[n] += pi[a] * linalg_dot(n, b->g, b->g);
    }
}

void form_sum_to_T(const finite_horizon *f, double *mean, double *trace)
{
    int n = f->policy->n;
    size_t room = (size_t)f->H + 2;
    struct beyond b = { .f = f, .estimate = gradient_estimate_new(f, gradient_estimator_find("total-return")) };
    b.tau.s = allocate(room, sizeof *b.tau.s, "a trajectory");
    b.tau.a = allocate(room, sizeof *b.tau.a, "a trajectory");
    b.tau.r = allocate(room, sizeof *b.tau.r, "a trajectory");
    b.g = allocate(2 * (size_t)n + 1, sizeof *b.g, "an estimate");
    double *moments = b.g + n;                                          /* [n], 1 */
    enumerate_moments(f->M, f->x->pi, f->H, one_action_more, &b, n + 1, moments, NULL);
    memcpy(mean, moments, (size_t)n * sizeof *mean);
    *trace = moments[n] - linalg_dot(n, mean, mean);
    gradient_estimate_free(b.estimate);
    free(b.tau.s);
    free(b.tau.a);
    free(b.tau.r);
    free(b.g);
}

/* ---- the small problem of enumerate.h ---- */

static double mean_line(const setting *x, const char *name, double *g)
{
    finite_horizon *f = small_new(x);
    gradient_estimator_moments(f, name, g, NULL);
    finite_free(f);
    return 0;
}

static double mean_total(const setting *x, double *g)     { return mean_line(x, "total-return", g); }
static double mean_to_go(const setting *x, double *g)     { return mean_line(x, "reward-to-go", g); }
static double mean_baseline(const setting *x, double *g)  { return mean_line(x, "baseline", g); }
static double mean_Q(const setting *x, double *g)         { return mean_line(x, "Q", g); }
static double mean_A(const setting *x, double *g)         { return mean_line(x, "advantage", g); }
static double mean_td(const setting *x, double *g)        { return mean_line(x, "td", g); }
static double mean_no_gamma(const setting *x, double *g)  { return mean_line(x, "missing-gamma", g); }

/* The gradient by the theorem, and the variance by recursion */
static double by_recursion(const setting *x, enum form form, double *out)
{
    finite_horizon *f = small_new(x);
    form_moments(f, form, out, out + x->pi->n);
    finite_gradient(f, out);
    double room = small_room(f, x->pi->c);
    finite_free(f);
    return room;
}

static double recursion_total(const setting *x, double *out)    { return by_recursion(x, TOTAL_RETURN, out); }
static double recursion_to_go(const setting *x, double *out)    { return by_recursion(x, REWARD_TO_GO, out); }
static double recursion_baseline(const setting *x, double *out) { return by_recursion(x, BASELINE, out); }
static double recursion_Q(const setting *x, double *out)        { return by_recursion(x, ACTION_VALUE, out); }
static double recursion_A(const setting *x, double *out)        { return by_recursion(x, ADVANTAGE, out); }
static double recursion_td(const setting *x, double *out)       { return by_recursion(x, TD_RESIDUAL, out); }

/* Both over all trajectories */
static double by_trajectories(const setting *x, enum form form, double *out)
{
    finite_horizon *f = small_new(x);
    int n = x->pi->n;
    double *variance = allocate((size_t)n, sizeof *variance, "variances");
    gradient_estimator_moments(f, form_name[form], out, variance);
    out[n] = 0;
    for (int i = 0; i < n; i++) out[n] += variance[i];
    free(variance);
    finite_free(f);
    return 0;
}

static double all_total(const setting *x, double *out)    { return by_trajectories(x, TOTAL_RETURN, out); }
static double all_to_go(const setting *x, double *out)    { return by_trajectories(x, REWARD_TO_GO, out); }
static double all_baseline(const setting *x, double *out) { return by_trajectories(x, BASELINE, out); }
static double all_Q(const setting *x, double *out)        { return by_trajectories(x, ACTION_VALUE, out); }
static double all_A(const setting *x, double *out)        { return by_trajectories(x, ADVANTAGE, out); }
static double all_td(const setting *x, double *out)       { return by_trajectories(x, TD_RESIDUAL, out); }

static double all_total_to_T(const setting *x, double *out)
{
    finite_horizon *f = small_new(x);
    form_sum_to_T(f, out, out + x->pi->n);
    finite_free(f);
    return 0;
}

void form_table(const finite_horizon *f, FILE *out)
{
    int n = f->policy->n;
    double *gradient = allocate(3 * (size_t)n, sizeof *gradient, "moments");
    double *mean = gradient + n, *variance = mean + n;
    finite_gradient(f, gradient);
    fprintf(out, "%-14s %22s %22s\n", "Psi", "max |E[g] - grad J|", "trace of covariance");
    for (int k = 0; k < FORMS; k++) {
        double off = 0, trace = 0;
        gradient_estimator_moments(f, form_name[k], mean, variance);
        for (int i = 0; i < n; i++) {
            off = linalg_greater(off, fabs(mean[i] - gradient[i]));
            trace += variance[i];
        }
        fprintf(out, "%-14s %22.2g %22.10g\n", form_name[k], off, trace);
    }
    free(gradient);
}

static void page_of_forms(const setting *x, FILE *out)
{
    finite_horizon *f = small_new(x);
    finite_small_describe(f, out);
    putc('\n', out);
    form_table(f, out);
    finite_free(f);
}

/* ---- RF-1: [FINITE_HORIZON][nS][nA] ---- */

static int n_returns(const setting *x) { return FINITE_HORIZON * x->pi->nSA; }

static double visits_times_Q(const setting *x, double *out)
{
    finite_horizon *f = small_new(x);
    memset(out, 0, (size_t)n_returns(x) * sizeof *out);
    for (int i = 0; i < f->H * x->pi->nSA; i++) out[i] = exact_rho(f->x, i / x->pi->nA) * f->x->pi[i] * f->x->Q[i];
    double room = finite_room(f, 1);
    finite_free(f);
    return room;
}

struct by_pair { const finite_horizon *f; bool as_in_004; };

/* RF-1    E[G_t | s_t = s, a_t = a] = Q_t(s,a); 004's sum begins one reward earlier, r_{t-1} + gamma G_t */
static void return_of_each_step(void *context, const traj *tau, double *out)
{
    const struct by_pair *b = context;
    int nSA = b->f->M->nS * b->f->M->nA;
    double G[FINITE_HORIZON], gamma_t = 1;
    returns_to_go(tau->T, tau->r, b->f->gamma, G);
    memset(out, 0, (size_t)(FINITE_HORIZON * nSA) * sizeof *out);
    for (int t = 0; t < tau->T; t++, gamma_t *= b->f->gamma) {
        double printed = (t > 0 ? tau->r[t - 1] : 0) + b->f->gamma * G[t];
        out[t * nSA + tau->s[t] * b->f->M->nA + tau->a[t]] = gamma_t * (b->as_in_004 ? printed : G[t]);
    }
}

static double mean_returns(const setting *x, bool as_in_004, double *out)
{
    finite_horizon *f = small_new(x);
    struct by_pair b = { f, as_in_004 };
    enumerate_moments(f->M, f->x->pi, f->H, return_of_each_step, &b, n_returns(x), out, NULL);
    finite_free(f);
    return 0;
}

static double returns_right(const setting *x, double *out)   { return mean_returns(x, false, out); }
static double returns_printed(const setting *x, double *out) { return mean_returns(x, true, out); }

/* ---- PGT-16: over all time ---- */

/* PGT-16  sum_t gamma^t E[F(s_t,a_t) grad log pi(a_t|s_t)] = sum_s rho(s) sum_a F(s,a) grad pi(a|s) */
static double with_visits(const setting *x, const double *F, double *g)
{
    gradient_sum(x->pi, NULL, F, g);
    return 0;
}

/* Visits and returns both summed over time: no solve */
static double by_returns(const setting *x, double *g)
{
    const exact *pi = x->pi;
    if (pi->nS > EXACT_MAX_TIME_SUM) return LEFT_OUT;
    double *mu0 = allocate(3 * (size_t)pi->nS + (size_t)pi->nSA, sizeof *mu0, "sums over time");
    double *visits = mu0 + pi->nS, *rest = mu0 + 2 * pi->nS, *G = mu0 + 3 * pi->nS;
    for (int s = 0; s < pi->nS; s++) mu0[s] = pi->absorbing[s] ? 0 : pi->M->mu0[s];
    exact_sum_over_time(pi, true, mu0, visits);
    exact_sum_over_time(pi, false, pi->r_pi, rest);
    for (int i = 0; i < pi->nSA; i++) {
        G[i] = pi->r[i];                                        /* E[G_t | s, a] = r + gamma E[G_{t+1}] */
        for (int k = pi->M->row[i]; k < pi->M->row[i + 1]; k++)
            G[i] += pi->gamma * pi->M->P[k] * rest[pi->M->next[k]];
    }
    gradient_sum(pi, visits, G, g);
    free(mu0);
    return 0;
}

static double by_Q(const setting *x, double *g)
{
    double *Q = allocate((size_t)x->pi->nSA, sizeof *Q, "action values");
    bool solved = bellman_Q(x->pi, Q);
    if (solved) with_visits(x, Q, g);
    free(Q);
    return solved ? bellman_Q_room(x->pi) * x->pi->k * x->pi->c : LEFT_OUT;
}

static double by_A(const setting *x, double *g) { return with_visits(x, x->pi->A, g); }

static double by_delta(const setting *x, double *g)
{
    const exact *pi = x->pi;
    const mdp *M = pi->M;
    double *delta = allocate((size_t)pi->nSA, sizeof *delta, "TD errors");
    for (int i = 0; i < pi->nSA; i++)
        for (int k = M->row[i]; k < M->row[i + 1] && !pi->absorbing[i / pi->nA]; k++)
            delta[i] += M->P[k] * (M->R[k] + pi->gamma * pi->V[M->next[k]] - pi->V[i / pi->nA]);
    with_visits(x, delta, g);
    free(delta);
    return enumerate_room(pi) * pi->k * pi->c;
}

static double by_critic(const setting *x, double *g)            /* X29: Q_w = .7 Q + .3 sin(7 s + 4 a) */
{
    double *Q_w = value_table_X29_Q(x->pi);
    with_visits(x, Q_w, g);
    free(Q_w);
    return 0;
}

#define OF_FORM "dJ/dtheta[i], then the trace of the covariance; over " FINITE_SMALL
#define RECURSION "the gradient by PGT-3; the variance from moments carried backward in time, no trajectory"
#define TRAJECTORIES "over all trajectories, through algorithms/psi.c and autodiff. The sums over time are printed" \
    " without a discount: with one, a reward of time k counts gamma^k wherever it appears (psi.h)"

const derivation equivalent_forms[] = {
    { "PGT-8", "six choices of Psi in E[sum_t gamma^t Psi_t grad log pi(a_t|s_t)]: one gradient",
      "dJ/dtheta[i] over " FINITE_SMALL, small_n, small_unit, small_not_applicable, NULL, {
        { "\\nabla_\\theta J(\\theta)", "PGT-3 on the time-expanded MDP, whose states are (t,s)", small_gradient },
        { "=E[\\sum_t\\nabla_\\theta\\log\\pi_\\theta(a_t|s_t)\\sum_{k=0}^{T-1}\\gamma^kr_k]",
          "PGT-9, PGT-7", mean_total },
        { "=E[\\sum_t\\nabla_\\theta\\log\\pi_\\theta(a_t|s_t)\\sum_{k=t}^{T-1}\\gamma^kr_k]",
          "PGT-10: given the past, a score has mean 0, so rewards before it add nothing", mean_to_go },
        { "=E[\\sum_t\\gamma^t\\nabla_\\theta\\log\\pi_\\theta(a_t|s_t)(G_t-b_t(s_t))]",
          "PGT-11: nor does what s_t alone fixes; b = V", mean_baseline },
        { "=E[\\sum_t\\gamma^t\\nabla_\\theta\\log\\pi_\\theta(a_t|s_t)Q_t(s_t,a_t)]",
          "PGT-12: the mean of G_t given s_t, a_t (RF-1)", mean_Q },
        { "=E[\\sum_t\\gamma^t\\nabla_\\theta\\log\\pi_\\theta(a_t|s_t)A_t(s_t,a_t)]",
          "PGT-13: both at once", mean_A },
        { "=E[\\sum_t\\gamma^t\\nabla_\\theta\\log\\pi_\\theta(a_t|s_t)(r_t+\\gamma V_{t+1}(s_{t+1})-V_t(s_t))]",
          "PGT-14: the TD residual has mean A_t given s_t, a_t (TDA-2)", mean_td },
        { "=E[\\sum_tG_t\\nabla_\\theta\\log\\pi_\\theta(a_t|s_t)]",
          "000 eq 5, 002 l.94: discounted returns without gamma^t", mean_no_gamma, DIFFERS, "ERR-3" } },
      .page = page_of_forms },
    { "PGT-9", "Psi = total return: mean and variance", OF_FORM, small_n_and_trace, small_unit,
      small_not_applicable, NULL, {
        { "\\nabla J,\\quad E|g|^2-|\\nabla J|^2", RECURSION, recursion_total },
        { "E[g],\\ E|g-E[g]|^2,\\quad g=\\sum_{k=0}^{T-1}\\gamma^kr_k\\sum_{t=0}^{T-1}\\nabla\\log\\pi(a_t|s_t)",
          TRAJECTORIES, all_total },
        { "g=\\sum_{k=0}^{T-1}\\gamma^kr_k\\sum_{t=0}^T\\nabla\\log\\pi(a_t|s_t)",
          "003 l.51, l.57 sum to T, the product of l.42 ends at T-1. l.22's tau ends in r_T, so that it has an"
          " a_T; read with l.42 it is one more, which keeps the mean and adds variance",
          all_total_to_T, DIFFERS, "ERR-40" } },
      .measure = small_measure, .page = page_of_forms },
    { "PGT-10", "Psi = reward to go: mean and variance", OF_FORM, small_n_and_trace, small_unit,
      small_not_applicable, NULL, {
        { "\\nabla J,\\quad E|g|^2-|\\nabla J|^2", RECURSION, recursion_to_go },
        { "E[g],\\ E|g-E[g]|^2,\\quad g=\\sum_t\\gamma^tG_t\\nabla\\log\\pi(a_t|s_t)", TRAJECTORIES, all_to_go },
        { "g=R(\\tau)\\sum_t\\nabla\\log\\pi(a_t|s_t)",
          "003 l.53: each action `weighted by the rewards associated with it', printed with all of R(tau)",
          all_total, DIFFERS, "ERR-82" } },
      .measure = small_measure, .page = page_of_forms },
    { "PGT-11", "Psi = reward to go minus V: mean and variance", OF_FORM, small_n_and_trace, small_unit,
      small_not_applicable, NULL, {
        { "\\nabla J,\\quad E|g|^2-|\\nabla J|^2", RECURSION, recursion_baseline },
        { "E[g],\\ E|g-E[g]|^2,\\quad g=\\sum_t\\gamma^t(G_t-V_t(s_t))\\nabla\\log\\pi(a_t|s_t)", TRAJECTORIES,
          all_baseline } },
      .measure = small_measure, .page = page_of_forms },
    { "PGT-12", "Psi = Q: mean and variance", OF_FORM, small_n_and_trace, small_unit,
      small_not_applicable, NULL, {
        { "\\nabla J,\\quad E|g|^2-|\\nabla J|^2", RECURSION, recursion_Q },
        { "E[g],\\ E|g-E[g]|^2,\\quad g=\\sum_t\\gamma^tQ_t(s_t,a_t)\\nabla\\log\\pi(a_t|s_t)",
          TRAJECTORIES, all_Q } },
      .measure = small_measure, .page = page_of_forms },
    { "PGT-13", "Psi = A: mean and variance", OF_FORM, small_n_and_trace, small_unit,
      small_not_applicable, NULL, {
        { "\\nabla J,\\quad E|g|^2-|\\nabla J|^2", RECURSION, recursion_A },
        { "E[g],\\ E|g-E[g]|^2,\\quad g=\\sum_t\\gamma^tA_t(s_t,a_t)\\nabla\\log\\pi(a_t|s_t)",
          TRAJECTORIES, all_A },
        { "g=\\sum_t\\gamma^t(G_t-V_t(s_t))\\nabla\\log\\pi(a_t|s_t)",
          "003 l.80: reward to go minus V called the advantage; it is an unbiased estimate of it, with a"
          " variance of its own", all_baseline, DIFFERS, "ERR-41" } },
      .measure = small_measure, .page = page_of_forms },
    { "PGT-14", "Psi = TD residual: mean and variance", OF_FORM, small_n_and_trace, small_unit,
      small_not_applicable, NULL, {
        { "\\nabla J,\\quad E|g|^2-|\\nabla J|^2", RECURSION, recursion_td },
        { "E[g],\\ E|g-E[g]|^2,\\quad g=\\sum_t\\gamma^t(r_t+\\gamma V_{t+1}(s_{t+1})-V_t(s_t))"
          "\\nabla\\log\\pi(a_t|s_t)",
          TRAJECTORIES, all_td } },
      .measure = small_measure, .page = page_of_forms },
    { "PGT-16", "grad J = E[G grad log pi] = E[Q ...] = E[A ...] = E[delta ...]", "dJ/dtheta[i]", small_n,
      unit_of_gradient, NULL, NULL, {
        { "\\nabla_\\theta J(\\theta)", "reverse mode through rho_0^T (I - gamma P_pi)^-1 r_pi",
          gradient_by_autodiff },
        { "=\\sum_t\\gamma^tE[G_t\\nabla_\\theta\\log\\pi_\\theta]",
          "visits and returns both summed over time, by powers of gamma P_pi", by_returns },
        { "=\\sum_t\\gamma^tE[Q^\\pi\\nabla_\\theta\\log\\pi_\\theta]",
          "RF-1; Q by its own solve over pairs", by_Q },
        { "=\\sum_t\\gamma^tE[A^\\pi\\nabla_\\theta\\log\\pi_\\theta]", "V(s) E_a[grad log pi] = 0 (BL-3)", by_A },
        { "=\\sum_t\\gamma^tE[\\delta^\\pi\\nabla_\\theta\\log\\pi_\\theta]",
          "E[delta|s,a] = A (TDA-2)", by_delta },
        { "=\\sum_t\\gamma^tE[Q_w\\nabla_\\theta\\log\\pi_\\theta]",
          "000 eq 6, 13: = with a critic, here Q_w = .7 Q + .3 sin(7s+4a); true of exact and of compatible"
          " critics only", by_critic, DIFFERS, "ERR-12" } } },
    { "RF-1", "E[G_t | s_t = s, a_t = a] = Q_t(s,a): G_t is an unbiased estimate of Q",
      "gamma^t Pr(s_t=s,a_t=a) Q_t(s,a) over " FINITE_SMALL, n_returns, small_unit_of_V,
      small_not_applicable, NULL, {
        { "\\gamma^tP(s_t=s,a_t=a)\\,Q_t^\\pi(s,a)",
          "on the time-expanded MDP: where it goes, and what is left to earn", visits_times_Q },
        { "=E[\\gamma^tG_t1\\{s_t=s,a_t=a\\}],\\quad G_t=\\sum_{k=0}^{T-t-1}\\gamma^kr_{t+k}",
          "over all trajectories, through algorithms/returns.c", returns_right },
        { "G_t=\\sum_{i=0}^{n-t}\\gamma^ir_{t+i},\\ \\text{episode}\\ s_0,a_0,r_1,\\dots,r_n",
          "004 l.241: its r_t was paid for a_{t-1}; the sum should run over r_{t+1+i}, i < n-t",
          returns_printed, DIFFERS, "ERR-2" } },
      .page = small_page },
    { .id = NULL }
};
