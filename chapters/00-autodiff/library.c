/* The function of scalar.c on the library's tape: the same gradient, and its second derivatives. */
#include <stdio.h>

#include "autodiff/ad.h"
#include "autodiff/linalg.h"

/*[snip library-function]*/
/* f(x) = x1 exp(x1 x2) + tanh(x2) */
static ad f(ad x)                                       /* [2 x 1] -> scalar */
{
    ad x1 = ad_view(x, 0, 1, 1), x2 = ad_view(x, 1, 1, 1);
    return ad_add(ad_mul(x1, ad_exp(ad_mul(x1, x2))), ad_tanh(x2));
}
/*[/snip]*/

/*[snip library-main]*/
int main(void)
{
    double at[2] = { 0.5, -1.2 }, e1[2] = { 1, 0 };
    linalg_start();
    ad_tape *t = ad_tape_new();
    ad x = ad_input(t, at, 2, 1), v = ad_input(t, e1, 2, 1);
    ad y = f(x);
    ad g = ad_grad(y, x);                               /* [2 x 1] */
    ad Hv = ad_grad(ad_dot(g, v), x);                   /* [2 x 1] the Hessian's first column */
    ad_plan again = ad_slice(1, &x, 1, &g);
    printf("f %.9g  grad %.9g %.9g  H e1 %.9g %.9g\n", ad_scalar(y), ad_value(g)[0], ad_value(g)[1],
           ad_value(Hv)[0], ad_value(Hv)[1]);
    at[0] = 1;                                          /* the input borrows this array */
    ad_run(&again);
    printf("at x1 = 1: grad %.9g %.9g\n", ad_value(g)[0], ad_value(g)[1]);
    ad_tape_free(t);
    return 0;
}
/*[/snip]*/
