/* A list of blocks, each twice the size of the one before; see arena.h. */
#include "autodiff/arena.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "autodiff/require.h"

#ifdef ASCENT_CHECKED       /* the address sanitizer then knows what was given out, and what was not */
#include <sanitizer/asan_interface.h>
#else
#define ASAN_POISON_MEMORY_REGION(p, n)
#define ASAN_UNPOISON_MEMORY_REGION(p, n)
#endif

enum { ALIGN = 64, FIRST_BLOCK = 1 << 16 };

struct block {
    struct block *next;     /* the block that is filled after this one, kept over a reset */
    size_t size, used;      /* bytes of data[] */
    char *data;             /* aligned to ALIGN */
};

struct arena { struct block *first, *current; };

static struct block *block_new(size_t size)
{
    size_t bytes = sizeof(struct block) + ALIGN + size;
    struct block *b = malloc(bytes);
    if (!b) out_of_memory(bytes, "an arena");
    uintptr_t after = (uintptr_t)(b + 1);
    b->data = (char *)(b + 1) + (ALIGN - after % ALIGN) % ALIGN;
    b->next = NULL;
    b->size = size;
    b->used = 0;
    ASAN_POISON_MEMORY_REGION(b->data, size);
    return b;
}

arena *arena_new(void)
{
    arena *m = allocate(1, sizeof *m, "an arena");
    m->first = m->current = block_new(FIRST_BLOCK);
    return m;
}

void arena_free(arena *m)
{
    if (!m) return;
    for (struct block *b = m->first, *next; b; b = next) {
        next = b->next;
        free(b);
    }
    free(m);
}

void *arena_alloc(arena *m, size_t bytes)
{
    if (bytes > SIZE_MAX / 4) out_of_memory(bytes, "an arena");
    size_t rounded = (bytes + ALIGN - 1) / ALIGN * ALIGN;
    while (m->current->size - m->current->used < rounded) {
        struct block *b = m->current;
        if (!b->next) b->next = block_new(rounded > 2 * b->size ? rounded : 2 * b->size);
        m->current = b->next;
        m->current->used = 0;
    }
    void *p = m->current->data + m->current->used;
    m->current->used += rounded;
    ASAN_UNPOISON_MEMORY_REGION(p, bytes);
    return p;
}

arena_mark arena_here(const arena *m)
{
    return (arena_mark){ m->current, m->current->used };
}

void arena_reset(arena *m, arena_mark mark)
{
#ifdef ASCENT_CHECKED       /* all bits set is a NaN: a value read after its reset shows itself */
    for (struct block *b = mark.block; b; b = b->next) {
        size_t from = b == mark.block ? mark.used : 0;
        ASAN_UNPOISON_MEMORY_REGION(b->data + from, b->used - from);
        if (b->used > from) memset(b->data + from, 0xff, b->used - from);
        if (b == m->current) break;
    }
#endif
    m->current = mark.block;
    m->current->used = mark.used;
}
