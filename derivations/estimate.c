/* `ascent estimate MDP --estimator NAME`: exact mean, bias and variance of an estimator of the policy gradient. */
#include "derivations/estimate.h"

#include <jansson.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "algorithms/psi.h"
#include "algorithms/reinforce.h"
#include "algorithms/returns.h"
#include "algorithms/vpg.h"
#include "autodiff/json.h"
#include "autodiff/options.h"
#include "autodiff/require.h"
#include "derivations/agent.h"
#include "derivations/commands.h"
#include "derivations/policy_file.h"

enum { MOST_TRAJECTORIES = 10000000 };          /* some 20 s */

/* ---- the weights, with values where a training run has a critic's ---- */

static void total_return(const finite_horizon *f, const traj *tau, double *w)
{
    psi_total_return(tau->T, tau->r, f->gamma, w);
}

static void reward_to_go(const finite_horizon *f, const traj *tau, double *w)
{
    psi_reward_to_go(tau->T, tau->r, f->gamma, w);
}

static double *values(const finite_horizon *f, const traj *tau)         /* [T+1] V_t(s_t), 0 at the end */
{
    double *V = allocate((size_t)tau->T + 1, sizeof *V, "values along a trajectory");
    for (int t = 0; t <= tau->T; t++) V[t] = finite_V(f, t, tau->s[t]);
    return V;
}

static void baseline(const finite_horizon *f, const traj *tau, double *w)
{
    double *V = values(f, tau);
    psi_baseline(tau->T, tau->r, V, f->gamma, w);
    free(V);
}

static void action_value(const finite_horizon *f, const traj *tau, double *w)
{
    for (int t = 0; t < tau->T; t++) w[t] = finite_Q(f, t, tau->s[t], tau->a[t]);
    psi_action_value(tau->T, w, f->gamma, w);
}

static void advantage(const finite_horizon *f, const traj *tau, double *w)
{
    for (int t = 0; t < tau->T; t++)
        w[t] = finite_Q(f, t, tau->s[t], tau->a[t]) - finite_V(f, t, tau->s[t]);
    psi_advantage(tau->T, w, f->gamma, w);
}

static void td_residual(const finite_horizon *f, const traj *tau, double *w)
{
    double *V = values(f, tau);
    psi_td_residual(tau->T, tau->r, V, f->gamma, w);
    free(V);
}

/* ERR-3: the codes that leave out gamma^t */
static void missing_gamma(const finite_horizon *f, const traj *tau, double *w)
{
    returns_to_go(tau->T, tau->r, f->gamma, w);
}

/* ERR-2, 004 l.241: the sum starts one reward too early, r_{t-1} + gamma G_t with r_{-1} = 0 */
static void extra_return_index(const finite_horizon *f, const traj *tau, double *w)
{
    double gamma_t = 1;
    returns_to_go(tau->T, tau->r, f->gamma, w);
    for (int t = 0; t < tau->T; t++, gamma_t *= f->gamma)
        w[t] = gamma_t * ((t > 0 ? tau->r[t - 1] : 0) + f->gamma * w[t]);
}

/* ---- the weights that training runs use ---- */

static void reinforce_weights(const finite_horizon *f, const traj *tau, double *w)
{
    reinforce_w(tau->T, tau->r, f->gamma, 0, w);
}

static void reinforce_weights_gamma_t(const finite_horizon *f, const traj *tau, double *w)
{
    reinforce_w_gamma_t(tau->T, tau->r, f->gamma, 0, w);
}

static void vpg_total(const finite_horizon *f, const traj *tau, double *w)
{
    vpg_total_return(tau->T, tau->r, f->gamma, w);
}

static void vpg_to_go(const finite_horizon *f, const traj *tau, double *w)
{
    vpg_reward_to_go(tau->T, tau->r, f->gamma, w);
}

static void vpg_advantages(const finite_horizon *f, const traj *tau, double *w)
{
    double *V = values(f, tau);
    vpg_advantage(tau->T, tau->r, V, f->gamma, w);
    free(V);
}

