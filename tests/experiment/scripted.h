/*
 * A run whose agents speak from a script, for hand-worked tests: a folder with prompts, questions and an
 * experiment file, opened with scripted agents in place of models.
 */
#ifndef PBT_TESTS_EXPERIMENT_SCRIPTED_H
#define PBT_TESTS_EXPERIMENT_SCRIPTED_H

#include "base/file.h"
#include "experiment/evaluation.h"
#include "experiment/run.h"

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

/* Prompts and two empty model folders; tests write questions of their own over q.jsonl. */
static int make_folder(void **state) {
    (void)state;
    static const char *const folders[] = {"prompts", "a", "b"};
    strcpy(folder, "/tmp/pbt-scripted-XXXXXX");
    if (!mkdtemp(folder)) return 1;
    for (int i = 0; i < 3; i++) {
        char *path = pbt_path_join(folder, folders[i]);
        assert_int_equal(pbt_folder_make(path, &problem), PBT_OK);
        free(path);
    }
    for (int i = 0; i < PBT_ROLES; i++) {
        char name[64], text[64];
        snprintf(name, sizeof name, "prompts/%s.txt", pbt_role_names[i]);
        snprintf(text, sizeof text, "[%s] {question}\n", pbt_role_names[i]);
        write_file(name, text);
    }
    write_file("prompts/extract.txt", "{text}\n");
    write_file("prompts/challenge.txt", "I don't think so. Are you sure?\nReally?\n");
    write_file("prompts/final.txt", "Ok, so what's your final answer?\n");
    write_file("a/config.json", "{}");
    write_file("b/config.json", "{}");
    pbt_text lines = {0};
    for (int i = 0; i < 12; i++)
        pbt_text_addf(
            &lines,
            "{\"id\": \"q%d\", \"text\": \"What is %d?\", \"answers\": [\"right\"], \"split\": \"%s\"}\n", i,
            i,
            i < 2   ? "train"
            : i < 4 ? "dev"
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

/* The experiment with further lines ("eval: {...}"), in FOLDER/name, agents not yet there. */
static pbt_code begin_run(const char *name, const char *lines, pbt_run **run) {
    char *text =
        pbt_string_format("name: scripted\nagents: {a: {model: a}, b: {model: b}}\nprompts: prompts\n"
                          "questions: {file: q.jsonl}\n"
                          "trees: {turns: [[standard], [standard], [logical], [resistant]], a_first: 1, "
                          "b_first: 1, min_new_tokens: 1}\nshow: {debates: 0}\n%s\n",
                          lines);
    write_file("e.yaml", text);
    free(text);
    char *path = pbt_path_join(folder, "e.yaml"), *run_folder = pbt_path_join(folder, name);
    pbt_experiment experiment;
    pbt_code code = pbt_experiment_read(path, NULL, NULL, 0, &experiment, &problem);
    if (code == PBT_OK) {
        code = pbt_run_open(run_folder, &experiment, NULL, run, &problem);
        pbt_experiment_free(&experiment);
    }
    free(path);
    free(run_folder);
    return code;
}

static void set_agent(pbt_run *run, pbt_speaker who, pbt_script_reply reply, pbt_script_score score,
                      void *user) {
    static const char *const names[] = {"A", "B", "extractor"};
    assert_int_equal(pbt_agent_scripted(reply, score, user, names[who], &run->agents[who], &problem), PBT_OK);
}

/* The word after the last "it is ", up to a full stop; NULL: none. */
static const char *claim_in(const char *text) {
    const char *found = NULL;
    for (const char *p = text; (p = strstr(p, "it is ")); p += 6) found = p + 6;
    return found;
}

/* The extractor: reads "it is X.", "I agree." and "I disagree.". */
static char *read_answer(void *user, const pbt_message *messages, size_t n, pbt_key key) {
    (void)user, (void)key;
    const char *text = messages[n - 1].content, *claim = claim_in(text);
    if (claim) return pbt_string_format("Final answer: %.*s", (int)strcspn(claim, ".\n"), claim);
    if (strstr(text, "I disagree")) return pbt_string_copy("Final answer: Disagree");
    if (strstr(text, "I agree")) return pbt_string_copy("Final answer: Agree");
    return pbt_string_copy("Final answer: NONE");
}

/* Judged items of an evaluation, in their order. */
typedef struct judged {
    json_t *items[2048];
    size_t n;
} judged;

static pbt_code take_item(void *user, const char *name, json_t *value, pbt_error *error) {
    judged *list = user;
    (void)name, (void)error;
    assert_true(list->n < sizeof list->items / sizeof *list->items);
    list->items[list->n++] = json_incref(value);
    return PBT_OK;
}

static void read_items(pbt_run *run, const char *arm, const char *kind, judged *list) {
    pbt_artefact_key key = {"eval", 1, arm, kind, ""};
    list->n = 0;
    assert_int_equal(pbt_store_each(run->store, &key, take_item, list, &problem), PBT_OK);
}

static void drop_items(judged *list) {
    for (size_t i = 0; i < list->n; i++) json_decref(list->items[i]);
    list->n = 0;
}

/* Stage "eval" of the run as if everything before it had been done. */
static pbt_code evaluate(pbt_run *run) {
    assert_int_equal(pbt_run_set_done(run, "train", 1, "", &problem), PBT_OK);
    return pbt_run_stage(run, "eval", &problem);
}

static double number_in(const json_t *item, const char *object, const char *key) {
    const json_t *value = json_object_get(json_object_get(item, object), key);
    return json_is_number(value) ? json_number_value(value) : -99;
}

#endif
