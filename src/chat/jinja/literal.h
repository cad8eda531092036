/*
 * Strings and numbers in templates, as Python writes them.
 */
#ifndef PBT_CHAT_JINJA_LITERAL_H
#define PBT_CHAT_JINJA_LITERAL_H

#include "chat/jinja/jinja.h"

jinja_node *jinja_constant(jinja_parser *parser, jinja_kind kind, int64_t number);
/* A quoted string or a number at the reading position (jinja_literal.c). */
jinja_node *jinja_parse_string(jinja_parser *parser);
jinja_node *jinja_parse_number(jinja_parser *parser);

#endif
