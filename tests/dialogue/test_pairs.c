/* Trees worked by hand: what is held, scores, the textbook pairs to resist and to accept, and every reason
 * for which two responses become no pair. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "dialogue/pairs.h"

#include <stdlib.h>
#include <string.h>

static pbt_error problem;
static pbt_questions questions;
#define OK(expression)                                                                                       \
    do {                                                                                                     \
        if ((expression) != PBT_OK) fail_msg("%s", problem.message);                                         \
    } while (0)

static int set_up(void **state) {
    (void)state;
    const char *answers[] = {"Paris", "City of Light"};
    return pbt_questions_add(&questions, "q1", "Which city?", answers, 2, &problem);
}

static int tear_down(void **state) {
    (void)state;
    pbt_questions_free(&questions);
    return 0;
}

static int32_t add(pbt_tree *tree, int32_t parent, int speaker, pbt_role role, const char *text,
                   const char *answer, pbt_verdict verdict) {
    pbt_node *node;
    OK(pbt_tree_add(tree, parent, speaker, role, text, answer, verdict, &node, &problem));
    return node->id;
}

static pbt_tree new_tree(const char *id) {
    return (pbt_tree){.id = strdup(id), .question = &questions.items[0]};
}

/* A says `first`, B says `second`, A argues for its answer; B's two replies hold `resistant` and `acceptant`.
 */
static pbt_tree debate(const char *first, const char *second, const char *resistant, const char *acceptant) {
    pbt_tree tree = new_tree("t");
    add(&tree, -1, 0, PBT_STANDARD, "1", first, PBT_NO_VERDICT);
    add(&tree, 0, 1, PBT_STANDARD, "2", second, PBT_NO_VERDICT);
    add(&tree, 1, 0, PBT_LOGICAL, "3", first, PBT_NO_VERDICT);
    add(&tree, 2, 1, PBT_RESISTANT, "keep", resistant, PBT_NO_VERDICT);
    add(&tree, 2, 1, PBT_ACCEPTANT, "adopt", acceptant, PBT_NO_VERDICT);
    return tree;
}

static void collect(pbt_tree *tree, const pbt_pair_rules *rules, pbt_pair_list *pairs) {
    OK(pbt_pairs_collect(tree, 1, rules, pairs, NULL, &problem));
}

static void test_scores(void **state) {
    (void)state;
    pbt_tree tree = debate("London", "Paris", "the city of light", "London");
    OK(pbt_tree_score(&tree, &problem));
    assert_string_equal(tree.nodes[3].held[1], "city of light");
    assert_string_equal(tree.nodes[3].held[0], "london");
    assert_true(tree.nodes[3].correct && !tree.nodes[4].correct);
    /* Node 2 (wrong itself): one right child. Node 1 (right): 1 + 1. Node 0 (wrong): 2. */
    assert_int_equal(tree.nodes[2].score, 1);
    assert_int_equal(tree.nodes[1].score, 2);
    assert_int_equal(tree.nodes[0].score, 2);
    assert_int_equal(tree.nodes[2].n_children, 2);
    pbt_tree_free(&tree);
}

static void test_verdicts_are_held(void **state) {
    (void)state;
    pbt_tree tree = new_tree("t");
    add(&tree, -1, 0, PBT_STANDARD, "1", "Paris", PBT_NO_VERDICT);
    add(&tree, 0, 1, PBT_STANDARD, "2", "Rome", PBT_NO_VERDICT);
    add(&tree, 1, 0, PBT_LOGICAL, "no", NULL, PBT_DISAGREE);
    add(&tree, 2, 1, PBT_ACCEPTANT, "ok", NULL, PBT_AGREE);
    add(&tree, 2, 1, PBT_RESISTANT, "hm", NULL, PBT_NO_VERDICT);
    OK(pbt_tree_score(&tree, &problem));
    assert_string_equal(tree.nodes[2].held[0], "paris");
    assert_string_equal(tree.nodes[3].held[1], "paris");
    assert_true(tree.nodes[3].correct);
    assert_null(tree.nodes[4].held[1]);
    pbt_tree_free(&tree);
}

static void test_resist(void **state) {
    (void)state;
    pbt_tree tree = debate("London", "Paris", "Paris", "London");
    pbt_pair_rules rules = pbt_pair_rules_default();
    pbt_pair_list pairs;
    collect(&tree, &rules, &pairs);
    assert_int_equal(pairs.count, 1);
    assert_int_equal(pairs.items[0].kind, PBT_RESIST);
    assert_int_equal(pairs.items[0].chosen, 3);
    assert_int_equal(pairs.items[0].rejected, 4);
    assert_int_equal(pairs.items[0].parent, 2);
    assert_int_equal(pairs.kinds[PBT_RESIST][1], 1);
    pbt_pair_list_free(&pairs);
    pbt_tree_free(&tree);
}

