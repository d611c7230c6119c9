#!/bin/sh
# tests/reference.sh BUILD [DIR]   The project against reference data that other programs made: every part that DIR
# has; without DIR against tests/reference, larger problems included.
set -u
build=$1
dir=${2:-tests/reference}
[ $# -gt 1 ] && largest= || largest='--max-states 600'
passed=0 failed=0
log=$(mktemp)
trap 'rm -f "$log"' EXIT
check() { # part, program and arguments; each ends with `N passed, N failed` unless it breaks off
    [ -d "$dir/$1" ] || { echo "# $dir/$1: not there, left out"; return; }
    shift
    "$@" | tee "$log"
    counts=$(awk '/^[0-9]+ passed, [0-9]+ failed/ { p = $1; f = $3; n++ } END { print p + 0, n ? f : 1 }' "$log")
    passed=$((passed + ${counts% *})) failed=$((failed + ${counts#* }))
}
check mdp "$build/tests/reference_mdp" "$dir"
check autodiff "$build/tests/test_ad_cases" "$dir"
check env "$build/tests/test_env_cases" "$dir"
check is "$build/tests/test_is_cases" "$dir"
check exact "$build/tests/reference" $largest "$build/ascent" "$dir"
echo "$passed passed, $failed failed"
[ "$failed" -eq 0 ] && [ "$passed" -gt 0 ]
