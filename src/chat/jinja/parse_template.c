/* Templates to statements: text, {{ }}, {% %} and {# #}, with transformers' trim_blocks and lstrip_blocks. */
#include "chat/jinja/parse_template.h"

#include "chat/jinja/block.h"
#include "chat/jinja/expression.h"
#include "chat/jinja/lexer.h"
#include "chat/jinja/string_methods.h"

#include <string.h>

bool jinja_close_tag(jinja_parser *p, const char *mark) {
    jinja_skip_space(p);
    bool block = mark[0] != '}', strip = p->at < p->length && p->source[p->at] == '-';
    bool keep = block && p->at < p->length && p->source[p->at] == '+';
    if (strip || keep) p->at++;
    if (p->length - p->at < 2 || memcmp(p->source + p->at, mark, 2) != 0)
        return jinja_fail(p, "expected \"%s\", found \"%.12s\"", mark, p->source + p->at), false;
    p->at += 2;
    if (strip) jinja_skip_space(p);
    if (block && !strip && !keep && p->at < p->length && p->source[p->at] == '\n') {
        p->at++;
        p->line++;
    }
    return true;
}

/* The end of text[start..end-1] without the white space at its end. */
static size_t stripped(const char *text, size_t start, size_t end) {
    while (end > start) {
        size_t last = end - 1, size;
        while (last > start && ((unsigned char)text[last] & 0xC0) == 0x80) last--;
        if (!jinja_is_space(pbt_utf8_decode(text + last, end - last, &size))) break;
        end = last;
    }
    return end;
}

/* The text source[start..end-1], stripped as the tag at `end` asks: of all white space before "-", of a
 * line's indentation before a block or a comment that begins the line. */
static jinja_node *text_node(jinja_parser *p, size_t start, size_t end) {
    size_t stop = end;
    if (end < p->length) {
        char kind = p->source[end + 1], sign = end + 2 < p->length ? p->source[end + 2] : 0;
        if (sign == '-') {
            stop = stripped(p->source, start, end);
        } else if (kind != '{' && sign != '+') {
            size_t line = end;
            while (line > start && p->source[line - 1] != '\n') line--;
            bool begins = line > start || start == 0 || p->source[start - 1] == '\n';
            if (begins && stripped(p->source, line, end) == line) stop = line;
        }
    }
    jinja_node *node = jinja_new(p, NODE_TEXT);
    jinja_value *value = pbt_arena_alloc(p->arena, 1, sizeof *value);
    if (!node || !value) return jinja_fail(p, "out of memory");
    *value = (jinja_value){.kind = JINJA_STRING, .text = p->source + start, .length = stop - start};
    node->value = value;
    for (size_t i = start; i < end; i++) p->line += p->source[i] == '\n';
    return node;
}

/* Text up to the next mark. */
static jinja_node *text(jinja_parser *p) {
    size_t start = p->at, end = start;
    while (end < p->length) {
        const char *brace = memchr(p->source + end, '{', p->length - end);
        end = brace ? (size_t)(brace - p->source) : p->length;
        if (end + 1 < p->length && p->source[end + 1] && strchr("{%#", p->source[end + 1])) break;
        if (end < p->length) end++;
    }
    p->at = end;
    return text_node(p, start, end);
}

static bool comment(jinja_parser *p) {
    const char *end = memmem(p->source + p->at, p->length - p->at, "#}", 2);
    if (!end) return jinja_fail(p, "a comment has no end"), false;
    size_t start = p->at;
    for (; p->source + p->at < end; p->at++) p->line += p->source[p->at] == '\n';
    if (p->at > start && (p->source[p->at - 1] == '-' || p->source[p->at - 1] == '+')) p->at--;
    return jinja_close_tag(p, "#}");
}

/* {% raw %}: text up to {% endraw %}. */
static jinja_node *raw(jinja_parser *p) {
    jinja_skip_space(p);
    bool strip = p->at < p->length && p->source[p->at] == '-';
    p->at += strip;
    if (!jinja_take(p, "%}")) return jinja_fail(p, "expected \"%%}\" after \"raw\"");
    if (strip) jinja_skip_space(p);
    size_t start = p->at;
    for (size_t end = start; end + 1 < p->length; end++) {
        if (p->source[end] != '{' || p->source[end + 1] != '%') continue;
        int line = p->line;
        p->at = end + 2;
        if (p->at < p->length && (p->source[p->at] == '-' || p->source[p->at] == '+')) p->at++;
        bool ends = jinja_take_word(p, "endraw");
        size_t at = p->at;
        p->line = line;
        if (!ends) continue;
        jinja_node *node = text_node(p, start, end);
        p->at = at;
        return node && jinja_close_tag(p, "%}") ? node : NULL;
    }
    return jinja_fail(p, "expected \"endraw\" before the end of the template");
}

static jinja_node *output(jinja_parser *p) {
    jinja_node *node = jinja_new(p, NODE_OUTPUT);
    if (!node || !(node->a = jinja_parse_tuple(p, true, NULL)) || !jinja_close_tag(p, "}}")) return NULL;
    return node;
}

static jinja_node *tag(jinja_parser *p, const char *const *ends, const char **ended) {
    const char *name = jinja_identifier(p);
    if (!name) return jinja_fail(p, "expected a statement");
    for (int i = 0; ends && ends[i]; i++)
        if (strcmp(name, ends[i]) == 0) {
            *ended = ends[i];
            return NULL;
        }
    return strcmp(name, "raw") == 0 ? raw(p) : jinja_parse_statement(p, name);
}

bool jinja_parse_body(jinja_parser *p, const char *const *ends, const char **ended, jinja_node **first) {
    jinja_node **last = first;
    *first = NULL;
    *ended = NULL;
    if (++p->depth > JINJA_NESTING) return jinja_fail(p, "blocks are nested too deeply"), false;
    while (!p->failed) {
        jinja_node *node = text(p);
        if (!node) return false;
        *last = node;
        last = &node->next;
        if (p->at >= p->length) break;
        char kind = p->source[p->at + 1];
        p->at += 2;
        if (p->at < p->length && (p->source[p->at] == '-' || p->source[p->at] == '+')) p->at++;
        if (kind == '#') {
            if (!comment(p)) return false;
            continue;
        }
        node = kind == '{' ? output(p) : tag(p, ends, ended);
        if (*ended) {
            p->depth--;
            return true;
        }
        if (!node) return false;
        *last = node;
        last = &node->next;
    }
    p->depth--;
    if (ends && !p->failed) jinja_fail(p, "expected \"%s\" before the end of the template", ends[0]);
    return !p->failed;
}

jinja_node *jinja_parse(jinja_parser *p) {
    const char *ended;
    jinja_node *first;
    p->line = 1;
    if (p->length > 0 && p->source[p->length - 1] == '\n') p->length--;
    return jinja_parse_body(p, NULL, &ended, &first) ? first : NULL;
}
