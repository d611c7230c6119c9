/* Runs of PPO as experiments: each with its number of runs, what it would have seen, and a control that must come out
 * the other way. On finite MDPs the score of a policy is 1 - J/J*, exact, and that of some settings its median over
 * runs: it is wrong when more than half of them are. 000 (l.286, l.302-314), 002 (l.290-363), 004 (l.474-476). */
#include <math.h>
#include <stdlib.h>

#include "algorithms/ppo_clip.h"
#include "algorithms/ppo_penalty.h"
#include "algorithms/trpo.h"
#include "derivations/measured.h"
#include "envs/lqr.h"

/* ---- tables: E5x and a Garnet, 2000 steps ---- */

enum { RUNS = 11, MANY = 31, STEPS = 2000 };
static const char *const problems[] = { "E5x", "garnet:8,3,2,1" };

/* eps = 0: not clipped at all, L_CPI */
static ppo_clip_config clip_of(double eps, double lr, long epochs)
{
    return (ppo_clip_config){ .workers = 4, .n_steps = 16, .epochs = epochs, .minibatch = 16,
                              .objective = eps > 0 ? PPO_CLIP : PPO_CPI, .eps = eps, .gamma = 0.9, .lambda = 0.95,
                              .normalise = PPO_NORMALISE_MINIBATCH, .c1 = 0.5, .lr = lr, .lr_V = 0.1,
                              .adam_eps = 1e-5, .clip_norm = 0.5, .joint = 1 };
}

static ppo_penalty_config penalty_of(double delta_kl, double lr, long epochs)
{
    return (ppo_penalty_config){ .workers = 4, .n_steps = 16, .epochs = epochs, .minibatch = 16, .beta = 1,
                                 .delta_kl = delta_kl, .gamma = 0.9, .lambda = 0.95,
                                 .normalise = PPO_NORMALISE_MINIBATCH, .c1 = 0.5, .lr = lr, .lr_V = 0.1,
                                 .adam_eps = 1e-5, .clip_norm = 0.5, .joint = 1 };
}

static trpo_config trpo_of(double delta, long n_steps)
{
    return (trpo_config){ .workers = 4, .n_steps = n_steps, .gamma = 0.9, .lambda = 0.95, .normalise = 1,
                          .delta = delta, .damping = 1e-3, .cg_iterations = 15, .cg_tol = 1e-10, .F_every = 1,
                          .alpha = 0.8, .backtracks = 10, .lr_V = 0.1, .V_epochs = 10, .V_batch = 16 };
}

/* 1 - J/J*, the median run */
static double median_gap(int problem, void (*train)(run *, const void *), const void *config, int runs, uint64_t seed)
{
    mdp *M = mdp_builtin(problems[problem]);
    double gap[MANY];
    for (int k = 0; k < runs; k++) {
        run *r = measured_run(env_mdp_new(M), train, config, seed + (uint64_t)k, STEPS, INFINITY);
        gap[k] = 1 - measured_J(M, r->theta) / measured_J_optimal(M);
        measured_free(r);
    }
    mdp_free(M);
    return measured_median(runs, gap);
}

static double clip_gap(int problem, double eps, double lr, long epochs, int runs, uint64_t seed)
{
    const ppo_clip_config c = clip_of(eps, lr, epochs);
    return median_gap(problem, ppo_clip, &c, runs, seed);
}

/* The best of three targets */
static double penalty_gap(int problem, double lr, long epochs, int runs, uint64_t seed)
{
    static const double deltas[] = { 0.003, 0.01, 0.03 };
    double best = INFINITY;
    for (int i = 0; i < 3; i++) {
        const ppo_penalty_config c = penalty_of(deltas[i], lr, epochs);
        best = fmin(best, median_gap(problem, ppo_penalty, &c, runs, seed));
    }
    return best;
}

