/* The experiments on DDPG and TD3, in what does not have to be trained: the cost on the scalar regulator of a policy
 * that does next to nothing, against its closed form; and the loop of 004, as it is printed. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#include "autodiff/linalg.h"
#include "derivations/derivation.h"
#include "envs/lqr.h"

/* The numbers of the line whose reason holds these words */
static int line_of(const char *id, const char *words, double *out)
{
    const setting x = { .seed = 1 };
    const derivation *d = derivation_find(id);
    assert_non_null(d);
    int i = 0;
    while (d->line[i].latex && !strstr(d->line[i].why, words)) i++;
    assert_non_null(d->line[i].value);
    d->line[i].value(&x, out);
    return d->n(&x);
}

/* P* of the scalar regulator by hand: the root of B^2 gamma P^2 + (R - B^2 gamma Q - gamma A^2 R) P - Q R = 0 */
static void cost_untrained(void **state)
{
    (void)state;
    double ratio[16];
    lqr L = lqr_scalar;
    double a = L.B * L.B * L.gamma, b = L.R - a * L.Q - L.gamma * L.A * L.A * L.R;
    double P = (-b + sqrt(b * b + 4 * a * L.Q * L.R)) / (2 * a);
    int n = line_of("DDPG-15", "untrained", ratio);
    assert_int_equal(n, 10);
    double nothing = L.Q / (1 - L.gamma * L.A * L.A) / P;
    for (int k = 0; k < n; k++)         /* mu(s) = K s, K some .02, of 256 weights in [-.003, .003]: by 9 K less */
        if (!(fabs(ratio[k] / nothing - 1) < 0.5)) fail_msg("run %d: %g, not %g", k, ratio[k], nothing);
}

static void printed_loop(void **state)
{
    (void)state;
    double out[2];
    line_of("TD3-9", "as it is printed", out);
    assert_true(out[1] == 1);
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = { cmocka_unit_test(cost_untrained), cmocka_unit_test(printed_loop) };
    if (argc > 1) cmocka_set_test_filter(argv[1]);
    linalg_start();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
