/* The bias of a mean over steps. */
#ifndef ASCENT_VPG_MEAN_H
#define ASCENT_VPG_MEAN_H

/* ERR-42: one state; an action that ends the episode, with probability p, pays 1. E[g] in its logit, over all
 * trajectories of one episode, with the mean over trajectories, over steps, and what the latter is by hand,
 * -p ln p / (1 - p) - p. The gradient is 0. */
void vpg_mean_over_steps_bias(double p, double *trajectories, double *steps, double *exact_steps);

#endif
