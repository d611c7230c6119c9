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
 *      y the targets' running ones, which are averaged as their weights are (DDPG-19). td3.c, as its paper, does
 *      without, and `explain` leaves it out.
 *
 * Critical
 *   - d is for s' that TERMINATED the task: y = r there (ERR-67). After the time limit d = 0.
 *   - y is a number: no gradient passes through the targets, nor into phi where theta steps (DDPG-18).
 *   - The gradient is that of an average over D, not over the states that mu visits: not grad J (ERR-68).
 *   - What is stored is the action that was taken, clipped.
 *   - Without bounds on the action mu may run away where Q is wrong: with tanh, which is flat far out, it does so in
 *     the scalar regulator; relu keeps a slope there. */
#include "algorithms/ddpg.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "algorithms/critic.h"
#include "algorithms/explained.h"
#include "algorithms/noise.h"
#include "algorithms/target.h"
#include "autodiff/optimiser.h"
#include "autodiff/require.h"

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
    { FIELD(batch_norm), CHOICE(config_switch), .about = "batch normalisation of s and of mu's layers; paper: on" },
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
    ad r  = ad_input(t, B->r, T, 1), done = ad_input(t, B->done, T, 1), x = ad_input(t, phi, n, 1);
    ad s  = ad_input(t, B->s, T, B->d), a = ad_input(t, B->a, T, B->k), s1 = ad_input(t, B->s1, T, B->d);
    ad a1 = policy_action(t, p, ad_input(t, theta_targ, p->n, 1), s1);                  /* DDPG-8 */
    ad Q1 = critic_Q_in(BATCH_NORM_EVALUATE, p, Q, ad_input(t, phi_targ, n, 1), s1, a1);
    ad y  = ddpg_y(r, done, Q1, c->gamma);
    ad L  = ddpg_L(critic_Q_in(BATCH_NORM_TRAIN, p, Q, x, s, a), y);
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
double ddpg_actor_gradient(ad_tape *t, const policy *p, const network *Q, const double *theta, const double *phi,
                           const minibatch *B, double *g)
{
    /* BEGIN SOLUTION DDPG-18 */
    ad_mark start = ad_here(t);
    ad x = ad_input(t, theta, p->n, 1), s = ad_input(t, B->s, B->T, B->d);
    ad a = policy_action_in_training(t, p, x, s);
    ad J = ddpg_J(critic_Q_in(BATCH_NORM_TRAIN, p, Q, ad_input(t, phi, critic_n(p, Q), 1), s, a));
    ad_grad_into(J, x, g);
    double value = ad_scalar(J);
    ad_reset(t, start);
    return value;
    /* END SOLUTION */
}
/*[/snip]*/

/* ---- plumbing: what it works on ---- */

typedef struct {
    policy p;
    network Q;
    size_t n, nQ;
    double *theta, *phi, *theta_targ, *phi_targ;    /* [n], [nQ], and again, one behind the other */
    double *m, *g;                                  /* [2 (n + nQ)] Adam's, of theta, then of phi; [n or nQ] */
    double *a, *eps, *s;                            /* [k], [k], [d]: an action, its noise; s */
    adam step, step_Q;
    replay *D;
    minibatch *B;
    actor *mu;
    ad_tape *t;
    double L, J;                                    /* of the last update */
} learner;

static learner learner_new(const ddpg_config *c, const env *e)
{
    learner l = { .p = ddpg_policy(e, c), .L = NAN, .J = NAN };
    l.Q = critic_Q_of_box(&l.p);
    size_t n = l.n = (size_t)l.p.n, nQ = l.nQ = (size_t)critic_n(&l.p, &l.Q), k = (size_t)l.p.k;
    l.theta = allocate(5 * (n + nQ) + 2 * k + (size_t)l.p.d, sizeof *l.theta, "theta, phi");
    l.phi = l.theta + n, l.theta_targ = l.phi + nQ, l.phi_targ = l.theta_targ + n;
    l.m = l.phi_targ + nQ;
    l.g = l.m + 2 * (n + nQ);
    l.a = l.g + n + nQ, l.eps = l.a + k, l.s = l.eps + k;
    l.step = adam_of(n, c->lr, l.m);
    l.step_Q = adam_of(nQ, c->lr_Q, l.m + 2 * n);
    l.D = replay_new(e, c->capacity);
    l.B = minibatch_new(e, (int)c->batch);
    l.mu = actor_new(&l.p, l.theta);
    l.t = ad_tape_new();
    return l;
}

static void learner_init(learner *l, gsl_rng *rng)
{
    policy_init(&l->p, rng, l->theta);
    critic_init(&l->p, &l->Q, rng, l->phi);
    memcpy(l->theta_targ, l->theta, (l->n + l->nQ) * sizeof *l->theta);             /* both targets */
}

