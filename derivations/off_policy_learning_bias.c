/* How far a learnt Q_phi(s, mu(s)) is from what mu earns, for DDPG and TD3, on a scalar LQR with noise: mean and
 * standard error over runs. 004 (l.648-657).
 *
 * mu is a network, no line, so V^mu has no closed form; but with f(x) = A x + B mu(x) it solves
 *
 *     V(x) = -(Q x^2 + R mu(x)^2) + gamma int V(y) N(y; f(x), W) dy
 *
 * by the trapezoid rule in steps of a third of sqrt W, whose error for a smooth V is below rounding. The kinks of mu, a
 * network of rectifiers, leave some 1e-4: halving the steps changes no digit of what is printed. For
 * mu = -K x the page holds it against V(x) = -(P x^2 + gamma W P / (1 - gamma)), P = (Q + R K^2) / (1 - gamma c^2),
 * c = A - B K (envs/lqr.h). */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "algorithms/critic.h"
#include "algorithms/ddpg.h"
#include "algorithms/td3.h"
#include "autodiff/require.h"
#include "derivations/measured.h"
#include "envs/lqr.h"

/* ---- what mu earns ---- */

enum { HALF_GRID = 60, GRID = 2 * HALF_GRID + 1, BACKUPS = 200 };      /* .9^200 = 7e-10 */
#define H 0.1                                                           /* from -6 to 6 */
#define NOISE 0.1                                                       /* W; sqrt W / H = 3.2 */

static lqr noisy(void)
{
    lqr L = lqr_scalar;
    L.W = NOISE;
    return L;
}

static double at(int i) { return H * (i - HALF_GRID); }

/* V [GRID] of the actions u [GRID]. From states so far out that x' would leave the grid it is brought back to its end:
 * their values are too high, those within 3 of a policy that regulates are not touched. */
static void earns(const lqr *L, const double *u, double *V)
{
    double *P = allocate(GRID * GRID, sizeof *P, "transitions"), next[GRID];
    for (int i = 0; i < GRID; i++) {
        double f = fmin(fmax(L->A * at(i) + L->B * u[i], at(0)), at(GRID - 1)), sum = 0;
        for (int j = 0; j < GRID; j++) sum += P[i * GRID + j] = exp(-(at(j) - f) * (at(j) - f) / (2 * L->W));
        for (int j = 0; j < GRID; j++) P[i * GRID + j] /= sum;
    }
    memset(V, 0, GRID * sizeof *V);
    for (int k = 0; k < BACKUPS; k++) {
        for (int i = 0; i < GRID; i++) {
            next[i] = -(L->Q * at(i) * at(i) + L->R * u[i] * u[i]);
            for (int j = 0; j < GRID; j++) next[i] += L->gamma * P[i * GRID + j] * V[j];
        }
        memcpy(V, next, sizeof next);
    }
    free(P);
}

/* E_{x ~ N(0, X0), |x| <= 2}[Q_phi(x, mu(x)) - V^mu(x)] */
static double bias(const lqr *L, const policy *p, const double *theta, const network *Q, const double *phi)
{
    double u[GRID], V[GRID], s[GRID], q[GRID], sum = 0, weights = 0;
    ad_tape *t = ad_tape_new();
    actor *mu = actor_new(p, theta);
    for (int i = 0; i < GRID; i++) {
        s[i] = at(i);
        actor_mode(mu, &s[i], &u[i]);
    }
    ad a = ad_input(t, u, GRID, 1), x = ad_input(t, s, GRID, 1);
    memcpy(q, ad_value(critic_Q_sa(Q, ad_input(t, phi, network_n(Q), 1), x, a)), sizeof q);
    earns(L, u, V);
    for (int i = 0; i < GRID; i++) {
        double w = fabs(s[i]) > 2 + H / 2 ? 0 : exp(-s[i] * s[i] / (2 * L->X0));
        sum += w * (q[i] - V[i]);
        weights += w;
    }
    actor_free(mu);
    ad_tape_free(t);
    return sum / weights;
}

/* ---- the environment looks at its learner ---- */

