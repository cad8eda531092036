/* The stages trees and pairs with scripted agents: an interrupted run ends with the same store as one that
 * was not, another experiment is refused, and stages say what must come first. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/memory.h"
#include "base/utf8.h"
#include "evaluation/stored_trees.h"
#include "experiment/scripted.h"
#include "experiment/show.h"

static int make_larger_folder(void **state) {
    if (make_run_folder(state) != 0) return 1;
    write_questions(16, 4, 4);
    return 0;
}

static int64_t replies; /* given so far */

/* Says what comes to mind first, keeps it when resistant or persuading, adopts the other's when acceptant. */
static char *reply(void *user, const pbt_message *messages, size_t n, pbt_key key) {
    (void)user;
    replies++;
    const char *own = NULL, *other = NULL;
    for (size_t i = 0; i < n; i++) {
        const char *claim = claim_in(messages[i].content);
        if (claim && strcmp(messages[i].role, "assistant") == 0) own = claim;
        if (claim && strcmp(messages[i].role, "user") == 0) other = claim;
    }
    const char *fresh = pbt_random_unit(key, 0) < 0.5 ? "right." : "wrong.";
    const char *word = own ? own : fresh;
    if (other && own && pbt_string_starts(messages[0].content, "[acceptant]")) word = other;
    return pbt_string_format("I say it is %.*s", (int)strcspn(word, "."), word);
}

/* Stops after a number of questions whether to. */
typedef struct stopper {
    int left;
} stopper;
static bool stopped(void *user) {
    stopper *s = user;
    return s->left >= 0 && s->left-- == 0;
}

static bool fraction_seen;

/* The run with its agents. */
static pbt_code open_it(const char *name, const char *change, const pbt_monitor *monitor, pbt_run **run) {
    pbt_code code = open_run(name,
                             "turns: [[standard], [standard], [logical, emotional], [resistant, acceptant]], "
                             "a_first: 1, b_first: 2, chunk: 5",
                             change, monitor, run);
    if (code != PBT_OK) return code;
    set_agent(*run, PBT_AGENT_A, reply, NULL, NULL);
    set_agent(*run, PBT_AGENT_B, reply, NULL, NULL);
    set_agent(*run, PBT_EXTRACTOR, read_answer, NULL, NULL);
    return PBT_OK;
}

static pbt_code gather(void *user, const char *name, json_t *value, pbt_error *error) {
    (void)error;
    char *line = pbt_json_line(value);
    pbt_text_addf(user, "%s %s\n", name, line);
    free(line);
    return PBT_OK;
}

/* Everything the stages trees and pairs left in the store. */
static char *contents(pbt_run *run) {
    static const char *const keys[][3] = {{"trees", "train", "tree"},    {"trees", "dev", "tree"},
                                          {"trees", "test", "tree"},     {"trees", "train", "summary"},
                                          {"pairs", "", "pair"},         {"pairs", "", "summary"},
                                          {"pairs", "pbt", "selection"}, {"pairs", "accept", "selection"}};
    pbt_text text = {0};
    for (size_t i = 0; i < sizeof keys / sizeof *keys; i++) {
        pbt_artefact_key key = {keys[i][0], 1, keys[i][1], keys[i][2], ""};
        assert_int_equal(pbt_store_each(run->store, &key, gather, &text, &problem), PBT_OK);
    }
    return pbt_text_take(&text);
}

static void run_stages(pbt_run *run) {
    assert_int_equal(pbt_run_stage(run, "trees", &problem), PBT_OK);
    assert_int_equal(pbt_run_stage(run, "pairs", &problem), PBT_OK);
}

