/* The 322 equations, claims and algorithms of the five documents. Statements are derivations/registry.tsv;
 * where one stands in the code, in a check or in a chapter is found at build time by registry.awk, so
 * nothing is written twice. */
#ifndef ASCENT_REGISTRY_H
#define ASCENT_REGISTRY_H

typedef struct {
    const char *id, *topic, *part, *class_, *documents, *statement, *kind, *note;
    const char *reason;         /* of class stated: why there is nothing to check */
    const char *code;           /* file:line of the comment that opens with the id; "" when none */
    const char *check;          /* file:line of the derivation that registers it */
    const char *chapter;        /* file:line where the book treats it, in bold */
} registry_row;

extern const registry_row registry[];       /* the last has id NULL */
const registry_row *registry_find(const char *id);
/* The id of an equation or erratum as it is spelt, PGT-3 for pgt-3; what is none stays as it is. */
enum { REGISTRY_ID = 16 };
const char *registry_spelt(const char *id, char spelt[REGISTRY_ID]);

#endif
