/*
 * What the readers of tokenizer.model's two kinds share.
 */
#ifndef PBT_TOKENIZER_MODEL_FILE_H
#define PBT_TOKENIZER_MODEL_FILE_H

#include "tokenizer/pipeline.h"

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

/* Pieces of a SentencePiece BPE model one by one, in the order of their ids; then the tokenizer of them.
 * `type`: 1 normal, 2 unknown, 3 control, 4 user-defined, 6 byte. `config` as tokenizer_config.json (may be
 * NULL). */
typedef struct pbt_sentencepiece pbt_sentencepiece;
pbt_code pbt_sentencepiece_begin(pbt_tokenizer *tokenizer, pbt_sentencepiece **pieces, pbt_error *error);
pbt_code pbt_sentencepiece_add(pbt_sentencepiece *pieces, const char *text, size_t length, float score,
                               uint64_t type, pbt_error *error);
pbt_code pbt_sentencepiece_finish(pbt_sentencepiece *pieces, const json_t *config, int32_t bos, int32_t eos,
                                  pbt_error *error);
void pbt_sentencepiece_end(pbt_sentencepiece *pieces);

#endif
