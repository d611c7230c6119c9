/* DDPG: deep deterministic policy gradient (004, l.523-643; 002, l.148-198; Lillicrap et al. 2016,
 * arXiv:1509.02971, Algorithm 1; Spinning Up's pseudo-code, which 004's box is).
 *
 *     initialise theta, phi;  theta_targ <- theta, phi_targ <- phi;  D empty
 *     loop
 *         a = clip(mu_theta(s) + eps, a_low, a_high),  eps ~ noise                    DDPG-13, DDPG-14
 *         r, s', d;  (s, a, r, s', d) into D;  s <- s', or a reset                    DDPG-15, DDPG-20
 *         B: |B| transitions of D, drawn uniformly
 *         y = r + gamma (1 - d) Q_phi_targ(s', mu_theta_targ(s'))                     DDPG-16, DDPG-8
 *         phi: a step of Adam down the gradient of mean_B (Q_phi(s,a) - y)^2          DDPG-17, DDPG-3, DDPG-9
 *         theta: a step of Adam up the gradient of mean_B Q_phi(s, mu_theta(s))       DDPG-18, DDPG-11
 *         phi_targ <- rho phi_targ + (1 - rho) phi, and theta_targ likewise           DDPG-19
 *
 * Deviations from the source
 *   1. The first start_steps actions are uniform in the box, as in Spinning Up (004 begins with mu): mu of a network
 *      that knows nothing tries next to nothing. Where there are no bounds they are mu's, with noise.
 *   2. Noise is counted in half widths of the box: sigma = .1 is .2 for Pendulum-v1. Gaussian, as in the usual
 *      programs; noise = ou is the paper's and 002's (ERR-69), set back to 0 at the start of an episode.
 *   3. mu and Q are two networks of the same hidden layers; a enters Q's first layer, beside s (paper: the second).
 *   4. The paper's weight decay of Q is left out.
 *   5. batch_norm = on (DDPG-21), off unless asked for, normalises s and mu's hidden layers; of Q, where a enters the
 *      first layer, only s. mu's output is not normalised, as that would undo its small first weights. Acting uses
 *      running statistics (paper); on the updates it is silent. Here the steps of Q and of mu use the batch's, a' and
 *      y the targets' running ones, which are averaged as their weights are (DDPG-19). batch_norm = running: Q sees
 *      s by its running ones in both steps, as OpenAI's Baselines normalise observations; mu as before. td3.c, as its
 *      paper, does without.
 *
 * Critical
 *   - d is for s' that TERMINATED the task: y = r there (ERR-67). After the time limit d = 0.
 *   - y is a number: no gradient passes through the targets, nor into phi where theta steps (DDPG-18).
 *   - The gradient is that of an average over D, not over the states that mu visits: not grad J (ERR-68).
 *   - What is stored is the action that was taken, clipped.
 *   - With batch_norm = on Q and its target see one s differently, which Pendulum-v1 does not survive.
 *   - Without bounds on the action mu may run away where Q is wrong, and the state with it: in the regulator at its
 *     limit of 100 steps most seeds do. `--limit 5 --set gamma=0.9` learns it. */
#include "algorithms/ddpg.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "algorithms/noise.h"
#include "algorithms/target.h"
#include "autodiff/require.h"

static const char *const batch_norms[] = { "off", "on", "running", NULL };

const ddpg_config ddpg_defaults = {
    .gamma = 0.99, .lr = 1e-3, .lr_Q = 1e-3, .rho = 0.995, .batch = 100, .capacity = 200000, .start_steps = 1000,
    .update_every = 1, .sigma = 0.1, .ou_theta = 0.15, .hidden = { 2, { 64, 64 } }, .activation = AD_RELU,
};

