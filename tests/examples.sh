#!/bin/sh
# The examples give the numbers that their functions have in closed form.
set -u
build=$1/chapters/examples
passed=0 failed=0
check() { # name, what awk prints nothing about when all is right
    if [ -z "$2" ]; then passed=$((passed + 1)); else failed=$((failed + 1)); echo "FAIL $1: $2"; fi
}

# f = sum e^x x^2: f' = e^x (x^2 + 2x), f'' = e^x (x^2 + 4x + 2)
out=$("$build/differentiate_twice") || out=
check differentiate_twice "$(echo "$out" | awk '
    function off(a, b) { return a - b > 1e-13 * (1 + b * b) || b - a > 1e-13 * (1 + b * b) }
    BEGIN { split("0 1 -0.5", x); split("1 1 2", v) }
    /^df/ { n++; e = exp(x[n])
            if (off($3, e * (x[n]^2 + 2 * x[n]))) print "gradient", n, $3
            if (off($7, e * (x[n]^2 + 4 * x[n] + 2) * v[n])) print "Hessian", n, $7 }
    END { if (n != 3) print "expected 3 lines, found", n }')"
# The mean of an unbiased estimator is the gradient; it says so by its exit status, and a wrong one would not.
out=$("$build/own_estimator") || out="exit status $?"
check own_estimator "$(echo "$out" | awk '
    /^theta/ { n++; if ($3 - $5 > 1e-13 || $5 - $3 > 1e-13 || $5 == 0) print }
    END { if (n != 2) print "expected 2 lines, found", n }')"
echo "$passed passed, $failed failed"
[ "$failed" -eq 0 ]
