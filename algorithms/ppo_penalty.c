/* PPO with a penalty on the KL (000, l.318; 001, l.562-600; 002, l.355-358, images PPO3, PPO7; 004, l.484-502;
 * Schulman et al. 2017, arXiv:1707.06347, section 4): ppo_clip.c with another objective. Leaving pi_old's
 * neighbourhood is not made worthless but charged for, at a price beta that follows the KL that it led to.
 *
 *     initialise theta, phi, beta
 *     loop
 *         actor i = 1 .. N: T steps a_t ~ pi_old(.|s_t), pi_old = pi_theta         PPO-12, PPO-24
 *         A_t = sum_l (gamma lambda)^l delta_{t+l},  R_t = A_t + V(s_t)           PPO-17
 *         for K epochs, in minibatches of M <= N T samples
 *             r_t = pi_theta(a_t|s_t) / pi_old(a_t|s_t)                           PPO-1
 *             L = mean of r_t A_t - beta KL[pi_old(.|s_t), pi_theta(.|s_t)]       PPO-20
 *             J = L - c1 mean of (V_phi(s_t) - R_t)^2 + c2 mean of S[pi](s_t)     PPO-15
 *             (theta, phi) <- a step of Adam along the gradient of J              PPO-24
 *         d = mean of KL[pi_old(.|s_t), pi_theta(.|s_t)]
 *         beta <- beta / 2 if d < delta/1.5, 2 beta if d > 1.5 delta              PPO-22
 *
 * Deviations from the source
 *   1. pi and V share no layers, so theta and phi have step sizes of their own; V is fitted in the same minibatches.
 *   2. Advantages are normalised, and the norm of the gradient bounded, as in ppo_clip.c: so rewards of another unit
 *      need no other beta.
 *   3. adapt = bounds is 001's rule (PPO-23); 001 has no numbers for KL_min, KL_max and factor (ERR-64). adapt = off
 *      keeps beta: the paper's fixed penalty.
 *   4. direction = new-old is 001's penalty (PPO-21); beta is adapted by KL(old||new) in any case, as there (ERR-34).
 *   5. beta stays within [1e-10, 1e10]: halved for ever it would be 0 one day, and stay there.
 *   6. Where M does not divide N T the last minibatch of an epoch is smaller: each sample is taken once an epoch.
 *
 * Critical
 *   - beta changes once an update, after the last epoch, by the KL over the whole batch: not in every minibatch.
 *   - beta survives the update, and the end of a run that will be resumed.
 *   - The KL is that of whole distributions: the mean of log pi_old - log pi over the actions taken estimates its
 *     value, but has another gradient. pi_old's parameters are constant.
 *   - The KL of an update's first step is 0, and so is its gradient: the penalty acts from the second step on.
 *   - beta lags. While the KL stays small by itself it falls on and on, and once the KL is large it takes as many
 *     updates to come back: the KL of single updates is often far outside the band, and now and then one of them
 *     undoes what was learnt. Nor need beta come to rest where nothing else changes (PPO-25).
 *   - A minibatch of one sample has no standard deviation: refused if it is to be normalised. */
#include "algorithms/ppo_penalty.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "algorithms/critic.h"
#include "algorithms/explained.h"
#include "algorithms/gae.h"
#include "algorithms/kl_estimates.h"
#include "algorithms/ppo_clip.h"
#include "autodiff/optimiser.h"
#include "autodiff/require.h"

static const char *const adapts[] = { "target", "bounds", "off", NULL };
static const char *const directions[] = { "old-new", "new-old", NULL };
static const char *const normalises[] = { "off", "minibatch", "batch", NULL };

const ppo_penalty_config ppo_penalty_defaults = {
    .workers = 8, .n_steps = 32, .epochs = 10, .minibatch = 64, .beta = 1, .delta_kl = 0.01, .KL_min = 0.005,
    .KL_max = 0.02, .factor = 1.5, .gamma = 0.99, .lambda = 0.95, .normalise = PPO_NORMALISE_MINIBATCH, .c1 = 0.5,
    .lr = 1e-3, .lr_V = 1e-3, .adam_eps = 1e-5, .clip_norm = 0.5, .joint = 1, .hidden = { 2, { 64, 64 } },
    .activation = AD_TANH,
};

