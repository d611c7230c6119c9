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
 *   4. Q is not normalised, and F is of the N rollout states. All else, and the defaults, as in trpo.c.
 *
 * Critical
 *   - The time limit or H ends a rollout, not what follows: V_phi(s_end) there, 0 only where the task ended.
 *   - TRPO-16 does not feel a constant added to Q, and TRPO-15 only through rounding; with K = 1 drawn, g = 0. */
#include "algorithms/trpo_vine.h"

#include <math.h>
#include <stdlib.h>

#include "algorithms/critic.h"
#include "algorithms/gae.h"
#include "autodiff/optimiser.h"
#include "autodiff/require.h"

static const char *const constraints[] = { "mean", "max", NULL };
static const char *const estimators[] = { "all", "drawn", NULL };

const trpo_vine_config trpo_vine_defaults = {
    .trpo = { .workers = 2, .n_steps = 512, .gamma = 0.99, .lambda = 0.95, .delta = 0.01, .damping = 0.1,
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
    { OWN(lambda), REAL(0, 1), .about = "of V's targets; SB3: .95" },
    { OWN(delta), REAL(1e-12, 1e6), .about = "trust radius, greatest KL; paper: .01" },
    { OWN(constraint), CHOICE(constraints), .about = "of the mean KL over states or the greatest; paper: mean" },
    { OWN(damping), REAL(0, 1e300), .about = "added to F's diagonal; SB3: .1" },
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
    int N = ad_nrows(z), m = ad_ncols(z);
    ad y = z;
    while (ad_ncols(y) < K * m) y = ad_concat(y, y);
    return ad_view(ad_columns(y, 0, K * m), 0, K * N, m);
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

/* TRPO-15   Q_{n,k} of each rollout; V_end = 0 where the task ended, else V_phi(s_end) (A3C-13) */
void vine_values(ad_tape *t, const network *f, const double *phi, double gamma, vine *v, const rollout *b, int trunk,
                 double *V_end)
{
    critic_values(t, f, phi, b->segments, b->s_end, V_end);
    for (int i = 0; i < b->segments; i++)
        if (b->segment[i].terminated) V_end[i] = 0;
    for (int i = trunk; i < b->segments; i++)
        v->Q[i - trunk] = vine_Q(b->segment[i].T, b->r + b->segment[i].first, V_end[i], gamma);
}

/*[snip vine-update later]*/
/* TRPO-12   trpo_update, with the vine's L and its states */
trpo_step trpo_vine_update(ad_tape *t, const trpo_config *c, const policy *p, double *theta, const vine *v)
{
    ad_mark start = ad_here(t);
    trpo_problem at = vine_problem_of(t, c, p, theta, v);
    trpo_step step = trpo_maximise(t, c, p, theta, &at, ad_input(t, v->s, v->N, v->d), NULL);
    ad_reset(t, start);
    return step;
}
/*[/snip]*/

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
    double *V = allocate(3 * (size_t)T + most, sizeof *V, "V"), *A = V + T, *R = A + T, *V_end = R + T;
    adam step_V = adam_of(nV, c->lr_V, m);
    trpo_step step = { .j = NAN };
    run_workers(training, (int)c->workers + 1);                     /* the last one: who tries out */
    actor *pi = actor_new(&p, theta);
    rollout *b = rollout_new(training->env);
    vine_places x = vine_places_new(training->env, own);
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
        rollout trunk = vine_act(own, training, pi, &x, &v, b);
        vine_values(t, &f, phi, c->gamma, &v, b, trunk.segments, V_end);
        critic_values(t, &f, phi, T, trunk.s, V);
        gae_batch(&trunk, V, V_end, c->gamma, c->lambda, A, R);
        step = trpo_vine_update(t, c, &p, theta, &v);
        critic_fit(t, &f, phi, &step_V, T, trunk.s, R, c->V_epochs, (int)c->V_batch, training->update_rng);
        vine_count_no_episodes(b, trunk.segments);
    }
    /*[/snip]*/
    run_end(training);

    ad_tape_free(t);
    vine_places_free(&x);
    rollout_free(b);
    actor_free(pi);
    free(V);
    free(theta);
    vine_free(&v);
}
