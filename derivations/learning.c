/* Claims about learning, as experiments: each with its number of runs, what it would have seen, and a control that
 * must come out the other way. The score of a policy on a finite MDP is its exact J. 000 (l.10, l.66-72), 002
 * (l.95-103), 004 (l.225-227, l.254-257). */
#include <gsl/gsl_sort.h>
#include <gsl/gsl_statistics_double.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "algorithms/reinforce.h"
#include "algorithms/vpg.h"
#include "autodiff/distribution.h"
#include "autodiff/linalg.h"
#include "autodiff/random.h"
#include "autodiff/require.h"
#include "derivations/derivation.h"
#include "derivations/measured.h"
#include "derivations/policy_gradient_theorem.h"
#include "envs/env_mdp.h"
#include "envs/lqr.h"

/* The page's update: gamma^t G_t, no baseline, plain steps */
static reinforce_config by_the_page(const mdp *M, double alpha)
{
    return (reinforce_config){ .gamma = M->gamma, .lr = alpha, .gamma_t = 1, .optimiser = REINFORCE_SGD };
}

static double reinforced_J(const mdp *M, double alpha, uint64_t seed, long steps)
{
    reinforce_config c = by_the_page(M, alpha);
    run *r = measured_run(env_mdp_new(M), reinforce, &c, seed, steps, INFINITY);
    double J = measured_J(M, r->theta);
    measured_free(r);
    return J;
}

/* ---- PGT-1: the exact gradient on E5 ---- */

enum { ASCENTS = 50, N_E5 = 15 };

/* PGT-1   theta <- theta + alpha grad J: how many of 50 steps do not lower J (by more than its rounding) */
static int rises(const mdp *M, const policy_class *states, double *theta, double alpha, double *J_first,
                 double *J_last)
{
    char error[256];
    double *g = allocate((size_t)states->n, sizeof *g, "a gradient");
    int count = 0;
    exact *x = exact_new_policy(M, M->gamma, states, theta, error, sizeof error);
    require(x, "%s", error);
    *J_first = x->J;
    for (int k = 0; k < ASCENTS; k++) {
        gradient_theorem(x, g);
        for (int i = 0; i < states->n; i++) theta[i] += alpha * g[i];
        exact *next = exact_new_policy(M, M->gamma, states, theta, error, sizeof error);
        require(next, "%s", error);
        count += next->J >= x->J - 10 * x->unit_V;
        exact_free(x);
        x = next;
    }
    *J_last = x->J;
    exact_free(x);
    free(g);
    return count;
}

static int rises_on_E5(double alpha, double *J_first, double *J_last)
{
    mdp *M = mdp_builtin("E5");
    policy_class *tabular = policy_tabular(M);
    double theta[N_E5];
    for (int i = 0; i < N_E5; i++) theta[i] = cos(i / 3 + 2 * (i % 3));
    int count = rises(M, tabular, theta, alpha, J_first, J_last);
    policy_free(tabular);
    mdp_free(M);
    return count;
}

/* All states look alike: two logits, p = .1 */
static int rises_on_two_peak(double alpha, double *J_first, double *J_last)
{
    mdp *M = mdp_builtin("two-peak");
    double *ones = allocate((size_t)M->nS, sizeof *ones, "features"), theta[2] = { log(0.1), log(0.9) };
    for (int s = 0; s < M->nS; s++) ones[s] = 1;
    policy_class *aliased = policy_linear(M, 1, ones);
    int count = rises(M, aliased, theta, alpha, J_first, J_last);
    policy_free(aliased);
    free(ones);
    mdp_free(M);
    return count;
}

static double rises_small(const setting *x, double *out)
{
    double J[2];
    (void)x;
    *out = fmin(rises_on_E5(1, &J[0], &J[1]), rises_on_two_peak(0.05, &J[0], &J[1]));
    return 0;
}

static double rises_large(const setting *x, double *out)
{
    double J[2];
    (void)x;
    *out = rises_on_two_peak(1, &J[0], &J[1]);
    return 0;
}

