/* PPO with a penalty on the KL (000, l.318; 001, l.562-600; 002, l.355-358, images PPO3, PPO7; 004,
 * l.484-502; Schulman et al. 2017, arXiv:1707.06347, section 4): ppo_clip.c with another objective.
 * Leaving pi_old's neighbourhood is not made worthless but charged for, at a price beta that
 * follows the KL that it led to.
 *
 *     initialise theta, phi, beta
 *     loop
 *         actor i = 1 .. N: T steps a_t ~ pi_old(.|s_t), pi_old = pi_theta         PPO-12, PPO-24
 *         A_t = sum_l (gamma lambda)^l delta_{t+l},  R_t = A_t + V(s_t)           PPO-17
 *         for K epochs, in minibatches of M <= N T samples
 *             ratio_t = pi_theta(a_t|s_t) / pi_old(a_t|s_t)                       PPO-1
 *             L = mean of ratio_t A_t - beta KL[pi_old(.|s_t), pi_theta(.|s_t)]   PPO-20
 *             J = L - c1 mean of (V_phi(s_t) - R_t)^2 + c2 mean of S[pi](s_t)     PPO-15
 *             (theta, phi) <- a step of Adam along the gradient of J              PPO-24
 *         d = mean of KL[pi_old(.|s_t), pi_theta(.|s_t)]
 *         beta <- beta / 2 if d < delta/1.5, 2 beta if d > 1.5 delta              PPO-22
 *
 * Deviations from the source
 *   1. pi and V share no layers, so theta and phi have step sizes of their own; V is fitted in the
 *      same minibatches, as by CleanRL and Stable-Baselines3 (Spinning Up: after the policy, in its
 *      own steps).
 *   2. Advantages are normalised, and the norm of the gradient bounded, as in those three
 *      libraries; the paper says nothing of either.
 *   3. Where M does not divide N T the last minibatch of an epoch is smaller: each sample is taken
 *      once an epoch.
 *   4. adapt = bounds is 001's rule (PPO-23); 001 has no numbers for KL_min, KL_max and factor
 *      (ERR-64). adapt = off keeps beta: the paper's fixed penalty.
 *   5. direction = new-old is 001's penalty (PPO-21); beta is adapted by KL(old||new) in any case,
 *      as there (ERR-34).
 *   6. beta stays within [1e-10, 1e10]: halved for ever it would be 0 one day, and stay there.
 *   7. Defaults: ppo_clip.c's; the first beta and delta are the paper's, for rewards of any unit
 *      since the advantages are normalised.
 *
 * Critical
 *   - beta changes once an update, after the last epoch, by the KL over the whole batch: not in
 *     every minibatch. It survives the update, and the end of a run that will be resumed.
 *   - The KL is that of whole distributions: the mean of log pi_old - log pi over the actions taken
 *     estimates its value, but has another gradient.
 *   - The KL of an update's first step is 0, and so is its gradient: the penalty acts from the
 *     second on.
 *   - beta lags. While the KL stays small by itself it falls on and on, and once the KL is large it
 *     takes as many updates to come back: the KL of single updates is often far outside the band,
 *     and now and then one of them undoes what was learnt: 3 of 60 seeds end below 475 on
 *     CartPole-v1 after 100000 steps (--greedy). delta_kl=.003 and adapt=bounds do not mend it.
 *     Nor need beta come to rest where nothing else changes (PPO-25).
 *   - logp_old, pi_old, A and R are those of the batch, from before its first step, and constant.
 *     Actions are as drawn: it is the environment that clips.
 *   - A minibatch of one sample has no standard deviation: refused if it is to be normalised. */
#include "algorithms/ppo_penalty.h"

#include <math.h>
#include <string.h>

#include "algorithms/gae.h"
#include "algorithms/kl_estimates.h"
#include "algorithms/ppo_clip.h"
#include "autodiff/require.h"

static const char *const adapts[] = { "target", "bounds", "off", NULL };
static const char *const directions[] = { "old-new", "new-old", NULL };

