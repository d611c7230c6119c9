/* Random MDPs with two policies each, on which bounds are tried: the i-th of a seed is always the same. 2 to 9
 * states and 2 to 5 actions, gamma in [.5, .99], pi with logits ~ N(0, 1), pi' as far from it as 10^-3 to 10 of
 * these. */
#ifndef ASCENT_RANDOM_PAIRS_H
#define ASCENT_RANDOM_PAIRS_H

#include <stdint.h>

#include "derivations/exact.h"

enum { RANDOM_PAIR_STEPS = 20 };        /* t <= this, where a bound is one for each t */

typedef struct { mdp *M; exact *pi, *pi1; } random_pair;
random_pair random_pair_new(uint64_t seed, uint32_t i);
void        random_pair_free(random_pair *r);

#endif
