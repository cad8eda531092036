/*
 * Operators of templates: arithmetic, comparison, indexing and slicing, as Python does them.
 */
#ifndef PBT_CHAT_JINJA_OPERATE_H
#define PBT_CHAT_JINJA_OPERATE_H

#include "chat/jinja/jinja.h"

const jinja_value *jinja_operate(jinja_run *run, const char *mark, const jinja_value *a,
                                 const jinja_value *b);
bool jinja_compare(jinja_run *run, const char *mark, const jinja_value *a, const jinja_value *b);
bool jinja_contains(jinja_run *run, const jinja_value *item, const jinja_value *where);
const jinja_value *jinja_element(jinja_run *run, const jinja_value *object, const jinja_value *index);
const jinja_value *jinja_slice(jinja_run *run, const jinja_value *object, const jinja_value *from,
                               const jinja_value *to, const jinja_value *by);

#endif
