/* What an environment looks like: lines and discs in its own lengths, from its state alone. */
#ifndef ASCENT_DRAW_H
#define ASCENT_DRAW_H

#include "envs/env.h"

enum draw_colour { DRAW_FRAME, DRAW_BODY, DRAW_POLE, DRAW_GOAL };

typedef struct {
    enum draw_colour colour;
    double x0, y0, x1, y1;      /* a line from (x0, y0) to (x1, y1); a disc about (x0, y0) = (x1, y1) */
    double width;               /* of the line; the disc's diameter */
    bool disc;
} drawn;

enum { DRAW_MOST = 128 };
typedef struct {
    double left, right, low, high;      /* what is to be seen of it */
    int n;
    drawn part[DRAW_MOST];              /* the same number, kinds and colours in each state of an environment */
    char text[96];                      /* the state as numbers */
} drawing;

/* CartPole, Acrobot, MountainCar (both), Pendulum; a finite MDP as a board of its states in rows, the current one
 * marked. false: only the text is set. */
bool env_draw(const env *e, drawing *d);

#endif
