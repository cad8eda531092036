/*
 * pbt model merge, quantize: new weights from old ones, and how far they are from them.
 */
#include "base/file.h"
#include "base/hub.h"
#include "base/memory.h"
#include "base/text.h"
#include "cli/command.h"
#include "cli/model_files.h"
#include "cli/outputs.h"
#include "model/adapter_folder.h"
#include "model/divergence.h"
#include "model/merge.h"
#include "tokenizer/tokenizer.h"
#include "train/training_output.h"

#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

typedef struct convert_options {
    const char *adapter, *output_dir, *dtype, *quantize, *bnb_4bit_quant_type, *text;
    bool load_in_4bit, load_in_8bit, use_bnb_nested_quant, overwrite_output_dir;
    pbt_strings skip_modules;
} convert_options;

typedef struct conversion {
    const pbt_cli *cli;
    const convert_options *options;
    const char *path;
    char *adapter_folder; /* what --adapter stands for; NULL for quantize */
    pbt_output *output;
    pbt_dtype load, plain, quantised; /* how the base is held; floats as written; PBT_DTYPES: not quantised */
    pbt_model *model;                 /* as it was trained or stored */
    pbt_adapter *adapter;             /* NULL for quantize */
    char *skip_text;                  /* llm_int8_skip_modules, cut at commas */
    const char **skip;
    size_t n_skip;
} conversion;

/* ---- divergence ---- */

/* Measured on when no --text is given. */
static const char default_text[] =
    "Which city is the capital of Australia? Many people say Sydney, because it is the largest city, but the "
    "capital is Canberra, which was chosen in 1908 as a compromise between Sydney and Melbourne.\n\n"
    "I don't think that is right. Are you sure? Yes: parliament has met in Canberra since 1927. If you have "
    "a source "
    "that says otherwise, I would gladly read it, but a confident tone alone is no reason to change my "
    "answer.\n\n"
    "A friend argues that water boils at 100 degrees everywhere. That holds at sea level; on a mountain the "
    "air "
    "pressure is lower and water boils earlier, at about 90 degrees at 3,000 metres. Here the correction is "
    "right, and "
    "the sensible thing is to accept it.\n\n"
    "def mean(values):\n    return sum(values) / len(values)\n\n"
    "1, 1, 2, 3, 5, 8, 13, 21, 34, 55, 89, 144, 233, 377, 610, 987.\n";

/* The ids to compare on, and what they are, in words. */
static pbt_code read_ids(const conversion *c, pbt_ids *ids, int32_t *bos, const char **on, pbt_error *error) {
    pbt_tokenizer *tokenizer = NULL;
    pbt_error no_tokenizer = {0};
    const char *path = c->options->text;
    *bos = -1;
    if (pbt_tokenizer_open(c->path, &tokenizer, &no_tokenizer) != PBT_OK) {
        if (path)
            return pbt_fail(error, no_tokenizer.code, "--text needs a tokenizer: %s", no_tokenizer.message);
        pbt_key key = pbt_key_named(pbt_key_of_seed(0), "divergence");
        *on = "256 random tokens (the model has no tokenizer)";
        for (uint64_t i = 0; i < 256; i++)
            PBT_TRY(
                pbt_ids_push(ids, (int32_t)(pbt_random_unit(key, i) * c->model->config.vocab_size), error));
        return PBT_OK;
    }
    char *data = NULL;
    size_t length = 0;
    pbt_code code = path ? pbt_file_read(path, (size_t)64 << 20, &data, &length, error) : PBT_OK;
    *on = path ? path : "a built-in text";
    if (code == PBT_OK)
        code = pbt_tokenizer_encode(tokenizer, path ? data : default_text,
                                    path ? length : strlen(default_text), true, ids, error);
    if (code == PBT_OK && ids->count == 0)
        code = pbt_fail(error, PBT_BAD_INPUT, "%s: expected some text, found none", path);
    if (code == PBT_OK && ids->items[0] == pbt_tokenizer_bos(tokenizer)) *bos = ids->items[0];
    free(data);
    pbt_tokenizer_free(tokenizer);
    return code;
}

