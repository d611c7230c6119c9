/* PPO with a clipped surrogate (000, eq (18)-(19); 001, l.611; 002, images PPO1-17; 004, l.517;
 * Schulman et al. 2017, arXiv:1707.06347, Algorithm 1; Spinning Up's pseudo-code, image PPO17):
 * several epochs of ordinary gradient steps on one batch, with an objective that gains nothing by
 * leaving pi_old's neighbourhood.
 *
 *     initialise theta, phi
 *     loop
 *         actor i = 1 .. N: T steps a_t ~ pi_old(.|s_t), pi_old = pi_theta         PPO-12
 *         A_t = sum_l (gamma lambda)^l delta_{t+l},  R_t = A_t + V(s_t)           PPO-17
 *         for K epochs, in minibatches of M <= N T samples
 *             ratio_t = pi_theta(a_t|s_t) / pi_old(a_t|s_t)                       PPO-1
 *             L = mean of min(ratio_t A_t, clip(ratio_t, 1-eps, 1+eps) A_t)       PPO-2
 *             J = L - c1 mean of (V_phi(s_t) - R_t)^2 + c2 mean of S[pi](s_t)     PPO-15
 *             (theta, phi) <- a step of Adam along the gradient of J              PPO-7, PPO-34
 *         until KL(pi_old||pi_theta) > 1.5 target_kl                              PPO-11
 *
 * Deviations from the source
 *   1. pi and V share no layers, so theta and phi have step sizes of their own; V is fitted in the
 *      same minibatches, as by CleanRL and Stable-Baselines3 (Spinning Up: after the policy, in its
 *      own steps).
 *   2. Advantages are normalised, and the norm of the gradient bounded, as in those three
 *      libraries; the paper says nothing of either.
 *   3. Where M does not divide N T the last minibatch of an epoch is smaller: each sample is taken
 *      once an epoch.
 *   4. The KL is looked at after every epoch, exactly, over the whole batch: the epoch that carried
 *      it over 1.5 target_kl stays, no other follows, for V neither. With M = N T that is after
 *      every step. (Spinning Up: before every step, estimated by k1, which can be negative.)
 *   5. objective = g is Spinning Up's form of PPO-2, the same to the bit; cpi does not clip at all
 *      (PPO-1).
 *   6. Defaults: K, M, eps, gamma, lambda are the paper's; c1, the bound on the norm and Adam's eps
 *      are Stable-Baselines3's; batches of 8 x 32 steps and step sizes of 1e-3 are those with which
 *      20 of 20 seeds end at 500 on CartPole-v1 after 100000 steps. Other settings, found on seeds
 *      1 to 20:
 *          Acrobot-v1    anneal_steps=300000
 *          Pendulum-v1   workers=4 n_steps=512 minibatch=128 gamma=.95 lambda=.9 lr_V=3e-3
 *                        joint=off anneal_steps=300000     (gamma = .9, the Zoo's: -180 for -155)
 *          CleanRL's     workers=4 n_steps=128 minibatch=128 epochs=4 lr=2.5e-4 lr_V=2.5e-4
 *                        anneal_steps=500000 c1=.25 c2=.01 eps_V=.2
 *
 * Critical
 *   - min is taken of the two products: with A outside (004) A < 0 is pushed down without limit
 *     (ERR-60).
 *   - Clipping takes away what leaving would gain; it does not keep the ratio in its range (PPO-10,
 *     ERR-62). A ratio that overflows (log ratio > 709) ends the program, exit 4.
 *   - V is not clipped by default: the paper has no such term. baselines' code (eps_V) takes the
 *     greater error. eps_V = 0 says "not clipped"; annealed it is 0 only where lr_V is 0, too.
 *   - logp_old, pi_old, A and R are those of the batch, from before its first step, and constant.
 *     Actions are as drawn: it is the environment that clips.
 *   - A minibatch of one sample has no standard deviation: refused if it is to be normalised. */
#include "algorithms/ppo_clip.h"

#include <math.h>
#include <string.h>

#include "algorithms/gae.h"
#include "algorithms/kl_estimates.h"
#include "autodiff/require.h"

static const char *const objectives[] = { "clip", "g", "cpi", NULL };

