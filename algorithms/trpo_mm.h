/* TRPO's Algorithm 1, minorisation-maximisation with exact advantages: see trpo_mm.c. */
#ifndef ASCENT_TRPO_MM_H
#define ASCENT_TRPO_MM_H

#include "algorithms/algorithm.h"

typedef struct {
    double C_scale;         /* times C; 1: Theorem 1's, with which eta never falls */
    double tolerance;       /* it ends when no policy has L - eta of more */
} trpo_mm_config;
extern const trpo_mm_config trpo_mm_defaults;
extern const config_field trpo_mm_fields[];

double trpo_mm_epsilon(const exact_table *x);                               /* max_{s,a} |A(s,a)| */
double trpo_mm_C(double epsilon, double gamma);                             /* TRPO-4, gamma < 1 */
double trpo_mm_kl(int nA, const double *pi, const double *pi1);             /* KL-2   KL(pi||pi1) of one state */
double trpo_mm_kl_max(const exact_table *x, const double *pi1);             /* TRPO-8   max_s KL(pi||pi1) */
double trpo_mm_M(const exact_table *x, double C, const double *pi1);        /* TRPO-6   L(pi1) - C max_s KL */
/* One state, pi and A [nA]: pi1 = argmax sum_a pi1(a) A(a) over KL(pi||pi1) <= delta. Returns what more delta is
 * worth, d max / d delta: the multiplier of the constraint. delta > 0; INFINITY: no constraint. KL is less
 * than delta where pi takes the best action anyway but for rounding. */
double trpo_mm_state(int nA, const double *pi, const double *A, double delta, double *pi1);
/* argmax_delta sum_s rho(s) max_{KL <= delta} E[A(s,.)] - C delta: INFINITY at C = 0, where a step loses nothing */
double trpo_mm_delta(const exact_table *x, double C);

improvement trpo_mm_improve(const void *config, const exact_table *x, double *pi_new);
void        trpo_mm_explain(FILE *out, const void *config, uint64_t seed);

#endif
