/* A forked child has none of the parent's threads, and makes its own. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "skip.h"
#include "tensor/pieces.h"

#include <sys/wait.h>
#include <unistd.h>

static void test_forked_child(void **state) {
    (void)state;
    assert_true(all_once(3, 100));
    pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0) _exit(all_once(3, 100) ? 0 : 1);
    int status = -1;
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 0);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_forked_child)};
#ifdef __SANITIZE_THREAD__
    return skipped("ThreadSanitizer allows no new threads after a fork");
#endif
    return cmocka_run_group_tests(tests, NULL, NULL);
}