/* PPO-14   eps = .2 */
const ppo_clip_config ppo_clip_defaults = {
    .workers = 8, .n_steps = 32, .epochs = 10, .minibatch = 64,
    .objective = PPO_CLIP, .eps = 0.2,
    .gamma = 0.99, .lambda = 0.95, .normalise = PPO_NORMALISE_MINIBATCH, .c1 = 0.5,
    .lr = 1e-3, .lr_V = 1e-3, .adam_eps = 1e-5, .clip_norm = 0.5, .joint = 1,
    .hidden = { 2, { 64, 64 } }, .activation = AD_TANH,
};

#define FIELD(name) #name, .at = offsetof(ppo_clip_config, name)
#define REAL(most) .kind = CONFIG_REAL, .low = 0, .high = most
#define WHOLE(least, most) .kind = CONFIG_WHOLE, .low = least, .high = most
#define CHOICE(names) .kind = CONFIG_CHOICE, .choices = names
const config_field ppo_clip_fields[] = {
    { FIELD(workers), WHOLE(1, 1000), .about = "N: actors" },
    { FIELD(n_steps), WHOLE(1, 1e6), .about = "T: steps of each an update; paper: 2048 of one actor" },
    { FIELD(epochs), WHOLE(1, 1e6), .about = "times each sample is used; paper: 10" },
    { FIELD(minibatch), WHOLE(1, 1e9), .about = "M: samples a step; paper: 64" },
    { FIELD(objective), CHOICE(objectives), .about = "PPO-2, PPO-4, PPO-1" },
    { FIELD(eps), REAL(1), .about = "clip range of the ratio; paper: .2" },
    { FIELD(gamma), REAL(1), .about = "discount gamma; paper: .99" },
    { FIELD(lambda), REAL(1), .about = "of the advantages; paper: .95" },
    { FIELD(normalise), CHOICE(ppo_normalises),
      .about = "advantages: mean 0, standard deviation 1; CleanRL: minibatch" },
    { FIELD(c1), REAL(1e300), .about = "weight of V's squared error; SB3: .5, CleanRL: .25" },
    { FIELD(c2), REAL(1e300), .about = "weight of the entropy; CleanRL: .01, SB3: 0" },
    { FIELD(eps_V), REAL(1e300), .about = "clip range of V, 0: none, as in the paper; CleanRL: .2" },
    { FIELD(target_kl), REAL(1e300), .about = "epochs end at 1.5 of it, 0: they do not; Spinning Up: .01" },
    { FIELD(lr), REAL(1e300), .about = "step size alpha of the policy; paper: 3e-4" },
    { FIELD(lr_V), REAL(1e300), .about = "step size of V" },
    { FIELD(adam_eps), .kind = CONFIG_REAL, .low = 1e-30, .high = 1,
      .about = "Adam's eps; CleanRL, SB3: 1e-5" },
    { FIELD(clip_norm), REAL(1e300), .about = "greatest norm of the gradient, 0: any; CleanRL: .5" },
    { FIELD(joint), CHOICE(config_switch),
      .about = "the norm in (theta, phi), or in each by itself; CleanRL: on" },
    { FIELD(anneal_steps), WHOLE(0, 1e15), .about = "step sizes fall to 0 in so many steps; 0: they stay" },
    { FIELD(anneal_eps), CHOICE(config_switch), .about = "clip ranges fall with them" },
    { FIELD(hidden), .kind = CONFIG_WIDTHS, .about = "hidden layers of policy and V; paper: 64,64" },
    { FIELD(activation), CHOICE(config_activations), .about = "in the hidden layers; paper: tanh" },
    { .name = NULL },
};

/*[snip ppo-ratio later]*/
/* PPO-1   ratio_t = pi_theta(a_t|s_t) / pi_old(a_t|s_t) = exp(log pi_theta - log pi_old) */
ad ppo_ratio(ad logp, ad logp_old)
{
    /* BEGIN SOLUTION PPO-1 */
    return ad_exp(ad_sub(logp, ad_detach(logp_old)));
    /* END SOLUTION */
}

/* PPO-1   L_CPI = E_t[ ratio_t A_t ] */
ad ppo_L_CPI(ad ratio, ad A)
{
    /* BEGIN SOLUTION PPO-1 */
    return ad_mean(ad_mul(ratio, A));
    /* END SOLUTION */
}
/*[/snip]*/

/*[snip ppo-clip later]*/
/* PPO-2   L_CLIP = E_t[ min( ratio_t A_t, clip(ratio_t, 1-eps, 1+eps) A_t ) ] */
ad ppo_L_clip(ad ratio, ad A, double eps)
{
    /* BEGIN SOLUTION PPO-2 */
    ad unclipped = ad_mul(ratio, A);
    ad clipped   = ad_mul(ad_clip(ratio, 1 - eps, 1 + eps), A);
    return ad_mean(ad_min(unclipped, clipped));
    /* END SOLUTION */
}

