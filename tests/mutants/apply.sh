#!/bin/sh
# tests/mutants/apply.sh BUILD [LIST]   Does every mutant of mutants.txt still apply? A name of its own, an origin, a
# text that stands on exactly one line of its file, another in its place, and a test that is there: what run.sh asks
# first, of all of them in a second.
set -u
awk 'BEGIN { RS = ""; FS = "\n" }
    function bad(why) { failed++; wrong = 1; print "FAIL " v["name"] ": " why }
    # How many lines of a file, kept as one text, hold old
    function lines_with(file, old,    line, n, i, hits) {
        if (!(file in text)) {
            text[file] = ""
            RS = "\n"; while ((getline line <file) > 0) text[file] = text[file] line "\n"; RS = ""
            close(file)
        }
        n = split(text[file], part, "\n")
        for (i = 1; i <= n; i++) hits += index(part[i], old) > 0
        return hits + 0
    }
    {
        split("", v); wrong = 0
        for (i = 1; i <= NF; i++)
            if (match($i, /^[a-z]+: */)) v[substr($i, 1, index($i, ":") - 1)] = substr($i, RLENGTH + 1)
        if (!("name" in v)) next
        split(v["test"], test, ":")
        if (seen[v["name"]]++) bad("the name is taken")
        if (v["origin"] == "") bad("no origin")
        if (v["old"] == "" || v["old"] == v["new"]) bad("nothing is changed")
        else if ((n = lines_with(v["file"], v["old"])) != 1) bad("the old text is on " n " lines of " v["file"])
        if (!lines_with("tests/" test[1] ".c", "void " test[2] "(")) bad("no test " v["test"])
        passed += !wrong
    }
    END { print passed + 0 " passed, " failed + 0 " failed"; exit failed > 0 || !passed }' "${2:-tests/mutants/mutants.txt}"
