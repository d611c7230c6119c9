/* What is claimed of asynchronous actor-learners, as experiments: each with its number of runs and a control
 * that must come out the other way. Orders of turns are drawn from the seed where the claim is not about
 * threads or time; where it is, numbers differ from run to run, and bounds are ends of intervals. 004 (l.29,
 * l.42, l.50, l.107, l.191), 002 (l.19-28), 000 (l.241-243). */
#include <gsl/gsl_sort.h>
#include <math.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "algorithms/a3c.h"
#include "algorithms/async_q.h"
#include "algorithms/async_sarsa.h"
#include "algorithms/nstep_q.h"
#include "algorithms/schedule.h"
#include "autodiff/random.h"
#include "autodiff/require.h"
#include "derivations/measured.h"

/* J of the policy that a run leaves, as a part of the optimum's */
static double part_of_optimum(const mdp *M, const double *theta)
{
    return measured_J(M, theta) / measured_J_optimal(M);
}

/* The ends of a 95 % interval of mean(a) / mean(b), by 2000 samples with replacement of each */
enum { SAMPLES = 2000 };
static void ratio_interval(int n, const double *a, const double *b, uint64_t seed, double *low, double *high)
{
    double ratio[SAMPLES];
    gsl_rng *rng = random_stream(seed, 0, RANDOM_BOOTSTRAP);
    for (int k = 0; k < SAMPLES; k++) {
        double sum[2] = { 0 };
        for (int i = 0; i < n; i++) {
            sum[0] += a[gsl_rng_uniform_int(rng, (unsigned long)n)];
            sum[1] += b[gsl_rng_uniform_int(rng, (unsigned long)n)];
        }
        ratio[k] = sum[0] / sum[1];
    }
    gsl_rng_free(rng);
    gsl_sort(ratio, 1, SAMPLES);
    *low = ratio[SAMPLES / 40];
    *high = ratio[SAMPLES - 1 - SAMPLES / 40];
}

static int    four(const setting *x)     { (void)x; return 4; }
static int    six(const setting *x)      { (void)x; return 6; }
static int    eight(const setting *x)    { (void)x; return 8; }

static double fill(int n, double value, double *out)
{
    for (int i = 0; i < n; i++) out[i] = value;
    return 0;
}

/* ---- A3C-10: it learns, with 1, 2, 4 and 8 threads ---- */

enum { CHAIN_STEPS = 20000, CART_STEPS = 400000 };
#define MARK 475

static a3c_config table(int workers, double lr)         /* policy and V without hidden layers */
{
    return (a3c_config){ .workers = workers, .t_max = 5, .gamma = 0.9, .c_V = 0.5, .lr = lr, .lr_V = 2 * lr,
                         .optimiser = A3C_SGD, .locks = 1 };
}

static a3c_config scaled_table(int workers, double lr)  /* the same with shared RMSProp */
{
    a3c_config c = table(workers, lr);
    c.optimiser = A3C_RMSPROP_SHARED;
    c.alpha = 0.99;
    c.eps = 0.01;
    return c;
}

static double reached(uint64_t seed, bool learns, double *out)
{
    mdp *M = mdp_builtin("chain:5");
    for (int k = 0; k < 4; k++) {
        a3c_config c = scaled_table(1 << k, learns ? 0.02 : 0), d = a3c_defaults;
        d.workers = 1 << k;
        if (!learns) d.lr = d.lr_V = 0;
        run *r = measured_run(env_mdp_new(M), a3c, &c, seed, CHAIN_STEPS, INFINITY);
        out[k] = part_of_optimum(M, r->theta);
        measured_free(r);
        r = measured_run(measured_env("CartPole-v1"), a3c, &d, seed, learns ? CART_STEPS : 5000, MARK);
        out[4 + k] = r->return_mean / MARK;
        measured_free(r);
    }
    mdp_free(M);
    return 0;
}

static double the_marks(const setting *x, double *out)
{
    (void)x;
    fill(4, 0.95, out);
    return fill(4, 1, out + 4);
}

