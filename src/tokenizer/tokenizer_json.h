/*
 * Reads tokenizer.json: the BPE model, the added tokens, the post-processor; the steps are read in
 * step_json.c.
 */
#ifndef PBT_TOKENIZER_TOKENIZER_JSON_H
#define PBT_TOKENIZER_TOKENIZER_JSON_H

#include "tokenizer/pipeline.h"

pbt_code pbt_tokenizer_load_json(pbt_tokenizer *tokenizer, const char *path, pbt_error *error);
/* From the value of a tokenizer.json; tokenizer->file names it in errors. */
pbt_code pbt_tokenizer_load_json_value(pbt_tokenizer *tokenizer, const json_t *root, pbt_error *error);

#endif