static void page_of_ascent(const setting *x, FILE *out)
{
    const double alpha[] = { 0.01, 0.05, 0.2, 1, 10, 100 };
    (void)x;
    fprintf(out, "               E5                          two-peak\n"
            "alpha   J at first  at the end  rises   J at first  at the end  rises\n");
    for (int i = 0; i < 6; i++) {
        double J[4];
        int count = rises_on_E5(alpha[i], &J[0], &J[1]), count_2 = rises_on_two_peak(alpha[i], &J[2], &J[3]);
        fprintf(out, "%5g %12.6f %11.6f %6d %12.6f %11.6f %6d\n", alpha[i], J[0], J[1], count, J[2], J[3], count_2);
    }
    fprintf(out, "On E5 no step is too large for J to rise: the softmax saturates, and a jump ends at a policy"
            " that is better,\nthough not the best. Where states share parameters a step can go past the maximum.\n");
}

/* ---- RF-5, RF-12: one update an episode ---- */

enum { FIRST_STEPS = 60, N_E5X = 7 * 3 };       /* steps of E5x looked at one by one; theta = W [6 x 3], b [3] */
#define UPDATE_LR 0.3

/* RF-5    run one episode with pi_theta, G_t, one step of theta, again:
 * in plain loops, until so many steps are done */
static int by_hand(uint64_t seed, long steps, double *theta)
{
    enum { LONGEST = 1000 };
    mdp *M = mdp_builtin("E5x");
    env *e = env_mdp_new(M);
    run *r = run_new("by hand", e, seed, steps);                /* its streams, and nothing else of it */
    policy p = policy_of(e, 0, NULL, AD_LINEAR);
    int s[LONGEST], a[LONGEST], episodes = 0;
    double reward[LONGEST], z[18], g[N_E5X];
    policy_init(&p, r->init_rng, theta);
    for (long done = 0; done < steps; episodes++) {
        int T = 0;
        bool terminated, truncated;
        measured_logits(M, theta, z);
        for (env_reset(e, r->env_rng); !e->over; T++) {
            require(T < LONGEST, "an episode of %d steps", T);
            s[T] = env_state(e);
            a[T] = categorical_sample(r->policy_rng, 3, z + 3 * s[T]);
            env_step(e, &(double){ a[T] }, &reward[T], &terminated, &truncated);
        }
        double G = 0;
        memset(g, 0, sizeof g);
        for (int t = T - 1; t >= 0; t--) {
            double sum = 0;
            G = reward[t] + M->gamma * G;
            for (int b = 0; b < 3; b++) sum += exp(z[3 * s[t] + b]);
            for (int b = 0; b < 3; b++) {
                double up = G * ((a[t] == b) - exp(z[3 * s[t] + b]) / sum);
                g[3 * s[t] + b] += up;
                g[18 + b] += up;
            }
        }
        for (int i = 0; i < N_E5X; i++) theta[i] += UPDATE_LR * g[i];
        done += T;
    }
    run_free(r);
    env_free(e);
    mdp_free(M);
    return episodes;
}

static int n_theta(const setting *x) { (void)x; return N_E5X; }

static double updates_by_hand(const setting *x, double *out)
{
    by_hand(x->seed, 100, out);
    return 0;
}

/* theta after a run of so many steps, and its episodes */
static long after(uint64_t seed, long steps, bool batches, double *theta)
{
    mdp *M = mdp_builtin("E5x");
    reinforce_config c = { .gamma = M->gamma, .lr = UPDATE_LR, .optimiser = REINFORCE_SGD };
    vpg_config v = { .gamma = M->gamma, .lr = UPDATE_LR, .trajectories = 5, .psi = VPG_REWARD_TO_GO };
    env *e = env_mdp_new(M);
    run *r = batches ? measured_run(e, vpg, &v, seed, steps, INFINITY)
                     : measured_run(e, reinforce, &c, seed, steps, INFINITY);
    long episodes = r->episodes;
    memcpy(theta, r->theta, N_E5X * sizeof *theta);
    measured_free(r);
    mdp_free(M);
    return episodes;
}

static double updates_in_training(const setting *x, double *out)
{
    after(x->seed, 100, false, out);
    return 0;
}

static double no_update(const setting *x, double *out)
{
    by_hand(x->seed, 0, out);
    return 0;
}

static int    n_first_steps(const setting *x)    { (void)x; return FIRST_STEPS; }

static double episodes_begun(const setting *x, double *out)
{
    double theta[N_E5X];
    for (int t = 0; t < FIRST_STEPS; t++) out[t] = by_hand(x->seed, t + 1, theta);
    return 0;
}

