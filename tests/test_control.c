/* The classic control tasks and the regulator as physics: their equations by other means, the order of the
 * integrators, mirror symmetry, energy, where episodes start and end, closed forms. Rows of the real Gymnasium are
 * in test_env_cases.c.
 *     test_control [pattern]       runs the tests whose names match */
#include <float.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>
#include <gsl/gsl_cdf.h>
#include <gsl/gsl_math.h>
#include <gsl/gsl_randist.h>

#include "autodiff/random.h"
#include "autodiff/require.h"
#include "envs/classic_control.h"
#include "envs/lqr.h"

#define COUNT(a) ((int)(sizeof(a) / sizeof((a)[0])))
typedef long double real;

static env *make(const char *id, int limit)
{
    char error[2048] = "";
    env *e = env_make(id, limit, error, sizeof error);
    if (!e) fail_msg("%s", error);
    return e;
}

struct outcome { double reward; bool terminated, truncated; };

static struct outcome step(env *e, double action)
{
    struct outcome o;
    env_step(e, &action, &o.reward, &o.terminated, &o.truncated);
    return o;
}

/* A step from a state of its own */
static struct outcome step_from(env *e, const double *state, double action)
{
    env_restore(e, NULL, state, 0);
    return step(e, action);
}

/* ------------------------------------------------------------------------------- the equations of motion
 * Lagrange's equations, M(q) q'' = forces, solved by Cramer's rule in long double. */

static void solve2(real a, real b, real d, real p, real q, real *x, real *y)    /* [a b; b d] (x, y) = (p, q) */
{
    *x = (p * d - b * q) / (a * d - b * b);
    *y = (a * q - b * p) / (a * d - b * b);
}

/* A uniform pole of 1 m and .1 kg, its middle at (x + l sin theta, l cos theta), on a cart of 1 kg */
static void cartpole_f(const real s[4], real F, real ds[4])
{
    const real m = 0.1, l = 0.5, g = 9.8, total = 1.0 + 0.1;
    ds[0] = s[1];
    ds[2] = s[3];
    solve2(total, m * l * cosl(s[2]), m * l * l * 4 / 3,
           F + m * l * s[3] * s[3] * sinl(s[2]), m * g * l * sinl(s[2]), &ds[1], &ds[3]);
}

/* Two links of 1 m, 1 kg and 1 kg m^2, hanging at theta = 0 */
static void acrobot_f(const real s[4], real torque, real ds[4])
{
    const real g = 9.8;
    real h = 0.5 * sinl(s[1]), weight2 = 0.5 * g * sinl(s[0] + s[1]), weight1 = 1.5 * g * sinl(s[0]) + weight2;
    ds[0] = s[2];
    ds[1] = s[3];
    solve2(3.5 + cosl(s[1]), 1.25 + 0.5 * cosl(s[1]), 1.25, h * (s[3] * s[3] + 2 * s[2] * s[3]) - weight1,
           torque - h * s[2] * s[2] - weight2, &ds[2], &ds[3]);
}

/* A uniform rod of 1 m and 1 kg on a motor: inertia 1/3, its middle half a metre up */
static void pendulum_f(const real s[4], real u, real ds[4])
{
    ds[0] = s[1];
    ds[1] = (u + 0.5 * 10 * sinl(s[0])) * 3;
    ds[2] = ds[3] = 0;
}

typedef void field(const real s[4], real force, real ds[4]);

static void runge_kutta(field *f, real s[4], real force, real dt)
{
    real k[4][4], at[4];
    static const real c[] = { 0, 0.5, 0.5, 1 };
    for (int j = 0; j < 4; j++) {
        for (int i = 0; i < 4; i++) at[i] = s[i] + (j > 0 ? c[j] * dt * k[j - 1][i] : 0);
        f(at, force, k[j]);
    }
    for (int i = 0; i < 4; i++) s[i] += dt / 6 * (k[0][i] + 2 * k[1][i] + 2 * k[2][i] + k[3][i]);
}

static void random_state(gsl_rng *rng, const double *range, double *s)
{
    for (int i = 0; i < 4; i++) s[i] = gsl_ran_flat(rng, -range[i], range[i]);
}

static const double CARTPOLE[] = { 2.4, 4, M_PI, 6 }, ACROBOT[] = { M_PI, M_PI, 4 * M_PI, 9 * M_PI };
static const double PENDULUM[] = { 10, 7, 0, 0 };