static void test_interrupted_run_is_the_same(void **state) {
    (void)state;
    pbt_run *run;
    assert_int_equal(open_it("whole", "", NULL, &run), PBT_OK);
    replies = 0;
    run_stages(run);
    const int64_t replies_of_whole = replies;
    char *whole = contents(run);
    pbt_artefact_key key = {"trees", 1, "train", "tree", ""};
    int64_t count;
    assert_int_equal(pbt_store_count(run->store, &key, &count, &problem), PBT_OK);
    assert_int_equal(count, 16 * 3);
    key = (pbt_artefact_key){"pairs", 1, "", "pair", ""};
    assert_int_equal(pbt_store_count(run->store, &key, &count, &problem), PBT_OK);
    assert_true(count > 0);
    pbt_run_close(run);
    stopper stop = {0};
    pbt_monitor monitor = {.user = &stop, .stopped = stopped};
    int interruptions = 0;
    int64_t there = 0;
    replies = 0;
    for (;;) {
        stop.left = 100;
        assert_int_equal(open_it("pieces", "", &monitor, &run), PBT_OK);
        pbt_code code = pbt_run_stage(run, "trees", &problem);
        if (code == PBT_OK) break;
        assert_int_equal(code, PBT_INTERRUPTED);
        interruptions++;
        key = (pbt_artefact_key){"trees", 1, "train", "tree", ""};
        assert_int_equal(pbt_store_count(run->store, &key, &count, &problem), PBT_OK);
        assert_true(count >= there);
        there = count;
        assert_true(interruptions < 100);
        pbt_run_close(run);
    }
    stop.left = -1;
    assert_int_equal(pbt_run_stage(run, "pairs", &problem), PBT_OK);
    assert_true(interruptions > 2 && there > 0);
    /* What was committed was not said again, only what was in work. */
    print_message("%d interruptions, %d replies instead of %d\n", interruptions, (int)replies,
                  (int)replies_of_whole);
    assert_true(replies >= replies_of_whole && replies < 2 * replies_of_whole);
    char *pieces = contents(run);
    assert_string_equal(whole, pieces);
    pbt_run_close(run);
    free(whole);
    free(pieces);
}

/* What a run is made of, as its store keeps it. */
static char *provenance_of(const char *name) {
    pbt_run *run;
    json_t *value, *counts;
    assert_int_equal(open_it(name, "", NULL, &run), PBT_OK);
    assert_int_equal(pbt_run_stage(run, "trees", &problem), PBT_OK);
    pbt_artefact_key key = {"plan", 0, "", "experiment", "provenance"};
    assert_int_equal(pbt_store_get(run->store, &key, &value, &problem), PBT_OK);
    key.name = "question_counts";
    assert_int_equal(pbt_store_get(run->store, &key, &counts, &problem), PBT_OK);
    char *line = pbt_json_line(counts);
    assert_string_equal(line, "{\"train\":16,\"dev\":4,\"test\":4}");
    free(line);
    line = pbt_json_line(value);
    json_decref(value);
    json_decref(counts);
    pbt_run_close(run);
    return line;
}

/* Names, hashes, settings; no places, and nothing that results do not depend on. */
static void test_provenance(void **state) {
    (void)state;
    static const char *const wanted[] = {"\"versions\":[\"",
                                         "\"agents.a\":{\"name\":\"a\",\"hash\":\"",
                                         "\"prompts\":{\"name\":\"prompts\",\"hash\":\"",
                                         "\"file\":{\"name\":\"q.jsonl\",\"hash\":\"",
                                         "\"dtype\":\"float32\"",
                                         "\"agents.extractor\":\"b\"",
                                         "\"trees.a_first\":1",
                                         "\"report.bootstrap_draws\":2000"};
    char *first = provenance_of("one"), *second = provenance_of("two"), *again = provenance_of("one");
    for (size_t i = 0; i < sizeof wanted / sizeof *wanted; i++)
        if (!strstr(first, wanted[i])) fail_msg("no %s in %s", wanted[i], first);
    assert_null(strstr(first, folder));
    assert_null(strstr(first, "trees.chunk"));
    assert_string_equal(first, second);
    assert_string_equal(first, again);
    free(first);
    free(second);
    free(again);
}

static void note_progress(void *user, const char *task, const char *unit, double done, double total,
                          const char *note) {
    (void)user, (void)task, (void)unit, (void)total, (void)note;
    fraction_seen = fraction_seen || done != (double)(int64_t)done;
}

