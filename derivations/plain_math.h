/* A formula for a terminal: "\nabla_\theta\sum_t\gamma^tr_t" as "grad_theta sum_t gamma^t r_t". What a letter is
 * called in print it is called here (theta, rho, log); sub- and superscripts stay as they are, fractions become
 * quotients. Of LaTeX it knows what the registry and the derivations use; another macro is printed by its name. */
#ifndef ASCENT_PLAIN_MATH_H
#define ASCENT_PLAIN_MATH_H

char *plain_math(const char *latex);        /* to be freed */

#endif
