#!/bin/sh
# tests/threads.sh BUILD   Runs of several threads, from outside: a signal stops them all and saves, a run goes on
# from there, a recorded order gives the same rows again, and orders that one thread follows give the same bytes.
# With BUILD made by ThreadSanitizer (make tsan) every run is looked at for races, too; nothing is suppressed.
set -u
build=$1
ascent=$build/ascent
passed=0 failed=0
dir=$(mktemp -d) || exit 1
trap 'rm -rf "$dir"' EXIT
export TSAN_OPTIONS=halt_on_error=1:exitcode=66
ok()  { passed=$((passed + 1)); }
bad() { failed=$((failed + 1)); echo "FAIL $1"; }
holds() { name=$1; shift; if "$@" >"$dir/said" 2>&1; then ok; else bad "$name"; head -20 "$dir/said"; fi; }
train() { "$ascent" train a3c --env CartPole-v1 --quiet "$@"; }
small='--set hidden=16 --set t_max=5'

# 1. Threads, with and without locks, on environments of several kinds
for workers in 2 4 8; do
    for locks in on off; do
        for env in CartPole-v1 E5x Pendulum-v1; do
            limit=; [ $env = E5x ] && limit='--limit 20'
            holds "$workers workers on $env, locks $locks" "$ascent" train a3c --env $env $limit --steps 4000 \
                --quiet $small \
                --set workers=$workers --set locks=$locks --out "$dir/$workers-$env-$locks"
        done
    done
done

for algorithm in async_q async_sarsa nstep_q; do
    for locks in on off; do
        holds "4 workers of $algorithm, locks $locks" "$ascent" train $algorithm --env CartPole-v1 --steps 4000 \
            --quiet \
            --set hidden=16 --set workers=4 --set locks=$locks --out "$dir/$algorithm-$locks"
    done
done

# 2. The order of a run of threads, followed by one: the same rows, the same policy
for workers in 2 5; do
    holds "a run to be replayed" train --steps 20000 $small --set workers=$workers --set locks=on \
        --out "$dir/r$workers"
    holds "its replay" "$ascent" train --replay "$dir/r$workers" --quiet --out "$dir/again$workers"
    holds "the same rows" cmp "$dir/r$workers/progress.csv" "$dir/again$workers/progress.csv"
    holds "the same order" cmp "$dir/r$workers/schedule" "$dir/again$workers/schedule"
    # A3C-31: the mean lag of a row's updates, counted in the order that was written down
    awk -F, 'NR == FNR { if (FNR > 1) lag[FNR - 1] = $4; next }
             { n = sum = 0
               for (i = 1; i <= length($0); i++) {
                   c = substr($0, i, 1)
                   if (c == tolower(c)) copied[toupper(c)] = updates
                   else { sum += updates++ - copied[c]; n++ } }
               if (FNR in lag && (sum / n - lag[FNR]) ^ 2 > 1e-20) wrong++ }
             END { exit !(FNR >= 30 && !wrong) }' "$dir/r$workers/progress.csv" "$dir/r$workers/schedule" && ok ||
        bad "the column lag of $workers workers"
    "$ascent" eval "$dir/r$workers" --episodes 5 --seed 1 >"$dir/eval" 2>&1
    "$ascent" eval "$dir/again$workers" --episodes 5 --seed 1 >"$dir/eval.again" 2>&1
    holds "the same policy" cmp "$dir/eval" "$dir/eval.again"
done
train --steps 1000 $small --set workers=2 --out "$dir/free"
"$ascent" train --replay "$dir/free" --out "$dir/free.again" >"$dir/said" 2>&1
[ $? -eq 2 ] && [ ! -e "$dir/free.again" ] && grep -q 'locks=on' "$dir/said" && ok ||
    bad "a run without locks has nothing to replay"
"$ascent" train vpg --env E5x --steps 100 --quiet --out "$dir/alone"
"$ascent" train a3c --env E5x --set schedule=replay --out "$dir/nothing" >"$dir/said" 2>&1
[ $? -eq 2 ] && [ ! -e "$dir/nothing" ] && grep -q 'expected --replay DIR' "$dir/said" && ok ||
    bad "replay, but of what?"
