/* Categorical and diagonal Gaussian policies on a network: see policy.h. */
#include "algorithms/policy.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "autodiff/distribution.h"
#include "autodiff/require.h"

policy policy_of(const env *e, int layers, const int *width, enum ad_activation hidden)
{
    require(0 <= layers && layers < NETWORK_MAX_LAYERS, "%d hidden layers, expected 0 .. %d", layers,
            NETWORK_MAX_LAYERS - 1);
    policy p = { .nA = e->action.n, .d = e->observation.dim, .k = e->action.dim };
    p.f = (network){ .layers = layers + 1, .hidden = hidden };
    p.f.size[0] = p.d;
    for (int l = 0; l < layers; l++) p.f.size[l + 1] = width[l];
    p.f.size[layers + 1] = p.nA ? p.nA : p.k;
    p.n = network_n(&p.f) + (p.nA ? 0 : p.k);
    return p;
}

policy deterministic_policy_of(const env *e, int layers, const int *width, enum ad_activation hidden)
{
    policy p = policy_of(e, layers, width, hidden);
    require(!p.nA, "a deterministic policy of discrete actions");
    bool bounded = isfinite(e->action.low[0]);
    for (int i = 0; i < p.k; i++)
        require(isfinite(e->action.low[i]) == bounded && isfinite(e->action.high[i]) == bounded,
                "%s: action %d is bounded on one side, or others are not as it is", e->id, i);
    p.deterministic = true;
    p.n = network_n(&p.f);
    if (bounded) p.low = e->action.low, p.high = e->action.high;
    return p;
}

policy policy_normalised(policy p)
{
    require(p.deterministic, "batch normalisation of a stochastic policy");
    p.normalised = true;
    p.n = batch_norm_n(&p.f, p.d);
    return p;
}

static void init_deterministic(const policy *p, gsl_rng *rng, double *theta)
{
    const network_layer last = network_part(&p->f, p->f.layers);
    network_init_fan_in(&p->f, rng, theta);                         /* U(-c, c), c = 1 / sqrt(inputs) */
    for (int i = last.W; i < network_n(&p->f); i++) theta[i] *= 3e-3 * sqrt(last.k);
    if (p->normalised) batch_norm_init(&p->f, p->d, theta);
}

void policy_init(const policy *p, gsl_rng *rng, double *theta)
{
    if (p->deterministic) { init_deterministic(p, rng, theta); return; }
    network_init_orthogonal(&p->f, sqrt(2), 0.01, rng, theta);
    for (int i = network_n(&p->f); i < p->n; i++) theta[i] = 0;
}

static ad output(const policy *p, ad theta, ad s)               /* f(s): logits or means [T x nA or k] */
{
    int n = network_n(&p->f);
    if (p->normalised) return batch_norm_forward(&p->f, p->d, theta, s, BATCH_NORM_EVALUATE);
    return network_forward(&p->f, p->n == n ? theta : ad_view(theta, 0, n, 1), s);
}

/*[snip policy-action later]*/
/* DDPG-25   mu(s) = m + h tanh f(s), in each dimension; f(s) where there are no bounds */
static ad action_of(ad_tape *t, const policy *p, ad f)
{
    require(p->deterministic, "the action of a stochastic policy");
    if (!p->low) return f;
    ad low = ad_input(t, p->low, 1, p->k), high = ad_input(t, p->high, 1, p->k);
    ad m = ad_scale(0.5, ad_add(low, high)), h = ad_scale(0.5, ad_sub(high, low));
    int T = ad_nrows(f);
    return ad_add(ad_rows(m, T), ad_mul(ad_rows(h, T), ad_tanh(f)));
}

ad policy_action(ad_tape *t, const policy *p, ad theta, ad s) { return action_of(t, p, output(p, theta, s)); }
/*[/snip]*/

ad policy_action_in_training(ad_tape *t, const policy *p, ad theta, ad s)
{
    if (!p->normalised) return policy_action(t, p, theta, s);
    return action_of(t, p, batch_norm_forward(&p->f, p->d, theta, s, BATCH_NORM_TRAIN));
}

void policy_track(ad_tape *t, const policy *p, int T, const double *s, double *theta)
{
    ad_mark start = ad_here(t);
    batch_norm_track(t, &p->f, p->d, ad_input(t, s, T, p->d), theta);
    ad_reset(t, start);
}

