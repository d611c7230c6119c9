/* Estimators of the policy gradient and their weights: see estimate.h. */
#include "derivations/estimate.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "algorithms/a2c.h"
#include "algorithms/critic.h"
#include "algorithms/gae.h"
#include "algorithms/nstep.h"
#include "algorithms/off_policy_pg.h"
#include "algorithms/psi.h"
#include "algorithms/reinforce.h"
#include "algorithms/returns.h"
#include "algorithms/vpg.h"
#include "autodiff/require.h"
#include "derivations/actor_steps.h"
#include "derivations/agent.h"

/* ---- the weights, with numbers where a training run has a critic ---- */

static void total_return(const weighing *c, const traj *tau, double *w)
{
    psi_total_return(tau->T, tau->r, c->gamma, w);
}

static void reward_to_go(const weighing *c, const traj *tau, double *w)
{
    psi_reward_to_go(tau->T, tau->r, c->gamma, w);
}

static double *values(const weighing *c, const traj *tau)               /* [T+1] V_t(s_t) */
{
    double *V = allocate((size_t)tau->T + 1, sizeof *V, "values along a trajectory");
    for (int t = 0; t <= tau->T; t++) V[t] = c->critic->V[t * c->critic->nS + tau->s[t]];
    return V;
}

static double critic_Q_at(const weighing *c, const traj *tau, int t)    /* Q_t(s_t,a_t) */
{
    return c->critic->Q[(t * c->critic->nS + tau->s[t]) * c->critic->nA + tau->a[t]];
}

static void baseline(const weighing *c, const traj *tau, double *w)
{
    double *V = values(c, tau);
    psi_baseline(tau->T, tau->r, V, c->gamma, w);
    free(V);
}

static void action_value(const weighing *c, const traj *tau, double *w)
{
    for (int t = 0; t < tau->T; t++) w[t] = critic_Q_at(c, tau, t);
    psi_action_value(tau->T, w, c->gamma, w);
}

static void advantage(const weighing *c, const traj *tau, double *w)
{
    for (int t = 0; t < tau->T; t++)
        w[t] = critic_Q_at(c, tau, t) - c->critic->V[t * c->critic->nS + tau->s[t]];
    psi_advantage(tau->T, w, c->gamma, w);
}

static void td_residual(const weighing *c, const traj *tau, double *w)
{
    double *V = values(c, tau);
    psi_td_residual(tau->T, tau->r, V, c->gamma, w);
    free(V);
}

/* gamma^t (G_t - V(s_t)) from returns G in w */
static void minus_V(const weighing *c, const traj *tau, const double *V, double *w)
{
    for (int t = 0; t < tau->T; t++) w[t] -= V[t];
    psi_advantage(tau->T, w, c->gamma, w);
}

static void nstep(const weighing *c, const traj *tau, double *w)
{
    int T = tau->T;
    double *V = values(c, tau);
    nstep_fixed(T, c->n, tau->r, V, V[T], c->gamma, w);
    minus_V(c, tau, V, w);
    free(V);
}

/* A3C-6: the trajectory cut into segments of n steps, the last one perhaps shorter */
static void nstep_segments(const weighing *c, const traj *tau, double *w)
{
    double *V = values(c, tau);
    for (int first = 0, T; first < tau->T; first += T) {
        T = c->n < tau->T - first ? c->n : tau->T - first;
        nstep_returns(T, tau->r + first, V[first + T], c->gamma, w + first);
    }
    minus_V(c, tau, V, w);
    free(V);
}

static void gae(const weighing *c, const traj *tau, double *w)
{
    double *V = values(c, tau);
    gae_advantages(tau->T, tau->r, V, V[tau->T], c->gamma, c->lambda, w);
    psi_advantage(tau->T, w, c->gamma, w);
    free(V);
}

/* ERR-3: the codes that leave out gamma^t */
static void missing_gamma(const weighing *c, const traj *tau, double *w)
{
    returns_to_go(tau->T, tau->r, c->gamma, w);
}

/* ERR-2, 004 l.241: the sum starts one reward too early, r_{t-1} + gamma G_t with r_{-1} = 0 */
static void extra_return_index(const weighing *c, const traj *tau, double *w)
{
    double gamma_t = 1;
    returns_to_go(tau->T, tau->r, c->gamma, w);
    for (int t = 0; t < tau->T; t++, gamma_t *= c->gamma)
        w[t] = gamma_t * ((t > 0 ? tau->r[t - 1] : 0) + c->gamma * w[t]);
}

