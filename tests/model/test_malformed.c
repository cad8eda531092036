/* Model folders that are not what they say: one sentence each, naming the file, the place, and what was
 * found. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/file.h"
#include "base/text.h"
#include "device.h"
#include "model/model.h"
#include "model/safetensors.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static pbt_error problem;
static char folder[64];
#define OK(expression)                                                                                       \
    do {                                                                                                     \
        if ((expression) != PBT_OK) fail_msg("%s", problem.message);                                         \
    } while (0)

/* A model of one layer in two shards; embeddings tied. */
static const char config[] = "{\"model_type\": \"llama\", \"hidden_size\": 4, \"intermediate_size\": 6, "
                             "\"num_hidden_layers\": 1, \"num_attention_heads\": 2, \"vocab_size\": 8, "
                             "\"tie_word_embeddings\": true}";
static const struct {
    const char *name;
    int64_t rows, cols;
    int shard;
} tensors[] = {{"model.embed_tokens.weight", 8, 4, 1},
               {"model.layers.0.self_attn.q_proj.weight", 4, 4, 1},
               {"model.layers.0.self_attn.k_proj.weight", 4, 4, 1},
               {"model.layers.0.self_attn.v_proj.weight", 4, 4, 1},
               {"model.layers.0.self_attn.o_proj.weight", 4, 4, 1},
               {"model.layers.0.mlp.gate_proj.weight", 6, 4, 2},
               {"model.layers.0.mlp.up_proj.weight", 6, 4, 2},
               {"model.layers.0.mlp.down_proj.weight", 4, 6, 2},
               {"model.layers.0.input_layernorm.weight", 4, 0, 2},
               {"model.layers.0.post_attention_layernorm.weight", 4, 0, 2},
               {"model.norm.weight", 4, 0, 2}};
enum { N_TENSORS = sizeof tensors / sizeof *tensors };
static const char *const shard_names[] = {"", "model-00001-of-00002.safetensors",
                                          "model-00002-of-00002.safetensors"};

static char *in_folder(const char *name) {
    return pbt_path_join(folder, name);
}

static void write_text(const char *name, const char *text, size_t length) {
    char *path = in_folder(name);
    OK(pbt_file_write(path, text, length, &problem));
    free(path);
}

/* `extra`: one more tensor of shape [8, 4] in shard 2, or NULL. */
static void write_shard(int shard, const char *extra, float value) {
    static float data[64];
    static float other[32];
    pbt_tensor_out out[N_TENSORS + 1];
    size_t n = 0;
    for (size_t i = 0; i < 64; i++) data[i] = (float)i / 64;
    for (size_t i = 0; i < 32; i++) other[i] = value + data[i];
    for (size_t i = 0; i < N_TENSORS; i++)
        if (tensors[i].shard == shard)
            out[n++] = (pbt_tensor_out){.name = tensors[i].name,
                                        .n_dimensions = tensors[i].cols ? 2 : 1,
                                        .shape = {tensors[i].rows, tensors[i].cols},
                                        .data = data};
    if (extra && shard == 2)
        out[n++] = (pbt_tensor_out){.name = extra, .n_dimensions = 2, .shape = {8, 4}, .data = other};
    char *path = in_folder(shard_names[shard]);
    OK(pbt_safetensors_write(path, out, n, PBT_F32, &problem));
    free(path);
}

static void write_index(void) {
    pbt_text text = {0};
    pbt_text_add(&text, "{\"metadata\": {}, \"weight_map\": {");
    for (size_t i = 0; i < N_TENSORS; i++)
        pbt_text_addf(&text, "%s\"%s\": \"%s\"", i ? ", " : "", tensors[i].name,
                      shard_names[tensors[i].shard]);
    pbt_text_add(&text, "}}");
    write_text("model.safetensors.index.json", text.data, text.length);
    pbt_text_free(&text);
}

static int set_up(void **state) {
    (void)state;
    strcpy(folder, "/tmp/pbt-malformed-XXXXXX");
    if (!mkdtemp(folder)) return 1;
    write_text("config.json", config, strlen(config));
    write_shard(1, NULL, 0);
    write_shard(2, NULL, 0);
    write_index();
    return 0;
}

static int tear_down(void **state) {
    (void)state;
    char command[128];
    snprintf(command, sizeof command, "rm -rf %s", folder);
    return system(command);
}

