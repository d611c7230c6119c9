/* Importance sampling of whole trajectories: products of ratios, one for each step. 001 (l.85-119). theta' is the
 * policy that acts, theta the one whose J and gradient are wanted; J_H over all trajectories of a small problem
 * (enumerate.h) that theta' makes, with r(tau) = sum_t gamma^t r_t; 001 is undiscounted. Training code:
 * algorithms/off_policy_pg.c. */
#include <float.h>
#include <gsl/gsl_math.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "algorithms/off_policy_pg.h"
#include "algorithms/returns.h"
#include "autodiff/linalg.h"
#include "autodiff/require.h"
#include "derivations/agent.h"
#include "derivations/small_problem.h"

/* ---- the small problem of theta, acted in by theta' ---- */

typedef struct {
    finite_horizon *f;
    const exact *q;             /* theta' */
    agent *theta, *theta1;      /* the training code's, at both */
    off_policy_pg_config c;
    double *score;              /* [nS nA x n] grad log pi_theta(a|s) */
    double logp[FINITE_HORIZON], logp1[FINITE_HORIZON], log_rho[FINITE_HORIZON];
    int seen, stride;           /* of what looks at some trajectories only */
    double *out;
} collected;

static collected collected_new(const setting *x)
{
    collected c = { .f = small_new(x), .q = x->pi1, .c = { .gamma = x->pi->gamma, .trajectories = 1 } };
    c.theta = agent_new(c.f->policy, c.f->theta, c.f->H);
    c.theta1 = agent_new(c.f->policy, x->pi1->theta, c.f->H);
    c.score = small_scores(c.f);
    return c;
}

static void collected_free(collected *c)
{
    agent_free(c->theta);
    agent_free(c->theta1);
    free(c->score);
    finite_free(c->f);
}

/* E_{tau ~ pi'}, and, unless NULL, variances, of what an estimator makes of each trajectory */
static void over_trajectories(collected *c, estimator g, int n, double *mean, double *variance)
{
    enumerate_moments(c->f->M, c->q->pi, c->f->H, g, c, n, mean, variance);
}

static double pi_at(const collected *c, const traj *tau, int t)         /* pi_theta(a_t|s_t) */
{
    return c->f->x->pi[tau->s[t] * c->f->M->nA + tau->a[t]];
}

static double pi1_at(const collected *c, const traj *tau, int t)        /* pi_theta'(a_t|s_t) */
{
    return c->q->pi[tau->s[t] * c->f->M->nA + tau->a[t]];
}

/* prod_{k<=t} pi_theta(a_k|s_k) / pi_theta'(a_k|s_k) */
static double product(const collected *c, const traj *tau, int t)
{
    double rho = 1;
    for (int k = 0; k <= t; k++) rho *= pi_at(c, tau, k) / pi1_at(c, tau, k);
    return rho;
}

/* c->log_rho [T], by the training code; at least one step */
static void trained_products(collected *c, const traj *tau)
{
    agent *b = c->theta;
    agent_sees(b, tau);
    off_policy_logp(b->t, &b->pi, b->theta, b->tau, c->logp);
    off_policy_logp(b->t, &b->pi, c->theta1->theta, b->tau, c->logp1);
    off_policy_log_products(tau->T, c->logp, c->logp1, c->log_rho);
}

/* ---- where, and units ---- */

enum { MOST_TRAJECTORIES = 4 * FINITE_TRAJECTORIES };

static const char *not_applicable(const setting *x)
{
    const char *reason = small_not_applicable(x);
    if (reason) return reason;
    if (x->pi->n != x->pi1->n || x->pi->policy.kind != x->pi1->policy.kind)
        return "pi and pi' are not of one class: training keeps one policy at two thetas";
    for (int i = 0; i < x->pi->nSA; i++)
        if (!(x->pi->pi[i] <= 1e30 * x->pi1->pi[i])) return "pi' never does what pi does: there is no ratio";
    finite_horizon *f = small_new(x);
    double count = enumerate_count(f->M, x->pi1->pi, f->H);
    finite_free(f);
    return count > MOST_TRAJECTORIES ? "too many trajectories of pi'" : NULL;
}