/* The best of three trust regions and of two sizes of batches */
static double trpo_gap(int problem, uint64_t seed)
{
    static const double deltas[] = { 0.01, 0.03, 0.1 };
    double best = INFINITY;
    for (int i = 0; i < 6; i++) {
        const trpo_config c = trpo_of(deltas[i % 3], i / 3 ? 64 : 16);
        best = fmin(best, median_gap(problem, trpo, &c, MANY, seed));
    }
    return best;
}

/* ---- PPO-14: small steps, ten epochs; large ones, fifty ---- */

static double fifteen_percent(const setting *x, double *out)
{
    (void)x;
    out[0] = out[1] = 0.15;
    return 0;
}

/* PPO-14   eps = .1 and .2, the worse of the two */
static double usual_eps(const setting *x, double *out)
{
    out[0] = fmax(clip_gap(0, 0.1, 0.03, 10, RUNS, x->seed), clip_gap(0, 0.2, 0.03, 10, RUNS, x->seed));
    out[1] = fmax(clip_gap(1, 0.1, 0.1, 50, RUNS, x->seed), clip_gap(1, 0.2, 0.1, 50, RUNS, x->seed));
    return 0;
}

static double too_small_or_none(const setting *x, double *out)
{
    out[0] = clip_gap(0, 0.003, 0.03, 10, RUNS, x->seed);
    out[1] = clip_gap(1, 0, 0.1, 50, RUNS, x->seed);
    return 0;
}

static void page_of_eps(const setting *x, FILE *out)
{
    static const double eps[] = { 0.003, 0.01, 0.05, 0.1, 0.2, 0.3, 0.6, 0 };
    fprintf(out, "1 - J/J*, the median of %d runs\n%28s", RUNS, "eps");
    for (int i = 0; i < 7; i++) fprintf(out, " %6g", eps[i]);
    fprintf(out, "   none\n");
    for (int k = 0; k < 4; k++) {
        double lr = k % 2 ? 0.1 : 0.03;
        long epochs = k % 2 ? 50 : 10;
        fprintf(out, "%14s, alpha %4g, K %2ld", problems[k / 2], lr, epochs);
        for (int i = 0; i < 8; i++) fprintf(out, " %6.3f", clip_gap(k / 2, eps[i], lr, epochs, RUNS, x->seed));
        putc('\n', out);
    }
    fprintf(out, "A range too small is slow. What a large one, or none, costs is seen where a batch moves the policy"
            " far:\nwith small steps and few epochs nothing has to be clipped.\n");
}

/* ---- PPO-36: the surrogates of the paper's table 1 ---- */

/* Summed over E5x with ten epochs and the Garnet with fifty, alpha = .1 */
static double surrogate_gap(double eps, uint64_t seed)
{
    return clip_gap(0, eps, 0.1, 10, RUNS, seed) + clip_gap(1, eps, 0.1, 50, RUNS, seed);
}

static double twice(const setting *x, double *out)
{
    (void)x;
    *out = 2;
    return 0;
}

static double not_clipped(const setting *x, double *out)
{
    *out = surrogate_gap(0, x->seed) / surrogate_gap(0.2, x->seed);
    return 0;
}

/* PPO-36   the worst of clip .1, .2, .3 over the best of them */
static double among_ranges(const setting *x, double *out)
{
    double a = surrogate_gap(0.1, x->seed), b = surrogate_gap(0.2, x->seed), c = surrogate_gap(0.3, x->seed);
    *out = fmax(a, fmax(b, c)) / fmin(a, fmin(b, c));
    return 0;
}

static void page_of_surrogates(const setting *x, FILE *out)
{
    static const double eps[] = { 0, 0.1, 0.2, 0.3 };
    fprintf(out, "the sum of 1 - J/J* on both problems, medians of %d runs:", RUNS);
    for (int i = 0; i < 4; i++)
        fprintf(out, "  %s %g: %.3f", i ? "clip" : "none", eps[i], surrogate_gap(eps[i], x->seed));
    fprintf(out, "\nadaptive KL, the best of delta = .003, .01, .03: %.3f\nOf the table's order (none worst,"
            " clip .2 best, .1 and .3 near it) the first can be seen"
            " here; the rest is\nwithin what medians of %d runs differ by.\n",
            penalty_gap(0, 0.1, 10, RUNS, x->seed) + penalty_gap(1, 0.1, 50, RUNS, x->seed), RUNS);
}

