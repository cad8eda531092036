/*
 * Many questions put to one agent at once, and the answers read out of its replies: what every evaluation
 * does.
 */
#ifndef PBT_EVALUATION_REPLY_BATCH_H
#define PBT_EVALUATION_REPLY_BATCH_H

#include "dialogue/answer.h"
#include "evaluation/context.h"

typedef struct pbt_reply_batch {
    size_t n;
    pbt_arena *arena; /* for messages */
    pbt_talk *talks;
    const pbt_question **questions;
    char **texts;          /* after a run: the replies, an unfinished last sentence cut as in trees */
    pbt_reading *readings; /* after a run */
} pbt_reply_batch;

pbt_code pbt_reply_batch_open(pbt_reply_batch *batch, size_t n, const pbt_sampling *sampling,
                              pbt_error *error);
/* The messages must live until the run (batch->arena). */
void pbt_reply_batch_set(pbt_reply_batch *batch, size_t i, const pbt_question *question,
                         const pbt_message *messages, size_t n_messages);
/* Talks and reads; may be called again after the messages were set anew. extractor NULL: replies only. */
pbt_code pbt_reply_batch_run(pbt_reply_batch *batch, const pbt_evaluation_context *context, pbt_agent *agent,
                             pbt_agent *extractor, pbt_error *error);
void pbt_reply_batch_close(pbt_reply_batch *batch);
/* A copy of the messages with (role, content) pairs behind them, in the arena; NULL when memory is out. */
pbt_message *pbt_messages_with(pbt_arena *arena, const pbt_message *messages, size_t n, const char *reply,
                               const char *next);
/* A string or null. */
json_t *pbt_json_text(const char *text);

#endif
