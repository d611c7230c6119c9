/* Maximum-entropy policy gradient (004 l.196-220): the vanilla policy gradient, vpg.c, of an objective in which
 * entropy pays as reward does, beta a nat:
 *
 *     J(theta) = E[ sum_t gamma^t (r_t + beta H(pi_theta(.|s_t))) ]                                     ENT-3
 *
 * theta is in it twice. In H itself: beta grad H. And in which states are seen: a score, weighted by all that
 * a_t leads to, rewards and entropies. H(pi(.|s_t)) is not among them: it is there before a_t is drawn.
 *
 *     initialise theta, phi
 *     loop
 *         D = { tau_1, ..., tau_|D| } with pi_theta
 *         h_t = H(pi_theta(.|s_t))                                                                ENT-1
 *         G_t = r_t + sum_{k>t} gamma^{k-t} (r_k + beta h_k)                                      ENT-3
 *         theta <- theta + alpha (1/|D|) sum_tau sum_t [ (G_t - V_phi(s_t)) grad log pi(a_t|s_t)
 *                                                        + beta grad H(pi_theta(.|s_t)) ]
 *         phi: V_steps steps on the mean of (V_phi(s_t) - G_t)^2
 *
 *     entropy=regulariser   G_t = r_t + sum_{k>t} gamma^{k-t} r_k: entropy now, as in A3C-27, and no credit
 *                           for what a_t makes of it later. Another direction, of no objective (ENT-6)
 *     form=sampled          h_t = -log pi(a_t|s_t), whose mean is H. A sample of it does depend on a_t:
 *                           G_t = sum_{k>=t} gamma^{k-t} (r_k + beta h_k), an estimate of Q_soft (ENT-4).
 *                           beta grad H has then no term: E[grad log pi h] is grad H, as E[grad h] = 0. At the
 *                           soft optimum Q_soft(s,a) = V_soft(s) for every a, and a_t adds no variance
 *     entropy=none          vpg.c, with psi=advantage
 *
 * Deviations from the source
 *   1. 004 has no gamma^t before H: its sum is infinite (ERR-26).
 *   2. 004 has the objective, and nothing on how it is ascended. Here as vpg.c does: see its deviations. V_phi
 *      is regressed on G_t, so it estimates V_soft - beta H, or sampled V_soft.
 *   3. gamma_t is a switch. On, u_t = gamma^t stands before both terms of step t, and the estimate is unbiased;
 *      off, as in all implementations, u_t = 1 (ERR-3).
 *
 * Critical
 *   - Entropy is added to what is ascended. With the wrong sign the policy still learns, and decides too soon.
 *   - Analytic and sampled terms do not mix: h_t in the return and beta grad H beside it count it twice.
 *   - The time limit ends the sum of entropies, too, as the end of the task does (ERR-10). */
#include "algorithms/maxent_pg.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "algorithms/critic.h"
#include "algorithms/explained.h"
#include "autodiff/optimiser.h"
#include "autodiff/require.h"

static const char *const entropies[] = { "none", "regulariser", "return", NULL };
static const char *const forms[] = { "analytic", "sampled", NULL };

const maxent_pg_config maxent_pg_defaults = {
    .gamma = 0.99, .lr = 1e-2, .lr_V = 1e-2, .trajectories = 10, .beta = 0.01, .entropy = MAXENT_PG_RETURN,
    .form = MAXENT_PG_ANALYTIC, .gamma_t = 0, .V_steps = 20, .hidden = { 1, { 64 } },
    .activation = AD_TANH,
};

#define FIELD(name) #name, .at = offsetof(maxent_pg_config, name)
#define REAL(most) .kind = CONFIG_REAL, .low = 0, .high = most
#define WHOLE(least, most) .kind = CONFIG_WHOLE, .low = least, .high = most
#define CHOICE(names) .kind = CONFIG_CHOICE, .choices = names
const config_field maxent_pg_fields[] = {
    { FIELD(gamma), REAL(1), .about = "discount gamma" },
    { FIELD(lr), REAL(1e300), .about = "step size alpha of the policy" },
    { FIELD(lr_V), REAL(1e300), .about = "step size of V" },
    { FIELD(trajectories), WHOLE(1, 1e6), .about = "|D|: episodes an update" },
    { FIELD(beta), REAL(1e300), .about = "reward of entropy; A3C's paper: .01" },
    { FIELD(entropy), CHOICE(entropies), .about = "in the return (ENT-3), or its gradient alone (A3C-27)" },
    { FIELD(form), CHOICE(forms), .about = "H(pi(.|s_t)), or -log pi(a_t|s_t)" },
    { FIELD(gamma_t), CHOICE(config_switch), .about = "step t counts gamma^t, or 1" },
    { FIELD(V_steps), WHOLE(0, 1e6), .about = "steps of V an update" },
    { FIELD(hidden), .kind = CONFIG_WIDTHS, .about = "hidden layers of policy and V" },
    { FIELD(activation), CHOICE(config_activations), .about = "in the hidden layers" },
    { .name = NULL },
};

