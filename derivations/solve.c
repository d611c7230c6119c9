/* `ascent solve MDP`: values, visitation, gradient, and on request Fisher matrix and natural gradient, a
 * comparison with another policy, and optimal values; as text or as the JSON object of the contract. */
#include <jansson.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "autodiff/linalg.h"
#include "autodiff/options.h"
#include "autodiff/require.h"
#include "derivations/commands.h"
#include "derivations/fisher.h"
#include "autodiff/json.h"
#include "derivations/performance_difference.h"
#include "derivations/natural_gradient.h"
#include "derivations/policy_file.h"
#include "derivations/policy_gradient_theorem.h"

struct solution {
    mdp *M;
    exact *pi, *pi1;                /* pi1: NULL without --against */
    double *gradient;               /* [nS x nA] */
    double *F;                      /* [n x n], and what follows, NULL without --fisher */
    fisher_spectrum *spectrum;
    double *lapack, *cg;            /* [nS x nA] */
    cg_result cg_result;
    double agreement;               /* of the two, in the F-norm */
    policy_comparison comparison;   /* with pi1 */
    double *V_star;                 /* [nS], and policy [nS], NULL without --optimal */
    int *policy;
    double optimal_unit;
    value_iteration sweeps;         /* and how far its V* is from that of policy iteration */
    double sweeps_distance;
};

static void solve_fisher(struct solution *s)
{
    size_t n = (size_t)s->pi->n;
    if (s->pi->n > FISHER_MAX_N)
        bad_input("%s: --fisher: expected at most %d parameters (states times actions), found %d", s->M->name,
                  FISHER_MAX_N, s->pi->n);
    s->F = allocate(n * n, sizeof *s->F, "a Fisher matrix");
    s->lapack = allocate(n, sizeof *s->lapack, "a natural gradient");
    s->cg = allocate(n, sizeof *s->cg, "a natural gradient");
    fisher_scores(s->pi, s->F);
    s->spectrum = fisher_spectrum_new(s->pi->n, s->F);
    natural_gradient_lapack(s->spectrum, s->F, s->gradient, s->lapack);
    s->cg_result = natural_gradient_cg(s->pi, s->spectrum, s->gradient, s->cg);
    s->agreement = fisher_distance(s->pi->n, s->F, s->lapack, s->cg);
}

/* The same values by value iteration */
static void solve_sweeps(struct solution *s)
{
    size_t nS = (size_t)s->M->nS;
    double *V = allocate(nS, sizeof *V, "values");
    bool *unbounded = allocate(nS, sizeof *unbounded, "states");
    for (size_t i = 0; i < nS; i++) unbounded[i] = isnan(s->V_star[i]);
    s->sweeps = exact_value_iteration(s->M, s->pi->gamma, unbounded, V);
    for (size_t i = 0; i < nS; i++)
        if (!unbounded[i]) s->sweeps_distance = linalg_greater(s->sweeps_distance, fabs(V[i] - s->V_star[i]));
    free(unbounded);
    free(V);
}

static void solve_optimal(struct solution *s)
{
    char error[512];
    s->V_star = allocate((size_t)s->M->nS, sizeof *s->V_star, "optimal values");
    s->policy = allocate((size_t)s->M->nS, sizeof *s->policy, "an optimal policy");
    double gamma = s->pi->gamma;
    if (!exact_optimal(s->M, gamma, s->V_star, s->policy, &s->optimal_unit, error, sizeof error))
        bad_input("%s", error);
    solve_sweeps(s);
}

/* ---- residuals, in units ---- */

static double bellman_residual(const exact *x)              /* V = r_pi + gamma P_pi V */
{
    double *next = allocate((size_t)x->nS, sizeof *next, "a residual"), worst = 0;
    sparse_times(x->P, false, x->V, next);
    for (int s = 0; s < x->nS; s++)
        if (!x->absorbing[s])
            worst = linalg_greater(worst, fabs(x->r_pi[s] + x->gamma * next[s] - x->V[s]));
    free(next);
    return worst / x->unit_V;
}

static double flow_residual(const exact *x)                 /* rho = mu0 + gamma P_pi^T rho */
{
    size_t nS = (size_t)x->nS;
    double *rho = allocate(2 * nS, sizeof *rho, "a residual"), *in = rho + nS, worst = 0;
    for (int s = 0; s < x->nS; s++) rho[s] = exact_rho(x, s);
    sparse_times(x->P, true, rho, in);
    for (int s = 0; s < x->nS; s++)
        if (!x->absorbing[s])
            worst = linalg_greater(worst, fabs(x->M->mu0[s] + x->gamma * in[s] - rho[s]));
    free(rho);
    return worst / x->unit_rho;
}

