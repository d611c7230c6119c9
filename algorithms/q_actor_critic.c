/* Q actor-critic, on line (000 eq (6), (7) and the box between them, l.157-186; 002 l.105-116).
 *
 *     initialise theta, w
 *     s, a ~ pi_theta(.|s)
 *     loop
 *         r, s';  a' ~ pi_theta(.|s')                                                        QAC-5
 *         theta <- theta + alpha_theta gamma^t Q_w(s,a) grad log pi_theta(a|s)               QAC-2, QAC-6
 *         delta = r + gamma Q_w(s',a') - Q_w(s,a)                                            QAC-4
 *         w <- w + alpha_w delta grad Q_w(s,a)                                               QAC-7
 *         s, a <- s', a'
 *
 * Two networks, theta and w (QAC-1); an update at every step (QAC-10), each from that step and no other.
 *
 * Deviations from the source
 *   1. gamma^t is a switch, off as on the page: without it theta follows the gradient of no function (ERR-3).
 *   2. The page's steps are `optimiser=sgd`. Adam is the default.
 *   3. The box says nothing of ends. Where the task ended (terminated) there is no a', and Q_w(s',a') is 0. Where
 *      the time limit cut the episode (truncated) a' is drawn for its last observation as for any other, and
 *      then forgotten: the next episode begins with an action of its own.
 *
 * Critical
 *   - Q_w(s,a) is a weight and r + gamma Q_w(s',a') a target: numbers, through which no gradient passes. That of
 *     delta^2 with the target differentiated too has another fixed point (ERR-15).
 *   - The weight of grad log pi is Q_w(s,a), or a TD error of V (td_actor_critic.c). 000 l.185 has "cross
 *     entropy * TD error", under (7): as Q_w becomes right its mean goes to 0, whatever pi is (ERR-13).
 *   - a' comes from the policy before the step of theta, and is the action that is taken next.
 *   - (6) is an equation for Q^pi only. With Q_w theta follows something else (ERR-12). */
#include "algorithms/q_actor_critic.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "algorithms/critic.h"
#include "algorithms/explained.h"
#include "autodiff/optimiser.h"
#include "autodiff/require.h"

typedef q_actor_critic_config settings;
typedef q_actor_critic_step step;
static const char *const optimisers[] = { "sgd", "adam", NULL };

const q_actor_critic_config q_actor_critic_defaults = {
    .gamma = 0.99, .lr = 1e-4, .lr_Q = 1e-3, .optimiser = Q_ACTOR_CRITIC_ADAM,
    .hidden = { 1, { 64 } }, .activation = AD_TANH,
};

#define FIELD(name) #name, .at = offsetof(settings, name)
#define REAL(most) .kind = CONFIG_REAL, .low = 0, .high = most
#define CHOICE(names) .kind = CONFIG_CHOICE, .choices = names
const config_field q_actor_critic_fields[] = {
    { FIELD(gamma), REAL(1), .about = "discount gamma" },
    { FIELD(lr), REAL(1e300), .about = "step size alpha_theta of the policy" },
    { FIELD(lr_Q), REAL(1e300), .about = "step size alpha_w of Q" },
    { FIELD(gamma_t), CHOICE(config_switch), .about = "the policy's steps weighted by gamma^t" },
    { FIELD(optimiser), CHOICE(optimisers), .about = "what steps along the gradients" },
    { FIELD(hidden), .kind = CONFIG_WIDTHS, .about = "hidden layers of policy and critic" },
    { FIELD(activation), CHOICE(config_activations), .about = "in the hidden layers" },
    { .name = NULL },
};

/*[snip q-actor-critic-equations later]*/
/* QAC-4   delta = r + gamma Q_w(s',a') - Q_w(s,a) */
ad q_actor_critic_delta(ad r, ad gamma, ad Q, ad Q1)
{
    /* BEGIN SOLUTION QAC-4 */
    return ad_sub(ad_add(r, ad_mul(gamma, Q1)), Q);
    /* END SOLUTION */
}

/* QAC-6, QAC-2, QAC-11   Q_w(s,a) log pi(a|s): its gradient in theta is Q_w(s,a) grad log pi(a|s) */
ad q_actor_critic_actor(ad logp, ad Q)
{
    /* BEGIN SOLUTION QAC-6 */
    return ad_dot(ad_detach(Q), logp);
    /* END SOLUTION */
}

