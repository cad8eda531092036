/*
 * An agent: a chat model that can talk and be measured. Dialogues, evaluations and analyses see only this;
 * behind it stands a local engine, or a script (tests). Many requests are handed over at once, so that they
 * form one batch.
 */
#ifndef PBT_AGENT_AGENT_H
#define PBT_AGENT_AGENT_H

#include "base/declarations.h"
#include "chat/chat.h"
#include "engine/engine.h"

PBT_BEGIN_DECLS

typedef struct pbt_agent pbt_agent;

typedef struct pbt_talk {
    const pbt_message *messages;
    size_t n_messages;
    pbt_sampling sampling;
    pbt_key key;
    char *text;       /* out: malloc'ed, caller frees; special tokens left out, outer white space trimmed */
    bool finished;    /* out: ended by an end token */
    int32_t n_tokens; /* out */
} pbt_talk;

typedef struct pbt_measure {
    const pbt_message *messages;
    size_t n_messages;
    const char *answer; /* text of the assistant's turn */
    bool open;          /* true: `answer` is the beginning of a turn (no end-of-turn token is scored) */
    const char *prefix; /* forced beginning of the turn, not scored ("Final answer: "), or NULL */
    double logprob;     /* out: sum over the tokens of `answer` (and end-of-turn unless open) */
    int32_t n_tokens;   /* out */
} pbt_measure;

struct pbt_agent {
    char name[64];
    pbt_code (*talk)(pbt_agent *agent, pbt_talk *requests, size_t n, const pbt_monitor *monitor,
                     pbt_error *error);
    pbt_code (*measure)(pbt_agent *agent, pbt_measure *requests, size_t n, const pbt_monitor *monitor,
                        pbt_error *error);
    void (*free)(pbt_agent *agent);
};

/* The calls; they only forward. */
pbt_code pbt_agent_talk(pbt_agent *agent, pbt_talk *requests, size_t n, const pbt_monitor *monitor,
                        pbt_error *error);
pbt_code pbt_agent_measure(pbt_agent *agent, pbt_measure *requests, size_t n, const pbt_monitor *monitor,
                           pbt_error *error);
void pbt_agent_free(pbt_agent *agent);
/* Frees the text of finished talks. */
void pbt_talk_clear(pbt_talk *requests, size_t n);

/* Everything needed to talk with one model folder; shared by agents that differ only in their adapter. */
typedef struct pbt_chat_model {
    pbt_model *model;
    pbt_tokenizer *tokenizer;
    pbt_chat_template *chat;
    pbt_engine *engine;
    char *path;
} pbt_chat_model;
pbt_code pbt_chat_model_open(const char *path, const pbt_model_options *model_options,
                             const pbt_engine_options *engine_options, const char *date_string,
                             const pbt_device *device, pbt_chat_model **chat_model, pbt_error *error);
void pbt_chat_model_free(pbt_chat_model *chat_model);

/* An agent of a chat model with an adapter (NULL: the base model). Borrows both. */
pbt_code pbt_agent_local(pbt_chat_model *chat_model, const pbt_adapter *adapter, const char *name,
                         pbt_agent **agent, pbt_error *error);

PBT_END_DECLS

#endif
