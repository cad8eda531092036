/*
 * Values as text: Python's str() and, inside of lists and mappings, repr().
 */
#ifndef PBT_CHAT_JINJA_VALUE_TEXT_H
#define PBT_CHAT_JINJA_VALUE_TEXT_H

#include "chat/jinja/jinja.h"

/* Python's str(value), as {{ }} prints it. */
void jinja_print(jinja_run *run, const jinja_value *value, pbt_text *out);
const jinja_value *jinja_to_string(jinja_run *run, const jinja_value *value);
void jinja_print_float(double real, pbt_text *out);

#endif
