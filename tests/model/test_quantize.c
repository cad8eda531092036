/* Quantised models: bitsandbytes' bytes, its stored form, merging, and what is said of bad files. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/file.h"
#include "base/text.h"
#include "device.h"
#include "model/divergence.h"
#include "model/forward.h"
#include "model/merge.h"
#include "model/quantize_weights.h"
#include "model/safetensors.h"
#include "tensor/quantize.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static pbt_error problem;
static char folder[64], other[64];
#define OK(expression)                                                                                       \
    do {                                                                                                     \
        if ((expression) != PBT_OK) fail_msg("%s", problem.message);                                         \
    } while (0)

static const char plain[] =
    "{\"model_type\": \"llama\", \"architectures\": [\"LlamaForCausalLM\"], \"hidden_size\": 24, "
    "\"intermediate_size\": 40, \"num_hidden_layers\": 2, \"num_attention_heads\": 4, "
    "\"num_key_value_heads\": 2, \"vocab_size\": 50, \"max_position_embeddings\": 40}";

static int make_folders(void **state) {
    (void)state;
    strcpy(folder, "/tmp/pbt-quantize-XXXXXX");
    strcpy(other, "/tmp/pbt-quantize-XXXXXX");
    return mkdtemp(folder) && mkdtemp(other) ? 0 : 1;
}

static int remove_folders(void **state) {
    (void)state;
    char command[160];
    snprintf(command, sizeof command, "rm -rf %s %s", folder, other);
    return system(command);
}

static void expect(pbt_code code, const char *words) {
    assert_int_not_equal(code, PBT_OK);
    if (!strstr(problem.message, words)) fail_msg("expected \"%s\" in \"%s\"", words, problem.message);
}

static pbt_model *random_model(void) {
    json_t *raw = NULL;
    pbt_config config;
    pbt_model *model = NULL;
    OK(pbt_json_parse(plain, strlen(plain), "c", NULL, &raw, &problem));
    OK(pbt_config_parse(raw, "c", &config, &problem));
    OK(pbt_model_random(&config, pbt_key_of_seed(1), 0.2, test_device(), &model, &problem));
    pbt_config_free(&config);
    json_decref(raw);
    return model;
}

/* Writes the random model to `folder`, in float32. */
static void write_plain(void) {
    pbt_model *model = random_model();
    OK(pbt_model_save(model, folder, PBT_F32, &problem));
    pbt_model_free(model);
}

static pbt_model *open_as(const char *path, pbt_dtype dtype, bool nested) {
    pbt_model *model = NULL;
    OK(pbt_model_open(path, &(pbt_model_options){.dtype = dtype, .nested_quantization = nested},
                      test_device(), &model, &problem));
    return model;
}

static uint64_t hash_of(pbt_model *model) {
    uint64_t hash;
    OK(pbt_model_hash(model, &hash, &problem));
    return hash;
}

/* ---- bitsandbytes' own output ---- */

static const pbt_stored_tensor *golden(const pbt_safetensors *file, const char *kind, const char *what) {
    char name[64];
    snprintf(name, sizeof name, "%s%s", kind, what);
    const pbt_stored_tensor *tensor = pbt_safetensors_find(file, name);
    assert_non_null(tensor);
    return tensor;
}