/* EN1: 1e5 steps within 10 times the rounding of some 40 operations on numbers of the size of the terms. */
static void test_cartpole_equations(void **state)
{
    (void)state;
    gsl_rng *rng = random_stream(1, 0, RANDOM_TEST);
    for (int n = 0; n < 100000; n++) {
        double s[4], s1[4], F = n % 2 ? 10 : -10, dt = 0.02;
        random_state(rng, CARTPOLE, s);
        cartpole_move(s, F, dt, s1);
        real at[4] = { s[0], s[1], s[2], s[3] }, ds[4];
        cartpole_f(at, F, ds);
        double push = (10 + 0.05 * s[3] * s[3]) / 1.1, turn = (9.8 + push) / (0.5 * (4.0 / 3 - 0.1 / 1.1));
        double size[4] = { fabs(s[1]), push + 0.05 * turn, fabs(s[3]), turn };
        for (int i = 0; i < 4; i++) {
            double off = (double)fabsl(s1[i] - (at[i] + dt * ds[i]));
            assert_true(off <= 10 * 40 * DBL_EPSILON * (fabs(s[i]) + dt * size[i]));
        }
    }
    gsl_rng_free(rng);
}

static void test_acrobot_equations(void **state)
{
    (void)state;
    gsl_rng *rng = random_stream(2, 0, RANDOM_TEST);
    for (int n = 0; n < 100000; n++) {
        double s[4], s1[4], torque = n % 3 - 1, dt = 0.2;
        random_state(rng, ACROBOT, s);
        for (int i = 2; i < 4; i++) s[i] /= 4;                  /* so that a step does not go round and round */
        acrobot_move(s, torque, dt, s1);
        real at[4] = { s[0], s[1], s[2], s[3] };
        runge_kutta(acrobot_f, at, torque, dt);
        /* Four evaluations of some 40 operations on terms up to (s2' + s1')^2 and 3 g; later ones have a state
         * that is off by the error of earlier ones times the field's slope, of the same size. */
        double speed = fabs(s[2]) + fabs(s[3]), size = speed + dt * (speed * speed + 30);
        for (int i = 0; i < 4; i++)
            assert_true(fabsl(s1[i] - at[i]) <= 10 * 160 * DBL_EPSILON * (fabs(s[i]) + size * (1 + dt * size)));
    }
    gsl_rng_free(rng);
}

static void test_pendulum_equations(void **state)
{
    (void)state;
    gsl_rng *rng = random_stream(3, 0, RANDOM_TEST);
    for (int n = 0; n < 100000; n++) {
        double s[4], s1[2], u = gsl_ran_flat(rng, -2, 2), dt = 0.05;
        random_state(rng, PENDULUM, s);
        pendulum_move(s, u, dt, s1);
        real at[4] = { s[0], s[1] }, ds[4], speed;
        pendulum_f(at, u, ds);
        speed = s[1] + dt * ds[1];
        if (speed > 8) speed = 8;
        if (speed < -8) speed = -8;
        assert_true(fabsl(s1[1] - speed) <= 10 * 10 * DBL_EPSILON * (fabs(s[1]) + dt * 21));
        assert_true(fabsl(s1[0] - (s[0] + dt * speed)) <= 10 * 10 * DBL_EPSILON * (fabs(s[0]) + dt * 10));
    }
    gsl_rng_free(rng);
}

/* ------------------------------------------------------------------------------- EN3: order of the integrator */

typedef void move(const double *s, double force, double dt, double *s1);

/* Distance to the flow after the time T in n steps; the flow by 4096 long double Runge-Kutta steps */
static double flow_error(move *f, field *exact, const double start[4], double force, double T, int n)
{
    double s[4], worst = 0;
    real at[4];
    for (int i = 0; i < 4; i++) at[i] = s[i] = start[i];
    for (int k = 0; k < n; k++) f(s, force, T / n, s);
    for (int k = 0; k < 4096; k++) runge_kutta(exact, at, force, (real)T / 4096);
    for (int i = 0; i < 4; i++) worst = fmax(worst, (double)fabsl(s[i] - at[i]));
    return worst;
}

/* Half the step, 2^-p of the error, within 5 %. */
static void test_orders(void **state)
{
    (void)state;
    static const struct { move *f; field *exact; double start[4], force, T; int n; double factor; } table[] = {
        { cartpole_move, cartpole_f, { 0.1, -0.3, 0.2, 0.4 }, 10, 0.5, 1000, 2 },
        { acrobot_move, acrobot_f, { 1, -0.5, 0.3, 1 }, 1, 1, 64, 16 },
        { acrobot_move, acrobot_f, { -2, 1, 2, -1 }, 0, 1, 128, 16 },
        { pendulum_move, pendulum_f, { 2, 0.5 }, 1, 1, 2000, 2 } };
    for (int i = 0; i < COUNT(table); i++) {
        double error[2];
        for (int k = 0; k < 2; k++)
            error[k] = flow_error(table[i].f, table[i].exact, table[i].start, table[i].force, table[i].T,
                                  table[i].n << k);
        if (!(fabs(error[0] / error[1] - table[i].factor) <= 0.05 * table[i].factor))
            fail_msg("row %d: errors %g and %g", i, error[0], error[1]);
    }
}

/* ------------------------------------------------------------------------------- EN3: mirror symmetry */

/* Left and right exchanged, where a valley has its lowest point at `middle`: states 2 middle - s, actions
 * reversed. What comes after is exchanged, too, to `units` roundings of numbers of size 1. */
