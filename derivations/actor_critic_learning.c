/* Runs of the on-line actor-critics, as experiments: each with its number of runs, what it would have seen, and a
 * control that must come out the other way. The score of a policy is its exact J. 000 (l.77, l.172-177, l.188-208),
 * 002 (l.47-48, l.105-114). What the steps are in the mean: actor_critic_mean.c. */
#include <float.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "algorithms/advantage_actor_critic.h"
#include "algorithms/critic.h"
#include "algorithms/q_actor_critic.h"
#include "algorithms/reinforce.h"
#include "algorithms/td_actor_critic.h"
#include "autodiff/distribution.h"
#include "autodiff/linalg.h"
#include "autodiff/require.h"
#include "derivations/actor_critic_mean.h"
#include "derivations/derivation.h"
#include "derivations/measured.h"

/* ---- linear networks on one-hot states ---- */

enum { MOST = 32 };             /* numbers in theta, w or v */
#define GAMMA 0.9               /* of E5, E5x and chain:5 */

static double gap(const mdp *M, const double *theta)        /* 1 - J / J* */
{
    return 1 - measured_J(M, theta) / measured_J_optimal(M);
}

/* An actor with an environment and streams of its own, and first parameters as training draws them */
struct hand { mdp *M; run *r; policy p; network fQ, fV; double theta[MOST], w[MOST], v[MOST]; actor *pi; };

static struct hand *hand_new(const char *problem, uint64_t seed, bool with_Q)
{
    struct hand *h = allocate(1, sizeof *h, "an actor");
    h->M = mdp_builtin(problem);
    h->r = run_new("by hand", env_mdp_new(h->M), seed, 0);
    h->p = policy_of(h->r->env, 0, NULL, AD_LINEAR);
    h->fQ = critic_Q(&h->p);
    h->fV = critic_V(&h->p);
    require(network_n(&h->fQ) <= MOST, "%d parameters", network_n(&h->fQ));
    policy_init(&h->p, h->r->init_rng, h->theta);
    network_init_orthogonal(with_Q ? &h->fQ : &h->fV, sqrt(2), 1, h->r->init_rng, with_Q ? h->w : h->v);
    h->pi = actor_new(&h->p, h->theta);
    return h;
}

static void hand_free(struct hand *h)
{
    actor_free(h->pi);
    measured_free(h->r);
    mdp_free(h->M);
    free(h);
}

static void act(struct hand *h, double *a) { actor_draw(h->pi, h->r->policy_rng, h->r->env->obs, a); }

static void move(int n, double alpha, const double *g, double *x)
{
    for (int i = 0; i < n; i++) x[i] += alpha * g[i];
}

/* ---- QAC-10: E5x ---- */

enum { FIRST_STEPS = 200, N_E5X = 7 * 3 };
#define ALPHA_10 0.05

static int    n_theta(const setting *x)        { (void)x; return N_E5X; }
static double unit_of_steps(const setting *x)  { (void)x; return FIRST_STEPS * DBL_EPSILON; }

/* QAC-10  the box in plain loops, an update at every step; or, when it waits, all of an episode's at its end */
static void by_hand(uint64_t seed, bool waits, double *theta)
{
    struct hand *h = hand_new("E5x", seed, true);
    env *e = h->r->env;
    double a = 0, g[N_E5X] = { 0 }, g_w[N_E5X] = { 0 }, z[18], Q[18], r;
    bool terminated, truncated;
    for (int k = 0; k < FIRST_STEPS; k++) {
        if (e->over) {
            env_reset(e, h->r->env_rng);
            act(h, &a);
        }
        int i = 3 * env_state(e), now = i + (int)a;
        double sum = 0;
        env_step(e, &a, &r, &terminated, &truncated);
        if (!terminated) act(h, &a);
        measured_logits(h->M, h->theta, z);
        measured_logits(h->M, h->w, Q);
        double delta = r + (terminated ? 0 : h->M->gamma * Q[3 * env_state(e) + (int)a]) - Q[now];
        for (int b = 0; b < 3; b++) sum += exp(z[i + b]);
        for (int b = 0; b < 3; b++) {
            double score = (i + b == now) - exp(z[i + b]) / sum;
            g[i + b] += Q[now] * score;
            g[18 + b] += Q[now] * score;
        }
        g_w[now] += delta;
        g_w[18 + now % 3] += delta;
        if (waits && !e->over) continue;
        move(N_E5X, ALPHA_10, g, h->theta);
        move(N_E5X, ALPHA_10, g_w, h->w);
        memset(g, 0, sizeof g);
        memset(g_w, 0, sizeof g_w);
    }
    memcpy(theta, h->theta, N_E5X * sizeof *theta);
    hand_free(h);
}

