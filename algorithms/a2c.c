/* A2C: advantage actor-critic with many environments in step (004, l.186-194; Mnih et al. 2016, arXiv:1602.01783).
 * It is A3C (a3c.c) with all workers waiting for each other: one theta for all, one update from all they saw.
 *
 *     initialise theta, phi, and N workers
 *     loop
 *         worker i = 1 .. N: n steps a_t ~ pi_theta(.|s_t), r_t, s_{t+1}
 *         R = 0 if s_t is terminal, else V_phi(s_t)                           A3C-13
 *         for i = t-1, t-2, ..: R <- r_i + gamma R                            A3C-14
 *             J_pi += log pi(a_i|s_i) (R - V_phi(s_i)),  R - V held constant  A3C-14
 *             J_V  += -(R - V_phi(s_i))^2,  R held constant                   A3C-8, A3C-9
 *             J_H  += H(pi(.|s_i))                                            A3C-27
 *         J = (1/N) sum over workers of J_pi + c_V J_V + beta J_H             A2C-1
 *         (theta, phi) <- a step along the gradient of J
 *
 * Deviations from the source
 *   1. A2C-1 averages the workers' gradients, each a sum over its n steps (mean = workers; 004 does not say). The
 *      default divides by all N n steps, so that n does not change the size of a step.
 *   2. A worker's n steps go on over the end of an episode (each part with its own R), as in OpenAI's baselines
 *      and Stable-Baselines3; until = end stops there, as A3C does. With it, 1 worker, mean = workers,
 *      normalise = off and optimiser = rmsprop this is A3C with one thread, where the other settings are alike.
 *   3. lambda < 1 replaces R - V by PPO-17's advantage, and R by that plus V.
 *   4. pi and V share no layers, so theta and phi have step sizes of their own.
 *   5. The norm of the whole gradient is bounded, as in those two libraries.
 *   6. Defaults are Stable-Baselines3's and its Zoo's but for three: beta = .01, as in A3C's paper; advantages are
 *      normalised in each batch; step sizes of 1e-3. With them all of 60 seeds end above 495 on CartPole-v1 after
 *      200000 steps; with theirs (0, off, 7e-4) one in 20 fails there, and one in 20 on Acrobot-v1.
 *
 * Critical
 *   - Signs: theta ascends J_pi, phi descends (R - V)^2. One rule for both makes V diverge (ERR-20); here both
 *     ascend the one J. The 2 of (R - V)^2 is kept (A3C-15, ERR-85): c_V = .5 takes it out.
 *   - beta H is added: it is exploration. 002's "20 cross entropies" are J_pi (ERR-22).
 *   - The time limit ends a segment, not what follows: R = V(s_end) there, 0 only where the task ended. */
#include "algorithms/a2c.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "algorithms/critic.h"
#include "algorithms/explained.h"
#include "algorithms/gae.h"
#include "algorithms/nstep.h"
#include "autodiff/optimiser.h"
#include "autodiff/require.h"

static const char *const untils[] = { "steps", "end", NULL };
static const char *const means[] = { "steps", "workers", NULL };
static const char *const optimisers[] = { "rmsprop", "rmsprop-outside", "adam", NULL };

const a2c_config a2c_defaults = {
    .workers = 8, .n_steps = 5, .gamma = 0.99, .lambda = 1, .c_V = 0.5, .beta = 0.01, .normalise = 1,
    .lr = 1e-3, .lr_V = 1e-3, .clip = 0.5, .optimiser = A2C_RMSPROP_OUTSIDE, .alpha = 0.99, .eps = 1e-5,
    .hidden = { 2, { 64, 64 } }, .activation = AD_TANH,
};

