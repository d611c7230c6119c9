/* One-token mutants of a C file.
 *
 *     mutate list FILE SEED   lists them: number, line, function, change, lot, text of the line, with a tab between
 *     mutate apply FILE N     prints the file with mutant N applied
 *
 * The lot, from 0 to 2^32 - 1, decides whether a sample holds the mutant: it depends on the seed, the file, the
 * function, the text of the line and the change, and so outlives every edit elsewhere.
 *
 *     + -   * /   += -=   *= /=   ++ --   < <=   > >=   == !=   && ||      one for the other
 *     unary - and !                                                        dropped
 *     0 1   other numbers n                                                one for the other; n + 1, or, as what is
 *                                                                          asked of allocate, n - 1
 *     true false                                                           one for the other
 *     return x                                                             return -(x), of a bool !(x)
 *
 * Comments, strings, preprocessor lines and the sizes of declared arrays are left alone. A `*` counts as a
 * product where an operand stands before it and the blanks around it are alike, as this project writes them;
 * what is nevertheless no product does not compile, and so is no mutant. */
#include <ctype.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum kind { NAME, NUMBER, TEXT, MARK };
struct token { enum kind kind; const char *at; size_t n; int line; };
struct mutant { size_t from, length; char *instead, *change; int line; const char *function; };

static char *source;
static struct token *token;
static struct mutant *mutant;
static int tokens, mutants;

static void *grown(void *p, int n, size_t size)             /* room for one more, by doubling */
{
    if (n & (n - 1)) return p;
    p = realloc(p, (n ? 2 * (size_t)n : 1) * size);
    if (!p) { perror("mutate"); exit(2); }
    return p;
}

static char *copy(const char *at, size_t n)
{
    char *s = malloc(n + 1);
    if (!s) { perror("mutate"); exit(2); }
    memcpy(s, at, n);
    s[n] = '\0';
    return s;
}

static bool is(const struct token *t, const char *text)
{
    return t->n == strlen(text) && memcmp(t->at, text, t->n) == 0;
}

static bool is_one_of(const struct token *t, const char *const *text)
{
    for (; *text; text++)
        if (is(t, *text)) return true;
    return false;
}

/* ---- tokens ---- */

static const char *skip_to(const char *p, const char *end, int *line)       /* behind the next `end` */
{
    while (*p && strncmp(p, end, strlen(end)) != 0) {
        if (*p == '\\' && p[1]) p++;
        if (*p++ == '\n') ++*line;
    }
    return *p ? p + strlen(end) : p;
}

static size_t mark_length(const char *p)
{
    static const char *const longer[] = { "<<=", ">>=", "...", "->", "++", "--", "<<", ">>", "<=", ">=", "==",
        "!=", "&&", "||", "+=", "-=", "*=", "/=", "%=", "&=", "|=", "^=", NULL };
    for (const char *const *m = longer; *m; m++)
        if (strncmp(p, *m, strlen(*m)) == 0) return strlen(*m);
    return 1;
}

static void read_tokens(void)
{
    int line = 1;
    bool line_start = true;
    for (const char *p = source; *p;) {
        if (*p == '\n') { line++; line_start = true; p++; continue; }
        if (isspace((unsigned char)*p)) { p++; continue; }
        if (strncmp(p, "/*", 2) == 0) { p = skip_to(p + 2, "*/", &line); continue; }
        if (strncmp(p, "//", 2) == 0 || (*p == '#' && line_start)) {
            p = skip_to(p, "\n", &line);
            line++;
            line_start = true;
            continue;
        }
        struct token t = { MARK, p, 1, line };
        line_start = false;
        if (isalpha((unsigned char)*p) || *p == '_') {
            t.kind = NAME;
            while (isalnum((unsigned char)p[t.n]) || p[t.n] == '_') t.n++;
        } else if (isdigit((unsigned char)*p) || (*p == '.' && isdigit((unsigned char)p[1]))) {
            t.kind = NUMBER;
            while (isalnum((unsigned char)p[t.n]) || p[t.n] == '.' ||
                   ((p[t.n] == '-' || p[t.n] == '+') && strchr("eEpP", p[t.n - 1])))
                t.n++;
        } else if (*p == '"' || *p == '\'') {
            t.kind = TEXT;
            t.n = (size_t)(skip_to(p + 1, *p == '"' ? "\"" : "'", &line) - p);
        } else t.n = mark_length(p);
        token = grown(token, tokens, sizeof *token);
        token[tokens++] = t;
        p += t.n;
    }
}

/* ---- what a token is ---- */