static double updates_at_every_step(const setting *x, double *out)
{
    by_hand(x->seed, false, out);
    return 0;
}

static double updates_at_the_end(const setting *x, double *out)
{
    by_hand(x->seed, true, out);
    return 0;
}

static double updates_in_training(const setting *x, double *out)
{
    mdp *M = mdp_builtin("E5x");
    const q_actor_critic_config c = { .gamma = GAMMA, .lr = ALPHA_10, .lr_Q = ALPHA_10 };
    run *r = measured_run(env_mdp_new(M), q_actor_critic, &c, x->seed, FIRST_STEPS, INFINITY);
    memcpy(out, r->theta, N_E5X * sizeof *out);
    measured_free(r);
    mdp_free(M);
    return 0;
}

/* ---- QAC-5: E5 ---- */

enum { CRITICS = 3, CRITIC_STEPS = 4000000, SEEDS = 10, ACTOR_STEPS = 200000, EXACT_STEPS = 20000 };
#define ALPHA_CRITIC 0.01
#define ALPHA 2e-3
#define ALPHA_W 0.1

/* One more step of the on-line agent in an endless task, as in the box: fills in u */
static void step_on(struct hand *h, q_actor_critic_step *u, double *a)
{
    env *e = h->r->env;
    bool terminated, truncated;
    size_t d = (size_t)h->p.d * sizeof *u->s;
    if (e->over) {
        env_reset(e, h->r->env_rng);
        act(h, a);
    }
    memcpy(u->s, e->obs, d);
    u->a = (int)*a;
    env_step(e, a, &u->r, &terminated, &truncated);
    memcpy(u->s1, e->obs, d);
    act(h, a);
    u->a1 = (int)*a;
    u->gamma = h->M->gamma;
    u->gamma_t = 1;
}

/* argmax_a Q_w(s,a) at s1, as a DQN would have a' */
static int greedy(const struct hand *h)
{
    int best = 0, s = env_state(h->r->env), nA = h->M->nA;
    double Q[MOST];
    measured_logits(h->M, h->w, Q);
    for (int b = 1; b < nA; b++)
        if (Q[s * nA + b] > Q[s * nA + best]) best = b;
    return best;
}

/* QAC-5   w <- w + alpha_w delta grad Q_w(s,a), the actor frozen at theta(s,a) = cos(s+2a): max |Q_w - Q^pi|, w the
 *         mean over the last three quarters of the run */
static double critic_error(uint64_t seed, bool by_max)
{
    struct hand *h = hand_new("E5", seed, true);
    int n = network_n(&h->fQ);
    double a = 0, w[MOST] = { 0 }, Q[MOST], worst = 0;
    for (int i = 0; i < h->p.n; i++) h->theta[i] = i < 15 ? cos(i / 3 + 2 * (i % 3)) : 0;
    q_actor_critic_step *u = q_actor_critic_step_new(&h->p, h->theta, h->w);
    for (int k = 0; k < CRITIC_STEPS; k++) {
        step_on(h, u, &a);
        if (by_max) u->a1 = greedy(h);
        ad_run(&u->run);
        move(n, ALPHA_CRITIC, ad_value(u->g_w), h->w);
        if (k >= CRITIC_STEPS / 4) move(n, 4.0 / (3 * CRITIC_STEPS), h->w, w);
    }
    exact *x = measured_exact(h->M, h->theta);
    measured_logits(h->M, w, Q);
    for (int i = 0; i < x->nSA; i++) worst = fmax(worst, fabs(Q[i] - x->Q[i]));
    exact_free(x);
    q_actor_critic_step_free(u);
    hand_free(h);
    return worst;
}

