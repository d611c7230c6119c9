/* Errata of the documents that are words and signs: a name, a letter, an index, a parenthesis. Nothing can be computed
 * of them. One whose line has a number is a line of a derivation (derivation.h, `erratum`); ERR-83 is both. */
#ifndef ASCENT_ERRATA_H
#define ASCENT_ERRATA_H

typedef struct {
    const char *erratum;
    const char *beside;         /* the id of the registry's row that it is about */
    const char *place;          /* document and line */
    const char *printed, *right;
} erratum_in_words;

extern const erratum_in_words errata_in_words[];            /* the last has erratum NULL */

#endif