/* ---- PPO-30: clip against penalty ---- */

/* PPO-30   the penalty's gap in those of the surrogate with eps: the geometric mean over both problems and
 *          alpha = .1, .3 */
static double penalty_over(double eps, uint64_t seed)
{
    static const double lr[] = { 0.1, 0.3 };
    double product = 1;
    for (int i = 0; i < 4; i++)
        product *= penalty_gap(i / 2, lr[i % 2], 10, MANY, seed) / clip_gap(i / 2, eps, lr[i % 2], 10, MANY, seed);
    return sqrt(sqrt(product));
}

static double as_much(const setting *x, double *out)
{
    (void)x;
    *out = 1;
    return 0;
}

static double penalty_over_clip(const setting *x, double *out)
{
    *out = penalty_over(0.2, x->seed);
    return 0;
}

static double penalty_over_none(const setting *x, double *out)
{
    *out = penalty_over(0, x->seed);
    return 0;
}

/* ---- PPO-26: PPO and TRPO ---- */

static double half_more_than_trpo(const setting *x, double *out)
{
    for (int i = 0; i < 2; i++) out[i] = 1.5 * trpo_gap(i, x->seed);
    return 0;
}

/* PPO-26   PPO with one setting beside the best of TRPO */
static double clip_at_its_best(const setting *x, double *out)
{
    for (int i = 0; i < 2; i++) out[i] = clip_gap(i, 0.2, 0.1, 10, MANY, x->seed);
    return 0;
}

static double without_clip(const setting *x, double *out)
{
    for (int i = 0; i < 2; i++) out[i] = clip_gap(i, 0, 0.1, 10, MANY, x->seed);
    return 0;
}

static void page_of_trpo(const setting *x, FILE *out)
{
    for (int i = 0; i < 2; i++)
        fprintf(out, "%14s: PPO %.3f, TRPO %.3f, the median of %d runs\n", problems[i],
                clip_gap(i, 0.2, 0.1, 10, MANY, x->seed), trpo_gap(i, x->seed), MANY);
    fprintf(out, "TRPO with the best of delta = .01, .03, .1 and of batches of 64 and 256 steps; PPO with one"
            " setting. First order:\nno Fisher matrix; but the surrogate is not linearised either (ERR-65): it is"
            " climbed.\n");
}

/* ---- PPO-28: a softmax on E5x, a Gaussian on a scalar LQR ---- */

enum { LQR_RUNS = 5, LQR_STEPS = 60000 };

/* The Riccati equation P = Q + R K^2 + gamma (A - B K)^2 P, K = gamma A B P / (R + gamma B^2 P), iterated */
static double riccati_gain(const lqr *L)
{
    double P = L->Q, K = 0;
    for (int i = 0; i < 1000; i++) {
        K = L->gamma * L->A * L->B * P / (L->R + L->gamma * L->B * L->B * P);
        P = L->Q + L->R * K * K + L->gamma * (L->A - L->B * K) * (L->A - L->B * K) * P;
    }
    return K;
}

/* -J of u = -K x + b from x_0 ~ N(0, X0), W = 0: m = E[x_t], v = E[x_t^2] */
static double cost(const lqr *L, double K, double b)
{
    double sum = 0, discount = 1, m = 0, v = L->X0, c = L->A - L->B * K, d = L->B * b;
    for (int t = 0; t < 100; t++, discount *= L->gamma) {
        sum += discount * (L->Q * v + L->R * (K * K * v - 2 * K * b * m + b * b));
        v = c * c * v + 2 * c * d * m + d * d;
        m = c * m + d;
    }
    return sum;
}

