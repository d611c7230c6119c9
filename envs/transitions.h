/* Where single steps are to be taken from: a CSV file with a header. Of its columns those are read that are called
 * as the components of the environment's state (env_state_name), `action` (`action0`, `action1`, ... if it
 * has several), and `t`, the steps taken before, if there is one; others may hold anything. A field holds no comma
 * and no quotes; lines that are blank or start with # are skipped. */
#ifndef ASCENT_TRANSITIONS_H
#define ASCENT_TRANSITIONS_H

#include "envs/env.h"

typedef struct {
    int n;
    double *state;              /* [n x state_n] */
    double *action;             /* [n x action.dim] */
    int *t;                     /* [n], all 0 if the file has none */
    bool has_t;
    int *line;                  /* [n] of the file */
} transitions;

/* NULL after one line `path:line:column: expected ..., found ...` in error[size]. Everything in it is in its
 * range: env_restore and env_step can be called for each row. */
transitions *transitions_read(const char *path, const env *e, char *error, size_t size);
/* The same from memory; name stands for the path. */
transitions *transitions_parse(const char *name, const char *text, size_t length, const env *e, char *error,
                               size_t size);
void transitions_free(transitions *x);                              /* NULL is fine */

#endif
