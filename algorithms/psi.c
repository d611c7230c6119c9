/* The six weights of a score: see psi.h. */
#include "algorithms/psi.h"

#include "algorithms/returns.h"

/* PGT-9   Psi_t = sum_{k=0}^{T-1} r_k */
void psi_total_return(int T, const double *r, double gamma, double *w)
{
    double R = returns_total(T, r, gamma);
    for (int t = 0; t < T; t++) w[t] = R;
}

/* PGT-10  Psi_t = sum_{k=t}^{T-1} r_k */
void psi_reward_to_go(int T, const double *r, double gamma, double *w)
{
    double gamma_t = 1;
    returns_to_go(T, r, gamma, w);
    for (int t = 0; t < T; t++, gamma_t *= gamma) w[t] *= gamma_t;
}

/* PGT-11  Psi_t = sum_{k=t}^{T-1} r_k - b(s_t) */
void psi_baseline(int T, const double *r, const double *b, double gamma, double *w)
{
    double gamma_t = 1;
    returns_to_go(T, r, gamma, w);
    for (int t = 0; t < T; t++, gamma_t *= gamma) w[t] = gamma_t * (w[t] - b[t]);
}

/* PGT-12  Psi_t = Q(s_t,a_t) */
void psi_action_value(int T, const double *Q, double gamma, double *w)
{
    double gamma_t = 1;
    for (int t = 0; t < T; t++, gamma_t *= gamma) w[t] = gamma_t * Q[t];
}

/* PGT-13  Psi_t = A(s_t,a_t) */
void psi_advantage(int T, const double *A, double gamma, double *w)
{
    double gamma_t = 1;
    for (int t = 0; t < T; t++, gamma_t *= gamma) w[t] = gamma_t * A[t];
}

/* PGT-14  Psi_t = r_t + gamma V(s_{t+1}) - V(s_t) */
void psi_td_residual(int T, const double *r, const double *V, double gamma, double *w)
{
    double gamma_t = 1;
    for (int t = 0; t < T; t++, gamma_t *= gamma) w[t] = gamma_t * (r[t] + gamma * V[t + 1] - V[t]);
}

/* PGT-8   g = sum_t gamma^t Psi_t grad log pi(a_t|s_t) = grad sum_t w_t log pi(a_t|s_t) */
ad psi_objective(ad logp, ad w)
{
    return ad_dot(ad_detach(w), logp);
}