/* J of the mean action over J* - 1, the median run. lambda = 1: V is linear, and would bias A as nothing else here */
static double lqr_gap(uint64_t seed, double lr)
{
    lqr L = lqr_scalar;
    double gap[LQR_RUNS];
    L.gamma = 0.5;
    ppo_clip_config c = { .workers = 20, .n_steps = 10, .epochs = 10, .minibatch = 50, .eps = 0.2, .gamma = L.gamma,
                          .lambda = 1, .normalise = PPO_NORMALISE_MINIBATCH, .c1 = 0.5, .lr = lr, .lr_V = 0.01,
                          .adam_eps = 1e-5, .anneal_steps = LQR_STEPS };
    for (int k = 0; k < LQR_RUNS; k++) {
        env *e = lqr_env_new("lqr", &L);
        e->limit = 10;
        run *r = measured_run(e, ppo_clip, &c, seed + (uint64_t)k, LQR_STEPS, INFINITY);
        gap[k] = cost(&L, -r->theta[0], r->theta[1]) / cost(&L, riccati_gain(&L), 0) - 1;
        measured_free(r);
    }
    return measured_median(LQR_RUNS, gap);
}

static double ten_percent(const setting *x, double *out)
{
    (void)x;
    out[0] = out[1] = 0.1;
    return 0;
}

/* PPO-28   the gaps of both kinds of action */
static double both_kinds(const setting *x, double *out)
{
    out[0] = clip_gap(0, 0.2, 0.1, 10, RUNS, x->seed);
    out[1] = lqr_gap(x->seed, 0.01);
    return 0;
}

static double untrained(const setting *x, double *out)
{
    out[0] = clip_gap(0, 0.2, 0, 10, RUNS, x->seed);
    out[1] = lqr_gap(x->seed, 0);
    return 0;
}

/* ---- PPO-12: CartPole-v1 ---- */

enum { CART_RUNS = 5, CART_STEPS = 80000 };

/* PPO-12   the mean return of the last 100 episodes when it reaches 475, or after so many steps; sign = 1: the
 *          worst of five runs, -1: the best */
static double mean_return(uint64_t seed, long epochs, long minibatch, int sign)
{
    ppo_clip_config c = ppo_clip_defaults;
    double worst = INFINITY;
    c.hidden = (widths){ 1, { 64 } };
    c.epochs = epochs;
    c.minibatch = minibatch;
    for (int k = 0; k < CART_RUNS; k++) {
        run *r = measured_run(measured_env("CartPole-v1"), ppo_clip, &c, seed + (uint64_t)k, CART_STEPS, 475);
        worst = fmin(worst, sign * r->return_mean);
        measured_free(r);
    }
    return sign * worst;
}

static double the_mark(const setting *x, double *out)
{
    (void)x;
    *out = 475;
    return 0;
}

static double ten_epochs(const setting *x, double *out)
{
    *out = mean_return(x->seed, ppo_clip_defaults.epochs, ppo_clip_defaults.minibatch, 1);
    return 0;
}

static double one_step(const setting *x, double *out)
{
    *out = mean_return(x->seed, 1, ppo_clip_defaults.workers * ppo_clip_defaults.n_steps, -1);
    return 0;
}

