/* The command line as options.h promises it: what is an option and what is left, every mistake by its message, and
 * the numbers that options take. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "autodiff/options.h"
#include "autodiff/require.h"
#include "tests/child_process.h"

#define COUNT(a) ((int)(sizeof(a) / sizeof *(a)))

enum { LONGEST = 8, ENTRIES = 64 };
struct parsed { const char *gamma, *delta; bool json, fisher; int left; const char *rest[LONGEST]; };

/* arg[0] is the command; the line ends with NULL. */
static struct parsed parse(const char *const *arg)
{
    struct parsed p = { 0 };
    const option table[] = {
        { "--gamma", "G", "the discount", &p.gamma, NULL }, { "--json", NULL, "as JSON", NULL, &p.json },
        { "--delta", "D", "the radius", &p.delta, NULL }, { "--fisher", NULL, "F too", NULL, &p.fisher }, { 0 },
    };
    char *argv[LONGEST + 1] = { NULL }, text[LONGEST][40];
    int argc = 0;
    for (; arg[argc]; argc++) {
        snprintf(text[argc], sizeof text[argc], "%s", arg[argc]);
        argv[argc] = text[argc];
    }
    p.left = options_parse(argc, argv, "solve MDP", "Solves it.", table);
    for (int i = 1; i <= p.left; i++)
        for (int k = 0; k < argc; k++)
            if (argv[i] == text[k]) p.rest[i - 1] = arg[k];
    for (int k = 0; k < argc; k++) {                        /* the values stand in text, which ends here */
        if (p.gamma == text[k]) p.gamma = arg[k];
        if (p.delta == text[k]) p.delta = arg[k];
    }
    return p;
}

static void assert_text(const char *got, const char *want)
{
    if (!want) assert_null(got);
    else assert_string_equal(got, want);
}

static const struct { const char *arg[LONGEST]; struct parsed want; } line[] = {
    { { "solve" }, { 0 } },
    { { "solve", "a", "b" }, { .left = 2, .rest = { "a", "b" } } },
    { { "solve", "--gamma", "0.5", "a" }, { .gamma = "0.5", .left = 1, .rest = { "a" } } },
    { { "solve", "a", "--json", "b" }, { .json = true, .left = 2, .rest = { "a", "b" } } },
    { { "solve", "--gamma", "--json" }, { .gamma = "--json" } },
    { { "solve", "--fisher", "--json", "--delta", "1", "--gamma", "2" },
      { "2", "1", true, true, 0, { NULL } } },
    { { "solve", "-", "a" }, { .left = 2, .rest = { "-", "a" } } },
    { { "solve", "--", "--json", "a" }, { .left = 2, .rest = { "--json", "a" } } },
    { { "solve", "a", "--json", "--", "-x" }, { .json = true, .left = 2, .rest = { "a", "-x" } } },
    { { "solve", "", "a" }, { .left = 2, .rest = { "", "a" } } },
};

static void parse_line(int which) { parse(line[which].arg); }

static void lines(void **state)
{
    (void)state;
    for (int i = 0; i < COUNT(line); i++) {
        assert_int_equal(run_child(parse_line, i).status, 99 << 8);         /* it comes back */
        struct parsed got = parse(line[i].arg), want = line[i].want;
        assert_text(got.gamma, want.gamma);
        assert_text(got.delta, want.delta);
        assert_true(got.json == want.json && got.fisher == want.fisher);
        assert_int_equal(got.left, want.left);
        for (int k = 0; k < want.left; k++) assert_string_equal(got.rest[k], want.rest[k]);
    }
}

/* `--name=value`: the value is the rest of that argument, be it empty or another `=`. */
static void values_behind_equals(void **state)
{
    (void)state;
    static const char *const value[] = { "0.5", "", "a=b", "--json" };
    for (int i = 0; i < COUNT(value); i++) {
        char arg[40];
        const char *gamma = NULL;
        const option table[] = { { "--gamma", "G", "", &gamma, NULL }, { 0 } };
        snprintf(arg, sizeof arg, "--gamma=%s", value[i]);
        char command[] = "solve", *argv[] = { command, arg, NULL };
        assert_int_equal(options_parse(2, argv, "", "", table), 0);
        assert_string_equal(gamma, value[i]);
    }
}

/* ---- mistakes ---- */
static const struct { const char *arg[LONGEST], *message; } mistake[] = {
    { { "solve", "--what" }, "unknown option --what; usage: ascent solve MDP\n" },
    { { "solve", "--gam", "1" }, "unknown option --gam; usage: ascent solve MDP\n" },
    { { "solve", "--gammas=1" }, "unknown option --gammas=1; usage: ascent solve MDP\n" },
    { { "solve", "-j" }, "unknown option -j; usage: ascent solve MDP\n" },
    { { "solve", "--json", "a", "--json" }, "--json is given twice\n" },
    { { "solve", "--fisher", "--fisher" }, "--fisher is given twice\n" },
    { { "solve", "--gamma", "1", "--gamma=1" }, "--gamma is given twice\n" },
    { { "solve", "--json", "--fisher", "--delta", "1", "--delta", "1" }, "--delta is given twice\n" },
    { { "solve", "--gamma" }, "--gamma: expected G after it\n" },
    { { "solve", "a", "--delta" }, "--delta: expected D after it\n" },
    { { "solve", "--json=yes" }, "--json: expected no value, found =yes\n" },
    { { "solve", "--json=" }, "--json: expected no value, found =\n" },
};

