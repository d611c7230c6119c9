#!/bin/sh
# tests/run.sh BUILD TEST...   Runs test programs and scripts (which get BUILD), one line each, shows the output
# of those that fail, adds up what they counted, and ends with `N passed, N failed`.
set -u
build=$1
shift
log=$(mktemp)
trap 'rm -f "$log"' EXIT
passed=0 failed=0
for t in "$@"; do
    began=$(date +%s)
    case $t in
    *.sh) sh "$t" "$build" >"$log" 2>&1; status=$? ;;
    /*) "$t" >"$log" 2>&1; status=$? ;;
    *) "./$t" >"$log" 2>&1; status=$? ;;
    esac
    # cmocka: `[  PASSED  ] N test(s).`, `[  FAILED  ] N test(s)...`; scripts: `N passed, N failed`
    counts=$(awk '/^\[  PASSED  \] [0-9]+ test/ { p = $4 } /^\[  FAILED  \] [0-9]+ test/ { f = $4 }
                  /^[0-9]+ passed, [0-9]+ failed/ { p = $1; f = $3 } END { print p + 0, f + 0 }' "$log")
    p=${counts% *} f=${counts#* }
    if [ "$status" -ne 0 ] && [ "$f" -eq 0 ]; then f=1; fi      # it crashed
    if [ "$status" -eq 0 ] && [ "$p" -eq 0 ]; then status=1; f=1; echo "no test ran" >>"$log"; fi
    passed=$((passed + p)) failed=$((failed + f))
    if [ "$status" -eq 0 ]; then
        echo "ok    ${t#"$build"/}  ($p)  $(($(date +%s) - began)) s"
    else
        echo "FAIL  ${t#"$build"/}  ($p passed, $f failed, exit status $status)"
        grep -v -E '^\[ RUN      \]|^\[       OK \]|^ok |^[0-9]+ passed, [0-9]+ failed$' "$log" | tail -n 60
    fi
done
echo "$passed passed, $failed failed"
[ "$failed" -eq 0 ] && [ "$passed" -gt 0 ]
