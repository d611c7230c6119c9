/* Any bytes as a checkpoint, and the same with a right checksum behind them: refused in one line, or every
 * field is what was asked for. */
#include "tests/fuzz/refusing.h"

#include "algorithms/checkpoint.c"

enum { N = 5 };

static void fields(checkpoint *c, long *steps, uint64_t *position, double *theta)
{
    checkpoint_text(c, "algorithm", "walk");
    checkpoint_count(c, "steps", steps);
    checkpoint_position(c, "stream", position);
    checkpoint_vector(c, "theta", theta, N);
    checkpoint_vector(c, "none", NULL, 0);
}

static void read_bytes(const uint8_t *data, size_t size)
{
    char path[32];
    int fd = as_file(data, size, path);
    long steps = 0;
    uint64_t position;
    double theta[N];
    size_t n;
    if (setjmp(back) == 0) {
        checkpoint *c = checkpoint_open(path);
        fields(c, &steps, &position, theta);
        checkpoint_close(c);
        require(steps >= 0 && helds == 0, "%ld steps, %d blocks", steps, helds);
    } else require(strncmp(refusal, "/proc/self/fd/", 14) == 0 && strstr(refusal, ": expected "), "%s", refusal);
    clean(fd + 1);
    if (setjmp(back) == 0) {
        double *found = checkpoint_find(path, "theta", &n);
        require(!found || n <= size / 8, "%zu numbers in %zu bytes", n, size);
        let_go(found);
        require(helds == 0, "%d blocks", helds);
    }
    clean(fd + 1);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    uint64_t crc = checkpoint_crc(0, data, size);
    uint8_t *whole = malloc(size + sizeof crc);
    require(whole, "no memory");
    if (size > 0) memcpy(whole, data, size);
    memcpy(whole + size, &crc, sizeof crc);
    read_bytes(whole, size);
    read_bytes(whole, size + sizeof crc);
    (free)(whole);
    return 0;
}
