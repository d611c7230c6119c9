/* Command-line options: see options.h. */
#include "autodiff/options.h"

#include <ctype.h>
#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "autodiff/require.h"

static _Noreturn void print_help(const char *synopsis, const char *about, const option *table)
{
    printf("usage: ascent %s\n\n%s\n\n", synopsis, about);
    for (const option *o = table; o->name; o++)
        printf("  %s%s%-*s %s\n", o->name, o->argument ? " " : "",
               20 - (int)strlen(o->name) - (o->argument ? 1 : 0), o->argument ? o->argument : "", o->help);
    printf("  %-20s %s\n", "--help", "this text");
    finish(EXIT_HELD);
}

/* The option that argv[i] names, as `--name` or `--name=value` */
static const option *find(const char *arg, const option *table)
{
    size_t length = strcspn(arg, "=");
    for (const option *o = table; o->name; o++)
        if (strlen(o->name) == length && strncmp(o->name, arg, length) == 0) return o;
    return NULL;
}

enum { GIVEN_MAX = 128 };

int options_parse(int argc, char **argv, const char *synopsis, const char *about, const option *table)
{
    int left = 0;
    bool options_over = false;
    const option *given[GIVEN_MAX];
    int count = 0;
    for (int i = 1; i < argc; i++) {
        char *arg = argv[i], *equals = strchr(arg, '=');
        if (options_over || arg[0] != '-' || arg[1] == '\0') {
            argv[++left] = arg;
            continue;
        }
        if (strcmp(arg, "--") == 0) { options_over = true; continue; }
        if (strcmp(arg, "--help") == 0 || strcmp(arg, "-h") == 0) print_help(synopsis, about, table);
        const option *o = find(arg, table);
        if (!o) bad_input("unknown option %s; usage: ascent %s", arg, synopsis);
        int times = 0;
        for (int k = 0; k < count; k++) times += given[k] == o;
        if (times > 0 && o->most <= 1) bad_input("%s is given twice", o->name);
        if (times > 0 && times == o->most) bad_input("%s is given more than %d times", o->name, o->most);
        if (count < GIVEN_MAX) given[count++] = o;
        if (o->argument && !equals && i + 1 == argc)
            bad_input("%s: expected %s after it", o->name, o->argument);
        if (!o->argument && equals) bad_input("%s: expected no value, found %s", o->name, equals);
        if (o->argument) o->value[times] = equals ? equals + 1 : argv[++i];
        else             *o->flag = true;
    }
    return left;
}

double options_number(const char *name, const char *text, double low, double high)
{
    char *end;
    double x = strtod(text, &end);
    bool decimal = *text && strspn(text, "+-0123456789.eE") == strlen(text);
    if (!decimal || *end || !(x >= low && x <= high))
        bad_input("%s: expected a number in [%g, %g], found \"%s\"", name, low, high, text);
    return x + 0.0;                         /* -0 is 0 */
}

long options_whole(const char *name, const char *text, long low, long high)
{
    char *end;
    errno = 0;
    long x = strtol(text, &end, 10);
    if (!isdigit((unsigned char)*text) || *end || errno || x < low || x > high)
        bad_input("%s: expected a whole number from %ld to %ld, found \"%s\"", name, low, high, text);
    return x;
}

uint64_t options_seed(const char *name, const char *text)
{
    char *end;
    errno = 0;
    unsigned long long x = strtoull(text, &end, 10);
    if (!isdigit((unsigned char)*text) || *end || errno)
        bad_input("%s: expected a whole number from 0 to 18446744073709551615, found \"%s\"", name, text);
    return x;
}
