/* `ascent explain ALGORITHM`: one update on a small problem, with its numbers. */
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "algorithms/algorithm.h"
#include "algorithms/commands.h"
#include "algorithms/processes.h"
#include "autodiff/options.h"
#include "autodiff/require.h"

enum { SETTINGS = 64 };

/* What is printed of an update; to be freed */
static char *page_of(const algorithm *a, const void *config, uint64_t seed)
{
    char *text;
    size_t n;
    FILE *out = print_to_memory(&text, &n);
    a->explain(out, config, seed);
    print_done(out, &text);
    return text;
}

/* Is it the page with the default of field f, too? In a process of its own: those settings may not go together. */
static bool has_no_effect(const algorithm *a, const config_field *f, void *config, uint64_t seed, const char *page)
{
    char value[CONFIG_VALUE], own[CONFIG_VALUE], assignment[2 * CONFIG_VALUE];
    int status;
    config_value(f, config, value);
    config_value(f, a->defaults, own);
    if (strcmp(value, own) == 0) return false;
    pid_t pid = fork();
    if (pid < 0) out_of_memory(0, "a process");
    if (pid == 0) {
        if (!freopen("/dev/null", "w", stderr)) _exit(EXIT_IO);
        snprintf(assignment, sizeof assignment, "%s=%s", f->name, own);
        config_set(a->fields, config, "--set", assignment);
        _exit(strcmp(page_of(a, config, seed), page) != 0);
    }
    return waitpid(pid, &status, 0) == pid && WIFEXITED(status) && WEXITSTATUS(status) == 0;
}

/* A line with the settings that show nowhere on the page, or ""; to be freed. stdout's buffer must be empty. */
static char *ignored_line(const algorithm *a, void *config, uint64_t seed, const char *page)
{
    char *text;
    size_t n, names = 0;
    FILE *out = print_to_memory(&text, &n);
    for (const config_field *f = a->fields; f->name; f++)
        if (has_no_effect(a, f, config, seed, page))
            fprintf(out, "%s%s", names++ ? ", " : "\nwithout effect on this page: ", f->name);
    if (names) putc('\n', out);
    print_done(out, &text);
    return text;
}

int explain_command(int argc, char **argv)
{
    const char *seed = "1", *set[SETTINGS] = { NULL };
    const option table[] = {
        { "--seed", "K", "of the random numbers (1)", &seed, NULL },
        { "--set", "NAME=VALUE", "of the algorithm's settings; any number of them", set, NULL, SETTINGS },
        { NULL }
    };
    int left = options_parse(argc, argv, "explain ALGORITHM [--seed K] [--set NAME=VALUE]...",
                             "One update on a small problem with its numbers, each line with its id: `ascent list ID`."
                             " ALGORITHM is one\nof those of `ascent train --help` or `ascent improve --help`, as"
                             " are its settings; those without effect\nare named below the page.", table);
    if (left != 1) bad_input("explain: expected one algorithm, found %d", left);
    const algorithm *a = algorithm_find(argv[1]);
    void *config = allocate(a->config_size, 1, "a configuration");
    memcpy(config, a->defaults, a->config_size);
    for (int i = 0; i < SETTINGS && set[i]; i++) config_set(a->fields, config, "--set", set[i]);
    if (!a->explain) bad_input("explain: %s has nothing to show", a->name);
    uint64_t k = options_seed("--seed", seed);
    int rank, by_mpi;
    mpi_started(&rank, &by_mpi);                            /* whose processes cannot be forked */
    char *page = page_of(a, config, k), *ignored = by_mpi ? NULL : ignored_line(a, config, k, page);
    printf("%s%s", page, ignored ? ignored : "");
    mpi_end();
    free(ignored);
    free(page);
    free(config);
    return EXIT_HELD;
}
