/*
 * Token tries: hand-worked ones, and the law that every sequence's path through the segments spells its
 * tokens.
 */
#include "train/batch.h"
#include "train/check.h"

#include <stdlib.h>

/* The token at every depth of the path that ends in `row`; returns the depth. */
static int32_t spell(const pbt_trie *trie, int32_t row, int32_t *tokens) {
    int32_t segment = -1;
    for (int32_t s = 0; s < trie->layout.n_segments; s++)
        if (row >= trie->layout.segments[s].kv_row &&
            row < trie->layout.segments[s].kv_row + trie->layout.segments[s].length)
            segment = s;
    assert_true(segment >= 0);
    int32_t rows = row - trie->layout.segments[segment].kv_row + 1, depth = trie->positions[row] + 1;
    for (int32_t d = depth; segment >= 0;) {
        const pbt_segment *s = &trie->layout.segments[segment];
        for (int32_t i = rows - 1; i >= 0; i--) {
            tokens[--d] = trie->tokens[s->kv_row + i];
            assert_int_equal(trie->positions[s->kv_row + i], d);
        }
        rows = s->parent_rows;
        if (s->parent < 0) assert_int_equal(d, 0);
        assert_true(s->parent < segment);
        segment = s->parent;
    }
    return depth;
}

static void siblings(void **state) {
    (void)state;
    const int32_t a[] = {1, 2, 3, 10, 11}, b[] = {1, 2, 3, 10, 12, 13}, c[] = {1, 2, 4, 5};
    const unsigned char ma[] = {0, 0, 0, 1, 1}, mb[] = {0, 0, 0, 1, 1, 1}, mc[] = {0, 0, 0, 1};
    const pbt_sequence sequences[] = {{a, ma, 5}, {b, mb, 6}, {c, mc, 4}};
    pbt_trie trie;
    assert_ok(pbt_trie_build(sequences, 3, true, &trie, error));
    /* Rows: 1 2 3 10 (the last token of a is only predicted), then 12, then 4. */
    assert_int_equal(trie.layout.n_rows, 6);
    assert_int_equal(trie.layout.n_segments, 3);
    assert_int_equal(trie.n_tokens, 15);
    assert_int_equal(trie.n_targets, 6);
    const pbt_segment *s = trie.layout.segments;
    assert_int_equal(s[0].length, 4);
    assert_int_equal(s[1].parent, 0);
    assert_int_equal(s[1].parent_rows, 4);
    assert_int_equal(s[2].parent, 0);
    assert_int_equal(s[2].parent_rows, 2);
    assert_int_equal(s[2].position, 2);
    const int32_t rows[] = {2, 2, 3, 3, 4, 5}, targets[] = {10, 10, 11, 12, 13, 5};
    for (int i = 0; i < 6; i++) {
        assert_int_equal(trie.target_row[i], rows[i]);
        assert_int_equal(trie.target[i], targets[i]);
    }
    assert_ok(pbt_layout_check(&trie.layout, trie.layout.n_rows, error));
    pbt_trie_free(&trie);
    assert_ok(pbt_trie_build(sequences, 3, false, &trie, error));
    assert_int_equal(trie.layout.n_rows, 12);
    pbt_trie_free(&trie);
}

static void duplicates_and_prefixes(void **state) {
    (void)state;
    const int32_t a[] = {1, 2, 3, 4, 5};
    const unsigned char m[] = {0, 1, 1, 1, 1}, none[] = {0, 0, 0, 0, 0}, early[] = {0, 0, 1, 0, 0};
    const pbt_sequence sequences[] = {{a, m, 5}, {a, m, 3}, {a, m, 5}, {a, none, 5}, {a, early, 5}};
    pbt_trie trie;
    assert_ok(pbt_trie_build(sequences, 5, true, &trie, error));
    assert_int_equal(trie.layout.n_rows, 4);
    assert_int_equal(trie.n_targets, 4 + 2 + 4 + 1);
    for (int32_t i = 0; i < trie.n_targets; i++)
        assert_int_equal(trie.target[i], trie.tokens[trie.target_row[i]] + 1);
    pbt_trie_free(&trie);
}

static void empty(void **state) {
    (void)state;
    pbt_trie trie;
    const pbt_sequence nothing = {NULL, NULL, 0};
    assert_ok(pbt_trie_build(&nothing, 1, true, &trie, error));
    assert_int_equal(trie.layout.n_rows, 0);
    pbt_trie_free(&trie);
    assert_ok(pbt_trie_build(NULL, 0, true, &trie, error));
    pbt_trie_free(&trie);
}

