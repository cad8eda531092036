/* The hash table against a plain list: growth, keys that collide, values that must be compared. */
#include "base/hash.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static void numbers_are_their_own_keys(void **state) {
    (void)state;
    pbt_hash_table table = {0};
    pbt_error error = {0};
    assert_null(pbt_hash_table_find(&table, 0));
    for (uint64_t i = 0; i < 5000; i++)
        assert_int_equal(pbt_hash_table_add(&table, i << 32 | (i & 3), i, &error), PBT_OK);
    assert_int_equal(pbt_hash_table_add(&table, UINT64_MAX, 7, &error), PBT_OK);
    assert_int_equal(table.count, 5001);
    assert_true(table.n_slots >= 2 * table.count);
    for (uint64_t i = 0; i < 5000; i++) {
        const pbt_hash_slot *slot = pbt_hash_table_find(&table, i << 32 | (i & 3));
        assert_non_null(slot);
        assert_int_equal(slot->value, i);
        assert_null(pbt_hash_table_find(&table, i << 32 | 4));
    }
    assert_int_equal(pbt_hash_table_find(&table, UINT64_MAX)->value, 7);
    pbt_hash_table_free(&table);
    assert_null(pbt_hash_table_find(&table, 1));
}

static bool same_word(const void *words, uint64_t place, const void *wanted) {
    return strcmp(((const char *const *)words)[place], wanted) == 0;
}

/* Two texts of one hash stay two. */
static void equal_hashes_are_told_apart(void **state) {
    (void)state;
    const char *const words[] = {"rain", "snow", "hail"};
    pbt_hash_table table = {0};
    assert_int_equal(pbt_hash_table_match(&table, 5, same_word, words, "rain"), PBT_HASH_NONE);
    for (uint64_t i = 0; i < 3; i++) assert_int_equal(pbt_hash_table_add(&table, 5, i, NULL), PBT_OK);
    for (uint64_t i = 0; i < 3; i++)
        assert_int_equal(pbt_hash_table_match(&table, 5, same_word, words, words[i]), i);
    assert_int_equal(pbt_hash_table_match(&table, 5, same_word, words, "fog"), PBT_HASH_NONE);
    assert_int_equal(pbt_hash_table_match(&table, 6, same_word, words, "rain"), PBT_HASH_NONE);
    pbt_hash_table_free(&table);
}

static void too_many_is_an_error(void **state) {
    (void)state;
    pbt_hash_table table = {0};
    pbt_error error = {0};
    assert_int_equal(pbt_hash_table_reserve(&table, SIZE_MAX, &error), PBT_FAILED);
    assert_null(table.slots);
    assert_non_null(strstr(error.message, "a hash table"));
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(numbers_are_their_own_keys),
                                       cmocka_unit_test(equal_hashes_are_told_apart),
                                       cmocka_unit_test(too_many_is_an_error)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
