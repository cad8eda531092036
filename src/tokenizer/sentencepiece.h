/*
 * SentencePiece's BPE models (sentencepiece_model.proto), as Llama 2 and Mistral have one: pieces with
 * scores. Two neighbours merge when their text together is a piece, the highest score first, the leftmost
 * among equals; characters without a piece become bytes. Spaces are U+2581, one put in front of the text: by
 * SentencePiece's (and the configuration's "legacy": true) rule always, by "legacy": false only at its very
 * beginning and not where it has a space already.
 */
#ifndef PBT_TOKENIZER_SENTENCEPIECE_H
#define PBT_TOKENIZER_SENTENCEPIECE_H

#include "tokenizer/pipeline.h"

/* tokenizer.model. `config` (may be NULL) is tokenizer_config.json. */
pbt_code pbt_tokenizer_load_sentencepiece(pbt_tokenizer *tokenizer, const char *path,
                                          const unsigned char *data, size_t length, const json_t *config,
                                          pbt_error *error);

#endif
