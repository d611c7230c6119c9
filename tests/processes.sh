#!/bin/sh
# tests/processes.sh BUILD   Runs of several processes, from outside: signals, kills of any of them, what is left then,
# and, where mpirun is installed, the same bytes over MPI.
set -u
build=$1
ascent=$(cd "$build" && pwd)/ascent
dir=$(mktemp -d) || exit 3
trap 'rm -rf "$dir"' EXIT
passed=0 failed=0
ok()  { passed=$((passed + 1)); }
bad() { failed=$((failed + 1)); echo "FAIL $1"; }
holds() { name=$1; shift; if "$@" >"$dir/said" 2>&1; then ok; else bad "$name"; head -5 "$dir/said"; fi; }
train() { "$ascent" train ppo_parallel --env CartPole-v1 --seed 3 --quiet "$@"; }
others() { ps -o pid= --ppid "$1"; }                    # of a run, but for its first process
gone() { for p in $*; do case $(ps -o stat= -p "$p") in '' | Z*) ;; *) return 1 ;; esac; done; return 0; }    # Z: for init
gone_soon() { for k in $(seq 100); do gone "$@" && return 0; sleep 0.1; done; return 1; }
begin() { # DIR PROCESSES: a long run, in pid; its other processes in workers
    rm -rf "$1"
    (exec "$ascent" train ppo_parallel --env CartPole-v1 --seed 3 --quiet --steps 20000 --set processes="$2" --save-every 0 \
        --out "$1" 2>"$dir/said") & pid=$!
    until [ -s "$1/timing.csv" ] && [ "$(wc -l <"$1/timing.csv")" -gt 1 ]; do sleep 0.05; done
    workers=$(others $pid)
    [ "$(echo $workers | wc -w)" -eq $(($2 - 1)) ] && ok || bad "$2 processes: found $workers"
}
goes_on() { # DIR PROCESSES: to where a run that was never stopped is
    holds "it goes on" "$ascent" train --resume --out "$1" --quiet
    train --set processes="$2" --steps 20000 --out "$dir/whole"
    holds "to the same bytes" cmp "$1/checkpoint" "$dir/whole/checkpoint"
    holds "and the same rows" cmp "$1/progress.csv" "$dir/whole/progress.csv"
    rm -rf "$dir/whole"
}

# 1. A signal, to the first process or to all: saved, one line, nobody left
for k in 1 2 3 4; do
    signal=HUP expected=129                             # a shell's background ignores INT
    [ $((k % 2)) -eq 0 ] && signal=TERM expected=143
    begin "$dir/run" 3
    to=$pid
    [ $k -gt 2 ] && to="$workers $pid"
    kill -$signal $to
    wait $pid
    status=$?
    [ $status -eq $expected ] && grep -q 'saved' "$dir/said" && [ "$(wc -l <"$dir/said")" -eq 1 ] && ok ||
        bad "SIG$signal to $to: exit status $status: $(cat "$dir/said")"
    holds "SIG$signal: nobody is left" gone_soon $workers
    [ $k -eq 1 ] && goes_on "$dir/run" 3
done

# 2. The first process is killed: the others leave
for n in 2 5; do
    begin "$dir/run" $n
    kill -9 $pid
    wait $pid 2>/dev/null
    holds "killed: nobody of $n is left" gone_soon $workers
    goes_on "$dir/run" $n
done

# 3. Another one is killed: one line, its signal, nobody left, and what was saved stands
begin "$dir/run" 4
one=$(echo $workers | cut -d ' ' -f 2)
kill -9 "$one"
wait $pid
status=$?
[ $status -eq 137 ] && [ "$(wc -l <"$dir/said")" -eq 1 ] && grep -q "(pid $one) was ended by signal 9" "$dir/said" && ok ||
    bad "a worker killed: exit status $status: $(cat "$dir/said")"
holds "a worker killed: nobody is left" gone_soon $workers
goes_on "$dir/run" 4

