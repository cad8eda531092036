/*
 * Tokenizers in GGUF files: the vocabulary with kinds and scores or merges, and the name of the cutting rule
 * ("tokenizer.ggml.pre"), which stands for the normalizer and pre-tokenizer of the model it came from. A
 * byte-level BPE becomes the tokenizer.json it was made of; SentencePiece's pieces go where those of
 * tokenizer.model go.
 */
#ifndef PBT_TOKENIZER_GGUF_TOKENIZER_H
#define PBT_TOKENIZER_GGUF_TOKENIZER_H

#include "tokenizer/pipeline.h"

/* From a GGUF file. *config: the special tokens as tokenizer_config.json has them; caller: json_decref. */
pbt_code pbt_tokenizer_load_gguf(pbt_tokenizer *tokenizer, const char *path, json_t **config,
                                 pbt_error *error);

#endif
