/* Does an environment keep the promises of env.h? For every environment of the project and for your own. */
#ifndef ASCENT_ENV_CHECKER_H
#define ASCENT_ENV_CHECKER_H

#include <stdint.h>
#include <stdio.h>

#include "envs/env.h"

/* Makes the environment that is checked, several times; limit as for env_make. */
typedef env *env_maker(const void *what, int limit);

/* Takes ten thousand random steps for each promise and prints a line for each, `ok ...`, `FAIL ...: why`, or
 * `n/a ...: why` where there is nothing to check, and `N passed, M failed, K n/a`; M. A step that breaks a rule of
 * env.h itself ends the program, as always. */
int env_check(env_maker *make, const void *what, uint64_t seed, FILE *out);

#endif