static bool is_type(const struct token *t)
{
    static const char *const type[] = { "void", "bool", "char", "short", "int", "long", "unsigned", "signed",
        "float", "double", "const", "size_t", "ssize_t", "uint32_t", "uint64_t", "uintptr_t", "lapack_int",
        "struct", NULL };
    return is_one_of(t, type);
}

static bool ends_cast(int i)                        /* the ) of (double), (const char *) */
{
    if (!is(&token[i], ")")) return false;
    int first = i - 1;
    while (first > 0 && (is_type(&token[first]) || is(&token[first], "*"))) first--;
    return is(&token[first], "(") && first < i - 1;
}

static bool ends_operand(int i)
{
    static const char *const keyword[] = { "return", "case", "sizeof", "else", "do", NULL };
    if (i < 0 || ends_cast(i)) return false;
    const struct token *t = &token[i];
    if (t->kind == NAME) return !is_one_of(t, keyword) && !is_type(t);
    return t->kind == NUMBER || t->kind == TEXT || is(t, ")") || is(t, "]");
}

static bool is_product(int i)
{
    bool before = isspace((unsigned char)token[i].at[-1]), after = isspace((unsigned char)token[i].at[1]);
    return ends_operand(i - 1) && before == after && !is(&token[i + 1], ")") && !is(&token[i + 1], "*");
}

static bool is_declared_size(int i)                 /* the 512 of `char error[512]` */
{
    if (!is(&token[i - 1], "[") || !is(&token[i + 1], "]")) return false;
    int name = i - 2;
    while (is(&token[name], "]")) name -= 3;        /* of double x[2][3] */
    const struct token *before = &token[name - 1];
    return before->kind == NAME ? !is(before, "return") : is(before, "*") && !is_product(name - 1);
}

static int closing(int i)                           /* the ) of the ( at i */
{
    for (int depth = 0; i < tokens; i++) {
        if (is(&token[i], "(")) depth++;
        if (is(&token[i], ")") && --depth == 0) return i;
    }
    return tokens;
}

/* ---- mutants ---- */

static void add(const struct token *t, size_t length, const char *instead, const char *change,
                const char *function)
{
    int same = 1;
    for (int i = mutants - 1; i >= 0 && mutant[i].line == t->line; i--) {
        size_t n = strcspn(mutant[i].change, "#");
        if (n == strlen(change) && strncmp(mutant[i].change, change, n) == 0) same++;
    }
    char label[300];
    if (same > 1) snprintf(label, sizeof label, "%s#%d", change, same);
    else          snprintf(label, sizeof label, "%s", change);
    mutant = grown(mutant, mutants, sizeof *mutant);
    mutant[mutants++] = (struct mutant){ (size_t)(t->at - source), length, copy(instead, strlen(instead)),
                                         copy(label, strlen(label)), t->line, function };
}

static void replace(const struct token *t, const char *instead, const char *function)
{
    char change[300];
    snprintf(change, sizeof change, "%.*s -> %s", (int)t->n, t->at, *instead ? instead : "(none)");
    add(t, t->n, instead, change, function);
}

/* In a request for memory more is no mutant, and `allocate` gives room for one where none is asked for. */
static void mutate_number(const struct token *t, bool request, const char *function)
{
    char *text = copy(t->at, t->n), instead[200];
    double x = strtod(text, NULL);
    snprintf(instead, sizeof instead, "(%s%s1)", text, request ? "-" : "+");
    if (!request || x > 1) replace(t, x == 0 ? "1" : x == 1 ? "0" : instead, function);
    free(text);
}

static void mutate_mark(int i, const char *function)
{
    static const char *const pair[][2] = { { "+=", "-=" }, { "*=", "/=" }, { "++", "--" }, { "<", "<=" },
        { ">", ">=" }, { "==", "!=" }, { "&&", "||" } };
    const struct token *t = &token[i];
    for (size_t k = 0; k < sizeof pair / sizeof *pair; k++)
        for (int side = 0; side < 2; side++)
            if (is(t, pair[k][side])) replace(t, pair[k][1 - side], function);
    if (is(t, "!")) replace(t, "", function);
    if (is(t, "+") && ends_operand(i - 1)) replace(t, "-", function);
    if (is(t, "-")) replace(t, ends_operand(i - 1) ? "+" : "", function);
    if (is(t, "/")) replace(t, "*", function);
    if (is(t, "*") && is_product(i)) replace(t, "/", function);
}

