/* The exact table of continuous control: everything about a linear policy on a linear-quadratic regulator.
 *
 *     u = -K x + xi,  xi ~ N(0, S);    S = 0: the deterministic policy mu(x) = -K x
 *     V(x) = -(x^T P x + v0),          P = Q + K^T R K + gamma F^T P F,   F = A - B K           (Lyapunov, Stein)
 *     Q(x, u) = -(x^T Q x + u^T R u) + gamma E[V(A x + B u + w)]
 *     X = sum_t gamma^t E[x_t x_t^T] = M0 + gamma F X F^T,   what rho is on a finite MDP
 *     J = E[V(x_0)],   dJ/dK = -2 E X,   E = (R + gamma B^T P B) K - gamma B^T P A
 *
 * and of the best one: K* with E = 0, P = Q + gamma A^T P A - gamma A^T P B K* (Riccati). Fazel, Ge, Kakade,
 * Mesbahi (2018), lemma 1, with discount and noise. The gain is stable when the spectral radius of sqrt(gamma) F is
 * below 1; otherwise J is -infinity, and nothing of this exists.
 *
 * One unit of error, in Frobenius norms, N = max(n, m, 4): the backward error u N (|M| + (1 + f^2) |P|) of
 * Stein's equation, f = sqrt(gamma) (|A| + |B| |K|), times its condition |sum_t gamma^t F^tT F^t|, which is the norm
 * of its inverse, as that maps positive matrices to positive ones; and what products make of it. */
#ifndef ASCENT_LQR_EXACT_H
#define ASCENT_LQR_EXACT_H

#include <stdbool.h>
#include <stddef.h>

#include "envs/lqr.h"

typedef struct {
    const lqr_system *L;        /* the caller's */
    int n, m;
    double *K, *S;              /* [m x n], [m x m] */
    double *F;                  /* [n x n] */
    double radius;              /* of sqrt(gamma) F, < 1 */
    double *P, v0;              /* [n x n] */
    double *M0, *X;             /* [n x n] M0 = Sigma0 + mean mean^T + gamma/(1 - gamma) (W + B S B^T) */
    double *E, *gradient;       /* [m x n] dJ/dK */
    double J;
    double unit_P, unit_X, unit_E, unit_J, unit_gradient;
} lqr_exact;

/* K [m x n]; S [m x m] positive semidefinite, NULL: 0; S != 0 needs gamma < 1. NULL and one line in error[size] when
 * the gain is not stable, naming the spectral radius, or so close to it that nothing is known. */
lqr_exact *lqr_exact_new(const lqr_system *L, const double *K, const double *S, char *error, size_t size);
void       lqr_exact_free(lqr_exact *x);                        /* NULL is fine */

double lqr_V(const lqr_exact *x, const double *s);                              /* s [n] */
double lqr_Q(const lqr_exact *x, const double *s, const double *a);             /* a [m] */
void   lqr_grad_a_Q(const lqr_exact *x, const double *s, const double *a, double *g);       /* g [m] */
void   lqr_mu(const lqr_exact *x, const double *s, double *a);                  /* a = -K s */
double lqr_unit_Q(const lqr_exact *x, const double *s, const double *a);

/* H [m x m] = R + gamma B^T P B: Q(s, .) is a parabola with second derivative -2 H. */
void   lqr_curvature(const lqr_exact *x, double *H);
/* K1 [m x n] with -K1 s = argmax_a Q(s, a): K1 = H^{-1} gamma B^T P A, one step of policy iteration. */
void   lqr_greedy_gain(const lqr_exact *x, double *K1);

/* The exact table of the best gain. NULL and one line in error[size] when no gain is stable, or when doing less
 * costs less than stability: a mode that grows and is not in Q. */
lqr_exact *lqr_optimum(const lqr_system *L, char *error, size_t size);
/* |P - (Q + gamma A^T P A - gamma A^T P B K1)| in the Frobenius norm, K1 the greedy gain: 0 at the optimum */
double lqr_riccati_residual(const lqr_exact *x);

#endif
