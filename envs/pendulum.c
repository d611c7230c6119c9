/* Pendulum-v1: a rod on a motor is to be swung up and held there; nothing ends an episode but its time limit.
 *
 * Gymnasium's classic_control/pendulum.py. theta from upright, a uniform rod of mass m and length l:
 *
 *     theta'' = 3 g / (2 l) sin theta + 3 / (m l^2) u,      u in [-2, 2]
 *     reward  = -(theta^2 + 0.1 theta'^2 + 0.001 u^2)       of the state before the step, theta in [-pi, pi)
 *
 * Euler with the new velocity in the step of theta; the velocity is clipped to [-8, 8], theta counts whole
 * turns. */
#include "envs/classic_control.h"

#include <math.h>

#include <gsl/gsl_math.h>
#include <gsl/gsl_randist.h>

static const double g = 10, m = 1, l = 1;               /* m/s^2, kg, m */
static const double tau = 0.05;                         /* s */
static const double torque_max = 2, speed_max = 8;      /* N m, rad/s */

static double clip(double x, double most) { return x < -most ? -most : x > most ? most : x; }

void pendulum_move(const double s[2], double u, double dt, double s1[2])
{
    double theta = s[0], theta_dot = s[1];
    theta_dot += (3 * g / (2 * l) * sin(theta) + 3 / (m * l * l) * u) * dt;
    s1[1] = clip(theta_dot, speed_max);
    s1[0] = theta + s1[1] * dt;
}

/* The same direction in [-pi, pi) */
static double normalised(double angle)
{
    double turn = fmod(angle + M_PI, 2 * M_PI);
    return (turn < 0 ? turn + 2 * M_PI : turn) - M_PI;
}

static void observe(env *e)
{
    e->obs[0] = (float)cos(e->state[0]);
    e->obs[1] = (float)sin(e->state[0]);
    e->obs[2] = (float)e->state[1];
}

static void reset(env *e)
{
    e->state[0] = gsl_ran_flat(e->rng, -M_PI, M_PI);
    e->state[1] = gsl_ran_flat(e->rng, -1, 1);
    observe(e);
}

static bool step(env *e, const double *action, double *reward)
{
    double theta = normalised(e->state[0]), theta_dot = e->state[1], u = clip(action[0], torque_max);
    *reward = -(theta * theta + 0.1 * (theta_dot * theta_dot) + 0.001 * (u * u));
    pendulum_move(e->state, u, tau, e->state);
    observe(e);
    return false;
}

env *pendulum_new(const char *id)
{
    static const char *const state_name[] = { "theta", "theta_dot" };
    static const struct env_kind kind = { reset, step, observe, NULL, state_name };
    static const double low[] = { -1, -1, -8 }, high[] = { 1, 1, 8 }, least[] = { -2 }, most[] = { 2 };
    return env_new(id, &kind, NULL, 2, (env_space){ .dim = 1, .low = least, .high = most },
                   (env_space){ .dim = 3, .low = low, .high = high });
}
