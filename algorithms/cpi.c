/* CPI: conservative policy iteration (002, images TRPO9-11; Schulman et al. 2015, arXiv:1502.05477, eq 5-6; Kakade
 * and Langford 2002). A greedy step may lower eta, because L trusts the old policy's visits; a step of size alpha
 * towards the greedy policy has a price of alpha^2 only.
 *
 *     loop
 *         A = the advantages of pi, rho = its visits, both exact
 *         pi'(s) = argmax_a A(s,a)
 *         gain = L(pi') - eta = sum_s rho(s) sum_a pi'(a|s) A(s,a)            PDI-9
 *         end when gain <= tolerance
 *         epsilon = max_s |E_{a ~ pi'}[A(s,a)]|
 *         alpha = argmax eta + alpha gain - 2 epsilon gamma/(1-gamma)^2 alpha^2   TRPO-2
 *         pi <- (1 - alpha) pi + alpha pi'                                    TRPO-2
 *
 * The bound is eta at alpha = 0 and rises from there, so eta never falls.
 *
 * Deviations from the source
 *   1. The paper's alpha is (1-gamma) A / (4R), its policy advantage A and its values being (1-gamma) times ours
 *      (alpha = kakade). It holds |A(s,a)| to be R/(1-gamma); the default knows epsilon, and steps further.
 *   2. Where no action is better pi' is pi, not any argmax, so that ties move nothing.
 *
 * Critical
 *   - (1-gamma)^2: once for the visits, once more for what a visit to another state may cost.
 *   - alpha is a probability: the bound's own maximiser may lie above 1. */
#include "algorithms/cpi.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "autodiff/linalg.h"
#include "autodiff/require.h"

static const char *const alphas[] = { "bound", "kakade", NULL };

const cpi_config cpi_defaults = { .alpha = CPI_BOUND, .tolerance = 1e-10 };

#define FIELD(name) #name, .at = offsetof(cpi_config, name)
const config_field cpi_fields[] = {
    { FIELD(alpha), .kind = CONFIG_CHOICE, .choices = alphas, .about = "TRPO-2's maximiser, or (1-gamma) A/(4R)" },
    { FIELD(tolerance), .kind = CONFIG_REAL, .low = 0, .high = 1e300, .about = "it ends at a gain of L of no more" },
    { .name = NULL },
};

/*[snip cpi-greedy later]*/
/* pi'(s) = argmax_a A(s,a) */
void cpi_greedy(const exact_table *x, double *pi1)
{
    /* BEGIN SOLUTION TRPO-2 */
    int nA = x->nA;
    for (int s = 0; s < x->nS; s++) {
        const double *A = x->A + s * nA;
        int best = 0;
        for (int a = 1; a < nA; a++)
            if (A[a] > A[best]) best = a;
        for (int a = 0; a < nA; a++) pi1[s * nA + a] = A[best] > 0 ? a == best : x->pi[s * nA + a];
    }
    /* END SOLUTION */
}

/* Its epsilon: max_s |E_{a ~ pi'}[A(s,a)]| */
double cpi_epsilon(const exact_table *x, const double *pi1)
{
    /* BEGIN SOLUTION TRPO-2 */
    double epsilon = 0;
    for (int s = 0; s < x->nS; s++) {
        double E = 0;
        for (int i = s * x->nA; i < (s + 1) * x->nA; i++) E += pi1[i] * x->A[i];
        epsilon = fmax(epsilon, fabs(E));
    }
    return epsilon;
    /* END SOLUTION */
}
/*[/snip]*/

/*[snip cpi-bound later]*/
/* TRPO-2   eta(pi_new) >= L(pi_new) - 2 epsilon gamma/(1-gamma)^2 alpha^2,   L(pi_new) = eta + alpha gain */
double cpi_bound(double eta, double gain, double epsilon, double gamma, double alpha)
{
    /* BEGIN SOLUTION TRPO-2 */
    return eta + alpha * gain - 2 * epsilon * gamma / ((1 - gamma) * (1 - gamma)) * alpha * alpha;
    /* END SOLUTION */
}

/* Its maximum: gain = 4 epsilon gamma/(1-gamma)^2 alpha. A probability, and 1 where nothing is lost (gamma = 0) */
double cpi_alpha(double gain, double epsilon, double gamma)
{
    /* BEGIN SOLUTION TRPO-2 */
    double slope = 4 * epsilon * gamma / ((1 - gamma) * (1 - gamma));
    return gain < slope ? fmax(0, gain / slope) : gain > 0;
    /* END SOLUTION */
}

