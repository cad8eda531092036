/* Model folders and adapters: round trips, and what is said of bad ones. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/file.h"
#include "base/text.h"
#include "device.h"
#include "folder.h"
#include "model/adapter.h"
#include "model/safetensors.h"
#include "small_model.h"

#include <math.h>
#include <unistd.h>

#define OK(expression)                                                                                       \
    do {                                                                                                     \
        if ((expression) != PBT_OK) fail_msg("%s", problem.message);                                         \
    } while (0)

static const char plain[] =
    "{\"model_type\": \"llama\", \"architectures\": [\"LlamaForCausalLM\"], \"hidden_size\": 8, "
    "\"intermediate_size\": 12, \"num_hidden_layers\": 2, \"num_attention_heads\": 2, "
    "\"num_key_value_heads\": 1, "
    "\"vocab_size\": 20, \"eos_token_id\": [1, 2], \"my_own_key\": 7}";

static pbt_code parse(const char *text, pbt_config *config) {
    json_t *raw = NULL;
    OK(pbt_json_parse(text, strlen(text), "c", NULL, &raw, &problem));
    pbt_code code = pbt_config_parse(raw, "c", config, &problem);
    json_decref(raw);
    return code;
}

static pbt_model *random_model(uint64_t seed) {
    return small_model(plain, seed);
}

static pbt_code open_model(pbt_model **model) {
    return pbt_model_open(folder, &(pbt_model_options){.dtype = PBT_DTYPES}, test_device(), model, &problem);
}

static void expect(pbt_code code, const char *words) {
    assert_int_not_equal(code, PBT_OK);
    if (!strstr(problem.message, words)) fail_msg("expected \"%s\" in \"%s\"", words, problem.message);
}

static void test_config(void **state) {
    (void)state;
    static const struct {
        const char *from, *to, *words;
    } bad[] = {
        {"\"llama\"", "\"gpt2\"", "expected one of llama, mistral, qwen2, qwen3, found \"gpt2\""},
        {"\"num_attention_heads\": 2", "\"num_attention_heads\": 3", "multiple of num_attention_heads 3"},
        {"\"num_key_value_heads\": 1", "\"num_key_value_heads\": 3", "expected a divisor"},
        {"\"vocab_size\": 20, ", "", "expected a number, found nothing"},
        {"\"my_own_key\": 7", "\"hidden_act\": \"gelu\"", "expected silu, found \"gelu\""},
        {"\"my_own_key\": 7", "\"rope_scaling\": {\"rope_type\": \"dynamic\"}", "found \"dynamic\""},
        {"\"my_own_key\": 7", "\"quantization_config\": {\"quant_method\": \"gptq\"}", "found \"gptq\""},
        {"\"my_own_key\": 7", "\"rope_scaling\": {\"type\": \"linear\"}", "expected a factor above 0"},
        {"\"my_own_key\": 7", "\"rope_parameters\": {\"rope_type\": \"longrope\"}", "found \"longrope\""},
        {"\"my_own_key\": 7", "\"rope_parameters\": {\"full_attention\": {}}",
         "(\"full_attention\") are not"},
        {"\"my_own_key\": 7", "\"rope_scaling\": {\"rope_type\": \"llama3\", \"factor\": 8}",
         "low_freq_factor"},
        {"\"my_own_key\": 7", "\"partial_rotary_factor\": 0.5",
         "expected 1 (rotary positions on whole heads)"},
        {"\"my_own_key\": 7", "\"rope_theta\": -1", "expected a rope_theta above 0, found -1"},
        {"\"num_attention_heads\": 2", "\"num_attention_heads\": 0", "num_attention_heads"},
        {"\"hidden_size\": 8", "\"hidden_size\": 16056",
         "expected an even number from 2 to 4096, found 8028"},
        {"\"num_attention_heads\": 2", "\"num_attention_heads\": -4", "num_attention_heads"},
        {"\"num_attention_heads\": 2", "\"num_attention_heads\": 1000000000000", "num_attention_heads"},
        {"\"num_hidden_layers\": 2", "\"num_hidden_layers\": 100000", "num_hidden_layers"},
        {"\"hidden_size\": 8", "\"hidden_size\": \"8\"", "hidden_size"},
        {"\"my_own_key\": 7", "\"head_dim\": 3", "expected an even number from 2 to 4096, found 3"},
        {"[1, 2]", "[1, 20]", "expected an id of 0 to 19"}};
    pbt_config config;
    OK(parse(plain, &config));
    assert_int_equal(config.n_eos, 2);
    assert_int_equal(config.head_dim, 4);
    assert_int_equal(pbt_config_parameters(&config), 2 * 20 * 8 + 8 + 2 * (64 + 64 + 2 * 32 + 3 * 96 + 16));
    pbt_config_free(&config);
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        const char *at = strstr(plain, bad[i].from);
        assert_non_null(at);
        char *text =
            pbt_string_format("%.*s%s%s", (int)(at - plain), plain, bad[i].to, at + strlen(bad[i].from));
        expect(parse(text, &config), bad[i].words);
        free(text);
    }
}

static pbt_config windows_of(const char *keys) {
    pbt_config config;
    char *text = pbt_string_format("{\"hidden_size\": 8, \"intermediate_size\": 8, \"num_hidden_layers\": 3, "
                                   "\"num_attention_heads\": 4, \"vocab_size\": 9, %s}",
                                   keys);
    OK(parse(text, &config));
    free(text);
    pbt_config_free(&config);
    return config;
}

/* Which layers have a window, and how many heads share keys where the key is missing, null or given. */
static void test_windows(void **state) {
    (void)state;
    static const struct {
        const char *keys;
        int32_t windows[3], kv_heads;
    } cases[] = {
        {"\"model_type\": \"llama\", \"sliding_window\": 5", {0, 0, 0}, 4},
        {"\"model_type\": \"mistral\", \"num_key_value_heads\": 2", {4096, 4096, 4096}, 2},
        {"\"model_type\": \"mistral\", \"num_key_value_heads\": null, \"sliding_window\": null",
         {0, 0, 0},
         4},
        {"\"model_type\": \"mistral\", \"num_key_value_heads\": 1, \"sliding_window\": 7", {7, 7, 7}, 1},
        {"\"model_type\": \"qwen2\", \"num_key_value_heads\": 2, \"sliding_window\": 7", {0, 0, 0}, 2},
        {"\"model_type\": \"qwen2\", \"num_key_value_heads\": 2, \"sliding_window\": 7, "
         "\"use_sliding_window\": true, \"max_window_layers\": 1",
         {0, 7, 7},
         2},
        {"\"model_type\": \"qwen3\", \"num_key_value_heads\": 2, \"use_sliding_window\": true, "
         "\"layer_types\": [\"full_attention\", \"sliding_attention\", \"full_attention\"]",
         {0, 4096, 0},
         2},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        pbt_config config = windows_of(cases[i].keys);
        assert_int_equal(config.n_kv_heads, cases[i].kv_heads);
        for (int32_t l = 0; l < 3; l++) assert_int_equal(pbt_config_window(&config, l), cases[i].windows[l]);
    }
}

