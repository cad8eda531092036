/*
 * Expressions of templates, in Jinja's order of precedence.
 */
#ifndef PBT_CHAT_JINJA_EXPRESSION_H
#define PBT_CHAT_JINJA_EXPRESSION_H

#include "chat/jinja/jinja.h"

jinja_node *jinja_parse_expression(jinja_parser *parser);
/* An expression, or a tuple without parentheses; without `conditional` an "if" behind it is left alone. */
jinja_node *jinja_parse_tuple(jinja_parser *parser, bool conditional, const char *end_word);
/* "| name(...)" as long as there are any, around `node`; `inline_first`: the first has no bar. */
jinja_node *jinja_parse_filters(jinja_parser *parser, jinja_node *node, bool inline_first);

#endif
