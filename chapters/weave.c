/* The weaver: writes regions of source and the outputs of commands into the book's Markdown, and checks that what
 * stands there is still so.
 *
 *     weave check|write|runs SOURCE.c... PAGE.md...        from the top folder, with `ascent` on the PATH
 *
 * In a source, on lines of their own, around whole functions, at most 30 lines:
 *     / *[snip NAME]* /  ...  / *[/snip]* /                (without the blanks)
 * Lines in it that begin or end an assignment's solution are left out. [snip NAME later]: no page shows it yet.
 * In a page, each on one line; all but `claim` are followed by a block that ends with <!-- end -->:
 *     <!-- code NAME -->            the region
 *     <!-- output COMMAND -->       the command and what it prints
 *     <!-- markdown COMMAND -->     what it prints, as part of the page
 *     <!-- figure NAME CAPTION -->  NAME.svg, which gnuplot made by NAME.gp from NAME.csv, which the command
 *                                   in NAME.gp's first line, `# data: COMMAND`, prints; all beside the page
 *     <!-- run NAME -->             NAME.csv as a table: kept from a run of NAME.run, a shell script whose
 *                                   first line is `# regions: NAME...`, the code that it is a run of
 *     <!-- claim COMMAND -->        holds when the command ends with 0
 *
 * check   fails on a block that differs, and on names that are unknown, unused, given twice or left open. Code must
 *         be equal; of outputs the words, and each number to 1e-3. A run is not run: the file must carry the
 *         hashes of its script and regions. A number in prose of three digits or more must be the rounding of one
 *         in a block of its page.
 * write   writes the blocks that differ, CSVs and figures among them.   runs   makes the CSVs of runs anew. */
#include <ctype.h>
#include <inttypes.h>
#include <math.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>

#include "autodiff/require.h"

enum { MAX_LINES = 30, MAX_REGIONS = 1000, MAX_NUMBERS = 100000 };

typedef struct {
    char *name, *file, *text;
    int line, lines;
    bool later, used;
} region;

typedef struct {
    enum { CHECK, WRITE, RUNS } mode;
    int regions, passed, failed;
    region region[MAX_REGIONS];
    const char *page;               /* the one that is read, */
    int line;                       /* and where */
    int numbers;                    /* in its blocks */
    double *number;                 /* [MAX_NUMBERS] their sizes */
} weaver;

static bool wrong(weaver *w, const char *file, int line, const char *fmt, ...)
{
    va_list args;
    va_start(args, fmt);
    printf("%s:%d: ", file, line);
    vprintf(fmt, args);
    printf("\n");
    va_end(args);
    w->failed++;
    return false;
}

/* ---- files and commands ---- */

static char *read_all(FILE *in)
{
    char *text = NULL;
    size_t n = 0, room = 0, got;
    do {
        if (room - n < 4096) text = reallocate(text, room = 2 * room + 8192, 1, "a file");
        n += got = fread(text + n, 1, room - n - 1, in);
    } while (got > 0);
    text[n] = '\0';
    return text;
}

static char *read_file(const char *path)                /* NULL when there is none */
{
    FILE *in = fopen(path, "r");
    char *text = in ? read_all(in) : NULL;
    if (in) fclose(in);
    return text;
}

static void write_file(const char *path, const char *text)
{
    FILE *out = fopen(path, "w");
    if (!out || fputs(text, out) == EOF || fclose(out) != 0) io_failure("%s: cannot be written", path);
}

static char *print(const char *fmt, ...)
{
    va_list args;
    char *text = NULL;
    size_t n;
    FILE *out = open_memstream(&text, &n);
    if (!out) out_of_memory(0, "a text");
    va_start(args, fmt);
    vfprintf(out, fmt, args);
    va_end(args);
    if (fclose(out) != 0) out_of_memory(0, "a text");
    return text;
}

/* What the command prints; NULL, and a message, when it fails or prints nothing. */
static char *output_of(weaver *w, const char *command)
{
    fflush(stdout);
    FILE *in = popen(command, "r");
    if (!in) io_failure("%s: cannot be run", command);
    char *text = read_all(in);
    int status = pclose(in);
    if (WIFEXITED(status) && WEXITSTATUS(status) == 0 && *text) return text;
    if (*text) wrong(w, w->page, w->line, "the command ends with %d: %s", WEXITSTATUS(status), command);
    else       wrong(w, w->page, w->line, "the command prints nothing: %s", command);
    free(text);
    return NULL;
}

