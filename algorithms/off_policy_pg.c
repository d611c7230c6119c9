/* Off-policy policy gradient: the trajectories of pi_theta', an older policy, weighted with products of ratios
 * (001 l.38-119; per-decision weights: Precup, Sutton and Singh 2000; clipped ones: Ionides 2008).
 *
 *     initialise theta
 *     loop
 *         theta' <- theta                                              every `refresh` batches
 *         D = { tau_1, ..., tau_|D| } with pi_theta'                   IS-5
 *         `uses` times, each with the theta of the one before:
 *             rho_t = prod_{k<=t} pi_theta(a_k|s_k) / pi_theta'(a_k|s_k)                        IS-6
 *             theta <- theta + alpha (1/|D|) sum_tau sum_t w_t grad log pi_theta(a_t|s_t)       IS-8
 *
 *     ratio          w_t
 *     trajectory     rho_{T-1} (R(tau) - b)                            IS-8, with gamma and a baseline
 *     per-decision   sum_{k>=t} gamma^k rho_k r_k - gamma^t rho_t b    what follows r_k does not change its mean
 *     weighted       that of trajectory with rho / ((1/|D|) sum of all rho): biased, and bounded by |D|
 *
 * Deviations from the source
 *   1. 001 is undiscounted and has no baseline: gamma = 1, b_rate = 0 give its lines. b is a running mean of what
 *      earlier batches earned: it leaves the mean as it is, with either of the first two ratios.
 *   2. Adam.
 *   3. How often a batch is used is bounded by its effective sample size, too: 001 only says that the product
 *      may become very small. In the mean it stays 1; what a batch tells of it becomes less and less (ERR-28).
 *
 * Critical
 *   - Unbiased is the first use of a batch. The theta of each later one was fitted to the same trajectories,
 *     and their weights tell too well of it. Over all batches of two trajectories of two steps
 *     (tests/test_off_policy_pg.c): a step that takes J from 1.30 to 1.51 lets the mean of rho R(tau) over the
 *     batch it was made from say 2.84, and the second use's gradient is off by .52 of its length in the mean
 *     (per-decision: .71). Another batch of pi_theta' has neither error.
 *   - The ratio is that of the policy that is updated to the one that acted, and stands in the weight once:
 *     the gradient of log pi brings none of its own.
 *   - The product up to r_k reaches to a_k, not to a_{k-1}: r_k is paid for a_k.
 *   - A trajectory that pi_theta would make and pi_theta' cannot is missing, and no ratio tells (support: IS-1).
 *   - Clipped products are biased towards pi_theta', as self-normalised ones are.
 *   - The time limit ends the sum of rewards as the end of the task does (ERR-10). */
#include "algorithms/off_policy_pg.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "algorithms/explained.h"
#include "algorithms/returns.h"
#include "autodiff/optimiser.h"
#include "autodiff/require.h"

static const char *const ratios[] = { "trajectory", "per-decision", "weighted", NULL };

const off_policy_pg_config off_policy_pg_defaults = {
    .gamma = 1, .lr = 5e-3, .trajectories = 10, .uses = 10, .ess_least = 0.5, .refresh = 1,
    .ratio = OFF_POLICY_PER_DECISION, .clip = 0, .b_rate = 0.1, .hidden = { 1, { 64 } }, .activation = AD_TANH,
};

#define FIELD(name) #name, .at = offsetof(off_policy_pg_config, name)
#define REAL(most) .kind = CONFIG_REAL, .low = 0, .high = most
#define WHOLE(most) .kind = CONFIG_WHOLE, .low = 1, .high = most
#define CHOICE(names) .kind = CONFIG_CHOICE, .choices = names
const config_field off_policy_pg_fields[] = {
    { FIELD(gamma), REAL(1), .about = "discount gamma; 001: 1" },
    { FIELD(lr), REAL(1e300), .about = "step size alpha" },
    { FIELD(trajectories), WHOLE(1e6), .about = "|D|: episodes a batch" },
    { FIELD(uses), WHOLE(1e6), .about = "updates from one batch, at most" },
    { FIELD(ess_least), REAL(1),
      .about = "fewer at an effective sample size below this part of |D|; 0: ratios may overflow" },
    { FIELD(refresh), WHOLE(1e6), .about = "batches from one theta'" },
    { FIELD(ratio), CHOICE(ratios), .about = "what the ratios make of a weight; 001: trajectory" },
    { FIELD(clip), REAL(1e300), .about = "greatest product of ratios; 0: any" },
    { FIELD(b_rate), REAL(1), .about = "of the baseline's running mean; 0: none, as 001" },
    { FIELD(hidden), .kind = CONFIG_WIDTHS, .about = "hidden layers of the policy" },
    { FIELD(activation), CHOICE(config_activations), .about = "in the hidden layers" },
    { .name = NULL },
};

