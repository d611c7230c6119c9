#!/bin/sh
# tests/mutate/run.sh BUILD   Changes one token at a time (mutate.c) of autodiff/, derivations/ and, of algorithms/, what
# actor-critics and workers are made of, and asks whether a test notices: the object is linked before the library into
# each program that contains it, and the tests are run until one fails, crashes or takes far too long: the short ones
# first, and those that have noticed mutants of this folder or, better, file before. Before them comes `near`: what
# tests/recorded.sh knows of the pages of the file's own ids. What nobody noticed is tried once more with sanitizers
# (build/asan), for a leak, or a read behind an end whose value does not matter: in `near`, and in the unit tests of at
# most 3 s. What does not compile, or compiles to the same bits, is no mutant. tests/verify.sh is not asked: it
# takes minutes, and holds the equations of `ascent verify` on other MDPs.
#
#   PER=120 SEED=1  of derivations/ every 120th, of the rest, which has less, every 14th, some 250 + 280: those whose lot
#                   is a multiple, so that an edit elsewhere draws no others
#   ALL=1           all of them             FILES="a.c b.c"  only of these files            JOBS=2  at the same time
#   MOST=5000       with the tests of at most 5 s of the processor: a first look, which calls what others kill a survivor
#
# A survivor has to be in survivors.txt, with a reason: `same:` why it is no mutant, since it provably computes the
# same, or `why:` it may survive, which counts as a survivor. Of each folder at least 95 in 100 signs and operators must
# be killed; numbers, many of them limits of what is tried or allowed, have a rate of their own. A sample of 150 from a
# folder where 90 in 100 are passes once in 70 times, of 80 once in 11; one from a folder where 98 in 100 are fails once
# in 90 and 45 (binomial); of fewer than 80 nothing is asked. Both rates are printed, without and with those that are
# the same, and the 95% interval.
set -u
export OPENBLAS_NUM_THREADS=1
build=$1
out=$build/mutate
cc=${CC:-cc}
flags="-std=c11 -D_POSIX_C_SOURCE=200809L -I. -O2 -ffp-contract=off -w"
sanitize="-O1 -g -fsanitize=address,undefined -fno-sanitize-recover=all -DASCENT_CHECKED"
libs="-lcmocka -lgsl -llapacke -lopenblas -ljansson -lm -pthread"

# ---- one mutant ----

# compile SOURCE OBJECT FLAG...     $file, or what it was changed to, under its own name
compile() {
    from=$1 to=$2
    shift 2
    { echo "#line 1 \"$file\""; cat "$from"; } | $cc $flags "$@" -x c -c -o "$to" - 2>/dev/null
}

# link_program PROGRAM OBJECT FLAG...       $dir/PROGRAM, or $dir/tests/faults/faults; with sanitizers in all of it
link_program() {
    program=$1 object=$2 made=$build
    shift 2
    case "$*" in *fsanitize*) made=build/asan ;; esac
    case $program in
    ascent) $cc $flags "$@" -o "$dir/ascent" "$made/ascent.o" "$object" "$made/libascent.a" $libs ;;
    faults) $cc $flags "$@" -Wl,--wrap=main -o "$dir/tests/faults/faults" "$made/tests/faults/faults.o" \
                "$made/ascent.o" "$object" "$made/libascent.a" $libs ;;
    *) $cc $flags "$@" -o "$dir/$program" "$made/tests/$program.o" "$object" "$made/libascent.a" $libs ;;
    esac 2>/dev/null
}

ids_of_file() { grep -oE '[A-Z][A-Z0-9]*-[0-9]+' "$file" | sort -u; }

