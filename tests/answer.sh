#!/bin/sh
# tests/answer.sh BUILD   `ascent answer`: right answers from another program (awk, by other means) are right, near
# ones are not, and no answer is given away. And the opening's scalar tape against the library.
set -u
build=$(cd "$1" && pwd)
ascent=$build/ascent
work=$(mktemp -d) || exit 3
trap 'rm -rf "$work"' EXIT
passed=0 failed=0
pass() { passed=$((passed + 1)); }
fail() { failed=$((failed + 1)); echo "FAIL $1"; sed 's/^/    /' "$work/log"; }
# answer STATUS PATTERN ARGUMENT...
answer() {
    expected=$1 pattern=$2
    shift 2
    "$ascent" answer "$@" >"$work/log" 2>&1
    status=$?
    if [ "$status" = "$expected" ] && grep -qE -- "$pattern" "$work/log"; then pass
    else fail "answer $*: exit status $status for $expected, or not /$pattern/"; fi
}
scalar=$("$build/chapters/00-autodiff/scalar" | awk '$1 == 6 { f = $4 } $1 == 0 { x = $5 } $1 == 1 { y = $5 } END { print f, x, y }')
library=$("$build/chapters/00-autodiff/library" | awk 'NR == 1 { print $2, $4, $5 }')
echo "$scalar, $library" >"$work/log"
if [ "$scalar" = "$library" ]; then pass; else fail "the scalar tape and the library differ"; fi