static double unit_J(const setting *x)
{
    finite_horizon *f = small_new(x);
    double unit = finite_unit_gradient(f, 1) * small_size_of_logs(x, x->pi);
    finite_free(f);
    return unit;
}

static double unit_gradient(const setting *x) { return small_unit(x) * small_size_of_logs(x, x->pi); }

/* ---- IS-5 ---- */

static double J_solved(const setting *x, double *out)
{
    finite_horizon *f = small_new(x);
    *out = f->x->J;
    double room = finite_room(f, 1);
    finite_free(f);
    return room;
}

static double R(const collected *c, const traj *tau) { return small_G(c->f, tau, 0); }

static void just_R(void *context, const traj *tau, double *g) { *g = R(context, tau); }

/* p_theta(tau) / p_theta'(tau), both with all their factors */
static double whole_ratio(const collected *c, const traj *tau)
{
    double p = c->f->M->mu0[tau->s[0]], p1 = p;
    for (int t = 0; t < tau->T; t++) {
        double P = 0;
        int i = tau->s[t] * c->f->M->nA + tau->a[t];
        for (int k = c->f->M->row[i]; k < c->f->M->row[i + 1]; k++)
            P = c->f->M->next[k] == tau->s[t + 1] ? c->f->M->P[k] : P;
        p *= pi_at(c, tau, t) * P, p1 *= pi1_at(c, tau, t) * P;
    }
    return p / p1;
}

static void ratio_R(void *context, const traj *tau, double *g) { *g = whole_ratio(context, tau) * R(context, tau); }

static void trained_ratio_R(void *context, const traj *tau, double *g)
{
    collected *c = context;
    *g = 0;
    if (tau->T == 0) return;
    trained_products(c, tau);
    *g = off_policy_product(c->log_rho[tau->T - 1], 0) * returns_total(tau->T, tau->r, c->f->gamma);
}

static double J_under_theta(const setting *x, double *out)
{
    collected c = collected_new(x);
    enumerate_moments(c.f->M, c.f->x->pi, c.f->H, just_R, &c, 1, out, NULL);
    collected_free(&c);
    return 0;
}

static double mean_under_theta1(const setting *x, estimator g, int n, double *out)
{
    collected c = collected_new(x);
    over_trajectories(&c, g, n, out, NULL);
    collected_free(&c);
    return 0;
}

/* IS-5   E_{tau ~ pi_theta'}[ pi_theta(tau)/pi_theta'(tau) r(tau) ] */
static double J_by_ratio(const setting *x, double *out)   { return mean_under_theta1(x, ratio_R, 1, out); }
static double J_by_training(const setting *x, double *out) { return mean_under_theta1(x, trained_ratio_R, 1, out); }

/* ---- IS-6: log products up to each step of some trajectories ---- */

static const char *no_log(const setting *x)
{
    for (int i = 0; i < x->pi->nSA && x->pi->nSA == x->pi1->nSA; i++)
        if (x->pi->pi[i] > 0 && !(x->pi->pi[i] >= 1e-100 * x->pi1->pi[i]))
            return "pi hardly ever does what pi' does: the product underflows";
    return not_applicable(x);
}

static double unit_of_logs(const setting *x)
{
    const mdp *M = x->pi->M;
    double most = 0, least = 1;
    for (int i = 0; i < x->pi->nSA; i++) {
        if (x->pi->pi[i] > 0) most = fmax(most, fabs(x->pi->logpi[i]) + fabs(x->pi1->logpi[i]));
        for (int k = M->row[i]; k < M->row[i + 1]; k++) least = fmin(least, M->P[k]);
    }
    return 4 * DBL_EPSILON * (FINITE_HORIZON + 1) * (4 + most - log(least));
}

