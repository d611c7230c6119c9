/* The linear-quadratic regulator, whose values and gradients have closed forms for continuous actions as those of
 * a finite MDP have for discrete ones:
 *
 *     x' = A x + B u + w,   w ~ N(0, W),   x_0 ~ N(mean, Sigma0),   r(x, u) = -(x^T Q x + u^T R u),
 *
 * discounted by gamma. States x [n] and actions u [m] are unbounded. For u = -K x: derivations/lqr_exact.h. With
 * one state and one action, and c = A - B K, gamma c^2 < 1: V(x) = -(P x^2 + gamma W P / (1 - gamma)),
 * P = (Q + R K^2) / (1 - gamma c^2). */
#ifndef ASCENT_LQR_H
#define ASCENT_LQR_H

#include "envs/env.h"

enum { LQR_MAX = 64 };          /* states; actions */

typedef struct {
    int n, m;                   /* states, actions: 1..LQR_MAX */
    double *A, *B;              /* [n x n], [n x m] */
    double *Q, *R;              /* [n x n] positive semidefinite, [m x m] positive definite; symmetric */
    double *W, *Sigma0;         /* [n x n] positive semidefinite, symmetric */
    double *mean;               /* [n] */
    double gamma;               /* in [0, 1]; 1 only without noise. For who solves or learns: the environment does
                                 * not discount */
} lqr_system;

lqr_system *lqr_system_new(int n, int m);       /* all zero */
void        lqr_system_free(lqr_system *L);     /* NULL is fine */

bool        lqr_is_file(const char *name);      /* ends in .lqr: then it has a system, as follows */

/* Reads a system: named blocks of numbers, one row of a matrix per line.
 *
 *     discount: 0.95
 *     A: 1 0.1           # `#` starts a comment; the first row may follow the name or stand on the next line
 *        0 1
 *     B:
 *        0
 *        0.1
 *
 * `discount`, `A`, `B`, `Q`, `R` must occur; of `mean` (one row) and `Sigma0` at least one; `W` and what else is
 * missing is zero. Each at most once, in any order. Numbers lie in [-1e100, 1e100], blanks or a comma between. A
 * says how many states there are, B how many actions. NULL and one line
 * `path:line:column: expected ..., found ...` in error[size] when the file is wrong. */
lqr_system *lqr_system_read(const char *path, char *error, size_t size);
/* The same from memory: text need not end in a newline or a NUL; name stands for the path. */
lqr_system *lqr_system_parse(const char *name, const char *text, size_t length, char *error, size_t size);
/* A gain K [m x n], as CSV: m rows of n numbers, comments and separators as above. false and a line as above. */
bool lqr_gain_read(const char *path, const lqr_system *L, double *K, char *error, size_t size);
bool lqr_gain_parse(const char *name, const char *text, size_t length, const lqr_system *L, double *K, char *error,
                    size_t size);

/* F [n x n] with F F^T = S for a positive semidefinite S [n x n]: its eigenvectors, scaled. false: S has an
 * eigenvalue below -4 n eps max|eigenvalue|. */
bool lqr_root(int n, const double *S, double *F);

/* An environment that takes L over. Nothing ends an episode but a time limit. State and observation are x, in
 * double. With W = 0 a step draws no random number, else n. */
env *lqr_system_env_new(const char *id, lqr_system *L);
env *lqr_env_open(const char *path, char *error, size_t size);      /* of a file; NULL and one line in error[size] */

/* ---- one state, one action ---- */

typedef struct {
    double A, B;
    double Q, R;                /* >= 0 */
    double W, X0;               /* >= 0: variances; the mean of x_0 is 0 */
    double gamma;               /* in [0, 1) */
} lqr;

/* The one of ERR-68: A = 1, B = 0.5, Q = 1, R = 0.1, W = 0, X0 = 1, gamma = 0.9. */
extern const lqr lqr_scalar;

lqr_system *lqr_system_of(const lqr *L);        /* as a system with n = m = 1 */
env *lqr_env_new(const char *id, const lqr *L);
/* lqr_scalar is env_make("lqr"), which ends after 100 steps. */
env *lqr_scalar_new(const char *id);

#endif
