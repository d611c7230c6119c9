/* DQN: deep Q-learning (004, l.529-543; 002, l.150-157; Mnih et al. 2015, doi:10.1038/nature14236, Algorithm 1), what
 * DDPG is made of, for actions that are numbered.
 *
 *     initialise phi;  phi_targ <- phi;  D empty
 *     loop
 *         a: with probability epsilon any, else argmax_a Q_phi(s,a)                   PGT-6, ASQ-3
 *         r, s', d;  (s, a, r, s', d) into D;  s <- s', or a reset                    DDPG-20
 *         B: |B| transitions of D, drawn uniformly
 *         y = r + gamma (1 - d) max_a' Q_phi_targ(s', a')                             DDPG-7
 *          or r + gamma (1 - d) Q_phi_targ(s', argmax_a' Q_phi(s', a'))               TD3-2    double
 *         phi: a step of Adam down the gradient of mean_B (Q_phi(s,a) - y)^2          DDPG-7, DDPG-9
 *         phi_targ <- phi, every target_every steps                                   ASQ-2
 *
 * Deviations from the source
 *   1. 004 l.654 has DQN with two networks, one that chooses and one that evaluates: that is double Q-learning
 *      (van Hasselt 2010), and double_Q here with phi_targ as the second (ERR-73). DQN has one network, and a copy.
 *   2. 004's y has no (1 - d) (ERR-67).
 *   3. Adam for RMSProp; the norm of the gradient is bounded, where the paper bounds each error.
 *   4. target_every counts steps of the environment, as in CleanRL and SB3; the paper's C = 10^4 counts updates, one
 *      in four steps.
 *
 * Critical
 *   - d is for s' that TERMINATED the task: y = r there. After the time limit d = 0.
 *   - y is a number: no gradient passes through it, neither by phi_targ nor by phi that chooses a'.
 *   - The maximum of noisy values is too high in the mean, even where each of them is right (TD3-1). */
#include "algorithms/dqn.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "algorithms/epsilon.h"
#include "algorithms/target.h"
#include "autodiff/distribution.h"
#include "autodiff/require.h"

const dqn_config dqn_defaults = {
    .gamma = 0.99, .lr_Q = 1e-3, .target_every = 500, .batch = 128, .capacity = 10000, .start_steps = 1000,
    .update_every = 1, .epsilon = 0.05, .anneal_steps = 10000, .clip_norm = 10, .hidden = { 2, { 64, 64 } },
    .activation = AD_RELU,
};

#define FIELD(name) #name, .at = offsetof(dqn_config, name)
#define REAL(least, most) .kind = CONFIG_REAL, .low = least, .high = most
#define WHOLE(least, most) .kind = CONFIG_WHOLE, .low = least, .high = most
#define CHOICE(names) .kind = CONFIG_CHOICE, .choices = names
const config_field dqn_fields[] = {
    { FIELD(gamma), REAL(0, 1), .about = "discount gamma; paper: .99" },
    { FIELD(lr_Q), REAL(0, 1e300), .about = "step size of Q; paper: 2.5e-4, of RMSProp" },
    { FIELD(target_every), WHOLE(1, 1e15), .about = "steps between copies into the target; CleanRL: 500" },
    { FIELD(rho), REAL(0, 1 - 1e-9), .about = "what the target keeps of itself then; 0: a copy" },
    { FIELD(double_Q), CHOICE(config_switch), .about = "a' chosen by phi, its worth said by phi_targ" },
    { FIELD(batch), WHOLE(1, 1e6), .about = "|B|, transitions of an update; paper: 32, CleanRL: 128" },
    { FIELD(capacity), WHOLE(1, 1e9), .about = "of the replay buffer D; paper: 1e6, CleanRL: 1e4" },
    { FIELD(start_steps), WHOLE(0, 1e15), .about = "steps before the first update, of random actions" },
    { FIELD(update_every), WHOLE(1, 1e6), .about = "so many steps, then as many updates; paper: 4, then 1" },
    { FIELD(epsilon), REAL(0, 1), .about = "probability of a random action in the end; CleanRL: .05" },
    { FIELD(anneal_steps), WHOLE(0, 1e15), .about = "steps until epsilon has come there from 1" },
    { FIELD(clip_norm), REAL(0, 1e300), .about = "greatest norm of the gradient, 0: any; SB3: 10" },
    { FIELD(hidden), .kind = CONFIG_WIDTHS, .about = "hidden layers of Q" },
    { FIELD(activation), CHOICE(config_activations), .about = "in the hidden layers" },
    { .name = NULL },
};

/*[snip dqn-y later]*/
/* DDPG-7, ASQ-1   y(r,s',d) = r + gamma (1 - d) Q1,   Q1 = max_a' Q_phi_targ(s',a') */
ad dqn_y(ad r, ad done, ad Q1, double gamma)
{
    /* BEGIN SOLUTION DDPG-7 */
    return ad_add(r, ad_scale(gamma, ad_mul(ad_shift(ad_neg(done), 1), Q1)));
    /* END SOLUTION */
}

/* TD3-2   a' = argmax_a' Q_phi(s',a'), index [T] */
void dqn_choice(int T, int nA, const double *Q, int *index)
{
    /* BEGIN SOLUTION TD3-2 */
    for (int i = 0; i < T; i++) index[i] = greedy_action(nA, Q + i * nA);
    /* END SOLUTION */
}
/*[/snip]*/

/*[snip dqn-critic later]*/
/* DDPG-7   L(phi) = mean_B (Q_phi(s,a) - y)^2;   DDPG-9   y is held constant */
ad dqn_L(ad Q, ad y)
{
    /* BEGIN SOLUTION DDPG-7 */
    return ad_mean(ad_square(ad_sub(Q, ad_detach(y))));
    /* END SOLUTION */
}

