/*
 * A run whose agents speak from a script, for hand-worked tests: a folder with prompts, questions and an
 * experiment file, opened with scripted agents in place of models.
 */
#ifndef PBT_TESTS_EXPERIMENT_SCRIPTED_H
#define PBT_TESTS_EXPERIMENT_SCRIPTED_H

#include "base/file.h"
#include "device.h"
#include "evaluation/evaluation.h"
#include "experiment/stages.h"
#include "folder.h"
#include "scripted_agent.h"

static void write_file(const char *name, const char *text) {
    char *path = pbt_path_join(folder, name);
    assert_int_equal(pbt_file_write(path, text, strlen(text), &problem), PBT_OK);
    free(path);
}

/* q.jsonl: questions q0, q1, ..., first those of training. */
static void write_questions(int train, int dev, int test) {
    pbt_text lines = {0};
    for (int i = 0; i < train + dev + test; i++)
        pbt_text_addf(
            &lines,
            "{\"id\": \"q%d\", \"text\": \"What is %d?\", \"answers\": [\"right\"], \"split\": \"%s\"}\n", i,
            i,
            i < train         ? "train"
            : i < train + dev ? "dev"
                              : "test");
    write_file("q.jsonl", pbt_text_string(&lines));
    pbt_text_free(&lines);
}

/* Prompts, two empty model folders, and twelve questions, of which the last eight are for testing. */
static int make_run_folder(void **state) {
    static const char *const folders[] = {"prompts", "a", "b"};
    if (make_folder(state) != 0) return 1;
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
    write_questions(2, 2, 8);
    return 0;
}

static bool accept_changes; /* of an experiment that differs from the run's */

/* An experiment of these turns and further lines ("eval: {...}"), in FOLDER/name, agents not yet there. */
static pbt_code open_run(const char *name, const char *trees, const char *lines, const pbt_monitor *monitor,
                         pbt_run **run) {
    char *text =
        pbt_string_format("name: scripted\nagents: {a: {model: a}, b: {model: b}}\nprompts: prompts\n"
                          "questions: {file: q.jsonl}\ntrees: {%s, min_new_tokens: 1}\n"
                          "show: {debates: 0}\n%s\n",
                          trees, lines);
    write_file("e.yaml", text);
    free(text);
    char *path = pbt_path_join(folder, "e.yaml"), *run_folder = pbt_path_join(folder, name);
    pbt_experiment experiment;
    pbt_code code = pbt_experiment_read(path, NULL, NULL, 0, &experiment, &problem);
    if (code == PBT_OK) {
        code = accept_changes
                   ? pbt_run_open_changed(run_folder, &experiment, test_device(), monitor, run, &problem)
                   : pbt_run_open(run_folder, &experiment, test_device(), monitor, run, &problem);
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

#endif
