/* PPO with a clipped surrogate (000, eq (18)-(19); 001, l.611; 002, images PPO1-17; 004, l.517; Schulman et al.
 * 2017, arXiv:1707.06347, Algorithm 1; Spinning Up's pseudo-code, image PPO17): several epochs of ordinary
 * gradient steps on one batch, with an objective that gains nothing by leaving pi_old's neighbourhood.
 *
 *     initialise theta, phi
 *     loop
 *         actor i = 1 .. N: T steps a_t ~ pi_old(.|s_t), pi_old = pi_theta         PPO-12
 *         A_t = sum_l (gamma lambda)^l delta_{t+l},  R_t = A_t + V(s_t)           PPO-17
 *         for K epochs, in minibatches of M <= N T samples
 *             r_t = pi_theta(a_t|s_t) / pi_old(a_t|s_t)                           PPO-1
 *             L = mean of min(r_t A_t, clip(r_t, 1-eps, 1+eps) A_t)               PPO-2
 *             J = L - c1 mean of (V_phi(s_t) - R_t)^2 + c2 mean of S[pi](s_t)     PPO-15
 *             (theta, phi) <- a step of Adam along the gradient of J              PPO-7, PPO-34
 *         until KL(pi_old||pi_theta) > 1.5 target_kl                              PPO-11
 *
 * Deviations from the source
 *   1. pi and V share no layers, so theta and phi have step sizes of their own; V is fitted in the same
 *      minibatches, as by CleanRL and Stable-Baselines3 (Spinning Up: after the policy, in steps of its own).
 *   2. The KL is looked at after every epoch, exactly, over the whole batch: the epoch that carried it over 1.5
 *      target_kl stays, no other follows, for V neither. With M = N T that is after every step. (Spinning Up:
 *      before every step, estimated by k1, which can be negative.)
 *   3. Advantages are normalised, and the norm of the gradient bounded, as in those three libraries; the paper says
 *      nothing of either.
 *   4. Where M does not divide N T the last minibatch of an epoch is smaller: each sample is taken once an epoch.
 *   5. objective = g is Spinning Up's form of PPO-2, the same to the bit; cpi does not clip at all (PPO-1).
 *   6. Defaults: K, M, eps, gamma, lambda are the paper's, c1, the bound on the norm and Adam's eps
 *      Stable-Baselines3's; batches of 8 x 32 steps and step sizes of 1e-3, with which all of 20 seeds end at 500 on CartPole-v1 after 100000 steps. Other settings, found on seeds 1 to 20:
 *          Acrobot-v1    anneal_steps=300000
 *          Pendulum-v1   workers=4 n_steps=512 minibatch=128 gamma=.95 lambda=.9 lr_V=3e-3 joint=off
 *                        anneal_steps=300000     (gamma = .9, the Zoo's, is shorter-sighted: -180 for -155)
 *          CleanRL's     workers=4 n_steps=128 minibatch=128 epochs=4 lr=2.5e-4 lr_V=2.5e-4 anneal_steps=500000
 *                        c1=.25 c2=.01 eps_V=.2
 *
 * Critical
 *   - min is taken of the two products: with A outside (004) A < 0 is pushed down without limit (ERR-60).
 *   - Clipping takes away what leaving would gain; it does not keep r in the range (PPO-10, ERR-62).
 *   - logp_old, A and R are those of the batch, from before its first step, and constant. Actions are as drawn: it is
 *     the environment that clips.
 *   - V is not clipped by default: the paper has no such term. baselines' code (eps_V) takes the greater error.
 *   - A minibatch of one sample has no standard deviation: refused if it is to be normalised. */
#include "algorithms/ppo_clip.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "algorithms/critic.h"
#include "algorithms/explained.h"
#include "algorithms/gae.h"
#include "algorithms/kl_estimates.h"
#include "autodiff/optimiser.h"
#include "autodiff/require.h"

static const char *const objectives[] = { "clip", "g", "cpi", NULL };
static const char *const normalises[] = { "off", "minibatch", "batch", NULL };

