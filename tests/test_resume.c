/* Every algorithm, stopped and gone on with, is what it is in one go, byte for byte: whatever its optimiser keeps,
 * whoever's turn it is, and within an episode, an annealing, a wait for the next copy of theta^-.
 *     test_resume [pattern]       runs the tests whose names match */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "algorithms/algorithm.h"
#include "algorithms/run_folder.h"
#include "algorithms/schedule.h"

/* No step size is 0 at a cut, so that all that is kept matters behind it. */
static const struct { const char *name, *env; int limit; const char *set; } cases[] = {
    { "reinforce", "E5x", 7, "" },
    { "vpg", "E5x", 7, "psi=advantage trajectories=3" },
    { "maxent_pg", "E5x", 7, "trajectories=3 gamma_t=on V_steps=3" },
    { "off_policy_pg", "E5x", 7, "trajectories=3 refresh=3 uses=2 ratio=weighted" },
    { "off_policy_pg", "lqr", 20, "trajectories=2 refresh=2 gamma=0.9 clip=2 ess_least=0.6" },
    { "q_actor_critic", "E5x", 7, "optimiser=adam gamma_t=on" },
    { "q_actor_critic", "CartPole-v1", 30, "optimiser=sgd" },
    { "advantage_actor_critic", "E5x", 7, "optimiser=adam gamma_t=on" },
    { "advantage_actor_critic", "CartPole-v1", 30, "optimiser=sgd" },
    { "td_actor_critic", "E5x", 7, "optimiser=adam gamma_t=on" },
    { "td_actor_critic", "lqr", 20, "optimiser=adam" },
    { "a2c", "E5x", 7, "optimiser=adam workers=3 n_steps=4 anneal_steps=4000" },
    { "a2c", "CartPole-v1", 30, "optimiser=rmsprop workers=3 n_steps=4 until=end anneal_steps=4000" },
    { "a2c", "lqr", 20, "optimiser=rmsprop-outside workers=2" },
    { "a3c", "E5x", 7, "schedule=serial workers=3 optimiser=rmsprop-own anneal_steps=4000" },
    { "a3c", "CartPole-v1", 30, "schedule=stale workers=3 optimiser=rmsprop-own" },
    { "a3c", "lqr", 20, "schedule=random workers=4 optimiser=rmsprop-shared" },
    { "async_q", "CartPole-v1", 30,
      "schedule=stale workers=3 target_every=301 rho=0.5 anneal_steps=4000 lr_half=500" },
    { "async_q", "E5x", 7, "schedule=random workers=4 target_every=97 epsilons=drawn" },
    { "async_sarsa", "CartPole-v1", 30,
      "schedule=stale workers=3 target_every=301 anneal_steps=4000 lr_half=500" },
    { "async_sarsa", "E5x", 7, "schedule=serial workers=3 update_every=2" },
    { "nstep_q", "CartPole-v1", 30,
      "schedule=stale workers=3 target_every=301 anneal_steps=4000 lr_half=500" },
    { "nstep_q", "E5x", 7, "schedule=random workers=4" },
    { "ppo_clip", "CartPole-v1", 30, "workers=3 n_steps=16 minibatch=20 anneal_steps=4000 anneal_eps=on" },
    { "ppo_clip", "E5x", 7, "workers=1 n_steps=32 minibatch=32 target_kl=0.001 normalise=batch" },
    { "ppo_clip", "lqr", 20, "workers=2 n_steps=16 minibatch=8 eps_V=0.2 c2=0.01 joint=off" },
    { "ppo_parallel", "CartPole-v1", 30, "processes=3 workers=1 n_steps=16 minibatch=7 anneal_steps=4000"
      " anneal_eps=on" },
    { "ppo_parallel", "lqr", 20, "processes=2 workers=2 n_steps=8 minibatch=8 target_kl=0.001 normalise=batch" },
    { "ppo_penalty", "E5x", 7, "workers=3 n_steps=8 minibatch=10 adapt=bounds c2=0.01" },
    { "ppo_penalty", "CartPole-v1", 30, "workers=2 n_steps=16 minibatch=8 epochs=3 anneal_steps=4000" },
    { "ppo_penalty", "lqr", 20, "workers=1 n_steps=20 minibatch=20 direction=new-old normalise=batch" },
    { "npg", "E5x", 7, "solver=lapack workers=3 n_steps=40 V_batch=16" },
    { "npg", "lqr", 20, "n_steps=50 V_epochs=3" },
    { "trpo", "CartPole-v1", 30, "workers=3 n_steps=40 V_batch=16" },
    { "trpo", "lqr", 20, "constraint=max n_steps=50 F_every=3 V_epochs=3" },
    { "trpo_vine", "CartPole-v1", 30, "workers=3 n_steps=8 states=6 length=4 V_batch=16" },
    { "trpo_vine", "E5x", 7, "workers=1 n_steps=12 states=5 estimator=drawn length=9" },
    { "trpo_vine", "lqr", 20, "workers=2 n_steps=7 states=3 common=off length=3 V_epochs=3" },
    { "dqn", "CartPole-v1", 30, "capacity=300 start_steps=150 batch=8 target_every=130 anneal_steps=1300" },
    { "dqn", "E5x", 7, "capacity=5000 start_steps=10 batch=4 target_every=7 rho=0.5 double_Q=on update_every=3" },
    { "ddpg", "Pendulum-v1", 30, "capacity=300 start_steps=150 batch=8 noise=ou" },
    { "ddpg", "lqr", 20, "capacity=5000 start_steps=20 batch=4 update_every=3 gamma=0.9" },
    { "ddpg", "Pendulum-v1", 30, "capacity=300 start_steps=50 batch=8 batch_norm=on" },
    { "td3", "Pendulum-v1", 30, "capacity=300 start_steps=150 batch=8 delay=3" },
    { "td3", "lqr", 30, "capacity=5000 start_steps=20 batch=4 update_every=3 gamma=0.9 noise=ou twins=off" },
};
enum { CASES = sizeof cases / sizeof *cases, WHOLE = 1600 };
static const long cut_at[] = { 100, 330, 770, 1180, WHOLE };