static void check_mirror(const char *id, double middle, const double range[4], double units, double reward_units)
{
    env *e = make(id, ENV_NO_LIMIT), *f = make(id, ENV_NO_LIMIT);
    gsl_rng *rng = random_stream(4, 0, RANDOM_TEST);
    for (int n = 0; n < 20000; n++) {
        double s[4], mirrored[4], a = e->action.n ? (double)(n % e->action.n) : gsl_ran_flat(rng, -3, 3);
        random_state(rng, range, s);
        for (int i = 0; i < 4; i++) mirrored[i] = -s[i];
        s[0] += middle, mirrored[0] += middle;
        struct outcome o = step_from(e, s, a), p = step_from(f, mirrored, e->action.n ? e->action.n - 1 - a : -a);
        assert_true(fabs(o.reward - p.reward) <= reward_units * DBL_EPSILON * fmax(1, fabs(o.reward)));
        assert_int_equal(o.terminated, p.terminated);
        for (int i = 0; i < e->state_n; i++) {
            double sum = e->state[i] + f->state[i] - (i == 0 ? 2 * middle : 0);
            if (!(fabs(sum) <= units * DBL_EPSILON * fmax(1, fabs(e->state[i]))))
                fail_msg("%s: state %d: %.17g, mirrored %.17g", id, i, e->state[i], f->state[i]);
        }
    }
    gsl_rng_free(rng);
    env_free(e), env_free(f);
}

static void test_mirror(void **state)
{
    (void)state;
    static const double gentle[] = { M_PI, M_PI, 3, 3 }, car[] = { 0.3, 0.03, 0, 0 };
    check_mirror("CartPole-v1", 0, CARTPOLE, 0, 0);
    check_mirror("Pendulum-v1", 0, PENDULUM, 0, 32);        /* the cost's angle: + pi, modulo, - pi at size 10 */
    check_mirror("Acrobot-v1", 0, gentle, 2000, 0);         /* cos(theta - pi/2) is not exactly odd */
    check_mirror("MountainCar-v0", -M_PI / 6, car, 4, 0);
    check_mirror("MountainCarContinuous-v0", -M_PI / 6, car, FLT_EPSILON / DBL_EPSILON, 0);
    check_mirror("lqr", 0, CARTPOLE, 0, 0);
}

/* ------------------------------------------------------------------------------- EN3: energy and momentum */

static double acrobot_energy(const double s[4])
{
    double inertia1 = 3.5 + cos(s[1]), inertia12 = 1.25 + 0.5 * cos(s[1]);
    return (inertia1 * s[2] * s[2] + 2 * inertia12 * s[2] * s[3] + 1.25 * s[3] * s[3]) / 2
         - 9.8 * (1.5 * cos(s[0]) + 0.5 * cos(s[0] + s[1]));
}

/* Without torque: 10 s in steps of 1 ms, whose error of order 4 is below 1e-9 */
static void test_acrobot_energy(void **state)
{
    (void)state;
    double s[4] = { 1, 0.7, 2, -1 }, start = acrobot_energy(s);
    for (int n = 0; n < 10000; n++) acrobot_move(s, 0, 1e-3, s);
    assert_true(fabs(acrobot_energy(s) - start) <= 1e-9);
}

/* The cart's push is the only force along the track, and the only work: (p1 - p0)/dt = F and (E1 - E0)/dt = F x'
 * up to O(dt). Half of dt halves the difference, of which the limit 0 is extrapolated. */
static double cartpole_momentum(const double s[4]) { return 1.1 * s[1] + 0.05 * s[3] * cos(s[2]); }
static double cartpole_energy(const double s[4])
{
    return 0.55 * s[1] * s[1] + 0.05 * cos(s[2]) * s[1] * s[3] + s[3] * s[3] / 60 + 0.05 * 9.8 * cos(s[2]);
}

static void test_cartpole_conservation(void **state)
{
    (void)state;
    gsl_rng *rng = random_stream(5, 0, RANDOM_TEST);
    for (int n = 0; n < 1000; n++) {
        double s[4], s1[4], F = n % 2 ? 10 : 0, momentum[2], energy[2];
        random_state(rng, CARTPOLE, s);
        for (int i = 0; i < 2; i++) {
            double dt = i == 0 ? 1e-4 : 0.5e-4;
            cartpole_move(s, F, dt, s1);
            momentum[i] = (cartpole_momentum(s1) - cartpole_momentum(s)) / dt - F;
            energy[i] = (cartpole_energy(s1) - cartpole_energy(s)) / dt - F * s[1];
        }
        assert_true(fabs(2 * momentum[1] - momentum[0]) <= 1e-5 && fabs(momentum[0]) <= 0.1);
        assert_true(fabs(2 * energy[1] - energy[0]) <= 1e-4 && fabs(energy[0]) <= 1);
    }
    gsl_rng_free(rng);
}

