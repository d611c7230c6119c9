/* Policy improvement, the KL's series, the Fisher matrix and the natural gradient: every line of these derivations
 * on tables and features, the numbers that an independent program (errata_check.py: pure Python, Gauss-Jordan,
 * finite differences) has for E5, and the page of NPG-7. */
#include <float.h>
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "autodiff/linalg.h"
#include "derivations/derivation.h"
#include "derivations/fisher.h"
#include "derivations/natural_gradient.h"
#include "derivations/performance_difference.h"
#include "derivations/policy_gradient_theorem.h"
#include "derivations/problem.h"

enum { NS = 5, NA = 3, N = NS * NA };

/* E5 with theta(s,a) = cos(s+2a) at this discount; start 0: mu0 is all in state 0 */
typedef struct { mdp *M; exact *x; setting *at; } e5;

static e5 e5_new(double gamma, bool start_0)
{
    char error[256];
    double theta[N];
    e5 e = { .M = mdp_open("E5", error, sizeof error) };
    for (int s = 0; s < NS && start_0; s++) e.M->mu0[s] = s == 0;
    for (int i = 0; i < N; i++) theta[i] = cos(i / NA + 2 * (i % NA));
    e.x = exact_new(e.M, gamma, theta, error, sizeof error);
    assert_non_null(e.x);
    e.at = setting_new(e.x, e.x, 1);
    return e;
}

static void e5_free(e5 *e)
{
    setting_free(e->at);
    exact_free(e->x);
    mdp_free(e->M);
}

/* theta + t v */
static exact *moved(const exact *x, double t, const double *v)
{
    char error[256];
    double theta[N];
    for (int i = 0; i < N; i++) theta[i] = x->theta[i] + t * v[i];
    exact *y = exact_new(x->M, x->gamma, theta, error, sizeof error);
    assert_non_null(y);
    return y;
}

/* to half a unit of the last printed digit */
static void is(double got, double printed, double digit)
{
    if (!(fabs(got - printed) <= 0.5000001 * digit)) fail_msg("got %.10g, not %.10g", got, printed);
}

static double mean_kl(const exact *x, const double *theta1, bool reversed)
{
    ad_tape *t = ad_tape_new();
    ad theta = ad_input(t, theta1, x->n, 1);
    double value = ad_scalar(reversed ? fisher_mean_kl_reversed(t, x, theta) : fisher_mean_kl(t, x, theta));
    ad_tape_free(t);
    return value;
}

static double cosine(const double *a, const double *b)
{
    return linalg_dot(N, a, b) / (linalg_norm2(N, a) * linalg_norm2(N, b));
}

static double line_number(const char *id, int line, const setting *at, int i)
{
    derivation_result r = derivation_run(derivation_find(id), at);
    assert_true(r.verdict == PASS && line < r.lines && r.computed[line]);
    double value = derivation_number(&r, line, i);
    derivation_result_free(&r);
    return value;
}

/* ---- numbers of the independent program ---- */

static void step_sizes(void **state)                                /* X14 */
{
    (void)state;
    e5 e = e5_new(0.9, false);
    double c = e.x->fisher_scale, Fg[N];                            /* there g is normalised by 1 - gamma */
    linalg_matvec(N, N, e.at->F, e.at->g, Fg);
    is(c * c * linalg_dot(N, e.at->g, Fg), 7.7595e-4, 1e-8);
    is(c * c * linalg_dot(N, e.at->g, e.at->x), 2.3304e-1, 1e-5);
    is(line_number("NPG-4", 1, e.at, 0), 0.01, 1e-6);
    is(line_number("NPG-4", 3, e.at, 0), 3.0033, 1e-4);
    static const struct { double eps, printed_kl, kl; } want[] = { { 0.01, 0.89057, 0.010544 },
                                                                   { 0.001, 0.32616, 0.0010165 } };
    for (int k = 0; k < 2; k++) {
        double gFx = linalg_dot(N, e.at->g, e.at->x), gFg = linalg_dot(N, e.at->g, Fg), theta[N];
        for (int i = 0; i < N; i++) theta[i] = e.x->theta[i] + sqrt(2 * want[k].eps / gFg) * e.at->x[i];
        is(mean_kl(e.x, theta, true), want[k].printed_kl, 1e-5);
        for (int i = 0; i < N; i++) theta[i] = e.x->theta[i] + sqrt(2 * want[k].eps / gFx) * e.at->x[i];
        is(mean_kl(e.x, theta, true), want[k].kl, k ? 1e-7 : 1e-6);
    }
    e5_free(&e);
}

