/* config.json: see experiment.h. */
#include "algorithms/experiment.h"

#include <errno.h>
#include <inttypes.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>

#include "algorithms/whole_file.h"
#include "autodiff/json.h"
#include "autodiff/require.h"

enum { FORMAT = 1, MOST_BYTES = 1 << 16 };

experiment *experiment_new(const algorithm *a, const char *id)
{
    experiment *x = allocate(1, sizeof *x, "an experiment");
    *x = (experiment){ .algorithm = a, .limit = ENV_OWN_LIMIT, .env = allocate(strlen(id) + 1, 1, "an experiment"),
                       .config = allocate(a->config_size, 1, "an experiment") };
    strcpy(x->env, id);
    memcpy(x->config, a->defaults, a->config_size);
    return x;
}

void experiment_free(experiment *x)
{
    if (!x) return;
    free(x->env);
    free(x->config);
    free(x);
}

env *experiment_env(const experiment *x)
{
    char error[512];
    env *e = env_make(x->env, x->limit, error, sizeof error);
    if (!e) bad_input("%s", error);
    return e;
}

/* ---- writing ---- */

char *experiment_text(const experiment *x, enum experiment_text which)
{
    json_t *object = json_checked(json_object()), *config = json_checked(json_object());
    json_set(object, "format", json_integer(FORMAT));
    json_set(object, "algorithm", json_text(x->algorithm->name));
    json_set(object, "env", json_text(x->env));
    json_set(object, "limit", x->limit == ENV_OWN_LIMIT ? json_null() : json_integer(x->limit));
    if (which != EXPERIMENT_KIND) json_set(object, "seed", json_integer((json_int_t)x->seed));
    if (which == EXPERIMENT_WHOLE) json_set(object, "steps", json_integer(x->steps));
    for (const config_field *f = x->algorithm->fields; f->name; f++) {
        char value[CONFIG_VALUE];
        config_value(f, x->config, value);
        json_set(config, f->name, json_text(value));
    }
    json_set(object, "config", config);
    const size_t flags = which == EXPERIMENT_WHOLE ? JSON_INDENT(2) : JSON_COMPACT;
    size_t n = json_dumpb(object, NULL, 0, flags);
    char *text = allocate(n + 2, 1, "config.json");
    if (n == 0 || json_dumpb(object, text, n, flags) != n) out_of_memory(0, "config.json");
    if (which == EXPERIMENT_WHOLE) strcpy(text + n, "\n");
    json_decref(object);
    return text;
}

/* ---- reading ---- */

static json_t *member(const char *path, json_t *object, const char *name)
{
    json_t *x = json_object_get(object, name);
    if (!x) bad_input("%s: expected a member \"%s\"", path, name);
    return x;
}

static const char *text_of(const char *path, json_t *object, const char *name)
{
    json_t *x = member(path, object, name);
    if (!json_is_string(x) || strlen(json_string_value(x)) != json_string_length(x))
        bad_input("%s: expected a text as \"%s\"", path, name);
    return json_string_value(x);
}

static json_int_t whole(const char *path, json_t *object, const char *name, json_int_t low, json_int_t high)
{
    json_t *x = member(path, object, name);
    json_int_t value = json_integer_value(x);
    if (!json_is_integer(x) || value < low || value > high)
        bad_input("%s: expected a whole number from %" JSON_INTEGER_FORMAT " to %" JSON_INTEGER_FORMAT " as \"%s\"",
                  path, low, high, name);
    return value;
}

static void read_config(const char *path, experiment *x, json_t *config)
{
    const char *name;
    json_t *value;
    if (!json_is_object(config)) bad_input("%s: expected an object as \"config\"", path);
    for (const config_field *f = x->algorithm->fields; f->name; f++) text_of(path, config, f->name);
    json_object_foreach(config, name, value) {
        const char *text = text_of(path, config, name);
        size_t n = strlen(name) + strlen(text) + 2;
        char *assignment = allocate(n, 1, "config.json");
        snprintf(assignment, n, "%s=%s", name, text);
        config_set(x->algorithm->fields, x->config, path, assignment);
        free(assignment);
    }
}

experiment *experiment_parse(const char *path, const char *text, size_t n)
{
    json_error_t error;
    json_t *object = json_loadb(text, n, JSON_REJECT_DUPLICATES, &error);
    if (!object && json_error_code(&error) == json_error_out_of_memory) out_of_memory(0, "config.json");
    if (!object) bad_input("%s:%d:%d: %s", path, error.line, error.column, error.text);
    if (!json_is_object(object)) bad_input("%s: expected an object", path);
    if (whole(path, object, "format", 0, INT_MAX) != FORMAT) bad_input("%s: expected format %d", path, FORMAT);
    experiment *x = experiment_new(algorithm_find(text_of(path, object, "algorithm")), text_of(path, object, "env"));
    if (!json_is_null(member(path, object, "limit"))) x->limit = (int)whole(path, object, "limit", 0, INT_MAX);
    x->seed = (uint64_t)whole(path, object, "seed", 0, INT64_MAX);
    x->steps = (long)whole(path, object, "steps", 1, LONG_MAX);
    read_config(path, x, member(path, object, "config"));
    json_decref(object);
    return x;
}

experiment *experiment_read(const char *folder)
{
    char *path = path_of(folder, "config.json"), *text = allocate(MOST_BYTES, 1, "config.json");
    FILE *f = fopen(path, "r");
    if (!f) bad_input("%s: expected a run's folder: %s", path, strerror(errno));
    size_t n = fread(text, 1, MOST_BYTES, f);
    if (ferror(f)) bad_input("%s: cannot be read: %s", path, strerror(errno));
    if (n == MOST_BYTES) bad_input("%s: expected less than %d bytes", path, MOST_BYTES);
    fclose(f);
    experiment *x = experiment_parse(path, text, n);
    free(text);
    free(path);
    return x;
}
