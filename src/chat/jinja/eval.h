/*
 * Evaluating the expressions of a template.
 */
#ifndef PBT_CHAT_JINJA_EVAL_H
#define PBT_CHAT_JINJA_EVAL_H

#include "chat/jinja/jinja.h"

const jinja_value *jinja_evaluate(jinja_run *run, const jinja_node *node);

#endif
