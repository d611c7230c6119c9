/* Differentiate your own function twice: f(x) = sum_i exp(x_i) x_i^2 and the product of its Hessian with v.
 *     make examples && build/chapters/examples/differentiate_twice */
#include <stdio.h>

#include "autodiff/ad.h"
#include "autodiff/linalg.h"

/*[snip differentiate-twice]*/
static ad f(ad x)
{
    return ad_sum(ad_mul(ad_exp(x), ad_square(x)));
}

int main(void)
{
    const double x_at[3] = { 0, 1, -0.5 }, v_at[3] = { 1, 1, 2 };
    linalg_start();
    ad_tape *t = ad_tape_new();
    ad x = ad_input(t, x_at, 3, 1), v = ad_input(t, v_at, 3, 1);
    ad y = f(x);
    ad g = ad_grad(y, x);                           /* the gradient is a node, so ... */
    ad Hv = ad_grad(ad_dot(g, v), x);               /* ... it can be differentiated again */
    printf("f = %.15g\n", ad_scalar(y));
    for (int i = 0; i < 3; i++)
        printf("df/dx_%d = %-20.15g  (H v)_%d = %.15g\n", i, ad_value(g)[i], i, ad_value(Hv)[i]);
    ad_tape_free(t);
    return 0;
}
/*[/snip]*/