static void check_4bit(const pbt_safetensors *file, const char *kind, pbt_dtype dtype, bool nested) {
    const pbt_stored_tensor *values = golden(file, "values", ""), *codes = golden(file, kind, ".codes");
    const pbt_stored_tensor *absmax = golden(file, kind, ".absmax"), *floats = golden(file, kind, ".floats");
    int64_t blocks = values->count / 64, outer = (blocks + 255) / 256;
    uint8_t *ours = malloc(codes->bytes), *scales = malloc((size_t)blocks);
    float *found = malloc((size_t)blocks * sizeof *found), nested_absmax[2], map[256], offset;
    pbt_quantization q = {.block = 64, .absmax = found};
    pbt_quantize_4bit(dtype, (const float *)(const void *)values->data, values->count, 64, ours, found);
    assert_memory_equal(ours, codes->data, codes->bytes);
    if (nested) {
        pbt_quantize_nested(found, blocks, scales, nested_absmax, &offset);
        pbt_dynamic_map(map);
        assert_int_equal(outer, 2);
        assert_memory_equal(scales, absmax->data, absmax->bytes);
        assert_memory_equal(nested_absmax, golden(file, kind, ".nested_absmax")->data, sizeof nested_absmax);
        assert_memory_equal(map, golden(file, kind, ".nested_quant_map")->data, sizeof map);
        assert_memory_equal(&offset, golden(file, kind, ".offset")->data, sizeof offset);
        q = (pbt_quantization){.block = 64,
                               .nested = scales,
                               .nested_absmax = nested_absmax,
                               .nested_map = map,
                               .offset = offset};
    } else {
        assert_memory_equal(found, absmax->data, absmax->bytes);
    }
    pbt_matrix matrix = {.dtype = dtype,
                         .rows = (int32_t)floats->shape[0],
                         .cols = (int32_t)floats->shape[1],
                         .data = ours,
                         .quantization = &q};
    float *back = malloc(floats->bytes);
    pbt_matrix_floats(&matrix, back);
    assert_memory_equal(back, floats->data, floats->bytes);
    free(ours), free(scales), free(found), free(back);
}

static void test_golden(void **state) {
    (void)state;
    pbt_safetensors file;
    OK(pbt_safetensors_open("tests/data/golden/quantize/blocks.safetensors", &file, &problem));
    check_4bit(&file, "nf4", PBT_NF4, false);
    check_4bit(&file, "nf4_nested", PBT_NF4, true);
    check_4bit(&file, "fp4", PBT_FP4, false);
    check_4bit(&file, "fp4_nested", PBT_FP4, true);
    const pbt_stored_tensor *values = golden(&file, "values", ""), *codes = golden(&file, "int8", ".codes");
    const pbt_stored_tensor *floats = golden(&file, "int8", ".floats");
    int32_t rows = (int32_t)values->shape[0], cols = (int32_t)values->shape[1];
    int8_t *ours = malloc(codes->bytes);
    float *absmax = malloc((size_t)rows * sizeof *absmax), *back = malloc(floats->bytes);
    for (int32_t r = 0; r < rows; r++)
        pbt_quantize_int8((const float *)(const void *)values->data + r * cols, cols, ours + r * cols,
                          &absmax[r]);
    assert_memory_equal(ours, codes->data, codes->bytes);
    assert_memory_equal(absmax, golden(&file, "int8", ".absmax")->data, (size_t)rows * sizeof *absmax);
    pbt_quantization q = {.block = cols, .absmax = absmax};
    pbt_matrix matrix = {
        .dtype = PBT_INT8, .rows = (int32_t)floats->shape[0], .cols = cols, .data = ours, .quantization = &q};
    pbt_matrix_floats(&matrix, back);
    assert_memory_equal(back, floats->data, floats->bytes);
    free(ours), free(absmax), free(back);
    pbt_safetensors_close(&file);
}

/* ---- folders ---- */

/* Written and read again is quantised at load; the output layer and the embedding are not. */
static void test_stored(void **state) {
    (void)state;
    write_plain();
    uint64_t seen[6] = {0};
    int n = 0;
    for (int dtype = PBT_NF4; dtype <= PBT_INT8; dtype++)
        for (int nested = 0; nested <= (dtype != PBT_INT8); nested++) {
            pbt_model *model = open_as(folder, (pbt_dtype)dtype, nested);
            OK(pbt_model_save(model, other, PBT_F32, &problem));
            pbt_model *read = open_as(other, PBT_DTYPES, false), *again = open_as(other, PBT_F32, false);
            assert_int_equal(read->config.quantization, dtype);
            assert_int_equal(read->config.nested_quantization, nested);
            assert_int_equal(again->layers[1].linear[PBT_UP_PROJ].dtype, dtype);
            assert_int_equal(read->output.dtype, PBT_F32);
            assert_int_equal(read->embedding.dtype, PBT_F32);
            assert_true(hash_of(model) == hash_of(read));
            for (int i = 0; i < n; i++) assert_true(seen[i] != hash_of(model));
            seen[n++] = hash_of(model);
            pbt_model_free(model);
            pbt_model_free(read);
            pbt_model_free(again);
        }
}

