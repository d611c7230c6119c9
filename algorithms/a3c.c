/* A3C: asynchronous advantage actor-critic (004, l.10-184; 002, l.10-30 and image A3C6; 000, l.241-252; Mnih et
 * al. 2016, arXiv:1602.01783, Algorithm S3). N actor-learners, each a thread with an environment of its own,
 * share theta and phi (A3C-1); none waits for another (ERR-81).
 *
 *     shared theta, phi, counter T; each worker:
 *     repeat
 *         d_theta <- 0, d_phi <- 0;  theta' = theta, phi' = phi                                   A3C-11
 *         a_t ~ pi(.|s_t; theta'), r_t, s_{t+1}, until terminal s_t or t - t_start = t_max        A3C-12
 *         R = 0 if s_t is terminal, else V(s_t; phi')                                             A3C-13
 *         for i = t-1, .., t_start                                                                A3C-14
 *             R <- r_i + gamma R
 *             d_theta <- d_theta + grad log pi(a_i|s_i; theta') (R - V(s_i; phi'))                A3C-6
 *                                + beta grad H(pi(.|s_i; theta'))                                 A3C-27
 *             d_phi   <- d_phi   + grad (R - V(s_i; phi'))^2                                      A3C-9
 *         T <- T + t - t_start;  theta <- theta + alpha d_theta,  phi <- phi - alpha_v d_phi      A3C-16, A3C-30
 *     until T > T_max
 *
 * Deviations from the source
 *   1. The steps of alpha are those of RMSProp with a mean square g that all share (A3C-28): the paper's best.
 *      optimiser = sgd is the line above.
 *   2. T grows by whole segments, at their updates, so that the order of these events decides everything
 *      (schedule.h); the run ends at a row of progress.csv (workers.h).
 *   3. c_V weighs (R - V)^2; .5 takes its 2 out (ERR-85). 1 is the page's.
 *   4. pi and V share no layers. clip bounds the norm of an update's gradient, as many implementations do.
 *   5. The time limit ends a segment, not what follows: R = V(s_t) there, 0 only where the task ended.
 *
 * Critical
 *   - d_theta is to be followed upwards, d_phi downwards: one rule for both makes V diverge (ERR-20).
 *   - 000 begins its backward loop without R = 0 or V(s_t) (ERR-20).
 *   - R is a constant in d_phi (ERR-15), and R - V in d_theta.
 *   - beta H is added: it is exploration. 002's "20 cross entropies" are the other term (ERR-22).
 *   - Acting and gradients use the worker's copy, from a turn's begin to its end; updates go to the shared vector. */
#include "algorithms/a3c.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "algorithms/critic.h"
#include "algorithms/explained.h"
#include "algorithms/nstep.h"
#include "algorithms/workers.h"
#include "autodiff/optimiser.h"
#include "autodiff/require.h"

static const char *const optimisers[] = { "rmsprop-shared", "rmsprop-own", "sgd", NULL };

const a3c_config a3c_defaults = {
    .workers = 4, .t_max = 20, .gamma = 0.99, .c_V = 0.5, .beta = 0.01, .lr = 3e-4, .lr_V = 2e-3,
    .optimiser = A3C_RMSPROP_SHARED, .alpha = 0.99, .eps = 1e-5, .schedule = SCHEDULE_THREADS,
    .hidden = { 2, { 64, 64 } }, .activation = AD_TANH,
};