static char *beside(const weaver *w, const char *name, const char *ending)      /* a file in the page's folder */
{
    const char *slash = strrchr(w->page, '/');
    int folder = slash ? (int)(slash - w->page) + 1 : 0;
    return print("%.*s%s%s", folder, w->page, name, ending);
}

static uint64_t hash(uint64_t h, const char *text)              /* FNV-1a */
{
    for (; *text; text++) h = (h ^ (unsigned char)*text) * 0x100000001b3;
    return h;
}
static uint64_t hash_code(uint64_t h, const char *code)         /* without blanks: a line broken anew is no other code */
{
    for (; *code; code++)
        if (!isspace((unsigned char)*code)) h = (h ^ (unsigned char)*code) * 0x100000001b3;
    return h;
}
#define HASH_EMPTY 0xcbf29ce484222325

/* ---- regions of source ---- */

static region *find_region(weaver *w, const char *name)
{
    for (int i = 0; i < w->regions; i++)
        if (strcmp(w->region[i].name, name) == 0) return &w->region[i];
    return NULL;
}

/* A line that opens or closes what an assignment takes out */
static bool solution_marker(const char *word)
{
    return strncmp(word, "/* BEGIN SOLUTION ", 18) == 0 || strncmp(word, "/* END SOLUTION */", 18) == 0;
}

/* The lines of the region that begins at `text`, up to its end marker, without their common indentation */
static char *without_indentation(const char *text, size_t length)
{
    size_t common = SIZE_MAX, n = 0;
    char *out = allocate(length + 1, 1, "a region");
    for (const char *p = text; p < text + length; p = strchr(p, '\n') + 1) {
        size_t blanks = strspn(p, " ");
        if (p[blanks] != '\n' && blanks < common) common = blanks;
    }
    for (const char *p = text; p < text + length; p = strchr(p, '\n') + 1) {
        const char *from = p + strspn(p, " "), *end = strchr(p, '\n') + 1;
        if (solution_marker(from)) continue;
        if ((size_t)(from - p) > common) from = p + common;
        memcpy(out + n, from, (size_t)(end - from));
        n += (size_t)(end - from);
    }
    return out;
}

static void close_region(weaver *w, region *r, const char *begin, const char *end)
{
    r->text = without_indentation(begin, (size_t)(end - begin));
    for (const char *p = r->text; *p; p++) r->lines += *p == '\n';
    if (r->lines == 0) wrong(w, r->file, r->line, "region %s is empty", r->name);
    if (r->lines > MAX_LINES)
        wrong(w, r->file, r->line, "region %s has %d lines, at most %d are read", r->name, r->lines, MAX_LINES);
}

static void read_regions(weaver *w, const char *file)
{
    char *text = read_file(file), name[101], later[8];
    if (!text) bad_input("%s: cannot be read", file);
    region *open = NULL;
    const char *begin = NULL;
    int line = 1;
    for (char *p = text, *end; (end = strchr(p, '\n')); p = end + 1, line++) {
        const char *word = p + strspn(p, " ");
        if (strncmp(word, "/*[/snip]*/\n", 12) == 0) {
            if (!open) wrong(w, file, line, "no region is open here");
            else close_region(w, open, begin, p);
            open = NULL;
        } else if (sscanf(word, "/*[snip %100[^] \n]%7[^]\n]", name, strcpy(later, "")) >= 1) {
            if (open) wrong(w, file, line, "region %s is still open", open->name);
            if (find_region(w, name)) wrong(w, file, line, "a second region %s", name);
            require(w->regions < MAX_REGIONS, "more than %d regions", MAX_REGIONS);
            open = &w->region[w->regions++];
            *open = (region){ print("%s", name), print("%s", file), NULL, line, 0, strcmp(later, " later") == 0, false };
            begin = end + 1;
        }
    }
    if (open) wrong(w, file, open->line, "region %s is never closed", open->name);
    free(text);
}

