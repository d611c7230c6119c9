/* MountainCarContinuous-v0: the car of mountain_car.c with an engine that can be throttled, and fuel that costs.
 *
 * Gymnasium's classic_control/continuous_mountain_car.py. With a force of the action clipped to [-1, 1]:
 *
 *     velocity' = velocity + 0.0015 force - 0.0025 cos(3 position)      in [-0.07, 0.07]
 *     position' = position + velocity'                                  in [-1.2, 0.6]
 *
 * A step pays -0.1 action^2, of the action before it is clipped, and 100 when it reaches the goal: to do nothing
 * is a local optimum. Gymnasium rounds the state to float32 at the end of every step, though not at the start of
 * an episode; what it decides before (the goal, the wall) is decided in double, as here. */
#include "envs/classic_control.h"

#include <math.h>

#include <gsl/gsl_randist.h>

static const double power = 0.0015, gravity = 0.0025;
static const double speed_max = 0.07, left = -1.2, right = 0.6, goal = 0.45;

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
    double position = e->state[0], velocity = e->state[1], force = clip(action[0], -1, 1);
    velocity = clip(velocity + (force * power - gravity * cos(3 * position)), -speed_max, speed_max);
    position = clip(position + velocity, left, right);
    if (position == left && velocity < 0) velocity = 0;
    bool reached = position >= goal && velocity >= 0;
    e->state[0] = (float)position;
    e->state[1] = (float)velocity;
    observe(e);
    *reward = (reached ? 100 : 0) - action[0] * action[0] * 0.1;
    return reached;
}

env *mountain_car_continuous_new(const char *id)
{
    static const char *const state_name[] = { "position", "velocity" };
    static const struct env_kind kind = { reset, step, observe, NULL, state_name };
    static const double low[] = { -1.2f, -0.07f }, high[] = { 0.6f, 0.07f }, least[] = { -1 }, most[] = { 1 };
    return env_new(id, &kind, NULL, 2, (env_space){ .dim = 1, .low = least, .high = most },
                   (env_space){ .dim = 2, .low = low, .high = high });
}