const gradient_estimator gradient_estimators[] = {
    { "total-return", "sum_k gamma^k r_k", total_return },
    { "reward-to-go", "gamma^t G_t", reward_to_go },
    { "baseline", "gamma^t (G_t - V_t(s_t))", baseline },
    { "Q", "gamma^t Q_t(s_t,a_t)", action_value },
    { "advantage", "gamma^t A_t(s_t,a_t)", advantage },
    { "td", "gamma^t (r_t + gamma V_t+1(s_t+1) - V_t(s_t))", td_residual },
    { "missing-gamma", "G_t: biased, 000 eq 5 and 002 l.94 (ERR-3)", missing_gamma },
    { "extra-return-index", "gamma^t (r_t-1 + gamma G_t): biased, 004 l.241 (ERR-2)", extra_return_index },
    { "reinforce", "G_t; as `train reinforce` (RF-4)", reinforce_weights, BY_REINFORCE },
    { "reinforce-gamma-t", "gamma^t G_t; as with --set gamma_t=on (RF-2)", reinforce_weights_gamma_t,
      BY_REINFORCE },
    { "vpg-total-return", "R(tau); as `train vpg`, one trajectory (VPG-2)", vpg_total, BY_VPG },
    { "vpg-reward-to-go", "G_t", vpg_to_go, BY_VPG },
    { "vpg-advantage", "G_t - V_t(s_t) (VPG-3)", vpg_advantages, BY_VPG },
    { "vpg-total-return-steps", "R(tau) / T: the mean over steps (VPG-4)", vpg_total, BY_VPG_STEPS },
    { "vpg-reward-to-go-steps", "G_t / T: biased (ERR-42)", vpg_to_go, BY_VPG_STEPS },
    { "vpg-advantage-steps", "(G_t - V_t(s_t)) / T", vpg_advantages, BY_VPG_STEPS },
    { NULL, NULL, NULL, BY_PSI }
};

const gradient_estimator *gradient_estimator_find(const char *name)
{
    for (const gradient_estimator *e = gradient_estimators; e->name; e++)
        if (strcmp(e->name, name) == 0) return e;
    return NULL;
}

/* ---- one estimate ---- */

struct gradient_estimate {
    const finite_horizon *f;
    const gradient_estimator *e;
    ad_tape *t;
    ad theta, z;                /* [n x 1], and the logits [nS x nA] that it gives */
    double *w;                  /* [H+1]; one more than H for ERR-40, which draws an a_T */
    double *one_hot;            /* [H+1 x nS] row t: s_t */
    agent *agent;               /* NULL but for the training code */
};

gradient_estimate *gradient_estimate_new(const finite_horizon *f, const gradient_estimator *e)
{
    gradient_estimate *g = allocate(1, sizeof *g, "an estimate");
    *g = (gradient_estimate){ .f = f, .e = e, .t = ad_tape_new() };
    if (e->by != BY_PSI) g->agent = agent_new(f->policy, f->theta, f->H);
    g->theta = ad_input(g->t, f->theta, f->policy->n, 1);
    g->z = policy_logits(g->t, f->policy, g->theta);
    g->w = allocate((size_t)f->H + 1, sizeof *g->w, "weights");
    g->one_hot = allocate(((size_t)f->H + 1) * (size_t)f->M->nS, sizeof *g->one_hot, "states");
    return g;
}

void gradient_estimate_free(gradient_estimate *g)
{
    if (!g) return;
    agent_free(g->agent);
    ad_tape_free(g->t);
    free(g->w);
    free(g->one_hot);
    free(g);
}

/* log pi_theta(a_t|s_t), [T x 1]: the row of logits of s_t is one_hot(s_t) z */
static ad log_pi(gradient_estimate *g, const traj *tau)
{
    int nS = g->f->M->nS;
    for (int t = 0; t < tau->T; t++) g->one_hot[t * nS + tau->s[t]] = 1;
    ad state = ad_copy(g->t, g->one_hot, tau->T, nS);
    for (int t = 0; t < tau->T; t++) g->one_hot[t * nS + tau->s[t]] = 0;
    return ad_gather(ad_log_softmax(ad_matmul(state, g->z)), tau->a);
}

