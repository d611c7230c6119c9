#!/bin/sh
# tests/runs.sh BUILD   Training from end to end, for every algorithm of the program: the same seed gives the same
# bytes, whatever interrupts it and wherever it runs; and what eval and plot make of it. FAULTS=all takes 50 cut
# points and more kills. tests/test_run.c has each single call that can fail.
set -u
ascent=$(cd "$1" && pwd)/ascent
work=$(mktemp -d /dev/shm/runs.XXXXXX 2>/dev/null || mktemp -d) || exit 3
trap 'rm -rf "$work"' EXIT
trap 'exit 130' INT
trap 'exit 143' TERM
cd "$work" || exit 3
passed=0 failed=0
if [ "${FAULTS:-}" = all ]; then cuts=50 kills=40; else cuts=4 kills=3; fi

pass() { passed=$((passed + 1)); echo "ok $1"; }
fail() { failed=$((failed + 1)); echo "FAIL $1: $2"; }
# check NAME COMMAND...
check() { name=$1; shift; if "$@" >log 2>&1; then pass "$name"; else fail "$name" "$(tail -n 1 log)"; fi; }

# refuses NAME STATUS PATTERN ARGUMENT...: that status, one line on stderr with the pattern, nothing on stdout
refuses() {
    name=$1 expected=$2 pattern=$3
    shift 3
    "$ascent" "$@" >out 2>err
    status=$?
    if [ "$status" -ne "$expected" ]; then fail "$name" "exit status $status, not $expected: $(head -n 1 err)"
    elif [ -s out ]; then fail "$name" "on stdout: $(head -n 1 out)"
    elif [ "$(wc -l <err)" -ne 1 ] || ! grep -Eq -e "$pattern" err; then fail "$name" "no '$pattern' in: $(cat err)"
    else pass "$name"; fi
}

same() { # NAME DIR DIR
    for f in checkpoint progress.csv config.json; do
        cmp -s "$2/$f" "$3/$f" || { fail "$1" "$2/$f and $3/$f differ"; return; }
    done
    pass "$1"
}

