/* Advantage actor-critic, on line (000 eq (8), (9), l.188-213; 002 l.118-121).
 *
 *     initialise theta, w, v
 *     s, a ~ pi_theta(.|s)
 *     loop
 *         r, s';  a' ~ pi_theta(.|s')
 *         theta <- theta + alpha_theta gamma^t (Q_w(s,a) - V_v(s)) grad log pi_theta(a|s)    BL-9
 *         delta = r + gamma Q_w(s',a') - Q_w(s,a);  delta_V = r + gamma V_v(s') - V_v(s)     QAC-4, TDA-1
 *         w <- w + alpha_w delta grad Q_w(s,a);  v <- v + alpha_v delta_V grad V_v(s)        QAC-7, TDA-7
 *         s, a <- s', a'
 *
 * Three networks, theta, w and v (BL-8); an update at every step (QAC-10), each from that step and no other.
 *
 * Deviations from the source
 *   1. gamma^t is a switch, off as on the page: without it theta follows the gradient of no function (ERR-3).
 *   2. The page's steps are `optimiser=sgd`. Adam is the default.
 *   3. 000 has no box for it: that of the Q actor-critic, with A_w for Q_w, and V_v learnt as Q_w is, by TD(0).
 *      Its name A2C is today's for something else: a2c.c.
 *
 * Critical
 *   - Q_w(s,a) - V_v(s) is a weight and both targets are numbers, through which no gradient passes. That of
 *     delta^2 with the target differentiated too has another fixed point (ERR-15).
 *   - V_v has no part in the mean of theta's step (BL-1), whether it is right or not. Q_w has: (9) is an equation
 *     for A^pi only (ERR-12).
 *   - a' comes from the policy before the step of theta, and is the action that is taken next.
 *   - V lowers the variance of theta's step in many problems, and raises it in some (BL-4, ERR-18). */
#include "algorithms/advantage_actor_critic.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "algorithms/critic.h"
#include "algorithms/explained.h"
#include "autodiff/optimiser.h"
#include "autodiff/require.h"

typedef advantage_actor_critic_config settings;
typedef advantage_actor_critic_step step;
static const char *const optimisers[] = { "sgd", "adam", NULL };

const advantage_actor_critic_config advantage_actor_critic_defaults = {
    .gamma = 0.99, .lr = 3e-4, .lr_Q = 1.5e-3, .lr_V = 1.5e-3, .optimiser = ADVANTAGE_ACTOR_CRITIC_ADAM,
    .hidden = { 1, { 64 } }, .activation = AD_TANH,
};

#define FIELD(name) #name, .at = offsetof(settings, name)
#define REAL(most) .kind = CONFIG_REAL, .low = 0, .high = most
#define CHOICE(names) .kind = CONFIG_CHOICE, .choices = names
const config_field advantage_actor_critic_fields[] = {
    { FIELD(gamma), REAL(1), .about = "discount gamma" },
    { FIELD(lr), REAL(1e300), .about = "step size alpha_theta of the policy" },
    { FIELD(lr_Q), REAL(1e300), .about = "step size alpha_w of Q" },
    { FIELD(lr_V), REAL(1e300), .about = "step size alpha_v of V" },
    { FIELD(gamma_t), CHOICE(config_switch), .about = "the policy's steps weighted by gamma^t" },
    { FIELD(optimiser), CHOICE(optimisers), .about = "what steps along the gradients" },
    { FIELD(hidden), .kind = CONFIG_WIDTHS, .about = "hidden layers of policy and critics" },
    { FIELD(activation), CHOICE(config_activations), .about = "in the hidden layers" },
    { .name = NULL },
};

/*[snip advantage-actor-critic-equations later]*/
/* QAC-4, TDA-1   delta = r + gamma Q_w(s',a') - Q_w(s,a);  with V for Q: r + gamma V_v(s') - V_v(s) */
ad advantage_actor_critic_delta(ad r, ad gamma, ad Q, ad Q1)
{
    /* BEGIN SOLUTION QAC-4,TDA-1 */
    return ad_sub(ad_add(r, ad_mul(gamma, Q1)), Q);
    /* END SOLUTION */
}

/* BL-9   A_w = Q_w(s,a) - V_v(s) */
ad advantage_actor_critic_A(ad Q, ad V)
{
    /* BEGIN SOLUTION BL-9 */
    return ad_sub(Q, V);
    /* END SOLUTION */
}