static double reached_learning(const setting *x, double *out) { return reached(x->seed, true, out); }
static double reached_at_rest(const setting *x, double *out)  { return reached(x->seed, false, out); }

/* ---- A3C-17: with locks and without ---- */

enum { SEEDS = 20, HOGWILD_STEPS = 4000, ROUNDS = 21 };

static void J_of_runs(uint64_t seed, double lr, int locks, double *J)
{
    mdp *M = mdp_builtin("E5x");
    a3c_config c = table(4, lr);
    c.locks = locks;
    for (int k = 0; k < SEEDS; k++) {
        run *r = measured_run(env_mdp_new(M), a3c, &c, seed + (uint64_t)k, HOGWILD_STEPS, INFINITY);
        J[k] = measured_J(M, r->theta);
        measured_free(r);
    }
    mdp_free(M);
}

/* A3C-17  |mean a - mean b| in standard errors */
static double distance(const double *a, const double *b)
{
    double mean[2] = { 0 }, squares[2] = { 0 };
    for (int k = 0; k < SEEDS; k++) mean[0] += a[k] / SEEDS, mean[1] += b[k] / SEEDS;
    for (int k = 0; k < SEEDS; k++) squares[0] += pow(a[k] - mean[0], 2), squares[1] += pow(b[k] - mean[1], 2);
    return fabs(mean[0] - mean[1]) / sqrt((squares[0] + squares[1]) / (SEEDS * (SEEDS - 1.0)));
}

/* theta after a round of four turns in that order */
static void after_round(uint64_t seed, double lr, const char *order, double *theta)
{
    enum { N_THETA = 21 };
    mdp *M = mdp_builtin("E5x");
    a3c_config c = table(4, lr);
    run *r = run_new("derive", env_mdp_new(M), seed, 1);
    c.schedule = SCHEDULE_REPLAY;
    r->schedule = strcpy(allocate(strlen(order) + 1, 1, "a schedule"), order);
    a3c(r, &c);
    memcpy(theta, r->theta, N_THETA * sizeof *theta);
    measured_free(r);
    mdp_free(M);
}

/* How far a round of updates that come from one theta is from one after the other, as a part of it: a median */
static double staleness(uint64_t seed, double lr)
{
    double part[ROUNDS], first[21], stale[21], serial[21];
    for (int k = 0; k < ROUNDS; k++) {
        uint64_t s = seed + (uint64_t)k;
        double far = 0, moved = 0;
        after_round(s, lr, "\n", first);
        after_round(s, lr, "abcdABCD\n", stale);
        after_round(s, lr, "aAbBcCdD\n", serial);
        for (int i = 0; i < 21; i++) far += pow(stale[i] - serial[i], 2), moved += pow(serial[i] - first[i], 2);
        part[k] = sqrt(far / moved);
    }
    return measured_median(ROUNDS, part);
}

static const double alpha_ = 0.02;

static double locks_matter(const setting *x, double *out)
{
    double with[SEEDS], without[SEEDS];
    J_of_runs(x->seed, alpha_, 1, with);
    J_of_runs(x->seed, alpha_, 0, without);
    out[0] = distance(with, without);
    out[1] = staleness(x->seed, 1e-3) / staleness(x->seed, 2e-3);
    return 0;
}

static double lost_updates_matter(const setting *x, double *out)
{
    double all[SEEDS], quarter[SEEDS];
    J_of_runs(x->seed, alpha_, 1, all);
    J_of_runs(x->seed, alpha_ / 4, 1, quarter);
    out[0] = distance(all, quarter);
    out[1] = 1;
    return 0;
}

static void page_of_staleness(const setting *x, FILE *out)
{
    fprintf(out, "A round of 4 updates from one theta, against one after the other, as a part of the update:\n"
            "    alpha  part\n");
    for (double alpha = 1e-4; alpha < 2; alpha *= 10)
        fprintf(out, "%9g  %.2g\n", alpha, staleness(x->seed, alpha));
    fprintf(out, "Where J with locks and without differ by 5 standard errors they are told apart with probability"
            " .84.\n");
}