static void log_all_factors(collected *c, const traj *tau)
{
    const mdp *M = c->f->M;
    double log_p = log(M->mu0[tau->s[0]]), log_p1 = log_p;
    for (int t = 0; t < tau->T; t++) {
        double P = 0;
        for (int i = tau->s[t] * M->nA + tau->a[t], k = M->row[i]; k < M->row[i + 1]; k++)
            P = M->next[k] == tau->s[t + 1] ? M->P[k] : P;
        log_p += log(pi_at(c, tau, t)) + log(P), log_p1 += log(pi1_at(c, tau, t)) + log(P);
        c->log_rho[t] = log_p - log_p1;
    }
}

/* IS-6   prod_t pi_theta(a_t|s_t) / pi_theta'(a_t|s_t) */
static void log_of_product(collected *c, const traj *tau)
{
    for (int t = 0; t < tau->T; t++) c->log_rho[t] = log(product(c, tau, t));
}

struct looks { collected c; void (*about)(collected *c, const traj *tau); };

static void look(void *context, const traj *tau, double *g)
{
    struct looks *l = context;
    *g = 0;
    if (l->c.seen++ % l->c.stride || tau->T == 0) return;
    l->about(&l->c, tau);
    memcpy(l->c.out + (l->c.seen - 1) / l->c.stride * FINITE_HORIZON, l->c.log_rho, (size_t)tau->T * sizeof *g);
}

/* The logs along some trajectories of theta itself: whatever theta does, theta' does too, so they have ratios */
static double steps(const setting *x, void (*about)(collected *c, const traj *tau), double *out)
{
    struct looks l = { collected_new(x), about };
    double nothing, count = enumerate_count(l.c.f->M, l.c.f->x->pi, l.c.f->H);
    l.c.stride = (int)ceil(count / SMALL_LOOKED_AT);
    l.c.out = out;
    memset(out, 0, (size_t)small_n_steps(x) * sizeof *out);
    enumerate_moments(l.c.f->M, l.c.f->x->pi, l.c.f->H, look, &l, 1, &nothing, NULL);
    collected_free(&l.c);
    return 0;
}

static double steps_all_factors(const setting *x, double *out) { return steps(x, log_all_factors, out); }
static double steps_product(const setting *x, double *out)     { return steps(x, log_of_product, out); }
static double steps_training(const setting *x, double *out)    { return steps(x, trained_products, out); }

/* ---- IS-7 ---- */

/* grad ( pi_theta(tau) / pi_theta'(tau) ) r(tau), by reverse mode through the product itself */
static void gradient_of_ratio(void *context, const traj *tau, double *g)
{
    collected *c = context;
    agent *b = c->theta;
    memset(g, 0, (size_t)b->states->n * sizeof *g);
    if (tau->T == 0) return;
    agent_sees(b, tau);
    ad_mark start = ad_here(b->t);
    ad theta = ad_input(b->t, b->theta, b->pi.n, 1), s = ad_input(b->t, b->tau->s, b->tau->T, b->tau->d);
    ad logp = policy_logp(b->t, &b->pi, theta, s, b->tau->a, b->tau->index);
    double log_p1 = 0, r = R(c, tau);
    for (int t = 0; t < tau->T; t++) log_p1 += log(pi1_at(c, tau, t));
    ad ratio = ad_exp(ad_sub(ad_sum(logp), ad_constant(b->t, log_p1, 1, 1)));
    const double *of_ratio = ad_value(ad_grad(ratio, theta));
    for (int i = 0; i < b->states->n; i++) g[i] = of_ratio[i] * r;
    ad_reset(b->t, start);
}

/* sum_t w_t grad log pi_theta(a_t|s_t), scores in closed form */
static void sum_of_scores(const collected *c, const traj *tau, const double *w, double *g)
{
    int n = c->f->policy->n;
    memset(g, 0, (size_t)n * sizeof *g);
    for (int t = 0; t < tau->T; t++)
        for (int i = 0; i < n; i++) g[i] += w[t] * c->score[(tau->s[t] * c->f->M->nA + tau->a[t]) * n + i];
}

/* IS-8   (prod_t pi_theta/pi_theta') (sum_t grad log pi_theta(a_t|s_t)) (sum_t r(s_t,a_t)) */
static void by_hand(void *context, const traj *tau, double *g)
{
    const collected *c = context;
    double w[FINITE_HORIZON];
    for (int t = 0; t < tau->T; t++) w[t] = product(c, tau, tau->T - 1) * R(c, tau);
    sum_of_scores(c, tau, w, g);
}

