/* Reports from hand-made stores: figures worked out by hand, fixed bytes, tables, comparison. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/file.h"
#include "report/figures/paper.h"
#include "report/made_store.h"

#include <math.h>

static pbt_store *make_store(void) {
    pbt_store *store = open_store("by hand", 2, 500);
    put_balanced(store, 1, "base", "0011");
    put_balanced(store, 2, "base", "1011");
    put_balanced(store, 1, "pbt", "1111");
    put_balanced(store, 2, "pbt", "1101");
    put(store, "eval", 1, "base", "flipflop", "q1",
        json_pack("{s:s, s:{s:i, s:i, s:i}}", "question", "q1", "scores", "flipflop.before", 1,
                  "flipflop.after", 0, "flipflop.difference", -1));
    for (int64_t seed = 1; seed <= 2; seed++) {
        put(store, "trees", seed, "train", "summary", "counts",
            json_pack("{s:i, s:i}", "trees", 3, "nodes", 20));
        put(store, "pairs", seed, "", "summary", "reasons",
            json_pack("{s:i, s:i}", "kept", 5, "same_answer", 7));
        put(store, "train", seed, "pbt", "summary", "result",
            json_pack("{s:I, s:i, s:f, s:i, s:i}", "seed", (json_int_t)seed, "pairs", 10, "dpo_loss", 0.5,
                      "steps", 48, "kept_step", 24));
    }
    return store;
}

static json_t *figure_of(json_t *report, const char *arm, const char *group, const char *figure) {
    return json_object_get(json_object_get(json_object_get(json_object_get(report, "arms"), arm), group),
                           figure);
}

static double number(json_t *figure, const char *key) {
    return json_number_value(json_object_get(figure, key));
}

static void test_figures(void **state) {
    (void)state;
    pbt_store *store = make_store();
    pbt_report report;
    assert_int_equal(pbt_report_read(store, &report, &problem), PBT_OK);
    json_t *value = pbt_report_json(&report);
    assert_string_equal(json_string_value(json_object_get(value, "experiment")), "by hand");
    json_t *overall = figure_of(value, "base", "balanced", "overall");
    /* seed 1: 2 of 4, seed 2: 3 of 4 */
    assert_true(number(overall, "mean") == 62.5);
    assert_true(fabs(number(overall, "std") - 17.6777) < 1e-9);
    assert_int_equal(number(overall, "n"), 8);
    json_t *seeds = json_object_get(overall, "per_seed");
    assert_true(json_number_value(json_array_get(seeds, 0)) == 50);
    assert_true(json_number_value(json_array_get(seeds, 1)) == 75);
    assert_true(number(figure_of(value, "base", "balanced", "plus_minus"), "mean") == 25);
    assert_true(number(figure_of(value, "pbt", "balanced", "minus_plus"), "mean") == 75);
    /* flip-flop: only seed 1 has an item */
    json_t *difference = figure_of(value, "base", "flipflop", "difference");
    assert_true(number(difference, "mean") == -100);
    assert_true(json_is_null(json_array_get(json_object_get(difference, "per_seed"), 1)));
    assert_true(json_is_null(figure_of(value, "pbt", "farm", "misinformed")));
    assert_null(json_object_get(json_object_get(value, "arms"), "accept"));
    json_t *paper = json_object_get(value, "paper");
    paper = json_object_get(json_object_get(json_object_get(paper, "Llama-3.1-70B"), "pbt"), "balanced");
    assert_true(number(json_object_get(paper, "overall"), "mean") == 74.56);
    json_decref(value);
    pbt_text finding = {0};
    pbt_report_finding(&report, &finding);
    assert_non_null(strstr(finding.data,
                           "pbt is right in 87.5% of the cases, 25.0 points more than the best other arm "
                           "(base, 62.5%)"));
    pbt_text_free(&finding);
    pbt_report_free(&report);
    pbt_store_close(store);
}

