#!/bin/sh
# tests/learning/sequential.sh   The design of tests/learning.sh, tested with chances that are known: how often it
# rejects what it should not, and does what it should.
set -u
cd "$(dirname "$0")" || exit 3
awk -f sequential.awk -f /dev/stdin <<'AWK'
function check(name, found, low, high) {
    if (found >= low && found <= high) { passed++; print "ok " name ": " found }
    else { failed++; print "FAIL " name ": " found ", not in " low " to " high }
}

# Exactly, over the number of failures: chance[k] of k in n runs and no verdict yet
function design(p,    n, k, v, chance) {
    split("", chance); split("", of); runs = 0
    chance[0] = 1
    for (n = 1; n <= 60; n++) for (k = n; k >= 0; k--) {
        chance[k] = chance[k] * (1 - p) + (k > 0 ? chance[k - 1] * p : 0)
        if ((v = verdict(n, k)) == "") continue
        of[v] += chance[k]; runs += n * chance[k]; chance[k] = 0
    }
}

function uniform() { return (seed = (seed * 69069 + 1) % 4294967296) / 4294967296 }
function normal(    i, sum) { for (i = 0; i < 12; i++) sum += uniform(); return sum - 6 }

# How many of so many tests of scores around m end in v, and the runs they took
function simulate(tests, m, T, v,    i, n, k, score, hits) {
    taken = 0
    for (i = 0; i < tests; i++) {
        for (n = k = 0; verdict(n, k) == ""; n++) {
            score = m == "nan" ? "nan" : sprintf("%.6g", m + normal())
            k += fails(score, T)
        }
        hits += verdict(n, k) == v; taken += n / tests
    }
    return hits / tests
}

BEGIN {
    seed = 1
    # fail rate, P(rejected), P(undecided), mean runs
    split("0.01 1.7e-8 2e-13 8.3  0.025 1.2e-6 5e-9 8.9  0.05 4.7e-5 7.7e-6 10.2  0.1 2.8e-3 3.6e-3 14.1  0.2 0.18 0.13 27.7  " \
          "0.3 0.72 0.08 27  0.5 0.993 3e-5 12.1  0.8 1 0 5.8", table, " +")
    for (i = 1; i in table; i += 4) {
        design(table[i])
        check("p = " table[i] ": P(rejected)", of["rejected"] + 0, 0.9 * table[i + 1], 1.06 * table[i + 1])
        check("p = " table[i] ": P(undecided)", of["undecided"] + 0, 0.7 * table[i + 2], 1.3 * table[i + 2] + 1e-9)
        check("p = " table[i] ": mean runs", runs, table[i + 3] - 0.06, table[i + 3] + 0.06)
        check("p = " table[i] ": all end", of["rejected"] + of["undecided"] + of["accepted"], 1 - 1e-12, 1 + 1e-12)
    }
    check("of 200 runs 4 below", below(200), 4, 4)
    check("of 59 runs none", below(59), 0, 0)
    check("58 runs are too few", below(58), -1, -1)

    for (i = 1; i <= 200; i++) x[i] = sprintf("%.6g", normal())
    T = threshold(x, 200)
    for (i = 1; i <= 200; i++) under += x[i] + 0 < T + 0
    check("4 of the calibration lie below", under, 4, 4)
    check("the same policy is accepted", simulate(5000, 0, T, "accepted"), 0.999, 1)
    check("and never rejected", simulate(5000, 0, T, "rejected"), 0, 0)
    check("in about 9 runs", taken, 8, 10)
    check("one worse by 2.05 sd is rejected", simulate(2000, T, T, "rejected"), 0.985, 1)       # half of its runs fail
    check("one worse by 4 sd is rejected", simulate(2000, -4, T, "rejected"), 1, 1)
    check("in about 4 runs", taken, 4, 5)
    check("one without numbers is rejected", simulate(10, "nan", T, "rejected"), 1, 1)
    check("one better is accepted", simulate(2000, 3, T, "accepted"), 1, 1)
    split("1 2 nan 3 -inf", few)
    check("no threshold from few", threshold(few, 5) == "nan", 1, 1)
    for (i = 1; i <= 200; i++) x[i] = i <= 3 ? "nan" : i
    check("a run without a number is below", threshold(x, 200), 5, 5)
    check("no number fails", fails("", 0) + fails("nan", 0) + fails("inf", 0) + fails("-nan", -1e300) + fails("0x7", 0), 5, 5)
    check("a number does not", fails("0", 0) + fails("-1.5e-3", -1) + fails("1e+06", 5), 0, 0)
    print passed " passed, " failed + 0 " failed"
    exit failed > 0
}
AWK
