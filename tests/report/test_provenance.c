/* The top of a report: what it is of, why an arm is missing, which tests are empty or small. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "report/made_store.h"

static void expect_in(const char *text, const char *part, bool wanted) {
    if ((strstr(text, part) != NULL) != wanted)
        fail_msg("\"%s\" should%s stand in:\n%.3000s", part, wanted ? "" : " not", text);
}

/* Markdown, HTML and JSON of a report. */
typedef struct forms {
    char *markdown, *html, *json;
} forms;

static forms forms_of(pbt_store *store) {
    pbt_report report;
    pbt_text markdown = {0}, html = {0};
    if (pbt_report_read(store, &report, &problem) != PBT_OK) fail_msg("%s", problem.message);
    assert_int_equal(pbt_report_markdown(&report, &markdown, &problem), PBT_OK);
    assert_int_equal(pbt_report_html(store, &report, &html, &problem), PBT_OK);
    json_t *value = pbt_report_json(&report);
    forms f = {pbt_text_take(&markdown), pbt_text_take(&html), pbt_json_line(value)};
    json_decref(value);
    pbt_report_free(&report);
    return f;
}

static void forms_free(forms *f) {
    free(f->markdown);
    free(f->html);
    free(f->json);
}

static void test_what_it_is_of(void **state) {
    (void)state;
    pbt_store *store = open_store("of", 1, 100);
    forms f = forms_of(store);
    expect_in(f.markdown, "Not recorded", true);
    expect_in(f.html, "not recorded", true);
    expect_in(f.json, "\"provenance\":null", true);
    forms_free(&f);
    put(store, "plan", 0, "", "experiment", "provenance",
        json_pack("{s:[s, s], s:{s:{s:s, s:s, s:s}, s:s, s:s}, s:{s:s, s:s}, s:{s:{s:s, s:s}}, s:{s:s, s:f}}",
                  "versions", "0.1.0", "0.2.0", "models", "agents.a", "name", "<b>a</b>", "hash", "aaaa0000",
                  "dtype", "auto", "agents.extractor", "b", "agents.filter", "none", "prompts", "name",
                  "pocket", "hash", "bbbb0000", "questions", "file", "name", "q.jsonl", "hash", "cccc0000",
                  "settings", "train_agent", "a", "dpo.beta", 0.1));
    put(store, "plan", 0, "", "experiment", "question_counts",
        json_pack("{s:i, s:i, s:i}", "train", 7, "dev", 2, "test", 3));
    put(store, "train", 1, "pbt", "summary", "result",
        json_pack("{s:i, s:s, s:s}", "seed", 1, "adapter", "dddd0000", "adapter_dtype", "float32"));
    f = forms_of(store);
    static const char *const rows[] = {"| pbt | 0.1.0, 0.2.0 |",
                                       "| agent A, trained | <b>a</b> | as stored | aaaa0000 |",
                                       "| extractor of answers | agent B |",
                                       "| filter of pairs | none |",
                                       "| adapter | pbt, seed 1 | float32 | dddd0000 |",
                                       "| prompts | pocket |  | bbbb0000 |",
                                       "| questions | q.jsonl |  | cccc0000 |",
                                       "| questions used | 7 train, 2 dev, 3 held out |",
                                       "    dpo.beta: 0.1"};
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) expect_in(f.markdown, rows[i], true);
    static const char *const words[] = {
        "0.1.0, 0.2.0", "&lt;b&gt;a&lt;/b&gt;", "aaaa0000",     "dddd0000", "bbbb0000",
        "cccc0000",     "7 train, 2 dev",       "dpo.beta: 0.1"};
    for (size_t i = 0; i < sizeof words / sizeof *words; i++) expect_in(f.html, words[i], true);
    expect_in(f.html, "<b>a</b>", false);
    /* At the top: before any section. */
    assert_true(strstr(f.html, "aaaa0000") < strstr(f.html, "<main>"));
    expect_in(f.json, "\"question_counts\":{\"train\":7,\"dev\":2,\"test\":3}", true);
    expect_in(f.json,
              "\"adapters\":[{\"arm\":\"pbt\",\"seed\":1,\"hash\":\"dddd0000\",\"dtype\":\"float32\"}]",
              true);
    forms_free(&f);
    pbt_store_close(store);
}

