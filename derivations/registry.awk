# Writes the C table of registry.h. usage: awk -f registry.awk derivations/registry.tsv SOURCES CHAPTERS
#   code     a comment in a .c file that opens with ids and two spaces:      /* PDI-6   J(pi') - ...
#                                                                            /* RF-2, RF-6   w_t = ...
#            in a file that the column `where` names, or else in the first that has one
#   check    the line where a derivation registers it:                       { "PDI-6", "...
#   chapter  where a page of the book has the id in bold, **PDI-6**: there it is treated. A page may mention it anywhere
function c_string(s,   out, i, c) {
    for (i = 1; i <= length(s); i++) {
        c = substr(s, i, 1)
        out = out (c == "\\" || c == "\"" ? "\\" : "") c
    }
    return "\"" out "\""
}

FILENAME ~ /\.tsv$/ {
    if (FNR > 1) { n = split($0, field, "\t"); row[++rows] = $0; known[field[1]] = 1; where[field[1]] = ", " field[8] "," }
    next
}
FILENAME ~ /\.md$/ {
    line = $0
    while (match(line, /\*\*[A-Z][A-Z0-9]*-[0-9]+\*\*/)) {
        id = substr(line, RSTART + 2, RLENGTH - 4); line = substr(line, RSTART + RLENGTH)
        if (!(id in known) && id !~ /^ERR-/) {
            print FILENAME ":" FNR ": the registry has no " id > "/dev/stderr"; failed = 1
        }
        if (!(id in chapter)) chapter[id] = FILENAME ":" FNR
    }
    next
}
match($0, /\/\* ([A-Z][A-Z0-9]*-[0-9]+, )*[A-Z][A-Z0-9]*-[0-9]+  /) {
    ids = split(substr($0, RSTART + 3, RLENGTH - 5), opens, ", ")
    for (i = 1; i <= ids; i++) {
        if (!(opens[i] in known)) { print FILENAME ":" FNR ": the registry has no " opens[i] > "/dev/stderr"; failed = 1 }
        named = index(where[opens[i]], ", " substr(FILENAME, 1, length(FILENAME) - 2) ",") > 0
        if (!(opens[i] in code) || (named && !at_home[opens[i]])) code[opens[i]] = FILENAME ":" FNR
        at_home[opens[i]] = at_home[opens[i]] || named
    }
}
match($0, /\{ "[A-Z][A-Z0-9]*-[0-9]+", "/) && !/\{ "ERR-/ {
    id = substr($0, RSTART + 3, RLENGTH - 7)
    if (!(id in known)) { print FILENAME ":" FNR ": the registry has no " id > "/dev/stderr"; failed = 1 }
    check[id] = FILENAME ":" FNR
}
END {
    if (failed) exit 1
    print "#include \"derivations/registry.h\"\n#include <stddef.h>\nconst registry_row registry[] = {"
    for (i = 1; i <= rows; i++) {
        split(row[i], f, "\t")
        printf "    { %s", c_string(f[1])
        for (j = 2; j <= 7; j++) printf ", %s", c_string(f[j])
        printf ", %s, %s", c_string(f[10]), c_string(f[4] == "stated" ? f[9] : "")
        printf ", %s, %s, %s },\n", c_string(code[f[1]]), c_string(check[f[1]]), c_string(chapter[f[1]])
    }
    print "    { NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL }\n};"
}
