/* PPO by worker processes that average their gradients (002, l.306: Spinning Up's parallelisation
 * by MPI; Schulman et al. 2017, arXiv:1707.06347, Algorithm 1). The update is ppo_clip.c's: K
 * processes with one (theta, phi), each with N actors, samples and minibatches of its own, so that
 * a minibatch of M in each is one of K M.
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
 *   1. Spinning Up averages by MPI_Allreduce, whose order of adding is MPI's own; here it is that
 *      of the ranks, so that a seed and K give the same bits each time, over sockets as over MPI
 *      (processes.h).
 *   2. Its step takes the whole batch, and V is fitted after the policy; here minibatches, V with
 *      it, as in ppo_clip.c.
 *
 * Critical
 *   - The mean, not the sum: with the sum K would be a step size, hidden by Adam until clip_norm or
 *     a plain step shows it.
 *   - J's means are over as many samples in each process. Then the mean of means is the mean over
 *     the K M samples.
 *   - What is no mean over samples must be made of all of them: the advantages' mean and standard
 *     deviation, and the norm that is bounded. Normalised in each process by itself, the gradients'
 *     mean is that of no batch.
 *   - Whether the epochs end is decided by a mean over all, else some would wait for those that
 *     have left.
 *   - K changes the order of the samples, so two K give two runs; with M = N T, at the same K N,
 *     they differ by rounding only. */
#include "algorithms/ppo_parallel.h"

#include <math.h>

#include "autodiff/require.h"

static const char *const objectives[] = { "clip", "g", "cpi", NULL };

const ppo_parallel_config ppo_parallel_defaults = {
    .processes = 2,
    .ppo = { .workers = 4, .n_steps = 32, .epochs = 10, .minibatch = 32,
             .objective = PPO_CLIP, .eps = 0.2,
             .gamma = 0.99, .lambda = 0.95, .normalise = PPO_NORMALISE_MINIBATCH, .c1 = 0.5,
             .lr = 1e-3, .lr_V = 1e-3, .adam_eps = 1e-5, .clip_norm = 0.5, .joint = 1,
             .hidden = { 2, { 64, 64 } }, .activation = AD_TANH },
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
    { OWN(epochs), WHOLE(1, 1e6), .about = "times each sample is used; paper: 10" },
    { OWN(minibatch), WHOLE(1, 1e9), .about = "M: samples a step; paper: 64" },
    { OWN(objective), CHOICE(objectives), .about = "PPO-2, PPO-4, PPO-1" },
    { OWN(eps), REAL(1), .about = "clip range of the ratio; paper: .2" },
    { OWN(gamma), REAL(1), .about = "discount gamma; paper: .99" },
    { OWN(lambda), REAL(1), .about = "of the advantages; paper: .95" },
    { OWN(normalise), CHOICE(ppo_normalises),
      .about = "advantages: mean 0, standard deviation 1; CleanRL: minibatch" },
    { OWN(c1), REAL(1e300), .about = "weight of V's squared error; SB3: .5, CleanRL: .25" },
    { OWN(c2), REAL(1e300), .about = "weight of the entropy; CleanRL: .01, SB3: 0" },
    { OWN(eps_V), REAL(1e300), .about = "clip range of V, 0: none, as in the paper; CleanRL: .2" },
    { OWN(target_kl), REAL(1e300), .about = "epochs end at 1.5 of it, 0: they do not; Spinning Up: .01" },
    { OWN(lr), REAL(1e300), .about = "step size alpha of the policy; paper: 3e-4" },
    { OWN(lr_V), REAL(1e300), .about = "step size of V" },
    { OWN(adam_eps), .kind = CONFIG_REAL, .low = 1e-30, .high = 1,
      .about = "Adam's eps; CleanRL, SB3: 1e-5" },
    { OWN(clip_norm), REAL(1e300), .about = "greatest norm of the gradient, 0: any; CleanRL: .5" },
    { OWN(joint), CHOICE(config_switch),
      .about = "the norm in (theta, phi), or in each by itself; CleanRL: on" },
    { OWN(anneal_steps), WHOLE(0, 1e15), .about = "step sizes fall to 0 in so many steps; 0: they stay" },
    { OWN(anneal_eps), CHOICE(config_switch), .about = "clip ranges fall with them" },
    { OWN(hidden), .kind = CONFIG_WIDTHS, .about = "hidden layers of policy and V; paper: 64,64" },
    { OWN(activation), CHOICE(config_activations), .about = "in the hidden layers; paper: tanh" },
    { .name = NULL },
};

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
    double sd = sqrt(K * squares / ((double)K * T - 1));
    for (int t = 0; t < T; t++) A[t] = (A[t] - mean) / (sd + 1e-8);
    /* END SOLUTION */
}
/*[/snip]*/

