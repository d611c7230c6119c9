/* Runs of DDPG and TD3 as experiments: each with its number of runs, what it would have seen, and a control that must
 * come out the other way. The score is the cost on a scalar LQR, or the return of 20 episodes of Pendulum-v1, both of
 * mu(s) without noise. 002 (l.150-164), 004 (l.612-641, l.650, l.663, l.702-724). */
#include <gsl/gsl_sort.h>
#include <math.h>
#include <string.h>

#include "algorithms/ddpg.h"
#include "algorithms/td3.h"
#include "autodiff/random.h"
#include "autodiff/require.h"
#include "derivations/lqr_exact.h"
#include "derivations/measured.h"
#include "envs/lqr.h"

/* ---- Pendulum-v1 ---- */

enum { MOST_RUNS = 20, EPISODES = 20, SMALL_BATCH = 32, LARGE_D = 200000 };
#define MARK (-300.0)           /* what swings up ends near -120; a rod that hangs or spins costs 1000 and more */

static ddpg_config small_ddpg(void)
{
    return (ddpg_config){ .gamma = 0.98, .lr = 1e-3, .lr_Q = 3e-3, .rho = 0.99, .batch = SMALL_BATCH,
                          .capacity = LARGE_D, .start_steps = 500, .update_every = 1, .sigma = 0.1,
                          .hidden = { 2, { 32, 32 } }, .activation = AD_RELU };
}

static td3_config small_td3(void)
{
    return (td3_config){ .gamma = 0.98, .lr = 1e-3, .lr_Q = 3e-3, .rho = 0.99, .batch = SMALL_BATCH,
                         .capacity = LARGE_D, .start_steps = 500, .update_every = 1, .sigma = 0.1, .twins = 1,
                         .sigma_targ = 0.2, .c = 0.5, .delay = 2, .hidden = { 2, { 32, 32 } },
                         .activation = AD_RELU };
}

/* The mean return of mu, from the same starts for all */
static double swing(env *e, const policy *p, const double *theta)
{
    gsl_rng *rng = random_stream(0, 0, RANDOM_EVALUATION_ENV);
    actor *mu = actor_new(p, theta);
    double sum = 0;
    for (int i = 0; i < EPISODES; i++)
        for (env_reset(e, rng); !e->over; ) {
            double a, r;
            bool terminated, truncated;
            actor_mode(mu, e->obs, &a);
            env_step(e, &a, &r, &terminated, &truncated);
            sum += r;
        }
    actor_free(mu);
    gsl_rng_free(rng);
    return sum / EPISODES;
}

/* Each run's score; returns their median */
static double swings(void (*train)(run *, const void *), policy of(const env *, const void *), const void *config,
                     uint64_t seed, int runs, long steps, double *each)
{
    for (int k = 0; k < runs; k++) {
        env *e = measured_env("Pendulum-v1");
        policy p = of(e, config);
        run *r = measured_run(e, train, config, seed + (uint64_t)k, steps, INFINITY);
        each[k] = swing(e, &p, r->theta);
        measured_free(r);
    }
    return measured_median(runs, each);
}

/* Sorted, with the interval of the i-th least and the i-th greatest */
static void print_runs(FILE *out, const char *name, int runs, double *each, int i)
{
    gsl_sort(each, 1, (size_t)runs);
    fprintf(out, "  %-28s median %6.0f in [%.0f, %.0f] of", name, measured_median(runs, each), each[i - 1],
            each[runs - i]);
    for (int k = 0; k < runs; k++) fprintf(out, " %.0f", each[k]);
    putc('\n', out);
}

/* ---- DDPG-22: with and without replay, with and without targets ---- */

enum { ABLATED_RUNS = 9, ABLATED_STEPS = 5000 };

/* DDPG-22  no replay: D is the last |B| steps;  no targets: rho = 0, phi_targ = phi and theta_targ = theta */
static double ablated(uint64_t seed, bool replays, bool targets, double *each)
{
    ddpg_config c = small_ddpg();
    if (!replays) c.capacity = SMALL_BATCH;
    if (!targets) c.rho = 0;
    return swings(ddpg, ddpg_policy, &c, seed, ABLATED_RUNS, ABLATED_STEPS, each);
}

