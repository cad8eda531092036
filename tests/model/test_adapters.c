/* PEFT's adapter folders: targets, patterns, several adapters, and what is said of bad ones. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/file.h"
#include "base/text.h"
#include "device.h"
#include "model/adapter_config.h"
#include "model/adapter_folder.h"
#include "model/forward.h"
#include "model/safetensors.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static pbt_error problem;
static char folder[64];
static pbt_model *model;
#define OK(expression)                                                                                       \
    do {                                                                                                     \
        if ((expression) != PBT_OK) fail_msg("%s", problem.message);                                         \
    } while (0)

static int begin(void **state) {
    (void)state;
    static const char text[] = "{\"model_type\": \"llama\", \"hidden_size\": 8, \"intermediate_size\": 12, "
                               "\"num_hidden_layers\": 3, \"num_attention_heads\": 2, \"vocab_size\": 20}";
    json_t *raw = NULL;
    pbt_config config;
    strcpy(folder, "/tmp/pbt-adapter-XXXXXX");
    if (!mkdtemp(folder)) return 1;
    OK(pbt_json_parse(text, strlen(text), "c", NULL, &raw, &problem));
    OK(pbt_config_parse(raw, "c", &config, &problem));
    OK(pbt_model_random(&config, pbt_key_of_seed(1), 0.3, test_device(), &model, &problem));
    pbt_config_free(&config);
    json_decref(raw);
    return 0;
}

static int end(void **state) {
    (void)state;
    char command[96];
    pbt_model_free(model);
    snprintf(command, sizeof command, "rm -rf %s", folder);
    return system(command);
}

static void expect(pbt_code code, const char *words) {
    assert_int_not_equal(code, PBT_OK);
    if (!strstr(problem.message, words)) fail_msg("expected \"%s\" in \"%s\"", words, problem.message);
}

static void write_file(const char *sub, const char *name, const char *text) {
    char *path = sub ? pbt_string_format("%s/%s/%s", folder, sub, name) : pbt_path_join(folder, name);
    char *parent = sub ? pbt_path_join(folder, sub) : pbt_string_copy(folder);
    OK(pbt_folder_make(parent, &problem));
    OK(pbt_file_write(path, text, strlen(text), &problem));
    free(path);
    free(parent);
}

/* ---- targets and patterns ---- */

static pbt_targeted targeted(const char *config, int32_t layer, int linear) {
    json_t *raw = NULL;
    char module[96];
    pbt_targeted result;
    OK(pbt_json_parse(config, strlen(config), "a", NULL, &raw, &problem));
    snprintf(module, sizeof module, "model.layers.%d.%s", layer, pbt_linear_paths[linear]);
    OK(pbt_adapter_config_targets(raw, module, layer, "a", &result, &problem));
    json_decref(raw);
    return result;
}

