/* TD3: twin delayed deep deterministic policy gradient (004, l.645-724; Fujimoto et al. 2018, arXiv:1802.09477,
 * Algorithm 1): ddpg.c with three changes, against values of Q that are too high.
 *
 *     initialise theta, phi_A, phi_B;  targets <- them;  D empty
 *     loop
 *         a = clip(mu_theta(s) + eps, a_low, a_high),  eps ~ noise                    TD3-10
 *         r, s', d;  (s, a, r, s', d) into D;  s <- s', or a reset                    TD3-9, DDPG-20
 *         B: |B| transitions of D, drawn uniformly
 *         a' = clip(mu_theta_targ(s') + clip(eps', -c, c), a_low, a_high)             TD3-4    smoothing
 *         y = r + gamma (1 - d) min(Q_A_targ(s', a'), Q_B_targ(s', a'))               TD3-3    twins
 *         phi_A, phi_B: a step of Adam each, down the gradient of mean_B (Q(s,a) - y)^2   TD3-6, TD3-11
 *         at every d-th update of them:                                               TD3-8    delay
 *             theta: a step of Adam up the gradient of mean_B Q_A(s, mu_theta(s))     TD3-7, TD3-12
 *             targets <- rho targets + (1 - rho) of theta, phi_A, phi_B               TD3-13
 *
 * With twins = off, sigma_targ = 0, delay = 1 it is ddpg.c, bit for bit (TD3-16).
 *
 * Deviations from the source
 *   1. 004's box neither moves on to s', nor resets, nor waits until D has something in it (ERR-76); and prints
 *      "if (t mod d)", which is true when it should not be (ERR-75): here t mod d = 0, t counting updates of Q.
 *   2. eps' is clipped to [-c, c], eps is not: 004 l.705 takes one for the other (ERR-77).
 *   3. 004 writes kappa for 1 - rho (ERR-70).
 *   4. As ddpg.c: random actions first, noise in half widths of the box, two networks.
 *
 * Critical
 *   - d, of whether s' TERMINATED the task, is left out on the slides (ERR-67): an end after a reward
 *     of 1 would be worth 1/(1 - gamma) instead of 1.
 *   - eps' never reaches the environment: it is no exploration (ERR-74), but averages Q over actions near mu(s').
 *   - One y for both: the minimum is taken before, not each twin's own target.
 *   - y is a number: no gradient passes through the targets, nor into phi where theta steps (DDPG-18). */
#include "algorithms/td3.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "algorithms/noise.h"
#include "algorithms/target.h"
#include "autodiff/require.h"

const td3_config td3_defaults = {
    .gamma = 0.99, .lr = 1e-3, .lr_Q = 1e-3, .rho = 0.995, .batch = 100, .capacity = 200000, .start_steps = 1000,
    .update_every = 1, .sigma = 0.1, .ou_theta = 0.15, .twins = 1, .sigma_targ = 0.2, .c = 0.5,
    .delay = 2, .hidden = { 2, { 64, 64 } }, .activation = AD_RELU,
};

#define FIELD(name) #name, .at = offsetof(td3_config, name)
#define REAL(least, most) .kind = CONFIG_REAL, .low = least, .high = most
#define WHOLE(least, most) .kind = CONFIG_WHOLE, .low = least, .high = most
#define CHOICE(names) .kind = CONFIG_CHOICE, .choices = names
const config_field td3_fields[] = {
    { FIELD(gamma), REAL(0, 1), .about = "discount gamma; paper: .99" },
    { FIELD(lr), REAL(0, 1e300), .about = "step size of mu; paper: 1e-3" },
    { FIELD(lr_Q), REAL(0, 1e300), .about = "step size of Q; paper: 1e-3" },
    { FIELD(rho), REAL(0, 1 - 1e-9), .about = "what the targets keep of themselves; paper: .995" },
    { FIELD(batch), WHOLE(1, 1e6), .about = "|B|, transitions of an update; paper: 100" },
    { FIELD(capacity), WHOLE(1, 1e9), .about = "of the replay buffer D; paper: all steps, 1e6" },
    { FIELD(start_steps), WHOLE(0, 1e15), .about = "random steps before the first update; without bounds mu's" },
    { FIELD(update_every), WHOLE(1, 1e6), .about = "so many steps, then as many updates; paper: 1" },
    { FIELD(noise), CHOICE(noise_kinds), .about = "on the actions; paper: gaussian, DDPG's: ou" },
    { FIELD(sigma), REAL(0, 1e300), .about = "its size, in half widths of the box; paper: .1" },
    { FIELD(ou_theta), REAL(0, 2), .about = "of ou, the rate at which it comes back to 0; DDPG's paper: .15" },
    { FIELD(twins), CHOICE(config_switch), .about = "two Q, the lesser of them in y" },
    { FIELD(sigma_targ), REAL(0, 1e300), .about = "noise on the target's action, in half widths; paper: .2" },
    { FIELD(c), REAL(0, 1e300), .about = "its bound; paper: .5" },
    { FIELD(delay), WHOLE(1, 1e6), .about = "d: updates of Q for one of mu and the targets; paper: 2" },
    { FIELD(hidden), .kind = CONFIG_WIDTHS, .about = "hidden layers of mu and Q; paper: 400,300" },
    { FIELD(activation), CHOICE(config_activations), .about = "in the hidden layers" },
    { .name = NULL },
};

