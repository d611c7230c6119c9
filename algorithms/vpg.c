/* Vanilla policy gradient (003; Schulman et al. 2017, eq (1)-(2)): REINFORCE over a batch of trajectories,
 * with a value function as baseline.
 *
 *     initialise theta, phi
 *     loop
 *         D = { tau_1, ..., tau_|D| } with pi_theta
 *         A_t = sum_{k>=t} gamma^{k-t} r_k - V_phi(s_t)                           VPG-3
 *         theta <- theta + alpha (1/|D|) sum_tau sum_t A_t grad log pi(a_t|s_t)   VPG-2; over steps: VPG-4
 *         phi: V_steps steps on the mean of (V_phi(s_t) - G_t)^2
 *
 * Deviations from the source
 *   1. 003 is undiscounted: gamma = 1 gives its lines. With gamma < 1 reward-to-go and advantage are not
 *      weighted by gamma^t, as in all implementations (ERR-3); total-return, discounted from the start, needs
 *      no such weight. So below gamma = 1 the three differ in their means, not only in their variance.
 *   2. 003 says nothing on how V is fitted. It is regressed on reward-to-go after the step of theta, so that
 *      the baseline of an update has not seen the update's own actions (BL-1).
 *   3. Adam for both.
 *   4. A continuous policy has as many outputs as the action has numbers, and a log_sd each; 003 has one
 *      (ERR-43).
 *
 * Critical
 *   - The mean over steps (003's code, VPG-4) is |D|/N times VPG-2's estimate, and N is random: where the
 *     lengths of episodes depend on the actions it is biased towards short ones (ERR-42).
 *   - The time limit ends the sum of rewards, V's targets too, as the end of the task does (ERR-10).
 *   - reward-to-go minus V is an estimate of the advantage, not the advantage (ERR-41). */
#include "algorithms/vpg.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "algorithms/critic.h"
#include "algorithms/explained.h"
#include "algorithms/returns.h"
#include "autodiff/optimiser.h"
#include "autodiff/require.h"

static const char *const psis[] = { "total-return", "reward-to-go", "advantage", NULL };
static const char *const means[] = { "trajectories", "steps", NULL };

const vpg_config vpg_defaults = {
    .gamma = 0.99, .lr = 1e-2, .lr_V = 1e-2, .trajectories = 10, .psi = VPG_ADVANTAGE,
    .mean = VPG_MEAN_OVER_TRAJECTORIES, .V_steps = 20, .hidden = { 1, { 64 } },
    .activation = AD_TANH,
};

#define FIELD(name) #name, .at = offsetof(vpg_config, name)
#define REAL(most) .kind = CONFIG_REAL, .low = 0, .high = most
#define WHOLE(least, most) .kind = CONFIG_WHOLE, .low = least, .high = most
#define CHOICE(names) .kind = CONFIG_CHOICE, .choices = names
const config_field vpg_fields[] = {
    { FIELD(gamma), REAL(1), .about = "discount gamma; 003: 1" },
    { FIELD(lr), REAL(1e300), .about = "step size alpha of the policy" },
    { FIELD(lr_V), REAL(1e300), .about = "step size of V" },
    { FIELD(trajectories), WHOLE(1, 1e6), .about = "|D|: episodes an update" },
    { FIELD(psi), CHOICE(psis), .about = "weight of a score" },
    { FIELD(mean), CHOICE(means), .about = "what the batch is averaged over" },
    { FIELD(V_steps), WHOLE(0, 1e6), .about = "steps of V an update" },
    { FIELD(hidden), .kind = CONFIG_WIDTHS, .about = "hidden layers of policy and V" },
    { FIELD(activation), CHOICE(config_activations), .about = "in the hidden layers" },
    { .name = NULL },
};

/*[snip vpg-weights]*/
/* VPG-1, VPG-2   w_t = R(tau) = sum_k gamma^k r_k */
void vpg_total_return(int T, const double *r, double gamma, double *w)
{
    /* BEGIN SOLUTION VPG-2 */
    double R = returns_total(T, r, gamma);
    for (int t = 0; t < T; t++) w[t] = R;
    /* END SOLUTION */
}

