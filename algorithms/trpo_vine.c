/* TRPO with the vine procedure (002, l.271, images TRPO20-21; Schulman et al. 2015, arXiv:1502.05477, section
 * 5.2): Q is not read off the trajectory that is there, but tried out. From some of its states the environment is
 * run again and again, each time with another first action.
 *
 *     initialise theta, phi, and W workers
 *     loop
 *         trunk: worker i = 1 .. W: n steps a_t ~ pi_theta(.|s_t)              as in trpo.c
 *         s_1 .. s_N: rollout states, drawn from the trunk's without replacement
 *         for each s_n, a_{n,1} .. a_{n,K}: all actions, or a ~ pi_theta(.|s_n)
 *             e <- s_n;  a_{n,k}, then pi_theta for up to H steps              env_restore
 *             Q_{n,k} = sum_l gamma^l r_l + gamma^H V_phi(s_H), 0 if terminated
 *         L(theta') = mean_n sum_k pi_theta'(a_k|s_n) Q_{n,k}                  TRPO-15, all actions
 *                or   mean_n sum_k ratio_{n,k} Q_{n,k} / sum_k ratio_{n,k},
 *                     ratio_{n,k} = pi_theta'(a_{n,k}|s_n) / pi_theta(a_{n,k}|s_n)   TRPO-16, drawn
 *         KL(theta') = mean_n KL(pi_theta(.|s_n) || pi_theta'(.|s_n))          TRPO-9
 *         theta: trpo.c's step                                                 TRPO-18, -23, -24
 *         phi: as in trpo.c, from the trunk
 *
 * Deviations from the source
 *   1. The paper's rollouts have no V: they go on until gamma^l is small. Here they take at most H steps, and V_phi
 *      stands for what follows: less variance, and biased as V_phi is wrong. From H = the time limit on it stands
 *      only where that limit cuts.
 *   2. A state's index in the trunk does not weight it (ERR-3), and the trunk's own rewards are V's only.
 *   3. Drawn actions are pi_old's, as TRPO-16 has it; on Atari the paper draws them uniformly.
 *
 * Critical
 *   - All rollouts of s_n begin at s_n: state, clock of the time limit, and what the agent saw there. The trunk
 *     has an environment of its own, and goes on where it was.
 *   - Common random numbers: the rollouts of s_n draw the same ones, from the same places of their streams, so
 *     that Q's differences are those of the actions. Those of the next state draw others.
 *   - Every step counts, those of the rollouts too. A rollout is no episode: its return is none of pi_theta's.
 *   - The time limit or H ends a rollout, not what follows: V_phi(s_end) there, 0 only where the task ended.
 *   - TRPO-16 does not feel a constant added to Q, and TRPO-15 only through rounding; with K = 1 drawn, g = 0. */
#include "algorithms/trpo_vine.h"

#include <float.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include <gsl/gsl_randist.h>

#include "algorithms/cg.h"
#include "algorithms/critic.h"
#include "algorithms/explained.h"
#include "algorithms/gae.h"
#include "autodiff/linalg.h"
#include "autodiff/optimiser.h"
#include "autodiff/random.h"
#include "autodiff/require.h"

static const char *const constraints[] = { "mean", "max", NULL };
static const char *const estimators[] = { "all", "drawn", NULL };

const trpo_vine_config trpo_vine_defaults = {
    .trpo = { .workers = 2, .n_steps = 512, .gamma = 0.99, .lambda = 0.98, .delta = 0.01, .damping = 1e-3,
              .cg_iterations = 15, .cg_tol = 1e-10, .F_every = 1, .alpha = 0.8, .backtracks = 10, .lr_V = 1e-3,
              .V_epochs = 20, .V_batch = 128, .hidden = { 2, { 64, 64 } }, .activation = AD_TANH },
    .states = 128, .estimator = VINE_ALL, .actions = 4, .length = 4, .common = 1,
};

