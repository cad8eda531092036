/*
 * Filters of single values, and Jinja's tests; those of sequences stand in jinja_list.c.
 */
#ifndef PBT_CHAT_JINJA_FILTER_H
#define PBT_CHAT_JINJA_FILTER_H

#include "chat/jinja/jinja.h"

const jinja_value *jinja_filter(jinja_run *run, const char *name, const jinja_value *value,
                                const jinja_arguments *arguments);
bool jinja_test(jinja_run *run, const char *name, const jinja_value *value, const jinja_arguments *arguments);

#endif
