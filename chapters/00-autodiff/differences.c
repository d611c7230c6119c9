/* The error of difference quotients of f(x) = 1 / (1 + x^2) at 0.7, as CSV. Only + - * / take part, which IEEE 754
 * rounds in one way, so that the rounding errors are the same everywhere. */
#include <math.h>
#include <stdio.h>

static double f(double x) { return 1 / (1 + x * x); }

int main(void)
{
    const double x = 0.7, slope = -2 * x * f(x) * f(x);
    printf("h,forward,central\n");
    for (double h = 0.5; h > 1e-15; h /= 2)
        printf("%.6e,%.6e,%.6e\n", h, fabs((f(x + h) - f(x)) / h - slope),
               fabs((f(x + h) - f(x - h)) / (2 * h) - slope));
    return 0;
}
