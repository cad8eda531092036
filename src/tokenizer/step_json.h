/*
 * Reads the normalizers, pre-tokenizers and decoders of tokenizer.json into steps. What is not known is
 * refused by name: leaving it out would give other ids.
 */
#ifndef PBT_TOKENIZER_STEP_JSON_H
#define PBT_TOKENIZER_STEP_JSON_H

#include "tokenizer/pipeline.h"

/* Reads one normalizer or pre-tokenizer value of tokenizer.json (null adds nothing). */
pbt_code pbt_step_read_normalizer(pbt_tokenizer *tokenizer, const json_t *value, pbt_error *error);
pbt_code pbt_step_read_pre_tokenizer(pbt_tokenizer *tokenizer, const json_t *value, pbt_error *error);
pbt_code pbt_decoder_read(pbt_tokenizer *tokenizer, const json_t *value, pbt_error *error);
pbt_code pbt_step_push(pbt_tokenizer *tokenizer, const pbt_step *step, pbt_error *error);

#endif
