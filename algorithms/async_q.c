/* Asynchronous one-step Q-learning (002, l.30-40; Mnih et al. 2016, arXiv:1602.01783, Algorithm 1): workers share
 * theta and theta^-, act epsilon-greedily, and each adds its own gradients to theta.
 *
 *     initialise theta, theta^- <- theta, T <- 0
 *     each worker, with an epsilon of its own                                                     ASQ-3
 *         d_theta <- 0,  theta' <- theta
 *         for I_AsyncUpdate steps, or to the end of the episode                                   ASQ-2
 *             take a_i, epsilon-greedy in Q(s_i,.;theta'); receive r_i, s_{i+1}
 *             y_i = r_i                                          for terminal s_{i+1}             ASQ-1
 *                   r_i + gamma max_a' Q(s_{i+1},a';theta^-)     else
 *             d_theta <- d_theta + d/dtheta' -(y_i - Q(s_i,a_i;theta'))^2
 *         theta <- theta + RMSProp's step along d_theta
 *         theta^- <- theta  where T has passed a multiple of I_target                             ASQ-2
 *
 * Deviations from the source
 *   1. A worker looks at theta and theta^- once an update, as the paper's n-step method does, not at every step.
 *   2. I_AsyncUpdate is counted from the last update. With the paper's `t mod I_AsyncUpdate = 0 or terminal` the
 *      first update of an episode comes earlier.
 *   3. T is counted, and I_target looked at, once an update, behind it. 002 l.38 gives T = 5 for the
 *      period: T is the counter, and 5 the paper's I_AsyncUpdate (ERR-49).
 *   4. Objectives are ascended: -(y - Q)^2.
 *   5. Beyond the paper: theta^- may follow as a Polyak average, and workers may take turns (workers.h). Of the
 *      steps of all, by which epsilon falls, a worker counts its own, times the number of workers.
 *
 * Critical
 *   - The end of the task has no value behind it, the time limit has: y bootstraps from the last observation.
 *   - y holds no gradient: theta^- is another vector, also where it equals theta (DDPG-6).
 *   - theta^- alone both chooses a' in y and says its worth; theta' chooses only what is done. */
#include "algorithms/async_q.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "algorithms/epsilon.h"
#include "algorithms/explained.h"
#include "algorithms/target.h"
#include "algorithms/workers.h"
#include "autodiff/optimiser.h"
#include "autodiff/require.h"

static const char *const optimisers[] = { "rmsprop", "sgd", NULL };

const async_q_config async_q_defaults = {
    .gamma = 0.99, .lr = 1e-3, .optimiser = ASYNC_Q_RMSPROP, .alpha = 0.99, .eps = 0.1, .update_every = 5,
    .target_every = 500, .epsilons = EPSILON_DRAWN, .epsilon = 0.05, .anneal_steps = 50000, .workers = 2,
    .schedule = SCHEDULE_THREADS, .locks = 1, .hidden = { 2, { 64, 64 } }, .activation = AD_TANH,
};

