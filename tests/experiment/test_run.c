/* The stages trees and pairs with scripted agents: an interrupted run ends with the same store as one that
 * was not, another experiment is refused, and stages say what must come first. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/file.h"
#include "experiment/run.h"
#include "experiment/trees.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static char folder[64];
static pbt_error problem;

static void write_file(const char *name, const char *text) {
    char *path = pbt_path_join(folder, name);
    assert_int_equal(pbt_file_write(path, text, strlen(text), &problem), PBT_OK);
    free(path);
}

static int make_folder(void **state) {
    (void)state;
    static const char *const folders[] = {"prompts", "a", "b"};
    static const char *const roles[] = {"standard", "resistant", "acceptant",
                                        "logical",  "emotional", "credible"};
    strcpy(folder, "/tmp/pbt-run-XXXXXX");
    if (!mkdtemp(folder)) return 1;
    for (int i = 0; i < 3; i++) {
        char *path = pbt_path_join(folder, folders[i]);
        assert_int_equal(pbt_folder_make(path, &problem), PBT_OK);
        free(path);
    }
    for (int i = 0; i < 6; i++) {
        char name[64], text[64];
        snprintf(name, sizeof name, "prompts/%s.txt", roles[i]);
        snprintf(text, sizeof text, "[%s] {question}\n", roles[i]);
        write_file(name, text);
    }
    write_file("prompts/extract.txt", "{text}\n");
    write_file("prompts/challenge.txt", "I don't think so. Are you sure?\n");
    write_file("prompts/final.txt", "Ok, so what's your final answer?\n");
    write_file("a/config.json", "{}");
    write_file("b/config.json", "{}");
    pbt_text lines = {0};
    for (int i = 0; i < 24; i++)
        pbt_text_addf(
            &lines,
            "{\"id\": \"q%d\", \"text\": \"What is %d?\", \"answers\": [\"right\"], \"split\": \"%s\"}\n", i,
            i,
            i < 16   ? "train"
            : i < 20 ? "dev"
                     : "test");
    write_file("q.jsonl", pbt_text_string(&lines));
    pbt_text_free(&lines);
    return 0;
}

static int remove_folder(void **state) {
    (void)state;
    char command[128];
    snprintf(command, sizeof command, "rm -rf %s", folder);
    return system(command);
}

/* The word after the last "it is ". */
static const char *claim_in(const char *text) {
    const char *found = NULL;
    for (const char *p = text; (p = strstr(p, "it is ")); p += 6) found = p + 6;
    return found;
}