/* A tree is stored when it is grown, not when all that grow beside it are; progress counts parts of trees. */
static void test_tree_is_the_unit_of_commit(void **state) {
    (void)state;
    stopper stop = {.left = 34};
    pbt_monitor monitor = {.user = &stop, .stopped = stopped, .progress = note_progress};
    pbt_run *run;
    fraction_seen = false;
    assert_int_equal(open_it("unit", "engine: {max_batch: 1}", &monitor, &run), PBT_OK);
    assert_int_equal(pbt_run_stage(run, "trees", &problem), PBT_INTERRUPTED);
    pbt_artefact_key key = {"trees", 1, "train", "tree", ""};
    int64_t count;
    assert_int_equal(pbt_store_count(run->store, &key, &count, &problem), PBT_OK);
    assert_in_range(count, 1, 4);
    assert_true(fraction_seen);
    pbt_run_close(run);
}

static char *reads_nothing(void *user, const pbt_message *messages, size_t n, pbt_key key) {
    (void)user, (void)messages, (void)n, (void)key;
    return pbt_string_copy("Final answer: NONE");
}

static char said[4096];

static void note_message(void *user, int level, const char *line) {
    (void)user;
    size_t length = strlen(said);
    if (level <= 1) snprintf(said + length, sizeof said - length, "%s\n", line);
}

/* What is read is shown beside what is said; and where little is read, it is said early, with what to do. */
static void test_answers_are_shown(void **state) {
    (void)state;
    stopper stop = {.left = -1};
    pbt_monitor monitor = {.user = &stop, .stopped = stopped, .message = note_message};
    pbt_run *run;
    said[0] = '\0';
    assert_int_equal(open_it("shown", "", &monitor, &run), PBT_OK);
    run->experiment.show_debates = 1;
    assert_int_equal(pbt_run_stage(run, "trees", &problem), PBT_OK);
    assert_non_null(strstr(said, "I say it is right  [right]"));
    assert_null(strstr(said, "no answer could be read"));
    pbt_run_close(run);
    said[0] = '\0';
    assert_int_equal(open_it("unread", "", &monitor, &run), PBT_OK);
    run->experiment.show_debates = 1;
    pbt_agent_free(run->agents[PBT_EXTRACTOR]);
    set_agent(run, PBT_EXTRACTOR, reads_nothing, NULL, NULL);
    assert_int_equal(pbt_run_stage(run, "trees", &problem), PBT_OK);
    const char *warning = strstr(said, "no answer could be read out of ");
    assert_non_null(warning);
    assert_non_null(strstr(warning, "try another agents.extractor"));
    assert_null(strstr(warning + 1, "no answer could be read out of "));
    pbt_run_close(run);
}

static void test_order_of_stages_and_lock(void **state) {
    (void)state;
    pbt_run *run, *second;
    assert_int_equal(open_it("order", "", NULL, &run), PBT_OK);
    assert_int_equal(pbt_run_stage(run, "pairs", &problem), PBT_BAD_INPUT);
    assert_non_null(strstr(problem.message, "stage trees of seed 1 is not finished; run pbt trees "));
    assert_int_equal(pbt_run_stage(run, "tress", &problem), PBT_USAGE);
    assert_int_equal(open_it("order", "", NULL, &second), PBT_FAILED);
    assert_non_null(strstr(problem.message, "another pbt (process "));
    assert_non_null(strstr(problem.message, ") is writing here; wait for it or stop it"));
    pbt_run_close(run);
}

static void test_another_experiment_is_refused(void **state) {
    (void)state;
    pbt_run *run;
    assert_int_equal(open_it("same", "", NULL, &run), PBT_OK);
    pbt_run_close(run);
    assert_int_equal(open_it("same", "dpo: {beta: 0.5}", NULL, &run), PBT_BAD_INPUT);
    assert_non_null(strstr(problem.message, "dpo.beta is 0.1 in the run, 0.5 now"));
    assert_int_equal(open_it("same", "engine.max_batch: 7", NULL, &run), PBT_OK); /* a free setting, dotted */
    pbt_run_close(run);
    write_file("prompts/final.txt", "Well?\n");
    assert_int_equal(open_it("same", "", NULL, &run), PBT_BAD_INPUT);
    assert_non_null(strstr(problem.message, "the contents of prompts have changed"));
}

