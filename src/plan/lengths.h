/*
 * How long the texts of an experiment are in a model's tokens: rendered by its template where the model is on
 * disk, by their letters otherwise. Plans are made of them.
 */
#ifndef PBT_PLAN_LENGTHS_H
#define PBT_PLAN_LENGTHS_H

#include "settings/question_set.h"

/* Tokens. What stands before {question} is the same for every question of a role and read once. */
typedef struct pbt_lengths {
    bool rendered; /* else: four letters a token */
    double role[PBT_ROLES], shared[PBT_ROLES];
    double extract, extract_shared; /* the extraction prompt without the text it asks about */
    double filter, filter_shared;   /* 0: there is none */
    double confidence, confidence_shared;
    double challenge, final; /* with their places in the template */
    double message;          /* what the template puts around one more message */
} pbt_lengths;

/* `who`: "a", "b", or a model; `questions` (may hold fewer, or be NULL): a sample of them. */
pbt_code pbt_lengths_measure(const pbt_experiment *experiment, const char *who, const pbt_prompts *prompts,
                             const char *const *questions, size_t n_questions, pbt_lengths *lengths,
                             pbt_error *error);
/* About how many tokens the longest chat of the experiment takes. */
double pbt_longest_chat(const pbt_experiment *experiment, const pbt_lengths *lengths);
/* Whether every chat of the experiment, asked about `question` (NULL: any), fits the positions of the model
 * `who` and engine.kv_rows; PBT_BAD_INPUT with the settings and the numbers where one does not. */
pbt_code pbt_chats_check(const pbt_experiment *experiment, const char *who, const pbt_config *config,
                         const pbt_prompts *prompts, const char *question, pbt_error *error);
/* Rows of a model's cache of keys and values: engine.kv_rows, or where that is 0 as many as a full batch of
 * this experiment's texts needs; more where they are cheap; never more than a quarter of the machine's memory
 * for all `engines` together. */
pbt_code pbt_experiment_kv_rows(const pbt_experiment *experiment, const pbt_config *config,
                                const pbt_device *device, int32_t *rows, pbt_error *error);

#endif
