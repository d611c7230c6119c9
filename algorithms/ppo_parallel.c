/* PPO by worker processes that average their gradients (002, l.306: Spinning Up's parallelisation by MPI; Schulman
 * et al. 2017, arXiv:1707.06347, Algorithm 1). The update is ppo_clip.c's: K processes with one (theta, phi), each
 * with N actors, samples and minibatches of its own, so that a minibatch of M in each is one of K M.
 *
 *     initialise theta, phi in all processes alike
 *     loop, in process i = 1 .. K
 *         actors (i-1) N + 1 .. i N: T steps a_t ~ pi_old(.|s_t), pi_old = pi_theta    PPO-12
 *         A_t = sum_l (gamma lambda)^l delta_{t+l},  R_t = A_t + V(s_t)                PPO-17
 *         for some epochs, in minibatches of M <= N T samples of its own
 *             g_i = the gradient of J on the minibatch, see ppo_clip.c                 PPO-2, PPO-15
 *             g = (1/K) sum_i g_i                                                      PPO-29
 *             (theta, phi) <- a step of Adam along g: the same in all                  PPO-7, PPO-34
 *         until KL(pi_old||pi_theta), mean over all, > 1.5 target_kl                   PPO-11
 *
 * Deviations from the source
 *   1. Spinning Up averages by MPI_Allreduce, whose order of adding is MPI's own; here it is that of the ranks, so
 *      that a seed and K give the same bits each time, over sockets as over MPI (processes.h).
 *   2. Its step takes the whole batch, and V is fitted after the policy; here minibatches, V with it, as in
 *      ppo_clip.c.
 *
 * Critical
 *   - The mean, not the sum: with the sum K would be a step size, hidden by Adam until clip_norm or a plain step
 *     shows it.
 *   - J's means are over as many samples in each process. Then the mean of means is the mean over the K M samples.
 *   - What is no mean over samples must be made of all of them: the advantages' mean and standard deviation, and
 *     the norm that is bounded. Normalised in each process by itself, the gradients' mean is that of no batch.
 *   - Whether the epochs end is decided by a mean over all, else some would wait for those that have left.
 *   - K changes the order of the samples, so two K give two runs; with M = N T they differ by rounding only. */
#include "algorithms/ppo_parallel.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "algorithms/critic.h"
#include "algorithms/explained.h"
#include "algorithms/gae.h"
#include "autodiff/optimiser.h"
#include "autodiff/require.h"

static const char *const objectives[] = { "clip", "g", "cpi", NULL };
static const char *const normalises[] = { "off", "minibatch", "batch", NULL };

const ppo_parallel_config ppo_parallel_defaults = {
    .processes = 2,
    .ppo = { .workers = 4, .n_steps = 32, .epochs = 10, .minibatch = 32, .objective = PPO_CLIP, .eps = 0.2,
             .gamma = 0.99, .lambda = 0.95, .normalise = PPO_NORMALISE_MINIBATCH, .c1 = 0.5, .lr = 1e-3, .lr_V = 1e-3,
             .adam_eps = 1e-5, .clip_norm = 0.5, .joint = 1, .hidden = { 2, { 64, 64 } }, .activation = AD_TANH },
};