static double advantage_residual(const exact *x)            /* sum_a pi(a|s) A(s,a) = 0 */
{
    double worst = 0;
    for (int s = 0; s < x->nS; s++)
        worst = linalg_greater(worst, fabs(linalg_dot(x->nA, x->pi + s * x->nA, x->A + s * x->nA)));
    return worst / (2 * x->unit_V);
}

static double objective_residual(const exact *x)            /* mu0^T V = rho^T r_pi */
{
    double J = 0;
    for (int s = 0; s < x->nS; s++) J += exact_rho(x, s) * x->r_pi[s];
    return fabs(J - x->J) / x->unit_V;
}

static double difference(int n, const double *a, const double *b)
{
    double worst = 0;
    for (int i = 0; i < n; i++) worst = linalg_greater(worst, fabs(a[i] - b[i]));
    return worst;
}

static double gradient_residual(const struct solution *s)   /* theorem = reverse mode through the solve */
{
    double *g = allocate((size_t)s->pi->n, sizeof *g, "a gradient"), units = NAN;
    if (gradient_autodiff(s->pi, g)) units = difference(s->pi->n, g, s->gradient) / s->pi->unit_gradient;
    free(g);
    return units;
}

static double fisher_residual(const struct solution *s)     /* scores = Hessian of the mean KL */
{
    size_t n = (size_t)s->pi->n;
    double *F = allocate(n * n, sizeof *F, "a Fisher matrix");
    fisher_kl(s->pi, F);
    double units = difference((int)(n * n), F, s->F) / s->pi->unit_fisher;
    free(F);
    return units;
}

/* ---- the JSON object ---- */

static json_t *residuals_json(const struct solution *s)
{
    const exact *x = s->pi;
    json_t *r = json_checked(json_object());
    json_set(r, "bellman", json_number(bellman_residual(x)));
    json_set(r, "flow", json_number(flow_residual(x)));
    json_set(r, "advantage", json_number(advantage_residual(x)));
    json_set(r, "objective", json_number(objective_residual(x)));
    json_set(r, "gradient", json_number(gradient_residual(s)));
    if (s->F) json_set(r, "fisher", json_number(fisher_residual(s)));
    if (s->pi1) {
        double error = fabs(s->comparison.lhs - s->comparison.rhs);
        json_set(r, "performance_difference", json_number(error / pair_unit(x, s->pi1)));
    }
    if (s->V_star) {
        double residual = exact_optimal_residual(s->M, x->gamma, s->V_star);
        json_set(r, "optimal", json_number(residual / s->optimal_unit));
        double units = s->sweeps_distance / s->optimal_unit;
        json_set(r, "value_iteration", json_number(s->sweeps.settled ? units : NAN));
    }
    return r;
}

static json_t *natural_gradient_json(const struct solution *s)
{
    const exact *x = s->pi;
    json_t *o = json_checked(json_object());
    json_set(o, "lapack", json_matrix(x->nS, x->nA, s->lapack));
    json_set(o, "cg", json_matrix(x->nS, x->nA, s->cg));
    json_set(o, "cg_iterations", json_integer(s->cg_result.iterations));
    json_set(o, "cg_outcome", json_text(cg_outcome_name(s->cg_result.outcome)));
    json_set(o, "rank", json_integer(s->spectrum->rank));
    json_set(o, "agreement", json_number(s->agreement));
    return o;
}

static json_t *against_json(const struct solution *s)
{
    policy_comparison c = s->comparison;
    json_t *o = json_checked(json_object()), *difference = json_checked(json_object());
    json_set(difference, "lhs", json_number(c.lhs));
    json_set(difference, "rhs", json_number(c.rhs));
    json_set(o, "J", json_number(c.J));
    json_set(o, "performance_difference", difference);
    json_set(o, "tv_max", json_number(c.tv_max));
    json_set(o, "kl_max", json_number(c.kl_max));
    json_set(o, "kl_mean", json_number(c.kl_mean));
    json_set(o, "surrogate", json_number(c.surrogate));
    json_set(o, "lower_bound", json_number(c.lower_bound));
    return o;
}

