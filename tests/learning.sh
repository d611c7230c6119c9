#!/bin/sh
# tests/learning.sh BUILD [NAME]                   Do the algorithms still learn? For each line of tests/learning/table
# policies are trained, with seeds from 100001 on (LEARNING_SEED=K: from K on), until Wald's sequential test knows
# whether they are as good as those of the calibration. A run fails if its score is below the calibration's threshold,
# or no number. Then the same with what is to make it worse: that must be rejected.
# tests/learning.sh BUILD --calibrate NAME [N]     N (200) runs, of seeds 1 .. N, to tests/learning/NAME.scores: every
# score, their mean and sd, and the threshold, below which 4 of 200 lie. A new algorithm: a line of the table, then this.
# For code that is known to be right; a threshold is never set by hand, nor a seed changed because a test fails.
#
# tests/learning/sequential.awk is the design, sequential.sh its test. Of code that fails as often as that of the
# calibration does (1 run in 50) it rejects 4 of 10^7, of code that fails at the most that the calibration leaves open
# (1 in 20) 5 of 10^5, what is undecided after 60 runs among them; if half of the runs fail, it sees that with
# probability .993, if a quarter do with .59. What learns as fast, or faster, passes, right or wrong: the estimators'
# own tests are for that.
set -u
build=$(cd "$1" && pwd)
cd "$(dirname "$0")/learning" || exit 3
work=$(mktemp -d /dev/shm/learning.XXXXXX 2>/dev/null || mktemp -d) || exit 3
trap 'rm -rf "$work"' EXIT
export LC_ALL=C build work
table() { sed '/^#/d; s/ *| */|/g' table; }

# Of a seed: its score, or why there is none
cat >"$work/one.sh" <<'SH'
# one.sh SEED WHERE ARGUMENTS SCORE   to $work/WHERE.SEED
dir=$work/run.$2.$1
score=$(timeout 60 "$build/ascent" train $3 --seed "$1" --out "$dir" --quiet 2>&1 >/dev/null &&
    case $4 in
    J*) timeout 60 "$build/tests/learning/score" "$dir" ${4#J} 2>&1 ;;
    *)  timeout 60 "$build/ascent" eval "$dir" --episodes "$4" --json 2>&1 | sed 's/.*"mean"://; s/}$//' ;;
    esac) || score="ended with status $?: $score"
echo ${score:-nothing} >"$work/$2.$1"           # one line
rm -rf "$dir"
SH

# judged WHERE ARGUMENTS SCORE THRESHOLD: the verdict, two runs at a time
judged() {
    seed=${LEARNING_SEED:-100001}
    : >"$work/$1"
    while :; do
        sh "$work/one.sh" $seed "$1" "$2" "$3" & sh "$work/one.sh" $((seed + 1)) "$1" "$2" "$3"
        wait
        cat "$work/$1.$seed" "$work/$1.$((seed + 1))" >>"$work/$1"
        seed=$((seed + 2))
        found=$(awk -v T="$4" -f sequential.awk -f /dev/stdin "$work/$1" <<'AWK'
            done == "" { k += fails($0, T); n++; done = verdict(n, k) }
            END { if (done != "") print done ": " k " of " n " runs failed" }
AWK
        )
        [ -n "$found" ] && { echo "$found"; return; }
    done
}

# summary FILE OF SCORES: n, mean, sd, threshold
summary() {
    awk -f sequential.awk -f /dev/stdin "$1" <<'AWK'
        { for (i = 1; i <= NF; i++) if (!/^#/) { x[++n] = $i; sum += $i; squares += $i * $i } }
        END { printf "n %d, mean %.6g, sd %.3g, threshold %s\n", n, sum / n, sqrt((squares - sum * sum / n) / (n - 1)),
                     threshold(x, n) }
AWK
}

if [ "${2:-}" = --calibrate ]; then
    line=$(table | grep "^${3:?a name of tests/learning/table}|") || { echo "$3: no line of tests/learning/table"; exit 2; }
    n=${4:-200}
    [ "$n" -ge 59 ] || { echo "$n: expected at least 59 runs"; exit 2; }
    arguments=$(echo "$line" | cut -d'|' -f2) score=$(echo "$line" | cut -d'|' -f3)
    seq "$n" | xargs -P 2 -I@ sh "$work/one.sh" @ c "$arguments" "$score"
    for k in $(seq "$n"); do cat "$work/c.$k"; done | sed 's/ .*//; s/^[^-0-9].*/nan/' | paste -sd'         \n' >"$work/scores"
    { echo "# $arguments | $score"; echo "# $(summary "$work/scores")"; cat "$work/scores"; } >"$3.scores"
    sed -n 2p "$3.scores"
    exit 0
fi

passed=0 failed=0
bad() { failed=$((failed + 1)); echo "FAIL $1"; }
table >"$work/table"
while IFS='|' read -r name arguments score worse; do
    [ -z "${2:-}" ] || [ "$2" = "$name" ] || continue
    if [ "$(sed -n 1p "$name.scores" 2>/dev/null)" != "# $arguments | $score" ]; then
        bad "$name: not calibrated as the table has it (--calibrate $name)"; continue; fi
    its=$(summary "$name.scores")
    if [ "$(sed -n 2p "$name.scores")" != "# $its" ]; then bad "$name.scores: its scores say $its"; continue; fi
    T=${its##* }
    was=$(judged "$name" "$arguments" "$score" "$T")
    case $was in
    accepted*) passed=$((passed + 1)); echo "ok $name: $was" ;;
    *) bad "$name: $was; threshold $T, scores $(paste -sd' ' "$work/$name")" ;;
    esac
    was=$(judged "$name-worse" "$arguments $worse" "$score" "$T")
    case $was in
    rejected*) passed=$((passed + 1)); echo "ok $name $worse: $was" ;;
    *) bad "$name $worse: not seen: $was; threshold $T, scores $(paste -sd' ' "$work/$name-worse")" ;;
    esac
done <"$work/table"
echo "$passed passed, $failed failed"
[ "$failed" -eq 0 ] && [ "$passed" -gt 0 ]