#define FIELD(name) #name, .at = offsetof(trpo_vine_config, name)
#define OWN(name) #name, .at = offsetof(trpo_vine_config, trpo) + offsetof(trpo_config, name)
#define REAL(least, most) .kind = CONFIG_REAL, .low = least, .high = most
#define WHOLE(least, most) .kind = CONFIG_WHOLE, .low = least, .high = most
#define CHOICE(names) .kind = CONFIG_CHOICE, .choices = names
const config_field trpo_vine_fields[] = {
    { OWN(workers), WHOLE(1, 1000), .about = "environments of the trunk" },
    { OWN(n_steps), WHOLE(1, 1e6), .about = "n: steps of each an update" },
    { FIELD(states), WHOLE(1, 1e6), .about = "N: rollout states, of the trunk's" },
    { FIELD(estimator), CHOICE(estimators), .about = "TRPO-15: all actions (of a box: drawn); TRPO-16: drawn" },
    { FIELD(actions), WHOLE(2, 1000), .about = "K of each state, where they are drawn; paper: 4" },
    { FIELD(length), WHOLE(1, 1e6), .about = "H: steps of a rollout at most, then V" },
    { FIELD(common), CHOICE(config_switch), .about = "rollouts of a state draw the same random numbers; paper: on" },
    { OWN(gamma), REAL(0, 1), .about = "discount gamma" },
    { OWN(lambda), REAL(0, 1), .about = "of V's targets; SB3 Zoo: .98" },
    { OWN(delta), REAL(1e-12, 1e6), .about = "trust radius, greatest KL; paper: .01" },
    { OWN(constraint), CHOICE(constraints), .about = "of the mean KL over states or the greatest; paper: mean" },
    { OWN(damping), REAL(0, 1e300), .about = "added to F's diagonal; SB3 Zoo: 1e-3" },
    { OWN(cg_iterations), WHOLE(1, 1e6), .about = "at most; SB3: 15, paper: 10" },
    { OWN(cg_tol), REAL(0, 1), .about = "residual at which they stop, as a part of |g|" },
    { OWN(alpha), REAL(1e-3, 1 - 1e-3), .about = "backtracking's factor; SB3: .8" },
    { OWN(backtracks), WHOLE(1, 1000), .about = "steps tried at most; SB3: 10" },
    { OWN(lr_V), REAL(0, 1e300), .about = "step size of V; SB3: 1e-3" },
    { OWN(V_epochs), WHOLE(0, 1e6), .about = "times V goes through a trunk; SB3 Zoo: 20" },
    { OWN(V_batch), WHOLE(1, 1e6), .about = "steps in a minibatch of V; SB3: 128" },
    { OWN(hidden), .kind = CONFIG_WIDTHS, .about = "hidden layers of policy and V; SB3: 64,64" },
    { OWN(activation), CHOICE(config_activations), .about = "in the hidden layers" },
    { .name = NULL },
};

/*[snip vine-L later]*/
/* TRPO-15   L_n = sum_k pi_theta(a_k|s_n) Q^(s_n, a_k),   mean over n */
ad vine_L_all(ad pi, ad Q)
{
    /* BEGIN SOLUTION TRPO-15 */
    return ad_mean(ad_row_sum(ad_mul(pi, Q)));
    /* END SOLUTION */
}

/* TRPO-16   L_n = sum_k ratio_{n,k} Q^(s_n, a_{n,k}) / sum_k ratio_{n,k},   mean over n. ratio / sum ratio is the
 * softmax of log ratio, which no size of it makes 0/0. */
ad vine_L_drawn(ad log_ratio, ad Q)
{
    /* BEGIN SOLUTION TRPO-16 */
    return ad_mean(ad_row_sum(ad_mul(ad_exp(ad_log_softmax(log_ratio)), Q)));
    /* END SOLUTION */
}

/* Q^(s, a) = sum_{l<T} gamma^l r_l + gamma^T V_end */
double vine_Q(int T, const double *r, double V_end, double gamma)
{
    /* BEGIN SOLUTION TRPO-15 */
    double Q = V_end;
    for (int l = T - 1; l >= 0; l--) Q = r[l] + gamma * Q;
    return Q;
    /* END SOLUTION */
}
/*[/snip]*/

/* Q [N x K] less each state's mean: L(theta') less what it is at theta, where all ratios are 1 */
static ad centred(ad Q)
{
    int K = ad_ncols(Q);
    return ad_sub(Q, ad_cols(ad_scale(1.0 / K, ad_row_sum(Q)), K));
}

/* Each row of z [N x m] K times: side by side, and that cut into rows */
static ad repeated(ad z, int K)
{
    ad y = z;
    for (int k = 1; k < K; k++) y = ad_concat(y, z);
    return ad_view(y, 0, K * ad_nrows(z), ad_ncols(z));
}

