/* The vanilla policy gradient over all trajectories, through the code that trains (algorithms/vpg.c): what its
 * estimates are estimates of. 003 (l.10-90), 002 (image PPO1). And by sampling, as a training run does it: that
 * the estimate is unbiased, and how its error shrinks with the number of trajectories. */
#include <gsl/gsl_fit.h>
#include <gsl/gsl_math.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "algorithms/psi.h"
#include "algorithms/returns.h"
#include "algorithms/vpg.h"
#include "autodiff/linalg.h"
#include "autodiff/random.h"
#include "autodiff/require.h"
#include "derivations/agent.h"
#include "derivations/estimate.h"
#include "derivations/policy_gradient_theorem.h"
#include "derivations/small_problem.h"
#include "derivations/vpg_mean.h"
#include "envs/env_mdp.h"

/* ---- VPG-1 ---- */

static double backward_induction(const setting *x, double *J)
{
    finite_horizon *f = small_new(x);
    *J = 0;
    for (int s = 0; s < x->pi->nS; s++) *J += f->M->mu0[s] * finite_V(f, 0, s);
    double room = finite_room(f, 1);
    finite_free(f);
    return room;
}

/* VPG-1   J = E_tau[R(tau)]: the weight of any score of tau, here of the first */
static void total(void *context, const traj *tau, double *R)
{
    double w[FINITE_HORIZON] = { 0 };
    vpg_total_return(tau->T, tau->r, *(double *)context, w);
    *R = w[0];
}

static double mean_total(const setting *x, double *J)
{
    finite_horizon *f = small_new(x);
    enumerate_moments(f->M, f->x->pi, f->H, total, &f->gamma, 1, J, NULL);
    finite_free(f);
    return 0;
}

/* ---- VPG-3: [FINITE_HORIZON][nS][nA] ---- */

static int n_advantages(const setting *x) { return FINITE_HORIZON * x->pi->nSA; }

static double visits_times_A(const setting *x, double *out)     /* discounted, as rho of the unrolled MDP is */
{
    finite_horizon *f = small_new(x);
    memset(out, 0, (size_t)n_advantages(x) * sizeof *out);
    for (int i = 0; i < f->H * x->pi->nSA; i++) out[i] = exact_rho(f->x, i / x->pi->nA) * f->x->pi[i] * f->x->A[i];
    double room = finite_room(f, 1);
    finite_free(f);
    return room;
}

/* VPG-3   A_t = sum_{t'>=t} gamma^{t'-t} r_t' - V_t(s_t), and its square */
struct advantages { const finite_horizon *f; bool squared; };

static void advantage_of_each_step(void *context, const traj *tau, double *out)
{
    const struct advantages *c = context;
    const finite_horizon *f = c->f;
    int nSA = f->M->nS * f->M->nA;
    double V[FINITE_HORIZON], A[FINITE_HORIZON], gamma_t = 1;
    for (int t = 0; t < tau->T; t++) V[t] = finite_V(f, t, tau->s[t]);
    vpg_advantage(tau->T, tau->r, V, f->gamma, A);
    memset(out, 0, (size_t)(FINITE_HORIZON * nSA) * sizeof *out);
    for (int t = 0; t < tau->T; t++, gamma_t *= f->gamma)
        out[t * nSA + tau->s[t] * f->M->nA + tau->a[t]] = gamma_t * A[t] * (c->squared ? gamma_t * A[t] : 1);
}

static double advantages(const setting *x, bool squared, double *out)
{
    finite_horizon *f = small_new(x);
    struct advantages c = { f, squared };
    enumerate_moments(f->M, f->x->pi, f->H, advantage_of_each_step, &c, n_advantages(x), out, NULL);
    finite_free(f);
    return 0;
}

static double mean_advantage(const setting *x, double *out) { return advantages(x, false, out); }

/* What A P(s,a) would be if the sample were the advantage: its square's mean is A^2 P, so that it is
 * sqrt(P E[A_t^2; s,a]), with the sign of A */
