/* CartPole-v1: a cart on a track, pushed left or right at every step, balances a pole.
 *
 * Barto, Sutton & Anderson 1983, without friction; Gymnasium's classic_control/cartpole.py. The pole is a uniform
 * rod of mass m and half length l, hinged on a cart of mass M:
 *
 *     theta'' = (g sin theta - cos theta temp) / (l (4/3 - m cos^2 theta / (M + m)))
 *     x''     = temp - m l theta'' cos theta / (M + m),    temp = (F + m l theta'^2 sin theta) / (M + m)
 *
 * Explicit Euler: x and theta move with the old velocities. Every step pays 1, the one that lets the pole fall
 * too, as in Gymnasium; in the paper only failure pays, -1. */
#include "envs/classic_control.h"

#include <math.h>

#include <gsl/gsl_math.h>
#include <gsl/gsl_randist.h>

static const double g = 9.8;                            /* m/s^2 */
static const double M = 1.0, m = 0.1;                   /* kg: cart, pole */
static const double l = 0.5;                            /* m: half the pole */
static const double force = 10.0;                       /* N */
static const double tau = 0.02;                         /* s */

#define X_MAX     2.4                                   /* m */
#define THETA_MAX (12 * 2 * M_PI / 360)                 /* rad */

void cartpole_move(const double s[4], double F, double dt, double s1[4])
{
    double x = s[0], x_dot = s[1], theta = s[2], theta_dot = s[3];
    double sine = sin(theta), cosine = cos(theta);
    double temp      = (F + m * l * (theta_dot * theta_dot) * sine) / (M + m);
    double theta_acc = (g * sine - cosine * temp) / (l * (4.0 / 3.0 - m * (cosine * cosine) / (M + m)));
    double x_acc     = temp - m * l * theta_acc * cosine / (M + m);
    s1[0] = x + dt * x_dot;
    s1[1] = x_dot + dt * x_acc;
    s1[2] = theta + dt * theta_dot;
    s1[3] = theta_dot + dt * theta_acc;
}

static void observe(env *e)
{
    for (int i = 0; i < 4; i++) e->obs[i] = (float)e->state[i];
}

static void reset(env *e)
{
    for (int i = 0; i < 4; i++) e->state[i] = gsl_ran_flat(e->rng, -0.05, 0.05);
    observe(e);
}

static bool step(env *e, const double *action, double *reward)
{
    cartpole_move(e->state, action[0] == 1 ? force : -force, tau, e->state);
    observe(e);
    *reward = 1;
    return fabs(e->state[0]) > X_MAX || fabs(e->state[2]) > THETA_MAX;
}

env *cartpole_new(const char *id)
{
    static const char *const state_name[] = { "x", "x_dot", "theta", "theta_dot" };
    static const struct env_kind kind = { reset, step, observe, NULL, state_name };
    static const double low[]  = { (float)(-2 * X_MAX), -INFINITY, (float)(-2 * THETA_MAX), -INFINITY };
    static const double high[] = { (float)(2 * X_MAX),   INFINITY, (float)(2 * THETA_MAX),   INFINITY };
    return env_new(id, &kind, NULL, 4, (env_space){ .n = 2, .dim = 1 },
                   (env_space){ .dim = 4, .low = low, .high = high });
}
