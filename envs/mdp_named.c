/* The table of the built-in MDPs and the reading of their names: see mdp.h. */
#include "envs/mdp_named.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "autodiff/require.h"

enum { PARAMETERS_MAX = 4 };

struct parameter { const char *name; bool whole; double low, high; };

static const struct builtin {
    const char *name;
    mdp_maker *make;
    double x[PARAMETERS_MAX];                       /* what make gets, unless the user gives numbers */
    struct parameter given[PARAMETERS_MAX + 1];     /* what may follow the ':', up to name NULL */
} builtin[] = {
    { .name = "FrozenLake-v1",               .make = mdp_frozen_lake, .x = { 4, true } },
    { .name = "FrozenLake8x8-v1",            .make = mdp_frozen_lake, .x = { 8, true } },
    { .name = "FrozenLakeNotSlippery-v1",    .make = mdp_frozen_lake, .x = { 4, false } },
    { .name = "FrozenLake8x8NotSlippery-v1", .make = mdp_frozen_lake, .x = { 8, false } },
    { .name = "CliffWalking-v1",             .make = mdp_cliff_walking, .x = { false } },
    { .name = "CliffWalkingSlippery-v1",     .make = mdp_cliff_walking, .x = { true } },
    { .name = "Taxi-v3",                     .make = mdp_taxi },
    { .name = "Taxi-v4",                     .make = mdp_taxi },
    { .name = "gridworld-3.5",               .make = mdp_gridworld_3_5 },
    { .name = "gridworld-4.1",               .make = mdp_gridworld_4_1 },
    { .name = "random-walk",                 .make = mdp_random_walk, .x = { 5 },
      .given = { { "N", true, 1, 100000 } } },
    { .name = "windy-gridworld",             .make = mdp_windy_gridworld },
    { .name = "short-corridor",              .make = mdp_short_corridor },
    { .name = "E5",                          .make = mdp_E5, .x = { false } },
    { .name = "E5x",                         .make = mdp_E5, .x = { true } },
    { .name = "X3",                          .make = mdp_X3 },
    { .name = "aliased-chain",               .make = mdp_aliased_chain },
    { .name = "ok-bad",                      .make = mdp_ok_bad, .x = { 1 },
      .given = { { "eps", false, 0, 1 } } },
    { .name = "two-peak",                    .make = mdp_two_peak },
    { .name = "chain",                       .make = mdp_chain, .x = { 5 },
      .given = { { "N", true, 1, 100000 } } },
    { .name = "loops",                       .make = mdp_loops, .x = { 5 },
      .given = { { "N", true, 2, 100000 } } },
    { .name = "garnet",                      .make = mdp_garnet_named, .x = { 10, 4, 3, 1 },
      .given = { { "S", true, 1, 1e6 }, { "A", true, 1, 1e4 }, { "b", true, 1, 1e6 },
                 { "seed", true, 0, 0x1p53 } } },
};
enum { COUNT = sizeof builtin / sizeof *builtin };

static const struct builtin *find(const char *name)
{
    size_t length = strcspn(name, ":");
    for (int i = 0; i < COUNT; i++)
        if (strlen(builtin[i].name) == length && strncmp(builtin[i].name, name, length) == 0) return &builtin[i];
    return NULL;
}

/* "name" or "name:A,B" */
static void put_usage(const struct builtin *b, char *text, size_t size)
{
    snprintf(text, size, "%s", b->name);
    for (const struct parameter *p = b->given; p->name; p++) {
        size_t used = strlen(text);
        snprintf(text + used, size - used, "%c%s", p == b->given ? ':' : ',', p->name);
    }
}

/* One number of [length] characters, all of it and in its range. */
static bool read_number(const struct parameter *p, const char *text, size_t length, double *x)
{
    char *end;
    *x = strtod(text, &end);
    return strspn(text, p->whole ? "0123456789" : "+-.0123456789eE") == length && length > 0
        && end == text + length && *x >= p->low && *x <= p->high;
}

/* Puts the numbers after the ':' of the name, if there is one, over those in x. */
static bool read_parameters(const struct builtin *b, const char *name, double *x, char *error, size_t size)
{
    const char *at = strchr(name, ':');
    if (!at) return true;
    for (const struct parameter *p = b->given; p->name && *at; p++, x++) {
        size_t length = strcspn(++at, ",");
        if (!read_number(p, at, length, x)) {
            snprintf(error, size, "%s: expected %s %s in [%.16g, %.16g], found \"%.*s\"", name,
                     p->whole ? "a whole number" : "a number", p->name, p->low, p->high, (int)length, at);
            return false;
        }
        at += length;
        if (*at == '\0' && !p[1].name) return true;
    }
    char usage[64];
    put_usage(b, usage, sizeof usage);
    snprintf(error, size, "%s: expected %s%s", name, usage, b->given->name ? "" : " alone");
    return false;
}

bool mdp_is_builtin(const char *name) { return find(name) != NULL; }

const char *mdp_builtin_name(int i) { return i < COUNT ? builtin[i].name : NULL; }

void mdp_builtin_list(char *text, size_t size)
{
    if (size > 0) *text = '\0';
    for (int i = 0; i < COUNT && strlen(text) + 1 < size; i++) {
        size_t used = strlen(text);
        char usage[64];
        put_usage(&builtin[i], usage, sizeof usage);
        snprintf(text + used, size - used, "%s%s", i ? ", " : "", usage);
    }
}

mdp *mdp_named(const char *name, char *error, size_t size)
{
    const struct builtin *b = find(name);
    if (!b) {
        char names[512];
        mdp_builtin_list(names, sizeof names);
        snprintf(error, size, "%s: expected a .mdp file or one of %s", name, names);
        return NULL;
    }
    double x[PARAMETERS_MAX];
    memcpy(x, b->x, sizeof x);
    if (!read_parameters(b, name, x, error, size)) return NULL;
    mdp *M = b->make(name, x);
    if (!M) snprintf(error, size, "%s: expected b <= S and S A b <= %d", name, MDP_GARNET_MAX);
    return M;
}

mdp *mdp_builtin(const char *name)
{
    char error[2];
    return mdp_named(name, error, sizeof error);
}

void mdp_absorb(mdp_builder *b, int nA, int s)
{
    for (int a = 0; a < nA; a++) mdp_transition(b, s, a, s, 1, 0);
}

mdp *mdp_finish_with_actions(mdp_builder *b, const char *names)
{
    mdp *M = mdp_finish(b);
    M->action_name = allocate((size_t)M->nA, sizeof *M->action_name, "names of actions");
    for (int a = 0; a < M->nA; a++) {
        size_t length = strcspn(names, " ");
        M->action_name[a] = allocate(length + 1, 1, "names of actions");
        memcpy(M->action_name[a], names, length);
        names += length + (names[length] == ' ');
    }
    return M;
}
