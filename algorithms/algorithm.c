/* The algorithms there are. */
#include "algorithms/algorithm.h"

#include <string.h>

#include "algorithms/a2c.h"
#include "algorithms/a3c.h"
#include "algorithms/advantage_actor_critic.h"
#include "algorithms/async_q.h"
#include "algorithms/async_sarsa.h"
#include "algorithms/cpi.h"
#include "algorithms/ddpg.h"
#include "algorithms/dqn.h"
#include "algorithms/dual_gradient.h"
#include "algorithms/maxent_pg.h"
#include "algorithms/npg.h"
#include "algorithms/nstep_q.h"
#include "algorithms/off_policy_pg.h"
#include "algorithms/ppo_clip.h"
#include "algorithms/ppo_parallel.h"
#include "algorithms/ppo_penalty.h"
#include "algorithms/q_actor_critic.h"
#include "algorithms/reinforce.h"
#include "algorithms/td3.h"
#include "algorithms/td_actor_critic.h"
#include "algorithms/trpo.h"
#include "algorithms/trpo_mm.h"
#include "algorithms/trpo_vine.h"
#include "algorithms/vpg.h"
#include "autodiff/require.h"

#define CONFIG(name) sizeof(name##_config), &name##_defaults, name##_fields
const algorithm algorithms[] = {
    { "reinforce", "Monte Carlo policy gradient, an update an episode", CONFIG(reinforce),
      reinforce, reinforce_policy, reinforce_explain, true },
    { "vpg", "policy gradient with a learned baseline", CONFIG(vpg), vpg, vpg_policy, vpg_explain, true },
    { "maxent_pg", "policy gradient of reward and entropy", CONFIG(maxent_pg), maxent_pg, maxent_pg_policy,
      maxent_pg_explain, true },
    { "off_policy_pg", "policy gradient from an older policy's trajectories", CONFIG(off_policy_pg), off_policy_pg,
      off_policy_pg_policy, off_policy_pg_explain, true, .check = off_policy_pg_check },
    { "q_actor_critic", "on-line actor-critic, weight Q_w", CONFIG(q_actor_critic), q_actor_critic,
      q_actor_critic_policy, q_actor_critic_explain, .discrete = true },
    { "advantage_actor_critic", "on-line actor-critic, weight Q_w - V_v", CONFIG(advantage_actor_critic),
      advantage_actor_critic, advantage_actor_critic_policy, advantage_actor_critic_explain, .discrete = true },
    { "td_actor_critic", "on-line actor-critic, weight the TD error of V_v", CONFIG(td_actor_critic), td_actor_critic,
      td_actor_critic_policy, td_actor_critic_explain },
    { "a2c", "synchronous advantage actor-critic, many environments", CONFIG(a2c), a2c, a2c_policy, a2c_explain,
      .check = a2c_check },
    { "a3c", "advantage actor-critic, a thread for each worker, parameters shared", CONFIG(a3c), a3c, a3c_policy,
      a3c_explain },
    { "async_q", "asynchronous one-step Q-learning", CONFIG(async_q), async_q, async_q_policy, async_q_explain,
      .discrete = true },
    { "async_sarsa", "asynchronous one-step SARSA", CONFIG(async_sarsa), async_sarsa, async_sarsa_policy,
      async_sarsa_explain, .discrete = true },
    { "nstep_q", "asynchronous n-step Q-learning", CONFIG(nstep_q), nstep_q, nstep_q_policy, nstep_q_explain,
      .discrete = true },
    { "npg", "natural policy gradient", CONFIG(npg), npg, npg_policy, npg_explain, .check = npg_check },
    { "trpo", "trust region: a natural step, shortened until the KL is small and the surrogate grows", CONFIG(trpo),
      trpo, trpo_policy, trpo_explain, .check = trpo_check },
    { "trpo_vine", "trust region, Q by rollouts from states of the trajectory", CONFIG(trpo_vine), trpo_vine,
      trpo_vine_policy, trpo_vine_explain, .check = trpo_vine_check },
    { "ppo_clip", "proximal policy optimisation, clipped surrogate", CONFIG(ppo_clip), ppo_clip, ppo_clip_policy,
      ppo_clip_explain, .check = ppo_clip_check },
    { "ppo_penalty", "proximal policy optimisation, penalty on the KL", CONFIG(ppo_penalty), ppo_penalty,
      ppo_penalty_policy, ppo_penalty_explain, .check = ppo_penalty_check },
    { "ppo_parallel", "PPO by processes that average their gradients", CONFIG(ppo_parallel), ppo_parallel,
      ppo_parallel_policy, ppo_parallel_explain, .check = ppo_parallel_check },
    { "dqn", "Q-learning with replay and a target network", CONFIG(dqn), dqn, dqn_policy, dqn_explain,
      .discrete = true },
    { "ddpg", "deterministic policy gradient, off-policy, with replay and target networks", CONFIG(ddpg), ddpg,
      ddpg_policy, ddpg_explain, .boxes = true, .check = ddpg_check },
    { "td3", "DDPG with twin critics, smoothed targets, delayed updates", CONFIG(td3), td3, td3_policy, td3_explain,
      .boxes = true },
    { "cpi", "conservative policy iteration: a mixture with the greedy policy", CONFIG(cpi),
      .explain = cpi_explain, .improve = cpi_improve, .step = "alpha", .discounted = true },
    { "trpo_mm", "TRPO's Algorithm 1: the maximum of L - C max KL", CONFIG(trpo_mm),
      .explain = trpo_mm_explain, .improve = trpo_mm_improve, .step = "delta", .discounted = true },
    { "dual_gradient", "the maximum of L over mean KL <= delta_kl, by dual gradient descent", CONFIG(dual_gradient),
      .explain = dual_gradient_explain, .improve = dual_gradient_improve, .step = "lambda" },
    { .name = NULL },
};

const algorithm *algorithm_find(const char *name)
{
    char names[1024] = "";
    for (const algorithm *a = algorithms; a->name; a++) {
        if (strcmp(a->name, name) == 0) return a;
        require(strlen(names) + strlen(a->name) + 3 < sizeof names, "names of %zu bytes", sizeof names);
        strcat(strcat(names, *names ? ", " : ""), a->name);
    }
    bad_input("expected an algorithm (%s), found \"%s\"", names, name);
}

const algorithm *algorithm_to_train(const char *name)
{
    const algorithm *a = algorithm_find(name);
    if (!a->train)
        bad_input("%s does not act and learn: it takes exact tables; try `ascent improve %s MDP`", name, name);
    return a;
}

const algorithm *algorithm_on_tables(const char *name)
{
    const algorithm *a = algorithm_find(name);
    if (!a->improve) bad_input("%s takes no exact tables: it acts and learns; try `ascent train %s`", name, name);
    return a;
}