static const double *by_training(agent *b, enum estimate_by by, const traj *tau, const double *w)   /* [n] */
{
    agent_sees(b, tau);
    if (by == BY_REINFORCE) reinforce_gradient(b->t, &b->pi, b->theta, b->tau, w, b->g);
    else vpg_gradient(b->t, &b->pi, b->theta, b->tau, w,
                      by == BY_VPG_STEPS ? VPG_MEAN_OVER_STEPS : VPG_MEAN_OVER_TRAJECTORIES, b->g);
    return b->g;
}

void gradient_estimate_run(void *estimate, const traj *tau, double *g)
{
    gradient_estimate *e = estimate;
    size_t bytes = (size_t)e->f->policy->n * sizeof *g;
    memset(g, 0, bytes);
    if (tau->T == 0) return;
    e->e->weights(e->f, tau, e->w);
    if (e->agent) {
        memcpy(g, by_training(e->agent, e->e->by, tau, e->w), bytes);
        return;
    }
    ad_mark mark = ad_here(e->t);
    ad objective = psi_objective(log_pi(e, tau), ad_input(e->t, e->w, tau->T, 1));
    memcpy(g, ad_value(ad_grad(objective, e->theta)), bytes);
    ad_reset(e->t, mark);
}

void gradient_estimator_moments(const finite_horizon *f, const char *name, double *mean, double *variance)
{
    const gradient_estimator *e = gradient_estimator_find(name);
    require(e, "no estimator %s", name);
    gradient_estimate *g = gradient_estimate_new(f, e);
    enumerate_moments(f->M, f->x->pi, f->H, gradient_estimate_run, g, f->policy->n, mean, variance);
    gradient_estimate_free(g);
}

/* ---- the command ---- */

struct result { const finite_horizon *f; const char *name; double count; double *mean, *exact, *bias, *variance; };

struct text { char at[40]; };

/* A variance whose squares overflow is none: "-", as null in JSON */
static struct text number(double x)
{
    struct text t = { "-" };
    if (isfinite(x)) snprintf(t.at, sizeof t.at, "%.17g", x);
    return t;
}

static struct text label(char **name, int i)
{
    struct text t;
    if (name) snprintf(t.at, sizeof t.at, "%.30s", name[i]);
    else      snprintf(t.at, sizeof t.at, "%d", i);
    return t;
}

static int widest(char **name, int n, int least)
{
    for (int i = 0; i < n; i++) least = (int)fmax(least, (double)strlen(label(name, i).at));
    return least;
}

static void print_text(const struct result *r)
{
    const mdp *M = r->f->M;
    int state = widest(M->state_name, M->nS, 5), action = widest(M->action_name, M->nA, 6);
    double trace = 0;
    printf("%s: %d states, %d actions, gamma %.15g, horizon %d: %.0f trajectories\n", M->name, M->nS, M->nA,
           r->f->gamma, r->f->H, r->count);
    printf("estimator %s: sum_t w_t grad log pi(a_t|s_t), w_t = %s\n\n", r->name,
           gradient_estimator_find(r->name)->about);
    printf("%*s %*s %24s %24s %12s %24s\n", state, "state", action, "action", "mean", "exact gradient", "bias",
           "variance");
    for (int i = 0; i < M->nS * M->nA; i++) {
        printf("%*s %*s %24.17g %24.17g %12.3g %24s\n", state, label(M->state_name, i / M->nA).at, action,
               label(M->action_name, i % M->nA).at, r->mean[i], r->exact[i], r->bias[i], number(r->variance[i]).at);
        trace += r->variance[i];
    }
    printf("\ntrace of the covariance: %s\n", number(trace).at);
}

static void print_json(const struct result *r)
{
    const mdp *M = r->f->M;
    json_t *o = json_checked(json_object());
    json_set(o, "mean", json_matrix(M->nS, M->nA, r->mean));
    json_set(o, "exact", json_matrix(M->nS, M->nA, r->exact));
    json_set(o, "bias", json_matrix(M->nS, M->nA, r->bias));
    json_set(o, "variance", json_matrix(M->nS, M->nA, r->variance));
    json_print(o);
}

