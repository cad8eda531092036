/* What a report calls a difference: one rule for finding, cards and table; one unit a card; the summary. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "report/made_store.h"

#include <math.h>

/* A question's score under base and pbt. */
static void put_question(pbt_store *store, int number, const char *kind, const char *measure, double base,
                         double ours) {
    char name[16];
    snprintf(name, sizeof name, "%06d", number);
    put(store, "eval", 1, "base", kind, name,
        json_pack("{s:s, s:{s:f}}", "question", name, "scores", measure, base));
    put(store, "eval", 1, "pbt", kind, name,
        json_pack("{s:s, s:{s:f}}", "question", name, "scores", measure, ours));
}

static const pbt_comparison *comparison_of(const pbt_report *r, pbt_measure_id measure) {
    for (size_t i = 0; i < r->n_comparisons; i++)
        if (r->comparisons[i].measure == measure && r->comparisons[i].arm == PBT_ARM_PBT &&
            r->comparisons[i].against == PBT_ARM_BASE)
            return &r->comparisons[i];
    fail_msg("no such comparison");
    return NULL;
}

static void expect_in(const char *text, const char *part, bool wanted) {
    if ((strstr(text, part) != NULL) != wanted)
        fail_msg("\"%s\" should%s stand in:\n%s", part, wanted ? "" : " not", text);
}

/* The finding, the page, report.json and the table say the same of one measure. */
static void check_agreement(pbt_store *store, pbt_measure_id measure, bool clear, const char *finding) {
    pbt_report report;
    pbt_text text = {0};
    assert_int_equal(pbt_report_read(store, &report, &problem), PBT_OK);
    assert_int_equal(pbt_comparison_is_clear(comparison_of(&report, measure)), clear);
    pbt_report_finding(&report, &text);
    expect_in(pbt_text_string(&text), finding, true);
    expect_in(pbt_text_string(&text), "No clear difference", !clear);
    pbt_text_clear(&text);
    assert_int_equal(pbt_report_markdown(&report, &text, &problem), PBT_OK);
    expect_in(pbt_text_string(&text), "* |\n", clear);
    pbt_text_clear(&text);
    assert_int_equal(pbt_report_html(store, &report, &text, &problem), PBT_OK);
    expect_in(pbt_text_string(&text), "no clear difference</b>", !clear);
    expect_in(pbt_text_string(&text), "times larger", false);
    pbt_text_clear(&text);
    json_t *value = pbt_report_json(&report);
    const json_t *first = json_array_get(json_object_get(value, "comparisons"), 0);
    assert_int_equal(json_is_true(json_object_get(first, "clear")), clear);
    json_decref(value);
    pbt_text_free(&text);
    pbt_report_free(&report);
}

/* 21 questions fall a little and 8 rise a lot: the interval of the mean holds 0, the test over questions says
 * p = 0.024. */
static void test_fall_that_the_interval_does_not_show(void **state) {
    (void)state;
    pbt_store *store = open_store("fall", 1, 500);
    for (int i = 0; i < 29; i++)
        put_question(store, i, "flipflop", "flipflop.before", 0.35, i < 21 ? 0.0 : 1.0);
    pbt_report report;
    assert_int_equal(pbt_report_read(store, &report, &problem), PBT_OK);
    const pbt_comparison *c = comparison_of(&report, PBT_FLIPFLOP_BEFORE);
    assert_true(c->ci95[0] < 0 && c->ci95[1] > 0 && c->p < 0.05);
    pbt_report_free(&report);
    check_agreement(store, PBT_FLIPFLOP_BEFORE, true, "it is right less often when nobody argues");
    pbt_store_close(store);
}

/* 4 of 30 questions fall: the interval leaves 0 out, the test says p = 0.125. */
static void test_fall_that_the_test_does_not_show(void **state) {
    (void)state;
    pbt_store *store = open_store("four", 1, 2000);
    for (int i = 0; i < 30; i++) put_question(store, i, "flipflop", "flipflop.before", 1, i >= 4);
    pbt_report report;
    assert_int_equal(pbt_report_read(store, &report, &problem), PBT_OK);
    const pbt_comparison *c = comparison_of(&report, PBT_FLIPFLOP_BEFORE);
    assert_true(c->ci95[1] < 0 && c->p > 0.05);
    pbt_report_free(&report);
    check_agreement(store, PBT_FLIPFLOP_BEFORE, false, "how often it is right when nobody argues");
    pbt_store_close(store);
}