/* ENT-1   h_t = H(pi(.|s_t)) = -sum_a pi(a|s_t) log pi(a|s_t) = E_a[-log pi(a|s_t)], or a sample of it */
void maxent_pg_entropies(ad_tape *t, const policy *p, const double *theta, const rollout *b, int form, double *h)
{
    /* BEGIN SOLUTION ENT-1 */
    ad_mark start = ad_here(t);
    ad x = ad_input(t, theta, p->n, 1);
    ad s = ad_input(t, b->s, b->T, b->d);
    ad H = form == MAXENT_PG_ANALYTIC ? policy_entropy(p, x, s)
                                      : ad_neg(policy_logp(t, p, x, s, b->a, b->index));    /* [N x 1] */
    memcpy(h, ad_value(H), (size_t)b->T * sizeof *h);
    ad_reset(t, start);
    /* END SOLUTION */
}

/*[snip maxent-pg-return later]*/
/* ENT-3   G_t = r_t + sum_{k>t} gamma^{k-t} (r_k + beta h_k) */
void maxent_pg_return(int T, const double *r, const double *h, double gamma, double beta, double *G)
{
    /* BEGIN SOLUTION ENT-3 */
    double soft = 0;                            /* sum_{k>t} gamma^{k-t-1} (r_k + beta h_k) */
    for (int t = T - 1; t >= 0; t--) {
        G[t] = r[t] + gamma * soft;
        soft = G[t] + beta * h[t];
    }
    /* END SOLUTION */
}
/*[/snip]*/

/*[snip maxent-pg-objective later]*/
/* ENT-3   (1/|D|) sum_tau sum_t [ w_t log pi(a_t|s_t) + beta u_t H(pi(.|s_t)) ] */
ad maxent_pg_objective(ad logp, ad w, ad H, ad u, double beta, int D)
{
    /* BEGIN SOLUTION ENT-3 */
    ad scores = ad_dot(ad_detach(w), logp), entropy = ad_dot(ad_detach(u), H);
    return ad_scale(1.0 / D, ad_add(scores, ad_scale(beta, entropy)));
    /* END SOLUTION */
}
/*[/snip]*/

/* -(1/N) sum_tau sum_t (V(s_t) - G_t)^2 */
ad maxent_pg_V_objective(ad V, ad G)
{
    /* BEGIN SOLUTION ENT */
    return ad_neg(ad_mean(ad_square(ad_sub(V, G))));
    /* END SOLUTION */
}

/* ENT-3   g = its gradient in theta */
void maxent_pg_gradient(ad_tape *t, const policy *p, const double *theta, const maxent_pg_config *c,
                        const rollout *b, const double *u, const double *w, double *g)
{
    /* BEGIN SOLUTION ENT-3 */
    double beta = c->entropy != MAXENT_PG_NONE && c->form == MAXENT_PG_ANALYTIC ? c->beta : 0;
    ad_mark start = ad_here(t);
    ad x    = ad_input(t, theta, p->n, 1);
    ad s    = ad_input(t, b->s, b->T, b->d);
    ad logp = policy_logp(t, p, x, s, b->a, b->index);                          /* [N x 1] */
    ad H    = policy_entropy(p, x, s);
    ad J    = maxent_pg_objective(logp, ad_input(t, w, b->T, 1), H, ad_input(t, u, b->T, 1), beta, b->segments);
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
    ad g = ad_grad(maxent_pg_V_objective(V, ad_input(t, G, b->T, 1)), x);
    ad_plan again = ad_slice(1, &x, 1, &g);
    for (long k = 0; k < steps; k++) {
        if (k > 0) ad_run(&again);
        adam_ascend(step, phi, ad_value(g));
    }
    ad_reset(t, start);
}