/* PPO-14   eps = .2 */
const ppo_clip_config ppo_clip_defaults = {
    .workers = 8, .n_steps = 32, .epochs = 10, .minibatch = 64, .objective = PPO_CLIP, .eps = 0.2, .gamma = 0.99,
    .lambda = 0.95, .normalise = PPO_NORMALISE_MINIBATCH, .c1 = 0.5, .lr = 1e-3, .lr_V = 1e-3, .adam_eps = 1e-5,
    .clip_norm = 0.5, .joint = 1, .hidden = { 2, { 64, 64 } }, .activation = AD_TANH,
};

#define FIELD(name) #name, .at = offsetof(ppo_clip_config, name)
#define REAL(most) .kind = CONFIG_REAL, .low = 0, .high = most
#define WHOLE(least, most) .kind = CONFIG_WHOLE, .low = least, .high = most
#define CHOICE(names) .kind = CONFIG_CHOICE, .choices = names
const config_field ppo_clip_fields[] = {
    { FIELD(workers), WHOLE(1, 1000), .about = "N: actors" },
    { FIELD(n_steps), WHOLE(1, 1e6), .about = "T: steps of each an update; paper: 2048 of one actor" },
    { FIELD(epochs), WHOLE(1, 1e6), .about = "K: times each sample is used; paper: 10" },
    { FIELD(minibatch), WHOLE(1, 1e9), .about = "M: samples a step; paper: 64" },
    { FIELD(objective), CHOICE(objectives), .about = "PPO-2, PPO-4, PPO-1" },
    { FIELD(eps), REAL(1), .about = "clip range of the ratio; paper: .2" },
    { FIELD(gamma), REAL(1), .about = "discount gamma; paper: .99" },
    { FIELD(lambda), REAL(1), .about = "of the advantages; paper: .95" },
    { FIELD(normalise), CHOICE(normalises), .about = "advantages: mean 0, standard deviation 1; CleanRL: minibatch" },
    { FIELD(c1), REAL(1e300), .about = "weight of V's squared error; SB3: .5, CleanRL: .25" },
    { FIELD(c2), REAL(1e300), .about = "weight of the entropy; CleanRL: .01, SB3: 0" },
    { FIELD(eps_V), REAL(1e300), .about = "clip range of V, 0: none, as in the paper; CleanRL: .2" },
    { FIELD(target_kl), REAL(1e300), .about = "epochs end at 1.5 of it, 0: they do not; Spinning Up: .01" },
    { FIELD(lr), REAL(1e300), .about = "step size alpha of the policy; paper: 3e-4" },
    { FIELD(lr_V), REAL(1e300), .about = "step size of V" },
    { FIELD(adam_eps), .kind = CONFIG_REAL, .low = 1e-30, .high = 1, .about = "Adam's eps; CleanRL, SB3: 1e-5" },
    { FIELD(clip_norm), REAL(1e300), .about = "greatest norm of the gradient, 0: any; CleanRL: .5" },
    { FIELD(joint), CHOICE(config_switch), .about = "the norm in (theta, phi), or in each by itself; CleanRL: on" },
    { FIELD(anneal_steps), WHOLE(0, 1e15), .about = "step sizes fall to 0 in so many steps; 0: they stay" },
    { FIELD(anneal_eps), CHOICE(config_switch), .about = "clip ranges fall with them" },
    { FIELD(hidden), .kind = CONFIG_WIDTHS, .about = "hidden layers of policy and V; paper: 64,64" },
    { FIELD(activation), CHOICE(config_activations), .about = "in the hidden layers; paper: tanh" },
    { .name = NULL },
};

/*[snip ppo-ratio later]*/
/* PPO-1   r_t = pi_theta(a_t|s_t) / pi_old(a_t|s_t) = exp(log pi_theta - log pi_old) */
ad ppo_ratio(ad logp, ad logp_old)
{
    /* BEGIN SOLUTION PPO-1 */
    return ad_exp(ad_sub(logp, ad_detach(logp_old)));
    /* END SOLUTION */
}

