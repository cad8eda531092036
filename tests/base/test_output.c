/*
 * Outputs: nothing of the user's is written over, mixed or lost; locks; what killed processes leave; what is
 * on disk when a call returns.
 */
#include "base/file.h"
#include "base/json.h"
#include "base/lock.h"
#include "base/output.h"
#include "base/text.h"

#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

static char folder[] = "/tmp/pbt_test_output_XXXXXX";
static pbt_error problem;

/* ---- the kernel, watched ---- */

static int lock_errno; /* what flock fails with; 0: it is the kernel's */
static ino_t synced[256];
static size_t n_synced;

int flock(int fd, int operation) {
    errno = lock_errno;
    return lock_errno ? -1 : (int)syscall(SYS_flock, fd, operation);
}

int fsync(int fd) {
    struct stat info;
    if (fstat(fd, &info) == 0 && n_synced < 256) synced[n_synced++] = info.st_ino;
    return (int)syscall(SYS_fsync, fd);
}

/* Nobody waits in a test. */
int nanosleep(const struct timespec *asked, struct timespec *left) {
    (void)asked, (void)left;
    return 0;
}

/* ---- helpers ---- */

/* A path in the test's folder; the last eight stay valid. */
static const char *at(const char *name) {
    static char paths[8][512];
    static int next;
    next = (next + 1) % 8;
    snprintf(paths[next], sizeof paths[next], "%s/%s", folder, name);
    return paths[next];
}

static void put(const char *name, const char *text) {
    FILE *file = fopen(at(name), "w");
    assert_non_null(file);
    fputs(text, file);
    fclose(file);
}

static void make(const char *name) {
    assert_int_equal(mkdir(at(name), 0777), 0);
}

static bool there(const char *name) {
    struct stat info;
    return lstat(at(name), &info) == 0;
}

static void holds(const char *name, const char *text) {
    char *data;
    size_t length;
    assert_int_equal(pbt_file_read(at(name), 1000, &data, &length, &problem), PBT_OK);
    assert_string_equal(data, text);
    free(data);
}

static void write_ok(const char *name, const char *text) {
    if (pbt_file_write(at(name), text, strlen(text), &problem) != PBT_OK) fail_msg("%s", problem.message);
}

static void says(const char *text) {
    if (!strstr(problem.message, text)) fail_msg("\"%s\" is not in: %s", text, problem.message);
}

static bool was_synced(const char *name) {
    struct stat info;
    assert_int_equal(stat(*name ? at(name) : folder, &info), 0);
    for (size_t i = 0; i < n_synced; i++)
        if (synced[i] == info.st_ino) return true;
    return false;
}

static const char *const names[] = {"weights", "metrics.jsonl", "checkpoint-*", NULL};
static const pbt_output_kind kind = {"dpo", PBT_OUTPUT_LOCK, "checkpoint.pbt", names, NULL};
static const pbt_output_kind other_kind = {"sft", PBT_OUTPUT_LOCK, "checkpoint.pbt", names, NULL};

static pbt_code check(const pbt_output_kind *of, const char *output, const char *input, bool overwrite) {
    char path[512], in[512];
    snprintf(path, sizeof path, "%s", at(output));
    snprintf(in, sizeof in, "%s", input ? at(input) : "");
    const pbt_output_input one = {"--adapter", input ? in : NULL, NULL};
    const pbt_output_request request = {"--output", path, of, &one, 1, overwrite};
    return pbt_output_check(&request, &problem);
}

static pbt_code open_folder(const pbt_output_kind *of, const char *path, bool overwrite,
                            pbt_output **output) {
    const pbt_output_request request = {
        .option = "--output_dir", .path = path, .kind = of, .overwrite = overwrite};
    return pbt_output_open(&request, NULL, output, &problem);
}

/* ---- names, folders, files ---- */

