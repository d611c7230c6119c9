/* What `ascent explain ppo_parallel` prints: one step of ppo_parallel.c, with its numbers, the first of a
 * training run from that seed, with M = N T. */
#include "algorithms/ppo_parallel.h"

#include <stdlib.h>
#include <string.h>

#include "algorithms/explained.h"
#include "algorithms/gae.h"
#include "autodiff/require.h"

enum { EXPLAINED_PROCESSES = 2, EXPLAINED_STEPS = 4 };

static void explain_batch(FILE *out, const samples *D, const rollout *b)
{
    fprintf(out, "\nprocess  t  s_t  a_t %9s %9s %9s %9s\n", "r_t", "V(s_t)", "R_t", "A_t");
    for (int i = 0; i < b->segments; i++)
        for (int t = 0, k = b->segment[i].first; t < b->segment[i].T; t++, k++)
            fprintf(out, "%7d %2d %4d %4d %9.5f %9.5f %9.5f %9.5f\n", b->segment[i].worker + 1, t,
                    explained_state(b, k), b->index[k], b->r[k], D->V_old[k], D->R[k], D->A[k]);
}

/* Each component of the policy's in which a batch has something to say; g_i [n] one behind the other */
static void explain_mean(FILE *out, const policy *p, int K, const double *g_i, const double *g,
                         const double *joined)
{
    int n = p->n, nA = p->nA;
    fprintf(out, "\n%10s", "theta");
    for (int i = 1; i <= K; i++) fprintf(out, " %8s%d", "g_", i);
    fprintf(out, " %9s %13s\n", "their mean", "joined batch");
    for (int k = 0; k < n; k++) {
        char name[32];
        if (g[k] == 0) continue;
        if (k < p->d * nA) snprintf(name, sizeof name, "W[%d,%d]", k / nA, k % nA);
        else               snprintf(name, sizeof name, "b[%d]", k - p->d * nA);
        fprintf(out, "%10s", name);
        for (int i = 0; i < K; i++) fprintf(out, " %9.5f", g_i[i * n + k]);
        fprintf(out, " %10.5f %13.5f\n", g[k], joined[k]);
    }
}

/* The numbers of the others, for rank 0 to print: K x (mean of one g_i and K - 1 zeros) */
static void gather(processes *all, int n, const double *own, double *g_i)
{
    for (int k = 0; k < n; k++) g_i[all->rank * n + k] = all->n * own[k];
    processes_mean(all, (size_t)(all->n * n), g_i);
}

/* g_i of each process, their mean, and the gradient of one process on all samples; a step along the mean */
static void explain_update(FILE *out, const ppo_clip_config *c, processes *all, ppo_learner *l,
                           const rollout *b, const samples *joined)
{
    int n = l->p.n, nV = network_n(&l->f), K = all->n;
    double *own = allocate((size_t)((K + 3) * n + 2 * nV), sizeof *own, "g"), *g_i = own + n + nV;
    double *one = g_i + K * n, *before = allocate((size_t)n, sizeof *before, "theta");
    memcpy(before, l->theta, (size_t)n * sizeof *before);
    ppo_gradient(l->t, c, &l->p, &l->f, l->theta, l->phi, l->D, own);
    gather(all, n, own, g_i);
    ppo_gradient(l->t, c, &l->p, &l->f, l->theta, l->phi, joined, one);
    memcpy(l->g, own, (size_t)(n + nV) * sizeof *own);
    processes_mean(all, (size_t)(n + nV), l->g);
    if (all->rank == 0) {
        explain_batch(out, joined, b);
        fprintf(out, "%s", c->normalise == PPO_NORMALISE_OFF ? "" :
                "         A_t with mean 0 and standard deviation 1 over the samples of all\n");
        fprintf(out, "\nPPO-29   g = (g_1 + .. + g_K) / K: each g_i the gradient of J on the samples of process i;\n"
                     "         beside it, of one process on all of them\n");
        explain_mean(out, &l->p, K, g_i, l->g, one);
        ppo_ascend(l, c->lr, c->lr_V, c->clip_norm, c->joint);
        fprintf(out, "\nPPO-7    a step of Adam along g, alpha = %g, the same in all\n\n", c->lr);
        explained_theta(out, &l->p, l->g, before, l->theta);
    }
    free(before);
    free(own);
}

