/* `ascent train ALGORITHM --env ID --steps N --seed K --out DIR`: a run in a folder, begun or gone on with. */
#include <float.h>
#include <inttypes.h>
#include <limits.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "algorithms/commands.h"
#include "algorithms/experiment.h"
#include "algorithms/processes.h"
#include "algorithms/progress.h"
#include "algorithms/run_folder.h"
#include "algorithms/schedule.h"
#include "algorithms/whole_file.h"
#include "autodiff/json.h"
#include "autodiff/options.h"
#include "autodiff/random.h"
#include "autodiff/require.h"

enum { SETTINGS = 64 };
static const long MOST_STEPS = LONG_MAX / 2;
static const uint64_t MOST_SEED = INT64_MAX - 100000;       /* what JSON can hold, with --seeds beyond it */

struct asked {
    const char *env, *steps, *until, *seed, *seeds, *out, *limit, *save_every, *replay;
    const char *set[SETTINGS];      /* name=value, up to the first NULL */
    bool resume, quiet;
};

/* config.json could not hold it otherwise. */
static void require_utf8(const char *id)
{
    json_t *text = json_text(id);
    if (strcmp(json_string_value(text), id) != 0) bad_input("--env: expected text in UTF-8");
    json_decref(text);
}

/* The setting of this name; its own name is NULL where there is none. */
static const config_field *field_of(const algorithm *a, const char *name)
{
    const config_field *f = a->fields;
    while (f->name && strcmp(f->name, name) != 0) f++;
    return f;
}

/* Who of mpirun's processes this is, and how many they are; 0 of 0 for an algorithm of one process */
static int mpi_rank(const algorithm *a, int *n)
{
    int rank = *n = 0;
    if (field_of(a, "processes")->name) mpi_started(&rank, n);
    return rank;
}

/* mpirun -n K: processes = K, unless --set says something else */
static void take_processes(experiment *x)
{
    int n;
    char setting[64];
    mpi_rank(x->algorithm, &n);
    snprintf(setting, sizeof setting, "processes=%d", n);
    if (n) config_set(x->algorithm->fields, x->config, "mpirun -n", setting);
}

/* What was asked anew */
static experiment *asked_for(const struct asked *q, const char *name)
{
    const algorithm *a = algorithm_to_train(name);
    if (!q->env) bad_input("train: expected --env ID");
    require_utf8(q->env);
    experiment *x = experiment_new(a, q->env);
    experiment_take_file(x);
    if (q->limit) x->limit = (int)options_whole("--limit", q->limit, 0, INT_MAX);
    x->seed = q->seed ? options_seed("--seed", q->seed) : 1;
    if (x->seed > MOST_SEED) bad_input("--seed: expected at most %" PRIu64 ", found %s", MOST_SEED, q->seed);
    x->steps = q->steps ? options_whole("--steps", q->steps, 1, MOST_STEPS) : 100000;
    take_processes(x);
    for (int i = 0; i < SETTINGS && q->set[i]; i++)
        config_set(x->algorithm->fields, x->config, "--set", q->set[i]);
    return x;
}

static void require_same(const char *folder, const char *what, const char *its, const char *given)
{
    if (given && strcmp(its, given) != 0)
        bad_input("%s/config.json: expected the %s of the run, %s, found %s", folder, what, its, given);
}

/* What the folder was begun with; what is asked again must be the same, but for more steps. */
static experiment *resumed(const struct asked *q, const char *folder, const char *name)
{
    char number[32];
    experiment *x = experiment_read(folder);
    require_same(folder, "algorithm", x->algorithm->name, name);
    require_same(folder, "environment", x->env, q->env);
    snprintf(number, sizeof number, "%" PRIu64, x->seed);
    if (q->seed && options_seed("--seed", q->seed) != x->seed) require_same(folder, "seed", number, q->seed);
    snprintf(number, sizeof number, "%d", x->limit);
    if (q->limit && options_whole("--limit", q->limit, 0, INT_MAX) != x->limit)
        require_same(folder, "limit", x->limit == ENV_OWN_LIMIT ? "environment's own" : number, q->limit);
    char *before = experiment_text(x, EXPERIMENT_IDENTITY);
    for (int i = 0; i < SETTINGS && q->set[i]; i++) {
        config_set(x->algorithm->fields, x->config, "--set", q->set[i]);
        char *given = experiment_text(x, EXPERIMENT_IDENTITY);
        if (strcmp(before, given) != 0)
            bad_input("%s/config.json: expected the settings of the run, found --set %s", folder, q->set[i]);
        free(given);
    }
    free(before);
    if (q->steps) x->steps = options_whole("--steps", q->steps, x->steps, MOST_STEPS);
    return x;
}

