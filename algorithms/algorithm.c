/* The algorithms there are. */
#include "algorithms/algorithm.h"

#include <string.h>

#include "autodiff/require.h"

const algorithm algorithms[] = {
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