/* Settings as runs keep them. */
static void put_settings(pbt_store *store, json_t *arms, bool farm) {
    put(store, "plan", 0, "", "experiment", "settings",
        json_pack("{s:s, s:[i], s:i, s:o, s:b, s:b}", "name", "settings", "seeds", 1,
                  "report.bootstrap_draws", 100, "arms", arms, "eval.balanced.enabled", 1,
                  "eval.farm.enabled", (int)farm));
}

static void put_questions(pbt_store *store, const char *arm, int n, const char *measure) {
    for (int i = 0; i < n; i++) {
        char name[16];
        snprintf(name, sizeof name, "%06d", i);
        put(store, "eval", 1, arm, "balanced", name,
            json_pack("{s:s, s:{s:i}}", "question", name, "scores", measure, i % 2));
    }
}

static void test_missing_arms(void **state) {
    (void)state;
    pbt_store *store = open_store("missing", 1, 100);
    put_settings(store, json_pack("[s, s]", "resist", "pbt"), false);
    put(store, "train", 1, "pbt", "done", "", json_true());
    put(store, "pairs", 1, "", "summary", "reasons", json_pack("{s:i, s:i}", "resist", 12, "accept", 0));
    forms f = forms_of(store);
    expect_in(f.json, "\"base\":\"seed 1: not tested yet\"", true);
    expect_in(f.json, "\"accept\":\"not among the arms", true);
    expect_in(f.json, "\"resist\":\"seed 1: its training is not finished\"", true);
    expect_in(f.json, "\"pbt\":\"seed 1: not trained: too few pairs (12 resist and 0 accept", true);
    expect_in(f.markdown, "No figures of pbt:** seed 1: not trained", true);
    expect_in(f.html, "<b>No figures of pbt:</b> seed 1: not trained", true);
    forms_free(&f);
    put(store, "train", 1, "resist", "summary", "result", json_pack("{s:i}", "seed", 1));
    put_questions(store, "base", 2, "balanced.overall");
    f = forms_of(store);
    expect_in(f.json, "\"resist\":\"seed 1: trained, but not tested\"", true);
    expect_in(f.json, "\"base\":\"seed", false);
    forms_free(&f);
    pbt_store_close(store);
}

static void test_empty_and_small_tests(void **state) {
    (void)state;
    pbt_store *store = open_store("small", 1, 100);
    put_settings(store, json_array(), true);
    forms f = forms_of(store);
    expect_in(f.json, "\"FARM: not evaluated yet, or not completely.\"", true);
    forms_free(&f);
    put(store, "eval", 1, "base", "done", "farm", json_integer(0));
    put(store, "eval", 1, "base", "done", "balanced", json_integer(29));
    put_questions(store, "base", 29, "balanced.plus_minus");
    f = forms_of(store);
    expect_in(f.json, "FARM: empty. There was no case to judge", true);
    expect_in(f.json, "Balanced test, + \\u2192", false);
    expect_in(f.markdown, "> **Warning.** Balanced test, + → −: only 29 questions (base)", true);
    expect_in(f.markdown, "Balanced test, − → +: empty", true);
    expect_in(f.html, "<b>Warning.</b> Balanced test, + → −: only 29 questions (base)", true);
    forms_free(&f);
    put_questions(store, "base", 30, "balanced.plus_minus");
    f = forms_of(store);
    expect_in(f.markdown, "+ → −: only", false);
    forms_free(&f);
    pbt_store_close(store);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_what_it_is_of, make_folder, remove_folder),
        cmocka_unit_test_setup_teardown(test_missing_arms, make_folder, remove_folder),
        cmocka_unit_test_setup_teardown(test_empty_and_small_tests, make_folder, remove_folder),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