const derivation ppo_learning[] = {
    { "PPO-12", "PPO solves CartPole-v1 within 80000 steps: all of five runs; a failure of half of all would be seen"
      " with probability .97", "mean return of the last 100 episodes", measured_one, measured_unit, NULL, NULL, {
        { "475", "the mark of CartPole-v1", the_mark },
        { "\\ge\\text{mean return},\\ K=1,\\ M=NT",
          "the control: the same batches used for one step each, the best of five runs", one_step, AT_MOST },
        { "\\le\\text{mean return},\\ K=10,\\ M=64",
          "algorithms/ppo_clip.c, its defaults with one hidden layer, the worst of five runs", ten_epochs,
          AT_LEAST } },
      "CartPole-v1, N = 8 actors, T = 32 steps", .trains = 3 },
    { "PPO-14", "eps = .1 or .2: neither too slow, nor too far for fifty epochs",
      "1 - J/J*, medians of 11 runs: E5x, alpha = .03, K = 10; a Garnet, alpha = .1, K = 50", measured_two,
      measured_unit, NULL, NULL, {
        { "0.15,\\quad0.15", "of the optimum", fifteen_percent },
        { "\\le1-J/J^*,\\ \\epsilon=.003;\\ L^{CPI}", "the controls: a range so small that it is slow; none",
          too_small_or_none, AT_LEAST },
        { "\\ge1-J/J^*,\\ \\epsilon=.1,\\ .2", "algorithms/ppo_clip.c, the worse of the two", usual_eps, AT_MOST } },
      "E5x and garnet:8,3,2,1, 2000 steps", page_of_eps, .trains = 8 },
    { "PPO-26", "PPO, of first order, comes as near to the optimum as TRPO at equal steps",
      "1 - J/J*, medians of 31 runs", measured_two, measured_unit, NULL, NULL, {
        { "1.5\\,(1-J/J^*)_{\\mathrm{TRPO}}",
          "algorithms/trpo.c, the best of six settings; medians differ by so much", half_more_than_trpo },
        { "\\le(1-J/J^*),\\ L^{CPI}", "the control: PPO's steps, not clipped", without_clip, AT_LEAST },
        { "\\ge(1-J/J^*)_{\\mathrm{PPO}}", "algorithms/ppo_clip.c, eps = .2, alpha = .1, K = 10", clip_at_its_best,
          AT_MOST } },
      "E5x and garnet:8,3,2,1, 2000 steps", page_of_trpo, .trains = 3 },
    { "PPO-28", "PPO learns discrete actions, by a softmax, and continuous ones, by a Gaussian",
      "1 - J/J*, the median of 11 runs; J/J* - 1, of 5 (J < 0)", measured_two, measured_unit, NULL, NULL, {
        { "0.1,\\quad0.1", "of the optima; Riccati's, for the LQR", ten_percent },
        { "\\le|1-J/J^*|,\\ \\alpha=0", "the controls: untrained", untrained, AT_LEAST },
        { "\\ge|1-J/J^*|", "algorithms/ppo_clip.c; the mean action of the Gaussian", both_kinds, AT_MOST } },
      "E5x, 2000 steps; a scalar LQR, gamma .5, 60000 steps", .trains = 2 },
    { "PPO-30", "clipping comes nearer to the optimum than the adaptive KL penalty",
      "1 - J/J* of the penalty over that of the other, medians of 31 runs, geometric means", measured_one,
      measured_unit, NULL, NULL, {
        { "1", "equally near", as_much },
        { "\\ge(1-J/J^*)_{KLPEN}/(1-J/J^*)_{CPI}", "the control: it is nearer than what is not held back at all",
          penalty_over_none, AT_MOST },
        { "\\le(1-J/J^*)_{KLPEN}/(1-J/J^*)_{CLIP}",
          "algorithms/ppo_penalty.c with the best of three targets; algorithms/ppo_clip.c with eps = .2",
          penalty_over_clip, AT_LEAST } },
      "E5x and garnet:8,3,2,1, 2000 steps, alpha = .1, .3, K = 10", .trains = 8 },
    { "PPO-36", "of the surrogates, not clipping is by far the worst; clip .1, .2 and .3 cannot be told apart",
      "a ratio of 1 - J/J*, medians of 11 runs, summed", measured_one, measured_unit, NULL, NULL, {
        { "2", "times as far from the optimum", twice },
        { "\\ge\\text{worst over best of clip}\\ .1,\\ .2,\\ .3",
          "the control: the paper's .2 is the best of them, by .06 of its score", among_ranges, AT_MOST },
        { "\\le L^{CPI}/L^{CLIP}_{.2}", "without clipping, over clip .2", not_clipped, AT_LEAST } },
      "E5x, K = 10, and garnet:8,3,2,1, K = 50, 2000 steps, alpha = .1", page_of_surrogates, .trains = 6 },
    { .id = NULL }
};
