/* What acts and what is seen: stochastic policies (algorithms/policy.c), their networks and the first steps of Adam
 * on them, and trajectories as rollouts (algorithms/rollout.c). 000 listing, 002 (l.73-77, l.167-170), 003 (l.20-22,
 * l.65-77). */
#include <complex.h>
#include <float.h>
#include <gsl/gsl_math.h>
#include <gsl/gsl_randist.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "algorithms/reinforce.h"
#include "algorithms/vpg.h"
#include "autodiff/linalg.h"
#include "autodiff/optimiser.h"
#include "autodiff/random.h"
#include "autodiff/require.h"
#include "derivations/agent.h"
#include "derivations/small_problem.h"

/* ---- MDP-2: each state's row, then a Gaussian of one number and one of two ---- */

enum { NODES = 41 };                            /* of a mean -10 sd .. 10 sd: steps of half an sd */

static int    n_rows(const setting *x)    { return x->pi->nS + 2; }
static double unit_rows(const setting *x) { return DBL_EPSILON * fmax(x->pi->nA, NODES * NODES); }

static double ones(const setting *x, double *out)
{
    for (int i = 0; i < n_rows(x); i++) out[i] = 1;
    return 0;
}

static void row_sums(const setting *x, double *out)
{
    const exact *pi = x->pi;
    agent *b = agent_new(&pi->policy, pi->theta, 0);
    for (int s = 0; s < pi->nS; s++) {
        ad_mark start = ad_here(b->t);
        ad theta = ad_input(b->t, b->theta, b->pi.n, 1), at = ad_copy(b->t, agent_observation(b, s), 1, b->pi.d);
        out[s] = 0;
        for (int a = 0; a < pi->nA; a++) out[s] += exp(ad_scalar(policy_logp(b->t, &b->pi, theta, at, NULL, &a)));
        ad_reset(b->t, start);
    }
    agent_free(b);
}

static policy box_policy(int k)                 /* 3 numbers seen, k done, one hidden layer of 4 */
{
    env e = { .observation = { .dim = 3 }, .action = { .dim = k } };
    return policy_of(&e, 1, (int[]){ 4 }, AD_TANH);
}

/* The integral over all actions of a Gaussian policy's density, by the trapezoidal rule, whose error for a Gaussian
 * is below u at half an sd; halved: log_sd read as the logarithm of the variance in the quadratic form */
static double integral(int k, bool halved)
{
    const double s[3] = { 0.3, -1, 0.7 };
    policy p = box_policy(k);
    int T = k == 1 ? NODES : NODES * NODES, n_f = network_n(&p.f);
    double *theta = allocate((size_t)p.n, sizeof *theta, "theta"),
        *a = allocate((size_t)(T * k), sizeof *a, "actions");
    double *seen = allocate((size_t)T * 3, sizeof *seen, "observations"), sum = 0, cell = 1;
    for (int i = 0; i < n_f; i++) theta[i] = sin(i + 1);
    for (int j = 0; j < k; j++) cell *= exp(theta[n_f + j] = 0.4 - j) / 2;
    actor *b = actor_new(&p, theta);
    double mean[2];
    actor_mode(b, s, mean);
    for (int i = 0; i < T; i++) {
        memcpy(seen + 3 * i, s, sizeof s);
        for (int j = 0; j < k; j++)
            a[i * k + j] = mean[j] + exp(theta[n_f + j]) * ((j ? i / NODES : i % NODES) - NODES / 2) / 2;
    }
    ad_tape *t = ad_tape_new();
    const double *logp = ad_value(policy_logp(t, &p, ad_input(t, theta, p.n, 1), ad_input(t, seen, T, 3), a, NULL));
    for (int i = 0; i < T; i++) {
        double more = 0;                        /* z^2/2 (1 - sd) */
        for (int j = 0; j < k; j++)
            more += pow((a[i * k + j] - mean[j]) * exp(-theta[n_f + j]), 2) / 2 * (1 - exp(theta[n_f + j]));
        sum += exp(logp[i] + (halved ? more : 0)) * cell;
    }
    ad_tape_free(t);
    actor_free(b);
    free(seen);
    free(a);
    free(theta);
    return sum;
}

