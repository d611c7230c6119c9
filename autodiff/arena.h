/* Memory that is given out in order and taken back all at once. The tape lives in one: recording a
 * node is a bump of a pointer, and after the first update nothing is asked of the system any more. */
#ifndef ASCENT_ARENA_H
#define ASCENT_ARENA_H

#include <stddef.h>

typedef struct arena arena;
typedef struct { void *block; size_t used; } arena_mark;    /* a place to come back to */

arena     *arena_new(void);
void       arena_free(arena *m);                            /* NULL is fine */
void      *arena_alloc(arena *m, size_t bytes);             /* 64-byte aligned, not zeroed; never NULL */
arena_mark arena_here(const arena *m);
/* Everything given out since the mark is void. Builds with -DASCENT_CHECKED fill it with NaN. */
void       arena_reset(arena *m, arena_mark mark);

#endif
