/* REINFORCE's update over all trajectories, through the code that trains (algorithms/reinforce.c, returns.c): its
 * mean is the gradient, or is not, and its variance grows with the horizon. 000 eq (5) and listing, 002 (l.92-95),
 * 003 (l.53), 004 REINFORCE (l.234-250). */
#include <float.h>
#include <gsl/gsl_math.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "algorithms/reinforce.h"
#include "algorithms/returns.h"
#include "autodiff/linalg.h"
#include "autodiff/require.h"
#include "derivations/agent.h"
#include "derivations/equivalent_forms.h"
#include "derivations/estimate.h"
#include "derivations/small_problem.h"

/* ---- MDP-4: [FINITE_HORIZON][nS] ---- */

static int n_returns(const setting *x) { return FINITE_HORIZON * x->pi->nS; }

static double visits_times_V(const setting *x, double *out)
{
    finite_horizon *f = small_new(x);
    memset(out, 0, (size_t)n_returns(x) * sizeof *out);
    for (int i = 0; i < f->H * x->pi->nS; i++) out[i] = exact_rho(f->x, i) * f->x->V[i];
    double room = finite_room(f, 1);
    finite_free(f);
    return room;
}

struct by_state { const finite_horizon *f; bool by_sum; };

/* MDP-4   G_t = sum_{k=0}^{T-t-1} gamma^k r_{t+k} = r_t + gamma G_{t+1},  G_T = 0 */
static void return_of_each_step(void *context, const traj *tau, double *out)
{
    const struct by_state *b = context;
    double G[FINITE_HORIZON], gamma = b->f->gamma;
    returns_to_go(tau->T, tau->r, gamma, G);
    memset(out, 0, (size_t)(FINITE_HORIZON * b->f->M->nS) * sizeof *out);
    for (int t = 0; t < tau->T; t++)
        out[t * b->f->M->nS + tau->s[t]] = gsl_pow_int(gamma, t) * (b->by_sum ? small_G(b->f, tau, t) : G[t]);
}

static double mean_returns(const setting *x, bool by_sum, double *out)
{
    finite_horizon *f = small_new(x);
    struct by_state b = { f, by_sum };
    enumerate_moments(f->M, f->x->pi, f->H, return_of_each_step, &b, n_returns(x), out, NULL);
    finite_free(f);
    return 0;
}

static double returns_by_sum(const setting *x, double *out)       { return mean_returns(x, true, out); }
static double returns_by_recursion(const setting *x, double *out) { return mean_returns(x, false, out); }

/* ---- RF-2: the mean ---- */

static double mean_of(const setting *x, const char *name, double *g)
{
    finite_horizon *f = small_new(x);
    gradient_estimator_moments(f, name, g, NULL);
    finite_free(f);
    return 0;
}

static double mean_with_gamma_t(const setting *x, double *g)    { return mean_of(x, "reinforce-gamma-t", g); }
static double mean_without_gamma_t(const setting *x, double *g) { return mean_of(x, "reinforce", g); }

static double mean_over_normalised_d(const setting *x, double *g)       /* grad J / sum_s rho(s) */
{
    finite_horizon *f = small_new(x);
    double visits = 0;
    for (int i = 0; i < f->x->nS; i++) visits += exact_rho(f->x, i);
    finite_gradient(f, g);
    for (int i = 0; i < x->pi->n; i++) g[i] /= visits;
    finite_free(f);
    return 0;
}

/* ---- RF-4, RF-6, RF-8: mean and variance ---- */

static double moments_of(const setting *x, const char *name, double *out)
{
    finite_horizon *f = small_new(x);
    small_estimator(f, name, out);
    finite_free(f);
    return 0;
}

static double all_without_gamma_t(const setting *x, double *out) { return moments_of(x, "reinforce", out); }
static double all_with_gamma_t(const setting *x, double *out) { return moments_of(x, "reinforce-gamma-t", out); }
static double all_by_loss(const setting *x, double *out)         { return moments_of(x, "missing-gamma", out); }

static double taken_for_gradient(const setting *x, double *out)
{
    moments_of(x, "reinforce", out);
    small_gradient(x, out);
    return 0;
}

static void weights_G(const finite_horizon *f, const traj *tau, double *w)
{
    for (int t = 0; t < tau->T; t++) w[t] = small_G(f, tau, t);
}

