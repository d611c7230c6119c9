/* `ascent assignment N --out DIR`: the student's folder, cut from the reference.
 *
 * In a reference source, around the body of a function, on lines of their own:
 *     / * BEGIN SOLUTION ID * /  ...  / * END SOLUTION * /            (without the blanks)
 * is replaced by a stop that names the ID: a function that is not written yet has no plausible value. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "autodiff/options.h"
#include "autodiff/require.h"
#include "chapters/commands.h"
#include "chapters/grade.h"

enum { LINE = 2000, PATH = 1000 };

extern const check checks_3[];
static const char *const files_3[] = { "returns.c", "reinforce.c", "vpg.c", NULL };

const assignment assignments[] = {
    { 3, "REINFORCE", files_3, checks_3 },
    { .number = 0 },
};

const assignment *assignment_find(const char *number)
{
    char text[20];
    for (const assignment *a = assignments; a->number; a++) {
        snprintf(text, sizeof text, "%d", a->number);
        if (strcmp(text, number) == 0) return a;
    }
    bad_input("expected the number of an assignment, 3, found %s", number);
}

void assignment_path(char *path, size_t size, const char *name)
{
    char program[PATH];
    ssize_t n = readlink("/proc/self/exe", program, sizeof program - 1);
    if (n < 0) bad_input("/proc/self/exe: %s", strerror(errno));
    program[n] = '\0';
    *strrchr(program, '/') = '\0';
    if (snprintf(path, size, "%s/%s", program, name) >= (int)size) bad_input("%s: too long a path", program);
}

static bool mentions(FILE *in, const char *text)
{
    char line[LINE];
    bool found = false;
    while (!found && fgets(line, sizeof line, in)) found = strstr(line, text) != NULL;
    rewind(in);
    return found;
}

/* Copies the lines of in, but the weaver's marks; between those of a solution it writes a stop instead. */
static void cut(const char *name, FILE *in, FILE *out, const char *build)
{
    static const char begin[] = "/* BEGIN SOLUTION ", end[] = "/* END SOLUTION */", at_build[] = "@BUILD@";
    char line[LINE], *at;
    bool within = false, stops = mentions(in, begin) && !mentions(in, "#include \"autodiff/require.h\"");
    for (int l = 1; fgets(line, sizeof line, in); l++) {
        if (!within && (at = strstr(line, begin))) {
            const char *id = at + sizeof begin - 1;
            fprintf(out, "%.*srequire(!\"written\", \"%.*s: not implemented yet\");\n", (int)(at - line), line,
                    (int)strcspn(id, " "), id);
            within = true;
        } else if (within && strstr(line, end)) within = false;
        else if (strstr(line, begin) || strstr(line, end))
            bad_input("%s:%d: a mark of a solution out of place", name, l);
        else if (!within && (at = strstr(line, at_build)))
            fprintf(out, "%.*s%s%s", (int)(at - line), line, build, at + sizeof at_build - 1);
        else if (!within && !strstr(line, "/*[snip") && !strstr(line, "/*[/snip]*/")) fputs(line, out);
        if (stops && strncmp(line, "#include", 8) == 0) {
            fputs("#include \"autodiff/require.h\"\n", out);
            stops = false;
        }
    }
    if (within) bad_input("%s: a solution that does not end", name);
}

static void write_one(const assignment *a, const char *name, const char *folder)
{
    char from[PATH], to[PATH], build[PATH], local[200];
    snprintf(local, sizeof local, "handouts/%d/%s", a->number, name);
    assignment_path(from, sizeof from, local);
    assignment_path(build, sizeof build, ".");
    build[strlen(build) - 2] = '\0';
    if (snprintf(to, sizeof to, "%s/%s", folder, name) >= PATH) bad_input("%s: too long a path", folder);
    FILE *in = fopen(from, "r"), *out = in ? fopen(to, "wx") : NULL;
    if (!in) bad_input("%s: %s", from, strerror(errno));
    if (!out)
        bad_input("%s: %s", to, errno == EEXIST ? "is there already, and not written over" : strerror(errno));
    cut(from, in, out, build);
    fclose(in);
    if (ferror(out) | (fclose(out) != 0)) io_failure("%s: %s", to, strerror(errno));
}

int assignment_command(int argc, char **argv)
{
    const char *folder = NULL;
    const option table[] = {
        { "--out", "DIR", "the folder, new or without files of these names", &folder, NULL },
        { NULL, NULL, NULL, NULL, NULL } };
    int left = options_parse(argc, argv, "assignment N --out DIR",
        "Writes the student's folder of an assignment: README.md with the equations and points, the files with\n"
        "the functions to write, and a Makefile. `ascent grade N DIR` grades it.", table);
    if (left != 1) bad_input("assignment: expected the number of an assignment, found %d arguments", left);
    const assignment *a = assignment_find(argv[1]);
    if (!folder) bad_input("assignment: expected --out DIR");
    if (mkdir(folder, 0777) != 0 && errno != EEXIST) bad_input("%s: %s", folder, strerror(errno));
    write_one(a, "README.md", folder);
    write_one(a, "Makefile", folder);
    for (const char *const *f = a->files; *f; f++) write_one(a, *f, folder);
    return EXIT_HELD;
}