/* ---- A3C-20: (s,a) seen by a policy that draws evenly ---- */

enum { SEEN_STEPS = 100, SEEN_SEEDS = 20, LAKE = 64, LAKE_A = 4 };

/* A3C-20  distinct (s,a), the mean over seeds */
static double pairs(uint64_t seed, int workers, long steps, bool one_stream)
{
    double sum = 0;
    for (int k = 0; k < SEEN_SEEDS; k++) {
        run *r = run_new("derive", measured_env("FrozenLake8x8-v1"), seed + (uint64_t)k, 0);
        bool seen[LAKE * LAKE_A] = { 0 };
        run_workers(r, workers);
        policy p = policy_of(r->env, 0, NULL, AD_LINEAR);
        double *theta = allocate((size_t)p.n, sizeof *theta, "theta");
        actor *pi = actor_new(&p, theta);
        rollout *b = rollout_new(r->env);
        for (int i = 0; i < workers; i++) {
            run_worker *w = &r->worker[i];
            gsl_rng *own[2] = { w->env_rng, w->policy_rng };
            if (one_stream)
                for (int j = 0; j < 2; j++)
                    own[j] = random_stream(seed + (uint64_t)k, 0, j ? RANDOM_POLICY : RANDOM_ENV);
            rollout_steps(b, b->T + (int)steps, w->env, own[0], pi, own[1]);
            for (int j = 0; j < 2 && one_stream; j++) gsl_rng_free(own[j]);
        }
        for (int t = 0; t < b->T; t++)
            for (int s = 0; s < LAKE; s++)
                if (b->s[t * b->d + s] == 1) seen[s * LAKE_A + b->index[t]] = true;
        for (int i = 0; i < LAKE * LAKE_A; i++) sum += seen[i];
        rollout_free(b);
        actor_free(pi);
        free(theta);
        measured_free(r);
    }
    return sum / SEEN_SEEDS;
}

static double seen(const setting *x, int workers, bool one_stream, double *out)
{
    *out = pairs(x->seed, workers, SEEN_STEPS, one_stream);
    return 0;
}

static double seen_by_one(const setting *x, double *out)    { return seen(x, 1, false, out); }
static double seen_by_four(const setting *x, double *out)   { return seen(x, 4, false, out); }
static double seen_by_copies(const setting *x, double *out) { return seen(x, 4, true, out); }

static void page_of_pairs(const setting *x, FILE *out)
{
    fprintf(out, "Of 256 pairs, the mean of %d seeds:\n  workers  steps of each  pairs seen\n", SEEN_SEEDS);
    for (int n = 1; n <= 16; n *= 4)
        fprintf(out, "%9d %14d %11.1f\n", n, SEEN_STEPS, pairs(x->seed, n, SEEN_STEPS, false));
    for (int n = 1; n <= 16; n *= 4)
        fprintf(out, "%9d %14d %11.1f\n", n, 4 * SEEN_STEPS / n, pairs(x->seed, n, 4 * SEEN_STEPS / n, false));
    fprintf(out, "For as many steps in all, more workers see less: each begins at the start.\n");
}

/* ---- A3C-21, A3C-22: time ---- */

enum { TURNS = 9, TIMED_STEPS = 30000, TO_MARK = 8 };
#define LOW_MARK 195
#define LOWER_MARK 25

