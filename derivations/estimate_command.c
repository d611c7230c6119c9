/* `ascent estimate MDP --estimator NAME` or `--all`: exact mean, bias and variance of estimators of the policy
 * gradient. */
#include <jansson.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "algorithms/whole_file.h"
#include "autodiff/json.h"
#include "autodiff/options.h"
#include "autodiff/require.h"
#include "derivations/commands.h"
#include "derivations/estimate_table.h"
#include "derivations/policy_file.h"

enum { MOST_TRAJECTORIES = 10000000 };          /* some 20 s */

/* What was asked for: NULL where an option was not given */
struct asked {
    const char *path, *name, *policy, *horizon, *gamma, *n, *lambda, *critic, *behaviour, *plot;
    bool all, json;
    int n_steps;                        /* of --n, */
    double lambda_value;                /* --lambda */
};

struct result {
    const finite_horizon *f;
    const gradient_estimator *e;
    const struct asked *asked;
    double count;
    double *mean, *exact, *bias, *variance;
    const double *pi1;                  /* [nS x nA] of --behaviour; NULL: pi itself */
};

struct text { char at[40]; };

/* A variance whose squares overflow is none: "-", as null in JSON */
static struct text number(double x)
{
    struct text t = { "-" };
    if (isfinite(x)) snprintf(t.at, sizeof t.at, "%.17g", x);
    return t;
}

static struct text label(char **name, int i)
{
    struct text t;
    if (name) snprintf(t.at, sizeof t.at, "%.30s", name[i]);
    else      snprintf(t.at, sizeof t.at, "%d", i);
    return t;
}

static int widest(char **name, int n, int least)
{
    for (int i = 0; i < n; i++) least = (int)fmax(least, (double)strlen(label(name, i).at));
    return least;
}

/* IS-1 asks for pi1(a|s) > 0 wherever pi(a|s) > 0 */
static bool covers(int n, const double *pi1, const double *pi)
{
    for (int i = 0; i < n; i++)
        if (pi[i] > 0 && !(pi1[i] > 0)) return false;
    return true;
}

static void print_text(const struct result *r)
{
    const mdp *M = r->f->M;
    int state = widest(M->state_name, M->nS, 5), action = widest(M->action_name, M->nA, 6);
    double trace = 0;
    printf("%s: %d states, %d actions, gamma %.15g, horizon %d: %.0f trajectories\n", M->name, M->nS, M->nA,
           r->f->gamma, r->f->H, r->count);
    printf("estimator %s: sum_t w_t grad log pi(a_t|s_t), w_t = %s\n", r->e->name, r->e->about);
    if (r->e->needs & (NEEDS_V | NEEDS_Q)) printf("critic %s", r->asked->critic ? r->asked->critic : "exact");
    if (r->e->needs & NEEDS_N) printf(", n = %d", r->asked->n_steps);
    if (r->e->needs & NEEDS_LAMBDA) printf(", lambda = %.15g", r->asked->lambda_value);
    if (r->e->needs & NEEDS_BEHAVIOUR)
        printf("behaviour %s", r->asked->behaviour ? r->asked->behaviour : "pi itself");
    if (r->pi1 && !covers(M->nS * M->nA, r->pi1, r->f->x->pi))
        printf(", which never takes some action that pi takes: the mean may be biased (IS-1)");
    printf(r->e->needs ? "\n\n" : "\n");
    printf("%*s %*s %24s %24s %12s %24s\n", state, "state", action, "action", "mean", "exact gradient", "bias",
           "variance");
    for (int i = 0; i < M->nS * M->nA; i++) {
        printf("%*s %*s %24.17g %24.17g %12.3g %24s\n", state, label(M->state_name, i / M->nA).at, action,
               label(M->action_name, i % M->nA).at, r->mean[i], r->exact[i], r->bias[i], number(r->variance[i]).at);
        trace += r->variance[i];
    }
    printf("\ntrace of the covariance: %s\n", number(trace).at);
}

