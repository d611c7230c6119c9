/* Target networks that follow slowly: Polyak's average, by its two notations, and how it moves. 002 (l.164, l.191);
 * 004 (l.569-570, l.603-604, l.637, l.720-722). */
#include <float.h>
#include <math.h>

#include "algorithms/target.h"
#include "derivations/derivation.h"

#define RHO 0.995

/* ---- DDPG-19, TD3-13: theta stays at 1, its target begins at -1; after some updates, and the half-life ---- */

enum { TIMES = 4, HALF = TIMES, N_TARGETS = TIMES + 1 };
static const int times_[TIMES] = { 1, 10, 100, 1000 };
static int n_targets(const setting *x) { (void)x; return N_TARGETS; }
/* A thousand updates of numbers of at most 1, each rounded twice; the half-life, 138, is a quotient of two
 * logarithms, that of rho known to u / |ln rho| of itself */
static double unit_targets(const setting *x) { (void)x; return 138 / -log(RHO) * DBL_EPSILON; }

/* From two neighbours of a sequence that goes to 1: the updates in which what is left is halved */
static double half_life(double x0, double x1) { return -log(2) / log((1 - x1) / (1 - x0)); }

static double in_closed_form(double kept, double *out)
{
    for (int i = 0; i < TIMES; i++) out[i] = 1 - 2 * pow(kept, times_[i]);
    out[HALF] = log(0.5) / log(kept);
    return 0;
}
static double closed(const setting *x, double *out)    { (void)x; return in_closed_form(RHO, out); }
static double exchanged(const setting *x, double *out) { (void)x; return in_closed_form(1 - RHO, out); }

/* DDPG-19, TD3-13   theta_targ <- rho theta_targ + (1 - rho) theta, rho = 1 - kappa: by the training code */
static double followed(double rho, double *out)
{
    const double theta = 1;
    double targ = -1, first = 0;
    for (int n = 1, i = 0; n <= times_[TIMES - 1]; n++) {
        target_polyak(1, rho, &theta, &targ);
        if (n == 1) first = targ;
        if (n == times_[i]) out[i++] = targ;
    }
    out[HALF] = half_life(-1, first);
    return 0;
}
static double by_rho(const setting *x, double *out)   { (void)x; return followed(RHO, out); }
static double by_kappa(const setting *x, double *out) { (void)x; return followed(1 - (1 - RHO), out); }

/* w' <- kappa w + (1 - kappa) w' */
static double kappa_by_hand(double kappa, double *out)
{
    double targ = -1, first = 0;
    for (int n = 1, i = 0; n <= times_[TIMES - 1]; n++) {
        targ = kappa * 1 + (1 - kappa) * targ;
        if (n == 1) first = targ;
        if (n == times_[i]) out[i++] = targ;
    }
    out[HALF] = half_life(-1, first);
    return 0;
}
static double kappa_small(const setting *x, double *out) { (void)x; return kappa_by_hand(1 - RHO, out); }
static double kappa_large(const setting *x, double *out) { (void)x; return kappa_by_hand(RHO, out); }

/* ---- DDPG-23: theta wanders; how far its target moves at once ---- */

enum { UPDATES = 1000, COPIED_EVERY = 200 };            /* 1 / (1 - rho) */
static int    n_moves(const setting *x)    { (void)x; return UPDATES; }
static double unit_moves(const setting *x) { (void)x; return 8 * DBL_EPSILON; }         /* of numbers below 2 */
static double wandering(int n)             { return sin(n / 30.0) + 0.5 * cos(n / 7.0); }

static double tau_times_gap(const setting *x, double *out)
{
    (void)x;
    double targ = 0;
    for (int n = 0; n < UPDATES; n++) {
        out[n] = (1 - RHO) * fabs(wandering(n) - targ);
        targ += (1 - RHO) * (wandering(n) - targ);
    }
    return 0;
}

/* rho, or 0 at each `every`-th update and nothing in between */
static double moves(double rho, int every, double *out)
{
    double targ = 0;
    for (int n = 0; n < UPDATES; n++) {
        double before = targ, theta = wandering(n);
        if (n % every == every - 1) target_polyak(1, rho, &theta, &targ);
        out[n] = fabs(targ - before);
    }
    return 0;
}
/* DDPG-23   |theta_targ' - theta_targ| */
static double soft_moves(const setting *x, double *out)   { (void)x; return moves(RHO, 1, out); }
static double copied_moves(const setting *x, double *out) { (void)x; return moves(0, COPIED_EVERY, out); }

const derivation slow_targets[] = {
    { "DDPG-19", "targets follow by Polyak's average", "theta_targ after 1, 10, 100, 1000 updates; half-life",
      n_targets, unit_targets, NULL, NULL, {
        { "\\theta+\\rho^n(\\theta_{targ}-\\theta),\\quad\\frac{\\ln\\frac12}{\\ln\\rho}=138.3",
          "theta = 1 stays, theta_targ = -1 at first", closed },
        { "=\\theta_{targ}\\leftarrow\\rho\\theta_{targ}+(1-\\rho)\\theta",
          "the training code's, update by update",
          by_rho },
        { "\\theta_{targ}\\leftarrow\\kappa\\theta+(1-\\kappa)\\theta_{targ},\\quad\\kappa=.995",
          "004 (l.637) has the number on the target, 004 (l.720) and the papers (tau) on theta: one read as the other"
          " has a half-life of .13", exchanged, DIFFERS, "ERR-70" } }, "rho = .995" },
    { "TD3-13", "kappa is 1 - rho", "theta_targ after 1, 10, 100, 1000 updates; half-life",
      n_targets, unit_targets,
      NULL, NULL, {
        { "w'\\leftarrow\\kappa w+(1-\\kappa)w',\\quad\\kappa=.005", "by hand", kappa_small },
        { "=\\rho w'+(1-\\rho)w,\\quad\\rho=1-\\kappa", "DDPG-19, the training code's", by_kappa },
        { "\\kappa=\\rho=.995", "one number for both notations (004, l.637 against l.720)", kappa_large, DIFFERS,
          "ERR-70" } }, "kappa = .005" },
    { "DDPG-23", "soft updates avoid sudden changes: each moves the target by tau of the gap",
      "|change of theta_targ| at 1000 updates", n_moves, unit_moves, NULL, NULL, {
        { "(1-\\rho)|\\theta-\\theta_{targ}|", "tau = 1 - rho = .005; theta wanders between -1.5 and 1.5",
          tau_times_gap },
        { "=|\\theta_{targ}'-\\theta_{targ}|", "the training code's", soft_moves },
        { "\\theta_{targ}\\leftarrow\\theta\\ \\text{every 200 updates}", "the control: the whole gap at once",
          copied_moves, DIFFERS } }, "rho = .995, 1000 updates" },
    { .id = NULL }
};
