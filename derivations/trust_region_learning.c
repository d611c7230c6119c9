/* What natural and trust region steps do to learning, measured: 001 (l.532), 002 (l.209, 255, 276). The steps
 * are those of algorithms/npg.c and trpo.c; policies are tables on Garnets, so that J is exact; and batches are all
 * states and actions with their exact advantages (exact_batch.h), or sampled. What stands in for a number of the
 * claim is its 95 % bound, over Garnets or runs, on the side that is against the claim. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include <gsl/gsl_cdf.h>
#include <gsl/gsl_randist.h>
#include <gsl/gsl_sort.h>
#include <gsl/gsl_statistics_double.h>

#include "algorithms/gae.h"
#include "algorithms/npg.h"
#include "algorithms/trpo.h"
#include "autodiff/linalg.h"
#include "autodiff/random.h"
#include "autodiff/require.h"
#include "derivations/exact_batch.h"
#include "derivations/measured.h"

/* ---- exact J along the iterations ---- */

enum { GARNETS = 100, SAMPLED = 20, ITERATIONS = 50, STEPS = 200 };

/* Seen k times of n: with 95 % the chance is at most, at least so much (Clopper, Pearson 1934) */
static double chance_at_most(int k, int n)  { return k < n ? gsl_cdf_beta_Pinv(0.95, k + 1, n - k) : 1; }
static double chance_at_least(int k, int n) { return k > 0 ? gsl_cdf_beta_Pinv(0.05, k, n - k + 1) : 0; }

/* With 95 % the mean is at most (side = 1), at least (side = -1) so much (Student) */
static double mean_end(int n, const double *x, int side)
{
    double error = gsl_stats_sd(x, 1, (size_t)n) / sqrt(n);
    return gsl_stats_mean(x, 1, (size_t)n) + side * gsl_cdf_tdist_Pinv(0.95, n - 1) * error;
}

/* A table on a Garnet of 10 states and 4 actions: theta = W, b, of N(0, sd^2) */
typedef struct { mdp *M; policy p; double *theta, *before, J, best; exact *x; ad_tape *t; } climber;

static void look_again(climber *c)
{
    exact_free(c->x);
    c->x = measured_exact(c->M, c->theta);
    c->J = c->x->J;
}

static climber climber_new(uint64_t seed, int k, double sd)
{
    climber c = { .M = mdp_garnet("garnet", 10, 4, 3, seed + (uint64_t)k), .t = ad_tape_new() };
    gsl_rng *rng = random_stream(seed, (uint32_t)k, RANDOM_INIT);
    size_t n = (size_t)((c.M->nS + 1) * c.M->nA);
    c.theta = allocate(2 * n, sizeof *c.theta, "theta");
    c.before = c.theta + n;
    for (int i = 0; i < c.M->nS * c.M->nA; i++) c.theta[i] = gsl_ran_gaussian(rng, sd);
    gsl_rng_free(rng);
    look_again(&c);
    c.p = exact_batch_policy(c.x);
    c.best = measured_J_optimal(c.M);
    return c;
}

static void climber_free(climber *c)
{
    exact_free(c->x);
    ad_tape_free(c->t);
    free(c->theta);
    mdp_free(c->M);
}

/* Did J fall in this step, by more than its rounding? */
static bool fell(climber *c)
{
    double J = c->J;
    look_again(c);
    return c->J < J - 10 * c->x->unit_V;
}

/* ---- TRPO-29 ---- */

/* A few hundred steps with pi, A_t by PPO-17 with the exact V */
static void sampled_update(climber *c, const trpo_config *config, env *e, gsl_rng *env_rng, gsl_rng *policy_rng)
{
    double V[STEPS], A[STEPS];
    actor *pi = actor_new(&c->p, c->theta);
    rollout *b = rollout_new(e);
    rollout_steps(b, STEPS, e, env_rng, pi, policy_rng);
    for (int t = 0; t < STEPS; t++) V[t] = linalg_dot(c->M->nS, b->s + t * b->d, c->x->V);
    for (int i = 0; i < b->segments; i++) {
        const segment *g = &b->segment[i];
        double V_end = g->terminated ? 0 : linalg_dot(c->M->nS, b->s_end + i * b->d, c->x->V);
        gae_advantages(g->T, b->r + g->first, V + g->first, V_end, c->M->gamma, config->lambda, A + g->first);
    }
    advantages_normalise(STEPS, A);
    trpo_update(c->t, config, &c->p, c->theta, b, A, NULL);
    rollout_free(b);
    actor_free(pi);
}