#define FIELD(name) #name, .at = offsetof(a2c_config, name)
#define REAL(most) .kind = CONFIG_REAL, .low = 0, .high = most
#define WHOLE(least, most) .kind = CONFIG_WHOLE, .low = least, .high = most
#define CHOICE(names) .kind = CONFIG_CHOICE, .choices = names
const config_field a2c_fields[] = {
    { FIELD(workers), WHOLE(1, 1000), .about = "N: environments; SB3 Zoo: 8" },
    { FIELD(n_steps), WHOLE(1, 1e6), .about = "n: steps of each an update; SB3: 5" },
    { FIELD(until), CHOICE(untils), .about = "a worker's part: n steps, or to the end of an episode, too (A3C)" },
    { FIELD(gamma), REAL(1), .about = "discount gamma" },
    { FIELD(lambda), REAL(1), .about = "of the advantage, 1: n-step; SB3: 1" },
    { FIELD(c_V), REAL(1e300), .about = "weight of V's squared error; SB3: .5" },
    { FIELD(beta), REAL(1e300), .about = "weight of the entropy; A3C: .01, SB3: 0" },
    { FIELD(mean), CHOICE(means), .about = "what the sums are divided by; A2C-1: workers" },
    { FIELD(normalise), CHOICE(config_switch), .about = "advantages of a batch; SB3: off, see a2c.c" },
    { FIELD(lr), REAL(1e300), .about = "step size alpha of the policy; SB3: 7e-4, see a2c.c" },
    { FIELD(lr_V), REAL(1e300), .about = "step size of V" },
    { FIELD(anneal_steps), WHOLE(0, 1e15), .about = "both fall to 0 in so many steps; 0: they stay" },
    { FIELD(clip), REAL(1e300), .about = "greatest norm of the gradient, 0: any; SB3: .5" },
    { FIELD(optimiser), CHOICE(optimisers), .about = "SB3: rmsprop-outside, A3C: rmsprop" },
    { FIELD(alpha), REAL(1 - 1e-9), .about = "decay of RMSProp's mean square; SB3: .99" },
    { FIELD(eps), .kind = CONFIG_REAL, .low = 1e-30, .high = 1, .about = "beside the root or in it; SB3: 1e-5" },
    { FIELD(hidden), .kind = CONFIG_WIDTHS, .about = "hidden layers of policy and V; SB3: 64,64" },
    { FIELD(activation), CHOICE(config_activations), .about = "in the hidden layers" },
    { .name = NULL },
};

/*[snip a2c-advantages later]*/
/* A3C-14   R_t = r_t + gamma R_{t+1}, A_t = R_t - V(s_t);   lambda < 1: PPO-17, R_t = A_t + V(s_t) */
void a2c_advantages(int T, const double *r, const double *V, double V_end, double gamma, double lambda, double *A,
                    double *R)
{
    /* BEGIN SOLUTION A3C-14 */
    nstep_returns(T, r, V_end, gamma, R);
    for (int t = 0; t < T; t++) A[t] = R[t] - V[t];
    if (lambda < 1) {
        gae_advantages(T, r, V, V_end, gamma, lambda, A);
        for (int t = 0; t < T; t++) R[t] = A[t] + V[t];
    }
    /* END SOLUTION */
}
/*[/snip]*/

/*[snip a2c-objective later]*/
/* A3C-14   J_pi = sum_t log pi(a_t|s_t) A_t,   A_t = R_t - V(s_t) held constant */
ad a2c_policy_objective(ad logp, ad A)
{
    /* BEGIN SOLUTION A3C-14 */
    return ad_dot(ad_detach(A), logp);
    /* END SOLUTION */
}

/* A3C-8, A3C-9, A3C-15   J_V = -sum_t (R_t - V(s_t))^2,   R_t held constant: gradient 2 sum (R - V) grad V */
ad a2c_V_objective(ad V, ad R)
{
    /* BEGIN SOLUTION A3C-9 */
    return ad_neg(ad_sum(ad_square(ad_sub(ad_detach(R), V))));
    /* END SOLUTION */
}

/* A3C-27   J_H = sum_t H(pi(.|s_t)) */
ad a2c_entropy_bonus(ad H)
{
    /* BEGIN SOLUTION A3C-27 */
    return ad_sum(H);
    /* END SOLUTION */
}

/* A2C-1, A3C-29   J = (J_pi + c_V J_V + beta J_H) / D,   D = N workers, or all their steps */
ad a2c_objective(ad J_pi, ad J_V, ad J_H, double c_V, double beta, double D)
{
    /* BEGIN SOLUTION A2C-1 */
    return ad_scale(1 / D, ad_add(J_pi, ad_add(ad_scale(c_V, J_V), ad_scale(beta, J_H))));
    /* END SOLUTION */
}
/*[/snip]*/