/* RF-12   how many different theta there have been after each step, but the first */
static double thetas(uint64_t seed, bool batches, double *out)
{
    double now[N_E5X], last[N_E5X];
    int count = 0;
    after(seed, 0, batches, last);
    for (int t = 0; t < FIRST_STEPS; t++) {
        after(seed, t + 1, batches, now);
        count += memcmp(now, last, sizeof now) != 0;
        memcpy(last, now, sizeof now);
        out[t] = count;
    }
    return 0;
}

static double thetas_of_reinforce(const setting *x, double *out) { return thetas(x->seed, false, out); }
static double thetas_of_batches(const setting *x, double *out)   { return thetas(x->seed, true, out); }

/* ---- RF-3, RF-14: chain:5, ten seeds ---- */

enum { SEEDS = 10, RF_3_STEPS = 5000 };

static int n_seeds(const setting *x) { (void)x; return SEEDS; }

static double nearly_optimal(const setting *x, double *out)
{
    (void)x;
    mdp *M = mdp_builtin("chain:5");
    for (int k = 0; k < SEEDS; k++) out[k] = 0.95 * measured_J_optimal(M);
    mdp_free(M);
    return 0;
}

/* RF-3    J of ten runs at their ends */
static double on_chain(uint64_t seed, double alpha, double *out)
{
    mdp *M = mdp_builtin("chain:5");
    for (int k = 0; k < SEEDS; k++) out[k] = reinforced_J(M, alpha, seed + (uint64_t)k, RF_3_STEPS);
    mdp_free(M);
    return 0;
}

static double chain_learnt(const setting *x, double *out)   { return on_chain(x->seed, 0.3, out); }
static double chain_untaught(const setting *x, double *out) { return on_chain(x->seed, 0, out); }

static void page_of_chain(const setting *x, FILE *out)
{
    double bound[SEEDS], learnt[SEEDS], untaught[SEEDS];
    nearly_optimal(x, bound);
    chain_learnt(x, learnt);
    chain_untaught(x, untaught);
    fprintf(out, "J / J* of %d runs of %d steps; a failure that happens in a quarter of all runs is seen with"
            " probability .94:\n  alpha .3:", SEEDS, RF_3_STEPS);
    for (int k = 0; k < SEEDS; k++) fprintf(out, " %.3f", 0.95 * learnt[k] / bound[k]);
    fprintf(out, "\n  alpha  0:");
    for (int k = 0; k < SEEDS; k++) fprintf(out, " %.3f", 0.95 * untaught[k] / bound[k]);
    putc('\n', out);
}

enum { UPDATES = 500, LIMIT = 50, LABELS = 10 };

/* RF-14   The same bad parameter, logits for `left` raised by `push`, given to a classifier and to a policy. The
 *         classifier's batch is of states drawn evenly, labelled `right`; the policy's is what it does. */
static double recovered(uint64_t seed, double push, bool supervised)
{
    mdp *M = mdp_builtin("chain:5");
    env *e = env_mdp_new(M);
    e->limit = LIMIT;
    policy p = policy_of(e, 0, NULL, AD_LINEAR);
    double theta[14] = { 0 }, g[14], w[LIMIT];
    for (int s = 0; s < 5; s++) theta[2 * s] = push;
    gsl_rng *env_rng = random_stream(seed, 0, RANDOM_ENV), *rng = random_stream(seed, 0, RANDOM_POLICY);
    actor *acts = actor_new(&p, theta);
    rollout *b = rollout_new(e);
    ad_tape *t = ad_tape_new();
    for (int k = 0; k < UPDATES; k++) {
        rollout_clear(b);
        if (supervised) {
            for (int i = 0; i < LABELS; i++) {
                double seen[6] = { 0 };
                seen[gsl_rng_uniform_int(rng, 5)] = 1;
                rollout_add(b, seen, &(double){ 1 }, 0);
                w[i] = 1;
            }
            rollout_end(b, b->s, true, false, true);
            vpg_gradient(t, &p, theta, b, w, VPG_MEAN_OVER_STEPS, g);           /* minus the cross entropy */
        } else {
            rollout_episode(b, e, env_rng, acts, rng);
            reinforce_w_gamma_t(b->T, b->r, M->gamma, 0, w);
            reinforce_gradient(t, &p, theta, b, w, g);
        }
        for (int i = 0; i < p.n; i++) theta[i] += g[i];          /* alpha = 1 */
    }
    double J = measured_J(M, theta);
    ad_tape_free(t);
    rollout_free(b);
    actor_free(acts);
    gsl_rng_free(rng);
    gsl_rng_free(env_rng);
    env_free(e);
    mdp_free(M);
    return J;
}

