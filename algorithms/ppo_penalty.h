/* PPO with a penalty on the KL: see ppo_penalty.c. */
#ifndef ASCENT_PPO_PENALTY_H
#define ASCENT_PPO_PENALTY_H

#include "algorithms/algorithm.h"
#include "algorithms/ppo_learner.h"

enum { PPO_ADAPT_TARGET, PPO_ADAPT_BOUNDS, PPO_ADAPT_OFF };
enum { PPO_OLD_NEW, PPO_NEW_OLD };

typedef struct {
    long workers;           /* N: actors */
    long n_steps;           /* T: steps of each an update */
    long epochs;            /* K */
    long minibatch;         /* M <= N T: samples a step */
    double beta;            /* weight of the KL in the first update */
    int adapt;              /* PPO_ADAPT_TARGET (PPO-22), _BOUNDS (PPO-23), _OFF */
    double delta_kl;        /* delta of PPO-22 */
    double KL_min, KL_max;  /* of PPO-23, */
    double factor;          /* and its factor */
    int direction;          /* PPO_OLD_NEW: the penalised KL is KL(old||new); PPO_NEW_OLD */
    double gamma, lambda;   /* of the advantages */
    int normalise;          /* advantages: PPO_NORMALISE_OFF, _MINIBATCH, _BATCH */
    double c1, c2;          /* weights of V's error and of the entropy in J */
    double lr, lr_V;        /* step sizes of pi and V */
    double adam_eps;
    double clip_norm;       /* greatest norm of the gradient; 0: any */
    int joint;              /* that of the gradient in (theta, phi), or of each by itself */
    long anneal_steps;      /* steps over which the step sizes fall to 0; 0: they do not */
    widths hidden;          /* of the networks of pi and V */
    int activation;         /* enum ad_activation */
} ppo_penalty_config;
extern const ppo_penalty_config ppo_penalty_defaults;
extern const config_field ppo_penalty_fields[];

/* PPO-20   E_t[ ratio_t A_t - beta KL_t ], to be ascended: ratio (ppo_clip.h), A, kl [T x 1] -> scalar */
ad     ppo_L_KLPEN(ad ratio, ad A, ad kl, double beta);
/* beta after an update that left the mean KL at d.
 * PPO-22   halved below delta_kl / 1.5, doubled above 1.5 delta_kl */
double ppo_beta_of_target(double beta, double d, double delta_kl);
/* PPO-23   beta / factor below KL_min, beta * factor above KL_max */
double ppo_beta_of_bounds(double beta, double d, double KL_min, double KL_max, double factor);
/* The one or the other, as c->adapt says, within [1e-10, 1e10]; or beta as it is */
double ppo_beta_next(const ppo_penalty_config *c, double beta, double d);
/* PPO-20, PPO-21   KL of each state, old||new or new||old, of policy_parameters [T x m] -> [T x 1] */
ad ppo_penalised_kl(const ppo_penalty_config *c, const policy *p, ad old, ad new);
/* g [p->n + n of V]: the gradient of J at (theta, phi) for the samples b */
void ppo_penalty_gradient(ad_tape *t, const ppo_penalty_config *c, double beta, const policy *p,
                          const network *f, const double *theta, const double *phi, const samples *b,
                          double *g);

/* How far pi_theta is from pi_old, over the samples b; L with A as in b */
typedef struct { double kl_exact, kl_k1, kl_k2, kl_k3, entropy, L; } ppo_penalty_measured;
ppo_penalty_measured ppo_penalty_measure(ad_tape *t, const ppo_penalty_config *c, double beta,
                                         const policy *p, const double *theta, const samples *b);
/* PPO-12, PPO-24: K epochs of minibatches of l->D */
void ppo_penalty_epochs(const ppo_penalty_config *c, double beta, ppo_learner *l, gsl_rng *rng);

policy ppo_penalty_policy(const env *e, const void *config);
void   ppo_penalty(run *r, const void *config);
void   ppo_penalty_check(const void *config);   /* exit 2: ppo_learner_check; KL_min > KL_max */
void   ppo_penalty_explain(FILE *out, const void *config, uint64_t seed);      /* ppo_penalty_explain.c */

#endif