/* Says what comes to mind first, keeps it when resistant or persuading, adopts the other's when acceptant. */
static char *reply(void *user, const pbt_message *messages, size_t n, pbt_key key) {
    (void)user;
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

static char *read_answer(void *user, const pbt_message *messages, size_t n, pbt_key key) {
    (void)user, (void)key;
    const char *claim = claim_in(messages[n - 1].content);
    return claim ? pbt_string_format("Final answer: %.*s", (int)strcspn(claim, ".\n"), claim)
                 : pbt_string_copy("NONE");
}

/* Stops after a number of questions whether to. */
typedef struct stopper {
    int left;
} stopper;
static bool stopped(void *user) {
    stopper *s = user;
    return s->left >= 0 && s->left-- == 0;
}

static pbt_code open_run(const char *name, const char *change, const pbt_monitor *monitor, pbt_run **run) {
    char text[1024], *path = pbt_path_join(folder, "e.yaml"), *run_folder = pbt_path_join(folder, name);
    snprintf(
        text, sizeof text,
        "name: scripted\nagents: {a: {model: a}, b: {model: b}}\nprompts: prompts\n"
        "questions: {file: q.jsonl}\n"
        "trees: {turns: [[standard], [standard], [logical, emotional], [resistant, acceptant]], a_first: 1, "
        "b_first: 2, min_new_tokens: 1, chunk: 5}\nshow: {debates: 0}\n%s\n",
        change);
    write_file("e.yaml", text);
    pbt_experiment experiment;
    pbt_code code = pbt_experiment_read(path, NULL, NULL, 0, &experiment, &problem);
    if (code != PBT_OK) print_error("%s\n", problem.message);
    assert_int_equal(code, PBT_OK);
    code = pbt_run_open(run_folder, &experiment, monitor, run, &problem);
    pbt_experiment_free(&experiment);
    free(path);
    free(run_folder);
    if (code != PBT_OK) return code;
    assert_int_equal(pbt_agent_scripted(reply, NULL, NULL, "A", &(*run)->agents[PBT_AGENT_A], &problem),
                     PBT_OK);
    assert_int_equal(pbt_agent_scripted(reply, NULL, NULL, "B", &(*run)->agents[PBT_AGENT_B], &problem),
                     PBT_OK);
    assert_int_equal(
        pbt_agent_scripted(read_answer, NULL, NULL, "X", &(*run)->agents[PBT_EXTRACTOR], &problem), PBT_OK);
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
    assert_int_equal(open_run("whole", "", NULL, &run), PBT_OK);
    run_stages(run);
    char *whole = contents(run);
    pbt_artefact_key key = {"trees", 1, "train", "tree", ""};
    assert_int_equal(pbt_store_count(run->store, &key), 16 * 3);
    key = (pbt_artefact_key){"pairs", 1, "", "pair", ""};
    assert_true(pbt_store_count(run->store, &key) > 0);
    pbt_run_close(run);
    stopper stop = {0};
    pbt_monitor monitor = {.user = &stop, .stopped = stopped};
    int interruptions = 0;
    for (;;) {
        stop.left = 3;
        assert_int_equal(open_run("pieces", "", &monitor, &run), PBT_OK);
        pbt_code code = pbt_run_stage(run, "trees", &problem);
        if (code == PBT_OK) break;
        assert_int_equal(code, PBT_INTERRUPTED);
        interruptions++;
        assert_true(interruptions < 100);
        pbt_run_close(run);
    }
    stop.left = -1;
    assert_int_equal(pbt_run_stage(run, "pairs", &problem), PBT_OK);
    assert_true(interruptions > 2);
    char *pieces = contents(run);
    assert_string_equal(whole, pieces);
    pbt_run_close(run);
    free(whole);
    free(pieces);
}

static void test_order_of_stages_and_lock(void **state) {
    (void)state;
    pbt_run *run, *second;
    assert_int_equal(open_run("order", "", NULL, &run), PBT_OK);
    assert_int_equal(pbt_run_stage(run, "pairs", &problem), PBT_BAD_INPUT);
    assert_non_null(strstr(problem.message, "stage trees of seed 1 is not finished; run pbt trees "));
    assert_int_equal(pbt_run_stage(run, "tress", &problem), PBT_USAGE);
    assert_int_equal(open_run("order", "", NULL, &second), PBT_FAILED);
    assert_non_null(strstr(problem.message, "another pbt is working on this run"));
    pbt_run_close(run);
}

static void test_another_experiment_is_refused(void **state) {
    (void)state;
    pbt_run *run;
    assert_int_equal(open_run("same", "", NULL, &run), PBT_OK);
    pbt_run_close(run);
    assert_int_equal(open_run("same", "dpo: {beta: 0.5}", NULL, &run), PBT_BAD_INPUT);
    assert_non_null(strstr(problem.message, "dpo.beta is 0.10000000000000001 in the run, 0.5 now"));
    assert_int_equal(open_run("same", "engine.max_batch: 7", NULL, &run),
                     PBT_OK); /* a free setting, dotted */
    pbt_run_close(run);
    write_file("prompts/final.txt", "Well?\n");
    assert_int_equal(open_run("same", "", NULL, &run), PBT_BAD_INPUT);
    assert_non_null(strstr(problem.message, "the contents of prompts have changed"));
}

/* A run that was begun before a key existed goes on while the key has its default. */
static void test_older_run(void **state) {
    (void)state;
    static const pbt_artefact_key key = {"plan", 0, "", "experiment", "settings"};
    pbt_run *run;
    json_t *settings;
    assert_int_equal(open_run("older", "", NULL, &run), PBT_OK);
    assert_int_equal(pbt_store_get(run->store, &key, &settings, &problem), PBT_OK);
    assert_int_equal(json_object_del(settings, "dpo.loss_weights"), 0);
    assert_int_equal(json_object_del(settings, "pairs.listeners"), 0);
    assert_int_equal(pbt_store_put(run->store, &key, settings, &problem), PBT_OK);
    json_decref(settings);
    pbt_run_close(run);
    assert_int_equal(open_run("older", "pairs: {listeners: own}", NULL, &run), PBT_BAD_INPUT);
    assert_non_null(strstr(problem.message, "pairs.listeners is \"both\" in the run, \"own\" now"));
    assert_int_equal(open_run("older", "", NULL, &run), PBT_OK);
    pbt_run_close(run);
}

static void test_stage_alone(void **state) {
    (void)state;
    pbt_run *run;
    char *path = pbt_path_join(folder, "alone");
    assert_int_equal(pbt_run_open(path, NULL, NULL, &run, &problem), PBT_BAD_INPUT);
    assert_int_equal(open_run("alone", "seeds: [5, 6]", NULL, &run), PBT_OK);
    pbt_run_close(run);
    assert_int_equal(pbt_run_open(path, NULL, NULL, &run, &problem), PBT_OK);
    assert_int_equal(run->experiment.seeds.count, 2);
    assert_int_equal(run->experiment.seeds.items[1], 6);
    pbt_run_close(run);
    free(path);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_interrupted_run_is_the_same, make_folder, remove_folder),
        cmocka_unit_test_setup_teardown(test_order_of_stages_and_lock, make_folder, remove_folder),
        cmocka_unit_test_setup_teardown(test_another_experiment_is_refused, make_folder, remove_folder),
        cmocka_unit_test_setup_teardown(test_older_run, make_folder, remove_folder),
        cmocka_unit_test_setup_teardown(test_stage_alone, make_folder, remove_folder),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