/* The pendulum without torque, E = theta'^2 / 2 + 15 cos theta. The step is symplectic: over a million steps it
 * keeps E - dt/2 theta' 15 sin theta, and so E, within O(dt^2) and without drift. (Euler with the old velocity
 * gains energy all the time.) The next term of what it keeps is dt^2/12 (15^2 sin^2 theta - 15 cos theta
 * theta'^2), at most dt^2/12 (15^2 + 15 theta'^2); twice that covers the ones after it. */
static double pendulum_kept(const double s[2], double dt)
{
    return s[1] * s[1] / 2 + 15 * cos(s[0]) + dt / 2 * s[1] * 15 * sin(s[0]);
}

static void test_pendulum_energy(void **state)
{
    (void)state;
    const double dt = 0.05, start[2] = { 2, 0 };
    double s[2] = { start[0], start[1] }, fastest = 0, worst = 0;
    for (int n = 0; n < 1000000; n++) {
        pendulum_move(s, 0, dt, s);
        fastest = fmax(fastest, fabs(s[1]));
        worst = fmax(worst, fabs(pendulum_kept(s, dt) - pendulum_kept(start, dt)));
    }
    assert_true(fastest > 4 && fastest < 8);                        /* swings, and is never clipped */
    if (!(worst <= 2 * 2 * dt * dt / 12 * (225 + 15 * fastest * fastest))) fail_msg("drift %g", worst);
}

/* The car that rolls freely in the valley: the same with E = v^2 / 2 + (0.0025 / 3) sin(3 p) and dt = 1. */
static double car_kept(const double s[2])
{
    return s[1] * s[1] / 2 + 0.0025 / 3 * sin(3 * s[0]) - 0.5 * s[1] * 0.0025 * cos(3 * s[0]);
}

static void test_mountain_car_energy(void **state)
{
    (void)state;
    static const char *const id[] = { "MountainCar-v0", "MountainCarContinuous-v0" };
    for (int i = 0; i < 2; i++) {
        env *e = make(id[i], ENV_NO_LIMIT);
        double start[2] = { -1, 0 }, fastest = 0, worst = 0;
        env_restore(e, NULL, start, 0);
        for (int n = 0; n < 20000; n++) {
            assert_false(step(e, i == 0 ? 1 : 0).terminated);
            fastest = fmax(fastest, fabs(e->state[1]));
            worst = fmax(worst, fabs(car_kept(e->state) - car_kept(start)));
        }
        assert_true(fastest > 0.02 && fastest < 0.07);
        double term = (0.0025 * 0.0025 + 3 * 0.0025 * fastest * fastest) / 12;
        double rounding = i == 0 ? 0 : 20000 * FLT_EPSILON * 0.0025;        /* of the position to float32 */
        if (!(worst <= 2 * 2 * term + rounding)) fail_msg("%s: drift %g, term %g", id[i], worst, term);
        env_free(e);
    }
}

/* ------------------------------------------------------------------------------- starts, ends, bounds, rewards */

static void test_ids(void **state)
{
    (void)state;
    static const struct {
        const char *id; int limit; double threshold; int actions, dim; double low, high;
    } table[] = {
        { "CartPole-v1", 500, 475, 2, 4, 0, 0 }, { "Acrobot-v1", 500, -100, 3, 6, 0, 0 },
        { "MountainCar-v0", 200, -110, 3, 2, 0, 0 }, { "MountainCarContinuous-v0", 999, 90, 0, 2, -1, 1 },
        { "Pendulum-v1", 200, NAN, 0, 3, -2, 2 }, { "lqr", 100, NAN, 0, 1, -INFINITY, INFINITY } };
    for (int i = 0; i < COUNT(table); i++) {
        env *e = make(table[i].id, ENV_OWN_LIMIT);
        assert_string_equal(env_id(i), table[i].id);
        assert_string_equal(e->id, table[i].id);
        assert_true(e->limit == table[i].limit && e->action.n == table[i].actions && e->action.dim == 1);
        assert_true(isnan(table[i].threshold) ? isnan(e->threshold) : e->threshold == table[i].threshold);
        assert_true(e->observation.n == 0 && e->observation.dim == table[i].dim);
        if (table[i].actions == 0)
            assert_true(e->action.low[0] == table[i].low && e->action.high[0] == table[i].high);
        env_free(e);
    }
}