run_test() {
    case $1 in
    table) "$dir/ascent" verify ;;
    near)
        ids=$(ids_of_file)
        [ -z "$ids" ] || IDS=$ids sh tests/recorded.sh "$dir" ;;
    trained)                                                    # those of tests/experiments.sh with the file's own ids
        for id in $(ids_of_file | grep -xF -f "$out/trained"); do "$dir/ascent" derive "$id" || return 1; done ;;
    cli) sh tests/cli.sh "$dir/ascent" ;;
    recorded) sh tests/recorded.sh "$dir" ;;
    faults) sh tests/faults.sh "$dir" ;;
    answer | book)
        ln -sfn "$(cd "$build" && pwd)/chapters" "$dir/chapters"
        sh "tests/$1.sh" "$dir" ;;
    reference) "$build/tests/reference" --max-states 600 "$dir/ascent" tests/reference ;;
    *) "$dir/$1" ;;
    esac
}

# noticed LIST OBJECT FLAG...       whether a test of the list fails; its name is in $by
noticed() {
    list=$1 object=$2 linked=
    shift 2
    awk -v file="$file" '
        function folder(path) { return substr(path, 1, index(path, "/")) }
        FILENAME ~ /results$/ { kills[$2] += $3 == file ? 10 : folder($3) == folder(file); next }
        { print ($1 + 200) / (kills[$3] + 1), $0 }' "$out/results" "$list" | sort -n | cut -d ' ' -f 2- >"$dir/tests/order"
    while read -r ms program by; do
        grep -qxF "${file%.c}.o" "$out/members.$program" || continue
        case " $linked " in
        *" $program "*) ;;
        *) link_program "$program" "$object" "$@" || continue; linked="$linked $program" ;;
        esac
        timeout -k 5 $((60 + ms / 20)) "$0" "$build" --test "$by" "$dir" "$file" "$ms" "$@" >/dev/null 2>&1 </dev/null ||
            return 0
    done <"$dir/tests/order"
    return 1
}

one() {
    file=$1 number=$2
    dir=$out/at.$$
    mkdir -p "$dir/tests/faults"
    verdict=survived by=-
    "$out/mutate" apply "$file" "$number" >"$dir/m.c"
    if ! compile "$dir/m.c" "$dir/m.o"; then verdict=invalid
    elif noticed "$out/near" "$dir/m.o"; then verdict=killed
    elif compile "$file" "$dir/as_it_is.o" && cmp -s "$dir/m.o" "$dir/as_it_is.o"; then verdict=same
    elif noticed "$out/tests" "$dir/m.o"; then verdict=killed
    elif compile "$dir/m.c" "$dir/m.o" $sanitize && noticed "$out/asan" "$dir/m.o" $sanitize; then
        verdict=killed by=$by,asan
    else by=-
    fi
    rm -rf "$dir"
    printf '%s\t%s\t%s\t%s\n' "$verdict" "$by" "$file" "$number" >>"$out/results"
}

case ${2:-} in
--one) one "$3" "$4"; exit ;;
--alone)
    dir=$out/whole
    run_test "$3" >"$out/log.$3" 2>&1 </dev/null ||
        { echo "FAIL $3 fails without a mutant: $(tail -n 5 "$out/log.$3")"; exit 0; }
    times >"$out/log.$3"                                        # of the processor, 0m1.23s: a machine may be shared
    awk -v test="$3" -v program="$4" '
        NR == 2 { split($1, user, "[ms]"); print int(1000 * (60 * user[1] + user[2])) + 1, program, test }' "$out/log.$3"
    exit ;;
--test)
    dir=$4
    ulimit -c 0
    file=$5
    # seconds of the processor
    case $3 in test_*) ulimit -t $((5 + $6 / 100)) ;; esac
    [ $# -gt 6 ] || ulimit -v 8000000                            # kilobytes; the sanitizers map far more
    case $3 in test_*) leaks=1 ;; *) leaks=0 ;; esac
    export STOP=1 ASAN_OPTIONS=allocator_may_return_null=1:detect_leaks=$leaks:hard_rss_limit_mb=4000
    run_test "$3"
    exit ;;
esac

# ---- all of them ----

rm -rf "$out"
mkdir -p "$out"
actors="critic nstep gae compatible q_actor_critic advantage_actor_critic td_actor_critic a2c a3c workers schedule
    async_q async_sarsa nstep_q epsilon target maxent_pg run rollout"
