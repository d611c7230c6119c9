/* The small problems among the built-in MDPs: those that the errata's experiments run on, and lines and
 * loops of states. Where an episode can end, one more state absorbs: see mdp.h. Books and papers: Sutton &
 * Barto, Reinforcement Learning (2nd edition, 2018); Dearden, Friedman & Russell, Bayesian Q-Learning
 * (AAAI 1998). */
#include <math.h>

#include "envs/mdp_named.h"

/* E5: P(j|s,a) ~ 1 + ((3s + 5a + 7j + s a j) mod 6)^2,  r(s,a) = sin(1 + 2s + 3a),  mu0(s) ~ s + 1.
 * E5x: the same, but a step is survived with probability 0.70 + 0.25 ((s + a) mod 2) only; the reward is
 * paid in either case.   x: whether episodes end (E5x) */
mdp *mdp_E5(const char *name, const double *x)
{
    enum { nS = 5, nA = 3 };
    bool ends = x[0] != 0;
    mdp_builder *b = mdp_begin(name, nS + ends, nA, 0.9);
    for (int s = 0; s < nS; s++) {
        mdp_start(b, s, (s + 1) / 15.0);
        for (int a = 0; a < nA; a++) {
            double w[nS], sum = 0, r = sin(1 + 2 * s + 3 * a);
            double survives = ends ? 0.70 + 0.25 * ((s + a) % 2) : 1;
            for (int j = 0; j < nS; j++) {
                int m = (3 * s + 5 * a + 7 * j + s * a * j) % 6;
                sum += w[j] = 1 + m * m;
            }
            for (int j = 0; j < nS; j++) mdp_transition(b, s, a, j, survives * w[j] / sum, r);
            if (ends) mdp_transition(b, s, a, nS, 1 - survives, r);
        }
    }
    if (ends) mdp_absorb(b, nA, nS);
    return mdp_finish(b);
}

/* Two states, two actions, no end: mdp_unroll(M, 3) is the problem of horizon 3 that X3 stands for. */
mdp *mdp_X3(const char *name, const double *x)
{
    static const double P[2][2][2] = { { { .8, .2 }, { .3, .7 } }, { { .5, .5 }, { .1, .9 } } };
    static const double r[2][2] = { { 1, .2 }, { -.5, .7 } };
    (void)x;
    mdp_builder *b = mdp_begin(name, 2, 2, 0.9);
    mdp_start(b, 0, 1);
    for (int s = 0; s < 2; s++)
        for (int a = 0; a < 2; a++)
            for (int s1 = 0; s1 < 2; s1++) mdp_transition(b, s, a, s1, P[s][a][s1], r[s][a]);
    return mdp_finish(b);
}

/* ERR-3: action 0 in s0 earns 2 one step later, action 0 one step later costs 1.5. With the probability p of
 * action 0 in every state (one parameter: the states look alike) J = gamma (2 p - 1.5 p): at gamma = .5
 * dJ/dp = .25, at gamma = 1 .5; an update that forgets gamma^t follows 2 gamma - 1.5 = -.5.
 * States: s0; after action 0; after action 1. */
mdp *mdp_aliased_chain(const char *name, const double *x)
{
    enum { end = 3, nA = 2 };
    (void)x;
    mdp_builder *b = mdp_begin(name, end + 1, nA, 0.5);
    mdp_start(b, 0, 1);
    for (int a = 0; a < nA; a++) {
        double cost = a == 0 ? 1.5 : 0;
        mdp_transition(b, 0, a, 1 + a, 1, 0);
        mdp_transition(b, 1, a, end, 1, 2 - cost);
        mdp_transition(b, 2, a, end, 1, 0 - cost);
    }
    mdp_absorb(b, nA, end);
    return mdp_finish(b);
}

/* States ok and bad, actions right and wrong: wrong pays -1 and leads from ok to bad with probability eps,
 * for ever; in bad, wrong pays +1. Let pi always act right and pi' err with probability q, TV(pi, pi') = q.
 * Then the states at time t differ by 2 (1 - (1 - eps q)^t) in the 1-norm: at eps = 1, the default, the
 * bound 2 (1 - (1 - q)^t) (DSB-3) is an equality; A = -1 and +1, so |J(pi') - L(pi')| attains half of
 * 4 max|A| gamma q^2 / (1 - gamma)^2 as q -> 0.   x: eps */
mdp *mdp_ok_bad(const char *name, const double *x)
{
    enum { ok, bad, right = 0, wrong = 1 };
    mdp_builder *b = mdp_begin(name, 2, 2, 0.9);
    mdp_start(b, ok, 1);
    mdp_transition(b, ok, right, ok, 1, 0);
    mdp_transition(b, ok, wrong, ok, 1 - x[0], -1);
    mdp_transition(b, ok, wrong, bad, x[0], -1);
    mdp_transition(b, bad, right, bad, 1, 0);
    mdp_transition(b, bad, wrong, bad, 1, 1);
    return mdp_finish_with_actions(b, "right wrong");
}

