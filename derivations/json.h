/* Numbers and tables as JSON (jansson); every number reads back exactly, what is not finite is null. */
#ifndef ASCENT_JSON_H
#define ASCENT_JSON_H

#include <jansson.h>

json_t *json_number(double x);
json_t *json_vector(int n, const double *x);                        /* [n] */
json_t *json_matrix(int r, int c, const double *x);                 /* [r][c], x row-major */
void    json_print(json_t *value);                                  /* on stdout, with a newline; frees it */

#endif
