/* FARM's own four files, where they are: every question is read, and counted as planned. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "experiment/farm_listener.h"
#include "skip.h"

static void test_real_files(void **state) {
    (void)state;
    static const struct {
        const char *name;
        size_t count;
    } sets[] = {{"NQ1", 488}, {"NQ2", 489}, {"Boolq", 491}, {"TruthfulQA", 484}};
    for (size_t i = 0; i < 4; i++) {
        char path[512], here[256];
        assert_non_null(realpath("../shared/data/farm", here));
        snprintf(path, sizeof path, "%s/%s.jsonl", here, sets[i].name);
        run_file(sets[i].name, path, sets[i].count);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_real_files, make_run_folder, remove_folder)};
    if (!pbt_file_exists("../shared/data/farm/NQ1.jsonl")) return skipped("../shared/data/farm is not there");
    return cmocka_run_group_tests(tests, NULL, NULL);
}