/* ---- the weights that training runs use ---- */

static void reinforce_weights(const weighing *c, const traj *tau, double *w)
{
    reinforce_w(tau->T, tau->r, c->gamma, 0, w);
}

static void reinforce_weights_gamma_t(const weighing *c, const traj *tau, double *w)
{
    reinforce_w_gamma_t(tau->T, tau->r, c->gamma, 0, w);
}

static void vpg_total(const weighing *c, const traj *tau, double *w)
{
    vpg_total_return(tau->T, tau->r, c->gamma, w);
}

static void vpg_to_go(const weighing *c, const traj *tau, double *w)
{
    vpg_reward_to_go(tau->T, tau->r, c->gamma, w);
}

static void vpg_advantages(const weighing *c, const traj *tau, double *w)
{
    double *V = values(c, tau);
    vpg_advantage(tau->T, tau->r, V, c->gamma, w);
    free(V);
}

/* A3C-6, PPO-17: segments of n steps; lambda < 1: GAE within each */
static void a2c_weights(const weighing *c, const traj *tau, double *w)
{
    double *V = values(c, tau), *R = allocate((size_t)tau->T, sizeof *R, "targets of V");
    for (int first = 0, T; first < tau->T; first += T) {
        T = c->n < tau->T - first ? c->n : tau->T - first;
        a2c_advantages(T, tau->r + first, V + first, V[first + T], c->gamma, c->lambda, w + first, R);
    }
    free(R);
    free(V);
}

/* IS-6: the log products of the ratios to who acts, up to each step [T], to be freed */
static double *log_products(const weighing *c, const traj *tau)
{
    size_t T = (size_t)tau->T;
    double *log_rho = allocate(3 * T, sizeof *log_rho, "products of ratios"), *logp = log_rho + T, *logp1 = logp + T;
    for (int t = 0; t < tau->T; t++) {
        int i = tau->s[t] * c->nA + tau->a[t];
        logp[t] = c->log_pi[i], logp1[t] = c->log_pi1[i];
    }
    off_policy_log_products(tau->T, logp, logp1, log_rho);
    return log_rho;
}

static void off_policy_whole(const weighing *c, const traj *tau, double *w)
{
    double *log_rho = log_products(c, tau);
    off_policy_trajectory(tau->T, tau->r, c->gamma, off_policy_product(log_rho[tau->T - 1], 0), 0, w);
    free(log_rho);
}

static void off_policy_each(const weighing *c, const traj *tau, double *w)
{
    double *log_rho = log_products(c, tau);
    for (int t = 0; t < tau->T; t++) log_rho[t] = off_policy_product(log_rho[t], 0);
    off_policy_per_decision(tau->T, tau->r, c->gamma, log_rho, 0, w);
    free(log_rho);
}