/*[snip maxent-pg-weights later]*/
/* u, w, G [N]: each trajectory by itself */
void maxent_pg_weights(const maxent_pg_config *c, const rollout *D, const double *h, const double *V, double *u,
                       double *w, double *G)
{
    /* BEGIN SOLUTION ENT-4,ENT-6 */
    double later = c->entropy == MAXENT_PG_RETURN ? c->beta : 0;                    /* ENT-6: all the difference */
    double now = c->entropy != MAXENT_PG_NONE && c->form == MAXENT_PG_SAMPLED ? c->beta : 0;
    for (int i = 0; i < D->segments; i++) {
        int first = D->segment[i].first, T = D->segment[i].T;
        double u_t = 1;
        maxent_pg_return(T, D->r + first, h + first, c->gamma, later, G + first);
        for (int t = first; t < first + T; t++) {
            G[t] += now * h[t];                                                     /* ENT-4: r - beta log pi */
            u[t] = u_t;
            w[t] = u_t * (G[t] - V[t]);
            if (c->gamma_t) u_t *= c->gamma;
        }
    }
    /* END SOLUTION */
}
/*[/snip]*/

policy maxent_pg_policy(const env *e, const void *config)
{
    const maxent_pg_config *c = config;
    return policy_of(e, c->hidden.layers, c->hidden.width, (enum ad_activation)c->activation);
}