/*[snip ppo-parallel-gradient later]*/
/* PPO-29   g = (1/K) sum_i g_i,   g_i of the samples of process i; A_t normalised over those of all */
void ppo_parallel_gradient(processes *all, ad_tape *t, const ppo_clip_config *c, const policy *p,
                           const network *f, const double *theta, const double *phi, samples *b, double *g)
{
    /* BEGIN SOLUTION PPO-29 */
    if (c->normalise == PPO_NORMALISE_MINIBATCH) ppo_parallel_normalise(all, b->T, b->A);
    ppo_gradient(t, c, p, f, theta, phi, b, g);
    processes_mean(all, (size_t)(p->n + network_n(f)), g);
    /* END SOLUTION */
}

ppo_measured ppo_parallel_measure(processes *all, ad_tape *t, const ppo_clip_config *c, const policy *p,
                                  const double *theta, const samples *b)
{
    ppo_measured m = ppo_measure(t, c, p, theta, b);
    processes_mean(all, sizeof m / sizeof m.kl_exact, &m.kl_exact);     /* a struct of doubles only */
    return m;
}
/*[/snip]*/

/*[snip ppo-parallel-epochs later]*/
/* PPO-12, PPO-11   some epochs, or fewer: how many */
static long epochs(const ppo_clip_config *c, processes *all, ppo_learner *l)
{
    int T = l->D->T, M = (int)c->minibatch;
    for (long k = 1; k <= c->epochs; k++) {
        samples_shuffle(all->update_rng, T, l->order);
        for (int i = 0; i < T; i += M) {
            samples_gather(l->minibatch, l->D, l->order + i, M < T - i ? M : T - i);
            ppo_parallel_gradient(all, l->t, c, &l->p, &l->f, l->theta, l->phi, l->minibatch, l->g);
            ppo_ascend(l, c->lr, c->lr_V, c->clip_norm, c->joint);
        }
        if (c->target_kl > 0 &&
            ppo_parallel_measure(all, l->t, c, &l->p, l->theta, l->D).kl_exact > 1.5 * c->target_kl)
            return k;
    }
    return c->epochs;
}
/*[/snip]*/

policy ppo_parallel_policy(const env *e, const void *config)
{
    const ppo_parallel_config *c = config;
    return ppo_clip_policy(e, &c->ppo);
}

void ppo_parallel_check(const void *config)
{
    const ppo_parallel_config *c = config;
    processes_check(c->processes);
    ppo_learner_check(c->ppo.workers * c->ppo.n_steps, c->ppo.minibatch, c->ppo.normalise, c->processes);
    if (c->ppo.anneal_eps && !c->ppo.anneal_steps)
        bad_input("--set: expected anneal_steps beside anneal_eps=on");
}

void ppo_parallel(run *training, const void *config)
{
    const long K = ((const ppo_parallel_config *)config)->processes;
    const ppo_clip_config *c = &((const ppo_parallel_config *)config)->ppo;
    const policy p = ppo_clip_policy(training->env, c);
    ppo_parallel_check(config);
    run_workers(training, (int)(K * c->workers));
    ppo_learner l = ppo_learner_new(&p, c->workers * c->n_steps, c->minibatch, c->adam_eps);
    actor *pi = actor_new(&p, l.theta);
    rollout *b = rollout_new(training->env);
    size_t n = (size_t)p.n, nV = (size_t)network_n(&l.f);
    ppo_measured seen = { NAN, NAN, NAN, NAN, NAN, NAN, NAN };
    double done = NAN;

    ppo_learner_init(&l, training->init_rng);
    const kept survives[] = { { "theta", l.theta, n }, { "phi", l.phi, nV }, { "m, v", l.m, 2 * (n + nV) },
                              { .name = "t", .count = &l.step.t },
                              { .name = "t of V", .count = &l.step_V.t },
                              { .name = NULL } };
    const shown beside[] = { { "kl_exact", &seen.kl_exact }, { "kl_k1", &seen.kl_k1 },
                             { "kl_k2", &seen.kl_k2 }, { "kl_k3", &seen.kl_k3 },
                             { "clip_fraction", &seen.clip_fraction }, { "epochs", &done },
                             { "entropy", &seen.entropy }, { "L", &seen.L }, { .name = NULL } };
    processes *all = processes_new((int)K);
    processes_begin(all, training, survives, beside);
    /*[snip ppo-parallel-loop later]*/
    while (processes_update(all, b)) {
        const ppo_clip_config now = ppo_clip_annealed(c, training->steps);
        run_act(training, all->first, (int)c->workers, (int)c->n_steps, pi, b);     /* PPO-12 */
        ppo_prepare(&l, b, c->gamma, c->lambda);                                    /* PPO-17 */
        if (c->normalise == PPO_NORMALISE_BATCH) ppo_parallel_normalise(all, l.D->T, l.D->A);
        done = (double)epochs(&now, all, &l);
        seen = ppo_parallel_measure(all, l.t, &now, &p, l.theta, l.D);
    }
    /*[/snip]*/
    processes_end(all);

    rollout_free(b);
    actor_free(pi);
    ppo_learner_free(&l);
}
