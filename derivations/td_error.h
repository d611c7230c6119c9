/* The TD error of a value function V_w: what it is in the mean. */
#ifndef ASCENT_TD_ERROR_H
#define ASCENT_TD_ERROR_H

#include "derivations/exact.h"

/* TDA-2: delta [nS x nA] = E[r + gamma V_w(s') - V_w(s) | s, a]; V_w [nS], 0 in absorbing states by itself */
void td_error_mean(const exact *x, const double *V_w, double *delta);

#endif