void off_policy_logp(ad_tape *t, const policy *p, const double *theta, const rollout *b, double *logp)
{
    ad_mark start = ad_here(t);
    ad x = ad_input(t, theta, p->n, 1), s = ad_input(t, b->s, b->T, b->d);
    memcpy(logp, ad_value(policy_logp(t, p, x, s, b->a, b->index)), (size_t)b->T * sizeof *logp);
    ad_reset(t, start);
}

/*[snip off-policy-products later]*/
/* IS-6   rho_t = prod_{k<=t} pi(a_k|s_k) / pi'(a_k|s_k): what the environment does cancels */
void off_policy_log_products(int T, const double *logp, const double *logp_behaviour, double *log_rho)
{
    /* BEGIN SOLUTION IS-6 */
    double sum = 0;
    for (int t = 0; t < T; t++) log_rho[t] = sum += logp[t] - logp_behaviour[t];
    /* END SOLUTION */
}

double off_policy_product(double log_rho, double clip)
{
    return clip > 0 ? fmin(exp(log_rho), clip) : exp(log_rho);
}
/*[/snip]*/

/*[snip off-policy-weights later]*/
/* IS-8   w_t = rho (R(tau) - b) */
void off_policy_trajectory(int T, const double *r, double gamma, double rho, double b, double *w)
{
    /* BEGIN SOLUTION IS-8 */
    double R = returns_total(T, r, gamma);
    for (int t = 0; t < T; t++) w[t] = rho * (R - b);
    /* END SOLUTION */
}

/* w_t = sum_{k>=t} gamma^k rho_k r_k - gamma^t rho_t b */
void off_policy_per_decision(int T, const double *r, double gamma, const double *rho, double b, double *w)
{
    /* BEGIN SOLUTION IS-8 */
    double gamma_t = 1, to_go = 0;
    for (int t = 0; t < T; t++, gamma_t *= gamma) w[t] = gamma_t * rho[t];
    for (int t = T - 1; t >= 0; t--) {
        to_go += w[t] * r[t];
        w[t] = to_go - w[t] * b;
    }
    /* END SOLUTION */
}
/*[/snip]*/

/*[snip off-policy-weighted later]*/
/* rho_i = D e^{L_i} / sum_j e^{L_j} */
void off_policy_self_normalised(int D, const double *L, double *rho)
{
    /* BEGIN SOLUTION IS-8 */
    double most = L[0], sum = 0;
    for (int i = 1; i < D; i++) most = fmax(most, L[i]);
    for (int i = 0; i < D; i++) sum += rho[i] = exp(L[i] - most);
    for (int i = 0; i < D; i++) rho[i] *= D / sum;
    /* END SOLUTION */
}

/* IS-3   ESS = (sum_i rho_i)^2 / sum_i rho_i^2 */
double off_policy_ess(int D, const double *L)
{
    /* BEGIN SOLUTION IS-3 */
    double most = L[0], sum = 0, squares = 0;
    for (int i = 1; i < D; i++) most = fmax(most, L[i]);
    for (int i = 0; i < D; i++) sum += exp(L[i] - most), squares += exp(2 * (L[i] - most));
    return sum * sum / squares;
    /* END SOLUTION */
}
/*[/snip]*/