static void kl_directions(void **state)                             /* X15 */
{
    (void)state;
    e5 e = e5_new(0.9, false);
    static const struct { double t, forward, digit_f, reversed, digit_r; } want[] = {
        { 1, 0.126859, 1e-6, 0.134602, 1e-6 }, { 0.1, 0.0011755, 1e-8, 0.00118599, 1e-8 },
        { 0.01, 1.16622e-05, 1e-10, 1.16723e-05, 1e-10 } };
    static const double ratio[][2] = { { 1.0887, 1.1552 }, { 1.0088, 1.0178 }, { 1.0009, 1.0017 } };
    double FA[N], theta[N];
    linalg_matvec(N, N, e.at->F, e.x->A, FA);
    for (int k = 0; k < 3; k++) {
        double t = want[k].t, quadratic = t * t * linalg_dot(N, e.x->A, FA) / 2;
        for (int i = 0; i < N; i++) theta[i] = e.x->theta[i] + t * e.x->A[i];
        double forward = mean_kl(e.x, theta, false), reversed = mean_kl(e.x, theta, true);
        is(forward, want[k].forward, want[k].digit_f);
        is(reversed, want[k].reversed, want[k].digit_r);
        is(forward / quadratic, ratio[k][0], 1e-4);
        is(reversed / quadratic, ratio[k][1], 1e-4);
    }
    e5_free(&e);
}

/* The natural gradient with F weighted by d; its true KL at eps = 0.01 */
static double natural_gradient_weighted(const e5 *e, double *d, double *x)
{
    double F[N * N], theta[N];
    exact weighted = *e->x;
    weighted.d = d;
    fisher_scores(&weighted, F);
    fisher_spectrum *f = fisher_spectrum_new(N, F);
    natural_gradient_lapack(f, F, e->at->g, x);
    fisher_spectrum_free(f);
    double alpha = sqrt(2 * 0.01 / linalg_dot(N, e->at->g, x));
    for (int i = 0; i < N; i++) theta[i] = e->x->theta[i] + alpha * x[i];
    return mean_kl(e->x, theta, e->x->gamma == 0.9);        /* X16 is new||old, X68 old||new */
}

static void stationary_weights(void **state)                        /* X16, X68 */
{
    (void)state;
    static const struct { double gamma; bool start_0; double cosine, ratio[NS], digit, right, wrong; } want[] = {
        { 0.9, false, 0.9991, { 0.937, 0.964, 1.007, 1.056, 1.052 }, 1e-3, 0.01054, 0.01071 },
        { 0.5, true,  0.7321, { 2.63, 0.382, 0.39, 0.585, 0.72 }, 1e-2, 0.00964, 0.02047 } };
    for (int k = 0; k < 2; k++) {
        e5 e = e5_new(want[k].gamma, want[k].start_0);
        double d[NS], right[N], wrong[N];
        assert_true(fisher_stationary_weights(e.x, d));
        for (int s = 0; s < NS; s++) is(e.x->d[s] / d[s], want[k].ratio[s], want[k].digit);
        is(natural_gradient_weighted(&e, e.x->d, right), want[k].right, 1e-5);
        is(natural_gradient_weighted(&e, d, wrong), want[k].wrong, 1e-5);
        is(cosine(right, wrong), want[k].cosine, 1e-4);
        e5_free(&e);
    }
}

