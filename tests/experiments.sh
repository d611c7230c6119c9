#!/bin/sh
# tests/experiments.sh BUILD   The experiments that train, which `ascent verify MDP` leaves to `ascent derive`: each must
# come out as it is written down, its control the other way.
set -u
ascent=$1/ascent
passed=0 failed=0
for id in $("$ascent" verify --json E5 | tr '{' '\n' | sed -n 's/.*"id":"\([^"]*\)".*"reason":"trains.*/\1/p'); do
    if "$ascent" derive "$id" >"$1/experiments.log" 2>&1; then passed=$((passed + 1))
    elif grep -q '^not applicable here' "$1/experiments.log"; then echo "n/a $id: $(tail -n 1 "$1/experiments.log")"
    else failed=$((failed + 1)); echo "FAIL $id:"; cat "$1/experiments.log"; fi
done
echo "$passed passed, $failed failed"
[ "$failed" -eq 0 ] && [ "$passed" -gt 0 ]