enum trainer { BY_Q, BY_A, BY_TD };

/* 1 - J/J* after a run of training */
static double gap_after(const char *problem, void (*train)(run *, const void *), const void *config, uint64_t seed,
                        long steps)
{
    mdp *M = mdp_builtin(problem);
    run *r = measured_run(env_mdp_new(M), train, config, seed, steps, INFINITY);
    double off = gap(M, r->theta);
    measured_free(r);
    mdp_free(M);
    return off;
}

static double trained_gap(const char *problem, enum trainer by, uint64_t seed, double alpha, double alpha_w,
                          long steps)
{
    const q_actor_critic_config q = { .gamma = GAMMA, .lr = alpha, .lr_Q = alpha_w };
    const advantage_actor_critic_config a = { .gamma = GAMMA, .lr = alpha, .lr_Q = alpha_w, .lr_V = alpha_w };
    const td_actor_critic_config t = { .gamma = GAMMA, .lr = alpha, .lr_V = alpha_w };
    if (by == BY_Q) return gap_after(problem, q_actor_critic, &q, seed, steps);
    if (by == BY_A) return gap_after(problem, advantage_actor_critic, &a, seed, steps);
    return gap_after(problem, td_actor_critic, &t, seed, steps);
}

/* ERR-13: the same run, with delta of (7) for the actor's weight */
static double gap_by_td_of_Q(uint64_t seed)
{
    struct hand *h = hand_new("E5", seed, true);
    double a = 0;
    q_actor_critic_step *u = q_actor_critic_step_new(&h->p, h->theta, h->w);
    for (int k = 0; k < ACTOR_STEPS; k++) {
        step_on(h, u, &a);
        ad_run(&u->run);
        move(h->p.n, ALPHA * ad_scalar(u->delta) / ad_scalar(u->Q), ad_value(u->g_theta), h->theta);
        move(network_n(&h->fQ), ALPHA_W, ad_value(u->g_w), h->w);
    }
    double off = gap(h->M, h->theta);
    q_actor_critic_step_free(u);
    hand_free(h);
    return off;
}

static double Q_learnt(const setting *x, double *out)
{
    out[0] = out[1] = 0;
    for (uint64_t k = 0; k < CRITICS; k++) out[0] = fmax(out[0], critic_error(x->seed + k, false));
    for (uint64_t k = 0; k < SEEDS; k++)
        out[1] = fmax(out[1], trained_gap("E5", BY_Q, x->seed + k, ALPHA, ALPHA_W, ACTOR_STEPS));
    return 0;
}

static double Q_mislearnt(const setting *x, double *out)
{
    out[0] = critic_error(x->seed, true);
    out[1] = INFINITY;
    for (uint64_t k = 0; k < SEEDS; k++) out[1] = fmin(out[1], gap_by_td_of_Q(x->seed + k));
    return 0;
}

static void page_of_E5(const setting *x, FILE *out)
{
    fprintf(out, "J / J* of %d runs of %d steps, alpha_w = alpha_v = %g; a failure that happens in a quarter of"
            " all runs is"
            " seen\nwith probability .94:\n", SEEDS, ACTOR_STEPS, ALPHA_W);
    static const double alpha[] = { ALPHA, 0.03 };
    static const char *const name[] = { "Q_w", "Q_w - V_v", "delta_V" };
    for (int i = 0; i < 2; i++)
        for (int by = BY_Q; by <= BY_TD; by++) {
            fprintf(out, "  alpha %5g, weight %-9s:", alpha[i], name[by]);
            for (uint64_t k = 0; k < SEEDS; k++)
                fprintf(out, " %.3f", 1 - trained_gap("E5", by, x->seed + k, alpha[i], ALPHA_W, ACTOR_STEPS));
            putc('\n', out);
        }
    fprintf(out, "  alpha %5g, weight delta_Q   :", ALPHA);
    for (uint64_t k = 0; k < SEEDS; k++) fprintf(out, " %.3f", 1 - gap_by_td_of_Q(x->seed + k));
    fprintf(out, "\nWith a large step theta decides before Q_w is right, and what is not done any more is not"
            " learnt any"
            " more.\n");
}

