#!/bin/sh
# tests/recorded.sh BUILD            Prints what it always printed? The numbers, settings, bounds, units, reasons and
# pages of verify, derive, solve, estimate, explain and of train's help, and three pictures, against
# tests/recorded/outputs.txt.
# IDS="VPG-2 RF-2" STOP=1 tests/recorded.sh BUILD     only what `derive` prints of these; until something differs
# tests/recorded.sh BUILD --write    records them anew, where a change is meant; git shows which numbers moved.
#
# This is no account of its own. The sides of an equation are held against each other by `verify`, and most of these
# numbers against other programs by the other tests; but where both sides of an equation are computed from the
# same settings (a horizon, a random policy, a bound, one unit of error, the rows of a table on a page), nothing
# else would see them move. An @ stands where builds differ, in the digits of rounding errors.
set -u
recorded=tests/recorded/outputs.txt
ascent=$(cd "$1" && pwd)/ascent
write=${2:-}
work=$(mktemp -d) || exit 3
trap 'rm -rf "$work"' EXIT

commands() {
    if [ -n "${IDS:-}" ]; then
        sed -n 's/^\$ ascent //p' "$recorded" | awk -v ids="$IDS" '
            BEGIN { for (n = split(ids, id, "[ \n]+"); n > 0; n--) wanted[id[n]] }
            $1 == "derive" && $2 in wanted'
        return
    fi
    if [ -z "$write" ]; then sed -n 's/^\$ ascent //p' "$recorded"; return; fi
    echo "verify"
    echo "verify X3 chain:4 --gamma 0.5 --seed 2"
    echo "verify E5x --gamma 1"
    echo "verify garnet:6,2,2,4 --gamma 0.9999999"
    echo "verify tests/reference/mdp/fl4_slip.mdp --policy uniform --gamma 0"
    echo "verify garnet:1025,2,2,1 --gamma 0.9"                          # too many states for sums over time
    ids=$("$ascent" verify | awk '$1 ~ /^[A-Z][A-Z0-9]*-[0-9]+$/ && $1 !~ /^ERR-/ && !/trains, some/ && !n[$1]++ { print $1 }')
    printf 'derive %s\n' $ids
    # features: dz/dtheta is no identity, and c no 1. What has a problem of its own takes no MDP.
    for id in $ids; do
        "$ascent" derive "$id" X3 >/dev/null 2>&1
        [ $? -eq 2 ] || echo "derive $id garnet:6,2,2,4 --gamma 0.8 --class linear:3 --seed 2"
    done
    for id in NPG-7 NPG-8 NPG-9 TRPO-13; do echo "derive $id FrozenLake-v1 --gamma 0.99"; done
    echo "solve E5 --fisher --optimal --against uniform"
    echo "solve FrozenLake-v1 --gamma 1 --fisher --optimal"
    echo "solve chain:4 --gamma 0.5 --fisher --optimal"
    echo "solve tests/recorded/loop.mdp --gamma 1 --optimal"
    for name in total-return reward-to-go baseline Q advantage td missing-gamma extra-return-index; do
        echo "estimate X3 --horizon 3 --estimator $name"
    done
    echo "estimate chain:4 --horizon 4000 --estimator Q"                 # one state too many
    echo "estimate X3 --horizon 3 --all --plot picture.svg"
    echo "bounds E5 --plot picture.svg"
    echo "bounds --mdps 20 --seed 3 --plot picture.svg"
    echo "train --help"                                                   # every default and range
    for a in $("$ascent" train --help | sed -n '2,$s/^\([a-z0-9_]*\): .*/\1/p'); do
        echo "explain $a --seed 1"
        echo "explain $a --seed 2"
    done
    echo "improve --help"
    for a in $("$ascent" improve --help | sed -n '2,$s/^\([a-z0-9_]*\): .*/\1/p'); do
        echo "explain $a"
        echo "improve $a E5 --iterations 3"
    done
}

# The numbers and pages only: of a proof no LaTeX and no reasons, of verify not what an equation says, no error
# that is rounding.
outputs() {
    commands | while read -r command; do
        echo "\$ ascent $command"
        case $command in
        *--plot*)
            (cd "$(mktemp -d "$work/XXXXXX")" && "$ascent" $command 2>&1 </dev/null; echo "exit status $?"; cat picture.svg) ;;
        derive*) "$ascent" $command --latex 2>&1 </dev/null; echo "exit status $?" ;;    # formulas as in the sources
        *) "$ascent" $command 2>&1 </dev/null; echo "exit status $?" ;;
        esac
    done | awk '
        /^\$ / { command = $3; below = 0 }
        /^PASS|^WEAK|^FAIL|^n\/a/ { below = 1 }
        command == "derive" && !below && !/^\$|^on |^each |^ +-?[0-9.]+(e[-+][0-9]+)?( |$)|^exit/ { next }
        command == "derive" && !below { sub(/[-+.0-9e]+ units/, "@ units") }
        command == "verify" && /^[A-Z][A-Z0-9]*-[0-9]+ / {
            reason = match($0, /\([^()]*\)$/) ? substr($0, RSTART) : ""
            if ($2 ~ /^[-+0-9.]/) $0 = $1 " " $2 " " $3 " " $4 " @ " $6 " unit " $7 " " $8 ($8 == "WEAK" ? " " reason : "")
            else $0 = $1 " " $2 " " reason
        }
        !/^$/'
}