static double hand_G(const setting *x, double *out)
{
    finite_horizon *f = small_new(x);
    small_by_hand(f, weights_G, out);
    finite_free(f);
    return 0;
}

static double recursion_to_go(const setting *x, double *out)    /* gradient by PGT-3; variance backward in time */
{
    finite_horizon *f = small_new(x);
    form_moments(f, REWARD_TO_GO, out, out + x->pi->n);
    finite_gradient(f, out);
    double room = small_room(f, x->pi->c);
    finite_free(f);
    return room;
}

/* A gradient of each step alone, on a rollout of that step alone, added up */
struct step_by_step { const finite_horizon *f; agent *agent; bool gamma_t; };

static void add_step(agent *b, const traj *tau, int t, double w, double *g)
{
    traj step = { .T = 1, .s = tau->s + t, .a = tau->a + t, .r = tau->r + t };
    agent_sees(b, &step);
    reinforce_gradient(b->t, &b->pi, b->theta, b->tau, &w, b->g);
    for (int i = 0; i < b->states->n; i++) g[i] += b->g[i];
}

/* RF-6    Delta theta <- Delta theta + gamma^t G_t grad log pi(a_t|s_t), t = 0 .. T-1
 * RF-8    R <- r_t + gamma R,  loss_t = -log pi(a_t|s_t) R,  loss_t.backward(), t = T-1 .. 0 */
static void step_by_step(void *context, const traj *tau, double *g)
{
    const struct step_by_step *c = context;
    double gamma_t = 1, R = 0;
    memset(g, 0, (size_t)c->agent->states->n * sizeof *g);
    for (int t = 0; t < tau->T && c->gamma_t; t++, gamma_t *= c->f->gamma)
        add_step(c->agent, tau, t, gamma_t * small_G(c->f, tau, t), g);
    for (int t = tau->T - 1; t >= 0 && !c->gamma_t; t--) {
        R = tau->r[t] + c->f->gamma * R;
        add_step(c->agent, tau, t, R, g);
    }
}

static double accumulated(const setting *x, bool gamma_t, double *out)
{
    finite_horizon *f = small_new(x);
    struct step_by_step c = { f, agent_new(f->policy, f->theta, f->H), gamma_t };
    small_moments(f, step_by_step, &c, x->pi->n, out);
    agent_free(c.agent);
    finite_free(f);
    return 0;
}

/* RF-6   theta <- theta + alpha Delta theta after the episode */
static double accumulated_forward(const setting *x, double *out)  { return accumulated(x, true, out); }
/* RF-8   the listing's accumulated .backward() */
static double accumulated_backward(const setting *x, double *out) { return accumulated(x, false, out); }

/* ---- RF-7, PGT-20: X3 ---- */

#define X3 "X3: 2 states, 2 actions, pi = (.7, .3; .4, .6), gamma .9"
enum { X3_N = 4, HORIZONS = 6 };

static int    n_x3(const setting *x)       { (void)x; return X3_N + 1; }
static int    n_horizons(const setting *x) { (void)x; return HORIZONS; }
static double unit_x3(const setting *x)       { (void)x; return DBL_EPSILON * 4 * 3 * pow(3 * 2.71, 2); }
static double unit_horizons(const setting *x) { (void)x; return DBL_EPSILON * 4 * 6 * pow(6 * 4.69, 2); }

static double x3(int H, const char *name, double *out)          /* name NULL: by recursion */
{
    own_problem p = own_problem_X3(H);
    if (name) small_estimator(p.f, name, out);
    else      form_moments(p.f, REWARD_TO_GO, out, out + X3_N);
    if (!name) finite_gradient(p.f, out);
    own_problem_free(&p);
    return 0;
}

/* RF-7   G_t = sum_{i=0}^{n-t-1} gamma^i r_{t+1+i} in an episode s_0, a_0, r_1, ..., r_n */
static double x3_gradient(const setting *x, double *out) { (void)x; return x3(3, NULL, out); }
static double x3_training(const setting *x, double *out) { (void)x; return x3(3, "reinforce-gamma-t", out); }
static double x3_printed(const setting *x, double *out)  { (void)x; return x3(3, "extra-return-index", out); }