static double clock_of(clockid_t clock)
{
    struct timespec t;
    clock_gettime(clock, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

static double now(void) { return clock_of(CLOCK_MONOTONIC); }

static void *spin(void *end)
{
    while (now() < *(double *)end) continue;
    return NULL;
}

/* Do two threads get the time of two processors here, now? */
static const char *one_processor(const setting *x)
{
    (void)x;
    double start = now(), end = start + 0.5, used = clock_of(CLOCK_PROCESS_CPUTIME_ID);
    pthread_t other;
    if (pthread_create(&other, NULL, spin, &end) != 0) return "no second thread";
    spin(&end);
    pthread_join(other, NULL);
    used = clock_of(CLOCK_PROCESS_CPUTIME_ID) - used;
    return used < 1.8 * (now() - start) ? "two threads do not get two processors here" : NULL;
}

/* Seconds of a run, and its steps */
static double seconds(uint64_t seed, int workers, int kind, long steps, double until, double *done)
{
    a3c_config c = a3c_defaults;
    c.workers = workers;
    c.schedule = kind;
    double start = now();
    run *r = measured_run(measured_env("CartPole-v1"), a3c, &c, seed, steps, until);
    double took = now() - start;
    *done = (double)r->steps;
    measured_free(r);
    return took;
}

/* A3C-21  time a step of one worker over that of two, turn by turn: the ends of its interval */
static void speed_up(uint64_t seed, int kind, double *low, double *high)
{
    double each[2][TURNS], steps;
    for (int k = 0; k < TURNS; k++)
        for (int n = 0; n < 2; n++) {
            each[n][k] = seconds(seed + (uint64_t)k, n + 1, kind, TIMED_STEPS, INFINITY, &steps);
            each[n][k] /= steps;
        }
    ratio_interval(TURNS, each[0], each[1], seed, low, high);
}

static double faster_by_threads(const setting *x, double *out)
{
    double high;
    speed_up(x->seed, SCHEDULE_THREADS, out, &high);
    return 0;
}

static double faster_by_turns(const setting *x, double *out)
{
    double high;
    speed_up(x->seed, SCHEDULE_SERIAL, out, &high);
    return 0;
}

static void page_of_speed(const setting *x, FILE *out)
{
    double low, high;
    speed_up(x->seed, SCHEDULE_THREADS, &low, &high);
    fprintf(out, "CartPole-v1, steps a second of two workers over those of one, %d turns each, 95 %% interval:\n"
            "  two threads                 %.2f .. %.2f\n", TURNS, low, high);
    speed_up(x->seed, SCHEDULE_SERIAL, &low, &high);
    fprintf(out, "  one thread acts for both    %.2f .. %.2f\n", low, high);
}

/* A3C-22  speed-ups of two threads, time to a return of 195 and steps to it: lower ends */
/* of one thread to a mark over those of so many to a mark of theirs */
static double to_marks(const setting *x, double mark, int threads, double their_mark, double *out)
{
    double took[2][TO_MARK], steps[2][TO_MARK], high;
    for (int k = 0; k < TO_MARK; k++)
        for (int n = 0; n < 2; n++)
            took[n][k] = seconds(x->seed + (uint64_t)k, n ? threads : 1, SCHEDULE_THREADS, 10 * TIMED_STEPS,
                                 n ? their_mark : mark, &steps[n][k]);
    ratio_interval(TO_MARK, took[0], took[1], x->seed, &out[0], &high);
    ratio_interval(TO_MARK, steps[0], steps[1], x->seed, &out[1], &high);
    return 0;
}

static double to_the_mark(const setting *x, double *out)      { return to_marks(x, LOW_MARK, 2, LOW_MARK, out); }
static double to_a_lower_mark(const setting *x, double *out)  { return to_marks(x, MARK, 1, LOWER_MARK, out); }

static double of_one_step_Q(const setting *x, double *out) { (void)x; return fill(2, 2 * 24.1 / 16, out); }

/* ---- A3C-31: version lag ---- */

enum { LAGS = 3, LAG_STEPS = 20000 };
static const int lag_workers[LAGS] = { 2, 4, 8 };

/* A3C-31  the mean lag of all updates but the first N, and its standard error were they independent */
static double mean_lag(uint64_t seed, int workers, int kind, double *error)
{
    mdp *M = mdp_builtin("E5x");
    a3c_config c = table(workers, 0.01);
    c.schedule = kind;
    run *r = measured_run(env_mdp_new(M), a3c, &c, seed, LAG_STEPS, INFINITY);
    long updates = 0, copied[SCHEDULE_MAX_WORKERS] = { 0 };
    double sum = 0, squares = 0, n = 0;
    for (const char *e = r->schedule; *e; e++) {
        if (*e >= 'a') copied[*e - 'a'] = updates;
        else if (*e >= 'A' && updates++ >= workers) {
            double lag = (double)(updates - 1 - copied[*e - 'A']);
            sum += lag, squares += lag * lag, n++;
        }
    }
    *error = sqrt((squares / n - sum / n * sum / n) / n);
    measured_free(r);
    mdp_free(M);
    return sum / n;
}

static double none_and_three(const setting *x, double *out)
{
    (void)x;
    for (int i = 0; i < LAGS; i++) out[i] = 0, out[LAGS + i] = 3;
    return 0;
}

static double lags(uint64_t seed, int even, int drawn, double *out)
{
    for (int i = 0; i < LAGS; i++) {
        double error, expected = lag_workers[i] - 1;
        out[i] = fabs(mean_lag(seed, lag_workers[i], even, &error) - expected);
        out[LAGS + i] = fabs(mean_lag(seed, lag_workers[i], drawn, &error) - expected) / fmax(error, 1e-3);
    }
    return 0;
}

static double lags_of_overlap(const setting *x, double *out)
{
    return lags(x->seed, SCHEDULE_STALE, SCHEDULE_RANDOM, out);
}

static double lags_in_turn(const setting *x, double *out)
{
    return lags(x->seed, SCHEDULE_SERIAL, SCHEDULE_SERIAL, out);
}

static void page_of_lags(const setting *x, FILE *out)
{
    enum { SHOWN = 10 };
    static const struct { const char *name; int kind; } how[] = { { "drawn evenly", SCHEDULE_RANDOM },
                                                                  { "threads, here", SCHEDULE_THREADS } };
    long lag[SHOWN + 1];
    mdp *M = mdp_builtin("E5x");
    fprintf(out, "4 workers: updates made so many updates after their copy (%d: or more)\n%16s", SHOWN, "");
    for (int k = 0; k <= SHOWN; k++) fprintf(out, " %6d", k);
    for (int i = 0; i < 2; i++) {
        a3c_config c = table(4, 0.01);
        c.schedule = how[i].kind;
        run *r = measured_run(env_mdp_new(M), a3c, &c, x->seed, LAG_STEPS, INFINITY);
        schedule_lags(r->schedule, SHOWN, lag);
        fprintf(out, "\n%16s", how[i].name);
        for (int k = 0; k <= SHOWN; k++) fprintf(out, " %6ld", lag[k]);
        measured_free(r);
    }
    fprintf(out, "\nThreads that share few processors run for long stretches without the others: lags are 0, and"
            " now and then\nvery large.\n");
    mdp_free(M);
}

/* ---- A3C-32: steps in all to a return of 195, orders drawn from the seed ---- */

enum { TASKS = 10 };

/* A3C-32  the ends of the ratio of steps, four workers to their mark over one to its own */
static void steps_ratio(uint64_t seed, double mark, double mark_of_one, double *low, double *high)
{
    double steps[2][TASKS];
    a3c_config c = a3c_defaults;
    c.schedule = SCHEDULE_RANDOM;
    c.hidden = (widths){ 1, { 32 } };
    for (int k = 0; k < TASKS; k++)
        for (int n = 0; n < 2; n++) {
            c.workers = n ? 4 : 1;
            run *r = measured_run(measured_env("CartPole-v1"), a3c, &c, seed + (uint64_t)k, 300000,
                                  n ? mark : mark_of_one);
            steps[n][k] = (double)r->steps;
            measured_free(r);
        }
    ratio_interval(TASKS, steps[1], steps[0], seed, low, high);
}

static double four_over_one(const setting *x, double *out)
{
    double high;
    steps_ratio(x->seed, LOW_MARK, LOW_MARK, &out[0], &high);
    out[1] = 0.5;
    return 0;
}

static double half(const setting *x, double *out)
{
    double low;
    out[0] = 0.5;
    steps_ratio(x->seed, LOWER_MARK, MARK, &low, &out[1]);
    return 0;
}

/* ---- A3C-24: four methods on one task ---- */

enum { METHOD_SEEDS = 10, METHOD_STEPS = 20000, METHOD_LIMIT = 50 };

/* A3C-24  how many of ten runs have 95 % of the optimum; Q's policies are greedy */
static double methods(uint64_t seed, bool learn, double *out)
{
    async_q_config q = async_q_defaults;
    async_sarsa_config sarsa = async_sarsa_defaults;
    nstep_q_config n = nstep_q_defaults;
    a3c_config c = scaled_table(2, learn ? 0.02 : 0);
    q.hidden = sarsa.hidden = n.hidden = (widths){ 0 };
    q.gamma = sarsa.gamma = n.gamma = 0.9;
    q.lr = sarsa.lr = n.lr = learn ? 0.01 : 0;
    q.anneal_steps = sarsa.anneal_steps = n.anneal_steps = METHOD_STEPS / 2;
    q.target_every = sarsa.target_every = n.target_every = 100;
    const struct { void (*train)(run *, const void *); const void *config; double scale; } of[] = {
        { async_q, &q, 1e6 }, { async_sarsa, &sarsa, 1e6 }, { nstep_q, &n, 1e6 }, { a3c, &c, 1 } };
    mdp *M = mdp_builtin("chain:5");
    for (int i = 0; i < 4; i++) {
        out[i] = 0;
        for (int k = 0; k < METHOD_SEEDS; k++) {
            env *e = env_mdp_new(M);
            e->limit = METHOD_LIMIT;
            run *r = measured_run(e, of[i].train, of[i].config, seed + (uint64_t)k, METHOD_STEPS, INFINITY);
            for (int j = 0; j < (M->nS + 1) * M->nA; j++) r->theta[j] *= of[i].scale;
            out[i] += part_of_optimum(M, r->theta) >= 0.95;
            measured_free(r);
        }
    }
    mdp_free(M);
    return 0;
}

static double methods_learning(const setting *x, double *out) { return methods(x->seed, true, out); }
static double methods_at_rest(const setting *x, double *out)  { return methods(x->seed, false, out); }

const derivation asynchrony_measured[] = {
    { "A3C-10", "A3C learns, with 1, 2, 4 and 8 threads",
      "J/J* on chain:5, then mean return on CartPole-v1 / 475, N = 1, 2, 4, 8", eight, unit_of_one, NULL, NULL, {
        { "0.95,\\quad1", "of the optimum; of the mark within 400000 steps", the_marks },
        { "\\ge", "the control: alpha = 0", reached_at_rest, AT_MOST },
        { "\\le", "threads with locks on the chain, without on CartPole-v1", reached_learning, AT_LEAST } },
      "chain:5, tables, 20000 steps; CartPole-v1, the defaults", .trains = 30 },
    { "A3C-17", "Hogwild!: without locks as good as with them, where alpha is small; staleness grows with alpha",
      "|difference of mean J| in standard errors; staleness at alpha = .001 over that at .002", count_two,
      unit_of_one, NULL, NULL, {
        { "4,\\quad0.6", "20 seeds each; a median of 21", .is = { 4, 0.6 } },
        { "\\ge|\\bar J_{locks}-\\bar J_{none}|/\\mathrm{s.e.},\\quad\\rho(\\alpha)/\\rho(2\\alpha)",
          "4 threads, alpha = .02; rho: a round from one theta against one after the other", locks_matter,
          AT_MOST },
        { "\\le|\\bar J_\\alpha-\\bar J_{\\alpha/4}|/\\mathrm{s.e.},\\quad1",
          "the control: three of four updates lost; the same alpha twice", lost_updates_matter, AT_LEAST } },
      "E5x, tables, plain steps, 4000 steps", page_of_staleness, .trains = 2 },
    { "A3C-20", "workers see more of the states and actions in as many steps of each",
      "distinct (s,a), mean of 20 seeds",
      count_one, unit_of_one, NULL, NULL, {
        { "\\#_1", "one worker, 100 steps", seen_by_one },
        { "\\le\\#_4", "four workers, 100 steps of each", seen_by_four, AT_LEAST },
        { "=\\#", "the control: four workers with one worker's random streams see what it sees",
          seen_by_copies } },
      "FrozenLake8x8-v1, actions drawn evenly", page_of_pairs, .trains = 0.1 },
    { "A3C-21", "several agents learn faster in time", "steps a second of two workers over those of one",
      count_one, unit_of_one,
      one_processor, NULL, {
        { "1", "", .is = { 1 } },
        { "\\le", "two threads: the lower end of a 95 % interval", faster_by_threads, AT_LEAST },
        { "\\ge", "the control: one thread acts for both: the lower end", faster_by_turns, AT_MOST } },
      "CartPole-v1, the defaults, 30000 steps, 9 runs each in turn", page_of_speed, .trains = 40 },
    { "A3C-22", "no super-linear speed-up is seen",
      "time and steps to a return of 195, one thread over two: lower ends",
      count_two, unit_of_one, NULL, NULL, {
        { "2", "linear", .is = { 2, 2 } },
        { "\\ge", "8 runs each; lower ends of 95 % intervals", to_the_mark, AT_MOST },
        { "\\le", "the control: a return of 475 over one of 25, one thread each. More than 2 would be seen",
          to_a_lower_mark, AT_LEAST },
        { "2\\cdot24.1/16",
          "002 l.28 says of the framework what the paper's table has for one-step Q-learning, 24.1 with 16 threads;"
          " A3C's is 12.5 there", of_one_step_Q, DIFFERS, "ERR-21" } },
      "CartPole-v1, the defaults", .trains = 30 },
    { "A3C-24", "one scheme, four methods: on- and off-policy, values and policies, all learn",
      "of ten runs: Q-learning, SARSA, n-step Q, A3C", four, unit_of_one, NULL, NULL, {
        { "9", "of ten", .is = { 9, 9, 9, 9 } },
        { "\\ge", "the control: alpha = 0", methods_at_rest, AT_MOST },
        { "\\le\\#\\{J\\ge.95J^*\\}", "2 threads, tables, 20000 steps", methods_learning, AT_LEAST } },
      "chain:5, episodes of at most 50 steps", .trains = 3 },
    { "A3C-31", "some workers act with older parameters: N - 1 versions, on average",
      "mean lag less N - 1, N = 2, 4, 8: in equal pace; then drawn, in standard errors", six, unit_of_one, NULL,
      NULL, {
        { "0,\\quad3", "N - 1 are the others' updates, one each", none_and_three },
        { "\\ge|\\bar l-(N-1)|,\\quad|\\bar l-(N-1)|/\\mathrm{s.e.}",
          "in equal pace, and where the next is drawn evenly", lags_of_overlap, AT_MOST },
        { "\\le|0-(N-1)|", "the control: one after the other, nobody's theta is old", lags_in_turn, AT_LEAST } },
      "E5x", page_of_lags, .trains = 2 },
    { "A3C-32", "more workers do not need fewer steps in all",
      "steps of four workers over those of one to a return of 195, the lower end; then a half", count_two,
      unit_of_one, NULL, NULL, {
        { "N=4:N=1,\\quad0.5", "ten runs each; ends of a 95 % interval", four_over_one },
        { "\\ge0.5,\\quad\\ge N=4:N=1\\ \\text{to returns of 25, 475}",
          "not even half; and the control: an easier mark for the four, the upper end. Less than half is seen",
          half, AT_MOST },
        { "1/4",
          "000 l.241-243: parallel learning improves the low sample efficiency. What falls is each worker's share,"
          " and time; data is thrown away as before", NULL, DIFFERS, "ERR-23", .is = { 0.25, 0.5 } } },
      "CartPole-v1, 32 tanh units; whose turn it is is drawn", .trains = 40 },
    { .id = NULL }
};
