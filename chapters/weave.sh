#!/bin/sh
# chapters/weave.sh BUILD [check|write|runs]   The weaver (chapters/weave.c) over all of the book.
set -u
build=$(cd "$1" && pwd)
cd "$(dirname "$0")/.." || exit 3
LC_ALL=C PATH=$build:$PATH exec "$build/chapters/weave" "${2:-check}" \
    autodiff/*.[ch] envs/*.[ch] algorithms/*.[ch] derivations/*.[ch] chapters/*/*.c chapters/*/chapter.md chapters/*.md