static double recoveries(uint64_t seed, double push, bool supervised, double *out)
{
    for (int k = 0; k < SEEDS; k++) out[k] = recovered(seed + (uint64_t)k, push, supervised);
    return 0;
}

enum { PUSH = 10 };
static double classifier_pushed(const setting *x, double *out) { return recoveries(x->seed, PUSH, true, out); }
static double policy_pushed(const setting *x, double *out)     { return recoveries(x->seed, PUSH, false, out); }
static double policy_unpushed(const setting *x, double *out)   { return recoveries(x->seed, 0, false, out); }

/* ---- RF-13: E5x, step sizes over five decades ---- */

enum { RF_13_STEPS = 5000, ALPHAS = 6, COMPARED = 4, OUTCOMES = COMPARED + 2, PEAK = 2 };
static const double step_size[ALPHAS] = { 0.001, 0.01, 0.1, 1, 10, 100 };
/* Those that are compared, and with what, nearer to the peak; 10 is too near to 1 and 100 for ten runs */
static const int compared[COMPARED] = { 0, 1, 3, 5 }, with[COMPARED] = { 1, 2, 2, 3 };

struct ends { double J[ALPHAS], error[ALPHAS], entropy_most[ALPHAS], entropy_least[ALPHAS], gradient[ALPHAS]; };

static double entropy(const exact *x)           /* of the least decided state */
{
    double most = 0;
    for (int s = 0; s < x->nS; s++) {
        double H = 0;
        for (int i = s * x->nA; i < (s + 1) * x->nA; i++) H -= x->pi[i] > 0 ? x->pi[i] * x->logpi[i] : 0;
        if (!x->absorbing[s]) most = fmax(most, H);
    }
    return most;
}

/* RF-13   where ten runs end, for each step size: mean J and its standard error; the most and the least undecided;
 *         the steepest */
static struct ends ends(uint64_t seed)
{
    mdp *M = mdp_builtin("E5x");
    struct ends at = { { 0 } };
    double g[18];
    for (int k = 0; k < ALPHAS; k++) {
        double squares = 0;
        at.entropy_least[k] = INFINITY;
        for (int i = 0; i < SEEDS; i++) {
            reinforce_config c = by_the_page(M, step_size[k]);
            run *r = measured_run(env_mdp_new(M), reinforce, &c, seed + (uint64_t)i, RF_13_STEPS, INFINITY);
            exact *x = measured_exact(M, r->theta);
            gradient_theorem(x, g);
            at.J[k] += x->J / SEEDS;
            squares += x->J * x->J / SEEDS;
            at.entropy_most[k] = fmax(at.entropy_most[k], entropy(x));
            at.entropy_least[k] = fmin(at.entropy_least[k], entropy(x));
            at.gradient[k] = fmax(at.gradient[k], sqrt(linalg_dot(x->nSA, g, g)));
            exact_free(x);
            measured_free(r);
        }
        at.error[k] = sqrt(fmax(0, squares - at.J[k] * at.J[k]) / (SEEDS - 1));
    }
    mdp_free(M);
    return at;
}

static int n_outcomes(const setting *x) { (void)x; return OUTCOMES; }

/* The neighbour nearer to the peak; then 1e-3, 1e-3 */
static double nearer_the_peak(const setting *x, double *out)
{
    struct ends at = ends(x->seed);
    for (int i = 0; i < COMPARED; i++) out[i] = at.J[with[i]];
    out[OUTCOMES - 2] = out[OUTCOMES - 1] = 1e-3;
    return 0;
}

static double further_off(const setting *x, double *out)
{
    struct ends at = ends(x->seed);
    for (int i = 0; i < COMPARED; i++) out[i] = at.J[compared[i]];
    out[OUTCOMES - 2] = at.entropy_most[ALPHAS - 1];
    out[OUTCOMES - 1] = at.gradient[ALPHAS - 1];
    return 0;
}

static double at_the_peak(const setting *x, double *out)
{
    struct ends at = ends(x->seed);
    for (int i = 0; i < COMPARED; i++) out[i] = at.J[PEAK];
    out[OUTCOMES - 2] = at.entropy_least[PEAK];
    out[OUTCOMES - 1] = at.gradient[PEAK];
    return 0;
}