/* Four choices in a row; the last pays c_k for k times action 0, c = (0, 24, -22, 37, 1). With the
 * probability p of action 0 in every state (one parameter: the states look alike), at gamma = 1,
 *     J(p) = sum_k c_k C(4,k) p^k (1-p)^(4-k) = 96 p - 420 p^2 + 700 p^3 - 375 p^4
 *     dJ/dp = -12 (5p - 1) (5p - 2) (5p - 4)
 * has maxima at p = 1/5 (J = 7.4) and p = 4/5 (12.8) and between them a valley at 2/5 (6.4). An entropy
 * bonus of 3 per step (ENT-3) leaves the better one only. State (t, k) has the number t (t+1)/2 + k. */
mdp *mdp_two_peak(const char *name, const double *x)
{
    enum { T = 4, end = T * (T + 1) / 2, nA = 2 };
    static const double c[T + 1] = { 0, 24, -22, 37, 1 };
    (void)x;
    mdp_builder *b = mdp_begin(name, end + 1, nA, 1);
    mdp_start(b, 0, 1);
    for (int t = 0; t < T; t++)
        for (int k = 0; k <= t; k++)
            for (int a = 0; a < nA; a++) {
                int s = t * (t + 1) / 2 + k, k1 = k + (a == 0), s1 = (t + 1) * (t + 2) / 2 + k1;
                mdp_transition(b, s, a, t < T - 1 ? s1 : end, 1, t < T - 1 ? 0 : c[k1]);
            }
    mdp_absorb(b, nA, end);
    return mdp_finish(b);
}

/* Example 6.2: N states in a row, start in the middle, an exit at either end; the right one pays 1. Under
 * the uniform policy V(s) = (s + 1) / (N + 1) at gamma = 1.   x: N */
mdp *mdp_random_walk(const char *name, const double *x)
{
    int n = (int)x[0], end = n;
    mdp_builder *b = mdp_begin(name, n + 1, 2, 0.9);
    mdp_start(b, n / 2, 1);
    for (int s = 0; s < n; s++) {
        mdp_transition(b, s, 0, s > 0 ? s - 1 : end, 1, 0);
        mdp_transition(b, s, 1, s + 1, 1, s == n - 1);              /* from the last one into the end */
    }
    mdp_absorb(b, 2, end);
    return mdp_finish_with_actions(b, "left right");
}

/* Example 13.1: three states, the actions are exchanged in the middle one, -1 a step, gamma = 1. All states
 * look alike: with the probability p of right J = 2 (p - 2) / (p (1 - p)), at most -(6 + 4 sqrt 2), about
 * -11.66, at p = 2 - sqrt 2. */
mdp *mdp_short_corridor(const char *name, const double *x)
{
    enum { end = 3 };
    (void)x;
    mdp_builder *b = mdp_begin(name, end + 1, 2, 1);
    mdp_start(b, 0, 1);
    mdp_transition(b, 0, 0, 0, 1, -1);      mdp_transition(b, 0, 1, 1, 1, -1);
    mdp_transition(b, 1, 0, 2, 1, -1);      mdp_transition(b, 1, 1, 0, 1, -1);
    mdp_transition(b, 2, 0, 1, 1, -1);      mdp_transition(b, 2, 1, end, 1, -1);
    mdp_absorb(b, 2, end);
    return mdp_finish_with_actions(b, "left right");
}

/* N states in a row, start at the left; only the step to the right out of the last one pays (1), and ends
 * the episode. J* = gamma^(N-1).   x: N */
mdp *mdp_chain(const char *name, const double *x)
{
    int n = (int)x[0], end = n;
    mdp_builder *b = mdp_begin(name, n + 1, 2, 0.9);
    mdp_start(b, 0, 1);
    for (int s = 0; s < n; s++) {
        mdp_transition(b, s, 0, s > 0 ? s - 1 : 0, 1, 0);
        mdp_transition(b, s, 1, s + 1, 1, s == n - 1);
    }
    mdp_absorb(b, 2, end);
    return mdp_finish_with_actions(b, "left right");
}

/* Dearden's Loop: two loops of N steps share the start state. Action 0 enters the first, where every action
 * goes on: 1 at its end. Action 1 enters the second, where only action 1 goes on and 0 falls back to the
 * start: 2 at its end. No end; J* = 2 gamma^(N-1) / (1 - gamma^N).   x: N */
mdp *mdp_loops(const char *name, const double *x)
{
    int n = (int)x[0], first = 1, second = n;           /* where each loop's own n - 1 states begin */
    mdp_builder *b = mdp_begin(name, 2 * n - 1, 2, 0.9);
    mdp_start(b, 0, 1);
    mdp_transition(b, 0, 0, first, 1, 0);
    mdp_transition(b, 0, 1, second, 1, 0);
    for (int i = 0; i < n - 1; i++) {
        bool closes = i == n - 2;
        for (int a = 0; a < 2; a++) mdp_transition(b, first + i, a, closes ? 0 : first + i + 1, 1, closes);
        mdp_transition(b, second + i, 0, 0, 1, 0);
        mdp_transition(b, second + i, 1, closes ? 0 : second + i + 1, 1, closes ? 2 : 0);
    }
    return mdp_finish(b);
}
