/* The greatest Q over a box of actions by a grid, m^d points in d dimensions, against a policy that names the action:
 * what one look costs, and what Q-learning on the numbered points learns.
 * 002 (l.160, l.177-178), 004 (l.525, l.546). */
#include <math.h>
#include <stdlib.h>
#include <time.h>

#include "algorithms/critic.h"
#include "algorithms/ddpg.h"
#include "algorithms/dqn.h"
#include "autodiff/random.h"
#include "autodiff/require.h"
#include "derivations/measured.h"

/* ---- d integrators side by side, and the same with their actions numbered ---- */

enum { DIMS = 4, POINTS = 5, HORIZON = 5 };
typedef struct { int d, m; } integrators;           /* m: points of the grid in each dimension; 0: a box */

static void look(env *e)
{
    for (int i = 0; i < e->state_n; i++) e->obs[i] = e->state[i];
}

static void begin(env *e)
{
    for (int i = 0; i < e->state_n; i++) e->state[i] = 2 * gsl_rng_uniform(e->rng) - 1;
    look(e);
}

/* x' = x + u/2,   r = -(|x|^2 + |u|^2 / 10) / d,   u in [-1, 1]^d,
 * of a grid the digits of its number to the base m */
static bool move(env *e, const double *action, double *reward)
{
    const integrators *p = e->model;
    double cost = 0;
    long number = p->m ? (long)action[0] : 0;
    for (int i = 0; i < p->d; i++) {
        double u = p->m ? -1 + 2.0 * (double)(number % p->m) / (p->m - 1) : fmin(fmax(action[i], -1), 1);
        if (p->m) number /= p->m;
        cost += e->state[i] * e->state[i] + u * u / 10;
        e->state[i] += u / 2;
    }
    *reward = -cost / p->d;
    look(e);
    return false;
}

static env *integrators_new(int d, int m)
{
    static const double low[DIMS] = { -1, -1, -1, -1 }, high[DIMS] = { 1, 1, 1, 1 };
    static const double least[DIMS] = { -INFINITY, -INFINITY, -INFINITY, -INFINITY };
    static const double most[DIMS] = { INFINITY, INFINITY, INFINITY, INFINITY };
    static const struct env_kind kind = { begin, move, look, free, NULL };
    integrators *p = allocate(1, sizeof *p, "an environment");
    *p = (integrators){ d, m };
    int n = 1;
    for (int i = 0; i < d; i++) n *= m;
    env_space box = { .dim = d, .low = low, .high = high }, numbers = { .n = n, .dim = 1 };
    env *e = env_new("integrators", &kind, p, d, m ? numbers : box,
                     (env_space){ .dim = d, .low = least, .high = most });
    e->limit = HORIZON;
    return e;
}

/* ---- DDPG-24 ---- */

enum { GRID_SEEDS = 9, GRID_STEPS = 4000, EPISODES = 100 };

/* The mean cost of an episode of the greedy policy, from the same starts for all */
static double cost(env *e, const policy *p, const double *theta)
{
    gsl_rng *rng = random_stream(0, 0, RANDOM_EVALUATION_ENV);
    actor *greedy = actor_new(p, theta);
    double sum = 0;
    for (int i = 0; i < EPISODES; i++)
        for (env_reset(e, rng); !e->over; ) {
            double a[DIMS], r;
            bool terminated, truncated;
            actor_mode(greedy, e->obs, a);
            env_step(e, a, &r, &terminated, &truncated);
            sum -= r;
        }
    actor_free(greedy);
    gsl_rng_free(rng);
    return sum / EPISODES;
}