/* PPO-1   L_CPI = E_t[ r_t A_t ] */
ad ppo_L_CPI(ad ratio, ad A)
{
    /* BEGIN SOLUTION PPO-1 */
    return ad_mean(ad_mul(ratio, A));
    /* END SOLUTION */
}
/*[/snip]*/

/*[snip ppo-clip later]*/
/* PPO-2   L_CLIP = E_t[ min( r_t A_t, clip(r_t, 1-eps, 1+eps) A_t ) ] */
ad ppo_L_clip(ad ratio, ad A, double eps)
{
    /* BEGIN SOLUTION PPO-2 */
    ad unclipped = ad_mul(ratio, A);
    ad clipped   = ad_mul(ad_clip(ratio, 1 - eps, 1 + eps), A);
    return ad_mean(ad_min(unclipped, clipped));
    /* END SOLUTION */
}

/* PPO-4   g(eps, A) = (1+eps) A where A >= 0, else (1-eps) A */
ad ppo_g(double eps, ad A)
{
    /* BEGIN SOLUTION PPO-4 */
    return ad_where(ad_less(A, ad_scale(0, A)), ad_scale(1 - eps, A), ad_scale(1 + eps, A));
    /* END SOLUTION */
}

/* PPO-4   L = E_t[ min( r_t A_t, g(eps, A_t) ) ] */
ad ppo_L_g(ad ratio, ad A, double eps)
{
    /* BEGIN SOLUTION PPO-4 */
    return ad_mean(ad_min(ad_mul(ratio, A), ppo_g(eps, A)));
    /* END SOLUTION */
}
/*[/snip]*/

/*[snip ppo-objective later]*/
/* PPO-15   L_VF = E_t[ (V_phi(s_t) - R_t)^2 ] */
ad ppo_L_VF(ad V, ad R)
{
    /* BEGIN SOLUTION PPO-15 */
    return ad_mean(ad_square(ad_sub(V, R)));
    /* END SOLUTION */
}

/* E_t[ max( (V - R)^2, (V_old + clip(V - V_old, -eps_V, eps_V) - R)^2 ) ] */
ad ppo_L_VF_clip(ad V, ad V_old, ad R, double eps_V)
{
    /* BEGIN SOLUTION PPO-15 */
    ad near = ad_add(V_old, ad_clip(ad_sub(V, V_old), -eps_V, eps_V));
    return ad_mean(ad_max(ad_square(ad_sub(V, R)), ad_square(ad_sub(near, R))));
    /* END SOLUTION */
}

/* PPO-15   J = L - c1 L_VF + c2 S,   S = E_t[ H(pi_theta(.|s_t)) ] */
ad ppo_objective(ad L, ad L_VF, ad S, double c1, double c2)
{
    /* BEGIN SOLUTION PPO-15 */
    return ad_add(ad_sub(L, ad_scale(c1, L_VF)), ad_scale(c2, S));
    /* END SOLUTION */
}
/*[/snip]*/

static ad surrogate(const ppo_clip_config *c, ad ratio, ad A)
{
    return c->objective == PPO_CLIP ? ppo_L_clip(ratio, A, c->eps)
         : c->objective == PPO_G    ? ppo_L_g(ratio, A, c->eps) : ppo_L_CPI(ratio, A);
}

/*[snip ppo-gradient later]*/
/* PPO-15   g = the gradient of J in (theta, phi) */
void ppo_gradient(ad_tape *t, const ppo_clip_config *c, const policy *p, const network *f, const double *theta,
                  const double *phi, const samples *b, double *g)
{
    /* BEGIN SOLUTION PPO-15 */
    ad_mark start = ad_here(t);
    ad x = ad_input(t, theta, p->n, 1), y = ad_input(t, phi, network_n(f), 1), dJ[2];
    ad s = ad_input(t, b->s, b->T, b->d), R = ad_input(t, b->R, b->T, 1);
    ad pi    = policy_parameters(p, x, s);                                          /* [T x m] */
    ad ratio = ppo_ratio(policy_logp_of(t, p, pi, b->a, b->index), ad_input(t, b->logp_old, b->T, 1));
    ad V     = network_forward(f, y, s);                                            /* [T x 1] */
    ad L_VF  = c->eps_V > 0 ? ppo_L_VF_clip(V, ad_input(t, b->V_old, b->T, 1), R, c->eps_V) : ppo_L_VF(V, R);
    ad J     = ppo_objective(surrogate(c, ratio, ad_input(t, b->A, b->T, 1)), L_VF,
                             ad_mean(policy_entropy_of(p, pi)), c->c1, c->c2);
    ad_grads(J, 2, ((ad[]){ x, y }), dJ);
    memcpy(g, ad_value(dJ[0]), (size_t)p->n * sizeof *g);
    memcpy(g + p->n, ad_value(dJ[1]), (size_t)network_n(f) * sizeof *g);
    ad_reset(t, start);
    /* END SOLUTION */
}
/*[/snip]*/

