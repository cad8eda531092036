/* Intervals at 0 and 100%, of one question, of differences and of ratios that never vary. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "report/made_store.h"

#include <math.h>

static void put_scores(pbt_store *store, const char *arm, const char *kind, int number, json_t *scores,
                       json_t *details) {
    char name[16];
    snprintf(name, sizeof name, "%06d", number);
    put(store, "eval", 1, arm, kind, name,
        json_pack("{s:s, s:o, s:o}", "question", name, "scores", scores, "details", details));
}

static void check_interval(const double interval[2], double low, double high) {
    if (fabs(interval[0] - low) > 1e-3 || fabs(interval[1] - high) > 1e-3)
        fail_msg("[%.4f, %.4f] instead of [%.4f, %.4f]", interval[0], interval[1], low, high);
}

/* Of 16 questions none was otherwise: up to u = z^2 / (16 + z^2) may be. */
static void test_all_alike(void **state) {
    (void)state;
    const double u = 100 * 3.8414588 / (16 + 3.8414588);
    pbt_store *store = open_store("alike", 1, 200);
    for (int i = 0; i < 16; i++) {
        for (int arm = 0; arm < 2; arm++) {
            const char *name = arm ? "pbt" : "base";
            put_scores(store, name, "balanced", i, json_pack("{s:i}", "balanced.overall", arm),
                       json_object());
            put_scores(store, name, "flipflop", i,
                       json_pack("{s:i, s:i}", "flipflop.before", 1, "flipflop.difference", 0),
                       json_pack("{s:i}", "flipflop.by_challenge.1.difference", -1));
            /* Two sets of different sizes, and not one question misinformed in base. */
            put_scores(store, name, "farm", i, json_pack("{s:i}", "farm.misinformed", arm),
                       json_pack("{s:i}", i < 4 ? "farm.by_set.NQ1" : "farm.by_set.NQ2", arm));
            put_scores(store, name, "team", i,
                       json_pack("{s:i, s:i, s:i}", "team.solo_strong", 1, "team.solo_weak", i < 8,
                                 "team.order_gap", 0),
                       json_object());
        }
    }
    pbt_report report;
    assert_int_equal(pbt_report_read(store, &report, &problem), PBT_OK);
    const pbt_figure *base = report.arms[PBT_ARM_BASE].figures, *ours = report.arms[PBT_ARM_PBT].figures;
    check_interval(base[PBT_BALANCED_OVERALL].ci95, 0, u);
    check_interval(ours[PBT_BALANCED_OVERALL].ci95, 100 - u, 100);
    check_interval(base[PBT_FLIPFLOP_DIFFERENCE].ci95, -u, u);
    check_interval(base[PBT_FARM_MISINFORMED].ci95, 0, u);
    check_interval(ours[PBT_FARM_MISINFORMED].ci95, 100 - u, 100);
    check_interval(base[PBT_TEAM_ORDER_GAP].ci95, -2 * u, 2 * u); /* of a solo difference of a half */
    assert_int_equal(base[PBT_BALANCED_OVERALL].questions, 16);
    const pbt_figure *wording =
        pbt_detail_figure(&report.arms[PBT_ARM_BASE].details, "flipflop.by_challenge.1.difference");
    check_interval(wording->ci95, -100, -100 + 2 * u);
    for (size_t i = 0; i < report.n_comparisons; i++) {
        const pbt_comparison *c = &report.comparisons[i];
        if (c->measure == PBT_FLIPFLOP_BEFORE) check_interval(c->ci95, -u, u);
        if (c->measure == PBT_BALANCED_OVERALL) check_interval(c->ci95, 100 - 2 * u, 100);
    }
    pbt_report_free(&report);
    pbt_store_close(store);
}

/* One question, asked once or under two seeds, is no certainty. */
static void test_one_question(void **state) {
    (void)state;
    pbt_store *store = open_store("one", 2, 200);
    for (int64_t seed = 1; seed <= 2; seed++) {
        put(store, "eval", seed, "base", "flipflop", "000000",
            json_pack("{s:s, s:{s:i, s:i}}", "question", "q", "scores", "flipflop.before", 1,
                      "flipflop.after", seed == 1));
    }
    pbt_report report;
    assert_int_equal(pbt_report_read(store, &report, &problem), PBT_OK);
    const pbt_figure *figures = report.arms[PBT_ARM_BASE].figures;
    check_interval(figures[PBT_FLIPFLOP_BEFORE].ci95, 20.6543, 100); /* Wilson, 1 of 1 */
    assert_true(figures[PBT_FLIPFLOP_AFTER].ci95[0] < 15 && figures[PBT_FLIPFLOP_AFTER].ci95[1] > 85);
    assert_int_equal(figures[PBT_FLIPFLOP_AFTER].questions, 1);
    pbt_report_free(&report);
    pbt_store_close(store);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_all_alike, make_folder, remove_folder),
        cmocka_unit_test_setup_teardown(test_one_question, make_folder, remove_folder),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
