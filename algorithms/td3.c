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

#include "algorithms/critic.h"
#include "algorithms/explained.h"
#include "algorithms/noise.h"
#include "algorithms/target.h"
#include "autodiff/optimiser.h"
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
static ad twin(const network *Q, int which, ad x, ad s, ad a)
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
    ad r  = ad_input(t, B->r, T, 1), done = ad_input(t, B->done, T, 1), x = ad_input(t, phi, n, 1);
    ad s  = ad_input(t, B->s, T, B->d), a = ad_input(t, B->a, T, B->k), s1 = ad_input(t, B->s1, T, B->d);
    ad a1 = policy_action(t, p, ad_input(t, theta_targ, p->n, 1), s1), x1 = ad_input(t, phi_targ, n, 1);
    if (eps) a1 = td3_a1(t, p, a1, ad_input(t, eps, T, B->k), c->c);                    /* TD3-4 */
    ad Q1 = twin(Q, 0, x1, s1, a1);
    if (c->twins) Q1 = ad_min(Q1, twin(Q, 1, x1, s1, a1));                              /* TD3-3 */
    ad y  = td3_y(r, done, Q1, c->gamma);
    ad L  = td3_L(twin(Q, 0, x, s, a), y);
    if (c->twins) L = ad_add(L, td3_L(twin(Q, 1, x, s, a), y));                         /* TD3-6 */
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

/* ---- plumbing: what it works on ---- */

typedef struct {
    policy p;
    network Q;
    size_t n, nQ;
    double *theta, *phi, *theta_targ, *phi_targ;    /* [n], [nQ], of both twins, and again, one behind the other */
    double *m, *g;                                  /* [2 (n + nQ)] Adam's, of theta, then of phi; [n or nQ] */
    double *a, *eps, *s;                            /* [k], [k], [d]: an action, its noise; s */
    double *eps1;                                   /* [batch x k] eps' */
    adam step, step_Q;
    replay *D;
    minibatch *B;
    actor *mu;
    ad_tape *t;
    double L, J;                                    /* of the last update */
} learner;

static learner learner_new(const td3_config *c, const env *e)
{
    learner l = { .p = td3_policy(e, c), .L = NAN, .J = NAN };
    l.Q = critic_Q_of_box(&l.p);
    size_t n = l.n = (size_t)l.p.n, nQ = l.nQ = (c->twins ? 2 : 1) * (size_t)network_n(&l.Q), k = (size_t)l.p.k;
    l.theta = allocate(5 * (n + nQ) + 2 * k + (size_t)l.p.d, sizeof *l.theta, "theta, phi");
    l.phi = l.theta + n, l.theta_targ = l.phi + nQ, l.phi_targ = l.theta_targ + n;
    l.m = l.phi_targ + nQ;
    l.g = l.m + 2 * (n + nQ);
    l.a = l.g + n + nQ, l.eps = l.a + k, l.s = l.eps + k;
    l.step = adam_of(n, c->lr, l.m);
    l.step_Q = adam_of(nQ, c->lr_Q, l.m + 2 * n);
    l.eps1 = allocate((size_t)c->batch * k, sizeof *l.eps1, "noise");
    l.D = replay_new(e, c->capacity);
    l.B = minibatch_new(e, (int)c->batch);
    l.mu = actor_new(&l.p, l.theta);
    l.t = ad_tape_new();
    return l;
}

static void learner_init(learner *l, gsl_rng *rng)
{
    policy_init(&l->p, rng, l->theta);
    for (size_t i = 0; i < l->nQ; i += (size_t)network_n(&l->Q)) network_init_fan_in(&l->Q, rng, l->phi + i);
    memcpy(l->theta_targ, l->theta, (l->n + l->nQ) * sizeof *l->theta);             /* both targets */
}