/*[snip a2c-gradient later]*/
/* A2C-1   g = the gradient of J in (theta, phi) */
void a2c_gradient(ad_tape *t, const a2c_config *c, const policy *p, const network *f, const double *theta,
                  const double *phi, const rollout *b, const double *A, const double *R, double *g)
{
    /* BEGIN SOLUTION A2C-1,A3C-29 */
    ad_mark start = ad_here(t);
    ad x    = ad_input(t, theta, p->n, 1), y = ad_input(t, phi, network_n(f), 1), dJ[2];
    ad s    = ad_input(t, b->s, b->T, b->d);
    ad logp = policy_logp(t, p, x, s, b->a, b->index);                          /* [T x 1] */
    ad H    = policy_entropy(p, x, s);                                          /* [T x 1] */
    ad V    = network_forward(f, y, s);                                         /* [T x 1] */
    ad J    = a2c_objective(a2c_policy_objective(logp, ad_input(t, A, b->T, 1)),
                            a2c_V_objective(V, ad_input(t, R, b->T, 1)), a2c_entropy_bonus(H), c->c_V, c->beta,
                            c->mean == A2C_MEAN_OVER_STEPS ? b->T : (double)c->workers);
    ad_grads(J, 2, ((ad[]){ x, y }), dJ);
    memcpy(g, ad_value(dJ[0]), (size_t)p->n * sizeof *g);
    memcpy(g + p->n, ad_value(dJ[1]), (size_t)network_n(f) * sizeof *g);
    ad_reset(t, start);
    /* END SOLUTION */
}
/*[/snip]*/

/* x [n] <- a step along g; v, m [n] and t, the steps before, are what the optimiser keeps. A3C-28: rmsprop */
static void ascend(const a2c_config *c, int n, double lr, double *x, const double *g, double *v, double *m, long t)
{
    const rmsprop square = { n, lr, c->alpha, c->eps, v };
    adam moments = { .n = n, .lr = lr, .beta1 = 0.9, .beta2 = 0.999, .eps = c->eps, .t = t, .m = m, .v = v };
    if (c->optimiser == A2C_RMSPROP)         rmsprop_ascend(&square, x, g);
    if (c->optimiser == A2C_RMSPROP_OUTSIDE) rmsprop_outside_ascend(&square, x, g);
    if (c->optimiser == A2C_ADAM)            adam_ascend(&moments, x, g);
}

/* What is left of the step sizes after so many steps of all: 1 at first, 0 at anneal_steps */
static double annealed(const a2c_config *c, long T)
{
    return c->anneal_steps ? fmax(0, 1 - (double)T / (double)c->anneal_steps) : 1;
}

/* The workers' parts of a batch, one behind the other */
static void act(const a2c_config *c, run *training, actor *pi, rollout *b)
{
    rollout_clear(b);
    for (int i = 0, n = (int)c->n_steps; i < c->workers; i++) {
        run_worker *w = &training->worker[i];
        b->worker = i;
        if (c->until == A2C_UNTIL_END) rollout_segment(b, b->T + n, w->env, w->env_rng, pi, w->policy_rng);
        else                           rollout_steps(b, b->T + n, w->env, w->env_rng, pi, w->policy_rng);
    }
}

/* A, R [b->T], segment by segment */
static void advantages(const a2c_config *c, const rollout *b, const double *V, const double *V_end, double *A,
                       double *R)
{
    for (int i = 0; i < b->segments; i++) {
        int first = b->segment[i].first, T = b->segment[i].T;
        a2c_advantages(T, b->r + first, V + first, V_end[i], c->gamma, c->lambda, A + first, R + first);
    }
    if (c->normalise) advantages_normalise(b->T, A);
}

policy a2c_policy(const env *e, const void *config)
{
    const a2c_config *c = config;
    return policy_of(e, c->hidden.layers, c->hidden.width, (enum ad_activation)c->activation);
}

void a2c_check(const void *config)
{
    const a2c_config *c = config;
    long least = c->until == A2C_UNTIL_END ? c->workers : c->workers * c->n_steps;
    if (c->normalise && least < 2)
        bad_input("--set: expected normalise=off where a batch may be of one step: it has no standard deviation");
}