/* PGT-10   w_t = G_t = sum_{k>=t} gamma^{k-t} r_k */
void vpg_reward_to_go(int T, const double *r, double gamma, double *w)
{
    /* BEGIN SOLUTION PGT-10 */
    returns_to_go(T, r, gamma, w);
    /* END SOLUTION */
}

/* VPG-3   A_t = G_t - V(s_t) */
void vpg_advantage(int T, const double *r, const double *V, double gamma, double *A)
{
    /* BEGIN SOLUTION VPG-3 */
    returns_to_go(T, r, gamma, A);
    for (int t = 0; t < T; t++) A[t] -= V[t];
    /* END SOLUTION */
}
/*[/snip]*/

/*[snip vpg-means]*/
/* VPG-2   (1/|D|) sum_tau sum_t w_t log pi(a_t|s_t) */
ad vpg_mean_over_trajectories(ad logp, ad w, int D)
{
    /* BEGIN SOLUTION VPG-2 */
    return ad_scale(1.0 / D, ad_dot(ad_detach(w), logp));
    /* END SOLUTION */
}

/* VPG-4, PPO-18   (1/N) sum_tau sum_t w_t log pi(a_t|s_t),   N = sum_tau T_tau */
ad vpg_mean_over_steps(ad logp, ad w)
{
    /* BEGIN SOLUTION VPG-4 */
    return ad_mean(ad_mul(ad_detach(w), logp));
    /* END SOLUTION */
}
/*[/snip]*/

/* -(1/N) sum_tau sum_t (V(s_t) - G_t)^2 */
ad vpg_V_objective(ad V, ad G)
{
    /* BEGIN SOLUTION VPG */
    return ad_neg(ad_mean(ad_square(ad_sub(V, G))));
    /* END SOLUTION */
}

/* VPG-2, VPG-4   g = the gradient of that mean, over trajectories or over steps (vpg.h), in theta */
void vpg_gradient(ad_tape *t, const policy *p, const double *theta, const rollout *b, const double *w,
                  int mean, double *g)
{
    /* BEGIN SOLUTION VPG-2,VPG-4 */
    ad_mark start = ad_here(t);
    ad x    = ad_input(t, theta, p->n, 1);
    ad s    = ad_input(t, b->s, b->T, b->d);
    ad logp = policy_logp(t, p, x, s, b->a, b->index);                          /* [N x 1] */
    ad psi  = ad_input(t, w, b->T, 1);
    ad J    = mean == VPG_MEAN_OVER_STEPS ? vpg_mean_over_steps(logp, psi)
                                          : vpg_mean_over_trajectories(logp, psi, b->segments);
    memcpy(g, ad_value(ad_grad(J, x)), (size_t)p->n * sizeof *g);
    ad_reset(t, start);
    /* END SOLUTION */
}

/* `steps` steps of phi towards G */
static void fit_V(ad_tape *t, const network *f, double *phi, adam *step, long steps, const rollout *b,
                  const double *G)
{
    ad_mark start = ad_here(t);
    ad x = ad_input(t, phi, network_n(f), 1);
    ad V = network_forward(f, x, ad_input(t, b->s, b->T, b->d));                /* [N x 1] */
    ad g = ad_grad(vpg_V_objective(V, ad_input(t, G, b->T, 1)), x);
    ad_plan again = ad_slice(1, &x, 1, &g);
    for (long k = 0; k < steps; k++) {
        if (k > 0) ad_run(&again);
        adam_ascend(step, phi, ad_value(g));
    }
    ad_reset(t, start);
}

