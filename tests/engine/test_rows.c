/* Free rows and the tree of prefixes, worked by hand. */
#include "engine/fixture.h"
#include "engine/prefix.h"

static void rows(void **state) {
    (void)state;
    pbt_free_rows r;
    int32_t start = -1;
    assert_ok(pbt_free_rows_create(10, &r, error));
    assert_int_equal(pbt_free_rows_take(&r, 4, &start), 4); /* 0-3 */
    assert_int_equal(start, 0);
    assert_int_equal(pbt_free_rows_take(&r, 3, &start), 3); /* 4-6 */
    assert_int_equal(start, 4);
    pbt_free_rows_give(&r, 1, 2);                           /* free: 1-2, 7-9 */
    assert_int_equal(pbt_free_rows_take(&r, 2, &start), 2); /* the smallest that is large enough */
    assert_int_equal(start, 1);
    pbt_free_rows_give(&r, 1, 2);
    assert_int_equal(pbt_free_rows_take(&r, 5, &start), 3); /* else the largest */
    assert_int_equal(start, 7);
    assert_int_equal(pbt_free_rows_take_at(&r, 2, 5), 0);
    assert_int_equal(pbt_free_rows_take_at(&r, 1, 1), 1);
    assert_int_equal(r.total, 1);
    pbt_free_rows_give(&r, 3, 4);
    pbt_free_rows_give(&r, 0, 2);
    pbt_free_rows_give(&r, 7, 3); /* all joined again */
    assert_int_equal(r.n, 1);
    assert_int_equal(r.ranges[0].start, 0);
    assert_int_equal(pbt_free_rows_largest(&r), 10);
    pbt_free_rows_free(&r);
}

/* Walks and appends until all n tokens stand; returns how many were there already. */
static int32_t insert(pbt_prefix_cache *cache, pbt_cursor *cursor, const int32_t *tokens, int32_t n) {
    int32_t there = 0, got;
    assert_ok(pbt_cursor_open(cache, NULL, cursor, error));
    while (cursor->depth < n) {
        int32_t walked = pbt_cursor_walk(cache, cursor, tokens, n);
        there += walked;
        if (walked > 0) continue;
        assert_ok(pbt_cursor_append(cache, cursor, tokens, n - cursor->depth, 0, &got, error));
        if (got == 0) break;
    }
    return there;
}

static void tree(void **state) {
    (void)state;
    const int32_t a[] = {1, 2, 3, 4, 5}, b[] = {1, 2, 3, 9}, c[] = {1, 2}, d[] = {7, 7, 7};
    pbt_prefix_cache cache;
    pbt_cursor at_a, at_b, at_c, at_d;
    assert_ok(pbt_prefix_cache_create(8, true, &cache, error));
    assert_int_equal(insert(&cache, &at_a, a, 5), 0);
    assert_int_equal(insert(&cache, &at_b, b, 4), 3);
    assert_int_equal(insert(&cache, &at_c, c, 2), 2);
    assert_int_equal(cache.free.total, 2);
    /* 1 2 3 was cut off where it lay; a's cursor still stands behind 5. */
    assert_int_equal(pbt_cursor_row(&at_a), 4);
    assert_int_equal(at_a.node->position, 3);
    assert_int_equal(at_a.node->parent->length, 3);
    assert_int_equal(at_a.node->parent->n_children, 2);
    /* Two rows are free, and every leaf is in use. */
    assert_int_equal(insert(&cache, &at_d, d, 3), 0);
    assert_int_equal(at_d.depth, 2);
    pbt_cursor_close(&cache, &at_d);
    /* 7 7 is the oldest leaf, then a's end: they make room, b stays. */
    pbt_cursor_close(&cache, &at_a);
    assert_int_equal(insert(&cache, &at_d, d, 3), 2);
    assert_int_equal(at_d.depth, 3);
    pbt_cursor_close(&cache, &at_b);
    pbt_cursor_close(&cache, &at_c);
    pbt_cursor_close(&cache, &at_d);
    assert_int_equal(insert(&cache, &at_b, b, 4), 4);
    pbt_cursor_close(&cache, &at_b);
    pbt_prefix_cache_forget(&cache, NULL, true);
    assert_int_equal(cache.free.total, 8);
    assert_int_equal(cache.free.n, 1);
    assert_null(cache.oldest);
    assert_null(cache.newest);
    pbt_prefix_cache_free(&cache);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(rows),
        cmocka_unit_test(tree),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
