/* The penalty on the KL at work: whether it finds its own weight, and whether it learns, as experiments with a
 * control each. 002 (l.300), 001 (l.579-583). */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "algorithms/critic.h"
#include "algorithms/gae.h"
#include "algorithms/ppo_penalty.h"
#include "algorithms/samples.h"
#include "autodiff/optimiser.h"
#include "autodiff/require.h"
#include "derivations/measured.h"

/* ---- PPO-31: E5, a table; beta_0 over four decades. The entropy keeps pi from settling, where no KL is left ---- */

enum { BETAS = 5, RUNS = 11, UPDATES = 40, FROM = 20, STEPS = 256, MINIBATCH = 64, EPOCHS = 10 };
static const double beta_0[BETAS] = { 0.01, 0.1, 1, 10, 100 };
#define DELTA 0.003
#define C2 0.3

struct ends { double kl, beta; };               /* geometric means over the updates from FROM on */

static int state_of(const double *one_hot) { return one_hot[0] == 1 ? 0 : 1 + state_of(one_hot + 1); }

/* PPO-31   pi_old's part of D, and A_t by GAE(.95) from exact values, normalised: never without noise */
static void prepare(samples *D, ad_tape *t, const policy *p, const double *theta, const rollout *b, const mdp *M)
{
    exact *x = measured_exact(M, theta);
    samples_old(D, t, p, theta, b);
    for (int k = 0; k < D->T; k++) D->V_old[k] = x->V[state_of(b->s + k * b->d)];
    gae_advantages(D->T, b->r, D->V_old, x->V[state_of(b->s_end)], M->gamma, 0.95, D->A);
    advantages_normalise(D->T, D->A);
    exact_free(x);
}

static void optimise(ad_tape *t, const ppo_penalty_config *c, double beta, const policy *p, const network *f,
                     double *theta, const double *phi, adam *step, const samples *D, samples *part, gsl_rng *rng)
{
    int order[STEPS];
    double *g = allocate((size_t)(p->n + network_n(f)), sizeof *g, "a gradient");
    for (int k = 0; k < EPOCHS; k++) {
        samples_shuffle(rng, D->T, order);
        for (int i = 0; i < D->T; i += MINIBATCH) {
            samples_gather(part, D, order + i, MINIBATCH);
            ppo_penalty_gradient(t, c, beta, p, f, theta, phi, part, g);
            adam_ascend(step, theta, g);
        }
    }
    free(g);
}

static struct ends adapted(uint64_t seed, double beta, bool adapt)
{
    mdp *M = mdp_builtin("E5");
    env *e = env_mdp_new(M);
    run *r = run_new("derive", e, seed, 0);                     /* its streams, and nothing else of it */
    ppo_penalty_config c = ppo_penalty_defaults;
    const policy p = policy_of(e, 0, NULL, AD_LINEAR);
    const network f = critic_V(&p);
    size_t n = (size_t)p.n;
    double *theta = allocate(3 * n + (size_t)network_n(&f), sizeof *theta, "theta"), *phi = theta + 3 * n;
    c.c2 = C2;
    adam step = adam_of(n, 0.05, theta + n);
    samples *D = samples_new(&p, STEPS), *part = samples_new(&p, MINIBATCH);
    actor *pi = actor_new(&p, theta);
    rollout *b = rollout_new(e);
    ad_tape *t = ad_tape_new();
    struct ends end = { 0, 0 };
    for (int k = 0; k < UPDATES; k++) {
        rollout_clear(b);
        rollout_steps(b, STEPS, e, r->env_rng, pi, r->policy_rng);
        prepare(D, t, &p, theta, b, M);
        optimise(t, &c, beta, &p, &f, theta, phi, &step, D, part, r->update_rng);
        double kl = ppo_penalty_measure(t, &c, beta, &p, theta, D).kl_exact;
        if (k >= FROM) end.kl += log(kl) / (UPDATES - FROM), end.beta += log(beta) / (UPDATES - FROM);
        if (adapt) beta = ppo_beta_of_target(beta, kl, DELTA);
    }
    ad_tape_free(t);
    rollout_free(b);
    actor_free(pi);
    samples_free(part);
    samples_free(D);
    free(theta);
    run_free(r);
    env_free(e);
    mdp_free(M);
    return (struct ends){ exp(end.kl), exp(end.beta) };
}

/* Of the runs from each beta_0 the KL, and the median beta */
static void medians(uint64_t seed, bool adapt, interval *kl, double *beta)
{
    for (int k = 0; k < BETAS; k++) {
        double kls[RUNS], betas[RUNS];
        for (int i = 0; i < RUNS; i++) {
            struct ends end = adapted(seed + (uint64_t)i, beta_0[k], adapt);
            kls[i] = end.kl, betas[i] = end.beta;
        }
        kl[k] = measured_interval(RUNS, kls);
        beta[k] = measured_median(RUNS, betas);
    }
}

/* ln 1.5 - max |ln KL/delta|, at least 0 within the band [delta/1.5, 1.5 delta]; and -ln of the greatest KL over the
 * least: by the outer ends of the medians' intervals where beta is adapted, by the inner ones for the control */