static void *config_of(const algorithm *a, const char *set)
{
    char *config = malloc(a->config_size), text[200], *at = text;
    memcpy(config, a->defaults, a->config_size);
    config_set(a->fields, config, "test_resume", "hidden=5");
    strcpy(text, set);
    for (char *one; (one = strtok_r(at, " ", &at));) config_set(a->fields, config, "test_resume", one);
    return config;
}

/* replayed: a folder whose order of turns is followed, or NULL */
static void train_by(int k, const char *folder, long steps, bool resumed, const char *replayed)
{
    const algorithm *a = algorithm_find(cases[k].name);
    char error[512] = "";
    env *e = env_make(cases[k].env, cases[k].limit, error, sizeof error);
    if (!e) fail_msg("%s", error);
    void *config = config_of(a, cases[k].set);
    if (replayed) config_set(a->fields, config, "test_resume", "schedule=replay");
    run *r = run_new(a->name, e, 5, steps);
    run_in_folder(r, folder, "{}", a->name, (run_manner){ .save_every = 1e9, .quiet = true, .resumed = resumed });
    if (replayed && !resumed) schedule_bring(replayed, folder);
    a->train(r, config);
    run_free(r);
    free(config);
    env_free(e);
}

static void train(int k, const char *folder, long steps, bool resumed)
{
    train_by(k, folder, steps, resumed, NULL);
}

/* As a run leaves it that was killed between a checkpoint and the next: events that are not in it */
static void add_lost_events(const char *folder)
{
    char path[100];
    sprintf(path, "%s/schedule", folder);
    FILE *f = fopen(path, "r+");
    if (!f) return;                             /* no workers */
    fseek(f, 0, SEEK_END);
    fputs("bBcCbBcC\n", f);
    fclose(f);
}

static void compare(int k, const char *command, const char *folder, const char *other)
{
    char away[300];
    int status = system(command);
    sprintf(away, "rm -r %s %s", folder, other);
    assert_int_equal(system(away), 0);
    if (status != 0) fail_msg("%s on %s: %s", cases[k].name, cases[k].env, cases[k].set);
}

static void resumed(void **state)
{
    (void)state;
    const char *memory = access("/dev/shm", W_OK) == 0 ? "/dev/shm" : "/tmp";
    for (int k = 0; k < CASES; k++) {
        char whole[60], cut[80], command[600];
        sprintf(whole, "%s/test_resume.%d.XXXXXX", memory, k);
        assert_non_null(mkdtemp(whole));
        sprintf(cut, "%s.cut", whole);
        train(k, whole, WHOLE, false);
        for (int i = 0; i < 5; i++) {
            train(k, cut, cut_at[i], i > 0);
            if (cut_at[i] < WHOLE) add_lost_events(cut);
        }
        sprintf(command, "for f in checkpoint progress.csv schedule; do"
                " [ ! -e %s/$f ] || cmp %s/$f %s/$f || exit 1; done", whole, whole, cut);
        compare(k, command, whole, cut);
    }
}

/* The order that a folder holds, followed in another, stopped and gone on with: the same rows, the same order */
static void replayed(void **state)
{
    (void)state;
    const char *memory = access("/dev/shm", W_OK) == 0 ? "/dev/shm" : "/tmp";
    for (int k = 0; k < CASES; k++) {
        char order[60], again[80], command[600];
        if (!strstr(cases[k].set, "schedule=")) continue;
        sprintf(order, "%s/test_replay.%d.XXXXXX", memory, k);
        assert_non_null(mkdtemp(order));
        sprintf(again, "%s.again", order);
        train(k, order, WHOLE, false);
        train_by(k, again, cut_at[1], false, order);
        train_by(k, again, WHOLE, true, order);
        sprintf(command, "cmp %s/progress.csv %s/progress.csv && cmp %s/schedule %s/schedule", order, again,
                order, again);
        compare(k, command, order, again);
    }
}

/* None is left out. */
static void all_algorithms(void **state)
{
    (void)state;
    for (const algorithm *a = algorithms; a->name; a++) {
        int n = a->train == NULL;
        for (int k = 0; k < CASES; k++) n += strcmp(cases[k].name, a->name) == 0;
        if (n == 0) fail_msg("%s is not resumed", a->name);
    }
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = { cmocka_unit_test(resumed), cmocka_unit_test(replayed),
        cmocka_unit_test(all_algorithms) };
    if (argc > 1) cmocka_set_test_filter(argv[1]);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
