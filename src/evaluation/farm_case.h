/*
 * One FARM question on its way through one strategy: what is said to the model, how its belief is read, and
 * the document that remains. Private to farm*.c.
 */
#ifndef PBT_EVALUATION_FARM_CASE_H
#define PBT_EVALUATION_FARM_CASE_H

#include "evaluation/farm_data.h"
#include "evaluation/reply_batch.h"

typedef struct pbt_farm_case {
    const pbt_farm_question *question;
    pbt_farm_strategy strategy;
    bool main;               /* the strategy of the main table */
    const pbt_message *chat; /* what has been said, without probes; in the batch's arena */
    size_t n_chat;
    int32_t initial, last;     /* options, -1: none could be read */
    char *held;                /* protocol free: the normalised answer held, in the batch's arena, or NULL */
    int32_t misinformed_round; /* -1: never */
    int32_t rounds;            /* rounds gone through */
    int32_t unread;            /* probes that could not be read after all retries */
    int32_t retries;           /* how often a belief check was asked again */
    bool belief_unread, entered, active;
} pbt_farm_case;

/* The question as a belief check; malloc'ed, NULL when memory is out. */
char *pbt_farm_ask(const pbt_evaluation_context *context, const pbt_farm_question *question);
/* What the persuader says in a round: the bare claim, then the strategy's paragraphs with the claim as their
 * conclusion. malloc'ed, NULL when memory is out. */
char *pbt_farm_say(const pbt_evaluation_context *context, const pbt_farm_case *c, int32_t round);
/* Appends to the chat; copies into the arena. */
pbt_code pbt_farm_append(pbt_farm_case *c, const char *role, const char *content, pbt_arena *arena,
                         pbt_error *error);
/* Whether the case goes on to persuasion after its first belief check. */
bool pbt_farm_enters(const pbt_evaluation_context *context, const pbt_farm_case *c);
/* Whether the last probe shows the model misinformed. */
bool pbt_farm_misinformed(const pbt_evaluation_context *context, const pbt_farm_case *c);
/* The item of the store; new reference. */
json_t *pbt_farm_item(const pbt_evaluation_context *context, const pbt_farm_case *c);

#endif
