/* Gradients share memory: parts of a vector's gradient lie inside it, and a term may lie in its sum. Nothing of
 * that may be seen from outside. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include "autodiff/ad.h"

/* A view is differentiated, of a vector older than the mark, again and again. The memory between is filled with
 * other nodes. d/dv sum v^2 = 2 v */
static void gradient_in_a_view_after_a_reset(void **state)
{
    (void)state;
    const double x[3] = { 1, 2, 3 };
    ad_tape *t = ad_tape_new();
    ad theta = ad_input(t, x, 3, 1);
    ad_mark start = ad_here(t);
    for (int update = 0; update < 3; update++) {
        ad v = ad_view(theta, 1, 2, 1);
        ad g = ad_grad(ad_sum(ad_square(v)), v);
        assert_true(ad_value(g)[0] == 4 && ad_value(g)[1] == 6);
        ad_reset(t, start);
        for (int i = 0; i < 40; i++) ad_constant(t, 0x1p-1000, 8, 8);
        ad_reset(t, start);
    }
    ad_tape_free(t);
}

/* y = sum a / b: dy/da = 1 / b, which d/db sum dy/d(a,b) reads again. Running that alone leaves dy/d(a,b) as
 * it was, as ad_run says. */
static void run_leaves_other_gradients(void **state)
{
    (void)state;
    double x[4] = { 1, 2, 4, 5 }, before[4];
    ad_tape *t = ad_tape_new();
    ad theta = ad_input(t, x, 4, 1);
    ad a = ad_view(theta, 0, 2, 1), b = ad_view(theta, 2, 2, 1);
    ad g = ad_grad(ad_sum(ad_div(a, b)), theta);
    ad h = ad_grad(ad_sum(g), b);
    ad_plan plan = ad_slice(1, &theta, 1, &h);
    memcpy(before, ad_value(g), sizeof before);
    x[2] = 8;
    ad_run(&plan);
    assert_memory_equal(ad_value(g), before, sizeof before);
    assert_true(ad_value(h)[0] == -1.0 / 64 + 2.0 / 512);       /* -1/b^2 + 2 a / b^3 */
    ad_tape_free(t);
}

/* y = sum (x + 1) W + sum x U: dy/dx is the sum of dy/d(x + 1) = 1 W^T and 1 U^T; a drawing shows each. */
static void drawn_adjoint_of_a_term(void **state)
{
    (void)state;
    const double x_at[2] = { 1, 2 }, W_at[4] = { 1, 2, 3, 4 }, U_at[4] = { 10, 20, 30, 40 };
    char drawn[4096];
    ad_tape *t = ad_tape_new();
    ad x = ad_input(t, x_at, 1, 2), W = ad_input(t, W_at, 2, 2), U = ad_input(t, U_at, 2, 2);
    ad xU = ad_matmul(x, U);
    ad shifted = ad_name(ad_shift(x, 1), "shifted");
    ad y = ad_add(ad_sum(ad_matmul(shifted, W)), ad_sum(xU));
    ad g = ad_grad(y, x);
    assert_true(ad_value(g)[0] == 33 && ad_value(g)[1] == 77);
    FILE *out = tmpfile();
    assert_non_null(out);
    ad_draw(out, y, true);
    rewind(out);
    drawn[fread(drawn, 1, sizeof drawn - 1, out)] = '\0';
    fclose(out);
    const char *node = strstr(drawn, "shifted");
    assert_non_null(node);
    const char *adjoint = strstr(node, "adjoint ");
    assert_non_null(adjoint);
    assert_int_equal(strncmp(adjoint, "adjoint 3 .. 7\"", 15), 0);
    ad_tape_free(t);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(gradient_in_a_view_after_a_reset),
        cmocka_unit_test(run_leaves_other_gradients),
        cmocka_unit_test(drawn_adjoint_of_a_term),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