/* L [segments]: the log product of each whole trajectory, as it is or clipped */
static void whole_products(const rollout *b, const double *log_rho, double clip, double *L)
{
    double most = clip > 0 ? log(clip) : INFINITY;
    for (int i = 0; i < b->segments; i++)
        L[i] = fmin(log_rho[b->segment[i].first + b->segment[i].T - 1], most);
}

void off_policy_weights(const off_policy_pg_config *c, const rollout *b, const double *log_rho, double baseline,
                        double *w)
{
    double *L = allocate((size_t)b->segments + (size_t)b->T, sizeof *L, "products of ratios");
    double *rho = L + b->segments;                              /* [b->T], or [b->segments] */
    whole_products(b, log_rho, c->clip, L);
    if (c->ratio == OFF_POLICY_WEIGHTED) off_policy_self_normalised(b->segments, L, rho);
    if (c->ratio == OFF_POLICY_TRAJECTORY)
        for (int i = 0; i < b->segments; i++) rho[i] = exp(L[i]);
    if (c->ratio == OFF_POLICY_PER_DECISION)
        for (int t = 0; t < b->T; t++) rho[t] = off_policy_product(log_rho[t], c->clip);
    for (int i = 0; i < b->segments; i++) {
        int first = b->segment[i].first, T = b->segment[i].T;
        const double *r = b->r + first;
        if (c->ratio == OFF_POLICY_PER_DECISION)
            off_policy_per_decision(T, r, c->gamma, rho + first, baseline, w + first);
        else
            off_policy_trajectory(T, r, c->gamma, rho[i], baseline, w + first);
    }
    free(L);
}

/*[snip off-policy-gradient later]*/
/* IS-8   (1/|D|) sum_tau sum_t w_t log pi(a_t|s_t) */
ad off_policy_objective(ad logp, ad w, int D)
{
    /* BEGIN SOLUTION IS-8 */
    return ad_scale(1.0 / D, ad_dot(ad_detach(w), logp));
    /* END SOLUTION */
}

/* IS-7, IS-8   g = (1/|D|) sum_tau sum_t w_t grad log pi_theta(a_t|s_t) */
void off_policy_gradient(ad_tape *t, const policy *p, const double *theta, const rollout *b, const double *w,
                         double *g)
{
    /* BEGIN SOLUTION IS-8 */
    ad_mark start = ad_here(t);
    ad x    = ad_input(t, theta, p->n, 1);
    ad s    = ad_input(t, b->s, b->T, b->d);
    ad logp = policy_logp(t, p, x, s, b->a, b->index);                          /* [N x 1] */
    ad J    = off_policy_objective(logp, ad_input(t, w, b->T, 1), b->segments);
    memcpy(g, ad_value(ad_grad(J, x)), (size_t)p->n * sizeof *g);
    ad_reset(t, start);
    /* END SOLUTION */
}
/*[/snip]*/

double off_policy_next_b(const off_policy_pg_config *c, const rollout *b, double baseline)
{
    double mean = 0, n = c->ratio == OFF_POLICY_PER_DECISION ? b->T : b->segments;
    for (int i = 0; i < b->segments; i++) {
        const double *r = b->r + b->segment[i].first;
        double G = 0, sum = 0;
        for (int t = b->segment[i].T - 1; t >= 0; t--) sum += G = r[t] + c->gamma * G;
        mean += (c->ratio == OFF_POLICY_PER_DECISION ? sum : G) / n;
    }
    return baseline + c->b_rate * (mean - baseline);
}

policy off_policy_pg_policy(const env *e, const void *config)
{
    const off_policy_pg_config *c = config;
    return policy_of(e, c->hidden.layers, c->hidden.width, (enum ad_activation)c->activation);
}

void off_policy_pg_check(const void *config)
{
    const off_policy_pg_config *c = config;
    if (c->ratio == OFF_POLICY_WEIGHTED && c->trajectories == 1)
        bad_input("--set: expected trajectories of at least 2 beside ratio=weighted: of one the weight is always 1");
    if (c->clip > 0 && c->clip < 1)
        bad_input("--set: expected clip of 0 or at least 1, which is the product at theta = theta', found %g",
                  c->clip);
}