/* Gymnasium's observation spaces: symmetric but for the car's, and float32 numbers all of them */
static void test_observation_bounds(void **state)
{
    (void)state;
    static const struct { const char *id; int n; double low[6], high[6]; } table[] = {
        { "CartPole-v1", 4, { -4.800000190734863, -INFINITY, -0.41887903213500977, -INFINITY },
          { 4.800000190734863, INFINITY, 0.41887903213500977, INFINITY } },
        { "Acrobot-v1", 6, { -1, -1, -1, -1, -12.566370964050293, -28.274333953857422 },
          { 1, 1, 1, 1, 12.566370964050293, 28.274333953857422 } },
        { "MountainCar-v0", 2, { -1.2000000476837158, -0.07000000029802322 },
          { 0.6000000238418579, 0.07000000029802322 } },
        { "MountainCarContinuous-v0", 2, { -1.2000000476837158, -0.07000000029802322 },
          { 0.6000000238418579, 0.07000000029802322 } },
        { "Pendulum-v1", 3, { -1, -1, -8 }, { 1, 1, 8 } } };
    for (int i = 0; i < COUNT(table); i++) {
        env *e = make(table[i].id, ENV_OWN_LIMIT);
        assert_int_equal(e->observation.dim, table[i].n);
        for (int k = 0; k < table[i].n; k++)
            assert_true(e->observation.low[k] == table[i].low[k] && e->observation.high[k] == table[i].high[k]);
        env_free(e);
    }
}