const ppo_penalty_config ppo_penalty_defaults = {
    .workers = 8, .n_steps = 32, .epochs = 10, .minibatch = 64,
    .beta = 1, .delta_kl = 0.01, .KL_min = 0.005, .KL_max = 0.02, .factor = 1.5,
    .gamma = 0.99, .lambda = 0.95, .normalise = PPO_NORMALISE_MINIBATCH, .c1 = 0.5,
    .lr = 1e-3, .lr_V = 1e-3, .adam_eps = 1e-5, .clip_norm = 0.5, .joint = 1,
    .hidden = { 2, { 64, 64 } }, .activation = AD_TANH,
};

#define FIELD(name) #name, .at = offsetof(ppo_penalty_config, name)
#define REAL(most) .kind = CONFIG_REAL, .low = 0, .high = most
#define WHOLE(least, most) .kind = CONFIG_WHOLE, .low = least, .high = most
#define CHOICE(names) .kind = CONFIG_CHOICE, .choices = names
const config_field ppo_penalty_fields[] = {
    { FIELD(workers), WHOLE(1, 1000), .about = "N: actors" },
    { FIELD(n_steps), WHOLE(1, 1e6), .about = "T: steps of each an update; paper: 2048 of one actor" },
    { FIELD(epochs), WHOLE(1, 1e6), .about = "times each sample is used; paper: 10" },
    { FIELD(minibatch), WHOLE(1, 1e9), .about = "M: samples a step; paper: 64" },
    { FIELD(beta), REAL(1e10), .about = "weight of the KL at first; paper: 1" },
    { FIELD(adapt), CHOICE(adapts), .about = "beta: by PPO-22, by PPO-23, or not" },
    { FIELD(delta_kl), .kind = CONFIG_REAL, .low = 1e-12, .high = 1e300,
      .about = "delta of PPO-22: what the KL shall be; paper: .003, .01, .03" },
    { FIELD(KL_min), REAL(1e300), .about = "of PPO-23; 001 has no number" },
    { FIELD(KL_max), REAL(1e300), .about = "of PPO-23; 001 has no number" },
    { FIELD(factor), .kind = CONFIG_REAL, .low = 1, .high = 1e10, .about = "of PPO-23; 001 has no number" },
    { FIELD(direction), CHOICE(directions), .about = "of the penalised KL; 001: new-old" },
    { FIELD(gamma), REAL(1), .about = "discount gamma; paper: .99" },
    { FIELD(lambda), REAL(1), .about = "of the advantages; paper: .95" },
    { FIELD(normalise), CHOICE(ppo_normalises),
      .about = "advantages: mean 0, standard deviation 1; CleanRL: minibatch" },
    { FIELD(c1), REAL(1e300), .about = "weight of V's squared error; SB3: .5, CleanRL: .25" },
    { FIELD(c2), REAL(1e300), .about = "weight of the entropy; CleanRL: .01, SB3: 0" },
    { FIELD(lr), REAL(1e300), .about = "step size alpha of the policy; paper: 3e-4" },
    { FIELD(lr_V), REAL(1e300), .about = "step size of V" },
    { FIELD(adam_eps), .kind = CONFIG_REAL, .low = 1e-30, .high = 1,
      .about = "Adam's eps; CleanRL, SB3: 1e-5" },
    { FIELD(clip_norm), REAL(1e300), .about = "greatest norm of the gradient, 0: any; CleanRL: .5" },
    { FIELD(joint), CHOICE(config_switch),
      .about = "the norm in (theta, phi), or in each by itself; CleanRL: on" },
    { FIELD(anneal_steps), WHOLE(0, 1e15), .about = "step sizes fall to 0 in so many steps; 0: they stay" },
    { FIELD(hidden), .kind = CONFIG_WIDTHS, .about = "hidden layers of policy and V; paper: 64,64" },
    { FIELD(activation), CHOICE(config_activations), .about = "in the hidden layers; paper: tanh" },
    { .name = NULL },
};