static pbt_code open_model(pbt_model **model) {
    const pbt_model_options options = {.dtype = PBT_DTYPES, .prepare = true};
    return pbt_model_open(folder, &options, test_device(), model, &problem);
}

static void refused(const char *words) {
    pbt_model *model;
    assert_int_equal(open_model(&model), PBT_BAD_INPUT);
    assert_null(model);
    if (!strstr(problem.message, words)) fail_msg("expected \"%s\" in \"%s\"", words, problem.message);
    if (strchr(problem.message, '\n')) fail_msg("more than a sentence: %s", problem.message);
}

/* Replaces `from` in a file of the folder by `to`, of any length. */
static void replace(const char *name, const char *from, const char *to) {
    char *path = in_folder(name), *data;
    size_t length;
    OK(pbt_file_read(path, 1 << 20, &data, &length, &problem));
    char *at = memmem(data, length, from, strlen(from));
    assert_non_null(at);
    pbt_text text = {0};
    pbt_text_append(&text, data, (size_t)(at - data));
    pbt_text_add(&text, to);
    pbt_text_append(&text, at + strlen(from), length - (size_t)(at - data) - strlen(from));
    OK(pbt_file_write(path, text.data, text.length, &problem));
    pbt_text_free(&text);
    free(data);
    free(path);
}

static void cut(const char *name, off_t bytes) {
    char *path = in_folder(name);
    assert_int_equal(truncate(path, bytes), 0);
    free(path);
}

static void test_sound(void **state) {
    (void)state;
    pbt_model *model;
    OK(open_model(&model));
    assert_ptr_equal(model->output.data, model->embedding.data);
    pbt_model_free(model);
}

static void test_index(void **state) {
    static const struct {
        const char *from, *to, *words;
    } bad[] = {
        {"model-00002-of", "model-00003-of",
         "expected in model-00003-of-00002.safetensors, but the folder has no"},
        {"\"model-00001-of", "\"../model-00001-of", "expected the name of a file beside the index"},
        {"\"model-00001-of-00002.safetensors\"", "7", "expected the name of a file beside the index"},
        {"\"model-00001-of-00002.safetensors\"", "\"model-00002-of-00002.safetensors\"",
         "found in another file"},
        {"model.norm.weight", "model.other.weight", "found in no file"},
        {"weight_map", "weightmap", "weight_map"},
        {"{\"metadata\"", "[\"metadata\"", "not valid JSON"},
    };
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        assert_int_equal(tear_down(state) | set_up(state), 0);
        replace("model.safetensors.index.json", bad[i].from, bad[i].to);
        refused(bad[i].words);
    }
}

static void test_shards(void **state) {
    cut(shard_names[2], 900);
    refused("is the file cut short?");
    cut(shard_names[2], 100);
    refused("but the file holds 92");
    cut(shard_names[2], 3);
    refused("found only 3 bytes");
    cut(shard_names[2], 0);
    refused("found only 0 bytes");
    assert_int_equal(tear_down(state) | set_up(state), 0);
    cut(shard_names[1], 4096);
    refused("but the file holds");
    write_shard(1, NULL, 0);
    write_shard(2, "model.embed_tokens.weight", 0);
    refused("lies in");
    write_shard(2, "model.layers.1.mlp.up_proj.weight", 0);
    refused("of shape [8, 4] has no place in the configuration");
}