static void empty_names(void **state) {
    (void)state;
    pbt_output *output;
    assert_int_equal(pbt_folder_make("", &problem), PBT_USAGE);
    assert_int_equal(pbt_file_write("", "x", 1, &problem), PBT_USAGE);
    assert_int_equal(open_folder(&kind, "", true, &output), PBT_USAGE);
    says("--output_dir is empty; expected the name of a folder");
    char *joined = pbt_path_join("", "x");
    assert_string_equal(joined, "x");
    free(joined);
}

static void folders_are_on_disk(void **state) {
    (void)state;
    n_synced = 0;
    assert_int_equal(pbt_folder_make(at("a/b/c/"), &problem), PBT_OK);
    assert_true(was_synced("") && was_synced("a") && was_synced("a/b"));
    assert_int_equal(pbt_folder_make(at("a/b"), &problem), PBT_OK);
    put("file", "x");
    assert_int_equal(pbt_folder_make(at("file/x"), &problem), PBT_BAD_INPUT);
    says("file: expected a folder, found a file");
    assert_int_equal(pbt_folder_make("/proc/pbt/x", &problem), PBT_BAD_INPUT);
    says("/proc/pbt: cannot make the folder: No such file");
}

/* As a user who may not: the reason is the permission. */
static void a_permission_is_named(void **state) {
    (void)state;
    make("closed");
    assert_int_equal(chmod(at("closed"), 0555), 0);
    assert_int_equal(chmod(folder, 0755), 0);
    pid_t child = fork();
    if (child == 0) {
        if (geteuid() == 0 && setresuid(65534, 65534, 65534) != 0) _exit(9);
        bool folder_says = pbt_folder_make(at("closed/x/y"), &problem) == PBT_BAD_INPUT &&
                           strstr(problem.message, "closed/x: cannot make the folder: Permission denied");
        bool file_says = pbt_file_write(at("closed/x"), "x", 1, &problem) == PBT_BAD_INPUT &&
                         strstr(problem.message, "cannot write: Permission denied");
        bool own = pbt_file_write(at("file"), "y", 1, &problem) == PBT_BAD_INPUT &&
                   strstr(problem.message, "Permission denied");
        _exit(!folder_says + 2 * !file_says + 4 * !own);
    }
    int status;
    assert_int_equal(chmod(at("file"), 0444), 0);
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_int_equal(WEXITSTATUS(status), 0);
    holds("file", "x");
}

static void files_are_on_disk(void **state) {
    (void)state;
    n_synced = 0;
    write_ok("a/new", "1");
    assert_true(was_synced("a") && was_synced("a/new"));
    assert_int_equal(chmod(at("a/new"), 0640), 0);
    write_ok("a/new", "2");
    holds("a/new", "2");
    struct stat info;
    assert_int_equal(stat(at("a/new"), &info), 0);
    assert_int_equal(info.st_mode & 07777, 0640);
    assert_int_equal(pbt_file_write(at("a"), "x", 1, &problem), PBT_BAD_INPUT);
    says("expected the name of a file, found a folder");
}

static void symlinks_stay(void **state) {
    (void)state;
    struct stat info;
    put("target", "old");
    assert_int_equal(symlink("target", at("link")), 0);
    write_ok("link", "new");
    holds("target", "new");
    assert_int_equal(lstat(at("link"), &info), 0);
    assert_true(S_ISLNK(info.st_mode));
    assert_int_equal(symlink("a/later", at("dangling")), 0);
    write_ok("dangling", "there");
    holds("a/later", "there");
    assert_int_equal(lstat(at("dangling"), &info), 0);
    assert_true(S_ISLNK(info.st_mode));
    assert_int_equal(symlink("loop", at("loop")), 0);
    assert_int_equal(pbt_file_write(at("loop"), "x", 1, &problem), PBT_FAILED);
    says("Too many levels of symbolic links");
}

