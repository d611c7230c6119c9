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
 *
 * Critical
 *   - d is for s' that TERMINATED the task: y = r there. After the time limit d = 0.
 *   - y is a number: no gradient passes through it, neither by phi_targ nor by phi that chooses a'.
 *   - The maximum of noisy values is too high in the mean, even where each of them is right (TD3-1). */
#include "algorithms/dqn.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "algorithms/critic.h"
#include "algorithms/epsilon.h"
#include "algorithms/explained.h"
#include "algorithms/target.h"
#include "autodiff/distribution.h"
#include "autodiff/optimiser.h"
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
    memcpy(g, ad_value(ad_grad(ad_neg(L), x)), (size_t)n * sizeof *g);
    double loss = ad_scalar(L);
    ad_reset(t, start);
    free(a1);
    return loss;
    /* END SOLUTION */
}
/*[/snip]*/

/* ---- plumbing: what it works on ---- */

typedef struct {
    policy p;                                       /* epsilon-greedy in Q */
    network Q;
    size_t nQ;
    double *phi, *phi_targ;                         /* [nQ], and again, one behind the other */
    double *m, *g;                                  /* [2 nQ] Adam's; [nQ] */
    double *a, *s;                                  /* [1], [d] */
    adam step_Q;
    replay *D;
    minibatch *B;
    actor *pi;
    ad_tape *t;
    double L, epsilon;                              /* of the last update; of the last action */
} learner;

static learner learner_new(const dqn_config *c, const env *e)
{
    learner l = { .p = dqn_policy(e, c), .L = NAN, .epsilon = NAN };
    l.Q = critic_Q(&l.p);
    size_t nQ = l.nQ = (size_t)network_n(&l.Q);
    l.phi = allocate(5 * nQ + 1 + (size_t)l.p.d, sizeof *l.phi, "phi");
    l.phi_targ = l.phi + nQ;
    l.m = l.phi_targ + nQ;
    l.g = l.m + 2 * nQ;
    l.a = l.g + nQ, l.s = l.a + 1;
    l.step_Q = adam_of(nQ, c->lr_Q, l.m);
    l.D = replay_new(e, c->capacity);
    l.B = minibatch_new(e, (int)c->batch);
    l.pi = actor_new(&l.p, l.phi);
    l.t = ad_tape_new();
    return l;
}

static void learner_init(learner *l, gsl_rng *rng)
{
    network_init_fan_in(&l->Q, rng, l->phi);
    memcpy(l->phi_targ, l->phi, l->nQ * sizeof *l->phi);
}

static void learner_free(learner *l)
{
    ad_tape_free(l->t);
    actor_free(l->pi);
    minibatch_free(l->B);
    replay_free(l->D);
    free(l->phi);
}

/* ---- a step, an update ---- */

/*[snip dqn-act later]*/
/* ASQ-3   any action with probability epsilon, which falls from 1; else argmax_a Q_phi(s,a) */
static void act(const dqn_config *c, learner *l, const double *s, long t, gsl_rng *rng)
{
    l->epsilon = t < c->start_steps ? 1 : epsilon_annealed(c->epsilon, (double)t, (double)c->anneal_steps);
    actor_epsilon(l->pi, l->epsilon);
    actor_draw(l->pi, rng, s, l->a);
}
/*[/snip]*/

/*[snip dqn-update later]*/
/* DDPG-7   phi <- a step of Adam along -grad L, which is no longer than clip_norm */
static void ascend(const dqn_config *c, learner *l)
{
    l->L = dqn_gradient(l->t, c, &l->Q, l->phi, l->phi_targ, l->B, l->g);
    if (c->clip_norm > 0) clip_global_norm((int)l->nQ, l->g, c->clip_norm);
    adam_ascend(&l->step_Q, l->phi, l->g);
}

static void update(const dqn_config *c, learner *l, gsl_rng *rng)
{
    replay_sample(l->D, rng, l->B);
    ascend(c, l);
}
/*[/snip]*/

