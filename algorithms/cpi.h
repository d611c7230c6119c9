/* CPI, conservative policy iteration: see cpi.c. */
#ifndef ASCENT_CPI_H
#define ASCENT_CPI_H

#include "algorithms/algorithm.h"

enum { CPI_BOUND, CPI_KAKADE };

typedef struct {
    int alpha;              /* CPI_BOUND: the maximiser of TRPO-2; CPI_KAKADE: (1-gamma) A / (4R) */
    double tolerance;       /* it ends when the policy advantage is no more */
} cpi_config;
extern const cpi_config cpi_defaults;
extern const config_field cpi_fields[];

/* pi1 [nS x nA]: all on the lowest-numbered argmax_a A(s,a); pi itself where no action has A > 0 */
void   cpi_greedy(const exact_table *x, double *pi1);
double cpi_epsilon(const exact_table *x, const double *pi1);                /* max_s |E_{a ~ pi1}[A(s,a)]| */
/* TRPO-2   eta + alpha gain - 2 epsilon gamma/(1-gamma)^2 alpha^2, gain = surrogate_gain(x, pi1); gamma < 1 */
double cpi_bound(double eta, double gain, double epsilon, double gamma, double alpha);
double cpi_alpha(double gain, double epsilon, double gamma);                /* in [0, 1]: the greatest bound */
double cpi_alpha_kakade(double gain, double R, double gamma);               /* in [0, 1] */
void   cpi_mixture(int n, double alpha, const double *pi, const double *pi1, double *pi_new);    /* [n] each */

improvement cpi_improve(const void *config, const exact_table *x, double *pi_new);
void        cpi_explain(FILE *out, const void *config, uint64_t seed);

#endif
