/*
 * The filter tojson as transformers defines it: Python's json.dumps, by default without escaping.
 */
#ifndef PBT_CHAT_JINJA_JSON_FORM_H
#define PBT_CHAT_JINJA_JSON_FORM_H

#include "chat/jinja/jinja.h"

const jinja_value *jinja_to_json(jinja_run *run, const jinja_value *value, const jinja_arguments *arguments);

#endif
