/* The file that a run goes on from. One function lists what is in it, for saving and for loading:
 *
 *     checkpoint *c = saving ? checkpoint_create(path) : checkpoint_open(path);
 *     checkpoint_text(c, "algorithm", "reinforce");           must be the same
 *     checkpoint_count(c, "steps", &steps);                   saved, or restored
 *     checkpoint_vector(c, "theta", theta, n);
 *     checkpoint_close(c);
 *
 * Saving replaces the file whole (whole_file.h). Loading takes it only if every byte is as it was written: all
 * mistakes end in exit 2, naming the file, what was expected and what was found.
 *
 * Format: "ASCENTck"; 01 02 03 04 in the machine's order; version (uint32); fields; CRC-64 (ECMA-182,
 * reflected, as xz computes it) of all before it (uint64). A field: length of its name (uint32), kind (uint32),
 * number of elements (uint64), name, elements: bytes, int64 or double. */
#ifndef ASCENT_CHECKPOINT_H
#define ASCENT_CHECKPOINT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { CHECKPOINT_VERSION = 1 };

typedef struct checkpoint checkpoint;
checkpoint *checkpoint_create(const char *path);
checkpoint *checkpoint_open(const char *path);
bool checkpoint_saving(const checkpoint *c);
void checkpoint_text(checkpoint *c, const char *name, const char *text);
void checkpoint_count(checkpoint *c, const char *name, long *count);            /* >= 0 */
void checkpoint_position(checkpoint *c, const char *name, uint64_t *position);
void checkpoint_vector(checkpoint *c, const char *name, double *x, size_t n);   /* x [n] */
void checkpoint_close(checkpoint *c);
void checkpoint_free(checkpoint *c);           /* of one that is read no further */

/* One vector of a file that the caller knows no more of, to be freed; its length in n. NULL: there is none. */
double *checkpoint_find(const char *path, const char *name, size_t *n);

uint64_t checkpoint_crc(uint64_t crc, const void *p, size_t n);     /* of more bytes; 0 before the first */

#endif