/* log_rho [b->T] of a batch, trajectory by trajectory, and what progress.csv shows of it */
struct shows { double uses, ess, ratio_max; };
static void products(const rollout *b, const double *logp, const double *logp_behaviour, double *log_rho,
                     struct shows *now)
{
    double *L = allocate((size_t)b->segments, sizeof *L, "products of ratios"), most = -INFINITY;
    for (int i = 0; i < b->segments; i++) {
        int first = b->segment[i].first;
        off_policy_log_products(b->segment[i].T, logp + first, logp_behaviour + first, log_rho + first);
    }
    whole_products(b, log_rho, 0, L);
    for (int i = 0; i < b->segments; i++) most = fmax(most, L[i]);
    now->ess = off_policy_ess(b->segments, L);
    now->ratio_max = most < 709 ? exp(most) : NAN;              /* not beyond what a double holds */
    free(L);
}

void off_policy_pg(run *training, const void *config)
{
    const off_policy_pg_config *c = config;
    off_policy_pg_check(c);
    env *e = training->env;
    const policy p = off_policy_pg_policy(e, c);
    const size_t n = (size_t)p.n;
    double *theta = allocate(n, sizeof *theta, "theta"), *g = allocate(n, sizeof *g, "g");
    double *theta1 = allocate(n, sizeof *theta1, "theta'"), *m = allocate(2 * n, sizeof *m, "Adam");
    double *logp = NULL, *logp1 = NULL, *log_rho = NULL, *w = NULL, b = 0;      /* [N] */
    long batches = 0;
    struct shows now = { NAN, NAN, NAN };
    adam step = adam_of(n, c->lr, m);
    actor *behaviour = actor_new(&p, theta1);
    rollout *D = rollout_new(e);
    ad_tape *t = ad_tape_new();

    policy_init(&p, training->init_rng, theta);
    const kept survives[] = { { "theta", theta, n }, { "theta'", theta1, n }, { "m, v", m, 2 * n }, { "b", &b, 1 },
                              { .name = "t", .count = &step.t }, { .name = "batches", .count = &batches },
                              { .name = NULL } };
    const shown columns[] = { { "uses", &now.uses }, { "ess", &now.ess }, { "ratio_max", &now.ratio_max },
                              { NULL, NULL } };
    run_begin(training, survives, columns);
    /*[snip off-policy-loop later]*/
    while (run_update(training, D)) {
        if (batches++ % c->refresh == 0) memcpy(theta1, theta, n * sizeof *theta);      /* theta' <- theta */
        rollout_clear(D);
        while (D->segments < c->trajectories)
            rollout_episode(D, e, training->env_rng, behaviour, training->policy_rng);  /* IS-5 */
        size_t N = (size_t)D->T;
        logp    = reallocate(logp, N, sizeof *logp, "log pi");
        logp1   = reallocate(logp1, N, sizeof *logp1, "log pi'");
        log_rho = reallocate(log_rho, N, sizeof *log_rho, "products of ratios");
        w       = reallocate(w, N, sizeof *w, "w");
        off_policy_logp(t, &p, theta1, D, logp1);
        for (now.uses = 0; now.uses < c->uses; now.uses++) {
            off_policy_logp(t, &p, theta, D, logp);
            products(D, logp, logp1, log_rho, &now);
            if (!(now.ess >= c->ess_least * D->segments)) break;
            off_policy_weights(c, D, log_rho, b, w);
            off_policy_gradient(t, &p, theta, D, w, g);
            adam_ascend(&step, theta, g);                               /* theta <- theta + alpha g */
        }
        b = off_policy_next_b(c, D, b);
    }
    /*[/snip]*/
    run_end(training);

    ad_tape_free(t);
    rollout_free(D);
    actor_free(behaviour);
    free(w);
    free(log_rho);
    free(logp1);
    free(logp);
    free(m);
    free(theta1);
    free(g);
    free(theta);
}

/* ---- one batch, with its numbers: the first of a training run from that seed ---- */

enum { EXPLAINED = 2, MOST = 5 * EXPLAINED };       /* trajectories, steps */

