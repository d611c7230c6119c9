/* The algorithms there are. */
#include "algorithms/algorithm.h"

#include <string.h>

#include "algorithms/a2c.h"
#include "algorithms/a3c.h"
#include "algorithms/reinforce.h"
#include "algorithms/vpg.h"
#include "autodiff/require.h"

#define CONFIG(name) sizeof(name##_config), &name##_defaults, name##_fields
const algorithm algorithms[] = {
    { "reinforce", "Monte Carlo policy gradient, an update an episode", CONFIG(reinforce),
      reinforce, reinforce_policy, reinforce_explain, true },
    { "vpg", "policy gradient with a learned baseline", CONFIG(vpg), vpg, vpg_policy, vpg_explain, true },
    { "a2c", "synchronous advantage actor-critic, many environments", CONFIG(a2c), a2c, a2c_policy, a2c_explain,
      .check = a2c_check },
    { "a3c", "advantage actor-critic, a thread for each worker, parameters shared", CONFIG(a3c), a3c, a3c_policy,
      a3c_explain, false },
    { .name = NULL },
};

const algorithm *algorithm_find(const char *name)
{
    char names[512] = "";
    for (const algorithm *a = algorithms; a->name; a++) {
        if (strcmp(a->name, name) == 0) return a;
        require(strlen(names) + strlen(a->name) + 3 < sizeof names, "names of %zu bytes", sizeof names);
        strcat(strcat(names, *names ? ", " : ""), a->name);
    }
    bad_input("expected an algorithm (%s), found \"%s\"", names, name);
}
