/* How far a learnt Q_phi(s, a) is from Q^mu(s, a), what mu earns, for DDPG and TD3, each with its own present mu,
 * on a regulator of one state and action and on one of two, both with noise: mean and standard error over runs.
 * 004 (l.648-657). Over two sets of (s, a):
 *
 *     D       transitions of the learner's own replay, drawn uniformly: where Q is fitted
 *     mu      s of episodes that mu plays without noise, a = mu(s): where mu believes Q's gradient
 *
 * Q^mu is that of lqr_of_mu.h: exact but for gamma^T <= 1e-8 of what is lost from then on, and for the noise of one
 * path for each (s, a), which has no bias and is part of the spread over runs. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "algorithms/critic.h"
#include "algorithms/ddpg.h"
#include "algorithms/td3.h"
#include "autodiff/random.h"
#include "autodiff/require.h"
#include "derivations/lqr_of_mu.h"
#include "derivations/measured.h"

/* ---- two regulators ---- */

enum { SCALAR, PLANE, SYSTEMS };

/* Both of values of a few units, which Q_phi, near 0 at first, has come down to after some thousand steps. On the
 * rooms of chapters/examples, where values are tens, it has not: every Q is too high there, for want of steps. */
static lqr_system *system_of(int which)
{
    static const char *const text[SYSTEMS] = {
        "discount: 0.9\n A: 1\n B: 0.5\n Q: 1\n R: 0.1\n W: 0.1\n Sigma0: 1\n",
        "discount: 0.9\n A: 1 0.3\n -0.2 0.9\n B: 0.5 0\n 0.1 0.4\n Q: 1 0\n 0 1\n R: 0.1 0\n 0 0.1\n"
        " W: 0.1 0.03\n 0.03 0.1\n Sigma0: 1 0\n 0 1\n" };
    char error[256];
    lqr_system *L = lqr_system_parse("regulator", text[which], strlen(text[which]), error, sizeof error);
    require(L, "%s", error);
    return L;
}

/* ---- the environment looks at its learner ---- */

enum { STEPS = 10000, FROM = 5000, EVERY = 1000, RUNS = 16, LIMIT = 5, PAIRS = 250, DIM = 2 };
enum { OVER_D, OVER_MU, SETS };

struct watch {
    env *inner, *own;                   /* the learner's, one for mu alone */
    const run *learner;
    const lqr_exact *best;
    gsl_rng *rng;
    policy p;
    network Q;
    long steps;
    double sum[SETS];
    int looks;
};

static void look(env *e)
{
    struct watch *const *w = e->model;
    memcpy(e->obs, (*w)->inner->obs, (size_t)e->state_n * sizeof *e->obs);
    memcpy(e->state, e->obs, (size_t)e->state_n * sizeof *e->state);
}

static void begin(env *e)
{
    struct watch *const *w = e->model;
    env_reset((*w)->inner, e->rng);
    look(e);
}

static const double *kept_as(const run *r, const char *name)
{
    const kept *k = r->kept;
    while (k->name && strcmp(k->name, name)) k++;
    require(k->name, "no %s is kept", name);
    return k->x;
}

/* s [PAIRS x d], a [PAIRS x k] of D, as replay.h has its rows, which held `stored` and forgot none */
static void of_D(const struct watch *w, long stored, double *s, double *a)
{
    int d = w->p.d, k = w->p.k;
    const double *D = kept_as(w->learner, "D");
    for (int i = 0; i < PAIRS; i++) {
        const double *row = D + gsl_rng_uniform_int(w->rng, (unsigned long)stored) * (unsigned long)(2 * d + k + 2);
        memcpy(s + i * d, row, (size_t)d * sizeof *s);
        memcpy(a + i * k, row + d, (size_t)k * sizeof *a);
    }
}

static void of_mu(const struct watch *w, const double *theta, double *s, double *a)
{
    int d = w->p.d, k = w->p.k;
    actor *mu = actor_new(&w->p, theta);
    for (int i = 0; i < PAIRS; i++) {
        bool terminated, truncated;
        double r;
        if (i % LIMIT == 0) env_reset(w->own, w->rng);
        memcpy(s + i * d, w->own->obs, (size_t)d * sizeof *s);
        actor_mode(mu, s + i * d, a + i * k);
        env_step(w->own, a + i * k, &r, &terminated, &truncated);
    }
    actor_free(mu);
}