static void make_mistake(int which) { parse(mistake[which].arg); }

static void mistakes(void **state)
{
    (void)state;
    for (int i = 0; i < COUNT(mistake); i++) {
        struct ending end = run_child(make_mistake, i);
        assert_true(WIFEXITED(end.status));
        assert_int_equal(WEXITSTATUS(end.status), EXIT_BAD_INPUT);
        assert_string_equal(end.err, mistake[i].message);
    }
}

/* A table of 64: each of them once, and the last not twice. */
static void parse_full_table(int twice)
{
    static char name[ENTRIES][20];
    bool flag[ENTRIES] = { false };
    option table[ENTRIES + 1] = { { 0 } };
    char *argv[ENTRIES + 2] = { name[0] };
    for (int i = 0; i < ENTRIES; i++) {
        snprintf(name[i], sizeof name[i], "--%d", i);
        table[i] = (option){ name[i], NULL, "", NULL, &flag[i] };
        argv[1 + i] = name[i];
    }
    argv[1 + ENTRIES] = name[ENTRIES - 1];
    int left = options_parse(1 + ENTRIES + twice, argv, "", "", table), set = 0;
    for (int i = 0; i < ENTRIES; i++) set += flag[i];
    _exit(left == 0 && set == ENTRIES ? 0 : 1);
}

static void full_table(void **state)
{
    (void)state;
    struct ending once = run_child(parse_full_table, 0), twice = run_child(parse_full_table, 1);
    assert_true(WIFEXITED(once.status) && WEXITSTATUS(once.status) == 0);
    assert_true(WIFEXITED(twice.status) && WEXITSTATUS(twice.status) == EXIT_BAD_INPUT);
    assert_string_equal(twice.err, "--63 is given twice\n");
}

/* ---- help ---- */
static void ask_for_help(int short_name)
{
    static const char *const arg[2][LONGEST] = { { "solve", "a", "--help" }, { "solve", "-h" } };
    dup2(STDERR_FILENO, STDOUT_FILENO);
    parse(arg[short_name]);
}

/* The texts stand in one column. */
static void help(void **state)
{
    (void)state;
    for (int short_name = 0; short_name < 2; short_name++) {
        struct ending end = run_child(ask_for_help, short_name);
        assert_true(WIFEXITED(end.status) && WEXITSTATUS(end.status) == EXIT_HELD);
        assert_string_equal(end.err,
            "usage: ascent solve MDP\n"
            "\n"
            "Solves it.\n"
            "\n"
            "  --gamma G            the discount\n"
            "  --json               as JSON\n"
            "  --delta D            the radius\n"
            "  --fisher             F too\n"
            "  --help               this text\n");
    }
}

/* ---- numbers ---- */
static void numbers(void **state)
{
    (void)state;
    static const struct { const char *text; double x; } good[] = { { "0", 0 }, { "1", 1 }, { "0.5", 0.5 },
        { "+.25", 0.25 }, { "1e-3", 1e-3 }, { "1E0", 1 }, { "-1", -1 }, { "-0.125", -0.125 } };
    for (int i = 0; i < COUNT(good); i++) assert_true(options_number("--x", good[i].text, -1, 1) == good[i].x);
    assert_false(signbit(options_number("--x", "-0", -1, 1)));
    static const struct { const char *text; uint64_t x; } seed[] = { { "0", 0 }, { "007", 7 },
        { "4294967296", 1ULL << 32 }, { "18446744073709551615", UINT64_MAX } };
    for (int i = 0; i < COUNT(seed); i++) assert_true(options_seed("--seed", seed[i].text) == seed[i].x);
}

static const char *const bad_number[] = { "", " 1", "1 ", "x", "1x", "0x1", "nan", "inf", "1e", "1.0001",
                                          "-1.0001", "1e999", "--1", "." };
static const char *const bad_seed[] = { "", " 1", "1 ", "-1", "+1", "x", "1x", "1.5", "1e3",
                                        "18446744073709551616" };

static void read_number(int which) { options_number("--x", bad_number[which], -1, 1); }
static void read_seed(int which)   { options_seed("--seed", bad_seed[which]); }

static void no_numbers(void **state)
{
    (void)state;
    char message[200];
    for (int i = 0; i < COUNT(bad_number) + COUNT(bad_seed); i++) {
        int k = i - COUNT(bad_number);
        struct ending end = k < 0 ? run_child(read_number, i) : run_child(read_seed, k);
        if (k < 0)
            snprintf(message, sizeof message, "--x: expected a number in [-1, 1], found \"%s\"\n", bad_number[i]);
        else
            snprintf(message, sizeof message, "--seed: expected a whole number from 0 to 18446744073709551615, "
                     "found \"%s\"\n", bad_seed[k]);
        assert_true(WIFEXITED(end.status));
        assert_int_equal(WEXITSTATUS(end.status), EXIT_BAD_INPUT);
        assert_string_equal(end.err, message);
    }
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(lines), cmocka_unit_test(values_behind_equals), cmocka_unit_test(mistakes),
        cmocka_unit_test(full_table), cmocka_unit_test(help), cmocka_unit_test(numbers),
        cmocka_unit_test(no_numbers),
    };
    if (argc > 1) cmocka_set_test_filter(argv[1]);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
