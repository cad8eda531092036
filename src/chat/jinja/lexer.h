/*
 * The reading position over a template: marks, words, names, and where it went wrong.
 */
#ifndef PBT_CHAT_JINJA_LEXER_H
#define PBT_CHAT_JINJA_LEXER_H

#include "chat/jinja/jinja.h"

jinja_node *jinja_new(jinja_parser *parser, jinja_node_kind kind);
void *jinja_fail(jinja_parser *parser, const char *format, ...) __attribute__((format(printf, 2, 3)));
void jinja_skip_space(jinja_parser *parser);
/* Whether the word or mark comes next; take: and moves behind it. */
bool jinja_at(jinja_parser *parser, const char *mark);
bool jinja_take(jinja_parser *parser, const char *mark);
bool jinja_at_word(jinja_parser *parser, const char *word);
bool jinja_take_word(jinja_parser *parser, const char *word);
const char *jinja_identifier(jinja_parser *parser);

#endif
