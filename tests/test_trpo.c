/* TRPO: each function against a plain loop; updates with every option against the same in long double, F formed by
 * hand; the line search where the KL, L, or both refuse; what holds after every update, over thousands of them and
 * batches made to break it; whole runs.
 *     test_trpo [pattern]       runs the tests whose names match */
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

#include "algorithms/cg.h"
#include "algorithms/trpo.h"
#include "autodiff/random.h"
#include "derivations/exact.h"
#include "envs/env_mdp.h"
#include "tests/child_process.h"
#include "tests/trust_region_by_hand.h"

/* ---- the equations ---- */

static void equations(void **state)
{
    (void)state;
    const double logp[3] = { -1, -0.2, -3 }, old[3] = { -1.5, -0.1, -3 }, A[3] = { 2, -1, 0.5 };
    const double w[3] = { 0.5, 0.3, 0.2 }, kl[3] = { 0.1, 0.7, 0.2 }, x[2] = { 1, -2 }, Fx[2] = { 3, -0.5 };
    ad_tape *t = ad_tape_new();
    ad x_logp = ad_input(t, logp, 3, 1), ratio = trpo_ratio(x_logp, ad_input(t, old, 3, 1));
    ad L = trpo_surrogate(ratio, ad_input(t, A, 3, 1), ad_input(t, w, 3, 1)), kl_t = ad_input(t, kl, 3, 1);
    ad max_kl = trpo_max_kl(kl_t);
    const double *g = ad_value(ad_grad(L, x_logp)), *at_max = ad_value(ad_grad(max_kl, kl_t));
    double want = 0;
    for (int k = 0; k < 3; k++) {
        double by_hand = exp(logp[k]) / exp(old[k]);
        assert_near(ad_value(ratio)[k], by_hand, 4 * DBL_EPSILON);
        assert_near(g[k], w[k] * by_hand * A[k], 8 * DBL_EPSILON);
        assert_near(at_max[k], k == 1, 0);
        want += w[k] * by_hand * A[k];
    }
    assert_near(ad_scalar(L), want, 8 * DBL_EPSILON);
    assert_near(ad_scalar(trpo_mean_kl(kl_t, ad_input(t, w, 3, 1))), 0.3, 2 * DBL_EPSILON);
    assert_near(ad_scalar(max_kl), 0.7, 0);
    assert_near(trpo_beta(0.02, 2, x, Fx), sqrt(0.04 / 4), DBL_EPSILON);
    assert_true(trpo_accepts(0.01, 1e-300, 0.01) && !trpo_accepts(nextafter(0.01, 1), 1, 0.01));
    assert_true(!trpo_accepts(0, 0, 0.01) && !trpo_accepts(0, -1, 0.01));
    assert_true(!trpo_accepts(NAN, 1, 0.01) && !trpo_accepts(0, NAN, 0.01));
    ad_tape_free(t);
}

/* ---- updates by hand ---- */

static trpo_config config_of(const struct hand_settings *h)
{
    return (trpo_config){ .workers = h->workers, .n_steps = h->n_steps, .gamma = h->gamma, .lambda = h->lambda,
                          .normalise = h->normalise, .delta = h->delta,
                          .constraint = h->max_kl ? TRPO_MAX : TRPO_MEAN, .damping = h->damping,
                          .cg_iterations = h->cg_iterations, .cg_tol = h->cg_tol, .F_every = h->F_every,
                          .alpha = h->alpha, .backtracks = h->backtracks, .lr_V = h->lr_V,
                          .V_epochs = h->V_epochs, .V_batch = h->V_batch };
}

