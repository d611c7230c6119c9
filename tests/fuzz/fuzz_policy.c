/* Any bytes as a policy file of a table of three states, the last absorbing, and two actions. */
#include "derivations/policy_file.h"
#include "tests/fuzz/check.h"

enum { POLICY_STATES = 3, POLICY_ACTIONS = 2, LOGITS = POLICY_STATES * POLICY_ACTIONS };

static mdp *policy_table(void)
{
    mdp_builder *b = mdp_begin("m", POLICY_STATES, POLICY_ACTIONS, 0.5);
    mdp_start(b, 0, 1);
    for (int s = 0; s < POLICY_STATES; s++)
        for (int a = 0; a < POLICY_ACTIONS; a++) mdp_transition(b, s, a, s < 2 ? s + 1 : s, 1, s < 2);
    return mdp_finish(b);
}

/* What is written of the logits reads back bit by bit the same. */
static void check_policy(const mdp *M, const double *logits)
{
    char text[LOGITS * 32], error[512], *end = text;
    double again[LOGITS];
    for (int i = 0; i < LOGITS; i++) {
        require(fabs(logits[i]) <= 1e300, "logit %g", logits[i]);
        end += sprintf(end, "%.17g%s", logits[i], (i + 1) % POLICY_ACTIONS ? "," : "\n");
    }
    require(policy_parse("m", text, (size_t)(end - text), M, again, error, sizeof error), "%s", error);
    require(memcmp(logits, again, sizeof again) == 0, "other logits");
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    mdp *M = policy_table();
    double logits[LOGITS];
    char error[512] = "";
    if (policy_parse("m", (const char *)data, size, M, logits, error, sizeof error)) check_policy(M, logits);
    else check_message(error);
    mdp_free(M);
    return 0;
}
