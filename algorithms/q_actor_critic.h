/* Q actor-critic: see q_actor_critic.c. */
#ifndef ASCENT_Q_ACTOR_CRITIC_H
#define ASCENT_Q_ACTOR_CRITIC_H

#include "algorithms/algorithm.h"

enum { Q_ACTOR_CRITIC_SGD, Q_ACTOR_CRITIC_ADAM };

typedef struct {
    double gamma;           /* discount */
    double lr, lr_Q;        /* step sizes alpha_theta, alpha_w */
    int gamma_t;            /* on: theta's step is gamma^t times as long */
    int optimiser;          /* Q_ACTOR_CRITIC_SGD, _ADAM */
    widths hidden;          /* of the networks of pi and Q */
    int activation;         /* enum ad_activation */
} q_actor_critic_config;
extern const q_actor_critic_config q_actor_critic_defaults;
extern const config_field q_actor_critic_fields[];

/* Of T steps at once; logp, r, Q = Q_w(s,a), Q1 = Q_w(s',a') [T x 1]; gamma [T x 1]: 0 where s' ended the task.
 * QAC-4: delta [T x 1];  QAC-6, QAC-7: what is ascended, the sum over the steps -> scalar */
ad q_actor_critic_delta(ad r, ad gamma, ad Q, ad Q1);
ad q_actor_critic_actor(ad logp, ad Q);
ad q_actor_critic_critic(ad r, ad gamma, ad Q, ad Q1);

/* One update: a graph at the caller's theta and w, recorded once and run again for each step */
typedef struct {
    double *s, *s1;         /* [d] s, s' */
    int a, a1;              /* a, a' */
    double r, gamma;        /* gamma: 0 where s' ended the task */
    double gamma_t;         /* gamma^t, or 1 */
    ad_plan run;            /* ad_run(&x->run) fills in what is below, from what is above */
    ad logp, Q, Q1, delta;  /* log pi(a|s), Q_w(s,a), Q_w(s',a'), delta [1 x 1] */
    ad g_theta, g_w;        /* the directions of the two steps */
    ad_tape *t;
} q_actor_critic_step;
q_actor_critic_step *q_actor_critic_step_new(const policy *p, const double *theta, const double *w);
void q_actor_critic_step_free(q_actor_critic_step *x);

policy q_actor_critic_policy(const env *e, const void *config);
void   q_actor_critic(run *r, const void *config);
void   q_actor_critic_explain(FILE *out, const void *config, uint64_t seed);

#endif