/* Skipped layers keep their floats, and config.json says which. */
static void test_skipped(void **state) {
    (void)state;
    write_plain();
    static const char *const names[] = {"o_proj", "model.layers.1.mlp", "lm_head"};
    pbt_model *model = NULL;
    OK(pbt_model_open(folder,
                      &(pbt_model_options){.dtype = PBT_NF4, .skip_modules = names, .n_skip_modules = 3},
                      test_device(), &model, &problem));
    for (int l = 0; l < 2; l++)
        for (int i = 0; i < PBT_LINEARS; i++) {
            bool skipped = i == PBT_O_PROJ || (l == 1 && i >= PBT_GATE_PROJ);
            assert_int_equal(model->layers[l].linear[i].dtype, skipped ? PBT_F32 : PBT_NF4);
        }
    OK(pbt_model_save(model, other, PBT_F32, &problem));
    pbt_model *read = open_as(other, PBT_DTYPES, false);
    assert_true(hash_of(model) == hash_of(read));
    const json_t *list =
        json_object_get(json_object_get(read->config.raw, "quantization_config"), "llm_int8_skip_modules");
    assert_int_equal(json_array_size(list), 6); /* 2 + 3, and lm_head */
    pbt_model_free(model);
    pbt_model_free(read);
    static const char *const wrong[] = {"q_proj)("};
    expect(pbt_model_open(folder,
                          &(pbt_model_options){.dtype = PBT_NF4, .skip_modules = wrong, .n_skip_modules = 1},
                          test_device(), &model, &problem),
           "llm_int8_skip_modules: the regular expression \"q_proj)(\"");
}

static void edit(const char *path, const char *from, const char *to) {
    char *file = pbt_path_join(other, path), *data;
    size_t length;
    OK(pbt_file_read(file, 1 << 20, &data, &length, &problem));
    char *at = memmem(data, length, from, strlen(from));
    if (!at) fail_msg("no \"%s\" in %s", from, path);
    if (strlen(from) == strlen(to)) {
        memcpy(at, to, strlen(to));
        OK(pbt_file_write(file, data, length, &problem));
    } else {
        char *text = pbt_string_format("%.*s%s%s", (int)(at - data), data, to, at + strlen(from));
        OK(pbt_file_write(file, text, strlen(text), &problem));
        free(text);
    }
    free(data);
    free(file);
}

