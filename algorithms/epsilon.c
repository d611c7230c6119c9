/* Epsilons of workers: see epsilon.h. */
#include "algorithms/epsilon.h"

#include <stddef.h>

const char *const epsilon_ways[] = { "drawn", "same", NULL };

/*[snip epsilon later]*/
/* ASQ-3   a different epsilon for each actor */
double epsilon_last(double u)
{
    /* BEGIN SOLUTION ASQ-3 */
    return u < 0.4 ? 0.1 : u < 0.7 ? 0.01 : 0.5;
    /* END SOLUTION */
}

double epsilon_annealed(double last, double t, double anneal_steps)
{
    /* BEGIN SOLUTION ASQ-3 */
    return t < anneal_steps ? 1 + (last - 1) * (t / anneal_steps) : last;
    /* END SOLUTION */
}
/*[/snip]*/