/*[snip vine-problem later]*/
/* TRPO-15, TRPO-16, TRPO-9   L(theta') - L(theta) and KL(pi_theta || pi_theta'), as functions of theta' */
trpo_problem vine_problem_of(ad_tape *t, const trpo_config *c, const policy *p, const double *theta, const vine *v)
{
    int N = v->N, K = v->K;
    ad x = ad_input(t, theta, p->n, 1), Q = ad_input(t, v->Q, N, K), L;
    ad z = policy_parameters(p, x, ad_input(t, v->s, N, v->d));                         /* [N x m] */
    if (v->all) {                                                                       /* TRPO-15 */
        ad pi = ad_exp(ad_log_softmax(z));                                              /* [N x K] */
        L = vine_L_all(ad_sub(pi, ad_freeze(pi)), Q);
    } else {                                                                            /* TRPO-16 */
        ad z_K   = repeated(z, K);                                                      /* [N K x m] */
        ad logp  = policy_logp_of(t, p, z_K, v->a, v->index);                           /* [N K x 1] */
        L = vine_L_drawn(ad_view(ad_sub(logp, ad_freeze(logp)), 0, N, K), centred(Q));
    }
    ad kl = policy_kl(p, ad_freeze(z), z), each = ad_constant(t, 1.0 / N, N, 1);        /* [N x 1] */
    return (trpo_problem){ x, L, c->constraint == TRPO_MAX ? trpo_max_kl(kl) : trpo_mean_kl(kl, each) };
}
/*[/snip]*/

/* ---- trying out ---- */

vine vine_new(const policy *p, const trpo_vine_config *c)
{
    bool all = p->nA && c->estimator == VINE_ALL;
    vine v = { .N = (int)c->states, .K = all ? p->nA : (int)c->actions, .d = p->d, .k = p->k, .all = all };
    size_t N = (size_t)v.N, K = (size_t)v.K, d = (size_t)v.d, k = (size_t)v.k;
    v.s = allocate(N * (d + K * (k + 1)), sizeof *v.s, "a vine");
    v.a = v.s + N * d;
    v.Q = v.a + N * K * k;
    if (p->nA) v.index = allocate(N * K, sizeof *v.index, "a vine");
    return v;
}

void vine_free(vine *v)
{
    free(v->s);
    free(v->index);
}

/* The trunk, and where each of its steps was taken */
typedef struct {
    double *state;          /* [T x state_n] */
    int *time;              /* [T] */
    int *which;             /* [N] the rollout states, in order */
    double *s, *a;          /* [d], [k] one step */
} places;

static places places_new(const env *e, const trpo_vine_config *c)
{
    size_t T = (size_t)(c->trpo.workers * c->trpo.n_steps), S = (size_t)e->state_n, d = (size_t)e->observation.dim;
    places x = { .state = allocate(T * S + d + (size_t)e->action.dim, sizeof *x.state, "states of a trunk"),
                 .time = allocate(2 * T, sizeof *x.time, "times of a trunk") };
    x.which = x.time + T;
    x.s = x.state + T * S;
    x.a = x.s + d;
    return x;
}

static void places_free(places *x)
{
    free(x->state);
    free(x->time);
}

/* Goes on for n steps, over ends of episodes */
static void grow(rollout *b, int n, run_worker *w, actor *pi, places *x)
{
    env *e = w->env;
    for (int end = b->T + n; b->T < end;) {
        bool terminated = false, truncated = false;
        if (e->over) env_reset(e, w->env_rng);
        bool starts = e->t == 0;
        do {
            double r;
            memcpy(x->state + b->T * e->state_n, e->state, (size_t)e->state_n * sizeof *x->state);
            memcpy(x->s, e->obs, (size_t)b->d * sizeof *x->s);
            x->time[b->T] = e->t;
            actor_draw(pi, w->policy_rng, e->obs, x->a);
            env_step(e, x->a, &r, &terminated, &truncated);
            rollout_add(b, x->s, x->a, r);
        } while (!e->over && b->T < end);
        rollout_end(b, e->obs, starts, terminated, truncated);
    }
}