/* DDPG-7   -grad L = 2/|B| sum_B (y - Q_phi(s,a)) grad Q_phi(s,a) */
double dqn_gradient(ad_tape *t, const dqn_config *c, const network *Q, const double *phi, const double *phi_targ,
                    const minibatch *B, double *g)
{
    /* BEGIN SOLUTION DDPG-7 */
    ad_mark start = ad_here(t);
    int T = B->T, n = network_n(Q), nA = Q->size[Q->layers];
    int *a1 = allocate((size_t)T, sizeof *a1, "actions");
    ad r  = ad_input(t, B->r, T, 1), done = ad_input(t, B->done, T, 1), x = ad_input(t, phi, n, 1);
    ad s  = ad_input(t, B->s, T, B->d), s1 = ad_input(t, B->s1, T, B->d);
    ad Q1 = network_forward(Q, ad_input(t, phi_targ, n, 1), s1);                        /* [T x nA] */
    if (c->double_Q) dqn_choice(T, nA, ad_value(network_forward(Q, x, s1)), a1);        /* TD3-2 */
    ad y  = dqn_y(r, done, c->double_Q ? ad_gather(Q1, a1) : ad_row_max(Q1), c->gamma);
    ad L  = dqn_L(ad_gather(network_forward(Q, x, s), B->index), y);
    ad_grad_into(ad_neg(L), x, g);
    double loss = ad_scalar(L);
    ad_reset(t, start);
    free(a1);
    return loss;
    /* END SOLUTION */
}
/*[/snip]*/

/* ---- a step, an update ---- */

/*[snip dqn-act later]*/
/* ASQ-3   any action with probability epsilon, which falls from 1; else argmax_a Q_phi(s,a) */
void dqn_act(const dqn_config *c, replay_learner *l, long t, gsl_rng *rng)
{
    /* BEGIN SOLUTION ASQ-3 */
    l->epsilon = t <= c->start_steps ? 1 : epsilon_annealed(c->epsilon, (double)(t - 1), (double)c->anneal_steps);
    actor_epsilon(l->pi, l->epsilon);
    actor_draw(l->pi, rng, l->s, l->a);
    /* END SOLUTION */
}
/*[/snip]*/

/*[snip dqn-update later]*/
/* DDPG-7   phi <- a step of Adam along -grad L, which is no longer than clip_norm */
void dqn_ascend(const dqn_config *c, replay_learner *l)
{
    l->L = dqn_gradient(l->t, c, &l->Q, l->phi, l->phi_targ, l->B, l->g);
    if (c->clip_norm > 0) clip_global_norm((int)l->nQ, l->g, c->clip_norm);
    adam_ascend(&l->step_Q, l->phi, l->g);
}

static void update(const dqn_config *c, replay_learner *l, gsl_rng *rng)
{
    replay_sample(l->D, rng, l->B);
    dqn_ascend(c, l);
}
/*[/snip]*/

policy dqn_policy(const env *e, const void *config)
{
    const dqn_config *c = config;
    policy p = policy_of(e, c->hidden.layers, c->hidden.width, (enum ad_activation)c->activation);
    p.values = true;
    p.epsilon = c->epsilon;
    return p;
}

replay_learner dqn_learner(const dqn_config *c, const env *e)
{
    const policy p = dqn_policy(e, c);
    const network Q = critic_Q(&p);
    return replay_learner_new(e, &p, &Q, 1, 0, c->lr_Q, c->capacity, c->batch);
}

enum { ROW = 100 };             /* steps from one look of the plumbing to the next */

void dqn(run *training, const void *config)
{
    const dqn_config *c = config;
    env *e = training->env;
    replay_learner l = dqn_learner(c, e);
    rollout *seen = rollout_new(e);

    replay_learner_init(&l, training->init_rng);
    const kept survives[] = { { "theta", l.phi, l.nQ }, { "phi_targ", l.phi_targ, l.nQ }, { "m, v", l.m, 2 * l.nQ },
                              { .name = "t of Q", .count = &l.step_Q.t }, { "D", l.D->x, l.D->n, .seen = true },
                              { .name = "stored in D", .count = &l.D->count }, { .name = NULL } };
    const shown beside[] = { { "L", &l.L }, { "epsilon", &l.epsilon }, { .name = NULL } };
    run_begin(training, survives, beside);
    /*[snip dqn-step later]*/
    while (run_update(training, seen)) {
        rollout_clear(seen);
        for (long t = training->steps + 1; seen->T < ROW; t++) {
            bool terminated, truncated;
            double r;
            if (e->over) env_reset(e, training->env_rng);
            memcpy(l.s, e->obs, (size_t)l.p.d * sizeof *l.s);
            dqn_act(c, &l, t, training->policy_rng);                                    /* ASQ-3 */
            env_step(e, l.a, &r, &terminated, &truncated);
            replay_store(l.D, l.s, l.a, r, e->obs, terminated);                         /* DDPG-20 */
            rollout_take(seen, ROW, e, l.s, l.a, r, terminated, truncated);
            if (t > c->start_steps && t % c->update_every == 0)
                for (long i = 0; i < c->update_every; i++) update(c, &l, training->update_rng);
            if (target_due(t - 1, t, c->target_every)) target_polyak(l.nQ, c->rho, l.phi, l.phi_targ);  /* ASQ-2 */
        }
    }
    /*[/snip]*/
    run_end(training);

    rollout_free(seen);
    replay_learner_free(&l);
}
