/*
 * pbt model inspect, random: model folders. merge and quantize: cmd_model_merge.c.
 */
#include "base/file.h"
#include "base/hub.h"
#include "base/memory.h"
#include "base/text.h"
#include "chat/chat.h"
#include "cli/command.h"
#include "cli/model_files.h"
#include "cli/outputs.h"
#include "engine/engine.h"
#include "gguf/gguf.h"
#include "train/training_output.h"

#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- inspect ---- */

static const char *const architectures[] = {"llama", "mistral", "qwen2", "qwen3"};
static const char *const rope_types[] = {"default", "linear", "llama3", "yarn"};

/* Bytes of a part at each type. */
static json_t *bytes_json(const pbt_config *c, int64_t (*bytes_of)(const pbt_config *, pbt_dtype)) {
    json_t *object = json_object();
    for (int d = 0; d < PBT_DTYPES; d++)
        json_object_set_new(object, pbt_dtype_name((pbt_dtype)d),
                            json_real((double)bytes_of(c, (pbt_dtype)d)));
    return object;
}

static json_t *specials_json(const pbt_tokenizer *tokenizer) {
    static const char *const names[] = {"bos_token", "eos_token", "pad_token", "unk_token"};
    json_t *object = json_object();
    for (int i = 0; tokenizer && i < 4; i++) {
        const char *piece = pbt_tokenizer_special(tokenizer, names[i]);
        if (piece)
            json_object_set_new(
                object, names[i],
                json_pack("{s:s, s:i}", "token", piece, "id", pbt_tokenizer_id(tokenizer, piece)));
    }
    return object;
}

static json_t *inspection(const char *path, const pbt_config *c, const pbt_device *device,
                          const pbt_tokenizer *tokenizer, const char *chat) {
    json_t *ends = json_array();
    for (int32_t i = 0; i < c->n_eos; i++) json_array_append_new(ends, json_integer(c->eos_token_ids[i]));
    const pbt_engine_options options = {.device = device};
    const pbt_engine_memory engine = pbt_engine_memory_of(c, &options, 0);
    return json_pack(
        "{s:s, s:s, s:I, s:i, s:i, s:i, s:i, s:i, s:i, s:i, s:i, s:f, s:s, s:b, s:s, s:o, s:o, "
        "s:s, s:f, s:i, s:f, s:i, s:o, s:o, s:o}",
        "path", path, "model_type", architectures[c->architecture], "parameters",
        (json_int_t)pbt_config_parameters(c), "num_hidden_layers", (int)c->n_layers, "hidden_size",
        (int)c->hidden_size, "intermediate_size", (int)c->intermediate_size, "num_attention_heads",
        (int)c->n_heads, "num_key_value_heads", (int)c->n_kv_heads, "head_dim", (int)c->head_dim,
        "vocab_size", (int)c->vocab_size, "max_position_embeddings", (int)c->max_position_embeddings,
        "rope_theta", c->rope.theta, "rope_type", rope_types[c->rope.type], "tie_word_embeddings",
        (int)c->tie_word_embeddings, "torch_dtype", c->torch_dtype, "eos_token_ids", ends, "tokens",
        tokenizer ? json_integer(pbt_tokenizer_size(tokenizer)) : json_null(), "chat_template", chat,
        "kv_bytes_per_token", (double)pbt_kv_row_bytes(c), "kv_rows", (int)pbt_engine_kv_rows(c, &options),
        "engine_bytes", (double)(engine.kv + engine.buffers), "sliding_window", (int)c->sliding_window,
        "special_tokens", specials_json(tokenizer), "weight_bytes", bytes_json(c, pbt_config_weight_bytes),
        "packed_bytes", bytes_json(c, pbt_config_packed_bytes));
}

static void print_size(const char *name, double bytes) {
    if (bytes >= 1e9)
        printf("%-24s %.2f GB\n", name, bytes / 1e9);
    else
        printf("%-24s %.2f MB\n", name, bytes / 1e6);
}

static void print_inspection(const json_t *value) {
    const char *key;
    json_t *item;
    json_object_foreach((json_t *)(uintptr_t)value, key, item) {
        char *text = json_is_string(item) ? NULL : pbt_json_line(item);
        if (json_is_string(item))
            printf("%-24s %s\n", key, json_string_value(item));
        else if (!json_is_object(item) && text)
            printf("%-24s %s\n", key, text);
        free(text);
    }
    json_object_foreach(json_object_get(value, "special_tokens"), key, item)
        printf("%-24s %s (%d)\n", key, json_string_value(json_object_get(item, "token")),
               (int)json_integer_value(json_object_get(item, "id")));
    json_object_foreach(json_object_get(value, "weight_bytes"), key, item) {
        char name[64];
        snprintf(name, sizeof name, "weights in %s", key);
        print_size(name, json_real_value(item));
        snprintf(name, sizeof name, "  and packed copies");
        print_size(name, json_real_value(json_object_get(json_object_get(value, "packed_bytes"), key)));
    }
}