#define FIELD(name) #name, .at = offsetof(a3c_config, name)
#define REAL(most) .kind = CONFIG_REAL, .low = 0, .high = most
#define WHOLE(least, most) .kind = CONFIG_WHOLE, .low = least, .high = most
#define CHOICE(names) .kind = CONFIG_CHOICE, .choices = names
const config_field a3c_fields[] = {
    { FIELD(workers), WHOLE(1, SCHEDULE_MAX_WORKERS), .about = "N: threads, 26 at most; the paper: 16" },
    { FIELD(t_max), WHOLE(1, 1e6), .about = "steps of a worker an update; 002: 20, the paper: 5" },
    { FIELD(gamma), REAL(1), .about = "discount gamma; the paper: .99" },
    { FIELD(c_V), REAL(1e300), .about = "weight of V's squared error; 004: 1" },
    { FIELD(beta), REAL(1e300), .about = "weight of the entropy; the paper: .01" },
    { FIELD(lr), REAL(1e300), .about = "step size alpha of the policy; the paper: 1e-4 to 1e-2" },
    { FIELD(lr_V), REAL(1e300), .about = "step size alpha_v of V" },
    { FIELD(anneal_steps), WHOLE(0, 1e15), .about = "both fall to 0 in so many steps; 0: they stay" },
    { FIELD(clip), REAL(1e300), .about = "greatest norm of an update's gradient, 0: any" },
    { FIELD(optimiser), CHOICE(optimisers), .about = "the paper: rmsprop-shared" },
    { FIELD(alpha), REAL(1 - 1e-9), .about = "decay of RMSProp's mean square; the paper: .99" },
    { FIELD(eps), .kind = CONFIG_REAL, .low = 1e-30, .high = 1, .about = "in its root" },
    { FIELD(schedule), CHOICE(schedules), .about = "whose turn it is; threads: the system decides" },
    { FIELD(locks), CHOICE(config_switch), .about = "threads: off: Hogwild!; on: written down, to be replayed" },
    { FIELD(hidden), .kind = CONFIG_WIDTHS, .about = "hidden layers of policy and V" },
    { FIELD(activation), CHOICE(config_activations), .about = "in the hidden layers" },
    { .name = NULL },
};

/*[snip a3c-advantages later]*/
/* A3C-2, A3C-5, A3C-14   R_t = r_t + gamma R_{t+1}, A_t = R_t - V(s_t) = delta_t^(n), n steps from the end */
void a3c_advantages(int T, const double *r, const double *V, double V_end, double gamma, double *A, double *R)
{
    /* BEGIN SOLUTION A3C-14 */
    nstep_returns(T, r, V_end, gamma, R);
    for (int t = 0; t < T; t++) A[t] = R[t] - V[t];
    /* END SOLUTION */
}
/*[/snip]*/

/*[snip a3c-objectives later]*/
/* A3C-6, A3C-27   sum_i log pi(a_i|s_i) A_i + beta H(pi(.|s_i)),   A_i = R_i - V(s_i) held constant */
ad a3c_policy_objective(ad logp, ad A, ad H, double beta)
{
    /* BEGIN SOLUTION A3C-27 */
    return ad_add(ad_dot(ad_detach(A), logp), ad_scale(beta, ad_sum(H)));
    /* END SOLUTION */
}

/* A3C-8, A3C-9, A3C-15   c_V sum_i (R_i - V(s_i))^2,   R_i constant: the gradient is -2 c_V sum (R - V) grad V */
ad a3c_V_loss(ad V, ad R, double c_V)
{
    /* BEGIN SOLUTION A3C-9 */
    return ad_scale(c_V, ad_sum(ad_square(ad_sub(ad_detach(R), V))));
    /* END SOLUTION */
}
/*[/snip]*/