static void test_damaged(void **state) {
    (void)state;
    static const struct {
        pbt_dtype dtype;
        const char *file, *from, *to, *words;
    } bad[] = {
        {PBT_NF4, "config.json", "\"load_in_8bit\": false", "\"load_in_8bit\": true", "found both"},
        {PBT_NF4, "config.json", "\"quant_method\": \"bitsandbytes\"", "\"quant_method\": \"awq\"",
         "quantization_config.quant_method: expected bitsandbytes, or weights that are not quantised, found "
         "\"awq\""},
        {PBT_NF4, "config.json", "\"bnb_4bit_quant_storage\": \"uint8\"",
         "\"bnb_4bit_quant_storage\": \"bfloat16\"", "expected uint8, found \"bfloat16\""},
        {PBT_NF4, "config.json", "\"bnb_4bit_quant_type\": \"nf4\"", "\"bnb_4bit_quant_type\": \"nf3\"",
         "expected nf4 or fp4, found \"nf3\""},
        {PBT_NF4, "config.json", "\"bnb_4bit_quant_type\": \"nf4\"", "\"bnb_4bit_quant_type\": \"fp4\"",
         "its quant_state.bitsandbytes__fp4 is missing"},
        {PBT_NF4, "config.json", "\"llm_int8_has_fp16_weight\": false", "\"llm_int8_has_fp16_weight\": true",
         "llm_int8_has_fp16_weight: expected false"},
        {PBT_NF4, "config.json", "\"quantization_config\"", "\"no_quantisation_here\"",
         "has shape [288, 1], but the configuration asks for [24, 24]"},
        {PBT_NF4, "model.safetensors", "model.layers.1.self_attn.q_proj.weight.quant_map",
         "model.layers.1.self_attn.q_proj.weight.quant_nap", "q_proj.weight.quant_map: is missing"},
        {PBT_NF4, "model.safetensors", "model.layers.0.self_attn.q_proj.weight.absmax",
         "model.layers.0.self_attn.q_proj.weight.absmin", "expected 9 elements of U8"},
        {PBT_NF4, "model.safetensors", "model.layers.0.self_attn.q_proj.weight.nested_absmax",
         "model.layers.0.self_attn.q_proj.weight.nested_absmin", "expected 9 elements of F32, found 9 of U8"},
        {PBT_NF4, "model.safetensors", "\"quant_type\": \"nf4\"", "\"quant_type\": \"fp4\"",
         "expected quant_type nf4, found \"fp4\""},
        {PBT_NF4, "model.safetensors", "\"blocksize\": 64", "\"blocksize\": 65", "a power of two, found 65"},
        {PBT_NF4, "model.safetensors", "\"blocksize\": 64", "\"blocksize\": 16", "blocksize"},
        {PBT_NF4, "model.safetensors", "\"nested_blocksize\": 256", "\"nested_blocksize\": 255", "256"},
        {PBT_NF4, "model.safetensors", "\"shape\": [24, 24]", "\"shape\": [24, 25]", "says another shape"},
        {PBT_NF4, "model.safetensors", "{\"quant_type\"", "[\"quant_type\"", "quant_state: "},
        {PBT_INT8, "model.safetensors", "model.layers.0.mlp.up_proj.SCB", "model.layers.0.mlp.up_proj.SCA",
         "(its SCB): is missing; expected 40 elements of F32"},
        {PBT_INT8, "config.json", "\"load_in_8bit\": true", "\"load_in_8bit\": false", "found neither"},
    };
    write_plain();
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        pbt_model *model = open_as(folder, bad[i].dtype, true), *read = NULL;
        OK(pbt_model_save(model, other, PBT_F32, &problem));
        pbt_model_free(model);
        edit(bad[i].file, bad[i].from, bad[i].to);
        expect(
            pbt_model_open(other, &(pbt_model_options){.dtype = PBT_DTYPES}, test_device(), &read, &problem),
            bad[i].words);
        assert_null(read);
    }
    pbt_model *model = open_as(folder, PBT_NF4, false), *read = NULL;
    OK(pbt_model_save(model, other, PBT_F32, &problem));
    pbt_model_free(model);
    expect(pbt_model_open(other, &(pbt_model_options){.dtype = PBT_INT8}, test_device(), &read, &problem),
           "is stored as nf4 and cannot be quantised to int8");
    /* A NaN among the weights. */
    model = random_model();
    ((float *)(uintptr_t)model->layers[1].linear[PBT_K_PROJ].data)[3 * 24 + 5] = NAN;
    OK(pbt_model_save(model, folder, PBT_F32, &problem));
    pbt_model_free(model);
    expect(pbt_model_open(folder, &(pbt_model_options){.dtype = PBT_NF4}, test_device(), &read, &problem),
           "model.layers.1.self_attn.k_proj.weight: element [3, 5] is nan");
}

/* ---- merging ---- */