/* BL-9, BL-2   A_w log pi(a|s): its gradient in theta is A_w grad log pi(a|s) */
ad advantage_actor_critic_actor(ad logp, ad A)
{
    /* BEGIN SOLUTION BL-9 */
    return ad_dot(ad_detach(A), logp);
    /* END SOLUTION */
}

/* QAC-7, TDA-7   -1/2 delta^2, the target constant: its gradient in w is delta grad Q_w(s,a), in v likewise */
ad advantage_actor_critic_critic(ad r, ad gamma, ad Q, ad Q1)
{
    /* BEGIN SOLUTION QAC-7,TDA-7 */
    ad delta = advantage_actor_critic_delta(r, gamma, Q, ad_detach(Q1));
    return ad_scale(-0.5, ad_sum(ad_square(delta)));
    /* END SOLUTION */
}
/*[/snip]*/

/*[snip advantage-actor-critic-step later]*/
/* BL-9   the update of one step: all gradients at theta, w and v, and at s, a, r, s', a' as they stand in x */
static void record(step *x, const policy *p, const network *fQ, const network *fV,
                   const double *at_theta, const double *at_w, const double *at_v)
{
    ad_tape *t = x->t;
    ad theta = ad_input(t, at_theta, p->n, 1), w = ad_input(t, at_w, network_n(fQ), 1);
    ad v = ad_input(t, at_v, network_n(fV), 1);
    ad s = ad_input(t, x->s, 1, p->d), s1 = ad_input(t, x->s1, 1, p->d);
    ad r = ad_input(t, &x->r, 1, 1), gamma = ad_input(t, &x->gamma, 1, 1);
    ad gamma_t = ad_input(t, &x->gamma_t, 1, 1);
    /* BEGIN SOLUTION BL-9,BL-8 */
    x->logp    = policy_logp(t, p, theta, s, NULL, &x->a);
    x->Q       = ad_gather(network_forward(fQ, w, s), &x->a);
    x->Q1      = ad_gather(network_forward(fQ, w, s1), &x->a1);
    x->V       = network_forward(fV, v, s);
    x->V1      = network_forward(fV, v, s1);
    x->delta   = advantage_actor_critic_delta(r, gamma, x->Q, x->Q1);
    x->delta_V = advantage_actor_critic_delta(r, gamma, x->V, x->V1);
    x->A       = advantage_actor_critic_A(x->Q, x->V);
    x->g_theta = ad_grad(advantage_actor_critic_actor(x->logp, ad_mul(gamma_t, x->A)), theta);
    x->g_w     = ad_grad(advantage_actor_critic_critic(r, gamma, x->Q, x->Q1), w);
    x->g_v     = ad_grad(advantage_actor_critic_critic(r, gamma, x->V, x->V1), v);
    /* END SOLUTION */
    x->run = ad_slice(8, (ad[]){ theta, w, v, s, s1, r, gamma, gamma_t }, 6,
                      (ad[]){ x->logp, x->delta, x->delta_V, x->g_theta, x->g_w, x->g_v });
}
/*[/snip]*/

advantage_actor_critic_step *advantage_actor_critic_step_new(const policy *p, const double *theta, const double *w,
                                                          const double *v)
{
    const network fQ = critic_Q(p), fV = critic_V(p);
    step *x = allocate(1, sizeof *x, "a step");
    *x = (step){ .t = ad_tape_new(), .s = allocate(2 * (size_t)p->d, sizeof *x->s, "s, s'") };
    x->s1 = x->s + p->d;
    record(x, p, &fQ, &fV, theta, w, v);
    return x;
}

void advantage_actor_critic_step_free(advantage_actor_critic_step *x)
{
    if (!x) return;
    ad_tape_free(x->t);
    free(x->s);
    free(x);
}

policy advantage_actor_critic_policy(const env *e, const void *config)
{
    const settings *c = config;
    return policy_of(e, c->hidden.layers, c->hidden.width, (enum ad_activation)c->activation);
}

/* ---- who learns: the parameters, what steps along their gradients, and the update's graph ---- */