static void special_files_are_written_through(void **state) {
    (void)state;
    char bytes[8] = {0};
    struct stat info;
    assert_int_equal(mkfifo(at("fifo"), 0666), 0);
    int fd = open(at("fifo"), O_RDWR | O_NONBLOCK);
    write_ok("fifo", "piped");
    assert_int_equal(read(fd, bytes, sizeof bytes), 5);
    assert_string_equal(bytes, "piped");
    close(fd);
    assert_int_equal(lstat(at("fifo"), &info), 0);
    assert_true(S_ISFIFO(info.st_mode));
    assert_int_equal(pbt_file_write("/dev/null", "x", 1, &problem), PBT_OK);
    /* A descriptor of the process: what was written before it stays. */
    fd = open(at("stream"), O_WRONLY | O_CREAT | O_TRUNC, 0666);
    assert_int_equal(write(fd, "one ", 4), 4);
    char path[32];
    snprintf(path, sizeof path, "/dev/fd/%d", fd);
    assert_int_equal(symlink(path, at("to_stream")), 0);
    assert_int_equal(pbt_path_descriptor(at("to_stream")), fd);
    write_ok("to_stream", "two ");
    assert_int_equal(write(fd, "three", 5), 5);
    close(fd);
    holds("stream", "one two three");
    assert_int_equal(pbt_path_descriptor("/dev/stdout"), 1);
    assert_int_equal(pbt_path_descriptor(at("stream")), -1);
}

static void killed_writers_leave_nothing(void **state) {
    (void)state;
    pid_t child = fork();
    if (child == 0) {
        pbt_file_writer *writer;
        pbt_file_writer_open(at("killed"), &writer, &problem);
        pbt_file_writer_write(writer, "a longer half", 13, &problem);
        raise(SIGKILL);
    }
    assert_int_equal(waitpid(child, NULL, 0), child);
    assert_true(there("killed" PBT_TEMPORARY));
    write_ok("killed", "whole");
    holds("killed", "whole");
    assert_false(there("killed" PBT_TEMPORARY));
    pbt_file_writer *first, *second;
    assert_int_equal(pbt_file_writer_open(at("killed"), &first, &problem), PBT_OK);
    assert_int_equal(pbt_file_writer_open(at("killed"), &second, &problem), PBT_FAILED);
    says("killed: another pbt");
    pbt_file_writer_abandon(first);
    assert_false(there("killed" PBT_TEMPORARY));
    holds("killed", "whole");
}

/* ---- locks ---- */

static void locks_name_their_holder(void **state) {
    (void)state;
    int ready[2];
    char expected[64];
    pbt_output *output;
    assert_int_equal(pipe(ready), 0);
    pid_t child = fork();
    if (child == 0) {
        if (open_folder(&kind, at("held"), false, &output) != PBT_OK) _exit(1);
        if (write(ready[1], "x", 1) != 1) _exit(1);
        pause();
    }
    char byte;
    assert_int_equal(read(ready[0], &byte, 1), 1);
    assert_int_equal(open_folder(&kind, at("held"), false, &output), PBT_FAILED);
    snprintf(expected, sizeof expected, "another pbt (process %ld) is writing here", (long)child);
    says(expected);
    assert_int_equal(kill(child, SIGKILL), 0);
    assert_int_equal(waitpid(child, NULL, 0), child);
    assert_int_equal(open_folder(&kind, at("held"), false, &output), PBT_OK);
    pbt_output_close(output);
}

static void lock_failures_say_why(void **state) {
    (void)state;
    pbt_output *output;
    lock_errno = ENOLCK;
    assert_int_equal(open_folder(&kind, at("unlockable"), false, &output), PBT_FAILED);
    says("No locks available");
    assert_int_equal(pbt_file_write(at("unlockable"), "x", 1, &problem), PBT_FAILED);
    says("No locks available");
    lock_errno = 0;
    assert_false(there("unlockable"));
    make("blocked");
    make("blocked/" PBT_OUTPUT_LOCK);
    assert_int_equal(open_folder(&kind, at("blocked"), false, &output), PBT_BAD_INPUT);
    says(PBT_OUTPUT_LOCK ": cannot write: Is a directory");
}

static bool stop(void *user) {
    (void)user;
    return true;
}

