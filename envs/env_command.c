/* `ascent env`: the environments, their checks, single steps from a file, and finite MDPs as files. */
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "autodiff/options.h"
#include "autodiff/random.h"
#include "autodiff/require.h"
#include "envs/commands.h"
#include "envs/env.h"
#include "envs/env_checker.h"
#include "envs/mdp.h"
#include "envs/transitions.h"

static env *open_env(const char *id, int limit)
{
    char error[2048];
    env *e = env_make(id, limit, error, sizeof error);
    if (!e) bad_input("%s", error);
    return e;
}

/* ---- --list ---- */

struct text { char at[64]; };

static struct text space_text(const env_space *space)
{
    struct text t;
    if (space->n > 0) snprintf(t.at, sizeof t.at, "0..%d", space->n - 1);
    else if (space->dim == 1) snprintf(t.at, sizeof t.at, "[%.4g, %.4g]", space->low[0], space->high[0]);
    else snprintf(t.at, sizeof t.at, "R^%d", space->dim);
    return t;
}

/* Without a limit, a finite MDP without an absorbing state or a regulator: no episode ends. */
static bool goes_on(const env *e)
{
    char error[2048];
    if (e->limit != ENV_NO_LIMIT) return false;
    if (e->observation.n == 0) return !isnan(e->gamma);
    mdp *M = mdp_open(e->id, error, sizeof error);
    bool found = M != NULL;
    for (int s = 0; found && s < M->nS; s++) found = !mdp_absorbing(M, s);
    mdp_free(M);
    return found;
}

static int list(void)
{
    int n = 0;
    while (env_id(n)) n++;
    env **e = allocate((size_t)n, sizeof *e, "environments");
    bool *never = allocate((size_t)n, sizeof *never, "environments");
    for (int i = 0; i < n; i++) {
        e[i] = open_env(env_id(i), ENV_OWN_LIMIT);
        never[i] = goes_on(e[i]);
    }
    printf("%-28s %-12s %-14s %6s %10s\n", "id", "actions", "observations", "limit", "threshold");
    for (int i = 0; i < n; i++) {
        char limit[16], threshold[16] = "-";
        strcpy(limit, never[i] ? "never" : "-");
        if (e[i]->limit != ENV_NO_LIMIT) snprintf(limit, sizeof limit, "%d", e[i]->limit);
        if (!isnan(e[i]->threshold)) snprintf(threshold, sizeof threshold, "%g", e[i]->threshold);
        printf("%-28s %-12s %-14s %6s %10s\n", e[i]->id, space_text(&e[i]->action).at,
               space_text(&e[i]->observation).at, limit, threshold);
        env_free(e[i]);
    }
    free(never);
    free(e);
    puts("\nlimit: steps of an episode; -: none, it ends by itself; never: it does not, and\n"
         "`train` needs --limit T.");
    return EXIT_HELD;
}

/* ---- --transitions ---- */

/* What the steps lead to: for each row next state [state_n], observation [dim], reward, terminated, truncated. */
static double *take_steps(env *e, const transitions *x, const char *path, uint64_t seed, size_t width)
{
    double *out = allocate((size_t)x->n * width, sizeof *out, "steps");
    gsl_rng *rng = random_stream(seed, 0, RANDOM_TRAJECTORY);
    for (int i = 0; i < x->n; i++) {
        double *state = out + (size_t)i * width, *obs = state + e->state_n, *reward = obs + e->observation.dim;
        bool terminated, truncated;
        env_restore(e, rng, x->state + i * e->state_n, x->t[i]);
        env_step(e, x->action + i * e->action.dim, reward, &terminated, &truncated);
        memcpy(state, e->state, (size_t)e->state_n * sizeof *state);
        memcpy(obs, e->obs, (size_t)e->observation.dim * sizeof *obs);
        reward[1] = terminated;
        reward[2] = truncated;
        for (size_t k = 0; k < width; k++)
            if (!isfinite(state[k])) numerical_failure("%s:%d: a step to %g", path, x->line[i], state[k]);
    }
    gsl_rng_free(rng);
    return out;
}

