/* TRPO with the vine procedure: see trpo_vine.c. */
#ifndef ASCENT_TRPO_VINE_H
#define ASCENT_TRPO_VINE_H

#include "algorithms/trpo.h"

enum { VINE_ALL, VINE_DRAWN };

typedef struct {
    trpo_config trpo;       /* workers and n_steps are the trunk's; normalise and F_every are not used */
    long states;            /* N: rollout states, of the trunk's */
    int estimator;          /* VINE_ALL: every action of a discrete space, TRPO-15; _DRAWN, and of a box: TRPO-16 */
    long actions;           /* K, where they are drawn */
    long length;            /* H: steps of a rollout at most */
    int common;             /* the rollouts of a state draw the same random numbers */
} trpo_vine_config;
extern const trpo_vine_config trpo_vine_defaults;
extern const config_field trpo_vine_fields[];

/* Rollout states, K actions each, and what a rollout from there was worth */
typedef struct {
    int N, K, d, k;         /* numbers in an observation, in an action */
    bool all;               /* the actions are 0 .. K-1 in each state; else drawn from pi_old */
    double *s;              /* [N x d] s_n */
    double *a;              /* [N K x k] a_{n,1} .. a_{n,K}, state by state */
    int *index;             /* [N K] of a discrete space; a box: NULL */
    double *Q;              /* [N x K] Q^(s_n, a_{n,k}) */
} vine;
vine vine_new(const policy *p, const trpo_vine_config *c);
void vine_free(vine *v);

/* TRPO-15  mean_n sum_k pi(a_k|s_n) Q_{n,k},  all actions:                 pi, Q [N x K] -> scalar */
ad vine_L_all(ad pi, ad Q);
/* TRPO-16  mean_n sum_k ratio_{n,k} Q_{n,k} / sum_k ratio_{n,k}:           ln(pi/pi_old), Q [N x K] -> scalar */
ad vine_L_drawn(ad log_ratio, ad Q);
/* Q^ = sum_{l<T} gamma^l r_l + gamma^T V_end, V_end as critic.h has it:    r [T] */
double vine_Q(int T, const double *r, double V_end, double gamma);
/* L(theta') - L(theta) by v's estimator, and KL(pi_theta || pi_theta'), mean over the s_n (or the greatest) */
trpo_problem vine_problem_of(ad_tape *t, const trpo_config *c, const policy *p, const double *theta, const vine *v);

/* trpo_maximise of that, F on v's states */
trpo_step trpo_vine_update(ad_tape *t, const trpo_config *c, const policy *p, double *theta, const vine *v);

/* ---- trying out: vine.c ---- */

/* One rollout as a segment of b: e from (state, time), there a [k], then pi, over at most `length` steps */
void vine_rollout(rollout *b, env *e, const double *state, int time, const double *a, int length, gsl_rng *env_rng,
                  actor *pi, gsl_rng *policy_rng);
/* The trunk, and where each of its steps was taken */
typedef struct {
    double *state;          /* [T x state_n] */
    int *time;              /* [T] */
    int *which;             /* [N] the rollout states, in order */
    double *s, *a;          /* [d], [k] one step */
} vine_places;
vine_places vine_places_new(const env *e, const trpo_vine_config *c);
void vine_places_free(vine_places *x);
/* b <- the trunk, n steps of each worker, then the N K rollouts, a segment each; with v's states and actions. Who
 * tries out is one worker more. Returns the trunk: a view of b, until b changes. */
rollout vine_act(const trpo_vine_config *c, run *training, actor *pi, vine_places *x, vine *v, rollout *b);
/* v->Q of b's rollouts, the segments behind the first `trunk` ones; V_end [b->segments] of all */
void vine_values(ad_tape *t, const network *f, const double *phi, double gamma, vine *v, const rollout *b, int trunk,
                 double *V_end);
/* For run_update, which counts steps and episodes: a rollout's steps count, but it is no episode. */
void vine_count_no_episodes(rollout *b, int trunk);

policy trpo_vine_policy(const env *e, const void *config);
void   trpo_vine(run *r, const void *config);
void   trpo_vine_check(const void *config);     /* exit 2: more states than the trunk has */
void   trpo_vine_explain(FILE *out, const void *config, uint64_t seed);

#endif