static void test_accept(void **state) {
    (void)state;
    pbt_tree tree = debate("Paris", "London", "London", "Paris");
    pbt_pair_rules rules = pbt_pair_rules_default();
    pbt_pair_list pairs;
    collect(&tree, &rules, &pairs);
    assert_int_equal(pairs.count, 1);
    assert_int_equal(pairs.items[0].kind, PBT_ACCEPT);
    assert_int_equal(pairs.items[0].chosen, 4);
    assert_int_equal(pairs.items[0].rejected, 3);
    pbt_pair_list_free(&pairs);
    pbt_tree_free(&tree);
}

static void expect_reason(pbt_tree tree, const pbt_pair_rules *rules, pbt_reason reason) {
    pbt_pair_rules usual = pbt_pair_rules_default();
    pbt_pair_list pairs;
    collect(&tree, rules ? rules : &usual, &pairs);
    if (pairs.reasons[reason] != 1) fail_msg("no candidate was dropped as %s", pbt_reason_names[reason]);
    assert_int_equal(pairs.count, reason == PBT_KEPT);
    pbt_pair_list_free(&pairs);
    pbt_tree_free(&tree);
}

static void test_reasons(void **state) {
    (void)state;
    expect_reason(debate("London", "Paris", "Rome", "London"), NULL, PBT_EQUAL_SCORE);
    expect_reason(debate("London", "Paris", "Paris", "London"), NULL, PBT_KEPT);
    expect_reason(debate("London", "Paris", "Paris", NULL), NULL, PBT_NO_ANSWER);
    /* Both were wrong before, or the listener had said nothing readable. */
    expect_reason(debate("London", "Rome", "Paris", "London"), NULL, PBT_NO_KIND);
    expect_reason(debate("London", NULL, "Paris", "London"), NULL, PBT_NO_KIND);
    pbt_tree tree = debate("London", "Paris", "Paris", "London");
    tree.nodes[3].verdict = tree.nodes[4].verdict = PBT_DISAGREE;
    expect_reason(tree, NULL, PBT_NO_DISAGREEMENT);
    tree = debate("London", "Paris", "Paris", "London");
    tree.nodes[3].verdict = tree.nodes[4].verdict = PBT_DISAGREE;
    pbt_pair_rules rules = pbt_pair_rules_default();
    rules.require_disagreement = false;
    expect_reason(tree, &rules, PBT_KEPT);
    /* One response was answered, the other not. */
    tree = debate("London", "Paris", "Paris", "London");
    add(&tree, 3, 0, PBT_LOGICAL, "5", "Paris", PBT_NO_VERDICT);
    expect_reason(tree, NULL, PBT_KEPT);
    tree = debate("London", "Paris", "Paris", "London");
    add(&tree, 3, 0, PBT_LOGICAL, "5", "Paris", PBT_NO_VERDICT);
    rules.unequal_children = false;
    expect_reason(tree, &rules, PBT_UNEQUAL_CHILDREN);
    /* Scores 2 and 1: a margin of one half. */
    tree = debate("London", "Paris", "Paris", "London");
    add(&tree, 3, 0, PBT_LOGICAL, "5", "Paris", PBT_NO_VERDICT);
    add(&tree, 4, 0, PBT_LOGICAL, "6", "Paris", PBT_NO_VERDICT);
    rules = pbt_pair_rules_default();
    rules.min_relative_margin = 0.51;
    expect_reason(tree, &rules, PBT_SMALL_MARGIN);
    /* Equal answers with unequal scores, through the children. */
    tree = debate("London", "Paris", "Paris", "City of light");
    add(&tree, 3, 0, PBT_LOGICAL, "5", "Paris", PBT_NO_VERDICT);
    add(&tree, 4, 0, PBT_LOGICAL, "6", "Rome", PBT_NO_VERDICT);
    expect_reason(tree, NULL, PBT_SAME_ANSWER);
}

