/* Training code on enumerated trajectories: see agent.h. */
#include "derivations/agent.h"

#include <stdlib.h>
#include <string.h>

#include "autodiff/require.h"

agent *agent_new(const policy_class *states, const double *theta, int H)
{
    agent *b = allocate(1, sizeof *b, "an agent");
    int d = states->kind == POLICY_TABULAR ? states->nS : states->d, nA = states->nA;
    *b = (agent){ .states = states, .t = ad_tape_new(), .tau = rollout_shaped(d, 1, true) };
    b->pi = (policy){ .nA = nA, .d = d, .k = 1, .f = { .layers = 1, .size = { d, nA }, .hidden = AD_LINEAR } };
    if (states->kind == POLICY_MLP) b->pi.f = states->net;
    b->pi.n = network_n(&b->pi.f);
    b->theta = allocate((size_t)b->pi.n, sizeof *b->theta, "theta");
    memcpy(b->theta, theta, (size_t)states->n * sizeof *theta);
    b->g = allocate((size_t)b->pi.n, sizeof *b->g, "a gradient");
    b->w = allocate((size_t)H + 1, sizeof *b->w, "weights");
    b->s = allocate((size_t)d, sizeof *b->s, "an observation");
    return b;
}

void agent_free(agent *b)
{
    if (!b) return;
    ad_tape_free(b->t);
    rollout_free(b->tau);
    free(b->theta);
    free(b->g);
    free(b->w);
    free(b->s);
    free(b);
}

const double *agent_observation(agent *b, int s)
{
    if (b->states->X) return b->states->X + (size_t)s * (size_t)b->pi.d;
    memset(b->s, 0, (size_t)b->pi.d * sizeof *b->s);
    b->s[s] = 1;
    return b->s;
}

void agent_sees(agent *b, const traj *tau)
{
    rollout_clear(b->tau);
    for (int t = 0; t < tau->T; t++)
        rollout_add(b->tau, agent_observation(b, tau->s[t]), &(double){ tau->a[t] }, tau->r[t]);
    rollout_end(b->tau, agent_observation(b, tau->s[tau->T]), true, tau->terminated, !tau->terminated);
}
