/* Runs of PPO as experiments: each with its number of runs, what it would have seen, and a control that must come out
 * the other way. On finite MDPs the score of a policy is 1 - J/J*, exact, and that of a setting its median over runs.
 * A median has an interval (the sign test's), a ratio of medians another (bootstrap), and every line has the end of
 * it that makes its claim, or its control, harder: PASS means that the whole interval is on the right side.
 * 000 (l.286, l.302-314), 002 (l.290-363), 004 (l.474-476). */
#include <math.h>
#include <stdlib.h>

#include "algorithms/ppo_clip.h"
#include "algorithms/ppo_penalty.h"
#include "algorithms/trpo.h"
#include "derivations/measured.h"
#include "envs/lqr.h"

/* ---- tables: E5x and a Garnet, 2000 steps ---- */

enum { RUNS = 21, MANY = 31, MOST = 61, STEPS = 2000 };
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

/* 1 - J/J* of each run, gap [runs] */
static void gaps(int problem, void (*train)(run *, const void *), const void *config, int runs, uint64_t seed,
                 double *gap)
{
    mdp *M = mdp_builtin(problems[problem]);
    for (int k = 0; k < runs; k++) {
        run *r = measured_run(env_mdp_new(M), train, config, seed + (uint64_t)k, STEPS, INFINITY);
        gap[k] = 1 - measured_J(M, r->theta) / measured_J_optimal(M);
        measured_free(r);
    }
    mdp_free(M);
}

static void clip_gaps(int problem, double eps, double lr, long epochs, int runs, uint64_t seed, double *gap)
{
    const ppo_clip_config c = clip_of(eps, lr, epochs);
    gaps(problem, ppo_clip, &c, runs, seed, gap);
}

static interval clip_gap(int problem, double eps, double lr, long epochs, int runs, uint64_t seed)
{
    double gap[MOST];
    clip_gaps(problem, eps, lr, epochs, runs, seed, gap);
    return measured_interval(runs, gap);
}

/* With three targets, gap [3 x runs]; with four constant weights, gap [4 x runs] */
enum { TARGETS = 3, BETAS = 4, TRPOS = 6 };
static void penalty_gaps(int problem, double lr, long epochs, int runs, uint64_t seed, double *gap)
{
    static const double deltas[TARGETS] = { 0.003, 0.01, 0.03 };
    for (int i = 0; i < TARGETS; i++) {
        const ppo_penalty_config c = penalty_of(deltas[i], lr, epochs);
        gaps(problem, ppo_penalty, &c, runs, seed, gap + i * runs);
    }
}

static void constant_gaps(int problem, double lr, long epochs, int runs, uint64_t seed, double *gap)
{
    static const double betas[BETAS] = { 0.3, 1, 3, 10 };
    for (int i = 0; i < BETAS; i++) {
        ppo_penalty_config c = penalty_of(1, lr, epochs);
        c.beta = betas[i], c.adapt = PPO_ADAPT_OFF;
        gaps(problem, ppo_penalty, &c, runs, seed, gap + i * runs);
    }
}

/* Three trust regions with two sizes of batches, gap [6 x runs] */
static void trpo_gaps(int problem, int runs, uint64_t seed, double *gap)
{
    static const double deltas[] = { 0.01, 0.03, 0.1 };
    for (int i = 0; i < TRPOS; i++) {
        const trpo_config c = trpo_of(deltas[i % 3], i / 3 ? 64 : 16);
        gaps(problem, trpo, &c, runs, seed, gap + i * runs);
    }
}

/* The least median of some settings, x [settings x n] */
static double best(int settings, int n, const double *x)
{
    double least = INFINITY;
    for (int i = 0; i < settings; i++) least = fmin(least, measured_median(n, x + i * n));
    return least;
}

/* ---- PPO-14: small steps, ten epochs; large ones, fifty ---- */

