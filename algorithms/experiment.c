/* config.json: see experiment.h. */
#include "algorithms/experiment.h"

#include <errno.h>
#include <inttypes.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "algorithms/checkpoint.h"
#include "algorithms/progress.h"
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

/* "" where there is no file, or none that can be read: env_make says so */
static void file_crc(const char *id, char text[17])
{
    static const size_t room = 1 << 16;
    FILE *f = env_is_file(id) ? fopen(id, "r") : NULL;
    *text = 0;
    if (!f && errno == ENOMEM) out_of_memory(0, id);
    if (!f) return;
    char *bytes = allocate(room, 1, "an environment's file");
    uint64_t crc = 0;
    for (size_t n; (n = fread(bytes, 1, room, f)) > 0;) crc = checkpoint_crc(crc, bytes, n);
    if (ferror(f) && errno == ENOMEM) out_of_memory(0, id);
    if (!ferror(f)) snprintf(text, 17, "%016" PRIx64, crc);
    free(bytes);
    fclose(f);
}

void experiment_take_file(experiment *x) { file_crc(x->env, x->env_crc); }

env *experiment_env(const experiment *x)
{
    char error[512], crc[17];
    if (*x->env_crc && *x->env != '/' && access(x->env, F_OK) != 0)
        bad_input("%s: expected the run's environment, a file; call from the folder where the run was begun: %s",
                  x->env, strerror(errno));
    env *e = env_make(x->env, x->limit, error, sizeof error);
    if (!e) bad_input("%s", error);
    file_crc(x->env, crc);
    if (strcmp(crc, x->env_crc) != 0)
        bad_input("%s: expected the file that the run was begun with, of CRC-64 %s, found one of CRC-64 %s", x->env,
                  *x->env_crc ? x->env_crc : "unknown", crc);
    return e;
}

/* ---- writing: by hand, as Jansson prints 0.99 with 17 digits ---- */

static void put_text(FILE *out, const char *name, const char *value)
{
    json_t *text = json_text(value);
    char *quoted = json_dumps(text, JSON_ENCODE_ANY);
    if (!quoted) out_of_memory(0, "config.json");
    fprintf(out, "\"%s\": %s", name, quoted);
    free(quoted);
    json_decref(text);
}

static void put_config(FILE *out, const experiment *x, const char *between)
{
    for (const config_field *f = x->algorithm->fields; f->name; f++) {
        char value[CONFIG_VALUE];
        config_value(f, x->config, value);
        fputs(f == x->algorithm->fields ? between + 1 : between, out);
        if (f->kind == CONFIG_REAL || f->kind == CONFIG_WHOLE) fprintf(out, "\"%s\": %s", f->name, value);
        else                                                   put_text(out, f->name, value);
    }
}

char *experiment_text(const experiment *x, enum experiment_text which)
{
    char *text;
    size_t n;
    FILE *out = print_to_memory(&text, &n);
    const bool whole = which == EXPERIMENT_WHOLE;
    const char *between = whole ? ",\n  " : ", ", *inside = whole ? ",\n    " : ", ";
    fprintf(out, "{%s\"format\": %d%s", between + 1, FORMAT, between);
    put_text(out, "algorithm", x->algorithm->name);
    fputs(between, out);
    put_text(out, "env", x->env);
    if (*x->env_crc) fprintf(out, "%s\"env_crc64\": \"%s\"", between, x->env_crc);
    if (x->limit == ENV_OWN_LIMIT) fprintf(out, "%s\"limit\": null", between);
    else                           fprintf(out, "%s\"limit\": %d", between, x->limit);
    if (which != EXPERIMENT_KIND) fprintf(out, "%s\"seed\": %" PRIu64, between, x->seed);
    if (whole) fprintf(out, "%s\"steps\": %ld", between, x->steps);
    fprintf(out, "%s\"config\": {", between);
    put_config(out, x, inside);
    fputs(whole ? "\n  }\n}\n" : " }}", out);
    print_done(out, &text);
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
        bad_input("%s: expected a whole number from %lld to %lld as \"%s\"", path, (long long)low, (long long)high,
                  name);
    return value;
}

/* A value of "config", as --set would have it */
static void set(const char *path, experiment *x, const char *name, const json_t *value)
{
    char number[PROGRESS_NUMBER] = "";
    const char *text = json_is_string(value) ? json_string_value(value) : number;
    if (json_is_integer(value)) snprintf(number, sizeof number, "%lld", (long long)json_integer_value(value));
    else if (json_is_real(value)) progress_number(number, json_real_value(value));
    size_t n = strlen(name) + strlen(text) + 2;
    char *assignment = allocate(n, 1, "config.json");
    snprintf(assignment, n, "%s=%s", name, text);
    config_set(x->algorithm->fields, x->config, path, assignment);
    free(assignment);
}

static void read_config(const char *path, experiment *x, json_t *config)
{
    const char *name;
    json_t *value;
    if (!json_is_object(config)) bad_input("%s: expected an object as \"config\"", path);
    for (const config_field *f = x->algorithm->fields; f->name; f++) member(path, config, f->name);
    json_object_foreach(config, name, value) set(path, x, name, value);
}

static void read_crc(const char *path, experiment *x, const char *text)
{
    if (strlen(text) != 16 || strspn(text, "0123456789abcdef") != 16)
        bad_input("%s: expected 16 hexadecimal digits as \"env_crc64\"", path);
    strcpy(x->env_crc, text);
}

experiment *experiment_parse(const char *path, const char *text, size_t n)
{
    json_error_t error;
    json_memory_or_exit();
    json_t *object = json_loadb(text, n, JSON_REJECT_DUPLICATES, &error);
    if (!object) bad_input("%s:%d:%d: %s", path, error.line, error.column, error.text);
    if (!json_is_object(object)) bad_input("%s: expected an object", path);
    if (whole(path, object, "format", 0, INT_MAX) != FORMAT) bad_input("%s: expected format %d", path, FORMAT);
    const algorithm *a = algorithm_to_train(text_of(path, object, "algorithm"));
    experiment *x = experiment_new(a, text_of(path, object, "env"));
    if (json_object_get(object, "env_crc64")) read_crc(path, x, text_of(path, object, "env_crc64"));
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
    if (!f && errno == ENOMEM) out_of_memory(0, path);
    if (!f) bad_input("%s: expected a run's folder: %s", path, strerror(errno));
    size_t n = fread(text, 1, MOST_BYTES, f);
    if (ferror(f) && errno == ENOMEM) out_of_memory(0, path);
    if (ferror(f)) bad_input("%s: cannot be read: %s", path, strerror(errno));
    if (n == MOST_BYTES) bad_input("%s: expected less than %d bytes", path, MOST_BYTES);
    fclose(f);
    experiment *x = experiment_parse(path, text, n);
    free(text);
    free(path);
    return x;
}
