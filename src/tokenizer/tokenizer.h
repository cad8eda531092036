/*
 * Tokenizers: text to ids and back, from the files of a Hugging Face model folder. Behaves as `tokenizers`
 * does.
 */
#ifndef PBT_TOKENIZER_TOKENIZER_H
#define PBT_TOKENIZER_TOKENIZER_H

#include "base/declarations.h"
#include "base/status.h"
#include "base/text.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

PBT_BEGIN_DECLS

typedef struct pbt_tokenizer pbt_tokenizer;

/* Reads tokenizer.json (or tokenizer.model) and the special tokens of tokenizer_config.json. */
pbt_code pbt_tokenizer_open(const char *folder, pbt_tokenizer **tokenizer, pbt_error *error);
void pbt_tokenizer_free(pbt_tokenizer *tokenizer);
/* Writes the tokenizer and chat template of a GGUF file as tokenizer.json, tokenizer_config.json and
 * chat_template.jinja into a folder. PBT_BAD_INPUT for tokenizers that are no byte-level BPE. */
pbt_code pbt_tokenizer_write_gguf(const char *path, const char *folder, pbt_error *error);

/* A growing list of ids; zero-initialise; release with free(items). */
typedef struct pbt_ids {
    int32_t *items;
    size_t count, capacity;
} pbt_ids;
pbt_code pbt_ids_push(pbt_ids *ids, int32_t id, pbt_error *error);

/* Appends the ids of text[0..length-1]. Text that spells a special token is parsed as that token. With
 * add_special_tokens the tokenizer's own post-processor adds BOS/EOS. Thread-safe on a const tokenizer. */
pbt_code pbt_tokenizer_encode(const pbt_tokenizer *tokenizer, const char *text, size_t length,
                              bool add_special_tokens, pbt_ids *ids, pbt_error *error);
/* As encode, and offsets[2*i], offsets[2*i+1]: the byte range of `text` each id stands for (for loss masks).
 */
pbt_code pbt_tokenizer_encode_offsets(const pbt_tokenizer *tokenizer, const char *text, size_t length,
                                      pbt_ids *ids, size_t **offsets, pbt_error *error);
/* Appends the text of ids; special tokens are left out when skip_special_tokens. */
pbt_code pbt_tokenizer_decode(const pbt_tokenizer *tokenizer, const int32_t *ids, size_t n,
                              bool skip_special_tokens, pbt_text *text, pbt_error *error);
/* Ids above this are padding of the embedding matrix. */
int32_t pbt_tokenizer_size(const pbt_tokenizer *tokenizer);
/* The id of an exact token string ("</s>", "Ġthe"), or -1. */
int32_t pbt_tokenizer_id(const pbt_tokenizer *tokenizer, const char *piece);
/* The vocabulary string of an id, or NULL. Owned by the tokenizer. */
const char *pbt_tokenizer_piece(const pbt_tokenizer *tokenizer, int32_t id);
bool pbt_tokenizer_is_special(const pbt_tokenizer *tokenizer, int32_t id);
/* From tokenizer_config.json; -1 / NULL where absent. */
int32_t pbt_tokenizer_bos(const pbt_tokenizer *tokenizer);
int32_t pbt_tokenizer_eos(const pbt_tokenizer *tokenizer);
const char *pbt_tokenizer_special(const pbt_tokenizer *tokenizer,
                                  const char *name); /* "bos_token", "eos_token", ... */

/* Byte-level BPE training, as tokenizers' BpeTrainer: the same corpus gives the same tokenizer.json, here and
 * anywhere. `texts` are pre-tokenised with the GPT-2 pattern; specials get ids 0.. in order. Writes
 * FOLDER/tokenizer.json. */
pbt_code pbt_bpe_train(const char *const *texts, size_t n_texts, int32_t vocab_size, bool add_prefix_space,
                       const char *const *specials, size_t n_specials, const char *folder, pbt_error *error);

PBT_END_DECLS

#endif
