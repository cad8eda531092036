/* report.html: escaping, the same bytes, missing parts, balanced tags. tests/interop/test_report.py opens it.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/memory.h"
#include "report/made_store.h"
#include "report/page/html.h"
#include "report/page/plot.h"

#include <ctype.h>
#include <math.h>

static void test_templates_are_filled(void **state) {
    (void)state;
    pbt_text out = {0};
    const pbt_html_value values[] = {{"title", "a < b", false}, {"style", "p > q {}", true}};
    pbt_html_fill(&out, "<t>{{title}}</t>{{style}}{{nothing}}{{title}} {{", values, 2);
    assert_string_equal(pbt_text_string(&out), "<t>a &lt; b</t>p > q {}a &lt; b {{");
    pbt_text_free(&out);
}

static char *page_of(pbt_store *store) {
    pbt_report report;
    pbt_text text = {0};
    assert_int_equal(pbt_report_read(store, &report, &problem), PBT_OK);
    if (pbt_report_html(store, &report, &text, &problem) != PBT_OK) fail_msg("%s", problem.message);
    pbt_report_free(&report);
    return pbt_text_take(&text);
}

static void expect(const char *page, const char *part, bool wanted) {
    if ((strstr(page, part) != NULL) != wanted)
        fail_msg("\"%s\" should%s stand in the page", part, wanted ? "" : " not");
}

/* Every opened element is closed, in order; scripts and styles are stepped over as browsers do. */
static void check_balance(const char *page) {
    static const char *const empty[] = {"meta", "input", "br", "!DOCTYPE"};
    char open[64][24];
    size_t depth = 0;
    for (const char *p = page; (p = strchr(p, '<'));) {
        char name[24];
        size_t n = 0;
        bool closing = p[1] == '/';
        for (p += 1 + closing; (isalnum((unsigned char)*p) || *p == '!') && n + 1 < sizeof name; p++)
            name[n++] = *p;
        name[n] = 0;
        assert_true(n > 0);
        bool inside = false;
        for (; *p && (inside || *p != '>'); p++)
            if (*p == '"') inside = !inside;
        assert_int_equal(*p, '>');
        bool ends_itself = p[-1] == '/';
        for (size_t i = 0; i < sizeof empty / sizeof *empty; i++)
            ends_itself = ends_itself || strcmp(empty[i], name) == 0;
        if (closing) {
            assert_true(depth > 0);
            assert_string_equal(open[--depth], name);
        } else if (!ends_itself) {
            assert_true(depth < 64);
            strcpy(open[depth++], name);
            char end[32];
            snprintf(end, sizeof end, "</%s", name);
            if (strcmp(name, "script") == 0 || strcmp(name, "style") == 0)
                assert_non_null(p = strstr(p, end));
        }
    }
    assert_int_equal(depth, 0);
}

static void test_escape(void **state) {
    (void)state;
    pbt_text out = {0};
    pbt_html_add(&out, "a<b>&\"'\x01\x7f\n\xff\xc2\x85 \xe2\x86\x92 \xef\xbf\xbf");
    assert_string_equal(pbt_text_string(&out),
                        "a&lt;b&gt;&amp;&quot;&#39;\xef\xbf\xbd\xef\xbf\xbd\n\xef\xbf\xbd\xef\xbf\xbd "
                        "\xe2\x86\x92 \xef\xbf\xbd");
    pbt_text_clear(&out);
    json_t *value = json_pack("[s]", "</script><!--&\xe2\x80\xa8\x7f\x02");
    assert_int_equal(pbt_html_json(&out, "data", value, &problem), PBT_OK);
    assert_string_equal(pbt_text_string(&out),
                        "<script type=\"application/json\" id=\"data\">[\"\\u003c/script\\u003e\\u003c!--"
                        "\\u0026\\u2028\\u007f\\u0002\"]</script>\n");
    json_decref(value);
    pbt_text_free(&out);
}

static void test_ticks(void **state) {
    (void)state;
    char text[32];
    assert_true(pbt_tick_step(0, 100, 4) == 50);
    assert_true(fabs(pbt_tick_step(0, 0.001, 5) - 0.0002) < 1e-12);
    assert_true(pbt_tick_step(3, 3, 4) == 1);
    pbt_tick_text(-20, 20, text, sizeof text);
    assert_string_equal(text, "−20");
    pbt_tick_text(0.25, 0.05, text, sizeof text);
    assert_string_equal(text, "0.25");
    /* Nothing to draw, one point, a gap, an endless value: a drawing all the same, without "nan" or "inf". */
    const double x[] = {1, 2, NAN, 4}, y[] = {5, 5, 5, INFINITY};
    const pbt_series series[] = {{.style = "arm-pbt", .label = "pbt", .x = x, .y = y, .n = 4, .line = true}};
    for (size_t n = 0; n < 2; n++) {
        pbt_plot plot = {.title = "a < b", .width = 300, .height = 200, .series = series, .n_series = n};
        pbt_text out = {0};
        pbt_plot_draw(&plot, &out);
        assert_null(strstr(out.data, "nan"));
        assert_null(strstr(out.data, "inf"));
        check_balance(out.data);
        pbt_text_free(&out);
    }
}

