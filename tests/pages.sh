#!/bin/sh
# tests/pages.sh BUILD   The book as pages (`make book`): every link, picture and anchor leads somewhere, no
# formula was left unconverted, and, where chromium is installed, no page is wider than a phone.
set -u
cd "$1/book" || exit 3
passed=0 failed=0
pass() { passed=$((passed + 1)); }
fail() { failed=$((failed + 1)); echo "FAIL $1"; }

[ "$(ls ./*.html | wc -l)" -ge 6 ] && pass || fail "fewer pages than chapters"
for page in *.html; do
    twice=$(grep -oE ' id="[^"]*"' "$page" | sort | uniq -d)
    [ -z "$twice" ] && pass || fail "$page: two anchors $twice"
    left=$(sed 's/<code.*<\/code>//' "$page" | grep -nE 'class="math|<!-- |\$\$|\\\(' | head -n 3)
    [ -z "$left" ] && pass || fail "$page: left in the text: $left"
    for target in $(grep -oE '(href|src)="[^"]*"' "$page" | sed 's/^[a-z]*="//; s/"$//' | sort -u); do
        case $target in http*) continue ;; esac
        file=${target%%#*} anchor=
        case $target in *"#"*) anchor=${target#*#} ;; esac
        [ -n "$file" ] || file=$page
        if [ ! -f "$file" ]; then fail "$page: no file $target"
        elif [ -n "$anchor" ] && ! grep -qF "id=\"$anchor\"" "$file"; then fail "$page: no anchor $target"
        else pass; fi
    done
done
# Pages are reachable from the first one by `next`.
page=index.html seen=0
[ -f "$(grep -oE 'href="[0-9][^"]*"' index.html | head -n 1 | sed 's/href="//; s/"//')" ] && pass ||
    fail "index.html: no chapter"
page=$(grep -oE 'href="[0-9][^"]*"' index.html | head -n 1 | sed 's/href="//; s/"//')
while [ -n "$page" ] && [ "$seen" -lt 100 ]; do
    seen=$((seen + 1))
    page=$(grep -oE 'href="[^"]*" rel="next"' "$page" | sed 's/href="//; s/".*//')
done
[ "$seen" -eq $(($(ls ./*.html | wc -l) - 1)) ] && pass || fail "from the first page on: $seen pages"

browser=$(command -v chromium || command -v chromium-browser || command -v google-chrome)
if [ -n "$browser" ]; then
    # each page in a frame as wide as a phone says how wide its contents are (a window cannot be that narrow)
    mkdir width && pages=$(ls ./*.html) && cp ./*.css ./*.svg width
    for page in $pages; do
        sed "s|</body>|<script>onload = () => parent.postMessage('$page ' + innerWidth + ' ' + document.documentElement.scrollWidth, '*')</script></body>|" \
            "$page" >"width/$page"
        echo "<iframe src=\"$page\" style=\"width: 390px; height: 800px; border: 0\"></iframe>"
    done >width/frames
    { printf '%s\n' '<pre></pre><script>onmessage = m => document.querySelector("pre").append("width " + m.data + "\n")</script>'
      cat width/frames; } >width/all.html
    "$browser" --headless --no-sandbox --disable-gpu --virtual-time-budget=20000 --dump-dom \
        "file://$PWD/width/all.html" \
        >width/log 2>/dev/null
    for page in $pages; do
        widths=$(sed -n "s|.*width $page ||p" width/log)
        [ -n "$widths" ] && [ "${widths% *}" -eq 390 ] && [ "${widths#* }" -le 390 ] && pass ||
            fail "$page: window and contents are '$widths' wide"
    done
    rm -r width
else
    echo "chromium is not installed: widths are not looked at"
fi
echo "$passed passed, $failed failed"
[ "$failed" -eq 0 ]
