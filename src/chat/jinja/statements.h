/*
 * Running the statements of a template.
 */
#ifndef PBT_CHAT_JINJA_STATEMENTS_H
#define PBT_CHAT_JINJA_STATEMENTS_H

#include "chat/jinja/jinja.h"

/* Renders statements; the run's `code` says how it went. */
void jinja_render(jinja_run *run, const jinja_node *statements);
/* Renders statements in a new scope on `outer` into a string. */
const jinja_value *jinja_capture(jinja_run *run, const jinja_node *statements);
/* A new scope on `outer`, made the current one; the caller puts back what was. */
jinja_scope *jinja_enter(jinja_run *run, jinja_scope *outer);
void jinja_set(jinja_run *run, const char *name, const jinja_value *value);

#endif