algorithms=$("$ascent" train --help | sed -n '2,$s/^\([a-z0-9_]*\): .*/\1/p')
[ -n "$algorithms" ] || fail "algorithms" "the program lists none"
discrete=FrozenLake-v1 steps=20000
no_boxes="q_actor_critic advantage_actor_critic async_q async_sarsa nstep_q dqn"            # a number for each action
only_boxes="ddpg td3"
for a in $algorithms; do
    # the order of threads is the system's: here workers take turns (tests/threads.sh has the threads)
    turns=$("$ascent" train --help | awk -v a="$a:" '/^[a-z0-9_]*: / { its = $1 == a }
        its && $1 ~ /^schedule=/ { print "--set schedule=serial" }
        its && $1 ~ /^capacity=/ { print "--set capacity=2000 --set batch=8 --set hidden=8" }')  # an update a step
    case " $only_boxes " in *" $a "*) own=lqr ;; *) own=$discrete ;; esac
    set -- "$a" --env "$own" --seed 7 --quiet $turns
    "$ascent" train "$@" --steps $steps --out "$a" || { fail "$a" "does not train"; continue; }

    # another process, directory, locale, filling of fresh memory
    mkdir -p "$work/other folder/$a" && (cd "$work/other folder/$a" && LC_ALL=de_DE.UTF-8 LANG=tr_TR.UTF-8 TZ=Asia/Tokyo \
        MALLOC_PERTURB_=165 "$ascent" train "$@" --steps $steps --out here)
    same "$a: the same bytes elsewhere" "$a" "other folder/$a/here"
    "$ascent" train "$a" --env "$own" --seed 8 --quiet --steps $steps --out "$a-8" $turns
    if cmp -s "$a/checkpoint" "$a-8/checkpoint"; then fail "$a: another seed" "gives the same checkpoint"
    else pass "$a: another seed"; fi

    # resumed at cut points: each a new folder that ends there, then one folder with all of them
    i=1
    "$ascent" train "$@" --steps 1 --out "$a-steps"
    while [ $i -le $cuts ]; do
        n=$((i * steps / (cuts + 1) + i % 7))
        rm -rf "$a-cut"
        "$ascent" train "$@" --steps $n --out "$a-cut" && "$ascent" train --resume --out "$a-cut" --steps $steps --quiet
        same "$a: resumed after $n steps" "$a" "$a-cut"
        "$ascent" train --resume --out "$a-steps" --steps $n --quiet
        i=$((i + 1))
    done
    "$ascent" train --resume --out "$a-steps" --steps $steps --quiet
    same "$a: resumed $cuts times" "$a" "$a-steps"

    # episodes and observations of other kinds: CartPole's counts, Pendulum's box of actions
    for e in CartPole-v1 Pendulum-v1; do
        rm -rf "$a-e" "$a-e2"
        expected=
        case "$e $no_boxes " in "Pendulum-v1 "*"$a "*) expected="a discrete action for $a, found a box of 1" ;; esac
        case "$e $only_boxes " in "CartPole-v1 "*"$a "*) expected="a box of actions for $a, found 2 numbered ones" ;; esac
        if [ -n "$expected" ]; then
            refuses "$a, $e" 2 "^$e: expected $expected" train "$a" --env $e --out "$a-e"
            check "$a, $e: no folder" [ ! -e "$a-e" ]
            continue
        fi
        "$ascent" train "$a" --env $e --steps 6000 --seed 2 --quiet --out "$a-e" $turns
        "$ascent" train "$a" --env $e --steps 2500 --seed 2 --quiet --out "$a-e2" $turns
        "$ascent" train --resume --out "$a-e2" --steps 6000 --quiet
        same "$a, $e: resumed" "$a-e" "$a-e2"
        "$ascent" eval "$a-e" --episodes 3 --json >e1 && "$ascent" eval "$a-e2" --episodes 3 --json >e2
        check "$a, $e: the same returns" cmp e1 e2
        "$ascent" watch "$a-e" --episodes 2 --svg film.svg
        check "$a, $e: an animation" grep -q '<animate attributeName=.*values="[0-9.;-]*"/>' film.svg
    done

    # kill -9 at any moment, and again while it goes on
    i=1
    rm -rf "$a-kill"
    (exec "$ascent" train "$@" --steps $steps --save-every 0 --out "$a-kill") & pid=$!
    while [ $i -le $kills ]; do
        sleep 0.0$((i % 5))$((i * 7 % 10))
        kill -9 $pid 2>/dev/null
        wait $pid 2>/dev/null
        [ -f "$a-kill/config.json" ] || break
        (exec "$ascent" train --resume --out "$a-kill" --save-every 0 --quiet) & pid=$!
        i=$((i + 1))
    done
    wait $pid
    if [ -f "$a-kill/config.json" ]; then "$ascent" train --resume --out "$a-kill" --quiet
    else "$ascent" train "$@" --steps $steps --out "$a-kill"; fi
    same "$a: killed $kills times" "$a" "$a-kill"

    # a signal: saved, 128 + its number, gone on with
    for signal in 2 15; do
        for after in 0.2 1 5; do                # until it has begun
            rm -rf "$a-signal"
            timeout --foreground --preserve-status -s $signal $after "$ascent" train "$@" --steps 1000000000 --save-every 1000 \
                --out "$a-signal" 2>err
            status=$?
            [ -f "$a-signal/checkpoint" ] && break
        done
        if [ $status -ne $((128 + signal)) ]; then fail "$a: signal $signal" "exit status $status: $(cat err)"
        else check "$a: signal $signal, then eval" "$ascent" eval "$a-signal" --episodes 2; fi
    done

    # eval
    "$ascent" eval "$a" --episodes 20 --seed 3 --json >e1 && "$ascent" eval "$a" --episodes 20 --seed 3 --json >e2
    check "$a: eval repeats" cmp e1 e2
    check "$a: eval's mean is that of the returns" awk '{ gsub(/.*\[|\].*/, "", $0); n = split($0, r, ","); for (i = 1; i <= n; i++) s += r[i] }
        END { getline whole <"e1"; sub(/.*"mean":/, "", whole); d = s / n - whole; exit !(n == 20 && d * d < 1e-24) }' e1
    refuses "$a: a folder with a run" 2 "^$a: expected a new or empty folder" train "$@" --out "$a"
    refuses "$a: other settings" 2 "config.json: expected the settings of the run, found --set gamma=0.123" \
        train --resume --out "$a" --set gamma=0.123
    refuses "$a: other environment" 2 "expected the environment of the run, $own, found X3" train --resume --out "$a" --env X3
    refuses "$a: other seed" 2 "expected the seed of the run, 7, found 8" train --resume --out "$a" --seed 8
    check "$a: the same seed in other digits" "$ascent" train --resume --out "$a" --seed 007 --quiet
    refuses "$a: fewer steps" 2 "^--steps: expected" train --resume --out "$a" --steps 5
    refuses "$a: a bad setting" 2 "^--set: expected name=value" train "$a" --env X3 --out new --set nosuch=1
