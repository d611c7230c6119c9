/* The exercises of the opening on autodiff. */
#include "autodiff/ad.h"
#include "chapters/exercise.h"

/* f(x, y) = e^{xy} / (1 + x^2) at (1, 2): its gradient g, and the Hessian's first column */
static void derivatives(double *first, double *second)
{
    const double at[2] = { 1, 2 }, e1[2] = { 1, 0 };
    ad_tape *t = ad_tape_new();
    ad x = ad_input(t, at, 2, 1), v = ad_input(t, e1, 2, 1), x0 = ad_view(x, 0, 1, 1), x1 = ad_view(x, 1, 1, 1);
    ad y = ad_div(ad_exp(ad_mul(x0, x1)), ad_shift(ad_square(x0), 1));
    ad g = ad_grad(y, x), Hv = ad_grad(ad_dot(g, v), x);
    for (int i = 0; i < 2; i++) {
        first[i] = ad_value(g)[i];
        second[i] = ad_value(Hv)[i];
    }
    ad_tape_free(t);
}

static void gradient(double *right)
{
    double second[2];
    derivatives(right, second);
}

static void second_derivatives(double *right)
{
    double first[2];
    derivatives(first, right);
}

static void score(double *right)
{
    const double z[3] = { 0.3, -0.2, 0.5 };
    const int action[1] = { 2 };
    ad_tape *t = ad_tape_new();
    ad x = ad_input(t, z, 1, 3), g = ad_grad(ad_gather(ad_log_softmax(x), action), x);
    for (int i = 0; i < 3; i++) right[i] = ad_value(g)[i];
    ad_tape_free(t);
}

const exercise exercises_00[] = {
    { "0.1", "f(x,y) = e^{xy} / (1 + x^2): df/dx, df/dy at (1, 2)", 2, 1e-8, gradient },
    { "0.2", "of the same f: d2f/dx2, d2f/dxdy at (1, 2)", 2, 1e-8, second_derivatives },
    { "0.3", "d log pi(2) / dz of pi = softmax(z), z = (0.3, -0.2, 0.5), actions from 0: three numbers", 3, 1e-8,
      score },
    { .id = NULL }
};
