/* `ascent graph OBJECTIVE`: the graph of an objective on a small network and sample, as Graphviz DOT. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "algorithms/commands.h"
#include "autodiff/ad.h"
#include "autodiff/distribution.h"
#include "autodiff/network.h"
#include "autodiff/options.h"
#include "autodiff/random.h"
#include "autodiff/require.h"

/* T states of two numbers, a policy 2-3-2; weights and values are random and stand for nothing. */
enum { T = 4, nX = 2, nH = 3, nA = 2, N_MAX = (nX + 1) * nH + (nH + 1) * nA };
static const network pi = { 2, { nX, nH, nA }, AD_TANH }, critic = { 2, { nX, nH, 1 }, AD_TANH };

typedef struct {
    double theta[N_MAX], v[N_MAX], s[T * nX], Psi[T], G[T], logp_old[T];
    int a[T];
} sample;

static void draw(gsl_rng *rng, int n, double *x)
{
    for (int i = 0; i < n; i++) x[i] = 2 * gsl_rng_uniform(rng) - 1;
}

static sample draw_sample(uint64_t seed)
{
    sample d;
    gsl_rng *rng = random_stream(seed, 0, RANDOM_POLICY);
    draw(rng, N_MAX, d.theta);
    draw(rng, N_MAX, d.v);
    draw(rng, T * nX, d.s);
    draw(rng, T, d.Psi);
    draw(rng, T, d.G);
    for (int t = 0; t < T; t++) {
        d.a[t] = (int)gsl_rng_uniform_int(rng, nA);
        d.logp_old[t] = log(0.3 + 0.4 * gsl_rng_uniform(rng));
    }
    gsl_rng_free(rng);
    return d;
}

static ad states(ad_tape *t, const sample *d) { return ad_name(ad_input(t, d->s, T, nX), "s"); }

static ad logits(ad theta, ad_tape *t, const sample *d)                     /* [T x nA] */
{
    return ad_name(network_forward(&pi, theta, states(t, d)), "z");
}

static ad policy_gradient(ad_tape *t, ad theta, const sample *d)            /* mean_t Psi_t log pi(a_t|s_t) */
{
    ad logp = ad_name(categorical_logp(logits(theta, t, d), d->a), "log pi(a|s)");
    return ad_mean(ad_mul(ad_name(ad_input(t, d->Psi, T, 1), "Psi"), logp));
}

static ad surrogate(ad_tape *t, ad theta, const sample *d)                  /* mean_t r_t(theta) Psi_t */
{
    ad logp  = ad_name(categorical_logp(logits(theta, t, d), d->a), "log pi(a|s)");
    ad ratio = ad_exp(ad_sub(logp, ad_name(ad_input(t, d->logp_old, T, 1), "log pi_old(a|s)")));
    return ad_mean(ad_mul(ad_name(ratio, "ratio"), ad_name(ad_input(t, d->Psi, T, 1), "A")));
}

static ad entropy(ad_tape *t, ad theta, const sample *d)                    /* mean_t H(pi(.|s_t)) */
{
    return ad_mean(categorical_entropy(logits(theta, t, d)));
}

static ad kl(ad_tape *t, ad theta, const sample *d)                         /* mean_t KL(old||new), old = new */
{
    ad z = logits(theta, t, d);
    return ad_mean(categorical_kl(ad_name(ad_detach(z), "z_old"), z));
}

/* v^T F v, F v the gradient of g^T v */
static ad fisher_vector(ad_tape *t, ad theta, const sample *d)
{
    ad v = ad_name(ad_input(t, d->v, network_n(&pi), 1), "v");
    ad g = ad_name(ad_grad(kl(t, theta, d), theta), "g");
    return ad_dot(ad_name(ad_grad(ad_dot(g, v), theta), "F v"), v);
}

static ad value(ad_tape *t, ad phi, const sample *d)                        /* -mean_t (V(s_t) - G_t)^2 */
{
    ad V = ad_name(network_forward(&critic, phi, states(t, d)), "V");
    return ad_neg(ad_mean(ad_square(ad_sub(V, ad_name(ad_input(t, d->G, T, 1), "G")))));
}

static const struct objective {
    const char *name, *says;
    ad (*build)(ad_tape *t, ad theta, const sample *d);
    const network *f;
    const char *parameters;
} objective[] = {
    { "policy-gradient", "mean Psi_t log pi(a_t|s_t)", policy_gradient, &pi, "theta" },
    { "surrogate", "mean ratio_t A_t, ratio = pi(a|s) / pi_old(a|s)", surrogate, &pi, "theta" },
    { "entropy", "mean entropy of pi(.|s_t)", entropy, &pi, "theta" },
    { "kl", "mean KL(old||new), old detached", kl, &pi, "theta" },
    { "fisher-vector", "v^T F v, the mean KL differentiated twice", fisher_vector, &pi, "theta" },
    { "value", "-mean (V(s_t) - G_t)^2", value, &critic, "phi" },
};
enum { OBJECTIVES = sizeof objective / sizeof *objective };

static const struct objective *find(const char *name)
{
    for (int i = 0; i < OBJECTIVES; i++)
        if (strcmp(objective[i].name, name) == 0) return &objective[i];
    char names[256] = "";
    for (int i = 0; i < OBJECTIVES; i++) {
        strcat(names, i ? ", " : "");
        strcat(names, objective[i].name);
    }
    bad_input("graph: expected an objective (%s), found %s", names, name);
}

int graph_command(int argc, char **argv)
{
    const char *seed = "1";
    bool adjoints = false;
    const option table[] = { { "--adjoints", NULL, "dJ/d(node) in each node", NULL, &adjoints },
                             { "--seed", "K", "of the weights and the sample (1)", &seed, NULL },
                             { NULL, NULL, NULL, NULL, NULL } };
    char about[1024] = "Draws an objective as the tape records it, on a 2-3-2 network and 4 states, as Graphviz"
                       " DOT:\n"
                       "    ascent graph kl --adjoints | dot -Tsvg > kl.svg\n"
                       "Ellipses are inputs; dashed: no gradient passes; grey: made by a derivative. Objectives:";
    for (int i = 0; i < OBJECTIVES; i++) {
        size_t used = strlen(about);
        snprintf(about + used, sizeof about - used, "\n    %-16s %s", objective[i].name, objective[i].says);
    }
    int left = options_parse(argc, argv, "graph OBJECTIVE [--adjoints] [--seed K]", about, table);
    if (left != 1) bad_input("graph: expected one objective, found %d arguments", left);
    const struct objective *o = find(argv[1]);
    sample d = draw_sample(options_seed("--seed", seed));
    ad_tape *t = ad_tape_new();
    ad theta = ad_name(ad_input(t, d.theta, network_n(o->f), 1), o->parameters);
    ad J = ad_name(o->build(t, theta, &d), "J");
    if (adjoints) ad_grad(J, theta);
    ad_draw(stdout, J, adjoints);
    ad_tape_free(t);
    return EXIT_HELD;
}