static double with_both(const setting *x, double *out)
{
    double each[ABLATED_RUNS];
    out[0] = out[1] = out[2] = ablated(x->seed, true, true, each);
    return 0;
}

static double without(const setting *x, double *out)
{
    double each[ABLATED_RUNS];
    out[0] = ablated(x->seed, false, true, each);
    out[1] = ablated(x->seed, true, false, each);
    out[2] = ablated(x->seed, false, false, each);
    return 0;
}

static void page_of_ablations(const setting *x, FILE *out)
{
    static const char *const name[] = { "neither", "replay, no targets", "targets, no replay", "both" };
    double each[ABLATED_RUNS];
    fprintf(out, "mean return of mu after %d steps, %d runs; the interval, of the second least and the second"
            " greatest, holds\nthe median with probability .96\n", ABLATED_STEPS, ABLATED_RUNS);
    for (int k = 3; k >= 0; k--) {
        ablated(x->seed, k & 1, k & 2, each);
        print_runs(out, name[k], ABLATED_RUNS, each, 2);
    }
}

/* ---- TD3-15: the noise that explores ---- */

enum { NOISY_RUNS = 20, NOISY_STEPS = 4000, NOISY_WINS = 15 };

/* TD3-15   sigma alone explores: no random first actions. Counted in half widths of the box: .1 is .2 N m */
static double explored(uint64_t seed, double sigma, double *each)
{
    ddpg_config c = small_ddpg();
    c.start_steps = 0;
    c.sigma = sigma;
    return swings(ddpg, ddpg_policy, &c, seed, NOISY_RUNS, NOISY_STEPS, each);
}

static int wins(int runs, const double *a, const double *b)
{
    int count = 0;
    for (int k = 0; k < runs; k++) count += a[k] > b[k];
    return count;
}

static double noise_wins(const setting *x, double *out)
{
    double some[NOISY_RUNS], none[NOISY_RUNS];
    explored(x->seed, 0.3, some);
    explored(x->seed, 0, none);
    *out = wins(NOISY_RUNS, some, none);
    return 0;
}

static double nothing_wins(const setting *x, double *out)
{
    double some[NOISY_RUNS], none[NOISY_RUNS];
    explored(x->seed + NOISY_RUNS, 0, some);
    explored(x->seed, 0, none);
    *out = wins(NOISY_RUNS, some, none);
    return 0;
}

static void page_of_noise(const setting *x, FILE *out)
{
    static const double sigma[] = { 0, 0.1, 0.3 };
    double each[3][NOISY_RUNS];
    for (int k = 0; k < 3; k++) explored(x->seed, sigma[k], each[k]);
    int low = wins(NOISY_RUNS, each[1], each[0]), high = wins(NOISY_RUNS, each[2], each[0]);
    fprintf(out, "mean return of mu after %d steps, %d runs; the interval, of the sixth least and the sixth greatest,"
            " holds the\nmedian with probability .96\n", NOISY_STEPS, NOISY_RUNS);
    for (int k = 0; k < 3; k++) {
        char name[32];
        snprintf(name, sizeof name, "sigma %g", sigma[k]);
        print_runs(out, name, NOISY_RUNS, each[k], 6);
    }
    fprintf(out, "Better than sigma = 0 on the same seed: sigma = .1 in %d of %d, sigma = .3 in %d. Some runs without"
            " noise learn, too:\nmu moves while it learns, and the starts are random. Noise makes it reliable.\n",
            low, NOISY_RUNS, high);
}

/* ---- TD3-9: TD3, DDPG, and the loop as it is printed ---- */

enum { LOOP_RUNS = 10, LOOP_STEPS = 7000, VISITS = 200 };

