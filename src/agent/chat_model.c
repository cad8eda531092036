/* A model folder opened for talking: weights, tokenizer, chat template, engine. */
#include "agent/agent.h"

#include "base/memory.h"

#include <stdlib.h>

static pbt_code open_parts(pbt_chat_model *m, const pbt_model_options *model_options,
                           const pbt_engine_options *engine_options, const char *date_string,
                           const pbt_device *device, pbt_error *error) {
    /* The small files first: what is wrong with them is said before the weights are read. */
    PBT_TRY(pbt_tokenizer_open(m->path, &m->tokenizer, error));
    PBT_TRY(pbt_chat_template_open(m->path, m->tokenizer, date_string, &m->chat, error));
    PBT_TRY(pbt_model_open(m->path, model_options, device, &m->model, error));
    if (pbt_tokenizer_size(m->tokenizer) > m->model->config.vocab_size)
        return pbt_fail_at(error, PBT_BAD_INPUT, m->path, NULL,
                           "the tokenizer has %d tokens and the model's vocabulary only %d",
                           pbt_tokenizer_size(m->tokenizer), m->model->config.vocab_size);
    return pbt_engine_create(m->model, engine_options, &m->engine, error);
}

pbt_code pbt_chat_model_open(const char *path, const pbt_model_options *model_options,
                             const pbt_engine_options *engine_options, const char *date_string,
                             const pbt_device *device, pbt_chat_model **chat_model, pbt_error *error) {
    *chat_model = NULL;
    pbt_chat_model *m = pbt_alloc(1, sizeof *m);
    if (!m) return pbt_fail_memory(error, sizeof *m, "a chat model");
    m->path = pbt_string_copy(path);
    pbt_code code = m->path ? open_parts(m, model_options, engine_options, date_string, device, error)
                            : pbt_fail_memory(error, 0, "a chat model");
    if (code == PBT_OK)
        *chat_model = m;
    else
        pbt_chat_model_free(m);
    return code;
}

void pbt_chat_model_free(pbt_chat_model *m) {
    if (!m) return;
    if (m->engine) pbt_engine_free(m->engine);
    if (m->model) pbt_model_free(m->model);
    if (m->chat) pbt_chat_template_free(m->chat);
    if (m->tokenizer) pbt_tokenizer_free(m->tokenizer);
    free(m->path);
    free(m);
}