static double optimal_J(const struct solution *s)           /* NaN where a start state's value is unbounded */
{
    double J = 0;
    for (int i = 0; i < s->M->nS; i++)
        if (s->M->mu0[i] > 0) J += s->M->mu0[i] * s->V_star[i];
    return J;
}

static json_t *optimal_json(const struct solution *s)
{
    json_t *o = json_checked(json_object()), *policy = json_checked(json_array());
    for (int i = 0; i < s->M->nS; i++)
        json_append(policy, s->policy[i] < 0 ? json_null() : json_integer(s->policy[i]));
    json_set(o, "V", json_vector(s->M->nS, s->V_star));
    json_set(o, "policy", policy);
    json_set(o, "J", json_number(optimal_J(s)));
    return o;
}

static void print_json(const struct solution *s)
{
    const exact *x = s->pi;
    json_t *o = json_checked(json_object());
    json_set(o, "states", json_integer(x->nS));
    json_set(o, "actions", json_integer(x->nA));
    json_set(o, "discount", json_number(x->gamma));
    json_set(o, "J", json_number(x->J));
    json_set(o, "V", json_vector(x->nS, x->V));
    json_set(o, "rho", json_vector(x->nS, x->rho));
    json_set(o, "Q", json_matrix(x->nS, x->nA, x->Q));
    json_set(o, "A", json_matrix(x->nS, x->nA, x->A));
    json_set(o, "gradient", json_matrix(x->nS, x->nA, s->gradient));
    json_set(o, "residuals", residuals_json(s));
    if (s->F) json_set(o, "fisher", json_matrix(x->n, x->n, s->F));
    if (s->F) json_set(o, "natural_gradient", natural_gradient_json(s));
    if (s->pi1) json_set(o, "against", against_json(s));
    if (s->V_star) json_set(o, "optimal", optimal_json(s));
    json_print(o);
}

/* ---- text ---- */

struct text { char at[40]; };

/* x in the given format, or a dash for what is infinite or undefined */
static struct text number(const char *format, double x)
{
    struct text t = { "-" };
    if (isfinite(x)) snprintf(t.at, sizeof t.at, format, x);
    return t;
}

static struct text state_label(const mdp *M, int s)
{
    struct text t;
    if (M->state_name) snprintf(t.at, sizeof t.at, "%.30s", M->state_name[s]);
    else               snprintf(t.at, sizeof t.at, "%d", s);
    return t;
}

static struct text action_label(const mdp *M, int a)        /* a < 0: none */
{
    struct text t = { "-" };
    if (a >= 0 && M->action_name) snprintf(t.at, sizeof t.at, "%.30s", M->action_name[a]);
    else if (a >= 0)              snprintf(t.at, sizeof t.at, "%d", a);
    return t;
}

/* One row for each state, one column for each action */
static void print_table(const struct solution *s, const char *title, const double *x)
{
    printf("\n%-14s", title);
    for (int a = 0; a < s->M->nA; a++) printf(" %12.12s", action_label(s->M, a).at);
    putchar('\n');
    for (int i = 0; i < s->M->nS; i++) {
        printf("%-14s", state_label(s->M, i).at);
        for (int a = 0; a < s->M->nA; a++) printf(" %12.6g", x[i * s->M->nA + a]);
        putchar('\n');
    }
}

static void print_states(const struct solution *s)
{
    const exact *x = s->pi;
    printf("\n%-14s %12s %12s\n", "state", "V", "rho");
    for (int i = 0; i < x->nS; i++)
        printf("%-14s %12.6g %12s\n", state_label(s->M, i).at, x->V[i], number("%.6g", x->rho[i]).at);
    print_table(s, "pi(a|s)", x->pi);
    print_table(s, "Q(s,a)", x->Q);
    print_table(s, "A(s,a)", x->A);
    print_table(s, "dJ/dtheta[s,a]", s->gradient);
}

static void print_fisher(const struct solution *s)
{
    int n = s->pi->n;
    const char *undecided = fisher_rank_undecided(s->pi);
    print_table(s, "F^+ dJ/dtheta", s->lapack);
    printf("\nFisher matrix: %d x %d, rank %d, condition on its range %.3g\n", n, n, s->spectrum->rank,
           s->spectrum->cond);
    if (undecided) printf("its rank, and with it the natural gradient, is not certain: %s\n", undecided);
    printf("conjugate gradients %s after %d steps; distance to LAPACK's natural gradient %s in the F-norm\n",
           cg_outcome_name(s->cg_result.outcome), s->cg_result.iterations,
           number("%.2g", s->agreement).at);
}

