/*
 * Templates to statements: text, {{ }}, {% %} and {# #}, with transformers' trim_blocks and lstrip_blocks.
 */
#ifndef PBT_CHAT_JINJA_PARSE_TEMPLATE_H
#define PBT_CHAT_JINJA_PARSE_TEMPLATE_H

#include "chat/jinja/jinja.h"

/* All return NULL after recording an error. The source must have its newlines as \n. */
jinja_node *jinja_parse(jinja_parser *parser);
/* Statements up to one of the `ends` (taken, its tag still open; *ended names it) or, without ends, to the
 * end of the template. */
bool jinja_parse_body(jinja_parser *parser, const char *const *ends, const char **ended, jinja_node **body);
/* Ends a tag, with what it strips behind it. */
bool jinja_close_tag(jinja_parser *parser, const char *mark);

#endif
