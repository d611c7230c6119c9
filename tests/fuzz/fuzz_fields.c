/* A valid MDP file whose fields are replaced, left out, repeated and exchanged as the bytes say: three for
 * each change (what is done, where, with which word). */
#include "tests/fuzz/check.h"

enum { FIELDS_MAX = 400 };

#define BASE_1  \
    "discount: 0.95 \n values: reward \n states: x y z \n actions: a b \n start: x \n T: * identity \n"  \
    " T: a : x : x 0 \n T: a : x : y 0.25 \n T: a : x : z 0.75 \n T: b : y uniform \n T: b : z reset \n"  \
    " R: * : x : * : * 1.5 \n R: a : x : z : * -2 \n"
#define BASE_2  \
    "values: cost \n discount: 1 \n actions: 2 \n states: 3 \n start: 0.5 0.25 0.25 \n"  \
    " T: 0 1 0 0 0 1 0 0 0 1 \n T: 1 : 0 0.125 0.375 0.5 \n T: 1 : 1 : 2 1 \n T: 1 : 2 : 0 1 \n"  \
    " R: 0 : 1 1 2 3 \n R: 1 1 2 3 4 5 6 7 8 9 \n"
#define BASE_3  \
    "discount: 0 \n states: 2 \n actions: go \n start exclude: 1 \n T: go : * : * 0.5 \n"  \
    " R: * : * : 1 : * 1e-3 \n"

static const char *const base_file[] = { BASE_1, BASE_2, BASE_3 };

static const char *const field_value[] = {
    "0", "1", "0.5", "0.25", "-0", "1.0000000001", "0.0000000001", "1e-320", "-1e308", "1e999", "5.", ".5", "+1",
    "-", "1e", "0x1", "nan", "inf", "4294967296", "18446744073709551617", "2", "3", "x", "y", "z", "a", "b", "go",
    "*", ":", "\n", "#", "\r\n", "uniform", "identity", "reset", "include:", "exclude:", "T:", "R:", "start:",
    "states:", "actions:", "values:", "discount:", "reward", "cost", "observations:", "\xEF\xBB\xBF",
    "\xC3\xA9", "\xFF" };

/* Where the fields of the text begin; it is cut at its blanks. */
static int split_fields(char *text, const char *field[FIELDS_MAX])
{
    int n = 0;
    char *rest = text;
    for (char *p = strtok_r(text, " ", &rest); p; p = strtok_r(NULL, " ", &rest)) field[n++] = p;
    return n;
}

static bool fuzz_fields(const uint8_t *data, size_t size)
{
    char text[1024], changed[16 * FIELDS_MAX], *end = changed;
    const char *field[FIELDS_MAX];
    strcpy(text, base_file[size > 0 ? data[0] % (sizeof base_file / sizeof *base_file) : 0]);
    int n = split_fields(text, field);
    for (size_t i = 1; i + 2 < size && n > 0 && n < FIELDS_MAX; i += 3) {
        const char *value = field_value[data[i + 2] % (sizeof field_value / sizeof *field_value)];
        int at = data[i + 1] % n, other = data[i + 2] % n;
        size_t after = (size_t)(n - at) * sizeof *field;
        switch (data[i] % 5) {
        case 0: field[at] = value; break;
        case 1: field[at] = field[other]; break;
        case 2: memmove(field + at, field + at + 1, after - sizeof *field), n--; break;
        case 3: memmove(field + at + 1, field + at, after), n++; break;
        default: memmove(field + at + 1, field + at, after), n++, field[at] = value;
        }
    }
    for (int i = 0; i < n; i++) end += sprintf(end, "%s ", field[i]);
    size_t length = (size_t)(end - changed);
    char *exact = allocate(length, 1, "text");
    memcpy(exact, changed, length);
    bool accepted = check_mdp(exact, length);
    free(exact);
    return accepted;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    fuzz_fields(data, size);
    return 0;
}
