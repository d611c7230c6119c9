/* `ascent verify --errata`: every erratum, its line beside the right one, and the numbers that show it. */
#ifndef ASCENT_VERIFY_ERRATA_H
#define ASCENT_VERIFY_ERRATA_H

#include <jansson.h>

#include "derivations/problem.h"

typedef struct {
    const problem *p;           /* [count] the MDPs, with their policies */
    int count;
    const setting *own;         /* for lines about a problem of their own */
    bool named;                 /* MDPs of the user's choice: a document's line may happen to be right there */
    bool trains;                /* compute those that train, too: half a minute */
    bool json;
} errata_desk;

/* What a document's line is, from what says nothing of it to what is decisive, and so of several settings and
 * lines the greatest: not computed; refuted nowhere; not to be told, as too much error is allowed; refuted
 * beside right lines that hold (a candidate that is no erratum, ERR-86: it holds); or beside a line that is
 * called right and is not. */
enum showing { SHOWN_NOT_HERE, SHOWN_TO_AGREE, SHOWN_TOO_LOOSELY, SHOWN, SHOWN_TO_FAIL };

/* The lines of an erratum in derivation d, appended to lines; NULL: printed */
enum showing errata_lines_shown(const errata_desk *desk, const char *erratum, const derivation *d,
                                json_t *lines);

/* Prints erratum id, or, where that is NULL, all of them. Returns the exit status: 1 where a right line fails,
 * where one is refuted nowhere (n/a instead on MDPs of the user's choice, and where it trains and is left out), or
 * where none is shown. */
int verify_errata(const errata_desk *desk, const char *id);

#endif
