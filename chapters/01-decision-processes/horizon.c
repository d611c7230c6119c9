/* How far the sum of the first T rewards is from V, on E5 with theta(s,a) = cos(s + 2a), as CSV. */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "autodiff/linalg.h"
#include "autodiff/require.h"
#include "derivations/exact.h"

enum { nS = 5, nA = 3, LONGEST = 150 };

/*[snip first-rewards]*/
/* V_T(s) = E[sum_{t<T} gamma^t r_t | s_0 = s]: one reward more in front of what is known, V_0 = 0 */
static void one_more_reward(const mdp *M, double gamma, const double *pi, double *V)
{
    double before[nS] = { 0 };
    for (int i = 0; i < nS * nA; i++)
        for (int k = M->row[i]; k < M->row[i + 1]; k++)
            before[i / nA] += pi[i] * M->P[k] * (M->R[k] + gamma * V[M->next[k]]);
    memcpy(V, before, sizeof before);
}
/*[/snip]*/

int main(void)
{
    char error[256];
    double theta[nS * nA], V[nS] = { 0 };
    linalg_start();
    for (int i = 0; i < nS * nA; i++) theta[i] = cos(i / nA + 2 * (i % nA));
    mdp *M = mdp_builtin("E5");
    exact *x = exact_new(M, M->gamma, theta, error, sizeof error);
    double most = linalg_max_abs(nS, x->V), power = 1;
    printf("T,distance,bound\n");
    for (int T = 0; T <= LONGEST; T++, power *= M->gamma) {
        double worst = 0;
        for (int s = 0; s < nS; s++) worst = fmax(worst, fabs(V[s] - x->V[s]));
        if (T % 5 == 0) printf("%d,%.9g,%.9g\n", T, worst, power * most);
        one_more_reward(M, M->gamma, x->pi, V);
    }
    exact_free(x);
    mdp_free(M);
    finish(EXIT_HELD);
}
