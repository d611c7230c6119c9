/* autodiff/json.h: what is printed reads back, whatever bytes a name has. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "autodiff/json.h"

static void test_text(void **state)
{
    (void)state;
    static const char *const text[][2] = {
        { "", "" }, { "plain", "plain" }, { "pi'", "pi'" }, { "\xc3\xa9", "\xc3\xa9" },        /* UTF-8 stays */
        { "a\x80z", "a?z" }, { "\xff\x7f\xfe", "?\x7f?" }, { "\xc3", "?" }, { "\xc3\xa9\x81", "???" },
        { "the last byte is none\xe2", "the last byte is none?" },
    };
    for (size_t i = 0; i < sizeof text / sizeof *text; i++) {
        json_t *t = json_text(text[i][0]);
        assert_string_equal(json_string_value(t), text[i][1]);
        json_decref(t);
    }
}

static void test_numbers(void **state)
{
    (void)state;
    static const double x[] = { 1, -2.5, NAN, INFINITY, -INFINITY, 0 };
    json_t *v = json_vector(6, x), *m = json_matrix(2, 3, x), *none = json_matrix(0, 3, x);
    assert_int_equal(json_array_size(v), 6);
    assert_int_equal(json_array_size(m), 2);
    assert_int_equal(json_array_size(none), 0);
    for (int i = 0; i < 6; i++) {
        assert_int_equal(json_array_size(json_array_get(m, (size_t)(i / 3))), 3);
        json_t *both[] = { json_array_get(v, (size_t)i),
                           json_array_get(json_array_get(m, (size_t)(i / 3)), (size_t)(i % 3)) };
        for (int k = 0; k < 2; k++)
            if (isfinite(x[i])) assert_true(json_real_value(both[k]) == x[i] && json_is_real(both[k]));
            else                assert_true(json_is_null(both[k]));
    }
    json_decref(v);
    json_decref(m);
    json_decref(none);
}

/* One line, no blanks, 17 digits. */
static void test_print(void **state)
{
    (void)state;
    char said[200] = "";
    FILE *f = tmpfile();
    assert_non_null(f);
    fflush(stdout);
    int kept = dup(STDOUT_FILENO);
    dup2(fileno(f), STDOUT_FILENO);
    json_t *o = json_object();
    json_set(o, "b", json_number(0.1));
    json_set(o, "a", json_vector(2, (double[]){ 1e300, 1 / 3.0 }));
    json_print(o);
    fflush(stdout);
    dup2(kept, STDOUT_FILENO);
    close(kept);
    rewind(f);
    size_t n = fread(said, 1, sizeof said - 1, f);
    fclose(f);
    assert_int_equal(n, strlen(said));
    assert_string_equal(said, "{\"b\":0.10000000000000001,\"a\":[1.0000000000000001e300,0.33333333333333331]}\n");
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = { cmocka_unit_test(test_text), cmocka_unit_test(test_numbers),
                                        cmocka_unit_test(test_print) };
    if (argc > 1) cmocka_set_test_filter(argv[1]);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
