# Read by tests/grade.sh, once for each kind of sandbox: submissions that attack. Each is the skeleton and its attack,
# so that nothing in it is right: it must score 0, in time, with a report in order, nothing changed outside, and no
# process left.

count=0
most_seconds=20                                     # 8 to compile, 8 of checks, the last one's 2, the rest
outside=$work/outside
rm -rf "$outside"
mkdir "$outside"
chmod 777 "$outside"
echo untouched >"$outside/file"
chmod 666 "$outside/file"

processes() {                                       # of this test's gradings: their folder is an argument or mounted
    for p in /proc/[0-9]*; do
        { cat "$p/cmdline" "$p/mountinfo" | grep -aq "$work/tmp/ascent-grade" && echo "${p#/proc/}"; } 2>/dev/null
    done
}

# repelled [PATTERN]: which the report says
repelled() {
    began=$(date +%s)
    PATH=$search "$ascent" grade 3 "$dir" --format json >"$work/json" 2>"$work/err"
    status=$?
    took=$(($(date +%s) - began))
    if [ $status != 1 ]; then fail "$name" "exit status $status: $(head -n 3 "$work/err")"
    elif ! awk -f "$work/json.awk" "$work/json" >"$work/flat"; then fail "$name" "$(tail -n 1 "$work/flat")"
    elif ! grep -q '^score 0\.0$' "$work/flat"; then fail "$name" "$(grep '^score' "$work/flat")"
    elif [ "$(grep -c 'max_score' "$work/flat")" != 17 ]; then
        fail "$name" "a report of $(grep -c max_score "$work/flat") checks"
    elif ! grep -q -- "${1:-.}" "$work/json"; then
        fail "$name" "does not say $1: $(cut -c 1-600 "$work/json" | head -n 8)"
    elif [ "$took" -gt $most_seconds ]; then fail "$name" "took $took s"
    elif [ "$(ls "$outside")" != file ] || [ "$(cat "$outside/file")" != untouched ]; then
        fail "$name" "changed a file"
    elif [ -n "$(ls "$work/tmp")" ]; then fail "$name" "left $(ls "$work/tmp")"
    elif left=$(processes); [ -n "$left" ]; then fail "$name" "left processes: $left"
    else pass; fi
}

