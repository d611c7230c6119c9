/* TRPO, trust region policy optimisation, single path: see trpo.c. */
#ifndef ASCENT_TRPO_H
#define ASCENT_TRPO_H

#include "algorithms/algorithm.h"
#include "algorithms/fisher_vector.h"
#include "algorithms/trpo_problem.h"

typedef struct {
    long workers;           /* N: environments */
    long n_steps;           /* n: steps of each worker an update */
    double gamma;           /* discount */
    double lambda;          /* of the advantage, PPO-17 */
    int normalise;          /* advantages: mean 0, standard deviation 1 in each batch */
    double delta;           /* trust radius: greatest KL(old||new) */
    int constraint;         /* TRPO_MEAN: of the mean KL over states, _MAX: of the greatest */
    double damping;         /* of F + damping 1 */
    long cg_iterations;     /* at most */
    double cg_tol;          /* residual, as a part of |g|, at which they stop */
    long F_every;           /* F from one state in so many */
    double alpha;           /* backtracking: beta, alpha beta, alpha^2 beta, ... */
    long backtracks;        /* steps tried at most */
    double lr_V;            /* step size of V */
    long V_epochs;          /* times that V goes through each batch, */
    long V_batch;           /* in minibatches of so many steps */
    widths hidden;          /* of the networks of pi and V */
    int activation;         /* enum ad_activation */
} trpo_config;
extern const trpo_config trpo_defaults;
extern const config_field trpo_fields[];

/* What became of an update. In all but the first theta is what it was, bit for bit. */
enum trpo_outcome {
    TRPO_ACCEPTED,          /* KL <= delta and L > 0 */
    TRPO_GAVE_UP,           /* no step tried was so */
    TRPO_NO_GRADIENT,       /* g = 0 */
    TRPO_NO_CURVATURE       /* x^T F x <= 0, or too small to be divided by */
};
typedef struct {
    double outcome;         /* enum trpo_outcome; numbers, to be shown */
    double kl, L;           /* KL(old||new) and L(theta') - L(theta), exact on the batch; 0 where theta stayed */
    double j;               /* theta' = theta + alpha^j beta x; NaN where theta stayed */
    double beta;            /* sqrt(2 delta / x^T F x); 0 where there is none */
    double cg_iterations, cg_outcome;   /* enum cg_outcome (cg.h) */
    double residual;        /* |g - F x| / |g| */
    long products;          /* with F, those for the residual and for x^T F x too (TRPO-26) */
} trpo_step;

double trpo_beta(double delta, int n, const double *x, const double *Fx);   /* TRPO-23  sqrt(2 delta / x^T F x) */
bool trpo_accepts(double kl, double L, double delta);       /* TRPO-24  KL <= delta and L > 0; false for a NaN */

/* TRPO-24  theta [n] <- theta + alpha^j beta x with the least j < backtracks that is accepted, and j; then L and KL
 * have their values there. Or theta as it was, bit for bit, and -1. */
int trpo_line_search(const trpo_config *c, int n, double *theta, const double *x, double beta,
                     const trpo_problem *at);
/* x = F^{-1} g and F x [p->n], F as it is at theta on the states s [T x d] with weights w [T], NULL: 1/T each */
void trpo_direction(ad_tape *t, const trpo_config *c, const policy *p, ad theta, ad s, const double *w,
                    const double *g, double *x, double *Fx, trpo_step *step);
/* A step of theta for any L and KL, F on states s with weights w as above. That KL <= delta and L > 0, or theta is
 * as before, is required of each; a step whose L or KL overflows is refused. */
trpo_step trpo_maximise(ad_tape *t, const trpo_config *c, const policy *p, double *theta, const trpo_problem *at,
                        ad s, const double *w);
/* One update of theta, from a batch */
trpo_step trpo_update(ad_tape *t, const trpo_config *c, const policy *p, double *theta, const rollout *b,
                      const double *A, const double *w);
/* PPO-17   A_t, normalised if c says so, and V's targets R_t = A_t + V(s_t) [b->T]; V, V_end by critic_bootstrap */
void trpo_advantages(const trpo_config *c, const rollout *b, const double *V, const double *V_end, double *A,
                     double *R);

policy trpo_policy(const env *e, const void *config);
void   trpo(run *r, const void *config);
void   trpo_check(const void *config);          /* exit 2: a batch of one step, normalised */
void   trpo_explain(FILE *out, const void *config, uint64_t seed);

#endif