void a2c(run *training, const void *config)
{
    const a2c_config *c = config;
    const policy p = a2c_policy(training->env, c);
    const network f = critic_V(&p);
    int n = p.n, nV = network_n(&f);
    size_t all = (size_t)(n + nV), T = (size_t)(c->workers * c->n_steps);
    a2c_check(c);
    double *theta = allocate(4 * all, sizeof *theta, "theta, phi"), *phi = theta + n;
    double *g = theta + all, *v = g + all, *m = v + all;                        /* [n + nV] each */
    double *V = allocate(4 * T, sizeof *V, "V"), *V_end = V + T, *A = V_end + T, *R = A + T;
    long updates = 0;
    run_workers(training, (int)c->workers);
    actor *pi = actor_new(&p, theta);
    rollout *b = rollout_new(training->env);
    ad_tape *t = ad_tape_new();

    policy_init(&p, training->init_rng, theta);
    network_init_orthogonal(&f, sqrt(2), 1, training->init_rng, phi);
    const kept survives[] = { { "theta", theta, (size_t)n }, { "phi", phi, (size_t)nV }, { "v", v, all },
                              { "m", m, all }, { .name = "updates", .count = &updates }, { .name = NULL } };
    run_begin(training, survives, NULL);
    /*[snip a2c-loop later]*/
    while (run_update(training, b)) {
        act(c, training, pi, b);
        critic_bootstrap(t, &f, phi, b, V, V_end);
        advantages(c, b, V, V_end, A, R);
        a2c_gradient(t, c, &p, &f, theta, phi, b, A, R, g);
        if (c->clip > 0) clip_global_norm(n + nV, g, c->clip);
        double left = annealed(c, training->steps);
        ascend(c, n, left * c->lr, theta, g, v, m, updates);
        ascend(c, nV, left * c->lr_V, phi, g + n, v + n, m + n, updates);
        updates++;
    }
    /*[/snip]*/
    run_end(training);

    ad_tape_free(t);
    rollout_free(b);
    actor_free(pi);
    free(V);
    free(theta);
}

/* ---- one update, with its numbers: the first of a training run from that seed ---- */

enum { EXPLAINED_WORKERS = 2, EXPLAINED_STEPS = 4, MOST = EXPLAINED_WORKERS * EXPLAINED_STEPS };

static void explain_batch(FILE *out, const rollout *b, const double *V, const double *V_end, const double *A,
                          const double *R, const double *logp)
{
    fprintf(out, "\nworker   t  s_t  a_t %9s %9s %9s %9s %17s\n", "r_t", "V(s_t)", "R_t", "A_t",
            "log pi(a_t|s_t)");
    for (int i = 0; i < b->segments; i++) {
        const segment *g = &b->segment[i];
        for (int t = 0, k = g->first; t < g->T; t++, k++)
            fprintf(out, "%6d %3d %4d %4d %9.5f %9.5f %9.5f %9.5f %17.5f\n", g->worker, t, explained_state(b, k),
                    b->index[k], b->r[k], V[k], R[k], A[k], logp[k]);
        if (g->terminated) fprintf(out, "%9s: A3C-13   R = 0, the episode terminated\n", "then");
        else fprintf(out, "%9s: A3C-13   R = V(s) = %.5f, %s\n", "then", V_end[i],
                     g->truncated ? "cut by the time limit" : "cut by the batch");
    }
}

static void explain_advantages(FILE *out, const a2c_config *c, int T, const double *V, const double *R)
{
    double mean = 0, squares = 0;
    if (c->lambda == 1) fprintf(out, "\nA3C-14   R_t = R <- r_t + gamma R, backwards; A_t = R_t - V(s_t)\n");
    else fprintf(out, "\nPPO-17   A_t = delta_t + gamma lambda A_t+1, delta_t = r_t + gamma V(s_t+1) - V(s_t);"
                      " R_t = A_t + V(s_t)\n");
    if (!c->normalise) return;
    for (int t = 0; t < T; t++) mean += (R[t] - V[t]) / T;
    for (int t = 0; t < T; t++) squares += (R[t] - V[t] - mean) * (R[t] - V[t] - mean);
    fprintf(out, "         A_t <- (A_t - %.5f) / (%.5f + 1e-8): mean 0, standard deviation 1\n", mean,
            sqrt(squares / (T - 1)));
}

/* J's parts at (theta, phi), as sums over the batch */
static void explain_J(FILE *out, const a2c_config *c, const rollout *b, const double *V, const double *A,
                      const double *R, const double *logp, const double *H)
{
    double J_pi = 0, J_V = 0, J_H = 0, D = c->mean == A2C_MEAN_OVER_STEPS ? b->T : (double)c->workers;
    for (int k = 0; k < b->T; k++) {
        J_pi += logp[k] * A[k];
        J_V -= (R[k] - V[k]) * (R[k] - V[k]);
        J_H += H[k];
    }
    fprintf(out, "\nA3C-14   J_pi = sum log pi(a_t|s_t) A_t = %.5f\nA3C-8    J_V = -sum (R_t - V(s_t))^2 = %.5f\n"
                 "A3C-27   J_H = sum H(pi(.|s_t)) = %.5f\n"
                 "A2C-1    J = (J_pi + c_V J_V + beta J_H) / %g = %.5f, c_V = %g, beta = %g\n", J_pi, J_V, J_H, D,
            (J_pi + c->c_V * J_V + c->beta * J_H) / D, c->c_V, c->beta);
}

