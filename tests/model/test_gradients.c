/* The whole model's gradients against central differences, with LoRA and with all weights, for every
 * architecture; and prefill, decode and shared prefixes give the same bits. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/file.h"
#include "base/hash.h"
#include "device.h"
#include "model/backward.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static pbt_error problem;
#define OK(expression)                                                                                       \
    do {                                                                                                     \
        if ((expression) != PBT_OK) fail_msg("%s", problem.message);                                         \
    } while (0)

static pbt_model *model_of(const char *type, const char *class, const char *more) {
    char text[1024];
    snprintf(
        text, sizeof text,
        "{\"model_type\": \"%s\", \"architectures\": [\"%s\"], \"hidden_size\": 16, \"intermediate_size\": "
        "24, "
        "\"num_hidden_layers\": 2, \"num_attention_heads\": 4, \"num_key_value_heads\": 2, \"head_dim\": 6, "
        "\"vocab_size\": 30, \"max_position_embeddings\": 64, \"rms_norm_eps\": 1e-5%s}",
        type, class, more);
    json_t *raw = NULL;
    pbt_config config;
    pbt_model *model = NULL;
    OK(pbt_json_parse(text, strlen(text), "test", NULL, &raw, &problem));
    OK(pbt_config_parse(raw, "test", &config, &problem));
    OK(pbt_model_random(&config, pbt_key_of_seed(1), 0.4, test_device(), &model, &problem));
    pbt_config_free(&config);
    json_decref(raw);
    return model;
}

/* A prompt of 6 rows with two continuations of 3 and 2: rows 0-5, 6-8, 9-10. */
enum { ROWS = 11, TARGETS = 5 };
static const int32_t tokens[ROWS] = {1, 5, 9, 5, 20, 3, 7, 29, 2, 11, 0};
static const int32_t positions[ROWS] = {0, 1, 2, 3, 4, 5, 6, 7, 8, 6, 7};
static const pbt_segment segments[] = {{-1, 0, 0, 6, 0}, {0, 6, 6, 3, 6}, {0, 6, 9, 2, 6}};
static const pbt_span spans[] = {{0, 0, 0, 6}, {1, 0, 6, 3}, {2, 0, 9, 2}};
static const int32_t target_row[TARGETS] = {5, 5, 6, 8, 9}, target[TARGETS] = {7, 11, 29, 4, 0};
static const float weight[TARGETS] = {1, -0.5f, 0.75f, 2, -1.25f};
static const uint64_t row_ids[ROWS] = {10, 11, 12, 13, 14, 15, 16, 17, 18, 19, 20};

typedef struct setting {
    pbt_model *model;
    pbt_adapter *adapter, *frozen; /* frozen: below the other, or NULL */
    pbt_kv kv;
    pbt_activations *activations;
    float dropout;
} setting;

static pbt_pass pass_of(const setting *s) {
    static const pbt_adapter *list[2];
    list[0] = s->frozen;
    list[s->frozen ? 1 : 0] = s->adapter;
    return (pbt_pass){.model = s->model,
                      .adapters = list,
                      .n_adapters = (s->adapter ? 1 : 0) + (s->frozen ? 1 : 0),
                      .tokens = tokens,
                      .positions = positions,
                      .layout = {segments, 3, spans, 3, ROWS},
                      .dropout = s->dropout,
                      .dropout_key = pbt_key_of_seed(4),
                      .row_ids = row_ids};
}

static double loss_of(setting *s) {
    pbt_pass pass = pass_of(s);
    float logprob[TARGETS];
    double loss = 0;
    OK(pbt_forward(&pass, &s->kv, s->activations, &problem));
    OK(pbt_logprobs(s->model, s->activations, target_row, target, TARGETS, logprob, &problem));
    for (int i = 0; i < TARGETS; i++) loss += (double)weight[i] * (double)logprob[i];
    return loss;
}

/* A backward pass that takes the logits of pbt_logprobs gives the bits of one that computes its own, also
 * where they belong to other targets. Ends with the gradients it found. */
static void check_kept_logits(setting *s, pbt_gradients *gradients) {
    pbt_pass pass = pass_of(s);
    size_t n;
    const pbt_parameter *parameters = pbt_gradients_parameters(gradients, &n);
    uint64_t expected = 0;
    for (size_t p = 0; p < n; p++)
        expected = pbt_hash(parameters[p].gradient, parameters[p].count * sizeof(float), expected);
    for (int targets = TARGETS; targets >= TARGETS - 1; targets--) {
        float logprob[TARGETS];
        uint64_t found = 0;
        pbt_gradients_zero(gradients);
        OK(pbt_forward(&pass, &s->kv, s->activations, &problem));
        OK(pbt_logprobs(s->model, s->activations, target_row, target, targets, logprob, &problem));
        OK(pbt_backward(&pass, &s->kv, s->activations, target_row, target, weight, TARGETS, NULL, gradients,
                        &problem));
        for (size_t p = 0; p < n; p++)
            found = pbt_hash(parameters[p].gradient, parameters[p].count * sizeof(float), found);
        assert_true(found == expected);
    }
}

