/* Advantage actor-critic: see advantage_actor_critic.c. */
#ifndef ASCENT_ADVANTAGE_ACTOR_CRITIC_H
#define ASCENT_ADVANTAGE_ACTOR_CRITIC_H

#include "algorithms/algorithm.h"

enum { ADVANTAGE_ACTOR_CRITIC_SGD, ADVANTAGE_ACTOR_CRITIC_ADAM };

typedef struct {
    double gamma;           /* discount */
    double lr, lr_Q, lr_V;  /* step sizes alpha_theta, alpha_w, alpha_v */
    int gamma_t;            /* on: theta's step is gamma^t times as long */
    int optimiser;          /* ADVANTAGE_ACTOR_CRITIC_SGD, _ADAM */
    widths hidden;          /* of the networks of pi, Q and V */
    int activation;         /* enum ad_activation */
} advantage_actor_critic_config;
extern const advantage_actor_critic_config advantage_actor_critic_defaults;
extern const config_field advantage_actor_critic_fields[];

/* Of T steps at once; logp, r, Q = Q_w(s,a), Q1 = Q_w(s',a'), or V_v(s), V_v(s') [T x 1]; gamma [T x 1]: 0 where
 * s' ended the task. QAC-4, BL-9: delta, A_w [T x 1];  BL-9, QAC-7: what is ascended, summed -> scalar */
ad advantage_actor_critic_delta(ad r, ad gamma, ad Q, ad Q1);
ad advantage_actor_critic_A(ad Q, ad V);
ad advantage_actor_critic_actor(ad logp, ad A);
ad advantage_actor_critic_critic(ad r, ad gamma, ad Q, ad Q1);

/* One update: a graph at the caller's theta, w and v, recorded once and run again for each step */
typedef struct {
    double *s, *s1;         /* [d] s, s' */
    int a, a1;              /* a, a' */
    double r, gamma;        /* gamma: 0 where s' ended the task */
    double gamma_t;         /* gamma^t, or 1 */
    ad_plan run;            /* ad_run(&x->run) fills in what is below, from what is above */
    ad logp, Q, Q1, delta;  /* log pi(a|s), Q_w(s,a), Q_w(s',a'), delta [1 x 1] */
    ad V, V1, delta_V, A;   /* V_v(s), V_v(s'), its delta, Q_w(s,a) - V_v(s) */
    ad g_theta, g_w, g_v;   /* the directions of the three steps */
    ad_tape *t;
} advantage_actor_critic_step;
advantage_actor_critic_step *advantage_actor_critic_step_new(const policy *p, const double *theta, const double *w,
                                                          const double *v);
void advantage_actor_critic_step_free(advantage_actor_critic_step *x);

policy advantage_actor_critic_policy(const env *e, const void *config);
void   advantage_actor_critic(run *r, const void *config);
void   advantage_actor_critic_explain(FILE *out, const void *config, uint64_t seed);

#endif
