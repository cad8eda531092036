/*
 * Chat templates: messages to the exact text and ids a model was trained to see, with the span of every
 * message. Templates are Jinja, from chat_template.jinja or tokenizer_config.json; rendered natively exactly
 * as transformers' apply_chat_template, or refused with a sentence.
 */
#ifndef PBT_CHAT_CHAT_H
#define PBT_CHAT_CHAT_H

#include "base/declarations.h"
#include "base/json.h"
#include "tokenizer/tokenizer.h"

PBT_BEGIN_DECLS

typedef struct pbt_message {
    const char *role; /* "system", "user", "assistant" */
    const char *content;
} pbt_message;

typedef struct pbt_chat_template pbt_chat_template;

/* Reads the folder's template, and the one named "tool_use", which takes its place where tools are given (as
 * in transformers); `date_string` (may be NULL) pins the date for templates that print one. */
pbt_code pbt_chat_template_open(const char *folder, const pbt_tokenizer *tokenizer, const char *date_string,
                                pbt_chat_template **chat, pbt_error *error);
/* From template text; bos/eos strings may be NULL. */
pbt_code pbt_chat_template_parse(const char *source, size_t length, const char *bos_token,
                                 const char *eos_token, const char *date_string, pbt_chat_template **chat,
                                 pbt_error *error);
/* The source of a folder's template of a name, malloc'ed; at most `limit` bytes. As transformers: where there
 * are chat_template.jinja ("default") or additional_chat_templates/NAME.jinja these are all; else
 * tokenizer_config.json has one text ("default") or a list of them with names. "default" must be there;
 * *source is NULL where another is not. */
pbt_code pbt_chat_find_template(const char *folder, const char *name, size_t limit, char **source,
                                size_t *length, pbt_error *error);
void pbt_chat_template_free(pbt_chat_template *chat);

/* Appends the rendered text. A template's raise_exception becomes PBT_BAD_INPUT with its sentence. */
pbt_code pbt_chat_render(const pbt_chat_template *chat, const pbt_message *messages, size_t n,
                         bool add_generation_prompt, pbt_text *text, pbt_error *error);

/* A conversation of JSON, borrowed. Messages are an array of objects with whatever fields they have (name,
 * tool calls, reasoning, parts), handed to the template as transformers hands them. */
typedef struct pbt_chat_input {
    const json_t *messages;
    const json_t
        *variables; /* an object of what else the template sees ("tools", "enable_thinking"), or NULL */
    const char *continued; /* the field of the last message that goes on ("content"): the text ends with it,
                              as with transformers' continue_final_message; NULL: none */
    bool add_generation_prompt;
} pbt_chat_input;
pbt_code pbt_chat_render_input(const pbt_chat_template *chat, const pbt_chat_input *input, pbt_text *text,
                               pbt_error *error);

/* Renders and encodes a prompt (generation prompt added). Exactly one BOS is asserted where the tokenizer has
 * one and the template writes it. */
pbt_code pbt_chat_prompt_ids(const pbt_chat_template *chat, const pbt_tokenizer *tokenizer,
                             const pbt_message *messages, size_t n, pbt_ids *ids, pbt_error *error);
/* Prompt ids as above, and the ids of the assistant's answer as the template renders it after that prompt,
 * with its end-of-turn token and nothing after it (a newline the template adds behind the end-of-turn is left
 * out). Derived from rendering: full text minus prompt text; refuses templates for which the prompt is not a
 * prefix. */
pbt_code pbt_chat_completion_ids(const pbt_chat_template *chat, const pbt_tokenizer *tokenizer,
                                 const pbt_message *messages, size_t n, const char *answer, pbt_ids *prompt,
                                 pbt_ids *completion, pbt_error *error);
/* The same of conversations of JSON. The prompt of input_prompt_ids is rendered as `input` says; that of
 * input_completion_ids with the generation prompt or, where the last message goes on, up to its end, and
 * `answer` is then what goes on. */
pbt_code pbt_chat_input_prompt_ids(const pbt_chat_template *chat, const pbt_tokenizer *tokenizer,
                                   const pbt_chat_input *input, pbt_ids *ids, pbt_error *error);
pbt_code pbt_chat_input_completion_ids(const pbt_chat_template *chat, const pbt_tokenizer *tokenizer,
                                       const pbt_chat_input *input, const char *answer, pbt_ids *prompt,
                                       pbt_ids *completion, pbt_error *error);
/* Whether the template that serves these variables marks the assistant's words with {% generation %}. */
bool pbt_chat_has_marks(const pbt_chat_template *chat, const json_t *variables);
/* The ids of a whole conversation, and (malloc'ed, one byte each) which are the assistant's. Where the
 * template marks these with {% generation %}: every token that has a part in a mark, as transformers'
 * return_assistant_tokens_mask says. Else: the answers with their ends of turn, found by rendering the
 * conversation turn by turn; PBT_BAD_INPUT where the template renders a turn otherwise than at the end of its
 * prefix. */
pbt_code pbt_chat_mask(const pbt_chat_template *chat, const pbt_tokenizer *tokenizer,
                       const pbt_chat_input *input, pbt_ids *ids, unsigned char **mask, pbt_error *error);

PBT_END_DECLS

#endif
