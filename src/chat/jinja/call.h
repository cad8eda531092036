/*
 * Calls: macros, the functions transformers gives templates, methods of mappings, lists and loops.
 */
#ifndef PBT_CHAT_JINJA_CALL_H
#define PBT_CHAT_JINJA_CALL_H

#include "chat/jinja/jinja.h"

const jinja_value *jinja_call(jinja_run *run, const jinja_value *function, const jinja_arguments *arguments);

#endif