/* One process that plays all: its samples, in the order of the processes */
static ppo_learner one_process(const ppo_clip_config *c, uint64_t seed, rollout *b)
{
    env *e = explained_env();
    const policy p = ppo_clip_policy(e, c);
    run *streams = run_new("ppo_parallel", e, seed, 0);
    run_workers(streams, (int)c->workers);
    ppo_learner l = ppo_learner_new(&p, c->workers * c->n_steps, c->minibatch, c->adam_eps);
    actor *pi = actor_new(&p, l.theta);
    ppo_learner_init(&l, streams->init_rng);
    run_act(streams, 0, (int)c->workers, (int)c->n_steps, pi, b);
    ppo_prepare(&l, b, c->gamma, c->lambda);
    if (c->normalise == PPO_NORMALISE_BATCH) advantages_normalise(l.D->T, l.D->A);
    actor_free(pi);
    run_free(streams);
    env_free(e);
    return l;
}

static ppo_parallel_config explained_config(const ppo_parallel_config *asked)
{
    ppo_parallel_config c = *asked;
    c.processes = c.processes < EXPLAINED_PROCESSES ? c.processes : EXPLAINED_PROCESSES;
    c.ppo.hidden.layers = 0;
    c.ppo.workers = 1;
    c.ppo.minibatch = c.ppo.n_steps = c.ppo.n_steps < EXPLAINED_STEPS ? c.ppo.n_steps : EXPLAINED_STEPS;
    if (c.ppo.normalise == PPO_NORMALISE_MINIBATCH) c.ppo.normalise = PPO_NORMALISE_BATCH;
    return c;
}

void ppo_parallel_explain(FILE *out, const void *config, uint64_t seed)
{
    const ppo_parallel_config c = explained_config(config);
    ppo_clip_config own = c.ppo, joint = own;
    env *e = explained_env();
    ppo_parallel_check(&c);
    joint.workers = c.processes;
    const policy p = ppo_clip_policy(e, &own);
    run *streams = run_new("ppo_parallel", e, seed, 0);
    run_workers(streams, (int)c.processes);
    ppo_learner l = ppo_learner_new(&p, own.n_steps, own.minibatch, own.adam_eps);
    actor *pi = actor_new(&p, l.theta);
    rollout *b = rollout_new(e), *joined = rollout_new(e);
    ppo_learner whole = one_process(&joint, seed, joined);

    ppo_learner_init(&l, streams->init_rng);
    processes *all = processes_new((int)c.processes);
    if (all->rank == 0)
        fprintf(out, "PPO in parallel, its first update on %s (states 0 .. 4, then the end; 3 actions),"
                     " seed %llu;\nK = %ld process%s, %ld steps each, no hidden layers, gamma = %g,"
                     " lambda = %g\n", e->id, (unsigned long long)seed, c.processes,
                c.processes > 1 ? "es" : "", own.n_steps, own.gamma, own.lambda);
    run_act(streams, all->rank, 1, (int)own.n_steps, pi, b);
    ppo_prepare(&l, b, own.gamma, own.lambda);
    if (own.normalise == PPO_NORMALISE_BATCH) ppo_parallel_normalise(all, l.D->T, l.D->A);
    explain_update(out, &own, all, &l, joined, whole.D);
    processes_end(all);

    rollout_free(joined);
    rollout_free(b);
    actor_free(pi);
    ppo_learner_free(&whole);
    ppo_learner_free(&l);
    run_free(streams);
    env_free(e);
    mpi_end();
}