const gradient_estimator gradient_estimators[] = {
    { "total-return", "sum_k gamma^k r_k", total_return },
    { "reward-to-go", "gamma^t G_t", reward_to_go },
    { "baseline", "gamma^t (G_t - V_t(s_t))", baseline, .needs = NEEDS_V },
    { "Q", "gamma^t Q_t(s_t,a_t)", action_value, .needs = NEEDS_Q },
    { "advantage", "gamma^t (Q_t(s_t,a_t) - V_t(s_t))", advantage, .needs = NEEDS_V | NEEDS_Q },
    { "td", "gamma^t (r_t + gamma V_t+1(s_t+1) - V_t(s_t))", td_residual, .needs = NEEDS_V },
    { "nstep", "gamma^t (r_t + .. + gamma^(n-1) r_t+n-1 + gamma^n V_t+n(s_t+n) - V_t(s_t))", nstep,
      .needs = NEEDS_V | NEEDS_N },
    { "nstep-segments", "the same, n - (t mod n) steps: to the end of a segment of n, as A2C and A3C",
      nstep_segments, .needs = NEEDS_V | NEEDS_N },
    { "gae", "gamma^t sum_l (gamma lambda)^l delta_t+l", gae, .needs = NEEDS_V | NEEDS_LAMBDA },
    { "missing-gamma", "G_t: biased, 000 eq 5 and 002 l.94 (ERR-3)", missing_gamma },
    { "extra-return-index", "gamma^t (r_t-1 + gamma G_t): biased, 004 l.241 (ERR-2)", extra_return_index },
    { "reinforce", "G_t; as `train reinforce` (RF-4)", reinforce_weights, BY_REINFORCE },
    { "reinforce-gamma-t", "gamma^t G_t; as with --set gamma_t=on (RF-2)", reinforce_weights_gamma_t,
      BY_REINFORCE },
    { "q-actor-critic", "that of Q: steps of `train q_actor_critic`, gamma_t=on (QAC-6)", NULL, BY_Q_ACTOR_CRITIC,
      NEEDS_Q },
    { "advantage-actor-critic", "that of advantage: `train advantage_actor_critic`, gamma_t=on (BL-9)", NULL,
      BY_ADVANTAGE_ACTOR_CRITIC, NEEDS_V | NEEDS_Q },
    { "td-actor-critic", "that of td: `train td_actor_critic`, gamma_t=on (TDA-6)", NULL, BY_TD_ACTOR_CRITIC,
      NEEDS_V },
    { "a2c", "nstep-segments, or GAE in each, without gamma^t: with --lambda 1 as `train a2c`, beta = 0 (A3C-6)",
      a2c_weights, BY_A2C, NEEDS_V | NEEDS_N | NEEDS_LAMBDA },
    { "vpg-total-return", "R(tau); as `train vpg`, one trajectory (VPG-2)", vpg_total, BY_VPG },
    { "vpg-reward-to-go", "G_t", vpg_to_go, BY_VPG },
    { "vpg-advantage", "G_t - V_t(s_t) (VPG-3)", vpg_advantages, BY_VPG, NEEDS_V },
    { "vpg-total-return-steps", "R(tau) / T: the mean over steps (VPG-4)", vpg_total, BY_VPG_STEPS },
    { "vpg-reward-to-go-steps", "G_t / T: biased (ERR-42)", vpg_to_go, BY_VPG_STEPS },
    { "vpg-advantage-steps", "(G_t - V_t(s_t)) / T", vpg_advantages, BY_VPG_STEPS, NEEDS_V },
    { "off-policy-trajectory", "rho_T-1 R(tau), tau of --behaviour: as `train off_policy_pg` (IS-8)",
      off_policy_whole, BY_OFF_POLICY, NEEDS_BEHAVIOUR },
    { "off-policy-per-decision", "sum_{k>=t} gamma^k rho_k r_k, tau of --behaviour",
      off_policy_each, BY_OFF_POLICY,
      NEEDS_BEHAVIOUR },
    { .name = NULL }
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
    weighing with;
    value_table *exact;         /* its critic when no other is given */
    ad_tape *t;
    ad theta, z;                /* [n x 1], and the logits [nS x nA] that it gives */
    double *w;                  /* [H+1]; one more than H for ERR-40, which draws an a_T */
    double *one_hot;            /* [H+1 x nS] row t: s_t */
    agent *agent;               /* NULL but for the training code; */
    network critic;
    double *log_pi1;            /* [nS x nA] of who acts, where it is another policy */
    double *phi, *g;       /* of A2C: a critic's network, which gets no part in theta's gradient; both gradients */
    actor_steps *steps;         /* or the on-line actor-critics */
};

static bool on_line(enum estimate_by by) { return by >= BY_Q_ACTOR_CRITIC; }

gradient_estimate *gradient_estimate_new(const finite_horizon *f, const gradient_estimator *e)
{
    return gradient_estimate_with(f, e, NULL, 1, 0);
}

