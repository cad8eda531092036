/*
 * Filters of sequences. Those that return generators in Jinja return lists that can be looped over once.
 */
#ifndef PBT_CHAT_JINJA_LIST_H
#define PBT_CHAT_JINJA_LIST_H

#include "chat/jinja/jinja.h"

/* Filters of sequences (jinja_list.c): *known says whether `name` is one. */
const jinja_value *jinja_list_filter(jinja_run *run, const char *name, const jinja_value *value,
                                     const jinja_arguments *arguments, bool *known);

#endif
