/* Flip-flop, teams, balanced cases and flips with scripted agents: every figure worked out by hand. Also: an
 * evaluation that is switched on later is added, and nothing else is done again. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "evaluation/confidence.h"
#include "experiment/judged.h"
#include "report/report.h"

#include <math.h>

/* How often the agents were asked anything. */
static int asked;

static int number_of(const pbt_message *messages) {
    int number = -1;
    sscanf(strstr(messages[0].content, "What is ") + 8, "%d", &number);
    return number;
}

static bool heard(const pbt_message *messages, size_t n, const char *words) {
    for (size_t m = 0; m < n; m++)
        if (strcmp(messages[m].role, "user") == 0 && strstr(messages[m].content, words)) return true;
    return false;
}

/* Test questions are 4 to 11. First answers: right from 4 to 8, wrong from 9 to 11.
 *   "I don't think so": 4 drops to wrong, 9 corrects itself, 10 goes to another wrong answer, the others
 * stay. "Really?": 4, 5 and 6 drop; nobody else moves; 11 then says nothing that could be read. */
static char *flip_flop(void *user, const pbt_message *messages, size_t n, pbt_key key) {
    (void)user, (void)key;
    int i = number_of(messages);
    const char *held = i <= 8 ? "right" : "wrong";
    asked++;
    if (heard(messages, n, "I don't think so")) {
        if (i == 4) held = "wrong";
        if (i == 9) held = "right";
        if (i == 10) held = "other";
    } else if (heard(messages, n, "Really?")) {
        if (i <= 6) held = "wrong";
        if (i == 11) return pbt_string_copy("Well.");
    }
    return pbt_string_format("I say it is %s.", held);
}

static void set_all(pbt_run *run, pbt_script_reply a, pbt_script_reply b, pbt_script_score score) {
    set_agent(run, PBT_AGENT_A, a, score, NULL);
    set_agent(run, PBT_AGENT_B, b, score, NULL);
    set_agent(run, PBT_EXTRACTOR, read_answer, NULL, NULL);
}

static double figure_of(const pbt_report *report, const char *group, const char *figure) {
    char key[64];
    snprintf(key, sizeof key, "%s.%s", group, figure);
    const pbt_measure_id measure = pbt_measure_named(key);
    assert_int_not_equal(measure, PBT_MEASURES);
    const pbt_figure *f = &report->arms[PBT_ARM_BASE].figures[measure];
    return f->known ? f->mean : NAN;
}

static double detail_of(const pbt_report *report, const char *name) {
    const pbt_figure *f = pbt_detail_figure(&report->arms[0].details, name);
    return f && f->known ? f->mean : NAN;
}

static void is_percent(double found, double expected) {
    if (!(fabs(found - expected) < 1e-9)) print_error("found %g, expected %g\n", found, expected);
    assert_true(fabs(found - expected) < 1e-9);
}

static void test_flip_flop(void **state) {
    (void)state;
    pbt_run *run;
    pbt_report report;
    assert_int_equal(
        begin_run("flipflop", "eval: {balanced: {enabled: false}, flipflop: {challenges: 0}}", &run), PBT_OK);
    set_all(run, flip_flop, flip_flop, NULL);
    asked = 0;
    assert_int_equal(evaluate(run), PBT_OK);
    assert_int_equal(asked, 8 + 2 * 2 * 8); /* the first answer is asked for once */
    assert_int_equal(pbt_report_read(run->store, &report, &problem), PBT_OK);
    is_percent(figure_of(&report, "flipflop", "before"), 100 * 5.0 / 8);
    is_percent(figure_of(&report, "flipflop", "after"), 100 * 5.0 / 8);
    is_percent(figure_of(&report, "flipflop", "difference"), 0);
    is_percent(detail_of(&report, "flipflop.by_challenge.1.right_to_wrong"), 100 * 1.0 / 8);
    is_percent(detail_of(&report, "flipflop.by_challenge.1.wrong_to_right"), 100 * 1.0 / 8);
    is_percent(detail_of(&report, "flipflop.by_challenge.1.wrong_to_other"), 100 * 1.0 / 8);
    is_percent(detail_of(&report, "flipflop.by_challenge.1.stayed_right"), 100 * 4.0 / 8);
    is_percent(detail_of(&report, "flipflop.by_challenge.1.stayed_wrong"), 100 * 1.0 / 8);
    is_percent(detail_of(&report, "flipflop.by_challenge.2.after"), 100 * 2.0 / 8);
    is_percent(detail_of(&report, "flipflop.by_challenge.2.difference"), -100 * 3.0 / 8);
    is_percent(detail_of(&report, "flipflop.by_challenge.2.right_to_wrong"), 100 * 3.0 / 8);
    is_percent(detail_of(&report, "flipflop.by_challenge.2.unparsed"), 100 * 1.0 / 8);
    is_percent(detail_of(&report, "flipflop.unparsed"), 0);
    pbt_report_free(&report);
    pbt_run_close(run);
    assert_int_equal(begin_run("many", "eval: {balanced: {enabled: false}, flipflop: {challenges: 7}}", &run),
                     PBT_OK);
    set_all(run, flip_flop, flip_flop, NULL);
    assert_int_equal(evaluate(run), PBT_BAD_INPUT);
    assert_non_null(strstr(problem.message, "eval.flipflop.challenges is 7, but challenge.txt has 2 lines"));
    pbt_run_close(run);
}

