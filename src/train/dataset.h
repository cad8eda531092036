/*
 * Training data as token ids: a prompt and one (SFT) or two (DPO) completions. Made from TRL's files or
 * handed over by the experiment; the loss mask is the completion, by position, never by id.
 */
#ifndef PBT_TRAIN_DATASET_H
#define PBT_TRAIN_DATASET_H

#include "base/declarations.h"
#include "base/json.h"
#include "chat/chat.h"

PBT_BEGIN_DECLS

typedef struct pbt_example {
    pbt_ids prompt;
    pbt_ids chosen;   /* the completion, end-of-turn included; SFT uses this one */
    pbt_ids rejected; /* empty for SFT */
    /* Plain-text SFT and full-parameter pretraining: which tokens of prompt+chosen carry loss, one byte each;
     * NULL: those of the completion(s). */
    unsigned char *mask;
    double ref_chosen_logp, ref_rejected_logp; /* NaN: not given */
    size_t line;                               /* of the file it comes from, from 1; 0: from none */
    char *group; /* what examples of one tree share (tree id), or NULL; only a hint for batching */
} pbt_example;

typedef struct pbt_dataset {
    pbt_example *items;
    size_t count, capacity;
    /* Over max_length: left out, counted and listed ("line 3, line 17, ..."), never cut silently. */
    size_t dropped_long;
    pbt_text dropped_list;
    /* Pairs whose chosen and rejected are the same: kept, as TRL does, though they teach nothing. */
    size_t same;
    pbt_text same_list;
    /* Rows with one of ref_chosen_logps and ref_rejected_logps: the one is left aside. */
    size_t half_references;
    pbt_text half_list;
    /* assistant_only_loss: rows whose template has no {% generation %}, so that turns were found by
     * rendering. */
    size_t unmarked_templates;
    size_t cut_prompts; /* examples whose prompt lost tokens where prompt and prompt+completion tokenize apart
                         */
    /* How rows are read; set before reading. TRL's names. */
    bool assistant_only_loss; /* "messages": loss on the assistant's tokens only (TRL: false = every token) */
    const char *text_field;   /* of plain-text rows; NULL: "text" */
    bool whole_text_loss;     /* prompt-completion: loss on the prompt too (completion_only_loss = false) */
} pbt_dataset;
void pbt_dataset_free(pbt_dataset *dataset);

/* Appends an example (which the dataset then owns) and empties `example`. */
pbt_code pbt_dataset_push(pbt_dataset *dataset, pbt_example *example, pbt_error *error);
void pbt_example_free(pbt_example *example);
/* XXH3 over all ids, masks, groups and given reference log-probabilities. */
uint64_t pbt_dataset_hash(const pbt_dataset *dataset);

/* JSONL in TRL's forms: conversational and standard preference (explicit and implicit prompt),
 * prompt-completion, "messages", "text". `preference`: chosen and rejected are required. Errors name file and
 * line. */
pbt_code pbt_dataset_read(const char *path, const pbt_tokenizer *tokenizer, const pbt_chat_template *chat,
                          bool preference, int32_t max_length, pbt_dataset *dataset, pbt_error *error);
/* One conversational row, already in memory. */
pbt_code pbt_dataset_add(pbt_dataset *dataset, const pbt_tokenizer *tokenizer, const pbt_chat_template *chat,
                         const json_t *row, bool preference, int32_t max_length, const char *file,
                         const char *where, pbt_error *error);

PBT_END_DECLS

#endif
