/*
 * Tokens for people: ids, pieces and which of them carry loss, in colour.
 */
#ifndef PBT_CLI_SHOW_TOKENS_H
#define PBT_CLI_SHOW_TOKENS_H

#include "base/json.h"
#include "cli/command.h"
#include "tokenizer/tokenizer.h"
#include "train/dataset.h"

/* One token a line on stdout; those of mask[i] != 0 are marked with a star. `mask` may be NULL. */
void pbt_cli_print_tokens(const pbt_cli *cli, const pbt_tokenizer *tokenizer, const int32_t *ids, size_t n,
                          const unsigned char *mask);
/* Adds "ids", "pieces" and, where there is one, "mask" (0 and 1). */
void pbt_cli_put_tokens(json_t *object, const pbt_tokenizer *tokenizer, const int32_t *ids, size_t n,
                        const unsigned char *mask);
/* The first two examples of training data, as they are trained on; JSON lines with --json. */
pbt_code pbt_cli_show_examples(const pbt_cli *cli, const pbt_tokenizer *tokenizer, const pbt_dataset *dataset,
                               pbt_error *error);
/* A JSON string of bytes that may not be UTF-8 or hold zeros. */
json_t *pbt_cli_json_text(const char *bytes, size_t length);

#endif