static double advantage_if_the_sample_were_it(const setting *x, double *out)
{
    finite_horizon *f = small_new(x);
    double gamma_t = 1;
    advantages(x, true, out);
    for (int i = 0; i < f->H * x->pi->nSA; i++) {
        if (i > 0 && i % x->pi->nSA == 0) gamma_t *= f->gamma;
        double P = gamma_t > 0 ? exact_rho(f->x, i / x->pi->nA) * f->x->pi[i] / gamma_t : 0;
        out[i] = copysign(sqrt(fmax(out[i] * P, 0)), f->x->A[i]);
    }
    finite_free(f);
    return 0;
}

/* ---- VPG-4, PPO-18, PGT-21: mean and variance ---- */

static double moments_of(const setting *x, const char *name, double *out)
{
    finite_horizon *f = small_new(x);
    small_estimator(f, name, out);
    finite_free(f);
    return 0;
}

static double over_steps(const setting *x, double *out) { return moments_of(x, "vpg-advantage-steps", out); }

static double as_gradient(const setting *x, double *out)
{
    moments_of(x, "vpg-advantage-steps", out);
    small_gradient(x, out);
    return 0;
}

struct training { const finite_horizon *f; agent *agent; };

/* VPG-4   |D|/N times VPG-2's estimate, |D| = 1, N = T */
static void scaled(void *context, const traj *tau, double *g)
{
    const struct training *c = context;
    agent *b = c->agent;
    double V[FINITE_HORIZON];
    memset(g, 0, (size_t)b->states->n * sizeof *g);
    if (tau->T == 0) return;
    for (int t = 0; t < tau->T; t++) V[t] = finite_V(c->f, t, tau->s[t]);
    vpg_advantage(tau->T, tau->r, V, c->f->gamma, b->w);
    agent_sees(b, tau);
    vpg_gradient(b->t, &b->pi, b->theta, b->tau, b->w, VPG_MEAN_OVER_TRAJECTORIES, b->g);
    for (int i = 0; i < b->states->n; i++) g[i] = b->g[i] / tau->T;
}

/* PGT-21  weights 1: the gradient of the log-likelihood of the actions seen */
static void imitating(void *context, const traj *tau, double *g)
{
    agent *b = ((struct training *)context)->agent;
    memset(g, 0, (size_t)b->states->n * sizeof *g);
    if (tau->T == 0) return;
    for (int t = 0; t < tau->T; t++) b->w[t] = 1;
    agent_sees(b, tau);
    vpg_gradient(b->t, &b->pi, b->theta, b->tau, b->w, VPG_MEAN_OVER_TRAJECTORIES, b->g);
    memcpy(g, b->g, (size_t)b->states->n * sizeof *g);
}

static double training(const setting *x, estimator g, double *out)
{
    finite_horizon *f = small_new(x);
    struct training c = { f, agent_new(f->policy, f->theta, f->H) };
    small_moments(f, g, &c, x->pi->n, out);
    agent_free(c.agent);
    finite_free(f);
    return 0;
}

static double over_trajectories_scaled(const setting *x, double *out) { return training(x, scaled, out); }
static double all_weights_one(const setting *x, double *out)          { return training(x, imitating, out); }

static void weights_mean_A(const finite_horizon *f, const traj *tau, double *w)
{
    for (int t = 0; t < tau->T; t++) w[t] = (small_G(f, tau, t) - finite_V(f, t, tau->s[t])) / tau->T;
}

static void weights_one(const finite_horizon *f, const traj *tau, double *w)
{
    (void)f;
    for (int t = 0; t < tau->T; t++) w[t] = 1;
}

static void weights_return(const finite_horizon *f, const traj *tau, double *w)
{
    for (int t = 0; t < tau->T; t++) w[t] = small_G(f, tau, 0);
}

static double by_hand(const setting *x, small_weights weights, double *out)
{
    finite_horizon *f = small_new(x);
    small_by_hand(f, weights, out);
    finite_free(f);
    return 0;
}