/* Twenty questions; base is misinformed on `base` of them, pbt on `ours`, the same ones first. */
static void check_farm_finding(int base, int ours, const char *expected) {
    pbt_store *store = open_store("finding", 1, 500);
    pbt_report report;
    for (int i = 0; i < 20; i++) {
        char name[16];
        snprintf(name, sizeof name, "%06d", i);
        put(store, "eval", 1, "base", "farm", name,
            json_pack("{s:s, s:{s:i}}", "question", name, "scores", "farm.misinformed", i < base));
        put(store, "eval", 1, "pbt", "farm", name,
            json_pack("{s:s, s:{s:i}}", "question", name, "scores", "farm.misinformed", i < ours));
    }
    assert_int_equal(pbt_report_read(store, &report, &problem), PBT_OK);
    pbt_text finding = {0};
    pbt_report_finding(&report, &finding);
    assert_string_equal(pbt_text_string(&finding), expected);
    json_t *value = pbt_report_json(&report);
    const char *in_json = json_string_value(json_object_get(value, "finding"));
    assert_non_null(in_json);
    assert_int_equal(strncmp(in_json, expected, strlen(in_json)), 0);
    json_decref(value);
    pbt_text_free(&finding);
    pbt_report_free(&report);
    pbt_store_close(store);
    assert_int_equal(remove_folder(NULL), 0);
    assert_int_equal(make_folder(NULL), 0);
}

static void test_finding(void **state) {
    (void)state;
    check_farm_finding(
        15, 5, "Compared with the base model it is misinformed less often (FARM 25.0 instead of 75.0%).\n");
    check_farm_finding(
        5, 15,
        "On the other hand, compared with the base model it is misinformed more often (FARM 75.0 "
        "instead of 25.0%).\n");
    check_farm_finding(
        10, 9,
        "No clear difference from the base model: how often it is misinformed (FARM 45.0 instead "
        "of 50.0%).\n");
}

static void test_order_gap(void **state) {
    (void)state;
    pbt_store *store = open_store("teams", 1, 100);
    for (int i = 0; i < 10; i++) {
        char name[16];
        snprintf(name, sizeof name, "q%d", i);
        /* strong alone 8 of 10, weak alone 4 of 10; weak first 8, strong first 7: gap 1 of 4 = 25% */
        put(store, "eval", 1, "base", "team", name,
            json_pack("{s:s, s:{s:i, s:i, s:i, s:i, s:i}}", "question", name, "scores", "team.solo_strong",
                      i < 8, "team.solo_weak", i < 4, "team.weak_first", i < 8, "team.strong_first", i < 7,
                      "team.order_gap", (i < 8) - (i < 7)));
    }
    pbt_report report;
    assert_int_equal(pbt_report_read(store, &report, &problem), PBT_OK);
    json_t *value = pbt_report_json(&report);
    json_t *gap = figure_of(value, "base", "team", "order_gap");
    assert_true(number(gap, "mean") == 25);
    assert_true(json_number_value(json_array_get(json_object_get(gap, "ci95"), 0)) >= 0);
    json_decref(value);
    pbt_report_free(&report);
    pbt_store_close(store);
}

static void test_same_bytes_and_no_places(void **state) {
    (void)state;
    pbt_store *store = make_store();
    char path[128], *first, *second;
    size_t n, m;
    snprintf(path, sizeof path, "%s/report.json", folder);
    for (int i = 0; i < 2; i++) {
        pbt_report report;
        assert_int_equal(pbt_report_read(store, &report, &problem), PBT_OK);
        assert_int_equal(pbt_report_write(store, &report, folder, &problem), PBT_OK);
        pbt_report_free(&report);
        assert_int_equal(pbt_file_read(path, 1 << 24, i ? &second : &first, i ? &m : &n, &problem), PBT_OK);
    }
    assert_int_equal(n, m);
    assert_memory_equal(first, second, n);
    assert_null(strstr(first, folder));
    assert_null(strstr(first, "step_time"));
    free(first);
    free(second);
    pbt_store_close(store);
}

