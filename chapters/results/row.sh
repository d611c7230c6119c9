#!/bin/sh
# chapters/results/row.sh ALGORITHM ENV STEPS SEEDS [--set NAME=VALUE]...   Trains from seeds 2001, 2002, ... on and plays
# 100 episodes (EPISODES=N: N) with each of the last policies, the actions drawn, and again the most likely ones. Prints
#     env,steps,seeds,drawn,low,high,worst,greedy,low,high,worst
# of both the mean over the seeds, its 95 % bootstrap interval, and the worst seed's mean.
set -eu
algorithm=$1 env=$2 steps=$3 seeds=$4
shift 4
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
ascent train "$algorithm" --env "$env" --steps "$steps" --seeds "$seeds" --seed 2001 "$@" --out "$work/runs" --quiet
scores() {
    ascent eval "$work/runs" --episodes "${EPISODES:-100}" "$@" >"$work/scores"
    awk '/^seed / && (n++ == 0 || $5 < worst) { worst = $5 }
         /^mean over / { printf "%.1f,%.1f,%.1f,%.1f", $5, $(NF - 2), $NF, worst }' "$work/scores"
}
echo "$env,$steps,$seeds,$(scores),$(scores --greedy)"