static void test_duplicates(void **state) {
    (void)state;
    pbt_tree trees[2] = {debate("London", "Paris", "Paris", "London"),
                         debate("London", "Paris", "Paris", "London")};
    pbt_pair_rules rules = pbt_pair_rules_default();
    pbt_pair_list pairs;
    OK(pbt_pairs_collect(trees, 2, &rules, &pairs, NULL, &problem));
    assert_int_equal(pairs.count, 2);
    pbt_pair_list_free(&pairs);
    rules.drop_duplicates = true;
    OK(pbt_pairs_collect(trees, 2, &rules, &pairs, NULL, &problem));
    assert_int_equal(pairs.count, 1);
    assert_int_equal(pairs.reasons[PBT_DUPLICATE], 1);
    assert_int_equal(pairs.n_drops, 1);
    assert_ptr_equal(pairs.drops[0].tree, &trees[1]);
    assert_int_equal(pairs.drops[0].reason, PBT_DUPLICATE);
    assert_true(trees[1].nodes[pairs.drops[0].better].score > trees[1].nodes[pairs.drops[0].other].score);
    /* Only the other agent's pairs wanted: the one pair becomes a drop. */
    int listener = trees[0].nodes[pairs.items[0].chosen].speaker;
    OK(pbt_pairs_keep_listener(&pairs, listener, &problem));
    assert_int_equal(pairs.count, 1);
    OK(pbt_pairs_keep_listener(&pairs, 1 - listener, &problem));
    assert_int_equal(pairs.count, 0);
    assert_int_equal(pairs.reasons[PBT_KEPT], 0);
    assert_int_equal(pairs.reasons[PBT_OTHER_LISTENER], 1);
    assert_int_equal(pairs.drops[1].reason, PBT_OTHER_LISTENER);
    pbt_pair_list_free(&pairs);
    pbt_tree_free(&trees[0]);
    pbt_tree_free(&trees[1]);
}

static void set_texts(pbt_tree *tree, const char *chosen, const char *rejected) {
    free(tree->nodes[3].text);
    free(tree->nodes[4].text);
    tree->nodes[3].text = strdup(chosen);
    tree->nodes[4].text = strdup(rejected);
}

static void test_equal_and_empty_texts(void **state) {
    (void)state;
    static const struct {
        const char *chosen, *rejected;
        pbt_reason reason;
    } cases[] = {
        {"same", "same", PBT_EQUAL_TEXT}, {"", "adopt", PBT_EMPTY_TEXT}, {"keep", " \n", PBT_EMPTY_TEXT}};
    for (size_t i = 0; i < 3; i++) {
        pbt_tree tree = debate("London", "Paris", "Paris", "London");
        set_texts(&tree, cases[i].chosen, cases[i].rejected);
        pbt_pair_rules rules = pbt_pair_rules_default();
        pbt_pair_list pairs;
        collect(&tree, &rules, &pairs);
        assert_int_equal(pairs.count, 0);
        assert_int_equal(pairs.reasons[cases[i].reason], 1);
        assert_int_equal(pairs.drops[0].reason, cases[i].reason);
        pbt_pair_list_free(&pairs);
        pbt_tree_free(&tree);
    }
}

static void test_arms(void **state) {
    (void)state;
    enum { N = 12 };
    pbt_tree trees[N];
    for (int i = 0; i < N; i++) {
        trees[i] =
            i < 8 ? debate("London", "Paris", "Paris", "London") : debate("Paris", "Rome", "Rome", "Paris");
        free(trees[i].nodes[3].text);
        trees[i].nodes[3].text = pbt_string_format("keep %d", i);
    }
    pbt_pair_rules rules = pbt_pair_rules_default();
    pbt_pair_list pairs;
    OK(pbt_pairs_collect(trees, N, &rules, &pairs, NULL, &problem));
    assert_int_equal(pairs.count, N);
    size_t size;
    pbt_key key = pbt_key_of_seed(1);
    OK(pbt_arm_size(&pairs, 0, 0, key, &size, &problem));
    assert_int_equal(size, 4);
    OK(pbt_arm_size(&pairs, 3, 0, key, &size, &problem));
    assert_int_equal(size, 2);
    OK(pbt_arm_size(&pairs, 0, 2, key, &size, &problem));
    assert_int_equal(size, 2);
    for (int arm = PBT_ARM_ACCEPT; arm < PBT_ARMS; arm++) {
        uint32_t *index;
        size_t count, kinds[2] = {0};
        OK(pbt_arm_select(&pairs, (pbt_arm)arm, 0, 4, key, &index, &count, &problem));
        assert_int_equal(count, 4);
        for (size_t i = 0; i < count; i++) kinds[pairs.items[index[i]].kind]++;
        assert_int_equal(kinds[PBT_ACCEPT], arm == PBT_ARM_ACCEPT ? 4 : arm == PBT_ARM_PBT ? 2 : 0);
        free(index);
    }
    pbt_pair_list_free(&pairs);
    for (int i = 0; i < N; i++) pbt_tree_free(&trees[i]);
}

