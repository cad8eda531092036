/*
 * Training data as token ids: a prompt and one (SFT) or two (DPO) completions. Made from TRL's files or
 * handed over by the experiment; the loss mask is the completion, by position, never by id.
 */
#ifndef PBT_TRAIN_DATASET_H
#define PBT_TRAIN_DATASET_H

#include "base/json.h"
#include "text/chat.h"

typedef struct pbt_example {
    pbt_ids prompt;
    pbt_ids chosen;   /* the completion, end-of-turn included; SFT uses this one */
    pbt_ids rejected; /* empty for SFT */
    /* Plain-text SFT and full-parameter pretraining: which tokens of prompt+chosen carry loss, one byte each;
     * NULL: those of the completion(s). */
    unsigned char *mask;
    double ref_chosen_logp, ref_rejected_logp; /* NaN: not given */
    char *group; /* what examples of one tree share (tree id), or NULL; only a hint for batching */
} pbt_example;

typedef struct pbt_dataset {
    pbt_example *items;
    size_t count, capacity;
    size_t
        dropped_long; /* over max_length, with truncation refused; counted and listed, never cut silently */
} pbt_dataset;
void pbt_dataset_free(pbt_dataset *dataset);

/* JSONL in TRL's forms: conversational and standard preference (explicit and implicit prompt),
 * prompt-completion, "messages", "text". `preference`: chosen and rejected are required. Errors name file and
 * line. */
pbt_code pbt_dataset_read(const char *path, const pbt_tokenizer *tokenizer, const pbt_chat_template *chat,
                          bool preference, int32_t max_length, pbt_dataset *dataset, pbt_error *error);
/* One conversational row, already in memory. */
pbt_code pbt_dataset_add(pbt_dataset *dataset, const pbt_tokenizer *tokenizer, const pbt_chat_template *chat,
                         const json_t *row, bool preference, int32_t max_length, const char *file,
                         const char *where, pbt_error *error);

#endif