/* ---- comparing ---- */

/* A number at p: its end, or NULL. `E5`, `PGT-3` and `x1` hold none. */
static const char *number_at(const char *text, const char *p, double *x, bool *whole)
{
    if (p > text && (isalnum((unsigned char)p[-1]) || p[-1] == '_' || p[-1] == '.')) return NULL;
    const char *q = p + (*p == '-' || *p == '+');
    if (q > p && p > text && isalnum((unsigned char)p[-1])) return NULL;
    if (!isdigit((unsigned char)*q) && !(*q == '.' && isdigit((unsigned char)q[1]))) return NULL;
    if (q[0] == '0' && (q[1] == 'x' || q[1] == 'X')) return NULL;
    char *end;
    *x = strtod(p, &end);
    end -= end[-1] == '.';                              /* the end of a sentence */
    *whole = !memchr(p, '.', (size_t)(end - p)) && !memchr(p, 'e', (size_t)(end - p));
    return end;
}

/* The same words, whole numbers equal, others within 1e-3 of the larger; blanks count as one. */
static bool same_output(const char *a, const char *b)
{
    const char *pa = a, *pb = b;
    while (*pa || *pb) {
        double xa, xb;
        bool whole_a, whole_b;
        const char *end_a = number_at(a, pa, &xa, &whole_a), *end_b = number_at(b, pb, &xb, &whole_b);
        if (end_a && end_b) {
            if (whole_a && whole_b ? xa != xb : !(fabs(xa - xb) <= 1e-3 * fmax(fabs(xa), fabs(xb)))) return false;
            pa = end_a;
            pb = end_b;
        } else if (*pa == ' ' && *pb == ' ') {
            pa += strspn(pa, " ");
            pb += strspn(pb, " ");
        } else if (*pa == ' ' && end_b) pa++;           /* one number has a digit or a sign more than the other */
        else if (*pb == ' ' && end_a) pb++;
        else if (*pa++ != *pb++) return false;
    }
    return true;
}

/* ---- the kinds of blocks: each gives the text that should stand there, NULL when there is none ---- */

static char *code_block(weaver *w, const char *name, const char *found)
{
    (void)found;
    region *r = find_region(w, name);
    if (!r) return wrong(w, w->page, w->line, "no region %s", name), NULL;
    r->used = true;
    return print("`%s`\n\n```c\n%s```\n", r->file, r->text ? r->text : "");
}

/* The block that was found stays where it differs in nothing that counts. */
static char *kept(char *made, const char *found)
{
    if (!same_output(made, found)) return made;
    free(made);
    return print("%s", found);
}

static char *output_block(weaver *w, const char *command, const char *found)
{
    char *text = output_of(w, command), *block = NULL;
    if (text) block = kept(print("```console\n$ %s\n%s```\n", command, text), found);
    free(text);
    return block;
}

static char *markdown_block(weaver *w, const char *command, const char *found)
{
    char *text = output_of(w, command), *block = NULL;
    if (text) block = kept(print("\n%s\n", text), found);
    free(text);
    return block;
}

/* NAME.csv as NAME.gp's command prints it now: written where it differs, which the check forbids. */
static char *current_csv(weaver *w, const char *name, const char *script)
{
    char *path = beside(w, name, ".csv"), *old = read_file(path), *new = NULL, command[1000];
    if (sscanf(script, "# data: %999[^\n]", command) == 1) new = output_of(w, command);
    else wrong(w, w->page, w->line, "%s.gp: expected a first line `# data: COMMAND`", name);
    if (new && old && same_output(old, new)) {
        free(new);
        new = old;
        old = NULL;
    } else if (new && w->mode == WRITE) write_file(path, new);
    else if (new) {
        wrong(w, w->page, w->line, "%s is not what the command prints: %s", path, command);
        free(new);
        new = NULL;
    }
    free(path);
    free(old);
    return new;
}