/* w, G [N]: each trajectory by itself */
static void weights(const vpg_config *c, const rollout *D, const double *V, double *w, double *G)
{
    for (int i = 0; i < D->segments; i++) {
        int first = D->segment[i].first, T = D->segment[i].T;
        const double *r = D->r + first;
        vpg_reward_to_go(T, r, c->gamma, G + first);
        if (c->psi == VPG_TOTAL_RETURN) vpg_total_return(T, r, c->gamma, w + first);
        if (c->psi == VPG_REWARD_TO_GO) vpg_reward_to_go(T, r, c->gamma, w + first);
        if (c->psi == VPG_ADVANTAGE)    vpg_advantage(T, r, V + first, c->gamma, w + first);
    }
}

policy vpg_policy(const env *e, const void *config)
{
    const vpg_config *c = config;
    return policy_of(e, c->hidden.layers, c->hidden.width, (enum ad_activation)c->activation);
}

void vpg(run *training, const void *config)
{
    const vpg_config *c = config;
    env *e = training->env;
    const policy p = vpg_policy(e, c);
    const network f = critic_V(&p);
    size_t n = (size_t)p.n, nV = (size_t)network_n(&f);
    double *theta = allocate(n, sizeof *theta, "theta"), *g = allocate(n, sizeof *g, "g");
    double *phi = allocate(nV, sizeof *phi, "phi");
    double *m = allocate(2 * (n + nV), sizeof *m, "Adam");
    double *w = NULL, *G = NULL, *V = NULL;                                     /* [N] */
    adam step = adam_of(n, c->lr, m), step_V = adam_of(nV, c->lr_V, m + 2 * n);
    actor *pi = actor_new(&p, theta);
    rollout *D = rollout_new(e);
    ad_tape *t = ad_tape_new();

    policy_init(&p, training->init_rng, theta);
    network_init_orthogonal(&f, sqrt(2), 1, training->init_rng, phi);
    const kept survives[] = { { "theta", theta, n }, { "phi", phi, nV },
                              { "m, v", m, 2 * (n + nV) },
                              { .name = "t", .count = &step.t },
                              { .name = "t of V", .count = &step_V.t },
                              { .name = NULL } };
    run_begin(training, survives, NULL);
    /*[snip vpg-loop]*/
    while (run_update(training, D)) {
        rollout_clear(D);
        while (D->segments < c->trajectories)
            rollout_episode(D, e, training->env_rng, pi, training->policy_rng);
        size_t N = (size_t)D->T;
        w = reallocate(w, N, sizeof *w, "w");
        G = reallocate(G, N, sizeof *G, "G");
        V = reallocate(V, N, sizeof *V, "V");
        critic_values(t, &f, phi, D->T, D->s, V);
        weights(c, D, V, w, G);
        vpg_gradient(t, &p, theta, D, w, c->mean, g);
        adam_ascend(&step, theta, g);                                   /* theta <- theta + alpha g */
        fit_V(t, &f, phi, &step_V, c->V_steps, D, G);
    }
    /*[/snip]*/
    run_end(training);

    ad_tape_free(t);
    rollout_free(D);
    actor_free(pi);
    free(V);
    free(G);
    free(w);
    free(m);
    free(phi);
    free(g);
    free(theta);
}

/* ---- one update, with its numbers: the first of a training run from that seed ---- */

enum { EXPLAINED = 2, MOST = 5 * EXPLAINED };       /* trajectories, steps */

static void explain_batch(FILE *out, const rollout *D, const double *G, const double *V, const double *w,
                          const double *logp)
{
    fprintf(out, "\nD = { tau_1, tau_2 } with pi_theta:\n tau   t  s_t  a_t %10s %10s %10s %10s %18s\n", "r_t", "G_t",
            "V(s_t)", "w_t", "log pi(a_t|s_t)");
    for (int i = 0; i < D->segments; i++)
        for (int t = 0, k = D->segment[i].first; t < D->segment[i].T; t++, k++)
            fprintf(out, "%4d %3d %4d %4d %10.5f %10.5f %10.5f %10.5f %18.5f\n", i + 1, t, explained_state(D, k),
                    D->index[k], D->r[k], G[k], V[k], w[k], logp[k]);
}