static void test_targets(void **state) {
    (void)state;
    static const struct {
        const char *config;
        int32_t layer;
        int linear;
        pbt_targeted expected;
    } cases[] = {
        {"{}", 0, PBT_Q_PROJ, PBT_TARGET_UNSAID},
        {"{\"target_modules\": null}", 0, PBT_Q_PROJ, PBT_TARGET_UNSAID},
        {"{\"target_modules\": [\"q_proj\"]}", 2, PBT_Q_PROJ, PBT_TARGET_YES},
        {"{\"target_modules\": [\"_proj\"]}", 2, PBT_Q_PROJ, PBT_TARGET_NO},
        {"{\"target_modules\": [\"self_attn.q_proj\", \"up_proj\"]}", 1, PBT_UP_PROJ, PBT_TARGET_YES},
        {"{\"target_modules\": [\"model.layers.1.mlp.up_proj\"]}", 1, PBT_UP_PROJ, PBT_TARGET_YES},
        {"{\"target_modules\": [\"layers.1.mlp.up_proj\"]}", 2, PBT_UP_PROJ, PBT_TARGET_NO},
        {"{\"target_modules\": \"all-linear\"}", 2, PBT_UP_PROJ, PBT_TARGET_YES},
        {"{\"target_modules\": \"All-Linear\"}", 2, PBT_UP_PROJ, PBT_TARGET_YES},
        {"{\"target_modules\": \".*\\\\.(q|v)_proj\"}", 2, PBT_V_PROJ, PBT_TARGET_YES},
        {"{\"target_modules\": \".*\\\\.(q|v)_proj\"}", 2, PBT_K_PROJ, PBT_TARGET_NO},
        {"{\"target_modules\": \"q_proj\"}", 2, PBT_Q_PROJ, PBT_TARGET_NO},
        {"{\"target_modules\": \"model\\\\.layers\\\\.[01]\\\\.self_attn.*\"}", 1, PBT_O_PROJ,
         PBT_TARGET_YES},
        {"{\"target_modules\": \"model\\\\.layers\\\\.[01]\\\\.self_attn.*\"}", 2, PBT_O_PROJ, PBT_TARGET_NO},
        {"{\"target_modules\": [\"q_proj\"], \"layers_to_transform\": [0, 2]}", 2, PBT_Q_PROJ,
         PBT_TARGET_YES},
        {"{\"target_modules\": [\"q_proj\"], \"layers_to_transform\": [0, 2]}", 1, PBT_Q_PROJ, PBT_TARGET_NO},
        {"{\"target_modules\": [\"q_proj\"], \"layers_to_transform\": 1}", 1, PBT_Q_PROJ, PBT_TARGET_YES},
        {"{\"target_modules\": [\"q_proj\"], \"layers_to_transform\": 1, \"layers_pattern\": \"layers\"}", 1,
         PBT_Q_PROJ, PBT_TARGET_YES},
        {"{\"target_modules\": [\"q_proj\"], \"layers_to_transform\": 1, \"layers_pattern\": [\"h\"]}", 1,
         PBT_Q_PROJ, PBT_TARGET_NO},
        {"{\"target_modules\": \"all-linear\", \"exclude_modules\": [\"mlp.up_proj\"]}", 1, PBT_UP_PROJ,
         PBT_TARGET_NO},
        {"{\"target_modules\": \"all-linear\", \"exclude_modules\": \".*self_attn.*\"}", 1, PBT_UP_PROJ,
         PBT_TARGET_YES},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        if (targeted(cases[i].config, cases[i].layer, cases[i].linear) != cases[i].expected)
            fail_msg("%s, layer %d, %s", cases[i].config, cases[i].layer, pbt_linear_names[cases[i].linear]);
}

static void test_patterns(void **state) {
    (void)state;
    pbt_adapter adapter = {.settings = {.r = 8, .alpha = 16}};
    static const char config[] =
        "{\"rank_pattern\": {\"^model.layers.0.self_attn.q_proj\": 2, \"q_proj\": 4, "
        "\"layers.[12].mlp.*\": 3, \"proj\": 7}, \"alpha_pattern\": {\"v_proj\": 5.5}}";
    static const struct {
        const char *module;
        int32_t r;
        double alpha;
    } cases[] = {{"model.layers.0.self_attn.q_proj", 2, 16},
                 {"model.layers.1.self_attn.q_proj", 4, 16},
                 {"model.layers.1.self_attn.v_proj", 8, 5.5},
                 {"model.layers.2.mlp.up_proj", 3, 16},
                 {"model.layers.0.mlp.up_proj", 8, 16}};
    OK(pbt_json_parse(config, strlen(config), "a", NULL, &adapter.raw, &problem));
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        int32_t r;
        double alpha;
        OK(pbt_adapter_config_rank(&adapter, cases[i].module, "a", &r, &alpha, &problem));
        assert_int_equal(r, cases[i].r);
        assert_true(alpha == cases[i].alpha);
    }
    json_decref(adapter.raw);
}

/* ---- files ---- */

static pbt_adapter *make(int r) {
    pbt_adapter *adapter;
    pbt_adapter_settings settings = {.r = r, .alpha = 4};
    settings.targets[PBT_Q_PROJ] = settings.targets[PBT_UP_PROJ] = true;
    OK(pbt_adapter_create(model, &settings, pbt_key_of_seed(5), &adapter, &problem));
    return adapter;
}