#define FIELD(name) #name, .at = offsetof(ppo_penalty_config, name)
#define REAL(most) .kind = CONFIG_REAL, .low = 0, .high = most
#define WHOLE(least, most) .kind = CONFIG_WHOLE, .low = least, .high = most
#define CHOICE(names) .kind = CONFIG_CHOICE, .choices = names
const config_field ppo_penalty_fields[] = {
    { FIELD(workers), WHOLE(1, 1000), .about = "N: actors" },
    { FIELD(n_steps), WHOLE(1, 1e6), .about = "T: steps of each an update; paper: 2048 of one actor" },
    { FIELD(epochs), WHOLE(1, 1e6), .about = "K: times each sample is used; paper: 10" },
    { FIELD(minibatch), WHOLE(1, 1e9), .about = "M: samples a step; paper: 64" },
    { FIELD(beta), REAL(1e10), .about = "weight of the KL at first; paper: 1" },
    { FIELD(adapt), CHOICE(adapts), .about = "beta: by PPO-22, by PPO-23, or not" },
    { FIELD(delta_kl), .kind = CONFIG_REAL, .low = 1e-12, .high = 1e300, .about = "delta of PPO-22: what the KL shall be; paper: .003, .01, .03" },
    { FIELD(KL_min), REAL(1e300), .about = "of PPO-23; 001 has no number" },
    { FIELD(KL_max), REAL(1e300), .about = "of PPO-23; 001 has no number" },
    { FIELD(factor), .kind = CONFIG_REAL, .low = 1, .high = 1e10, .about = "of PPO-23; 001 has no number" },
    { FIELD(direction), CHOICE(directions), .about = "of the penalised KL; 001: new-old" },
    { FIELD(gamma), REAL(1), .about = "discount gamma; paper: .99" },
    { FIELD(lambda), REAL(1), .about = "of the advantages; paper: .95" },
    { FIELD(normalise), CHOICE(normalises), .about = "advantages: mean 0, standard deviation 1; CleanRL: minibatch" },
    { FIELD(c1), REAL(1e300), .about = "weight of V's squared error; SB3: .5, CleanRL: .25" },
    { FIELD(c2), REAL(1e300), .about = "weight of the entropy; CleanRL: .01, SB3: 0" },
    { FIELD(lr), REAL(1e300), .about = "step size alpha of the policy; paper: 3e-4" },
    { FIELD(lr_V), REAL(1e300), .about = "step size of V" },
    { FIELD(adam_eps), .kind = CONFIG_REAL, .low = 1e-30, .high = 1, .about = "Adam's eps; CleanRL, SB3: 1e-5" },
    { FIELD(clip_norm), REAL(1e300), .about = "greatest norm of the gradient, 0: any; CleanRL: .5" },
    { FIELD(joint), CHOICE(config_switch), .about = "the norm in (theta, phi), or in each by itself; CleanRL: on" },
    { FIELD(anneal_steps), WHOLE(0, 1e15), .about = "step sizes fall to 0 in so many steps; 0: they stay" },
    { FIELD(hidden), .kind = CONFIG_WIDTHS, .about = "hidden layers of policy and V; paper: 64,64" },
    { FIELD(activation), CHOICE(config_activations), .about = "in the hidden layers; paper: tanh" },
    { .name = NULL },
};

/*[snip ppo-penalty later]*/
/* PPO-20   L_KLPEN = E_t[ r_t A_t - beta KL[pi_old(.|s_t), pi_theta(.|s_t)] ];   PPO-21: KL[pi_theta, pi_old] */
ad ppo_L_KLPEN(ad ratio, ad A, ad kl, double beta)
{
    /* BEGIN SOLUTION PPO-20 */
    return ad_mean(ad_sub(ad_mul(ratio, A), ad_scale(beta, kl)));
    /* END SOLUTION */
}
/*[/snip]*/

/*[snip ppo-beta later]*/
/* PPO-22   d < delta/1.5: beta <- beta/2;   d > 1.5 delta: beta <- 2 beta;   else beta stays */
double ppo_beta_of_target(double beta, double d, double delta_kl)
{
    /* BEGIN SOLUTION PPO-22 */
    if (d < delta_kl / 1.5) return beta / 2;
    if (d > delta_kl * 1.5) return beta * 2;
    return beta;
    /* END SOLUTION */
}

