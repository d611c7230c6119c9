/* A policy of a checkpoint, acting: see trained.h. */
#include "algorithms/trained.h"

#include <dirent.h>
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "algorithms/checkpoint.h"
#include "algorithms/whole_file.h"
#include "autodiff/random.h"
#include "autodiff/require.h"

/* config.json and the checkpoint must be of one run. */
static void require_one_run(const trained *w, const char *path)
{
    char *identity = experiment_text(w->x, EXPERIMENT_IDENTITY);
    checkpoint *c = checkpoint_open(path);
    checkpoint_text(c, "algorithm", w->x->algorithm->name);
    checkpoint_text(c, "environment", w->e->id);
    checkpoint_text(c, "configuration", identity);
    checkpoint_free(c);
    free(identity);
}

trained *trained_read(const char *folder, bool greedy)
{
    trained *w = allocate(1, sizeof *w, "a trained policy");
    char *path = path_of(folder, "checkpoint");
    size_t n = 0;
    *w = (trained){ .x = experiment_read(folder), .greedy = greedy };
    w->e = experiment_env(w->x);
    w->p = w->x->algorithm->policy(w->e, w->x->config);
    require_one_run(w, path);
    w->theta = checkpoint_find(path, "theta", &n);
    if (!w->theta) bad_input("%s: expected a vector theta, found none", path);
    if (n != (size_t)w->p.n) bad_input("%s: expected %d numbers of theta, found %zu", path, w->p.n, n);
    w->pi = actor_new(&w->p, w->theta);
    free(path);
    return w;
}

static int by_seed(const void *a, const void *b)
{
    const uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;
    return (x > y) - (x < y);
}

/* The K of the folders seed-K, in order */
static uint64_t *seeds_in(const char *folder, int *n)
{
    DIR *d = opendir(folder);
    if (!d && errno == ENOMEM) out_of_memory(0, folder);
    uint64_t *seed = NULL;
    *n = 0;
    for (struct dirent *e; d && (e = readdir(d));) {
        char name[32] = "";
        uint64_t K;
        if (sscanf(e->d_name, "seed-%" SCNu64, &K) == 1) snprintf(name, sizeof name, "seed-%" PRIu64, K);
        if (strcmp(name, e->d_name) != 0) continue;
        seed = reallocate(seed, (size_t)*n + 1, sizeof *seed, "seeds");
        seed[(*n)++] = K;
    }
    if (d) closedir(d);
    if (*n) qsort(seed, (size_t)*n, sizeof *seed, by_seed);
    return seed;
}

char **trained_folders(const char *folder, int *n)
{
    char *config = path_of(folder, "config.json"), name[32];
    bool one = access(config, F_OK) == 0;
    uint64_t *seed = one ? NULL : seeds_in(folder, n);
    if (!seed) *n = 1;
    char **folders = allocate((size_t)*n, sizeof *folders, "names of folders");
    for (int i = 0; i < *n; i++) {
        if (seed) snprintf(name, sizeof name, "seed-%" PRIu64, seed[i]);
        folders[i] = path_of(folder, seed ? name : ".");
        if (!seed) strcpy(folders[i], folder);
    }
    free(config);
    free(seed);
    return folders;
}

void trained_free(trained *w)
{
    if (!w) return;
    if (w->policy_rng) gsl_rng_free(w->policy_rng);
    actor_free(w->pi);
    free(w->theta);
    env_free(w->e);
    experiment_free(w->x);
    free(w);
}

gsl_rng *trained_reset(trained *w, uint64_t seed, int i)
{
    gsl_rng *env_rng = random_stream(seed, (uint32_t)i, RANDOM_EVALUATION_ENV);
    if (w->policy_rng) gsl_rng_free(w->policy_rng);
    w->policy_rng = random_stream(seed, (uint32_t)i, RANDOM_EVALUATION_POLICY);
    env_reset(w->e, env_rng);
    return env_rng;
}

double trained_step(trained *w)
{
    double r;
    bool terminated, truncated;
    require(w->e->action.dim <= TRAINED_ACTION, "an action of %d numbers", w->e->action.dim);
    if (w->e->limit == ENV_NO_LIMIT && w->e->t == ROLLOUT_EPISODE_MAX)
        bad_input("%s: expected an episode to end within %d steps; a run with --limit has shorter ones", w->e->id,
                  ROLLOUT_EPISODE_MAX);
    if (w->greedy) actor_mode(w->pi, w->e->obs, w->a);
    else           actor_draw(w->pi, w->policy_rng, w->e->obs, w->a);
    env_step(w->e, w->a, &r, &terminated, &truncated);
    return r;
}