/*[snip a3c-gradients later]*/
/* A3C-14, A3C-29   d_theta, d_phi: the sums over a segment's steps, as one gradient each */
void a3c_gradients(ad_tape *t, const a3c_config *c, const policy *p, const network *f, const double *theta,
                   const double *phi, const rollout *b, const double *A, const double *R, double *d_theta,
                   double *d_phi)
{
    /* BEGIN SOLUTION A3C-14,A3C-29 */
    ad_mark start = ad_here(t);
    ad x    = ad_input(t, theta, p->n, 1), y = ad_input(t, phi, network_n(f), 1);
    ad s    = ad_input(t, b->s, b->T, b->d);
    ad logp = policy_logp(t, p, x, s, b->a, b->index);                          /* [T x 1] */
    ad H    = policy_entropy(p, x, s);                                          /* [T x 1] */
    ad V    = network_forward(f, y, s);                                         /* [T x 1] */
    ad J    = a3c_policy_objective(logp, ad_input(t, A, b->T, 1), H, c->beta);
    ad L    = a3c_V_loss(V, ad_input(t, R, b->T, 1), c->c_V);
    memcpy(d_theta, ad_value(ad_grad(J, x)), (size_t)p->n * sizeof *d_theta);
    memcpy(d_phi, ad_value(ad_grad(L, y)), (size_t)network_n(f) * sizeof *d_phi);
    ad_reset(t, start);
    /* END SOLUTION */
}
/*[/snip]*/

/* A3C-16, A3C-28   x [n] <- a step along g, entry by entry while others do so, too; v [n]: RMSProp's squares */
static void ascend(const a3c_config *c, int n, double lr, _Atomic double *x, const double *g, _Atomic double *v)
{
    const rmsprop_shared square = { n, lr, c->alpha, c->eps, v };
    if (c->optimiser == A3C_SGD) sgd_shared_ascend(n, lr, x, g);
    else                         rmsprop_shared_ascend(&square, x, g);
}

/* What is left of the step sizes after so many steps of all: 1 at first, 0 at anneal_steps */
static double annealed(const a3c_config *c, long T)
{
    return c->anneal_steps ? fmax(0, 1 - (double)T / (double)c->anneal_steps) : 1;
}

/* A3C-16   theta <- theta + alpha d_theta, phi <- phi - alpha_v d_phi: the shared ones. d_phi's sign is turned. */
static void update(const a3c_config *c, worker *w, int n, int nV, double *d)
{
    int own = c->optimiser == A3C_RMSPROP_OWN ? w->i : 0;
    _Atomic double *theta = w->all->x, *phi = theta + n, *v = phi + nV + own * (n + nV);
    for (int i = n; i < n + nV; i++) d[i] = -d[i];
    if (c->clip > 0) clip_global_norm(n + nV, d, c->clip);
    worker_updates(w);                                                          /* T <- T + t - t_start */
    double left = annealed(c, w->T - w->b->T);
    ascend(c, n, left * c->lr, theta, d, v);
    ascend(c, nV, left * c->lr_V, phi, d + n, v + n);
}

/* What all workers know, and what each has of its own: d = (d_theta, d_phi) */
struct learner { actor *pi; ad_tape *t; double *d, *V, *A, *R; };
struct learners { const a3c_config *c; policy p; network f; struct learner *own; };

/*[snip a3c-actor-learner later]*/
/* A3C-10, A3C-30   one worker; w->theta = (theta', phi') */
static void actor_learner(worker *w, void *of)
{
    const struct learners *all = of;
    const a3c_config *c = all->c;
    const policy *p = &all->p;
    const network *f = &all->f;
    while ((w = worker_turn(w))) {                          /* A3C-11   theta' = theta, phi' = phi */
        struct learner *l = &all->own[w->i];
        double *theta = w->theta, *phi = theta + p->n, *d_theta = l->d, *d_phi = l->d + p->n, V_end;
        /* A3C-12   a_t ~ pi(.|s_t; theta'), until terminal s_t or t - t_start = t_max */
        rollout_segment(w->b, (int)c->t_max, w->env, w->env_rng, l->pi, w->policy_rng);
        critic_bootstrap(l->t, f, phi, w->b, l->V, &V_end);                     /* A3C-13 */
        a3c_advantages(w->b->T, w->b->r, l->V, V_end, c->gamma, l->A, l->R);    /* A3C-14 */
        a3c_gradients(l->t, c, p, f, theta, phi, w->b, l->A, l->R, d_theta, d_phi);
        update(c, w, p->n, network_n(f), l->d);                                 /* A3C-16 */
    }
}
/*[/snip]*/

