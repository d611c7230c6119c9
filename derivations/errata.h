/* The errata of the five documents, ERR-1 to ERR-86; ERR-86 was taken for one and is none. One whose line has a
 * number is a line of a derivation (derivation.h, `erratum`), which stands beside the right ones and must differ
 * from them; the few that stand in no derivation of an equation have one here, errata_lines. What is a name or a
 * word has no number: errata_in_words, which also quotes what is printed where a line's number is that of one
 * reading of it. */
#ifndef ASCENT_ERRATA_H
#define ASCENT_ERRATA_H

#include <stdbool.h>

enum { ERRATA = 86 };

typedef struct {
    const char *erratum;
    const char *beside;         /* the id of the registry's row that it is about */
    const char *place;          /* document and line */
    const char *printed, *right;
} erratum_in_words;

extern const erratum_in_words errata_in_words[];            /* the last has erratum NULL */

bool erratum_has_words(const char *erratum);

#endif
