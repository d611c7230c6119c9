#!/bin/sh
# tests/fuzz/run.sh [RUNS [TARGET...]]   Fuzzes the parsers under the address and undefined-behaviour sanitizers:
# with clang's libFuzzer where it is installed, else with random changes of the corpus (mutate.c). The reader's
# bounds are a thousandth, so that they are met too and no run is slow. New texts go to build/fuzz/corpus.
set -u
runs=${1:-1000000}
[ $# -gt 0 ] && shift
targets=${*:-fuzz_mdp fuzz_fields fuzz_policy fuzz_lqr fuzz_transitions fuzz_checkpoint fuzz_config fuzz_progress}
build=build/fuzz
sanitize="-O1 -g -fsanitize=address,undefined -fno-sanitize-recover=all -fno-omit-frame-pointer -DMDP_BOUNDS=1000"
probe=$(mktemp)
trap 'rm -f "$probe"' EXIT
if echo 'int LLVMFuzzerTestOneInput(void) { return 0; }' |
    clang -x c - -fsanitize=fuzzer -o "$probe" 2>/dev/null; then
    cc=clang driver= link=-fsanitize=fuzzer,address,undefined sanitize="$sanitize -fsanitize=fuzzer-no-link"
else
    echo "clang has no libFuzzer here: random changes of the corpus"
    build=build/mutate
    cc=${CC:-cc} driver=$build/tests/fuzz/mutate.o link=
fi
passed=0 failed=0
for t in $targets; do
    make --no-print-directory -s BUILD=$build CC="$cc" OPT="$sanitize" LDFLAGS="$link" FUZZ_DRIVER="$driver" \
        $build/tests/fuzz/$t >/dev/null || { failed=$((failed + 1)); continue; }
    case $t in fuzz_mdp) seeds=tests/fuzz/mdp ;; *) seeds=tests/fuzz/${t#fuzz_} ;; esac
    mkdir -p $build/corpus/$t
    dictionary=
    [ -f tests/fuzz/$t.dict ] && dictionary=-dict=tests/fuzz/$t.dict
    if OPENBLAS_NUM_THREADS=1 ASAN_OPTIONS=quarantine_size_mb=16 $build/tests/fuzz/$t -runs="$runs" -seed=1 \
        -max_len=65536 -timeout=1 -rss_limit_mb=256 -print_final_stats=1 -artifact_prefix=$build/$t- \
        $dictionary $build/corpus/$t $seeds >$build/$t.log 2>&1
    then passed=$((passed + 1)); echo "ok $t: $(grep -E 'DONE|runs from|Done' $build/$t.log | tail -n 1)"
    else failed=$((failed + 1)); echo "FAIL $t:"; tail -n 30 $build/$t.log
    fi
done
echo "$passed passed, $failed failed"
[ "$failed" -eq 0 ] && [ "$passed" -gt 0 ]
