/* What a critic says of a finite horizon, as numbers: for the estimators that run over all trajectories (estimate.h).
 * A terminated trajectory has nothing to come, so that V is 0 in absorbing states whatever the critic says there
 * (A3C-13); and J_H counts nothing behind the horizon, so that V_H is 0 unless a file has it. */
#ifndef ASCENT_VALUE_TABLE_H
#define ASCENT_VALUE_TABLE_H

#include "derivations/enumerate.h"

typedef struct {
    int H, nS, nA;
    double *V;              /* [H+1 x nS] V_t(s) */
    double *Q;              /* [H x nS x nA] Q_t(s,a); NULL: the file had none */
} value_table;

value_table *value_table_exact(const finite_horizon *f);        /* V_t, Q_t of pi for the steps that are left */
/* ERR-12's wrong critic, X29: Q_w = .7 Q_t + .3 sin(7s + 4a), V_w = sum_a pi(a|s) Q_w(s,a) */
value_table *value_table_X29(const finite_horizon *f);
double      *value_table_X29_Q(const exact *x);      /* the same for all time: [nS x nA], to be freed */
/* A CSV file (policy_file.h), a row V(s) or V(s), Q(s,0), .., Q(s,nA-1) for each of nS states: the same at all times
 * t < H. Or for all times, H nS rows, row t nS + s; or (H+1) nS rows, the last nS of them V_H (Q there counts for
 * nothing). NULL and one line in error[size]. */
value_table *value_table_read(const char *path, const finite_horizon *f, char *error, size_t size);
void         value_table_free(value_table *c);                  /* NULL is fine */

#endif
