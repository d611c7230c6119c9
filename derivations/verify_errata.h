/* `ascent verify --errata`: every erratum, its line beside the right one, and the numbers that show it. */
#ifndef ASCENT_VERIFY_ERRATA_H
#define ASCENT_VERIFY_ERRATA_H

#include <jansson.h>

#include "derivations/problem.h"

typedef struct {
    const problem *p;           /* [count] the MDPs, with their policies */
    int count;
    const setting *own;         /* for lines about a problem of their own */
    bool trains;                /* compute those that train, too: half a minute */
    bool json;
} errata_desk;

/* What became of an erratum. A candidate that is none (ERR-86) is shown by its line's holding. */
enum errata_outcome { ERRATA_NUMBERS, ERRATA_WORDS, ERRATA_NOT_SHOWN, ERRATA_NOWHERE, ERRATA_OUTCOMES };

/* Its lines in derivation d: NOT_SHOWN where one that applies is not refuted, or the right ones fail. They are appended
 * to lines; NULL: printed. */
enum errata_outcome errata_lines_shown(const errata_desk *desk, const char *erratum, const derivation *d, json_t *lines);

/* Prints erratum id, or, where that is NULL, all of them. An erratum is shown when each of its lines that applies is
 * refuted, on one of the MDPs and under one policy at least, beside right lines that hold; or in words. Returns the
 * exit status: 1 where one is not shown, or none is. */
int verify_errata(const errata_desk *desk, const char *id);

#endif