static bool draw(weaver *w, const char *name, const char *svg, const char *mark)
{
    char *folder = beside(w, "", "."), *command = print("cd %s && LC_ALL=C.UTF-8 gnuplot %s.gp", folder, name);
    char *drawn = output_of(w, command), *marked = drawn ? print("%s%s", drawn, mark) : NULL;
    if (marked) write_file(svg, marked);
    else        wrong(w, w->page, w->line, "%s is to be drawn anew, by gnuplot (Debian: gnuplot-nox)", svg);
    free(folder);
    free(command);
    free(drawn);
    free(marked);
    return drawn;
}

/* NAME.svg ends with the hash of what it was drawn from. */
static char *figure_block(weaver *w, const char *argument, const char *found)
{
    (void)found;
    char name[101] = "", *block = NULL;
    int length = 0;
    sscanf(argument, "%100s %n", name, &length);
    char *gp = beside(w, name, ".gp"), *svg = beside(w, name, ".svg");
    char *script = read_file(gp), *drawing = read_file(svg), *csv = NULL, *mark = NULL;
    if (!script) wrong(w, w->page, w->line, "%s cannot be read", gp);
    else if ((csv = current_csv(w, name, script))) {
        mark = print("<!-- of %016" PRIx64 " -->\n", hash(hash(HASH_EMPTY, script), csv));
        bool fresh = drawing && strstr(drawing, mark);
        if (fresh || (w->mode == WRITE && draw(w, name, svg, mark)))
            block = print("\n![%s](%s.svg)\n\n*%s*\n\n", name, name, argument + length);
        else if (w->mode != WRITE)
            wrong(w, w->page, w->line, "%s was not drawn from these %s.gp and %s.csv", svg, name, name);
    }
    free(gp), free(svg), free(script), free(drawing), free(csv), free(mark);
    return block;
}

/* The first lines of NAME.csv: what it is a run of. NULL after a message. */
static char *run_header(weaver *w, const char *name, const char *script)
{
    char *header = print("# script: %016" PRIx64 "\n", hash(HASH_EMPTY, script)), list[1000] = "";
    sscanf(script, "# regions: %999[^\n]", list);
    if (!*list) wrong(w, w->page, w->line, "%s.run: expected a first line `# regions: NAME...`", name);
    for (char *word = strtok(list, " "); word; word = strtok(NULL, " ")) {
        region *r = find_region(w, word);
        if (!r) return free(header), wrong(w, w->page, w->line, "%s.run: no region %s", name, word), NULL;
        char *longer = print("%s# region: %s %016" PRIx64 "\n", header, word, hash_code(HASH_EMPTY, r->text));
        free(header);
        header = longer;
    }
    return header;
}

static void run_again(weaver *w, const char *name, const char *path, const char *header)
{
    char *script = beside(w, name, ".run"), *command = print("sh %s", script), *rows = output_of(w, command);
    FILE *git = popen("git describe --always 2>/dev/null", "r");
    char *version = git ? read_all(git) : print("%s", "");
    if (git) pclose(git);
    if (!*version) version = (free(version), print("unknown\n"));
    char *text = rows ? print("%s# version: %s%s", header, version, rows) : NULL;
    if (text) write_file(path, text);
    free(script), free(command), free(rows), free(version), free(text);
}

static char *table_of(const char *csv)                  /* comment lines left out */
{
    char *table = print("%s", ""), line[1000];
    int rows = 0;
    for (const char *p = csv; *p; p += strcspn(p, "\n"), p += *p == '\n') {
        if (*p == '#' || sscanf(p, "%999[^\n]", line) != 1) continue;
        char *longer = print("%s| ", table), *rule = print("%s", "|");
        for (char *cell = strtok(line, ","); cell; cell = strtok(NULL, ",")) {
            char *more = print("%s%s | ", longer, cell), *dash = print("%s---|", rule);
            free(longer), free(rule);
            longer = more;
            rule = dash;
        }
        longer[strlen(longer) - 1] = '\0';
        free(table);
        table = rows++ ? print("%s\n", longer) : print("%s\n%s\n", longer, rule);
        free(longer), free(rule);
    }
    return table;
}