/* PPO-18  g = E_t[ grad log pi(a_t|s_t) A_t ] */
static double mean_of_A_score(const setting *x, double *out)  { return by_hand(x, weights_mean_A, out); }
static double sum_of_scores(const setting *x, double *out)    { return by_hand(x, weights_one, out); }
static double return_times_scores(const setting *x, double *out) { return by_hand(x, weights_return, out); }

/* Scores have no reward in them: as of returns of 1 */
static double unit_of_scores(const setting *x)
{
    finite_horizon *f = small_new(x);
    double unit = finite_unit_gradient(f, x->pi->c) / finite_scale(f);
    finite_free(f);
    return unit;
}

static void measure_of_scores(const setting *x, int n, double *m)
{
    finite_horizon *f = small_new(x);
    for (int i = 0; i < n; i++) m[i] = i == x->pi->n ? f->H * x->pi->c : 1;
    finite_free(f);
}

/* ---- ERR-42: one state, the action that ends has p = .3 and pays 1 ---- */

void vpg_mean_over_steps_bias(double p, double *trajectories, double *steps, double *exact_steps)
{
    enum { H = 250 };                                           /* .7^250 = 2e-39 are cut off */
    const double theta[4] = { log(p), log(1 - p) };
    mdp_builder *b = mdp_begin("ends with p", 2, 2, 1);
    mdp_start(b, 0, 1);
    mdp_transition(b, 0, 0, 1, 1, 1);
    mdp_transition(b, 0, 1, 0, 1, 0);
    for (int a = 0; a < 2; a++) mdp_transition(b, 1, a, 1, 1, 0);
    own_problem problem = own_problem_new(mdp_finish(b), 1, 0, NULL, theta, H);
    double g[4];
    gradient_estimator_moments(problem.f, "vpg-reward-to-go", g, NULL);
    *trajectories = g[0];
    gradient_estimator_moments(problem.f, "vpg-reward-to-go-steps", g, NULL);
    *steps = g[0];
    *exact_steps = -p * log(p) / (1 - p) - p;
    own_problem_free(&problem);
}

static void page_of_means(const setting *x, FILE *out)
{
    double trajectories, steps, exact_steps;
    small_page(x, out);
    vpg_mean_over_steps_bias(0.3, &trajectories, &steps, &exact_steps);
    fprintf(out, "\nOne state; the action that ends the episode has probability p = .3 and pays 1, so that every G_t"
            " is 1 and the\ngradient in its logit is 0. Over all trajectories of 250 steps and less, through"
            " algorithms/vpg.c:\n  mean over trajectories %9.4f\n  mean over steps        %9.4f"
            "   -p ln p / (1-p) - p = %.4f: it favours short episodes\n", trajectories, steps, exact_steps);
}

/* ---- VPG-2, VPG-6: sampled, on E5x ---- */

enum { N = 15, BATCHES = 200, BATCH = 50, SIZES = 4, REPEATS = 400 };
static const int batch_size[SIZES] = { 1, 4, 16, 64 };

struct sampled {
    mdp *M;
    policy_class *states;
    exact *pi;
    agent *agent;
    env *e;
    actor *acts;
    gsl_rng *env_rng, *rng;
};

static struct sampled sampled_new(double gamma, uint64_t seed)
{
    char error[256];
    double theta[18] = { 0 };
    struct sampled c = { .M = mdp_builtin("E5x") };
    for (int i = 0; i < N; i++) theta[i] = cos(i / 3 + 2 * (i % 3));
    c.states = policy_tabular(c.M);
    c.pi = exact_new_policy(c.M, gamma, c.states, theta, error, sizeof error);
    require(c.pi, "%s", error);
    c.agent = agent_new(c.states, theta, 0);
    c.e = env_mdp_new(c.M);
    c.acts = actor_new(&c.agent->pi, c.agent->theta);
    c.env_rng = random_stream(seed, 0, RANDOM_ENV);
    c.rng = random_stream(seed, 0, RANDOM_POLICY);
    return c;
}

static void sampled_free(struct sampled *c)
{
    gsl_rng_free(c->rng);
    gsl_rng_free(c->env_rng);
    actor_free(c->acts);
    env_free(c->e);
    agent_free(c->agent);
    exact_free(c->pi);
    policy_free(c->states);
    mdp_free(c->M);
}