static void explain_weights(FILE *out, const vpg_config *c, const rollout *D, const double *w, const double *logp)
{
    static const char *const line[] = {
        [VPG_TOTAL_RETURN] = "VPG-1    w_t = R(tau) = sum_k gamma^k r_k",
        [VPG_REWARD_TO_GO] = "PGT-10   w_t = G_t = sum_{k>=t} gamma^(k-t) r_k",
        [VPG_ADVANTAGE]    = "VPG-3    w_t = G_t - V(s_t), an estimate of the advantage (ERR-41)" };
    double sum = 0;
    for (int k = 0; k < D->T; k++) sum += w[k] * logp[k];
    fprintf(out, "\n%s, gamma = %g\n", line[c->psi], c->gamma);
    if (c->mean == VPG_MEAN_OVER_STEPS)
        fprintf(out, "VPG-4    (1/N) sum_tau sum_t w_t log pi(a_t|s_t) = %.5f, N = %d steps (ERR-42)\n", sum / D->T,
                D->T);
    else
        fprintf(out, "VPG-2    (1/|D|) sum_tau sum_t w_t log pi(a_t|s_t) = %.5f, |D| = %d\n", sum / D->segments,
                D->segments);
}

static double V_error(ad_tape *t, const network *f, const double *phi, const rollout *D, const double *G)
{
    double V[MOST], sum = 0;
    critic_values(t, f, phi, D->T, D->s, V);
    for (int k = 0; k < D->T; k++) sum += (V[k] - G[k]) * (V[k] - G[k]);
    return sum / D->T;
}

void vpg_explain(FILE *out, const void *config, uint64_t seed)
{
    vpg_config c = *(const vpg_config *)config;
    env *e = explained_env();
    c.hidden.layers = 0;
    const policy p = vpg_policy(e, &c);
    const network f = critic_V(&p);
    run *streams = run_new("vpg", e, seed, 0);
    size_t n = (size_t)p.n, nV = (size_t)network_n(&f);
    double *theta = allocate(5 * n + 3 * nV, sizeof *theta, "theta"), *before = theta + n, *g = before + n;
    double *m = g + n, *phi = m + 2 * n, G[MOST], V[MOST], w[MOST], logp[MOST];
    adam step = adam_of(n, c.lr, m), step_V = adam_of(nV, c.lr_V, phi + nV);
    actor *pi = actor_new(&p, theta);
    rollout *D = rollout_new(e);
    ad_tape *t = ad_tape_new();

    policy_init(&p, streams->init_rng, theta);
    network_init_orthogonal(&f, sqrt(2), 1, streams->init_rng, phi);
    memcpy(before, theta, n * sizeof *theta);
    while (D->segments < EXPLAINED) rollout_episode(D, e, streams->env_rng, pi, streams->policy_rng);
    critic_values(t, &f, phi, D->T, D->s, V);
    weights(&c, D, V, w, G);
    explained_logp(&p, theta, D, logp);
    fprintf(out, "Vanilla policy gradient, its first update on %s (states 0 .. 4, then the end; 3 actions), seed"
            " %llu;\ntwo trajectories of at most 5 steps, no hidden layers\n", e->id, (unsigned long long)seed);
    explain_batch(out, D, G, V, w, logp);
    explain_weights(out, &c, D, w, logp);
    vpg_gradient(t, &p, theta, D, w, c.mean, g);
    adam_ascend(&step, theta, g);
    fprintf(out, "PPO-18   g, its gradient in theta, w held constant; theta <- theta + Adam's step along g, alpha ="
            " %g:\n\n", c.lr);
    explained_theta(out, &p, g, before, theta);
    double error = V_error(t, &f, phi, D, G);
    fit_V(t, &f, phi, &step_V, c.V_steps, D, G);
    fprintf(out, "\nphi: %ld steps on the mean of (V(s_t) - G_t)^2, from %.5f to %.5f\n", c.V_steps, error,
            V_error(t, &f, phi, D, G));

    ad_tape_free(t);
    rollout_free(D);
    actor_free(pi);
    free(theta);
    run_free(streams);
    env_free(e);
}
