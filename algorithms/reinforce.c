/* REINFORCE, the Monte Carlo policy gradient (Williams 1992; 000 eq (5) and its listing; 002 l.93; 004).
 *
 *     initialise theta;  b = 0
 *     loop
 *         generate an episode s_0, a_0, r_0, ..., s_{T-1}, a_{T-1}, r_{T-1} with pi_theta     RF-3, RF-5
 *         for t = T-1 .. 0:   G_t = r_t + gamma G_{t+1}                                      MDP-4, RF-7
 *         theta <- theta + alpha sum_t gamma^t (G_t - b) grad log pi_theta(a_t|s_t)          RF-2, RF-6
 *         b <- b + rate (mean_t G_t - b)
 *
 * One update an episode (RF-12), each from the episode just seen and no other.
 *
 * Deviations from the source
 *   1. gamma^t is a switch. 004 writes it; 000 and 002 leave it out (RF-4), which follows the gradient
 *      of no function (ERR-3, RF-15). Off by default, as in the listing: with it late steps hardly count.
 *   2. The page's line is `optimiser=sgd`. Adam, as in 000's listing, is the default.
 *   3. The baseline b is Williams's: a running mean of what earlier episodes earned. It leaves the mean of
 *      the update as it is and lowers its variance; the documents have none: `b_rate=0`.
 *   4. 000's listing (RF-9, RF-10): b_rate=0 lr=2e-4 gamma=0.98 hidden=128 activation=relu init=fan-in.
 *
 * Critical
 *   - G_t starts with r_t, the reward for a_t. 004's limits start one step early (ERR-2).
 *   - b comes from earlier episodes only. One that has seen this episode's returns biases the update.
 *   - The weights are numbers, not functions of theta: no gradient passes through them.
 *   - The time limit ends the sum of rewards as the end of the task does (ERR-10): without a critic nothing
 *     is known of what would have followed. */
#include "algorithms/reinforce.h"

#include <stdlib.h>
#include <string.h>

#include "algorithms/explained.h"
#include "algorithms/returns.h"
#include "autodiff/optimiser.h"
#include "autodiff/require.h"

static const char *const optimisers[] = { "sgd", "adam", NULL };
static const char *const inits[] = { "orthogonal", "fan-in", NULL };

const reinforce_config reinforce_defaults = {
    .gamma = 0.995, .lr = 2e-3, .gamma_t = 0, .b_rate = 0.05, .optimiser = REINFORCE_ADAM,
    .hidden = { 1, { 64 } }, .activation = AD_TANH, .init = REINFORCE_ORTHOGONAL,
};

#define FIELD(name) #name, .at = offsetof(reinforce_config, name)
#define REAL(most) .kind = CONFIG_REAL, .low = 0, .high = most
#define CHOICE(names) .kind = CONFIG_CHOICE, .choices = names
const config_field reinforce_fields[] = {
    { FIELD(gamma), REAL(1), .about = "discount gamma" },
    { FIELD(lr), REAL(1e300), .about = "step size alpha" },
    { FIELD(gamma_t), CHOICE(config_switch), .about = "weights gamma^t G_t, or G_t" },
    { FIELD(b_rate), REAL(1), .about = "of the baseline's running mean; 0: none" },
    { FIELD(optimiser), CHOICE(optimisers), .about = "what steps along the gradient" },
    { FIELD(hidden), .kind = CONFIG_WIDTHS, .about = "hidden layers of the policy" },
    { FIELD(activation), CHOICE(config_activations), .about = "in the hidden layers" },
    { FIELD(init), CHOICE(inits), .about = "first weights" },
    { .name = NULL },
};

/*[snip reinforce-w]*/
/* RF-4, RF-8   w_t = G_t - b */
void reinforce_w(int T, const double *r, double gamma, double b, double *w)
{
    /* BEGIN SOLUTION RF-4 */
    returns_to_go(T, r, gamma, w);
    for (int t = 0; t < T; t++) w[t] -= b;
    /* END SOLUTION */
}

/* RF-2, RF-6   w_t = gamma^t (G_t - b) */
void reinforce_w_gamma_t(int T, const double *r, double gamma, double b, double *w)
{
    /* BEGIN SOLUTION RF-2 */
    double gamma_t = 1;
    returns_to_go(T, r, gamma, w);
    for (int t = 0; t < T; t++, gamma_t *= gamma) w[t] = gamma_t * (w[t] - b);
    /* END SOLUTION */
}
/*[/snip]*/