/* QAC-7   -1/2 delta^2, the target constant: its gradient in w is delta grad Q_w(s,a) */
ad q_actor_critic_critic(ad r, ad gamma, ad Q, ad Q1)
{
    /* BEGIN SOLUTION QAC-7 */
    ad delta = q_actor_critic_delta(r, gamma, Q, ad_detach(Q1));
    return ad_scale(-0.5, ad_sum(ad_square(delta)));
    /* END SOLUTION */
}
/*[/snip]*/

/*[snip q-actor-critic-step later]*/
/* QAC-5   the update of one step: both gradients at theta and w, and at s, a, r, s', a' as they stand in x */
static void record(step *x, const policy *p, const network *fQ, const double *at_theta, const double *at_w)
{
    ad_tape *t = x->t;
    ad theta = ad_input(t, at_theta, p->n, 1), w = ad_input(t, at_w, network_n(fQ), 1);
    ad s = ad_input(t, x->s, 1, p->d), s1 = ad_input(t, x->s1, 1, p->d);
    ad r = ad_input(t, &x->r, 1, 1), gamma = ad_input(t, &x->gamma, 1, 1);
    ad gamma_t = ad_input(t, &x->gamma_t, 1, 1);
    /* BEGIN SOLUTION QAC-5 */
    x->logp    = policy_logp(t, p, theta, s, NULL, &x->a);
    x->Q       = ad_gather(network_forward(fQ, w, s), &x->a);
    x->Q1      = ad_gather(network_forward(fQ, w, s1), &x->a1);
    x->delta   = q_actor_critic_delta(r, gamma, x->Q, x->Q1);
    x->g_theta = ad_grad(q_actor_critic_actor(x->logp, ad_mul(gamma_t, x->Q)), theta);
    x->g_w     = ad_grad(q_actor_critic_critic(r, gamma, x->Q, x->Q1), w);
    /* END SOLUTION */
    x->run = ad_slice(7, (ad[]){ theta, w, s, s1, r, gamma, gamma_t }, 4,
                      (ad[]){ x->logp, x->delta, x->g_theta, x->g_w });
}
/*[/snip]*/

q_actor_critic_step *q_actor_critic_step_new(const policy *p, const double *theta, const double *w)
{
    const network fQ = critic_Q(p);
    step *x = allocate(1, sizeof *x, "a step");
    *x = (step){ .t = ad_tape_new(), .s = allocate(2 * (size_t)p->d, sizeof *x->s, "s, s'") };
    x->s1 = x->s + p->d;
    record(x, p, &fQ, theta, w);
    return x;
}

void q_actor_critic_step_free(q_actor_critic_step *x)
{
    if (!x) return;
    ad_tape_free(x->t);
    free(x->s);
    free(x);
}

policy q_actor_critic_policy(const env *e, const void *config)
{
    const settings *c = config;
    return policy_of(e, c->hidden.layers, c->hidden.width, (enum ad_activation)c->activation);
}

/* ---- who learns: the parameters, what steps along their gradients, and the update's graph ---- */

/* QAC-1   two networks, theta and w */
struct learner {
    policy p;
    network fQ;
    size_t n, nQ;
    double *theta, *w;      /* [n], [nQ] */
    double *m;              /* Adam's, of both */
    adam along, along_Q;
    double a;               /* the action that is taken next */
    actor *pi;
    step *x;
};

static struct learner learner_new(const settings *c, const env *e, gsl_rng *init_rng)
{
    struct learner l = { .p = q_actor_critic_policy(e, c) };
    l.fQ = critic_Q(&l.p);
    l.n = (size_t)l.p.n;
    l.nQ = (size_t)network_n(&l.fQ);
    l.theta = allocate(l.n, sizeof *l.theta, "theta");
    l.w = allocate(l.nQ, sizeof *l.w, "w");
    l.m = allocate(2 * (l.n + l.nQ), sizeof *l.m, "Adam");
    l.along = adam_of(l.n, c->lr, l.m);
    l.along_Q = adam_of(l.nQ, c->lr_Q, l.m + 2 * l.n);
    policy_init(&l.p, init_rng, l.theta);
    network_init_orthogonal(&l.fQ, sqrt(2), 1, init_rng, l.w);
    l.pi = actor_new(&l.p, l.theta);
    l.x = q_actor_critic_step_new(&l.p, l.theta, l.w);
    return l;
}

static void learner_free(struct learner *l)
{
    q_actor_critic_step_free(l->x);
    actor_free(l->pi);
    free(l->m);
    free(l->w);
    free(l->theta);
}