/* How many different states the loop of 004 acts in: what it stores, by its own words; s <- s' if it is `repaired` */
static double visited(uint64_t seed, bool repaired)
{
    run *r = run_new("by hand", measured_env("Pendulum-v1"), seed, 0);
    env *e = r->env;
    double s[3], seen[VISITS][3];
    int count = 0;
    env_reset(e, r->env_rng);
    memcpy(s, e->obs, sizeof s);
    double first[2] = { e->state[0], e->state[1] };
    for (int t = 0; t < VISITS; t++) {
        double a = 4 * gsl_rng_uniform(r->policy_rng) - 2, reward;
        bool terminated, truncated, known = false;
        for (int k = 0; k < count; k++) known = known || memcmp(seen[k], s, sizeof s) == 0;
        if (!known) memcpy(seen[count++], s, sizeof s);
        if (!repaired) env_restore(e, r->env_rng, first, 0);
        env_step(e, &a, &reward, &terminated, &truncated);
        if (repaired) memcpy(s, e->obs, sizeof s);
    }
    measured_free(r);
    return count;
}

static double looped_td3(uint64_t seed, long steps, double *each)
{
    td3_config c = small_td3();
    return swings(td3, td3_policy, &c, seed, LOOP_RUNS, steps, each);
}

static double looped_ddpg(uint64_t seed, double *each)
{
    ddpg_config c = small_ddpg();
    return swings(ddpg, ddpg_policy, &c, seed, LOOP_RUNS, LOOP_STEPS, each);
}

/* TD3-9    the loop of algorithms/td3.c */
static double td3_learnt(const setting *x, double *out)
{
    double each[LOOP_RUNS];
    out[0] = looped_td3(x->seed, LOOP_STEPS, each);
    out[1] = visited(x->seed, true);
    return 0;
}

static double td3_untrained(const setting *x, double *out)
{
    double each[LOOP_RUNS];
    out[0] = looped_td3(x->seed, 0, each);
    out[1] = 0;
    return 0;
}

/* 004 (l.702-724): no s <- s' */
static double td3_printed(const setting *x, double *out)
{
    out[0] = MARK;
    out[1] = visited(x->seed, false);
    return 0;
}

static void page_of_td3(const setting *x, FILE *out)
{
    double a[LOOP_RUNS], b[LOOP_RUNS];
    looped_td3(x->seed, LOOP_STEPS, a);
    looped_ddpg(x->seed, b);
    int better = wins(LOOP_RUNS, a, b);
    fprintf(out, "mean return of mu after %d steps, %d runs; the interval, of the second least and the second"
            " greatest, holds\nthe median with probability .98\n", LOOP_STEPS, LOOP_RUNS);
    print_runs(out, "TD3", LOOP_RUNS, a, 2);
    print_runs(out, "DDPG", LOOP_RUNS, b, 2);
    fprintf(out, "TD3 is better on %d of %d seeds; %s\n", better, LOOP_RUNS,
            better >= 9 ? "with equals so many come out with probability .011: TD3 learns faster here."
            : better <= 1 ? "with equals so few come out with probability .011: DDPG learns faster here, whose mu"
                            " takes a step at every update."
            : "2 to 8 are no evidence for either: on this problem they are not told apart.");
}

/* ---- DDPG-15: a scalar LQR, five seeds, each of them ---- */

enum { LQR_SEEDS = 5, LQR_STEPS = 20000, LQR_LIMIT = 5, LQR_RUNS = 2 * LQR_SEEDS };    /* of DDPG, then of TD3 */

/* P* X0, P* by Riccati's equation */
static double riccati_cost(const lqr *L)
{
    char error[256];
    lqr_system *S = lqr_system_of(L);
    lqr_exact *best = lqr_optimum(S, error, sizeof error);
    require(best, "%s", error);
    double cost = -best->J;
    lqr_exact_free(best);
    lqr_system_free(S);
    return cost;
}

/* E sum_t gamma^t (Q x^2 + R u^2) over x_0 ~ N(0, X0), W = 0: a sum over x_0 = -4, -3.95, ..., 4 standard
 * deviations and 200 steps, .9^200 = 7e-10. Beyond 4 lies 1.1e-3 of E x^2:
 * left out of both, by weights that sum to X0. */
