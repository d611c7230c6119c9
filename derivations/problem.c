/* Opening an MDP and solving the policies that are tried on it: see problem.h. */
#include "derivations/problem.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "autodiff/options.h"
#include "autodiff/require.h"
#include "derivations/fisher.h"
#include "derivations/policy_file.h"

static char *copy(const char *s)
{
    size_t size = strlen(s) + 1;
    return memcpy(allocate(size, 1, "a name"), s, size);
}

static exact *solve(const problem *p, const double *logits)
{
    char error[512];
    exact *x = exact_new(p->M, p->gamma, logits, error, sizeof error);
    if (!x) bad_input("%s", error);
    return x;
}

/* Takes over the class (NULL: a table), pi and pi1. */
static void add(problem *p, const char *name, const char *name1, policy_class *class, exact *pi, exact *pi1,
                uint64_t seed)
{
    p->policy[p->policies++] = (trial){ copy(name), copy(name1), class, pi, pi1, setting_new(pi, pi1, seed) };
}

static void add_tables(problem *p, const char *policy_path, uint64_t seed)
{
    int n = p->M->nS * p->M->nA, nA = p->M->nA;
    double *logits = policy_named(policy_path ? policy_path : "uniform", p->M);
    double *logits1 = allocate((size_t)n, sizeof *logits1, "logits");
    bool own = !policy_path && strcmp(p->M->name, "E5") == 0;
    for (int i = 0; i < n && own; i++) logits[i] = cos(i / nA + 2 * (i % nA));
    exact *pi = solve(p, logits);
    policy_random(p->M, seed, 1, logits1);
    for (int i = 0; i < n && own; i++) logits1[i] = pi->theta[i] + pi->A[i];
    const char *name1 = own ? "theta' = theta + A" : "random (logits ~ N(0,1))";
    const char *name = policy_path ? policy_path : own ? "theta(s,a) = cos(s+2a)" : "uniform";
    add(p, name, name1, NULL, pi, solve(p, logits1), seed);
    policy_random(p->M, seed, 0, logits);
    add(p, "random (logits ~ N(0,1))", name1, NULL, solve(p, logits), solve(p, logits1), seed);
    free(logits);
    free(logits1);
}

/* Two random policies of a class, which is taken over. Exit 2 when they must be and cannot. */
static void add_class(problem *p, const char *name, policy_class *class, bool must, uint64_t seed)
{
    char error[512];
    exact *pair[2];
    double *theta = allocate((size_t)class->n, sizeof *theta, "parameters");
    for (uint32_t i = 0; i < 2; i++) {
        policy_theta_random(class, seed, i, theta);
        pair[i] = exact_new_policy(p->M, p->gamma, class, theta, error, sizeof error);
    }
    free(theta);
    if (pair[0] && pair[1]) {
        add(p, name, "another of the same kind", class, pair[0], pair[1], seed);
        return;
    }
    if (must) bad_input("%s", error);
    exact_free(pair[0]);
    exact_free(pair[1]);
    policy_free(class);
}

/* D random features, or a network of H tanh units over the states one by one */
static void add_linear(problem *p, int d, bool must, uint64_t seed)
{
    char name[64];
    snprintf(name, sizeof name, "linear in %d random features", d);
    add_class(p, name, policy_linear_random(p->M, d, seed), must, seed);
}

static void add_network(problem *p, int hidden, bool must, uint64_t seed)
{
    char name[64];
    snprintf(name, sizeof name, "a network of %d tanh units", hidden);
    add_class(p, name, policy_mlp(p->M, 0, NULL, 1, &hidden), must, seed);
}

/* "linear:D", "network:H" */
static void add_named_class(problem *p, const char *text, uint64_t seed)
{
    bool linear = strncmp(text, "linear:", 7) == 0, net = strncmp(text, "network:", 8) == 0;
    if (!linear && !net)
        bad_input("--class: expected linear:D with D features or network:H with H hidden units, found \"%s\"",
                  text);
    double size = options_number("--class", strchr(text, ':') + 1, 1, 1e4);
    if (size != floor(size)) bad_input("--class: expected a whole number, found \"%s\"", text);
    if (net && p->M->nS > NETWORK_MAX_SIZE)
        bad_input("--class network: expected at most %d states, found %d", NETWORK_MAX_SIZE, p->M->nS);
    if (linear) add_linear(p, (int)size, true, seed);
    else        add_network(p, (int)size, true, seed);
}

problem problem_open(const char *name_or_path, const char *gamma_text, const char *policy_path,
                     const char *class_text, uint64_t seed)
{
    char error[512];
    problem p = { .M = mdp_open(name_or_path, error, sizeof error) };
    if (!p.M) bad_input("%s", error);
    p.gamma = gamma_text ? options_number("--gamma", gamma_text, 0, 1) : p.M->gamma;
    if (class_text && policy_path) bad_input("--policy is a table of logits: expected no --class beside it");
    if (class_text) {
        add_named_class(&p, class_text, seed);
        return p;
    }
    add_tables(&p, policy_path, seed);
    if (p.M->nS * p.M->nA <= FISHER_MAX_N) {
        add_linear(&p, (int)fmin(4, fmax(1, p.M->nS / 2)), false, seed);
        add_network(&p, 4, false, seed);
    }
    return p;
}

void problem_close(problem *p)
{
    for (int i = 0; i < p->policies; i++) {
        trial *t = &p->policy[i];
        setting_free(t->setting);
        exact_free(t->pi);
        exact_free(t->pi1);
        policy_free(t->class);
        free(t->name);
        free(t->name1);
    }
    mdp_free(p->M);
}

uint64_t problem_seed(uint64_t seed) { return 1000 * (seed - 1) + 1; }
