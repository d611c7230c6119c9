/* Averaging gradients over processes (002, l.306: Spinning Up's PPO over MPI), through algorithms/ppo_parallel.c
 * and processes that are forked for it: the mean of the workers' gradients is one process's gradient on all their
 * samples, where the means are over as many samples in each and what is no mean is made of all. */
#include <float.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "algorithms/critic.h"
#include "algorithms/gae.h"
#include "algorithms/ppo_parallel.h"
#include "autodiff/random.h"
#include "derivations/measured.h"

enum { nS = 6, nA = 3, T = 24, N_PI = nS * nA + nA, N_V = nS + 1, N_ALL = N_PI + N_V };
static const ppo_clip_config config = { .objective = PPO_CLIP, .eps = 0.2, .normalise = PPO_NORMALISE_MINIBATCH,
                                        .c1 = 0.5, .c2 = 0.1 };

/* T samples of E5x with pi_old; A_t and R_t by TD errors of V; and another theta, so that some of them are clipped */
struct batch { mdp *M; env *e; policy p; network f; double theta[N_PI], phi[N_V]; samples *D; ad_tape *t; };

static void batch_new(struct batch *b, uint64_t seed)
{
    double old[N_PI], V_end[T];
    *b = (struct batch){ .M = mdp_builtin("E5x"), .t = ad_tape_new() };
    b->e = env_mdp_new(b->M);
    b->p = policy_of(b->e, 0, NULL, AD_LINEAR);
    b->f = critic_V(&b->p);
    b->D = samples_new(&b->p, T);
    gsl_rng *env_rng = random_stream(seed, 0, RANDOM_ENV), *policy_rng = random_stream(seed, 0, RANDOM_POLICY);
    for (int i = 0; i < N_PI; i++) old[i] = 0.5 * cos(i), b->theta[i] = old[i] + 0.4 * sin(2 * i);
    for (int i = 0; i < N_V; i++) b->phi[i] = 0.5 * sin(i + 1);
    actor *pi = actor_new(&b->p, old);
    rollout *seen = rollout_new(b->e);
    rollout_steps(seen, T, b->e, env_rng, pi, policy_rng);
    samples_old(b->D, b->t, &b->p, old, seen);
    critic_bootstrap(b->t, &b->f, b->phi, seen, b->D->V_old, V_end);
    for (int i = 0; i < seen->segments; i++) {
        int first = seen->segment[i].first;
        gae_advantages(seen->segment[i].T, seen->r + first, b->D->V_old + first, V_end[i], 0.9, 0.95,
                       b->D->A + first);
    }
    for (int k = 0; k < T; k++) b->D->R[k] = b->D->A[k] + b->D->V_old[k] + 0.1;
    rollout_free(seen);
    actor_free(pi);
    gsl_rng_free(policy_rng);
    gsl_rng_free(env_rng);
}

static void batch_free(struct batch *b)
{
    samples_free(b->D);
    env_free(b->e);
    mdp_free(b->M);
    ad_tape_free(b->t);
}

/* Every K-th sample, from the i-th on */
static samples *part_of(const struct batch *b, int K, int i)
{
    int which[T];
    samples *own = samples_new(&b->p, T);
    for (int k = 0; k < T / K; k++) which[k] = k * K + i;
    samples_gather(own, b->D, which, T / K);
    return own;
}

/* ---- lines ---- */

/* pi(.|s) of logits W[s] + b */
static void pi_of(const double *theta, int s, long double *pi)
{
    long double sum = 0;
    for (int a = 0; a < nA; a++) sum += pi[a] = expl((long double)theta[s * nA + a] + theta[nS * nA + a]);
    for (int a = 0; a < nA; a++) pi[a] /= sum;
}

