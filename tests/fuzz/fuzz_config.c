/* Any bytes as config.json: refused in one line that names the file, or what is written of it reads back the
 * same. */
#include "tests/fuzz/refusing.h"

#include "autodiff/json.h"

#define json_memory_or_exit() json_set_alloc_funcs(hold_bytes, let_go)
#include "algorithms/algorithm.c"
#include "algorithms/config.c"
#include "algorithms/experiment.c"
#undef free

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char *volatile first = NULL, *volatile again = NULL;
    if (setjmp(back) == 0) {
        experiment *x = experiment_parse("m", (const char *)data, size);
        first = experiment_text(x, EXPERIMENT_WHOLE);
        experiment_free(x);
        x = experiment_parse("m", first, strlen(first));
        again = experiment_text(x, EXPERIMENT_WHOLE);
        experiment_free(x);
        require(strcmp(first, again) == 0, "%s becomes %s", first, again);
        require(helds == 0, "%d blocks", helds);
    } else {
        require(!first, "%s: %s", first, refusal);
        require(strncmp(refusal, "m:", 2) == 0 || strncmp(refusal, "expected an algorithm", 21) == 0, "%s",
                refusal);
    }
    free(first);
    free(again);
    clean(1000);
    return 0;
}