static void estimate(const finite_horizon *f, const char *name, bool json)
{
    int n = f->M->nS * f->M->nA;
    double count = enumerate_count(f->M, f->x->pi, f->H);
    if (!(count <= MOST_TRAJECTORIES))
        bad_input("estimate: %s: expected at most %d trajectories, found %s%.3g at --horizon %d", f->M->name,
                  MOST_TRAJECTORIES, isinf(count) ? "more than " : "", fmin(count, 0x1p999), f->H);
    double *p = allocate(4 * (size_t)n, sizeof *p, "an estimate");
    struct result r = { f, name, count, p, p + n, p + 2 * n, p + 3 * n };
    gradient_estimator_moments(f, name, r.mean, r.variance);
    finite_gradient(f, r.exact);
    for (int i = 0; i < n; i++) r.bias[i] = r.mean[i] - r.exact[i];
    if (json) print_json(&r);
    else      print_text(&r);
    free(p);
}

static void estimate_on(const char *path, const char *logits_path, const char *gamma_text, int H, const char *name,
                        bool json)
{
    char error[512];
    mdp *M = mdp_open(path, error, sizeof error);
    if (!M) bad_input("%s", error);
    double *logits = allocate((size_t)M->nS * (size_t)M->nA, sizeof *logits, "logits");     /* 0: uniform */
    if (strcmp(logits_path, "uniform") != 0 && !policy_read(logits_path, M, logits, error, sizeof error))
        bad_input("%s", error);
    double gamma = gamma_text ? options_number("--gamma", gamma_text, 0, 1) : M->gamma;
    policy_class *tabular = policy_tabular(M);
    finite_horizon *f = finite_new(M, gamma, tabular, logits, H, error, sizeof error);
    if (!f) bad_input("%s", error);
    estimate(f, name, json);
    finite_free(f);
    policy_free(tabular);
    free(logits);
    mdp_free(M);
}

/* What --help says, with the table of estimators in it */
static char *about(void)
{
    enum { SIZE = 4096 };
    char *text = allocate(SIZE, 1, "a help text");
    int n = snprintf(text, SIZE,
        "Runs an estimator of the policy gradient over ALL trajectories of H steps, each with its probability:\n"
        "its exact mean, its bias against the exact gradient of J = E[sum_{t<H} gamma^t r_t], and the"
        " variance of\n"
        "each component. MDP: a .mdp file or a built-in name. V_t, Q_t, A_t are exact, for the steps that are\n"
        "left. --json: mean, exact, bias, variance, each [states][actions]. The estimate is\n"
        "sum_t w_t grad log pi(a_t|s_t), from reinforce on by the code that trains, and NAME");
    for (const gradient_estimator *e = gradient_estimators; e->name; e++)
        n += snprintf(text + n, (size_t)(SIZE - n), "\n  %-22s w_t = %s", e->name, e->about);
    return text;
}

int estimate_command(int argc, char **argv)
{
    const char *name = NULL, *logits_path = "uniform", *horizon = NULL, *gamma = NULL;
    bool json = false;
    const option table[] = {
        { "--estimator", "NAME", "which one", &name, NULL },
        { "--horizon", "H", "steps until a trajectory is cut off", &horizon, NULL },
        { "--policy", "FILE", "logits, CSV, one row a state, or `uniform` (default)", &logits_path, NULL },
        { "--gamma", "G", "discount instead of the MDP's own", &gamma, NULL },
        { "--json", NULL, "one JSON object", NULL, &json },
        { NULL, NULL, NULL, NULL, NULL } };
    char *help = about();
    int left = options_parse(argc, argv,
        "estimate MDP --estimator NAME --horizon H [--policy uniform|FILE] [--gamma G] [--json]", help, table);
    free(help);
    if (left != 1) bad_input("estimate: expected one MDP, found %d arguments", left);
    if (!name || !gradient_estimator_find(name))
        bad_input("estimate: expected --estimator NAME, found %s; `ascent estimate --help` lists them",
                  name ? name : "none");
    if (!horizon) bad_input("estimate: expected --horizon H");
    double H = options_number("--horizon", horizon, 1, FINITE_MAX_STATES);
    if (H != (int)H) bad_input("--horizon: expected a whole number, found %s", horizon);

    estimate_on(argv[1], logits_path, gamma, (int)H, name, json);
    return EXIT_HELD;
}