static void waiting_can_be_stopped(void **state) {
    (void)state;
    const pbt_monitor monitor = {.stopped = stop};
    int lock;
    assert_int_equal(pbt_lock_take(at("stopped"), "x", &monitor, &lock, &problem), PBT_INTERRUPTED);
}

/* ---- folders of outputs ---- */

static void folders_are_marked_and_cleaned(void **state) {
    (void)state;
    pbt_output *output;
    char old[64];
    pid_t child = fork();
    if (child == 0) _exit(0);
    assert_int_equal(waitpid(child, NULL, 0), child);
    assert_int_equal(open_folder(&kind, at("own"), false, &output), PBT_OK);
    pbt_output_close(output);
    assert_false(there("own")); /* nothing was written: as before */
    assert_int_equal(open_folder(&kind, at("own"), false, &output), PBT_OK);
    write_ok("own/weights", "w");
    pbt_output_close(output);
    make("own/checkpoint-2");
    put("own/checkpoint-2/weights" PBT_TEMPORARY, "x");
    snprintf(old, sizeof old, "own/metrics.jsonl.%ld.tmp", (long)child);
    put(old, "x");
    put("own/notes.txt.1.tmp", "mine");
    pbt_file_writer *writer;
    assert_int_equal(pbt_file_writer_open(at("own/busy"), &writer, &problem), PBT_OK);
    assert_int_equal(open_folder(&kind, at("own"), false, &output), PBT_OK);
    assert_false(there("own/checkpoint-2/weights" PBT_TEMPORARY) || there(old));
    assert_true(there("own/notes.txt.1.tmp") && there("own/busy" PBT_TEMPORARY));
    assert_int_equal(pbt_file_writer_commit(writer, &problem), PBT_OK);
    pbt_output_close(output);
    json_t *marker;
    assert_int_equal(pbt_json_read(at("own/" PBT_OUTPUT_LOCK), 1000, &marker, &problem), PBT_OK);
    assert_string_equal(json_string_value(json_object_get(marker, "command")), "dpo");
    json_decref(marker);
}

static void foreign_folders(void **state) {
    (void)state;
    pbt_output *output;
    assert_int_equal(check(&other_kind, "own", NULL, false), PBT_USAGE);
    says("own: holds what pbt dpo wrote; choose another folder, or give --overwrite_output_dir");
    make("foreign");
    assert_int_equal(check(&kind, "foreign", NULL, false), PBT_OK); /* empty */
    put("foreign/thesis.tex", "x");
    assert_int_equal(check(&kind, "foreign", NULL, false), PBT_USAGE);
    says("holds files that pbt dpo did not write (thesis.tex)");
    assert_int_equal(check(&kind, "foreign", "foreign/thesis.tex", false), PBT_OK); /* the input alone */
    assert_int_equal(open_folder(&kind, at("foreign"), false, &output), PBT_USAGE);
    assert_false(there("foreign/" PBT_OUTPUT_LOCK));
    assert_int_equal(open_folder(&kind, at("foreign"), true, &output), PBT_OK);
    write_ok("foreign/weights", "w");
    pbt_output_close(output);
    holds("foreign/thesis.tex", "x");
    assert_int_equal(check(&kind, "foreign", NULL, false), PBT_OK); /* ours from now on */
    make("older");
    put("older/weights", "x");
    assert_int_equal(check(&kind, "older", NULL, false), PBT_USAGE);
    put("older/checkpoint.pbt", "x");
    assert_int_equal(check(&kind, "older", NULL, false), PBT_OK);
    assert_int_equal(check(&kind, "target", NULL, true), PBT_USAGE);
    says("expected a folder, found a file");
}