/* b + rate (mean_t G_t - b),   G_t = r_t + gamma G_{t+1} */
double reinforce_next_b(double b, double rate, int T, const double *r, double gamma)
{
    /* BEGIN SOLUTION baseline */
    double G = 0, sum = 0;
    for (int t = T - 1; t >= 0; t--) {
        G = r[t] + gamma * G;
        sum += G;
    }
    return b + rate * (sum / T - b);
    /* END SOLUTION */
}

/*[snip reinforce-gradient]*/
/* RF-8   sum_t w_t log pi(a_t|s_t): its gradient is sum_t w_t grad log pi(a_t|s_t) */
ad reinforce_objective(ad logp, ad w)
{
    /* BEGIN SOLUTION RF-8 */
    return ad_dot(ad_detach(w), logp);
    /* END SOLUTION */
}

/* RF-2, RF-4, RF-6   g = sum_t w_t grad log pi_theta(a_t|s_t) */
void reinforce_gradient(ad_tape *t, const policy *p, const double *theta, const rollout *tau,
                        const double *w, double *g)
{
    /* BEGIN SOLUTION RF-4 */
    ad_mark start = ad_here(t);
    ad x    = ad_input(t, theta, p->n, 1);
    ad s    = ad_input(t, tau->s, tau->T, tau->d);
    ad logp = policy_logp(t, p, x, s, tau->a, tau->index);                      /* [T x 1] */
    ad J    = reinforce_objective(logp, ad_input(t, w, tau->T, 1));
    memcpy(g, ad_value(ad_grad(J, x)), (size_t)p->n * sizeof *g);
    ad_reset(t, start);
    /* END SOLUTION */
}
/*[/snip]*/

policy reinforce_policy(const env *e, const void *config)
{
    const reinforce_config *c = config;
    return policy_of(e, c->hidden.layers, c->hidden.width, (enum ad_activation)c->activation);
}

void reinforce(run *training, const void *config)
{
    const reinforce_config *c = config;
    env *e = training->env;
    const policy p = reinforce_policy(e, c);
    const size_t n = (size_t)p.n;
    double *theta = allocate(n, sizeof *theta, "theta"), *g = allocate(n, sizeof *g, "g");
    double *m = allocate(n, sizeof *m, "Adam"), *v = allocate(n, sizeof *v, "Adam");
    double *w = NULL, b = 0;                                                    /* [T] */
    adam step = { p.n, .lr = c->lr, .beta1 = 0.9, .beta2 = 0.999, .eps = 1e-8, .m = m, .v = v };
    actor *pi = actor_new(&p, theta);
    rollout *tau = rollout_new(e);
    ad_tape *t = ad_tape_new();

    if (c->init == REINFORCE_FAN_IN) network_init_fan_in(&p.f, training->init_rng, theta);
    else                             policy_init(&p, training->init_rng, theta);
    const kept survives[] = { { "theta", theta, n }, { "m", m, n }, { "v", v, n }, { "b", &b, 1 },
                              { .name = "adam's t", .count = &step.t }, { .name = NULL } };
    run_begin(training, survives, NULL);
    /*[snip reinforce-loop]*/
    while (run_update(training, tau)) {
        rollout_clear(tau);
        rollout_episode(tau, e, training->env_rng, pi, training->policy_rng);   /* RF-5: an episode */
        const int T = tau->T;
        const double *r = tau->r;
        w = reallocate(w, (size_t)T, sizeof *w, "w");
        if (c->gamma_t) reinforce_w_gamma_t(T, r, c->gamma, b, w);
        else            reinforce_w(T, r, c->gamma, b, w);
        reinforce_gradient(t, &p, theta, tau, w, g);
        if (c->optimiser == REINFORCE_ADAM) adam_ascend(&step, theta, g);
        else                                sgd_ascend(p.n, c->lr, theta, g);   /* RF-12: an update */
        b = reinforce_next_b(b, c->b_rate, T, r, c->gamma);
    }
    /*[/snip]*/
    run_end(training);

    ad_tape_free(t);
    rollout_free(tau);
    actor_free(pi);
    free(w);
    free(v);
    free(m);
    free(g);
    free(theta);
}

/* ---- one update, with its numbers: the first of a training run from that seed ---- */