static int print_transitions(env *e, const char *path, uint64_t seed)
{
    char error[2048];
    transitions *x = transitions_read(path, e, error, sizeof error);
    if (!x) bad_input("%s", error);
    size_t width = (size_t)(e->state_n + e->observation.dim + 3);
    double *out = take_steps(e, x, path, seed, width);
    char name[32];
    for (int i = 0; i < e->state_n; i++) env_state_name(e, i, name), printf("next_%s,", name);
    for (int i = 0; i < e->observation.dim; i++) printf("obs%d,", i);
    printf("reward,terminated%s\n", x->has_t ? ",truncated" : "");
    size_t columns = width - !x->has_t;
    for (int i = 0; i < x->n; i++)
        for (size_t k = 0; k < columns; k++)
            printf("%.17g%c", out[(size_t)i * width + k], k + 1 < columns ? ',' : '\n');
    free(out);
    transitions_free(x);
    return EXIT_HELD;
}

/* ---- --check, --export ---- */

static env *make_again(const void *id, int limit) { return open_env(id, limit); }

static int check(const char *id, uint64_t seed)
{
    env_free(open_env(id, ENV_OWN_LIMIT));
    return env_check(make_again, id, seed, stdout) == 0 ? EXIT_HELD : EXIT_CHECK_FAILED;
}

static int export(const char *id)
{
    char error[2048];
    mdp *M = mdp_open(id, error, sizeof error);
    if (!M) bad_input("%s", error);
    mdp_write(M, stdout);                                   /* what got lost is found by finish() */
    mdp_free(M);
    return EXIT_HELD;
}

/* ---- ---- */

static void print_env(const env *e)
{
    char name[32];
    printf("%s\n  state         %d:", e->id, e->state_n);
    for (int i = 0; i < e->state_n; i++) env_state_name(e, i, name), printf(" %s", name);
    printf("\n  actions       %s\n", space_text(&e->action).at);
    printf("  observations  %s\n", space_text(&e->observation).at);
    if (e->limit != ENV_NO_LIMIT) printf("  limit         %d steps\n", e->limit);
    else if (goes_on(e))
        printf("  limit         none, and no episode ends: `train --limit T` cuts it off\n");
    if (!isnan(e->threshold)) printf("  solved at     %g\n", e->threshold);
}

int env_command(int argc, char **argv)
{
    const char *file = NULL, *limit = NULL, *seed = "0";
    bool all = false, checks = false, writes = false;
    const option table[] = {
        { "--list", NULL, "all ids: actions, observations, time limit, mean return of a solved one", NULL, &all },
        { "--transitions", "FILE", "take the steps of a CSV file: state, action, perhaps t", &file, NULL },
        { "--check", NULL, "does it keep the promises of envs/env.h?", NULL, &checks },
        { "--export", NULL, "write a finite MDP as a .mdp file", NULL, &writes },
        { "--limit", "N", "steps of an episode instead of its own; 0: no limit", &limit, NULL },
        { "--seed", "K", "of the random numbers (0)", &seed, NULL },
        { NULL, NULL, NULL, NULL, NULL } };
    int left = options_parse(argc, argv,
        "env [ID] [--list | --transitions FILE | --check | --export] [--limit N] [--seed K]",
        "Environments: Gymnasium's classic control, a scalar LQR, and finite MDPs, built-in or from a .mdp file;\n"
        "linear-quadratic regulators from a .lqr file.\n"
        "--transitions prints next state, observation, reward, terminated and, if the file has t, truncated.",
        table);
    if (left > 1) bad_input("env: expected one ID, found %d", left);
    if (all + checks + writes + (file != NULL) > 1)
        bad_input("env: expected one of --list, --transitions, --check and --export");
    if (limit && (all || checks || writes)) bad_input("env: --limit is for --transitions, or an ID alone");
    uint64_t K = options_seed("--seed", seed);
    if (left == 0 && !checks && !writes && !file) return list();
    if (left == 0) bad_input("env: expected an ID; `ascent env --list` has them");
    if (all) bad_input("env: --list: expected no ID, found %s", argv[1]);
    if (checks) return check(argv[1], K);
    if (writes) return export(argv[1]);

    double N = limit ? options_number("--limit", limit, 0, 1e9) : ENV_OWN_LIMIT;
    if (N != floor(N)) bad_input("--limit: expected a whole number, found \"%s\"", limit);
    env *e = open_env(argv[1], (int)N);
    int status = EXIT_HELD;
    if (file) status = print_transitions(e, file, K);
    else      print_env(e);
    env_free(e);
    return status;
}