#define FIELD(name) #name, .at = offsetof(ppo_parallel_config, name)
#define OWN(name) #name, .at = offsetof(ppo_parallel_config, ppo) + offsetof(ppo_clip_config, name)
#define REAL(most) .kind = CONFIG_REAL, .low = 0, .high = most
#define WHOLE(least, most) .kind = CONFIG_WHOLE, .low = least, .high = most
#define CHOICE(names) .kind = CONFIG_CHOICE, .choices = names
const config_field ppo_parallel_fields[] = {
    { FIELD(processes), WHOLE(1, PROCESSES_MAX), .about = "K; what follows is of each of them" },
    { OWN(workers), WHOLE(1, 1000), .about = "N: actors" },
    { OWN(n_steps), WHOLE(1, 1e6), .about = "T: steps of each an update; paper: 2048 of one actor" },
    { OWN(epochs), WHOLE(1, 1e6), .about = "K: times each sample is used; paper: 10" },
    { OWN(minibatch), WHOLE(1, 1e9), .about = "M: samples a step; paper: 64" },
    { OWN(objective), CHOICE(objectives), .about = "PPO-2, PPO-4, PPO-1" },
    { OWN(eps), REAL(1), .about = "clip range of the ratio; paper: .2" },
    { OWN(gamma), REAL(1), .about = "discount gamma; paper: .99" },
    { OWN(lambda), REAL(1), .about = "of the advantages; paper: .95" },
    { OWN(normalise), CHOICE(normalises), .about = "advantages: mean 0, standard deviation 1; CleanRL: minibatch" },
    { OWN(c1), REAL(1e300), .about = "weight of V's squared error; SB3: .5, CleanRL: .25" },
    { OWN(c2), REAL(1e300), .about = "weight of the entropy; CleanRL: .01, SB3: 0" },
    { OWN(eps_V), REAL(1e300), .about = "clip range of V, 0: none, as in the paper; CleanRL: .2" },
    { OWN(target_kl), REAL(1e300), .about = "epochs end at 1.5 of it, 0: they do not; Spinning Up: .01" },
    { OWN(lr), REAL(1e300), .about = "step size alpha of the policy; paper: 3e-4" },
    { OWN(lr_V), REAL(1e300), .about = "step size of V" },
    { OWN(adam_eps), .kind = CONFIG_REAL, .low = 1e-30, .high = 1, .about = "Adam's eps; CleanRL, SB3: 1e-5" },
    { OWN(clip_norm), REAL(1e300), .about = "greatest norm of the gradient, 0: any; CleanRL: .5" },
    { OWN(joint), CHOICE(config_switch), .about = "the norm in (theta, phi), or in each by itself; CleanRL: on" },
    { OWN(anneal_steps), WHOLE(0, 1e15), .about = "step sizes fall to 0 in so many steps; 0: they stay" },
    { OWN(anneal_eps), CHOICE(config_switch), .about = "clip ranges fall with them" },
    { OWN(hidden), .kind = CONFIG_WIDTHS, .about = "hidden layers of policy and V; paper: 64,64" },
    { OWN(activation), CHOICE(config_activations), .about = "in the hidden layers; paper: tanh" },
    { .name = NULL },
};

/* ---- an update ---- */

/* What it works on */
typedef struct {
    policy p;
    network f;
    double *theta, *phi, *g;                /* [n], [nV] behind it; [n + nV] */
    double *m;                              /* [2 (n + nV)] Adam's, of theta, then of phi */
    adam step, step_V;
    samples *D, *minibatch;
    int *order;                             /* [N T] */
    double *V_end;                          /* [segments] */
    ad_tape *t;
} learner;

static learner learner_new(const policy *p, const ppo_clip_config *c)
{
    const network f = critic_V(p);
    size_t n = (size_t)p->n, nV = (size_t)network_n(&f), T = (size_t)(c->workers * c->n_steps);
    learner l = { .p = *p, .f = f, .theta = allocate(4 * (n + nV), sizeof *l.theta, "theta, phi") };
    l.phi = l.theta + n;
    l.g = l.phi + nV;
    l.m = l.g + n + nV;
    l.step = adam_of(n, c->lr, l.m);
    l.step_V = adam_of(nV, c->lr_V, l.m + 2 * n);
    l.step.eps = l.step_V.eps = c->adam_eps;
    l.D = samples_new(p, (int)T);
    l.minibatch = samples_new(p, (int)c->minibatch);
    l.order = allocate(T, sizeof *l.order, "a permutation");
    l.V_end = allocate(T, sizeof *l.V_end, "V");
    l.t = ad_tape_new();
    return l;
}

static void learner_init(learner *l, gsl_rng *rng)
{
    policy_init(&l->p, rng, l->theta);
    network_init_orthogonal(&l->f, sqrt(2), 1, rng, l->phi);
}

static void learner_free(learner *l)
{
    ad_tape_free(l->t);
    free(l->V_end);
    free(l->order);
    samples_free(l->minibatch);
    samples_free(l->D);
    free(l->theta);
}

