/* LaTeX to plain text, in one walk: see plain_math.h. */
#include "derivations/plain_math.h"

#include <ctype.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "autodiff/require.h"

#define LETTERS "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
#define DIGITS  "0123456789"

/* What is not printed by its own name. Relations stand between spaces. */
static const struct { const char *macro, *text; bool relation; } symbols[] = {
    { "le", "<=", true }, { "ge", ">=", true }, { "ne", "!=", true }, { "approx", "~=", true },
    { "sim", "~", true },
    { "to", "->", true }, { "leftarrow", "<-", true }, { "Rightarrow", "=>", true }, { "iff", "<=>", true },
    { "mapsto", "|->", true }, { "in", "in", true }, { "bmod", "mod", true }, { "quad", "", true },
    { "qquad", "", true }, { "cdot", ".", false }, { "dots", "...", false }, { "ldots", "...", false },
    { "langle", "<", false }, { "rangle", ">", false }, { "times", "x", true }, { "oplus", "(+)", true },
    { "pm", "+-", true }, { "nabla", "grad", false }, { "partial", "d", false }, { "infty", "inf", false },
    { "int", "integral", false }, { "left", "", false }, { "right", "", false },
};

struct plain {
    char *text;
    size_t n;
    int tokens;             /* of the formula, without scripts */
    bool script;            /* within one nothing stands apart */
    bool factor, quotient;  /* the last was one that the next must not run into */
};

static void put(struct plain *p, const char *text)
{
    enum { ROOM = 256 };                        /* taken at once */
    size_t n = strlen(text), rooms = (p->n + n) / ROOM + 1;
    if (!p->text || rooms > p->n / ROOM + 1) p->text = reallocate(p->text, rooms * ROOM, 1, "a formula");
    memcpy(p->text + p->n, text, n + 1);
    p->n += n;
}

static char last(const struct plain *p) { return p->n ? p->text[p->n - 1] : ' '; }
static bool name_part(char c)           { return isalnum((unsigned char)c); }

static void put_factor(struct plain *p, const char *text, bool word)
{
    bool runs_on = p->factor || strchr(")]", last(p)) || (word && name_part(last(p)));
    if (runs_on && last(p) != ' ') put(p, " ");
    put(p, text);
    p->factor = word;
    p->quotient = false;
}

static void put_sign(struct plain *p, const char *text)
{
    if (p->quotient && strchr("([|", *text)) put(p, " ");
    put(p, text);
    p->factor = p->quotient = false;
}

static void put_relation(struct plain *p, const char *text)
{
    bool apart = !p->script || name_part(*text);
    if (apart && !strchr(" +(", last(p))) put(p, " ");          /* += is one */
    put(p, text);
    if (apart && *text) put(p, " ");
    p->factor = p->quotient = false;
}

static const char *walk(struct plain *p, const char *at, bool once);

/* A group in braces, or one token, by itself; to be freed */
static struct plain argument(const char **at, bool script)
{
    struct plain inside = { .script = script };
    put(&inside, "");
    while (**at == ' ') ++*at;
    *at = **at == '{' ? walk(&inside, *at + 1, false) : walk(&inside, *at, true);
    return inside;
}

static const char *put_script(struct plain *p, const char *sign, const char *at)
{
    struct plain x = argument(&at, true);
    bool bare = strspn(x.text, LETTERS DIGITS "'") == x.n;
    put(p, sign), put(p, bare ? "" : "{"), put(p, x.text), put(p, bare ? "" : "}");
    free(x.text);
    p->factor = true;
    return at;
}

/* before x after, as a factor; the argument behind the macro */
static const char *put_around(struct plain *p, const char *before, const char *after, const char *at)
{
    struct plain x = argument(&at, p->script);
    put_factor(p, before, true);
    put(p, x.text), put(p, after);
    free(x.text);
    p->factor = !*after;
    return at;
}

static const char *put_quotient(struct plain *p, const char *at)
{
    for (int i = 0; i < 2; i++) {
        struct plain x = argument(&at, p->script);
        bool bare = x.tokens == 1 || strspn(x.text, DIGITS) == x.n;
        if (i == 0) put_factor(p, bare ? "" : "(", true);
        else        put(p, bare ? "/" : "/(");
        put(p, x.text), put(p, bare ? "" : ")");
        free(x.text);
    }
    p->factor = p->quotient = true;
    p->tokens++;
    return at;
}

static const char *put_words(struct plain *p, const char *at)
{
    for (; *at && *at != '}'; at++)
        if (!strchr("\\${", *at)) put(p, (char[]){ *at, 0 });
    p->factor = true;
    return at + (*at != 0);
}

static const char *macro(struct plain *p, const char *at)       /* behind the \ */
{
    char name[32];
    int n = (int)strspn(at, LETTERS);
    if (n == 0 && !*at) return at;
    if (n == 0) {
        if (strchr("|{}_%#", *at)) put_sign(p, *at == '|' ? "||" : (char[]){ *at, 0 });
        else if (*at != '!')      put_relation(p, "");
        return at + 1;
    }
    snprintf(name, sizeof name, "%.*s", n, at);
    at += n;
    if (strcmp(name, "frac") == 0 || strcmp(name, "tfrac") == 0) return put_quotient(p, at);
    if (strcmp(name, "text") == 0)                               return put_words(p, at);
    if (strcmp(name, "sqrt") == 0)                               return put_around(p, "sqrt(", ")", at);
    if (strcmp(name, "hat") == 0)                                return put_around(p, "hat(", ")", at);
    if (strcmp(name, "tilde") == 0)                              return put_around(p, "tilde(", ")", at);
    if (strcmp(name, "bar") == 0 || strcmp(name, "overline") == 0) return put_around(p, "bar(", ")", at);
    if (strncmp(name, "math", 4) == 0)                           return put_around(p, "", "", at);
    for (size_t i = 0; i < sizeof symbols / sizeof *symbols; i++)
        if (strcmp(name, symbols[i].macro) == 0) {
            const char *text = symbols[i].text;
            if (symbols[i].relation)  put_relation(p, text);
            else if (name_part(*text)) put_factor(p, text, true);
            else if (*text)           put_sign(p, text);
            return at;
        }
    put_factor(p, name, true);
    return at;
}

/* To the end of the group, or of one token */
static const char *walk(struct plain *p, const char *at, bool once)
{
    do {
        const char one[] = { *at, 0 };
        if (!*at) return at;
        const char c = *at++;
        if (c == '}') return at;
        p->tokens += !strchr(" _^", c);
        if (c == '\\')                  at = macro(p, at);
        else if (c == '{')              at = walk(p, at, false);
        else if (strchr("_^", c))       at = put_script(p, one, at);
        else if (strchr("=<>", c))      put_relation(p, one);
        else if (name_part(c))          put_factor(p, one, false);
        else if (!strchr(" &", c))      put_sign(p, one);
    } while (!once);
    return at;
}

char *plain_math(const char *latex)
{
    struct plain p = { .n = 0 };
    put(&p, "");
    while (*latex) latex = walk(&p, latex, false);
    while (p.n && p.text[p.n - 1] == ' ') p.text[--p.n] = 0;
    return p.text;
}
