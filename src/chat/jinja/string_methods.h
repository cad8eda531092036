/*
 * Python's string methods. Case is changed character by character; where Python's would depend on more than
 * the character or give several, the answer is a refusal.
 */
#ifndef PBT_CHAT_JINJA_STRING_METHODS_H
#define PBT_CHAT_JINJA_STRING_METHODS_H

#include "chat/jinja/jinja.h"

const jinja_value *jinja_string_method(jinja_run *run, const char *name, const jinja_value *self,
                                       const jinja_arguments *arguments);
const jinja_value *jinja_strip(jinja_run *run, const jinja_value *string, const jinja_value *set, bool left,
                               bool right);
const jinja_value *jinja_cased(jinja_run *run, const jinja_value *string, bool upper);
const jinja_value *jinja_capitalized(jinja_run *run, const jinja_value *string);
const jinja_value *jinja_titled(jinja_run *run, const jinja_value *string);
const jinja_value *jinja_replaced(jinja_run *run, const jinja_value *string, const jinja_value *from,
                                  const jinja_value *to, const jinja_value *most);
const jinja_value *jinja_lines(jinja_run *run, const jinja_value *string);
const jinja_value *jinja_joined(jinja_run *run, const jinja_value *mark, const jinja_value *list);
/* Python's str.isspace of one character. */
bool jinja_is_space(uint32_t character);

#endif