/* Ranks by module, targets by layer: written back as they were read. */
static void test_round_trip(void **state) {
    (void)state;
    pbt_adapter *adapter = make(2), *read, *again;
    pbt_matrix W = {.rows = 8, .cols = 8};
    pbt_lora *q = adapter->lora[1];
    free(q[PBT_Q_PROJ].A), free(q[PBT_Q_PROJ].B);
    OK(pbt_lora_pair_create(&q[PBT_Q_PROJ], 3, pbt_lora_scaling(9, 3, true), &W, &problem));
    q[PBT_Q_PROJ].B[5] = 1;
    OK(pbt_adapter_save(adapter, folder, "some/base", &problem));
    write_file(
        NULL, "adapter_config.json",
        "{\"peft_type\": \"LORA\", \"r\": 2, \"lora_alpha\": 4, \"use_rslora\": true, \"my_key\": [1], "
        "\"target_modules\": [\"q_proj\", \"up_proj\"], \"inference_mode\": false, \"rank_pattern\": "
        "{\"1.self_attn.q_proj\": 3}, "
        "\"alpha_pattern\": {\"1.self_attn.q_proj\": 9}}");
    OK(pbt_adapter_open(folder, model, &read, &problem));
    assert_int_equal(pbt_adapter_rank(read), 3);
    assert_true(fabs((double)read->lora[1][PBT_Q_PROJ].scaling - 9 / sqrt(3.0)) < 1e-6);
    assert_true(fabs((double)read->lora[0][PBT_Q_PROJ].scaling - 4 / sqrt(2.0)) < 1e-6);
    OK(pbt_adapter_save(read, folder, "some/base", &problem));
    OK(pbt_adapter_open(folder, model, &again, &problem));
    assert_true(pbt_adapter_hash(read) == pbt_adapter_hash(again));
    assert_true(json_is_true(json_object_get(again->raw, "inference_mode")));
    assert_int_equal(json_array_size(json_object_get(again->raw, "my_key")), 1);
    char text[256];
    pbt_adapter_base_warning(again, model, text, sizeof text);
    assert_string_equal(text, ""); /* the random model has no path */
    free(model->path);
    model->path = pbt_string_copy("models/base/");
    pbt_adapter_base_warning(again, model, text, sizeof text);
    assert_string_equal(text, "");
    free(model->path);
    model->path = pbt_string_copy("/c/models--some--base/snapshots/0123");
    pbt_adapter_base_warning(again, model, text, sizeof text);
    assert_string_equal(text, "");
    free(model->path);
    model->path = pbt_string_copy("models/other");
    pbt_adapter_base_warning(again, model, text, sizeof text);
    assert_non_null(strstr(text, "made for some/base; this model is models/other"));
    pbt_adapter_free(adapter);
    pbt_adapter_free(read);
    pbt_adapter_free(again);
}

static pbt_adapter *noisy(int32_t r, int first, int second, uint64_t seed) {
    pbt_adapter *adapter;
    pbt_adapter_settings settings = {.r = r, .alpha = 3};
    settings.targets[first] = settings.targets[second] = true;
    OK(pbt_adapter_create(model, &settings, pbt_key_of_seed(seed), &adapter, &problem));
    for (int32_t l = 0; l < 3; l++)
        for (int i = 0; i < PBT_LINEARS; i++)
            for (int32_t j = 0; adapter->lora[l][i].B && j < r * adapter->lora[l][i].outputs; j++)
                adapter->lora[l][i].B[j] =
                    (float)(0.3 * pbt_random_normal(pbt_key_of_seed(seed), (uint64_t)j));
    return adapter;
}

static void hidden_of(const pbt_adapter *const *adapters, int n, float hidden[6 * 8]) {
    static const int32_t tokens[6] = {1, 5, 2, 9, 19, 3}, positions[6] = {0, 1, 2, 3, 4, 5};
    const pbt_segment segment = {.parent = -1, .length = 6};
    const pbt_span span = {.length = 6};
    pbt_kv kv;
    pbt_activations *activations;
    pbt_pass pass = {.model = model,
                     .adapters = adapters,
                     .n_adapters = n,
                     .tokens = tokens,
                     .positions = positions,
                     .layout = {&segment, 1, &span, 1, 6}};
    OK(pbt_kv_create(model, 6, &kv, &problem));
    OK(pbt_activations_create(model, 6, 8, false, &activations, &problem));
    OK(pbt_forward(&pass, &kv, activations, &problem));
    memcpy(hidden, pbt_activations_hidden(activations), 6 * 8 * sizeof(float));
    pbt_activations_free(activations);
    pbt_kv_free(model, &kv);
}

