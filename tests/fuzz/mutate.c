/* The fuzzers' driver where clang has no libFuzzer: changes the files of a corpus at random, without looking
 * at coverage. Takes libFuzzer's -runs=N, -seed=N, -max_len=N, and folders; other options mean nothing here. */
#include <dirent.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "autodiff/random.h"
#include "autodiff/require.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { SEEDS_MAX = 4096, SIZE_MAX_LEN = 65536 };

struct text { uint8_t *at; size_t size; };

static struct text now;                         /* for the report of a crash */

static void report(int signal_number)
{
    FILE *f = fopen("crash-mutate", "wb");
    if (f) fwrite(now.at, 1, now.size, f), fclose(f);
    fprintf(stderr, "signal %d: the input is in crash-mutate\n", signal_number);
    _Exit(1);
}

static int read_folder(const char *path, struct text *seed, int n, size_t max)
{
    DIR *folder = opendir(path);
    struct dirent *entry;
    while (folder && n < SEEDS_MAX && (entry = readdir(folder))) {
        char name[1024];
        snprintf(name, sizeof name, "%s/%s", path, entry->d_name);
        FILE *f = entry->d_name[0] == '.' ? NULL : fopen(name, "rb");
        if (!f) continue;
        seed[n].at = allocate(max, 1, "seed");
        seed[n].size = fread(seed[n].at, 1, max, f);
        n++;
        fclose(f);
    }
    if (folder) closedir(folder);
    return n;
}

/* One change: a byte, a stretch taken out, doubled, or brought in from another text. */
static void mutate(gsl_rng *rng, struct text *t, const struct text *other, size_t max)
{
    static const char alphabet[] = "0123456789.-+eE:*,# \n\r\tTRabxystartuniform\xFF";
    size_t at = gsl_rng_uniform_int(rng, t->size + 1), left = t->size - at;
    size_t n = left ? 1 + gsl_rng_uniform_int(rng, left < 16 ? left : 16) : 0;
    switch (gsl_rng_uniform_int(rng, 5)) {
    case 0: if (left) t->at[at] = (uint8_t)alphabet[gsl_rng_uniform_int(rng, sizeof alphabet)]; return;
    case 1: if (left) t->at[at] ^= (uint8_t)(1u << gsl_rng_uniform_int(rng, 8)); return;
    case 2:
        memmove(t->at + at, t->at + at + n, left - n);
        t->size -= n;
        return;
    case 3:
        if (t->size + n > max) return;
        memmove(t->at + at + n, t->at + at, left);
        t->size += n;
        return;
    default:
        if (other->size == 0) return;
        size_t from = gsl_rng_uniform_int(rng, other->size);
        n = 1 + gsl_rng_uniform_int(rng, other->size - from);
        if (t->size + n > max) return;
        memmove(t->at + at + n, t->at + at, left);
        memcpy(t->at + at, other->at + from, n);
        t->size += n;
    }
}

int main(int argc, char **argv)
{
    static struct text seed[SEEDS_MAX];
    unsigned long runs = 1000000, key = 1, max = SIZE_MAX_LEN;
    int seeds = 0;
    for (int i = 1; i < argc; i++) {
        if (strncmp(argv[i], "-runs=", 6) == 0) runs = strtoul(argv[i] + 6, NULL, 10);
        if (strncmp(argv[i], "-seed=", 6) == 0) key = strtoul(argv[i] + 6, NULL, 10);
        if (strncmp(argv[i], "-max_len=", 9) == 0) max = strtoul(argv[i] + 9, NULL, 10);
    }
    for (int i = 1; i < argc; i++)
        if (argv[i][0] != '-') seeds = read_folder(argv[i], seed, seeds, max);
    if (seeds == 0) bad_input("%s: expected a folder of texts", argv[0]);
    signal(SIGABRT, report);
    gsl_rng *rng = random_stream(key, 0, RANDOM_TEST);
    struct text work = { allocate(max, 1, "text"), 0 };
    for (unsigned long run = 0; run < runs; run++) {
        const struct text *t = &seed[gsl_rng_uniform_int(rng, (unsigned long)seeds)];
        memcpy(work.at, t->at, work.size = t->size);
        for (unsigned long edits = gsl_rng_uniform_int(rng, 6); edits > 0; edits--)
            mutate(rng, &work, &seed[gsl_rng_uniform_int(rng, (unsigned long)seeds)], max);
        now = (struct text){ allocate(work.size, 1, "text"), work.size };       /* no byte beyond */
        memcpy(now.at, work.at, work.size);
        LLVMFuzzerTestOneInput(now.at, now.size);
        free(now.at);
    }
    printf("%lu runs from %d texts\n", runs, seeds);
    for (int i = 0; i < seeds; i++) free(seed[i].at);
    free(work.at);
    gsl_rng_free(rng);
    return 0;
}
