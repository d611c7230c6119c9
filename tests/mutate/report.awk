# awk -f report.awk survivors.txt mutants results   See run.sh: the table, and what survived without a reason.
# awk -f report.awk survivors.txt chosen            `survived - FILE NUMBER` for each that has a reason
# survivors.txt is read in paragraphs of `file:`, `line:` (its text), `change:`, and `same:` or `why:`. Of several lines
# each has all the changes.
BEGIN { FS = OFS = "\t" }

FILENAME ~ /survivors[.]txt$/ {
    if ($0 == "") n_lines = n_changes = 0
    if ($0 ~ /^#/ || $0 !~ /^(file|line|change|same|why): /) next
    field = substr($0, 1, index($0, ":") - 1)
    value = substr($0, index($0, ":") + 2)
    if (field == "file") file = value
    if (field == "line") lines[++n_lines] = value
    if (field == "change") changes[++n_changes] = value
    if (field == "why" || field == "same")
        for (l = 1; l <= n_lines; l++)
            for (i = 1; i <= n_changes; i++) why[file, lines[l], changes[i]] = field
    next
}

FILENAME ~ /chosen$/ {
    listing = 1
    if (($1, $7, $5) in why) print "survived", "-", $1, $2
    next
}

FILENAME ~ /mutants$/ {
    key[$1, $2] = $1 SUBSEP $7 SUBSEP $5
    kind[$1, $2] = $5 ~ /^([0-9.]|true|false)/ ? "numbers" : "signs and operators"
    at[$1, $2] = $1 ":" $3 " " $4 ": " $5 "   " $7
    known[key[$1, $2]]++
    looked[$1] = 1
    next
}

{
    mutant = $3 SUBSEP $4
    if (!($3 in tried)) { tried[$3] = equal[$3] = killed[$3] = 0; files[++n_files] = $3 }
    if ($1 == "same" || $1 == "invalid") { none[$1]++; next }
    of = substr($3, 1, index($3, "/")) SUBSEP kind[mutant]
    tried[$3]++
    tried[of]++
    if ($1 == "killed") { killed[$3]++; killed[of]++; next }
    survived_key[key[mutant]]++
    if (key[mutant] in why) {
        if (why[key[mutant]] == "same") { equal[$3]++; equal[of]++ }
        explained++
        next
    }
    unexplained[++n_unexplained] = at[mutant]
}

function percent(k, n) { return n ? sprintf("%.1f%%", 100 * k / n) : "-" }

# Wilson's 95% interval of the rate of which k in n are a sample
function interval(k, n,    z2, middle, half) {
    z2 = 1.959964 ^ 2
    if (n == 0) return "-"
    middle = (k + z2 / 2) / (n + z2)
    half = sqrt(z2 * (k * (n - k) / n + z2 / 4)) / (n + z2)
    return sprintf("%.1f .. %.1f%%", 100 * (middle - half), 100 * (middle + half))
}

# killed of the mutants, and of all that were tried, the same or not
function row(name, tried, same, killed) {
    printf "%-42s %8d %8d %8d %8s %8s\n", name, tried, same, killed, percent(killed, tried - same), percent(killed, tried)
}

END {
    if (listing) exit
    for (i = 2; i <= n_files; i++)                                      # sorted by name
        for (j = i; j > 1 && files[j] < files[j - 1]; j--) {
            t = files[j]; files[j] = files[j - 1]; files[j - 1] = t
        }
    printf "%-42s %8s %8s %8s %8s %8s\n", "file", "tried", "the same", "killed", "of those", "of all"
    for (i = 1; i <= n_files; i++) {
        f = files[i]
        row(f, tried[f], equal[f], killed[f])
        folder = substr(f, 1, index(f, "/"))
        if (!(folder in in_it)) folders[++n_folders] = folder
        in_it[folder]
    }
    n_kinds = split("signs and operators,numbers", kinds, ",")
    for (i = 1; i <= n_folders; i++)
        for (k = 1; k <= n_kinds; k++) {
            of = folders[i] SUBSEP kinds[k]
            row(folders[i] " " kinds[k], tried[of] + 0, equal[of] + 0, killed[of] + 0)
            passed += killed[of]
            mutants = tried[of] - equal[of]
            print "    " interval(killed[of] + 0, mutants) " of all of these, by this sample"
            if (k == 1 && mutants >= 80 && killed[of] < 0.95 * mutants) {
                print "FAIL " folders[i] ": fewer than 95 in 100 of its signs and operators are killed"
                failed++
            }
        }
    printf "%d compile to the same bits, %d do not compile; %d survivors are explained\n", none["same"],
        none["invalid"], explained
    for (i = 1; i <= n_unexplained; i++) print "FAIL survives: " unexplained[i]
    failed += n_unexplained
    for (k in why) {
        split(k, part, SUBSEP)
        if (!(part[1] in looked)) continue
        what = part[1] ": " part[3] "   " part[2]
        if (!(k in known)) print "FAIL survivors.txt: there is no such mutant: " what
        else if (ENVIRON["ALL"] && !(k in survived_key)) print "FAIL survivors.txt: is killed now: " what
        else continue
        failed++
    }
    printf "%d passed, %d failed\n", passed + explained, failed
    exit failed > 0 || passed == 0
}
