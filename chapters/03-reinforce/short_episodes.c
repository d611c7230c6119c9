/* One state; an action with probability p ends the episode and pays 1: the mean of the update in its logit over
 * all trajectories of one episode, averaged over the steps of the batch, for p = .1 .. .95, as CSV. The gradient
 * is 0. */
#include <math.h>
#include <stdio.h>

#include "autodiff/linalg.h"
#include "autodiff/require.h"
#include "derivations/vpg_mean.h"

int main(void)
{
    linalg_start();
    printf("p,over trajectories,over steps\n");
    for (int i = 2; i < 20; i++) {
        double trajectories, steps, by_hand;
        vpg_mean_over_steps_bias(0.05 * i, &trajectories, &steps, &by_hand);
        printf("%.2f,%.6f,%.6f\n", 0.05 * i, fabs(trajectories), steps);
    }
    finish(EXIT_HELD);
}
