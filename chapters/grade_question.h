/* What the grader asks the student's code, and what it gets: both of a fixed size, as bytes, since both
 * ends are built together. A question holds the inputs of one function and nothing of what is right. */
#ifndef ASCENT_GRADE_QUESTION_H
#define ASCENT_GRADE_QUESTION_H

#include <stdint.h>

enum { QUESTION_T = 32, QUESTION_D = 6, QUESTION_N = 120 };

typedef struct {
    uint64_t nonce;             /* to be given back */
    int what;                   /* which function: of the assignment's own list */
    double beyond;              /* fills the answer before the function writes it; must stay behind its end */
    int T;                      /* steps, 1 .. QUESTION_T */
    double gamma, b, rate;
    double r[QUESTION_T], V[QUESTION_T], w[QUESTION_T], logp[QUESTION_T];
    int segments, first[QUESTION_T];                    /* of a batch: where each of its trajectories begins */
    int d, nA, hidden, n;       /* policy: observations [d], actions, tanh units (0: none), length of theta */
    double theta[QUESTION_N];
    double s[QUESTION_T * QUESTION_D];                  /* [T x d] */
    int a[QUESTION_T];
} question;

typedef struct {
    uint64_t nonce;
    int n;                      /* 0 .. QUESTION_N */
    int changed;                /* 1: the function wrote into the question */
    double x[QUESTION_N];
} answer;

/* Defined by an assignment's answers.c, which is linked with the student's objects: calls the function,
 * writes n, x. */
void answer_question(const question *q, answer *a);

#endif