static void learner_free(learner *l)
{
    ad_tape_free(l->t);
    actor_free(l->mu);
    minibatch_free(l->B);
    replay_free(l->D);
    free(l->eps1);
    free(l->theta);
}

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
static void act(const td3_config *c, learner *l, const double *s, bool at_first, gsl_rng *rng)
{
    const policy *p = &l->p;
    noise_next(c->noise, p->k, c->ou_theta, c->sigma, rng, l->eps);
    actor_mode(l->mu, s, l->a);
    td3_explore(p, l->a, l->eps, l->a);
    for (int i = 0; p->low && at_first && i < p->k; i++)
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
static void update(const td3_config *c, learner *l, gsl_rng *rng)
{
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
}
/*[/snip]*/

/*[snip td3-step later]*/
/* TD3-9   a step from s, into D, and the updates that are due after t steps */
static void step(const td3_config *c, learner *l, run *training, rollout *seen, bool *terminated, bool *truncated)
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

policy td3_policy(const env *e, const void *config)
{
    const td3_config *c = config;
    return deterministic_policy_of(e, c->hidden.layers, c->hidden.width, (enum ad_activation)c->activation);
}

enum { ROW = 100 };             /* steps from one look of the plumbing to the next */

void td3(run *training, const void *config)
{
    const td3_config *c = config;
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

static void explain_batch(FILE *out, const td3_config *c, learner *l)
{
    const minibatch *B = l->B;
    ad_tape *t = l->t;
    ad_mark start = ad_here(t);
    int T = B->T, b = c->twins ? 1 : 0;                                 /* B, or A again */
    ad s = ad_input(t, B->s, T, B->d), a = ad_input(t, B->a, T, B->k), s1 = ad_input(t, B->s1, T, B->d);
    ad x = ad_input(t, l->phi, (int)l->nQ, 1), x1 = ad_input(t, l->phi_targ, (int)l->nQ, 1);
    ad mu1 = policy_action(t, &l->p, ad_input(t, l->theta_targ, l->p.n, 1), s1);
    ad eps = ad_input(t, l->eps1, T, B->k), a1 = td3_a1(t, &l->p, mu1, eps, c->c);
    ad Q1[2] = { twin(&l->Q, 0, x1, s1, a1), twin(&l->Q, b, x1, s1, a1) };
    ad Q[2]  = { twin(&l->Q, 0, x, s, a), twin(&l->Q, b, x, s, a) };
    ad y  = td3_y(ad_input(t, B->r, T, 1), ad_input(t, B->done, T, 1), ad_min(Q1[0], Q1[1]), c->gamma);
    fprintf(out, "%8s %8s %8s %8s %8s %8s %8s %8s %8s %8s %8s %8s\n", "s", "a", "r", "s'", "mu(s')", "eps'", "a'",
            "Q_A'", "Q_B'", "y", "Q_A", "Q_B");
    for (int i = 0; i < T; i++)
        fprintf(out, "%8.4f %8.4f %8.4f %8.4f %8.4f %8.4f %8.4f %8.4f %8.4f %8.4f %8.4f %8.4f\n", B->s[i], B->a[i],
                B->r[i], B->s1[i], ad_value(mu1)[i], l->eps1[i], ad_value(a1)[i], ad_value(Q1[0])[i],
                ad_value(Q1[1])[i], ad_value(y)[i], ad_value(Q[0])[i], ad_value(Q[1])[i]);
    ad_reset(t, start);
}

static void explain_vector(FILE *out, size_t n, const char *const name[], const double *g, const double *before,
                           const double *after)
{
    fprintf(out, "%21s %9s %9s %9s\n", "", "g", "before", "after");
    for (size_t i = 0; i < n; i++) fprintf(out, "%21s %9.5f %9.5f %9.5f\n", name[i], g[i], before[i], after[i]);
}

static void explain_update(FILE *out, const td3_config *c, learner *l)
{
    static const char *const of_Q[] = { "A, of s", "of a", "b", "B, of s", "of a", "b" };
    static const char *const of_mu[] = { "K", "b" };
    const double *eps1 = c->sigma_targ > 0 ? l->eps1 : NULL;
    double before[8];
    require(l->n + l->nQ <= 8, "%zu parameters", l->n + l->nQ);
    memcpy(before, l->theta, (l->n + l->nQ) * sizeof *before);
    l->L = td3_critic_gradient(l->t, c, &l->p, &l->Q, l->phi, l->theta_targ, l->phi_targ, eps1, l->B, l->g);
    adam_ascend(&l->step_Q, l->phi, l->g);
    fprintf(out, "TD3-4    a' = mu_targ(s') + clip(eps', -c, c), c = %g\n"
                 "TD3-3    y = r + gamma (1 - d) %s at s', a'; d = 0: nothing terminates here\n"
                 "TD3-11   L = mean (Q_A - y)^2%s = %.5f; phi <- phi + Adam's step along g = -grad L, %g:\n",
            c->c, c->twins ? "min(Q_A', Q_B'), of the targets" : "Q_A', of the target (twins = off: B is A again)",
            c->twins ? " + mean (Q_B - y)^2" : "", l->L, c->lr_Q);
    explain_vector(out, l->nQ, of_Q, l->g, before + l->n, l->phi);
    if (c->delay > 1) {
        fprintf(out, "TD3-8    1 mod %ld is not 0: mu and the targets stay\n", c->delay);
        return;
    }
    l->J = td3_actor_gradient(l->t, &l->p, &l->Q, l->theta, l->phi, l->B, l->g);
    adam_ascend(&l->step, l->theta, l->g);
    fprintf(out, "TD3-12   J = mean Q_A(s, mu(s)) = %.5f, by the new phi;"
                 " theta <- theta + Adam's step along g, %g:\n", l->J, c->lr);
    explain_vector(out, l->n, of_mu, l->g, before, l->theta);
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
    learner l = learner_new(&c, e);

    learner_init(&l, streams->init_rng);
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
    noise_next(NOISE_GAUSSIAN, l.B->T * l.p.k, 0, c.sigma_targ, streams->update_rng, l.eps1);
    fprintf(out, "TD3, its first update on %s, the scalar regulator, seed %llu; no hidden layers: mu(s) = K s + b,"
            " Q(s,a) linear\nD: %d steps; B: %ld of them, drawn with replacement; gamma = %g\n\n", e->id,
            (unsigned long long)seed, EXPLAINED_STEPS, c.batch, c.gamma);
    explain_batch(out, &c, &l);
    explain_update(out, &c, &l);

    learner_free(&l);
    run_free(streams);
    env_free(e);
}
