/* Numbers and tables as JSON: see json.h. */
#include "autodiff/json.h"

#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "autodiff/require.h"

static void *take(size_t n) { return allocate(n, 1, "JSON"); }

void json_memory_or_exit(void) { json_set_alloc_funcs(take, free); }

json_t *json_checked(json_t *value)
{
    if (!value) out_of_memory(0, "JSON");
    return value;
}

json_t *json_number(double x) { return json_checked(isfinite(x) ? json_real(x) : json_null()); }

json_t *json_text(const char *s)
{
    errno = 0;
    json_t *text = json_string(s);
    if (text || errno == ENOMEM) return json_checked(text);
    char *ascii = allocate(strlen(s) + 1, 1, "JSON");
    for (size_t i = 0; s[i]; i++) ascii[i] = (unsigned char)s[i] < 0x80 ? s[i] : '?';
    text = json_checked(json_string(ascii));
    free(ascii);
    return text;
}

void json_append(json_t *array, json_t *value)
{
    if (json_array_append_new(array, json_checked(value)) != 0) out_of_memory(0, "JSON");
}

void json_set(json_t *object, const char *key, json_t *value)
{
    if (json_object_set_new(object, key, json_checked(value)) != 0) out_of_memory(0, "JSON");
}

json_t *json_vector(int n, const double *x)
{
    json_t *array = json_checked(json_array());
    for (int i = 0; i < n; i++) json_append(array, json_number(x[i]));
    return array;
}

json_t *json_matrix(int r, int c, const double *x)
{
    json_t *array = json_checked(json_array());
    for (int i = 0; i < r; i++) json_append(array, json_vector(c, x + i * c));
    return array;
}

void json_print(json_t *value)
{
    /* All of it or nothing; not by json_dumps, which without memory can leave out a key and go on. */
    const size_t flags = JSON_COMPACT | JSON_REAL_PRECISION(17);
    size_t size = json_dumpb(json_checked(value), NULL, 0, flags);
    if (size == 0) out_of_memory(0, "JSON");
    char *text = allocate(size + 1, 1, "JSON");
    if (json_dumpb(value, text, size, flags) != size) out_of_memory(0, "JSON");
    puts(text);
    free(text);
    json_decref(value);
}
