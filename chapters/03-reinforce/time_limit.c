/* An episode of CartPole that stays up to the time limit pays 1 in each of 500 steps. G_t as the listing counts
 * it, and what it would be without the limit. */
#include <math.h>
#include <stdio.h>

#include "algorithms/returns.h"
#include "autodiff/require.h"

enum { T = 500 };

int main(void)
{
    static const int shown[] = { 0, 300, 386, 400, 450, 490, 499 };
    const double gamma = 0.98, uncut = 1 / (1 - gamma);         /* 1 + gamma + gamma^2 + ... */
    double r[T], G[T];
    for (int t = 0; t < T; t++) r[t] = 1;
    returns_to_go(T, r, gamma, G);
    printf("  t     G_t   uncut   too low by\n");
    for (size_t i = 0; i < sizeof shown / sizeof *shown; i++)
        printf("%3d  %6.2f  %6.2f  %6.2f = %5.1f %%\n", shown[i], G[shown[i]], uncut, uncut - G[shown[i]],
               100 * (uncut - G[shown[i]]) / uncut);
    finish(EXIT_HELD);
}