/* PPO-23   d > KL_max: increase beta;   d < KL_min: decrease beta */
double ppo_beta_of_bounds(double beta, double d, double KL_min, double KL_max, double factor)
{
    /* BEGIN SOLUTION PPO-23 */
    return d > KL_max ? beta * factor : d < KL_min ? beta / factor : beta;
    /* END SOLUTION */
}
/*[/snip]*/

/* PPO-20, PPO-21   KL of each state, in one direction or the other */
static ad kl_penalised(const ppo_penalty_config *c, const policy *p, ad old, ad new)        /* [T x 1] */
{
    return c->direction == PPO_OLD_NEW ? policy_kl(p, old, new) : policy_kl(p, new, old);
}

/*[snip ppo-penalty-gradient later]*/
/* PPO-20   g = the gradient of J in (theta, phi) */
void ppo_penalty_gradient(ad_tape *t, const ppo_penalty_config *c, double beta, const policy *p, const network *f,
                          const double *theta, const double *phi, const samples *b, double *g)
{
    /* BEGIN SOLUTION PPO-20 */
    ad_mark start = ad_here(t);
    ad x = ad_input(t, theta, p->n, 1), y = ad_input(t, phi, network_n(f), 1), dJ[2];
    ad s = ad_input(t, b->s, b->T, b->d), R = ad_input(t, b->R, b->T, 1);
    ad pi    = policy_parameters(p, x, s);                                          /* [T x m] */
    ad ratio = ppo_ratio(policy_logp_of(t, p, pi, b->a, b->index), ad_input(t, b->logp_old, b->T, 1));
    ad V     = network_forward(f, y, s);                                            /* [T x 1] */
    ad kl    = kl_penalised(c, p, ad_input(t, b->pi_old, b->T, b->m), pi);          /* [T x 1] */
    ad J     = ppo_objective(ppo_L_KLPEN(ratio, ad_input(t, b->A, b->T, 1), kl, beta), ppo_L_VF(V, R),
                             ad_mean(policy_entropy_of(p, pi)), c->c1, c->c2);
    ad_grads(J, 2, ((ad[]){ x, y }), dJ);
    memcpy(g, ad_value(dJ[0]), (size_t)p->n * sizeof *g);
    memcpy(g + p->n, ad_value(dJ[1]), (size_t)network_n(f) * sizeof *g);
    ad_reset(t, start);
    /* END SOLUTION */
}
/*[/snip]*/

ppo_penalty_measured ppo_penalty_measure(ad_tape *t, const ppo_penalty_config *c, double beta, const policy *p,
                                         const double *theta, const samples *b)
{
    ad_mark start = ad_here(t);
    int T = b->T;
    ad s = ad_input(t, b->s, T, b->d), pi_old = ad_input(t, b->pi_old, T, b->m);
    ad pi = policy_parameters(p, ad_input(t, theta, p->n, 1), s);
    ad logp = policy_logp_of(t, p, pi, b->a, b->index), logp_old = ad_input(t, b->logp_old, T, 1);
    ad kl = kl_penalised(c, p, pi_old, pi);
    const double *old = ad_value(logp_old), *new = ad_value(logp);
    ppo_penalty_measured m = {
        .kl_exact = ad_scalar(ad_mean(policy_kl(p, pi_old, pi))),
        .kl_k1 = kl_k1(T, old, new), .kl_k2 = kl_k2(T, old, new), .kl_k3 = kl_k3(T, old, new),
        .entropy = ad_scalar(ad_mean(policy_entropy_of(p, pi))),
        .L = ad_scalar(ppo_L_KLPEN(ppo_ratio(logp, logp_old), ad_input(t, b->A, T, 1), kl, beta)) };
    ad_reset(t, start);
    return m;
}

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

static learner learner_new(const policy *p, const ppo_penalty_config *c)
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

