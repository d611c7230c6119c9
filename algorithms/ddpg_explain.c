/* `ascent explain ddpg`: the first update, with its numbers, of a run from that seed
 * that learns after 4 steps, without hidden layers. */
#include <string.h>

#include "algorithms/ddpg.h"
#include "algorithms/explained.h"
#include "algorithms/target.h"
#include "autodiff/require.h"

enum { EXPLAINED_STEPS = 4, PARAMETERS = 13 };          /* of mu 2, of Q 3; of batch normalisation 4 each */

static void explain_batch(FILE *out, const ddpg_config *c, replay_learner *l)
{
    const minibatch *B = l->B;
    ad_mark start = ad_here(l->t);
    int T = B->T, nQ = (int)l->nQ;
    ad s = ad_input(l->t, B->s, T, B->d), a = ad_input(l->t, B->a, T, B->k), s1 = ad_input(l->t, B->s1, T, B->d);
    ad a1 = policy_action(l->t, &l->p, ad_input(l->t, l->theta_targ, l->p.n, 1), s1);
    ad Q1 = critic_Q_in(BATCH_NORM_EVALUATE, &l->p, &l->Q, ad_input(l->t, l->phi_targ, nQ, 1), s1, a1);
    ad Q  = critic_Q_in(ddpg_Q_mode(c), &l->p, &l->Q, ad_input(l->t, l->phi, nQ, 1), s, a);
    ad y  = ddpg_y(ad_input(l->t, B->r, T, 1), ad_input(l->t, B->done, T, 1), Q1, c->gamma);
    fprintf(out, "%9s %9s %9s %9s %13s %13s %9s %9s\n", "s", "a", "r", "s'", "a'=mu_targ(s')", "Q_targ(s',a')", "y",
            "Q(s,a)");
    for (int i = 0; i < T; i++)
        fprintf(out, "%9.5f %9.5f %9.5f %9.5f %13.5f %13.5f %9.5f %9.5f\n", B->s[i], B->a[i], B->r[i], B->s1[i],
                ad_value(a1)[i], ad_value(Q1)[i], ad_value(y)[i], ad_value(Q)[i]);
    ad_reset(l->t, start);
}

/* DDPG-21   what mu and Q see of s, and what runs; without hidden layers s is all that is normalised */
static void explain_batch_norm(FILE *out, const ddpg_config *c, replay_learner *l)
{
    const minibatch *B = l->B;
    ad_mark start = ad_here(l->t);
    ad s = ad_input(l->t, B->s, B->T, B->d), mean = batch_mean(s), var = batch_var(s);
    ad seen = batch_norm(s, mean, var, ad_constant(l->t, 1, 1, 1), ad_constant(l->t, 0, 1, 1));
    fprintf(out, "DDPG-21  s in B has mean %.5f, var %.5f; running <- %g running + %g (mean, T/(T-1) var),"
                 " 0 and 1 at first\n         %s (s - mean) / sqrt(var + %g) =", ad_scalar(mean), ad_scalar(var),
            1 - BATCH_NORM_M, BATCH_NORM_M, c->batch_norm == DDPG_NORM_RUNNING ? "mu sees" : "mu and Q see",
            BATCH_NORM_EPS);
    for (int i = 0; i < B->T; i++) fprintf(out, " %.5f", ad_value(seen)[i]);
    fprintf(out, ";\n         the %s by their running mean and var\n\n",
            c->batch_norm == DDPG_NORM_RUNNING ? "targets, and Q," : "targets");
    ad_reset(l->t, start);
    critic_track(l->t, &l->p, &l->Q, B->T, B->s, B->a, l->phi);
    policy_track(l->t, &l->p, B->T, B->s, l->theta);
}

static void explain_update(FILE *out, const ddpg_config *c, replay_learner *l)
{
    static const char *const of_Q[] = { "of s", "of a", "b", "gain", "bias", "running mean", "running var" };
    static const char *const of_mu[] = { "K", "b", "gain", "bias", "running mean", "running var" };
    double before[PARAMETERS];
    require(l->n + l->nQ <= PARAMETERS, "%zu parameters", l->n + l->nQ);
    memcpy(before, l->theta, (l->n + l->nQ) * sizeof *before);
    if (c->batch_norm) explain_batch_norm(out, c, l);
    explain_batch(out, c, l);
    l->L = ddpg_critic_gradient(l->t, c, &l->p, &l->Q, l->phi, l->theta_targ, l->phi_targ, l->B, l->g);
    adam_ascend(&l->step_Q, l->phi, l->g);
    fprintf(out, "DDPG-16  y = r + gamma (1 - d) Q_targ(s', mu_targ(s')); d = 0: nothing terminates here\n"
                 "DDPG-17  L = mean (Q(s,a) - y)^2 = %.6g; phi <- phi + Adam's step along g = -grad L, %g:\n", l->L,
            c->lr_Q);
    explained_vector(out, l->nQ, of_Q, l->g, before + l->n, l->phi);
    l->J = ddpg_actor_gradient(l->t, c, &l->p, &l->Q, l->theta, l->phi, l->B, l->g);
    adam_ascend(&l->step, l->theta, l->g);
    fprintf(out, "DDPG-18  J = mean Q(s, mu(s)) = %.5f, by the new phi; theta <- theta + Adam's step along g, %g:\n",
            l->J, c->lr);
    explained_vector(out, l->n, of_mu, l->g, before, l->theta);
    if (c->batch_norm)
        fprintf(out, "         of K and of mu's gain g = 0: of what mu sees the mean is 0, and Q is linear\n");
    target_polyak(l->nQ, c->rho, l->phi, l->phi_targ);
    target_polyak(l->n, c->rho, l->theta, l->theta_targ);
    fprintf(out, "DDPG-19  phi_targ <- rho phi_targ + (1 - rho) phi, rho = %g: of s %.5f, of a %.5f; K_targ = %.5f\n",
            c->rho, l->phi_targ[0], l->phi_targ[1], l->theta_targ[0]);
}

void ddpg_explain(FILE *out, const void *config, uint64_t seed)
{
    ddpg_config c = *(const ddpg_config *)config;
    env *e = explained_box();
    c.hidden.layers = 0;
    c.batch = c.batch < EXPLAINED_STEPS ? c.batch : EXPLAINED_STEPS;
    c.capacity = EXPLAINED_STEPS;
    ddpg_check(&c);
    run *streams = run_new("ddpg", e, seed, 0);
    replay_learner l = ddpg_learner(&c, e);

    replay_learner_init(&l, streams->init_rng);
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
    fprintf(out, "DDPG, its first update on %s, the scalar regulator, seed %llu; no hidden layers: %s\n"
            "D: %d steps; B: %ld of them, drawn with replacement; gamma = %g\n\n", e->id,
            (unsigned long long)seed, c.batch_norm ? "mu and Q linear in s as it is normalised"
                                                   : "mu(s) = K s + b, Q(s,a) linear",
            EXPLAINED_STEPS, c.batch, c.gamma);
    explain_update(out, &c, &l);

    replay_learner_free(&l);
    run_free(streams);
    env_free(e);
}