static void explain_episode(FILE *out, const reinforce_config *c, const rollout *tau, const double *w,
                            const double *logp)
{
    double G[5];
    returns_to_go(tau->T, tau->r, c->gamma, G);
    fprintf(out, "\nRF-3, RF-5   one episode with pi_theta:\n   t  s_t  a_t %10s %10s %10s %18s\n", "r_t",
            "G_t", "w_t", "log pi(a_t|s_t)");
    for (int t = 0; t < tau->T; t++)
        fprintf(out, "%4d %4d %4d %10.5f %10.5f %10.5f %18.5f\n", t, explained_state(tau, t), tau->index[t],
                tau->r[t], G[t], w[t], logp[t]);
    fprintf(out, "it %s\n\n",
            tau->segment[0].terminated ? "ended there" : "was cut at 5 steps (ERR-10: as if it ended)");
    fprintf(out, "MDP-4        G_t = r_t + gamma G_t+1, G_%d = 0, gamma = %g\n", tau->T, c->gamma);
    if (c->gamma_t) fprintf(out, "RF-2, RF-6   w_t = gamma^t (G_t - b), b = 0 before the first episode\n");
    else fprintf(out, "RF-4         w_t = G_t - b, b = 0 before the first episode (gamma_t=on: times gamma^t)\n");
}

void reinforce_explain(FILE *out, const void *config, uint64_t seed)
{
    reinforce_config c = *(const reinforce_config *)config;
    env *e = explained_env();
    c.hidden.layers = 0;
    const policy p = reinforce_policy(e, &c);
    run *streams = run_new("reinforce", e, seed, 0);
    size_t n = (size_t)p.n;
    double *theta = allocate(5 * n, sizeof *theta, "theta"), *before = theta + n, *g = theta + 2 * n;
    double w[5], logp[5], J = 0;
    adam step = adam_of(n, c.lr, theta + 3 * n);
    actor *pi = actor_new(&p, theta);
    rollout *tau = rollout_new(e);
    ad_tape *t = ad_tape_new();

    if (c.init == REINFORCE_FAN_IN) network_init_fan_in(&p.f, streams->init_rng, theta);
    else                            policy_init(&p, streams->init_rng, theta);
    memcpy(before, theta, n * sizeof *theta);
    rollout_episode(tau, e, streams->env_rng, pi, streams->policy_rng);
    if (c.gamma_t) reinforce_w_gamma_t(tau->T, tau->r, c.gamma, 0, w);
    else           reinforce_w(tau->T, tau->r, c.gamma, 0, w);
    explained_logp(&p, theta, tau, logp);
    for (int i = 0; i < tau->T; i++) J += w[i] * logp[i];
    fprintf(out, "REINFORCE, its first update on %s (states 0 .. 4, then the end; 3 actions), seed %llu\n", e->id,
            (unsigned long long)seed);
    fprintf(out, "MDP-2        pi_theta(a|s) = softmax of row s of theta + b; hidden layers are left out here\n");
    explain_episode(out, &c, tau, w, logp);
    reinforce_gradient(t, &p, theta, tau, w, g);
    if (c.optimiser == REINFORCE_ADAM) adam_ascend(&step, theta, g);
    else                               sgd_ascend(p.n, c.lr, theta, g);
    fprintf(out, "RF-8         sum_t w_t log pi(a_t|s_t) = %.5f; its gradient in theta, w held constant, is\n", J);
    fprintf(out, "%s         g = sum_t w_t grad log pi_theta(a_t|s_t)\n", c.gamma_t ? "RF-2" : "RF-4");
    fprintf(out, "RF-12        theta <- theta + %s, alpha = %g, once an episode:\n\n",
            c.optimiser == REINFORCE_ADAM ? "alpha m^/(sqrt(v^) + eps), Adam's step along g" : "alpha g", c.lr);
    explained_theta(out, &p, g, before, theta);
    explained_logp(&p, theta, tau, logp);
    fprintf(out, "\nPGT-23       log pi(a_t|s_t) after it:");
    for (int i = 0; i < tau->T; i++) fprintf(out, " %.5f", logp[i]);
    fprintf(out, "\nb <- b + %g (mean of G_t - b) = %.5f\n", c.b_rate,
            reinforce_next_b(0, c.b_rate, tau->T, tau->r, c.gamma));

    ad_tape_free(t);
    rollout_free(tau);
    actor_free(pi);
    free(theta);
    run_free(streams);
    env_free(e);
}