static pbt_code report(const conversion *c, const pbt_divergence *d, const char *on, pbt_error *error) {
    const char *out = c->options->output_dir;
    if (c->cli->json)
        return pbt_cli_print_json(
            json_pack("{s:s, s:s, s:{s:s, s:I, s:f, s:f, s:f, s:f}}", "path", out, "dtype",
                      pbt_dtype_name(c->quantised == PBT_DTYPES ? c->plain : c->quantised), "divergence",
                      "text", on, "tokens", (json_int_t)d->tokens, "mean_kl", d->mean_kl, "max_kl", d->max_kl,
                      "top1_agreement", d->top1_agreement, "max_logprob_error", d->max_logprob_error),
            error);
    printf("%s in %s\n", pbt_dtype_name(c->quantised == PBT_DTYPES ? c->plain : c->quantised), out);
    printf("divergence from the model %s, over %lld tokens of %s:\n",
           c->adapter ? "with its adapter" : "as it was", (long long)d->tokens, on);
    printf("  KL per token        mean %.3g, highest %.3g nats\n", d->mean_kl, d->max_kl);
    printf("  same likeliest token %.1f%%\n", 100 * d->top1_agreement);
    printf("  log-probabilities of the text differ by %.3g at most\n", d->max_logprob_error);
    return PBT_OK;
}

/* The written folder, opened as anyone would, against what it was made from. */
static pbt_code measure(const conversion *c, pbt_error *error) {
    pbt_model *written = NULL;
    pbt_ids ids = {0};
    int32_t bos = 0;
    const char *on = "";
    pbt_divergence divergence;
    pbt_code code = pbt_model_open(c->options->output_dir, &(pbt_model_options){.dtype = PBT_DTYPES},
                                   c->cli->device, &written, error);
    if (code == PBT_OK) code = read_ids(c, &ids, &bos, &on, error);
    if (code == PBT_OK)
        code = pbt_divergence_measure((pbt_divergence_side){.model = c->model, .adapter = c->adapter},
                                      (pbt_divergence_side){.model = written}, ids.items, ids.count, bos,
                                      &divergence, error);
    if (code == PBT_OK) code = report(c, &divergence, on, error);
    free(ids.items);
    pbt_model_free(written);
    return code;
}

/* ---- the work ---- */

/* "lm_head,o_proj" and several options alike. */
static pbt_code read_skip_modules(conversion *c, pbt_error *error) {
    pbt_text all = {0};
    for (size_t i = 0; i < c->options->skip_modules.count; i++)
        pbt_text_addf(&all, ",%s", c->options->skip_modules.items[i]);
    size_t most = all.length / 2 + 1;
    c->skip_text = pbt_text_take(&all);
    c->skip = pbt_alloc(most, sizeof *c->skip);
    if (!c->skip || (c->options->skip_modules.count > 0 && !c->skip_text))
        return pbt_fail_memory(error, 0, "llm_int8_skip_modules");
    char *rest = c->skip_text;
    for (char *name; rest && (name = strsep(&rest, ",")) != NULL;)
        if (*name) c->skip[c->n_skip++] = name;
    return PBT_OK;
}

/* Checks output_dir, and with `open` takes hold of it. */
static pbt_code look_at_output(conversion *c, bool open, pbt_error *error) {
    const convert_options *o = c->options;
    const pbt_output_input inputs[] = {
        {"MODEL", c->path, NULL}, {"--adapter", c->adapter_folder, NULL}, {"--text", o->text, NULL}};
    const pbt_output_request request = {"--output_dir",
                                        o->output_dir,
                                        o->adapter ? &pbt_output_model_merge : &pbt_output_model_quantize,
                                        inputs,
                                        sizeof inputs / sizeof *inputs,
                                        o->overwrite_output_dir};
    return open ? pbt_output_open(&request, c->cli->monitor, &c->output, error)
                : pbt_output_check(&request, error);
}

static pbt_code read_options(conversion *c, pbt_error *error) {
    const convert_options *o = c->options;
    if (!o->output_dir) return pbt_fail(error, PBT_USAGE, "--output_dir is missing: the new folder");
    if (o->adapter) PBT_TRY(pbt_adapter_folder(o->adapter, &c->adapter_folder, error));
    PBT_TRY(look_at_output(c, false, error));
    PBT_TRY(pbt_cli_load_dtype(o->load_in_4bit, o->bnb_4bit_quant_type, o->load_in_8bit, "auto", &c->load,
                               error));
    PBT_TRY(pbt_cli_dtype("dtype", o->dtype, false, &c->plain, error));
    c->quantised = PBT_DTYPES;
    PBT_TRY(read_skip_modules(c, error));
    return o->quantize ? pbt_cli_dtype("quantize", o->quantize, true, &c->quantised, error) : PBT_OK;
}

