/* Numbers and tables as JSON (jansson); every number reads back exactly, what is not finite is null. */
#ifndef ASCENT_JSON_H
#define ASCENT_JSON_H

#include <jansson.h>

/* From now on Jansson's own allocations end the program where there is no memory; its parser would take it for a
 * mistake in the text. */
void json_memory_or_exit(void);
/* Never NULL: out of memory ends the program. */
json_t *json_checked(json_t *value);                                /* value, of json_pack or the like */
json_t *json_number(double x);
json_t *json_text(const char *s);                                   /* bytes that are no UTF-8 become ? */
json_t *json_vector(int n, const double *x);                        /* [n] */
json_t *json_matrix(int r, int c, const double *x);                 /* [r][c], x row-major */
void    json_append(json_t *array, json_t *value);                  /* value is taken over */
void    json_set(json_t *object, const char *key, json_t *value);   /* value is taken over */
void    json_print(json_t *value);                                  /* on stdout, with a newline; frees it */

#endif