/* PPO-4   g(eps, A) = (1+eps) A where A >= 0, else (1-eps) A */
ad ppo_g(double eps, ad A)
{
    /* BEGIN SOLUTION PPO-4 */
    return ad_where(ad_less(A, ad_scale(0, A)), ad_scale(1 - eps, A), ad_scale(1 + eps, A));
    /* END SOLUTION */
}

/* PPO-4   L = E_t[ min( ratio_t A_t, g(eps, A_t) ) ] */
ad ppo_L_g(ad ratio, ad A, double eps)
{
    /* BEGIN SOLUTION PPO-4 */
    return ad_mean(ad_min(ad_mul(ratio, A), ppo_g(eps, A)));
    /* END SOLUTION */
}
/*[/snip]*/

/*[snip ppo-objective later]*/
/* PPO-15   L_VF = E_t[ (V_phi(s_t) - R_t)^2 ] */
ad ppo_L_VF(ad V, ad R)
{
    /* BEGIN SOLUTION PPO-15 */
    return ad_mean(ad_square(ad_sub(V, R)));
    /* END SOLUTION */
}

/* E_t[ max( (V - R)^2, (V_old + clip(V - V_old, -eps_V, eps_V) - R)^2 ) ] */
ad ppo_L_VF_clip(ad V, ad V_old, ad R, double eps_V)
{
    ad near = ad_add(V_old, ad_clip(ad_sub(V, V_old), -eps_V, eps_V));
    return ad_mean(ad_max(ad_square(ad_sub(V, R)), ad_square(ad_sub(near, R))));
}

/* PPO-15   J = L - c1 L_VF + c2 S,   S = E_t[ H(pi_theta(.|s_t)) ] */
ad ppo_objective(ad L, ad L_VF, ad S, double c1, double c2)
{
    /* BEGIN SOLUTION PPO-15 */
    return ad_add(ad_sub(L, ad_scale(c1, L_VF)), ad_scale(c2, S));
    /* END SOLUTION */
}
/*[/snip]*/

static ad surrogate(const ppo_clip_config *c, ad ratio, ad A)
{
    return c->objective == PPO_CLIP ? ppo_L_clip(ratio, A, c->eps)
         : c->objective == PPO_G    ? ppo_L_g(ratio, A, c->eps) : ppo_L_CPI(ratio, A);
}

/*[snip ppo-gradient later]*/
/* PPO-15   g = the gradient of J in (theta, phi) */
void ppo_gradient(ad_tape *t, const ppo_clip_config *c, const policy *p, const network *f,
                  const double *theta, const double *phi, const samples *b, double *g)
{
    /* BEGIN SOLUTION PPO-15 */
    ad_mark start = ad_here(t);
    ad x = ad_input(t, theta, p->n, 1), y = ad_input(t, phi, network_n(f), 1), dJ[2];
    ad s = ad_input(t, b->s, b->T, b->d), R = ad_input(t, b->R, b->T, 1);
    ad pi    = policy_parameters(p, x, s);                                          /* [T x m] */
    ad ratio = ppo_ratio(policy_logp_of(t, p, pi, b->a, b->index), ad_input(t, b->logp_old, b->T, 1));
    ad V     = network_forward(f, y, s);                                            /* [T x 1] */
    ad L_VF  = c->eps_V > 0 ? ppo_L_VF_clip(V, ad_input(t, b->V_old, b->T, 1), R, c->eps_V)
                            : ppo_L_VF(V, R);
    ad J     = ppo_objective(surrogate(c, ratio, ad_input(t, b->A, b->T, 1)), L_VF,
                             ad_mean(policy_entropy_of(p, pi)), c->c1, c->c2);
    ad_grads(J, 2, ((ad[]){ x, y }), dJ);
    memcpy(g, ad_value(dJ[0]), (size_t)p->n * sizeof *g);
    memcpy(g + p->n, ad_value(dJ[1]), (size_t)network_n(f) * sizeof *g);
    ad_reset(t, start);
    /* END SOLUTION */
}
/*[/snip]*/

