#!/bin/sh
# tests/grade.sh BUILD   The assignments and their grader: the skeleton scores 0, the reference everything, correct
# variants too; wrong ones lose the checks of their equation and are named; hostile ones neither pass nor harm.
# GRADE=all for all of them. Submissions are made from the reference by replacing the body of one function.
set -u
build=$(cd "$1" && pwd)
root=$(pwd)
ascent=$build/ascent
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
chmod 711 "$work"                                   # another user must get to its folder in it
mkdir -m 755 "$work/tmp"
export TMPDIR="$work/tmp"
passed=0 failed=0
all=${GRADE:-}
kind=
pass() { passed=$((passed + 1)); }
fail() { failed=$((failed + 1)); echo "FAIL $1: $2"; }

sed -n "/^cat >json.awk <<'AWK'/,/^AWK$/p" tests/cli.sh | sed '1d;$d; s/400/40000/' >"$work/json.awk"

# start NAME: a new submission, the reference; begin NAME: the skeleton. Then $dir
start() {
    name=$1 dir=$work/$1
    mkdir "$dir"
    cp algorithms/returns.c algorithms/reinforce.c algorithms/vpg.c "$dir"
}
begin() {
    name=$1$kind dir=$work/$1$kind
    "$ascent" assignment 3 --out "$dir" || fail "$name" "no skeleton"
}