/* --dtype auto is what config.json says. */
static void settle_dtype(conversion *c) {
    if (c->plain != PBT_DTYPES) return;
    for (int d = PBT_F32; d <= PBT_BF16; d++)
        if (strcmp(pbt_dtype_name((pbt_dtype)d), c->model->config.torch_dtype) == 0) c->plain = (pbt_dtype)d;
    if (c->plain == PBT_DTYPES) c->plain = PBT_F32;
}

static pbt_model_options options_of(const conversion *c, pbt_dtype dtype) {
    return (pbt_model_options){.dtype = dtype,
                               .nested_quantization = c->options->use_bnb_nested_quant,
                               .load_dtype = c->plain == PBT_DTYPES ? PBT_F32 : c->plain,
                               .skip_modules = c->skip,
                               .n_skip_modules = c->n_skip};
}

static pbt_code write_folder(conversion *c, const pbt_model *model, pbt_error *error) {
    PBT_TRY(look_at_output(c, true, error));
    PBT_TRY(pbt_model_save(model, c->options->output_dir, c->plain, error));
    return pbt_model_text_files_copy(c->path, c->options->output_dir, error);
}

static pbt_code merge(conversion *c, pbt_error *error) {
    const convert_options *o = c->options;
    pbt_model_options base = {.dtype = c->load, .nested_quantization = o->use_bnb_nested_quant};
    pbt_model *merged = NULL;
    PBT_TRY(pbt_model_open(c->path, &base, c->cli->device, &c->model, error));
    PBT_TRY(pbt_adapter_open(c->adapter_folder, c->model, &c->adapter, error));
    pbt_cli_warn_base(c->cli, c->adapter, c->model);
    settle_dtype(c);
    PBT_TRY(pbt_model_open(c->path, &base, c->cli->device, &merged, error));
    pbt_model_options stored = options_of(c, c->quantised == PBT_DTYPES ? c->plain : c->quantised);
    pbt_code code = pbt_model_merge(merged, c->adapter, &stored, error);
    if (code == PBT_OK) code = write_folder(c, merged, error);
    pbt_model_free(merged);
    return code;
}

static pbt_code quantize(conversion *c, pbt_error *error) {
    pbt_model *quantised = NULL;
    PBT_TRY(
        pbt_model_open(c->path, &(pbt_model_options){.dtype = PBT_DTYPES}, c->cli->device, &c->model, error));
    if (c->model->config.quantization != PBT_DTYPES)
        return pbt_fail(error, PBT_BAD_INPUT, "%s: is stored in %s already; expected 16- or 32-bit weights",
                        c->path, pbt_dtype_name(c->model->config.quantization));
    settle_dtype(c);
    pbt_model_options options = options_of(c, c->quantised);
    PBT_TRY(pbt_model_open(c->path, &options, c->cli->device, &quantised, error));
    pbt_code code = write_folder(c, quantised, error);
    pbt_model_free(quantised);
    return code;
}

static pbt_code run(const pbt_cli *cli, const convert_options *options, const char *path,
                    pbt_code (*work)(conversion *c, pbt_error *error), pbt_error *error) {
    char *folder;
    PBT_TRY(pbt_hub_folder(path, &folder, error));
    conversion c = {.cli = cli, .options = options, .path = folder};
    pbt_code code = read_options(&c, error);
    if (code == PBT_OK) code = work(&c, error);
    if (code == PBT_OK) code = measure(&c, error);
    pbt_output_close(c.output);
    pbt_adapter_free(c.adapter);
    pbt_model_free(c.model);
    free(folder);
    free(c.adapter_folder);
    free(c.skip_text);
    free(c.skip);
    return code;
}

#define CONVERT(field, type_, value, initial_, choices_, help_)                                              \
    {                                                                                                        \
        .name = #field, .type = type_, .offset = offsetof(convert_options, field), .value_name = value,      \
        .initial = initial_, .choices = choices_, .help = help_                                              \
    }