/* PGT-20   tr Cov g for H = 1 .. 6 */
static double traces(const char *name, int less, double *out)
{
    double moments[X3_N + 1];
    for (int H = 1; H <= HORIZONS; H++) {
        moments[X3_N] = 0;                                      /* no step, no variance */
        if (H > less) x3(H - less, name, moments);
        out[H - 1] = moments[X3_N];
    }
    return 0;
}

static double traces_training(const setting *x, double *out) { (void)x; return traces("reinforce-gamma-t", 0, out); }
static double traces_recursion(const setting *x, double *out) { (void)x; return traces(NULL, 0, out); }
static double traces_shorter(const setting *x, double *out) { (void)x; return traces("reinforce-gamma-t", 1, out); }

static void page_of_horizons(const setting *x, FILE *out)
{
    double trace[HORIZONS];
    fprintf(out, "horizon   trace of the covariance of sum_t gamma^t G_t grad log pi, one episode\n");
    traces_training(x, trace);
    for (int H = 1; H <= HORIZONS; H++) fprintf(out, "%7d   %.10g\n", H, trace[H - 1]);
}

/* ---- PGT-23: a bandit ---- */

enum { ARMS = 3 };
static const double arm_p[ARMS] = { 0.2, 0.3, 0.5 }, arm_r[ARMS] = { 1, 4, 5 };     /* A = -2.9, .1, 1.1 */

static int    n_bandit(const setting *x)    { (void)x; return 3 * ARMS; }
static double unit_bandit(const setting *x) { (void)x; return DBL_EPSILON * 4 * 5; }

static own_problem bandit(void)
{
    double theta[2 * ARMS] = { 0 };
    mdp_builder *b = mdp_begin("bandit", 2, ARMS, 1);
    mdp_start(b, 0, 1);
    for (int a = 0; a < ARMS; a++) {
        theta[a] = log(arm_p[a]);
        mdp_transition(b, 0, a, 1, 1, arm_r[a]);
        mdp_transition(b, 1, a, 1, 1, 0);
    }
    return own_problem_new(mdp_finish(b), 1, 0, NULL, theta, 1);
}

/* PGT-23  E[g_a] = p_a A_a, what that makes of p(a), and how fast the log-probability of an action rises when it was
 *         drawn: grad log pi(a) . G grad log pi(a) */
static double bandit_closed_form(const setting *x, double *out)
{
    (void)x;
    double V = 0, p_p_A = 0, p_p = 0;
    for (int a = 0; a < ARMS; a++) V += arm_p[a] * arm_r[a];
    for (int a = 0; a < ARMS; a++) p_p_A += arm_p[a] * arm_p[a] * (arm_r[a] - V);
    for (int a = 0; a < ARMS; a++) p_p += arm_p[a] * arm_p[a];
    for (int a = 0; a < ARMS; a++) {
        out[a] = arm_p[a] * (arm_r[a] - V);
        out[ARMS + a] = arm_p[a] * (arm_p[a] * (arm_r[a] - V) - p_p_A);
        out[2 * ARMS + a] = arm_r[a] * (1 - 2 * arm_p[a] + p_p);
    }
    return 0;
}

/* d log pi(a) along a step g in the logits */
static double rise(int a, const double *g)
{
    double mean = 0;
    for (int b = 0; b < ARMS; b++) mean += arm_p[b] * g[b];
    return g[a] - mean;
}

struct pull { agent *agent; double b; };                        /* b: a baseline */

static void pull(void *context, const traj *tau, double *out)   /* g, then its own rise where a was drawn */
{
    const struct pull *c = context;
    agent *b = c->agent;
    int a = tau->a[0];
    reinforce_w(1, tau->r, 1, c->b, b->w);
    agent_sees(b, tau);
    reinforce_gradient(b->t, &b->pi, b->theta, b->tau, b->w, b->g);
    memset(out, 0, 2 * ARMS * sizeof *out);
    memcpy(out, b->g, ARMS * sizeof *out);
    out[ARMS + a] = rise(a, b->g) / arm_p[a];
}

static double bandit_trained(double b, double *out)
{
    own_problem p = bandit();
    double moments[2 * ARMS];
    struct pull c = { agent_new(p.states, p.f->theta, 1), b };
    enumerate_moments(p.M, p.f->x->pi, 1, pull, &c, 2 * ARMS, moments, NULL);
    memcpy(out, moments, ARMS * sizeof *out);
    for (int a = 0; a < ARMS; a++) out[ARMS + a] = arm_p[a] * rise(a, moments);
    memcpy(out + 2 * ARMS, moments + ARMS, ARMS * sizeof *out);
    agent_free(c.agent);
    own_problem_free(&p);
    return 0;
}