# 4. What rank 0 cannot go on from: one line, nobody left waiting
cp -r "$dir/run" "$dir/damaged" && printf x >>"$dir/damaged/checkpoint"
timeout 10 "$ascent" train --resume --out "$dir/damaged" --steps 30000 >"$dir/said" 2>&1
[ $? -eq 2 ] && [ "$(wc -l <"$dir/said")" -eq 1 ] && grep -q 'expected the checksum' "$dir/said" && ok ||
    bad "a damaged checkpoint: $(cat "$dir/said")"
timeout 10 "$ascent" train ppo_parallel --env lqr --set processes=4 --set lr=1e5 --out "$dir/inf" --quiet >"$dir/said" 2>&1
[ $? -eq 4 ] && [ "$(wc -l <"$dir/said")" -eq 1 ] && ok || bad "not finite in all: $(cat "$dir/said")"
"$ascent" explain ppo_parallel >"$dir/said"             # g_1, g_2, their mean, one process's gradient
awk '/ (W|b)\[/ { n++; d = ($2 + $3) / 2 - $4; if (d * d > 1e-10 || $4 != $5) wrong++ } END { exit !(n > 10 && !wrong) }' "$dir/said" &&
    ok || bad "explain: the mean is not the joined batch's"

# 5. Over MPI: the bytes of forked processes, whoever goes on with them. FAULTS=all makes the whole program by make MPI=1,
# else the one object that differs is linked before the library.
mpi_program() {
    [ "${FAULTS:-}" != all ] || { make --no-print-directory -s MPI=1 BUILD="$build/mpi" "$build/mpi/ascent"; return; }
    mkdir -p "$build/mpi" && mpicc -std=c11 -D_POSIX_C_SOURCE=200809L -I. -O2 -DASCENT_MPI -o "$build/mpi/ascent" \
        algorithms/processes_mpi.c "$build/ascent.o" "$build/libascent.a" -lgsl -llapacke -lopenblas -ljansson -lm -pthread
}
train --set processes=3 --steps 3000 --out "$dir/forked"
if command -v mpirun >/dev/null && command -v mpicc >/dev/null; then
    holds "the program with MPI" mpi_program
    export OMPI_ALLOW_RUN_AS_ROOT=1 OMPI_ALLOW_RUN_AS_ROOT_CONFIRM=1 OMPI_MCA_rmaps_base_oversubscribe=1
    mpi() { n=$1; shift; mpirun -n "$n" "$build/mpi/ascent" train "$@"; }
    holds "over MPI" mpi 3 ppo_parallel --env CartPole-v1 --seed 3 --steps 3000 --quiet --out "$dir/mpi"
    for f in checkpoint progress.csv config.json; do holds "MPI: the same $f" cmp "$dir/forked/$f" "$dir/mpi/$f"; done
    holds "MPI goes on with forked" mpi 3 --resume --steps 6000 --quiet --out "$dir/forked"
    holds "forked goes on with MPI" "$ascent" train --resume --steps 6000 --quiet --out "$dir/mpi"
    holds "to the same bytes" cmp "$dir/forked/checkpoint" "$dir/mpi/checkpoint"
    "$ascent" explain ppo_parallel >"$dir/explained"
    mpirun -n 2 "$build/mpi/ascent" explain ppo_parallel >"$dir/by_mpi" 2>&1
    [ $? -eq 0 ] && cmp -s "$dir/explained" "$dir/by_mpi" && ok || bad "explain over MPI: $(tail -5 "$dir/by_mpi")"
    mpi 2 ppo_parallel --env CartPole-v1 --quiet --set processes=3 --out "$dir/none" >"$dir/said" 2>&1
    [ $? -eq 2 ] && [ ! -e "$dir/none" ] && grep -q 'mpirun: expected -n 3' "$dir/said" && ok || bad "two of three: $(cat "$dir/said")"
    mpirun -n 2 "$ascent" train ppo_parallel --env CartPole-v1 --quiet --out "$dir/none" >"$dir/said" 2>&1
    [ $? -eq 2 ] && [ ! -e "$dir/none" ] && grep -q 'make MPI=1' "$dir/said" && ok || bad "without MPI: $(cat "$dir/said")"
else
    echo "MPI is not installed (Debian: libopenmpi-dev): ppo_parallel was tested over sockets only"
fi

echo "$passed passed, $failed failed"
[ "$failed" -eq 0 ] && [ "$passed" -gt 0 ]