static void print_against(const struct solution *s)
{
    policy_comparison c = s->comparison;
    printf("\nJ(pi')                                  = %.17g\n", c.J);
    printf("J(pi') - J(pi)                          = %.17g\n", c.lhs);
    printf("sum_s rho_pi'(s) sum_a pi'(a|s) A(s,a)  = %.17g\n", c.rhs);
    printf("surrogate L_pi(pi')                     = %.17g\n", c.surrogate);
    printf("L - 4 eps gamma/(1-gamma)^2 max KL      = %s\n", number("%.17g", c.lower_bound).at);
    printf("KL(pi||pi'): max %s, mean %s; TV: max %.6g\n", number("%.6g", c.kl_max).at,
           number("%.6g", c.kl_mean).at, c.tv_max);
}

static void print_optimal(const struct solution *s)
{
    printf("\noptimal J = %s\n", number("%.17g", optimal_J(s)).at);
    printf("V* by policy iteration and by %d sweeps of value iteration%s differ by at most %.1e;\n",
           s->sweeps.sweeps, s->sweeps.settled ? "" : ", which has not settled,", s->sweeps_distance);
    if (isfinite(s->sweeps.bound)) printf("the latter is right to %.1e\n", s->sweeps.bound);
    else                           printf("at gamma = 1 value iteration knows no bound of its error\n");
    printf("%-14s %12s   action\n", "state", "V*");
    for (int i = 0; i < s->M->nS; i++)
        printf("%-14s %12s   %s\n", state_label(s->M, i).at, number("%.6g", s->V_star[i]).at,
               action_label(s->M, s->policy[i]).at);
}

static void print_text(const struct solution *s)
{
    const exact *x = s->pi;
    printf("%s: %d states, %d actions, gamma %.15g\n", s->M->name, x->nS, x->nA, x->gamma);
    printf("J = %.17g, right to %.1e\n", x->J, 10 * x->unit_V);
    print_states(s);
    if (s->F) print_fisher(s);
    if (s->pi1) print_against(s);
    if (s->V_star) print_optimal(s);
}

int solve_command(int argc, char **argv)
{
    const char *gamma = NULL, *policy = "uniform", *against = NULL;
    bool fisher = false, optimal = false, json = false;
    const option table[] = {
        { "--gamma", "G", "discount instead of the MDP's own", &gamma, NULL },
        { "--policy", "FILE", "logits, CSV, one row a state; or uniform (the default)", &policy, NULL },
        { "--against", "FILE", "compare with another policy pi'", &against, NULL },
        { "--fisher", NULL, "the Fisher matrix and the natural gradient", NULL, &fisher },
        { "--optimal", NULL, "optimal values and a policy that attains them", NULL, &optimal },
        { "--json", NULL, "one JSON object with everything", NULL, &json },
        { NULL, NULL, NULL, NULL, NULL } };
    int left = options_parse(argc, argv,
        "solve MDP [--gamma G] [--policy uniform|FILE] [--against FILE] [--fisher] [--optimal] [--json]",
        "Solves a finite MDP under a softmax policy: J, V, Q, A, rho, the policy gradient.\n"
        "MDP: a .mdp file or a built-in name. Residuals in the JSON are in units of rounding error.", table);
    if (left != 1) bad_input("solve: expected one MDP, found %d", left);

    char error[512];
    struct solution s = { .M = mdp_open(argv[1], error, sizeof error) };
    if (!s.M) bad_input("%s", error);
    double G = gamma ? options_number("--gamma", gamma, 0, 1) : s.M->gamma;
    s.pi = policy_solved(policy, s.M, G);
    if (against) {
        s.pi1 = policy_solved(against, s.M, G);
        s.comparison = compare_policies(s.pi, s.pi1);
    }
    s.gradient = allocate((size_t)s.pi->n, sizeof *s.gradient, "a gradient");
    gradient_theorem(s.pi, s.gradient);
    if (fisher) solve_fisher(&s);
    if (optimal) solve_optimal(&s);
    if (json) print_json(&s);
    else      print_text(&s);

    exact_free(s.pi);
    exact_free(s.pi1);
    fisher_spectrum_free(s.spectrum);
    free(s.gradient);
    free(s.F);
    free(s.lapack);
    free(s.cg);
    free(s.V_star);
    free(s.policy);
    mdp_free(s.M);
    return EXIT_HELD;
}
