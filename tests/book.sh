#!/bin/sh
# tests/book.sh BUILD   The weaver: a page that it wrote passes its check, and every kind of mistake in a page, a
# source, a figure or a run is found. And what of the program the book alone uses: derive --markdown.
set -u
build=$(cd "$1" && pwd)
weave=$build/chapters/weave ascent=$build/ascent
work=$(mktemp -d) || exit 3
trap 'rm -rf "$work"' EXIT
passed=0 failed=0
pass() { passed=$((passed + 1)); }
fail() { failed=$((failed + 1)); echo "FAIL $1"; sed 's/^/    /' "$work/log"; }

fresh() {                       # a source, a page, a run and a figure, woven
    rm -rf "$work/book" && mkdir "$work/book" && cd "$work/book" || exit 3
    cat >source.c <<'END'
/*[snip square]*/
static double square(double x)
{
    return x * x;
}
/*[/snip]*/
    /*[snip inner]*/
    for (;;)
        /* BEGIN SOLUTION inner */
        twice();
        /* END SOLUTION */

    /*[/snip]*/
END
    cat >page.md <<'END'
# Title
<!-- code square -->
<!-- end -->
<!-- code inner -->
<!-- end -->
A square of 12.25 and 3 more, as `1.2345` says, and 3.15.
<!-- output echo "J = 12.25 (E5), 0.5; 1700 states, 3.1458" -->
<!-- end -->
<!-- markdown echo "**A-1** 1e-3 of -2.5" -->
<!-- end -->
<!-- figure curve What it shows. -->
<!-- end -->
<!-- run score -->
<!-- end -->
<!-- claim awk -F, '$2 == 475 { found = 1 } END { exit !found }' score.csv -->
END
    printf '# regions: square\necho seed,score; echo 1,475; echo 2,480.5\n' >score.run
    printf '# data: cat data\nplot\n' >curve.gp
    printf 'x,y\n1,2.5\n' >data && cp data curve.csv
    printf '#!/bin/sh\necho "<svg/>"\n' >gnuplot && chmod +x gnuplot       # stands in for gnuplot
    PATH=$PWD:$PATH "$weave" runs source.c page.md >/dev/null
    PATH=$PWD:$PATH "$weave" write source.c page.md >"$work/log" 2>&1
}
holds() { # name
    if "$weave" check source.c page.md >"$work/log" 2>&1 && grep -q ', 0 failed' "$work/log"; then pass
    else fail "$1: the check fails"; fi
}
fails() { # name, what the message says
    if "$weave" check source.c page.md >"$work/log" 2>&1; then fail "$1: not found"
    elif ! grep -qE "$2" "$work/log"; then fail "$1: another message than /$2/"
    else pass; fi
}
# mistake NAME FILE SED MESSAGE: one line of a file changed, and the check must say so
mistake() {
    fresh
    cp "$2" before
    sed "$3" before >"$2"
    if cmp -s before "$2"; then echo "the change does nothing" >"$work/log"; fail "$1"; else fails "$1" "$4"; fi
}

fresh; holds "a woven page"
cp page.md woven.md; "$weave" write source.c page.md >/dev/null
if cmp -s page.md woven.md; then pass; else fail "weaving twice changes the page"; fi
grep -q '^for (;;)$' page.md && grep -q '^    twice();$' page.md && pass ||
    fail "a region keeps its common indentation"
grep -q SOLUTION page.md; [ $? = 1 ] && pass || fail "what an assignment takes out is marked in the page"

# pages
mistake "a digit of an output"          page.md 's/^J = 12.25/J = 12.35/'         'output .* differs'
mistake "a whole number of an output"   page.md 's/^\(J.*\)1700/\11701/'        'output .* differs'
mistake "a word of an output"           page.md 's/^J = /K = /'                   'output .* differs'
mistake "a sign"                        page.md 's/of -2.5$/of 2.5/'              'markdown .* differs'
mistake "the command above an output"   page.md 's/^\$ echo/$ printf/'            'output .* differs'
mistake "a code line"                   page.md 's/return x \* x/return x + x/'   'code square differs'
mistake "a blank in a code line"        page.md 's/return x/return  x/'           'code square differs'
mistake "an unknown region"             page.md 's/code square/code cube/'        'no region cube'
mistake "an unknown directive"          page.md 's/<!-- code inner/<!-- cod inner/' 'no such directive'
mistake "no end"                        page.md '0,/<!-- end -->/s/<!-- end -->//' 'expected <!-- end -->'
mistake "an end too many"               page.md '1s/.*/<!-- end -->/'             'nothing ends here'
mistake "a number in prose"             page.md 's/square of 12.25/square of 12.26/' '12.26 stands in no output'
mistake "a number cut off, not rounded" page.md 's/and 3.15/and 3.14/'            '3.14 stands in no output'
mistake "a caption"                     page.md 's/^\*What it/*What that/'        'figure curve .* differs'
mistake "a cell of a run's table"       page.md 's/480.5/481.5/'                  'run score differs'
mistake "a claim"                       page.md 's/== 475/== 476/'                'claim does not hold'
mistake "a command that fails"          page.md 's/^<!-- markdown echo/<!-- markdown false/' \
    'ends with 1|prints nothing'
