/*
 * Tokens that a folder names outside of its vocabulary.
 */
#ifndef PBT_TOKENIZER_FOLDER_TOKENS_H
#define PBT_TOKENIZER_FOLDER_TOKENS_H

#include "base/json.h"
#include "tokenizer/pipeline.h"

/* tokenizer_config.json, special_tokens_map.json and added_tokens.json together. */
typedef struct pbt_folder_tokens {
    json_t *settings; /* tokenizer_config.json; without added_tokens_decoder in it, special_tokens_map.json
                         goes before it */
    json_t *own;      /* special tokens under names of the model's own: "image_token" */
    json_t *decoder;  /* added_tokens_decoder: id to token */
} pbt_folder_tokens;

/* Each may be NULL: there is no such file. Free with pbt_folder_tokens_free, after an error too. */
pbt_code pbt_folder_tokens_read(pbt_folder_tokens *folder, const json_t *config, const json_t *map,
                                const json_t *added, pbt_error *error);
void pbt_folder_tokens_free(pbt_folder_tokens *folder);

/* Adds what the vocabulary file does not have, changes the flags of what it has, and makes every special
 * token an added one. Ids are given by order, as tokenizers gives them, whatever the files say. */
pbt_code pbt_folder_tokens_add(pbt_tokenizer *tokenizer, const pbt_folder_tokens *folder, pbt_error *error);

#endif
