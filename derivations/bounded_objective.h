/* 001's objective (l.297-299): the surrogate, summed over time on the states of pi */
#ifndef ASCENT_BOUNDED_OBJECTIVE_H
#define ASCENT_BOUNDED_OBJECTIVE_H

#include "derivations/exact.h"

/* sum_t gamma^t E_{s_t ~ of}[ E_{a ~ pi}[ new/pi A_pi ] ], new [nSA] probabilities; false where pi never takes what
 * new does, or where there are more than EXACT_MAX_TIME_SUM states */
bool reweighted_over_time(const exact *of, const exact *pi, const double *new, double *sum);

#endif