/*[snip vine-rollout later]*/
/* s <- the state; a, then a_t ~ pi(.|s_t) */
void vine_rollout(rollout *b, env *e, const double *state, int time, const double *a, int length, gsl_rng *env_rng,
                  actor *pi, gsl_rng *policy_rng)
{
    /* BEGIN SOLUTION TRPO-15 */
    bool terminated, truncated;
    double r, *s = allocate((size_t)b->d, sizeof *s, "an observation");
    env_restore(e, env_rng, state, time);
    memcpy(s, e->obs, (size_t)b->d * sizeof *s);
    env_step(e, a, &r, &terminated, &truncated);
    rollout_add(b, s, a, r);
    if (e->over || length == 1) rollout_end(b, e->obs, false, terminated, truncated);
    else rollout_segment(b, b->T + length - 1, e, env_rng, pi, policy_rng);
    free(s);
    /* END SOLUTION */
}
/*[/snip]*/

static uint64_t largest(uint64_t a, uint64_t b) { return a > b ? a : b; }

/*[snip vine-try-out later]*/
/* The K actions of state n, and their rollouts */
static void try_out(const trpo_vine_config *c, vine *v, int n, const places *x, run_worker *w, actor *pi, rollout *b)
{
    int K = v->K, d = v->d, k = v->k, at = x->which[n];
    double *a = v->a + n * K * k;
    memcpy(v->s + n * d, b->s + at * d, (size_t)d * sizeof *v->s);
    for (int i = 0; i < K; i++) {
        if (v->all) a[i] = i;
        else        actor_draw(pi, w->policy_rng, v->s + n * d, a + i * k);
        if (v->index) v->index[n * K + i] = (int)a[i * k];
    }
    uint64_t env_at = random_position(w->env_rng), policy_at = random_position(w->policy_rng);
    uint64_t env_end = env_at, policy_end = policy_at;
    for (int i = 0; i < K; i++) {
        if (c->common) {
            random_seek(w->env_rng, env_at);
            random_seek(w->policy_rng, policy_at);
        }
        vine_rollout(b, w->env, x->state + at * w->env->state_n, x->time[at], a + i * k, (int)c->length, w->env_rng,
                     pi, w->policy_rng);
        env_end    = largest(env_end, random_position(w->env_rng));
        policy_end = largest(policy_end, random_position(w->policy_rng));
    }
    random_seek(w->env_rng, env_end);                   /* the next state draws other numbers */
    random_seek(w->policy_rng, policy_end);
}
/*[/snip]*/

/* which [N] of the T steps of the trunk, all equally likely, in order */
static void draw_states(gsl_rng *rng, int T, int N, int *which)
{
    int *each = allocate((size_t)T, sizeof *each, "an order");
    for (int t = 0; t < T; t++) each[t] = t;
    gsl_ran_choose(rng, which, (size_t)N, each, (size_t)T, sizeof *each);
    free(each);
}

/* b: the trunk, then the N K rollouts, a segment each; returns the trunk's segments */
static int act(const trpo_vine_config *c, run *training, actor *pi, gsl_rng *rng, places *x, vine *v, rollout *b)
{
    int workers = (int)c->trpo.workers;
    rollout_clear(b);
    for (int i = 0; i < workers; i++) {
        b->worker = i;
        grow(b, (int)c->trpo.n_steps, &training->worker[i], pi, x);
    }
    int trunk = b->segments;
    draw_states(rng, b->T, v->N, x->which);
    b->worker = workers;
    for (int n = 0; n < v->N; n++) try_out(c, v, n, x, &training->worker[workers], pi, b);
    return trunk;
}

/* A3C-13   V_end [b->segments], of the trunk's and of the rollouts': 0 where the task ended, else V_phi(s_end) */
static void ends(ad_tape *t, const network *f, const double *phi, const rollout *b, double *V_end)
{
    critic_values(t, f, phi, b->segments, b->s_end, V_end);
    for (int i = 0; i < b->segments; i++)
        if (b->segment[i].terminated) V_end[i] = 0;
}

/* Q_{n,k}, each a rollout's */
static void values_of(const trpo_vine_config *c, vine *v, const rollout *b, int trunk, const double *V_end)
{
    for (int i = 0; i < v->N * v->K; i++) {
        const segment *g = &b->segment[trunk + i];
        v->Q[i] = vine_Q(g->T, b->r + g->first, V_end[trunk + i], c->trpo.gamma);
    }
}

