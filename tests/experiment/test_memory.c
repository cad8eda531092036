/* The memory that `pbt run --dry-run` plans, against what a run of the experiment takes: it suffices, and is
 * not far more. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "experiment/planned.h"
#include "skip.h"

#include <fcntl.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

/* Bytes that the program had in memory at the most, of a run in a child. */
static double peak_of(const char *path) {
    const char *arguments[2 * CHANGES + 9] = {getenv("PBT_BINARY"), "run", experiment_file, "--quiet",
                                              "--threads",          "1",   "--output_dir",  path};
    size_t n = 8;
    struct rusage usage;
    int status = -1;
    for (int i = 0; i < CHANGES; i++) {
        arguments[n++] = "--set";
        arguments[n++] = changes[i];
    }
    pid_t child = fork();
    if (child == 0) {
        int nothing = open("/dev/null", O_WRONLY | O_CLOEXEC);
        if (nothing >= 0) dup2(nothing, STDOUT_FILENO);
        execv(arguments[0], (char *const *)(uintptr_t)arguments);
        _exit(127);
    }
    assert_int_equal(wait4(child, &status, 0, &usage), child);
    assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 0);
    return 1024.0 * (double)usage.ru_maxrss;
}

static void test_memory(void **state) {
    (void)state;
    pbt_experiment experiment;
    pbt_plan plan;
    char path[128];
    snprintf(path, sizeof path, "%s/run", folder);
    if (!getenv("PBT_BINARY")) fail_msg("PBT_BINARY is not set");
    plan_it(&experiment, &plan);
    double peak = peak_of(path);
    print_message("memory: %.1f MB, planned %.1f MB (weights %.1f, packed %.1f, mapped %.1f, kv %.1f, "
                  "activations %.1f, training %.1f, optimizer %.1f)\n",
                  peak / 1e6, (double)plan.total / 1e6, (double)plan.weights / 1e6, (double)plan.packed / 1e6,
                  (double)plan.mapped / 1e6, (double)plan.kv / 1e6, (double)plan.activations / 1e6,
                  (double)plan.training / 1e6, (double)plan.optimizer / 1e6);
    /* The program itself takes some megabytes; pages that were never touched are not in the peak. */
    assert_true(peak < (double)plan.total + 32e6);
    assert_true(peak > (double)plan.total / 2);
    assert_int_equal(plan.models[0].kv_rows, 1024);
    pbt_experiment_free(&experiment);
}

int main(void) {
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
    (void)test_memory;
    return skipped("a sanitizer takes memory of its own");
#else
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_memory, make_folder, remove_folder)};
    return cmocka_run_group_tests(tests, NULL, NULL);
#endif
}