/* PPO-12   The actors' parts of a batch, one behind the other */
static void act(const ppo_penalty_config *c, run *training, actor *pi, rollout *b)
{
    rollout_clear(b);
    for (int i = 0, n = (int)c->n_steps; i < c->workers; i++) {
        run_worker *w = &training->worker[i];
        b->worker = i;
        rollout_steps(b, b->T + n, w->env, w->env_rng, pi, w->policy_rng);
    }
}

/* PPO-17   D from the batch: A_t, R_t = A_t + V(s_t), segment by segment; pi_old, log pi_old */
static void prepare(const ppo_penalty_config *c, learner *l, const rollout *b)
{
    samples *D = l->D;
    samples_old(D, l->t, &l->p, l->theta, b);
    critic_bootstrap(l->t, &l->f, l->phi, b, D->V_old, l->V_end);
    for (int i = 0; i < b->segments; i++) {
        int first = b->segment[i].first, T = b->segment[i].T;
        gae_advantages(T, b->r + first, D->V_old + first, l->V_end[i], c->gamma, c->lambda, D->A + first);
    }
    for (int k = 0; k < D->T; k++) D->R[k] = D->A[k] + D->V_old[k];
    if (c->normalise == PPO_NORMALISE_BATCH) advantages_normalise(D->T, D->A);
}

static void ascend(const ppo_penalty_config *c, learner *l)
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

/*[snip ppo-penalty-epochs later]*/
/* PPO-12, PPO-24   K epochs at one beta */
static void epochs(const ppo_penalty_config *c, double beta, learner *l, gsl_rng *rng)
{
    int T = l->D->T, M = (int)c->minibatch;
    for (long k = 1; k <= c->epochs; k++) {
        samples_shuffle(rng, T, l->order);
        for (int i = 0; i < T; i += M) {
            samples_gather(l->minibatch, l->D, l->order + i, M < T - i ? M : T - i);
            if (c->normalise == PPO_NORMALISE_MINIBATCH) advantages_normalise(l->minibatch->T, l->minibatch->A);
            ppo_penalty_gradient(l->t, c, beta, &l->p, &l->f, l->theta, l->phi, l->minibatch, l->g);
            ascend(c, l);
        }
    }
}
/*[/snip]*/

/* PPO-22, PPO-23   beta of the next update */
static double adapted(const ppo_penalty_config *c, double beta, double d)
{
    if (c->adapt == PPO_ADAPT_TARGET) beta = ppo_beta_of_target(beta, d, c->delta_kl);
    if (c->adapt == PPO_ADAPT_BOUNDS) beta = ppo_beta_of_bounds(beta, d, c->KL_min, c->KL_max, c->factor);
    return c->adapt == PPO_ADAPT_OFF ? beta : fmin(fmax(beta, 1e-10), 1e10);
}

/* The settings after so many steps of all */
static ppo_penalty_config annealed(const ppo_penalty_config *c, long T)
{
    ppo_penalty_config now = *c;
    double left = c->anneal_steps ? fmax(0, 1 - (double)T / (double)c->anneal_steps) : 1;
    now.lr *= left;
    now.lr_V *= left;
    return now;
}

policy ppo_penalty_policy(const env *e, const void *config)
{
    const ppo_penalty_config *c = config;
    return policy_of(e, c->hidden.layers, c->hidden.width, (enum ad_activation)c->activation);
}

void ppo_penalty_check(const void *config)
{
    const ppo_penalty_config *c = config;
    long T = c->workers * c->n_steps;
    if (c->minibatch > T)
        bad_input("--set: expected minibatch of at most workers * n_steps = %ld, found %ld", T, c->minibatch);
    if ((c->normalise == PPO_NORMALISE_MINIBATCH && (c->minibatch == 1 || T % c->minibatch == 1)) ||
        (c->normalise == PPO_NORMALISE_BATCH && T == 1))
        bad_input("--set: expected normalise=off where a minibatch is of one sample: it has no standard deviation");
    if (c->adapt == PPO_ADAPT_BOUNDS && c->KL_min > c->KL_max)
        bad_input("--set: expected KL_min of at most KL_max = %g, found %g", c->KL_max, c->KL_min);
}

