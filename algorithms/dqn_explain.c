/* `ascent explain dqn`: the first update, with its numbers, of a run from that seed
 * that learns after 5 steps, without hidden layers. */
#include <stdlib.h>
#include <string.h>

#include "algorithms/dqn.h"
#include "algorithms/explained.h"
#include "algorithms/target.h"
#include "autodiff/require.h"

enum { EXPLAINED_STEPS = 5 };

/* One-hot */
static int state_of(const double *s)
{
    int i = 0;
    while (s[i] != 1) i++;
    return i;
}

static void explain_batch(FILE *out, const dqn_config *c, replay_learner *l)
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

/* What the target does after so many steps, or would do, shown of the first Q(s,a) in B */
static void explain_target(FILE *out, const dqn_config *c, replay_learner *l)
{
    int s = state_of(l->B->s), a = l->B->index[0], i = s * l->p.nA + a;
    double before = l->phi_targ[i];
    bool due = target_due(EXPLAINED_STEPS - 1, EXPLAINED_STEPS, c->target_every);
    target_polyak(l->nQ, c->rho, l->phi, l->phi_targ);
    fprintf(out, "\nASQ-2    every target_every = %ld steps, %s: phi_targ <- rho phi_targ + (1 - rho) phi,"
                 " rho = %g%s;\n"
                 "         of s = %d, a = %d it %s from %.4f to %.4f\n", c->target_every,
            due ? "and so now" : "not yet after these 5", c->rho, c->rho > 0 ? "" : ", a copy", s, a,
            due ? "goes" : "would go", before, l->phi_targ[i]);
}

void dqn_explain(FILE *out, const void *config, uint64_t seed)
{
    dqn_config c = *(const dqn_config *)config;
    env *e = explained_env();
    c.hidden.layers = 0;
    c.batch = c.batch < EXPLAINED_STEPS ? c.batch : EXPLAINED_STEPS;
    c.capacity = EXPLAINED_STEPS;
    run *streams = run_new("dqn", e, seed, 0);
    replay_learner l = dqn_learner(&c, e);
    double *before = allocate(l.nQ, sizeof *before, "phi");

    replay_learner_init(&l, streams->init_rng);
    memcpy(before, l.phi, l.nQ * sizeof *before);
    for (int t = 1; t <= EXPLAINED_STEPS; t++) {
        bool terminated, truncated;
        double r;
        if (e->over) env_reset(e, streams->env_rng);
        memcpy(l.s, e->obs, (size_t)l.p.d * sizeof *l.s);
        dqn_act(&c, &l, t, streams->policy_rng);
        env_step(e, l.a, &r, &terminated, &truncated);
        replay_store(l.D, l.s, l.a, r, e->obs, terminated);
    }
    replay_sample(l.D, streams->update_rng, l.B);
    fprintf(out, "DQN, its first update on %s (states 0 .. 4, then the end; 3 actions), seed %llu; no hidden layers\n"
            "D: %d steps; B: %ld of them, drawn with replacement; gamma = %g, epsilon = %g\n\n", e->id,
            (unsigned long long)seed, EXPLAINED_STEPS, c.batch, c.gamma, l.epsilon);
    explain_batch(out, &c, &l);
    dqn_ascend(&c, &l);
    fprintf(out, "%s\nDDPG-7   L = mean (Q(s,a) - y)^2 = %.6g; phi <- phi + Adam's step along g = -grad L%s, %g:\n\n",
            c.double_Q ? "TD3-2    a' = argmax Q(s',a'), y = r + gamma (1 - d) Q_targ(s',a'): the maximum while"
                         " phi_targ = phi"
                       : "DDPG-7   y = r + gamma (1 - d) max Q_targ(s',a')", l.L,
            c.clip_norm > 0 ? ", no longer than clip_norm" : "", c.lr_Q);
    explained_table(out, "phi", &l.p, l.g, before, l.phi);
    explain_target(out, &c, &l);

    free(before);
    replay_learner_free(&l);
    run_free(streams);
    env_free(e);
}