/* PPO-14   eps = .1 and .2, the worse of the two */
static double usual_eps(const setting *x, double *out)
{
    out[0] = fmax(clip_gap(0, 0.1, 0.03, 10, MOST, x->seed).high, clip_gap(0, 0.2, 0.03, 10, MOST, x->seed).high);
    out[1] = fmax(clip_gap(1, 0.1, 0.1, 50, MOST, x->seed).high, clip_gap(1, 0.2, 0.1, 50, MOST, x->seed).high);
    return 0;
}

static double too_small_or_none(const setting *x, double *out)
{
    out[0] = clip_gap(0, 0.003, 0.03, 10, MOST, x->seed).low;
    out[1] = clip_gap(1, 0, 0.1, 50, MOST, x->seed).low;
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
        for (int i = 0; i < 8; i++)
            fprintf(out, " %6.3f", clip_gap(k / 2, eps[i], lr, epochs, RUNS, x->seed).median);
        putc('\n', out);
    }
    fprintf(out, "A range too small is slow. What a large one, or none, costs is seen where a batch moves the policy"
            " far:\nwith small steps and few epochs nothing has to be clipped.\n");
}

/* ---- PPO-36: the surrogates of the paper's table 1, summed over E5x with ten epochs, the Garnet with fifty ---- */

enum { TABLES = 2, TABLE_RUNS = 11 };
static const long table_epochs[TABLES] = { 10, 50 };

/* The sum of the best medians of both tables over that of the setting in front of them, x [2 + 2 x settings][n] */
static double summed(int settings, int n, const double *x)
{
    const double *some = x + TABLES * n;
    return (best(settings, n, some) + best(settings, n, some + settings * n))
         / (measured_median(n, x) + measured_median(n, x + n));
}
static double of_one(int n, const double *x)     { return summed(1, n, x); }
static double of_deltas(int n, const double *x)  { return summed(TARGETS, n, x); }
static double of_betas(int n, const double *x)   { return summed(BETAS, n, x); }

/* Of both tables, [2][TABLE_RUNS] */
static void on_tables(double eps, uint64_t seed, double *gap)
{
    for (int i = 0; i < TABLES; i++) clip_gaps(i, eps, 0.1, table_epochs[i], TABLE_RUNS, seed, gap + i * TABLE_RUNS);
}

/* Others in the gaps of the surrogate with eps (0: not clipped): another eps; the KL's weight adapted; constant */
static interval clip_over(double eps, double other, uint64_t seed)
{
    double gap[2 * TABLES * TABLE_RUNS];
    on_tables(eps, seed, gap);
    on_tables(other, seed, gap + TABLES * TABLE_RUNS);
    return measured_bootstrap(2 * TABLES, TABLE_RUNS, gap, of_one, seed);
}

static interval adaptive_over(double eps, uint64_t seed)
{
    double gap[(1 + TARGETS) * TABLES * TABLE_RUNS];
    on_tables(eps, seed, gap);
    for (int i = 0; i < TABLES; i++)
        penalty_gaps(i, 0.1, table_epochs[i], TABLE_RUNS, seed, gap + (TABLES + i * TARGETS) * TABLE_RUNS);
    return measured_bootstrap((1 + TARGETS) * TABLES, TABLE_RUNS, gap, of_deltas, seed);
}

static interval constant_over(double eps, uint64_t seed)
{
    double gap[(1 + BETAS) * TABLES * TABLE_RUNS];
    on_tables(eps, seed, gap);
    for (int i = 0; i < TABLES; i++)
        constant_gaps(i, 0.1, table_epochs[i], TABLE_RUNS, seed, gap + (TABLES + i * BETAS) * TABLE_RUNS);
    return measured_bootstrap((1 + BETAS) * TABLES, TABLE_RUNS, gap, of_betas, seed);
}

/* PPO-36   clip .2, a constant beta, an adapted one: in the gaps of what is not clipped; and in those of clip .2 */
static double over_unclipped(const setting *x, double *out)
{
    out[0] = clip_over(0, 0.2, x->seed).high;
    out[1] = constant_over(0, x->seed).high;
    out[2] = adaptive_over(0, x->seed).high;
    return 0;
}

