/* Steps on one vector theta [n], and clipping of a gradient.
 *
 * The sign. Objectives J are ascended: g is the gradient of what shall GROW, every step is named
 * _ascend and moves theta along +g. A loss L is ascended as J = -L.
 *
 * State is plain: numbers, and vectors of the caller's, zero at the start. What changes is said, and is
 * all there is to save and restore. theta, g and the vectors do not overlap. Each entry is treated
 * alone, so one long vector and its parts give the same bits. lr may change between steps. */
#ifndef ASCENT_OPTIMISER_H
#define ASCENT_OPTIMISER_H

#include <stddef.h>

/* ---- stochastic gradient ascent: theta += lr g ---- */
void sgd_ascend(int n, double lr, double *theta, const double *g);

/* ---- Adam: Kingma, Ba (2015), arXiv:1412.6980, Algorithm 1 ----
 *     m = beta1 m + (1 - beta1) g          m^ = m / (1 - beta1^t)
 *     v = beta2 v + (1 - beta2) g^2        v^ = v / (1 - beta2^t)
 *     theta += lr m^ / (sqrt(v^) + eps)
 * eps stands outside the root and beside the corrected v^, as in Algorithm 1 and PyTorch. The reordered
 * form at the end of section 2 there (TensorFlow's) adds its own eps^ to sqrt(v): it is this one with
 * eps = eps^ / sqrt(1 - beta2^t), which is larger at first. */
typedef struct {
    int n;
    double lr, beta1, beta2, eps;           /* the paper: .001, .9, .999, 1e-8 */
    long t;                                 /* steps taken: changes */
    double *m, *v;                          /* [n], [n]: change */
} adam;
adam adam_of(size_t n, double lr, double *m);      /* the paper's beta1, beta2 and eps; m [2n]: m, then v */
void adam_ascend(adam *o, double *theta, const double *g);

/* ---- RMSProp: Tieleman, Hinton (2012) ----
 *     v = alpha v + (1 - alpha) g^2
 *     theta += lr g / sqrt(v + eps)        rmsprop_ascend             (A3C-28)
 *     theta += lr g / (sqrt(v) + eps)      rmsprop_outside_ascend
 * Two algorithms go by this name, and differ where g is small: eps inside the root in A3C's paper, Mnih
 * et al. (2016), arXiv:1602.01783, section 4, and TensorFlow 1; outside in PyTorch. */
typedef struct {
    int n;
    double lr, alpha, eps;                  /* A3C: lr from 1e-4 .. 1e-2; .99; not given */
    double *v;                              /* [n]: changes */
} rmsprop;
void rmsprop_ascend(const rmsprop *o, double *theta, const double *g);
void rmsprop_outside_ascend(const rmsprop *o, double *theta, const double *g);

/* rmsprop_ascend where all workers share theta and v, without locks: A3C's "Shared RMSProp". An entry
 * is read and written whole (relaxed atomics); what another worker wrote in between is overwritten, as
 * Hogwild! allows (Recht et al. 2011). One thread alone gets the bits of rmsprop_ascend. */
typedef struct {
    int n;
    double lr, alpha, eps;
    _Atomic double *v;                      /* [n], shared: changes */
} rmsprop_shared;
void rmsprop_shared_ascend(const rmsprop_shared *o, _Atomic double *theta, const double *g);
void sgd_shared_ascend(int n, double lr, _Atomic double *theta, const double *g);     /* theta += lr g, likewise */

/* ---- clipping: g = g min(1, max_norm / ||g||_2): Pascanu, Mikolov, Bengio (2013), arXiv:1211.5063 ----
 * The norm is that of the whole vector, so that its direction stays. Returns ||g||_2 as it was; exit 4
 * if that is not finite. */
double clip_global_norm(int n, double *g, double max_norm);

#endif