ppo_measured ppo_measure(ad_tape *t, const ppo_clip_config *c, const policy *p, const double *theta, const samples *b)
{
    ad_mark start = ad_here(t);
    int T = b->T, outside = 0;
    ad s = ad_input(t, b->s, T, b->d);
    ad pi = policy_parameters(p, ad_input(t, theta, p->n, 1), s);
    ad logp = policy_logp_of(t, p, pi, b->a, b->index), logp_old = ad_input(t, b->logp_old, T, 1);
    ad ratio = ppo_ratio(logp, logp_old);
    for (int i = 0; i < T; i++) outside += fabs(ad_value(ratio)[i] - 1) > c->eps;
    const double *old = ad_value(logp_old), *new = ad_value(logp);
    ppo_measured m = {
        .kl_exact = ad_scalar(ad_mean(policy_kl(p, ad_input(t, b->pi_old, T, b->m), pi))),
        .kl_k1 = kl_k1(T, old, new), .kl_k2 = kl_k2(T, old, new), .kl_k3 = kl_k3(T, old, new),
        .clip_fraction = (double)outside / T, .entropy = ad_scalar(ad_mean(policy_entropy_of(p, pi))),
        .L = ad_scalar(surrogate(c, ratio, ad_input(t, b->A, T, 1))) };
    ad_reset(t, start);
    return m;
}

/* ---- an update ---- */

/* What it works on */
typedef struct {
    policy p;
    network f;
    double *theta, *phi, *g;                /* [n], [nV] behind it; [n + nV] */
    double *m;                              /* [2 (n + nV)] Adam's, of theta, then of phi */
    adam step, step_V;
    samples *D, *minibatch;
    int *order;                             /* [N T] */
    double *V_end;                          /* [segments] */
    ad_tape *t;
} learner;

static learner learner_new(const policy *p, const ppo_clip_config *c)
{
    const network f = critic_V(p);
    size_t n = (size_t)p->n, nV = (size_t)network_n(&f), T = (size_t)(c->workers * c->n_steps);
    learner l = { .p = *p, .f = f, .theta = allocate(4 * (n + nV), sizeof *l.theta, "theta, phi") };
    l.phi = l.theta + n;
    l.g = l.phi + nV;
    l.m = l.g + n + nV;
    l.step = adam_of(n, c->lr, l.m);
    l.step_V = adam_of(nV, c->lr_V, l.m + 2 * n);
    l.step.eps = l.step_V.eps = c->adam_eps;
    l.D = samples_new(p, (int)T);
    l.minibatch = samples_new(p, (int)c->minibatch);
    l.order = allocate(T, sizeof *l.order, "a permutation");
    l.V_end = allocate(T, sizeof *l.V_end, "V");
    l.t = ad_tape_new();
    return l;
}

static void learner_init(learner *l, gsl_rng *rng)
{
    policy_init(&l->p, rng, l->theta);
    network_init_orthogonal(&l->f, sqrt(2), 1, rng, l->phi);
}

static void learner_free(learner *l)
{
    ad_tape_free(l->t);
    free(l->V_end);
    free(l->order);
    samples_free(l->minibatch);
    samples_free(l->D);
    free(l->theta);
}