/*[snip td3-y later]*/
/* TD3-4   a' = clip(mu_theta_targ(s') + clip(eps', -c, c), a_low, a_high) */
ad td3_a1(ad_tape *t, const policy *p, ad mu1, ad eps, double c)
{
    /* BEGIN SOLUTION TD3-4 */
    ad near = ad_clip(eps, -c, c);
    if (!p->low) return ad_add(mu1, near);
    int T = ad_nrows(mu1);
    ad low = ad_rows(ad_input(t, p->low, 1, p->k), T), high = ad_rows(ad_input(t, p->high, 1, p->k), T);
    ad half = ad_scale(0.5, ad_sub(high, low));
    return ad_min(ad_max(ad_add(mu1, ad_mul(half, near)), low), high);
    /* END SOLUTION */
}

/* TD3-3   y(r,s',d) = r + gamma (1 - d) Q1,   Q1 = min(Q_A_targ(s',a'), Q_B_targ(s',a')) */
ad td3_y(ad r, ad done, ad Q1, double gamma)
{
    /* BEGIN SOLUTION TD3-3 */
    return ad_add(r, ad_scale(gamma, ad_mul(ad_shift(ad_neg(done), 1), Q1)));
    /* END SOLUTION */
}
/*[/snip]*/

/*[snip td3-loss later]*/
/* TD3-6   L(phi) = mean_B (Q_phi(s,a) - y)^2, of each twin;   DDPG-9   y is held constant */
ad td3_L(ad Q, ad y)
{
    /* BEGIN SOLUTION TD3-6 */
    return ad_mean(ad_square(ad_sub(Q, ad_detach(y))));
    /* END SOLUTION */
}

/* Q_A, or with twins Q_B, of x = (phi_A, phi_B) */
ad td3_twin(const network *Q, int which, ad x, ad s, ad a)
{
    int n = network_n(Q);
    return critic_Q_sa(Q, ad_view(x, which * n, n, 1), s, a);
}
/*[/snip]*/

/*[snip td3-critic later]*/
/* TD3-11   -grad L = 2/|B| sum_B (y - Q(s,a)) grad Q(s,a), in phi_A and in phi_B */
double td3_critic_gradient(ad_tape *t, const td3_config *c, const policy *p, const network *Q, const double *phi,
                           const double *theta_targ, const double *phi_targ, const double *eps, const minibatch *B,
                           double *g)
{
    /* BEGIN SOLUTION TD3-3,TD3-11 */
    ad_mark start = ad_here(t);
    int T = B->T, n = (c->twins ? 2 : 1) * network_n(Q);
    ad r  = ad_input(t, B->r, T, 1), done = ad_input(t, B->done, T, 1), s1 = ad_input(t, B->s1, T, B->d);
    ad a1 = policy_action(t, p, ad_input(t, theta_targ, p->n, 1), s1), x1 = ad_input(t, phi_targ, n, 1);
    if (eps) a1 = td3_a1(t, p, a1, ad_input(t, eps, T, B->k), c->c);                    /* TD3-4 */
    ad Q1 = td3_twin(Q, 0, x1, s1, a1);
    if (c->twins) Q1 = ad_min(Q1, td3_twin(Q, 1, x1, s1, a1));                          /* TD3-3 */
    ad y  = ad_reset_but(t, start, td3_y(r, done, Q1, c->gamma));                       /* DDPG-9 */
    ad x  = ad_input(t, phi, n, 1), s = ad_input(t, B->s, T, B->d), a = ad_input(t, B->a, T, B->k);
    ad L  = td3_L(td3_twin(Q, 0, x, s, a), y);
    if (c->twins) L = ad_add(L, td3_L(td3_twin(Q, 1, x, s, a), y));                     /* TD3-6 */
    ad_grad_into(ad_neg(L), x, g);
    double loss = ad_scalar(L);
    ad_reset(t, start);
    return loss;
    /* END SOLUTION */
}
/*[/snip]*/