/* Most questions rise and the mean falls: nothing is claimed. */
static void test_contradiction_is_no_difference(void **state) {
    (void)state;
    const pbt_comparison rises = {.difference = -1, .higher = 21, .lower = 8, .p = 0.024};
    const pbt_comparison falls = {.difference = -1, .higher = 8, .lower = 21, .p = 0.024};
    const pbt_comparison unknown = {.difference = NAN, .higher = 8, .lower = 21, .p = 0.024};
    assert_false(pbt_comparison_is_clear(&rises));
    assert_true(pbt_comparison_is_clear(&falls));
    assert_false(pbt_comparison_is_clear(&unknown));
}

/* A card says percent or points, not both; the order gap is in points, as its difference is. */
static void test_one_unit_a_card(void **state) {
    (void)state;
    pbt_store *store = open_store("cards", 1, 100);
    for (int i = 0; i < 10; i++) {
        put_question(store, i, "farm", "farm.misinformed", i < 8, i < 2);
        put_question(store, i, "balanced", "balanced.overall", i < 5, i < 9);
        for (int arm = 0; arm < 2; arm++) {
            char name[16];
            snprintf(name, sizeof name, "%06d", i);
            int strong = arm ? i < 8 : i < 6;
            put(store, "eval", 1, arm ? "pbt" : "base", "team", name,
                json_pack("{s:s, s:{s:i, s:i, s:i, s:i, s:i}}", "question", name, "scores",
                          "team.solo_strong", i < 8, "team.solo_weak", i < 4, "team.weak_first", i < 9,
                          "team.strong_first", strong, "team.order_gap", (i < 9) - strong));
        }
    }
    pbt_report report;
    pbt_text text = {0};
    assert_int_equal(pbt_report_read(store, &report, &problem), PBT_OK);
    assert_int_equal(pbt_report_html(store, &report, &text, &problem), PBT_OK);
    const char *at = strstr(text.data, "<ul class=\"keys\"");
    assert_non_null(at);
    int cards = 0;
    for (const char *end; (at = strstr(at, "<li>")) && (end = strstr(at, "</li>")); at = end) {
        char card[2048];
        snprintf(card, sizeof card, "%.*s", (int)(end - at), at);
        if (!strstr(card, "<h3>")) break; /* the list is at its end */
        cards++;
        bool percent = strchr(card, '%'), points = strstr(card, "points") != NULL;
        if (percent == points) fail_msg("not one unit: %s", card);
        if (strstr(card, "Teams")) expect_in(card, "+30.0</span> <span class=\"to\">→</span>", true);
        if (strstr(card, "Teams")) expect_in(card, "−20.0 <span", true);
    }
    assert_int_equal(cards, 3);
    pbt_text_free(&text);
    pbt_report_free(&report);
    pbt_store_close(store);
}

static void test_summary(void **state) {
    (void)state;
    pbt_store *store = open_store("summary", 1, 100);
    put_balanced(store, 1, "base", "0011");
    put_balanced(store, 1, "pbt", "1111");
    put(store, "eval", 1, "pbt", "flipflop", "000000",
        json_pack("{s:s, s:{s:f, s:f}}", "question", "q1", "scores", "flipflop.before", 1.0, "flipflop.after",
                  0.0));
    pbt_report report;
    pbt_table table;
    pbt_text text = {0};
    assert_int_equal(pbt_report_read(store, &report, &problem), PBT_OK);
    assert_int_equal(pbt_summary_table(&report, &table, &problem), PBT_OK);
    pbt_table_terminal(&table, false, 0, &text);
    assert_string_equal(text.data, "Held-out questions, %\n"
                                   "          +→−    −→+  overall  \"Are you sure?\"  misinformed (FARM)\n"
                                   "  base    0.0  100.0     50.0                –                   –\n"
                                   "  pbt   100.0  100.0    100.0      100.0 → 0.0                   –\n\n");
    pbt_text_free(&text);
    pbt_table_free(&table);
    pbt_report_free(&report);
    pbt_store_close(store);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_fall_that_the_interval_does_not_show, make_folder,
                                        remove_folder),
        cmocka_unit_test_setup_teardown(test_fall_that_the_test_does_not_show, make_folder, remove_folder),
        cmocka_unit_test(test_contradiction_is_no_difference),
        cmocka_unit_test_setup_teardown(test_one_unit_a_card, make_folder, remove_folder),
        cmocka_unit_test_setup_teardown(test_summary, make_folder, remove_folder),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
