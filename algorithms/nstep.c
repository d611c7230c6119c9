/* n-step returns: see nstep.h. */
#include "algorithms/nstep.h"

/*[snip nstep-returns later]*/
/* A3C-14   R = V_end;  for i = T-1, .., 0:  R <- r_i + gamma R */
void nstep_returns(int T, const double *r, double V_end, double gamma, double *G)
{
    /* BEGIN SOLUTION A3C-14 */
    double R = V_end;
    for (int i = T - 1; i >= 0; i--) G[i] = R = r[i] + gamma * R;
    /* END SOLUTION */
}

/* A3C-3   G_t^(n) = sum_{k<n} gamma^k r_{t+k} + gamma^n V(s_{t+n}) */
void nstep_fixed(int T, int n, const double *r, const double *V, double V_end, double gamma, double *G)
{
    /* BEGIN SOLUTION A3C-3 */
    for (int t = 0; t < T; t++) {
        int end = n < T - t ? t + n : T;
        double R = end < T ? V[end] : V_end;
        for (int k = end - 1; k >= t; k--) R = r[k] + gamma * R;
        G[t] = R;
    }
    /* END SOLUTION */
}
/*[/snip]*/
