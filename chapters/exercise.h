/* An exercise of the book: its answer is numbers, or a file, and what is right is computed, not stored. */
#ifndef ASCENT_EXERCISE_H
#define ASCENT_EXERCISE_H

#include <stdbool.h>

enum { EXERCISE_MAX_NUMBERS = 16 };

typedef struct {
    const char *id;                             /* "1.2", chapter and exercise; NULL ends a chapter's table */
    const char *asks;                           /* one line */
    int n;                                      /* how many numbers the answer has, or 0: it is an .mdp file */
    double tolerance;                           /* of each number, absolute; a few times it is close */
    void (*solve)(double *right);               /* [n] */
    /* Of a file: does the MDP do what is asked? Says in why[200] what it does, right or wrong. */
    bool (*judge)(const char *path, char *why);
} exercise;

/* The tables exercises_NN of chapters/NN-name/exercises.c, gathered by the Makefile; NULL ends it. */
extern const exercise *const exercises[];

#endif
