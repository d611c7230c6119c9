#!/bin/sh
# The command line from end to end: what a person or a script sees of the program.
#
#   tests/cli.sh ASCENT       ASCENT: the program, or the folder it was built in
#
# Prints `ok name` or `FAIL name: why` for each check and `N passed, N failed` at the end; exit 1 if one
# failed. Numbers are compared in awk. What they should be, beyond a chain computed by hand and a few known
# ones, is the business of tests/reference.c.
set -u
[ $# -eq 1 ] && [ -d "$1" ] && set -- "$1/ascent"
[ $# -eq 1 ] && [ -x "$1" ] || { echo "usage: tests/cli.sh ASCENT" >&2; exit 2; }
ascent=$(cd "$(dirname "$1")" && pwd)/$(basename "$1")
root=$(cd "$(dirname "$0")/.." && pwd)
work=$(mktemp -d) || exit 3
trap 'rm -rf "$work"' EXIT
trap 'exit 130' INT
trap 'exit 143' TERM
cd "$work" || exit 3
passed=0
failed=0

# ---- verdicts ----

pass() { passed=$((passed + 1)); echo "ok $1"; }
fail() {
    failed=$((failed + 1))
    echo "FAIL $1: $2"
    [ -z "${STOP:-}" ] || exit 1                # for who wants to know only whether all is well
}

# check NAME WHY COMMAND...: passes if the command succeeds
check() {
    name=$1 why=$2
    shift 2
    if "$@" >check.log 2>&1; then pass "$name"; else fail "$name" "$why"; fi
}

# run ARGUMENT...: the program; stdout in out, stderr in err, exit status in $status
run() {
    "$ascent" "$@" >out 2>err
    status=$?
}

one_line() { [ "$(wc -l <"$1")" -eq 1 ]; }
first_line() { head -n 1 "$1"; }

# works NAME ARGUMENT...: exit 0, something on stdout, nothing on stderr
works() {
    name=$1
    shift
    run "$@"
    if [ "$status" -ne 0 ]; then fail "$name" "exit status $status: $(first_line err)"
    elif [ ! -s out ]; then fail "$name" "nothing on stdout"
    elif [ -s err ]; then fail "$name" "on stderr: $(first_line err)"
    else pass "$name"; fi
}

# refuses NAME STATUS PATTERN ARGUMENT...: that exit status, nothing on stdout, and on stderr one line in
# which grep -E finds the pattern
refuses() {
    name=$1 expected=$2 pattern=$3
    shift 3
    run "$@"
    if [ "$status" -ne "$expected" ]; then
        fail "$name" "exit status $status, not $expected: $(first_line err)"
    elif [ -s out ]; then fail "$name" "on stdout: $(first_line out)"
    elif ! one_line err; then fail "$name" "$(wc -l <err) lines on stderr, not one"
    elif ! grep -Eq -e "$pattern" err; then fail "$name" "no '$pattern' in: $(first_line err)"
    else pass "$name"; fi
}

# ---- JSON ----

# Checks the syntax of JSON and prints one line `path value` for each scalar: V[0] 1.5
cat >json.awk <<'AWK'
function bad(why) { print "not JSON at character " pos ": " why; failed = 1; exit 1 }
function peek() {
    while (pos <= n && index(" \t\r\n", substr(text, pos, 1))) pos++
    return substr(text, pos, 1)
}
function take(pattern,    window) {
    peek()
    window = substr(text, pos, 400)
    if (!match(window, pattern) || RSTART != 1) bad("found " substr(window, 1, 20))
    pos += RLENGTH
    return substr(window, 1, RLENGTH)
}
function members(path, close_,    i, key, c) {
    pos++
    if (peek() == close_) { pos++; return }
    for (i = 0; ; i++) {
        if (close_ == "}") {
            key = take("\"[^\"\\\\]*\"")
            take(":")
            value(path (path == "" ? "" : ".") substr(key, 2, length(key) - 2))
        } else value(path "[" i "]")
        c = take("[]},]")
        if (c == close_) return
        if (c != ",") bad("expected a comma or " close_)
    }
}
function value(path,    c) {
    c = peek()
    if (c == "{") members(path, "}")
    else if (c == "[") members(path, "]")
    else if (c == "\"") print path, take("\"([^\"\\\\]|\\\\.)*\"")
    else if (c ~ /[-0-9]/) print path, take("-?(0|[1-9][0-9]*)([.][0-9]+)?([eE][-+]?[0-9]+)?")
    else print path, take("null|true|false")
}
{ text = text $0 "\n" }
END {
    if (failed) exit 1
    n = length(text)
    pos = 1
    value("")
    if (peek() != "") bad("found something after the end")
}
AWK

# json NAME ARGUMENT...: runs with --json; the object is in `flat`, one line a scalar
json() {
    name=$1
    shift
    run "$@" --json
    if [ "$status" -ne 0 ]; then fail "$name" "exit status $status: $(first_line err)"; : >flat
    elif ! awk -f json.awk out >flat; then fail "$name" "$(tail -n 1 flat)"
    elif [ -s err ]; then fail "$name" "on stderr: $(first_line err)"
    else pass "$name"; fi
}

member() { awk -v path="$1" '$1 == path { print $2 }' flat; }

# keys NAME PREFIX WORD...: the object at PREFIX (a grep pattern, '' is the whole) has exactly these keys
keys() {
    name=$1 prefix=$2
    shift 2
    printf '%s\n' "$@" | sort >keys.expected
    sed -n "s/^$prefix\\([A-Za-z_]*\\).*/\\1/p" flat | sort -u >keys.found
    if cmp -s keys.expected keys.found; then pass "$name"
    else fail "$name" "expected $(paste -sd' ' keys.expected); found $(paste -sd' ' keys.found)"; fi
}

# near NAME PATH NUMBER [TOLERANCE]: relative to max(1, |NUMBER|); 1e-13 unless given
near() {
    found=$(member "$2")
    check "$1" "$2 is '$found', not $3" awk -v x="$found" -v y="$3" -v tol="${4:-1e-13}" 'BEGIN {
        if (x !~ /^-?[0-9]/) exit 1
        size = y < 0 ? -y : y
        off = x - y
        if (off < 0) off = -off
        exit !(off <= tol * (size > 1 ? size : 1)) }'
}

# is NAME PATH TEXT: the value at PATH reads exactly so
is() { check "$1" "$2 is '$(member "$2")', not $3" [ "$(member "$2")" = "$3" ]; }

# ---- files ----

# 0 -a0-> 1 (reward 0), 0 -a1-> end (reward 1), 1 -> end (reward 2). Under the uniform policy at gamma 0.9:
# V = 1.4, 2; Q(0,.) = 1.8, 1; rho = 1, 0.45; dJ/dtheta(0,.) = 0.2, -0.2; J = 1.4; optimal V = 1.8, 2.
cat >chain.mdp <<'MDP'
discount: 0.9
values: reward
states: 3
actions: 2
start: 0
T: 0 : 0 : 1 1.0
T: 1 : 0 : 2 1.0
T: * : 1 : 2 1.0
T: * : 2 : 2 1.0
R: 1 : 0 : 2 : * 1.0
R: * : 1 : 2 : * 2.0
MDP
# Goes round for ever
cat >ring.mdp <<'MDP'
discount: 0.9
values: reward
states: here there
actions: go
start: here
T: go : here : there 1.0
T: go : there : here 1.0
R: go : here : there : * 1.0
MDP
grep -v '^R:' chain.mdp >zero.mdp
# logits 0.1 s - 0.2 a for E5's 5 states and 3 actions
policy() { awk 'BEGIN { for (s = 0; s < 5; s++) printf "%g,%g,%g\n", s / 10, s / 10 - 0.2, s / 10 - 0.4 }'; }
policy >policy.csv
awk 'BEGIN { for (s = 0; s < 17; s++) print "0,0.5,-1," s / 4 }' >lake.csv

# ---- help, commands, options ----

works "--help" --help
for command in solve verify derive estimate improve bounds list env lqr; do
    works "$command --help" "$command" --help
    check "$command --help names the command" "no 'ascent $command'" grep -q "ascent $command" out
done
run solve --help
for option in --gamma --policy --against --fisher --optimal --json; do
    check "solve --help explains $option" "it is not there" grep -q -e "^  $option " out
done
run verify --help
for option in --id --gamma --errata --unbound --json; do
    check "verify --help explains $option" "it is not there" grep -q -e "^  $option " out
done
run improve --help
for option in --iterations --gamma --policy --set --out --json; do
    check "improve --help explains $option" "it is not there" grep -q -e "^  $option " out
done
run estimate --help
for name in total-return reward-to-go baseline Q advantage td nstep nstep-segments gae missing-gamma \
        extra-return-index reinforce q-actor-critic advantage-actor-critic td-actor-critic a2c; do
    check "estimate --help explains $name" "it is not there" grep -qE "^  $name +w_t = ." out
done
# of an algorithm: its settings alone, and a page of numbers whose ids are in the list
run list
cp out ids
run train --help
cp out all
for a in $(sed -n '2,$s/^\([a-z0-9_]*\): .*/\1/p' all); do
    works "train $a --help" train "$a" --help
    sed -n "/^$a: /,/^\$/p" all >its
    check "train $a --help has its settings, and no other's" "it has not" eval "
        sed 1d out | sed -n '/^[a-z0-9_]*: /,/^\$/p' | cmp - its"
    works "explain $a" explain "$a"
    grep -oE '\b[A-Z0-9]{2,4}-[0-9]+' out | grep -v ERR | sort -u >shown
    check "explain $a names equations of the list" "not all" awk '
        NR == FNR { known[$1] = 1; next } { n++; if (!($1 in known)) bad = 1 } END { exit bad || !n }' ids shown
done
run improve --help
cp out all
for a in $(sed -n '2,$s/^\([a-z0-9_]*\): .*/\1/p' all); do
    works "explain $a" explain "$a"
    grep -oE '\b[A-Z0-9]{2,4}-[0-9]+' out | grep -v ERR | sort -u >shown
    check "explain $a names equations of the list" "not all" awk '
        NR == FNR { known[$1] = 1; next } { n++; if (!($1 in known)) bad = 1 } END { exit bad || !n }' ids shown
    refuses "train $a" 2 "^$a does not act and learn: .*ascent improve $a" train "$a" --env E5 --out none
done
check "improve --help has its three algorithms" "$(sed -n '2,$s/^\([a-z0-9_]*\): .*/\1/p' all)" [ \
    "$(sed -n '2,$s/^\([a-z0-9_]*\): .*/\1/p' all | paste -sd' ')" = "cpi trpo_mm dual_gradient" ]
refuses "a schedule without a run to replay" 2 '^--set schedule=replay: expected --replay DIR' \
    train a3c --env E5x --set schedule=replay --out none
check "and no folder" "it is there" [ ! -e none ]
works "list TEXT" list gae
check "list TEXT: an equation whose check says it" "PPO-17 is not there" grep -q '^PPO-17 ' out
check "list TEXT: no other" "PGT-3 is there" eval '! grep -q "^PGT-3 " out'
works "list IS" list IS
check "list IS: the ids that begin so" "IS-2 is not there" grep -q '^IS-2 ' out
check "list IS: no \"is\" in lower case" "MDP-1, a distribution, is there" eval '! grep -q "^MDP-1 " out'
works "list ddpg" list ddpg
check "list ddpg: the ids that begin so, in any case" "DDPG-1 is not there" grep -q '^DDPG-1 ' out
works "list ERR" list ERR
check "list ERR: the 86 errata, each once" "$(wc -l <out) lines" \
    [ "$(awk '$1 ~ /^ERR-[0-9]+$/ && NF > 2 { print $1 }' out | sort -u | wc -l) $(wc -l <out)" = "86 86" ]
check "list ERR: beside what" "$(grep ERR-30 out)" grep -q '^ERR-30 *PDI-7 ' out
for command in list derive "verify --id"; do
    works "$command PDI-6" $command PDI-6
    cp out capitals
    run $command pdi-6
    check "$command pdi-6 is $command PDI-6" "$(first_line err)" cmp out capitals
done
works "list err-78" list err-78
works "derive err-30" derive err-30
works "verify --errata --id err-59" verify --errata --id err-59
works "list IS-" list IS-
check "list IS-: the ids that begin so, no other" "others are there" eval 'grep -q "^IS-2 " out && ! grep -vq "^IS-" out'
refuses "list TEXT that is nowhere" 2 '^list: no id or equation with zzz;' list zzz
refuses "list of nothing" 2 '^list: no id' list ''
refuses "no command" 2 .
refuses "unknown command" 2 nosuch nosuch
refuses "unknown option" 2 --nosuch solve E5 --nosuch
refuses "option without its value" 2 --gamma solve E5 --gamma
refuses "solve without an MDP" 2 "^solve: expected one MDP, found 0$" solve
refuses "solve with two MDPs" 2 "^solve: expected one MDP, found 2$" solve E5 E5
refuses "solve with almost no discount" 4 'almost no discount' solve garnet:40,3,3,2 --gamma 0.9999999999999999
refuses "unknown built-in name" 2 NoSuch-v1 solve NoSuch-v1
for gamma in -0.1 1.5 nan inf abc 0.5x 1e999 ''; do
    refuses "--gamma '$gamma'" 2 --gamma solve E5 --gamma "$gamma"
done
for gamma in 0 0.5 0.999; do works "--gamma $gamma" solve E5 --gamma "$gamma"; done
for gamma in 0x1p-1 ' 0.5' '0.5 ' 0.5f; do
    refuses "--gamma '$gamma'" 2 "--gamma: expected a number in \[0, 1\], found \"$gamma\"" \
        solve E5 --gamma "$gamma"
done
works "--gamma 1 where the end is sure" solve chain.mdp --gamma 1
for command in solve verify derive improve bounds list env; do
    run $command -h
    cp out short
    run $command --help
    check "$command -h is --help" "exit status $status, or they differ" eval '[ $status -eq 0 ] && cmp short out'
    check "$command --help explains every option in one column" "it does not" awk '
        /^  -/ { n++; if (substr($0, 23, 1) != " " || substr($0, 24, 1) == " " || length($0) < 24) bad = 1 }
        END { exit bad || !n }' out
done
run solve E5 --gamma 0.5
cp out separate
run solve --gamma=0.5 E5
check "--gamma=0.5 is --gamma 0.5" "$(first_line err), or another output" cmp separate out
run solve --gamma 0.5 -- E5
check "-- ends the options" "$(first_line err), or another output" cmp separate out
refuses "behind -- nothing is an option" 2 '^--json: ' solve -- --json
refuses "- alone is no option" 2 '^-: ' solve -
refuses "a flag with a value" 2 '^--json: expected no value, found =1$' solve E5 --json=1
refuses "an option that begins like another" 2 '^unknown option --gamm;' solve E5 --gamm 0.5
refuses "an option that goes on after another" 2 '^unknown option --gammas;' solve E5 --gammas 0.5
refuses "an option as the last word" 2 '^--gamma: expected G after it$' solve E5 --gamma
works "--gamma= as the last word" solve E5 --gamma=0.5
for seed in 0 1 18446744073709551615; do works "--seed $seed" verify --id PDI-6 chain.mdp --seed $seed; done
for seed in -1 +1 1.5 1x '' ' 1' 18446744073709551616 seven; do
    refuses "--seed '$seed'" 2 "^--seed: expected a whole number from 0 to 18446744073709551615, found \"" \
        verify --id PDI-6 chain.mdp --seed "$seed"
done

# ---- solve ----

json "solve chain.mdp" solve chain.mdp
keys "solve: keys" '' states actions discount J V rho Q A gradient residuals
is "solve: states" states 3
is "solve: actions" actions 2
near "solve: the file's discount" discount 0.9 0
near "solve: J" J 1.4
near "solve: V(0)" 'V[0]' 1.4
near "solve: V(1)" 'V[1]' 2
near "solve: V(absorbing)" 'V[2]' 0 0
near "solve: rho(1)" 'rho[1]' 0.45
near "solve: rho(absorbing)" 'rho[2]' 8.55
near "solve: Q(0,0)" 'Q[0][0]' 1.8
near "solve: A(0,1)" 'A[0][1]' -0.4
near "solve: gradient(0,0)" 'gradient[0][0]' 0.2
near "solve: gradient(0,1)" 'gradient[0][1]' -0.2
near "solve: gradient(1,0)" 'gradient[1][0]' 0
check "solve: array lengths" "V, Q, gradient are not 3, 3x2, 3x2" awk '
    /^V\[/ { v++ } /^Q\[/ { q++ } /^gradient\[/ { g++ } END { exit !(v == 3 && q == 6 && g == 6) }' flat
check "solve: residuals are at most 10 units" "they are not" awk '
    /^residuals\./ { n++; if (!($2 ~ /^[0-9]/ && $2 <= 10)) bad = 1 } END { exit bad || !n }' flat

json "solve, too large for a dense solve" solve garnet:5000,2,3,1
is "solve, sparse: states" states 5000
is "solve, sparse: no gradient through the solve" residuals.gradient null
check "solve, sparse: residuals are at most 10 units" "they are not" awk '
    /^residuals\.[^g]/ { n++; if (!($2 ~ /^[0-9]/ && $2 <= 10)) bad = 1 } END { exit bad || n != 4 }' flat

json "solve --gamma 1" solve chain.mdp --gamma 1
near "solve --gamma 1: V(0)" 'V[0]' 1.5
is "solve --gamma 1: rho(absorbing) is null" 'rho[2]' null

json "solve --fisher" solve chain.mdp --fisher
keys "solve --fisher: keys" '' \
    states actions discount J V rho Q A gradient residuals fisher natural_gradient
keys "solve --fisher: keys of natural_gradient" 'natural_gradient\.' \
    lapack cg cg_iterations cg_outcome rank agreement
near "solve --fisher: F[0][0]" 'fisher[0][0]' 0.025
near "solve --fisher: F[0][1]" 'fisher[0][1]' -0.025
near "solve --fisher: F[2][3]" 'fisher[2][3]' -0.01125
near "solve --fisher: F[0][2]" 'fisher[0][2]' 0 0
near "solve --fisher: F of the absorbing state" 'fisher[5][5]' 0 0
is "solve --fisher: rank" natural_gradient.rank 2
near "solve --fisher: natural gradient by LAPACK" 'natural_gradient.lapack[0][0]' 4
near "solve --fisher: natural gradient by CG" 'natural_gradient.cg[0][1]' -4

json "solve --optimal" solve chain.mdp --optimal
keys "solve --optimal: keys of optimal" 'optimal\.' V policy J
near "solve --optimal: V(0)" 'optimal.V[0]' 1.8
near "solve --optimal: V(1)" 'optimal.V[1]' 2
is "solve --optimal: policy(0)" 'optimal.policy[0]' 0
near "solve --optimal: J" optimal.J 1.8

# pi' takes action 0 in state 0 with probability 1/4: J = 1.8/4 + 3/4; only state 0 has KL
printf '%s\n' 0,1.0986122886681098 0,0 0,0 >quarter.csv
json "solve --against" solve chain.mdp --against quarter.csv
keys "solve --against: keys" '' states actions discount J V rho Q A gradient residuals against
keys "solve --against: keys of against" 'against\.' \
    J performance_difference tv_max kl_max kl_mean surrogate lower_bound
keys "solve --against: keys of performance_difference" 'against\.performance_difference\.' lhs rhs
near "solve --against: J" against.J 1.2
near "solve --against: performance difference, lhs" against.performance_difference.lhs -0.2
near "solve --against: performance difference, rhs" against.performance_difference.rhs -0.2
near "solve --against: TV" against.tv_max 0.25
near "solve --against: KL(pi||pi')" against.kl_max 0.14384103622589045
near "solve --against: mean KL" against.kl_mean 0.09920071463854514
near "solve --against: surrogate" against.surrogate 1.2
near "solve --against: lower bound" against.lower_bound -19.513109216528231
json "solve --against, gamma 1" solve chain.mdp --against quarter.csv --gamma 1
is "solve --against, gamma 1: lower bound is null" against.lower_bound null

awk 'BEGIN { for (s = 0; s < 5; s++) printf "%.17g,%.17g,%.17g\n", cos(s), cos(s + 2), cos(s + 4) }' >cos.csv
json "solve E5" solve E5 --policy cos.csv --fisher --optimal
near "solve E5: states" states 5 0
near "solve E5: actions" actions 3 0
near "solve E5: discount" discount 0.9 0
near "solve E5: rank of F" natural_gradient.rank 10 0
check "solve E5: rho sums to 10, entries 1.73 to 2.18" "it does not" awk '
    /^rho\[/ { sum += $2; if (!($2 > 1.725 && $2 < 2.185)) bad = 1 }
    END { exit bad || !(sum > 10 - 1e-12 && sum < 10 + 1e-12) }' flat
json "solve FrozenLake-v1" solve FrozenLake-v1 --optimal --fisher
near "solve FrozenLake-v1: states" states 17 0
near "solve FrozenLake-v1: J" J 0.004477260687877848
near "solve FrozenLake-v1: optimal J" optimal.J 0.06889090488900348
json "solve FrozenLake-v1 --gamma 1" solve FrozenLake-v1 --optimal --gamma 1
near "solve FrozenLake-v1 --gamma 1: optimal J = 14/17" optimal.J 0.8235294117647058

refuses "gamma 1 on a continuing MDP names a state" 2 'here|there' solve ring.mdp --gamma 1
refuses "gamma 1 on E5" 2 'state' solve E5 --gamma 1
printf "discount: 0.9\nvalues: reward\nstates: 501\nactions: 3\nstart: 0\nT: * identity\n" >large.mdp
refuses "--fisher on 1503 parameters" 2 1500 solve large.mdp --fisher

for options in "" --fisher --optimal "--against lake.csv"; do
    run solve FrozenLake-v1 --gamma 1 $options
    check "solve --gamma 1 $options prints no inf or nan" "status $status; $(grep -Eiw 'nan|inf' out)" \
        awk -v status=$status 'tolower($0) ~ /(^|[^a-z])(nan|inf)([^a-z]|$)/ { bad = 1 }
            END { exit bad || status || !NR }' out
done

# ---- numbers read back ----

json "a discount of 17 digits" solve E5 --gamma 0.30000000000000004
near "a discount of 17 digits reads back" discount 0.30000000000000004 0
run solve E5 --gamma 0.30000000000000004 --json
cp out once
run solve E5 --gamma "$(member discount)" --json
check "the printed discount gives the same bytes" "they differ" cmp once out
sed 's/2\.0$/0.30000000000000004/' chain.mdp >digits.mdp
json "a reward of 17 digits" solve digits.mdp --gamma 0
near "a reward of 17 digits reads back" 'Q[1][0]' 0.30000000000000004 0

# ---- files that are fine ----

json "policy file" solve E5 --policy policy.csv
cp out plain
policy | awk '{ printf "%s%s", (NR > 1 ? "\n" : ""), $0 }' >p1.csv
policy | awk 'BEGIN { print "# logits" } { print } NR == 2 { print "# half"; print "" }' >p2.csv
policy | awk '{ printf "%s\r\n", $0 }' >p3.csv
policy | sed 's/,/ , /g' >p4.csv
n=0
for what in "without a final newline" "with comments and blank lines" "with CRLF" "with spaces"; do
    n=$((n + 1))
    run solve E5 --policy "p$n.csv" --json
    check "policy file $what" "$(cat err) (or other numbers)" cmp plain out
done
json "mdp file" solve chain.mdp
cp out plain
awk '{ printf "%s%s", (NR > 1 ? "\n" : ""), $0 }' chain.mdp >"m 1.mdp"
awk 'BEGIN { print "# a chain" } { print $0 " # so" } NR == 5 { print "" }' chain.mdp >"m 2.mdp"
awk '{ printf "%s\r\n", $0 }' chain.mdp >"m 3.mdp"
cp chain.mdp "m 4.mdp"
n=0
for what in "no final newline" "comments and blank lines" "CRLF" "a space in its name"; do
    n=$((n + 1))
    run solve "m $n.mdp" --json
    check "mdp file: $what" "$(cat err) (or other numbers)" cmp plain out
done

# ---- files that are not ----

refuses "missing mdp file" 2 'nosuch\.mdp: ' solve nosuch.mdp
refuses "missing policy file" 2 'nosuch\.csv: ' solve E5 --policy nosuch.csv
refuses "missing policy to compare with" 2 'nosuch\.csv: ' solve E5 --against nosuch.csv

# bad_policy NAME LINE COLUMN SED: a policy file broken by a sed script
bad_policy() {
    policy | sed "$4" >bad.csv
    refuses "policy: $1" 2 "(^|ascent: )bad\\.csv:$2:$3: expected .*, found ." solve E5 --policy bad.csv
}
bad_policy "text instead of a number" 2 5 '2s/.*/0.1,abc,0/'
bad_policy "text at the start of a row" 4 1 '4s/.*/abc,0,0/'
bad_policy "nan" 3 3 '3s/.*/0,nan,0/'
bad_policy "inf" 1 5 '1s/.*/0,0,inf/'
bad_policy "-inf" 1 5 '1s/.*/0,0,-inf/'
bad_policy "a number too large for a double" 1 3 '1s/.*/0,1e999,0/'
bad_policy "an empty field" 5 3 '5s/.*/0,,0/'
bad_policy "a number cut short" 2 '[34]' '2s/.*/0,1e,0/'
bad_policy "too few numbers in a row" 3 4 '3s/.*/0,0/'
bad_policy "a comma at the end instead of a number" 3 5 '3s/.*/0,0,/'
bad_policy "too many numbers in a row" 2 '[67]' '2s/.*/0,0,0,0/'
bad_policy "something after the last number" 2 7 '2s/.*/0,0,0 x/'
bad_policy "lines count comments" 4 3 '2s/.*/# a\n# b\n0,x,0/'
bad_policy "too few rows" 5 1 5d
bad_policy "too many rows" 6 1 '5s/.*/0,0,0\n0,0,0/'
bad_policy "an empty file" 1 1 d
bad_policy "comments only" 6 1 's/^/# /'
policy | sed '2s/.*/0,0,x/' >bad.csv
refuses "policy: the same in --against" 2 'bad\.csv:2:5: expected' solve E5 --against bad.csv

# bad_mdp NAME LINE COLUMN SED: chain.mdp broken by a sed script
bad_mdp() {
    sed "$4" chain.mdp >bad.mdp
    refuses "mdp: $1" 2 "(^|ascent: )bad\\.mdp:$2:$3: expected .*, found ." solve bad.mdp
}
bad_mdp "text instead of a probability" 6 14 '6s/1\.0$/abc/'
bad_mdp "nan as a probability" 6 14 '6s/1\.0$/nan/'
bad_mdp "a negative probability" 6 14 '6s/1\.0$/-1.0/'
bad_mdp "a probability above 1" 6 14 '6s/1\.0$/1.5/'
bad_mdp "inf as a reward" 10 18 '10s/1\.0$/inf/'
bad_mdp "text instead of a reward" 11 18 '11s/2\.0$/two/'
bad_mdp "no number at the end of T" '[67]' '[0-9]+' '6s/ 1\.0$//'
bad_mdp "a state that is not there" 7 8 '7s/: 0 :/: 9 :/'
bad_mdp "an action that is not there" 7 4 '7s/1 :/5 :/'
bad_mdp "a name nobody declared" 7 8 '7s/: 0 :/: home :/'
bad_mdp "a row that sums to 1/2" 6 '[0-9]+' '6s/1\.0$/0.5/'
bad_mdp "a row that sums to 1 + 1e-8" '[67]' '[0-9]+' '6s/: 1 1\.0$/: 1 0.50000001/;6s/$/\nT: 0 : 0 : 2 0.5/'
bad_mdp "a discount of 1.5" 1 11 '1s/0\.9/1.5/'
bad_mdp "text as a discount" 1 11 '1s/0\.9/high/'
bad_mdp "a word that is no keyword" 2 1 '2s/values/value/'
bad_mdp "values that are neither" 2 9 '2s/reward/money/'
bad_mdp "no states" 3 9 '3s/3/0/'
bad_mdp "a start state that is not there" 5 8 '5s/0/7/'
bad_mdp "a start that sums to 1/2" 5 '[0-9]+' '5s/0/0.25 0.25 0.0/'
bad_mdp "an empty file" 1 1 d
sed 7d chain.mdp >bad.mdp
refuses "mdp: a row that is left out" 2 'bad\.mdp:[0-9]+:[0-9]+: ' solve bad.mdp
for command in verify "derive PDI-1"; do
    sed '6s/1\.0$/abc/' chain.mdp >bad.mdp
    refuses "mdp: the same in $command" 2 'bad\.mdp:6:14: expected' $command bad.mdp
done
refuses "a folder as an mdp file" 2 '^\.: Is a directory$' solve .
refuses "a folder as a policy file" 2 '^\.: Is a directory$' solve E5 --policy .

# ---- env ----

works "env" env
cp out listed
run env --list
check "env --list is env" "exit status $status, or they differ" cmp listed out
for line in 'CartPole-v1 0\.\.1 R\^4 500 475' 'Acrobot-v1 0\.\.2 R\^6 500 -100' \
        'MountainCar-v0 0\.\.2 R\^2 200 -110' 'MountainCarContinuous-v0 \[-1, 1\] R\^2 999 90' \
        'Pendulum-v1 \[-2, 2\] R\^3 200 -' \
        'FrozenLake-v1 0\.\.3 0\.\.16 100 0\.7' 'CliffWalking-v1 0\.\.3 0\.\.48 - -' \
        'E5 0\.\.2 0\.\.4 never -' 'E5x 0\.\.2 0\.\.5 - -'; do
    check "env lists ${line%% *}" "no line $line" eval 'tr -s " " <listed | grep -q "^$line\$"'
done
works "env ID" env Acrobot-v1
works "env ID without an end" env E5
check "env ID without an end says so" "$(cat out)" grep -q 'no episode ends: .train --limit T' out
works "env --check" env Pendulum-v1 --check
check "env --check: all promises" "$(tail -n 1 out)" grep -q '^8 passed, 0 failed, 0 n/a$' out
run env CartPole-v1 --check
check "env --check: nothing to check" "$(tail -n 1 out)" grep -q '^7 passed, 0 failed, 1 n/a$' out
works "env --check of a file" env chain.mdp --check --seed 3
run env chain.mdp --export
cp out written.mdp
json "env --export" solve written.mdp
cp out again
run solve chain.mdp --json
check "env --export writes the same MDP" "other numbers" cmp again out

# upright and at rest, u = 2: theta' = 3 * 2 * .05 = .3, theta = .015, reward -.001 * 4; hanging, u beyond the bound
printf 'theta,t,theta_dot,note,action\n0,0,0,up,2\n0,199,0,last,9\n' >steps.csv
run env Pendulum-v1 --transitions steps.csv
check "env --transitions" "$(cat out err)" awk -F, '
    NR == 1 { if ($0 != "next_theta,next_theta_dot,obs0,obs1,obs2,reward,terminated,truncated") bad = 1; next }
    { off = ($1 - 0.015) ^ 2 + ($2 - 0.3) ^ 2 + ($6 + 0.004) ^ 2
      if (!(off < 1e-30) || $7 != 0 || $8 != (NR == 3)) bad = 1 }
    END { exit bad || NR != 3 }' out
printf 'action,theta,theta_dot\n2,0,0\n' >plain.csv
run env Pendulum-v1 --transitions plain.csv
check "env --transitions without t: no truncated" "$(first_line out)" grep -q 'reward,terminated$' out
run env Pendulum-v1 --transitions steps.csv --limit 0
check "env --limit 0" "$(cat out err)" eval '! grep -q ",1$" out'
printf 's,action,t\n0,0,98\n1,1,99\n' >rows.csv
works "env --transitions of a finite MDP" env FrozenLakeNotSlippery-v1 --transitions rows.csv
check "env --transitions of a finite MDP: flags" "$(cat out)" \
    awk -F, 'NR == 2 { a = $NF } NR == 3 { b = $NF } END { exit !(a == 0 && b == 1) }' out
for part in transitions episodes; do
    file=$root/tests/reference/env/CartPole_v1_$part.csv
    run env CartPole-v1 --transitions "$file"
    check "env --transitions, $part of Gymnasium" "exit status $status: $(first_line err), or another row" awk -F, '
        FNR == NR { if (!/^#/) row[n++] = $0; next }
        FNR == 1 { for (i = split(row[0], name); i > 0; i--) at[name[i]] = i
                   for (i = 1; i <= NF; i++) from[i] = at[$i]
                   next }
        { split(row[FNR - 1], want)
          for (i = 1; i <= NF; i++) {
              off = $i - want[from[i]]
              if (!from[i] || off > 1e-12 || off < -1e-12) bad = 1
          } }
        END { exit bad || FNR != n }' "$file" out
done
refuses "env: an unknown name is answered with all" 2 'expected a .mdp or .lqr file or one of CartPole-v1, .*lqr, .*E5' \
    env CartPole-v9
refuses "env with two names" 2 '^env: expected one ID, found 2$' env E5 E5
refuses "env --check without a name" 2 '^env: expected an ID' env --check
refuses "env --list of one" 2 '^env: --list: expected no ID' env E5 --list
refuses "env with two tasks" 2 '^env: expected one of --list' env E5 --check --export
refuses "env --export of no finite MDP" 2 '^CartPole-v1: expected a .mdp file' env CartPole-v1 --export
for limit in -1 1.5 x; do refuses "env --limit $limit" 2 '^--limit: expected' env CartPole-v1 --limit "$limit"; done
refuses "env: missing file" 2 'nosuch\.csv: ' env Pendulum-v1 --transitions nosuch.csv
refuses "env: a folder as a file" 2 '^\.: Is a directory$' env Pendulum-v1 --transitions .

# bad_steps NAME LINE COLUMN SED: steps.csv broken by a sed script
bad_steps() {
    sed "$4" steps.csv >bad.csv
    refuses "transitions: $1" 2 "^bad\\.csv:$2:$3: expected .*, found ." env Pendulum-v1 --transitions bad.csv
}
bad_steps "a column is missing" 1 1 '1s/theta_dot/dot/'
bad_steps "a column twice" 1 19 '1s/note/theta/'
bad_steps "a number that is text" 2 5 '2s/.*/0,0,a,up,2/'
bad_steps "nan" 3 1 '3s/^0/nan/'
bad_steps "a number too large" 3 14 '3s/9$/1e999/'
bad_steps "an empty field" 2 11 '2s/2$//;2s/up/upp/'
bad_steps "too few fields" 2 9 '2s/,2$//'
bad_steps "too many fields" 3 16 '3s/$/,1/'
bad_steps "t at the limit" 3 3 '3s/199/200/'
bad_steps "half a step" 3 3 '3s/199/0.5/'
bad_steps "an empty file" 1 1 d
bad_steps "comments only" 4 1 's/^/#/'
printf 's,action\n17,0\n' >bad.csv
refuses "transitions: a state that is not there" 2 \
    '^bad\.csv:2:1: expected s, a whole number from 0 to 16, found "17"$' env FrozenLake-v1 --transitions bad.csv
printf 's,action\n1,4\n' >bad.csv
refuses "transitions: an action that is not there" 2 \
    '^bad\.csv:2:3: expected action, a whole number from 0 to 3, found "4"$' env FrozenLake-v1 --transitions bad.csv
printf 'x,action\n1e300,0\n' >bad.csv
refuses "transitions: a step to infinity" 4 'bad\.csv:2: a step to -?inf' env lqr --transitions bad.csv

# ---- where the output goes ----

# printed TITLE WANTED COMMAND: for each command line that prints, what the shell command with `$arguments` in it
# does: exit status and one line on stderr that names stdout, or none
printed() {
    for arguments in --help help "solve --help" "verify --help" "derive --help" "list --help" "solve E5" \
            "solve E5 --json" "solve E5 --policy policy.csv --against policy.csv --fisher --optimal" \
            "solve E5 --policy policy.csv --against policy.csv --fisher --optimal --json" \
            "verify --id PDI-6 E5" "verify --id PDI-6 E5 --json" "verify --unbound" "derive PDI-1" "bounds E5" list \
            "list PDI-6" "env --help" env "env Pendulum-v1" "env Pendulum-v1 --check" "env E5 --export" \
            "env Pendulum-v1 --transitions steps.csv"; do
        eval "$3"
        check "$arguments, $1" "exit status $status, not $2; on stderr: $(cat err)" \
            eval "[ $status -eq $2 ] && if [ $2 -eq 3 ]; then one_line err && grep -q '^ascent: stdout: ' err
                  else [ ! -s err ]; fi"
    done
}
if [ -c /dev/full ]; then
    printed "stdout on a full disk" 3 '"$ascent" $arguments >/dev/full 2>err; status=$?'
else
    fail "a full disk" "this system has no /dev/full"
fi
printed "stdout closed" 3 '"$ascent" $arguments >&- 2>err; status=$?'
printed "stdin and stdout closed" 3 '"$ascent" $arguments <&- >&- 2>err; status=$?'
mkfifo pipe
exec 8<>pipe 9>pipe 8<&-                                    # 9: a pipe whose reader is gone
printed "nobody reads" 141 '"$ascent" $arguments >&9 2>err; status=$?'
printed "nobody reads, SIGPIPE ignored" 3 '(trap "" PIPE; exec "$ascent" $arguments >&9 2>err); status=$?'
exec 9>&-

# without a stderr: the same exit status, the same stdout, and no word of it anywhere else
for arguments in "solve E5" "solve E5 --json" "verify --id PDI-6 E5" "derive PDI-1" "bounds E5" list "solve NoSuch" \
        "solve short.mdp" "solve E5 --policy policy.csv --against short.csv" "solve E5 --gamma 2" nosuch; do
    sed 6d chain.mdp >short.mdp
    policy | sed 2d >short.csv
    run $arguments
    expected=$status
    cp out once
    cksum short.* >sums
    for how in '2>&-' '2>/dev/full' '<&- 2>&-'; do
        eval "\"\$ascent\" \$arguments >out $how"
        status=$?
        check "$arguments $how" "exit status $status, not $expected, or another stdout, or a file changed" \
            eval '[ $status -eq $expected ] && cmp out once && cksum short.* | cmp - sums'
    done
done
run solve /dev/stdin <&-
check "a closed stdin reads as an empty file" "$(first_line err)" grep -q '^/dev/stdin:1:1: ' err
for how in '>&- 2>&-' '<&- >&- 2>&-'; do
    eval "\"\$ascent\" solve E5 $how"
    check "solve E5 $how" "exit status $?, not 3" [ $? -eq 3 ]
done

# ---- little memory ----

# Where there is none for OpenBLAS's buffers, it says so, and does not wait for OpenBLAS's threads, which go on
# asking. 200000 kB are enough for one thread. The address sanitizer needs more itself.
for kilobytes in 100000 150000 200000; do
    grep -q __asan_init "$ascent" && break
    (ulimit -v $kilobytes && exec timeout 20 "$ascent" list PDI-6) >out 2>err
    status=$?
    check "with $kilobytes kB" "exit status $status; on stderr: $(cat err)" \
        eval '[ $status -eq 5 ] && [ ! -s out ] && one_line err || [ $kilobytes$status = 2000000 ]'
done

# ---- the same command, the same bytes ----

mkdir -p elsewhere
for arguments in "solve FrozenLake-v1 --fisher --optimal --json" "verify --id PDI-6 E5" "derive PDI-1" "bounds --mdps 20" \
                 list; do
    run $arguments
    cp out once
    run $arguments
    check "$arguments: twice the same" "the outputs differ" cmp once out
    (cd elsewhere && LC_ALL=de_DE.UTF-8 "$ascent" $arguments) >out 2>err
    check "$arguments: the same elsewhere" "the outputs differ" cmp once out
done
(cd elsewhere && "$ascent" solve ../chain.mdp --policy ../quarter.csv --json) >out 2>err
cp out once
run solve chain.mdp --policy quarter.csv --json
check "files from another directory: the same" "the outputs differ" cmp once out

# ---- verify ----

# Rows start with an id; a verdict is a word of capitals.
rows() { awk '$1 ~ /^[A-Z][A-Z0-9]*-[0-9]+$/ && $1 !~ /^ERR-/' out; }
verdicts() { rows | grep -Ecw "$1"; }

for mdp in E5 FrozenLake-v1; do
    works "verify $mdp" verify "$mdp"
    check "verify $mdp: a PASS" "there is none" [ "$(verdicts PASS)" -gt 0 ]
    check "verify $mdp: no FAIL" "$(rows | grep -w FAIL)" [ "$(verdicts FAIL)" -eq 0 ]
    check "verify $mdp: every row has a verdict" "$(rows | grep -Evw 'PASS|WEAK|n/a|REFUTED|agrees')" \
        [ "$(rows | wc -l)" -eq "$(verdicts 'PASS|WEAK|n/a|REFUTED|agrees')" ]
done
works "verify --id PDI-6 E5" verify --id PDI-6 E5
check "verify --id PDI-6 E5 is one row" "$(rows)" [ "$(rows | wc -l)" -eq 1 ]
check "verify --id PDI-6 E5 is a PASS" "$(rows)" [ "$(verdicts PASS)" -eq 1 ]
works "verify --id ERR-9 E5" verify --id ERR-9 E5
check "verify of an erratum has the equations that it stands beside" "$(rows)" [ "$(rows | wc -l)" -eq 4 ]
refuses "an option given twice" 2 'given twice' verify E5 --gamma .5 --gamma .6
works "verify --policy uniform" verify --policy uniform --id PDI-6 E5
works "derive ERR-9" derive ERR-9
check "derive ERR-9 shows both places" "it does not" [ "$(grep -c REFUTED out)" -ge 2 ]
works "verify a file" verify --id PDI-6 chain.mdp
works "verify --errata --id ERR-12 E5" verify --errata --id ERR-12 E5
check "verify --errata: the four lines of ERR-12, refuted" "$(cat out)" [ "$(grep -c ' REFUTED, ' out)" -eq 4 ]
works "verify --errata of words" verify --errata --id ERR-59
works "verify --id ERR-7, which has a derivation of its own" verify --id ERR-7 E5
json "verify --errata E5" verify --errata E5
check "verify --errata: each of 86 once" "$(grep -c '^\[[0-9]*\].erratum' flat)" \
    [ "$(awk '$1 ~ /^\[[0-9]+\].erratum$/ { print $2 }' flat | sort -u | wc -l)" -eq 86 ]
check "verify --errata: what trains is n/a, with its reason" "no word of it" \
    [ "$(grep -c 'settings\[0\].reason "trains' flat)" -eq 4 ]
sed 's/ .*//; s/\[[0-9]*\]/./g' flat | tr . '\n' | sort -u | sed '/^$/d' >keys
run verify --help
missing=$(for key in $(cat keys); do grep -q "[{ ]$key[,:} ]" out || echo "$key"; done)
check "verify --help has the keys of --errata --json" "not $missing" [ -z "$missing" -a -s keys ]
run verify --errata --id ERR-29 chain:5
check "verify --errata of one that is not refuted here" "exit status $status" [ "$status" -eq 1 ]
refuses "verify --errata of an equation" 2 'ERR-1 to ERR-86, found PGT-3' verify --errata --id PGT-3
refuses "verify --errata of one too many" 2 'found ERR-87' verify --errata --id ERR-87
refuses "verify --errata of a problem of its own, and an MDP" 2 'takes no MDP' verify --errata --id ERR-21 E5
refuses "verify --errata of words, and an MDP" 2 'is words, it takes no MDP' verify --errata --id ERR-59 E5
refuses "verify --errata --unbound" 2 'takes no MDP, no --errata' verify --errata --unbound
refuses "verify of an erratum in words" 2 'verify --errata --id ERR-59' verify --id ERR-59
refuses "verify --id NOPE" 2 NOPE verify --id NOPE
refuses "verify of a missing file" 2 nosuch verify nosuch.mdp
refuses "verify --gamma 2" 2 --gamma verify E5 --gamma 2
refuses "verify --gamma 1 on a continuing MDP" 2 'here|there' verify ring.mdp --gamma 1
run verify --id PGT-3 zero.mdp
check "verify without rewards: the gradient is WEAK" "$(rows; first_line err)" [ "$(verdicts WEAK)" -eq 1 ]
check "verify without rewards: no PASS" "$(rows)" [ "$(verdicts PASS)" -eq 0 ]
check "verify without a PASS fails" "exit status $status, not 1" [ "$status" -eq 1 ]
works "verify --unbound" verify --unbound
check "verify --unbound in plain text" "LaTeX is there" eval '! grep -qF "\\" out'
refuses "--set above a bound that is nearly 1" 2 'expected a number in \[0, 0\.999999999\] for rho, found "1"' \
    explain ddpg --set rho=1
json "verify --json" verify --id PDI-6 E5
check "verify --json says PASS" "it does not" grep -q '"PASS"' flat

# ---- bounds ----

awk 'BEGIN { for (s = 0; s < 5; s++) printf "%.17g,%.17g,%.17g\n", cos(s), cos(s + 2), cos(s + 4) }' >cosine.csv
works "bounds along the natural gradient" bounds E5 --policy cosine.csv --plot line.svg
check "bounds: J of theta + A" "it is not there" grep -qE '^ +1 +0\.3552 +0\.2868 +2\.56733 ' out
check "bounds: what TRPO-4 promises" "it is not" grep -q 'promises most at t = 0.0106: 0.0121 more' out
check "bounds: a picture" "it is none" eval 'grep -q "</svg>" line.svg && [ "$(grep -c "<polyline" line.svg)" -eq 12 ]'
works "bounds --csv" bounds E5 --policy cosine.csv --against policy.csv --csv
cp out line.csv
check "bounds --csv: two rows for each of 61 points, no bound above J" "there is one" awk -F, '
    NR > 1 { n++; for (k = 6; k <= 9; k++) if (!($k <= $4 + 1e-9)) bad = 1 } END { exit bad || n != 122 }' line.csv
json "solve, to compare" solve E5 --policy cosine.csv --against policy.csv
for column in "2 tv_max" "3 kl_max" "4 J" "5 surrogate" "9 lower_bound"; do
    near "bounds --csv ends where solve --against is: ${column#* }" "against.${column#* }" \
        "$(tail -n 1 line.csv | cut -d, -f"${column% *}")"
done
works "bounds on random MDPs" bounds --mdps 50 --seed 3 --plot tight.svg
check "bounds on random MDPs: a row for each" "it is not there" [ "$(grep -cE '^(DSB|TRPO)-[0-9]+ +[01]\.[0-9]+ ' out)" -eq 6 ]
check "bounds on random MDPs: a picture" "it is none" grep -q '</svg>' tight.svg
works "bounds on random MDPs --csv" bounds --mdps 50 --seed 3 --csv
check "bounds on random MDPs: rows" "not 50" [ "$(wc -l <out)" -eq 51 ]
refuses "bounds of nothing" 2 '^bounds: expected one MDP, or --mdps N, found 0' bounds
refuses "bounds of two" 2 'found 2' bounds E5 E5
refuses "bounds at gamma 1" 2 'expected gamma < 1, found 1' bounds chain.mdp --gamma 1
refuses "bounds of no MDP" 2 NoSuch-v1 bounds NoSuch-v1
refuses "bounds of no policy" 2 nosuch.csv bounds E5 --against nosuch.csv
refuses "bounds: both" 2 'expected no MDP' bounds E5 --mdps 10
refuses "bounds: a seed of nothing" 2 -- '--mdps beside' bounds E5 --seed 2
refuses "bounds: no MDPs" 2 '--mdps: expected' bounds --mdps 0
refuses "bounds: too many MDPs" 2 '--mdps: expected' bounds --mdps 10001
refuses "bounds: no picture's name" 2 'ends in .svg, found a.png' bounds E5 --plot a.png
refuses "bounds: a picture nowhere" 3 'nowhere/a.svg' bounds E5 --plot nowhere/a.svg
printf 'discount: 0.9\nvalues: reward\nstates: 2\nactions: 2\nT: * uniform\nR: 0 : * : * : * 1e200\n' >large.mdp
printf '1e300,-1e300\n1e300,-1e300\n' >far2.csv
refuses "bounds that overflow" 2 'large.mdp: bounds: .* overflows' bounds large.mdp --against far2.csv

# ---- explain ----

# phi_targ = phi before the update: what the page shows of phi's change, the target does wholly, half or later
weight() { awk '/^   s  g/ { below = 1 } below && $1 == s { print $(5 + a), $(8 + a); exit }' s="$1" a="$2" out; }
for rho in 0 0.5; do
    run explain dqn --set target_every=5 --set rho=$rho --set lr_Q=0.1
    set -- $(sed -n 's/^ *of s = \([0-9]*\), a = \([0-9]*\) it goes from \(.*\) to \(.*\)$/\1 \2 \3 \4/p' out)
    [ $# -eq 4 ] || set -- none none none none
    check "explain dqn: the target's step, rho = $rho" "$*: $(weight "$1" "$2")" awk -v t="$3 $4" -v w="$(weight "$1" "$2")" \
        -v rho=$rho 'BEGIN { split(t, x, " "); split(w, y, " "); e = x[2] - rho * x[1] - (1 - rho) * y[2]
                             exit !(x[1] == y[1] && x[2] != x[1] && e * e < 1e-8) }'
done
run explain dqn
check "explain dqn: no copy yet" "$(tail -n 2 out)" grep -q 'target_every = 500 steps, not yet' out
for delay in 2 3; do
    run explain td3 --set delay=$delay
    check "explain td3: mu and the targets after $delay updates" "$(tail -n 6 out)" eval '
        grep -q "^TD3-8 .* until update $delay,.* L = [0-9]" out && grep -q "^TD3-12 " out && grep -q "^TD3-13 " out'
done
run explain td3 --set delay=1
check "explain td3 --set delay=1: at once" "$(tail -n 6 out)" eval '! grep -q "^TD3-8 " out && grep -q "^TD3-13 " out'

# ---- derive, list ----

# The numbers of a derivation stand in front of their lines, alone or with their error in units.
equal_numbers() {
    awk '$1 ~ /^-?[0-9]+([.][0-9]+)?(e[-+]?[0-9]+)?$/ && (NF == 1 || $3 == "units") {
             if (n++ == 0) first = $1
             off = $1 - first; size = first < 0 ? -first : first
             if (!((off < 0 ? -off : off) <= 1e-12 * size)) bad = 1
         }
         END { exit bad || n < 2 || first == 0 }' out
}
for arguments in "PDI-1" "PDI-1 FrozenLake-v1" "PDI-1 chain.mdp"; do
    works "derive $arguments" derive $arguments
    check "derive $arguments: lines with equal numbers" "not equal, or fewer than two" equal_numbers
done
while read -r id last over; do                                    # what is too large is left out, and nothing else
    works "derive $id $last" derive "$id" "$last" --gamma 0.9
    check "derive $id $last: nothing is left out" "a line is" eval '! grep -q "left out" out'
    works "derive $id $over" derive "$id" "$over" --gamma 0.9
    check "derive $id $over: a line is left out" "none is" grep -q 'left out: too large here' out
done <<EOF
PDI-1 garnet:1024,2,2,1 garnet:1025,2,2,1
PGT-7 garnet:40,5,1,1 garnet:41,5,1,1
EOF
works "derive NPG-7 of features" derive NPG-7 --class linear:2
check "derive NPG-7 shows its page" "no damping there" grep -q 'Damping' out
works "derive NPG-7 of a large spectrum" derive NPG-7 FrozenLake8x8-v1 --gamma 0.99
check "derive NPG-7: no bar is longer than 60, and a longer one is said to be" "$(grep '#\.\.' out)" eval \
    '[ "$(grep -oE "#+(\.\.)?" out | awk "{ print length(\$0) }" | sort -n | tail -n 1)" -eq 62 ] && ! grep -qE "#{61}" out'
works "derive ERR-30" derive ERR-30
check "derive ERR-30 refutes it" "it does not" grep -q 'REFUTED' out
works "list ERR-78" list ERR-78
check "list ERR-78, an erratum in words, has the right ones" "it has not" grep -q 'Trust Region Policy Optimization' out
works "list ERR-30" list ERR-30
check "list ERR-30 names the equation" "not PDI-7" grep -q 'PDI-7' out
refuses "derive --class cubic:2" 2 linear:D derive NPG-7 --class cubic:2
refuses "derive --class linear:1.5" 2 1.5 derive NPG-7 --class linear:1.5
refuses "derive --class and --policy" 2 class derive NPG-7 E5 --class linear:2 --policy none.csv
refuses "derive of what is only stated" 2 '^derive: TRPO-33 is stated only' derive TRPO-33
refuses "derive without an id" 2 "^derive: expected an id and perhaps an MDP, found 0" derive
refuses "derive with two MDPs" 2 "^derive: expected an id and perhaps an MDP, found 3" derive PDI-1 E5 E5
refuses "derive NOPE" 2 NOPE derive NOPE

# What belongs to a list item of Markdown stands below its text: behind "9. " 3 blanks, behind "10. " 4
items() {
    awk '/^[0-9]+[.] / { bad += $1 != ++n "."; width = length($1) + 1; next }
         /^```/ { exit }
         n && NF { match($0, /^ */); bad += RLENGTH != width }
         END { exit bad || n < 10 }' out
}
works "derive --markdown" derive PGT-3 --markdown
check "derive --markdown: a numbered list, what belongs to an item below its text" "$(head -n 60 out)" items
check "derive --markdown: a title" "$(first_line out)" \
    grep -q '^\*\*PGT-3\*\* on E5, gamma 0\.9, pi: .*, number 11 of 15\.$' out
check "derive --markdown: the refuted line names its erratum" "it does not" grep -q '^[0-9]*\. \*\*ERR-1\*\*, wrong: ' out
check "derive --markdown: which line another is equal to" "it does not" \
    grep -qE '^   `-?[0-9.e-]+` = line 1, within (10 units|its own error)$' out
works "derive --lines 10-11" derive PGT-3 --markdown --lines 10-11
check "derive --lines 10-11: those, no title" "$(cat out)" [ "$(grep -cE '^(10|11)[.] |^[^ ]' out)" -eq 2 ]
works "derive --lines 1-16" derive PGT-3 --markdown --lines 1-16
for lines in 0-1 2-1 1-17 1 1-2x x; do
    refuses "derive --lines $lines" 2 "expected I-J, 1 <= I <= J <= 16, found \"$lines\"" \
        derive PGT-3 --markdown --lines $lines
done
for lines in 12-12 13-16; do
    refuses "derive --lines $lines, behind the last" 2 "^--lines: expected lines of PGT-3, which has 11, found $lines\$" \
        derive PGT-3 --markdown --lines $lines
done
refuses "derive --lines without --markdown" 2 'expected --markdown' derive PGT-3 --lines 1-2

# ---- estimate ----

# chain.mdp in 2 steps: G_0 = 1.8 after a0 (both ways) and 1 after a1, so (.9 or -.5) in the direction of theta(0,0)
json "estimate" estimate chain.mdp --estimator reward-to-go --horizon 2
keys "estimate: keys" '' mean exact bias variance
near "estimate: mean" 'mean[0][0]' 0.2
near "estimate: exact" 'exact[0][0]' 0.2
near "estimate: bias" 'bias[0][0]' 0
near "estimate: variance" 'variance[0][0]' 0.49
near "estimate: nothing to decide at the end" 'variance[2][1]' 0 0
json "estimate, biased" estimate chain.mdp --estimator extra-return-index --horizon 2
near "estimate: a factor gamma" 'mean[0][0]' 0.18
near "estimate: the bias" 'bias[0][0]' -0.02
json "estimate, by the code that trains" estimate chain.mdp --estimator reinforce-gamma-t --horizon 2
near "estimate, by the code that trains: mean" 'mean[0][0]' 0.2
near "estimate, by the code that trains: variance" 'variance[0][0]' 0.49
# 1.8 (.5) / 2 steps after a0, 1 (-.5) / 1 step after a1: short episodes count more, here so much that the sign turns
json "estimate, mean over steps" estimate chain.mdp --estimator vpg-total-return-steps --horizon 2
near "estimate, mean over steps: mean" 'mean[0][0]' -0.025
works "estimate as text" estimate E5 --estimator td --horizon 2 --gamma 1
check "estimate as text: the trace" "it is not there" grep -q '^trace of the covariance: 0.5006' out
printf 'discount: 0.9\nvalues: reward\nstates: here there\nactions: stay go\nT: * uniform\nR: go : * : * : * 1e200\n' \
    >large.mdp
works "estimate: a variance that overflows" estimate large.mdp --estimator td --horizon 2
check "estimate: a variance that overflows" "it is not a -, or names are missing" \
    grep -qE '^ *there +go .* -$' out
check "estimate: a variance that overflows" "nan or inf is printed" sh -c '! grep -qE "(nan|inf)$" out'
json "estimate: a variance that overflows" estimate large.mdp --estimator td --horizon 2
check "estimate: a variance that overflows" "it is not null" \
    grep -qF '"variance":[[null,null],[null,null]]' out

# With V = (1, 3), Q(0,.) = (1.5, 0.5): delta_0 is 1.7 after a0 and 0 after a1, then -1; the end is worth 0, not 9
printf '1,1.5,0.5\n3,0,0 # state 1\n\n9,9,9\n' >critic.csv
printf '1\n3\n9\n' >values.csv
critic() {  # name, mean and variance in theta(0,0), arguments
    name=$1 mean=$2 variance=$3
    shift 3
    json "estimate: $name" estimate chain.mdp --horizon 2 --estimator "$@"
    near "estimate: $name: mean" 'mean[0][0]' "$mean"
    near "estimate: $name: bias" 'bias[0][0]' "$(awk -v x="$mean" 'BEGIN { printf "%.10g", x - 0.2 }')"
    near "estimate: $name: variance" 'variance[0][0]' "$variance"
}
critic "td with a critic" 0.425 0.180625 td --critic critic.csv
critic "td with V alone" 0.425 0.180625 td --critic values.csv
critic "nstep, one" 0.425 0.180625 nstep --n 1 --critic values.csv
critic "nstep, two" 0.2 0.04 nstep --n 2 --critic values.csv
critic "nstep as far as it goes" 0.2 0.04 nstep --critic values.csv
critic "nstep-segments, two" 0.2 0.04 nstep-segments --n 2 --critic values.csv
critic "gae" 0.3125 0.09765625 gae --lambda 0.5 --critic values.csv
critic "Q with a critic" 0.25 0.25 Q --critic critic.csv
critic "the actor of Q" 0.25 0.25 q-actor-critic --critic critic.csv
critic "the actor of TD errors" 0.425 0.180625 td-actor-critic --critic values.csv
critic "A2C" 0.2 0.04 a2c --n 2 --lambda 1 --critic values.csv
# Who acts does a0 with .8 in state 0, .25 in state 1: E[g^2] = .8 (.3125 x .9)^2 (1/.25 + 1/.75) + .2 (2.5 x .5)^2
printf '1.3862943611198906,0\n0,1.0986122886681098\n0,0\n' >behaviour.csv
critic "off-policy, whole products" 0.2 0.61 off-policy-trajectory --behaviour behaviour.csv
critic "off-policy, products up to each reward" 0.2 0.61 off-policy-per-decision --behaviour behaviour.csv
printf '0,-1e6\n0,0\n' >uncovered.csv
works "estimate --behaviour that leaves out an action" \
    estimate X3 --horizon 2 --estimator off-policy-trajectory --behaviour uncovered.csv
check "estimate says that pi is not covered" "it does not" grep -q 'never takes some action' out
works "estimate --behaviour uniform" estimate X3 --horizon 2 --estimator off-policy-trajectory --behaviour uniform
check "estimate says nothing where pi is covered" "it does" eval '! grep -q "never takes" out'
critic "off-policy, but pi acts" 0.2 0.49 off-policy-trajectory
critic "advantage with a critic" 0.25 0 advantage --critic critic.csv
works "estimate --all with V alone" estimate chain.mdp --horizon 2 --all --critic values.csv
check "estimate --all: V alone is said" "it is not" grep -qx 'values.csv has V alone: no row of it for estimators with Q' out
critic "td with the exact critic" 0.2 0 td --critic exact
json "estimate: over one step" estimate chain.mdp --horizon 1 --estimator td --critic values.csv
near "estimate: nothing behind the horizon" 'mean[0][0]' -0.25
printf '1\n3\n9\n1\n3\n9\n' >bootstrap.csv
json "estimate: over one step, with more behind it" estimate chain.mdp --horizon 1 --estimator td --critic bootstrap.csv
near "estimate: the critic's word behind the horizon" 'mean[0][0]' 0.425
works "estimate --all" estimate chain.mdp --horizon 2 --all --critic critic.csv --plot all.svg
check "estimate --all: a row" "it is not there" grep -qE '^gae lambda=0.5 +critic.csv +0.1590' out
check "estimate --all: a picture" "it is none" grep -q '</svg>' all.svg
check "estimate --all: a point in the picture for each bias and deviation" "some are there twice" \
    eval 'grep -q "<circle" all.svg && [ -z "$(grep "<circle" all.svg | sort | uniq -d)" ]'
json "estimate --all" estimate chain.mdp --horizon 2 --all --critic values.csv
keys "estimate --all: keys" '' exact estimators
keys "estimate --all: keys of a row" 'estimators\[0\]\.' estimator n lambda critic mean bias variance bias_norm \
    standard_deviation rms_error
near "estimate --all: the gradient" 'exact[0][0]' 0.2
is "estimate --all: Monte Carlo has no n" 'estimators[0].n' null
refuses "estimate: a critic without Q" 2 'values.csv: expected V\(s\), Q\(s,0\), \.\., Q\(s,1\).* Q' \
    estimate chain.mdp --horizon 2 --estimator Q --critic values.csv
printf '1\n3\n9\n1\n' >bad.csv
refuses "estimate: a critic of other states" 2 'bad.csv: expected 3 rows' \
    estimate chain.mdp --horizon 2 --estimator td --critic bad.csv
printf '1\n3\n9\n1\n3\n9\n1\n3\n9\n1\n' >bad.csv
refuses "estimate: too many rows" 2 'bad.csv:10:1: expected at most 9 rows' \
    estimate chain.mdp --horizon 2 --estimator td --critic bad.csv
printf '1,2,3\n1,2\n' >bad.csv
refuses "estimate: too few columns" 2 'bad.csv:2:4: expected a comma and number 3 of 3' \
    estimate chain.mdp --horizon 2 --estimator td --critic bad.csv
printf '1\n3,4\n9\n' >bad.csv
refuses "estimate: too many columns" 2 'bad.csv:2:2: expected the end of the line after 1 number, found' \
    estimate chain.mdp --horizon 2 --estimator td --critic bad.csv
printf '1\nx\n9\n' >bad.csv
refuses "estimate: no value" 2 'bad.csv:2:1: expected a value in' \
    estimate chain.mdp --horizon 2 --estimator td --critic bad.csv
refuses "estimate: no such critic" 2 'nosuch.csv: ' estimate E5 --horizon 2 --estimator td --critic nosuch.csv
refuses "estimate: no steps" 2 -- --n estimate E5 --horizon 2 --estimator nstep --n 0
refuses "estimate: lambda" 2 -- --lambda estimate E5 --horizon 2 --estimator gae --lambda 1.5
refuses "estimate: n of what has none" 2 'td has none' estimate E5 --horizon 2 --estimator td --n 2
refuses "estimate: lambda of what has none" 2 'nstep has none' estimate E5 --horizon 2 --estimator nstep --lambda 1
refuses "estimate: a critic where there is none" 2 'total-return has none' \
    estimate E5 --horizon 2 --estimator total-return --critic X29
refuses "estimate: one who acts where there is none" 2 'td has none' \
    estimate E5 --horizon 2 --estimator td --behaviour uniform
refuses "estimate: one and all" 2 'found both' estimate E5 --horizon 2 --estimator td --all
refuses "estimate: all, with one's n" 2 'found --all' estimate E5 --horizon 2 --all --n 2
refuses "estimate: a picture of one" 2 -- --all estimate E5 --horizon 2 --estimator td --plot a.svg
refuses "estimate: no picture's name" 2 'ends in .svg, found a.png' estimate E5 --horizon 2 --all --plot a.png
refuses "estimate: a picture nowhere" 3 'nowhere/a.svg' estimate X3 --horizon 2 --all --plot nowhere/a.svg
refuses "estimate: too many for all" 2 'trajectories with --all' estimate E5 --horizon 5 --all
refuses "estimate: too many" 2 '10000000 trajectories, found 1.92e.11 at' estimate E5 --estimator td --horizon 9
refuses "estimate: far too many" 2 'found more than' estimate E5 --estimator td --horizon 900
refuses "estimate: too large" 2 'expected at most 20000 states' estimate E5 --estimator td --horizon 9000
refuses "estimate: no horizon" 2 -- --horizon estimate E5 --estimator td
refuses "estimate: half a step" 2 'whole number' estimate E5 --estimator td --horizon 1.5
refuses "estimate: no such estimator" 2 'NAME' estimate E5 --estimator NOPE --horizon 2

# ---- improve ----

# chain.mdp, uniform: only state 0 decides, A(0,.) = .4, -.4, rho(0) = 1, so that gain = epsilon = .4 and
# alpha = (1-gamma)^2 / (4 gamma); pi' = (1 + alpha)/2 to the right has J = 1.4 + .4 alpha = L.
json "improve cpi" improve cpi chain.mdp --iterations 1
keys "improve: keys" '' algorithm states actions discount iterations outcome fell held policy
keys "improve: keys of an iteration" 'iterations\[1\]\.' J surrogate bound alpha kl_max kl_mean held
near "improve: the first J" 'iterations[0].J' 1.4
is "improve: nothing was promised of the first" 'iterations[0].bound' null
near "improve cpi: alpha" 'iterations[1].alpha' 0.00277777777777777778
near "improve cpi: J" 'iterations[1].J' 1.40111111111111111
near "improve cpi: L" 'iterations[1].surrogate' 1.40111111111111111
near "improve cpi: bound" 'iterations[1].bound' 1.40055555555555556
is "improve cpi: held" held true
json "improve cpi, Kakade" improve cpi chain.mdp --iterations 1 --set alpha=kakade
near "improve cpi: Kakade's alpha" 'iterations[1].alpha' 0.00005             # (1-gamma)^3 gain / (4R), R = 2
json "improve, another first policy" improve cpi E5 --iterations 0 --policy policy.csv
check "improve, another first policy: J" "not that of solve" eval '
    J=$(member "iterations[0].J"); "$ascent" solve E5 --policy policy.csv --json >out && awk -f json.awk out >flat &&
    [ "$(member J)" = "$J" ]'
# KL(1/2 || p) = delta with p = (1 + t)/2: -log(1 - t^2)/2; max .4 t - C delta has .4 = C t/(1 - t^2)
json "improve trpo_mm" improve trpo_mm chain.mdp --iterations 1
near "improve trpo_mm: J" 'iterations[1].J' "$(awk 'BEGIN {
    C = 4 * .4 * .9 / .01; printf "%.15f", 1.4 + .4 * (sqrt(C * C + .64) - C) / .8 }')" 1e-12
keys "improve trpo_mm: keys of an iteration" 'iterations\[1\]\.' J surrogate bound delta kl_max kl_mean held
json "improve dual_gradient" improve dual_gradient chain.mdp --iterations 3 --set delta_kl=0.02
near "improve dual_gradient: KL" 'iterations[3].kl_mean' 0.02 1e-10
is "improve dual_gradient: no bound" 'iterations[3].bound' null
is "improve dual_gradient: held" held true
json "improve dual_gradient at gamma 1" improve dual_gradient chain.mdp --gamma 1
is "improve dual_gradient at gamma 1: held" held true
json "improve where nothing can be gained" improve trpo_mm zero.mdp
is "improve where nothing can be gained: outcome" outcome '"optimal"'
check "improve where nothing can be gained: no iteration" "there is one" [ -z "$(member 'iterations[1].J')" ]
works "improve, as text" improve trpo_mm E5 --iterations 4 --gamma 0.5
check "improve, as text: held" "it is not said" grep -q 'Held in 4 of 4 iterations$' out
# --out is read back to the same policy: 2 iterations and 3 more are 5
works "improve --out" improve trpo_mm E5 --iterations 2 --out improved.csv
json "improve --policy of --out" improve trpo_mm E5 --iterations 3 --policy improved.csv
J=$(member 'iterations[3].J')
json "improve, in one go" improve trpo_mm E5 --iterations 5
near "improve, in two parts" 'iterations[5].J' "$J" 1e-13
refuses "improve --out nowhere" 3 nowhere/p.csv improve cpi E5 --out nowhere/p.csv
for a in cpi trpo_mm; do
    refuses "improve $a at gamma 1" 2 "gamma < 1 for $a, found 1: its bound has" improve $a chain.mdp --gamma 1
    json "improve $a at gamma 0" improve $a E5 --gamma 0
    is "improve $a at gamma 0: one greedy step" outcome '"optimal"'
    is "improve $a at gamma 0: held" held true
    json "improve $a at gamma .9999999" improve $a E5 --gamma 0.9999999
    is "improve $a at gamma .9999999: held" held true
done
refuses "improve without an MDP" 2 'an algorithm and an MDP, found 1' improve cpi
refuses "improve by what trains" 2 'a2c takes no exact tables.*ascent train a2c' improve a2c E5
refuses "improve by what is not" 2 'expected an algorithm' improve nosuch E5
refuses "improve --set of nothing" 2 'name of alpha, tolerance' improve cpi E5 --set nosuch=1
refuses "improve --iterations -1" 2 -- --iterations improve cpi E5 --iterations -1
grep -v '^R:' chain.mdp >huge.mdp
echo 'R: 0 : 0 : 1 : * 9e306' >>huge.mdp
refuses "improve, a penalty that overflows" 4 'penalty .* overflows' improve trpo_mm huge.mdp
"$ascent" train reinforce --env E5x --steps 10 --out tables --quiet
sed -i 's/"reinforce"/"cpi"/' tables/config.json
for command in eval watch; do
    refuses "$command of an algorithm on tables" 2 'ascent improve cpi' $command tables
done

examples=$root/chapters/examples
json "lqr: the scalar regulator" lqr "$examples/scalar.lqr" --gain "$examples/scalar.csv"
near "lqr: P (1.016 / 0.424)" 'P[0][0]' 2.3962264150943396
near "lqr: J is -P" J -2.3962264150943396
near "lqr: dJ/dK of ERR-68" 'gradient[0][0]' 3.8803844784621573
near "lqr: the best gain, by the root of a quadratic" 'optimal_gain[0][0]' 1.4898523408801283
for f in cart rooms; do
    works "lqr $f" lqr "$examples/$f.lqr" --gain "$examples/$f.csv"
    json "lqr $f as JSON" lqr "$examples/$f.lqr" --gain "$examples/$f.csv"
done
works "lqr --help" lqr --help
echo '1, 2' >wide.csv
echo -1 >unstable.csv
sed 's/^B: .*/B: 0/; s/^A: .*/A: 2/' "$examples/scalar.lqr" >lost.lqr
sed 's/^B: .*/B: 0/; s/^A: .*/A: 2/; s/^Q: .*/Q: 0/; s/^discount.*/discount: 0.2/' "$examples/scalar.lqr" >idle.lqr
sed 's/^Q: .*/Q: 1e100/; s/^B: .*/B: 1e100/' "$examples/scalar.lqr" >vast.lqr
sed 's/^R: .*/R: -1/' "$examples/scalar.lqr" >negative.lqr
json "lqr without a gain: the best one" lqr "$examples/scalar.lqr"
near "lqr without a gain: its J" J "$(member optimal_J)"
refuses "lqr without a gain, where none is best" 2 'lost.lqr: expected --gain FILE, stable, as no stable gain is the best' lqr lost.lqr
refuses "lqr without a file" 2 'expected one file of a regulator, found 0' lqr --gain wide.csv
refuses "lqr, a file that is not there" 2 'nosuch.lqr: No such file' lqr nosuch.lqr --gain wide.csv
refuses "lqr, a folder" 2 '^\.: ' lqr . --gain wide.csv
refuses "lqr, a gain too wide" 2 'wide.csv:1:1: expected 1 number, one for each state, found 2' \
    lqr "$examples/scalar.lqr" --gain wide.csv
refuses "lqr, an unstable gain" 2 'unstable.csv: expected a stable gain, below 1: the spectral radius .* is 1.42' \
    lqr "$examples/scalar.lqr" --gain unstable.csv
refuses "lqr, a negative R" 2 'negative.lqr:6:1: expected R positive definite, found an eigenvalue -1' \
    lqr negative.lqr --gain "$examples/scalar.csv"
refuses "lqr, nothing can be stable" 2 'is 1.89' lqr lost.lqr --gain "$examples/scalar.csv"
refuses "lqr, numbers too great" 2 'spectral radius' lqr vast.lqr --gain "$examples/scalar.csv"
sed 's/^Sigma0: .*/Sigma0: 0/' "$examples/scalar.lqr" >still.lqr
works "lqr, a start where nothing happens" lqr still.lqr --gain "$examples/scalar.csv"
check "lqr: no unit, no nan" "$(grep nan out)" grep -q 'max |dJ/dK| is 0 units' out
json "lqr, nothing to do" lqr idle.lqr --gain "$examples/scalar.csv"
printf '%s\n' 'discount: 0.9' 'A: 1.2 0' '0 0.5' 'B: 1' '0' 'Q: 0 0' '0 1' 'R: 1' 'mean: 1 1' >grows.lqr
echo '0.5 0' >holds.csv
json "lqr, an optimum that does not hold what grows" lqr grows.lqr --gain holds.csv
is "lqr: no optimum, no number" optimal_gain null
is "lqr: no optimum, no J" optimal_J null
keys "lqr: the object's keys" '' J P constant spectral_radius gradient optimal_gain optimal_J
sed 's/^W: .*//' "$examples/scalar.lqr" >noisy.lqr && echo 'W: 1' >>noisy.lqr
json "lqr with noise" lqr noisy.lqr --gain "$examples/scalar.csv"
near "lqr: the spectral radius, sqrt(.9) (1 - .5 .4)" spectral_radius 0.75894663844041099
near "lqr: the constant, gamma W P / (1 - gamma)" constant 21.566037735849056
for command in solve verify "derive PGT-3" "bounds"; do
    refuses "$command of a regulator" 2 "noisy.lqr: expected a finite MDP, found a regulator: .ascent lqr noisy.lqr. takes it\$" \
        $command noisy.lqr
done
refuses "a regulator to act in has no end of its own" 2 'rooms.lqr: expected an episode to end.*--limit' \
    train vpg --env "$examples/rooms.lqr" --steps 100 --out rooms
refuses "nor for what needs none: --limit 0 asks for it" 2 'rooms.lqr: expected an episode to end.*--limit T.*--limit 0' \
    train ddpg --env "$examples/rooms.lqr" --steps 100 --out rooms
works "env of a regulator" env "$examples/rooms.lqr"
check "env of a regulator: no end" "$(cat out)" grep -q 'no episode ends: .train --limit T' out
works "train without an end" train ddpg --env "$examples/rooms.lqr" --limit 0 --steps 100 --out no-end
check "train says whose gamma it takes" "$(cat out)" [ \
    "$(sed -n 2p out)" = "discounted by gamma = 0.99, not by that of $examples/rooms.lqr, 0.95 (--set gamma=0.95)" ]
works "train by the file's gamma" train ddpg --env "$examples/rooms.lqr" --limit 5 --set gamma=0.95 --steps 100 --out own-gamma
check "train by the file's gamma says nothing" "$(cat out)" eval '! grep -q discounted out'
run train dqn --env E5x --steps 100 --out e5x
check "train on an MDP says whose gamma it takes" "$(cat out)" grep -q 'not by that of E5x, 0.9 ' out
run train vpg --env "$examples/rooms.lqr" --limit 25 --steps 500 --out rooms --quiet
check "a regulator from a file to act in" "$(first_line err)" [ "$status" -eq 0 ]
refuses "a regulator to act in, wrong" 2 'negative.lqr:6:1: expected R positive definite' \
    train vpg --env negative.lqr --steps 100 --out rooms

works "list" list
check "list has 322 rows" "$(rows | wc -l) rows" [ "$(rows | wc -l)" -eq 322 ]
check "list has every id once" "some twice" [ -z "$(rows | awk '{ print $1 }' | sort | uniq -d)" ]
works "list PDI-6" list PDI-6
place=$(grep -Eo 'derivations/[a-z_0-9]+\.c:[0-9]+' out | head -n 1)
check "list PDI-6 names a line of code" "no derivations/*.c:line" [ -n "$place" ]
check "that line has the id" "$place does not" \
    eval 'sed -n "${place#*:}p" "$root/${place%%:*}" | grep -qw PDI-6'
refuses "list NOPE" 2 NOPE list NOPE

echo "$passed passed, $failed failed"
[ "$failed" -eq 0 ]
