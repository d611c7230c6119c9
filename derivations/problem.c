/* Opening an MDP and solving the policies that are tried on it: see problem.h. */
#include "derivations/problem.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "autodiff/options.h"
#include "autodiff/require.h"
#include "derivations/policy_file.h"

static exact *solve(const problem *p, const double *logits)
{
    char error[512];
    exact *x = exact_new(p->M, p->gamma, logits, error, sizeof error);
    if (!x) bad_input("%s", error);
    return x;
}

problem problem_open(const char *name_or_path, const char *gamma_text, const char *policy_path, uint64_t seed)
{
    char error[512];
    problem p = { .M = mdp_open(name_or_path, error, sizeof error), .policies = PROBLEM_MAX_POLICIES };
    if (!p.M) bad_input("%s", error);
    p.gamma = gamma_text ? options_number("--gamma", gamma_text, 0, 1) : p.M->gamma;

    int nS = p.M->nS, nA = p.M->nA;
    double *logits = allocate((size_t)nS * (size_t)nA, sizeof *logits, "logits");     /* 0: uniform */
    bool own = !policy_path && strcmp(p.M->name, "E5") == 0;
    if (policy_path && !policy_read(policy_path, p.M, logits, error, sizeof error)) bad_input("%s", error);
    for (int i = 0; i < nS * nA && own; i++) logits[i] = cos(i / nA + 2 * (i % nA));
    p.policy_name[0] = policy_path ? policy_path : own ? "theta(s,a) = cos(s+2a)" : "uniform";
    p.pi[0] = solve(&p, logits);

    policy_random(p.M, seed, 0, logits);
    p.policy_name[1] = "random (logits ~ N(0,1))";
    p.pi[1] = solve(&p, logits);

    policy_random(p.M, seed, 1, logits);
    for (int i = 0; i < nS * nA && own; i++) logits[i] = p.pi[0]->theta[i] + p.pi[0]->A[i];
    p.pi1_name = own ? "theta' = theta + A" : "random (logits ~ N(0,1))";
    p.pi1 = solve(&p, logits);
    free(logits);
    for (int i = 0; i < p.policies; i++) p.setting[i] = setting_new(p.pi[i], p.pi1, seed);
    return p;
}

void problem_close(problem *p)
{
    for (int i = 0; i < p->policies; i++) {
        setting_free(p->setting[i]);
        exact_free(p->pi[i]);
    }
    exact_free(p->pi1);
    mdp_free(p->M);
}
