#!/bin/sh
# tests/faults.sh BUILD   Every allocation of a command fails in turn, once and for ever (tests/faults/faults.c):
# the program says so in one line, ends with 5, has printed all or nothing, and has changed no file. FAULTS=all
# takes a whole table and more derivations too.
set -u
faults=$(cd "$1" && pwd)/tests/faults/faults
ascent=$(cd "$1" && pwd)/ascent
examples=$(cd "$(dirname "$0")/../chapters/examples" && pwd)
work=$(mktemp -d) || exit 3
trap 'rm -rf "$work"' EXIT
mkdir "$work/in" && cd "$work/in" || exit 3
passed=0 failed=0

cat >two.mdp <<'END'
discount: 0.9
values: reward
states: left right
actions: stay go
start: left
T: stay identity
T: go : left : right 0.75
T: go : left : left 0.25
T: go : right uniform
R: stay : right : * 1
R: go : left : right 2
END
sed 's/0.25/0.35/' two.mdp >wrong.mdp
sed '1s/0.9/1/' two.mdp >ring.mdp
printf 'discount: 0.5\nvalues: cost\nstates: 1\nactions: 1\nT: * identity\nR: * : * : * %01200d\n' 1 >long.mdp
printf '# pi\n0.5,0 # %0200d\n0,1' 0 >pi.csv
printf '1,0\n0,2\n' >pi1.csv
printf '1,0\n0,x\n' >wrong.csv
printf 's,action,t\n0,1,0\n1,0,5\n' >steps.csv
cksum ./* >../before

# whole|lines ARGUMENT...: stdout must be all or nothing, or whole lines of it
faults() {
    if "$faults" "$@" >../log 2>&1; then passed=$((passed + 1)); echo "ok $*: $(tail -n 1 ../log)"
    else failed=$((failed + 1)); echo "FAIL $*:"; cat ../log; fi
}

faults whole
faults whole --help
faults whole nosuch
faults whole solve --help
faults whole solve
faults whole solve --nosuch
faults whole solve two.mdp
faults whole solve two.mdp --policy pi.csv --against pi1.csv --fisher --optimal
faults whole solve two.mdp --policy pi.csv --against pi1.csv --fisher --optimal --json
faults whole solve two.mdp --gamma 2
faults whole solve ring.mdp
faults whole solve nosuch.mdp
faults whole solve wrong.mdp
faults whole solve long.mdp
faults whole solve .
faults whole solve NoSuch-v1
faults whole solve two.mdp --policy nosuch.csv
faults whole solve two.mdp --policy wrong.csv
faults whole solve two.mdp --policy .
faults whole solve E5
faults whole derive PGT-24 two.mdp --markdown
faults whole lqr "$examples/rooms.lqr" --gain "$examples/rooms.csv"
faults whole lqr "$examples/rooms.lqr" --gain "$examples/rooms.csv" --json
faults whole lqr "$examples/rooms.lqr" --gain two.mdp
faults whole lqr two.mdp --gain two.mdp
faults whole answer
faults whole answer 1.3 1 2 3 4 5
faults whole answer 1.2 two.mdp
faults whole answer 2.2 two.mdp
faults lines verify --id PDI-6 two.mdp
faults whole verify --id PDI-6 two.mdp --policy pi.csv --json
faults whole verify --unbound
faults whole verify --id NOPE
faults whole verify two.mdp nosuch.mdp
faults whole derive PDI-1 two.mdp
faults whole derive NOPE
faults whole list
faults whole list PDI-6
faults whole list NOPE
faults whole env
faults whole env CartPole-v1
faults lines env two.mdp --check
faults whole env two.mdp --export
faults whole env two.mdp --transitions steps.csv
faults whole env two.mdp --transitions wrong.csv
faults whole env NOPE
"$ascent" train reinforce --env two.mdp --limit 5 --steps 60 --set hidden=2 --out ../run --quiet
"$ascent" train reinforce --env two.mdp --limit 5 --steps 60 --set hidden=2 --out ../run2 --seed 2 --quiet
faults whole train nosuch --env two.mdp
faults whole train reinforce --env nosuch.mdp --out ../new
faults whole train reinforce --env two.mdp --out ../run
faults lines train --resume --out ../run
faults whole eval ../run --episodes 3
faults whole eval ../run --episodes 3 --greedy --json
faults whole eval ../new
faults whole plot ../run ../run2
faults whole plot ../run --out ../curve.svg
printf '1,1,0\n2,0,1\n' >../critic.csv
faults whole estimate two.mdp --horizon 1 --estimator gae --critic ../critic.csv
faults whole estimate two.mdp --horizon 1 --all --critic ../critic.csv --plot ../bias.svg
faults whole bounds --mdps 1 --plot ../tight.svg
faults lines watch ../run --episodes 1
faults whole watch ../run --episodes 1 --svg ../film.svg
faults whole explain nosuch
faults whole improve --help
faults whole improve cpi two.mdp --policy pi.csv --iterations 2
faults whole improve trpo_mm two.mdp --iterations 2 --json
faults whole improve dual_gradient two.mdp --iterations 2 --set steps=2 --out ../improved.csv
if [ "${FAULTS:-}" = all ]; then
    faults whole train --help
    faults whole plot ../run --out ../curve.png
    faults lines verify two.mdp
    faults whole verify two.mdp E5 --id PDI-1 --json
    faults whole solve FrozenLake-v1 --optimal --json
    for id in MDP-12 PGT-3 PGT-8 BL-5 PDI-6 TRPO-20 NPG-3 NPG-7 KL-10; do
        faults whole derive "$id" two.mdp
    done
fi

cksum ./* >../after
if cmp -s ../before ../after; then passed=$((passed + 1))
else failed=$((failed + 1)); echo "FAIL a file was changed:"; diff ../before ../after; fi
echo "$passed passed, $failed failed"
[ "$failed" -eq 0 ]