#define FIELD(name) #name, .at = offsetof(async_q_config, name)
#define REAL(most) .kind = CONFIG_REAL, .low = 0, .high = most
#define WHOLE(least, most) .kind = CONFIG_WHOLE, .low = least, .high = most
#define CHOICE(names) .kind = CONFIG_CHOICE, .choices = names
const config_field async_q_fields[] = {
    { FIELD(gamma), REAL(1), .about = "discount gamma" },
    { FIELD(lr), REAL(1e300), .about = "step size alpha; the paper draws it from 1e-4 .. 1e-2" },
    { FIELD(lr_half), WHOLE(0, 1e15), .about = "steps until alpha has halved; 0: constant" },
    { FIELD(optimiser), CHOICE(optimisers), .about = "RMSProp with a shared mean square, or plain steps" },
    { FIELD(alpha), REAL(1 - 1e-9), .about = "decay of RMSProp's mean square; the paper: .99" },
    { FIELD(eps), .kind = CONFIG_REAL, .low = 1e-30, .high = 1, .about = "in its root" },
    { FIELD(update_every), WHOLE(1, 1e6), .about = "I_AsyncUpdate, steps of a worker; the paper: 5" },
    { FIELD(target_every), WHOLE(1, 1e15), .about = "I_target, steps of all; the paper, on Atari: 40000" },
    { FIELD(rho), REAL(1 - 1e-9), .about = "what theta^- keeps of itself then; 0: a copy" },
    { FIELD(epsilons), CHOICE(epsilon_ways), .about = "last ones; drawn: .1, .01, .5 by .4, .3, .3" },
    { FIELD(epsilon), REAL(1), .about = "of eval; and of all workers where they are the same" },
    { FIELD(anneal_steps), WHOLE(0, 1e15), .about = "steps of all until epsilon has come from 1 to its last" },
    { FIELD(workers), WHOLE(1, SCHEDULE_MAX_WORKERS), .about = "actor-learners, 26 at most; the paper: 16" },
    { FIELD(schedule), CHOICE(schedules), .about = "whose turn it is; threads: the system decides" },
    { FIELD(locks), CHOICE(config_switch), .about = "threads: off: Hogwild!; on: written down, to be replayed" },
    { FIELD(hidden), .kind = CONFIG_WIDTHS, .about = "hidden layers of Q" },
    { FIELD(activation), CHOICE(config_activations), .about = "in the hidden layers" },
    { .name = NULL },
};

/*[snip async-q-y later]*/
/* ASQ-1, ASQ-4   y = r + gamma max_a' Q(s',a';theta^-);  y = r for terminal s' */
double async_q_y(double r, bool terminal, int nA, const double *Q1, double gamma)
{
    /* BEGIN SOLUTION ASQ-1 */
    double most = Q1[0];
    for (int a = 1; a < nA; a++) most = fmax(most, Q1[a]);
    return terminal ? r : r + gamma * most;
    /* END SOLUTION */
}
/*[/snip]*/

/*[snip async-q-gradient later]*/
/* ASQ-1, DDPG-6, DDPG-7   -sum_i (y_i - Q(s_i,a_i;theta))^2 */
ad async_q_J(ad Q, ad y)
{
    /* BEGIN SOLUTION ASQ-1 */
    return ad_neg(ad_sum(ad_square(ad_sub(ad_detach(y), Q))));
    /* END SOLUTION */
}

/* ASQ-1   d_theta = sum_i d/dtheta -(y_i - Q(s_i,a_i;theta))^2 */
void async_q_gradient(ad_tape *t, const network *f, const double *theta, const rollout *b, const double *y,
                      double *d_theta)
{
    /* BEGIN SOLUTION ASQ-1 */
    ad_mark start = ad_here(t);
    int n = network_n(f);
    ad x = ad_input(t, theta, n, 1);
    ad Q = network_forward(f, x, ad_input(t, b->s, b->T, b->d));                /* [T x nA] */
    ad J = async_q_J(ad_gather(Q, b->index), ad_input(t, y, b->T, 1));
    memcpy(d_theta, ad_value(ad_grad(J, x)), (size_t)n * sizeof *d_theta);
    ad_reset(t, start);
    /* END SOLUTION */
}
/*[/snip]*/

policy async_q_policy(const env *e, const void *config)
{
    const async_q_config *c = config;
    policy p = policy_of(e, c->hidden.layers, c->hidden.width, (enum ad_activation)c->activation);
    p.values = true;
    p.epsilon = c->epsilon;
    return p;
}

/* ---- plumbing: what each worker has of its own ---- */

typedef struct {
    double epsilon;                     /* the last one */
    actor *pi, *Q_targ;                 /* by theta', by theta^- */
    ad_tape *tape;
    double *y, *d_theta;                /* [I_AsyncUpdate], [n] */
} learner;

typedef struct { const async_q_config *c; policy p; learner *of; } learning;

static learning learning_new(const async_q_config *c, const policy *p, const workers *all, gsl_rng *rng)
{
    learning l = { c, *p, allocate((size_t)c->workers, sizeof *l.of, "learners") };
    for (long i = 0; i < c->workers; i++) {
        double u = gsl_rng_uniform(rng);
        l.of[i] = (learner){ .epsilon = c->epsilons == EPSILON_DRAWN ? epsilon_last(u) : c->epsilon,
                             .pi = actor_new(p, all->worker[i].theta),
                             .Q_targ = actor_new(p, all->worker[i].theta + p->n), .tape = ad_tape_new(),
                             .y = allocate((size_t)c->update_every, sizeof(double), "y"),
                             .d_theta = allocate((size_t)p->n, sizeof(double), "d_theta") };
    }
    return l;
}

