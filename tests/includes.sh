#!/bin/sh
# Who may include whom: each room includes rooms below it only, and linalg.c alone includes BLAS and LAPACK.
set -u
passed=0 failed=0
check() { # name, files, pattern of includes that are not allowed there
    hits=$(grep -nE "^#include \"($3)" $2 /dev/null)
    if [ -z "$hits" ]; then passed=$((passed + 1)); else failed=$((failed + 1)); echo "FAIL $1:"; echo "$hits"; fi
}
check "autodiff/ knows only itself" "autodiff/*.[ch]" 'envs/|algorithms/|derivations/|chapters/|tests/'
check "envs/ knows the ground floor" "envs/*.[ch]" \
    'algorithms/|derivations/|chapters/|tests/|autodiff/[^ralo]|autodiff/ad|autodiff/optim'
check "algorithms/ know env.h and draw.h only" "algorithms/*.[ch]" \
    'envs/([^de]|d[^r]|dr[^a]|e[^n]|en[^v]|env[^.])|derivations/|chapters/|tests/'
check "derivations/ stand below the book" "derivations/*.[ch]" 'chapters/|tests/'
blas=$(grep -lE '^#include <(cblas|lapacke)\.h>' autodiff/*.[ch] envs/*.[ch] algorithms/*.[ch] derivations/*.[ch] ascent.c 2>/dev/null)
if [ "$blas" = autodiff/linalg.c ]; then passed=$((passed + 1))
else failed=$((failed + 1)); echo "FAIL cblas.h or lapacke.h in: $blas"; fi
echo "$passed passed, $failed failed"
[ "$failed" -eq 0 ]