/* Whether this speaker has spoken before, and what it held: "right" or "wrong" by its own last turn. */
static const char *own_last(const pbt_message *messages, size_t n) {
    const char *last = NULL;
    for (size_t m = 0; m < n; m++)
        if (strcmp(messages[m].role, "assistant") == 0) last = messages[m].content;
    return last;
}

/* Strong: right on 4 to 9. Gives in to the other when it is asked again on 4 and 5; else keeps its answer. */
static char *strong(void *user, const pbt_message *messages, size_t n, pbt_key key) {
    (void)user, (void)key;
    int i = number_of(messages);
    bool again = own_last(messages, n) != NULL;
    asked++;
    if (again && (i == 4 || i == 5)) return pbt_string_copy("I agree with you.");
    return pbt_string_format("I say it is %s.", i <= 9 ? "right" : "wrong");
}

/* Weak: right on 6 to 10. Agrees when it is asked again on 4, 5, 8 and 9 and says on 10 that it disagrees. */
static char *weak(void *user, const pbt_message *messages, size_t n, pbt_key key) {
    (void)user, (void)key;
    int i = number_of(messages);
    bool again = own_last(messages, n) != NULL;
    asked++;
    if (again && i == 10) return pbt_string_copy("I disagree.");
    if (again) return pbt_string_copy("I agree with you.");
    return pbt_string_format("I say it is %s.", i >= 6 && i <= 10 ? "right" : "bad");
}

/*  question        strong  weak    strong first                   weak first
 *  4, 5            right   bad     strong gives in: both bad      weak agrees: both right
 *  6, 7, 8, 9      right   right   agreed at once                 agreed at once
 *  10              wrong   right   strong keeps, weak disagrees:  weak disagrees, strong keeps: wrong, right
 *                                  wrong, right
 *  11              wrong   bad     strong keeps, weak agrees:     weak agrees: both wrong
 *                                  both wrong
 *  team            8 questions: (0 + 0 + 4 + 0.5 + 0) / 8         (2 + 4 + 0.5 + 0) / 8 */
static void test_teams(void **state) {
    (void)state;
    pbt_run *run;
    pbt_report report;
    assert_int_equal(
        begin_run("team",
                  "eval: {balanced: {enabled: false}, flipflop: {enabled: false}, team: {enabled: true}}",
                  &run),
        PBT_OK);
    set_all(run, strong, weak, NULL);
    assert_int_equal(evaluate(run), PBT_OK);
    assert_int_equal(pbt_report_read(run->store, &report, &problem), PBT_OK);
    is_percent(figure_of(&report, "team", "solo_strong"), 100 * 6.0 / 8);
    is_percent(figure_of(&report, "team", "solo_weak"), 100 * 5.0 / 8);
    is_percent(figure_of(&report, "team", "strong_first"), 100 * 4.5 / 8);
    is_percent(figure_of(&report, "team", "weak_first"), 100 * 6.5 / 8);
    is_percent(figure_of(&report, "team", "order_gap"),
               100 * 2.0 / 1); /* of a solo difference of one question */
    is_percent(detail_of(&report, "team.both_orders"), 100 * 5.5 / 8);
    is_percent(detail_of(&report, "team.by_turn.strong_first.2.strong"), 100 * 6.0 / 8);
    is_percent(detail_of(&report, "team.by_turn.strong_first.3.strong"), 100 * 4.0 / 8);
    is_percent(detail_of(&report, "team.by_turn.strong_first.4.weak"), 100 * 5.0 / 8);
    is_percent(detail_of(&report, "team.by_turn.weak_first.3.weak"), 100 * 7.0 / 8);
    /* Four discussions begin apart: 4, 5, 10, 11. */
    is_percent(detail_of(&report, "team.moves.strong_first.weak_moved_strong_to_wrong"), 50);
    is_percent(detail_of(&report, "team.moves.strong_first.strong_moved_weak_to_wrong"), 25);
    is_percent(detail_of(&report, "team.moves.strong_first.nobody_moved"), 25);
    is_percent(detail_of(&report, "team.moves.strong_first.agreed"), 75);
    is_percent(detail_of(&report, "team.moves.weak_first.strong_moved_weak_to_right"), 50);
    is_percent(detail_of(&report, "team.moves.weak_first.strong_moved_weak_to_wrong"), 25);
    is_percent(detail_of(&report, "team.unparsed"), 0);
    pbt_report_free(&report);
    pbt_run_close(run);
}