policy a3c_policy(const env *e, const void *config)
{
    const a3c_config *c = config;
    return policy_of(e, c->hidden.layers, c->hidden.width, (enum ad_activation)c->activation);
}

/* First parameters, the same for every number of workers */
static void first_parameters(workers *all, const policy *p, const network *f)
{
    size_t n = (size_t)p->n, nV = (size_t)network_n(f);
    double *theta = allocate(n + nV, sizeof *theta, "theta, phi");
    policy_init(p, all->run->init_rng, theta);
    network_init_orthogonal(f, sqrt(2), 1, all->run->init_rng, theta + n);
    shared_store(n + nV, theta, all->x);
    free(theta);
}

/* A3C-1, A3C-23   N threads, each with an environment, and one vector (theta, phi); nothing is replayed */
void a3c(run *training, const void *config)
{
    const a3c_config *c = config;
    struct learners learners = { c, a3c_policy(training->env, c) };
    learners.f = critic_V(&learners.p);
    size_t N = (size_t)c->workers, T = (size_t)c->t_max;
    size_t n = (size_t)learners.p.n, nV = (size_t)network_n(&learners.f);
    size_t squares = c->optimiser == A3C_SGD ? 0 : (n + nV) * (c->optimiser == A3C_RMSPROP_OWN ? N : 1);
    const shared_part parts[] = { { "theta", n }, { "phi", nV }, { "g", squares }, { NULL } };
    workers *all = workers_new(training, parts, n + nV, (int)N, c->schedule, c->locks);
    learners.own = allocate(N, sizeof *learners.own, "workers");
    for (size_t i = 0; i < N; i++) {
        struct learner *l = &learners.own[i];
        *l = (struct learner){ .pi = actor_new(&learners.p, all->worker[i].theta), .t = ad_tape_new() };
        l->d = allocate(n + nV + 3 * T, sizeof *l->d, "d_theta, d_phi, V, A, R");
        l->V = l->d + n + nV, l->A = l->V + T, l->R = l->A + T;
    }

    first_parameters(all, &learners.p, &learners.f);
    workers_begin(all, NULL, (shown[]){ { "lag", &all->lag_mean }, { NULL } });
    workers_run(all, actor_learner, &learners);
    workers_end(all);

    for (size_t i = 0; i < N; i++) {
        actor_free(learners.own[i].pi);
        ad_tape_free(learners.own[i].t);
        free(learners.own[i].d);
    }
    free(learners.own);
}

/* ---- one turn of one worker, with its numbers: the first of a training run from that seed ---- */

enum { EXPLAINED = 5 };                             /* steps of the turn, at most */

static void explain_segment(FILE *out, long t_max, const rollout *b, const double *V, double V_end,
                            const double *R, const double *A, const double *logp)
{
    fprintf(out, "\nA3C-12   with pi_theta', until the episode ends or t_max = %ld steps; A3C-14: R backwards\n"
            "   t  s_t  a_t %10s %10s %10s %10s %18s\n", t_max, "r_t", "R", "V(s_t)", "R - V",
            "log pi(a_t|s_t)");
    for (int t = 0; t < b->T; t++)
        fprintf(out, "%4d %4d %4d %10.5f %10.5f %10.5f %10.5f %18.5f\n", t, explained_state(b, t), b->index[t],
                b->r[t], R[t], V[t], A[t], logp[t]);
    fprintf(out, "A3C-13   R began as %.5f: %s\n", V_end,
            b->segment->terminated ? "the episode terminated" : "V(s_t) of the state after the last step");
}