/* MDP-2   sum_a pi(a|s) = 1, int pi(a|s) da = 1 */
static double sums_and_integrals(const setting *x, double *out)
{
    row_sums(x, out);
    for (int k = 1; k <= 2; k++) out[x->pi->nS + k - 1] = integral(k, false);
    return 0;
}

static double variance_for_sd(const setting *x, double *out)
{
    row_sums(x, out);
    for (int k = 1; k <= 2; k++) out[x->pi->nS + k - 1] = integral(k, true);
    return 0;
}

/* ---- MDP-3: E[sum_t s_t], E[s_T] as observations, how often each action, E[sum_t r_t] ---- */

static int seen(const setting *x)  { return x->pi->policy.kind == POLICY_TABULAR ? x->pi->nS : x->pi->policy.d; }
static int n_seen(const setting *x) { return 2 * seen(x) + x->pi->nA + 1; }

static double unit_seen(const setting *x)
{
    finite_horizon *f = small_new(x);
    double features = x->pi->policy.X ? linalg_max_abs(x->pi->nS * seen(x), x->pi->policy.X) : 1;
    double unit = finite_unit_gradient(f, 1) * fmax(1, features);
    finite_free(f);
    return unit;
}

static double forward_in_time(const setting *x, double *out)
{
    finite_horizon *f = small_new(x);
    const mdp *M = f->M;
    int d = seen(x);
    agent *b = agent_new(f->policy, f->theta, 0);
    double *P = small_visits(f);
    memset(out, 0, (size_t)n_seen(x) * sizeof *out);
    for (int i = 0; i < (f->H + 1) * M->nS; i++) {
        int s = i % M->nS;
        bool end = x->pi->absorbing[s] || i / M->nS == f->H;
        const double *o = agent_observation(b, s);
        for (int j = 0; j < d; j++) out[(end ? d : 0) + j] += P[i] * o[j];
        for (int a = 0; a < M->nA && !end; a++) {
            double p = P[i] * x->pi->pi[s * M->nA + a];
            out[2 * d + a] += p;
            out[2 * d + M->nA] += p * mdp_reward(M, s, a);
        }
    }
    double room = finite_room(f, 1);
    free(P);
    agent_free(b);
    finite_free(f);
    return room;
}

struct seeing { agent *agent; bool end_lost; };

/* MDP-3   tau = (s_0, a_0, r_0, ..., s_{T-1}, a_{T-1}, r_{T-1}, s_T):
 * T states, T actions, T rewards, one last state */
static void of_rollout(void *context, const traj *tau, double *out)
{
    const struct seeing *c = context;
    agent *b = c->agent;
    int d = b->pi.d, nA = b->pi.nA;
    memset(out, 0, (size_t)(2 * d + nA + 1) * sizeof *out);
    if (tau->T == 0) {                          /* begins where nothing is to be done: no rollout */
        memcpy(out + d, agent_observation(b, tau->s[0]), (size_t)d * sizeof *out);
        return;
    }
    agent_sees(b, tau);
    const rollout *r = b->tau;
    require(r->segments == 1 && r->T == tau->T, "%d steps in %d segments", r->T, r->segments);
    for (int t = 0; t < r->T; t++) {
        for (int j = 0; j < d; j++) out[j] += r->s[t * d + j];
        out[2 * d + r->index[t]] += 1;
        out[2 * d + nA] += r->r[t];
    }
    memcpy(out + d, c->end_lost ? r->s + (r->T - 1) * d : r->s_end, (size_t)d * sizeof *out);
}

static double over_rollouts(const setting *x, bool end_lost, double *out)
{
    finite_horizon *f = small_new(x);
    struct seeing c = { agent_new(f->policy, f->theta, 0), end_lost };
    enumerate_moments(f->M, f->x->pi, f->H, of_rollout, &c, n_seen(x), out, NULL);
    agent_free(c.agent);
    finite_free(f);
    return 0;
}

