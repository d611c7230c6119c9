/* Several actors in one batch: each episode's return is of one actor's steps, though batches cut episodes and the
 * parts of the actors stand one behind the other.
 *     test_actors [pattern]       runs the tests whose names match */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "algorithms/algorithm.h"

enum { LIMIT = 5, STEPS = 200 };

/* Four steps of each at a time: ends of episodes and of batches fall together every twenty steps only */
static const struct { const char *name, *set; } cases[] = {
    { "a2c", "workers=3 n_steps=4" },
    { "npg", "workers=3 n_steps=4 V_epochs=1" },
    { "trpo", "workers=3 n_steps=4 V_epochs=1" },
    { "trpo_vine", "workers=3 n_steps=4 states=2 V_epochs=1" },
    { "ppo_clip", "workers=3 n_steps=4 minibatch=4 epochs=1" },
    { "ppo_penalty", "workers=3 n_steps=4 minibatch=4 epochs=1" },
    { "ppo_parallel", "processes=2 workers=3 n_steps=4 minibatch=4 epochs=1" },
};

/* CartPole pays 1 a step and needs more than five to fall: every return is exactly 5. */
static void returns(void **state)
{
    (void)state;
    for (size_t k = 0; k < sizeof cases / sizeof *cases; k++) {
        const algorithm *a = algorithm_find(cases[k].name);
        char error[512] = "", set[100], *at = set;
        env *e = env_make("CartPole-v1", LIMIT, error, sizeof error);
        if (!e) fail_msg("%s", error);
        void *config = malloc(a->config_size);
        memcpy(config, a->defaults, a->config_size);
        config_set(a->fields, config, "test_actors", "hidden=3");
        strcpy(set, cases[k].set);
        for (char *one; (one = strtok_r(at, " ", &at));) config_set(a->fields, config, "test_actors", one);
        run *r = run_new(a->name, e, 1, STEPS);
        a->train(r, config);
        if (r->episodes < 10) fail_msg("%s: %ld episodes", a->name, r->episodes);
        for (long i = 0; i < r->episodes; i++)
            if (r->returns[i] != LIMIT) fail_msg("%s: a return of %g", a->name, r->returns[i]);
        run_free(r);
        free(config);
        env_free(e);
    }
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = { cmocka_unit_test(returns) };
    if (argc > 1) cmocka_set_test_filter(argv[1]);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
