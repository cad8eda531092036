/* The pocket world: beliefs and corpus come from a seed alone, and look as docs/POCKET.md says. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/memory.h"
#include "pocket/corpus.h"

#include <math.h>
#include <string.h>

static pbt_pocket_world world;
static pbt_error failure;

static int open_world(void **state) {
    (void)state;
    pbt_code code =
        pbt_pocket_world_open("pocket/data/questions.jsonl", "prompts/pocket", 1, &world, &failure);
    if (code != PBT_OK) print_error("%s\n", failure.message);
    return code == PBT_OK ? 0 : 1;
}

static int close_world(void **state) {
    (void)state;
    pbt_pocket_world_free(&world);
    return 0;
}

static void beliefs_are_distributions(void **state) {
    (void)state;
    size_t of_state[2][PBT_BELIEF_STATES] = {{0}};
    for (int agent = 0; agent < 2; agent++)
        for (size_t i = 0; i < world.questions.count; i++) {
            const pbt_belief *b = &world.beliefs[agent][i];
            double sum = 0;
            for (int o = 0; o < PBT_POCKET_OPTIONS; o++) {
                sum += b->probability[o];
                for (int p = 0; p < o; p++) assert_string_not_equal(b->option[o], b->option[p]);
                assert_true(pbt_belief_of(b, b->option[o]) == b->probability[o]);
            }
            assert_true(fabs(sum - 1) < 1e-9);
            assert_string_equal(b->option[0], world.questions.items[i].answers[0]);
            of_state[agent][b->state]++;
        }
    /* A knows more than B. */
    assert_true(of_state[0][PBT_KNOWN] > of_state[1][PBT_KNOWN]);
}

static void second_guess_is_the_likeliest_other(void **state) {
    (void)state;
    for (size_t i = 0; i < world.questions.count; i++) {
        const pbt_belief *b = &world.beliefs[0][i];
        for (int o = 0; o < PBT_POCKET_OPTIONS; o++) {
            const char *second = pbt_belief_second(b, b->option[o]);
            assert_string_not_equal(second, b->option[o]);
            for (int p = 0; p < PBT_POCKET_OPTIONS; p++)
                assert_true(p == o || pbt_belief_of(b, second) >= b->probability[p]);
        }
    }
}

static void same_seed_same_world(void **state) {
    (void)state;
    pbt_pocket_world again, other;
    size_t different = 0;
    assert_int_equal(
        pbt_pocket_world_open("pocket/data/questions.jsonl", "prompts/pocket", 1, &again, &failure), PBT_OK);
    assert_int_equal(
        pbt_pocket_world_open("pocket/data/questions.jsonl", "prompts/pocket", 2, &other, &failure), PBT_OK);
    for (size_t i = 0; i < world.questions.count; i++) {
        assert_int_equal(world.beliefs[0][i].state, again.beliefs[0][i].state);
        assert_int_equal(world.beliefs[0][i].hedge, again.beliefs[0][i].hedge);
        different += world.beliefs[0][i].state != other.beliefs[0][i].state;
    }
    assert_true(different > world.questions.count / 4);
    pbt_pocket_world_free(&again);
    pbt_pocket_world_free(&other);
}

static void examples_come_from_their_key(void **state) {
    (void)state;
    size_t kinds[PBT_EXAMPLE_KINDS] = {0};
    pbt_pocket_example *a = pbt_alloc(1, sizeof *a), *b = pbt_alloc(1, sizeof *b);
    for (uint64_t i = 0; i < 3000; i++) {
        pbt_key key = pbt_key_child(pbt_key_of_seed(7), i);
        pbt_pocket_stage stage = (pbt_pocket_stage)(i % 3);
        pbt_pocket_example_make(&world, 0, stage, key, a);
        pbt_pocket_example_make(&world, 0, stage, key, b);
        assert_int_equal(a->n_turns, b->n_turns);
        assert_true(a->n_turns > 0 && a->n_turns <= PBT_POCKET_TURNS);
        bool learns = false;
        for (size_t t = 0; t < a->n_turns; t++) {
            assert_string_equal(a->text[t], b->text[t]);
            assert_null(strchr(a->text[t], '{'));
            assert_true(a->text[t][0] != 0);
            learns = learns || a->learn[t];
        }
        assert_true(learns);
        kinds[a->kind]++;
    }
    for (int k = 0; k < PBT_EXAMPLE_KINDS; k++) assert_true(kinds[k] > 50);
    free(a);
    free(b);
}

static void examples_are_views_of_debates(void **state) {
    (void)state;
    pbt_pocket_example *e = pbt_alloc(1, sizeof *e);
    pbt_arena *arena = pbt_arena_create();
    for (uint64_t i = 0; i < 500; i++) {
        pbt_message *messages;
        size_t n;
        pbt_pocket_example_make(&world, 1, PBT_CHOOSING, pbt_key_child(pbt_key_of_seed(9), i), e);
        assert_int_equal(pbt_pocket_example_view(&world, e, e->n_turns - 1, arena, &messages, &n, &failure),
                         PBT_OK);
        assert_string_equal(messages[0].role, "user");
        assert_string_equal(messages[n - 1].role, "user");
        for (size_t m = 1; m < n; m++) assert_string_not_equal(messages[m].role, messages[m - 1].role);
    }
    pbt_arena_free(arena);
    free(e);
}

static void refuses_questions_without_options(void **state) {
    (void)state;
    pbt_pocket_world none;
    assert_int_equal(
        pbt_pocket_world_open("tests/data/no_such_file.jsonl", "prompts/pocket", 1, &none, &failure),
        PBT_BAD_INPUT);
    assert_non_null(strstr(failure.message, "no_such_file.jsonl"));
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(beliefs_are_distributions),
                                       cmocka_unit_test(second_guess_is_the_likeliest_other),
                                       cmocka_unit_test(same_seed_same_world),
                                       cmocka_unit_test(examples_come_from_their_key),
                                       cmocka_unit_test(examples_are_views_of_debates),
                                       cmocka_unit_test(refuses_questions_without_options)};
    return cmocka_run_group_tests(tests, open_world, close_world);
}