static void test_round_trip(void **state) {
    (void)state;
    for (int dtype = PBT_F32; dtype <= PBT_BF16; dtype++) {
        pbt_model *model = random_model(1), *read = NULL;
        uint64_t a, b;
        OK(pbt_model_save(model, folder, (pbt_dtype)dtype, &problem));
        OK(open_model(&read));
        assert_int_equal(read->layers[1].linear[PBT_UP_PROJ].dtype, dtype);
        assert_int_equal(json_integer_value(json_object_get(read->config.raw, "my_own_key")), 7);
        OK(pbt_model_hash(model, &a, &problem));
        OK(pbt_model_hash(read, &b, &problem));
        assert_int_equal(a == b, dtype == PBT_F32);
        pbt_model_free(model);
        pbt_model_free(read);
    }
    /* Drawn while it is written: the same bytes. */
    char *path = pbt_path_join(folder, "model.safetensors");
    uint64_t held, drawn;
    pbt_config config;
    pbt_model *model = random_model(1);
    OK(pbt_model_save(model, folder, PBT_BF16, &problem));
    OK(pbt_file_hash(path, &held, &problem));
    OK(parse(plain, &config));
    OK(pbt_model_random_save(&config, pbt_key_of_seed(1), 0.3, folder, PBT_BF16, 0, &problem));
    OK(pbt_file_hash(path, &drawn, &problem));
    assert_true(held == drawn);
    pbt_config_free(&config);
    pbt_model_free(model);
    free(path);
    pbt_model *one = random_model(1), *other = random_model(2);
    uint64_t a, b;
    OK(pbt_model_hash(one, &a, &problem));
    OK(pbt_model_hash(other, &b, &problem));
    assert_true(a != b);
    pbt_model_free(one);
    pbt_model_free(other);
}

