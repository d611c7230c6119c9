/* Any bytes as progress.csv: refused in one line of ASCII that names the file, or a curve of finite numbers. */
#include <math.h>

#include "tests/fuzz/refusing.h"

#include "algorithms/progress.h"
#undef free

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char path[32], error[256] = "";
    as_file(data, size, path);
    curve *c = curve_read(path, error, sizeof error);
    if (!c) {
        require(strncmp(error, path, strlen(path)) == 0 && strstr(error, ": expected "), "%s", error);
        for (const char *p = error; *p; p++) require(*p >= ' ' && *p <= '~', "byte 0x%02x", (unsigned char)*p);
        return 0;
    }
    for (int i = 0; i < c->n; i++) {
        require(isfinite(c->y[i]) && c->steps[i] > (i ? c->steps[i - 1] : 0), "row %d", i);
        require(curve_at(c, c->steps[i]) == c->y[i], "row %d is not met", i);
    }
    curve_free(c);
    return 0;
}