/* s -> s or its twin: two chains that never meet; and an episode, where what is left starts anew */
static void stationary_weights_elsewhere(void **state)
{
    (void)state;
    char error[256];
    double theta[6] = { 0 }, d[3];
    mdp_builder *b = mdp_begin("two chains", 2, 1, 0.9);
    mdp_start(b, 0, 0.5);
    mdp_start(b, 1, 0.5);
    for (int s = 0; s < 2; s++) mdp_transition(b, s, 0, s, 1, 1);
    mdp *M = mdp_finish(b);
    exact *x = exact_new(M, 0.9, theta, error, sizeof error);
    assert_false(fisher_stationary_weights(x, d));
    exact_free(x);
    mdp_free(M);
    b = mdp_begin("an episode", 3, 1, 0.9);         /* 0 stays with 3/4, then 1, then the end: 4 steps and 1 */
    mdp_start(b, 0, 1);
    mdp_transition(b, 0, 0, 0, 0.75, 1);
    mdp_transition(b, 0, 0, 1, 0.25, 1);
    mdp_transition(b, 1, 0, 2, 1, 1);
    mdp_transition(b, 2, 0, 2, 1, 0);
    M = mdp_finish(b);
    x = exact_new(M, 0.9, theta, error, sizeof error);
    assert_true(fisher_stationary_weights(x, d));
    is(d[0], 0.8, 1e-12);
    is(d[1], 0.2, 1e-12);
    is(d[2], 0, 1e-12);
    exact_free(x);
    mdp_free(M);
}

static void spectrum(void **state)                                  /* X17 */
{
    (void)state;
    static const double want[] = { 2.26e-2, 2.74e-2, 3.14e-2, 3.16e-2, 3.42e-2, 6.69e-2, 6.83e-2, 7.45e-2, 7.70e-2,
                                   8.29e-2 };
    e5 e = e5_new(0.9, false);
    assert_int_equal(e.at->spectrum->rank, 10);
    for (int i = 0; i < 5; i++) assert_true(fabs(e.at->spectrum->lambda[i]) < 1e-16);
    for (int i = 0; i < 10; i++) is(e.at->spectrum->lambda[5 + i], want[i], 1e-4);
    e5_free(&e);
}

static void pointwise(void **state)                                 /* X37 */
{
    (void)state;
    e5 e = e5_new(0.9, false);
    double greatest = 0;
    for (int i = 0; i < N; i++)
        greatest = fmax(greatest, line_number("PDI-4", 2, e.at, i) - line_number("PDI-4", 1, e.at, i));
    is(greatest, 0.4149, 1e-4);
    e5_free(&e);
}

static void other_visits(void **state)                              /* X27 */
{
    (void)state;
    static const double want[][3] = { { 2, 5.082454, 4.798311 }, { 1, 2.658597, 2.614612 },
                                      { 0.125, 0.296158, 0.296187 } };
    e5 e = e5_new(0.9, false);
    for (int k = 0; k < 3; k++) {
        exact *pi1 = moved(e.x, want[k][0], e.x->A);
        setting *at = setting_new(e.x, pi1, 1);
        is(line_number("PDI-7", 0, at, 0) - e.x->J, want[k][1], 1e-6);
        is(line_number("PDI-7", 1, at, 0) - e.x->J, want[k][1], 1e-6);
        is(line_number("PDI-7", 2, at, 0) - e.x->J, want[k][2], 1e-6);
        is(line_number("PDI-8", 1, at, 0), want[k][1], 1e-6);
        setting_free(at);
        exact_free(pi1);
    }
    e5_free(&e);
}