/* PPO-12   The actors' parts of a batch, one behind the other */
static void act(const ppo_clip_config *c, run *training, actor *pi, rollout *b)
{
    rollout_clear(b);
    for (int i = 0, n = (int)c->n_steps; i < c->workers; i++) {
        run_worker *w = &training->worker[i];
        b->worker = i;
        rollout_steps(b, b->T + n, w->env, w->env_rng, pi, w->policy_rng);
    }
}

/* PPO-17   D from the batch: A_t, R_t = A_t + V(s_t), segment by segment; pi_old, log pi_old */
static void prepare(const ppo_clip_config *c, learner *l, const rollout *b)
{
    samples *D = l->D;
    samples_old(D, l->t, &l->p, l->theta, b);
    critic_bootstrap(l->t, &l->f, l->phi, b, D->V_old, l->V_end);
    for (int i = 0; i < b->segments; i++) {
        int first = b->segment[i].first, T = b->segment[i].T;
        gae_advantages(T, b->r + first, D->V_old + first, l->V_end[i], c->gamma, c->lambda, D->A + first);
    }
    for (int k = 0; k < D->T; k++) D->R[k] = D->A[k] + D->V_old[k];
    if (c->normalise == PPO_NORMALISE_BATCH) advantages_normalise(D->T, D->A);
}

static void ascend(const ppo_clip_config *c, learner *l)
{
    int n = l->p.n, nV = network_n(&l->f);
    if (c->clip_norm > 0) {
        clip_global_norm(c->joint ? n + nV : n, l->g, c->clip_norm);
        if (!c->joint) clip_global_norm(nV, l->g + n, c->clip_norm);
    }
    l->step.lr = c->lr;
    l->step_V.lr = c->lr_V;
    adam_ascend(&l->step, l->theta, l->g);
    adam_ascend(&l->step_V, l->phi, l->g + n);
}

/*[snip ppo-epochs later]*/
/* PPO-12, PPO-11   K epochs, or fewer: how many */
static long epochs(const ppo_clip_config *c, learner *l, gsl_rng *rng)
{
    int T = l->D->T, M = (int)c->minibatch;
    for (long k = 1; k <= c->epochs; k++) {
        samples_shuffle(rng, T, l->order);
        for (int i = 0; i < T; i += M) {
            samples_gather(l->minibatch, l->D, l->order + i, M < T - i ? M : T - i);
            if (c->normalise == PPO_NORMALISE_MINIBATCH) advantages_normalise(l->minibatch->T, l->minibatch->A);
            ppo_gradient(l->t, c, &l->p, &l->f, l->theta, l->phi, l->minibatch, l->g);
            ascend(c, l);
        }
        if (c->target_kl > 0 && ppo_measure(l->t, c, &l->p, l->theta, l->D).kl_exact > 1.5 * c->target_kl) return k;
    }
    return c->epochs;
}
/*[/snip]*/

/* The settings after so many steps of all */
static ppo_clip_config annealed(const ppo_clip_config *c, long T)
{
    ppo_clip_config now = *c;
    double left = c->anneal_steps ? fmax(0, 1 - (double)T / (double)c->anneal_steps) : 1;
    now.lr *= left;
    now.lr_V *= left;
    if (c->anneal_eps) {
        now.eps *= left;
        now.eps_V *= left;
    }
    return now;
}

policy ppo_clip_policy(const env *e, const void *config)
{
    const ppo_clip_config *c = config;
    return policy_of(e, c->hidden.layers, c->hidden.width, (enum ad_activation)c->activation);
}

void ppo_clip_check(const void *config)
{
    const ppo_clip_config *c = config;
    long T = c->workers * c->n_steps;
    if (c->minibatch > T)
        bad_input("--set: expected minibatch of at most workers * n_steps = %ld, found %ld", T, c->minibatch);
    if ((c->normalise == PPO_NORMALISE_MINIBATCH && (c->minibatch == 1 || T % c->minibatch == 1)) ||
        (c->normalise == PPO_NORMALISE_BATCH && T == 1))
        bad_input("--set: expected normalise=off where a minibatch is of one sample: it has no standard deviation");
    if (c->anneal_eps && !c->anneal_steps) bad_input("--set: expected anneal_steps beside anneal_eps=on");
}

