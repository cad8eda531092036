#include "cli/inference.h"

#include "base/hub.h"
#include "base/memory.h"
#include "chat/row.h"
#include "cli/model_files.h"
#include "model/adapter_folder.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- models ---- */

static pbt_code to_int32(const char *name, int64_t value, int32_t *out, pbt_error *error) {
    if (value < 0 || value > INT32_MAX)
        return pbt_fail(error, PBT_USAGE, "--%s is %" PRId64 "; expected a number from 0 to %d", name, value,
                        INT32_MAX);
    *out = (int32_t)value;
    return PBT_OK;
}

/* A folder without them will do for requests made of ids. */
static void open_text(const char *path, const char *date_string, pbt_inference *inference) {
    if (pbt_tokenizer_open(path, &inference->tokenizer, &inference->no_text) != PBT_OK)
        inference->tokenizer = NULL;
    else if (pbt_chat_template_open(path, inference->tokenizer, date_string, &inference->chat,
                                    &inference->no_text) != PBT_OK)
        inference->chat = NULL;
}

static pbt_code open_adapter(const char *name, pbt_inference *inference, pbt_error *error) {
    char *folder;
    PBT_TRY(pbt_adapter_folder(name, &folder, error));
    pbt_code code = pbt_adapter_open(folder, inference->model, &inference->adapter, error);
    free(folder);
    return code;
}

static pbt_code open_parts(const pbt_cli *cli, const char *path, const pbt_inference_options *o,
                           pbt_inference *inference, pbt_error *error) {
    pbt_engine_options engine = {.share_prefixes = o->share_prefixes};
    pbt_model_options model = {.nested_quantization = o->use_bnb_nested_quant, .prepare = true};
    PBT_TRY(pbt_cli_load_dtype(o->load_in_4bit, o->bnb_4bit_quant_type, o->load_in_8bit, o->dtype,
                               &model.dtype, error));
    PBT_TRY(to_int32("max_batch", o->max_batch, &engine.max_batch, error));
    PBT_TRY(to_int32("kv_rows", o->kv_rows, &engine.kv_rows, error));
    PBT_TRY(to_int32("prefill_rows", o->prefill_rows, &engine.prefill_rows, error));
    PBT_TRY(pbt_model_open(path, &model, cli->device, &inference->model, error));
    if (o->adapter) {
        PBT_TRY(open_adapter(o->adapter, inference, error));
        pbt_cli_warn_base(cli, inference->adapter, inference->model);
    }
    open_text(path, o->date_string, inference);
    return pbt_engine_create(inference->model, &engine, &inference->engine, error);
}

pbt_code pbt_inference_open(const pbt_cli *cli, const char *path, const pbt_inference_options *options,
                            pbt_inference *inference, pbt_error *error) {
    char *folder;
    memset(inference, 0, sizeof *inference);
    PBT_TRY(pbt_hub_folder(path, &folder, error));
    pbt_code code = open_parts(cli, folder, options, inference, error);
    free(folder);
    if (code != PBT_OK) pbt_inference_close(inference);
    return code;
}

void pbt_inference_close(pbt_inference *inference) {
    if (inference->engine) pbt_engine_free(inference->engine);
    if (inference->adapter) pbt_adapter_free(inference->adapter);
    if (inference->model) pbt_model_free(inference->model);
    if (inference->chat) pbt_chat_template_free(inference->chat);
    if (inference->tokenizer) pbt_tokenizer_free(inference->tokenizer);
    memset(inference, 0, sizeof *inference);
}

pbt_code pbt_sampling_make(const pbt_sampling_options *o, pbt_sampling *sampling, pbt_error *error) {
    *sampling = (pbt_sampling){.temperature = o->temperature, .top_p = o->top_p};
    PBT_TRY(to_int32("top_k", o->top_k, &sampling->top_k, error));
    PBT_TRY(to_int32("max_new_tokens", o->max_new_tokens, &sampling->max_new_tokens, error));
    PBT_TRY(to_int32("min_new_tokens", o->min_new_tokens, &sampling->min_new_tokens, error));
    pbt_error reason;
    if (pbt_sampling_check(sampling, &reason) != PBT_OK)
        return pbt_fail(error, PBT_USAGE, "--%s", reason.message);
    if (sampling->min_new_tokens > sampling->max_new_tokens)
        return pbt_fail(error, PBT_USAGE, "--min_new_tokens (%d) is greater than --max_new_tokens (%d)",
                        sampling->min_new_tokens, sampling->max_new_tokens);
    if (!(o->top_p > 0 && o->top_p <= 1))
        return pbt_fail(error, PBT_USAGE, "--top_p is %g; expected 0 < top_p <= 1", o->top_p);
    if (o->seed < 0)
        return pbt_fail(error, PBT_USAGE, "--seed is %" PRId64 "; it must not be negative", o->seed);
    return PBT_OK;
}
