/* The bounds of improvement_bound.h as tables and pictures: along a line of policies, and on random MDPs. */
#ifndef ASCENT_BOUNDS_TABLE_H
#define ASCENT_BOUNDS_TABLE_H

#include <stdint.h>
#include <stdio.h>

#include "derivations/improvement_bound.h"

/* J, its surrogate and lower bounds from pi along logits + t d, 0 <= t <= 1: first, from 0 to `near`, where the
 * bound of TRPO-4 is above J(pi), then all the way. */
enum { BOUNDS_POINTS = 61 };
typedef struct { double t; improvement_bounds b; double rounding; } bounds_point;     /* of J' - L: ten units */
typedef struct {
    const exact *pi;
    char title[256];
    double near;                                /* 1 where the bound never is, or always */
    bounds_point point[2][BOUNDS_POINTS];       /* from 0 to near, and from 0 to 1 */
} bounds_line;

/* d = theta' - theta, or, pi1 NULL, d = A_pi: the natural gradient of a table. gamma < 1 */
bounds_line *bounds_line_new(const exact *pi, const exact *pi1);
void         bounds_line_free(bounds_line *l);
bool         bounds_line_finite(const bounds_line *l);      /* no bound has overflowed */
bool         bounds_line_holds(const bounds_line *l);       /* no bound above J, beyond rounding */
void         bounds_line_text(const bounds_line *l, FILE *out);
void         bounds_line_csv(const bounds_line *l, FILE *out);
char        *bounds_line_svg(const bounds_line *l);         /* to be freed */

/* How tight each bound is on random MDPs with two policies (random_pairs.h): what it bounds, less its rounding, over
 * what it says */
enum { TIGHT_DSB_1, TIGHT_DSB_10, TIGHT_DSB_14, TIGHT_DSB_15, TIGHT_TRPO_3, TIGHT_TRPO_4, TIGHT_BOUNDS };
enum { TIGHTNESS_MOST = 10000 };                /* MDPs */
extern const struct bound_name { const char *id, *of; } tightness_name[TIGHT_BOUNDS];
typedef struct { int states, actions; double gamma, alpha, ratio[TIGHT_BOUNDS]; } tightness_row;
typedef struct {
    int n;
    uint64_t seed;
    tightness_row *row;                         /* [n] */
    double *sorted;                             /* [n] room for the text */
} tightness;
tightness tightness_new(int n, uint64_t seed);
void      tightness_free(tightness *t);
bool      tightness_holds(const tightness *t);              /* no ratio above 1 */
int       tightness_worst(const tightness *t, int bound);   /* the MDP with the greatest ratio */
void      tightness_text(const tightness *t, FILE *out);
void      tightness_csv(const tightness *t, FILE *out);
char     *tightness_svg(const tightness *t);                /* to be freed */

#endif