/* Shards of a few arrays, and one that is larger than a shard may be. */
static void test_shards(void **state) {
    (void)state;
    uint64_t a, b;
    json_t *index;
    pbt_model *model = random_model(1), *other = random_model(2), *read = NULL;
    char *single = pbt_path_join(folder, "model.safetensors"),
         *path = pbt_path_join(folder, "model.safetensors.index.json");
    OK(pbt_model_save(other, folder, PBT_F32, &problem)); /* what is there before must not be read instead */
    OK(pbt_model_save_sharded(model, folder, PBT_F32, 600, &problem));
    assert_false(pbt_file_exists(single));
    OK(pbt_json_read(path, 1 << 20, &index, &problem));
    const char *name, *first = NULL;
    json_t *file, *map = json_object_get(index, "weight_map");
    int64_t total = json_integer_value(json_object_get(json_object_get(index, "metadata"), "total_size"));
    assert_int_equal(total, 4 * pbt_config_parameters(&model->config));
    size_t shards = 0;
    json_object_foreach(map, name, file) {
        char *at = pbt_path_join(folder, json_string_value(file));
        assert_true(pbt_file_exists(at));
        free(at);
        if (!first || strcmp(first, json_string_value(file)) != 0) shards++;
        first = json_string_value(file);
    }
    assert_true(shards > 3);
    OK(open_model(&read));
    OK(pbt_model_hash(model, &a, &problem));
    OK(pbt_model_hash(read, &b, &problem));
    assert_true(a == b);
    pbt_model_free(read);
    char *shard = pbt_path_join(folder, first);
    OK(pbt_model_save(model, folder, PBT_F32, &problem));
    assert_false(pbt_file_exists(path) || pbt_file_exists(shard));
    assert_true(pbt_file_exists(single));
    json_decref(index);
    pbt_model_free(model);
    pbt_model_free(other);
    free(shard);
    free(single);
    free(path);
}

/* Writes bytes over the weights' header: `from` becomes `to` of the same length. */
static void damage(const char *from, const char *to) {
    char *path = pbt_path_join(folder, "model.safetensors"), *data;
    size_t length;
    OK(pbt_file_read(path, 1 << 20, &data, &length, &problem));
    char *at = memmem(data, length, from, strlen(from));
    assert_non_null(at);
    memcpy(at, to, strlen(to));
    OK(pbt_file_write(path, data, length, &problem));
    free(data);
    free(path);
}

static void test_damaged(void **state) {
    (void)state;
    static const struct {
        const char *from, *to, *words;
    } bad[] = {{"model.norm.weight", "model.nope.weight", "tensor model.norm.weight: is missing"},
               {"\"shape\":[20, 8]", "\"shape\":[8, 20]",
                "has shape [8, 20], but the configuration asks for [20, 8]"},
               {"\"dtype\":\"F32\"", "\"dtype\":\"F99\"", "unknown dtype \"F99\""},
               {"\"dtype\":\"F32\",\"shape\":[20, 8]", "\"dtype\":\"I32\",\"shape\":[20, 8]",
                "expected F32, F16 or BF16, found I32"},
               {"\"data_offsets\":[0,640]", "\"data_offsets\":[9,640]", "needs 640 bytes, found 631"},
               {"{\"__metadata__\"", "x\"__metadata__\"\"", "not valid JSON"}};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        pbt_model *model = random_model(1), *read = NULL;
        OK(pbt_model_save(model, folder, PBT_F32, &problem));
        pbt_model_free(model);
        damage(bad[i].from, bad[i].to);
        expect(open_model(&read), bad[i].words);
        assert_null(read);
    }
}

static void test_headers(void **state) {
    (void)state;
    unsigned char data[256] = {0};
    pbt_safetensors file;
    expect(pbt_safetensors_parse(data, 5, "f", &file, &problem), "found only 5 bytes");
    memset(data, 255, 8);
    expect(pbt_safetensors_parse(data, 100, "f", &file, &problem), "but the file holds 92");
    static const char overlap[] = "{\"a\":{\"dtype\":\"U8\",\"shape\":[4],\"data_offsets\":[0,4]},"
                                  "\"b\":{\"dtype\":\"U8\",\"shape\":[4],\"data_offsets\":[2,6]}}";
    memset(data, 0, 8);
    data[0] = sizeof overlap - 1;
    memcpy(data + 8, overlap, sizeof overlap - 1);
    expect(pbt_safetensors_parse(data, 8 + sizeof overlap - 1 + 6, "f", &file, &problem), "a and b overlap");
    expect(pbt_safetensors_parse(data, 8 + sizeof overlap - 1 + 5, "f", &file, &problem),
           "is the file cut short?");
}