static void page_of_step_sizes(const setting *x, FILE *out)
{
    struct ends at = ends(x->seed);
    mdp *M = mdp_builtin("E5x");
    double J_best = measured_J_optimal(M);
    fprintf(out, "ten runs of %d steps for each alpha, J* = %.4f\nalpha   mean J   standard error   entropy: least .."
            " most   steepest |grad J|\n", RF_13_STEPS, J_best);
    for (int k = 0; k < ALPHAS; k++)
        fprintf(out, "%5g %8.4f %16.4f %14.1e .. %.1e %20.1e\n", step_size[k], at.J[k], at.error[k],
                at.entropy_least[k], at.entropy_most[k], at.gradient[k]);
    fprintf(out, "Neighbours whose means are 3.3 standard errors of their difference apart are told apart with"
            " probability .95.\n");
    mdp_free(M);
}

/* ---- RF-10: CartPole-v1, five seeds ---- */

enum { CART_SEEDS = 5, LISTING_STEPS = 1000000, OWN_STEPS = 500000 };

/* The mean return of the last 100 episodes, of five runs; returns their median */
static double on_cartpole(uint64_t seed, const reinforce_config *c, long steps, double *each)
{
    for (int k = 0; k < CART_SEEDS; k++) {
        run *r = measured_run(measured_env("CartPole-v1"), reinforce, c, seed + (uint64_t)k, steps, INFINITY);
        each[k] = r->return_mean;
        measured_free(r);
    }
    return measured_median(CART_SEEDS, each);
}

/* RF-10   the listing: 4-128-2, relu, PyTorch's first weights, Adam 2e-4, gamma .98, no baseline */
static const reinforce_config listing = {
    .gamma = 0.98, .lr = 2e-4, .optimiser = REINFORCE_ADAM, .hidden = { 1, { 128 } }, .activation = AD_RELU,
    .init = REINFORCE_FAN_IN,
};

static double listing_on_cartpole(const setting *x, double *out)
{
    double each[CART_SEEDS];
    *out = on_cartpole(x->seed, &listing, LISTING_STEPS, each);
    return 0;
}

static double own_on_cartpole(const setting *x, double *out)
{
    double each[CART_SEEDS];
    *out = on_cartpole(x->seed, &reinforce_defaults, OWN_STEPS, each);
    return 0;
}

static void page_of_carts(const setting *x, FILE *out)
{
    double each[CART_SEEDS];
    on_cartpole(x->seed, &listing, LISTING_STEPS, each);
    fprintf(out, "mean return of the last 100 episodes; a median is wrong when three of five runs are\n"
            "  the listing ");
    for (int k = 0; k < CART_SEEDS; k++) fprintf(out, " %5.1f", each[k]);
    on_cartpole(x->seed, &reinforce_defaults, OWN_STEPS, each);
    fprintf(out, "\n  the defaults");
    for (int k = 0; k < CART_SEEDS; k++) fprintf(out, " %5.1f", each[k]);
    putc('\n', out);
}

/* ---- PGT-18: a scalar LQR, five seeds ---- */

enum { LQR_SEEDS = 5, LQR_STEPS = 4000000 };

static lqr lqr_problem(void)
{
    lqr L = lqr_scalar;
    L.gamma = 0.5;
    return L;
}

/* The Riccati equation P = Q + R K^2 + gamma (A - B K)^2 P, K = gamma A B P / (R + gamma B^2 P), iterated */
static double riccati_gain(const lqr *L)
{
    double P = L->Q, K = 0;
    for (int i = 0; i < 1000; i++) {
        K = L->gamma * L->A * L->B * P / (L->R + L->gamma * L->B * L->B * P);
        P = L->Q + L->R * K * K + L->gamma * (L->A - L->B * K) * (L->A - L->B * K) * P;
    }
    return K;
}

/* E[-x mu(x)] / E[x^2] over x ~ N(0, X0): the linear policy nearest to the mean action */
static double gain_of(const lqr *L, const policy *p, const double *theta)
{
    actor *pi = actor_new(p, theta);
    double xy = 0, xx = 0, mu;
    for (int i = -400; i <= 400; i++) {
        double z = i / 100.0, x = z * sqrt(L->X0), weight = exp(-z * z / 2);
        actor_mode(pi, &x, &mu);
        xy -= weight * x * mu;
        xx += weight * x * x;
    }
    actor_free(pi);
    return xy / xx;
}