static void check_parameters(setting *s, pbt_gradients *gradients) {
    pbt_pass pass = pass_of(s);
    float logprob[TARGETS], again[TARGETS];
    pbt_gradients_zero(gradients);
    OK(pbt_forward(&pass, &s->kv, s->activations, &problem));
    OK(pbt_backward(&pass, &s->kv, s->activations, target_row, target, weight, TARGETS, logprob, gradients,
                    &problem));
    OK(pbt_logprobs(s->model, s->activations, target_row, target, TARGETS, again, &problem));
    assert_memory_equal(logprob, again, sizeof logprob);
    size_t n;
    const pbt_parameter *parameters = pbt_gradients_parameters(gradients, &n);
    check_kept_logits(s, gradients);
    for (size_t p = 0; p < n; p++) {
        double largest = 1e-2;
        for (size_t i = 0; i < parameters[p].count; i++)
            largest = fmax(largest, fabs((double)parameters[p].gradient[i]));
        for (size_t i = 0; i < parameters[p].count; i += 1 + parameters[p].count / 24) {
            float before = parameters[p].value[i], h = 4e-3f;
            parameters[p].value[i] = before + h;
            double up = loss_of(s);
            parameters[p].value[i] = before - h;
            double down = loss_of(s);
            parameters[p].value[i] = before;
            double expected = (up - down) / (2 * (double)h), found = (double)parameters[p].gradient[i];
            if (fabs(expected - found) > 1e-2 * largest + 2e-3)
                fail_msg("%s[%zu]: gradient %g, differences say %g", parameters[p].name, i, found, expected);
        }
    }
}

/* Gradients of an adapter on the setting's model. */
static void check_adapter(setting *s) {
    pbt_gradients *gradients;
    pbt_adapter_settings settings = {.r = 3, .alpha = 6, .dropout = 0.2};
    for (int i = 0; i < PBT_LINEARS; i++) settings.targets[i] = true;
    OK(pbt_adapter_create(s->model, &settings, pbt_key_of_seed(2), &s->adapter, &problem));
    for (int32_t l = 0; l < s->adapter->n_layers; l++)
        for (int i = 0; i < PBT_LINEARS; i++)
            for (int32_t j = 0; j < s->adapter->lora[l][i].outputs * 3; j++)
                s->adapter->lora[l][i].B[j] =
                    (float)(0.2 * pbt_random_normal(pbt_key_of_seed(3), (uint64_t)j));
    s->dropout = 0.2f;
    OK(pbt_gradients_for_adapter(s->model, s->adapter, &gradients, &problem));
    check_parameters(s, gradients);
    pbt_gradients_free(gradients);
    pbt_adapter_free(s->adapter);
}

static setting open_setting(pbt_model *model) {
    setting s = {.model = model};
    OK(pbt_kv_create(s.model, ROWS, &s.kv, &problem));
    OK(pbt_activations_create(s.model, ROWS, 3, true, &s.activations, &problem));
    return s;
}

static void close_setting(setting *s) {
    pbt_activations_free(s->activations);
    pbt_kv_free(s->model, &s->kv);
    pbt_model_free(s->model);
}

static void check_model(const char *type, const char *class, const char *more) {
    setting s = open_setting(model_of(type, class, more));
    pbt_gradients *gradients;
    OK(pbt_gradients_for_model(s.model, &gradients, &problem));
    check_parameters(&s, gradients);
    pbt_gradients_free(gradients);
    check_adapter(&s);
    close_setting(&s);
}

/* An adapter trained over another: gradients go through both, and reach the upper one only. */
static void test_frozen_adapter(void **state) {
    (void)state;
    setting s = open_setting(model_of("llama", "LlamaForCausalLM", ""));
    pbt_adapter_settings settings = {
        .r = 2, .alpha = 3, .targets = {true, false, true, true, false, true, true}};
    OK(pbt_adapter_create(s.model, &settings, pbt_key_of_seed(8), &s.frozen, &problem));
    for (int32_t l = 0; l < s.frozen->n_layers; l++)
        for (int i = 0; i < PBT_LINEARS; i++)
            for (int32_t j = 0; s.frozen->lora[l][i].B && j < s.frozen->lora[l][i].outputs * 2; j++)
                s.frozen->lora[l][i].B[j] = (float)(0.3 * pbt_random_normal(pbt_key_of_seed(9), (uint64_t)j));
    uint64_t before = pbt_adapter_hash(s.frozen);
    check_adapter(&s);
    assert_true(before == pbt_adapter_hash(s.frozen));
    pbt_adapter_free(s.frozen);
    close_setting(&s);
}

