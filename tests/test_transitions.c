/* Files of transitions: what is read, and where a mistake is said to be.
 *     test_transitions [pattern]       runs the tests whose names match */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "envs/transitions.h"

#define COUNT(a) ((int)(sizeof(a) / sizeof((a)[0])))

static env *make(const char *id, int limit)
{
    char error[2048] = "";
    env *e = env_make(id, limit, error, sizeof error);
    if (!e) fail_msg("%s", error);
    return e;
}

static transitions *parse(const env *e, const char *text, char error[512])
{
    return transitions_parse("m", text, strlen(text), e, error, 512);
}

static void test_columns(void **state)
{
    (void)state;
    /* Any order, others in between, blanks, comments, CRLF, no newline at the end; numbers of 17 digits */
    static const char text[] = "# made by hand\n\n action ,kind,theta_dot,t,theta\r\n"
        "0.10000000000000001,a b,-3e-5,0,1e300\r\n  # more\n\t\n-7,, +8 ,199,.5";
    env *e = make("Pendulum-v1", ENV_OWN_LIMIT);
    char error[512];
    transitions *x = parse(e, text, error);
    assert_non_null(x);
    assert_true(x->n == 2 && x->has_t);
    assert_true(x->state[0] == 1e300 && x->state[1] == -3e-5 && x->state[2] == 0.5 && x->state[3] == 8);
    assert_true(x->action[0] == 0.1 && x->action[1] == -7);
    assert_true(x->t[0] == 0 && x->t[1] == 199 && x->line[0] == 4 && x->line[1] == 7);
    transitions_free(x);

    x = parse(e, "theta,theta_dot,action\n", error);                /* no rows, no t */
    assert_true(x && x->n == 0 && !x->has_t);
    transitions_free(x);

    x = parse(e, "t,,theta,theta_dot,action\n7,,1\t, 2 \t ,3 \n", error);     /* t first, one without a name */
    assert_true(x && x->n == 1 && x->has_t && x->t[0] == 7);
    assert_true(x->state[0] == 1 && x->state[1] == 2 && x->action[0] == 3);
    transitions_free(x);
    x = parse(e, ",theta,theta_dot,action\n,1,2,3\n", error);
    assert_true(x && x->n == 1 && !x->has_t && x->state[0] == 1);
    transitions_free(x);

    char *many = malloc(100000), *at = many;                        /* more than the first room of the arrays */
    at += sprintf(at, "theta,theta_dot,action\n");
    for (int i = 0; i < 5000; i++) at += sprintf(at, "%d,%d,%d\n", i, -i, i % 2);
    x = parse(e, many, error);
    assert_true(x && x->n == 5000 && !x->has_t);
    for (int i = 0; i < 5000; i++)
        assert_true(x->state[2 * i] == i && x->state[2 * i + 1] == -i && x->action[i] == i % 2 && x->t[i] == 0
                    && x->line[i] == i + 2);
    transitions_free(x);
    free(many);
    env_free(e);

    e = make("Pendulum-v1", ENV_OWN_LIMIT);                         /* a state without names */
    const struct env_kind *own = e->kind;
    struct env_kind nameless = *own;
    nameless.state_name = NULL;
    e->kind = &nameless;
    x = parse(e, "state1,action,state0\n1,2,3\n", error);
    assert_true(x && x->state[0] == 3 && x->state[1] == 1);
    transitions_free(x);
    e->kind = own;
    env_free(e);

    e = make("chain:3", ENV_NO_LIMIT);                              /* t as large as an int counts to */
    x = parse(e, "s,action,t\n3,1,2147483646\n", error);
    assert_true(x && x->t[0] == 2147483646 && x->state[0] == 3);
    transitions_free(x);
    env_free(e);
    transitions_free(NULL);
}

#define HEADER "theta,theta_dot,action\n"

