/*
 * What a finished training leaves in its folder besides metrics and checkpoint, and what it will cost before
 * it begins.
 */
#ifndef PBT_TRAIN_TRAINING_OUTPUT_H
#define PBT_TRAIN_TRAINING_OUTPUT_H

#include "train/trainer.h"

/* Writes the PEFT adapter (or, without one, the model's folder), a copy of the tokenizer files of
 * `model_folder`, and README.md into trainer->folder. `base_model` is the name that adapter_config.json
 * records. */
pbt_code pbt_train_save(const pbt_trainer *trainer, const char *model_folder, const char *base_model,
                        pbt_error *error);
/* The files of a tokenizer and its chat template, as initializers of an array of names. */
#define PBT_TOKENIZER_FILES                                                                                  \
    "tokenizer.json", "tokenizer_config.json", "special_tokens_map.json", "added_tokens.json",               \
        "tokenizer.model", "vocab.json", "merges.txt", "chat_template.jinja", "chat_template.json"
#define PBT_GENERATION_CONFIG_FILE "generation_config.json"
/* Copies those of them that exist. */
pbt_code pbt_tokenizer_files_copy(const char *from_folder, const char *to_folder, pbt_error *error);
/* The same and generation_config.json, which belongs to a model and not to an adapter. */
pbt_code pbt_model_text_files_copy(const char *from_folder, const char *to_folder, pbt_error *error);

/* The work and the memory of a training, known before it begins. */
typedef struct pbt_train_plan {
    size_t examples, dropped_long;
    int64_t steps;
    double epochs;
    int64_t tokens, unique_tokens; /* of the first epoch */
    int64_t trained_parameters;
    int32_t rows;                                                  /* of one pass */
    size_t weight_bytes, gradient_bytes, moment_bytes, pass_bytes; /* memory */
} pbt_train_plan;
/* Needs trainer->model and dataset. */
pbt_code pbt_train_plan_make(const pbt_trainer *trainer, pbt_train_plan *plan, pbt_error *error);
json_t *pbt_train_plan_json(const pbt_train_plan *plan);
/* The same as lines of text. */
void pbt_train_plan_text(const pbt_train_plan *plan, pbt_text *text);

#endif