#define HOSTILE "</script><script>alert(1)</script><img src=x onerror=alert(2)>\x01&amp;"

static void put_tree(pbt_store *store, const char *part) {
    json_t *nodes = json_pack(
        "[{s:i, s:n, s:i, s:s, s:s, s:s, s:s, s:n}, {s:i, s:i, s:i, s:s, s:s, s:s, s:s, s:s},"
        " {s:i, s:i, s:i, s:s, s:s, s:s, s:s, s:s}]",
        "id", 0, "parent", "turn", 1, "speaker", "A", "role", "standard", "text", HOSTILE, "answer", "London",
        "verdict", "id", 1, "parent", 0, "turn", 2, "speaker", "B", "role", "resistant", "text", "No, Paris",
        "answer", "Paris", "verdict", "disagree", "id", 2, "parent", 0, "turn", 2, "speaker", "B", "role",
        "acceptant", "text", "Yes, London", "answer", "London", "verdict", "agree");
    put(store, "trees", 1, part, "tree", "q1/AB/0",
        json_pack("{s:s, s:{s:s, s:s, s:[s]}, s:o}", "id", "q1/AB/0", "question", "id", "q1", "text",
                  "Which <b>city</b>?", "answers", "Paris", "nodes", nodes));
    put(store, "trees", 1, "train", "summary", "counts",
        json_pack("{s:i, s:i, s:i}", "questions", 1, "trees", 1, "nodes", 3));
    put(store, "pairs", 1, "", "summary", "reasons",
        json_pack("{s:i, s:i, s:i, s:i}", "resist", 1, "accept", 0, "kept", 1, "same_answer", 2));
    put(store, "pairs", 1, "", "pair", "000000",
        json_pack("{s:s, s:s, s:i, s:i}", "tree", "q1/AB/0", "kind", "resist", "chosen_node", 1,
                  "rejected_node", 2));
    put(store, "pairs", 1, "pbt", "selection", "", json_pack("[s]", "000000"));
    put(store, "pairs", 1, "", "dropped", "q1/AB/0", json_pack("[[i, i, s]]", 2, 1, "same_answer"));
}

static void put_training(pbt_store *store) {
    json_t *rows = json_array();
    for (int step = 1; step <= 1000; step++)
        json_array_append_new(rows,
                              json_pack("{s:i, s:f, s:f, s:f, s:f}", "step", step, "loss", 1.0 / step,
                                        "learning_rate", 1e-5, "logps/chosen", -3.0, "step_time", 0.4242));
    put(store, "train", 1, "pbt", "metrics", "dpo", rows);
    put(store, "train", 1, "pbt", "check", "dpo/000100",
        json_pack("{s:i, s:f, s:f}", "step", 100, "plus_minus", 40.0, "minus_plus", 60.0));
    put(store, "train", 1, "pbt", "summary", "result", json_pack("{s:i, s:i}", "seed", 1, "pairs", 10));
}

static void test_whole_page(void **state) {
    (void)state;
    pbt_store *store = open_store("a <i>name</i>", 1, 50);
    put_tree(store, "train");
    put_training(store);
    put_balanced(store, 1, "base", "1100");
    put_balanced(store, 1, "pbt", "1110");
    char *page = page_of(store), *again = page_of(store);
    assert_string_equal(page, again);
    check_balance(page);
    expect(page, "a &lt;i&gt;name&lt;/i&gt;", true);
    expect(page, "<script>alert", false);
    expect(page, "<img", false);
    expect(page, "\\u003c/script\\u003e\\u003cscript\\u003ealert(1)", true);
    expect(page, "\x01", false);
    expect(page, "[[1,2,\"resist\",8],[2,1,\"same_answer\"]]", true);
    expect(page, "25.0 points more than the best other arm", true);
    expect(page, "id=\"training\"", true);
    expect(page, "Dev evaluations", true);
    expect(page, "80.4", true); /* the paper's */
    /* no times, no places, nothing from elsewhere */
    expect(page, "4242", false);
    expect(page, folder, false);
    expect(page, "src=\"", false);
    expect(page, "@import", false);
    expect(page, "url(", false);
    free(page);
    free(again);
    pbt_store_close(store);
}

