/* Checks of an experiment before compute is spent, on the pocket models. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "device.h"
#include "experiment/check.h"

#include <string.h>

static pbt_checks checks;

static void check(const char *const *changes, size_t n) {
    pbt_error error;
    pbt_experiment experiment;
    if (pbt_experiment_read("experiments/smoke.yaml", ".", changes, n, &experiment, &error) != PBT_OK ||
        pbt_experiment_check(&experiment, test_device(), &checks, &error) != PBT_OK)
        fail_msg("%s", error.message);
    pbt_experiment_free(&experiment);
}

/* The check of this name passed, or not, with these words. */
static void found(const char *what, bool passed, const char *words) {
    for (size_t i = 0; i < checks.count; i++) {
        if (strcmp(checks.items[i].what, what) != 0) continue;
        if (checks.items[i].passed != passed || !strstr(checks.items[i].detail, words))
            fail_msg("%s: %d, %s", what, checks.items[i].passed, checks.items[i].detail);
        return;
    }
    fail_msg("no check of %s", what);
}

static void test_passes(void **state) {
    (void)state;
    static const char *const changes[] = {"eval.farm.enabled=true", "eval.farm.data=pocket/data/farm.jsonl"};
    check(changes, 2);
    for (size_t i = 0; i < checks.count; i++)
        if (!checks.items[i].passed) fail_msg("%s: %s", checks.items[i].what, checks.items[i].detail);
    found("agent A: chat template", true, "renders every turn");
    found("extraction prompt", true, "tokens for agent B");
    found("FARM", true, "questions of 1 set(s), 1 strategies");
    found("memory", true, "GB");
    pbt_checks_free(&checks);
}

static void test_fails(void **state) {
    (void)state;
    static const char *const changes[] = {"eval.farm.enabled=true", "eval.farm.data=no/such/farm",
                                          "agents.filter=a", "agents.a.model=no/such/model"};
    check(changes, 4);
    found("FARM", false, "no/such/farm");
    found("filter", false, "no filter.txt");
    found("agent A: model", false, "no/such/model");
    assert_int_equal(checks.failed, 3);
    pbt_checks_free(&checks);
    /* Turns too long for the model: 512 positions. */
    static const char *const longer[] = {"trees.max_new_tokens=200", "trees.max_answer_tokens=600"};
    check(longer, 2);
    found("agent A: chat template", false, "a debate can take about");
    found("extraction prompt", false, "the model has positions for 512 only");
    pbt_checks_free(&checks);
    /* A filter and a judge of confidence, with the paper's prompts. */
    static const char *const paper[] = {"prompts=prompts/paper", "agents.filter=a",
                                        "eval.flip_analysis.enabled=true", "trees.max_new_tokens=10"};
    check(paper, 4);
    found("filter prompt", true, "tokens for agent A");
    found("confidence prompt", true, "tokens for agent B");
    pbt_checks_free(&checks);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_passes), cmocka_unit_test(test_fails)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