/* BL-8   three networks, theta, w and v */
struct learner {
    policy p;
    network fQ, fV;
    size_t n, nQ, nV;
    double *theta, *w, *v;  /* [n], [nQ], [nV] */
    double *m;              /* Adam's, of all */
    adam along, along_Q, along_V;
    double a;               /* the action that is taken next */
    actor *pi;
    step *x;
};

static struct learner learner_new(const settings *c, const env *e, gsl_rng *init_rng)
{
    struct learner l = { .p = advantage_actor_critic_policy(e, c) };
    l.fQ = critic_Q(&l.p);
    l.fV = critic_V(&l.p);
    l.n = (size_t)l.p.n;
    l.nQ = (size_t)network_n(&l.fQ);
    l.nV = (size_t)network_n(&l.fV);
    l.theta = allocate(l.n, sizeof *l.theta, "theta");
    l.w = allocate(l.nQ, sizeof *l.w, "w");
    l.v = allocate(l.nV, sizeof *l.v, "v");
    l.m = allocate(2 * (l.n + l.nQ + l.nV), sizeof *l.m, "Adam");
    l.along = adam_of(l.n, c->lr, l.m);
    l.along_Q = adam_of(l.nQ, c->lr_Q, l.m + 2 * l.n);
    l.along_V = adam_of(l.nV, c->lr_V, l.m + 2 * (l.n + l.nQ));
    policy_init(&l.p, init_rng, l.theta);
    network_init_orthogonal(&l.fQ, sqrt(2), 1, init_rng, l.w);
    network_init_orthogonal(&l.fV, sqrt(2), 1, init_rng, l.v);
    l.pi = actor_new(&l.p, l.theta);
    l.x = advantage_actor_critic_step_new(&l.p, l.theta, l.w, l.v);
    return l;
}

static void learner_free(struct learner *l)
{
    advantage_actor_critic_step_free(l->x);
    actor_free(l->pi);
    free(l->m);
    free(l->w);
    free(l->v);
    free(l->theta);
}

/*[snip advantage-actor-critic-loop later]*/
/* In s, with a: r and s', and a' ~ pi_theta(.|s'), the next a */
static void act(const settings *c, struct learner *l, env *e, gsl_rng *rng, bool *terminated, bool *truncated)
{
    step *x = l->x;
    memcpy(x->s, e->obs, (size_t)l->p.d * sizeof *x->s);
    x->a = (int)l->a;
    x->gamma_t = c->gamma_t ? pow(c->gamma, e->t) : 1;
    env_step(e, &l->a, &x->r, terminated, truncated);
    memcpy(x->s1, e->obs, (size_t)l->p.d * sizeof *x->s1);
    x->gamma = *terminated ? 0 : c->gamma;
    if (!*terminated) actor_draw(l->pi, rng, x->s1, &l->a);
    x->a1 = (int)l->a;
}

static void ascend(int optimiser, adam *along, double *theta, ad g)
{
    if (optimiser == ADVANTAGE_ACTOR_CRITIC_ADAM) adam_ascend(along, theta, ad_value(g));
    else                                          sgd_ascend(along->n, along->lr, theta, ad_value(g));
}

/* BL-9   theta <- theta + alpha_theta g_theta;  w <- w + alpha_w g_w;  v <- v + alpha_v g_v */
static void update(const settings *c, struct learner *l)
{
    ad_run(&l->x->run);
    ascend(c->optimiser, &l->along, l->theta, l->x->g_theta);
    ascend(c->optimiser, &l->along_Q, l->w, l->x->g_w);
    ascend(c->optimiser, &l->along_V, l->v, l->x->g_v);
}
/*[/snip]*/

/* Begins an episode */
static void begin(struct learner *l, env *e, gsl_rng *env_rng, gsl_rng *policy_rng)
{
    env_reset(e, env_rng);
    actor_draw(l->pi, policy_rng, e->obs, &l->a);
}

enum { ROW = 100 };             /* steps, and updates, from one look of the plumbing to the next */

