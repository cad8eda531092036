/*
 * Attributes: fields of mappings, namespaces and loops, and methods. As in Jinja, a method comes before a key
 * of the same name; methods Python has and pbt has not are refused when they are called.
 */
#ifndef PBT_CHAT_JINJA_ATTRIBUTE_H
#define PBT_CHAT_JINJA_ATTRIBUTE_H

#include "chat/jinja/jinja.h"

const jinja_value *jinja_attribute(jinja_run *run, const jinja_value *object, const char *name);

#endif