/* PPO-12   Its own actors' parts of a batch, one behind the other */
static void act(const ppo_clip_config *c, run *training, int first, actor *pi, rollout *b)
{
    rollout_clear(b);
    for (int i = first, n = (int)c->n_steps; i < first + c->workers; i++) {
        run_worker *w = &training->worker[i];
        b->worker = i;
        rollout_steps(b, b->T + n, w->env, w->env_rng, pi, w->policy_rng);
    }
}

/*[snip ppo-parallel-normalise later]*/
/* A [T] <- (A - mean) / (standard deviation + 1e-8) of the K T numbers of all processes */
void ppo_parallel_normalise(processes *all, int T, double *A)
{
    /* BEGIN SOLUTION PPO-29 */
    int K = all->n;
    double mean = 0, squares = 0;
    for (int t = 0; t < T; t++) mean += A[t] / T;
    processes_mean(all, 1, &mean);
    for (int t = 0; t < T; t++) squares += (A[t] - mean) * (A[t] - mean);
    processes_mean(all, 1, &squares);
    double sd = sqrt(K * squares / (K * T - 1));
    for (int t = 0; t < T; t++) A[t] = (A[t] - mean) / (sd + 1e-8);
    /* END SOLUTION */
}
/*[/snip]*/

/* PPO-17   D from the batch: A_t, R_t = A_t + V(s_t), segment by segment; pi_old, log pi_old */
static void prepare(const ppo_clip_config *c, processes *all, learner *l, const rollout *b)
{
    samples *D = l->D;
    samples_old(D, l->t, &l->p, l->theta, b);
    critic_bootstrap(l->t, &l->f, l->phi, b, D->V_old, l->V_end);
    for (int i = 0; i < b->segments; i++) {
        int first = b->segment[i].first, T = b->segment[i].T;
        gae_advantages(T, b->r + first, D->V_old + first, l->V_end[i], c->gamma, c->lambda, D->A + first);
    }
    for (int k = 0; k < D->T; k++) D->R[k] = D->A[k] + D->V_old[k];
    if (c->normalise == PPO_NORMALISE_BATCH) ppo_parallel_normalise(all, D->T, D->A);
}

/*[snip ppo-parallel-gradient later]*/
/* PPO-29   g = (1/K) sum_i g_i,   g_i of the samples of process i; A_t normalised over those of all, if at all */
void ppo_parallel_gradient(processes *all, ad_tape *t, const ppo_clip_config *c, const policy *p, const network *f,
                           const double *theta, const double *phi, samples *b, double *g)
{
    /* BEGIN SOLUTION PPO-29 */
    if (c->normalise == PPO_NORMALISE_MINIBATCH) ppo_parallel_normalise(all, b->T, b->A);
    ppo_gradient(t, c, p, f, theta, phi, b, g);
    processes_mean(all, (size_t)(p->n + network_n(f)), g);
    /* END SOLUTION */
}

/* As one process would see all batches: each number is a mean over samples, but for what is shown as steps */
ppo_measured ppo_parallel_measure(processes *all, ad_tape *t, const ppo_clip_config *c, const policy *p,
                                  const double *theta, const samples *b)
{
    ppo_measured m = ppo_measure(t, c, p, theta, b);
    processes_mean(all, sizeof m / sizeof m.kl_exact, &m.kl_exact);             /* a struct of doubles only */
    return m;
}
/*[/snip]*/

static void ascend(const ppo_clip_config *c, learner *l)
{
    int n = l->p.n, nV = network_n(&l->f);
    if (c->clip_norm > 0) {
        clip_global_norm(c->joint ? n + nV : n, l->g, c->clip_norm);
        if (!c->joint) clip_global_norm(nV, l->g + n, c->clip_norm);
    }
    l->step.lr = c->lr;
    l->step_V.lr = c->lr_V;
    adam_ascend(&l->step, l->theta, l->g);
    adam_ascend(&l->step_V, l->phi, l->g + n);
}