/* Of n Garnets: in how many J fell at all, the part of all iterations in which it did, and what each leaves
 * after them, 1 - (J - J_0) / (J* - J_0) */
typedef struct { int n, fell_in; double falls, gap[GARNETS]; } account;

/* An update of TRPO with exact advantages; or, e not NULL, with sampled ones */
typedef struct { const trpo_config *config; env *e; gsl_rng *env_rng, *policy_rng; } updater;

static void one_update(climber *c, const updater *u)
{
    if (u->e) {
        sampled_update(c, u->config, u->e, u->env_rng, u->policy_rng);
        return;
    }
    exact_batch y = exact_batch_new(c->x);
    trpo_update(c->t, u->config, &c->p, c->theta, y.b, y.A, y.w);
    exact_batch_free(&y);
}

static account account_of(uint64_t seed, bool sampled, const trpo_config *config)
{
    account all = { .n = sampled ? SAMPLED : GARNETS };
    for (int k = 0; k < all.n; k++) {
        climber c = climber_new(seed, k, 1);
        updater u = { config, sampled ? env_mdp_new(c.M) : NULL, random_stream(seed, (uint32_t)k, RANDOM_ENV),
                      random_stream(seed, (uint32_t)k, RANDOM_POLICY) };
        double first = c.J;
        int falls = 0;
        for (int i = 0; i < ITERATIONS; i++) {
            one_update(&c, &u);
            falls += fell(&c);
        }
        all.fell_in += falls > 0;
        all.falls += falls / (double)(all.n * ITERATIONS);
        all.gap[k] = (c.best - c.J) / (c.best - first);
        gsl_rng_free(u.policy_rng);
        gsl_rng_free(u.env_rng);
        if (u.e) env_free(u.e);
        climber_free(&c);
    }
    return all;
}

/* Conjugate gradients in as many steps as theta has numbers, so that nothing but the batch makes the difference */
static trpo_config small_trpo(double delta)
{
    trpo_config c = trpo_defaults;
    c.delta = delta, c.damping = 1e-8, c.cg_iterations = 44;
    return c;
}

static double trpo_falls(const setting *x, double *out)
{
    trpo_config c = small_trpo(0.01);
    account exactly = account_of(x->seed, false, &c), sampled = account_of(x->seed, true, &c);
    out[0] = chance_at_most(exactly.fell_in, exactly.n);
    out[1] = mean_end(sampled.n, sampled.gap, 1);
    return 0;
}

static double trpo_controls(const setting *x, double *out)
{
    trpo_config c = small_trpo(0.01), wide = small_trpo(10);
    account sampled = account_of(x->seed, true, &c), far = account_of(x->seed, true, &wide);
    out[0] = chance_at_least(sampled.fell_in, sampled.n);
    out[1] = mean_end(far.n, far.gap, -1);
    return 0;
}

static void page_of_falls(const setting *x, FILE *out)
{
    fprintf(out, "of all iterations, those in which J fell, and of how many Garnets; the mean of 1 - (J - J_0) /"
                 " (J* - J_0)\nafter %d of them, and its 95 %% bounds\n  delta   advantages      falls       of"
                 "       gap\n", ITERATIONS);
    static const double deltas[] = { 0.001, 0.01, 10 };
    for (int i = 0; i < 6; i++) {
        trpo_config c = small_trpo(deltas[i / 2]);
        account a = account_of(x->seed, i % 2, &c);
        fprintf(out, "%7g   %-10s %10.4f %4d/%-4d %9.4f   %.4f .. %.4f\n", c.delta, i % 2 ? "sampled" : "exact",
                a.falls, a.fell_in, a.n, gsl_stats_mean(a.gap, 1, (size_t)a.n), mean_end(a.n, a.gap, -1),
                mean_end(a.n, a.gap, 1));
    }
    fprintf(out, "Sampled: batches of %d steps. With exact advantages J hardly ever falls, though delta is far beyond"
                 " what the\ntheory allows; where the batch is a sample it does. A region of delta = 10 lets it learn"
                 " what the sample\nhappens to say.\n", STEPS);
}