static pbt_adapter *random_adapter(const pbt_model *model) {
    pbt_adapter *adapter;
    pbt_adapter_settings settings = {.r = 2, .alpha = 4};
    settings.targets[PBT_Q_PROJ] = settings.targets[PBT_DOWN_PROJ] = true;
    OK(pbt_adapter_create(model, &settings, pbt_key_of_seed(5), &adapter, &problem));
    for (int32_t l = 0; l < 2; l++)
        for (int i = 0; i < PBT_LINEARS; i++)
            for (int32_t j = 0; adapter->lora[l][i].B && j < 2 * adapter->lora[l][i].outputs; j++)
                adapter->lora[l][i].B[j] = (float)(0.3 * pbt_random_normal(pbt_key_of_seed(6), (uint64_t)j));
    return adapter;
}

static pbt_divergence between(const pbt_model *p, const pbt_adapter *adapter, const pbt_model *q) {
    int32_t ids[90];
    pbt_divergence d;
    for (int i = 0; i < 90; i++) ids[i] = (i * 7 + i * i) % 50;
    OK(pbt_divergence_measure((pbt_divergence_side){p, adapter}, (pbt_divergence_side){q, NULL}, ids, 90, 1,
                              &d, &problem));
    assert_int_equal(d.tokens, 90);
    return d;
}

static void test_merge(void **state) {
    (void)state;
    write_plain();
    double nearest = 0;
    for (int base = PBT_NF4; base <= PBT_DTYPES; base++)
        for (int to = PBT_F32; to < PBT_DTYPES; to++) {
            pbt_model *policy = open_as(folder, (pbt_dtype)base, true),
                      *merged = open_as(folder, (pbt_dtype)base, true);
            pbt_adapter *adapter = random_adapter(policy);
            pbt_model_options stored = {.dtype = (pbt_dtype)to, .nested_quantization = true};
            OK(pbt_model_merge(merged, adapter, &stored, &problem));
            for (int i = 0; i < PBT_LINEARS; i++) assert_int_equal(merged->layers[0].linear[i].dtype, to);
            pbt_divergence d = between(policy, adapter, merged);
            /* What the adapter does is far more than what any rounding does. */
            pbt_divergence without = between(policy, adapter, policy);
            assert_true(without.mean_kl > 1e-3);
            bool four = to == PBT_NF4 || to == PBT_FP4;
            assert_true(d.mean_kl < without.mean_kl / (four ? 1.5 : 50));
            if (to == PBT_F32) assert_true(d.mean_kl < 1e-9 && d.max_logprob_error < 1e-4);
            if (to == PBT_F32) nearest = d.mean_kl;
            if (to == PBT_NF4) assert_true(d.mean_kl > nearest);
            pbt_adapter_free(adapter);
            pbt_model_free(policy);
            pbt_model_free(merged);
        }
}

/* The floats a quantised model stands for give the bits that it gives. */
static void test_writable(void **state) {
    (void)state;
    write_plain();
    for (int dtype = PBT_NF4; dtype <= PBT_INT8; dtype++) {
        pbt_model *quantised = open_as(folder, (pbt_dtype)dtype, false), *floats = NULL;
        OK(pbt_model_open(folder, &(pbt_model_options){.dtype = (pbt_dtype)dtype, .writable = true},
                          test_device(), &floats, &problem));
        assert_int_equal(floats->layers[0].linear[PBT_Q_PROJ].dtype, PBT_F32);
        pbt_divergence d = between(quantised, NULL, floats);
        assert_true(d.max_kl == 0 && d.max_logprob_error == 0 && d.top1_agreement == 1);
        pbt_model_free(quantised);
        pbt_model_free(floats);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_golden),
        cmocka_unit_test_setup_teardown(test_stored, make_folders, remove_folders),
        cmocka_unit_test_setup_teardown(test_skipped, make_folders, remove_folders),
        cmocka_unit_test_setup_teardown(test_damaged, make_folders, remove_folders),
        cmocka_unit_test_setup_teardown(test_merge, make_folders, remove_folders),
        cmocka_unit_test_setup_teardown(test_writable, make_folders, remove_folders),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
