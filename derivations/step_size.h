/* What a batch of data knows of the advantages: PPO-35. */
#ifndef ASCENT_STEP_SIZE_H
#define ASCENT_STEP_SIZE_H

#include <gsl/gsl_rng.h>

#include "derivations/exact.h"

/* What N steps with pi, from mu0 on, know of A(s,a) [nS x nA]: the mean of r + gamma V(s') - V(s), with the
 * exact V, over the times that (s,a) was tried; 0 where it never was. N infinite: A itself. */
void advantages_from_data(const exact *pi, double N, gsl_rng *rng, double *A);

#endif
