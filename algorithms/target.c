/* Target networks: see target.h. */
#include "algorithms/target.h"

#include <gsl/gsl_math.h>
#include <math.h>

#include "autodiff/require.h"

/* DDPG-19, TD3-13   theta_targ <- rho theta_targ + (1 - rho) theta */
/*[snip target later]*/
void target_polyak(size_t n, double rho, const double *theta, double *theta_targ)
{
    /* BEGIN SOLUTION DDPG-19 */
    require(0 <= rho && rho < 1, "rho = %g, expected 0 <= rho < 1", rho);
    for (size_t i = 0; i < n; i++) theta_targ[i] = rho * theta_targ[i] + (1 - rho) * theta[i];
    /* END SOLUTION */
}

/* ASQ-2   theta^- <- theta at each T that is a multiple of I_target */
bool target_due(long before, long T, long I_target)
{
    /* BEGIN SOLUTION ASQ-2 */
    return T / I_target > before / I_target;
    /* END SOLUTION */
}

double target_half_life(double rho)
{
    return -M_LN2 / log(rho);
}
/*[/snip]*/