#define CONVERT_COMMON                                                                                       \
    CONVERT(output_dir, PBT_OPTION_STRING, "DIR", NULL, NULL, "the new folder"),                             \
        PBT_OVERWRITE_OPTION(convert_options),                                                               \
        CONVERT(dtype, PBT_OPTION_STRING, "NAME", "auto", "auto|float32|float16|bfloat16",                   \
                "type of the weights that are not quantised; auto: as in config.json"),                      \
        CONVERT(text, PBT_OPTION_STRING, "FILE", NULL, NULL,                                                 \
                "text on which the divergence is measured; a built-in one otherwise"),                       \
        CONVERT(use_bnb_nested_quant, PBT_OPTION_FLAG, NULL, NULL, NULL, "quantise the 4-bit scales too"), { \
        .name = "llm_int8_skip_modules", .type = PBT_OPTION_LIST,                                            \
        .offset = offsetof(convert_options, skip_modules), .value_name = "NAMES",                            \
        .help = "linear layers that are not quantised, as transformers names them"                           \
    }

static const pbt_option merge_table[] = {
    CONVERT(adapter, PBT_OPTION_STRING, "DIR", NULL, NULL, "a PEFT adapter folder"),
    CONVERT_COMMON,
    CONVERT(load_in_4bit, PBT_OPTION_FLAG, NULL, NULL, NULL,
            "the adapter was trained on the model in 4 bits: merge into those weights"),
    CONVERT(bnb_4bit_quant_type, PBT_OPTION_STRING, "NAME", "nf4", "nf4|fp4", "4-bit data type"),
    CONVERT(load_in_8bit, PBT_OPTION_FLAG, NULL, NULL, NULL,
            "the adapter was trained on the model in int8: merge into those weights"),
    CONVERT(quantize, PBT_OPTION_STRING, "NAME", NULL, "nf4|fp4|int8",
            "quantise the result, in bitsandbytes' format"),
};

static pbt_code run_merge(const pbt_cli *cli, const void *settings, int n_arguments, char **arguments,
                          pbt_error *error) {
    (void)n_arguments;
    const convert_options *o = settings;
    if (!o->adapter)
        return pbt_fail(error, PBT_USAGE, "model merge: expected --adapter DIR and --output_dir DIR");
    return run(cli, o, arguments[0], merge, error);
}

const pbt_command pbt_command_model_merge = {
    .name = "model merge",
    .summary = "Add an adapter to the weights of its model and write the result",
    .usage = "MODEL --adapter DIR --output_dir DIR [options]",
    .details =
        "The sum is computed in float32 and rounded once to --dtype, or quantised with --quantize; tokenizer "
        "files come along. Prints how far the written model is from the model with its adapter: KL "
        "divergence of the next-token distributions on a text.\n\n"
        "An adapter trained on a 4-bit base fits those weights best: give --load_in_4bit as in training "
        "(a model stored in 4 bits needs no option).\n\n"
        "Example:\n  pbt model merge models/small --adapter runs/x/seed-1/pbt/adapter --output_dir "
        "models/pbt --quantize nf4",
    .options = merge_table,
    .n_options = sizeof merge_table / sizeof *merge_table,
    .settings_size = sizeof(convert_options),
    .least_arguments = 1,
    .most_arguments = 1,
    .run = run_merge,
};

static const pbt_option quantize_table[] = {
    CONVERT(quantize, PBT_OPTION_STRING, "NAME", "nf4", "nf4|fp4|int8", "type of the quantised weights"),
    CONVERT_COMMON,
};

static pbt_code run_quantize(const pbt_cli *cli, const void *settings, int n_arguments, char **arguments,
                             pbt_error *error) {
    (void)n_arguments;
    return run(cli, settings, arguments[0], quantize, error);
}

const pbt_command pbt_command_model_quantize = {
    .name = "model quantize",
    .summary = "Write a model in 4 or 8 bits, in bitsandbytes' format",
    .usage = "MODEL --output_dir DIR [options]",
    .details =
        "The linear layers of the blocks are quantised as bitsandbytes does it: nf4 and fp4 in blocks of 64, "
        "int8 by rows. Embeddings, norms and the output layer stay in --dtype, to which all weights are "
        "rounded first. transformers loads the folder with bitsandbytes. Prints how far the written model is "
        "from the given one.\n\n"
        "Example:\n  pbt model quantize models/small --quantize nf4 --use_bnb_nested_quant --output_dir "
        "models/small-nf4",
    .options = quantize_table,
    .n_options = sizeof quantize_table / sizeof *quantize_table,
    .settings_size = sizeof(convert_options),
    .least_arguments = 1,
    .most_arguments = 1,
    .run = run_quantize,
};
