/* TD actor-critic: see td_actor_critic.c. */
#ifndef ASCENT_TD_ACTOR_CRITIC_H
#define ASCENT_TD_ACTOR_CRITIC_H

#include "algorithms/algorithm.h"

enum { TD_ACTOR_CRITIC_SGD, TD_ACTOR_CRITIC_ADAM };

typedef struct {
    double gamma;           /* discount */
    double lr, lr_V;        /* step sizes alpha_theta, alpha_v */
    int gamma_t;            /* on: theta's step is gamma^t times as long */
    int optimiser;          /* TD_ACTOR_CRITIC_SGD, _ADAM */
    widths hidden;          /* of the networks of pi and V */
    int activation;         /* enum ad_activation */
} td_actor_critic_config;
extern const td_actor_critic_config td_actor_critic_defaults;
extern const config_field td_actor_critic_fields[];

/* Of T steps at once; logp, r, V = V_v(s), V1 = V_v(s') [T x 1]; gamma [T x 1]: 0 where s' ended the task.
 * TDA-1: delta [T x 1];  TDA-6, TDA-7: what is ascended, the sum over the steps -> scalar */
ad td_actor_critic_delta(ad r, ad gamma, ad V, ad V1);
ad td_actor_critic_actor(ad logp, ad delta);
ad td_actor_critic_critic(ad r, ad gamma, ad V, ad V1);

/* One update: a graph at the caller's theta and v, recorded once and run again for each step */
typedef struct {
    double *s, *s1;         /* [d] s, s' */
    double *a;              /* [k] a; of a discrete space it is read as */
    int index;
    double r, gamma;        /* gamma: 0 where s' ended the task */
    double gamma_t;         /* gamma^t, or 1 */
    ad_plan run;            /* ad_run(&x->run) fills in what is below, from what is above */
    ad logp, V, V1, delta;  /* log pi(a|s), V_v(s), V_v(s'), delta [1 x 1] */
    ad g_theta, g_v;        /* the directions of the two steps */
    ad_tape *t;
} td_actor_critic_step;
td_actor_critic_step *td_actor_critic_step_new(const policy *p, const double *theta, const double *v);
void td_actor_critic_step_free(td_actor_critic_step *x);

policy td_actor_critic_policy(const env *e, const void *config);
void   td_actor_critic(run *r, const void *config);
void   td_actor_critic_explain(FILE *out, const void *config, uint64_t seed);

#endif