/* ---- BL-9: E5 ---- */

/* BL-9    theta <- theta + alpha A^pi(s,a) grad log pi(a|s), with w and v set to Q^pi and V^pi before each step */
static double gap_by_exact_critics(uint64_t seed, double alpha)
{
    struct hand *h = hand_new("E5", seed, true);
    double a = 0;
    q_actor_critic_step *look = q_actor_critic_step_new(&h->p, h->theta, h->w);
    advantage_actor_critic_step *u = advantage_actor_critic_step_new(&h->p, h->theta, h->w, h->v);
    memset(h->w, 0, sizeof h->w);
    for (int k = 0; k < EXACT_STEPS; k++) {
        step_on(h, look, &a);
        exact *x = measured_exact(h->M, h->theta);
        memcpy(h->w, x->Q, (size_t)x->nSA * sizeof *h->w);
        memcpy(h->v, x->V, (size_t)x->nS * sizeof *h->v);
        exact_free(x);
        memcpy(u->s, look->s, (size_t)h->p.d * sizeof *u->s);
        u->a = look->a;
        u->gamma_t = 1;
        ad_run(&u->run);
        move(h->p.n, alpha, ad_value(u->g_theta), h->theta);
    }
    double off = gap(h->M, h->theta);
    advantage_actor_critic_step_free(u);
    q_actor_critic_step_free(look);
    hand_free(h);
    return off;
}

#define ALPHA_EXACT 0.03

static double A_learnt(const setting *x, double *out)
{
    out[0] = out[1] = 0;
    for (uint64_t k = 0; k < SEEDS; k++) {
        out[0] = fmax(out[0], trained_gap("E5", BY_A, x->seed + k, ALPHA, ALPHA_W, ACTOR_STEPS));
        out[1] = fmax(out[1], gap_by_exact_critics(x->seed + k, ALPHA_EXACT));
    }
    return 0;
}

/* The control: critics that never move from where they begin; and an actor that does not */
static double A_untaught(const setting *x, double *out)
{
    out[0] = out[1] = INFINITY;
    for (uint64_t k = 0; k < SEEDS; k++) {
        out[0] = fmin(out[0], trained_gap("E5", BY_A, x->seed + k, ALPHA, 0, ACTOR_STEPS));
        out[1] = fmin(out[1], gap_by_exact_critics(x->seed + k, 0));
    }
    return 0;
}

static void page_of_spread(const setting *x, FILE *out)
{
    (void)x;
    static const double c[] = { 0, 1, 10 };
    fprintf(out, "The trace of the covariance of theta's step with exact critics, theta(s,a) = cos(s+2a), c added to"
            " every value:\n  c        Q   Q - V\n");
    for (int i = 0; i < 3; i++) {
        double with_Q, with_A;
        actor_critic_spread(c[i], &with_Q, &with_A);
        fprintf(out, "%3g %8.4f %7.4f\n", c[i], with_Q, with_A);
    }
    fprintf(out, "As the values are V raises it here (BL-4); but what all values have in common is nothing to"
            " Q - V.\n");
}

/* ---- RF-11: steps of the environment until J is 95 % of the optimum ---- */

enum { RUNS = 11, ALPHAS = 3, SHORTEST = 200, LONGEST = 102400 };
static const double alphas[ALPHAS] = { 0.03, 0.1, 0.3 };
#define ALPHA_V 0.3

/* 1 - J/J* of REINFORCE without a baseline */
static double reinforced_gap(const char *problem, uint64_t seed, double alpha, long steps)
{
    const reinforce_config c = { .gamma = GAMMA, .lr = alpha };
    return gap_after(problem, reinforce, &c, seed, steps);
}