#define FIELD(name) #name, .at = offsetof(ddpg_config, name)
#define REAL(least, most) .kind = CONFIG_REAL, .low = least, .high = most
#define WHOLE(least, most) .kind = CONFIG_WHOLE, .low = least, .high = most
#define CHOICE(names) .kind = CONFIG_CHOICE, .choices = names
const config_field ddpg_fields[] = {
    { FIELD(gamma), REAL(0, 1), .about = "discount gamma; paper: .99" },
    { FIELD(lr), REAL(0, 1e300), .about = "step size of mu; paper: 1e-4, Spinning Up: 1e-3" },
    { FIELD(lr_Q), REAL(0, 1e300), .about = "step size of Q; both: 1e-3" },
    { FIELD(rho), REAL(0, 1 - 1e-9), .about = "what the targets keep of themselves; paper: .999, Spinning Up: .995" },
    { FIELD(batch), WHOLE(1, 1e6), .about = "|B|, transitions of an update; paper: 64, Spinning Up: 100" },
    { FIELD(capacity), WHOLE(1, 1e9), .about = "of the replay buffer D; paper: 1e6" },
    { FIELD(start_steps), WHOLE(0, 1e15), .about = "random steps before the first update; without bounds mu's" },
    { FIELD(update_every), WHOLE(1, 1e6), .about = "so many steps, then as many updates; paper: 1" },
    { FIELD(noise), CHOICE(noise_kinds), .about = "on the actions; paper: ou" },
    { FIELD(sigma), REAL(0, 1e300), .about = "its size, in half widths; paper: .2, of ou; Spinning Up: .1" },
    { FIELD(ou_theta), REAL(0, 2), .about = "of ou, the rate at which it comes back to 0; paper: .15" },
    { FIELD(hidden), .kind = CONFIG_WIDTHS, .about = "hidden layers of mu and Q; paper: 400,300" },
    { FIELD(activation), CHOICE(config_activations), .about = "in the hidden layers" },
    { FIELD(batch_norm), CHOICE(batch_norms), .about = "of s, mu's layers; running: Q's s by those; paper: on" },
    { .name = NULL },
};

/*[snip ddpg-y later]*/
/* DDPG-16   y(r,s',d) = r + gamma (1 - d) Q_phi_targ(s', mu_theta_targ(s')) */
ad ddpg_y(ad r, ad done, ad Q1, double gamma)
{
    /* BEGIN SOLUTION DDPG-16 */
    return ad_add(r, ad_scale(gamma, ad_mul(ad_shift(ad_neg(done), 1), Q1)));
    /* END SOLUTION */
}
/*[/snip]*/

/*[snip ddpg-critic later]*/
/* DDPG-21   s for Q in the steps of Q and of mu, by the batch's or by running statistics; for y by the targets' */
enum batch_norm_mode ddpg_Q_mode(const ddpg_config *c)
{
    return c->batch_norm == DDPG_NORM_RUNNING ? BATCH_NORM_EVALUATE : BATCH_NORM_TRAIN;
}

/* DDPG-17, DDPG-3   L(phi) = mean_B (Q_phi(s,a) - y)^2;   DDPG-9   y is held constant */
ad ddpg_L(ad Q, ad y)
{
    /* BEGIN SOLUTION DDPG-17 */
    return ad_mean(ad_square(ad_sub(Q, ad_detach(y))));
    /* END SOLUTION */
}