ppo_measured ppo_measure(ad_tape *t, const ppo_clip_config *c, const policy *p, const double *theta,
                         const samples *b)
{
    ad_mark start = ad_here(t);
    int T = b->T, outside = 0;
    ad s = ad_input(t, b->s, T, b->d), pi_old = ad_input(t, b->pi_old, T, b->m);
    ad pi = policy_parameters(p, ad_input(t, theta, p->n, 1), s);
    ad logp = policy_logp_of(t, p, pi, b->a, b->index), logp_old = ad_input(t, b->logp_old, T, 1);
    ad ratio = ppo_ratio(logp, logp_old);
    for (int i = 0; i < T; i++) outside += fabs(ad_value(ratio)[i] - 1) > c->eps;
    const double *old = ad_value(logp_old), *new = ad_value(logp);
    ppo_measured m = {
        .kl_exact = ad_scalar(ad_mean(policy_kl(p, pi_old, pi))),
        .kl_k1 = kl_k1(T, old, new), .kl_k2 = kl_k2(T, old, new), .kl_k3 = kl_k3(T, old, new),
        .clip_fraction = (double)outside / T,
        .entropy = ad_scalar(ad_mean(policy_entropy_of(p, pi))),
        .L = ad_scalar(surrogate(c, ratio, ad_input(t, b->A, T, 1))) };
    ad_reset(t, start);
    return m;
}

/*[snip ppo-epochs later]*/
/* PPO-12, PPO-11   K epochs, or fewer: how many */
long ppo_clip_epochs(const ppo_clip_config *c, ppo_learner *l, gsl_rng *rng)
{
    int T = l->D->T, M = (int)c->minibatch;
    for (long k = 1; k <= c->epochs; k++) {
        samples_shuffle(rng, T, l->order);
        for (int i = 0; i < T; i += M) {
            samples_gather(l->minibatch, l->D, l->order + i, M < T - i ? M : T - i);
            if (c->normalise == PPO_NORMALISE_MINIBATCH)
                advantages_normalise(l->minibatch->T, l->minibatch->A);
            ppo_gradient(l->t, c, &l->p, &l->f, l->theta, l->phi, l->minibatch, l->g);
            ppo_ascend(l, c->lr, c->lr_V, c->clip_norm, c->joint);
        }
        if (c->target_kl > 0 &&
            ppo_measure(l->t, c, &l->p, l->theta, l->D).kl_exact > 1.5 * c->target_kl) return k;
    }
    return c->epochs;
}
/*[/snip]*/

/* The settings after so many steps of all */
ppo_clip_config ppo_clip_annealed(const ppo_clip_config *c, long steps)
{
    ppo_clip_config now = *c;
    double left = c->anneal_steps ? fmax(0, 1 - (double)steps / (double)c->anneal_steps) : 1;
    now.lr *= left;
    now.lr_V *= left;
    if (c->anneal_eps) {
        now.eps *= left;
        now.eps_V *= left;
    }
    return now;
}

policy ppo_clip_policy(const env *e, const void *config)
{
    const ppo_clip_config *c = config;
    return policy_of(e, c->hidden.layers, c->hidden.width, (enum ad_activation)c->activation);
}

void ppo_clip_check(const void *config)
{
    const ppo_clip_config *c = config;
    ppo_learner_check(c->workers * c->n_steps, c->minibatch, c->normalise, 1);
    if (c->anneal_eps && !c->anneal_steps) bad_input("--set: expected anneal_steps beside anneal_eps=on");
}

void ppo_clip(run *training, const void *config)
{
    const ppo_clip_config *c = config;
    const policy p = ppo_clip_policy(training->env, c);
    ppo_clip_check(c);
    run_workers(training, (int)c->workers);
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
    run_begin(training, survives, beside);
    /*[snip ppo-loop later]*/
    while (run_update(training, b)) {
        const ppo_clip_config now = ppo_clip_annealed(c, training->steps);
        run_act(training, 0, (int)c->workers, (int)c->n_steps, pi, b);              /* PPO-12 */
        ppo_prepare(&l, b, c->gamma, c->lambda);                                    /* PPO-17 */
        if (c->normalise == PPO_NORMALISE_BATCH) advantages_normalise(l.D->T, l.D->A);
        done = (double)ppo_clip_epochs(&now, &l, training->update_rng);
        seen = ppo_measure(l.t, &now, &p, l.theta, l.D);
    }
    /*[/snip]*/
    run_end(training);

    rollout_free(b);
    actor_free(pi);
    ppo_learner_free(&l);
}