/*[snip ppo-parallel-epochs later]*/
/* PPO-12, PPO-11   some epochs, or fewer: how many */
static long epochs(const ppo_clip_config *c, processes *all, learner *l)
{
    int T = l->D->T, M = (int)c->minibatch;
    for (long k = 1; k <= c->epochs; k++) {
        samples_shuffle(all->update_rng, T, l->order);
        for (int i = 0; i < T; i += M) {
            samples_gather(l->minibatch, l->D, l->order + i, M < T - i ? M : T - i);
            ppo_parallel_gradient(all, l->t, c, &l->p, &l->f, l->theta, l->phi, l->minibatch, l->g);
            ascend(c, l);
        }
        if (c->target_kl > 0 &&
            ppo_parallel_measure(all, l->t, c, &l->p, l->theta, l->D).kl_exact > 1.5 * c->target_kl) return k;
    }
    return c->epochs;
}
/*[/snip]*/

/* The settings after so many steps of all */
static ppo_clip_config annealed(const ppo_clip_config *c, long T)
{
    ppo_clip_config now = *c;
    double left = c->anneal_steps ? fmax(0, 1 - (double)T / (double)c->anneal_steps) : 1;
    now.lr *= left;
    now.lr_V *= left;
    if (c->anneal_eps) {
        now.eps *= left;
        now.eps_V *= left;
    }
    return now;
}

policy ppo_parallel_policy(const env *e, const void *config)
{
    const ppo_parallel_config *c = config;
    return ppo_clip_policy(e, &c->ppo);
}

void ppo_parallel_check(const void *config)
{
    const ppo_parallel_config *c = config;
    long T = c->ppo.workers * c->ppo.n_steps, least = T % c->ppo.minibatch ? T % c->ppo.minibatch : c->ppo.minibatch;
    processes_check(c->processes);
    if (c->ppo.minibatch > T)
        bad_input("--set: expected minibatch of at most workers * n_steps = %ld, found %ld", T, c->ppo.minibatch);
    if (c->processes == 1 && ((c->ppo.normalise == PPO_NORMALISE_MINIBATCH && least == 1) ||
                              (c->ppo.normalise == PPO_NORMALISE_BATCH && T == 1)))
        bad_input("--set: expected normalise=off where a minibatch is of one sample: it has no standard deviation");
    if (c->ppo.anneal_eps && !c->ppo.anneal_steps) bad_input("--set: expected anneal_steps beside anneal_eps=on");
}

void ppo_parallel(run *training, const void *config)
{
    const long K = ((const ppo_parallel_config *)config)->processes;
    const ppo_clip_config *c = &((const ppo_parallel_config *)config)->ppo;
    const policy p = ppo_clip_policy(training->env, c);
    ppo_parallel_check(config);
    run_workers(training, (int)(K * c->workers));
    learner l = learner_new(&p, c);
    actor *pi = actor_new(&p, l.theta);
    rollout *b = rollout_new(training->env);
    size_t n = (size_t)p.n, nV = (size_t)network_n(&l.f);
    ppo_measured seen = { NAN, NAN, NAN, NAN, NAN, NAN, NAN };
    double done = NAN;

    learner_init(&l, training->init_rng);
    const kept survives[] = { { "theta", l.theta, n }, { "phi", l.phi, nV }, { "m, v", l.m, 2 * (n + nV) },
                              { .name = "t", .count = &l.step.t }, { .name = "t of V", .count = &l.step_V.t },
                              { .name = NULL } };
    const shown beside[] = { { "kl_exact", &seen.kl_exact }, { "kl_k1", &seen.kl_k1 }, { "kl_k2", &seen.kl_k2 },
                             { "kl_k3", &seen.kl_k3 }, { "clip_fraction", &seen.clip_fraction },
                             { "epochs", &done }, { "entropy", &seen.entropy }, { "L", &seen.L }, { .name = NULL } };
    processes *all = processes_new((int)K);
    processes_begin(all, training, survives, beside);
    /*[snip ppo-parallel-loop later]*/
    while (processes_update(all, b)) {
        const ppo_clip_config now = annealed(c, training->steps);
        act(c, training, all->first, pi, b);
        prepare(c, all, &l, b);
        done = (double)epochs(&now, all, &l);
        seen = ppo_parallel_measure(all, l.t, &now, &p, l.theta, l.D);
    }
    /*[/snip]*/
    processes_end(all);

    rollout_free(b);
    actor_free(pi);
    learner_free(&l);
}

