/* What small steps and one use of each batch cost. 000 (l.241): policy gradients use a small alpha, lest the gradient
 * explode, and need many steps of the environment because on-policy data are thrown away after one update. Measured
 * with batches of five episodes, G_t minus its mean as the weight, and plain steps: one a batch (VPG), or ten, of
 * which all but the first use old data: along PPO's clipped surrogate, with pi/pi_old for log pi and nothing to be
 * gained beyond 1 +- eps. Which of it is waste, and which is only a small alpha? */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "algorithms/ppo_clip.h"
#include "algorithms/vpg.h"
#include "autodiff/optimiser.h"
#include "autodiff/random.h"
#include "autodiff/require.h"
#include "derivations/measured.h"

enum { EPISODES = 5, REUSED = 10, RUNS = 11, SHORTEST = 200, LONGEST = 102400 };
#define EPS 0.2

/* G_t - their mean over the batch [b->T] */
static void weights(const rollout *b, double gamma, double *w)
{
    double mean = 0;
    for (int i = 0; i < b->segments; i++)
        vpg_reward_to_go(b->segment[i].T, b->r + b->segment[i].first, gamma, w + b->segment[i].first);
    for (int t = 0; t < b->T; t++) mean += w[t] / b->T;
    for (int t = 0; t < b->T; t++) w[t] -= mean;
}

/* theta <- theta + alpha grad (1/|D|) sum_t min(ratio w_t, clip(ratio, 1-eps, 1+eps) w_t), ratio = pi/pi_old, PPO's
 * L_CLIP times T/|D|, `uses` times. pi_old is the policy of the first of them, where ratio = 1: that one is VPG's
 * own. */
static void climb(ad_tape *t, const policy *p, double *theta, const rollout *b, const double *w, int uses,
                  double alpha)
{
    double *logp_old = allocate((size_t)b->T, sizeof *logp_old, "log pi");
    for (int k = 0; k < uses; k++) {
        ad_mark start = ad_here(t);
        ad x = ad_input(t, theta, p->n, 1), A = ad_input(t, w, b->T, 1);
        ad logp = policy_logp(t, p, x, ad_input(t, b->s, b->T, b->d), b->a, b->index);         /* [T x 1] */
        if (k == 0) memcpy(logp_old, ad_value(logp), (size_t)b->T * sizeof *logp_old);
        ad ratio = ad_exp(ad_sub(logp, ad_input(t, logp_old, b->T, 1)));
        ad J = ad_scale((double)b->T / b->segments, ppo_L_clip(ratio, A, EPS));
        sgd_ascend(p->n, alpha, theta, ad_value(ad_grad(J, x)));
        ad_reset(t, start);
    }
    free(logp_old);
}

/* 1 - J/J* after so many steps of E5x, a table from 0 */
static double gap_after(uint64_t seed, int uses, double alpha, long steps)
{
    mdp *M = mdp_builtin("E5x");
    env *e = env_mdp_new(M);
    const policy p = policy_of(e, 0, NULL, AD_LINEAR);
    double *theta = allocate((size_t)p.n, sizeof *theta, "theta"), *w = NULL;
    gsl_rng *env_rng = random_stream(seed, 0, RANDOM_ENV), *policy_rng = random_stream(seed, 0, RANDOM_POLICY);
    actor *pi = actor_new(&p, theta);
    rollout *b = rollout_new(e);
    ad_tape *t = ad_tape_new();
    for (long done = 0; done < steps; done += b->T) {
        rollout_clear(b);
        while (b->segments < EPISODES) rollout_episode(b, e, env_rng, pi, policy_rng);
        w = reallocate(w, (size_t)b->T, sizeof *w, "w");
        weights(b, M->gamma, w);
        climb(t, &p, theta, b, w, uses, alpha);
    }
    double gap = 1 - measured_J(M, theta) / measured_J_optimal(M);
    ad_tape_free(t);
    rollout_free(b);
    actor_free(pi);
    gsl_rng_free(policy_rng);
    gsl_rng_free(env_rng);
    free(w);
    free(theta);
    env_free(e);
    mdp_free(M);
    return gap;
}