/*[snip q-actor-critic-loop later]*/
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
    if (optimiser == Q_ACTOR_CRITIC_ADAM) adam_ascend(along, theta, ad_value(g));
    else                                  sgd_ascend(along->n, along->lr, theta, ad_value(g));
}

/* QAC-5   theta <- theta + alpha_theta g_theta;  w <- w + alpha_w g_w */
static void update(const settings *c, struct learner *l)
{
    ad_run(&l->x->run);
    ascend(c->optimiser, &l->along, l->theta, l->x->g_theta);
    ascend(c->optimiser, &l->along_Q, l->w, l->x->g_w);
}
/*[/snip]*/

/* Begins an episode */
static void begin(struct learner *l, env *e, gsl_rng *env_rng, gsl_rng *policy_rng)
{
    env_reset(e, env_rng);
    actor_draw(l->pi, policy_rng, e->obs, &l->a);
}

enum { ROW = 100 };             /* steps, and updates, from one look of the plumbing to the next */

void q_actor_critic(run *training, const void *config)
{
    const settings *c = config;
    env *e = training->env;
    struct learner l = learner_new(c, e, training->init_rng);
    rollout *seen = rollout_new(e);

    const kept survives[] = { { "theta", l.theta, l.n }, { "w", l.w, l.nQ },
                              { "Adam", l.m, 2 * (l.n + l.nQ) }, { "a", &l.a, 1 },
                              { .name = "t", .count = &l.along.t },
                              { .name = "t of Q", .count = &l.along_Q.t },
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

void q_actor_critic_explain(FILE *out, const void *config, uint64_t seed)
{
    settings c = *(const settings *)config;
    env *e = explained_env();
    c.hidden.layers = 0;
    run *streams = run_new("q_actor_critic", e, seed, 0);
    struct learner l = learner_new(&c, e, streams->init_rng);
    const step *x = l.x;
    double *before = allocate(l.n + l.nQ, sizeof *before, "theta, w"), *before_w = before + l.n;
    memcpy(before, l.theta, l.n * sizeof *before);
    memcpy(before_w, l.w, l.nQ * sizeof *before_w);
    bool terminated, truncated;
    begin(&l, e, streams->env_rng, streams->policy_rng);
    int s = env_state(e);
    act(&c, &l, e, streams->policy_rng, &terminated, &truncated);
    update(&c, &l);

    const char *steps = c.optimiser == Q_ACTOR_CRITIC_ADAM ? "Adam's first step, alpha g / (|g| + 1e-8)"
                                                       : "alpha g";
    fprintf(out, "Q actor-critic, its first update on %s (states 0 .. 4, then the end; 3 actions), seed"
            " %llu;\nno hidden layers: Q_w(s,a) is entry a of row s of w, and of b\n\n", e->id,
            (unsigned long long)seed);
    fprintf(out, "QAC-5    s = %d, a = %d: r = %.5f, s' = %d", s, x->a, x->r, env_state(e));
    if (terminated) fprintf(out, ", the end: no a', Q_w(s',a') counts 0\n");
    else            fprintf(out, ", and a' = %d, drawn with the same theta\n", x->a1);
    fprintf(out, "QAC-1    Q_w(s,a) = %.5f, Q_w(s',a') = %.5f\n", ad_scalar(x->Q),
            terminated ? 0 : ad_scalar(x->Q1));
    fprintf(out, "QAC-4    delta = r + gamma Q_w(s',a') - Q_w(s,a) = %.5f, gamma = %g\n", ad_scalar(x->delta),
            c.gamma);
    fprintf(out, "QAC-6    g = Q_w(s,a) grad log pi(a|s), log pi(a|s) = %.5f;\n         theta <- theta + %s,"
            " alpha = %g:\n\n", ad_scalar(x->logp), steps, c.lr);
    explained_theta(out, &l.p, ad_value(x->g_theta), before, l.theta);
    fprintf(out, "\nQAC-7    g = delta grad Q_w(s,a), of -delta^2/2 with the target constant;\n"
            "         w <- w + %s, alpha = %g:\n\n", steps, c.lr_Q);
    explained_table(out, "w", &l.p, ad_value(x->g_w), before_w, l.w);
    fprintf(out, "\nQAC-5    s, a <- s', a'\n");

    free(before);
    learner_free(&l);
    run_free(streams);
    env_free(e);
}
