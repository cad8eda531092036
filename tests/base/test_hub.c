/* Ids of the Hugging Face Hub in the local cache. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/file.h"
#include "base/hub.h"
#include "base/text.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static pbt_error problem;
static char home[64];
#define OK(expression)                                                                                       \
    do {                                                                                                     \
        if ((expression) != PBT_OK) fail_msg("%s", problem.message);                                         \
    } while (0)

static char *in_home(const char *name) {
    return pbt_path_join(home, name);
}

static void make_folder(const char *name) {
    char *path = in_home(name);
    OK(pbt_folder_make(path, &problem));
    free(path);
}

static void write_text(const char *name, const char *text) {
    char *path = in_home(name);
    OK(pbt_file_write(path, text, strlen(text), &problem));
    free(path);
}

static int set_up(void **state) {
    (void)state;
    strcpy(home, "/tmp/pbt-hub-XXXXXX");
    if (!mkdtemp(home)) return 1;
    make_folder("hub/models--org--name/refs");
    make_folder("hub/models--org--name/snapshots/abc123");
    make_folder("hub/models--org--name/snapshots/def456");
    make_folder("hub/models--alone/refs");
    make_folder("huggingface/hub/models--other--m/snapshots/x1");
    make_folder("huggingface/hub/models--other--m/refs");
    write_text("hub/models--org--name/refs/main", "abc123\n");
    write_text("hub/models--org--name/refs/v2", "def456");
    write_text("hub/models--org--name/refs/bad", "../../../etc");
    write_text("hub/models--alone/refs/main", "gone");
    write_text("huggingface/hub/models--other--m/refs/main", "x1");
    unsetenv("HF_HUB_CACHE");
    unsetenv("HUGGINGFACE_HUB_CACHE");
    unsetenv("XDG_CACHE_HOME");
    return setenv("HF_HOME", home, 1);
}

static int tear_down(void **state) {
    (void)state;
    char command[96];
    snprintf(command, sizeof command, "rm -rf %s", home);
    return system(command);
}

static void expect(const char *name, const char *ending) {
    char *folder;
    OK(pbt_hub_folder(name, &folder, &problem));
    if (!pbt_string_ends(folder, ending)) fail_msg("expected ...%s, found %s", ending, folder);
    free(folder);
}

static void refuse(const char *name, const char *words) {
    char *folder;
    assert_int_equal(pbt_hub_folder(name, &folder, &problem), PBT_BAD_INPUT);
    assert_null(folder);
    if (!strstr(problem.message, words)) fail_msg("expected \"%s\" in \"%s\"", words, problem.message);
}

static void test_found(void **state) {
    (void)state;
    expect(home, home);
    expect("org/name", "/hub/models--org--name/snapshots/abc123");
    expect("org/name@v2", "/snapshots/def456");
    expect("org/name@def456", "/snapshots/def456");
}

static void test_refused(void **state) {
    (void)state;
    refuse("org/none", "no models--org--none in the Hugging Face cache");
    refuse("org/name@v3", "revision \"v3\" is not there: expected the folder");
    refuse("org/name@bad", "expected the name of a snapshot");
    refuse("alone", "revision \"main\" is not there");
    refuse("/no/such/folder", "found none");
    refuse("a/b/c", "found none");
    refuse("../x", "found none");
    refuse("", "found none");
}

static void test_variables(void **state) {
    (void)state;
    char *hub = in_home("huggingface/hub");
    assert_int_equal(setenv("HF_HUB_CACHE", hub, 1), 0);
    expect("other/m", "/huggingface/hub/models--other--m/snapshots/x1");
    assert_int_equal(unsetenv("HF_HUB_CACHE"), 0);
    refuse("other/m", "no models--other--m");
    assert_int_equal(unsetenv("HF_HOME"), 0);
    assert_int_equal(setenv("XDG_CACHE_HOME", home, 1), 0);
    expect("other/m", "/huggingface/hub/models--other--m/snapshots/x1");
    free(hub);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_found), cmocka_unit_test(test_refused),
                                       cmocka_unit_test(test_variables)};
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