/* ---- NPG-5 ---- */

/* One step, natural of KL delta, or plain and as long as the natural one from the same theta. Returns its KL. */
static double exact_step(climber *c, bool natural, double delta)
{
    const npg_config config = { .delta = delta, .solver = NPG_LAPACK, .F_every = 1, .damping = 1e-4 };
    int n = c->p.n;
    double *old = allocate(2 * (size_t)n, sizeof *old, "theta"), *g = old + n, length = 0;
    exact_batch y = exact_batch_new(c->x);
    memcpy(old, c->theta, (size_t)n * sizeof *old);
    npg_step step = npg_update(c->t, &config, &c->p, c->theta, y.b, y.A, y.w);
    if (!natural) {
        for (int i = 0; i < n; i++) length += (c->theta[i] - old[i]) * (c->theta[i] - old[i]);
        memcpy(c->theta, old, (size_t)n * sizeof *old);
        trpo_problem at = trpo_problem_of(c->t, TRPO_MEAN, &c->p, c->theta, y.b, y.A, y.w);
        memcpy(g, ad_value(ad_grad(at.L, at.theta)), (size_t)n * sizeof *g);
        double norm = linalg_norm2(n, g), scale = norm > 0 ? sqrt(length) / norm : 0;
        for (int i = 0; i < n; i++) c->theta[i] += scale * g[i];
        ad_plan again = ad_slice(1, &at.theta, 1, &at.kl);
        ad_run(&again);
        step.kl = ad_scalar(at.kl);
    }
    exact_batch_free(&y);
    free(old);
    return step.kl;
}

enum { RUNS = 20, TURNED = 10 };
#define DELTA 0.001

/* as above, and least and greatest KL / delta of a step */
typedef struct { int fell_in; double falls, least, most, gap; } stability;

static stability stability_of(uint64_t seed, bool natural)
{
    stability all = { .least = INFINITY };
    for (int k = 0; k < RUNS; k++) {
        climber c = climber_new(seed, k, 1);
        double first = c.J;
        int falls = 0;
        for (int i = 0; i < ITERATIONS; i++) {
            double kl = exact_step(&c, natural, DELTA) / DELTA;
            falls += fell(&c);
            all.least = fmin(all.least, kl);
            all.most = fmax(all.most, kl);
        }
        all.fell_in += falls > 0;
        all.falls += falls / (double)(RUNS * ITERATIONS);
        all.gap += (c.best - c.J) / (c.best - first) / RUNS;
        climber_free(&c);
    }
    return all;
}

/* theta <- theta + M dphi: the step of phi where theta = M phi, natural of KL delta or plain of length
 * sqrt(delta) */
static void step_in_phi(climber *c, const double *M, bool natural)
{
    int n = c->p.n;
    size_t all = (size_t)n * (size_t)n;
    double *F = allocate(4 * all + 5 * (size_t)n, sizeof *F, "F in phi"), *FM = F + all, *F_phi = FM + all;
    double *e = F_phi + all, *g = e + all, *g_phi = g + n, *y = g_phi + n, *v = y + n;
    exact_batch b = exact_batch_new(c->x);
    ad_mark start = ad_here(c->t);
    trpo_problem at = trpo_problem_of(c->t, TRPO_MEAN, &c->p, c->theta, b.b, b.A, b.w);
    ad s = ad_input(c->t, b.b->s, b.b->T, b.b->d);
    fisher_vector product = fisher_vector_of(c->t, &c->p, at.theta, s, b.w, 0, v);
    memcpy(g, ad_value(ad_grad(at.L, at.theta)), (size_t)n * sizeof *g);
    for (int i = 0; i < n; i++) {
        e[i * n + i] = 1;
        fisher_vector_times(&product, n, e + i * n, F + i * n);
    }
    linalg_matmul(true, false, n, 1, n, M, g, g_phi);                           /* M^T g */
    linalg_matmul(false, false, n, n, n, F, M, FM);
    linalg_matmul(true, false, n, n, n, M, FM, F_phi);                          /* M^T F M */
    for (int i = 0; i < n * n; i++) F[i] = (F_phi[i] + F_phi[i % n * n + i / n]) / 2;
    if (natural) npg_solve(n, F, g_phi, y);
    else         memcpy(y, g_phi, (size_t)n * sizeof *y);
    double beta = natural ? npg_beta(DELTA, n, g_phi, y) : sqrt(DELTA) / linalg_norm2(n, y);
    linalg_matvec(n, n, M, y, v);
    for (int i = 0; i < n; i++) c->theta[i] += beta * v[i];
    ad_reset(c->t, start);
    exact_batch_free(&b);
    free(F);
}

