/* The reading position over a template: marks, words, names, and where it went wrong. */
#include "chat/jinja/lexer.h"

#include "chat/jinja/string_methods.h"

#include <ctype.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

void *jinja_fail(jinja_parser *p, const char *format, ...) {
    if (p->failed) return NULL;
    char message[256], where[32];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(message, sizeof message, format, arguments);
    va_end(arguments);
    snprintf(where, sizeof where, "line %d", p->line);
    p->failed = true;
    (void)pbt_fail_at(p->error, PBT_BAD_INPUT, "chat template", where, "%s", message);
    return NULL;
}

jinja_node *jinja_new(jinja_parser *p, jinja_node_kind kind) {
    jinja_node *node = pbt_arena_alloc(p->arena, 1, sizeof *node);
    if (!node) return jinja_fail(p, "out of memory");
    node->kind = kind;
    node->line = p->line;
    return node;
}

void jinja_skip_space(jinja_parser *p) {
    while (p->at < p->length) {
        size_t size;
        if (!jinja_is_space(pbt_utf8_decode(p->source + p->at, p->length - p->at, &size))) break;
        p->line += p->source[p->at] == '\n';
        p->at += size;
    }
}

bool jinja_at(jinja_parser *p, const char *mark) {
    size_t n = strlen(mark);
    jinja_skip_space(p);
    return p->length - p->at >= n && memcmp(p->source + p->at, mark, n) == 0;
}

bool jinja_take(jinja_parser *p, const char *mark) {
    if (!jinja_at(p, mark)) return false;
    p->at += strlen(mark);
    return true;
}

static bool word_character(char c) {
    return isalnum((unsigned char)c) || c == '_';
}

bool jinja_at_word(jinja_parser *p, const char *word) {
    if (!jinja_at(p, word)) return false;
    size_t end = p->at + strlen(word);
    return end >= p->length || !word_character(p->source[end]);
}

bool jinja_take_word(jinja_parser *p, const char *word) {
    if (!jinja_at_word(p, word)) return false;
    p->at += strlen(word);
    return true;
}

const char *jinja_identifier(jinja_parser *p) {
    jinja_skip_space(p);
    size_t start = p->at;
    if (p->at < p->length && isdigit((unsigned char)p->source[p->at])) return NULL;
    while (p->at < p->length && word_character(p->source[p->at])) p->at++;
    return p->at > start ? pbt_arena_copy(p->arena, p->source + start, p->at - start) : NULL;
}