done

a=${algorithms%%[!a-z0-9_]*}
"$ascent" train "$a" --env $discrete --steps 2000 >out 2>err
check "the folder is the first line" [ "$(head -n 1 out)" = "runs/$a-$discrete-1" ]
check "lines in a pipe, nothing on stderr" [ "$(wc -l <out)" -ge 11 -a ! -s err ]
check "the first columns" grep -q '^steps,episodes,return_mean' "runs/$a-$discrete-1/progress.csv"
"$ascent" train dqn --env E5x --steps 1000 --out watched >out
check "that nothing is learnt yet is said" grep -q '^1000 steps.*; nothing is learnt before step 1001, by ' out
"$ascent" train --resume --out watched --steps 1001 >out
check "and not when something is" grep -q '^1100 steps[^;]*$' out
"$ascent" train dqn --env E5x --steps 1100 --set update_every=400 --out every >out
check "but update_every may come later" grep -q '^1100 steps.*; nothing is learnt before step 1200, by ' out
"$ascent" train ddpg --env lqr --steps 100 --set start_steps=0 --set hidden=4 --set lr=1e8 --out far >out
check "that a run diverged is said" grep -q '^100 steps.*; rewards of up to [0-9.]*e+[0-9]*: has it diverged?$' out
"$ascent" train "$a" --env $discrete --steps 50 --set hidden=3 --set gamma=0.5 --set hidden=4,5 --out set --quiet
check "--set again and again" [ "$(grep -cE '"gamma": 0.5|"hidden": "4,5"' set/config.json)" -eq 2 ]
"$ascent" train "$a" --env garnet:3,2,2,1 --limit 5 --steps 50 --out limited --quiet
"$ascent" eval limited --episodes 1 >out
check "--limit" [ "$(head -n 2 limited/progress.csv | tail -n 1 | cut -d , -f 1,2)" = 5,1 ]
check "the same limit in other digits" "$ascent" train --resume --out limited --limit 05 --quiet
refuses "another limit" 2 "expected the limit of the run, 5, found 6" train --resume --out limited --limit 6
sed 's/"limit": 5/"limit": null/' limited/config.json >out && cp out limited/config.json
refuses "config.json of another run" 2 "limited/checkpoint: expected the configuration" eval limited --episodes 1
rm limited/checkpoint
refuses "a lost checkpoint" 2 "expected a checkpoint beside the rows" train --resume --out limited
check "it leaves the rows alone" [ "$(wc -l <limited/progress.csv)" -ge 10 ]
refuses "training without an end" 2 "expected an episode to end within .* --limit T" train "$a" --env garnet:3,2,2,1 \
    --out endless --quiet
check "and leaves no folder" [ ! -e endless ]
refuses "one step, normalised" 2 "expected normalise=off" train a2c --env $discrete --set workers=1 --set n_steps=1 \
    --out one --quiet
check "and leaves no folder, either" [ ! -e one ]
refuses "no algorithm" 2 '^expected an algorithm \(.*, found "nosuch"' train nosuch --env X3
refuses "no environment" 2 "expected --env" train "$a"
refuses "an unknown environment" 2 "NoSuch-v1" train "$a" --env NoSuch-v1 --out new
check "nothing is made by a mistake" [ ! -e new ]
refuses "resume without a run" 2 "new/config.json: expected a run's folder" train --resume --out new
refuses "eval without a run" 2 "new/config.json: expected a run's folder" eval new
refuses "a folder that cannot be made" 3 "^ascent: /proc/nosuch" train "$a" --env X3 --limit 5 --out /proc/nosuch/run
echo text >file
refuses "a file for a folder" 2 "^file: expected a folder" train "$a" --env X3 --limit 5 --out file
refuses "a file in the path" 2 "file/run: expected a folder" train "$a" --env X3 --limit 5 --out file/run
check "the file stands" [ "$(cat file)" = text ]

# several seeds: each as if alone; those that are missing are made
"$ascent" train "$a" --env $discrete --steps 1500 --seed 4 --seeds 2 --out many --quiet
"$ascent" train "$a" --env $discrete --steps 3000 --seed 5 --out alone --quiet
"$ascent" train --resume --out many --seed 4 --seeds 3 --steps 3000 --quiet
same "one of three seeds" many/seed-5 alone
check "three seeds" [ "$(ls many | tr '\n' ' ')" = "seed-4 seed-5 seed-6 " ]
refuses "no seeds" 2 "^--seeds: expected" train "$a" --env $discrete --seeds 0