void ppo_clip(run *training, const void *config)
{
    const ppo_clip_config *c = config;
    const policy p = ppo_clip_policy(training->env, c);
    ppo_clip_check(c);
    run_workers(training, (int)c->workers);
    learner l = learner_new(&p, c);
    actor *pi = actor_new(&p, l.theta);
    rollout *b = rollout_new(training->env);
    size_t n = (size_t)p.n, nV = (size_t)network_n(&l.f);
    ppo_measured seen = { NAN, NAN, NAN, NAN, NAN, NAN, NAN };
    double done = NAN;

    learner_init(&l, training->init_rng);
    const kept survives[] = { { "theta", l.theta, n }, { "phi", l.phi, nV }, { "m, v", l.m, 2 * (n + nV) },
                              { .name = "t", .count = &l.step.t }, { .name = "t of V", .count = &l.step_V.t },
                              { .name = NULL } };
    const shown beside[] = { { "kl_exact", &seen.kl_exact }, { "kl_k1", &seen.kl_k1 }, { "kl_k2", &seen.kl_k2 },
                             { "kl_k3", &seen.kl_k3 }, { "clip_fraction", &seen.clip_fraction },
                             { "epochs", &done }, { "entropy", &seen.entropy }, { "L", &seen.L }, { .name = NULL } };
    run_begin(training, survives, beside);
    /*[snip ppo-loop later]*/
    while (run_update(training, b)) {
        const ppo_clip_config now = annealed(c, training->steps);
        act(c, training, pi, b);
        prepare(c, &l, b);
        done = (double)epochs(&now, &l, training->update_rng);
        seen = ppo_measure(l.t, &now, &p, l.theta, l.D);
    }
    /*[/snip]*/
    run_end(training);

    rollout_free(b);
    actor_free(pi);
    learner_free(&l);
}

/* ---- one update, with its numbers: the first of a training run from that seed ---- */

enum { EXPLAINED_WORKERS = 2, EXPLAINED_STEPS = 4 };

static void explain_batch(FILE *out, const learner *l, const rollout *b)
{
    const samples *D = l->D;
    fprintf(out, "\nactor  t  s_t  a_t %9s %9s %9s %9s %13s\n", "r_t", "V(s_t)", "A_t", "R_t", "ln pi_old");
    for (int i = 0; i < b->segments; i++) {
        const segment *g = &b->segment[i];
        for (int t = 0, k = g->first; t < g->T; t++, k++)
            fprintf(out, "%5d %2d %4d %4d %9.5f %9.5f %9.5f %9.5f %13.5f\n", g->worker, t, explained_state(b, k),
                    b->index[k], b->r[k], D->V_old[k], D->A[k], D->R[k], D->logp_old[k]);
        if (g->terminated) fprintf(out, "%9s: V = 0, the episode terminated\n", "then");
        else fprintf(out, "%9s: V(s) = %.5f, cut by the %s\n", "then", l->V_end[i],
                     g->truncated ? "time limit" : "batch");
    }
}

/* r_t and the two products of each sample, and their mean */
static void explain_surrogate(FILE *out, const ppo_clip_config *c, learner *l)
{
    static const char *const line[] = { "PPO-2    min of both", "PPO-4    min of r_t A_t and g(eps, A_t)",
                                        "PPO-1    r_t A_t, not clipped" };
    const samples *D = l->D;
    ad_mark start = ad_here(l->t);
    ad pi = policy_parameters(&l->p, ad_input(l->t, l->theta, l->p.n, 1), ad_input(l->t, D->s, D->T, D->d));
    ad logp = policy_logp_of(l->t, &l->p, pi, D->a, D->index);
    const double *r = ad_value(ppo_ratio(logp, ad_input(l->t, D->logp_old, D->T, 1)));
    fprintf(out, "  r_t = pi/pi_old %9s %9s %18s\n", "A_t", "r_t A_t", "clip(r_t) A_t");
    for (int k = 0; k < D->T; k++)
        fprintf(out, "%17.5f %9.5f %9.5f %18.5f\n", r[k], D->A[k], r[k] * D->A[k],
                fmin(fmax(r[k], 1 - c->eps), 1 + c->eps) * D->A[k]);
    ad_reset(l->t, start);
    fprintf(out, "%s; L, its mean: %.5f, eps = %g\n", line[c->objective],
            ppo_measure(l->t, c, &l->p, l->theta, D).L, c->eps);
}