/* The greatest |pi - pi'| after some steps in theta and in phi, M of N(0, 1/n) beside 1 */
static double turned(uint64_t seed, bool natural)
{
    climber in_theta = climber_new(seed, 0, 1), in_phi = climber_new(seed, 0, 1);
    int n = in_phi.p.n;
    double *M = allocate(2 * (size_t)n * (size_t)n, sizeof *M, "M"), *one = M + n * n, most = 0;
    gsl_rng *rng = random_stream(seed, 0, RANDOM_TEST);
    for (int i = 0; i < n * n; i++) {
        one[i] = i / n == i % n;
        M[i] = one[i] + gsl_ran_gaussian(rng, 1 / sqrt(n));
    }
    for (int k = 0; k < TURNED; k++) {
        step_in_phi(&in_theta, one, natural);
        step_in_phi(&in_phi, M, natural);
        look_again(&in_theta);
        look_again(&in_phi);
    }
    for (int i = 0; i < in_phi.x->nSA; i++) most = fmax(most, fabs(in_phi.x->pi[i] - in_theta.x->pi[i]));
    gsl_rng_free(rng);
    free(M);
    climber_free(&in_theta);
    climber_free(&in_phi);
    return most;
}

static double stable(const setting *x, bool natural, double *out)
{
    stability found = stability_of(x->seed, natural);
    out[0] = natural ? chance_at_most(found.fell_in, RUNS) : chance_at_least(found.fell_in, RUNS);
    out[1] = found.most, out[2] = turned(x->seed, natural);
    return 0;
}

static double natural_steps(const setting *x, double *out) { return stable(x, true, out); }
static double plain_steps(const setting *x, double *out)   { return stable(x, false, out); }

static void page_of_stability(const setting *x, FILE *out)
{
    fprintf(out, "%d steps on each of %d Garnets, exact gradients\n"
                 "         falls of J  on    KL / delta          gap\n", ITERATIONS, RUNS);
    for (int natural = 1; natural >= 0; natural--) {
        stability s = stability_of(x->seed, natural);
        fprintf(out, "%s %11.4f %3d %9.2g .. %-8.3g %.4f\n", natural ? "natural" : "plain  ", s.falls, s.fell_in,
                s.least, s.most, s.gap);
    }
    fprintf(out, "A plain step that is as long changes the policy by anything from nothing to hundreds of delta. Not"
                 " that natural\nsteps were safe: of ten times that delta they overshoot, too, once F is nearly 0"
                 " (NPG-10).\n");
}

/* ---- TRPO-17: the three steps, in training ---- */

enum { TRAINED = 11 };

/* 1 - J/J* on E5x, of some runs, ascending: between the second and the last but one lies the median, but for
 * 2 * 12 of 2^11 cases (sign test, 98.8 %) */
static void gaps_of_training(uint64_t seed, double delta, double *gap)
{
    trpo_config c = trpo_defaults;
    c.n_steps = 100, c.gamma = 0.9, c.hidden = (widths){ 0 }, c.delta = delta, c.lr_V = 0.03;
    for (int k = 0; k < TRAINED; k++) {
        run *r = measured_run(measured_env("E5x"), trpo, &c, seed + (uint64_t)k, 10000, INFINITY);
        mdp *M = mdp_builtin("E5x");
        gap[k] = 1 - measured_J(M, r->theta) / measured_J_optimal(M);
        mdp_free(M);
        measured_free(r);
    }
    gsl_sort(gap, 1, TRAINED);
}