cp -r "$dir/r2" "$dir/damaged"
: >"$dir/damaged/schedule"
"$ascent" train --replay "$dir/damaged" --out "$dir/damaged.again" >"$dir/said" 2>&1
[ $? -eq 2 ] && [ ! -e "$dir/damaged.again" ] && grep -q 'found nothing$' "$dir/said" && ok || bad "an empty order"
printf 'aAB\n' >"$dir/damaged/schedule"
"$ascent" train --replay "$dir/damaged" --out "$dir/damaged.again" >"$dir/said" 2>&1
[ $? -eq 2 ] && [ ! -e "$dir/damaged.again" ] && grep -q 'schedule:1:3: expected turns of' "$dir/said" && ok ||
    bad "an order that nobody can follow"
"$ascent" train --replay "$dir/alone" --out "$dir/alone.again" >"$dir/said" 2>&1
[ $? -eq 2 ] && grep -q 'expected a run of workers, found one of vpg' "$dir/said" && ok ||
    bad "no workers, nothing to replay"

# 3. Stopped and gone on with: the same bytes where one thread decides, as many steps where several do
for how in 'schedule=serial' 'schedule=stale' 'schedule=random' 'workers=1'; do
    settings="$small --set workers=3 --set $how"
    train --steps 3000 $settings --out "$dir/part"
    train --steps 6000 $settings --out "$dir/whole"
    holds "$how goes on" "$ascent" train --resume --out "$dir/part" --steps 6000 --quiet
    holds "$how: the same checkpoint" cmp "$dir/part/checkpoint" "$dir/whole/checkpoint"
    holds "$how: the same rows" cmp "$dir/part/progress.csv" "$dir/whole/progress.csv"
    holds "$how: the same order" cmp "$dir/part/schedule" "$dir/whole/schedule"
    rm -rf "$dir/part" "$dir/whole"
done
"$ascent" train --replay "$dir/r2" --steps 20000 --quiet --save-every 0 --out "$dir/replayed" &
pid=$!
while kill -0 $pid 2>/dev/null && [ ! -e "$dir/replayed/config.json" ]; do :; done
kill -9 $pid 2>/dev/null
wait $pid 2>/dev/null
holds "a replay that was killed goes on" "$ascent" train --resume --out "$dir/replayed" --quiet
holds "to the same rows" cmp "$dir/r2/progress.csv" "$dir/replayed/progress.csv"
mkdir "$dir/left" && : >"$dir/left/progress.csv" && cp "$dir/r2/schedule" "$dir/left/schedule"
holds "what was left before config.json is no run" "$ascent" train --replay "$dir/r2" --quiet --out "$dir/left"
mkdir "$dir/own" && echo mine >"$dir/own/schedule"
"$ascent" train --replay "$dir/r2" --quiet --out "$dir/own" >"$dir/said" 2>&1
[ $? -eq 2 ] && grep -q mine "$dir/own/schedule" && ok || bad "somebody's own file called schedule"
"$ascent" train --resume --out "$dir/replayed" --steps 40000 >"$dir/said" 2>&1
[ $? -eq 0 ] && grep -q 'the schedule that is replayed ends here$' "$dir/said" && ok ||
    bad "a replay ends with its schedule"

# 4. Signals at any time: all threads stop, one line, everything saved. (--foreground: else timeout sends two.)
for k in 1 2 3 4 5 6 7 8; do
    signal=INT expected=130
    [ $((k % 2)) -eq 0 ] && signal=TERM expected=143
    locks=on; [ $((k % 3)) -eq 0 ] && locks=off
    rm -rf "$dir/stopped"
    timeout --foreground --preserve-status -k 5 -s $signal "1.$((k * 3 % 10))7" "$ascent" train a3c \
        --env CartPole-v1 --quiet \
        --steps 100000000 $small --set workers=4 --set locks=$locks --out "$dir/stopped" >"$dir/said" 2>&1
    status=$?
    [ $status -eq $expected ] && grep -q 'saved' "$dir/said" && [ "$(wc -l <"$dir/said")" -eq 1 ] && ok ||
        bad "SIG$signal: exit status $status: $(cat "$dir/said")"
    holds "it goes on" "$ascent" train --resume --out "$dir/stopped" --until -1000 --quiet
done

echo "$passed passed, $failed failed"
[ "$failed" -eq 0 ] && [ "$passed" -gt 0 ]