gradient_estimate *gradient_estimate_with(const finite_horizon *f, const gradient_estimator *e,
                                          const value_table *critic, int n, double lambda)
{
    gradient_estimate *g = allocate(1, sizeof *g, "an estimate");
    *g = (gradient_estimate){ .f = f, .e = e, .t = ad_tape_new() };
    g->with = (weighing){ f->gamma, critic, n, lambda, f->x->logpi, f->x->logpi, f->M->nA };
    if (!critic) g->with.critic = g->exact = value_table_exact(f);
    require(g->with.critic->Q || !(e->needs & NEEDS_Q), "%s with a critic without Q", e->name);
    if (on_line(e->by)) g->steps = actor_steps_new(f->policy, f->theta, e->by);
    else if (e->by != BY_PSI) g->agent = agent_new(f->policy, f->theta, f->H);
    if (e->by == BY_A2C) {
        g->critic = critic_V(&g->agent->pi);
        size_t n_V = (size_t)network_n(&g->critic);
        g->phi = allocate(2 * n_V + (size_t)g->agent->pi.n, sizeof *g->phi, "a critic");
        g->g = g->phi + n_V;
    }
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
    actor_steps_free(g->steps);
    free(g->phi);
    free(g->log_pi1);
    value_table_free(g->exact);
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

static const double *by_training(gradient_estimate *e, const traj *tau)         /* [n] */
{
    agent *b = e->agent;
    agent_sees(b, tau);
    switch (e->e->by) {
        case BY_A2C: {
            const a2c_config c = { .workers = 1, .mean = A2C_MEAN_OVER_WORKERS };
            a2c_gradient(b->t, &c, &b->pi, &e->critic, b->theta, e->phi, b->tau, e->w, e->w, e->g);
            return e->g;
        }
        case BY_OFF_POLICY: off_policy_gradient(b->t, &b->pi, b->theta, b->tau, e->w, b->g); break;
        case BY_REINFORCE: reinforce_gradient(b->t, &b->pi, b->theta, b->tau, e->w, b->g); break;
        case BY_VPG_STEPS:
            vpg_gradient(b->t, &b->pi, b->theta, b->tau, e->w, VPG_MEAN_OVER_STEPS, b->g);
            break;
        default: vpg_gradient(b->t, &b->pi, b->theta, b->tau, e->w, VPG_MEAN_OVER_TRAJECTORIES, b->g);
    }
    return b->g;
}

void gradient_estimate_run(void *estimate, const traj *tau, double *g)
{
    gradient_estimate *e = estimate;
    size_t bytes = (size_t)e->f->policy->n * sizeof *g;
    memset(g, 0, bytes);
    if (tau->T == 0) return;
    if (e->steps) {
        actor_steps_sum(e->steps, &e->with, tau, g);
        return;
    }
    e->e->weights(&e->with, tau, e->w);
    if (e->agent) {
        memcpy(g, by_training(e, tau), bytes);
        return;
    }
    ad_mark mark = ad_here(e->t);
    ad objective = psi_objective(log_pi(e, tau), ad_input(e->t, e->w, tau->T, 1));
    memcpy(g, ad_value(ad_grad(objective, e->theta)), bytes);
    ad_reset(e->t, mark);
}

void gradient_estimator_moments(const finite_horizon *f, const char *name, double *mean, double *variance)
{
    gradient_estimator_moments_with(f, name, NULL, 1, 0, mean, variance);
}

void gradient_estimator_moments_with(const finite_horizon *f, const char *name, const value_table *critic, int n,
                                     double lambda, double *mean, double *variance)
{
    const gradient_estimator *e = gradient_estimator_find(name);
    require(e, "no estimator %s", name);
    gradient_estimate *g = gradient_estimate_with(f, e, critic, n, lambda);
    enumerate_moments(f->M, f->x->pi, f->H, gradient_estimate_run, g, f->policy->n, mean, variance);
    gradient_estimate_free(g);
}

void gradient_estimate_behaviour(gradient_estimate *g, const double *pi1)
{
    int n = g->f->M->nS * g->f->M->nA;
    require(g->e->needs & NEEDS_BEHAVIOUR, "%s from another policy's trajectories", g->e->name);
    g->with.log_pi1 = g->log_pi1 = reallocate(g->log_pi1, (size_t)n, sizeof *pi1, "log pi'");
    for (int i = 0; i < n; i++) g->log_pi1[i] = log(pi1[i]);
}

void gradient_estimator_moments_off_policy(const finite_horizon *f, const char *name, const double *pi1, double *mean,
                                           double *variance)
{
    gradient_estimate *g = gradient_estimate_new(f, gradient_estimator_find(name));
    gradient_estimate_behaviour(g, pi1);
    enumerate_moments(f->M, pi1, f->H, gradient_estimate_run, g, f->policy->n, mean, variance);
    gradient_estimate_free(g);
}