static void updates_by_hand(void **state)
{
    (void)state;
    int seen[14] = { 0 };
    for (int k = 0; k < 90; k++) {
        struct any x = any_new(k, 6 + k % 7, k % 5 ? 0.6 : 2);
        struct hand_settings h = hand_option(k);
        struct hand_batch batch = batch_of(&x, k % 3);
        trpo_config c = config_of(&h);
        long double theta[HAND_N], old[HAND_N];
        for (int i = 0; i < x.p.n; i++) theta[i] = old[i] = x.theta[i];
        int j = hand_update(&h, true, &batch, theta);
        ad_tape *t = ad_tape_new();
        trpo_step step = trpo_update(t, &c, &x.p, x.theta, x.b, x.A, k % 3 ? x.w : NULL);
        if (j < 0) assert_true(step.outcome == TRPO_GAVE_UP && isnan(step.j) && step.kl == 0 && step.L == 0);
        else assert_true(step.outcome == TRPO_ACCEPTED && step.j == j);
        for (int i = 0; i < x.p.n && j < 0; i++) assert_true(x.theta[i] == (double)old[i]);
        same_step(&x, &batch, h.max_kl, old, theta, step.kl, step.L);
        seen[j + 1]++;
        ad_tape_free(t);
        rollout_free(x.b);
    }
    assert_true(seen[0] >= 3 && seen[1] >= 10 && seen[2] >= 10 && seen[3] + seen[4] + seen[5] >= 5);
}

/* KL = (theta' - .1)^2, L = (theta' - .1)(c - theta' + .1), steps 1, 1/2, 1/4, ...: who refuses which, and j */
static void line_search(void **state)
{
    (void)state;
    static const struct { double delta, c; int most, j; } cases[] = {
        { 4, 2, 5, 0 },                         /* nobody */
        { 0.3, 2, 5, 1 },  { 0.25, 2, 5, 1 },   /* the KL refuses 1; it may be delta */
        { 4, 0.3, 5, 2 },  { 4, 0.5, 5, 2 },    /* L < 0 at 1 and 1/2; L = 0 at 1/2 */
        { 0.1, 0.3, 5, 2 },                     /* both refuse 1 and 1/2 */
        { 0.3, 0.3, 5, 2 },                     /* the KL 1, L 1/2 */
        { 4, 0.3, 2, -1 }, { 1e-9, 2, 5, -1 }, { 4, -1, 5, -1 } };
    for (size_t k = 0; k < sizeof cases / sizeof *cases; k++) {
        trpo_config c = { .delta = cases[k].delta, .alpha = 0.5, .backtracks = cases[k].most };
        double theta = 0.1;
        const double x = -2;
        ad_tape *t = ad_tape_new();
        ad at = ad_input(t, &theta, 1, 1), moved = ad_neg(ad_shift(at, -0.1));  /* beta x = -1 */
        trpo_problem problem = { at, ad_mul(moved, ad_neg(ad_shift(moved, -cases[k].c))), ad_square(moved) };
        int j = trpo_line_search(&c, 1, &theta, &x, 0.5, &problem);
        assert_int_equal(j, cases[k].j);
        if (j < 0) assert_true(theta == 0.1);
        else {
            double step = pow(0.5, j);
            assert_near(theta, 0.1 - step, 0x1p-52);
            assert_near(ad_scalar(problem.kl), step * step, 4e-16);             /* as it was accepted */
        }
        ad_tape_free(t);
    }
}

/* A step whose L or KL is not finite is refused, not the end of the program: e^{1000} at beta x = 1000, j = 0; an
 * infinite L would be > 0 */
static void refuses_what_overflows(void **state)
{
    (void)state;
    const trpo_config c = { .delta = 1e9, .alpha = 0.5, .backtracks = 5 };
    for (int k = 0; k < 3; k++) {
        double theta = 0;
        const double x = 1;
        ad_tape *t = ad_tape_new();
        ad at = ad_input(t, &theta, 1, 1), large = ad_shift(ad_exp(at), -1), kl = ad_scale(1e-9, ad_square(at));
        trpo_problem problem = { at, k == 1 ? at : k == 0 ? large : ad_sub(large, ad_exp(ad_scale(1.5, at))), kl };
        if (k == 1) problem.kl = ad_scale(1e-300, large);
        int j = trpo_line_search(&c, 1, &theta, &x, 1000, &problem);
        assert_int_equal(j, k == 2 ? -1 : 1);                   /* 2: inf - inf, then L < 0 throughout */
        assert_true(theta == (k == 2 ? 0 : 500));
        ad_tape_free(t);
    }
}

/* ---- what holds after every update ---- */

/* From the thetas alone: KL <= delta and L > 0, in long double; or no bit has changed. Returns the outcome. Rounding
 * takes 1e-12 of delta, and of sum_t w_t |A_t|, at most. */