static void learning_free(learning *l)
{
    for (learner *w = l->of; w < l->of + l->c->workers; w++) {
        actor_free(w->pi);
        actor_free(w->Q_targ);
        ad_tape_free(w->tape);
        free(w->y);
        free(w->d_theta);
    }
    free(l->of);
}

/* ---- an update ---- */

/* ASQ-1   y [T] of a segment */
static void targets(const async_q_config *c, const rollout *b, int nA, actor *Q_targ, double *y)
{
    for (int i = 0; i < b->T; i++) {
        bool last = i == b->T - 1;
        const double *s1 = last ? b->s_end : b->s + (i + 1) * b->d;
        y[i] = async_q_y(b->r[i], last && b->segment->terminated, nA, actor_values(Q_targ, s1), c->gamma);
    }
}

/* theta <- theta + a step along d_theta, then ASQ-2; x: theta, theta^- and RMSProp's v [3n], shared; own [2n] */
static void apply(const async_q_config *c, worker *w, size_t n, const double *d_theta)
{
    _Atomic double *x = w->all->x;
    double lr = c->lr_half ? c->lr / (1 + (double)w->T / (double)c->lr_half) : c->lr;
    rmsprop_shared step = { .n = (int)n, .lr = lr, .alpha = c->alpha, .eps = c->eps, .v = x + 2 * n };
    if (c->optimiser == ASYNC_Q_SGD) sgd_shared_ascend((int)n, lr, x, d_theta);
    else                             rmsprop_shared_ascend(&step, x, d_theta);
    if (target_due(w->T - w->b->T, w->T, c->target_every)) {
        shared_load(2 * n, x, w->theta);
        target_polyak(n, c->rho, w->theta, w->theta + n);
        shared_store(n, w->theta + n, x + n);
    }
}

/*[snip async-q-loop later]*/
static void actor_learner(worker *w, void *of)
{
    const learning *all = of;
    const async_q_config *c = all->c;
    while ((w = worker_turn(w))) {                                              /* theta' <- theta */
        learner *l = &all->of[w->i];
        actor_epsilon(l->pi, epsilon_annealed(l->epsilon, (double)(w->t * c->workers), (double)c->anneal_steps));
        rollout_segment(w->b, (int)c->update_every, w->env, w->env_rng, l->pi, w->policy_rng);
        targets(c, w->b, all->p.nA, l->Q_targ, l->y);
        async_q_gradient(l->tape, &all->p.f, w->theta, w->b, l->y, l->d_theta);
        worker_updates(w);                                                      /* T <- T + t - t_start */
        apply(c, w, (size_t)all->p.n, l->d_theta);
    }
}
/*[/snip]*/

void async_q(run *training, const void *config)
{
    const async_q_config *c = config;
    const policy p = async_q_policy(training->env, c);
    size_t n = (size_t)p.n;
    const shared_part parts[] = { { "theta", n }, { "theta^-", n }, { "v", n }, { .name = NULL } };
    workers *all = workers_new(training, parts, 2 * n, (int)c->workers, c->schedule, c->locks);
    double *theta = allocate(n, sizeof *theta, "theta");

    network_init_orthogonal(&p.f, sqrt(2), 1, training->init_rng, theta);
    learning l = learning_new(c, &p, all, training->init_rng);
    shared_store(n, theta, all->x);
    shared_store(n, theta, all->x + n);                                         /* theta^- <- theta */
    workers_begin(all, NULL, NULL);
    workers_run(all, actor_learner, &l);
    workers_end(all);

    learning_free(&l);
    free(theta);
}

/* ---- one update, with its numbers: the first of worker 0 in a training run from that seed ---- */