void ppo_penalty(run *training, const void *config)
{
    const ppo_penalty_config *c = config;
    const policy p = ppo_penalty_policy(training->env, c);
    ppo_penalty_check(c);
    run_workers(training, (int)c->workers);
    learner l = learner_new(&p, c);
    actor *pi = actor_new(&p, l.theta);
    rollout *b = rollout_new(training->env);
    size_t n = (size_t)p.n, nV = (size_t)network_n(&l.f);
    ppo_penalty_measured seen = { NAN, NAN, NAN, NAN, NAN, NAN };
    double beta = c->beta, used = NAN;

    learner_init(&l, training->init_rng);
    const kept survives[] = { { "theta", l.theta, n }, { "phi", l.phi, nV }, { "m, v", l.m, 2 * (n + nV) },
                              { .name = "t", .count = &l.step.t }, { .name = "t of V", .count = &l.step_V.t },
                              { "beta", &beta, 1 }, { .name = NULL } };
    const shown beside[] = { { "kl_exact", &seen.kl_exact }, { "kl_k1", &seen.kl_k1 }, { "kl_k2", &seen.kl_k2 },
                             { "kl_k3", &seen.kl_k3 }, { "beta", &used },
                             { "entropy", &seen.entropy }, { "L", &seen.L }, { .name = NULL } };
    run_begin(training, survives, beside);
    /*[snip ppo-penalty-loop later]*/
    while (run_update(training, b)) {
        const ppo_penalty_config now = annealed(c, training->steps);
        act(c, training, pi, b);
        prepare(c, &l, b);
        epochs(&now, beta, &l, training->update_rng);
        seen = ppo_penalty_measure(l.t, &now, beta, &p, l.theta, l.D);
        used = beta;
        beta = adapted(c, beta, seen.kl_exact);
    }
    /*[/snip]*/
    run_end(training);

    rollout_free(b);
    actor_free(pi);
    learner_free(&l);
}

/* ---- one update, with its numbers: the first of a training run from that seed ---- */

enum { EXPLAINED_WORKERS = 2, EXPLAINED_STEPS = 4 };

static void explain_batch(FILE *out, const learner *l, const rollout *b)
{
    const samples *D = l->D;
    fprintf(out, "\nactor  t  s_t  a_t %9s %9s %9s %9s %13s\n", "r_t", "V(s_t)", "A_t", "R_t", "ln pi_old");
    for (int i = 0; i < b->segments; i++) {
        const segment *g = &b->segment[i];
        for (int t = 0, k = g->first; t < g->T; t++, k++)
            fprintf(out, "%5d %2d %4d %4d %9.5f %9.5f %9.5f %9.5f %13.5f\n", g->worker, t, explained_state(b, k),
                    b->index[k], b->r[k], D->V_old[k], D->A[k], D->R[k], D->logp_old[k]);
        if (g->terminated) fprintf(out, "%9s: V = 0, the episode terminated\n", "then");
        else fprintf(out, "%9s: V(s) = %.5f, cut by the %s\n", "then", l->V_end[i],
                     g->truncated ? "time limit" : "batch");
    }
}

/* r_t, the gain and the price of each sample, and their mean */
static void explain_surrogate(FILE *out, const ppo_penalty_config *c, double beta, learner *l)
{
    const samples *D = l->D;
    ad_mark start = ad_here(l->t);
    ad pi = policy_parameters(&l->p, ad_input(l->t, l->theta, l->p.n, 1), ad_input(l->t, D->s, D->T, D->d));
    ad logp = policy_logp_of(l->t, &l->p, pi, D->a, D->index);
    const double *r = ad_value(ppo_ratio(logp, ad_input(l->t, D->logp_old, D->T, 1)));
    const double *kl = ad_value(kl_penalised(c, &l->p, ad_input(l->t, D->pi_old, D->T, D->m), pi));
    fprintf(out, "  r_t = pi/pi_old %9s %9s %10s %14s\n", "A_t", "r_t A_t", "KL", "beta KL");
    for (int k = 0; k < D->T; k++)
        fprintf(out, "%17.5f %9.5f %9.5f %10.6f %14.6f\n", r[k], D->A[k], r[k] * D->A[k], kl[k], beta * kl[k]);
    ad_reset(l->t, start);
    fprintf(out, "PPO-20   r_t A_t - beta KL(%s); L, its mean: %.5f, beta = %g\n",
            c->direction == PPO_OLD_NEW ? "pi_old||pi" : "pi||pi_old",
            ppo_penalty_measure(l->t, c, beta, &l->p, l->theta, D).L, beta);
}

