/* The run store: what is put comes back in order, damage is noticed, a killed writer leaves whole
 * transactions. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/file.h"
#include "base/text.h"
#include "folder.h"
#include "store/store.h"

#include <signal.h>
#include <sqlite3.h>
#include <sys/wait.h>
#include <unistd.h>

static pbt_store *open_store(void) {
    pbt_store *store = NULL;
    assert_int_equal(pbt_store_open(folder, true, &store, &problem), PBT_OK);
    return store;
}

static void put_number(pbt_store *store, const char *name, int64_t number) {
    pbt_artefact_key key = {"trees", 1, "", "tree", name};
    json_t *value = json_integer(number);
    assert_int_equal(pbt_store_put(store, &key, value, &problem), PBT_OK);
    json_decref(value);
}

static pbt_code append(void *user, const char *name, json_t *value, pbt_error *error) {
    (void)error;
    pbt_text_addf(user, "%s=%lld ", name, (long long)json_integer_value(value));
    return PBT_OK;
}

static bool has(pbt_store *store, const pbt_artefact_key *key) {
    bool found = false;
    assert_int_equal(pbt_store_has(store, key, &found, &problem), PBT_OK);
    return found;
}

static int64_t count_of(pbt_store *store, const pbt_artefact_key *key) {
    int64_t count = -1;
    assert_int_equal(pbt_store_count(store, key, &count, &problem), PBT_OK);
    return count;
}

static void test_round_trip_and_order(void **state) {
    (void)state;
    pbt_store *store = open_store();
    put_number(store, "b", 1);
    put_number(store, "a", 2);
    put_number(store, "b", 3); /* replacing keeps the place */
    pbt_artefact_key key = {"trees", 1, "", "tree", "b"};
    json_t *value;
    assert_int_equal(pbt_store_get(store, &key, &value, &problem), PBT_OK);
    assert_int_equal(json_integer_value(value), 3);
    json_decref(value);
    assert_true(has(store, &key));
    assert_int_equal(count_of(store, &key), 2);
    key.seed = 2;
    assert_false(has(store, &key));
    assert_int_equal(pbt_store_get(store, &key, &value, &problem), PBT_OK);
    assert_null(value);
    pbt_store_close(store);
    store = open_store();
    pbt_text seen = {0};
    key.seed = 1;
    assert_int_equal(pbt_store_each(store, &key, append, &seen, &problem), PBT_OK);
    assert_string_equal(pbt_text_string(&seen), "b=3 a=2 ");
    pbt_text_free(&seen);
    pbt_store_close(store);
}

static void test_clear_and_rollback(void **state) {
    (void)state;
    pbt_store *store = open_store();
    assert_int_equal(pbt_store_begin(store, &problem), PBT_OK);
    put_number(store, "x", 1);
    pbt_store_rollback(store);
    pbt_artefact_key key = {"trees", 1, "", "tree", "x"};
    assert_false(has(store, &key));
    put_number(store, "x", 1);
    assert_int_equal(pbt_store_clear(store, "trees", 2, &problem), PBT_OK);
    assert_true(has(store, &key));
    assert_int_equal(pbt_store_clear(store, "trees", 1, &problem), PBT_OK);
    assert_false(has(store, &key));
    put_number(store, "x", 1);
    assert_int_equal(pbt_store_clear(store, "trees", -1, &problem), PBT_OK);
    assert_int_equal(count_of(store, &key), 0);
    pbt_store_close(store);
}

static void test_numbers_and_texts_survive_exactly(void **state) {
    (void)state;
    pbt_store *store = open_store();
    pbt_artefact_key key = {"eval", 0, "pbt", "item", "caf\xc3\xa9 \"1\""};
    json_t *value = json_pack("{s:f, s:s, s:n}", "x", 0.1 + 0.2, "text", "\xe2\x9c\x93 line\nbreak", "none"),
           *back;
    assert_int_equal(pbt_store_put(store, &key, value, &problem), PBT_OK);
    assert_int_equal(pbt_store_get(store, &key, &back, &problem), PBT_OK);
    assert_true(json_equal(value, back));
    json_decref(value);
    json_decref(back);
    pbt_store_close(store);
}

static void run_sql(const char *text) {
    char path[128];
    snprintf(path, sizeof path, "%s/run.sqlite", folder);
    sqlite3 *database;
    assert_int_equal(sqlite3_open(path, &database), SQLITE_OK);
    assert_int_equal(sqlite3_exec(database, text, NULL, NULL, NULL), SQLITE_OK);
    sqlite3_close(database);
}

static void test_damage_is_noticed(void **state) {
    (void)state;
    pbt_store *store = open_store();
    put_number(store, "x", 1);
    pbt_store_close(store);
    run_sql("UPDATE artefact SET value = '2'");
    store = open_store();
    pbt_artefact_key key = {"trees", 1, "", "tree", "x"};
    json_t *value;
    assert_int_equal(pbt_store_get(store, &key, &value, &problem), PBT_BAD_INPUT);
    assert_string_equal(problem.where, "artefact trees/1//tree/x");
    assert_non_null(strstr(problem.message, "does not match its checksum"));
    pbt_text seen = {0};
    assert_int_equal(pbt_store_each(store, &key, append, &seen, &problem), PBT_BAD_INPUT);
    pbt_store_close(store);
    run_sql("UPDATE artefact SET value = '1', name = 'y'"); /* right value, wrong place */
    store = open_store();
    key.name = "y";
    assert_int_equal(pbt_store_get(store, &key, &value, &problem), PBT_BAD_INPUT);
    pbt_store_close(store);
}

