/* Target networks: theta^- stands in for theta in the target that theta is moved to, and follows it slowly.
 *
 *     theta^- <- rho theta^- + (1 - rho) theta          rho = 0: a copy
 *
 * Who writes theta^- <- kappa theta + (1 - kappa) theta^- means kappa = 1 - rho (004, l.637 against l.720:
 * ERR-70). */
#ifndef ASCENT_TARGET_H
#define ASCENT_TARGET_H

#include <stdbool.h>
#include <stddef.h>

void   target_polyak(size_t n, double rho, const double *theta, double *theta_targ);        /* rho in [0, 1) */
/* ASQ-2: is a multiple of I_target among the steps before+1 .. T? */
bool   target_due(long before, long T, long I_target);
/* After so many updates half of what theta^- was is left: ln(1/2) / ln(rho), 138.3 for .995 */
double target_half_life(double rho);

#endif