/* PGT-18  the gains of five Gaussian policies after so many steps of algorithms/vpg.c; steps 0: untrained */
static void gains(uint64_t seed, long steps, double K[LQR_SEEDS])
{
    lqr L = lqr_problem();
    vpg_config c = vpg_defaults;
    c.gamma = L.gamma;
    c.trajectories = 200;
    c.lr = 5e-3;
    c.lr_V = 0.02;
    c.hidden = (widths){ 1, { 16 } };
    for (int k = 0; k < LQR_SEEDS; k++) {
        env *e = lqr_env_new("lqr", &L);
        e->limit = 10;
        policy p = vpg_policy(e, &c);
        run *r = measured_run(e, vpg, &c, seed + (uint64_t)k, steps, INFINITY);
        K[k] = gain_of(&L, &p, r->theta);
        measured_free(r);
    }
}

/* |median gain / Riccati gain - 1| */
static double gain_off(uint64_t seed, long steps)
{
    lqr L = lqr_problem();
    double K[LQR_SEEDS];
    gains(seed, steps, K);
    return fabs(measured_median(LQR_SEEDS, K) / riccati_gain(&L) - 1);
}

static double trained_gain(const setting *x, double *out)
{
    *out = gain_off(x->seed, LQR_STEPS);
    return 0;
}

static double untrained_gain(const setting *x, double *out)
{
    *out = gain_off(x->seed, 0);
    return 0;
}

static void page_of_gains(const setting *x, FILE *out)
{
    lqr L = lqr_problem();
    double K[LQR_SEEDS];
    gains(x->seed, LQR_STEPS, K);
    fprintf(out, "Riccati gain %.5f; five runs of %d steps:", riccati_gain(&L), LQR_STEPS);
    for (int k = 0; k < LQR_SEEDS; k++) fprintf(out, " %.4f", K[k]);
    fprintf(out, "\nA median is wrong when three of five runs are: if nine of ten ended off by more than 2 %%, it"
            " would be seen with\nprobability .99.\n");
}

