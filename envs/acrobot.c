/* Acrobot-v1: two links hang from a fixed joint; a torque at the joint between them is to swing the tip up, above
 * the fixed joint by the length of a link.
 *
 * Sutton 1996; Sutton & Barto 1998, section 11.3; Gymnasium's classic_control/acrobot.py with its "book" equations.
 * Links of length l and mass m, centre of mass at lc, moment of inertia I; theta1 from hanging, theta2 from link 1:
 *
 *     theta2'' = (torque + d2/d1 phi1 - m l lc theta1'^2 sin theta2 - phi2) / (m lc^2 + I - d2^2/d1)
 *     theta1'' = -(d2 theta2'' + phi1) / d1
 *
 * One step of the classical Runge-Kutta method with the torque held; then angles are wrapped into [-pi, pi] and
 * velocities clipped. The first state of an episode is rounded to float32. A step pays -1, the one that ends it 0. */
#include "envs/classic_control.h"

#include <math.h>

#include <gsl/gsl_math.h>
#include <gsl/gsl_randist.h>

static const double g = 9.8;                            /* m/s^2 */
static const double m1 = 1, m2 = 1;                     /* kg */
static const double l1 = 1, lc1 = 0.5, lc2 = 0.5;       /* m */
static const double I1 = 1, I2 = 1;                     /* kg m^2 */
static const double tau = 0.2;                          /* s */

#define SPEED_1_MAX (4 * M_PI)                          /* rad/s */
#define SPEED_2_MAX (9 * M_PI)

/* s' of s = (theta1, theta2, theta1', theta2') */
static void derivative(const double s[4], double torque, double ds[4])
{
    double theta1 = s[0], theta2 = s[1], dtheta1 = s[2], dtheta2 = s[3];
    double sin2 = sin(theta2), cos2 = cos(theta2);
    double d1 = m1 * (lc1 * lc1) + m2 * (l1 * l1 + lc2 * lc2 + 2 * l1 * lc2 * cos2) + I1 + I2;
    double d2 = m2 * (lc2 * lc2 + l1 * lc2 * cos2) + I2;
    double phi2 = m2 * lc2 * g * cos(theta1 + theta2 - M_PI / 2);
    double phi1 = -m2 * l1 * lc2 * (dtheta2 * dtheta2) * sin2 - 2 * m2 * l1 * lc2 * dtheta2 * dtheta1 * sin2
                + (m1 * lc1 + m2 * l1) * g * cos(theta1 - M_PI / 2) + phi2;
    double acc2 = (torque + d2 / d1 * phi1 - m2 * l1 * lc2 * (dtheta1 * dtheta1) * sin2 - phi2)
                / (m2 * (lc2 * lc2) + I2 - d2 * d2 / d1);
    ds[0] = dtheta1;
    ds[1] = dtheta2;
    ds[2] = -(d2 * acc2 + phi1) / d1;
    ds[3] = acc2;
}

static void along(const double s[4], double dt, const double k[4], double out[4])       /* s + dt k */
{
    for (int i = 0; i < 4; i++) out[i] = s[i] + dt * k[i];
}

void acrobot_move(const double s[4], double torque, double dt, double s1[4])
{
    double k1[4], k2[4], k3[4], k4[4], at[4];
    derivative(s, torque, k1);
    along(s, dt / 2, k1, at), derivative(at, torque, k2);
    along(s, dt / 2, k2, at), derivative(at, torque, k3);
    along(s, dt, k3, at),     derivative(at, torque, k4);
    for (int i = 0; i < 4; i++) s1[i] = s[i] + dt / 6 * (k1[i] + 2 * k2[i] + 2 * k3[i] + k4[i]);
}

/* Whole turns less, so that it lies in [-pi, pi]; both ends stay */
static double wrap(double angle)
{
    if (angle > M_PI)  angle -= 2 * M_PI * ceil((angle - M_PI) / (2 * M_PI));
    if (angle < -M_PI) angle += 2 * M_PI * ceil((-M_PI - angle) / (2 * M_PI));
    return angle;
}

static double clip(double x, double most) { return x < -most ? -most : x > most ? most : x; }

static void observe(env *e)
{
    const double *s = e->state;
    e->obs[0] = (float)cos(s[0]);
    e->obs[1] = (float)sin(s[0]);
    e->obs[2] = (float)cos(s[1]);
    e->obs[3] = (float)sin(s[1]);
    e->obs[4] = (float)s[2];
    e->obs[5] = (float)s[3];
}

static void reset(env *e)
{
    for (int i = 0; i < 4; i++) e->state[i] = (float)gsl_ran_flat(e->rng, -0.1, 0.1);
    observe(e);
}

static bool step(env *e, const double *action, double *reward)
{
    double *s = e->state;
    acrobot_move(s, action[0] - 1, tau, s);
    s[0] = wrap(s[0]);
    s[1] = wrap(s[1]);
    s[2] = clip(s[2], SPEED_1_MAX);
    s[3] = clip(s[3], SPEED_2_MAX);
    observe(e);
    bool up = -cos(s[0]) - cos(s[1] + s[0]) > 1;
    *reward = up ? 0 : -1;
    return up;
}

env *acrobot_new(const char *id)
{
    static const char *const state_name[] = { "theta1", "theta2", "dtheta1", "dtheta2" };
    static const struct env_kind kind = { reset, step, observe, NULL, state_name };
    static const double low[]  = { -1, -1, -1, -1, (float)-SPEED_1_MAX, (float)-SPEED_2_MAX };
    static const double high[] = {  1,  1,  1,  1, (float)SPEED_1_MAX,  (float)SPEED_2_MAX };
    return env_new(id, &kind, NULL, 4, (env_space){ .n = 3, .dim = 1 },
                   (env_space){ .dim = 6, .low = low, .high = high });
}
