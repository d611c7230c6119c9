/* The replay buffer: that it forgets the oldest, and draws all that it holds alike. 002 (l.162-163, l.186-190). */
#include <float.h>
#include <gsl/gsl_cdf.h>
#include <math.h>
#include <stdlib.h>

#include "algorithms/replay.h"
#include "autodiff/random.h"
#include "autodiff/require.h"
#include "derivations/derivation.h"

enum { CAPACITY = 100, MINIBATCH = 10, DRAWN = 2000, FILLS = 3, N_FILLS = 3 * FILLS };
static const long stored_[FILLS] = { 60, 100, 250 };
#define QUANTILE 1e-6

static int    n_fills(const setting *x)    { (void)x; return N_FILLS; }
static double unit_fills(const setting *x) { (void)x; return 1000 * DBL_EPSILON; }     /* of a chi^2 below 1000 */

static long size_of(int i) { return stored_[i] < CAPACITY ? stored_[i] : CAPACITY; }

/* chi^2's quantile; the age of the oldest transition; how many s are missing */
static double expected(const setting *x, double *out)
{
    (void)x;
    for (int i = 0; i < FILLS; i++) {
        out[3 * i] = gsl_cdf_chisq_Qinv(QUANTILE, (double)size_of(i) - 1);
        out[3 * i + 1] = (double)size_of(i);
        out[3 * i + 2] = 0;
    }
    return 0;
}

/* s_t = t in each transition; or s_1 */
static void fill(replay *D, long n, bool first)
{
    for (long t = 0; t < n; t++) {
        double s = first ? 1 : (double)t, s1 = (double)(t + 1), a = 0;
        replay_store(D, &s, &a, (double)t, &s1, false);
    }
}

/* newest: of the minibatches only what is among the newest half */
static double drawn(uint64_t seed, bool newest, bool first, double *out)
{
    char error[256];
    env *e = env_make("lqr", 20, error, sizeof error);
    require(e, "%s", error);
    gsl_rng *rng = random_stream(seed, 0, RANDOM_TEST);
    minibatch *B = minibatch_new(e, MINIBATCH);
    for (int i = 0; i < FILLS; i++) {
        long n = stored_[i], size = size_of(i), count[250] = { 0 }, of_s[252] = { 0 }, all = 0, oldest = n,
            different = 0;
        replay *D = replay_new(e, CAPACITY);
        fill(D, n, first);
        for (int k = 0; k < DRAWN; k++) {
            replay_sample(D, rng, B);
            for (int j = 0; j < MINIBATCH; j++) {
                long t = (long)B->r[j];
                if (newest && t < n - size / 2) continue;
                all++, count[t]++, of_s[(long)B->s[j]]++;
                if (t < oldest) oldest = t;
            }
        }
        double each = (double)all / (double)size, chi2 = 0;
        for (long t = n - size; t < n; t++) chi2 += ((double)count[t] - each) * ((double)count[t] - each) / each;
        for (int s = 0; s < 252; s++) different += of_s[s] > 0;
        out[3 * i] = chi2, out[3 * i + 1] = (double)(n - oldest), out[3 * i + 2] = (double)(size - different);
        replay_free(D);
    }
    minibatch_free(B);
    gsl_rng_free(rng);
    env_free(e);
    return 0;
}
static double all_alike(const setting *x, double *out)   { return drawn(x->seed, false, false, out); }
static double newest_only(const setting *x, double *out) { return drawn(x->seed, true, false, out); }
static double all_of_s1(const setting *x, double *out)   { return drawn(x->seed, false, true, out); }

const derivation replay_drawn[] = {
    { "DDPG-20", "the buffer holds the newest transitions, and draws each as often as the others",
      "for 60, 100, 250 stored: chi^2; the age of the oldest that is drawn; how many s never are",
      n_fills, unit_fills, NULL, NULL,
      {
        { "\\chi^2_{1-10^{-6}},\\quad\\min(n,100),\\quad0",
          "uniform draws pass the quantile once in a million; none is left out but with probability 100 x"
          " .99^20000", expected },
        { "\\ge\\chi^2\\ \\text{of 20000 draws};\\quad n-\\text{the oldest};\\quad\\text{missing}\\ s_t",
          "the training code's: nothing older, nothing left out", all_alike, AT_MOST },
        { "\\text{drawn from the newest half}",
          "the control: chi^2 is 20000 there, far beyond the quantile", newest_only,
          DIFFERS },
        { "(s_1,a_t,r_t,s_{t+1})", "002 (l.186) prints s_1 for s_t: there would be one state only",
          all_of_s1, DIFFERS,
          "ERR-71" } }, "a buffer for 100 transitions, minibatches of 10" },
    { .id = NULL }
};
