/* The functions of assignment 3 that are asked for, by `what` of a question. */
#ifndef ASCENT_ASSIGNMENT_3_H
#define ASCENT_ASSIGNMENT_3_H

#include "chapters/grade_question.h"

enum {                                      /* inputs                           answer */
    ASK_TOTAL = 1, ASK_TO_GO,               /* T r gamma                        R; G [T] */
    ASK_W, ASK_W_GAMMA_T,                   /* T r gamma b                      w [T] */
    ASK_NEXT_B,                             /* b rate T r gamma                 b */
    ASK_OBJECTIVE,                          /* T logp w                         J, dJ/dlogp [T] */
    ASK_OBJECTIVE_IN_W,                     /* T logp w                         is dJ/dlogp not 0, dJ/dw [T] */
    ASK_GRADIENT,                           /* policy, T s a w                  g [n] */
    ASK_UPDATE,                             /* policy, T s a r gamma b          g [n], weights with gamma^t */
    ASK_VPG_TOTAL, ASK_VPG_TO_GO,           /* T r gamma                        w [T] */
    ASK_VPG_ADVANTAGE,                      /* T r V gamma                      A [T] */
    ASK_VPG_TRAJECTORIES, ASK_VPG_STEPS,    /* T logp w segments                J, dJ/dlogp [T] */
    ASK_VPG_V,                              /* T V, r as returns                J, dJ/dV [T] */
    ASK_VPG_GRADIENT, ASK_VPG_GRADIENT_STEPS    /* policy, T s a w segments first   g [n] */
};

#endif