void advantage_actor_critic(run *training, const void *config)
{
    const settings *c = config;
    env *e = training->env;
    struct learner l = learner_new(c, e, training->init_rng);
    rollout *seen = rollout_new(e);

    const kept survives[] = { { "theta", l.theta, l.n }, { "w", l.w, l.nQ }, { "v", l.v, l.nV },
                              { "Adam", l.m, 2 * (l.n + l.nQ + l.nV) }, { "a", &l.a, 1 },
                              { .name = "t", .count = &l.along.t },
                              { .name = "t of Q", .count = &l.along_Q.t },
                              { .name = "t of V", .count = &l.along_V.t },
                              { .name = NULL } };
    run_begin(training, survives, NULL);
    while (run_update(training, seen)) {
        rollout_clear(seen);
        while (seen->T < ROW) {
            bool starts = e->over, terminated = false, truncated = false;
            if (starts) begin(&l, e, training->env_rng, training->policy_rng);
            while (!e->over && seen->T < ROW) {
                act(c, &l, e, training->policy_rng, &terminated, &truncated);
                rollout_add(seen, l.x->s, &(double){ l.x->a }, l.x->r);
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

void advantage_actor_critic_explain(FILE *out, const void *config, uint64_t seed)
{
    settings c = *(const settings *)config;
    env *e = explained_env();
    c.hidden.layers = 0;
    run *streams = run_new("advantage_actor_critic", e, seed, 0);
    struct learner l = learner_new(&c, e, streams->init_rng);
    const step *x = l.x;
    double *before = allocate(l.n + l.nQ + l.nV, sizeof *before, "theta, w, v");
    double *before_w = before + l.n, *before_v = before_w + l.nQ;
    memcpy(before, l.theta, l.n * sizeof *before);
    memcpy(before_w, l.w, l.nQ * sizeof *before_w);
    memcpy(before_v, l.v, l.nV * sizeof *before_v);
    bool terminated, truncated;
    begin(&l, e, streams->env_rng, streams->policy_rng);
    int s = env_state(e);
    act(&c, &l, e, streams->policy_rng, &terminated, &truncated);
    update(&c, &l);

    const char *steps = c.optimiser == ADVANTAGE_ACTOR_CRITIC_ADAM ? "Adam's first step, alpha g / (|g| + 1e-8)"
                                                       : "alpha g";
    fprintf(out, "Advantage actor-critic, its first update on %s (states 0 .. 4, then the end; 3 actions), seed"
            " %llu;\nno hidden layers: Q_w(s,a) is entry a of row s of w, and of b\n", e->id,
            (unsigned long long)seed);
    fprintf(out, "QAC-5    s = %d, a = %d: r = %.5f, s' = %d", s, x->a, x->r, env_state(e));
    if (terminated) fprintf(out, ", the end: no a', Q_w(s',a') and V_v(s') count 0\n");
    else            fprintf(out, ", and a' = %d, drawn with the same theta\n", x->a1);
    fprintf(out, "BL-8     Q_w(s,a) = %.5f, Q_w(s',a') = %.5f;  V_v(s) = %.5f, V_v(s') = %.5f\n", ad_scalar(x->Q),
            terminated ? 0 : ad_scalar(x->Q1), ad_scalar(x->V), terminated ? 0 : ad_scalar(x->V1));
    fprintf(out, "QAC-4    delta = r + gamma Q_w(s',a') - Q_w(s,a) = %.5f, gamma = %g\n", ad_scalar(x->delta),
            c.gamma);
    fprintf(out, "TDA-1    delta_V = r + gamma V_v(s') - V_v(s) = %.5f\n", ad_scalar(x->delta_V));
    fprintf(out, "BL-9     g = A_w grad log pi(a|s), A_w = Q_w(s,a) - V_v(s) = %.5f, log pi(a|s) = %.5f;\n"
            "         theta <- theta + %s, alpha = %g:\n", ad_scalar(x->A), ad_scalar(x->logp), steps, c.lr);
    explained_theta(out, &l.p, ad_value(x->g_theta), before, l.theta);
    fprintf(out, "QAC-7    g = delta grad Q_w(s,a), the target constant;\n"
            "         w <- w + %s, alpha = %g:\n", steps, c.lr_Q);
    explained_table(out, "w", &l.p, ad_value(x->g_w), before_w, l.w);
    fprintf(out, "TDA-7    g = delta_V grad V_v(s), the target constant;\n"
            "         v <- v + %s, alpha = %g:\n", steps, c.lr_V);
    explained_V(out, "v", (int)l.nV, ad_value(x->g_v), before_v, l.v);
    fprintf(out, "QAC-5    s, a <- s', a'\n");

    free(before);
    learner_free(&l);
    run_free(streams);
    env_free(e);
}