static ad log_sd(const policy *p, ad theta)                     /* [1 x k] */
{
    return ad_view(theta, p->n - p->k, 1, p->k);
}

ad policy_logp(ad_tape *t, const policy *p, ad theta, ad s, const double *a, const int *index)
{
    require(!p->values && !p->deterministic, "log pi of a policy without one");
    ad f = output(p, theta, s);
    if (p->nA) return categorical_logp(f, index);
    return gaussian_logp(f, log_sd(p, theta), ad_input(t, a, ad_nrows(s), p->k));
}

ad policy_entropy(const policy *p, ad theta, ad s)
{
    require(!p->values && !p->deterministic, "the entropy of a policy without log pi");
    if (p->nA) return categorical_entropy(output(p, theta, s));
    return ad_rows(gaussian_entropy(log_sd(p, theta)), ad_nrows(s));
}

ad policy_parameters(const policy *p, ad theta, ad s)
{
    require(!p->values && !p->deterministic, "the parameters of a policy without log pi");
    ad f = output(p, theta, s);
    return p->nA ? f : ad_concat(f, ad_rows(log_sd(p, theta), ad_nrows(s)));
}

/* KL-2   KL(pi_old(.|s_t) || pi_new(.|s_t)) */
ad policy_kl(const policy *p, ad old, ad new)
{
    int k = p->k;
    if (p->nA) return categorical_kl(old, new);
    return gaussian_kl(ad_columns(old, 0, k), ad_columns(old, k, k), ad_columns(new, 0, k), ad_columns(new, k, k));
}

ad policy_logp_of(ad_tape *t, const policy *p, ad z, const double *a, const int *index)
{
    int k = p->k;
    if (p->nA) return categorical_logp(z, index);
    return gaussian_logp(ad_columns(z, 0, k), ad_columns(z, k, k), ad_input(t, a, ad_nrows(z), k));
}

ad policy_entropy_of(const policy *p, ad z)
{
    return p->nA ? categorical_entropy(z) : gaussian_entropy(ad_columns(z, p->k, p->k));
}

/* ---- acting ---- */
struct actor {
    policy p;
    ad_tape *tape;
    double *s;              /* [d] the observation, an input of the graph */
    ad theta, f;            /* f(s), or mu(s), replayed for each action */
    ad_plan plan;
};

actor *actor_new(const policy *p, const double *theta)
{
    actor *b = allocate(1, sizeof *b, "an actor");
    *b = (actor){ .p = *p, .tape = ad_tape_new(),
                  .s = allocate((size_t)p->d, sizeof *b->s, "an observation") };
    b->theta = ad_input(b->tape, theta, p->n, 1);
    ad s = ad_input(b->tape, b->s, 1, p->d);
    b->f = p->deterministic ? policy_action(b->tape, p, b->theta, s) : output(p, b->theta, s);
    b->plan = ad_slice(2, (ad[]){ b->theta, s }, 1, &b->f);
    return b;
}

void actor_free(actor *b)
{
    if (!b) return;
    ad_tape_free(b->tape);
    free(b->s);
    free(b);
}

static const double *forward(actor *b, const double *s)         /* f(s) [nA or k], or mu(s) [k] */
{
    memcpy(b->s, s, (size_t)b->p.d * sizeof *s);
    ad_run(&b->plan);
    return ad_value(b->f);
}

void actor_draw(actor *b, gsl_rng *rng, const double *s, double *a)
{
    const policy *p = &b->p;
    const double *f = forward(b, s);
    if (p->values)  a[0] = epsilon_greedy_sample(rng, p->nA, f, p->epsilon);
    else if (p->nA) a[0] = categorical_sample(rng, p->nA, f);
    else if (p->deterministic) memcpy(a, f, (size_t)p->k * sizeof *a);
    else            gaussian_sample(rng, p->k, f, ad_value(b->theta) + p->n - p->k, a);
}

void actor_mode(actor *b, const double *s, double *a)
{
    const policy *p = &b->p;
    const double *f = forward(b, s);
    if (p->nA) a[0] = greedy_action(p->nA, f);
    else       memcpy(a, f, (size_t)p->k * sizeof *a);
}

void actor_epsilon(actor *b, double epsilon)
{
    require(b->p.values, "an epsilon of a policy by logits");
    b->p.epsilon = epsilon;
}

const double *actor_values(actor *b, const double *s)
{
    require(b->p.values, "values of a policy by logits");
    return forward(b, s);
}
