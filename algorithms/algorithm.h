/* What `train`, `eval`, `explain` and `watch` know of an algorithm: its config struct, field by field, and its
 * functions. algorithm.c has the list. */
#ifndef ASCENT_ALGORITHM_H
#define ASCENT_ALGORITHM_H

#include <stddef.h>
#include <stdio.h>

#include "algorithms/improvement.h"
#include "algorithms/run.h"

/* Hidden layers, from the input on */
typedef struct { int layers, width[NETWORK_MAX_LAYERS - 1]; } widths;

/* A field of the config struct, as `--set name=value` writes it and config.json keeps it. */
enum config_kind {
    CONFIG_REAL,            /* double in [low, high] */
    CONFIG_WHOLE,           /* long in [low, high] */
    CONFIG_CHOICE,          /* int, index of the value in `choices` */
    CONFIG_WIDTHS           /* widths: 64,64, or 0 for none */
};
typedef struct {
    const char *name;       /* NULL ends a table */
    enum config_kind kind;
    size_t at;              /* offsetof(.._config, field) */
    double low, high;
    const char *const *choices;     /* NULL ends them */
    const char *about;      /* symbol, meaning, where the default comes from */
} config_field;

typedef struct {
    const char *name, *about;
    size_t config_size;
    const void *defaults;
    const config_field *fields;
    void (*train)(run *r, const void *config);                      /* begins, updates and ends the run */
    policy (*policy)(const env *e, const void *config);             /* who acts; its theta is kept as "theta" */
    /* One update on a small problem, with its numbers: each line with its id. */
    void (*explain)(FILE *out, const void *config, uint64_t seed);
    bool episodic;                          /* learns from whole episodes: they must end */
    bool discrete;                          /* has a number for each action: no boxes */
    bool boxes;                             /* differentiates Q in the action: boxes only */
    void (*check)(const void *config);      /* or NULL; exit 2 for settings that do not go together */
    /* Instead of train and policy: x to pi_new [nS x nA]; one more row of `ascent improve` (improvement.h) */
    improvement (*improve)(const void *config, const exact_table *x, double *pi_new);
    const char *step;                       /* what improvement.step is */
    bool discounted;                        /* gamma < 1: what it promises has 1/(1-gamma)^2 in it */
} algorithm;

extern const algorithm algorithms[];                                /* algorithm.c; ends at name NULL */
const algorithm *algorithm_find(const char *name);                  /* or exit 2 */
const algorithm *algorithm_to_train(const char *name);              /* the same, and exit 2 for one on exact tables */
const algorithm *algorithm_on_tables(const char *name);             /* the same, and exit 2 for any other */

/* ---- config.c: values as text, `0.99`, `on`, `64,64` ---- */
enum { CONFIG_VALUE = 64 };
void config_value(const config_field *f, const void *config, char text[CONFIG_VALUE]);
/* Sets the field that `name=value` names; mistakes end in exit 2, with `who` in front of what was expected. */
void config_set(const config_field *fields, void *config, const char *who, const char *assignment);
void config_help(FILE *out, const config_field *fields, const void *defaults);      /* a line for each field */

extern const char *const config_activations[];                      /* "linear", "tanh", "relu": ad_activation */
extern const char *const config_switch[];                           /* "off", "on" */

#endif