static double over_clipped(const setting *x, double *out)
{
    out[0] = fmin(clip_over(0.2, 0.1, x->seed).low, clip_over(0.2, 0.3, x->seed).low);
    out[1] = constant_over(0.2, x->seed).low;
    out[2] = adaptive_over(0.2, x->seed).low;
    return 0;
}

static void print_interval(FILE *out, const char *what, interval i)
{
    fprintf(out, "  %-46s %6.2f  (%.2f .. %.2f)\n", what, i.median, i.low, i.high);
}

static void page_of_surrogates(const setting *x, FILE *out)
{
    double gap[TABLES * TABLE_RUNS];
    on_tables(0.2, x->seed, gap);
    fprintf(out, "clip .2: the sum of 1 - J/J* on both problems is %.3f; over it (95 %% bootstrap):\n",
            measured_median(TABLE_RUNS, gap) + measured_median(TABLE_RUNS, gap + TABLE_RUNS));
    print_interval(out, "not clipped", clip_over(0.2, 0, x->seed));
    print_interval(out, "clip .1", clip_over(0.2, 0.1, x->seed));
    print_interval(out, "clip .3", clip_over(0.2, 0.3, x->seed));
    print_interval(out, "constant beta, the best of .3, 1, 3, 10", constant_over(0.2, x->seed));
    print_interval(out, "adapted beta, the best delta of .003, .01, .03", adaptive_over(0.2, x->seed));
    fprintf(out, "Of the paper's order (clip .2 best, none worst) the second half is seen here. That clip .2 comes"
            " before the\nother ranges and the penalties is not: an interval with 1 in it says neither.\n");
}

/* ---- PPO-30: clip against penalty ---- */

enum { PLACES = 4 };                            /* both problems with alpha = .1 and .3 */

/* The best penalty's median over that of the surrogate behind it, [4 x (3 + 1)][n]: the geometric mean */
static double penalty_over_other(int n, const double *x)
{
    double product = 1;
    for (int i = 0; i < PLACES; i++, x += (TARGETS + 1) * n)
        product *= best(TARGETS, n, x) / measured_median(n, x + TARGETS * n);
    return sqrt(sqrt(product));
}

/* PPO-30   the penalty's gap in those of the surrogate with eps */
static interval penalty_over(double eps, uint64_t seed)
{
    static const double lr[] = { 0.1, 0.3 };
    double gap[PLACES * (TARGETS + 1) * MANY];
    for (int i = 0; i < PLACES; i++) {
        double *at = gap + i * (TARGETS + 1) * MANY;
        penalty_gaps(i / 2, lr[i % 2], 10, MANY, seed, at);
        clip_gaps(i / 2, eps, lr[i % 2], 10, MANY, seed, at + TARGETS * MANY);
    }
    return measured_bootstrap(PLACES * (TARGETS + 1), MANY, gap, penalty_over_other, seed);
}

static double penalty_over_clip(const setting *x, double *out)
{
    *out = penalty_over(0.2, x->seed).low;
    return 0;
}

static double penalty_over_none(const setting *x, double *out)
{
    *out = penalty_over(0, x->seed).high;
    return 0;
}

/* ---- PPO-26: PPO and TRPO ---- */

/* PPO's median over the best of TRPO's, [1 + 6][n] */
static double over_best_trpo(int n, const double *x)
{
    return measured_median(n, x) / best(TRPOS, n, x + n);
}

/* PPO-26   PPO with one setting in the gaps of the best of TRPO */
static interval over_trpo(int problem, double eps, uint64_t seed)
{
    double gap[(1 + TRPOS) * MOST];
    clip_gaps(problem, eps, 0.1, 10, MOST, seed, gap);
    trpo_gaps(problem, MOST, seed, gap + MOST);
    return measured_bootstrap(1 + TRPOS, MOST, gap, over_best_trpo, seed);
}

static double clip_over_trpo(const setting *x, double *out)
{
    for (int i = 0; i < 2; i++) out[i] = over_trpo(i, 0.2, x->seed).high;
    return 0;
}