static void print_json(const struct result *r)
{
    const mdp *M = r->f->M;
    json_t *o = json_checked(json_object());
    json_set(o, "mean", json_matrix(M->nS, M->nA, r->mean));
    json_set(o, "exact", json_matrix(M->nS, M->nA, r->exact));
    json_set(o, "bias", json_matrix(M->nS, M->nA, r->bias));
    json_set(o, "variance", json_matrix(M->nS, M->nA, r->variance));
    json_print(o);
}

/* The trajectories of pi in so many runs, or exit 2 */
static double count_for(const finite_horizon *f, const double *pi, int runs)
{
    double count = enumerate_count(f->M, pi, f->H);
    if (!(count * runs <= MOST_TRAJECTORIES))
        bad_input("estimate: %s: expected at most %d trajectories%s, found %s%.3g at --horizon %d", f->M->name,
                  MOST_TRAJECTORIES / runs, runs > 1 ? " with --all" : "", isinf(count) ? "more than " : "",
                  fmin(count, 0x1p999), f->H);
    return count;
}

/* pi [nS x nA] of the file that --behaviour names, or of "uniform", to be freed; NULL without one */
static double *behaviour(const struct asked *asked, const mdp *M)
{
    if (!asked->behaviour) return NULL;
    double *pi = policy_named(asked->behaviour, M);
    for (int s = 0; s < M->nS; s++) {
        double *row = pi + s * M->nA, most = row[0], Z = 0;
        for (int a = 1; a < M->nA; a++) most = fmax(most, row[a]);
        for (int a = 0; a < M->nA; a++) Z += row[a] = exp(row[a] - most);
        for (int a = 0; a < M->nA; a++) row[a] /= Z;
    }
    return pi;
}

static void estimate(const finite_horizon *f, const value_table *critic, const struct asked *asked)
{
    int n = f->M->nS * f->M->nA;
    double *pi1 = behaviour(asked, f->M), count = count_for(f, pi1 ? pi1 : f->x->pi, 1);
    double *p = allocate(4 * (size_t)n, sizeof *p, "an estimate");
    struct result r = { f, gradient_estimator_find(asked->name), asked, count, p, p + n, p + 2 * n, p + 3 * n,
                        pi1 };
    if ((r.e->needs & NEEDS_Q) && !critic->Q)
        bad_input("%s: expected V(s), Q(s,0), .., Q(s,%d) in each row for the estimator %s, found V alone",
                  asked->critic, f->M->nA - 1, asked->name);
    if (pi1) gradient_estimator_moments_off_policy(f, asked->name, pi1, r.mean, r.variance);
    else gradient_estimator_moments_with(f, asked->name, critic, asked->n_steps, asked->lambda_value, r.mean,
                                         r.variance);
    finite_gradient(f, r.exact);
    for (int i = 0; i < n; i++) r.bias[i] = r.mean[i] - r.exact[i];
    if (asked->json) print_json(&r);
    else             print_text(&r);
    free(pi1);
    free(p);
}

/* ---- all of them ---- */

static void print_table_json(const estimate_table *t)
{
    const mdp *M = t->f->M;
    json_t *o = json_checked(json_object()), *rows = json_checked(json_array());
    for (int i = 0; i < t->rows; i++) {
        const estimate_row *r = &t->row[i];
        json_t *row = json_checked(json_object());
        json_set(row, "estimator", json_text(r->e->name));
        json_set(row, "n", r->n > 0 ? json_checked(json_integer(r->n)) : json_checked(json_null()));
        json_set(row, "lambda", r->lambda >= 0 ? json_number(r->lambda) : json_checked(json_null()));
        json_set(row, "critic", r->critic < 0 ? json_checked(json_null())
                                              : json_text(r->critic == 0 ? "exact" : t->critic));
        json_set(row, "mean", json_matrix(M->nS, M->nA, r->mean));
        json_set(row, "bias", json_matrix(M->nS, M->nA, r->bias));
        json_set(row, "variance", json_matrix(M->nS, M->nA, r->variance));
        json_set(row, "bias_norm", json_number(r->off));
        json_set(row, "standard_deviation", json_number(r->sd));
        json_set(row, "rms_error", json_number(r->rms));
        json_append(rows, row);
    }
    json_set(o, "exact", json_matrix(M->nS, M->nA, t->exact));
    json_set(o, "estimators", rows);
    json_print(o);
}