/*[snip ppo-penalty later]*/
/* PPO-20   L_KLPEN = E_t[ ratio_t A_t - beta KL[pi_old(.|s_t), pi_theta(.|s_t)] ]
 * PPO-21   with KL[pi_theta, pi_old] */
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

double ppo_beta_next(const ppo_penalty_config *c, double beta, double d)
{
    if (c->adapt == PPO_ADAPT_TARGET) beta = ppo_beta_of_target(beta, d, c->delta_kl);
    if (c->adapt == PPO_ADAPT_BOUNDS) beta = ppo_beta_of_bounds(beta, d, c->KL_min, c->KL_max, c->factor);
    return c->adapt == PPO_ADAPT_OFF ? beta : fmin(fmax(beta, 1e-10), 1e10);
}

/* PPO-20, PPO-21   KL of each state, in one direction or the other */
ad ppo_penalised_kl(const ppo_penalty_config *c, const policy *p, ad old, ad new)           /* [T x 1] */
{
    return c->direction == PPO_OLD_NEW ? policy_kl(p, old, new) : policy_kl(p, new, old);
}

/*[snip ppo-penalty-gradient later]*/
/* PPO-20   g = the gradient of J in (theta, phi) */
void ppo_penalty_gradient(ad_tape *t, const ppo_penalty_config *c, double beta, const policy *p,
                          const network *f, const double *theta, const double *phi, const samples *b,
                          double *g)
{
    /* BEGIN SOLUTION PPO-20 */
    ad_mark start = ad_here(t);
    ad x = ad_input(t, theta, p->n, 1), y = ad_input(t, phi, network_n(f), 1), dJ[2];
    ad s = ad_input(t, b->s, b->T, b->d), R = ad_input(t, b->R, b->T, 1);
    ad pi    = policy_parameters(p, x, s);                                          /* [T x m] */
    ad ratio = ppo_ratio(policy_logp_of(t, p, pi, b->a, b->index), ad_input(t, b->logp_old, b->T, 1));
    ad V     = network_forward(f, y, s);                                            /* [T x 1] */
    ad L_VF  = ppo_L_VF(V, R);
    ad kl    = ppo_penalised_kl(c, p, ad_input(t, b->pi_old, b->T, b->m), pi);      /* [T x 1] */
    ad J     = ppo_objective(ppo_L_KLPEN(ratio, ad_input(t, b->A, b->T, 1), kl, beta), L_VF,
                             ad_mean(policy_entropy_of(p, pi)), c->c1, c->c2);
    ad_grads(J, 2, ((ad[]){ x, y }), dJ);
    memcpy(g, ad_value(dJ[0]), (size_t)p->n * sizeof *g);
    memcpy(g + p->n, ad_value(dJ[1]), (size_t)network_n(f) * sizeof *g);
    ad_reset(t, start);
    /* END SOLUTION */
}
/*[/snip]*/

ppo_penalty_measured ppo_penalty_measure(ad_tape *t, const ppo_penalty_config *c, double beta,
                                         const policy *p, const double *theta, const samples *b)
{
    ad_mark start = ad_here(t);
    int T = b->T;
    ad s = ad_input(t, b->s, T, b->d), pi_old = ad_input(t, b->pi_old, T, b->m);
    ad pi = policy_parameters(p, ad_input(t, theta, p->n, 1), s);
    ad logp = policy_logp_of(t, p, pi, b->a, b->index), logp_old = ad_input(t, b->logp_old, T, 1);
    ad ratio = ppo_ratio(logp, logp_old);
    ad kl = ppo_penalised_kl(c, p, pi_old, pi);
    const double *old = ad_value(logp_old), *new = ad_value(logp);
    ppo_penalty_measured m = {
        .kl_exact = ad_scalar(ad_mean(policy_kl(p, pi_old, pi))),
        .kl_k1 = kl_k1(T, old, new), .kl_k2 = kl_k2(T, old, new), .kl_k3 = kl_k3(T, old, new),
        .entropy = ad_scalar(ad_mean(policy_entropy_of(p, pi))),
        .L = ad_scalar(ppo_L_KLPEN(ratio, ad_input(t, b->A, T, 1), kl, beta)) };
    ad_reset(t, start);
    return m;
}