/*[snip dqn-step later]*/
/* A step from s, into D, and the updates that are due after t steps; ASQ-2   the target */
static void step(const dqn_config *c, learner *l, run *training, rollout *seen, bool *terminated, bool *truncated)
{
    env *e = training->env;
    long t = training->steps + seen->T;
    double r;
    memcpy(l->s, e->obs, (size_t)l->p.d * sizeof *l->s);
    act(c, l, l->s, t, training->policy_rng);
    env_step(e, l->a, &r, terminated, truncated);
    replay_store(l->D, l->s, l->a, r, e->obs, *terminated);
    rollout_add(seen, l->s, l->a, r);
    t++;
    if (t > c->start_steps && t % c->update_every == 0)
        for (long i = 0; i < c->update_every; i++) update(c, l, training->update_rng);
    if (target_due(t - 1, t, c->target_every)) target_polyak(l->nQ, c->rho, l->phi, l->phi_targ);
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

enum { ROW = 100 };             /* steps from one look of the plumbing to the next */

void dqn(run *training, const void *config)
{
    const dqn_config *c = config;
    env *e = training->env;
    learner l = learner_new(c, e);
    rollout *seen = rollout_new(e);

    learner_init(&l, training->init_rng);
    const kept survives[] = { { "theta", l.phi, l.nQ }, { "phi_targ", l.phi_targ, l.nQ }, { "m, v", l.m, 2 * l.nQ },
                              { .name = "t of Q", .count = &l.step_Q.t }, { "D", l.D->x, l.D->n, .seen = true },
                              { .name = "stored in D", .count = &l.D->count }, { .name = NULL } };
    const shown beside[] = { { "L", &l.L }, { "epsilon", &l.epsilon }, { .name = NULL } };
    run_begin(training, survives, beside);
    while (run_update(training, seen)) {
        rollout_clear(seen);
        while (seen->T < ROW) {
            bool starts = e->over, terminated = false, truncated = false;
            if (starts) env_reset(e, training->env_rng);
            while (!e->over && seen->T < ROW) step(c, &l, training, seen, &terminated, &truncated);
            rollout_end(seen, e->obs, starts, terminated, truncated);
        }
    }
    run_end(training);

    rollout_free(seen);
    learner_free(&l);
}

/* ---- one update, with its numbers: the first of a training run from that seed ---- */

enum { EXPLAINED_STEPS = 5 };

/* One-hot */
static int state_of(const double *s)
{
    int i = 0;
    while (s[i] != 1) i++;
    return i;
}

static void explain_batch(FILE *out, const dqn_config *c, learner *l)
{
    const minibatch *B = l->B;
    ad_mark start = ad_here(l->t);
    int T = B->T, nQ = (int)l->nQ, nA = l->p.nA, a1[EXPLAINED_STEPS];
    ad phi = ad_input(l->t, l->phi, nQ, 1), s1 = ad_input(l->t, B->s1, T, B->d);
    ad Q  = ad_gather(network_forward(&l->Q, phi, ad_input(l->t, B->s, T, B->d)), B->index);
    ad Q1 = network_forward(&l->Q, ad_input(l->t, l->phi_targ, nQ, 1), s1);
    dqn_choice(T, nA, ad_value(c->double_Q ? network_forward(&l->Q, phi, s1) : Q1), a1);
    ad worth = ad_gather(Q1, a1);
    ad y  = dqn_y(ad_input(l->t, B->r, T, 1), ad_input(l->t, B->done, T, 1), worth, c->gamma);
    fprintf(out, "  s  a %9s  s' d  a' %14s %9s %9s\n", "r", "Q_targ(s',a')", "y", "Q(s,a)");
    for (int i = 0; i < T; i++)
        fprintf(out, "%3d %2d %9.5f %3d %g %3d %14.5f %9.5f %9.5f\n", state_of(B->s + i * B->d), B->index[i], B->r[i],
                state_of(B->s1 + i * B->d), B->done[i], a1[i], ad_value(worth)[i], ad_value(y)[i], ad_value(Q)[i]);
    ad_reset(l->t, start);
}

void dqn_explain(FILE *out, const void *config, uint64_t seed)
{
    dqn_config c = *(const dqn_config *)config;
    env *e = explained_env();
    c.hidden.layers = 0;
    c.batch = c.batch < EXPLAINED_STEPS ? c.batch : EXPLAINED_STEPS;
    c.capacity = EXPLAINED_STEPS;
    run *streams = run_new("dqn", e, seed, 0);
    learner l = learner_new(&c, e);
    double *before = allocate(l.nQ, sizeof *before, "phi");

    learner_init(&l, streams->init_rng);
    memcpy(before, l.phi, l.nQ * sizeof *before);
    for (int t = 0; t < EXPLAINED_STEPS; t++) {
        bool terminated, truncated;
        double r;
        if (e->over) env_reset(e, streams->env_rng);
        memcpy(l.s, e->obs, (size_t)l.p.d * sizeof *l.s);
        act(&c, &l, l.s, t, streams->policy_rng);
        env_step(e, l.a, &r, &terminated, &truncated);
        replay_store(l.D, l.s, l.a, r, e->obs, terminated);
    }
    replay_sample(l.D, streams->update_rng, l.B);
    fprintf(out, "DQN, its first update on %s (states 0 .. 4, then the end; 3 actions), seed %llu; no hidden layers\n"
            "D: %d steps; B: %ld of them, drawn with replacement; gamma = %g, epsilon = %g\n\n", e->id,
            (unsigned long long)seed, EXPLAINED_STEPS, c.batch, c.gamma, l.epsilon);
    explain_batch(out, &c, &l);
    ascend(&c, &l);
    fprintf(out, "%s\nDDPG-7   L = mean (Q(s,a) - y)^2 = %.5f; phi <- phi + Adam's step along g = -grad L, %g:\n\n",
            c.double_Q ? "TD3-2    a' = argmax Q(s',a'), y = r + gamma (1 - d) Q_targ(s',a'): the maximum while phi_targ"
                         " = phi"
                       : "DDPG-7   y = r + gamma (1 - d) max Q_targ(s',a')", l.L, c.lr_Q);
    explained_table(out, "phi", &l.p, l.g, before, l.phi);

    free(before);
    learner_free(&l);
    run_free(streams);
    env_free(e);
}
