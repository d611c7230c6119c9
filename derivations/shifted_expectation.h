/* The shift of the states over time, for sums with gamma^t: 001 (l.284-299) */
#ifndef ASCENT_SHIFTED_EXPECTATION_H
#define ASCENT_SHIFTED_EXPECTATION_H

#include "derivations/exact.h"

/* sum_t gamma^t || p'(s_t) - p(s_t) ||_1, gamma < 1: of 64 steps, and the bound for those behind them */
double  shift_over_time(const exact *pi, const exact *pi1);

/* sum_t gamma^t (1 - (1-eps)^t), by doubling: half of the bound of DSB-8 over time */
double  parted_over_time(double gamma, double eps);

#endif