/* A store that cannot be read is not one that holds nothing: work would be done again or left out. */
static void test_what_cannot_be_read_is_not_absent(void **state) {
    (void)state;
    pbt_store *store = open_store();
    put_number(store, "x", 1);
    run_sql("ALTER TABLE artefact RENAME TO lost");
    pbt_artefact_key key = {"trees", 1, "", "tree", "x"};
    bool found;
    int64_t count;
    assert_int_equal(pbt_store_has(store, &key, &found, &problem), PBT_FAILED);
    assert_non_null(strstr(problem.message, "run.sqlite: cannot read the run store"));
    assert_int_equal(pbt_store_count(store, &key, &count, &problem), PBT_FAILED);
    run_sql("ALTER TABLE lost RENAME TO artefact");
    assert_true(has(store, &key));
    pbt_store_close(store);
}

static void test_what_is_not_a_store_is_refused(void **state) {
    (void)state;
    pbt_store *store;
    assert_int_equal(pbt_store_open(folder, false, &store, &problem), PBT_BAD_INPUT);
    assert_non_null(strstr(problem.message, "is not the folder of a run"));
    store = open_store();
    pbt_store_close(store);
    run_sql("PRAGMA user_version = 99");
    assert_int_equal(pbt_store_open(folder, false, &store, &problem), PBT_BAD_INPUT);
    assert_non_null(strstr(problem.message, "expected a run store of version 1, found version 99"));
    run_sql("PRAGMA application_id = 5");
    assert_int_equal(pbt_store_open(folder, false, &store, &problem), PBT_BAD_INPUT);
    assert_non_null(strstr(problem.message, "another program"));
    char path[128];
    snprintf(path, sizeof path, "%s/run.sqlite", folder);
    assert_int_equal(pbt_file_write(path, "this is no database at all, only text", 37, &problem), PBT_OK);
    assert_int_equal(pbt_store_open(folder, false, &store, &problem), PBT_BAD_INPUT);
}

/* A writer that commits ten artefacts a transaction is killed; what is left is a multiple of ten. */
static void test_kill(void **state) {
    (void)state;
    int ready[2];
    assert_int_equal(pipe(ready), 0);
    pid_t child = fork();
    if (child == 0) {
        pbt_store *store = NULL;
        if (pbt_store_open(folder, true, &store, NULL) != PBT_OK) _exit(1);
        json_t *value = json_integer(7);
        for (int i = 0;; i++) {
            char name[32];
            snprintf(name, sizeof name, "%d", i);
            pbt_artefact_key key = {"trees", 1, "", "tree", name};
            if (i % 10 == 0) pbt_store_begin(store, NULL);
            pbt_store_put(store, &key, value, NULL);
            if (i % 10 == 9) pbt_store_commit(store, NULL);
            if (i == 45 && write(ready[1], "x", 1) != 1) _exit(1);
        }
    }
    char byte;
    assert_int_equal(read(ready[0], &byte, 1), 1);
    kill(child, SIGKILL);
    waitpid(child, NULL, 0);
    pbt_store *store = open_store();
    pbt_artefact_key key = {"trees", 1, "", "tree", ""};
    int64_t count = count_of(store, &key);
    assert_true(count >= 40);
    assert_int_equal(count % 10, 0);
    pbt_text seen = {0};
    assert_int_equal(pbt_store_each(store, &key, append, &seen, &problem), PBT_OK);
    pbt_text_free(&seen);
    pbt_store_close(store);
}

static void test_bulk(void **state) {
    (void)state;
    pbt_store *store = open_store();
    assert_int_equal(pbt_store_begin(store, &problem), PBT_OK);
    for (int i = 0; i < 20000; i++) {
        char name[32];
        snprintf(name, sizeof name, "%d", i);
        put_number(store, name, i);
    }
    assert_int_equal(pbt_store_commit(store, &problem), PBT_OK);
    pbt_artefact_key key = {"trees", 1, "", "tree", ""};
    assert_int_equal(count_of(store, &key), 20000);
    pbt_store_close(store);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_round_trip_and_order, make_folder, remove_folder),
        cmocka_unit_test_setup_teardown(test_clear_and_rollback, make_folder, remove_folder),
        cmocka_unit_test_setup_teardown(test_numbers_and_texts_survive_exactly, make_folder, remove_folder),
        cmocka_unit_test_setup_teardown(test_damage_is_noticed, make_folder, remove_folder),
        cmocka_unit_test_setup_teardown(test_what_cannot_be_read_is_not_absent, make_folder, remove_folder),
        cmocka_unit_test_setup_teardown(test_what_is_not_a_store_is_refused, make_folder, remove_folder),
        cmocka_unit_test_setup_teardown(test_kill, make_folder, remove_folder),
        cmocka_unit_test_setup_teardown(test_bulk, make_folder, remove_folder),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
