/*
 * Inside chat/: one way to render turns, whether they came as C strings or as JSON.
 */
#ifndef PBT_CHAT_RENDER_H
#define PBT_CHAT_RENDER_H

#include "chat/chat.h"
#include "chat/jinja/jinja.h"

/* The first `n` of `messages` or, where that is given, of the array `json`, with more variables (or NULL). */
typedef struct pbt_turns {
    const pbt_message *messages;
    const json_t *json, *variables;
    size_t n;
} pbt_turns;

/* Bytes from..to-1 of a rendered text. */
typedef struct pbt_span_of_text {
    size_t from, to;
} pbt_span_of_text;

/* What {% generation %} blocks wrote, in order; release with free(items). */
typedef struct pbt_marks {
    pbt_span_of_text *items;
    size_t count, capacity;
} pbt_marks;

/* Appends the text; `marks` may be NULL. */
pbt_code pbt_turns_render(const pbt_chat_template *chat, const pbt_turns *turns, bool add_generation_prompt,
                          pbt_text *text, pbt_marks *marks, pbt_error *error);
/* The names under which a message's reasoning is passed; the first is the one that templates read. */
enum { PBT_REASONING_FIELDS = 3 };
extern const char *const pbt_reasoning_fields[PBT_REASONING_FIELDS];

/* Sets the variable "messages" and those of `variables`. */
void pbt_turns_set_json(jinja_run *run, const pbt_turns *turns);
pbt_turns pbt_turns_of(const pbt_chat_input *input);
/* The messages with `more` behind the field `field` of the last one (behind the text of its last part where
 * it holds parts): a new array, the caller's. PBT_BAD_INPUT where there is no such text. */
pbt_code pbt_turns_extend(const json_t *messages, const char *field, const char *more, json_t **extended,
                          pbt_error *error);

#endif
