/* GAE(lambda): see gae.h. */
#include "algorithms/gae.h"

#include <math.h>

/*[snip gae later]*/
/* PPO-17   A_t = delta_t + gamma lambda A_{t+1},   delta_t = r_t + gamma V(s_{t+1}) - V(s_t) */
void gae_advantages(int T, const double *r, const double *V, double V_end, double gamma, double lambda, double *A)
{
    /* BEGIN SOLUTION PPO-17 */
    double A_next = 0, V_next = V_end;
    for (int t = T - 1; t >= 0; t--) {
        double delta_t = r[t] + gamma * V_next - V[t];
        A_next = A[t] = delta_t + gamma * lambda * A_next;
        V_next = V[t];
    }
    /* END SOLUTION */
}
/*[/snip]*/

/*[snip gae-batch later]*/
/* PPO-17   A_t and R_t = A_t + V(s_t): no sum goes over the end of a segment */
void gae_batch(const rollout *b, const double *V, const double *V_end, double gamma, double lambda, double *A,
               double *R)
{
    /* BEGIN SOLUTION PPO-17 */
    for (int i = 0; i < b->segments; i++) {
        int first = b->segment[i].first, T = b->segment[i].T;
        gae_advantages(T, b->r + first, V + first, V_end[i], gamma, lambda, A + first);
        for (int t = first; t < first + T; t++) R[t] = A[t] + V[t];
    }
    /* END SOLUTION */
}
/*[/snip]*/

void advantages_normalise(int T, double *A)
{
    double mean = 0, squares = 0;
    for (int t = 0; t < T; t++) mean += A[t] / T;
    for (int t = 0; t < T; t++) squares += (A[t] - mean) * (A[t] - mean);
    double sd = sqrt(squares / (T - 1));
    for (int t = 0; t < T; t++) A[t] = (A[t] - mean) / (sd + 1e-8);
}
