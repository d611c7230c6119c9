/* The classic control tasks of Gymnasium, one file each. env_make("CartPole-v1", ...) is the way to them; here
 * are their makers, and their physics alone: the state after one step of dt seconds from s, which s1 may be.
 *
 * State, time and rewards are Gymnasium's, in double; what Gymnasium rounds to float32 (observations, and the state
 * where it does so) is rounded here. A step agrees with Gymnasium's to 1e-12 (tests/test_env_cases.c). */
#ifndef ASCENT_CLASSIC_CONTROL_H
#define ASCENT_CLASSIC_CONTROL_H

#include "envs/env.h"

env *cartpole_new(const char *id);

/* s: x [m], x' [m/s], theta [rad] from upright, theta' [rad/s]; F [N] on the cart */
void cartpole_move(const double s[4], double F, double dt, double s1[4]);

#endif