cd "$(dirname "$0")/.." || exit 3
awk '
function cosh_(x) { return (exp(x) + exp(-x)) / 2 }
# Gauss elimination with pivoting: B [n x n] x = b
function solve(n,   i, j, k, p, m, t) {
    for (k = 0; k < n; k++) {
        p = k
        for (i = k + 1; i < n; i++) if (B[i, k]^2 > B[p, k]^2) p = i
        for (j = 0; j < n; j++) { t = B[k, j]; B[k, j] = B[p, j]; B[p, j] = t }
        t = b[k]; b[k] = b[p]; b[p] = t
        for (i = k + 1; i < n; i++) {
            m = B[i, k] / B[k, k]
            for (j = k; j < n; j++) B[i, j] -= m * B[k, j]
            b[i] -= m * b[k]
        }
    }
    for (i = n - 1; i >= 0; i--) {
        x[i] = b[i]
        for (j = i + 1; j < n; j++) x[i] -= B[i, j] * x[j]
        x[i] /= B[i, i]
    }
}
function e5(   s, a, j, sum, survives) {            # P, r, pi(theta = cos(s + 2a)), E5x: P less than 1
    for (s = 0; s < 5; s++) {
        norm = 0
        for (a = 0; a < 3; a++) {
            sum = 0
            for (j = 0; j < 5; j++) sum += P[s, a, j] = 1 + ((3*s + 5*a + 7*j + s*a*j) % 6)^2
            for (j = 0; j < 5; j++) P[s, a, j] /= sum
            r[s, a] = sin(1 + 2*s + 3*a)
            norm += pi[s, a] = exp(cos(s + 2*a))
        }
        for (a = 0; a < 3; a++) pi[s, a] /= norm
    }
}
BEGIN {
    e5()
    # 0.1, 0.2 by hand: f = e^{xy} q, q = 1/(1+x^2); q_x = -2x q^2, q_xx = (8x^2 q - 2) q^2
    X = 1; Y = 2; q = 1 / (1 + X*X); e = exp(X * Y); qx = -2*X*q*q; qxx = (8*X*X*q - 2) * q*q
    printf "0.1 %.15g %.15g\n", e * (Y*q + qx), e * X * q
    printf "0.2 %.15g %.15g\n", e * (Y*Y*q + 2*Y*qx + qxx), e * (q + X*Y*q + X*qx)
    n = exp(.3) + exp(-.2) + exp(.5)
    printf "0.3 %.15g %.15g %.15g\n", -exp(.3)/n, -exp(-.2)/n, 1 - exp(.5)/n
    # 1.1: iterate V under the uniform policy
    for (t = 0; t < 1500; t++) {
        for (s = 0; s < 5; s++) {
            W[s] = 0
            for (a = 0; a < 3; a++) { Q[s, a] = r[s, a]; for (j = 0; j < 5; j++) Q[s, a] += .95 * P[s, a, j] * V[j]; W[s] += Q[s, a] / 3 }
        }
        for (s = 0; s < 5; s++) V[s] = W[s]
    }
    printf "1.1 %.15g %.15g %.15g\n", Q[2, 0], Q[2, 1], Q[2, 2]
    # 1.3: d by iteration; the minimiser by its normal equations, with the double sums written out:
    # sum_j d(s) v(s) - gamma [ d(s) P(s,j) + d(j) P(j,s) ] v(j) + gamma^2 dP(s) v(s) = d r(s) - gamma sum_j d(j) P(j,s) r
    for (s = 0; s < 5; s++) d[s] = .2
    for (t = 0; t < 2000; t++) {
        for (j = 0; j < 5; j++) { W[j] = 0; for (s = 0; s < 5; s++) for (a = 0; a < 3; a++) W[j] += d[s] * pi[s, a] * P[s, a, j] }
        for (j = 0; j < 5; j++) d[j] = W[j]
    }
    g = .9
    for (s = 0; s < 5; s++) {
        b[s] = 0
        for (j = 0; j < 5; j++) B[s, j] = s == j ? (1 + g*g) * d[s] : 0
        for (a = 0; a < 3; a++) {
            b[s] += d[s] * pi[s, a] * r[s, a]
            for (j = 0; j < 5; j++) {
                B[s, j] -= g * (d[s] * pi[s, a] * P[s, a, j] + d[j] * pi[j, a] * P[j, a, s])
                b[s] -= g * d[j] * pi[j, a] * P[j, a, s] * r[j, a]
            }
        }
    }
    solve(5)
    printf "1.3 %.15g %.15g %.15g %.15g %.15g\n", x[0], x[1], x[2], x[3], x[4]
    # 2.1: X3 by rho(s) pi(a|s) A(s,a), two states in closed form
    p0 = .7; p1 = .4; g = .9
    P00 = p0*.8 + (1-p0)*.3; P10 = p1*.5 + (1-p1)*.1; r0 = p0*1 + (1-p0)*.2; r1 = p1*-.5 + (1-p1)*.7
    det = (1 - g*P00) * (1 - g*(1-P10)) - g*(1-P00) * g*P10
    V0 = ((1 - g*(1-P10)) * r0 + g*(1-P00) * r1) / det; V1 = ((1 - g*P00) * r1 + g*P10 * r0) / det
    rho0 = (1 - g*(1-P10)) / det; rho1 = g*(1-P00) / det
    printf "2.1 %.15g %.15g %.15g %.15g\n", rho0 * p0 * (1 + g*(.8*V0 + .2*V1) - V0), rho0 * (1-p0) * (.2 + g*(.3*V0 + .7*V1) - V0), \
        rho1 * p1 * (-.5 + g*(.5*V0 + .5*V1) - V1), rho1 * (1-p1) * (.7 + g*(.1*V0 + .9*V1) - V1)
    # 2.3: E[T] of E5x, step by step
    for (s = 0; s < 5; s++) p[s] = (s + 1) / 15
    for (t = 0; t < 2000; t++) {
        for (s = 0; s < 5; s++) { T += p[s]; W[s] = 0 }
        for (s = 0; s < 5; s++) for (a = 0; a < 3; a++) for (j = 0; j < 5; j++)
            W[j] += p[s] * pi[s, a] * (.70 + .25 * ((s + a) % 2)) * P[s, a, j]
        for (s = 0; s < 5; s++) p[s] = W[s]
    }
    printf "2.3 %.15g\n", T
    # 3.2: the 256 trajectories of X3, bit by bit: a_0 .. a_3, s_1 .. s_4
    split("1 .2 -.5 .7", rX); split(".8 .3 .5 .1", PX); split(".7 .3 .4 .6", pX)     # index 1 + 2 s + a; P to state 0
    for (k = 0; k < 256; k++) {
        pr = 1; S[0] = 0
        for (t = 0; t < 4; t++) {
            a_[t] = int(k / 2^t) % 2; S[t + 1] = int(k / 2^(4 + t)) % 2; i_[t] = 1 + 2 * S[t] + a_[t]
            pr *= pX[i_[t]] * (S[t + 1] ? 1 - PX[i_[t]] : PX[i_[t]])
        }
        for (i = 1; i <= 4; i++) grad[i] = 0
        for (t = 0; t < 4; t++) {
            w = t ? rX[i_[t - 1]] : 0
            for (j = t; j < 4; j++) w += g^(j - t + 1) * rX[i_[j]]
            for (i = 1; i <= 4; i++) if (int((i - 1) / 2) == S[t]) grad[i] += g^t * w * ((i == i_[t]) - pX[i])
        }
        for (i = 1; i <= 4; i++) { mean1[i] += pr * grad[i]; mean2[i] += pr * grad[i]^2 }
    }
    for (i = 1; i <= 4; i++) trace += mean2[i] - mean1[i]^2
    printf "3.2 %.15g %.15g %.15g\n", mean1[1], mean1[3], trace
    # 3.3: E[1/N] and E[2/N] - p in closed form
    pr = .2; q = 1 - pr
    printf "3.3 %.15g %.15g\n", -pr * log(pr) / q - pr, 2 * (pr / q)^2 * (q^2 / pr + log(pr) + q) - pr
}' >"$work/right"
while read -r id values; do
    answer 0 ": right, each number to" $id $values
    # each number wrong in turn, by three tolerances; and the answer is nowhere in what is printed
    tolerance=$("$ascent" answer $id $values | awk '{ t = $NF } END { print t }')
    n=$(echo "$values" | wc -w)
    for i in $(seq "$n"); do
        near=$(echo "$values" | awk -v i="$i" -v t="$tolerance" '{ $i = sprintf("%.15g", $i + 3 * t); print }')
        answer 1 ": wrong, each number to" $id $near
    done
    "$ascent" answer $id $(echo "$values" | awk '{ for (i = 1; i <= NF; i++) $i = 7 - i; print }') >"$work/log"
    if echo "$values" | awk 'NR == FNR { for (i = 1; i <= NF; i++) v[i] = substr($i, 1, 6); n = NF; next }
                             { for (i = 1; i <= n; i++) if (index($0, v[i])) exit 1 }' - "$work/log"; then pass
    else fail "$id: the answer is in what is printed"; fi