static void gaussian_steps(void **state)                            /* X46 */
{
    (void)state;
    static const double want[] = { 0.005, 0.5, 50 };
    setting at = { .seed = 1 };
    for (int line = 0; line < 3; line++)
        for (int i = 0; i < 3; i++) is(line_number("KL-12", line, &at, i), want[i], 1e-10);
}

/* ---- every line, and the wrong ones ---- */

static const char *const ids[] = {
    "PDI-4", "PDI-5", "PDI-7", "PDI-8", "TRPO-19", "TRPO-20", "TRPO-21", "TRPO-22", "NPG-1", "NPG-2", "NPG-3",
    "NPG-6", "NPG-8", "KL-10", "KL-11", "KL-12", "NPG-4", "TRPO-30", "NPG-9", "NPG-7" };

/* verdict of derivation d where it is to hold: PASS, but n/a for what only tables have */
static void holds(const char *id, const setting *at, bool tabular, const char *where)
{
    const derivation *d = derivation_find(id);
    derivation_result r = derivation_run(d, at);
    bool table_only = strcmp(id, "NPG-8") == 0 || strcmp(id, "NPG-9") == 0;
    if (r.verdict != (table_only && !tabular ? NOT_APPLICABLE : PASS))
        fail_msg("%s on %s: %s, %.3g units, %s", id, where, verdict_name(r.verdict),
                 r.verdict == NOT_APPLICABLE ? 0 : r.units[r.worst], r.reason ? r.reason : "");
    derivation_result_free(&r);
}

static void lines_hold(void **state)
{
    (void)state;
    static const char *const names[] = { "E5", "FrozenLake-v1", "CliffWalking-v1" };
    for (size_t m = 0; m < 3; m++) {
        problem p = problem_open(names[m], NULL, NULL, NULL, 1);
        assert_int_equal(p.policies, 4);
        for (int k = 0; k < (m < 2 ? 4 : 3); k++)           /* the network's condition on the cliff is 2e9 */
            for (size_t i = 0; i < sizeof ids / sizeof *ids; i++)
                holds(ids[i], p.policy[k].setting, !p.policy[k].class, p.policy[k].name);
        problem_close(&p);
    }
}

static void wrong_lines_differ(void **state)
{
    (void)state;
    static const char *const errata[] = { "ERR-29", "ERR-30", "ERR-34", "ERR-38", "ERR-53", "ERR-54", "ERR-55" };
    problem p = problem_open("E5", NULL, NULL, NULL, 1);
    int line = -1;
    for (size_t i = 0; i < sizeof errata / sizeof *errata; i++) {
        const derivation *d = derivation_next_erratum(errata[i], NULL, &line);
        assert_non_null(d);
        assert_string_equal(d->line[line].erratum, errata[i]);
        derivation_result r = derivation_run(d, p.policy[0].setting);
        if (!r.differs[line]) fail_msg("%s is not refuted on E5", errata[i]);
        derivation_result_free(&r);
    }
    assert_null(derivation_next_erratum("ERR-0", NULL, &line));
    problem_close(&p);
}

/* A third-order coefficient twice as large: kappa_3 / 6 for KL(old||new), kappa_3 / 3 for the other, by hand for the
 * exponential family A(t): A(t) - A - t A', and t A'(t) - A(t) + A. */
static void third_order(void **state)
{
    (void)state;
    problem p = problem_open("FrozenLake-v1", NULL, NULL, NULL, 1);
    double forward = line_number("TRPO-20", 0, p.policy[1].setting, 3);
    double reversed = line_number("TRPO-20", 2, p.policy[1].setting, 3);
    assert_true(fabs(forward) > 1e-3);
    assert_true(fabs(reversed - 2 * forward) <= 1e-12);
    problem_close(&p);
}