static void estimate_all(const finite_horizon *f, const value_table *other, const struct asked *asked)
{
    double count = count_for(f, f->x->pi, estimate_table_runs(f, other));
    estimate_table *t = estimate_table_new(f, other, asked->critic ? asked->critic : "X29");
    if (asked->plot) {
        char *text = estimate_table_svg(t);
        whole_file_text(asked->plot, text);
        free(text);
    }
    if (asked->json) print_table_json(t);
    else {
        printf("%s: %d states, %d actions, gamma %.15g, horizon %d: %.0f trajectories; |grad J| = %.6g\n\n",
               f->M->name, f->M->nS, f->M->nA, f->gamma, f->H, count, t->size);
        estimate_table_text(t, stdout);
        if (!other->Q) printf("\n%s has V alone: no row of it for estimators with Q\n", asked->critic);
    }
    estimate_table_free(t);
}

/* ---- what was asked for ---- */

static value_table *critic_named(const char *name, const finite_horizon *f)
{
    char error[512];
    if (strcmp(name, "exact") == 0) return value_table_exact(f);
    if (strcmp(name, "X29") == 0) return value_table_X29(f);
    value_table *c = value_table_read(name, f, error, sizeof error);
    if (!c) bad_input("%s", error);
    return c;
}

static void estimate_on(const struct asked *asked, int H)
{
    char error[512];
    mdp *M = mdp_open(asked->path, error, sizeof error);
    if (!M) bad_input("%s", error);
    double *logits = policy_named(asked->policy, M);
    double gamma = asked->gamma ? options_number("--gamma", asked->gamma, 0, 1) : M->gamma;
    policy_class *tabular = policy_tabular(M);
    finite_horizon *f = finite_new(M, gamma, tabular, logits, H, error, sizeof error);
    if (!f) bad_input("%s", error);
    value_table *critic = critic_named(asked->critic ? asked->critic : asked->all ? "X29" : "exact", f);
    if (asked->all) estimate_all(f, critic, asked);
    else            estimate(f, critic, asked);
    value_table_free(critic);
    finite_free(f);
    policy_free(tabular);
    free(logits);
    mdp_free(M);
}

/* An option that the estimator has no use for */
static void useless(const struct asked *asked, const char *flag, const char *value, unsigned needs)
{
    if (!value) return;
    if (asked->all && strcmp(flag, "--critic") != 0)
        bad_input("estimate: %s: expected --estimator NAME beside it, found --all", flag);
    if (!asked->all && !(gradient_estimator_find(asked->name)->needs & needs))
        bad_input("estimate: %s: the estimator %s has none", flag, asked->name);
}

static void check(struct asked *asked)
{
    if (asked->all && asked->name) bad_input("estimate: expected --estimator NAME or --all, found both");
    if (!asked->all && (!asked->name || !gradient_estimator_find(asked->name)))
        bad_input("estimate: expected --estimator NAME, found %s; `ascent estimate --help` lists them",
                  asked->name ? asked->name : "none");
    if (!asked->horizon) bad_input("estimate: expected --horizon H");
    useless(asked, "--n", asked->n, NEEDS_N);
    useless(asked, "--lambda", asked->lambda, NEEDS_LAMBDA);
    useless(asked, "--critic", asked->critic, NEEDS_V | NEEDS_Q);
    useless(asked, "--behaviour", asked->behaviour, NEEDS_BEHAVIOUR);
    const char *end = asked->plot ? strrchr(asked->plot, '.') : NULL;
    if (asked->plot && !asked->all) bad_input("estimate: --plot: expected --all beside it");
    if (asked->plot && (!end || strcmp(end, ".svg") != 0))
        bad_input("estimate: --plot: expected a name that ends in .svg, found %s", asked->plot);
    asked->n_steps = asked->n ? (int)options_whole("--n", asked->n, 1, FINITE_MAX_STATES) : 5;
    asked->lambda_value = asked->lambda ? options_number("--lambda", asked->lambda, 0, 1) : 0.95;
}