static double in_rollouts(const setting *x, double *out)   { return over_rollouts(x, false, out); }
static double last_state_lost(const setting *x, double *out) { return over_rollouts(x, true, out); }

/* ---- a network by hand, in complex numbers: the derivative of a real function is Im f(theta + ih) / h ---- */

enum { WIDEST = 128 };

static void network_by_hand(const network *f, const double complex *theta, const double *x, double complex *out)
{
    double complex h[WIDEST];
    for (int i = 0; i < f->size[0]; i++) h[i] = x[i];
    for (int l = 1; l <= f->layers; l++) {
        network_layer p = network_part(f, l);
        for (int j = 0; j < p.n; j++) {
            out[j] = theta[p.b + j];
            for (int i = 0; i < p.k; i++) out[j] += h[i] * theta[p.W + i * p.n + j];
            if (l < f->layers && creal(out[j]) < 0) out[j] = 0;                 /* relu */
        }
        memcpy(h, out, (size_t)p.n * sizeof *h);
    }
}

/* sum_t w_t log pi(a_t|s_t) */
static double complex objective_by_hand(const policy *p, const double complex *theta, const rollout *b,
                                        const double *w)
{
    double complex f[WIDEST], sum = 0;
    const double complex *log_sd = theta + network_n(&p->f);
    for (int t = 0; t < b->T; t++) {
        double complex logp = 0, total = 0;
        network_by_hand(&p->f, theta, b->s + t * p->d, f);
        for (int a = 0; a < p->nA; a++) total += cexp(f[a]);
        if (p->nA) logp = f[b->index[t]] - clog(total);
        for (int j = 0; j < (p->nA ? 0 : p->k); j++) {
            double complex z = (b->a[t * p->k + j] - f[j]) * cexp(-log_sd[j]);
            logp -= z * z / 2 + log_sd[j] + log(2 * M_PI) / 2;
        }
        sum += w[t] * logp;
    }
    return sum;
}

static void gradient_by_hand(const policy *p, const double *theta, const rollout *b, const double *w, double *g)
{
    const double h = 1e-100;
    double complex *moved = allocate((size_t)p->n, sizeof *moved, "complex parameters");
    for (int i = 0; i < p->n; i++) moved[i] = theta[i];
    for (int i = 0; i < p->n; i++) {
        moved[i] = theta[i] + h * I;
        g[i] = cimag(objective_by_hand(p, moved, b, w)) / h;
        moved[i] = theta[i];
    }
    free(moved);
}

/* Any few steps: what was seen and done is drawn, G_t are as of rewards 1 */
enum { STEPS = 6 };

static rollout *any_rollout(const policy *p, uint64_t seed)
{
    gsl_rng *rng = random_stream(seed, 0, RANDOM_TEST);
    rollout *b = rollout_shaped(p->d, p->k, p->nA > 0);
    double s[4], a[2];
    for (int t = 0; t <= STEPS; t++) {
        for (int i = 0; i < p->d; i++) s[i] = gsl_ran_gaussian(rng, 1);
        for (int j = 0; j < p->k; j++) a[j] = p->nA ? (double)gsl_rng_uniform_int(rng, 2) : gsl_ran_gaussian(rng, 1);
        if (t < STEPS) rollout_add(b, s, a, 1);
        else           rollout_end(b, s, true, true, false);
    }
    gsl_rng_free(rng);
    return b;
}

/* ---- VPG-5: 3 - 5 - 5 - 2 and two log_sd ---- */

enum { VPG_5 = 4 * 5 + 6 * 5 + 6 * 2 + 2 };     /* parameters */

static int    n_vpg_5(const setting *x)    { (void)x; return 1 + VPG_5; }
static double unit_vpg_5(const setting *x) { (void)x; return DBL_EPSILON * VPG_5 * STEPS; }

static policy vpg_5(double *theta, uint64_t seed)
{
    env e = { .observation = { .dim = 3 }, .action = { .dim = 2 } };
    vpg_config c = vpg_defaults;
    c.hidden = (widths){ 2, { 5, 5 } };
    c.activation = AD_RELU;
    policy p = vpg_policy(&e, &c);
    gsl_rng *rng = random_stream(seed, 0, RANDOM_INIT);
    network_init_fan_in(&p.f, rng, theta);
    theta[VPG_5 - 2] = -0.3;
    theta[VPG_5 - 1] = 0.2;
    gsl_rng_free(rng);
    return p;
}