/* PPO-17   R_t = A_t + V_t of the trunk's T steps: V's targets */
static void targets(const trpo_vine_config *c, const rollout *b, int trunk, int T, const double *V,
                    const double *V_end, double *R)
{
    for (int i = 0; i < trunk; i++) {
        int first = b->segment[i].first;
        gae_advantages(b->segment[i].T, b->r + first, V + first, V_end[i], c->trpo.gamma, c->trpo.lambda, R + first);
    }
    for (int t = 0; t < T; t++) R[t] += V[t];
}

/* For run_update, which counts steps and episodes: a rollout's steps count, but it is no episode. */
static void count_no_episodes(rollout *b, int trunk)
{
    for (int i = trunk; i < b->segments; i++) {
        b->segment[i].starts = true;
        b->segment[i].terminated = b->segment[i].truncated = false;
    }
}

/* ---- an update ---- */

/* NPG-7, TRPO-26   x = F^{-1} g by conjugate gradients, and F x, F as it is at theta */
static void direction(ad_tape *t, const trpo_config *c, const policy *p, ad theta, const vine *v, const double *g,
                      double *x, double *Fx, trpo_step *step)
{
    double *u = allocate((size_t)p->n, sizeof *u, "v");
    fisher_vector F = fisher_vector_of(t, p, theta, ad_input(t, v->s, v->N, v->d), NULL, c->damping, u);
    cg_result found = cg(fisher_vector_times, &F, p->n, g, c->cg_tol, (int)c->cg_iterations, x);
    fisher_vector_times(&F, p->n, x, Fx);
    step->cg_iterations = found.iterations;
    step->cg_outcome = found.outcome;
    step->residual = found.residual;
    free(u);
}

/*[snip vine-update later]*/
/* TRPO-23, TRPO-24   trpo_update, with the vine's L and its states */
static trpo_step update(ad_tape *t, const trpo_config *c, const policy *p, double *theta, const vine *v)
{
    int n = p->n;
    double *old = allocate(4 * (size_t)n, sizeof *old, "a step"), *g = old + n, *x = g + n, *Fx = x + n;
    trpo_step step = { .j = NAN };
    memcpy(old, theta, (size_t)n * sizeof *theta);

    ad_mark start = ad_here(t);
    trpo_problem at = vine_problem_of(t, c, p, theta, v);
    memcpy(g, ad_value(ad_grad(at.L, at.theta)), (size_t)n * sizeof *g);                /* TRPO-18 */
    direction(t, c, p, at.theta, v, g, x, Fx, &step);
    if (!(linalg_max_abs(n, g) > 0)) step.outcome = TRPO_NO_GRADIENT;
    else if (!(linalg_dot(n, x, Fx) >= DBL_MIN)) step.outcome = TRPO_NO_CURVATURE;
    else {
        step.beta = trpo_beta(c->delta, n, x, Fx);
        int j = trpo_line_search(c, n, theta, x, step.beta, &at);
        step.outcome = j < 0 ? TRPO_GAVE_UP : TRPO_ACCEPTED;
        if (j >= 0) step.j = j, step.kl = ad_scalar(at.kl), step.L = ad_scalar(at.L);
    }
    if (step.outcome == TRPO_ACCEPTED)
        require(step.kl <= c->delta && step.L > 0, "a step with KL = %g, L = %g", step.kl, step.L);
    else
        require(memcmp(theta, old, (size_t)n * sizeof *theta) == 0, "no step, but another theta");
    ad_reset(t, start);
    free(old);
    return step;
}
/*[/snip]*/

/* V_epochs times through the trunk, the first T steps of b, in minibatches of V_batch steps drawn anew: phi along
 * the gradient of -mean_t (V(s_t) - R_t)^2. What is left of the last one is left out. */
static void fit_V(ad_tape *t, const trpo_config *c, const network *f, double *phi, adam *step, const rollout *b,
                  int T, const double *R, gsl_rng *rng)
{
    int B = T < c->V_batch ? T : (int)c->V_batch;
    size_t d = (size_t)b->d;
    double *s = allocate((size_t)B * (d + 1), sizeof *s, "a minibatch"), *R_B = s + (size_t)B * d;
    int *order = allocate((size_t)T, sizeof *order, "an order");
    for (int k = 0; k < T; k++) order[k] = k;

    ad_mark start = ad_here(t);
    ad x = ad_input(t, phi, network_n(f), 1), s_B = ad_input(t, s, B, b->d), target = ad_input(t, R_B, B, 1);
    ad V = network_forward(f, x, s_B);                                          /* [B x 1] */
    ad g = ad_grad(ad_neg(ad_mean(ad_square(ad_sub(V, target)))), x);
    ad_plan again = ad_slice(3, (ad[]){ x, s_B, target }, 1, &g);
    for (long epoch = 0; epoch < c->V_epochs; epoch++) {
        gsl_ran_shuffle(rng, order, (size_t)T, sizeof *order);
        for (int first = 0; first + B <= T; first += B) {
            for (int k = 0; k < B; k++) {
                memcpy(s + k * b->d, b->s + order[first + k] * b->d, d * sizeof *s);
                R_B[k] = R[order[first + k]];
            }
            ad_run(&again);
            adam_ascend(step, phi, ad_value(g));
        }
    }
    ad_reset(t, start);
    free(order);
    free(s);
}