static enum trpo_outcome hold(const trpo_config *c, struct any *x, const double *w)
{
    double before[HAND_N];
    long double old[HAND_N], new[HAND_N], kl, L, size = 0;
    struct hand_batch batch = batch_of(x, w != NULL);
    ad_tape *t = ad_tape_new();
    memcpy(before, x->theta, sizeof before);
    trpo_step step = trpo_update(t, c, &x->p, x->theta, x->b, x->A, w);
    ad_tape_free(t);
    if (step.outcome != TRPO_ACCEPTED) {
        assert_memory_equal(before, x->theta, (size_t)x->p.n * sizeof *before);
        return (enum trpo_outcome)step.outcome;
    }
    for (int i = 0; i < x->p.n; i++) old[i] = before[i], new[i] = x->theta[i];
    hand_kl_and_L(&batch, c->constraint == TRPO_MAX, old, new, &kl, &L);
    for (int i = 0; i < batch.T; i++) size += batch.w[i] * fabsl(batch.A[i]);
    if (!(kl <= c->delta + 1e-12L * fmax(1, c->delta))) fail_msg("KL %Lg, delta %g", kl, c->delta);
    if (!(L > -1e-12L * size)) fail_msg("L %Lg, advantages of %Lg", L, size);
    return TRPO_ACCEPTED;
}

/* Batches that are to break it: advantages huge, tiny, all alike or 0, from one step only; policies that are nearly
 * deterministic; little damping or none, CG of a single step, delta so large that the model is worth nothing. */
static void postcondition(void **state)
{
    (void)state;
    int seen[4] = { 0 };
    for (int k = 0; k < 3000; k++) {
        struct any x = any_new(k, 2 + k % 6, (double[]){ 0.5, 3, 30 }[k % 2 ? k / 2 % 2 : k / 2 % 3]);
        gsl_rng *rng = random_stream(4, (uint32_t)k, RANDOM_TEST);
        trpo_config c = { .delta = (double[]){ 1e-6, 0.01, 1, 30 }[k / 3 % 4], .constraint = k / 5 % 2,
                          .damping = (double[]){ 0.1, 1e-3, 1e-8, 0 }[k / 7 % 4], .alpha = 0.5,
                          .cg_iterations = (long[]){ 1, 3, 15, 100 }[k / 11 % 4], .cg_tol = 1e-10,
                          .F_every = 1 + k / 13 % 3, .backtracks = 1 + k % 12 };
        for (int t = 0; t < x.b->T; t++) {
            const double as[] = { x.A[t], 1e100 * x.A[t], 1e-100 * x.A[t], 1, 0, t ? 0 : x.A[t], -fabs(x.A[t]) };
            x.A[t] = as[k / 17 % 7];
        }
        seen[hold(&c, &x, gsl_rng_uniform(rng) < 0.5 ? x.w : NULL)]++;
        rollout_free(x.b);
        gsl_rng_free(rng);
    }
    assert_true(seen[TRPO_ACCEPTED] >= 1000 && seen[TRPO_GAVE_UP] >= 100 && seen[TRPO_NO_GRADIENT] >= 300);
    assert_true(seen[TRPO_NO_CURVATURE] >= 50);             /* damping 0, and F = 0 to rounding */
}

static void outcomes(void **state)
{
    (void)state;
    trpo_config c = { .delta = 0.01, .cg_iterations = 10, .F_every = 1, .alpha = 0.5, .backtracks = 5 };
    for (int k = 0; k < 2; k++) {
        struct any x = one_state(k), before = x;
        ad_tape *t = ad_tape_new();
        trpo_step step = trpo_update(t, &c, &x.p, x.theta, x.b, x.A, NULL);
        assert_int_equal(step.outcome, k ? TRPO_NO_CURVATURE : TRPO_NO_GRADIENT);
        assert_true(isnan(step.j) && step.beta == 0 && step.kl == 0 && step.L == 0);
        assert_memory_equal(x.theta, before.theta, sizeof before.theta);
        ad_tape_free(t);
        rollout_free(x.b);
    }
}

/* ---- whole runs ---- */

