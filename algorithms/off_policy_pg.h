/* Off-policy policy gradient: see off_policy_pg.c. */
#ifndef ASCENT_OFF_POLICY_PG_H
#define ASCENT_OFF_POLICY_PG_H

#include "algorithms/algorithm.h"

enum { OFF_POLICY_TRAJECTORY, OFF_POLICY_PER_DECISION, OFF_POLICY_WEIGHTED };

typedef struct {
    double gamma;           /* discount */
    double lr;              /* step size alpha */
    long trajectories;      /* |D|: episodes a batch */
    long uses;              /* updates from one batch, at most */
    double ess_least;       /* fewer when the effective sample size falls below this part of |D| */
    long refresh;           /* batches from one theta' */
    int ratio;              /* OFF_POLICY_TRAJECTORY, _PER_DECISION, _WEIGHTED */
    double clip;            /* greatest product of ratios; 0: any */
    double b_rate;          /* of the baseline b, 0: b = 0 */
    widths hidden;          /* of the network of pi */
    int activation;         /* enum ad_activation */
} off_policy_pg_config;
extern const off_policy_pg_config off_policy_pg_defaults;
extern const config_field off_policy_pg_fields[];

/* log pi_theta(a_t|s_t) of a batch; logp [b->T] */
void off_policy_logp(ad_tape *t, const policy *p, const double *theta, const rollout *b, double *logp);
/* IS-6, of one trajectory: log_rho[t] = sum_{k<=t} log pi(a_k|s_k) - log pi'(a_k|s_k); all [T] */
void off_policy_log_products(int T, const double *logp, const double *logp_behaviour, double *log_rho);
/* min(exp(log_rho), clip); clip = 0: exp(log_rho) */
double off_policy_product(double log_rho, double clip);

/* The weights of the scores of one trajectory; r, w [T].
 * IS-8: rho (R(tau) - b), rho its whole product, or what stands for it;
 * per-decision: sum_{k>=t} gamma^k rho_k r_k - gamma^t rho_t b, rho_k [T] the products up to each step */
void off_policy_trajectory(int T, const double *r, double gamma, double rho, double b, double *w);
void off_policy_per_decision(int T, const double *r, double gamma, const double *rho, double b, double *w);
/* Self-normalised: rho_i = D e^{L_i} / sum_j e^{L_j}, L [D] -> rho [D]; of no size of L do they overflow */
void off_policy_self_normalised(int D, const double *L, double *rho);
/* Effective sample size (sum_i e^{L_i})^2 / sum_i e^{2 L_i}, in [1, D] */
double off_policy_ess(int D, const double *L);

/* What a batch weighs: log_rho [b->T], w [b->T] */
void off_policy_weights(const off_policy_pg_config *c, const rollout *b, const double *log_rho, double baseline,
                        double *w);
/* IS-8: (1/D) sum_tau sum_t w_t log pi(a_t|s_t), w held constant; its gradient g [p->n] */
ad   off_policy_objective(ad logp, ad w, int D);
void off_policy_gradient(ad_tape *t, const policy *p, const double *theta, const rollout *b, const double *w,
                         double *g);
/* The next b, from one batch: b + rate (mean - b), of R(tau); with per-decision weights of all G_t */
double off_policy_next_b(const off_policy_pg_config *c, const rollout *b, double baseline);

policy off_policy_pg_policy(const env *e, const void *config);
void   off_policy_pg(run *r, const void *config);
void   off_policy_pg_check(const void *config);     /* exit 2: weighted with one trajectory; 0 < clip < 1 */
void   off_policy_pg_explain(FILE *out, const void *config, uint64_t seed);

#endif
