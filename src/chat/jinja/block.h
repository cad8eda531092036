/*
 * The statements of templates: {% if %}, {% for %}, {% set %} and the like.
 */
#ifndef PBT_CHAT_JINJA_BLOCK_H
#define PBT_CHAT_JINJA_BLOCK_H

#include "chat/jinja/jinja.h"

/* The statement whose name was just read, to the close of its last tag. */
jinja_node *jinja_parse_statement(jinja_parser *parser, const char *name);

#endif
