/* PPO with a clipped surrogate: see ppo_clip.c. */
#ifndef ASCENT_PPO_CLIP_H
#define ASCENT_PPO_CLIP_H

#include "algorithms/algorithm.h"
#include "algorithms/ppo_learner.h"

enum { PPO_CLIP, PPO_G, PPO_CPI };

typedef struct {
    long workers;           /* N: actors */
    long n_steps;           /* T: steps of each an update */
    long epochs;            /* K */
    long minibatch;         /* M <= N T: samples a step */
    int objective;          /* PPO_CLIP, _G, _CPI */
    double eps;             /* clip range */
    double gamma, lambda;   /* of the advantages */
    int normalise;          /* advantages: PPO_NORMALISE_OFF, _MINIBATCH, _BATCH */
    double c1, c2;          /* weights of V's error and of the entropy in J */
    double eps_V;           /* clip range of V; 0: not clipped */
    double target_kl;       /* the epochs end at 1.5 of it; 0: they do not */
    double lr, lr_V;        /* step sizes of pi and V */
    double adam_eps;
    double clip_norm;       /* greatest norm of the gradient; 0: any */
    int joint;              /* that of the gradient in (theta, phi), or of each by itself */
    long anneal_steps;      /* steps over which the step sizes fall to 0; 0: they do not */
    int anneal_eps;         /* eps and eps_V fall with them */
    widths hidden;          /* of the networks of pi and V */
    int activation;         /* enum ad_activation */
} ppo_clip_config;
extern const ppo_clip_config ppo_clip_defaults;
extern const config_field ppo_clip_fields[];

/* What is ascended; logp, logp_old, ratio, A, V, V_old, R, H [T x 1] -> scalar, where nothing else is
 * said. ratio_t is the page's r_t; r_t is the reward here, as everywhere.
 * PPO-1   ratio_t = exp(log pi - log pi_old) [T x 1];   E_t[ ratio_t A_t ] */
ad ppo_ratio(ad logp, ad logp_old);
ad ppo_L_CPI(ad ratio, ad A);
/* PPO-2   E_t[ min(ratio_t A_t, clip(ratio_t) A_t) ] */
ad ppo_L_clip(ad ratio, ad A, double eps);
/* PPO-4   (1+eps) A, or (1-eps) A where A < 0 [T x 1];   E_t[ min(ratio_t A_t, g(eps, A_t)) ] */
ad ppo_g(double eps, ad A);
ad ppo_L_g(ad ratio, ad A, double eps);
/* PPO-15  E_t[ (V(s_t) - R_t)^2 ], to be lowered; with V kept near V_old, as baselines' code has it;
 *         L - c1 L_VF + c2 S */
ad ppo_L_VF(ad V, ad R);
ad ppo_L_VF_clip(ad V, ad V_old, ad R, double eps_V);
ad ppo_objective(ad L, ad L_VF, ad S, double c1, double c2);
/* g [p->n + n of V]: the gradient of J at (theta, phi) for the samples b */
void ppo_gradient(ad_tape *t, const ppo_clip_config *c, const policy *p, const network *f,
                  const double *theta, const double *phi, const samples *b, double *g);

/* How far pi_theta is from pi_old, over the samples b; L with A as in b */
typedef struct { double kl_exact, kl_k1, kl_k2, kl_k3, clip_fraction, entropy, L; } ppo_measured;
ppo_measured ppo_measure(ad_tape *t, const ppo_clip_config *c, const policy *p, const double *theta,
                         const samples *b);
/* PPO-12, PPO-11: K epochs of minibatches of l->D, or fewer: how many */
long ppo_clip_epochs(const ppo_clip_config *c, ppo_learner *l, gsl_rng *rng);
/* The settings after so many steps of all */
ppo_clip_config ppo_clip_annealed(const ppo_clip_config *c, long steps);

policy ppo_clip_policy(const env *e, const void *config);
void   ppo_clip(run *r, const void *config);
void   ppo_clip_check(const void *config);      /* exit 2: ppo_learner_check; anneal_eps alone */
void   ppo_clip_explain(FILE *out, const void *config, uint64_t seed);     /* ppo_clip_explain.c */

#endif