static double none_over_trpo(const setting *x, double *out)
{
    for (int i = 0; i < 2; i++) out[i] = over_trpo(i, 0, x->seed).low;
    return 0;
}

static void page_of_trpo(const setting *x, FILE *out)
{
    fprintf(out, "PPO's median of 1 - J/J* over the best of TRPO's, %d runs each (95 %% bootstrap):\n", MOST);
    for (int i = 0; i < 2; i++) {
        print_interval(out, problems[i], over_trpo(i, 0.2, x->seed));
        print_interval(out, "  not clipped", over_trpo(i, 0, x->seed));
    }
    fprintf(out, "TRPO with the best of delta = .01, .03, .1 and of batches of 64 and 256 steps; PPO with one"
            " setting. First order:\nno Fisher matrix; but the surrogate is not linearised either (ERR-65): it is"
            " climbed.\n");
}

/* ---- PPO-28: a softmax on E5x, a Gaussian on a scalar LQR ---- */

enum { LQR_RUNS = 11, LQR_STEPS = 60000 };

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
static interval lqr_gap(uint64_t seed, double lr)
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
    return measured_interval(LQR_RUNS, gap);
}

/* PPO-28   the gaps of both kinds of action */
static double both_kinds(const setting *x, double *out)
{
    out[0] = clip_gap(0, 0.2, 0.1, 10, RUNS, x->seed).high;
    out[1] = lqr_gap(x->seed, 0.01).high;
    return 0;
}

