/* How much an epsilon-greedy worker explores (002, l.39; Mnih et al. 2016, arXiv:1602.01783, section 5.1): each has
 * a last epsilon of its own, to which it is annealed from 1. The policy: epsilon_greedy, autodiff/distribution.h. */
#ifndef ASCENT_EPSILON_H
#define ASCENT_EPSILON_H

extern const char *const epsilon_ways[];                    /* choices of a config: how last epsilons are given */
enum { EPSILON_DRAWN, EPSILON_SAME };

double epsilon_last(double u);          /* .1, .01 or .5 with probabilities .4, .3, .3, from u uniform in [0, 1) */
/* 1 at the step 0, last from anneal_steps on, linear in between */
double epsilon_annealed(double last, double t, double anneal_steps);

#endif