# attack NAME: the skeleton, with what stands on stdin in front of returns.c, in a constructor
attack() {
    begin "$1"
    {
        cat <<'C'
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/types.h>
#include <unistd.h>
__attribute__((constructor)) static void begin(void)
{
C
        cat
        echo '}'
    } >"$work/attack"
    in_front returns.c <"$work/attack"
}

attack endless_loop <<'C'
    for (volatile int i = 0;; i++) {}
C
repelled 'over its time'

attack sleeps <<'C'
    for (;;) sleep(1000);
C
repelled 'over its time'

attack fork_bomb <<'C'
    for (;;) if (fork() < 0 && errno != EAGAIN && errno != EPERM) _exit(3);
C
repelled

attack left_behind <<'C'
    if (fork() == 0) {
        setsid();
        if (fork() == 0) for (;;) sleep(1000);
        _exit(0);
    }
    setsid();
C
repelled

attack leaves_its_group <<'C'
    setpgid(0, getpgid(getppid()));
    setpgid(0, 1);
    for (;;) sleep(1000);
C
repelled 'over its time'

attack crash <<'C'
    *(volatile int *)8 = 1;
C
repelled 'where it has no memory'

attack prints_pass <<'C'
    for (int i = 0; i < 40; i++) printf("ok %d - all of 100 points\n== 3.2 == 15/15\nPASS\nScore: 100/100\n", i);
    printf("{\"score\": 100.0, \"tests\": []}\n# score: 100 of 100\n\033[2J\a");
    fflush(stdout);
    _exit(0);
C
repelled 'exit status 0'

attack exit_0 <<'C'
    exit(0);
C
repelled 'exit status 0'

attack closes <<'C'
    for (int fd = 0; fd < 1024; fd++) close(fd);
    for (;;) {}
C
repelled

attack flood <<'C'
    char part[4096];
    memset(part, 'x', sizeof part);
    for (;;) if (write(1, part, sizeof part) < 0) _exit(1);
C
repelled

attack memory <<'C'
    for (size_t n = (size_t)1 << 30; n > 4096;) {
        char *p = malloc(n);
        if (p) memset(p, 1, n);
        else n /= 2;
    }
    for (;;) if (malloc(64)) {}
C
repelled

attack stack <<'C'
    char part[1 << 20];
    memset(part, 1, sizeof part);
    if (write(-1, part, 1) < 0) begin();
C
repelled 'signal 11'

# Answers in the question's stead, and questions read away
attack forges <<'C'
    double part[2000];
    for (int i = 0; i < 2000; i++) part[i] = 1;
    for (;;) if (write(3, part, sizeof part) < 0) _exit(0);
C
repelled

attack swallows <<'C'
    char part[65536];
    while (read(3, part, sizeof part) > 0) {}
C
repelled

attack kills <<'C'
    kill(-1, SIGKILL);
    kill(getppid(), SIGKILL);
    for (int p = 2; p < 70000; p++) if (p != getpid()) kill(p, SIGKILL);
C
repelled

attack writes <<C
    static const char *const path[] = { "$outside/file", "$outside/new", "/tmp/new", "/out/student.so", "/student.so",
        "/src/returns.c", "$work/tap", "$build/ascent", "new", "../new", "/etc/new", "/dev/shm/new" };
    signal(SIGXFSZ, SIG_IGN);
    for (size_t i = 0; i < sizeof path / sizeof *path; i++) {
        int fd = open(path[i], O_WRONLY | O_CREAT | O_TRUNC, 0666);
        if (fd >= 0 && write(fd, "changed", 7) == 7) printf("CHANGED: %s written\n", path[i]);
        if (unlink(path[i]) == 0) printf("CHANGED: %s removed\n", path[i]);
        if (chmod(path[i], 0) == 0) printf("CHANGED: %s unreadable\n", path[i]);
    }
    fflush(stdout);
C
repelled
if grep -q 'CHANGED' "$work/json"; then
    fail "$name" "$(grep -Eo 'CHANGED: [^ ]* [a-z]*' "$work/json" | head -n 3)"; else pass; fi

# What must not be seen from inside: the reference, the students' and the system's secrets
attack reads <<C
    static const char *const path[] = { "$root/algorithms/returns.c", "$build/libascent.a", "$build/handouts/3/returns.c",
        "$build/algorithms/returns.o", "/proc/1/environ", "/etc/shadow", "/etc/passwd", "$outside/file" };
    for (size_t i = 0; i < sizeof path / sizeof *path; i++)
        if (open(path[i], O_RDONLY) >= 0) printf("%s was read\n", path[i]);
    if (getenv("HOME") || getenv("USER") || getenv("PWD_SECRET")) printf("the environment was read\n");
    fflush(stdout);
C
PWD_SECRET=1 repelled
if grep -q 'was read' "$work/json"; then
    fail "$name" "$(grep -o '[^ |]* was read' "$work/json" | head -n 3)"; else pass; fi

# Nothing to build on: zeros, and what is right for zeros; not numbers, which must not stop the grader either
begin zeros
body returns.c returns_to_go <<'C'
    for (int t = 0; t < T; t++) G[t] = 0;
C
body reinforce.c reinforce_w <<'C'
    for (int t = 0; t < T; t++) w[t] = -b;
C
body reinforce.c reinforce_next_b <<'C'
    return b - rate * b;
C
body reinforce.c reinforce_objective <<'C'
    return ad_scale(0, ad_dot(logp, w));
C
body reinforce.c reinforce_gradient <<'C'
    for (int i = 0; i < p->n; i++) g[i] = 0;
C
repelled 'expected'

begin not_numbers
in_front reinforce.c <<'C'
#include <math.h>
C
body returns.c returns_to_go <<'C'
    for (int t = 0; t < T; t++) G[t] = 0.0 / 0 * r[0];
C
body reinforce.c reinforce_w <<'C'
    for (int t = 0; t < T; t++) w[t] = t % 2 ? INFINITY : NAN;
C
body reinforce.c reinforce_w_gamma_t <<'C'
    for (int t = 0; t < T; t++) w[t] = INFINITY;
C
body reinforce.c reinforce_gradient <<'C'
    for (int i = 0; i < p->n; i++) g[i] = i % 2 ? INFINITY : 1e308;
C
repelled 'expected'

# ---- at compile time ----
for path in "$root/algorithms/returns.c" ../../../../../../../../..$root/algorithms/returns.c \
            "$build/handouts/3/returns.c" \
    /assignments/../handouts/3/returns.c; do
    count=$((count + 1))
    begin "includes$count"
    echo "#include \"$path\"" >"$dir/returns.c"
    repelled
done

begin links_to_reference
rm "$dir/returns.c"
ln -s "$root/algorithms/returns.c" "$dir/returns.c"
repelled 'expected a plain file'

begin embeds_object
in_front returns.c <<C
__asm__(".section .text\n.globl stolen\nstolen: .incbin \"$build/algorithms/returns.o\"\n");
C
repelled

for symbol in 'void answer_question(const void *q, void *a) { (void)q; (void)a; }' 'int main(void) { return 0; }' \
    'long read(int fd, void *p, unsigned long n) { (void)fd; (void)p; return (long)n; }' \
    'long write(int fd, const void *p, unsigned long n) { (void)fd; (void)p; return (long)n; }' \
    'void require_failed(const char *file, int line, const char *c, const char *f, ...) { (void)file; (void)line; (void)c; (void)f; }'; do
    count=$((count + 1))
    begin "defines$count"
    echo "$symbol" >"$work/attack"
    in_front vpg.c <"$work/attack"
    repelled
done

begin never_compiles
echo '#include __FILE__' >>"$dir/vpg.c"
repelled

begin compiles_for_ever
{
    echo '#define A0 x x x x x x x x x x'
    for i in 1 2 3 4 5 6 7 8 9; do
        echo "#define A$i $(for k in 1 2 3 4 5 6 7 8 9 10; do printf 'A%d ' $((i - 1)); done)"
    done
    echo A9
} >>"$dir/vpg.c"
repelled 'does not compile'

begin large_object
echo 'char large[1 << 28] = { 1 };' >>"$dir/vpg.c"
repelled

begin device
rm "$dir/vpg.c"
mkfifo "$dir/vpg.c"
repelled 'expected a plain file'

begin too_long
head -c 3000000 /dev/zero >>"$dir/vpg.c"
repelled 'expected a plain file'

begin no_text
head -c 100000 /dev/urandom >"$dir/vpg.c"
repelled 'does not compile'

begin script
mv "$dir/vpg.c" "$dir/vpg.c;touch new"
repelled 'expected a plain file'