static void runs_by_hand(void **state)
{
    (void)state;
    for (int k = 0; k < 24; k++) {
        struct hand_settings h = hand_option(k);
        trpo_config c = config_of(&h);
        c.hidden = (widths){ k % 3, { 4, 3 } };
        c.activation = AD_TANH;
        same_run("trpo", k, &h, true, c.hidden, trpo, &c);
    }
}

/* Every step that was tried is shown, and no more: also where none was accepted */
static void explained(void **state)
{
    (void)state;
    for (int k = 0; k < 4; k++) {
        trpo_config c = trpo_defaults;
        c.hidden = (widths){ 0 };
        c.workers = 2 - k % 2;
        c.n_steps = 4 - k % 2;
        c.constraint = k >= 2 ? TRPO_MAX : TRPO_MEAN;
        c.delta = k == 2 ? 1 : 0.01;
        if (k == 3) c.workers = 2, c.n_steps = 4, c.damping = 0.01, c.alpha = 0.999, c.backtracks = 4;
        char *text = explanation("trpo", trpo_explain, trpo, &c);
        assert_non_null(strstr(text, k == 3 ? "no step was accepted" : "         accepted"));
        assert_true((strstr(text, "max KL = ") != NULL) == (k >= 2));
        if (k == 3) assert_true(strstr(text, "j = 3: ") && !strstr(text, "j = 4: "));
        free(text);
    }
}

/* A batch of one step has no standard deviation: refused before anything is made of it */
static void train_one_step(int normalise)
{
    trpo_config c = trpo_defaults;
    c.workers = c.n_steps = 1, c.normalise = normalise;
    trpo(run_new("trpo", make("E5x", 0), 1, 10), &c);
}

static void refusals(void **state)
{
    (void)state;
    struct ending end = run_child(train_one_step, 1);
    assert_true(WIFEXITED(end.status) && WEXITSTATUS(end.status) == 2);
    assert_non_null(strstr(end.err, "normalise=off"));
    end = run_child(train_one_step, 0);
    assert_true(WIFEXITED(end.status) && WEXITSTATUS(end.status) == 99);
}

/* A step is the same for advantages of any size, and so is what is told of it: one iteration is not enough, and that
 * is said with what is left; a hundred are, and a part of them. */
static void any_size(void **state)
{
    (void)state;
    static const double size[] = { 1, 0x1p-40, 0x1p40 };
    for (int k = 0; k < 2; k++) {
        double theta[HAND_N];
        for (int i = 0; i < 3; i++) {
            struct any x = any_new(0, 9, 0.6);
            trpo_config c = { .delta = 0.01, .damping = 0.1, .cg_iterations = k == 0 ? 1 : 100, .cg_tol = 1e-13,
                             .F_every = 1, .alpha = 0.8, .backtracks = 10 };
            ad_tape *t = ad_tape_new();
            for (int j = 0; j < x.b->T; j++) x.A[j] *= size[i];
            trpo_step step = trpo_update(t, &c, &x.p, x.theta, x.b, x.A, NULL);
            assert_int_equal(step.outcome, TRPO_ACCEPTED);
            assert_true(k == 0 ? step.residual > 1e-3 : step.residual <= 1e-11);
            assert_int_equal(step.cg_outcome, k == 0 ? CG_STEPS_EXHAUSTED : CG_CONVERGED);
            assert_true(k == 0 ? step.cg_iterations == 1 : step.cg_iterations > 1 && step.cg_iterations < 100);
            for (int j = 0; j < x.p.n; j++) {
                if (i == 0) theta[j] = x.theta[j];
                else        assert_near(x.theta[j], theta[j], 1e-9);
            }
            ad_tape_free(t);
            rollout_free(x.b);
        }
    }
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(equations), cmocka_unit_test(updates_by_hand), cmocka_unit_test(line_search),
        cmocka_unit_test(refuses_what_overflows),
        cmocka_unit_test(postcondition), cmocka_unit_test(outcomes), cmocka_unit_test(runs_by_hand),
        cmocka_unit_test(explained), cmocka_unit_test(refusals),
        cmocka_unit_test(any_size),
    };
    if (argc > 1) cmocka_set_test_filter(argv[1]);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
