/* The errata that are words and signs: see errata.h. */
#include "derivations/errata.h"

#include <stddef.h>
#include <string.h>

const erratum_in_words errata_in_words[] = {
    { "ERR-7", "MDP-3", "000 (l.71)", "episode = trajectory = step",
      "an episode is a trajectory; a step is one transition of it" },
    { "ERR-39", "MDP-2", "003 (l.20)", "pi: S -> A, a map from states to actions",
      "pi(a|s), a distribution over actions in each state, as 003 itself goes on" },
    { "ERR-46", "PGT-1", "002 (l.85)", "theta' = theta' + alpha grad J(theta)",
      "theta' = theta + alpha grad J(theta)" },
    { "ERR-52", "DSB-16", "004 (l.228-229)", "trust region: a confidence interval",
      "a set of policies near the old one, as 004 itself has it at l.394; nothing in it is estimated, and no"
      " probability goes with it. What l.229-230 say of theta and of the policy is computed: DSB-16" },
    { "ERR-59", "TRPO-27", "000 (l.254, l.272)", "TPRO", "TRPO, as 000 itself has it at l.262 and l.286" },
    { "ERR-78", "TRPO-1", "002 (l.206)",
      "the paper's name: Asynchronous Methods for Deep Reinforcement Learning (arXiv 1502.05477)",
      "Trust Region Policy Optimization. The other name is that of A3C's paper, arXiv 1602.01783 at l.8" },
    { "ERR-79", "DSB-2", "001 (l.214)", "a closing parenthesis too many: (1 - (1-eps)^t)) p_mistake(s_t)",
      "(1 - (1-eps)^t) p_mistake(s_t)" },
    { "ERR-79", "KL-9", "001 (l.454)", "the ratio pi_g(a_t|s_t) / pi_theta(a_t s_t)",
      "pi_theta(a_t|s_t) / pi_theta(a_t|s_t), which is 1 at theta' = theta" },
    { "ERR-79", "PPO-21", "001 (l.566)",
      "p_theta'(a_t|s_t) / p_theta(a_t|s_t), where p is the states' distribution elsewhere",
      "pi_theta'(a_t|s_t) / pi_theta(a_t|s_t)" },
    { "ERR-79", "PPO-2", "001 (l.611)",
      "inside the clip, the policy pi_(pi_(theta^k))", "pi_(theta^k), as outside it" },
    { "ERR-80", "MDP-1", "all documents",
      "one letter for several things: theta', alpha, eps, A, delta, rho, beta, mu, r_t, w, T",
      "one letter for each here: chapters/notation.md lists both" },
    { "ERR-83", "PPO-1", "000 (l.286)", "PPO adjusts the update by the ratio of theta and theta_old",
      "by the ratio of the probabilities that the two policies give to the action taken" },
    { "ERR-84", "TDA-8", "002 (l.103)", "updates after each episode are offline learning",
      "they are learning by episodes, from data of the policy's own; offline learning has data that are given" },
    { "ERR-86", "TD3-8", "004 (l.715-722)", "the policy's step before that of the targets",
      "the paper's order, too, and no error: in the other theta' is kappa alpha grad J behind, w' the same" },
    { NULL, NULL, NULL, NULL, NULL }
};

bool erratum_has_words(const char *erratum)
{
    const erratum_in_words *e = errata_in_words;
    while (e->erratum && strcmp(e->erratum, erratum) != 0) e++;
    return e->erratum;
}
