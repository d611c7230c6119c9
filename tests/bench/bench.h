#ifndef ASCENT_BENCH_H
#define ASCENT_BENCH_H

#include <stddef.h>

typedef struct { const char *name; void (*run)(void *job); } bench_contestant;

/* Times n contestants at one job and prints a row; the first one's median in us. */
double  bench_row(const char *name, const char *goal, void *job, int n, const bench_contestant c[]);
double *bench_numbers(size_t n, double scale);          /* uniform in (-scale, scale); freed by free() */

void bench_network(void);                               /* networks: network.c */
void bench_exact(void);                                 /* the exact layer: exact.c */
void bench_envs(void);                                  /* environments: envs.c */
void bench_ppo(void);                                   /* whole training loops: ppo.c, */
void bench_ddpg(void);                                  /* ddpg.c */

#endif