static double by_ddpg(uint64_t seed, int d)
{
    const ddpg_config c = { .gamma = 0.9, .lr = 1e-3, .lr_Q = 3e-3, .rho = 0.99, .batch = 32, .capacity = GRID_STEPS,
                            .start_steps = 500, .update_every = 1, .sigma = 0.1, .hidden = { 1, { 32 } },
                            .activation = AD_RELU };
    env *e = integrators_new(d, 0);
    policy p = ddpg_policy(e, &c);
    run *r = measured_run(e, ddpg, &c, seed, GRID_STEPS, INFINITY);
    double J = cost(e, &p, r->theta);
    measured_free(r);
    return J;
}

static double by_dqn(uint64_t seed, int d)
{
    const dqn_config c = { .gamma = 0.9, .lr_Q = 3e-3, .rho = 0.99, .target_every = 1, .batch = 32,
                           .capacity = GRID_STEPS, .start_steps = 500, .update_every = 1, .epsilon = 0.1,
                           .anneal_steps = 1000, .hidden = { 1, { 32 } }, .activation = AD_RELU };
    env *e = integrators_new(d, POINTS);
    policy p = dqn_policy(e, &c);
    run *r = measured_run(e, dqn, &c, seed, GRID_STEPS, INFINITY);
    double J = cost(e, &p, r->theta);
    measured_free(r);
    return J;
}

/* DDPG-24   of nine seeds, the cost of Q-learning on the grid over that of DDPG; returns their median */
static double cost_ratio(uint64_t seed, int d, double each[GRID_SEEDS])
{
    for (uint64_t k = 0; k < GRID_SEEDS; k++) each[k] = by_dqn(seed + k, d) / by_ddpg(seed + k, d);
    return measured_median(GRID_SEEDS, each);
}

static double in_four(const setting *x, double *out)
{
    double each[GRID_SEEDS];
    *out = cost_ratio(x->seed, 4, each);
    return 0;
}

static double in_one(const setting *x, double *out)
{
    double each[GRID_SEEDS];
    *out = cost_ratio(x->seed, 1, each);
    return 0;
}

static void page_of_grids(const setting *x, FILE *out)
{
    fprintf(out, "in between, cost of DQN / cost of DDPG, %d seeds; between the second least and the second"
            " greatest lies the median with\nprobability .96\n", GRID_SEEDS);
    for (int d = 2, n = POINTS * POINTS; d < DIMS; d++, n *= POINTS) {
        double each[GRID_SEEDS];
        fprintf(out, "  d = %d, %3d actions: median %5.3f of", d, n, cost_ratio(x->seed, d, each));
        for (int k = 0; k < GRID_SEEDS; k++) fprintf(out, " %.3f", each[k]);
        putc('\n', out);
    }
    fprintf(out, "With one number in an action a grid does as well: a continuous action does not need a policy of"
            " its own. It is\nthe m^d actions, each of which has to be tried, that make it too slow.\n");
}

/* ---- DDPG-4 ---- */

enum { PER_DIM = 10, REPEATS = 200 };

static const double LEAST = 0.02;               /* seconds: twice the tick of a slow clock */

static double seconds(clock_t from) { return (double)(clock() - from) / CLOCKS_PER_SEC; }

