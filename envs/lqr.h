/* The linear-quadratic regulator, whose values and gradients have closed forms for continuous actions as those of
 * a finite MDP have for discrete ones:
 *
 *     x' = A x + B u + w,   w ~ N(0, W),   x_0 ~ N(0, X0),   r(x, u) = -(Q x^2 + R u^2),   discounted by gamma
 *
 * Here with one state and one action, both unbounded; W and X0 are variances. For u = -K x, with c = A - B K and
 * gamma c^2 < 1, V(x) = -(P x^2 + gamma W P / (1 - gamma)), P = (Q + R K^2) / (1 - gamma c^2). */
#ifndef ASCENT_LQR_H
#define ASCENT_LQR_H

#include "envs/env.h"

typedef struct {
    double A, B;
    double Q, R;                /* >= 0 */
    double W, X0;               /* >= 0 */
    double gamma;               /* in [0, 1); the environment does not discount, it is for who solves or learns */
} lqr;

/* The one of ERR-68: A = 1, B = 0.5, Q = 1, R = 0.1, W = 0, X0 = 1, gamma = 0.9. */
extern const lqr lqr_scalar;

/* An environment of its own copy of L. Nothing ends an episode but a time limit. State and observation are x, in
 * double. With W = 0 a step draws no random number. lqr_scalar is env_make("lqr"), which ends after 100 steps. */
env *lqr_env_new(const char *id, const lqr *L);
env *lqr_scalar_new(const char *id);

#endif
