/* MountainCar-v0: a car in a valley, too weak to drive straight up, is to reach the hill on the right.
 *
 * Moore 1990; Sutton & Barto, 2nd ed., Example 10.1; Gymnasium's classic_control/mountain_car.py. The height is
 * sin(3 position), and with a in {-1, 0, 1}, a step of time 1:
 *
 *     velocity' = velocity + 0.001 a - 0.0025 cos(3 position)       in [-0.07, 0.07]
 *     position' = position + velocity'                              in [-1.2, 0.6]
 *
 * The wall on the left stops the car. Every step pays -1, the one that reaches the goal too. */
#include "envs/classic_control.h"

#include <math.h>

#include <gsl/gsl_randist.h>

static const double power = 0.001, gravity = 0.0025;
static const double speed_max = 0.07, left = -1.2, right = 0.6, goal = 0.5;

static double clip(double x, double low, double high) { return x < low ? low : x > high ? high : x; }

static void observe(env *e)
{
    for (int i = 0; i < 2; i++) e->obs[i] = (float)e->state[i];
}

static void reset(env *e)
{
    e->state[0] = gsl_ran_flat(e->rng, -0.6, -0.4);
    e->state[1] = 0;
    observe(e);
}

static bool step(env *e, const double *action, double *reward)
{
    double position = e->state[0], velocity = e->state[1];
    velocity = clip(velocity + ((action[0] - 1) * power - gravity * cos(3 * position)), -speed_max, speed_max);
    position = clip(position + velocity, left, right);
    if (position == left && velocity < 0) velocity = 0;
    e->state[0] = position;
    e->state[1] = velocity;
    observe(e);
    *reward = -1;
    return position >= goal && velocity >= 0;
}

env *mountain_car_new(const char *id)
{
    static const char *const state_name[] = { "position", "velocity" };
    static const struct env_kind kind = { reset, step, observe, NULL, state_name };
    static const double low[] = { -1.2f, -0.07f }, high[] = { 0.6f, 0.07f };
    return env_new(id, &kind, NULL, 2, (env_space){ .n = 3, .dim = 1 },
                   (env_space){ .dim = 2, .low = low, .high = high });
}
