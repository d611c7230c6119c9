/* NPG, natural policy gradient: see npg.c. */
#ifndef ASCENT_NPG_H
#define ASCENT_NPG_H

#include "algorithms/algorithm.h"
#include "algorithms/npg_solve.h"
#include "algorithms/trpo_problem.h"

enum { NPG_CG, NPG_LAPACK };

typedef struct {
    long workers;           /* N: environments */
    long n_steps;           /* n: steps of each worker an update */
    double gamma;           /* discount */
    double lambda;          /* of the advantage, PPO-17 */
    int normalise;          /* advantages: mean 0, standard deviation 1 in each batch */
    double delta;           /* KL(old||new) of a step, to second order */
    int solver;             /* of F x = g: NPG_CG, _LAPACK */
    double damping;         /* of F + damping 1 */
    long cg_iterations;     /* at most */
    double cg_tol;          /* residual, as a part of |g|, at which they stop */
    long F_every;           /* F from one state in so many */
    double lr_V;            /* step size of V */
    long V_epochs;          /* times that V goes through each batch, */
    long V_batch;           /* in minibatches of so many steps */
    widths hidden;          /* of the networks of pi and V */
    int activation;         /* enum ad_activation */
} npg_config;
extern const npg_config npg_defaults;
extern const config_field npg_fields[];

/* What became of an update. At NO_GRADIENT and NO_CURVATURE theta is what it was. */
enum npg_outcome {
    NPG_STEPPED,
    NPG_NO_GRADIENT,        /* g = 0 */
    NPG_NO_CURVATURE,       /* g^T x <= 0, or too small to be divided by */
    NPG_FAR                 /* stepped, so far that L or KL there is not finite: NaN */
};
typedef struct {
    double outcome;         /* enum npg_outcome; numbers, to be shown */
    double kl, L;           /* KL(old||new) and L(theta') - L(theta), exact on the batch; 0 where theta stayed */
    double beta;            /* sqrt(2 delta / g^T x); 0 where there is none */
    double cg_iterations, cg_outcome;   /* enum cg_outcome (cg.h); LAPACK: 0 */
    double residual;        /* |g - F x| / |g| */
} npg_step;

double npg_beta(double delta, int n, const double *g, const double *x);     /* NPG-4    sqrt(2 delta / g^T x) */

/* x = F^{-1} g [p->n], F as it is at theta on the states s [T x d] with weights w [T], NULL: 1/T each */
void npg_direction(ad_tape *t, const npg_config *c, const policy *p, ad theta, ad s, const double *w,
                   const double *g, double *x, npg_step *step);
/* A step of theta for any L and KL, F on states s with weights w as above */
npg_step npg_maximise(ad_tape *t, const npg_config *c, const policy *p, double *theta, const trpo_problem *at,
                      ad s, const double *w);
/* One update of theta, from a batch: its s and its actions, advantages A [b->T], weights w [b->T], NULL: 1/T each */
npg_step npg_update(ad_tape *t, const npg_config *c, const policy *p, double *theta, const rollout *b,
                    const double *A, const double *w);
/* PPO-17   A_t, normalised if c says so, and V's targets R_t = A_t + V(s_t) [b->T]; V, V_end by critic_bootstrap */
void npg_advantages(const npg_config *c, const rollout *b, const double *V, const double *V_end, double *A,
                    double *R);

policy npg_policy(const env *e, const void *config);
void   npg(run *r, const void *config);                 /* exit 2: solver=lapack for too large a policy */
void   npg_check(const void *config);           /* exit 2: a batch of one step, normalised */
void   npg_explain(FILE *out, const void *config, uint64_t seed);

#endif