static double trained(const setting *x, double *out)
{
    double gap[TRAINED];
    gaps_of_training(x->seed, 0.01, gap);
    *out = gap[TRAINED - 2];
    return 0;
}

static double confined(const setting *x, double *out)
{
    double gap[TRAINED];
    gaps_of_training(x->seed, 1e-8, gap);
    *out = gap[1];
    return 0;
}

static void page_of_training(const setting *x, FILE *out)
{
    fprintf(out, "1 - J/J* of eleven runs\n");
    for (int i = 0; i < 2; i++) {
        double gap[TRAINED];
        gaps_of_training(x->seed, i ? 1e-8 : 0.01, gap);
        fprintf(out, "delta = %-6g", i ? 1e-8 : 0.01);
        for (int k = 0; k < TRAINED; k++) fprintf(out, " %.3f", gap[k]);
        fputc('\n', out);
    }
}

#define GARNETS_OF "Garnets of 10 states and 4 actions, tables, exact J"

const derivation trust_region_learning[] = {
    { "NPG-5", "natural gradients stabilise training, plain steps of the same length do not (were it a quarter of all"
      " Garnets where J falls, this would pass once in 40 times)",
      "the part of all Garnets where J falls in 50 steps; greatest KL/delta; |pi - pi'| after steps in theta"
      " and in phi",
      count_three, unit_of_one, NULL, NULL, {
        { "0.25,\\quad2,\\quad10^{-10}", "marks; of a thousand steps", .is = { 0.25, 2, 1e-10 } },
        { "\\le P_{.05}(J_{k+1}<J_k),\\quad\\max KL/\\delta,\\quad\\max|\\pi-\\pi'|",
          "the control: plain steps, each as long as the natural one from there; the lower end on 20 Garnets",
          plain_steps, AT_LEAST },
        { "\\ge P^{.95}(J_{k+1}<J_k),\\ \\dots,\\quad\\theta'=\\theta+\\sqrt{\\tfrac{2\\delta}{g^TF^{-1}g}}F^{-1}g,"
          "\\quad\\theta=M\\phi", "algorithms/npg.c, delta = .001; the upper end", natural_steps, AT_MOST } },
      GARNETS_OF, page_of_stability, .trains = 2 },
    { "TRPO-17", "collect, average, solve the constrained problem: it learns (were half of all runs above 0.05,"
      " this would pass once in 170 times)",
      "1 - J/J* after 10000 steps, ends of the median's 98.8 % interval", count_one,
      unit_of_one, NULL, NULL, {
        { "0.05", "of the optimum", .is = { 0.05 } },
        { "\\le(1-J/J^*)_{(2)}",
          "the control: delta = 1e-8 leaves it where it was; the second of eleven", confined,
          AT_LEAST },
        { "\\ge(1-J/J^*)_{(10)}", "algorithms/trpo.c, batches of 200 steps, delta = .01; the tenth", trained,
          AT_MOST } },
      "E5x, gamma .9", page_of_training, .trains = 1 },
    { "TRPO-29", "exact advantages and delta = .01, more than theory's step: J hardly falls; sampled ones: it"
      " falls, and yet learns (were it a tenth of all Garnets where J falls, this would pass once in 40 times)",
      "the part of all Garnets where J falls in 50 iterations; the mean gap left with sampled advantages",
      count_two, unit_of_one, NULL, NULL, {
        { "0.1,\\quad0.1", "of all Garnets; of the way to J*", .is = { 0.1, 0.1 } },
        { "\\le P_{.05}(J_{k+1}<J_k),\\quad E_{.05}[\\tfrac{J^*-J}{J^*-J_0}]",
          "the controls: with sampled advantages it does fall; delta = 10 does not work; lower ends, 20 Garnets",
          trpo_controls, AT_LEAST },
        { "\\ge P^{.95}(J_{k+1}<J_k),\\quad E^{.95}[\\tfrac{J^*-J}{J^*-J_0}]",
          "exact advantages, 100 Garnets; sampled ones, 20 Garnets, batches of 200 steps; delta = .01; upper ends",
          trpo_falls, AT_MOST } },
      GARNETS_OF, page_of_falls, .trains = 4 },
    { .id = NULL }
};