/* The mean of Q_phi(s, a) - Q^mu(s, a) */
static double off(const struct watch *w, const double *theta, const double *s, const double *a)
{
    double q[PAIRS], Q[PAIRS], sum = 0;
    ad_tape *t = ad_tape_new();
    ad phi = ad_input(t, kept_as(w->learner, "phi"), network_n(&w->Q), 1);
    ad Q_phi = critic_Q_sa(&w->Q, phi, ad_input(t, s, PAIRS, w->p.d), ad_input(t, a, PAIRS, w->p.k));
    memcpy(q, ad_value(Q_phi), sizeof q);
    lqr_Q_of_mu(w->best, &w->p, theta, PAIRS, s, a, w->rng, Q);
    for (int i = 0; i < PAIRS; i++) sum += q[i] - Q[i];
    ad_tape_free(t);
    return sum / PAIRS;
}

static bool move(env *e, const double *action, double *reward)
{
    struct watch *w = *(struct watch *const *)e->model;
    bool terminated, truncated;
    if (w->steps > FROM && w->steps % EVERY == 0) {
        double s[PAIRS * DIM], a[PAIRS * DIM];
        const double *theta = kept_as(w->learner, "theta");
        of_D(w, w->steps, s, a);
        w->sum[OVER_D] += off(w, theta, s, a);
        of_mu(w, theta, s, a);
        w->sum[OVER_MU] += off(w, theta, s, a);
        w->looks++;
    }
    w->steps++;
    env_step(w->inner, action, reward, &terminated, &truncated);
    look(e);
    return false;
}

/* TD3-1   the bias of a run, the mean over what it was after 6000, 7000, 8000, 9000 steps */
static void bias_of_run(int which, void (*train)(run *, const void *), policy of(const env *, const void *),
                        const void *config, uint64_t seed, double bias[SETS])
{
    static const struct env_kind kind = { begin, move, look, free, NULL };
    char error[256];
    lqr_system *L = system_of(which);
    lqr_exact *best = lqr_optimum(L, error, sizeof error);
    require(best, "%s", error);
    struct watch w = { .inner = lqr_system_env_new("lqr", system_of(which)), .best = best,
                       .rng = random_stream(seed, 0, RANDOM_TEST) };
    w.own = env_again(w.inner);
    struct watch **model = allocate(1, sizeof *model, "an environment");
    *model = &w;
    env *e = env_new("watched lqr", &kind, model, L->n, w.inner->action, w.inner->observation);
    e->limit = LIMIT;
    w.p = of(e, config);
    w.Q = critic_Q_of_box(&w.p);
    run *r = run_new("derive", e, seed, STEPS);
    w.learner = r;
    train(r, config);
    for (int i = 0; i < SETS; i++) bias[i] = w.sum[i] / w.looks;
    measured_free(r);
    gsl_rng_free(w.rng);
    env_free(w.own);
    env_free(w.inner);
    lqr_exact_free(best);
    lqr_system_free(L);
}

/*[snip biased-learners later]*/
enum learner { DDPG, DELAYED, SMOOTHED, TWINS, TD3, LEARNERS };      /* between both ends: with one part of TD3 */

static void bias_of(int which, enum learner l, uint64_t seed, double bias[SETS])
{
    const ddpg_config d = { .gamma = 0.9, .lr = 3e-4, .lr_Q = 3e-3, .rho = 0.99, .batch = 32, .capacity = STEPS,
                            .start_steps = 500, .update_every = 1, .sigma = 0.3, .hidden = { 1, { 32 } },
                            .activation = AD_RELU };
    const td3_config t = { .gamma = 0.9, .lr = 3e-4, .lr_Q = 3e-3, .rho = 0.99, .batch = 32, .capacity = STEPS,
                           .start_steps = 500, .update_every = 1, .sigma = 0.3, .hidden = { 1, { 32 } },
                           .activation = AD_RELU, .twins = l == TWINS || l == TD3,
                           .sigma_targ = l == SMOOTHED || l == TD3 ? 0.2 : 0, .c = 0.5,
                           .delay = l == DELAYED || l == TD3 ? 2 : 1 };
    if (l == DDPG) bias_of_run(which, ddpg, ddpg_policy, &d, seed, bias);
    else           bias_of_run(which, td3, td3_policy, &t, seed, bias);
}
/*[/snip]*/

struct measured { double mean, se; };           /* over runs */

static void biases(int which, enum learner l, uint64_t seed, struct measured m[SETS])
{
    double sum[SETS] = { 0 }, squares[SETS] = { 0 }, b[SETS];
    for (int k = 0; k < RUNS; k++) {
        bias_of(which, l, seed + (uint64_t)k, b);
        for (int i = 0; i < SETS; i++) sum[i] += b[i], squares[i] += b[i] * b[i];
    }
    for (int i = 0; i < SETS; i++) {
        double mean = sum[i] / RUNS;
        m[i] = (struct measured){ mean, sqrt((squares[i] / RUNS - mean * mean) / (RUNS - 1)) };
    }
}

/* ---- TD3-1, TD3-14: scalar over D, over mu, then the two states' ---- */