# body FILE FUNCTION: its body becomes what stands on stdin
body() {
    cat >"$work/body"
    awk -v f=" $2(" -v body="$work/body" '
        index($0, f) && /^[a-z]/ { at = 1 }
        at && (/BEGIN SOLUTION/ || /require\(!"written"/) {
            while ((getline line < body) > 0) print line
            skip = /BEGIN SOLUTION/; at = 0; done = 1
            next
        }
        skip { if (/END SOLUTION/) skip = 0; next }
        { print }
        END { exit !done }' "$dir/$1" >"$work/new" || fail "$name" "no function $2 in $1"
    mv "$work/new" "$dir/$1"
}
# in_front FILE: what stands on stdin is put before its first line
in_front() { cat - "$dir/$1" >"$work/new" && mv "$work/new" "$dir/$1"; }

# graded ARGUMENTS...: the status in `status`, the report in `tap`, the numbers of what is lost in `lost`
graded() {
    "$ascent" grade 3 "$dir" --format tap "$@" >"$work/tap" 2>"$work/err"
    status=$?
    lost=$(sed -n 's/^not ok .* - \(3\.[0-9]*\) .*/\1/p' "$work/tap" | paste -sd' ' -)
    score=$(sed -n 's/^# score: \([0-9]*\) of 100$/\1/p' "$work/tap")
}
told() { grep '^# ' "$work/tap" | head -n "${1:-3}" | tr '\n' '|'; }

full() {                                            # every point, on three seeds
    for seed in 1 2 "${1:-77}"; do
        graded --seed "$seed"
        if [ "$status" = 0 ] && [ "$score" = 100 ]; then pass
        else fail "$name" "seed $seed: score $score, lost $lost: $(told; cat "$work/err")"; fi
    done
}
loses() {                                           # exactly these, and the report names the variant
    graded --seed "${3:-1}"
    if [ "$status" != 1 ]; then fail "$name" "exit status $status: $(cat "$work/err")"
    elif [ "$lost" != "$1" ]; then fail "$name" "lost '$lost', not '$1': $(told)"
    elif ! grep -q "^# matches: .*$2" "$work/tap"; then fail "$name" "not named '$2': $(told)"
    else pass; fi
}

# Which sandbox there is; where there is none, that it says so and runs nothing is all that can be tested.
mkdir "$work/empty" "$work/blank"
for f in returns reinforce vpg; do : >"$work/blank/$f.c"; done
"$ascent" grade 3 "$work/blank" >"$work/out" 2>"$work/err"
status=$?
if grep -q 'no sandbox works here' "$work/err"; then
    if [ "$(id -u)" = 0 ] || bwrap --ro-bind / / --unshare-user --unshare-pid true 2>/dev/null; then
        fail sandbox "there is one here, root or bubblewrap, but it is refused"
    fi
    echo "no sandbox works here (bubblewrap, or root): the rest of this test is left out"
    if [ $status = 2 ] && [ ! -s "$work/out" ]; then pass; else fail refusal "exit status $status"; fi
    echo "$passed passed, $failed failed"
    exit $((failed > 0))
fi
if [ $status = 1 ] && grep -q '^Score: 0/100' "$work/out"; then pass
else fail blank "exit status $status: $(head -n 3 "$work/out" "$work/err")"; fi

# ---- mistakes of the user: exit 2, one line, nothing on stdout ----
refused() { # name, pattern, arguments
    name=$1 pattern=$2
    shift 2
    "$ascent" "$@" >"$work/out" 2>"$work/err"
    status=$?
    if [ $status = 2 ] && [ ! -s "$work/out" ] && [ "$(wc -l <"$work/err")" = 1 ] && grep -q "$pattern" "$work/err"
    then pass; else fail "$name" "exit status $status: $(head -n 2 "$work/err")"; fi
}
refused no_folder 'found 1 arguments' grade 3
refused no_such_folder 'expected a folder' grade 3 "$work/nowhere"
refused file_for_folder 'expected a folder' grade 3 Makefile
refused nothing_to_grade "^$work/empty: expected returns.c, reinforce.c, vpg.c in it, found none" grade 3 "$work/empty"
refused no_such_assignment 'found 99' grade 99 "$work/empty"
refused format 'text, json or tap' grade 3 "$work/blank" --format xml
refused seed 'whole number' grade 3 "$work/blank" --seed x
refused no_out 'expected --out' assignment 3
refused no_assignment 'found 0 arguments' assignment --out "$work/new"
refused no_place 'No such file' assignment 3 --out "$work/nowhere/new"
"$ascent" grade 3 "$work/blank" >/dev/full 2>"$work/err"
status=$?
if [ $status = 3 ]; then pass; else fail full_disk "exit status $status"; fi

# ---- the skeleton ----
begin skeleton
for cc in gcc clang; do
    command -v $cc >/dev/null 2>&1 || continue
    make -s -C "$dir" CC=$cc >"$work/log" 2>&1 || fail skeleton "$cc does not compile it: $(head -n 3 "$work/log")"
    if [ -s "$work/log" ]; then fail skeleton "$cc: $(head -n 3 "$work/log")"; else pass; fi
    make -s -C "$dir" clean
done
graded
if [ "$status" = 1 ] && [ "$score" = 0 ]; then pass; else fail skeleton "exit status $status, score $score"; fi
if [ "$(grep -c 'not implemented yet' "$work/tap")" -ge 16 ]; then pass; else fail skeleton "does not say what is missing"; fi
if grep -rqE 'SOLUTION|@BUILD@' "$dir"; then fail skeleton "has marks left in it"; else pass; fi
if "$ascent" assignment 3 --out "$dir" 2>"$work/err" || ! grep -q 'not written over' "$work/err"; then
    fail skeleton "is written over"; else pass; fi
# The README's table is the grader's: number, points, 100 in all
awk -F'|' '/^\| 3\./ { gsub(/ /, "", $2); print $2, $(NF - 1) + 0 }' "$dir/README.md" >"$work/readme"
sed -n 's/^[a-z ]*ok [0-9]* - \(3\.[0-9]*\) .* of \([0-9]*\) points$/\1 \2/p' "$work/tap" >"$work/points"
if cmp -s "$work/readme" "$work/points" && [ "$(awk '{ sum += $2 } END { print sum }' "$work/points")" = 100 ]; then pass
else fail skeleton "its README: $(diff "$work/readme" "$work/points" | head -n 3)"; fi

# Nothing at all: no function of the reference takes the place of a missing one
begin nothing
for f in returns reinforce vpg; do echo '/* nothing */' >"$dir/$f.c"; done
graded
if [ "$status" = 1 ] && [ "$score" = 0 ] && [ "$(grep -c 'undefined symbol' "$work/tap")" = 17 ]; then pass
else fail nothing "score $score: $(told)"; fi

# ---- the reference ----
start reference
full
graded --student alice --seed 3
if [ "$status" = 0 ]; then pass; else fail reference "$(told)"; fi
"$ascent" grade 3 "$dir" --format json >"$work/json" 2>/dev/null
if awk -f "$work/json.awk" "$work/json" >"$work/flat" && [ "$(grep -c 'max_score' "$work/flat")" = 17 ] &&
    grep -q '^score 100\.0$' "$work/flat"; then pass; else fail reference "as JSON: $(head -n 2 "$work/flat")"; fi

# A file too few costs what is in it, and is named
rm "$dir/vpg.c"
graded
if [ "$status" = 1 ] && [ "$score" = 80 ] && grep -q '^# vpg.c: expected a plain file' "$work/tap"; then pass
else fail file_missing "exit status $status, score $score, lost $lost: $(told)"; fi
"$ascent" grade 3 "$dir" --format json 2>/dev/null | grep -q '"output":"vpg.c: expected a plain file' && pass ||
    fail file_missing "not named in the JSON"

# ---- wrong ones ----
start shifted
body returns.c returns_to_go <<'C'
    for (int t = 0; t < T; t++) {
        G[t] = t > 0 ? r[t - 1] : 0;
        double gamma_k = gamma;
        for (int k = t; k < T; k++, gamma_k *= gamma) G[t] += gamma_k * r[k];
    }
C
loses '3.2 3.9' 'shifted by one.*ERR-2'
# other inputs for another seed or student, the same for the same
cp "$work/tap" "$work/tap1"; graded; cmp -s "$work/tap" "$work/tap1" && pass || fail seeds "the same seed, another report"
graded --seed 2; cmp -s "$work/tap" "$work/tap1" && fail seeds "two seeds, one report" || pass
graded --student bob; cmp -s "$work/tap" "$work/tap1" && fail seeds "a student's inputs are everybody's" || pass

# Ended from outside, while a submission computes without end, it takes its folder with it
start endless
body returns.c returns_to_go <<'C'
    for (volatile int t = 0;; t = 0) G[0] = T * r[0] * gamma;
C
"$ascent" grade 3 "$dir" >"$work/out" 2>&1 &
for _ in $(seq 200); do [ -n "$(ls "$work/tmp")" ] && break; sleep 0.02; done
kill -TERM $!
wait $! 2>/dev/null
status=$?
if [ $status = 143 ] && [ -z "$(ls "$work/tmp")" ]; then pass; else fail killed "exit status $status: $(ls "$work/tmp")"; fi

start no_gamma_t
body reinforce.c reinforce_w_gamma_t <<'C'
    reinforce_w(T, r, gamma, b, w);
C
loses '3.4 3.9' 'gamma^t is missing (ERR-3'

start no_detach
body reinforce.c reinforce_objective <<'C'
    return ad_dot(w, logp);
C
loses '3.7' 'flows through the weights'

if [ "$all" = all ]; then
    . tests/grade/variants.sh
    kind= search=$PATH
    . tests/grade/hostile.sh
    kind=_other_user search=/nowhere                # no bubblewrap there
    PATH=$search "$ascent" grade 3 "$work/blank" 2>&1 | grep -q 'another user' && . tests/grade/hostile.sh
fi
if [ -z "$(ls "$work/tmp")" ]; then pass; else fail folders "left behind: $(ls "$work/tmp")"; fi

echo "$passed passed, $failed failed"
[ "$failed" -eq 0 ]
