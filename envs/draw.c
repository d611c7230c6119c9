/* Drawings of the environments: see draw.h. Where things stand follows Gymnasium's conventions for the states. */
#include "envs/draw.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "autodiff/require.h"

static void part(drawing *d, drawn p)
{
    require(d->n < DRAW_MOST, "a drawing of more than %d parts", DRAW_MOST);
    d->part[d->n++] = p;
}

static void line(drawing *d, enum draw_colour colour, double width, double x0, double y0, double x1, double y1)
{
    part(d, (drawn){ colour, x0, y0, x1, y1, width, false });
}

static void disc(drawing *d, enum draw_colour colour, double diameter, double x, double y)
{
    part(d, (drawn){ colour, x, y, x, y, diameter, true });
}

static void see(drawing *d, double left, double right, double low, double high)
{
    d->left = left;
    d->right = right;
    d->low = low;
    d->high = high;
}

/* x, x_dot, theta from upright, clockwise; the pole is 1 m long */
static void draw_cartpole(const env *e, drawing *d)
{
    double x = e->state[0], theta = e->state[2];
    see(d, -2.6, 2.6, -0.3, 1.3);
    line(d, DRAW_FRAME, 0.02, -2.4, 0, 2.4, 0);
    line(d, DRAW_BODY, 0.2, x - 0.25, 0.1, x + 0.25, 0.1);
    line(d, DRAW_POLE, 0.06, x, 0.2, x + sin(theta), 0.2 + cos(theta));
}

/* theta1 from hanging down, theta2 from the first link on; both links are 1 m long, the goal is 1 m up */
static void draw_acrobot(const env *e, drawing *d)
{
    double a = e->state[0], b = e->state[0] + e->state[1];
    see(d, -2.2, 2.2, -2.2, 2.2);
    line(d, DRAW_GOAL, 0.02, -2.2, 1, 2.2, 1);
    line(d, DRAW_BODY, 0.12, 0, 0, sin(a), -cos(a));
    line(d, DRAW_POLE, 0.12, sin(a), -cos(a), sin(a) + sin(b), -cos(a) - cos(b));
    disc(d, DRAW_FRAME, 0.16, 0, 0);
    disc(d, DRAW_FRAME, 0.16, sin(a), -cos(a));
}

static double hill(double x) { return 0.45 * sin(3 * x) + 0.55; }

static void draw_mountain_car(const env *e, drawing *d)
{
    enum { PIECES = 40 };
    const double low = -1.2, high = 0.6, x = e->state[0], goal = strstr(e->id, "Continuous") ? 0.45 : 0.5;
    see(d, low, high, 0, 1.2);
    for (int i = 0; i < PIECES; i++) {
        double x0 = low + (high - low) * i / PIECES, x1 = low + (high - low) * (i + 1) / PIECES;
        line(d, DRAW_FRAME, 0.01, x0, hill(x0), x1, hill(x1));
    }
    line(d, DRAW_GOAL, 0.012, goal, hill(goal), goal, hill(goal) + 0.15);
    disc(d, DRAW_BODY, 0.08, x, hill(x) + 0.04);
}

/* theta from upright, counter-clockwise */
static void draw_pendulum(const env *e, drawing *d)
{
    double theta = e->state[0];
    see(d, -1.3, 1.3, -1.3, 1.3);
    line(d, DRAW_POLE, 0.15, 0, 0, -sin(theta), cos(theta));
    disc(d, DRAW_FRAME, 0.1, 0, 0);
}

static int board_columns(const env *e)
{
    static const struct { const char *begins; int columns; } table[] = {
        { "FrozenLake8x8", 8 }, { "FrozenLake", 4 }, { "CliffWalking", 12 }, { "gridworld-3.5", 5 },
        { "gridworld-4.1", 4 }, { "windy-gridworld", 10 }, { "random-walk", 1000 }, { "chain", 1000 },
        { "short-corridor", 1000 } };
    int nS = e->observation.n;
    for (size_t i = 0; i < sizeof table / sizeof *table; i++)
        if (strncmp(e->id, table[i].begins, strlen(table[i].begins)) == 0)
            return nS < table[i].columns ? nS : table[i].columns;
    return (int)ceil(sqrt(nS));
}

/* State s stands in row s / columns from above. */
static bool draw_board(const env *e, drawing *d)
{
    int nS = e->observation.n, columns = board_columns(e), rows = (nS + columns - 1) / columns, s = env_state(e);
    if (columns + rows + 3 > DRAW_MOST) return false;
    see(d, -0.2, columns + 0.2, -0.2, rows + 0.2);
    for (int i = 0; i <= rows; i++) line(d, DRAW_FRAME, 0.03, 0, i, columns, i);
    for (int i = 0; i <= columns; i++) line(d, DRAW_FRAME, 0.03, i, 0, i, rows);
    disc(d, DRAW_BODY, 0.6, s % columns + 0.5, rows - s / columns - 0.5);
    return true;
}

static void write_state(const env *e, drawing *d)
{
    int n = 0;
    char name[32];
    if (e->observation.n > 0) snprintf(d->text, sizeof d->text, "state %d", env_state(e));
    for (int i = 0; e->observation.n == 0 && i < e->state_n && n < (int)sizeof d->text; i++) {
        env_state_name(e, i, name);
        n += snprintf(d->text + n, sizeof d->text - (size_t)n, "%s%s %+.3f", i ? "  " : "", name, e->state[i]);
    }
}

bool env_draw(const env *e, drawing *d)
{
    static const struct { const char *begins; void (*draw)(const env *e, drawing *d); } table[] = {
        { "CartPole-", draw_cartpole }, { "Acrobot-", draw_acrobot }, { "MountainCar", draw_mountain_car },
        { "Pendulum-", draw_pendulum } };
    *d = (drawing){ .n = 0 };
    write_state(e, d);
    for (size_t i = 0; i < sizeof table / sizeof *table; i++)
        if (strncmp(e->id, table[i].begins, strlen(table[i].begins)) == 0 && e->observation.n == 0) {
            table[i].draw(e, d);
            return true;
        }
    return e->observation.n > 0 && draw_board(e, d);
}
