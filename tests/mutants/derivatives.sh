#!/bin/sh
# tests/mutants/derivatives.sh BUILD [OPERATOR]   Plants errors into the source of every operator's derivative: in
# each line of each VJP, one at a time, a share negated, doubled, dropped or detached, and every token replaced by
# one it could be confused with (operands and flags swapped, ad_add for ad_sub, a sign left out, another number).
# The tests of that operator must fail with each. Counted apart: those that a check of shapes or domains stops.
set -u
build=$1
only=${2:-}
out=$build/mutants/derivatives
flags="-std=c11 -D_POSIX_C_SOURCE=200809L -I. -O1 -w"
libs="-lcmocka -lgsl -llapacke -lopenblas -ljansson -lm"
rejected=0 stopped=0 failed=0
mkdir -p "$out"

# One line a mutant: operator, line number, what was done, the whole new line, with a control character between.
plant() {
    awk '
    function out(what, text) { printf "%s\034%d\034%s\034%s\n", op, NR, what, text }
    function name_part(c) { return c ~ /[A-Za-z0-9_]/ }
    function replace(old, new,    from, at, before, after) {
        for (from = 1; (at = index(substr($0, from), old)); from = at + 1) {
            at += from - 1
            if (substr($0, 1, at) ~ /\/\*/) return            # a comment
            before = at > 1 ? substr($0, at - 1, 1) : ""
            after = substr($0, at + length(old), 1)
            if (name_part(substr(old, 1, 1)) && name_part(before)) continue
            if (name_part(substr(old, length(old), 1)) && name_part(after)) continue
            if (old == "y" && (after == "-" || substr($0, 1, at - 1) ~ /(ad_wants\(|\(void\))$/)) continue
            out(old " -> " new, substr($0, 1, at - 1) new substr($0, at + length(old)))
        }
    }
    function share(    at, value, end) {
        if (!match($0, /share\[[0-9i]\] = [^=]*;/)) return
        at = RSTART + 11
        end = RSTART + RLENGTH - 1
        value = substr($0, at, end - at)
        out("negated", substr($0, 1, at - 1) "ad_neg(" value ")" substr($0, end))
        out("doubled", substr($0, 1, at - 1) "ad_scale(2, " value ")" substr($0, end))
        out("detached", substr($0, 1, at - 1) "ad_detach(" value ")" substr($0, end))
        out("dropped", substr($0, 1, RSTART - 1) "(void)" substr(value, 1, 0) "g" substr($0, end))
    }
    /^VJP\(/                   { op = substr($0, 5, index($0, ")") - 5); inside = 1 }
    /^static void [a-z_]*_vjp/ { op = $3; sub(/_vjp.*/, "", op); inside = 1 }
    inside {
        share()
        replace("ad_sub(", "ad_add("); replace("ad_neg(", "("); replace("ad_mul(", "ad_add(")
        replace("ad_div(", "ad_mul("); replace("ad_solve(", "ad_solve_t("); replace("ad_solve_t(", "ad_solve(")
        replace("A", "B"); replace("B", "A"); replace("a", "b"); replace("b", "a"); replace("c", "b")
        replace("y", "A"); replace("y->ta", "!y->ta"); replace("y->tb", "!y->tb"); replace("y->offset", "0")
        replace("true", "false"); replace("false", "true"); replace("!=", "=="); replace("!y", "y")
        replace("share[0]", "share[1]"); replace("share[1]", "share[0]"); replace("share[2]", "share[1]")
        replace("k[0]", "k[1]"); replace("k[1]", "k[0]"); replace("0.5", "1"); replace("(2", "(3")
        replace("-2", "2"); replace("- 1", "+ 1"); replace("ad_exp(", "("); replace("ad_less(", "ad_sub(")
        replace("AD_TANH", "AD_RELU"); replace("AD_RELU", "AD_TANH")
        replace("ad_at_max(", "ad_cols("); replace("ad_dtanh(", "ad_mul("); replace("place[i]", "place[0]")
        replace("ad_log_softmax(", "("); replace("ad_sigmoid(", "("); replace("ad_sign(", "(")
    }
    inside && /^\}|\}[^A-Za-z]*(\/\*.*)?$/ && !/^    / { inside = 0 }
    ' "$1"
}

separator=$(printf '\034')
for file in autodiff/ad.c autodiff/ad_elementwise.c autodiff/ad_matrix.c; do
    plant "$file" >"$out/plants"
    while IFS=$separator read -r op line what text; do
        [ -z "$only" ] || [ "$only" = "$op" ] || continue
        LINE=$line TEXT=$text awk 'NR == ENVIRON["LINE"] { $0 = ENVIRON["TEXT"] } { print }' "$file" >"$out/wrong.c"
        ${CC:-cc} $flags -c "$out/wrong.c" -o "$out/wrong.o" 2>/dev/null || continue       # not C any more
        ${CC:-cc} -o "$out/wrong" "$build/tests/test_ad.o" "$out/wrong.o" "$build/libascent.a" $libs 2>/dev/null ||
            { failed=$((failed + 1)); echo "FAIL $op, line $line, $what: does not link"; continue; }
        verdict=survives
        for test in test_jacobians test_hessians test_same_operand; do
            timeout 60 "$out/wrong" $test "$op" >"$out/log" 2>&1 </dev/null
            case $? in
            0) continue ;;
            *) grep -q '^\[  FAILED  \]' "$out/log" && verdict=rejected || verdict=stopped; break ;;
            esac
        done
        case $verdict in
        rejected) rejected=$((rejected + 1)) ;;
        stopped) stopped=$((stopped + 1)) ;;
        *) failed=$((failed + 1)); echo "FAIL $op, $file:$line, $what: survives: $text" ;;
        esac
    done <"$out/plants"
done
rm -f "$out/wrong" "$out/wrong.o" "$out/wrong.c" "$out/plants"
echo "$rejected rejected by a test, $stopped stopped by a check of shapes or domains"
echo "$((rejected + stopped)) passed, $failed failed"
[ -n "$only" ] || [ "$rejected" -ge 300 ] ||
    { echo "FAIL fewer than 300: are the VJPs written in another way?"; exit 1; }
[ "$failed" -eq 0 ] && [ "$rejected" -gt 0 ]