/* Two adapters as one, in memory and on disk. */
static void test_stack(void **state) {
    (void)state;
    pbt_adapter *under = noisy(2, PBT_Q_PROJ, PBT_UP_PROJ, 3), *over = noisy(3, PBT_Q_PROJ, PBT_DOWN_PROJ, 4);
    pbt_adapter *stacked, *read;
    /* A layer that only one of them has. */
    free(under->lora[1][PBT_UP_PROJ].A), free(under->lora[1][PBT_UP_PROJ].B);
    under->lora[1][PBT_UP_PROJ] = (pbt_lora){0};
    OK(pbt_adapter_stack(under, over, &stacked, &problem));
    assert_int_equal(pbt_adapter_rank(stacked), 5);
    OK(pbt_adapter_save(stacked, folder, "base", &problem));
    OK(pbt_adapter_open(folder, model, &read, &problem));
    assert_true(pbt_adapter_hash(read) == pbt_adapter_hash(stacked));
    float two[48], one[48], none[48];
    hidden_of((const pbt_adapter *const[]){under, over}, 2, two);
    hidden_of((const pbt_adapter *const[]){read}, 1, one);
    hidden_of(NULL, 0, none);
    double most = 0, effect = 0;
    for (int i = 0; i < 48; i++) {
        most = fmax(most, fabs((double)two[i] - (double)one[i]));
        effect = fmax(effect, fabs((double)two[i] - (double)none[i]));
    }
    assert_true(most < 1e-5 && effect > 0.05);
    pbt_adapter_free(under);
    pbt_adapter_free(over);
    pbt_adapter_free(stacked);
    pbt_adapter_free(read);
}