/* VPG-2   g = (1/|D|) sum_tau sum_t R(tau) grad log pi(a_t|s_t), from |D| new episodes */
static const double *sampled_gradient(struct sampled *c, int D, int mean)
{
    agent *b = c->agent;
    rollout_clear(b->tau);
    while (b->tau->segments < D) rollout_episode(b->tau, c->e, c->env_rng, c->acts, c->rng);
    double *w = allocate((size_t)b->tau->T, sizeof *w, "weights");
    for (int i = 0; i < D; i++) {
        const segment *g = &b->tau->segment[i];
        vpg_total_return(g->T, b->tau->r + g->first, c->pi->gamma, w + g->first);
    }
    vpg_gradient(b->t, &b->pi, b->theta, b->tau, w, mean, b->g);
    free(w);
    return b->g;
}

/* z [N] = (mean of BATCHES estimates - grad J) / standard error; se [N] unless NULL */
static void z_scores(uint64_t seed, int mean, double *z, double *se)
{
    struct sampled c = sampled_new(0.9, seed);
    double gradient[18], sum[N] = { 0 }, squares[N] = { 0 };
    gradient_theorem(c.pi, gradient);
    for (int k = 0; k < BATCHES; k++) {
        const double *g = sampled_gradient(&c, BATCH, mean);
        for (int i = 0; i < N; i++) {
            sum[i] += g[i] - gradient[i];
            squares[i] += pow(g[i] - gradient[i], 2);
        }
    }
    for (int i = 0; i < N; i++) {
        double off = sum[i] / BATCHES, s = sqrt((squares[i] / BATCHES - off * off) / (BATCHES - 1));
        z[i] = off / s;
        if (se) se[i] = s;
    }
    sampled_free(&c);
}

static double largest_z(const setting *x, double *out)
{
    double z[N];
    z_scores(x->seed, VPG_MEAN_OVER_TRAJECTORIES, z, NULL);
    *out = linalg_max_abs(N, z);
    return 0;
}

static double largest_z_over_steps(const setting *x, double *out)
{
    double z[N];
    z_scores(x->seed, VPG_MEAN_OVER_STEPS, z, NULL);
    *out = linalg_max_abs(N, z);
    return 0;
}

static void page_of_z(const setting *x, FILE *out)
{
    double z[N], se[N], gradient[18];
    struct sampled c = sampled_new(0.9, x->seed);
    gradient_theorem(c.pi, gradient);
    sampled_free(&c);
    z_scores(x->seed, VPG_MEAN_OVER_TRAJECTORIES, z, se);
    fprintf(out, "%d batches of %d episodes; a right estimator fails once in %.0f seeds (15 components, 4 standard"
            " errors); a bias\nof 5.64 standard errors is seen with probability .95, which is in parts of the largest"
            " component of the gradient:\n", BATCHES, BATCH, 1 / (N * 6.33e-5));
    double size = linalg_max_abs(N, gradient);
    for (int i = 0; i < N; i++) fprintf(out, "%s%.2f", i ? " " : "", 5.64 * se[i] / size);
    fprintf(out, "\nz of each: ");
    for (int i = 0; i < N; i++) fprintf(out, "%s%+.1f", i ? " " : "", z[i]);
    putc('\n', out);
}

/* VPG-6   the root mean square of |g - grad J| over REPEATS batches, for each size */
static void errors(uint64_t seed, int mean, double *rms)
{
    struct sampled c = sampled_new(0.9, seed);
    double gradient[18];
    gradient_theorem(c.pi, gradient);
    for (int k = 0; k < SIZES; k++) {
        double sum = 0;
        for (int i = 0; i < REPEATS; i++) {
            const double *g = sampled_gradient(&c, batch_size[k], mean);
            for (int j = 0; j < N; j++) sum += pow(g[j] - gradient[j], 2);
        }
        rms[k] = sqrt(sum / REPEATS);
    }
    sampled_free(&c);
}

