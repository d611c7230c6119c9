/* What was asked of a run: config.json of its folder. */
#ifndef ASCENT_EXPERIMENT_H
#define ASCENT_EXPERIMENT_H

#include "algorithms/algorithm.h"

typedef struct {
    const algorithm *algorithm;
    char *env;              /* its id */
    int limit;              /* steps of an episode, ENV_NO_LIMIT or ENV_OWN_LIMIT */
    uint64_t seed;
    long steps;             /* wanted: the one number that may grow */
    void *config;           /* the algorithm's own */
} experiment;

experiment *experiment_new(const algorithm *a, const char *env);        /* with defaults */
void        experiment_free(experiment *x);                             /* NULL is fine */
env        *experiment_env(const experiment *x);                        /* made; or exit 2 */

/* As config.json; to be freed. The identity is the same but for `steps`; a kind but for `seed`, too. */
enum experiment_text { EXPERIMENT_WHOLE, EXPERIMENT_IDENTITY, EXPERIMENT_KIND };
char       *experiment_text(const experiment *x, enum experiment_text which);
/* Exit 2, naming file and what was expected */
experiment *experiment_read(const char *folder);
experiment *experiment_parse(const char *path, const char *text, size_t n);

#endif