static pbt_code open_changed(const char *name, const char *change, pbt_run **run) {
    accept_changes = true;
    pbt_code code = open_it(name, change, NULL, run);
    accept_changes = false;
    return code;
}

static int64_t count(pbt_run *run, const char *stage, const char *arm, const char *kind) {
    int64_t n = 0;
    pbt_artefact_key key = {stage, 1, arm, kind, ""};
    assert_int_equal(pbt_store_count(run->store, &key, &n, &problem), PBT_OK);
    return n;
}

/* A changed setting costs what is made from it on, and nothing before. */
static void test_changes_are_accepted(void **state) {
    (void)state;
    pbt_run *run;
    assert_int_equal(open_it("changed", "", NULL, &run), PBT_OK);
    run_stages(run);
    int64_t trees = count(run, "trees", "train", "tree");
    assert_true(count(run, "pairs", "", "pair") > 0);
    /* The arms that are not listed have their selections too: they may be added. */
    assert_int_equal(count(run, "pairs", "resist", "selection"), 1);
    pbt_run_close(run);
    assert_int_equal(open_it("changed", "pairs: {min_relative_margin: 0.5}", NULL, &run), PBT_BAD_INPUT);
    assert_non_null(strstr(problem.message, "pairs.min_relative_margin is 0.25 in the run, 0.5 now"));
    assert_non_null(strstr(problem.message, "redoes: pairs, SFT, DPO and the evaluations of the trained"));
    assert_int_equal(open_changed("changed", "pairs: {min_relative_margin: 0.5}", &run), PBT_OK);
    assert_int_equal(count(run, "pairs", "", "pair"), 0);
    assert_int_equal(count(run, "trees", "train", "tree"), trees);
    run_stages(run);
    pbt_run_close(run);
    assert_int_equal(
        open_it("changed", "pairs: {min_relative_margin: 0.5}\narms: [resist, pbt, accept]", NULL, &run),
        PBT_OK);
    pbt_run_close(run);
    assert_int_equal(open_it("changed", "pairs: {min_relative_margin: 0.5}\nseeds: [2]", NULL, &run),
                     PBT_BAD_INPUT);
    assert_non_null(strstr(problem.message, "seeds is [1] in the run, [2] now"));
    assert_non_null(strstr(problem.message, "redoes: nothing"));
    assert_int_equal(open_it("changed", "pairs: {min_relative_margin: 0.5}\nseeds: [2, 1]", NULL, &run),
                     PBT_OK);
    pbt_run_close(run);
    write_file("prompts/final.txt", "Well?\n");
    assert_int_equal(open_changed("changed", "pairs: {min_relative_margin: 0.5}\nseeds: [2, 1]", &run),
                     PBT_OK);
    assert_int_equal(count(run, "trees", "train", "tree"), 0);
    assert_int_equal(count(run, "pairs", "", "pair"), 0);
    pbt_run_close(run);
}

/* A run that was begun before a key existed goes on while the key has its default. */
static void test_older_run(void **state) {
    (void)state;
    static const pbt_artefact_key key = {"plan", 0, "", "experiment", "settings"};
    pbt_run *run;
    json_t *settings;
    assert_int_equal(open_it("older", "", NULL, &run), PBT_OK);
    assert_int_equal(pbt_store_get(run->store, &key, &settings, &problem), PBT_OK);
    assert_int_equal(json_object_del(settings, "dpo.loss_weights"), 0);
    assert_int_equal(json_object_del(settings, "pairs.listeners"), 0);
    assert_int_equal(pbt_store_put(run->store, &key, settings, &problem), PBT_OK);
    json_decref(settings);
    pbt_run_close(run);
    assert_int_equal(open_it("older", "pairs: {listeners: own}", NULL, &run), PBT_BAD_INPUT);
    assert_non_null(strstr(problem.message, "pairs.listeners is \"both\" in the run, \"own\" now"));
    assert_int_equal(open_it("older", "", NULL, &run), PBT_OK);
    pbt_run_close(run);
}