static double slope(const double *rms)          /* least squares of ln rms on ln |D| */
{
    double x[SIZES], y[SIZES], at_0, slope, var_0, covariance, var_slope, left;
    for (int k = 0; k < SIZES; k++) x[k] = log(batch_size[k]), y[k] = log(rms[k]);
    gsl_fit_linear(x, 1, y, 1, SIZES, &at_0, &slope, &var_0, &covariance, &var_slope, &left);
    return slope;
}

static double slope_off(uint64_t seed, int mean)
{
    double rms[SIZES];
    errors(seed, mean, rms);
    return fabs(slope(rms) + 0.5);
}

static double slope_of_error(const setting *x, double *out)
{
    *out = slope_off(x->seed, VPG_MEAN_OVER_TRAJECTORIES);
    return 0;
}

static double slope_over_steps(const setting *x, double *out)
{
    *out = slope_off(x->seed, VPG_MEAN_OVER_STEPS);
    return 0;
}

static void page_of_slope(const setting *x, FILE *out)
{
    double rms[SIZES], over_all_steps[SIZES];
    errors(x->seed, VPG_MEAN_OVER_TRAJECTORIES, rms);
    errors(x->seed, VPG_MEAN_OVER_STEPS, over_all_steps);
    fprintf(out, "root mean square of |g - grad J| over %d batches:\n  |D|   over trajectories   over steps\n",
            REPEATS);
    for (int k = 0; k < SIZES; k++) fprintf(out, "%5d %19.4f %12.4f\n", batch_size[k], rms[k], over_all_steps[k]);
    fprintf(out, "slope %19.4f %12.4f\nEach root mean square is off by some %.3f of itself, the slope by .011:"
            " .05 is 4.5 of that.\n", slope(rms), slope(over_all_steps), 1 / sqrt(2.0 * REPEATS));
}

#define TRAINING "over all trajectories, through algorithms/vpg.c"
#define MEAN_AND_TRACE "E[g_i], then the trace of the covariance; over " FINITE_SMALL
#define E5X "E5x over all time, theta(s,a) = cos(s+2a), gamma .9, sampled"