/* A setting's value as text; "" where there is none of that name */
static void setting_text(const experiment *x, const char *name, char value[CONFIG_VALUE])
{
    const config_field *f = field_of(x->algorithm, name);
    *value = 0;
    if (f->name) config_value(f, x->config, value);
}

/* Who says whose turn it is; without a name where there are no workers */
static const config_field *schedule_field(const algorithm *a) { return field_of(a, "schedule"); }

static bool replays(const experiment *x)
{
    char value[CONFIG_VALUE];
    setting_text(x, "schedule", value);
    return strcmp(value, schedules[SCHEDULE_REPLAY]) == 0;
}

/* The run of a folder, to be done again in the order of its workers' turns */
static void follow_schedule(experiment *x, const char *folder)
{
    if (!schedule_field(x->algorithm)->name)
        bad_input("%s: expected a run of workers, found one of %s", folder, x->algorithm->name);
    config_set(x->algorithm->fields, x->config, "--replay", "schedule=replay");
}

/* runs/ALGORITHM-ENV, and the seed behind it if there is one only */
static char *default_folder(const experiment *x, bool one)
{
    const char *slash = strrchr(x->env, '/'), *name = slash ? slash + 1 : x->env;
    size_t n = strlen(x->algorithm->name) + strlen(name) + 64;
    char *path = allocate(n, 1, "the name of a folder");
    int end = snprintf(path, n, "runs/%s-%s", x->algorithm->name, name);
    if (one) snprintf(path + end, n - (size_t)end, "-%" PRIu64, x->seed);
    return path;
}

static char *seed_folder(const char *folder, uint64_t seed)
{
    char name[32];
    snprintf(name, sizeof name, "seed-%" PRIu64, seed);
    return path_of(folder, name);
}

/* The step of the first update, the first multiple of update_every (1) beyond start_steps, of an algorithm that
 * only watches at first; else 0 */
static long first_update(const experiment *x)
{
    char start[CONFIG_VALUE], every[CONFIG_VALUE];
    setting_text(x, "start_steps", start);
    setting_text(x, "update_every", every);
    if (!*start) return 0;
    long n = *every ? strtol(every, NULL, 10) : 1;
    return (strtol(start, NULL, 10) / n + 1) * n;
}

/* Whoever solves the environment discounts by its own gamma, if it has one; here the setting decides. */
static void note_gamma(const experiment *x, const env *e, char *note, size_t size)
{
    char own[PROGRESS_NUMBER], gamma[CONFIG_VALUE];
    setting_text(x, "gamma", gamma);
    progress_number(own, e->gamma);
    *note = 0;
    if (*gamma && !isnan(e->gamma) && strtod(gamma, NULL) != e->gamma)
        snprintf(note, size, "discounted by gamma = %s, not by that of %s, %s (--set gamma=%s)\n", gamma, e->id,
                 own, own);
}

static void print_end(const experiment *x, const run *r)
{
    printf("%ld steps, %ld episodes", r->steps, r->episodes);
    if (r->episodes > 0)
        printf(", mean return of the last %ld: %.4g", r->episodes < RUN_WINDOW ? r->episodes : (long)RUN_WINDOW,
               r->return_mean);
    if (r->steps < first_update(x))
        printf("; nothing is learnt before step %ld, by start_steps and update_every", first_update(x));
    if (r->largest_reward > 1 / DBL_EPSILON)                /* beside such a number 1 is lost */
        printf("; rewards of up to %.1e: has it diverged?", r->largest_reward);
    printf("%s\n", replays(x) && r->steps < x->steps ? "; the schedule that is replayed ends here" : "");
}

/* Before anything is written */
static void require_actions(const algorithm *a, const env *e)
{
    if (a->discrete && !e->action.n)
        bad_input("%s: expected a discrete action for %s, found a box of %d", e->id, a->name, e->action.dim);
    if (a->boxes && e->action.n)
        bad_input("%s: expected a box of actions for %s, found %d numbered ones", e->id, a->name, e->action.n);
}