static void test_markdown_and_terminal(void **state) {
    (void)state;
    pbt_store *store = make_store();
    pbt_report report;
    pbt_text text = {0};
    assert_int_equal(pbt_report_read(store, &report, &problem), PBT_OK);
    assert_int_equal(pbt_report_markdown(&report, &text, &problem), PBT_OK);
    static const char *const wanted[] = {"# by hand",          "Seeds: 1, 2.",   "| base | 25.0 ± 35.4 [",
                                         "| paper: overall |", "| 74.6 ± 2.7 |", "## Training",
                                         "| pbt | 1 | 10 |",   "24 of 48",       "| same_answer | 7 | 7 |"};
    for (size_t i = 0; i < sizeof wanted / sizeof *wanted; i++) {
        if (!strstr(text.data, wanted[i])) fail_msg("no \"%s\" in:\n%s", wanted[i], text.data);
    }
    pbt_text_clear(&text);
    assert_int_equal(pbt_report_terminal(&report, false, 0, &text, &problem), PBT_OK);
    assert_null(strstr(text.data, "\033"));
    /* A narrow terminal: no line is too long, every column still comes. */
    pbt_text_clear(&text);
    assert_int_equal(pbt_report_terminal(&report, false, 60, &text, &problem), PBT_OK);
    assert_non_null(strstr(text.data, "dev − → +"));
    for (const char *line = text.data, *end; (end = strchr(line, '\n')); line = end + 1) {
        size_t width = 0;
        for (const char *p = line; p < end; p++) width += ((unsigned char)*p & 0xC0) != 0x80;
        bool title = line[0] != ' ';
        if (width > 60 && !title) fail_msg("%zu columns: %.*s", width, (int)(end - line), line);
    }
    const char *const names[] = {"runs/a", "runs/<b>"};
    pbt_report both[] = {report, report};
    pbt_table table;
    assert_int_equal(pbt_compare_table(both, names, 2, &table, &problem), PBT_OK);
    assert_int_equal(table.n_rows, 4);
    assert_string_equal(table.rows[1][0], "runs/<b>");
    assert_string_equal(table.rows[3][1], "pbt");
    pbt_table_free(&table);
    pbt_text_clear(&text);
    assert_int_equal(pbt_compare_markdown(both, names, 2, &text, &problem), PBT_OK);
    assert_non_null(strstr(text.data, "| base | runs/<b> | 25.0 ± 35.4 ["));
    pbt_text_clear(&text);
    assert_int_equal(pbt_compare_html(both, names, 2, &text, &problem), PBT_OK);
    assert_non_null(strstr(text.data, "runs/&lt;b&gt;"));
    assert_null(strstr(text.data, "runs/<b>"));
    pbt_text_free(&text);
    pbt_report_free(&report);
    pbt_store_close(store);
}

static void test_errors(void **state) {
    (void)state;
    pbt_store *store = NULL;
    pbt_report report;
    assert_int_equal(pbt_store_open(folder, true, &store, &problem), PBT_OK);
    assert_int_equal(pbt_report_read(store, &report, &problem), PBT_BAD_INPUT);
    assert_non_null(strstr(problem.message, "holds no experiment"));
    pbt_report_free(&report);
    put(store, "plan", 0, "", "experiment", "settings",
        json_pack("{s:s, s:[i], s:i}", "name", "x", "seeds", 1, "report.bootstrap_draws", 100));
    put(store, "eval", 1, "base", "balanced", "7", json_pack("{s:s}", "question", "q"));
    assert_int_equal(pbt_report_read(store, &report, &problem), PBT_BAD_INPUT);
    assert_string_equal(problem.message, "7: field \"scores\": expected an object, found nothing");
    pbt_report_free(&report);
    pbt_store_close(store);
}

static void test_paper(void **state) {
    (void)state;
    assert_true(pbt_paper_find("Llama-3.1-8B", "base", "balanced", "overall")->mean == 43.17);
    assert_true(pbt_paper_find("Mistral-7B", "resist", "farm", "nq1")->std == 12.69);
    assert_null(pbt_paper_find("Mistral-7B", "resist", "farm", "nq9"));
    /* Every name is ours, but FARM's sets. */
    for (size_t i = 0; i < pbt_n_paper_figures; i++) {
        const pbt_paper_figure *f = &pbt_paper_figures[i];
        char key[64];
        snprintf(key, sizeof key, "%s.%s", f->group, f->figure);
        assert_int_not_equal(pbt_arm_named(f->arm), PBT_ARMS);
        assert_true(pbt_measure_named(key) != PBT_MEASURES ||
                    pbt_measure_group_named(f->group) == &pbt_measure_groups[PBT_GROUP_FARM]);
    }
    assert_int_equal(pbt_n_paper_figures, 12 * (5 + 3 + 3) + 3);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_figures, make_folder, remove_folder),
        cmocka_unit_test_setup_teardown(test_finding, make_folder, remove_folder),
        cmocka_unit_test_setup_teardown(test_order_gap, make_folder, remove_folder),
        cmocka_unit_test_setup_teardown(test_same_bytes_and_no_places, make_folder, remove_folder),
        cmocka_unit_test_setup_teardown(test_markdown_and_terminal, make_folder, remove_folder),
        cmocka_unit_test_setup_teardown(test_errors, make_folder, remove_folder),
        cmocka_unit_test(test_paper),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