static pbt_code run_inspect(const pbt_cli *cli, const void *settings, int n_arguments, char **arguments,
                            pbt_error *error) {
    (void)settings, (void)n_arguments;
    pbt_config config;
    pbt_tokenizer *tokenizer = NULL;
    pbt_chat_template *chat = NULL;
    pbt_error no_text = {0}, no_chat = {0};
    char *path;
    PBT_TRY(pbt_hub_folder(arguments[0], &path, error));
    pbt_code code = pbt_config_read(path, &config, error);
    if (code != PBT_OK) {
        free(path);
        return code;
    }
    /* Weights may be missing or too large to look at; text files too. What is wrong with them is told, not
     * hidden. */
    if (pbt_tokenizer_open(path, &tokenizer, &no_text) == PBT_OK)
        (void)pbt_chat_template_open(path, tokenizer, "1 Jan 2000", &chat, &no_chat);
    const char *told = chat ? "understood" : tokenizer ? no_chat.message : no_text.message;
    json_t *value = inspection(path, &config, cli->device, tokenizer, told);
    code = value ? PBT_OK : pbt_fail(error, PBT_FAILED, "%s: cannot be described", path);
    if (code == PBT_OK && cli->json) {
        code = pbt_cli_print_json(value, error);
    } else if (code == PBT_OK) {
        print_inspection(value);
        json_decref(value);
    }
    pbt_chat_template_free(chat);
    pbt_tokenizer_free(tokenizer);
    pbt_config_free(&config);
    free(path);
    return code;
}

const pbt_command pbt_command_model_inspect = {
    .name = "model inspect",
    .summary = "Show what a model folder holds: shapes, parameters, template, memory",
    .usage = "MODEL",
    .details = "Reads config.json, the tokenizer and the chat template; the weights are not opened.\n\n"
               "Example:\n  pbt model inspect models/small --json",
    .least_arguments = 1,
    .most_arguments = 1,
    .run = run_inspect,
};

/* ---- random ---- */

typedef struct random_options {
    const char *like, *output_dir, *dtype;
    int64_t seed, max_shard_size;
    double std;
    bool overwrite_output_dir;
} random_options;

static pbt_code write_random(const random_options *o, const pbt_config *config, pbt_dtype dtype,
                             pbt_error *error) {
    PBT_TRY(pbt_model_random_save(config, pbt_key_of_seed((uint64_t)o->seed), o->std, o->output_dir, dtype,
                                  o->max_shard_size, error));
    if (!pbt_folder_exists(o->like) && !pbt_gguf_is(o->like)) return PBT_OK;
    return pbt_model_text_files_copy(o->like, o->output_dir, error);
}

static pbt_code run_random(const pbt_cli *cli, const void *settings, int n_arguments, char **arguments,
                           pbt_error *error) {
    (void)n_arguments, (void)arguments;
    const random_options *o = settings;
    pbt_dtype dtype;
    pbt_config config;
    json_t *raw = NULL;
    if (!o->like || !o->output_dir)
        return pbt_fail(error, PBT_USAGE, "model random: expected --like CONFIG and --output_dir DIR");
    PBT_TRY(pbt_cli_dtype("dtype", o->dtype, false, &dtype, error));
    const pbt_output_input like = {"--like", o->like, NULL};
    const pbt_output_request request = {
        "--output_dir", o->output_dir, &pbt_output_model_random, &like, 1, o->overwrite_output_dir};
    PBT_TRY(pbt_output_check(&request, error));
    if (pbt_folder_exists(o->like) || pbt_gguf_is(o->like)) {
        PBT_TRY(pbt_config_read(o->like, &config, error));
    } else {
        PBT_TRY(pbt_json_read(o->like, 1 << 20, &raw, error));
        pbt_code parsed = pbt_config_parse(raw, o->like, &config, error);
        json_decref(raw);
        if (parsed != PBT_OK) return parsed;
    }
    pbt_output *output = NULL;
    pbt_code code = pbt_output_open(&request, cli->monitor, &output, error);
    if (code == PBT_OK) code = write_random(o, &config, dtype, error);
    pbt_output_close(output);
    if (code == PBT_OK && cli->json)
        code = pbt_cli_print_json(json_pack("{s:s, s:I}", "path", o->output_dir, "parameters",
                                            (json_int_t)pbt_config_parameters(&config)),
                                  error);
    pbt_config_free(&config);
    return code;
}

static const pbt_option random_table[] = {
    {"like", 0, PBT_OPTION_STRING, offsetof(random_options, like), "FILE", NULL,
     "a config.json, a model folder or a .gguf file (the tokenizer comes along)", NULL},
    {"output_dir", 0, PBT_OPTION_STRING, offsetof(random_options, output_dir), "DIR", NULL, "the new folder",
     NULL},
    PBT_OVERWRITE_OPTION(random_options),
    {"seed", 0, PBT_OPTION_INTEGER, offsetof(random_options, seed), "N", "42", "seed of the weights", NULL},
    {"std", 0, PBT_OPTION_NUMBER, offsetof(random_options, std), "X", "0.02",
     "standard deviation of matrices", NULL},
    {"max_shard_size", 0, PBT_OPTION_INTEGER, offsetof(random_options, max_shard_size), "BYTES", "5000000000",
     "most bytes in a file; larger models are split into several", NULL},
    {"dtype", 0, PBT_OPTION_STRING, offsetof(random_options, dtype), "NAME", "float32", "as stored",
     "float32|float16|bfloat16"},
};

const pbt_command pbt_command_model_random = {
    .name = "model random",
    .summary = "Write a model with random weights in the shape of a config.json",
    .usage = "--like CONFIG --output_dir DIR [options]",
    .details = "For tests and benchmarks at real shapes, of any size: weights are generated as they are "
               "written. The same seed gives the same weights.\n\n"
               "Example:\n  pbt model random --like config.json --seed 1 --output_dir models/random",
    .options = random_table,
    .n_options = sizeof random_table / sizeof *random_table,
    .settings_size = sizeof(random_options),
    .run = run_random,
};
