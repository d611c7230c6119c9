/* Random streams. A stream is named by (seed, worker, purpose): two names never share numbers, and
 * the same name gives the same numbers on every machine and in every order of use. The generator is
 * Philox4x32-10 (Salmon et al. 2011) of the Random123 library behind GSL's interface, so GSL's
 * distributions draw from it. There is no other source of randomness: no rand(), no clock. */
#ifndef ASCENT_RANDOM_H
#define ASCENT_RANDOM_H

#include <gsl/gsl_rng.h>
#include <stdint.h>

enum random_purpose { RANDOM_POLICY = 1, RANDOM_TRAJECTORY, RANDOM_TEST, RANDOM_MDP, RANDOM_INIT,
                      RANDOM_ENV, RANDOM_UPDATE, RANDOM_EVALUATION_ENV, RANDOM_EVALUATION_POLICY,
                      RANDOM_BOOTSTRAP };

gsl_rng *random_stream(uint64_t seed, uint32_t worker, uint32_t purpose);   /* freed by gsl_rng_free */
extern const gsl_rng_type *const random_philox;      /* the GSL type: 32 bits a draw, 2^66 draws a stream */

/* How many 32-bit numbers were drawn from a stream (mod 2^64): its whole state. And to go to such a place. */
uint64_t random_position(const gsl_rng *rng);
void     random_seek(gsl_rng *rng, uint64_t position);

#endif