static void inputs_are_never_outputs(void **state) {
    (void)state;
    make("adapter");
    put("adapter/weights", "w");
    put("data", "d");
    assert_int_equal(symlink("adapter", at("alias")), 0);
    assert_int_equal(link(at("data"), at("data2")), 0);
    static const struct {
        const char *output, *input, *says;
        bool file;
    } refused[] = {
        {"adapter", "adapter", "adapter: is --adapter (", false},
        {"alias", "adapter", "is --adapter", false},
        {"adapter/../alias/", "adapter", "is --adapter", false},
        {"adapter/new/x", "adapter", "lies in the folder of --adapter", false},
        {"alias/new", "adapter", "lies in the folder of --adapter", false},
        {"nowhere/../alias/new", "adapter", "lies in the folder of --adapter", false},
        {"adapter/weights", "adapter", "is a file of --adapter", true},
        {"adapter/fresh", "adapter", "lies in the folder of --adapter", true},
        {"data", "data", "is --adapter", true},
        {"data2", "data", "is --adapter", true},
        {"fifo", "fifo", "is --adapter", true},
    };
    for (size_t i = 0; i < sizeof refused / sizeof *refused; i++) {
        pbt_code code = check(refused[i].file ? NULL : &kind, refused[i].output, refused[i].input, true);
        if (code != PBT_USAGE) fail_msg("%s was not refused", refused[i].output);
        says(refused[i].says);
    }
    assert_int_equal(symlink("/dev/null", at("device")), 0);
    assert_int_equal(check(NULL, "device", "device", false), PBT_OK);
    assert_int_equal(check(NULL, "data3", "data", false), PBT_OK);
    assert_int_equal(check(&kind, "adapter2", "adapter", false), PBT_OK);
    holds("adapter/weights", "w");
}

/* Inside the folder of the output: under names that are written there, and by links that lead out of it. */
static void inputs_inside_the_output(void **state) {
    (void)state;
    make("out");
    make("out/checkpoint-5");
    make("out/given");
    put("out/metrics.jsonl", "m");
    assert_int_equal(check(&kind, "out", "out/metrics.jsonl", true), PBT_USAGE);
    says("would be written over --adapter");
    assert_int_equal(check(&kind, "out", "out/checkpoint-5", true), PBT_USAGE);
    assert_int_equal(check(&kind, "out", "out/given", true), PBT_OK);
    assert_int_equal(symlink("../adapter/weights", at("out/weights")), 0);
    assert_int_equal(check(&kind, "out", "adapter", true), PBT_USAGE);
    says("holds a file that is");
    assert_int_equal(check(&kind, "out", "data", true), PBT_OK);
    /* A folder that may be written to, but not its own files. */
    char run[512], file[512];
    snprintf(run, sizeof run, "%s", at("out"));
    const pbt_output_input input = {"RUN", run, names};
    pbt_output_request request = {"--output", file, NULL, &input, 1, false};
    snprintf(file, sizeof file, "%s", at("out/checkpoint-7/x"));
    assert_int_equal(pbt_output_check(&request, &problem), PBT_USAGE);
    snprintf(file, sizeof file, "%s", at("out/metrics.jsonl"));
    assert_int_equal(pbt_output_check(&request, &problem), PBT_USAGE);
    snprintf(file, sizeof file, "%s", at("out/trees.jsonl"));
    assert_int_equal(pbt_output_check(&request, &problem), PBT_OK);
}

static int set_up(void **state) {
    (void)state;
    return mkdtemp(folder) ? 0 : -1;
}

static int tear_down(void **state) {
    (void)state;
    char command[64];
    snprintf(command, sizeof command, "rm -r '%s'", folder);
    return system(command);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(empty_names),
        cmocka_unit_test(folders_are_on_disk),
        cmocka_unit_test(a_permission_is_named),
        cmocka_unit_test(files_are_on_disk),
        cmocka_unit_test(symlinks_stay),
        cmocka_unit_test(special_files_are_written_through),
        cmocka_unit_test(killed_writers_leave_nothing),
        cmocka_unit_test(locks_name_their_holder),
        cmocka_unit_test(lock_failures_say_why),
        cmocka_unit_test(waiting_can_be_stopped),
        cmocka_unit_test(folders_are_marked_and_cleaned),
        cmocka_unit_test(foreign_folders),
        cmocka_unit_test(inputs_are_never_outputs),
        cmocka_unit_test(inputs_inside_the_output),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