/* J = mean_t of L_CLIP - c1 (V - R)^2 + c2 H, its gradient in closed form, all T samples at once */
static double by_hand(const setting *x, double *g)
{
    struct batch b;
    long double sum[N_ALL] = { 0 }, mean = 0, squares = 0;
    batch_new(&b, x->seed);
    for (int t = 0; t < T; t++) mean += (long double)b.D->A[t] / T;
    for (int t = 0; t < T; t++) squares += (b.D->A[t] - mean) * (b.D->A[t] - mean);
    for (int t = 0; t < T; t++) {
        int s = 0, a = b.D->index[t];
        while (b.D->s[t * nS + s] == 0) s++;
        long double pi[nA], H = 0, A = (b.D->A[t] - mean) / (sqrtl(squares / (T - 1)) + 1e-8L);
        pi_of(b.theta, s, pi);
        for (int i = 0; i < nA; i++) H -= pi[i] * logl(pi[i]);
        long double ratio = pi[a] / expl(b.D->logp_old[t]), error = b.phi[s] + b.phi[nS] - b.D->R[t];
        bool moves = A >= 0 ? ratio <= 1 + config.eps : ratio >= 1 - config.eps;
        for (int i = 0; i < nA; i++) {
            long double score = (i == a) - pi[i], dH = -pi[i] * (logl(pi[i]) + H);
            long double each = ((moves ? ratio * A * score : 0) + config.c2 * dH) / T;
            sum[s * nA + i] += each;
            sum[nS * nA + i] += each;
        }
        sum[N_PI + s] -= 2 * config.c1 * error / T;
        sum[N_PI + nS] -= 2 * config.c1 * error / T;
    }
    for (int i = 0; i < N_ALL; i++) g[i] = (double)sum[i];
    batch_free(&b);
    return 0;
}

/* One process, all samples */
static double one_process(const setting *x, double *g)
{
    struct batch b;
    batch_new(&b, x->seed);
    advantages_normalise(T, b.D->A);
    ppo_gradient(b.t, &config, &b.p, &b.f, b.theta, b.phi, b.D, g);
    batch_free(&b);
    return 0;
}

/* PPO-29   K processes */
static double by_processes(const setting *x, int K, double *g)
{
    struct batch b;
    batch_new(&b, x->seed);
    processes *all = processes_new(K);
    samples *own = part_of(&b, K, all->rank);
    ppo_parallel_gradient(all, b.t, &config, &b.p, &b.f, b.theta, b.phi, own, g);
    samples_free(own);
    processes_end(all);
    batch_free(&b);
    return 0;
}

static double two_processes(const setting *x, double *g)   { return by_processes(x, 2, g); }
static double three_processes(const setting *x, double *g) { return by_processes(x, 3, g); }
static double eight_processes(const setting *x, double *g) { return by_processes(x, 8, g); }

static double sum_of_four(const setting *x, double *g)
{
    by_processes(x, 4, g);
    for (int i = 0; i < N_ALL; i++) g[i] *= 4;
    return 0;
}

/* Four processes that normalise their own advantages */
static double each_by_itself(const setting *x, double *g)
{
    struct batch b;
    double one[N_ALL];
    batch_new(&b, x->seed);
    memset(g, 0, N_ALL * sizeof *g);
    for (int i = 0; i < 4; i++) {
        samples *own = part_of(&b, 4, i);
        advantages_normalise(own->T, own->A);
        ppo_gradient(b.t, &config, &b.p, &b.f, b.theta, b.phi, own, one);
        for (int k = 0; k < N_ALL; k++) g[k] += one[k] / 4;
        samples_free(own);
    }
    batch_free(&b);
    return 0;
}

static int n_all(const setting *x) { (void)x; return N_ALL; }
/* u M: a mean over T of terms of size M, a ratio, at most 3, times a normalised advantage, at most 4 */
static double unit(const setting *x) { (void)x; return DBL_EPSILON * 3 * 4; }

const derivation parallel_gradient[] = {
    { "PPO-29", "the mean of the processes' gradients is one process's on all their samples",
      "gradient of J in theta, phi", n_all, unit, NULL, NULL, {
        { "\\nabla J,\\quad J=\\frac1{KM}\\sum_{i=1}^K\\sum_{t=1}^M J_{i,t}",
          "all samples, by hand: scores and entropy in closed form, A normalised over all", by_hand },
        { "=\\nabla J", "one process, through algorithms/ppo_clip.c", one_process },
        { "=\\frac12\\sum_{i=1}^2\\nabla J_i",
          "two processes, added in rank order, through algorithms/ppo_parallel.c", two_processes },
        { "=\\frac13\\sum_{i=1}^3\\nabla J_i", "three", three_processes },
        { "=\\frac18\\sum_{i=1}^8\\nabla J_i", "eight", eight_processes },
        { "\\sum_{i=1}^4\\nabla J_i", "the control: the sum, whose step grows with the number of processes",
          sum_of_four, DIFFERS },
        { "\\frac14\\sum_{i=1}^4\\nabla J_i,\\quad A_i",
          "the control: advantages normalised in each process by itself", each_by_itself, DIFFERS } },
      "E5x, 24 sampled steps, pi near pi_old" },
    { .id = NULL }
};