# sources
mistake "an unused region"              page.md '/code inner/,/end -->/d'         'region inner is in no page'
mistake "a region that came sooner"     source.c 's/snip inner/snip inner later/' 'inner is in a page: no `later`'
mistake "code that moved on"            source.c 's/return x \* x/return x * x * 1/' 'code square differs'
mistake "a region twice"                source.c 's/snip inner/snip square/'      'a second region square'
mistake "a region never closed"         source.c '$d'                             'inner is never closed'
mistake "a region in a region"          source.c '6d'                             'square is still open'
mistake "an end without a region"       source.c '1d'                             'no region is open'
mistake "an empty region"               source.c '2,5d'                           'region square is empty'
mistake "31 lines"                      source.c '3s/.*/{\n\n\n\n\n\n\n\n\n\n\n\n\n\n\n\n\n\n\n\n\n\n\n\n\n\n\n/' \
        'square has 31 lines'
# figures and runs
mistake "a figure's data"               curve.csv 's/2.5/2.6/'                    'not what the command prints'
mistake "a figure's script"             curve.gp 's/plot/plot x/'                 'was not drawn from'
mistake "a figure's command"            curve.gp 's/cat data/cat page.md/'        'not what the command prints'
mistake "what the command prints"       data 's/2.5/2.6/'                         'not what the command prints'
cp data curve.csv; fails "new data under an old figure" 'was not drawn from'
mistake "a figure that is not there"    curve.svg 'd'                             'was not drawn from'
mistake "the script of a run"           score.run 's/475/474/'                    'of another script'
mistake "the code of a run"             source.c 's/return x \* x/return x * x * 1/' 'run of other code'
mistake "the hash of a run"             score.csv '1s/..$/00/'                    'of another script'
mistake "a run of an unknown region"    score.run '1s/square/cube/'               'no region cube'
mistake "a run without its regions"     score.run '1d'                            'expected a first line'

# what must not matter: the last digits of a number, and blanks
fresh
sed 's/return x \* x;/return x *\n        x;/' source.c >other.c && mv other.c source.c &&
    "$weave" write source.c page.md >"$work/log"
holds "a line of a run's code that was broken anew"
fresh
sed 's/^J = 12.25 (E5), 0.5/J =  12.2501 (E5), 0.50001/' page.md >other.md && mv other.md page.md
holds "the fifth digit of an output"
cp page.md woven.md; "$weave" write source.c page.md >/dev/null
if cmp -s page.md woven.md; then pass; else fail "a digit that does not count is written again"; fi
fresh
sed 's/^J = 12.25/J = 12.35/' page.md >other.md && mv other.md page.md && "$weave" write source.c page.md >/dev/null
holds "what the weaver wrote again"

# derive --markdown
cd "$work" || exit 3
says() { # name, pattern, command...
    name=$1 pattern=$2
    shift 2
    "$@" >log 2>&1
    if grep -qE -- "$pattern" log; then pass; else fail "$name"; fi
}
says "a title with the id in bold"      '^\*\*PGT-3\*\* on E5, gamma 0\.9'  "$ascent" derive PGT-3 E5 --markdown
says "formulas"                         '^   =\\rho_0\^T\\nabla V'          "$ascent" derive PGT-3 E5 --markdown
says "ten digits"                       '^   `-0\.4438759962`$'             "$ascent" derive PGT-3 E5 --markdown
says "an erratum's line"                '^10\. \*\*ERR-1\*\*, wrong: '      "$ascent" derive PGT-3 E5 --markdown
says "its verdict"                      '^    `-0\.04438759962`: refuted$'  "$ascent" derive PGT-3 E5 --markdown
says "a control"                        ': differs, as it must$'            "$ascent" derive MDP-17 E5 --markdown
says "rounding as 0"                    '^   `0`$'                          "$ascent" derive PGT-24 E5 --markdown
says "an inequality"                    ' at least line 1, within'          "$ascent" derive PGT-17 --markdown
says "another number of the first line" '\(number 49, where line 1 has `0\.223868334`\) = line 1'  "$ascent" derive DSB-9 --markdown
says "escaped markup"                   'rho\\_0'                           "$ascent" derive PGT-3 E5 --markdown
"$ascent" derive PGT-3 E5 --markdown --lines 4-6 >log 2>&1
if [ "$(grep -cE '^[0-9]+\. ' log)" = 3 ] && ! grep -q 'PGT-3' log; then pass; else fail "--lines 4-6"; fi
for lines in 0-1 3-2 1 1-99 1-2x x; do
    if "$ascent" derive PGT-3 E5 --markdown --lines $lines >log 2>&1; [ $? = 2 ]; then pass
    else fail "--lines $lines"; fi
done
if "$ascent" derive PGT-3 E5 --lines 1-2 >log 2>&1; [ $? = 2 ]; then pass; else fail "--lines alone"; fi

# where an id is treated; and the chapters that are finished leave none of theirs out
says "the place of an id in the book" 'chapter +chapters/01-decision-processes/chapter\.md:[0-9]+$' \
    "$ascent" list MDP-8
for id in $(seq -f 'MDP-%.0f' 19) $(seq -f 'PGT-%.0f' 7) PGT-15 PGT-16 PGT-17 $(seq -f 'PGT-%.0f' 19 21) $(seq -f 'PGT-%.0f' 23 26) \
    $(seq -f 'RF-%.0f' 15) $(seq -f 'VPG-%.0f' 9); do
    says "$id is in a chapter" 'chapter +chapters/0[0-3]-' "$ascent" list $id
done
echo "$passed passed, $failed failed"
[ "$failed" -eq 0 ]