/* QLoRA: the adapter's gradients go through weights of 4 and 8 bits. */
static void test_quantised_base(void **state) {
    (void)state;
    char folder[] = "/tmp/pbt-gradients-XXXXXX", command[64];
    assert_non_null(mkdtemp(folder));
    pbt_model *model = model_of("llama", "LlamaForCausalLM", "");
    OK(pbt_model_save(model, folder, PBT_F32, &problem));
    pbt_model_free(model);
    for (int dtype = PBT_NF4; dtype <= PBT_INT8; dtype++) {
        pbt_model_options options = {.dtype = (pbt_dtype)dtype, .nested_quantization = dtype == PBT_NF4};
        OK(pbt_model_open(folder, &options, test_device(), &model, &problem));
        assert_int_equal(model->layers[1].linear[PBT_DOWN_PROJ].dtype, dtype);
        setting s = open_setting(model);
        check_adapter(&s);
        close_setting(&s);
    }
    snprintf(command, sizeof command, "rm -r %s", folder);
    assert_int_equal(system(command), 0);
}

static void test_llama(void **state) {
    (void)state;
    check_model("llama", "LlamaForCausalLM", ", \"tie_word_embeddings\": true");
    check_model("llama", "LlamaForCausalLM", ", \"attention_bias\": true, \"mlp_bias\": true");
}

static void test_others(void **state) {
    (void)state;
    check_model("mistral", "MistralForCausalLM", ", \"sliding_window\": 4");
    check_model("qwen2", "Qwen2ForCausalLM", "");
    check_model("qwen3", "Qwen3ForCausalLM", ", \"tie_word_embeddings\": true");
}

/* Row by row through a cache gives the bits of the one pass. */
static void test_decode_is_prefill(void **state) {
    (void)state;
    setting s = {.model = model_of("llama", "LlamaForCausalLM", "")};
    OK(pbt_kv_create(s.model, ROWS, &s.kv, &problem));
    OK(pbt_activations_create(s.model, ROWS, 0, false, &s.activations, &problem));
    float whole[ROWS * 16];
    pbt_pass pass = pass_of(&s);
    OK(pbt_forward(&pass, &s.kv, s.activations, &problem));
    memcpy(whole, pbt_activations_hidden(s.activations), sizeof whole);
    memset(s.kv.k, 0, sizeof(float) * 2 * ROWS * (size_t)s.kv.width);
    for (int32_t t = 0; t < ROWS; t++) {
        int32_t segment = t < 6 ? 0 : t < 9 ? 1 : 2, first = t - segments[segment].kv_row;
        pbt_segment now[3];
        memcpy(now, segments, sizeof now);
        now[segment].length = first + 1;
        const pbt_span span = {segment, first, 0, 1};
        pbt_pass step = pass;
        step.tokens = tokens + t;
        step.positions = positions + t;
        step.layout = (pbt_layout){now, segment + 1, &span, 1, 1};
        OK(pbt_forward(&step, &s.kv, s.activations, &problem));
        assert_memory_equal(pbt_activations_hidden(s.activations), whole + t * 16, 16 * sizeof(float));
    }
    pbt_activations_free(s.activations);
    pbt_kv_free(s.model, &s.kv);
    pbt_model_free(s.model);
}

static void test_bad_passes(void **state) {
    (void)state;
    setting s = {.model = model_of("llama", "LlamaForCausalLM", "")};
    OK(pbt_kv_create(s.model, ROWS, &s.kv, &problem));
    OK(pbt_activations_create(s.model, ROWS - 1, 0, false, &s.activations, &problem));
    pbt_pass pass = pass_of(&s);
    assert_int_equal(pbt_forward(&pass, &s.kv, s.activations, &problem), PBT_USAGE);
    pbt_activations_free(s.activations);
    OK(pbt_activations_create(s.model, ROWS, 0, false, &s.activations, &problem));
    const int32_t outside[ROWS] = {1, 2, 3, 30};
    pass.tokens = outside;
    assert_int_equal(pbt_forward(&pass, &s.kv, s.activations, &problem), PBT_BAD_INPUT);
    assert_non_null(strstr(problem.message, "token 30 is outside the model's vocabulary of 30"));
    pbt_activations_free(s.activations);
    pbt_kv_free(s.model, &s.kv);
    pbt_model_free(s.model);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_llama),
                                       cmocka_unit_test(test_others),
                                       cmocka_unit_test(test_quantised_base),
                                       cmocka_unit_test(test_frozen_adapter),
                                       cmocka_unit_test(test_decode_is_prefill),
                                       cmocka_unit_test(test_bad_passes)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