enum { MEANS = SYSTEMS * SETS };
static int four(const setting *x) { (void)x; return MEANS; }

static double in_errors(enum learner l, uint64_t seed, double *out)
{
    for (int which = 0; which < SYSTEMS; which++) {
        struct measured m[SETS];
        biases(which, l, seed, m);
        for (int i = 0; i < SETS; i++) *out++ = m[i].mean / m[i].se;
    }
    return 0;
}

static double of_ddpg(const setting *x, double *out)    { return in_errors(DDPG, x->seed, out); }
static double of_delayed(const setting *x, double *out) { return in_errors(DELAYED, x->seed, out); }
/* TD3-14  the twins, the noise on a' and the delay together */
static double of_td3(const setting *x, double *out)     { return in_errors(TD3, x->seed, out); }

static const char *verdict_of(struct measured m)
{
    return m.mean > 2 * m.se ? "too high" : m.mean < -2 * m.se ? "too low" : "no bias seen";
}

static void page_of_bias(const setting *x, FILE *out)
{
    static const char *const name[LEARNERS] = { "DDPG", "and the delay only", "and the noise on a' only",
                                                "and the twins only", "TD3, all three" };
    static const char *const of[SYSTEMS] = { "one state, one action", "two states, two actions" };
    fprintf(out, "Q_phi(s, a) - Q^mu(s, a): mean and standard error of %d runs; over D, and over s of mu's own"
            " episodes with\na = mu(s)\n", RUNS);
    for (int which = 0; which < SYSTEMS; which++) {
        struct measured m[LEARNERS][SETS];
        fprintf(out, "%-28s %19s %32s\n", of[which], "D", "mu");
        for (enum learner l = DDPG; l < LEARNERS; l++) {
            biases(which, l, x->seed, m[l]);
            fprintf(out, "  %-26s", name[l]);
            for (int i = 0; i < SETS; i++)
                fprintf(out, " %7.3f +- %.3f %-14s", m[l][i].mean, m[l][i].se, verdict_of(m[l][i]));
            putc('\n', out);
        }
        double less = fabs(m[DDPG][OVER_MU].mean) - fabs(m[TD3][OVER_MU].mean);
        double se = hypot(m[DDPG][OVER_MU].se, m[TD3][OVER_MU].se);
        bool turns = m[DDPG][OVER_MU].mean * m[TD3][OVER_MU].mean < 0;
        fprintf(out, "  |DDPG| - |TD3|, over mu: %.3f +- %.3f: the bias becomes %s%s\n", less, se,
                less > 2 * se ? "smaller" : less < -2 * se ? "greater" :
                "neither smaller nor greater, as far as this tells", turns ? ", with the other sign" : "");
    }
    fprintf(out, "The noise on a' is a part of it: Q is then of a policy that trembles, which earns less.\n");
}

#define WHERE "two regulators with noise, gamma .9, 5 steps an episode: A = 1, B = .5, Q = 1, R = .1, W = .1;" \
    " and one of two states and two actions; after 6000, 7000, 8000 and 9000 steps"
#define NUMBERS \
    "mean of Q_phi(s,a) - Q^mu(s,a) in its standard errors, 16 runs: over D, over mu; then with two states"

const derivation off_policy_bias[] = {
    { "TD3-1", "DDPG overestimates Q", NUMBERS, four, unit_of_one, NULL, NULL, {
        { "2", "standard errors; without a bias more come out with probability .03", .is = { 2, 2, 2, 2 } },
        { "\\ge E[Q_\\phi(s,a)-Q^\\mu(s,a)],\\ \\text{TD3}", "the control: it does not", of_td3, AT_MOST },
        { "\\le E[Q_\\phi(s,a)-Q^\\mu(s,a)],\\ \\text{DDPG}",
          "Q^mu of the same mu by the performance difference. A bias of four standard errors is seen with"
          " probability .97", of_ddpg, AT_LEAST } }, WHERE, .trains = 13 },
    { "TD3-14", "TD3 takes the overestimation of Q away", NUMBERS, four, unit_of_one, NULL, NULL, {
        { "2", "standard errors; without a bias more come out with probability .03", .is = { 2, 2, 2, 2 } },
        { "\\le E[Q_\\phi(s,a)-Q^\\mu(s,a)],\\quad d=2",
          "the control: of TD3's three parts the delay alone. It overestimates as DDPG does", of_delayed, AT_LEAST },
        { "\\ge E[Q_\\phi(s,a)-Q^\\mu(s,a)],\\ \\text{TD3}",
          "an overestimation of four standard errors would be seen with probability .97", of_td3, AT_MOST } }, WHERE,
      page_of_bias, .trains = 40 },
    { .id = NULL }
};