static void test_stage_alone(void **state) {
    (void)state;
    pbt_run *run;
    char *path = pbt_path_join(folder, "alone");
    assert_int_equal(pbt_run_open(path, NULL, test_device(), NULL, &run, &problem), PBT_BAD_INPUT);
    assert_int_equal(open_it("alone", "seeds: [5, 6]", NULL, &run), PBT_OK);
    pbt_run_close(run);
    assert_int_equal(pbt_run_open(path, NULL, test_device(), NULL, &run, &problem), PBT_OK);
    assert_int_equal(run->experiment.seeds.count, 2);
    assert_int_equal(run->experiment.seeds.items[1], 6);
    pbt_run_close(run);
    free(path);
}

/* ---- what a person sees of the debates ---- */

static pbt_text seen;
static void note_shown_line(void *user, int level, const char *line) {
    (void)user, (void)level;
    pbt_text_addf(&seen, "%s\n", line);
}

/* A debate of three turns: an answer, a verdict, and what the caller says. */
static void three_turns(pbt_tree *tree, const char *answer, pbt_verdict verdict) {
    int32_t parent = -1;
    for (int turn = 0; turn < 3; turn++) {
        pbt_node *node;
        assert_int_equal(pbt_tree_add(tree, parent, turn % 2, PBT_STANDARD, "So.",
                                      turn == 0 ? "Rome" : answer, turn == 1 ? PBT_DISAGREE : verdict, &node,
                                      &problem),
                         PBT_OK);
        node->raw_answer = pbt_string_copy("I cannot say");
        parent = node->id;
    }
}

/* Live debates show the answer read from every turn. */
static void test_show(void **state) {
    (void)state;
    const pbt_monitor monitor = {.message = note_shown_line};
    char *answers[] = {(char *)"Paris"}, *normalized[] = {(char *)"paris"};
    const pbt_question question = {(char *)"q", (char *)"Where?", answers, normalized, 1, NULL, 0};
    pbt_tree trees[4] = {
        {.question = &question}, {.question = &question}, {.question = &question}, {.question = &question}};
    for (int i = 0; i < 4; i++) three_turns(&trees[i], NULL, PBT_NO_VERDICT);
    assert_true(pbt_show_debate(&trees[0], &monitor));
    assert_non_null(strstr(pbt_text_string(&seen), "So.  [Rome]\n"));
    assert_non_null(strstr(pbt_text_string(&seen), "So.  [disagrees]\n"));
    assert_non_null(strstr(pbt_text_string(&seen), "So.  [no answer read]\n"));
    /* What is cut is cut between characters. */
    free(trees[1].nodes[0].text);
    trees[1].nodes[0].text = pbt_alloc(602, 1);
    for (int i = 0; i < 601; i++) trees[1].nodes[0].text[i] = i == 0 ? 'x' : i % 2 ? '\xC3' : '\xA9';
    assert_true(pbt_show_debate(&trees[1], &monitor));
    assert_true(pbt_utf8_valid(seen.data, seen.length));
    for (int i = 0; i < 4; i++) pbt_tree_free(&trees[i]);
    pbt_text_free(&seen);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_show),
        cmocka_unit_test_setup_teardown(test_provenance, make_larger_folder, remove_folder),
        cmocka_unit_test_setup_teardown(test_interrupted_run_is_the_same, make_larger_folder, remove_folder),
        cmocka_unit_test_setup_teardown(test_tree_is_the_unit_of_commit, make_larger_folder, remove_folder),
        cmocka_unit_test_setup_teardown(test_answers_are_shown, make_larger_folder, remove_folder),
        cmocka_unit_test_setup_teardown(test_order_of_stages_and_lock, make_larger_folder, remove_folder),
        cmocka_unit_test_setup_teardown(test_another_experiment_is_refused, make_larger_folder,
                                        remove_folder),
        cmocka_unit_test_setup_teardown(test_changes_are_accepted, make_larger_folder, remove_folder),
        cmocka_unit_test_setup_teardown(test_older_run, make_larger_folder, remove_folder),
        cmocka_unit_test_setup_teardown(test_stage_alone, make_larger_folder, remove_folder),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
