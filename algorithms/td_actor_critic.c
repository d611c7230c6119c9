/* TD actor-critic, on line (000 eq (10)-(12), l.213-229; 002 l.123-129).
 *
 *     initialise theta, v
 *     s
 *     loop
 *         a ~ pi_theta(.|s);  r, s'
 *         delta = r + gamma V_v(s') - V_v(s)                                                 TDA-1
 *         theta <- theta + alpha_theta gamma^t delta grad log pi_theta(a|s)                  TDA-3, TDA-6
 *         v <- v + alpha_v delta grad V_v(s)                                                 TDA-7
 *         s <- s'
 *
 * Two networks, theta and v (TDA-4); an update at every step (QAC-10), each from that step and no other.
 *
 * Deviations from the source
 *   1. gamma^t is a switch, off as on the page: without it theta follows the gradient of no function (ERR-3).
 *   2. The page's steps are `optimiser=sgd`. Adam is the default.
 *   3. 002 l.129 has delta^2 for a loss, here delta^2 / 2: a factor of alpha_v. Its critic "V, Q(s,a)" (l.128) is
 *      V (ERR-47).
 *
 * Critical
 *   - delta is a weight and r + gamma V_v(s') a target: numbers, through which no gradient passes. That of
 *     delta^2 with the target differentiated too has another fixed point (ERR-15).
 *   - (12) is an equation for delta of V^pi. With V_v the mean of delta is off from A^pi by
 *     gamma E[e(s')] - e(s), e the error of V_v (ERR-19).
 *   - No action is drawn ahead: each is taken with the newest theta.
 *   - Where the task ended V_v(s') is 0. Where the time limit cut the episode it is that of the last
 *     observation. */
#include "algorithms/td_actor_critic.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "algorithms/critic.h"
#include "algorithms/explained.h"
#include "autodiff/optimiser.h"
#include "autodiff/require.h"

typedef td_actor_critic_config settings;
typedef td_actor_critic_step step;
static const char *const optimisers[] = { "sgd", "adam", NULL };

const td_actor_critic_config td_actor_critic_defaults = {
    .gamma = 0.99, .lr = 3e-4, .lr_V = 1.5e-3, .optimiser = TD_ACTOR_CRITIC_ADAM,
    .hidden = { 1, { 64 } }, .activation = AD_TANH,
};

#define FIELD(name) #name, .at = offsetof(settings, name)
#define REAL(most) .kind = CONFIG_REAL, .low = 0, .high = most
#define CHOICE(names) .kind = CONFIG_CHOICE, .choices = names
const config_field td_actor_critic_fields[] = {
    { FIELD(gamma), REAL(1), .about = "discount gamma" },
    { FIELD(lr), REAL(1e300), .about = "step size alpha_theta of the policy" },
    { FIELD(lr_V), REAL(1e300), .about = "step size alpha_v of V" },
    { FIELD(gamma_t), CHOICE(config_switch), .about = "the policy's steps weighted by gamma^t" },
    { FIELD(optimiser), CHOICE(optimisers), .about = "what steps along the gradients" },
    { FIELD(hidden), .kind = CONFIG_WIDTHS, .about = "hidden layers of policy and critic" },
    { FIELD(activation), CHOICE(config_activations), .about = "in the hidden layers" },
    { .name = NULL },
};

/*[snip td-actor-critic-equations later]*/
/* TDA-1   delta = r + gamma V_v(s') - V_v(s) */
ad td_actor_critic_delta(ad r, ad gamma, ad V, ad V1)
{
    /* BEGIN SOLUTION TDA-1 */
    return ad_sub(ad_add(r, ad_mul(gamma, V1)), V);
    /* END SOLUTION */
}

/* TDA-6, TDA-3   delta log pi(a|s): its gradient in theta is delta grad log pi(a|s) */
ad td_actor_critic_actor(ad logp, ad delta)
{
    /* BEGIN SOLUTION TDA-6 */
    return ad_dot(ad_detach(delta), logp);
    /* END SOLUTION */
}

/* TDA-7   -1/2 delta^2, the target constant: its gradient in v is delta grad V_v(s) */
ad td_actor_critic_critic(ad r, ad gamma, ad V, ad V1)
{
    /* BEGIN SOLUTION TDA-7 */
    ad delta = td_actor_critic_delta(r, gamma, V, ad_detach(V1));
    return ad_scale(-0.5, ad_sum(ad_square(delta)));
    /* END SOLUTION */
}
/*[/snip]*/