/* Kakade, Langford 2002, corollary 4.2: (1-gamma) A/(4R), A = (1-gamma)^2 gain: E over d = (1-gamma) rho, of
 * advantages that are (1-gamma) times ours */
double cpi_alpha_kakade(double gain, double R, double gamma)
{
    double A = (1 - gamma) * (1 - gamma) * gain;
    return R > 0 ? fmin(1, fmax(0, (1 - gamma) * A / (4 * R))) : 0;
}

/* TRPO-2   pi_new = (1 - alpha) pi + alpha pi' */
void cpi_mixture(int n, double alpha, const double *pi, const double *pi1, double *pi_new)
{
    /* BEGIN SOLUTION TRPO-2 */
    for (int i = 0; i < n; i++) pi_new[i] = (1 - alpha) * pi[i] + alpha * pi1[i];
    /* END SOLUTION */
}
/*[/snip]*/

/*[snip cpi-improve later]*/
improvement cpi_improve(const void *config, const exact_table *x, double *pi_new)
{
    const cpi_config *c = config;
    require(x->gamma < 1, "a penalty of gamma/(1-gamma)^2 at gamma = %g", x->gamma);
    size_t n = (size_t)(x->nS * x->nA);
    double *pi1 = allocate(n, sizeof *pi1, "a greedy policy");
    cpi_greedy(x, pi1);
    double gain = surrogate_gain(x, pi1), epsilon = cpi_epsilon(x, pi1);
    double alpha = c->alpha == CPI_BOUND ? cpi_alpha(gain, epsilon, x->gamma)
                                         : cpi_alpha_kakade(gain, x->R, x->gamma);
    cpi_mixture((int)n, alpha, x->pi, pi1, pi_new);
    free(pi1);
    if (!(gain > fmax(c->tolerance, x->rounding))) return improvement_none(x, IMPROVEMENT_OPTIMAL, pi_new);
    return (improvement){ IMPROVED, .L = x->J + alpha * gain, .step = alpha,
                          .bound = cpi_bound(x->J, gain, epsilon, x->gamma, alpha) };
}
/*[/snip]*/

void cpi_explain(FILE *out, const void *config, uint64_t seed)
{
    (void)seed;
    const cpi_config *c = config;
    const exact_table *x = &improvement_example;
    double pi1[6], pi_new[6], best[2], gamma = x->gamma;
    cpi_greedy(x, pi1);
    improvement i = cpi_improve(c, x, pi_new);
    double gain = surrogate_gain(x, pi1), epsilon = cpi_epsilon(x, pi1);
    for (int s = 0; s < x->nS; s++) best[s] = linalg_dot(x->nA, pi1 + s * x->nA, x->A + s * x->nA);
    fprintf(out, "CPI, an update of two states and three actions; gamma = %g, eta(pi) = %g; nothing is drawn\n\n",
            gamma, x->J);
    improvement_print(out, x, pi_new, "E_pi'[A]", best);
    fprintf(out, "\nPDI-9    pi'(s) = argmax_a A(s,a), gain = sum_s rho(s) sum_a pi'(a|s) A(s,a) = %.5f\n", gain);
    fprintf(out, "         tolerance %g: %s\n", c->tolerance, improvement_outcome_name(i.outcome));
    if (i.outcome != IMPROVED) return;
    fprintf(out, "TRPO-2   epsilon = max_s |E_{a ~ pi'}[A(s,a)]| = %.5f\n", epsilon);
    if (c->alpha == CPI_BOUND)
        fprintf(out, "TRPO-2   alpha = gain (1-gamma)^2 / (4 epsilon gamma) = %.5f, at most 1\n", i.step);
    else
        fprintf(out, "         alpha = (1-gamma) A/(4R) = %.5f, A = (1-gamma)^2 gain = %.5f, R = %g\n", i.step,
                (1 - gamma) * (1 - gamma) * gain, x->R);
    fprintf(out, "TRPO-2   pi_new = (1 - alpha) pi + alpha pi'\n"
                 "PDI-9    L(pi_new) = eta + alpha gain = %.5f\n"
                 "TRPO-2   eta(pi_new) >= L(pi_new) - 2 epsilon gamma/(1-gamma)^2 alpha^2 = %.5f\n", i.L, i.bound);
}
