/* Returns along a trajectory: see returns.h. 002 (l.92), 000 code (l.119), 004 (l.241). */
#include "algorithms/returns.h"

/* VPG-1   R(tau) = sum_t r_t, discounted from the start */
double returns_total(int T, const double *r, double gamma)
{
    /* BEGIN SOLUTION VPG-1 */
    double R = 0, gamma_t = 1;
    for (int t = 0; t < T; t++, gamma_t *= gamma) R += gamma_t * r[t];
    return R;
    /* END SOLUTION */
}

/*[snip reward-to-go]*/
/* MDP-4   G_t = r_t + gamma G_{t+1},  G_T = 0 */
void returns_to_go(int T, const double *r, double gamma, double *G)
{
    /* BEGIN SOLUTION MDP-4 */
    double G_next = 0;
    for (int t = T - 1; t >= 0; t--) G_next = G[t] = r[t] + gamma * G_next;
    /* END SOLUTION */
}
/*[/snip]*/