static void explain_update(FILE *out, const a3c_config *c, int n, int nV, const double *d)
{
    double J = 0, L = 0;
    for (int i = 0; i < n; i++) J += d[i] * d[i];
    for (int i = n; i < n + nV; i++) L += d[i] * d[i];
    fprintf(out, "A3C-14   R <- r_i + gamma R, gamma = %g\n"
            "A3C-6    d_theta = sum grad log pi(a_i|s_i) (R - V(s_i)) + beta grad H(pi(.|s_i)), beta = %g\n"
            "         (A3C-27): norm %.5f\n"
            "A3C-9    d_phi = c_V sum grad (R - V(s_i))^2, c_V = %g: norm %.5f\n"
            "A3C-16   theta <- theta + %s along d_theta, alpha = %g;\n"
            "         phi <- phi - the same along d_phi, alpha_v = %g; below g = (d_theta, -d_phi)%s\n",
            c->gamma, c->beta, sqrt(J), c->c_V, sqrt(L), c->optimiser == A3C_SGD ? "a plain step" : "RMSProp's step",
            c->lr, c->lr_V, c->clip > 0 ? "," : "");
    if (c->clip > 0) fprintf(out, "         as one vector shortened to a norm of at most clip = %g\n", c->clip);
    if (c->optimiser != A3C_SGD) explained_rmsprop(out, c->alpha, c->eps, false);
    putc('\n', out);
}

void a3c_explain(FILE *out, const void *config, uint64_t seed)
{
    a3c_config c = *(const a3c_config *)config;
    env *e = explained_env();
    c.hidden.layers = 0;
    c.t_max = c.t_max < EXPLAINED ? c.t_max : EXPLAINED;
    const policy p = a3c_policy(e, &c);
    const network f = critic_V(&p);
    run *r = run_new("a3c", e, seed, 1);
    int n = p.n, nV = network_n(&f), all_n = n + nV;
    const shared_part parts[] = { { "theta", (size_t)n }, { "phi", (size_t)nV }, { "g", (size_t)all_n },
                                  { NULL } };
    workers *all = workers_new(r, parts, (size_t)all_n, 1, SCHEDULE_SERIAL, false);
    double *d = allocate((size_t)(2 * all_n), sizeof *d, "d_theta, d_phi"), *after = d + all_n;
    double V[EXPLAINED], A[EXPLAINED], R[EXPLAINED], logp[EXPLAINED], V_end;
    first_parameters(all, &p, &f);
    workers_begin(all, NULL, NULL);
    worker *w = worker_turn(all->worker);
    const double *theta = w->theta, *phi = theta + n;
    actor *pi = actor_new(&p, theta);
    ad_tape *t = ad_tape_new();

    fprintf(out, "A3C, a worker's first turn on %s (states 0 .. 4, then the end; 3 actions), seed %llu, no hidden"
            " layers\n\nA3C-11   d_theta <- 0, d_phi <- 0; theta' = theta, phi' = phi: the worker's copies\n",
            e->id, (unsigned long long)seed);
    rollout_segment(w->b, (int)c.t_max, w->env, w->env_rng, pi, w->policy_rng);
    critic_bootstrap(t, &f, phi, w->b, V, &V_end);
    a3c_advantages(w->b->T, w->b->r, V, V_end, c.gamma, A, R);
    explained_logp(&p, theta, w->b, logp);
    explain_segment(out, c.t_max, w->b, V, V_end, R, A, logp);
    a3c_gradients(t, &c, &p, &f, theta, phi, w->b, A, R, d, d + n);
    explain_update(out, &c, n, nV, d);
    update(&c, w, n, nV, d);
    shared_load((size_t)all_n, all->x, after);
    explained_theta(out, &p, d, theta, after);
    putc('\n', out);
    explained_V(out, "phi", nV, d + n, phi, after + n);
    critic_values(t, &f, after + n, w->b->T, w->b->s, V);
    fprintf(out, "\nV(s_0) is %.5f now, and T = %ld. Other workers may have read the old theta: their updates come"
            " from\ncopies that are one version old (A3C-31).\n", V[0], w->T);

    ad_tape_free(t);
    actor_free(pi);
    free(d);
    workers_end(all);
    run_free(r);
    env_free(e);
}