static double bandit_training(const setting *x, double *out) { (void)x; return bandit_trained(0, out); }
static double bandit_baseline(const setting *x, double *out) { (void)x; return bandit_trained(3.9, out); }

static void page_of_bandit(const setting *x, FILE *out)
{
    double number[3 * ARMS];
    bandit_training(x, number);
    fprintf(out, "action   p(a)    r(a)    A(a)   E[step of its logit]   E[step of p(a)]   log p(a) when drawn\n");
    for (int a = 0; a < ARMS; a++)
        fprintf(out, "%6d %6g  %6g  %6.2g %22.3g %17.3g %21.3g\n", a, arm_p[a], arm_r[a], arm_r[a] - 3.9, number[a],
                number[ARMS + a], number[2 * ARMS + a]);
    fprintf(out, "In the mean a step raises the logits of the actions with A(a) > 0, and of two actions also the"
            " probability;\nwith three, action 1 is better than the mean and yet loses to action 2. With positive"
            " returns and no\nbaseline every action is made likelier when it is drawn, the bad one too.\n");
}

#define TRAINING "over all trajectories, through algorithms/reinforce.c"
#define RECURSION "the gradient by PGT-3; the variance from moments carried backward in time, no trajectory"
#define MEAN_AND_TRACE "E[g_i], then the trace of the covariance; over " FINITE_SMALL