policy trpo_vine_policy(const env *e, const void *config)
{
    const trpo_vine_config *c = config;
    return trpo_policy(e, &c->trpo);
}

void trpo_vine_check(const void *config)
{
    const trpo_vine_config *c = config;
    long T = c->trpo.workers * c->trpo.n_steps;
    if (c->states > T)
        bad_input("--set: expected states of at most workers * n_steps = %ld, found %ld", T, c->states);
}

void trpo_vine(run *training, const void *config)
{
    const trpo_vine_config *own = config;
    const trpo_config *c = &own->trpo;
    const policy p = trpo_policy(training->env, c);
    const network f = critic_V(&p);
    trpo_vine_check(own);
    vine v = vine_new(&p, own);
    int T = (int)(c->workers * c->n_steps);
    size_t n = (size_t)p.n, nV = (size_t)network_n(&f), most = (size_t)(T + v.N * v.K);
    double *theta = allocate(n + 3 * nV, sizeof *theta, "theta, phi"), *phi = theta + n, *m = phi + nV;
    double *V = allocate(2 * (size_t)T + most, sizeof *V, "V"), *R = V + T, *V_end = R + T;
    adam step_V = adam_of(nV, c->lr_V, m);
    trpo_step step = { .j = NAN };
    run_workers(training, (int)c->workers + 1);                     /* the last one: who tries out */
    actor *pi = actor_new(&p, theta);
    rollout *b = rollout_new(training->env);
    places x = places_new(training->env, own);
    ad_tape *t = ad_tape_new();

    policy_init(&p, training->init_rng, theta);
    network_init_orthogonal(&f, sqrt(2), 1, training->init_rng, phi);
    const kept survives[] = { { "theta", theta, n }, { "phi", phi, nV }, { "m, v", m, 2 * nV },
                              { .name = "t of V", .count = &step_V.t }, { .name = NULL } };
    const shown columns[] = { { "kl", &step.kl }, { "L", &step.L }, { "j", &step.j }, { "outcome", &step.outcome },
                              { "cg_iterations", &step.cg_iterations }, { "cg_outcome", &step.cg_outcome },
                              { "residual", &step.residual }, { .name = NULL } };
    run_begin(training, survives, columns);
    /*[snip vine-loop later]*/
    while (run_update(training, b)) {
        int trunk = act(own, training, pi, training->update_rng, &x, &v, b);
        ends(t, &f, phi, b, V_end);
        values_of(own, &v, b, trunk, V_end);
        critic_values(t, &f, phi, T, b->s, V);
        targets(own, b, trunk, T, V, V_end, R);
        step = update(t, c, &p, theta, &v);
        fit_V(t, c, &f, phi, &step_V, b, T, R, training->update_rng);
        count_no_episodes(b, trunk);
    }
    /*[/snip]*/
    run_end(training);

    ad_tape_free(t);
    places_free(&x);
    rollout_free(b);
    actor_free(pi);
    free(V);
    free(theta);
    vine_free(&v);
}

/* ---- one update, with its numbers: the first of a training run from that seed ---- */

enum { EXPLAINED_STEPS = 6, EXPLAINED_STATES = 3 };

static void explain_vine(FILE *out, const vine *v, const rollout *b, int trunk, const double *V_end,
                         const double *logp)
{
    fprintf(out, "\n  n  s_n  a_nk  pi(a|s) %10s %9s %10s  the rollout's states\n", "steps", "V_end", "Q_nk");
    for (int i = 0; i < v->N * v->K; i++) {
        const segment *g = &b->segment[trunk + i];
        fprintf(out, "%3d %4d %5d %8.5f %10d %9.5f %10.5f ", i / v->K + 1, explained_state(b, g->first), v->index[i],
                exp(logp[i]), g->T, V_end[trunk + i], v->Q[i]);
        for (int t = g->first; t < g->first + g->T; t++) fprintf(out, " %d", explained_state(b, t));
        fprintf(out, "%s\n", g->terminated ? ", the end" : ", cut");
    }
}