static void require_schedule(const experiment *x)
{
    if (replays(x)) bad_input("--set schedule=replay: expected --replay DIR, the run to be done again");
}

static void require_size(const env *e)
{
    int outputs = e->action.n ? e->action.n : e->action.dim, most = NETWORK_MAX_SIZE;
    if (e->observation.dim > most || outputs > most)
        bad_input("%s: expected at most %d numbers in an observation and %d actions, found %d and %d", e->id, most,
                  most, e->observation.dim, outputs);
}

/* Do episodes end? One with actions at random, in an environment without a time limit; before anything is written.
 * Where the algorithm needs no end, --limit 0 says that none is wanted. */
static void require_end(const experiment *x)
{
    env *e = experiment_env(x);
    gsl_rng *rng = random_stream(x->seed, 0, RANDOM_TEST);
    double *a = allocate((size_t)e->action.dim, sizeof *a, "an action"), r;
    bool terminated, truncated;
    env_reset(e, rng);
    while (e->limit == ENV_NO_LIMIT && !e->over && e->t < ROLLOUT_EPISODE_MAX) {
        if (e->action.n) a[0] = (double)gsl_rng_uniform_int(rng, (unsigned long)e->action.n);
        env_step(e, a, &r, &terminated, &truncated);
    }
    if (e->limit == ENV_NO_LIMIT && !e->over)
        bad_input("%s: expected an episode to end within %d steps; --limit T cuts it off%s", e->id,
                  ROLLOUT_EPISODE_MAX, x->algorithm->episodic ? "" : ", --limit 0 goes on without a return");
    free(a);
    gsl_rng_free(rng);
    env_free(e);
}

static void train(const experiment *x, const char *folder, run_manner manner, double until)
{
    env *e = experiment_env(x);
    require_size(e);
    require_actions(x->algorithm, e);
    if (!manner.resumed && !manner.replay) require_schedule(x);
    char *config = experiment_text(x, EXPERIMENT_WHOLE), *identity = experiment_text(x, EXPERIMENT_IDENTITY);
    if (!manner.resumed && !manner.replay && (x->algorithm->episodic || x->limit == ENV_OWN_LIMIT)) require_end(x);
    if (!manner.resumed && x->algorithm->check) x->algorithm->check(x->config);
    if (manner.replay) schedule_bring(manner.replay, NULL);
    char note[512];
    if (!manner.resumed) note_gamma(x, e, note, sizeof note), manner.note = note;
    run *r = run_new(x->algorithm->name, e, x->seed, x->steps);
    r->until = until;
    int n;
    bool others = mpi_rank(x->algorithm, &n) > 0;           /* the folder is rank 0's */
    if (!others) run_in_folder(r, folder, config, identity, manner);
    x->algorithm->train(r, x->config);
    if (!manner.quiet && !others) print_end(x, r);
    run_free(r);
    free(config);
    free(identity);
    env_free(e);
}

/* Seeds K, K+1, ... one after the other, each in a folder of its own; those that were begun are gone on with. */
static void train_seeds(const struct asked *q, const char *name, experiment *x, const char *folder,
                        run_manner manner, double until, uint64_t seeds)
{
    for (uint64_t end = x->seed + seeds; x->seed < end; x->seed++) {
        char *own = seed_folder(folder, x->seed), *config = path_of(own, "config.json"), number[32];
        run_manner m = manner;
        m.resumed = manner.resumed && access(config, F_OK) == 0;
        if (m.resumed) {
            struct asked its = *q;
            snprintf(number, sizeof number, "%" PRIu64, x->seed);
            its.seed = number;
            experiment *begun = resumed(&its, own, name);
            train(begun, own, m, until);
            experiment_free(begun);
        } else train(x, own, m, until);
        free(config);
        free(own);
    }
}