const derivation vpg_mean[] = {
    { "VPG-1", "J = E[R(tau)]", "J over " FINITE_SMALL, count_one, small_unit_of_V, small_not_applicable, NULL, {
        { "J(\\pi_\\theta)=\\rho_0^TV_0^\\pi", "backward induction on the time-expanded MDP", backward_induction },
        { "=E_{\\tau\\sim\\pi_\\theta}[R(\\tau)],\\quad R(\\tau)=\\sum_t\\gamma^tr_t",
          "003 is undiscounted: --gamma 1 gives its line; " TRAINING, mean_total } },
      .page = small_page },
    { "VPG-3", "reward to go minus V estimates the advantage: E[A_t | s_t, a_t] = A(s_t, a_t)",
      "gamma^t Pr(s_t=s,a_t=a) A_t(s,a) over " FINITE_SMALL, n_advantages, small_unit_of_V, small_not_applicable,
      NULL, {
        { "\\gamma^tP(s_t=s,a_t=a)\\,A_t^\\pi(s,a)", "on the time-expanded MDP", visits_times_A },
        { "=E[\\gamma^t\\hat A_t1\\{s_t=s,a_t=a\\}],\\quad"
          "\\hat A_t=\\sum_{t'=t}^{T-1}\\gamma^{t'-t}r_{t'}-V_t(s_t)",
          "with V exact; " TRAINING, mean_advantage },
        { "=\\pm\\sqrt{P(s_t=s,a_t=a)E[(\\gamma^t\\hat A_t)^21\\{s_t=s,a_t=a\\}]}",
          "003 l.80 calls the sample the advantage: then the mean of its square would be A^2",
          advantage_if_the_sample_were_it, DIFFERS, "ERR-41" } },
      .page = small_page },
    { "VPG-4", "the listing's mean over all steps is |D|/N times the mean over trajectories", MEAN_AND_TRACE,
      small_n_and_trace, small_unit, small_not_applicable, NULL, {
        { "\\frac{|D|}N\\cdot\\frac1{|D|}\\sum_\\tau\\sum_t\\hat A_t\\nabla_\\theta\\log\\pi_\\theta(a_t|s_t)",
          "|D| = 1, N = T; " TRAINING, over_trajectories_scaled },
        { "=-\\nabla_\\theta\\frac{-1}N\\sum_{i,t}\\log\\pi_\\theta(a_{i,t}|s_{i,t})\\hat A_{i,t}", TRAINING,
          over_steps },
        { "=\\nabla_\\theta J",
          "003 l.88: taken for the estimate of l.57. N is random: a ratio of two sums, biased where lengths vary",
          as_gradient, DIFFERS, "ERR-42" } },
      .measure = small_measure, .page = page_of_means },
    { "PPO-18", "the gradient of L^PG = E_t[log pi(a_t|s_t) A_t] is E_t[grad log pi(a_t|s_t) A_t]", MEAN_AND_TRACE,
      small_n_and_trace, small_unit, small_not_applicable, NULL, {
        { "\\hat E_t[\\nabla_\\theta\\log\\pi_\\theta(a_t|s_t)\\hat A_t]",
          "over all trajectories, scores of the softmax in closed form", mean_of_A_score },
        { "=\\nabla_\\theta\\hat E_t[\\log\\pi_\\theta(a_t|s_t)\\hat A_t]",
          "reverse mode; " TRAINING, over_steps } },
      .measure = small_measure, .page = small_page },
    { "PGT-21", "policy gradients look like supervised learning: with weights 1 they are", MEAN_AND_TRACE,
      small_n_and_trace, unit_of_scores, small_not_applicable, NULL, {
        { "-\\nabla_\\theta\\sum_t-\\log\\pi_\\theta(a_t|s_t)",
          "cross entropy of the actions seen: scores of the softmax in closed form", sum_of_scores },
        { "=\\sum_t\\Psi_t\\nabla_\\theta\\log\\pi_\\theta(a_t|s_t),\\quad\\Psi_t=1", TRAINING, all_weights_one },
        { "R(\\tau)\\sum_t\\nabla_\\theta\\log\\pi_\\theta(a_t|s_t)",
          "the control: with the return as weight it is the metric that is optimised", return_times_scores,
          DIFFERS } },
      .measure = measure_of_scores, .page = small_page },
    { "VPG-2", "the mean over trajectories of R(tau) sum_t grad log pi estimates grad J",
      "the largest |z| of 15 components", count_one, unit_of_one, NULL, NULL, {
        { "4", "standard errors", .is = { 4 } },
        { "\\le\\max_i|z_i|,\\quad"
          "\\hat g=\\frac1N\\sum_\\tau\\sum_tR(\\tau)\\nabla_\\theta\\log\\pi_\\theta(a_t|s_t)",
          "the control: the mean over steps (VPG-4) must be refused", largest_z_over_steps, AT_LEAST },
        { "\\ge\\max_i|z_i|,\\quad z=\\frac{\\overline{\\hat g}-\\nabla J}{\\mathrm{se}},\\quad"
          "\\hat g=\\frac1{|D|}\\sum_\\tau\\sum_tR(\\tau)\\nabla_\\theta\\log\\pi_\\theta(a_t|s_t)",
          "200 batches of |D| = 50 episodes; grad J exact", largest_z, AT_MOST } },
      E5X, page_of_z, .trains = 0.2 },
    { "VPG-6", "the error of the estimate falls like 1/sqrt(|D|)", "|slope + 1/2|",
      count_one, unit_of_one, NULL, NULL, {
        { "0.05", "of the slope of the logarithms", .is = { 0.05 } },
        { "\\le|b+\\tfrac12|", "the control: the mean over steps does not go to grad J", slope_over_steps,
          AT_LEAST },
        { "\\ge|b+\\tfrac12|,\\quad\\ln\\sqrt{E|\\hat g-\\nabla J|^2}\\approx a+b\\ln|D|",
          "|D| = 1, 4, 16, 64, each 400 times", slope_of_error, AT_MOST } },
      E5X, page_of_slope, .trains = 0.5 },
    { .id = NULL }
};
