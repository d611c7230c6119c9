/* Bias and variance of all estimators of the policy gradient, with two critics: a table and a picture. */
#ifndef ASCENT_ESTIMATE_TABLE_H
#define ASCENT_ESTIMATE_TABLE_H

#include <stdio.h>

#include "derivations/estimate.h"

typedef struct {
    const gradient_estimator *e;
    int n;                          /* 0 where it has none */
    double lambda;                  /* -1 where it has none */
    int critic;                     /* 0 exact, 1 the other one; -1: it has none */
    double *mean, *bias, *variance; /* [theta] */
    double off;                     /* |bias|, the Euclidean norm; */
    double sd;                      /* square root of the trace of the covariance; */
    double rms;                     /* sqrt(E|g - grad J|^2) = sqrt(off^2 + sd^2) */
} estimate_row;

typedef struct {
    const finite_horizon *f;
    const char *critic;             /* what the other critic is called */
    double *exact;                  /* [theta] grad J */
    double size;                    /* its norm */
    int rows;
    estimate_row *row;
    double *numbers;                /* what they point to */
} estimate_table;

/* How many runs over all trajectories that takes */
int             estimate_table_runs(const finite_horizon *f, const value_table *other);
estimate_table *estimate_table_new(const finite_horizon *f, const value_table *other, const char *critic);
void            estimate_table_free(estimate_table *t);                         /* NULL is fine */
void            estimate_row_name(const estimate_row *r, char text[64]);        /* nstep n=2 */

void  estimate_table_text(const estimate_table *t, FILE *out);
/* Bias against standard deviation as SVG, to be freed; those with a critic twice,
 * each family of n or lambda a line */
char *estimate_table_svg(const estimate_table *t);

#endif
