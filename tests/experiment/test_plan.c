/* The plans of the experiments that come with pbt, made before a weight or a question is on disk. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "device.h"
#include "plan/plan.h"

#include <stdlib.h>
#include <string.h>

static void plan_of(const char *file, pbt_experiment *experiment, pbt_plan *plan) {
    pbt_error error;
    static const char *const no_questions = "questions.file=/no/such/questions.jsonl";
    assert_int_equal(setenv("HF_HUB_CACHE", "/no/such/cache", 1), 0);
    if (pbt_experiment_read(file, ".", &no_questions, 1, experiment, &error) != PBT_OK ||
        pbt_plan_make(experiment, test_device(), plan, &error) != PBT_OK)
        fail_msg("%s", error.message);
}

/* Everything stands in the sum; caches are bounded by the experiment and by a quarter of the memory. */
static void check_memory(const pbt_plan *plan) {
    int64_t kv = 0, packed = 0;
    for (size_t m = 0; m < plan->n_models; m++) {
        const pbt_plan_model *model = &plan->models[m];
        assert_true(model->kv_rows >= 500 && model->kv_rows <= 65536);
        assert_true(model->packed > model->bytes / 2);
        if (model->shared) continue;
        kv += model->kv;
        packed += model->packed;
    }
    assert_int_equal(plan->kv, kv);
    assert_int_equal(plan->packed, packed);
    assert_true(plan->kv <= plan->available / 4 + (64 << 20) || plan->models[0].kv_rows < 2048);
    assert_int_equal(plan->total, plan->weights + (plan->packs ? plan->packed : 0) + plan->mapped + plan->kv +
                                      plan->activations + plan->training + plan->optimizer);
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
        for (int s = 0; s < PBT_WORK_STAGES; s++) {
            const pbt_work *expected = &plan.estimate.work[s][pbt_experiment_trained(&experiment)],
                           *most = &plan.estimate.most[s][pbt_experiment_trained(&experiment)];
            assert_true(expected->read > 0 && expected->written > 0 && most->written > expected->written);
        }
        check_memory(&plan);
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
    assert_int_equal(pbt_plan_make(&experiment, test_device(), &plan, &error), PBT_BAD_INPUT);
    assert_non_null(strstr(error.message, "some/model"));
    pbt_experiment_free(&experiment);
}

/* Rates of a small shape, in every type: everything is measured. */
static void test_rates(void **state) {
    (void)state;
    pbt_error error;
    pbt_rates rates;
    pbt_config config = {.architecture = PBT_LLAMA,
                         .hidden_size = 64,
                         .intermediate_size = 160,
                         .n_layers = 2,
                         .n_heads = 4,
                         .n_kv_heads = 2,
                         .head_dim = 16,
                         .vocab_size = 300,
                         .max_position_embeddings = 2048,
                         .rms_norm_eps = 1e-5,
                         .rope = {.theta = 10000},
                         .quantization = PBT_DTYPES,
                         .tie_word_embeddings = true};
    for (int d = 0; d < PBT_DTYPES; d++) {
        pbt_rate_settings settings = {.device = test_device(),
                                      .dtype = (pbt_dtype)d,
                                      .batch = 8,
                                      .prefill_rows = 64,
                                      .train_rows = 64,
                                      .rank = 4};
        for (int t = 0; t < 7; t++) settings.targets[t] = true;
        if (pbt_rates_measure(&config, &settings, &rates, &error) != PBT_OK) fail_msg("%s", error.message);
        assert_true(rates.read + rates.read_seen > 0 && rates.pass + rates.written_seen > 0 &&
                    rates.scored > 0 && rates.drawn > 0);
        assert_true(rates.learned + rates.learned_seen > 0 && rates.target > 0);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_published), cmocka_unit_test(test_unknown_model),
                                       cmocka_unit_test(test_rates)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