static double gradient_in_ratio(const setting *x, double *out)
{
    return mean_under_theta1(x, gradient_of_ratio, x->pi->n, out);
}

static double ratio_times_score(const setting *x, double *out)
{
    return mean_under_theta1(x, by_hand, x->pi->n, out);
}

/* ---- IS-8: of the product of the whole trajectory and of products up to each reward: means, and traces ---- */

static int n_both(const setting *x) { return 2 * x->pi->n + 2; }

static double unit_both(const setting *x)
{
    return DBL_EPSILON * fmax(x->pi->nS, 4) * FINITE_HORIZON * small_size_of_logs(x, x->pi);
}

/* Means over the size of what they are means of; traces over that of second moments: those of line 1 */
static double distance_both(const setting *x, int n, const double *a, const double *b)
{
    finite_horizon *f = small_new(x);
    double size = f->H * finite_scale(f) * x->pi->c, worst = 0;
    finite_free(f);
    for (int i = 0; i < n - 2; i++) worst = linalg_greater(worst, fabs(a[i] - b[i]) / size);
    for (int i = n - 2; i < n; i++) worst = linalg_greater(worst, fabs(a[i] - b[i]) / (a[i] + size * size));
    return worst;
}

/* per-decision: w_t = sum_{k>=t} gamma^k rho_k r_k, with rho_{k-shift} for rho_k */
static void hand_per_decision(const collected *c, const traj *tau, int shift, double *g)
{
    double w[FINITE_HORIZON];
    for (int t = 0; t < tau->T; t++) {
        w[t] = 0;
        for (int k = t; k < tau->T; k++)
            w[t] += gsl_pow_int(c->f->gamma, k) * product(c, tau, k - shift) * tau->r[k];
    }
    sum_of_scores(c, tau, w, g);
}

static void per_decision(void *c, const traj *tau, double *g) { hand_per_decision(c, tau, 0, g); }
static void too_early(void *c, const traj *tau, double *g)    { hand_per_decision(c, tau, 1, g); }

static void ratios_twice(void *context, const traj *tau, double *g)
{
    by_hand(context, tau, g);
    for (int i = 0; i < ((collected *)context)->f->policy->n; i++) g[i] *= product(context, tau, tau->T - 1);
}

/* The score and the rewards of one trajectory, the product of another: its mean is 1 */
static void of_another(void *context, const traj *tau, double *g)
{
    double w[FINITE_HORIZON];
    for (int t = 0; t < tau->T; t++) w[t] = R(context, tau);
    sum_of_scores(context, tau, w, g);
}

/* IS-8   by the training code, with the ratio of c->c */
static void trained(void *context, const traj *tau, double *g)
{
    collected *c = context;
    agent *b = c->theta;
    memset(g, 0, (size_t)b->states->n * sizeof *g);
    if (tau->T == 0) return;
    trained_products(c, tau);
    off_policy_weights(&c->c, b->tau, c->log_rho, 0, b->w);
    off_policy_gradient(b->t, &b->pi, b->theta, b->tau, b->w, b->g);
    memcpy(g, b->g, (size_t)b->states->n * sizeof *g);
}

/* mean [n], *trace */
static void moments(collected *c, estimator g, double *mean, double *trace)
{
    int n = c->f->policy->n;
    double *variance = allocate((size_t)n, sizeof *variance, "variances");
    over_trajectories(c, g, n, mean, variance);
    *trace = 0;
    for (int i = 0; i < n; i++) *trace += variance[i];
    free(variance);
}

static double both_by_hand(const setting *x, double *out)
{
    collected c = collected_new(x);
    int n = x->pi->n;
    moments(&c, by_hand, out, out + 2 * n);
    moments(&c, per_decision, out + n, out + 2 * n + 1);
    collected_free(&c);
    return 0;
}

