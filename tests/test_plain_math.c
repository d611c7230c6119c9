/* Formulas as plain text: what the registry and the derivations use of LaTeX, and whatever else may come.
 *     test_plain_math [pattern]       runs the tests whose names match */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "derivations/derivation.h"
#include "derivations/plain_math.h"
#include "derivations/registry.h"

#define COUNT(a) ((int)(sizeof(a) / sizeof((a)[0])))

static void test_formulas(void **state)
{
    (void)state;
    static const struct { const char *latex, *plain; } table[] = {
        { "", "" },
        { "\\nabla_\\theta J(\\theta)", "grad_theta J(theta)" },
        { "\\sum_{t=0}^{T-1}\\gamma^tr_t", "sum_{t=0}^{T-1} gamma^t r_t" },
        { "\\pi_{\\theta'}(a|s)\\hat A_t", "pi_theta'(a|s) hat(A)_t" },
        { "Q(\\cdot|s),\\quad V^\\pi", "Q(.|s), V^pi" },
        /* a quotient's parts are bracketed unless they are one symbol or number, and nothing runs into it */
        { "\\tfrac12(x-c)^TH(x-c)", "1/2 (x-c)^T H(x-c)" },
        { "\\frac{12}{34}", "12/34" },
        { "\\frac{\\pi_\\theta}{\\beta}A", "pi_theta/beta A" },
        { "\\frac{a}{12h}", "a/(12h)" },
        { "\\frac{a+b}{cd}", "(a+b)/(cd)" },
        { "\\frac1{1-\\gamma}E_s[\\tfrac ab]", "1/(1-gamma) E_s[a/b]" },
        { "\\frac{\\frac ab}c", "(a/b)/c" },
        { "\\sqrt{1/2}\\log x", "sqrt(1/2) log x" },
        /* relations stand apart, but not in a script, unless they are words */
        { "a\\le b=c\\sim d", "a <= b = c ~ d" },
        { "E_{s\\sim d,\\tau\\in D}", "E_{s~d,tau in D}" },
        { "t\\mathrel{+}=1", "t += 1" },
        { "\\mathrm{KL}(p\\|q)\\ \\text{and no more: }\\{x_1\\}", "KL(p||q) and no more: {x_1}" },
        { "a\\ge b\\ne c\\approx d\\to e\\leftarrow f", "a >= b != c ~= d -> e <- f" },
        { "a\\Rightarrow b\\iff c\\mapsto(d)\\bmod(e)\\in(f)", "a => b <=> c |-> (d) mod (e) in (f)" },
        { "(a)\\times(b)\\oplus c\\pm d\\quad y\\qquad z", "(a) x (b) (+) c +- d y z" },
        { "2\\langle g,v\\rangle h\\ldots", "2<g,v>h..." },
        { "1,\\dots,n-\\partial f\\int_0^\\infty x", "1,...,n-d f integral_0^inf x" },
        { "\\bar\\pi\\left(\\frac12\\right)", "bar(pi)(1/2)" },
        { "\\theta^-\\nosuchmacro\\!x", "theta^{-} nosuchmacro x" },
        /* what is none */
        { "x_", "x_" }, { "\\", "" }, { "\\frac", "/" }, { "}x{", "x" }, { "\\text{a", "a" }, { "_^_", "_{^{_}}" } };
    for (int i = 0; i < COUNT(table); i++) {
        char *plain = plain_math(table[i].latex);
        if (strcmp(plain, table[i].plain) != 0)
            fail_msg("%s: \"%s\", not \"%s\"", table[i].latex, plain, table[i].plain);
        free(plain);
    }
}

static int depth(const char *text, char open, char close)
{
    int n = 0;
    for (; *text; text++) n += (*text == open) - (*text == close);
    return n;
}

/* Nothing of LaTeX is left, no bracket gets lost, and any beginning of a formula is read to its end */
static void assert_plain(const char *latex)
{
    char *plain = plain_math(latex), *part = strdup(latex);
    bool rest = strpbrk(plain, "\\$&") || strstr(plain, "  ") || strstr(plain, "( ") || plain[0] == ' ';
    bool even = depth(latex, '(', ')') == depth(plain, '(', ')') && depth(latex, '[', ']') == depth(plain, '[', ']')
             && depth(plain, '{', '}') == 0;
    if (rest || !even) fail_msg("%s: %s", latex, plain);
    free(plain);
    for (size_t n = strlen(latex); n-- > 0;) {
        part[n] = 0;
        free(plain_math(part));
    }
    free(part);
}

static void test_all(void **state)
{
    (void)state;
    for (const registry_row *r = registry; r->id; r++) {
        assert_plain(r->statement);
        const derivation *d = derivation_find(r->id);
        for (int l = 0; d && l < DERIVATION_MAX_LINES && d->line[l].latex; l++) assert_plain(d->line[l].latex);
    }
}

int main(int argc, char **argv)
{
    if (argc > 1) cmocka_set_test_filter(argv[1]);
    const struct CMUnitTest tests[] = { cmocka_unit_test(test_formulas), cmocka_unit_test(test_all) };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
