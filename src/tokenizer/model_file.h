/*
 * What the readers of tokenizer.model's two kinds share.
 */
#ifndef PBT_TOKENIZER_MODEL_FILE_H
#define PBT_TOKENIZER_MODEL_FILE_H

#include "tokenizer/internal.h"

/* Reads "normalizer", "pre_tokenizer" and "decoder" from JSON text, as tokenizer.json has them. */
pbt_code pbt_model_steps(pbt_tokenizer *tokenizer, const char *json, size_t *n_normalizers, pbt_error *error);
/* An added token with no settings. */
pbt_code pbt_model_add_special(pbt_tokenizer *tokenizer, int32_t id, const char *content, bool special,
                               pbt_error *error);
/* The added tokens of tokenizer_config.json (`config` may be NULL). */
pbt_code pbt_model_add_configured(pbt_tokenizer *tokenizer, const json_t *config, pbt_error *error);
/* What add_special_tokens adds: BOS unless the configuration says no, EOS only where it says yes. An id < 0:
 * there is no such token. */
pbt_code pbt_model_add_ends(pbt_tokenizer *tokenizer, const json_t *config, int32_t bos, int32_t eos,
                            pbt_error *error);

#endif
