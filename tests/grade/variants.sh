# Read by tests/grade.sh: right variants, which lose nothing, and wrong ones, which lose what they should.

# ---- right ones ----
start powers_and_squares                            # O(T^2), by pow
in_front returns.c <<'C'
#include <math.h>
C
body returns.c returns_to_go <<'C'
    for (int t = T - 1; t >= 0; t--) {
        G[t] = 0;
        for (int k = T - 1; k >= t; k--) G[t] += pow(gamma, k - t) * r[k];
    }
C
full 5

start recursion
body returns.c returns_to_go <<'C'
    if (T > 1) returns_to_go(T - 1, r + 1, gamma, G + 1);
    G[0] = T > 1 ? r[0] + gamma * G[1] : r[0];
C
body returns.c returns_total <<'C'
    return T == 0 ? 0 : r[0] + gamma * returns_total(T - 1, r + 1, gamma);
C
full 6

start long_doubles
body returns.c returns_to_go <<'C'
    long double sum = 0;
    for (int t = T - 1; t >= 0; t--) G[t] = (double)(sum = r[t] + (long double)gamma * sum);
C
body reinforce.c reinforce_next_b <<'C'
    long double G = 0, sum = 0;
    for (int t = T - 1; t >= 0; t--) sum += G = r[t] + (long double)gamma * G;
    return (double)((1 - (long double)rate) * b + rate * sum / T);
C
full 7

start pairwise                                      # sums in halves, terms in a VLA
in_front returns.c <<'C'
static double pairwise(int n, const double *x)
{
    return n == 1 ? x[0] : pairwise(n / 2, x) + pairwise(n - n / 2, x + n / 2);
}
C
body returns.c returns_total <<'C'
    double term[T], gamma_t = 1;
    for (int t = 0; t < T; t++, gamma_t *= gamma) term[t] = gamma_t * r[t];
    return pairwise(T, term);
C
body returns.c returns_to_go <<'C'
    for (int t = 0; t < T; t++) G[t] = returns_total(T - t, r + t, gamma);
C
full 8

start one_pass                                      # weights without returns_to_go
body reinforce.c reinforce_w_gamma_t <<'C'
    double gamma_t[T + 1], G = 0;
    gamma_t[0] = 1;
    for (int t = 0; t < T; t++) gamma_t[t + 1] = gamma_t[t] * gamma;
    for (int t = T; t-- > 0;) {
        G = G * gamma + r[t];
        w[t] = gamma_t[t] * G - gamma_t[t] * b;
    }
C
body vpg.c vpg_advantage <<'C'
    double G = 0;
    for (int t = T - 1; t >= 0; t--) A[t] = (G = r[t] + gamma * G) - V[t];
C
full 9

start other_operators                               # sums of products, frozen weights, a sweep for each step
body reinforce.c reinforce_objective <<'C'
    return ad_sum(ad_mul(logp, ad_freeze(w)));
C
body reinforce.c reinforce_gradient <<'C'
    for (int i = 0; i < p->n; i++) g[i] = 0;
    for (int k = tau->T - 1; k >= 0; k--) {
        ad_mark start = ad_here(t);
        ad x    = ad_input(t, theta, p->n, 1);
        ad logp = policy_logp(t, p, x, ad_input(t, tau->s + k * tau->d, 1, tau->d), tau->a + k, tau->index + k);
        const double *score = ad_value(ad_grad(reinforce_objective(logp, ad_constant(t, w[k], 1, 1)), x));
        for (int i = 0; i < p->n; i++) g[i] += score[i];
        ad_reset(t, start);
    }
C
body vpg.c vpg_mean_over_steps <<'C'
    return ad_scale(1.0 / ad_nrows(w), ad_matmul_t(true, false, logp, ad_freeze(w)));
C
body vpg.c vpg_V_objective <<'C'
    ad d = ad_sub(G, V);
    return ad_scale(-1.0 / ad_nrows(V), ad_dot(d, d));
C
full 10

# ---- wrong ones; three more stand in tests/grade.sh ----
start previous_reward
body returns.c returns_to_go <<'C'
    double G_next = 0;
    for (int t = T - 1; t >= 0; t--) G_next = G[t] = (t > 0 ? r[t - 1] : 0) + gamma * G_next;
C
loses '3.2 3.9' 'shifted by one.*spinningup#50'

start whole_return
body returns.c returns_to_go <<'C'
    for (int t = 0; t < T; t++) G[t] = returns_total(T, r, gamma);
C
loses '3.2 3.9' 'the whole return at every step'

start discounted_rewards
body returns.c returns_to_go <<'C'
    double gamma_t = 1;
    for (int t = 0; t < T; t++, gamma_t *= gamma) G[t] = gamma_t * r[t];
C
loses '3.2 3.9' 'discounted rewards, not returns'

start undiscounted_to_go
body returns.c returns_to_go <<'C'
    (void)gamma;
    for (int t = T - 1; t >= 0; t--) G[t] = r[t] + (t + 1 < T ? G[t + 1] : 0);
C
loses '3.2 3.9' 'gamma is missing'

start last_reward
body returns.c returns_to_go <<'C'
    G[T - 1] = 0;
    for (int t = T - 2; t >= 0; t--) G[t] = r[t] + gamma * G[t + 1];
C
loses '3.2 3.9' 'the last reward is left out'

start sparse_rewards                                # right as long as every reward is something
body returns.c returns_to_go <<'C'
    double G_next = 0;
    for (int t = T - 1; t >= 0; t--) G_next = G[t] = r[t] == 0 ? 0 : r[t] + gamma * G_next;
C
loses '3.2' 'starts anew where a reward is 0'