/* DDPG-4   CPU time of argmax_a Q(s,a) over 10^d points, in one forward pass, over that of a call of mu(s) */
static double grid_over_mu(int d)
{
    env *e = integrators_new(d, 0);
    policy p = deterministic_policy_of(e, 2, (int[]){ 32, 32 }, AD_RELU);
    network Q = critic_Q_of_box(&p);
    int n = (int)lround(pow(PER_DIM, d)), best = 0;
    double *theta = allocate((size_t)p.n, sizeof *theta, "theta"), s[DIMS] = { 0 }, a[DIMS], sum = 0;
    double *phi = allocate((size_t)network_n(&Q), sizeof *phi, "phi");
    double *sa = allocate((size_t)(2 * d * n), sizeof *sa, "a grid"), *q = allocate((size_t)n, sizeof *q, "Q");
    gsl_rng *rng = random_stream(0, 0, RANDOM_TEST);
    ad_tape *t = ad_tape_new();
    policy_init(&p, rng, theta);
    network_init_fan_in(&Q, rng, phi);
    actor *mu = actor_new(&p, theta);
    for (int i = 0; i < n; i++)
        for (int k = 0, rest = i; k < d; k++, rest /= PER_DIM)
            sa[2 * d * i + d + k] = -1 + 2.0 * (rest % PER_DIM) / (PER_DIM - 1);

    double of_mu, of_grid;
    long calls = 0, searches = 0;
    clock_t from = clock();
    do {
        for (int k = 0; k < REPEATS; k++) actor_mode(mu, s, a), sum += a[0];
        calls += REPEATS;
    } while ((of_mu = seconds(from)) < LEAST);
    from = clock();
    do {
        critic_values(t, &Q, phi, n, sa, q);
        for (int i = best = 0; i < n; i++) if (q[i] > q[best]) best = i;
        searches++;
    } while ((of_grid = seconds(from)) < LEAST);
    require(isfinite(sum + q[best]), "a value of %g", q[best]);

    actor_free(mu);
    ad_tape_free(t);
    gsl_rng_free(rng);
    free(q);
    free(sa);
    free(phi);
    free(theta);
    env_free(e);
    return of_grid / (double)searches / (of_mu / (double)calls);
}

static double four_numbers(const setting *x, double *out)
{
    (void)x;
    *out = grid_over_mu(4);
    return 0;
}

static double one_number(const setting *x, double *out)
{
    (void)x;
    *out = grid_over_mu(1);
    return 0;
}

static void page_of_times(const setting *x, FILE *out)
{
    (void)x;
    fprintf(out, "argmax over the grid, in CPU time of a call of mu:");
    for (int d = 1; d <= DIMS; d++) fprintf(out, "  10^%d points: %.3g", d, grid_over_mu(d));
    fprintf(out, "\nToo slow, not impossible (004, l.525): the number of evaluations is 10^d, whatever the"
            " machine.\n");
}

const derivation off_policy_grids[] = {
    { "DDPG-4", "argmax_a Q(s,a) over a continuous box is a search at every step, a call of mu is not",
      "CPU time of argmax over a grid of 10^d actions, in calls of mu", count_one, unit_of_one, NULL, NULL, {
        { "100", "calls of mu", .is = { 100 } },
        { "\\ge T(\\arg\\max_{a\\in G}Q(s,a))/T(\\mu(s)),\\ |G|=10^1",
          "the control: one number in an action. A grid of ten points is no search", one_number, AT_MOST },
        { "\\le T(\\arg\\max_{a\\in G}Q(s,a))/T(\\mu(s)),\\ |G|=10^4",
          "four numbers: 10^4 evaluations, in one forward pass; a row of a large batch costs less than a call by"
          " itself, by a factor below 100", four_numbers, AT_LEAST } },
      "Q and mu of two layers of 32", page_of_times, .trains = 0.5 },
    { "DDPG-24", "Q-learning suits few discrete actions; where an action is many numbers a grid is too large for it",
      "cost after 4000 steps, DQN on a grid / DDPG, the median of 9 seeds", count_one, unit_of_one, NULL, NULL, {
        { "1.25", "a quarter more", .is = { 1.25 } },
        { "\\ge C_{DQN}/C_{DDPG},\\ d=1", "the control: 5 actions. A grid is as good as a policy", in_one, AT_MOST },
        { "\\le C_{DQN}/C_{DDPG},\\ d=4",
          "625 actions, each taken some 6 times; a median is wrong when five of nine are: if nine of ten runs were"
          " on the other side it would be seen with probability .999", in_four, AT_LEAST } },
      "d integrators x' = x + u/2, u in [-1,1]^d, r = -(|x|^2 + |u|^2/10)/d, 5 steps, gamma .9; a grid of 5 points in"
      " each dimension", page_of_grids, .trains = 8 },
    { .id = NULL }
};