/* type: 'b' bool, 'n' a number or something that will not compile, 'p' pointer or nothing */
static void mutate_return(int i, char type, const char *function)
{
    int end = i + 1;
    while (!is(&token[end], ";")) end++;
    const struct token *first = &token[i + 1];
    bool literal = end == i + 2 && (first->kind == NUMBER || is(first, "true") || is(first, "false"));
    if (type == 'p' || end == i + 1 || literal || is(first, "-") || is(first, "!")) return;
    char sign = type == 'b' ? '!' : '-', instead[2000], change[40];
    const char *from = first->at;
    size_t n = (size_t)(token[end].at - from);
    if (n > sizeof instead - 20) return;
    snprintf(instead, sizeof instead, "return %c(%.*s)", sign, (int)n, from);
    snprintf(change, sizeof change, "return -> return %c", sign);
    add(&token[i], (size_t)(token[end].at - token[i].at), instead, change, function);
}

static void find_mutants(void)
{
    const char *function = "-";
    static const char *const request[] = { "allocate", "reallocate", "malloc", "calloc", "realloc", NULL };
    int depth = 0, named = 0, request_end = 0;
    char type = 'p';
    for (int i = 1; i < tokens - 1; i++) {
        const struct token *t = &token[i];
        if (is(t, "{")) {
            if (depth++ == 0 && !is(&token[i - 1], ")")) function = "-", type = 'p';
        } else if (is(t, "}")) depth--;
        else if (depth == 0 && t->kind == NAME && is(&token[i + 1], "(") && named != t->line) {
            named = t->line;                /* the head of a function: its name, and what stands before it */
            function = copy(t->at, t->n);
            type = 'n';
            for (int k = i - 1; k >= 0 && !is(&token[k], ";") && !is(&token[k], "}"); k--) {
                if (is(&token[k], "bool")) type = 'b';
                if (is(&token[k], "*") || is(&token[k], "void")) type = 'p';
                if (type == 'p') break;
            }
        }
        if (is_one_of(t, request) && is(&token[i + 1], "(")) request_end = closing(i + 1);
        if (t->kind == NUMBER && !is_declared_size(i)) mutate_number(t, i < request_end, function);
        if (t->kind == MARK) mutate_mark(i, function);
        if (is(t, "true")) replace(t, "false", function);
        if (is(t, "false")) replace(t, "true", function);
        if (is(t, "return")) mutate_return(i, type, function);
    }
}

/* FNV-1a, 64 bits, and its upper half, of some texts one after the other, each with the NUL at its end */
static uint64_t fnv1a(uint64_t hash, const char *text)
{
    for (;; text++) {
        hash = (hash ^ (unsigned char)*text) * 0x100000001b3u;
        if (!*text) return hash;
    }
}

static void list(const char *file, const char *seed)
{
    for (int i = 0; i < mutants; i++) {
        const struct mutant *m = &mutant[i];
        const char *at = source + m->from;
        while (at > source && at[-1] != '\n') at--;
        at += strspn(at, " \t");
        char *text = copy(at, strcspn(at, "\n"));
        const char *const key[] = { seed, file, m->function, text, m->change };
        uint64_t hash = 0xcbf29ce484222325u;
        for (size_t k = 0; k < sizeof key / sizeof *key; k++) hash = fnv1a(hash, key[k]);
        hash = (hash ^ hash >> 33) * 0xff51afd7ed558ccdu;              /* FNV leaves the upper half little mixed */
        printf("%d\t%d\t%s\t%s\t%lu\t%s\n", i + 1, m->line, m->function, m->change, (unsigned long)(hash >> 32),
               text);
        free(text);
    }
}

int main(int argc, char **argv)
{
    bool listing = argc == 4 && strcmp(argv[1], "list") == 0;
    FILE *f = listing || (argc == 4 && strcmp(argv[1], "apply") == 0) ? fopen(argv[2], "rb") : NULL;
    if (!f) { fprintf(stderr, "usage: mutate list FILE SEED | mutate apply FILE N\n"); return 2; }
    size_t length = 0, n;
    do {
        source = realloc(source, length + (1 << 16) + 1);
        if (!source) { perror("mutate"); return 2; }
        length += n = fread(source + length, 1, 1 << 16, f);
    } while (n > 0);
    source[length] = '\0';
    fclose(f);
    read_tokens();
    find_mutants();
    if (listing) {
        list(argv[2], argv[3]);
        return 0;
    }
    int i = atoi(argv[3]) - 1;
    if (i < 0 || i >= mutants) { fprintf(stderr, "mutate: %s has %d mutants\n", argv[2], mutants); return 2; }
    printf("%.*s%s%s", (int)mutant[i].from, source, mutant[i].instead, source + mutant[i].from + mutant[i].length);
    return 0;
}