static void learner_free(learner *l)
{
    ad_tape_free(l->t);
    actor_free(l->mu);
    minibatch_free(l->B);
    replay_free(l->D);
    free(l->theta);
}

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
static void act(const ddpg_config *c, learner *l, const double *s, bool at_first, gsl_rng *rng)
{
    const policy *p = &l->p;
    noise_next(c->noise, p->k, c->ou_theta, c->sigma, rng, l->eps);
    actor_mode(l->mu, s, l->a);
    ddpg_explore(p, l->a, l->eps, l->a);
    for (int i = 0; p->low && at_first && i < p->k; i++)
        l->a[i] = p->low[i] + (p->high[i] - p->low[i]) * gsl_rng_uniform(rng);
}
/*[/snip]*/

/*[snip ddpg-update later]*/
/* DDPG-15   Q, then mu, then the targets */
static void update(const ddpg_config *c, learner *l, gsl_rng *rng)
{
    replay_sample(l->D, rng, l->B);
    if (c->batch_norm) critic_track(l->t, &l->p, &l->Q, l->B->T, l->B->s, l->B->a, l->phi);     /* DDPG-21 */
    if (c->batch_norm) policy_track(l->t, &l->p, l->B->T, l->B->s, l->theta);
    l->L = ddpg_critic_gradient(l->t, c, &l->p, &l->Q, l->phi, l->theta_targ, l->phi_targ, l->B, l->g);
    adam_ascend(&l->step_Q, l->phi, l->g);                                              /* DDPG-17 */
    l->J = ddpg_actor_gradient(l->t, &l->p, &l->Q, l->theta, l->phi, l->B, l->g);
    adam_ascend(&l->step, l->theta, l->g);                                              /* DDPG-18 */
    target_polyak(l->nQ, c->rho, l->phi, l->phi_targ);                                  /* DDPG-19 */
    target_polyak(l->n, c->rho, l->theta, l->theta_targ);
}
/*[/snip]*/

/*[snip ddpg-step later]*/
/* DDPG-15   a step from s, into D, and the updates that are due after t steps */
static void step(const ddpg_config *c, learner *l, run *training, rollout *seen, bool *terminated, bool *truncated)
{
    env *e = training->env;
    long t = training->steps + seen->T;
    double r;
    memcpy(l->s, e->obs, (size_t)l->p.d * sizeof *l->s);
    act(c, l, l->s, t < c->start_steps, training->policy_rng);
    env_step(e, l->a, &r, terminated, truncated);
    replay_store(l->D, l->s, l->a, r, e->obs, *terminated);
    rollout_add(seen, l->s, l->a, r);
    t++;
    if (t > c->start_steps && t % c->update_every == 0)
        for (long i = 0; i < c->update_every; i++) update(c, l, training->update_rng);
}
/*[/snip]*/

policy ddpg_policy(const env *e, const void *config)
{
    const ddpg_config *c = config;
    policy p = deterministic_policy_of(e, c->hidden.layers, c->hidden.width, (enum ad_activation)c->activation);
    return c->batch_norm ? policy_normalised(p) : p;
}

void ddpg_check(const void *config)
{
    const ddpg_config *c = config;
    if (c->batch_norm && c->batch < 2)
        bad_input("--set: expected batch >= 2 with batch_norm=on: one has no variance");
}

enum { ROW = 100 };             /* steps from one look of the plumbing to the next */

void ddpg(run *training, const void *config)
{
    const ddpg_config *c = config;
    env *e = training->env;
    learner l = learner_new(c, e);
    rollout *seen = rollout_new(e);
    size_t n = l.n, nQ = l.nQ;

    learner_init(&l, training->init_rng);
    const kept survives[] = { { "theta", l.theta, n }, { "phi", l.phi, nQ }, { "theta_targ", l.theta_targ, n },
                              { "phi_targ", l.phi_targ, nQ }, { "m, v", l.m, 2 * (n + nQ) },
                              { .name = "t", .count = &l.step.t }, { .name = "t of Q", .count = &l.step_Q.t },
                              { "eps", l.eps, (size_t)l.p.k }, { "D", l.D->x, l.D->n, .seen = true },
                              { .name = "stored in D", .count = &l.D->count }, { .name = NULL } };
    const shown beside[] = { { "L", &l.L }, { "J", &l.J }, { .name = NULL } };
    run_begin(training, survives, beside);
    while (run_update(training, seen)) {
        rollout_clear(seen);
        while (seen->T < ROW) {
            bool starts = e->over, terminated = false, truncated = false;
            if (starts) env_reset(e, training->env_rng);
            if (starts) memset(l.eps, 0, (size_t)l.p.k * sizeof *l.eps);
            while (!e->over && seen->T < ROW) step(c, &l, training, seen, &terminated, &truncated);
            rollout_end(seen, e->obs, starts, terminated, truncated);
        }
    }
    run_end(training);

    rollout_free(seen);
    learner_free(&l);
}

/* ---- one update, with its numbers: the first of a training run from that seed ---- */

enum { EXPLAINED_STEPS = 4 };