/* ERR-11: a TD actor-critic that waits: all steps of an episode at its end, from stored gradients */
static double waiting_gap(const char *problem, uint64_t seed, double alpha, long steps)
{
    struct hand *h = hand_new(problem, seed, false);
    env *e = h->r->env;
    double g[MOST] = { 0 }, g_v[MOST] = { 0 };
    bool terminated, truncated;
    size_t d = (size_t)h->p.d * sizeof *h->theta;
    td_actor_critic_step *u = td_actor_critic_step_new(&h->p, h->theta, h->v);
    u->gamma_t = 1;
    for (long k = 0; k < steps; k++) {
        if (e->over) env_reset(e, h->r->env_rng);
        memcpy(u->s, e->obs, d);
        act(h, u->a);
        u->index = (int)*u->a;
        env_step(e, u->a, &u->r, &terminated, &truncated);
        memcpy(u->s1, e->obs, d);
        u->gamma = terminated ? 0 : h->M->gamma;
        ad_run(&u->run);
        move(h->p.n, alpha, ad_value(u->g_theta), g);
        move(network_n(&h->fV), ALPHA_V, ad_value(u->g_v), g_v);
        if (!e->over) continue;
        move(h->p.n, 1, g, h->theta);
        move(network_n(&h->fV), 1, g_v, h->v);
        memset(g, 0, sizeof g);
        memset(g_v, 0, sizeof g_v);
    }
    double off = gap(h->M, h->theta);
    td_actor_critic_step_free(u);
    hand_free(h);
    return off;
}

static double td_gap(const char *problem, uint64_t seed, double alpha, long steps)
{
    return trained_gap(problem, BY_TD, seed, alpha, ALPHA_V, steps);
}

/* RF-11   the fewest steps, 200, 400, 800, ..., after which the median run is within 5 %, with the best alpha */
typedef double (*gap_of)(const char *problem, uint64_t seed, double alpha, long steps);

static long steps_needed(const char *problem, gap_of f, uint64_t seed)
{
    double off[RUNS];
    for (long steps = SHORTEST; steps < LONGEST; steps *= 2)
        for (int i = 0; i < ALPHAS; i++) {
            for (int k = 0; k < RUNS; k++) off[k] = f(problem, seed + (uint64_t)k, alphas[i], steps);
            if (measured_median(RUNS, off) <= 0.05) return steps;
        }
    return LONGEST;
}

static double ratio(const char *problem, gap_of f, uint64_t seed)        /* to what the TD actor-critic needs */
{
    return (double)steps_needed(problem, f, seed) / (double)steps_needed(problem, td_gap, seed);
}

static double on_E5x(const setting *x, double *out)
{
    *out = ratio("E5x", reinforced_gap, x->seed);
    return 0;
}

static double on_chain(const setting *x, double *out)
{
    *out = ratio("chain:5", reinforced_gap, x->seed);
    return 0;
}

static double by_waiting(const setting *x, double *out)
{
    *out = ratio("E5x", waiting_gap, x->seed);
    return 0;
}

static void page_of_steps(const setting *x, FILE *out)
{
    static const char *const problem[] = { "E5x", "chain:5" };
    for (int i = 0; i < 2; i++)
        fprintf(out, "%-8s REINFORCE %6ld steps, TD actor-critic %5ld, one that waits for the end of the"
                " episode %5ld\n",
                problem[i], steps_needed(problem[i], reinforced_gap, x->seed), steps_needed(problem[i], td_gap,
                x->seed),
                steps_needed(problem[i], waiting_gap, x->seed));
    fprintf(out, "until the median of %d runs is within 5 %% of J*, best of alpha = .03, .1, .3; %d means more"
            " than half of"
            " it.\nA median is wrong when six of eleven runs are.\n", RUNS, LONGEST);
}