static void explain_beta(FILE *out, const ppo_penalty_config *c, double beta, learner *l)
{
    ppo_penalty_measured m = ppo_penalty_measure(l->t, c, beta, &l->p, l->theta, l->D);
    fprintf(out, "         d = KL(pi_old||pi), mean over the batch: exact %.3g; from its actions k1 %.3g, k2 %.3g, k3"
            " %.3g\n", m.kl_exact, m.kl_k1, m.kl_k2, m.kl_k3);
    if (c->adapt == PPO_ADAPT_TARGET)
        fprintf(out, "PPO-22   beta <- %g: delta/1.5 = %.3g, 1.5 delta = %.3g\n", adapted(c, beta, m.kl_exact),
                c->delta_kl / 1.5, c->delta_kl * 1.5);
    if (c->adapt == PPO_ADAPT_BOUNDS)
        fprintf(out, "PPO-23   beta <- %g: KL_min = %g, KL_max = %g, factor %g\n", adapted(c, beta, m.kl_exact),
                c->KL_min, c->KL_max, c->factor);
}

void ppo_penalty_explain(FILE *out, const void *config, uint64_t seed)
{
    ppo_penalty_config c = *(const ppo_penalty_config *)config;
    env *e = explained_env();
    c.hidden.layers = 0;
    c.workers = c.workers < EXPLAINED_WORKERS ? c.workers : EXPLAINED_WORKERS;
    c.n_steps = c.n_steps < EXPLAINED_STEPS ? c.n_steps : EXPLAINED_STEPS;
    c.minibatch = c.minibatch < c.workers * c.n_steps ? c.minibatch : c.workers * c.n_steps;
    ppo_penalty_check(&c);
    const policy p = ppo_penalty_policy(e, &c);
    run *streams = run_new("ppo_penalty", e, seed, 0);
    run_workers(streams, (int)c.workers);
    learner l = learner_new(&p, &c);
    size_t n = (size_t)(p.n + network_n(&l.f));
    double *before = allocate(n, sizeof *before, "theta, phi");
    actor *pi = actor_new(&p, l.theta);
    rollout *b = rollout_new(e);

    learner_init(&l, streams->init_rng);
    memcpy(before, l.theta, n * sizeof *before);
    act(&c, streams, pi, b);
    prepare(&c, &l, b);
    fprintf(out, "PPO with a penalty on the KL, its first update on %s (states 0 .. 4, then the end; 3 actions),"
            " seed %llu;\nN = %ld, T = %ld, K = %ld, M = %ld, no hidden layers, gamma = %g, lambda = %g\n", e->id,
            (unsigned long long)seed, c.workers, c.n_steps, c.epochs, c.minibatch, c.gamma, c.lambda);
    explain_batch(out, &l, b);
    fprintf(out, "PPO-17   A_t = delta_t + gamma lambda A_t+1, delta_t = r_t + gamma V(s_t+1) - V(s_t); R_t = A_t +"
            " V(s_t)\n");
    if (c.normalise != PPO_NORMALISE_OFF)
        fprintf(out, "         each %s of A_t with mean 0 and standard deviation 1\n", normalises[c.normalise]);
    epochs(&c, c.beta, &l, streams->update_rng);
    fprintf(out, "PPO-15   J = L - c1 L_VF + c2 S, c1 = %g, c2 = %g\nPPO-12   %ld steps of Adam along its gradient,"
            " alpha = %g, of V %g; after them\n\n", c.c1, c.c2, l.step.t, c.lr, c.lr_V);
    explain_surrogate(out, &c, c.beta, &l);
    explain_beta(out, &c, c.beta, &l);
    fprintf(out, "         the last g, theta and phi:\n\n");
    explained_theta(out, &p, l.g, before, l.theta);
    putc('\n', out);
    explained_V(out, "phi", network_n(&l.f), l.g + p.n, before + p.n, l.phi);

    free(before);
    rollout_free(b);
    actor_free(pi);
    learner_free(&l);
    run_free(streams);
    env_free(e);
}
