/* The classic control tasks of Gymnasium, one file each. env_make("CartPole-v1", ...) is the way to them; here
 * are their makers, and their physics alone: the state after one step of dt from s, which s1 may be.
 *
 * State, time and rewards are Gymnasium's, in double; what Gymnasium rounds to float32 (observations, and the
 * state where it does so) is rounded here. One step agrees with Gymnasium's to 1e-12 (tests/test_env_cases.c). An
 * action of a box is a float32 number there, any double here; under NumPy 2 Gymnasium computes with it in float32,
 * under NumPy 1 in double, as here. */
#ifndef ASCENT_CLASSIC_CONTROL_H
#define ASCENT_CLASSIC_CONTROL_H

#include "envs/env.h"

env *cartpole_new(const char *id);
env *acrobot_new(const char *id);
env *mountain_car_new(const char *id);
env *mountain_car_continuous_new(const char *id);
env *pendulum_new(const char *id);

/* x [m], x' [m/s], theta [rad] from upright, theta' [rad/s]; F [N] on the cart; dt [s]. Explicit Euler. */
void cartpole_move(const double s[4], double F, double dt, double s1[4]);
/* theta1 from hanging, theta2 from link 1 [rad], their velocities [rad/s]; torque [N m] at the joint between the
 * links; dt [s]. Runge-Kutta of order 4. */
void acrobot_move(const double s[4], double torque, double dt, double s1[4]);
/* theta from upright [rad], theta' [rad/s]; torque u [N m]; dt [s]. Euler, theta with the new velocity. */
void pendulum_move(const double s[2], double u, double dt, double s1[2]);

#endif