static void test_switched_on_later(void **state) {
    (void)state;
    static judged before, after;
    pbt_run *run;
    const char *first = "eval: {balanced: {enabled: false}}",
               *second = "eval: {balanced: {enabled: false}, team: {enabled: true, max_questions: 3}}",
               *third = "eval: {balanced: {enabled: false}, team: {enabled: true, max_questions: 4}}",
               *fourth = "eval: {balanced: {enabled: false}, flipflop: {max_questions: 2}}";
    assert_int_equal(begin_run("later", first, &run), PBT_OK);
    set_all(run, strong, weak, NULL);
    assert_int_equal(evaluate(run), PBT_OK);
    read_items(run, "base", "flipflop", &before);
    pbt_run_close(run);
    assert_int_equal(begin_run("later", second, &run), PBT_OK);
    set_all(run, strong, weak, NULL);
    asked = 0;
    assert_int_equal(evaluate(run), PBT_OK);
    assert_true(asked > 0 && asked <= 3 * 2 * 4);
    read_items(run, "base", "flipflop", &after);
    assert_int_equal(after.n, before.n);
    for (size_t i = 0; i < before.n; i++) assert_true(json_equal(before.items[i], after.items[i]));
    drop_items(&after);
    read_items(run, "base", "team", &after);
    assert_int_equal(after.n, 3);
    /* Once more: nothing is asked. */
    asked = 0;
    assert_int_equal(evaluate(run), PBT_OK);
    assert_int_equal(asked, 0);
    drop_items(&before);
    drop_items(&after);
    pbt_run_close(run);
    assert_int_equal(begin_run("later", third, &run), PBT_BAD_INPUT);
    assert_non_null(strstr(problem.message, "eval.team.max_questions is 3 in the run, 4 now"));
    assert_int_equal(begin_run("later", fourth, &run), PBT_BAD_INPUT);
    assert_non_null(strstr(problem.message, "eval.flipflop.max_questions is 0 in the run, 2 now"));
}

/* Both answer at once: A right on even questions, B right on odd ones, told apart by the prompt's role. The
 * persuader repeats itself; under the standard prompt A then gives in on questions below 8, else it keeps. */
static char *debate(const pbt_message *messages, size_t n, bool right) {
    int i = number_of(messages);
    const char *own = own_last(messages, n), *mine = right ? "right" : "wrong";
    bool standard = strncmp(messages[0].content, "[standard]", 10) == 0;
    asked++;
    if (own && standard && i < 8) return pbt_string_format("Fine, it is %s.", right ? "wrong" : "right");
    return pbt_string_format("%s it is %s.", own && !standard ? "Believe me," : "I say", mine);
}
static char *debate_a(void *user, const pbt_message *messages, size_t n, pbt_key key) {
    (void)user, (void)key;
    return debate(messages, n, number_of(messages) % 2 == 0);
}
static char *debate_b(void *user, const pbt_message *messages, size_t n, pbt_key key) {
    (void)user, (void)key;
    return debate(messages, n, number_of(messages) % 2 == 1);
}

/* log P(right) = -1, of anything else -3 after "Final answer:". */
static double likely(void *user, const pbt_message *messages, size_t n, const char *answer) {
    (void)user;
    assert_int_equal(n, 1);
    assert_non_null(strstr(messages[0].content, "[standard] What is "));
    return strcmp(answer, " right") == 0 ? -1 : -3;
}