files=$(echo ${FILES:-autodiff/*.c derivations/*.c algorithms/cg.c $(printf 'algorithms/%s.c ' $actors)})
trap 'rm -rf "$out"/at.*' EXIT
$cc -std=c11 -D_POSIX_C_SOURCE=200809L -O1 -o "$out/mutate" tests/mutate/mutate.c || exit 1

# The objects that each program is made of, and, where one is of a file asked for, what each of its tests takes, in ms
for program in $(cd "$build/tests" && ls test_*.o) ascent faults; do
    program=${program%.o} dir=$out/whole
    mkdir -p "$dir/tests/faults"
    empty=$out/empty.o
    echo 'typedef int nothing;' | $cc -x c -c -o "$empty" -
    link_program "$program" "$empty" -Wl,-Map="$out/map" ||
        { echo "FAIL $program does not link" >&2; exit 1; }
    sed -n 's/^[^ ]*libascent\.a(\([^)]*\)).*/\1/p' "$out/map" | sort -u >"$out/names"
    for f in autodiff/*.c derivations/*.c algorithms/*.c envs/*.c; do
        grep -qxF "$(basename "${f%.c}.o")" "$out/names" && echo "${f%.c}.o"
    done >"$out/members.$program"
    echo "$files" | tr ' ' '\n' | sed 's/c$/o/' | grep -qxF -f - "$out/members.$program" || continue
    case $program in ascent) tests="table recorded cli reference answer book" ;; *) tests=$program ;; esac
    for test in $tests; do echo "$test $program"; done
done >"$out/programs"
xargs -n 2 -P "${JOBS:-2}" "$0" "$build" --alone <"$out/programs" >"$out/tests"
if grep FAIL "$out/tests"; then echo "0 passed, 1 failed"; exit 1; fi
[ -z "${MOST:-}" ] || { awk -v most="$MOST" '$1 <= most' "$out/tests" >"$out/short" && mv "$out/short" "$out/tests"; }
echo "3000 ascent near" >"$out/near"
echo "100000 ascent trained" >>"$out/tests"
"$build/ascent" verify --json E5 | tr '{' '\n' |               # but for those about time, which are not judged
    sed -n 's/.*"id":"\([^"]*\)".*"reason":"trains.*/\1/p' | grep -vx 'A3C-2[12]' >"$out/trained"
awk '$3 ~ /^test_/ && $1 < 3000' "$out/tests" | cat "$out/near" - >"$out/asan"
dir=$out/whole                                                  # with sanitizers none may fail without a mutant
while read -r ms program test; do
    link_program "$program" "$empty" $sanitize && "$0" "$build" --test "$test" "$dir" "${files%% *}" "$ms" $sanitize \
        >"$out/log.$test" 2>&1 </dev/null ||
        { echo "FAIL $test fails with sanitizers and no mutant: $(tail -n 5 "$out/log.$test")"
          echo "0 passed, 1 failed"; exit 1; }
done <"$out/asan"

for file in $files; do
    "$out/mutate" list "$file" "${SEED:-1}" | sed "s|^|$file	|"
done >"$out/mutants"            # file, number, line, function, change, lot, text

: >"$out/results"
if [ -n "${ALL:-}" ]; then cp "$out/mutants" "$out/chosen"
else
    awk -F '\t' -v per="${PER:-120}" '$6 % (/^derivations/ ? per : int((per + 8) / 9)) == 0' "$out/mutants" >"$out/chosen"
    # those with a reason are not tried again
    awk -f tests/mutate/report.awk tests/mutate/survivors.txt "$out/chosen" >"$out/results"
fi
cut -f 3,4 "$out/results" >"$out/known"
# folder by folder, each in the order of its lots: of a folder, what was tried when a run is broken off is a sample
sort -t '	' -k 1.1,1.5 -k 6,6n "$out/chosen" | cut -f 1,2 | grep -vxF -f "$out/known" |
    xargs -n 2 -P "${JOBS:-2}" "$0" "$build" --one
ALL=${ALL:-} awk -f tests/mutate/report.awk tests/mutate/survivors.txt "$out/mutants" "$out/results"