/* DDPG-17   -grad L = 2/|B| sum_B (y - Q_phi(s,a)) grad Q_phi(s,a) */
double ddpg_critic_gradient(ad_tape *t, const ddpg_config *c, const policy *p, const network *Q, const double *phi,
                            const double *theta_targ, const double *phi_targ, const minibatch *B, double *g)
{
    /* BEGIN SOLUTION DDPG-17 */
    ad_mark start = ad_here(t);
    int T = B->T, n = critic_n(p, Q);
    ad r  = ad_input(t, B->r, T, 1), done = ad_input(t, B->done, T, 1), s1 = ad_input(t, B->s1, T, B->d);
    ad a1 = policy_action(t, p, ad_input(t, theta_targ, p->n, 1), s1);                  /* DDPG-8 */
    ad Q1 = critic_Q_in(BATCH_NORM_EVALUATE, p, Q, ad_input(t, phi_targ, n, 1), s1, a1);
    ad y  = ad_reset_but(t, start, ddpg_y(r, done, Q1, c->gamma));                      /* DDPG-9 */
    ad x  = ad_input(t, phi, n, 1), s = ad_input(t, B->s, T, B->d), a = ad_input(t, B->a, T, B->k);
    ad L  = ddpg_L(critic_Q_in(ddpg_Q_mode(c), p, Q, x, s, a), y);
    ad_grad_into(ad_neg(L), x, g);
    double loss = ad_scalar(L);
    ad_reset(t, start);
    return loss;
    /* END SOLUTION */
}
/*[/snip]*/

/*[snip ddpg-actor later]*/
/* DDPG-18, DDPG-10   J(theta) = mean_B Q_phi(s, mu_theta(s)) */
ad ddpg_J(ad Q)
{
    /* BEGIN SOLUTION DDPG-18 */
    return ad_mean(Q);
    /* END SOLUTION */
}

/* DDPG-18, DDPG-11   grad J = mean_B (d mu_theta(s) / d theta)^T grad_a Q_phi(s,a) at a = mu_theta(s) */
double ddpg_actor_gradient(ad_tape *t, const ddpg_config *c, const policy *p, const network *Q, const double *theta,
                           const double *phi, const minibatch *B, double *g)
{
    /* BEGIN SOLUTION DDPG-18 */
    ad_mark start = ad_here(t);
    ad x = ad_input(t, theta, p->n, 1), s = ad_input(t, B->s, B->T, B->d);
    ad a = policy_action_in_training(t, p, x, s);
    ad J = ddpg_J(critic_Q_in(ddpg_Q_mode(c), p, Q, ad_input(t, phi, critic_n(p, Q), 1), s, a));
    ad_grad_into(J, x, g);
    double value = ad_scalar(J);
    ad_reset(t, start);
    return value;
    /* END SOLUTION */
}
/*[/snip]*/

/* ---- a step, an update ---- */

/*[snip ddpg-act later]*/
/* DDPG-13   a = clip(mu + eps, a_low, a_high) */
void ddpg_explore(const policy *p, const double *mu, const double *eps, double *a)
{
    /* BEGIN SOLUTION DDPG-13 */
    for (int i = 0; i < p->k; i++) {
        if (p->low) a[i] = fmin(fmax(mu[i] + (p->high[i] - p->low[i]) / 2 * eps[i], p->low[i]), p->high[i]);
        else        a[i] = mu[i] + eps[i];
    }
    /* END SOLUTION */
}

/* DDPG-13   a, with mu = mu_theta(s) and noise that goes on from step to step; at first uniform in the box */
void ddpg_act(const ddpg_config *c, replay_learner *l, long t, gsl_rng *rng)
{
    const policy *p = &l->p;
    noise_next(c->noise, p->k, c->ou_theta, c->sigma, rng, l->eps);
    actor_mode(l->pi, l->s, l->a);
    ddpg_explore(p, l->a, l->eps, l->a);
    for (int i = 0; p->low && t <= c->start_steps && i < p->k; i++)
        l->a[i] = p->low[i] + (p->high[i] - p->low[i]) * gsl_rng_uniform(rng);
}
/*[/snip]*/