static char *run_block(weaver *w, const char *name, const char *found)
{
    (void)found;
    char *script_path = beside(w, name, ".run"), *path = beside(w, name, ".csv"), *block = NULL;
    char *script = read_file(script_path), *header = script ? run_header(w, name, script) : NULL;
    if (!script) wrong(w, w->page, w->line, "%s cannot be read", script_path);
    if (header && w->mode == RUNS) run_again(w, name, path, header);
    char *csv = read_file(path);
    if (header && !csv) wrong(w, w->page, w->line, "no %s: `make book-runs` makes it", path);
    else if (header && strncmp(csv, header, strlen(header)) != 0)
        wrong(w, w->page, w->line, "%s is a run of other code or of another script: `make book-runs`", path);
    else if (header) {
        char *table = table_of(csv), version[101] = "unknown";
        sscanf(csv + strlen(header), "# version: %100[^\n]", version);
        block = print("\n%s\n`%s`, version %s:\n\n```sh\n%s```\n", table, script_path, version,
                      strchr(script, '\n') ? strchr(script, '\n') + 1 : "");
        free(table);
    }
    free(script_path), free(path), free(script), free(header), free(csv);
    return block;
}

static const struct {
    const char *kind;
    char *(*block)(weaver *w, const char *argument, const char *found);     /* NULL: claim */
} kinds[] = {
    { "code", code_block }, { "output", output_block }, { "markdown", markdown_block }, { "figure", figure_block },
    { "run", run_block }, { "claim", NULL },
};
enum { KINDS = sizeof kinds / sizeof *kinds };
#define END "<!-- end -->\n"

/* ---- numbers in prose ---- */

static void collect_numbers(weaver *w, const char *text)
{
    double x;
    bool whole;
    for (const char *p = text, *end; *p; p = end ? end : p + 1)
        if ((end = number_at(text, p, &x, &whole)) && w->numbers < MAX_NUMBERS) w->number[w->numbers++] = fabs(x);
}

static int significant_digits(const char *p, const char *end, int *decimals)
{
    int digits = 0;
    *decimals = 0;
    for (bool behind = false; p < end && *p != 'e'; p++) {
        if (*p == '.') behind = true;
        if (!isdigit((unsigned char)*p)) continue;
        *decimals += behind;
        if (digits > 0 || *p != '0') digits++;
    }
    return digits;
}

/* Inline code and the addresses of links are not prose. */
static void check_prose(weaver *w, const char *line, int at)
{
    bool code = false, whole;
    double x;
    for (const char *p = line, *end; *p; p = end) {
        end = p + 1;
        if (*p == '`') code = !code;
        if (strncmp(p, "](", 2) == 0) end = p + strcspn(p, ")");
        const char *behind = code ? NULL : number_at(line, p, &x, &whole);
        if (!behind) continue;
        end = behind;
        int decimals, digits = significant_digits(p, end, &decimals), i = 0;
        if (whole || digits < 3) continue;
        while (i < w->numbers && fabs(w->number[i] - fabs(x)) > 0.500001 * pow(10, -decimals)) i++;
        if (i < w->numbers) w->passed++;
        else wrong(w, w->page, at, "%.*s stands in no output of this page", (int)(end - p), p);
    }
}

/* ---- pages ---- */

/* `<!-- KIND ARGUMENT -->`: the kind's place in the table, KINDS for <!-- end -->, -1 for another comment; -2 for
 * no comment. */
static int directive(const char *line, char **argument)
{
    char kind[20] = "";
    int from = 0;
    if (strncmp(line, "<!-- ", 5) != 0) return -2;
    sscanf(line, "<!-- %19s %n", kind, &from);
    const char *end = strstr(line, " -->");
    if (!end) return -1;
    *argument = print("%.*s", end > line + from ? (int)(end - line - from) : 0, line + from);
    for (int k = 0; k < KINDS; k++)
        if (strcmp(kind, kinds[k].kind) == 0) return k;
    return strcmp(kind, "end") == 0 ? KINDS : -1;
}

