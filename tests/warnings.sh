#!/bin/sh
# Every source compiles under gcc and clang without a warning.
set -u
passed=0 failed=0
object=$(mktemp)
trap 'rm -f "$object"' EXIT
for cc in gcc clang; do
    command -v $cc >/dev/null 2>&1 || { echo "$cc is not installed: nothing compiled with it"; continue; }
    for f in ascent.c autodiff/*.c envs/*.c algorithms/*.c derivations/*.c \
        chapters/*.c chapters/*/*.c chapters/*/*/*.c tests/*.c tests/*/*.c "$1"/derivations/registry.c; do
        warnings=$($cc -std=c11 -D_POSIX_C_SOURCE=200809L -I. -Wall -Wextra -Wshadow -Wpedantic \
            -Wno-missing-field-initializers -fopenmp-simd -O2 -c "$f" -o "$object" 2>&1)
        if [ -z "$warnings" ]; then passed=$((passed + 1))
        else failed=$((failed + 1)); echo "FAIL $cc $f:"; echo "$warnings"; fi
    done
done
echo "$passed passed, $failed failed"
[ "$failed" -eq 0 ]