/* All actions do the same: a gradient of nothing, or of rounding, is said to be that, not called PASS. */
static void no_direction(void **state)
{
    (void)state;
    char error[256];
    static const double theta[][6] = { { 0 }, { 0.3, -0.2, 0.7, 0.1, 1.1, -0.4 } };
    static const char *const quiet[] = { "KL-10", "KL-11", "NPG-4", "NPG-7", "NPG-9" };
    mdp_builder *b = mdp_begin("equal", 2, 3, 0.9);
    mdp_start(b, 0, 1);
    for (int i = 0; i < 6; i++) mdp_transition(b, i / 3, i % 3, 1 - i / 3, 1, 0.1 + i / 3);
    mdp *M = mdp_finish(b);
    for (int k = 0; k < 2; k++) {
        exact *x = exact_new(M, 0.9, theta[k], error, sizeof error);
        setting *at = setting_new(x, x, 1);
        assert_true(linalg_max_abs(6, at->g) < 1e-13);
        if (k == 1) assert_true(linalg_max_abs(6, at->g) > 0);
        for (size_t i = 0; i < sizeof quiet / sizeof *quiet; i++) {
            derivation_result r = derivation_run(derivation_find(quiet[i]), at);
            assert_int_equal(r.verdict, NOT_APPLICABLE);
            derivation_result_free(&r);
        }
        setting_free(at);
        exact_free(x);
    }
    mdp_free(M);
}

/* ---- the page of NPG-7 ---- */

/* The numbers of the first line that begins, after spaces, with this text; their count */
static int numbers_after(const char *page, const char *begins, double *out, int max)
{
    for (const char *at = page; at; at = strchr(at, '\n')) {
        at += strspn(at, "\n ");
        if (strncmp(at, begins, strlen(begins)) != 0) continue;
        int count = 0;
        char *end;
        at += strlen(begins);
        for (; count < max; at = end, count++) {
            out[count] = strtod(at, &end);
            if (end == at) break;
        }
        return count;
    }
    return 0;
}

static char *page_of(const char *name, problem *p)
{
    char *text = NULL;
    size_t size;
    *p = problem_open(name, NULL, NULL, NULL, 1);
    FILE *out = open_memstream(&text, &size);
    assert_non_null(out);
    derivation_find("NPG-7")->page(p->policy[0].setting, out);
    fclose(out);
    for (const char *line = text; *line; line += strcspn(line, "\n") + 1)
        if (strcspn(line, "\n") > 100) fail_msg("%.40s... is %zu columns wide", line, strcspn(line, "\n"));
    return text;
}

static void page_damping(void **state)
{
    (void)state;
    problem p;
    char *page = page_of("E5", &p);
    static const char *const lambda[] = { "1e-01 ", "1e-03 ", "1e-05 ", "1e-08 " };
    double v[5], value[] = { 1e-1, 1e-3, 1e-5, 1e-8 };
    for (int i = 0; i < 4; i++) {
        assert_int_equal(numbers_after(page, lambda[i], v, 5), 5);
        assert_true(fabs(v[0] / v[1] - 1) <= 0.01);                 /* measured as predicted, both to 3 digits */
        is(v[2], value[i] / (value[i] + 0.022579), 0.01 * v[2]);    /* ERR-55: 1e-5 / .0226 */
        assert_true(v[0] <= v[2] && v[3] < 1e-2 * v[0]);
    }
    assert_int_equal(numbers_after(page, "1e-14 ", v, 5), 5);
    assert_true(v[0] > 1e3 * v[1] && v[3] > 0.9 * v[0]);            /* the rounding of g, over lambda */
    free(page);
    problem_close(&p);
}

