/* `ascent explain ddpg`: the first update of a training run from that seed, with its numbers. */
#include <string.h>

#include "algorithms/ddpg.h"
#include "algorithms/explained.h"
#include "algorithms/target.h"
#include "autodiff/require.h"

enum { EXPLAINED_STEPS = 4 };

static void explain_batch(FILE *out, const ddpg_config *c, replay_learner *l)
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

void ddpg_explain(FILE *out, const void *config, uint64_t seed)
{
    ddpg_config c = *(const ddpg_config *)config;
    env *e = explained_box();
    c.hidden.layers = c.batch_norm = 0;
    c.batch = c.batch < EXPLAINED_STEPS ? c.batch : EXPLAINED_STEPS;
    c.capacity = EXPLAINED_STEPS;
    run *streams = run_new("ddpg", e, seed, 0);
    replay_learner l = ddpg_learner(&c, e);
    double before[8];

    require(l.n + l.nQ <= 8, "%zu parameters of %s", l.n + l.nQ, e->id);
    replay_learner_init(&l, streams->init_rng);
    memcpy(before, l.theta, (l.n + l.nQ) * sizeof *before);
    env_reset(e, streams->env_rng);
    for (int t = 1; t <= EXPLAINED_STEPS; t++) {
        bool terminated, truncated;
        double r;
        memcpy(l.s, e->obs, (size_t)l.p.d * sizeof *l.s);
        ddpg_act(&c, &l, t, streams->policy_rng);
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
    explained_vector(out, l.nQ, (const char *const[]){ "of s", "of a", "b" }, l.g, before + l.n, l.phi);
    l.J = ddpg_actor_gradient(l.t, &l.p, &l.Q, l.theta, l.phi, l.B, l.g);
    adam_ascend(&l.step, l.theta, l.g);
    fprintf(out, "DDPG-18  J = mean Q(s, mu(s)) = %.5f, by the new phi; theta <- theta + Adam's step along g, %g:\n",
            l.J, c.lr);
    explained_vector(out, l.n, (const char *const[]){ "K", "b" }, l.g, before, l.theta);
    target_polyak(l.nQ, c.rho, l.phi, l.phi_targ);
    target_polyak(l.n, c.rho, l.theta, l.theta_targ);
    fprintf(out, "DDPG-19  phi_targ <- rho phi_targ + (1 - rho) phi, rho = %g: of s %.5f, of a %.5f; K_targ = %.5f\n",
            c.rho, l.phi_targ[0], l.phi_targ[1], l.theta_targ[0]);

    replay_learner_free(&l);
    run_free(streams);
    env_free(e);
}
