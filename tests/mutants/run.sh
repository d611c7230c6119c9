#!/bin/sh
# tests/mutants/run.sh BUILD [NAME]   Applies each known-wrong variant of mutants.txt, rebuilds that one object,
# links it before the library into the test program that is said to kill it, and runs that one test: it must
# pass without the mutant and fail with it, by a check, not by a crash. A mutant that does not apply exactly
# once, does not compile, survives, or crashes is a failure.
set -u
build=$1
only=${2:-}
out=$build/mutants
flags="-std=c11 -D_POSIX_C_SOURCE=200809L -I. -O2 -Wno-unused-parameter -w"
libs="-lcmocka -lgsl -llapacke -lopenblas -ljansson -lm"
passed=0 failed=0
mkdir -p "$out"
bad() { failed=$((failed + 1)); echo "FAIL $name: $1"; }

# One line a mutant: name, file, old text, new text, program:test, origin, with a control character between.
awk 'BEGIN { RS = ""; FS = "\n"; OFS = "\034" }
     { delete v; for (i = 1; i <= NF; i++) if (match($i, /^[a-z]+: */)) { k = substr($i, 1, index($i, ":") - 1); v[k] = substr($i, RLENGTH + 1) }
       if ("name" in v) print v["name"], v["file"], v["old"], v["new"], v["test"], v["origin"] }' tests/mutants/mutants.txt >"$out/list"

separator=$(printf '\034')
: >"$out/pass"                  # the tests that pass as things are: most kill several mutants
while IFS=$separator read -r name file old new test origin; do
    [ -z "$only" ] || [ "$only" = "$name" ] || continue
    [ -n "$origin" ] || { bad "no origin"; continue; }
    program=$build/tests/${test%%:*}
    grep -qxF "$test" "$out/pass" || { "$program" "${test#*:}" >"$out/log" 2>&1 </dev/null && echo "$test" >>"$out/pass"; } ||
        { bad "$test fails without the mutant"; continue; }
    OLD=$old NEW=$new awk 'BEGIN { old = ENVIRON["OLD"]; new = ENVIRON["NEW"] }
        { at = index($0, old)
          if (at) { hits++; $0 = substr($0, 1, at - 1) new substr($0, at + length(old)) }
          print }
        END { exit hits != 1 }' "$file" >"$out/$name.c" || { bad "the old text is not on exactly one line of $file"; continue; }
    ${CC:-cc} $flags -c "$out/$name.c" -o "$out/$name.o" 2>"$out/log" || { bad "does not compile"; continue; }
    ${CC:-cc} -o "$out/$name" "$program.o" "$out/$name.o" "$build/libascent.a" $libs 2>"$out/log" || { bad "does not link"; continue; }
    "$out/$name" "${test#*:}" >"$out/log" 2>&1 </dev/null
    status=$?
    if ! grep -q '^\[ RUN ' "$out/log"; then bad "no test is called ${test#*:}"
    elif [ $status -eq 0 ]; then bad "survives $test"
    elif [ $status -ge 126 ] || ! grep -q '^\[  FAILED  \]' "$out/log"; then bad "$test ends with exit status $status, not with a failed check"
    else passed=$((passed + 1)); echo "ok $name, killed by $test"; fi
    rm -f "$out/$name" "$out/$name.o" "$out/$name.c"
done <"$out/list"
echo "$passed passed, $failed failed"
[ "$failed" -eq 0 ] && [ "$passed" -gt 0 ]
