/* `ascent verify --errata`: every erratum, its line beside the right one, and the numbers that show it. */
#ifndef ASCENT_VERIFY_ERRATA_H
#define ASCENT_VERIFY_ERRATA_H

#include "derivations/problem.h"

typedef struct {
    const problem *p;           /* [count] the MDPs, with their policies */
    int count;
    const setting *own;         /* for lines about a problem of their own */
    bool trains;                /* compute those that train, too: half a minute */
    bool json;
} errata_desk;

/* Prints erratum id, or, where that is NULL, all of them. An erratum is shown when each of its lines that applies is
 * refuted, on one of the MDPs and under one policy at least, beside right lines that hold; or in words. Returns the
 * exit status: 1 where one is not shown, or none is. */
int verify_errata(const errata_desk *desk, const char *id);

#endif
