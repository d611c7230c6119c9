/* Philox4x32-10 as a GSL generator: counter (block, worker, purpose), key (seed); see random.h. */
#include "autodiff/random.h"

#include <Random123/philox.h>

#include "autodiff/require.h"

struct philox {
    philox4x32_key_t key;       /* the seed */
    philox4x32_ctr_t counter;   /* v[0], v[1]: block number; v[2]: worker; v[3]: purpose */
    philox4x32_ctr_t block;     /* the four numbers of the current block */
    unsigned next;              /* which of them comes next; 4: make a new block */
};

static void philox_set(void *state, unsigned long seed)
{
    struct philox *x = state;
    *x = (struct philox){ .next = 4 };
    x->key.v[0] = (uint32_t)seed;
    x->key.v[1] = (uint32_t)((uint64_t)seed >> 32);
}

static unsigned long philox_get(void *state)
{
    struct philox *x = state;
    if (x->next == 4) {
        x->block = philox4x32(x->counter, x->key);
        if (++x->counter.v[0] == 0) ++x->counter.v[1];
        x->next = 0;
    }
    return x->block.v[x->next++];
}

static double philox_get_double(void *state)                /* 53 random bits in [0, 1) */
{
    uint64_t high = philox_get(state) >> 5, low = philox_get(state) >> 6;
    return (double)(high << 26 | low) * 0x1p-53;
}

static const gsl_rng_type philox_type = {
    "philox4x32-10", 0xffffffffUL, 0, sizeof(struct philox), philox_set, philox_get, philox_get_double
};
const gsl_rng_type *const random_philox = &philox_type;

gsl_rng *random_stream(uint64_t seed, uint32_t worker, uint32_t purpose)
{
    gsl_rng *rng = gsl_rng_alloc(random_philox);
    if (!rng) out_of_memory(sizeof(struct philox), "a random stream");
    struct philox *x = rng->state;
    philox_set(x, 0);
    x->key.v[0] = (uint32_t)seed;           /* not through gsl_rng_set: unsigned long may have 32 bits */
    x->key.v[1] = (uint32_t)(seed >> 32);
    x->counter.v[2] = worker;
    x->counter.v[3] = purpose;
    return rng;
}

uint64_t random_position(const gsl_rng *rng)
{
    const struct philox *x = rng->state;
    return ((uint64_t)x->counter.v[1] << 32 | x->counter.v[0]) * 4 - (4 - x->next);
}

void random_seek(gsl_rng *rng, uint64_t position)
{
    struct philox *x = rng->state;
    x->counter.v[0] = (uint32_t)(position / 4);
    x->counter.v[1] = (uint32_t)(position / 4 >> 32);
    x->next = 4;
    for (uint64_t i = 0; i < position % 4; i++) philox_get(x);
}