# compare.awk RECORDED NOW: what differs, then `N passed, N failed` of commands. MASK=1: RECORDED with an @ for
# each number that differs, and @@ for each line whose words do.
cat >"$work/compare.awk" <<'AWK'
function magnitude(x) { x += 0; return x < 0 ? -x : x }         # a number: substr makes strings, "0.5" < "1e-11"
# 1 in the last digit of a number with a point or an exponent, at least 1e-9 of it; a whole number is exact
function slack(text,    digits, point, e, s) {
    if (text !~ /[.e]/) return 0
    e = match(text, /e/) ? substr(text, RSTART + 1) + 0 : 0
    digits = match(text, /e/) ? substr(text, 1, RSTART - 1) : text
    point = index(digits, ".")
    s = 1.01 * 10 ^ (e - (point ? length(digits) - point : 0))
    return s > 1e-9 * magnitude(text) ? s : 1e-9 * magnitude(text)
}
# A line: its words, with a control character for each number; number[1..n]: those
function read(line, number,    words, n) {
    words = ""
    n = 0
    while (match(line, /@|[-+]?([0-9]+[.]?[0-9]*|[.][0-9]+)(e[-+]?[0-9]+)?/)) {
        number[++n] = substr(line, RSTART, RLENGTH)
        words = words substr(line, 1, RSTART - 1) "\001"
        line = substr(line, RSTART + RLENGTH)
    }
    words = words line
    gsub(/[ \t]+/, " ", words)
    return words
}
function agree(a, b, words) {
    if (a == "@" || a == b) return 1
    if (a ~ /[.e]/ && words !~ /unit/ && magnitude(a) < 1e-11 && magnitude(b) < 1e-11) return 1      # rounding
    return magnitude(a - b) <= slack(a)
}
function block(    i, k, words, bad, n, line, end) {
    for (i = 1; i <= count[at] || i <= nows; i++) {
        if (i > count[at]) line = end == "@@" ? end : "(nothing)"
        else line = end = recorded[at, i]
        if (i > nows) now[i] = "(nothing)"
        if (line == "@@" || i == 1) { if (mask) print line; continue }
        words = read(line, a)
        bad = words != read(now[i], b)
        if (mask && bad) { print end = "@@"; continue }
        n = split(words, piece, "\001")
        line = piece[1]
        for (k = 1; !bad && k < n; k++) {
            if (!agree(a[k], b[k], words)) { if (mask) a[k] = "@"; else bad = 1 }
            line = line a[k] piece[k + 1]
        }
        if (mask) print line
        if (!bad) continue
        wrong = 1
        if (shown++ < 40) print "FAIL " command "\n  recorded: " recorded[at, i] "\n  now:      " now[i]
    }
    if (wrong) failed++; else passed++
    wrong = nows = 0
    if (failed && ENVIRON["STOP"]) exit 1
}
# A part of the output begins with the command, or with a numbered title of its page.
function part(line) {
    if (line ~ /^\$ /) command = line
    return command " " substr(line, 1, 2)
}
BEGIN {
    while ((getline line < ARGV[1]) > 0) {
        if (line ~ /^\$ |^[1-9][.] /) key = part(line)
        recorded[key, ++count[key]] = line
        of[key] = command
    }
    ARGV[1] = command = ""
}
/^\$ / { ran[$0] }
/^\$ |^[1-9][.] / {
    if (nows) block()
    at = part($0)
    seen[at] = 1
}
{ now[++nows] = $0 }
END {
    if (nows) block()
    for (key in count)
        if (!(key in seen) && (of[key] in ran || !ENVIRON["IDS"])) { print "FAIL is not printed any more: " key; failed++ }
    if (!mask) printf "%d passed, %d failed\n", passed, failed
    exit failed > 0 || (passed == 0 && !ENVIRON["IDS"])
}
AWK

if [ -n "${STOP:-}" ]; then
    outputs | awk -f "$work/compare.awk" "$recorded" -
    exit
fi
outputs >"$work/now"
if [ -n "$write" ]; then
    mkdir -p "${recorded%/*}"
    cp "$work/now" "$work/recorded"
    n=0
    for other in "$1" $(shift 2; echo "$@"); do                         # and, where there are more builds, those
        other=$(cd "$other" && pwd)
        for how in "" "env OPENBLAS_CORETYPE=Prescott GLIBC_TUNABLES=glibc.cpu.hwcaps=-AVX2,-AVX,-FMA,-FMA4" \
            "env OPENBLAS_CORETYPE=Sandybridge" "env OPENBLAS_CORETYPE=Zen" "env OPENBLAS_CORETYPE=SkylakeX" \
            "env OPENBLAS_CORETYPE=Haswell GLIBC_TUNABLES=glibc.cpu.hwcaps=-AVX512F,-AVX512VL"; do
            n=$((n + 1))
            printf '#!/bin/sh\nexec %s %s/ascent "$@"\n' "$how" "$other" >"$work/other$n"
            chmod +x "$work/other$n"
            (ascent=$work/other$n; outputs >"$work/now$n") &
            [ $((n % 2)) -eq 1 ] || wait                                # two at a time
        done
    done
    wait
    for i in $(seq $n); do
        awk -v mask=1 -f "$work/compare.awk" "$work/recorded" "$work/now$i" >"$work/masked"
        cp "$work/masked" "$work/recorded"
    done
    cp "$work/recorded" "$recorded"
    grep -c @ "$recorded"
    exit
fi
awk -f "$work/compare.awk" "$recorded" "$work/now"