static int ascending(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

/* EN4: each component of the first state against its distribution, Kolmogorov at alpha 1e-6: D sqrt(n) <= 2.7 */
static void check_start(const char *id, int component, double low, double high)
{
    enum { N = 20000 };
    env *e = make(id, ENV_OWN_LIMIT);
    gsl_rng *rng = random_stream(6, (uint32_t)component, RANDOM_TEST);
    double *x = allocate(N, sizeof *x, "starts"), D = 0;
    for (int n = 0; n < N; n++) {
        env_reset(e, rng);
        x[n] = e->state[component];
    }
    qsort(x, N, sizeof *x, ascending);
    for (int n = 0; n < N; n++) {
        double F = isfinite(low) ? (x[n] - low) / (high - low) : gsl_cdf_ugaussian_P(x[n]);
        D = fmax(D, fmax(F - (double)n / N, (n + 1.0) / N - F));
    }
    if (!(D * sqrt(N) <= 2.7)) fail_msg("%s: state %d: D sqrt(n) = %g", id, component, D * sqrt(N));
    free(x);
    gsl_rng_free(rng);
    env_free(e);
}

static void test_starts(void **state)
{
    (void)state;
    for (int i = 0; i < 4; i++) check_start("CartPole-v1", i, -0.05, 0.05);
    for (int i = 0; i < 4; i++) check_start("Acrobot-v1", i, -0.1, 0.1);
    check_start("MountainCar-v0", 0, -0.6, -0.4);
    check_start("MountainCarContinuous-v0", 0, -0.6, -0.4);
    check_start("Pendulum-v1", 0, -M_PI, M_PI);
    check_start("Pendulum-v1", 1, -1, 1);
    check_start("lqr", 0, -INFINITY, INFINITY);
}

/* The components of a start are numbers of their own; a car starts at rest. */
static void test_start_components(void **state)
{
    (void)state;
    gsl_rng *rng = random_stream(7, 0, RANDOM_TEST);
    env *cart = make("CartPole-v1", ENV_OWN_LIMIT), *car = make("MountainCar-v0", ENV_OWN_LIMIT);
    env *car2 = make("MountainCarContinuous-v0", ENV_OWN_LIMIT), *acrobot = make("Acrobot-v1", ENV_OWN_LIMIT);
    for (int n = 0; n < 1000; n++) {
        env_reset(cart, rng), env_reset(car, rng), env_reset(car2, rng), env_reset(acrobot, rng);
        for (int i = 0; i < 4; i++)
            for (int k = 0; k < i; k++) assert_true(cart->state[i] != cart->state[k]);
        for (int i = 0; i < 4; i++) assert_true(acrobot->state[i] == (float)acrobot->state[i]);
        assert_true(car->state[1] == 0 && car2->state[1] == 0);
    }
    gsl_rng_free(rng);
    env_free(cart), env_free(car), env_free(car2), env_free(acrobot);
}

/* CartPole ends past 2.4 m and 12 degrees, not at them, and pays for its last step. */
static void test_cartpole_ends(void **state)
{
    (void)state;
    static const double X = 2.4, THETA = 0.20943951023931953;       /* pi / 15 */
    env *e = make("CartPole-v1", ENV_OWN_LIMIT);
    for (int sign = -1; sign <= 1; sign += 2) {
        for (int past = 0; past < 2; past++) {
            double x[4] = { sign * (past ? nextafter(X, 3) : X) };
            double theta[4] = { 0, 0, sign * (past ? nextafter(THETA, 3) : THETA) };
            struct outcome o = step_from(e, x, 0), p = step_from(e, theta, 1);
            assert_true(o.terminated == past && p.terminated == past);
            assert_true(o.reward == 1 && p.reward == 1 && !o.truncated && !p.truncated);
        }
    }
    double late[4] = { X + 1 };
    env_restore(e, NULL, late, 499);                                /* both flags at the limit */
    struct outcome o = step(e, 0);
    assert_true(o.terminated && o.truncated && e->over);
    env_free(e);
}

static void test_acrobot_ends(void **state)
{
    (void)state;
    env *e = make("Acrobot-v1", ENV_OWN_LIMIT);
    double hanging[4] = { 0 }, upright[4] = { M_PI, 0, 0, 0 }, folded[4] = { M_PI, M_PI, 0, 0 };
    struct outcome o = step_from(e, hanging, 1);
    assert_true(!o.terminated && o.reward == -1);
    o = step_from(e, upright, 1);
    assert_true(o.terminated && o.reward == 0);
    o = step_from(e, folded, 1);                    /* the tip is back at the fixed joint */
    assert_true(!o.terminated && o.reward == -1);
    /* Angles come back into [-pi, pi], with the same sine and cosine, and velocities into their bounds. */
    double fast[4] = { 3.1, -3.1, 12, -28 }, plain[4];
    acrobot_move(fast, 1, 0.2, plain);
    assert_true(plain[0] > M_PI && plain[1] < -M_PI);
    step_from(e, fast, 2);
    for (int i = 0; i < 2; i++) {
        assert_true(fabs(e->state[i]) <= M_PI);
        assert_true(fabs(sin(e->state[i]) - sin(plain[i])) <= 1e-14);
        assert_true(fabs(cos(e->state[i]) - cos(plain[i])) <= 1e-14);
    }
    double faster[4] = { 0.3, 1.5, 4 * M_PI, 9 * M_PI };
    acrobot_move(faster, 1, 0.2, plain);
    step_from(e, faster, 2);
    static const double most[] = { 4 * M_PI, 9 * M_PI };
    for (int i = 2; i < 4; i++) {
        bool clipped = fabs(plain[i]) > most[i - 2];
        assert_true(e->state[i] == (clipped ? copysign(most[i - 2], plain[i]) : plain[i]));
    }
    assert_true(fabs(plain[2]) > most[0] || fabs(plain[3]) > most[1]);
    env_free(e);
}

static void test_mountain_car_ends(void **state)
{
    (void)state;
    static const struct { const char *id; double goal, none; } table[] = {
        { "MountainCar-v0", 0.5, 1 }, { "MountainCarContinuous-v0", 0.45, 0 } };
    for (int i = 0; i < 2; i++) {
        env *e = make(table[i].id, ENV_OWN_LIMIT);
        double short_of[2] = { table[i].goal - 0.05, 0.045 }, over[2] = { table[i].goal - 0.05, 0.055 };
        double back[2] = { table[i].goal + 0.05, -0.02 }, wall[2] = { -1.19, -0.05 }, end[2] = { 0.59, 0.069 };
        double fast[2] = { -1.0, 0.0695 };
        assert_false(step_from(e, short_of, table[i].none).terminated);
        assert_true(step_from(e, over, table[i].none).terminated);
        assert_false(step_from(e, back, table[i].none).terminated);        /* past the goal, rolling back */
        step_from(e, wall, table[i].none);
        assert_true(e->state[0] == (i == 0 ? -1.2 : -1.2f) && e->state[1] == 0);
        step_from(e, end, table[i].none);
        assert_true(e->state[0] == (i == 0 ? 0.6 : 0.6f));
        step_from(e, fast, table[i].none);                                   /* downhill: + 0.0025 */
        assert_true(e->state[1] == (i == 0 ? 0.07 : 0.07f));
        /* At the goal itself, at full speed; and past it, where the push just stops the car. */
        double at_goal[2] = { table[i].goal - 0.07, 0.07 }, stopped[2] = { 0.55 };
        assert_true(at_goal[0] + 0.07 == table[i].goal);
        assert_true(step_from(e, at_goal, table[i].none + 1).terminated && e->state[1] == (i == 0 ? 0.07 : 0.07f));
        stopped[1] = -((i == 0 ? 0.001 : 0.0015) - 0.0025 * cos(3 * 0.55));
        assert_true(step_from(e, stopped, table[i].none + 1).terminated && e->state[1] == 0);
        env_free(e);
    }
    env *e = make("MountainCarContinuous-v0", ENV_OWN_LIMIT);
    double valley[2] = { -0.5, 0 }, over[2] = { 0.44, 0.05 };
    assert_true(step_from(e, valley, 3).reward == -9 * 0.1);        /* the action counts before it is clipped */
    assert_true(step_from(e, over, 0.5).reward == 100 - 0.25 * 0.1);
    assert_true(e->state[0] == (float)e->state[0] && e->state[1] == (float)e->state[1]);
    env_free(e);
}

/* The reward is that of the state before the step, by the angle from upright however often it went round. */
static void test_pendulum_reward(void **state)
{
    (void)state;
    env *e = make("Pendulum-v1", ENV_OWN_LIMIT);
    for (int turns = -3; turns <= 3; turns++) {
        double s[2] = { 1 + 2 * M_PI * turns, -2 };
        struct outcome o = step_from(e, s, 5);                      /* clipped to 2 */
        assert_true(!o.terminated && fabs(o.reward + (1 + 0.4 + 0.004)) <= 100 * DBL_EPSILON);
    }
    double top[2] = { 0, 0 };
    assert_true(step_from(e, top, 0).reward == 0);
    env_free(e);
}

/* What is observed is float32, and within its space at the very bounds. The state behind it is not. */
static void test_float32(void **state)
{
    (void)state;
    gsl_rng *rng = random_stream(8, 0, RANDOM_TEST);
    for (int i = 0; i < 5; i++) {
        env *e = make(env_id(i), ENV_OWN_LIMIT);
        int doubles = 0;
        for (int n = 0; n < 500; n++) {
            if (e->over) env_reset(e, rng);
            step(e, e->action.n ? (double)(n % e->action.n) : sin(n));
            for (int k = 0; k < e->observation.dim; k++) assert_true(e->obs[k] == (float)e->obs[k]);
            for (int k = 0; k < e->state_n; k++) doubles += e->state[k] != (float)e->state[k];
        }
        assert_true(i == 3 ? doubles == 0 : doubles > 300);
        env_free(e);
    }
    gsl_rng_free(rng);
}

/* EN4: a million random steps, and pushes one way for as long as they last: nothing leaves its space. */
static void test_bounds(void **state)
{
    (void)state;
    gsl_rng *rng = random_stream(11, 0, RANDOM_TEST);
    for (int i = 0; i < 5; i++) {
        env *e = make(env_id(i), ENV_OWN_LIMIT);
        double push = 0;
        for (int n = 0; n < 1000000; n++) {
            if (e->over) env_reset(e, rng);
            if (n % 50 == 0) push = gsl_ran_flat(rng, -3, 3);
            double a = push + gsl_ran_flat(rng, -1, 1);
            if (e->action.n > 0 && n % 5000 < 2500) a = push > 0 ? e->action.n - 1 : 0;
            else if (e->action.n > 0) a = (double)gsl_rng_uniform_int(rng, (unsigned long)e->action.n);
            step(e, a);
            for (int k = 0; k < e->observation.dim; k++)
                if (!(e->obs[k] >= e->observation.low[k] && e->obs[k] <= e->observation.high[k]))
                    fail_msg("%s: observation %d: %.17g", e->id, k, e->obs[k]);
        }
        env_free(e);
    }
    gsl_rng_free(rng);
}

/* ------------------------------------------------------------------------------- EN5: controllers that know */

static double balance(const double *s) { return s[2] + 0.5 * s[3] + 0.05 * s[0] + 0.1 * s[1] > 0; }
static double pump(const double *s) { return s[1] < 0 ? 0 : 2; }
static double throttle(const double *s) { return s[1] < 0 ? -1 : 1; }
static double swing(const double *s) { return s[3] < 0 ? 0 : 2; }
static double hold(const double *s)                         /* pump energy, and near the top hold on to it */
{
    double theta = atan2(sin(s[0]), cos(s[0])), energy = s[1] * s[1] / 2 + 15 * cos(s[0]) - 15;
    return fabs(theta) < 0.5 ? -(12 * theta + 4 * s[1]) : (energy < 0 ? 2 : -2) * (s[1] < 0 ? -1 : 1);
}

static void test_experts(void **state)
{
    (void)state;
    static const struct {
        const char *id; double (*act)(const double *s); double least; bool terminates;
    } table[] = {
        { "CartPole-v1", balance, 500, false }, { "Acrobot-v1", swing, -400, true },
        { "MountainCar-v0", pump, -130, true }, { "MountainCarContinuous-v0", throttle, 88, true },
        { "Pendulum-v1", hold, -450, false } };
    gsl_rng *rng = random_stream(9, 0, RANDOM_TEST);
    for (int i = 0; i < COUNT(table); i++) {
        env *e = make(table[i].id, ENV_OWN_LIMIT);
        for (int episode = 0; episode < 100; episode++) {
            double sum = 0;
            struct outcome o = { 0 };
            for (env_reset(e, rng); !e->over; sum += o.reward) o = step(e, table[i].act(e->state));
            assert_int_equal(o.terminated, table[i].terminates);
            assert_int_equal(o.truncated, e->t == e->limit);
            if (!(sum >= table[i].least)) fail_msg("%s: return %g", table[i].id, sum);
        }
        env_free(e);
    }
    gsl_rng_free(rng);
}

/* ------------------------------------------------------------------------------- the regulator */

static double discounted_return(env *e, const lqr *L, double K, int steps)
{
    double sum = 0, weight = 1;
    for (int n = 0; n < steps; n++, weight *= L->gamma) sum += weight * step(e, -K * e->state[0]).reward;
    return sum;
}

/* Without noise the return is -P x0^2, P = (Q + R K^2) / (1 - gamma c^2), to rounding; gamma^350 < 1e-16. */
static void test_lqr_return(void **state)
{
    (void)state;
    static const double gain[] = { 0.4, 0, -0.05, 1.2, 3 };
    env *e = make("lqr", ENV_NO_LIMIT);
    const lqr *L = &lqr_scalar;
    for (int i = 0; i < COUNT(gain); i++) {
        double K = gain[i], c = L->A - L->B * K, P = (L->Q + L->R * K * K) / (1 - L->gamma * c * c), x0 = -1.7;
        env_restore(e, NULL, &x0, 0);
        double sum = discounted_return(e, L, K, 2000);
        assert_true(fabs(sum + P * x0 * x0) <= 2000 * DBL_EPSILON * P * x0 * x0);
    }
    env_free(e);
}

/* ERR-68's regulator: at K = 0.4 and E[x0^2] = 1, the slope of J is 3.88038448; here by differences of returns. */
static void test_lqr_slope(void **state)
{
    (void)state;
    const double h = 1e-4, one = 1;
    double J[2];
    env *e = make("lqr", ENV_NO_LIMIT);
    for (int i = 0; i < 2; i++) {
        env_restore(e, NULL, &one, 0);
        J[i] = discounted_return(e, &(lqr){ .gamma = 0.9 }, 0.4 + (i == 0 ? -h : h), 500);
    }
    assert_true(fabs((J[1] - J[0]) / (2 * h) - 3.88038448) <= 1e-6);
    assert_true(lqr_scalar.gamma == 0.9 && lqr_scalar.X0 == 1 && lqr_scalar.W == 0);
    double far = 3;                                                 /* and apart from the slope */
    env_restore(e, NULL, &far, 0);
    assert_true(fabs(step(e, 2).reward + 9.4) <= 1e-14 && e->state[0] == 4);
    env_free(e);
}

/* With noise: mean c^t x0 and variance W (1 - c^2t) / (1 - c^2) of x_t, each within a z or chi-squared bound of
 * alpha 1e-6, and the mean return, -(P X0 + gamma W P / (1 - gamma)), within 5 standard errors. */
static void test_lqr_noise(void **state)
{
    (void)state;
    enum { N = 100000, T = 6, RETURNS = 20000 };
    const lqr L = { .A = 1.1, .B = -0.4, .Q = 0.7, .R = 0.3, .W = 0.25, .X0 = 0.5, .gamma = 0.8 };
    const double K = -0.75, c = L.A - L.B * K, x0 = 2;
    env *e = lqr_env_new("noisy", &L);
    gsl_rng *rng = random_stream(10, 0, RANDOM_TEST);
    double mean = pow(c, T) * x0, var = L.W * (1 - pow(c, 2 * T)) / (1 - c * c), sum = 0, squares = 0;
    for (int n = 0; n < N; n++) {
        env_restore(e, rng, &x0, 0);
        for (int t = 0; t < T; t++) step(e, -K * e->state[0]);
        sum += e->state[0] - mean;
        squares += pow(e->state[0] - mean, 2);
    }
    assert_true(fabs(sum) / sqrt(N * var) <= 4.9);
    double tail = gsl_cdf_chisq_Q(squares / var, N);
    assert_true(tail >= 5e-7 && tail <= 1 - 5e-7);

    double P = (L.Q + L.R * K * K) / (1 - L.gamma * c * c), J = -(P * L.X0 + L.gamma * L.W * P / (1 - L.gamma));
    sum = squares = 0;
    for (int n = 0; n < RETURNS; n++) {
        env_reset(e, rng);
        double G = discounted_return(e, &L, K, 150);
        sum += G, squares += G * G;
    }
    double error = sqrt((squares / RETURNS - pow(sum / RETURNS, 2)) / RETURNS);
    assert_true(fabs(sum / RETURNS - J) <= 5 * error && error <= 0.02 * fabs(J));
    gsl_rng_free(rng);
    env_free(e);
}

int main(int argc, char **argv)
{
    if (argc > 1) cmocka_set_test_filter(argv[1]);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_cartpole_equations), cmocka_unit_test(test_acrobot_equations),
        cmocka_unit_test(test_pendulum_equations), cmocka_unit_test(test_orders), cmocka_unit_test(test_mirror),
        cmocka_unit_test(test_acrobot_energy), cmocka_unit_test(test_cartpole_conservation),
        cmocka_unit_test(test_pendulum_energy), cmocka_unit_test(test_mountain_car_energy),
        cmocka_unit_test(test_ids), cmocka_unit_test(test_observation_bounds),
        cmocka_unit_test(test_starts), cmocka_unit_test(test_start_components),
        cmocka_unit_test(test_cartpole_ends), cmocka_unit_test(test_acrobot_ends),
        cmocka_unit_test(test_mountain_car_ends), cmocka_unit_test(test_pendulum_reward),
        cmocka_unit_test(test_float32), cmocka_unit_test(test_bounds), cmocka_unit_test(test_experts),
        cmocka_unit_test(test_lqr_return), cmocka_unit_test(test_lqr_slope),
        cmocka_unit_test(test_lqr_noise),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