/*[snip ppo-penalty-epochs later]*/
/* PPO-12, PPO-24   K epochs at one beta */
void ppo_penalty_epochs(const ppo_penalty_config *c, double beta, ppo_learner *l, gsl_rng *rng)
{
    int T = l->D->T, M = (int)c->minibatch;
    for (long k = 1; k <= c->epochs; k++) {
        samples_shuffle(rng, T, l->order);
        for (int i = 0; i < T; i += M) {
            samples_gather(l->minibatch, l->D, l->order + i, M < T - i ? M : T - i);
            if (c->normalise == PPO_NORMALISE_MINIBATCH)
                advantages_normalise(l->minibatch->T, l->minibatch->A);
            ppo_penalty_gradient(l->t, c, beta, &l->p, &l->f, l->theta, l->phi, l->minibatch, l->g);
            ppo_ascend(l, c->lr, c->lr_V, c->clip_norm, c->joint);
        }
    }
}
/*[/snip]*/

/* The settings after so many steps of all */
static ppo_penalty_config annealed(const ppo_penalty_config *c, long steps)
{
    ppo_penalty_config now = *c;
    double left = c->anneal_steps ? fmax(0, 1 - (double)steps / (double)c->anneal_steps) : 1;
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
    ppo_learner_check(c->workers * c->n_steps, c->minibatch, c->normalise, 1);
    if (c->adapt == PPO_ADAPT_BOUNDS && c->KL_min > c->KL_max)
        bad_input("--set: expected KL_min of at most KL_max = %g, found %g", c->KL_max, c->KL_min);
}

void ppo_penalty(run *training, const void *config)
{
    const ppo_penalty_config *c = config;
    const policy p = ppo_penalty_policy(training->env, c);
    ppo_penalty_check(c);
    run_workers(training, (int)c->workers);
    ppo_learner l = ppo_learner_new(&p, c->workers * c->n_steps, c->minibatch, c->adam_eps);
    actor *pi = actor_new(&p, l.theta);
    rollout *b = rollout_new(training->env);
    size_t n = (size_t)p.n, nV = (size_t)network_n(&l.f);
    ppo_penalty_measured seen = { NAN, NAN, NAN, NAN, NAN, NAN };
    double beta = c->beta, used = NAN;

    ppo_learner_init(&l, training->init_rng);
    const kept survives[] = { { "theta", l.theta, n }, { "phi", l.phi, nV }, { "m, v", l.m, 2 * (n + nV) },
                              { .name = "t", .count = &l.step.t },
                              { .name = "t of V", .count = &l.step_V.t },
                              { "beta", &beta, 1 }, { .name = NULL } };
    const shown beside[] = { { "kl_exact", &seen.kl_exact }, { "kl_k1", &seen.kl_k1 },
                             { "kl_k2", &seen.kl_k2 }, { "kl_k3", &seen.kl_k3 },
                             { "beta", &used },
                             { "entropy", &seen.entropy }, { "L", &seen.L }, { .name = NULL } };
    run_begin(training, survives, beside);
    /*[snip ppo-penalty-loop later]*/
    while (run_update(training, b)) {
        const ppo_penalty_config now = annealed(c, training->steps);
        run_act(training, 0, (int)c->workers, (int)c->n_steps, pi, b);              /* PPO-12 */
        ppo_prepare(&l, b, c->gamma, c->lambda);                                    /* PPO-17 */
        if (c->normalise == PPO_NORMALISE_BATCH) advantages_normalise(l.D->T, l.D->A);
        ppo_penalty_epochs(&now, beta, &l, training->update_rng);
        seen = ppo_penalty_measure(l.t, &now, beta, &p, l.theta, l.D);
        used = beta;
        beta = ppo_beta_next(c, beta, seen.kl_exact);
    }
    /*[/snip]*/
    run_end(training);

    rollout_free(b);
    actor_free(pi);
    ppo_learner_free(&l);
}