void maxent_pg(run *training, const void *config)
{
    const maxent_pg_config *c = config;
    env *e = training->env;
    const policy p = maxent_pg_policy(e, c);
    const network f = critic_V(&p);
    size_t n = (size_t)p.n, nV = (size_t)network_n(&f);
    double *theta = allocate(n, sizeof *theta, "theta"), *g = allocate(n, sizeof *g, "g");
    double *phi = allocate(nV, sizeof *phi, "phi");
    double *m = allocate(2 * (n + nV), sizeof *m, "Adam");
    double *h = NULL, *u = NULL, *w = NULL, *G = NULL, *V = NULL;               /* [N] */
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
    /*[snip maxent-pg-loop later]*/
    while (run_update(training, D)) {
        rollout_clear(D);
        while (D->segments < c->trajectories)
            rollout_episode(D, e, training->env_rng, pi, training->policy_rng);
        size_t N = (size_t)D->T;
        h = reallocate(h, N, sizeof *h, "h");
        u = reallocate(u, N, sizeof *u, "u");
        w = reallocate(w, N, sizeof *w, "w");
        G = reallocate(G, N, sizeof *G, "G");
        V = reallocate(V, N, sizeof *V, "V");
        critic_values(t, &f, phi, D->T, D->s, V);
        maxent_pg_entropies(t, &p, theta, D, c->form, h);
        maxent_pg_weights(c, D, h, V, u, w, G);
        maxent_pg_gradient(t, &p, theta, c, D, u, w, g);
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
    free(u);
    free(h);
    free(m);
    free(phi);
    free(g);
    free(theta);
}

/* ---- one update, with its numbers: the first of a training run from that seed ---- */

enum { EXPLAINED = 2, MOST = 5 * EXPLAINED };       /* trajectories, steps */

static void explain_batch(FILE *out, const rollout *D, const double *h, const double *G, const double *V,
                          const double *w, const double *logp)
{
    fprintf(out, "\nD = { tau_1, tau_2 } with pi_theta:\n tau   t  s_t  a_t %10s %10s %10s %10s %10s %18s\n",
            "r_t", "h_t", "G_t", "V(s_t)", "w_t", "log pi(a_t|s_t)");
    for (int i = 0; i < D->segments; i++)
        for (int t = 0, k = D->segment[i].first; t < D->segment[i].T; t++, k++)
            fprintf(out, "%4d %3d %4d %4d %10.5f %10.5f %10.5f %10.5f %10.5f %18.5f\n", i + 1, t,
                    explained_state(D, k), D->index[k], D->r[k], h[k], G[k], V[k], w[k], logp[k]);
}

static void explain_weights(FILE *out, const maxent_pg_config *c)
{
    bool sampled = c->form == MAXENT_PG_SAMPLED, credit = c->entropy == MAXENT_PG_RETURN;
    const char *first = sampled && c->entropy != MAXENT_PG_NONE ? "r_t + beta h_t" : "r_t";
    fprintf(out, "\nENT-1    h_t = %s\n", sampled ? "-log pi(a_t|s_t)" : "H(pi(.|s_t)) = -sum_a pi log pi");
    fprintf(out, "%-8s G_t = %s + sum_{k>t} gamma^(k-t) %s, gamma = %g", credit ? "ENT-3" : "PGT-10", first,
            credit ? "(r_k + beta h_k)" : "r_k", c->gamma);
    if (c->entropy != MAXENT_PG_NONE) fprintf(out, ", beta = %g", c->beta);
    fprintf(out, "\n         w_t = %s\n", c->gamma_t ? "gamma^t (G_t - V(s_t))" : "G_t - V(s_t)");
}

static void explain_objective(FILE *out, const maxent_pg_config *c, const rollout *D, const double *h,
                              const double *u, const double *w, const double *logp)
{
    double scores = 0, entropy = 0;
    for (int k = 0; k < D->T; k++) {
        scores += w[k] * logp[k] / D->segments;
        entropy += u[k] * h[k] / D->segments;
    }
    fprintf(out, "%s    (1/|D|) sum_tau sum_t w_t log pi(a_t|s_t) = %.5f, |D| = %d\n",
            c->entropy == MAXENT_PG_RETURN ? "ENT-3" : "VPG-2", scores, D->segments);
    if (c->entropy == MAXENT_PG_NONE || c->form == MAXENT_PG_SAMPLED) return;
    fprintf(out, "%-8s beta (1/|D|) sum_tau sum_t %sH(pi(.|s_t)) = %.5f, added to it\n",
            c->entropy == MAXENT_PG_RETURN ? "ENT-3" : "A3C-27", c->gamma_t ? "gamma^t " : "", c->beta * entropy);
}

static double V_error(ad_tape *t, const network *f, const double *phi, const rollout *D, const double *G)
{
    double V[MOST], sum = 0;
    critic_values(t, f, phi, D->T, D->s, V);
    for (int k = 0; k < D->T; k++) sum += (V[k] - G[k]) * (V[k] - G[k]);
    return sum / D->T;
}

void maxent_pg_explain(FILE *out, const void *config, uint64_t seed)
{
    maxent_pg_config c = *(const maxent_pg_config *)config;
    env *e = explained_env();
    c.hidden.layers = 0;
    const policy p = maxent_pg_policy(e, &c);
    const network f = critic_V(&p);
    run *streams = run_new("maxent_pg", e, seed, 0);
    size_t n = (size_t)p.n, nV = (size_t)network_n(&f);
    double *theta = allocate(5 * n + 3 * nV, sizeof *theta, "theta"), *before = theta + n, *g = before + n;
    double *m = g + n, *phi = m + 2 * n, h[MOST], u[MOST], G[MOST], V[MOST], w[MOST], logp[MOST];
    adam step = adam_of(n, c.lr, m), step_V = adam_of(nV, c.lr_V, phi + nV);
    actor *pi = actor_new(&p, theta);
    rollout *D = rollout_new(e);
    ad_tape *t = ad_tape_new();

    policy_init(&p, streams->init_rng, theta);
    network_init_orthogonal(&f, sqrt(2), 1, streams->init_rng, phi);
    memcpy(before, theta, n * sizeof *theta);
    while (D->segments < EXPLAINED) rollout_episode(D, e, streams->env_rng, pi, streams->policy_rng);
    critic_values(t, &f, phi, D->T, D->s, V);
    maxent_pg_entropies(t, &p, theta, D, c.form, h);
    maxent_pg_weights(&c, D, h, V, u, w, G);
    explained_logp(&p, theta, D, logp);
    fprintf(out, "Maximum-entropy policy gradient, its first update on %s (states 0 .. 4, then the end; 3"
            " actions), seed %llu;\ntwo trajectories of at most 5 steps, no hidden layers\n", e->id,
            (unsigned long long)seed);
    explain_batch(out, D, h, G, V, w, logp);
    explain_weights(out, &c);
    explain_objective(out, &c, D, h, u, w, logp);
    maxent_pg_gradient(t, &p, theta, &c, D, u, w, g);
    adam_ascend(&step, theta, g);
    fprintf(out, "         g, its gradient in theta, w held constant; theta <- theta + Adam's first step,"
            " alpha g / (|g| + 1e-8),\n         alpha = %g:\n\n", c.lr);
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
