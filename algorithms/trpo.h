/* TRPO, trust region policy optimisation, single path: see trpo.c. */
#ifndef ASCENT_TRPO_H
#define ASCENT_TRPO_H

#include "algorithms/algorithm.h"
#include "algorithms/fisher_vector.h"

enum { TRPO_MEAN, TRPO_MAX };

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
    long F_every;           /* F from every so manyth state */
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

/* What is in expectation over the batch has weights w [T x 1], which sum to 1. -> scalar, but ratio */
ad trpo_ratio(ad logp, ad logp_old);                        /* PPO-1    pi(a_t|s_t) / pi_old(a_t|s_t) [T x 1] */
ad trpo_surrogate(ad ratio, ad A, ad w);                    /* TRPO-10  sum_t w_t ratio_t A_t */
ad trpo_mean_kl(ad kl, ad w);                               /* TRPO-9   sum_t w_t KL_t, KL_t [T x 1] by policy_kl */
ad trpo_max_kl(ad kl);                                      /* TRPO-8   max_t KL_t */
double trpo_beta(double delta, int n, const double *x, const double *Fx);   /* TRPO-23  sqrt(2 delta / x^T F x) */
bool trpo_accepts(double kl, double L, double delta);       /* TRPO-24  KL <= delta and L > 0; false for a NaN */

/* What an update solves: maximise L subject to KL <= delta. Nodes in theta' on the caller's tape, which borrows
 * theta [p->n] as theta'; both are counted from theta as it is now, where they are 0, and have their values at
 * another theta' once they run again. b: its s and its actions, with advantages A [b->T] and weights w [b->T],
 * NULL: 1/T each. */
typedef struct { ad theta, L, kl; } trpo_problem;
trpo_problem trpo_problem_of(ad_tape *t, const trpo_config *c, const policy *p, const double *theta,
                             const rollout *b, const double *A, const double *w);
/* TRPO-24  theta [n] <- theta + alpha^j beta x with the least j < backtracks that is accepted, and j; then L and KL
 * have their values there. Or theta as it was, bit for bit, and -1. */
int trpo_line_search(const trpo_config *c, int n, double *theta, const double *x, double beta,
                     const trpo_problem *at);
/* One update of theta. That KL <= delta and L > 0, or theta is as before, is required of each; a step whose L or
 * KL overflows is refused. */
trpo_step trpo_update(ad_tape *t, const trpo_config *c, const policy *p, double *theta, const rollout *b,
                      const double *A, const double *w);

policy trpo_policy(const env *e, const void *config);
void   trpo(run *r, const void *config);
void   trpo_check(const void *config);          /* exit 2: a batch of one step, normalised */
void   trpo_explain(FILE *out, const void *config, uint64_t seed);

#endif
