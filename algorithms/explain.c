/* `ascent explain ALGORITHM`: one update on a small problem, with its numbers. */
#include <stdlib.h>
#include <string.h>

#include "algorithms/algorithm.h"
#include "algorithms/commands.h"
#include "autodiff/options.h"
#include "autodiff/require.h"

enum { SETTINGS = 64 };

int explain_command(int argc, char **argv)
{
    const char *seed = "1", *set[SETTINGS] = { NULL };
    const option table[] = {
        { "--seed", "K", "of the random numbers (1)", &seed, NULL },
        { "--set", "NAME=VALUE", "of the algorithm's settings; any number of them", set, NULL, SETTINGS },
        { NULL }
    };
    int left = options_parse(argc, argv, "explain ALGORITHM [--seed K] [--set NAME=VALUE]...",
                             "One update on a small problem with its numbers, each line with its id:"
                             " `ascent list ID`. ALGORITHM is one\nof those of `ascent train --help` or"
                             " `ascent improve --help`, as are its settings; the problem and its\nnetworks are"
                             " the page's own: hidden, capacity and the like have no effect.", table);
    if (left != 1) bad_input("explain: expected one algorithm, found %d", left);
    const algorithm *a = algorithm_find(argv[1]);
    void *config = allocate(a->config_size, 1, "a configuration");
    memcpy(config, a->defaults, a->config_size);
    for (int i = 0; i < SETTINGS && set[i]; i++) config_set(a->fields, config, "--set", set[i]);
    if (!a->explain) bad_input("explain: %s has nothing to show", a->name);
    a->explain(stdout, config, options_seed("--seed", seed));
    free(config);
    return EXIT_HELD;
}