static double lqr_cost(const lqr *L, const policy *p, const double *theta)
{
    actor *mu = actor_new(p, theta);
    double sum = 0, squares = 0;
    for (int i = -80; i <= 80; i++) {
        double z = i / 20.0, w = exp(-z * z / 2), x = z * sqrt(L->X0), u, discount = 1, cost = 0;
        for (int t = 0; t < 200 && isfinite(cost); t++, discount *= L->gamma) {
            actor_mode(mu, &x, &u);
            cost += discount * (L->Q * x * x + L->R * u * u);
            x = L->A * x + L->B * u;
        }
        sum += w * cost;
        squares += w * z * z;
    }
    actor_free(mu);
    return sum / squares;
}

/*[snip regulating later]*/
/* What makes each run come near, and not the median alone: a wide layer, whose many kinks lie close, as mu can be off
 * between them; noise of .3, which shows Q's slope in a and costs nothing, as y takes mu(s'); smaller steps of Q, and
 * larger batches, as the last theta is what is judged, and moves with every batch. */
static ddpg_config regulating_ddpg(void)
{
    ddpg_config c = small_ddpg();
    c.gamma = lqr_scalar.gamma, c.lr = 3e-4, c.lr_Q = 1e-3, c.sigma = 0.3;
    c.batch = 64, c.hidden = (widths){ 1, { 256 } };
    return c;
}

static td3_config regulating_td3(void)
{
    td3_config c = small_td3();
    c.gamma = lqr_scalar.gamma, c.lr = 3e-4, c.lr_Q = 1e-3, c.sigma = 0.3;
    c.batch = 64, c.hidden = (widths){ 1, { 256 } };
    return c;
}
/*[/snip]*/

/* cost / least cost of a policy after so many steps */
static double lqr_ratio(void (*train)(run *, const void *), policy of(const env *, const void *), const void *config,
                        uint64_t seed, long steps)
{
    env *e = lqr_env_new("lqr", &lqr_scalar);
    e->limit = LQR_LIMIT;
    policy p = of(e, config);
    run *r = measured_run(e, train, config, seed, steps, INFINITY);
    double ratio = lqr_cost(&lqr_scalar, &p, r->theta) / riccati_cost(&lqr_scalar);
    measured_free(r);
    return ratio;
}

/* DDPG-15  five runs of DDPG, five of TD3 */
static void lqr_ratios(uint64_t seed, long steps, double ratio[LQR_RUNS])
{
    ddpg_config d = regulating_ddpg();
    td3_config t = regulating_td3();
    for (int k = 0; k < LQR_SEEDS; k++) {
        ratio[k] = lqr_ratio(ddpg, ddpg_policy, &d, seed + (uint64_t)k, steps);
        ratio[LQR_SEEDS + k] = lqr_ratio(td3, td3_policy, &t, seed + (uint64_t)k, steps);
    }
}

static int ten(const setting *x) { (void)x; return LQR_RUNS; }

static double five_percent(const setting *x, double *out)
{
    (void)x;
    for (int k = 0; k < LQR_RUNS; k++) out[k] = 1.05;
    return 0;
}

static double regulated(const setting *x, double *out)
{
    lqr_ratios(x->seed, LQR_STEPS, out);
    return 0;
}

static double not_regulated(const setting *x, double *out)
{
    lqr_ratios(x->seed, 0, out);
    return 0;
}

static double least(const setting *x, double *out)
{
    (void)x;
    for (int k = 0; k < LQR_RUNS; k++) out[k] = 1;
    return 0;
}

static void page_of_lqr(const setting *x, FILE *out)
{
    double ratio[LQR_RUNS];
    lqr_ratios(x->seed, LQR_STEPS, ratio);
    fprintf(out, "least cost %.5f; cost / least cost after %d steps\n", riccati_cost(&lqr_scalar), LQR_STEPS);
    for (int k = 0; k < LQR_RUNS; k++)
        fprintf(out, "%s %.4f", k == 0 ? "  DDPG" : k == LQR_SEEDS ? "\n  TD3 " : "", ratio[k]);
    fprintf(out, "\nEach of the ten must be within 5 %%: were one run in ten off by more, that would be seen with"
            " probability .65,\none in four, with .94.\n");
}