static void explain_batch(FILE *out, const rollout *D, const double *logp, const double *logp1,
                          const double *log_rho, const double *w)
{
    fprintf(out, " tau   t  s_t  a_t %8s %17s %17s %11s %11s\n", "r_t", "log pi(a_t|s_t)", "log pi'(a_t|s_t)",
            "rho_t", "w_t");
    for (int i = 0; i < D->segments; i++)
        for (int t = 0, k = D->segment[i].first; t < D->segment[i].T; t++, k++)
            fprintf(out, "%4d %3d %4d %4d %8.4f %17.5f %17.5f %11.5f %11.5f\n", i + 1, t, explained_state(D, k),
                    D->index[k], D->r[k], logp[k], logp1[k], exp(log_rho[k]), w[k]);
}

static const char *const explained_weight[] = {
    [OFF_POLICY_TRAJECTORY]   = "IS-8     w_t = rho_{T-1} (R(tau) - b)",
    [OFF_POLICY_PER_DECISION] = "IS-8     w_t = sum_{k>=t} gamma^k rho_k r_k - gamma^t rho_t b, per decision",
    [OFF_POLICY_WEIGHTED]     = "IS-8     w_t = rho_{T-1} / (mean of all rho_{T-1}) (R(tau) - b)" };

void off_policy_pg_explain(FILE *out, const void *config, uint64_t seed)
{
    off_policy_pg_config c = *(const off_policy_pg_config *)config;
    env *e = explained_env();
    c.hidden.layers = 0;
    const policy p = off_policy_pg_policy(e, &c);
    run *streams = run_new("off_policy_pg", e, seed, 0);
    size_t n = (size_t)p.n;
    double *theta = allocate(6 * n, sizeof *theta, "theta"), *theta1 = theta + n, *before = theta1 + n;
    double *g = before + n, *m = g + n, logp[MOST], logp1[MOST], log_rho[MOST], w[MOST];
    struct shows now;
    adam step = adam_of(n, c.lr, m);
    actor *behaviour = actor_new(&p, theta1);
    rollout *D = rollout_new(e);
    ad_tape *t = ad_tape_new();

    policy_init(&p, streams->init_rng, theta);
    memcpy(theta1, theta, n * sizeof *theta);
    while (D->segments < EXPLAINED) rollout_episode(D, e, streams->env_rng, behaviour, streams->policy_rng);
    off_policy_logp(t, &p, theta1, D, logp1);
    fprintf(out, "Off-policy policy gradient, one batch used twice, on %s (states 0 .. 4, then the end; 3 actions),"
            " seed %llu;\ntwo trajectories of at most 5 steps with pi', no hidden layers, b = 0\n", e->id,
            (unsigned long long)seed);
    for (int use = 1; use <= 2; use++) {
        memcpy(before, theta, n * sizeof *theta);
        off_policy_logp(t, &p, theta, D, logp);
        products(D, logp, logp1, log_rho, &now);
        off_policy_weights(&c, D, log_rho, 0, w);
        off_policy_gradient(t, &p, theta, D, w, g);
        adam_ascend(&step, theta, g);
        fprintf(out, use == 1 ? "\nIS-5     theta = theta': every ratio is 1\n"
                              : "\nIS-6     rho_t = prod_{k<=t} pi(a_k|s_k) / pi'(a_k|s_k) at the new theta\n");
        explain_batch(out, D, logp, logp1, log_rho, w);
    }
    fprintf(out, "\n%s, gamma = %g\nIS-3     ESS = (sum rho_{T-1})^2 / sum rho_{T-1}^2 = %.5f of %d\n"
            "IS-8     g = (1/|D|) sum_tau sum_t w_t grad log pi_theta(a_t|s_t); theta <- theta + Adam's step"
            " along g,"
            " alpha = %g;\n         the second time:\n\n", explained_weight[c.ratio], c.gamma, now.ess, D->segments,
            c.lr);
    explained_theta(out, &p, g, before, theta);

    ad_tape_free(t);
    rollout_free(D);
    actor_free(behaviour);
    free(theta);
    run_free(streams);
    env_free(e);
}