/*[snip td3-actor later]*/
/* TD3-7   J(theta) = mean_B Q_A(s, mu_theta(s)) */
ad td3_J(ad Q)
{
    /* BEGIN SOLUTION TD3-7 */
    return ad_mean(Q);
    /* END SOLUTION */
}

/* TD3-12   grad J = mean_B (d mu_theta(s) / d theta)^T grad_a Q_A(s,a) at a = mu_theta(s) */
double td3_actor_gradient(ad_tape *t, const policy *p, const network *Q, const double *theta, const double *phi,
                          const minibatch *B, double *g)
{
    /* BEGIN SOLUTION TD3-12 */
    ad_mark start = ad_here(t);
    ad x = ad_input(t, theta, p->n, 1), s = ad_input(t, B->s, B->T, B->d);
    ad J = td3_J(critic_Q_sa(Q, ad_input(t, phi, network_n(Q), 1), s, policy_action(t, p, x, s)));
    ad_grad_into(J, x, g);
    double value = ad_scalar(J);
    ad_reset(t, start);
    return value;
    /* END SOLUTION */
}
/*[/snip]*/

/* ---- a step, an update ---- */

/*[snip td3-act later]*/
/* TD3-10   a = clip(mu + eps, a_low, a_high) */
void td3_explore(const policy *p, const double *mu, const double *eps, double *a)
{
    /* BEGIN SOLUTION TD3-10 */
    for (int i = 0; i < p->k; i++) {
        if (p->low) a[i] = fmin(fmax(mu[i] + (p->high[i] - p->low[i]) / 2 * eps[i], p->low[i]), p->high[i]);
        else        a[i] = mu[i] + eps[i];
    }
    /* END SOLUTION */
}

/* TD3-10   a, with mu = mu_theta(s) and noise that goes on from step to step; at first uniform in the box */
void td3_act(const td3_config *c, replay_learner *l, long t, gsl_rng *rng)
{
    const policy *p = &l->p;
    noise_next(c->noise, p->k, c->ou_theta, c->sigma, rng, l->eps);
    actor_mode(l->pi, l->s, l->a);
    td3_explore(p, l->a, l->eps, l->a);
    for (int i = 0; p->low && t <= c->start_steps && i < p->k; i++)
        l->a[i] = p->low[i] + (p->high[i] - p->low[i]) * gsl_rng_uniform(rng);
}
/*[/snip]*/

/*[snip td3-update later]*/
/* TD3-8   t mod d = 0 */
bool td3_due(long t, long delay)
{
    /* BEGIN SOLUTION TD3-8 */
    return t % delay == 0;
    /* END SOLUTION */
}

/* TD3-9   both Q, then, at every d-th time (TD3-8), mu and the targets */
static void update(const td3_config *c, replay_learner *l, gsl_rng *rng)
{
    /* BEGIN SOLUTION TD3-9 */
    const double *eps1 = c->sigma_targ > 0 ? l->eps1 : NULL;
    replay_sample(l->D, rng, l->B);
    if (eps1) noise_next(NOISE_GAUSSIAN, l->B->T * l->p.k, 0, c->sigma_targ, rng, l->eps1);     /* one for each */
    l->L = td3_critic_gradient(l->t, c, &l->p, &l->Q, l->phi, l->theta_targ, l->phi_targ, eps1, l->B, l->g);
    adam_ascend(&l->step_Q, l->phi, l->g);                                              /* TD3-11 */
    if (!td3_due(l->step_Q.t, c->delay)) return;
    l->J = td3_actor_gradient(l->t, &l->p, &l->Q, l->theta, l->phi, l->B, l->g);
    adam_ascend(&l->step, l->theta, l->g);                                              /* TD3-12 */
    target_polyak(l->nQ, c->rho, l->phi, l->phi_targ);                                  /* TD3-13 */
    target_polyak(l->n, c->rho, l->theta, l->theta_targ);
    /* END SOLUTION */
}
/*[/snip]*/

policy td3_policy(const env *e, const void *config)
{
    const td3_config *c = config;
    return deterministic_policy_of(e, c->hidden.layers, c->hidden.width, (enum ad_activation)c->activation);
}

replay_learner td3_learner(const td3_config *c, const env *e)
{
    const policy p = td3_policy(e, c);
    const network Q = critic_Q_of_box(&p);
    return replay_learner_new(e, &p, &Q, c->twins ? 2 : 1, c->lr, c->lr_Q, c->capacity, c->batch);
}

enum { ROW = 100 };             /* steps from one look of the plumbing to the next */

void td3(run *training, const void *config)
{
    const td3_config *c = config;
    env *e = training->env;
    replay_learner l = td3_learner(c, e);
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
    /*[snip td3-step later]*/
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
            td3_act(c, &l, t, training->policy_rng);                                    /* TD3-10 */
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
