/*
 * tokenizer.model: tells SentencePiece's protobuf from tiktoken's text.
 */
#include "base/file.h"
#include "text/tokenizer_internal.h"

#include <stdlib.h>

#define FILE_LIMIT ((size_t)256 << 20)

pbt_code pbt_tokenizer_load_model(pbt_tokenizer *tokenizer, const char *path, const json_t *config,
                                  pbt_error *error) {
    (void)tokenizer, (void)config;
    return pbt_fail_at(error, PBT_BAD_INPUT, path, NULL,
                       "tokenizer.model cannot be read yet; tokenizer.json is needed");
}