/* One directive, its block at p: writes what should stand there, and its end, to `out`. Returns the rest. */
static const char *weave_block(weaver *w, int k, const char *argument, const char *p, FILE *out)
{
    const char *end = strncmp(p, END, strlen(END)) == 0 ? p : strstr(p, "\n" END), *next = strstr(p, "\n<!-- ");
    if (!end || (end != p && next < end)) {
        wrong(w, w->page, w->line, "expected <!-- end --> behind this block");
        return p;
    }
    end += end != p;
    char *found = print("%.*s", (int)(end - p), p);
    int before = w->failed;
    char *block = kinds[k].block(w, argument, found);
    if (w->mode == CHECK && block && strcmp(block, found) != 0)
        wrong(w, w->page, w->line, "%s %s differs, expected:\n%s", kinds[k].kind, argument, block);
    if (w->failed == before) w->passed++;
    fprintf(out, "%s" END, block ? block : found);
    collect_numbers(w, block ? block : found);
    for (const char *c = p; c < end + strlen(END); c++) w->line += *c == '\n';
    free(found);
    free(block);
    return end + strlen(END);
}

static void check_all_prose(weaver *w, const char *text)
{
    char *copy = print("%s", text), *argument;
    bool block = false, fence = false;
    int line = 1;
    for (char *p = copy, *end; (end = strchr(p, '\n')); p = end + 1, line++) {
        *end = '\0';
        argument = NULL;
        int k = directive(p, &argument);
        if (k >= 0) block = k < KINDS && kinds[k].block;
        if (strncmp(p, "```", 3) == 0) fence = !fence;
        if (k == -2 && !block && !fence) check_prose(w, p, line);
        free(argument);
    }
    free(copy);
}

static void weave_page(weaver *w, const char *page)
{
    char *text = read_file(page), *made = NULL;
    size_t n;
    if (!text) bad_input("%s: cannot be read", page);
    FILE *out = open_memstream(&made, &n);
    if (!out) out_of_memory(0, "a page");
    w->page = page;
    w->line = 1;
    w->numbers = 0;
    for (const char *p = text, *end; *p; w->line++) {
        end = p + strcspn(p, "\n");
        end += *end == '\n';
        fwrite(p, 1, (size_t)(end - p), out);
        char *argument = NULL, *line = print("%.*s", (int)(end - p), p);
        int k = directive(line, &argument);
        if (k == -1) wrong(w, page, w->line, "no such directive: %.*s", (int)strcspn(line, "\n"), line);
        else if (k == KINDS) wrong(w, page, w->line, "nothing ends here");
        else if (k >= 0 && k < KINDS && kinds[k].block) end = weave_block(w, k, argument, end, out);
        else if (k >= 0 && k < KINDS) {
            fflush(stdout);
            if (system(argument) == 0) w->passed++;
            else wrong(w, page, w->line, "the claim does not hold: %s", argument);
        }
        p = end;
        free(argument);
        free(line);
    }
    if (fclose(out) != 0) out_of_memory(0, "a page");
    check_all_prose(w, made);
    if (w->mode != CHECK && strcmp(made, text) != 0) write_file(page, made);
    free(text);
    free(made);
}

static bool ends_in(const char *path, const char *ending)
{
    size_t n = strlen(path), m = strlen(ending);
    return n > m && strcmp(path + n - m, ending) == 0;
}

int main(int argc, char **argv)
{
    static const char *const mode[] = { "check", "write", "runs" };
    weaver *w = allocate(1, sizeof *w, "the weaver");
    w->number = allocate(MAX_NUMBERS, sizeof *w->number, "numbers");
    int m = 0;
    while (m < 3 && (argc < 2 || strcmp(argv[1], mode[m]) != 0)) m++;
    if (m == 3) bad_input("usage: weave check|write|runs SOURCE.c... PAGE.md...");
    w->mode = m;
    for (int i = 2; i < argc; i++)
        if (!ends_in(argv[i], ".md")) read_regions(w, argv[i]);
    for (int i = 2; i < argc; i++)
        if (ends_in(argv[i], ".md")) weave_page(w, argv[i]);
    for (int i = 0; i < w->regions; i++) {
        region *r = &w->region[i];
        if (r->used != r->later) w->passed++;
        else wrong(w, r->file, r->line, "region %s is in %s", r->name, r->used ? "a page: no `later`" : "no page");
        free(r->name), free(r->file), free(r->text);
    }
    printf("%d passed, %d failed\n", w->passed, w->failed);
    int status = w->failed > 0 ? EXIT_CHECK_FAILED : EXIT_HELD;
    free(w->number);
    free(w);
    finish(status);
}
