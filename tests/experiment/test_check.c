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
    found("prompts for the settings", false, "no filter.txt");
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

/* Refused when the experiment is read, or by its checks: never after the trees. */
static void refused(const char *setting, const char *more, const char *words) {
    pbt_error error = {0};
    pbt_experiment experiment;
    const char *const changes[] = {setting, more};
    pbt_code code =
        pbt_experiment_read("experiments/smoke.yaml", ".", changes, more ? 2 : 1, &experiment, &error);
    if (code == PBT_OK) {
        code = pbt_experiment_require(&experiment, test_device(), true, &error);
        pbt_experiment_free(&experiment);
    }
    if (code == PBT_OK || !strstr(error.message, words))
        fail_msg("%s: expected \"%s\", found %d \"%s\"", setting, words, code, error.message);
}

static void test_settings_that_failed_late(void **state) {
    (void)state;
    refused("dpo.beta=0", NULL, "dpo: beta is 0; it must be positive");
    refused("dpo.loss_type=robust", "dpo.label_smoothing=0.5", "dpo: label_smoothing is 0.5");
    refused("sft.num_train_epochs=0", "sft.max_steps=-1", "sft: num_train_epochs is 0");
    refused("dpo.num_train_epochs=0", NULL, "dpo: num_train_epochs is 0");
    refused("trees.top_p=0", NULL, "trees: top_p is 0");
    refused("eval.farm.top_p=0", NULL, "eval.farm: top_p is 0");
    refused("pairs.max_pairs=1", NULL, "pairs.max_pairs is 1");
    refused("lora.lora_alpha=0", NULL, "lora.lora_alpha is 0");
    refused("lora.lora_r=5000", NULL, "lora.lora_r: expected a number from 1 to 4096");
    refused("lora.lora_target_modules=.*nothing", NULL, "\".*nothing\" matches no linear layer");
    refused("agents.filter=a", NULL, "no filter.txt");
    refused("eval.flipflop.challenges=99", NULL, "eval.flipflop.challenges is 99, but challenge.txt has 3");
    refused("engine.kv_rows=20", NULL, "engine.kv_rows is 20");
    refused("eval.flipflop.max_new_tokens=400", NULL, "(eval.flipflop.max_new_tokens) can take about");
    refused("max_length=8", NULL, "max_length is 8: every pair would be left out");
    refused("eval.farm.enabled=true", "eval.farm.data=no/such/file", "no/such/file");
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_passes), cmocka_unit_test(test_fails),
                                       cmocka_unit_test(test_settings_that_failed_late)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