void trpo_vine_explain(FILE *out, const void *config, uint64_t seed)
{
    trpo_vine_config own = *(const trpo_vine_config *)config;
    trpo_config *c = &own.trpo;
    env *e = explained_env();
    c->hidden.layers = 0;
    c->workers = 1;
    c->n_steps = EXPLAINED_STEPS;
    own.states = own.states < EXPLAINED_STATES ? own.states : EXPLAINED_STATES;
    const policy p = trpo_policy(e, c);
    const network f = critic_V(&p);
    run *streams = run_new("trpo_vine", e, seed, 0);
    vine v = vine_new(&p, &own);
    int n = p.n, nV = network_n(&f), most = EXPLAINED_STEPS + v.N * v.K;
    double *theta = allocate((size_t)(3 * n + nV + most), sizeof *theta, "theta, phi"), *old = theta + n;
    double *g = old + n, *phi = g + n, *V_end = phi + nV;
    run_workers(streams, 2);
    actor *pi = actor_new(&p, theta);
    rollout *b = rollout_new(e);
    places x = places_new(e, &own);
    ad_tape *t = ad_tape_new();

    policy_init(&p, streams->init_rng, theta);
    network_init_orthogonal(&f, sqrt(2), 1, streams->init_rng, phi);
    memcpy(old, theta, (size_t)n * sizeof *theta);
    int trunk = act(&own, streams, pi, streams->update_rng, &x, &v, b);
    ends(t, &f, phi, b, V_end);
    values_of(&own, &v, b, trunk, V_end);
    fprintf(out, "TRPO with a vine, its first update on %s (states 0 .. 4, then the end; 3 actions), seed %llu;\na"
            " trunk of %ld steps, N = %d rollout states of it, K = %d actions each, no hidden layers, gamma = %g\n",
            e->id, (unsigned long long)seed, c->n_steps, v.N, v.K, c->gamma);
    fprintf(out, "\ntrunk:");
    for (int k = 0; k < EXPLAINED_STEPS; k++) fprintf(out, " %d", explained_state(b, k));
    ad_mark start = ad_here(t);
    trpo_problem at = vine_problem_of(t, c, &p, theta, &v);
    ad z = repeated(policy_parameters(&p, at.theta, ad_input(t, v.s, v.N, v.d)), v.K);
    explain_vine(out, &v, b, trunk, V_end, ad_value(policy_logp_of(t, &p, z, v.a, v.index)));
    memcpy(g, ad_value(ad_grad(at.L, at.theta)), (size_t)n * sizeof *g);
    ad_reset(t, start);
    trpo_step step = update(t, c, &p, theta, &v);
    fprintf(out, "TRPO-15  Q_nk = sum_l gamma^l r_l + gamma^H V_end, H <= %ld steps%s\n%s\n", own.length,
            own.common ? "; the same random numbers for each a_nk" : "",
            v.all ? "         L = mean_n sum_k pi_theta'(a_k|s_n) Q_nk; g, its gradient at theta, stands below"
                  : "TRPO-16  L = mean_n sum_k r_nk Q_nk / sum_k r_nk, r_nk = pi_theta'/pi_theta; g, its gradient at"
                    " theta, stands below");
    fprintf(out, "TRPO-23  beta = sqrt(2 delta / x^T F x) = %.5f, delta = %g, F x = g to %.1e |g| in %g iterations\n",
            step.beta, c->delta, step.residual, step.cg_iterations);
    if (step.outcome == TRPO_ACCEPTED)
        fprintf(out, "TRPO-24  j = %g: KL = %.6f <= delta, L(theta') - L(theta) = %.6f > 0\n\n", step.j, step.kl,
                step.L);
    else fprintf(out, "TRPO-24  no step: theta stays\n\n");
    explained_theta(out, &p, g, old, theta);

    ad_tape_free(t);
    places_free(&x);
    rollout_free(b);
    actor_free(pi);
    free(theta);
    vine_free(&v);
    run_free(streams);
    env_free(e);
}
