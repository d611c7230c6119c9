/* `ascent answer CHAPTER.EXERCISE VALUE...`: right or wrong, without the right answer. */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "autodiff/options.h"
#include "autodiff/require.h"
#include "chapters/commands.h"
#include "chapters/exercise.h"

static const exercise *find(const char *id)
{
    for (int c = 0; exercises[c]; c++)
        for (const exercise *e = exercises[c]; e->id; e++)
            if (strcmp(e->id, id) == 0) return e;
    return NULL;
}

static int list_all(void)
{
    for (int c = 0; exercises[c]; c++)
        for (const exercise *e = exercises[c]; e->id; e++) printf("%-5s %s\n", e->id, e->asks);
    return EXIT_HELD;
}

static int judge_numbers(const exercise *e, int given, char **text)
{
    double right[EXERCISE_MAX_NUMBERS], value[EXERCISE_MAX_NUMBERS];
    char name[20];
    if (given != e->n)
        bad_input("answer: %s expects %d number%s, found %d", e->id, e->n, e->n == 1 ? "" : "s", given);
    for (int i = 0; i < e->n; i++) {
        snprintf(name, sizeof name, "number %d", i + 1);
        value[i] = options_number(name, text[i], -1e300, 1e300);
    }
    e->solve(right);
    int wrong = 0;
    for (int i = 0; i < e->n; i++) {
        bool holds = fabs(value[i] - right[i]) <= e->tolerance;
        if (e->n > 1) printf("%d  %s  %s\n", i + 1, text[i], holds ? "right" : "wrong");
        wrong += !holds;
    }
    printf("%s: %s, each number to %g\n", e->id, wrong ? "wrong" : "right", e->tolerance);
    return wrong ? EXIT_CHECK_FAILED : EXIT_HELD;
}

static int judge_file(const exercise *e, int given, char **path)
{
    char why[200];
    if (given != 1) bad_input("answer: %s expects an .mdp file, found %d arguments", e->id, given);
    bool right = e->judge(path[0], why);
    printf("%s: %s: %s\n", e->id, right ? "right" : "wrong", why);
    return right ? EXIT_HELD : EXIT_CHECK_FAILED;
}

int answer_command(int argc, char **argv)
{
    const option table[] = { { NULL, NULL, NULL, NULL, NULL } };
    if (argc == 1) return list_all();
    const exercise *e = find(argv[1]);
    if (e) {                                            /* what follows may be negative: no options here */
        if (argc == 2) bad_input("answer: expected the answer to %s behind it: %s", e->id, e->asks);
        return e->n ? judge_numbers(e, argc - 2, argv + 2) : judge_file(e, argc - 2, argv + 2);
    }
    options_parse(argc, argv, "answer [CHAPTER.EXERCISE VALUE...]",
        "Checks the answer to an exercise of the book: numbers, or the path of an .mdp file. What is right is\n"
        "computed by the exact solver, and not shown. Exit 0 when right, 1 when wrong. Without arguments: all\n"
        "exercises.", table);
    bad_input("answer: no exercise %s; `ascent answer` lists them", argv[1]);
}