const derivation off_policy_learning[] = {
    { "DDPG-15", "DDPG, and TD3, come within 5 % of the least cost of a linear-quadratic regulator, from each seed",
      "cost / least cost: five runs of DDPG, five of TD3", ten, unit_of_one, NULL, NULL, {
        { "1.05", "a twentieth more", five_percent },
        { "\\le J(\\mu_{\\theta_0})/J^*", "the control: untrained, mu(s) near 0", not_regulated, AT_LEAST },
        { "\\ge J(\\mu_\\theta)/J^*", "algorithms/ddpg.c and td3.c, 20000 steps; J* by the Riccati equation, J by 161"
          " starts", regulated, AT_MOST },
        { "\\ge1", "no policy costs less than J*", least, AT_MOST_ABOVE } },
      "a scalar LQR: A = 1, B = .5, Q = 1, R = .1, W = 0, X0 = 1, gamma .9; 5 steps an episode", page_of_lqr,
      .trains = 35 },
    { "DDPG-22", "replay and targets stabilise a nonlinear actor-critic",
      "mean return without replay; without targets; without both: the median of nine seeds",
      count_three, unit_of_one, NULL, NULL, {
        { "-300", "a mark", .is = { MARK, MARK, MARK } },
        { "\\le G,\\ \\text{with both}", "the control: the whole of algorithms/ddpg.c reaches it", with_both,
          AT_LEAST },
        { "\\ge G,\\quad|D|=|B|,\\quad\\rho=0,\\quad\\text{both}",
          "without one of them, or both, it is not reached in 5000 steps. A median is wrong when five of nine"
          " runs are: were nine of ten above the mark, it would be seen with probability .999", without, AT_MOST } },
      "Pendulum-v1, networks of two layers of 32, |B| = 32, gamma .98", page_of_ablations, .trains = 8 },
    { "TD3-9", "TD3, the whole loop, learns to swing up; as printed it stays where it began",
      "mean return of mu, the median of ten seeds; states acted in, in 200 steps", count_two, unit_of_one, NULL,
      NULL, {
        { "-300,\\quad200", "a mark; another state at each step", .is = { MARK, VISITS } },
        { "\\ge G(\\mu_{\\theta_0})", "the control: untrained", td3_untrained, AT_MOST },
        { "\\le G(\\mu_\\theta),\\quad\\#\\{s_t\\}",
          "algorithms/td3.c after 7000 steps. Were nine of ten runs below the mark, six of ten would be with"
          " probability .998", td3_learnt, AT_LEAST },
        { "\\#\\{s_t\\}=1", "004 (l.702-724) as it is printed: s is never replaced, nor reset", td3_printed, DIFFERS,
          "ERR-76" } },
      "Pendulum-v1, networks of two layers of 32, |B| = 32, gamma .98", page_of_td3, .trains = 2.5 },
    { "TD3-15", "deterministic policies explore by added noise",
      "seeds, of 20, on which sigma = .3 ends above sigma = 0", count_one, unit_of_one, NULL, NULL, {
        { "15", "of 20; without a difference as many come out with probability .021", .is = { NOISY_WINS } },
        { "\\ge\\#\\{G(\\sigma=0)>G(\\sigma=0)\\}", "the control: against other seeds of the same", nothing_wins,
          AT_MOST },
        { "\\le\\#\\{G(\\sigma=.3)>G(\\sigma=0)\\}",
          "no random first actions. A setting that is better on nine of ten seeds is seen with probability .99",
          noise_wins, AT_LEAST } },
      "Pendulum-v1, DDPG, 4000 steps, networks of two layers of 32, |B| = 32, gamma .98", page_of_noise,
      .trains = 11 },
    { .id = NULL }
};
