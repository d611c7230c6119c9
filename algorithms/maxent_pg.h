/* Maximum-entropy policy gradient: see maxent_pg.c. */
#ifndef ASCENT_MAXENT_PG_H
#define ASCENT_MAXENT_PG_H

#include "algorithms/algorithm.h"

enum { MAXENT_PG_NONE, MAXENT_PG_REGULARISER, MAXENT_PG_RETURN };
enum { MAXENT_PG_ANALYTIC, MAXENT_PG_SAMPLED };

typedef struct {
    double gamma;           /* discount */
    double lr, lr_V;        /* step sizes of pi and V */
    long trajectories;      /* |D|: episodes an update */
    double beta;            /* what a nat of entropy pays */
    int entropy;            /* MAXENT_PG_NONE, _REGULARISER, _RETURN */
    int form;               /* of the entropy: MAXENT_PG_ANALYTIC, _SAMPLED */
    int gamma_t;            /* on: what belongs to step t counts gamma^t; off: 1 */
    long V_steps;           /* steps of V an update */
    widths hidden;          /* of the networks of pi and V */
    int activation;         /* enum ad_activation */
} maxent_pg_config;
extern const maxent_pg_config maxent_pg_defaults;
extern const config_field maxent_pg_fields[];

/* ENT-1: h [b->T], H(pi(.|s_t)), or -log pi(a_t|s_t), whose mean over a_t that is */
void maxent_pg_entropies(ad_tape *t, const policy *p, const double *theta, const rollout *b, int form, double *h);
/* The returns of one trajectory; r, h, G [T]. beta = 0: reward-to-go.
 * ENT-3: G_t = r_t + sum_{k>t} gamma^{k-t} (r_k + beta h_k), what follows a_t */
void maxent_pg_return(int T, const double *r, const double *h, double gamma, double beta, double *G);
/* For each step of the batch, from h and V [D->T] = V(s_t), as the config says: u = gamma^t or 1; G, what a_t is
 * credited with, V's target; w = u (G - V), the weight of its score */
void maxent_pg_weights(const maxent_pg_config *c, const rollout *D, const double *h, const double *V, double *u,
                       double *w, double *G);
/* What is ascended; logp, w, H, u [N x 1], the steps of all trajectories -> scalar.
 * ENT-3: (1/D) sum_tau sum_t [ w_t log pi(a_t|s_t) + beta u_t H(pi(.|s_t)) ] */
ad maxent_pg_objective(ad logp, ad w, ad H, ad u, double beta, int D);
ad maxent_pg_V_objective(ad V, ad G);                       /* -(1/N) sum (V(s_t) - G_t)^2 */
/* g [p->n] at theta for the batch, with u and w [b->T] from maxent_pg_weights */
void maxent_pg_gradient(ad_tape *t, const policy *p, const double *theta, const maxent_pg_config *c,
                        const rollout *b, const double *u, const double *w, double *g);

policy maxent_pg_policy(const env *e, const void *config);
void   maxent_pg(run *r, const void *config);
void   maxent_pg_explain(FILE *out, const void *config, uint64_t seed);

#endif
