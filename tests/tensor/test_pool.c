/* The threads that share loops: every piece once, whoever calls, nested, from several threads. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "tensor/cpu/pool.h"
#include "tensor/cpu/thread_memory.h"
#include "tensor/pieces.h"

#include <pthread.h>
#include <string.h>
#include <unistd.h>

static void test_every_piece_once(void **state) {
    (void)state;
    for (int round = 0; round < 200; round++)
        for (int threads = 1; threads <= 4; threads++)
            for (int64_t n = 0; n <= PIECES; n = 3 * n + 1) assert_true(all_once(threads, n));
}

static void outer(void *user, int64_t first, int64_t last) {
    bool *good = user;
    for (int64_t i = first; i < last; i++) good[i] = all_once(3, 100);
}

static void test_a_loop_inside_a_loop(void **state) {
    (void)state;
    bool good[50] = {false};
    pbt_pool_run(3, 50, outer, good);
    for (int i = 0; i < 50; i++) assert_true(good[i]);
}

static void *caller(void *user) {
    bool *good = user;
    *good = true;
    for (int i = 0; i < 300 && *good; i++) *good = all_once(3, 64);
    return NULL;
}

static void test_several_callers(void **state) {
    (void)state;
    enum { CALLERS = 4 };
    pthread_t threads[CALLERS];
    bool good[CALLERS] = {false};
    for (int i = 0; i < CALLERS; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, caller, &good[i]), 0);
    for (int i = 0; i < CALLERS; i++) pthread_join(threads[i], NULL);
    for (int i = 0; i < CALLERS; i++) assert_true(good[i]);
}

static void test_sleepers_wake(void **state) {
    (void)state;
    for (int i = 0; i < 5; i++) {
        assert_true(all_once(2, 500));
        usleep(20000); /* long enough for the workers to go to sleep */
    }
}

static void test_memory_of_a_thread(void **state) {
    (void)state;
    char *small = pbt_thread_memory(PBT_MEMORY_RUNS, 100), *other = pbt_thread_memory(PBT_MEMORY_CHUNKS, 100);
    assert_non_null(small);
    assert_true(other != small && (uintptr_t)small % 64 == 0);
    assert_true(pbt_thread_memory(PBT_MEMORY_RUNS, 90) == small);
    char *large = pbt_thread_memory(PBT_MEMORY_RUNS, 100000);
    assert_non_null(large);
    memset(large, 1, 100000);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_every_piece_once),   cmocka_unit_test(test_a_loop_inside_a_loop),
        cmocka_unit_test(test_several_callers),    cmocka_unit_test(test_sleepers_wake),
        cmocka_unit_test(test_memory_of_a_thread),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
