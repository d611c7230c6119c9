/* REINFORCE: see reinforce.c. */
#ifndef ASCENT_REINFORCE_H
#define ASCENT_REINFORCE_H

#include "algorithms/algorithm.h"

enum { REINFORCE_SGD, REINFORCE_ADAM };
enum { REINFORCE_ORTHOGONAL, REINFORCE_FAN_IN };

typedef struct {
    double gamma;           /* discount */
    double lr;              /* step size alpha */
    int gamma_t;            /* on: w_t = gamma^t (G_t - b); off: w_t = G_t - b */
    double b_rate;          /* of the baseline b, 0: b = 0 */
    int optimiser;          /* REINFORCE_SGD, _ADAM */
    widths hidden;          /* of the network of pi */
    int activation;         /* enum ad_activation */
    int init;               /* REINFORCE_ORTHOGONAL, _FAN_IN: autodiff/network.h */
} reinforce_config;
extern const reinforce_config reinforce_defaults;
extern const config_field reinforce_fields[];

/* The weights of the scores of one episode, with a baseline b that knows nothing of it; r, w [T].
 * RF-4, RF-8: G_t - b;  RF-2, RF-6: gamma^t (G_t - b) */
void reinforce_w(int T, const double *r, double gamma, double b, double *w);
void reinforce_w_gamma_t(int T, const double *r, double gamma, double b, double *w);
/* The next b, from one episode: b + rate (mean_t G_t - b) */
double reinforce_next_b(double b, double rate, int T, const double *r, double gamma);
/* RF-8: sum_t w_t log pi(a_t|s_t), whose gradient in theta is the update; logp, w [T x 1] -> scalar */
ad   reinforce_objective(ad logp, ad w);
/* The gradient g [p->n] at theta [p->n] for one episode with weights w [T] */
void reinforce_gradient(ad_tape *t, const policy *p, const double *theta, const rollout *tau,
                        const double *w, double *g);

policy reinforce_policy(const env *e, const void *config);
void   reinforce(run *r, const void *config);
void   reinforce_explain(FILE *out, const void *config, uint64_t seed);

#endif
