/* A2C, advantage actor-critic with many environments in step: see a2c.c. */
#ifndef ASCENT_A2C_H
#define ASCENT_A2C_H

#include "algorithms/algorithm.h"

enum { A2C_UNTIL_STEPS, A2C_UNTIL_END };
enum { A2C_MEAN_OVER_STEPS, A2C_MEAN_OVER_WORKERS };
enum { A2C_RMSPROP, A2C_RMSPROP_OUTSIDE, A2C_ADAM };

typedef struct {
    long workers;           /* N: environments */
    long n_steps;           /* n: steps of each worker an update */
    int until;              /* A2C_UNTIL_STEPS: n, over ends of episodes; _END: n, or fewer where one ends */
    double gamma;           /* discount */
    double lambda;          /* of the advantage; 1: the n-step advantage */
    double c_V, beta;       /* weights of V's error and of the entropy in J */
    int mean;               /* A2C_MEAN_OVER_STEPS, _WORKERS */
    int normalise;          /* advantages: mean 0, standard deviation 1 in each batch */
    double lr, lr_V;        /* step sizes of pi and V */
    long anneal_steps;      /* steps of the environments over which both fall to 0; 0: they do not */
    double clip;            /* greatest norm of the gradient of J; 0: any */
    int optimiser;          /* A2C_RMSPROP (eps in the root), _RMSPROP_OUTSIDE, _ADAM */
    double alpha, eps;      /* RMSProp's decay; eps of either */
    widths hidden;          /* of the networks of pi and V */
    int activation;         /* enum ad_activation */
} a2c_config;
extern const a2c_config a2c_defaults;
extern const config_field a2c_fields[];

/* Along one segment: r, A, R [T], V [T] = V(s_t), V_end = 0 or V(s_T) (critic.h).
 * lambda = 1, A3C-14: R_t = r_t + gamma R_{t+1}, A_t = R_t - V(s_t);  else PPO-17's A_t, and R_t = A_t + V(s_t) */
void a2c_advantages(int T, const double *r, const double *V, double V_end, double gamma, double lambda, double *A,
                    double *R);
/* Sums over the steps of a batch, to be ascended: logp, A, V, R, H [T x 1] -> scalar */
ad a2c_policy_objective(ad logp, ad A);                     /* A3C-14   sum_t log pi(a_t|s_t) A_t */
ad a2c_V_objective(ad V, ad R);                             /* A3C-8    -sum_t (R_t - V(s_t))^2 */
ad a2c_entropy_bonus(ad H);                                 /* A3C-27   sum_t H(pi(.|s_t)) */
ad a2c_objective(ad J_pi, ad J_V, ad J_H, double c_V, double beta, double D);   /* A2C-1    (..) / D */
/* g [p->n + n of V]: the gradient of J at (theta, phi) for the batch; D = b->T, or c->workers */
void a2c_gradient(ad_tape *t, const a2c_config *c, const policy *p, const network *f, const double *theta,
                  const double *phi, const rollout *b, const double *A, const double *R, double *g);

policy a2c_policy(const env *e, const void *config);
void   a2c(run *r, const void *config);
void   a2c_check(const void *config);           /* exit 2: a batch of one step, normalised */
void   a2c_explain(FILE *out, const void *config, uint64_t seed);

#endif
