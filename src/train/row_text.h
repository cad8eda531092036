/*
 * The texts of a row of a TRL dataset, messages or strings, and their ids.
 */
#ifndef PBT_TRAIN_ROW_TEXT_H
#define PBT_TRAIN_ROW_TEXT_H

#include "train/dataset.h"

/* The row being read, and all it needs. */
typedef struct pbt_row_reader {
    pbt_dataset *dataset;
    const pbt_tokenizer *tokenizer;
    const pbt_chat_template *chat;
    const json_t *row;
    const json_t *variables; /* of the template */
    bool preference;
    int32_t max_length;
    const char *file, *where;
} pbt_row_reader;

/* A list of messages (owned), or a string. Exactly one is set. */
typedef struct pbt_row_text {
    json_t *messages;
    const char *string;
} pbt_row_text;

#define fail_row(reader, error, ...)                                                                         \
    pbt_fail_at(error, PBT_BAD_INPUT, (reader)->file, (reader)->where, __VA_ARGS__)

/* The text under `key`. */
pbt_code pbt_row_text_read(const pbt_row_reader *reader, const char *key, pbt_row_text *text,
                           pbt_error *error);
/* The ids of prompt followed by completion (or NULL), with the end-of-sequence token behind it unless the
 * text ends so. */
pbt_code pbt_row_encode_strings(const pbt_row_reader *reader, const char *prompt, const char *completion,
                                pbt_ids *ids, pbt_error *error);
pbt_code pbt_row_encode_messages(const pbt_row_reader *reader, const json_t *messages, bool generation_prompt,
                                 pbt_ids *ids, pbt_error *error);
/* The prompt alone, with its generation prompt where it is messages. */
pbt_code pbt_row_encode_prompt(const pbt_row_reader *reader, const pbt_row_text *prompt, pbt_ids *ids,
                               pbt_error *error);
/* The messages of prompt and completion, a new array. */
pbt_code pbt_row_text_join(const pbt_row_text *prompt, const pbt_row_text *completion, json_t **all,
                           pbt_error *error);
/* Prompt and completion together, whatever they are. */
pbt_code pbt_row_encode_full(const pbt_row_reader *reader, const pbt_row_text *prompt,
                             const pbt_row_text *completion, pbt_ids *ids, pbt_error *error);

#endif