/* ---- one step, with its numbers: the first of a training run from that seed, with M = N T ---- */

enum { EXPLAINED_PROCESSES = 2, EXPLAINED_STEPS = 4 };

static void explain_batch(FILE *out, const samples *D, const rollout *b)
{
    fprintf(out, "\nprocess  t  s_t  a_t %9s %9s %9s %9s\n", "r_t", "V(s_t)", "R_t", "A_t");
    for (int i = 0; i < b->segments; i++)
        for (int t = 0, k = b->segment[i].first; t < b->segment[i].T; t++, k++)
            fprintf(out, "%7d %2d %4d %4d %9.5f %9.5f %9.5f %9.5f\n", b->segment[i].worker + 1, t,
                    explained_state(b, k), b->index[k], b->r[k], D->V_old[k], D->R[k], D->A[k]);
}

/* Each component of the policy's in which one of the batches has something to say; g_i [n] one behind the other */
static void explain_mean(FILE *out, const policy *p, int K, const double *g_i, const double *g, const double *joined)
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

static void explain_update(FILE *out, const ppo_clip_config *c, processes *all, learner *l, const rollout *b,
                           const samples *joined)
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
        ascend(c, l);
        fprintf(out, "\nPPO-7    a step of Adam along g, alpha = %g, the same in all\n\n", c->lr);
        explained_theta(out, &l->p, l->g, before, l->theta);
    }
    free(before);
    free(own);
}

void ppo_parallel_explain(FILE *out, const void *config, uint64_t seed)
{
    ppo_parallel_config c = *(const ppo_parallel_config *)config;
    ppo_clip_config *own = &c.ppo, joint;
    env *e = explained_env(), *e_again = env_again(e);
    c.processes = c.processes < EXPLAINED_PROCESSES ? c.processes : EXPLAINED_PROCESSES;
    own->hidden.layers = 0;
    own->workers = 1;
    own->minibatch = own->n_steps = own->n_steps < EXPLAINED_STEPS ? own->n_steps : EXPLAINED_STEPS;
    if (own->normalise == PPO_NORMALISE_MINIBATCH) own->normalise = PPO_NORMALISE_BATCH;    /* the one there is */
    ppo_parallel_check(&c);
    joint = *own;
    joint.workers = c.processes;
    const policy p = ppo_clip_policy(e, own);
    run *streams = run_new("ppo_parallel", e, seed, 0), *again = run_new("ppo_parallel", e_again, seed, 0);
    run_workers(streams, (int)c.processes);
    run_workers(again, (int)c.processes);
    learner l = learner_new(&p, own), whole = learner_new(&p, &joint);
    actor *pi = actor_new(&p, l.theta);
    rollout *b = rollout_new(e), *joined = rollout_new(e);

    learner_init(&l, streams->init_rng);
    learner_init(&whole, again->init_rng);
    fprintf(out, "PPO in parallel, its first update on %s (states 0 .. 4, then the end; 3 actions),"
                 " seed %llu;\nK = %ld process%s, %ld steps each, no hidden layers, gamma = %g,"
                 " lambda = %g\n", e->id, (unsigned long long)seed, c.processes,
            c.processes > 1 ? "es" : "", own->n_steps, own->gamma, own->lambda);
    processes *alone = processes_new(1), *all = processes_new((int)c.processes);
    act(own, streams, all->rank, pi, b);
    prepare(own, all, &l, b);
    act(&joint, again, 0, pi, joined);
    prepare(&joint, alone, &whole, joined);
    explain_update(out, own, all, &l, joined, whole.D);
    processes_end(all);
    processes_end(alone);

    rollout_free(joined);
    rollout_free(b);
    actor_free(pi);
    learner_free(&whole);
    learner_free(&l);
    run_free(again);
    run_free(streams);
    env_free(e_again);
    env_free(e);
}
