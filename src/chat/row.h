/*
 * Rows of JSON files that hold conversations: what is in them for the template. Everything a row says is
 * either rendered or refused by name; what is null or empty counts as not there.
 */
#ifndef PBT_CHAT_ROW_H
#define PBT_CHAT_ROW_H

#include "chat/chat.h"

/* The messages under `key`, a new array: ShareGPT's "from" and "value" become "role" and "content". Refused
 * with file and place: what is no list of objects with a "role", messages without anything to render, and
 * content that is no text (images, sound, video). */
pbt_code pbt_row_messages(const json_t *row, const char *key, const char *file, const char *where,
                          json_t **messages, pbt_error *error);

/* What the row gives the template besides messages: "tools" (a list, or one written as a string),
 * "documents", and all of "chat_template_kwargs"; a new object. Arguments of apply_chat_template that are no
 * variables of the template are refused by name, where they are not those that pbt_row_flags reads. */
pbt_code pbt_row_variables(const json_t *row, const char *file, const char *where, json_t **variables,
                           pbt_error *error);

/* "add_generation_prompt" and "continue_final_message" of the row or its chat_template_kwargs. */
typedef struct pbt_chat_flags {
    const char *continued; /* the field that goes on, borrowed; NULL: none */
    bool generation_prompt_given, add_generation_prompt;
} pbt_chat_flags;
pbt_code pbt_row_flags(const json_t *row, const char *file, const char *where, pbt_chat_flags *flags,
                       pbt_error *error);

/* Refuses columns of pictures, sound and video by name. */
pbt_code pbt_row_refuse_media(const json_t *row, const char *file, const char *where, pbt_error *error);

/* Whether `key` holds something: not null, nor an empty list, object or string. */
bool pbt_row_has(const json_t *row, const char *key);

#endif
