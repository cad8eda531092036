/*
 * TensorBoard's event file: checksums, what a continued training keeps of it, and broken ends.
 */
#include "train/own_folder.h"

#include <dirent.h>

static char *event_path(void) {
    DIR *listing = opendir(folder);
    char *path = NULL;
    for (const struct dirent *entry; (entry = readdir(listing));)
        if (pbt_string_starts(entry->d_name, "events.out.tfevents.")) {
            assert_null(path); /* one file only */
            path = pbt_path_join(folder, entry->d_name);
        }
    closedir(listing);
    assert_non_null(path);
    return path;
}

static size_t file_length(void) {
    char *path = event_path(), *data;
    size_t length;
    assert_ok(pbt_file_read(path, 1 << 20, &data, &length, error));
    free(data);
    free(path);
    return length;
}

static void append(pbt_event_file *file, int64_t step) {
    json_t *line = json_pack("{s:I, s:f, s:n, s:f}", "step", (json_int_t)step, "loss", 0.5, "grad_norm",
                             "eval_loss", 0.25);
    assert_ok(pbt_event_file_append(file, line, error));
    json_decref(line);
}

static void checksums(void **state) {
    (void)state;
    assert_int_equal(pbt_crc32c("123456789", 9), 0xe3069283u); /* RFC 3720's check value */
    assert_int_equal(pbt_crc32c("", 0), 0);
}

static void continued_files(void **state) {
    (void)state;
    pbt_event_file file;
    assert_ok(pbt_event_file_open(&file, folder, 0, error));
    size_t start = file_length();
    append(&file, 1);
    size_t one = file_length();
    append(&file, 2);
    append(&file, 300); /* a step of two bytes */
    pbt_event_file_close(&file);
    /* one line: wall time 9, step 2, summary: train/loss and eval/loss */
    assert_int_equal(one - start, 16 + 9 + 2 + 2 + (2 + 2 + 10 + 5) + (2 + 2 + 9 + 5));
    assert_ok(pbt_event_file_open(&file, folder, 299, error));
    assert_int_equal(file_length(), one + (one - start));
    pbt_event_file_close(&file);
    char *path = event_path(), *data;
    size_t length;
    assert_ok(pbt_file_read(path, 1 << 20, &data, &length, error));
    data[one + 20] ^= 1; /* the second line is damaged */
    assert_ok(pbt_file_write(path, data, length, error));
    assert_ok(pbt_event_file_open(&file, folder, 299, error));
    assert_int_equal(file_length(), one);
    pbt_event_file_close(&file);
    memset(data, 0xff, 16); /* lengths beyond the file, and no beginning: begun again */
    assert_ok(pbt_file_write(path, data, length, error));
    assert_ok(pbt_event_file_open(&file, folder, 299, error));
    assert_int_equal(file_length(), start);
    pbt_event_file_close(&file);
    free(data);
    free(path);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(checksums),
        cmocka_unit_test(continued_files),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
