/* A graded assignment: which files the student hands in, and what is asked of them. A check belongs to one
 * equation. Its questions go to the student's function in a sandbox; the answers come back, and are
 * compared here with the right ones, and where they differ with those of known wrong variants. */
#ifndef ASCENT_GRADE_H
#define ASCENT_GRADE_H

#include <gsl/gsl_rng.h>
#include <stdbool.h>

#include "autodiff/require.h"
#include "chapters/grade_question.h"

typedef struct { double x[QUESTION_N]; } numbers;

/* A question with the answer, right or the student's own, of the function that the one asked is built on. */
typedef struct {
    question q;
    numbers given;
} asked;

typedef void respond(const asked *x, double *out);      /* out [QUESTION_N], zero before */
typedef int  size_of(const asked *x);                   /* how many numbers an answer has */

typedef struct {
    const char *name;           /* what it does, and where it was seen; NULL ends a list */
    respond *answer;
} variant;

typedef struct {
    int what;                   /* of the question */
    size_of *size;
    respond *right;
} asked_function;

typedef struct grading grading;

typedef struct {
    const char *ids, *function, *equation;
    int points;
    asked_function f;
    const char *scalar, *vector;                /* names of the first entry, unless NULL, and of the rest */
    const char *inputs;                         /* to show: g gamma, r, b, a rate, V, w, l log pi, D, p policy */
    int questions;
    void (*ask)(gsl_rng *rng, int k, asked *x); /* the k-th question: small ones first, to follow by hand */
    /* Of a rounding error: u, times the largest that is added up, times how many operations there are. */
    double (*error)(const asked *x);
    const variant *wrong;
    /* The function that this one is built on, or NULL. Where the student's is wrong, this one is right if it is
     * right for what that says, unless that is 0 everywhere. */
    const asked_function *given;
    /* or, the above left out: a check of its own. What it finds wrong it says in why [GRADE_WHY]. */
    bool (*judge)(grading *g, char *why);
} check;

typedef struct {
    int number;
    const char *title;
    const char *const *files;                   /* of the student's; NULL ends them */
    const check *checks;                        /* function NULL ends them */
} assignment;

extern const assignment assignments[];          /* number 0 ends them */
const assignment *assignment_find(const char *number);          /* or exit 2 */
/* BUILD/name, BUILD being the folder of this program. path [size] */
void assignment_path(char *path, size_t size, const char *name);

/* For a check of its own: asks the student's code q, whose answer has n numbers. false when none came. */
bool grading_ask(grading *g, const question *q, int n, double *x);
gsl_rng *grading_rng(grading *g);

enum { GRADE_WHY = 1200 };
/* Adds to the text why, at its length `at`; its new length */
int grading_say(char *why, int at, const char *fmt, ...) PRINTF_LIKE(3, 4);

#endif