# eval of a folder of seeds: each seed's as alone, their mean, and the interval that enumerating all 5^5 draws gives
"$ascent" train "$a" --env CartPole-v1 --steps 3000 --seed 8 --seeds 5 --out five --quiet
mkdir five/seed-x five/seed-007
"$ascent" eval five --episodes 40 --seed 2 >out
for k in 8 9 10 11 12; do "$ascent" eval five/seed-$k --episodes 40 --seed 2 | sed "s/^/seed $k: /"; done >out2
check "eval: every seed as alone, by number" eval 'head -n 5 out | cmp - out2'
"$ascent" eval five --episodes 40 --seed 2 --json >e1
check "eval: mean and interval over seeds" awk '
    { n = split($0, part, /"mean":/)
      for (i = 2; i <= n; i++) m[i - 1] = part[i] + 0
      sub(/.*"interval":\[/, "", $0); low = $0 + 0; sub(/[^,]*,/, "", $0); high = $0 + 0 }
    END {
        for (a = 1; a <= 5; a++) for (b = 1; b <= 5; b++) for (c = 1; c <= 5; c++) for (d = 1; d <= 5; d++)
            for (e = 1; e <= 5; e++) {
                x = (m[a] + m[b] + m[c] + m[d] + m[e]) / 5
                below += x < low - 1e-9; to += x <= low + 1e-9; under += x < high - 1e-9; upto += x <= high + 1e-9
            }
        all = 5 ^ 5; off = m[6] - (m[1] + m[2] + m[3] + m[4] + m[5]) / 5
        exit !(n == 7 && off * off < 1e-24 && low < high && below / all < 0.03 && to / all > 0.02 &&
               under / all < 0.98 && upto / all > 0.97) }' e1
check "eval: no interval of 3 seeds" eval '"$ascent" eval many --episodes 2 | grep -q "mean over 3 seeds .* no interval"'
check "eval: nor in JSON" eval '"$ascent" eval many --episodes 2 --json | grep -q "\"interval\":null"'
refuses "watch of seeds" 2 "^five: expected one run's folder, found 5, .*five/seed-8 .*five/seed-12" watch five
cp -r five mixed && sed 's/"gamma": [0-9.]*/"gamma": 0.5/' five/seed-9/config.json >mixed/seed-9/config.json
refuses "eval of other settings" 2 "mixed/seed-9: expected a run of the same settings as mixed/seed-8" eval mixed
"$ascent" train "$a" --env CartPole-v1 --steps 50 --out named --quiet && "$ascent" watch named --episodes 1 >out
check "watch in a pipe names its numbers" grep -q 'return so far .* x [-+0-9.]*  x_dot .* theta_dot ' out
check "and the action of each step" [ "$(grep -c '  action [01]$' out)" -eq $(($(wc -l <out) - 1)) ]
check "but of the end" [ "$(tail -n 1 out | grep -c '  end$')" -eq 1 ]

# an environment of a file: of these bytes, wherever the file is
"$ascent" env chain:4 --export >own.mdp
"$ascent" train "$a" --env own.mdp --limit 9 --steps 200 --out owned --quiet
check "an environment of a file" "$ascent" train --resume --out owned --steps 300 --quiet
cp owned/checkpoint before && cp own.mdp own.old && echo '# the same' >>own.mdp
refuses "another file" 2 "^own.mdp: expected the file that the run was begun with" train --resume --out owned \
    --steps 400
refuses "another file, eval" 2 "^own.mdp: expected the file that the run was begun with" eval owned
check "and changes nothing" cmp owned/checkpoint before
(cd "other folder" && "$ascent" eval ../owned 2>err)
check "another folder" [ $? -eq 2 ]
check "another folder: says so" grep -q '^own.mdp: .*from the folder where the run was begun' "other folder/err"
mv own.old own.mdp
check "the file again" "$ascent" eval owned --episodes 2

# two at once
(exec "$ascent" train "$a" --env $discrete --steps 1000000000 --out busy --quiet 2>err1) & pid=$!
until [ -f busy/checkpoint ]; do sleep 0.05; done
refuses "two trainings in one folder" 2 "^busy: another process is training here" train --resume --out busy
kill -TERM $pid
wait $pid
for round in 1 2 3; do          # of several that begin a run in one folder, one does; the others change nothing
    rm -rf race
    for k in 1 2 3; do
        ("$ascent" train "$a" --env $discrete --steps 3000 --seed $k --out race --quiet 2>race.$k; echo $? >status.$k) &
    done
    wait
    won=$(grep -l '^0$' status.1 status.2 status.3)
    check "race $round: one wins" [ "$(cat status.? | sort | tr '\n' ' ')" = "0 2 2 " ]
    check "race $round: it is its folder" grep -q "\"seed\": ${won#status.}," race/config.json
    check "race $round: it goes on" "$ascent" train --resume --out race --steps 4000 --quiet
done

# changed files
cp -r "$a" damaged && printf x >>damaged/checkpoint
refuses "a byte too many" 2 "^damaged/checkpoint: expected the checksum" train --resume --out damaged --steps 30000
refuses "a byte too many, eval" 2 "^damaged/checkpoint: expected the checksum" eval damaged
check "nothing else was touched" cmp damaged/config.json "$a/config.json"
for text in '' '{' '[]' '{"format": 2}' '{"format": 1}' "$(sed 's/"seed": 7/"seed": -7/' "$a/config.json")" \
    "$(sed 's/"seed": 7/"seed": 7, "seed": 7/' "$a/config.json")" \
        "$(sed 's/"gamma": [0-9.]*/"gamma": "x"/' "$a/config.json")" \
    "$(sed '/"gamma"/d' "$a/config.json")"; do
    printf '%s\n' "$text" >damaged/config.json
    refuses "config.json: $(echo "$text" | tr -d '\n ' | cut -c 1-40)" 2 \
        "^damaged/config.json:.*(expected|duplicate|\])" eval damaged
done

# a full disk
if [ -w /dev/full ]; then
    for command in "train $a --env $discrete --steps 100 --out full" "eval $a" "plot $a"; do
        "$ascent" $command >/dev/full 2>err
        check "/dev/full: $command" [ $? -eq 3 -a "$(wc -l <err)" -eq 1 ]
    done
    ln -s /dev/full full.svg
    refuses "/dev/full: a picture" 3 "full.svg: cannot be written" plot "$a" --out full.svg
fi

# plot
for k in 1 2 3 4 5; do "$ascent" train "$a" --env $discrete --steps 5000 --seed $k --out "p$k" --quiet; done
"$ascent" plot p1 p2 p3 p4 >out
check "plot: no band of 4 seeds" grep -q 'mean of n = 4 seeds; no band: fewer than 5' out
"$ascent" plot p1 p2 p3 p4 p5 >out
"$ascent" plot many >out2
check "plot: a folder of seeds" grep -q 'mean of n = 3 seeds' out2
check "plot: a band of 5 seeds" grep -q 'mean of n = 5 seeds, 95 % bootstrap band' out
"$ascent" plot p? --out p.svg && "$ascent" plot p? --out q.svg
check "plot: the same picture again" cmp p.svg q.svg
check "plot: five seeds, a mean, a band" [ "$(grep -c 'class="seed"' p.svg) $(grep -c '<polyline class="mean"' p.svg) $(grep -c 'class="band"' p.svg)" = "5 1 1" ]
if command -v xmllint >/dev/null; then check "plot: well-formed" xmllint --noout p.svg; fi
if command -v gnuplot >/dev/null; then
    "$ascent" plot p? --out p.png
    check "plot: PNG" [ "$(head -c 4 p.png | tail -c 3)" = PNG ]
fi
(PATH=/nonexistent; "$ascent" plot p1 --out r.png >out 2>err)
check "plot: PNG without gnuplot" [ $? -eq 3 -a ! -e r.png ] &&
    check "plot: says so" grep -q 'gnuplot is not installed' err
refuses "plot: another ending" 2 "expected a name that ends in .svg or .png" plot p1 --out p.pdf
cp -r p1 bad && printf '7,1,x\n' >>bad/progress.csv
refuses "plot: a row that is none" 2 "^bad/progress.csv:[0-9]*:1: expected more steps" plot bad
"$ascent" train "$a" --env $discrete --steps 5000 --seed 1 --out other --set gamma=0.9 --quiet
"$ascent" plot p1 p2 other >out
check "plot: other settings are another curve" [ "$(grep -c 'gamma=' out)" -eq 2 ]

echo "$passed passed, $failed failed"
[ "$failed" -eq 0 ] && [ "$passed" -gt 0 ]
