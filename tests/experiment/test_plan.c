/* The plans of the experiments that come with pbt, made before a weight or a question is on disk. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "experiment/plan.h"

#include <stdlib.h>
#include <string.h>

static void plan_of(const char *file, pbt_experiment *experiment, pbt_plan *plan) {
    pbt_error error;
    static const char *const no_questions = "questions.file=/no/such/questions.jsonl";
    assert_int_equal(setenv("HF_HUB_CACHE", "/no/such/cache", 1), 0);
    if (pbt_experiment_read(file, ".", &no_questions, 1, experiment, &error) != PBT_OK ||
        pbt_plan_make(experiment, plan, &error) != PBT_OK)
        fail_msg("%s", error.message);
}

static void test_published(void **state) {
    (void)state;
    static const struct {
        const char *file;
        int64_t parameters[2], sft, dpo;
    } cases[] = {
        {"experiments/llama-3.1-8b.yaml", {8030261248, 7241732096}, 240, 510},
        {"experiments/mistral-7b.yaml", {8030261248, 7241732096}, 240, 510},
        {"experiments/llama-3.1-70b.yaml", {70553706496, 7241732096}, 240, 204},
        {"experiments/smollm2-135m.yaml", {134515008, 361821120}, 24, 16},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        pbt_experiment experiment;
        pbt_plan plan;
        plan_of(cases[i].file, &experiment, &plan);
        for (int m = 0; m < 2; m++) {
            assert_int_equal(plan.models[m].parameters, cases[i].parameters[m]);
            assert_true(plan.models[m].known && !plan.models[m].shared);
        }
        assert_int_equal(plan.sft_steps, cases[i].sft);
        assert_int_equal(plan.dpo_steps, cases[i].dpo);
        assert_int_equal(plan.nodes[0], plan.questions[0] * 2 * 21);
        assert_non_null(strstr(plan.questions_missing, "rc.web.nocontext"));
        for (int s = 0; s < PBT_WORK_STAGES; s++)
            assert_true(plan.estimate.work[s][pbt_experiment_trained(&experiment)].read > 0);
        pbt_experiment_free(&experiment);
    }
}

static void test_unknown_model(void **state) {
    (void)state;
    pbt_error error;
    pbt_experiment experiment;
    pbt_plan plan;
    static const char *const changes[] = {"questions.file=/no/such/questions.jsonl",
                                          "agents.b.model=some/model"};
    assert_int_equal(
        pbt_experiment_read("experiments/smollm2-135m.yaml", ".", changes, 2, &experiment, &error), PBT_OK);
    assert_int_equal(pbt_plan_make(&experiment, &plan, &error), PBT_BAD_INPUT);
    assert_non_null(strstr(error.message, "some/model"));
    pbt_experiment_free(&experiment);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_published),
                                       cmocka_unit_test(test_unknown_model)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
