/* progress.csv of a run: rows of numbers under a line of names, steps,episodes,return_mean,... */
#ifndef ASCENT_PROGRESS_H
#define ASCENT_PROGRESS_H

#include <stdbool.h>
#include <stddef.h>

/* A row is due when the steps have grown by 1/128 since the last one: some 1300 rows in a million steps. */
bool progress_due(long steps, long row_steps);

/* The shortest decimal that reads back as x, which is finite */
enum { PROGRESS_NUMBER = 32 };
void progress_number(char text[PROGRESS_NUMBER], double x);

/* return_mean over steps, from the first whole episode on */
typedef struct { int n; double *steps, *y; } curve;             /* [n], steps increase */
/* NULL and one line in error[size] when it cannot be read or is no such file: file:line:column: expected ... */
curve *curve_read(const char *path, char *error, size_t size);
void   curve_free(curve *c);                                    /* NULL is fine */
/* y at the given steps, linear between rows, as at the ends outside */
double curve_at(const curve *c, double steps);

#endif
