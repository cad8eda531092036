/*
 * TensorBoard's event file: checksums, what a continued training keeps of it, and broken ends.
 */
#include "train/log.h"
#include "train/own_folder.h"

#include <dirent.h>
#include <sys/stat.h>
#include <sys/syscall.h>

/* What is on disk: the kernel, watched. */
static ino_t synced[64];
static size_t n_synced;

int fsync(int fd) {
    struct stat info;
    if (fstat(fd, &info) == 0 && n_synced < 64) synced[n_synced++] = info.st_ino;
    return (int)syscall(SYS_fsync, fd);
}

static bool was_synced(const char *path) {
    struct stat info;
    assert_int_equal(stat(path, &info), 0);
    for (size_t i = 0; i < n_synced; i++)
        if (synced[i] == info.st_ino) return true;
    return false;
}

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

/* Metrics and events are kept together, and so are the names of the new files. */
static void both_are_synced(void **state) {
    (void)state;
    pbt_training_log log;
    char *inner = pbt_path_join(folder, "log"), *metrics = pbt_path_join(inner, "metrics.jsonl");
    assert_ok(pbt_folder_make(inner, error));
    n_synced = 0;
    assert_ok(pbt_training_log_open(&log, inner, -1, true, error));
    assert_true(was_synced(inner));
    n_synced = 0;
    assert_ok(pbt_training_log_sync(&log, error));
    assert_true(was_synced(metrics) && was_synced(log.events.path));
    pbt_training_log_close(&log);
    n_synced = 0;
    assert_ok(pbt_training_log_open(&log, inner, -1, false, error)); /* without events */
    assert_ok(pbt_training_log_sync(&log, error));
    assert_true(was_synced(metrics));
    pbt_training_log_close(&log);
    free(inner);
    free(metrics);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(checksums),
        cmocka_unit_test(continued_files),
        cmocka_unit_test(both_are_synced),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