start anew_at_every_reward                          # karpathy's gist on Pong, where a point ends a game
body returns.c returns_to_go <<'C'
    double G_next = 0;
    for (int t = T - 1; t >= 0; t--) G_next = G[t] = r[t] != 0 ? r[t] : gamma * G_next;
C
loses '3.2 3.9' 'starts anew at every reward'

start single_precision
body returns.c returns_to_go <<'C'
    float G_next = 0;
    for (int t = T - 1; t >= 0; t--) G[t] = G_next = (float)(r[t] + gamma * G_next);
C
loses '3.2 3.9' 'float instead of double'

start total_undiscounted
body returns.c returns_total <<'C'
    double R = 0;
    for (int t = 0; t < T; t++) R += r[t] + 0 * gamma;
    return R;
C
loses '3.1' 'gamma is missing'

start baseline_added
body reinforce.c reinforce_w <<'C'
    returns_to_go(T, r, gamma, w);
    for (int t = 0; t < T; t++) w[t] += b;
C
loses '3.3' 'b is added'

start gamma_t_twice
body reinforce.c reinforce_w_gamma_t <<'C'
    double gamma_t = 1;
    returns_to_go(T, r, gamma, w);
    for (int t = 0; t < T; t++, gamma_t *= gamma * gamma) w[t] = gamma_t * (w[t] - b);
C
loses '3.4 3.9' 'gamma^t twice'

start baseline_undiscounted                         # a constant baseline changes no mean, gamma^t before it or not
body reinforce.c reinforce_w_gamma_t <<'C'
    double gamma_t = 1;
    returns_to_go(T, r, gamma, w);
    for (int t = 0; t < T; t++, gamma_t *= gamma) w[t] = gamma_t * w[t] - b;
C
loses '3.4' 'the baseline is not discounted'

start first_return
body reinforce.c reinforce_next_b <<'C'
    return b + rate * (returns_total(T, r, gamma) - b);
C
loses '3.5' 'G_0 in place of the mean'

start mean_over_t
body reinforce.c reinforce_objective <<'C'
    return ad_mean(ad_mul(ad_detach(w), logp));
C
loses '3.6 3.9' 'the mean over t in place of the sum'

start loss
body reinforce.c reinforce_objective <<'C'
    return ad_neg(ad_dot(ad_detach(w), logp));
C
loses '3.6 3.9' 'a loss, to be descended'

start mean_times_sum
body reinforce.c reinforce_objective <<'C'
    return ad_mul(ad_mean(logp), ad_sum(ad_detach(w)));
C
loses '3.6 3.9' 'Gymnasium#1336'

start stopped_at_logp
body reinforce.c reinforce_objective <<'C'
    return ad_dot(w, ad_detach(logp));
C
loses '3.6 3.7 3.8 3.9' 'stopped at log pi'

start reversed_weights
body reinforce.c reinforce_gradient <<'C'
    ad_mark start = ad_here(t);
    double v[tau->T];
    for (int k = 0; k < tau->T; k++) v[k] = w[tau->T - 1 - k];
    ad x    = ad_input(t, theta, p->n, 1);
    ad logp = policy_logp(t, p, x, ad_input(t, tau->s, tau->T, tau->d), tau->a, tau->index);
    memcpy(g, ad_value(ad_grad(reinforce_objective(logp, ad_input(t, v, tau->T, 1)), x)), (size_t)p->n * sizeof *g);
    ad_reset(t, start);
C
loses '3.8 3.9' 'in reverse order'

start descended
body reinforce.c reinforce_gradient <<'C'
    ad_mark start = ad_here(t);
    ad x    = ad_input(t, theta, p->n, 1);
    ad logp = policy_logp(t, p, x, ad_input(t, tau->s, tau->T, tau->d), tau->a, tau->index);
    ad J    = reinforce_objective(logp, ad_input(t, w, tau->T, 1));
    memcpy(g, ad_value(ad_neg(ad_grad(J, x))), (size_t)p->n * sizeof *g);
    ad_reset(t, start);
C
loses '3.8 3.9' 'the sign'

start advantage_reversed
body vpg.c vpg_advantage <<'C'
    returns_to_go(T, r, gamma, A);
    for (int t = 0; t < T; t++) A[t] = V[t] - A[t];
C
loses '3.12' 'the sign'

start over_steps
body vpg.c vpg_mean_over_trajectories <<'C'
    return ad_mean(ad_mul(ad_detach(w), logp));
C
loses '3.13' 'biased towards short episodes (ERR-42)'

start half_square
body vpg.c vpg_V_objective <<'C'
    return ad_scale(-0.5, ad_mean(ad_square(ad_sub(V, G))));
C
loses '3.15' 'a factor 1/2'

start writes_into_inputs                            # right numbers, but the caller's rewards are gone
body returns.c returns_to_go <<'C'
    double *own = (double *)r;
    for (int t = T - 2; t >= 0; t--) own[t] += gamma * own[t + 1];
    memcpy(G, r, (size_t)T * sizeof *G);
C
in_front returns.c <<'C'
#include <string.h>
C
graded
if [ "$lost" = 3.2 ] && grep -q 'writes into its inputs' "$work/tap"; then pass
else fail "$name" "lost '$lost': $(told)"; fi

start behind_the_end                                # no variant: a rule of its own
body returns.c returns_to_go <<'C'
    G[T] = 0;
    for (int t = T - 1; t >= 0; t--) G[t] = r[t] + gamma * G[t + 1];
C
graded
if echo "$lost" | grep -q '^3.2 3.3 ' && grep -q 'writes behind the end' "$work/tap"; then pass
else fail "$name" "lost '$lost': $(told)"; fi