static void test_adapters(void **state) {
    (void)state;
    pbt_model *model = random_model(1);
    pbt_adapter *adapter, *read, *copy;
    pbt_adapter_settings settings = {.r = 2, .alpha = 5, .dropout = 0.05, .rslora = true};
    OK(pbt_adapter_targets("q_proj, down_proj", &settings, &problem));
    assert_true(settings.targets[PBT_Q_PROJ] && settings.targets[PBT_DOWN_PROJ] &&
                !settings.targets[PBT_V_PROJ]);
    OK(pbt_adapter_create(model, &settings, pbt_key_of_seed(5), &adapter, &problem));
    assert_true(fabs((double)adapter->lora[0][PBT_Q_PROJ].scaling - 5 / sqrt(2.0)) < 1e-6);
    for (int i = 0; i < 16; i++) adapter->lora[1][PBT_Q_PROJ].B[i] = (float)i;
    OK(pbt_adapter_save(adapter, folder, "base", &problem));
    OK(pbt_adapter_open(folder, model, &read, &problem));
    assert_true(pbt_adapter_hash(adapter) == pbt_adapter_hash(read));
    assert_string_equal(read->base_model, "base");
    assert_true(read->settings.rslora && read->settings.alpha == 5 && !read->settings.targets[PBT_V_PROJ]);
    OK(pbt_adapter_copy(read, &copy, &problem));
    assert_true(pbt_adapter_hash(copy) == pbt_adapter_hash(read));
    copy->lora[0][PBT_Q_PROJ].A[0] += 1;
    assert_true(pbt_adapter_hash(copy) != pbt_adapter_hash(read));
    /* W + scaling B A */
    float before = ((const float *)model->layers[1].linear[PBT_Q_PROJ].data)[3 * 8 + 4];
    const pbt_lora *lora = &adapter->lora[1][PBT_Q_PROJ];
    double added = 0;
    for (int r = 0; r < 2; r++) added += (double)lora->B[3 * 2 + r] * (double)lora->A[r * 8 + 4];
    OK(pbt_adapter_merge(model, adapter, &problem));
    float after = ((const float *)model->layers[1].linear[PBT_Q_PROJ].data)[3 * 8 + 4];
    assert_true(fabs((double)after - (double)before - (double)lora->scaling * added) < 1e-5);
    expect(pbt_adapter_targets("q_proj,x_proj", &settings, &problem), "no linear layer is named \"x_proj\"");
    pbt_adapter_free(adapter);
    pbt_adapter_free(read);
    pbt_adapter_free(copy);
    /* A regular expression for whole names, as PEFT has it. */
    OK(pbt_adapter_targets("model\\.layers\\.1\\..*(q|up)_proj", &settings, &problem));
    OK(pbt_adapter_create(model, &settings, pbt_key_of_seed(5), &adapter, &problem));
    assert_true(!adapter->lora[0][PBT_Q_PROJ].A && adapter->lora[1][PBT_Q_PROJ].A &&
                adapter->lora[1][PBT_UP_PROJ].A && !adapter->lora[1][PBT_V_PROJ].A);
    OK(pbt_adapter_save(adapter, folder, "org/base", &problem));
    OK(pbt_adapter_open(folder, model, &read, &problem));
    assert_true(pbt_adapter_hash(adapter) == pbt_adapter_hash(read));
    assert_string_equal(json_string_value(json_object_get(read->raw, "target_modules")),
                        "model\\.layers\\.1\\..*(q|up)_proj");
    assert_string_equal(read->base_model, "org/base");
    pbt_adapter_free(adapter);
    pbt_adapter_free(read);
    OK(pbt_adapter_targets("(q|v)_proj", &settings, &problem)); /* an end of a name is not the whole */
    expect(pbt_adapter_create(model, &settings, pbt_key_of_seed(5), &adapter, &problem),
           "\"(q|v)_proj\" matches no linear layer");
    expect(pbt_adapter_targets(".*", &settings, &problem), "matches lm_head too");
    expect(pbt_adapter_targets(".*(q_proj", &settings, &problem), "the regular expression");
    char *path = pbt_path_join(folder, "adapter_config.json");
    OK(pbt_file_write(path, "{\"peft_type\": \"LORA\", \"r\": 2, \"lora_alpha\": 4, \"use_dora\": true}",
                      strlen("{\"peft_type\": \"LORA\", \"r\": 2, \"lora_alpha\": 4, \"use_dora\": true}"),
                      &problem));
    expect(pbt_adapter_open(folder, model, &read, &problem), "use_dora: is not supported");
    OK(pbt_file_write(path, "{\"peft_type\": \"LORA\", \"r\": 3, \"lora_alpha\": 4}",
                      strlen("{\"peft_type\": \"LORA\", \"r\": 3, \"lora_alpha\": 4}"), &problem));
    expect(pbt_adapter_open(folder, model, &read, &problem), "expected floats of shape [3, 8]");
    free(path);
    pbt_model_free(model);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_config),
        cmocka_unit_test(test_windows),
        cmocka_unit_test_setup_teardown(test_round_trip, make_folder, remove_folder),
        cmocka_unit_test_setup_teardown(test_shards, make_folder, remove_folder),
        cmocka_unit_test_setup_teardown(test_damaged, make_folder, remove_folder),
        cmocka_unit_test(test_headers),
        cmocka_unit_test_setup_teardown(test_adapters, make_folder, remove_folder),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