static double untrained(const setting *x, double *out)
{
    out[0] = clip_gap(0, 0.2, 0, 10, RUNS, x->seed).low;
    out[1] = lqr_gap(x->seed, 0).low;
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
      " with probability .97", "mean return of the last 100 episodes", count_one, unit_of_one, NULL, NULL, {
        { "475", "the mark of CartPole-v1", .is = { 475 } },
        { "\\ge\\text{mean return},\\ K=1,\\ M=NT",
          "the control: the same batches used for one step each, the best of five runs", one_step, AT_MOST },
        { "\\le\\text{mean return},\\ K=10,\\ M=64",
          "algorithms/ppo_clip.c, its defaults with one hidden layer, the worst of five runs", ten_epochs,
          AT_LEAST } },
      "CartPole-v1, N = 8 actors, T = 32 steps", .trains = 3 },
    { "PPO-14", "eps = .1 or .2: neither too slow, nor too far for fifty epochs. A median at the mark passes with"
      " probability .02, one with eight runs of ten below it with .999; of 300 runs .81 to .99 are",
      "1 - J/J*, ends of the medians' 96 % intervals, 61 runs: E5x, alpha .03, K = 10; a Garnet, alpha .1, K = 50",
      count_two, unit_of_one, NULL, NULL, {
        { "0.15,\\quad0.15", "of the optimum", .is = { 0.15, 0.15 } },
        { "\\le1-J/J^*,\\ \\epsilon=.003;\\ L^{CPI}",
          "the controls: a range so small that it is slow; none; the lower ends", too_small_or_none, AT_LEAST },
        { "\\ge1-J/J^*,\\ \\epsilon=.1,\\ .2", "algorithms/ppo_clip.c, the upper end of the worse of the two",
          usual_eps, AT_MOST } },
      "E5x and garnet:8,3,2,1, 2000 steps", page_of_eps, .trains = 8 },
    { "PPO-26", "PPO, of first order, comes within 1.5 times TRPO's distance from the optimum at equal steps. A ratio"
      " of 1.5 passes with probability .025, one of 1 with .8",
      "PPO's median of 1 - J/J* over TRPO's, ends of 95 % intervals, 61 runs: E5x; a Garnet", count_two,
      unit_of_one, NULL, NULL, {
        { "1.5,\\quad1.5", "what intervals of ratios of two such medians leave room for", .is = { 1.5, 1.5 } },
        { "\\le(1-J/J^*)_{CPI}/(1-J/J^*)_{\\mathrm{TRPO}}", "the control: PPO's steps, not clipped; lower ends",
          none_over_trpo, AT_LEAST },
        { "\\ge(1-J/J^*)_{\\mathrm{PPO}}/(1-J/J^*)_{\\mathrm{TRPO}}",
          "algorithms/ppo_clip.c, eps = .2, alpha = .1, K = 10; algorithms/trpo.c, the best of six settings; upper"
          " ends", clip_over_trpo, AT_MOST } },
      "E5x and garnet:8,3,2,1, 2000 steps", page_of_trpo, .trains = 6 },
    { "PPO-28", "PPO learns discrete actions, by a softmax, and continuous ones, by a Gaussian. Medians at the mark"
      " pass with probability .013 and .006, nine runs of ten below it with .98 and .70",
      "1 - J/J*, J/J* - 1 (J < 0), ends of the medians' 97.3 and 98.8 % intervals, 21 and 11 runs",
      count_two, unit_of_one, NULL, NULL, {
        { "0.1,\\quad0.1", "of the optima; Riccati's, for the LQR", .is = { 0.1, 0.1 } },
        { "\\le|1-J/J^*|,\\ \\alpha=0", "the controls: untrained; the lower ends", untrained, AT_LEAST },
        { "\\ge|1-J/J^*|",
          "algorithms/ppo_clip.c; the mean action of the Gaussian; the upper ends", both_kinds,
          AT_MOST } },
      "E5x, 2000 steps; a scalar LQR, gamma .5, 60000 steps", .trains = 3 },
    { "PPO-30", "clipping comes nearer to the optimum than the adaptive KL penalty. A ratio of 1 passes with"
      " probability .025, one of two standard errors of its logarithm, here 1.2, with .5",
      "1 - J/J* of the penalty over that of the other, medians of 31 runs, geometric means; ends of 95 % intervals",
      count_one, unit_of_one, NULL, NULL, {
        { "1", "equally near", .is = { 1 } },
        { "\\ge(1-J/J^*)_{KLPEN}/(1-J/J^*)_{CPI}",
          "the control: it is nearer than what is not held back at all; the upper end",
          penalty_over_none, AT_MOST },
        { "\\le(1-J/J^*)_{KLPEN}/(1-J/J^*)_{CLIP}",
          "algorithms/ppo_penalty.c with the best of three targets; algorithms/ppo_clip.c with eps = .2; the lower"
          " end",
          penalty_over_clip, AT_LEAST } },
      "E5x and garnet:8,3,2,1, 2000 steps, alpha = .1, .3, K = 10", .trains = 8 },
    { "PPO-36", "of the surrogates, not clipping is by far the worst. That clip .2 is the best is not seen: eleven"
      " runs tell a factor of 2 from 1 with probability .7",
      "clip .2, constant beta, adapted beta over none: 1 - J/J*, medians of 11 runs, summed; ends of 95 % intervals",
      count_three, unit_of_one, NULL, NULL, {
        { "\\tfrac13,\\quad\\tfrac13,\\quad\\tfrac13", "a third as far from the optimum",
          .is = { 1.0 / 3, 1.0 / 3, 1.0 / 3 } },
        { "\\ge L^{CLIP}_{.2}/L^{CPI},\\quad L^{KLPEN}_\\beta/L^{CPI},\\quad L^{KLPEN}/L^{CPI}",
          "over what is not clipped, the best of four beta, of three delta; the upper ends", over_unclipped,
          AT_MOST },
        { "\\le L^{CLIP}_{.1,\\,.3}/L^{CLIP}_{.2},\\quad L^{KLPEN}_\\beta/L^{CLIP}_{.2},"
          "\\quad L^{KLPEN}/L^{CLIP}_{.2}",
          "the controls: the same over clip .2, the paper's best by .06 of its score; the lower ends", over_clipped,
          AT_LEAST } },
      "E5x, K = 10, and garnet:8,3,2,1, K = 50, 2000 steps, alpha = .1", page_of_surrogates, .trains = 12 },
    { .id = NULL }
};