static double both_exact(const setting *x, double *out)     /* traces: as by hand */
{
    int n = x->pi->n;
    both_by_hand(x, out);
    finite_horizon *f = small_new(x);
    finite_gradient(f, out);
    double room = finite_room(f, x->pi->c) / (f->H * finite_scale(f) * x->pi->c);
    finite_free(f);
    memcpy(out + n, out, (size_t)n * sizeof *out);
    return room;
}

static double both_by_training(const setting *x, double *out)
{
    collected c = collected_new(x);
    int n = x->pi->n;
    c.c.ratio = OFF_POLICY_TRAJECTORY;
    moments(&c, trained, out, out + 2 * n);
    c.c.ratio = OFF_POLICY_PER_DECISION;
    moments(&c, trained, out + n, out + 2 * n + 1);
    collected_free(&c);
    return 0;
}

/* As by hand, but for the mean of one of the two: 0 trajectory, 1 per-decision */
static double wrong(const setting *x, estimator g, int which, double *out)
{
    both_by_hand(x, out);
    return mean_under_theta1(x, g, x->pi->n, out + which * x->pi->n);
}

static double both_of_another(const setting *x, double *out) { return wrong(x, of_another, 0, out); }
static double both_twice(const setting *x, double *out)      { return wrong(x, ratios_twice, 0, out); }
static double both_too_early(const setting *x, double *out)  { return wrong(x, too_early, 1, out); }

static void page_of_ratios(const setting *x, FILE *out)
{
    static const struct { const char *name; int ratio; double clip; } row[] = {
        { "trajectory", OFF_POLICY_TRAJECTORY, 0 }, { "per-decision", OFF_POLICY_PER_DECISION, 0 },
        { "per-decision, clip = 1", OFF_POLICY_PER_DECISION, 1 },
        { "weighted, |D| = 1", OFF_POLICY_WEIGHTED, 0 } };
    int n = x->pi->n;
    collected c = collected_new(x);
    double *mean = allocate(2 * (size_t)n, sizeof *mean, "gradients"), *exact_g = mean + n, trace;
    finite_gradient(c.f, exact_g);
    fprintf(out, "one trajectory of pi', through algorithms/off_policy_pg.c:\n%-26s %24s %14s\n", "ratio",
            "|bias| / |grad J_H|", "trace of Cov");
    for (size_t k = 0; k < sizeof row / sizeof *row; k++) {
        double off = 0, size = 0;
        c.c.ratio = row[k].ratio, c.c.clip = row[k].clip;
        moments(&c, trained, mean, &trace);
        for (int i = 0; i < n; i++) off += gsl_pow_2(mean[i] - exact_g[i]), size += gsl_pow_2(exact_g[i]);
        double bias = size > 0 ? sqrt(off / size) : 0;
        fprintf(out, "%-26s %24.3g %14.6g\n", row[k].name, bias < 1e-9 ? 0 : bias, trace);
    }
    free(mean);
    collected_free(&c);
    small_page(x, out);
}

#define TRAINED "over all trajectories of pi', through algorithms/off_policy_pg.c"