static void loss_on_the_first_token_is_refused(void **state) {
    (void)state;
    const int32_t a[] = {1, 2};
    const unsigned char m[] = {1, 1};
    const pbt_sequence sequence = {a, m, 2};
    pbt_trie trie;
    assert_fails(pbt_trie_build(&sequence, 1, true, &trie, error), PBT_USAGE, "first token");
}

/* Random sequences over a tiny alphabet: every target sits on a row whose path spells the sequence. */
static void random_tries(void **state) {
    (void)state;
    enum { N = 24, L = 12 };
    pbt_key key = pbt_key_of_seed(7);
    for (uint64_t round = 0; round < 200; round++) {
        int32_t ids[N][L], path[L];
        unsigned char mask[N][L];
        pbt_sequence sequences[N];
        uint64_t draw = round * 10000;
        int64_t targets = 0;
        for (int s = 0; s < N; s++) {
            sequences[s] = (pbt_sequence){ids[s], mask[s], (int32_t)pbt_random_below(key, draw++, L + 1)};
            for (int i = 0; i < L; i++) {
                ids[s][i] = (int32_t)pbt_random_below(key, draw++, 2);
                mask[s][i] = i > 0 && pbt_random_below(key, draw++, 3) == 0;
                targets += i < sequences[s].length && mask[s][i];
            }
        }
        for (int share = 0; share < 2; share++) {
            pbt_trie trie;
            assert_ok(pbt_trie_build(sequences, N, share, &trie, error));
            assert_int_equal(trie.n_targets, targets);
            if (trie.layout.n_rows > 0) assert_ok(pbt_layout_check(&trie.layout, trie.layout.n_rows, error));
            for (int32_t i = 0; i < trie.n_targets; i++) {
                int32_t depth = spell(&trie, trie.target_row[i], path), s = trie.target_sequence[i];
                assert_true(depth < sequences[s].length && mask[s][depth]);
                assert_memory_equal(path, ids[s], (size_t)depth * sizeof *path);
                assert_int_equal(trie.target[i], ids[s][depth]);
                if (i > 0) assert_true(trie.target_row[i - 1] <= trie.target_row[i]);
            }
            /* With sharing no two rows have the same path. */
            for (int32_t r = 1; share && r < trie.layout.n_rows; r++)
                for (int32_t q = 0; q < r; q++) assert_true(trie.row_ids[r] != trie.row_ids[q]);
            pbt_trie_free(&trie);
        }
    }
}

static pbt_ids ids_of(const int32_t *items, size_t count) {
    pbt_ids ids = {0};
    for (size_t i = 0; i < count; i++) assert_ok(pbt_ids_push(&ids, items[i], error));
    return ids;
}

static void passes(void **state) {
    (void)state;
    enum { N = 6 };
    pbt_example items[N];
    const pbt_example *examples[N];
    for (int i = 0; i < N; i++) {
        int32_t prompt[] = {1, i % 2, 3}, chosen[] = {4, i}, rejected[] = {5, i, 6};
        items[i] = (pbt_example){
            .prompt = ids_of(prompt, 3), .chosen = ids_of(chosen, 2), .rejected = ids_of(rejected, 3)};
        examples[i] = &items[i];
    }
    assert_int_equal(pbt_example_rows(&items[0], true, true), 8);
    assert_int_equal(pbt_example_rows(&items[0], true, false), 11);
    pbt_batch batch;
    assert_ok(pbt_batch_plan(examples, N, true, true, 1000, &batch, error));
    assert_int_equal(batch.n_passes, 1);
    const uint32_t by_text[] = {0, 2, 4, 1, 3, 5};
    assert_memory_equal(batch.order, by_text, sizeof by_text);
    pbt_trie trie;
    assert_ok(pbt_batch_trie(&batch, 0, true, &trie, error));
    /* 1, then two prompts of 2, then in each 4 once, 5 once and three different third tokens behind 5 */
    assert_int_equal(trie.layout.n_rows, 1 + 2 * (2 + 1 + 1 + 3));
    assert_int_equal(trie.n_tokens, N * 11);
    pbt_trie_free(&trie);
    pbt_batch_free(&batch);
    assert_ok(pbt_batch_plan(examples, N, true, true, 14, &batch, error));
    assert_true(batch.n_passes > 1);
    assert_int_equal(batch.pass_start[batch.n_passes], N);
    pbt_batch_free(&batch);
    assert_ok(pbt_batch_plan(examples, N, true, true, 1, &batch, error)); /* an example is never cut */
    assert_int_equal(batch.n_passes, N);
    pbt_batch_free(&batch);
    for (int i = 0; i < N; i++) pbt_example_free(&items[i]);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(siblings),     cmocka_unit_test(duplicates_and_prefixes),
        cmocka_unit_test(empty),        cmocka_unit_test(loss_on_the_first_token_is_refused),
        cmocka_unit_test(random_tries), cmocka_unit_test(passes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