/* Of one algorithm, or of all. Into an array: the program may end in the midst of its use. */
static void about(char *text, size_t size, const char *name)
{
    const algorithm *one = algorithms;
    while (one->name && (!one->train || !name || strcmp(one->name, name) != 0)) one++;
    FILE *out = fmemopen(text, size, "w");
    if (!out) out_of_memory(0, "a text of help");
    fprintf(out, "Trains in a folder with config.json, progress.csv (steps,episodes,return_mean,...), timing.csv\n"
                 "and checkpoint, from which --resume --out DIR goes on bit for bit, to more steps if --steps\n"
                 "says so. An update is done whole: there may be a few steps more than --steps.\n\n%s\n",
            one->name ? "What --set can change:"
                      : "algorithms, and what --set can change (`ascent train NAME --help`: of one):");
    for (const algorithm *a = algorithms; a->name; a++) {
        if (!a->train || (one->name && a != one)) continue;
        fprintf(out, "\n%s: %s\n", a->name, a->about);
        config_help(out, a->fields, a->defaults);
        if (one->name && schedule_field(a)->name)
            fprintf(out, "\nThe schedules serial, stale, random are one thread's: a worker's parameters are 0, N - 1,"
                         " or N - 1 on average,\nupdates old. replay: by --replay DIR alone.\n");
    }
    long n = ftell(out);
    if (ferror(out) || fclose(out) != 0) out_of_memory(0, "a text of help");
    require(0 < n && n < (long)size, "a text of help of %ld bytes", n);
    text[n - 1] = 0;                            /* its last newline */
}

int train_command(int argc, char **argv)
{
    struct asked q = { 0 };
    const option table[] = {
        { "--env", "ID", "environment: an id, a built-in MDP or a file of one", &q.env, NULL },
        { "--steps", "N", "steps of the environment (100000)", &q.steps, NULL },
        { "--until", "R", "end when the mean return of the last 100 episodes is R; --resume goes on", &q.until,
          NULL },
        { "--seed", "K", "all random numbers follow from it (1)", &q.seed, NULL },
        { "--seeds", "N", "N runs, of seeds K, K+1, ..., in DIR/seed-K, ...", &q.seeds, NULL },
        { "--out", "DIR", "new or empty (runs/ALGORITHM-ENV-SEED)", &q.out, NULL },
        { "--resume", NULL, "go on in DIR; needs nothing else", NULL, &q.resume },
        { "--replay", "DIR", "the run of DIR again, its workers' turns in the order they had", &q.replay, NULL },
        { "--set", "NAME=VALUE", "of the algorithm's settings; any number of them", q.set, NULL, SETTINGS },
        { "--limit", "T", "steps of an episode, 0: no limit (the environment's own)", &q.limit, NULL },
        { "--save-every", "S", "seconds between checkpoints, 0: one after each update (10)", &q.save_every, NULL },
        { "--quiet", NULL, "print errors only", NULL, &q.quiet },
        { NULL }
    };
    char text[1 << 15];
    about(text, sizeof text, argc > 1 ? argv[1] : NULL);
    int left = options_parse(argc, argv, "train ALGORITHM --env ID [--out DIR] [--resume] ...", text, table);
    if (left > 1) bad_input("train: expected one algorithm, found %s", argv[2]);
    if (q.resume && !q.out) bad_input("train: expected --out DIR beside --resume");
    if (q.replay && (q.resume || q.seeds || !q.out)) bad_input("train: expected --out DIR alone beside --replay");
    if (!q.resume && !q.replay && left < 1) bad_input("train: expected an algorithm");
    run_manner manner = { .resumed = q.resume, .quiet = q.quiet, .replay = q.replay,
                          .save_every = q.save_every ? options_number("--save-every", q.save_every, 0, 1e9) : 10 };
    double until = q.until ? options_number("--until", q.until, -1e300, 1e300) : INFINITY;
    uint64_t seeds = q.seeds ? (uint64_t)options_whole("--seeds", q.seeds, 1, 100000) : 0;
    char *first = q.resume && seeds ? seed_folder(q.out, q.seed ? options_seed("--seed", q.seed) : 1) : NULL;
    const char *begun = q.replay ? q.replay : !q.resume ? NULL : first ? first : q.out;
    experiment *x = begun ? resumed(&q, begun, left ? argv[1] : NULL) : asked_for(&q, argv[1]);
    if (q.replay) follow_schedule(x, q.replay);
    char *folder = q.out ? NULL : default_folder(x, !seeds);
    if (seeds) train_seeds(&q, left ? argv[1] : NULL, x, q.out ? q.out : folder, manner, until, seeds);
    else       train(x, q.out ? q.out : folder, manner, until);
    free(folder);
    free(first);
    experiment_free(x);
    mpi_end();
    return EXIT_HELD;
}