/* What --help says, with the table of estimators in it */
static char *about(void)
{
    enum { SIZE = 8192 };
    char *text = allocate(SIZE, 1, "a help text");
    int n = snprintf(text, SIZE,
        "Runs an estimator of the policy gradient over ALL trajectories of H steps, each with its probability:\n"
        "its exact mean, its bias against the exact gradient of J = E[sum_{t<H} gamma^t r_t], and the"
        " variance of\n"
        "each component. MDP: a .mdp file or a built-in name. --json: mean, exact, bias, variance, each\n"
        "[states][actions]. --all: total-return to gae below, each with the exact critic and with --critic, Q,\n"
        "advantage and td as the actor-critics' steps, as a table: the Euclidean norm of the bias, the square\n"
        "root of the trace of the covariance, and of E|g - grad J|^2.\n\n"
        "Critics. `exact` (default): V_t, Q_t, A_t of the policy for the H - t steps that are left. `X29` (default\n"
        "of --all): Q_w = .7 Q_t(s,a) + .3 sin(7s + 4a), V_w = sum_a pi(a|s) Q_w(s,a). FILE: CSV, a row V(s) or\n"
        "V(s), Q(s,0), Q(s,1), .. a state, taken for all t < H; H times as many rows give each time its own, row\n"
        "t S + s. A critic says 0 of an absorbing zero-reward state, where a trajectory terminates, and of the\n"
        "state at t = H, since J counts nothing behind it; (H+1) S rows say something else there.\n\n"
        "The estimate is sum_t w_t grad log pi(a_t|s_t), made by the code that trains, and NAME");
    for (const gradient_estimator *e = gradient_estimators; e->name; e++)
        n += snprintf(text + n, (size_t)(SIZE - n), "\n  %-22s w_t = %s", e->name, e->about);
    return text;
}

int estimate_command(int argc, char **argv)
{
    struct asked asked = { .policy = "uniform" };
    const option table[] = {
        { "--estimator", "NAME", "which one", &asked.name, NULL },
        { "--all", NULL, "a table of total-return to gae", NULL, &asked.all },
        { "--horizon", "H", "steps until a trajectory is cut off", &asked.horizon, NULL },
        { "--policy", "FILE", "logits, CSV, one row a state, or `uniform` (default)", &asked.policy, NULL },
        { "--gamma", "G", "discount instead of the MDP's own", &asked.gamma, NULL },
        { "--critic", "FILE", "V and Q: `exact`, `X29` or a CSV file", &asked.critic, NULL },
        { "--n", "N", "steps of nstep, nstep-segments and a2c (5)", &asked.n, NULL },
        { "--lambda", "L", "lambda of gae and a2c (0.95)", &asked.lambda, NULL },
        { "--behaviour", "FILE", "who acts, of off-policy-..: logits or `uniform`; without it pi",
          &asked.behaviour,
          NULL },
        { "--plot", "FILE.svg", "with --all: a picture of bias against standard deviation", &asked.plot, NULL },
        { "--json", NULL, "one JSON object", NULL, &asked.json },
        { NULL, NULL, NULL, NULL, NULL } };
    char *help = about();
    int left = options_parse(argc, argv,
        "estimate MDP --estimator NAME|--all --horizon H [--policy uniform|FILE] [--gamma G] [--critic"
        " exact|X29|FILE] [--n N] [--lambda L] [--behaviour uniform|FILE] [--plot FILE.svg] [--json]", help, table);
    free(help);
    if (left != 1) bad_input("estimate: expected one MDP, found %d arguments", left);
    check(&asked);
    double H = options_number("--horizon", asked.horizon, 1, FINITE_MAX_STATES);
    if (H != (int)H) bad_input("--horizon: expected a whole number, found %s", asked.horizon);

    asked.path = argv[1];
    estimate_on(&asked, (int)H);
    return EXIT_HELD;
}
