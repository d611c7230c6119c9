/* Fields of config structs from text and to text: see algorithm.h. */
#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "algorithms/algorithm.h"
#include "algorithms/progress.h"
#include "autodiff/require.h"

const char *const config_activations[] = { "linear", "tanh", "relu", NULL };
const char *const config_switch[] = { "off", "on", NULL };

static const void *at(const config_field *f, const void *config) { return (const char *)config + f->at; }

void config_value(const config_field *f, const void *config, char text[CONFIG_VALUE])
{
    const void *x = at(f, config);
    const widths *w = x;
    switch (f->kind) {
    case CONFIG_REAL:   progress_number(text, *(const double *)x); break;
    case CONFIG_WHOLE:  snprintf(text, CONFIG_VALUE, "%ld", *(const long *)x); break;
    case CONFIG_CHOICE: snprintf(text, CONFIG_VALUE, "%s", f->choices[*(const int *)x]); break;
    case CONFIG_WIDTHS:
        strcpy(text, w->layers ? "" : "0");
        for (int l = 0, n = 0; l < w->layers; l++)
            n += snprintf(text + n, (size_t)(CONFIG_VALUE - n), "%s%d", l ? "," : "", w->width[l]);
        break;
    }
}

/* ---- from text: what was expected, or NULL if it was found ---- */

static bool decimal(const char *text) { return *text && strspn(text, "+-0123456789.eE") == strlen(text); }

static bool set_real(const config_field *f, const char *text, double *x)
{
    char *end;
    double value = strtod(text, &end);
    if (!decimal(text) || *end || !(value >= f->low && value <= f->high)) return false;
    *x = value + 0.0;                           /* -0 is 0 */
    return true;
}

static bool set_whole(const char *text, double low, double high, long *x)
{
    char *end;
    errno = 0;
    long value = strtol(text, &end, 10);
    if (!*text || strspn(text, "-0123456789") != strlen(text) || *end || errno) return false;
    if (!((double)value >= low && (double)value <= high)) return false;
    *x = value;
    return true;
}

static bool set_choice(const config_field *f, const char *text, int *x)
{
    for (int i = 0; f->choices[i]; i++)
        if (strcmp(f->choices[i], text) == 0) {
            *x = i;
            return true;
        }
    return false;
}

static bool set_widths(const char *text, widths *w)
{
    const int most = (int)(sizeof w->width / sizeof *w->width);
    widths found = { 0 };
    if (strcmp(text, "0") != 0)
        for (const char *c = text;; c++) {
            char number[16] = "";
            size_t n = strcspn(c, ",");
            long width;
            if (n >= sizeof number || found.layers == most) return false;
            memcpy(number, c, n);
            if (!set_whole(number, 1, NETWORK_MAX_SIZE, &width)) return false;
            found.width[found.layers++] = (int)width;
            c += n;
            if (!*c) break;
        }
    *w = found;
    return true;
}

static void expectation(const config_field *f, char *text, size_t size)
{
    int n = 0;
    switch (f->kind) {
    case CONFIG_REAL:   snprintf(text, size, "a number in [%.10g, %.10g]", f->low, f->high); break;
    case CONFIG_WHOLE:  snprintf(text, size, "a whole number from %.0f to %.0f", f->low, f->high); break;
    case CONFIG_WIDTHS: snprintf(text, size, "widths of hidden layers as 64,64, or 0 for none"); break;
    case CONFIG_CHOICE:
        for (int i = 0; f->choices[i] && n < (int)size; i++)
            n += snprintf(text + n, size - (size_t)n, "%s%s", i ? ", " : "one of ", f->choices[i]);
        break;
    }
}

void config_set(const config_field *fields, void *config, const char *who, const char *assignment)
{
    size_t n = strcspn(assignment, "=");
    const config_field *f = fields;
    while (f->name && (strlen(f->name) != n || strncmp(f->name, assignment, n) != 0)) f++;
    if (!f->name || !assignment[n]) {
        char names[1024] = "";
        for (f = fields; f->name && strlen(names) + strlen(f->name) + 3 < sizeof names; f++)
            strcat(strcat(names, *names ? ", " : ""), f->name);
        bad_input("%s: expected name=value with a name of %s, found \"%s\"", who, names, assignment);
    }
    const char *text = assignment + n + 1;
    void *x = (char *)config + f->at;
    bool set = f->kind == CONFIG_REAL   ? set_real(f, text, x)
             : f->kind == CONFIG_WHOLE  ? set_whole(text, f->low, f->high, x)
             : f->kind == CONFIG_CHOICE ? set_choice(f, text, x)
                                        : set_widths(text, x);
    if (set) return;
    char expected[256] = "";
    expectation(f, expected, sizeof expected);
    bad_input("%s: expected %s for %s, found \"%s\"", who, expected, f->name, text);
}

void config_help(FILE *out, const config_field *fields, const void *defaults)
{
    for (const config_field *f = fields; f->name; f++) {
        char value[CONFIG_VALUE], expected[256] = "";
        config_value(f, defaults, value);
        expectation(f, expected, sizeof expected);
        fprintf(out, "  %s=%-*s %s; %s\n", f->name, 20 - (int)strlen(f->name), value, f->about, expected);
    }
}