enum { STEPS = 10000, FROM = 5000, EVERY = 1000, RUNS = 16, LIMIT = 5 };

struct watch { env *inner; const run *learner; policy p; network Q; long steps; double sum; int looks; };

static void look(env *e)
{
    struct watch *const *w = e->model;
    e->obs[0] = e->state[0] = (*w)->inner->obs[0];
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

static bool move(env *e, const double *action, double *reward)
{
    struct watch *w = *(struct watch *const *)e->model;
    bool terminated, truncated;
    if (++w->steps > FROM && w->steps % EVERY == 0) {
        lqr L = noisy();
        w->sum += bias(&L, &w->p, kept_as(w->learner, "theta"), &w->Q, kept_as(w->learner, "phi"));
        w->looks++;
    }
    env_step(w->inner, action, reward, &terminated, &truncated);
    look(e);
    return false;
}

/* TD3-1   the bias of a run, the mean over what it was after 6000, 7000, ..., 10000 steps */
static double bias_of_run(void (*train)(run *, const void *), policy of(const env *, const void *), const void *config,
                          uint64_t seed)
{
    static const struct env_kind kind = { begin, move, look, free, NULL };
    lqr L = noisy();
    struct watch w = { .inner = lqr_env_new("lqr", &L) }, **model = allocate(1, sizeof *model, "an environment");
    *model = &w;
    env *e = env_new("watched lqr", &kind, model, 1, w.inner->action, w.inner->observation);
    e->limit = LIMIT;
    w.p = of(e, config);
    w.Q = critic_Q_of_box(&w.p);
    run *r = run_new("derive", e, seed, STEPS);
    w.learner = r;
    train(r, config);
    measured_free(r);
    env_free(w.inner);
    return w.sum / w.looks;
}

enum learner { DDPG, DELAYED, SMOOTHED, TWINS, TD3, LEARNERS };      /* between both ends: with one part of TD3 */

static double bias_of(enum learner which, uint64_t seed)
{
    const ddpg_config d = { .gamma = 0.9, .lr = 3e-4, .lr_Q = 3e-3, .rho = 0.99, .batch = 32, .capacity = STEPS,
                            .start_steps = 500, .update_every = 1, .sigma = 0.3, .hidden = { 1, { 32 } },
                            .activation = AD_RELU };
    const td3_config t = { .gamma = 0.9, .lr = 3e-4, .lr_Q = 3e-3, .rho = 0.99, .batch = 32, .capacity = STEPS,
                           .start_steps = 500, .update_every = 1, .sigma = 0.3, .hidden = { 1, { 32 } },
                           .activation = AD_RELU, .twins = which == TWINS || which == TD3,
                           .sigma_targ = which == SMOOTHED || which == TD3 ? 0.2 : 0, .c = 0.5,
                           .delay = which == DELAYED || which == TD3 ? 2 : 1 };
    return which == DDPG ? bias_of_run(ddpg, ddpg_policy, &d, seed) : bias_of_run(td3, td3_policy, &t, seed);
}

struct measured { double mean, se; };           /* over runs */

static struct measured biases(enum learner which, uint64_t seed)
{
    double sum = 0, squares = 0;
    for (int k = 0; k < RUNS; k++) {
        double b = bias_of(which, seed + (uint64_t)k);
        sum += b;
        squares += b * b;
    }
    return (struct measured){ sum / RUNS, sqrt((squares / RUNS - sum * sum / RUNS / RUNS) / (RUNS - 1)) };
}

/* ---- TD3-1, TD3-14 ---- */

static double in_errors(enum learner which, uint64_t seed, double *out)
{
    struct measured m = biases(which, seed);
    *out = m.mean / m.se;
    return 0;
}

static double two_errors(const setting *x, double *out)
{
    (void)x;
    *out = 2;
    return 0;
}

static double of_ddpg(const setting *x, double *out)    { return in_errors(DDPG, x->seed, out); }
static double of_delayed(const setting *x, double *out) { return in_errors(DELAYED, x->seed, out); }
/* TD3-14  the twins, the noise on a' and the delay together */
static double of_td3(const setting *x, double *out)     { return in_errors(TD3, x->seed, out); }

/* The greatest error of V for u = -1.2 x, |x| <= 3 */
static double error_of_grid(void)
{
    const lqr L = noisy();
    double u[GRID], V[GRID], K = 1.2, c = L.A - L.B * K, worst = 0;
    double P = (L.Q + L.R * K * K) / (1 - L.gamma * c * c);
    for (int i = 0; i < GRID; i++) u[i] = -K * at(i);
    earns(&L, u, V);
    for (int i = 0; i < GRID; i++)
        if (fabs(at(i)) <= 3)
            worst = fmax(worst, fabs(V[i] + P * at(i) * at(i) + L.gamma * L.W * P / (1 - L.gamma)));
    return worst;
}

static void page_of_bias(const setting *x, FILE *out)
{
    static const char *const name[LEARNERS] = { "DDPG", "and the delay only", "and the noise on a' only",
                                                "and the twins only", "TD3, all three" };
    struct measured m[LEARNERS];
    fprintf(out, "E[Q_phi(x, mu(x)) - V^mu(x)] over x ~ N(0, 1), |x| <= 2: mean and standard error of %d runs; the"
            " grid's V of\na linear policy is off by %.0e\n", RUNS, error_of_grid());
    for (enum learner k = DDPG; k < LEARNERS; k++) {
        m[k] = biases(k, x->seed);
        fprintf(out, "  %-26s %7.3f +- %.3f\n", name[k], m[k].mean, m[k].se);
    }
    double less = fabs(m[DDPG].mean) - fabs(m[TD3].mean), se = hypot(m[DDPG].se, m[TD3].se);
    fprintf(out, "The sign is turned. |DDPG| - |TD3| = %.3f +- %.3f: that it becomes smaller is %s here. The noise on a'"
            " is a\npart of it: Q is then of a policy that trembles, which earns less.\n", less, se,
            less > 2 * se ? "seen" : less < -2 * se ? "refuted" : "not seen");
}

const derivation off_policy_bias[] = {
    { "TD3-1", "DDPG overestimates Q", "mean of Q_phi(x,mu(x)) - V^mu(x) over 16 runs, in its standard errors",
      measured_one, measured_unit, NULL, NULL, {
        { "2", "standard errors; without a bias more come out with probability .03", two_errors },
        { "\\ge E[Q_\\phi(x,\\mu(x))-V^\\mu(x)],\\ \\text{TD3}", "the control: it does not", of_td3, AT_MOST },
        { "\\le E[Q_\\phi(x,\\mu(x))-V^\\mu(x)],\\ \\text{DDPG}",
          "V^mu of the same mu by quadrature. A bias of four standard errors is seen with probability .97", of_ddpg,
          AT_LEAST } },
      "a scalar LQR: A = 1, B = .5, Q = 1, R = .1, W = .1, gamma .9, 5 steps an episode; after 6000, 7000, ..., 10000"
      " steps", .trains = 5 },
    { "TD3-14", "TD3 takes the overestimation of Q away",
      "mean of Q_phi(x,mu(x)) - V^mu(x) over 16 runs, in its standard errors", measured_one, measured_unit, NULL, NULL, {
        { "2", "standard errors; without a bias more come out with probability .03", two_errors },
        { "\\le E[Q_\\phi(x,\\mu(x))-V^\\mu(x)],\\quad d=2",
          "the control: of TD3's three parts the delay alone. It overestimates as DDPG does", of_delayed, AT_LEAST },
        { "\\ge E[Q_\\phi(x,\\mu(x))-V^\\mu(x)],\\ \\text{TD3}",
          "an overestimation of four standard errors would be seen with probability .97", of_td3, AT_MOST } },
      "a scalar LQR: A = 1, B = .5, Q = 1, R = .1, W = .1, gamma .9, 5 steps an episode; after 6000, 7000, ..., 10000"
      " steps", page_of_bias, .trains = 5 },
    { .id = NULL }
};