static double vpg_5_numbers(uint64_t seed, bool by_hand, double *out)
{
    double theta[VPG_5], w[STEPS] = { 1, 1, 1, 1, 1, 1 };
    policy p = vpg_5(theta, seed);
    rollout *b = any_rollout(&p, seed);
    out[0] = by_hand ? VPG_5 : p.n;
    if (by_hand) gradient_by_hand(&p, theta, b, w, out + 1);
    else {
        ad_tape *t = ad_tape_new();
        vpg_gradient(t, &p, theta, b, w, VPG_MEAN_OVER_TRAJECTORIES, out + 1);
        ad_tape_free(t);
    }
    rollout_free(b);
    return 0;
}

/* VPG-5   (3+1) 5 + (5+1) 5 + (5+1) 2 + 2 numbers; the gradient of sum_t log pi(a_t|s_t) in each */
static double network_hand(const setting *x, double *out)     { return vpg_5_numbers(x->seed, true, out); }
static double network_training(const setting *x, double *out) { return vpg_5_numbers(x->seed, false, out); }

static double one_output(const setting *x, double *out)
{
    vpg_5_numbers(x->seed, true, out);
    out[0] = 4 * 5 + 6 * 5 + 6 * 1 + 1;
    return 0;
}

/* ---- RF-9: 4 - 128 - 2, and three steps of Adam on one episode ---- */

enum { RF_9 = 5 * 128 + 129 * 2, ADAM_STEPS = 3 };
static const reinforce_config listing = {
    .gamma = 0.98, .lr = 2e-4, .optimiser = REINFORCE_ADAM, .hidden = { 1, { 128 } }, .activation = AD_RELU,
    .init = REINFORCE_FAN_IN,
};

static int n_rf_9(const setting *x) { (void)x; return 1 + 2 * RF_9; }

/* A gradient sums 6 steps of weights below 6; a step of Adam moves no number by more than lr = 2e-4 */
static double unit_rf_9(const setting *x) { (void)x; return DBL_EPSILON * 128 * 36; }

/* m, v: Kingma and Ba's Algorithm 1, written out */
static void adam_by_hand(int step, double *m, double *v, double *theta, const double *g)
{
    for (int i = 0; i < RF_9; i++) {
        m[i] = 0.9 * m[i] + 0.1 * g[i];
        v[i] = 0.999 * v[i] + 0.001 * g[i] * g[i];
        theta[i] += 2e-4 * (m[i] / (1 - pow(0.9, step))) / (sqrt(v[i] / (1 - pow(0.999, step))) + 1e-8);
    }
}

/* RF-9    the number of parameters; the gradient of sum_t G_t log pi(a_t|s_t); theta after three steps */
static double rf_9(uint64_t seed, bool by_hand, double *out)
{
    env e = { .observation = { .dim = 4 }, .action = { .n = 2, .dim = 1 } };
    policy p = reinforce_policy(&e, &listing);
    double *theta = out + 1 + RF_9, w[STEPS];
    double *m = allocate(3 * RF_9, sizeof *m, "Adam"), *v = m + RF_9, *g = v + RF_9;
    adam step = { .n = RF_9, .lr = listing.lr, .beta1 = 0.9, .beta2 = 0.999, .eps = 1e-8, .m = m, .v = v };
    gsl_rng *rng = random_stream(seed, 0, RANDOM_INIT);
    rollout *b = any_rollout(&p, seed);
    ad_tape *t = ad_tape_new();
    network_init_fan_in(&p.f, rng, theta);
    reinforce_w(STEPS, b->r, listing.gamma, 0, w);
    for (int i = 0; i < STEPS && by_hand; i++) w[i] = (1 - gsl_pow_int(0.98, STEPS - i)) / (1 - 0.98);
    out[0] = by_hand ? RF_9 : p.n;
    for (int k = 1; k <= ADAM_STEPS; k++) {
        if (by_hand) gradient_by_hand(&p, theta, b, w, g);
        else         reinforce_gradient(t, &p, theta, b, w, g);
        if (k == 1)  memcpy(out + 1, g, RF_9 * sizeof *g);
        if (by_hand) adam_by_hand(k, m, v, theta, g);
        else         adam_ascend(&step, theta, g);
    }
    ad_tape_free(t);
    rollout_free(b);
    gsl_rng_free(rng);
    free(m);
    return 0;
}