static void explain_segment(FILE *out, const rollout *b, const policy *p, actor *Q, const double *y)
{
    double sum = 0;
    fprintf(out, "\n  i  s_i  a_i %10s %32s %10s %12s\n", "r_i", "max_a' Q(s_i+1,a';theta^-)", "y_i",
            "Q(s_i,a_i)");
    for (int i = 0; i < b->T; i++) {
        bool last = i == b->T - 1;
        const double *Q1 = actor_values(Q, last ? b->s_end : b->s + (i + 1) * b->d);
        double most = async_q_y(0, last && b->segment->terminated, p->nA, Q1, 1);
        double Q_i = actor_values(Q, b->s + i * b->d)[b->index[i]];
        fprintf(out, "%3d %4d %4d %10.5f %32.5f %10.5f %12.5f\n", i, explained_state(b, i), b->index[i], b->r[i],
                most, y[i], Q_i);
        sum -= (y[i] - Q_i) * (y[i] - Q_i);
    }
    fprintf(out, "after it: %s\n", b->segment->terminated ? "the end of the task, worth 0"
                                 : b->segment->truncated ? "the time limit: y bootstraps from the last observation"
                                                         : "the episode goes on");
    fprintf(out, "\nASQ-1    y_i = r_i + gamma max_a' Q(s_i+1,a';theta^-)\n"
            "         -sum_i (y_i - Q(s_i,a_i;theta'))^2 = %.5f\n", sum);
}

void async_q_explain(FILE *out, const void *config, uint64_t seed)
{
    async_q_config c = *(const async_q_config *)config;
    env *e = explained_env();
    c.hidden.layers = 0;
    c.workers = 1;
    c.update_every = c.update_every < 5 ? c.update_every : 5;
    const policy p = async_q_policy(e, &c);
    run *streams = run_new("async_q", e, seed, 1);
    size_t n = (size_t)p.n;
    const shared_part parts[] = { { "theta", n }, { "theta^-", n }, { "v", n }, { .name = NULL } };
    workers *all = workers_new(streams, parts, 2 * n, 1, SCHEDULE_SERIAL, false);
    double *before = allocate(n, sizeof *before, "theta");

    network_init_orthogonal(&p.f, sqrt(2), 1, streams->init_rng, before);
    learning l = learning_new(&c, &p, all, streams->init_rng);
    shared_store(n, before, all->x);
    shared_store(n, before, all->x + n);
    workers_begin(all, NULL, NULL);
    worker *w = worker_turn(all->worker);
    double epsilon = epsilon_annealed(l.of->epsilon, 0, (double)c.anneal_steps);
    actor_epsilon(l.of->pi, epsilon);
    rollout_segment(w->b, (int)c.update_every, w->env, w->env_rng, l.of->pi, w->policy_rng);
    targets(&c, w->b, p.nA, l.of->Q_targ, l.of->y);
    fprintf(out, "Asynchronous one-step Q-learning, the first update of a worker on %s (states 0 .. 4, then the"
            " end; 3 actions), seed %llu;\nI_AsyncUpdate = %ld, epsilon = %g, on its way to %g (ASQ-3), gamma = %g,"
            " no hidden layers, theta^- = theta\n", e->id, (unsigned long long)seed, c.update_every, epsilon,
            l.of->epsilon, c.gamma);
    explain_segment(out, w->b, &p, l.of->pi, l.of->y);
    async_q_gradient(l.of->tape, &p.f, w->theta, w->b, l.of->y, l.of->d_theta);
    worker_updates(w);
    apply(&c, w, n, l.of->d_theta);
    shared_load(n, all->x, w->theta);
    fprintf(out, "ASQ-1    g, its gradient in theta', y held constant; theta <- theta + %s along g,"
            " alpha = %g:\n",
            c.optimiser == ASYNC_Q_RMSPROP ? "RMSProp's step" : "a plain step", c.lr);
    if (c.optimiser == ASYNC_Q_RMSPROP) explained_rmsprop(out, c.alpha, c.eps, false);
    putc('\n', out);
    explained_theta(out, &p, l.of->d_theta, before, w->theta);
    fprintf(out, "\nASQ-2    theta^- <- theta %s multiple of I_target = %ld\n",
            target_due(0, w->T, c.target_every) ? "now: T has passed a" : "when T passes the next", c.target_every);

    workers_end(all);
    learning_free(&l);
    free(before);
    run_free(streams);
    env_free(e);
}
