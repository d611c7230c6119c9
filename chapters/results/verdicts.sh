#!/bin/sh
# chapters/results/verdicts.sh ENV   The runs beside the published numbers, as a table. With y the published mean return
# and [low, high] the interval of ours, at no more steps of the environment:
#     beat: low > y;   match: low <= y <= high;   below: high < y
# Where nobody has published one, y is what counts as solved: above, at, below.
set -eu
cd "$(dirname "$0")"
echo '| algorithm | steps, seeds | actions drawn | worst seed | most likely actions | worst seed | published | verdicts |'
echo '|---|---|---|---|---|---|---|---|'
awk -F, -v env="$1" '
    function mean(i) { return x[i] " (" x[i + 1] "\302\240to\302\240" x[i + 2] ")" }     # held together
    function verdict(low, high) {
        if (x[2] > most) return "more steps"
        if (low > y) return first ? "above" : "beat"
        return high < y ? "below" : first ? "at" : "match"
    }
    !/^#/ && $2 == env {
        y = $3; most = $4; algorithm = $1; first = $5 == "-"
        published = first ? "none (" y ": solved)" : y " (" $5 ": " $6 ")"
        rows = "cat " algorithm ".csv " algorithm "-*.csv 2>/dev/null"
        while ((rows | getline line) > 0) {
            if (split(line, x, ",") != 11 || x[1] != env) continue
            printf "| %s | %d, %d | %s | %s | %s | %s | %s | %s, %s |\n", algorithm, x[2], x[3], mean(4), x[7],
                   mean(8), x[11], published, verdict(x[5], x[6]), verdict(x[9], x[10])
        }
        close(rows)
    }' published.csv