static double from_betas(const setting *x, bool adapt, double *out)
{
    interval kl[BETAS];
    double beta[BETAS], least = INFINITY, greatest = 0;
    medians(x->seed, adapt, kl, beta);
    for (int k = 0; k < BETAS; k++) {
        least = fmin(least, adapt ? kl[k].low : kl[k].high);
        greatest = fmax(greatest, adapt ? kl[k].high : kl[k].low);
    }
    out[0] = log(1.5) - fmax(fabs(log(least / DELTA)), fabs(log(greatest / DELTA)));
    out[1] = log(least / greatest);
    return 0;
}

static double same_kl(const setting *x, double *out)    { (void)x; out[0] = 0; out[1] = -log(1.5); return 0; }
static double adaptive(const setting *x, double *out)   { return from_betas(x, true, out); }
static double fixed(const setting *x, double *out)      { return from_betas(x, false, out); }

static void page_of_betas(const setting *x, FILE *out)
{
    interval kl[2][BETAS];
    double beta[2][BETAS];
    medians(x->seed, true, kl[0], beta[0]);
    medians(x->seed, false, kl[1], beta[1]);
    fprintf(out, "medians of %d runs, each the geometric mean over updates %d .. %d; delta = %g\n"
            "                     adapted                    fixed\n"
            " beta_0   KL/delta   98.8 %% interval    beta    KL/delta\n", RUNS, FROM + 1, UPDATES, DELTA);
    for (int k = 0; k < BETAS; k++)
        fprintf(out, "%7g   %8.3f   (%.3f .. %.3f) %7.3f   %9.4f\n", beta_0[k], kl[0][k].median / DELTA,
                kl[0][k].low / DELTA, kl[0][k].high / DELTA, beta[0][k], kl[1][k].median / DELTA);
    fprintf(out, "The KL of a single update is often outside the band: twice the beta is up to a quarter of the KL,"
            " and the\nband is 2.25 wide.\n");
}

/* ---- PPO-24: E5x ---- */

enum { LEARNT_STEPS = 16000, LEARNT_RUNS = 21 };

static ppo_penalty_config tabular(const mdp *M)
{
    ppo_penalty_config c = ppo_penalty_defaults;
    c.gamma = M->gamma;
    c.lr = c.lr_V = 0.03;
    c.hidden = (widths){ 0 };
    return c;
}

/* PPO-24   J/J* of 21 runs, the median */
static interval learnt(uint64_t seed, long epochs, long minibatch)
{
    mdp *M = mdp_builtin("E5x");
    ppo_penalty_config c = tabular(M);
    double J[LEARNT_RUNS];
    c.epochs = epochs, c.minibatch = minibatch;
    for (int i = 0; i < LEARNT_RUNS; i++) {
        run *r = measured_run(env_mdp_new(M), ppo_penalty, &c, seed + (uint64_t)i, LEARNT_STEPS, INFINITY);
        J[i] = measured_J(M, r->theta) / measured_J_optimal(M);
        measured_free(r);
    }
    mdp_free(M);
    return measured_interval(LEARNT_RUNS, J);
}

static double many_steps(const setting *x, double *out)  { *out = learnt(x->seed, 10, 64).low; return 0; }
static double one_step(const setting *x, double *out)    { *out = learnt(x->seed, 1, 256).high; return 0; }

const derivation penalty_measured[] = {
    { "PPO-31", "PPO-penalty finds its weight by itself: beta_0 over four decades leads to one KL. A median at the"
      " band's edge passes with probability .006, nine runs of ten within it with .70",
      "ln 1.5 - max |ln KL/delta|; ln of the least KL over the greatest; ends of the medians' 98.8 % intervals",
      count_two, unit_of_one, NULL, NULL, {
        { "0,\\quad-\\ln1.5", "the KL within [delta/1.5, 1.5 delta], and alike within a factor of 1.5", same_kl },
        { "\\ge\\ln1.5-\\max_{\\beta_0}|\\ln KL/\\delta|,\\quad\\ln\\min KL/\\max KL,\\quad\\beta=\\beta_0",
          "the control: beta stays beta_0; the inner ends of the intervals", fixed, AT_MOST },
        { "\\le\\ln1.5-\\max_{\\beta_0}|\\ln KL/\\delta|,\\quad\\ln\\min KL/\\max KL",
          "beta by PPO-22 from .01, .1, 1, 10, 100; the outer ends", adaptive, AT_LEAST } },
      "E5, a table, GAE(.95) from exact values, c2 = .3; 40 updates of 256 samples, 10 epochs of 4 minibatches",
      page_of_betas, .trains = 6 },
    { "PPO-24", "sample with theta^k, compute A, optimise for several steps, again: it learns. A median at the mark"
      " passes with probability .013, nine runs of ten above it with .98",
      "J/J*, ends of the median's 97.3 % interval, 21 runs", count_one, unit_of_one, NULL, NULL, {
        { "0.9", "of the optimum", .is = { 0.9 } },
        { "\\ge J/J^*,\\ K=1,\\ M=NT", "the control: one step an iteration; the upper end", one_step, AT_MOST },
        { "\\le J/J^*,\\ K=10,\\ M=NT/4", "ten epochs of four minibatches; the lower end",
          many_steps, AT_LEAST } },
      "E5x, a table, 16000 steps", .trains = 2 },
    { .id = NULL }
};
