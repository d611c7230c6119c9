/* Scores: derivatives of log probabilities. */
#ifndef ASCENT_LIKELIHOOD_RATIO_H
#define ASCENT_LIKELIHOOD_RATIO_H

#include "derivations/exact.h"

/* [nS nA x n] row s*nA + a: grad_theta log pi(a|s), the closed form of the softmax and the chain rule */
void likelihood_ratio_scores(const exact *x, double *score);

#endif