static double listing_hand(const setting *x, double *out)     { return rf_9(x->seed, true, out); }
static double listing_training(const setting *x, double *out) { return rf_9(x->seed, false, out); }

const derivation stochastic_policy[] = {
    { "MDP-2", "a stochastic policy: pi(a|s) sums, or integrates, to 1",
      "the sum in each state, then two integrals",
      n_rows, unit_rows, NULL, NULL, {
        { "1", "probabilities", ones },
        { "=\\sum_a\\pi_\\theta(a|s),\\quad\\int\\mathcal N(a;\\mu_\\theta(s),\\mathrm{diag}\\,\\sigma^2)\\,da",
          "e to the log pi of algorithms/policy.c; for a box of one and of two numbers the trapezoidal rule",
          sums_and_integrals },
        { "\\log\\sigma\\ \\text{read as}\\ \\log\\sigma^2",
          "the control: the standard deviation taken for the variance in the exponent",
          variance_for_sd, DIFFERS } } },
    { "MDP-3", "a trajectory as a rollout: T states, actions and rewards, and one last state",
      "E[sum_t s_t], E[s_T] as observations, E[steps] with each action, E[sum_t r_t]; over " FINITE_SMALL, n_seen,
      unit_seen, small_not_applicable, NULL, {
        { "\\sum_tP(s_t),\\ P(s_T),\\ \\sum_tP(s_t,a_t),\\ \\sum_tE[r_t]", "forward in time, no trajectory",
          forward_in_time },
        { "E[\\ldots],\\quad\\tau=(s_0,a_0,r_0,\\dots,s_{T-1},a_{T-1},r_{T-1},s_T)",
          "over all trajectories, read from the rollout of each", in_rollouts },
        { "s_T:=s_{T-1}", "the control: the last observation lost", last_state_lost, DIFFERS } },
      .page = small_page },
    { "VPG-5", "a Gaussian policy's network: relu layers, a mean for each number of the action, a log_sd each",
      "number of parameters, then d/dtheta[i] of sum_t log pi(a_t|s_t)", n_vpg_5, unit_vpg_5, NULL, NULL, {
        { "(3+1)5+(5+1)5+(5+1)2+2,\\quad\\mathrm{Im}\\,f(\\theta+ih)/h",
          "counted; a complex step through plain loops",
          network_hand },
        { "n,\\quad\\nabla_\\theta\\sum_t\\log\\pi_\\theta(a_t|s_t)", "algorithms/policy.c, reverse mode",
          network_training },
        { "(3+1)5+(5+1)5+(5+1)1+1", "003 l.77 fixes one output: right for actions of one number only", one_output,
          DIFFERS, "ERR-43" } },
      "observations of 3 numbers, actions of 2, layers of 5 and 5" },
    { "RF-9", "the listing's network 4-128-2 with relu, and Adam",
      "number of parameters, d/dtheta[i] of sum_t G_t log pi(a_t|s_t), theta[i] after 3 steps",
      n_rf_9, unit_rf_9, NULL,
      NULL, {
        { "5\\cdot128+129\\cdot2,\\quad\\mathrm{Im}\\,f(\\theta+ih)/h,\\quad\\theta_3",
          "counted; a complex step through plain loops; Adam's lines written out", listing_hand },
        { "n,\\quad\\nabla_\\theta\\sum_tG_t\\log\\pi_\\theta(a_t|s_t),\\quad\\theta_3",
          "algorithms/reinforce.c, reverse mode, autodiff/optimiser.c", listing_training } },
      "an episode of 6 random steps" },
    { .id = NULL }
};