const derivation actor_critic_learning[] = {
    { "QAC-10", "with a critic theta can be updated at every step", "theta[i] after 200 steps", n_theta,
      unit_of_steps,
      NULL, NULL, {
        { "\\theta_{t+1}=\\theta_t+\\alpha Q_w(s_t,a_t)\\nabla\\log\\pi_\\theta(a_t|s_t)",
          "in plain loops, at every step, on the same random numbers", updates_at_every_step },
        { "\\theta", "algorithms/q_actor_critic.c, the whole training run", updates_in_training },
        { "\\theta\\leftarrow\\theta+\\alpha\\sum_tQ_w(s_t,a_t)\\nabla\\log\\pi_\\theta(a_t|s_t)",
          "the control: the same once an episode, as REINFORCE has to", updates_at_the_end, DIFFERS } },
      "E5x, alpha .05" },
    { "QAC-5", "the Q actor-critic: its critic finds Q of pi, and J comes within 5 % of the optimum",
      "max |Q_w - Q|, the worst of 3 runs with pi fixed; 1 - J/J*, the worst of 10 runs",
      count_two, unit_of_one,
      NULL, NULL, {
        { "0.01,\\quad0.05", "of a Q of at most 1.05; of the optimum", .is = { 0.01, 0.05 } },
        { "\\le\\max|Q_w-Q^\\pi|,\\ \\delta=r+\\gamma\\max_{a'}Q_w(s',a')-Q_w(s,a);\\quad1-J/J^*,\\ "
          "\\theta\\leftarrow\\theta+\\alpha\\delta\\nabla\\log\\pi",
          "the controls: a DQN's target; and the weight of 000 l.185, under which the best of ten runs is not there"
          " (ERR-13)",
          Q_mislearnt, AT_LEAST },
        { "\\ge\\max|Q_w-Q^\\pi|,\\quad1-J/J^*",
          "algorithms/q_actor_critic.c; 4e6 steps, alpha_w = .01, w averaged over"
          " the last 3e6; 2e5 steps, alpha = .002, alpha_w = .1", Q_learnt, AT_MOST } },
      "E5, gamma .9, one endless episode", page_of_E5, .trains = 13 },
    { "BL-9", "the advantage actor-critic comes within 5 % of the optimum",
      "1 - J/J*, the worst of 10 runs with learnt critics, and of 10 with Q and V of pi",
      count_two, unit_of_one,
      NULL, NULL, {
        { "0.05,\\quad0.05", "of the optimum", .is = { 0.05, 0.05 } },
        { "\\le1-J/J^*", "the controls: critics that stay as they begin; alpha = 0", A_untaught, AT_LEAST },
        { "\\ge1-J/J^*,\\quad\\theta\\leftarrow\\theta+\\alpha(Q_w(s,a)-V_v(s))\\nabla\\log\\pi(a|s)",
          "algorithms/advantage_actor_critic.c; 2e5 steps, alpha = .002, alpha_w = alpha_v = .1; 2e4 steps,"
          " alpha = .03",
          A_learnt, AT_MOST } },
      "E5, gamma .9, one endless episode", page_of_spread, .trains = 3 },
    { "RF-11", "REINFORCE needs many more steps of the environment than a TD actor-critic, where returns vary",
      "steps needed, in those of the TD actor-critic", count_one, unit_of_one, NULL, NULL, {
        { "4", "times as many", .is = { 4 } },
        { "\\ge N_{\\mathrm{REINFORCE}}/N_{\\mathrm{TD}},\\ \\text{chain:5}",
          "the control: one way leads to one reward, and returns hardly vary", on_chain, AT_MOST },
        { "\\le N_{\\mathrm{REINFORCE}}/N_{\\mathrm{TD}},\\ \\text{E5x}",
          "algorithms/reinforce.c without a baseline, algorithms/td_actor_critic.c, each with its best alpha",
          on_E5x,
          AT_LEAST },
        { "\\ge N_{\\mathrm{TD\\ that\\ waits}}/N_{\\mathrm{TD}},\\ \\text{E5x}",
          "the control: one that waits for the end of an episode, too, needs nowhere near as many", by_waiting,
          AT_MOST },
        { "N_{\\mathrm{TD\\ that\\ waits}}/N_{\\mathrm{TD}},\\ \\text{E5x}",
          "000 l.77's reason, that the episode must be completed, is latency: a TD actor-critic that makes all"
          " its steps"
          " at the end needs as few. It is the variance",
          by_waiting, DIFFERS, "ERR-11" } },
      "E5x and chain:5, steps until J is 95 % of J*", page_of_steps, .trains = 3 },
    { .id = NULL }
};