static void test_refused(void **state) {
    (void)state;
    static const struct {
        const char *more, *words;
    } bad[] = {
        {"\"use_dora\": true", "use_dora: is not supported; expected false"},
        {"\"fan_in_fan_out\": true", "fan_in_fan_out: is not supported; expected false"},
        {"\"modules_to_save\": [\"lm_head\"]", "modules_to_save: is not supported; expected null"},
        {"\"trainable_token_indices\": [3]", "trainable_token_indices: is not supported"},
        {"\"layer_replication\": [[0, 2]]", "layer_replication: is not supported"},
        {"\"lora_bias\": true", "lora_bias: is not supported"},
        {"\"arrow_config\": {\"a\": 1}", "arrow_config: is not supported"},
        {"\"bias\": \"lora_only\"", "bias: expected \"none\", found \"lora_only\""},
        {"\"init_lora_weights\": \"pissa_niter_4\"", "\"pissa_niter_4\" changes the base model's weights"},
        {"\"lora_dropout\": 1", "lora_dropout: expected 0 or more and less than 1"},
        {"\"target_modules\": [\"q_proj\"]",
         "target_modules of adapter_config.json does not pick model.layers.0.mlp.up_proj"},
        {"\"target_modules\": [\"q_proj\", \"up_proj\", \"v_proj\"]",
         "v_proj.lora_A.weight: is missing; expected shape [2, 8]"},
        {"\"target_modules\": \"(q_proj\"", "target_modules: the regular expression \"(q_proj\""},
        {"\"target_modules\": \"(([a-z_.0-9]+)+)+[0-9][0-9]\"", "takes too many steps"},
        {"\"target_modules\": 3", "expected a list of names or a regular expression"},
        {"\"target_modules\": \"all-linear\", \"layers_to_transform\": [0]",
         "cannot go with target_modules as text"},
        {"\"target_modules\": [\"q_proj\", \"up_proj\"], \"layers_to_transform\": [\"a\"]",
         "expected numbers of layers"},
        {"\"rank_pattern\": {\"q_proj\": 5}", "expected floats of shape [5, 8], found F32 of [2, 8]"},
        {"\"rank_pattern\": {\"q_proj\": 0}", "expected a whole rank of 1 to 4096, found 0"},
        {"\"rank_pattern\": {\"q_proj\": 2.5}", "expected a whole rank of 1 to 4096, found 2.5"},
        {"\"rank_pattern\": {\"q_proj\": \"a\"}", "expected a number for \"q_proj\""},
        {"\"alpha_pattern\": [1]", "alpha_pattern: expected an object"},
        {"\"rank_pattern\": 7", "rank_pattern: expected an object"},
        {"\"peft_type\": \"IA3\"", "expected \"LORA\", found \"IA3\""},
    };
    pbt_adapter *adapter = make(2), *read = NULL;
    OK(pbt_adapter_save(adapter, folder, NULL, &problem));
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        char *text = pbt_string_format("{%s\"r\": 2, \"lora_alpha\": 4, %s}",
                                       strstr(bad[i].more, "peft_type") ? "" : "\"peft_type\": \"LORA\", ",
                                       bad[i].more);
        write_file(NULL, "adapter_config.json", text);
        free(text);
        expect(pbt_adapter_open(folder, model, &read, &problem), bad[i].words);
        assert_null(read);
    }
    write_file(NULL, "adapter_config.json", "[1]");
    expect(pbt_adapter_open(folder, model, &read, &problem), "expected a JSON object");
    write_file(NULL, "adapter_config.json", "{\"peft_type\": \"LORA\", \"r\": 2, \"lora_alpha\": 4}");
    OK(pbt_adapter_open(folder, model, &read, &problem));
    pbt_adapter_free(read);
    char *weights = pbt_path_join(folder, "adapter_model.safetensors");
    assert_int_equal(remove(weights), 0);
    write_file(NULL, "adapter_model.bin", "x");
    expect(pbt_adapter_open(folder, model, &read, &problem), "found adapter_model.bin");
    pbt_tensor_out strange = {.name = "base_model.model.lm_head.lora_A.weight",
                              .n_dimensions = 2,
                              .shape = {2, 8},
                              .data = adapter->lora[0][PBT_Q_PROJ].A,
                              .dtype = PBT_F32};
    OK(pbt_safetensors_write(weights, &strange, 1, PBT_F32, &problem));
    expect(pbt_adapter_open(folder, model, &read, &problem),
           "base_model.model.lm_head.lora_A.weight: has no place in this model of 3 layers");
    free(weights);
    pbt_adapter_free(adapter);
}

static void expect_folder(const char *suffix, const char *result) {
    char *name = pbt_string_format("%s%s", folder, suffix), *found;
    OK(pbt_adapter_folder(name, &found, &problem));
    assert_string_equal(found + strlen(folder), result);
    free(name);
    free(found);
}

static void refuse_folder(const char *suffix, const char *words) {
    char *name = pbt_string_format("%s%s", folder, suffix), *found;
    expect(pbt_adapter_folder(name, &found, &problem), words);
    free(name);
}

static void test_folders(void **state) {
    (void)state;
    expect_folder("", "");
    refuse_folder(":x", "holds no adapter named \"x\"; it has none");
    write_file("one", "adapter_config.json", "{}");
    expect_folder("", "/one"); /* the only one */
    write_file("checkpoint-10", "adapter_config.json", "{}");
    expect_folder("", "/one");
    write_file("two", "adapter_config.json", "{}");
    refuse_folder("", "holds several adapters (one, two); name one of them");
    expect_folder(":two", "/two");
    refuse_folder(":three", "holds no adapter named \"three\"; it has one, two");
    refuse_folder(":../x", "holds no adapter named");
    write_file(NULL, "adapter_config.json", "{}");
    refuse_folder("", "holds several adapters (default, one, two)");
    expect_folder(":default", "");
    expect_folder(":checkpoint-10", "/checkpoint-10");
    expect_folder("/two", "/two");
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_targets),
        cmocka_unit_test(test_patterns),
        cmocka_unit_test_setup_teardown(test_round_trip, begin, end),
        cmocka_unit_test_setup_teardown(test_stack, begin, end),
        cmocka_unit_test_setup_teardown(test_refused, begin, end),
        cmocka_unit_test_setup_teardown(test_folders, begin, end),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