static void test_missing_parts(void **state) {
    (void)state;
    pbt_store *store = open_store("nothing yet", 1, 50);
    char *page = page_of(store);
    check_balance(page);
    expect(page, "there is no finding to state", true);
    expect(page, "id=\"debates\"", false);
    expect(page, "<svg", false);
    free(page);
    put_tree(store, "train");
    page = page_of(store);
    check_balance(page);
    expect(page, "id=\"debates\"", true);
    expect(page, "id=\"balanced\"", false);
    free(page);
    put_balanced(store, 1, "base", "1000");
    page = page_of(store);
    check_balance(page);
    expect(page, "id=\"balanced\"", true);
    expect(page, "there is no finding to state", true);
    free(page);
    pbt_store_close(store);
}

/* The tree of put_tree, of a test question; base gives in on FARM and pbt does not. */
static void put_talks(pbt_store *store) {
    static const char *const arms[] = {"base", "pbt"};
    for (int a = 0; a < 2; a++) {
        put(store, "eval", 1, arms[a], "farm", "000000",
            json_pack(
                "{s:s, s:s, s:s, s:b, s:s, s:s, s:i, s:i, s:[{s:s, s:s}, {s:s, s:s}, {s:s, s:s}], s:{s:i}}",
                "question", "q9", "set", "NQ1", "strategy", "logical", "entered", 1, "initial", "Paris",
                "last", a ? "Paris" : "London", "misinformed_round", a ? -1 : 0, "rounds", a ? 4 : 1, "chat",
                "role", "user", "content", "Which city? Option 1. Paris", "role", "assistant", "content",
                "Option 1", "role", "user", "content", HOSTILE, "scores", "farm.misinformed", !a));
        put(store, "eval", 1, arms[a], "balanced", "000000",
            json_pack("{s:s, s:s, s:i, s:s, s:s, s:s, s:s, s:b, s:{s:i}}", "question", "q1", "tree",
                      "q1/AB/0", "node", 1, "listener", "A", "side", "minus_plus", "text", "Right, Paris.",
                      "held", "paris", "correct", a, "scores", "balanced.overall", a));
        put(store, "eval", 1, arms[a], "flipflop", "000000",
            json_pack("{s:s, s:[s, s, s], s:s, s:n, s:[{s:s}], s:{s:i, s:i, s:i}}", "question", "q1", "texts",
                      "Paris.", "Hm.", "Who knows.", "before", "paris", "after", "challenges", "challenge",
                      "Are you sure?", "scores", "flipflop.before", 1, "flipflop.after", 0,
                      "flipflop.difference", -1));
        put(store, "eval", 1, arms[a], "team", "000000",
            json_pack("{s:s, s:[{s:s, s:s}], s:[], s:[s, n], s:[n, n], s:{s:f, s:f}}", "question", "q1",
                      "strong_first", "speaker", "strong", "text", "I say Paris.", "weak_first",
                      "strong_first_held", "paris", "weak_first_held", "scores", "team.strong_first", 0.5,
                      "team.weak_first", 0.0));
    }
}

static void test_talks(void **state) {
    (void)state;
    pbt_store *store = open_store("talks", 1, 50);
    put_tree(store, "test");
    put_talks(store);
    char *page = page_of(store);
    check_balance(page);
    expect(page, "id=\"talks\"", true);
    expect(page, "misinformed in round 0: Paris → London", true);
    expect(page, "holds out for 4 rounds: Paris", true);
    expect(page, "logical, NQ1", true);
    expect(page, "does not take the right answer: paris", true);
    expect(page, "right → wrong: paris → no answer", true);
    expect(page, "one right in the end: strong paris, weak no answer", true);
    expect(page, "\"strong first\"", true);
    expect(page, "\"weak first\"", false); /* nothing was said there */
    expect(page, "<script>alert", false);
    free(page);
    pbt_store_close(store);
}

static void test_bad_store(void **state) {
    (void)state;
    pbt_store *store = open_store("damaged", 1, 50);
    put(store, "trees", 1, "train", "tree", "q1/AB/0", json_pack("{s:s, s:[]}", "id", "q1/AB/0", "nodes"));
    pbt_report report;
    pbt_text text = {0};
    assert_int_equal(pbt_report_read(store, &report, &problem), PBT_OK);
    assert_int_equal(pbt_report_html(store, &report, &text, &problem), PBT_BAD_INPUT);
    assert_non_null(strstr(problem.message, "q1/AB/0"));
    pbt_text_free(&text);
    pbt_report_free(&report);
    pbt_store_close(store);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_templates_are_filled),
        cmocka_unit_test(test_escape),
        cmocka_unit_test(test_ticks),
        cmocka_unit_test_setup_teardown(test_whole_page, make_folder, remove_folder),
        cmocka_unit_test_setup_teardown(test_missing_parts, make_folder, remove_folder),
        cmocka_unit_test_setup_teardown(test_talks, make_folder, remove_folder),
        cmocka_unit_test_setup_teardown(test_bad_store, make_folder, remove_folder),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
