/* Numbers and tables as JSON: see json.h. */
#include "derivations/json.h"

#include <math.h>
#include <stdio.h>

#include "autodiff/require.h"

static json_t *checked(json_t *value)
{
    if (!value) out_of_memory(0, "JSON");
    return value;
}

json_t *json_number(double x) { return checked(isfinite(x) ? json_real(x) : json_null()); }

json_t *json_vector(int n, const double *x)
{
    json_t *array = checked(json_array());
    for (int i = 0; i < n; i++)
        if (json_array_append_new(array, json_number(x[i])) != 0) out_of_memory(0, "JSON");
    return array;
}

json_t *json_matrix(int r, int c, const double *x)
{
    json_t *array = checked(json_array());
    for (int i = 0; i < r; i++)
        if (json_array_append_new(array, json_vector(c, x + (size_t)i * (size_t)c)) != 0) out_of_memory(0, "JSON");
    return array;
}

void json_print(json_t *value)
{
    if (json_dumpf(checked(value), stdout, JSON_COMPACT | JSON_REAL_PRECISION(17)) != 0) finish(EXIT_IO);
    putchar('\n');
    json_decref(value);
}
