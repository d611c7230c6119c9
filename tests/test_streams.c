/* Standard streams that the caller closed: no file that is opened later may get what is printed. */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "autodiff/require.h"

/* Closes the descriptors in the set, opens `path` for writing, and prints on both streams. Exit status: bit 0, the
 * file has a number below 3; bit 1, printing on stdout succeeded; bit 2, the file is no longer empty; bit 3, a
 * descriptor that was open is another file now. */
static int print_with_closed(int set, const char *path)
{
    struct stat before, after;
    int outcome = 0;
    pid_t pid = fork();
    if (pid == 0) {
        int zero = open("/dev/zero", O_RDWR);
        for (int fd = 0; fd < 3; fd++) dup2(zero, fd);
        for (int fd = 0; fd < 3; fd++)
            if (set >> fd & 1) close(fd);
        stat("/dev/zero", &before);
        hold_standard_streams();
        for (int fd = 0; fd < 3; fd++)
            if (!(set >> fd & 1) && (fstat(fd, &after) != 0 || after.st_rdev != before.st_rdev)) outcome |= 8;
        int fd = open(path, O_RDWR | O_CREAT | O_TRUNC, 0600);
        if (fd < 3) outcome |= 1;
        if (printf("printed\n") > 0 && fflush(stdout) == 0) outcome |= 2;
        fprintf(stderr, "said\n");
        if (fstat(fd, &after) != 0 || after.st_size != 0) outcome |= 4;
        _exit(outcome);
    }
    assert_int_equal(waitpid(pid, &outcome, 0), pid);
    assert_true(WIFEXITED(outcome));
    return WEXITSTATUS(outcome);
}

static void test_closed_streams(void **state)
{
    (void)state;
    char path[] = "/tmp/ascent-streams-XXXXXX";
    int fd = mkstemp(path);
    assert_true(fd >= 0);
    close(fd);
    for (int set = 0; set < 8; set++) {
        int expected = set & 2 ? 0 : 2;             /* only a stdout that was open takes what is printed */
        assert_int_equal(print_with_closed(set, path), expected);
    }
    remove(path);
}

int main(void)
{
    const struct CMUnitTest tests[] = { cmocka_unit_test(test_closed_streams) };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