const derivation learning[] = {
    { "PGT-1", "theta <- theta + alpha grad J: for a small step J does not fall",
      "steps that do not lower J", count_one,
      unit_of_one, NULL, NULL, {
        { "50", "of 50", .is = { ASCENTS } },
        { "\\#\\{k<50:J(\\theta_{k+1})\\ge J(\\theta_k)\\},\\quad\\theta_{k+1}=\\theta_k+\\alpha\\nabla J(\\theta_k)",
          "alpha = 1 on E5, .05 on two-peak, the fewer of both; grad J exact (002 l.85 prints theta' = theta' + ...)",
          rises_small },
        { "\\alpha=1", "the control: on two-peak such a step goes past the maximum, and J falls", rises_large,
          DIFFERS } },
      "E5 from theta(s,a) = cos(s+2a), and two-peak from p = .1", page_of_ascent },
    { "RF-5", "one episode with pi_theta, its returns, one step; again", "theta[i] after 100 steps",
      n_theta, unit_of_one,
      NULL, NULL, {
        { "\\theta\\leftarrow\\theta+\\alpha\\sum_tG_t\\nabla\\log\\pi_\\theta(a_t|s_t)\\ \\text{after each episode}",
          "in plain loops, on the same random numbers", updates_by_hand },
        { "\\theta", "algorithms/reinforce.c, the whole training run", updates_in_training },
        { "\\theta_0", "the control: the first theta", no_update, DIFFERS } },
      "E5x, alpha .3" },
    { "RF-12", "REINFORCE updates once an episode", "updates after each of the first 60 steps",
      n_first_steps, unit_of_one,
      NULL, NULL, {
        { "\\text{episodes}", "counted in plain loops, on the same random numbers", episodes_begun },
        { "\\text{updates}", "how often theta has changed: training runs of 1, 2, ..., 60 steps",
          thetas_of_reinforce },
        { "|D|=5", "the control: algorithms/vpg.c updates once in five episodes", thetas_of_batches, DIFFERS } },
      "E5x, alpha .3" },
    { "RF-3", "REINFORCE reaches 95 % of the optimum on a chain", "J after 5000 steps, ten seeds",
      n_seeds, unit_of_one,
      NULL, NULL, {
        { "0.95\\,J^*", "exact", nearly_optimal },
        { "\\ge J(\\theta_0)", "the control: alpha = 0", chain_untaught, AT_MOST },
        { "\\le J(\\theta),\\quad\\theta\\leftarrow\\theta+\\alpha\\gamma^tG_t\\nabla\\log\\pi_\\theta(A_t|S_t)",
          "alpha = .3, no baseline; J exact", chain_learnt, AT_LEAST } },
      "chain:5, gamma .9", page_of_chain, .trains = 0.1 },
    { "RF-13", "too large a step: no recovery from a bad policy's data; too small a one: data wasted",
      "mean J for alpha = .001, .01, 1, 100; then entropy and |grad J| at the end", n_outcomes, unit_of_one,
      NULL, NULL, {
        { "\\bar J\\ \\text{at the neighbour nearer to}\\ \\alpha=.1,\\quad10^{-3},\\ 10^{-3}", "ten runs each",
          nearer_the_peak },
        { "\\le\\bar J(.1),\\quad H,\\ |\\nabla J|\\ \\text{there}",
          "the control: the best step. Its runs can still learn: even the most decided has not stopped", at_the_peak,
          AT_LEAST },
        { "\\ge\\bar J(\\alpha),\\quad H,\\ |\\nabla J|\\ \\text{at}\\ \\alpha=100",
          "J falls on both sides; with the largest step all runs have stopped, far below the optimum", further_off,
          AT_MOST } },
      "E5x, REINFORCE with gamma^t and no baseline, 5000 steps", page_of_step_sizes, .trains = 1 },
    { "RF-14", "supervised learning recovers from a bad parameter, a policy that makes its own data does not",
      "J after 500 updates, ten seeds", n_seeds, unit_of_one, NULL, NULL, {
        { "0.95\\,J^*", "exact", nearly_optimal },
        { "\\le J,\\ \\text{classifier, pushed}",
          "states drawn evenly, labelled with the best action: the next batch does not depend on theta",
          classifier_pushed, AT_LEAST },
        { "\\le J,\\ \\text{policy, not pushed}", "the control: REINFORCE from a uniform policy learns it",
          policy_unpushed, AT_LEAST },
        { "\\ge J,\\ \\text{policy, pushed}", "REINFORCE: it walks left, earns nothing, and learns nothing",
          policy_pushed, AT_MOST } },
      "chain:5, episodes of at most 50 steps; the logits of `left` raised by 10; alpha 1", .trains = 0.2 },
    { "RF-10", "the listing on CartPole-v1: it learns, and does not reach the mark of 475 within a million steps",
      "mean return of the last 100 episodes, the median of five seeds", count_one, unit_of_one, NULL, NULL, {
        { "475", "the mark of CartPole-v1", .is = { 475 } },
        { "\\le\\text{mean return},\\ b,\\ \\alpha=2\\cdot10^{-3},\\ \\gamma=.995",
          "the control: the defaults of algorithms/reinforce.c, with a baseline, reach it in half the steps",
          own_on_cartpole, AT_LEAST },
        { "\\ge\\text{mean return of the listing}",
          "its own numbers: gamma .98, Adam 2e-4, 4-128-2; 1e6 steps are some 4000 episodes", listing_on_cartpole,
          AT_MOST } },
      "CartPole-v1, episodes of at most 500 steps", page_of_carts, .trains = 15 },
    { "PGT-18", "policy gradients work where actions are numbers: a Gaussian policy finds the Riccati gain",
      "|median gain of five policies / Riccati gain - 1|", count_one, unit_of_one, NULL, NULL, {
        { "0.02", "of the gain", .is = { 0.02 } },
        { "\\le|K_0/K^*-1|", "the control: untrained policies", untrained_gain, AT_LEAST },
        { "\\ge|K/K^*-1|,\\quad\\mu_\\theta(x)\\approx-Kx",
          "algorithms/vpg.c, |D| = 200, advantage, V and mu of 16 tanh units; K* by the Riccati equation",
          trained_gain, AT_MOST } },
      "a scalar LQR: A = 1, B = .5, Q = 1, R = .1, gamma .5, 10 steps an episode", page_of_gains, .trains = 60 },
    { .id = NULL }
};