done <"$work/right"

trap_mdp() { # way back, reward for leaving, discount
    printf 'discount: %s\nstates: G B\nactions: leave stay\nstart: G\nT: leave : G : B 1\nT: stay : G : G 1\n' "$3"
    printf 'T: * : B : G %s\nT: * : B : B %s\nR: leave : G : * : * %s\nR: stay : G : * : * 0.9\n' "$1" \
        "$(awk "BEGIN { print 1 - $1 }")" "$2"
}
trap_mdp 0.01 2 0.5 >"$work/opposite.mdp"
trap_mdp 0.1 1 0.5 >"$work/same.mdp"
trap_mdp 0.1 1 0.05 >"$work/impatient.mdp"
answer 0 '2\.2: right: .*cosine is -' 2.2 "$work/opposite.mdp"
answer 1 '2\.2: wrong: .*cosine is 0|cosine is 1' 2.2 "$work/same.mdp"
answer 1 'expected at most 20 states and .5 <= gamma < 1' 2.2 "$work/impatient.mdp"
printf 'discount: 0.9\nstates: a b\nactions: x\nstart: a\nT: x : a : b 1\nT: x : b : b 0.95\nT: x : b : a 0.05\nR: * : a : * : * 1\n' >"$work/stay.mdp"
answer 0 '1\.2: right: .*absorbing is [5-9]' 1.2 "$work/stay.mdp"
sed '/b 0.95/d; s/a 0.05/a 1/' "$work/stay.mdp" >"$work/half.mdp"
answer 1 '1\.2: wrong' 1.2 "$work/half.mdp"
sed 's/start: a/start: b/' "$work/stay.mdp" >"$work/start.mdp"
answer 1 '1\.2: wrong' 1.2 "$work/start.mdp"
sed '/R:/d; s/b 0.95/b 1/; /a 0.05/d' "$work/stay.mdp" >"$work/absorbing.mdp"
answer 1 '1\.2: wrong' 1.2 "$work/absorbing.mdp"

# Action x earns `gain` three steps after the start, and costs `cost` three steps after that, whatever came before
chain_mdp() { # gain, cost, discount
    printf 'discount: %s\nstates: s a1 a2 a3 a4 a5 b1 b2 b3 b4 b5 end\nactions: x y\nstart: s\n' "$3"
    printf 'T: x : s : a1 1\nT: y : s : b1 1\nT: * : a5 : end 1\nT: * : b5 : end 1\nT: * : end : end 1\n'
    for i in 1 2 3 4; do printf 'T: * : a%d : a%d 1\nT: * : b%d : b%d 1\n' $i $((i + 1)) $i $((i + 1)); done
    printf 'R: * : a2 : * : * %s\nR: x : a5 : * : * -%s\nR: x : b5 : * : * -%s\n' "$1" "$2" "$2"
}
chain_mdp 1 0.9 0.9 >"$work/worst.mdp"          # .81 - .9 < 0; but .81 - .9^5 .9 > 0, and 1 - .9 > 0
chain_mdp 1 0.7 0.9 >"$work/best.mdp"           # .81 - .7 > 0
chain_mdp 1 1.2 0.9 >"$work/one_objective.mdp"  # .81 - 1.2 < 0; .81 - .9^5 1.2 > 0, but 1 - 1.2 < 0
chain_mdp 1 0.9 0.5 >"$work/impatient.mdp"
answer 0 '3\.1: right: .*ends at p = 0\.001' 3.1 "$work/worst.mdp"
answer 1 '3\.1: wrong: .*ends at p = 0\.999' 3.1 "$work/best.mdp"
answer 1 '3\.1: wrong: .*ends at p = 0\.001' 3.1 "$work/one_objective.mdp"
answer 1 'expected 2 actions, at most 100 states and .9 <= gamma < 1' 3.1 "$work/impatient.mdp"
answer 1 '3\.1: wrong: ' 3.1 "$work/stay.mdp"
sed "s/^T: \* : a5 : end 1/T: * : a5 : a5 1/" "$work/worst.mdp" >"$work/endless.mdp"
answer 1 "3\\.1: wrong: .*absorbing" 3.1 "$work/endless.mdp"

answer 2 'expects 2 numbers, found 1' 0.1 1
answer 2 'expected a number' 0.1 1 x
answer 2 'expected a number' 0.1 1 nan
answer 2 'no exercise 9\.9' 9.9 1
answer 2 'expected the answer to 1\.1' 1.1
answer 2 'expects an .mdp file, found 2' 1.2 a b
answer 2 'nosuch' 1.2 "$work/nosuch.mdp"
answer 0 '^2\.3 ' 
answer 0 'usage: ascent answer' --help
echo "$passed passed, $failed failed"
[ "$failed" -eq 0 ]
