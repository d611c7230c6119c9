/* The command line of one command: a table of options, and what is left. Mistakes end in exit 2. */
#ifndef ASCENT_OPTIONS_H
#define ASCENT_OPTIONS_H

#include <stdbool.h>
#include <stdint.h>

typedef struct {
    const char *name;           /* "--gamma"; NULL ends the table, of at most 64 */
    const char *argument;       /* "G" for the help text, NULL for a flag */
    const char *help;
    const char **value;         /* receives the argument, */
    bool *flag;                 /* or true */
    int most;                   /* > 1: may be given so often; value [most], NULL at first, gets them in order */
} option;

/* Reads `--name value`, `--name=value` and flags anywhere in argv[1..]; what is no option is moved to
 * argv[1..], and their number returned. `--` ends the options. `--help` prints synopsis, about and the
 * table on stdout and ends the program with 0. */
int options_parse(int argc, char **argv, const char *synopsis, const char *about, const option *table);

/* The whole text as a finite number in [low, high], or exit 2 naming the option. */
double   options_number(const char *name, const char *text, double low, double high);
long     options_whole(const char *name, const char *text, long low, long high);     /* low >= 0 */
uint64_t options_seed(const char *name, const char *text);

#endif
