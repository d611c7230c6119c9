/* MDP-2: stochastic policies pi_theta(a|s) over what an environment shows, as functions of ONE vector
 * theta [n x 1].
 *
 *   discrete actions   pi(a|s) = softmax(f(s))_a        theta = network
 *   by their values    pi(.|s) epsilon-greedy in Q = f(s), which is no function of theta to differentiate
 *   box of k numbers   pi(.|s) = N(f(s), diag sd^2)     theta = network, log_sd [k]: no function of s
 *   deterministic      a = mu(s) = m + h tanh f(s)      theta = network; m, h: middle and half width of the box,
 *                                                       where it has no bounds a = f(s)
 *   ... normalised     the same, s and hidden layers      theta = network with batch_norm.h's at its end
 *                      batch-normalised
 *
 * with f a network from observations [d] to logits [nA] or means [k]. Two vectors make two policies of one
 * `policy`. On a finite MDP (one-hot observations) a policy without hidden layers is the tabular one, with a
 * row of logits and biases added. */
#ifndef ASCENT_POLICY_H
#define ASCENT_POLICY_H

#include "autodiff/ad.h"
#include "autodiff/batch_norm.h"
#include "autodiff/network.h"
#include "envs/env.h"

typedef struct {
    network f;              /* d -> ... -> nA or k */
    int nA;                 /* actions of a discrete space; a box: 0 */
    int d, k;               /* numbers in an observation; in an action (discrete: 1, its number) */
    int n;                  /* length of theta */
    bool values;            /* f(s) are no logits but Q(s,.), and pi is epsilon-greedy in them */
    double epsilon;
    bool deterministic;     /* a = mu(s) */
    bool normalised;        /* with batch normalisation, of deterministic ones */
    const double *low, *high;   /* [k] bounds of its box, the environment's; NULL: none */
} policy;

/* hidden layers of the given widths; 0 layers: f is linear */
policy policy_of(const env *e, int layers, const int *width, enum ad_activation hidden);
policy deterministic_policy_of(const env *e, int layers, const int *width, enum ad_activation hidden);
policy policy_normalised(policy p);             /* a deterministic one, with batch normalisation */
/* First parameters: orthogonal weights, sqrt 2 in hidden layers (CleanRL's), .01 at the output, so that at
 * first all actions are nearly equally likely; log_sd = 0. Deterministic: fan-in, but U(-.003, .003) at the
 * output, so that no tanh is saturated (Lillicrap et al. 2016, section 7). */
void   policy_init(const policy *p, gsl_rng *rng, double *theta);

/* s [T x d]; a [T x k] numbers, borrowed, for a discrete space as index [T], else the other is NULL.
 * log pi(a_t|s_t) [T x 1] */
ad policy_logp(ad_tape *t, const policy *p, ad theta, ad s, const double *a, const int *index);
ad policy_entropy(const policy *p, ad theta, ad s);                     /* H(pi(.|s_t)) [T x 1] */
/* The parameters of pi(.|s_t), a row each: logits [T x nA], or means and log_sd side by side [T x 2k]. KL(old||new)
 * of two such [T x 1] (KL-2, TRPO-9's summand); what must stay fixed is for the caller to detach or to freeze. */
ad policy_parameters(const policy *p, ad theta, ad s);
ad policy_kl(const policy *p, ad old, ad new);
/* log pi(a_t|s_t) and H(pi(.|s_t)) of such parameters z: where several are wanted, one forward pass does */
ad policy_logp_of(ad_tape *t, const policy *p, ad z, const double *a, const int *index);
ad policy_entropy_of(const policy *p, ad z);

/* DDPG-25   mu(s_t) [T x k], a number for each dimension of the action; batch normalisation, if any, in evaluation */
ad policy_action(ad_tape *t, const policy *p, ad theta, ad s);
/* The same with batch normalisation in training; and what runs, brought on by the batch s [T x d] */
ad   policy_action_in_training(ad_tape *t, const policy *p, ad theta, ad s);
void policy_track(ad_tape *t, const policy *p, int T, const double *s, double *theta);

/* Acts with the theta [n] it was made for: a change of theta shows at the next action. The forward pass is
 * the one above, replayed on a tape of its own. */
typedef struct actor actor;
actor *actor_new(const policy *p, const double *theta);                 /* theta is borrowed */
void   actor_free(actor *b);                                            /* NULL is fine */
void   actor_draw(actor *b, gsl_rng *rng, const double *s, double *a);  /* a ~ pi(.|s) [k]; mu(s) draws nothing */
void   actor_mode(actor *b, const double *s, double *a);                /* its most likely action */
void   actor_epsilon(actor *b, double epsilon);                         /* from now on, of a policy by values */
const double *actor_values(actor *b, const double *s);      /* Q(s,.) [nA] of such a one, until it is used again */

#endif
