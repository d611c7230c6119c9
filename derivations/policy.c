/* Parametrised policies over the states of a finite MDP: see policy.h. */
#include "derivations/policy.h"

#include <gsl/gsl_randist.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "autodiff/random.h"
#include "autodiff/require.h"

static policy_class *policy_new(const mdp *M, enum policy_kind kind, int n)
{
    policy_class *p = allocate(1, sizeof *p, "a policy");
    *p = (policy_class){ .kind = kind, .nS = M->nS, .nA = M->nA, .n = n };
    return p;
}

policy_class *policy_tabular(const mdp *M) { return policy_new(M, POLICY_TABULAR, M->nS * M->nA); }

/* X [nS x d] is copied; one-hot when NULL */
static policy_class *policy_with_features(const mdp *M, enum policy_kind kind, int n, int d, const double *X)
{
    policy_class *p = policy_new(M, kind, n);
    size_t size = (size_t)M->nS * (size_t)d;
    p->d = d;
    p->X = allocate(size, sizeof *p->X, "features");
    if (X) memcpy(p->X, X, size * sizeof *X);
    else   for (size_t s = 0; s < (size_t)M->nS; s++) p->X[s * (size_t)d + s] = 1;
    return p;
}

policy_class *policy_linear(const mdp *M, int d, const double *X)
{
    require(d >= 1 && X, "%d features", d);
    return policy_with_features(M, POLICY_LINEAR, d * M->nA, d, X);
}

policy_class *policy_mlp(const mdp *M, int d, const double *X, int hidden, const int *width)
{
    require(hidden >= 1 && hidden < NETWORK_MAX_LAYERS, "%d hidden layers", hidden);
    network net = { .layers = hidden + 1, .hidden = AD_TANH };
    net.size[0] = X ? d : M->nS;
    for (int l = 0; l < hidden; l++) net.size[l + 1] = width[l];
    net.size[hidden + 1] = M->nA;
    policy_class *p = policy_with_features(M, POLICY_MLP, network_n(&net), net.size[0], X);
    p->net = net;
    return p;
}

static void gaussian(int n, double sigma, uint64_t seed, uint32_t worker, double *x)
{
    gsl_rng *rng = random_stream(seed, worker, RANDOM_POLICY);
    for (int i = 0; i < n; i++) x[i] = gsl_ran_gaussian_ziggurat(rng, sigma);
    gsl_rng_free(rng);
}

policy_class *policy_linear_random(const mdp *M, int d, uint64_t seed)
{
    enum { FEATURES = 0xfea };                  /* a stream apart from those of theta */
    double *X = allocate((size_t)M->nS * (size_t)d, sizeof *X, "features");
    gaussian(M->nS * d, 1 / sqrt(d), seed, FEATURES, X);
    policy_class *p = policy_linear(M, d, X);
    free(X);
    return p;
}

void policy_free(policy_class *p)
{
    if (!p) return;
    free(p->X);
    free(p);
}

void policy_theta_random(const policy_class *p, uint64_t seed, uint32_t worker, double *theta)
{
    gaussian(p->n, p->kind == POLICY_MLP ? 0.5 : 1, seed, worker, theta);
}

ad policy_logits(ad_tape *t, const policy_class *p, ad theta)
{
    if (p->kind == POLICY_TABULAR) return ad_view(theta, 0, p->nS, p->nA);
    ad X = ad_input(t, p->X, p->nS, p->d);
    if (p->kind == POLICY_MLP) return network_forward(&p->net, theta, X);
    return ad_matmul(X, ad_view(theta, 0, p->d, p->nA));                        /* z = X W */
}

void policy_logits_at(const policy_class *p, const double *theta, double *z)
{
    ad_tape *t = ad_tape_new();
    ad logits = policy_logits(t, p, ad_input(t, theta, p->n, 1));
    memcpy(z, ad_value(logits), (size_t)p->nS * (size_t)p->nA * sizeof *z);
    ad_tape_free(t);
}

void policy_vjp(const policy_class *p, const double *theta, const double *w, double *Jz_t_w)
{
    ad_tape *t = ad_tape_new();
    ad at = ad_input(t, theta, p->n, 1);
    ad product = ad_vjp(policy_logits(t, p, at), at, ad_input(t, w, p->nS, p->nA));
    memcpy(Jz_t_w, ad_value(product), (size_t)p->n * sizeof *Jz_t_w);
    ad_tape_free(t);
}

void policy_jacobian(const policy_class *p, const double *theta, double *J_z)
{
    ad_tape *t = ad_tape_new();
    ad at = ad_input(t, theta, p->n, 1), z = policy_logits(t, p, at);
    for (int i = 0; i < p->nS * p->nA; i++) {
        ad_mark mark = ad_here(t);
        ad row = ad_grad(ad_view(z, i, 1, 1), at);
        memcpy(J_z + (size_t)i * (size_t)p->n, ad_value(row), (size_t)p->n * sizeof *J_z);
        ad_reset(t, mark);
    }
    ad_tape_free(t);
}