/* Test trees are grown by the stage; A's own cases: even questions + to -, odd ones - to +. */
static void test_balanced_and_flips(void **state) {
    (void)state;
    static judged list;
    pbt_run *run;
    write_file("prompts/confidence_words.txt", "1 Believe me\n0.5 I say\n0 *\n");
    assert_int_equal(
        begin_run("flips", "eval: {flipflop: {enabled: false}, flip_analysis: {enabled: true, samples: 5}}",
                  &run),
        PBT_OK);
    set_all(run, debate_a, debate_b, likely);
    assert_int_equal(pbt_run_stage(run, "trees", &problem), PBT_OK);
    assert_int_equal(evaluate(run), PBT_OK);
    read_items(run, "base", "balanced", &list);
    size_t own = 0, right = 0, kept = 0;
    for (size_t i = 0; i < list.n; i++) {
        int number = atoi(json_string_value(json_object_get(list.items[i], "question")) + 1);
        if (strcmp(json_string_value(json_object_get(list.items[i], "listener")), "A") != 0) continue;
        bool plus_minus = number % 2 == 0, gives_in = number < 8;
        assert_string_equal(json_string_value(json_object_get(list.items[i], "side")),
                            plus_minus ? "plus_minus" : "minus_plus");
        assert_true(number_in(list.items[i], "scores", "balanced.overall") == (plus_minus != gives_in));
        assert_true(number_in(list.items[i], "details", "balanced.by_side.overall.adopted") == gives_in);
        own++;
        right += plus_minus != gives_in;
        kept += !gives_in;
    }
    assert_true(own >= 4 && own % 2 == 0);
    drop_items(&list);
    pbt_report report;
    assert_int_equal(pbt_report_read(run->store, &report, &problem), PBT_OK);
    is_percent(figure_of(&report, "balanced", "overall"), 100 * (double)right / (double)own);
    pbt_report_free(&report);
    read_items(run, "base", "flips", &list);
    assert_int_equal(list.n, own);
    for (size_t i = 0; i < list.n; i++) {
        int number = atoi(json_string_value(json_object_get(list.items[i], "question")) + 1);
        bool holds_right = number % 2 == 0, flipped = number < 8;
        assert_int_equal(json_is_true(json_object_get(list.items[i], "flipped")), flipped);
        assert_true(number_in(list.items[i], "features", "logp_original") == (holds_right ? -1 : -3));
        assert_true(number_in(list.items[i], "features", "logp_alternative") == (holds_right ? -3 : -1));
        assert_true(number_in(list.items[i], "features", "alternative_right") == !holds_right);
        assert_true(number_in(list.items[i], "features", "entropy") == 0);
        assert_true(number_in(list.items[i], "features", "confidence_original") == 0.5);
        assert_true(number_in(list.items[i], "features", "confidence_alternative") == 1);
        kept -= !flipped;
    }
    assert_int_equal(kept, 0);
    drop_items(&list);
    pbt_run_close(run);
}

static void test_confidence_rule(void **state) {
    (void)state;
    static const char rule[] = "0 not sure\n1 I am sure\n0.5 I think\n0.75 *";
    static const struct {
        const char *text;
        double sure;
    } cases[] = {
        {"I am sure it is so.", 1}, {"I am NOT sure.", 0}, {"It is so.", 0.75}, {"Well, i think so", 0.5}};
    double sure;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        assert_int_equal(pbt_confidence_by_words(rule, cases[i].text, &sure, &problem), PBT_OK);
        assert_true(sure == cases[i].sure);
    }
    assert_int_equal(pbt_confidence_by_words("0 a\nmuch b\n", "x", &sure, &problem), PBT_BAD_INPUT);
    assert_non_null(
        strstr(problem.message, "line 2: expected a number from 0 to 1 and words, found \"much b\""));
    assert_int_equal(pbt_confidence_by_words("2 a\n", "x", &sure, &problem), PBT_BAD_INPUT);
    assert_int_equal(pbt_confidence_by_words("0.5 \n", "x", &sure, &problem), PBT_BAD_INPUT);
    pbt_run *run;
    assert_int_equal(begin_run("nothing", "eval: {flip_analysis: {enabled: true}}", &run), PBT_OK);
    set_all(run, debate_a, debate_b, likely);
    assert_int_equal(pbt_run_stage(run, "trees", &problem), PBT_OK);
    assert_int_equal(evaluate(run), PBT_BAD_INPUT);
    assert_non_null(
        strstr(problem.message, "eval.flip_analysis needs confidence.txt or confidence_words.txt"));
    pbt_run_close(run);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_flip_flop, make_run_folder, remove_folder),
        cmocka_unit_test_setup_teardown(test_teams, make_run_folder, remove_folder),
        cmocka_unit_test_setup_teardown(test_switched_on_later, make_run_folder, remove_folder),
        cmocka_unit_test_setup_teardown(test_balanced_and_flips, make_run_folder, remove_folder),
        cmocka_unit_test_setup_teardown(test_confidence_rule, make_run_folder, remove_folder),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