static double median_gap(uint64_t seed, int uses, double alpha, long steps)
{
    double gap[RUNS];
    for (int k = 0; k < RUNS; k++) gap[k] = gap_after(seed + (uint64_t)k, uses, alpha, steps);
    return measured_median(RUNS, gap);
}

/* PGT-25   the fewest steps, 200, 400, 800, ..., after which the median run is within 5 % of the optimum */
static double steps_needed(uint64_t seed, int uses, double alpha)
{
    long steps = SHORTEST;
    while (steps < LONGEST && !(median_gap(seed, uses, alpha, steps) <= 0.05)) steps *= 2;
    return (double)steps;
}

static double best_steps(uint64_t seed, int uses)
{
    static const double alphas[] = { 0.1, 0.3, 1, 3 };
    double best = LONGEST;
    for (int i = 0; i < 4; i++) best = fmin(best, steps_needed(seed, uses, alphas[i]));
    return best;
}

static double as_said(const setting *x, double *out)
{
    double small = steps_needed(x->seed, 1, 0.01);
    out[0] = median_gap(x->seed, 1, 3, LONGEST / 4);
    out[1] = small / steps_needed(x->seed, 1, 0.3);
    out[2] = small / steps_needed(x->seed, REUSED, 0.01);
    return 0;
}

static double controls(const setting *x, double *out)
{
    double best = steps_needed(x->seed, 1, 0.3);
    out[0] = median_gap(x->seed, 1, 0.3, LONGEST / 4);
    out[1] = steps_needed(x->seed, 1, 0.1) / best;
    out[2] = best_steps(x->seed, 1) / best_steps(x->seed, REUSED);
    return 0;
}

static void page_of_uses(const setting *x, FILE *out)
{
    static const double alphas[] = { 0.01, 0.03, 0.1, 0.3, 1, 3 };
    fprintf(out, "steps until the median of %d runs is within 5 %% of J*; %d: not within half of it\n  alpha", RUNS,
            LONGEST);
    for (int i = 0; i < 6; i++) fprintf(out, " %7g", alphas[i]);
    for (int uses = 1; uses <= REUSED; uses += REUSED - 1) {
        fprintf(out, "\n%2d use%s", uses, uses > 1 ? "s" : " ");
        for (int i = 0; i < 6; i++) fprintf(out, " %7.0f", steps_needed(x->seed, uses, alphas[i]));
    }
    fprintf(out, "\nWhere alpha is small ten uses save what ten times the alpha would; each with its best alpha they"
            "\ndiffer much less. A median is wrong when six of eleven runs are. From alpha = .1 on ten uses are"
            " chaotic:\na last bit, as of another compiler, decides which runs get stuck, and moves these"
            " medians.\n");
}

const derivation data_reuse[] = {
    { "PGT-25", "small steps that use data once need many steps: more than larger ones, and than reuse",
      "1 - J/J* with a large alpha; steps needed, small over larger alpha; once over ten times used", count_three,
      unit_of_one, NULL, NULL, {
        { "0.1,\\quad4,\\quad4", "of the optimum; times as many", .is = { 0.1, 4, 4 } },
        { "\\ge",
          "the controls: alpha = .3; alpha = .1 over .3; one use over ten, each with its best alpha", controls,
          AT_MOST },
        { "\\le1-J/J^*,\\quad N_{\\alpha=.01}/N_{\\alpha=.3},\\quad N_1/N_{10}",
          "alpha = 3, which never comes near; one use; alpha = .01", as_said, AT_LEAST } },
      "E5x, five episodes a batch, plain steps", page_of_uses, .trains = 10 },
    { .id = NULL }
};