static void test_headers(void **state) {
    static const struct {
        const char *from, *to, *words;
    } bad[] = {
        {"\"shape\":[4, 4]", "\"shape\":[4,-4]", "expected a shape of sizes from 0 on"},
        {"\"shape\":[4, 4]", "\"shape\":[4,4.0]", "expected a shape of sizes from 0 on"},
        {"\"shape\":[4, 4]", "\"shape\":[4]", "needs 16 bytes, found 64"},
        {"\"shape\":[4, 4]", "\"shape\":[9223372036854775807,4]", "expected a shape"},
        {"\"shape\":[4, 4]", "\"shape\":[4,2,2]",
         "has shape [4, 2, 2], but the configuration asks for [4, 4]"},
        {"\"shape\":[4, 4]", "\"shape\":[1,1,1,1,1,1,1,4,4]", "expected at most 8 dimensions"},
        {"\"dtype\":\"F32\",\"shape\":[4, 4]", "\"dtype\":\"F16\",\"shape\":[4, 8]", "has shape [4, 8]"},
        {"\"data_offsets\":[0,128]", "\"data_offsets\":[128,0]", "lie outside"},
        {"\"data_offsets\":[0,128]", "\"data_offsets\":[-1,128]", "lie outside"},
        {"\"data_offsets\":[0,128]", "\"data_offsets\":[0,99999999999999]", "is the file cut short?"},
        {"\"data_offsets\":[128,192]", "\"data_offsets\":[64,128]", "overlap"},
        {"\"data_offsets\":[128,192]", "\"data_offsets\":[192,256]", "nothing lies in the 64 bytes before"},
        {"\"data_offsets\":[0,128]", "\"data_offsets\":\"all\"", "data_offsets"},
        {"\"dtype\":\"F32\"", "\"dtype\":32", "dtype"},
        {"{\"__metadata__\":{\"format\":\"pt\"},", "{", "not valid JSON"},
    };
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        /* The header keeps its length: what is gained or lost is made up for in its padding, or breaks it. */
        assert_int_equal(tear_down(state) | set_up(state), 0);
        char *path = in_folder(shard_names[1]), *data;
        size_t length;
        OK(pbt_file_read(path, 1 << 20, &data, &length, &problem));
        size_t header = (size_t)(unsigned char)data[0] | (size_t)(unsigned char)data[1] << 8;
        free(data);
        free(path);
        replace(shard_names[1], bad[i].from, bad[i].to);
        long more = (long)strlen(bad[i].to) - (long)strlen(bad[i].from);
        bool broken = strstr(bad[i].words, "JSON") != NULL;
        unsigned char size[2] = {(unsigned char)((long)header + (broken ? 0 : more)),
                                 (unsigned char)(((long)header + (broken ? 0 : more)) >> 8)};
        path = in_folder(shard_names[1]);
        FILE *file = fopen(path, "r+b");
        assert_non_null(file);
        assert_int_equal(fwrite(size, 1, 2, file), 2);
        fclose(file);
        free(path);
        refused(bad[i].words);
    }
}

static void test_deep_json(void **state) {
    (void)state;
    pbt_text text = {0};
    pbt_text_add(&text, "{\"model_type\": ");
    for (int i = 0; i < 100000; i++) pbt_text_add(&text, "[");
    write_text("config.json", text.data, text.length);
    pbt_text_free(&text);
    refused("not valid JSON");
}

static void test_large_configuration(void **state) {
    (void)state;
    char *big = calloc(3, 1 << 20);
    assert_non_null(big);
    memset(big, ' ', 3 << 20);
    write_text("config.json", big, 3 << 20);
    free(big);
    refused("config.json");
}

/* A configuration of absurd sizes asks for tensors that are not there, before any memory is asked for. */
static void test_absurd_sizes(void **state) {
    (void)state;
    replace("config.json", "\"vocab_size\": 8", "\"vocab_size\": 16777216");
    refused("has shape [8, 4], but the configuration asks for [16777216, 4]");
    replace("config.json", "\"num_hidden_layers\": 1", "\"num_hidden_layers\": 1000000000");
    refused("num_hidden_layers");
}

static void test_own_output(void **state) {
    (void)state;
    pbt_model *model;
    write_shard(2, "lm_head.weight", 0);
    replace("model.safetensors.index.json", "\"model.norm.weight\"",
            "\"lm_head.weight\": \"model-00002-of-00002.safetensors\", \"model.norm.weight\"");
    OK(open_model(&model));
    assert_true(model->config.tie_word_embeddings);
    pbt_model_free(model);
    write_shard(2, "lm_head.weight", 1);
    OK(open_model(&model));
    assert_false(model->config.tie_word_embeddings);
    assert_true(((const float *)model->output.data)[3] > 1);
    pbt_model_free(model);
}

static void test_neither(void **state) {
    (void)state;
    char *index = in_folder("model.safetensors.index.json");
    assert_int_equal(unlink(index), 0);
    free(index);
    refused("expected model.safetensors or model.safetensors.index.json, found neither");
    write_text("pytorch_model.bin", "x", 1);
    refused("found only pytorch_model.bin");
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_sound, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_index, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_shards, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_headers, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_deep_json, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_large_configuration, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_absurd_sizes, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_own_output, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_neither, set_up, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