static void test_mistakes(void **state)
{
    (void)state;
    static const struct { const char *id, *text, *error; } table[] = {
        { "Pendulum-v1", "", "m:1:1: expected a header with the names of the columns, found the end of the line" },
        { "Pendulum-v1", "#\n\n", "m:3:1: expected a header with the names of the columns, found the end of" },
        { "Pendulum-v1", "theta,action\n", "m:1:1: expected a header with a column theta_dot, found \"theta,a" },
        { "Pendulum-v1", "theta,theta_dot\n", "m:1:1: expected a header with a column action, found" },
        { "Pendulum-v1", "t,theta,theta_dot,action,t\n1,2,3,4,5\n", "m:1:26: expected no column twice, found" },
        { "Pendulum-v1", HEADER "1,2\n", "m:2:4: expected 3 fields, as in the header, found the end" },
        { "Pendulum-v1", HEADER "1,2,3, 4\n", "m:2:8: expected 3 fields, as in the header, found \"4\"" },
        { "Pendulum-v1", HEADER "1,0x1,3\n", "m:2:3: expected theta_dot, a finite number, found \"0x1\"" },
        { "Pendulum-v1", HEADER "1,2,-inf\n", "m:2:5: expected action, a finite number, found \"-inf\"" },
        { "Pendulum-v1", HEADER "1,2,1e\n", "m:2:5: expected action, a finite number, found \"1e\"" },
        { "Pendulum-v1", HEADER "1, ,1\n", "m:2:4: expected theta_dot, a finite number, found an empty field" },
        { "Pendulum-v1", HEADER "1,2,\n", "m:2:5: expected action, a finite number, found an empty field" },
        { "Pendulum-v1", "theta,theta_dot,action,t\n1,2,3,200\n", "m:2:7: expected t, a whole number from 0 to" },
        { "Pendulum-v1", "theta,theta_dot,action,t\n1,2,3,-1\n", "m:2:7: expected t, a whole number from 0 to" },
        { "chain:3", "s,action,t\n0,0,2147483647\n", "m:2:5: expected t, a whole number from 0 to 2147483646, f" },
        { "chain:3", "s,action\n4,0\n", "m:2:1: expected s, a whole number from 0 to 3, found \"4\"" },
        { "chain:3", "s,action\n3,2\n", "m:2:3: expected action, a whole number from 0 to 1, found \"2\"" },
        { "chain:3", "s,action\n0.5,0\n", "m:2:1: expected s, a whole number from 0 to 3, found \"0.5\"" },
        { "chain:3", "s,action\n0,-1\n", "m:2:3: expected action, a whole number from 0 to 1, found \"-1\"" } };
    for (int i = 0; i < COUNT(table); i++) {
        env *e = make(table[i].id, ENV_OWN_LIMIT);
        char error[512] = "";
        transitions *x = parse(e, table[i].text, error);
        if (x || strncmp(error, table[i].error, strlen(table[i].error)) != 0)
            fail_msg("row %d: %s", i, x ? "accepted" : error);
        env_free(e);
    }
}

/* Bytes that are no text, a field longer than any number, lines of many fields */
static void test_odd_texts(void **state)
{
    (void)state;
    env *e = make("Pendulum-v1", ENV_OWN_LIMIT);
    char error[512] = "", text[4096];
    static const char zero[] = "theta,theta_dot,action\n1,2\0,3\n";
    assert_null(transitions_parse("m", zero, sizeof zero - 1, e, error, sizeof error));
    assert_string_equal(error, "m:2:3: expected theta_dot, a finite number, found \"2?\"");
    int n = sprintf(text, "theta,theta_dot,action\n1,2,%01000d\n", 5);
    assert_null(transitions_parse("m", text, (size_t)n, e, error, sizeof error));
    assert_non_null(strstr(error, "m:2:5: expected action, a finite number, found \"000000000000000000000000\""));
    n = sprintf(text, "theta,theta_dot,action");
    for (int i = 0; i < 997; i++) text[n++] = ',';                  /* 1000 fields may be, more not */
    transitions *x = transitions_parse("m", text, (size_t)n, e, error, sizeof error);
    assert_non_null(x);
    transitions_free(x);
    text[n++] = ',';
    assert_null(transitions_parse("m", text, (size_t)n, e, error, sizeof error));
    assert_non_null(strstr(error, "m:1:1: expected at most 1000 columns"));
    env_free(e);
}

int main(int argc, char **argv)
{
    if (argc > 1) cmocka_set_test_filter(argv[1]);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_columns), cmocka_unit_test(test_mistakes), cmocka_unit_test(test_odd_texts),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