static void explain_batch(FILE *out, const ddpg_config *c, learner *l)
{
    const minibatch *B = l->B;
    ad_mark start = ad_here(l->t);
    int T = B->T, nQ = network_n(&l->Q);
    ad s = ad_input(l->t, B->s, T, B->d), a = ad_input(l->t, B->a, T, B->k), s1 = ad_input(l->t, B->s1, T, B->d);
    ad a1 = policy_action(l->t, &l->p, ad_input(l->t, l->theta_targ, l->p.n, 1), s1);
    ad Q1 = critic_Q_sa(&l->Q, ad_input(l->t, l->phi_targ, nQ, 1), s1, a1);
    ad Q  = critic_Q_sa(&l->Q, ad_input(l->t, l->phi, nQ, 1), s, a);
    ad y  = ddpg_y(ad_input(l->t, B->r, T, 1), ad_input(l->t, B->done, T, 1), Q1, c->gamma);
    fprintf(out, "%9s %9s %9s %9s %13s %13s %9s %9s\n", "s", "a", "r", "s'", "a' = mu(s')", "Q_targ(s',a')", "y",
            "Q(s,a)");
    for (int i = 0; i < T; i++)
        fprintf(out, "%9.5f %9.5f %9.5f %9.5f %13.5f %13.5f %9.5f %9.5f\n", B->s[i], B->a[i], B->r[i], B->s1[i],
                ad_value(a1)[i], ad_value(Q1)[i], ad_value(y)[i], ad_value(Q)[i]);
    ad_reset(l->t, start);
}

static void explain_vector(FILE *out, int n, const char *const name[], const double *g, const double *before,
                           const double *after)
{
    fprintf(out, "%21s %9s %9s %9s\n", "", "g", "before", "after");
    for (int i = 0; i < n; i++) fprintf(out, "%21s %9.5f %9.5f %9.5f\n", name[i], g[i], before[i], after[i]);
}

void ddpg_explain(FILE *out, const void *config, uint64_t seed)
{
    ddpg_config c = *(const ddpg_config *)config;
    env *e = explained_box();
    c.hidden.layers = c.batch_norm = 0;
    c.batch = c.batch < EXPLAINED_STEPS ? c.batch : EXPLAINED_STEPS;
    c.capacity = EXPLAINED_STEPS;
    run *streams = run_new("ddpg", e, seed, 0);
    learner l = learner_new(&c, e);
    double before[8];

    require(l.n + l.nQ <= 8, "%zu parameters of %s", l.n + l.nQ, e->id);
    learner_init(&l, streams->init_rng);
    memcpy(before, l.theta, (l.n + l.nQ) * sizeof *before);
    env_reset(e, streams->env_rng);
    for (int t = 0; t < EXPLAINED_STEPS; t++) {
        bool terminated, truncated;
        double r;
        memcpy(l.s, e->obs, (size_t)l.p.d * sizeof *l.s);
        act(&c, &l, l.s, false, streams->policy_rng);
        env_step(e, l.a, &r, &terminated, &truncated);
        replay_store(l.D, l.s, l.a, r, e->obs, terminated);
    }
    replay_sample(l.D, streams->update_rng, l.B);
    fprintf(out, "DDPG, its first update on %s, the scalar regulator, seed %llu; no hidden layers: mu(s) = K s + b,"
            " Q(s,a) linear\nD: %d steps; B: %ld of them, drawn with replacement; gamma = %g\n\n", e->id,
            (unsigned long long)seed, EXPLAINED_STEPS, c.batch, c.gamma);
    explain_batch(out, &c, &l);
    l.L = ddpg_critic_gradient(l.t, &c, &l.p, &l.Q, l.phi, l.theta_targ, l.phi_targ, l.B, l.g);
    adam_ascend(&l.step_Q, l.phi, l.g);
    fprintf(out, "DDPG-16  y = r + gamma (1 - d) Q_targ(s', mu_targ(s')); d = 0: nothing terminates here\n"
                 "DDPG-17  L = mean (Q(s,a) - y)^2 = %.5f; phi <- phi + Adam's step along g = -grad L, %g:\n", l.L,
            c.lr_Q);
    explain_vector(out, (int)l.nQ, (const char *const[]){ "of s", "of a", "b" }, l.g, before + l.n, l.phi);
    l.J = ddpg_actor_gradient(l.t, &l.p, &l.Q, l.theta, l.phi, l.B, l.g);
    adam_ascend(&l.step, l.theta, l.g);
    fprintf(out, "DDPG-18  J = mean Q(s, mu(s)) = %.5f, by the new phi; theta <- theta + Adam's step along g, %g:\n",
            l.J, c.lr);
    explain_vector(out, (int)l.n, (const char *const[]){ "K", "b" }, l.g, before, l.theta);
    target_polyak(l.nQ, c.rho, l.phi, l.phi_targ);
    target_polyak(l.n, c.rho, l.theta, l.theta_targ);
    fprintf(out, "DDPG-19  phi_targ <- rho phi_targ + (1 - rho) phi, rho = %g: of s %.5f, of a %.5f; K_targ = %.5f\n",
            c.rho, l.phi_targ[0], l.phi_targ[1], l.theta_targ[0]);

    learner_free(&l);
    run_free(streams);
    env_free(e);
}