static void explain_kl(FILE *out, const ppo_clip_config *c, learner *l, long done)
{
    ppo_measured m = ppo_measure(l->t, c, &l->p, l->theta, l->D);
    fprintf(out, "PPO-11   KL(pi_old||pi), mean over the batch: exact %.3g; from its actions k1 %.3g, k2 %.3g, k3"
            " %.3g\n", m.kl_exact, m.kl_k1, m.kl_k2, m.kl_k3);
    if (c->target_kl > 0)
        fprintf(out, "         %ld of %ld epochs, the limit 1.5 target_kl = %g looked at after each\n", done,
                c->epochs, 1.5 * c->target_kl);
}

void ppo_clip_explain(FILE *out, const void *config, uint64_t seed)
{
    ppo_clip_config c = *(const ppo_clip_config *)config;
    env *e = explained_env();
    c.hidden.layers = 0;
    c.workers = c.workers < EXPLAINED_WORKERS ? c.workers : EXPLAINED_WORKERS;
    c.n_steps = c.n_steps < EXPLAINED_STEPS ? c.n_steps : EXPLAINED_STEPS;
    c.minibatch = c.minibatch < c.workers * c.n_steps ? c.minibatch : c.workers * c.n_steps;
    ppo_clip_check(&c);
    const policy p = ppo_clip_policy(e, &c);
    run *streams = run_new("ppo_clip", e, seed, 0);
    run_workers(streams, (int)c.workers);
    learner l = learner_new(&p, &c);
    size_t n = (size_t)(p.n + network_n(&l.f));
    double *before = allocate(n, sizeof *before, "theta, phi");
    actor *pi = actor_new(&p, l.theta);
    rollout *b = rollout_new(e);

    learner_init(&l, streams->init_rng);
    memcpy(before, l.theta, n * sizeof *before);
    act(&c, streams, pi, b);
    prepare(&c, &l, b);
    fprintf(out, "PPO, its first update on %s (states 0 .. 4, then the end; 3 actions), seed %llu;\nN = %ld, T = %ld,"
            " K = %ld, M = %ld, no hidden layers, gamma = %g, lambda = %g\n", e->id, (unsigned long long)seed,
            c.workers, c.n_steps, c.epochs, c.minibatch, c.gamma, c.lambda);
    explain_batch(out, &l, b);
    fprintf(out, "PPO-17   A_t = delta_t + gamma lambda A_t+1, delta_t = r_t + gamma V(s_t+1) - V(s_t); R_t = A_t +"
            " V(s_t)\n");
    if (c.normalise != PPO_NORMALISE_OFF)
        fprintf(out, "         each %s of A_t with mean 0 and standard deviation 1\n", normalises[c.normalise]);
    long done = epochs(&c, &l, streams->update_rng);
    fprintf(out, "PPO-15   J = L - c1 L_VF + c2 S, c1 = %g, c2 = %g\nPPO-12   %ld steps of Adam along its gradient,"
            " alpha = %g, of V %g; after them\n\n", c.c1, c.c2, l.step.t, c.lr, c.lr_V);
    explain_surrogate(out, &c, &l);
    explain_kl(out, &c, &l, done);
    fprintf(out, "         the last g, theta and phi:\n\n");
    explained_theta(out, &p, l.g, before, l.theta);
    putc('\n', out);
    explained_V(out, "phi", network_n(&l.f), l.g + p.n, before + p.n, l.phi);

    free(before);
    rollout_free(b);
    actor_free(pi);
    learner_free(&l);
    run_free(streams);
    env_free(e);
}