/*[snip td-actor-critic-step later]*/
/* TDA-6   the update of one step: both gradients at theta and v, and at s, a, r, s' as they stand in x */
static void record(step *x, const policy *p, const network *fV, const double *at_theta, const double *at_v)
{
    ad_tape *t = x->t;
    ad theta = ad_input(t, at_theta, p->n, 1), v = ad_input(t, at_v, network_n(fV), 1);
    ad s = ad_input(t, x->s, 1, p->d), s1 = ad_input(t, x->s1, 1, p->d);
    ad r = ad_input(t, &x->r, 1, 1), gamma = ad_input(t, &x->gamma, 1, 1);
    ad gamma_t = ad_input(t, &x->gamma_t, 1, 1);
    /* BEGIN SOLUTION TDA-6 */
    x->logp    = policy_logp(t, p, theta, s, x->a, &x->index);
    x->V       = network_forward(fV, v, s);
    x->V1      = network_forward(fV, v, s1);
    x->delta   = td_actor_critic_delta(r, gamma, x->V, x->V1);
    x->g_theta = ad_grad(td_actor_critic_actor(x->logp, ad_mul(gamma_t, x->delta)), theta);
    x->g_v     = ad_grad(td_actor_critic_critic(r, gamma, x->V, x->V1), v);
    /* END SOLUTION */
    x->run = ad_slice(7, (ad[]){ theta, v, s, s1, r, gamma, gamma_t }, 4,
                      (ad[]){ x->logp, x->delta, x->g_theta, x->g_v });
}
/*[/snip]*/

td_actor_critic_step *td_actor_critic_step_new(const policy *p, const double *theta, const double *v)
{
    const network fV = critic_V(p);
    step *x = allocate(1, sizeof *x, "a step");
    *x = (step){ .t = ad_tape_new(), .s = allocate((size_t)(2 * p->d + p->k), sizeof *x->s, "s, s', a") };
    x->s1 = x->s + p->d;
    x->a = x->s1 + p->d;
    record(x, p, &fV, theta, v);
    return x;
}

void td_actor_critic_step_free(td_actor_critic_step *x)
{
    if (!x) return;
    ad_tape_free(x->t);
    free(x->s);
    free(x);
}

policy td_actor_critic_policy(const env *e, const void *config)
{
    const settings *c = config;
    return policy_of(e, c->hidden.layers, c->hidden.width, (enum ad_activation)c->activation);
}

/* ---- who learns: the parameters, what steps along their gradients, and the update's graph ---- */

/* TDA-4   two networks, theta and v */
struct learner {
    policy p;
    network fV;
    size_t n, nV;
    double *theta, *v;      /* [n], [nV] */
    double *m;              /* Adam's, of both */
    adam along, along_V;
    actor *pi;
    step *x;
};

static struct learner learner_new(const settings *c, const env *e, gsl_rng *init_rng)
{
    struct learner l = { .p = td_actor_critic_policy(e, c) };
    l.fV = critic_V(&l.p);
    l.n = (size_t)l.p.n;
    l.nV = (size_t)network_n(&l.fV);
    l.theta = allocate(l.n, sizeof *l.theta, "theta");
    l.v = allocate(l.nV, sizeof *l.v, "v");
    l.m = allocate(2 * (l.n + l.nV), sizeof *l.m, "Adam");
    l.along = adam_of(l.n, c->lr, l.m);
    l.along_V = adam_of(l.nV, c->lr_V, l.m + 2 * l.n);
    policy_init(&l.p, init_rng, l.theta);
    network_init_orthogonal(&l.fV, sqrt(2), 1, init_rng, l.v);
    l.pi = actor_new(&l.p, l.theta);
    l.x = td_actor_critic_step_new(&l.p, l.theta, l.v);
    return l;
}

static void learner_free(struct learner *l)
{
    td_actor_critic_step_free(l->x);
    actor_free(l->pi);
    free(l->m);
    free(l->v);
    free(l->theta);
}

/*[snip td-actor-critic-loop later]*/
/* In s: a ~ pi_theta(.|s), r and s' */
static void act(const settings *c, struct learner *l, env *e, gsl_rng *rng, bool *terminated, bool *truncated)
{
    step *x = l->x;
    memcpy(x->s, e->obs, (size_t)l->p.d * sizeof *x->s);
    actor_draw(l->pi, rng, x->s, x->a);
    if (l->p.nA) x->index = (int)*x->a;
    x->gamma_t = c->gamma_t ? pow(c->gamma, e->t) : 1;
    env_step(e, x->a, &x->r, terminated, truncated);
    memcpy(x->s1, e->obs, (size_t)l->p.d * sizeof *x->s1);
    x->gamma = *terminated ? 0 : c->gamma;
}