/* Ids that do not count from 0 come out again as they were. */
static void test_foreign_ids(void) {
    pbt_prompts prompts = {.role = {"{question}"}};
    pbt_pair_rules rules = pbt_pair_rules_default();
    pbt_pair_list pairs;
    pbt_tree tree = debate("London", "Paris", "Paris", "London"), again;
    for (size_t i = 0; i < tree.n_nodes; i++) tree.nodes[i].label = 1000 - 10 * (int64_t)i;
    json_t *value = pbt_tree_to_json(&tree), *row;
    OK(pbt_tree_from_json(value, "f", "line 1", &questions, &again, &problem));
    assert_int_equal(again.nodes[4].parent, 2);
    collect(&again, &rules, &pairs);
    assert_int_equal(pairs.count, 1);
    OK(pbt_pair_to_json(&pairs.items[0], &prompts, &row, &problem));
    assert_int_equal(json_integer_value(json_object_get(row, "parent")), 980);
    assert_int_equal(json_integer_value(json_object_get(row, "chosen_node")), 970);
    assert_int_equal(json_integer_value(json_object_get(row, "rejected_node")), 960);
    json_decref(row);
    json_decref(value);
    pbt_pair_list_free(&pairs);
    pbt_tree_free(&again);
    pbt_tree_free(&tree);
}

static void test_json(void **state) {
    (void)state;
    pbt_tree tree = debate("London", "Paris", "Paris", "London"), again;
    tree.nodes[3].verdict = PBT_DISAGREE;
    json_t *value = pbt_tree_to_json(&tree);
    OK(pbt_tree_from_json(value, "f", "line 1", &questions, &again, &problem));
    assert_ptr_equal(again.question, tree.question);
    json_t *second = pbt_tree_to_json(&again);
    assert_true(json_equal(value, second));
    json_decref(second);
    pbt_tree_free(&again);
    static const struct {
        const char *key, *value, *words;
    } bad[] = {{"parent", "4", "node 3: expected \"parent\" to be the id of an earlier node"},
               {"parent", "1", "node 3: expected the other speaker than its parent's"},
               {"turn", "2", "node 3: expected \"turn\" to be its parent's turn plus one"},
               {"role", "\"loud\"", "node 3: expected \"role\" to be standard"},
               {"speaker", "\"C\"", "node 3: expected \"speaker\" to be \"A\" or \"B\""},
               {"verdict", "\"maybe\"", "node 3: expected \"verdict\" to be agree, disagree or null"},
               {"text", "null", "node 3: expected \"text\" to be a string"},
               {"answer", "5", "node 3: expected \"answer\" to be a string or null"},
               {"id", "1", "node 3: expected an \"id\" that no earlier node has"},
               {"id", "null", "node 3: expected \"id\" to be a whole number"}};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        json_t *copy = json_deep_copy(value), *node = json_array_get(json_object_get(copy, "nodes"), 3);
        json_object_set_new(node, bad[i].key, json_loads(bad[i].value, JSON_DECODE_ANY, NULL));
        assert_int_equal(pbt_tree_from_json(copy, "f", "line 1", &questions, &again, &problem),
                         PBT_BAD_INPUT);
        if (!strstr(problem.message, bad[i].words)) fail_msg("%s", problem.message);
        json_decref(copy);
    }
    json_decref(value);
    test_foreign_ids();
    /* The pair under the standard prompt, from the listener's point of view. */
    pbt_prompts prompts = {.role = {"Answer: {question}"}};
    pbt_pair_rules rules = pbt_pair_rules_default();
    pbt_pair_list pairs;
    rules.require_disagreement = true;
    collect(&tree, &rules, &pairs);
    assert_int_equal(pairs.count, 1);
    OK(pbt_pair_to_json(&pairs.items[0], &prompts, &value, &problem));
    char *line = json_dumps(json_object_get(value, "prompt"), JSON_COMPACT);
    assert_string_equal(line,
                        "[{\"role\":\"user\",\"content\":\"Answer: Which city?\\n\\n1\"},"
                        "{\"role\":\"assistant\",\"content\":\"2\"},{\"role\":\"user\",\"content\":\"3\"}]");
    free(line);
    json_decref(value);
    pbt_pair_list_free(&pairs);
    pbt_tree_free(&tree);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_scores),
                                       cmocka_unit_test(test_verdicts_are_held),
                                       cmocka_unit_test(test_resist),
                                       cmocka_unit_test(test_accept),
                                       cmocka_unit_test(test_reasons),
                                       cmocka_unit_test(test_duplicates),
                                       cmocka_unit_test(test_equal_and_empty_texts),
                                       cmocka_unit_test(test_arms),
                                       cmocka_unit_test(test_json)};
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