static void explained_entropy(ad_tape *t, const policy *p, const double *theta, const rollout *b, double *H)
{
    ad_mark start = ad_here(t);
    ad h = policy_entropy(p, ad_input(t, theta, p->n, 1), ad_input(t, b->s, b->T, b->d));
    memcpy(H, ad_value(h), (size_t)b->T * sizeof *H);
    ad_reset(t, start);
}

void a2c_explain(FILE *out, const void *config, uint64_t seed)
{
    a2c_config c = *(const a2c_config *)config;
    env *e = explained_env();
    c.hidden.layers = 0;
    c.workers = c.workers < EXPLAINED_WORKERS ? c.workers : EXPLAINED_WORKERS;
    c.n_steps = c.n_steps < EXPLAINED_STEPS ? c.n_steps : EXPLAINED_STEPS;
    a2c_check(&c);
    const policy p = a2c_policy(e, &c);
    const network f = critic_V(&p);
    run *streams = run_new("a2c", e, seed, 0);
    int n = p.n, nV = network_n(&f), all = n + nV;
    double *theta = allocate(5 * (size_t)all, sizeof *theta, "theta, phi"), *phi = theta + n, *g = theta + all;
    double *v = g + all, *m = v + all, *before = m + all;
    double V[MOST], V_end[MOST], A[MOST], R[MOST], logp[MOST], H[MOST];
    run_workers(streams, (int)c.workers);
    actor *pi = actor_new(&p, theta);
    rollout *b = rollout_new(e);
    ad_tape *t = ad_tape_new();

    policy_init(&p, streams->init_rng, theta);
    network_init_orthogonal(&f, sqrt(2), 1, streams->init_rng, phi);
    memcpy(before, theta, (size_t)all * sizeof *theta);
    act(&c, streams, pi, b);
    critic_bootstrap(t, &f, phi, b, V, V_end);
    advantages(&c, b, V, V_end, A, R);
    explained_logp(&p, theta, b, logp);
    explained_entropy(t, &p, theta, b, H);
    fprintf(out, "A2C, its first update on %s (states 0 .. 4, then the end; 3 actions), seed %llu;\n%ld worker%s,"
            " %ld step%s each, no hidden layers, gamma = %g, lambda = %g%s\n", e->id, (unsigned long long)seed,
            c.workers, c.workers > 1 ? "s" : "", c.n_steps, c.n_steps > 1 ? "s" : "", c.gamma,
            c.lambda, c.normalise ? ", A_t normalised" : "");
    explain_batch(out, b, V, V_end, A, R, logp);
    explain_advantages(out, &c, b->T, V, R);
    explain_J(out, &c, b, V, A, R, logp, H);
    a2c_gradient(t, &c, &p, &f, theta, phi, b, A, R, g);
    if (c.clip > 0) {
        double norm = clip_global_norm(all, g, c.clip);
        fprintf(out, "         |grad J| = %.5f, clip = %g%s\n", norm, c.clip, norm > c.clip ? ": shortened" : "");
    }
    ascend(&c, n, c.lr, theta, g, v, m, 0);
    ascend(&c, nV, c.lr_V, phi, g + n, v + n, m + n, 0);
    fprintf(out, "         g, its gradient; a step of %s along it, alpha = %g, of V %g\n",
            c.optimiser == A2C_ADAM ? "Adam" : "RMSProp", c.lr, c.lr_V);
    if (c.optimiser == A2C_ADAM) fprintf(out, "         Adam's first step is alpha g / (|g| + %g)\n\n", c.eps);
    else {
        explained_rmsprop(out, c.alpha, c.eps, c.optimiser == A2C_RMSPROP_OUTSIDE);
        putc('\n', out);
    }
    explained_theta(out, &p, g, before, theta);
    putc('\n', out);
    explained_V(out, "phi", nV, g + n, before + n, phi);

    ad_tape_free(t);
    rollout_free(b);
    actor_free(pi);
    free(theta);
    run_free(streams);
    env_free(e);
}