static void page_history(void **state)
{
    (void)state;
    problem p;
    char *page = page_of("E5", &p), row[16];
    double v[6], last = 1, k = p.policy[0].setting->spectrum->cond;
    for (int step = 1; step <= 10; step++) {
        snprintf(row, sizeof row, "%d  ", step);
        assert_int_equal(numbers_after(page, row, v, 6), 6);
        assert_true(v[2] < last && v[2] <= v[3]);                   /* falls in the F-norm, below its bound */
        is(v[3], 2 * pow((sqrt(k) - 1) / (sqrt(k) + 1), step), 0.1 * v[3]);
        last = v[2];
    }
    assert_true(v[0] < 1e-12 && v[4] < 1e-12 && v[5] < 1e-12);      /* 10 eigenvalues, 10 steps */
    assert_non_null(strstr(page, "here algorithms/cg.c has converged"));
    const char *run_on = strstr(page, "At the end the 2-norm error is");
    assert_non_null(run_on);
    assert_int_equal(numbers_after(run_on, "At the end the 2-norm error is", v, 1), 1);
    assert_int_equal(numbers_after(strstr(run_on, ", and"), ", and", v + 1, 1), 1);
    assert_true(v[0] > 1e-6 && fabs(v[1] / v[0] - 1) < 0.05);       /* run on, all of it in the null space */
    free(page);
    problem_close(&p);
}

/* d(s) pi(a|s) of alike sizes but for one, 1e-11 or 2e-22 of the others: less than 100 n u = 3e-13 drowns */
static void rank_undecided(void **state)
{
    (void)state;
    static const double logit[] = { 0, -25, -50 };
    for (int k = 0; k < 3; k++) {
        char error[256];
        mdp *M = mdp_open("E5", error, sizeof error);
        double theta[N] = { 0, 0, logit[k] };
        exact *x = exact_new(M, 0.9, theta, error, sizeof error);
        assert_non_null(x);
        const char *reason = fisher_rank_undecided(x);
        if (k < 2) assert_null(reason);
        else       assert_string_equal(reason, "the least d(s) pi(a|s) drowns in rounding");
        exact_free(x);
        mdp_free(M);
    }
}

/* F = diag(1, r) is regular beyond doubt above r = 1000 n u: Cholesky's F^-1 g is then taken, and else what the
 * spectrum says. This one says that all is null space, and so tells which of the two it was. */
static void regular_beyond_doubt(void **state)
{
    (void)state;
    static const double times[] = { 999.5, 1000.5 };
    for (int k = 0; k < 2; k++) {
        double r = times[k] * 2 * DBL_EPSILON, F[4] = { 1, 0, 0, r }, g[2] = { 3, 5 * r }, x[2];
        fisher_spectrum *f = fisher_spectrum_new(2, F);
        assert_int_equal(f->rank, 2);
        f->rank = 0;
        natural_gradient_lapack(f, F, g, x);
        for (int i = 0; i < 2; i++) assert_true(fabs(x[i] - k * (i ? 5 : 3)) <= 1e-14);
        fisher_spectrum_free(f);
    }
}

/* An eigenvalue is 0 up to 10 n u of the greatest. */
static void cutoff(void **state)
{
    (void)state;
    static const double times[] = { 9.9, 10.1 };
    for (int k = 0; k < 2; k++) {
        fisher_spectrum *f = fisher_spectrum_new(2, (double[]){ 1, 0, 0, times[k] * 2 * DBL_EPSILON });
        assert_int_equal(f->rank, 1 + k);
        fisher_spectrum_free(f);
    }
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(step_sizes), cmocka_unit_test(kl_directions), cmocka_unit_test(stationary_weights),
        cmocka_unit_test(stationary_weights_elsewhere), cmocka_unit_test(spectrum), cmocka_unit_test(rank_undecided),
        cmocka_unit_test(pointwise), cmocka_unit_test(regular_beyond_doubt), cmocka_unit_test(cutoff),
        cmocka_unit_test(other_visits), cmocka_unit_test(gaussian_steps), cmocka_unit_test(lines_hold),
        cmocka_unit_test(wrong_lines_differ), cmocka_unit_test(third_order), cmocka_unit_test(no_direction),
        cmocka_unit_test(page_damping), cmocka_unit_test(page_history) };
    if (argc > 1) cmocka_set_test_filter(argv[1]);
    linalg_start();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
