/* What was asked of a run: config.json of its folder. */
#ifndef ASCENT_EXPERIMENT_H
#define ASCENT_EXPERIMENT_H

#include "algorithms/algorithm.h"

typedef struct {
    const algorithm *algorithm;
    char *env;              /* its id, */
    char env_crc[17];       /* and if that is a file, CRC-64 of its bytes in hexadecimal; else "" */
    int limit;              /* steps of an episode, ENV_NO_LIMIT or ENV_OWN_LIMIT */
    uint64_t seed;
    long steps;             /* wanted: the one number that may grow */
    void *config;           /* the algorithm's own */
} experiment;

experiment *experiment_new(const algorithm *a, const char *env);        /* with defaults */
void        experiment_take_file(experiment *x);                        /* env_crc of what is there now */
void        experiment_free(experiment *x);                             /* NULL is fine */
/* Made; exit 2 when there is none of that name, or its file is not the one of env_crc */
env        *experiment_env(const experiment *x);

/* As config.json; to be freed. The identity is the same but for `steps`; a kind but for `seed`, too. */
enum experiment_text { EXPERIMENT_WHOLE, EXPERIMENT_IDENTITY, EXPERIMENT_KIND };
char       *experiment_text(const experiment *x, enum experiment_text which);
/* Exit 2, naming file and what was expected */
experiment *experiment_read(const char *folder);
experiment *experiment_parse(const char *path, const char *text, size_t n);

#endif
