#!/bin/sh
# chapters/book.sh BUILD   The book as pages that need no network: BUILD/book/index.html. Needs pandoc.
set -eu
cd "$(dirname "$0")/.."
out=$1/book
command -v pandoc >/dev/null || { echo "ascent: the book needs pandoc (Debian: pandoc)" >&2; exit 2; }
rm -rf "$out"
mkdir -p "$out"
cp chapters/book.css "$out"

pages=                                  # NAME=FILE, in reading order
for file in chapters/[0-9]*/chapter.md; do
    folder=${file%/chapter.md}
    pages="$pages ${folder#chapters/}=$file"
done
pages="$pages results=chapters/results/chapter.md notation=chapters/notation.md bibliography=chapters/bibliography.md"

title() { sed -n 's/^# //p' "$1" | head -n 1; }
page() { # NAME TITLE BEFORE AFTER CONTENTS FILE
    pandoc --from gfm+tex_math_dollars-yaml_metadata_block --to html5 --mathml --standalone \
        --template chapters/book.html --lua-filter chapters/book.lua $5 \
        --metadata pagetitle="$2" --variable page="$1" --variable before="$3" --variable after="$4" \
        --output "$out/$1.html" "$6"
}

index=$out/index.md
printf '# Ascent: policy gradients, every equation checked\n\n' >"$index"
before=index
set -- $pages
while [ $# -gt 0 ]; do
    name=${1%%=*} file=${1#*=}
    shift
    after=${1:-}
    page "$name" "$(title "$file")" "$before" "${after%%=*}" --toc "$file"
    for figure in "${file%/*}"/*.svg; do
        [ "${file##*/}" = chapter.md ] && [ -e "$figure" ] && cp "$figure" "$out/$name.${figure##*/}"
    done
    printf -- '- [%s](%s.html)\n' "$(title "$file")" "$name" >>"$index"
    before=$name
done
page index "Contents" "" "" "" "$index"
rm "$index"
echo "$out/index.html"