/*[snip ddpg-update later]*/
/* DDPG-15   Q, then mu, then the targets */
static void update(const ddpg_config *c, replay_learner *l, gsl_rng *rng)
{
    /* BEGIN SOLUTION DDPG-15 */
    replay_sample(l->D, rng, l->B);
    if (c->batch_norm) critic_track(l->t, &l->p, &l->Q, l->B->T, l->B->s, l->B->a, l->phi);     /* DDPG-21 */
    if (c->batch_norm) policy_track(l->t, &l->p, l->B->T, l->B->s, l->theta);
    l->L = ddpg_critic_gradient(l->t, c, &l->p, &l->Q, l->phi, l->theta_targ, l->phi_targ, l->B, l->g);
    adam_ascend(&l->step_Q, l->phi, l->g);                                              /* DDPG-17 */
    l->J = ddpg_actor_gradient(l->t, c, &l->p, &l->Q, l->theta, l->phi, l->B, l->g);
    adam_ascend(&l->step, l->theta, l->g);                                              /* DDPG-18 */
    target_polyak(l->nQ, c->rho, l->phi, l->phi_targ);                                  /* DDPG-19 */
    target_polyak(l->n, c->rho, l->theta, l->theta_targ);
    /* END SOLUTION */
}
/*[/snip]*/

policy ddpg_policy(const env *e, const void *config)
{
    const ddpg_config *c = config;
    policy p = deterministic_policy_of(e, c->hidden.layers, c->hidden.width, (enum ad_activation)c->activation);
    return c->batch_norm ? policy_normalised(p) : p;
}

replay_learner ddpg_learner(const ddpg_config *c, const env *e)
{
    const policy p = ddpg_policy(e, c);
    const network Q = critic_Q_of_box(&p);
    return replay_learner_new(e, &p, &Q, 1, c->lr, c->lr_Q, c->capacity, c->batch);
}

void ddpg_check(const void *config)
{
    const ddpg_config *c = config;
    if (c->batch_norm && c->batch < 2)
        bad_input("--set: expected batch >= 2 with batch_norm=%s: one has no variance", batch_norms[c->batch_norm]);
}

enum { ROW = 100 };             /* steps from one look of the plumbing to the next */

void ddpg(run *training, const void *config)
{
    const ddpg_config *c = config;
    env *e = training->env;
    replay_learner l = ddpg_learner(c, e);
    rollout *seen = rollout_new(e);
    size_t n = l.n, nQ = l.nQ;

    replay_learner_init(&l, training->init_rng);
    const kept survives[] = { { "theta", l.theta, n }, { "phi", l.phi, nQ }, { "theta_targ", l.theta_targ, n },
                              { "phi_targ", l.phi_targ, nQ }, { "m, v", l.m, 2 * (n + nQ) },
                              { .name = "t", .count = &l.step.t }, { .name = "t of Q", .count = &l.step_Q.t },
                              { "eps", l.eps, (size_t)l.p.k }, { "D", l.D->x, l.D->n, .seen = true },
                              { .name = "stored in D", .count = &l.D->count }, { .name = NULL } };
    const shown beside[] = { { "L", &l.L }, { "J", &l.J }, { .name = NULL } };
    run_begin(training, survives, beside);
    /*[snip ddpg-step later]*/
    while (run_update(training, seen)) {
        rollout_clear(seen);
        for (long t = training->steps + 1; seen->T < ROW; t++) {
            bool terminated, truncated;
            double r;
            if (e->over) {
                env_reset(e, training->env_rng);
                memset(l.eps, 0, (size_t)l.p.k * sizeof *l.eps);
            }
            memcpy(l.s, e->obs, (size_t)l.p.d * sizeof *l.s);
            ddpg_act(c, &l, t, training->policy_rng);                                   /* DDPG-13 */
            env_step(e, l.a, &r, &terminated, &truncated);
            replay_store(l.D, l.s, l.a, r, e->obs, terminated);                         /* DDPG-20 */
            rollout_take(seen, ROW, e, l.s, l.a, r, terminated, truncated);
            if (t > c->start_steps && t % c->update_every == 0)
                for (long i = 0; i < c->update_every; i++) update(c, &l, training->update_rng);
        }
    }
    /*[/snip]*/
    run_end(training);

    rollout_free(seen);
    replay_learner_free(&l);
}