const derivation reinforce_mean[] = {
    { "MDP-4", "the return: G_t = sum_k gamma^k r_t+k = r_t + gamma G_t+1, G_T = 0",
      "E[gamma^t G_t 1{s_t = s}] over " FINITE_SMALL, n_returns, small_unit_of_V, small_not_applicable, NULL, {
        { "\\gamma^tP(s_t=s)\\,V_t^\\pi(s)", "on the time-expanded MDP: no trajectory", visits_times_V },
        { "=E[\\gamma^t1\\{s_t=s\\}\\sum_{k=0}^{T-t-1}\\gamma^kr_{t+k}]", "the sum, term by term",
          returns_by_sum },
        { "=E[\\gamma^t1\\{s_t=s\\}G_t],\\quad G_t=r_t+\\gamma G_{t+1},\\ G_T=0",
          "what is left after the first term is gamma times the next; through algorithms/returns.c",
          returns_by_recursion } },
      .page = small_page },
    { "RF-2", "E[sum_t gamma^t G_t grad log pi(a_t|s_t)] = grad J", "dJ/dtheta[i] over " FINITE_SMALL, small_n,
      small_unit, small_not_applicable, NULL, {
        { "\\nabla_\\theta J", "PGT-3 on the time-expanded MDP", small_gradient },
        { "=E[\\sum_{t=0}^{T-1}\\gamma^tG_t\\nabla_\\theta\\log\\pi_\\theta(A_t|S_t)]", TRAINING,
          mean_with_gamma_t },
        { "=E[\\sum_{t=0}^{T-1}G_t\\nabla_\\theta\\log\\pi_\\theta(A_t|S_t)]", "000 eq 5: gamma^t left out",
          mean_without_gamma_t, DIFFERS, "ERR-3" },
        { "=E_{s\\sim d,a\\sim\\pi}[G\\,\\nabla_\\theta\\log\\pi_\\theta(a|s)]",
          "000 eq 5: a mean over states for the sum over t, off by the (discounted) number of steps",
          mean_over_normalised_d, DIFFERS, "ERR-4" } },
      .page = small_page },
    { "RF-4", "theta <- theta + alpha sum_t G_t grad log pi(a_t|s_t)", MEAN_AND_TRACE, small_n_and_trace,
      small_unit, small_not_applicable, NULL, {
        { "\\sum_{t=0}^{T-1}G_t\\nabla_\\theta\\log\\pi_\\theta(a_t|s_t)",
          "over all trajectories, scores of the softmax in closed form", hand_G },
        { "=-\\nabla_\\theta\\sum_{t=0}^{T-1}-G_t\\log\\pi_\\theta(a_t|s_t)",
          "the loss as one node, differentiated; logits of the exact layer", all_by_loss },
        { "=g", TRAINING, all_without_gamma_t },
        { "=\\nabla_\\theta J", "002 l.94 prints it as equal to grad J, with discounted G_t", taken_for_gradient,
          DIFFERS, "ERR-3" } },
      .measure = small_measure, .page = small_page },
    { "RF-6", "Delta theta = sum_t gamma^t grad log pi(a_t|s_t) G_t after the episode: its mean is grad J",
      MEAN_AND_TRACE, small_n_and_trace, small_unit, small_not_applicable, NULL, {
        { "\\nabla J,\\quad E|g|^2-|\\nabla J|^2", RECURSION, recursion_to_go },
        { "E[\\Delta\\theta],\\quad\\Delta\\theta\\leftarrow\\Delta\\theta+\\gamma^t\\nabla_\\theta"
          "\\log\\pi_\\theta(a_t|s_t)G_t",
          "over all trajectories, a gradient of each step alone, added up", accumulated_forward },
        { "E[\\sum_t\\gamma^tG_t\\nabla_\\theta\\log\\pi_\\theta(a_t|s_t)]", "one sweep for all steps; " TRAINING,
          all_with_gamma_t } },
      .measure = small_measure, .page = small_page },
    { "RF-7", "G_t begins with the reward for a_t", "E[g_i], then the trace of the covariance",
      n_x3, unit_x3, NULL,
      NULL, {
        { "\\nabla J,\\quad E|g|^2-|\\nabla J|^2", RECURSION, x3_gradient },
        { "G_t=\\sum_{i=0}^{n-t-1}\\gamma^ir_{t+1+i},\\ \\text{episode}\\ s_0,a_0,r_1,\\dots,r_n", TRAINING,
          x3_training },
        { "G_t=\\sum_{i=0}^{n-t}\\gamma^ir_{t+i}",
          "004 l.241 adds a reward that was paid before a_t: gamma times the gradient, with more variance",
          x3_printed, DIFFERS, "ERR-2" } },
      X3 ", horizon 3" },
    { "RF-8", "the listing: R <- r + gamma R backwards, one backward sweep a step, accumulated", MEAN_AND_TRACE,
      small_n_and_trace, small_unit, small_not_applicable, NULL, {
        { "\\nabla_\\theta\\sum_t\\log\\pi_\\theta(a_t|s_t)R_t",
          "of minus the loss; one sweep for all steps; " TRAINING,
          all_without_gamma_t },
        { "=\\sum_t\\nabla_\\theta\\log\\pi_\\theta(a_t|s_t)R_t,\\quad R\\leftarrow r_t+\\gamma R",
          "the gradient of a sum is the sum of gradients: each step alone, from the last to the first",
          accumulated_backward } },
      .measure = small_measure, .page = small_page },
    { "PGT-20", "the variance of Monte Carlo policy gradients grows with the length of episodes",
      "trace of the covariance, H = 1 .. 6", n_horizons, unit_horizons, NULL, NULL, {
        { "\\mathrm{tr\\,Cov}\\,g,\\quad g=\\sum_{t<H}\\gamma^tG_t\\nabla_\\theta\\log\\pi_\\theta(a_t|s_t)",
          TRAINING, traces_training },
        { "=E|g|^2-|\\nabla J|^2", "moments carried backward in time, no trajectory", traces_recursion },
        { "\\ge\\mathrm{tr\\,Cov}\\,g\\ \\text{for}\\ H-1", "one step less", traces_shorter, AT_MOST } },
      X3 ", horizons 1 to 6", page_of_horizons },
    { "PGT-23", "a step raises log-probabilities in proportion to return",
      "E[step of each logit], E[step of each p(a)], rise of log p(a) when a was drawn", n_bandit,
      unit_bandit, NULL,
      NULL, {
        { "p_aA_a,\\quad p_a(p_aA_a-\\sum_bp_b^2A_b),\\quad G_a|\\nabla\\log\\pi(a)|^2", "written out",
          bandit_closed_form },
        { "E[g_a],\\quad E[\\nabla p_a\\cdot g],\\quad\\nabla\\log\\pi(a)\\cdot g", TRAINING, bandit_training },
        { "w=G-V",
          "the control: with the mean return as baseline the mean step is the same, but bad actions sink when drawn",
          bandit_baseline, DIFFERS } },
      "a bandit: p = (.2, .3, .5), returns 1, 4, 5", page_of_bandit },
    { .id = NULL }
};