static void ascend(int optimiser, adam *along, double *theta, ad g)
{
    if (optimiser == TD_ACTOR_CRITIC_ADAM) adam_ascend(along, theta, ad_value(g));
    else                                   sgd_ascend(along->n, along->lr, theta, ad_value(g));
}

/* TDA-6   theta <- theta + alpha_theta g_theta;  v <- v + alpha_v g_v */
static void update(const settings *c, struct learner *l)
{
    ad_run(&l->x->run);
    ascend(c->optimiser, &l->along, l->theta, l->x->g_theta);
    ascend(c->optimiser, &l->along_V, l->v, l->x->g_v);
}
/*[/snip]*/

enum { ROW = 100 };             /* steps, and updates, from one look of the plumbing to the next */

void td_actor_critic(run *training, const void *config)
{
    const settings *c = config;
    env *e = training->env;
    struct learner l = learner_new(c, e, training->init_rng);
    rollout *seen = rollout_new(e);

    const kept survives[] = { { "theta", l.theta, l.n }, { "v", l.v, l.nV },
                              { "Adam", l.m, 2 * (l.n + l.nV) },
                              { .name = "t", .count = &l.along.t },
                              { .name = "t of V", .count = &l.along_V.t },
                              { .name = NULL } };
    run_begin(training, survives, NULL);
    while (run_update(training, seen)) {
        rollout_clear(seen);
        while (seen->T < ROW) {
            bool starts = e->over, terminated = false, truncated = false;
            if (starts) env_reset(e, training->env_rng);
            while (!e->over && seen->T < ROW) {
                act(c, &l, e, training->policy_rng, &terminated, &truncated);
                rollout_add(seen, l.x->s, l.x->a, l.x->r);
                update(c, &l);                                                  /* QAC-10  at every step */
            }
            rollout_end(seen, e->obs, starts, terminated, truncated);
        }
    }
    run_end(training);

    rollout_free(seen);
    learner_free(&l);
}

/* ---- one update, with its numbers: the first of a training run from that seed ---- */

void td_actor_critic_explain(FILE *out, const void *config, uint64_t seed)
{
    settings c = *(const settings *)config;
    env *e = explained_env();
    c.hidden.layers = 0;
    run *streams = run_new("td_actor_critic", e, seed, 0);
    struct learner l = learner_new(&c, e, streams->init_rng);
    const step *x = l.x;
    double *before = allocate(l.n + l.nV, sizeof *before, "theta, v"), *before_v = before + l.n;
    memcpy(before, l.theta, l.n * sizeof *before);
    memcpy(before_v, l.v, l.nV * sizeof *before_v);
    bool terminated, truncated;
    env_reset(e, streams->env_rng);
    int s = env_state(e);
    act(&c, &l, e, streams->policy_rng, &terminated, &truncated);
    update(&c, &l);

    const char *steps = c.optimiser == TD_ACTOR_CRITIC_ADAM ? "Adam's first step, alpha g / (|g| + 1e-8)"
                                                       : "alpha g";
    fprintf(out, "TD actor-critic, its first update on %s (states 0 .. 4, then the end; 3 actions), seed"
            " %llu;\nno hidden layers: V_v(s) is entry s of v, and b\n\n", e->id,
            (unsigned long long)seed);
    fprintf(out, "TDA-4    s = %d, a = %d: r = %.5f, s' = %d%s\n", s, x->index, x->r, env_state(e),
            terminated ? ", the end: V_v(s') counts 0" : "");
    fprintf(out, "         V_v(s) = %.5f, V_v(s') = %.5f\n", ad_scalar(x->V), terminated ? 0 : ad_scalar(x->V1));
    fprintf(out, "TDA-1    delta = r + gamma V_v(s') - V_v(s) = %.5f, gamma = %g\n", ad_scalar(x->delta),
            c.gamma);
    fprintf(out, "TDA-6    g = delta grad log pi(a|s), log pi(a|s) = %.5f;\n         theta <- theta + %s,"
            " alpha = %g:\n\n", ad_scalar(x->logp), steps, c.lr);
    explained_theta(out, &l.p, ad_value(x->g_theta), before, l.theta);
    fprintf(out, "\nTDA-7    g = delta grad V_v(s), of -delta^2/2 with the target constant;\n"
            "         v <- v + %s, alpha = %g:\n\n", steps, c.lr_V);
    explained_V(out, "v", (int)l.nV, ad_value(x->g_v), before_v, l.v);
    fprintf(out, "\nTDA-6    s <- s'\n");

    free(before);
    learner_free(&l);
    run_free(streams);
    env_free(e);
}
