/* What clipping does not do: it keeps no ratio in its range (PPO-10), and it knows no KL (PPO-32). 000 (l.294),
 * 001 (l.625), 002 (l.301, l.344-347). */
#include <float.h>
#include <math.h>

#include "algorithms/ppo_clip.h"
#include "algorithms/ppo_penalty.h"
#include "autodiff/distribution.h"
#include "derivations/derivation.h"

#define EPS 0.2

/* ---- PPO-10: pi_old = (.9, .1), A = (1, -9), as ten samples; pi = (p, 1-p) ---- */

enum { STEPS = 4, NUMBERS = 5 };                /* L, r of each action, KL(pi_old||pi), dL/dz of p's logit */
static const double p_[STEPS] = { 0.95, 0.99, 0.999, 0.999999 };

static int    n_steps(const setting *x)    { (void)x; return STEPS * NUMBERS; }
static double unit_steps(const setting *x) { (void)x; return 16 * DBL_EPSILON; }

/* PPO-10   Beyond 1-eps for the second action L = p - .72: it goes on rising to .28 */
static double away_by_hand(const setting *x, double *out)
{
    (void)x;
    for (int k = 0; k < STEPS; k++) {
        long double p = p_[k], q = 1 - p;
        *out++ = (double)(p - 0.9L * 0.8L);
        *out++ = (double)(p / 0.9L);
        *out++ = (double)(q / 0.1L);
        *out++ = (double)(0.9L * logl(0.9L / p) + 0.1L * logl(0.1L / q));
        *out++ = (double)(p * q);
    }
    return 0;
}

static double away_in_training(const setting *x, double *out)
{
    enum { T = 10 };
    const int taken[T] = { 0, 0, 0, 0, 0, 0, 0, 0, 0, 1 };
    double A[T], logp_old[T], z_old[2] = { log(0.9), log(0.1) };
    (void)x;
    for (int i = 0; i < T; i++) A[i] = taken[i] ? -9 : 1, logp_old[i] = z_old[taken[i]];
    for (int k = 0; k < STEPS; k++) {
        double z[2] = { log(p_[k]), log1p(-p_[k]) };
        ad_tape *t = ad_tape_new();
        ad logits = ad_input(t, z, 1, 2), each = ad_rows(logits, T);
        ad ratio = ppo_ratio(categorical_logp(each, taken), ad_input(t, logp_old, T, 1));
        ad L = ppo_L_clip(ratio, ad_input(t, A, T, 1), EPS);
        *out++ = ad_scalar(L);
        *out++ = ad_value(ratio)[0];
        *out++ = ad_value(ratio)[T - 1];
        *out++ = ad_scalar(categorical_kl(ad_input(t, z_old, 1, 2), logits));
        *out++ = ad_value(ad_grad(L, logits))[0];
        ad_tape_free(t);
    }
    return 0;
}

/* ERR-62: as far as r in [1-eps, 1+eps] lets p go, to .92 */
static double kept_in_range(const setting *x, double *out)
{
    (void)x;
    for (int k = 0; k < STEPS; k++) {
        double p = fmin(p_[k], 1 - 0.1 * (1 - EPS)), q = 1 - p;
        *out++ = p - 0.72;
        *out++ = p / 0.9;
        *out++ = q / 0.1;
        *out++ = 0.9 * log(0.9 / p) + 0.1 * log(0.1 / q);
        *out++ = 0;
    }
    return 0;
}

/* ---- PPO-32: the first of three actions was taken; policies that give it the same probability ---- */

enum { SAME = 5 };
static const double first_[SAME] = { 0.3, 0.45, 0.5, 0.55, 0.8 };

static double unit_same(const setting *x) { (void)x; return 5 * DBL_EPSILON; }
static int n_same(const setting *x) { (void)x; return SAME; }

/* PPO-32   pi = (p, (1-p) share, (1-p)(1-share)), pi_old = (.5, .25, .25); A = 1 */
static double taken_first(double share, double beta, double *out)
{
    const double z_old[3] = { log(0.5), log(0.25), log(0.25) }, A = 1;
    for (int k = 0; k < SAME; k++) {
        double p = first_[k], z[3] = { log(p), log((1 - p) * share), log((1 - p) * (1 - share)) };
        ad_tape *t = ad_tape_new();
        ad old = ad_input(t, z_old, 1, 3), new = ad_input(t, z, 1, 3), one = ad_input(t, &A, 1, 1);
        ad ratio = ppo_ratio(categorical_logp(new, (int[]){ 0 }), categorical_logp(old, (int[]){ 0 }));
        out[k] = ad_scalar(beta > 0 ? ppo_L_KLPEN(ratio, one, categorical_kl(old, new), beta)
                                    : ppo_L_clip(ratio, one, EPS));
        ad_tape_free(t);
    }
    return 0;
}

static double rest_as_old(const setting *x, double *out)    { (void)x; return taken_first(0.5, 0, out); }
static double rest_on_one(const setting *x, double *out)    { (void)x; return taken_first(0.999, 0, out); }
static double rest_penalised(const setting *x, double *out) { (void)x; return taken_first(0.999, 1, out); }

const derivation not_clipped_away[] = {
    { "PPO-10", "clipping keeps r in [1-eps, 1+eps]: it does not", "L, r of both actions, KL(old||new), dL/dz",
      n_steps, unit_steps, NULL, NULL, {
        { "L=p-.72,\\quad r=(\\tfrac p{.9},\\tfrac{1-p}{.1}),\\quad KL,\\quad p(1-p)>0",
          "with r(a_1) <= 1.11 and r(a_2) < .8 the first is never clipped, and p goes to 1", away_by_hand },
        { "=L^{CLIP}(p)", "the training code's, on ten samples: still rising, with a KL of 1.06 and no bound",
          away_in_training },
        { "1-\\epsilon\\le r\\le1+\\epsilon",
          "000 (l.294), 001 (l.625), 002 (l.344-346): the policy at the range's edge, p = .92; 002 itself (l.327)"
          " says that it may go on", kept_in_range, DIFFERS, "ERR-62" } },
      "two actions, pi_old = (.9, .1), A = (1, -9), eps = .2; pi = (p, 1-p), p = .95, .99, .999, .999999" },
    { "PPO-32", "L^CLIP knows nothing of the KL: only of the actions that were taken", "L", n_same, unit_same,
      NULL, NULL, {
        { "L^{CLIP}(p,\\tfrac{1-p}2,\\tfrac{1-p}2)", "the rest as in pi_old", rest_as_old },
        { "=L^{CLIP}(p,.999(1-p),.001(1-p))",
          "the rest on one action: another KL, the same objective. Stopping early"
          " (PPO-11) brings the KL back", rest_on_one },
        { "L^{KLPEN}(p,.999(1-p),.001(1-p))", "the control: the penalised objective knows", rest_penalised,
          DIFFERS } },
      "three actions, the first was taken, A = 1; pi_old = (.5, .25, .25), p from .3 to .8" },
    { .id = NULL }
};
