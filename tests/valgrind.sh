#!/bin/sh
# tests/valgrind.sh BUILD   The commands and the small unit tests under valgrind's memcheck, built into
# BUILD/valgrind without AVX-512, which valgrind does not know: no error, and of the commands no block definitely
# lost. Memcheck rounds long double to double, so whether a unit test passes there is no verdict.
set -u
command -v valgrind >/dev/null 2>&1 || { echo "valgrind is not installed"; echo "0 passed, 1 failed"; exit 1; }
build=$1/valgrind
case $(uname -m) in x86_64) march=x86-64-v2 ;; *) march=native ;; esac
tests="test_ad test_ad_tape test_ad_special test_exact test_ground test_mdp test_registry test_streams test_transitions"
make --no-print-directory -s BUILD="$build" MARCH=$march "$build/ascent" \
    $(for t in $tests; do echo "$build/tests/$t"; done) || { echo "0 passed, 1 failed"; exit 1; }
work=$(mktemp -d) || exit 3
trap 'rm -rf "$work"' EXIT
passed=0 failed=0
fail() { failed=$((failed + 1)); echo "FAIL $1:"; grep -E '^(==|\[  FAILED)' "$work/err" | head -n 40; }
check="valgrind -q --error-exitcode=99"

printf '%s\n' 'discount: 0.9' 'values: reward' 'states: left right' 'actions: stay go' 'start: left' \
    'T: stay identity' 'T: go : left 0.25 0.75' 'T: go : right uniform' 'R: stay : right : * 1' \
    'R: go : left : right 2' >"$work/two.mdp"
sed 's/0.25/0.35/' "$work/two.mdp" >"$work/wrong.mdp"
printf '0.5,0 # pi\n0,1' >"$work/pi.csv"
printf '0,1\n1,x\n' >"$work/wrong.csv"
printf 'theta,theta_dot,action,t\n1,2,0,3\n' >"$work/steps.csv"

# command STATUS ARGUMENT...
command() {
    expected=$1
    shift
    leaks="--leak-check=full --errors-for-leak-kinds=definite"
    [ "$expected" -le 1 ] || leaks=--leak-check=no      # who ends at a mistake frees nothing
    $check $leaks "$build/ascent" "$@" >"$work/out" 2>"$work/err"
    status=$?
    if [ $status -eq "$expected" ]; then passed=$((passed + 1)); else fail "$* (exit status $status)"; fi
}
command 0 --help
command 0 solve "$work/two.mdp" --policy "$work/pi.csv" --against "$work/pi.csv" --fisher --optimal
command 0 solve "$work/two.mdp" --policy "$work/pi.csv" --against "$work/pi.csv" --fisher --optimal --json
command 0 solve FrozenLake-v1 --optimal
command 0 env Pendulum-v1 --transitions "$work/steps.csv"
command 2 env CartPole-v1 --transitions "$work/steps.csv"
command 0 env "$work/two.mdp" --export
command 0 env CartPole-v1 --check
command 0 verify "$work/two.mdp"
command 0 verify E5 --id PDI-1 --json
command 0 derive PDI-1 "$work/two.mdp"
command 0 list PDI-6
command 2 solve "$work/wrong.mdp"
command 2 solve E5 --policy "$work/wrong.csv"
command 2 solve E5 --nosuch
command 0 train reinforce --env "$work/two.mdp" --limit 5 --steps 100 --set hidden=4 --out "$work/run"
command 0 train --resume --out "$work/run" --steps 200
command 0 eval "$work/run" --episodes 5 --json
command 0 plot "$work/run"
command 0 plot "$work/run" --out "$work/curve.svg"
command 0 watch "$work/run" --episodes 2 --svg "$work/film.svg"
command 2 train reinforce --env "$work/two.mdp" --out "$work/run"

# unit PROGRAM PATTERN...: at least one test of the program must match each pattern
unit() {
    program=$1
    shift
    for pattern in "$@"; do
        $check --leak-check=no --child-silent-after-fork=yes "$build/tests/$program" "$pattern" \
            >"$work/out" 2>"$work/err"
        status=$?
        if [ $status -ge 99 ] || ! cat "$work/out" "$work/err" | grep -q '^\[ RUN'; then fail "$program $pattern"
        else passed=$((passed + 1)); fi
    done
}
unit test_ad test_hessians test_same_operand test_stops test_batch_of_one
unit test_ad_tape test_replay_is_recording 'test_view*' 'test_*gradients*' test_leaves test_reset
unit test_ad_special '*'
unit test_exact values visitation gradients 'fisher*' natural_gradients 'cg*' optimal policy_files verdicts
unit test_ground 'test_arena*' 'test_random_k*' test_max_abs test_rcond test_singular test_linalg_bugs
unit test_mdp '*'
unit test_registry '*'
unit test_streams '*'
echo "$passed passed, $failed failed"
[ "$failed" -eq 0 ]