const derivation trajectory_product[] = {
    { "IS-5", "J(theta) = E_{tau ~ pi_theta'}[pi_theta(tau)/pi_theta'(tau) r(tau)]", "J over " FINITE_SMALL,
      count_one, unit_J, not_applicable, NULL, {
        { "J(\\theta)", "what is wanted: solved on the time-expanded MDP, no trajectory", J_solved },
        { "=E_{\\tau\\sim\\pi_\\theta(\\tau)}[r(\\tau)]", "over all trajectories of pi_theta", J_under_theta },
        { "=E_{\\tau\\sim\\pi_{\\theta'}(\\tau)}[\\frac{\\pi_\\theta(\\tau)}{\\pi_{\\theta'}(\\tau)}r(\\tau)]",
          "IS-1 with x = tau: over those of pi_theta', probabilities with all their factors", J_by_ratio },
        { "=E_{\\tau\\sim\\pi_{\\theta'}(\\tau)}[e^{\\log\\rho}r(\\tau)]", TRAINED, J_by_training } },
      .page = small_page },
    { "IS-6", "of a trajectory's ratio the policies' ratios are left", "log of the product up to t, of up to 64"
      " trajectories", small_n_steps, unit_of_logs, no_log, NULL, {
        { "\\log\\frac{p(s_1)\\prod_t\\pi_\\theta(a_t|s_t)p(s_{t+1}|s_t,a_t)}"
          "{p(s_1)\\prod_t\\pi_{\\theta'}(a_t|s_t)p(s_{t+1}|s_t,a_t)}", "all factors, MDP-15", steps_all_factors },
        { "=\\log\\prod_t\\frac{\\pi_\\theta(a_t|s_t)}{\\pi_{\\theta'}(a_t|s_t)}",
          "start and transitions are the same for both", steps_product },
        { "=\\sum_t\\log\\pi_\\theta(a_t|s_t)-\\log\\pi_{\\theta'}(a_t|s_t)", "through algorithms/off_policy_pg.c",
          steps_training } } },
    { "IS-7", "grad J = E_{tau ~ pi_theta'}[ratio grad log pi_theta(tau) r(tau)]",
      "dJ/dtheta[i] over " FINITE_SMALL,
      small_n, unit_gradient, not_applicable, NULL, {
        { "\\nabla_\\theta J(\\theta)", "PGT-3 on the time-expanded MDP", small_gradient },
        { "=E_{\\tau\\sim\\pi_{\\theta'}}[\\frac{\\nabla_\\theta\\pi_\\theta(\\tau)}"
          "{\\pi_{\\theta'}(\\tau)}r(\\tau)]",
          "theta' acts, whatever theta is: the gradient goes inside. By reverse mode through the product",
          gradient_in_ratio },
        { "=E_{\\tau\\sim\\pi_{\\theta'}}[\\frac{\\pi_\\theta(\\tau)}{\\pi_{\\theta'}(\\tau)}\\nabla_\\theta\\log"
          "\\pi_\\theta(\\tau)r(\\tau)]", "grad p = p grad log p; scores in closed form", ratio_times_score } },
      .page = small_page },
    { "IS-8", "the estimator of trajectories of pi_theta': with whole products, or products up to each reward",
      "E[g_i] of either; the traces of their covariances; over " FINITE_SMALL, n_both, unit_both, not_applicable,
      distance_both, {
        { "E[(\\prod_t\\frac{\\pi_\\theta}{\\pi_{\\theta'}})(\\sum_t\\nabla\\log\\pi_\\theta(a_t|s_t))"
          "(\\sum_tr(s_t,a_t))],\\quad E[\\sum_t\\nabla\\log\\pi_\\theta(a_t|s_t)\\sum_{k\\ge t}\\rho_kr_k]",
          "over all trajectories of pi', by hand; per decision: no a_j after r_k changes r_k's mean",
          both_by_hand },
        { "=\\nabla_\\theta J(\\theta)",
          "both, PGT-3 on the time-expanded MDP; the traces are line 1's: their second"
          " account is line 3", both_exact },
        { "=E[g]", TRAINED ", ratio=trajectory and ratio=per-decision", both_by_training },
        { "E[\\prod_t\\frac{\\pi_\\theta}{\\pi_{\\theta'}}]E[(\\sum_t\\nabla\\log\\pi_\\theta(a_{i,t}|o_{i,t}))"
          "(\\sum_tr(s_{i,t},a_{i,t}))]", "001 (l.114) has the actions and rewards of a sample i inside the mean"
          " over tau. Read as it stands, i is another one: the ratio's mean 1 drops out", both_of_another, DIFFERS,
          "ERR-51" },
        { "E[(\\prod_t\\frac{\\pi_\\theta}{\\pi_{\\theta'}})^2\\dots]",
          "a control: the ratio stands in the weight already, and comes again with the objective", both_twice,
          DIFFERS },
        { "E[\\dots\\sum_{k\\ge t}\\rho_{k-1}r_k]", "a control: the product up to the action before r_k's",
          both_too_early, DIFFERS } },
      .page = page_of_ratios },
    { .id = NULL }
};
