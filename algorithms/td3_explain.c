/* `ascent explain td3`: the first update, with its numbers, of a run from that seed
 * that learns after 4 steps, without hidden layers. */
#include <string.h>

#include "algorithms/explained.h"
#include "algorithms/noise.h"
#include "algorithms/target.h"
#include "algorithms/td3.h"
#include "autodiff/require.h"

enum { EXPLAINED_STEPS = 4 };

static void explain_batch(FILE *out, const td3_config *c, replay_learner *l)
{
    const minibatch *B = l->B;
    ad_tape *t = l->t;
    ad_mark start = ad_here(t);
    int T = B->T, b = c->twins ? 1 : 0;                                 /* B, or A again */
    ad s = ad_input(t, B->s, T, B->d), a = ad_input(t, B->a, T, B->k), s1 = ad_input(t, B->s1, T, B->d);
    ad x = ad_input(t, l->phi, (int)l->nQ, 1), x1 = ad_input(t, l->phi_targ, (int)l->nQ, 1);
    ad mu1 = policy_action(t, &l->p, ad_input(t, l->theta_targ, l->p.n, 1), s1);
    ad eps = ad_input(t, l->eps1, T, B->k), a1 = td3_a1(t, &l->p, mu1, eps, c->c);
    ad Q1[2] = { td3_twin(&l->Q, 0, x1, s1, a1), td3_twin(&l->Q, b, x1, s1, a1) };
    ad Q[2]  = { td3_twin(&l->Q, 0, x, s, a), td3_twin(&l->Q, b, x, s, a) };
    ad y  = td3_y(ad_input(t, B->r, T, 1), ad_input(t, B->done, T, 1), ad_min(Q1[0], Q1[1]), c->gamma);
    fprintf(out, "%8s %8s %8s %8s %8s %8s %8s %8s %8s %8s %8s %8s\n", "s", "a", "r", "s'", "mu_targ", "eps'", "a'",
            "Q_A'", "Q_B'", "y", "Q_A", "Q_B");
    for (int i = 0; i < T; i++)
        fprintf(out, "%8.4f %8.4f %8.4f %8.4f %8.4f %8.4f %8.4f %8.4f %8.4f %8.4f %8.4f %8.4f\n", B->s[i], B->a[i],
                B->r[i], B->s1[i], ad_value(mu1)[i], l->eps1[i], ad_value(a1)[i], ad_value(Q1[0])[i],
                ad_value(Q1[1])[i], ad_value(y)[i], ad_value(Q[0])[i], ad_value(Q[1])[i]);
    ad_reset(t, start);
}

/* A batch, with its noise on the targets' actions */
static void draw(const td3_config *c, replay_learner *l, gsl_rng *rng)
{
    replay_sample(l->D, rng, l->B);
    if (c->sigma_targ > 0) noise_next(NOISE_GAUSSIAN, l->B->T * l->p.k, 0, c->sigma_targ, rng, l->eps1);
}

/* TD3-11 */
static void ascend_Q(const td3_config *c, replay_learner *l)
{
    const double *eps1 = c->sigma_targ > 0 ? l->eps1 : NULL;
    l->L = td3_critic_gradient(l->t, c, &l->p, &l->Q, l->phi, l->theta_targ, l->phi_targ, eps1, l->B, l->g);
    adam_ascend(&l->step_Q, l->phi, l->g);
}

static void explain_update(FILE *out, const td3_config *c, replay_learner *l, gsl_rng *rng)
{
    static const char *const of_Q[] = { "A, of s", "of a", "b", "B, of s", "of a", "b" };
    static const char *const of_mu[] = { "K", "b" };
    double before[8];
    require(l->n + l->nQ <= 8, "%zu parameters", l->n + l->nQ);
    memcpy(before, l->theta, (l->n + l->nQ) * sizeof *before);
    ascend_Q(c, l);
    fprintf(out, "TD3-4    a' = mu_targ(s') + clip(eps', -c, c), c = %g\n"
                 "TD3-3    y = r + gamma (1 - d) %s at s', a'; d = 0: nothing terminates here\n"
                 "TD3-11   L = mean (Q_A - y)^2%s = %.6g; phi <- phi + Adam's step along g = -grad L, %g:\n",
            c->c, c->twins ? "min(Q_A', Q_B'), of the targets" : "Q_A', of the target (twins = off: B is A again)",
            c->twins ? " + mean (Q_B - y)^2" : "", l->L, c->lr_Q);
    explained_vector(out, l->nQ, of_Q, l->g, before + l->n, l->phi);
    for (long t = 2; t <= c->delay; t++) draw(c, l, rng), ascend_Q(c, l);
    if (c->delay > 1)
        fprintf(out, "TD3-8    1 mod %ld is not 0: mu and the targets stay, until update %ld, here by another B of"
                     " the same D: L = %.6g\n", c->delay, c->delay, l->L);
    l->J = td3_actor_gradient(l->t, &l->p, &l->Q, l->theta, l->phi, l->B, l->g);
    adam_ascend(&l->step, l->theta, l->g);
    fprintf(out, "TD3-12   J = mean Q_A(s, mu(s)) = %.5f, by the new phi;"
                 " theta <- theta + Adam's step along g, %g:\n", l->J, c->lr);
    explained_vector(out, l->n, of_mu, l->g, before, l->theta);
    target_polyak(l->nQ, c->rho, l->phi, l->phi_targ);
    target_polyak(l->n, c->rho, l->theta, l->theta_targ);
    fprintf(out, "TD3-13   phi_targ <- rho phi_targ + (1 - rho) phi, rho = %g: A of s %.5f; K_targ = %.5f\n", c->rho,
            l->phi_targ[0], l->theta_targ[0]);
}

void td3_explain(FILE *out, const void *config, uint64_t seed)
{
    td3_config c = *(const td3_config *)config;
    env *e = explained_box();
    c.hidden.layers = 0;
    c.batch = c.batch < EXPLAINED_STEPS ? c.batch : EXPLAINED_STEPS;
    c.capacity = EXPLAINED_STEPS;
    run *streams = run_new("td3", e, seed, 0);
    replay_learner l = td3_learner(&c, e);

    replay_learner_init(&l, streams->init_rng);
    env_reset(e, streams->env_rng);
    for (int t = 1; t <= EXPLAINED_STEPS; t++) {
        bool terminated, truncated;
        double r;
        memcpy(l.s, e->obs, (size_t)l.p.d * sizeof *l.s);
        td3_act(&c, &l, t, streams->policy_rng);
        env_step(e, l.a, &r, &terminated, &truncated);
        replay_store(l.D, l.s, l.a, r, e->obs, terminated);
    }
    draw(&c, &l, streams->update_rng);
    fprintf(out, "TD3, its first update on %s, the scalar regulator, seed %llu; no hidden layers: mu(s) = K s + b,"
            " Q(s,a) linear\nD: %d steps; B: %ld of them, drawn with replacement; gamma = %g\n\n", e->id,
            (unsigned long long)seed, EXPLAINED_STEPS, c.batch, c.gamma);
    explain_batch(out, &c, &l);
    explain_update(out, &c, &l, streams->update_rng);

    replay_learner_free(&l);
    run_free(streams);
    env_free(e);
}
